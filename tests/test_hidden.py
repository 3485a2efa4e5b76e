"""Hidden vectors of the dev set: measured as plain numpy does, kept to the bit, brought home, drawn and judged."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import Printed, prepare_here
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from report_grids import CLASSES, GOLD, Made, make, predictions, wiki
from scipy import stats
from test_records import GOLD as FIVE
from test_records import record
from test_training import HIDDEN, examples_of, mean_encoder, tuning_of

from encoders.mean import Mean
from harness import registry, runner
from harness.artifacts import ArtifactStore
from harness.cli import main
from harness.contracts import Batch
from harness.errors import DataError, GridError
from harness.exchange import check_export, export, merge
from harness.geometry import NEIGHBOURS, closeness, described, most_frequent
from harness.grid import ResolvedGrid, resolve
from harness.grid_files import grid_names, read_grid
from harness.records import Hidden, RecordStore
from harness.report.arms import read_arms
from harness.report.claim_files import read_claims
from harness.report.claims import Judgement, judgements, render_claims
from harness.report.drawing import Drawn, Skipped, drawing, saved
from harness.report.figures import figures
from harness.report.page import write_report
from harness.report.restored import RestoredRecords
from harness.report.results import grid_keys, write_results
from harness.runner import Outcome
from harness.scheduler.disk import HIDDEN as BYTES
from harness.scheduler.plan import plan
from harness.specs import RunSpec, Training, cell_of, key_of
from harness.stacking import stack_key

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

RESULTS = Path(__file__).parents[1] / "results"
Made_ = tuple[dict[str, Any], RecordStore]


# What is asked for


@pytest.mark.parametrize("folder", sorted(file.parent.name for file in RESULTS.glob("*/grid.json")))
def test_the_keys_of_runs_with_and_without_it_are_what_they_were(folder: str) -> None:
    grid = json.loads((RESULTS / folder / "grid.json").read_text(encoding="utf-8"))
    for cell in grid["cells"]:
        specs = [RunSpec.from_dict({**cell["spec"], "replicate": at}) for at in range(len(cell["keys"]))]
        assert [spec.key for spec in specs] == cell["keys"]
        assert {spec.cell for spec in specs} == {cell["cell"]}
        assert ("save_hidden" in specs[0].as_dict()) == bool(re.search(r"^save_hidden +=", grid["source"], re.M))


GRID = """
corpora    = {name = "synthetic", sample = 300}
encoders   = [{name = "bilstm", hidden = 6}, {name = "pcnn", hidden = 5}, "mean", "handcrafted"]
strategies = ["none", "avg-embed"]
vectors    = "few.txt"
sizes      = [40]
replicates = 2
SAVE
[training]
min_updates = 20
max_updates = 20
"""
SAVE = "save_hidden = true"


def test_a_grid_asks_for_it_and_no_variant_shows_it(home: Path) -> None:
    saving, plain, other = (
        resolve("g", GRID.replace("SAVE", asked), home) for asked in (SAVE, "", "save_hidden = false")
    )
    assert all(spec.save_hidden for spec in saving.runs.values())
    assert list(other.runs) == list(plain.runs)
    assert not set(saving.runs) & set(plain.runs)
    assert {cell["variant"] for cell in saving.plain["cells"]} == {""}
    for spec in saving.runs.values():
        assert spec.as_dict()["save_hidden"] is True
        assert RunSpec.from_dict(spec.as_dict()) == spec
        assert dataclasses.replace(spec, save_hidden=False).key in plain.runs


@pytest.mark.parametrize("value", ['"yes"', "1", "[true, false]"])
def test_anything_but_true_or_false_is_a_mistake(home: Path, value: str) -> None:
    with pytest.raises(GridError) as caught:
        resolve("g", GRID.replace("SAVE", f"save_hidden = {value}"), home)
    found = {'"yes"': "'yes'", "1": "1", "[true, false]": "[True, False]"}[value]
    assert caught.value.mistakes == (f"grid 'g', save_hidden: expected true or false, found {found}",)


def test_the_grid_that_comes_with_it_asks_for_it() -> None:
    assert grid_names()["hidden"].startswith(
        "Hidden vectors of pcnn, at random and pre-trained, before and after fine-tuning"
    )
    assert "\nsave_hidden = true\n" in read_grid("hidden")[1]


# Numbers


def points(seed: int, mentions: int, dimension: int = 4, relations: int = 3) -> tuple[Any, Any]:
    """Vectors that lie about one point a relation, and their relations."""
    chance = np.random.default_rng(seed)
    labels = chance.permutation(np.arange(mentions) % relations)
    return (chance.normal(size=(mentions, dimension)) + 2 * labels[:, None]).astype(np.float16), labels


def by_hand(vectors: npt.NDArray[Any], labels: npt.NDArray[Any], k: int) -> tuple[float, float]:
    """k-NN agreement and silhouette, mention by mention; over all ways to choose among neighbours that tie."""
    vectors = vectors.astype(np.float64)
    shares, widths = [], []
    for at, one in enumerate(vectors):
        distances = np.sqrt(((vectors - one) ** 2).sum(axis=1))
        others = [place for place in np.argsort(distances) if place != at]
        nearer = [place for place in others if distances[place] < distances[others[k - 1]]]
        tied = [place for place in others if distances[place] == distances[others[k - 1]]]
        ways = itertools.combinations(tied, k - len(nearer))
        shares.append(np.mean([[labels[place] == labels[at] for place in (*nearer, *way)] for way in ways]))
        means = {
            label: np.mean([distances[place] for place in others if labels[place] == label])
            for label in set(labels.tolist())
            if any(labels[place] == label for place in others)
        }
        own = means.pop(labels[at], None)
        nearest = min(means.values())
        widths.append(0.0 if own is None or nearest == own else (nearest - own) / max(nearest, own))
    return float(np.mean(shares)), float(np.mean(widths))


@given(st.integers(0, 10**6), st.integers(NEIGHBOURS + 1, 40), st.integers(1, 6), st.integers(2, 5))
def test_both_measures_are_those_by_hand(seed: int, mentions: int, dimension: int, relations: int) -> None:
    vectors, labels = points(seed, mentions, dimension, relations)
    found = closeness(vectors, labels)
    assert found["reason"] is None
    assert (found["knn"], found["silhouette"]) == pytest.approx(by_hand(vectors, labels, 10), abs=1e-9)


places = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=NEIGHBOURS + 1, max_size=NEIGHBOURS + 3)


@given(places, st.randoms())
def test_neighbours_that_tie_count_in_part_whatever_their_order(found: list[tuple[int, int]], random: Any) -> None:
    labels = np.arange(len(found)) % 3
    order = list(range(len(found)))
    random.shuffle(order)
    vectors = np.array(found, np.float16)
    one, other = closeness(vectors, labels), closeness(vectors[order], labels[order])
    assert one["knn"] == pytest.approx(by_hand(vectors, labels, 10)[0], abs=1e-12)
    assert one["knn"] == pytest.approx(other["knn"], abs=1e-12)


def test_relations_apart_agree_wholly_and_mixed_ones_by_chance() -> None:
    apart = np.repeat(np.eye(3), 20, axis=0) * 100 + np.random.default_rng(0).normal(size=(60, 3))
    labels = np.repeat(np.arange(3), 20)
    found = closeness(apart.astype(np.float16), labels)
    assert found["knn"] == 1.0 and found["silhouette"] > 0.9
    mixed = closeness(apart.astype(np.float16), np.arange(60) % 3)
    assert mixed["knn"] < 0.45 and mixed["silhouette"] < 0


@pytest.mark.parametrize(
    ("vectors", "labels", "reason"),
    [
        (np.zeros((0, 4)), [], "expected at least 2 relations, found 0"),
        (np.zeros((20, 4)), [1] * 20, "expected at least 2 relations, found 1"),
        (np.zeros((10, 4)), [0, 1] * 5, "expected more than 10 mentions, found 10"),
        (np.full((12, 4), np.inf), [0, 1] * 6, "expected numbers that float16 holds, found others"),
    ],
)
def test_what_can_not_be_measured_is_null_with_a_reason(
    vectors: npt.NDArray[Any], labels: Sequence[int], reason: str
) -> None:
    found = closeness(vectors.astype(np.float16), np.array(labels, np.int64))
    assert found == {"knn": None, "silhouette": None, "reason": reason}
    json.dumps(found, allow_nan=False)


def test_the_most_frequent_relations_in_the_order_of_the_classes_where_they_tie() -> None:
    labels = np.repeat([6, 5, 4, 3, 2, 1, 0], [2, 9, 4, 4, 2, 2, 1])
    assert most_frequent(labels) == [5, 3, 4, 1, 2]
    assert most_frequent(labels, negative=5) == [3, 4, 1, 2, 6]
    assert most_frequent(np.array([], np.int64)) == []


def test_a_record_tells_of_the_mentions_of_those_relations_alone() -> None:
    vectors, labels = points(1, 60, relations=7)
    found = described(Hidden(vectors, vectors[::-1], labels), list("abcdefg"), "b")
    chosen = most_frequent(labels, 1)
    among = np.isin(labels, chosen)
    assert found["relations"] == ["abcdefg"[label] for label in chosen] and "b" not in found["relations"]
    assert (found["mentions"], found["dimension"], found["k"]) == (among.sum(), 4, 10)
    assert found["before"] == closeness(vectors[among], labels[among])
    assert found["after"] == closeness(vectors[::-1][among], labels[among])


# Runs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home, which is the data folder too."""
    folder = tmp_path_factory.mktemp("home")
    numbers = np.random.default_rng(0).normal(size=(4, 5)).round(3)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(("the", "of", "in", "was"), numbers, strict=True)]
    (folder / "few.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARNESS_DATA", str(folder))
        yield folder


@pytest.fixture(scope="module")
def grid(home: Path) -> ResolvedGrid:
    resolved = resolve("g", GRID.replace("SAVE", SAVE), home)
    prepare_here(resolved, home)
    return resolved


Execute = Callable[..., Outcome]


@pytest.fixture(scope="module")
def execute(grid: ResolvedGrid, home: Path) -> Execute:
    def executed(spec: RunSpec, **training: Any) -> Outcome:
        spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, **training))
        outcome = runner.execute(spec, ArtifactStore(home / "artifacts"), "cpu", *grid.scored(spec), "0123")
        assert outcome.record["status"] == "complete", outcome.record["error"]
        return outcome

    return executed


def spec_of(grid: ResolvedGrid, encoder: str, strategy: str = "avg-embed", replicate: int = 0) -> RunSpec:
    asked = encoder, strategy, replicate
    return next(s for s in grid.runs.values() if (s.encoder.name, s.strategy.name, s.replicate) == asked)


@pytest.mark.parametrize(("encoder", "size"), [("bilstm", 12), ("pcnn", 10), ("mean", 15)])
def test_a_run_keeps_both_readings_of_every_dev_mention(
    grid: ResolvedGrid, execute: Execute, encoder: str, size: int
) -> None:
    outcome = execute(spec_of(grid, encoder))
    hidden, told = outcome.hidden, outcome.record["hidden"]
    assert hidden is not None
    (entry,) = grid.corpora.values()
    mentions = [entry.source.corpus.mentions[at] for at in entry.split.dev]
    by_class = sorted(zip((entry.classes[label] for label in hidden.labels), range(len(mentions)), strict=True))
    assert [label for label, _ in by_class] == sorted(mention.label for mention in mentions)
    assert hidden.before.shape == hidden.after.shape == (30, size)
    assert {hidden.before.dtype, hidden.after.dtype} == {np.dtype(np.float16)}
    assert (told["dimension"], told["digest"]) == (size, hidden.digest())
    assert told == described(hidden, entry.classes, None)
    assert told["before"]["knn"] is not None and told["after"]["silhouette"] is not None
    again = pickle.loads(pickle.dumps(outcome)).hidden  # as it comes from a worker
    assert again.digest() == hidden.digest()


def test_before_is_before_the_first_update_and_after_is_of_the_best_dev_point(
    grid: ResolvedGrid, execute: Execute
) -> None:
    spec = spec_of(grid, "pcnn")
    whole = execute(spec)
    best = whole.record["best_update"]
    assert whole.hidden is not None
    until_then = execute(spec, min_updates=best, max_updates=best, dev_points=1)
    untaught = execute(spec, learning_rate=1e-12)
    assert until_then.hidden is not None and untaught.hidden is not None
    assert np.array_equal(whole.hidden.after, until_then.hidden.after)
    assert np.array_equal(whole.hidden.before, untaught.hidden.before)
    assert np.array_equal(untaught.hidden.before, untaught.hidden.after)
    assert not np.array_equal(whole.hidden.before, whole.hidden.after)


def test_to_keep_them_changes_nothing_else(grid: ResolvedGrid, execute: Execute) -> None:
    saving = spec_of(grid, "bilstm")
    one, two = (execute(spec) for spec in (saving, dataclasses.replace(saving, save_hidden=False)))
    assert (one.hidden is None, two.hidden is None) == (False, True)
    assert one.record.keys() - two.record.keys() == {"hidden"}
    for name in ("scores", "curve", "counts", "coverage"):
        assert one.record[name] == two.record[name]


def test_an_encoder_without_hidden_vectors_keeps_none(grid: ResolvedGrid, execute: Execute) -> None:
    outcome = execute(spec_of(grid, "handcrafted", "none"))
    assert outcome.hidden is None and "hidden" not in outcome.record


def test_a_negative_class_that_is_kept_is_no_relation(home: Path) -> None:
    asked = GRID.replace("sample = 300", 'negative = "keep", sample = 300').replace("SAVE", SAVE)
    kept = resolve("kept", asked, home)
    prepare_here(kept, home)
    spec = spec_of(kept, "mean")
    outcome = runner.execute(spec, ArtifactStore(home / "artifacts"), "cpu", *kept.scored(spec), "0123")
    (entry,) = kept.corpora.values()
    assert outcome.hidden is not None
    commonest = entry.classes[int(np.bincount(outcome.hidden.labels).argmax())]
    assert commonest == "no_relation" and commonest not in outcome.record["hidden"]["relations"]


def test_runs_that_keep_them_are_not_stacked(grid: ResolvedGrid) -> None:
    specs = [spec_of(grid, "bilstm", replicate=replicate) for replicate in (0, 1)]
    assert len({stack_key(spec) for spec in specs}) == 2
    assert len({stack_key(dataclasses.replace(spec, save_hidden=False)) for spec in specs}) == 1


class Dropping(Mean):
    """An encoder that reads otherwise while it is trained."""

    def represent(self, batch: Batch) -> torch.Tensor:
        return torch.nn.functional.dropout(super().represent(batch), training=self.training)


def test_vectors_are_those_of_the_encoder_at_rest_as_it_hands_them_on() -> None:
    for encoder in (mean_encoder(), Dropping(3, Mean.Parameters(), torch.Generator())):
        model, tuning = tuning_of(encoder, Training())
        examples = examples_of()
        tuning.standardise(examples.mentions, examples.lengths)
        found = tuning.hidden(examples)
        assert found is not None and not found.requires_grad
        np.testing.assert_allclose(found.numpy(), HIDDEN, rtol=1e-5, atol=1e-6)
        assert model.shift.any() and model.encoder.training


def test_a_plan_counts_their_bytes(grid: ResolvedGrid, home: Path) -> None:
    def runs(specs: Sequence[RunSpec]) -> float:
        store, artifacts = RecordStore(home / "no records"), ArtifactStore(home / "artifacts")
        return plan(grid, {spec.key: spec for spec in specs}, store, artifacts, "missing").disk.runs

    saving = [spec_of(grid, "bilstm", replicate=replicate) for replicate in (0, 1)]
    assert runs(saving) - runs([dataclasses.replace(spec, save_hidden=False) for spec in saving]) == 4 * BYTES


# Records


def vectors_of(seed: int, mentions: int = 12, dimension: int = 3) -> Hidden:
    chance = np.random.default_rng(seed)
    before, after = chance.normal(size=(2, mentions, dimension)).astype(np.float16)
    return Hidden(before, after, np.arange(mentions) % 3)


def telling(number: int, hidden: Hidden | None = None) -> dict[str, Any]:
    """A complete record that tells of hidden vectors."""
    return record(number, hidden=described(hidden or vectors_of(number), list("abc"), None))


KEYS = [record(number)["key"] for number in range(4)]


def write(store: RecordStore, *numbers: int, without: Sequence[int] = ()) -> list[str]:
    for number in numbers:
        hidden = None if number in without else vectors_of(number)
        store.write(telling(number), FIVE, np.array([0, 2, 2, 1, 1]), hidden)
    return [KEYS[number] for number in numbers]


def told_of(store: RecordStore, key: str) -> dict[str, Any]:
    found = store.read(key)
    assert found is not None
    return found


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "home" / "records")


bits = st.lists(st.integers(0, 2**16 - 1), min_size=6, max_size=6)


@given(bits, bits)
def test_every_bit_comes_back_by_way_of_a_results_folder(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("bits")
    before, after = (np.array(found, np.uint16).view(np.float16).reshape(3, 2) for found in (first, second))
    hidden = Hidden(before, after, np.array([0, 300, 2]))
    made = record(0, hidden={"digest": hidden.digest()})
    one, two = RecordStore(folder / "one"), RecordStore(folder / "two")
    one.write(made, FIVE, np.array([0, 2, 2, 1, 1]), hidden)
    export(one, KEYS[:1], folder / "results")
    assert merge(two, folder / "results", pytest.fail) == (1, 0, 0)
    for store in (one, two, RestoredRecords(folder / "results", pytest.fail)):
        found = store.checked_hidden(told_of(store, KEYS[0]))
        assert found.before.view(np.uint16).ravel().tolist() == first
        assert found.after.view(np.uint16).ravel().tolist() == second
        assert found.labels.tolist() == [0, 300, 2]


def test_the_digest_sees_vectors_shape_and_classes() -> None:
    one = vectors_of(0)
    others = [
        vectors_of(1),
        Hidden(one.after, one.before, one.labels),
        Hidden(one.before, one.after, one.labels[::-1]),
        Hidden(one.before.reshape(6, 6), one.after.reshape(6, 6), one.labels),
    ]
    assert len({found.digest() for found in (one, *others)}) == 5
    assert Hidden(one.before, one.after, one.labels.astype(np.uint8)).digest() == one.digest()


def test_a_disk_that_is_full_leaves_neither_record_nor_vectors(tmp_path: Path) -> None:
    script = f"""
import resource, signal
from pathlib import Path
import numpy as np
from harness.errors import HarnessError
from harness.records import Hidden, RecordStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
vectors = np.random.default_rng(0).normal(size=(400, 40)).astype(np.float16)
classes = np.zeros(5, np.int64)
try:
    RecordStore(Path("records")).write({telling(0)!r}, classes, classes, Hidden(vectors, vectors, classes))
except HarnessError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    told = f"can't write records/{KEYS[0][:2]}/{KEYS[0]}.hidden.npz: File too large. "
    assert done.stdout == told + "Free some space, or choose another folder with --home or --results\n"
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def packed(file: Path, hidden: Hidden, **changed: Any) -> None:
    np.savez_compressed(file, allow_pickle=False, **{**hidden.arrays(), **changed})


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda file: file.unlink(), "No such file or directory"),
    "no arrays": (lambda file: file.write_bytes(b"PK"), "File is not a zip file"),
    "one lacks": (lambda file: np.savez(file, before=FIVE, after=FIVE), "no array labels"),
    "other vectors": (lambda file: packed(file, vectors_of(1)), f"other hidden vectors than those of run {KEYS[0][:16]}"),
    "wider numbers": (
        lambda file: packed(file, vectors_of(0), before=vectors_of(0).before.astype(np.float32)),
        f"other arrays than the vectors and classes of run {KEYS[0][:16]}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_record_counts_without_its_vectors(store: RecordStore, tmp_path: Path, damage: str) -> None:
    write(store, 0, 1)
    spoil, cause = DAMAGE[damage]
    spoil(store.hidden_path(KEYS[0]))
    made = told_of(store, KEYS[0])
    assert made["hidden"]["after"]["knn"] is not None and not store.damaged
    with pytest.raises(ValueError, match=f"^{re.escape(f'{KEYS[0]}.hidden.npz: {cause}')}$"):
        store.checked_hidden(made)
    told: list[str] = []
    other = RecordStore(tmp_path / "other")
    assert merge(other, store.root.parent, told.append) == (2, 0, 1)
    assert told == [f"{store.root}: damaged, and left out: {KEYS[0]}.hidden.npz: {cause}"]
    assert list(other.keys()) == sorted(KEYS[:2])
    assert not other.hidden_path(KEYS[0]).exists() and other.checked_hidden(told_of(other, KEYS[1]))
    lacking: list[str] = []
    assert export(store, KEYS[:2], tmp_path / "results", lacking.append) == 2
    assert lacking == [f"run {KEYS[0][:16]} goes without its hidden vectors: {KEYS[0]}.hidden.npz: {cause}"]
    with np.load(tmp_path / "results" / "hidden.npz") as arrays:
        assert list(arrays) == [f"{KEYS[1]}.{name}" for name in ("before", "after", "labels")]


# Results folders


def test_a_results_folder_has_them_where_any_record_has(store: RecordStore, tmp_path: Path) -> None:
    keys, folder = write(store, 0, 1), tmp_path / "results"
    export(store, keys, folder)
    export(RestoredRecords(folder, pytest.fail), keys, tmp_path / "again")
    for name in ("hidden.npz", "predictions.npz", "records.csv.gz"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    plain = RecordStore(tmp_path / "plain")
    plain.write(record(2), FIVE, np.array([0, 2, 2, 1, 1]))
    export(plain, [KEYS[2]], folder)
    assert sorted(file.name for file in folder.iterdir()) == ["predictions.npz", "records.csv.gz"]


OF_RESULTS: dict[str, tuple[Callable[[Path], Any], str, set[int]]] = {
    "missing": (lambda file: file.unlink(), "hidden.npz: No such file or directory", set()),
    "cut off": (lambda file: file.write_bytes(file.read_bytes()[:500]), "hidden.npz: File is not a zip file", set()),
    "one lacks": (
        lambda file: np.savez(file, **{f"{KEYS[1]}.{name}": array for name, array in vectors_of(1).arrays().items()}),
        f"hidden.npz: no array {KEYS[0]}.before",
        {1},
    ),
    "of another run": (
        lambda file: np.savez(
            file,
            **{f"{KEYS[at]}.{name}": array for at in (0, 1) for name, array in vectors_of(1).arrays().items()},
        ),
        f"hidden.npz: other hidden vectors than those of run {KEYS[0][:16]}",
        {1},
    ),
}


@pytest.mark.parametrize("damage", OF_RESULTS)
def test_what_a_results_folder_lacks_of_them_is_told_once(store: RecordStore, tmp_path: Path, damage: str) -> None:
    folder, other = tmp_path / "results", RecordStore(tmp_path / "other")
    export(store, write(store, 0, 1), folder)
    spoil, cause, whole = OF_RESULTS[damage]
    spoil(folder / "hidden.npz")
    told: list[str] = []
    assert merge(other, folder, told.append) == (2, 0, 1)
    assert told == [f"{folder}: damaged, and left out: {cause}"]
    restored = RestoredRecords(folder, lambda line: None)
    assert set(restored.keys()) == set(other.keys()) == set(KEYS[:2])
    for at in (0, 1):
        assert other.hidden_path(KEYS[at]).exists() == (at in whole)
        if at in whole:
            assert restored.checked_hidden(told_of(restored, KEYS[at])).digest() == vectors_of(at).digest()
        else:
            with pytest.raises(ValueError, match=cause.split(":")[1]):
                restored.checked_hidden(told_of(restored, KEYS[at]))


def test_vectors_that_a_home_has_lost_come_home_again(store: RecordStore, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    keys = write(store, 0, 1)
    export(store, keys, folder)
    store.hidden_path(KEYS[0]).unlink()
    packed(store.hidden_path(KEYS[1]), vectors_of(3))
    restored = RestoredRecords(folder, pytest.fail, store)
    assert set(restored.keys()) == set(keys)
    with pytest.raises(DataError, match=f"2 that are not in {store.root}, or worse there, and 0 that are damaged"):
        check_export(store, folder)
    assert merge(store, folder, pytest.fail) == (2, 0, 0)
    assert all(store.checked_hidden(told_of(store, key)) for key in keys)
    assert merge(store, folder, pytest.fail) == (0, 2, 0)
    check_export(store, folder)
    assert RestoredRecords(folder, pytest.fail, store).checked_hidden(told_of(store, KEYS[0]))  # the home's


def test_a_place_without_vectors_takes_none_away(store: RecordStore, tmp_path: Path) -> None:
    other = RecordStore(tmp_path / "other")
    write(store, 0, 1)
    write(other, 0, 1, without=(0,))
    assert merge(store, other.root, lambda line: None) == (0, 2, 1)
    assert store.checked_hidden(told_of(store, KEYS[0]))


# Commands


def pruned(home: Path, printed: Printed, *flags: str) -> list[str]:
    assert main(["records", "prune", *flags, "--home", str(home)]) == 0
    return printed()[0].splitlines()


def test_a_record_that_goes_takes_its_vectors_along(store: RecordStore, printed: Printed) -> None:
    write(store, 0)
    store.predictions_path(KEYS[0]).unlink()
    told = pruned(store.root.parent, printed, "--damaged")
    assert told[-1] == "1 record and 0 other files are removed, of 1 record"
    assert not [file for file in store.root.rglob("*") if file.is_file()]


def test_of_what_is_damaged_the_vectors_go_and_the_record_stays(store: RecordStore, printed: Printed) -> None:
    plain = record(3)
    store.write(plain, FIVE, np.array([0, 2, 2, 1, 1]), vectors_of(3))
    write(store, 0, 1, 2)
    store.hidden_path(KEYS[0]).write_bytes(b"PK")
    store.path(KEYS[1]).unlink()
    before = {file for file in store.root.rglob("*") if file.is_file()}
    told = pruned(store.root.parent, printed, "--damaged")
    assert sorted(told[:-1]) == sorted(
        [
            f"removed: {KEYS[0][:16]}  hidden vectors, and not the record: {KEYS[0]}.hidden.npz: File is not a zip file",
            f"removed: {KEYS[1][:16]}  hidden vectors without a record",
            f"removed: {KEYS[1][:16]}  predictions without a record",
            f"removed: {KEYS[3][:16]}  hidden vectors, and not the record: {KEYS[3]}.hidden.npz: other hidden vectors "
            f"than those of run {KEYS[3][:16]}",
        ]
    )
    assert told[-1] == "0 records and 4 other files are removed, of 3 records"
    gone = {store.hidden_path(KEYS[at]) for at in (0, 1, 3)} | {store.predictions_path(KEYS[1])}
    assert {file for file in store.root.rglob("*") if file.is_file()} == before - gone


def test_an_export_tells_of_vectors_that_are_gone(store: RecordStore, tmp_path: Path, printed: Printed) -> None:
    write(store, 0, 1, without=(0, 1))
    folder = tmp_path / "mine"
    assert main(["records", "export", str(folder), "--home", str(store.root.parent)]) == 0
    out, err = printed()
    assert out == f"2 records of {store.root.parent} written to {folder}\n"
    assert err.splitlines() == [
        f"harness: run {key[:16]} goes without its hidden vectors: {key}.hidden.npz: No such file or directory"
        for key in sorted(KEYS[:2])
    ]
    assert not (folder / "hidden.npz").exists()


# Figure 4

UNLIKE = {"none": 0.0, "taught": 4.0}
"""How far apart the relations of an arm lie."""


def hidden_of(arm: str, replicate: int, mentions: int = 60) -> Hidden:
    chance = np.random.default_rng((7, len(arm), replicate))
    labels = np.arange(mentions) % len(CLASSES)
    noise = chance.normal(size=(2, mentions, 5))
    centres = np.eye(5)[labels] * UNLIKE[arm]
    return Hidden((noise[0] + centres).astype("<f2"), (noise[1] + 2 * centres).astype("<f2"), labels)


def keeping(made: Made_, folder: Path, arms: Sequence[str] = ("none", "taught"), mentions: int = 60) -> Made_:
    """The same grid and records, whose runs have kept hidden vectors."""
    grid, plain = made
    store, cells = RecordStore(folder / "keeping" / "records"), []
    for cell in grid["cells"]:
        spec = {**cell["spec"], "save_hidden": True}
        keys = [key_of({**spec, "replicate": at}) for at in range(len(cell["keys"]))]
        cells.append({**cell, "spec": spec, "keys": keys, "cell": cell_of(spec)})
        for at, key in enumerate(keys):
            found = plain.read(cell["keys"][at])
            if found is None:
                continue
            found |= {"key": key, "cell": cell_of(spec), "spec": {**spec, "replicate": at}}
            hidden = hidden_of(cell["strategy"], at, mentions) if cell["strategy"] in arms else None
            if hidden:
                found["hidden"] = described(hidden, CLASSES, None)
            right = round(100 * found["scores"]["test"]["accuracy"], 1)
            store.write(found, GOLD, predictions(right), hidden)
    return {**grid, "cells": cells}, store


ARMS = (
    Made("reader", "taught", {50: (30, 36, 33), 200: (50, 51, 52)}, text=wiki(), held_out=(9, 5)),
    Made("reader", "none", {50: (20, 22, 24), 200: (30, 31, 32)}),
    Made("lexical", "none", {50: (15, 16, 17), 200: (25, 26, 27)}, vectors=False),
)


def drawn(made: Made_) -> list[Drawn | Skipped]:
    """The figures of hidden vectors, and why there is none."""
    grid, store = made
    with drawing():
        found = list(figures(grid, read_arms(grid, store), store))
    return [one for one in found if one.title == "Hidden vectors of the dev set"]


def figure(made: Made_) -> Drawn:
    (found,) = drawn(made)
    assert isinstance(found, Drawn)
    return found


@pytest.fixture
def made(tmp_path: Path) -> Made_:
    grid, store = keeping(make(tmp_path, ARMS), tmp_path)
    for cell in grid["cells"]:  # features alone keep none
        for key in cell["keys"] if cell["encoder"] == "lexical" else ():
            found = told_of(store, key)
            del found["hidden"]
            store.hidden_path(key).unlink()
            store.path(key).write_text(json.dumps(found))
    return grid, store


def mean_and_deviation(strategy: str, time: str, measure: str) -> str:
    told = [described(hidden_of(strategy, at), CLASSES, None)[time][measure] for at in range(3)]
    return f"{np.mean(told):.3f} ± {np.std(told, ddof=1):.3f}"


def panels(found: Drawn) -> dict[str, Axes]:
    return {axes.get_title().partition("\n")[0]: axes for axes in found.figure.axes}


def test_random_weights_stand_above_pretrained_ones_before_beside_after(made: Made_) -> None:
    found = figure(made)
    titles = [axes.get_title() for axes in found.figure.axes]
    assert titles == [
        f"{strategy}, {time} fine-tuning\nk-NN {mean_and_deviation(strategy, time, 'knn')}, "
        f"silhouette {mean_and_deviation(strategy, time, 'silhouette')}"
        for strategy in ("none", "taught")
        for time in ("before", "after")
    ]
    assert found.kind == "hidden-vectors"
    assert found.figure.get_suptitle() == "toy, split paper\nreader, 200 labels"
    assert found.said.startswith(
        "reader, 200 labels: k-NN agreement and silhouette of the hidden vectors of 60 dev mentions. none, before "
    )


def test_relations_differ_in_colour_and_marker_and_every_mention_has_a_point(made: Made_) -> None:
    for axes in panels(figure(made)).values():
        lines = axes.get_lines()
        assert [line.get_label() for line in lines] == CLASSES
        assert len({to_hex(line.get_color()) for line in lines}) == len({line.get_marker() for line in lines}) == 4
        assert [len(line.get_xdata()) for line in lines] == [15, 15, 15, 15]
        assert np.isfinite([line.get_data() for line in lines]).all()


def test_relations_that_lie_apart_are_seen_apart(made: Made_) -> None:
    found = panels(figure(made))
    for title, apart in (("none, before fine-tuning", False), ("taught, after fine-tuning", True)):
        places = [np.array(line.get_data()).T for line in found[title].get_lines()]
        centres = np.array([place.mean(axis=0) for place in places])
        across = np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(4, 1)].min()
        spread = max(
            np.linalg.norm(place - centre, axis=1).mean() for place, centre in zip(places, centres, strict=True)
        )
        assert (across > 3 * spread) == apart


def test_the_table_has_the_numbers_of_all_replicates(made: Made_) -> None:
    table = figure(made).table
    assert table is not None
    assert (list(table.header), table.names) == (["strategy", "hidden vectors", "k-NN agreement", "silhouette"], 2)
    assert table.lines == [
        [strategy, f"{time} fine-tuning", *(mean_and_deviation(strategy, time, one) for one in ("knn", "silhouette"))]
        for strategy in ("none", "taught")
        for time in ("before", "after")
    ]  # fmt: skip


def test_an_arm_without_its_vectors_has_its_numbers(made: Made_, tmp_path: Path) -> None:
    grid, store = made
    whole = figure(made)
    keys = next(cell["keys"] for cell in grid["cells"] if (cell["strategy"], cell["size"]) == ("taught", 200))
    store.hidden_path(keys[0]).unlink()
    found = figure(made)
    assert found.table == whole.table
    assert {title: len(axes.get_lines()) for title, axes in panels(found).items()} == {
        "none, before fine-tuning": 4,
        "none, after fine-tuning": 4,
        "taught, before fine-tuning": 0,
        "taught, after fine-tuning": 0,
    }
    assert found.notes[2:] == [
        f"Without points, because its vectors are not here: taught: {keys[0]}.hidden.npz: No such file or directory "
        f"(python -m harness run --run {keys[0][:16]} --rerun all makes them again)"
    ]


def test_why_there_is_no_figure(tmp_path: Path) -> None:
    no_one = "no run has saved hidden vectors; save_hidden = true in the grid saves them"
    assert drawn(make(tmp_path, ARMS)) == [Skipped("Hidden vectors of the dev set", "toy, split paper", no_one)]
    assert drawn(keeping(make(tmp_path, ARMS), tmp_path / "a", arms=())) == [
        Skipped("Hidden vectors of the dev set", "toy, split paper", no_one)
    ]
    half = [Made("reader", "none", {50: (20, None)})]
    assert drawn(keeping(make(tmp_path / "half", half), tmp_path / "b")) == [
        Skipped("Hidden vectors of the dev set", "toy, split paper", "no cell is complete")
    ]


def test_too_few_mentions_have_no_numbers(tmp_path: Path) -> None:
    arms = [Made("reader", "none", {50: (20, 22)})]
    found = figure(keeping(make(tmp_path, arms), tmp_path, mentions=4))
    assert found.table is not None
    assert [line[2:] for line in found.table.lines] == [["-", "-"]] * 2


def test_the_same_vectors_give_the_same_bytes_from_a_results_folder_too(made: Made_, tmp_path: Path) -> None:
    grid, store = made
    export(store, grid_keys(grid), tmp_path / "results")
    with drawing():
        one, two = (
            saved(figure((grid, of)).figure, "svg")
            for of in (store, RestoredRecords(tmp_path / "results", pytest.fail))
        )
    assert one == two


def test_the_page_has_the_figure(made: Made_, tmp_path: Path) -> None:
    told = write_report(*made, tmp_path / "page" / "report.html")
    assert "hidden-vectors-1" in told.figures
    assert {"hidden-vectors-1.svg", "hidden-vectors-1.png"} <= {
        file.name for file in (tmp_path / "page/figures").iterdir()
    }
    assert mean_and_deviation("taught", "after", "silhouette") in told.page.read_text(encoding="utf-8")


def test_results_that_are_written_again_keep_what_the_home_has_lost(made: Made_, tmp_path: Path) -> None:
    grid, store = made
    folder = tmp_path / "results"
    write_results(grid, store, folder, pytest.fail)
    before = (folder / "hidden.npz").read_bytes()
    for file in store.root.glob("??/*.hidden.npz"):
        file.unlink()
    write_results(grid, store, folder, lambda line: None)
    assert (folder / "hidden.npz").read_bytes() == before


# Claims

KNOWN = {"encoder": ["pcnn"], "strategy": ["none", "stepwise", "taught"]}
CLAIM = """
title = "Us"
[[claims]]
number = 1
says   = "closer"
parts  = [{rule = "beats", first = "pcnn/taught", second = "pcnn/none", by = [BY]}]
"""
PCNN = (
    Made("pcnn", "taught", {50: (30, 36, 33)}, text=wiki(), held_out=(9, 5)),
    Made("pcnn", "none", {50: (20, 22, 24)}),
)


def judged(made: Made_, folder: Path, *by: str) -> Judgement:
    file = folder / "ours.toml"
    file.write_text(CLAIM.replace("BY", ", ".join(map(repr, by))), encoding="utf-8")
    ((_, (found,)),) = judgements(read_claims(str(file), KNOWN), *made)
    return found


@pytest.mark.parametrize("time", ["before", "after"])
@pytest.mark.parametrize("measure", ["knn", "silhouette"])
def test_a_claim_is_judged_by_what_records_tell_of_hidden_vectors(tmp_path: Path, measure: str, time: str) -> None:
    found = judged(keeping(make(tmp_path, PCNN), tmp_path), tmp_path, f"{measure} {time}")
    values = {
        strategy: np.array([described(hidden_of(strategy, at), CLASSES, None)[time][measure] for at in range(3)])
        for strategy in UNLIKE
    }
    differences = values["taught"] - values["none"]
    low, high = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    (finding,) = found.findings
    words = {"knn": "k-NN agreement", "silhouette": "silhouette"}[measure]
    assert finding.comparison == f"pcnn/taught beats pcnn/none by {words} of hidden vectors {time} fine-tuning"
    assert finding.told == f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
    assert finding.holds == (low > 0) and found.verdict == "supported"


def test_what_is_not_saved_or_measured_is_told(tmp_path: Path) -> None:
    plain = make(tmp_path, PCNN)
    assert judged(plain, tmp_path, "knn before", "silhouette after").told == (
        "not measured: no hidden vectors are saved of pcnn, taught, wiki (random) (save_hidden = true in a grid)"
    )
    few = keeping(plain, tmp_path, mentions=4)
    assert judged(few, tmp_path, "knn before").told == (
        "not measured: knn before of pcnn, taught, wiki (random) at 50 labels: expected more than 10 mentions, found 4"
    )


def test_the_papers_claim_is_judged_by_them(tmp_path: Path) -> None:
    arms = (
        dataclasses.replace(PCNN[0], strategy="seq-unshared"),
        Made("pcnn", "stepwise", {50: (20, 22, 24)}, text=wiki()),
    )
    UNLIKE.update({"seq-unshared": 4.0, "stepwise": 0.0})
    grid, store = keeping(make(tmp_path, arms), tmp_path, arms=("seq-unshared", "stepwise"))
    claims = read_claims("paper", {kind: registry.origins(kind) for kind in ("encoder", "strategy")})
    ((_, found),) = judgements(claims, grid, store)
    assert found[10].told == "supported: 4 of 4 comparisons hold"
    page = render_claims(claims, grid, store, "md")
    assert "lies between -1 and 1" in page
    assert (
        "| 10 | pcnn/seq-unshared beats pcnn/stepwise by silhouette of hidden vectors after fine-tuning | **+0." in page
    )
    assert "Claim 10: By the hidden vectors of the dev set's five most frequent relations, not by test scores" in page
