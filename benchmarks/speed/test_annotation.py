"""Throughput of parsing KBP37's sentences with Stanza, in our batches, against Stanza called sentence by sentence.

Both are the best of several rounds that take turns within one process, so that a machine that is busy for a while slows
both alike. The models are those that HARNESS_STANZA_DIR names.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.datasets.annotation import CHUNK, Annotator, models_folder
from harness.datasets.parses import Tokens
from harness.datasets.sources import read_corpus
from harness.errors import DataError

ALONE, ROUNDS = 100, 3


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> list[Tokens]:
    """A thousand sentences of KBP37, drawn once."""
    home: Path = tmp_path_factory.mktemp("home")
    try:
        mentions = read_corpus("kbp37", home).corpus.mentions
    except DataError as error:
        pytest.skip(str(error))
    return random.Random(0).sample(list(dict.fromkeys(mention.tokens for mention in mentions)), 4 * CHUNK)


def test_batches_beat_single_sentences(benchmark: BenchmarkFixture, sentences: list[Tokens]) -> None:
    folder = models_folder(None)
    if folder is None:
        pytest.skip("HARNESS_STANZA_DIR names no folder of Stanza's models")
    torch.set_num_threads(1)
    annotator = Annotator(folder)
    in_order = sorted(sentences, key=len)
    alone = in_order[:: len(in_order) // ALONE]  # of all lengths
    reference: list[float] = []

    def batches() -> None:
        for at in range(0, len(in_order), CHUNK):
            annotator.parse(in_order[at : at + CHUNK])

    def take_turns() -> None:
        reference.append(_seconds(lambda: [annotator.parse([tokens]) for tokens in alone]) / len(alone))

    benchmark.pedantic(batches, setup=take_turns, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    assert benchmark.stats is not None
    seconds = benchmark.stats.stats.min / len(in_order)
    gain = min(reference) / seconds
    benchmark.extra_info |= {"sentences a second": round(1 / seconds, 1), "times single sentences": round(gain, 2)}
    assert gain >= 1.2


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
