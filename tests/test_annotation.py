"""Stanza's parses: tokens stay the corpus's, a kill costs little, models are told apart, what is no model is told.

The models are those that HARNESS_STANZA_DIR names.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.collection import tree_fault
from harness.contracts import Parse
from harness.datasets.annotation import Annotated, Annotator, annotate, models_folder
from harness.datasets.parses import ParseSet, Tokens
from harness.errors import DataError, HarnessError
from harness.scheduler import pools

EXPECTED = (
    "expected a folder of Stanza's models, resources.json with en/pos, en/lemma and en/depparse, as "
    "stanza.download('en', FOLDER) makes it; name one: --stanza-dir FOLDER"
)
SENTENCE = ("The", "cat", "sat", "on", "the", "mat", ".")


@pytest.fixture(scope="module")
def models() -> Path:
    folder = os.environ.get("HARNESS_STANZA_DIR")
    if not folder:
        pytest.skip("HARNESS_STANZA_DIR names no folder of Stanza's models")
    return Path(folder)


@pytest.fixture(scope="module")
def annotator(models: Path) -> Annotator:
    return Annotator(models)


@pytest.fixture
def parse_set(tmp_path: Path, annotator: Annotator) -> ParseSet:
    return ParseSet.create(tmp_path, "stanza", annotator.maker, annotator.files)


def sentences(count: int, longest: int = 12) -> list[Tokens]:
    """English-like sentences of several lengths, all different."""
    drawn = random.Random(count)
    nouns, verbs = ["dog", "city", "bank", "Ann", "company", "river", "law"], ["saw", "bought", "left", "owns"]
    made: dict[Tokens, None] = {}
    while len(made) < count:
        size = drawn.randrange(1, longest)
        clause = [word for _ in range(size) for word in ("the", drawn.choice(nouns), drawn.choice(verbs))]
        made[(*clause, "it", ".")] = None
    return list(made)


def annotated(chosen: list[Tokens], parse_set: ParseSet, annotator: Annotator, pool: Any = None) -> Annotated:
    identifiers = {tokens: f"s{number}" for number, tokens in enumerate(chosen)}
    return annotate(identifiers, parse_set, annotator, pool, lambda done, total: None)


def test_a_simple_sentence(annotator: Annotator) -> None:
    (parse,) = annotator.parse([SENTENCE])
    assert parse == Parse(
        ("DT", "NN", "VBD", "IN", "DT", "NN", "."),
        (1, 2, -1, 5, 5, 2, 2),
        ("det", "nsubj", "root", "case", "det", "obl", "punct"),
    )


def test_every_sentence_gets_its_own_parse_and_none_is_parsed_twice(parse_set: ParseSet, annotator: Annotator) -> None:
    chosen = sentences(600, 5)
    told: list[tuple[int, int]] = []
    done = annotate(dict.fromkeys(chosen[:300], "s"), parse_set, annotator, None, lambda *count: told.append(count))
    assert (done.parsed, done.before, done.failed) == (300, 0, ())
    assert told[0] == (0, 300) and told[-1] == (300, 300)
    done = annotated(chosen, parse_set, annotator)
    assert (done.parsed, done.before) == (300, 300)
    assert done.pace == pytest.approx(300 / done.seconds)
    found = parse_set.parses(chosen)
    assert found.keys() == set(chosen)
    assert not [fault for tokens, parse in found.items() if (fault := tree_fault(parse, len(tokens)))]
    assert annotated(chosen, parse_set, annotator).parsed == 0


def test_a_sentence_alone_has_the_parse_that_it_has_in_a_batch(parse_set: ParseSet, annotator: Annotator) -> None:
    chosen = sentences(100)
    annotated(chosen, parse_set, annotator)
    found = parse_set.parses(chosen)
    same = words = 0
    for tokens in chosen[:40]:
        (alone,) = annotator.parse([tokens])
        assert isinstance(alone, Parse)
        batched = found[tokens]
        pairs = zip(zip(alone.tags, alone.heads, alone.labels, strict=True),
                    zip(batched.tags, batched.heads, batched.labels, strict=True), strict=True)  # fmt: skip
        same += sum(one == other for one, other in pairs)
        words += len(tokens)
    assert same / words > 0.99


STRANGE = {
    "a hard blank": "\xa0",
    "an empty token": "",
    "a blank": " ",
    "a line's end": "\n",
    "blanks within": "New\xa0 York",
    "a tab within": "a\tb",
    "a line's end within": "a\nb",
    "no letter that is seen": "​",
    "an emoji": "😀",
    "a very long token": "https://" + 20_000 * "x",
    "a token of Stanza's own": "<PAD>",
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_strange_token_is_parsed_and_stays_the_corpuss(parse_set: ParseSet, annotator: Annotator, what: str) -> None:
    tokens = ("The", "cat", "saw", STRANGE[what], "there", ".")
    start = time.perf_counter()
    done = annotated([tokens, SENTENCE], parse_set, annotator)
    assert time.perf_counter() - start < 10
    assert (done.parsed, done.failed) == (2, ())
    found = parse_set.parses([tokens, SENTENCE])
    assert found[tokens].tags[:2] == ("DT", "NN")
    assert len(found[tokens].heads) == 6
    assert found[SENTENCE].tags == ("DT", "NN", "VBD", "IN", "DT", "NN", ".")


def test_a_sentence_that_cannot_be_parsed_is_told_and_the_others_are_parsed(
    parse_set: ParseSet, annotator: Annotator
) -> None:
    done = annotated([SENTENCE, (), ("Hi", "!")], parse_set, annotator)
    assert done.parsed == 2
    assert done.failed == ("s1: Stanza can't parse the sentence, for it has no tokens: ''",)
    assert parse_set.parses([SENTENCE, (), ("Hi", "!")]).keys() == {SENTENCE, ("Hi", "!")}


def test_workers_give_the_parses_that_this_process_gives(
    tmp_path: Path, parse_set: ParseSet, annotator: Annotator
) -> None:
    chosen = sentences(260, 4)
    annotated(chosen, parse_set, annotator)
    other = ParseSet.create(tmp_path, "other", annotator.maker, annotator.files)
    with pools.local(1) as pool:
        assert annotated(chosen, other, annotator, pool.executor).parsed == 260
    assert other.parses(chosen) == parse_set.parses(chosen)


@pytest.mark.slow
def test_workers_that_die_are_told(parse_set: ParseSet, annotator: Annotator) -> None:
    over = threading.Event()

    def kill(pool: pools.DaskPool) -> None:
        """Whenever a worker has sentences."""
        while not over.wait(0.2):
            if any(pool._client.processing().values()):
                for process in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):
                        if "spawn_main" in " ".join(process.cmdline()):
                            process.kill()

    with pools.local(1) as pool, ThreadPoolExecutor(1) as killer:
        assert isinstance(pool, pools.DaskPool)
        killer.submit(kill, pool)
        try:
            with pytest.raises(HarnessError) as raised:
                annotated(sentences(2000), parse_set, annotator, pool.executor)
        finally:
            over.set()
    assert str(raised.value) == (
        "a process that parses sentences died; expected it to live. Is there enough memory? What is parsed is kept, "
        "and the same command goes on; fewer --workers need less"
    )


# Killed


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text of 1,000 sentences: some seconds of work."""
    file = tmp_path / "sentences.txt"
    file.write_text("".join(f"{' '.join(tokens)}\n" for tokens in sentences(1000)))
    return file


def command(text: Path, models: Path, *more: str) -> list[str]:
    home = text.parent / "home"
    run = [sys.executable, "-m", "harness", "data", "annotate", str(text), "--home", str(home)]
    return [*run, "--stanza-dir", str(models), *more]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_what_is_killed_or_interrupted_goes_on_where_it_stopped(text: Path, models: Path, sent: signal.Signals) -> None:
    chunks = text.parent / "home" / "parses" / "stanza"
    process = subprocess.Popen(command(text, models, "--workers", "1"), stderr=subprocess.PIPE, text=True)
    try:
        waited = time.monotonic() + 120
        while not list(chunks.glob("chunk-*")):
            assert process.poll() is None and time.monotonic() < waited
            time.sleep(0.02)
    finally:
        process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    if sent == signal.SIGINT:
        assert process.returncode == 130
        kept = f"What is parsed is kept in {chunks}; the same command goes on with the rest.\nharness: interrupted\n"
        assert said.endswith(kept)
    before = len(ParseSet(text.parent / "home", "stanza"))
    assert 250 <= before < 1000
    ran = subprocess.run(command(text, models, "--workers", "0"), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert f"1,000 sentences, 1,000 distinct; {1000 - before:,} parsed in " in ran.stdout
    assert f"; {before:,} were there already; 0 can't be parsed\n" in ran.stdout
    assert len(ParseSet(text.parent / "home", "stanza")) == 1000


# Models


@pytest.fixture
def copied(tmp_path: Path, models: Path) -> Iterator[Path]:
    """The models in a folder that can be changed."""
    folder = tmp_path / "models"
    for file in models.rglob("*"):
        if file.is_file():
            target = folder / file.relative_to(models)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    yield folder
    shutil.rmtree(folder)


def test_models_are_known_by_their_bytes_wherever_they_lie(copied: Path, annotator: Annotator) -> None:
    moved = Annotator(copied)
    assert moved.maker == annotator.maker
    assert moved.maker["name"] == "stanza" and len(moved.maker["models"]) == 16
    assert "pos/ewt_glove.pt" in moved.files and not [file for file in moved.files if file.startswith("tokenize")]


def test_other_models_get_a_set_of_their_own(copied: Path, parse_set: ParseSet) -> None:
    import torch

    lemmas = copied / "en" / "lemma" / "ewt_glove.pt"
    torch.save({**torch.load(lemmas, weights_only=False), "another": 1}, lemmas)
    other = Annotator(copied)
    with pytest.raises(DataError) as raised:
        ParseSet.create(parse_set.folder.parents[1], "stanza", other.maker, other.files)
    assert str(raised.value) == (
        f"the parse set 'stanza' in {parse_set.folder} has another maker: it has models {parse_set.maker['models']}; "
        f"the new parses have models {other.maker['models']}. Give them a set of their own: --name ANOTHER"
    )


def _cut(folder: Path) -> None:
    file = folder / "en" / "pos" / "ewt_glove.pt"
    file.write_bytes(file.read_bytes()[:100_000])


NO_MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a missing folder": (shutil.rmtree, "found no folder"),
    "another folder": (lambda f: (f / "resources.json").unlink(), "found a folder without resources.json"),
    "no JSON": (
        lambda f: (f / "resources.json").write_text("{"), "found models that can't be loaded: JSONDecodeError: "
    ),
    "no English": (
        lambda f: (f / "resources.json").write_text("{}"),
        "found models that can't be loaded: ValueError: No processors to load for language en",
    ),
    "a model that is cut": (_cut, "found models that can't be loaded: "),
    "a model that is missing": (
        lambda f: (f / "en" / "depparse" / "ewt_glove.pt").unlink(),
        "found models that can't be loaded: FileNotFoundError: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", NO_MODELS)
def test_a_folder_that_is_none_of_models_is_told(copied: Path, fault: str) -> None:
    spoil, found = NO_MODELS[fault]
    spoil(copied)
    try:
        with pytest.raises(DataError) as raised:
            Annotator(copied)
    finally:
        copied.mkdir(exist_ok=True)
    assert str(raised.value).startswith(f"{copied}: {found}")
    assert str(raised.value).endswith(f"; {EXPECTED}")


def test_the_folder_of_models_is_the_one_asked_for_else_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HARNESS_STANZA_DIR", "/models")
    assert models_folder(Path("mine")) == Path("mine")
    assert models_folder(None) == Path("/models")
    monkeypatch.setenv("HARNESS_STANZA_DIR", "")
    assert models_folder(None) is None


def test_without_a_folder_and_without_network_what_to_name_is_told(tmp_path: Path) -> None:
    program = "from harness.datasets.annotation import Annotator\nAnnotator(None)\n"
    surroundings = os.environ | {"STANZA_RESOURCES_DIR": str(tmp_path / "none"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    ran = subprocess.run([sys.executable, "-c", program], env=surroundings, capture_output=True, text=True)
    assert "harness.errors.HarnessError: Stanza's English models are not here, and can't be downloaded: " in ran.stderr
    assert ran.stderr.endswith(
        ". Where there is no network, name a folder of models: --stanza-dir DIR or HARNESS_STANZA_DIR\n"
    )
