"""The reader of MediaWiki dumps: pages, redirects, mentions, what is counted, dumps of any age, packing and cut."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora.wikipedia_links import WikipediaLinks
from harness.contracts import LinkedMention, LinkedSentence, TextNotes
from harness.errors import DataError

ENWIK8 = "wiki_enwik8/enwik8.xz"
GENSIM = "wiki_gensim_sample/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="en">
<siteinfo><namespaces><namespace key="0" /><namespace key="6">Datei</namespace></namespaces></siteinfo>
"""
BORN = "He met [[ann Lee|Ann]] in [[Rome]] then."
LEFT = "a sentence of fewer mentions than `mentions`"


def page(title: str, text: str = "", ns: str = "<ns>0</ns>", redirect: str = "", number: int = 1) -> str:
    moved = f'<redirect title="{redirect}" />' if redirect else ""
    return (
        f"<page><title>{title}</title>{ns}<id>{number}</id>{moved}<revision><id>77</id><contributor><username>Eve"
        f"</username><id>88</id></contributor><text xml:space='preserve'>{text}</text></revision></page>\n"
    )


def dump(*pages: str) -> bytes:
    return (HEAD + "".join(pages) + "</mediawiki>\n").encode()


def read(
    data: bytes, folder: Path, name: str = "dump.xml", **parameters: Any
) -> tuple[list[LinkedSentence], TextNotes]:
    file = folder / name
    file.write_bytes(data)
    notes = TextNotes()
    return list(WikipediaLinks(WikipediaLinks.Parameters(**parameters)).text(file, notes)), notes


def entities(sentences: list[LinkedSentence]) -> list[str]:
    return [mention.entity for sentence in sentences for mention in sentence.mentions]


def test_a_sentence_has_tokens_and_mentions(tmp_path: Path) -> None:
    sentences, notes = read(dump(page("Bob", f"'''Bob''' lived. {BORN}", number=5)), tmp_path)
    assert sentences == [
        LinkedSentence(
            "5-1",
            ("He", "met", "Ann", "in", "Rome", "then", "."),
            (LinkedMention(2, 3, "Ann Lee"), LinkedMention(4, 5, "Rome")),
        )
    ]
    assert notes.left_out == {LEFT: 1} and not notes.faults
    assert notes.remarks == ["1 pages, of which 0 redirects and 0 that are no articles"]


def test_no_token_reaches_over_the_edge_of_a_mention(tmp_path: Path) -> None:
    (sentence,), _ = read(
        dump(page("Bob", "In the pre-[[Rome|Roman]]-era [[U.S.]]-led war it's Dr. [[Ann]]'s.")), tmp_path
    )
    assert sentence.tokens == tuple("In the pre- Roman -era U.S. -led war it 's Dr. Ann 's .".split())
    assert [sentence.tokens[start:end] for start, end, _ in sentence.mentions] == [("Roman",), ("U.S.",), ("Ann",)]


def test_redirects_are_resolved_wherever_they_stand(tmp_path: Path) -> None:
    sentences, notes = read(
        dump(
            page("Bob", BORN),
            page("Ann Lee", redirect="Anna"),
            page("Anna", "#REDIRECT [[anna Lee#Life]]"),
            page("Rome", redirect="Roma"), page("Roma", redirect="Rome"), page("Romes", redirect="Rome"),
            page("Help", redirect="Help:Contents"), page("Talk:Anna Lee", ns="<ns>1</ns>", redirect="Anna Lee"),
        ),
        tmp_path,
    )  # fmt: skip
    assert entities(sentences) == ["Anna Lee", "Rome"]
    assert notes.names == {"Ann Lee": "Anna Lee", "Anna": "Anna Lee"}
    assert notes.remarks == ["8 pages, of which 6 redirects and 1 that are no articles"]


def test_articles_alone_are_read_in_old_dumps_too(tmp_path: Path) -> None:
    pages = (page("Datei:Bob", BORN, ns=""), page("Talk:Bob", BORN, ns=""), page("A: B", BORN, ns="", number=9))
    sentences, notes = read(dump(*pages, page("Talk", BORN, ns="<ns>1</ns>")), tmp_path)
    assert [sentence.identifier for sentence in sentences] == ["9-1"]
    assert notes.remarks == ["4 pages, of which 0 redirects and 3 that are no articles"]


def test_the_last_of_several_revisions_is_read(tmp_path: Path) -> None:
    old = page("Bob", BORN).replace("</page>", "<revision><text>He saw [[Mary]] and [[Kate]].</text></revision></page>")
    assert entities(read(dump(old), tmp_path)[0]) == ["Mary", "Kate"]


NAMED = "[[Sugar]], [[NATO]], [[salt]], [[the Alps]], [[year|1982]], [[1982|then]], [[May 1|that day]] and [[iron ore]] won."


def test_named_entities_and_dates_alone_are_mentions(tmp_path: Path) -> None:
    assert entities(read(dump(page("Bob", NAMED)), tmp_path)[0]) == ["NATO", "The Alps", "1982", "May 1"]
    everything = ["Sugar", "NATO", "Salt", "The Alps", "Year", "1982", "May 1", "Iron ore"]
    assert entities(read(dump(page("Bob", NAMED)), tmp_path, named_only=False)[0]) == everything


@pytest.mark.parametrize(
    ("start", "kept"),
    [("[[NATO]]", True), ("[[New York]]", True), ("[[Working class|Working men]]", False), ('"[[Sugar]]"', False),
     ("[[5 May]]", True), ("[[4th century BC]]", True), ("[[1990s]]", True), ("[[1990s|Decade]]", True)],
)  # fmt: skip
def test_the_first_letter_of_a_sentence_makes_no_name(start: str, kept: bool, tmp_path: Path) -> None:
    sentences, _ = read(dump(page("Bob", f"{start} is in [[Rome]] now.")), tmp_path, mentions=1)
    assert [len(sentence.mentions) for sentence in sentences] == [1 + kept]


def test_what_is_not_used_is_counted_by_reason(tmp_path: Path) -> None:
    links = "[[Rome]] [[Pisa]]"
    text = "\n".join(
        (
            f"It has {links} once.", f"It has {links} once.", f"Now {links} too and far too long for anyone here.",
            "[[NATO]] [[Pisa]].", f"Of {links} without an end", f"See {links} }} here.", f"See {links} &lt;math>x&lt;/math> here.",
            "See [[Rome]] again.", "It is so."
        )
    )  # fmt: skip
    sentences, notes = read(dump(page("Bob", text)), tmp_path, longest=10)
    assert [" ".join(sentence.tokens) for sentence in sentences] == ["It has Rome Pisa once ."]
    assert notes.left_out == {
        "a sentence whose tokens are those of an earlier one": 1,
        "a sentence of more tokens than `longest`": 1,
        "a sentence of fewer tokens than `shortest`": 1,
        "a line or a part of one that does not end as a sentence does": 1,
        "left-over markup": 1,
        "a sentence with a formula or code": 1,
        LEFT: 2,
    }
    assert len(read(dump(page("Bob", text)), tmp_path, longest=10, mentions=0)[0]) == 3


@pytest.mark.parametrize(
    ("ending", "pack"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_packed_dumps_are_read(ending: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = dump(page("Bob", BORN), page("Ann Lee", redirect="Anna"))
    half = len(data) // 2
    several = pack(data[:half]) + pack(data[half:])  # as multistream dumps are
    sentences, notes = read(several, tmp_path, f"pages-articles.xml{ending}")
    assert entities(sentences) == ["Anna", "Rome"] and len(notes.remarks) == 1
    assert list(WikipediaLinks().text(tmp_path, TextNotes())) == sentences, "the folder that has the dump"


PAGES = [page(f"Page {number}", f"In [[Rome]] and [[Pisa {number}]] too.", number=number) for number in range(1, 200)]


@given(st.integers(len(HEAD), len(dump(*PAGES)) - len("</mediawiki>\n")))
def test_a_dump_is_read_up_to_its_cut(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    data = dump(*PAGES)[:size]
    sentences, notes = read(data, tmp_path_factory.getbasetemp())
    whole = data.count(b"</page>")
    assert [sentence.identifier for sentence in sentences] == [f"{number}-1" for number in range(1, whole + 1)]
    assert re.fullmatch(r"the dump is cut off (in|after) page .*; what stands before was read", notes.remarks[1])


def test_a_cut_is_told_with_its_page_and_line(tmp_path: Path) -> None:
    data = dump(page("Bob", BORN), page("Ann", BORN))
    file = tmp_path / "dump.xml"
    _, notes = read(data[: data.index(b"then", data.index(b"Ann</title>"))], tmp_path)
    assert notes.remarks[1] == f"the dump is cut off in page 2 'Ann', line 4 of {file}; what stands before was read"
    _, notes = read(data[: -len("</mediawiki>\n")], tmp_path)
    assert notes.remarks[1] == f"the dump is cut off after page 2, line 5 of {file}; what stands before was read"


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_cut_within_the_packing_is_told(ending: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    pages, rest = pack(dump(*PAGES).removesuffix(b"</mediawiki>\n")), pack(b"</mediawiki>\n")
    sentences, notes = read(pages + rest[:14], tmp_path, f"dump.xml{ending}")
    assert len(sentences) == len(PAGES)
    assert notes.remarks[1] == (
        f"the dump is cut off after page 199, line 202 of {tmp_path / f'dump.xml{ending}'}, within its packing; what "
        "stands before was read"
    )


EXPECTED = "expected a MediaWiki XML dump, which opens with <mediawiki>, found"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", f"line 1: {EXPECTED} nothing"),
        (b"\n \n", f"line 3: {EXPECTED} nothing"),
        (b'{"a": 1}', f"line 1: {EXPECTED} a fault: not well-formed (invalid token)"),
        (b"<?xml version='1.0'?>\n<html><p>a</p></html>", f"line 2: {EXPECTED} <html>"),
        (dump(page("Bob", "a\n&nbsp;")), f"line 4: {EXPECTED} a fault: undefined entity (in page 1 'Bob')"),
        (dump(page("Bob", BORN), page("Ann", "a\n</b>")), f"line 5: {EXPECTED} a fault: mismatched tag (in page 2 'Ann')"),
        (dump(page("Bob", "a")).replace(b"Bob", b"\xff"), f"line 3: {EXPECTED} a fault: not well-formed (invalid token) (in page 1)"),
    ],
)  # fmt: skip
def test_what_is_no_dump_is_told_with_its_line(data: bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'dump.xml'}, {told}") + r"\Z"):
        read(data, tmp_path)


def test_a_folder_without_a_dump_is_told(tmp_path: Path) -> None:
    told = f"{tmp_path}: expected pages-articles.xml, or some of them, found none"
    with pytest.raises(DataError, match=re.escape(told) + r"\Z"):
        next(WikipediaLinks().text(tmp_path, TextNotes()))


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_a_damaged_dump_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, damage: bytes, at: int) -> None:
    data = dump(*PAGES[:5])
    damaged = data[:at] + damage + data[at + len(damage) :]
    told = ""
    try:
        read(damaged, tmp_path_factory.getbasetemp())
    except DataError as error:
        told = str(error)
    assert not told or re.search(r"dump\.xml, line \d+: expected a MediaWiki XML dump, which opens with", told)


# The real thing


def test_counts_of_a_sample_of_2016(find_data: FindData) -> None:
    notes = TextNotes()
    reader = WikipediaLinks(WikipediaLinks.Parameters(named_only=False))
    sentences = list(reader.text(find_data(GENSIM) / GENSIM, notes))
    counted = len(sentences), len(entities(sentences)), len(set(entities(sentences))), len(notes.names)
    assert counted == (4414, 13143, 10298, 99)
    assert notes.remarks == ["206 pages, of which 99 redirects and 1 that are no articles"]
    assert len({sentence.identifier for sentence in sentences}) == len(sentences)


def test_counts_of_the_beginning_of_enwik8(find_data: FindData, tmp_path: Path) -> None:
    with lzma.open(find_data(ENWIK8) / ENWIK8) as stream:
        sentences, notes = read(stream.read(3_000_000), tmp_path)
    counted = len(sentences), len(entities(sentences)), len(set(entities(sentences))), len(notes.names)
    assert counted == (2186, 6551, 4492, 212)
    assert notes.remarks == [
        "384 pages, of which 214 redirects and 1 that are no articles",
        f"the dump is cut off in page 385 'Attila the Hun', line 34364 of {tmp_path / 'dump.xml'}; what stands before "
        "was read",
    ]
    assert notes.left_out == {
        LEFT: 10169,
        "a sentence of more tokens than `longest`": 92,
        "a line or a part of one that does not end as a sentence does": 55,
        "left-over markup": 3,
        "a sentence whose tokens are those of an earlier one": 3,
    }


@pytest.mark.slow
def test_counts_of_enwik8(find_data: FindData) -> None:
    notes = TextNotes()
    sentences = list(WikipediaLinks().text(find_data(ENWIK8) / ENWIK8, notes))
    counted = len(sentences), len(entities(sentences)), len(set(entities(sentences))), len(notes.names)
    assert counted == (72_464, 217_139, 83_038, 3_596)
