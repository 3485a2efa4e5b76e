"""DocRED and Re-DocRED as unlabelled text: Wikipedia paragraphs whose mentions are clustered, not linked (Yao 2019)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.collection import TextCollection
from harness.contracts import About, LinkedMention, LinkedSentence, TextNotes, TextReader
from harness.fields import UnusableError, has, shown, text, texts, whole, wholes
from harness.text_files import files_of, json_list, stem, unread

REVISED = {
    "train_annotated.json": ("train_revised.json",),
    "dev.json": ("dev_revised.json", "test_revised.json"),
}
"""Files of DocRED, and those of Re-DocRED that have the same documents."""


class DocRed(TextReader):
    """A folder with some of DocRED's or Re-DocRED's files; a path may name one file, too.

    A file is a JSON list of documents: ``title``, ``sents`` (a list of tokens each) and ``vertexSet``, for each entity
    of the document the list of its mentions, which have ``name``, ``sent_id``, ``pos`` (``[start, end]``, the end
    exclusive) and ``type``. ``labels`` and all else is never read. Where a document stands in a file of both, that of
    Re-DocRED is read.

    The mentions are linked to nothing beyond their document, so IDs are made. The longest name of an entity, by words
    and then by characters, says best who or what it is; without the article 'the', case-folded, its blanks collapsed,
    it is the ID, and entities of several documents that are called so are taken for one. Not so where such a name does
    not tell what it stands for: a number (NUM), a person of one word, a name of small letters alone ('institute', 'two
    years'), and a name that two entities of the document have ('Spanish', the language and the people). Such an entity
    is the document's own, and its ID is the title and its number there, ``Ross Alger#3``. Of two mistakes, two
    entities taken for one would be the worse: it makes pairs that nobody wrote of. For the same reason no name of an
    entity is a further name of it: 'Schneider' is another one elsewhere.
    """

    optional_files = (
        "train_annotated.json", "train_distant.json", "dev.json", "test.json",
        "train_revised.json", "dev_revised.json", "test_revised.json",
    )  # fmt: skip
    takes_path = True
    about = About(
        licence="MIT; the text is Wikipedia's, CC BY-SA",
        source="https://github.com/thunlp/DocRED and https://github.com/tonytan48/Re-DocRED",
        citation="Yao et al. 2019, DocRED: A Large-Scale Document-Level Relation Extraction Dataset, ACL; Tan et al. "
        "2022, Revisiting DocRED - Addressing the False Negative Problem in Relation Extraction, EMNLP",
        oddities=(
            "mentions are clustered within a document and linked to nothing: the IDs are made of their names",
            "some mentions stand there twice, and some overlap others",
            "2.3 % of the names are not spelled as their tokens are: 'Løv-Ham' for 'Løv - Ham'",
        ),
    )

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        assert path is not None
        collection = TextCollection(notes)
        notes.remarks += unread(path, self.optional_files)
        overlapping = 0
        for file in _unrevised(files_of(path, self.optional_files), notes):
            for place, example in json_list(file):
                sentences: Sequence[_Sentence] = ()
                with collection.example(place):
                    sentences = _sentences(example)
                for number, (tokens, mentions) in enumerate(sentences, 1):
                    with collection.example(place):
                        identifier = f"{stem(file)}-{place.example}-{number}"
                        sentence = collection.sentence(identifier, tokens, mentions)
                        overlapping += len(mentions) - len(sentence.mentions)
                        yield sentence
        if overlapping:
            notes.remarks.append(f"mentions that overlap one before them, and are not used: {overlapping:,}")


class _Named(NamedTuple):
    """A mention as its document has it: name and type, the number of its sentence, its tokens there."""

    name: str
    kind: str
    sentence: int
    start: int
    end: int


_Sentence = tuple[tuple[str, ...], list[LinkedMention]]
"""The tokens of a sentence, and its mentions in the document's order."""


def _unrevised(files: Sequence[Path], notes: TextNotes) -> list[Path]:
    """The files without those whose documents stand in a file of Re-DocRED, too; each of these is remarked."""
    found = {f"{stem(file)}.json": file for file in files}
    kept = []
    for name, file in found.items():
        revised = [other for other in REVISED.get(name, ()) if other in found]
        if revised:
            notes.remarks.append(f"{name} is not read, for its documents are those of {' and '.join(revised)}")
        else:
            kept.append(file)
    return kept


def _sentences(document: Any) -> list[_Sentence]:
    """The sentences of a document with their mentions."""
    title = text(document, "title")
    sentences: list[_Sentence] = [(tokens, []) for tokens in _tokens(document)]
    entities = _entities(document)
    names = [_name(mentions) for mentions in entities]
    times = Counter(names)
    for number, (mentions, name) in enumerate(zip(entities, names, strict=True)):
        entity = name if name and times[name] == 1 else f"{title}#{number}"
        for mention in mentions:
            if not 0 <= mention.sentence < len(sentences):
                found = f"sentence {shown(mention.sentence)} of {len(sentences)}"
                raise UnusableError("a document with a mention in no sentence", found)
            sentences[mention.sentence][1].append(LinkedMention(mention.start, mention.end, entity))
    return sentences


def _tokens(document: Any) -> list[tuple[str, ...]]:
    if not has(document, "sents"):
        raise UnusableError("no field 'sents'")
    sentences = document["sents"]
    if not isinstance(sentences, list):
        raise UnusableError("a field 'sents' that is not a list of sentences", shown(sentences))
    return [texts({"sents": tokens}, "sents") for tokens in sentences]


def _entities(document: Any) -> list[list[_Named]]:
    """The mentions of each entity; `vertexSet` is a list of entities, and those are lists of mentions."""
    if not has(document, "vertexSet"):
        raise UnusableError("no field 'vertexSet'")
    entities = document["vertexSet"]
    if not isinstance(entities, list) or not all(isinstance(mentions, list) for mentions in entities):
        raise UnusableError("a field 'vertexSet' that is not a list of lists of mentions", shown(entities))
    return [[_named(mention) for mention in mentions] for mentions in entities]


def _named(mention: Any) -> _Named:
    span = wholes(mention, "pos")
    if len(span) != 2:
        raise UnusableError("a field 'pos' that is not [start, end]", shown(list(span)))
    name = " ".join(text(mention, "name").split()).removeprefix("the ")
    return _Named(name, text(mention, "type"), whole(mention, "sent_id"), *span)


def _name(mentions: Sequence[_Named]) -> str:
    """The name by which an entity is known in other documents; empty where it has none, see the class."""
    if not mentions:
        return ""
    longest = max(mentions, key=lambda mention: (len(mention.name.split()), len(mention.name)))
    name, kind = longest.name, longest.kind
    small = name.islower() and not any(map(str.isdigit, name))
    return "" if kind == "NUM" or small or (kind == "PER" and " " not in name) else name.casefold()
