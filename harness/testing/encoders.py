"""What strategies, fine-tuning and tables rely on in an encoder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.contracts import Batch, Capability, Encoder, Reading, SequenceEncoder
from harness.testing.plugins import ParametersContract, Variant, untouched_streams
from harness.testing.toys import MENTIONS, WIDTH, Roles, Rows, learn, toy_readings, toy_vectors

CLOSE = 1e-6
"""How far apart single precision may put two ways to one vector."""


class EncoderContract(ParametersContract):
    """Tests of an encoder; see `harness.testing`.

    Gradients are checked on an encoder whose whole numbers are cut down to 3; where that has no meaning for its
    parameters, override `tiny`.
    """

    kind = "encoder"

    def made(self, variant: Variant, width: int = WIDTH, seed: int = 0) -> Encoder:
        """An encoder whose generator has this seed."""
        encoder: Encoder = self.instance(variant, width, after=(torch.Generator().manual_seed(seed),))
        return encoder

    def tiny(self, variant: Variant) -> Variant:
        """The variant in a size at which each weight can be moved in turn."""
        defaults = dataclasses.asdict(self.parameters({}))
        return {**{name: 3 for name, value in defaults.items() if type(value) is int and value > 3}, **variant}

    def batch(self, mentions: Rows, vectors: Tensor, *, longer: int = 0, filler: int = 0) -> Batch:
        """A batch as the harness makes it; with `longer`, more places than it needs, which hold `filler`."""
        if Capability.VECTORS not in self.loaded().offers:
            return Batch(len(mentions))
        return Batch(len(mentions), toy_readings(self.loaded(), mentions, vectors, longer, filler))

    def test_weights_come_from_the_generator(self, variant: Variant) -> None:
        """One seed makes one encoder, whatever was drawn elsewhere in between; another seed makes another."""
        encoder, same, other = (self.made(variant, seed=seed) for seed in (0, 0, 1))
        one, two, three = map(weights_of, (encoder, same, other))
        assert torch.equal(one, two), "one seed made two encoders: something is not drawn from the generator"
        assert not list(encoder.parameters()) or not torch.equal(one, three), "two seeds made one encoder"

    def test_represents_mentions_as_finite_vectors(self, variant: Variant) -> None:
        """(B, size) in single precision, the same at every call; the vectors that it reads stay as they were."""
        encoder, vectors = self.made(variant), toy_vectors()
        batch, before = self.batch(MENTIONS, vectors), vectors.clone()
        with untouched_streams():
            hidden = encoder.represent(batch)
        expected = (len(MENTIONS), encoder.size)
        assert hidden.shape == expected, f"expected the shape {expected}, found {tuple(hidden.shape)}"
        assert hidden.dtype == torch.float32, f"expected float32, found {hidden.dtype}"
        assert hidden.isfinite().all(), "expected finite numbers, found NaN or infinity"
        assert torch.equal(vectors, before), "the input vectors, which are frozen, were changed"
        assert torch.equal(hidden, encoder.represent(batch)), "one batch has two representations"

    def test_a_mention_is_alone_what_it_is_in_a_batch(self, variant: Variant) -> None:
        """Neither the other mentions of the batch nor what stands in empty places has an influence."""
        encoder, vectors = self.made(variant), toy_vectors()
        hidden = encoder.represent(self.batch(MENTIONS, vectors))
        padded = encoder.represent(self.batch(MENTIONS, vectors, longer=3, filler=5))
        assert near(padded, hidden), "what stands after a reading's end has an influence"
        for row, mention in enumerate(MENTIONS):
            alone = encoder.represent(self.batch([mention], vectors))
            assert near(alone[0], hidden[row]), f"mention {row} is not alone what it is in its batch"

    def test_sees_the_direction(self, variant: Variant) -> None:
        """A mention read from its other end is another mention."""
        encoder, vectors = self.made(variant), toy_vectors()
        hidden = encoder.represent(self.batch(MENTIONS, vectors))
        turned = encoder.represent(self.batch([mention[::-1] for mention in MENTIONS], vectors))
        for row in range(len(MENTIONS) if encoder.size else 0):
            assert not near(turned[row], hidden[row]), f"mention {row} has the same vector from either end"

    def test_readings_may_differ_in_width(self, variant: Variant) -> None:
        """Either reading may have more places than the other, which changes nothing."""
        encoder, vectors = self.made(variant), toy_vectors()
        narrow, wide = (self.batch(MENTIONS, vectors, longer=longer) for longer in (0, 3))
        hidden = encoder.represent(narrow)
        for readings in zip((narrow, wide), (wide, narrow), strict=True) if narrow.readings else ():
            mixed = tuple(batch.readings[at] for at, batch in enumerate(readings))
            assert near(encoder.represent(Batch(narrow.size, mixed)), hidden), "the width of a reading has an influence"

    def test_both_readings_have_an_influence(self, variant: Variant) -> None:
        """What an encoder of readings represents depends on each reading that it hands on."""
        encoder, vectors = self.made(variant), toy_vectors()
        if not isinstance(encoder, SequenceEncoder):
            return
        batch = self.batch(MENTIONS, vectors)
        hidden = encoder.represent(batch)
        for at in range(encoder.size // encoder.hidden):
            readings = list(batch.readings)
            other_words = (readings[at].tokens + 1) % len(vectors)
            readings[at] = dataclasses.replace(readings[at], tokens=other_words)
            changed = encoder.represent(Batch(batch.size, tuple(readings)))
            for row in range(batch.size):
                assert not near(changed[row], hidden[row]), f"mention {row}: reading {at + 1} has no influence"

    def test_positions_have_an_influence(self, variant: Variant) -> None:
        """An encoder that asks for positions, which readings of the words between alone have, uses them."""
        encoder, vectors = self.made(variant), toy_vectors()
        if not encoder.positions:
            return
        assert encoder.reads == "between", f"positions: only readings of 'between' have them, not of '{encoder.reads}'"
        batch = self.batch(MENTIONS, vectors)
        moved = []
        for reading in batch.readings:
            assert reading.positions is not None
            moved.append(dataclasses.replace(reading, positions=reading.positions + 1))
        hidden, changed = encoder.represent(batch), encoder.represent(Batch(batch.size, tuple(moved)))
        for row in range(batch.size):
            assert not near(changed[row], hidden[row]), f"mention {row}: positions have no influence"

    def test_every_weight_learns(self, variant: Variant) -> None:
        """A gradient reaches every parameter."""
        encoder = self.made(variant)
        weights = dict(encoder.named_parameters())
        if weights:
            hidden = encoder.represent(self.batch(MENTIONS, toy_vectors()))
            direction = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(0))
            gradients = torch.autograd.grad((hidden * direction).sum(), list(weights.values()), allow_unused=True)
            idle = [name for name, gradient in zip(weights, gradients, strict=True) if not _any(gradient)]
            assert not idle, f"no gradient reaches {', '.join(idle)}"

    def test_gradients_are_true(self, variant: Variant) -> None:
        """In double precision, a gradient is what moving each weight and each input a little comes to."""
        encoder = self.made(self.tiny(variant), width=3).double()
        vectors = toy_vectors(3).double().requires_grad_()
        batch = self.batch(MENTIONS[:3], vectors)
        moved = (*encoder.parameters(), *((vectors,) if batch.readings else ()))
        if moved:
            assert torch.autograd.gradcheck(lambda *_: encoder.represent(batch), moved)

    def test_its_state_is_all_of_it(self, variant: Variant) -> None:
        """An encoder that takes another's state is the same encoder: that is how the best weights are restored."""
        encoder, other = self.made(variant), self.made(variant, seed=1)
        other.load_state_dict(encoder.state_dict())
        batch = self.batch(MENTIONS, toy_vectors())
        assert torch.equal(other.represent(batch), encoder.represent(batch)), "the state dictionary is not all of it"

    def test_offers_are_kept(self, variant: Variant) -> None:
        """Every capability that it offers is there, and is the one that `represent` uses."""
        encoder, offers = self.made(variant), self.loaded().offers
        strange = [offer for offer in offers if not isinstance(offer, Capability)]
        assert not strange, f"expected members of Capability, found {strange}"
        if Capability.VECTORS not in offers:
            assert not offers, "what reads no vectors has nothing else to offer"
            assert encoder.size == 0, f"what reads no vectors has size 0, found {encoder.size}"
            return
        vectors = toy_vectors()
        batch = self.batch(MENTIONS, vectors)
        hidden = encoder.represent(batch)
        assert not near(encoder.represent(self.batch(MENTIONS, 2 * vectors)), hidden), "VECTORS: they have no influence"
        if Capability.ENCODE in offers:
            assert isinstance(encoder, SequenceEncoder), "ENCODE: expected a SequenceEncoder"
            _check_encode(encoder, batch, hidden)
        if Capability.STATES in offers:
            assert Capability.ENCODE in offers, "STATES: expected ENCODE too, which is the last state"
            _check_states(encoder, batch.readings[0])
        assert Capability.CELL not in offers or Capability.STATES in offers, "CELL: an LSTM has STATES to offer too"

    def test_one_spec_gives_the_same_bits(self, variant: Variant, tmp_path: Path) -> None:
        """Fine-tuned twice from the same streams, it ends with the same weights."""
        one, two = (learn(self.made(variant), tmp_path, updates=15)[0] for _ in range(2))
        assert torch.equal(weights_of(one), weights_of(two)), "two runs of one spec ended with different weights"

    def test_tells_directions_apart(self, variant: Variant, tmp_path: Path) -> None:
        """'Ada founded Acme' and 'Acme founded Ada', which have the same words, are learned as two relations."""
        _, accuracy = learn(self.made(variant), tmp_path, updates=150)
        assert accuracy == 1, f"expected both directions to be learned, but {accuracy:.0%} of the mentions are"

    def test_tells_subject_from_object(self, variant: Variant, tmp_path: Path) -> None:
        """Where the roles are given, two relations that differ in nothing but who is the subject are learned."""
        _, accuracy = learn(self.made(variant), tmp_path, updates=150, corpus=Roles)
        assert accuracy == 1, f"expected both roles to be learned, but {accuracy:.0%} of the mentions are"


def near(one: Tensor, other: Tensor) -> bool:
    """Whether two ways came to one vector, as far as single precision can tell."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=CLOSE, atol=CLOSE)


def weights_of(module: nn.Module) -> Tensor:
    """All that a module learns, and keeps beside it, as one vector."""
    return torch.cat([torch.zeros(0), *(weight.detach().flatten() for weight in module.state_dict().values())])


def _any(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.any())


def _check_encode(encoder: SequenceEncoder, batch: Batch, hidden: Tensor) -> None:
    sizes = encoder.hidden, 2 * encoder.hidden
    assert encoder.size in sizes, f"ENCODE: expected size 2H = {sizes[1]}, or H = {sizes[0]}, found {encoder.size}"
    one, two = (encoder.encode(reading) for reading in batch.readings)
    expected = (batch.size, encoder.hidden)
    assert one.shape == expected, f"ENCODE: expected (B, H) = {expected}, found {tuple(one.shape)}"
    if encoder.size == encoder.hidden:
        assert near(one, hidden), "ENCODE: represent is not encode(one), as its size says"
    else:
        assert near(torch.cat([one, two], dim=1), hidden), "ENCODE: represent is not [encode(one); encode(two)]"


def _check_states(encoder: Any, reading: Reading) -> None:
    states = encoder.states(reading)
    rows, last = torch.arange(len(reading.lengths)), reading.lengths - 1
    expected = (*reading.tokens.shape, encoder.hidden)
    assert states.shape == expected, f"STATES: expected (B, T, H) = {expected}, found {tuple(states.shape)}"
    assert near(states[rows, last], encoder.encode(reading)), "STATES: encode is not the state at the last token"
    tokens = reading.tokens.clone()
    tokens[rows, last] = 0
    other = encoder.states(dataclasses.replace(reading, tokens=tokens))
    before = torch.arange(tokens.shape[1]) < last[:, None]
    assert near(other[before], states[before]), "STATES: a token has an influence on the states before it"
