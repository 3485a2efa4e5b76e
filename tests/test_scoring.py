"""Scores against scikit-learn, against the official rule written out, and against its recorded results."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score  # type: ignore[import-untyped]

from harness.scoring import METRICS, score

CLASSES = ["A(e1,e2)", "A(e2,e1)", "B(e1,e2)", "B(e2,e1)", "C(x)", "Other"]
EXAMPLES = Path(os.environ.get("HARNESS_DATA", "")) / "semeval2010_task8" / "scorer_examples"

labelled = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40).map(
    lambda pairs: ([gold for gold, _ in pairs], [predicted for _, predicted in pairs])
)


def official(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Macro-F1 by the scorer's own rule, (9+1)-way with directionality: precision, recall, wrong directions."""
    scores = []
    for relation in sorted({label.split("(e")[0] for label in gold} - {"Other"}):
        pairs = [
            (g, p, g.split("(e")[0] == relation, p.split("(e")[0] == relation)
            for g, p in zip(gold, predicted, strict=True)
        ]
        right = sum(is_gold and g == p for g, p, is_gold, _ in pairs)
        wrong_direction = sum(is_gold and is_proposed and g != p for g, p, is_gold, is_proposed in pairs)
        proposed = sum(is_proposed for *_, is_proposed in pairs) - wrong_direction
        precision = right / (proposed + wrong_direction) if proposed else 0.0
        recall = right / sum(is_gold for _, _, is_gold, _ in pairs)
        scores.append(2 * precision * recall / (precision + recall) if right else 0.0)
    return sum(scores) / len(scores) if scores else 0.0


@given(labelled)
def test_scores_are_those_of_scikit_learn(pair: tuple[list[int], list[int]]) -> None:
    gold, predicted = pair
    scores = score(gold, predicted, CLASSES, "Other")
    assert scores.keys() == METRICS.keys()
    assert scores["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    assert scores["micro_f1"] == pytest.approx(f1_score(gold, predicted, average="micro"))
    assert scores["micro_f1_positive"] == pytest.approx(
        f1_score(gold, predicted, labels=range(5), average="micro", zero_division=0)
    )
    present = sorted(set(gold) - {5})
    assert scores["macro_f1_positive"] == pytest.approx(
        f1_score(gold, predicted, labels=present, average="macro", zero_division=0) if present else 0
    )


@given(labelled)
def test_relations_are_scored_by_the_official_rule(pair: tuple[list[int], list[int]]) -> None:
    gold, predicted = pair
    expected = official([CLASSES[g] for g in gold], [CLASSES[p] for p in predicted])
    assert score(gold, predicted, CLASSES, "Other")["macro_f1_relations"] == pytest.approx(expected)


@given(labelled)
def test_without_a_negative_class_micro_f1_is_accuracy(pair: tuple[list[int], list[int]]) -> None:
    scores = score(*pair, CLASSES, None)
    assert scores["micro_f1_positive"] == scores["micro_f1"] == scores["accuracy"]


def test_an_example_worked_by_hand() -> None:
    gold = np.array([0, 0, 1, 2, 2, 5])
    predicted = np.array([0, 1, 1, 0, 2, 3])
    assert score(gold, predicted, CLASSES, "Other") == pytest.approx(
        {
            "accuracy": 3 / 6,
            "micro_f1": 3 / 6,
            "micro_f1_positive": 2 * 3 / (5 + 6),
            # A(e1,e2): 1 right, 2 gold, 2 proposed; A(e2,e1): 1, 1, 2; B(e1,e2): 1, 2, 1
            "macro_f1_positive": np.mean([2 * 1 / 4, 2 * 1 / 3, 2 * 1 / 3]),
            # A: 2 right, 3 gold, 4 proposed (one in the wrong direction, one B); B: 1, 2, 2 (one of them Other)
            "macro_f1_relations": np.mean([2 * 2 / 7, 2 * 1 / 4]),
        }
    )


def test_the_wrong_direction_is_wrong_even_where_the_relation_is_right() -> None:
    scores = score([0, 1], [1, 0], CLASSES, "Other")
    assert set(scores.values()) == {0.0}


def test_macro_means_leave_out_classes_without_gold() -> None:
    scores = score([0, 0, 0], [0, 0, 2], CLASSES, "Other")
    assert scores["macro_f1_positive"] == scores["macro_f1_relations"] == pytest.approx(4 / 5)


def test_nothing_but_the_negative_class_scores_zero_without_it() -> None:
    assert score([5, 5], [5, 5], CLASSES, "Other") == {
        "accuracy": 1.0,
        "micro_f1": 1.0,
        "micro_f1_positive": 0.0,
        "macro_f1_positive": 0.0,
        "macro_f1_relations": 0.0,
    }


@pytest.mark.parametrize(
    ("gold", "predicted", "negative", "message"),
    [
        ([], [], "Other", r"gold must hold at least one class index in one dimension, but has shape \(0,\)"),
        ([[0]], [[0]], "Other", r"gold must hold at least one .* shape \(1, 1\)"),
        ([0], [0, 1], "Other", "gold and predicted must be of one length, but got 1 and 2"),
        ([0], [6], "Other", r"predicted must lie in 0\.\.5, but holds 6\.\.6"),
        ([-1, 0], [0, 0], "Other", r"gold must lie in 0\.\.5, but holds -1\.\.0"),
        ([0.0], [0], "Other", "gold must hold integers, but holds float64"),
        ([0], [0], "no_relation", "the negative class must be one of the classes, but 'no_relation' is not"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    gold: list[int], predicted: list[int], negative: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score(gold, predicted, CLASSES, negative)


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="HARNESS_DATA has no semeval2010_task8/scorer_examples")
@pytest.mark.parametrize("example", [1, 2, 3, 5])
def test_the_official_scorers_recorded_results(example: int) -> None:
    def labels(stem: str) -> dict[str, str]:
        return dict(line.split() for line in (EXAMPLES / f"{stem}{example}.txt").read_text().splitlines())

    key, proposed = labels("answer_key"), labels("proposed_answer")
    classes = sorted({"Other", *key.values(), *proposed.values()})
    index = {label: number for number, label in enumerate(classes)}
    gold = [index[label] for label in key.values()]
    predicted = [index[proposed.get(identifier, "Other")] for identifier in key]
    scores = score(gold, predicted, classes, "Other")
    recorded = (EXAMPLES / f"result_scores{example}.txt").read_text()
    directed, _, relations = re.findall(r"MACRO-averaged result.*?F1 = +([\d.]+)%", recorded, re.DOTALL)
    assert f"{100 * scores['macro_f1_positive']:.2f}" == directed
    assert f"{100 * scores['macro_f1_relations']:.2f}" == relations


def test_scoring_needs_no_torch() -> None:
    subprocess.run([sys.executable, "-c", "import harness.scoring, sys; assert 'torch' not in sys.modules"], check=True)
