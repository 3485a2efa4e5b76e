"""What the verbs of `data` do with a text: checking, showing and converting it, training word vectors on it."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harness.axes import TextOptions
from harness.contracts import LinkedSentence, TextNotes, TextReader
from harness.datasets import checking
from harness.datasets.sources import Request, data_folders, read_source
from harness.datasets.texts import FEWEST, Text
from harness.errors import DataError
from harness.readings import Token, pairs, paths, reading
from harness.vocabulary import Words


def check(text: Text, every: bool, as_json: bool, places: int) -> int:
    """All that is wrong with a text, by reason, with its place; and what it holds. 1 where something is wrong.

    What keeps a grid from reading it is told last, and is an error.
    """
    notes = TextNotes()
    report = checking.check_text(text.name, text.reader.about, text.sentences(notes), notes, TextOptions().distance)
    if as_json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        print(checking.told_text(report, None if every else places))
    if not report["sentences_with_pairs"]:
        raise _without_pairs(text)
    return 1 if report["faults"] else 0


def show(text: Text, count: int) -> int:
    """Sentences of a text with at least two mentions, drawn at random, the same ones every time, in text order."""
    drawn = random.Random(0)
    chosen: list[tuple[int, LinkedSentence]] = []
    of_pairs = (sentence for sentence in text.sentences(TextNotes()) if len(sentence.mentions) >= FEWEST)
    for at, sentence in enumerate(of_pairs):  # a reservoir (Vitter 1985, algorithm R): how many there are shows late
        place = at if at < count else drawn.randrange(at + 1)
        if place < count:
            chosen[place : place + 1] = [(at, sentence)]
    if not chosen:
        raise _without_pairs(text)
    print("\n\n".join("\n".join(_card(sentence)) for _, sentence in sorted(chosen, key=lambda one: one[0])))
    return 0


def _without_pairs(text: Text) -> DataError:
    return DataError(f"{text.told}: expected sentences with at least {FEWEST} linked mentions, found none")


def _card(sentence: LinkedSentence) -> Iterator[str]:
    yield sentence.identifier
    opens = {mention.start: f"[{number} " for number, mention in enumerate(sentence.mentions, 1)}
    closes = {mention.end for mention in sentence.mentions}
    words = (f"{opens.get(at, '')}{t}{']' if at + 1 in closes else ''}" for at, t in enumerate(sentence.tokens))
    yield f"  sentence   {' '.join(words)}"
    yield f"  mentions   {' | '.join(f'{at} {mention.entity}' for at, mention in enumerate(sentence.mentions, 1))}"
    distance = TextOptions().distance
    first = next(pairs(sentence, distance), None)
    if first is None:
        yield f"  reading    no two mentions have at most {distance} tokens between them"
        return
    tokens = [shown(token) for token in reading(first)]
    yield f"  reading 1  {' '.join(tokens)}"
    yield f"  reading 2  {' '.join(reversed(tokens))}"
    if first.parse is not None:
        for number, path in enumerate(paths(first)[:2], 1):
            yield f"  path {number}     {' '.join(map(shown, path))}"
        yield f"  tags       {' '.join(first.parse.tags)}"


def shown(token: Token) -> str:
    """A token of a reading in words: an entity mention as its ID between angle brackets."""
    return f"<{token.entity}>" if token.entity is not None else token.words[0]


def convert(text: Text, writer: TextReader, folder: Path) -> int:
    """Write a text in the writer's format into an empty folder and read it back; how many sentences it has.

    Both ways a sentence at a time. Raises DataError where another text comes back, NotImplementedError where the format
    does not hold every text.
    """
    notes, again = TextNotes(), TextNotes()
    written, read = _Passed(), _Passed()
    writer.write_text(written.all_of(text.sentences(notes)), notes, folder)
    if not written.count:
        raise DataError(f"{text.told}: expected sentences, found none; python -m harness data check tells why")
    for _ in read.all_of(writer.text(folder.absolute(), again)):
        pass
    for what, one, other in (
        ("sentences", written.digest.digest(), read.digest.digest()),
        ("names", notes.names, again.names),
        ("counts of what is left out", notes.left_out, again.left_out),
        ("remarks", notes.remarks, again.remarks),
    ):
        if one != other:
            raise DataError(f"text '{text.name}' was not read back the same: its {what} became others")
    return written.count


class _Passed:
    """Counts and digests sentences that pass by."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.count = 0

    def all_of(self, sentences: Iterator[LinkedSentence]) -> Iterator[LinkedSentence]:
        for sentence in sentences:
            parse = sentence.parse and [sentence.parse.tags, sentence.parse.heads, sentence.parse.labels]
            self.digest.update(json.dumps([sentence.identifier, sentence.tokens, sentence.mentions, parse]).encode())
            self.count += 1
            yield sentence


def train_vectors(asked: argparse.Namespace, text: Text) -> int:
    """Train word vectors on all sentences of a text, and write them where grids find them."""
    from harness.datasets import vectors

    file: Path = asked.out or data_folders(asked.home)[-1] / "vectors" / f"{text.name}-{asked.size}d.bin"
    if file.exists():
        raise DataError(f"{file} is there already; move it away, or choose another file with --out")
    covered = read_source(Request(asked.coverage), asked.home).corpus.mentions if asked.coverage else ()
    recipe = vectors.RECIPE | {"vector_size": asked.size, "epochs": asked.epochs, "min_count": asked.min_count}
    start = time.perf_counter()
    trained = vectors.train(
        (sentence.tokens for sentence in text.sentences(TextNotes())), file, recipe, asked.workers, _tell, text.told
    )
    seconds = time.perf_counter() - start
    print(
        f"{text.name}: vectors of {trained.words:,} words in {asked.size} dimensions, from {trained.tokens:,} tokens "
        f"in {trained.sentences:,} sentences, by {asked.epochs} epochs in {seconds:,.0f} s"
        + ("" if asked.workers == 1 else f"; with {asked.workers} workers they are not repeatable")
    )
    if covered:
        words = Words(vectors.load(file), "hash")
        for tokens in dict.fromkeys(mention.tokens for mention in covered):
            for token in tokens:
                words.row(token)
        rules = ", ".join(f"{share:.1%} {rule}" for rule, share in words.coverage().items())
        print(f"Tokens of the sentences of {asked.coverage}, by the rule that finds their vectors: {rules}")
    found = vectors.find_file(file.name, asked.home)
    name = file.name if found is not None and found.samefile(file) else str(file)
    print(f"They are in {file}. A grid uses them so: vectors = {json.dumps(name)}")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
