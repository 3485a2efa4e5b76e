"""How close the hidden vectors of one relation lie together, in the space of the vectors themselves.

Over the mentions of the dev set's most frequent relations, those that Li et al. 2016, Figure 4, shows by t-SNE. k-NN
agreement is the mean share of a mention's k nearest other mentions that have its relation, by Euclidean distance. Of
those that lie as far as the k-th each counts in part, so that no order of the mentions decides: with one vector for all
entities, mentions with the same words between lie at one place. The silhouette (Rousseeuw 1987) is the mean of
(b - a) / max(a, b), a being a mention's mean distance to the others of its relation and b the least mean distance to
those of another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from harness.records import Classes, Hidden, Vectors

RELATIONS = 5
"""How many of the most frequent relations are looked at."""

NEIGHBOURS = 10
"""k, the nearest other mentions."""


def most_frequent(labels: Classes, negative: int | None = None) -> list[int]:
    """The classes with the most mentions, at most `RELATIONS`, the most frequent first, of equals the earlier class.

    `labels` are (N,); the negative class is no relation.
    """
    counts = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
    order = np.argsort(-counts, kind="stable")
    return [int(label) for label in order if counts[label] and label != negative][:RELATIONS]


def closeness(hidden: Vectors, labels: Classes) -> dict[str, Any]:
    """k-NN agreement, `knn`, and `silhouette` of vectors, (M, H), of which `labels`, (M,), are the relations.

    Both are None where they can't be measured; `reason` says why then.
    """
    if reason := _unmeasured(hidden, labels):
        return {"knn": None, "silhouette": None, "reason": reason}
    from sklearn.metrics import silhouette_score  # takes a second, and few runs need it

    points = hidden.astype(np.float64)
    agreement = np.mean([_agreement(points, labels, at) for at in range(len(points))])
    return {"knn": float(agreement), "silhouette": float(silhouette_score(points, labels)), "reason": None}


def described(hidden: Hidden, classes: Sequence[str], negative: str | None) -> dict[str, Any]:
    """What a record tells of the hidden vectors of a run, whose classes and negative class are given by their names."""
    chosen = most_frequent(hidden.labels, classes.index(negative) if negative is not None else None)
    among = np.isin(hidden.labels, chosen)
    return {
        "relations": [classes[label] for label in chosen],
        "mentions": int(among.sum()),
        "dimension": hidden.before.shape[1],
        "k": NEIGHBOURS,
        "before": closeness(hidden.before[among], hidden.labels[among]),
        "after": closeness(hidden.after[among], hidden.labels[among]),
        "digest": hidden.digest(),
    }


def _agreement(points: npt.NDArray[np.float64], labels: Classes, at: int) -> float:
    """The share of the nearest other mentions of the one at a place that have its relation."""
    others = np.arange(len(points)) != at
    distances = cdist(points[at : at + 1], points)[0, others]
    same = labels[others] == labels[at]
    farthest = np.partition(distances, NEIGHBOURS - 1)[NEIGHBOURS - 1]
    nearer, tied = distances < farthest, distances == farthest
    room = NEIGHBOURS - nearer.sum()
    return float((same[nearer].sum() + room * same[tied].mean()) / NEIGHBOURS)


def _unmeasured(hidden: Vectors, labels: Classes) -> str:
    """Why nothing can be measured; empty where it can."""
    if (relations := len(np.unique(labels))) < 2:
        return f"expected at least 2 relations, found {relations}"
    if len(labels) <= NEIGHBOURS:
        return f"expected more than {NEIGHBOURS} mentions, found {len(labels)}"
    return "" if np.isfinite(hidden).all() else "expected numbers that float16 holds, found others"
