"""KnowledgeNet's public folds: 15 relations of linked entities in web text and Wikipedia (Mesquita et al. 2019)."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from benchmarks.corpora._tokens import Characters, covering, tokenise, words
from harness.collection import Collection, TextCollection, in_text_order
from harness.contracts import (
    About,
    Corpus,
    CorpusReader,
    Download,
    LinkedMention,
    LinkedSentence,
    Place,
    RelationMention,
    TextNotes,
    TextReader,
)
from harness.errors import DataError
from harness.fields import UnusableError, shown
from harness.text_files import files_of, opened

COLUMNS = (
    "Fold", "Doc", "Pass Start", "Pass End", "Sbj Start", "Sbj End", "Obj Start", "Obj End", "Annotated Property",
    "Passage",
)  # fmt: skip
_NO_FACT = "a passage without a fact, annotated as such"
_UNLINKED = "arguments that are not linked, and are no mentions of the text"
_OVERLAPPING = "linked arguments that overlap one before them, and are not used"
_OTHERWISE = "arguments that an earlier row links to another entity, which is used"
_SEVERAL = "names of several entities, which stand for the most frequent one"

_PRONOUNS = frozenset(
    "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers "
    "herself it its itself they them their theirs themselves one who whom whose which that what where this these "
    "those".split()
)
"""What mentions an entity and is no name of it."""

_ROW = re.compile(r"</?tr\b[^<>]*>")
_TAG = re.compile(r"<[^<>]*>")
_CELL = re.compile(r"\s*<td\b[^<>]*>")
_NUMBER = re.compile(r"[0-9]{1,12}")
_MARK = '<span id="'
_OPENING = re.compile(
    r'(subject|object)">(?:<a href="(?:http://www\.)?wikidata\.org/entity/(Q[0-9]+)" target="_blank">)?'
)

Argument = tuple[Characters, str | None]
"""Where an argument stands in its passage, and the Wikidata ID that it is linked to; None where it is not."""


class KnowledgeNet(CorpusReader, TextReader):
    """The page of human_readable-v10-notest.zip, an HTML table; a path may name such a zip file, too.

    A row is a fact, whose two arguments are marked in its passage and may be links to Wikidata, or a passage that
    was annotated for a relation and states no such fact: those are passed over, as they name no pair. A passage's
    tokens are cut at the edges of all arguments that its rows mark, and are the same in all of them. The arguments of
    the other rows are a mention's `others` where they are linked and apart from its own two. Nothing in the page is
    escaped, and all of it is training data: the test part is not public.

    As text, the rows of one passage are one sentence, wherever it was taken from; its mentions are the arguments that
    are linked. What such an argument is called is a further name of its entity, unless it is a pronoun; a name that
    several have stands for the one with the most mentions of that name. That takes memory of the size of the file.
    """

    files = ("human_readable-v10-notest.zip",)
    downloads = (
        Download(
            "https://raw.githubusercontent.com/diffbot/knowledge-net/abc4ed3ebb88bfde8c1f02709371324ae6347ba0/"
            "human_readable-v10-notest.zip",
            {"human_readable-v10-notest.zip": "062f9468713931272da41a0082c9c52c4a791e4d458d4fa4d15b106714cefd91"},
        ),
    )
    takes_path = True
    about = About(
        headline="micro_f1",
        negative_label=None,
        roles=True,
        licence="MIT",
        source="https://github.com/diffbot/knowledge-net",
        citation="Mesquita et al. 2019, KnowledgeNet: A Benchmark Dataset for Knowledge Base Population, EMNLP",
        oddities=(
            "subjects are often pronouns, which are linked to whom they stand for",
            "119 pairs state two relations, of which the one whose rows come first is kept",
            "published untokenised: the tokens are NLTK's, cut at the edges of arguments",
            "published without its test part, and its folds are not kept apart here",
        ),
    )

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        collection = Collection()
        passages: dict[tuple[str, str, str], _Passage] = {}
        facts = []
        for place, row in (row for file in files_of(path, self.files) for row in _rows(file)):
            with collection.example(place):
                fact = _fact(_cells(row))
                if fact is None:
                    collection.pass_over(_NO_FACT)
                    continue
                passage = passages.setdefault((fact.document, fact.start, fact.text), _Passage(fact.text))
                facts.append((place, fact, passage))
                for characters, entity in (fact.subject, fact.object):
                    if not passage.links_to(characters, entity):
                        collection.remark("an argument that an earlier row links to another entity, which is used")
        for place, fact, passage in facts:
            with collection.example(place):
                collection.add(_mention(fact, passage))
        return collection.corpus()

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        assert path is not None
        collection = TextCollection(notes)
        passages: dict[str, tuple[str, Place, _Passage]] = {}
        remarks: Counter[str] = Counter()
        for place, row in (row for file in files_of(path, self.files) for row in _rows(file)):
            with collection.example(place):
                fact = _fact(_cells(row))
                if fact is None:
                    collection.pass_over(_NO_FACT)
                    continue
                identifier = f"{fact.document}-{fact.start}-{len(passages) + 1}"
                _, _, passage = passages.setdefault(fact.text, (identifier, place, _Passage(fact.text)))
                for characters, entity in (fact.subject, fact.object):
                    remarks[_OTHERWISE] += not passage.links_to(characters, entity)
        names: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for identifier, place, passage in passages.values():
            with collection.example(place):
                linked, mentions = passage.linked(), tuple(passage.others(()))
                remarks[_UNLINKED] += len(passage.entities) - len(linked)
                remarks[_OVERLAPPING] += len(linked) - len(mentions)
                for name, entity in passage.names():
                    names[name][entity] += 1
                yield collection.sentence(identifier, words(passage.text, passage.tokens), mentions)
        notes.names |= {name: counts.most_common(1)[0][0] for name, counts in names.items()}
        remarks[_SEVERAL] = sum(len(counts) > 1 for counts in names.values())
        notes.remarks += [f"{told}: {count:,}" for told, count in remarks.items() if count]


@dataclasses.dataclass(frozen=True, slots=True)
class _Fact:
    """A row that states a fact: `document`, `start` and `offsets` as the row has them."""

    document: str
    start: str
    offsets: tuple[str, ...]
    relation: str
    text: str
    subject: Argument
    object: Argument


class _Passage:
    """A passage and what its rows tell of its entity mentions: `entities` by their characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.entities: dict[Characters, str | None] = {}

    def links_to(self, characters: Characters, entity: str | None) -> bool:
        """Note a mention and its link; whether that agrees with what other rows told."""
        known = self.entities.get(characters)
        self.entities[characters] = known or entity
        return known is None or entity is None or known == entity

    @cached_property
    def tokens(self) -> list[Characters]:
        """The tokens, once all mentions are noted."""
        return tokenise(self.text, {edge for characters in self.entities for edge in characters})

    def linked(self) -> dict[Characters, str]:
        """The mentions that are linked, with their entities."""
        return {characters: entity for characters, entity in self.entities.items() if entity}

    def names(self) -> Iterator[tuple[str, str]]:
        """What the linked mentions are called, case-folded, and their entities; a pronoun is no name."""
        for characters, entity in self.linked().items():
            name = " ".join(self.text[slice(*characters)].split()).casefold()
            if name not in _PRONOUNS:
                yield name, entity

    def others(self, pair: tuple[Characters, ...]) -> Iterator[LinkedMention]:
        """The linked mentions apart from the pair and from each other; of those that begin together the longest."""
        taken = 0
        for characters, entity in sorted(self.linked().items(), key=lambda one: (one[0][0], -one[0][1])):
            if characters[0] >= taken and not any(_overlap(characters, one) for one in pair):
                taken = characters[1]
                yield LinkedMention(*covering(self.tokens, characters), entity)


def _overlap(one: Characters, other: Characters) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _rows(file: Path) -> Iterator[tuple[Place, str]]:
    """Place and HTML of every row of the table's body."""
    page = _page(file)
    body, end = page.find("<tbody>"), page.rfind("</tbody>")
    if not 0 <= body < end:
        raise DataError(f"{file}: expected a page with a table, <tbody> ... </tbody>, found none")
    at = body + len("<tbody>")
    line = 1 + page.count("\n", 0, at)
    for row in _ROW.split(page[at:end]):
        if row.strip():
            before = row[: -len(row.lstrip())]
            yield Place(file, line + before.count("\n")), row
        line += row.count("\n")


def _page(file: Path) -> str:
    """The one HTML page of a zip file; Mac OS's companion of it is no page."""
    with opened(file) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                names = archive.namelist()
                pages = [name for name in names if name.endswith(".html") and PurePosixPath(name).name[:2] != "._"]
                if len(pages) != 1:
                    found = shown(", ".join(names)) if names else "nothing"
                    raise DataError(f"{file}: expected a zip file with one HTML page, found {found}")
                page = archive.read(pages[0])
        except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError) as error:
            raise DataError(f"{file}: expected a zip file, found a fault: {error}. Get it anew") from error
    try:
        return page.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + page.count(b"\n", 0, error.start)
        found = f"the byte 0x{page[error.start]:02x} ({error.reason})"
        raise DataError(f"{file}, line {line} of its page: expected UTF-8 text, found {found}") from error


def _cells(row: str) -> list[str]:
    """The cells of a row, by `COLUMNS`."""
    *cells, rest = row.split("</td>")
    openings = [_CELL.match(cell) for cell in cells]
    if rest.strip() or len(cells) != len(COLUMNS) or not all(openings):
        found = " ".join(_TAG.sub(" ", row).split())
        raise UnusableError(f"a row that is not {len(COLUMNS)} cells, <td> ... </td>", f"{len(cells)}: {shown(found)}")
    return [cell[opening.end() :].strip() for cell, opening in zip(cells, openings, strict=True) if opening]


def _fact(cells: list[str]) -> _Fact | None:
    """The fact that a row states; None for a passage without one."""
    _, document, start, end, *offsets, relation, passage = cells
    if offsets == ["-"] * 4 and _MARK not in passage:
        return None
    for name, cell in zip(COLUMNS[1:8], (document, start, end, *offsets), strict=True):
        if not _NUMBER.fullmatch(cell):
            raise UnusableError(f"a cell '{name}' that is not a number", shown(cell))
    text, arguments = _marked(passage)
    stated = [int(offset) - int(start) for offset in offsets]
    found = [edge for characters, _ in (arguments["subject"], arguments["object"]) for edge in characters]
    if found != stated or len(text) != int(end) - int(start):
        told = f"{stated} of {int(end) - int(start)} characters, the marks stand at {found} of {len(text)}"
        raise UnusableError("offsets that are not those of the marks", told)
    if not all(text[slice(*characters)].strip() for characters, _ in arguments.values()):
        raise UnusableError("an empty argument", shown(passage))
    return _Fact(document, start, tuple(offsets), relation, text, arguments["subject"], arguments["object"])


def _marked(passage: str) -> tuple[str, dict[str, Argument]]:
    """The text of a passage, and its two arguments by their roles."""
    before, *marked = passage.removeprefix("<p> ").removesuffix("</p>").split(_MARK, 3)
    pieces, length = [before], len(before)
    arguments: dict[str, Argument] = {}
    for one in marked:
        inner, _, after = one.partition("</span>")
        if opening := _OPENING.match(inner):
            name = inner[opening.end() :].removesuffix("</a>" if opening[2] else "")
            arguments[opening[1]] = (length, length + len(name)), opening[2]
            pieces += [name, after]
            length += len(name) + len(after)
    if len(marked) != 2 or len(arguments) != 2:
        raise UnusableError("a passage without one subject and one object in marks", shown(passage))
    return "".join(pieces), arguments


def _mention(fact: _Fact, passage: _Passage) -> RelationMention:
    """The relation mention of a fact, its arguments linked as any row of its passage links them."""
    tokens, pair = passage.tokens, (fact.subject[0], fact.object[0])
    first, second, head = in_text_order(*(covering(tokens, characters) for characters in pair))
    first_entity, second_entity = (passage.entities[characters] for characters in sorted(pair))
    return RelationMention(
        identifier="-".join([fact.document, fact.start, fact.relation, *fact.offsets]),
        tokens=words(passage.text, tokens),
        first=first,
        second=second,
        label=fact.relation,
        part="train",
        head=head,
        first_entity=first_entity,
        second_entity=second_entity,
        others=tuple(passage.others(pair)),
    )
