"""What `data check` measures, against counts made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import FindData

from harness.datasets.checking import Report, check, told
from harness.datasets.sources import Request, read_corpus


def line(part: str, words: str, label: str, **fields: Any) -> dict[str, Any]:
    """A line of JSON lines: the first token and the last one are the mentions."""
    tokens = words.split()
    return {"tokens": tokens, "first": [0, 1], "second": [len(tokens) - 1, len(tokens)], "label": label, "part": part} | fields  # fmt: skip


LINES = [
    line("train", "Ann leads Acme", "leads(e1,e2)", first_entity="Q1", agreement=0.9),
    line("train", "Bob met the old Acme", "none"),
    line("train", "Eve is paid by Globex", "paid(e1,e2)"),
    line("train", "Globex pays Eve", "paid(e2,e1)", first_entity="Q9", second_entity="Q8"),
    line("dev", "Acme knows Bob", "none"),
    line("dev", "Ann leads Acme , said Zoe", "leads(e1,e2)"),
    line("test", "Ann leads Acme , said Zoe", "odd", second=[2, 3]),
    line("test", "Max leads Initech", "leads(e1,e2)", second=[2, 9]),
    line("test", "Globex sued Eve", "paid(e1,e2)", tags=["NN", "VB", "NN"], heads=[1, -1, 1]),
    line("test", "Globex left Max", "leads(e1,e2)", first=[0, 0]),
    line("test", "Globex left Max", "leads(e1,e2)", second=[2, 9]),
]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    (tmp_path / "mentions.jsonl").write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    (tmp_path / "corpus.json").write_text('{"negative_label": "none", "oddities": ["made by hand"]}')
    return check(read_corpus(Request("jsonl", (), str(tmp_path)), tmp_path))


def test_counts_and_labels(report: Report) -> None:
    assert report["mentions"] == {"train": 4, "dev": 2, "test": 2}
    assert report["labels"] == {
        "leads(e1,e2)": {"train": 1, "dev": 1, "test": 0},
        "none": {"train": 1, "dev": 1, "test": 0},
        "paid(e1,e2)": {"train": 1, "dev": 0, "test": 1},
        "odd": {"train": 0, "dev": 0, "test": 1},
        "paid(e2,e1)": {"train": 1, "dev": 0, "test": 0},
    }
    assert report["not_in_train"] == ["odd"]


def test_lengths_links_and_parses(report: Report) -> None:
    assert report["tokens"] == {"least": 3, "median": 5, "95 %": 6, "most": 6}
    assert report["reading"]["least"] == 3
    assert report["arguments_linked"] == 3 / 16
    assert report["parsed"] == 1 / 8
    assert report["agreement_known"] == 1 / 8


def test_leakage_is_what_the_later_part_shares_with_the_earlier(report: Report) -> None:
    assert report["leakage"] == {
        "the same sentence": {
            "train and dev": {"mentions": 0, "share": 0},
            "train and test": {"mentions": 0, "share": 0},
            "dev and test": {"mentions": 1, "share": 0.5},
        },
        "the same pair": {
            "train and dev": {"mentions": 1, "share": 0.5},
            "train and test": {"mentions": 1, "share": 0.5},  # Eve and Globex by name; linked, they are another pair
            "dev and test": {"mentions": 0, "share": 0},
        },
    }


def test_faults_are_told_by_reason_with_their_places(report: Report, tmp_path: Path) -> None:
    assert report["left_out"] == {"a span outside the sentence": 2, "an empty argument": 1}
    said = told(report, 1)
    file = tmp_path / "mentions.jsonl"
    assert said.endswith(
        "Left out:\n"
        "  2: a span outside the sentence\n"
        f"    {file}, line 8: (2, 9) of 3 tokens\n"
        "    and 1 more; --all shows them\n"
        "  1: an empty argument\n"
        f"    {file}, line 10: (0, 0) of 3 tokens"
    )
    assert f"    {file}, line 11: (2, 9) of 3 tokens" in told(report, None)
    assert "--all" not in told(report, None)


def test_the_report_in_words(report: Report, tmp_path: Path) -> None:
    said = told(report, 3)
    for sentence in (
        "jsonl: 8 mentions of 5 classes, 4 train, 2 dev, 2 test",
        "negative class none; no roles given, the direction is in the label",
        "known: made by hand",
        "tokens a sentence: least 3, median 5, 95 % 6, most 6",
        "arguments linked: 18.8%; sentences parsed: 12.5%; agreement known: 12.5%",
        "  leads(e1,e2)       1       1       0",
        "Labels that no training mention has; in the official split they count as wrong: odd",
        "The same sentence in dev and test: 1 mentions, 50.0% of the latter",
        "The same pair in train and dev: 1 mentions, 50.0% of the latter",
        "sentences in more than one official part, with other arguments, and kept: 1",
    ):
        assert sentence in said


def test_kbp37_shares_sentences_and_pairs_between_its_parts(find_data: FindData, tmp_path: Path) -> None:
    find_data("kbp37/train.txt")
    report = check(read_corpus("kbp37", tmp_path))
    assert report["mentions"] == {"train": 15_800, "dev": 1_713, "test": 3_379}
    assert report["leakage"]["the same sentence"]["train and test"]["mentions"] == 39
    assert report["leakage"]["the same pair"]["train and test"]["mentions"] == 713
    assert len(report["faults"]) == 154
