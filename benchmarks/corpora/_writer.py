"""The writer of the synthetic world: states its facts in many ways, and says things that only look like facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from benchmarks.corpora import _expressions as said
from benchmarks.corpora._expressions import Relation
from benchmarks.corpora._phrases import ADVERBIAL, Phrase, Template, compiled, filled, sentence, word
from benchmarks.corpora._world import COUNTS, Dice, Entity, Fact, World, Zipf
from harness.contracts import LinkedMention

NO_RELATION = "no_relation"
ANIMATE = ("person", "organisation", "city", "country")
STEEPNESS = 1.2  # exponent of the frequency of expressions: a few are common, most are rare
SKEW = 0.5  # exponent of the frequency of relations
MODIFIERS = ("aside", "aside", "adverbial", "adverbial", "adverbial", "opening", "closing", "none")
PERSONAL = {"who": word("who", "WP"), "whom": word("whom", "WP"), "its": word("their", "PRP$")}
IMPERSONAL = {"who": word("which", "WDT"), "whom": word("which", "WDT"), "its": word("its", "PRP$")}

template = cache(compiled)


class Expression(NamedTuple):
    """A trigger in a frame; where `inverse`, the slot {a} takes a fact's object and {b} its subject.

    A noun phrase describes an entity and needs a clause around it.
    """

    template: Template
    trigger: Mapping[str, Phrase]
    inverse: bool
    noun_phrase: bool

    @property
    def forward(self) -> bool:
        """Whether the subject comes before the object."""
        return (self.template.slots.index("a") < self.template.slots.index("b")) != self.inverse

    @property
    def described(self) -> str:
        """The slot of the entity that a noun phrase describes; where its head is a noun, that noun is said of {a}."""
        return "b" if self.template.head == "b" else "a"

    def sides(self, fact: Fact) -> dict[str, Entity]:
        """The entity of each slot."""
        return {"a": fact.object, "b": fact.subject} if self.inverse else {"a": fact.subject, "b": fact.object}


class Sentence(NamedTuple):
    """A sentence, two of its entities, and the relation that it states from the first to the second, or NO_RELATION."""

    phrase: Phrase
    entities: Fact
    relation: str

    @property
    def pair(self) -> tuple[LinkedMention, LinkedMention]:
        """The mentions of the two, in text order."""
        wanted = [entity.identifier for entity in self.entities]
        first, second = (mention for mention in self.phrase.mentions if mention.entity in wanted)
        return first, second

    @property
    def label(self) -> str:
        """The relation, directed over text order."""
        if self.relation == NO_RELATION:
            return NO_RELATION
        forward = self.pair[0].entity == self.entities.subject.identifier
        return f"{self.relation}({'e1,e2' if forward else 'e2,e1'})"


class Language:
    """All expressions, ranked once, so that labelled corpus and text favour the same ones.

    `stated` has them by relation and whether the subject comes first, `clauses` and `descriptions` by relation alone;
    `unnamed`, by relation, and `unrelated`, by the object's type, state nothing.
    """

    def __init__(self) -> None:
        dice = Dice("synthetic language")
        verbs = list(_triggers("verb", said.UNRELATED["person"]["verb"]))
        self.stated: dict[tuple[str, bool], Zipf[Expression]] = {}
        self.clauses: dict[str, Zipf[Expression]] = {}
        self.descriptions: dict[str, Zipf[Expression]] = {}
        self.unnamed: dict[str, Zipf[Expression]] = {}
        for relation in said.RELATIONS:
            ranked = dice.shuffled(_expressions(relation.triggers))
            for forward in (True, False):
                self.stated[relation.name, forward] = _zipf(e for e in ranked if e.forward == forward)
            self.clauses[relation.name] = _zipf(e for e in ranked if not e.noun_phrase)
            self.descriptions[relation.name] = _zipf(e for e in ranked if e.noun_phrase)
            self.unnamed[relation.name] = _zipf(
                Expression(template(notation), {**noun, **dice.pick(verbs)}, inverse=False, noun_phrase=False)
                for noun in _triggers("noun", relation.triggers["noun"])
                for notation in said.UNNAMED
            )
        self.unrelated = {
            kind: _zipf(e for e in dice.shuffled(_expressions(triggers)) if not e.noun_phrase)
            for kind, triggers in said.UNRELATED.items()
        }


def _zipf(expressions: Iterator[Expression]) -> Zipf[Expression]:
    return Zipf(list(expressions), STEEPNESS)


def _expressions(triggers: Mapping[str, str]) -> Iterator[Expression]:
    """Every trigger in every frame of its kind."""
    for kind, listed in triggers.items():
        frame = kind.removeprefix("inverse ")
        for trigger in _triggers(frame, listed):
            for noun_phrase, frames in ((False, said.CLAUSES), (True, said.NOUN_PHRASES)):
                for notation in frames[frame]:
                    yield Expression(template(notation), trigger, frame != kind, noun_phrase)


def _triggers(frame: str, listed: str) -> Iterator[dict[str, Phrase]]:
    """What each trigger of the list puts into the slots of its frames."""
    for trigger in listed.split(", "):
        form, _, preposition = trigger.partition(" ")
        slots = {"p": word(preposition, "IN")} if preposition else {}
        if frame == "noun":
            yield {**slots, "n": word(form, "NN")}
        else:
            past, _, participle = form.partition("|")
            yield {**slots, "past": _verb(past, "VBD"), "participle": _verb(participle or past, "VBN")}


def _verb(form: str, tag: str) -> Phrase:
    verb, *particles = form.split("_")
    return filled(compiled(" ".join([f"{verb}/{tag}", *(f"{particle}/RP/compound:prt" for particle in particles)])), {})


class Writer:
    """Writes about a world, drawing from the stream of the given name."""

    def __init__(self, world: World, stream: str) -> None:
        self.world = world
        self.language = Language()
        self.dice = Dice(stream)
        self.relations = Zipf(said.RELATIONS, SKEW)

    def write(self, stating: float) -> Sentence:
        """One sentence, which states a relation with the probability `stating`."""
        relation = self.relations.draw(self.dice)
        if self.dice.chance(stating):
            return self._statement(relation)
        return self.dice.pick((self._remark, self._remark, self._denial, self._unnamed, self._bystander))(relation)

    def _statement(self, relation: Relation) -> Sentence:
        """A fact in one of its expressions: 'A founded B'."""
        fact = self.world.facts[relation.name].draw(self.dice)
        expression = self.language.stated[relation.name, self.dice.chance(0.5)].draw(self.dice)
        if expression.noun_phrase and self.dice.chance(0.5):
            return Sentence(self._met(expression, fact)[0], fact, relation.name)
        return Sentence(self._told(expression, fact), fact, relation.name)

    def _remark(self, relation: Relation) -> Sentence:
        """Nothing about two entities that may be related all the same: 'A visited B'."""
        pair = self.world.facts[relation.name].draw(self.dice) if self.dice.chance(0.5) else self._strangers(relation)
        return Sentence(self._told(self.language.unrelated[pair.object.kind].draw(self.dice), pair), pair, NO_RELATION)

    def _denial(self, relation: Relation) -> Sentence:
        """A relation said not to hold: 'A never founded B'."""
        pair = self._strangers(relation)
        expression = self.language.clauses[relation.name].draw(self.dice)
        return Sentence(self._told(expression, pair, denied=True), pair, NO_RELATION)

    def _unnamed(self, relation: Relation) -> Sentence:
        """A relation of somebody else: 'A met the founder of B'."""
        pair = self._strangers(relation)
        return Sentence(self._told(self.language.unnamed[relation.name].draw(self.dice), pair), pair, NO_RELATION)

    def _bystander(self, relation: Relation) -> Sentence:
        """A relation of somebody who stands between the pair: 'C met A , the founder of B'."""
        fact = self.world.facts[relation.name].draw(self.dice)
        phrase, third = self._met(self.language.descriptions[relation.name].draw(self.dice), fact)
        ends = (phrase.mentions[0].entity, phrase.mentions[-1].entity)
        far = fact.subject if fact.subject.identifier in ends else fact.object
        return Sentence(phrase, Fact(third, far), NO_RELATION)

    def _strangers(self, relation: Relation) -> Fact:
        """Two entities of the relation's types between which nothing holds."""
        subjects, objects = self.world.entities[relation.subject], self.world.entities[relation.object]
        while True:
            pair = Fact(subjects.draw(self.dice), objects.draw(self.dice))
            if pair.subject is not pair.object and not self.world.related(pair):
                return pair

    def _told(self, expression: Expression, pair: Fact, denied: bool = False) -> Phrase:
        """The expression as a sentence, with one modifier at most and so three entities at most."""
        modifier = self.dice.pick(MODIFIERS)
        sides = expression.sides(pair)
        slots = self._slots(expression, sides)
        opened = expression.template.open
        if modifier == "aside" and opened:
            slots[opened] = self._modified(said.ASIDES[sides[opened].kind], pair, x=slots[opened])
        if denied:
            slots[ADVERBIAL] = self._modified(said.NEGATIONS, pair)
        elif modifier == "adverbial":
            slots[ADVERBIAL] = self._modified(said.ADVERBIALS, pair)
        phrase = filled(expression.template, slots)
        if expression.noun_phrase:
            phrase = self._modified(said.REMAINDERS[sides[expression.described].kind], pair, x=phrase)
        if modifier == "opening":
            phrase = self._modified(said.OPENINGS, pair, s=phrase)
        elif modifier == "closing":
            phrase = self._modified(said.CLOSINGS, pair, s=phrase)
        return sentence(phrase)

    def _met(self, expression: Expression, fact: Fact) -> tuple[Phrase, Entity]:
        """A sentence in which a third entity, also returned, meets the one that the noun phrase describes."""
        sides = expression.sides(fact)
        described = sides[expression.described]
        animate = described.kind in ANIMATE
        third = self._third(described.kind if animate else "person", fact)
        slot, other = ("a", "b") if animate and self.dice.chance(0.5) else ("b", "a")
        meeting = self.language.unrelated[described.kind].draw(self.dice)
        slots = self._slots(meeting, {slot: described, other: third})
        slots[slot] = filled(expression.template, self._slots(expression, sides))
        return sentence(filled(meeting.template, slots)), third

    def _slots(self, expression: Expression, sides: Mapping[str, Entity]) -> dict[str, Phrase]:
        """The trigger's words, a name for either side, and the pronouns that refer to them."""
        names = {slot: entity.names.draw(self.dice) for slot, entity in sides.items()}
        of_a, of_b = (PERSONAL if sides[slot].kind == "person" else IMPERSONAL for slot in ("a", "b"))
        return {**expression.trigger, **names, "who": of_a["who"], "whom": of_b["whom"], "its": of_b["its"]}

    def _modified(self, notations: tuple[str, ...], pair: Fact, **slots: Phrase) -> Phrase:
        """One of the templates, filled; a slot with the name of a type takes a third entity."""
        modifier = template(self.dice.pick(notations))
        thirds = {slot: self._third(slot, pair).names.draw(self.dice) for slot in modifier.slots if slot in COUNTS}
        return filled(modifier, {**slots, **thirds})

    def _third(self, kind: str, pair: Fact) -> Entity:
        """An entity of the type that is not of the pair."""
        while (third := self.world.entities[kind].draw(self.dice)) in pair:
            pass
        return third
