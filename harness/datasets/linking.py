"""Which entity of a text a mention of the target names: by the ID that it is given, else by its name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.contracts import RelationMention
from harness.errors import DataError
from harness.readings import entities
from harness.text_files import lines
from harness.vocabulary import canonical_name

OFTEN = 5
"""Mentions in the text from which on an entity counts as often seen."""


class Linker:
    """Links entities of a target corpus to those of a text.

    Parameters
    ----------
    names: what a name, case-folded, stands for: the ID of an entity of the text
    table: rows of names and IDs of another kind (Freebase, Wikidata): it leads from a name to an entity of the text
        that has that ID, and from an ID to the entity of the text that has that name
    """

    def __init__(self, names: Mapping[str, str], table: Iterable[tuple[str, str]] = ()) -> None:
        self._names = names
        self._entities = set(names.values())
        self._by_identifier: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        for name, identifier in table:
            name = canonical_name([name])
            if identifier in self._entities:
                self._by_name.setdefault(name, identifier)
            if name in names:
                self._by_identifier.setdefault(identifier, names[name])

    def link(self, entity: str, name: str) -> str | None:
        """The ID in the text of an entity of the target with this ID and name, which may be one; None where it has
        none.
        """
        if entity in self._entities:
            return entity
        name = canonical_name([name])
        return self._by_identifier.get(entity) or self._names.get(name) or self._by_name.get(name)


def read_table(file: Path) -> list[tuple[str, str]]:
    """The rows of a table of names and IDs: `name<TAB>ID`, a line each; lines that begin with # are comments.

    Raises DataError with file and line for another line.
    """
    rows = []
    for number, line in lines(file):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.rstrip("\r\n").split("\t")]
        if len(fields) != 2 or not all(fields):
            raise DataError(f"{file}, line {number}: expected a name, a tab and an ID, found {line.strip()[:80]!r}")
        rows.append((fields[0], fields[1]))
    if not rows:
        raise DataError(f"{file}: expected names and IDs, found no line of them")
    return rows


def links(mentions: Sequence[RelationMention], linker: Linker) -> dict[str, str]:
    """The entities of a target that the text has, and their IDs there; each is looked for by its most frequent name."""
    names: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mention in mentions:
        one, two = entities(mention)
        own = ((*mention.first, one), (*mention.second, two), *mention.others)
        for start, end, entity in own:
            names[entity][canonical_name(mention.tokens[start:end])] += 1
    found = {entity: linker.link(entity, called.most_common(1)[0][0]) for entity, called in names.items()}
    return {entity: there for entity, there in found.items() if there is not None}


def shares(mentions: Sequence[RelationMention], links: Mapping[str, str], count: Mapping[str, int]) -> dict[str, float]:
    """Of the arguments of the target's mentions, the share that the text has, and that which it has often.

    `links` maps the target's entities to the text's, `count` is how often each of those is mentioned there.
    """
    found = [count.get(links.get(entity, ""), 0) for mention in mentions for entity in entities(mention)]
    total = max(1, len(found))
    return {"linked": sum(map(bool, found)) / total, "often": sum(n >= OFTEN for n in found) / total}
