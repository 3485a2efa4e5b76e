"""Words and entities to rows: which vector a word gets, what an entity is called, how much is covered."""

from __future__ import annotations

import hashlib
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

RULES = ("as written", "lower-cased", "stripped of punctuation", "as a number", "unknown")
"""How a word may find its vector, in the order in which the rules are tried."""

_YEAR = re.compile(r"[12]\d{3}(s|'s)?")
_NUMBER = re.compile(r"[-+$#]?\d[\d.,:/-]*(%|st|nd|rd|th|s)?")


class WordVectors(Protocol):
    """What is asked of a vector file; gensim's KeyedVectors answers."""

    vectors: Floats

    def __contains__(self, word: str) -> bool: ...

    def __getitem__(self, word: str) -> Floats: ...


def canonical_name(words: Iterable[str]) -> str:
    """The ID of an entity that is not linked: its name, case-folded, blanks collapsed.

    >>> canonical_name(["Thom", " Yorke "])
    'thom yorke'
    """
    return " ".join(" ".join(words).split()).casefold()


class Words:
    """Rows of the words in use, a row a vector: two spellings that find the same vector share a row.

    `unknown` says what a word without a vector gets: "hash", a vector drawn from sha256 of the lower-cased word and
    scaled to the mean norm of the file, so that no corpus enters it; or "zero".
    """

    def __init__(self, vectors: WordVectors, unknown: Literal["hash", "zero"]) -> None:
        self._vectors = vectors
        self._unknown = unknown
        self._mean_norm = float(np.linalg.norm(vectors.vectors, axis=1).mean())
        self._rows: dict[tuple[bool, str], int] = {}  # (is in the file, its word there or the unknown word)
        self._found: dict[str, tuple[int, int]] = {}  # word as written -> (row, rule)
        self._count: Counter[int] = Counter()

    def row(self, word: str) -> int:
        """The row of a word; counts it by the rule that found it."""
        if word not in self._found:
            rule, entry, known = self._look_up(word)
            self._found[word] = self._rows.setdefault((known, entry), len(self._rows)), rule
        row, rule = self._found[word]
        self._count[rule] += 1
        return row

    def matrix(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Vectors (V, D) of the rows in use, and (V,) whether the vector is the file's."""
        width = self._vectors.vectors.shape[1]
        matrix = np.empty((len(self._rows), width), np.float32)
        for (known, entry), row in self._rows.items():
            matrix[row] = self._vectors[entry] if known else self._drawn(entry, width)
        return matrix, np.array([known for known, _ in self._rows], bool)

    def entries(self) -> list[str]:
        """What each row stands for: the word of the file, or the lower-cased word that has no vector there."""
        return [entry for _, entry in self._rows]

    def coverage(self) -> Mapping[str, float]:
        """Share of the words asked for, with repetitions, that each rule found."""
        total = max(1, sum(self._count.values()))
        return {rule: self._count[index] / total for index, rule in enumerate(RULES)}

    def _look_up(self, word: str) -> tuple[int, str, bool]:
        lowered = word.lower()
        trimmed = lowered.strip(string.punctuation)
        bare = lowered.translate(str.maketrans("", "", string.punctuation))
        for rule, entry in ((0, word), (1, lowered), (2, trimmed), (2, trimmed.removesuffix("'s")), (2, bare)):
            if entry and entry in self._vectors:
                return rule, entry, True
        if _YEAR.fullmatch(trimmed):
            return 3, "<year>", "<year>" in self._vectors
        if _NUMBER.fullmatch(trimmed):
            return 3, "<number>", "<number>" in self._vectors
        return 4, lowered, False

    def _drawn(self, word: str, width: int) -> Floats:
        if self._unknown == "zero":
            return np.zeros(width, np.float32)
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        drawn = np.random.default_rng(seed).standard_normal(width)
        vector: Floats = (drawn * self._mean_norm / np.linalg.norm(drawn)).astype(np.float32)
        return vector
