"""One run in words: what was run, where its record is, what it scored, how it learned, what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.records import COMPLETE, Record
from harness.report.rows import before_and_after
from harness.scoring import METRICS, full_name

Lines = Iterator[tuple[str, str]]


def told_run(record: Record, corpus: Mapping[str, Any] | None, where: Mapping[str, str]) -> str:
    """The record of a run as a page of text.

    `corpus` is the entry of a resolved grid that has the run, None where none is known: what the grid calls it, its
    headline metric, and whether its roles are given. `where` are further lines of the place where it stands.
    """
    spec = record["spec"]
    parts = [f"Run {record['key'][:16]} of cell {record['cell']}: {record['status']}"]
    sections: list[tuple[str, Iterable[tuple[str, str]]]] = [
        ("What", _what(spec, corpus)),
        ("Where", where.items()),
        ("Scores in percent", _scores(record, corpus)),
        ("Learning", _learning(record, corpus)),
        ("Text and pre-training", _pretraining(record)),
        ("Hidden vectors of dev", _hidden(record)),
        ("Seconds", ((name.replace("_", " "), f"{value:,.2f}") for name, value in (record["seconds"] or {}).items())),
        ("Environment", _environment(record["environment"] or {})),
    ]
    parts += [_section(title, list(lines)) for title, lines in sections]
    error = record["error"]
    if error:
        parts.append(f"Error\n  {error['type']}: {error['message']}")
        parts += [error["traceback"].rstrip()] if error.get("traceback") else []
    return "\n\n".join(filter(None, parts)) + "\n"


def _section(title: str, lines: list[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {told}".rstrip() for name, told in lines)]) if lines else ""


def _what(spec: Mapping[str, Any], corpus: Mapping[str, Any] | None) -> Lines:
    own = spec["corpus"]
    told = {name: own.get(name) for name in ("split", "split_seed", "negative", "sample", "reader")}
    yield "corpus", corpus["label"] if corpus else f"{own['name']} ({_written(told)})"
    yield "training labels", f"{spec['size']:,}"
    yield "replicate", f"{spec['replicate']} (it moves {', '.join(spec.get('vary') or ()) or 'nothing'})"
    for name in ("encoder", "strategy"):
        parameters = _written(spec[name]["parameters"])
        yield name, spec[name]["name"] + (f" ({parameters})" if parameters else "")
    for name in ("text", "vectors"):
        if spec.get(name):
            others = {key: value for key, value in spec[name].items() if key not in ("name", "digest")}
            yield name, f"{spec[name]['name']} ({_written(others)}), content {spec[name]['digest']}"
    yield "fine-tuning", _written(spec["training"])


def _written(values: Mapping[str, Any]) -> str:
    """`hidden=200, cell=torch`; what is null is left out."""

    def one(value: Any) -> str:
        if isinstance(value, list):
            return "+".join(map(str, value)) or "none"
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)

    return ", ".join(f"{name}={one(value)}" for name, value in values.items() if value is not None)


def _scores(record: Record, corpus: Mapping[str, Any] | None) -> Lines:
    if record["status"] != COMPLETE:
        return
    roles = bool(corpus and corpus.get("roles"))
    yield "", f"{'dev':>7}{'test':>7}"
    for metric in METRICS:
        shown = (record["scores"][part].get(metric) for part in ("dev", "test"))
        is_headline = corpus is not None and metric == corpus["metric"]
        values = "".join("      -" if score is None else f"{100 * score:7.2f}" for score in shown)
        yield full_name(metric, roles), values + "  (headline)" * is_headline


def _learning(record: Record, corpus: Mapping[str, Any] | None) -> Lines:
    counts = record.get("counts") or {}
    for name in ("train", "dev", "test", "classes", "features", "updates"):
        if name in counts:
            yield name, f"{counts[name]:,}"
    if record.get("best_update") is not None:
        yield "best update", f"{record['best_update']:,}: the weights that were kept, chosen on dev"
    curve = record.get("curve") or {}
    if not curve.get("update"):
        return
    metric = f" {full_name(corpus['metric'], bool(corpus.get('roles')))}" if corpus else ""
    yield "curve", f"update, loss, dev{metric} in percent"
    for update, loss, dev in zip(curve["update"], curve["loss"], curve["dev"], strict=True):
        yield "", f"{update:>6,}  {loss:.4f}  {100 * dev:.2f}"


def _pretraining(record: Record) -> Lines:
    text, pretraining = record.get("text"), record.get("pretraining")
    if text:
        yield "text", f"{text['sentences']:,} sentences, {text['mentions']:,} mentions of {text['entities']:,} entities"
        linked, often = 100 * text["linked"], 100 * text["often"]
        yield "linked", f"{linked:.1f} % of the target's arguments, {often:.1f} % to an entity mentioned five times"
    if pretraining:
        before, after = before_and_after(pretraining)
        yield "mentions", f"{pretraining['mentions']:,}"
        yield "epochs", f"{len(pretraining['loss'])}, of which number {pretraining['best_epoch']} is kept"
        yield "held-out loss", f"{before:.2f} before, {after:.2f} after"
        yield "pre-training took", f"{pretraining['seconds']:,.1f} s, once for all runs that start from it"


def _hidden(record: Record) -> Lines:
    if not (hidden := record.get("hidden")):
        return
    relations = ", ".join(hidden["relations"])
    yield "of", f"{hidden['mentions']:,} mentions of {relations}; {hidden['dimension']:,} numbers each"
    for time in ("before", "after"):
        found = hidden[time]
        yield (
            f"{time} fine-tuning",
            found["reason"]
            or (f"k-NN agreement {found['knn']:.3f} (k = {hidden['k']}), silhouette {found['silhouette']:.3f}"),
        )


def _environment(environment: Mapping[str, Any]) -> Lines:
    for name, value in environment.items():
        yield (
            name,
            ", ".join(f"{room} {digest}" for room, digest in value.items()) if isinstance(value, dict) else str(value),
        )
