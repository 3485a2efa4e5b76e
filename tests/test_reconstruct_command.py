"""`reconstruct`: what is printed is what the text says and what the pre-trained decoder says, and the shares add up."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import pretraining, stages
from harness.artifacts import ArtifactStore
from harness.cli import main
from harness.datasets.sources import Request
from harness.datasets.texts import read_text
from harness.grid import resolve
from harness.readings import Token, pairs, reading
from harness.specs import RunSpec

GRID = """
corpora    = ["synthetic"]
encoders   = [{name = "bilstm", hidden = 16}]
strategies = [{name = "seq-unshared", epochs = 8, patience = 8, held_out = 0.1}, {name = "lm", epochs = 1}, "avg-embed"]
vectors    = "own"
texts      = [{name = "synthetic", selection = "random", sentences = 300}]
sizes      = [20, 40]
replicates = 1
[training]
min_updates = 20
max_updates = 20
"""
ARM = "bilstm by seq-unshared on synthetic (random), sample 0, initialisation 0"
MENTION = re.compile(r" *(\d+)?  read  (.+)\n +said  (.+)\n")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the grid and the home of its two pre-trainings."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "small.toml").write_text(GRID)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert run(folder, "--strategy", "seq-unshared", "lm", "--size", "20") == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def here(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)


def run(work: Path, *words: str) -> int:
    flags = ["--home", str(work / "home"), "--workers", "0", "--no-mlflow"]
    return main(["run", "--grid", "small.toml", *flags, *words])


def reconstruct(work: Path, *words: str, grid: str = "small.toml") -> int:
    return main(["reconstruct", "--grid", grid, "--home", str(work / "home"), *words])


def shown(out: str) -> list[tuple[list[str], list[str]]]:
    """The readings that were printed and what the decoder said, as words."""
    return [(read.split(" "), said.split(" ")) for _, read, said in MENTION.findall(out)]


def word(token: Token) -> str:
    """As the row of a token is called where its word is in the vectors as it is, or lower-cased."""
    return token.words[0].lower() if token.entity is None else f"<{token.entity}>"


def spec_of(work: Path, strategy: str) -> RunSpec:
    grid = resolve("small", GRID, work / "home")
    return next(spec for spec in grid.runs.values() if spec.strategy.name == strategy)


def held_out(work: Path) -> tuple[Any, Any, list[int], ArtifactStore]:
    """The pre-trained objective, its mentions, the numbers of those held out, and the store."""
    store, spec = ArtifactStore(work / "home" / "artifacts"), spec_of(work, "seq-unshared")
    objective, mentions = stages.make_objective(spec, store, torch.device("cpu"))
    made = store.read("pretrained", str(stages.pretrained_key(spec)))
    assert made is not None
    objective.load_state_dict(made.tensors)
    settings: Any = stages.make_strategy(spec.strategy).parameters
    return objective, mentions, pretraining.parts(objective, mentions, settings.held_out)[1].tolist(), store


def test_the_shares_are_those_of_what_is_printed(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconstruct(work, "--strategy", "seq-unshared", "--n", "500") == 0
    out = capsys.readouterr().out
    readings = shown(out)
    assert len(readings) % 2 == 0
    count = len(readings) // 2
    assert count == round(0.1 * 570)
    for forward, backward in zip(readings[::2], readings[1::2], strict=True):
        assert forward[0] == backward[0][::-1]
    assert all(len(read) == len(said) for read, said in readings)
    tokens = [pair for read, said in readings for pair in zip(read, said, strict=True)]
    entities = [(read, said) for read, said in tokens if re.fullmatch(r"<\w+:.+>", read)]
    first = [(read[0], said[0]) for read, said in readings]
    lines = out.splitlines()
    assert re.fullmatch(rf"{re.escape(ARM)}: held out \d+\.\d -> \d+\.\d", lines[0])
    told = f"  right of {count} mentions held out, and what always saying the most frequent one gets:"
    assert lines[-4] == told
    for line, name, of in zip(
        lines[-3:], ("tokens:", "first tokens:", "entities:"), (tokens, first, entities), strict=True
    ):
        right = 100 * sum(read == said for read, said in of) / len(of)
        most = 100 * Counter(read for read, _ in of).most_common(1)[0][1] / len(of)
        assert line == f"    {name:13} {right:5.1f} % of {len(of):,} ({most:.1f} %)"
    assert sum(read == said for read, said in tokens) > 0


def test_what_is_read_stands_in_the_text(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconstruct(work, "--strategy", "seq-unshared", "--n", "500") == 0
    source = read_text(Request("synthetic"), work / "home", None, lambda line: None)
    there = {tuple(map(word, reading(mention))) for sentence in source.sentences() for mention in pairs(sentence, 20)}
    read = [tuple(one.lower() if one[0] != "<" else one for one in read) for read, _ in shown(capsys.readouterr().out)]
    assert len(read) > 100
    assert set(read[::2]) <= there


def test_what_is_said_is_greedy_and_a_mentions_own(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objective, mentions, numbers, store = held_out(work)
    (folder,) = (store.root / "sentences").iterdir()
    sentences = store.read("sentences", folder.name)
    assert sentences is not None
    words, entities = sentences.meta["words"], sentences.meta["entities"]
    assert len(words) == len(sentences.tensors["words"])
    assert reconstruct(work, "--strategy", "seq-unshared", "--n", "3") == 0
    readings = shown(capsys.readouterr().out)
    places = [0, (len(numbers) - 1) / 2, len(numbers) - 1]
    for at, place in enumerate(places):
        number = torch.tensor([numbers[round(place)]])
        alone = objective.reconstruct(number)
        for which, one in enumerate(mentions.batch(number).readings):
            names = [
                [words[row] if row < len(words) else f"<{entities[row - len(words)]}>" for row in rows[0].tolist()]
                for rows in (one.tokens, alone[which])
            ]
            assert readings[2 * at + which] == (names[0], names[1])


def test_mentions_that_it_learned_from_are_others(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learned = 570 - round(0.1 * 570)
    assert reconstruct(work, "--strategy", "seq-unshared", "--n", "4", "--no-held-out") == 0
    out = capsys.readouterr().out
    assert len(shown(out)) == 8
    assert f"  right of {min(learned, 500)} mentions learned from, and what always saying" in out
    assert reconstruct(work, "--strategy", "seq-unshared", "--n", "4", "--held-out") == 0
    assert not {tuple(read) for read, _ in shown(out)} & {tuple(read) for read, _ in shown(capsys.readouterr().out)}


def test_a_strategy_without_a_decoder_is_told_in_a_line(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconstruct(work, "--strategy", "lm", "avg-embed") == 0
    arm = "bilstm by lm on synthetic (random), sample 0, initialisation 0"
    assert capsys.readouterr().out == f"{arm}: lm has no decoder\n"


def test_an_arm_is_shown_once_whatever_sizes_it_has(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconstruct(work, "--strategy", "seq-unshared", "--n", "1") == 0
    assert capsys.readouterr().out.count(ARM) == 1


def test_runs_without_pre_training_are_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconstruct(work, "--strategy", "avg-embed") == 2
    told = "harness: expected a strategy that pre-trains among the runs that are asked for, found none\n"
    assert capsys.readouterr().err == told


def test_what_is_not_pre_trained_here_tells_what_to_type(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "my other.toml").write_text(
        GRID.replace("epochs = 8", "epochs = [2, 3]").replace("replicates = 1", "replicates = 2")
    )
    words = ("--strategy", "seq-unshared", "--size", "40")
    assert reconstruct(work, *words, grid="my other.toml") == 1
    first, *others = capsys.readouterr().out.splitlines()
    assert first == (
        "bilstm by seq-unshared (epochs=2) on synthetic (random), sample 0, initialisation 0: not pre-trained here; "
        "python -m harness run --grid 'my other.toml' --encoder bilstm --strategy seq-unshared --size 40 "
        "--replicates 1 makes it"
    )
    assert len(others) == 3
    assert others[0].startswith("bilstm by seq-unshared (epochs=2) on synthetic (random), sample 1, initialisation 1: ")
    assert others[0].endswith("--size 40 --replicates 2 makes it")


def test_flags_alone_tell_it_too(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--corpus synthetic --encoder bilstm --strategy seq-unshared --text synthetic --replicates 1"
    assert main(["reconstruct", "--home", str(work / "home"), *flags.split()]) == 1
    told = "not pre-trained here; the same flags with python -m harness run make it"
    assert capsys.readouterr().out == f"{ARM}: {told}\n"


@pytest.mark.parametrize("kinds", [["readings"], ["sentences"], ["sentences", "readings"]])
def test_what_was_pruned_is_made_again_by_what_is_told(
    kinds: list[str], work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--strategy", "seq-unshared", "--n", "2")
    assert reconstruct(work, *words) == 0
    before = capsys.readouterr().out
    home = ("--home", str(work / "home"))
    for kind in kinds:
        assert main(["artifacts", "prune", "--kind", kind, "--unused-for", "0", *home]) == 0
    capsys.readouterr()
    assert reconstruct(work, *words) == 1
    command = (
        "python -m harness run --grid small.toml --encoder bilstm --strategy seq-unshared --size 20 --replicates 1"
    )
    told = capsys.readouterr().out
    gone = f"pre-trained here, but without the {' and '.join(kinds)} of the text, which are gone"
    assert told == f"{ARM}: {gone}; {command} --rerun all makes it\n"
    typed = shlex.split(told.partition("; python -m harness ")[2].removesuffix(" makes it\n"))
    assert main([*typed, *home, "--workers", "0", "--no-mlflow"]) == 0
    capsys.readouterr()
    assert reconstruct(work, *words) == 0
    assert capsys.readouterr().out == before
