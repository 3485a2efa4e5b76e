"""What runs read instead of corpora and vector files: arrays made once, memory-mapped, shared by all runs.

`mentions` (labels, subjects, published parts, groups, handcrafted features) depends on the corpus and its parses;
`inputs` (token rows, the word vectors in use, the words of each entity) on the vectors too, and on what is read of a
mention: the words between, or the paths of its dependency tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness import chunks, features, provenance, readings, syntax, vocabulary
from harness.artifacts import Artifact, ArtifactStore
from harness.contracts import Names, RelationMention
from harness.datasets import splits
from harness.datasets.sources import SourceCorpus
from harness.directions import HEADS
from harness.readings import Paths, Token, paths, reading
from harness.specs import CorpusSpec, VectorsSpec, key_of
from harness.vocabulary import Words, WordVectors

Reads = Literal["between", "paths"]
"""What an encoder reads of a mention, as `Encoder.reads` says it."""


def is_there(store: ArtifactStore, corpus: CorpusSpec, vectors: VectorsSpec | None, reads: Reads = "between") -> bool:
    """Whether all that a run with this corpus and these vectors reads has been made."""
    inputs = vectors is None or store.has("inputs", inputs_key(corpus, vectors, reads))
    return store.has("mentions", mentions_key(corpus)) and inputs


def ensure(
    store: ArtifactStore,
    corpus: CorpusSpec,
    vectors: VectorsSpec | None,
    source: SourceCorpus,
    word_vectors: Callable[[], WordVectors] | None,
    reads: Reads = "between",
) -> None:
    """Make the artifacts of a corpus, and of its vectors if any, that are not there yet; vectors are read only then."""
    mentions = source.corpus.mentions
    store.ensure("mentions", mentions_key(corpus), lambda: _mentions(corpus.name, mentions))
    if vectors is not None and word_vectors is not None:
        unknown: Literal["hash", "zero"] = "zero" if vectors.unknown == "zero" else "hash"
        key = inputs_key(corpus, vectors, reads)
        store.ensure("inputs", key, lambda: _inputs(corpus.name, mentions, Words(word_vectors(), unknown), reads))


def mentions_key(corpus: CorpusSpec) -> str:
    """Key of the labels and features; the code that makes them is part of it, so that no stale one is read."""
    return key_of({"corpus": corpus.digest, "parses": corpus.parses, "code": _code()})


def inputs_key(corpus: CorpusSpec, vectors: VectorsSpec, reads: Reads = "between") -> str:
    """Key of the token rows and vectors in use."""
    paths = {"reads": reads, "parses": corpus.parses} if reads == "paths" else {}
    own = {"corpus": corpus.digest, "vectors": vectors.digest, "unknown": vectors.unknown, "code": _code()}
    return key_of(own | paths)


@cache
def _code() -> str:
    rooms = (
        chunks.__file__,
        features.__file__,
        readings.__file__,
        splits.__file__,
        syntax.__file__,
        vocabulary.__file__,
    )
    return provenance.code_digest(Path(__file__), *map(Path, rooms))


def _mentions(name: str, mentions: Sequence[RelationMention]) -> Artifact:
    classes = sorted({mention.label for mention in mentions})
    parts = sorted({mention.part for mention in mentions})
    tensors = {
        "label": torch.tensor([classes.index(mention.label) for mention in mentions]),
        "head": torch.tensor([HEADS.index(mention.head) for mention in mentions]),
        "part": torch.tensor([parts.index(mention.part) for mention in mentions]),
    }
    tensors |= {f"group.{kind}": torch.from_numpy(splits.groups(mentions, kind)) for kind in splits.TIES}
    known: dict[str, int] = {}
    for group in features.GROUPS:
        rows = [
            [known.setdefault(feature, len(known)) for feature in features.features(mention, group)]
            for mention in mentions
        ]
        tensors[f"features.{group}"], tensors[f"features.{group}.start"] = ragged(rows)
    return Artifact(tensors, {"of": name, "classes": classes, "parts": parts, "features": len(known)})


class TokenRows:
    """Numbers the tokens of readings: a word by its row among the words in use, an entity apart from them."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.entities: dict[str, int] = {}
        self._names: list[dict[int, None]] = []  # of each entity, the distinct rows of its words in order of appearance

    def of(self, tokens: Iterable[Token]) -> list[tuple[bool, int]]:
        """Each token: (is an entity, its number) or (is a word, its row)."""
        return [
            (True, self._entity(token)) if token.entity is not None else (False, self.words.row(token.words[0]))
            for token in tokens
        ]

    def tensors(self, **read: Sequence[Sequence[tuple[bool, int]]]) -> dict[str, Tensor]:
        """What was numbered, under its names, entities after the words; the words' vectors, and the entities' words."""
        matrix, has_vector = self.words.matrix()
        found = {"words": torch.from_numpy(matrix), "has_vector": torch.from_numpy(has_vector)}
        for name, rows in read.items():
            numbers = [[len(matrix) + number if is_entity else number for is_entity, number in row] for row in rows]
            found[name], found[f"{name}.start"] = ragged(numbers)
        found["entity_words"], found["entity_words.start"] = ragged([list(rows) for rows in self._names])
        return found

    def _entity(self, token: Token) -> int:
        number = self.entities.setdefault(str(token.entity), len(self.entities))
        if number == len(self._names):
            self._names.append({})
        self._names[number].update(dict.fromkeys(map(self.words.row, token.words)))
        return number


def read_rows(
    mentions: Iterable[RelationMention], rows: TokenRows, reads: Reads
) -> tuple[dict[str, list[list[tuple[bool, int]]]], list[bool]]:
    """The readings of the mentions as numbered tokens; of paths also which mentions have the words between instead."""
    if reads == "between":
        return {"tokens": [rows.of(reading(mention)) for mention in mentions]}, []
    found = [_paths(mention) for mention in mentions]
    first, second = [rows.of(one.first) for one in found], [rows.of(one.second) for one in found]
    return {"tokens": first, "tokens_2": second}, [one.fallback for one in found]


def _inputs(name: str, mentions: Sequence[RelationMention], words: Words, reads: Reads) -> Artifact:
    rows = TokenRows(words)
    read, fallback = read_rows(mentions, rows, reads)
    tensors = rows.tensors(**read)
    if fallback:
        tensors["fallback"] = torch.tensor(fallback)
    return Artifact(tensors, {"of": name, "coverage": dict(words.coverage()), "entities": list(rows.entities)})


def names(prepared: Artifact) -> Names:
    """The words and entities of prepared arrays, as a strategy receives them."""
    tensors = prepared.tensors
    start = tensors["entity_words.start"]
    words = torch.tensor_split(tensors["entity_words"].long(), start[1:-1])
    return Names(tensors["words"], tensors["has_vector"], words)


def _paths(mention: RelationMention) -> Paths:
    """The paths of a mention; the words between where its sentence has no parse."""
    if mention.parse is not None:
        return paths(mention)
    between = tuple(reading(mention))
    return Paths(between, between[::-1], True)


def ragged(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of unequal length as (all values, int32) and (where each row starts, and the end, int64)."""
    start = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=start[1:])
    values = np.fromiter(chain.from_iterable(rows), np.int32, count=int(start[-1]))
    return torch.from_numpy(values), torch.from_numpy(start)
