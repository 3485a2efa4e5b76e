"""Locks of a home folder: one process at a time writes its records, or its MLflow store.

A lock is the operating system's, on HOME/locks/NAME.lock, and goes with its process however that ends. Beside it, in
NAME.json, stands who holds it: what a killed process has left there is told apart, and never taken for the holder.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from harness.errors import HarnessError
from harness.records import write_atomically

HELD = {"records": "the records of", "mlflow": "the MLflow store of"}
"""What a lock of a name is of, in a message's words."""

WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system says that has no locks."""

LOOKS, PAUSE = 10, 0.02
"""How often, and after how many seconds again, a newcomer looks for a holder that has not yet written who it is."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock: what it does, its number, its machine, since when."""

    what: str
    process: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"`{self.what}`, process {self.process} on {self.host}, since {self.since}"

    def is_here(self) -> bool:
        """Whether there still is such a process; of another machine's, that can't be told, and it counts as there."""
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's
            return True
        return True


@contextmanager
def locked(home: Path, name: str, what: str) -> Iterator[None]:
    """Hold the lock of a home with a name of `HELD`; `what` tells others who come meanwhile what is done.

    Raises HarnessError at once where another process holds it. On a file system without locks it goes on with a word:
    each file is written whole all the same, and what two processes do at once is done twice, not broken.
    """
    lock = FileLock(home / "locks" / f"{name}.lock", fallback_to_soft=False)
    if not _acquired(lock, home, name):
        print(f"harness: the file system has no locks; let no other process write {HELD[name]} {home} meanwhile",
              file=sys.stderr)  # fmt: skip
        yield
        return
    described = _described(home, name)
    try:
        described.unlink(missing_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps(asdict(Holder(what, os.getpid(), socket.gethostname(), now)))
        write_atomically(described, lambda stream: stream.write(text.encode()))
        yield
    finally:
        described.unlink(missing_ok=True)
        lock.release()


def _acquired(lock: BaseFileLock, home: Path, name: str) -> bool:
    """Take a lock; false where the file system has none. Raises HarnessError where another process holds it."""
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        described = _described(home, name)
        holder = _holder(described)
        who = str(holder) if holder else f"which one can't be told, for {described} names none that is running"
        raise HarnessError(
            f"another process writes {HELD[name]} {home}: {who}. Wait until it ends, stop it, or choose another folder "
            "with --home"
        ) from None
    except OSError as error:
        if error.errno in WITHOUT_LOCKS:
            return False
        told = error.strerror or error
        raise HarnessError(f"can't lock {lock.lock_file}: {told}. Choose another folder with --home") from error
    return True


def _described(home: Path, name: str) -> Path:
    """Where the holder of a lock writes who it is."""
    return home / "locks" / f"{name}.json"


def _holder(described: Path) -> Holder | None:
    """Who holds a lock; None where that can't be read, or names a process that has ended."""
    for _ in range(LOOKS):
        try:
            holder = Holder(**json.loads(described.read_text(encoding="utf-8")))
            if holder.is_here():
                return holder
        except (OSError, ValueError, TypeError, OverflowError):
            pass
        time.sleep(PAUSE)
    return None
