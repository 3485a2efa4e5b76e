"""One LSTM that reads up the dependency tree, from each mention to where they meet (Ebrahimi & Dou 2015)."""

from __future__ import annotations

from encoders._lstm import LSTMEncoder


class DependencyTreeLSTM(LSTMEncoder):
    """h = [path of mention 1; path of mention 2], each up to the lowest common ancestor, which stands in both.

    Xu et al. 2015 without the pooling over a path's states and without the channels of tags, relations and hypernyms:
    words alone, and the state after the ancestor. Both paths go through the same weights.
    """

    reads = "paths"
