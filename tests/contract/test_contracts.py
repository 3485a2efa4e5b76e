"""The contracts fail what they are there to fail, each broken promise by its own test; outsiders can inherit them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import pytest
import torch
import toy
from torch import Tensor, nn

import harness.testing
from harness.contracts import (
    About,
    Batch,
    Capability,
    Corpus,
    Encoder,
    EntityVectors,
    Fault,
    LinkedMention,
    LinkedSentence,
    Names,
    Objective,
    Parse,
    Place,
    Reading,
    RelationMention,
    SequenceEncoder,
    Span,
    Strategy,
    TextNotes,
    UnlabelledMentions,
    UnlabelledText,
)
from harness.errors import HarnessError
from harness.parameters import Among, parameter
from harness.pretraining import Pretraining
from harness.testing import CorpusContract, EncoderContract, StrategyContract, TextContract

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

ROOT = Path(__file__).parents[2]
COUNTER = count()


class Good(SequenceEncoder):
    """A recurrent encoder that keeps every promise."""

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        units: int = parameter(5, "width of a reading's vector", at_least=1)
        squash: bool = parameter(True, "tanh after every step")

    offers = frozenset({Capability.VECTORS, Capability.ENCODE, Capability.STATES})

    def __init__(self, width: int, parameters: Parameters, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        self.squash = parameters.squash
        self.units = parameters.units
        self.drawn = nn.Parameter(torch.randn(width + parameters.units, parameters.units, generator=generator) / 3)

    @property
    def hidden(self) -> int:
        return self.units

    def states(self, reading: Reading) -> Tensor:
        state, states = torch.zeros(len(reading.tokens), self.units, dtype=reading.vectors.dtype), []
        for step in reading.inputs().unbind(1):
            state = torch.cat([step, state], 1) @ self.drawn
            state = state.tanh() if self.squash else state
            states.append(state)
        return torch.stack(states, 1)

    def encode(self, reading: Reading) -> Tensor:
        return self.states(reading)[torch.arange(len(reading.lengths)), reading.lengths - 1]


class Shared(Good):
    def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        nn.init.normal_(self.drawn)


class Constant(Good):
    def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
        super().__init__(width, parameters, torch.Generator().manual_seed(0))


class Wide(Good):
    def represent(self, batch: Batch) -> Tensor:
        return super().represent(batch).repeat(1, 2)


class Double(Good):
    def represent(self, batch: Batch) -> Tensor:
        return super().represent(batch).double()


class Infinite(Good):
    def represent(self, batch: Batch) -> Tensor:
        return super().represent(batch) / 0


class Restless(Good):
    def represent(self, batch: Batch) -> Tensor:
        return super().represent(batch) + next(COUNTER)


class Gambling(Good):
    def represent(self, batch: Batch) -> Tensor:
        return nn.functional.dropout(super().represent(batch))


class Scribbling(Good):
    def represent(self, batch: Batch) -> Tensor:
        hidden = super().represent(batch)
        batch.readings[0].vectors[0] += 1
        return hidden


class Padded(Good):
    def encode(self, reading: Reading) -> Tensor:
        return self.states(reading)[:, -1]


class Centred(Good):
    def represent(self, batch: Batch) -> Tensor:
        hidden = super().represent(batch)
        return hidden - hidden.mean(0)


class Undirected(Good):
    def represent(self, batch: Batch) -> Tensor:
        first, second = super().represent(batch).chunk(2, dim=1)
        return torch.cat([first + second, first * second], 1)


class Idle(Good):
    def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        self.unused = nn.Parameter(torch.randn(3, generator=generator))


class WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor) -> Tensor:
        return 2 * hidden

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 3 * gradient


class Misled(Good):
    def encode(self, reading: Reading) -> Tensor:
        hidden: Tensor = WrongGradient.apply(super().encode(reading))
        return hidden


class Forgetful(Good):
    def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        self.scale = torch.rand(1, generator=generator)

    def encode(self, reading: Reading) -> Tensor:
        return super().encode(reading) * self.scale.to(reading.vectors.dtype)


class Blind(Good):
    def represent(self, batch: Batch) -> Tensor:
        normed = (Reading(r.tokens, r.lengths, r.vectors / r.vectors.norm(dim=1, keepdim=True)) for r in batch.readings)
        return super().represent(Batch(batch.size, tuple(normed)))


class Otherwise(Good):
    def represent(self, batch: Batch) -> Tensor:
        return 2 * super().represent(batch)


class Foreseeing(Good):
    def states(self, reading: Reading) -> Tensor:
        states = super().states(reading)
        return states + states[:, -1:]


class Featureless(Encoder):
    """Offers nothing, and has a vector all the same."""

    @property
    def size(self) -> int:
        return 2

    def represent(self, batch: Batch) -> Tensor:
        return torch.ones(batch.size, 2)


class Thawed(Good):
    @dataclasses.dataclass
    class Parameters:
        units: int = parameter(5, "width of a reading's vector", at_least=1)
        squash: bool = parameter(True, "tanh after every step")


class Searching(Good):
    """One of its parameters says what tuning is to try."""

    @dataclasses.dataclass(frozen=True)
    class Parameters(Good.Parameters):
        """As of Good."""

        units: int = parameter(5, "width of a reading's vector", at_least=1, search=Among((5, 10)))


class Undocumented(Good):
    @dataclasses.dataclass(frozen=True)
    class Parameters:
        units: int = 5
        squash: bool = True


class Growing(Good):
    @dataclasses.dataclass(frozen=True)
    class Parameters:
        units: int = parameter(5, "width of a reading's vector", at_least=1)
        squash: bool = parameter(True, "tanh after every step")

        def __post_init__(self) -> None:
            object.__setattr__(self, "units", self.units + 1)


class TestGood(EncoderContract):
    plugin = Good


@pytest.mark.parametrize(
    ("plugin", "promise", "told"),
    [
        (Thawed, "parameters_are_frozen_and_documented", "DID NOT RAISE.*FrozenInstanceError"),
        (Undocumented, "parameters_are_frozen_and_documented", "units must say what it means"),
        (Searching, "what_tuning_tries_can_be_set", "units has a search, and tuning leaves encoder parameters"),
        (Growing, "parameters_survive_a_record", "expected .*units=6.* found .*units=7"),
        (Shared, "weights_come_from_the_generator", "one seed made two encoders"),
        (Constant, "weights_come_from_the_generator", "two seeds made one encoder"),
        (Wide, "represents_mentions_as_finite_vectors", r"shape \(4, 10\), found \(4, 20\)"),
        (Double, "represents_mentions_as_finite_vectors", "expected float32, found torch.float64"),
        (Infinite, "represents_mentions_as_finite_vectors", "found NaN or infinity"),
        (Gambling, "represents_mentions_as_finite_vectors", "the shared stream of torch"),
        (Restless, "represents_mentions_as_finite_vectors", "one batch has two representations"),
        (Scribbling, "represents_mentions_as_finite_vectors", "which are frozen, were changed"),
        (Padded, "a_mention_is_alone_what_it_is_in_a_batch", "what stands after a reading's end"),
        (Centred, "a_mention_is_alone_what_it_is_in_a_batch", "mention 0 is not alone"),
        (Undirected, "sees_the_direction", "mention 0 has the same vector from either end"),
        (Idle, "every_weight_learns", "no gradient reaches unused"),
        (Misled, "gradients_are_true", "Jacobian mismatch"),
        (Forgetful, "its_state_is_all_of_it", "the state dictionary is not all of it"),
        (Featureless, "offers_are_kept", "what reads no vectors has size 0, found 2"),
        (Blind, "offers_are_kept", "VECTORS: they have no influence"),
        (Otherwise, "offers_are_kept", r"ENCODE: represent is not \[encode"),
        (Foreseeing, "offers_are_kept", "STATES: a token has an influence on the states before it"),
        (Restless, "one_spec_gives_the_same_bits", "two runs of one spec"),
        (Undirected, "tells_directions_apart", "but 50% of the mentions are"),
    ],
)
def test_a_broken_encoder_is_told(plugin: type[Encoder], promise: str, told: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, RuntimeError), match=told):
        check(EncoderContract, plugin, promise, tmp_path)


@dataclasses.dataclass(frozen=True)
class Drawn(EntityVectors):
    """A vector for each entity at random, whatever its names are."""

    def of_names(self, names: Names, generator: torch.Generator) -> Tensor:
        return torch.randn(len(names.entity_words), names.word_vectors.shape[1], generator=generator)


class Fixed(Strategy):
    """A strategy that keeps every promise, and pre-trains nothing."""

    needs = frozenset({Capability.VECTORS})

    def entity_vectors(self) -> EntityVectors:
        return Drawn()


class Fanciful(Fixed):
    needs = frozenset({"attention"})  # type: ignore[arg-type]


def drawing(**methods: Any) -> type[Strategy]:
    """A strategy whose entity vectors are made as `Drawn` makes them but for these methods."""
    maker: Any = dataclasses.dataclass(frozen=True)(type("Otherwise", (Drawn,), methods))
    return type("Strange", (Fixed,), {"entity_vectors": lambda self: maker()})


def beginning(first_weights: Callable[[Any, Encoder], None]) -> type[Strategy]:
    """A strategy whose fine-tuning begins so."""
    return type("Strange", (Fixed,), {"first_weights": first_weights})


@torch.no_grad()
def restarting(self: Strategy, encoder: Encoder) -> None:
    for weight in encoder.parameters():
        weight.fill_(next(COUNTER))


@torch.no_grad()
def throwing_dice(self: Strategy, encoder: Encoder) -> None:
    for weight in encoder.parameters():
        weight.normal_()


@torch.no_grad()
def dividing_by_zero(self: Strategy, encoder: Encoder) -> None:
    for weight in encoder.parameters():
        weight.div_(0)


def freezing(self: Strategy, encoder: Encoder) -> None:
    encoder.requires_grad_(False)


def too_few(self: Drawn, names: Names, generator: torch.Generator) -> Tensor:
    return Drawn().of_names(names, generator)[1:]


def hollow(self: Drawn, names: Names, generator: torch.Generator) -> Tensor:
    """The mean of the words that have vectors, NaN where none has."""
    known = (words[names.has_vector[words]] for words in names.entity_words)
    return torch.stack([names.word_vectors[words].mean(0) for words in known])


def double(self: Drawn, names: Names, generator: torch.Generator) -> Tensor:
    return Drawn().of_names(names, generator).double()


def thawed(self: Drawn, names: Names, generator: torch.Generator) -> Tensor:
    return Drawn().of_names(names, generator).requires_grad_()


def wandering(self: Drawn, names: Names, generator: torch.Generator) -> Tensor:
    return Drawn().of_names(names, torch.Generator().manual_seed(random.getrandbits(32)))


def restless(self: Drawn, names: Names, generator: torch.Generator) -> Tensor:
    return Drawn().of_names(names, generator) + next(COUNTER)


def moving(self: Drawn, names: Names, generator: torch.Generator) -> Tensor:
    names.word_vectors[0] += 1
    return Drawn().of_names(names, generator)


def moving_in_text(self: Drawn, text: UnlabelledText, generator: torch.Generator) -> Tensor:
    return moving(self, text.names, generator)


def stirring(self: Drawn, text: UnlabelledText, generator: torch.Generator) -> Tensor:
    return Drawn().of_names(text.names, generator) + 1


class Loose(Fixed):
    """Another way of making the vectors every time."""

    def entity_vectors(self) -> EntityVectors:
        made: EntityVectors = dataclasses.make_dataclass("Else", [], bases=(Drawn,), frozen=True)()
        return made


class Thawing(Fixed):
    """Vectors by what is not frozen, and has no hash."""

    def entity_vectors(self) -> EntityVectors:
        made: EntityVectors = THAWED()
        return made


THAWED = type("Thawed", (Drawn,), {"__hash__": None})


class TestFixed(StrategyContract):
    plugin = Fixed


class Echo(Objective):
    """Tells the entity of mention 1 from the hidden vector, by a linear layer; every promise kept."""

    def __init__(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> None:
        super().__init__(encoder)
        self.of = mentions
        self.weight = nn.Parameter(torch.randn(encoder.size, 4, generator=generator))

    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(4, generator=generator) / 9
        scores = self.encoder.represent(self.of.batch(mentions)) @ self.weight + noise
        return nn.functional.cross_entropy(scores, self.of.pairs[mentions, 0])


class Learning(Fixed):
    """A strategy that pre-trains, and keeps every promise."""

    @dataclasses.dataclass(frozen=True)
    class Parameters(Pretraining):
        pass

    needs = frozenset({Capability.VECTORS, Capability.WEIGHTS})
    text = "required"
    kind: ClassVar[type[Any]] = Echo

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        made: Objective = self.kind(encoder, mentions, generator)
        return made


class TestLearning(StrategyContract):
    plugin = Learning


def minimising(**methods: Any) -> type[Strategy]:
    """A strategy that pre-trains as `Learning` does but for these methods of its objective."""
    return type("Strange", (Learning,), {"kind": type("Otherwise", (Echo,), methods)})


class Bare(Learning):
    @dataclasses.dataclass(frozen=True)
    class Parameters:
        pass


class Lacking(Learning):
    needs = frozenset({Capability.VECTORS})


class Deaf(Learning):
    text = "optional"  # type: ignore[assignment]


class Greedy(Learning):
    """Asks for more than it needs."""

    def objective(self, encoder: Any, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        encoder.encode(mentions.batch(torch.arange(2)).readings[0])
        return super().objective(encoder, mentions, generator)


class Possessive(Learning):
    """Asks for an LSTM to share, which it does not need either."""

    def objective(self, encoder: Any, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        encoder.unroll(torch.zeros(1, 2, mentions.vectors.shape[1]), torch.zeros(1, encoder.hidden))
        return super().objective(encoder, mentions, generator)


class Overwriting(Learning):
    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        nn.init.zeros_(next(encoder.parameters()))
        return super().objective(encoder, mentions, generator)


class Copying(Learning):
    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return super().objective(copy.deepcopy(encoder), mentions, generator)


class Careless(Learning):
    """Its own weights come from elsewhere."""

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        generator.seed()
        return super().objective(encoder, mentions, generator)


def listed(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    return Echo.loss(self, mentions, generator).expand(3)


def endless(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    return Echo.loss(self, mentions, generator) / 0


def gambling(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    return Echo.loss(self, mentions, generator) * torch.rand(())


def growing(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    return Echo.loss(self, mentions, generator) + next(COUNTER)


def scribbling(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    loss = Echo.loss(self, mentions, generator)
    self.of.vectors[0] += 1
    return loss


def padded(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    return Echo.loss(self, mentions, generator) + self.of.batch(mentions).readings[0].tokens[:, -1].sum()


def idle(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    scores = self.encoder.represent(self.of.batch(mentions)).detach() @ self.weight
    return nn.functional.cross_entropy(scores, self.of.pairs[mentions, 0])


def backwards(self: Echo, mentions: Tensor, generator: torch.Generator) -> Tensor:
    loss = Echo.loss(self, mentions, generator)
    return 2 * loss.detach() - loss


def one_reading(self: Echo, mentions: Tensor) -> tuple[Tensor, ...]:
    return (torch.zeros(len(mentions), 3, dtype=torch.int64),)


VECTORS = "makes_a_vector_for_each_entity"
DRAWS = "draws_from_the_generator_alone"
LOSS = "its_loss_is_drawn_from_the_generator_alone"
START = "gives_equal_encoders_equal_first_weights"
FIRST = "its_objective_holds_the_encoder_with_its_first_weights"


@pytest.mark.parametrize(
    ("plugin", "promise", "told"),
    [
        (Fanciful, "needs_are_capabilities", "expected members of Capability, found .'attention'"),
        (drawing(of_names=too_few), VECTORS, r"\(E, D\) = \(4, 6\), found \(3, 6\)"),
        (drawing(of_names=hollow), VECTORS, "found NaN or infinity"),
        (drawing(of_names=double), VECTORS, "expected float32, found torch.float64"),
        (drawing(of_names=thawed), VECTORS, "but these take a gradient"),
        (drawing(of_names=wandering), DRAWS, "the shared stream of Python"),
        (drawing(of_names=restless), DRAWS, "one generator gave two sets of entity vectors"),
        (Loose, DRAWS, "one strategy has its vectors made in two ways"),
        (Thawing, DRAWS, "unhashable type"),
        (drawing(of_names=moving), "leaves_names_and_words_as_they_are", "the words' vectors were changed"),
        (drawing(of_text=moving_in_text), "leaves_names_and_words_as_they_are", "the words' vectors were changed"),
        (drawing(of_text=stirring), "an_entity_that_the_text_lacks_has_the_vector_of_its_names", "was moved"),
        (beginning(restarting), START, "two equal encoders got two sets of first weights"),
        (beginning(throwing_dice), START, "drawn from the shared stream of torch"),
        (beginning(dividing_by_zero), START, "expected finite numbers, found NaN or infinity"),
        (beginning(freezing), START, "a weight no longer takes a gradient"),
        (Bare, "has_what_pre_training_asks_for", "must be derived from Pretraining"),
        (Deaf, "has_what_pre_training_asks_for", "`text` must be 'required', found 'optional'"),
        (Lacking, "has_what_pre_training_asks_for", "`needs` must name WEIGHTS"),
        (Greedy, LOSS, "ENCODE is used, but `needs` does not name it"),
        (Possessive, LOSS, "CELL is used, but `needs` does not name it"),
        (Overwriting, FIRST, "the encoder's first weights were changed"),
        (Copying, FIRST, "`encoder` must be the encoder that was given"),
        (Careless, LOSS, "one generator gave two objectives"),
        (minimising(loss=listed), LOSS, r"expected a scalar, found \(3,\)"),
        (minimising(loss=endless), LOSS, "expected a finite loss, found inf"),
        (minimising(loss=gambling), LOSS, "drawn from the shared stream of torch"),
        (minimising(loss=growing), LOSS, "one generator gave two losses"),
        (minimising(loss=scribbling), LOSS, "which are frozen, were changed"),
        (minimising(loss=padded), "what_stands_after_a_readings_end_has_no_influence", "has an influence on the loss"),
        (minimising(loss=idle), "its_loss_moves_every_weight", r"no gradient reaches encoder\.lstm\.weight_ih_l0, .*"),
        (minimising(loss=backwards), "updates_lower_its_loss", "expected a lower loss after 60 updates, found"),
        (
            minimising(mentions=lambda self: torch.tensor([0, 18])),
            "its_objective_learns_from_mentions_that_there_are",
            "expected numbers below 18",
        ),
        (
            minimising(mentions=lambda self: torch.tensor([3, 3])),
            "its_objective_learns_from_mentions_that_there_are",
            "a mention stands there twice",
        ),
        (
            minimising(reconstruct=one_reading),
            "what_its_decoder_says_is_as_long_as_what_was_read",
            r"expected \(B, T\) = \(3, 4\) for each reading, found \[\(3, 3\)\]",
        ),
    ],
)
def test_a_broken_strategy_is_told(plugin: type[Strategy], promise: str, told: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, TypeError), match=told):
        check(StrategyContract, plugin, promise, tmp_path)


def test_a_pair_refused_for_another_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("harness.testing.strategies.lacking", lambda encoder, strategy: [])
    with pytest.raises(AssertionError, match=r"with nothing offered expected .*VECTORS.* found \[\]"):
        check(StrategyContract, Fixed, "is_refused_exactly_where_something_lacks", tmp_path)


Mentions = tuple[RelationMention, ...]
TOY = toy.Toy().read(None).mentions
TREE = TOY[0].parse
assert TREE is not None


def with_first(**changed: Any) -> Mentions:
    """The toy mentions, something of the first one changed."""
    return dataclasses.replace(TOY[0], **changed), *TOY[1:]


@pytest.mark.parametrize(
    ("mentions", "promise", "told"),
    [
        (with_first(second=Span(0, 1)), "spans_are_in_text_order", r"toy-0: Span\(start=0, end=1\), Span"),
        (with_first(second=Span(3, 5)), "spans_are_in_text_order", "of 4 tokens"),
        (with_first(tokens=("Ada", "", "Acme", ".")), "spans_are_in_text_order", "toy-0: an empty token"),
        (with_first(identifier="toy-1"), "identifiers_are_unique", "taken twice: .'toy-1'"),
        ((*TOY, dataclasses.replace(TOY[0], identifier="again", part="test")), "no_example_stands_twice", "'founded'"),
        (TOY[:1], "labels_and_parts", "at least two classes"),
        (tuple(m for m in TOY if m.label != "no_relation"), "labels_and_parts", "no mention has the negative label"),
        (with_first(part="validation"), "labels_and_parts", "expected the parts train, dev, test, found .'validation'"),
        (with_first(head="third"), "labels_and_parts", "expected head to be first, second or None"),
        (with_first(first_entity=" "), "entities_stand_apart", "an entity with an empty ID"),
        (with_first(others=(LinkedMention(0, 2, "x"),)), "entities_stand_apart", "expected spans one after another"),
        (
            with_first(parse=dataclasses.replace(TREE, tags=())),
            "parses_are_trees",
            "used if it is not as long as its sentence",
        ),
        (with_first(parse=dataclasses.replace(TREE, heads=(4, -1, 1, 1))), "parses_are_trees", "a head outside the"),
        (with_first(parse=dataclasses.replace(TREE, heads=(1, -1, 3, 2))), "parses_are_trees", "it has a cycle"),
    ],
)
def test_a_broken_corpus_is_told(mentions: Mentions, promise: str, told: str, tmp_path: Path) -> None:
    class Broken(toy.Toy):
        def read(self, folder: Path | None) -> Corpus:
            return Corpus(mentions)

    with pytest.raises(AssertionError, match=told):
        check(CorpusContract, Broken, promise, tmp_path)


def saying(**changed: Any) -> About:
    """What the toy declares, something of it changed."""
    return dataclasses.replace(toy.Toy.about, **changed)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"about": None}, "`about` must be set to an About, found None"),
        ({"about": saying(headline="f1")}, "`headline` must be one of accuracy, .*, found 'f1'"),
        ({"about": saying(licence=" ")}, "`licence` must not be empty"),
        ({"about": saying(source=None)}, "`source` must be set to a string, found None"),
        ({"about": saying(negative_label="")}, "`negative_label` is ''"),
        ({"about": saying(oddities="many")}, "`oddities` must be a tuple, found 'many'"),
        ({"files": "toy.txt"}, "`files` must be a tuple"),
        ({"files": ("../toy.txt",)}, "paths below the corpus's folder"),
    ],
)
def test_a_corpus_that_says_too_little_is_told(attributes: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=told):
        check(CorpusContract, type("Silent", (toy.Toy,), attributes), "says_what_it_is", tmp_path)


def test_a_corpus_that_changes_is_told(tmp_path: Path) -> None:
    class Changing(toy.Toy):
        def read(self, folder: Path | None) -> Corpus:
            return Corpus(with_first(label=f"label {random.random()}"))

    with pytest.raises(AssertionError, match="a second reading gave other mentions"):
        check(CorpusContract, Changing, "reads_the_same_twice", tmp_path)


def sentence(identifier: str = "one", *mentions: LinkedMention, parse: Parse | None = None) -> LinkedSentence:
    """Of two tokens, each an entity's unless told otherwise."""
    usual = LinkedMention(0, 1, "ada"), LinkedMention(1, 2, "lovelace")
    return LinkedSentence(identifier, ("Ada", "Lovelace"), mentions or usual, parse)


@pytest.mark.parametrize(
    ("sentences", "promise", "told"),
    [
        (lambda: [], "its_text_is_the_same_twice", "expected sentences, found none"),
        (lambda: [sentence(str(random.random()))], "its_text_is_the_same_twice", "a second reading gave another text"),
        (lambda: [sentence(), sentence()], "its_identifiers_are_unique", "taken twice: .'one'"),
        (lambda: [sentence(" ")], "its_identifiers_are_unique", "an identifier must not be empty"),
        (
            lambda: [sentence("one", LinkedMention(0, 2, "ada lovelace"), LinkedMention(1, 2, "lovelace"))],
            "its_text_is_linked_in_order",
            "one: expected spans one after another in 2 tokens",
        ),
        (lambda: [sentence("one", LinkedMention(0, 1, " "))], "its_text_is_linked_in_order", "one: an empty ID"),
        (lambda: [sentence(parse=TREE)], "its_text_is_linked_in_order", "one: a parse can't be used if"),
        (lambda: [sentence("one", LinkedMention(0, 1, "ada"))], "its_text_has_pairs", "no sentence has two linked"),
    ],
)
def test_a_broken_text_is_told(
    sentences: Callable[[], list[LinkedSentence]], promise: str, told: str, tmp_path: Path
) -> None:
    class Broken(toy.Toy):
        def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
            yield from sentences()

    with pytest.raises(AssertionError, match=told):
        check(TextContract, Broken, promise, tmp_path)


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        (TextNotes(left_out=Counter({"too long": 0})), "expected a count above 0 for 'too long', found 0"),
        (TextNotes(remarks=[""]), "a remark must not be empty"),
        (TextNotes(names={" ": "ada"}), "an empty name of 'ada'"),
        (TextNotes(names={"Ada": ""}), "a name without an entity: 'Ada'"),
        (
            TextNotes(faults=[Fault(Place(Path("text"), 3), "no mention")]),
            "faults that are not counted: .'no mention': 1",
        ),
    ],
)
def test_a_text_that_tells_too_little_is_told(notes: TextNotes, told: str, tmp_path: Path) -> None:
    class Broken(toy.Toy):
        def text(self, path: Path | None, found: TextNotes) -> Iterator[LinkedSentence]:
            vars(found).update(vars(notes))
            yield sentence()

    with pytest.raises(AssertionError, match=told):
        check(TextContract, Broken, "tells_what_it_leaves_out", tmp_path)


def test_a_corpus_that_is_not_here_is_skipped_with_what_is_missing(tmp_path: Path) -> None:
    class Absent(toy.Toy):
        files = ("to/be/found.txt",)

    with pytest.raises(pytest.skip.Exception, match=r"expected Absent/to/be/found\.txt below one of"):
        check(CorpusContract, Absent, "labels_and_parts", tmp_path)
    check(CorpusContract, Absent, "says_what_it_is", tmp_path)


def test_an_alternative_may_be_refused_and_the_defaults_may_not(tmp_path: Path) -> None:
    class Choosy(Good):
        def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
            if not parameters.squash:
                raise HarnessError("squash must be true")
            super().__init__(width, parameters, generator)

    class Unwilling(Good):
        def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
            raise HarnessError("not today")

    check(EncoderContract, Choosy, "sees_the_direction", tmp_path)
    with pytest.raises(pytest.skip.Exception, match="squash=False is refused: squash must be true"):
        check(EncoderContract, Choosy, "sees_the_direction", tmp_path, {"squash": False})
    with pytest.raises(HarnessError, match="not today"):
        check(EncoderContract, Unwilling, "sees_the_direction", tmp_path)


def test_a_contract_without_a_plugin_is_told(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="TestPlugin must set `plugin`, a class, or `name`"):
        check(EncoderContract, None, "sees_the_direction", tmp_path)


def test_the_published_example_runs(tmp_path: Path) -> None:
    _, _, example = (harness.testing.__doc__ or "").partition("::\n")
    (tmp_path / "test_last.py").write_text(dedent(example.rpartition("\n\n")[0]), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    surroundings = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout


def check(base: type[Any], plugin: type[Any] | None, promise: str, folder: Path, variant: Any = None) -> None:
    """Run one test of a contract on a plugin."""
    tests = type("TestPlugin", (base,), {"plugin": plugin})()
    test = getattr(tests, f"test_{promise}")
    asked = inspect.signature(test).parameters
    given = {"variant": variant or {}, "tmp_path": folder, "named": "no word has a vector"}
    for of_text in (False, True) if "of_text" in asked else (False,):
        test(**{name: {**given, "of_text": of_text}[name] for name in asked})
