"""What selections, samples and pre-training rely on in a text with linked mentions."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pytest

from harness.contracts import LinkedSentence, TextNotes, TextReader
from harness.testing.readers import ReaderContract, check_counts, check_disjoint, check_tree, twice

Read = tuple[tuple[LinkedSentence, ...], TextNotes]


class TextContract(ReaderContract):
    """Tests of a reader of text; see `harness.testing`.

    Of the text, the first `sentences` are read.
    """

    sentences: ClassVar[int] = 2000

    def text(self) -> Read:
        """The beginning of the text, and what is told of it up to there; read once for all tests."""
        kind: type[TextReader] = self.loaded()
        return _read_once(kind, self.folder(), self.sentences)

    def test_its_text_is_the_same_twice(self) -> None:
        """Sentences, their order, and what is told of them are the same at every reading."""
        text, notes = self.text()
        again, notes_again = _read(self.loaded(), self.folder(), self.sentences)
        assert text, "expected sentences, found none"
        assert again == text, "a second reading gave another text"
        assert notes_again == notes, "a second reading told otherwise of the text"

    def test_its_identifiers_are_unique(self) -> None:
        """A sentence is called by its identifier alone."""
        text, _ = self.text()
        assert all(sentence.identifier.strip() for sentence in text), "an identifier must not be empty"
        again = twice(sentence.identifier for sentence in text)
        assert not again, f"taken twice: {again}"

    def test_its_text_is_linked_in_order(self) -> None:
        """Mentions are in text order without overlap, each with an entity; parses are trees."""
        for sentence in self.text()[0]:
            assert sentence.tokens, f"{sentence.identifier}: no tokens"
            assert all(sentence.tokens), f"{sentence.identifier}: an empty token"
            assert all(mention.entity.strip() for mention in sentence.mentions), f"{sentence.identifier}: an empty ID"
            check_disjoint(sentence, [(mention.start, mention.end) for mention in sentence.mentions])
            check_tree(sentence, sentence.parse)

    def test_its_text_has_pairs(self) -> None:
        """Some sentence has two linked mentions: there is something to learn from."""
        assert any(len(sentence.mentions) > 1 for sentence in self.text()[0]), "no sentence has two linked mentions"

    def test_tells_what_it_leaves_out(self) -> None:
        """Each reason is told in words, with the number of examples; a fault is counted; names stand for IDs."""
        _, notes = self.text()
        check_counts(notes.left_out.items(), notes.remarks)
        uncounted = Counter(fault.reason for fault in notes.faults) - notes.left_out
        assert not uncounted, f"faults that are not counted: {dict(uncounted)}"
        for name, entity in notes.names.items():
            assert name.strip(), f"an empty name of {entity!r}"
            assert entity.strip(), f"a name without an entity: {name!r}"

    def test_reads_back_the_text_that_it_writes(self, tmp_path: Path) -> None:
        """A reader that writes texts gives back every sentence, the names, and what is told."""
        reader: TextReader = self.reader()
        text, notes = self.text()
        try:
            reader.write_text(iter(text), notes, tmp_path)
        except NotImplementedError:
            pytest.skip("the reader writes no texts")
        again = TextNotes()
        assert tuple(reader.text(tmp_path, again)) == text, "other sentences came back"
        assert again.names == notes.names, "other names came back"
        assert (again.left_out, again.remarks) == (notes.left_out, notes.remarks), "it was counted otherwise"


def _read(kind: type[TextReader], folder: Path | None, sentences: int) -> Read:
    notes = TextNotes()
    return tuple(islice(kind(kind.Parameters()).text(folder, notes), sentences)), notes


_read_once = cache(_read)
