"""What tables tell of unlabelled text and of pre-training on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from harness.report.markdown import escape, table
from harness.report.rows import Grid, Row, before_and_after, each_once, pair_columns

PRETRAINING = (
    "Each pre-training is counted once, however many runs start from it: means, and of the epochs the range. The "
    "held-out loss is that before the first update and that of the best epoch, whose weights are kept; it can be "
    "compared within a strategy alone."
)
EVALUATION_TEXT = (
    "the target's dev and test sentences are part of it, without their labels: what reads it has seen the sentences "
    "that it is scored on"
)


def text_facts(rows: Sequence[Row]) -> list[str]:
    """A line for each text of these rows, and for each group of strategies that read it otherwise.

    Of several samples the counts and shares are means.
    """
    by_arm: defaultdict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["texts"]:
            by_arm[row["text"], row["strategy"], row["variant"]] += row["texts"]
    by_label: defaultdict[str, defaultdict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for (label, strategy, variant), texts in by_arm.items():
        by_label[label][_fact(each_once(texts))].append((strategy, variant))
    told = [
        f"Text {label}{whose}: {fact}"
        for label, facts in by_label.items()
        for whose, fact in zip(_whose(list(facts.values())), facts, strict=True)
    ]
    evaluation = dict.fromkeys(row["text"] for row in rows if row["evaluation_text"])
    return told + [f"Text {label}: {EVALUATION_TEXT}" for label in evaluation]


def _fact(texts: Sequence[Mapping[str, Any]]) -> str:
    mean = {name: fmean(text[name] for text in texts) for name in ("sentences", "mentions", "entities")}
    linked, often = (100 * fmean(text[name] for text in texts) for name in ("linked", "often"))
    over = f" (means over {len(texts)} samples)" if len(texts) > 1 else ""
    return (
        f"{mean['sentences']:,.0f} sentences, {mean['mentions']:,.0f} mentions of {mean['entities']:,.0f} entities"
        f"{over}; of the target's arguments {linked:.1f} % are linked to it, {often:.1f} % to an entity that it "
        "mentions at least five times"
    )


def _whose(arms: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    """Which strategies each fact of a text is about, with their variants where a strategy is in several of them."""
    if len(arms) == 1:
        return [""]
    names = [list(dict.fromkeys(strategy for strategy, _ in group)) for group in arms]
    if len({name for group in names for name in group}) < sum(map(len, names)):
        names = [[f"{strategy} ({variant})" if variant else strategy for strategy, variant in group] for group in arms]
    return [f", for {' and '.join(group)}" for group in names]


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
    by_arm: defaultdict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in pretrained:
        by_arm[tuple(escape(row[name] or "") for name in names)] += row["pretrainings"]
    numbers = ["pre-trainings", "mentions", "epochs", "held-out loss before", "after", "seconds"]
    lines = [[*arm, *_measured(each_once(found))] for arm, found in by_arm.items()]
    return f"### Pre-training\n\n{PRETRAINING}\n\n{table(names, numbers, lines)}"


def _measured(pretrainings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    epochs = sorted({len(pretraining["loss"]) for pretraining in pretrainings})
    before, after = zip(*map(before_and_after, pretrainings), strict=True)
    yield str(len(pretrainings))
    yield f"{fmean(pretraining['mentions'] for pretraining in pretrainings):,.0f}"
    yield f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else str(epochs[0])
    yield f"{fmean(before):.2f}"
    yield f"{fmean(after):.2f}"
    yield f"{fmean(pretraining['seconds'] for pretraining in pretrainings):,.1f}"
