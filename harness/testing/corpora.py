"""What splits, features, tables and readers of tables rely on in a corpus."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import islice, pairwise
from pathlib import Path, PurePosixPath
from typing import ClassVar, get_args

import pytest

from harness.axes import CorpusOptions
from harness.collection import tree_fault
from harness.contracts import About, Corpus, CorpusReader, LinkedSentence, Parse, Part, RelationMention
from harness.datasets.sources import content_digest, find_folder, parses_digest
from harness.errors import DataError
from harness.scoring import METRICS
from harness.testing.plugins import ParametersContract

Sentence = RelationMention | LinkedSentence


class CorpusContract(ParametersContract):
    """Tests of a corpus; see `harness.testing`.

    Of the corpus's own text, the first `sentences` are read.
    """

    kind = "corpus"
    sentences: ClassVar[int] = 2000

    def reader(self) -> CorpusReader:
        """The reader, with its default parameters."""
        reader: CorpusReader = self.instance({})
        return reader

    def folder(self) -> Path | None:
        """The data folder that has the corpus's files; the test is skipped where none has."""
        kind = self.loaded()
        if kind.takes_path and not kind.files:
            pytest.skip("the reader reads nothing but a path")
        try:
            return find_folder(kind, self.name or kind.__name__, Path(os.environ.get("HARNESS_HOME", ".harness")))
        except DataError as error:
            pytest.skip(str(error))

    def read(self) -> Corpus:
        """The corpus, read once for all tests."""
        kind: type[CorpusReader] = self.loaded()
        return _read(kind, self.folder())

    def about(self) -> About:
        """What the files declare, else the reader."""
        return self.read().about or self.reader().about

    def text(self) -> tuple[LinkedSentence, ...]:
        """The beginning of the corpus's own text; the test is skipped where it has none."""
        text = self.reader().text()
        if text is None:
            pytest.skip("the corpus has no text of its own")
        return tuple(islice(text, self.sentences))

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
        both = own & {field.name.rstrip("_") for field in dataclasses.fields(CorpusOptions)}
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

    def test_reads_the_same_twice(self) -> None:
        """Mentions, their order and their parses are the same at every reading."""
        one, two = self.read(), self.reader().read(self.folder())
        assert content_digest(two) == content_digest(one), "a second reading gave other mentions"
        assert parses_digest(two) == parses_digest(one), "a second reading gave other parses"
        assert (two.left_out, two.remarks) == (one.left_out, one.remarks), "a second reading counted otherwise"

    def test_counts_what_it_leaves_out(self) -> None:
        """Each reason is told in words, with the number of examples."""
        corpus = self.read()
        for reason, count in corpus.left_out.items():
            assert reason, "a reason must not be empty"
            assert type(count) is int, f"expected a count for {reason!r}, found {count!r}"
            assert count > 0, f"expected a count above 0 for {reason!r}, found {count!r}"
        assert all(corpus.remarks), "a remark must not be empty"

    def test_spans_are_in_text_order(self) -> None:
        """`first` ends before `second` begins, both within the tokens, and no token is empty."""
        for mention in self.read().mentions:
            (start, end), (start_2, end_2) = mention.first, mention.second
            fits = 0 <= start < end <= start_2 < end_2 <= len(mention.tokens)
            assert fits, f"{mention.identifier}: {mention.first}, {mention.second} of {len(mention.tokens)} tokens"
            assert all(mention.tokens), f"{mention.identifier}: an empty token"

    def test_identifiers_are_unique(self) -> None:
        """An example is called by its identifier alone."""
        assert not (twice := _twice(mention.identifier for mention in self.read().mentions)), f"taken twice: {twice}"

    def test_no_example_stands_twice(self) -> None:
        """None is trained on and scored: no sentence stands there again with the same arguments in the same roles."""
        examples = ((m.tokens, m.first, m.second, m.head) for m in self.read().mentions)
        assert not (twice := _twice(examples)), f"the same tokens and spans again: {twice}"

    def test_labels_and_parts(self) -> None:
        """At least two classes, the negative one among them where it is declared; parts are those of `Part`."""
        mentions = self.read().mentions
        labels = {mention.label for mention in mentions}
        assert all(labels), "a label must not be empty"
        assert len(labels) >= 2, f"expected at least two classes, found {labels}"
        negative = self.about().negative_label
        assert negative is None or negative in labels, f"no mention has the negative label {negative!r}"
        strange = {mention.part for mention in mentions} - set(get_args(Part))
        assert not strange, f"expected the parts {', '.join(get_args(Part))}, found {strange}"
        assert any(mention.part == "train" for mention in mentions), "expected mentions to train on"
        roles = {mention.head for mention in mentions}
        assert roles <= {None, "first", "second"}, f"expected head to be first, second or None, found {roles}"
        given = self.about().roles
        assert all((role is not None) == given for role in roles), f"`roles` is {given}, but heads are {roles}"

    def test_entities_stand_apart(self) -> None:
        """The mentions of a sentence are disjoint, the pair's among them, and no entity's ID is blank."""
        for mention in self.read().mentions:
            pair = ((*mention.first, mention.first_entity), (*mention.second, mention.second_entity))
            others = tuple((other.start, other.end, other.entity) for other in mention.others)
            _check_disjoint(mention, sorted(span[:2] for span in pair + others))
            for _, _, entity in pair + others:
                assert entity is None or entity.strip(), f"{mention.identifier}: an entity with an empty ID"

    def test_parses_are_trees(self) -> None:
        """A parse has one entry a token, and a way to a root from every token."""
        for mention in self.read().mentions:
            _check_tree(mention, mention.parse)

    def test_reads_back_what_it_writes(self, tmp_path: Path) -> None:
        """A reader that writes corpora gives back every mention, what was left out, and what is declared."""
        reader, corpus, about = self.reader(), self.read(), self.about()
        try:
            reader.write(corpus, about, tmp_path)
        except NotImplementedError:
            pytest.skip("the reader writes no corpora")
        again = reader.read(tmp_path)
        assert again.mentions == corpus.mentions, "other mentions came back"
        assert (again.left_out, again.remarks) == (corpus.left_out, corpus.remarks), "it was counted otherwise"
        assert again.about == about, f"expected {about}, found {again.about}"

    def test_its_text_is_the_same_twice(self) -> None:
        """The text is the same at every reading, and each sentence has an identifier of its own."""
        text = self.text()
        assert text, "expected sentences, found none; a corpus without text returns None"
        assert self.text() == text, "a second reading gave another text"
        assert not (twice := _twice(sentence.identifier for sentence in text)), f"taken twice: {twice}"

    def test_its_text_is_linked_in_order(self) -> None:
        """Mentions are in text order without overlap, each with an entity; parses are trees."""
        for sentence in self.text():
            assert sentence.tokens, f"{sentence.identifier}: no tokens"
            assert all(sentence.tokens), f"{sentence.identifier}: an empty token"
            assert all(mention.entity.strip() for mention in sentence.mentions), f"{sentence.identifier}: an empty ID"
            _check_disjoint(sentence, [(mention.start, mention.end) for mention in sentence.mentions])
            _check_tree(sentence, sentence.parse)


@cache
def _read(kind: type[CorpusReader], folder: Path | None) -> Corpus:
    return kind(kind.Parameters()).read(folder)


def _twice(values: Iterable[object]) -> list[object]:
    """The first few values that occur more than once."""
    return [value for value, count in Counter(values).items() if count > 1][:3]


def _check_disjoint(sentence: Sentence, spans: list[tuple[int, int]]) -> None:
    """That the spans, in this order, stand in the sentence one after another."""
    edges = [0, *(edge for span in spans for edge in span), len(sentence.tokens)]
    fits = all(low <= high for low, high in pairwise(edges)) and all(start < end for start, end in spans)
    assert fits, f"{sentence.identifier}: expected spans one after another in {edges[-1]} tokens, found {spans}"


def _check_tree(sentence: Sentence, parse: Parse | None) -> None:
    if parse is None:
        return
    fault = tree_fault(parse, len(sentence.tokens))
    assert not fault, f"{sentence.identifier}: a parse can't be used if {fault}"
