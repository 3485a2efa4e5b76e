"""What a run relies on in a strategy."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from harness.contracts import (
    Batch,
    Capability,
    Encoder,
    EntityVectors,
    Names,
    Objective,
    Reading,
    SequenceEncoder,
    Strategy,
    UnlabelledMentions,
    lacking,
)
from harness.pretraining import Pretraining
from harness.testing.encoders import near, weights_of
from harness.testing.plugins import ParametersContract, Variant, untouched_streams
from harness.testing.toys import WIDTH, WORDS, toy_mentions, toy_names, toy_text, toy_vectors

NAMED = ("some words have vectors", "all words have vectors", "no word has a vector", "one word and one entity")

UPDATES = 60
"""Updates on the toy text after which a loss must be lower."""


class StrategyContract(ParametersContract):
    """Tests of a strategy; see `harness.testing`.

    It meets an encoder that offers exactly what it needs, and fails where it asks for more. What is asked of an
    objective holds for strategies that pre-train.
    """

    kind = "strategy"

    def made(self, variant: Variant) -> Strategy:
        """The strategy."""
        strategy: Strategy = self.instance(variant)
        return strategy

    def encoder(self) -> Encoder:
        """An encoder, always the same, that offers what the strategy needs and nothing else."""
        kind = encoder_offering(self.loaded().needs)
        return kind(WIDTH, kind.Parameters(), stream(1))

    def vectors(self, variant: Variant, names: Names, *, of_text: bool) -> Tensor:
        """The entity vectors of the names alone, or of a toy text of theirs."""
        maker = self.made(variant).entity_vectors()
        return maker.of_text(toy_text(names), stream(2)) if of_text else maker.of_names(names, stream(2))

    def objective(self, variant: Variant, encoder: Encoder, mentions: UnlabelledMentions | None = None) -> Objective:
        """What pre-training on the toy text minimises; the test is skipped where there is none."""
        if not self.loaded().pretrains():
            pytest.skip("the strategy pre-trains no encoder")
        return self.made(variant).objective(encoder, mentions or toy_mentions(type(encoder)), stream(3))

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

    # Entity vectors

    @pytest.mark.parametrize("of_text", [False, True], ids=["names", "text"])
    @pytest.mark.parametrize("named", NAMED)
    def test_makes_a_vector_for_each_entity(self, variant: Variant, named: str, of_text: bool) -> None:
        """(E, D), finite, in single precision, and frozen."""
        names = named_so(named)
        vectors = self.vectors(variant, names, of_text=of_text)
        expected = (len(names.entity_words), WIDTH)
        assert vectors.shape == expected, f"expected (E, D) = {expected}, found {tuple(vectors.shape)}"
        assert vectors.dtype == torch.float32, f"expected float32, found {vectors.dtype}"
        assert vectors.isfinite().all(), "expected finite numbers, found NaN or infinity"
        assert not vectors.requires_grad, "entity vectors are frozen in fine-tuning, but these take a gradient"

    @pytest.mark.parametrize("of_text", [False, True], ids=["names", "text"])
    @pytest.mark.parametrize("named", NAMED)
    def test_draws_from_the_generator_alone(self, variant: Variant, named: str, of_text: bool) -> None:
        """Equal `EntityVectors` and one generator give one set of vectors, to the bit: runs may share them."""
        one, two = (self.made(variant).entity_vectors() for _ in range(2))
        assert isinstance(one, EntityVectors), f"expected EntityVectors, found {one!r}"
        assert dataclasses.is_dataclass(type(one)), f"{type(one).__name__} must be a dataclass"
        assert one == two, f"one strategy has its vectors made in two ways: {one} and {two}"
        assert hash(one) == hash(two), f"{type(one).__name__} must be frozen"
        with untouched_streams():
            made = [self.vectors(variant, named_so(named), of_text=of_text) for _ in range(2)]
        assert torch.equal(*made), "one generator gave two sets of entity vectors"

    @pytest.mark.parametrize("of_text", [False, True], ids=["names", "text"])
    @pytest.mark.parametrize("named", NAMED)
    def test_leaves_names_and_words_as_they_are(self, variant: Variant, named: str, of_text: bool) -> None:
        """Words' vectors are frozen: they, and what is known of the names, are the same bits before and after."""
        given, before = named_so(named), named_so(named)
        self.vectors(variant, given, of_text=of_text)
        assert torch.equal(given.word_vectors, before.word_vectors), "the words' vectors were changed"
        assert torch.equal(given.has_vector, before.has_vector), "`has_vector` was changed"
        assert all(map(torch.equal, given.entity_words, before.entity_words)), "`entity_words` was changed"

    def test_an_entity_that_the_text_lacks_has_the_vector_of_its_names(self, variant: Variant) -> None:
        """What is said of others moves it by no bit."""
        names = named_so(NAMED[0])
        by_text, by_names = (self.vectors(variant, names, of_text=of_text) for of_text in (True, False))
        assert WORDS + len(names.entity_words) - 1 not in toy_text(names).tokens
        assert torch.equal(by_text[-1], by_names[-1]), "an entity that is nowhere in the text was moved"

    def test_gives_equal_encoders_equal_first_weights(self, variant: Variant) -> None:
        """Finite ones, with no draw of its own, and fine-tuning can move them as before."""
        one, two = self.encoder(), self.encoder()
        with untouched_streams():
            for encoder in (one, two):
                self.made(variant).first_weights(encoder)
        assert torch.equal(weights_of(one), weights_of(two)), "two equal encoders got two sets of first weights"
        assert weights_of(one).isfinite().all(), "expected finite numbers, found NaN or infinity"
        assert all(weight.requires_grad for weight in one.parameters()), "a weight no longer takes a gradient"

    # Pre-training

    def test_has_what_pre_training_asks_for(self) -> None:
        """A strategy that pre-trains has the parameters of pre-training, reads text, and moves weights."""
        kind = self.loaded()
        if kind.pretrains():
            assert issubclass(kind.Parameters, Pretraining), "`Parameters` must be derived from Pretraining"
            assert kind.text == "required", (
                f"what pre-trains reads text: `text` must be 'required', found {kind.text!r}"
            )
            assert Capability.WEIGHTS in kind.needs, "what pre-trains moves weights: `needs` must name WEIGHTS"

    def test_its_objective_holds_the_encoder_with_its_first_weights(self, variant: Variant) -> None:
        """The encoder is a module of the objective's, as it was, and what is learned can be handed to another one."""
        encoder, untouched = self.encoder(), self.encoder()
        objective = self.objective(variant, encoder)
        assert objective.encoder is encoder, "`encoder` must be the encoder that was given"
        assert torch.equal(weights_of(encoder), weights_of(untouched)), "the encoder's first weights were changed"
        step(objective, torch.optim.Adagrad(objective.parameters(), lr=0.1), stream(4))
        own = {name: value for name, value in objective.state_dict().items() if name.startswith("encoder.")}
        untouched.load_state_dict({name.removeprefix("encoder."): value for name, value in own.items()})
        assert torch.equal(weights_of(encoder), weights_of(untouched)), "the encoder is not whole in the objective"

    def test_its_objective_learns_from_mentions_that_there_are(self, variant: Variant) -> None:
        """Their numbers are distinct and of the text."""
        mentions = toy_mentions(type(self.encoder()))
        chosen = self.objective(variant, self.encoder(), mentions).mentions()
        if chosen is not None:
            assert chosen.dtype == torch.int64, f"expected int64, found {chosen.dtype}"
            assert len(set(chosen.tolist())) == len(chosen), "a mention stands there twice"
            assert ((chosen >= 0) & (chosen < len(mentions))).all(), f"expected numbers below {len(mentions)}"

    def test_its_loss_is_drawn_from_the_generator_alone(self, variant: Variant) -> None:
        """A finite scalar; one generator gives one loss and one objective, and leaves the vectors as they are."""
        texts = [toy_mentions(type(self.encoder())) for _ in range(2)]
        objectives = [self.objective(variant, self.encoder(), text) for text in texts]
        with untouched_streams():
            losses = [objective.loss(numbers(objective), stream(4)) for objective in objectives]
            again = objectives[0].loss(numbers(objectives[0]), stream(4))
        assert losses[0].shape == (), f"expected a scalar, found {tuple(losses[0].shape)}"
        assert losses[0].isfinite(), f"expected a finite loss, found {losses[0].item()}"
        assert torch.equal(texts[0].vectors, toy_vectors()), "the input vectors, which are frozen, were changed"
        assert torch.equal(*map(weights_of, objectives)), "one generator gave two objectives"
        assert torch.equal(losses[0], losses[1]), "one generator gave two losses"
        assert torch.equal(losses[0], again), "one generator gave two losses to one objective"

    def test_what_stands_after_a_readings_end_has_no_influence(self, variant: Variant) -> None:
        """On the loss, whatever the empty places hold."""
        losses = []
        for filler in (0, 5):
            encoder = self.encoder()
            objective = self.objective(variant, encoder, toy_mentions(type(encoder), 3, filler))
            losses.append(objective.loss(numbers(objective), stream(4)).detach())
        assert near(*losses), "what stands after a reading's end has an influence on the loss"

    def test_its_loss_moves_every_weight(self, variant: Variant) -> None:
        """A gradient reaches all that is trained, the encoder's weights among it."""
        objective = self.objective(variant, self.encoder())
        weights = dict(objective.named_parameters())
        loss = objective.loss(numbers(objective), stream(4))
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        idle = [name for name, g in zip(weights, gradients, strict=True) if g is None or not g.any()]
        assert not idle, f"no gradient reaches {', '.join(idle)}"

    def test_updates_lower_its_loss(self, variant: Variant) -> None:
        """Some dozen steps of AdaGrad on the toy text."""
        objective = self.objective(variant, self.encoder())
        before = usual_loss(objective)
        optimizer = torch.optim.Adagrad(objective.parameters(), lr=0.1)
        for at in range(UPDATES):
            step(objective, optimizer, stream(100 + at))
        after = usual_loss(objective)
        assert after < before, f"expected a lower loss after {UPDATES} updates, found {before:.3f} and then {after:.3f}"

    def test_what_its_decoder_says_is_as_long_as_what_was_read(self, variant: Variant) -> None:
        """Rows of the input vectors, (B, T) for each reading, where there is a decoder."""
        encoder = self.encoder()
        mentions = toy_mentions(type(encoder))
        objective = self.objective(variant, encoder, mentions)
        chosen = torch.tensor([3, 0, 9])
        try:
            said = objective.reconstruct(chosen)
        except NotImplementedError:
            pytest.skip("the objective has no decoder")
        longest = max(reading.tokens.shape[1] for reading in mentions.batch(chosen).readings)
        shapes = [tuple(tokens.shape) for tokens in said]
        assert shapes == [(3, longest)] * 2, f"expected (B, T) = (3, {longest}) for each reading, found {shapes}"
        assert all(((row >= 0) & (row < len(mentions.vectors))).all() for row in said), "no rows of the vectors"


def stream(seed: int) -> torch.Generator:
    """A generator with this seed."""
    return torch.Generator().manual_seed(seed)


def named_so(name: str) -> Names:
    """One of `NAMED`."""
    has_vector = torch.ones(WORDS, dtype=torch.bool)
    if name == "one word and one entity":
        return Names(toy_vectors()[:1], has_vector[:1], (torch.tensor([0]),))
    if name != "all words have vectors":
        has_vector[[1, 6] if name == "some words have vectors" else slice(None)] = False
    return toy_names(has_vector)


def numbers(objective: Objective) -> Tensor:
    """Of the mentions to learn from, those that make a batch."""
    chosen = objective.mentions()
    return torch.arange(18) if chosen is None else chosen


def step(objective: Objective, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
    """One update by all mentions."""
    optimizer.zero_grad()
    objective.loss(numbers(objective), generator).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@torch.no_grad()
def usual_loss(objective: Objective) -> float:
    """The loss, averaged over a few draws."""
    return sum(float(objective.loss(numbers(objective), stream(seed))) for seed in range(8)) / 8


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

    def unroll(self, inputs: Tensor, start: Tensor) -> Tensor:
        """The hidden vector after every input, (B, T, D) -> (B, T, H), from `start`, (B, H), with memory 0."""
        self._expect(Capability.CELL)
        states: Tensor = self.lstm(inputs, (start[None], torch.zeros_like(start)[None]))[0]
        return states

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
