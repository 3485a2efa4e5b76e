"""The command line: verbs, flags, exit codes. A room is imported only when its verb runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import __version__
from harness.arguments import (
    FINDINGS,
    add_artifacts,
    add_data,
    add_finding,
    add_grid,
    add_home,
    add_mlflow,
    add_records,
    add_results,
    add_tuning,
    address,
    count,
    count_or_none,
    port,
    seconds,
)
from harness.errors import GridError, HarnessError
from harness.examples import EXAMPLES

Verbs = Any  # argparse keeps the type of what add_subparsers returns to itself

EXIT_CODES = "0 all complete, 1 some run failed or is missing, 2 bad command, grid or data, 130 interrupted"
COMPLETE, INCOMPLETE, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every mistake is told on stderr without a traceback."""
    sys.stdout, sys.stderr = (one or open(os.devnull, "w") for one in (sys.stdout, sys.stderr))  # noqa: SIM115
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        code = _carry_out(asked)
        sys.stdout.flush()
        return code
    except GridError as error:
        for mistake in error.mistakes:
            print(f"harness: {mistake}", file=sys.stderr)
        return MISTAKE
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        return MISTAKE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader, `head` say, has gone
        return COMPLETE
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description="Reprise: which unsupervised pre-training saves how many labels in relation extraction?",
        epilog=f"examples:{EXAMPLES['']}\n\nexit codes: {EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"reprise {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    for name, line in (
        ("run", "run a grid, or the combinations named, and write its results"),
        ("plan", "tell what would run, what is done, what is refused and why, and the time it would take"),
    ):
        made = _verb(verbs, name, line)
        add_home(made)
        _add_selection(made)
        made.add_argument("--bundle", type=Path, metavar="FILE", help="in place of --grid, what `bundle` has packed")
        made.add_argument(
            "--rerun",
            choices=("missing", "failed", "stale", "all"),
            default="missing",
            help="what to run besides the runs without a record: nothing (default), the failed, the stale, all",
        )
        _add_tuned(made)
        _add_workers(made)
        if name == "run":
            _add_rules(made)
            made.add_argument("--fail-fast", action="store_true", help="the first failed run ends it")
            add_results(made)
            add_mlflow(made)
            made.add_argument("--no-mlflow", action="store_true", help="write no MLflow; `sync` catches up")

    tuning = _verb(verbs, "tune", "find each arm's best values by dev, all with the same budget")
    add_home(tuning)
    add_tuning(tuning)
    _add_axes(tuning, "", "")
    _add_workers(tuning)
    _add_rules(tuning)
    add_mlflow(tuning)
    tuning.add_argument("--no-mlflow", action="store_true", help="write no MLflow")

    packed = _verb(verbs, "bundle", "pack what a machine without the corpora needs to run a grid")
    packed.add_argument("grid", metavar="GRID", help="a grid that comes with it, or a TOML file")
    packed.add_argument("file", type=Path, metavar="FILE", help="to write, such as kbp37.zip")
    add_home(packed)
    _add_narrowing(packed, "", "")
    _add_tuned(packed)
    told = "also the entity vectors and pre-trained encoders that are here: less work there, more megabytes"
    packed.add_argument("--with-pretrained", action="store_true", help=told)
    packed.set_defaults(bundle=None, vectors=None)

    listing = _verb(verbs, "list", "list the plugins and grids, importing none")
    listing.add_argument("what", choices=("encoders", "strategies", "corpora", "grids"))
    listing.add_argument("--check", action="store_true", help="import each and say whether it works")

    board = _verb(verbs, "leaderboard", "print a grid's table")
    add_home(board)
    add_results(board)
    add_grid(board)
    formats = ("md", "csv", "json", "latex", "terminal")
    board.add_argument("--format", choices=formats, help="(default: terminal on a terminal, else md)")
    board.add_argument("--metric", metavar="NAME", help="another metric than the corpus's headline")

    page = _verb(verbs, "report", "write a grid's figures, and a page with all that is known of it")
    add_home(page)
    add_results(page)
    add_grid(page)
    told = "the page; its figures go into a folder beside it (default: report.html in the grid's results)"
    page.add_argument("--out", type=Path, metavar="FILE", help=told)
    told = "claims that come with it, or a TOML file, to be judged where the grid can tell (default: paper)"
    page.add_argument("--claims", default="paper", metavar="NAME|FILE", help=told)

    for name, line in FINDINGS.items():
        add_finding(name, _verb(verbs, name, line))

    add_records(_verb(verbs, "records", "list, show, import, merge, export or remove records"))

    add_data(_verb(verbs, "data", "list, fetch, check, show, convert or parse corpora and texts"))

    add_artifacts(_verb(verbs, "artifacts", "list, verify or remove what was made once and is kept"))

    said = _verb(
        verbs, "reconstruct", "show what the decoders of pre-trained encoders say, and how much of it is right"
    )
    add_home(said)
    _add_selection(said)
    said.add_argument("--n", type=count, default=5, metavar="N", help="mentions of the text to show (default: 5)")
    told = "mentions that pre-training held out, or those that it learned from (default: held out)"
    said.add_argument("--held-out", action=argparse.BooleanOptionalAction, default=True, help=told)

    sync = _verb(verbs, "sync", "bring MLflow up to date with the records")
    add_home(sync)
    add_results(sync)
    add_grid(sync)
    add_mlflow(sync)

    ui = _verb(verbs, "ui", "start the MLflow UI on the loopback address")
    add_home(ui)
    add_mlflow(ui)
    ui.add_argument("--port", type=port, default=5000, help="(default: 5000)")

    doctor = _verb(verbs, "doctor", "tell versions, device, store and data found")
    add_home(doctor)
    add_mlflow(doctor)
    return parser


def _add_workers(parser: argparse.ArgumentParser) -> None:
    """Where it runs."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=count_or_none, metavar="N", help="processes; 0: in this one (default: physical cores)"
    )
    where.add_argument(
        "--scheduler",
        type=address,
        metavar="ADDRESS|FILE",
        help="run on this Dask cluster, by its scheduler's address or file",
    )


def _add_rules(parser: argparse.ArgumentParser) -> None:
    """How runs are carried out."""
    told = "longer, a run has failed; needs worker processes"
    parser.add_argument("--run-timeout", type=seconds, metavar="SECONDS", help=told)
    told = "runs that train together (default: 16 on CUDA, else 1)"
    parser.add_argument("--stack", type=count, metavar="N", help=told)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: auto)")


def _add_tuned(parser: argparse.ArgumentParser) -> None:
    """Which values the arms of a grid have."""
    told = "with the values that `tune` found, of this file (default: that of the grid)"
    parser.add_argument("--tuned", nargs="?", const="", metavar="FILE", help=told)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """Which runs: a grid and what narrows it, or flags alone."""
    grid_help = "a grid that comes with it, or a TOML file"
    parser.add_argument("--grid", nargs="?", const="default", metavar="NAME|FILE", help=grid_help)
    _add_narrowing(parser, "; without a grid: what to run", "; without a grid: what strategies read")
    parser.add_argument("--vectors", metavar="FILE", help="word vectors, where no grid names them (default: own)")
    parser.set_defaults(bundle=None)


def _add_narrowing(parser: argparse.ArgumentParser, alone: str, text_alone: str) -> None:
    """Which runs of a grid; the other two are what else the flags mean where they may stand without one."""
    _add_axes(parser, alone, text_alone)
    parser.add_argument("--size", nargs="+", metavar="N", help="only these training sizes: a count, S1 to S10, full")
    parser.add_argument("--replicates", type=count, metavar="N", help="only the first N replicates")
    parser.add_argument("--cell", nargs="+", metavar="KEY", help="only the cells whose keys begin so")
    run_alone = "; without a grid: of the one that has it" if alone else ""
    parser.add_argument("--run", nargs="+", metavar="KEY", help=f"only the runs whose keys begin so{run_alone}")


def _add_axes(parser: argparse.ArgumentParser, alone: str, text_alone: str) -> None:
    """Which arms of a grid, and how its corpora are read."""
    for axis in ("corpus", "encoder", "strategy"):
        parser.add_argument(f"--{axis}", nargs="+", metavar="NAME", help=f"only these{alone}")
    text = f"only the runs that read these texts{text_alone}"
    parser.add_argument("--text", nargs="+", metavar="NAME|PATH", help=text)
    parser.add_argument("--strict", action="store_true", help="an example of a corpus that can't be used is an error")


def _verb(verbs: Verbs, name: str, line: str) -> argparse.ArgumentParser:
    """A verb's parser, whose help ends with examples to copy."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=line,
        description=f"{line[0].upper()}{line[1:]}.",
        epilog=f"examples:{EXAMPLES[name]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(verb=name)
    return parser


def _carry_out(asked: argparse.Namespace) -> int:
    """Import the room of the verb, and nothing but that, and let it answer with an exit code."""
    match asked.verb:
        case "run":
            from harness.commands.run import run as verb
        case "tune":
            from harness.commands.tune import tune as verb
        case "plan":
            from harness.commands.run import plan as verb
        case "bundle":
            from harness.commands.bundle import bundle as verb
        case "list":
            from harness.commands.look import plugins as verb
        case "leaderboard":
            from harness.commands.look import leaderboard as verb
        case "report":
            from harness.commands.report import report as verb
        case "claims":
            from harness.commands.findings import claims as verb
        case "compare":
            from harness.commands.findings import compare as verb
        case "show":
            from harness.commands.findings import show as verb
        case "records list":
            from harness.commands.records import listed as verb
        case "records show":
            from harness.commands.records import show as verb
        case "records import":
            from harness.commands.records import import_results as verb
        case "records merge":
            from harness.commands.records import merge as verb
        case "records export":
            from harness.commands.records import export as verb
        case "records prune":
            from harness.commands.records import prune as verb
        case "data list":
            from harness.commands.data import listed as verb
        case "data fetch":
            from harness.commands.data import fetched as verb
        case "data check":
            from harness.commands.data import check as verb
        case "data show":
            from harness.commands.data import show as verb
        case "data convert":
            from harness.commands.data import convert as verb
        case "data annotate":
            from harness.commands.parses import annotate as verb
        case "data import-parses":
            from harness.commands.parses import import_parses as verb
        case "data export-parses":
            from harness.commands.parses import export_parses as verb
        case "data train-vectors":
            from harness.commands.data import train_vectors as verb
        case "artifacts list":
            from harness.commands.artifacts import listed as verb
        case "artifacts verify":
            from harness.commands.artifacts import verify as verb
        case "artifacts prune":
            from harness.commands.artifacts import prune as verb
        case "reconstruct":
            from harness.commands.reconstruct import reconstruct as verb
        case "sync":
            from harness.commands.track import sync as verb
        case "ui":
            from harness.commands.track import ui as verb
        case _:
            from harness.commands.doctor import doctor as verb
    return verb(asked)
