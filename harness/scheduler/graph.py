"""What is to be made and what has to be there before: prepared data, entity vectors, pre-trained encoders, runs."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from harness import stages
from harness.artifacts import ArtifactStore
from harness.datasets.prepared import inputs_key, mentions_key
from harness.datasets.unlabelled import links_key, readings_key, sentences_key
from harness.specs import RunSpec
from harness.stacking import stack_key

CORPUS, TEXT, RUN = "corpus", "text", "run"
"""The kinds of tasks besides those of `stages`: prepared data of a corpus, that of a text, and runs."""

HERE = (CORPUS, TEXT)
"""What is made of what this process has read of corpora and texts, and made in it."""

Id = tuple[str, str]
"""Kind and key, of a task or of an artifact."""


@dataclass(frozen=True)
class Task:
    """Something to make.

    `specs` is the run of a task of the kind `RUN`; of another one, a run for each different thing that it makes.
    `needs` are the tasks that come before, `reads` the artifacts that it reads.
    """

    kind: str
    key: str
    specs: tuple[RunSpec, ...]
    needs: frozenset[Id] = frozenset()
    reads: tuple[Id, ...] = ()

    @property
    def id(self) -> Id:
        """What other tasks call it."""
        return self.kind, self.key


def corpus_data(spec: RunSpec) -> tuple[Id, ...]:
    """The artifacts of a run's corpus."""
    found = [("mentions", mentions_key(spec.corpus))]
    if spec.vectors:
        found.append(("inputs", inputs_key(spec.corpus, spec.vectors, stages.reads(spec))))
    return tuple(found)


def text_data(spec: RunSpec) -> tuple[Id, ...]:
    """The artifacts of a run's text; none where it reads none."""
    if spec.text is None:
        return ()
    with_target = stages.with_target(spec)
    sentences = dict.fromkeys(("sentences", sentences_key(spec, own)) for own in (False, with_target))
    readings = ("readings", readings_key(spec, stages.reads(spec)))
    return (*sentences, readings, ("links", links_key(spec, with_target)))


def made_before(spec: RunSpec) -> tuple[Id, ...]:
    """The entity vectors and the pre-trained encoder of a run, where it has them."""
    keys = ((kind, stages.key_of_stage(kind, spec)) for kind in (stages.VECTORS, stages.PRETRAINED))
    return tuple((kind, key) for kind, key in keys if key is not None)


def tasks_of(todo: Iterable[RunSpec], store: ArtifactStore) -> list[Task]:
    """The runs as tasks, and before them those that make what is not there yet."""
    there: dict[Id, bool] = {}

    def lacks(artifacts: Sequence[Id]) -> bool:
        for one in artifacts:  # each is looked at, for a damaged one is told of and removed
            if one not in there:
                there[one] = store.has(*one)
        return not all(there[one] for one in artifacts)

    tasks: dict[Id, Task] = {}
    runs: list[Task] = []
    of_text: dict[Id, dict[tuple[Id, ...], RunSpec]] = defaultdict(dict)
    known: dict[Hashable, tuple[tuple[Id, ...], tuple[Id, ...], tuple[Id, ...]]] = {}
    for spec in todo:
        needs: set[Id] = set()
        parts = map(id, (spec.corpus, spec.vectors, spec.text, spec.encoder, spec.strategy))
        alike = spec.stream("sample"), spec.stream("initialisation"), *parts
        if alike not in known:  # the specs of a grid share their parts, and keys take time
            known[alike] = corpus_data(spec), text_data(spec), made_before(spec)
        corpus, text, before = known[alike]
        if lacks(text):
            one = TEXT, f"{text[0][1]} {spec.corpus} {spec.text}"
            of_text[one].setdefault(text, spec)
            needs.add(one)
        for kind, key in before:
            if lacks([(kind, key)]):
                tasks.setdefault((kind, key), Task(kind, key, (spec,), frozenset(needs), _read_by(kind, text, before)))
                needs.add((kind, key))
        if lacks(corpus):  # last, for no text and no pre-training waits for a corpus
            task = Task(CORPUS, corpus[-1][1], (spec,))
            tasks.setdefault(task.id, task)
            needs.add(task.id)
        runs.append(Task(RUN, spec.key, (spec,), frozenset(needs), (*corpus, *_read_by(RUN, text, before))))
    texts = [Task(TEXT, key, tuple(specs.values())) for (_, key), specs in of_text.items()]
    return [*tasks.values(), *texts, *runs]


def _read_by(kind: str, text: tuple[Id, ...], before: tuple[Id, ...]) -> tuple[Id, ...]:
    """Which of the artifacts of a run's text, and of those made before it, a task of a kind reads."""
    if not text:
        return ()
    *sentences, readings, links = text
    if kind == stages.VECTORS:
        return (sentences[-1],)  # with the target's, where the vectors are made of those too
    if kind == stages.PRETRAINED:
        return sentences[0], readings, before[0]
    return sentences[-1], links, *before


class Schedule:
    """Hands out tasks: each once, none before all that it needs is done, those first on which the longest waits.

    `length` is how long a task takes, in any unit. A task that failed takes with it all that stand on it.
    """

    def __init__(self, tasks: Iterable[Task], length: Callable[[Task], float]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._open = {task.id: set(task.needs & self._tasks.keys()) for task in self._tasks.values()}
        self._followers: dict[Id, list[Id]] = defaultdict(list)
        for task in self._tasks.values():
            for need in self._open[task.id]:
                self._followers[need].append(task.id)
        self._length = {task.id: length(task) for task in self._tasks.values()}
        self._left = self._all = sum(self._length.values())
        self._weight = self._weights()
        self._ready: dict[bool, list[tuple[float, int, Id]]] = {True: [], False: []}
        self._alone: set[Id] = set()
        self._shapes: dict[Id, str] = {}
        self._order = {one: at for at, one in enumerate(self._tasks)}
        for one, needs in self._open.items():
            if not needs:
                self._push(one)

    def __len__(self) -> int:
        """How many tasks are neither done nor failed, those in hand among them."""
        return len(self._open)

    @property
    def share(self) -> float:
        """The part of all the work that is done, by the lengths of the tasks."""
        return 1 - self._left / self._all if self._all else 1.0

    def take(self, here: bool, stack: int = 1) -> list[Task]:
        """The next task that can be done, of those that this process does or of the others; none where there is none
        now. A run may bring others of equal shapes, so that there are at most `stack`.
        """
        ready = self._ready[here]
        if not ready:
            return []
        first = self._tasks[heapq.heappop(ready)[2]]
        if stack == 1 or first.kind != RUN or first.id in self._alone:
            return [first]
        ready.sort()
        runs = (item for item in ready if item[2][0] == RUN and item[2] not in self._alone)
        alike = list(islice((item for item in runs if self._shape(item[2]) == self._shape(first.id)), stack - 1))
        taken = set(alike)
        ready[:] = [item for item in ready if item not in taken]  # a sorted list is a heap
        return [first, *(self._tasks[one] for _, _, one in alike)]

    def give_back(self, task: Task, alone: bool = False) -> None:
        """Take a task back that has not been done; `alone`, it is in no stack from now on."""
        if alone:
            self._alone.add(task.id)
        self._push(task.id)

    def done(self, task: Task) -> None:
        """What waited for the task alone can be done from now on."""
        self._close(task.id)
        for follower in self._followers[task.id]:
            if (needs := self._open.get(follower)) is not None:
                needs.discard(task.id)
                if not needs:
                    self._push(follower)

    def failed(self, task: Task) -> list[Task]:
        """Give up a task and all that stand on it; returns those."""
        self._close(task.id)
        lost: dict[Id, Task] = {}
        waiting = list(self._followers[task.id])
        while waiting:
            one = waiting.pop()
            if one in self._open:
                self._close(one)
                lost[one] = self._tasks[one]
                waiting += self._followers[one]
        return list(lost.values())

    def _close(self, one: Id) -> None:
        del self._open[one]
        self._left -= self._length[one]

    def _shape(self, one: Id) -> str:
        """The `stack_key` of a run, made once, for many takes ask for it."""
        if one not in self._shapes:
            self._shapes[one] = stack_key(self._tasks[one].specs[0])
        return self._shapes[one]

    def _push(self, one: Id) -> None:
        here = one[0] in HERE
        heapq.heappush(self._ready[here], (-self._weight[one], self._order[one], one))

    def _weights(self) -> Mapping[Id, float]:
        """How long it takes from the start of each task to the end of the longest that stands on it."""
        weight: dict[Id, float] = {}
        waiting = list(self._tasks)
        while waiting:
            one = waiting[-1]
            followers = self._followers[one]
            if missing := [follower for follower in followers if follower not in weight]:
                waiting += missing
                continue
            waiting.pop()
            weight[one] = self._length[one] + max((weight[follower] for follower in followers), default=0.0)
        return weight
