"""The axes of a grid as written: keys, types and names checked, lists of alternatives expanded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness import features, registry
from harness.contracts import CorpusReader, Encoder, Reader, Strategy, TextReader
from harness.errors import PluginError, unknown
from harness.parameters import PAPER, parameter, read
from harness.seeding import MOVED
from harness.specs import Training
from harness.text_files import stem

T = TypeVar("T")
Options = TypeVar("Options")

KEYS = (
    "corpora", "encoders", "strategies", "texts", "vectors", "sizes", "replicates", "vary", "crossed", "save_hidden",
    "training",
)  # fmt: skip
"""The keys of a grid."""

WHAT = {"corpora": "labelled corpora", "texts": "unlabelled text"}
"""What the readers of a key read."""

TARGET = "target"
"""The name, among texts, of the target's own training sentences."""


@dataclass(frozen=True)
class CorpusOptions:
    """How a grid asks for a corpus; the same table may hold parameters of its reader."""

    split: Literal["official", "paper", "by-pair", "by-sentence"] = parameter(
        "paper", "the published parts; 70/10/20 % at random; the same with no entity pair, or no sentence, in two parts"
    )
    split_seed: int = parameter(0, "seed of the sample and the random split", at_least=0)
    negative: Literal["keep", "drop"] | None = parameter(None, "keep or drop the negative class; nothing: drop")
    sample: int | None = parameter(None, "draw that many mentions first; nothing: all", unit="mentions", at_least=1)
    parses: str | None = parameter(None, "a set of parses, see `data annotate`; nothing: those that the corpus carries")
    path: str | None = parameter(None, "a file or folder of your own that the reader reads in place of the corpus's")
    as_: str | None = parameter(None, "what tables call it; nothing: the reader's name, or that of the path")
    strict: bool = parameter(False, "whether an example that can't be used is an error, and not left out")


@dataclass(frozen=True)
class CorpusAxis:
    """A corpus of the grid: its reader, values of the reader's parameters, and how it is asked for."""

    reader: str
    parameters: Mapping[str, Any]
    options: CorpusOptions

    @property
    def name(self) -> str:
        """What tables call it."""
        return _called(self.reader, self.options.path, self.options.as_)


@dataclass(frozen=True)
class TextOptions:
    """How a grid asks for unlabelled text; the same table may hold parameters of its reader."""

    selection: Literal["random", "whole", "target-pairs", "target-train"] = parameter(
        "random",
        "disjoint random samples; the sentences with a pair of the target, and the target's; all; the target's alone",
        source=PAPER,
    )
    sentences: int | None = parameter(
        None, "of a random sample; nothing: a fifth of the text", unit="sentences", at_least=1
    )
    distance: int = parameter(20, "most tokens between the two mentions of a pair", unit="tokens", at_least=0)
    evaluation_text: bool = parameter(
        False, "whether target-pairs and target-train have the target's dev and test sentences too, unlabelled"
    )
    parses: str | None = parameter(None, "a set of parses, see `data annotate`; nothing: those that the text carries")
    names: str | None = parameter(None, "a table of names and IDs, name<TAB>ID, that leads from the target to the text")
    path: str | None = parameter(None, "a file or folder of your own that the reader reads in place of the text's")
    as_: str | None = parameter(None, "what tables call it; nothing: the reader's name, or that of the path")
    strict: bool = parameter(False, "whether what can't be used of the text is an error, and not left out")


@dataclass(frozen=True)
class TextAxis:
    """A text of the grid: its reader, None for the target's own, the reader's parameters, and how it is asked for."""

    reader: str | None
    parameters: Mapping[str, Any]
    options: TextOptions

    @property
    def name(self) -> str:
        """What tables call it."""
        return _called(self.reader or TARGET, self.options.path, self.options.as_)


@dataclass(frozen=True)
class Crossed:
    """Every text sample with every initialisation, in place of replicates that move both."""

    samples: int = parameter(5, "text samples", at_least=2)
    initialisations: int = parameter(5, "initialisations of each", at_least=2)


@dataclass(frozen=True)
class VectorOptions:
    """How a grid asks for word vectors."""

    unknown: Literal["hash", "zero"] = parameter("hash", "what a word without a vector gets")


@dataclass(frozen=True)
class Axes:
    """A grid as written, types checked and lists of alternatives expanded."""

    corpora: tuple[CorpusAxis, ...]
    vectors: tuple[tuple[str, VectorOptions], ...]
    encoders: tuple[tuple[str, type[Encoder], Any], ...]
    strategies: tuple[tuple[str, type[Strategy], Any], ...]
    trainings: tuple[Training, ...]
    sizes: tuple[int | str, ...]
    texts: tuple[TextAxis, ...]
    replicates: int
    vary: tuple[str, ...]
    crossed: Crossed | None
    save_hidden: bool


def read_axes(plain: Mapping[str, Any], mistakes: list[str]) -> Axes:
    """The axes of a grid as parsed; what is wrong is appended to `mistakes`, and left out of the axes."""
    mistakes += [unknown("key", key, KEYS) for key in plain if key not in KEYS]
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
    crossed = _crossed(plain, mistakes)
    save_hidden = plain.get("save_hidden", False)
    if not isinstance(save_hidden, bool):
        mistakes.append(f"save_hidden: expected true or false, found {save_hidden!r}")
        save_hidden = False
    return Axes(
        tuple(_corpora(plain, mistakes)),
        tuple(vectors),
        tuple(_plugins(plain, "encoders", "encoder", mistakes)),
        tuple(_plugins(plain, "strategies", "strategy", mistakes)),
        tuple(trainings),
        tuple(sizes),
        tuple(_texts(plain, mistakes)),
        crossed.samples * crossed.initialisations if crossed else replicates,
        tuple(stream for stream in MOVED if stream in vary),
        crossed,
        save_hidden,
    )


def _called(reader: str, path: str | None, otherwise: str | None) -> str:
    """What tables call a corpus or text: as asked, else by its path, else by its reader."""
    if otherwise is not None:
        return otherwise
    return (reader if path is None else stem(Path(path))) or reader


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
            own = "; your own stands behind a format: {name = FORMAT, path = '...'}" if kind == "corpus" else ""
            mistakes.append(f"{key}: {unknown(kind, name, registry.origins(kind))}{own}")
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
    mistakes += [
        f"{where}.{name}: expected at least one value, found []" for name, value in values.items() if value == []
    ]
    alternatives = [value if isinstance(value, list) else [value] for value in values.values()]
    found = []
    told: list[str] = []
    for combination in itertools.product(*alternatives):
        made = read(kind, dict(zip(values, combination, strict=True)), where, told)
        if made is not None:
            found.append(made)
    mistakes += dict.fromkeys(told)
    return found


def _sources(
    key: str, kind: type[Options], contract: type[Reader], plain: Mapping[str, Any], mistakes: list[str]
) -> Iterator[tuple[str, dict[str, Any], Options]]:
    """Reader, its parameters and the options of each corpus or text, once for every combination of values in lists."""
    own = {field.name.rstrip("_") for field in fields(kind)}  # type: ignore[arg-type]
    for name, values in _entries(plain, key, "corpus", mistakes):
        try:
            reader: type[Reader] = registry.load("corpus", name)
        except PluginError as error:
            mistakes.append(f"{key}: {error}")
            continue
        if not issubclass(reader, contract):
            found = "unlabelled text, which stands under texts" if key == "corpora" else "a corpus without linked text"
            mistakes.append(f"{key}: expected a reader of {WHAT[key]}, found '{name}', which reads {found}")
            continue
        known = own | {field.name for field in fields(reader.Parameters)}
        mistakes += [f"{key}.{name}: {unknown('parameter', option, known)}" for option in values if option not in known]
        asked = {option: value for option, value in values.items() if option in own}
        given = {option: value for option, value in values.items() if option in known - own}
        parameters = _expand(reader.Parameters, given, f"{key}.{name}", mistakes)
        for options, made in itertools.product(_expand(kind, asked, f"{key}.{name}", mistakes), parameters):
            yield name, asdict(made), options


def _corpora(plain: Mapping[str, Any], mistakes: list[str]) -> Iterator[CorpusAxis]:
    """The corpora, each once for every combination of the values that are lists."""
    for found in _sources("corpora", CorpusOptions, CorpusReader, plain, mistakes):
        axis = CorpusAxis(*found)
        if not axis.name.strip() or not axis.name.isprintable():
            mistakes.append(f"corpora.{axis.reader}.as: expected a name that can be printed, found {axis.name!r}")
        if axis.name != axis.reader and axis.name in registry.origins("corpus"):
            mistakes.append(
                f"corpora.{axis.reader}: '{axis.name}' is the name of another corpus; choose another one with as = "
                "'...'"
            )
        yield axis


def _texts(plain: Mapping[str, Any], mistakes: list[str]) -> Iterator[TextAxis]:
    """The texts; one that is called `target` is the target's own training sentences."""
    written = plain.get("texts")
    entries = written if isinstance(written, list) else [written] if written is not None else []
    readers = []
    for entry in entries:
        table = {"name": entry} if isinstance(entry, str) else entry
        if isinstance(table, dict) and table.get("name") == TARGET:
            values = {"selection": "target-train", **{key: value for key, value in table.items() if key != "name"}}
            for options in _expand(TextOptions, values, f"texts.{TARGET}", mistakes):
                given = options.path, options.sentences, options.parses, options.names
                if options.selection != "target-train" or any(value is not None for value in given):
                    mistakes.append(
                        f"texts.{TARGET}: expected the target's own sentences, selection = 'target-train', without "
                        "path, sentences, parses and names"
                    )
                yield TextAxis(None, {}, options)
        else:
            readers.append(entry)
    if not readers:
        return
    for name, parameters, options in _sources("texts", TextOptions, TextReader, {"texts": readers}, mistakes):
        axis = TextAxis(name, parameters, options)
        if not axis.name.strip() or not axis.name.isprintable():
            mistakes.append(f"texts.{name}.as: expected a name that can be printed, found {axis.name!r}")
        if options.selection == "target-train":
            mistakes.append(f"texts.{name}: the selection target-train needs no reader; name = '{TARGET}' asks for it")
        if options.sentences and options.selection != "random":
            mistakes.append(f"texts.{name}.sentences: expected with selection = 'random' alone, leave it out")
        if options.evaluation_text and options.selection != "target-pairs":
            mistakes.append(f"texts.{name}.evaluation_text: expected with selection = 'target-pairs' alone")
        yield axis


def _crossed(plain: Mapping[str, Any], mistakes: list[str]) -> Crossed | None:
    if "crossed" not in plain:
        return None
    both = [key for key in ("replicates", "vary") if key in plain]
    if both:
        mistakes.append(f"crossed: expected without {' and '.join(both)}, for it says itself what is repeated")
    if not plain.get("texts"):
        mistakes.append("crossed: expected texts, whose samples meet the initialisations")
    return read(Crossed, _table(plain, "crossed", mistakes), "crossed", mistakes)


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
