"""KnowledgeNet's reader: facts out of an HTML table in a zip file, and what it says of rows and files that are not."""

from __future__ import annotations

import re
import struct
import zipfile
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import FindData
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.corpora.knowledgenet import KnowledgeNet
from harness.contracts import Corpus, LinkedMention, LinkedSentence, RelationMention, Span, TextNotes
from harness.errors import DataError

(NAME,) = KnowledgeNet.files
PAGE = "human_readable-v10-notest.html"
HEAD = '<HTML>\n<BODY><table>\n<thead><tr class="header"><th> Fold </th></tr></thead>\n<tbody>\n'
FOOT = "</tbody>\n</table></BODY>\n</HTML>"
LINE = 5  # of the first row
NO_FACT = "a passage without a fact, annotated as such"


def row(passage: str, relation: str = "CEO", document: str = "7", start: int = 100) -> str:
    """A row of the table: `[s Ann|Q1]` is the subject with its link, `[o Acme]` the object without one."""
    offsets = {"s": ("-", "-"), "o": ("-", "-")}
    text = marked = ""
    for plain, role, name, link in re.findall(r"([^\[]+)|\[([so]) ([^|\]]*)(?:\|([^\]]*))?\]", passage):
        text += plain
        if role:
            offsets[role] = (str(start + len(text)), str(start + len(text) + len(name)))
            text += name
            inner = f'<a href="http://www.wikidata.org/entity/{link}" target="_blank">{name}</a>' if link else name
            plain = f'<span id="{"subject" if role == "s" else "object"}">{inner}</span>'
        marked += plain
    return cells(
        "1", document, str(start), str(start + len(text)), *offsets["s"], *offsets["o"], relation, f"<p> {marked}</p>"
    )


def cells(*found: str) -> str:
    return "<tr>" + "".join(f'<td style="text-align: right;">{cell}</td>' for cell in found) + "</tr>\n"


def write(folder: Path, *rows: str) -> Path:
    return pack(folder / NAME, {PAGE: (HEAD + "".join(rows) + FOOT).encode()})


def pack(file: Path, content: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, how)
    return file


def read(path: Path) -> Corpus:
    return KnowledgeNet().read(path)


FACT = row("[s Ann Lee|Q1] runs [o Acme].")


def test_a_fact_becomes_a_mention(tmp_path: Path) -> None:
    corpus = read(write(tmp_path, FACT))
    assert corpus.mentions == (
        RelationMention(
            identifier="7-100-CEO-100-107-113-117",
            tokens=("Ann", "Lee", "runs", "Acme", "."),
            first=Span(0, 2),
            second=Span(3, 4),
            label="CEO",
            part="train",
            head="first",
            first_entity="Q1",
        ),
    )
    assert (corpus.left_out, corpus.remarks, corpus.faults, corpus.about) == ({}, (), (), None)


def test_an_object_that_stands_first_is_first_and_no_head(tmp_path: Path) -> None:
    (mention,) = read(write(tmp_path, row("[o Ann|Q1] runs [s Acme Inc.|Q2]"))).mentions
    assert (mention.first, mention.second, mention.head) == (Span(0, 1), Span(2, 5), "second")
    assert mention.tokens == ("Ann", "runs", "Acme", "Inc", ".")
    assert (mention.first_entity, mention.second_entity) == ("Q1", "Q2")


def test_both_forms_of_links_are_links(tmp_path: Path) -> None:
    short = FACT.replace("http://www.", "")
    assert "http" not in short
    assert read(write(tmp_path, short)) == read(write(tmp_path, FACT))


def test_nothing_is_unescaped_and_other_markup_is_text(tmp_path: Path) -> None:
    (mention,) = read(write(tmp_path, row("<br/>\n[s A&amp;T] and [o M&M] <span>"))).mentions
    assert mention.tokens == ("<", "br/", ">", "A", "&", "amp", ";", "T", "and", "M", "&", "M", "<", "span", ">")
    assert (mention.first, mention.second) == (Span(3, 8), Span(9, 12))


def test_all_rows_of_a_passage_have_the_same_tokens(tmp_path: Path) -> None:
    rows = row("[s Ann]-Marie runs [o Acme]."), row("[s Ann-Marie] runs [o A]cme.")
    first, second = read(write(tmp_path, *rows)).mentions
    assert first.tokens == second.tokens == ("Ann", "-Marie", "runs", "A", "cme", ".")
    assert (first.first, first.second) == (Span(0, 1), Span(3, 5))
    assert (second.first, second.second) == (Span(0, 2), Span(3, 4))


def test_passages_of_different_places_are_cut_apart(tmp_path: Path) -> None:
    rows = row("[s Ann]-Marie runs [o Acme]"), row("[s Ann-Marie] runs [o Acme]", start=200)
    assert [mention.tokens[0] for mention in read(write(tmp_path, *rows)).mentions] == ["Ann", "Ann-Marie"]


def test_others_are_the_linked_arguments_of_the_other_rows(tmp_path: Path) -> None:
    corpus = read(write(
        tmp_path,
        row("[s Ann|Q1] and [o Bob] met Cy Dee of New York."),
        row("Ann and [s Bob] met [o Cy Dee|Q3] of New York.", "SPOUSE"),
        row("Ann and Bob met [s Cy|Q4] Dee of [o New York|Q5].", "PLACE_OF_BIRTH"),
    ))  # fmt: skip
    cy, york = LinkedMention(4, 6, "Q3"), LinkedMention(7, 9, "Q5")
    ann, bob, cy_dee = (mention.others for mention in corpus.mentions)
    assert ann == (cy, york)  # of those that begin together the longest, and Bob is not linked
    assert bob == (LinkedMention(0, 1, "Q1"), york)
    assert cy_dee == (LinkedMention(0, 1, "Q1"),)  # Cy Dee overlaps with Cy, which is of this pair
    assert corpus.remarks == ()


def test_a_link_holds_for_the_span_in_all_rows_of_the_passage(tmp_path: Path) -> None:
    ann_of_acme = row("[s Ann] of [o Acme|Q2]")
    one, other = read(write(tmp_path, ann_of_acme, row("[o Ann|Q1] of [s Acme]"))).mentions
    assert (one.first_entity, one.second_entity) == (other.first_entity, other.second_entity) == ("Q1", "Q2")
    alone, _ = read(write(tmp_path, ann_of_acme, row("[o Ann|Q1] of [s Acme]", document="8"))).mentions
    assert (alone.first_entity, alone.second_entity) == (None, "Q2")


def test_rows_that_disagree_on_a_link_are_remarked_and_the_first_is_used(tmp_path: Path) -> None:
    file = write(tmp_path, row("[s Ann|Q1] of [o Acme]"), row("[o Ann|Q9] of [s Acme]"))
    corpus = read(file)
    assert [mention.first_entity for mention in corpus.mentions] == ["Q1", "Q1"]
    assert corpus.remarks == (
        "an argument that an earlier row links to another entity, which is used: 1 "
        f"(the first: {file}, line {LINE + 1})",
    )


def test_a_passage_without_a_fact_is_passed_over_and_no_fault(tmp_path: Path) -> None:
    corpus = read(write(tmp_path, row("Nobody runs Acme."), FACT, row("<span>Nobody.")))
    assert (len(corpus.mentions), corpus.left_out, corpus.faults) == (1, {NO_FACT: 2}, ())


def test_two_relations_of_one_pair_are_one_mention_and_a_fault(tmp_path: Path) -> None:
    file = write(tmp_path, FACT, FACT.replace("CEO", "FOUNDED_BY"), FACT)
    corpus = read(file)
    assert [mention.label for mention in corpus.mentions] == ["CEO"]
    assert [(fault.place, fault.reason) for fault in corpus.faults] == [
        ((file, LINE + 1, None), "the same sentence and arguments again, with another label"),
        ((file, LINE + 2, None), "the same sentence and arguments again, with the same label"),
    ]


CELLS = "a row that is not 10 cells, <td> ... </td>: "
MARKED = '\'<p> <span id="subject"><a href="http://www.wikidata.org/...'
ARGUMENTS = "a passage without one subject and one object in marks: "
OFFSETS = "offsets that are not those of the marks: "
FAULTS = {
    "nine cells": (cells(*"123456789"), CELLS + "9: '1 2 3 4 5 6 7 8 9'"),
    "eleven cells": (cells(*"12345678901"), CELLS + "11: '1 2 3 4 5 6 7 8 9 0 1'"),
    "no cells": ("<tr>Ann</tr>\n", CELLS + "0: 'Ann'"),
    "an open cell": (FACT.replace("</td></tr>", "</tr>"), CELLS + "9: '1 7 100 118 100 107 113 117 CEO Ann Lee runs Acme .'"),
    "text beside cells": (FACT.replace("<tr>", "<tr>x"), CELLS + "10: 'x 1 7 100 118 100 107 113 117 CEO Ann Lee runs Acme .'"),
    "text after cells": (FACT.replace("</tr>", "x</tr>"), CELLS + "10: '1 7 100 118 100 107 113 117 CEO Ann Lee runs Acme . x'"),
    "an offset that is a word": (FACT.replace(">107<", ">x<"), "a cell 'Sbj End' that is not a number: 'x'"),
    "an offset that is missing": (FACT.replace(">113<", "><"), "a cell 'Obj Start' that is not a number: ''"),
    "no offsets but marks": (
        cells("1", "7", "100", "118", "-", "-", "-", "-", "CEO", '<p> <span id="subject">Ann</span></p>'),
        "a cell 'Sbj Start' that is not a number: '-'",
    ),
    "a document without number": (row("[s Ann] of [o Acme]", document="a-b"), "a cell 'Doc' that is not a number: 'a-b'"),
    "an endless number": (FACT.replace(">107<", f">{5000 * '9'}<"), f"a cell 'Sbj End' that is not a number: '{56 * '9'}..."),
    "no object": (FACT.replace('"object"', '"b"'), ARGUMENTS + MARKED),
    "two subjects": (FACT.replace('"object"', '"subject"'), ARGUMENTS + MARKED),
    "a third mark": (FACT.replace("</p>", '<span id="object">x</span></p>'), ARGUMENTS + MARKED),
    "no marks": (re.sub("</?span[^<>]*>", "", FACT), ARGUMENTS + "'<p> <a href=\"http://www.wikidata.org/entity/Q1\" target=\"..."),
    "marks elsewhere": (FACT.replace(">107<", ">106<"), OFFSETS + "[0, 6, 13, 17] of 18 characters, the marks stand at [0, 7, 13, 17] of 18"),
    "a passage that goes on": (FACT.replace(">118<", ">119<"), OFFSETS + "[0, 7, 13, 17] of 19 characters, the marks stand at [0, 7, 13, 17] of 18"),
    "a link of another kind": (FACT.replace("/entity/Q1", "/wiki/Ann"), OFFSETS + "[0, 7, 13, 17] of 18 characters, the marks stand at [0, 70, 76, 80] of 81"),
    "an empty argument": (row("[s Ann] of [o ]"), "an empty argument: '<p> <span id=\"subject\">Ann</span> of <span id=\"object\"><..."),
    "a blank argument": (row("[s Ann] of[o  ]"), "an empty argument: '<p> <span id=\"subject\">Ann</span> of<span id=\"object\"> <..."),
    "an empty relation": (row("[s Ann] of [o Acme]", ""), "an empty label"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_row_that_cannot_be_used_is_left_out_with_its_place_and_the_next_is_read(tmp_path: Path, fault: str) -> None:
    broken, told = FAULTS[fault]
    file = write(tmp_path, FACT, broken, row("[s Bob] of [o Acme]", document="9"))
    corpus = read(file)
    assert [str(found) for found in corpus.faults] == [f"{file}, line {LINE + 1}: {told}"]
    assert [mention.identifier[0] for mention in corpus.mentions] == ["7", "9"]
    assert list(corpus.left_out.values()) == [1]


def test_rows_may_be_broken_over_lines(tmp_path: Path) -> None:
    file = write(tmp_path, FACT.replace("</td>", "\n</td>\n").replace("<td", " <td"), "\n", row("Bob"), cells("1"))
    corpus = read(file)
    assert corpus.mentions == read(write(tmp_path, FACT)).mentions
    assert [fault.place.line for fault in corpus.faults] == [LINE + 23]


def test_a_row_whose_start_or_end_is_lost_costs_no_other(tmp_path: Path) -> None:
    for lost in ("<tr>", "</tr>"):
        corpus = read(write(tmp_path, FACT, row("[s Bob] of [o Acme]").replace(lost, "?"), row("[s Cy] of [o Acme]")))
        assert [mention.tokens[0] for mention in corpus.mentions] == ["Ann", "Cy"]
        assert [fault.place.line for fault in corpus.faults] == [LINE + 1]


def test_a_path_may_name_a_zip_file(tmp_path: Path) -> None:
    file = write(tmp_path, FACT)
    before = read(tmp_path)
    assert before.mentions
    assert read(file.rename(tmp_path / "mine.zip")).mentions == before.mentions


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_the_page_may_lie_anywhere_in_the_zip_file_and_beside_what_is_no_page(tmp_path: Path, how: int) -> None:
    page = b"\xef\xbb\xbf" + (HEAD + FACT + FOOT).replace("\n", "\r\n").encode()
    content = {"in/a.html": page, "in/._a.html": b"x", "__MACOSX/._a.html": b"y", "LICENSE": b"z"}
    assert len(read(pack(tmp_path / NAME, content, how)).mentions) == 1


WHOLE = (HEAD + FACT + FOOT).encode()
CONTENTS: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({}, ": expected a zip file with one HTML page, found nothing"),
    "no page": ({"a.json": b"[]", "b": b""}, ": expected a zip file with one HTML page, found 'a.json, b'"),
    "two pages": ({"a.html": WHOLE, "b.html": WHOLE}, ": expected a zip file with one HTML page, found 'a.html, b.html'"),
    "an empty page": ({PAGE: b""}, ": expected a page with a table, <tbody> ... </tbody>, found none"),
    "no table": ({PAGE: FACT.encode()}, ": expected a page with a table, <tbody> ... </tbody>, found none"),
    "a table that is cut off": ({PAGE: WHOLE[:-30]}, ": expected a page with a table, <tbody> ... </tbody>, found none"),
    "no UTF-8": (
        {PAGE: WHOLE.replace(b"Lee", b"L\xe9e")},
        f", line {LINE} of its page: expected UTF-8 text, found the byte 0xe9 (invalid continuation byte)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", CONTENTS)
def test_a_zip_file_of_another_content_is_told(tmp_path: Path, fault: str) -> None:
    content, told = CONTENTS[fault]
    file = pack(tmp_path / NAME, content)
    with pytest.raises(DataError) as raised:
        read(tmp_path)
    assert str(raised.value) == f"{file}{told}"


def changed(data: bytes, *changes: tuple[bytes, int, bytes]) -> bytes:
    """The data with bytes written over it, each at an offset from the first place of a signature."""
    found = bytearray(data)
    for signature, offset, new in changes:
        at = data.index(signature) + offset
        found[at : at + len(new)] = new
    return bytes(found)


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
FILES = {
    "empty": (lambda data: b"", "File is not a zip file"),
    "no zip file": (lambda data: WHOLE, "File is not a zip file"),
    "cut off": (lambda data: data[:-30], "File is not a zip file"),
    "another page": (lambda data: data.replace(b"Ann", b"Bob"), f"Bad CRC-32 for file '{PAGE}'"),
    "encrypted": (
        lambda data: changed(data, (LOCAL, 6, b"\x01"), (CENTRAL, 8, b"\x01")),
        f"File '{PAGE}' is encrypted, password required for extraction",
    ),
    "an unknown packing": (
        lambda data: changed(data, (LOCAL, 8, struct.pack("<H", 97)), (CENTRAL, 10, struct.pack("<H", 97))),
        "That compression method is not supported",
    ),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_damaged_zip_file_is_told(tmp_path: Path, fault: str) -> None:
    damage, told = FILES[fault]
    file = pack(tmp_path / NAME, {PAGE: WHOLE}, zipfile.ZIP_STORED)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError) as raised:
        read(tmp_path)
    assert str(raised.value) == f"{file}: expected a zip file, found a fault: {told}. Get it anew"


def test_packed_data_that_is_damaged_is_told(tmp_path: Path) -> None:
    file = pack(tmp_path / NAME, {PAGE: WHOLE})
    file.write_bytes(changed(file.read_bytes(), (LOCAL, 30 + len(PAGE), b"\xff\xff")))
    with pytest.raises(DataError) as raised:
        read(tmp_path)
    told = "Error -3 while decompressing data: invalid block type"
    assert str(raised.value) == f"{file}: can't be read to its end: {told}; expected a whole file. Get it anew"


def test_a_folder_without_the_zip_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read(tmp_path)
    assert str(raised.value) == f"{tmp_path}: expected {NAME}, or some of them, found none"


# Damage of any kind

SMALL = (HEAD + row("[s Ann|Q1] é [o B]ob") + row("Ann é [s Bob|Q2], [o Cy]", "X") + row("No") + FOOT).encode()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with a few that are lost, changed or added."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        added = st.sampled_from([b"</td>", b"<tr>", b"</tr>", b'<span id="', b"</span>", b"</a>", b"-", b"9"])
        data[at : at + draw(st.integers(0, 6))] = draw(st.binary(max_size=3) | added)
    return bytes(data)


def outcome(file: Path) -> Corpus | str:
    """The corpus, or what a DataError says."""
    try:
        return read(file)
    except DataError as error:
        return str(error)


def assert_sound(found: Corpus | str, file: Path) -> None:
    if isinstance(found, str):
        assert found.startswith(str(file))
        return
    for mention in found.mentions:
        (start_1, end_1), (start_2, end_2) = mention.first, mention.second
        assert 0 <= start_1 < end_1 <= start_2 < end_2 <= len(mention.tokens)
        assert all(token == token.strip() != "" for token in mention.tokens)
        assert mention.head
        taken = sorted([mention.first, mention.second, *((one.start, one.end) for one in mention.others)])
        assert all(one[1] <= other[0] for one, other in pairwise(taken))
    assert not any("further mention" in remark for remark in found.remarks)


@settings(max_examples=400)
@given(damaged(SMALL))
def test_a_damaged_page_is_a_corpus_or_an_error(tmp_path_factory: pytest.TempPathFactory, page: bytes) -> None:
    file = pack(tmp_path_factory.getbasetemp() / "page.zip", {PAGE: page}, zipfile.ZIP_STORED)
    assert_sound(outcome(file), file)


@settings(max_examples=400)
@given(st.data(), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
def test_a_damaged_zip_file_is_a_corpus_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, how: int
) -> None:
    file = pack(tmp_path_factory.getbasetemp() / "damaged.zip", {PAGE: SMALL}, how)
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    assert_sound(outcome(file), file)


# The original


@pytest.fixture(scope="module")
def original_file(find_data: FindData) -> Path:
    return find_data(f"knowledgenet/{NAME}") / "knowledgenet" / NAME


@pytest.fixture(scope="module")
def original(original_file: Path) -> Corpus:
    """The original file, where HARNESS_DATA has it."""
    return read(original_file.parent)


def test_counts_of_the_original(original: Corpus) -> None:
    assert len(original.mentions) == 10_769
    assert original.left_out == {
        NO_FACT: 2_504,
        "the same sentence and arguments again, with another label": 119,
        "the same sentence and arguments again, with the same label": 7,
    }
    assert len(original.faults) == 126
    assert original.remarks == ()
    assert sum(len(mention.tokens) for mention in original.mentions) == 336_872
    assert sum(len(mention.others) for mention in original.mentions) == 16_815
    assert Counter(mention.head for mention in original.mentions) == {"first": 6_734, "second": 4_035}


def test_labels_of_the_original(original: Corpus) -> None:
    assert Counter(mention.label for mention in original.mentions) == {
        "CEO": 514, "CHILD_OF": 728, "DATE_FOUNDED": 412, "DATE_OF_BIRTH": 619, "DATE_OF_DEATH": 493,
        "EDUCATED_AT": 756, "EMPLOYEE_OR_MEMBER_OF": 1_406, "FOUNDED_BY": 547, "HEADQUARTERS": 726,
        "NATIONALITY": 513, "PLACE_OF_BIRTH": 909, "PLACE_OF_RESIDENCE": 1_129, "POLITICAL_AFFILIATION": 493,
        "SPOUSE": 1_092, "SUBSIDIARY_OF": 432,
    }  # fmt: skip


class Table(HTMLParser):
    """The facts of the page by another way: relation, and of subject and object the text and the link."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.cells: list[str] = []
        self.spans: dict[str, list[str]] = {}
        self.role = ""
        self.facts: Counter[tuple[str, ...]] = Counter()
        self.empty = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag == "tr":
            self.cells, self.spans = [], {}
        elif tag == "td":
            self.cells.append("")
        elif tag == "span":
            self.role = values.get("id") or ""
            self.spans[self.role] = ["", ""]
        elif tag == "a":
            self.spans[self.role][1] = (values["href"] or "").rpartition("/")[2]

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.role = ""
        elif tag == "tr" and len(self.cells) == 10:
            if self.cells[4] == "-":
                self.empty += 1
            else:
                self.facts[self.cells[8], *self.spans["subject"], *self.spans["object"]] += 1

    def handle_data(self, data: str) -> None:
        if self.role:
            self.spans[self.role][0] += "".join(data.split())
        if self.cells:
            self.cells[-1] += data

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name}")


def test_facts_of_the_original(original_file: Path, original: Corpus) -> None:
    table = Table()
    with zipfile.ZipFile(original_file) as archive:
        table.feed(archive.read(PAGE).decode())
    read_here: Counter[tuple[str, ...]] = Counter()
    for mention in original.mentions:
        arguments = [
            ("".join(mention.tokens[slice(*span)]), entity or "")
            for span, entity in ((mention.first, mention.first_entity), (mention.second, mention.second_entity))
        ]
        subject, object = arguments if mention.head == "first" else reversed(arguments)
        read_here[mention.label, *subject, *object] += 1
    assert (table.facts.total(), table.empty) == (10_895, 2_504)
    assert not read_here - table.facts
    assert (table.facts - read_here).total() == 126


# As text


def read_text(path: Path) -> tuple[list[LinkedSentence], TextNotes]:
    notes = TextNotes()
    return list(KnowledgeNet().text(path, notes)), notes


def test_the_rows_of_a_passage_are_one_sentence_with_what_is_linked(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        row("[s Ann Lee|Q1] and [o Bob] met Cy."),
        row("Ann Lee and [o Bob] met [s Cy|Q3].", "SPOUSE", "8", 5),
        row("[s Ann|Q9] Lee and Bob met [o Cy|Q3]."),
        row("[s Ann Lee|Q1] left [o Oslo|Q4]."),
    )
    sentences, notes = read_text(file)
    ann = LinkedMention(0, 2, "Q1")
    assert sentences == [
        LinkedSentence("7-100-1", ("Ann", "Lee", "and", "Bob", "met", "Cy", "."), (ann, LinkedMention(5, 6, "Q3"))),
        LinkedSentence("7-100-2", ("Ann", "Lee", "left", "Oslo", "."), (ann, LinkedMention(3, 4, "Q4"))),
    ]
    assert notes == TextNotes(
        names={"ann lee": "Q1", "cy": "Q3", "ann": "Q9", "oslo": "Q4"},
        remarks=[
            "arguments that are not linked, and are no mentions of the text: 1",
            "linked arguments that overlap one before them, and are not used: 1",
        ],
    )


def test_a_link_of_one_row_holds_and_another_one_is_remarked(tmp_path: Path) -> None:
    rows = row("[s Ann] of [o Acme|Q2]"), row("[o Ann|Q1] of [s Acme]"), row("[s Ann|Q9] of [o Acme]")
    (sentence,), notes = read_text(write(tmp_path, *rows))
    assert sentence.mentions == (LinkedMention(0, 1, "Q1"), LinkedMention(2, 3, "Q2"))
    assert notes.remarks == ["arguments that an earlier row links to another entity, which is used: 1"]


def test_pronouns_are_mentions_and_no_names(tmp_path: Path) -> None:
    (sentence,), notes = read_text(write(tmp_path, row("[s She|Q1] runs [o IT|Q2] Ltd")))
    assert [mention.entity for mention in sentence.mentions] == ["Q1", "Q2"]
    assert notes.names == {}


def test_a_name_of_several_entities_stands_for_the_most_frequent_one(tmp_path: Path) -> None:
    rows = [row(f"[s Avon|{entity}] and [o  avon|Q{at}5] {at}") for at, entity in enumerate(["Q1", "Q2", "Q2"])]
    sentences, notes = read_text(write(tmp_path, *rows))
    assert (len(sentences), notes.names) == (3, {"avon": "Q2"})
    assert notes.remarks == ["names of several entities, which stand for the most frequent one: 1"]


def test_rows_that_are_no_facts_are_told_in_the_text_too(tmp_path: Path) -> None:
    empty = cells("1", "7", "100", "108", "-", "-", "-", "-", "CEO", "<p> Ann left</p>")
    file = write(tmp_path, empty, FACT, cells("1", "2"))
    sentences, notes = read_text(file)
    assert [sentence.tokens[:2] for sentence in sentences] == [("Ann", "Lee")]
    assert notes.left_out == {NO_FACT: 1, "a row that is not 10 cells, <td> ... </td>": 1}
    assert [str(fault.place) for fault in notes.faults] == [f"{file}, line {LINE + 2}"]


def test_the_text_of_the_original(original_file: Path, original: Corpus) -> None:
    sentences, notes = read_text(original_file)
    assert len(sentences) == len({sentence.identifier for sentence in sentences}) == 3_771
    assert {sentence.tokens for sentence in sentences} == {mention.tokens for mention in original.mentions}
    assert sum(len(sentence.mentions) for sentence in sentences) == 7_283
    assert len({mention.entity for sentence in sentences for mention in sentence.mentions}) == 3_907
    assert sum(len(sentence.mentions) >= 2 for sentence in sentences) == 2_209
    assert (notes.left_out, notes.faults) == ({NO_FACT: 2_504}, [])
    assert notes.remarks == [
        "arguments that are not linked, and are no mentions of the text: 5,089",
        "linked arguments that overlap one before them, and are not used: 2",
        "names of several entities, which stand for the most frequent one: 55",
    ]
    assert len(notes.names) == 4_079
    assert not {"he", "his", "who", "where", "it"} & notes.names.keys()
