"""The command line in processes of its own, and a small grid that has every kind of task: what tests of faults share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import MakePlugin

from harness.records import RecordStore

ROOT = Path(__file__).parents[1]

DEADLINE = 240.0
"""Seconds after which a test no longer waits: many times what it takes, for the machine may be busy."""

CORPUS = '''
    """Who leads what, and where it is; and the same as a text."""
    from harness.contracts import *

    VERBS = {"leads(e1,e2)": ("leads", "heads", "runs"), "leads(e2,e1)": ("is led by", "is run by"),
             "in(e1,e2)": ("lies in", "sits in"), "no_relation": ("met", "saw", "and")}

    class Small(CorpusReader, TextReader):
        about = About(headline="micro_f1_positive", negative_label="no_relation")

        def read(self, path):
            return Corpus(tuple(self._mention(at) for at in range(96)))

        def text(self, path, notes):
            for at in range(80):
                mention = self._mention(at)
                ends = mention.first, mention.second
                linked = tuple(LinkedMention(*end, mention.tokens[end.start]) for end in ends)
                yield LinkedSentence(str(at), mention.tokens, linked)

        def _mention(self, at):
            label = sorted(VERBS)[at % 4]
            verb = VERBS[label][at // 4 % len(VERBS[label])].split()
            tokens = (f"A{at % 7}", *verb, f"B{at % 5}", ".")
            second = Span(1 + len(verb), 2 + len(verb))
            part = ("train", "train", "dev", "test")[at // 4 % 4]
            return RelationMention(str(at), tokens, Span(0, 1), second, label, part)
'''

GRID = """
corpora    = ["small"]
texts      = {name = "small", selection = "whole"}
encoders   = [{name = "bilstm", hidden = 4}]
strategies = ["none", {name = "stepwise", skipgram_epochs = 1}, {name = "lm", epochs = 2, skipgram_epochs = 1}]
vectors    = "small.txt"
sizes      = [8]
replicates = 2
[training]
features    = false
min_updates = 10
max_updates = 10
"""
"""With 6 runs, of which 4 read entity vectors of the text, and 2 of those pre-trained encoders."""

WORDS = "leads heads runs is led by run lies in sits met saw and a1 a2 a3 b1 b2".split()


def set_up(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the corpus `small` installed, its vectors, and the grid small.toml."""
    make_plugin("corpus", "small", CORPUS)
    folder = tmp_path / "work"
    folder.mkdir()
    numbers = np.random.default_rng(0).standard_normal((len(WORDS), 6))
    lines = [f"{word} {' '.join(f'{x:.4f}' for x in row)}" for word, row in zip(WORDS, numbers, strict=True)]
    (folder / "small.txt").write_text("\n".join(lines) + "\n")
    (folder / "small.toml").write_text(GRID)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    for name in ("HARNESS_HOME", "HARNESS_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    return folder


class Command:
    """A command of the harness, in a session of its own, whose output goes to files."""

    def __init__(self, *words: str, before: tuple[str, ...] = (), **popen: Any) -> None:
        folder = Path.cwd() / f"output-{time.monotonic_ns()}"
        folder.mkdir()
        self._out, self._err = folder / "out", folder / "err"
        command = [*before, sys.executable, "-m", "harness", *words]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True, **popen)

    @property
    def out(self) -> str:
        """What it has written to stdout."""
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """What it has written to stderr."""
        return self._err.read_text(encoding="utf-8")

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to happen while the command runs."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert self.process.poll() is None, f"it has ended: {self.err}"
            assert time.monotonic() < deadline, self.err
            time.sleep(0.02)

    def ended(self) -> int:
        """Wait for its end; the exit code. Nothing that it started may live longer, but for a moment."""
        code = self.process.wait(DEADLINE)
        deadline = time.monotonic() + DEADLINE / 4
        while self.others():
            assert time.monotonic() < deadline, f"left behind: {self.others()}"
            time.sleep(0.05)
        return code

    def others(self) -> list[psutil.Process]:
        """The processes that it has started and that live, itself left out."""
        found = []
        for pid in psutil.pids():
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                if pid != self.process.pid and os.getsid(pid) == self.process.pid:
                    process = psutil.Process(pid)
                    found += [process] if process.status() != psutil.STATUS_ZOMBIE else []
        return found

    def stop(self) -> None:
        """Kill it and all that it has started."""
        for process in self.others():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait()


@contextmanager
def command(*words: str, **how: Any) -> Iterator[Command]:
    """A command of the harness that does not live longer than the block."""
    one = Command(*words, **how)
    try:
        yield one
    finally:
        one.stop()


@contextmanager
def running(grid: str = "small.toml", *words: str, **how: Any) -> Iterator[Command]:
    """`run` of a grid, without MLflow."""
    with command("run", "--grid", grid, "--no-mlflow", *words, **how) as one:
        yield one


def records_of(home: str | Path = ".harness") -> dict[str, dict[str, Any]]:
    """All records of a home; none may be damaged, and no predictions."""
    store = RecordStore(Path(home) / "records")
    found = store.read_all(store.keys())
    assert not store.damaged
    for record in found.values():
        if record["status"] == "complete":
            store.checked_predictions(record)
    return found


def timeless(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Records without what time it was and how long it took."""
    found = {}
    for key, record in records.items():
        found[key] = {name: value for name, value in record.items() if name not in ("seconds", "finished")}
        if record.get("pretraining"):
            found[key]["pretraining"] = {**record["pretraining"], "seconds": None}
    return found


def unfinished(home: str | Path = ".harness") -> list[Path]:
    """What is half written in a home."""
    return [path for path in Path(home).rglob(".*") if path.name.startswith((".unfinished-", ".seen-"))]


class Disk:
    """A small disk at a folder, which only commands see that are started with `enter` before them."""

    def __init__(self, folder: Path, holder: subprocess.Popen[Any], user: bool) -> None:
        self._folder = folder
        options = ("--user", "--preserve-credentials") if user else ()
        inside = ("sh", "-c", 'cd "$0" && exec "$@"', str(Path.cwd()))
        self.enter = ("nsenter", "--target", str(holder.pid), "--mount", *options, *inside)
        self.inside = Path(f"/proc/{holder.pid}/root{folder}")

    def resize(self, size: str) -> None:
        """Make it larger or smaller."""
        subprocess.run([*self.enter, "mount", "-o", f"remount,size={size}", str(self._folder)], check=True)

    def fill(self, left: int) -> None:
        """Write a file, so that so many bytes are left."""
        free = shutil.disk_usage(self.inside).free
        (self.inside / "filling").write_bytes(bytes(max(0, free - left)))

    def free(self) -> None:
        """Remove that file."""
        (self.inside / "filling").unlink()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """A disk of a size, at a new folder; without the right to mount one, the test is skipped."""
    folder.mkdir()
    script = (
        'mount -t tmpfs -o size="$1" none "$0" && echo mounted && exec cat > /dev/null'  # as long as its input is open
    )
    for option in ("-m", "-rm"):
        words = ["unshare", option, "sh", "-c", script, str(folder), size]
        try:
            holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            pytest.skip("there is no unshare")
        assert holder.stdout is not None
        try:
            if holder.stdout.readline() == b"mounted\n":
                yield Disk(folder, holder, user=option == "-rm")
                return
        finally:
            holder.kill()
            holder.communicate()
    pytest.skip("no disk can be mounted here, neither as root nor with unshare -rm")
