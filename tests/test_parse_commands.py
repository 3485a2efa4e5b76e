"""`data annotate`, `import-parses`, `export-parses`, as they are typed."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Printed

from harness.cli import main
from harness.contracts import Parse
from harness.datasets.parses import ParseSet, attach
from harness.datasets.sources import Request, read_corpus

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "parses.md").read_text(encoding="utf-8")


def examples(count: int = 12) -> list[dict[str, Any]]:
    """TACRED-like examples, of two relations and none, with parses of their own; every second sentence is the last."""
    return [
        {
            "id": f"e{at}", "token": [f"Ann{at // 2}", "runs", "Acme", "."],
            "subj_start": 0, "subj_end": 0, "obj_start": 2, "obj_end": 2 if at % 2 else 3,
            "relation": ("head", "owner", "no_relation")[at % 3],
            "stanford_pos": ["NNP", "VBZ", "NNP", "."], "stanford_head": [2, 0, 2, 2],
            "stanford_deprel": ["nsubj", "root", "obj", "punct"],
        }
        for at in range(count)
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `mydata` and `sentences.txt`, and no data of anybody else's."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mydata").mkdir()
    (tmp_path / "mydata" / "train.json").write_text(json.dumps(examples()))
    (tmp_path / "sentences.txt").write_text("The cat sat .\n\nA \xa0 b\tsaw it .\nThe cat sat .\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def models() -> str:
    folder = os.environ.get("HARNESS_STANZA_DIR")
    if not folder:
        pytest.skip("HARNESS_STANZA_DIR names no folder of Stanza's models")
    return folder


def data(*arguments: str) -> int:
    return main(["data", *arguments])


# annotate


def test_annotate_parses_a_corpus_and_says_how_a_grid_uses_it(folder: Path, printed: Printed, models: str) -> None:
    assert data("annotate", "mydata", "--workers", "0", "--parameter", "negative_label=no_relation") == 0
    out, _ = printed()
    assert re.fullmatch(
        r"mydata: 12 sentences, 6 distinct; 6 parsed in \d+ s, [\d.]+ a second; 0 were there already; "
        r"0 can't be parsed\n"
        r"The parse set 'stanza' in \.harness/parses/stanza has 6 sentences\. A grid uses them so: corpora = "
        r'\[\{name = "tacred", path = "mydata", negative_label = "no_relation", parses = "stanza"\}\]\n',
        out,
    )
    parse_set = ParseSet(Path(".harness"), "stanza")
    assert parse_set.files == ("depparse/ewt_glove.pt", "pretrain/glove6b100.pt", "lemma/ewt_glove.pt", "pos/ewt_glove.pt")  # fmt: skip
    corpus = read_corpus(Request("tacred", path="mydata"), Path(".harness")).corpus
    assert attach(corpus, parse_set, "mydata").mentions[0].parse == Parse(
        ("NNP", "VBZ", "NNP", "."), (1, -1, 1, 1), ("nsubj", "root", "obj", "punct")
    )


def test_annotate_takes_a_text_and_writes_conllu(folder: Path, printed: Printed, models: str) -> None:
    text = (folder / "sentences.txt").read_bytes()
    (folder / "sentences.txt").unlink()
    (folder / "sentences.txt.gz").write_bytes(gzip.compress(text))
    assert data("annotate", "sentences.txt.gz", "--name", "web", "--workers", "0", "--conllu", "web.conllu") == 0
    out, _ = printed()
    assert out.startswith("sentences.txt.gz: 3 sentences, 2 distinct; 2 parsed in ")
    assert "The parse set 'web' in .harness/parses/web has 2 sentences.\n3 sentences are in web.conllu\n" in out
    blocks = (folder / "web.conllu").read_text().split("\n\n")
    assert [block.splitlines()[0] for block in blocks if block] == ["# sent_id = 1", "# sent_id = 3", "# sent_id = 4"]
    assert [line.split("\t")[1] for line in blocks[1].splitlines()[1:]] == ["A", "_", "b", "saw", "it", "."]
    assert data("annotate", "sentences.txt.gz", "--name", "web", "--workers", "0") == 0
    assert "0 parsed in 0 s, 0.0 a second; 2 were there already" in printed()[0]


def test_annotate_tells_a_folder_that_is_none_of_models(folder: Path, printed: Printed) -> None:
    assert data("annotate", "mydata", "--stanza-dir", "nowhere") == 2
    assert printed() == ("", (
        "harness: nowhere: found no folder; expected a folder of Stanza's models, resources.json with en/pos, en/lemma "
        "and en/depparse, as stanza.download('en', FOLDER) makes it; name one: --stanza-dir FOLDER\n"
    ))  # fmt: skip
    assert not (folder / ".harness").exists()


def test_annotate_tells_what_is_nowhere(folder: Path, printed: Printed) -> None:
    assert data("annotate", "nowhere") == 2
    told = f"looked for {folder}/nowhere, {folder}/.harness/data/nowhere\n"
    assert printed()[1] == f"harness: there is no nowhere: {told}"
    assert data("annotate", "nowhere.txt") == 2
    told = f"looked for {folder}/nowhere.txt, {folder}/.harness/data/nowhere.txt\n"
    assert printed()[1] == f"harness: there is no nowhere.txt: {told}"


def test_annotate_shows_a_bar_on_a_terminal(folder: Path, models: str) -> None:
    ours, theirs = pty.openpty()
    run = [sys.executable, "-m", "harness", "data", "annotate", "mydata", "--workers", "1"]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    ran = subprocess.run(run, stderr=theirs, stdout=subprocess.PIPE, text=True, env=surroundings)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other end is closed, and everything is read
        pass
    os.close(ours)
    assert ran.returncode == 0
    assert b"6/6" in shown
    assert b"a second" in shown


# import-parses and export-parses


def test_what_is_exported_imports_again(folder: Path, printed: Printed) -> None:
    assert data("export-parses", "mydata", "--out", "mine.conllu") == 0
    assert printed()[0] == "12 sentences are in mine.conllu; 0 mentions have no parse\n"
    assert data("import-parses", "mydata", "mine.conllu") == 0
    assert printed()[0] == (
        "12 sentences; 0 not of the data; 0 multiword ranges and empty nodes passed over; 0 of 12 mentions have no "
        "parse\nThe parse set 'imported' in .harness/parses/imported has 6 sentences. A grid uses them so: corpora = "
        '[{name = "tacred", path = "mydata", parses = "imported"}]\n'
    )
    parse_set = ParseSet(Path(".harness"), "imported")
    assert (parse_set.maker, parse_set.files) == ({"name": "imported"}, ("mine.conllu",))
    corpus = read_corpus(Request("tacred", path="mydata"), Path(".harness")).corpus
    assert attach(corpus, parse_set, "mydata") == corpus
    assert data("export-parses", "mydata", "--out", "again.conllu", "--parses", "imported") == 0
    assert (folder / "again.conllu").read_bytes() == (folder / "mine.conllu").read_bytes()


def test_mentions_that_are_left_without_a_parse_are_counted(folder: Path, printed: Printed) -> None:
    data("export-parses", "mydata", "--out", "mine.conllu")
    blocks = (folder / "mine.conllu").read_text().split("\n\n")
    (folder / "first.conllu").write_text("\n\n".join(blocks[:8]) + "\n")
    (folder / "rest.conllu").write_text("\n\n".join(blocks[8:]))
    printed()
    assert data("import-parses", "mydata", "first.conllu") == 1
    assert "; 4 of 12 mentions have no parse, the first is e8\n" in printed()[0]
    assert data("export-parses", "mydata", "--out", "x.conllu", "--parses", "imported") == 2
    assert printed()[1] == (
        "harness: mydata: expected a parse of each of its 6 sentences in the parse set 'imported', found none of 2, the "
        "first that of mention e8. Import them: python -m harness data import-parses mydata FILE\n"
    )
    assert data("import-parses", "mydata", "rest.conllu") == 0
    assert "; 0 of 12 mentions have no parse\n" in printed()[0]
    assert ParseSet(Path(".harness"), "imported").files == ("first.conllu", "rest.conllu")


def test_a_refused_file_imports_nothing(folder: Path, printed: Printed) -> None:
    data("export-parses", "mydata", "--out", "mine.conllu")
    text = (folder / "mine.conllu").read_text()
    (folder / "bad.conllu").write_text(text.replace("3\tAcme\t_\t_\tNNP\t_\t2", "3\tAcme\t_\t_\tNNP\t_\t3", 1))
    printed()
    assert data("import-parses", "mydata", "mine.conllu", "bad.conllu") == 2
    assert printed() == ("", (
        "harness: bad.conllu, line 1, sentence 'e0': expected a tree over 4 words, found a fault: it has a cycle\n"
    ))  # fmt: skip
    assert not (folder / ".harness").exists()


def test_another_parse_of_what_a_set_has_is_refused(folder: Path, printed: Printed) -> None:
    data("export-parses", "mydata", "--out", "mine.conllu")
    text = (folder / "mine.conllu").read_text()
    (folder / "other.conllu").write_text(text.replace("obj", "obl"))
    data("import-parses", "mydata", "mine.conllu")
    printed()
    assert data("import-parses", "mydata", "other.conllu") == 2
    assert printed()[1] == (
        "harness: the parse set 'imported' has another parse of 6 of these sentences; give the new ones a set of their "
        "own: --name ANOTHER\n"
    )
    assert ParseSet(Path(".harness"), "imported").files == ("mine.conllu",)
    assert data("import-parses", "mydata", "other.conllu", "--name", "other") == 0


def test_a_file_of_another_reader_is_told(folder: Path, printed: Printed) -> None:
    line = {"id": "s1", "tokens": ["Ann", "runs", "Acme", "."], "mentions": [[0, 1, "Ann"], [2, 3, "Acme"]]}
    (folder / "text.jsonl").write_text(json.dumps(line) + "\n")
    data("export-parses", "mydata", "--out", "mine.conllu")
    printed()
    for command in (["import-parses", "text.jsonl", "mine.conllu"], ["annotate", "text.jsonl"]):
        assert data(*command) == 2
        assert printed()[1] == (
            "harness: text.jsonl: expected mentions or sentences, found none by the reader 'jsonl'; if it is another's, "
            "name that: --reader NAME. python -m harness list names them\n"
        )


def test_an_unknown_set_is_told(folder: Path, printed: Printed) -> None:
    assert data("export-parses", "mydata", "--out", "x", "--parses", "stanza") == 2
    assert printed()[1].startswith("harness: no parse set 'stanza'; Known: none. Make it: python -m harness data ")


# The page


def test_the_page_is_true(folder: Path, models: str) -> None:
    commands = re.findall(r"^python -m harness .+$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HARNESS_")}
    surroundings |= {"PYTHONPATH": str(ROOT), "HARNESS_STANZA_DIR": models}
    said = []
    for command in commands:
        words = [sys.executable, *command.split()[1:]]
        ran = subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        said.append(ran.stdout)
    annotated, text, exported, imported = said
    (grid,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert annotated.endswith(f"A grid uses them so: {grid}")
    assert text.endswith("3 sentences are in sentences.conllu\n")
    assert exported == "12 sentences are in mydata.conllu; 0 mentions have no parse\n"
    assert "The parse set 'gold' in .harness/parses/gold has 6 sentences." in imported
