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

    def forward(self, batch: Batch, features: FeatureBatch, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        """Scores (B, C); `rows` are the touched rows of `table`, handed in so that they can take a gradient, `keep`,
        (B, H), is what h is multiplied with.
        """
        scores = self.bias.expand(batch.size, -1)
        if self.encoder.size:
            hidden = (self.encoder.represent(batch) - self.shift) * self.scale
            hidden = hidden if keep is None else hidden * keep
            scores = functional.linear(hidden, self.weight, self.bias)
        return scores + feature_scores(features, rows) if len(rows) else scores


def feature_scores(features: FeatureBatch, rows: Tensor) -> Tensor:
    """What the features add to the scores, (B, C); `rows` are the touched rows of the table, at least one."""
    return functional.embedding_bag(features.rows, rows, features.offsets, mode="sum")


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


class Course:
    """The fine-tuning of one run as it goes: how many updates, at which of them dev is scored, what was found there.

    Parameters
    ----------
    training: Training
    size: int
        Training mentions.
    """

    def __init__(self, training: Training, size: int) -> None:
        self.updates = training.updates(size)
        self.points = [round(self.updates * point / training.dev_points) for point in range(1, training.dev_points + 1)]
        self.curve = Curve()
        self._learning_rate = training.learning_rate

    def reach(self, update: int, loss_sum: float) -> None:
        """Note a dev point, and the losses since the last one; raises DivergedError where they are not finite."""
        last = self.curve.update[-1] if self.curve.update else 0
        loss = loss_sum / (update - last)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss} between update {last} and {update} of {self.updates}; expected a finite loss. "
                f"Lower training.learning_rate (now {self._learning_rate:g}) or check the vectors' scale"
            )
        self.curve.update.append(update)
        self.curve.loss.append(loss)

    def score(self, dev: float) -> bool:
        """Note the dev score of the point that was reached; whether all before it were worse."""
        self.curve.dev.append(dev)
        return self.curve.best == len(self.curve.dev) - 1


def dense_adagrad(weights: list[Tensor], training: Training, device: torch.device) -> torch.optim.Adagrad:
    """AdaGrad over those of the weights that have something to learn."""
    return torch.optim.Adagrad(
        [weight for weight in weights if weight.numel() and weight.requires_grad],
        lr=training.learning_rate,
        weight_decay=training.l2,
        eps=training.epsilon,
        initial_accumulator_value=training.initial_accumulator,
        fused=device.type == "cpu" or None,  # one pass over the weights in place of five
    )


class FineTuning:
    """One model with what it reads.

    `inputs` is None for an encoder that reads no vectors, `roles` for a corpus that gives none. `generator` draws what
    dropout drops.
    """

    def __init__(
        self,
        model: Model,
        inputs: Inputs | None,
        features: Features,
        training: Training,
        roles: RoleMask | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.features = features
        self.training = training
        self.roles = roles
        self.generator = generator
        self.device = model.bias.device

    def run(
        self, train: Examples, batches: Iterator[Indices], dev: Examples, dev_score: Callable[[Indices], float]
    ) -> Curve:
        """Train on `train` in the order of `batches`, and leave the weights that scored best on dev.

        Raises DivergedError as soon as a dev point finds that the loss is not finite.
        """
        course = Course(self.training, len(train.mentions))
        dense = dense_adagrad(list(self.model.parameters()), self.training, self.device)
        sparse = SparseAdagrad(self.model.table, self.training)
        best, loss_sum = {}, torch.zeros((), device=self.device)
        for update in range(1, course.updates + 1):
            loss_sum += self._step(train, next(batches), dense, sparse)
            if update not in course.points:
                continue
            course.reach(update, float(loss_sum))
            if course.score(dev_score(self.predict(dev))):
                best = {name: value.clone() for name, value in self.model.state_dict().items()}
            loss_sum = torch.zeros_like(loss_sum)
        self.model.load_state_dict(best)
        return course.curve

    def _step(self, train: Examples, places: Indices, dense: torch.optim.Optimizer, sparse: SparseAdagrad) -> Tensor:
        mentions = train.mentions[places]
        features = self.features.batch(mentions)
        rows = self.model.table[features.touched].requires_grad_()
        labels = torch.from_numpy(train.labels[places]).to(self.device)
        loss = functional.cross_entropy(self._scores(mentions, features, rows, self._keep(len(mentions))), labels)
        dense.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        dense.step()
        if rows.grad is not None:
            sparse.step(features.touched, rows.grad)
        return loss.detach()

    def _keep(self, size: int) -> Tensor | None:
        """What dropout multiplies h of `size` mentions with: 0, or what makes up for it; None without dropout."""
        dropped, width = self.training.dropout, self.model.encoder.size
        if not dropped or not width:
            return None
        kept = torch.rand(size, width, generator=self.generator) >= dropped
        return (kept / (1 - dropped)).to(self.device)

    @torch.no_grad()
    def scores(self, mentions: Indices) -> Tensor:
        """Scores of every output for these mentions, (N, C); those of closed outputs are minus infinity."""
        features = self.features.batch(mentions)
        return self._scores(mentions, features, self.model.table[features.touched])

    def predict(self, examples: Examples) -> Indices:
        """Predicted output of each mention, (N,)."""
        predicted = np.empty(len(examples.mentions), np.int64)
        for places in evaluation_batches(examples.lengths):
            predicted[places] = self.scores(examples.mentions[places]).argmax(1).cpu().numpy()
        return predicted

    @torch.no_grad()
    def hidden(self, examples: Examples) -> Tensor | None:
        """h of each mention, (N, size), as the encoder hands it on, not standardised; None of an encoder without."""
        encoder = self.model.encoder
        if self.inputs is None or not encoder.size:
            return None
        was_training = encoder.training
        encoder.eval()
        hidden = torch.empty(len(examples.mentions), encoder.size, device=self.device)
        for places in evaluation_batches(examples.lengths):
            hidden[torch.from_numpy(places)] = encoder.represent(self.inputs.batch(examples.mentions[places]))
        encoder.train(was_training)
        return hidden

    @torch.no_grad()
    def standardise(self, mentions: Indices, lengths: Indices) -> None:
        """Measure mean and deviation of h over unlabelled mentions; from now on the classifier sees h standardised.

        A dimension that never varies is only shifted.
        """
        if self.inputs is None:
            return
        batches = (self.inputs.batch(mentions[places]) for places in evaluation_batches(lengths))
        # In double precision a dimension that never varies has a deviation of exactly 0, and no noise is scaled up.
        hidden = torch.cat([self.model.encoder.represent(batch) for batch in batches]).double()
        deviation = hidden.std(0, correction=0)
        self.model.shift.copy_(hidden.mean(0))
        self.model.scale.copy_(torch.where(deviation > 0, 1 / deviation, 1.0))

    def _scores(self, mentions: Indices, features: FeatureBatch, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        batch = self.inputs.batch(mentions) if self.inputs else Batch(len(mentions))
        scores: Tensor = self.model(batch, features, rows, keep)
        return self.roles.close(scores, mentions) if self.roles else scores
