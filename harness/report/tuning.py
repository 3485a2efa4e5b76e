"""How the values of a tuned grid were found, as its page tells it: arms, trials and pre-trainings, in tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.board import values_told
from harness.report.rows import Grid, full_metric
from harness.report.tables import Entry, Listing, number
from harness.tuned_trials import COMPLETE, NAMES, STATES

Told = Mapping[str, Any]
"""An arm, or a trial of it, as the resolved grid tells of it."""


@dataclass(frozen=True)
class Tuning:
    """What the page says of tuning; without the trials, nothing but the budget and the reason."""

    budget: str
    lacking: str = ""
    arms: Listing | None = None
    trials: Listing | None = None
    pretrainings: Listing | None = None


def tuning_section(grid: Grid) -> Tuning | None:
    """The section of a tuned grid; None of another one."""
    if not grid.get("tuned"):
        return None
    budget = f"{values_told(grid)}."
    arms = tuned_arms(grid)
    if not arms:
        return Tuning(
            budget,
            f"The trials are not here: those of these values were not beside {grid['tuned']['file']} when the grid was "
            "run. Tune the grid again, which runs nothing twice, then run it with --tuned",
        )
    return Tuning(budget, "", arms_table(grid, arms), trials_table(arms), pretrainings_table(arms))


def tuned_arms(grid: Grid) -> Sequence[Told]:
    """The arms of a tuned grid with their trials; none where it is not tuned, or its trials are not known."""
    return (grid.get("tuned") or {}).get("trials") or []


def of_state(arm: Told, state: str) -> list[Told]:
    """The trials of an arm of which this became."""
    return [trial for trial in arm["trials"] if trial["state"] == state]


def best_of(arm: Told) -> Told:
    """The trial whose values an arm has."""
    found: Told = next(trial for trial in arm["trials"] if trial["trial"] == arm["best"])
    return found


def best_so_far(arm: Told) -> list[float]:
    """The best mean dev score of the complete trials up to each, in percent; NaN before the first of them."""
    best, found = math.nan, []
    for trial in arm["trials"]:
        if trial["state"] == COMPLETE:
            best = trial["dev"] if math.isnan(best) else max(best, trial["dev"])
        found.append(best)
    return found


def parameters_of(arms: Sequence[Told]) -> list[str]:
    """The parameters of fine-tuning that some trial has a value of, in the order in which they are met."""
    return list(dict.fromkeys(name for arm in arms for trial in arm["trials"] for name in trial["values"]))


def arms_table(grid: Grid, arms: Sequence[Told]) -> Listing:
    """A line for each arm: what its study found, and what it took."""
    names = _names(arms)
    metrics = {corpus["label"]: full_metric(corpus["metric"], corpus) for corpus in grid["corpora"]}
    told = dict.fromkeys(metrics[arm["names"]["corpus"]] for arm in arms if arm["names"]["corpus"] in metrics)
    return Listing(
        f"The arms: {' or '.join(told) or 'scores'} on dev, the mean over the sizes and replicates of a trial, of the "
        "best trial and of trial 0, which has the grid's own values; seconds are those of all runs of a study, and of "
        "its pre-trainings beside them",
        [*names, "best trial", "dev", "dev of trial 0", *STATES, "seconds", "pre-training"],
        len(names),
        [[*_named(arm, names), *_outcome(arm)] for arm in arms],
    )


def _outcome(arm: Told) -> Iterator[Entry]:
    yield number(arm["best"])
    yield _score(best_of(arm)["dev"])
    yield _score(next((trial["dev"] for trial in of_state(arm, COMPLETE) if trial["trial"] == 0), None))
    yield from (number(len(of_state(arm, state))) for state in STATES)
    yield number(arm["seconds"])
    yield number(arm["pretraining_seconds"])


def trials_table(arms: Sequence[Told]) -> Listing:
    """A line for each trial of all arms: what became of it, its dev scores, and its values."""
    names, parameters = _names(arms), parameters_of(arms)
    replicates = max((len(trial["dev_by_replicate"]) for arm in arms for trial in arm["trials"]), default=0)
    pretrained = any(len(arm["pretrainings"]) > 1 for arm in arms)
    return Listing(
        "The trials: dev scores in percent, the mean and those of the replicates, of which a pruned trial has fewer; a "
        "failed one has no mean",
        [
            *(*names, "trial", "state", "dev", *(f"replicate {replicate}" for replicate in range(replicates))),
            *(*parameters, *["pre-training"] * pretrained, "seconds"),
        ],
        len(names),
        [
            [
                *(*_named(arm, names), number(trial["trial"]), _state(arm, trial), _score(trial["dev"])),
                *map(_score, _filled(trial["dev_by_replicate"], replicates)),
                *(_value(trial["values"].get(name)) for name in parameters),
                *[_value(trial["pretraining"])] * pretrained,
                number(trial["seconds"], 1),
            ]
            for arm in arms
            for trial in arm["trials"]
        ],
    )


def pretrainings_table(arms: Sequence[Told]) -> Listing | None:
    """The values of the strategies that pre-train, by their places in the table of trials; None where none does."""
    several = {arm["names"]["strategy"]: arm["pretrainings"] for arm in arms if len(arm["pretrainings"]) > 1}
    if not several:
        return None
    parameters = list(dict.fromkeys(name for found in several.values() for one in found for name in one))
    return Listing(
        "The pre-trainings among which trials choose; 0 has the grid's own values",
        ["strategy", "pre-training", *parameters],
        1,
        [
            [Entry(strategy), number(place), *(_value(one.get(name)) for name in parameters)]
            for strategy, found in several.items()
            for place, one in enumerate(found)
        ],
    )


def _names(arms: Sequence[Told]) -> list[str]:
    """What names a line: encoder and strategy, and what else the arms differ in."""
    different = {name for name in NAMES if len({arm["names"].get(name) for arm in arms}) > 1}
    return [name for name in NAMES if name in different | {"encoder", "strategy"}]


def _named(arm: Told, names: Sequence[str]) -> list[Entry]:
    return [Entry(arm["names"].get(name, "")) for name in names]


def _state(arm: Told, trial: Told) -> Entry:
    return Entry(trial["state"], None, trial["error"] or "", trial["trial"] == arm["best"])


def _score(value: float | None) -> Entry:
    return number(math.nan if value is None else value, 1)


def _filled(scores: Sequence[float], count: int) -> list[float | None]:
    return [*scores, *[None] * (count - len(scores))]


def _value(value: Any) -> Entry:
    """A value that was tried; `-` where an arm has no such parameter."""
    if value is None:
        return Entry("-")
    if isinstance(value, (list, tuple)):
        return Entry(", ".join(value) or "none")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Entry(f"{value:.4g}", value)
    return Entry(str(value).lower())
