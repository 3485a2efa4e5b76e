"""What runs stand on, made once and shared: entity vectors and pre-trained encoders, their keys, and whole runs."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import MakePlugin, forget_plugins, prepare_here, run_here, run_in

from harness import stages
from harness.artifacts import ArtifactStore
from harness.contracts import Encoder
from harness.datasets.prepared import inputs_key
from harness.errors import HarnessError
from harness.grid import ResolvedGrid, resolve
from harness.runner import Outcome
from harness.scheduler import pools
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec
from harness.testing.encoders import weights_of
from harness.training import Curve, FineTuning

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

CPU = torch.device("cpu")

# Keys

CORPUS = CorpusSpec("toy", "0", "official", 0, None)
TEXT = TextSpec("mine", "0", "random", 20, 100)


def run_spec(**changed: Any) -> RunSpec:
    usual: dict[str, Any] = {
        "corpus": CORPUS,
        "vectors": VectorsSpec("v", "0", "hash"),
        "text": TEXT,
        "encoder": PluginSpec("bilstm", {"hidden": 8}),
        "strategy": PluginSpec("seq-unshared", {"learning_rate": 0.1}),
        "training": Training(features=()),
        "size": 50,
        "replicate": 0,
    }
    return RunSpec(**usual | changed)


def moved(base: dict[str, Any], changed: dict[str, Any]) -> str:
    """Which of the two keys differ: `vectors`, `pretrained`, both or none."""
    one, two = run_spec(**base), run_spec(**base | changed)
    keys = {"vectors": stages.vectors_key, "pretrained": stages.pretrained_key}
    return " ".join(name for name, key in keys.items() if key(one) != key(two))


def text(**changed: Any) -> dict[str, Any]:
    return {"text": dataclasses.replace(TEXT, **changed)}


def strategy(name: str = "seq-unshared", **parameters: Any) -> dict[str, Any]:
    return {"strategy": PluginSpec(name, {"learning_rate": 0.1} | parameters)}


PATHS = {"encoder": PluginSpec("deptree-lstm", {"hidden": 8})}
HELD = {"vary": ("subset", "order")}


@pytest.mark.parametrize(
    ("base", "changed", "keys"),
    [
        ({}, {"size": 801, "training": Training(features=("lexical",), learning_rate=1.0)}, ""),
        ({}, {"corpus": CorpusSpec("other", "1", "paper", 3, "drop", 9, "p")}, ""),
        ({}, {"vectors": VectorsSpec("other", "0", "hash")}, ""),
        ({}, text(name="other", names="n", reader="r", parameters={"x": 1}), ""),
        ({}, {"vectors": VectorsSpec("v", "1", "hash")}, "vectors pretrained"),
        ({}, {"vectors": VectorsSpec("v", "0", "zero")}, "vectors pretrained"),
        ({}, text(digest="1"), "vectors pretrained"),
        ({}, text(sentences=99), "vectors pretrained"),
        ({}, text(selection="whole"), "vectors pretrained"),
        ({}, text(distance=9), "pretrained"),
        ({}, text(parses="p"), ""),
        (PATHS, text(parses="p"), "pretrained"),
        (PATHS, {"corpus": dataclasses.replace(CORPUS, parses="p")}, ""),
        ({}, PATHS, "pretrained"),
        ({}, {"encoder": PluginSpec("bilstm", {"hidden": 9})}, "pretrained"),
        ({}, {"encoder": PluginSpec("bilstm", {"hidden": 8, "cell": "vinyals"})}, "pretrained"),
        ({}, strategy(learning_rate=0.2), "pretrained"),
        ({}, strategy(epochs=9), "pretrained"),
        ({}, strategy("lm"), "pretrained"),
        ({}, strategy(skipgram_epochs=9), "vectors pretrained"),
        ({}, strategy(skipgram_text="text + target"), "vectors pretrained"),
        (strategy(skipgram_text="text + target"), {"corpus": dataclasses.replace(CORPUS, digest="1")}, "vectors pretrained"),
        (text(selection="target-pairs"), {"corpus": dataclasses.replace(CORPUS, digest="1")}, "vectors pretrained"),
        ({}, {"replicate": 1}, "vectors pretrained"),
        (HELD, {"replicate": 1}, ""),
        ({"vary": ("initialisation",)}, {"replicate": 1}, "pretrained"),
        ({"vary": ("sample",)}, {"replicate": 1}, "vectors pretrained"),
        ({"crossed": 3}, {"replicate": 1}, "pretrained"),
        ({"crossed": 3}, {"replicate": 3}, "vectors pretrained"),
    ],
)  # fmt: skip
def test_a_key_sees_what_decides_and_no_more(base: dict[str, Any], changed: dict[str, Any], keys: str) -> None:
    assert moved(base, changed) == keys


def test_who_has_neither() -> None:
    for name in (stages.VECTORS, stages.PRETRAINED):
        assert stages.key_of_stage(name, run_spec(text=None, **strategy("none"))) is None
    stepwise = run_spec(strategy=PluginSpec("stepwise", {}))
    assert stages.key_of_stage(stages.PRETRAINED, stepwise) is None
    assert stages.key_of_stage(stages.VECTORS, stepwise) == stages.vectors_key(run_spec())


STRATEGY = """
    from dataclasses import dataclass
    import torch
    from harness.contracts import *
    from harness.pretraining import Pretraining

    @dataclass(frozen=True)
    class _Ones(EntityVectors):
        def of_names(self, names, generator):
            return torch.ones(len(names.entity_words), names.word_vectors.shape[1])

        def of_text(self, text, generator):
            return 2 * self.of_names(text.names, generator)

    class _Tied(Objective):
        def __init__(self, encoder, mentions):
            super().__init__(encoder)
            self.decoder, self.of = encoder.lstm, mentions

        def loss(self, mentions, generator):
            return self.encoder.represent(self.of.batch(mentions)).square().mean()

    class Mine(Strategy):
        @dataclass(frozen=True)
        class Parameters(Pretraining):
            '''No others.'''

        needs = frozenset({Capability.VECTORS, Capability.WEIGHTS, Capability.CELL})
        text = "required"

        def entity_vectors(self):
            return _Ones()

        def objective(self, encoder, mentions, generator):
            return _Tied(encoder, mentions)
"""


def test_a_key_sees_the_code_that_makes_it(make_plugin: MakePlugin) -> None:
    folder = make_plugin("strategy", "mine", STRATEGY)
    spec = run_spec(**strategy("mine"))
    before = stages.vectors_key(spec), stages.pretrained_key(spec)
    file = folder / "acme_mine.py"
    file.write_text(file.read_text().replace("torch.ones", "torch.zeros"))
    assert (stages.vectors_key(spec), stages.pretrained_key(spec)) == before  # this process runs what it has read
    forget_plugins()
    assert stages.vectors_key(spec) != before[0]
    assert stages.pretrained_key(spec) != before[1]
    file.write_text(file.read_text().replace("torch.zeros", "torch.ones") + "\n# a comment\n")
    forget_plugins()
    assert (stages.vectors_key(spec), stages.pretrained_key(spec)) == before


# Small texts and targets

SMALL = """
    from harness.contracts import *

    class NAME(CorpusReader):
        about = About()

        def read(self, path):
            return Corpus(tuple(self.mentions()))

        def mentions(self):
            for at, part in enumerate(("train", "train", "train", "train", "dev", "dev", "test", "test")):
                for verb in ("met", "left"):
                    words = ("Ada", verb, "Acme") if at % 2 else ("Nobody", verb, "Globex")
                    words += ("of", str(at), "EXTRA")
                    yield RelationMention(f"{at} {verb}", words, Span(0, 1), Span(2, 3), verb, part)
"""
WORDS = "Ada Acme Nobody Globex met left of saw founded Lady Lovelace Inc".split()


@pytest.fixture
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small corpora, a text on Ada, as Lady Lovelace, and Acme; and word vectors."""
    make_plugin("corpus", "small", SMALL.replace("NAME", "Small").replace("EXTRA", ""))
    make_plugin("corpus", "other", SMALL.replace("NAME", "Other").replace("EXTRA", "!"))
    lines = [
        {"tokens": ["Lady", "Lovelace", verb, "Acme", "Inc"], "mentions": [[0, 2, "Q1"], [3, 5, "Q2"]], "id": f"{at}"}
        for at, verb in enumerate(("founded", "saw", "left", "of") * 5)
    ]
    news = tmp_path / "news"
    news.mkdir()
    (news / "sentences.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (news / "names.tsv").write_text("Ada\tQ1\nAcme\tQ2\nSomeone\tQ3\n")
    rows = np.random.default_rng(0).standard_normal((len(WORDS), 4))
    (tmp_path / "v.txt").write_text(
        "\n".join(f"{w} {' '.join(map(str, row))}" for w, row in zip(WORDS, rows, strict=True))
    )
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return tmp_path


GRID = """
corpora    = {corpora}
encoders   = {{name = "bilstm", hidden = 3}}
strategies = {strategies}
texts      = {texts}
vectors    = "v.txt"
sizes      = [4]
replicates = 1
[training]
features    = false
min_updates = 5
max_updates = 5
"""
NEWS = '{name = "linked-jsonl", path = "news", selection = "whole"}'


@pytest.fixture
def made(folder: Path) -> Callable[..., ResolvedGrid]:
    """A grid, resolved, whose data is prepared in the folder `home`."""

    def resolved(
        strategies: str, texts: str = NEWS, corpora: str = '{name = "small", split = "official"}'
    ) -> ResolvedGrid:
        asked = GRID.format(strategies=strategies, texts=texts, corpora=corpora)
        grid = resolve("small", asked, folder / "home")
        prepare_here(grid, folder / "home")
        return grid

    return resolved


Make = Callable[..., ResolvedGrid]


def run(grid: ResolvedGrid, home: Path) -> list[Outcome]:
    outcomes = run_here(grid, home)
    for outcome in outcomes:
        assert outcome.record["status"] == "complete", outcome.record["error"]
    return outcomes


def vectors_of(grid: ResolvedGrid, home: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The vectors of the target's entities, and of the text's, by entity, of a grid's one run."""
    (spec,) = grid.runs.values()
    store = ArtifactStore(home / "artifacts")
    assert spec.vectors is not None
    prepared = store.read("inputs", inputs_key(spec.corpus, spec.vectors))
    assert prepared is not None
    target = dict(zip(prepared.meta["entities"], stages.entity_vectors(spec, prepared, store), strict=True))
    text = stages.text_vectors(spec, store)
    return target, dict(zip(text.meta["entities"], text.tensors["vectors"], strict=True))


def test_a_linked_entity_has_the_texts_vector_and_another_one_its_names(made: Make, folder: Path) -> None:
    target, text = vectors_of(made('"avg-embed"'), folder / "home")
    lines = (line.split() for line in (folder / "v.txt").read_text().splitlines())
    word = {first: torch.tensor([float(number) for number in rest]) for first, *rest in lines}
    assert set(target) == {"ada", "acme", "nobody", "globex"}
    assert torch.equal(target["ada"], text["Q1"])
    assert torch.equal(target["acme"], text["Q2"])
    torch.testing.assert_close(text["Q1"], (word["Lady"] + word["Lovelace"]) / 2)
    torch.testing.assert_close(text["Q2"], (word["Acme"] + word["Inc"]) / 2)
    torch.testing.assert_close(target["nobody"], word["Nobody"])
    torch.testing.assert_close(target["globex"], word["Globex"])


def test_skip_gram_moves_the_linked_entities_alone(made: Make, folder: Path) -> None:
    averages, _ = vectors_of(made('"avg-embed"'), folder / "home")
    moved, text = vectors_of(made('{name = "stepwise", skipgram_epochs = 2}'), folder / "home")
    assert {name for name in moved if not torch.equal(moved[name], averages[name])} == {"ada", "acme"}
    assert torch.equal(moved["ada"], text["Q1"])


def test_the_targets_sentences_move_its_own_entities_too(made: Make, folder: Path) -> None:
    averages, _ = vectors_of(made('"avg-embed"'), folder / "home")
    asked = '{name = "stepwise", skipgram_epochs = 2, skipgram_text = "text + target"}'
    moved, _ = vectors_of(made(asked), folder / "home")
    assert {name for name in moved if not torch.equal(moved[name], averages[name])} == set(averages)
    own, _ = vectors_of(made('{name = "stepwise", skipgram_epochs = 2}', '"target"'), folder / "home")
    assert {name for name in own if torch.equal(own[name], averages[name])} == set()


def test_a_run_begins_with_the_encoder_that_pre_training_left(made: Make, folder: Path) -> None:
    grid = made('{name = "lm", epochs = 3, skipgram_epochs = 0}')
    (spec,) = grid.runs.values()
    store = ArtifactStore(folder / "home" / "artifacts")
    artifact = stages.pretrained(spec, store, CPU)
    assert artifact is not None
    first: Encoder = stages.make_encoder(spec.encoder, 4, 0)
    encoder: Encoder = stages.make_encoder(spec.encoder, 4, 0)
    stages.load_encoder(encoder, artifact)
    for name, weight in encoder.state_dict().items():
        assert torch.equal(weight, artifact.tensors[f"encoder.{name}"])
        assert not torch.equal(weight, first.state_dict()[name])
    told = artifact.meta["told"]
    assert told["best_epoch"] == int(np.argmin(told["held_out"])) > 0
    (outcome,) = run(grid, folder / "home")
    assert outcome.record["pretraining"] == told
    assert not list((folder / "home/artifacts/unfinished").iterdir())


def test_weights_that_an_objective_ties_are_kept(made: Make, folder: Path, make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "mine", STRATEGY)
    grid = made('{name = "mine", epochs = 2, patience = 2}')
    (outcome,) = run(grid, folder / "home")
    assert len(outcome.record["pretraining"]["loss"]) == 2
    target, text = vectors_of(grid, folder / "home")
    assert torch.equal(text["Q1"], torch.full((4,), 2.0))
    assert torch.equal(target["ada"], text["Q1"])
    assert torch.equal(target["nobody"], torch.ones(4))


@pytest.mark.parametrize(("name", "moves"), [("stepwise", True), ("frozen-random", False)])
def test_fine_tuning_moves_the_encoder_unless_the_strategy_forbids_it(
    name: str, moves: bool, made: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[torch.Tensor]] = []
    tune = FineTuning.run

    def look(tuning: Any, *given: Any) -> Curve:
        encoder, weight = tuning.model.encoder, tuning.model.weight
        before = weights_of(encoder), weight.detach().clone()
        curve = tune(tuning, *given)
        seen.append([before[0], weights_of(encoder), before[1], weight])
        return curve

    monkeypatch.setattr(FineTuning, "run", look)
    run(made(f'{{name = "{name}", skipgram_epochs = 0}}'), folder / "home")
    ((before, after, classifier, classifier_after),) = seen
    assert torch.equal(before, after) != moves
    assert not torch.equal(classifier, classifier_after)


EMPTIED = """
        def first_weights(self, encoder):
            for weight in encoder.parameters():
                weight.detach().zero_()
"""


def test_fine_tuning_starts_from_what_the_strategy_makes_of_the_weights(
    made: Make, folder: Path, monkeypatch: pytest.MonkeyPatch, make_plugin: MakePlugin
) -> None:
    make_plugin("strategy", "mine", STRATEGY + EMPTIED)
    seen: list[torch.Tensor] = []
    tune = FineTuning.run

    def look(tuning: Any, *given: Any) -> Curve:
        seen.append(weights_of(tuning.model.encoder))
        return tune(tuning, *given)

    monkeypatch.setattr(FineTuning, "run", look)
    for strategy in ('"stepwise"', '{name = "scaled-random", scale = 3.0}', '{name = "mine", epochs = 1}'):
        run(made(strategy), folder / "home")
    fresh, scaled, emptied = seen
    assert torch.equal(scaled, 3 * fresh)
    assert not emptied.any()


def test_a_scale_of_1_changes_nothing(made: Make, folder: Path) -> None:
    (scaled,), (stepwise,) = (
        run(made(strategy), folder / "home") for strategy in ('{name = "scaled-random", scale = 1.0}', '"stepwise"')
    )
    assert scaled.record["scores"] == stepwise.record["scores"]
    assert scaled.record["curve"] == stepwise.record["curve"]


def test_the_target_linked_by_a_table(made: Make, folder: Path) -> None:
    (folder / "table.tsv").write_text("Nobody\tQ2\n")
    target, text = vectors_of(made('"avg-embed"', NEWS[:-1] + ', names = "table.tsv"}'), folder / "home")
    assert torch.equal(target["nobody"], text["Q2"])


def test_corpora_share_what_is_made_of_a_text_and_have_links_of_their_own(made: Make, folder: Path) -> None:
    both = '[{name = "small", split = "official"}, {name = "other", split = "official"}]'
    outcomes = run(made('{name = "lm", epochs = 1, skipgram_epochs = 1}', corpora=both), folder / "home")
    assert len(outcomes) == 2
    assert outcomes[0].record["pretraining"] == outcomes[1].record["pretraining"]
    count = {kind: len(list((folder / "home/artifacts" / kind).iterdir())) for kind in KINDS}
    assert count == {"sentences": 1, "readings": 1, "links": 2, "entity-vectors": 1, "pretrained": 1}


KINDS = ("sentences", "readings", "links", "entity-vectors", "pretrained")


def test_a_text_that_pre_training_can_not_learn_from_is_told_in_the_record(made: Make, folder: Path) -> None:
    (folder / "news/sentences.jsonl").write_text(
        '{"tokens": ["Ada", "Acme"], "mentions": [[0, 1, "Q1"], [1, 2, "Q2"]]}'
    )
    grid = made('"lm"')
    (outcome,) = run_here(grid, folder / "home")
    error = outcome.record["error"]
    assert (error["type"], error["traceback"]) == ("DataError", None)
    assert error["message"].startswith("pre-training: expected at least 2 relation mentions in the text, found 1;")


def test_what_is_gone_of_a_text_is_made_again(made: Make, folder: Path) -> None:
    grid = made('"stepwise"')
    shutil.rmtree(folder / "home/artifacts/sentences")
    told: list[str] = []
    (outcome,) = run_here(grid, folder / "home", told.append)
    assert outcome.record["status"] == "complete"
    assert told[0] == "Preparing news (whole), sample 0, for bilstm"


def test_what_is_gone_of_a_text_is_told_where_nobody_makes_it_again(made: Make, folder: Path) -> None:
    (spec,) = made('"stepwise"').runs.values()
    store = ArtifactStore(folder / "home/artifacts")
    shutil.rmtree(store.root / "sentences")
    with pytest.raises(HarnessError) as raised:
        stages.text_vectors(spec, store)
    assert str(raised.value) == (
        f"the sentences of a text are gone from {store.root}; make them again: run the grid with --rerun all"
    )


# The whole way

SYNTHETIC = """
corpora    = "synthetic"
encoders   = [{name = "bilstm", hidden = 8}, "mean"]
strategies = [
    "none", "avg-embed", {name = "stepwise", skipgram_epochs = [0, 1]},
    {name = "seq-unshared", epochs = 1, skipgram_epochs = 1}, {name = "seq-shared", epochs = 1, skipgram_epochs = 1},
]
texts      = [{name = "synthetic", selection = "random", sentences = 300}]
vectors    = "words.txt"
sizes      = [40]
replicates = 2
[training]
features    = false
min_updates = 20
max_updates = 20
"""


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResolvedGrid, Path, list[Outcome]]:
    """A grid on the synthetic corpus and its own text, run in this process, with its home."""
    home = tmp_path_factory.mktemp("synthetic")
    words = "a the of by and in founded who was is with his her for at from".split()
    rows = np.random.default_rng(0).standard_normal((len(words), 8))
    (home / "words.txt").write_text(
        "\n".join(f"{w} {' '.join(map(str, row))}" for w, row in zip(words, rows, strict=True))
    )
    grid = resolve("synthetic", SYNTHETIC.replace("words.txt", str(home / "words.txt")), home)
    prepare_here(grid, home)
    shutil.copytree(home, home / "fresh")
    return grid, home, run(grid, home)


Synthetic = tuple[ResolvedGrid, Path, list[Outcome]]


def lasting(outcome: Outcome) -> str:
    """A record, as JSON, without what time it was and how long it took."""
    record = {name: value for name, value in outcome.record.items() if name not in ("seconds", "finished")}
    record["pretraining"] = {**(record["pretraining"] or {}), "seconds": None}
    return json.dumps(record, sort_keys=True)


def test_runs_in_workers_come_to_the_same_records(synthetic: Synthetic) -> None:
    grid, home, outcomes = synthetic
    told: list[str] = []
    with pools.local(2) as pool:
        others = run_in(pool, grid, home / "fresh", told.append)
    assert sorted(map(lasting, others)) == sorted(map(lasting, outcomes))
    kinds = [line.split()[0] for line in told]
    assert sorted(kinds) == ["[entity-vectors]"] * 6 + ["[pretrained]"] * 4  # each once


def test_a_record_tells_of_its_text_and_its_pre_training(synthetic: Synthetic) -> None:
    _, _, outcomes = synthetic
    for outcome in outcomes:
        record = outcome.record
        name = record["spec"]["strategy"]["name"]
        assert (record["text"] is None) == (name == "none")
        assert (record["pretraining"] is None) == (name not in ("seq-unshared", "seq-shared"))
        if record["text"]:
            assert record["text"]["sentences"] == 300
            assert 0 < record["text"]["often"] < record["text"]["linked"] < 1
        if record["pretraining"]:
            losses = record["pretraining"]["held_out"]
            assert losses[1] < losses[0]


def test_stepwise_without_epochs_is_avg_embed_to_the_bit(synthetic: Synthetic) -> None:
    _, _, outcomes = synthetic
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for outcome in outcomes:
        spec = RunSpec.from_dict(outcome.record["spec"])
        epochs = spec.strategy.parameters.get("skipgram_epochs")
        if spec.strategy.name in ("avg-embed", "stepwise"):
            found.setdefault((spec.encoder.name, spec.replicate), {})[f"{spec.strategy.name} {epochs}"] = outcome
    assert len(found) == 4
    for arm in found.values():
        average, none, one = (arm[name].record for name in ("avg-embed None", "stepwise 0", "stepwise 1"))
        assert none["scores"] == average["scores"]
        assert none["curve"] == average["curve"]
        assert one["curve"]["loss"] != average["curve"]["loss"]
        np.testing.assert_array_equal(arm["avg-embed None"].predicted, arm["stepwise 0"].predicted)


def test_what_is_shared_is_made_once(synthetic: Synthetic) -> None:
    _, home, _ = synthetic
    count = {kind: len(list((home / "artifacts" / kind).iterdir())) for kind in KINDS}
    # Of two samples: averages, skip-gram of no epoch and of one, which the encoder's strategies share too.
    assert count == {"sentences": 2, "readings": 2, "links": 2, "entity-vectors": 6, "pretrained": 4}
    assert not list((home / "artifacts/unfinished").iterdir())
