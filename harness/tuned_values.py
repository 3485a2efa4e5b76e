"""Tuned values of a grid's arms, in a TOML file that can be read, reviewed and changed; free of optuna.

Nothing flows in memory: a study writes the file, and a grid that is resolved with it reads it.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import registry
from harness.errors import DataError
from harness.parameters import read
from harness.records import write_atomically
from harness.specs import PluginSpec, RunSpec, Training
from harness.variants import default_groups

NAMES = ("corpus", "encoder", "strategy", "text", "vectors")
"""What tells the arms of a grid that is tuned apart."""

SECTIONS = ("training", "encoder", "strategy")
"""The parts of a spec that have tuned values."""

Values = dict[str, dict[str, Any]]
"""Values by section and name."""


@dataclass(frozen=True)
class Budget:
    """What every arm may spend: trials, each at all `sizes` and over all tuning replicates, and different
    pre-trainings, the grid's own among them.
    """

    trials: int
    sizes: tuple[int, ...]
    replicates: int
    pretrainings: int

    def told(self) -> str:
        """In a table's words.

        >>> Budget(20, (200, 800), 2, 4).told()
        '20 trials an arm, each by dev at 200 and 800 labels over 2 replicates of its own, with at most 4 pre-trainings'
        """
        sizes = " and ".join(f"{size:,}" for size in self.sizes)
        return (
            f"{self.trials} trials an arm, each by dev at {sizes} labels over {self.replicates} replicates of its own, "
            f"with at most {self.pretrainings} pre-trainings"
        )


@dataclass(frozen=True)
class TunedArm:
    """The best trial of an arm's study: its values, and where they are from.

    `dev` is its mean dev score, `own_dev` that of trial 0, the grid's own values, both in percent; `counts` are trials
    by what became of them, `seconds` what all runs took, and `pretraining_seconds` all pre-trainings beside them.
    """

    names: Mapping[str, str]
    trial: int
    dev: float
    own_dev: float | None
    counts: Mapping[str, int]
    seconds: float
    pretraining_seconds: float
    values: Values


@dataclass(frozen=True)
class TunedValues:
    """The tuned arms of a grid, and what each was allowed."""

    file: Path
    grid: str
    budget: Budget
    arms: Sequence[TunedArm]

    def told(self) -> dict[str, Any]:
        """What a resolved grid says of them."""
        return {"grid": self.grid, "file": self.file.name, "budget": self.budget.told()}

    def applied(self, spec: RunSpec, corpus: str, mistakes: list[str]) -> RunSpec:
        """The spec of an arm with its tuned values; what is wrong with them, or lacking, is appended to `mistakes`."""
        names = names_of(spec, corpus)
        found = next((arm for arm in self.arms if arm.names == names), None)
        if found is None:
            mistakes.append(
                f"{self.file} has no values of {', '.join(names.values())}; tune it: python -m harness tune --grid "
                f"{self.grid}"
            )
            return spec
        return with_values(spec, found.values, f"{self.file}: {', '.join(names.values())}", mistakes)


def names_of(spec: RunSpec, corpus: str) -> dict[str, str]:
    """What tells the arm of a spec from the others of a grid that is tuned; `corpus` is its label."""
    names = {"corpus": corpus, "encoder": spec.encoder.name, "strategy": spec.strategy.name}
    names |= {"text": spec.text.label} if spec.text else {}
    return names | ({"vectors": spec.vectors.name} if spec.vectors else {})


def with_values(spec: RunSpec, values: Values, where: str, mistakes: list[str]) -> RunSpec:
    """The spec with these values in place of its own; what is wrong with them is appended to `mistakes`.

    `features = true` stands for the groups that the spec has, or, where it has none, for those that are usual.
    """
    given = dict(values.get("training", {}))
    if isinstance(given.get("features"), bool):
        usual = spec.training.features or default_groups(spec.corpus.parses is not None)
        given["features"] = usual if given["features"] else ()
    training = read(Training, dataclasses.asdict(spec.training) | given, f"{where}, training", mistakes)

    def plugin(kind: str, own: PluginSpec) -> PluginSpec:
        asked = {**own.parameters, **values.get(kind, {})}
        parameters = read(registry.load(kind, own.name).Parameters, asked, f"{where}, {kind}", mistakes)
        return own if parameters is None else PluginSpec(own.name, dataclasses.asdict(parameters))

    encoder, strategy = plugin("encoder", spec.encoder), plugin("strategy", spec.strategy)
    return dataclasses.replace(spec, training=training or spec.training, encoder=encoder, strategy=strategy)


def tuned_file(grid: str) -> Path:
    """Where the values of a grid are unless another file is named: in the folder `tuned` beside it."""
    path = Path(grid)
    if path.suffix == ".toml" or "/" in grid:
        return path.parent / "tuned" / f"{path.stem}.toml"
    return Path(__file__).parents[1] / "benchmarks" / "grids" / "tuned" / f"{grid}.toml"


def write_tuned(tuned: TunedValues, provenance: Mapping[str, str]) -> None:
    """Write the file; `provenance` is what else is told of where the values are from."""
    budget = dataclasses.asdict(tuned.budget)
    lines = [
        f"# Tuned values of the grid {tuned.grid}: {tuned.budget.told()}.",
        "# Made by `python -m harness tune`, read by `run --tuned`. Scores are in percent, of dev alone.",
        f"grid = {_toml(tuned.grid)}",
        *(f"{name} = {_toml(value)}" for name, value in {**budget, **provenance}.items()),
    ]
    for arm in tuned.arms:
        told = {**arm.names, "trial": arm.trial, "dev": round(arm.dev, 4), "own_dev": _rounded(arm.own_dev)}
        told |= {**arm.counts, "seconds": round(arm.seconds), "pretraining_seconds": round(arm.pretraining_seconds)}
        lines += ["", "[[arms]]", *(f"{name} = {_toml(value)}" for name, value in told.items() if value is not None)]
        for section in SECTIONS:
            if values := {name: value for name, value in arm.values.get(section, {}).items() if value is not None}:
                lines += [f"[arms.values.{section}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    text = "\n".join(lines) + "\n"
    write_atomically(tuned.file, lambda file: file.write(text.encode()))


def read_tuned(file: Path) -> TunedValues:
    """Read such a file; DataError where it is none."""
    expected = "expected tuned values, as `python -m harness tune` writes them"
    try:
        plain = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{file}: {expected}, found none: {error}") from error
    try:
        sizes = tuple(int(size) for size in plain["sizes"])
        budget = Budget(plain["trials"], sizes, plain["replicates"], plain["pretrainings"])
        arms = [_arm(dict(one)) for one in plain.get("arms", [])]
        return TunedValues(file, plain["grid"], budget, arms)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{file}: {expected}, found one without {error}") from error


def _arm(plain: dict[str, Any]) -> TunedArm:
    names = {str(name): str(plain[name]) for name in NAMES if name in plain}
    values = {section: dict(plain.get("values", {}).get(section, {})) for section in SECTIONS}
    counts = {name: plain[name] for name in ("complete", "pruned", "failed")}
    own_dev = plain.get("own_dev")
    return TunedArm(
        names, plain["trial"], plain["dev"], own_dev, counts, plain["seconds"], plain["pretraining_seconds"], values
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _toml(value: Any) -> str:
    """A plain value in TOML, which for strings, numbers, booleans and lists of them is JSON's form."""
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)
