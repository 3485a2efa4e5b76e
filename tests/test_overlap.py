"""Sentences that runs are scored on and that a text has too: counted as a set intersection would, kept, told of."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import MakePlugin, Printed
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.artifacts import ArtifactStore
from harness.contracts import RelationMention, Span
from harness.datasets.overlap import Overlap, evaluation_sentences, overlaps
from harness.datasets.sources import Request
from harness.datasets.splits import Split
from harness.datasets.texts import SourceText, read_text
from harness.grid import resolve

Sentence = tuple[str, ...]


def write(file: Path, sentences: Sequence[Sentence]) -> Path:
    """A text of these sentences, each with a mention at either end."""
    lines = [{"tokens": s, "mentions": [[0, 1, s[0]], [len(s) - 1, len(s), s[-1]]]} for s in sentences]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return file


def read(file: Path, home: Path) -> SourceText:
    return read_text(Request("linked-jsonl", (), str(file)), home, None, lambda line: None)


def mentions(*sentences: Sentence) -> list[RelationMention]:
    return [
        RelationMention(str(at), tokens, Span(0, 1), Span(len(tokens) - 1, len(tokens)), "r", "train")
        for at, tokens in enumerate(sentences)
    ]


A, B, C, D = (tuple(f"{name} met bob".split()) for name in ("ann", "ben", "cat", "dan"))


@pytest.fixture
def text(tmp_path: Path) -> SourceText:
    return read(write(tmp_path / "news.jsonl", [A, B, A]), tmp_path / "home")


def test_sentences_of_dev_and_test_count_once_and_those_of_train_not_at_all() -> None:
    split = Split(np.array([0, 5]), np.array([1, 2]), np.array([3, 4]))
    assert evaluation_sentences(mentions(A, B, B, B, C, D), split) == {B, C}


def test_what_is_shared_is_of_the_same_tokens(text: SourceText, tmp_path: Path) -> None:
    near = [("Ann", *A[1:]), (*A, "."), A[1:], ("ann met", "bob")]
    evaluated = {"all": frozenset({A, B, C}), "near": frozenset(near), "none": frozenset({C, D}), "empty": frozenset()}
    assert overlaps(text, "news", evaluated, ArtifactStore(tmp_path), print) == {
        "all": Overlap(2, 3), "near": Overlap(0, 4), "none": Overlap(0, 2), "empty": Overlap(0, 0)
    }  # fmt: skip


sentences_of_few_words = st.lists(st.sampled_from(["x", "y", "x y", "é"]), min_size=2, max_size=3).map(tuple)


@settings(max_examples=30)
@given(
    written=st.lists(sentences_of_few_words, min_size=1, max_size=8),
    corpora=st.lists(st.frozensets(sentences_of_few_words, max_size=6), max_size=3),
)
def test_the_numbers_are_those_of_sets(
    written: list[Sentence], corpora: list[frozenset[Sentence]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("text")
    source = read(write(folder / "news.jsonl", written), folder)
    evaluated = {str(at): sentences for at, sentences in enumerate(corpora)}
    store = ArtifactStore(folder / "artifacts")
    found = overlaps(source, "news", evaluated, store, lambda line: None)
    assert found == {name: (len(own & set(written)), len(own)) for name, own in evaluated.items()}
    assert overlaps(source, "news", evaluated, store, lambda line: None) == found


def test_a_text_is_read_once_for_all_corpora_and_never_again(text: SourceText, tmp_path: Path) -> None:
    store, told = ArtifactStore(tmp_path), list[str]()
    first = {"one": frozenset({A, C}), "two": frozenset({B})}
    assert overlaps(text, "news", first, store, told.append) == {"one": (1, 2), "two": (1, 1)}
    assert told == ["Looking for dev and test sentences in news (once)"]
    gone = dataclasses.replace(text, folder=tmp_path / "gone")
    assert overlaps(gone, "news", first, store, told.append) == {"one": (1, 2), "two": (1, 1)}
    assert len(told) == 1
    with pytest.raises(FileNotFoundError):
        overlaps(gone, "news", first | {"three": frozenset({D})}, store, told.append)
    with pytest.raises(FileNotFoundError):
        overlaps(dataclasses.replace(gone, digest="another"), "news", first, store, told.append)


# In a grid

CORPUS = """
    from harness.contracts import *

    class Small(CorpusReader):
        about = About()

        def read(self, path):
            parts = ("train", "train", "dev", "test", "test")
            return Corpus(tuple(
                RelationMention(str(at), (f"x{at}", "met", "y"), Span(0, 1), Span(2, 3), "ab"[at % 2], parts[at % 5])
                for at in range(20)
            ))
"""
GRID = """
corpora    = [{name = "small", split = "official"}, {name = "small", split = "official", sample = 15}]
encoders   = ["bilstm"]
strategies = ["stepwise"]
vectors    = "v.txt"
sizes      = [5]
replicates = 2
texts      = [{name = "linked-jsonl", path = "news.jsonl", selection = ["random", "whole"]}, "target"]
"""


@pytest.fixture
def home(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_plugin("corpus", "small", CORPUS)
    (tmp_path / "v.txt").write_text("met 1 0\ny 0 1\n")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return tmp_path / "home"


def test_a_resolved_grid_has_the_numbers_of_every_corpus(home: Path, printed: Printed) -> None:
    write(home.parent / "news.jsonl", [(f"x{at}", "met", "y") for at in (0, 2, 3, 4, 7, 30)])  # 2 and 7 are dev
    resolved = resolve("g", GRID, home)
    whole, sampled = resolved.corpora.values()
    split, corpus = sampled.split, sampled.source.corpus
    names = {int(corpus.mentions[at].identifier) for at in (*split.dev, *split.test)}
    expected = {whole.label: [4, 12], sampled.label: [len(names & {2, 3, 4, 7}), len(names)]}
    by_selection = {text["selection"]: text.get("shared") for text in resolved.plain["texts"]}
    assert by_selection == {"random": expected, "whole": expected, "target-train": None}
    assert printed()[1].count("Looking for dev and test sentences in news (once)\n") == 1

    resolve("g", GRID, home)
    assert printed() == ("", "")
