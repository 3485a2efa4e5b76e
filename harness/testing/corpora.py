"""What splits, features and tables rely on in a labelled corpus."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from harness.contracts import About, Corpus, CorpusReader, Part
from harness.datasets.sources import content_digest, parses_digest
from harness.testing.readers import ReaderContract, check_counts, check_disjoint, check_tree, twice


class CorpusContract(ReaderContract):
    """Tests of a labelled corpus; see `harness.testing`."""

    def read(self) -> Corpus:
        """The corpus, read once for all tests."""
        kind: type[CorpusReader] = self.loaded()
        return _read(kind, self.folder())

    def about(self) -> About:
        """What the files declare, else the reader."""
        about: About = self.read().about or self.reader().about
        return about

    def test_reads_the_same_twice(self) -> None:
        """Mentions, their order and their parses are the same at every reading."""
        one, two = self.read(), self.reader().read(self.folder())
        assert content_digest(two) == content_digest(one), "a second reading gave other mentions"
        assert parses_digest(two) == parses_digest(one), "a second reading gave other parses"
        assert (two.left_out, two.remarks) == (one.left_out, one.remarks), "a second reading counted otherwise"

    def test_counts_what_it_leaves_out(self) -> None:
        """Each reason is told in words, with the number of examples."""
        corpus = self.read()
        check_counts(corpus.left_out.items(), corpus.remarks)

    def test_spans_are_in_text_order(self) -> None:
        """`first` ends before `second` begins, both within the tokens, and no token is empty."""
        for mention in self.read().mentions:
            (start, end), (start_2, end_2) = mention.first, mention.second
            fits = 0 <= start < end <= start_2 < end_2 <= len(mention.tokens)
            assert fits, f"{mention.identifier}: {mention.first}, {mention.second} of {len(mention.tokens)} tokens"
            assert all(mention.tokens), f"{mention.identifier}: an empty token"

    def test_identifiers_are_unique(self) -> None:
        """An example is called by its identifier alone."""
        again = twice(mention.identifier for mention in self.read().mentions)
        assert not again, f"taken twice: {again}"

    def test_no_example_stands_twice(self) -> None:
        """None is trained on and scored: no sentence stands there again with the same arguments in the same roles."""
        examples = ((m.tokens, m.first, m.second, m.head) for m in self.read().mentions)
        again = twice(examples)
        assert not again, f"the same tokens and spans again: {again}"

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
            check_disjoint(mention, sorted(span[:2] for span in pair + others))
            for _, _, entity in pair + others:
                assert entity is None or entity.strip(), f"{mention.identifier}: an entity with an empty ID"

    def test_parses_are_trees(self) -> None:
        """A parse has one entry a token, and a way to a root from every token."""
        for mention in self.read().mentions:
            check_tree(mention, mention.parse)

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


@cache
def _read(kind: type[CorpusReader], folder: Path | None) -> Corpus:
    return kind(kind.Parameters()).read(folder)
