"""One reading of files by a reader: what comes of it, and whether that is what every reading promises."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

from fuzz_seeds import Count, Files

from harness.collection import tree_fault
from harness.contracts import About, Corpus, CorpusReader, LinkedSentence, Reader, TextNotes, TextReader
from harness.datasets.sources import _fault, content_digest, parses_digest
from harness.errors import DataError

LONGEST = 5.0  # seconds of the processor for one reading of small files

T = TypeVar("T")


class Text(NamedTuple):
    """A text as read, and what is told of it."""

    sentences: tuple[LinkedSentence, ...]
    notes: TextNotes


class BrokenPromiseError(AssertionError):
    """A reading that is not what the contract of a reader promises."""


def judge(reader: Reader, count: Count | None, files: Files, folder: Path) -> Corpus | Text | DataError:
    """Read `files`, written into `folder`, and check what every reading promises.

    A reader of both corpora and text reads both, and the corpus is returned. `count` says how many examples files hold
    that could be read. Raises BrokenPromiseError, or what the reader raised.
    """
    write(files, folder)
    outcome: Corpus | Text | DataError
    if isinstance(reader, TextReader):
        outcome = _timed(lambda: _text(reader, folder), folder)
        if isinstance(outcome, Text):
            _check_text(outcome)
    if isinstance(reader, CorpusReader):
        outcome = _timed(lambda: reader.read(folder), folder)
        if isinstance(outcome, Corpus):
            _check(outcome, outcome.about or reader.about)
    if count is not None and not isinstance(outcome, DataError):
        expected, found = count(files), _examples(outcome)
        if expected != found:
            raise BrokenPromiseError(f"{expected} examples in the files, {found} read or left out")
    return outcome


def _text(reader: TextReader, folder: Path) -> Text:
    notes = TextNotes()
    return Text(tuple(reader.text(folder, notes)), notes)


def _timed(read: Callable[[], T], folder: Path) -> T | DataError:
    """What comes of a reading: what it returns or a DataError, which must name a file; in good time."""
    before = time.process_time()
    try:
        return read()
    except DataError as error:
        if str(folder) not in str(error):
            raise BrokenPromiseError(f"an error that names no file: {error}") from error
        str(error).encode()
        return error
    finally:
        if (took := time.process_time() - before) > LONGEST:
            raise BrokenPromiseError(f"a reading that took {took:.1f} s")


def _check(corpus: Corpus, about: About) -> None:
    for mention in corpus.mentions:
        if fault := _fault(mention, about):
            raise BrokenPromiseError(f"mention {mention.identifier!r}: {fault}")
    if len({mention.identifier for mention in corpus.mentions}) < len(corpus.mentions):
        raise BrokenPromiseError("an identifier that two mentions have")
    uncounted = Counter(fault.reason for fault in corpus.faults) - Counter(corpus.left_out)
    if uncounted:
        raise BrokenPromiseError(f"faults that are not counted: {dict(uncounted)}")
    content_digest(corpus)
    parses_digest(corpus)
    declared = [text for text in vars(corpus.about).values() if isinstance(text, str)] if corpus.about else []
    "\n".join((*map(str, corpus.faults), *corpus.remarks, *corpus.left_out, *declared)).encode()


def _check_text(text: Text) -> None:
    notes = text.notes
    for sentence in text.sentences:
        if fault := _sentence_fault(sentence):
            raise BrokenPromiseError(f"sentence {sentence.identifier!r}: {fault}")
    if uncounted := Counter(fault.reason for fault in notes.faults) - notes.left_out:
        raise BrokenPromiseError(f"faults that are not counted: {dict(uncounted)}")
    words = (word for sentence in text.sentences for word in (sentence.identifier, *sentence.tokens))
    entities = (mention.entity for sentence in text.sentences for mention in sentence.mentions)
    names = (one for pair in notes.names.items() for one in pair)
    told = (*map(str, notes.faults), *notes.remarks, *notes.left_out)
    "\n".join((*words, *entities, *names, *told)).encode()


def _sentence_fault(sentence: LinkedSentence) -> str:
    size, mentions = len(sentence.tokens), sentence.mentions
    if not size or not all(sentence.tokens):
        return "no tokens, or an empty one"
    if not all(0 <= mention.start < mention.end <= size for mention in mentions):
        return f"mentions outside {size} tokens: {mentions}"
    if not all(one.end <= other.start for one, other in pairwise(mentions)):
        return f"mentions that overlap, or not in text order: {mentions}"
    if not all(mention.entity.strip() for mention in mentions):
        return "a mention without an entity"
    return tree_fault(sentence.parse, size) if sentence.parse else ""


def _examples(outcome: Corpus | Text) -> int:
    if isinstance(outcome, Text):
        return len(outcome.sentences) + sum(outcome.notes.left_out.values())
    return len(outcome.mentions) + sum(outcome.left_out.values())


def write(files: Files, folder: Path) -> None:
    """Make `folder` hold these files and nothing else; a name that ends in / is a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        if (folder / name).exists():
            continue
        if name.endswith("/"):
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
