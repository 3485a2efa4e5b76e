"""What the contracts play with: toy readings, a toy text, a toy corpus whose relations differ in direction alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from harness.artifacts import Artifact, ArtifactStore
from harness.batching import Features, Indices, Inputs, reading_lengths, training_batches
from harness.contracts import (
    About,
    Batch,
    Corpus,
    CorpusReader,
    Encoder,
    Names,
    Parse,
    Reading,
    RelationMention,
    Span,
    UnlabelledMentions,
    UnlabelledText,
)
from harness.datasets import prepared
from harness.datasets.sources import SourceCorpus, content_digest, parses_digest
from harness.directions import outputs
from harness.seeding import numpy_stream, torch_stream
from harness.specs import CorpusSpec, Training, VectorsSpec
from harness.training import Examples, FineTuning, Model
from harness.vocabulary import Floats

WIDTH, WORDS, ENTITIES = 6, 7, 4

MENTIONS = ((7, 8), (8, 1, 7), (9, 2, 3, 4, 10), (7, 5, 1, 0, 2, 3, 4, 6, 10))
"""Forward readings of four mentions, as rows of the toy vectors: words come first. One has no words between."""

NAMES = ((0, 1), (2,), (3, 4, 5), (6,))
"""Rows of the words in each toy entity's names."""

BETWEEN = {(7, 8): (0, 1), (8, 9): (2, 3), (9, 10): (4, 5)}
"""Two words for each entity pair of the toy text that stand between its mentions, and between no other's."""

Rows = Sequence[Sequence[int]]
"""Token rows, one list a mention."""

Pairs = Sequence[Sequence[tuple[int, int]]]
"""Positions of the tokens, one list a mention."""

TREE = Parse(tags=("NNP", "VBD", "NNP"), heads=(1, -1, 1), labels=("nsubj", "root", "obj"))
"""The syntax of every toy sentence: both arguments hang from the verb."""

PEOPLE, COMPANIES = ("Ada", "Grace", "Alan", "Emmy"), ("Acme", "Initech", "Globex")


def toy_vectors(width: int = WIDTH) -> Tensor:
    """Input vectors of the toy words and entities, (V + E, D)."""
    return torch.randn(WORDS + ENTITIES, width, generator=torch_stream("toy vectors"))


def toy_readings(
    asking: type[Encoder], mentions: Rows, vectors: Tensor, longer: int = 0, filler: int = 0
) -> tuple[Reading, Reading]:
    """Both readings of the mentions, as this kind of encoder asks for them; see `toy_reading`."""
    one, two = mentions, [mention[::-1] for mention in mentions]
    positions: Pairs | None = None
    if asking.reads == "paths":  # up to a token after few others, so that the second path is often the longer one
        tops = [min(len(mention) // 2, 3) for mention in mentions]
        one = [mention[: top + 1] for mention, top in zip(mentions, tops, strict=True)]
        two = [mention[top:][::-1] for mention, top in zip(mentions, tops, strict=True)]
    elif asking.positions:
        positions = [[(at, at - len(mention) + 1) for at in range(len(mention))] for mention in mentions]
    turned = positions and [row[::-1] for row in positions]
    return toy_reading(one, vectors, longer, filler, positions), toy_reading(two, vectors, longer, filler, turned)


def toy_reading(
    rows: Rows, vectors: Tensor, longer: int = 0, filler: int = 0, positions: Pairs | None = None
) -> Reading:
    """A reading with `longer` more places than the longest needs; all that are empty hold `filler`."""
    lengths = torch.tensor([len(row) for row in rows])
    places = int(lengths.max()) + longer
    tokens = torch.tensor([[*row, *[filler] * (places - len(row))] for row in rows])
    if positions is None:
        return Reading(tokens, lengths, vectors)
    pairs = [[*row, *[(filler, filler)] * (places - len(row))] for row in positions]
    return Reading(tokens, lengths, vectors, torch.tensor(pairs))


def toy_names(has_vector: Tensor) -> Names:
    """The toy words and entities; `has_vector` is (V,) bool."""
    return Names(toy_vectors()[:WORDS], has_vector, tuple(torch.tensor(rows) for rows in NAMES))


def toy_text(names: Names) -> UnlabelledText:
    """Eight sentences of four tokens: words, and all entities but the last one, or the only one."""
    words, entities = len(names.word_vectors), max(1, len(names.entity_words) - 1)
    sentences = [
        (words + at % entities, at % words, words + (2 * at + 1) % entities, (at + 3) % words) for at in range(8)
    ]
    return UnlabelledText(names, torch.tensor(sentences).flatten(), torch.arange(0, 33, 4))


def toy_mentions(asking: type[Encoder], longer: int = 0, filler: int = 0) -> UnlabelledMentions:
    """Eighteen relation mentions as this kind of encoder asks for them, six of each pair; see `toy_reading`."""
    rows = [
        (first, *words, second)
        for (first, second), (one, two) in BETWEEN.items()
        for words in ((), (one,), (two,), (one, two), (two, 6, one), (6, one, two))
    ]
    vectors = toy_vectors()

    def batch(mentions: Tensor) -> Batch:
        chosen = [rows[at] for at in mentions.tolist()]
        return Batch(len(chosen), toy_readings(asking, chosen, vectors, longer, filler))

    lengths = torch.stack([reading.lengths for reading in batch(torch.arange(len(rows))).readings]).amax(0)
    pairs = torch.tensor([(row[0] - WORDS, row[-1] - WORDS) for row in rows])
    return UnlabelledMentions(batch, pairs, lengths, vectors, WORDS, torch.arange(len(vectors)))


class Directed(CorpusReader):
    """'Ada founded Acme' and 'Acme founded Ada', for every person and company: the same words, the other direction."""

    about = About(headline="accuracy", licence="MIT, as the harness itself", source="made by hand", citation="none")

    def read(self, folder: Path | None) -> Corpus:
        """All mentions, of one part."""
        return Corpus(tuple(self._mentions()))

    def _mentions(self) -> Iterator[RelationMention]:
        for person in PEOPLE:
            for company in COMPANIES:
                for direction, one, two in (("e1,e2", person, company), ("e2,e1", company, person)):
                    words = (one, "founded", two)
                    spans, label = (Span(0, 1), Span(2, 3)), f"founded({direction})"
                    yield RelationMention(" ".join(words), words, *spans, label, "train", parse=TREE)


class Roles(CorpusReader):
    """'Ada founded Acme' and 'Acme obeys Ada', each with either mention as its subject: two of four classes open."""

    about = About(
        headline="accuracy", roles=True, licence="MIT, as the harness itself", source="by hand", citation="none"
    )

    def read(self, folder: Path | None) -> Corpus:
        """All mentions, of one part."""
        return Corpus(tuple(self._mentions()))

    def _mentions(self) -> Iterator[RelationMention]:
        for person, company in itertools.product(PEOPLE, COMPANIES):
            for words, ruler in (((person, "founded", company), "first"), ((company, "obeys", person), "second")):
                for head in get_args(Literal["first", "second"]):
                    label = "rules" if head == ruler else "is-ruled-by"
                    spans = Span(0, 1), Span(2, 3)
                    told = f"{' '.join(words)}: {label}"
                    yield RelationMention(told, words, *spans, label, "train", head, parse=TREE)


class ToyVectors(dict[str, Floats]):
    """Word vectors for the harness to look words up in; `vectors` are all of them, (V, D)."""

    def __init__(self, **words: Floats) -> None:
        super().__init__(words)
        self.vectors: Floats = np.stack(list(words.values()))


def learn(encoder: Encoder, folder: Path, updates: int, corpus: type[CorpusReader] = Directed) -> tuple[Model, float]:
    """Fine-tune `encoder` on all of a toy corpus; return the model and its accuracy on the same mentions.

    Features are on for an encoder that has nothing else, and off for all others.
    """
    mentions, inputs = _prepared(corpus(), folder, encoder.reads)
    training = Training(min_updates=updates, max_updates=updates, standardise=type(encoder).standardise)
    labels, heads = (mentions.tensors[name].numpy() for name in ("label", "head"))
    told_apart = outputs(labels, heads, len(mentions.meta["classes"]), None)
    everything = np.arange(len(labels))
    lengths = reading_lengths(inputs if encoder.size else None, everything)
    examples = Examples(everything, told_apart.gold, lengths)
    device = torch.device("cpu")
    features = Features(mentions, () if encoder.size else ("lexical",), everything, device)
    entities = torch.randn(len(PEOPLE + COMPANIES), WIDTH, generator=torch_stream("toy entities"))
    model = Model(encoder, features.size, len(told_apart.scored), torch_stream("toy classifier"))
    read = Inputs(inputs, entities, device, encoder.positions) if encoder.size else None
    tuning = FineTuning(model, read, features, training, told_apart.mask(device))
    if training.standardise:
        tuning.standardise(everything, lengths)

    def accuracy(predicted: Indices) -> float:
        return float(np.mean(predicted == examples.labels))

    tuning.run(examples, training_batches(lengths, training.batch_size, numpy_stream("toy order")), examples, accuracy)
    return model, accuracy(tuning.predict(examples))


def _prepared(reader: CorpusReader, folder: Path, reads: Literal["between", "paths"]) -> tuple[Artifact, Artifact]:
    """The prepared arrays of a toy corpus, with its verbs and no name in the word vectors."""
    corpus = reader.read(None)
    digest = content_digest(corpus)
    labels = CorpusSpec("toy", digest, "official", 0, None, parses=parses_digest(corpus))
    vectors = VectorsSpec("toy", "toy", "hash")
    store = ArtifactStore(folder)
    source = SourceCorpus("toy", reader, corpus, reader.about, digest)
    words = ToyVectors(founded=np.ones(WIDTH, np.float32), obeys=-np.ones(WIDTH, np.float32))
    prepared.ensure(store, labels, vectors, source, lambda: words, reads)
    mentions = store.read("mentions", prepared.mentions_key(labels))
    inputs = store.read("inputs", prepared.inputs_key(labels, vectors, reads))
    assert mentions is not None
    assert inputs is not None
    return mentions, inputs
