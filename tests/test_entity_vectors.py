"""Entity vectors by names alone, by hand; and what each strategy asks for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.contracts import Capability, EntityVectors, Names, UnlabelledText
from strategies._entity_vectors import NameAverage, SharedVector
from strategies._skipgram import SkipGram
from strategies.avg_embed import AverageEmbedding
from strategies.none import NoPretraining
from strategies.stepwise import Stepwise

WORDS = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def names(*entities: tuple[int, ...], unknown: tuple[int, ...] = ()) -> Names:
    """Entities by the rows of their words; `unknown` rows have no vector in the file."""
    has_vector = torch.ones(len(WORDS), dtype=torch.bool)
    has_vector[list(unknown)] = False
    return Names(torch.from_numpy(WORDS), has_vector, tuple(torch.tensor(entity) for entity in entities))


def made(kind: EntityVectors, given: Names, seed: int = 0) -> torch.Tensor:
    return kind.of_names(given, torch.Generator().manual_seed(seed))


def test_shared_vector_is_one_of_the_mean_norm() -> None:
    vectors = made(SharedVector(), names((0,), (1, 2), (5,), unknown=(4, 5))).numpy()
    assert vectors.shape == (3, 4)
    np.testing.assert_array_equal(vectors, np.tile(vectors[0], (3, 1)))
    norms = np.linalg.norm(WORDS[:4], axis=1)  # of the words that have a vector
    assert np.linalg.norm(vectors[0]) == pytest.approx(norms.mean(), rel=1e-6)


def test_shared_vector_is_drawn_anew_for_each_stream() -> None:
    one, same, other = (made(SharedVector(), names((0,)), seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_shared_vector_takes_the_drawn_words_norms_where_no_word_has_a_vector() -> None:
    vectors = made(SharedVector(), names((0,), unknown=tuple(range(6)))).numpy()
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
def test_name_average_is_over_the_words_that_have_vectors(
    name: tuple[int, ...], unknown: tuple[int, ...], averaged: tuple[int, ...]
) -> None:
    vectors = made(NameAverage(), names((4,), name, unknown=unknown)).numpy()
    expected = sum(WORDS[row].astype(np.float64) for row in averaged) / len(averaged)
    np.testing.assert_allclose(vectors[1], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [SharedVector(), NameAverage()], ids=["shared", "average"])
def test_a_texts_entities_get_what_their_names_alone_give_them(kind: EntityVectors) -> None:
    given = names((0,), (1, 2))
    text = UnlabelledText(given, torch.tensor([0, 6, 3, 7, 7]), torch.tensor([0, 3, 5]))
    vectors = kind.of_text(text, torch.Generator().manual_seed(0))
    assert torch.equal(vectors, made(kind, given))


def test_strategies_share_entity_vectors_that_are_made_alike() -> None:
    assert NoPretraining(NoPretraining.Parameters()).entity_vectors() == SharedVector()
    assert AverageEmbedding(AverageEmbedding.Parameters()).entity_vectors() == NameAverage()
    stepwise = SkipGram(window=5, negatives=10, epochs=50, learning_rate=0.001, with_target=False)
    assert Stepwise(Stepwise.Parameters()).entity_vectors() == stepwise
    assert SkipGram() != SkipGram(epochs=49)
    assert len({SharedVector(), NameAverage(), SkipGram(), SkipGram(with_target=True), SkipGram()}) == 4


def test_stepwise_hands_its_parameters_to_skip_gram() -> None:
    given = Stepwise.Parameters(
        skipgram_window=3,
        skipgram_negatives=4,
        skipgram_epochs=7,
        skipgram_learning_rate=0.02,
        skipgram_text="text + target",
    )
    made = SkipGram(window=3, negatives=4, epochs=7, learning_rate=0.02, with_target=True)
    assert Stepwise(given).entity_vectors() == made


def test_who_reads_a_text_and_what_it_needs() -> None:
    assert [kind.text for kind in (NoPretraining, AverageEmbedding, Stepwise)] == ["unread", "optional", "required"]
    needs = [kind.needs for kind in (NoPretraining, AverageEmbedding, Stepwise)]
    assert needs == [frozenset(), {Capability.VECTORS}, {Capability.VECTORS}]
    assert not any(kind.pretrains() for kind in (NoPretraining, AverageEmbedding, Stepwise))
