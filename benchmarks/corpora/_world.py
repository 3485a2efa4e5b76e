"""The synthetic world: its entities with their names, the facts that hold between them, and the chance behind both."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

from benchmarks.corpora._expressions import RELATIONS, Relation
from benchmarks.corpora._phrases import Phrase
from harness.contracts import LinkedMention
from harness.seeding import numpy_stream

T = TypeVar("T")

COUNTS = {"person": 600, "organisation": 400, "work": 220, "date": 150, "city": 120, "country": 20}
UNKNOWN = 0.12  # share of the entities that the unlabelled text never mentions
POPULARITY = 0.5  # exponent of the frequency of entities and of facts
ONSETS = ("b", "br", "d", "dr", "f", "fr", "gl", "h", "k", "kr", "l", "m", "n", "r", "s", "sk", "st", "t", "tr", "v")
TRADES = ("Steel", "Marine", "Textile", "Grain", "Glass", "Mining", "Railway", "Paper")
FIRMS = ("Works", "Company", "Group", "Institute", "Union", "Press", "Society", "Laboratories")
QUALITIES = ("Silent", "Golden", "Broken", "Distant", "Hidden", "Crimson", "Endless", "Frozen", "Lonely", "Bitter")
THINGS = (
    "Anchor", "Bridge", "Candle", "Clock", "Door", "Feather", "Forest", "Garden", "Harbour", "Island", "Kingdom",
    "Ladder", "Lantern", "Letter", "Meadow", "Mirror", "Mountain", "Orchard", "Promise", "River", "Shadow", "Tower",
    "Voyage", "Window", "Winter",
)  # fmt: skip
MONTHS = ("January", "February", "March", "April", "June", "July", "August", "September", "October", "November")


class Dice:
    """Draws from one named stream. Only uniform numbers are asked of numpy, and in blocks: single draws are slow."""

    def __init__(self, stream: str) -> None:
        self._numbers = _uniform(stream)

    def below(self, bound: float) -> float:
        return next(self._numbers) * bound

    def chance(self, probability: float) -> bool:
        return next(self._numbers) < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.below(len(items)))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        return sorted(items, key=lambda _: next(self._numbers))


def _uniform(stream: str) -> Iterator[float]:
    generator = numpy_stream(stream)
    while True:
        yield from generator.random(4096).tolist()


class Zipf(Generic[T]):
    """Items by rank r, each drawn with a probability proportional to r ** -exponent."""

    def __init__(self, items: Sequence[T], exponent: float) -> None:
        self.items = items
        self._bounds = list(accumulate(rank**-exponent for rank in range(1, len(items) + 1)))

    def draw(self, dice: Dice) -> T:
        return self.items[bisect(self._bounds, dice.below(self._bounds[-1]))]


class Entity(NamedTuple):
    """A thing with a type and several names, the fullest the most frequent; `known` to the unlabelled text or not."""

    identifier: str
    kind: str
    names: Zipf[Phrase]
    known: bool


class Fact(NamedTuple):
    """Two entities between which a relation holds."""

    subject: Entity
    object: Entity


class World:
    """Entities by type ("place" is any city or country) and facts by relation, the popular ones first.

    With `known_only`, the part of the same world that the unlabelled text knows.
    """

    def __init__(self, known_only: bool = False) -> None:
        dice = Dice("synthetic world")
        entities = {kind: _entities(kind, count, dice) for kind, count in COUNTS.items()}
        entities["place"] = dice.shuffled(entities["city"] + entities["country"])
        facts = {relation.name: _facts(relation, entities, dice) for relation in RELATIONS}
        if known_only:
            entities = {kind: [entity for entity in members if entity.known] for kind, members in entities.items()}
            facts = {name: [f for f in held if f.subject.known and f.object.known] for name, held in facts.items()}
        self.entities = {kind: Zipf(members, POPULARITY) for kind, members in entities.items()}
        self.facts = {name: Zipf(held, POPULARITY) for name, held in facts.items()}
        self._related = {frozenset(fact) for held in facts.values() for fact in held}

    def related(self, pair: Fact) -> bool:
        """Whether any fact holds between the two, whichever is its subject."""
        return frozenset(pair) in self._related


def _entities(kind: str, count: int, dice: Dice) -> list[Entity]:
    given_names = [_word(dice) for _ in range(60)]
    entities: dict[str, Entity] = {}  # by full name, so that no two share one
    while len(entities) < count:
        names = _names(kind, given_names, dice)
        identifier = f"{kind}:{names[0].replace(' ', '_')}"
        phrases = [_name(name.split(), identifier) for name in names]
        entities[identifier] = Entity(identifier, kind, Zipf(phrases, 1.0), not dice.chance(UNKNOWN))
    return list(entities.values())


def _names(kind: str, given_names: Sequence[str], dice: Dice) -> tuple[str, ...]:
    """The full name of a new entity, then shorter ones, which it may share with others."""
    if kind == "person":
        given, surname = dice.pick(given_names), _word(dice)
        return f"{given} {surname}", surname, f"{given[0]}. {surname}"
    if kind == "organisation":
        root, trade, firm = _word(dice), dice.pick(TRADES), dice.pick(FIRMS)
        return f"{root} {trade} {firm}", root, f"{root} {firm}", root[0] + trade[0] + firm[0]
    if kind == "work":
        quality, thing = dice.pick(QUALITIES), dice.pick(THINGS)
        return f"The {quality} {thing}", f"{quality} {thing}", f"The {thing}"
    if kind == "date":
        month, year = dice.pick(MONTHS), 1880 + int(dice.below(120))
        return f"{month} {year}", f"{year}", f"{month[:3]}. {year}"
    root = _word(dice)
    if kind == "city":
        return dice.pick((f"Port {root}", f"New {root}", f"{root} City")), root
    return f"{root}land Federation", f"{root}land"


def _word(dice: Dice) -> str:
    """Two or three syllables that mean nothing."""
    syllables = [dice.pick(ONSETS) + dice.pick("aeiou") for _ in range(dice.pick((2, 2, 3)))]
    return "".join(syllables).title() + dice.pick(("", "n", "k", "s"))


def _name(words: Sequence[str], entity: str) -> Phrase:
    """A name as a tree, in which every word hangs on the last."""
    last = len(words) - 1
    tags = ["CD" if word.isdigit() else "DT" if word == "The" else "NNP" for word in words]
    labels = [{"CD": "nummod", "DT": "det", "NNP": "compound"}[tag] for tag in tags]
    heads = [last] * last + [-1]
    return Phrase(tuple(words), tuple(tags), tuple(heads), tuple(labels), last, (LinkedMention(0, last + 1, entity),))


def _facts(relation: Relation, entities: Mapping[str, list[Entity]], dice: Dice) -> list[Fact]:
    """One fact for every entity of the relation's unique side, with a partner drawn by popularity."""
    sides = (relation.subject, relation.object)
    unique, other = sides if relation.unique == "subject" else sides[::-1]
    partners = Zipf(entities[other], POPULARITY)
    facts = []
    for entity in entities[unique]:
        while (partner := partners.draw(dice)) is entity:
            pass
        facts.append(Fact(entity, partner) if relation.unique == "subject" else Fact(partner, entity))
    return dice.shuffled(facts)
