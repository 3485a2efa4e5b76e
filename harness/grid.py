"""A grid in TOML, checked and resolved: run specs, cells, refused pairs. All mistakes of a grid are told at once."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness import features
from harness.axes import Axes, CorpusAxis, read_axes
from harness.contracts import Capability, lacking
from harness.datasets.sources import Request, SourceCorpus, parses_digest, read_corpus
from harness.datasets.splits import DEV_SHARE, TIES, Split, groups, size_of, split
from harness.datasets.vectors import VectorSource, locate
from harness.errors import DataError, GridError, PluginError, unknown
from harness.scoring import METRICS
from harness.specs import CorpusSpec, PluginSpec, RunSpec, VectorsSpec
from harness.variants import name_variants

GRID_FORMAT = 1


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus of the grid, read and split."""

    source: SourceCorpus
    spec: CorpusSpec
    split: Split
    classes: tuple[str, ...]

    @property
    def negative(self) -> str | None:
        """The negative class's label where it is kept and there are mentions of it."""
        label = self.source.about.negative_label
        return label if self.spec.negative == "keep" and label in self.classes else None

    @property
    def label(self) -> str:
        """The corpus in words: name, split, sample, negative class."""
        words = [self.spec.name, f"split {self.spec.split}"]
        if self.spec.split_seed:
            words.append(f"split seed {self.spec.split_seed}")
        if self.spec.sample:
            words.append(f"sample {self.spec.sample:,}")
        if self.spec.negative is not None:
            words.append(f"{self.source.about.negative_label} {'kept' if self.negative else 'dropped'}")
        usual = dataclasses.asdict(self.source.reader.Parameters())
        given = self.spec.parameters or {}
        words += [f"{name} {value or 'none'}" for name, value in given.items() if value != usual[name]]
        return ", ".join(words)

    def remarks(self) -> list[str]:
        """What a reader of the results should know of this split of the corpus."""
        mentions, parts = self.source.corpus.mentions, self.split
        told = list(self.source.corpus.remarks)
        if self.spec.split == "official" and all(mention.part != "dev" for mention in mentions):
            told.append(f"no dev part is published: {DEV_SHARE:.0%} of the training part, by seed, are dev")
        learnt = {mentions[at].label for at in parts.train}
        for name, part in (("dev", parts.dev), ("test", parts.test)):
            strange = Counter(label for at in part if (label := mentions[at].label) not in learnt)
            if strange:
                labels = ", ".join(f"{label} ({count:,})" for label, count in sorted(strange.items()))
                told.append(f"labels of {name} that no training mention has, and that count as wrong: {labels}")
        return told

    def described(self) -> dict[str, Any]:
        """What tables tell of the corpus."""
        about, parts = self.source.about, self.split
        return {
            "label": self.label,
            "name": self.spec.name,
            "split": self.spec.split,
            "counts": {"train": len(parts.train), "dev": len(parts.dev), "test": len(parts.test)},
            "classes": list(self.classes),
            "negative": self.negative,
            "metric": about.headline,
            "roles": about.roles,
            "left_out": dict(self.source.corpus.left_out),
            "remarks": self.remarks(),
            "notice": about.notice,
            "licence": about.licence,
            "source": about.source,
            "citation": about.citation,
            "oddities": list(about.oddities),
        }


@dataclass(frozen=True)
class ResolvedGrid:
    """What a grid comes to. `plain` is what is written as grid.json; `runs` are in the grid's own order."""

    plain: dict[str, Any]
    runs: dict[str, RunSpec]
    corpora: dict[str, CorpusEntry]
    vectors: dict[str, VectorSource]

    def corpus_of(self, spec: RunSpec) -> CorpusEntry:
        """The corpus of a run."""
        return self.corpora[str(spec.corpus)]


def resolve(name: str, text: str, home: Path, strict: bool = False) -> ResolvedGrid:
    """Resolve the grid `text`: read its corpora, fill in every default, refuse pairs that have no meaning.

    `strict` turns an example of a corpus that can't be used into a mistake. Raises GridError with every mistake, each
    with its key.
    """
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GridError([f"grid '{name}' is not TOML: {error}"]) from error
    mistakes: list[str] = []
    axes = read_axes(plain, mistakes)
    read = (_corpus(asked, home, strict, mistakes) for asked in axes.corpora)
    entries = list({str(entry.spec): entry for entry in read if entry}.values())
    called = Counter(entry.label for entry in entries)
    mistakes += [
        f"corpora: two of other content are both called '{label}'; call one of them otherwise, as = '...'"
        for label, count in called.items()
        if count > 1
    ]
    wanted = any(Capability.VECTORS in kind.offers for _, kind, _ in axes.encoders) or not axes.encoders
    if wanted and not axes.vectors:
        mistakes.append("vectors: expected a vector file, a gensim-data name or 'own', found nothing")
    sources: dict[tuple[int, str], VectorSource] = {}
    for (at, entry), (vectors, _) in itertools.product(enumerate(entries), axes.vectors if wanted else ()):
        try:
            sources[at, vectors] = locate(vectors, entry.source.reader, home)
        except DataError as error:
            mistakes.append(f"vectors: {error}")
    sizes = [_sizes(axes.sizes, entry, mistakes) for entry in entries]
    if mistakes:
        raise GridError([f"grid '{name}', {mistake}" for mistake in dict.fromkeys(mistakes)])

    refusals: list[dict[str, str]] = []
    runs: dict[str, RunSpec] = {}
    cells: dict[str, dict[str, Any]] = {}
    for at, entry in enumerate(entries):
        for arm in _arms(axes, entry, {v: s for (a, v), s in sources.items() if a == at}, refusals):
            for size, replicate in itertools.product(sizes[at], range(axes.replicates)):
                spec = dataclasses.replace(arm, size=size, replicate=replicate)
                runs.setdefault(spec.key, spec)
                cell = cells.setdefault(spec.cell, _cell(spec, at))
                if spec.key not in cell["keys"]:
                    cell["keys"].append(spec.key)
    name_variants(list(cells.values()))
    _check_told_apart(list(cells.values()))
    resolved = {
        "format": GRID_FORMAT,
        "name": name,
        "replicates": axes.replicates,
        "source": text,
        "corpora": [entry.described() for entry in entries],
        "cells": list(cells.values()),
        "refusals": [dict(pairs) for pairs in dict.fromkeys(tuple(refusal.items()) for refusal in refusals)],
    }
    loaders = {source.digest: source for source in sources.values()}
    return ResolvedGrid(resolved, runs, {str(entry.spec): entry for entry in entries}, loaders)


def _corpus(asked: CorpusAxis, home: Path, strict: bool, mistakes: list[str]) -> CorpusEntry | None:
    name, options = asked.name, asked.options
    try:
        strict = strict or options.strict
        source = _read(Request(asked.reader, tuple(asked.parameters.items()), options.path, strict), home)
    except (DataError, PluginError) as error:
        mistakes.append(f"corpora: {error}")
        return None
    about = source.about
    negative = options.negative if about.negative_label is not None else None
    if about.headline not in METRICS:
        mistakes.append(f"corpora.{name}: {unknown('headline metric', about.headline, METRICS)}")
        return None
    dropped = about.negative_label if negative == "drop" else None
    mentions = source.corpus.mentions
    among = np.array([i for i, mention in enumerate(mentions) if mention.label != dropped], np.int64)
    if options.sample is not None and options.sample > len(among):
        mistakes.append(f"corpora.{name}.sample: asks for {options.sample:,} mentions, but there are {len(among):,}")
        return None
    classes = tuple(sorted({mention.label for mention in mentions} - {dropped}))
    if len(classes) < 2:
        mistakes.append(f"corpora.{name}.negative: dropping '{dropped}' leaves one class only")
        return None
    group = groups(mentions, options.split) if options.split in TIES else None
    parts = split([m.part for m in mentions], options.split, options.split_seed, options.sample, among, group)
    empty = [part for part in ("train", "dev", "test") if not len(getattr(parts, part))]
    if empty:
        others = "; no such parts are published, take paper, by-pair or by-sentence" * (options.split == "official")
        mistakes.append(
            f"corpora.{name}.split: the {options.split} split has no mentions in {', '.join(empty)}{others}"
        )
        return None
    spec = CorpusSpec(
        name=name,
        digest=source.digest,
        split=options.split,
        split_seed=options.split_seed,
        negative=negative,
        sample=options.sample,
        parses=parses_digest(source.corpus),
        reader=asked.reader if asked.reader != name else None,
        parameters=dict(asked.parameters) or None,
        declared=_declared(source),
    )
    return CorpusEntry(source, spec, parts, classes)


def _declared(source: SourceCorpus) -> dict[str, str | None] | None:
    """What the files declare in place of the reader and scores depend on; None where that is nothing."""
    own, usual = source.about, source.reader.about
    names = ("headline", "negative_label")
    return {name: getattr(own, name) for name in names if getattr(own, name) != getattr(usual, name)} or None


@cache
def _read(request: Request, home: Path) -> SourceCorpus:
    return read_corpus(request, home)


def _sizes(written: Sequence[int | str], entry: CorpusEntry, mistakes: list[str]) -> list[int]:
    found: set[int] = set()
    for size in written:
        try:
            found.add(size_of(size, len(entry.split.train)))
        except ValueError as error:
            mistakes.append(f"sizes, with {entry.label}: {error}")
    return sorted(found)


def _arms(
    axes: Axes, entry: CorpusEntry, sources: Mapping[str, VectorSource], refusals: list[dict[str, str]]
) -> Iterator[RunSpec]:
    """A spec, its size and replicate still open, for every meaningful combination; the others join `refusals`."""
    for (encoder, kind, parameters), (strategy, plan, settings), training in itertools.product(
        axes.encoders, axes.strategies, axes.trainings
    ):
        groups = training.features
        if isinstance(groups, bool):
            groups = features.DEFAULT_GROUPS if groups else ()
        reads_vectors = Capability.VECTORS in kind.offers
        reasons = [f"{encoder} lacks what {strategy} needs: {c.value}" for c in lacking(kind, plan)]
        if not reads_vectors and not groups:
            reasons.append(f"{encoder} has nothing but the features, and they are off")
        if reasons:
            pair = {"corpus": entry.label, "encoder": encoder, "strategy": strategy}
            variant = "" if groups else "features=off"
            refusals.append(pair | {"variant": variant, "reason": "; ".join(reasons)})
            continue
        standardise = kind.standardise if training.standardise is None else training.standardise
        resolved = dataclasses.replace(
            training,
            features=tuple(group for group in features.GROUPS if group in groups),
            standardise=standardise if reads_vectors else None,
        )
        for name, options in axes.vectors if reads_vectors else [(None, None)]:
            vectors = None
            if name is not None and options is not None:
                vectors = VectorsSpec(sources[name].name, sources[name].digest, options.unknown)
            yield RunSpec(
                corpus=entry.spec,
                vectors=vectors,
                text=None,
                encoder=PluginSpec(encoder, dataclasses.asdict(parameters)),
                strategy=PluginSpec(strategy, dataclasses.asdict(settings)),
                training=resolved,
                size=0,
                replicate=0,
                vary=axes.vary,
            )


def _check_told_apart(cells: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a grid with two cells of which a table could show one only: their vector files have one name."""
    seen: set[tuple[Any, ...]] = set()
    for cell in cells:
        place = tuple(cell[name] for name in ("corpus", "encoder", "strategy", "text", "variant", "size"))
        if place in seen:
            name = cell["spec"]["vectors"]["name"]
            raise GridError([f"vectors: two files of other content are both called '{name}'; rename one of them"])
        seen.add(place)


def _cell(spec: RunSpec, corpus: int) -> dict[str, Any]:
    return {
        "cell": spec.cell,
        "corpus": corpus,
        "encoder": spec.encoder.name,
        "strategy": spec.strategy.name,
        "text": None,
        "variant": "",
        "size": spec.size,
        "keys": [],
        "spec": {name: value for name, value in spec.as_dict().items() if name != "replicate"},
    }
