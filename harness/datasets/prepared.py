"""What runs read instead of corpora and vector files: arrays made once, memory-mapped, shared by all runs.

`mentions` (labels, subjects, published parts, groups, handcrafted features) depends on the corpus and its parses;
`inputs` (token rows, the word vectors in use, the words of each entity) on the vectors as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness import features, provenance, readings, vocabulary
from harness.artifacts import Artifact, ArtifactStore
from harness.contracts import RelationMention
from harness.datasets import splits
from harness.datasets.sources import SourceCorpus
from harness.directions import HEADS
from harness.readings import Token, reading
from harness.specs import CorpusSpec, VectorsSpec, key_of
from harness.vocabulary import Words, WordVectors


def is_there(store: ArtifactStore, corpus: CorpusSpec, vectors: VectorsSpec | None) -> bool:
    """Whether all that a run with this corpus and these vectors reads has been made."""
    inputs = vectors is None or store.folder("inputs", inputs_key(corpus, vectors)).is_dir()
    return inputs and store.folder("mentions", mentions_key(corpus)).is_dir()


def ensure(
    store: ArtifactStore,
    corpus: CorpusSpec,
    vectors: VectorsSpec | None,
    source: SourceCorpus,
    word_vectors: Callable[[], WordVectors] | None,
) -> None:
    """Make the artifacts of a corpus, and of its vectors if any, that are not there yet; vectors are read only then."""
    mentions = source.corpus.mentions
    store.ensure("mentions", mentions_key(corpus), lambda: _mentions(mentions))
    if vectors is not None and word_vectors is not None:
        unknown: Literal["hash", "zero"] = "zero" if vectors.unknown == "zero" else "hash"
        key = inputs_key(corpus, vectors)
        store.ensure("inputs", key, lambda: _inputs(mentions, Words(word_vectors(), unknown)))


def mentions_key(corpus: CorpusSpec) -> str:
    """Key of the labels and features; the code that makes them is part of it, so that no stale one is read."""
    return key_of({"corpus": corpus.digest, "parses": corpus.parses, "code": _code()})


def inputs_key(corpus: CorpusSpec, vectors: VectorsSpec) -> str:
    """Key of the token rows and vectors in use."""
    return key_of({"corpus": corpus.digest, "vectors": vectors.digest, "unknown": vectors.unknown, "code": _code()})


@cache
def _code() -> str:
    rooms = (features.__file__, readings.__file__, splits.__file__, vocabulary.__file__)
    return provenance.code_digest(Path(__file__), *map(Path, rooms))


def _mentions(mentions: Sequence[RelationMention]) -> Artifact:
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
    return Artifact(tensors, {"classes": classes, "parts": parts, "features": len(known)})


def _inputs(mentions: Sequence[RelationMention], words: Words) -> Artifact:
    entities: dict[str, int] = {}
    names: list[dict[int, None]] = []  # of each entity, the distinct rows of its words in order of appearance

    def entity(token: Token) -> int:
        number = entities.setdefault(str(token.entity), len(entities))
        if number == len(names):
            names.append({})
        names[number].update(dict.fromkeys(map(words.row, token.words)))
        return number

    read: list[list[tuple[bool, int]]] = []  # (is an entity, its number) or (is a word, its row)
    for mention in mentions:
        tokens = reading(mention)
        read.append([(True, entity(t)) if t.entity is not None else (False, words.row(t.words[0])) for t in tokens])

    matrix, has_vector = words.matrix()
    token_rows = [[len(matrix) + number if is_entity else number for is_entity, number in r] for r in read]
    tensors = {"words": torch.from_numpy(matrix), "has_vector": torch.from_numpy(has_vector)}
    tensors["tokens"], tensors["tokens.start"] = ragged(token_rows)
    tensors["entity_words"], tensors["entity_words.start"] = ragged([list(rows) for rows in names])
    return Artifact(tensors, {"coverage": dict(words.coverage())})


def ragged(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of unequal length as (all values, int32) and (where each row starts, and the end, int64)."""
    start = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=start[1:])
    values = np.fromiter(chain.from_iterable(rows), np.int32, count=int(start[-1]))
    return torch.from_numpy(values), torch.from_numpy(start)
