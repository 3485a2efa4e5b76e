"""Fuzzing readers: whatever stands in the files, reading them ends as a Corpus or a text, or as a DataError.

    python tests/fuzz.py tacred --seconds 600

starts from small valid files of the reader's format, changes bytes, lines, JSON values and the files themselves, and
reads what comes of it: as a corpus, as a text, or as both where the reader reads both. A reading is broken that ends
in anything but these or a DataError, takes more than `LONGEST` seconds, gives a mention that is not what its fields
promise, or loses an example where the examples of the input can be counted independently. Inputs that break one are
saved; `--input FOLDER` reads a saved one again.

Changes are chosen by the coverage of the reader's code where atheris is installed (``pip install atheris``; it is for
Linux and no dependency of the project), and at random without it or with `--plain`. The project must be installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType, ModuleType
from typing import Any

from fuzz_changes import changed
from fuzz_readings import LONGEST, BrokenPromiseError, Text, judge, write
from fuzz_seeds import COUNTS, SEEDS, Files

import harness.collection
import harness.text_files
from harness import registry
from harness.contracts import Corpus, CorpusReader, Reader, TextNotes
from harness.errors import DataError


class Fuzzing:
    """Readings of one reader and what came of them."""

    def __init__(self, name: str, folder: Path, save: Path) -> None:
        self.name, self._folder, self._save = name, folder, save
        self.reader: Reader = registry.load("corpus", name)()
        self._began = time.monotonic()
        self._executions = 0
        self._read: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._unusable: Counter[str] = Counter()
        self.broken: dict[str, Path] = {}

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def run(self, files: Files) -> str | None:
        """Read the files; what is said of the corpus or text, in general words, or None where there is none."""
        self._executions += 1
        try:
            with _alarm():
                outcome = judge(self.reader, COUNTS.get(self.name), files, self._folder)
        except Exception as error:
            self._broke(error, files)
            return None
        if isinstance(outcome, DataError):
            self._errors[_general(str(outcome), self._folder)] += 1
            return None
        told: Corpus | TextNotes
        if isinstance(outcome, Text):
            told = outcome.notes
            self._read.update(texts=1, sentences=len(outcome.sentences))
        else:
            told = outcome
            self._read.update(corpora=1, mentions=len(outcome.mentions))
        reasons = [_general(fault.reason, self._folder) for fault in told.faults]
        self._unusable.update(reasons)
        return "; ".join(sorted({*reasons, *(_general(remark, self._folder) for remark in told.remarks)}))

    def _broke(self, error: Exception, files: Files) -> None:
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {_general(str(error), self._folder)}"
        if kind not in self.broken:
            self.broken[kind] = self._save / f"{self.name}-{len(self.broken) + 1}"
            write(files, self.broken[kind])
            print(f"broken: {kind}\n  saved: {self.broken[kind]}", file=sys.stderr, flush=True)

    def told(self) -> str:
        """What came of all readings, in words."""
        each = self._executions / self.seconds
        what, examples = ("corpora", "mentions") if isinstance(self.reader, CorpusReader) else ("texts", "sentences")
        lines = [
            f"{self.name}: {self._executions:,} executions in {self.seconds:.0f} s, {each:.0f} a second",
            f"{what} read: {self._read[what]:,}, of {self._read[examples]:,} {examples}",
            f"examples that can't be used: {self._unusable.total():,}, for {len(self._unusable)} reasons",
            *(f"  {count:9,}  {reason}" for reason, count in self._unusable.most_common(40)),
            f"DataErrors: {self._errors.total():,}, of {len(self._errors)} kinds",
            *(f"  {count:9,}  {kind}" for kind, count in self._errors.most_common(40)),
            f"broken: {len(self.broken)} kinds",
            *(f"  {kind}\n    saved: {saved}" for kind, saved in self.broken.items()),
        ]
        return "\n".join(lines)


def _general(message: str, folder: Path) -> str:
    """A message without what is particular to one input."""
    message = re.sub(rf"{re.escape(str(folder))}\S*?(, line \d+)?([:,] |$)", r"FILE\1\2", message)
    message = re.sub(r"(found|fault:|its end:|fields?) .*", r"\1 ...", message, flags=re.DOTALL)
    return re.sub(r"\d+", "N", re.sub(r"'.*'|\".*\"", "'...'", message, flags=re.DOTALL))[:110]


@contextmanager
def _alarm() -> Iterator[None]:
    """Ends a reading that would not end by itself."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise BrokenPromiseError(f"a reading that took more than {2 * LONGEST:.0f} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _changed(files: Files, random: Random) -> Files:
    """The files with one or several changes."""
    for _ in range(random.choice([1, 1, 1, 2, 2, 3, 5])):
        files = changed(files, random)
    return files


def at_random(fuzzing: Fuzzing, seconds: float, seed: int) -> None:
    """Change files at random; those of which something new is said, and that could be read, are changed further."""
    random = Random(seed)
    pool = list(SEEDS[fuzzing.name])
    seen = {fuzzing.run(files) for files in pool}
    while fuzzing.seconds < seconds:
        files = _changed(random.choice(pool), random)
        came = fuzzing.run(files)
        if came is not None and came not in seen:
            seen.add(came)
            pool.append(files)


def by_coverage(fuzzing: Fuzzing, seconds: float, seed: int, corpus: Path) -> None:
    """Change files as atheris proposes; it never returns."""
    import atheris

    modules = [inspect.getmodule(type(fuzzing.reader)), harness.collection, harness.text_files]
    for function in (function for module in modules if module for function in _functions(module)):
        atheris.instrument_func(function)
    corpus.mkdir()
    for number, files in enumerate(SEEDS[fuzzing.name]):
        (corpus / str(number)).write_bytes(packed(files))

    def test(data: bytes) -> None:
        fuzzing.run(unpacked(data))
        if fuzzing.seconds > seconds:
            print(fuzzing.told(), flush=True)
            shutil.rmtree(corpus.parent, ignore_errors=True)
            os._exit(bool(fuzzing.broken))

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.1:
            return bytes(atheris.Mutate(data, longest))
        # What covers most is soon short and broken early; so some begin anew, from files that can be read.
        files = random.choice(SEEDS[fuzzing.name]) if random.random() < 0.3 else unpacked(data)
        return packed(_changed(files, random))[:longest]

    options = [f"-seed={seed or 1}", "-max_len=65536", "-timeout=600", "-rss_limit_mb=8192", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], test, custom_mutator=mutate)
    atheris.Fuzz()


def _functions(module: ModuleType) -> Iterator[Callable[..., Any]]:
    for thing in vars(module).values():
        for function in vars(thing).values() if inspect.isclass(thing) else [thing]:
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                yield function


_FILE = b"\0file "


def packed(files: Files) -> bytes:
    """The files as one piece of bytes."""
    return b"".join(_FILE + name.encode() + b"\0" + content for name, content in files.items())


def unpacked(data: bytes) -> Files:
    """The files of a piece of bytes; what is no file is passed over."""
    files = {}
    for piece in data.split(_FILE)[1:]:
        name, _, content = piece.partition(b"\0")
        if re.fullmatch(rb"\w[\w.-]{0,60}/?", name):
            files[name.decode()] = content
    return files


def main() -> int:
    """Run as told by the command line; 1 where a reading was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=sorted(SEEDS))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="change files at random, even where atheris is installed")
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "fuzzing", help="for broken inputs")
    parser.add_argument("--input", type=Path, help="read this folder once, and nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "read"
        if arguments.input:
            files = {
                file.name + "/" * file.is_dir(): b"" if file.is_dir() else file.read_bytes()
                for file in arguments.input.iterdir()
            }
            reader: Reader = registry.load("corpus", arguments.reader)()
            print(judge(reader, COUNTS.get(arguments.reader), files, folder))
            return 0
        fuzzing = Fuzzing(arguments.reader, folder, arguments.save)
        if not arguments.plain and importlib.util.find_spec("atheris"):
            by_coverage(fuzzing, arguments.seconds, arguments.seed, Path(temporary) / "corpus")
        at_random(fuzzing, arguments.seconds, arguments.seed)
        print(fuzzing.told())
        return bool(fuzzing.broken)


if __name__ == "__main__":
    sys.exit(main())
