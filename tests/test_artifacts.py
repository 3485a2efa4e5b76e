"""The store of artifacts: made once, found again to the bit, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.artifacts import Artifact, ArtifactStore, fault, remove

KEY = 64 * "a"
MADE = Artifact(
    {
        "words": torch.tensor([[0.1, -0.0], [1e-30, 3.0]]),
        "tokens": torch.tensor([1, 2, 3], dtype=torch.int32),
        "has_vector": torch.tensor([True, False]),
        "none": torch.zeros(0, 5),
    },
    {"classes": ["a", "ä"], "coverage": {"unknown": 0.25}, "features": 3},
)


def assert_same(one: Artifact, two: Artifact) -> None:
    assert one.meta == two.meta
    assert one.tensors.keys() == two.tensors.keys()
    for name, tensor in one.tensors.items():
        assert tensor.dtype == two.tensors[name].dtype
        assert torch.equal(tensor, two.tensors[name])


def never() -> Artifact:
    raise AssertionError("the artifact was made again")


def test_an_artifact_comes_back_as_it_was_made(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "deep" / "artifacts")
    assert store.read("inputs", KEY) is None
    assert store.ensure("inputs", KEY, lambda: MADE) is MADE
    found = store.read("inputs", KEY)
    assert found is not None
    assert_same(found, MADE)
    assert_same(store.ensure("inputs", KEY, never), MADE)


def test_kinds_and_keys_do_not_meet(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.ensure("inputs", KEY, lambda: MADE)
    assert store.read("mentions", KEY) is None
    assert store.read("inputs", 64 * "b") is None
    assert store.folder("inputs", KEY) == tmp_path / "inputs" / KEY[:32]


def test_what_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def broken() -> Artifact:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match=r"^no$"):
        store.ensure("inputs", KEY, broken)
    assert store.read("inputs", KEY) is None
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("error", [OSError("disk"), RuntimeError("no"), KeyboardInterrupt()])
def test_a_folder_that_is_not_finished_never_appears(tmp_path: Path, error: BaseException) -> None:
    store = ArtifactStore(tmp_path)

    def write(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise error

    with pytest.raises(type(error)):
        store.write_folder("vectors", KEY, write)
    assert list((tmp_path / "vectors").iterdir()) == []


def test_the_first_of_two_writers_wins(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def writer(text: str, meanwhile: Callable[[], object]) -> Callable[[Path], None]:
        def write(folder: Path) -> None:
            (folder / "text").write_text(text)
            meanwhile()

        return write

    first = writer("first", lambda: None)
    second = writer("second", lambda: store.write_folder("vectors", KEY, first))
    made = store.write_folder("vectors", KEY, second)
    assert (made / "text").read_text() == "first"
    assert list((tmp_path / "vectors").iterdir()) == [made]


# Damage


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def garble(file: Path) -> None:
    file.write_text("no JSON")


DAMAGE = [
    ("tensors.safetensors", flip, "tensors.safetensors does not fit its SHA-256"),
    ("tensors.safetensors", cut, "tensors.safetensors does not fit its SHA-256"),
    ("tensors.safetensors", Path.unlink, "tensors.safetensors is missing"),
    ("meta.json", flip, "meta.json does not fit its SHA-256"),
    ("meta.json", Path.unlink, "meta.json is missing"),
    ("sha256.json", Path.unlink, "sha256.json: No such file or directory"),
    ("sha256.json", garble, "sha256.json is no table of digests"),
]


@pytest.mark.parametrize(("name", "damage", "told"), DAMAGE)
def test_a_damaged_artifact_is_told_of_removed_and_made_again(
    tmp_path: Path, name: str, damage: Callable[[Path], None], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ArtifactStore(tmp_path)
    store.ensure("inputs", KEY, lambda: MADE)
    folder = store.folder("inputs", KEY)
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert store.has("inputs", KEY)
    damage(folder / name)
    assert fault(folder) == told
    assert capsys.readouterr().err == ""
    assert store.read("inputs", KEY) is None
    assert capsys.readouterr().err == f"harness: {folder} is damaged ({told}); it is made again\n"
    assert list((tmp_path / "inputs").iterdir()) == []
    assert store.ensure("inputs", KEY, lambda: MADE) is MADE
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == whole
    assert_same(store.ensure("inputs", KEY, never), MADE)
    assert capsys.readouterr().err == ""


def test_a_folder_of_files_has_digests_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ArtifactStore(tmp_path)
    assert not store.has("vectors", KEY)

    def write(folder: Path) -> None:
        (folder / "vectors.bin").write_bytes(b"1 2\n")
        (folder / "names").write_text("")

    folder = store.write_folder("vectors", KEY, write)
    assert store.has("vectors", KEY)
    assert sorted(file.name for file in folder.iterdir()) == ["names", "sha256.json", "vectors.bin"]
    (folder / "names").write_text("another")
    assert not store.has("vectors", KEY)
    told = f"harness: {folder} is damaged (names does not fit its SHA-256); it is made again\n"
    assert capsys.readouterr().err == told
    assert not store.has("vectors", KEY)
    assert capsys.readouterr().err == ""


def test_a_file_that_seems_untouched_is_read_once_by_the_store_and_anew_by_fault(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.ensure("inputs", KEY, lambda: MADE)
    assert store.has("inputs", KEY)
    tensors = store.folder("inputs", KEY) / "tensors.safetensors"
    times = tensors.stat()
    flip(tensors)
    os.utime(tensors, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.has("inputs", KEY)
    assert fault(tensors.parent) == "tensors.safetensors does not fit its SHA-256"


def test_reading_tells_when_an_artifact_was_last_of_use(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.ensure("inputs", KEY, lambda: MADE)
    folder = store.folder("inputs", KEY)
    for use in (lambda: store.read("inputs", KEY), lambda: store.has("inputs", KEY)):
        os.utime(folder, (1000, 1000))
        use()
        assert folder.stat().st_mtime > 1000


def test_folders_are_those_of_whole_artifacts(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for kind, key in (("links", KEY), ("inputs", 64 * "b"), ("inputs", KEY)):
        store.ensure(kind, key, lambda: MADE)
    (tmp_path / "inputs" / ".unfinished-x").mkdir()
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "a.safetensors").touch()
    names = [folder.relative_to(tmp_path) for folder in store.folders()]
    assert names == [Path("inputs", 32 * "a"), Path("inputs", 32 * "b"), Path("links", 32 * "a")]


def test_what_another_process_has_removed_is_removed(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.ensure("inputs", KEY, lambda: MADE)
    for _ in range(2):
        remove(store.folder("inputs", KEY))
        assert list((tmp_path / "inputs").iterdir()) == []


def test_a_disk_that_takes_no_times_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(tmp_path)
    store.ensure("inputs", KEY, lambda: MADE)

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(os, "utime", refuse)  # root may write everywhere: no folder is closed to it
    assert store.has("inputs", KEY)
    assert_same(store.ensure("inputs", KEY, never), MADE)
