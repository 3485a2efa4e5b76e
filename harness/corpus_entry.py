"""A corpus of a grid: read as it is asked for, split, and described for tables."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.axes import CorpusAxis
from harness.datasets.parses import ParseSet, attach
from harness.datasets.sources import Request, SourceCorpus, parses_digest, read_corpus
from harness.datasets.splits import DEV_SHARE, TIES, Split, groups, split
from harness.errors import DataError, PluginError
from harness.specs import CorpusSpec


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus of the grid, read and split.

    `parses` is the name of the set of parses that the grid asks for, `asked` what the command line calls the corpus:
    its path, else its name.
    """

    source: SourceCorpus
    spec: CorpusSpec
    split: Split
    classes: tuple[str, ...]
    parses: str | None
    asked: str

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
        if self.parses:
            words.append(f"parses {self.parses}")
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


def corpus_entry(asked: CorpusAxis, home: Path, strict: bool, mistakes: list[str]) -> CorpusEntry | None:
    """Read and split a corpus as a grid asks for it; None where that is a mistake, which is then told."""
    name, options = asked.name, asked.options
    try:
        strict = strict or options.strict
        request = Request(asked.reader, tuple(asked.parameters.items()), options.path, strict)
        source = _read(request, options.parses, home, Path.cwd())
    except (DataError, PluginError) as error:
        mistakes.append(f"corpora: {error}")
        return None
    about = source.about
    if options.negative is not None and about.negative_label is None:
        mistakes.append(
            f"corpora.{name}.negative: expected a corpus with a negative class, and this one declares none; leave the "
            "key out, or name it, negative_label = '...', if the reader has that parameter"
        )
        return None
    negative = (options.negative or "drop") if about.negative_label is not None else None
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
    return CorpusEntry(source, spec, parts, classes, options.parses, options.path or asked.reader)


def _declared(source: SourceCorpus) -> dict[str, str | None] | None:
    """What the files declare in place of the reader and scores depend on; None where that is nothing."""
    own, usual = source.about, source.reader.about
    names = ("headline", "negative_label")
    return {name: getattr(own, name) for name in names if getattr(own, name) != getattr(usual, name)} or None


@cache
def _read(request: Request, parses: str | None, home: Path, working: Path) -> SourceCorpus:
    """Read once; a path and a home may be relative to the `working` folder."""
    source = read_corpus(request, home)
    if parses is None:
        return source
    return dataclasses.replace(
        source, corpus=attach(source.corpus, ParseSet(home, parses), request.path or source.name)
    )
