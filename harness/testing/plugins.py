"""What the contracts share: how the plugin under test is found, and what is asked of its parameters."""

from __future__ import annotations

import dataclasses
import json
import random
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, get_args, get_origin

import numpy as np
import pytest
import torch

from harness import registry
from harness.errors import HarnessError
from harness.parameters import Among, read, searches

Variant = Mapping[str, Any]
"""Values of some parameters; the others keep their defaults."""


class PluginContract:
    """A contract for one kind of plugin; see `harness.testing`."""

    kind: ClassVar[str]
    plugin: ClassVar[type[Any] | None] = None
    name: ClassVar[str] = ""

    @classmethod
    def loaded(cls) -> type[Any]:
        """The class under test."""
        if cls.plugin is None and not cls.name:
            raise TypeError(f"{cls.__name__} must set `plugin`, a class, or `name`, under which the registry finds one")
        return cls.plugin or registry.load(cls.kind, cls.name)


class ParametersContract(PluginContract):
    """A plugin whose parameters are hashed, shown and tuned by nothing but their fields."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test that takes a variant with each of them."""
        if "variant" in metafunc.fixturenames:
            metafunc.parametrize("variant", self.variants(), ids=told)

    @classmethod
    def variants(cls) -> list[Variant]:
        """The defaults, and each alternative of a parameter that is one of several words, a truth value or optional."""
        try:
            kind = cls.loaded().Parameters
            hints = typing.get_type_hints(kind)
        except Exception:  # collecting goes on: each test finds the fault again, and tells it
            return [{}]
        alternatives = ((field, value) for field in dataclasses.fields(kind) for value in _few(hints[field.name]))
        return [{}, *({field.name: value} for field, value in alternatives if value != field.default)]

    @classmethod
    def parameters(cls, variant: Variant) -> Any:
        """An instance of the plugin's `Parameters`."""
        mistakes: list[str] = []
        made = read(cls.loaded().Parameters, variant, "parameters", mistakes)
        assert made is not None, "; ".join(mistakes)
        return made

    @classmethod
    def instance(cls, variant: Variant, *before: Any, after: tuple[Any, ...] = ()) -> Any:
        """The plugin, made with these arguments around its parameters; the test is skipped where it refuses them."""
        try:
            return cls.loaded()(*before, cls.parameters(variant), *after)
        except HarnessError as error:
            if not variant:
                raise
            pytest.skip(f"{told(variant)} is refused: {error}")

    def test_parameters_are_frozen_and_documented(self) -> None:
        """A parameter can't change once it is hashed; each has a default and says what it means."""
        kind = self.loaded().Parameters
        assert dataclasses.is_dataclass(kind), f"{kind} must be a dataclass"
        for field in dataclasses.fields(kind):
            assert field.default is not dataclasses.MISSING, f"{field.name} must have a default"
            assert field.metadata.get("meaning"), f"{field.name} must say what it means, see harness.parameters"
        defaults = self.parameters({})
        with pytest.raises(dataclasses.FrozenInstanceError):
            defaults.changed = True

    def test_what_tuning_tries_can_be_set(self) -> None:
        """Every value, or both ends, of what is tried of a parameter keep its bounds; only strategies have any."""
        for name, search in searches(self.loaded().Parameters).items():
            assert self.kind == "strategy", f"{name} has a search, and tuning leaves {self.kind} parameters as they are"
            for value in search.values if isinstance(search, Among) else (search.low, search.high):
                self.parameters({name: value})

    def test_parameters_survive_a_record(self, variant: Variant) -> None:
        """What a record keeps of the parameters, plain JSON, gives the same parameters back."""
        given = self.parameters(variant)
        kept = json.loads(json.dumps(dataclasses.asdict(given)))
        assert self.parameters(kept) == given, f"expected {given}, found {self.parameters(kept)}"


def told(variant: Variant) -> str:
    """A variant in a word: `cell=vinyals`."""
    return ",".join(f"{name}={value}" for name, value in variant.items()) or "defaults"


@contextmanager
def untouched_streams() -> Iterator[None]:
    """Fail where anything is drawn from a stream that the whole process shares: torch's, numpy's or Python's."""
    before = _shared_streams()
    yield
    moved = [name for name, state in _shared_streams().items() if state != before[name]]
    assert not moved, f"drawn from the shared stream of {' and '.join(moved)}, not from the generator"


def _shared_streams() -> dict[str, Any]:
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    return {"torch": torch.get_rng_state().tolist(), "numpy": repr(numpy), "Python": random.getstate()}


def _few(hint: Any) -> Iterator[Any]:
    """The values of a type that has few."""
    if hint is bool:
        yield from (False, True)
    elif hint is types.NoneType:
        yield None
    elif get_origin(hint) is Literal:
        yield from get_args(hint)
    elif get_origin(hint) in (typing.Union, types.UnionType):
        for member in get_args(hint):
            yield from _few(member)
