"""The arms of a grid that are tuned, what is tried of each, and the runs of a trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats.qmc import LatinHypercube

from harness import registry
from harness.errors import GridError, HarnessError
from harness.grid import ResolvedGrid
from harness.parameters import Among, Search, searches
from harness.seeding import numpy_stream
from harness.specs import RunSpec, Training
from harness.tuned_values import Values, groups_of, key_of_arm, names_of, of_study, with_values

PRETRAINING = "pretraining"
"""What a trial's choice among the pre-trainings of its arm is called."""

OF_NETWORKS = ("features", "standardise", "dropout")
"""What is not tried of an arm that reads features alone: it has no h, and nothing without features."""

Choice = Mapping[str, Any]
"""The values of a trial: parameters of fine-tuning by their names, and under `PRETRAINING` a place."""


@dataclass(frozen=True)
class Arm:
    """What one study tunes: a spec with the grid's own values, whose size and replicate are open.

    `space` is what is tried of fine-tuning; `pretrainings` are the values of the strategy among which it chooses, the
    first of them the grid's own. The encoder's own parameters stay as they are: strategies are compared on one network.
    """

    names: Mapping[str, str]
    spec: RunSpec
    space: Mapping[str, Search]
    pretrainings: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """In a table's words."""
        return ", ".join(self.names.values())

    @property
    def own(self) -> Choice:
        """How a study sees the grid's own values: one outside of the space as the nearest within."""
        plain = dataclasses.asdict(self.spec.training)
        plain["features"] = bool(plain["features"])
        chosen = {name: within(plain[name], search) for name, search in self.space.items()}
        return chosen | ({PRETRAINING: 0} if len(self.pretrainings) > 1 else {})

    def values(self, choice: Choice) -> Values:
        """What a trial sets, all that is tried among it; of the choice `own` the grid's own, tried or not."""
        plain = dataclasses.asdict(self.spec.training)
        if choice == self.own:
            own = {name: plain[name] for name in self.space}
            training = {
                name: within(value, self.space[name]) if value is None else value for name, value in own.items()
            }
        else:
            training = {name: value for name, value in choice.items() if name != PRETRAINING}
            if "features" in training:
                training["features"] = groups_of(self.spec, training["features"])
        tried = searches(registry.load("strategy", self.spec.strategy.name).Parameters)
        strategy = {name: self.spec.strategy.parameters[name] for name in tried}
        strategy |= self.pretrainings[choice.get(PRETRAINING, 0)]
        return {"training": training, "encoder": {}, "strategy": strategy}

    def runs(self, choice: Choice, sizes: Sequence[int], replicate: int) -> list[RunSpec]:
        """The runs of a trial at all sizes, which no test split ever sees."""
        spec = self._with(choice)
        return [dataclasses.replace(spec, size=size, replicate=replicate) for size in sizes]

    def key(self, choice: Choice) -> str:
        """The key of the arm with the values of a trial."""
        return key_of_arm(self._with(choice))

    def _with(self, choice: Choice) -> RunSpec:
        mistakes: list[str] = []
        spec = with_values(self.spec, self.values(choice), self.name, mistakes)
        if mistakes:
            raise HarnessError("; ".join(mistakes))
        return spec


def within(value: Any, search: Search) -> Any:
    """The value, or the nearest that is tried."""
    if isinstance(search, Among):
        numbers = [one for one in search.values if isinstance(one, (int, float)) and not isinstance(one, bool)]
        if value in search.values:
            return value
        return min(numbers, key=lambda one: abs(one - value)) if numbers and value is not None else search.values[0]
    return min(max(value, search.low), search.high)


def arms_of(grid: ResolvedGrid, pretrainings: int) -> list[Arm]:
    """The arms of a grid, each once: of several that differ in what is tuned alone the first one's values are its own.

    Raises GridError where two that differ in more could not be told apart by their names.
    """
    found: dict[tuple[tuple[str, str], ...], Arm] = {}
    for cell in grid.plain["cells"]:
        spec = grid.runs[cell["keys"][0]]
        names = names_of(spec, grid.plain["corpora"][cell["corpus"]]["label"])
        own = of_study(spec)
        arm = found.setdefault(tuple(names.items()), Arm(names, own, _space(own), _pretrainings(own, pretrainings)))
        if arm.spec.text != own.text:
            raise GridError(
                [f"texts: two of {names['text']} would be tuned under one name; call one otherwise, as = '...'"]
            )
    return list(found.values())


def _space(spec: RunSpec) -> dict[str, Search]:
    tried = searches(Training)
    return {name: search for name, search in tried.items() if spec.vectors or name not in OF_NETWORKS}


def _pretrainings(spec: RunSpec, count: int) -> list[Mapping[str, Any]]:
    """The grid's own values of a strategy, and up to `count` - 1 others, the same for every encoder.

    The others are a Latin hypercube (McKay et al. 1979): what is tried of each parameter is cut into as many parts as
    there are others, and each part is met once. With independent draws all that are affordable may lie at one end.
    """
    tried = searches(registry.load("strategy", spec.strategy.name).Parameters)
    if not tried:
        return [{}]
    cube = LatinHypercube(len(tried), rng=numpy_stream("pre-trainings of a study", spec.strategy.name))
    others = (zip(tried.items(), shares, strict=True) for shares in cube.random(count - 1))
    return [{}, *({name: at(search, share) for (name, search), share in one} for one in others)]


def at(search: Search, share: float) -> Any:
    """The value that this share, from 0 up to 1, of what is tried lies below."""
    if isinstance(search, Among):
        return search.values[int(share * len(search.values))]
    if search.log:
        return float(search.low * (search.high / search.low) ** share)
    return float(search.low + (search.high - search.low) * share)
