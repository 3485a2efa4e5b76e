"""The command line: verbs, flags, exit codes. A room is imported only when its verb runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import GridError, HarnessError

Verbs = Any  # argparse keeps the type of what add_subparsers returns to itself

EXIT_CODES = "0 all complete, 1 some run failed or is missing, 2 bad command, grid or data, 130 interrupted"
COMPLETE, INCOMPLETE, MISTAKE, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = {
    "": """
  python -m harness run --grid                     the default grid, on the synthetic corpus
  python -m harness list grids                     what else there is
  python -m harness plan --grid kbp37              what would run, and how long it would take
  python -m harness leaderboard --grid kbp37       the table""",
    "run": """
  python -m harness run --grid
  python -m harness run --grid kbp37 --workers 2
  python -m harness run --grid kbp37 --encoder bilstm --size 200 --replicates 1
  python -m harness run --grid kbp37 --cell 1f0c --rerun all
  python -m harness run --corpus kbp37 --encoder mean --strategy avg-embed --size 200 --vectors glove.6B.100d.txt""",
    "plan": """
  python -m harness plan --grid kbp37
  python -m harness plan --grid my-grid.toml --encoder bilstm --rerun stale""",
    "list": """
  python -m harness list encoders
  python -m harness list strategies --check""",
    "leaderboard": """
  python -m harness leaderboard --grid kbp37
  python -m harness leaderboard --grid kbp37 --format latex --metric macro_f1_positive > table.tex""",
    "records": """
  python -m harness records list --grid kbp37
  python -m harness records show 3fa2
  python -m harness records import results/kbp37""",
    "data": """
  python -m harness data list
  python -m harness data fetch kbp37
  python -m harness data check mydata
  python -m harness data check mydata --reader tacred --parameter negative_label=Other --strict
  python -m harness data show kbp37 --n 5
  python -m harness data convert kbp37 --to jsonl
  python -m harness data annotate kbp37 --stanza-dir ~/stanza_resources
  python -m harness data annotate sentences.txt.gz --conllu parses.conllu
  python -m harness data import-parses kbp37 train.conllu.gz dev.conllu.gz test.conllu.gz
  python -m harness data export-parses kbp37 --out kbp37.conllu --parses stanza""",
    "sync": """
  python -m harness sync --grid kbp37
  python -m harness sync --grid kbp37 --mlflow-uri http://127.0.0.1:5000""",
    "ui": """
  python -m harness ui --port 5001""",
    "doctor": """
  python -m harness doctor""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every mistake is told on stderr without a traceback."""
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
        _home(made)
        made.add_argument(
            "--grid", nargs="?", const="default", metavar="NAME|FILE", help="a grid that comes with it, or a TOML file"
        )
        for axis in ("corpus", "encoder", "strategy"):
            made.add_argument(f"--{axis}", nargs="+", metavar="NAME", help="only these; without --grid: what to run")
        made.add_argument("--size", nargs="+", metavar="N", help="only these training sizes: a count, S1 to S10, full")
        made.add_argument("--replicates", type=_count, metavar="N", help="only the first N replicates")
        made.add_argument("--cell", nargs="+", metavar="KEY", help="only the cells whose keys begin so")
        made.add_argument("--vectors", metavar="FILE", help="word vectors, where no grid names them (default: own)")
        made.add_argument(
            "--rerun",
            choices=("missing", "failed", "stale", "all"),
            default="missing",
            help="what to run besides the runs without a record: nothing (default), the failed, the stale, all",
        )
        made.add_argument("--strict", action="store_true", help="an example of a corpus that can't be used is an error")
        made.add_argument(
            "--workers", type=_count_or_none, metavar="N", help="processes; 0: in this one (default: cores)"
        )
        if name == "run":
            made.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: auto)")
            _results(made)
            _mlflow(made)
            made.add_argument("--no-mlflow", action="store_true", help="write no MLflow; `sync` catches up")

    listing = _verb(verbs, "list", "list the plugins and grids, importing none")
    listing.add_argument("what", choices=("encoders", "strategies", "corpora", "grids"))
    listing.add_argument("--check", action="store_true", help="import each and say whether it works")

    board = _verb(verbs, "leaderboard", "print a grid's table")
    _home(board)
    _results(board)
    _grid(board)
    board.add_argument("--format", choices=("md", "csv", "json", "latex"), default="md", help="(default: md)")
    board.add_argument("--metric", metavar="NAME", help="another metric than the corpus's headline")

    records = _verb(verbs, "records", "list, show or import records")
    which = records.add_subparsers(metavar="list|show|import", required=True)
    listed = which.add_parser("list", help="one line a record")
    listed.add_argument("--grid", metavar="NAME", help="only the runs of this grid")
    shown = which.add_parser("show", help="one record, whole")
    shown.add_argument("key", help="the beginning of its key")
    imported = which.add_parser("import", help="restore the records of a results folder")
    _results(listed)
    imported.add_argument("folder", type=Path, help="such as results/kbp37")
    for name, part in (("list", listed), ("show", shown), ("import", imported)):
        _home(part)
        part.set_defaults(verb=f"records {name}")

    _data(_verb(verbs, "data", "list, fetch, check, show, convert or parse corpora"))

    sync = _verb(verbs, "sync", "bring MLflow up to date with the records")
    _home(sync)
    _results(sync)
    _grid(sync)
    _mlflow(sync)

    ui = _verb(verbs, "ui", "start the MLflow UI on the loopback address")
    _home(ui)
    _mlflow(ui)
    ui.add_argument("--port", type=_port, default=5000, help="(default: 5000)")

    doctor = _verb(verbs, "doctor", "tell versions, device, store and data found")
    _home(doctor)
    _mlflow(doctor)
    return parser


def _data(parser: argparse.ArgumentParser) -> None:
    """The verbs of `data`."""
    metavar = "list|fetch|check|show|convert|annotate|import-parses|export-parses"
    which = parser.add_subparsers(metavar=metavar, required=True)
    lines = {
        "list": "every corpus that is known, and whether it is here",
        "fetch": "download a corpus's files; each is checked, and a broken download goes on where it stopped",
        "check": "all that is wrong with a corpus, by reason, with file and line; and what it holds",
        "show": "some mentions as the encoders read them",
        "convert": "write a corpus in another format, and read it back",
        "annotate": "parse a corpus's sentences with Stanza; killed, it goes on where it stopped",
        "import-parses": "bring in parses of a corpus's sentences that were made elsewhere, in CoNLL-U",
        "export-parses": "write the parses of a corpus's sentences as CoNLL-U",
    }
    made = {name: which.add_parser(name, help=line, description=f"{line}.") for name, line in lines.items()}
    for name, part in made.items():
        _home(part)
        part.set_defaults(verb=f"data {name}")
        if name not in ("list", "fetch"):
            part.add_argument("corpus", metavar="NAME|PATH", help="a corpus's name, or a file or folder of your own")
            part.add_argument("--reader", metavar="NAME", help="the format of PATH (default: recognised by its files)")
            part.add_argument(
                "--parameter", action="append", type=_parameter, metavar="KEY=VALUE", help="a parameter of the reader"
            )
            part.add_argument("--strict", action="store_true", help="an example that can't be used is an error")
    made["fetch"].add_argument("name", metavar="NAME")
    made["fetch"].add_argument("--to", type=Path, metavar="DIR", help="the data folder (default: the home's data)")
    made["check"].add_argument("--all", action="store_true", help="every fault, and not the first of each kind")
    made["check"].add_argument("--format", choices=("text", "json"), default="text", help="(default: text)")
    made["show"].add_argument("--n", type=_count, default=5, metavar="N", help="mentions (default: 5)")
    made["show"].add_argument("--part", choices=("train", "dev", "test"), help="only of this published part")
    made["convert"].add_argument("--to", required=True, metavar="FORMAT", help="such as jsonl")
    made["convert"].add_argument("--out", type=Path, metavar="DIR", help="(default: NAME-FORMAT in the home's data)")
    for name, default in (("annotate", "stanza"), ("import-parses", "imported")):
        made[name].add_argument(
            "--name", default=default, metavar="SET", help=f"the set of parses (default: {default})"
        )
    annotate = made["annotate"]
    annotate.epilog = (
        "NAME|PATH may be a text too, a .txt file, packed or not: one sentence a line, tokens between blanks"
    )
    annotate.add_argument(
        "--stanza-dir",
        type=Path,
        metavar="DIR",
        help="models (default: HARNESS_STANZA_DIR, else what Stanza downloads)",
    )
    annotate.add_argument(
        "--workers", type=_count_or_none, metavar="N", help="processes; 0: in this one (default: cores)"
    )
    annotate.add_argument("--conllu", type=Path, metavar="FILE", help="write the parses there too")
    made["import-parses"].add_argument("files", nargs="+", type=Path, metavar="FILE", help="CoNLL-U, packed or not")
    made["export-parses"].add_argument("--out", type=Path, required=True, metavar="FILE", help="such as mine.conllu")
    made["export-parses"].add_argument("--parses", metavar="SET", help="a set of parses (default: the corpus's own)")


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


def _home(parser: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("HARNESS_HOME") or ".harness")
    told = "caches, records, mlflow.db (default: HARNESS_HOME, else .harness)"
    parser.add_argument("--home", type=Path, default=default, metavar="DIR", help=told)


def _results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="(default: results)")


def _grid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grid", nargs="?", const="default", default="default", metavar="NAME")


def _mlflow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mlflow-uri", metavar="URI", help="tracking store (default: SQLite in the home folder)")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a count of at least 1, found '{text}'")
    return int(text)


def _port(text: str) -> int:
    if _count(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port up to 65535, found {text}")
    return int(text)


def _parameter(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, found '{text}'")
    return key, value


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _carry_out(asked: argparse.Namespace) -> int:
    """Import the room of the verb, and nothing but that, and let it answer with an exit code."""
    match asked.verb:
        case "run":
            from harness.commands.run import run as verb
        case "plan":
            from harness.commands.run import plan as verb
        case "list":
            from harness.commands.look import plugins as verb
        case "leaderboard":
            from harness.commands.look import leaderboard as verb
        case "records list":
            from harness.commands.look import records_list as verb
        case "records show":
            from harness.commands.look import records_show as verb
        case "records import":
            from harness.commands.look import records_import as verb
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
        case "sync":
            from harness.commands.track import sync as verb
        case "ui":
            from harness.commands.track import ui as verb
        case _:
            from harness.commands.doctor import doctor as verb
    return verb(asked)
