"""Bundles: what a machine without the corpora, texts, vectors and parses needs to run a grid, in one file.

A zip file: bundle.json (version, digests of the code, headline metric and negative label of each corpus, the SHA-256
of each artifact), grid.json (the resolved grid), runs.json (the specs of the selected runs), and artifacts/, a tar
each. It holds no code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness import __version__, provenance, registry
from harness.artifacts import ArtifactStore
from harness.errors import DataError, GridError, HarnessError, PluginError
from harness.grid import ResolvedGrid
from harness.records import DAMAGE, cause, write_atomically
from harness.scheduler.graph import Id, corpus_data, made_before, text_data
from harness.specs import CorpusSpec, RunSpec

FORMAT = 1
ABOUT, GRID, RUNS = "bundle.json", "grid.json", "runs.json"
MAKE = "python -m harness bundle GRID FILE"
"""What makes a bundle."""


@dataclass(frozen=True)
class _About:
    """A bundle as it tells of itself: the grid without its data, digests of the code that made it, and of each artifact
    its SHA-256.
    """

    grid: ResolvedGrid
    code: Mapping[str, str]
    artifacts: Mapping[Id, str]


def check_place(file: Path) -> None:
    """Raise DataError where a bundle can't take the place of what is there: a folder, or a file that is none."""
    if file.is_dir():
        raise DataError(f"{file} is a folder; expected the name of a file, such as {file / 'grid.zip'}")
    if not file.exists():
        return
    try:
        with zipfile.ZipFile(file) as archive:
            archive.getinfo(ABOUT)
    except DAMAGE as error:
        raise DataError(f"{file} is there already, and is no bundle; move it away, or name another file") from error


def write(
    file: Path, grid: ResolvedGrid, runs: Mapping[str, RunSpec], store: ArtifactStore, with_pretrained: bool = False
) -> int:
    """Write the bundle of these runs of a grid, whose prepared data is in the store; how many artifacts it holds.

    With `with_pretrained` also their entity vectors and pre-trained encoders, those that are there. Raises HarnessError
    where prepared data is not there, or the file can't be written.
    """
    artifacts = _prepared(runs.values())
    if with_pretrained:
        before = dict.fromkeys(one for spec in runs.values() for one in made_before(spec))
        artifacts += [one for one in before if store.has(*one)]
    corpora = {str(spec.corpus): spec for spec in runs.values()}
    about = {
        "format": FORMAT,
        "version": __version__,
        "code": _code(runs.values()),
        "corpora": [
            {"spec": dataclasses.asdict(spec.corpus), "scored": list(grid.scored(spec))} for spec in corpora.values()
        ],
    }
    specs = [spec.as_dict() for spec in runs.values()]

    def fill(stream: IO[bytes]) -> None:
        digests = []
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for kind, key in artifacts:
                packed = store.pack(kind, key)
                if packed is None:
                    raise HarnessError(
                        f"the artifact {kind} {key[:16]} is gone from {store.root}; make the bundle again"
                    )
                archive.writestr(_place(kind, key), packed, zipfile.ZIP_LZMA)
                digests.append({"kind": kind, "key": key, "sha256": hashlib.sha256(packed).hexdigest()})
            for name, plain in ((ABOUT, {**about, "artifacts": digests}), (GRID, grid.plain), (RUNS, specs)):
                archive.writestr(name, json.dumps(plain, indent=1) + "\n")

    write_atomically(file, fill)
    return len(artifacts)


def read(file: Path, store: ArtifactStore, told: Callable[[str], object]) -> ResolvedGrid:
    """The grid of a bundle without its data, with the selected runs alone; its artifacts are in the store from then on.

    Raises DataError where the file is no whole bundle, or one of other code by whose keys the artifacts are not found,
    GridError where plugins of the runs are not installed, HarnessError where the store takes no files.
    """
    if not file.exists():
        raise DataError(f"there is no {file}; expected a bundle: {MAKE} makes one, where the corpora are")
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGE as error:
        raise DataError(f"{file}: {_expected(cause(error))}; if it was copied here, copy it again") from error
    with archive:
        about = _about(file, archive)
        found = _code(about.grid.runs.values())
        _check_plugins(file, found)
        other = [name for name, digest in about.code.items() if found.get(name) != digest]
        if not about.artifacts.keys() >= set(_prepared(about.grid.runs.values())):
            raise _of_other_code(file, other) if other else _damaged(file, ABOUT, "it lacks prepared data of its runs")
        if other:
            told(
                f"harness: {file} was made with other code than is here ({', '.join(other)}): where it was made, the "
                "records of its runs will be stale until the code is the same"
            )
        _unpack(file, archive, about, store, told)
    return about.grid


def _prepared(runs: Iterable[RunSpec]) -> list[Id]:
    """The prepared data of runs, each once."""
    return list(dict.fromkeys(one for spec in runs for one in (*corpus_data(spec), *text_data(spec))))


def _place(kind: str, key: str) -> str:
    """Where an artifact is in the zip file."""
    return f"artifacts/{kind}/{key}.tar"


def _code(runs: Iterable[RunSpec]) -> dict[str, str]:
    """Digests of the code that runs depend on, by its name: `harness`, `encoder mean`."""
    found: dict[str, str] = {}
    for spec in runs:
        names = {"encoder": spec.encoder.name, "strategy": spec.strategy.name, "corpus": spec.corpus.plugin}
        for part, digest in provenance.sources(*names.values()).items():
            found[f"{part} {names[part]}" if part in names else part] = digest
    return found


def _about(file: Path, archive: zipfile.ZipFile) -> _About:
    """What a bundle tells of itself."""
    if ABOUT not in archive.namelist():
        raise DataError(f"{file}: {_expected(f'a zip file without {ABOUT}')}")
    told = _json(file, archive, ABOUT)
    try:
        made = told["version"], told["format"]
    except DAMAGE as error:
        raise _damaged(file, ABOUT, cause(error)) from error
    if made != (__version__, FORMAT):
        raise DataError(
            f"{file} was made by Reprise {made[0]}, in format {made[1]}; expected {__version__} and format {FORMAT}, "
            f"which are here. Install that version here, or make the bundle again with this one: {MAKE}"
        )
    plain, specs = _json(file, archive, GRID), _json(file, archive, RUNS)
    try:
        runs = {spec.key: spec for spec in map(RunSpec.from_dict, specs)}
        headlines = {str(CorpusSpec(**one["spec"])): (one["scored"][0], one["scored"][1]) for one in told["corpora"]}
        artifacts = {(one["kind"], one["key"]): one["sha256"] for one in told["artifacts"]}
        return _About(ResolvedGrid(plain, runs, headlines, {}, {}, {}), told["code"], artifacts)
    except DAMAGE as error:
        raise _damaged(file, ABOUT, cause(error)) from error


def _json(file: Path, archive: zipfile.ZipFile, name: str) -> Any:
    try:
        return json.loads(_member(file, archive, name))
    except ValueError as error:
        raise _damaged(file, name, str(error)) from error


def _member(file: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """What the zip file holds by this name."""
    if name not in archive.namelist():
        raise _damaged(file, name, "it is not in it")
    try:
        return archive.read(name)
    except DAMAGE as error:
        raise _damaged(file, name, cause(error)) from error


def _check_plugins(file: Path, code: Mapping[str, str]) -> None:
    """Raise GridError where plugins of the runs, readers among them, are not installed.

    No data is read with a reader, but its digest is in every record: one without it would be stale at home.
    """
    mistakes = []
    for kind, _, name in (part.partition(" ") for part in code if " " in part):
        try:
            registry.source_file(kind, name)
        except PluginError as error:
            mistakes.append(
                f"{file}: {error}. A bundle holds no code, and its records name that of the {kind}: install the "
                "package that it comes from, as it is where the bundle was made"
            )
    if mistakes:
        raise GridError(mistakes)


def _unpack(
    file: Path, archive: zipfile.ZipFile, about: _About, store: ArtifactStore, told: Callable[[str], object]
) -> None:
    """Put those artifacts that the runs may read into the store, if they are not there."""
    runs = about.grid.runs.values()
    wanted = [*_prepared(runs), *dict.fromkeys(one for spec in runs for one in made_before(spec))]
    missing = [one for one in wanted if one in about.artifacts and not store.has(*one)]
    for kind, key in missing:
        packed = _member(file, archive, _place(kind, key))
        if hashlib.sha256(packed).hexdigest() != about.artifacts[kind, key]:
            raise _damaged(file, _place(kind, key), "it does not fit its SHA-256")
        try:
            store.unpack(kind, key, packed)
        except OSError as error:
            raise HarnessError(
                f"can't write below {store.root}: {error.strerror}. Free some space, or choose another folder with "
                "--home"
            ) from error
    if missing:
        told(f"{len(missing):,} artifacts of {file} are in {store.root} now")


def _expected(found: str) -> str:
    return f"expected a bundle, as {MAKE} writes it, found: {found}"


def _damaged(file: Path, what: str, found: str) -> DataError:
    return DataError(f"{file} is damaged ({what}: {found}); copy it again, or make it again: {MAKE}")


def _of_other_code(file: Path, other: Sequence[str]) -> DataError:
    return DataError(
        f"{file} was made with other code than is here ({', '.join(other)}), which would prepare the data otherwise; "
        "expected the same. Install the same version of Reprise and its plugins here, or make the bundle again with "
        f"the code that is here: {MAKE}"
    )
