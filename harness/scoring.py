"""Scores of predicted relations, numpy only: micro- and macro-F1 with and without the negative class.

Every F1 here is 2 right / (proposed + actual), which is 2PR / (P + R) without its divisions by zero: it is 0 where
nothing is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

METRICS: dict[str, str] = {
    "accuracy": "accuracy",
    "micro_f1": "micro-F1 over all classes",
    "micro_f1_positive": "micro-F1 without the negative class, directed",
    "macro_f1_positive": "macro-F1 without the negative class, directed",
    "macro_f1_relations": "macro-F1 over relations, wrong direction counted as wrong (SemEval-2010 Task 8's official)",
}
"""Each metric's name in records and its full name, as it stands in table headers."""


def full_name(metric: str, roles: bool) -> str:
    """The full name of a metric; over relations without direction where the corpus gives the roles.

    >>> full_name("micro_f1_positive", roles=True)
    'micro-F1 without the negative class, undirected'
    """
    name = METRICS[metric]
    return (
        name.replace(", directed", ", undirected").replace(", wrong direction counted as wrong", "") if roles else name
    )


def score(
    gold: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str], negative: str | None
) -> dict[str, float]:
    """Score `predicted` against `gold` by every metric of `METRICS`, as finite fractions from 0 to 1.

    Macro means are over the classes, or relations, that have gold mentions, as in the official scorer of SemEval-2010
    Task 8 (v1.2): what is only predicted has no F1 of its own, but costs the classes that it was taken from their
    recall, and micro-F1 its precision. Where no class is left to average or to count, the score is 0. Without a
    negative class, micro-F1 is accuracy.

    Parameters
    ----------
    gold, predicted: (N,) integers
        Rows of `classes`. N = 0 is a ValueError, because no score of nothing is true; so are arrays of two lengths
        and indices outside `classes`.
    classes:
        The corpus's labels; `R(e1,e2)` and `R(e2,e1)` are the two directions of the relation R.
    negative:
        The label that says that there is no relation; None where every class is a relation. One that `classes`
        lacks is a ValueError: a misspelt one would raise the score.

    >>> score([0, 1, 2, 2], [0, 0, 2, 1], ["R(e1,e2)", "R(e2,e1)", "Other"], "Other")["micro_f1_positive"]
    0.4
    """
    if negative is not None and negative not in classes:
        raise ValueError(f"the negative class must be one of the classes, but '{negative}' is not")
    actual, proposed = _indices("gold", gold, len(classes)), _indices("predicted", predicted, len(classes))
    if len(actual) != len(proposed):
        raise ValueError(f"gold and predicted must be of one length, but got {len(actual)} and {len(proposed)}")
    positive = np.array([label != negative for label in classes])
    relations = [label.removesuffix("(e1,e2)").removesuffix("(e2,e1)") for label in classes]
    relation_of = np.unique(relations, return_inverse=True)[1]
    return {
        "accuracy": float(np.mean(actual == proposed)),
        "micro_f1": _micro(actual, proposed, np.ones_like(positive)),
        "micro_f1_positive": _micro(actual, proposed, positive),
        "macro_f1_positive": _macro(actual, proposed, positive, np.arange(len(classes))),
        "macro_f1_relations": _macro(actual, proposed, positive, relation_of),
    }


def _indices(name: str, values: npt.ArrayLike, classes: int) -> npt.NDArray[np.intp]:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must hold at least one class index in one dimension, but has shape {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must hold integers, but holds {array.dtype}")
    if array.min() < 0 or array.max() >= classes:
        raise ValueError(f"{name} must lie in 0..{classes - 1}, but holds {array.min()}..{array.max()}")
    return array.astype(np.intp)


def _micro(gold: npt.NDArray[np.intp], predicted: npt.NDArray[np.intp], counted: npt.NDArray[np.bool_]) -> float:
    """F1 of all mentions together, over the classes that `counted`, (C,), holds true."""
    right = np.sum(counted[gold] & (gold == predicted))
    total = np.sum(counted[gold]) + np.sum(counted[predicted])
    return float(2 * right / total) if total else 0.0


def _macro(
    gold: npt.NDArray[np.intp],
    predicted: npt.NDArray[np.intp],
    counted: npt.NDArray[np.bool_],
    group: npt.NDArray[np.intp],
) -> float:
    """Mean F1 of the groups of classes with gold mentions; `group`, (C,), names each class's group.

    Only the very class is right: a prediction of the right group's other class is proposed, and not right.
    """
    right, actual, proposed = (
        np.bincount(group[some], minlength=len(group)) for some in (gold[gold == predicted], gold, predicted)
    )
    averaged = np.unique(group[gold[counted[gold]]])
    return float(np.mean(2 * right[averaged] / (actual + proposed)[averaged])) if averaged.size else 0.0
