"""One LSTM that reads mention 1, the words between and mention 2 forward and reversed (Zhang et al. 2015)."""

from __future__ import annotations

from encoders._lstm import LSTMEncoder


class BiLSTM(LSTMEncoder):
    """h = [forward; backward], both by the same weights: not ``nn.LSTM(bidirectional=True)``, which has two sets."""
