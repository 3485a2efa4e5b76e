"""A text of a grid: read as it is asked for, and described for tables."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.artifacts import ArtifactStore
from harness.axes import TARGET, TextAxis
from harness.corpus_entry import CorpusEntry
from harness.datasets.linking import Linker, read_table
from harness.datasets.overlap import evaluation_sentences, overlaps
from harness.datasets.selections import SAMPLES, check_sample
from harness.datasets.sources import Request, file_digest, find_path, typed
from harness.datasets.texts import SourceText, read_text
from harness.errors import DataError, PluginError
from harness.specs import TextSpec


@dataclass(frozen=True)
class TextEntry:
    """A text of the grid; `source` is None where it is the target's own sentences.

    `asked` is how the commands of `data` take it.
    """

    source: SourceText | None
    spec: TextSpec
    table: Path | None
    asked: str

    def linker(self) -> Linker:
        """Links a target's entities to the text's."""
        names = self.source.names() if self.source else {}
        return Linker(names, read_table(self.table) if self.table else ())

    def described(self, corpora: Sequence[CorpusEntry], home: Path) -> dict[str, Any]:
        """What tables tell of the text; `shared` of each corpus how many of its dev and test sentences stand in it."""
        told: dict[str, Any] = {"label": self.spec.label, "name": self.spec.name, "selection": self.spec.selection}
        if self.source is None:
            return told
        evaluated = {one.label: evaluation_sentences(one.source.corpus.mentions, one.split) for one in corpora}
        shared = overlaps(self.source, self.spec.name, evaluated, ArtifactStore(home / "artifacts"), _tell)
        return told | {
            "counts": dict(self.source.counts),
            "left_out": dict(self.source.left_out),
            "remarks": list(self.source.remarks),
            "shared": {label: list(overlap) for label, overlap in shared.items()},
        }


def text_entry(asked: TextAxis, home: Path, samples: int, strict: bool, mistakes: list[str]) -> TextEntry | None:
    """Read a text as a grid asks for it; None where that is a mistake, which is then told.

    `samples` are the disjoint samples that the grid draws where it draws any.
    """
    options = asked.options
    try:
        table = find_path(options.names, home) if options.names is not None else None
        names = file_digest(table, home) if table else None
        if table is not None:
            read_table(table)
        source, called = None, TARGET
        if asked.reader is not None:
            parameters, strictly = tuple(asked.parameters.items()), strict or options.strict
            request = Request(asked.reader, parameters, options.path, strictly)
            source, called = _read(request, options.parses, home, Path.cwd()), typed(request)
    except (DataError, PluginError, OSError) as error:
        mistakes.append(f"texts: {error}")
        return None
    spec = TextSpec(
        name=asked.name,
        digest=source.digest if source else "",
        selection=options.selection,
        distance=options.distance,
        sentences=_sentences(asked, source),
        evaluation_text=options.evaluation_text if options.selection.startswith("target") else None,
        parses=source.parses if source else None,
        names=names,
        reader=asked.reader if asked.reader != asked.name else None,
        parameters=dict(asked.parameters) or None,
    )
    if source is not None and (fault := check_sample(spec, source.counts["sentences"], samples)):
        mistakes.append(f"texts.{asked.name}: {fault}")
        return None
    return TextEntry(source, spec, table, called)


def _sentences(asked: TextAxis, source: SourceText | None) -> int | None:
    if source is None or asked.options.selection != "random":
        return None
    return asked.options.sentences or max(1, source.counts["sentences"] // SAMPLES)


@cache
def _read(request: Request, parses: str | None, home: Path, working: Path) -> SourceText:
    """Read once; a path and a home may be relative to the `working` folder."""
    return read_text(request, home, parses, _tell)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def for_reading(spec: TextSpec, reads: str) -> TextSpec:
    """The text of an encoder that reads this of a mention: the words between need no parses."""
    return spec if reads == "paths" else dataclasses.replace(spec, parses=None)
