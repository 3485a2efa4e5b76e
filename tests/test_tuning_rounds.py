"""Rounds of tuning: what a trial is worth, what it costs and when it is pruned; failures, lost workers, other code."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
from itertools import accumulate
from pathlib import Path
from statistics import fmean, median
from typing import Any

import optuna
import pytest
from commands import GRID, set_up
from conftest import MakePlugin, Printed, forget_plugins
from optuna.trial import FrozenTrial
from test_tuning import TUNE, grid_of, mine, tuned

from harness.cli import main
from harness.provenance import is_stale
from harness.records import Record, RecordStore
from harness.tuned_trials import RECORDS
from harness.tuned_values import Budget, TunedArm
from harness.tuning import Arm, arms_of, storage_of

BUDGET = Budget(trials=4, sizes=(6, 12), replicates=2, pretrainings=3)

WITHOUT_TEXT = "\n".join(line for line in GRID.splitlines() if not line.startswith("texts"))

FLAKY = """
    from dataclasses import dataclass
    import torch
    from harness.contracts import *
    from harness.parameters import Among, parameter

    class Flaky(Strategy):
        "No vectors where it is told to fail."

        @dataclass(frozen=True)
        class Parameters:
            "One."
            fails: bool = parameter({own}, "whether it fails", search=Among((True, False)))

        needs = frozenset({{Capability.VECTORS}})

        def entity_vectors(self):
            return _Vectors(fails=self.parameters.fails)

    @dataclass(frozen=True)
    class _Vectors(EntityVectors):
        fails: bool = False

        def of_names(self, names, generator):
            if self.fails:
                {failure}
            return torch.zeros(len(names.entity_words), names.word_vectors.shape[1])
"""


@pytest.fixture
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the corpus `small` installed, its vectors, and the grid small.toml."""
    return set_up(tmp_path, make_plugin, monkeypatch)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def frozen(home: Path) -> list[FrozenTrial]:
    """The trials of the one study in a home."""
    storage = storage_of(home / "studies.journal")
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def records_of(home: Path, arm: Arm, params: dict[str, Any], budget: Budget) -> list[list[Record]]:
    """The records of a trial's runs, by replicate and size, of the replicates that it has."""
    store, found = RecordStore(home / RECORDS), []
    for replicate in range(budget.replicates):
        records = [store.read(spec.key) for spec in arm.runs(params, budget.sizes, replicate)]
        if whole := [record for record in records if record is not None]:
            assert len(whole) == len(budget.sizes)
            found.append(whole)
    return found


def dev(record: Record) -> float:
    """The dev score of a run in percent."""
    score: float = record["scores"]["dev"]["micro_f1_positive"]
    return 100 * score


# What a trial is worth, and what it costs


@dataclasses.dataclass
class Studied:
    """What one arm's study came to: what was told, and of each trial the records of its runs."""

    outcome: TunedArm
    told: list[str]
    trials: list[tuple[FrozenTrial, list[list[Record]]]]


@pytest.fixture
def studied(alone: Path) -> Studied:
    budget, told = Budget(12, (6, 12), 3, 1), list[str]()
    grid = mine(alone, encoders='["handcrafted"]')
    (outcome,), (arm,) = tuned(grid, alone / "home", budget, told=told), arms_of(grid, 1)
    trials = [(trial, records_of(alone / "home", arm, trial.params, budget)) for trial in frozen(alone / "home")]
    return Studied(outcome, told, trials)


def test_a_trial_is_worth_its_mean_over_sizes_and_replicates(studied: Studied) -> None:
    worth: dict[int, float] = {}
    sizes_differ = replicates_differ = False
    for trial, records in studied.trials:
        by_replicate = [fmean(map(dev, of_sizes)) for of_sizes in records]
        assert trial.user_attrs["dev_by_replicate"] == by_replicate
        if trial.state.name == "COMPLETE":
            worth[trial.number] = fmean(by_replicate)
            assert trial.value == worth[trial.number]
            line = f"handcrafted, none: trial {trial.number} (of 12): dev {trial.value:.1f} %"
            assert line in studied.told
            sizes_differ |= dev(records[0][-1]) != by_replicate[0]
            replicates_differ |= by_replicate[-1] != trial.value
    assert sizes_differ
    assert replicates_differ
    outcome = studied.outcome
    assert (outcome.dev, outcome.own_dev) == (max(worth.values()), worth[0])
    assert outcome.trial == max(worth, key=lambda number: (worth[number], -number))


def test_a_trial_costs_the_seconds_of_its_runs(studied: Studied) -> None:
    costs = []
    for trial, records in studied.trials:
        costs.append(math.fsum(record["seconds"]["total"] for of_sizes in records for record in of_sizes))
        assert trial.user_attrs["cost"]["seconds"] == costs[-1]
    assert studied.outcome.seconds == math.fsum(costs) > 0


def test_what_is_below_the_median_of_complete_trials_is_pruned_and_not_run_over_the_other_replicates(
    studied: Studied,
) -> None:
    complete: list[list[float]] = []  # of each complete trial its means over the first replicates
    pruned = []
    for trial, records in studied.trials:
        by_replicate = [fmean(map(dev, of_sizes)) for of_sizes in records]
        so_far = [fmean(by_replicate[:count]) for count in range(1, len(records) + 1)]
        behind = [
            step + 1
            for step, best in enumerate(accumulate(so_far[:2], max))
            if len(complete) >= 5 and best < median(means[step] for means in complete)
        ]
        if not behind:
            assert (trial.state.name, len(records)) == ("COMPLETE", 3)
            complete.append(so_far)
            continue
        assert (trial.state.name, len(records)) == ("PRUNED", behind[0])
        line = f"trial {trial.number} (of 12): dev {so_far[-1]:.1f} % after {behind[0]} of 3 replicates: pruned"
        assert f"handcrafted, none: {line}" in studied.told
        pruned.append(trial.number)
    assert pruned
    assert studied.outcome.counts == {"complete": len(complete), "pruned": len(pruned), "failed": 0}


def test_pre_training_costs_what_its_artifacts_took(folder: Path) -> None:
    grid = grid_of(folder, strategies='[{name = "lm", epochs = 2, skipgram_epochs = 1}]')
    (arm,) = tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=3))
    meta = {
        kind: [json.loads(file.read_text()) for file in (folder / "home" / "artifacts" / kind).glob("*/meta.json")]
        for kind in ("entity-vectors", "pretrained")
    }
    took = [one["seconds"] for one in meta["entity-vectors"]] + [one["told"]["seconds"] for one in meta["pretrained"]]
    assert arm.pretraining_seconds == pytest.approx(sum(took))
    settings = {json.dumps(trial.params["pretraining"]) for trial in frozen(folder / "home")}
    assert arm.pretrainings == len(settings) > 1
    assert len(meta["pretrained"]) == BUDGET.replicates * len(settings)


def test_a_journal_alone_tells_all_that_its_trials_found_and_cost(folder: Path) -> None:
    grid, budget = grid_of(folder), dataclasses.replace(BUDGET, trials=2)
    found = tuned(grid, folder / "home", budget)
    assert max(arm.pretraining_seconds for arm in found) > 0
    (folder / "copy").mkdir()
    shutil.copy(folder / "home" / "studies.journal", folder / "copy")
    assert tuned(grid, folder / "copy", budget) == found
    assert [path.name for path in (folder / "copy").iterdir()] == ["studies.journal"]


# Code that has changed, and workers that die


def test_runs_of_other_code_are_made_again_and_those_of_todays_are_not(alone: Path) -> None:
    grid, home, budget = mine(alone, encoders='["handcrafted"]'), alone / "home", Budget(1, (6, 12), 2, 1)
    (before,) = tuned(grid, home, budget)
    store = RecordStore(home / RECORDS)
    (arm,) = arms_of(grid, 1)
    whole = records_of(home, arm, dict(arm.own), budget)
    first, second = whole[0]
    spoilt = {"scores": {"dev": dict.fromkeys(first["scores"]["dev"], 0.0)}}
    other = {"environment": {**first["environment"], "sources": {**first["environment"]["sources"], "encoder": "0"}}}
    store.write({**first, **spoilt, **other}, None, None)
    store.write({**second, **spoilt}, None, None)
    (home / "studies.journal").unlink()
    (after,) = tuned(grid, home, budget)
    again, kept = (store.read(record["key"]) for record in (first, second))
    assert again is not None
    assert kept is not None
    assert (dev(again), is_stale(again)) == (dev(first), False)
    assert dev(kept) == 0
    assert before.dev == fmean([fmean([dev(first), dev(second)]), fmean(map(dev, whole[1]))])
    assert after.dev == fmean([fmean([dev(first), 0]), fmean(map(dev, whole[1]))])


def test_a_study_that_goes_on_with_other_code_says_so(folder: Path, make_plugin: MakePlugin) -> None:
    source = FLAKY.format(own=False, failure="pass")
    module = make_plugin("strategy", "flaky", source) / "acme_flaky.py"
    grid = grid_of(folder, WITHOUT_TEXT, strategies='["flaky", "none"]', encoders='["mean"]')
    lines: list[list[str]] = [[], [], []]
    tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=2), told=lines[0])
    module.write_text(module.read_text().replace("torch.zeros(", "torch.ones("))
    forget_plugins()
    for told, trials in ((lines[1], 3), (lines[2], 5)):
        tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=trials), told=told)
    said = "trials were run by code that has changed since; to have all by today's, begin anew with another --storage"
    assert [[line for line in told if "code" in line] for told in lines] == [
        [], [f"mean, flaky: 2 of 2 {said}"], [f"mean, flaky: 2 of 3 {said}"],
    ]  # fmt: skip


def test_a_run_that_a_worker_took_with_it_is_made_by_another(folder: Path, make_plugin: MakePlugin) -> None:
    make_plugin(
        "encoder",
        "exiting",
        """
        import os
        from pathlib import Path
        from encoders.bilstm import BiLSTM

        class Exiting(BiLSTM):
            # Ends the process, the first time.
            def encode(self, reading):
                if not Path("exited").exists():
                    Path("exited").touch()
                    os._exit(3)
                return super().encode(reading)
        """,
    )
    grid = grid_of(folder, WITHOUT_TEXT, strategies='["none"]', encoders='[{name = "exiting", hidden = 4}]')
    (arm,) = tuned(grid, folder / "home", Budget(1, (6,), 1, 1), workers=1)
    assert Path("exited").exists()
    assert arm.counts == {"complete": 1, "pruned": 0, "failed": 0}


# Failures


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        ('raise ValueError("told to fail")', "told to fail"),
        (
            "return torch.full((len(names.entity_words), names.word_vectors.shape[1]), torch.nan)",
            "the loss became nan between update 0 and 1 of 10; expected a finite loss. Lower training.learning_rate "
            "(now 0.05) or check the vectors' scale",
        ),
    ],
)
def test_a_failed_trial_is_told_and_never_wins_even_the_first(
    folder: Path, make_plugin: MakePlugin, failure: str, why: str
) -> None:
    make_plugin("strategy", "flaky", FLAKY.format(own=True, failure=failure))
    grid = grid_of(folder, WITHOUT_TEXT, strategies='["flaky"]', encoders='["mean"]')
    told: list[str] = []
    (arm,) = tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=6, pretrainings=4), told=told)
    assert arm.own_dev is None
    assert arm.counts["failed"] >= 1
    assert sum(arm.counts.values()) == 6
    assert arm.values["strategy"] == {"fails": False}
    failed = [line for line in told if "failed" in line]
    (own,) = arms_of(grid, 4)
    key = own.runs(own.own, [6], 0)[0].key[:12]
    see = f"see python -m harness records show {key}"
    assert failed[0] == f"mean, flaky: trial 0 (of 6): failed at 6 labels: {why}; {see}"
    assert len(failed) == arm.counts["failed"]


def test_an_arm_without_a_complete_trial_is_an_error_and_the_others_are_kept(
    folder: Path, make_plugin: MakePlugin, printed: Printed
) -> None:
    source = FLAKY.format(own=True, failure='raise ValueError("told to fail")')
    make_plugin("strategy", "flaky", source.replace("Among((True, False))", "Among((True,))"))
    lines = [line for line in WITHOUT_TEXT.splitlines() if not line.startswith(("strategies", "encoders"))]
    lines[:0] = ['strategies = ["none", "flaky"]', 'encoders = ["mean"]']
    (folder / "flaky.toml").write_text("\n".join(lines))
    words = ["tune", "--grid", "flaky.toml", "--home", str(folder / "home"), "--workers", "0", *TUNE]
    assert main(words) == 2
    line = printed()[1].splitlines()[-1]
    found = re.search("see python -m harness (records show [0-9a-f]{12})", line)
    assert found is not None
    assert line == (
        f"harness: mean, flaky: none of its 4 trials is complete; the last one failed at 6 labels: told to fail; "
        f"{found[0]}. Mend that and tune with another --storage, or leave the arm out by --encoder and --strategy"
    )
    assert main([*found[1].split(), "--home", str(folder / "home")]) == 0
    assert json.loads(printed()[0])["error"]["message"] == "told to fail"
    assert not (folder / "tuned.toml").exists()
    assert main([*words, "--strategy", "none"]) == 0
    assert "mean, none: trial" in printed()[0]
    assert (folder / "tuned.toml").read_text().count("[[arms]]") == 1
