"""Unlabelled text as the harness keeps it: read once, its sentences with two linked mentions or more, in a folder.

The folder, an artifact of kind `texts`, has sentences.jsonl.gz, a line a sentence, names.json, which maps a name to the
ID of its entity, and about.json. Reading and keeping a text takes memory for its names, not for its sentences; joining
the parses of a set to it takes memory for those.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import collection, fields, provenance, registry, text_files, vocabulary
from harness.artifacts import ArtifactStore
from harness.contracts import LinkedMention, LinkedSentence, Parse, TextNotes, TextReader
from harness.datasets.parses import ParseSet
from harness.datasets.sources import TOLD, Request, file_digest, files_read, made_reader, place_of, strictly, typed
from harness.errors import DataError, HarnessError
from harness.specs import key_of
from harness.vocabulary import canonical_name

KIND = "texts"
FEWEST = 2
"""Linked mentions of a sentence that is kept: it holds a pair."""


@dataclass(frozen=True)
class Text:
    """A text that is asked for: what tables call it, its reader, its place, and what messages call it.

    `strict` turns what can't be used of it into an error.
    """

    name: str
    reader: TextReader
    place: Path | None
    told: str
    strict: bool

    def sentences(self, notes: TextNotes) -> Iterator[LinkedSentence]:
        """Its sentences, one after another, whatever the number of their mentions.

        Raises DataError where it can't be read, where the reader breaks its contract, or, strictly, where something of
        it can't be used.
        """
        try:
            for sentence in self.reader.text(self.place, notes):
                if not isinstance(sentence, LinkedSentence):
                    raise DataError(f"{self.told}: expected sentences of its reader, found {sentence!r}")
                if fault := _fault(sentence):
                    raise DataError(f"{self.told}, sentence {sentence.identifier}: {fault}")
                yield sentence
        except (HarnessError, OSError):
            raise
        except Exception as error:  # a reader may be anybody's
            raise DataError(f"{self.told} can't be read: {type(error).__name__}: {error}") from error
        if self.strict and notes.faults:
            raise strictly(self.told, "nothing", notes.faults, collection.faults_of(notes))


def text_of(request: Request, home: Path, name: str) -> Text:
    """The text that is asked for. Raises DataError where it is not here, or the reader reads none."""
    kind: type[TextReader] = registry.load("corpus", request.reader)
    if not issubclass(kind, TextReader):
        raise DataError(
            f"'{request.reader}' reads a labelled corpus alone; expected unlabelled text with linked mentions. Which "
            "data is text: python -m harness data list"
        )
    place, told = place_of(kind, request, home)
    return Text(name, made_reader(kind, request), place, told, request.strict)


@dataclass(frozen=True)
class SourceText:
    """A text that has been read: where it is kept, and what is known of it.

    `digest` is of the sentences and names, `parses` of their parses, None where they have none. `counts` are of
    `sentences`, `mentions`, `entities` and `tokens`; `left_out` counts, by reason, what is not used.
    """

    name: str
    folder: Path
    digest: str
    parses: str | None
    counts: Mapping[str, int]
    left_out: Mapping[str, int]
    remarks: tuple[str, ...]

    def sentences(self) -> Iterator[LinkedSentence]:
        """The sentences in the order of the text."""
        with gzip.open(self.folder / "sentences.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                yield _sentence(json.loads(line))

    def names(self) -> dict[str, str]:
        """What a name, case-folded, stands for: the ID of an entity."""
        names: dict[str, str] = json.loads((self.folder / "names.json").read_text(encoding="utf-8"))
        return names


def read_text(request: Request, home: Path, parses: str | None, told: Callable[[str], None]) -> SourceText:
    """The text that is asked for, with the parses of a set; read now where it has not been read before.

    Raises DataError where it is not here, can't be read or has no sentence with two linked mentions, where a sentence
    lacks a parse, or, strictly, where something of it can't be used.
    """
    text = replace(text_of(request, home, request.reader), strict=False)  # what is kept serves either way
    files = [(file.name, file_digest(file, home)) for file in files_read(type(text.reader), text.place)]
    rooms = (Path(str(room.__file__)) for room in (collection, fields, text_files, vocabulary))
    code = provenance.code_digest(Path(__file__), *rooms), provenance.plugin_digest("corpus", request.reader)
    key = key_of({"files": files, "code": code, "parameters": dict(request.parameters)})
    store = ArtifactStore(home / "artifacts")
    if not store.has(KIND, key):
        told(f"Reading {text.told} (once)")
        store.write_folder(KIND, key, lambda folder: _keep(text, folder))
    source = _source(request, store.folder(KIND, key), text.told)
    if parses is None:
        return source
    return _with_parses(source, ParseSet(home, parses), request, store, told)


def _keep(text: Text, folder: Path) -> None:
    """Read the text and write what is kept of it."""
    notes = TextNotes()
    seen: Counter[str] = Counter()

    def sentences() -> Iterator[LinkedSentence]:
        for sentence in text.sentences(notes):
            if len(sentence.mentions) < FEWEST:
                notes.left_out[f"a sentence with fewer than {FEWEST} linked mentions"] += 1
                continue
            seen.update(mention.entity for mention in sentence.mentions)
            yield sentence

    written = _write(sentences(), folder)
    if not written["sentences"]:
        reasons = "; ".join(f"{count:,} left out: {reason}" for reason, count in sorted(notes.left_out.items()))
        first = f". The first: {notes.faults[0]}" if notes.faults else ""
        raise DataError(
            f"{text.told}: expected sentences with at least {FEWEST} linked mentions, found none"
            + (f" ({reasons})" if reasons else "") + first
        )  # fmt: skip
    names = _names(seen, notes.names)
    table = json.dumps(names, ensure_ascii=False)
    (folder / "names.json").write_text(table, encoding="utf-8")
    digest = hashlib.sha256((written.pop("digest") + table).encode()).hexdigest()[:16]
    counts = {**written, "mentions": seen.total(), "entities": len(seen)}
    about = {
        "digest": digest,
        "parses": counts.pop("parses"),
        "counts": counts,
        "left_out": dict(notes.left_out),
        "remarks": notes.remarks,
        "faults": [str(fault) for fault in notes.faults[:TOLD]],
        "count of faults": collection.faults_of(notes),
    }
    (folder / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def _fault(sentence: LinkedSentence) -> str:
    """What is wrong with a sentence; empty where nothing is."""
    size, parse = len(sentence.tokens), sentence.parse
    spans = [(mention.start, mention.end) for mention in sentence.mentions]
    edges = [0, *(edge for span in spans for edge in span), size]
    if edges != sorted(edges) or any(start == end for start, end in spans):
        return f"expected mentions one after another within {size} tokens, found {spans}"
    if parse is not None and not len(parse.tags) == len(parse.heads) == len(parse.labels) == size:
        found = f"{len(parse.tags)} tags, {len(parse.heads)} heads and {len(parse.labels)} labels"
        return f"expected a parse of {size} tokens, found {found}"
    try:
        "".join((*sentence.tokens, *(mention.entity for mention in sentence.mentions))).encode()
    except UnicodeEncodeError as error:
        return f"expected text, found half a pair of surrogates, {error.object[error.start]!r}"
    return ""


def _write(sentences: Iterable[LinkedSentence], folder: Path) -> dict[str, Any]:
    """Write the sentences; the digest of them without their parses, that of the parses, and counts."""
    digest, parses = hashlib.sha256(), hashlib.sha256()
    count = tokens = parsed = 0
    with gzip.open(folder / "sentences.jsonl.gz", "wt", 3, encoding="utf-8") as lines:
        for sentence in sentences:
            bare = json.dumps([sentence.identifier, sentence.tokens, sentence.mentions], ensure_ascii=False)
            digest.update(bare.encode())
            parse = sentence.parse and [sentence.parse.tags, sentence.parse.heads, sentence.parse.labels]
            tree = json.dumps(parse)
            parses.update(tree.encode())
            lines.write(f"[{bare}, {tree}]\n")
            count, tokens, parsed = count + 1, tokens + len(sentence.tokens), parsed + bool(parse)
    return {
        "digest": digest.hexdigest(),
        "parses": parses.hexdigest()[:16] if parsed else None,
        "sentences": count,
        "tokens": tokens,
        "parsed": parsed,
    }


def _sentence(line: Any) -> LinkedSentence:
    (identifier, tokens, mentions), parse = line
    tree = Parse(tuple(map(sys.intern, parse[0])), tuple(parse[1]), tuple(map(sys.intern, parse[2]))) if parse else None
    return LinkedSentence(identifier, tuple(map(sys.intern, tokens)), tuple(LinkedMention(*m) for m in mentions), tree)


def _names(seen: Mapping[str, int], further: Mapping[str, str]) -> dict[str, str]:
    """Names of the entities that occur, case-folded: their IDs, then further names.

    A name that several IDs have stands for the one with the most mentions; an ID itself comes before a further name.
    """
    names: dict[str, str] = {}
    for entity in sorted(seen, key=lambda entity: (-seen[entity], entity)):
        names.setdefault(canonical_name([entity]), entity)
    for name, entity in sorted(further.items(), key=lambda item: (-seen.get(item[1], 0), item)):
        if entity in seen:
            names.setdefault(canonical_name([name]), entity)
    return names


def _source(request: Request, folder: Path, where: str) -> SourceText:
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    if request.strict and about["faults"]:
        raise strictly(where, "nothing", about["faults"], about["count of faults"])
    return SourceText(
        request.reader, folder, about["digest"], about["parses"], about["counts"], about["left_out"],
        tuple(about["remarks"]),
    )  # fmt: skip


def _with_parses(
    source: SourceText, parse_set: ParseSet, request: Request, store: ArtifactStore, told: Callable[[str], None]
) -> SourceText:
    """The text with the parses of a set in place of its own."""
    key = key_of(
        {"text": source.folder.name, "chunks": parse_set.chunks(), "code": provenance.code_digest(Path(__file__))}
    )

    def write(folder: Path) -> None:
        told(f"Joining the parses of '{parse_set.name}' to {source.name} (once)")
        written = _write(_parsed(source, parse_set, request), folder)
        (folder / "names.json").write_bytes((source.folder / "names.json").read_bytes())
        about = json.loads((source.folder / "about.json").read_text(encoding="utf-8"))
        about |= {"parses": written["parses"], "counts": {**about["counts"], "parsed": written["parsed"]}}
        (folder / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    if not store.has(KIND, key):
        store.write_folder(KIND, key, write)
    return _source(Request(source.name), store.folder(KIND, key), source.name)


def _parsed(source: SourceText, parse_set: ParseSet, request: Request) -> Iterator[LinkedSentence]:
    parses = parse_set.parses(sentence.tokens for sentence in source.sentences())
    for sentence in source.sentences():
        if sentence.tokens not in parses:
            raise DataError(
                f"{request.path or request.reader}: expected a parse of each of its {source.counts['sentences']:,} "
                f"sentences in the parse set '{parse_set.name}', found none of sentence {sentence.identifier}. "
                f"{parse_set.how(typed(request))}"
            )
        yield LinkedSentence(sentence.identifier, sentence.tokens, sentence.mentions, parses[sentence.tokens])
