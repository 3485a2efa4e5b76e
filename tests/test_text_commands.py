"""`python -m harness data ...` of unlabelled text, as it is typed: what it prints, where it fails, its exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Printed

from harness.cli import main
from harness.contracts import Parse
from harness.datasets.parses import ParseSet
from harness.datasets.sources import Request
from harness.datasets.texts import read_text

ROOT = Path(__file__).parents[1]

LINES: list[dict[str, Any]] = [
    {"id": "a", "tokens": ["Ann", "Lee", "founded", "Acme", "in", "Oslo", "."],
     "mentions": [[0, 2, "Ann Lee"], [3, 4, "Acme (company)"], [5, 6, "Oslo"]]},
    {"id": "b", "tokens": ["It", "rained", "."], "mentions": []},
    {"id": "c", "tokens": ["Acme", "was", "sold", "."], "mentions": [[0, 1, "Acme (company)"]]},
    {"id": "d", "tokens": ["Bob", "left", "Acme", "in", "1999", "."],
     "mentions": [[0, 1, "Bob"], [2, 3, "Acme (company)"]],
     "tags": ["NNP", "VBD", "NNP", "IN", "CD", "."], "heads": [1, -1, 1, 4, 1, 1],
     "labels": ["nsubj", "root", "obj", "case", "obl", "punct"]},
]  # fmt: skip
BAD = {"id": "x", "tokens": ["Ann"], "mentions": [[0, 2, "Ann"]]}
OUTSIDE = "(0, 2) of 1 tokens"

CONLLU = (
    "# sent_id = a\n1\tAnn\t_\t_\tNNP\t_\t3\tnsubj\t_\t_\n2\tLee\t_\t_\tNNP\t_\t1\tflat\t_\t_\n"
    "3\tfounded\t_\t_\tVBD\t_\t0\troot\t_\t_\n4\tAcme\t_\t_\tNNP\t_\t3\tobj\t_\t_\n"
    "5\tin\t_\t_\tIN\t_\t6\tcase\t_\t_\n6\tOslo\t_\t_\tNNP\t_\t3\tobl\t_\t_\n7\t.\t_\t_\t.\t_\t3\tpunct\t_\t_\n\n"
    "1\tBob\t_\t_\tNNP\t_\t2\tnsubj\t_\t_\n2\tleft\t_\t_\tVBD\t_\t0\troot\t_\t_\n3\tAcme\t_\t_\tNNP\t_\t2\tobj\t_\t_\n"
    "4\tin\t_\t_\tIN\t_\t5\tcase\t_\t_\n5\t1999\t_\t_\tCD\t_\t2\tobl\t_\t_\n6\t.\t_\t_\t.\t_\t2\tpunct\t_\t_\n\n"
)


def put(folder: Path, lines: list[dict[str, Any]], names: str = "") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "sentences.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    if names:
        (folder / "names.tsv").write_text(names)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `mytext`, and no data of anybody else's."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "mytext", LINES, "ACME Inc\tAcme (company)\n")
    return tmp_path


def data(*arguments: str) -> int:
    return main(["data", *arguments])


# check


def test_check_tells_what_a_text_holds(folder: Path, printed: Printed) -> None:
    assert data("check", "mytext") == 0
    assert printed() == (
        "mytext: 4 sentences, 20 tokens, 6 mentions of 4 entities\n"
        "  licence: your own text's; source: your own, one sentence with linked mentions a line; citation: your own "
        "text\n"
        "  tokens a sentence: 5.0 on average, 7 at most; sentences parsed: 25.0%\n"
        "  sentences with at least two mentions: 2; pairs of mentions with at most 20 tokens between them: 4\n"
        "  entities mentioned at least 5 times: 0; further names of entities: 1\n"
        "Left out: nothing\n",
        "",
    )
    put(folder / "often", [{**LINES[3], "id": str(at)} for at in range(5)])
    assert data("check", "often") == 0
    assert "  entities mentioned at least 5 times: 2; further names of entities: 0\n" in printed()[0]


def test_check_of_a_text_tells_every_fault_and_exits_with_1(folder: Path, printed: Printed) -> None:
    put(folder / "mytext", [*LINES, *5 * [BAD]], "Acme\n")
    assert data("check", "mytext") == 1
    assert printed()[0].endswith(
        "Left out:\n"
        "  5: a span outside the sentence\n"
        + "".join(f"    mytext/sentences.jsonl, line {line}: {OUTSIDE}\n" for line in (5, 6, 7))
        + "    and 2 more; --all shows them\n"
        "  1: a line of names that is not a name, a tab and an entity ID\n    mytext/names.tsv, line 1: 'Acme'\n"
    )
    assert data("check", "mytext", "--all") == 1
    assert printed()[0].count(OUTSIDE) == 5
    assert data("check", "mytext", "--strict") == 2
    told = [f"\n  mytext/sentences.jsonl, line {line}: a span outside the sentence: {OUTSIDE}" for line in (5, 6, 7, 8)]
    names = "\n  mytext/names.tsv, line 1: a line of names that is not a name, a tab and an entity ID: 'Acme'"
    assert printed() == ("", (
        "harness: text 'linked-jsonl' in mytext: strictly, expected nothing that can't be used, found 6:"
        f"{names}{''.join(told)}\n  and 1 more\n"
    ))  # fmt: skip


def test_check_promises_no_place_that_is_not_kept(folder: Path, printed: Printed) -> None:
    put(folder / "mytext", [*LINES, *1500 * [BAD]])
    assert data("check", "mytext") == 1
    assert printed()[0].endswith("    and 1,497 more; --all shows the first 1,000\n")
    assert data("check", "mytext", "--all") == 1
    out = printed()[0]
    assert out.count(OUTSIDE) == 1000
    assert out.endswith("    and 500 more; their places are not kept\n")
    assert data("check", "mytext", "--strict") == 2
    err = printed()[1]
    assert "strictly, expected nothing that can't be used, found 1,500:\n" in err
    assert err.endswith("\n  and 1,495 more\n")


def test_check_of_a_text_as_json(folder: Path, printed: Printed) -> None:
    put(folder / "mytext", [*LINES, BAD])
    assert data("check", "mytext", "--format", "json") == 1
    report = json.loads(printed()[0])
    assert (report["text"], report["sentences"], report["mentions"], report["entities"]) == ("mytext", 4, 6, 4)
    assert (report["sentences_with_pairs"], report["distance"], report["pairs"]) == (2, 20, 4)
    assert report["left_out"] == {"a span outside the sentence": 1}
    place = "mytext/sentences.jsonl, line 5"
    assert report["faults"] == [{"reason": "a span outside the sentence", "place": place, "found": OUTSIDE}]


def test_what_keeps_a_grid_from_reading_a_text_is_told_last(folder: Path, printed: Printed) -> None:
    put(folder / "mytext", LINES[1:3])
    for command in ("check", "show"):
        assert data(command, "mytext") == 2
        out, err = printed()
        assert out.startswith("mytext: 2 sentences, " if command == "check" else "")
        told = "expected sentences with at least 2 linked mentions, found none"
        assert err == f"harness: text 'linked-jsonl' in mytext: {told}\n"


def test_a_reader_that_fails_is_told_without_a_traceback(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path]
) -> None:
    make_plugin("corpus", "odd", """
        from harness.contracts import About, TextReader

        class Odd(TextReader):
            about = About("accuracy")

            def text(self, path, notes):
                yield {}["nothing"]
        """)  # fmt: skip
    for command in (["check"], ["show"], ["convert", "--to", "linked-jsonl"], ["train-vectors"]):
        assert data(command[0], "odd", *command[1:]) == 2
        assert printed() == ("", "harness: text 'odd' can't be read: KeyError: 'nothing'\n")


# show


def test_show_prints_sentences_with_their_mentions_and_the_readings_of_the_first_pair(
    folder: Path, printed: Printed
) -> None:
    assert data("show", "mytext") == 0
    assert printed()[0] == (
        "a\n"
        "  sentence   [1 Ann Lee] founded [2 Acme] in [3 Oslo] .\n"
        "  mentions   1 Ann Lee | 2 Acme (company) | 3 Oslo\n"
        "  reading 1  <Ann Lee> founded <Acme (company)>\n"
        "  reading 2  <Acme (company)> founded <Ann Lee>\n"
        "\n"
        "d\n"
        "  sentence   [1 Bob] left [2 Acme] in 1999 .\n"
        "  mentions   1 Bob | 2 Acme (company)\n"
        "  reading 1  <Bob> left <Acme (company)>\n"
        "  reading 2  <Acme (company)> left <Bob>\n"
        "  path 1     <Bob> left\n"
        "  path 2     <Acme (company)> left\n"
        "  tags       NNP VBD NNP IN CD .\n"
    )


def test_show_draws_the_same_sentences_every_time_from_all_of_the_text(folder: Path, printed: Printed) -> None:
    def shown(text: str, count: int) -> list[int]:
        assert data("show", text, "--n", str(count)) == 0
        return [int(line) for line in printed()[0].splitlines() if line and not line.startswith(" ")]

    put(folder / "mytext", [{**LINES[at % 2], "id": str(at)} for at in range(4000)])
    drawn = shown("mytext", 200)
    assert drawn == sorted(set(drawn)) and len(drawn) == 200
    assert all(at % 2 == 0 for at in drawn), "one without a pair is shown"
    assert 60 < sum(at < 2000 for at in drawn) < 140
    assert shown("mytext", 200) == drawn
    put(folder / "mytext", [{**LINES[0], "id": str(at)} for at in range(3)])
    assert shown("mytext", 3) == shown("mytext", 100) == [0, 1, 2]


def test_mentions_far_apart_and_parts_are_told(folder: Path, printed: Printed) -> None:
    far = {"tokens": ["A", *25 * ["and"], "B"], "mentions": [[0, 1, "A"], [26, 27, "B"]]}
    put(folder / "mytext", [far])
    assert data("show", "mytext") == 0
    assert printed()[0].startswith("sentences-1\n")
    assert data("show", "mytext") == 0
    assert printed()[0].endswith("\n  reading    no two mentions have at most 20 tokens between them\n")
    assert data("show", "mytext", "--part", "dev") == 2
    assert printed()[1] == "harness: --part dev: expected with a corpus alone, for a text has no parts\n"


def test_of_data_that_is_both_the_text_is_asked_for(folder: Path, printed: Printed) -> None:
    assert data("check", "synthetic", "--text") == 0
    assert printed()[0].startswith("synthetic: 20,000 sentences, ")
    assert data("check", "synthetic") == 0
    assert printed()[0].startswith("synthetic: 4,000 mentions of ")
    assert data("show", "synthetic", "--text", "--n", "1") == 0
    assert re.match(r"text-\d{5}\n  sentence   ", printed()[0])


# convert


def test_convert_writes_a_text_that_reads_back_the_same(folder: Path, printed: Printed) -> None:
    put(folder / "mytext", [*LINES, BAD], "ACME Inc\tAcme (company)\n")
    assert data("convert", "mytext", "--to", "linked-jsonl") == 0
    written = Path(".harness/data/mytext-linked-jsonl")
    assert printed()[0] == f"4 sentences of mytext are in {written}, and were read back the same\n"
    lines = [json.loads(line) for line in (written / "sentences.jsonl").read_text().splitlines()]
    assert lines == LINES
    assert (written / "names.tsv").read_text() == "ACME Inc\tAcme (company)\n"
    assert data("check", str(written)) == 0
    assert printed()[0].endswith("Left out:\n  1: a span outside the sentence\n"), "what was left out is forgotten"
    assert data("convert", "mytext", "--to", "linked-jsonl", "--strict", "--out", "other") == 2
    assert "strictly, expected nothing that can't be used, found 1:" in printed()[1]
    assert sorted(os.listdir(folder)) == [".harness", "mytext"]


def test_the_format_decides_what_of_data_that_is_both_is_written(folder: Path, printed: Printed) -> None:
    assert data("convert", "synthetic", "--to", "linked-jsonl", "--out", "text") == 0
    assert printed()[0] == "20,000 sentences of synthetic are in text, and were read back the same\n"
    assert data("convert", "synthetic", "--to", "jsonl", "--out", "corpus") == 0
    assert printed()[0] == "4,000 mentions of synthetic are in corpus, and were read back the same\n"


def test_a_format_that_does_not_hold_the_data_is_told(folder: Path, printed: Printed) -> None:
    assert data("convert", "mytext", "--to", "jsonl") == 2
    told = "expected a format that holds every text, such as linked-jsonl"
    assert printed()[1] == f"harness: --to jsonl: {told}\n"
    assert data("convert", "synthetic", "--to", "kbp37") == 2
    told = "expected a format that holds every corpus, such as jsonl; or every text, such as linked-jsonl"
    assert printed()[1] == f"harness: --to kbp37: {told}\n"
    assert os.listdir(folder) == ["mytext"]


FORGETFUL = {
    "sentences": "super().write_text(islice(sentences, 1), notes, folder); list(sentences)",
    "names": "super().write_text(sentences, TextNotes(notes.left_out, notes.faults, notes.remarks), folder)",
    "counts of what is left out": "super().write_text(sentences, TextNotes(names=notes.names), folder)",
}


@pytest.mark.parametrize("what", FORGETFUL)
def test_a_conversion_to_another_text_fails_and_leaves_nothing(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path], what: str
) -> None:
    make_plugin("corpus", "forgetful", f"""
        from itertools import islice
        from benchmarks.corpora.linked_jsonl import LinkedJsonLines as _LinkedJsonLines
        from harness.contracts import TextNotes

        class Forgetful(_LinkedJsonLines):
            def write_text(self, sentences, notes, folder):
                sentences = list(sentences)
                {FORGETFUL[what]}
        """)  # fmt: skip
    put(folder / "mytext", [*LINES, BAD], "ACME Inc\tAcme (company)\n")
    assert data("convert", "mytext", "--reader", "linked-jsonl", "--to", "forgetful", "--out", "other") == 2
    assert printed()[1] == f"harness: text 'mytext' was not read back the same: its {what} became others\n"
    assert sorted(os.listdir(folder)) == ["distributions", "mytext"]


def test_a_format_that_does_not_hold_this_text_is_told(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path]
) -> None:
    make_plugin("corpus", "narrow", """
        from benchmarks.corpora.linked_jsonl import LinkedJsonLines as _LinkedJsonLines

        class Narrow(_LinkedJsonLines):
            def write_text(self, sentences, notes, folder):
                raise NotImplementedError
        """)  # fmt: skip
    assert data("convert", "mytext", "--reader", "linked-jsonl", "--to", "narrow", "--out", "other") == 2
    told = "expected a format that holds every text, such as linked-jsonl"
    assert printed()[1] == f"harness: --to narrow: {told}\n"
    assert sorted(os.listdir(folder)) == ["distributions", "mytext"]


def test_an_empty_text_is_not_converted(folder: Path, printed: Printed) -> None:
    put(folder / "mytext", [BAD])
    assert data("convert", "mytext", "--to", "linked-jsonl") == 2
    told = "expected sentences, found none; python -m harness data check tells why"
    assert printed()[1] == f"harness: text 'linked-jsonl' in mytext: {told}\n"


def test_a_long_text_is_converted_and_checked_in_little_memory(folder: Path) -> None:
    with (folder / "mytext" / "sentences.jsonl").open("w") as lines:
        for at in range(100_000):
            lines.write(json.dumps({**LINES[0], "id": f"s{at}"}) + "\n")
    program = (
        "import resource, sys; from harness.cli import main\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert main(['data', *sys.argv[1:]]) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    grown = []
    for text in ("few", "mytext"):
        put(folder / "few", LINES)
        words = [sys.executable, "-c", program, "convert", text, "--to", "linked-jsonl", "--out", f"{text}-written"]
        surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
        ran = subprocess.run(words, capture_output=True, text=True, env=surroundings)
        assert ran.returncode == 0, ran.stderr
        grown.append(int(ran.stdout.splitlines()[-1]))
    assert grown[1] - grown[0] < 20_000, f"{grown} KiB"  # the text itself would take some 100 MB


# import-parses and export-parses


def test_parses_of_a_text_are_imported_and_joined(folder: Path, printed: Printed) -> None:
    (folder / "mine.conllu").write_text(CONLLU)
    assert data("import-parses", "mytext", "mine.conllu", "--name", "gold") == 0
    out, err = printed()
    assert out == (
        "2 sentences; 0 not of the data; 0 multiword ranges and empty nodes passed over; 0 of 2 sentences of text have "
        "no parse\nThe parse set 'gold' in .harness/parses/gold has 2 sentences. A grid uses them so: texts = "
        '[{name = "linked-jsonl", path = "mytext", parses = "gold"}]\n'
    )
    assert err == "Reading text 'linked-jsonl' in mytext (once)\n"
    request = Request("linked-jsonl", path="mytext")
    sentences = list(read_text(request, Path(".harness"), "gold", lambda line: None).sentences())
    assert [sentence.identifier for sentence in sentences] == ["a", "d"]
    assert sentences[0].parse == Parse(
        ("NNP", "NNP", "VBD", "NNP", "IN", "NNP", "."), (2, 0, -1, 2, 5, 2, 2),
        ("nsubj", "flat", "root", "obj", "case", "obl", "punct"),
    )  # fmt: skip
    assert data("export-parses", "mytext", "--out", "again.conllu", "--parses", "gold") == 0
    assert printed()[0] == "2 sentences are in again.conllu; 0 sentences have no parse\n"
    assert (folder / "again.conllu").read_text() == CONLLU.replace("\n\n1\tBob", "\n\n# sent_id = d\n1\tBob")
    assert data("export-parses", "mytext", "--out", "own.conllu") == 0
    assert printed()[0] == "1 sentences are in own.conllu; 1 sentences have no parse\n"


def test_sentences_of_a_text_that_are_left_without_a_parse_are_counted(folder: Path, printed: Printed) -> None:
    (folder / "mine.conllu").write_text(CONLLU.split("\n\n")[1])
    assert data("import-parses", "mytext", "mine.conllu") == 1
    assert printed()[0].startswith(
        "1 sentences; 0 not of the data; 0 multiword ranges and empty nodes passed over; 1 of 2 sentences of text have "
        "no parse, the first is a\n"
    )
    (folder / "mine.conllu").write_text(CONLLU)
    assert data("import-parses", "mytext", "mine.conllu") == 0
    assert len(ParseSet(Path(".harness"), "imported")) == 2


def test_parses_of_data_that_is_both_are_those_of_its_corpus_and_its_text(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path]
) -> None:
    make_plugin("corpus", "both", """
        from harness.contracts import *

        OWN = tuple("Ann Lee founded Acme in Oslo .".split())
        TEXT = tuple("Bob left Acme in 1999 .".split())

        class Both(CorpusReader, TextReader):
            about = About("accuracy")

            def read(self, path):
                places = (Span(3, 4), "head"), (Span(5, 6), "place")
                return Corpus(tuple(
                    RelationMention(label, OWN, Span(0, 2), place, label, "train") for place, label in places
                ))

            def text(self, path, notes):  # an identifier may be a mention's, too
                yield LinkedSentence("head", TEXT, (LinkedMention(0, 1, "Bob"), LinkedMention(2, 3, "Acme")))
        """)  # fmt: skip
    own, text = (f"# sent_id = head\n{block}\n\n" for block in CONLLU.replace("# sent_id = a\n", "").split("\n\n")[:2])
    (folder / "own.conllu").write_text(own)
    (folder / "text.conllu").write_text(text)
    assert data("import-parses", "both", "own.conllu") == 1
    out, _ = printed()
    assert "; 0 of 2 mentions have no parse; 1 of 1 sentences of text have no parse, the first is head\n" in out
    assert data("import-parses", "both", "text.conllu") == 0
    out, _ = printed()
    assert "; 0 of 2 mentions have no parse; 0 of 1 sentences of text have no parse\n" in out
    entry = '[{name = "both", parses = "imported"}]'
    assert out.endswith(f"A grid uses them so: corpora = {entry}, texts = {entry}\n")
    assert data("export-parses", "both", "--out", "x", "--parses", "imported", "--text") == 0
    assert (folder / "x").read_text() == text


def test_annotate_parses_a_text(folder: Path, printed: Printed) -> None:
    models = os.environ.get("HARNESS_STANZA_DIR")
    if not models:
        pytest.skip("HARNESS_STANZA_DIR names no folder of Stanza's models")
    assert data("annotate", "mytext", "--workers", "0", "--stanza-dir", models) == 0
    assert re.fullmatch(
        r"mytext: 2 sentences, 2 distinct; 2 parsed in \d+ s, [\d.]+ a second; 0 were there already; 0 can't be parsed\n"
        r"The parse set 'stanza' in \.harness/parses/stanza has 2 sentences\. A grid uses them so: texts = "
        r'\[\{name = "linked-jsonl", path = "mytext", parses = "stanza"\}\]\n',
        printed()[0],
    )
