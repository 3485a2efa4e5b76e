"""`data annotate`, `import-parses`, `export-parses`: making parses, bringing them from elsewhere, taking them along."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harness import registry
from harness.commands.data import means_text, request_of, source_of
from harness.contracts import CorpusReader, LinkedSentence, Parse, Reader, RelationMention, TextReader
from harness.datasets import annotation, conllu_files
from harness.datasets.conllu_files import Parsable
from harness.datasets.parses import ParseSet, Tokens, attach, names
from harness.datasets.sources import Request, find_path
from harness.datasets.texts import read_text
from harness.errors import DataError
from harness.scheduler import pools
from harness.text_files import PACKINGS, lines

_BLANKS = re.compile(r"[ \t]+")

EVERY = 10
"""Seconds from one line of progress to the next, where there is no terminal."""


def annotate(asked: argparse.Namespace) -> int:
    """Parse the sentences of a corpus, a text or a .txt file that a set lacks. 1 where some can't be parsed."""
    request = None if _is_plain(asked) else request_of(asked)
    if request is None:
        sentences = list(_plain(find_path(asked.corpus, asked.home)))
    else:
        mentions, linked = _data(request, asked.home)
        sentences = [(one.identifier, one.tokens) for one in _all(mentions, linked)]
    identifiers: dict[Tokens, str] = {}
    for identifier, tokens in sentences:
        identifiers.setdefault(tokens, identifier)

    annotator = annotation.Annotator(annotation.models_folder(asked.stanza_dir))
    parse_set = ParseSet.create(asked.home, asked.name, annotator.maker, annotator.files)
    workers = pools.default_workers() if asked.workers is None else asked.workers
    try:
        with pools.local(workers) if workers else nullcontext() as pool, _progress() as finished:
            executor = pool.executor if pool else None
            done = annotation.annotate(identifiers, parse_set, annotator, executor, finished)
    except KeyboardInterrupt:
        print(f"What is parsed is kept in {parse_set.folder}; the same command goes on with the rest.", file=sys.stderr)
        raise
    for failure in done.failed:
        print(failure, file=sys.stderr)
    print(
        f"{asked.corpus}: {len(sentences):,} sentences, {len(identifiers):,} distinct; {done.parsed:,} parsed in "
        f"{done.seconds:,.0f} s, {done.pace:,.1f} a second; {done.before:,} were there already; "
        f"{len(done.failed):,} can't be parsed"
    )
    print(_where(parse_set, request))
    if asked.conllu:
        parses = parse_set.parses(identifiers)
        written = conllu_files.write(
            ((identifier, tokens, parses[tokens]) for identifier, tokens in sentences if tokens in parses), asked.conllu
        )
        print(f"{written:,} sentences are in {asked.conllu}")
    return 1 if done.failed else 0


def import_parses(asked: argparse.Namespace) -> int:
    """Bring the parses of CoNLL-U files into a set. 1 where sentences of the data are left without any."""
    request = request_of(asked)
    mentions, linked = _data(request, asked.home)
    found = conllu_files.import_parses(asked.files, _all(mentions, linked))
    there: dict[Tokens, Parse] = {}
    if asked.name in names(asked.home):
        there = ParseSet(asked.home, asked.name).parses(one.tokens for one in _all(mentions, linked))
    if other := sum(there.get(tokens, parse) != parse for tokens, parse in found.parses.items()):
        raise DataError(
            f"the parse set '{asked.name}' has another parse of {other:,} of these sentences; give the new ones a set "
            "of their own: --name ANOTHER"
        )
    parse_set = ParseSet.create(asked.home, asked.name, conllu_files.MAKER, [file.name for file in asked.files])
    parse_set.add({tokens: parse for tokens, parse in found.parses.items() if tokens not in there})
    told, lacking = [found.told()], 0
    for what, all_of_them in (("mentions", mentions), ("sentences of text", linked)):
        without = [one.identifier for one in all_of_them if not (one.tokens in found.parses or one.tokens in there)]
        first = f", the first is {without[0]}" if without else ""
        if all_of_them:
            told.append(f"{len(without):,} of {len(all_of_them):,} {what} have no parse{first}")
        lacking += len(without)
    print("; ".join(told))
    print(_where(parse_set, request))
    return 1 if lacking else 0


def export_parses(asked: argparse.Namespace) -> int:
    """Write the parses of a corpus or a text, its own or those of a set, as CoNLL-U."""
    request = request_of(asked)
    wanted: Sequence[Parsable]
    if means_text(asked, request):
        what, wanted = "sentences", list(read_text(request, asked.home, asked.parses, _tell).sentences())
    else:
        what, corpus = "mentions", source_of(request, asked.home).corpus
        if asked.parses is not None:
            corpus = attach(corpus, ParseSet(asked.home, asked.parses), asked.corpus)
        wanted = corpus.mentions
    written, without = conllu_files.export_parses(wanted, asked.out)
    print(f"{written:,} sentences are in {asked.out}; {without:,} {what} have no parse")
    return 0


def _data(request: Request, home: Path) -> tuple[Sequence[RelationMention], Sequence[LinkedSentence]]:
    """The mentions of a corpus and the sentences of a text, as grids read them; of data that is both, both.

    Raises DataError where there are none, as there are where the file is of another reader's.
    """
    kind: type[Reader] = registry.load("corpus", request.reader)
    mentions = source_of(request, home).corpus.mentions if issubclass(kind, CorpusReader) else ()
    linked = list(read_text(request, home, None, _tell).sentences()) if issubclass(kind, TextReader) else []
    if not mentions and not linked:
        raise DataError(
            f"{request.path or request.reader}: expected mentions or sentences, found none by the reader "
            f"'{request.reader}'; if it is another's, name that: --reader NAME. python -m harness list names them"
        )
    return mentions, linked


def _all(mentions: Iterable[Parsable], linked: Iterable[Parsable]) -> Iterator[Parsable]:
    yield from mentions
    yield from linked


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _is_plain(asked: argparse.Namespace) -> bool:
    """Whether plain sentences are meant, and no corpus: a .txt file, packed or not, for which no reader is named."""
    file = Path(asked.corpus)
    plain = Path(file.stem) if file.suffix in PACKINGS else file
    return asked.reader is None and plain.suffix == ".txt"


def _plain(file: Path) -> Iterator[tuple[str, Tokens]]:
    """Plain sentences, one a line, tokens between blanks, with the numbers of their lines."""
    for number, line in lines(file):
        if tokens := tuple(map(sys.intern, filter(None, _BLANKS.split(line)))):
            yield str(number), tokens


def _where(parse_set: ParseSet, request: Request | None) -> str:
    """Where the parses are and how a grid asks for them."""
    told = f"The parse set '{parse_set.name}' in {parse_set.folder} has {len(parse_set):,} sentences."
    if request is None:
        return told
    fields = {"name": request.reader, "path": request.path, **dict(request.parameters), "parses": parse_set.name}
    entry = ", ".join(f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None)
    kind: type[Reader] = registry.load("corpus", request.reader)
    axes = [axis for axis, base in (("corpora", CorpusReader), ("texts", TextReader)) if issubclass(kind, base)]
    return f"{told} A grid uses them so: " + ", ".join(f"{axis} = [{{{entry}}}]" for axis in axes)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show how many sentences are parsed on stderr: a bar on a terminal, a line every few seconds elsewhere."""
    console = Console(stderr=True)
    start = time.perf_counter()
    if not console.is_terminal:
        last = start

        def line(done: int, total: int) -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last >= EVERY and done:
                pace = done / (now - start)
                left = (total - done) / pace / 60
                print(f"[{done:,}/{total:,}] {pace:.1f} sentences a second, {left:.1f} min left", file=sys.stderr)
                last = now

        yield line
        return
    columns = (
        TextColumn("sentences"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("sentences", total=None, pace="")

        def advance(done: int, total: int) -> None:
            pace = done / (time.perf_counter() - start)
            bar.update(task, completed=done, total=total, pace=f"{pace:.1f} a second")

        yield advance
