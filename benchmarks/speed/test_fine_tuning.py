"""Throughput of fine-tuning on KBP37's own lengths: against random padded batches, and against the processor.

Every figure is the best of several rounds that take turns within one process, so that a machine that is busy for a
while slows all of them alike.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from encoders.bilstm import BiLSTM
from encoders.deptree_lstm import DependencyTreeLSTM
from encoders.mean import Mean
from encoders.pcnn import PositionCNN
from harness.artifacts import Artifact
from harness.batching import Features, Indices, Inputs, reading_lengths, training_batches
from harness.contracts import Encoder, RelationMention
from harness.datasets.conllu_files import import_parses
from harness.datasets.sources import data_folders, read_corpus
from harness.errors import DataError
from harness.readings import paths
from harness.specs import Training
from harness.training import Examples, FineTuning, Model

WIDTH, HIDDEN, CLASSES, BATCH, UPDATES, ROUNDS = 100, 200, 37, 32, 100, 8
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Lengths:
    """Tokens of the first and the second reading of every mention, and where the figures are from."""

    first: Indices
    second: Indices
    source: str = "KBP37"


@pytest.fixture(scope="module")
def mentions(tmp_path_factory: pytest.TempPathFactory) -> Sequence[RelationMention]:
    """The mentions of KBP37."""
    home: Path = tmp_path_factory.mktemp("home")
    try:
        return read_corpus("kbp37", home).corpus.mentions
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def between(mentions: Sequence[RelationMention]) -> Lengths:
    """Both arguments and the words between, forward and reversed."""
    lengths = np.array([mention.second.start - mention.first.end + 2 for mention in mentions])
    return Lengths(lengths, lengths)


@pytest.fixture(scope="module")
def along_paths(
    mentions: Sequence[RelationMention], between: Lengths, tmp_path_factory: pytest.TempPathFactory
) -> Lengths:
    """The paths of KBP37's parses, `kbp37.*.conllu*` in a folder of HARNESS_DATA; without them, half the words."""
    home: Path = tmp_path_factory.mktemp("parses")
    files = sorted(file for folder in data_folders(home) for file in folder.glob("*/kbp37.*.conllu*"))
    if not files:
        half = (between.first + 1) // 2
        return Lengths(half, half, "half of what stands between, for want of parses")
    parses = import_parses(files, mentions).parses
    found = [paths(replace(mention, parse=parses[mention.tokens])) for mention in mentions if mention.tokens in parses]
    first, second = [len(one.first) for one in found], [len(one.second) for one in found]
    return Lengths(np.array(first), np.array(second), f"paths of {len(found):,} mentions")


def test_fine_tuning_beats_random_padded_batches_and_half_the_matrix_peak(
    benchmark: BenchmarkFixture, between: Lengths
) -> None:
    gain, share = _measure(benchmark, BiLSTM(WIDTH, BiLSTM.Parameters(hidden=HIDDEN), _generator()), between, _lstm)
    assert gain >= 2
    assert share >= 0.5


def test_fine_tuning_along_paths_beats_random_padded_batches(benchmark: BenchmarkFixture, along_paths: Lengths) -> None:
    encoder = DependencyTreeLSTM(WIDTH, DependencyTreeLSTM.Parameters(hidden=HIDDEN), _generator())
    gain, share = _measure(benchmark, encoder, along_paths, _lstm)
    assert gain >= 1.2
    assert share >= 0.3


def test_fine_tuning_by_convolution_beats_random_padded_batches(benchmark: BenchmarkFixture, between: Lengths) -> None:
    encoder = PositionCNN(WIDTH, PositionCNN.Parameters(hidden=HIDDEN), _generator())
    gain, share = _measure(benchmark, encoder, between, _cnn)
    assert gain >= 1.2
    assert share >= 0.2


def test_fine_tuning_the_control_without_weights(benchmark: BenchmarkFixture, between: Lengths) -> None:
    gain, _ = _measure(benchmark, Mean(WIDTH, Mean.Parameters(), _generator()), between, lambda tokens, longest: 0)
    assert gain >= 0.9  # no matrix product but the classifier's: padding costs it little


Operations = Callable[[int, int], float]
"""Those of an update on a batch with so many tokens, in both readings, and so many in its longest reading."""


def _lstm(tokens: int, longest: int) -> float:
    """A multiplication and an addition for each weight and token forward, as many for the weights' gradient.

    For the recurrent weights once more, to go back a step; the input vectors are frozen and take no gradient.
    """
    return tokens * 2 * (2 * (WIDTH + HIDDEN) + HIDDEN) * 4 * HIDDEN


def _cnn(tokens: int, longest: int) -> float:
    """The words' as above; those of the positions for each distance in use, their vectors' gradient with them.

    The sums of the positions' parts, two for each place in a window, are no matrix product and are left out.
    """
    parameters = PositionCNN.Parameters()
    distances = 2 * (2 * min(parameters.clip, longest - 1) + 1)
    words = 2 * tokens * WIDTH
    return 2 * (words + 3 * distances * parameters.position_size) * parameters.window * HIDDEN


def _measure(
    benchmark: BenchmarkFixture, encoder: Encoder, lengths: Lengths, operations: Operations
) -> tuple[float, float]:
    """How often our batches go into the time of random padded ones, and the share of the processor's matrix peak."""
    torch.set_num_threads(1)
    prepared = _prepared(lengths, encoder.reads)
    count = len(lengths.first)
    longer = reading_lengths(prepared, np.arange(count))
    train = Examples(np.arange(count), np.random.default_rng(0).integers(CLASSES, size=count), longer)
    fine_tuning = _fine_tuning(encoder, prepared)
    dev = Examples(*(array[:1] for array in (train.mentions, train.labels, train.lengths)))
    ours = training_batches(longer, BATCH, np.random.default_rng(1))
    padded = _random_batches(count)
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    work: list[float] = []
    reference: dict[str, list[float]] = {"peak": [], "padded": []}

    def update(batches: list[Indices]) -> None:
        fine_tuning.run(train, iter(batches), dev, lambda predicted: 0.0)

    def take_turns() -> tuple[tuple[list[Indices]], dict[str, object]]:
        reference["peak"] += [_seconds(lambda: left @ right) for _ in range(5)]
        random = list(itertools.islice(padded, UPDATES))
        reference["padded"].append(_seconds(lambda: update(random)))
        bucketed = list(itertools.islice(ours, UPDATES))
        tokens = [int((lengths.first[batch] + lengths.second[batch]).sum()) for batch in bucketed]
        longest = [int(longer[batch].max()) for batch in bucketed]
        work.append(sum(map(operations, tokens, longest)))
        return (bucketed,), {}

    benchmark.pedantic(update, setup=take_turns, rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert benchmark.stats is not None

    seconds = benchmark.stats.stats.min
    share = float(np.mean(work)) / seconds / (2 * 1024**3 / min(reference["peak"]))
    gain = min(reference["padded"]) / seconds
    benchmark.extra_info |= {
        "lengths": lengths.source,
        "mentions a second": round(BATCH * UPDATES / seconds),
        "times random padded batches": round(gain, 2),
        **({"share of the matrix peak": round(share, 3)} if share else {}),
    }
    return gain, share


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _prepared(lengths: Lengths, reads: str) -> Artifact:
    """Random words in readings of these lengths."""
    generator = _generator()
    words = torch.randn(20_000, WIDTH, generator=generator)
    tensors = {"words": words}
    named = {"tokens": lengths.first, "tokens_2": lengths.second} if reads == "paths" else {"tokens": lengths.first}
    for name, each in named.items():
        start = torch.from_numpy(np.concatenate([[0], np.cumsum(each)]))
        tensors[f"{name}.start"] = start
        tensors[name] = torch.randint(len(words), (int(start[-1]),), generator=generator, dtype=torch.int32)
    return Artifact(tensors, {})


def _fine_tuning(encoder: Encoder, prepared: Artifact) -> FineTuning:
    features = Features(Artifact({}, {"features": 0}), (), np.arange(1), CPU)
    training = Training(batch_size=BATCH, min_updates=UPDATES, max_updates=UPDATES, dev_points=1)
    inputs = Inputs(prepared, torch.empty(0, WIDTH), CPU, encoder.positions)
    return FineTuning(Model(encoder, 0, CLASSES, _generator()), inputs, features, training)


def _random_batches(count: int) -> Iterator[Indices]:
    generator = np.random.default_rng(2)
    while True:
        order = generator.permutation(count)
        yield from (order[at : at + BATCH] for at in range(0, count - BATCH, BATCH))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
