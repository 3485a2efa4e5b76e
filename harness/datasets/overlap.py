"""How many of the sentences that runs are scored on stand in an unlabelled text, by their tokens.

The numbers are artifacts of kind `overlaps`, one of a text and the dev and test sentences of a corpus, so that a text
is searched once. The search takes memory for the sentences looked for, not for the text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness import provenance
from harness.artifacts import Artifact, ArtifactStore
from harness.contracts import RelationMention
from harness.datasets.splits import Split
from harness.datasets.texts import SourceText
from harness.specs import key_of

KIND = "overlaps"

Tokens = tuple[str, ...]


class Overlap(NamedTuple):
    """Of `sentences` different dev and test sentences of a corpus, `shared` stand in a text."""

    shared: int
    sentences: int


def evaluation_sentences(mentions: Sequence[RelationMention], split: Split) -> frozenset[Tokens]:
    """The dev and test sentences of a split, each once."""
    return frozenset(mentions[at].tokens for at in np.concatenate([split.dev, split.test]).tolist())


def overlaps(
    source: SourceText,
    name: str,
    evaluated: Mapping[str, frozenset[Tokens]],
    store: ArtifactStore,
    told: Callable[[str], None],
) -> dict[str, Overlap]:
    """The overlap of a text with the sentences of each corpus; what is not kept yet is found in one reading of it.

    `name` is what the text is called, and the keys of `evaluated` what the corpora are.
    """

    @cache
    def there() -> frozenset[Tokens]:
        told(f"Looking for dev and test sentences in {name} (once)")
        wanted: frozenset[Tokens] = frozenset().union(*evaluated.values())
        return wanted.intersection(sentence.tokens for sentence in source.sentences())

    def made(corpus: str, sentences: frozenset[Tokens]) -> Artifact:
        return Artifact({}, {"of": corpus, "text": name, **Overlap(len(sentences & there()), len(sentences))._asdict()})

    found = {}
    for corpus, sentences in evaluated.items():
        artifact = store.ensure(KIND, _key(source, sentences), partial(made, corpus, sentences))
        found[corpus] = Overlap(artifact.meta["shared"], artifact.meta["sentences"])
    return found


def _key(source: SourceText, sentences: frozenset[Tokens]) -> str:
    content = hashlib.sha256(json.dumps(sorted(sentences)).encode()).hexdigest()
    return key_of({"text": source.digest, "sentences": content, "code": provenance.code_digest(Path(__file__))})
