"""Every plugin that the registry finds keeps its contract; a new file is tested from the moment it is there."""

from __future__ import annotations

from typing import Any

import torch
import toy

from harness import registry
from harness.testing import CorpusContract, EncoderContract, StrategyContract
from harness.testing.plugins import PluginContract
from harness.testing.toys import Directed

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

CONTRACTS: tuple[type[PluginContract], ...] = (EncoderContract, StrategyContract, CorpusContract)


def under(contract: type[PluginContract]) -> dict[str, type[Any]]:
    """A class of tests for each plugin of the contract's kind: `TestStrategyAvgEmbed`."""
    return {
        f"Test{contract.kind.title()}{name.title().replace('-', '')}": type(name, (contract,), {"name": name})
        for name in registry.origins(contract.kind)
    }


class TestToy(CorpusContract):
    plugin = toy.Toy


class TestDirected(CorpusContract):
    plugin = Directed


TESTED = {contract: under(contract) for contract in CONTRACTS}
for classes in TESTED.values():
    globals().update(classes)


def test_no_plugin_goes_untested() -> None:
    for contract, classes in TESTED.items():
        assert [tests.name for tests in classes.values()] == list(registry.origins(contract.kind))
        assert all(globals()[name] is tests for name, tests in classes.items())
