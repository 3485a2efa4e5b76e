"""Text of Wikipedia, or of another wiki: a MediaWiki XML dump, whose links are the entity mentions."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.corpora._dumps import Dump, Page
from benchmarks.corpora._sentences import split
from benchmarks.corpora._titles import ARTICLES, Kind, Namespaces, canonical
from benchmarks.corpora._tokens import covering, tokenise, words
from benchmarks.corpora._wikitext import HOLE, Link, left_over, paragraphs, redirect
from harness.collection import TextCollection
from harness.contracts import About, LinkedMention, LinkedSentence, Place, TextNotes, TextReader
from harness.parameters import PAPER, parameter
from harness.text_files import files_of

DUMP = "pages-articles.xml"
RECENT = 1 << 20  # hashes of sentences that are kept unsorted

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(
    rf"\d{{1,4}}s?(?: BCE?)?|AD \d{{1,4}}|\d{{1,2}}(?:st|nd|rd|th) (?:century|millennium)(?: BCE?)?"
    rf"|(?:{_MONTHS})(?: \d{{1,2}})?|\d{{1,2}} (?:{_MONTHS})"
)
_END = re.compile(r"[.!?][\"'”’»)\]]*+\Z")


class Candidate(NamedTuple):
    """A sentence of an article before it is tokenised."""

    place: Place
    identifier: str
    text: str
    links: tuple[Link, ...]


class WikipediaLinks(TextReader):
    """A dump of pages with their current text, such as enwiki-20260101-pages-articles.xml.bz2, packed or not.

    A link is a mention, the title of the article that it leads to the entity's ID, redirects resolved. Since a
    redirect may stand anywhere in the dump, the file is read twice: for the redirects, then for the sentences. Articles
    alone are read, and of them running prose: no headings, lists, tables, templates, image captions or notes. Words are
    tokenised by NLTK's rules, and no token reaches over a mention's edge.

    A dump that is cut off is read up to its last whole page, with a remark. Sentences of equal tokens are kept once, by
    a hash of 64 bits and 8 bytes a sentence; beside that and the redirects, memory does not grow with the dump.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """What is kept."""

        named_only: bool = parameter(
            True,
            "links to named entities and dates alone are mentions: the anchor has a capital that is not merely the "
            "sentence's first letter, or the article is a date",
        )
        mentions: int = parameter(2, "fewest mentions of a sentence", source=PAPER, at_least=0)
        shortest: int = parameter(4, "fewest tokens of a sentence", unit="tokens", at_least=1)
        longest: int = parameter(60, "most tokens of a sentence", unit="tokens", at_least=1)

    optional_files = (DUMP,)
    takes_path = True
    about = About(
        licence="CC BY-SA 4.0 and GFDL (until 2023 CC BY-SA 3.0, until 2009 GFDL alone); attribution by page title",
        source="https://dumps.wikimedia.org",
        citation="Wikipedia contributors, Wikipedia, The Free Encyclopedia",
        oddities=(
            "an article never links itself, and others mostly at their first mention: later mentions are not marked",
            "adjectives link to what they are derived from: [[Poland|Polish]]",
            "what a template writes is missing, so that a sentence may lack a word or a number",
            "sentences are found by rules made for English",
            "of the 435,248 sentences in the first 100 MB of the dump of March 2006 (enwik8) 72,464 are kept, with "
            "217,139 mentions of 83,038 articles",
        ),
    )

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        assert path is not None
        (file,) = files_of(path, self.optional_files)
        names = _redirects(file)
        gathered = TextCollection(notes)
        seen = _Seen()
        dump = Dump(file)
        pages: Counter[str] = Counter()
        for page in dump.pages():
            pages["all"] += 1
            if page.namespace != ARTICLES:
                pages["elsewhere"] += 1
            elif _target(page):
                pages["redirects"] += 1
            else:
                for candidate in self._candidates(file, page, dump.namespaces, gathered):
                    with gathered.example(candidate.place):
                        sentence = self._sentence(candidate, names, gathered)
                        if sentence and seen.add(sentence.tokens):
                            yield sentence
                        elif sentence:
                            gathered.pass_over("a sentence whose tokens are those of an earlier one")
        notes.names.update(names)
        notes.remarks.append(
            f"{pages['all']:,} pages, of which {pages['redirects']:,} redirects and {pages['elsewhere']:,} that are no "
            "articles"
        )
        if dump.cut:
            notes.remarks.append(dump.cut)

    def _candidates(
        self, file: Path, page: Page, namespaces: Namespaces, gathered: TextCollection
    ) -> Iterator[Candidate]:
        """The sentences of an article that have enough links and are nothing but prose."""
        place = Place(file, page.line)
        number = 0
        for text, links in paragraphs(page.text, namespaces):
            at = 0
            for start, end in split(text, [link[:2] for link in links]):
                first = at
                while at < len(links) and links[at].end <= end:
                    at += 1
                if at - first < self.parameters.mentions:
                    gathered.pass_over("a sentence of fewer mentions than `mentions`")
                    continue
                sentence = text[start:end]
                if reason := _no_prose(sentence):
                    gathered.pass_over(reason)
                    continue
                number += 1
                within = tuple(Link(link.start - start, link.end - start, link.title) for link in links[first:at])
                yield Candidate(place, f"{page.identifier or f'page {page.number}'}-{number}", sentence, within)

    def _sentence(self, candidate: Candidate, names: dict[str, str], gathered: TextCollection) -> LinkedSentence | None:
        """The sentence as it is handed on; None where it is not wanted, which is counted."""
        parameters = self.parameters
        links = [link._replace(title=names.get(link.title, link.title)) for link in candidate.links]
        if parameters.named_only:
            links = [link for link in links if _is_named(candidate.text, link)]
        if len(links) < parameters.mentions:
            gathered.pass_over("a sentence of fewer mentions than `mentions`")
            return None
        if len(candidate.text.split()) > parameters.longest:  # as many tokens at least
            gathered.pass_over("a sentence of more tokens than `longest`")
            return None
        tokens = tokenise(candidate.text, [edge for link in links for edge in link[:2]])
        if not parameters.shortest <= len(tokens) <= parameters.longest:
            short = len(tokens) < parameters.shortest
            gathered.pass_over(f"a sentence of {'fewer' if short else 'more'} tokens than "
                               f"`{'shortest' if short else 'longest'}`")  # fmt: skip
            return None
        mentions = [LinkedMention(*covering(tokens, link[:2]), link.title) for link in links]
        return gathered.sentence(candidate.identifier, words(candidate.text, tokens), mentions)


class _Seen:
    """Which token sequences there were, by a hash: 8 bytes each, sorted, but for the last ones."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.uint64)
        self._recent: set[int] = set()

    def add(self, tokens: Sequence[str]) -> bool:
        """Whether they are seen for the first time."""
        own = int.from_bytes(blake2b("\n".join(tokens).encode(), digest_size=8).digest())
        at = int(np.searchsorted(self._sorted, np.uint64(own)))
        if own in self._recent or (at < len(self._sorted) and int(self._sorted[at]) == own):
            return False
        self._recent.add(own)
        if len(self._recent) == RECENT:
            self._sorted = np.sort(np.append(self._sorted, np.fromiter(self._recent, np.uint64, RECENT)))
            self._recent.clear()
        return True


def _target(page: Page) -> str:
    """The title that the page redirects to; empty where it is no redirect."""
    return canonical(page.redirect) or redirect(page.text)


def _redirects(file: Path) -> dict[str, str]:
    """The articles' titles that are redirects, with the titles that they stand for in the end.

    One that leads to another namespace, or round in a circle, stands for nothing and is left out.
    """
    dump = Dump(file)
    target_of: dict[str, str] = {}
    for page in dump.pages():
        target = _target(page) if page.namespace == ARTICLES else ""
        if target and dump.namespaces.kind(target) is Kind.ARTICLE:
            target_of[canonical(page.title)] = target
    for title in target_of:
        way: dict[str, None] = {}
        end = title
        while end in target_of and end not in way:
            way[end] = None
            end = target_of[end]
        target_of.update(dict.fromkeys(way, end))
    for title in [title for title, end in target_of.items() if end in target_of]:
        del target_of[title]
    return target_of


def _no_prose(sentence: str) -> str:
    """Why a stretch of text is no sentence; empty where it is one."""
    if left_over(sentence):
        return "left-over markup"
    if HOLE in sentence:
        return "a sentence with a formula or code"
    return "" if _END.search(sentence) else "a line or a part of one that does not end as a sentence does"


def _is_named(text: str, link: Link) -> bool:
    """Whether the anchor has a capital that is not merely the sentence's first letter, or the article is a date."""
    first = next(at for at, character in enumerate(text) if character.isalnum() or at + 1 == link.end)
    return any(map(str.isupper, text[max(link.start, first + 1) : link.end])) or bool(_DATE.fullmatch(link.title))
