"""A convolutional network over words and their positions, with one maximum over time (dos Santos et al. 2015)."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.contracts import Batch, Capability, Reading, SequenceEncoder
from harness.parameters import PAPER, parameter

DOS_SANTOS = "dos Santos et al. 2015"


class PositionCNN(SequenceEncoder):
    """h = max over time of tanh(filters * window), a window being tokens side by side: the filters see where they are.

    A token is [its vector; a vector of its distance to mention 1; one of its distance to mention 2]. It is a position
    CNN (Classifying Relations by Ranking, section 2), not the piecewise one of Zeng et al. 2015. Before a reading's
    first token and after its last one stand zeros. Filters and tables of positions serve both readings.

    Filters and their biases start uniform in +-1/sqrt(fan-in), torch's rule, position vectors in +-1/sqrt(their size).
    L2 acts on all position vectors, and AdaGrad's steps are large at first: those of distances that no batch has shrink
    to nothing within some hundred updates.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """What the papers fix, and which readings the classifier gets."""

        hidden: int = parameter(
            200, "filters, and so the width of one reading's vector", unit="dimensions", source=PAPER, at_least=1
        )
        position_size: int = parameter(
            70, "width of the vector of a distance to a mention", unit="dimensions", source=DOS_SANTOS, at_least=1
        )
        window: int = parameter(3, "tokens that a filter spans", unit="tokens", source=DOS_SANTOS, at_least=1)
        clip: int = parameter(50, "a greater distance counts as this one", unit="tokens", at_least=1)
        directions: Literal["both", "forward"] = parameter(
            "both", "readings that the classifier gets: both, or the forward one alone"
        )

    offers = frozenset({Capability.VECTORS, Capability.WEIGHTS, Capability.ENCODE})
    positions = True
    learning_rate = 0.05

    def __init__(self, width: int, parameters: Parameters, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        hidden, size, window = parameters.hidden, parameters.position_size, parameters.window
        self._window, self._clip, self._both = window, parameters.clip, parameters.directions == "both"
        self.word_filters = nn.Parameter(torch.empty(hidden, width, window))
        self.position_filters = nn.Parameter(torch.empty(2, size, window * hidden))  # of distances to either mention
        self.bias = nn.Parameter(torch.empty(hidden))
        self.position_vectors = nn.Parameter(torch.empty(2, 2 * parameters.clip + 1, size))  # from -clip to clip
        fan_in = window * (width + 2 * size)
        drawn = {self.word_filters: fan_in, self.position_filters: fan_in, self.bias: fan_in}
        with torch.no_grad():
            for weight, count in (drawn | {self.position_vectors: size}).items():
                weight.uniform_(-1 / math.sqrt(count), 1 / math.sqrt(count), generator=generator)

    @property
    def hidden(self) -> int:
        return len(self.bias)

    @property
    def size(self) -> int:
        """2H; H where the classifier gets the forward reading alone."""
        return 2 * self.hidden if self._both else self.hidden

    def represent(self, batch: Batch) -> Tensor:
        """[h_1; h_2], (B, 2H); h_1 where the classifier gets the forward reading alone. `encode` takes either."""
        return super().represent(batch) if self._both else self.encode(batch.readings[0])

    def encode(self, reading: Reading) -> Tensor:
        """The strongest answer of each filter, (B, H).

        tanh rises everywhere, so that the maximum of its values is its value at the maximum, gradients too (where
        windows tie, either has one): it is taken once a filter, not once a token.
        """
        inside = reading.mask()
        words = reading.inputs().masked_fill(~inside[..., None], 0).transpose(1, 2)
        answers = functional.conv1d(words, self.word_filters, self.bias, padding=self._window // 2)
        answers = answers[..., : inside.shape[1]].transpose(1, 2) + self._of_positions(reading, inside)
        return answers.max(1).values.tanh()

    def _of_positions(self, reading: Reading, inside: Tensor) -> Tensor:
        """What positions add to each window's answers, (B, T, H); minus infinity after a reading's end.

        Positions are few: each one's part in an answer is worked out once a batch for each place in the window, and
        summed for each token.
        """
        assert reading.positions is not None, "expected a reading with positions, which this encoder asks for"
        taps = torch.arange(self._window, device=inside.device)
        far = min(self._clip, inside.shape[1] - 1)  # no token stands further from a mention than a reading is long
        near = self.position_vectors[:, self._clip - far : self._clip + far + 1]
        beyond = near.shape[1]  # a row of zeros, for what is no token
        parts = (functional.pad(near, (0, 0, 0, 1)) @ self.position_filters).view(-1, self.hidden)

        rows = torch.where(inside[..., None], reading.positions.clamp(-far, far) + far, beyond)
        rows = functional.pad(rows, (0, 0, self._window // 2, self._window - 1 - self._window // 2), value=beyond)
        rows = rows.unfold(1, self._window, 1)  # (B, T, 2, window)
        mentions = torch.arange(2, device=inside.device)[:, None] * (beyond + 1)
        rows = (rows + mentions) * self._window + taps
        summed = functional.embedding_bag(rows.flatten(0, 1).flatten(1), parts, mode="sum").view(*inside.shape, -1)
        return summed.masked_fill(~inside[..., None], -math.inf)
