"""Sets of parses: what is added comes back, what is missing or damaged is told, a corpus gets those of a set."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import Corpus, Parse, RelationMention, Span
from harness.datasets.parses import ParseSet, Tokens, attach, names, sentence_key
from harness.errors import DataError

MAKER = {"name": "stanza", "version": "1.15.0", "models": "0123"}
TOKENS = ("Ann", "runs", "Acme", ".")
PARSE = Parse(("NNP", "VBZ", "NNP", "."), (1, -1, 1, 1), ("nsubj", "root", "obj", "punct"))
OTHER = ("Acme", "hired", "Ann")
OTHER_PARSE = Parse(("NNP", "VBD", "NNP"), (1, -1, 1), ("nsubj", "root", "obj"))

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=6).filter(lambda v: v != "_")


@st.composite
def parsed_sentences(draw: st.DrawFn) -> tuple[Tokens, Parse]:
    """Any tokens with any tree, or several, over them: in a random order each hangs on an earlier one or on none."""
    tokens = tuple(draw(st.lists(words, min_size=1, max_size=12)))
    order = draw(st.permutations(range(len(tokens))))
    heads = [-1] * len(tokens)
    for at, token in enumerate(order):
        heads[token] = draw(st.sampled_from([-1, *order[:at]]))
    tags, labels = (tuple(draw(values) for _ in tokens) for _ in range(2))
    return tokens, Parse(tags, tuple(heads), labels)


def mention(identifier: str, tokens: Tokens, parse: Parse | None = None) -> RelationMention:
    return RelationMention(identifier, tokens, Span(0, 1), Span(2, 3), "r", "train", parse=parse)


@pytest.fixture
def made(tmp_path: Path) -> ParseSet:
    """A set `stanza` with one chunk of one sentence."""
    parse_set = ParseSet.create(tmp_path, "stanza", MAKER, ["pos/ewt.pt"])
    parse_set.add({TOKENS: PARSE})
    return parse_set


def chunk(parse_set: ParseSet) -> Path:
    (file,) = parse_set.folder.glob("chunk-*.jsonl.gz")
    return file


def test_what_is_added_comes_back(tmp_path: Path, made: ParseSet) -> None:
    opened = ParseSet(tmp_path, "stanza")
    assert opened.parses([OTHER, TOKENS, TOKENS]) == {TOKENS: PARSE}
    opened.add({OTHER: OTHER_PARSE})
    assert ParseSet(tmp_path, "stanza").parses([OTHER, TOKENS]) == {TOKENS: PARSE, OTHER: OTHER_PARSE}
    assert len(made) == 2
    assert (opened.name, opened.maker, opened.files) == ("stanza", MAKER, ("pos/ewt.pt",))
    assert names(tmp_path) == ["stanza"]


@given(st.lists(parsed_sentences(), max_size=4))
def test_any_tree_over_any_tokens_comes_back(drawn: list[tuple[Tokens, Parse]]) -> None:
    parses = dict(drawn)
    with tempfile.TemporaryDirectory() as home:
        parse_set = ParseSet.create(Path(home), "any", MAKER, [])
        parse_set.add(parses)
        assert ParseSet(Path(home), "any").parses(parses) == parses
        assert len(parse_set) == len(parses)


def test_a_sentence_is_known_by_the_hash_of_its_tokens() -> None:
    assert sentence_key(TOKENS) == hashlib.sha256(b'["Ann", "runs", "Acme", "."]').hexdigest()[:32]
    assert sentence_key(("a b",)) != sentence_key(("a", "b"))


def test_missing_are_the_sentences_without_a_parse_each_once_and_in_order(made: ParseSet) -> None:
    assert made.missing([OTHER, TOKENS, ("b",), OTHER]) == [OTHER, ("b",)]


def test_the_same_chunk_again_is_the_same_file(made: ParseSet) -> None:
    before = chunk(made).read_bytes()
    made.add({TOKENS: PARSE})
    assert chunk(made).read_bytes() == before


def test_a_write_that_was_killed_leaves_nothing_that_is_read(made: ParseSet) -> None:
    (made.folder / ".unfinished-abc").write_bytes(b"half a chunk")
    assert made.parses([TOKENS]) == {TOKENS: PARSE}


# Sets


def test_an_unknown_set_is_told_with_the_nearest_and_how_to_make_it(tmp_path: Path, made: ParseSet) -> None:
    with pytest.raises(DataError) as raised:
        ParseSet(tmp_path, "stanca")
    assert str(raised.value) == (
        "no parse set 'stanca'; did you mean 'stanza'? Known: stanza. Make it: python -m harness data annotate CORPUS "
        "--name stanca, or data import-parses CORPUS FILE --name stanca"
    )


def test_a_set_goes_on_with_the_same_maker_alone(tmp_path: Path, made: ParseSet) -> None:
    again = ParseSet.create(tmp_path, "stanza", MAKER, ["lemma/ewt.pt", "pos/ewt.pt"])
    assert again.files == ("pos/ewt.pt", "lemma/ewt.pt")
    assert len(again) == 1
    with pytest.raises(DataError) as raised:
        ParseSet.create(tmp_path, "stanza", {**MAKER, "models": "4567"}, [])
    assert str(raised.value) == (
        f"the parse set 'stanza' in {made.folder} has another maker: it has models 0123; the new parses have models "
        "4567. Give them a set of their own: --name ANOTHER"
    )
    assert ParseSet.create(tmp_path, "other", {**MAKER, "models": "4567"}, []).name == "other"


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "/tmp"])
def test_a_name_that_is_no_folders_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as raised:
        ParseSet.create(tmp_path / "home", name, MAKER, [])
    assert str(raised.value) == f"--name {name!r}: expected a name for a folder, such as stanza"
    assert not (tmp_path / "home").exists()


ABOUT = {
    "no JSON": ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "no object": ("[]", "list indices must be integers or slices, not str"),
    "no maker": ('{"format": 1, "files": []}', "no 'maker'"),
    "another format": ('{"format": 2, "maker": {}, "files": []}', "format 2, and 1 is the known one"),
}


@pytest.mark.parametrize("damage", ABOUT)
def test_a_damaged_about_file_is_told(tmp_path: Path, made: ParseSet, damage: str) -> None:
    text, found = ABOUT[damage]
    (made.folder / "about.json").write_text(text)
    with pytest.raises(DataError) as raised:
        ParseSet(tmp_path, "stanza")
    assert str(raised.value) == (
        f"{made.folder / 'about.json'}: expected what tells of a parse set, found damage: {found}. Delete the folder "
        f"{made.folder}, and annotate or import again"
    )


# Damage


def line(**changed: Any) -> bytes:
    good = {
        "sentence": sentence_key(TOKENS), "tags": PARSE.tags, "heads": PARSE.heads, "labels": PARSE.labels
    }  # fmt: skip
    return json.dumps({name: value for name, value in (good | changed).items() if value is not ...}).encode()


PARSED = "line 2: expected the parse of a sentence, found a fault:"
DAMAGE: Mapping[str, tuple[bytes, str]] = {
    "bad JSON": (b'{"sentence"', "line 2: expected one JSON object a line, found a fault: Expecting ':' delimiter"),
    "no object": (b"[1]", f"{PARSED} TypeError: list indices must be integers or slices, not str"),
    "a field too few": (line(heads=...), f"{PARSED} KeyError: 'heads'"),
    "no numbers": (line(heads=["1", -1, 1, 1]), f"{PARSED} TypeError: heads that are not whole numbers"),
    "no strings": (line(tags=[1, 2, 3, 4]), f"{PARSED} TypeError: intern() argument must be str, not int"),
    "a cycle": (line(heads=[1, 0, 1, 1]), f"{PARSED} it has a cycle"),
    "a head outside": (line(heads=[4, -1, 1, 1]), f"{PARSED} it has a head outside the sentence"),
    "a tag too few": (line(tags=["NN"]), f"{PARSED} it is not as long as its sentence"),
    "another length": (
        line(tags=["NN"], heads=[-1], labels=["root"]),
        "line 2: expected as many heads as tokens, found 1 for the sentence of 4 ('Ann', 'runs', 'Acme', '.')",
    ),
    "Latin-1": (b"caf\xe9", "line 2: expected UTF-8 text, found the byte 0xe9"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_is_told_with_its_file_and_what_to_do(made: ParseSet, damage: str) -> None:
    bad, told = DAMAGE[damage]
    file = chunk(made)
    file.write_bytes(gzip.compress(line(sentence="0" * 32) + b"\n" + bad + b"\n"))
    with pytest.raises(DataError) as raised:
        made.parses([TOKENS])
    assert str(raised.value).startswith(f"{file}, {told}")
    assert str(raised.value).endswith(f". Delete {file} and annotate, or import, again: the other chunks stay")


CUT: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "a cut gzip": (lambda packed: packed[:-12], "can't be read to its end: "),
    "no gzip": (lambda packed: b"text", "can't be read to its end: Not a gzipped file"),
    "nothing": (lambda packed: b"", "expected examples, found an empty file"),
}


@pytest.mark.parametrize("damage", CUT)
def test_a_chunk_that_is_cut_is_told_and_can_be_made_anew(tmp_path: Path, made: ParseSet, damage: str) -> None:
    spoil, told = CUT[damage]
    file = chunk(made)
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(DataError) as raised:
        attach(Corpus((mention("a", TOKENS),)), made, "mine")
    assert str(raised.value).startswith(f"{file}: {told}")
    assert str(raised.value).endswith(f". Delete {file} and annotate, or import, again: the other chunks stay")
    os.remove(file)
    assert ParseSet(tmp_path, "stanza").missing([TOKENS]) == [TOKENS]


# A corpus with the parses of a set


def test_attach_replaces_every_parse_and_nothing_else(made: ParseSet) -> None:
    made.add({OTHER: OTHER_PARSE})
    wrong = Parse(("X",) * 4, (-1, 0, 0, 0), ("dep",) * 4)
    corpus = Corpus(
        (mention("a", TOKENS, wrong), mention("b", OTHER), mention("c", TOKENS)), {"an empty argument": 1}, ("remark",)
    )
    found = attach(corpus, made, "mine")
    expected = (mention("a", TOKENS, PARSE), mention("b", OTHER, OTHER_PARSE), mention("c", TOKENS, PARSE))
    assert found == Corpus(expected, {"an empty argument": 1}, ("remark",))
    assert corpus.mentions[0].parse is wrong


@pytest.mark.parametrize(
    ("name", "maker", "command"),
    [
        ("stanza", "stanza", "Make them: python -m harness data annotate mine"),
        ("own", "stanza", "Make them: python -m harness data annotate mine --name own"),
        ("imported", "imported", "Import them: python -m harness data import-parses mine FILE"),
        ("gold", "imported", "Import them: python -m harness data import-parses mine FILE --name gold"),
    ],
)
def test_sentences_without_a_parse_are_counted_and_what_to_type_is_told(
    tmp_path: Path, name: str, maker: str, command: str
) -> None:
    parse_set = ParseSet.create(tmp_path, name, {"name": maker}, [])
    parse_set.add({TOKENS: PARSE})
    corpus = Corpus((mention("a", TOKENS), mention("b", OTHER), mention("c", OTHER), mention("d", ("x", "y", "z"))))
    with pytest.raises(DataError) as raised:
        attach(corpus, parse_set, "mine")
    assert str(raised.value) == (
        f"mine: expected a parse of each of its 3 sentences in the parse set '{name}', found none of 2, the first that "
        f"of mention b. {command}"
    )
