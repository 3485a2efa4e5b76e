"""Where tasks are done: in this process, by processes of this machine, or by a running Dask cluster.

The only room that knows Dask. A pool is a `concurrent.futures.Executor` with a width; of Dask's, it is also known how
long a worker has been at a task, and one that hangs can be ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import signal
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import dask
import psutil
from distributed import Client, KilledWorker, LocalCluster, Nanny, get_worker, rpc

from harness.artifacts import ArtifactStore
from harness.errors import GoneError, HarnessError, WorkerDied
from harness.scheduler.executors import InThisProcess, Pool
from harness.scheduler.graph import Id
from harness.scheduler.interrupts import uninterrupted
from harness.scheduler.work import Luggage

LOST = 2
"""Workers that may be lost in a task before it is given up, of those that this process starts itself."""

KEPT = 40
"""Artifacts that stay with the workers of a cluster, those needed last; a run needs at most seven."""

DIED = (
    "the worker process died in this run, more than once; expected it to live. Is there enough memory for it (fewer "
    "--workers leave more to each), or does a plugin end the process?"
)

GONE = (
    "the Dask scheduler is gone, or no longer knows a task; expected it to live as long as the grid. What is finished "
    "is kept, and the same command goes on with the rest"
)

CONNECTING = 10
"""Seconds in which a scheduler that is asked must answer."""

GOING = 10.0
"""Seconds in which a worker that was killed is known to be gone."""

CLOSING = 10.0
"""Seconds in which a client must take its leave of the scheduler."""

SETTINGS = {
    "distributed.worker.memory.target": False,  # nothing is spilled to a disk: what runs read is memory-mapped
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # one that is paused and has nothing to let go of never goes on
    "distributed.worker.profile.enabled": False,
    "distributed.deploy.lost-worker-timeout": "365 days",  # else a worker that is starting again then is given up
    "distributed.admin.large-graph-warning-threshold": "1 GiB",  # artifacts travel as values
    "distributed.scheduler.allowed-failures": LOST,
}


class DaskPool(Pool):
    """The workers of a Dask cluster, as many tasks at a time as they have threads."""

    def __init__(self, client: Client, store: ArtifactStore | None) -> None:
        super().__init__(_DaskExecutor(client), 0)
        self._client = client
        self._store = store
        self._send = False
        self._topic = f"reprise-{uuid.uuid4().hex[:12]}"
        self._count = 0
        self._in_hand: dict[Future[Any], int] = {}
        self._begun: dict[int, tuple[float, str]] = {}
        self._values: OrderedDict[Id, Any] = OrderedDict()
        client.subscribe_topic(self._topic, self._hear)

    def width(self) -> int:
        """The threads of all workers that are there; at least 1, for some may come yet."""
        return max(1, sum(self._threads().values()))

    def _threads(self) -> Mapping[str, int]:
        """The threads of each worker that is there, by its address."""
        try:
            threads: Mapping[str, int] = self._client.nthreads()
        except (OSError, RuntimeError) as error:
            raise HarnessError(GONE) from error
        return threads

    def submit(self, function: Callable[..., Any], arguments: Sequence[Any], reads: Sequence[Id]) -> Future[Any]:
        """See `Pool.submit`."""
        self._count += 1
        number = self._count
        values = [(one, self._value(one)) for one in reads] if self._send else []
        future = self.executor.submit(_begun, self._topic, number, partial(function, *arguments), values)
        self._in_hand[future] = number
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future[Any]) -> None:
        self._begun.pop(self._in_hand.pop(future), None)

    def _holder(self, future: Future[Any]) -> tuple[float, str]:
        """When a worker began with a task, and its address."""
        return self._begun.get(self._in_hand.get(future, 0), (math.inf, ""))

    def overdue(self, future: Future[Any], allowed: float) -> bool:
        """See `Pool.overdue`; of a worker that was lost the time does not count."""
        began, address = self._holder(future)
        return time.monotonic() - began > allowed and address in self._threads()

    def end(self, future: Future[Any]) -> None:
        """See `Pool.end`; the worker's nanny starts another one. Returns when the old one is gone: it gets no more."""
        _, address = self._holder(future)
        future.cancel()
        if not address:
            return
        for nanny in (True, False):
            with suppress(Exception):  # it is gone
                if self._client.run(_end_worker, workers=[address], nanny=nanny):
                    break  # else it has no nanny
        deadline = time.monotonic() + GOING
        while address in self._threads() and time.monotonic() < deadline:
            time.sleep(0.05)

    def send(self) -> None:
        """See `Pool.send`."""
        self._send = True

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """A worker has begun with a task."""
        told = event[1]
        self._begun[told["task"]] = time.monotonic(), told["worker"]

    def _value(self, one: Id) -> Any:
        """An artifact as a task of its own, whose result is wherever it is needed, and comes back if that is lost.

        Those that were needed last are kept, for most runs need the same few.
        """
        if one not in self._values:
            assert self._store is not None
            packed = self._store.pack(*one)
            if packed is None:
                raise GoneError(f"the {one[0]} {one[1][:16]} is gone from {self._store.root}")
            self._values[one] = self._client.submit(_itself, packed, pure=False)
        self._values.move_to_end(one)
        while len(self._values) > KEPT:
            self._values.popitem(last=False)
        return self._values[one]


class _DaskExecutor(Executor):
    """A Dask client as an executor that forgets a result once it is here: Dask's own keeps it on the worker, and makes
    it again when that one is lost.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """See `Executor`; of a worker that died, the future raises WorkerDied."""
        future: Future[Any] = Future()
        inner = self._client.submit(function, *arguments, **named, pure=False)

        def pass_on(done: Any) -> None:
            with suppress(InvalidStateError):  # it was given up
                try:
                    future.set_result(done.result())
                except KilledWorker:
                    future.set_exception(WorkerDied(DIED))
                except CancelledError:
                    future.set_exception(HarnessError(GONE))
                except BaseException as error:  # a plugin may call sys.exit
                    future.set_exception(error)
            done.release()

        def give_up(outer: Future[Any]) -> None:
            if outer.cancelled():
                inner.cancel()

        inner.add_done_callback(pass_on)
        future.add_done_callback(give_up)
        return future


def _begun(topic: str, number: int, function: Callable[[Luggage], Any], values: Sequence[tuple[Id, bytes]]) -> Any:
    """On a worker: tell that a task has begun, and do it."""
    worker = get_worker()
    worker.log_event(topic, {"task": number, "worker": worker.address})
    return function(Luggage(Path(worker.local_directory), dict(values)))


def _end_worker(dask_worker: Any) -> None:
    """On a nanny, or on a worker without one: end the worker's process at once, for one that hangs does not listen."""
    if isinstance(dask_worker, Nanny):
        os.kill(dask_worker.pid, signal.SIGKILL)
    else:
        os._exit(1)


def _itself(packed: bytes) -> bytes:
    return packed


@contextmanager
def here() -> Iterator[Pool]:
    """This process."""
    yield Pool(InThisProcess(), 1)


@contextmanager
def local(workers: int, told: Callable[[str], None] = lambda line: None) -> Iterator[Pool]:
    """Processes of this machine with one thread each, which end with the block, however it ends; its dashboard is
    `told`.
    """
    _silence()
    with dask.config.set(SETTINGS), ExitStack() as stack:
        with uninterrupted():
            cluster = _started(workers)
            stack.callback(cluster.close)
            stack.callback(_kill, cluster)
        client = stack.enter_context(_client(cluster))
        told(f"Dask dashboard: {client.dashboard_link}")
        yield DaskPool(client, None)


@contextmanager
def _client(of: LocalCluster | str) -> Iterator[Client]:
    """A client, closed with the block. On a machine that is too busy its leave may not be heard in time, which must not
    stand in place of what ended the block: nothing is lost with it.
    """
    client = Client(of, set_as_default=False)
    try:
        yield client
    finally:
        with suppress(OSError, RuntimeError):  # late, or its loop is gone
            client.close(CLOSING)


def _started(workers: int) -> LocalCluster:
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            preload=["harness.scheduler.worker"],
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:
        raise HarnessError(
            f"worker processes can't be started: {error}. Is there a folder for their files (TMPDIR), are there limits "
            "on processes, open files or memory (ulimit -a)? Fewer --workers need less; --workers 0 needs none"
        ) from error


@contextmanager
def running(address: str, store: ArtifactStore, told: Callable[[str], None]) -> Iterator[Pool]:
    """A running Dask cluster, by the address of its scheduler or the file that the scheduler has written.

    Raises HarnessError where there is none.
    """
    _silence()
    with dask.config.set({**SETTINGS, "distributed.comm.timeouts.connect": f"{CONNECTING} s"}), ExitStack() as stack:
        try:
            found = asyncio.run(_find(address))
        except (OSError, ValueError) as error:
            cause = str(error) or "no answer of one"
            raise HarnessError(
                f"--scheduler {address}: expected a running Dask scheduler, by its address (tcp://HOST:8786) or the "
                f"file that it has written (dask scheduler --scheduler-file FILE), found none: {cause}"
            ) from error
        client = stack.enter_context(_client(found))
        told(f"Dask dashboard: {client.dashboard_link}")
        yield DaskPool(client, store)


async def _find(given: str) -> str:
    """The address of a scheduler that answers; OSError or ValueError without one, for which no client can be closed."""
    address: Any = given
    if Path(given).is_file():
        told = json.loads(Path(given).read_text(encoding="utf-8"))
        address = told.get("address") if isinstance(told, dict) else None
        if not isinstance(address, str):
            raise ValueError("the file has no address")
    async with rpc(address) as one:
        kind = (await asyncio.wait_for(one.identity(), CONNECTING + 2))["type"]
    if kind != "Scheduler":
        raise ValueError(f"that is a {kind.lower()}'s")
    return str(address)


def _kill(cluster: LocalCluster) -> None:
    """End the workers at once: they have nothing to keep, and asked politely, they take seconds to leave a task."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        with suppress(OSError, TypeError):  # it has gone by itself
            os.kill(nanny.pid, signal.SIGKILL)


def _silence() -> None:
    """Keep Dask's log off the terminal: what matters of it is told here."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def default_workers() -> int:
    """The physical processors that this process may use."""
    return min(psutil.cpu_count(logical=False) or 1, dask.system.CPU_COUNT)
