"""Skip-gram with negative sampling (Mikolov et al. 2013) in which entities move and words do not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from harness.contracts import UnlabelledText
from strategies._entity_vectors import NameAverage

CHUNK = 64
"""Most predicted tokens that one update sums over."""

SAFE = 0.064
"""Most that the learning rate times the tokens of a chunk may be: from there on, weights of before are too old."""

DRAWS = 64
"""Draws of noise that the pairs of a chunk share: about as many as the pairs of one token would have."""

GROUP = 1024
"""Predicted tokens whose pairs are laid out in one go."""


@dataclass(frozen=True)
class SkipGram(NameAverage):
    """Averages of the names, moved by skip-gram over the text.

    A token is predicted from each of those that stand near it in its sentence, no further than a distance that is
    drawn for it, uniformly from 1 up to `window`. The noise is the text's counts to the power of 0.75; of the
    `negatives` draws for each prediction, those that hit the predicted token are dropped. Words' input vectors are
    locked; output vectors start at zero and all of them move; the learning rate stays the same. It is what gensim's
    Word2Vec does with locked words, but for leaving out pairs that score beyond 6 in either direction.
    """

    window: int = 5
    negatives: int = 10
    epochs: int = 50
    learning_rate: float = 0.001

    def of_text(self, text: UnlabelledText, generator: torch.Generator) -> Tensor:
        averages = super().of_text(text, generator)
        if not self.epochs or not len(text.tokens):
            return averages
        chunk = max(1, int(min(CHUNK, SAFE / self.learning_rate)))
        learner = Learner(text, averages, self, chunk)
        for _ in range(self.epochs):
            distances = torch.randint(1, self.window + 1, learner.targets.shape, generator=generator)
            learner.epoch(distances, learner.draws(generator))
        return learner.vectors[-len(averages) :].clone()


class Learner:
    """The weights, and a text cut into chunks: C chunks of L tokens, the last one filled up.

    A chunk's tokens are predicted from its frame, the F = L + 2 `window` tokens with the chunk in the middle. What its
    pairs teach is summed, by the weights before any of them: where the learning rate is small, nearly what they teach
    one after another. They share K draws of noise, each with the weight of `negatives` / K draws for each pair.

    Attributes
    ----------
    vectors: (V + E, D)
        Input vectors, words first; only those of entities are ever written.
    outputs: (V + E, D)
        Output vectors.
    targets: (C, L) int64
        The predicted tokens.
    """

    def __init__(self, text: UnlabelledText, entities: Tensor, settings: SkipGram, chunk: int) -> None:
        self._words = len(text.names.word_vectors)
        self._settings = settings
        self.vectors = torch.cat([text.names.word_vectors, entities])
        self.outputs = torch.zeros_like(self.vectors)
        weights = text.tokens.bincount(minlength=len(self.vectors)).double().pow(0.75)
        self._cumulative = weights.cumsum(0)
        # Of the draws for a pair, those that hit the predicted token are dropped: their expectation is taken back.
        self._kept = (1 - settings.negatives * weights / weights.sum()).to(self.vectors.dtype)

        window, length = settings.window, len(text.tokens)
        more = -length % chunk
        padded = pad(text.tokens, (window, window + more))
        self.targets = padded[window : window + length + more].view(-1, chunk)
        self._frames = padded.unfold(0, chunk + 2 * window, chunk)
        place, sizes = torch.arange(length), text.start.diff()
        before = place - text.start[:-1].repeat_interleave(sizes)
        after = text.start[1:].repeat_interleave(sizes) - 1 - place
        self._before, self._after = (pad(tokens, (0, more)).view(-1, chunk) for tokens in (before, after))
        self._apart = torch.arange(-window, chunk + window)[:, None] - torch.arange(chunk)  # (F, L)

    def draws(self, generator: torch.Generator) -> Tensor:
        """Noise for an epoch, (C, K) int64: for each chunk, K evenly spaced points of the distribution.

        A token is expected among them K times its probability, as among independent draws, and with less variance.
        """
        offset = torch.rand(len(self.targets), 1, generator=generator)
        points = (torch.arange(DRAWS, dtype=torch.float64) + offset) / DRAWS
        return torch.searchsorted(self._cumulative, points * self._cumulative[-1], right=True)

    def epoch(self, distances: Tensor, noise: Tensor) -> None:
        """Learn from every chunk in turn: the distances (C, L) that windows reach, and draws (C, K) of noise."""
        size = -(-GROUP // self.targets.shape[1])
        with torch.inference_mode():  # a tenth faster than without
            for at in range(0, len(self.targets), size):
                group = slice(at, at + size)
                self._learn(group, self._near(group, distances[group]), noise[group])

    def _near(self, group: slice, distances: Tensor) -> Tensor:
        """(G, F, L): 1 where a token of the frame predicts a token of the chunk, else 0."""
        before = torch.minimum(self._before[group], distances)[:, None]
        after = torch.minimum(self._after[group], distances)[:, None]
        near = (self._apart >= -before) & (self._apart <= after) & (self._apart != 0)
        return near.to(self.vectors.dtype)

    def _learn(self, group: slice, near: Tensor, noise: Tensor) -> None:
        """Update by each chunk of a group: by label - factor * sigmoid(score) for each token and what it predicts."""
        targets, frames, draws = self.targets[group], self._frames[group], noise.shape[1]
        columns = torch.cat([targets, noise], 1)
        labels = pad(near, (0, draws))  # (G, F, L + K)
        of_noise = near.sum(2, keepdim=True) * (self._settings.negatives / draws)
        factors = torch.cat([near * self._kept[targets][:, None], of_noise.expand(-1, -1, draws)], 2)
        is_entity = frames >= self._words
        counts = is_entity.sum(1).tolist()
        places = torch.split(is_entity.nonzero()[:, 1], counts)
        entities = torch.split(frames[is_entity], counts)
        rate = self._settings.learning_rate
        for chunk, (frame, column) in enumerate(zip(frames, columns, strict=True)):
            inputs = self.vectors.index_select(0, frame)
            outputs = self.outputs.index_select(0, column)
            scores = inputs @ outputs.T
            steps = torch.addcmul(labels[chunk], factors[chunk], scores.sigmoid_(), value=-1)
            self.outputs.index_add_(0, column, steps.T @ inputs, alpha=rate)
            of_entities = steps.index_select(0, places[chunk]) @ outputs
            self.vectors.index_add_(0, entities[chunk], of_entities, alpha=rate)
