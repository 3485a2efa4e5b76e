"""Parses in a grid: which sets it may name, what needs them, what they change; fallbacks are in the record and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run_here

from harness import corpus_entry
from harness.artifacts import ArtifactStore
from harness.contracts import Parse
from harness.datasets.parses import ParseSet
from harness.datasets.prepared import inputs_key
from harness.errors import GridError
from harness.features import DEFAULT_GROUPS
from harness.grid import ResolvedGrid, resolve
from harness.report.leaderboard import render
from harness.runner import Outcome
from harness.specs import RunSpec

GRID = """
encoders   = {encoders}
strategies = ["avg-embed"]
vectors    = "vectors.txt"
sizes      = ["full"]
replicates = 1
[training]
features    = {features}
min_updates = 20
max_updates = 20
"""
PEOPLE, FIRMS = "Ann Bob Cid Dan Eva Fay Gil Hal Ivy Jon".split(), "Acme Bell Core".split()


def line(person: str, firm: str, label: str) -> dict[str, Any]:
    """'Ann , who sings , leads Acme': the words between are more than those of the path."""
    return {
        "tokens": [person, ",", "who", "sings", ",", label, firm],
        "first": [0, 1],
        "second": [6, 7],
        "label": label,
    }


def parsed(sentence: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The line with its parse: the verb is the root, and both mentions hang from it."""
    heads = [5, 0, 3, 0, 0, -1, 5]
    tags = ["NNP", ",", "WP", "VBZ", ",", "VBZ", "NNP"]
    labels = ["nsubj", "punct", "nsubj", "acl:relcl", "punct", "root", "obj"]
    return sentence | {"tags": tags, "heads": heads, "labels": labels} | changed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    words = sorted({*PEOPLE, *FIRMS, "leads", "obeys", "who", "sings", ","})
    numbers = np.random.default_rng(0).standard_normal((len(words), 6)).round(3)
    (tmp_path / "vectors.txt").write_text(
        "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, numbers, strict=True))
    )
    return tmp_path


def lines() -> list[dict[str, Any]]:
    return [line(person, firm, verb) for person in PEOPLE for firm in FIRMS for verb in ("leads", "obeys")]


def write(folder: Path, found: list[dict[str, Any]]) -> None:
    corpus_entry._read.cache_clear()  # one process reads a corpus once
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, found)))


def made(folder: Path, encoders: str, features: str = "true", corpus: str = "") -> ResolvedGrid:
    corpora = f'corpora = {{name = "jsonl", path = "mine.jsonl"{corpus}}}\n'
    return resolve("g", corpora + GRID.format(encoders=encoders, features=features), folder / "home")


def outcomes(grid: ResolvedGrid, folder: Path) -> list[Outcome]:
    return run_here(grid, folder / "home")


def only(grid: ResolvedGrid) -> RunSpec:
    (spec,) = grid.runs.values()
    return spec


def test_what_needs_parses_names_the_command_that_makes_them(folder: Path) -> None:
    write(folder, lines())
    with pytest.raises(GridError) as raised:
        made(folder, '["deptree-lstm", "mean"]', '[["lexical", "dependency"], ["pos"]]')
    told = (
        "needs parses, and mine, split paper has none: python -m harness data annotate mine.jsonl, then "
        "parses = 'stanza' in its entry of the grid"
    )
    assert list(raised.value.mistakes) == [
        f"grid 'g', encoders.deptree-lstm: {told}",
        f"grid 'g', training.features: 'dependency': {told}",
        f"grid 'g', training.features: 'pos': {told}",
    ]


def test_the_usual_features_are_those_that_the_corpus_has_the_syntax_for(folder: Path) -> None:
    write(folder, lines())
    bare = only(made(folder, '"mean"'))
    write(folder, [parsed(found) for found in lines()])
    whole = only(made(folder, '"mean"'))
    assert bare.training.features == ("lexical", "collocations")
    assert whole.training.features == DEFAULT_GROUPS
    assert bare.corpus.digest == whole.corpus.digest
    assert (bare.corpus.parses is None, whole.corpus.parses is None) == (True, False)


def test_a_variant_calls_the_usual_features_on(folder: Path) -> None:
    write(folder, [parsed(found) for found in lines()])
    grid = made(folder, '"mean"', '[true, false, ["lexical", "collocations"]]')
    assert [cell["variant"] for cell in grid.plain["cells"]] == [
        "features=on", "features=off", "features=lexical+collocations",
    ]  # fmt: skip
    write(folder, lines())
    assert [cell["variant"] for cell in made(folder, '"mean"', "[true, false]").plain["cells"]] == [
        "features=on", "features=off",
    ]  # fmt: skip


def test_a_set_of_parses_gives_the_same_runs_as_the_corpus_own(folder: Path) -> None:
    write(folder, [parsed(found) for found in lines()])
    own = made(folder, '["deptree-lstm"]')
    sentences = {tuple(found["tokens"]): parsed(found) for found in lines()}
    write(folder, lines())
    store = ParseSet.create(folder / "home", "mine", {"name": "by hand"}, ())
    columns = ("tags", "heads", "labels")
    store.add({tokens: Parse(*(tuple(found[name]) for name in columns)) for tokens, found in sentences.items()})
    other = made(folder, '["deptree-lstm"]', corpus=', parses = "mine"')
    assert only(own).key == only(other).key
    assert other.plain["corpora"][0]["label"] == "mine, split paper, parses mine"


def test_paths_that_are_not_there_are_counted_in_the_record_and_the_table(folder: Path) -> None:
    found = [parsed(one) for one in lines()]
    found[0] = parsed(lines()[0], heads=[-1, 0, 3, 0, 0, -1, 5])  # two roots, a mention below each
    found[1] = lines()[1]  # no parse
    write(folder, found)
    grid = made(folder, '["deptree-lstm", "mean"]')
    by_encoder = {outcome.record["spec"]["encoder"]["name"]: outcome.record for outcome in outcomes(grid, folder)}
    assert {record["status"] for record in by_encoder.values()} == {"complete"}, by_encoder
    assert by_encoder["deptree-lstm"]["fallback"] == {"words_between": 2, "mentions": 60}
    assert by_encoder["mean"]["fallback"] is None
    table = render(grid.plain, {record["key"]: record for record in by_encoder.values()}, "md")
    told = "- Mentions without a path in their parse, of which deptree-lstm read the words between: 2 of 60"
    assert told in table
    assert "- Words of the paths by vectors.txt: 100.0 % as written" in table

    spec = next(spec for spec in grid.runs.values() if spec.encoder.name == "deptree-lstm")
    assert spec.vectors is not None
    prepared = ArtifactStore(folder / "home" / "artifacts").read(
        "inputs", inputs_key(spec.corpus, spec.vectors, "paths")
    )
    assert prepared is not None
    lengths = [np.diff(prepared.tensors[f"{name}.start"].numpy()).tolist() for name in ("tokens", "tokens_2")]
    assert lengths[0][:3] == [7, 7, 2]
    assert lengths[1][:3] == [7, 7, 2]
    assert prepared.tensors["fallback"].tolist() == [True, True] + [False] * 58
