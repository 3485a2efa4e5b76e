"""`report`: a grid's figures and its page, without torch."""

from __future__ import annotations

import argparse
import sys

from harness.commands.findings import known_names
from harness.commands.records import tell_damaged


def report(asked: argparse.Namespace) -> int:
    """Write a grid's report and tell where it is, and which figures there is no data for."""
    from harness.report.claim_files import read_claims
    from harness.report.page import figures_folder, write_report
    from harness.report.places import records_of_grid
    from harness.report.results import read_resolved

    grid = read_resolved(asked.grid, asked.home, asked.results)
    records = records_of_grid(grid, asked.home, asked.results, lambda line: print(f"harness: {line}", file=sys.stderr))
    page = asked.out or asked.results / grid["name"] / "report.html"
    written = write_report(grid, records, page, read_claims(asked.claims, known_names(grid)))
    tell_damaged(records)
    for one in written.skipped:
        print(f"no figure: {one.title}, {one.where}: {one.reason}")
    print(written.progress.told())
    print(f"{len(written.figures):,} figures, as SVG and PNG: {figures_folder(page)}")
    print(f"{written.size / 1e6:.1f} MB: {page}")
    return 0
