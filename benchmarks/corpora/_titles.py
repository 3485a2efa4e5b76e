"""Titles of MediaWiki's pages: their canonical form, their namespaces, and which prefixes lead to other wikis."""

from __future__ import annotations

import html
import re
from enum import Enum
from urllib.parse import unquote

ARTICLES, FILES, CATEGORIES = 0, 6, 14
"""Keys of namespaces, the same in every wiki."""

# The names that every wiki understands, whatever its own names are.
_EVERYWHERE = {
    "media": -2, "special": -1, "talk": 1, "user": 2, "user talk": 3, "project": 4, "project talk": 5, "wikipedia": 4,
    "wp": 4, "file": FILES, "image": FILES, "file talk": 7, "image talk": 7, "mediawiki": 8, "mediawiki talk": 9,
    "template": 10, "template talk": 11, "help": 12, "help talk": 13, "category": CATEGORIES, "category talk": 15,
    "portal": 100, "draft": 118, "module": 828,
}  # fmt: skip
# https://en.wikipedia.org/wiki/Help:Interwiki_linking: what leads to other projects and is shown as a link.
_PROJECTS = frozenset(
    "wikt wiktionary wikisource s wikiquote q wikibooks b wikinews n wikiversity v wikivoyage voy wikispecies species "
    "wikidata d commons c meta metawikipedia m mw foundation wmf phab bugzilla w wikimedia doi sep11".split()
)
# A language's code, in small letters: [[de:Berlin]], [[zh-min-nan:Berlin]]. A title such as [[CSI: Miami]] has none.
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*+|simple")
_NO_TITLE = re.compile(r"[\[\]{}|<>\x00-\x1f\x7f]")
LONGEST = 255  # bytes of a title


class Kind(Enum):
    """What a link leads to."""

    ARTICLE = "an article"
    HIDDEN = "an image, a category or the article in another language: nothing of it stands in the text"
    OTHER = "another page, whose anchor stands in the text"


class Namespaces:
    """The names of a wiki's namespaces, with their keys."""

    def __init__(self) -> None:
        self._keys = dict(_EVERYWHERE)

    def add(self, name: str, key: int) -> None:
        """A name of the wiki's own; that of the articles is empty."""
        if name.strip():
            self._keys[_plain(name)] = key

    def of(self, title: str) -> int:
        """The key of a title's namespace."""
        prefix, colon, _ = title.partition(":")
        return self._keys.get(_plain(prefix), ARTICLES) if colon else ARTICLES

    def kind(self, target: str) -> Kind:
        """What a link to `target` leads to. A colon before it shows what would be hidden."""
        target = target.strip()
        shown = target.startswith(":")
        prefix, colon, _ = target[shown:].partition(":")
        if not colon:
            return Kind.ARTICLE
        prefix = prefix.strip()
        key = self._keys.get(_plain(prefix), ARTICLES)
        if key in (FILES, CATEGORIES) or (key == ARTICLES and _LANGUAGE.fullmatch(prefix)):
            return Kind.OTHER if shown else Kind.HIDDEN
        return Kind.OTHER if key != ARTICLES or prefix.lower() in _PROJECTS else Kind.ARTICLE


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).lower()


def canonical(target: str) -> str:
    """The title that a link's target stands for; empty where it stands for none, a section of the same page say.

    The first letter is upper case, underscores are blanks, and the section is dropped (Manual:Page title).

    >>> canonical("albert_Einstein#Early life")
    'Albert Einstein'
    """
    if "&" in target:
        target = html.unescape(target)
    if "%" in target:
        target = unquote(target)
    title = " ".join(target.partition("#")[0].replace("_", " ").split()).removeprefix(":").lstrip()
    if not title or _NO_TITLE.search(title) or len(title.encode(errors="replace")) > LONGEST:
        return ""
    first = title[0].upper()
    return first + title[1:] if len(first) == 1 else title
