"""The pages are true: their commands run as they are written."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakePlugin

from harness import registry
from harness.axes import TARGET, TextOptions, read_axes
from harness.contracts import TextReader
from harness.datasets.sources import Request, read_corpus
from harness.datasets.texts import read_text
from harness.parameters import Among, Search, searches
from harness.specs import Training

ROOT = Path(__file__).parents[1]
PAGES = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "docs").glob("*.md")}
CLUSTER, CORPUS, STRATEGY, TEXT, TUNING = (
    "cluster", "your-own-corpus", "adding-a-strategy", "unlabelled-text", "tuning"
)  # fmt: skip

VERBS = {
    "employee_of": ("works for", "is paid by", "joined"),
    "founded": ("started", "set up", "was the founder of"),
    "no_relation": ("never heard of", "walked past", "wrote about"),
}


def blocks(language: str, page: str = CORPUS) -> list[str]:
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """The commands of a page."""
    return [command for block in blocks("sh", page) for command in block.strip().splitlines()]


def surroundings(folder: Path, **programs: str) -> dict[str, str]:
    """The environment of a user in a folder, whose `python`, and what else is given, are these shell commands."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    for name, command in {"python": f'exec "{sys.executable}" "$@"', **programs}.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith("HARNESS_")}
    path = os.pathsep.join((str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]))
    modules = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return own | {"PATH": path, "PYTHONPATH": modules}


def typed(command: str, folder: Path) -> str:
    """What a command of a page answers in a folder, as a user would type it; it must succeed."""
    ran = subprocess.run(
        command, shell=True, cwd=folder, env=surroundings(folder), capture_output=True, text=True
    )  # fmt: skip
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@contextmanager
def left_running(command: str, folder: Path, **programs: str) -> Iterator[subprocess.Popen[str]]:
    """A command of a page that stays, with all that it starts, until the block ends."""
    started = subprocess.Popen(
        command, shell=True, cwd=folder, env=surroundings(folder, **programs), text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield started
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def examples() -> list[dict[str, Any]]:
    """A small corpus of the page's format, the page's own example first; in every other one the object comes first."""
    found = [json.loads(blocks("json")[0])]
    people, companies = ("Ada", "Grace", "Alan", "Emmy", "Max"), ("Acme", "Initech", "Globex")
    verbs = [(relation, verb) for relation, some in VERBS.items() for verb in some]
    for person, company, (relation, verb) in itertools.product(people, companies, verbs):
        tokens = [person, *verb.split(), company, "."]
        last = len(tokens) - 2
        places = (0, 0, last, last)
        if len(found) % 2:
            tokens = [company, ",", "which", *tokens[:-2], ",", "grew"]
            places = (3, 3, 0, 0)
        names = ("subj_start", "subj_end", "obj_start", "obj_end")
        found.append({"token": tokens, "relation": relation, **dict(zip(names, places, strict=True))})
    return found


@pytest.fixture
def newcomer(tmp_path: Path) -> Path:
    """A folder with the page's data, vectors and grid."""
    (tmp_path / "mydata").mkdir()
    (tmp_path / "mydata" / "train.json").write_text(json.dumps(examples()), encoding="utf-8")
    words = sorted({word for example in examples() for word in example["token"]})
    numbers = np.random.default_rng(0).standard_normal((len(words), 10)).round(4)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, numbers, strict=True)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (grid,) = blocks("toml")
    name = re.search(r"Save this as `(.+?)`", PAGES[CORPUS])
    assert name is not None
    (tmp_path / name[1]).write_text(grid, encoding="utf-8")
    return tmp_path


def test_five_commands_lead_from_files_to_a_leaderboard(newcomer: Path) -> None:
    assert len(commands(CORPUS)) == 5
    said = [typed(command, newcomer) for command in commands(CORPUS)]
    checked, shown, planned, ran_out, table = said
    assert "mydata: 136 mentions of 3 classes, 136 train, 0 dev, 0 test" in checked
    assert "Left out: nothing" in checked
    assert "a-17 (train): employee_of, subject: the first mention" in shown
    assert "reading 1  <ada lovelace> works for <acme>" in shown
    assert "mydata, split by-sentence, no_relation kept" in planned
    assert "## mydata, split by-sentence, no_relation kept" in ran_out
    assert "micro-F1 without the negative class, undirected" in ran_out
    assert "Subject and object are given" in ran_out
    assert re.search(r"mean & avg-embed & [\d. ]+\$\\pm\$", table), table
    assert (newcomer / "results" / "mine" / "records.csv.gz").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    for target in re.findall(r"\]\((.+?)\)", PAGES[page]):
        if target.startswith("#"):
            titles = re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE)
            assert target[1:] in {title.lower().replace(" ", "-") for title in titles}
        elif not target.startswith("https://"):
            assert (ROOT / "docs" / target).is_file(), target


@pytest.mark.slow
def test_a_cluster_by_hand_and_a_bundle_as_the_page_says(tmp_path: Path) -> None:
    scheduler, worker, run, *of_bundles = commands(CLUSTER)
    bundle, run_bundle, merge, plan = of_bundles
    scheduler += " --port 0 --dashboard-address 127.0.0.1:0"  # others may have the usual ones on this machine
    with left_running(scheduler, tmp_path), left_running(worker.replace("--nworkers 4", "--nworkers 2"), tmp_path):
        wait_for(tmp_path / "scheduler.json")
        assert "12 of 12 runs complete, 0 failed" in typed(run, tmp_path)
    assert "quick.zip" in typed(bundle, tmp_path)
    assert "12 of 12 runs complete, 0 failed" in typed(run_bundle, tmp_path)  # with those that the results had
    assert len(list((tmp_path / "there" / "records").glob("*/*.json"))) == 6
    assert "6 records" in typed(merge, tmp_path)
    assert "Nothing to run: 0 to run, 6 complete" in typed(plan, tmp_path)


SBATCH = 'script=$(mktemp) && cat "$1" > "$script" && sh "$script" & echo "Submitted batch job $$"'
"""What stands for SLURM: a job is begun at once, on this machine."""


@pytest.mark.slow
def test_workers_by_slurm_as_the_page_says(tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue")
    (script,) = blocks("python", CLUSTER)
    (tmp_path / "slurm_workers.py").write_text(script, encoding="utf-8")
    run = "python -m harness run --grid quick --scheduler scheduler.json --no-mlflow"
    with left_running("python slurm_workers.py", tmp_path, sbatch=SBATCH, scancel="true"):
        wait_for(tmp_path / "scheduler.json")
        assert "12 of 12 runs complete, 0 failed" in typed(run, tmp_path)


def wait_for(file: Path) -> None:
    """Until a file is there and whole."""
    deadline = time.monotonic() + 60
    while not (file.is_file() and file.read_text().endswith("}")):
        assert time.monotonic() < deadline, f"no {file.name}"
        time.sleep(0.1)


def test_the_page_of_json_lines_is_read_as_it_says(tmp_path: Path) -> None:
    (line,) = blocks("jsonl")
    declared = blocks("json")[1]
    lines = [json.loads(line), json.loads(line) | {"id": "a-18", "label": "no_relation", "second": [2, 3]}]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tmp_path / "corpus.json").write_text(declared, encoding="utf-8")
    source = read_corpus(Request("jsonl", path=str(tmp_path)), tmp_path)
    one = source.corpus.mentions[0]
    assert [one.tokens[slice(*span)] for span in (one.first, one.second)] == [("Ada", "Lovelace"), ("Acme",)]
    assert (one.label, one.head, source.about.negative_label) == ("employee_of", "first", "no_relation")


@pytest.fixture
def bag_of_words(make_plugin: MakePlugin) -> str:
    """The page's own strategy, published as it stands there."""
    source, _ = blocks("python", STRATEGY)
    make_plugin("strategy", "bag-of-words", source)
    return "bag-of-words"


def test_the_strategy_of_the_page_keeps_the_contract(bag_of_words: str, tmp_path: Path) -> None:
    _, contract = blocks("python", STRATEGY)
    (tmp_path / "test_bag.py").write_text(contract, encoding="utf-8")
    said = typed("python -m pytest -q -p no:cacheprovider test_bag.py", tmp_path)
    assert re.search(r"^\d\d+ passed", said, re.MULTILINE), said


def test_the_strategy_of_the_page_runs_beside_the_others(bag_of_words: str, tmp_path: Path) -> None:
    (grid,) = blocks("toml", STRATEGY)
    assert "Save this as `bag.toml`" in PAGES[STRATEGY]
    (tmp_path / "bag.toml").write_text(grid, encoding="utf-8")
    listed, planned, ran, artifacts = (typed(command, tmp_path) for command in commands(STRATEGY))
    assert "bag-of-words" in listed
    assert "6 to run" in planned
    assert re.search(r"\| bilstm \| bag-of-words \| synthetic \(random\) \| .*[\d.]+ ± [\d.]+", ran), ran
    assert "bilstm by bag-of-words on synthetic (random)" in artifacts


def test_the_line_of_the_page_on_text_is_read_as_it_says(tmp_path: Path) -> None:
    (line,) = blocks("json", TEXT)
    (tmp_path / "text.jsonl").write_text(line, encoding="utf-8")
    source = read_text(Request("linked-jsonl", path=str(tmp_path / "text.jsonl")), tmp_path, None, print)
    (sentence,) = source.sentences()
    named = {" ".join(sentence.tokens[m.start : m.end]): m.entity for m in sentence.mentions}
    assert named == {"Ada Lovelace": "Ada Lovelace", "Babbage": "Charles Babbage"}


def test_the_keys_of_the_page_on_text_are_those_of_a_grid() -> None:
    mistakes: list[str] = []
    for block in blocks("toml", TEXT):
        asked = tomllib.loads(block)
        plain = {"corpora": ["synthetic"], "encoders": ["mean"], "strategies": ["avg-embed"], "texts": ["target"]}
        read_axes(plain | asked, mistakes)
    assert not mistakes
    options = {field.name for field in dataclasses.fields(TextOptions)}
    assert {"selection", "sentences", "distance", "evaluation_text", "names", "parses"} <= options
    readers = set(re.findall(r"`([a-z-]+)`", PAGES[TEXT].partition("## Readers")[2].partition("## ")[0]))
    texts = {name for name in registry.origins("corpus") if issubclass(registry.load("corpus", name), TextReader)}
    assert texts | {TARGET} <= readers


def tried(search: Search) -> str:
    """What is tried of a parameter, in the page's words."""
    if isinstance(search, Among):
        return ", ".join(
            {True: "on", False: "off"}[one] if isinstance(one, bool) else f"{one:g}" for one in search.values
        )
    return f"{search.low:g} to {search.high:g}" + ", by its logarithm" * search.log


def test_the_page_says_what_is_tried_of_every_parameter() -> None:
    kinds = [Training, *(registry.load("strategy", name).Parameters for name in registry.origins("strategy"))]
    expected = {(name, tried(search)) for kind in kinds for name, search in searches(kind).items()}
    assert set(re.findall(r"\| `(\w+)`[^|]*\| ([^|]+) \|$", PAGES[TUNING], re.MULTILINE)) == expected


def test_a_grid_is_tuned_and_run_as_the_page_says(tmp_path: Path) -> None:
    grid, values = blocks("toml", TUNING)
    assert "Save this as `mine.toml`" in PAGES[TUNING]
    (tmp_path / "mine.toml").write_text(grid, encoding="utf-8")
    tune, run, run_tuned, compare = commands(TUNING)
    budget = (
        "6 trials an arm, each by dev at 50 and 100 labels over 2 replicates of its own, with at most 4 settings of "
        "pre-training"
    )
    assert "Tuned values: tuned/mine.toml" in typed(tune, tmp_path)
    assert "Values: as the grid says, else the paper's; not tuned." in typed(run, tmp_path)
    assert f"Values: tuned, {budget}." in typed(run_tuned, tmp_path)
    assert "mine-tuned" in typed(compare, tmp_path)
    written = tomllib.loads((tmp_path / "tuned" / "mine.toml").read_text(encoding="utf-8"))["arms"]
    (shown,) = tomllib.loads(values)["arms"]
    names = ("corpus", "encoder", "strategy", "vectors", "settings", "study")
    (own,) = [arm for arm in written if all(arm[name] == shown[name] for name in names)]
    assert shown.keys() == own.keys()
    assert shown["values"]["training"].keys() <= own["values"]["training"].keys()
    assert (tmp_path / ".harness" / "tuning" / "mine.journal").is_file()
