"""Flags that several verbs share, and those of `data`, `records`, `artifacts` and of what says what scores mean."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_data(parser: argparse.ArgumentParser) -> None:
    """The verbs of `data`."""
    metavar = "list|fetch|check|show|convert|annotate|import-parses|export-parses|train-vectors"
    which = parser.add_subparsers(metavar=metavar, required=True)
    lines = {
        "list": "every corpus and text that is known, and whether it is here",
        "fetch": "download the files of a corpus or text; each is checked, and what broke goes on where it stopped",
        "check": "all that is wrong with a corpus or text, by reason, with file and line; and what it holds",
        "show": "some mentions of a corpus, or sentences of a text, as the encoders read them",
        "convert": "write a corpus or text in another format, and read it back",
        "annotate": "parse the sentences of a corpus or text with Stanza; killed, it goes on where it stopped",
        "import-parses": "bring in parses of a corpus's or text's sentences that were made elsewhere, in CoNLL-U",
        "export-parses": "write the parses of the sentences of a corpus or text as CoNLL-U",
        "train-vectors": "train word vectors (skip-gram) on all sentences of a text",
    }
    made = {name: which.add_parser(name, help=line, description=f"{line}.") for name, line in lines.items()}
    for name, part in made.items():
        add_home(part)
        part.set_defaults(verb=f"data {name}")
        if name not in ("list", "fetch"):
            part.add_argument(
                "corpus", metavar="NAME|PATH", help="the name of a corpus or text, or a file or folder of your own"
            )
            part.add_argument("--reader", metavar="NAME", help="the format of PATH (default: recognised by its files)")
            part.add_argument(
                "--parameter", action="append", type=parameter, metavar="KEY=VALUE", help="a parameter of the reader"
            )
            part.add_argument("--strict", action="store_true", help="an example that can't be used is an error")
        if name in ("check", "show", "export-parses"):
            part.add_argument("--text", action="store_true", help="of data that is a corpus and a text: the text")
    made["fetch"].add_argument("name", metavar="NAME")
    made["fetch"].add_argument("--to", type=Path, metavar="DIR", help="the data folder (default: the home's data)")
    made["check"].add_argument("--all", action="store_true", help="every fault, and not the first of each kind")
    made["check"].add_argument("--format", choices=("text", "json"), default="text", help="(default: text)")
    made["show"].add_argument("--n", type=count, default=5, metavar="N", help="mentions or sentences (default: 5)")
    made["show"].add_argument("--part", choices=("train", "dev", "test"), help="only of this published part")
    made["convert"].add_argument(
        "--to", required=True, metavar="FORMAT", help="such as jsonl, or linked-jsonl of a text"
    )
    made["convert"].add_argument("--out", type=Path, metavar="DIR", help="(default: NAME-FORMAT in the home's data)")
    for name, default in (("annotate", "stanza"), ("import-parses", "imported")):
        made[name].add_argument(
            "--name", default=default, metavar="SET", help=f"the set of parses (default: {default})"
        )
    _add_annotate(made["annotate"])
    made["import-parses"].add_argument("files", nargs="+", type=Path, metavar="FILE", help="CoNLL-U, packed or not")
    made["export-parses"].add_argument("--out", type=Path, required=True, metavar="FILE", help="such as mine.conllu")
    made["export-parses"].add_argument("--parses", metavar="SET", help="a set of parses (default: the data's own)")
    _add_train_vectors(made["train-vectors"])


def _add_annotate(part: argparse.ArgumentParser) -> None:
    part.epilog = (
        "NAME|PATH may be plain sentences too, a .txt file, packed or not: one sentence a line, tokens between blanks"
    )
    part.add_argument(
        "--stanza-dir",
        type=Path,
        metavar="DIR",
        help="models (default: HARNESS_STANZA_DIR, else what Stanza downloads)",
    )
    part.add_argument("--workers", type=count_or_none, metavar="N", help="processes; 0: in this one (default: cores)")
    part.add_argument("--conllu", type=Path, metavar="FILE", help="write the parses there too")


def _add_train_vectors(part: argparse.ArgumentParser) -> None:
    part.add_argument("--size", type=count, default=200, metavar="N", help="dimensions (default: 200, as in the paper)")
    part.add_argument("--epochs", type=count, default=5, metavar="N", help="times over the text (default: 5)")
    part.add_argument("--min-count", type=count, default=5, metavar="N", help="of a word that gets one (default: 5)")
    part.add_argument(
        "--workers", type=count, default=1, metavar="N", help="threads; more than one are not repeatable (default: 1)"
    )
    part.add_argument("--coverage", metavar="CORPUS", help="tell which share of a corpus's tokens gets a vector")
    part.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="its name ends in .bin or .txt, or that and .gz (default: NAME-SIZEd.bin in the home's data/vectors)",
    )


def add_records(parser: argparse.ArgumentParser) -> None:
    """The verbs of `records`."""
    which = parser.add_subparsers(metavar="list|show|import|merge|export|prune", required=True)
    lines = {
        "list": "one line a record",
        "show": "one record, whole",
        "import": "bring home the records of a results folder",
        "merge": "bring home the records of other homes and results folders: of two of one run the better one stays, a "
        "complete one before a failed one, else the later one; 1 where some are damaged, which are left out",
        "export": "write records and predictions as a results folder has them",
        "prune": "remove records, told one by one",
    }
    made = {name: which.add_parser(name, help=line, description=f"{line}.") for name, line in lines.items()}
    for name, part in made.items():
        add_home(part)
        part.set_defaults(verb=f"records {name}")
        if name in ("list", "export", "prune"):
            part.add_argument("--grid", metavar="NAME", help="only the runs of this grid")
            add_results(part)
    state = made["list"].add_mutually_exclusive_group()
    for name in ("complete", "failed"):
        state.add_argument(f"--{name}", action="store_const", const=name, dest="status", help=f"only the {name} ones")
    made["list"].add_argument("--stale", action="store_true", help="only those whose code has changed since")
    made["show"].add_argument("key", help="the beginning of its key")
    made["import"].add_argument("folder", type=Path, metavar="FOLDER", help="such as results/kbp37")
    places = "a home folder, the folder of its records, or a results folder"
    made["merge"].add_argument("places", nargs="+", type=Path, metavar="PLACE", help=places)
    made["export"].add_argument("folder", type=Path, metavar="FOLDER", help="made where it is not there")
    _add_prune(made["prune"])


def _add_prune(part: argparse.ArgumentParser) -> None:
    for name, line in (
        ("failed", "records of failed runs"),
        ("stale", "records whose code has changed since"),
        ("damaged", "records that can't be read, or whose predictions can't; what else is left of killed writers"),
        ("not-in-grids", "records of runs that are in no grid which was resolved in this home"),
    ):
        part.add_argument(f"--{name}", action="store_true", help=line)
    part.add_argument("--dry-run", action="store_true", help="tell what would be removed, and remove nothing")


def add_artifacts(parser: argparse.ArgumentParser) -> None:
    """The verbs of `artifacts`."""
    which = parser.add_subparsers(metavar="list|verify|prune", required=True)
    lines = {
        "list": "a line each, checkpoints of killed pre-trainings too, and their sum",
        "verify": "read every artifact and compare it with its SHA-256; 1 where one is damaged",
        "prune": "remove what was not used for long, and what was half written; a run makes again what it needs, so "
        "that nothing is lost but time. Not while something runs",
    }
    made = {name: which.add_parser(name, help=line, description=f"{line}.") for name, line in lines.items()}
    for name, part in made.items():
        add_home(part)
        part.set_defaults(verb=f"artifacts {name}")
        if name != "verify":
            part.add_argument("--kind", metavar="KIND", help="only these, such as pretrained")
    remove = "remove the damaged ones now; without it they are made again when next needed"
    made["verify"].add_argument("--remove", action="store_true", help=remove)
    prune = made["prune"]
    prune.add_argument(
        "--unused-for", type=count_or_none, default=30, metavar="DAYS", help="that long or longer (default: 30)"
    )
    checkpoints = "also the checkpoints of killed pre-trainings that are as old; those start anew"
    prune.add_argument("--unfinished", action="store_true", help=checkpoints)
    prune.add_argument("--dry-run", action="store_true", help="tell what would be removed, and remove nothing")


def add_tuning(parser: argparse.ArgumentParser) -> None:
    """What is tuned, and what every arm may spend."""
    told = "a grid that comes with it, or a TOML file (default: default)"
    parser.add_argument("--grid", default="default", metavar="NAME|FILE", help=told)
    parser.add_argument("--trials", type=count, default=20, metavar="N", help="of every arm (default: 20)")
    told = "training labels of a trial's runs (default: 200 800)"
    parser.add_argument("--tuning-sizes", nargs="+", type=count, default=[200, 800], metavar="N", help=told)
    told = "of each trial, with seeds that no evaluation meets (default: 2)"
    parser.add_argument("--tuning-replicates", type=count, default=2, metavar="N", help=told)
    told = "different settings of an arm's pre-training, the grid's own among them (default: 4)"
    parser.add_argument("--pretrainings", type=count, default=4, metavar="N", help=told)
    told = "where the studies are kept: a file, or an Optuna storage (default: tuning/GRID.journal in the home)"
    parser.add_argument("--storage", metavar="FILE|URL", help=told)
    told = "the values (default: tuned/GRID.toml beside the grid's file)"
    parser.add_argument("--out", type=Path, metavar="FILE", help=told)
    parser.set_defaults(bundle=None, vectors=None, size=None, replicates=None, cell=None, run=None)


FINDINGS = {
    "claims": "tell which claims the scores of a grid support, do not support, or can't judge",
    "compare": "compare two strategies or grids; or two homes or results folders, 1 where they differ",
    "show": "tell one run in words, and the command that repeats it",
}
"""The verbs that say what scores mean."""


def add_finding(verb: str, parser: argparse.ArgumentParser) -> None:
    """The arguments of one of `FINDINGS`."""
    add_home(parser)
    add_results(parser)
    if verb == "show":
        parser.add_argument("key", help="the beginning of its key")
        return
    formats = ("md", "json") if verb == "claims" else ("md", "csv", "json")
    parser.add_argument("--format", choices=formats, default="md", help="(default: md)")
    parser.add_argument("--metric", metavar="NAME", help="another metric than the corpus's headline")
    if verb == "claims":
        add_grid(parser)
        told = "claims that come with it, or a TOML file (default: paper)"
        parser.add_argument("--claims", default="paper", metavar="NAME|FILE", help=told)
        return
    told = "a strategy of --grid; or a grid; or a home or results folder, whose runs are compared one by one"
    parser.add_argument("first", metavar="A", help=told)
    parser.add_argument("second", metavar="B", help="the other; differences are what A has above it")
    parser.add_argument("--grid", metavar="NAME", help="the grid of the strategies; of folders, only its runs")
    for axis in ("encoder", "text"):
        parser.add_argument(f"--{axis}", nargs="+", default=[], metavar="NAME", help="only these")
    parser.add_argument("--size", nargs="+", type=count, default=[], metavar="N", help="only these training sizes")


def add_home(parser: argparse.ArgumentParser) -> None:
    """Where caches and records are kept."""
    told = "caches, records, mlflow.db (default: HARNESS_HOME, else .harness)"
    parser.add_argument("--home", type=Path, default=default_home(), metavar="DIR", help=told)


def default_home() -> Path:
    """The home where none is named."""
    return Path(os.environ.get("HARNESS_HOME") or ".harness")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Where results are written."""
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="(default: results)")


def add_grid(parser: argparse.ArgumentParser) -> None:
    """Which grid; the default one where none is named."""
    parser.add_argument("--grid", nargs="?", const="default", default="default", metavar="NAME")


def add_mlflow(parser: argparse.ArgumentParser) -> None:
    """Which tracking store."""
    parser.add_argument("--mlflow-uri", metavar="URI", help="tracking store (default: SQLite in the home folder)")


def count(text: str) -> int:
    """A count of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a count of at least 1, found '{text}'")
    return int(text)


def port(text: str) -> int:
    """A port."""
    if count(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port up to 65535, found {text}")
    return int(text)


def parameter(text: str) -> tuple[str, str]:
    """A parameter of a reader."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, found '{text}'")
    return key, value


def count_or_none(text: str) -> int:
    """A count, or 0."""
    return 0 if text == "0" else count(text)


def address(text: str) -> str:
    """An address or a file."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected an address or a file, found nothing; is a variable empty?")
    return text


def seconds(text: str) -> float:
    """A time."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, such as 600, found '{text}'")
    return found
