"""Where studies are kept: a journal file, or what an address of Optuna's names."""

from __future__ import annotations

import json
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from harness.errors import DataError, HarnessError, in_words


def storage_of(where: str | Path) -> BaseStorage:
    """A journal file, which stands a kill, or what an address of Optuna's (sqlite:///...) names.

    Raises HarnessError where it can't be used.
    """
    try:
        if "://" in str(where):
            return RDBStorage(str(where))
        path = Path(where)
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_lines(path)
        return JournalStorage(JournalFileBackend(str(path)))
    except HarnessError:
        raise
    except Exception as error:  # whatever a driver raises
        found = in_words(error).partition("\n")[0]
        raise HarnessError(
            f"--storage {where}: expected a file, or an address of an Optuna storage (sqlite:///FILE), found: {found}"
        ) from error


def _check_lines(path: Path) -> None:
    """Raise DataError at the first line that Optuna could not read, or, of the last one, would write behind."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                whole = line.endswith(b"\n") and "op_code" in json.loads(line)
            except (ValueError, TypeError):
                whole = False
            if not whole:
                found = line[:40].decode(errors="replace").rstrip("\n")
                raise DataError(
                    f"{path}:{number}: expected a line of an Optuna journal, found '{found}'; remove the line, or "
                    "begin anew with another --storage"
                )
