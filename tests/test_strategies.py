"""What strategies make of names and words, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.mean import Mean
from harness.artifacts import ArtifactStore
from harness.contracts import Corpus, Prepared, RelationMention, Span, Strategy, UnlabelledTarget
from harness.datasets import prepared
from harness.datasets.sources import SourceCorpus
from harness.runner import unlabelled_target
from harness.specs import CorpusSpec, VectorsSpec
from harness.testing.toys import Directed, ToyVectors
from strategies.avg_embed import AverageEmbedding
from strategies.none import NoPretraining

WORDS = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def target(*names: tuple[int, ...], unknown: tuple[int, ...] = ()) -> UnlabelledTarget:
    """Entities by the rows of their words; `unknown` rows have no vector in the file."""
    has_vector = torch.ones(len(WORDS), dtype=torch.bool)
    has_vector[list(unknown)] = False
    return UnlabelledTarget(torch.from_numpy(WORDS), has_vector, tuple(torch.tensor(name) for name in names))


def prepare(kind: type[Strategy], given: UnlabelledTarget, seed: int = 0) -> Prepared:
    encoder = Mean(WORDS.shape[1], Mean.Parameters(), torch.Generator())
    return kind(kind.Parameters()).prepare(given, encoder, torch.Generator().manual_seed(seed))


def test_none_gives_every_entity_one_vector_of_the_mean_norm() -> None:
    vectors = prepare(NoPretraining, target((0,), (1, 2), (5,), unknown=(4, 5))).entity_vectors.numpy()
    assert vectors.shape == (3, 4)
    np.testing.assert_array_equal(vectors, np.tile(vectors[0], (3, 1)))
    norms = np.linalg.norm(WORDS[:4], axis=1)  # of the words that have a vector
    assert np.linalg.norm(vectors[0]) == pytest.approx(norms.mean(), rel=1e-6)


def test_none_draws_its_vector_anew_for_each_stream() -> None:
    one, same, other = (prepare(NoPretraining, target((0,)), seed).entity_vectors for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_none_takes_the_drawn_words_norms_where_no_word_has_a_vector() -> None:
    vectors = prepare(NoPretraining, target((0,), unknown=tuple(range(6)))).entity_vectors.numpy()
    assert np.linalg.norm(vectors[0]) == pytest.approx(np.linalg.norm(WORDS, axis=1).mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "unknown", "averaged"),
    [
        ((2,), (), (2,)),
        ((0, 1, 5), (), (0, 1, 5)),
        ((0, 1, 5), (1,), (0, 5)),
        ((0, 1), (0, 1, 2), (0, 1)),
        ((3,), (3,), (3,)),
    ],
    ids=["one word", "several", "one of them unknown", "all unknown", "the only one unknown"],
)
def test_avg_embed_averages_the_words_that_have_vectors(
    name: tuple[int, ...], unknown: tuple[int, ...], averaged: tuple[int, ...]
) -> None:
    vectors = prepare(AverageEmbedding, target((4,), name, unknown=unknown)).entity_vectors.numpy()
    expected = sum(WORDS[row].astype(np.float64) for row in averaged) / len(averaged)
    np.testing.assert_allclose(vectors[1], expected, rtol=0, atol=1e-6)


def test_avg_embed_counts_each_word_of_an_entity_once(tmp_path: Path) -> None:
    """'Acme' and 'Acme Labs' name one entity: the average is over {Acme, Labs}, however often either occurs."""
    words = ToyVectors(Acme=WORDS[0], Labs=WORDS[1], Ada=WORDS[2], of=WORDS[3])
    mentions = (
        RelationMention("1", ("Ada", "of", "Acme"), Span(0, 1), Span(2, 3), "a", "train", second_entity="Q1"),
        RelationMention("2", ("Ada", "of", "Acme", "Labs"), Span(0, 1), Span(2, 4), "b", "train", second_entity="Q1"),
    )
    corpus, vectors = CorpusSpec("toy", "0", "official", 0, None), VectorsSpec("toy", "0", "hash")
    store = ArtifactStore(tmp_path)
    source = SourceCorpus("toy", Directed(), Corpus(mentions), Directed.about, "0")
    prepared.ensure(store, corpus, vectors, source, lambda: words)
    arrays = store.read("inputs", prepared.inputs_key(corpus, vectors))
    assert arrays is not None
    ada, acme = prepare(AverageEmbedding, unlabelled_target(arrays)).entity_vectors.numpy()
    np.testing.assert_allclose(ada, WORDS[2], rtol=0, atol=1e-6)
    np.testing.assert_allclose(acme, (WORDS[0] + WORDS[1]) / 2, rtol=0, atol=1e-6)
