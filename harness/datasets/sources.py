"""Where data is, and what it holds: folders of HARNESS_DATA, corpora with their content digests."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from harness import registry
from harness.contracts import Corpus, CorpusReader, Part, RelationMention
from harness.errors import DataError, HarnessError

DATA_VARIABLE = "HARNESS_DATA"


def data_folders(home: Path) -> tuple[Path, ...]:
    """The folders named in HARNESS_DATA, then the home folder's own `data`, in this order of search."""
    named = (folder for folder in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if folder)
    return (*(Path(folder).expanduser() for folder in named), home / "data")


def find_folder(reader: type[CorpusReader], name: str, home: Path) -> Path | None:
    """The first data folder that has all files of the corpus; None for a corpus that needs none.

    Raises DataError that names the missing files and the folders searched.
    """
    if not reader.files:
        return None
    folders = data_folders(home)
    not_whole = ""
    for folder in folders:
        missing = [file for file in reader.files if not (folder / file).is_file()]
        if not missing:
            return folder
        if len(missing) < len(reader.files):
            not_whole = not_whole or f"corpus '{name}' is not whole in {folder}: missing {', '.join(missing)}"
    if not_whole:
        raise DataError(not_whole)
    searched = ", ".join(map(str, folders))
    raise DataError(
        f"corpus '{name}' is not here: expected {', '.join(reader.files)} below one of {searched}. "
        f"Get it from {reader.source} and point {DATA_VARIABLE} at the folder that has {reader.files[0]}"
    )


@dataclass(frozen=True)
class SourceCorpus:
    """A corpus as read, with the digest of its content."""

    name: str
    reader: CorpusReader
    corpus: Corpus
    digest: str


def read_corpus(name: str, home: Path) -> SourceCorpus:
    """Read a corpus by its name and check what every run relies on.

    Raises DataError where it is not here or can't be read, is empty, has one class only, or has a mention that is not
    what its fields promise.
    """
    reader = registry.load("corpus", name)()
    try:
        corpus = reader.read(find_folder(type(reader), name, home))
    except HarnessError:
        raise
    except Exception as error:  # a corpus plugin may be anybody's
        raise DataError(f"corpus '{name}' can't be read: {type(error).__name__}: {error}") from error
    classes = Counter(mention.label for mention in corpus.mentions)
    if len(classes) < 2:
        found = f"{len(corpus.mentions)} mentions of {', '.join(map(repr, classes)) or 'none'}"
        raise DataError(f"corpus '{name}': expected mentions of at least two classes, found {found}")
    for mention in corpus.mentions:
        if fault := _fault(mention):
            raise DataError(f"corpus '{name}', mention {mention.identifier}: {fault}")
    return SourceCorpus(name, reader, corpus, content_digest(corpus))


def _fault(mention: RelationMention) -> str:
    """What is wrong with a mention; empty where nothing is."""
    size, parse = len(mention.tokens), mention.parse
    (start_1, end_1), (start_2, end_2) = mention.first, mention.second
    if not 0 <= start_1 < end_1 <= start_2 < end_2 <= size:
        found = f"{tuple(mention.first)} and {tuple(mention.second)}"
        return f"expected two spans in text order within {size} tokens, found {found}"
    for start, end, entity in mention.others:
        if not 0 <= start < end <= size:
            return f"expected further mentions within {size} tokens, found ({start}, {end}) of '{entity}'"
    if mention.part not in get_args(Part):
        return f"expected the part {', '.join(get_args(Part))}, found {mention.part!r}"
    if parse is not None and not len(parse.tags) == len(parse.heads) == len(parse.labels) == size:
        found = f"{len(parse.tags)} tags, {len(parse.heads)} heads and {len(parse.labels)} labels"
        return f"expected a parse of {size} tokens, found {found}"
    return ""


def content_digest(corpus: Corpus) -> str:
    """sha256 over everything that a run can see of the mentions, in order; cut to 16 digits.

    Taken from what was read, not from the files, so that a change of the reader shows too. The parse is not in it:
    it has a digest of its own in the spec.
    """
    digest = hashlib.sha256()
    for mention in corpus.mentions:
        bare = replace(mention, parse=None)
        fields = [getattr(bare, name) for name in bare.__slots__]
        digest.update(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode())
    return digest.hexdigest()[:16]


def parses_digest(corpus: Corpus) -> str | None:
    """sha256 over the parses that the corpus carries, cut to 16 digits; None where it carries none."""
    if not any(mention.parse for mention in corpus.mentions):
        return None
    digest = hashlib.sha256()
    for mention in corpus.mentions:
        parse = mention.parse
        digest.update(json.dumps([parse.tags, parse.heads, parse.labels] if parse else None).encode())
    return digest.hexdigest()[:16]


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """What was left out, by reason, in one line; empty where nothing was."""
    return "; ".join(f"{count:,} left out: {reason}" for reason, count in sorted(left_out.items()))
