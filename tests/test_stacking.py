"""Runs trained as one stack: every run learns what it learns alone, and what can't be stacked is run alone."""

from __future__ import annotations

import dataclasses
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import MakePlugin
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from encoders.bilstm import BiLSTM
from encoders.deptree_lstm import DependencyTreeLSTM
from encoders.handcrafted import Handcrafted
from encoders.mean import Mean
from encoders.pcnn import PositionCNN
from harness import runner, stages
from harness.artifacts import Artifact, ArtifactStore
from harness.batching import (
    Features,
    Indices,
    Inputs,
    StackedFeatures,
    StackedInputs,
    reading_lengths,
    training_batches,
)
from harness.contracts import Encoder
from harness.datasets import prepared
from harness.datasets.prepared import ragged
from harness.datasets.unlabelled import TextMaker
from harness.directions import outputs
from harness.errors import DivergedError
from harness.grid import ResolvedGrid, resolve
from harness.runner import Outcome
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec
from harness.stacking import PlainLSTM, Stack, stack_key
from harness.training import Curve, Examples, FineTuning, Model
from harness.vocabulary import Words

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

CPU = torch.device("cpu")
WIDTH, LABELS, MENTIONS, WORDS, ENTITIES, FEATURES = 5, 4, 48, 12, 6, 9
TRAIN, DEV, TEST = slice(0, 24), slice(24, 36), slice(36, 48)
TRAINING = Training(batch_size=8, min_updates=60, max_updates=60, dev_points=3)

ENCODERS: dict[str, Callable[[torch.Generator], Encoder]] = {
    "bilstm": lambda chance: BiLSTM(WIDTH, BiLSTM.Parameters(hidden=6), chance),
    "bilstm, vinyals": lambda chance: BiLSTM(WIDTH, BiLSTM.Parameters(hidden=6, cell="vinyals"), chance),
    "pcnn": lambda chance: PositionCNN(WIDTH, PositionCNN.Parameters(hidden=6, position_size=3, clip=4), chance),
    "deptree-lstm": lambda chance: DependencyTreeLSTM(WIDTH, DependencyTreeLSTM.Parameters(hidden=6), chance),
    "mean": lambda chance: Mean(WIDTH, Mean.Parameters(), chance),
    "handcrafted": lambda chance: Handcrafted(0, Handcrafted.Parameters(), chance),
}


# Against each run alone: models


def rows_of(seed: int, below: int, shortest: int, longest: int) -> list[list[int]]:
    """A row of random numbers for each mention."""
    chance = np.random.default_rng(seed)
    return [chance.integers(0, below, chance.integers(shortest, longest + 1)).tolist() for _ in range(MENTIONS)]


def arrays(reads: str, precision: torch.dtype) -> Artifact:
    """A prepared corpus whose mentions differ in length, with features."""
    words = torch.from_numpy(np.random.default_rng(0).standard_normal((WORDS, WIDTH))).to(precision)
    tensors = {"words": words}
    tensors["tokens"], tensors["tokens.start"] = ragged(rows_of(1, WORDS + ENTITIES, 2, 9))
    if reads == "paths":
        tensors["tokens_2"], tensors["tokens_2.start"] = ragged(rows_of(2, WORDS + ENTITIES, 1, 6))
    tensors["features.all"], tensors["features.all.start"] = ragged(rows_of(3, FEATURES, 0, 5))
    return Artifact(tensors, {"features": FEATURES})


@dataclasses.dataclass
class Learner:
    """A run with all that it needs, under a seed of its own."""

    tuning: FineTuning
    train: Examples
    dev: Examples
    test: Examples
    order: Iterator[Indices]

    def dev_score(self, predicted: Indices) -> float:
        return float(np.mean(predicted == self.dev.labels))


def learner(
    encoder: str,
    seed: int,
    features: bool = True,
    roles: bool = False,
    trainable: bool = True,
    training: Training = TRAINING,
    precision: torch.dtype = torch.float64,
) -> Learner:
    chance = np.random.default_rng((4, seed))
    made = ENCODERS[encoder](torch.Generator().manual_seed(seed)).requires_grad_(trainable)
    corpus = arrays(made.reads, precision)
    labels, heads = np.random.default_rng(5).integers(0, LABELS, MENTIONS), np.zeros(MENTIONS, np.int64)
    if roles:
        heads += np.random.default_rng(6).integers(1, 3, MENTIONS)
    told_apart = outputs(labels, heads, LABELS, None)
    shuffled = chance.permutation(MENTIONS)
    lengths = reading_lengths(corpus if made.size else None, np.arange(MENTIONS))

    def examples(part: slice) -> Examples:
        chosen = shuffled[part]
        return Examples(chosen, told_apart.gold[chosen], lengths[chosen])

    train, dev, test = map(examples, (TRAIN, DEV, TEST))
    table = Features(corpus, ("all",) if features else (), train.mentions[: 12 + seed], CPU)
    entities = torch.from_numpy(chance.standard_normal((ENTITIES, WIDTH))).to(precision)
    inputs = Inputs(corpus, entities, CPU, made.positions) if made.size else None
    model = Model(made, table.size, len(told_apart.scored), torch.Generator().manual_seed(seed + 50)).to(precision)
    tuning = FineTuning(model, inputs, table, training, told_apart.mask(CPU))
    if made.standardise:
        tuning.standardise(shuffled, lengths[shuffled])
    return Learner(tuning, train, dev, test, training_batches(train.lengths, training.batch_size, chance))


def run_stack(learners: Sequence[Learner]) -> tuple[Stack, list[Curve | DivergedError]]:
    stack = Stack([one.tuning for one in learners])
    columns = ([one.train for one in learners], [one.order for one in learners], [one.dev for one in learners])
    return stack, stack.run(*columns, [one.dev_score for one in learners])


def check_alike(make: Callable[[int], Learner], tolerance: float, seeds: Sequence[int] = (0, 1)) -> None:
    """Curves, scores and predictions of each run in a stack are those alone."""
    stack, curves = run_stack([make(seed) for seed in seeds])
    alone = [make(seed) for seed in seeds]
    tests = [one.test for one in alone]
    before = [one.tuning.scores(one.test.mentions) for one in alone]
    stacked, predicted = stack.scores(tests, [np.arange(len(one.mentions)) for one in tests]), stack.predict(tests)
    for one, first, found, scores, outputs_ in zip(alone, before, curves, stacked, predicted, strict=True):
        curve = one.tuning.run(one.train, one.order, one.dev, one.dev_score)
        expected = one.tuning.scores(one.test.mentions)
        assert isinstance(found, Curve)
        assert (found.update, found.dev, found.best) == (curve.update, curve.dev, curve.best)
        assert found.loss == pytest.approx(curve.loss, rel=1e-5)
        torch.testing.assert_close(scores, expected, rtol=0, atol=tolerance)
        assert not torch.allclose(expected, first, rtol=0, atol=0.01)  # it has learned
        two = expected.topk(2).values
        certain = (two[:, 0] - two[:, 1] > 2 * tolerance).numpy()
        np.testing.assert_array_equal(outputs_[certain], one.tuning.predict(one.test)[certain])
        assert certain.mean() > 0.9


@pytest.mark.parametrize("features", [True, False], ids=["features", "no features"])
@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name != "handcrafted"])
def test_each_run_learns_what_it_learns_alone(encoder: str, features: bool) -> None:
    """In double precision, where no rounding decides where a weight goes whose first gradient is next to nothing."""
    check_alike(partial(learner, encoder, features=features), 1e-9)


def test_so_it_does_in_a_larger_stack_and_by_features_alone() -> None:
    check_alike(partial(learner, "handcrafted"), 1e-9, seeds=range(5))


@pytest.mark.parametrize("encoder", ["bilstm", "handcrafted"])
def test_outputs_of_the_other_direction_are_closed_as_alone(encoder: str) -> None:
    check_alike(partial(learner, encoder, roles=True), 1e-9)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_in_single_precision_too(encoder: str) -> None:
    training = dataclasses.replace(TRAINING, initial_accumulator=0.1)
    check_alike(partial(learner, encoder, training=training, precision=torch.float32), 1e-4)


@pytest.mark.parametrize("encoder", ["bilstm", "pcnn"])
def test_frozen_encoders_stay_as_they_are_and_their_classifiers_learn(encoder: str) -> None:
    check_alike(partial(learner, encoder, trainable=False), 1e-9)


def test_the_parameters_of_training_are_the_same() -> None:
    training = dataclasses.replace(TRAINING, l2=0.1, learning_rate=0.3, initial_accumulator=0.5, epsilon=0.1)
    check_alike(partial(learner, "bilstm", training=training), 1e-9)


def test_runs_in_a_stack_are_left_as_they_are() -> None:
    learners = [learner("bilstm", seed) for seed in (0, 1)]
    before = [{name: weight.clone() for name, weight in one.tuning.model.state_dict().items()} for one in learners]
    run_stack(learners)
    for one, state in zip(learners, before, strict=True):
        assert all(torch.equal(weight, state[name]) for name, weight in one.tuning.model.state_dict().items())


def spoilt(seed: int) -> Learner:
    """Of seed 1, an entity's vector is no number, and mentions with it come after update 25 alone."""
    made = learner("bilstm", seed)
    if seed == 1:
        corpus = arrays("between", torch.float64).tensors
        rows = torch.tensor_split(corpus["tokens"], corpus["tokens.start"][1:-1])
        has_it = np.array([WORDS in rows[mention].tolist() for mention in made.train.mentions])
        assert 0 < has_it.sum() < len(has_it)
        assert made.tuning.inputs is not None
        made.tuning.inputs.vectors[WORDS] = torch.nan
        early, late = (np.resize(np.flatnonzero(found), TRAINING.batch_size) for found in (~has_it, has_it))
        made.order = iter([early] * 25 + [late] * 35)
    return made


def test_a_run_that_diverges_ends_as_alone_and_the_others_go_on() -> None:
    stack, found = run_stack([spoilt(seed) for seed in range(3)])
    alone = [spoilt(seed) for seed in range(3)]
    with pytest.raises(DivergedError) as error:
        alone[1].tuning.run(alone[1].train, alone[1].order, alone[1].dev, alone[1].dev_score)
    assert "between update 20 and 40 of 60" in str(error.value)
    assert isinstance(found[1], DivergedError)
    assert str(found[1]) == str(error.value)
    scores = stack.scores([one.test for one in alone], [np.arange(len(one.test.mentions)) for one in alone])
    for place in (0, 2):
        one, curve = alone[place], found[place]
        assert isinstance(curve, Curve)
        assert curve.dev == one.tuning.run(one.train, one.order, one.dev, one.dev_score).dev
        torch.testing.assert_close(scores[place], one.tuning.scores(one.test.mentions), rtol=0, atol=1e-9)


def test_a_stack_whose_runs_have_all_diverged_ends() -> None:
    def endless(seed: int) -> Learner:
        made = learner(
            "mean", seed, training=dataclasses.replace(TRAINING, min_updates=10**6, max_updates=10**6, dev_points=10**5)
        )
        assert made.tuning.inputs is not None
        made.tuning.inputs.vectors[:] = torch.nan
        return made

    _, found = run_stack([endless(0), endless(1)])
    assert [str(one).partition(";")[0] for one in found] == [
        "the loss became nan between update 0 and 10 of 1000000"
    ] * 2


# What a stack reads


@given(
    st.lists(st.lists(st.integers(0, MENTIONS - 1), min_size=3, max_size=3), min_size=1, max_size=4), st.integers(0, 3)
)
@settings(max_examples=20)
@pytest.mark.parametrize("encoder", ["pcnn", "deptree-lstm"])
def test_each_run_reads_its_own_vectors_and_what_it_would_read_alone(
    encoder: str, chosen: list[list[int]], longer: int
) -> None:
    runs = [learner(encoder, seed).tuning.inputs for seed in range(len(chosen))]
    alone = [run for run in runs if run is not None]
    mentions = np.array(chosen)
    stacked = StackedInputs(alone)
    batches = [inputs.batch(row) for inputs, row in zip(alone, mentions, strict=True)]
    longest = longer + max(batch.readings[0].tokens.shape[1] for batch in batches)
    for which, parts in enumerate(stacked.readings(torch.from_numpy(mentions), longest)):
        for run, batch in enumerate(batches):
            found, expected = stacked.reading(*(part[run] for part in parts)), batch.readings[which]
            assert found.tokens.shape[1] == longest
            assert torch.equal(found.lengths, expected.lengths)
            inside = expected.mask()
            width = inside.shape[1]
            assert torch.equal(found.inputs()[:, :width][inside], expected.inputs()[inside])
            assert not found.mask()[:, width:].any()
            assert (found.positions is None) == (expected.positions is None) == (encoder != "pcnn")
            if found.positions is not None and expected.positions is not None:
                assert torch.equal(found.positions[:, :width][inside], expected.positions[inside])


@given(st.lists(st.lists(st.integers(0, MENTIONS - 1), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=20)
def test_each_run_has_the_features_that_it_has_alone(chosen: list[list[int]]) -> None:
    alone = [learner("handcrafted", seed).tuning.features for seed in range(len(chosen))]
    mentions = np.array(chosen)
    stacked = StackedFeatures(alone, CPU)
    batch = stacked.batch(mentions)
    assert stacked.bounds.tolist() == np.cumsum([0, *(one.size for one in alone)]).tolist()
    assert batch.touched.tolist() == sorted(set(batch.touched[batch.rows].tolist()))
    rows = torch.tensor_split(batch.touched[batch.rows], batch.offsets[1:])
    for run, (features, own) in enumerate(zip(alone, mentions, strict=True)):
        expected = features.batch(own)
        for place, owned in enumerate(torch.tensor_split(expected.touched[expected.rows], expected.offsets[1:])):
            assert rows[run * len(own) + place].tolist() == (owned + int(stacked.bounds[run])).tolist()


# Operations that vmap does not take


@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("started", [True, False], ids=["from given states", "from zeros"])
def test_the_plain_lstm_is_torchs(bias: bool, started: bool) -> None:
    chance = torch.Generator().manual_seed(0)
    theirs, ours = nn.LSTM(3, 4, bias=bias, batch_first=True).double(), PlainLSTM(3, 4, bias)
    inputs = torch.randn(2, 5, 3, generator=chance, dtype=torch.float64, requires_grad=True)
    start = (torch.randn(1, 2, 4, generator=chance).double(), torch.randn(1, 2, 4, generator=chance).double())
    given_ = (inputs, start) if started else (inputs,)
    weights: dict[str, Tensor] = dict(theirs.named_parameters())
    assert weights.keys() == dict(ours.named_parameters()).keys()
    expected, (hidden, memory) = theirs(*given_)
    found, states = torch.func.functional_call(ours, weights, given_)
    torch.testing.assert_close([found, *states], [expected, hidden, memory])
    slopes = [torch.autograd.grad(one.pow(2).sum(), [inputs, *weights.values()]) for one in (found, expected)]
    torch.testing.assert_close(*slopes)


# Whole runs

TOY = (Path(__file__).parent / "contract" / "toy.py").read_text(encoding="utf-8")
"""A corpus of eighteen mentions with parses, and a text of their sentences."""

GRID = """
corpora    = {{name = "toy", split = "official", negative = "keep"}}
encoders   = {encoders}
strategies = {strategies}
vectors    = "toy-vectors.txt"
replicates = {replicates}
{texts}
[training]
features            = {features}
initial_accumulator = 0.1  # where it is 0, a weight whose first gradient is next to nothing goes where rounding sends it
batch_size          = 6
min_updates         = 60
max_updates         = 60
dev_points          = 3
"""
TEXTS = 'texts = {name = "toy", selection = "whole"}'
VOCABULARY = "founded was by never saw left met for unlike who in the Ada Grace Hopper Acme Initech Globex".split()


@dataclasses.dataclass
class Home:
    """A folder with the prepared data of a grid."""

    grid: ResolvedGrid
    store: ArtifactStore

    @property
    def specs(self) -> list[RunSpec]:
        return list(self.grid.runs.values())

    def alone(self, spec: RunSpec) -> Outcome:
        return runner.execute(spec, self.store, "cpu", "micro_f1_positive", "no_relation", "0123456789ab")

    def stacked(self, specs: Sequence[RunSpec]) -> list[Outcome]:
        """What becomes of a stack, without a warning."""
        told = "micro_f1_positive", "no_relation", "0123456789ab"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcomes = runner.execute_stack(specs, self.store, "cpu", *told)
        assert not [str(warning.message) for warning in caught]
        return outcomes


MakeHome = Callable[..., Home]


@pytest.fixture
def make_home(make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeHome:
    """`make_home(encoders, strategies)`: a grid of the toy corpus, and the data that its runs read."""
    make_plugin("corpus", "toy", TOY)
    vectors = zip(VOCABULARY, np.random.default_rng(0).standard_normal((len(VOCABULARY), 6)), strict=True)
    lines = (f"{word} {' '.join(map(str, vector))}" for word, vector in vectors)
    (tmp_path / "toy-vectors.txt").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))

    def make(encoders: str, strategies: str, replicates: int = 2, features: str = "true", texts: str = "") -> Home:
        asked = {"encoders": encoders, "strategies": strategies, "replicates": replicates, "features": features}
        home = Home(resolve("toy", GRID.format(**asked, texts=texts), tmp_path), ArtifactStore(tmp_path / "artifacts"))
        for spec in home.specs:
            prepare(home, spec)
        return home

    return make


def prepare(home: Home, spec: RunSpec) -> None:
    """Make what a run reads; of entity vectors and encoders, the run makes those that are missing."""
    entry, reads, vectors = home.grid.corpus_of(spec), stages.reads(spec), spec.vectors
    load = home.grid.vectors[vectors.digest].load if vectors else None
    prepared.ensure(home.store, spec.corpus, vectors, entry.source, load, reads)
    if spec.text and load:
        text, mentions = home.grid.text_of(spec), entry.source.corpus.mentions
        maker = TextMaker(spec, text.source, text.linker, mentions, entry.split, lambda: Words(load(), "hash"))
        maker.ensure(home.store, reads, stages.with_target(spec))


def lasting(outcome: Outcome) -> str:
    """A record without what time it was and how long it took, and the predictions."""
    record = {name: value for name, value in outcome.record.items() if name not in ("seconds", "finished")}
    record["pretraining"] = {**(record.get("pretraining") or {}), "seconds": None}
    return json.dumps([record, *(one if one is None else one.tolist() for one in (outcome.gold, outcome.predicted))])


def check_same(alone: Outcome, stacked: Outcome, together: int) -> None:
    """The two records tell the same, but for how many were stacked, the time, and the last digits of the losses."""
    one, two = alone.record, stacked.record
    assert one["status"] == two["status"] == "complete", two["error"]
    assert "stacked" not in one["environment"]
    assert two["environment"] == {**one["environment"], "stacked": together}
    assert two["curve"].pop("loss") == pytest.approx(one["curve"].pop("loss"), rel=1e-4)
    environment = {"environment": None}
    same = [dataclasses.replace(each, record=each.record | environment) for each in (alone, stacked)]
    assert lasting(same[0]) == lasting(same[1])


def by_key(specs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    stacks: dict[str, list[RunSpec]] = {}
    for spec in specs:
        stacks.setdefault(stack_key(spec), []).append(spec)
    return list(stacks.values())


def test_a_run_with_dropout_trains_alone_and_one_of_a_study_beside_its_like() -> None:
    from test_specs import SPEC

    def key(**changes: Any) -> str:
        training = dataclasses.replace(SPEC.training, dropout=changes.pop("dropout", None))
        return stack_key(dataclasses.replace(SPEC, training=training, **changes))

    assert key(replicate=0) == key(replicate=1)
    assert key(replicate=0, dropout=0.5) != key(replicate=1, dropout=0.5)
    assert key(replicate=0, dropout=0.0) == key(replicate=1, dropout=0.0)
    assert key(replicate=0, tuning=True) == key(replicate=1, tuning=True) != key(replicate=0)


SEQ = '{name = "seq-unshared", epochs = 2, skipgram_epochs = 2}'
FROZEN = '{name = "frozen-random", skipgram_epochs = 2}'


@pytest.mark.parametrize(
    ("encoder", "strategies", "stacks"),
    [
        ("bilstm", f'["none", "avg-embed", {SEQ}, {FROZEN}]', [6, 2]),
        ("pcnn", f'["avg-embed", {SEQ}]', [4]),
        ("deptree-lstm", f'["avg-embed", {SEQ}]', [4]),
    ],
)
def test_runs_of_all_kinds_of_strategies_score_what_they_score_alone(
    encoder: str, strategies: str, stacks: list[int], make_home: MakeHome
) -> None:
    """Entity vectors differ, some encoders have been pre-trained, and some are not trained at all."""
    home = make_home(f'{{name = "{encoder}", hidden = 8}}', strategies, texts=TEXTS)
    found = by_key(home.specs)
    assert [len(specs) for specs in found] == stacks
    for specs in found:
        for spec, outcome in zip(specs, home.stacked(specs), strict=True):
            assert outcome.record["key"] == spec.key
            check_same(home.alone(spec), outcome, len(specs))


def test_encoders_without_weights_score_what_they_score_alone(make_home: MakeHome) -> None:
    home = make_home('["mean", "handcrafted"]', '["none", "avg-embed"]', features="[true, false]")
    stacks = by_key(home.specs)
    assert sorted(map(len, stacks)) == [2, 4, 4]
    for specs in stacks:
        for spec, outcome in zip(specs, home.stacked(specs), strict=True):
            check_same(home.alone(spec), outcome, len(specs))


BILSTM = '{name = "bilstm", hidden = 8}'


def test_a_stack_of_one_is_the_run_alone(make_home: MakeHome) -> None:
    home = make_home(BILSTM, '["none"]', replicates=1)
    (outcome,) = home.stacked(home.specs)
    assert lasting(outcome) == lasting(home.alone(home.specs[0]))


def test_the_same_stack_comes_to_the_same_bits(make_home: MakeHome) -> None:
    home = make_home(BILSTM, '["none", "avg-embed"]')
    first, second = (list(map(lasting, home.stacked(home.specs))) for _ in range(2))
    assert first == second
    assert all('"stacked": 4' in told for told in first)


def test_the_seconds_of_a_stack_are_shared_out(make_home: MakeHome) -> None:
    home = make_home(BILSTM, '["none"]', replicates=3)
    started = time.perf_counter()
    seconds = [outcome.record["seconds"] for outcome in home.stacked(home.specs)]
    assert sum(each["total"] for each in seconds) <= time.perf_counter() - started
    for name in ("training", "scoring"):
        assert seconds[0][name] == seconds[1][name] == seconds[2][name] > 0
    for each in seconds:
        assert each["total"] == pytest.approx(each["start_up"] + each["training"] + each["scoring"])
    assert len({each["start_up"] for each in seconds}) == 3


# What goes wrong

SPOILT = """
    from dataclasses import dataclass

    import torch

    from harness.contracts import EntityVectors, Strategy


    @dataclass(frozen=True)
    class Vectors(EntityVectors):
        def of_names(self, names, generator):
            {made}


    class Spoilt(Strategy):
        def entity_vectors(self):
            return Vectors()
"""


def spoil(make_plugin: MakePlugin, made: str) -> None:
    make_plugin("strategy", "spoilt", SPOILT.format(made=made))


def test_a_run_that_diverges_fails_as_alone(make_plugin: MakePlugin, make_home: MakeHome) -> None:
    spoil(make_plugin, "return torch.full((len(names.entity_words), names.word_vectors.shape[1]), torch.inf)")
    home = make_home(BILSTM, '["none", "spoilt", "avg-embed"]', replicates=1)
    first, spoilt_, last = home.stacked(home.specs)
    alone = [home.alone(spec) for spec in home.specs]
    check_same(alone[0], first, 3)
    check_same(alone[2], last, 3)
    record, expected = spoilt_.record, alone[1].record
    assert record["error"] == expected["error"]
    assert record["error"]["type"] == "DivergedError"
    assert record["error"]["message"].startswith("the loss became nan between update 0 and 20 of 60; ")
    assert record.keys() == expected.keys()
    assert record["environment"]["stacked"] == 3
    assert set(record["seconds"]) == {"total"}
    assert (spoilt_.gold, spoilt_.predicted) == (None, None)


def test_a_run_that_cannot_be_set_up_fails_as_alone(make_plugin: MakePlugin, make_home: MakeHome) -> None:
    spoil(make_plugin, 'raise RuntimeError("no vectors today")')
    home = make_home(BILSTM, '["none", "spoilt", "avg-embed"]', replicates=1)
    first, broken, last = home.stacked(home.specs)
    check_same(home.alone(home.specs[0]), first, 2)
    check_same(home.alone(home.specs[2]), last, 2)
    assert (broken.record["status"], broken.record["error"]["message"]) == ("failed", "no vectors today")
    assert "stacked" not in broken.record["environment"]
    one_left = home.stacked(home.specs[:2])
    assert [outcome.record["status"] for outcome in one_left] == ["complete", "failed"]
    assert lasting(one_left[0]) == lasting(home.alone(home.specs[0]))


ODD = """
    import dataclasses
    from typing import Literal

    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from harness.contracts import Capability, Encoder
    from harness.parameters import parameter


    class Odd(Encoder):
        @dataclasses.dataclass(frozen=True)
        class Parameters:
            way: Literal[
                "started", "bags", "padded bags", "gru", "host", "drawn", "counts"
            ] = parameter("gru", "how")

        offers = frozenset({Capability.VECTORS, Capability.WEIGHTS})

        def __init__(self, width, parameters, generator):
            super().__init__(width, parameters, generator)
            self.way, self.size_ = parameters.way, width
            self.table = nn.Parameter(torch.randn(5, width, generator=generator))
            self.register_buffer("seen", torch.zeros(()))
            self.drawn = torch.randn(width, generator=generator)
            kind = nn.GRU if self.way == "gru" else nn.LSTM
            self.cell = kind(width, width, bias=False, batch_first=True)
            with torch.no_grad():
                for weight in self.cell.parameters():
                    weight.uniform_(-0.5, 0.5, generator=generator)

        @property
        def size(self):
            return self.size_

        def represent(self, batch):
            reading = batch.readings[0]
            inputs = reading.inputs() * reading.mask()[..., None]
            pairs = torch.stack([reading.lengths, reading.lengths + 1], 1) % 5
            match self.way:
                case "started":
                    start = self.table[:1].expand(1, batch.size, -1)
                    _, (hidden, memory) = self.cell(inputs[:, :2], (start, torch.zeros_like(start)))
                    return hidden[0] + memory[0]
                case "gru":
                    return self.cell(inputs)[0][:, 0]
                case "bags":
                    return functional.embedding_bag(pairs, self.table)
                case "padded bags":
                    return functional.embedding_bag(pairs, self.table, mode="sum", padding_idx=0)
                case "host":
                    return inputs.sum(1) * self.table[0] / int(reading.lengths.max())
                case "drawn":
                    return inputs.sum(1) * self.table[0] + self.drawn
                case "counts":
                    self.seen += 1
                    return inputs.sum(1) * self.table[0] / self.seen
"""


@pytest.mark.parametrize("way", ["started", "bags"])
def test_an_outsiders_encoder_is_stacked_too(way: str, make_plugin: MakePlugin, make_home: MakeHome) -> None:
    make_plugin("encoder", "odd", ODD)
    home = make_home(f'{{name = "odd", way = "{way}"}}', '["none"]')
    for spec, outcome in zip(home.specs, home.stacked(home.specs), strict=True):
        check_same(home.alone(spec), outcome, 2)


@pytest.mark.parametrize("way", ["gru", "padded bags", "host", "drawn", "counts"])
def test_an_encoder_that_cannot_be_stacked_runs_alone(way: str, make_plugin: MakePlugin, make_home: MakeHome) -> None:
    """vmap refuses it or would do it slowly and warn; or it holds a tensor that is no weight, or changes as it reads."""
    make_plugin("encoder", "odd", ODD)
    home = make_home(f'{{name = "odd", way = "{way}"}}', '["none"]')
    for spec, outcome in zip(home.specs, home.stacked(home.specs), strict=True):
        assert outcome.record["status"] == "complete", outcome.record["error"]
        assert lasting(outcome) == lasting(home.alone(spec))


# Which runs may be stacked

SPEC = RunSpec(
    corpus=CorpusSpec("toy", "0", "official", 0, None),
    vectors=VectorsSpec("v", "0", "hash"),
    text=TextSpec("mine", "0", "random", 20, 100),
    encoder=PluginSpec("bilstm", {"hidden": 8}),
    strategy=PluginSpec("seq-unshared", {"learning_rate": 0.1}),
    training=Training(features=()),
    size=50,
    replicate=0,
)


@pytest.mark.parametrize(
    "changed",
    [
        {"replicate": 3},
        {"strategy": PluginSpec("none", {}), "text": None},
        {"strategy": PluginSpec("seq-unshared", {"learning_rate": 0.2})},
        {"text": TextSpec("mine", "1", "target-pairs", 20)},
        {"vary": ("order",)},
        {"crossed": 2},
    ],
    ids=str,
)
def test_runs_of_equal_shapes_have_one_key(changed: dict[str, Any]) -> None:
    assert stack_key(dataclasses.replace(SPEC, **changed)) == stack_key(SPEC)


@pytest.mark.parametrize(
    "changed",
    [
        {"corpus": CorpusSpec("toy", "1", "official", 0, None)},
        {"corpus": CorpusSpec("toy", "0", "official", 1, None)},
        {"vectors": VectorsSpec("v", "1", "hash")},
        {"vectors": None},
        {"encoder": PluginSpec("bilstm", {"hidden": 9})},
        {"encoder": PluginSpec("deptree-lstm", {"hidden": 8})},
        {"training": Training(features=("lexical",))},
        {"training": Training(features=(), learning_rate=0.1)},
        {"size": 51},
        {"strategy": PluginSpec("frozen-random", {"learning_rate": 0.1})},
    ],
    ids=str,
)
def test_runs_of_other_shapes_have_other_keys(changed: dict[str, Any]) -> None:
    assert stack_key(dataclasses.replace(SPEC, **changed)) != stack_key(SPEC)
