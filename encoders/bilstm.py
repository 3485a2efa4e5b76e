"""One LSTM that reads mention 1, the words between and mention 2 forward and reversed (Zhang et al. 2015)."""

from __future__ import annotations

import dataclasses
from typing import Literal

import torch
from torch import Tensor, nn

from encoders._lstm import VinyalsLSTM, draw_uniform
from harness.contracts import Capability, Reading, SequenceEncoder
from harness.parameters import PAPER, parameter


class BiLSTM(SequenceEncoder):
    """h = [forward; backward], both by the same weights: not ``nn.LSTM(bidirectional=True)``, which has two sets."""

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

    def encode(self, reading: Reading) -> Tensor:
        """The hidden vector after the last token, (B, H)."""
        rows = torch.arange(len(reading.lengths), device=reading.lengths.device)
        return self.states(reading)[rows, reading.lengths - 1]
