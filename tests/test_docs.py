"""The pages are true: their commands run as they are written."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.datasets.sources import Request, read_corpus

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "your-own-corpus.md").read_text(encoding="utf-8")

VERBS = {
    "employee_of": ("works for", "is paid by", "joined"),
    "founded": ("started", "set up", "was the founder of"),
    "no_relation": ("never heard of", "walked past", "wrote about"),
}


def blocks(language: str) -> list[str]:
    """The code blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


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
    name = re.search(r"Save this as `(.+?)`", PAGE)
    assert name is not None
    (tmp_path / name[1]).write_text(grid, encoding="utf-8")
    return tmp_path


def test_five_commands_lead_from_files_to_a_leaderboard(newcomer: Path) -> None:
    commands = [command for block in blocks("sh") for command in block.strip().splitlines()]
    assert len(commands) == 5
    bin_folder = newcomer / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (bin_folder / "python").chmod(0o755)
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HARNESS_")}
    surroundings |= {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    said = []
    for command in commands:
        ran = subprocess.run(command, shell=True, cwd=newcomer, env=surroundings, capture_output=True, text=True)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        said.append(ran.stdout)
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


def test_the_page_names_the_schema_that_is_there() -> None:
    for target in re.findall(r"\]\((.+?)\)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target


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
