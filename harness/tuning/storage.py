"""Where studies are kept: a journal file, or what an address of Optuna's names."""

from __future__ import annotations

import json
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from harness.errors import DataError, HarnessError, in_words, without_passwords

BEGUN = b'{"op_code"'
"""How a line of a journal begins."""


def storage_of(where: str | Path) -> BaseStorage:
    """A journal file, which stands a kill, or what an address of Optuna's (sqlite:///...) names.

    Raises HarnessError where it can't be used.
    """
    try:
        if "://" in str(where):
            if str(where).partition("://")[2] in ("", "/", "/:memory:"):
                raise ValueError("a database in memory, which ends with the process")
            return RDBStorage(str(where))
        path = Path(where)
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_lines(path)
        return JournalStorage(JournalFileBackend(str(path)))
    except HarnessError:
        raise
    except Exception as error:  # whatever a driver raises
        found = in_words(error).partition("\n")[0]
        told = f"expected a file, or an address of an Optuna storage (sqlite:///FILE), found: {found}"
        raise HarnessError(without_passwords(f"--storage {where}: {told}")) from error


def _check_lines(path: Path) -> None:
    """Raise DataError at the first line that Optuna could not read. A last one that a kill has cut short, of which
    nobody has heard, is taken away from behind good ones, for Optuna would write on in it.
    """
    if not path.exists():
        return
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    cut_from_the_first = not text or text.startswith(BEGUN)
    for number, line in enumerate(text[:whole].splitlines() or [text] * (not cut_from_the_first), 1):
        try:
            good = "op_code" in json.loads(line)
        except (ValueError, TypeError):
            good = False
        if not good:
            found = line[:40].decode(errors="replace")
            raise DataError(
                f"{path}:{number}: expected a line of an Optuna journal, found '{found}'; remove the line, or begin "
                "anew with another --storage"
            )
    if whole < len(text):
        with path.open("r+b") as journal:
            journal.truncate(whole)
