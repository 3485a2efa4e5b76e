"""Which vector a word gets, by which rule; what a word without a vector gets; how coverage is counted."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from harness.vocabulary import RULES, Words, canonical_name

ROOT = Path(__file__).parents[1]
AS_WRITTEN, LOWER_CASED, STRIPPED, AS_NUMBER, UNKNOWN = RULES


def vectors(*words: str, width: int = 4) -> KeyedVectors:
    """Vectors of the words, of norms 1, 2, 3, ..."""
    made = KeyedVectors(width)
    drawn = np.random.default_rng(0).standard_normal((len(words), width))
    norms = np.arange(1, len(words) + 1)[:, None]
    made.add_vectors(list(words), (drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * norms).astype(np.float32))
    return made


def rule_of(word: str, *known: str) -> str:
    """The rule by which the word finds its vector among the known ones."""
    words = Words(vectors(*known), "hash")
    words.row(word)
    (rule,) = [rule for rule, share in words.coverage().items() if share]
    return rule


def entry_of(word: str, *known: str) -> str | None:
    """The known word whose vector the word gets; None where it gets another."""
    made = vectors(*known)
    words = Words(made, "hash")
    row = words.row(word)
    matrix, has_vector = words.matrix()
    found = [entry for entry in known if np.array_equal(made[entry], matrix[row])]
    assert bool(found) == has_vector[row]
    return found[0] if found else None


# The rules, in their order


@pytest.mark.parametrize(
    ("word", "known", "entry", "rule"),
    [
        ("Apple", ("Apple", "apple"), "Apple", AS_WRITTEN),
        ("Apple", ("apple",), "apple", LOWER_CASED),
        ("Inc.", ("inc.", "inc"), "inc.", LOWER_CASED),
        ("Inc.", ("inc",), "inc", STRIPPED),
        ("``Yes!", ("yes",), "yes", STRIPPED),
        ("U.S.", ("us", "u.s"), "u.s", STRIPPED),
        ("U.S.", ("us",), "us", STRIPPED),
        ("Acme's", ("acme's", "acme", "acmes"), "acme's", LOWER_CASED),
        ("Acme's", ("acmes", "acme"), "acme", STRIPPED),
        ("Acme's,", ("acme",), "acme", STRIPPED),
        ("Acme's", ("acmes",), "acmes", STRIPPED),
        ("co-founder", ("cofounder",), "cofounder", STRIPPED),
        ("'s", ("'s", "s"), "'s", AS_WRITTEN),
        ("'s", ("s",), "s", STRIPPED),
        (",", (",",), ",", AS_WRITTEN),
        ("1987", ("1987", "<year>"), "1987", AS_WRITTEN),
        ("1987", ("<year>", "<number>"), "<year>", AS_NUMBER),
        ("(1987)", ("<year>", "<number>"), "<year>", AS_NUMBER),
        ("1990s", ("<year>",), "<year>", AS_NUMBER),
        ("1990's", ("1990", "<year>"), "1990", STRIPPED),
        ("1990's", ("<year>",), "<year>", AS_NUMBER),
        ("3000", ("<year>", "<number>"), "<number>", AS_NUMBER),
        ("42", ("<number>",), "<number>", AS_NUMBER),
        ("-1,250.50", ("<number>",), "<number>", AS_NUMBER),
        ("$30", ("<number>",), "<number>", AS_NUMBER),
        ("12%", ("<number>",), "<number>", AS_NUMBER),
        ("21st", ("<number>",), "<number>", AS_NUMBER),
        ("10:30", ("<number>",), "<number>", AS_NUMBER),
    ],
)
def test_a_word_finds_its_vector_by_the_first_rule_that_has_one(
    word: str, known: tuple[str, ...], entry: str, rule: str
) -> None:
    assert entry_of(word, "unrelated", *known) == entry
    assert rule_of(word, "unrelated", *known) == rule


@pytest.mark.parametrize("word", ["Zyx", "...", "", "b2b", "1987-style"])
def test_a_word_that_no_rule_finds_is_unknown(word: str) -> None:
    assert entry_of(word, "the", "<year>", "<number>") is None
    assert rule_of(word, "the", "<year>", "<number>") == UNKNOWN


def test_numbers_share_a_drawn_vector_where_the_file_has_none() -> None:
    words = Words(vectors("the"), "hash")
    assert len({words.row(number) for number in ("42", "3,000", "7th")}) == 1
    assert len({words.row(number) for number in ("42", "1987")}) == 2
    assert words.coverage()[AS_NUMBER] == 1
    assert not words.matrix()[1].any()


# Rows


def test_spellings_that_find_one_vector_share_a_row() -> None:
    words = Words(vectors("acme", "us"), "hash")
    assert [words.row(word) for word in ("Acme", "us", "acme", "ACME's", "U.S.", "Zyx", "zyx", "Acme")] == [
        0, 1, 0, 0, 1, 2, 2, 0,
    ]  # fmt: skip
    matrix, has_vector = words.matrix()
    assert matrix.shape == (3, 4)
    assert matrix.dtype == np.float32
    assert has_vector.tolist() == [True, True, False]


def test_no_words_make_an_empty_matrix() -> None:
    matrix, has_vector = Words(vectors("the"), "hash").matrix()
    assert matrix.shape == (0, 4)
    assert has_vector.shape == (0,)
    assert has_vector.dtype == bool


# Words without a vector


def drawn(word: str, known: KeyedVectors, unknown: str = "hash") -> list[float]:
    """The vector of the first word asked for."""
    words = Words(known, unknown)  # type: ignore[arg-type]
    words.row(word)
    found: list[float] = words.matrix()[0][0].tolist()
    return found


def test_an_unknown_words_vector_is_drawn_from_its_hash_and_scaled_to_the_mean_norm() -> None:
    known = vectors("the", "of", "in")  # of norms 1, 2, 3
    digest = hashlib.sha256(b"zyx").digest()
    direction = np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal(4)
    expected = direction / np.sqrt((direction**2).sum()) * (1 + 2 + 3) / 3
    np.testing.assert_allclose(drawn("Zyx", known), expected, rtol=1e-6)
    assert drawn("zyx", known) == drawn("ZYX", known)
    assert drawn("zyz", known) != drawn("zyx", known)


def test_no_corpus_enters_an_unknown_words_vector() -> None:
    known = vectors("the", "of")
    words = Words(known, "hash")
    for word in ("the", "other", "unknown", "words", "zyx"):
        row = words.row(word)
    assert words.matrix()[0][row].tolist() == drawn("zyx", known)


def test_an_unknown_words_vector_may_be_zero() -> None:
    assert drawn("Zyx", vectors("the"), "zero") == [0, 0, 0, 0]


def test_an_unknown_words_vector_is_the_same_in_every_process() -> None:
    script = """
import numpy as np
from harness.vocabulary import Words
class Known(dict):
    vectors = np.ones((1, 4), np.float32)
words = Words(Known(), "hash")
words.row("Reykjavík")
print(words.matrix()[0][0].tolist())
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    ones = KeyedVectors(4)
    ones.add_vectors(["the"], np.ones((1, 4), np.float32))
    assert printed == {str(drawn("Reykjavík", ones))}


# Coverage


@given(st.lists(st.sampled_from(["the", "The", "the.", "1987", "42", "Zyx", "..."]), min_size=1))
def test_coverage_is_of_words_with_repetitions_and_sums_to_one(asked: list[str]) -> None:
    words = Words(vectors("the", "<year>"), "hash")
    for word in asked:
        words.row(word)
    coverage = words.coverage()
    assert tuple(coverage) == RULES
    assert sum(coverage.values()) == pytest.approx(1)
    assert coverage[AS_WRITTEN] == asked.count("the") / len(asked)
    assert coverage[UNKNOWN] == pytest.approx((asked.count("Zyx") + asked.count("...")) / len(asked))


def test_coverage_of_no_words_is_nothing() -> None:
    assert set(Words(vectors("the"), "hash").coverage().values()) == {0}


# Names


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        (["Thom", "Yorke"], "thom yorke"),
        (["  Thom\t", " Yorke "], "thom yorke"),
        (["STRASSE"], "strasse"),
        (["Straße"], "strasse"),
        (["Mercury", "(planet)"], "mercury (planet)"),
        ([], ""),
    ],
)
def test_a_canonical_name_is_folded_with_single_blanks(name: list[str], canonical: str) -> None:
    assert canonical_name(name) == canonical
    assert canonical_name([canonical]) == canonical
