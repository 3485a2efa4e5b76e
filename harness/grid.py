"""A grid in TOML, checked and resolved: run specs, cells, refused pairs. All mistakes of a grid are told at once."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import features
from harness.axes import Axes, read_axes
from harness.contracts import Capability, lacking
from harness.corpus_entry import CorpusEntry, corpus_entry
from harness.datasets.splits import size_of
from harness.datasets.vectors import VectorSource, locate
from harness.errors import DataError, GridError
from harness.parameters import searches
from harness.pretraining import Pretraining
from harness.specs import TUNABLE, PluginSpec, RunSpec, TextSpec, VectorsSpec
from harness.text_entry import TextEntry, for_reading, text_entry
from harness.tuned_trials import TUNED
from harness.tuned_values import TunedValues, key_of_arm, names_of, short_names
from harness.variants import default_groups, name_variants

GRID_FORMAT = 1


@dataclass(frozen=True)
class ResolvedGrid:
    """What a grid comes to. `plain` is what is written as grid.json; `runs` are in the grid's own order.

    `headlines` are, for each corpus, the metric that chooses on dev and the label of the negative class. A grid that
    came without its data, in a bundle, has neither corpora, nor vectors, nor texts, and of the runs those selected.
    """

    plain: dict[str, Any]
    runs: dict[str, RunSpec]
    headlines: dict[str, tuple[str, str | None]]
    corpora: dict[str, CorpusEntry]
    vectors: dict[str, VectorSource]
    texts: dict[str, TextEntry]

    def scored(self, spec: RunSpec) -> tuple[str, str | None]:
        """The metric that chooses on dev, and the label of the negative class, of a run."""
        return self.headlines[str(spec.corpus)]

    def corpus_of(self, spec: RunSpec) -> CorpusEntry:
        """The corpus of a run."""
        return self.corpora[str(spec.corpus)]

    def text_of(self, spec: RunSpec) -> TextEntry:
        """The text of a run that has one."""
        assert spec.text is not None
        return self.texts[str(spec.text)]


def resolve(name: str, text: str, home: Path, strict: bool = False, tuned: TunedValues | None = None) -> ResolvedGrid:
    """Resolve the grid `text`: read its corpora, fill in every default, refuse pairs that have no meaning.

    `strict` turns an example of a corpus that can't be used into a mistake. With `tuned` every arm has its tuned
    values, one that has none is refused, and the grid is called NAME-tuned. Raises GridError with every mistake, each
    with its key.
    """
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GridError([f"grid '{name}' is not TOML: {error}"]) from error
    mistakes: list[str] = []
    if tuned is None and name.endswith(TUNED):
        mistakes.append(
            f"name: expected one that does not end in {TUNED}, which is what the grid '{name.removesuffix(TUNED)}' "
            "with tuned values is called; rename the file"
        )
    axes = read_axes(plain, mistakes)
    read = (corpus_entry(asked, home, strict, mistakes) for asked in axes.corpora)
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
    for entry in entries:
        mistakes += _without_syntax(axes, entry)
    texts = _texts(axes, home, strict, mistakes)
    if mistakes:
        raise GridError([f"grid '{name}', {mistake}" for mistake in dict.fromkeys(mistakes)])

    refusals: list[dict[str, Any]] = []
    otherwise: list[str] = []
    runs: dict[str, RunSpec] = {}
    cells: dict[str, dict[str, Any]] = {}
    for at, entry in enumerate(entries):
        for arm in _arms(axes, entry, {v: s for (a, v), s in sources.items() if a == at}, texts, refusals):
            found = _tuned(arm, tuned, entry.label, refusals, otherwise, mistakes) if tuned else arm
            if found is None:
                continue
            for size, replicate in itertools.product(sizes[at], range(_replicates(axes, found))):
                spec = dataclasses.replace(found, size=size, replicate=replicate)
                runs.setdefault(spec.key, spec)
                cell = cells.setdefault(spec.cell, _cell(spec, at))
                if spec.key not in cell["keys"]:
                    cell["keys"].append(spec.key)
    if tuned is not None and not cells:
        mistakes.append(f"{tuned.file}: expected values of the arms of {name}, found none of any; tune the grid first")
    if mistakes:
        raise GridError(list(dict.fromkeys(mistakes)))
    name_variants(list(cells.values()), _set_by_tuning(axes) if tuned else ())
    _check_told_apart(list(cells.values()))
    resolved = {
        "format": GRID_FORMAT,
        "name": f"{name}{tuned.ending(name)}" if tuned else name,
        "replicates": axes.replicates,
        "source": text,
        "corpora": [entry.described() for entry in entries],
        "texts": [entry.described(entries, home) for entry in texts],
        "crossed": dataclasses.asdict(axes.crossed) if axes.crossed else None,
        "tuned": tuned.told(name, list(dict.fromkeys(otherwise))) if tuned else None,
        "cells": list(cells.values()),
        "refusals": [dict(pairs) for pairs in dict.fromkeys(tuple(refusal.items()) for refusal in refusals)],
    }
    loaders = {source.digest: source for source in sources.values()}
    by_text = {str(for_reading(entry.spec, kind.reads)): entry for entry in texts for _, kind, _ in axes.encoders}
    headlines = {str(entry.spec): (entry.source.about.headline, entry.source.about.negative_label) for entry in entries}
    return ResolvedGrid(resolved, runs, headlines, {str(entry.spec): entry for entry in entries}, loaders, by_text)


def _tuned(
    arm: RunSpec,
    tuned: TunedValues,
    corpus: str,
    refusals: list[dict[str, Any]],
    otherwise: list[str],
    mistakes: list[str],
) -> RunSpec | None:
    """An arm with its tuned values, and None where it has none, which joins `refusals` as `untuned`: that pair has a
    meaning, and no claim may do without it. One that is not as it was tuned joins `otherwise`.
    """
    found = tuned.of(arm, corpus)
    if found is None:
        names = names_of(arm, corpus)
        reason = f"{tuned.file.name} has no values of {', '.join(names.values())}; `tune` of the same grid adds them"
        pair = {"corpus": corpus, "encoder": arm.encoder.name, "strategy": arm.strategy.name}
        refusals.append(pair | {"variant": names.get("settings", ""), "reason": reason, "untuned": True})
        return None
    arm = tuned.applied(found, arm, mistakes)
    if key_of_arm(arm) != found.key:
        otherwise.append(short_names([one.names for one in tuned.arms])[tuned.arms.index(found)])
    return arm


def _set_by_tuning(axes: Axes) -> set[tuple[str, str]]:
    """The parameters that tell no variant of a tuned grid: every arm has values of its own of them."""
    of_strategies = {
        (f"strategy {name}", one) for name, plan, _ in axes.strategies for one in searches(plan.Parameters)
    }
    return of_strategies | {("training", name) for name in TUNABLE}


def _sizes(written: Sequence[int | str], entry: CorpusEntry, mistakes: list[str]) -> list[int]:
    found: set[int] = set()
    for size in written:
        try:
            found.add(size_of(size, len(entry.split.train)))
        except ValueError as error:
            mistakes.append(f"sizes, with {entry.label}: {error}")
    return sorted(found)


def _texts(axes: Axes, home: Path, strict: bool, mistakes: list[str]) -> list[TextEntry]:
    """The texts of the grid, where a strategy reads any; what is asked of them and they lack is a mistake."""
    reading = [name for name, kind, _ in axes.strategies if kind.text != "unread"]
    needy = [name for name, kind, _ in axes.strategies if kind.text == "required"]
    if needy and not axes.texts and not any(mistake.startswith("texts") for mistake in mistakes):
        mistakes.append(
            f"strategies.{needy[0]}: reads unlabelled text, and none is named; add --text NAME or --text PATH, or in a "
            "grid's file texts = [{name = 'READER', path = 'mytext'}]; see python -m harness data list"
        )
    if axes.texts and not reading and axes.strategies:
        mistakes.append(
            "texts: expected none, for no strategy of the grid reads unlabelled text; leave out --text, or texts in "
            "the grid's file"
        )
        return []
    samples = 1
    if axes.crossed is not None:
        samples = axes.crossed.samples
    elif "sample" in axes.vary:
        samples = axes.replicates
    read = (text_entry(asked, home, samples, strict, mistakes) for asked in axes.texts)
    entries = list({str(entry.spec): entry for entry in read if entry}.values())
    called = Counter(name for name, _ in {(entry.spec.name, entry.spec.digest) for entry in entries})
    mistakes += [
        f"texts: two of other content are both called '{name}'; call one of them otherwise, as = '...'"
        for name, count in called.items()
        if count > 1
    ]
    paths = [name for name, kind, _ in axes.encoders if kind.reads == "paths"]
    mistakes += [
        f"encoders.{name}: needs parses of the text {entry.spec.name}, and it has none: python -m harness data "
        f"annotate {entry.asked}, then parses = 'stanza' in its entry under texts"
        for name, entry in itertools.product(paths, entries)
        if needy and entry.source is not None and entry.spec.parses is None
    ]
    return entries


def _replicates(axes: Axes, arm: RunSpec) -> int:
    """The replicates of an arm; where they are crossed and it reads no text, one text sample's."""
    return axes.replicates if axes.crossed is None or arm.text else axes.crossed.initialisations


def _without_syntax(axes: Axes, entry: CorpusEntry) -> list[str]:
    """What the grid asks of a corpus without parses that takes parses."""
    if entry.spec.parses is not None:
        return []
    groups = (
        group for training in axes.trainings if isinstance(training.features, tuple) for group in training.features
    )
    needy = [f"encoders.{name}" for name, kind, _ in axes.encoders if kind.reads == "paths"]
    needy += [f"training.features: '{group}'" for group in groups if group in features.NEEDS_SYNTAX]
    told = f"needs parses, and {entry.label} has none: python -m harness data annotate {entry.asked}"
    return [f"{asked}: {told}, then parses = 'stanza' in its entry of the grid" for asked in dict.fromkeys(needy)]


def _arms(
    axes: Axes,
    entry: CorpusEntry,
    sources: Mapping[str, VectorSource],
    texts: Sequence[TextEntry],
    refusals: list[dict[str, Any]],
) -> Iterator[RunSpec]:
    """A spec, its size and replicate still open, for every meaningful combination; the others join `refusals`."""
    for (encoder, kind, parameters), (strategy, plan, settings), training in itertools.product(
        axes.encoders, axes.strategies, axes.trainings
    ):
        groups = training.features
        if isinstance(groups, bool):
            groups = default_groups(entry.spec.parses is not None) if groups else ()
        reads_vectors = Capability.VECTORS in kind.offers
        lacks = "; ".join(capability.value for capability in lacking(kind, plan))
        reasons = [f"{encoder} lacks what {strategy} needs: {lacks}"] if lacks else []
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
        if isinstance(settings, Pretraining) and settings.learning_rate is None:
            settings = dataclasses.replace(settings, learning_rate=kind.learning_rate)
        read = [for_reading(text.spec, kind.reads) for text in texts if reads_vectors and plan.text != "unread"]
        asked: list[TextSpec | None] = list({str(one): one for one in read}.values()) or [None]
        for (name, options), text in itertools.product(axes.vectors if reads_vectors else [(None, None)], asked):
            vectors = None
            if name is not None and options is not None:
                vectors = VectorsSpec(sources[name].name, sources[name].digest, options.unknown)
            yield RunSpec(
                corpus=entry.spec,
                vectors=vectors,
                text=text,
                encoder=PluginSpec(encoder, dataclasses.asdict(parameters)),
                strategy=PluginSpec(strategy, dataclasses.asdict(settings)),
                training=resolved,
                size=0,
                replicate=0,
                vary=axes.vary,
                crossed=axes.crossed.initialisations if axes.crossed else None,
                save_hidden=axes.save_hidden,
            )


def _check_told_apart(cells: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a grid with two cells of which a table could show one only: two files, or sets of parses, of one name."""
    seen: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for cell in cells:
        place = tuple(cell[name] for name in ("corpus", "encoder", "strategy", "text", "variant", "size"))
        other = seen.setdefault(place, cell)
        if other is cell:
            continue
        if other["spec"]["vectors"] == cell["spec"]["vectors"]:
            raise GridError(
                [f"texts: two of {cell['text']} differ in their parses alone; call one otherwise, as = '...'"]
            )
        name = cell["spec"]["vectors"]["name"]
        raise GridError([f"vectors: two files of other content are both called '{name}'; rename one of them"])


def _cell(spec: RunSpec, corpus: int) -> dict[str, Any]:
    return {
        "cell": spec.cell,
        "corpus": corpus,
        "encoder": spec.encoder.name,
        "strategy": spec.strategy.name,
        "text": spec.text.label if spec.text else None,
        "variant": "",
        "size": spec.size,
        "keys": [],
        "spec": {name: value for name, value in spec.as_dict().items() if name != "replicate"},
    }
