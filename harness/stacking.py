"""Runs of equal shapes, trained as one stack: on a GPU, several small models take about the time of one.

The weights of the models are stacked, (K, ...), and one model that is vmapped over them scores the batches of all runs.
The loss is the sum of theirs and AdaGrad works on each weight for itself, so that every run takes the steps that it
would take alone, but for the last bits of a sum.

Letters in shapes: K runs, B mentions of a batch, C outputs of the classifier, F features of all runs together.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from harness import registry
from harness.batching import FeatureBatch, Indices, StackedFeatures, StackedInputs, evaluation_batches, to_device
from harness.contracts import Batch, Strategy
from harness.errors import DivergedError
from harness.specs import RunSpec, key_of
from harness.training import Course, Curve, Examples, FineTuning, Model, SparseAdagrad, dense_adagrad, feature_scores

ALIKE = ("corpus", "vectors", "encoder", "training", "size")
"""The fields of a spec that runs of one stack have in common."""

TOLERANCE = 1e-4
"""By how much, relative or absolute, a score of an untrained model in a stack may differ from that alone."""


def stack_key(spec: RunSpec) -> str:
    """Equal for runs that may train as one stack: those that differ in strategy, text and replicate alone, and whose
    strategies all train the encoder or all leave it as it is. A run whose hidden vectors are kept trains alone, and so
    does one with dropout.
    """
    if spec.save_hidden or spec.training.dropout:
        return spec.key
    plain = spec.as_dict()
    strategy: type[Strategy] = registry.load("strategy", spec.strategy.name)
    return key_of({name: plain[name] for name in ALIKE} | {"trainable": strategy.trainable, "tuning": spec.tuning})


class UnlikeAloneError(Exception):
    """A model scores otherwise in a stack than alone: it holds more than its weights, or moves them as it reads."""


class Stack:
    """The models of runs that have one `stack_key`, and what they read.

    The stack has weights of its own; those of the runs stay as they are.
    """

    def __init__(self, runs: Sequence[FineTuning]) -> None:
        first = runs[0]
        self._runs = runs
        self._training, self._device, self._roles = first.training, first.device, first.roles
        self._model = _vmappable(first.model)
        states = [_weights(run.model) for run in runs]
        self._weights = {
            name: torch.stack([state[name].detach() for state in states]).requires_grad_(weight.requires_grad)
            for name, weight in states[0].items()
        }
        self._table = torch.cat([run.model.table for run in runs])  # (F, C)
        self._features = StackedFeatures([run.features for run in runs], self._device)
        inputs = [run.inputs for run in runs if run.inputs is not None]
        self._inputs = StackedInputs(inputs) if inputs else None

    def run(
        self,
        train: Sequence[Examples],
        batches: Sequence[Iterator[Indices]],
        dev: Sequence[Examples],
        dev_scores: Sequence[Callable[[Indices], float]],
    ) -> list[Curve | DivergedError]:
        """Train each run as `FineTuning.run` would, and leave the weights that scored best on its dev.

        The error of a run that diverges is returned in place of its curve, and the others go on. Raises
        UnlikeAloneError, and whatever vmap raises for operations that it does not take.
        """
        self._compare(train)
        courses = [Course(self._training, len(examples.mentions)) for examples in train]
        dense = dense_adagrad(list(self._weights.values()), self._training, self._device)
        sparse = SparseAdagrad(self._table, self._training)
        closed, losses = self._closed(train), torch.zeros(len(train), device=self._device)
        errors: dict[int, DivergedError] = {}
        best: dict[int, list[Tensor]] = {}
        for update in range(1, courses[0].updates + 1):
            losses += self._step(train, [next(order) for order in batches], closed, dense, sparse)
            if update not in courses[0].points:
                continue
            errors |= _diverged(courses, errors, update, losses.tolist())
            if len(errors) == len(courses):
                break
            for run, predicted in enumerate(self.predict(dev)):
                if run not in errors and courses[run].score(dev_scores[run](predicted)):
                    best[run] = [weight.clone() for weight in self._weights_of(run)]
            losses.zero_()
        for run, kept in best.items():
            for weight, value in zip(self._weights_of(run), kept, strict=True):
                weight.copy_(value)
        return [errors.get(run, course.curve) for run, course in enumerate(courses)]

    @torch.no_grad()
    def predict(self, examples: Sequence[Examples]) -> list[Indices]:
        """Predicted output of each mention of each run's examples, of which all runs have as many."""
        closed = self._closed(examples)
        batches = list(zip(*(evaluation_batches(one.lengths) for one in examples), strict=True))
        found = [self._scores(examples, places, closed).argmax(2) for places in batches]
        predicted = [np.empty(len(one.mentions), np.int64) for one in examples]
        for run, outputs in enumerate(torch.cat(found, 1).cpu().numpy() if found else ()):
            predicted[run][np.concatenate([places[run] for places in batches])] = outputs
        return predicted

    @torch.no_grad()
    def scores(self, examples: Sequence[Examples], places: Sequence[Indices]) -> Tensor:
        """What `FineTuning.scores` would be for the mentions at these places of each run's examples, (K, B, C)."""
        return self._scores(examples, places, self._closed(examples))

    def _step(
        self,
        train: Sequence[Examples],
        places: Sequence[Indices],
        closed: Tensor | None,
        dense: torch.optim.Optimizer,
        sparse: SparseAdagrad,
    ) -> Tensor:
        """One update of every run; the loss of each, (K,)."""
        mentions, longest = _at(train, places)
        labels = np.stack([examples.labels[at] for examples, at in zip(train, places, strict=True)])
        features = self._features.batch(mentions)
        rows = self._table[features.touched].requires_grad_()
        scores = self._scores_of(mentions, longest, closed, features, rows).flatten(0, 1)
        each = functional.cross_entropy(scores, to_device(labels.ravel(), self._device), reduction="none")
        losses = each.view(mentions.shape).mean(1)
        dense.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        dense.step()
        if rows.grad is not None:
            sparse.step(features.touched, rows.grad)
        return losses.detach()

    def _scores(self, examples: Sequence[Examples], places: Sequence[Indices], closed: Tensor | None) -> Tensor:
        mentions, longest = _at(examples, places)
        features = self._features.batch(mentions)
        return self._scores_of(mentions, longest, closed, features, self._table[features.touched])

    def _scores_of(
        self, mentions: Indices, longest: int, closed: Tensor | None, features: FeatureBatch, rows: Tensor
    ) -> Tensor:
        """Scores of the mentions, (K, B), of which none is longer than `longest`: (K, B, C)."""
        chosen = to_device(mentions, self._device)
        inputs, size = self._inputs, mentions.shape[1]
        none = FeatureBatch(*(chosen[:0, 0] for _ in range(3)))

        def without_features(weights: dict[str, Tensor], read: tuple[tuple[Tensor, ...], ...]) -> Tensor:
            batch = Batch(size, tuple(inputs.reading(*parts) for parts in read) if inputs else ())
            scores: Tensor = functional_call(self._model, weights, (batch, none, self._table[:0]))
            return scores

        with _Bags():
            scores = vmap(without_features)(self._weights, inputs.readings(chosen, longest) if inputs else ())
        if len(rows):
            scores = scores + feature_scores(features, rows).view_as(scores)
        return scores if closed is None else scores.masked_fill(closed[chosen], -torch.inf)

    def _closed(self, examples: Sequence[Examples]) -> Tensor | None:
        """The outputs that are closed to each mention up to the last of the examples, (N, C); None without roles."""
        if self._roles is None:
            return None
        mentions = np.arange(1 + max(one.mentions.max(initial=-1) for one in examples))
        return self._roles.close(self._table.new_zeros(len(mentions), self._table.shape[1]), mentions).isinf()

    def _weights_of(self, run: int) -> list[Tensor]:
        """All that a run has learned, as views."""
        first, end = self._features.bounds[run : run + 2]
        return [*(weight.detach()[run] for weight in self._weights.values()), self._table[first:end]]

    def _compare(self, train: Sequence[Examples]) -> None:
        """Raises UnlikeAloneError where a run's first mentions have other scores than alone, or their reading moves a
        weight; of an operation that vmap would do slowly, run by run, the warning.
        """
        places = [np.arange(min(self._training.batch_size, len(one.mentions))) for one in train]
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="There is a performance drop")
            stacked = self.scores(train, places)
        for run, examples, at, scores in zip(self._runs, train, places, stacked, strict=True):
            before = {name: weight.clone() for name, weight in _weights(run.model).items()}
            alone = run.scores(examples.mentions[at])
            moved = any(not torch.equal(weight, before[name]) for name, weight in _weights(run.model).items())
            if moved or not torch.allclose(alone, scores, TOLERANCE, TOLERANCE, equal_nan=True):
                raise UnlikeAloneError("expected the scores and the weights of each model alone, found others")


def _at(examples: Sequence[Examples], places: Sequence[Indices]) -> tuple[Indices, int]:
    """The mentions at these places of each run's examples, (K, B), and the tokens of the longest reading of all."""
    pairs = list(zip(examples, places, strict=True))
    return np.stack([one.mentions[at] for one, at in pairs]), max(int(one.lengths[at].max()) for one, at in pairs)


def _diverged(
    courses: Sequence[Course], errors: Mapping[int, DivergedError], update: int, losses: Sequence[float]
) -> dict[int, DivergedError]:
    """The errors of those runs without one yet that have diverged at a dev point; the others have reached it."""
    found = {}
    for run, (course, loss) in enumerate(zip(courses, losses, strict=True)):
        if run not in errors:
            try:
                course.reach(update, loss)
            except DivergedError as error:
                found[run] = error
    return found


def _weights(model: Model) -> dict[str, Tensor]:
    """Parameters and buffers but for the table of features, which differs in size."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: weight for name, weight in named.items() if name != "table"}


def _vmappable(model: Model) -> Model:
    """A copy of the model whose LSTMs are such that vmap takes them, where they can be."""
    copied = copy.deepcopy(model)
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.LSTM and _is_plain(child):
                parent.register_module(name, PlainLSTM(child.input_size, child.hidden_size, child.bias))
    return copied


def _is_plain(lstm: nn.LSTM) -> bool:
    return lstm.num_layers == 1 and lstm.batch_first and not lstm.bidirectional and not lstm.proj_size


class PlainLSTM(nn.LSTM):
    """``nn.LSTM(batch_first=True)`` of one layer and direction in plain operations, for vmap, which does not take it.

    Its weights, of the same names, hold nothing until others are put in their place.
    """

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, input_size: int, hidden_size: int, bias: bool) -> None:
        super().__init__(input_size, hidden_size, bias=bias, batch_first=True, device="meta")

    def forward(  # type: ignore[override]
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Inputs (B, T, D) and, where it is not 0, (h, c) to start from, (1, B, H) each -> states (B, T, H), (h, c)."""
        if not isinstance(input, Tensor) or input.dim() != 3:
            raise NotImplementedError("expected padded inputs, (B, T, D)")
        if hx is None:
            hidden = memory = input.new_zeros(input.shape[0], self.hidden_size)
        else:
            hidden, memory = hx[0][0], hx[1][0]
        states = []
        recurrent, bias = self.weight_hh_l0.T, self.bias_ih_l0 + self.bias_hh_l0 if self.bias else None
        for projected in functional.linear(input, self.weight_ih_l0, bias).unbind(1):  # (B, 4H) a token
            gate_in, gate_forget, candidate, gate_out = (projected + hidden @ recurrent).chunk(4, dim=1)
            memory = gate_forget.sigmoid() * memory + gate_in.sigmoid() * candidate.tanh()
            hidden = gate_out.sigmoid() * memory.tanh()
            states.append(hidden)
        return torch.stack(states, dim=1), (hidden[None], memory[None])


class _Bags(TorchFunctionMode):
    """Leads `functional.embedding_bag`, of bags of one size and without options, to one that vmap takes."""

    PLAIN = ("offsets", "max_norm", "scale_grad_by_freq", "sparse", "per_sample_weights", "padding_idx")
    """Options of which none is asked for."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not functional.embedding_bag:
            return func(*args, **kwargs)
        if any(kwargs[name] is not None and kwargs[name] is not False for name in self.PLAIN):
            return func(*args, **kwargs)
        return _EmbeddingBag.apply(*args, kwargs["mode"])  # type: ignore[no-untyped-call]


class _EmbeddingBag(torch.autograd.Function):
    """The bags of K tables as those of one; see "Extending torch.func with autograd.Function" in torch's manual."""

    @staticmethod
    def forward(rows: Tensor, table: Tensor, mode: str) -> Tensor:
        return functional.embedding_bag(rows, table, mode=mode)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing: gradients go through what `vmap` calls."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, rows: Tensor, table: Tensor, mode: str) -> tuple[Tensor, int]:
        rows, table = (
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip((rows, table), in_dims, strict=False)
        )
        shift = torch.arange(info.batch_size, device=rows.device)[:, None, None] * table.shape[1]
        bags = functional.embedding_bag((rows + shift).flatten(0, 1), table.flatten(0, 1), mode=mode)
        return bags.view(*rows.shape[:2], -1), 0
