"""Contract tests that every plugin passes, for outsiders too: inherit a contract, name the plugin, run pytest.

A contract is a class of pytest tests. A subclass sets `plugin`, the class under test, or `name`, under which the
registry finds it. A reader of labelled corpora keeps the CorpusContract, one of text the TextContract, one of both
keeps both. Encoders and strategies are tested with their default parameters and with each alternative of a parameter
that has few; an alternative that the plugin refuses with a HarnessError is skipped, the defaults never are. A reader
whose files are not below a folder of HARNESS_DATA is skipped with what is missing; so is one that reads nothing but a
path, unless the subclass defines `folder()`. This file is whole::

    # test_last.py
    import torch

    from harness.contracts import Capability, Encoder
    from harness.testing import EncoderContract


    class Last(Encoder):
        '''The vector of the second mention.'''

        offers = frozenset({Capability.VECTORS})

        def __init__(self, width, parameters, generator):
            super().__init__(width, parameters, generator)
            self.width = width

        @property
        def size(self):
            return self.width

        def represent(self, batch):
            reading = batch.readings[0]
            return reading.inputs()[torch.arange(batch.size), reading.lengths - 1]


    class TestLast(EncoderContract):
        plugin = Last

These rooms alone import pytest; no other room of the harness imports them.
"""

from harness.testing.corpora import CorpusContract
from harness.testing.encoders import EncoderContract
from harness.testing.strategies import StrategyContract
from harness.testing.texts import TextContract

__all__ = ["CorpusContract", "EncoderContract", "StrategyContract", "TextContract"]
