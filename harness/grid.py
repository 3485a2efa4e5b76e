"""A grid in TOML, checked and resolved: run specs, cells, refused pairs. All mistakes of a grid are told at once."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from harness import features, registry
from harness.contracts import Capability, Encoder, Strategy, lacking
from harness.datasets.sources import SourceCorpus, parses_digest, read_corpus
from harness.datasets.splits import Split, size_of, split
from harness.datasets.vectors import VectorSource, locate
from harness.errors import DataError, GridError, PluginError, unknown
from harness.parameters import parameter, read
from harness.scoring import METRICS
from harness.seeding import MOVED
from harness.specs import CorpusSpec, PluginSpec, RunSpec, Training, VectorsSpec
from harness.variants import name_variants

GRID_FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True)
class CorpusOptions:
    """How a grid asks for a corpus."""

    split: Literal["official", "paper"] = parameter("paper", "the published parts, or 70/10/20 % at random")
    split_seed: int = parameter(0, "seed of the sample and the random split", at_least=0)
    negative: Literal["keep", "drop"] = parameter("drop", "keep or drop the negative class")
    sample: int | None = parameter(None, "draw that many mentions first; nothing: all", unit="mentions", at_least=1)


@dataclass(frozen=True)
class VectorOptions:
    """How a grid asks for word vectors."""

    unknown: Literal["hash", "zero"] = parameter("hash", "what a word without a vector gets")


@dataclass(frozen=True)
class Axes:
    """A grid as written, types checked and lists of alternatives expanded."""

    corpora: tuple[tuple[str, CorpusOptions], ...]
    vectors: tuple[tuple[str, VectorOptions], ...]
    encoders: tuple[tuple[str, type[Encoder], Any], ...]
    strategies: tuple[tuple[str, type[Strategy], Any], ...]
    trainings: tuple[Training, ...]
    sizes: tuple[int | str, ...]
    replicates: int
    vary: tuple[str, ...]


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus of the grid, read and split."""

    source: SourceCorpus
    spec: CorpusSpec
    split: Split
    classes: tuple[str, ...]

    @property
    def negative(self) -> str | None:
        """The negative class's label where it is kept."""
        return self.source.reader.negative_label if self.spec.negative == "keep" else None

    @property
    def label(self) -> str:
        """The corpus in words: name, split, sample, negative class."""
        words = [self.spec.name, f"split {self.spec.split}"]
        if self.spec.split_seed:
            words.append(f"split seed {self.spec.split_seed}")
        if self.spec.sample:
            words.append(f"sample {self.spec.sample:,}")
        if self.spec.negative:
            words.append(f"{self.source.reader.negative_label} {'kept' if self.negative else 'dropped'}")
        return ", ".join(words)

    def described(self) -> dict[str, Any]:
        """What tables tell of the corpus."""
        reader, parts = self.source.reader, self.split
        return {
            "label": self.label,
            "name": self.spec.name,
            "split": self.spec.split,
            "counts": {"train": len(parts.train), "dev": len(parts.dev), "test": len(parts.test)},
            "classes": list(self.classes),
            "negative": self.negative,
            "metric": reader.headline,
            "left_out": dict(self.source.corpus.left_out),
            "remarks": list(self.source.corpus.remarks),
            "notice": reader.notice,
            "licence": reader.licence,
            "source": reader.source,
            "citation": reader.citation,
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


def resolve(name: str, text: str, home: Path) -> ResolvedGrid:
    """Resolve the grid `text`: read its corpora, fill in every default, refuse pairs that have no meaning.

    Raises GridError with every mistake, each with its key.
    """
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GridError([f"grid '{name}' is not TOML: {error}"]) from error
    mistakes: list[str] = []
    axes = _axes(plain, mistakes)
    entries = [entry for asked in axes.corpora if (entry := _corpus(*asked, home, mistakes))]
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


def _axes(plain: Mapping[str, Any], mistakes: list[str]) -> Axes:
    known = {"corpora", "encoders", "strategies", "texts", "vectors", "sizes", "replicates", "vary", "training"}
    mistakes += [unknown("key", key, known) for key in plain if key not in known]
    corpora = [
        (name, options)
        for name, values in _entries(plain, "corpora", "corpus", mistakes)
        for options in _expand(CorpusOptions, values, f"corpora.{name}", mistakes)
    ]
    vectors = [
        (name, options)
        for name, values in _entries(plain, "vectors", None, mistakes)
        for options in _expand(VectorOptions, values, f"vectors.{name}", mistakes)
    ]
    trainings = _expand(Training, _table(plain, "training", mistakes), "training", mistakes)
    for training in trainings:
        groups = training.features if isinstance(training.features, tuple) else ()
        strange = [group for group in groups if group not in features.GROUPS]
        mistakes += [f"training.features: {unknown('group', group, features.GROUPS)}" for group in strange]
    if plain.get("texts"):
        mistakes.append("texts: expected none, for no strategy here reads unlabelled text; leave the key out")
    sizes = plain.get("sizes", ["full"])
    if not isinstance(sizes, list) or not sizes:
        mistakes.append(f"sizes: expected a list such as [50, 'S9', 'full'], found {sizes!r}")
        sizes = []
    replicates = plain.get("replicates", 5)
    if not isinstance(replicates, int) or isinstance(replicates, bool) or replicates < 1:
        mistakes.append(f"replicates: expected a count of at least 1, found {replicates!r}")
        replicates = 1
    vary = plain.get("vary", list(MOVED))
    if not isinstance(vary, list) or not set(map(str, vary)) <= set(MOVED):
        mistakes.append(f"vary: expected a list of some of {', '.join(MOVED)}, found {vary!r}")
        vary = []
    return Axes(
        tuple(corpora),
        tuple(vectors),
        tuple(_plugins(plain, "encoders", "encoder", mistakes)),
        tuple(_plugins(plain, "strategies", "strategy", mistakes)),
        tuple(trainings),
        tuple(sizes),
        replicates,
        tuple(stream for stream in MOVED if stream in vary),
    )


def _entries(
    plain: Mapping[str, Any], key: str, kind: str | None, mistakes: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of an axis: names, or tables with a name; a single one needs no list. `kind` names plugins."""
    written = plain.get(key)
    if written is None or written == []:
        if kind is not None:
            mistakes.append(f"{key}: expected at least one name, found nothing")
        return
    for entry in written if isinstance(written, list) else [written]:
        table = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(table, dict) or not isinstance(table.get("name"), str):
            mistakes.append(f"{key}: expected a name, or a table with a name, found {entry!r}")
            continue
        name = table["name"]
        if kind is not None and name not in registry.origins(kind):
            mistakes.append(f"{key}: {unknown(kind, name, registry.origins(kind))}")
            continue
        yield name, {option: value for option, value in table.items() if option != "name"}


def _table(plain: Mapping[str, Any], key: str, mistakes: list[str]) -> dict[str, Any]:
    table = plain.get(key, {})
    if isinstance(table, dict):
        return table
    mistakes.append(f"{key}: expected a table, found {table!r}")
    return {}


def _expand(kind: type[T], values: Mapping[str, Any], where: str, mistakes: list[str]) -> list[T]:
    """Instances of a parameters dataclass for every combination of the values that are lists."""
    alternatives = [value if isinstance(value, list) else [value] for value in values.values()]
    found = []
    told: list[str] = []
    for combination in itertools.product(*alternatives):
        made = read(kind, dict(zip(values, combination, strict=True)), where, told)
        if made is not None:
            found.append(made)
    mistakes += dict.fromkeys(told)
    return found


def _plugins(
    plain: Mapping[str, Any], key: str, kind: str, mistakes: list[str]
) -> Iterator[tuple[str, type[Any], Any]]:
    for name, values in _entries(plain, key, kind, mistakes):
        try:
            plugin = registry.load(kind, name)
        except PluginError as error:
            mistakes.append(f"{key}: {error}")
            continue
        for parameters in _expand(plugin.Parameters, values, f"{key}.{name}", mistakes):
            yield name, plugin, parameters


def _corpus(name: str, options: CorpusOptions, home: Path, mistakes: list[str]) -> CorpusEntry | None:
    try:
        source = _read(name, home)
    except (DataError, PluginError) as error:
        mistakes.append(f"corpora: {error}")
        return None
    negative = options.negative if source.reader.negative_label is not None else None
    if source.reader.headline not in METRICS:
        mistakes.append(f"corpora.{name}: {unknown('headline metric', source.reader.headline, METRICS)}")
        return None
    dropped = source.reader.negative_label if negative == "drop" else None
    mentions = source.corpus.mentions
    among = np.array([i for i, mention in enumerate(mentions) if mention.label != dropped], np.int64)
    if options.sample is not None and options.sample > len(among):
        mistakes.append(f"corpora.{name}.sample: asks for {options.sample:,} mentions, but there are {len(among):,}")
        return None
    classes = tuple(sorted({mention.label for mention in mentions} - {dropped}))
    if len(classes) < 2:
        mistakes.append(f"corpora.{name}.negative: dropping '{dropped}' leaves one class only")
        return None
    parts = split([m.part for m in mentions], options.split, options.split_seed, options.sample, among)
    empty = [part for part in ("train", "dev", "test") if not len(getattr(parts, part))]
    if empty:
        mistakes.append(f"corpora.{name}.split: the {options.split} split has no mentions in {', '.join(empty)}")
        return None
    spec = CorpusSpec(
        name, source.digest, options.split, options.split_seed, negative, options.sample, parses_digest(source.corpus)
    )
    return CorpusEntry(source, spec, parts, classes)


@cache
def _read(name: str, home: Path) -> SourceCorpus:
    return read_corpus(name, home)


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
