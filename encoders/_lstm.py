"""LSTM machinery of the recurrent encoders."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import torch
from torch import Tensor, nn

from harness.contracts import Capability, Reading, SequenceEncoder
from harness.parameters import PAPER, parameter


class VinyalsLSTM(nn.Module):
    """The LSTM of Vinyals et al. 2014 (Grammar as a Foreign Language, section 2.1): no biases, h = m * o without tanh.

    Called and answering like ``nn.LSTM(batch_first=True)``: inputs (B, T, D) and, where it is not 0, (h, c) to start
    from, (1, B, H) each -> states (B, T, H) and (h, c).
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))

    def forward(
        self, inputs: Tensor, start: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if start is None:
            hidden = memory = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        else:
            hidden, memory = start[0][0], start[1][0]
        states = []
        for projected in (inputs @ self.weight_ih.T).unbind(1):  # (B, 4H) a token
            gate_in, gate_forget, candidate, gate_out = (projected + hidden @ self.weight_hh.T).chunk(4, dim=1)
            memory = gate_forget.sigmoid() * memory + gate_in.sigmoid() * candidate.tanh()
            hidden = memory * gate_out.sigmoid()
            states.append(hidden)
        return torch.stack(states, dim=1), (hidden[None], memory[None])


def draw_uniform(lstm: nn.Module, hidden: int, generator: torch.Generator) -> None:
    """torch's LSTM initialisation, uniform in +-1/sqrt(H), drawn from `generator` in place of the global stream."""
    bound = 1 / math.sqrt(hidden)
    with torch.no_grad():
        for weight in lstm.parameters():
            weight.uniform_(-bound, bound, generator=generator)


class LSTMEncoder(SequenceEncoder):
    """One LSTM for both readings; a reading's vector is the hidden vector after its last token."""

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """What the paper fixes, and the cell that it leaves open."""

        hidden: int = parameter(200, "width of one reading's vector", unit="dimensions", source=PAPER, at_least=1)
        cell: Literal["torch", "vinyals"] = parameter(
            "torch", "LSTM cell: torch's, or Vinyals et al. 2014 (no biases, h = m * o without tanh)"
        )

    offers = frozenset(Capability)

    def __init__(self, width: int, parameters: Parameters, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        self.lstm: nn.LSTM | VinyalsLSTM
        if parameters.cell == "torch":
            self.lstm = nn.LSTM(width, parameters.hidden, batch_first=True)
        else:
            self.lstm = VinyalsLSTM(width, parameters.hidden)
        draw_uniform(self.lstm, parameters.hidden, generator)

    @property
    def hidden(self) -> int:
        return self.lstm.hidden_size

    def states(self, reading: Reading) -> Tensor:
        """The hidden vector after every token, (B, T, H); what stands after a reading's end is meaningless."""
        states: Tensor = self.lstm(reading.inputs())[0]
        return states

    def unroll(self, inputs: Tensor, start: Tensor) -> Tensor:
        """The hidden vector after every input, (B, T, D) -> (B, T, H), from `start`, (B, H), with memory 0."""
        states: Tensor = self.lstm(inputs, (start[None], torch.zeros_like(start)[None]))[0]
        return states

    def encode(self, reading: Reading) -> Tensor:
        """The hidden vector after the last token, (B, H)."""
        rows = torch.arange(len(reading.lengths), device=reading.lengths.device)
        return self.states(reading)[rows, reading.lengths - 1]
