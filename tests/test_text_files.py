"""Files as people have them: packed, cut off, in other encodings, one JSON value or one JSON list of any size."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import text_files
from harness.contracts import Place
from harness.errors import DataError
from harness.text_files import files_of, find, json_lines, json_list, lines, read_json, stem, unread

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
READERS: dict[str, Callable[[Path], Any]] = {
    "lines": lambda file: list(lines(file)),
    "read_json": read_json,
    "json_lines": lambda file: list(json_lines(file)),
    "json_list": lambda file: list(json_list(file)),
}
EXAMPLES = [{"id": "é1", "n": [-1.5e3, 20]}, {}, {"id": ']},\\"{[', "ok": None}, {"😀": True}]


def put(folder: Path, content: str | bytes, name: str = "train.json") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def fault(read: Callable[[Path], Any], file: Path) -> str:
    """What is told of a file that can't be read, without its folder."""
    with pytest.raises(DataError) as raised:
        read(file)
    told = str(raised.value)
    assert told.startswith(f"{file}")
    return told.removeprefix(f"{file.parent}/")


def values(file: Path, chunk: int | None = None) -> list[Any]:
    """The values of a JSON list, read in chunks of that many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        if chunk is not None:
            patch.setattr(text_files, "CHUNK", chunk)
        return [value for _, value in json_list(file)]


# What changes nothing


@pytest.mark.parametrize("read", ["lines", "read_json", "json_lines", "json_list"])
@pytest.mark.parametrize("packing", PACK)
def test_packing_marks_and_line_ends_change_nothing(tmp_path: Path, read: str, packing: str) -> None:
    plain = b'[{"a":\n"\xc3\xa9"}]\n' if read in ("read_json", "json_list") else b'{"a": "\xc3\xa9"}\n\n[1]\n'
    windows = b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")
    name = f"train.json{packing}"
    before = READERS[read](put(tmp_path, PACK[packing](plain), name))
    assert READERS[read](put(tmp_path, PACK[packing](windows), name)) == before


def test_lines_are_numbered_from_1_and_end_at_line_feeds_alone(tmp_path: Path) -> None:
    file = put(tmp_path, "a\r\n\n\x0b\x0c\x85\u2028 b \nlast")
    assert list(lines(file)) == [(1, "a"), (2, ""), (3, "\x0b\x0c\x85\u2028 b "), (4, "last")]


def test_json_lines_pass_over_blank_ones_and_keep_their_numbers(tmp_path: Path) -> None:
    file = put(tmp_path, '\n{"a": 1}\n \t\r\n[2, "\\n"]\nnull')
    assert list(json_lines(file)) == [(Place(file, 2), {"a": 1}), (Place(file, 4), [2, "\n"]), (Place(file, 5), None)]


def test_one_json_value_is_read(tmp_path: Path) -> None:
    assert read_json(put(tmp_path, '\n{"a":\r\n [1, "b"]}\n')) == {"a": [1, "b"]}


@pytest.mark.parametrize("text", ["[]", " [\n] \n\r\t"])
def test_a_list_may_be_empty(tmp_path: Path, text: str) -> None:
    assert values(put(tmp_path, text)) == []


# Where


@pytest.mark.parametrize("packing", PACK)
def test_a_file_is_found_packed_or_not(tmp_path: Path, packing: str) -> None:
    assert find(tmp_path, "train.json") is None
    assert find(tmp_path / "nowhere", "train.json") is None
    file = put(tmp_path, "[]", f"train.json{packing}")
    put(tmp_path, "[]", "train.jsonl")
    assert find(tmp_path, "train.json") == file


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    for name in ("train.json", "train.json.gz", "train.json.xz"):
        put(tmp_path, "", name)
    with pytest.raises(DataError) as raised:
        find(tmp_path, "train.json")
    assert str(raised.value) == (
        f"{tmp_path}: expected one file train.json, found train.json and train.json.gz and train.json.xz; "
        "keep one of them"
    )


def test_the_files_of_a_folder_are_those_that_it_has_in_the_order_asked_for(tmp_path: Path) -> None:
    dev, train = put(tmp_path, "", "dev.json"), put(tmp_path, "", "train.json.bz2")
    put(tmp_path, "", "other.json")
    assert files_of(tmp_path, ("train.json", "dev.json", "test.json")) == [train, dev]


def test_a_path_that_is_no_folder_is_the_file(tmp_path: Path) -> None:
    file = put(tmp_path, "", "mine.json")
    assert files_of(file, ("train.json",)) == [file]
    assert files_of(tmp_path / "missing.json", ("train.json",)) == [tmp_path / "missing.json"]


def test_a_folder_without_any_of_the_files_is_told(tmp_path: Path) -> None:
    put(tmp_path, "", "mine.json")
    with pytest.raises(DataError) as raised:
        files_of(tmp_path, ("train.json", "dev.json"))
    assert str(raised.value) == f"{tmp_path}: expected train.json, dev.json, or some of them, found none"


def test_files_that_end_as_those_that_are_read_are_remarked(tmp_path: Path) -> None:
    names = ("train.json", "dev.json")
    for name in ("train.json", "dev.json.gz", "notes.txt", "corpus.jsonl", ".json", "json"):
        put(tmp_path, "", name)
    assert unread(tmp_path, names) == []
    for name in ("valid.json", "Train.JSON", "train.json.bz2.json.xz", "old.json.gz"):
        put(tmp_path, "", name)
    told = "files that are not read, for their names are none of train.json, dev.json: "
    assert unread(tmp_path, names) == [f"{told}Train.JSON, old.json.gz, train.json.bz2.json.xz, valid.json"]
    assert unread(tmp_path / "valid.json", names) == []
    assert unread(tmp_path / "nowhere", names) == []


def test_a_file_whose_name_is_no_text_can_be_remarked(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.json")).touch()
    (told,) = unread(tmp_path, ("train.json",))
    assert told == "files that are not read, for their names are none of train.json: caf\ufffd.json"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train.json", "train"),
        ("dev.txt.gz", "dev"),
        ("a.b.jsonl.xz", "a.b"),
        ("test", "test"),
        ("test.bz2", "test"),
        ("train.json.zip", "train.json"),
    ],
)
def test_the_stem_of_a_name(name: str, expected: str) -> None:
    assert stem(Path("folder.gz") / name) == expected


# Damage, the same for all readers


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", [b"", b"\n \r\n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("packing", PACK)
def test_a_file_without_text_is_told(tmp_path: Path, read: str, content: bytes, packing: str) -> None:
    file = put(tmp_path, PACK[packing](content), f"train.json{packing}")
    assert fault(READERS[read], file) == f"{file.name}: expected examples, found an empty file"


@pytest.mark.parametrize("read", READERS)
def test_a_missing_file_is_told(tmp_path: Path, read: str) -> None:
    assert fault(READERS[read], tmp_path / "train.json.gz") == "train.json.gz: expected a file, found none"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["train.json", "train.json.gz", "train.json.bz2", "train.json.xz"])
def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path, read: str, name: str) -> None:
    (tmp_path / name).mkdir()
    file = find(tmp_path, "train.json")
    assert file == tmp_path / name, "it is found, not taken for a part that the corpus lacks"
    assert fault(READERS[read], file) == f"{name}: expected a file, found a folder"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
def test_latin_1_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str, chunk: int) -> None:
    monkeypatch.setattr(text_files, "CHUNK", chunk)
    rest = "\n".join(['"fran\xe7ais"', '"na\xefve"]']).encode("latin-1")
    file = put(tmp_path, '["café 😀",\n'.encode() + rest if read != "json_lines" else b'"a"\n' + rest)
    assert fault(READERS[read], file) == (
        "train.json, line 2: expected UTF-8 text, found the byte 0xe7 (invalid continuation byte). "
        "If it is Latin-1: iconv -f latin1 -t utf-8 train.json > NEW"
    )


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("chunk", [1 << 10, 1 << 20])
@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
def test_utf_16_is_told_with_its_own_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str, chunk: int, encoding: str, mark: bytes
) -> None:
    monkeypatch.setattr(text_files, "CHUNK", chunk)
    file = put(tmp_path, mark + '["a",\n"b"]\n'.encode(encoding))
    assert fault(READERS[read], file) == (
        f"train.json, line 1: expected UTF-8 text, found the byte 0x{mark[:1].hex()} (invalid start byte). "
        "If it is UTF-16: iconv -f utf-16 -t utf-8 train.json > NEW"
    )


@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 20])
def test_a_character_cut_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(text_files, "CHUNK", chunk)
    file = put(tmp_path, '["a",\n"😀'.encode()[:-1])
    for read in ("lines", "read_json", "json_list"):
        assert fault(READERS[read], file) == (
            "train.json, line 2: expected UTF-8 text, found the byte 0xf0 (unexpected end of data). "
            "If it is Latin-1: iconv -f latin1 -t utf-8 train.json > NEW"
        )


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz"])
def test_a_packed_file_cut_anywhere_is_told(tmp_path: Path, read: str, packing: str) -> None:
    packed = PACK[packing](b'["a", "b"]\n' if read != "json_lines" else b'"a"\n"b"\n')
    name = f"train.json{packing}"
    cut = "Compressed file ended before the end-of-stream marker was reached"
    for size in range(2, len(packed)):  # a gzip of one byte is told as none
        assert fault(READERS[read], put(tmp_path, packed[:size], name)) == (
            f"{name}: can't be read to its end: {cut}; expected a whole file. Get it anew"
        )
    assert READERS[read](put(tmp_path, packed, name))


DAMAGED = {
    ".gz": r"(CRC check failed \S+ != \S+|Error -3 while decompressing data: .+)",
    ".bz2": "Invalid data stream",
    ".xz": "Corrupt input data",
}


@pytest.mark.parametrize("packing", DAMAGED)
def test_a_damaged_packed_file_is_told(tmp_path: Path, packing: str) -> None:
    packed = bytearray(PACK[packing](b'"a"\n' * 1000))
    packed[len(packed) // 2] ^= 0xFF
    name = f"train.json{packing}"
    told = fault(READERS["lines"], put(tmp_path, bytes(packed), name))
    expected = rf"{name}: can't be read to its end: {DAMAGED[packing]}; expected a whole file\. Get it anew"
    assert re.fullmatch(expected, told)


@pytest.mark.parametrize(
    ("packing", "why"),
    [
        (".gz", "Not a gzipped file (b'[]')"),
        (".bz2", "Invalid data stream"),
        (".xz", "Input format not supported by decoder"),
    ],
)
def test_a_file_that_is_not_packed_as_its_name_says_is_told(tmp_path: Path, packing: str, why: str) -> None:
    file = put(tmp_path, "[]\n" * 10, f"train.json{packing}")
    told = f"{file.name}: can't be read to its end: {why}; expected a whole file. Get it anew"
    assert fault(READERS["json_list"], file) == told


# JSON that is none

DIGITS = (
    "Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits; use "
    "sys.set_int_max_str_digits() to increase the limit"
)
ONE_VALUE = {
    "a list that is cut": ("[1,\n2", ", line 2", "Expecting ',' delimiter"),
    "two values": ("{}\n\n{}", ", line 3", "Extra data"),
    "a bare word": ("\nno", ", line 2", "Expecting value"),
    "a mark within": ("\n\ufeff{}", ", line 2", "Expecting value"),
    "a key twice": ('{"a": {"b": 1,\n"b": 2}}', "", "the key 'b' twice in one object"),
    "a long key twice": (
        '{"": 1, "%s": 2, "%s": 3}' % ((80 * "x",) * 2),
        "",
        f"the key '{60 * 'x'}' twice in one object",
    ),
    "5,000 digits": (5000 * "1", "", DIGITS),
}


@pytest.mark.parametrize("case", ONE_VALUE)
def test_a_fault_in_one_json_value_is_told(tmp_path: Path, case: str) -> None:
    text, line, why = ONE_VALUE[case]
    assert fault(read_json, put(tmp_path, text)) == f"train.json{line}: expected JSON, found a fault: {why}"


LINES = {
    "a line that is cut": ('{"a": 1}\n{"a": 1', 2, "Expecting ',' delimiter: '{\"a\": 1'"),
    "two values in a line": ("\n{} {}\n{}", 2, "Extra data: '{} {}'"),
    "a pretty value": ('{\n"a": 1}', 1, "Expecting property name enclosed in double quotes: '{'"),
    "a long line": (80 * "x", 1, f"Expecting value: '{60 * 'x'}'"),
    "5,000 digits": (5000 * "1", 1, f"{DIGITS}: '{60 * '1'}'"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_fault_in_json_lines_is_told_with_its_line(tmp_path: Path, case: str) -> None:
    text, line, why = LINES[case]
    expected = f"train.json, line {line}: expected one JSON object a line, found a fault: {why}"
    assert fault(READERS["json_lines"], put(tmp_path, text)) == expected


OPENS = "expected a JSON list that opens with [, found"
AS_LINES = "; one object a line is JSON lines, not a list"
LISTS = {
    "an object": ('\n{"a": []}', 2, f"{OPENS} '{{\"a\": []}}'{AS_LINES}"),
    "a string": ('"a"', 1, f"{OPENS} '\"a\"'"),
    "JSON lines": ('{"a": 1}\n{"a": 2}\n', 1, f"{OPENS} '{{\"a\": 1}}\\n{{\"a\": 2}}\\n'{AS_LINES}"),
    "a blank that JSON does not know": ("\u00a0[]", 1, f"{OPENS} '\\xa0[]'"),
    "two marks": ("\ufeff\ufeff[]", 1, f"{OPENS} '\\ufeff[]'"),
    "no comma": ("[{}\n{}]", 2, "expected a comma or ] after example 1, found '{}]'"),
    "two commas": ("[{},\n,{}]", 2, "expected example 2 as JSON, found a fault: Expecting value: ',{}]'"),
    "a comma first": ("[,{}]", 1, "expected example 1 as JSON, found a fault: Expecting value: ',{}]'"),
    "a comma last": ("[{},\n]\n", 2, "expected example 2 as JSON, found a fault: Expecting value: ']\\n'"),
    "a wrong bracket": ("[{}\n}", 2, "expected a comma or ] after example 1, found '}'"),
    "cut after [": ("[\n", 2, "expected example 1 as JSON, found a fault: Expecting value: the end of the file: it is cut off"),
    "cut after an example": ("[{}\n", 2, "expected a comma or ] after example 1, found the end of the file: it is cut off"),
    "cut after a comma": ("[{},", 1, "expected example 2 as JSON, found a fault: Expecting value: the end of the file: it is cut off"),
    "cut in a string": ('[{},\n{"a', 2, "expected example 2 as JSON, found a fault: Unterminated string starting at: '{\"a'"),
    "a list and garbage": ("[{}]\n\nmore", 3, "expected nothing after the list, found 'more'"),
    "an empty list and garbage": ("[]]", 1, "expected nothing after the list, found ']'"),
    "two lists": ("[{}]\n[{}]", 2, "expected nothing after the list, found '[{}]'"),
    "5,000 digits": (f"[{{}},\n{5000 * '1'}]", 2, f"expected example 2 as JSON, found a fault: {DIGITS}: '{40 * '1'}'"),
    "single quotes": ("[{'a': 1}]", 1, "expected example 1 as JSON, found a fault: Expecting property name enclosed in double quotes: \"{'a': 1}]\""),
}  # fmt: skip


@pytest.mark.parametrize("case", LISTS)
def test_a_fault_in_a_json_list_is_told_with_its_line(tmp_path: Path, case: str) -> None:
    text, line, told = LISTS[case]
    assert fault(READERS["json_list"], put(tmp_path, text)) == f"train.json, line {line}: {told}"


@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_the_line_of_a_fault_does_not_hang_on_the_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, chunk: int
) -> None:
    text, line, _ = LISTS[case]
    monkeypatch.setattr(text_files, "CHUNK", chunk)
    assert fault(READERS["json_list"], put(tmp_path, text)).startswith(f"train.json, line {line}: expected ")


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_cut_anywhere_is_told_or_was_whole(tmp_path: Path, chunk: int, indent: int | None) -> None:
    whole = json.dumps(EXAMPLES, ensure_ascii=False, indent=indent).encode()
    for size in range(1, len(whole)):
        told = fault(lambda file: values(file, chunk), put(tmp_path, whole[:size]))
        line = re.match(r"train\.json, line (\d+): expected ", told)
        assert line, told
        assert int(line[1]) <= whole[:size].count(b"\n") + 1
    for rest in (b"", b"\n", b" \r\n\t"):
        assert values(put(tmp_path, whole + rest), chunk) == EXAMPLES


def test_lists_in_lists_without_end_are_told(tmp_path: Path) -> None:
    file = put(tmp_path, 100_000 * "[")
    deep = (
        "a fault: (maximum recursion depth exceeded|Stack overflow).* while decoding a JSON array from a unicode string"
    )
    told = {read: fault(READERS[read], file) for read in ("read_json", "json_lines", "json_list")}
    assert re.fullmatch(rf"train\.json: expected JSON, found {deep}", told["read_json"])
    assert re.fullmatch(
        rf"train\.json, line 1: expected one JSON object a line, found {deep}: '\[{{60}}'", told["json_lines"]
    )
    assert re.fullmatch(
        rf"train\.json, line 1: expected example 1 as JSON, found {deep}: '\[{{40}}'", told["json_list"]
    )


# Chunks


@pytest.mark.parametrize("indent", [None, 0, 3])
def test_chunks_may_end_anywhere(tmp_path: Path, indent: int | None) -> None:
    several = [*EXAMPLES, 1, -2.5, 1e300, 12345678901234567890, "text", True, False, None, [[], [0.5]], ""]
    text = json.dumps(several, ensure_ascii=False, indent=indent)
    file = put(tmp_path, text)
    for chunk in range(1, len(text.encode()) + 1):
        assert values(file, chunk) == several


@pytest.mark.parametrize("number", ["12", "1.5", "1e5", "1E+5", "-0.25e-3", "-Infinity", f"{5000 * '1'}.5"])
def test_a_number_goes_on_in_the_next_chunk(tmp_path: Path, number: str) -> None:
    file = put(tmp_path, f"[{number}, {number}]")
    for chunk in (1, 2, 3, 4, 4800):
        assert values(file, chunk) == [json.loads(number)] * 2


def test_values_around_the_borders_of_whole_chunks(tmp_path: Path) -> None:
    """One line of several MB, with an example before, on and after each border of a chunk, in characters of 1 to 4 bytes."""
    examples: list[dict[str, str]] = []
    text = bytearray(b"[")
    for border in range(1, 4):
        filling = border * text_files.CHUNK - len(text) - 40
        for filled in ("x" * filling, *("aé€😀" * 3,) * 5):
            examples.append({"id": f"{len(examples)}", "text": filled})
            text += json.dumps(examples[-1], ensure_ascii=False).encode() + b", "
    file = put(tmp_path, bytes(text[:-2]) + b"]")
    assert file.stat().st_size > 3 * text_files.CHUNK
    assert values(file) == examples
    assert [place for place, _ in json_list(file)] == [Place(file, 1, number + 1) for number in range(len(examples))]


def test_a_value_may_be_longer_than_a_chunk(tmp_path: Path) -> None:
    examples = [{"a": 1}, {"text": "é" * (2 * text_files.CHUNK)}, {"a": 2}]
    assert values(put(tmp_path, json.dumps(examples, ensure_ascii=False))) == examples


def test_a_value_longer_than_the_longest_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "CHUNK", 100)
    monkeypatch.setattr(text_files, "LONGEST", 1000)
    file = put(tmp_path, json.dumps([{"a": 1}, {"a": 5000 * "x"}]))
    assert fault(READERS["json_list"], file) == (
        "train.json, line 1: expected example 2 as JSON of at most 1,000 characters, found a fault: "
        f'Unterminated string starting at: \'{{"a": "{33 * "x"}\''
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=6)


@given(
    objects=OBJECTS,
    indent=st.none() | st.integers(0, 3) | st.just("\t"),
    ascii_only=st.booleans(),
    ends=st.sampled_from(["\n", "\r\n"]),
    chunk=st.integers(1, 40),
)
def test_a_list_is_what_the_standard_library_makes_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    objects: list[dict[str, Any]],
    indent: int | str | None,
    ascii_only: bool,
    ends: str,
    chunk: int,
) -> None:
    text = json.dumps(objects, ensure_ascii=ascii_only, indent=indent).replace("\n", ends)
    file = put(tmp_path_factory.getbasetemp(), text, "any.json")
    assert values(file, chunk) == json.loads(text)
    assert values(file) == objects


@given(objects=OBJECTS.filter(len), blanks=st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_json_lines_are_what_the_standard_library_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]], blanks: list[int]
) -> None:
    written = [
        line for value, blank in zip(objects, blanks, strict=False) for line in (*[""] * blank, json.dumps(value))
    ]
    file = put(tmp_path_factory.getbasetemp(), "\n".join(written), "any.jsonl")
    read = list(json_lines(file))
    assert [value for _, value in read] == objects
    assert [json.loads(written[place.line - 1]) for place, _ in read] == objects


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_examples_of_a_pretty_list_have_their_line_and_number(tmp_path: Path, chunk: int, ends: str) -> None:
    examples = [{"id": number, "tokens": ["a"] * (number % 4)} for number in range(20)]
    file = put(tmp_path, json.dumps(examples, indent=2).replace("\n", ends))
    long = [json.dumps(example, indent=2).count("\n") + 1 for example in examples]
    expected = [Place(file, 2 + sum(long[:number]), number + 1) for number in range(len(examples))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "CHUNK", chunk)
        assert [place for place, _ in json_list(file)] == expected


def test_not_a_number_and_half_pairs_of_surrogates_are_passed_on(tmp_path: Path) -> None:
    text = '{"a": "\\ud83d", "b": "\\ud83d\\ude00", "c": NaN}'
    for read, value in (
        (json_list, next(json_list(put(tmp_path, f"[{text}]")))[1]),
        (json_lines, next(json_lines(put(tmp_path, text)))[1]),
        (read_json, read_json(put(tmp_path, text))),
    ):
        assert (value["a"], value["b"]) == ("\ud83d", "😀"), read
        assert value["c"] != value["c"], read


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_long_list_takes_the_memory_of_a_few_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str
) -> None:
    chunk = 1 << 16
    monkeypatch.setattr(text_files, "CHUNK", chunk)
    text = json.dumps([{"id": number, "tokens": ["word"] * 20} for number in range(30_000)])
    file = put(tmp_path, PACK[packing](text.encode()), f"train.json{packing}")
    size = len(text)
    assert size > 60 * chunk
    del text
    tracemalloc.start()
    try:
        assert sum(1 for _ in json_list(file)) == 30_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * chunk
