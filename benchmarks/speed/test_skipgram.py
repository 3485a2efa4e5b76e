"""Skip-gram that moves entities alone, against gensim's Word2Vec with locked words, on one thread each.

Every figure is the best of several rounds that take turns within one process, so that a machine that is busy for a
while slows both alike.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from gensim.models import Word2Vec
from pytest_benchmark.fixture import BenchmarkFixture

from harness.contracts import Names, UnlabelledText
from strategies._skipgram import SkipGram

WORDS, ENTITIES, WIDTH, SENTENCES, EPOCHS, ROUNDS = 30_000, 10_000, 100, 2_000, 6, 5
SHARE = 0.1  # of the tokens that are entities
HOW = SkipGram(epochs=EPOCHS)


def test_entities_alone_beat_gensim_with_locked_words(benchmark: BenchmarkFixture) -> None:
    torch.set_num_threads(1)
    text = _text()
    model, sentences = _gensim(text)
    theirs: list[float] = []

    def take_turns() -> None:
        start = time.perf_counter()
        model.train(sentences, total_examples=len(sentences), epochs=EPOCHS)
        theirs.append(time.perf_counter() - start)

    def ours() -> None:
        HOW.of_text(text, torch.Generator().manual_seed(0))

    benchmark.pedantic(ours, setup=take_turns, rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert benchmark.stats is not None
    seconds, tokens = benchmark.stats.stats.min, EPOCHS * len(text.tokens)
    gain = min(theirs) / seconds
    benchmark.extra_info |= {
        "tokens a second": round(tokens / seconds),
        "gensim's tokens a second": round(tokens / min(theirs)),
        "times gensim": round(gain, 2),
    }
    assert gain >= 3


def _text() -> UnlabelledText:
    """Words and entities of Zipfian frequency in sentences of 5 to 50 tokens, 28 on average as in Wikipedia."""
    random = np.random.default_rng(0)
    sizes = random.integers(5, 51, SENTENCES)
    start = np.concatenate([[0], sizes.cumsum()])
    is_entity = random.random(start[-1]) < SHARE
    tokens = np.where(is_entity, WORDS + _zipf(random, ENTITIES, start[-1]), _zipf(random, WORDS, start[-1]))
    words = torch.from_numpy(0.5 * random.standard_normal((WORDS, WIDTH))).float()
    names = tuple(torch.from_numpy(random.integers(0, WORDS, 2)) for _ in range(ENTITIES))
    known = torch.ones(WORDS, dtype=torch.bool)
    return UnlabelledText(Names(words, known, names), torch.from_numpy(tokens), torch.from_numpy(start))


def _zipf(random: np.random.Generator, types: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    frequency = 1 / np.arange(1, types + 1)
    return random.choice(types, size, p=frequency / frequency.sum())


def _gensim(text: UnlabelledText) -> tuple[Word2Vec, list[list[str]]]:
    """A model that starts as ours does, and the sentences."""
    parts = text.tokens.tensor_split(text.start[1:-1])
    sentences = [[str(token) for token in part.tolist()] for part in parts]
    model = Word2Vec(
        vector_size=WIDTH, window=HOW.window, negative=HOW.negatives, sg=1, hs=0, sample=0, min_count=1,
        alpha=HOW.learning_rate, min_alpha=HOW.learning_rate, workers=1, seed=1,
    )  # fmt: skip
    model.build_vocab(sentences)
    rows = np.array([int(token) for token in model.wv.index_to_key])
    averages = HOW.of_names(text.names, torch.Generator())
    model.wv.vectors[:] = torch.cat([text.names.word_vectors, averages]).numpy()[rows]
    model.wv.vectors_lockf = (rows >= WORDS).astype(np.float32)  # one for each row; float64 would lock all of them
    return model, sentences
