"""`--text`: the text of a grid that flags make, and the runs of a grid that read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.report.results import resolved_grid_file

FLAGS = ["--corpus", "synthetic", "--encoder", "bilstm", "--strategy", "seq-unshared", "none", "--size", "20"]
LINE = {"tokens": ["Ann", "met", "Bo", "."], "mentions": [[0, 1, "ann"], [2, 3, "bo"]]}
GRID = """
corpora    = ["synthetic"]
encoders   = ["bilstm"]
strategies = ["seq-unshared", "none"]
vectors    = "own"
texts      = [{name = "linked-jsonl", path = "mine.jsonl", selection = "whole"}, "target"]
sizes      = [20]
replicates = 1
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two texts."""
    for name in ("mine.jsonl", "other.jsonl"):
        lines = [json.dumps(LINE | {"id": f"{name}{number}"}) for number in range(10)]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    return tmp_path


def plan(here: Path, *words: str) -> int:
    return main(["plan", "--home", str(here / "home"), "--workers", "0", *words])


def texts(here: Path) -> list[dict[str, Any]]:
    grid = json.loads(resolved_grid_file(here / "home", "adhoc").read_text())
    return [{name: text.get(name) for name in ("name", "selection")} for text in grid["texts"]]


def told(here: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert plan(here, *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_flags_take_texts_by_path_and_by_name(here: Path) -> None:
    assert plan(here, *FLAGS, "--text", "mine.jsonl", "./other.jsonl", "target") == 0
    assert texts(here) == [
        {"name": "target", "selection": "target-train"},
        {"name": "mine", "selection": "random"},
        {"name": "other", "selection": "random"},
    ]


def test_a_readers_name_is_its_own_text(here: Path) -> None:
    assert plan(here, *FLAGS, "--text", "synthetic") == 0
    assert texts(here) == [{"name": "synthetic", "selection": "random"}]


def test_a_strategy_that_reads_text_asks_for_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(here, capsys, *FLAGS) == (
        "harness: grid 'adhoc', strategies.seq-unshared: reads unlabelled text, and none is named; add --text NAME or "
        "--text PATH, or in a grid's file texts = [{name = 'READER', path = 'mytext'}]; see python -m harness data list\n"
    )


def test_a_text_that_is_nowhere(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = f"{here / 'none.jsonl'}, {here / 'home' / 'data' / 'none.jsonl'}"
    expected = f"harness: --text: there is no none.jsonl: looked for {places}\n"
    assert told(here, capsys, *FLAGS, "--text", "none.jsonl") == expected


@pytest.mark.parametrize(
    ("name", "found"), [("my.odt", "the files of none"), ("my.json", "what may be docred or fewrel")]
)
def test_a_text_that_is_not_recognised(here: Path, name: str, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / name).touch()
    assert told(here, capsys, *FLAGS, "--text", name) == (
        f"harness: --text: {name}: expected the files of one reader of text, found {found}. Say which in a grid's "
        f"file: texts = [{{name = 'READER', path = '{name}'}}]\n"
    )


def test_a_grid_is_narrowed_to_the_runs_that_read_a_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "both.toml").write_text(GRID)
    runs = []
    for words in ([], ["--text", "mine"], ["--text", "target", "mine"], ["--text", "mine", "--strategy", "none"]):
        assert plan(here, "--grid", "both.toml", *words) == 0
        lines = capsys.readouterr().out.splitlines()
        runs.append([line.split()[5].rstrip(",") for line in lines if line.startswith("  to run: ")])
    assert [sorted(names) for names in runs] == [
        ["none", "seq-unshared", "seq-unshared"], ["seq-unshared"], ["seq-unshared", "seq-unshared"], []
    ]  # fmt: skip


def test_selections_of_one_text_are_told_apart_by_their_labels(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "both.toml").write_text(GRID.replace('"whole"', '["whole", "random"]'))
    found = []
    for words in (["mine"], ["mine (whole)"], ["mine (random)", "target"], ["target (target-train)"]):
        assert plan(here, "--grid", "both.toml", "--text", *words) == 0
        lines = (line for line in capsys.readouterr().out.splitlines() if line.startswith("  to run: "))
        found.append({line.partition(" on ")[2].partition(", 20 labels")[0] for line in lines})
    assert found == [
        {"mine (whole)", "mine (random)"}, {"mine (whole)"}, {"mine (random)", "target (target-train)"},
        {"target (target-train)"},
    ]  # fmt: skip


def test_a_text_that_no_strategy_reads(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--corpus", "synthetic", "--encoder", "bilstm", "--strategy", "none", "--text", "synthetic"]
    assert told(here, capsys, *flags) == (
        "harness: grid 'adhoc', texts: expected none, for no strategy of the grid reads unlabelled text; leave out "
        "--text, or texts in the grid's file\n"
    )


def test_a_text_that_the_grid_has_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "both.toml").write_text(GRID)
    expected = (
        "harness: --text: no text in this grid 'mina'; did you mean 'mine'? Known: mine, mine (whole), target, "
        "target (target-train)\n"
    )
    assert told(here, capsys, "--grid", "both.toml", "--text", "mina").endswith(f"(once)\n{expected}")
