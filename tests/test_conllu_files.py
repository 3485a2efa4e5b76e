"""CoNLL-U: what is exported imports again, what can't be imported is refused with its sentence, file and line."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import conllu
import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st
from test_parses import OTHER, OTHER_PARSE, PARSE, TOKENS, mention, parsed_sentences

from harness.contracts import Parse
from harness.datasets.conllu_files import export_parses, import_parses, write
from harness.datasets.parses import Tokens
from harness.datasets.sources import read_corpus
from harness.errors import DataError

ROWS = (
    "1\tAnn\t_\t_\tNNP\t_\t2\tnsubj\t_\t_\n"
    "2\truns\t_\t_\tVBZ\t_\t0\troot\t_\t_\n"
    "3\tAcme\t_\t_\tNNP\t_\t2\tobj\t_\t_\n"
    "4\t.\t_\t_\t.\t_\t2\tpunct\t_\t_\n"
)
MENTIONS = (mention("a", TOKENS), mention("b", OTHER))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.conllu"


def refused(file: Path, text: str) -> str:
    """What is said of a file."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as raised:
        import_parses([file], MENTIONS)
    return str(raised.value)


def test_a_mention_becomes_a_sentence_with_its_identifier(file: Path) -> None:
    mentions = [mention("a", TOKENS, PARSE), mention("b", OTHER), mention("c", TOKENS, PARSE)]
    assert export_parses(mentions, file) == (2, 1)
    assert file.read_text() == f"# sent_id = a\n{ROWS}\n# sent_id = c\n{ROWS}\n"
    read = conllu.parse(file.read_text())
    assert [sentence.metadata["sent_id"] for sentence in read] == ["a", "c"]
    assert [token["head"] for token in read[0]] == [2, 0, 2, 2]


@given(st.lists(parsed_sentences(), min_size=1, max_size=4, unique_by=lambda sentence: sentence[0]))
def test_what_is_exported_imports_again(drawn: list[tuple[Tokens, Parse]]) -> None:
    mentions = [mention(f"m {number}" if number % 2 else f"m{number}", *s) for number, s in enumerate(drawn)]
    by_forms: dict[Tokens, Parse] = {}
    for tokens, parse in drawn[1::2]:  # those without sent_id are found by what FORM can hold of their tokens
        by_forms.setdefault(tuple("_".join(token.split()) or "_" for token in tokens), parse)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "any.conllu"
        assert export_parses(mentions, file) == (len(drawn), 0)
        found = import_parses([file], mentions)
    assert found.counts["sentences"] == len(drawn)
    assert found.counts["not of the data"] == 0
    assert found.parses.keys() == {tokens for tokens, _ in drawn}
    for tokens, parse in drawn:
        forms = tuple("_".join(token.split()) or "_" for token in tokens)
        assert found.parses[tokens] in (parse, by_forms.get(forms))


def test_sentences_are_matched_by_sent_id_else_by_tokens_and_the_rest_is_counted(file: Path, tmp_path: Path) -> None:
    rows = ROWS.replace("Acme", "Initech")
    file.write_text(f"# sent_id = a\n# text = Ann runs Acme.\n{ROWS}\n\n# sent_id = 77\n{rows}\n{rows}")
    packed = tmp_path / "more.conllu.gz"
    packed.write_bytes(gzip.compress(
        b"1\tAcme\tacme\tPROPN\tNNP\tNumber=Sing\t2\tnsubj\t_\tSpaceAfter=No\r\n"
        b"2\thired\thire\tVERB\tVBD\t_\t0\troot\t_\t_\r\n3\tAnn\t_\t_\tNNP\t_\t2\tobj\t_\t_\r\n"
    ))  # fmt: skip
    found = import_parses([file, packed], MENTIONS)
    assert found.parses == {TOKENS: PARSE, OTHER: OTHER_PARSE}
    assert found.told() == "4 sentences; 2 not of the data; 0 multiword ranges and empty nodes passed over"


def test_multiword_ranges_and_empty_nodes_are_no_words(file: Path) -> None:
    lines = ROWS.splitlines(keepends=True)
    lines.insert(2, "2.1\tsince\t_\t_\t_\t_\t_\t_\t2:advmod\t_\n")
    lines.insert(0, "1-2\tAnn'd\t_\t_\t_\t_\t_\t_\t_\t_\n")
    file.write_text("".join(lines))
    found = import_parses([file], MENTIONS)
    assert found.parses == {TOKENS: PARSE}
    assert found.told() == "1 sentences; 0 not of the data; 2 multiword ranges and empty nodes passed over"


def test_tokens_with_blanks_are_compared_as_they_are_written(file: Path) -> None:
    tokens = ("New\xa0York", "\xa0", "a \n b", "_")
    parse = Parse(("NNP",) * 4, (-1, 0, 0, 0), ("root", *("dep",) * 3))
    assert write([("a", tokens, parse)], file) == 1
    assert [line.split("\t")[1] for line in file.read_text().splitlines()[1:5]] == ["New_York", "_", "a_b", "_"]
    assert import_parses([file], [mention("a", tokens)]).parses == {tokens: parse}
    file.write_text(file.read_text().replace("New_York", "New\xa0York"))
    assert import_parses([file], [mention("a", tokens)]).parses == {tokens: parse}


def test_of_two_parses_of_one_sentence_the_first_is_kept_and_the_other_counted(file: Path) -> None:
    file.write_text(ROWS + "\n" + ROWS.replace("obj", "obl") + "\n" + ROWS)
    found = import_parses([file], MENTIONS)
    assert found.parses == {TOKENS: PARSE}
    assert found.told().endswith("; 1 of a sentence that has another parse before, which is kept")


def test_other_tokens_than_the_mentions_are_refused(file: Path) -> None:
    told = refused(file, f"# sent_id = b\n{ROWS}")
    assert told == (
        f"{file}, line 1, sentence 'b': expected the 3 tokens of the sentence of this identifier, found others: "
        "4 words, from word 1 on: 'Ann runs Acme .' for 'Acme hired Ann'. Parse the data's own tokens; or, where "
        "sent_id is another numbering, delete these lines, and sentences are matched by their tokens"
    )
    told = refused(file, f"{ROWS}\n\n# sent_id = a\n{ROWS.replace('Acme', 'ACME')}")
    assert told.startswith(
        f"{file}, line 7, sentence 'a': expected the 4 tokens of the sentence of this identifier, found others: "
        "word 3: 'ACME .' for 'Acme .'. "
    )
    longer = ROWS + "5\t!\t_\t_\t.\t_\t2\tpunct\t_\t_\n"
    assert ": 5 words, from word 5 on: '!' for ''. " in refused(file, f"# sent_id = a\n{longer}")


REFUSED = {
    "a cycle": ("\t2\tobj", "\t3\tobj", "expected a tree over 4 words, found a fault: it has a cycle"),
    "a head outside": (
        "\t2\tobj", "\t5\tobj", "expected a tree over 4 words, found a fault: it has a head outside the sentence"
    ),
    "a negative head": (
        "\t2\tobj", "\t-1\tobj", "expected a tree over 4 words, found a fault: it has a head outside the sentence"
    ),
    "no head": ("\t2\tobj", "\t_\tobj", "expected word 3 to have HEAD, found none"),
    "no tag": ("VBZ", "_", "expected word 2 to have XPOS, a Penn tag, found none"),
    "no label": ("nsubj", "_", "expected word 1 to have DEPREL, found none"),
    "no form": ("Acme", "", "expected word 3 to have FORM, found none"),
    "a number left out": ("3\tAcme", "4\tAcme", "expected words numbered from 1, found [1, 2, 4, 4]"),
    "no number": ("3\tAcme", "_\tAcme", "expected words numbered from 1, found [1, 2, None, 4]"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_a_sentence_that_is_no_parse_is_refused_with_its_place(file: Path, fault: str) -> None:
    good, bad, told = REFUSED[fault]
    assert good in ROWS
    text = f"{ROWS}\n# sent_id = a\n{ROWS.replace(good, bad, 1)}"
    assert refused(file, text) == f"{file}, line 6, sentence 'a': {told}"


CONLLU = "expected a sentence in CoNLL-U, ten columns between tabs, found a fault:"
NO_CONLLU = {
    "a text": ("The cat\n", f", line 2: {CONLLU} Invalid line format, line must contain either tabs or two spaces."),
    "a head that is no number": (
        ROWS.replace("\t0\troot", "\tzero\troot"),
        f", line 2: {CONLLU} Failed parsing field 'head': 'zero' is not a valid value for parse_int_value.",
    ),
    "a range that is none": ("3-1\ta\t_\n", f", line 2: {CONLLU} Failed parsing field 'id': '3-1' is not a valid ID."),
    "comments alone": (
        "# sent_id = a\n\n", ", line 2, sentence 'a': expected words numbered from 1, found []"
    ),
    "other columns": (
        "# global.columns = FORM\na\t_\n", ", line 2, sentence None: expected words numbered from 1, found [None]"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", NO_CONLLU)
def test_what_is_no_conllu_is_refused_with_its_place(file: Path, fault: str) -> None:
    text, told = NO_CONLLU[fault]
    assert refused(file, f"\n{text}") == f"{file}{told}"


def test_a_file_of_another_corpus_an_empty_one_and_a_missing_one_are_told(file: Path) -> None:
    assert refused(file, ROWS.replace("Ann", "Bob")) == (
        f"{file}: expected sentences of the data, by sent_id or by tokens, found none in 1"
    )
    assert refused(file, "") == f"{file}: expected examples, found an empty file"
    with pytest.raises(DataError, match=r"nowhere\.conllu: expected a file, found none"):
        import_parses([file.with_name("nowhere.conllu")], MENTIONS)


@pytest.mark.parametrize("bad", ["a b", "_", "a\tb", " "])
def test_a_tag_or_label_that_no_column_can_hold_is_refused(file: Path, bad: str) -> None:
    for what, parse in (
        ("tag", Parse((bad, *PARSE.tags[1:]), PARSE.heads, PARSE.labels)),
        ("label", Parse(PARSE.tags, PARSE.heads, (bad, *PARSE.labels[1:]))),
    ):
        with pytest.raises(DataError) as raised:
            export_parses([mention("a", TOKENS, parse)], file)
        assert str(raised.value) == (
            f"a: expected a {what} that CoNLL-U can hold, without blanks and not _, found {bad!r} for token 1"
        )
    assert not file.exists()


def test_a_corpus_without_parses_is_not_exported(file: Path) -> None:
    with pytest.raises(DataError) as raised:
        export_parses(MENTIONS, file)
    assert str(raised.value) == (
        "the data has no parses of its own; expected the name of a set: --parses SET. Make one: python -m harness "
        "data annotate NAME"
    )


def test_parses_of_kbp37_that_others_made(find_data: FindData, tmp_path: Path) -> None:
    parts = ("train", "dev", "test")
    folder = find_data(*(f"parsed/kbp37.{p}.conllu.gz" for p in parts), *(f"kbp37/{p}.txt" for p in parts)) / "parsed"
    mentions = read_corpus("kbp37", tmp_path).corpus.mentions
    found = import_parses([folder / "kbp37.dev.conllu.gz"], mentions)
    assert found.counts["sentences"] == 1_724
    assert found.counts["not of the data"] == 10
    dev = [m for m in mentions if m.part == "dev"]
    assert all(m.tokens in found.parses for m in dev)
