"""An executor with a width, and executors that need no library: this process, and threads of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from harness.scheduler.graph import Id
from harness.scheduler.work import Luggage


class Pool:
    """Workers behind an executor, as many tasks at a time as `width` says; `here`: they are this process."""

    def __init__(self, executor: Executor, width: int) -> None:
        self.executor = executor
        self._width = width
        self.here = isinstance(executor, InThisProcess)

    def width(self) -> int:
        """Tasks that it can do at a time, now."""
        return self._width

    def submit(self, function: Callable[..., Any], arguments: Sequence[Any], reads: Sequence[Id]) -> Future[Any]:
        """Have ``function(*arguments, luggage)`` done; the luggage holds the artifacts `reads` where they must travel.

        Raises WorkerDied in the future where the worker died in it.
        """
        return self.executor.submit(function, *arguments, Luggage())

    def overdue(self, future: Future[Any], allowed: float) -> bool:
        """Whether a worker has been at a task for more than so many seconds; False where that is not known."""
        return False

    def end(self, future: Future[Any]) -> None:
        """Give a task up, and end the worker that is at it."""
        future.cancel()

    def send(self) -> None:
        """From now on artifacts travel with the tasks."""


class InThisProcess(Executor):
    """Does each task at once, here."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """The future is done when this returns."""
        future: Future[Any] = Future()
        _fulfil(future, partial(function, *arguments, **named))
        return future


class InAThread(Executor):
    """Does each task in a thread of its own, which holds up nobody: an interrupted process ends without it."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """See `Executor`."""
        future: Future[Any] = Future()
        call = partial(function, *arguments, **named)
        threading.Thread(target=_fulfil, args=(future, call), name="preparing", daemon=True).start()
        return future


def _fulfil(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        future.set_result(call())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may call sys.exit
        future.set_exception(error)
