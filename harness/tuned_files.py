"""The file of tuned values: TOML that can be read, reviewed and changed.

Nothing flows in memory: `tune` writes the file, and a grid that is resolved with it reads it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import DataError, unknown
from harness.parameters import coerce, describe
from harness.records import write_atomically
from harness.tuned_trials import NAMES, STATES
from harness.tuned_values import SECTIONS, Budget, TunedArm, TunedValues

KEYS = (*NAMES, "study", "trial", "dev", "own_dev", *STATES, "pretrainings", "seconds", "pretraining_seconds", "key",
        "values")  # fmt: skip
"""What the file tells of an arm."""

DIGEST = "arms_sha256"
DECIMALS = 4


def tuned_file(grid: str) -> Path:
    """Where the values of a grid are unless another file is named: in the folder `tuned` beside it."""
    path = Path(grid)
    if path.suffix == ".toml" or "/" in grid:
        return path.parent / "tuned" / f"{path.stem}.toml"
    return Path(__file__).parents[1] / "benchmarks" / "grids" / "tuned" / f"{grid}.toml"


def named_file(name: str, grid: str) -> Path:
    """The file of values that is named: a path, or, where there is none, a file of the grid's own folder `tuned/GRID`,
    as the commands of a report name it.
    """
    path, own = Path(name), tuned_file(grid).with_suffix("") / name
    return own if own.is_file() and not path.is_file() else path


def write_tuned(tuned: TunedValues, provenance: Mapping[str, str]) -> str:
    """Write the file, and return the digest of its arms; `provenance` is what else is told of where they are from."""
    arms = _arms_in_toml(tuned.arms)
    digest = _digest(arms)
    told = {**dataclasses.asdict(tuned.budget), **provenance, DIGEST: digest}
    head = [
        f"# Tuned values of the grid {tuned.grid}: {tuned.budget.told()}.",
        "# Made by `python -m harness tune`, read by `run --tuned`. Scores are in percent, of dev alone.",
        f"grid = {_toml(tuned.grid)}",
        *(f"{name} = {_toml(value)}" for name, value in told.items()),
    ]
    write_atomically(tuned.file, lambda file: file.write(("\n".join(head) + "\n" + arms).encode()))
    return digest


def _arms_in_toml(arms: Sequence[TunedArm]) -> str:
    lines: list[str] = []
    for arm in arms:
        told = {**arm.names, "study": arm.study, "trial": arm.trial, "dev": round(arm.dev, DECIMALS)}
        told |= {} if arm.own_dev is None else {"own_dev": round(arm.own_dev, DECIMALS)}
        told |= {**arm.counts, "pretrainings": arm.pretrainings, "seconds": round(arm.seconds)}
        told |= {"pretraining_seconds": round(arm.pretraining_seconds), "key": arm.key}
        lines += ["", "[[arms]]", *(f"{name} = {_toml(value)}" for name, value in told.items())]
        for section in SECTIONS:
            if values := {name: value for name, value in arm.values.get(section, {}).items() if value is not None}:
                lines += [f"[arms.values.{section}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def _digest(arms: str) -> str:
    return hashlib.sha256(arms.strip().encode()).hexdigest()


def is_as_tuned(tuned: TunedValues) -> bool:
    """Whether the arms in the text of a file are those that `tune` wrote there, to the letter."""
    _, found, arms = tuned.text.partition("[[arms]]")
    return _digest(found + arms) == tuned.arms_sha256


def read_tuned(file: Path, grid: str = "NAME") -> TunedValues:
    """Read such a file, that of a `grid`; DataError where it is none."""
    try:
        return parse_tuned(file.read_text(encoding="utf-8"), file)
    except FileNotFoundError:
        raise DataError(
            f"{file}: expected tuned values, found no such file; make it: python -m harness tune --grid {grid}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: expected tuned values, found what can't be read: {error}") from error


def parse_tuned(text: str, file: Path) -> TunedValues:
    """The tuned values in the text of a file; DataError where it has none."""
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{file}: expected tuned values in TOML, found {error}") from error
    head = _Fields(plain, str(file))
    sizes = head.read("sizes", tuple[int, ...])
    if not sizes or min(sizes) < 1:
        raise DataError(f"{file}, sizes: expected counts of labels, found {_toml(sizes)}")
    budget = Budget(head.count("trials"), sizes, head.count("replicates"), head.count("pretrainings"))
    arms = [_arm(one, f"{file}, arm {number}", budget) for number, one in enumerate(head.tables("arms"), 1)]
    for number, arm in enumerate(arms, 1):
        if any(arm.names == other.names for other in arms[: number - 1]):
            raise DataError(
                f"{file}, arm {number}: expected each arm once, found {', '.join(arm.names.values())} again"
            )
    return TunedValues(file, head.read("grid", str), budget, arms, text, head.read(DIGEST, str))


class _Fields:
    """Fields of a table of TOML, whose types are checked; DataError where one is not there, or of another type."""

    def __init__(self, plain: Mapping[str, Any], where: str) -> None:
        self._plain, self._where = plain, where

    def read(self, name: str, hint: Any) -> Any:
        if name not in self._plain:
            raise DataError(f"{self._where}: expected {name}, {describe(hint)}; found nothing")
        try:
            return coerce(self._plain[name], hint)
        except ValueError as error:
            raise DataError(f"{self._where}, {name}: {error}") from error

    def count(self, name: str) -> int:
        found: int = self.read(name, int)
        if found < 1:
            raise DataError(f"{self._where}, {name}: expected 1 or more, found {found}")
        return found

    def tables(self, name: str) -> list[dict[str, Any]]:
        found = self._plain.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise DataError(f"{self._where}: expected tables [[{name}]], found {found!r}")
        return found

    def table(self, name: str) -> dict[str, Any]:
        found = self._plain.get(name, {})
        if not isinstance(found, dict):
            raise DataError(f"{self._where}: expected a table of {name}, found {found!r}")
        return found

    def check_names(self, known: Sequence[str], kind: str) -> None:
        for name in self._plain:
            if name not in known:
                raise DataError(f"{self._where}: {unknown(kind, name, known)}")


def _arm(plain: dict[str, Any], where: str, budget: Budget) -> TunedArm:
    fields = _Fields(plain, where)
    fields.check_names(KEYS, "key")
    values = _Fields(fields.table("values"), f"{where}, values")
    values.check_names(SECTIONS, "section")
    counts = {name: fields.read(name, int) for name in STATES}
    if sum(counts.values()) != budget.trials:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise DataError(f"{where}: expected {budget.trials} trials, as many as every arm has, found {told}")
    return TunedArm(
        names={name: fields.read(name, str) for name in NAMES if name in plain},
        study=fields.read("study", str),
        trial=fields.read("trial", int),
        dev=fields.read("dev", float),
        own_dev=fields.read("own_dev", float) if "own_dev" in plain else None,
        counts=counts,
        pretrainings=fields.read("pretrainings", int),
        seconds=fields.read("seconds", float),
        pretraining_seconds=fields.read("pretraining_seconds", float),
        key=fields.read("key", str),
        values={section: values.table(section) for section in SECTIONS},
    )


def _toml(value: Any) -> str:
    """A plain value in TOML, which for strings, numbers, booleans and lists of them is JSON's form."""
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)
