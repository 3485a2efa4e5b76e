"""Unlabelled text as it is kept: read once, every sentence with a pair, its names, parses of a set joined to it."""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import MakePlugin

from harness.contracts import LinkedMention, LinkedSentence, Parse
from harness.datasets.parses import ParseSet
from harness.datasets.sources import Request
from harness.datasets.texts import SourceText, read_text
from harness.errors import DataError

TREE = Parse(("NNP", "VBD", "NNP"), (1, -1, 1), ("nsubj", "root", "obj"))
ADA = LinkedSentence("a", ("Ada", "founded", "Acme"), (LinkedMention(0, 1, "Ada"), LinkedMention(2, 3, "Acme Inc")))
ALAN = LinkedSentence(
    "b", ("Alan", "left", "Acme"), (LinkedMention(0, 1, "Alan"), LinkedMention(2, 3, "Acme Inc")), TREE
)
ALONE = LinkedSentence("c", ("Ada", "slept"), (LinkedMention(0, 1, "Ada"),))


def line(sentence: LinkedSentence) -> dict[str, Any]:
    found: dict[str, Any] = {"id": sentence.identifier, "tokens": sentence.tokens, "mentions": sentence.mentions}
    return found | (dataclasses.asdict(sentence.parse) if sentence.parse else {})


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(sentence, ..., names=...)`: a folder of linked JSON lines; strings are lines as they are."""

    def made(*sentences: LinkedSentence | str, names: str = "") -> Path:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        lines = [one if isinstance(one, str) else json.dumps(line(one)) for one in sentences]
        (folder / "sentences.jsonl").write_text("\n".join(lines), encoding="utf-8")
        if names:
            (folder / "names.tsv").write_text(names, encoding="utf-8")
        return folder

    return made


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[SourceText, list[str]]]:
    """`read(path)`: the text, and what was told of it."""

    def found(path: Path, parses: str | None = None, strict: bool = False) -> tuple[SourceText, list[str]]:
        told: list[str] = []
        request = Request("linked-jsonl", (), str(path), strict)
        return read_text(request, tmp_path / "home", parses, told.append), told

    return found


Write = Callable[..., Path]
Read = Callable[..., tuple[SourceText, list[str]]]


def test_sentences_with_a_pair_are_kept_as_read_and_the_others_counted(write: Write, read: Read) -> None:
    text, _ = read(write(ADA, ALONE, ALAN, ALONE))
    assert list(text.sentences()) == [ADA, ALAN]
    assert list(text.sentences()) == [ADA, ALAN]  # as often as one likes
    assert text.counts == {"sentences": 2, "tokens": 6, "mentions": 4, "entities": 3, "parsed": 1}
    assert text.left_out == {"a sentence with fewer than 2 linked mentions": 2}


def test_a_text_is_read_once(write: Write, read: Read) -> None:
    path = write(ADA)
    one, told = read(path)
    assert told == [f"Reading text 'linked-jsonl' in {path} (once)"]
    two, told_again = read(path)
    assert told_again == []
    assert two == one


def test_a_text_that_has_changed_is_read_anew(write: Write, read: Read) -> None:
    before, _ = read(write(ADA))
    after, told = read(write(ADA, ALAN))
    assert len(told) == 1
    assert after.digest != before.digest
    assert list(after.sentences()) == [ADA, ALAN]
    assert list(before.sentences()) == [ADA]  # what stood on it can still be told


def test_a_digest_is_blind_to_the_packing_and_to_what_is_not_kept(write: Write, read: Read) -> None:
    path = write(ADA)
    plain, _ = read(path)
    file = path / "sentences.jsonl"
    with gzip.open(f"{file}.gz", "wb") as packed:
        packed.write(file.read_bytes())
    file.unlink()
    packed_text, told = read(path)
    assert len(told) == 1  # its bytes are others, so it is read
    assert packed_text.digest == plain.digest
    (path / "sentences.jsonl.gz").unlink()
    longer, _ = read(write(ALONE, ADA))
    assert longer.digest == plain.digest


@pytest.mark.parametrize(
    "changed",
    [
        dataclasses.replace(ADA, tokens=("Ada", "founds", "Acme")),
        dataclasses.replace(ADA, identifier="other"),
        dataclasses.replace(ADA, mentions=(LinkedMention(0, 1, "Ada"), LinkedMention(2, 3, "Acme Labs"))),
        dataclasses.replace(ADA, mentions=(LinkedMention(0, 2, "Ada"), LinkedMention(2, 3, "Acme Inc"))),
    ],
    ids=["a word", "an identifier", "an entity", "a span"],
)
def test_a_digest_sees_what_is_kept(changed: LinkedSentence, write: Write, read: Read) -> None:
    assert read(write(changed))[0].digest != read(write(ADA))[0].digest


def test_a_digest_sees_names_and_no_parses(write: Write, read: Read) -> None:
    plain = read(write(ADA))[0]
    parsed = read(write(dataclasses.replace(ADA, parse=TREE)))[0]
    otherwise = read(write(dataclasses.replace(ADA, parse=dataclasses.replace(TREE, tags=("NN", "VBD", "NNP")))))[0]
    assert parsed.digest == otherwise.digest == plain.digest
    assert plain.parses is None
    assert len({None, parsed.parses, otherwise.parses}) == 3
    assert read(write(ADA, names="Acme\tAcme Inc\n"))[0].digest != plain.digest


def test_names_lead_to_the_entity_with_the_most_mentions_and_ids_come_first(write: Write, read: Read) -> None:
    def about(identifier: str, *entities: str) -> LinkedSentence:
        mentions = tuple(LinkedMention(at, at + 1, entity) for at, entity in enumerate(entities))
        return LinkedSentence(identifier, tuple(f"w{at}" for at in range(len(entities))), mentions)

    text, _ = read(
        write(
            about("1", "PARIS", "Paris", "Paris", "Texas"),
            about("2", "Paris (Texas)", "Texas", "Texas", "Texas"),
            names="Lone Star\tTexas\nParis\tParis (Texas)\nTx\tTexas\nTX\tPARIS\nNowhere\tUtopia\n",
        )
    )
    assert text.names() == {
        "paris": "Paris",  # the more frequent of two IDs, and not the further name of a third
        "texas": "Texas",
        "paris (texas)": "Paris (Texas)",
        "lone star": "Texas",
        "tx": "Texas",  # four mentions, and PARIS has one
    }


# What is wrong


def test_strictly_nothing_is_left_out_for_a_fault_read_before_or_not(write: Write, read: Read) -> None:
    path = write(ADA, *['{"tokens": ["x"]}'] * 7)
    for _ in range(2):
        with pytest.raises(DataError) as error:
            read(path, strict=True)
        first = "".join(f"\n  {path}/sentences.jsonl, line {at}: no field 'mentions'" for at in range(2, 7))
        assert str(error.value) == (
            f"text 'linked-jsonl' in {path}: strictly, expected nothing that can't be used, found 7:{first}"
            "\n  and 2 more"
        )
    assert read(path)[0].left_out == {"no field 'mentions'": 7}


def test_strictly_all_faults_are_counted_though_the_places_of_some_are_not_kept(write: Write, read: Read) -> None:
    path = write(ADA, ALONE, *['{"tokens": ["x"]}'] * 1500, '{"tokens": "x"}')
    with pytest.raises(DataError) as error:
        read(path, strict=True)
    told = str(error.value)
    assert told.startswith(
        f"text 'linked-jsonl' in {path}: strictly, expected nothing that can't be used, found 1,501:"
    )
    assert told.endswith("\n  and 1,496 more")


def test_a_text_without_a_pair_is_told_with_what_was_left_out(write: Write, read: Read) -> None:
    path = write(ALONE, '{"tokens": ["x"]}')
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == (
        f"text 'linked-jsonl' in {path}: expected sentences with at least 2 linked mentions, found none (1 left out: "
        "a sentence with fewer than 2 linked mentions; 1 left out: no field 'mentions'). The first: "
        f"{path}/sentences.jsonl, line 2: no field 'mentions'"
    )
    assert not list((path.parent / "home/artifacts/texts").iterdir())  # nothing is kept of it


READER = """
    from harness.contracts import *
    from dataclasses import dataclass
    from harness.parameters import parameter

    class Mine(TextReader):
        @dataclass(frozen=True)
        class Parameters:
            many: int = parameter(1, "sentences")

        about = About()

        def text(self, path, notes):
            for at in range(self.parameters.many):
                yield LinkedSentence(str(at), ("x", "y"), (LinkedMention(0, 1, "x"), LinkedMention(1, 2, "y")))
            {}
"""


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("raise KeyError('page')", "text 'mine' can't be read: KeyError: 'page'"),
        ("yield None", "text 'mine': expected sentences of its reader, found None"),
        ("yield LinkedSentence('s', ('\\ud800', 'y'), (LinkedMention(0, 1, 'x'), LinkedMention(1, 2, 'y')))", "text 'mine', sentence s: expected text, found half a pair of surrogates, '\\ud800'"),
        ("yield LinkedSentence('s', ('\\ud800',), 2 * (LinkedMention(0, 1, 'x'),))", "text 'mine', sentence s: expected mentions one after another within 1 tokens, found [(0, 1), (0, 1)]"),
        ("yield LinkedSentence('s', ('x', 'y'), (LinkedMention(0, 1, 'x'), LinkedMention(1, 3, 'y')))", "text 'mine', sentence s: expected mentions one after another within 2 tokens, found [(0, 1), (1, 3)]"),
        ("yield LinkedSentence('s', ('x', 'y'), (LinkedMention(0, 0, 'x'), LinkedMention(1, 2, 'y')))", "text 'mine', sentence s: expected mentions one after another within 2 tokens, found [(0, 0), (1, 2)]"),
        ("yield LinkedSentence('s', ('x', 'y'), (LinkedMention(0, 1, 'x'), LinkedMention(1, 2, 'y')), Parse((), (), ()))", "text 'mine', sentence s: expected a parse of 2 tokens, found 0 tags, 0 heads and 0 labels"),
    ],
)  # fmt: skip
def test_a_reader_that_breaks_is_told_and_nothing_is_kept(
    then: str, told: str, make_plugin: MakePlugin, tmp_path: Path
) -> None:
    make_plugin("corpus", "mine", READER.format(then))
    with pytest.raises(DataError) as error:
        read_text(Request("mine"), tmp_path, None, lambda line: None)
    assert str(error.value) == told
    assert not list((tmp_path / "artifacts/texts").iterdir())


def test_other_parameters_of_the_reader_give_another_text(make_plugin: MakePlugin, tmp_path: Path) -> None:
    make_plugin("corpus", "mine", READER.format(""))
    few, many = (read_text(Request("mine", (("many", n),)), tmp_path, None, lambda line: None) for n in (1, 3))
    assert [text.counts["sentences"] for text in (few, many)] == [1, 3]


def test_a_corpus_without_text_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_text(Request("kbp37"), tmp_path, None, lambda line: None)
    assert str(error.value) == (
        "'kbp37' reads a labelled corpus alone; expected unlabelled text with linked mentions. Which data is text: "
        "python -m harness data list"
    )


# Parses


def parse_set(path: Path, *sentences: LinkedSentence, heads: tuple[int, ...] = TREE.heads) -> ParseSet:
    found = ParseSet.create(path.parent / "home", "mine", {"name": "by hand"}, ())
    found.add({sentence.tokens: dataclasses.replace(TREE, heads=heads) for sentence in sentences})
    return found


def test_parses_of_a_set_are_joined_in_place_of_its_own_once(write: Write, read: Read) -> None:
    path = write(ADA, ALAN)
    parse_set(path, ADA, ALAN, heads=(-1, 0, 1))
    text, told = read(path, "mine")
    expected = dataclasses.replace(TREE, heads=(-1, 0, 1))
    assert list(text.sentences()) == [dataclasses.replace(one, parse=expected) for one in (ADA, ALAN)]
    assert told[1:] == ["Joining the parses of 'mine' to linked-jsonl (once)"]
    assert read(path, "mine") == (text, [])
    own, _ = read(path)
    assert (text.digest, text.names()) == (own.digest, own.names())
    assert text.counts == {**own.counts, "parsed": 2}
    assert text.parses not in (None, own.parses)


def test_a_set_that_has_grown_is_joined_anew(write: Write, read: Read) -> None:
    path = write(ADA, ALAN)
    parse_set(path, ADA, ALAN)
    text, _ = read(path, "mine")
    parse_set(path, ALONE)
    again, told = read(path, "mine")
    assert len(told) == 1
    assert again.parses == text.parses


def test_a_sentence_without_parse_is_told_with_what_to_type(write: Write, read: Read) -> None:
    path = write(ADA, ALAN)
    parse_set(path, ADA)
    with pytest.raises(DataError) as error:
        read(path, "mine")
    assert str(error.value) == (
        f"{path}: expected a parse of each of its 2 sentences in the parse set 'mine', found none of sentence b. "
        f"Make them: python -m harness data annotate {path} --reader linked-jsonl --name mine"
    )
    with pytest.raises(DataError, match=r"^no parse set 'yours'; Known: mine\. Make it: "):
        read(path, "yours")


def test_a_text_whose_folder_is_gone_is_read_again(write: Write, read: Read) -> None:
    path = write(ADA)
    text, _ = read(path)
    shutil.rmtree(text.folder)
    again, told = read(path)
    assert len(told) == 1
    assert again == text
