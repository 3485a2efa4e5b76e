"""One process at a time writes a home's records or its MLflow store; who comes second is told who is there."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from harness.errors import HarnessError
from harness.locks import locked

ROOT = Path(__file__).parents[1]
LATER = "Wait until it ends, stop it, or choose another folder with --home"

HOLD = """
import sys
from pathlib import Path
from harness.locks import locked
with locked(Path(sys.argv[1]), "records", "run --grid kbp37"):
    {meanwhile}
    print("held", flush=True)
    sys.stdin.read()
"""

FORK = "import os; r, w = os.pipe(); os.fork() or (os.write(w, b'x'), sys.stdin.read(), os._exit(0)); os.read(r, 1)"

TAKE_TURNS = """
import os, sys, time
from pathlib import Path
from harness.errors import HarnessError
from harness.locks import locked
home, inside = Path(sys.argv[1]), Path(sys.argv[1]) / "inside"
held = 0
while held < 15:
    try:
        with locked(home, "records", "a turn"):
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            time.sleep(0.002)
            inside.unlink()
            held += 1
        time.sleep(0.001)
    except HarnessError as error:
        print(error)
"""

WITHOUT_LOCKS = """
import ctypes, errno, struct, sys
from pathlib import Path
from harness.locks import locked
# Linux's seccomp lets this process go on as on a file system that knows no flock: errno for system call 73, else allow
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 73), (0x06, 0, 0, 0x50000 | int(sys.argv[2])), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
with locked(Path(sys.argv[1]), "records", "run --grid kbp37"):
    print("went on")
"""


def started(script: str, home: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(home), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A process that holds the lock of the records, until the test ends."""
    processes = []

    def start(meanwhile: str = "pass") -> subprocess.Popen[str]:
        process = started(HOLD.format(meanwhile=meanwhile), tmp_path)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def refusal(home: Path, name: str = "records") -> str:
    with pytest.raises(HarnessError) as raised, locked(home, name, "records merge there"):
        pass
    return str(raised.value)


def untold(home: Path) -> str:
    file = home / "locks" / "records.json"
    return (
        f"another process writes the records of {home}: which one can't be told, for {file} names none that is running. "
        f"{LATER}"
    )


def test_who_comes_second_is_told_who_is_there(tmp_path: Path, hold: Callable[..., subprocess.Popen[str]]) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    process = hold()
    told = re.fullmatch(
        rf"another process writes the records of {re.escape(str(tmp_path))}: `run --grid kbp37`, process {process.pid} "
        rf"on {re.escape(socket.gethostname())}, since (\S+)\. {re.escape(LATER)}",
        refusal(tmp_path),
    )
    assert told is not None
    assert before <= datetime.fromisoformat(told[1]) <= datetime.now(UTC)


def test_the_records_and_mlflow_have_a_lock_each(tmp_path: Path) -> None:
    with locked(tmp_path, "records", "run --grid a"), locked(tmp_path, "mlflow", "sync --grid a"):
        told = f"another process writes the MLflow store of {tmp_path}: `sync --grid a`, process {os.getpid()} on "
        assert refusal(tmp_path, "mlflow").startswith(told)
        assert "`run --grid a`" in refusal(tmp_path)
    with locked(tmp_path / "other", "records", "run --grid a"), locked(tmp_path, "mlflow", "sync --grid a"):
        pass


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_lock_goes_with_its_work_however_that_ends(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), locked(tmp_path, "records", "run"):
        raise error
    assert not (tmp_path / "locks" / "records.json").exists()
    with locked(tmp_path, "records", "run"):
        pass


@pytest.mark.parametrize("meanwhile", ["pass", FORK], ids=["alone", "with a child that lives on"])
def test_a_lock_goes_with_its_process_when_that_is_killed(
    tmp_path: Path, hold: Callable[..., subprocess.Popen[str]], meanwhile: str
) -> None:
    process = hold(meanwhile)
    described = tmp_path / "locks" / "records.json"
    assert json.loads(described.read_text())["process"] == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert described.exists()  # what is left of it
    with locked(tmp_path, "records", "run --grid next"):
        assert json.loads(described.read_text())["process"] == os.getpid()
        assert f"`run --grid next`, process {os.getpid()} on" in refusal(tmp_path)
    assert not described.exists()


def test_what_a_killed_process_has_left_is_not_taken_for_the_holder(
    tmp_path: Path, hold: Callable[..., subprocess.Popen[str]]
) -> None:
    process = hold()
    process.kill()
    process.wait()
    with FileLock(tmp_path / "locks" / "records.lock"):  # of one that has not yet written who it is
        assert refusal(tmp_path) == untold(tmp_path)


@pytest.mark.parametrize(
    "text",
    [None, "", '{"what": "ru', "[]", "[1]", "7", '{"what": "run"}', b"\xff",
     '{"what": "run", "process": "7", "host": "HOST", "since": "now"}',
     '{"what": "run", "process": 1e99, "host": "HOST", "since": "now"}',
     '{"what": "run", "process": 99999999999999999999, "host": "HOST", "since": "now"}'],
)  # fmt: skip
def test_a_description_that_cannot_be_read_is_told(tmp_path: Path, text: str | bytes | None) -> None:
    (tmp_path / "locks").mkdir()
    file = tmp_path / "locks" / "records.json"
    if text is not None:
        made = text.replace("HOST", socket.gethostname()).encode() if isinstance(text, str) else text
        file.write_bytes(made)
    with FileLock(tmp_path / "locks" / "records.lock"):
        assert refusal(tmp_path) == untold(tmp_path)


def test_a_holder_on_another_machine_is_told(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    holder = {"what": "run --grid a", "process": 7, "host": "elsewhere", "since": "2026-01-02T03:04:05+00:00"}
    (tmp_path / "locks" / "records.json").write_text(json.dumps(holder))
    with FileLock(tmp_path / "locks" / "records.lock"):
        told = "`run --grid a`, process 7 on elsewhere, since 2026-01-02T03:04:05+00:00"
        assert refusal(tmp_path) == f"another process writes the records of {tmp_path}: {told}. {LATER}"


def test_many_take_turns_and_no_two_are_inside(tmp_path: Path) -> None:
    processes = [started(TAKE_TURNS, tmp_path) for _ in range(4)]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    refused = [line for out, _ in said for line in out.splitlines()]
    named = re.compile(
        rf"another process writes the records of {re.escape(str(tmp_path))}: `a turn`, process (\d+) on \S+, since "
        rf"\S+\. {LATER}"
    )
    found = [named.fullmatch(line) for line in refused if line != untold(tmp_path)]
    assert {int(one[1]) for one in found if one} <= {process.pid for process in processes}
    assert all(found)


def test_a_home_that_takes_no_lock_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    home = tmp_path / "file" / "home"
    assert refusal(home) == (
        f"can't lock {home / 'locks' / 'records.lock'}: Not a directory. Choose another folder with --home"
    )


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the number of a system call is that of x86-64"
)
@pytest.mark.parametrize("errno", [38, 37, 95], ids=["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_told_and_it_goes_on(tmp_path: Path, errno: int) -> None:
    process = started(WITHOUT_LOCKS, tmp_path, str(errno))
    out, err = process.communicate(timeout=60)
    assert out == "went on\n"
    assert (
        err
        == f"harness: the file system has no locks; let no other process write the records of {tmp_path} meanwhile\n"
    )


def test_locks_need_no_torch() -> None:
    script = "import harness.locks, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
