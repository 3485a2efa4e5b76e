"""`artifacts list`, `verify`, `prune`, and a run after real damage, on what a small grid has really made."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import pretraining, stages
from harness.artifacts import ArtifactStore
from harness.cli import main
from harness.grid import resolve
from harness.records import RecordStore

GRID = """
corpora    = ["synthetic"]
encoders   = [{name = "bilstm", hidden = 8}]
strategies = [{name = "seq-unshared", epochs = 2, negatives = 2}]
vectors    = "own"
texts      = [{name = "synthetic", selection = "random", sentences = 300}]
sizes      = [20]
replicates = 1
[training]
min_updates = 20
max_updates = 20
"""
KINDS = [
    "entity-vectors", "inputs", "links", "mentions", "overlaps", "pretrained", "readings", "sentences", "texts",
    "vectors",
]  # fmt: skip
DAY = 24 * 60 * 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the grid and the home of its run, undisturbed; each test has a copy."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.toml").write_text(GRID)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert run() == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    """The artifacts of a copy of it, the working folder being its own."""
    folder = tmp_path / "work"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return ArtifactStore(folder / "home" / "artifacts")


def home() -> str:
    """Absolute, for a process keeps what it has read by the place of its home."""
    return str(Path.cwd() / "home")


def run(*more: str) -> int:
    return main(["run", "--grid", "small.toml", "--home", home(), "--workers", "0", "--no-mlflow", *more])


def artifacts(*words: str) -> int:
    return main(["artifacts", *words, "--home", home()])


def record() -> dict[str, Any]:
    """The one record, without what differs from time to time."""
    records = RecordStore(Path(home()) / "records")
    (found,) = records.read_all(records.keys()).values()
    assert found["error"] is None
    del found["seconds"], found["finished"], found["pretraining"]["seconds"]
    return dict(found)


def content(store: ArtifactStore) -> dict[str, Any]:
    """All that artifacts hold but the seconds that they took, and gzip's times."""
    found: dict[str, Any] = {}
    for folder in store.folders():
        for file in folder.iterdir():
            name = str(file.relative_to(store.root))
            if file.suffix == ".gz":
                found[name] = gzip.decompress(file.read_bytes())
            elif file.name == "meta.json":
                found[name] = re.sub(r'"seconds": [\d.e-]+', "", file.read_text())
            elif file.name != "sha256.json":
                found[name] = file.read_bytes()
    return found


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def checkpoint(store: ArtifactStore) -> Path:
    """The checkpoint that a killed pre-training leaves: pre-training's own, after its first epoch."""
    grid = resolve("small", GRID, Path(home()))
    (spec,) = grid.runs.values()
    objective, mentions = stages.make_objective(spec, store, torch.device("cpu"))
    settings: Any = stages.make_strategy(spec.strategy).parameters
    file = store.root / "unfinished" / f"{32 * 'c'}.safetensors"
    pretraining.run(objective, mentions, settings, 0, file)
    return file


def told_of(store: ArtifactStore) -> dict[str, Any]:
    (folder,) = (store.root / "pretrained").iterdir()
    told: dict[str, Any] = json.loads((folder / "meta.json").read_text())["told"]
    return told


def test_list_has_a_line_for_each_and_their_sum(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    file = checkpoint(store)
    capsys.readouterr()
    assert artifacts("list") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    folders = list(store.folders())
    assert [folder.parent.name for folder in folders] == KINDS
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    form = re.compile(rf"(\S+) +([0-9a-f]{{16}}) +([\d.]+ (?:B|kB|MB))  made {when}, used {when}  (.+)")
    matches = [form.fullmatch(line) for line in lines]
    rows = [match.groups() for match in matches if match]
    assert len(rows) == len(lines)
    assert [(kind, key) for kind, key, _, _ in rows] == [
        *((folder.parent.name, folder.name[:16]) for folder in folders), ("unfinished", 16 * "c")
    ]  # fmt: skip
    what = {kind: line for kind, _, _, line in rows}
    epochs, held_out = len(told_of(store)["loss"]), told_of(store)["held_out"]
    progress = f"{epochs} epochs, held out {held_out[0]:.1f} -> {min(held_out):.1f}"
    arm = "bilstm by seq-unshared on synthetic (random), sample 0, initialisation 0"
    assert epochs == 2
    assert what["pretrained"] == f"{arm}: {progress}"
    assert what["unfinished"] == f"a pre-training that was killed: {progress}"
    sentences = store.read("sentences", next((store.root / "sentences").iterdir()).name)
    assert sentences is not None
    numbers = sentences.meta["told"]
    assert what["sentences"] == (
        f"synthetic (random): 300 sentences, {numbers['mentions']:,} mentions, {numbers['entities']:,} entities, "
        f"{numbers['tokens']:,} tokens"
    )
    assert what["entity-vectors"] == f"synthetic (random), SkipGram: {numbers['entities']:,} entities"
    assert re.fullmatch(r"synthetic \(random\): \d+ relation mentions", what["readings"])
    assert re.fullmatch(r"synthetic: \d+ entities linked", what["links"])
    assert re.fullmatch(r"synthetic: [\d,]+ words, [\d,]+ entities", what["inputs"])
    assert re.fullmatch(r"synthetic: 4,000 mentions, 29 classes, [\d,]+ features", what["mentions"])
    corpus = "synthetic, split paper, no_relation dropped"
    assert what["overlaps"] == f"{corpus}: 5 of 961 dev and test sentences in synthetic"
    assert re.fullmatch(r"20,000 sentences, [\d,]+ mentions, [\d,]+ entities, [\d,]+ tokens", what["texts"])
    assert re.fullmatch(r"[\d,]+ words, 50 numbers each", what["vectors"])
    bytes_of = dict(zip([*folders, file], (row[2] for row in rows), strict=True))
    assert bytes_of[file] == f"{file.stat().st_size / 1000:.1f} kB"
    total = size(store.root) / 1e6
    assert last == f"10 artifacts, 1 unfinished pre-training, {total:.1f} MB, below {store.root}"


def test_list_of_a_kind(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert artifacts("list", "--kind", "links") == 0
    line, last = capsys.readouterr().out.splitlines()
    (folder,) = (store.root / "links").iterdir()
    assert line.startswith(f"links  {folder.name[:16]}  ")
    assert last == f"1 artifact, {size(folder) / 1000:.1f} kB, below {store.root}"
    assert artifacts("list", "--kind", "unfinished") == 0
    assert capsys.readouterr().out == f"0 artifacts, 0 B, below {store.root}\n"


@pytest.mark.parametrize("verb", ["list", "prune"])
def test_a_kind_that_there_is_not(store: ArtifactStore, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert artifacts(verb, "--kind", "vector") == 2
    known = ", ".join(sorted([*KINDS, "unfinished"]))
    assert capsys.readouterr().err == f"harness: --kind: no kind 'vector'; did you mean 'vectors'? Known: {known}\n"


def test_list_tells_what_cannot_be_read(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = (store.root / "pretrained").iterdir()
    (folder / "meta.json").write_text("{}")
    (store.root / "unfinished").mkdir(exist_ok=True)
    (store.root / "unfinished" / f"{32 * 'c'}.safetensors").write_text("damaged")
    assert artifacts("list", "--kind", "pretrained") == 0
    assert "can't be read; see python -m harness artifacts verify\n" in capsys.readouterr().out
    assert artifacts("list", "--kind", "unfinished") == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("  can't be read")


def test_nothing_is_there_in_a_new_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, told in (
        ("list", f"0 artifacts, 0 B, below {tmp_path}/artifacts"),
        ("verify", "0 artifacts read, 0 damaged"),
        ("prune", "0 B are free again; what a run needs is made again"),
    ):
        assert main(["artifacts", verb, "--home", str(tmp_path)]) == 0
        assert capsys.readouterr().out == f"{told}\n"


# Damage


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def main_file(folder: Path) -> Path:
    return folder / {"texts": "sentences.jsonl.gz", "vectors": "vectors.bin"}.get(
        folder.parent.name, "tensors.safetensors"
    )


def described_in(folder: Path) -> Path:
    return folder / {"texts": "about.json", "vectors": "vectors.bin"}.get(folder.parent.name, "meta.json")


DAMAGE: list[tuple[Callable[[Path], Path], Callable[[Path], None], str]] = [
    (main_file, flip, "does not fit its SHA-256"),
    (main_file, cut, "does not fit its SHA-256"),
    (described_in, Path.unlink, "is missing"),
]


def test_all_that_is_damaged_is_told_of_and_made_again_to_the_same_bits(
    store: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    before, undisturbed = content(store), record()
    lines = []
    for folder, (choose, damage, told) in zip(store.folders(), cycle(DAMAGE), strict=False):
        file = choose(folder)
        damage(file)
        lines.append(f"{folder} is damaged ({file.name} {told}); it is made again")
    assert len(lines) == len(KINDS)
    capsys.readouterr()

    assert artifacts("verify") == 1
    *verified, last = capsys.readouterr().out.splitlines()
    assert verified == [f"{line} when next needed" for line in lines]
    assert last == "10 artifacts read, 10 damaged"

    assert run("--rerun", "all") == 0
    err = capsys.readouterr().err.splitlines()
    assert sorted(line for line in err if "damaged" in line) == [f"harness: {line}" for line in lines]
    assert content(store) == before
    assert record() == undisturbed
    assert artifacts("verify") == 0
    assert capsys.readouterr().out.endswith("10 artifacts read, 0 damaged\n")


def test_verify_reads_anew_and_removes_where_asked(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert artifacts("verify") == 0
    capsys.readouterr()
    (folder,) = (store.root / "links").iterdir()
    times = (folder / "meta.json").stat()
    flip(folder / "meta.json")
    os.utime(folder / "meta.json", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert artifacts("verify", "--remove") == 1
    told = f"{folder} is damaged (meta.json does not fit its SHA-256); it is removed"
    assert capsys.readouterr().out == f"{told}\n10 artifacts read, 1 damaged\n"
    assert list((store.root / "links").iterdir()) == []
    assert artifacts("verify", "--remove") == 0
    assert capsys.readouterr().out == "9 artifacts read, 0 damaged\n"


def test_prune_removes_what_was_not_read_for_long(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    old = {kind: next((store.root / kind).iterdir()) for kind in ("links", "pretrained")}
    for folder in old.values():
        age(folder, 30.5)
    age(next((store.root / "texts").iterdir()), 29.5)
    sizes = {kind: size(folder) for kind, folder in old.items()}
    freed = f"{sum(sizes.values()) / 1000:.1f} kB"
    lines = [
        f"removed: {kind} {folder.name[:16]}, unused for 30 days, {sizes[kind] / 1000:.1f} kB"
        for kind, folder in old.items()
    ]
    assert artifacts("prune", "--dry-run") == 0
    told = "".join(f"would be {line}\n" for line in lines)
    assert capsys.readouterr().out == f"{told}{freed} would be free again; what a run needs is made again\n"
    assert len(list(store.folders())) == 10

    assert artifacts("prune") == 0
    told = "".join(f"{line}\n" for line in lines)
    assert capsys.readouterr().out == f"{told}{freed} are free again; what a run needs is made again\n"
    assert [folder.parent.name for folder in store.folders()] == [kind for kind in KINDS if kind not in old]
    assert artifacts("verify") == 0


def test_prune_of_a_kind_and_of_another_age(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in store.folders():
        age(folder, 1.5)
    assert artifacts("prune", "--kind", "links", "--unused-for", "2") == 0
    assert capsys.readouterr().out == "0 B are free again; what a run needs is made again\n"
    assert artifacts("prune", "--kind", "links", "--unused-for", "1") == 0
    assert re.match(r"removed: links [0-9a-f]{16}, unused for 1 day, ", capsys.readouterr().out)
    assert [folder.parent.name for folder in store.folders()] == [kind for kind in KINDS if kind != "links"]


def test_prune_clears_what_was_half_written_a_day_ago(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    for days, name in ((0.5, "young"), (1.5, "old")):
        folder = store.root / "inputs" / f".unfinished-{name}"
        folder.mkdir()
        (folder / "tensors.safetensors").write_bytes(bytes(70))
        age(folder, days)
        (store.root / "unfinished").mkdir(exist_ok=True)
        temporary = store.root / "unfinished" / f".{name}.safetensors.7"
        temporary.write_bytes(bytes(7))
        age(temporary, days)
    assert artifacts("prune", "--kind", "links") == 0
    assert capsys.readouterr().out == "0 B are free again; what a run needs is made again\n"
    assert artifacts("prune") == 0
    assert capsys.readouterr().out == (
        "removed: inputs/.unfinished-old, half written, 70 B\n"
        "removed: unfinished/.old.safetensors.7, half written, 7 B\n"
        "77 B are free again; what a run needs is made again\n"
    )
    assert not (store.root / "inputs" / ".unfinished-old").exists()
    assert (store.root / "inputs" / ".unfinished-young" / "tensors.safetensors").is_file()
    assert [file.name for file in (store.root / "unfinished").iterdir()] == [".young.safetensors.7"]


def test_prune_takes_checkpoints_where_asked(store: ArtifactStore, capsys: pytest.CaptureFixture[str]) -> None:
    file = checkpoint(store)
    age(file, 40)
    capsys.readouterr()
    told = f"removed: unfinished {16 * 'c'}, unused for 40 days, {file.stat().st_size / 1000:.1f} kB\n"
    assert artifacts("prune") == 0
    assert capsys.readouterr().out == "0 B are free again; what a run needs is made again\n"
    assert artifacts("prune", "--unfinished", "--unused-for", "41") == 0
    assert capsys.readouterr().out == "0 B are free again; what a run needs is made again\n"
    assert artifacts("prune", "--unfinished") == 0
    assert capsys.readouterr().out.startswith(told)
    assert not file.exists()
