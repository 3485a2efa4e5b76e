"""Pre-training: an objective over a text's relation mentions, its best weights by held-out loss, a checkpoint an epoch.

The parameters are a building block: those of a strategy that pre-trains are derived from `Pretraining`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.batching import Indices, evaluation_batches, training_batches
from harness.contracts import Objective, UnlabelledMentions
from harness.errors import DataError, DivergedError
from harness.parameters import PAPER, Among, Between, parameter
from harness.seeding import numpy_stream, torch_stream

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Pretraining:
    """AdaGrad over relation mentions, at most some epochs, stopped early by the loss of mentions that are held out."""

    learning_rate: float | None = parameter(
        None,
        "AdaGrad's learning rate in pre-training; nothing: the encoder's own",
        source=PAPER,
        above=0,
        search=Between(0.01, 0.5, log=True),
    )
    l2: float = parameter(1e-5, "L2 weight decay in pre-training", source=PAPER, at_least=0)
    initial_accumulator: float = parameter(0.0, "AdaGrad's accumulator at the start of pre-training", at_least=0)
    batch_size: int = parameter(64, "mentions a batch of pre-training", unit="mentions", source=PAPER, at_least=1)
    epochs: int = parameter(
        10, "most passes over the mentions in pre-training", source=PAPER, at_least=1, search=Among((3, 10))
    )
    held_out: float = parameter(0.02, "share of the mentions that early stopping holds out", above=0, at_most=0.5)
    patience: int = parameter(1, "epochs without a better held-out loss that end pre-training", at_least=1)


@dataclass
class Progress:
    """What pre-training went through: after each epoch, the mean loss a mention in it, and that of those held out.

    `held_out` of epoch 0 is the loss before the first update. `seconds` counts those of earlier attempts too, and
    `mentions` all that the objective learns from, those held out among them.
    """

    mentions: int = 0
    loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def best(self) -> int:
        """The epoch with the lowest held-out loss, the earliest of equals; 0 where none was better than no training."""
        return int(np.argmin(self.held_out))


def run(
    objective: Objective,
    mentions: UnlabelledMentions,
    settings: Pretraining,
    replicate: int,
    checkpoint: Path,
) -> Progress:
    """Minimise the objective and leave the weights of the best epoch in it.

    `replicate` is what the streams of initial weights see; order and noise follow it. After each epoch all that is
    needed to go on stands in the file `checkpoint`: pre-training that was killed goes on with the next epoch, and
    comes to the same bits. Raises DataError where there are too few mentions, DivergedError where the loss is no
    number.
    """
    assert settings.learning_rate is not None, "the grid fills in the encoder's own"
    train, held_out = parts(objective, mentions, settings.held_out)
    optimizer = torch.optim.Adagrad(
        list(objective.parameters()),
        lr=settings.learning_rate,
        weight_decay=settings.l2,
        eps=1e-10,
        initial_accumulator_value=settings.initial_accumulator,
        fused=mentions.vectors.device.type == "cpu" or None,  # one pass over the weights in place of five
    )
    file = _Checkpoint(checkpoint, objective, optimizer, repr((settings, replicate)))
    progress, best = file.read()
    progress.mentions = len(train) + len(held_out)
    if not progress.held_out:
        progress.held_out.append(_held_out_loss(objective, mentions, held_out, settings, 0))
    while len(progress.loss) < settings.epochs and len(progress.loss) - progress.best < settings.patience:
        started = time.perf_counter()
        epoch = len(progress.loss) + 1
        progress.loss.append(_epoch(objective, mentions, train, settings, optimizer, (replicate, epoch)))
        progress.held_out.append(_held_out_loss(objective, mentions, held_out, settings, epoch))
        if progress.best == epoch:
            best = _weights(objective)
        progress.seconds += time.perf_counter() - started
        file.write(progress, best)
    objective.load_state_dict(best)
    return progress


def parts(objective: Objective, mentions: UnlabelledMentions, share: float) -> tuple[Indices, Indices]:
    """The numbers of the mentions to learn from and of those held out, at least one of each.

    Mentions are held out, not sentences: most of those share their sentence with one that is learned from.
    """
    chosen = objective.mentions()
    numbers = np.arange(len(mentions)) if chosen is None else chosen.cpu().numpy()
    if len(numbers) < 2:
        raise DataError(
            f"pre-training: expected at least 2 relation mentions in the text, found {len(numbers)}; take more "
            "sentences of it, or another text"
        )
    order = numbers[numpy_stream("held-out mentions").permutation(len(numbers))]
    count = min(len(order) - 1, max(1, round(share * len(order))))
    return np.sort(order[count:]), np.sort(order[:count])


def _epoch(
    objective: Objective,
    mentions: UnlabelledMentions,
    train: Indices,
    settings: Pretraining,
    optimizer: torch.optim.Optimizer,
    stream: tuple[int, int],
) -> float:
    """As many batches as a pass over the mentions has; the mean loss of a mention.

    Some are of the next pass: a few mentions come twice, and as many not at all.
    """
    generator = torch_stream("pre-training", *stream)
    lengths = mentions.lengths.cpu().numpy()[train]
    batches = training_batches(lengths, settings.batch_size, numpy_stream("pre-training order", *stream))
    count = max(1, len(train) // settings.batch_size)
    total = torch.zeros((), device=mentions.vectors.device)
    objective.train()
    for places in islice(batches, count):
        loss = objective.loss(torch.from_numpy(train[places]), generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach()
    return _finite(float(total) / count, stream[1], settings)


@torch.no_grad()
def _held_out_loss(
    objective: Objective, mentions: UnlabelledMentions, held_out: Indices, settings: Pretraining, epoch: int
) -> float:
    """The mean loss of a mention that is held out; the same draws at every call, so that losses can be compared."""
    generator = torch_stream("held-out noise")
    lengths = mentions.lengths.cpu().numpy()[held_out]
    objective.eval()
    total = 0.0
    for places in evaluation_batches(lengths, settings.batch_size):
        total += float(objective.loss(torch.from_numpy(held_out[places]), generator)) * len(places)
    return _finite(total / len(held_out), epoch, settings)


def _finite(loss: float, epoch: int, settings: Pretraining) -> float:
    if not math.isfinite(loss):
        raise DivergedError(
            f"the loss of pre-training became {loss} in epoch {epoch} of {settings.epochs}; expected a finite loss. "
            f"Lower learning_rate of the strategy (now {settings.learning_rate:g}) or check the vectors' scale"
        )
    return loss


def _weights(objective: Objective) -> Weights:
    return {name: value.detach().cpu().clone() for name, value in objective.state_dict().items()}


class _Checkpoint:
    """A file with all that pre-training needs to go on: weights now and at their best, AdaGrad's sums, the losses.

    `made_with` tells whether it is this pre-training's; one of another, or a damaged one, is as none.
    """

    def __init__(self, file: Path, objective: Objective, optimizer: torch.optim.Optimizer, made_with: str) -> None:
        self._file = file
        self._objective = objective
        self._optimizer = optimizer
        self._made_with = made_with

    def read(self) -> tuple[Progress, Weights]:
        """Put the objective and the optimizer where the checkpoint left them; the progress and the best weights."""
        start = _weights(self._objective)
        try:
            with safe_open(self._file, "pt") as stored:
                told = stored.metadata()
                tensors: Weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            if told["made_with"] != self._made_with or told["sha256"] != _digest(tensors):
                raise ValueError("another pre-training's, or damaged")
            progress = Progress(**json.loads(told["progress"]))
            self._objective.load_state_dict(_below("now.", tensors))
            self._load_sums(tensors)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
            self._objective.load_state_dict(start)
            return Progress(), start
        return progress, _below("best.", tensors)

    def write(self, progress: Progress, best: Weights) -> None:
        """Write the file, whole or not at all."""
        now = {f"now.{name}": value for name, value in _weights(self._objective).items()}
        kept = {f"best.{name}": value for name, value in best.items()}
        sums = {
            f"{name}.{at}": value.detach().cpu().clone()
            for at, weight in enumerate(self._parameters())
            for name, value in self._optimizer.state[weight].items()
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        tensors = now | kept | sums
        told = {"made_with": self._made_with, "progress": json.dumps(asdict(progress)), "sha256": _digest(tensors)}
        try:
            save_file(tensors, unfinished, told)
            os.replace(unfinished, self._file)
        finally:
            unfinished.unlink(missing_ok=True)

    def _parameters(self) -> list[Tensor]:
        return [weight for group in self._optimizer.param_groups for weight in group["params"]]

    def _load_sums(self, tensors: Weights) -> None:
        for at, weight in enumerate(self._parameters()):
            for name, value in self._optimizer.state[weight].items():
                value.copy_(tensors[f"{name}.{at}"])


def _digest(tensors: Weights) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _below(prefix: str, tensors: Weights) -> Weights:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
