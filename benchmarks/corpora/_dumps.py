"""MediaWiki's XML dumps, page by page: packed or not, of any age, and cut off anywhere.

See https://www.mediawiki.org/wiki/Help:Export for the format. No more than one revision is in memory. Names and
addresses of those who wrote are not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.parsers import expat

from benchmarks.corpora._titles import ARTICLES, Namespaces
from harness.errors import DataError
from harness.text_files import opened

CHUNK = 1 << 16  # bytes that are parsed at a time
EXPECTED = "expected a MediaWiki XML dump, which opens with <mediawiki>"


@dataclass(slots=True)
class Page:
    """A page: its number in the dump, from 1, its line, and what stands there.

    `namespace` is 0 for an article. `redirect` is the title in <redirect>, which dumps have since 2010; older ones tell
    it in the text alone. Of several revisions `text` is the last.
    """

    number: int
    line: int
    title: str = ""
    identifier: str = ""
    namespace: int = ARTICLES
    redirect: str = ""
    text: str = ""


@dataclass
class Dump:
    """A dump while it is read; `cut` tells, at the end, where it is cut off, and is empty where it is whole."""

    file: Path
    namespaces: Namespaces = field(default_factory=Namespaces)
    cut: str = ""

    def pages(self) -> Iterator[Page]:
        """Every whole page, in the order of the dump.

        Raises DataError, with the line, where the file is no dump or not XML.
        """
        parser = _Parser(self.file, self.namespaces)
        with opened(self.file) as stream:
            for data in self._chunks(stream):
                yield from parser.feed(data)
        fault = parser.end()
        if self.cut or fault:
            self.cut = f"the dump is cut off {parser.whereabouts()}{self.cut}; what stands before was read"

    def _chunks(self, stream: IO[bytes]) -> Iterator[bytes]:
        """The bytes up to the end, or up to where the packing is cut off."""
        read = getattr(stream, "read1")  # noqa: B009 - `read` loses what it has at a cut; IO does not know of `read1`
        try:
            while data := read(CHUNK):
                yield data
        except EOFError:
            self.cut = ", within its packing"


class _Parser:
    """Expat with what it has found of a page so far."""

    def __init__(self, file: Path, namespaces: Namespaces) -> None:
        self._file, self._namespaces = file, namespaces
        self._whole: list[Page] = []
        self._page: Page | None = None
        self._count = 0
        self._prefixed = True  # the namespace is known by the title alone
        self._root = self._within_revision = False
        self._key = ""
        self._text: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, data: bytes) -> list[Page]:
        """The pages that end in this piece of the file."""
        self._whole = []
        try:
            self._parser.Parse(data)
        except expat.ExpatError as error:
            raise self._fault(error) from error
        return self._whole

    def end(self) -> bool:
        """Whether the file is cut off. Raises DataError for one without anything."""
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            if not self._root:
                raise self._fault(error) from error
            return True
        return False

    def whereabouts(self) -> str:
        """Where the parser stands, in words."""
        line = f"line {self._parser.CurrentLineNumber} of {self._file}"
        return f"{self._within()}, {line}" if self._page else f"after page {self._count:,}, {line}"

    def _within(self) -> str:
        """The page that is being read, in words; empty where none is."""
        page = self._page
        return "" if page is None else f"in page {page.number:,}" + (f" '{page.title}'" if page.title else "")

    def _fault(self, error: expat.ExpatError) -> DataError:
        found = f"a fault: {expat.ErrorString(error.code)}"
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]:
            found = "nothing"
        where = f" ({self._within()})" if self._page else ""
        return DataError(f"{self._file}, line {error.lineno}: {EXPECTED}, found {found}{where}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._root:
            if name != "mediawiki":
                line = self._parser.CurrentLineNumber
                raise DataError(f"{self._file}, line {line}: {EXPECTED}, found <{name[:60]}>")
            self._root = True
        elif name == "page":
            self._count += 1
            self._page = Page(self._count, self._parser.CurrentLineNumber)
            self._prefixed, self._within_revision = True, False
        elif name == "revision":
            self._within_revision = True
        elif name == "redirect" and self._page:
            self._page.redirect = attributes.get("title", "")
        elif name in _TEXTS:
            self._key = attributes.get("key", "")
            self._text = []
            self._parser.CharacterDataHandler = self._text.append

    def _end(self, name: str) -> None:
        if name in _TEXTS:
            self._parser.CharacterDataHandler = None
            self._keep(name, "".join(self._text))
        elif name == "page" and self._page:
            page, self._page = self._page, None
            if self._prefixed:
                page.namespace = self._namespaces.of(page.title)
            self._whole.append(page)

    def _keep(self, name: str, text: str) -> None:
        page = self._page
        if page is None:
            if name == "namespace" and self._key.lstrip("-").isdecimal():
                self._namespaces.add(text, int(self._key))
        elif name == "text":
            page.text = text
        elif name == "title":
            page.title = text
        elif name == "ns" and text.strip().lstrip("-").isdecimal():
            page.namespace, self._prefixed = int(text), False
        elif name == "id" and not self._within_revision:  # the others are of the revision and of who wrote it
            page.identifier = text.strip()


_TEXTS = frozenset(("title", "ns", "id", "text", "namespace"))
