"""What one run is: a RunSpec, fully resolved, whose hash is its key; a cell is a spec without its replicate.

Free of torch: tables and records read specs too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from harness.parameters import PAPER, Among, Between, parameter, searches
from harness.seeding import MOVED, TUNING


@dataclasses.dataclass(frozen=True)
class Training:
    """Fine-tuning: multinomial logistic regression over [h_1; h_2] and the handcrafted features, by AdaGrad."""

    features: bool | tuple[str, ...] = parameter(
        True,
        "handcrafted features: true for every default group, false for none, or a list of groups",
        source=PAPER,
        search=Among((True, False)),
    )
    standardise: bool | None = parameter(
        None,
        "h minus its mean, over its deviation, both over the training split's mentions; default by encoder",
        search=Among((False, True)),
    )
    learning_rate: float = parameter(
        0.05, "AdaGrad's learning rate", source=PAPER, above=0, search=Between(0.005, 0.5, log=True)
    )
    l2: float = parameter(
        1e-5,
        "L2 weight decay; of sparse features on the touched rows",
        source=PAPER,
        at_least=0,
        search=Between(1e-7, 1e-3, log=True),
    )
    epsilon: float = parameter(1e-10, "added to the root of the accumulator", above=0)
    initial_accumulator: float = parameter(
        0.0, "AdaGrad's accumulator at the start", at_least=0, search=Among((0.0, 0.01, 0.1))
    )
    batch_size: int = parameter(32, "mentions a batch", unit="mentions", at_least=1, search=Among((16, 32, 64)))
    epochs: int = parameter(
        12, "passes over the training subset, within the bounds on updates", at_least=1, search=Among((6, 12, 24))
    )
    min_updates: int = parameter(150, "fewest updates", unit="updates", at_least=1)
    max_updates: int = parameter(4000, "most updates", unit="updates", at_least=1)
    dev_points: int = parameter(10, "even points at which dev is scored; the best one's weights are kept", at_least=1)
    dev_size: int | None = parameter(None, "cap on the dev labels used; nothing: all", unit="mentions", at_least=1)
    dropout: float | None = parameter(
        None,
        "chance that a number of h reads zero while the classifier is trained; nothing, or 0: none",
        at_least=0,
        at_most=0.9,
        search=Among((0.0, 0.2, 0.5)),
    )

    def updates(self, size: int) -> int:
        """Updates for `size` training mentions: min(max_updates, max(min_updates, epochs * size / batch_size)).

        >>> Training().updates(50), Training().updates(6405)
        (150, 2402)
        """
        return min(self.max_updates, max(self.min_updates, round(self.epochs * size / self.batch_size)))


TUNABLE = tuple(searches(Training))
"""What tuning sets of fine-tuning, for every arm by itself."""


@dataclasses.dataclass(frozen=True)
class CorpusSpec:
    """Which mentions: source by content, split with its own seed, negative class kept or dropped, sample.

    Where they are not what the name says, also: the `reader`, its `parameters` (None where it has none), and the
    headline metric and negative label that the files have `declared` in place of the reader's.
    """

    name: str
    digest: str
    split: str
    split_seed: int
    negative: str | None
    sample: int | None = None
    parses: str | None = None
    reader: str | None = None
    parameters: Mapping[str, Any] | None = None
    declared: Mapping[str, str | None] | None = None

    @property
    def plugin(self) -> str:
        """The name of the reader."""
        return self.reader or self.name


@dataclasses.dataclass(frozen=True)
class VectorsSpec:
    """Which word vectors: the file's name and digest, and what becomes of a word that they lack."""

    name: str
    digest: str
    unknown: str


@dataclasses.dataclass(frozen=True)
class TextSpec:
    """Which unlabelled text: its sentences by content, which of them, and which pairs of their mentions.

    `sentences` is how many a random sample has, `names` the digest of a table of names and IDs, `reader` and its
    `parameters` what they are of a corpus. `parses` is None for an encoder that reads no paths.
    """

    name: str
    digest: str
    selection: str
    distance: int
    sentences: int | None = None
    evaluation_text: bool | None = None
    parses: str | None = None
    names: str | None = None
    reader: str | None = None
    parameters: Mapping[str, Any] | None = None

    @property
    def label(self) -> str:
        """The text in a table's words: `enwik8 (random)`."""
        with_evaluation = ", with evaluation text" if self.evaluation_text else ""
        return f"{self.name} ({self.selection}{with_evaluation})"

    @property
    def reads_target(self) -> bool:
        """Whether sentences or pairs of the target decide which sentences these are."""
        return self.selection.startswith("target")


@dataclasses.dataclass(frozen=True)
class PluginSpec:
    """An encoder or a strategy with all its parameters."""

    name: str
    parameters: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class RunSpec:
    """One run, resolved: every default filled in, sizes as counts, digests included, unused fields None.

    With `crossed`, the initialisations that every text sample meets, replicate r has sample r // crossed and, of all
    other streams, r % crossed. With `save_hidden`, its hidden vectors of the dev set are kept. With `tuning` it is a
    run of a study: it is scored on dev alone, and its replicates meet no seed of an evaluation but the text sample's.
    """

    corpus: CorpusSpec
    vectors: VectorsSpec | None
    text: TextSpec | None
    encoder: PluginSpec
    strategy: PluginSpec
    training: Training
    size: int
    replicate: int
    vary: tuple[str, ...] = MOVED
    crossed: int | None = None
    save_hidden: bool = False
    tuning: bool = False

    def stream(self, name: str) -> int:
        """The replicate that the named stream sees: 0 where the grid holds that stream still."""
        if self.tuning and name != "sample":
            return TUNING + self.replicate
        if self.crossed is not None:
            return self.replicate // self.crossed if name == "sample" else self.replicate % self.crossed
        return self.replicate if name in self.vary else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in records; `save_hidden` and `tuning` are among them where they are true."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        for name in ("save_hidden", "tuning"):
            if not plain[name]:
                del plain[name]  # so that the specs, and the keys, of runs without it are what they were before it
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RunSpec:
        """The inverse of `as_dict`."""
        training = dict(plain["training"])
        training["features"] = tuple(training["features"])
        return cls(
            corpus=CorpusSpec(**plain["corpus"]),
            vectors=VectorsSpec(**plain["vectors"]) if plain["vectors"] else None,
            text=TextSpec(**plain["text"]) if plain["text"] else None,
            encoder=PluginSpec(**plain["encoder"]),
            strategy=PluginSpec(**plain["strategy"]),
            training=Training(**training),
            size=plain["size"],
            replicate=plain["replicate"],
            vary=tuple(plain["vary"]),
            crossed=plain.get("crossed"),
            save_hidden=plain.get("save_hidden", False),
            tuning=plain.get("tuning", False),
        )

    @cached_property
    def key(self) -> str:
        """Hash of the whole spec: the name of the run."""
        return key_of(self.as_dict())

    @cached_property
    def cell(self) -> str:
        """Hash of the spec without its replicate: the name of the cell."""
        return cell_of(self.as_dict())


def key_of(plain: Mapping[str, Any]) -> str:
    """sha256, in hexadecimal, of the canonical JSON: sorted keys, no blanks, fields that are null left out.

    A field that a later version adds and leaves at null therefore changes no key.
    """
    canonical = json.dumps(_without_nulls(plain), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def cell_of(plain: Mapping[str, Any]) -> str:
    """The key of a spec without its replicate, cut to 16 digits."""
    return key_of({name: value for name, value in plain.items() if name != "replicate"})[:16]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
