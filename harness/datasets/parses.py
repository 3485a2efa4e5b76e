"""The store of parses: sets of them in a home folder, one parse a sentence, and a corpus with those of a set.

A set is a folder `<home>/parses/<name>` with about.json, which says who made it, and chunks of parses, each written at
once, so that what is made in hours and killed goes on where it stopped.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.collection import tree_fault
from harness.contracts import Corpus, Parse, Place
from harness.errors import DataError, unknown
from harness.records import write_atomically
from harness.text_files import json_lines

Tokens = tuple[str, ...]

FORMAT = 1
_KEY_DIGITS = 32


def sentence_key(tokens: Iterable[str]) -> str:
    """What names a sentence in a set: the first 32 digits of sha256 over the JSON of its tokens."""
    return hashlib.sha256(json.dumps(list(tokens)).encode()).hexdigest()[:_KEY_DIGITS]


class ParseSet:
    """The set of parses of a name in a home folder.

    `maker` tells of two sets whether their parses can stand in one; `files` are what it was made from.
    """

    def __init__(self, home: Path, name: str) -> None:
        """Open the set; DataError where there is none, or its about.json is damaged."""
        if name not in names(home):
            raise DataError(
                f"{unknown('parse set', name, names(home))}. Make it: python -m harness data annotate CORPUS --name "
                f"{name}, or data import-parses CORPUS FILE --name {name}"
            )
        self.folder = _root(home) / name
        file = self.folder / "about.json"
        try:
            about = json.loads(file.read_text(encoding="utf-8"))
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']!r}, and {FORMAT} is the known one")
            self.maker: Mapping[str, Any] = {"name": about["maker"]["name"], **about["maker"]}
            self.files = tuple(map(str, about["files"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = f"no {error}" if isinstance(error, KeyError) else error
            raise DataError(
                f"{file}: expected what tells of a parse set, found damage: {found}. Delete the folder {self.folder}, "
                "and annotate or import again"
            ) from error

    @classmethod
    def create(cls, home: Path, name: str, maker: Mapping[str, Any], files: Iterable[str]) -> ParseSet:
        """The set of this name, new or gone on with: its `files` become those of before and these.

        Raises DataError where the set that is there has another maker, or the name can't be a folder's.
        """
        if not name or name.startswith(".") or Path(name).name != name:
            raise DataError(f"--name {name!r}: expected a name for a folder, such as stanza")
        before: tuple[str, ...] = ()
        if name in names(home):
            present = cls(home, name)
            if present.maker != maker:
                raise DataError(
                    f"the parse set '{name}' in {present.folder} has another maker: it has "
                    f"{_differing(present.maker, maker)}; the new parses have {_differing(maker, present.maker)}. "
                    "Give them a set of their own: --name ANOTHER"
                )
            before = present.files
        about = {"format": FORMAT, "maker": maker, "files": list(dict.fromkeys((*before, *files)))}
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        write_atomically(_root(home) / name / "about.json", lambda stream: stream.write(text.encode()))
        return cls(home, name)

    @property
    def name(self) -> str:
        """The name by which a grid asks for it."""
        return self.folder.name

    def add(self, parses: Mapping[Tokens, Parse]) -> None:
        """Write a chunk. Its name is the digest of what it holds: processes that add at the same time disturb none."""
        if not parses:
            return
        lines = (
            json.dumps(
                {"sentence": sentence_key(tokens), "tags": parse.tags, "heads": parse.heads, "labels": parse.labels}
            )
            for tokens, parse in parses.items()
        )
        text = "".join(f"{line}\n" for line in lines).encode()
        packed = gzip.compress(text, mtime=0)
        file = self.folder / f"chunk-{hashlib.sha256(text).hexdigest()[:16]}.jsonl.gz"
        write_atomically(file, lambda stream: stream.write(packed))

    def parses(self, sentences: Iterable[Tokens]) -> dict[Tokens, Parse]:
        """The parses of those of the sentences that have one. Every chunk is read, once.

        Raises DataError where a chunk is damaged, or holds a parse of a sentence that is not as long as the sentence.
        """
        wanted = {sentence_key(tokens): tokens for tokens in sentences}
        found: dict[Tokens, Parse] = {}
        for place, key, parse in self._lines():
            tokens = wanted.get(key)
            if tokens is not None:
                if len(parse.heads) != len(tokens):
                    raise self._damage(place, f"{len(parse.heads)} for the sentence of {len(tokens)} {tokens[:5]}")
                found.setdefault(tokens, parse)
        return found

    def chunks(self) -> list[str]:
        """The names of its chunks, which are digests of what they hold."""
        return sorted(file.name for file in self.folder.glob("chunk-*.jsonl.gz"))

    def how(self, asked: str) -> str:
        """What to type to get parses that are missing, of what the command line calls `asked`."""
        name = "" if self.name == self.maker["name"] else f" --name {self.name}"
        if self.maker["name"] == "imported":
            return f"Import them: python -m harness data import-parses {asked} FILE{name}"
        return f"Make them: python -m harness data annotate {asked}{name}"

    def missing(self, sentences: Iterable[Tokens]) -> list[Tokens]:
        """Those of the sentences, each once and in order, that have no parse."""
        distinct = dict.fromkeys(sentences)
        present = self.parses(distinct)
        return [tokens for tokens in distinct if tokens not in present]

    def __len__(self) -> int:
        """How many sentences have a parse."""
        return len({key for _, key, _ in self._lines()})

    def _lines(self) -> Iterator[tuple[Place, str, Parse]]:
        for file in sorted(self.folder.glob("chunk-*.jsonl.gz")):
            try:
                for place, line in json_lines(file):
                    try:
                        key, parse = line["sentence"], _parse(line)
                        fault = tree_fault(parse, len(parse.heads))
                    except (KeyError, TypeError, ValueError) as error:
                        fault = f"{type(error).__name__}: {error}"
                    if fault:
                        raise DataError(f"{place}: expected the parse of a sentence, found a fault: {fault}")
                    yield place, key, parse
            except DataError as error:
                raise DataError(f"{error}. {_again(file)}") from error

    @staticmethod
    def _damage(place: Place, found: str) -> DataError:
        return DataError(f"{place}: expected as many heads as tokens, found {found}. {_again(place.file)}")


def names(home: Path) -> list[str]:
    """The names of the sets in a home folder."""
    return sorted(file.parent.name for file in _root(home).glob("*/about.json"))


def attach(corpus: Corpus, parse_set: ParseSet, asked: str) -> Corpus:
    """The corpus with the parses of a set in place of its own.

    Raises DataError where sentences have none: how many, which is the first, and what to type, `asked` being what the
    corpus is called on the command line.
    """
    parses = parse_set.parses(mention.tokens for mention in corpus.mentions)
    lacking = [mention for mention in corpus.mentions if mention.tokens not in parses]
    if lacking:
        sentences = len({mention.tokens for mention in corpus.mentions})
        few = len({mention.tokens for mention in lacking})
        raise DataError(
            f"{asked}: expected a parse of each of its {sentences:,} sentences in the parse set '{parse_set.name}', "
            f"found none of {few:,}, the first that of mention {lacking[0].identifier}. {parse_set.how(asked)}"
        )
    return replace(corpus, mentions=tuple(replace(m, parse=parses[m.tokens]) for m in corpus.mentions))


def _root(home: Path) -> Path:
    return home / "parses"


def _parse(line: Mapping[str, Any]) -> Parse:
    """The parse of a line whose strings share their memory with equal ones; raises what a line that is none does."""
    heads = tuple(line["heads"])
    if not all(type(head) is int for head in heads):
        raise TypeError("heads that are not whole numbers")
    return Parse(tuple(map(sys.intern, line["tags"])), heads, tuple(map(sys.intern, line["labels"])))


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What the one says and the other does not."""
    told = [f"{name} {value}" for name, value in one.items() if other.get(name) != value]
    return ", ".join(told) or "nothing else"


def _again(file: Path) -> str:
    return f"Delete {file} and annotate, or import, again: the other chunks stay"
