"""Tuned values of a grid's arms: what an arm is, what it may spend, and a spec with other values; free of optuna."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import registry, tuned_trials
from harness.axes import VectorOptions
from harness.errors import unknown
from harness.features import GROUPS, NEEDS_SYNTAX
from harness.parameters import read, searches
from harness.specs import PluginSpec, RunSpec, Training
from harness.tuned_trials import NAMES, TUNED
from harness.variants import default_groups

SECTIONS = ("training", "encoder", "strategy")
"""The parts of a spec that have tuned values."""

Values = dict[str, dict[str, Any]]
"""Values by section and name."""


@dataclass(frozen=True)
class Budget:
    """What every arm may spend: trials, each at all `sizes` and over all tuning replicates, and different settings of
    pre-training, the grid's own among them.
    """

    trials: int
    sizes: tuple[int, ...]
    replicates: int
    pretrainings: int

    def told(self) -> str:
        """In a table's words.

        >>> Budget(20, (200, 800), 2, 4).told()
        '20 trials an arm, each by dev at 200 and 800 labels over 2 replicates of its own, with at most 4 settings of \
pre-training'
        """
        sizes = " and ".join(f"{size:,}" for size in self.sizes)
        return (
            f"{self.trials} trials an arm, each by dev at {sizes} labels over {self.replicates} replicates of its own, "
            f"with at most {self.pretrainings} settings of pre-training"
        )


@dataclass(frozen=True)
class TunedArm:
    """The best trial of an arm's study: its values, and where they are from.

    `dev` is its mean dev score, `own_dev` that of trial 0, the grid's own values, None where it failed, both in
    percent; `counts` are trials by what became of them, `seconds` what all runs took, and `pretraining_seconds` all
    entity vectors and pre-trained encoders beside them, of so many different settings (`pretrainings`). `key` is that
    of the arm with these values, as `key_of_arm` says it.
    """

    names: Mapping[str, str]
    study: str
    trial: int
    dev: float
    own_dev: float | None
    counts: Mapping[str, int]
    pretrainings: int
    seconds: float
    pretraining_seconds: float
    key: str
    values: Values


@dataclass(frozen=True)
class TunedValues:
    """The tuned arms of a grid, and what each was allowed.

    Of values that were read from a file, `text` is the file's, and `arms_sha256` the digest that it has of its arms as
    they were tuned.
    """

    file: Path
    grid: str
    budget: Budget
    arms: Sequence[TunedArm]
    text: str = ""
    arms_sha256: str = ""

    def ending(self, grid: str) -> str:
        """What the name of a grid with these values ends in: `-tuned`, after the file's name where it is another."""
        return TUNED if self.file.stem == grid else f"-{self.file.stem}{TUNED}"

    def told(self, untuned: str, otherwise: Sequence[str]) -> dict[str, Any]:
        """What a resolved grid says of them, with all trials; DataError where the file of these is damaged.

        `untuned` is its name without the values, `otherwise` are its arms that are not as they were tuned.
        """
        trials = tuned_trials.read_arms(self.file, self.arms_sha256)
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        told = {"grid": self.grid, "file": self.file.name, "sha256": digest, "budget": self.budget.told()}
        return told | {"untuned": untuned, "otherwise": list(otherwise), "text": self.text, "trials": trials}

    def of(self, spec: RunSpec, corpus: str) -> TunedArm | None:
        """The arm of a spec, where it is one of these; `corpus` is the label of the spec's corpus."""
        names = names_of(spec, corpus)
        return next((arm for arm in self.arms if arm.names == names), None)

    def applied(self, arm: TunedArm, spec: RunSpec, mistakes: list[str]) -> RunSpec:
        """The spec of an arm with its tuned values; what is wrong with them is appended to `mistakes`."""
        return with_values(spec, arm.values, f"{self.file}: {', '.join(arm.names.values())}", mistakes)


def names_of(spec: RunSpec, corpus: str) -> dict[str, str]:
    """What tells the arm of a spec from the others of a grid that is tuned; `corpus` is its label."""
    names = {"corpus": corpus, "encoder": spec.encoder.name, "strategy": spec.strategy.name}
    names |= {"text": spec.text.label} if spec.text else {}
    names |= {"vectors": spec.vectors.name} if spec.vectors else {}
    settings = ", ".join(f"{name}={value}" for name, value in _settings(spec))
    return names | ({"settings": settings} if settings else {})


def _settings(spec: RunSpec) -> Iterator[tuple[str, Any]]:
    """What of a spec is neither tuned nor as it is where a grid says nothing."""
    if spec.vectors and spec.vectors.unknown != VectorOptions().unknown:
        yield "unknown", spec.vectors.unknown
    strategy = registry.load("strategy", spec.strategy.name).Parameters
    for kind, values, tuned in (
        (registry.load("encoder", spec.encoder.name).Parameters, spec.encoder.parameters, {}),
        (strategy, spec.strategy.parameters, searches(strategy)),
        (Training, dataclasses.asdict(spec.training), searches(Training)),
    ):
        for field in dataclasses.fields(kind):
            if field.name not in tuned and values[field.name] != field.default:
                yield field.name, values[field.name]


def of_study(spec: RunSpec) -> RunSpec:
    """The spec as one of a study, its size and replicate open."""
    return dataclasses.replace(spec, size=0, replicate=0, crossed=None, save_hidden=False, tuning=True)


def key_of_arm(spec: RunSpec) -> str:
    """What an arm with its values is called by content: corpus, text, vectors, every parameter."""
    return of_study(spec).key[:16]


def short_names(arms: Sequence[Mapping[str, str]]) -> list[str]:
    """Arms in few words: encoder, strategy, and of the other names those that it takes to tell them apart.

    >>> short_names([{"corpus": "a", "encoder": "mean", "strategy": name} for name in ("none", "avg-embed")])
    ['mean, none', 'mean, avg-embed']
    """
    kept = list(NAMES)
    for name in ("settings", "vectors", "text", "corpus"):
        fewer = [one for one in kept if one != name]
        if len({tuple(arm.get(one) for one in fewer) for arm in arms}) == len(arms):
            kept = fewer
    return [", ".join(arm[name] for name in kept if name in arm) for arm in arms]


def groups_of(spec: RunSpec, wanted: bool) -> tuple[str, ...]:
    """The features of a spec that has them: its own groups, or, where it has none, those that are usual."""
    own = spec.training.features if isinstance(spec.training.features, tuple) else ()
    return (own or default_groups(spec.corpus.parses is not None)) if wanted else ()


def with_values(spec: RunSpec, values: Values, where: str, mistakes: list[str]) -> RunSpec:
    """The spec with these values in place of its own; what is wrong with them is appended to `mistakes`.

    `features = true` stands for `groups_of`.
    """
    given = dict(values.get("training", {}))
    if isinstance(given.get("features"), bool):
        given["features"] = groups_of(spec, given["features"])
    training = read(Training, dataclasses.asdict(spec.training) | given, f"{where}, training", mistakes)
    if training is not None:
        groups = _checked_groups(spec, training, f"{where}, training.features", mistakes)
        standardise = training.standardise if spec.vectors else None
        dropout = training.dropout or None  # so that no dropout at all has one key
        training = dataclasses.replace(training, features=groups, standardise=standardise, dropout=dropout)

    def plugin(kind: str, own: PluginSpec) -> PluginSpec:
        asked = {**own.parameters, **values.get(kind, {})}
        parameters = read(registry.load(kind, own.name).Parameters, asked, f"{where}, {kind}", mistakes)
        return own if parameters is None else PluginSpec(own.name, dataclasses.asdict(parameters))

    encoder, strategy = plugin("encoder", spec.encoder), plugin("strategy", spec.strategy)
    return dataclasses.replace(spec, training=training or spec.training, encoder=encoder, strategy=strategy)


def _checked_groups(spec: RunSpec, training: Training, where: str, mistakes: list[str]) -> tuple[str, ...]:
    """The groups of features in their usual order; what keeps the arm from having them is a mistake."""
    asked = training.features if isinstance(training.features, tuple) else ()
    mistakes += [f"{where}: {unknown('group', group, GROUPS)}" for group in asked if group not in GROUPS]
    if spec.corpus.parses is None:
        mistakes += [
            f"{where}: '{group}' needs parses, and the corpus has none; leave it out"
            for group in asked
            if group in NEEDS_SYNTAX
        ]
    if not asked and not spec.vectors:
        mistakes.append(f"{where}: expected some, for {spec.encoder.name} has nothing but the features; found none")
    return tuple(group for group in GROUPS if group in asked)
