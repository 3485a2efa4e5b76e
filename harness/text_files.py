"""Reading what people have: UTF-8 text, packed or not, whole or streamed, with the line of whatever is wrong with it.

A byte-order mark and Windows line ends change nothing. Every fault of a file is a DataError that names it.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from harness.contracts import Place
from harness.errors import DataError

PACKINGS: dict[str, Any] = {"": open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
"""How a file is opened, by the ending that its packing adds to its name."""

CHUNK = 1 << 20  # characters that are read at a time
LONGEST = 1 << 25  # characters of one JSON value; a file that is one value and no list of values is told


def find(folder: Path, name: str) -> Path | None:
    """The file `name` of a folder, packed or not; None where there is none. A folder in its place is told when read.

    Raises DataError where there are two of the one name.
    """
    found = [file for ending in PACKINGS if (file := folder / f"{name}{ending}").exists()]
    if len(found) > 1:
        raise DataError(f"{folder}: expected one file {name}, found {' and '.join(file.name for file in found)}; "
                        "keep one of them")  # fmt: skip
    return found[0] if found else None


def files_of(path: Path, names: Sequence[str]) -> list[Path]:
    """`path` itself where it is a file; else those of the files `names` that its folder has, in this order.

    Raises DataError where it has none.
    """
    if not path.is_dir():
        return [path]
    found = [file for name in names if (file := find(path, name))]
    if not found:
        raise DataError(f"{path}: expected {', '.join(names)}, or some of them, found none")
    return found


def unread(path: Path, names: Sequence[str]) -> list[str]:
    """A remark on those files of a folder that end as the files `names` do and are called otherwise; else nothing."""
    endings = {Path(name).suffix for name in names}
    known = {f"{name}{packing}" for name in names for packing in PACKINGS}
    others = sorted(
        os.fsencode(file.name).decode(errors="replace")  # the name of a file may be no text
        for file in (path.iterdir() if path.is_dir() else ())
        if file.name not in known and Path(_unpacked(file)).suffix.lower() in endings
    )
    return (
        [f"files that are not read, for their names are none of {', '.join(names)}: {', '.join(others)}"]
        if others
        else []
    )


def _unpacked(file: Path) -> str:
    """The name of a file without the ending of its packing."""
    return file.name.removesuffix(file.suffix) if file.suffix in PACKINGS else file.name


def stem(file: Path) -> str:
    """The name of a file without its endings: `train` of train.json.gz."""
    return Path(_unpacked(file)).stem


@contextmanager
def opened(file: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked. What goes wrong within, while it is read, is a DataError with its name."""
    packing = PACKINGS.get(file.suffix, open)
    try:
        if file.is_dir():
            raise DataError(f"{file}: expected a file, found a folder")
        with cast(IO[bytes], packing(file, "rb")) as stream:
            yield stream
    except FileNotFoundError as error:
        raise DataError(f"{file}: expected a file, found none") from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{file}: can't be read to its end: {told}; expected a whole file. Get it anew") from error


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers from 1, without their ends.

    Raises DataError for a file without any text, and with the line for bytes that are not UTF-8.
    """
    blank = True
    with opened(file) as stream:
        for number, raw in enumerate(stream, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise _not_utf8(file, number, error) from error
            blank = blank and not line.strip()
            yield number, line
    if blank:
        raise DataError(f"{file}: expected examples, found an empty file")


def read_json(file: Path) -> Any:
    """The one JSON value of a file, in which no object has a key twice."""
    text = "\n".join(line for _, line in lines(file))
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{file}{line}: expected JSON, found a fault: {_told(error)}") from error


def json_lines(file: Path) -> Iterator[tuple[Place, Any]]:
    """The JSON value of every line that is not blank, with its place."""
    for number, line in lines(file):
        if line.strip():
            try:
                yield Place(file, number), _DECODER.decode(line)
            except (ValueError, RecursionError) as error:
                found = f"{_told(error)}: {line[:60]!r}"
                raise DataError(
                    f"{file}, line {number}: expected one JSON object a line, found a fault: {found}"
                ) from error


def json_list(file: Path) -> Iterator[tuple[Place, Any]]:
    """The values of a JSON list with their places, one at a time: no more than one value and a chunk is in memory."""
    return _ListScanner(file).values()


class _ListScanner:
    """Walks over the text of a JSON list; `_text` is what has been read and not yet passed, `_at` the place in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._chunks = _chunks(file)
        self._text, self._at = "", 0
        self._line, self._counted = 1, 0  # the line of the character at `_counted`

    def values(self) -> Iterator[tuple[Place, Any]]:
        if self._next() != "[":
            lines = "; one object a line is JSON lines, not a list" if self._next() == "{" else ""
            raise self._fault("a JSON list that opens with [", f"{self._shown()}{lines}")
        self._at += 1
        number = 0
        while number or self._next() != "]":
            number += 1
            self._next()
            value, end = self._decode(number)
            place = Place(self._file, self._here(), number)
            self._at = end
            yield place, value
            if self._next() == "]":
                break
            if self._next() != ",":
                raise self._fault(f"a comma or ] after example {number}", self._shown())
            self._at += 1
        self._at += 1
        if self._next():
            raise self._fault("nothing after the list", self._shown())

    def _next(self) -> str:
        """The next character that is no blank, not passed; empty at the end of the file."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _more(self) -> bool:
        """Read on, forgetting what lies behind; whether there was more."""
        chunk = next(self._chunks, "")
        if chunk:
            self._here()
            self._text = self._text[self._at :] + chunk
            self._at = self._counted = 0
        return bool(chunk)

    def _decode(self, number: int) -> tuple[Any, int]:
        """The value here and the place of its end; read on where the value may only be cut by a chunk's end."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                if len(self._text) - end < len("e+1") and self._more():  # a number may go on
                    continue
                return value, end
            except (ValueError, RecursionError) as error:
                length = len(self._text) - self._at
                if isinstance(error, ValueError) and length < LONGEST and self._more():
                    while len(self._text) < 2 * length and self._more():  # doubled, not to try a long one too often
                        pass
                    continue
                expected = f"example {number} as JSON"
                if length >= LONGEST:
                    expected += f" of at most {LONGEST:,} characters"
                raise self._fault(expected, f"a fault: {_told(error)}: {self._shown()}") from error

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _shown(self) -> str:
        if self._at < len(self._text):
            return repr(self._text[self._at : self._at + 40])
        return "the end of the file: it is cut off"

    def _fault(self, expected: str, found: str) -> DataError:
        return DataError(f"{self._file}, line {self._here()}: expected {expected}, found {found}")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; ValueError for a key that stands there twice, of which one value would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:60]!r} twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_each_once)


def _told(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _chunks(file: Path) -> Iterator[str]:
    """The text of a file in pieces; DataError with the line for bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line, anything = 1, False
    with opened(file) as stream:
        while data := stream.read(CHUNK):
            try:
                text = decoder.decode(data)
            except UnicodeDecodeError as error:
                raise _not_utf8(file, line + error.object[: error.start].count(b"\n"), error) from error
            line += text.count("\n")
            anything = anything or bool(text.strip())
            if text:
                yield text
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _not_utf8(file, line, error) from error
    if not anything:
        raise DataError(f"{file}: expected examples, found an empty file")


def _not_utf8(file: Path, line: int, error: UnicodeDecodeError) -> DataError:
    found = error.object[error.start : error.start + 1].hex()
    utf16 = line == 1 and error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "UTF-16: iconv -f utf-16" if utf16 else "Latin-1: iconv -f latin1"
    return DataError(
        f"{file}, line {line}: expected UTF-8 text, found the byte 0x{found} ({error.reason}). "
        f"If it is {encoding} -t utf-8 {file.name} > NEW"
    )
