"""What tables tell of unlabelled text and of pre-training on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from harness.report.markdown import escape, table
from harness.report.rows import Grid, Row, before_and_after, each_once, pair_columns

PRETRAINING = (
    "Each pre-training is counted once, however many runs start from it: means, and of the epochs and of the best one "
    "the range; 0 is before the first update. The held-out loss is that before the first update and that of the best "
    "epoch, whose weights are kept; it can be compared within one encoder and strategy alone."
)
EVALUATION_TEXT = (
    "the target's dev and test sentences are part of it, without their labels: what reads it has seen the sentences "
    "that it is scored on"
)

Told = Mapping[str, Any]
Arm = tuple[str, str]
"""A strategy and its variant."""


def text_facts(grid: Grid, corpus: Told, rows: Sequence[Row]) -> list[str]:
    """What is to be known of the texts of these rows, which are those of a corpus of the grid.

    A line for each text and for each group of strategies that read it otherwise, counts and shares being means over
    its samples; then a line for each text with sentences that the runs are scored on.
    """
    by_text: defaultdict[tuple[str, bool], defaultdict[Arm, list[Told]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["texts"]:
            by_text[row["text"], row["with_target"]][row["strategy"], row["variant"]] += row["texts"]
    by_label: defaultdict[str, list[tuple[str, list[Arm], str]]] = defaultdict(list)
    for (label, with_target), by_arm in by_text.items():
        name = f"Text {label}" + " with the target's own sentences" * with_target
        by_label[label] += [(name, arms, _fact(texts)) for arms, texts in _read_alike(by_arm)]
    told = [
        f"{name}{whose}: {fact}"
        for groups in by_label.values()
        for whose, (name, _, fact) in zip(_whose([arms for _, arms, _ in groups]), groups, strict=True)
    ]
    evaluation = dict.fromkeys(row["text"] for row in rows if row["evaluation_text"])
    told += [f"Text {label}: {EVALUATION_TEXT}" for label in evaluation]
    read = {row["text"] for row in rows} - evaluation.keys()
    shared = (fact for text in grid.get("texts") or () if text["label"] in read for fact in _shared(text, corpus))
    return told + list(dict.fromkeys(shared))


def _read_alike(by_arm: Mapping[Arm, Sequence[Told]]) -> list[tuple[list[Arm], list[Told]]]:
    """The groups of arms that read the same, with its different samples.

    One sample that two arms share tells it: runs that failed, or are not there yet, leave others untold.
    """
    groups: list[tuple[list[Arm], list[Told]]] = []
    samples = {arm: each_once(texts) for arm, texts in by_arm.items()}
    for arm in sorted(samples, key=lambda arm: -len(samples[arm])):
        alike = next((group for group in groups if any(text in group[1] for text in samples[arm])), None)
        if alike is None:
            groups.append(([arm], samples[arm]))
            continue
        arms, texts = alike
        arms.append(arm)
        texts += [text for text in samples[arm] if text not in texts]
    return groups


def _fact(texts: Sequence[Told]) -> str:
    mean = {name: fmean(text[name] for text in texts) for name in ("sentences", "mentions", "entities")}
    linked, often = (100 * fmean(text[name] for text in texts) for name in ("linked", "often"))
    over = f" (means over {len(texts)} samples)" if len(texts) > 1 else ""
    return (
        f"{mean['sentences']:,.0f} sentences, {mean['mentions']:,.0f} mentions of {mean['entities']:,.0f} entities"
        f"{over}; of the target's arguments {linked:.1f} % are linked to it, {often:.1f} % to an entity that it "
        "mentions at least five times"
    )


def _whose(groups: Sequence[Sequence[Arm]]) -> list[str]:
    """Which strategies each fact of a text is about, with their variants where a strategy is in several of them."""
    if len(groups) == 1:
        return [""]
    names = [list(dict.fromkeys(strategy for strategy, _ in arms)) for arms in groups]
    if len({name for group in names for name in group}) < sum(map(len, names)):
        names = [[f"{strategy} ({variant})" if variant else strategy for strategy, variant in arms] for arms in groups]
    return [f", for {_listed(group)}" for group in names]


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _shared(text: Told, corpus: Told) -> Iterator[str]:
    """How many of the sentences that the runs are scored on stand in a text; nothing where none do, or none knows."""
    shared, sentences = text.get("shared", {}).get(corpus["label"], (0, 0))
    if not shared:
        return
    label, name = text["label"], text["name"]
    found = f"Text {label}: {shared:,} of {sentences:,} dev and test sentences of the corpus stand in"
    if text["selection"] == "whole":
        yield f"{found} it, without their labels: what reads it has seen sentences that it is scored on"
        return
    yield (
        f"{found} {name}, from which it is chosen, without their labels: what reads it may have seen sentences that it "
        "is scored on"
    )


def sources_of_text(grid: Grid) -> list[str]:
    """What the texts of a grid were chosen from, what was left out there, and what a reader should know of them."""
    lines = []
    for text in grid.get("texts") or ():
        if "counts" not in text:
            continue
        counts, name = text["counts"], text["name"]
        left_out = ", ".join(f"{n:,} {reason}" for reason, n in text["left_out"].items()) or "nothing"
        lines.append(
            f"{name}: {counts['sentences']:,} sentences with at least two linked mentions, {counts['mentions']:,} "
            f"mentions of {counts['entities']:,} entities; left out: {left_out}"
        )
        lines += [f"{name}: {remark}" for remark in text["remarks"]]
    return list(dict.fromkeys(lines))


def pretraining_table(rows: Sequence[Row]) -> str:
    """A line for each encoder, strategy, text and variant that was pre-trained; empty where none was."""
    pretrained = [row for row in rows if row["pretrainings"]]
    if not pretrained:
        return ""
    names = pair_columns(pretrained)
    by_arm: defaultdict[tuple[str, ...], list[Told]] = defaultdict(list)
    for row in pretrained:
        by_arm[tuple(escape(row[name] or "") for name in names)] += row["pretrainings"]
    once = {arm: each_once(found) for arm, found in by_arm.items()}
    numbers = ["pre-trainings", "mentions", "epochs", "best epoch", "held-out loss before", "after", "seconds"]
    shown = table(names, numbers, ([*arm, *_measured(found)] for arm, found in once.items()))
    unmoved = "\n".join(fact for arm, found in once.items() for fact in _unmoved(arm, found))
    return "\n\n".join(part for part in ("### Pre-training", PRETRAINING, shown, unmoved) if part)


def _unmoved(arm: Sequence[str], pretrainings: Sequence[Told]) -> Iterator[str]:
    """How many pre-trainings of an arm never were better than the weights that they began with."""
    count = sum(pretraining["best_epoch"] == 0 for pretraining in pretrainings)
    if count:
        named = ", ".join(filter(None, arm))
        yield f"- {named}: {count} of {len(pretrainings)} kept the first weights, as if not pre-trained"


def _measured(pretrainings: Sequence[Told]) -> Iterator[str]:
    before, after = zip(*map(before_and_after, pretrainings), strict=True)
    yield str(len(pretrainings))
    yield f"{fmean(pretraining['mentions'] for pretraining in pretrainings):,.0f}"
    yield _range([len(pretraining["loss"]) for pretraining in pretrainings])
    yield _range([pretraining["best_epoch"] for pretraining in pretrainings])
    yield f"{fmean(before):.2f}"
    yield f"{fmean(after):.2f}"
    yield f"{fmean(pretraining['seconds'] for pretraining in pretrainings):,.1f}"


def _range(numbers: Sequence[int]) -> str:
    """`3`, or `1 to 3`."""
    least, most = min(numbers), max(numbers)
    return f"{least} to {most}" if least < most else str(least)
