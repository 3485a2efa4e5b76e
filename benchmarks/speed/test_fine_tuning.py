"""Throughput of fine-tuning bilstm on KBP37's own lengths: against random padded batches, and against the processor.

Every figure is the best of several rounds that take turns within one process, so that a machine that is busy for a
while slows all of them alike.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from encoders.bilstm import BiLSTM
from harness.artifacts import Artifact
from harness.batching import Features, Indices, Inputs, training_batches
from harness.datasets.sources import read_corpus
from harness.errors import DataError
from harness.specs import Training
from harness.training import Examples, FineTuning, Model

WIDTH, HIDDEN, CLASSES, BATCH, UPDATES, ROUNDS = 100, 200, 37, 32, 100, 8
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> Indices:
    """Tokens of every reading of KBP37: both arguments and the words between."""
    home: Path = tmp_path_factory.mktemp("home")
    try:
        mentions = read_corpus("kbp37", home).corpus.mentions
    except DataError as error:
        pytest.skip(str(error))
    return np.array([mention.second.start - mention.first.end + 2 for mention in mentions])


def test_fine_tuning_beats_random_padded_batches_and_half_the_matrix_peak(
    benchmark: BenchmarkFixture, lengths: Indices
) -> None:
    torch.set_num_threads(1)
    train = Examples(np.arange(len(lengths)), np.random.default_rng(0).integers(CLASSES, size=len(lengths)), lengths)
    fine_tuning = _fine_tuning(lengths)
    dev = Examples(*(array[:1] for array in (train.mentions, train.labels, train.lengths)))
    ours = training_batches(lengths, BATCH, np.random.default_rng(1))
    padded = _random_batches(len(lengths))
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    tokens: list[int] = []
    reference: dict[str, list[float]] = {"peak": [], "padded": []}

    def update(batches: list[Indices]) -> None:
        fine_tuning.run(train, iter(batches), dev, lambda predicted: 0.0)

    def take_turns() -> tuple[tuple[list[Indices]], dict[str, object]]:
        reference["peak"] += [_seconds(lambda: left @ right) for _ in range(5)]
        random = list(itertools.islice(padded, UPDATES))
        reference["padded"].append(_seconds(lambda: update(random)))
        bucketed = list(itertools.islice(ours, UPDATES))
        tokens.append(2 * sum(int(lengths[batch].sum()) for batch in bucketed))
        return (bucketed,), {}

    benchmark.pedantic(update, setup=take_turns, rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert benchmark.stats is not None

    seconds = benchmark.stats.stats.min
    # A multiplication and an addition for each weight and token forward, as many for the weights' gradient, and for
    # the recurrent weights once more to go back a step; the input vectors are frozen and take no gradient.
    operations = np.mean(tokens) * 2 * (2 * (WIDTH + HIDDEN) + HIDDEN) * 4 * HIDDEN
    share = operations / seconds / (2 * 1024**3 / min(reference["peak"]))
    gain = min(reference["padded"]) / seconds
    benchmark.extra_info |= {
        "mentions a second": round(BATCH * UPDATES / seconds),
        "times random padded batches": round(gain, 2),
        "share of the matrix peak": round(float(share), 3),
    }
    assert gain >= 2
    assert share >= 0.5


def _fine_tuning(lengths: Indices) -> FineTuning:
    generator = torch.Generator().manual_seed(0)
    start = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]))
    words = torch.randn(20_000, WIDTH, generator=generator)
    tokens = torch.randint(len(words), (int(start[-1]),), generator=generator, dtype=torch.int32)
    prepared = Artifact({"tokens": tokens, "tokens.start": start, "words": words}, {})
    encoder = BiLSTM(WIDTH, BiLSTM.Parameters(hidden=HIDDEN), generator)
    features = Features(Artifact({}, {"features": 0}), (), np.arange(1), CPU)
    training = Training(batch_size=BATCH, min_updates=UPDATES, max_updates=UPDATES, dev_points=1)
    inputs = Inputs(prepared, torch.empty(0, WIDTH), CPU)
    return FineTuning(Model(encoder, 0, CLASSES, generator), inputs, features, training)


def _random_batches(count: int) -> Iterator[Indices]:
    generator = np.random.default_rng(2)
    while True:
        order = generator.permutation(count)
        yield from (order[at : at + BATCH] for at in range(0, count - BATCH, BATCH))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
