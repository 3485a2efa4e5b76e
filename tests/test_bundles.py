"""Bundles: packed where the corpora are, run where they are not, and the records brought home."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FindData, MakePlugin, Printed, forget_plugins
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import __version__, bundles
from harness.artifacts import ArtifactStore
from harness.cli import main
from harness.datasets.prepared import mentions_key
from harness.errors import DataError, HarnessError
from harness.grid import ResolvedGrid
from harness.records import RecordStore
from harness.scheduler.graph import HERE, tasks_of
from harness.scheduler.preparing import prepare

ROOT = Path(__file__).parent.parent
MAKE = "python -m harness bundle GRID FILE"
GRID = """
corpora    = [{name = "jsonl", path = "mine/all.jsonl", split = "official", as = "mine", negative = "keep"}]
encoders   = ["mean", {name = "bilstm", hidden = 4}, "deptree-lstm", "handcrafted"]
strategies = ["none", {name = "seq-unshared", epochs = 1, skipgram_epochs = 0}]
texts      = [{name = "linked-jsonl", path = "news.jsonl", selection = "whole"}]
vectors    = "v.txt"
sizes      = [8, "full"]
replicates = 2
vary       = ["subset", "initialisation", "order"]
[training]
min_updates = 5
max_updates = 5
"""
RUNS = 6 * 2 * 2  # pairs with a meaning, sizes, replicates
DECLARED = {"negative_label": "none", "headline": "macro_f1_positive", "licence": "for friends"}
SYNTHETIC = GRID.replace(GRID.splitlines()[1], 'corpora = {name = "synthetic", sample = 200}')


def mention(at: int) -> dict[str, Any]:
    """A mention of a corpus in which the verb tells the relation."""
    verb, label = (("founded", "founder"), ("met", "none"), ("left", "member"))[at % 3]
    part = ("train", "train", "dev", "test")[at // 3 % 4]
    parse = {"tags": ["NNP", "VBD", "NNP", "."], "heads": [1, -1, 1, 1], "labels": ["nsubj", "root", "obj", "punct"]}
    spans = {"first": [0, 1], "second": [2, 3], "head": "first", "first_entity": f"E{at % 7}"}
    return {"tokens": [f"Ann{at}", verb, f"Bo{at % 5}", "."], "label": label, "part": part, **spans, **parse}


def sentence(at: int) -> dict[str, Any]:
    """An unlabelled sentence on two entities, the first of which the corpus has too."""
    parse = {"tags": ["NNP", "VBD", "NNP"], "heads": [1, -1, 1], "labels": ["nsubj", "root", "obj"]}
    mentions = [[0, 1, f"E{at % 7}"], [2, 3, f"Q{at % 5}"]]
    return {"id": str(at), "tokens": [f"Ann{at}", ("saw", "knew")[at % 2], "Cy"], "mentions": mentions, **parse}


def write_data(folder: Path) -> None:
    """A corpus, a text and vectors."""
    (folder / "mine").mkdir(parents=True)
    for name, make, count in (("mine/all.jsonl", mention, 60), ("news.jsonl", sentence, 40)):
        (folder / name).write_text("".join(f"{json.dumps(make(at))}\n" for at in range(count)))
    (folder / "mine" / "corpus.json").write_text(json.dumps(DECLARED))
    numbers = np.random.default_rng(0).standard_normal((5, 6)).round(4)
    words = zip(("founded", "met", "left", "saw", "knew"), numbers.tolist(), strict=True)
    (folder / "v.txt").write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in words))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, the grid small.toml, and its bundle, small.zip, made in `home`."""
    folder = tmp_path_factory.mktemp("packed")
    write_data(folder / "data")
    (folder / "small.toml").write_text(GRID)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_DATA", str(folder / "data"))
        words = ["bundle", str(folder / "small.toml"), str(folder / "small.zip"), "--home", str(folder / "home")]
        assert main(words) == 0
    return folder


@pytest.fixture
def there(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with a copy of the bundle, on a machine without data."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(packed / "small.zip", tmp_path)
    return tmp_path


def run(*words: str, home: str = "home") -> int:
    return main(["run", "--workers", "0", "--device", "cpu", "--no-mlflow", "--home", home, *words])


def planned(printed: Printed, *words: str, home: str = "home") -> str:
    """What `plan` says at its end."""
    printed()
    assert main(["plan", "--workers", "1", "--home", home, *words]) == 0
    return printed()[0].splitlines()[-1]


def told(printed: Printed, *words: str) -> str:
    """What a command says that fails."""
    printed()
    assert main(words) == 2
    out, err = printed()
    assert out == ""
    return err


def plan_of(*words: str) -> tuple[str, ...]:
    return ("plan", "--home", "home", "--workers", "1", *words)


def records(home: Path) -> dict[str, dict[str, Any]]:
    """The records of a home but for their times, and for which commit and machine they name; with predictions."""
    store, found = RecordStore(home / "records"), {}
    for record in store.each(store.keys()):
        assert record["status"] == "complete", record["error"]
        record["predictions"] = [classes.tolist() for classes in store.predictions(record["key"])]
        if record["pretraining"]:
            del record["pretraining"]["seconds"]
        record["environment"] = record["environment"]["sources"]
        found[record["key"]] = {name: record[name] for name in record if name not in ("seconds", "finished")}
    assert not store.damaged
    return found


def started(folder: Path, *words: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which finds data in a folder, or nowhere."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HARNESS_")}
    surroundings["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    if data is not None:
        surroundings["HARNESS_DATA"] = str(data)
    command = [sys.executable, "-m", "harness", *words]
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def altered(file: Path, **changes: Callable[[Any], Any] | None) -> Path:
    """A copy of a bundle whose members bundle, grid or runs are changed, or left out, artifacts too by their kind."""
    other = file.with_name("altered.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            part = name.split("/")[1] if "/" in name else name.removesuffix(".json")
            content: Any = old.read(name)
            if part in changes:
                change = changes[part]
                if change is None:
                    continue
                content = change(content) if "/" in name else json.dumps(change(json.loads(content)))
            new.writestr(name, content)
    return other


# The whole way


def test_what_a_bundle_runs_without_data_is_at_home_as_if_it_had_run_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed
) -> None:
    write_data(tmp_path / "data")
    (tmp_path / "world.toml").write_text(SYNTHETIC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    assert main(["bundle", "world.toml", "world.zip", "--home", "here", "--size", "8"]) == 0
    (tmp_path / "data").rename(tmp_path / "away")
    there = ["--home", "there", "--workers", "0", "--device", "cpu", "--no-mlflow"]
    ran = started(tmp_path, "run", "--bundle", "world.zip", *there)
    assert "# Leaderboard: world" in ran.stdout
    assert "Preparing" not in ran.stderr

    (tmp_path / "away").rename(tmp_path / "data")
    assert main(["records", "merge", "there", "--home", "here"]) == 0
    assert planned(printed, "--grid", "world.toml", "--size", "8", home="here") == (
        f"Nothing to run: 0 to run, {RUNS // 2} complete, 0 failed."
    )
    brought = records(tmp_path / "here")
    shutil.rmtree(tmp_path / "here" / "records")
    assert run("--grid", "world.toml", "--size", "8", home="here") == 0
    assert records(tmp_path / "here") == brought
    tables = [tmp_path / "results" / "world" / name for name in ("leaderboard.csv", "grid.json", "predictions.npz")]
    assert all(table.is_file() for table in tables)


@pytest.mark.slow
def test_kbp37_with_a_text_by_processes_of_its_own(tmp_path: Path, find_data: FindData) -> None:
    data = find_data("kbp37/train.txt", "parsed/enwik8.linked.jsonl.gz")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kbp37").symlink_to(data / "kbp37")
    with gzip.open(data / "parsed" / "enwik8.linked.jsonl.gz", "rt", encoding="utf-8") as lines:
        (tmp_path / "data" / "news.jsonl").write_text("".join(islice(lines, 2000)), encoding="utf-8")
    (tmp_path / "data" / "v.txt").write_text("the 1 0 0.5 -1\nof 0 1 -0.5 2\n")
    corpus = 'corpora = {name = "kbp37", split = "paper", negative = "drop", sample = 600}\n'
    arms = 'encoders = {name = "bilstm", hidden = 4}\nstrategies = {name = "seq-unshared", epochs = 1}\n'
    arms += "[training]\nfeatures = false\nmin_updates = 5\nmax_updates = 5\n"
    text = 'texts = {name = "linked-jsonl", path = "news.jsonl", sentences = 300}\n'
    rest = 'vectors = "v.txt"\nsizes = [20]\nreplicates = 1\n'
    (tmp_path / "kbp.toml").write_text(corpus + text + rest + arms)
    there = ["--workers", "0", "--device", "cpu", "--no-mlflow"]

    made = started(tmp_path, "bundle", "kbp.toml", "kbp.zip", "--home", "here", data=tmp_path / "data")
    assert made.stdout.splitlines()[1] == (
        "It holds the words and labels, as numbers, of kbp37 (licence: none stated; sentences from the LDC's TAC-KBP "
        "source corpora and Wikipedia) and news (licence: your own text's); pass it on only as those allow"
    )
    started(tmp_path, "run", "--bundle", "kbp.zip", "--home", "there", *there)
    started(tmp_path, "records", "merge", "there", "--home", "here")
    plan = started(tmp_path, "plan", "--grid", "kbp.toml", "--home", "here", data=tmp_path / "data")
    assert plan.stdout.splitlines()[-1] == "Nothing to run: 0 to run, 1 complete, 0 failed."
    started(tmp_path, "run", "--grid", "kbp.toml", "--home", "alone", *there, data=tmp_path / "data")
    found = records(tmp_path / "here")
    assert found == records(tmp_path / "alone")
    (record,) = found.values()
    assert record["text"]["mentions"] > 0


def test_several_bundles_run_in_one_home(packed: Path, there: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setenv("HARNESS_DATA", str(packed / "data"))
        grid = str(packed / "small.toml")
        for size, runs in (("8", 4), ("full", 4)):
            words = ["--size", size, "--encoder", "mean", "handcrafted"]
            assert main(["bundle", grid, f"{size}.zip", "--home", str(packed / "home"), *words]) == 0
            assert printed()[0].startswith(f"{size}.zip: {runs} runs of the grid small, 2 artifacts, 0.01 MB\n")
    assert run("--bundle", "8.zip", "--replicates", "1") == 0
    assert "2 artifacts of 8.zip are in home/artifacts now\n" in printed()[1]
    assert run("--bundle", "full.zip") == 0
    assert "artifacts of" not in printed()[1]
    assert planned(printed, "--bundle", "full.zip").startswith("Nothing to run: 0 to run, 4 complete")
    assert planned(printed, "--bundle", "8.zip").startswith("2 to run, 2 complete")
    assert planned(printed, "--bundle", "small.zip").startswith(f"{RUNS - 6} to run, 6 complete")


def test_the_headline_metric_and_the_negative_class_are_those_that_the_corpus_declares(
    packed: Path, there: Path
) -> None:
    grid = bundles.read(there / "small.zip", ArtifactStore(there / "artifacts"), print)
    assert {grid.scored(spec) for spec in grid.runs.values()} == {("macro_f1_positive", "none")}
    assert not grid.corpora
    assert not grid.vectors
    assert not grid.texts


# What is in it


def test_a_bundle_holds_each_artifact_as_it_is_at_home(packed: Path, there: Path) -> None:
    bundles.read(there / "small.zip", ArtifactStore(there / "artifacts"), print)
    home = packed / "home" / "artifacts"
    kinds = ("mentions", "inputs", "sentences", "readings", "links")
    ours = {file.relative_to(home): file for kind in kinds for file in (home / kind).rglob("*.*")}
    theirs = {file.relative_to(there / "artifacts"): file for file in (there / "artifacts").rglob("*.*")}
    assert {path: file.read_bytes() for path, file in theirs.items() if file.is_file()} == {
        path: file.read_bytes() for path, file in ours.items() if file.is_file()
    }
    assert {path.parts[0] for path in theirs} == set(kinds)


def test_a_person_can_look_into_it(there: Path) -> None:
    with zipfile.ZipFile(there / "small.zip") as archive:
        about, plain = json.loads(archive.read("bundle.json")), json.loads(archive.read("grid.json"))
        places = {f"artifacts/{one['kind']}/{one['key']}.tar" for one in about["artifacts"]}
        assert set(archive.namelist()) == {"bundle.json", "grid.json", "runs.json", *places}
        assert len(json.loads(archive.read("runs.json"))) == RUNS
    assert (about["format"], about["version"], plain["name"]) == (1, __version__, "small")
    assert about["code"].keys() >= {"harness", "encoder mean", "strategy seq-unshared", "corpus jsonl"}


def test_what_is_there_is_not_prepared_again(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed) -> None:  # fmt: skip
    monkeypatch.setenv("HARNESS_DATA", str(packed / "data"))
    file = tmp_path / "new" / "again.zip"
    assert main(["bundle", str(packed / "small.toml"), str(file), "--home", str(packed / "home")]) == 0
    out, err = printed()
    assert err == ""
    assert out == (
        f"{file}: {RUNS} runs of the grid small, 7 artifacts, 0.02 MB\n"
        "It holds the words and labels, as numbers, of mine (licence: for friends) and news (licence: your own text's); "
        "pass it on only as those allow\n"
        "There: python -m harness run --bundle again.zip; then here, with the home folder that it has there: python -m "
        "harness records merge HOME\n"
    )
    assert main(["bundle", str(packed / "small.toml"), str(file), "--home", str(packed / "home")]) == 0


def test_with_pretrained_nothing_is_pretrained_there(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed) -> None:  # fmt: skip
    monkeypatch.setenv("HARNESS_DATA", str(packed / "data"))
    monkeypatch.chdir(tmp_path)
    narrowed = ["--encoder", "bilstm", "--strategy", "seq-unshared", "--size", "8", "--replicates", "1"]
    shutil.copytree(packed / "home", "here")
    grid = str(packed / "small.toml")
    assert run("--grid", grid, *narrowed, home="here") == 0
    assert "[pretrained] bilstm by seq-unshared" in printed()[1]
    for name, words in (("without.zip", []), ("with.zip", ["--with-pretrained"])):
        assert main(["bundle", grid, name, "--home", "here", *narrowed, *words]) == 0
    assert [line.split(", ")[1] for line in printed()[0].splitlines() if ".zip: " in line] == [
        "5 artifacts", "7 artifacts"
    ]  # fmt: skip
    assert run("--bundle", "with.zip", home="there") == 0
    assert "[pretrained]" not in printed()[1]
    assert records(tmp_path / "there") == records(tmp_path / "here")


def test_flags_that_leave_no_run(packed: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(packed / "data"))
    words = ["bundle", str(packed / "small.toml"), str(packed / "none.zip"), "--home", str(packed / "home")]
    assert told(printed, *words, "--encoder", "handcrafted", "--strategy", "seq-unshared") == (
        "harness: the flags leave no run of the grid 'small'; expected one; leave some out\n"
    )
    assert not (packed / "none.zip").exists()


def test_nothing_but_a_bundle_is_overwritten(there: Path, printed: Printed) -> None:
    (there / "mine.txt").write_text("dear to me")
    (there / "mine.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    for name in ("mine.txt", "mine.zip"):
        assert told(printed, "bundle", "quick", name, "--home", "home") == (
            f"harness: {name} is there already, and is no bundle; move it away, or name another file\n"
        )
    assert told(printed, "bundle", "quick", ".", "--home", "home") == (
        "harness: . is a folder; expected the name of a file, such as grid.zip\n"
    )


# Flags


def test_flags_that_narrow(there: Path, printed: Printed) -> None:
    assert planned(printed, "--bundle", "small.zip").startswith(f"{RUNS} to run, 0 complete")
    narrowed = ("--encoder", "bilstm", "mean", "--strategy", "none", "--size", "S10", "--replicates", "1")
    assert planned(printed, "--bundle", "small.zip", *narrowed).startswith("2 to run, 0 complete")
    assert planned(printed, "--bundle", "small.zip", "--text", "news").startswith("8 to run, 0 complete")
    assert planned(printed, "--bundle", "small.zip", "--corpus", "mine").startswith(f"{RUNS} to run, 0 complete")
    grid = bundles.read(there / "small.zip", ArtifactStore(there / "home" / "artifacts"), print)
    cell = grid.plain["cells"][0]["cell"]
    assert planned(printed, "--bundle", "small.zip", "--cell", cell).startswith("2 to run, 0 complete")


def test_flags_that_name_what_the_bundle_has_not(
    packed: Path, there: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("HARNESS_DATA", str(packed / "data"))
        words = ["--size", "8", "--replicates", "1", "--strategy", "none"]
        assert main(["bundle", str(packed / "small.toml"), "8.zip", "--home", str(packed / "home"), *words]) == 0
    flags = ["--size", "full", "--replicates", "2", "--strategy", "non", "--text", "news.jsonl", "--cell", "x"]
    assert told(printed, *plan_of("--bundle", "8.zip", *flags)).splitlines()[1:] == [
        "harness: --strategy: no strategy in this grid 'non'; did you mean 'none'? Known: none",
        "harness: --text: no text in this grid 'news.jsonl'; Known: none",
        "harness: --size: the grid has no full; it has 8",
        "harness: --replicates: the grid has 1, found 2",
        "harness: --cell: no cell of this grid has a key that begins with 'x'",
    ]


def test_flags_without_a_meaning(there: Path, printed: Printed) -> None:
    words = plan_of("--bundle", "small.zip", "--grid", "quick", "--vectors", "glove.txt", "--strict")
    assert told(printed, *words) == (
        "harness: --grid quick: the bundle holds a grid; leave the flag out, or --bundle\n"
        "harness: --vectors glove.txt: the bundle holds the vectors of its grid; leave the flag out\n"
        "harness: --strict: no corpus is read where a bundle runs; give the flag to python -m harness bundle\n"
    )


# Files that are none, or damaged


def test_files_that_are_no_bundles(there: Path, printed: Printed) -> None:
    (there / "note.txt").write_text("a note")
    with zipfile.ZipFile(there / "other.zip", "w") as archive:
        archive.writestr("other.json", "{}")
    whole = (there / "small.zip").read_bytes()
    (there / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert told(printed, *plan_of("--bundle", "none.zip")) == (
        f"harness: there is no none.zip; expected a bundle: {MAKE} makes one, where the corpora are\n"
    )
    for name in ("note.txt", "cut.zip"):
        assert told(printed, *plan_of("--bundle", name)) == (
            f"harness: {name}: expected a bundle, as {MAKE} writes it, found: File is not a zip file; if it was copied "
            "here, copy it again\n"
        )
    assert told(printed, *plan_of("--bundle", "other.zip")) == (
        f"harness: other.zip: expected a bundle, as {MAKE} writes it, found: a zip file without bundle.json\n"
    )


def without_prepared(about: dict[str, Any]) -> dict[str, Any]:
    return about | {"artifacts": about["artifacts"][1:]}


def test_damaged_bundles(packed: Path, there: Path, printed: Printed) -> None:
    with zipfile.ZipFile(there / "small.zip") as archive:
        (links,) = (name for name in archive.namelist() if name.startswith("artifacts/links/"))
    for changes, what in (
        ({"links": lambda packed: packed + b"\0"}, f"{links}: it does not fit its SHA-256"),
        ({"links": None}, f"{links}: it is not in it"),
        ({"grid": None}, "grid.json: it is not in it"),
        ({"bundle": lambda about: {"version": __version__}}, "bundle.json: no 'format'"),
        ({"bundle": lambda about: about | {"corpora": 1}}, "bundle.json: 'int' object is not iterable"),
        ({"bundle": without_prepared}, "bundle.json: it lacks prepared data of its runs"),
    ):
        altered(there / "small.zip", **changes)
        assert told(printed, *plan_of("--bundle", "altered.zip")) == (
            f"harness: altered.zip is damaged ({what}); copy it again, or make it again: {MAKE}\n"
        )
        shutil.rmtree(there / "home", ignore_errors=True)


def test_a_member_whose_bytes_are_others(there: Path, printed: Printed) -> None:
    file = altered(there / "small.zip")
    file.write_bytes(file.read_bytes().replace(b'"name": "small"', b'"name": "large"'))
    assert told(printed, *plan_of("--bundle", "altered.zip")) == (
        "harness: altered.zip is damaged (grid.json: Bad CRC-32 for file 'grid.json'); copy it again, or make it again: "
        f"{MAKE}\n"
    )


@pytest.fixture(scope="module")
def whole(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> ResolvedGrid:
    """The grid of the bundle."""
    return bundles.read(packed / "small.zip", ArtifactStore(tmp_path_factory.mktemp("whole")), print)


@settings(max_examples=50)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_told_or_without_effect(packed: Path, whole: ResolvedGrid, where: float, bit: int) -> None:
    flipped = bytearray((packed / "small.zip").read_bytes())
    flipped[int(where * len(flipped))] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        file, store = Path(folder) / "flipped.zip", ArtifactStore(Path(folder) / "artifacts")
        file.write_bytes(flipped)
        refused = ""
        try:
            grid = bundles.read(file, store, print)
        except DataError as error:
            refused = str(error)
        assert refused.startswith(str(file)) or grid == whole
        assert refused or not [task for task in tasks_of(grid.runs.values(), store) if task.kind in HERE]


def test_a_damaged_artifact_of_the_home_is_unpacked_again(there: Path, printed: Printed) -> None:
    assert main([*plan_of("--bundle", "small.zip")]) == 0
    assert "7 artifacts of small.zip are in home/artifacts now\n" in printed()[1]
    next((there / "home" / "artifacts" / "mentions").glob("*/tensors.safetensors")).write_bytes(b"")
    assert main([*plan_of("--bundle", "small.zip")]) == 0
    assert "\n1 artifacts of small.zip are in home/artifacts now\n" in printed()[1]


def test_prepared_data_that_goes_while_it_runs(packed: Path, there: Path) -> None:
    store = ArtifactStore(there / "artifacts")
    grid = bundles.read(there / "small.zip", store, print)
    shutil.rmtree(store.root / "links")
    task = next(task for task in tasks_of(grid.runs.values(), store) if task.kind in HERE)
    with pytest.raises(HarnessError) as error:
        prepare(task, grid, store, print)
    assert str(error.value) == (
        f"prepared data that the runs need is gone from {store.root}, and this grid came in a bundle, without its "
        "corpora; run it again: what is missing is unpacked once more"
    )


def test_prepared_data_that_goes_while_it_is_packed(whole: ResolvedGrid, tmp_path: Path) -> None:
    corpus = next(iter(whole.runs.values())).corpus
    with pytest.raises(HarnessError) as error:
        bundles.write(tmp_path / "new.zip", whole, whole.runs, ArtifactStore(tmp_path / "artifacts"))
    assert str(error.value) == (
        f"the artifact mentions {mentions_key(corpus)[:16]} is gone from {tmp_path / 'artifacts'}; make the bundle again"
    )
    assert not list(tmp_path.iterdir())


def test_a_home_that_takes_no_files(there: Path, printed: Printed) -> None:
    (there / "home").mkdir()
    (there / "home" / "artifacts").touch()
    assert told(printed, *plan_of("--bundle", "small.zip")) == (
        "harness: can't write below home/artifacts: Not a directory. Free some space, or choose another folder with "
        "--home\n"
    )


# Versions and code


@pytest.mark.parametrize(("version", "number"), [("9.0", 1), (__version__, 2)])
def test_a_bundle_of_another_version(there: Path, version: str, number: int, printed: Printed) -> None:
    altered(there / "small.zip", bundle=lambda about: about | {"version": version, "format": number})
    assert told(printed, *plan_of("--bundle", "altered.zip")) == (
        f"harness: altered.zip was made by Reprise {version}, in format {number}; expected {__version__} and format 1, "
        f"which are here. Install that version here, or make the bundle again with this one: {MAKE}\n"
    )


ENCODER = """
    import torch
    from harness.contracts import Capability, SequenceEncoder

    class Acme(SequenceEncoder):
        offers = frozenset({Capability.VECTORS})
        reads = "between"

        def __init__(self, width, parameters, generator):
            super().__init__(width, parameters, generator)
            self.hidden_size = width

        @property
        def hidden(self):
            return self.hidden_size

        def encode(self, reading):
            return (reading.inputs() * reading.mask()[..., None]).mean(1)
"""
STRATEGY = """
    import torch
    from dataclasses import dataclass
    from harness.contracts import EntityVectors, Strategy

    @dataclass(frozen=True)
    class _Zeros(EntityVectors):
        def of_names(self, names, generator):
            return torch.zeros(len(names.entity_words), names.word_vectors.shape[1])

    class Zero(Strategy):
        def entity_vectors(self):
            return _Zeros()
"""
CORPUS = """
    from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

    class Tiny(CorpusReader):
        about = About()

        def read(self, path):
            parts = ("train", "train", "train", "dev", "test")
            return Corpus(tuple(
                RelationMention(str(at), ("x", f"w{at}", "y"), Span(0, 1), Span(2, 3), "ab"[at % 2], parts[at % 5])
                for at in range(50)
            ))
"""


@pytest.fixture
def foreign(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of three plugins of others, a bundle of which lies in the working folder as foreign.zip."""
    plugins = [("corpus", "tiny", CORPUS), ("encoder", "acme", ENCODER), ("strategy", "zero", STRATEGY)]
    folders = [make_plugin(*plugin) for plugin in plugins]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    (tmp_path / "v.txt").write_text("x 1 0\ny 0 1\n")
    axes = 'corpora = {name = "tiny", split = "official"}\nencoders = "acme"\nstrategies = "zero"\nvectors = "v.txt"\n'
    (tmp_path / "foreign.toml").write_text(axes + "sizes = [10]\nreplicates = 1\n")
    assert main(["bundle", "foreign.toml", "foreign.zip", "--home", "here"]) == 0
    return folders


def change(folder: Path, old: str, new: str) -> None:
    """Put other code in the place of a plugin's that is installed in a folder, and forget what was imported of it."""
    (file,) = folder.glob("*.py")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    del sys.modules[file.stem]
    importlib.invalidate_caches()
    forget_plugins()


def test_plugins_that_are_not_installed(foreign: list[Path], printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [place for place in sys.path if Path(place) not in foreign])
    forget_plugins()
    lines = told(printed, *plan_of("--bundle", "foreign.zip")).splitlines()
    assert [line.partition(" Known: ")[0] for line in lines] == [
        f"harness: foreign.zip: no {kind} '{name}';"
        for kind, name in (("encoder", "acme"), ("strategy", "zero"), ("corpus", "tiny"))
    ]
    assert [line.partition(". A bundle")[2] for line in lines] == [
        f" holds no code, and its records name that of the {kind}: install the package that it comes from, as it is "
        "where the bundle was made"
        for kind in ("encoder", "strategy", "corpus")
    ]


def test_other_code_that_prepares_the_same_data_is_told(foreign: list[Path], printed: Printed) -> None:
    assert main([*plan_of("--bundle", "foreign.zip")]) == 0
    assert "other code" not in printed()[1]
    change(foreign[0], "range(50)", "range(51)")
    change(foreign[1], "mean(1)", "sum(1)")
    assert main([*plan_of("--bundle", "foreign.zip")]) == 0
    assert printed()[1] == (
        "harness: foreign.zip was made with other code than is here (encoder acme, corpus tiny): where it was made, "
        "the records of its runs will be stale until the code is the same\n"
    )


def test_other_code_that_prepares_other_data_is_refused(foreign: list[Path], printed: Printed) -> None:
    change(foreign[1], 'reads = "between"', 'reads = "paths"')
    assert told(printed, *plan_of("--bundle", "foreign.zip")) == (
        "harness: foreign.zip was made with other code than is here (encoder acme), which would prepare the data "
        "otherwise; expected the same. Install the same version of Reprise and its plugins here, or make the bundle "
        f"again with the code that is here: {MAKE}\n"
    )


def test_no_reader_is_asked_where_a_bundle_runs(foreign: list[Path], printed: Printed) -> None:
    change(foreign[0], "parts = (", "raise SystemExit; parts = (")
    assert run("--bundle", "foreign.zip") == 0
    assert len(records(Path("home"))) == 1
