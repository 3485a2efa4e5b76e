"""The tokeniser of untokenised corpora: every character in one token, every cut an edge, NLTK's tokens where it can."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tokenize.destructive import NLTKWordTokenizer

from benchmarks.corpora._tokens import LONGEST, covering, tokenise, words

QUOTES = st.text("\"'`a. (<[)“”‘’«»,-\n\x1c\u200b\u3000")
TEXTS = st.one_of(st.text(), QUOTES)


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A text, and offsets of it in any order, some of them twice."""
    text = draw(TEXTS)
    return text, draw(st.lists(st.integers(0, len(text))))


def tokens_of(text: str, *cuts: int) -> list[str]:
    return list(words(text, tokenise(text, cuts)))


def without_blanks(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        (" \n\t", []),
        ("She isn't Ann's.", ["She", "is", "n't", "Ann", "'s", "."]),
        ('He said, "No, no!"', ["He", "said", ",", '"', "No", ",", "no", "!", '"']),
        ("``No'' (or $3.88)", ["``", "No", "''", "(", "or", "$", "3.88", ")"]),
        ("It rains. It pours.", ["It", "rains.", "It", "pours", "."]),
        ("\u3000naïve\xa0café ", ["naïve", "café"]),
    ],
)
def test_tokens_are_the_texts_own_characters(text: str, tokens: list[str]) -> None:
    assert tokens_of(text) == tokens


def test_a_cut_within_a_token_parts_it_and_one_at_its_edge_does_not() -> None:
    assert tokens_of("non-infected cells", 3, 4, 12, 13, 13) == ["non", "-", "infected", "cells"]


@given(cut_texts())
def test_every_character_that_is_no_blank_is_in_one_token(example: tuple[str, list[int]]) -> None:
    text, cuts = example
    tokens = tokenise(text, cuts)
    assert "".join(words(text, tokens)) == without_blanks(text)
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in tokens)
    assert all(one[1] <= other[0] for one, other in pairwise(tokens))


@given(cut_texts())
def test_edges_are_those_without_cuts_and_the_cuts_within_tokens(example: tuple[str, list[int]]) -> None:
    text, cuts = example
    whole = tokenise(text)
    within = {cut for cut in cuts if any(start < cut < end for start, end in whole)}
    assert {edge for token in tokenise(text, cuts) for edge in token} == {
        edge for token in whole for edge in token
    } | within


@given(cut_texts().filter(lambda example: len(example[1]) > 1))
def test_what_stands_between_two_cuts_is_covered_exactly(example: tuple[str, list[int]]) -> None:
    text, cuts = example
    start, end = sorted(cuts[:2])
    tokens = tokenise(text, cuts)
    span = covering(tokens, (start, end))
    assert "".join(words(text, tokens)[slice(*span)]) == without_blanks(text[start:end])
    assert 0 <= span.start <= span.end <= len(tokens)


@given(TEXTS.map(lambda text: text.replace('"', "").replace("''", "'").replace("``", "`")))
def test_without_double_quotes_the_tokens_are_those_of_nltk(text: str) -> None:
    assert tokens_of(text) == NLTKWordTokenizer().tokenize(text)


def test_a_text_that_no_sentence_is_as_long_as_is_parted_at_its_blanks() -> None:
    pairs = LONGEST // 4
    longest = "a,b " * pairs
    assert tokens_of(longest) == ["a", ",", "b"] * pairs
    assert tokens_of(longest + "c") == ["a,b"] * pairs + ["c"]


def test_nltk_is_not_imported_before_a_text_is_read() -> None:
    code = "import sys, benchmarks.corpora.semeval2010_task8, benchmarks.corpora.knowledgenet; print('nltk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
