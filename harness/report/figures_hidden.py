"""Hidden vectors of the dev set before and after fine-tuning, as in Li et al. 2016, Figure 4: t-SNE, and in numbers how
close those of one relation lie together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.records import Hidden, Record, RecordStore, Vectors
from harness.report.arms import Arm
from harness.report.drawing import Drawn, Skipped, Style, Table, legend, styles
from harness.report.figures_curves import not_drawn
from harness.report.groups import Group

KIND = "hidden-vectors"
TITLE = "Hidden vectors of the dev set"

TIMES = {"before": "before fine-tuning", "after": "after fine-tuning"}
"""The columns, by their names in a record."""

PERPLEXITY = 30.0
"""t-SNE's: about how many neighbours count; of few mentions a third of them."""

Places = npt.NDArray[np.float32]
Shown = Mapping[Arm, Sequence[Record]]
"""The arms of an encoder, those with random weights first, and their records by replicate."""


def hidden_vectors(group: Group, corpus: Mapping[str, Any], records: RecordStore) -> Iterator[Drawn | Skipped]:
    """A figure for each encoder whose hidden vectors are kept: a row for each strategy, before and after beside each
    other, at the largest size that has them.
    """
    keeping = [arm for arm in group.arms if arm.curve.spec.get("save_hidden")]
    keeping.sort(key=lambda arm: arm.is_pretrained)
    figures = []
    for encoder in group.encoders:
        arms = [arm for arm in keeping if arm.curve.encoder == encoder]
        if found := _at_largest_size(arms, records):
            figures.append(_figure(group, encoder, corpus["classes"], records, *found))
    if figures:
        yield from figures
    elif any(arm.complete for arm in keeping) or not keeping:
        yield Skipped(TITLE, group.title, "no run has saved hidden vectors; save_hidden = true in the grid saves them")
    else:
        yield Skipped(TITLE, group.title, "no cell is complete")


def _at_largest_size(arms: Sequence[Arm], records: RecordStore) -> tuple[int, Shown] | None:
    for size in sorted({size for arm in arms for size in arm.complete}, reverse=True):
        read = {arm: [records.read(run.key) for run in arm.complete[size].runs] for arm in arms if size in arm.complete}
        found = {
            arm: [record for record in of_arm if record]
            for arm, of_arm in read.items()
            if all(record and record.get("hidden") for record in of_arm)
        }
        if found:
            return size, found
    return None


def _figure(group: Group, encoder: str, classes: Sequence[str], records: RecordStore, size: int, shown: Shown) -> Drawn:
    names = {arm: group.name(arm) for arm in shown}
    first = {arm: of_arm[0] for arm, of_arm in shown.items()}
    looks = styles([relation for record in first.values() for relation in record["hidden"]["relations"]])
    where = f"{group.title}\n{encoder}, {size:,} labels"
    figure = Figure(figsize=(6.6, 2.75 * len(shown) + 1.1), layout="constrained")
    axes = figure.subplots(len(shown), len(TIMES), squeeze=False)
    figure.suptitle(where, wrap=True)
    lines, said, without = [], [], []
    for row, (arm, of_arm) in zip(axes, shown.items(), strict=True):
        hidden, lacking = _vectors(records, first[arm])
        if lacking:
            without.append(f"{names[arm]}: {lacking}")
        for axis, (time, words) in zip(row, TIMES.items(), strict=True):
            knn, silhouette = (_over_replicates(of_arm, time, measure) for measure in ("knn", "silhouette"))
            axis.set_title(f"{names[arm]}, {words}\nk-NN {knn}, silhouette {silhouette}")
            _scatter(
                axis, hidden, time, [classes.index(name) for name in first[arm]["hidden"]["relations"]], classes, looks
            )
            lines.append([names[arm], words, knn, silhouette])
            said.append(f"{names[arm]}, {words}: {knn}, {silhouette}")
    legend(figure, list(axes.flat), columns=2)
    told = next(iter(first.values()))["hidden"]
    return Drawn(
        kind=KIND,
        title=TITLE,
        where=group.title,
        said=f"{encoder}, {size:,} labels: k-NN agreement and silhouette of the hidden vectors of {told['mentions']:,} "
        f"dev mentions. {'; '.join(said)}.",
        notes=[
            f"The mentions of the dev set's {len(told['relations'])} most frequent relations. k-NN agreement: the "
            f"share of a mention's {told['k']} nearest others that have its relation. Silhouette: from -1 to 1, above "
            "0 where mentions lie closer to those of their relation than to those of the next one. Both in the space "
            "of the vectors; means and sample deviations over the replicates",
            "Points: t-SNE of the first replicate, each panel by itself. What lies close together in the space of the "
            "vectors lies close together there; larger distances, and the axes, mean nothing",
            *(["Without points, because its vectors are not here: " + "; ".join(without)] if without else []),
            *not_drawn(list(shown), [size]),
        ],
        table=Table(["strategy", "hidden vectors", "k-NN agreement", "silhouette"], 2, lines),
        figure=figure,
    )


def _vectors(records: RecordStore, record: Record) -> tuple[Hidden | None, str]:
    """The hidden vectors of a run; None where they are missing or damaged, with what was found and what to type."""
    try:
        return records.checked_hidden(record), ""
    except ValueError as error:
        return None, f"{error} (python -m harness run --run {record['key'][:16]} --rerun all makes them again)"


def _over_replicates(records: Sequence[Record], time: str, measure: str) -> str:
    """`0.612 ± 0.021`; `0.612` of one replicate; `-` where it is not measured in all."""
    values = [record["hidden"][time][measure] for record in records]
    if None in values:
        return "-"
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):z.3f}{deviation}"


def _scatter(
    axes: Axes,
    hidden: Hidden | None,
    time: str,
    relations: Sequence[int],
    classes: Sequence[str],
    looks: Mapping[str, Style],
) -> None:
    """The mentions of each relation in the plane."""
    axes.set_xticks([])
    axes.set_yticks([])
    if hidden is None:
        return
    among = np.isin(hidden.labels, relations)
    labels = hidden.labels[among]
    places = _in_the_plane(getattr(hidden, time)[among])
    for relation in relations:
        look, (across, up) = looks[classes[relation]], places[labels == relation].T
        axes.plot(across, up, look.marker, color=look.colour, label=classes[relation], markersize=3, markeredgewidth=0)


def _in_the_plane(vectors: Vectors) -> Places:
    """Places of vectors, (M, H), by t-SNE, (M, 2); the same bits for the same vectors on one machine.

    Where vectors are too few, are all the same, or hold no finite numbers, there are none, (M, 2) NaN.
    """
    if min(vectors.shape) < 3 or not np.isfinite(vectors).all() or not np.ptp(vectors, axis=0).any():
        return np.full((len(vectors), 2), np.nan, np.float32)
    from sklearn.manifold import TSNE  # takes a second, and few reports need it
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1):  # the number of threads decides the last bits of a sum, and those every place
        places: Places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(
            vectors.astype(np.float32)
        )
    return places
