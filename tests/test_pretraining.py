"""Pre-training against a plain loop; early stopping; what was killed goes on to the same bits."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from harness import pretraining
from harness.batching import training_batches
from harness.contracts import Batch, Encoder, Objective, UnlabelledMentions
from harness.errors import DataError, DivergedError
from harness.pretraining import Pretraining, Progress
from harness.seeding import numpy_stream, torch_stream

MENTIONS, WIDTH = 103, 3
SETTINGS = Pretraining(learning_rate=0.1, batch_size=8, epochs=3, held_out=0.1, patience=3)

Floats = npt.NDArray[np.float64]


class Weight(Encoder):
    """An encoder that is one vector of weights."""

    def __init__(self) -> None:
        super().__init__(WIDTH, None, torch.Generator())
        self.weight = nn.Parameter(torch.tensor([0.5, -1.0, 0.25]))

    @property
    def size(self) -> int:
        return 1

    def represent(self, batch: Batch) -> Tensor:
        raise AssertionError("nothing is read here")


def weight(encoder: Encoder) -> Tensor:
    assert isinstance(encoder, Weight)
    return encoder.weight


class Line(Objective):
    """Least squares: a mention's number tells its x and y; `bias` is thrown away, noise is added to y."""

    def __init__(self, numbers: list[int] | None = None) -> None:
        super().__init__(Weight())
        self.bias = nn.Parameter(torch.tensor(0.1))
        self.calls: list[tuple[bool, list[int]]] = []
        self._numbers = numbers
        drawn = np.random.default_rng(0)
        self.x = torch.from_numpy(drawn.standard_normal((MENTIONS, WIDTH))).float()
        self.y = torch.from_numpy(drawn.standard_normal(MENTIONS)).float()

    def mentions(self) -> Tensor | None:
        return None if self._numbers is None else torch.tensor(self._numbers)

    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        self.calls.append((self.training, mentions.tolist()))
        noise = torch.randn(len(mentions), generator=generator) / 10
        off = self.x[mentions] @ weight(self.encoder) + self.bias - self.y[mentions] - noise
        return (off**2).mean() / 2


def text(mentions: int = MENTIONS) -> UnlabelledMentions:
    """Mentions of many lengths, of which nothing can be read."""

    def batch(numbers: Tensor) -> Batch:
        raise AssertionError("nothing is read here")

    lengths = torch.from_numpy(np.random.default_rng(1).integers(2, 20, mentions))
    none = torch.zeros(0, 2, dtype=torch.int64)
    return UnlabelledMentions(batch, none, lengths, torch.zeros(1, WIDTH), 1, torch.arange(1))


def run(
    objective: Objective, folder: Path, settings: Pretraining = SETTINGS, replicate: int = 0, mentions: int = MENTIONS
) -> Progress:
    return pretraining.run(objective, text(mentions), settings, replicate, folder / "unfinished" / "key.safetensors")


def weights(objective: Any) -> list[float]:
    found: list[float] = [*objective.encoder.weight.tolist(), objective.bias.item()]
    return found


# The loop


def loop(settings: Pretraining, replicate: int, objective: Line) -> tuple[list[Floats], list[float], list[float]]:
    """By hand, in double precision: the weights after each epoch, the mean losses, those of the held-out mentions."""
    numbers = np.arange(MENTIONS) if objective.mentions() is None else np.array(objective._numbers)
    order = numpy_stream("held-out mentions").permutation(len(numbers))
    count = round(settings.held_out * len(numbers))
    held_out, train = np.sort(numbers[order[:count]]), np.sort(numbers[order[count:]])
    x = np.concatenate([objective.x.double().numpy(), np.ones((MENTIONS, 1))], axis=1)
    y = objective.y.double().numpy()
    lengths = text().lengths.numpy()
    w = np.array([0.5, -1.0, 0.25, 0.1])
    sums = np.full(4, settings.initial_accumulator)

    def off(chosen: npt.NDArray[np.int64], generator: torch.Generator) -> Floats:
        noise = torch.randn(len(chosen), generator=generator).double().numpy() / 10
        difference: Floats = x[chosen] @ w - y[chosen] - noise
        return difference

    def told() -> float:
        generator = torch_stream("held-out noise")
        by_length = held_out[np.argsort(lengths[held_out], kind="stable")]
        batches = [by_length[at : at + settings.batch_size] for at in range(0, len(held_out), settings.batch_size)]
        return sum(float((off(batch, generator) ** 2).sum()) / 2 for batch in batches) / len(held_out)

    after, losses, out = [w.copy()], [], [told()]
    for epoch in range(1, settings.epochs + 1):
        generator = torch_stream("pre-training", replicate, epoch)
        stream = training_batches(
            lengths[train], settings.batch_size, numpy_stream("pre-training order", replicate, epoch)
        )
        found = []
        for places in islice(stream, len(train) // settings.batch_size):
            batch = train[places]
            difference = off(batch, generator)
            found.append(float((difference**2).mean()) / 2)
            gradient = difference @ x[batch] / len(batch) + settings.l2 * w
            sums += gradient**2
            w -= settings.learning_rate * gradient / (np.sqrt(sums) + 1e-10)
        after.append(w.copy())
        losses.append(float(np.mean(found)))
        out.append(told())
    return after, losses, out


@pytest.mark.parametrize(
    ("changed", "replicate", "numbers"),
    [
        ({}, 0, None),
        ({}, 1, None),
        ({"l2": 0.3, "initial_accumulator": 0.5, "learning_rate": 0.03}, 2, None),
        ({"batch_size": 5, "held_out": 0.3}, 0, list(range(1, MENTIONS, 2))),
    ],
    ids=["defaults", "another replicate", "other settings", "of some mentions"],
)
def test_it_is_adagrad_over_batches_of_the_mentions(
    changed: dict[str, Any], replicate: int, numbers: list[int] | None, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, **changed)
    objective = Line(numbers)
    progress = run(objective, tmp_path, settings, replicate)
    after, losses, out = loop(settings, replicate, objective)
    np.testing.assert_allclose(progress.loss, losses, rtol=1e-5)
    np.testing.assert_allclose(progress.held_out, out, rtol=1e-5)
    assert progress.best == int(np.argmin(out)) > 0
    np.testing.assert_allclose(weights(objective), after[progress.best], rtol=1e-4, atol=1e-6)


def test_what_is_held_out_is_never_learned_from(tmp_path: Path) -> None:
    numbers = list(range(0, MENTIONS, 2))
    objective = Line(numbers)
    run(objective, tmp_path)
    train, held_out = (
        {at for trains, batch in objective.calls if trains == way for at in batch} for way in (True, False)
    )
    assert not train & held_out
    assert train | held_out <= set(numbers)
    assert len(held_out) == round(0.1 * len(numbers))
    assert len(train) >= (len(numbers) - len(held_out)) // 8 * 8 - 8


@pytest.mark.parametrize(
    ("mentions", "held_out", "expected"), [(2, 0.02, 1), (20, 0.02, 1), (103, 0.02, 2), (3, 0.9, 2)]
)
def test_of_few_mentions_one_is_held_out_and_one_learned_from(
    mentions: int, held_out: float, expected: int, tmp_path: Path
) -> None:
    objective = Line()
    run(objective, tmp_path, replace(SETTINGS, held_out=held_out, epochs=1), mentions=mentions)
    assert len({at for trains, batch in objective.calls if not trains for at in batch}) == expected
    assert any(trains for trains, _ in objective.calls)


@pytest.mark.parametrize(("numbers", "found"), [([], 0), ([7], 1)])
def test_too_few_mentions_are_told(numbers: list[int], found: int, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        run(Line(numbers), tmp_path)
    assert str(error.value) == (
        f"pre-training: expected at least 2 relation mentions in the text, found {found}; take more sentences of it, or "
        "another text"
    )


# Early stopping


class Scripted(Objective):
    """The held-out losses are written down; training adds to the weight."""

    def __init__(self, held_out: list[float]) -> None:
        super().__init__(Weight())
        self.bias = nn.Parameter(torch.tensor(0.0))
        self.seen: list[list[float]] = []
        self._script = iter(held_out)

    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        if not self.training:
            self.seen.append(weights(self))
            return torch.tensor(next(self._script))
        return -weight(self.encoder).sum() - self.bias


@pytest.mark.parametrize(
    ("held_out", "patience", "epochs", "best"),
    [
        ([5, 4, 3, 2, 1, 0], 1, 5, 5),
        ([5, 4, 4, 3], 1, 2, 1),
        ([5, 4, 4.5, 3, 3.5, 3.25], 2, 5, 3),
        ([5, 6, 4], 1, 1, 0),
        ([5, 6, 7, 8], 3, 3, 0),
        ([5, 5, 5], 2, 2, 0),
    ],
    ids=[
        "to the end",
        "an equal loss is none better",
        "patience",
        "never better",
        "patience, never better",
        "all equal",
    ],
)
def test_it_ends_after_epochs_without_a_better_loss_and_keeps_the_best_weights(
    held_out: list[float], patience: int, epochs: int, best: int, tmp_path: Path
) -> None:
    objective = Scripted(held_out)
    settings = Pretraining(learning_rate=0.1, epochs=5, patience=patience, held_out=1e-9)
    progress = run(objective, tmp_path, settings)
    assert (len(progress.loss), progress.best) == (epochs, best)
    assert progress.held_out == held_out[: epochs + 1]
    assert weights(objective) == objective.seen[best]
    assert len({tuple(seen) for seen in objective.seen}) == epochs + 1


# Divergence


@pytest.mark.parametrize(
    ("trains", "at", "value", "told"),
    [
        (False, 1, "nan", "nan in epoch 0 of 3"),
        (True, 1, "nan", "nan in epoch 1 of 3"),
        (True, 22, "inf", "inf in epoch 2 of 3"),
        (False, 5, "nan", "nan in epoch 2 of 3"),
    ],
)
def test_a_loss_that_is_no_number_is_told(trains: bool, at: int, value: str, told: str, tmp_path: Path) -> None:
    class Diverging(Line):
        def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
            loss = super().loss(mentions, generator)
            calls = sum(training == trains for training, _ in self.calls)
            return loss * float(value) if self.training == trains and calls == at else loss

    with pytest.raises(DivergedError) as error:
        run(Diverging(), tmp_path)
    assert str(error.value) == (
        f"the loss of pre-training became {told}; expected a finite loss. Lower learning_rate of the strategy (now "
        "0.1) or check the vectors' scale"
    )


# Going on


class Interrupted(Line):
    """Stops at one of its batches of training."""

    def __init__(self, at: int, stop: Callable[[], None]) -> None:
        super().__init__()
        self._at = at
        self._stop = stop

    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        loss = super().loss(mentions, generator)
        if sum(trains for trains, _ in self.calls) == self._at:
            self._stop()
        return loss


def trained(objective: Line) -> int:
    return sum(trains for trains, _ in objective.calls)


def give_up() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def undisturbed(tmp_path: Path) -> tuple[list[float], Progress]:
    objective = Line()
    progress = run(objective, tmp_path / "undisturbed", replicate=4)
    return weights(objective), progress


BATCHES = (MENTIONS - round(0.1 * MENTIONS)) // 8
"""Of an epoch."""


@pytest.mark.parametrize("at", [1, BATCHES, BATCHES + 1, 2 * BATCHES + 3])
def test_what_was_stopped_goes_on_after_the_last_whole_epoch_to_the_same_bits(
    at: int, undisturbed: tuple[list[float], Progress], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(at, give_up), tmp_path, replicate=4)
    objective = Line()
    progress = run(objective, tmp_path, replicate=4)
    assert trained(objective) == (3 - (at - 1) // BATCHES) * BATCHES
    assert weights(objective) == undisturbed[0]
    assert (progress.loss, progress.held_out) == (undisturbed[1].loss, undisturbed[1].held_out)
    again = Line()
    run(again, tmp_path, replicate=4)
    assert trained(again) == 0
    assert weights(again) == undisturbed[0]


def test_what_was_killed_goes_on_to_the_same_bits(undisturbed: tuple[list[float], Progress], tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import test_pretraining as here; "
        f"here.run(here.Interrupted({BATCHES + 2}, here.die), Path(sys.argv[1]), replicate=4)"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    objective = Line()
    progress = run(objective, tmp_path, replicate=4)
    assert trained(objective) == 2 * BATCHES
    assert weights(objective) == undisturbed[0]
    assert (progress.loss, progress.held_out) == (undisturbed[1].loss, undisturbed[1].held_out)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes()[:20]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("no checkpoint"),
        flip,
        lambda file: file.write_bytes(re.sub(rb"held_out", rb"held_in_", file.read_bytes(), count=1)),
    ],
    ids=["a byte missing", "the head alone", "empty", "text", "a bit flipped", "other words"],
)
def test_a_damaged_checkpoint_is_as_none(
    damage: Callable[[Path], object], undisturbed: tuple[list[float], Progress], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(BATCHES + 1, give_up), tmp_path, replicate=4)
    (file,) = (tmp_path / "unfinished").iterdir()
    damage(file)
    objective = Line()
    progress = run(objective, tmp_path, replicate=4)
    assert trained(objective) == 3 * BATCHES
    assert weights(objective) == undisturbed[0]
    assert progress.loss == undisturbed[1].loss


@pytest.mark.parametrize("other", [{"l2": 0.1}, {"epochs": 4}, {"replicate": 5}], ids=str)
def test_a_checkpoint_of_another_pre_training_is_as_none(other: dict[str, Any], tmp_path: Path) -> None:
    replicate = other.pop("replicate", 4)
    run(Line(), tmp_path, replace(SETTINGS, **other), replicate)
    objective = Line()
    run(objective, tmp_path, replicate=4)
    assert trained(objective) == 3 * BATCHES


def test_nothing_but_the_checkpoint_is_left(tmp_path: Path) -> None:
    run(Line(), tmp_path)
    assert [file.name for file in (tmp_path / "unfinished").iterdir()] == ["key.safetensors"]


def test_seconds_of_all_attempts_are_counted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(BATCHES + 1, give_up), tmp_path)
    first = run(Line(), tmp_path).seconds
    assert first > 0
    assert run(Line(), tmp_path).seconds == first
