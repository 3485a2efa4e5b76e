"""StanfordRE's reader: rows and offsets of the original's form, its known faults, and 1,600 real rows."""

from __future__ import annotations

import bz2
import csv
import gzip
import html
import re
from collections import Counter
from pathlib import Path

import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora.stanfordre import StanfordRe
from harness.contracts import Corpus, Fault, Place, RelationMention, Span
from harness.datasets.sources import Request, read_corpus
from harness.errors import DataError

COLUMNS = (
    "key,relation,confidence,jsDistance,sentence,entity,entityCharOffsetBegin,entityCharOffsetEnd,"
    "slotValue,slotValueCharOffsetBegin,slotValueCharOffsetEnd"
)
HEADER = '"' + COLUMNS.replace(",", '","') + '"'
BELOW = "agreement below 0.8"


def row(
    sentence: str = "[Ann Lee] &#44; who runs {Acme}",
    relation: str = "per:employee_of",
    confidence: str = "1.0000",
    key: str = "k1:0-2:5-6",
    **changed: str,
) -> str:
    """A line of the file: the escaped sentence has its entity in [], its slot value in {}; `changed` are columns.

    As in the original, an argument has the blank before it, and its offsets begin there; one that begins the sentence
    has none.
    """
    plain = re.sub(r"[\[\]{}]", "", sentence)
    fields = {"key": key, "relation": relation, "confidence": confidence, "jsDistance": "0.8898", "sentence": plain}
    for name, (opening, closing), other in (("entity", "[]", "{}"), ("slotValue", "{}", "[]")):
        alone = re.sub(f"[{re.escape(other)}]", "", sentence)
        begin, end = alone.index(opening), alone.index(closing) - 1
        begin -= plain[:begin].endswith(" ")
        fields |= {name: plain[begin:end], f"{name}CharOffsetBegin": str(begin), f"{name}CharOffsetEnd": str(end)}
    return ",".join(f'"{(fields | changed)[column]}"' for column in COLUMNS.split(","))


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "annotated_sentences.csv"
    file.write_bytes("\n".join((header, *rows, "")).encode())
    return file


def read(path: Path, min_agreement: float = 0.8) -> Corpus:
    return StanfordRe(StanfordRe.Parameters(min_agreement)).read(path)


def told(path: Path) -> str:
    """What is said of a file that can't be read."""
    with pytest.raises(DataError) as raised:
        read(path)
    return str(raised.value)


def only(path: Path) -> RelationMention:
    """The one mention of a file, of which nothing was left out."""
    corpus = read(path)
    assert corpus.left_out == {}
    (mention,) = corpus.mentions
    return mention


# Rows


def test_a_row_of_the_original_with_its_own_offsets(tmp_path: Path) -> None:
    """The row that a public loader's test shows, cut after the slot value; the offsets are the published ones."""
    sentence = (
        "With The Last Victim of the White Slave Trade ( Den Hvide Slavehandels Sidste Offer ) ( 1911 ) Directed by "
        "August Blom One of the many &amp;quot; white slave trade &amp;quot; films popular in Denmark &#44; ( which"
    )
    key = "1e14aba0201ed046121760e8a0886be262f19dd6a7189ce112ff44b0470c67a5:21-23:35-36"
    fields = [key, "no_relation", "1.0000", "0.8898", sentence, " August Blom", "106", "118", " Denmark", "191", "199"]
    write(tmp_path, ",".join(f'"{field}"' for field in fields))
    words = (
        "With The Last Victim of the White Slave Trade ( Den Hvide Slavehandels Sidste Offer ) ( 1911 ) Directed by "
        'August Blom One of the many " white slave trade " films popular in Denmark , ( which'
    )
    assert only(tmp_path) == RelationMention(
        identifier=key,
        tokens=tuple(words.split()),
        first=Span(21, 23),  # as the key has them
        second=Span(35, 36),
        label="no_relation",
        part="train",
        head="first",
        agreement=1.0,
    )


def test_the_entity_is_the_subject_wherever_it_stands(tmp_path: Path) -> None:
    write(tmp_path, row("{Acme} is run by [Ann Lee] ."))
    mention = only(tmp_path)
    assert (mention.head, mention.first, mention.second) == ("second", Span(0, 1), Span(4, 6))


@pytest.mark.parametrize(
    ("sentence", "tokens", "first", "second"),
    [
        ("[Ann]  runs   {Acme} ", "Ann runs Acme", (0, 1), (2, 3)),
        (" [Ann] runs {Acme}", "Ann runs Acme", (0, 1), (2, 3)),
        ("[Ann  Lee] runs {Acme}", "Ann Lee runs Acme", (0, 2), (3, 4)),
        ("[Ann] {Acme}", "Ann Acme", (0, 1), (1, 2)),
        ("[Ann]'s {Acme}", "Ann 's Acme", (0, 1), (2, 3)),
        ("Who's [Ann] of {Acme}'s board", "Who 's Ann of Acme 's board", (2, 3), (4, 5)),
        ("[Ann] 's {Wendy's}", "Ann 's Wendy 's", (0, 1), (2, 4)),
        ("[Ann] of 's's and 'so {O'sh'sa}", "Ann of 's 's and 'so O'sh'sa", (0, 1), (6, 7)),
        ("[Ann] of {AT&amp;T}", "Ann of AT&T", (0, 1), (2, 3)),
        ("[Zo&amp;euml;] of {&lt;Acme&amp;amp;amp;&gt;}", "Zoë of <Acme&>", (0, 1), (2, 3)),
        ("&amp;quot; [Ann] &#x26;quot; {Acme}", '" Ann " Acme', (1, 2), (3, 4)),
        ("&#1; [Ann] &nbsp; of &#32; {Acme}", "Ann of Acme", (0, 1), (2, 3)),
        ("[Ann &#1; Lee] of {Acme &nbsp;}", "Ann Lee of Acme", (0, 2), (3, 4)),
        ("[Ann] of {&#20013;文}", "Ann of 中文", (0, 1), (2, 3)),
    ],
)
def test_tokens_stand_between_blanks_and_are_un_escaped(
    tmp_path: Path, sentence: str, tokens: str, first: tuple[int, int], second: tuple[int, int]
) -> None:
    write(tmp_path, row(sentence))
    mention = only(tmp_path)
    assert (mention.tokens, mention.first, mention.second) == (tuple(tokens.split()), first, second)


def test_a_blank_within_a_token_stays(tmp_path: Path) -> None:
    write(tmp_path, row("[Ann] ran 1&nbsp;1/2 miles for {Acme}"))
    assert only(tmp_path).tokens == ("Ann", "ran", "1\xa01/2", "miles", "for", "Acme")


@pytest.mark.parametrize(("entity", "begin", "end"), [("Ann", 3, 6), (" Ann ", 2, 7), ("Ann", 2, 6), ("&#65;nn", 2, 6)])
def test_blanks_and_escapes_of_an_argument_may_differ(tmp_path: Path, entity: str, begin: int, end: int) -> None:
    write(tmp_path, row("So [Ann] runs {Acme}", entity=entity, entityCharOffsetBegin=str(begin), entityCharOffsetEnd=str(end)))  # fmt: skip
    assert only(tmp_path).first == Span(1, 2)


def test_fields_need_no_quotes_and_files_may_be_packed_or_windows(tmp_path: Path) -> None:
    file = write(tmp_path, row(), row("[Bea] leads {Bell}", key="k2"))
    plain = read(tmp_path)
    assert len(plain.mentions) == 2
    text = file.read_bytes()
    for other in (text.replace(b'"', b""), b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"), b"\n \n" + text + b"\n\n"):
        file.write_bytes(other)
        assert read(file) == plain
    (tmp_path / "annotated_sentences.csv.bz2").write_bytes(bz2.compress(text))
    file.unlink()
    assert read(tmp_path) == plain


# Agreement


def test_rows_below_the_least_agreement_are_passed_over_and_are_no_faults(tmp_path: Path) -> None:
    confidences = ("1.0000", "0.8000", "0.7999", "0.6667", "0", "1", "8e-1")
    write(
        tmp_path,
        *(row(f"[Ann] runs {{Acme}} {at}", confidence=one, key=f"k{at}") for at, one in enumerate(confidences)),
    )
    corpus = read(tmp_path)
    assert [(mention.identifier, mention.agreement) for mention in corpus.mentions] == [
        ("k0", 1.0),
        ("k1", 0.8),
        ("k5", 1.0),
        ("k6", 0.8),
    ]
    assert (corpus.left_out, corpus.faults) == ({BELOW: 3}, ())


def test_the_least_agreement_is_a_parameter(tmp_path: Path) -> None:
    write(tmp_path, row(confidence="0.6667"), row("[Bea] leads {Bell}", key="k2", confidence="0.5000"))
    assert len(read(tmp_path, 0).mentions) == 2
    assert read(tmp_path, 0.6).left_out == {"agreement below 0.6": 1}
    assert read(tmp_path, 1).left_out == {"agreement below 1": 2}
    write(tmp_path, row(confidence="0.6667"), row("[Bea] leads {Bell}", "no_relation", "0.5000", "k2"))
    source = read_corpus(Request("stanfordre", (("min_agreement", 0.5),), str(tmp_path)), tmp_path)
    assert len(source.corpus.mentions) == 2
    assert (source.about.headline, source.about.negative_label, source.about.roles) == (
        "micro_f1_positive",
        "no_relation",
        True,
    )
    with pytest.raises(DataError, match=r"^corpus 'stanfordre'.min_agreement: must be at least 0, found -0.1$"):
        read_corpus(Request("stanfordre", (("min_agreement", -0.1),), str(tmp_path)), tmp_path)


def test_a_row_that_is_passed_over_may_have_any_fault_beyond_its_confidence(tmp_path: Path) -> None:
    write(tmp_path, row(confidence="0.5000", entityCharOffsetBegin="x"))
    assert (read(tmp_path).left_out, read(tmp_path).faults) == ({BELOW: 1}, ())


# Faults of rows

ELEVEN = "a row that has not 11 columns"
CSV = "a row that is no CSV"
RANGE = "a confidence that is not from 0 to 1"
WHOLE = "an offset that is no whole number"
FAULTS: dict[str, tuple[str, str, str]] = {
    "the header": (HEADER, "the header again", ""),
    "the header unquoted": (COLUMNS, "the header again", ""),
    "garbage": ("%PDF-1.4", ELEVEN, "1: '%PDF-1.4'"),
    "a column too few": ('"k","no_relation","1.0"', ELEVEN, """3: '"k","no_relation","1.0"'"""),
    "a column too many": (row("[A] of {B}") + ',"x"', ELEVEN, """12: '"k1:0-2:5-6","per:employee_of","1.0000","0.8898","A of B..."""),
    "an unescaped comma": ("k,r,1,1,A , B,A,0,1,B,4,5", ELEVEN, "12: 'k,r,1,1,A , B,A,0,1,B,4,5'"),
    "NUL": (row("[A] \0 {B}", key="k"), "a NUL character", """'"k","per:employee_of","1.0000","0.8898","A \\x00 B","A","..."""),
    "a quote that is open": ('"k,no_relation,1', f"{CSV} (unexpected end of data)", "'\"k,no_relation,1'"),
    "a quote within": ('"k"s,"no_relation"', f"{CSV} (',' expected after '\"')", "'\"k\"s,\"no_relation\"'"),
    "an escape of 5,000 digits": (
        row(f"[Ann] runs &#{'9' * 5000}; {{Acme}}", key="k"),
        "an escape whose number is too large",
        f"'&#{'9' * 54}...",
    ),
    "no confidence": (row(confidence=""), "a confidence that is no number", "''"),
    "a word as confidence": (row(confidence="confidence"), "a confidence that is no number", "'confidence'"),
    "above 1": (row(confidence="1.0001"), RANGE, "'1.0001'"),
    "below 0": (row(confidence="-0.1"), RANGE, "'-0.1'"),
    "nan": (row(confidence="nan"), RANGE, "'nan'"),
    "inf": (row(confidence="-inf"), RANGE, "'-inf'"),
    "no key": (row(key=" "), "an empty key", ""),
    "no offset": (row(slotValueCharOffsetEnd=""), WHOLE, "slotValueCharOffsetEnd is ''"),
    "below the start": (row(entityCharOffsetBegin="-1"), WHOLE, "entityCharOffsetBegin is '-1'"),
    "an Arabic digit": (row(entityCharOffsetBegin="٠"), WHOLE, "entityCharOffsetBegin is '٠'"),
    "a fraction": (row(slotValueCharOffsetBegin="9.0"), WHOLE, "slotValueCharOffsetBegin is '9.0'"),
    "a huge one": (row(entityCharOffsetEnd=5000 * "9"), WHOLE, f"entityCharOffsetEnd is '{56 * '9'}..."),
    "after the end": (row("[Ann] runs {Acme}", slotValueCharOffsetEnd="14"), "offsets of the slot value outside the sentence", "8 to 14 of 13"),
    "backwards": (row("[Ann] runs {Acme}", entityCharOffsetBegin="4"), "offsets of the entity outside the sentence", "4 to 3 of 13"),
    "of the un-escaped": (row("&quot; [Ann] runs {Acme}", entityCharOffsetBegin="1", entityCharOffsetEnd="5"), "offsets that do not give the entity", "'quot', expected ' Ann'"),
    "of another": (row("[Ann] runs {Acme}", slotValue=" Bell"), "offsets that do not give the slot value", "' Acme', expected ' Bell'"),
    "of half": (row("[Ann] runs {Acme}", slotValueCharOffsetEnd="11"), "offsets that do not give the slot value", "' Ac', expected ' Acme'"),
    "a cut end": (row("[Ann]ie runs {Acme}"), "offsets that cut a token at the entity", "'Ann' in 'Annie runs Ac'"),
    "a cut start": (row("[Ann] runs Mc{Acme} ."), "offsets that cut a token at the slot value", "'Acme' in 'nn runs McAcme .'"),
    "a cut escape": (row("[Ann] of {A&amp}; B"), "offsets that cut a token at the slot value", "' A&amp' in 'Ann of A&amp; B'"),
    "a blank argument": (row("[Ann] of{ } Acme"), "an empty argument", "the slot value ' '"),
    "an argument of nothing": (row("[Ann] of {}Acme"), "an empty argument", "the slot value ' '"),
    "an argument that comes to nothing": (row("[&#1;] of {Acme}"), "an empty argument", "the entity '&#1;'"),
    "overlap": (row("[Ann {Acme}] runs"), "spans that overlap", "(0, 2) and (1, 2)"),
    "the same twice": (row("[{Acme}] runs"), "spans that overlap", "(0, 1) and (0, 1)"),
    "no relation at all": (row(relation=" "), "an empty label", ""),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_row_that_cannot_be_used_is_left_out_and_told_with_its_line(tmp_path: Path, fault: str) -> None:
    line, reason, found = FAULTS[fault]
    file = write(tmp_path, row("[Bea] leads {Bell}", key="b"), "", line, row("[Cy] leads {Corp}", key="c"))
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["b", "c"]
    assert corpus.left_out == {reason: 1}
    assert corpus.faults == (Fault(Place(file, 4), reason, found),)
    assert str(corpus.faults[0]) == f"{file}, line 4: {reason}" + (f": {found}" if found else "")


def test_a_quote_that_is_not_closed_costs_its_own_row_only(tmp_path: Path) -> None:
    rows = [row(f"[Ann] runs {{Acme}} {at}", key=f"k{at}") for at in range(5)]
    rows[2] = rows[2].removesuffix('"')
    write(tmp_path, *rows)
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["k0", "k1", "k3", "k4"]
    assert corpus.left_out == {f"{CSV} (unexpected end of data)": 1}


def test_doubles_are_told_by_their_sentence_and_arguments_not_by_their_key(tmp_path: Path) -> None:
    write(
        tmp_path,
        row(confidence="0.5000"),
        row(key="k2"),
        row(key="k2"),
        row(key="k3", relation="per:title"),
        row("[Bea] leads {Bell}", key="k2"),
        row("{Bea} leads [Bell]", key="k4"),
    )
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["k2", "k2 (3)", "k4"]
    assert corpus.left_out == {
        BELOW: 1,
        "the same sentence and arguments again, with the same label": 1,
        "the same sentence and arguments again, with another label": 1,
    }


# What is no such file


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (row("[A] of {B}"), """'"k1:0-2:5-6","per:employee_of","1.0000","0.8898","A of B..."""),
        (COLUMNS.replace("key", "id"), "'id,relation,confidence,jsDistance,sentence,entity,entity..."),
        (HEADER.rpartition(",")[0], """'"key","relation","confidence","jsDistance","sentence","e..."""),
        ("key\trelation", r"'key\trelation'"),
    ],
)
def test_another_header_is_told_with_the_columns_that_are_expected(tmp_path: Path, header: str, found: str) -> None:
    file = write(tmp_path, row(), header=header)
    assert told(tmp_path) == (
        f"{file}, line 1: expected the columns {COLUMNS}, found {found}; "
        "take annotated_sentences.csv as it was published"
    )


def test_a_file_that_has_no_text_or_is_none_is_told(tmp_path: Path) -> None:
    assert told(tmp_path) == f"{tmp_path}: expected annotated_sentences.csv, or some of them, found none"
    file = write(tmp_path, header=" ")
    assert told(tmp_path) == f"{file}: expected examples, found an empty file"
    file.write_bytes(f"{HEADER}\n{row()}\n".encode() + b"\xe9\n")
    assert told(tmp_path).startswith(f"{file}, line 3: expected UTF-8 text, found the byte 0xe9 ")
    packed = tmp_path / "annotated_sentences.csv.bz2"
    packed.write_bytes(bz2.compress(SMALL)[:-10])
    assert told(packed).startswith(f"{packed}: can't be read to its end: ")


# Whatever stands in the file

SMALL = "\n".join((HEADER, row(), row("{Caf&amp;eacute;} of [Zo&#235;]'s", key="é", confidence="0.5000"), "")).encode()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples of a test share, each of which writes its file anew."""
    return tmp_path_factory.mktemp("stanfordre")


BROKEN = st.sampled_from([line for line, _, _ in FAULTS.values() if len(line) < 10_000])
TEXT = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1, max_size=20)
GOOD = st.builds(
    row,
    st.sampled_from(["[Ann] of {Acme}", "{Acme}'s  [Ann]", "[A&amp;quot;] , {B}"]),
    st.sampled_from(["per:title", "no_relation"]),
    st.sampled_from(["1.0000", "0.8333", "0.5000"]),
)


@given(st.lists(st.tuples(GOOD | BROKEN | TEXT, st.sampled_from(["", "\n", " \n"]))))
def test_every_row_becomes_a_mention_or_is_counted(scratch: Path, rows: list[tuple[str, str]]) -> None:
    file = write(scratch, *("".join(pair) for pair in rows))
    corpus = read(file)
    size = sum(bool(line.strip()) for line, _ in rows)
    assert len(corpus.mentions) + sum(corpus.left_out.values()) == size
    assert len(corpus.faults) == size - len(corpus.mentions) - corpus.left_out.get(BELOW, 0)
    assert len({fault.place for fault in corpus.faults}) == len(corpus.faults)


# Real rows

VOTES = "stanfordre_partial/crowdtruth_amt_votes.csv.gz"


@pytest.fixture(scope="module")
def items(find_data: FindData) -> list[dict[str, str]]:
    """1,600 real rows with their own keys and confidences, where HARNESS_DATA has them.

    CrowdTruth's workers judged them; the file has them un-escaped, and with a blank put before every 's.
    """
    with gzip.open(find_data(VOTES) / VOTES, "rt", encoding="utf-8", newline="") as stream:
        votes = list(csv.DictReader(stream))
    return list({vote["Input.sent_id"]: vote for vote in reversed(votes)}.values())[::-1]


def published(item: dict[str, str], depth: int) -> list[str]:
    """The row of an item in the original's form: 's joined to the word before, escaped `depth` times, with offsets."""
    words = item["Input.sentence"].split(" ")
    pieces = [_escaped(word, depth) for word in words]
    # CrowdTruth put a blank before every 's: where it left two, the original has one; where it left one, none.
    glue = ["" if word.startswith("'s") else " " for word in words[1:]]
    sentence, starts = pieces[0], [0]
    for blank, piece in zip(glue, pieces[1:], strict=True):
        starts.append(len(sentence))
        sentence += blank + piece
    columns = [
        item["Input.sent_id"],
        item["Input.relation"],
        f"{float(item['Input.confidence']):.4f}",
        "0.5000",
        sentence,
    ]
    for number in "21":  # the columns of the two terms' places are swapped
        begin = starts[int(item[f"Input.b{number}"])]
        last = int(item[f"Input.e{number}"]) - 1
        end = starts[last + 1] if last + 1 < len(starts) else len(sentence)
        columns += [sentence[begin:end], str(begin), str(end)]
    return columns


def _escaped(word: str, depth: int) -> str:
    for _ in range(depth):
        word = html.escape(word, quote=False).replace('"', "&quot;")
    return word.replace(",", "&#44;").encode("ascii", "xmlcharrefreplace").decode()


def expected(item: dict[str, str]) -> tuple[tuple[str, ...], Span, Span]:
    """Tokens of an item, and the spans of its two terms; doubled blanks make no tokens."""
    words = item["Input.sentence"].split(" ")
    place = [sum(map(bool, words[:at])) for at in range(len(words) + 1)]
    subject, object = (Span(place[int(item[f"Input.b{term}"])], place[int(item[f"Input.e{term}"])]) for term in "21")
    return tuple(filter(None, words)), subject, object


@pytest.mark.parametrize("depth", [1, 2])
def test_real_rows_in_the_originals_form(items: list[dict[str, str]], tmp_path: Path, depth: int) -> None:
    assert len(items) == 1_600
    by_key = {item["Input.sent_id"]: item for item in items}
    with (tmp_path / "annotated_sentences.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(COLUMNS.split(","))
        rows = [published(item, depth) for item in items]
        writer.writerows(rows)
    begun = [sentence[int(end) :] for *_, sentence, _, _, a, _, _, b in rows for end in (a, b)]
    assert sum(rest.startswith("'s") for rest in begun) == 179  # arguments that end within a word

    everything = read(tmp_path, 0)
    assert everything.left_out == {}
    for mention in everything.mentions:
        tokens, subject, object = expected(by_key[mention.identifier])
        pair = (mention.first, mention.second) if mention.head == "first" else (mention.second, mention.first)
        assert (mention.tokens, pair) == (tokens, (subject, object))
        assert mention.label == by_key[mention.identifier]["Input.relation"]

    agreed = read(tmp_path)
    assert len(agreed.mentions) == 788
    assert (agreed.left_out, agreed.faults) == ({BELOW: 812}, ())
    assert Counter(mention.agreement for mention in agreed.mentions) == {0.8: 300, 0.8333: 4, 1.0: 484}
