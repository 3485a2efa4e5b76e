"""What is to be made, in which order: random graphs of tasks against networkx, and the tasks of real specs."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import stages
from harness.artifacts import ArtifactStore
from harness.datasets.prepared import inputs_key, mentions_key
from harness.datasets.unlabelled import links_key, readings_key, sentences_key
from harness.scheduler.graph import CORPUS, HERE, RUN, TEXT, Id, Schedule, Task, tasks_of
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec
from harness.stacking import stack_key

KINDS = (CORPUS, TEXT, stages.VECTORS, stages.PRETRAINED, RUN)


@dataclasses.dataclass
class Work:
    """Tasks in any order, how long each takes, and the same as a graph of networkx."""

    tasks: list[Task]
    lengths: dict[Id, int]
    graph: Any

    def longest(self, one: Id) -> int:
        """From the start of a task to the end of the longest that stands on it."""
        below = self.graph.subgraph({one} | nx.descendants(self.graph, one))
        return self.lengths[one] + int(nx.dag_longest_path_length(below, weight="length"))

    def schedule(self) -> Schedule:
        return Schedule(self.tasks, lambda task: self.lengths[task.id])


@st.composite
def works(draw: st.DrawFn) -> Work:
    count = draw(st.integers(1, 12))
    ids = [(draw(st.sampled_from(KINDS)), str(at)) for at in range(count)]
    needs = [draw(st.sets(st.sampled_from(ids[:at]), max_size=4)) if at else set() for at in range(count)]
    lengths = {one: draw(st.integers(0, 20)) for one in ids}
    graph = nx.DiGraph()
    graph.add_nodes_from(ids)
    graph.add_edges_from(
        (need, one, {"length": lengths[one]}) for one, above in zip(ids, needs, strict=True) for need in above
    )
    tasks = [Task(kind, key, (), frozenset(above)) for (kind, key), above in zip(ids, needs, strict=True)]
    return Work(draw(st.permutations(tasks)), lengths, graph)


@given(works(), st.integers(0, 2**32))
def test_each_task_is_handed_out_once_after_its_needs_and_first_the_one_on_which_the_longest_waits(
    work: Work, seed: int
) -> None:
    drawn = random.Random(seed)
    schedule, by_id, order = work.schedule(), {task.id: task for task in work.tasks}, [task.id for task in work.tasks]
    waiting, in_hand, done, lost = set(by_id), set[Id](), set[Id](), set[Id]()
    total, shares = sum(work.lengths.values()), [schedule.share]
    while waiting or in_hand:
        assert len(schedule) == len(waiting) + len(in_hand)
        here = drawn.random() < 0.5
        ready = [one for one in order if one in waiting and set(work.graph.predecessors(one)) <= done]
        ready = [one for one in ready if (one[0] in HERE) == here]
        taken = schedule.take(here)
        if ready:
            assert [task.id for task in taken] == [max(ready, key=work.longest)]  # of equals the first
            waiting.remove(taken[0].id)
            in_hand.add(taken[0].id)
        else:
            assert taken == []
        if not in_hand or drawn.random() < 0.5:
            continue
        one = drawn.choice(sorted(in_hand))
        in_hand.remove(one)
        match drawn.choice(["done", "done", "done", "failed", "given back"]):
            case "done":
                schedule.done(by_id[one])
                done.add(one)
            case "failed":
                found = {task.id for task in schedule.failed(by_id[one])}
                assert found == nx.descendants(work.graph, one) - lost
                lost |= found | {one}
                waiting -= found
            case _:
                schedule.give_back(by_id[one])
                waiting.add(one)
        left = sum(work.lengths[one] for one in waiting | in_hand)
        assert schedule.share == pytest.approx(1 - left / total if total else 1)
        shares.append(schedule.share)
    assert len(schedule) == 0
    assert done | lost == set(by_id)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert schedule.take(True) == schedule.take(False) == []


def test_a_need_that_no_task_makes_is_there_already() -> None:
    task = Task(RUN, "one", (), frozenset({(CORPUS, "made before")}))
    assert Schedule([task], lambda task: 1.0).take(False) == [task]


# Stacks

SPEC = RunSpec(
    corpus=CorpusSpec("toy", "0", "official", 0, None),
    vectors=VectorsSpec("v", "0", "hash"),
    text=None,
    encoder=PluginSpec("bilstm", {"hidden": 8}),
    strategy=PluginSpec("none", {}),
    training=Training(features=()),
    size=50,
    replicate=0,
)
SHAPES = [
    {"size": size, "strategy": PluginSpec(strategy, {})}
    for size, strategy in product((50, 800), ("none", "avg-embed", "frozen-random"))
]


@given(
    st.lists(st.tuples(st.integers(0, len(SHAPES) - 1), st.integers(1, 5)), min_size=1, max_size=20),
    st.integers(1, 6),
    st.data(),
)
def test_a_stack_holds_runs_of_one_shape_as_many_as_there_are_up_to_a_number(
    runs: list[tuple[int, int]], most: int, data: st.DataObject
) -> None:
    specs = [dataclasses.replace(SPEC, replicate=at, **SHAPES[shape]) for at, (shape, _) in enumerate(runs)]  # type: ignore[arg-type]
    tasks = [Task(RUN, spec.key, (spec,)) for spec in specs]
    lengths = {task.key: length for task, (_, length) in zip(tasks, runs, strict=True)}
    schedule = Schedule(tasks, lambda task: lengths[task.key])
    waiting, alone = list(tasks), set[Id]()
    while waiting:
        taken = schedule.take(False, most)
        waiting.sort(key=lambda task: (-lengths[task.key], tasks.index(task)))
        first = waiting[0]
        alike = [task for task in waiting if stack_key(task.specs[0]) == stack_key(first.specs[0])]
        expected = [first] if first.id in alone else [task for task in alike if task.id not in alone][:most]
        assert taken == expected
        for task in taken:
            if len(taken) > 1 and data.draw(st.booleans()):
                schedule.give_back(task, alone=True)
                alone.add(task.id)
            else:
                waiting.remove(task)
                schedule.done(task)
    assert len(schedule) == 0


def test_a_run_that_is_to_be_alone_is_in_no_stack_of_runs_that_come_later() -> None:
    before = Task(stages.VECTORS, "before", (SPEC,))
    tasks = {
        at: Task(RUN, f"{at}", (dataclasses.replace(SPEC, replicate=at),), frozenset({before.id} if at == 2 else ()))
        for at in range(3)
    }
    lengths = {before.key: 1.0, "0": 5.0, "1": 5.0, "2": 9.0}
    schedule = Schedule([before, *tasks.values()], lambda task: lengths[task.key])
    assert schedule.take(False, 9) == [before]
    assert schedule.take(False, 9) == [tasks[0], tasks[1]]
    schedule.give_back(tasks[0], alone=True)
    schedule.give_back(tasks[1])
    schedule.done(before)
    assert schedule.take(False, 9) == [tasks[2], tasks[1]]
    assert schedule.take(False, 9) == [tasks[0]]


def test_only_runs_are_stacked() -> None:
    tasks = [Task(stages.PRETRAINED, str(at), (SPEC,)) for at in range(3)]
    assert Schedule(tasks, lambda task: 1.0).take(False, 16) == [tasks[0]]


# The tasks of runs

CORPORA = [CorpusSpec(name, name, "official", 0, None) for name in ("one", "two")]
TEXTS = [
    TextSpec("news", "7", "random", 20, 100),
    TextSpec("news", "7", "target-sentences", 20, evaluation_text=False),
]
ENCODERS = [PluginSpec("bilstm", {"hidden": 8}), PluginSpec("deptree-lstm", {"hidden": 8})]
READING = [
    PluginSpec("avg-embed", {}),
    PluginSpec("stepwise", {"skipgram_epochs": 3}),
    PluginSpec("stepwise", {"skipgram_text": "text + target"}),
    PluginSpec("lm", {"learning_rate": 0.1}),
    PluginSpec("seq-unshared", {"learning_rate": 0.1, "skipgram_text": "text + target"}),
]
RUNS = [
    dataclasses.replace(SPEC, corpus=corpus, text=text, encoder=encoder, strategy=strategy, size=size)
    for corpus, encoder, size in product(CORPORA, ENCODERS, (50, 100))
    for text, strategy in [(None, PluginSpec("none", {})), *product(TEXTS, READING)]
] + [
    dataclasses.replace(SPEC, corpus=corpus, vectors=None, encoder=PluginSpec("handcrafted", {})) for corpus in CORPORA
]


@dataclasses.dataclass(frozen=True)
class Stands:
    """What a run stands on, by what it is made of."""

    corpus: dict[Id, set[Id]]
    text: dict[Id, set[Id]]
    before: dict[Id, set[Id]]
    run: dict[Id, set[Id]]

    @property
    def all(self) -> dict[Id, set[Id]]:
        return self.corpus | self.text | self.before | self.run


def stands_on(spec: RunSpec) -> Stands:
    corpus: set[Id] = {("mentions", mentions_key(spec.corpus))}
    if spec.vectors:
        corpus.add(("inputs", inputs_key(spec.corpus, spec.vectors, stages.reads(spec))))
    if spec.text is None:
        return Stands({one: set() for one in corpus}, {}, {}, {(RUN, spec.key): corpus})
    with_target = spec.strategy.parameters.get("skipgram_text") == "text + target"
    plain, read = ("sentences", sentences_key(spec)), ("sentences", sentences_key(spec, with_target))
    readings = "readings", readings_key(spec, stages.reads(spec))
    links = "links", links_key(spec, with_target)
    vectors = stages.VECTORS, stages.vectors_key(spec)
    before = {vectors: {read}}
    if key := stages.pretrained_key(spec):
        before[stages.PRETRAINED, key] = {plain, readings, vectors}
    run = {(RUN, spec.key): {*corpus, read, links, *before}}
    text = {plain, read, readings, links}
    return Stands({one: set() for one in corpus}, {one: set() for one in text}, before, run)


@settings(max_examples=40)
@given(st.lists(st.integers(0, len(RUNS) - 1), min_size=1, max_size=8, unique=True), st.data())
def test_the_tasks_of_runs_make_what_is_missing_once_each_after_what_it_is_made_of(
    chosen: list[int], data: st.DataObject
) -> None:
    runs = [RUNS[at] for at in chosen]
    made_of = {one: above for spec in runs for one, above in stands_on(spec).all.items()}
    artifacts = sorted(one for one in made_of if one[0] != RUN)
    there = data.draw(st.sets(st.sampled_from(artifacts)))
    with store_with(there) as store:
        tasks = tasks_of(runs, store)
    by_id = {task.id: task for task in tasks}
    assert len(by_id) == len(tasks)
    others = {one for one in made_of if one[0] in (stages.VECTORS, stages.PRETRAINED, RUN)}
    assert {one for one in by_id if one[0] not in HERE} == others - there
    assert [task.specs[0] for task in tasks if task.kind == RUN] == runs
    for task in tasks:
        if task.kind in HERE:
            assert set(makes(task)) - there  # else it would be for nothing
            assert task.needs == frozenset()
        else:
            assert set(task.reads) == made_of[task.id]
            assert len(task.reads) == len(set(task.reads))
    graph = nx.DiGraph([(need, task.id) for task in tasks for need in task.needs])
    graph.add_nodes_from(by_id)
    assert nx.is_directed_acyclic_graph(graph)
    for task in tasks:
        before = {one for above in nx.ancestors(graph, task.id) for one in makes(by_id[above])}
        assert set(task.reads) <= before | there


@contextmanager
def store_with(there: Iterable[Id]) -> Iterator[ArtifactStore]:
    """A store that has these artifacts, and nothing in them."""
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(Path(folder))
        for kind, key in there:
            store.write_folder(kind, key, lambda folder: None)
        yield store


def makes(task: Task) -> Iterable[Id]:
    """The artifacts that a task makes."""
    if task.kind not in HERE:
        return [task.id]
    found = (stands_on(spec) for spec in task.specs)
    return {one for stands in found for one in (stands.corpus if task.kind == CORPUS else stands.text)}


@pytest.mark.parametrize(
    ("strategy", "parameters"), [("lm", {"learning_rate": 0.1}), ("stepwise", {"skipgram_epochs": 3})]
)
def test_no_pre_training_waits_for_a_corpus(strategy: str, parameters: dict[str, Any], tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, text=TEXTS[0], strategy=PluginSpec(strategy, parameters))
    by_kind = {task.kind: task for task in tasks_of([spec], ArtifactStore(tmp_path))}
    assert {kind for kind, _ in by_kind[stages.VECTORS].needs} == {TEXT}
    if strategy == "lm":
        assert {kind for kind, _ in by_kind[stages.PRETRAINED].needs} == {TEXT, stages.VECTORS}
    assert by_kind[RUN].needs == {task.id for kind, task in by_kind.items() if kind != RUN}


def test_a_damaged_artifact_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = dataclasses.replace(SPEC, text=TEXTS[0], strategy=PluginSpec("stepwise", {"skipgram_epochs": 3}))
    key = stages.vectors_key(spec)
    store = ArtifactStore(tmp_path)

    def write(folder: Path) -> None:
        (folder / "file").write_text("whole")

    store.write_folder(stages.VECTORS, key, write)
    (store.folder(stages.VECTORS, key) / "file").write_text("other")
    assert (stages.VECTORS, key) in {task.id for task in tasks_of([spec], store)}
    assert f"{store.folder(stages.VECTORS, key)} is damaged" in capsys.readouterr().err
