"""Whatever stands in the files, a reader ends with a Corpus, a text or a DataError and loses no example.

Long runs: fuzz.py.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import fuzz
import fuzz_readings
import pytest
from conftest import MakePlugin
from fuzz import Fuzzing, at_random, packed, unpacked
from fuzz_changes import changed
from fuzz_readings import BrokenPromiseError, Text, judge
from fuzz_seeds import COUNTS, SEEDS, Files
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import registry
from harness.contracts import (
    About,
    Corpus,
    CorpusReader,
    Fault,
    LinkedMention,
    LinkedSentence,
    Parse,
    Place,
    Reader,
    RelationMention,
    Span,
    TextNotes,
    TextReader,
)
from harness.errors import DataError

SEEDED = [pytest.param(name, files, id=f"{name}-{at}") for name in SEEDS for at, files in enumerate(SEEDS[name])]


def reader(name: str) -> Reader:
    made: Reader = registry.load("corpus", name)()
    return made


def test_every_reader_of_files_is_here() -> None:
    kinds = {name: registry.load("corpus", name) for name in registry.origins("corpus")}
    assert {name for name, kind in kinds.items() if kind.files or kind.optional_files} == SEEDS.keys()


@pytest.mark.parametrize(("name", "files"), SEEDED)
def test_the_files_that_are_changed_are_whole(tmp_path: Path, name: str, files: Files) -> None:
    outcome = judge(reader(name), COUNTS.get(name), files, tmp_path / "read")
    assert isinstance(outcome, Corpus | Text), outcome
    if isinstance(outcome, Corpus):
        assert outcome.faults == ()
        assert len(outcome.mentions) >= 2
    else:
        assert outcome.notes.faults == []
        assert any(len(sentence.mentions) >= 2 for sentence in outcome.sentences)


@pytest.mark.parametrize(("name", "files"), SEEDED)
def test_changed_files_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, name: str, files: Files) -> None:
    folder = tmp_path_factory.mktemp("read")
    kept = reader(name)

    @settings(max_examples=200)
    @given(random=st.randoms(use_true_random=False), changes=st.integers(1, 4))
    def read(random: Random, changes: int) -> None:
        now = files
        for _ in range(changes):
            now = changed(now, random)
        judge(kept, COUNTS.get(name), now, folder)

    read()


# What is told of a reader that breaks its promise

GOOD = RelationMention("1", ("a", "b"), Span(0, 1), Span(1, 2), "r", "train")
HALF = "\ud83d"


class Toy(CorpusReader):
    """A reader that does what it is told to do."""

    about = About(headline="accuracy")

    def __init__(self, read: Callable[[Path], Corpus]) -> None:
        super().__init__()
        self._read = read

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        return self._read(path)


def fail(error: Exception) -> Corpus:
    raise error


BROKEN: dict[str, tuple[Callable[[Path], Corpus], str]] = {
    "an error that names no file": (lambda path: fail(DataError("it is bad")), "an error that names no file: it is bad"),
    "an example that is lost": (lambda path: Corpus((GOOD,)), "2 examples in the files, 1 read or left out"),
    "an example too many": (lambda path: Corpus((GOOD,), {"x": 2}), "2 examples in the files, 3 read or left out"),
    "a span outside": (
        lambda path: Corpus((RelationMention("1", ("a",), Span(0, 1), Span(1, 2), "r", "train"),)),
        "mention '1': expected two spans in text order within 1 tokens, found (0, 1) and (1, 2)",
    ),
    "an identifier twice": (lambda path: Corpus((GOOD, GOOD)), "an identifier that two mentions have"),
    "a fault that is not counted": (
        lambda path: Corpus((GOOD,), {"x": 1}, (), (Fault(Place(path, 1), "y"),)),
        "faults that are not counted: {'y': 1}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_promise_is_told(tmp_path: Path, case: str) -> None:
    read, told = BROKEN[case]
    with pytest.raises(BrokenPromiseError) as raised:
        judge(Toy(read), lambda files: 2, {}, tmp_path / "read")
    assert str(raised.value) == told


class ToyText(TextReader):
    """A reader of one sentence, which tells what it is told to tell."""

    about = About()

    def __init__(self, sentence: LinkedSentence, **told: Any) -> None:
        super().__init__()
        self._sentence, self._told = sentence, told

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        vars(notes).update(self._told)
        yield self._sentence


def linked(*mentions: tuple[int, int, str], tokens: tuple[str, ...] = ("a", "b")) -> LinkedSentence:
    return LinkedSentence("s", tokens, tuple(LinkedMention(*mention) for mention in mentions))


ONE, TWO = LinkedMention(0, 1, "Q"), LinkedMention(1, 2, "Q")
BROKEN_TEXTS: dict[str, tuple[ToyText, str]] = {
    "no tokens": (ToyText(linked(tokens=())), "sentence 's': no tokens, or an empty one"),
    "an empty token": (ToyText(linked(tokens=("a", ""))), "sentence 's': no tokens, or an empty one"),
    "a mention outside": (
        ToyText(linked((1, 3, "Q"))),
        "sentence 's': mentions outside 2 tokens: (LinkedMention(start=1, end=3, entity='Q'),)",
    ),
    "another order": (
        ToyText(linked(TWO, ONE)),
        f"sentence 's': mentions that overlap, or not in text order: {(TWO, ONE)}",
    ),
    "no entity": (ToyText(linked((0, 1, " "))), "sentence 's': a mention without an entity"),
    "no tree": (
        ToyText(LinkedSentence("s", ("a",), (), Parse(("N",), (0,), ("root",)))), "sentence 's': it has a cycle",
    ),
    "a fault that is not counted": (
        ToyText(linked(), faults=[Fault(Place(Path("x"), 1), "y")]), "faults that are not counted: {'y': 1}",
    ),
    "an example that is lost": (ToyText(linked()), "2 examples in the files, 1 read or left out"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_TEXTS)
def test_a_broken_promise_of_a_text_is_told(tmp_path: Path, case: str) -> None:
    broken, told = BROKEN_TEXTS[case]
    with pytest.raises(BrokenPromiseError) as raised:
        judge(broken, lambda files: 2, {}, tmp_path / "read")
    assert str(raised.value) == told


@pytest.mark.parametrize(
    "broken",
    [
        ToyText(linked(tokens=(HALF,))),
        ToyText(linked((0, 1, HALF))),
        ToyText(LinkedSentence(HALF, ("a",), ())),
        ToyText(linked(), names={HALF: "Q"}),
        ToyText(linked(), remarks=[HALF]),
    ],
)
def test_a_text_that_cant_be_written_is_told(tmp_path: Path, broken: ToyText) -> None:
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        judge(broken, None, {}, tmp_path / "read")


def test_a_text_that_is_right_is_returned(tmp_path: Path) -> None:
    notes = TextNotes(Counter(x=1), names={"n": "Q"})
    outcome = judge(ToyText(linked(ONE, TWO), **vars(notes)), lambda files: 2, {}, tmp_path / "read")
    assert outcome == Text((linked(ONE, TWO),), notes)


def test_a_reader_of_both_is_judged_by_both(tmp_path: Path) -> None:
    class Both(Toy, ToyText):
        def __init__(self, sentence: LinkedSentence) -> None:
            ToyText.__init__(self, sentence)
            self._read = lambda path: Corpus((GOOD,))

    assert judge(Both(linked()), lambda files: 1, {}, tmp_path / "read") == Corpus((GOOD,))
    with pytest.raises(BrokenPromiseError, match="sentence 's': a mention without an entity"):
        judge(Both(linked((0, 1, ""))), lambda files: 1, {}, tmp_path / "read")


def test_a_slow_reading_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_readings, "LONGEST", 0.0)
    with pytest.raises(BrokenPromiseError, match=r"^a reading that took \d\.\d s$"):
        judge(Toy(lambda path: Corpus((GOOD,))), None, {}, tmp_path / "read")


def test_a_crash_is_passed_on_and_so_is_text_that_cant_be_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="label"):
        judge(Toy(lambda path: fail(KeyError("label"))), None, {}, tmp_path / "read")
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        judge(Toy(lambda path: Corpus((GOOD,), remarks=(HALF,))), None, {}, tmp_path / "read")
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        judge(Toy(lambda path: fail(DataError(f"{path}: {HALF}"))), None, {}, tmp_path / "read")


def test_what_is_right_is_returned(tmp_path: Path) -> None:
    whole = Corpus((GOOD,), {"x": 1}, (), (Fault(Place(tmp_path, 1), "x"),))
    assert judge(Toy(lambda path: whole), lambda files: 2, {}, tmp_path / "read") == whole
    error = DataError(f"{tmp_path / 'read'}: expected examples")
    assert judge(Toy(lambda path: fail(error)), lambda files: 2, {}, tmp_path / "read") is error


# Long runs


def test_a_run_counts_what_came_of_it(tmp_path: Path) -> None:
    fuzzing = Fuzzing("tacred", tmp_path / "read", tmp_path / "saved")
    at_random(fuzzing, 0.5, seed=1)
    told = fuzzing.told().split("\n")
    assert re.fullmatch(r"tacred: [\d,]+ executions in [01] s, \d+ a second", told[0])
    assert re.fullmatch(r"corpora read: [1-9][\d,]*, of [1-9][\d,]* mentions", told[1])
    assert re.fullmatch(r"examples that can't be used: [1-9][\d,]*, for \d+ reasons", told[2])
    assert any(re.fullmatch(r"DataErrors: [1-9][\d,]*, of \d+ kinds", line) for line in told)
    assert any(line.endswith("  FILE, line N: expected example N as JSON, found ...") for line in told)
    assert told[-1] == "broken: 0 kinds"
    assert not (tmp_path / "saved").exists()


def test_a_run_over_a_reader_of_text_counts_its_sentences(tmp_path: Path) -> None:
    fuzzing = Fuzzing("docred", tmp_path / "read", tmp_path / "saved")
    at_random(fuzzing, 0.5, seed=1)
    told = fuzzing.told().split("\n")
    assert re.fullmatch(r"texts read: [1-9][\d,]*, of [1-9][\d,]* sentences", told[1])
    assert told[-1] == "broken: 0 kinds"


BRITTLE = """
from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

class Brittle(CorpusReader):
    '''It does not expect an empty line.'''
    files = ("train.txt",)
    about = About(headline="accuracy")

    def read(self, path):
        labels = [line.split()[0] for line in (path / "train.txt").read_text(errors="replace").split("\\n")]
        return Corpus(tuple(
            RelationMention(str(at), ("a", "b"), Span(0, 1), Span(1, 2), label, "train")
            for at, label in enumerate(labels)
        ))
"""


def test_an_input_that_breaks_a_reader_is_saved_once(
    tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("corpus", "brittle", BRITTLE)
    monkeypatch.setitem(SEEDS, "brittle", ({"train.txt": b"x\ny"},))
    fuzzing = Fuzzing("brittle", tmp_path / "read", tmp_path / "saved")
    at_random(fuzzing, 0.5, seed=1)
    (saved,) = (
        folder for kind, folder in fuzzing.broken.items() if kind.startswith("IndexError at acme_brittle.py:10: ")
    )
    assert f"  IndexError at acme_brittle.py:10: list index out of range\n    saved: {saved}" in fuzzing.told()
    with pytest.raises(IndexError):
        judge(reader("brittle"), None, {"train.txt": (saved / "train.txt").read_bytes()}, tmp_path / "again")


def test_the_command_line_runs_and_reads_a_saved_input_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["fuzz.py", "fewrel", "--plain", "--seconds", "0.2", "--save", str(tmp_path / "saved")]
    )
    assert fuzz.main() == 0
    assert capsys.readouterr().out.startswith("fewrel: ")
    fuzz_readings.write({**SEEDS["fewrel"][0], "pid2name.json.gz/": b""}, tmp_path / "input")
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "fewrel", "--input", str(tmp_path / "input")])
    assert fuzz.main() == 0
    assert "expected one file pid2name.json, found pid2name.json and pid2name.json.gz" in capsys.readouterr().out


# Changes


@pytest.mark.parametrize(("name", "files"), SEEDED)
def test_changes_are_those_of_the_seed_and_leave_the_files_as_they_are(name: str, files: Files) -> None:
    before = dict(files)
    several = [changed(files, Random(seed)) for seed in range(100)]
    assert several == [changed(files, Random(seed)) for seed in range(100)]
    assert files == before
    assert sum(now != before for now in several) > 60


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_.-]{0,5}/?", fullmatch=True), st.binary().filter(lambda b: b"\0" not in b)
    )
)
def test_files_are_packed_for_atheris_and_unpacked_again(files: Files) -> None:
    assert unpacked(packed(files)) == files


@given(st.binary())
def test_any_bytes_are_files_or_none(data: bytes) -> None:
    assert all(re.fullmatch(r"\w[\w.-]{0,60}/?", name) for name in unpacked(data))
