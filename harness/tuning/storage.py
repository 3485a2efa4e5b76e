"""Where studies are kept: a journal file, or what an address of Optuna's names."""

from __future__ import annotations

import json
import re
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
        found = in_words(error).partition("\n")[0].replace(str(where), shown(where))
        raise HarnessError(
            f"--storage {shown(where)}: expected a file, or an address of an Optuna storage (sqlite:///FILE), found: "
            f"{found}"
        ) from error


def shown(where: str | Path) -> str:
    """The place without the password of an address.

    >>> shown("postgresql://me:secret@host/studies")
    'postgresql://me:***@host/studies'
    """
    return re.sub(r"(?<=://)([^:@/]*):[^@/]*@", r"\1:***@", str(where))


def _check_lines(path: Path) -> None:
    """Raise DataError at the first line that Optuna could not read. A last one that a kill has cut short, of which
    nobody has heard, is taken away, for Optuna would write behind it.
    """
    if not path.exists():
        return
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        with path.open("r+b") as journal:
            journal.truncate(text.rfind(b"\n") + 1)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                whole = "op_code" in json.loads(line)
            except (ValueError, TypeError):
                whole = False
            if not whole:
                found = line[:40].decode(errors="replace").rstrip("\n")
                raise DataError(
                    f"{path}:{number}: expected a line of an Optuna journal, found '{found}'; remove the line, or "
                    "begin anew with another --storage"
                )
