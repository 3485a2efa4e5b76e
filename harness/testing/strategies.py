"""What a run relies on in a strategy."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from harness.contracts import (
    Batch,
    Capability,
    Encoder,
    Prepared,
    Reading,
    SequenceEncoder,
    Strategy,
    UnlabelledTarget,
    lacking,
)
from harness.testing.encoders import weights_of
from harness.testing.plugins import ParametersContract, Variant, untouched_streams
from harness.testing.toys import ENTITIES, MENTIONS, WIDTH, WORDS, toy_reading, toy_vectors

NAMES = ((0, 1), (2,), (3, 4, 5), (6,))
"""Rows of the words in each toy entity's names; no word of the last one has a vector."""

TARGETS = ("some words have vectors", "all words have vectors", "no word has a vector", "one word and one entity")


class StrategyContract(ParametersContract):
    """Tests of a strategy; see `harness.testing`.

    It prepares an encoder that offers exactly what it needs, and fails where it asks for more.
    """

    kind = "strategy"

    def made(self, variant: Variant) -> Strategy:
        """The strategy."""
        strategy: Strategy = self.instance(variant)
        return strategy

    def encoder(self) -> Encoder:
        """An encoder, always the same, that offers what the strategy needs and nothing else."""
        kind = encoder_offering(self.loaded().needs)
        return kind(WIDTH, kind.Parameters(), torch.Generator().manual_seed(1))

    def prepared(self, variant: Variant, target: UnlabelledTarget, encoder: Encoder) -> Prepared:
        """What it makes of the target; the encoder is prepared in place."""
        return self.made(variant).prepare(target, encoder, torch.Generator().manual_seed(2))

    def test_needs_are_capabilities(self) -> None:
        """It needs members of `Capability`, so that a refused pair can be told why."""
        strange = [need for need in self.loaded().needs if not isinstance(need, Capability)]
        assert not strange, f"expected members of Capability, found {strange}"

    def test_is_refused_exactly_where_something_lacks(self) -> None:
        """Whatever an encoder offers, the pair is refused for what the strategy needs beyond it, and for no more."""
        needs = self.loaded().needs
        for count in range(len(Capability) + 1):
            for offers in map(frozenset, itertools.combinations(Capability, count)):
                found = lacking(encoder_offering(offers), self.loaded())
                expected = [need for need in Capability if need in needs and need not in offers]
                assert found == expected, f"with {offers or 'nothing'} offered expected {expected}, found {found}"

    @pytest.mark.parametrize("target", TARGETS)
    def test_makes_a_vector_for_each_entity(self, variant: Variant, target: str) -> None:
        """(E, D), finite, in single precision, and frozen."""
        given = toy_target(target)
        vectors = self.prepared(variant, given, self.encoder()).entity_vectors
        expected = (len(given.entity_words), WIDTH)
        assert vectors.shape == expected, f"expected (E, D) = {expected}, found {tuple(vectors.shape)}"
        assert vectors.dtype == torch.float32, f"expected float32, found {vectors.dtype}"
        assert vectors.isfinite().all(), "expected finite numbers, found NaN or infinity"
        assert not vectors.requires_grad, "entity vectors are frozen in fine-tuning, but these take a gradient"

    @pytest.mark.parametrize("target", TARGETS)
    def test_draws_from_the_generator_alone(self, variant: Variant, target: str) -> None:
        """The same generator gives the same entity vectors and the same encoder, to the bit."""
        encoders = [self.encoder(), self.encoder()]
        with untouched_streams():
            one, two = (self.prepared(variant, toy_target(target), encoder) for encoder in encoders)
        assert torch.equal(one.entity_vectors, two.entity_vectors), "one generator gave two sets of entity vectors"
        assert torch.equal(*map(weights_of, encoders)), "one generator gave two encoders"

    @pytest.mark.parametrize("target", TARGETS)
    def test_leaves_the_target_as_it_is(self, variant: Variant, target: str) -> None:
        """Words' vectors are frozen: they, and what is known of the names, are the same bits before and after."""
        given, before = toy_target(target), toy_target(target)
        self.prepared(variant, given, self.encoder())
        assert torch.equal(given.word_vectors, before.word_vectors), "the words' vectors were changed"
        assert torch.equal(given.has_vector, before.has_vector), "`has_vector` was changed"
        assert all(map(torch.equal, given.entity_words, before.entity_words)), "`entity_words` was changed"

    def test_leaves_an_encoder_that_works(self, variant: Variant) -> None:
        """What it has prepared still represents mentions as finite vectors."""
        encoder = self.encoder()
        self.prepared(variant, toy_target(TARGETS[0]), encoder)
        both = (MENTIONS, [mention[::-1] for mention in MENTIONS])
        hidden = encoder.represent(Batch(len(MENTIONS), tuple(toy_reading(rows, toy_vectors()) for rows in both)))
        assert hidden.shape == (len(MENTIONS), encoder.size), "the encoder represents mentions in another size"
        assert hidden.isfinite().all(), "the encoder represents mentions by NaN or infinity"


def toy_target(name: str) -> UnlabelledTarget:
    """One of `TARGETS`."""
    words, has_vector = toy_vectors()[:WORDS], torch.ones(WORDS, dtype=torch.bool)
    names = tuple(torch.tensor(rows) for rows in NAMES)
    assert len(names) == ENTITIES
    if name == "one word and one entity":
        return UnlabelledTarget(words[:1], has_vector[:1], (torch.tensor([0]),))
    if name != "all words have vectors":
        has_vector[[1, 6] if name == "some words have vectors" else slice(None)] = False
    return UnlabelledTarget(words, has_vector, names)


def encoder_offering(capabilities: frozenset[Capability]) -> type[Encoder]:
    """A class of encoders that offers these capabilities, and fails when asked for another."""

    class Offering(_Recurrent):
        offers = capabilities

    return Offering


class _Recurrent(SequenceEncoder):
    """A small LSTM."""

    offers: ClassVar[frozenset[Capability]]

    def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        self.lstm = nn.LSTM(width, 3, batch_first=True)
        for weight in self.lstm.parameters():
            nn.init.uniform_(weight, -0.5, 0.5, generator=generator)

    @property
    def hidden(self) -> int:
        return self.lstm.hidden_size

    def states(self, reading: Reading) -> Tensor:
        """The hidden vector after every token, (B, T, H)."""
        self._expect(Capability.STATES)
        return self._states(reading)

    def encode(self, reading: Reading) -> Tensor:
        self._expect(Capability.ENCODE)
        return self._last(reading)

    def represent(self, batch: Batch) -> Tensor:
        return torch.cat([self._last(reading) for reading in batch.readings], dim=1)

    def _expect(self, capability: Capability) -> None:
        assert capability in self.offers, f"{capability.name} is used, but `needs` does not name it"

    def _states(self, reading: Reading) -> Tensor:
        states: Tensor = self.lstm(reading.inputs())[0]
        return states

    def _last(self, reading: Reading) -> Tensor:
        return self._states(reading)[torch.arange(len(reading.lengths)), reading.lengths - 1]
