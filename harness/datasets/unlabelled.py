"""What strategies read of a text: arrays made once, as `prepared` is of a corpus.

`sentences` (words, entities, one token an entity mention) depends on which sentences are read and on the word vectors;
`readings` (token rows of every relation mention) also on what the encoder reads of one; `links` leads from the entities
of a target to those of the sentences. None holds a label.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import provenance, readings, vocabulary
from harness.artifacts import Artifact, ArtifactStore
from harness.batching import Indices, Inputs, reading_lengths
from harness.contracts import LinkedSentence, RelationMention, UnlabelledMentions, UnlabelledText
from harness.datasets import linking, prepared, selections, splits
from harness.datasets.linking import Linker
from harness.datasets.prepared import Reads, TokenRows, names, read_rows
from harness.datasets.splits import Split
from harness.datasets.texts import SourceText
from harness.errors import DataError
from harness.readings import entities, pairs, retokenised
from harness.specs import RunSpec, key_of
from harness.vocabulary import Words


def sentences_key(spec: RunSpec, with_target: bool = False) -> str:
    """Key of the sentences that a run's text is, those of the target's training split among them or not."""
    text = spec.text
    assert text is not None
    assert spec.vectors is not None
    own: dict[str, Any] = {"text": text.digest, "selection": text.selection, "code": _code()}
    own |= {"vectors": spec.vectors.digest, "unknown": spec.vectors.unknown}
    if text.selection == "random":
        own |= {"sentences": text.sentences, "sample": spec.stream("sample")}
    if text.reads_target or with_target:
        corpus = {**dataclasses.asdict(spec.corpus), "parses": None}
        own |= {"target": corpus, "evaluation_text": text.evaluation_text, "names": text.names}
    return key_of(own | {"with_target": with_target or None})


def readings_key(spec: RunSpec, reads: Reads) -> str:
    """Key of the relation mentions of a run's text as an encoder reads them."""
    assert spec.text is not None
    own = {"sentences": sentences_key(spec), "reads": reads, "distance": spec.text.distance}
    if reads == "paths":
        own["parses"] = {"text": spec.text.parses, "target": spec.corpus.parses if spec.text.reads_target else None}
    return key_of(own)


def links_key(spec: RunSpec, with_target: bool = False) -> str:
    """Key of the links from a run's target to its text."""
    assert spec.text is not None
    corpus = {**dataclasses.asdict(spec.corpus), "parses": None}
    return key_of({"sentences": sentences_key(spec, with_target), "corpus": corpus, "names": spec.text.names})


@cache
def _code() -> str:
    rooms = (linking, prepared, readings, selections, splits, vocabulary)
    return provenance.code_digest(Path(__file__), *(Path(str(room.__file__)) for room in rooms))


@dataclass(frozen=True)
class TextMaker:
    """Makes the artifacts of a run's text.

    Parameters
    ----------
    spec: the run; of it the text, the vectors, the corpus and the text sample are of influence
    source: the text as read; None where it is the target's own
    linker: links the target's entities to the text's
    mentions, split: the target's
    words: the word vectors, looked up anew
    """

    spec: RunSpec
    source: SourceText | None
    linker: Callable[[], Linker]
    mentions: Sequence[RelationMention]
    split: Split
    words: Callable[[], Words]

    def ensure(self, store: ArtifactStore, reads: Reads, with_target: bool) -> None:
        """Make those that are not there yet; see `sentences_key`, `readings_key` and `links_key`."""
        spec, text = self.spec, self.spec.text
        assert text is not None
        made = store.ensure("sentences", sentences_key(spec), lambda: self._rows.artifact(text.label))
        distance = text.distance
        store.ensure("readings", readings_key(spec, reads), lambda: self._rows.readings(text.label, reads, distance))
        if with_target:
            made = store.ensure("sentences", sentences_key(spec, True), self._with_target)
        store.ensure("links", links_key(spec, with_target), lambda: self._to_text(made))

    def is_there(self, store: ArtifactStore, reads: Reads, with_target: bool) -> bool:
        """Whether all of them are."""
        wanted = [("sentences", sentences_key(self.spec, own)) for own in {False, with_target}]
        wanted += [("readings", readings_key(self.spec, reads)), ("links", links_key(self.spec, with_target))]
        there = [store.has(kind, key) for kind, key in wanted]  # each is looked at, for a damaged one is told of
        return all(there)

    @cached_property
    def _links(self) -> dict[str, str]:
        return linking.links(self.mentions, self.linker())

    @cached_property
    def _sentences(self) -> list[LinkedSentence]:
        text = self.spec.text
        assert text is not None
        target = self._target(bool(text.evaluation_text)) if text.reads_target else []
        return selections.selected(text, self.source, self.spec.stream("sample"), target)

    @cached_property
    def _rows(self) -> _SentenceRows:
        return _SentenceRows(self._sentences, self.words())

    def _with_target(self) -> Artifact:
        text = self.spec.text
        assert text is not None
        own = {sentence.tokens for sentence in self._sentences} if text.reads_target else ()
        more = [sentence for sentence in self._target(False) if sentence.tokens not in own]
        name = f"{text.label} and {self.spec.corpus.name}"
        return _SentenceRows([*self._sentences, *more], self.words()).artifact(name)

    def _target(self, evaluation_text: bool) -> list[LinkedSentence]:
        chosen = np.sort(self._used) if evaluation_text else self.split.train
        return selections.target_sentences(self.mentions, chosen.tolist(), self._links)

    @property
    def _used(self) -> Indices:
        return np.concatenate([self.split.train, self.split.dev, self.split.test])

    def _to_text(self, sentences: Artifact) -> Artifact:
        """From the target's entities to those of the sentences, and how many of its arguments are linked."""
        count = dict(zip(sentences.meta["entities"], sentences.tensors["count"].tolist(), strict=True))
        used = [self.mentions[at] for at in self._used]
        named = (one for m in used for one in (*entities(m), *(other.entity for other in m.others)))
        own = {entity: entity for entity in named if entity in count}
        found = own | {entity: there for entity, there in self._links.items() if there in count}
        return Artifact({}, {"of": self.spec.corpus.name, "links": found, "shares": linking.shares(used, found, count)})


class _SentenceRows:
    """Sentences as rows of words and entities."""

    def __init__(self, sentences: Sequence[LinkedSentence], words: Words) -> None:
        self._sentences = sentences
        self._rows = TokenRows(words)
        self._numbered = [self._rows.of(retokenised(sentence)) for sentence in sentences]

    def artifact(self, name: str) -> Artifact:
        """Their tokens, words and entities; `types` are the rows that occur, `count` how often each entity does."""
        count = Counter(number for row in self._numbered for is_entity, number in row if is_entity)
        tensors = self._rows.tensors(tokens=self._numbered)
        tensors["types"] = torch.from_numpy(np.unique(tensors["tokens"].numpy())).long()
        tensors["count"] = torch.tensor([count[number] for number in range(len(self._rows.entities))])
        told: dict[str, Any] = {
            "sentences": len(self._sentences),
            "tokens": len(tensors["tokens"]),
            "mentions": count.total(),
        }
        told |= {"entities": len(self._rows.entities), "coverage": dict(self._rows.words.coverage())}
        numbered = {"entities": list(self._rows.entities), "words": self._rows.words.entries()}
        return Artifact(tensors, {"of": name, "told": told, **numbered})

    def readings(self, name: str, reads: Reads, distance: int) -> Artifact:
        """The readings of their relation mentions, and the pair of entities of each."""
        mentions = [mention for sentence in self._sentences for mention in pairs(sentence, distance)]
        if not mentions:
            raise DataError(
                f"expected relation mentions in the text, found no two entity mentions of a sentence with at most "
                f"{distance} tokens between them; take more sentences, or a greater distance"
            )
        read, fallback = read_rows(mentions, self._rows, reads)
        numbers = self._rows.entities
        pair = [[numbers[entity] for entity in entities(mention)] for mention in mentions]
        rows = self._rows.tensors(**read)
        tensors = {name: rows[name] for part in read for name in (part, f"{part}.start")}
        tensors["pairs"] = torch.tensor(pair)
        return Artifact(tensors, {"of": name, "mentions": len(mentions), "fallback": sum(fallback)})


def unlabelled_text(sentences: Artifact) -> UnlabelledText:
    """The view of a text that makes entity vectors."""
    tensors = sentences.tensors
    return UnlabelledText(names(sentences), tensors["tokens"].long(), tensors["tokens.start"])


def unlabelled_mentions(
    sentences: Artifact, read: Artifact, entity_vectors: Tensor, device: torch.device, positions: bool
) -> UnlabelledMentions:
    """The view of a text that pre-training learns from; `entity_vectors` are (E, D)."""
    words = sentences.tensors["words"]
    inputs = Inputs(Artifact({**read.tensors, "words": words}, {}), entity_vectors, device, positions)
    pairs = read.tensors["pairs"]
    return UnlabelledMentions(
        batch=lambda chosen: inputs.batch(chosen.cpu().numpy()),
        pairs=pairs,
        lengths=torch.from_numpy(reading_lengths(read, np.arange(len(pairs)))),
        vectors=inputs.vectors,
        words=len(words),
        types=sentences.tensors["types"].to(device),
    )
