"""All trials of a grid's studies, in a JSON file beside its tuned values; free of optuna.

A grid that is resolved with tuned values carries its trials, so that its results folder has all that its report and
MLflow show of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.records import write_atomically

NAMES = ("corpus", "encoder", "strategy", "text", "vectors", "settings")
"""What tells the arms of a grid that is tuned apart; `settings` is what is not tuned and not as it usually is."""

RECORDS = Path("tuning") / "records"
"""Where the records of trials are in a home: apart from those of evaluations, and without predictions."""

TUNED = "-tuned"
"""What the name of a grid with tuned values ends in."""

COMPLETE, PRUNED, FAILED = STATES = ("complete", "pruned", "failed")
"""What becomes of a trial."""

OF_ARM = ("names", "best", "seconds", "pretraining_seconds", "importance", "no_importance", "pretrainings", "trials")
"""What is told of an arm. `importance` has a share for each parameter, or is null, and `no_importance` says why; of
`pretrainings`, the values of the strategy among which its trials choose, the first are the grid's own.
"""

OF_TRIAL = ("trial", "state", "dev", "dev_by_replicate", "values", "pretraining", "seconds", "ended", "error")
"""What is told of a trial: its number, state, dev scores in percent, values of fine-tuning, place among the
pre-trainings, or null where there is one alone, what its runs took, when it ended, and what ended it where it failed.
A pruned trial's mean dev score is that of the replicates that it has; a failed one has none.
"""


def trials_file(values: Path) -> Path:
    """Where the trials are of which tuned values are the best."""
    return values.with_suffix(".trials.json")


def write_arms(arms: Sequence[Mapping[str, Any]], values: Path, digest: str) -> None:
    """Write the trials of all arms beside the file of tuned values, whose arms have this digest."""
    text = json.dumps({"arms_sha256": digest, "arms": arms}, indent=1, ensure_ascii=False) + "\n"
    write_atomically(trials_file(values), lambda file: file.write(text.encode()))


def read_arms(values: Path, digest: str) -> list[dict[str, Any]] | None:
    """The trials of all arms beside a file of tuned values; None where they are not there, or those of others.

    Raises DataError where they are damaged.
    """
    file = trials_file(values)
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if found["arms_sha256"] != digest:
            return None
        arms: list[dict[str, Any]] = found["arms"]
        for place, arm in enumerate(arms):
            _check(arm, OF_ARM, f"arm {place + 1}")
            for trial in arm["trials"]:
                _check(trial, OF_TRIAL, f"a trial of arm {place + 1}")
                if trial["state"] not in STATES:
                    raise ValueError(f"the state '{trial['state']}' in arm {place + 1}")
            if arm["best"] not in [trial["trial"] for trial in arm["trials"]]:
                raise ValueError(f"no trial {arm['best']}, the best of arm {place + 1}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{file}: expected the trials of studies, as `python -m harness tune` writes them, found damage: {error}. "
            "Tune again, which runs nothing twice, or delete the file: only the report and MLflow read it"
        ) from error
    return arms


def _check(found: Mapping[str, Any], wanted: Sequence[str], what: str) -> None:
    if lacking := [name for name in wanted if name not in found]:
        raise ValueError(f"{what} without {', '.join(lacking)}")
