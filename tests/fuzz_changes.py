"""Changes of a reader's files: of bytes, of lines, of JSON values, of the files themselves."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from fuzz_seeds import Files, gzipped, zipped

PIECES = [
    b"\xff", b"\xe9", b"\xef\xbb\xbf", b"\0", b"\r\n", b"\n", b"\n\n", b"\r", b"\t", b" ", "\u2028".encode(),
    "é😀".encode(), b"[", b"]", b"{", b"}", b",", b":", b'"', b"'", b"\\", b"\\ud800", b"<e1>", b"</e2>", b"<", b">",
    b"[[", b"]]", b"{{", b"}}", b"|", b"''", b"&lt;ref&gt;", b"&lt;/ref&gt;", b"<page>", b"</text>",
    b"#REDIRECT [[", b"&amp;quot;", b"-", b"-1", b"0", b"9" * 12, b"9" * 4300, b"1e999",
    b"1.5", b"NaN", b"null", b"true", b"[" * 2000,
]  # fmt: skip
DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 7, 10**6, 10**30, int("9" * 4300), 1.5, float("nan"), float("inf"), "", " ", "1", "a",
    "\ud800", "\0", "\n", "é" * 100, [], {}, [[]], [None], [""], [0], [0, 1], [1, 0], ["a"], {"": ""}, "train", "first", DEEP,
]  # fmt: skip


def changed(files: Files, random: Random) -> Files:
    """The files with one change."""
    files = dict(files)
    names = sorted(files)
    if not names or random.random() < 0.03:
        return _other_files(files, random)
    name = random.choice(names)
    change = random.choice([_bytes, _bytes, _lines, _json, _json])
    packed = _unpacked(name, files[name]) if random.random() < 0.9 else None
    if packed is None:
        files[name] = change(files[name], random)
    else:
        inner, pack = packed
        files[name] = pack(change(inner, random))
    return files


def _other_files(files: Files, random: Random) -> Files:
    """The files with one packed, missing, empty, or a folder."""
    if files:
        name = random.choice(sorted(files))
        content = files.pop(name)
        name = name.rstrip("/")
        packed = {f"{name}.gz": gzipped(content)}
        files |= random.choice([{}, {name: b""}, {f"{name}/": b""}, packed, {name: content} | packed])
    return files


def _unpacked(name: str, content: bytes) -> tuple[bytes, Callable[[bytes], bytes]] | None:
    """What is in a packed file, and how to pack it again; None for one that is not packed, or damaged."""
    try:
        if name.endswith(".gz"):
            return gzip.decompress(content), gzipped
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            member = archive.namelist()[0]
            return archive.read(member), lambda inner: zipped(member, inner)
    except Exception:
        return None


def _bytes(content: bytes, random: Random) -> bytes:
    """A piece of the content replaced by another, or all cut off behind a place."""
    at, other = random.randrange(len(content) + 1), random.randrange(len(content) + 1)
    if random.random() < 0.05:
        return content[:at]
    end = at + random.choice([0, 0, 1, 1, 2, 8, 64])
    piece = random.choice([b"", content[at:end] * 2, content[other : other + end - at], random.choice(PIECES)])
    return content[:at] + piece + content[end:]


def _lines(content: bytes, random: Random) -> bytes:
    """A line left out, doubled, or changed with another."""
    lines = content.split(b"\n")
    one, two = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(3):
        case 0:
            del lines[one]
        case 1:
            lines.insert(two, lines[one])
        case _:
            lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def _json(content: bytes, random: Random) -> bytes:
    """A JSON file with one value changed; or one line of it, where each is JSON of its own."""
    try:
        return _dumped(_value(json.loads(content), random), random)
    except (ValueError, RecursionError):
        lines = content.split(b"\n")
    at = random.randrange(len(lines))
    try:
        lines[at] = _dumped(_value(json.loads(lines[at]), random), None)
    except (ValueError, RecursionError):
        return _bytes(content, random)
    return b"\n".join(lines)


def _dumped(value: Any, random: Random | None) -> bytes:
    indent = random.choice([None, None, 1]) if random else None
    return json.dumps(value, indent=indent, ensure_ascii=not random or random.random() < 0.5).encode(
        errors="surrogatepass"
    )


def _value(value: Any, random: Random) -> Any:
    """A JSON value with something in it replaced, left out, doubled or renamed."""
    slots = list(_slots(value))
    if not slots:
        return random.choice(VALUES)
    holder, key = random.choice(slots)
    elsewhere, other = random.choice(slots)
    match random.randrange(6):
        case 0 | 1:
            holder[key] = random.choice(VALUES)
        case 2:
            holder[key] = json.loads(json.dumps(elsewhere[other]))
        case 3:
            del holder[key]
        case 4 if isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        case 4:
            holder[random.choice(["", "id", f"{key}2", str(other)])] = holder.pop(key)
        case _:
            holder[key] = [holder[key]]
    return value


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a JSON value: the list or object, and the number or key."""
    if isinstance(value, (list, dict)):
        for key in range(len(value)) if isinstance(value, list) else list(value):
            yield value, key
            yield from _slots(value[key])
