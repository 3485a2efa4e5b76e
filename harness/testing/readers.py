"""What all readers of data promise: that they say what they read, and where it can be had."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from harness.axes import CorpusOptions, TextOptions
from harness.collection import tree_fault
from harness.contracts import About, LinkedSentence, Parse, Reader, RelationMention
from harness.datasets.sources import find_folder
from harness.errors import DataError
from harness.scoring import METRICS
from harness.testing.plugins import ParametersContract

Sentence = RelationMention | LinkedSentence


class ReaderContract(ParametersContract):
    """Tests of any reader."""

    kind = "corpus"

    def reader(self) -> Any:
        """The reader, with its default parameters."""
        return self.instance({})

    def folder(self) -> Path | None:
        """The data folder that has the reader's files; the test is skipped where none has.

        A subclass may name a file or folder in its place.
        """
        kind: type[Reader] = self.loaded()
        if kind.takes_path and not kind.files:
            pytest.skip("the reader reads nothing but a path")
        try:
            return find_folder(kind, self.name or kind.__name__, Path(os.environ.get("HARNESS_HOME", ".harness")))
        except DataError as error:
            pytest.skip(str(error))

    def test_says_what_it_is(self) -> None:
        """Headline metric, licence, source and citation stand in every table; which class is negative is declared."""
        kind = self.loaded()
        about = getattr(kind, "about", None)
        assert isinstance(about, About), f"`about` must be set to an About, found {about!r}"
        for name in ("headline", "licence", "source", "citation"):
            value = getattr(about, name)
            assert isinstance(value, str), f"`{name}` must be set to a string, found {value!r}"
            assert value.strip(), f"`{name}` must not be empty"
        assert about.headline in METRICS, f"`headline` must be one of {', '.join(METRICS)}, found {about.headline!r}"
        assert isinstance(about.notice, str), f"`notice` must be a string, found {about.notice!r}"
        assert isinstance(about.oddities, tuple), f"`oddities` must be a tuple, found {about.oddities!r}"
        negative = about.negative_label
        assert negative is None or (isinstance(negative, str) and negative), f"`negative_label` is {negative!r}"
        assert isinstance(kind.files, tuple), f"`files` must be a tuple, found {kind.files!r}"
        for file in kind.files:
            path = PurePosixPath(file)
            assert not path.is_absolute(), f"`files` are paths below the corpus's folder, found {file}"
            assert ".." not in path.parts, f"`files` are paths below the corpus's folder, found {file}"

    def test_its_parameters_are_no_options_of_a_grid(self) -> None:
        """Both stand in one table of a grid."""
        own = {field.name for field in dataclasses.fields(self.loaded().Parameters)}
        options = (*dataclasses.fields(CorpusOptions), *dataclasses.fields(TextOptions))
        both = own & {field.name.rstrip("_") for field in options}
        assert not both, f"parameters that a grid takes for its own: {both}"

    def test_downloads_can_be_checked(self) -> None:
        """Each file that is fetched is one of `files`, over a safe way, with its SHA-256."""
        kind = self.loaded()
        for download in kind.downloads:
            assert download.url.startswith("https://"), f"expected https, found {download.url}"
            strange = set(download.files) - set(kind.files)
            assert not strange, f"expected some of {', '.join(kind.files)}, found {strange}"
            for name, digest in download.files.items():
                assert re.fullmatch("[0-9a-f]{64}", digest), f"expected the SHA-256 of {name}, found {digest!r}"


def twice(values: Iterable[object]) -> list[object]:
    """The first few values that occur more than once."""
    return [value for value, count in Counter(values).items() if count > 1][:3]


def check_disjoint(sentence: Sentence, spans: list[tuple[int, int]]) -> None:
    """That the spans, in this order, stand in the sentence one after another."""
    edges = [0, *(edge for span in spans for edge in span), len(sentence.tokens)]
    fits = all(low <= high for low, high in pairwise(edges)) and all(start < end for start, end in spans)
    assert fits, f"{sentence.identifier}: expected spans one after another in {edges[-1]} tokens, found {spans}"


def check_tree(sentence: Sentence, parse: Parse | None) -> None:
    """That a parse has one entry a token, and a way to a root from every token."""
    if parse is None:
        return
    fault = tree_fault(parse, len(sentence.tokens))
    assert not fault, f"{sentence.identifier}: a parse can't be used if {fault}"


def check_counts(left_out: Iterable[tuple[str, int]], remarks: Iterable[str]) -> None:
    """That each reason is told in words, with the number of examples, and no remark is empty."""
    for reason, count in left_out:
        assert reason, "a reason must not be empty"
        assert type(count) is int, f"expected a count for {reason!r}, found {count!r}"
        assert count > 0, f"expected a count above 0 for {reason!r}, found {count!r}"
    assert all(remarks), "a remark must not be empty"
