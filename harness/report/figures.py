"""The figures of a grid, one after another: those that it has data for, and why the others are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.records import RecordStore
from harness.report import (
    figures_curves,
    figures_efficiency,
    figures_hidden,
    figures_relations,
    figures_texts,
    figures_training,
    figures_tuning,
)
from harness.report.arms import Arm
from harness.report.drawing import MOST_VARIANTS, Drawn, Skipped, Style, styles
from harness.report.groups import Group, groups_of
from harness.report.rows import Grid

KINDS = (
    figures_curves.KIND,
    figures_texts.KIND,
    figures_efficiency.KIND,
    figures_relations.RELATIONS,
    figures_relations.CONFUSION,
    figures_training.DEV,
    figures_training.LOSSES,
    figures_hidden.KIND,
    figures_tuning.HISTORY,
    figures_tuning.IMPORTANCE,
)
"""What the names of their files begin with."""


def figures(grid: Grid, arms: Sequence[Arm], records: RecordStore) -> Iterator[Drawn | Skipped]:
    """The figures of each corpus entry, each followed by those of its next variant, one after another; then how it was
    tuned.

    A name has one style in all of them. To be called, gone through and saved within `drawing`.
    """
    groups = groups_of(grid, arms)
    looks = styles([group.name(arm) for group in groups for arm in group.arms])
    for place, corpus in enumerate(grid["corpora"]):
        own = [group for group in groups if group.place == place]
        if not own:
            yield Skipped("Figures", corpus["label"], "the grid has no cell of it")
            continue
        for group in own[:MOST_VARIANTS]:
            yield from _of_group(group, corpus, records, looks)
        if len(own) > MOST_VARIANTS:
            reason = f"figures are drawn of the first {MOST_VARIANTS} variants, and there are {len(own)}"
            yield Skipped("Figures of further variants", corpus["label"], reason)
        of_corpus = [arm for arm in arms if arm.curve.corpus == place]
        yield from figures_texts.text_curves(corpus["label"], own[0].metric, of_corpus)
    yield from figures_tuning.tuning_figures(grid, looks)


def _of_group(
    group: Group, corpus: Mapping[str, Any], records: RecordStore, looks: dict[str, Style]
) -> Iterator[Drawn | Skipped]:
    yield figures_curves.learning_curves(group, looks)
    yield figures_efficiency.efficiency(group, looks)
    yield figures_relations.relations(group, corpus, records)
    yield figures_relations.confusion(group, corpus, records)
    yield from figures_training.dev_curves(group, looks)
    yield figures_training.pretraining_losses(group, looks)
    yield from figures_hidden.hidden_vectors(group, corpus, records)
