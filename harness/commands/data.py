"""`data`: what corpora and texts there are, fetching them, checking, showing and converting them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness import features, registry
from harness.commands import texts
from harness.contracts import CorpusReader, Reader, RelationMention, TextReader
from harness.datasets import checking
from harness.datasets.sources import (
    DATA_VARIABLE,
    Request,
    SourceCorpus,
    content_digest,
    data_folders,
    find_path,
    fit_to_run,
    parses_digest,
    read_corpus,
    read_source,
    recognise,
    whereabouts,
)
from harness.datasets.texts import text_of
from harness.errors import DataError, HarnessError
from harness.parameters import coerce
from harness.readings import paths, reading

KINDS: dict[str, type[Reader]] = {"corpus": CorpusReader, "text": TextReader}
"""What a reader reads; one may read both."""

FAULTS = 3
"""Places that `check` shows of each kind of fault, without --all."""


def listed(asked: argparse.Namespace) -> int:
    """Every corpus and text that is known: where it is, or how to get it; then where it was looked for."""
    broken = 0
    for name in registry.origins("corpus"):
        try:
            kind: type[Reader] = registry.load("corpus", name)
            what = " and ".join(word for word, base in KINDS.items() if issubclass(kind, base))
            print(f"{name:18} {what:16} {whereabouts(kind, name, asked.home)}")
        except HarnessError as error:
            broken += 1
            print(f"{name:18} broken: {error}")
    folders = ", ".join(map(str, data_folders(asked.home)))
    print(f"looked for in folders of these names below: {folders} ({DATA_VARIABLE} names more, separated by :)")
    return 1 if broken else 0


def fetched(asked: argparse.Namespace) -> int:
    """Bring the files of a corpus or text, checked, into a data folder."""
    from harness.datasets.fetching import fetch

    kind = registry.load("corpus", asked.name)
    parent = data_folders(asked.home)[-1] if asked.to is None else asked.to
    folder = parent / asked.name.replace("-", "_")
    fetch(kind, asked.name, folder, lambda line: print(line, file=sys.stderr), sys.stderr.isatty())
    print(f"{asked.name} is in {folder}. Licence: {kind.about.licence}. Cite: {kind.about.citation}")
    if parent not in data_folders(asked.home):
        print(f"The harness finds it once {DATA_VARIABLE} names {parent}")
    return 0


def check(asked: argparse.Namespace) -> int:
    """All that is wrong with data, by reason, with file and line; and what it holds. 1 where something is wrong.

    What keeps it from being run is told last, and is an error.
    """
    request = request_of(asked)
    if means_text(asked, request):
        text = text_of(request, asked.home, name_of(request))
        return texts.check(text, asked.all, asked.format == "json", FAULTS)
    source = source_of(request, asked.home)
    report = checking.check(source)
    if asked.format == "json":
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        print(checking.told(report, None if asked.all else FAULTS))
    fit_to_run(source)
    return 1 if report["faults"] else 0


def show(asked: argparse.Namespace) -> int:
    """Mentions of a corpus, at even distances, or sentences of a text, as the encoders read them."""
    request = request_of(asked)
    if means_text(asked, request):
        if asked.part:
            raise DataError(f"--part {asked.part}: expected with a corpus alone, for a text has no parts")
        return texts.show(text_of(request, asked.home, name_of(request)), asked.n)
    source = source_of(request, asked.home)
    mentions = [m for m in source.corpus.mentions if asked.part in (None, m.part)]
    if not mentions:
        where = (
            f" in {asked.part}; expected another --part" if asked.part else "; python -m harness data check tells why"
        )
        raise DataError(f"corpus '{source.name}' has no mentions{where}")
    chosen = np.unique(np.linspace(0, len(mentions) - 1, asked.n).round().astype(int))
    print("\n\n".join("\n".join(_card(mentions[at])) for at in chosen))
    return 0


def _card(mention: RelationMention) -> Iterator[str]:
    subject = f", subject: the {mention.head} mention" if mention.head else ""
    yield f"{mention.identifier} ({mention.part}): {mention.label}{subject}"
    opens = {mention.first.start: "[1 ", mention.second.start: "[2 "} | {o.start: "[" for o in mention.others}
    closes = {mention.first.end, mention.second.end} | {other.end for other in mention.others}
    words = (f"{opens.get(at, '')}{t}{']' if at + 1 in closes else ''}" for at, t in enumerate(mention.tokens))
    yield f"  sentence   {' '.join(words)}"
    tokens = [texts.shown(token) for token in reading(mention)]
    yield f"  reading 1  {' '.join(tokens)}"
    yield f"  reading 2  {' '.join(reversed(tokens))}"
    if mention.parse is not None:
        for number, path in enumerate(paths(mention)[:2], 1):
            yield f"  path {number}     {' '.join(map(texts.shown, path))}"
    for group in features.GROUPS:
        yield f"  {group:10} {' | '.join(features.features(mention, group))}"
    if mention.parse:
        yield f"  tags       {' '.join(mention.parse.tags)}"
    if mention.agreement is not None:
        yield f"  agreement  {mention.agreement:g}"


def convert(asked: argparse.Namespace) -> int:
    """Write data in another format, and read it back: the command fails where that is other data.

    Of data that is both a corpus and a text, the format decides which is written.
    """
    request = request_of(asked)
    what = _written(request.reader, asked.to)
    writer = registry.load("corpus", asked.to)()
    if what == "text":
        text = text_of(request, asked.home, name_of(request))
        with _new_folder(asked, text.name, what) as (folder, unfinished):
            count = texts.convert(text, writer, unfinished)
        print(f"{count:,} sentences of {text.name} are in {folder}, and were read back the same")
        return 0
    source = source_of(request, asked.home)
    fit_to_run(source)
    with _new_folder(asked, source.name, what) as (folder, unfinished):
        writer.write(source.corpus, source.about, unfinished)
        _compare(source, read_corpus(Request(asked.to, (), str(unfinished.absolute())), asked.home))
    print(f"{len(source.corpus.mentions):,} mentions of {source.name} are in {folder}, and were read back the same")
    return 0


@contextmanager
def _new_folder(asked: argparse.Namespace, name: str, what: str) -> Iterator[tuple[Path, Path]]:
    """A new folder of converted data, and the one to fill, which takes its place once all went well."""
    folder: Path = asked.out or data_folders(asked.home)[-1] / f"{name}-{asked.to}"
    if folder.exists():
        raise DataError(f"{folder} is there already; move it away, or choose another folder with --out")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # of a conversion that was killed
        unfinished.mkdir(parents=True)
        try:
            yield folder, unfinished
            os.rename(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except NotImplementedError as error:
        raise _no_format(asked.to, [what]) from error
    except OSError as error:
        raise DataError(f"can't write {folder}: {error.strerror or error}; choose another folder with --out") from error


def _written(reader: str, to: str) -> str:
    """What of the reader's data the format `to` holds, corpus or text; DataError where it is nothing."""
    source = [what for what, base in KINDS.items() if issubclass(registry.load("corpus", reader), base)]
    found = next((what for what in source if _holds(registry.load("corpus", to), what)), None)
    if found is None:
        raise _no_format(to, source)
    return found


def _holds(kind: type[Reader], what: str) -> bool:
    """Whether a format holds every corpus, or every text."""
    if what == "corpus":
        return issubclass(kind, CorpusReader) and kind.write is not CorpusReader.write
    return issubclass(kind, TextReader) and kind.write_text is not TextReader.write_text


def _no_format(to: str, source: Iterable[str]) -> DataError:
    expected = []
    others = {name: kind for name in registry.origins("corpus") if name != to and (kind := _loaded(name))}
    for what in source:
        able = [name for name, kind in others.items() if _holds(kind, what)]
        expected.append(f"every {what}, such as {', '.join(able)}")
    return DataError(f"--to {to}: expected a format that holds {'; or '.join(expected)}")


def _loaded(name: str) -> type[Reader] | None:
    """The reader of a name; None where it is broken, which disturbs no sibling."""
    try:
        kind: type[Reader] = registry.load("corpus", name)
    except HarnessError:
        return None
    return kind


def train_vectors(asked: argparse.Namespace) -> int:
    """Train word vectors on all sentences of a text."""
    request = request_of(asked)
    return texts.train_vectors(asked, text_of(request, asked.home, name_of(request)))


def _compare(source: SourceCorpus, written: SourceCorpus) -> None:
    for what, one, other in (
        ("mentions", source.digest, content_digest(written.corpus)),
        ("parses", parses_digest(source.corpus), parses_digest(written.corpus)),
        ("counts of what is left out", dict(source.corpus.left_out), dict(written.corpus.left_out)),
        ("declarations", source.about, written.about),
    ):
        if one != other:
            raise DataError(f"corpus '{source.name}' was not read back the same: its {what} became others")


def request_of(asked: argparse.Namespace) -> Request:
    """The data of a name, or of a path with the reader named or recognised."""
    if asked.corpus in registry.origins("corpus") and asked.reader is None:
        if Path(asked.corpus).exists():
            known = f"{asked.corpus} is the known {_known(asked.corpus)} here"
            print(f"harness: {known}; for what lies in this folder: ./{asked.corpus}", file=sys.stderr)
        return Request(asked.corpus, _parameters(asked, asked.corpus), None, asked.strict)
    path = find_path(asked.corpus, asked.home)
    reader = asked.reader or recognise(path)
    return Request(reader, _parameters(asked, reader), str(path), asked.strict)


def _known(name: str) -> str:
    kind = _loaded(name)
    return "text" if kind and not issubclass(kind, CorpusReader) else "corpus"


def means_text(asked: argparse.Namespace, request: Request) -> bool:
    """Whether the text of what is asked for is meant: where it is said so, or where there is no corpus."""
    return bool(asked.text) or not issubclass(registry.load("corpus", request.reader), CorpusReader)


def source_of(request: Request, home: Path) -> SourceCorpus:
    """The corpus that is asked for; one that is read from a path has the name of its folder or file."""
    return dataclasses.replace(read_source(request, home), name=name_of(request))


def name_of(request: Request) -> str:
    """What data is called: by its reader, or by the folder or file that it is read from."""
    if request.path is None:
        return request.reader
    path = Path(request.path)
    return (path.resolve().name if path.is_dir() else path.name.partition(".")[0]) or request.reader


def _parameters(asked: argparse.Namespace, reader: str) -> tuple[tuple[str, Any], ...]:
    """The reader's parameters as typed: text where the parameter takes text, else JSON."""
    hints = typing.get_type_hints(registry.load("corpus", reader).Parameters)
    found = []
    for key, value in asked.parameter or ():
        try:
            found.append((key, coerce(value, hints.get(key, str))))
        except ValueError:
            try:
                found.append((key, json.loads(value)))
            except ValueError:
                found.append((key, value))
    return tuple(found)
