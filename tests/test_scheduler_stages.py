"""Grids with texts as they are run: what is told of them, and what fails alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import MakePlugin, Printed

from harness.cli import main
from harness.records import RecordStore

CORPUS = """
    from harness.contracts import *

    class Small(CorpusReader):
        about = About()

        def read(self, path):
            parts = ("train", "train", "train", "dev", "test")
            return Corpus(tuple(
                RelationMention(str(at), ("x", f"w{at}", "y"), Span(0, 1), Span(2, 3), "ab"[at % 2], parts[at % 5])
                for at in range(50)
            ))
"""
GRID = """
corpora    = [{name = "small", split = "official"}]
encoders   = [{name = "bilstm", hidden = 4}]
strategies = [{name = "lm", epochs = 1, skipgram_epochs = 0}, {name = "stepwise", skipgram_epochs = 0}]
texts      = [{name = "linked-jsonl", path = ["good.jsonl", "bad.jsonl"], selection = "target-pairs"}]
vectors    = "v.txt"
sizes      = [4]
replicates = 1
[training]
features    = false
min_updates = 5
max_updates = 5
"""
WITHOUT_PAIRS = (
    "texts.bad: expected sentences with an entity pair that the target has too, found none among 3; the target has 1 "
    "pairs. Take another selection, random say, or link more names, names = 'table.tsv'"
)


def write(path: Path, one: str, two: str, count: int) -> None:
    """A text of that many sentences on two entities, and one of a single mention."""
    line = {"tokens": [one, "met", two], "mentions": [[0, 1, one], [2, 3, two]]}
    lines = [*count * [line], {"tokens": [one, "slept"], "mentions": [[0, 1, one]]}]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def here(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a grid of two texts, one of which holds no pair of the corpus."""
    make_plugin("corpus", "small", CORPUS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    write(tmp_path / "good.jsonl", "x", "y", 5)
    write(tmp_path / "bad.jsonl", "p", "q", 3)
    (tmp_path / "v.txt").write_text("x 1 0\ny 0 1\n")
    (tmp_path / "two.toml").write_text(GRID)
    return tmp_path


def harness(here: Path, verb: str, *words: str) -> int:
    return main([*verb.split(), "--grid", "two.toml", "--home", str(here / "home"), *words])


def run(here: Path, *words: str) -> int:
    return harness(here, "run", "--no-mlflow", "--results", str(here / "results"), *words)


def records(here: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The records by strategy and text."""
    store = RecordStore(here / "home" / "records")
    found = store.read_all(store.keys()).values()
    return {(one["spec"]["strategy"]["name"], one["spec"]["text"]["name"]): one for one in found}


# What is told


def test_plan_tells_the_size_of_each_text_and_what_is_left_out(here: Path, printed: Printed) -> None:
    assert harness(here, "plan", "--workers", "1") == 0
    out = printed()[0]
    for name, count in (("bad", 3), ("good", 5)):
        assert (
            f"  text {name} (target-pairs), of {count} sentences, {3 * count} tokens, {2 * count} mentions of 2 "
            "entities\n    1 left out: a sentence with fewer than 2 linked mentions\n"
        ) in out
    assert "  to run: small (official) bilstm lm on good (target-pairs), features off, 4 labels, replicate 0\n" in out


def test_plan_has_no_size_of_the_targets_own_sentences(here: Path, printed: Printed) -> None:
    own = GRID.partition("texts")[0] + 'texts = "target"\n' + GRID[GRID.index("vectors") :]
    (here / "two.toml").write_text(own)
    assert harness(here, "plan", "--workers", "1") == 0
    assert "  text target (target-train)\n  to run: " in printed()[0]


# What fails


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_text_without_anything_to_read_fails_its_own_runs_alone(workers: str, here: Path, printed: Printed) -> None:
    assert run(here, "--workers", workers) == 1
    err = printed()[1]
    found = records(here)
    assert {key: record["status"] for key, record in found.items()} == {
        ("lm", "good"): "complete", ("stepwise", "good"): "complete",
        ("lm", "bad"): "failed", ("stepwise", "bad"): "failed",
    }  # fmt: skip
    for name in ("lm", "stepwise"):
        failed = found[name, "bad"]
        assert failed["error"] == {"type": "DataError", "message": WITHOUT_PAIRS, "traceback": None}
        what = f"small (official) bilstm {name} on bad (target-pairs), features off, 4 labels, replicate 0"
        assert f"] {what}: failed: {WITHOUT_PAIRS}\n" in err
        assert f"failed: {failed['key'][:16]} {what}: {WITHOUT_PAIRS}\n" in err
    assert f"bad (target-pairs), sample 0, with small: its runs fail (2): {WITHOUT_PAIRS}\n" in err
    assert "2 of 4 runs failed; " in err
    assert harness(here, "records list") == 0
    assert "complete  small bilstm lm on good (target-pairs)  4 labels, replicate 0  accuracy " in printed()[0]


def test_a_pre_training_that_fails_is_counted_and_told(here: Path, printed: Printed) -> None:
    alone = {"tokens": ["x", "y"], "mentions": [[0, 1, "x"], [1, 2, "y"]]}
    for name in ("good", "bad"):
        (here / f"{name}.jsonl").write_text(json.dumps({**alone, "id": name}))
    (here / "two.toml").write_text(GRID.replace('"target-pairs"', '"whole"'))
    assert run(here, "--workers", "1") == 1
    lines = [line for line in printed()[1].splitlines() if line.startswith("[pretrained] ")]
    fault = "pre-training: expected at least 2 relation mentions in the text, found 1; take more sentences of it, or "
    assert sorted(lines) == [
        f"[pretrained] bilstm by lm on {name} (whole), sample 0: its runs fail (1): {fault}another text"
        for name in ("bad", "good")
    ]
    found = records(here)
    assert {found[name, "good"]["status"] for name in ("lm", "stepwise")} == {"failed", "complete"}
    assert found["lm", "good"]["error"]["message"].startswith("pre-training: expected at least 2 relation mentions")
