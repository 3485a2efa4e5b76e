"""`python -m harness data ...`, as it is typed: what it prints, where it fails, its exit codes."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Printed

from harness.cli import main


def examples(count: int = 12, **changed: Any) -> list[dict[str, Any]]:
    """TACRED-like examples, of two relations and none."""
    return [
        {
            "id": f"e{at}",
            "token": [f"Ann{at}", "runs", "the", "Acme", "."],
            "subj_start": 0, "subj_end": 0, "obj_start": 3, "obj_end": 3,
            "relation": ("head", "owner", "no_relation")[at % 3],
        } | changed
        for at in range(count)
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with `mydata`, and no data of anybody else's."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mydata").mkdir()
    (tmp_path / "mydata" / "train.json").write_text(json.dumps(examples()))
    return tmp_path


def data(*arguments: str) -> int:
    return main(["data", *arguments])


# list


def test_list_tells_what_is_here_and_how_to_get_the_rest(folder: Path, printed: Printed) -> None:
    (folder / ".harness" / "data" / "kbp37").mkdir(parents=True)
    (folder / ".harness" / "data" / "semeval2010_task8").mkdir()
    (folder / ".harness" / "data" / "semeval2010_task8" / "TRAIN_FILE.TXT").write_text("x")
    for part in ("train", "dev", "test"):
        (folder / ".harness" / "data" / "kbp37" / f"{part}.txt").write_text("x")
    assert data("list") == 0
    out, _ = printed()
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["kbp37"] == f"{'kbp37':18} {'corpus':16} is here: .harness/data/kbp37"
    assert lines["synthetic"] == f"{'synthetic':18} {'corpus and text':16} is generated, and needs no files"
    assert lines["linked-jsonl"].endswith(" text             reads your own: {name = 'linked-jsonl', path = 'mydata'}")
    assert "is not here: expected fewrel/val_wiki.json" in lines["fewrel"]
    assert lines["semeval2010-task8"].endswith(
        "is not whole in .harness/data/semeval2010_task8: missing TEST_FILE_FULL.TXT"
    )
    assert "python -m harness data fetch fewrel" in lines["fewrel"]
    assert "get it from your own; TACRED itself is at https://catalog.ldc.upenn.edu/LDC2018T24" in lines["tacred"]
    assert lines["looked"].startswith("looked for in folders of these names below: .harness/data (HARNESS_DATA ")


def test_list_goes_on_behind_a_broken_reader(folder: Path, printed: Printed, make_plugin: Callable[..., Path]) -> None:
    make_plugin("corpus", "broken", "import nowhere_at_all\nclass Broken: ...")
    assert data("list") == 1
    out, _ = printed()
    assert "broken: ModuleNotFoundError: No module named 'nowhere_at_all'" in out
    assert "synthetic" in out


# check

OUTSIDE = "subj_start 0, subj_end 7, of 5 tokens counted from 0"


def test_check_finds_the_reader_and_nothing_wrong(folder: Path, printed: Printed) -> None:
    assert data("check", "mydata") == 0
    out, _ = printed()
    assert out.startswith("mydata: 12 mentions of 3 classes, 12 train, 0 dev, 0 test\n")
    assert out.endswith("Left out: nothing\n")
    assert data("check", "mydata/train.json", "--reader", "tacred") == 0
    assert printed()[0].startswith("train: 12 mentions")


def test_check_tells_every_fault_and_exits_with_1(folder: Path, printed: Printed) -> None:
    bad = examples(5, id="x", subj_end=7) + examples(1, id="y", relation=None)
    (folder / "mydata" / "dev.json").write_text(json.dumps(bad, indent=1))
    assert data("check", "mydata") == 1
    out, _ = printed()
    assert f"  5: a span outside the sentence\n    mydata/dev.json, line 2, example 1: {OUTSIDE}\n" in out
    assert "    and 2 more; --all shows them" in out
    assert "  1: a field 'relation' that is not a string\n    mydata/dev.json, line " in out
    assert data("check", "mydata", "--all") == 1
    assert printed()[0].count(OUTSIDE) == 5
    assert data("check", "mydata", "--strict") == 2
    _, err = printed()
    assert err.startswith(
        "harness: corpus 'tacred' in mydata: strictly, expected no example that can't be used, found 6:"
    )
    assert "  and 1 more" in err


def test_check_as_json(folder: Path, printed: Printed) -> None:
    assert data("check", "mydata", "--format", "json") == 0
    report = json.loads(printed()[0])
    assert report["mentions"] == {"train": 12, "dev": 0, "test": 0}
    assert report["faults"] == []


def test_parameters_of_the_reader_are_given_as_key_and_value(folder: Path, printed: Printed) -> None:
    assert data("check", "mydata", "--parameter", "negative_label=owner") == 0
    assert "negative class owner" in printed()[0]
    assert data("check", "mydata", "--parameter", "negative_label=") == 0
    assert "negative class none" in printed()[0]
    assert data("check", "mydata", "--parameter", "negative_label=Other") == 2
    assert "expected the negative class 'Other' among the labels, found 'head', 'owner'" in printed()[1]
    assert data("check", "mydata", "--parameter", "min_agreement=1") == 2
    assert "corpus 'tacred': no parameter 'min_agreement'; Known: negative_label" in printed()[1]
    (folder / "numbers").mkdir()
    found = [example | {"relation": str(at % 2)} for at, example in enumerate(examples())]
    (folder / "numbers" / "train.json").write_text(json.dumps(found))
    assert data("check", "numbers", "--parameter", "negative_label=0") == 0
    assert "negative class 0;" in printed()[0]
    with pytest.raises(SystemExit, match="2"):
        data("check", "mydata", "--parameter", "negative_label")
    assert "expected KEY=VALUE, found 'negative_label'" in printed()[1]


def test_parameters_that_take_no_text_are_given_as_json(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path]
) -> None:
    make_plugin("corpus", "tuned", """
        import dataclasses
        from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span
        from harness.parameters import parameter

        class Tuned(CorpusReader):
            @dataclasses.dataclass(frozen=True)
            class Parameters:
                share: float = parameter(0.5, "a share")
                strict: bool = parameter(False, "whether")
                name: str | None = parameter(None, "a name")

            about = About("accuracy")

            def read(self, path):
                given = self.parameters
                labels = repr(given.share), repr(given.strict), repr(given.name)
                return Corpus(tuple(
                    RelationMention(label, ("a", label), Span(0, 1), Span(1, 2), label, "train") for label in labels
                ))
        """)  # fmt: skip
    given = [word for value in ("share=1", "strict=true", "name=null") for word in ("--parameter", value)]
    assert data("check", "tuned", "--format", "json", *given) == 0
    assert sorted(json.loads(printed()[0])["labels"]) == ["'null'", "1.0", "True"]
    assert data("check", "tuned", "--parameter", "share=much") == 2
    assert printed()[1] == "harness: corpus 'tuned'.share: expected a number, found 'much'\n"
    assert data("check", "tuned", "--parameter", "strict=1") == 2
    assert printed()[1] == "harness: corpus 'tuned'.strict: expected true or false, found 1\n"


def _cut(folder: Path) -> None:
    packed = gzip.compress((folder / "train.json").read_bytes())
    (folder / "train.json").unlink()
    (folder / "train.json.gz").write_bytes(packed[: len(packed) // 2])


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated JSON": (
        lambda f: (f / "train.json").write_text(json.dumps(examples())[:-30]),
        "mydata/train.json, line 1: expected example 12 as JSON, found a fault: ",
    ),
    "no list": (
        lambda f: (f / "train.json").write_text('{"a": 1}'),
        "mydata/train.json, line 1: expected a JSON list that opens with [, found '{\"a\": 1}'; one object a line is JSON lines, not a list",
    ),
    "a file of 0 bytes": (
        lambda f: (f / "train.json").write_text(""),
        "mydata/train.json: expected examples, found an empty file",
    ),
    "Latin-1": (
        lambda f: (f / "train.json").write_bytes(json.dumps(examples()).replace("Ann1", "Zoë").encode("latin-1")),
        "mydata/train.json, line 1: expected UTF-8 text, found the byte 0xeb",
    ),
    "a gzip cut in the middle": (_cut, "mydata/train.json.gz: can't be read to its end: "),
    "two files of one name": (
        lambda f: (f / "train.json.gz").write_bytes(gzip.compress(b"[]")),
        "mydata: expected one file train.json, found train.json and train.json.gz; keep one of them",
    ),
    "a folder in place of the file": (
        lambda f: ((f / "train.json").unlink(), (f / "train.json").mkdir()),
        "mydata/train.json: expected a file, found a folder",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_file_that_cannot_be_read_is_told_without_a_traceback(folder: Path, printed: Printed, broken: str) -> None:
    spoil, told = BROKEN[broken]
    spoil(folder / "mydata")
    assert data("check", "mydata", "--reader", "tacred") == 2
    out, err = printed()
    assert out == ""
    assert err.startswith(f"harness: {told}")
    assert "Traceback" not in err


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(folder: Path, printed: Printed) -> None:
    assert data("check", "mydata") == 0
    before = printed()
    text = json.dumps(examples(), indent=2).replace("\n", "\r\n")
    (folder / "mydata" / "train.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert data("check", "mydata") == 0
    assert printed() == before


def test_what_is_nowhere_or_of_no_known_format_is_told(folder: Path, printed: Printed) -> None:
    assert data("check", "nowhere") == 2
    places = f"{folder}/nowhere, {folder}/.harness/data/nowhere"
    assert printed()[1] == f"harness: there is no nowhere: looked for {places}\n"
    (folder / "strange").mkdir()
    assert data("check", "strange") == 2
    told = "expected the files of one corpus or format, found the files of none. Say which: --reader NAME"
    assert printed()[1] == f"harness: strange: {told}\n"
    (folder / "mydata" / "train.jsonl").write_text("{}")
    assert data("check", "mydata") == 2
    assert "found what may be jsonl or tacred. Say which: --reader NAME" in printed()[1]
    assert data("check", "mydata", "--reader", "tacret") == 2
    assert "no corpus 'tacret'; did you mean 'tacred'?" in printed()[1]
    assert data("check", "synthetic", "--reader", "tacred") == 2
    assert f"there is no synthetic: looked for {folder}/synthetic, " in printed()[1]


NOT_FIT: dict[str, tuple[list[Any], str, str]] = {
    # examples, the first line of the report, why it is not fit
    "no example": (
        [],
        "mydata: 0 mentions of 0 classes, 0 train, 0 dev, 0 test",
        "expected mentions of at least two classes, found 0 mentions of none",
    ),
    "none that can be used": (
        examples(2, subj_end=7),
        "mydata: 0 mentions of 0 classes, 0 train, 0 dev, 0 test",
        "expected mentions of at least two classes, found 0 mentions of none (2 left out: a span outside the sentence). "
        f"The first: mydata/train.json, line 1, example 1: a span outside the sentence: {OUTSIDE}",
    ),
    "one class": (
        examples(3, relation="head"),
        "mydata: 3 mentions of 1 classes, 3 train, 0 dev, 0 test",
        "expected mentions of at least two classes, found 3 mentions of 'head'",
    ),
    "no negative class": (
        examples(2),
        "mydata: 2 mentions of 2 classes, 2 train, 0 dev, 0 test",
        "expected the negative class 'no_relation' among the labels, found 'head', 'owner' and so on. Name the "
        "negative class of this corpus, negative_label = '...', or '' where there is none (on the command line: "
        "--parameter negative_label=...)",
    ),
}


@pytest.mark.parametrize("case", NOT_FIT)
def test_check_reports_first_and_then_fails_where_a_corpus_is_not_fit_to_run(
    folder: Path, printed: Printed, case: str
) -> None:
    found, first, told = NOT_FIT[case]
    (folder / "mydata" / "train.json").write_text(json.dumps(found))
    assert data("check", "mydata") == 2
    out, err = printed()
    assert out.startswith(f"{first}\n")
    assert "\nLeft out:" in out
    assert err == f"harness: corpus 'tacred' in mydata: {told}\n"
    assert data("check", "mydata", "--format", "json") == 2
    out, err = printed()
    assert sum(json.loads(out)["mentions"].values()) == int(first.split()[1])
    assert err == f"harness: corpus 'tacred' in mydata: {told}\n"


def test_a_reader_that_breaks_its_promise_is_told_and_nothing_measured(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path]
) -> None:
    make_plugin("corpus", "odd", """
        from harness.contracts import About, Corpus, CorpusReader, LinkedMention, RelationMention, Span

        class Odd(CorpusReader):
            about = About("accuracy")

            def read(self, path):
                others = (LinkedMention(1, 1, "Q1"),)  # empty: whoever walks over it never ends
                return Corpus((RelationMention("m", ("a", "b", "c"), Span(0, 1), Span(2, 3), "x", "train", others=others),))
        """)  # fmt: skip
    for command in ("check", "show"):
        assert data(command, "odd") == 2
        told = "expected further mentions within 3 tokens, found (1, 1) of 'Q1'"
        assert printed() == ("", f"harness: corpus 'odd', mention m: {told}\n")


def test_long_labels_are_shortened(folder: Path, printed: Printed) -> None:
    long = "relation_" * 20
    (folder / "mydata" / "train.json").write_text(json.dumps([*examples(), *examples(1, relation="x" * 60)]))
    (folder / "mydata" / "test.json").write_text(json.dumps(examples(1, relation=long, token=list("abcde"))))
    assert data("check", "mydata") == 1, "one example stands there already"
    (folder / "mydata" / "train.json").write_text(json.dumps([*examples(), *examples(1, relation="x" * 60, obj_end=4)]))
    assert data("check", "mydata") == 0
    out, _ = printed()
    short = f"{long[:56]}..."
    assert long not in out
    assert f"  {short:60}       0       0       1\n" in out
    assert f"  {60 * 'x'}       1       0       0\n" in out
    assert f"in the official split they count as wrong: {short}\n" in out
    assert data("check", "mydata", "--format", "json") == 0
    assert long in json.loads(printed()[0])["labels"], "it is whole for machines"


def test_a_folder_of_a_known_name_is_told(folder: Path, printed: Printed) -> None:
    (folder / "mydata").rename(folder / "synthetic")
    assert data("check", "synthetic") == 0
    out, err = printed()
    assert out.startswith("synthetic: 4,000 mentions")
    told = "synthetic is the known corpus here; for what lies in this folder: ./synthetic"
    assert err == f"harness: {told}\n"
    assert data("check", "./synthetic") == 0
    out, err = printed()
    assert out.startswith("synthetic: 12 mentions")
    assert err == ""


def test_a_path_that_is_the_working_folder_is_called_by_its_name(
    folder: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "mydata")
    assert data("check", ".") == 0
    assert printed()[0].startswith("mydata: 12 mentions of 3 classes, ")


# show


def test_show_prints_mentions_as_they_are_read(folder: Path, printed: Printed) -> None:
    (folder / "mydata" / "train.json").write_text(json.dumps([
        {"id": "a", "token": ["Acme", ",", "of", "Oslo", ",", "hired", "Ann", "Lee"], "relation": "head",
         "subj_start": 6, "subj_end": 7, "obj_start": 0, "obj_end": 0,
         "stanford_pos": ["NNP"] * 8, "stanford_head": [6, 1, 4, 1, 1, 0, 8, 6]},
        *examples(8),
    ]))  # fmt: skip
    assert data("show", "mydata", "--n", "1") == 0
    assert printed()[0] == (
        "a (train): head, subject: the second mention\n"
        "  sentence   [1 Acme] , of Oslo , hired [2 Ann Lee]\n"
        "  reading 1  <acme> , of Oslo , hired <ann lee>\n"
        "  reading 2  <ann lee> hired , Oslo of , <acme>\n"
        "  path 1     <acme> hired\n"
        "  path 2     <ann lee> hired\n"
        "  lexical    hw1=Acme | hw2=Lee | hw12=Acme Lee | m1=Acme | m2=Ann | m2=Lee | between=, | between=of | "
        "between=Oslo | between=hired | bigram=, of | bigram=of Oslo | bigram=Oslo , | bigram=, hired | first=, | "
        "last=hired\n"
        "  collocations c1(-1,-1)=<boundary> | c1(1,1)=, | c1(-2,-1)=<boundary> <boundary> | "
        "c1(-1,1)=<boundary> Acme , | c1(1,2)=, of | c2(-1,-1)=Ann | c2(1,1)=<boundary> | c2(-2,-1)=hired Ann | "
        "c2(-1,1)=Ann Lee <boundary> | c2(1,2)=<boundary> <boundary>\n"
        "  dependency path=↑dep ↓dep | dependency=dep | hw1+parent=Acme hired | hw2+parent=Lee hired\n"
        "  pos        p1(-1,-1)=Acme <boundary> | p1(1,1)=Acme NNP | p1(-2,-1)=Acme <boundary> <boundary> | "
        "p1(-1,1)=Acme <boundary> NNP | p1(1,2)=Acme NNP NNP | p2(-1,-1)=Lee NNP | p2(1,1)=Lee <boundary> | "
        "p2(-2,-1)=Lee NNP NNP | p2(-1,1)=Lee NNP <boundary> | p2(1,2)=Lee <boundary> <boundary>\n"
        "  chunks     \n"
        "  phrases    CPHBNULL\n"
        "  tags       NNP NNP NNP NNP NNP NNP NNP NNP\n"
    )


def test_show_takes_mentions_from_all_of_the_corpus_or_of_a_part(folder: Path, printed: Printed) -> None:
    assert data("show", "synthetic", "--n", "3") == 0
    shown = [line.split(":")[0] for line in printed()[0].splitlines() if line and not line.startswith(" ")]
    assert shown == ["train-0000 (train)", "train-2000 (train)", "test-0799 (test)"]
    assert data("show", "synthetic", "--n", "2", "--part", "dev") == 0
    assert "dev-0000 (dev)" in printed()[0]
    assert data("show", "mydata", "--part", "test") == 2
    assert "corpus 'mydata' has no mentions in test; expected another --part" in printed()[1]
    assert data("show", "mydata", "--n", "100") == 0
    assert printed()[0].count("subject: the first mention") == 12


# convert


def test_convert_writes_what_reads_back_the_same(folder: Path, printed: Printed) -> None:
    assert data("convert", "synthetic", "--to", "jsonl") == 0
    written = ".harness/data/synthetic-jsonl"
    assert printed()[0] == f"4,000 mentions of synthetic are in {written}, and were read back the same\n"
    assert sorted(os.listdir(written)) == ["corpus.json", "mentions.jsonl"]
    assert data("check", written) == 0
    assert data("convert", "mydata", "--to", "jsonl", "--out", "mine/lines") == 0
    assert "12 mentions of mydata are in mine/lines" in printed()[0]
    assert data("check", "mine/lines") == 0
    assert "negative class no_relation; subject and object given" in printed()[0]


def test_convert_overwrites_nothing_and_leaves_nothing_half_done(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path]
) -> None:
    assert data("convert", "mydata", "--to", "jsonl", "--out", "mydata") == 2
    assert printed()[1] == "harness: mydata is there already; move it away, or choose another folder with --out\n"
    assert data("convert", "mydata", "--to", "kbp37", "--out", "other") == 2
    assert printed()[1] == ("harness: --to kbp37: expected a format that holds every corpus, such as jsonl\n")
    assert data("convert", "mydata", "--to", "jsonl", "--out", "mydata/train.json/x") == 2
    assert "can't write mydata/train.json/x: Not a directory; choose another folder with --out" in printed()[1]
    make_plugin("corpus", "forgetful", """
        from benchmarks.corpora.jsonl import JsonLines as _JsonLines
        from harness.contracts import Corpus

        class Forgetful(_JsonLines):
            def write(self, corpus, about, folder):
                super().write(Corpus(corpus.mentions[1:]), about, folder)
        """)  # fmt: skip
    assert data("convert", "mydata", "--to", "forgetful", "--out", "other") == 2
    assert printed()[1] == "harness: corpus 'mydata' was not read back the same: its mentions became others\n"
    assert sorted(os.listdir(folder)) == ["distributions", "mydata"]
    (folder / "mydata" / "train.json").write_text(json.dumps(examples(3, relation="head")))
    assert data("convert", "mydata", "--to", "jsonl", "--out", "other") == 2
    assert "expected mentions of at least two classes, found 3 mentions of 'head'" in printed()[1]
    assert sorted(os.listdir(folder)) == ["distributions", "mydata"]


def test_convert_removes_what_a_killed_conversion_left(folder: Path, printed: Printed) -> None:
    (folder / ".other.unfinished").mkdir()
    (folder / ".other.unfinished" / "train.jsonl").write_text("{")
    assert data("convert", "mydata", "--to", "jsonl", "--out", "other") == 0
    assert sorted(os.listdir(folder)) == ["mydata", "other"]
    assert sorted(os.listdir("other")) == ["corpus.json", "mentions.jsonl"]


def test_what_a_mention_is_called_converts_and_files_that_are_not_read_too(folder: Path, printed: Printed) -> None:
    Path(os.fsdecode(b"mydata/caf\xe9.json")).write_text("[]")
    (folder / "mydata" / "train.json").write_text(json.dumps(examples(12, id=0)))
    assert data("convert", "mydata", "--to", "jsonl", "--out", "other") == 0
    assert data("check", "other") == 0
    out, _ = printed()
    assert "for their names are none of train.json, dev.json, test.json: caf\ufffd.json\n" in out
    assert "an identifier that is another example's, and was made another one: 11 (the first: mydata/train.json" in out


# fetch


@pytest.fixture
def served(folder: Path, make_plugin: Callable[..., Path]) -> Iterator[str]:
    """A corpus `remote` whose one file is served on loopback."""
    content = json.dumps(examples()).encode()
    site = folder / "site"
    site.mkdir()
    (site / "train.json").write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    make_plugin("corpus", "remote", f"""
        from benchmarks.corpora.tacred import Tacred as _Tacred
        from harness.contracts import About, Download

        class Remote(_Tacred):
            downloads = (Download("http://127.0.0.1:{server.server_port}/train.json",
                                  {{"train.json": "{sha256(content).hexdigest()}"}}),)
            about = About("accuracy", "no_relation", True, licence="CC0", citation="nobody")
        """)  # fmt: skip
    yield str(site)
    server.shutdown()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def test_fetch_brings_a_corpus_that_is_then_found(folder: Path, printed: Printed, served: str) -> None:
    assert data("check", "remote") == 2
    assert "Fetch it: python -m harness data fetch remote; or get it from not stated" in printed()[1]
    assert data("fetch", "remote") == 0
    out, _ = printed()
    assert out == "remote is in .harness/data/remote. Licence: CC0. Cite: nobody\n"
    assert data("check", "remote") == 0
    assert "12 mentions" in printed()[0]
    assert data("fetch", "remote", "--to", "elsewhere") == 0
    assert printed()[0].endswith("The harness finds it once HARNESS_DATA names elsewhere\n")


def test_fetch_refuses_what_is_not_the_file(folder: Path, printed: Printed, served: str) -> None:
    (Path(served) / "train.json").write_text("[]")
    assert data("fetch", "remote") == 2
    assert "SHA-256" in printed()[1]
    assert not list((folder / ".harness").rglob("train.json"))
    assert data("fetch", "tacred") == 2
    assert "https://catalog.ldc.upenn.edu/LDC2018T24" in printed()[1]
    assert data("fetch", "kpb37") == 2
    assert "no corpus 'kpb37'; did you mean 'kbp37'?" in printed()[1]
