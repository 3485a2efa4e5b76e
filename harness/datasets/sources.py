"""Where data is, and what it holds: folders of HARNESS_DATA, corpora with their content digests."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from harness import registry
from harness.contracts import About, Corpus, CorpusReader, Part, Reader, RelationMention, TextReader
from harness.errors import DataError, HarnessError, unknown
from harness.fields import shown
from harness.parameters import read
from harness.records import write_atomically
from harness.scoring import METRICS
from harness.text_files import PACKINGS, find

DATA_VARIABLE = "HARNESS_DATA"
R = TypeVar("R", bound=Reader)

TOLD = 5
"""Faults that an error shows with their places."""


def data_folders(home: Path) -> tuple[Path, ...]:
    """The folders named in HARNESS_DATA, then the home folder's own `data`, in this order of search."""
    named = (folder for folder in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if folder)
    return (*(Path(os.path.expanduser(folder)) for folder in named), home / "data")  # a home that nobody has stays


def find_folder(reader: type[Reader], name: str, home: Path) -> Path | None:
    """The first folder of the corpus, below a data folder, that has all its files; None for a corpus without files.

    Raises DataError that names the missing files and the folders searched.
    """
    if not reader.files:
        return None
    own = name.replace("-", "_")
    folders = data_folders(home)
    not_whole = ""
    for folder in folders:
        missing = [file for file in reader.files if not find(folder / own, file)]
        if not missing:
            return folder / own
        if len(missing) < len(reader.files):
            not_whole = not_whole or f"corpus '{name}' is not whole in {folder / own}: missing {', '.join(missing)}"
    if not_whole:
        raise DataError(not_whole)
    searched = ", ".join(map(str, folders))
    get = f"Get it from {reader.about.source}"
    if reader.downloads:
        get = f"Fetch it: python -m harness data fetch {name}; or get it from {reader.about.source}"
    raise DataError(
        f"corpus '{name}' is not here: expected {', '.join(f'{own}/{file}' for file in reader.files)} below one of "
        f"{searched}. {get} and point {DATA_VARIABLE} at the folder that has {own}/{reader.files[0]}"
    )


def whereabouts(reader: type[Reader], name: str, home: Path) -> str:
    """Where a corpus is, or how to get it, in words."""
    own = f"reads your own: {{name = '{name}', path = 'mydata'}}"
    if not reader.files:
        return own if reader.takes_path else "is generated, and needs no files"
    try:
        return f"is here: {find_folder(reader, name, home)}"
    except DataError as error:
        told = str(error).removeprefix(f"corpus '{name}' ")
        if told.startswith("is not whole"):
            return told
        get = f"python -m harness data fetch {name}" if reader.downloads else f"get it from {reader.about.source}"
        expected = ", ".join(f"{name.replace('-', '_')}/{file}" for file in reader.files)
        return f"is not here: expected {expected}; {get}" + (f"; {own}" if reader.optional_files else "")


def find_path(path: str, home: Path) -> Path:
    """The file or folder that a grid or a command names: as written, else below a data folder.

    Raises DataError where it is nowhere.
    """
    try:
        places = dict.fromkeys((Path(path).expanduser(), *(folder / path for folder in data_folders(home))))
        found = next((place for place in places if place.exists()), None)
    except (OSError, RuntimeError) as error:  # a name too long, a folder that is closed, a home that nobody has
        told = getattr(error, "strerror", None) or str(error)
        raise DataError(f"there is no {shown(path)} that can be read: {told}") from error
    if found is None:
        looked = ", ".join(str(place.absolute()) for place in places)
        raise DataError(f"there is no {path}: looked for {looked}")
    return found


def recognise(path: Path) -> str:
    """The name of the reader whose files a path has, or is: a corpus's, else a text's.

    Raises DataError where none or several fit.
    """
    fitting = fitting_readers(path, CorpusReader) or fitting_readers(path, TextReader)
    if len(fitting) != 1:
        found = "the files of none" if not fitting else f"what may be {' or '.join(fitting)}"
        raise DataError(f"{path}: expected the files of one corpus or format, found {found}. Say which: --reader NAME")
    return fitting[0]


def fitting_readers(path: Path, contract: type[Reader]) -> list[str]:
    """The names of the readers under a contract whose files a path has, or may be by its name."""
    fitting, exact = [], []
    for name in registry.origins("corpus"):
        try:
            kind: type[Reader] = registry.load("corpus", name)
        except HarnessError:  # a broken plugin disturbs no sibling
            continue
        if not issubclass(kind, contract):
            continue
        known = (*kind.files, *kind.optional_files) if kind.takes_path else ()
        if path.is_dir():
            fits = any(find(path, file) for file in known)
        else:
            plain = path.name.removesuffix(path.suffix) if path.suffix in PACKINGS else path.name
            if plain in known:
                exact.append(name)
            fits = any(Path(plain).suffix.lower() == Path(file).suffix.lower() for file in known)
        if fits:
            fitting.append(name)
    return exact or fitting


@dataclass(frozen=True)
class Request:
    """A corpus that is asked for: the reader's name, values of its parameters, a path in place of its own folder.

    `strict` turns examples that can't be used into an error.
    """

    reader: str
    parameters: tuple[tuple[str, Any], ...] = ()
    path: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class SourceCorpus:
    """A corpus as read, with what it declares and the digest of its content."""

    name: str
    reader: CorpusReader
    corpus: Corpus
    about: About
    digest: str
    told: str = ""
    """What messages call it."""


def read_corpus(name: str | Request, home: Path) -> SourceCorpus:
    """Read a corpus, by its name or as requested, and check what every run relies on.

    Raises DataError where it is not here or can't be read, or is not `fit_to_run`.
    """
    source = read_source(Request(name) if isinstance(name, str) else name, home)
    fit_to_run(source)
    return source


def read_source(request: Request, home: Path) -> SourceCorpus:
    """Read a corpus as requested.

    Raises DataError where it is not here, can't be read, or has a mention that is not what its fields promise.
    """
    name = request.reader
    kind: type[CorpusReader] = registry.load("corpus", name)
    if not issubclass(kind, CorpusReader):
        raise DataError(
            f"'{name}' reads unlabelled text; expected a labelled corpus here. A grid takes text under texts"
        )
    reader = made_reader(kind, request)
    place, told = place_of(kind, request, home)
    try:
        corpus = reader.read(place)
    except HarnessError:
        raise
    except Exception as error:  # a corpus plugin may be anybody's
        raise DataError(f"{told} can't be read: {type(error).__name__}: {error}") from error
    if request.strict and corpus.faults:
        raise strictly(told, "no example", corpus.faults, len(corpus.faults))
    about = corpus.about or reader.about
    for mention in corpus.mentions:
        if fault := _fault(mention, about):
            raise DataError(f"{told}, mention {mention.identifier}: {fault}")
    return SourceCorpus(name, reader, corpus, about, content_digest(corpus), told)


def strictly(told: str, expected: str, faults: Sequence[object], count: int) -> DataError:
    """What is told where nothing may be left out for a fault, and something is: `count` faults, the first of them."""
    first = "".join(f"\n  {fault}" for fault in faults[:TOLD])
    more = f"\n  and {count - TOLD:,} more" if count > TOLD else ""
    return DataError(f"{told}: strictly, expected {expected} that can't be used, found {count:,}:{first}{more}")


def made_reader(kind: type[R], request: Request) -> R:
    """The reader with its parameters; DataError where they are not what it takes."""
    mistakes: list[str] = []
    parameters = read(kind.Parameters, dict(request.parameters), _called(kind, request), mistakes)
    if mistakes:
        raise DataError("; ".join(mistakes))
    return kind(parameters)


def place_of(kind: type[Reader], request: Request, home: Path) -> tuple[Path | None, str]:
    """Where the data is that is asked for, None where it is generated, and what messages call it."""
    name, called = request.reader, _called(kind, request)
    if request.path is None:
        if kind.takes_path and not kind.files:
            raise DataError(
                f"{called} is your own data: expected its path, in a grid {{name = '{name}', path = 'mydata'}}"
            )
        return find_folder(kind, name, home), called
    if not kind.takes_path:
        raise DataError(f"{called} is made in one way and takes no path, found path = '{request.path}'")
    place = find_path(request.path, home)
    return place, f"{called} in {place}"


def _called(kind: type[Reader], request: Request) -> str:
    return f"{'corpus' if issubclass(kind, CorpusReader) else 'text'} '{request.reader}'"


def typed(request: Request) -> str:
    """The data as the commands of `data` take it: its name, or path and reader, and parameters that are not usual."""
    words = [request.reader] if request.path is None else [request.path, "--reader", request.reader]
    usual = asdict(registry.load("corpus", request.reader).Parameters())
    for name, value in request.parameters:
        if value != usual[name]:
            words += ["--parameter", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(words)


def files_read(kind: type[Reader], place: Path | None) -> list[Path]:
    """The files that a reader reads at a place: itself, or those of its names that the folder has."""
    if place is None:
        return []
    if not place.is_dir():
        return [place]
    found = (find(place, name) for name in (*kind.files, *kind.optional_files))
    return [file for file in found if file]


def fit_to_run(source: SourceCorpus) -> None:
    """Raise DataError where a corpus is empty, has one class only, lacks the negative class that its files or the
    request declare, or names an unknown headline metric.
    """
    told, corpus, about = source.told, source.corpus, source.about
    if about.headline not in METRICS:
        raise DataError(f"{told}: {unknown('headline metric', about.headline, METRICS)}")
    classes = Counter(mention.label for mention in corpus.mentions)
    if len(classes) < 2:
        found = f"{len(corpus.mentions)} mentions of {', '.join(map(repr, classes)) or 'none'}"
        left_out = f" ({describe_left_out(corpus.left_out)})" if corpus.left_out else ""
        first = f". The first: {corpus.faults[0]}" if corpus.faults else ""
        raise DataError(f"{told}: expected mentions of at least two classes, found {found}{left_out}{first}")
    if corpus.about and about.negative_label is not None and about.negative_label not in classes:
        some = ", ".join(repr(label) for label, _ in classes.most_common(5))
        raise DataError(
            f"{told}: expected the negative class '{about.negative_label}' among the labels, found {some} and so on. "
            "Name the negative class of this corpus, negative_label = '...', or '' where there is none (on the command "
            "line: --parameter negative_label=...)"
        )


def _fault(mention: RelationMention, about: About) -> str:
    """What is wrong with a mention; empty where nothing is."""
    size, parse = len(mention.tokens), mention.parse
    (start_1, end_1), (start_2, end_2) = mention.first, mention.second
    if not 0 <= start_1 < end_1 <= start_2 < end_2 <= size:
        found = f"{tuple(mention.first)} and {tuple(mention.second)}"
        return f"expected two spans in text order within {size} tokens, found {found}"
    for start, end, entity in mention.others:
        if not 0 <= start < end <= size:
            return f"expected further mentions within {size} tokens, found ({start}, {end}) of '{entity}'"
    if mention.part not in get_args(Part):
        return f"expected the part {', '.join(get_args(Part))}, found {mention.part!r}"
    if parse is not None and not len(parse.tags) == len(parse.heads) == len(parse.labels) == size:
        found = f"{len(parse.tags)} tags, {len(parse.heads)} heads and {len(parse.labels)} labels"
        return f"expected a parse of {size} tokens, found {found}"
    if (mention.head is not None) != about.roles:
        expected = "its subject, as the corpus declares the roles" if about.roles else "no roles, as declared"
        return f"expected {expected}, found head = {mention.head!r}"
    return ""


def content_digest(corpus: Corpus) -> str:
    """sha256 over everything that a run can see of the mentions, in order; cut to 16 digits.

    Taken from what was read, not from the files, so that a change of the reader shows too. The parse is not in it:
    it has a digest of its own in the spec. Nor is the agreement, by which readers choose and which no run sees.
    """
    digest = hashlib.sha256()
    for mention in corpus.mentions:
        bare = replace(mention, parse=None)
        fields = [getattr(bare, name) for name in bare.__slots__ if name != "agreement"]
        digest.update(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode())
    return digest.hexdigest()[:16]


def parses_digest(corpus: Corpus) -> str | None:
    """sha256 over the parses that the corpus carries, cut to 16 digits; None where it carries none."""
    if not any(mention.parse for mention in corpus.mentions):
        return None
    digest = hashlib.sha256()
    for mention in corpus.mentions:
        parse = mention.parse
        digest.update(json.dumps([parse.tags, parse.heads, parse.labels] if parse else None).encode())
    return digest.hexdigest()[:16]


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """What was left out, by reason, in one line; empty where nothing was."""
    return "; ".join(f"{count:,} left out: {reason}" for reason, count in sorted(left_out.items()))


def file_digest(file: Path, home: Path) -> str:
    """sha256 of the file, cut to 16 digits; remembered by path, size and time, for files may be large."""
    status = file.stat()
    name = f"{file.resolve()} {status.st_size} {status.st_mtime_ns}"
    cache = home / "digests.json"
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    if not isinstance(known, dict):
        known = {}
    if name not in known:
        with file.open("rb") as stream:
            known[name] = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
        text = json.dumps(known, indent=1).encode()
        write_atomically(cache, lambda stream: stream.write(text))
    digest: str = known[name]
    return digest
