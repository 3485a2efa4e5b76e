"""The report of a grid: one HTML page that asks no machine for anything, and its figures beside it as SVG and PNG.

It is made of the resolved grid and the records, and is the same to the byte for the same two.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.errors import HarnessError
from harness.records import RecordStore, write_atomically
from harness.report import facts, figures_tuning, tables
from harness.report.arms import Arm, read_arms
from harness.report.board import Progress, progress
from harness.report.claim_vocabulary import Claims
from harness.report.claims import LEGEND as CLAIMS_LEGEND
from harness.report.claims_section import claims_section
from harness.report.drawing import Drawn, Skipped, drawing, saved
from harness.report.figures import KINDS, figures
from harness.report.rows import Grid, Row, full_metric
from harness.report.standings import mark
from harness.report.tables import Entry, Listing
from harness.report.texts import sources_of_text
from harness.report.tuning import tuning_section
from harness.report.variances import LEGEND, csv_of_rows

SECTIONS = {
    "run": "What was run",
    "leaderboard": "Leaderboard",
    "claims": "Claims",
    "tuning": "Tuning",
    "figures": "Figures",
    "refused": "Refused pairs",
    "failed": "Failures",
    "budgets": "Budgets",
    "environments": "Environments",
    "again": "Run it again",
}

_REFERENCE = r'xlink:href="#|url\(#'

POINT = 4 / 3
"""Pixels of a web page, of which an inch has 96, in a point, of which it has 72."""


@dataclass(frozen=True)
class Figure:
    """A figure as it stands in the page; `width` is in pixels."""

    name: str
    where: str
    title: str
    said: str
    notes: Sequence[str]
    listing: Listing | None
    svg: Markup
    width: int


@dataclass(frozen=True)
class Written:
    """What was written: the page and its size in bytes, the names of the figures, and those that were skipped."""

    page: Path
    size: int
    progress: Progress
    figures: Sequence[str]
    skipped: Sequence[Skipped]


def write_report(grid: Grid, records: RecordStore, page: Path, claims: Claims | None = None) -> Written:
    """Write the page, and its figures into the folder `figures` beside it, of report.html, or into `NAME-figures`, of
    NAME.html; figures of an earlier report go.

    `claims` are judged in it where any can be. Raises HarnessError where it can't be written.
    """
    if page.is_dir():
        raise HarnessError(f"{page} is a folder; expected a file. Name one in it: --out {page / 'report.html'}")
    arms = read_arms(grid, records)
    mark(grid, arms)
    folder = figures_folder(page)
    drawn, skipped = _draw(grid, arms, records, folder)
    context = _context(grid, arms, drawn, skipped)
    if claims and (section := claims_section(claims, grid, records)).settings:
        context |= {"claims": section, "claims_title": claims.title, "claims_legend": CLAIMS_LEGEND}
    data = _environment().get_template("page.html.jinja").render(context).encode()
    write_atomically(page, lambda file: file.write(data))
    done = progress([cell.row for arm in arms for cell in arm.cells.values()])
    return Written(page, len(data), done, [figure.name for figure in drawn], skipped)


def figures_folder(page: Path) -> Path:
    """Where the figures of a page are."""
    return page.parent / ("figures" if page.stem == "report" else f"{page.stem}-figures")


def inlined(svg: bytes, prefix: str) -> tuple[Markup, int]:
    """An SVG file of matplotlib as it may stand in a page beside others, and its width in pixels.

    Of its identifiers those stay that it refers to, and begin with `prefix`, for a page may have each once.
    """
    text = svg.decode()
    text = text[text.index("<svg") :]
    width = re.search(r'width="([\d.]+)pt"', text)
    assert width is not None, "matplotlib writes the width in points"
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg [^>]*?)width="[\d.]+pt" height="[\d.]+pt"', r'\1aria-hidden="true"', text, count=1)
    referred = set(re.findall(rf'(?:{_REFERENCE})([^")]+)', text))

    def of_page(tag: re.Match[str]) -> str:
        known = re.sub(r' id="([^"]*)"', lambda at: f' id="{prefix}-{at[1]}"' if at[1] in referred else "", tag[0])
        return re.sub(rf"({_REFERENCE})", rf"\g<1>{prefix}-", known)

    text = re.sub(r"<[^>]+>", of_page, text)  # and not what stands between: letters, in which < is escaped
    return Markup(re.sub(r"\n\s*", "\n", text)), round(float(width[1]) * POINT)


def _draw(grid: Grid, arms: Sequence[Arm], records: RecordStore, folder: Path) -> tuple[list[Figure], list[Skipped]]:
    """Draw and write the figures, one after another."""
    drawn: list[Figure] = []
    skipped: list[Skipped] = []
    with drawing():
        for made in figures(grid, arms, records):
            if isinstance(made, Skipped):
                skipped.append(made)
            else:
                drawn.append(_write(made, f"{made.kind}-{_count(drawn, made.kind) + 1}", folder))
    names = {figure.name for figure in drawn}
    for file in folder.glob("*-*.*"):
        kind = file.stem.rpartition("-")[0]
        if kind in KINDS and file.suffix in (".svg", ".png") and file.stem not in names:
            file.unlink()
    return drawn, skipped


def _count(drawn: Sequence[Figure], kind: str) -> int:
    return sum(figure.name.rpartition("-")[0] == kind for figure in drawn)


def _write(made: Drawn, name: str, folder: Path) -> Figure:
    svg, png = saved(made.figure, "svg"), saved(made.figure, "png")
    for suffix, data in (("svg", svg), ("png", png)):
        write_atomically(folder / f"{name}.{suffix}", lambda file, data=data: file.write(data))  # type: ignore[misc]
    listing = None
    if made.table:
        names = made.table.names
        lines = [
            [Entry(text, _number(text) if at >= names else None) for at, text in enumerate(line)]
            for line in made.table.lines
        ]
        listing = Listing(made.title, made.table.header, names, lines)
    markup, width = inlined(svg, name)
    return Figure(name, made.where, made.title, made.said, made.notes, listing, markup, width)


def _number(text: str) -> float | None:
    """The number that a text begins with, after the sign of a bound."""
    found = re.match(r"[<>]?(-?\d[\d,]*(?:\.\d+)?)", text)
    return float(found[1].replace(",", "")) if found else None


def _context(grid: Grid, arms: Sequence[Arm], drawn: Sequence[Figure], skipped: Sequence[Skipped]) -> dict[str, Any]:
    """What the template is filled with."""
    rows = [cell.row for arm in arms for cell in arm.cells.values()]
    runs, pretrainings = tables.hours(arms)
    spent = f"The runs that have a record took {runs:,.2f} hours" + (
        f", the pre-trainings that they start from {pretrainings:,.2f} hours more." if pretrainings else "."
    )
    of_tuning = [figure for figure in drawn if figure.name.rpartition("-")[0] in figures_tuning.KINDS]
    return {
        "grid": grid,
        "progress": progress(rows).told(),
        "sections": SECTIONS,
        "claims": None,
        "grid_facts": facts.grid_facts(grid, arms),
        "entries": list(_entries(grid, arms)),
        "sources": sources_of_text(grid),
        "variances_legend": LEGEND,
        "tuning": tuning_section(grid),
        "tuning_figures": _grouped(of_tuning),
        "figures": _grouped([figure for figure in drawn if figure not in of_tuning]),
        "skipped": skipped,
        "refusals": tables.refusals(grid),
        "failures": tables.failures(grid, arms),
        "spent": spent,
        "environments": tables.environments(arms),
        "commands": facts.commands(grid),
    }


def _grouped(drawn: Sequence[Figure]) -> list[tuple[str, list[Figure]]]:
    """Figures by the part of the grid that they show."""
    return [(where, list(of_group)) for where, of_group in groupby(drawn, key=lambda figure: figure.where)]


def _entries(grid: Grid, arms: Sequence[Arm]) -> Iterator[dict[str, Any]]:
    """What is said of each corpus entry that has a cell."""
    for place, corpus in enumerate(grid["corpora"]):
        own = [arm for arm in arms if arm.curve.corpus == place]
        rows = [cell.row for arm in own for cell in arm.cells.values()]
        if rows:
            yield {
                "label": corpus["label"],
                "notice": corpus["notice"],
                "facts": facts.corpus_facts(grid, corpus, rows),
                "leaderboard": tables.leaderboard(rows, full_metric(corpus["metric"], corpus)),
                "efficiencies": list(tables.efficiencies(rows)),
                "areas": tables.areas(own, corpus["metric"]),
                "variances": _variances(rows) if grid.get("crossed") else None,
                "budgets": tables.budgets(own),
                "repeats": tables.repeats(grid, own),
            }


def _variances(rows: Sequence[Row]) -> Listing:
    """The table of variances.csv, without what the page says elsewhere."""
    header, *lines = csv.reader(io.StringIO(csv_of_rows(rows)))
    kept = [at for at, name in enumerate(header) if name not in ("cell", "corpus", "split", "metric")]
    names = sum(header[at] in ("encoder", "strategy", "text", "variant") for at in kept)
    return Listing(
        "Where the variance comes from",
        [header[at].replace("_", " ") for at in kept],
        names,
        [[Entry(line[at], _number(line[at])) for at in kept] for line in lines],
    )


def _environment() -> Environment:
    """In which a text stands in the page as it is, whatever it looks like."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
        keep_trailing_newline=True,
    )
