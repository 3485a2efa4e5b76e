"""A grid over a corpus of one's own: its path, name and parameters; roles; labels that train lacks; what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from conftest import run_here

from harness.contracts import RelationMention
from harness.datasets.sources import Request, read_corpus
from harness.errors import DataError, GridError
from harness.grid import ResolvedGrid, resolve
from harness.runner import Outcome
from harness.specs import RunSpec

BASE = """
encoders   = ["handcrafted"]
strategies = ["none"]
sizes      = ["full"]
replicates = 1
[training]
min_updates = 60
max_updates = 60
"""


def example(subject: str, verb: str, object: str, relation: str, **fields: Any) -> dict[str, Any]:
    """'Ada founded Acme', the subject first; with `turned`, 'Acme founded Ada', the object first."""
    one, two = (object, subject) if fields.pop("turned", False) else (subject, object)
    tokens = [one, verb, two]
    at, other = tokens.index(subject), tokens.index(object)
    places = {"subj_start": at, "subj_end": at, "obj_start": other, "obj_end": other}
    return {"token": tokens, "relation": relation, **places, **fields}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with `mydata`: the verb says who is above whom, the roles say what the relation is."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mydata").mkdir()
    for part, people in (("train", "ABCDEFGH"), ("dev", "IJ"), ("test", "KLM")):
        found = []
        for person in people:
            for company in ("Acme", "Initech"):
                found += [
                    example(person, "leads", company, "head"),
                    example(company, "leads", person, "owner", turned=True),
                    example(company, "obeys", person, "owner"),
                    example(person, "obeys", company, "head", turned=True),
                    example(person, "saw", company, "none"),
                ]
        (tmp_path / "mydata" / f"{part}.json").write_text(json.dumps(found), encoding="utf-8")
    return tmp_path


MINE = 'name = "tacred", path = "mydata", negative_label = "none"'


def made(folder: Path, corpora: str) -> ResolvedGrid:
    return resolve("mine", f"corpora = [{corpora}]\n{BASE}", folder / "home")


def test_a_path_is_one_of_the_working_folder_and_of_no_former_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", "")
    first = made(Path(), f"{{{MINE}, split = 'official'}}").plain["corpora"][0]["counts"]
    shutil.copytree(folder / "mydata", folder / "elsewhere" / "mydata")
    dev = folder / "elsewhere" / "mydata" / "dev.json"
    dev.write_text(json.dumps(json.loads(dev.read_text())[:5]), encoding="utf-8")
    monkeypatch.chdir(folder / "elsewhere")
    second = made(Path(), f"{{{MINE}, split = 'official'}}").plain["corpora"][0]["counts"]
    assert (first["dev"], second["dev"]) == (16, 4)


def mistakes(folder: Path, corpora: str) -> list[str]:
    with pytest.raises(GridError) as raised:
        made(folder, corpora)
    return [mistake.removeprefix("grid 'mine', ") for mistake in raised.value.mistakes]


def outcomes(grid: ResolvedGrid, folder: Path) -> list[Outcome]:
    return run_here(grid, folder / "home")


def only(grid: ResolvedGrid) -> RunSpec:
    (spec,) = grid.runs.values()
    return spec


def test_a_path_serves_a_corpus_of_ones_own_under_its_own_name(folder: Path) -> None:
    spec = only(made(folder, f'{{{MINE}, as = "ours", split = "official", negative = "keep"}}')).corpus
    assert (spec.name, spec.reader, spec.plugin) == ("ours", "tacred", "tacred")
    assert spec.parameters == {"negative_label": "none"}
    assert spec.declared == {"negative_label": "none"}
    assert RunSpec.from_dict(only(made(folder, f"{{{MINE}}}")).as_dict()).corpus.name == "mydata"
    assert only(made(folder, f"{{{MINE.replace('mydata', 'mydata/train.json')}}}")).corpus.name == "train"


def test_a_path_is_looked_for_below_the_data_folders_too(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "mydata").rename(folder / "data" / "mydata")
    assert only(made(folder, f"{{{MINE}}}")).corpus.name == "mydata"


def test_where_the_data_lies_changes_no_key_and_what_it_is_does(folder: Path) -> None:
    key = only(made(folder, f"{{{MINE}}}")).key
    (folder / "other").mkdir()
    (folder / "mydata").rename(folder / "other" / "mydata")
    assert only(made(folder, f"{{{MINE.replace('mydata', 'other/mydata')}}}")).key == key
    assert only(made(folder, f'{{{MINE.replace("mydata", "other/mydata")}, as = "theirs"}}')).key != key


def test_the_roles_decide_between_two_relations_of_the_same_words(folder: Path) -> None:
    grid = made(folder, f'{{{MINE}, split = "official", negative = "keep"}}')
    (corpus,) = grid.plain["corpora"]
    assert corpus["roles"] is True
    assert corpus["classes"] == ["head", "none", "owner"]
    (outcome,) = outcomes(grid, folder)
    record = outcome.record
    assert record["status"] == "complete", record["error"]
    assert record["counts"]["classes"] == 3  # those that are scored
    assert record["scores"]["test"]["micro_f1_positive"] == 1
    assert outcome.gold is not None
    assert set(outcome.gold.tolist()) == {0, 1, 2}, "saved classes are those that are scored"
    np.testing.assert_array_equal(outcome.gold, outcome.predicted)


def test_labels_that_train_lacks_are_told_and_count_as_wrong(folder: Path) -> None:
    extra = [example("Zoe", "leads", "Globex", "cousin"), example("Zoe", "obeys", "Globex", "twin")]
    file = folder / "mydata" / "test.json"
    file.write_text(json.dumps(json.loads(file.read_text()) + extra))
    grid = made(folder, f'{{{MINE}, split = "official"}}')
    told = "labels of test that no training mention has, and that count as wrong: cousin (1), twin (1)"
    assert grid.plain["corpora"][0]["remarks"] == [told]
    (outcome,) = outcomes(grid, folder)
    assert outcome.record["status"] == "complete", outcome.record["error"]
    assert outcome.gold is not None
    assert outcome.predicted is not None
    wrong = outcome.gold != outcome.predicted
    classes = np.array(grid.plain["corpora"][0]["classes"])[outcome.gold]
    assert set(classes[wrong]) == {"cousin", "twin"}
    assert outcome.record["scores"]["test"]["accuracy"] == pytest.approx(24 / 26)


def test_dev_is_drawn_from_train_where_none_is_published(folder: Path) -> None:
    (folder / "mydata" / "dev.json").unlink()
    (corpus,) = made(folder, f'{{{MINE}, split = "official", negative = "keep"}}').plain["corpora"]
    assert corpus["counts"] == {"train": 72, "dev": 8, "test": 30}
    assert corpus["remarks"] == ["no dev part is published: 10% of the training part, by seed, are dev"]


@pytest.mark.parametrize(("split", "tie"), [("by-pair", "pair"), ("by-sentence", "tokens")])
def test_a_split_by_what_mentions_share_keeps_it_in_one_part(folder: Path, split: str, tie: str) -> None:
    grid = made(folder, f'{{{MINE}, split = "{split}"}}')
    (entry,) = grid.corpora.values()
    mentions = entry.source.corpus.mentions

    def shared(mention: RelationMention) -> object:
        names = (mention.tokens[mention.first.start], mention.tokens[mention.second.start])
        return frozenset(names) if tie == "pair" else mention.tokens

    parts = [{shared(mentions[at]) for at in part} for part in (entry.split.train, entry.split.dev, entry.split.test)]
    assert all(parts)
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    (outcome,) = outcomes(grid, folder)
    assert outcome.record["counts"]["test"] == len(entry.split.test), "a run splits as the grid does"


def test_parameters_of_a_reader_are_an_axis(folder: Path) -> None:
    (folder / "data" / "stanfordre").mkdir(parents=True)
    columns = "key relation confidence jsDistance sentence entity entityCharOffsetBegin entityCharOffsetEnd".split()
    columns += ["slotValue", "slotValueCharOffsetBegin", "slotValueCharOffsetEnd"]
    lines = [columns]
    for at in range(40):
        sentence = f"Ann{at} leads Acme"
        end = len(f"Ann{at}")
        row = [f"{at:064x}:0-1:2-3", ("a", "b")[at % 2], ("0.5000", "1.0000")[at // 20], "0.1", sentence]
        lines.append([*row, f"Ann{at}", "0", str(end), " Acme", str(len(sentence) - 5), str(len(sentence))])
    text = "\n".join(",".join(f'"{field}"' for field in line) for line in lines)
    (folder / "data" / "stanfordre" / "annotated_sentences.csv").write_text(text + "\n")
    grid = made(folder, '{name = "stanfordre", min_agreement = [0.4, 0.8]}')
    labels = [corpus["label"] for corpus in grid.plain["corpora"]]
    assert labels == [f"stanfordre, split paper, no_relation dropped{more}" for more in (", min_agreement 0.4", "")]
    assert [cell["variant"] for cell in grid.plain["cells"]] == ["min_agreement=0.4", "min_agreement=0.8"]


def test_what_is_wrong_with_an_entry_is_told(folder: Path) -> None:
    assert mistakes(folder, '{name = "tacred", path = "nowhere"}') == [
        f"corpora: there is no nowhere: looked for {folder}/nowhere, {folder}/data/nowhere, {folder}/home/data/nowhere"
    ]
    assert mistakes(folder, '"jsonl"') == [
        "corpora: corpus 'jsonl' is your own data: expected its path, in a grid {name = 'jsonl', path = 'mydata'}"
    ]
    assert mistakes(folder, '{name = "synthetic", path = "mydata"}') == [
        "corpora: corpus 'synthetic' is made in one way and takes no path, found path = 'mydata'"
    ]
    assert mistakes(folder, f'{{{MINE}, as = "kbp37"}}') == [
        "corpora.tacred: 'kbp37' is the name of another corpus; choose another one with as = '...'"
    ]
    (known,) = mistakes(folder, f"{{{MINE}, min_agrement = 0.9}}")
    assert known.startswith(
        "corpora.tacred: no parameter 'min_agrement'; Known: as, negative, negative_label, parses, path, "
    )
    assert mistakes(folder, f'{{{MINE}, split = "random"}}') == [
        "corpora.tacred.split: expected 'official' or 'paper' or 'by-pair' or 'by-sentence', found 'random'"
    ]
    assert mistakes(folder, f"{{{MINE.replace('none', 'Other')}}}") == [
        "corpora: corpus 'tacred' in mydata: expected the negative class 'Other' among the labels, found 'head', "
        "'owner', 'none' and so on. Name the negative class of this corpus, negative_label = '...', or '' where there "
        "is none (on the command line: --parameter negative_label=...)"
    ]
    for name in ("", " ", "a\nb"):
        assert mistakes(folder, f"{{{MINE}, as = {json.dumps(name)}}}") == [
            f"corpora.tacred.as: expected a name that can be printed, found {name!r}"
        ]
    (unknown,) = mistakes(folder, '"mydata"')
    assert unknown.startswith("corpora: no corpus 'mydata'")
    assert unknown.endswith("; your own stands behind a format: {name = FORMAT, path = '...'}")
    none = MINE.replace('"none"', '""')
    for negative in ("keep", "drop"):
        assert mistakes(folder, f'{{{none}, negative = "{negative}"}}') == [
            "corpora.mydata.negative: expected a corpus with a negative class, and this one declares none; leave the "
            "key out, or name it, negative_label = '...', if the reader has that parameter"
        ]
    assert only(made(folder, f"{{{none}}}")).corpus.negative is None


def test_two_corpora_of_one_name_are_refused(folder: Path) -> None:
    line = {"first": [0, 1], "second": [2, 3]}
    lines = [line | {"tokens": ["Ann", str(at), "Bob"], "label": "ab"[at % 2]} for at in range(20)]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "more.jsonl").write_text("\n".join(map(json.dumps, lines[::-1])))
    mine, other = ('{name = "jsonl", path = "' + name + '.jsonl", as = "ours"}' for name in ("mine", "more"))
    assert mistakes(folder, f"{mine}, {other}") == [
        "corpora: two of other content are both called 'ours, split paper'; call one of them otherwise, as = '...'"
    ]
    assert len(made(folder, f"{mine}, {other.replace('ours', 'others')}").plain["corpora"]) == 2


def test_a_part_that_is_not_published_is_told(folder: Path) -> None:
    (folder / "mydata" / "test.json").unlink()
    assert mistakes(folder, f'{{{MINE}, split = "official"}}') == [
        "corpora.mydata.split: the official split has no mentions in test; no such parts are published, take paper, "
        "by-pair or by-sentence"
    ]


def test_strictly_a_fault_is_an_error_and_else_it_is_counted(folder: Path) -> None:
    file = folder / "mydata" / "dev.json"
    bad = [example("Zoe", "leads", "Acme", "head", subj_end=9), example("Zoe", "leads", "Acme", "head", obj_start="2")]
    file.write_text(json.dumps(json.loads(file.read_text()) + bad))
    (corpus,) = made(folder, f"{{{MINE}}}").plain["corpora"]
    assert corpus["left_out"] == {"a span outside the sentence": 1, "a field 'obj_start' that is not a whole number": 1}
    told = (
        "corpora: corpus 'tacred' in mydata: strictly, expected no example that can't be used, found 2:\n"
        "  mydata/dev.json, line 1, example 21: a span outside the sentence: subj_start 0, subj_end 9, of 3 tokens "
        "counted from 0\n"
        "  mydata/dev.json, line 1, example 22: a field 'obj_start' that is not a whole number: '2'"
    )
    assert mistakes(folder, f"{{{MINE}, strict = true}}") == [told]
    with pytest.raises(GridError, match="strictly, expected no example"):
        resolve("mine", f"corpora = [{{{MINE}}}]\n{BASE}", folder / "home", strict=True)


def test_a_corpus_with_some_roles_is_refused(folder: Path) -> None:
    line = {"tokens": ["Ann", "met", "Bob"], "first": [0, 1], "second": [2, 3], "label": "met"}
    lines = [line | {"head": "first"}, line | {"label": "saw"}]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError) as raised:
        read_corpus(Request("jsonl", (), "mine.jsonl"), folder)
    assert str(raised.value) == "mine.jsonl, line 2: expected 'head' in every line or in none, found none here"


def test_a_negative_class_that_some_cells_lack_is_told_in_their_variant(folder: Path) -> None:
    either = MINE.replace('"none"', '["none", ""]')
    variants = [cell["variant"] for cell in made(folder, f"{{{either}}}").plain["cells"]]
    assert variants == ["negative=drop, negative_label=none", "negative=none, negative_label="]


def test_parameters_of_json_lines_name_the_negative_class_and_the_headline(folder: Path) -> None:
    line = {"first": [0, 1], "second": [2, 3]}
    lines = [line | {"tokens": ["Ann", str(at), "Bob"], "label": "abc"[at % 3]} for at in range(30)]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    mine = 'name = "jsonl", path = "mine.jsonl", negative_label = "c", headline = "accuracy"'
    grid = made(folder, f'{{{mine}, negative = "keep"}}')
    (corpus,) = grid.plain["corpora"]
    assert (corpus["metric"], corpus["negative"], corpus["classes"]) == ("accuracy", "c", ["a", "b", "c"])
    assert corpus["label"] == "mine, split paper, c kept, negative_label c, headline accuracy"
    assert only(grid).corpus.declared == {"headline": "accuracy", "negative_label": "c"}
    (told,) = mistakes(folder, f"{{{mine.replace('accuracy', 'acuracy')}}}")
    assert told.startswith("corpora: corpus 'jsonl' in mine.jsonl: no headline metric 'acuracy'; did you mean ")


# What no run may know


def drawn(random: Random, relation: str, turned: bool) -> dict[str, Any]:
    """An example of random words; the subject stands first, or where it is turned last."""
    subject, object = (4, 0) if turned else (0, 4)
    tokens = [f"w{random.randrange(10**6)}" for _ in range(5)]
    places = {"subj_start": subject, "subj_end": subject, "obj_start": object, "obj_end": object}
    return {"token": tokens, "relation": relation, **places}


def test_the_label_of_a_test_mention_changes_no_prediction(folder: Path) -> None:
    """In train and dev A and B stand subject first, half each, in random words; in test all is the other way round.

    Nothing can be learnt, so that predictions hang on the initial weights alone. Outputs that hung on the labels of
    test, say only those directions of a class that occur, would give away which class it is.
    """
    predicted, accuracies = {}, {}
    for truth in ("A", "B"):
        random = Random(0)
        for part, labels in (("train", "AB" * 40), ("dev", "AB" * 10), ("test", truth * 40)):
            found = [drawn(random, label, turned=part == "test") for label in labels]
            (folder / truth).mkdir(exist_ok=True)
            (folder / truth / f"{part}.json").write_text(json.dumps(found))
        corpus = f'{{name = "tacred", path = "{truth}", negative_label = "", split = "official"}}'
        several = BASE.replace("replicates = 1", "replicates = 4")
        grid = resolve("mine", f"corpora = [{corpus}]\n{several}", folder / "home")
        records = sorted(outcomes(grid, folder), key=lambda outcome: outcome.record["spec"]["replicate"])
        assert [outcome.record["error"] for outcome in records] == [None] * 4
        predicted[truth] = np.stack([outcome.predicted for outcome in records if outcome.predicted is not None])
        accuracies[truth] = [outcome.record["scores"]["test"]["accuracy"] for outcome in records]
    np.testing.assert_array_equal(predicted["A"], predicted["B"])
    assert predicted["A"].shape == (4, 40)
    np.testing.assert_allclose(np.add(accuracies["A"], accuracies["B"]), 1, err_msg="half are right, by chance")
