"""From MediaWiki's markup to running prose with its links.

What a reader of the page sees as prose is kept: no headings, lists, tables, templates, images, formulas, notes. One
pass over the page finds all that may be nested and takes it out by a stack, as MediaWiki's own preprocessor does, so
that time is linear in the length of a page whatever stands there; what is never closed stays, and a sentence that has
it is known by `left_over`. No expression backs up over what it has passed (possessive quantifiers).
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.corpora._titles import Kind, Namespaces, canonical


class Link(NamedTuple):
    """The characters of an anchor, and the title of the article that it leads to."""

    start: int
    end: int
    title: str


class Paragraph(NamedTuple):
    """A line of prose and its links, in text order."""

    text: str
    links: tuple[Link, ...]


HOLE = "\ufffc"
"""Stands for what is no text: a formula, code."""

# A link in half-read text: OPEN title MIDDLE anchor CLOSE. XML can't hold these characters.
_OPEN, _MIDDLE, _CLOSE = "\x02", "\x03", "\x04"
_LINK = re.compile(f"{_OPEN}([^{_OPEN}{_MIDDLE}]*+){_MIDDLE}([^{_OPEN}{_CLOSE}]*+){_CLOSE}")

_REDIRECT = re.compile(r"\s*+#\s*+redirect\s*+:?\s*+\[\[([^\[\]|]++)", re.IGNORECASE)
_MARKUP = re.compile(
    r"<!--(?:.*?-->|.*)"  # a comment that is not closed hides the rest
    r"|<(?P<closing>/?)(?P<tag>[a-zA-Z][a-zA-Z0-9]*+)(?P<attributes>[^<>]*+)>"
    r"|\[\[(?P<target>[^\[\]{}|<>\n]*+)\|?"
    r"|\]\]|\{\{|\}\}|\n[ \t:]*+\{\||\n[ \t]*+\|\}(?!\})|\n(?=\n)",
    re.DOTALL,
)
_NOTES = frozenset(("ref", "references", "gallery", "timeline", "imagemap", "includeonly", "templatestyles"))
_HOLES = frozenset("math chem ce pre source syntaxhighlight score hiero graph mapframe maplink".split())
_BREAKS = frozenset("p div center blockquote poem li ul ol dl dt dd h1 h2 h3 h4 h5 h6 hr tr td th caption".split())
_INLINE = frozenset(
    "b i u s em strong small big sup sub span font var cite del ins abbr ruby rb rt rp nobr noinclude onlyinclude kbd "
    "samp dfn q bdi bdo wbr mark data time strike section code tt br".split()
)
_POWER = re.compile(r"\d<sup>(?=[-−\d])", re.IGNORECASE)  # 10<sup>9</sup> is not 109
_TRAIL = re.compile(r"[a-z]*+")
_ASIDE = re.compile(r" ?\([^()]*+\)$|, .*+$")  # what the pipe trick hides of a title: [[Paris (Texas)|]]

_QUOTES = re.compile(r"'{2,}+")
_WEB_LINK = re.compile(r"\[(?:(?:[a-z]{2,9}:)?//|mailto:|news:)[^\s\[\]]*+[^\S\n]*+([^\[\]\n]*+)\]", re.IGNORECASE)
_SWITCH = re.compile(r"__[A-Z]++__")
_DANGLING = re.compile(r"(?<=\()[\s,;:]++|(?<![\s,;:])[\s,;:]++(?=\))")  # what a template in brackets leaves
_EMPTIED = re.compile(r" ?\(\)")
_NO_PROSE = (*"*#:;=|!", "----")
_LEFT_OVER = re.compile(r"\[\[|\]\]|[{}|]|://|</?[a-zA-Z]")


def redirect(wikitext: str) -> str:
    """The title that a page redirects to; empty where it is no redirect."""
    found = _REDIRECT.match(wikitext)
    return canonical(found[1]) if found else ""


def left_over(text: str) -> bool:
    """Whether a sentence has markup that was not understood."""
    return _LEFT_OVER.search(text) is not None


def paragraphs(wikitext: str, namespaces: Namespaces) -> Iterator[Paragraph]:
    """The lines of prose of a page, in order."""
    for line in _Scanner(wikitext, namespaces).prose().split("\n"):
        line = line.strip()
        if not line.startswith(_NO_PROSE) and (cleaned := _cleaned(line)):
            yield _paragraph(cleaned)


def _cleaned(line: str) -> str:
    """A line without what is not nested: emphasis, links to the web, entities."""
    if "''" in line:
        line = _QUOTES.sub("", line)
    if "[" in line:
        line = _WEB_LINK.sub(r"\1", line)
    if "__" in line:
        line = _SWITCH.sub("", line)
    if "&" in line:
        line = html.unescape(line)
    if "(" in line:
        line = _EMPTIED.sub("", _DANGLING.sub("", line))
    return _single(line)


def _paragraph(line: str) -> Paragraph:
    pieces, links = [], []
    length = last = 0
    for found in _LINK.finditer(line):
        before, anchor = line[last : found.start()], found[2]
        start = length + len(before)
        length, last = start + len(anchor), found.end()
        pieces += [before, anchor]
        if anchor.strip():
            links.append(Link(start, length, found[1]))
    return Paragraph("".join((*pieces, line[last:])), tuple(links))


class _Opened(NamedTuple):
    """What is open: its kind, the piece of the output that it begins with; a link's target, and links until then."""

    kind: str
    piece: int
    target: str = ""
    links: int = 0


class _Scanner:
    """One pass over a page. `_out` is what is kept so far; what is open stands there as written until it is closed."""

    def __init__(self, wikitext: str, namespaces: Namespaces) -> None:
        self._text = "\n" + wikitext
        self._namespaces = namespaces
        self._out: list[str] = []
        self._stack: list[_Opened] = []
        self._open: Counter[str] = Counter()
        self._links = 0
        self._never: set[str] = set()  # tags that are not closed from here on

    def prose(self) -> str:
        """The page's text, its links between marks; lists, headings and what is left over are still there."""
        text, out = self._text, self._out
        at = 0
        while found := _MARKUP.search(text, at):
            out.append(text[at : found.start()])
            at = self._pass(found)
        out.append(text[at:])
        return "".join(out)

    def _pass(self, found: re.Match[str]) -> int:
        """Deal with a piece of markup; returns where to go on."""
        written, end = found[0], found.end()
        if (target := found["target"]) is not None:
            self._links += 1
            self._begin("[[", written, target)
        elif written == "]]":
            return self._link(end)
        elif found["tag"]:
            return self._tag(found)
        elif written == "{{":
            self._begin("{{", written)
        elif written == "}}":
            self._finish("{{", written)
        elif written == "\n":
            while self._stack and self._stack[-1].kind == "[[":  # no link goes on after an empty line
                self._pop()
            self._out.append(written)
        elif written.endswith("{|"):
            self._begin("{|", written)
        elif written.endswith("|}"):
            self._finish("{|", written)
        return end  # a comment leaves nothing

    def _begin(self, kind: str, written: str, target: str = "") -> None:
        self._stack.append(_Opened(kind, len(self._out), target, self._links))
        self._open[kind] += 1
        self._out.append(written)

    def _pop(self) -> _Opened:
        opened = self._stack.pop()
        self._open[opened.kind] -= 1
        return opened

    def _finish(self, kind: str, written: str) -> None:
        """Take out what was open, with all that was opened in it and never closed."""
        if not self._open[kind]:
            self._out.append(written)
            return
        while (opened := self._pop()).kind != kind:
            pass
        del self._out[opened.piece :]

    def _link(self, end: int) -> int:
        """A link is closed: an anchor between marks, or nothing, or the anchor alone."""
        if not self._stack or self._stack[-1].kind != "[[":
            self._out.append("]]")
            return end
        opened = self._pop()
        kind = self._namespaces.kind(opened.target)
        if kind is Kind.HIDDEN:
            del self._out[opened.piece :]
        elif opened.links < self._links:  # there are links within, and only they are links
            self._out.append("]]")
        else:
            written, *anchor = self._out[opened.piece :]
            del self._out[opened.piece :]
            trail = _TRAIL.match(self._text, end)
            assert trail is not None
            target, shown, piped = opened.target, _single("".join(anchor)), written.endswith("|")
            if shown and not piped:  # the target goes on with what none can have
                target, shown = "", f"{target}{shown}".rpartition("|")[2]
            shown = shown or _shown(target, piped)
            title = canonical(target) if kind is Kind.ARTICLE else ""
            self._out.append(f"{_OPEN}{title}{_MIDDLE}{shown}{trail[0]}{_CLOSE}" if title else shown + trail[0])
            return trail.end()
        return end

    def _tag(self, found: re.Match[str]) -> int:
        name, end = found["tag"].lower(), found.end()
        if name == "table":
            if found["closing"]:
                self._finish(name, "\n")
            else:
                self._begin(name, "\n")
        elif name in _NOTES or name in _HOLES or name == "nowiki":
            if not found["closing"] and not found["attributes"].endswith("/"):
                contents, end = self._contents(name, end)
                self._out.append(HOLE if name in _HOLES else contents if name == "nowiki" else "")
        elif name == "sup" and _POWER.match(self._text, found.start() - 1):
            self._out.append("^")
        elif name in _BREAKS:
            self._out.append("\n")
        elif name == "br":
            self._out.append(" ")
        elif name not in _INLINE:
            self._out.append(found[0])
        return end

    def _contents(self, name: str, start: int) -> tuple[str, int]:
        """What stands in a tag that holds no markup, and where it is closed; nothing where it is not."""
        if name not in self._never:
            closing = re.compile(rf"</{name}\s*+>", re.IGNORECASE).search(self._text, start)
            if closing:
                return self._text[start : closing.start()], closing.end()
            self._never.add(name)
        return "", start


def _shown(target: str, pipe: bool) -> str:
    """What stands in the text for a link without an anchor; with an empty one, without what tells the title apart."""
    title = _single(target.replace("_", " ").partition("#")[0]).removeprefix(":")
    return _ASIDE.sub("", title.rpartition(":")[2].strip()) if pipe else title


def _single(text: str) -> str:
    """Text whose blanks are single, with none around it."""
    return " ".join(text.split())
