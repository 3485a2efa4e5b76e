"""Every plugin that the registry finds keeps its contract; a new file is tested from the moment it is there."""

from __future__ import annotations

from typing import Any

import torch
import toy

from harness import registry
from harness.contracts import CorpusReader, TextReader
from harness.testing import CorpusContract, EncoderContract, StrategyContract, TextContract
from harness.testing.plugins import PluginContract
from harness.testing.toys import Directed

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

CONTRACTS: tuple[type[PluginContract], ...] = (EncoderContract, StrategyContract, CorpusContract, TextContract)
READERS: dict[type[PluginContract], type[Any]] = {CorpusContract: CorpusReader, TextContract: TextReader}


def plugins_of(contract: type[PluginContract]) -> list[str]:
    """The plugins that a contract is for."""
    names = list(registry.origins(contract.kind))
    reader = READERS.get(contract)
    return [name for name in names if reader is None or issubclass(registry.load(contract.kind, name), reader)]


def under(contract: type[PluginContract]) -> dict[str, type[Any]]:
    """A class of tests for each plugin that the contract is for: `TestStrategyAvgEmbed`."""
    kind = contract.__name__.removesuffix("Contract")
    return {
        f"Test{kind}{name.title().replace('-', '')}": type(name, (contract,), {"name": name})
        for name in plugins_of(contract)
    }


class TestToy(CorpusContract):
    plugin = toy.Toy


class TestToyText(TextContract):
    plugin = toy.Toy


class TestDirected(CorpusContract):
    plugin = Directed


TESTED = {contract: under(contract) for contract in CONTRACTS}
for classes in TESTED.values():
    globals().update(classes)


def test_no_plugin_goes_untested() -> None:
    for contract, classes in TESTED.items():
        assert [tests.name for tests in classes.values()] == plugins_of(contract)
        assert all(globals()[name] is tests for name, tests in classes.items())
    for kind in ("encoder", "strategy", "corpus"):
        covered = {
            tests.name for contract, classes in TESTED.items() if contract.kind == kind for tests in classes.values()
        }
        assert covered == set(registry.origins(kind))
