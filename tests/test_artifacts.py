"""The store of artifacts: made once, found again to the bit, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.artifacts import Artifact, ArtifactStore

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
