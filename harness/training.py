"""Fine-tuning: a multinomial logistic regression over h(x) and the handcrafted features, and the encoder below it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.batching import FeatureBatch, Features, Indices, Inputs, evaluation_batches
from harness.contracts import Batch, Encoder
from harness.directions import RoleMask
from harness.errors import DivergedError
from harness.specs import Training


@dataclass
class Examples:
    """Mentions of a prepared corpus with their labels: what fine-tuning and scoring walk over.

    `mentions`, `labels` and `lengths` are (N,): indices in the prepared corpus, outputs of the classifier, tokens of a
    reading.
    """

    mentions: Indices
    labels: Indices
    lengths: Indices


class Model(nn.Module):
    """Encoder and classifier.

    The dense weights are torch's Linear over h; `table` has a row of C weights for each handcrafted feature. Both
    blocks start uniform in +-1/sqrt(their own width), torch's rule for a linear layer.
    """

    def __init__(self, encoder: Encoder, features: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = encoder
        bound = 1 / math.sqrt(max(1, encoder.size))
        self.weight = nn.Parameter(torch.empty(classes, encoder.size).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(classes).uniform_(-bound, bound, generator=generator))
        bound = 1 / math.sqrt(max(1, features))
        self.register_buffer("table", torch.empty(features, classes).uniform_(-bound, bound, generator=generator))
        self.register_buffer("shift", torch.zeros(encoder.size))
        self.register_buffer("scale", torch.ones(encoder.size))
        self.table: Tensor
        self.shift: Tensor
        self.scale: Tensor

    def forward(self, batch: Batch, features: FeatureBatch, rows: Tensor) -> Tensor:
        """Scores (B, C); `rows` are the touched rows of `table`, handed in so that they can take a gradient."""
        scores = self.bias.expand(batch.size, -1)
        if self.encoder.size:
            hidden = (self.encoder.represent(batch) - self.shift) * self.scale
            scores = functional.linear(hidden, self.weight, self.bias)
        if len(rows):
            scores = scores + functional.embedding_bag(features.rows, rows, features.offsets, mode="sum")
        return scores


class SparseAdagrad:
    """AdaGrad over the rows of a table that a batch touches; L2 acts on those rows only, a stated deviation.

    A step costs what the batch touches, not what the vocabulary holds.
    """

    def __init__(self, table: Tensor, training: Training) -> None:
        self._table = table
        self._accumulator = torch.full_like(table, training.initial_accumulator)
        self._training = training

    def step(self, touched: Tensor, gradient: Tensor) -> None:
        """Move the rows `touched`, (U,), against `gradient`, (U, C)."""
        rows = self._table[touched]
        gradient = gradient + self._training.l2 * rows
        accumulator = self._accumulator[touched].addcmul_(gradient, gradient)
        self._accumulator[touched] = accumulator
        step = gradient / accumulator.sqrt_().add_(self._training.epsilon)
        self._table[touched] = rows.sub_(step, alpha=self._training.learning_rate)


@dataclass
class Curve:
    """What fine-tuning went through: at each dev point, the update, the mean loss since the last, the dev score."""

    update: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    dev: list[float] = field(default_factory=list)

    @property
    def best(self) -> int:
        """The dev point with the highest score, the earliest of equals."""
        return int(np.argmax(self.dev))


class FineTuning:
    """One model with what it reads.

    `inputs` is None for an encoder that reads no vectors, `roles` for a corpus that gives none.
    """

    def __init__(
        self,
        model: Model,
        inputs: Inputs | None,
        features: Features,
        training: Training,
        roles: RoleMask | None = None,
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._features = features
        self._training = training
        self._roles = roles
        self._device = model.bias.device

    def run(
        self, train: Examples, batches: Iterator[Indices], dev: Examples, dev_score: Callable[[Indices], float]
    ) -> Curve:
        """Train on `train` in the order of `batches`, and leave the weights that scored best on dev.

        Raises DivergedError as soon as a dev point finds that the loss is not finite.
        """
        training, model = self._training, self._model
        updates = training.updates(len(train.mentions))
        points = [round(updates * point / training.dev_points) for point in range(1, training.dev_points + 1)]
        dense = torch.optim.Adagrad(
            [weight for weight in model.parameters() if weight.numel() and weight.requires_grad],
            lr=training.learning_rate,
            weight_decay=training.l2,
            eps=training.epsilon,
            initial_accumulator_value=training.initial_accumulator,
            fused=self._device.type == "cpu" or None,  # one pass over the weights in place of five
        )
        sparse = SparseAdagrad(model.table, training)
        curve, best, loss_sum, last = Curve(), {}, torch.zeros((), device=self._device), 0
        for update in range(1, updates + 1):
            loss_sum += self._step(train, next(batches), dense, sparse)
            if update not in points:
                continue
            loss = float(loss_sum) / (update - last)
            if not math.isfinite(loss):
                raise DivergedError(
                    f"the loss became {loss} between update {last} and {update} of {updates}; expected a finite loss. "
                    f"Lower training.learning_rate (now {training.learning_rate:g}) or check the vectors' scale"
                )
            curve.update.append(update)
            curve.loss.append(loss)
            curve.dev.append(dev_score(self.predict(dev)))
            if curve.best == len(curve.dev) - 1:
                best = {name: value.clone() for name, value in model.state_dict().items()}
            loss_sum, last = torch.zeros_like(loss_sum), update
        model.load_state_dict(best)
        return curve

    def _step(self, train: Examples, places: Indices, dense: torch.optim.Optimizer, sparse: SparseAdagrad) -> Tensor:
        mentions = train.mentions[places]
        features = self._features.batch(mentions)
        rows = self._model.table[features.touched].requires_grad_()
        labels = torch.from_numpy(train.labels[places]).to(self._device)
        loss = functional.cross_entropy(self._scores(mentions, features, rows), labels)
        dense.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        dense.step()
        if rows.grad is not None:
            sparse.step(features.touched, rows.grad)
        return loss.detach()

    @torch.no_grad()
    def predict(self, examples: Examples) -> Indices:
        """Predicted output of each mention, (N,)."""
        predicted = np.empty(len(examples.mentions), np.int64)
        for places in evaluation_batches(examples.lengths):
            mentions = examples.mentions[places]
            features = self._features.batch(mentions)
            scores = self._scores(mentions, features, self._model.table[features.touched])
            predicted[places] = scores.argmax(1).cpu().numpy()
        return predicted

    @torch.no_grad()
    def standardise(self, mentions: Indices, lengths: Indices) -> None:
        """Measure mean and deviation of h over unlabelled mentions; from now on the classifier sees h standardised.

        A dimension that never varies is only shifted.
        """
        if self._inputs is None:
            return
        batches = (self._inputs.batch(mentions[places]) for places in evaluation_batches(lengths))
        # In double precision a dimension that never varies has a deviation of exactly 0, and no noise is scaled up.
        hidden = torch.cat([self._model.encoder.represent(batch) for batch in batches]).double()
        deviation = hidden.std(0, correction=0)
        self._model.shift.copy_(hidden.mean(0))
        self._model.scale.copy_(torch.where(deviation > 0, 1 / deviation, 1.0))

    def _scores(self, mentions: Indices, features: FeatureBatch, rows: Tensor) -> Tensor:
        batch = self._inputs.batch(mentions) if self._inputs else Batch(len(mentions))
        scores: Tensor = self._model(batch, features, rows)
        return self._roles.close(scores, mentions) if self._roles else scores
