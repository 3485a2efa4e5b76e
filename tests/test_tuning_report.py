"""The trials of studies: as the table beside the tuned values has them, and as the report of a tuned grid shows them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pytest
from matplotlib.colors import to_hex
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from report_grids import Made, make, wiki
from test_figures import drawn, lines, panels, why
from test_report_page import facts, read, section, table, written

from harness.cli import main
from harness.errors import DataError
from harness.grid import ResolvedGrid, resolve
from harness.report.tuning import best_so_far
from harness.tuned_files import read_tuned
from harness.tuned_trials import read_arms, trials_file
from harness.tuned_values import Budget, TunedArm
from harness.tuning import Study, arms_of
from harness.tuning.study import Cost
from harness.tuning.trials import FEWEST, importance, write_trials

GRID = """
corpora = [{name = "synthetic", sample = 300}]
texts = [{name = "synthetic", selection = "random", sentences = 100}]
encoders = [{name = "bilstm", hidden = 4}, "handcrafted"]
strategies = ["none", {name = "seq-unshared", epochs = 1, skipgram_epochs = 1}]
vectors = "own"
sizes = [20]
replicates = 1
"""
BUDGET = Budget(trials=3, sizes=(20, 50), replicates=2, pretrainings=3)
DIGEST = "0" * 64
"""Of the arms in a file of tuned values."""
SECONDS = 0.75
"""Of a run that is made up."""

Scores = Sequence[Any]
"""The dev scores of a trial by replicate, in percent; a text ends it: `pruned`, or why it failed."""


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> ResolvedGrid:
    return resolve("toy", GRID, tmp_path_factory.mktemp("home"))


def tried(grid: ResolvedGrid, storage: BaseStorage, script: Sequence[Scores]) -> list[TunedArm]:
    """Carry out the trials of every arm as the script says, a replicate at the cost of two runs."""
    tuned = []
    for arm in arms_of(grid, BUDGET.pretrainings):
        study = Study("toy", arm, BUDGET, storage)
        for scores in script:
            carry_out(study, scores)
        best = study.best()
        assert best is not None
        assert best.value is not None
        tuned.append(
            TunedArm(
                names=arm.names,
                study=study.name,
                trial=best.number,
                dev=best.value,
                own_dev=study.trials[0].value,
                counts=study.counts(),
                pretrainings=1,
                seconds=12.34,
                pretraining_seconds=5.67,
                key=arm.key(best.params),
                values=arm.values(best.params),
            )
        )
    return tuned


def carry_out(study: Study, scores: Scores) -> None:
    trial, so_far = study.ask(), list[float]()

    def cost(runs: int) -> Cost:
        return {"seconds": runs * SECONDS, "made": {}, "code": "c0ffee"}

    for replicate, score in enumerate(scores):
        if score == "pruned":
            return study.prune(trial, so_far, cost(2 * replicate))
        if isinstance(score, str):
            return study.fail(trial, f"at 20 labels: {score}", so_far, cost(2 * replicate + 1))
        so_far.append(score)
        if replicate < BUDGET.replicates - 1:
            study.should_stop(trial, replicate, fmean(so_far))
    study.complete(trial, so_far, cost(2 * len(scores)))


def told(grid: ResolvedGrid, folder: Path, script: Sequence[Scores]) -> tuple[list[dict[str, Any]], BaseStorage]:
    """The table as it is read back, and the storage that it is of."""
    storage = InMemoryStorage()
    write_trials(folder / "toy.toml", DIGEST, grid, BUDGET, tried(grid, storage, script), storage)
    arms = read_arms(folder / "toy.toml", DIGEST)
    assert arms is not None
    return arms, storage


# The table


def test_the_table_has_every_trial_with_its_scores_and_its_cost(grid: ResolvedGrid, tmp_path: Path) -> None:
    arms, _ = told(grid, tmp_path, [(30.0, 40.0), (20.0, "pruned"), (50.0, "a loss is not finite")])
    assert [arm["names"]["strategy"] for arm in arms] == ["none", "seq-unshared", "none"]
    for arm in arms:
        assert (arm["best"], arm["seconds"], arm["pretraining_seconds"]) == (0, 12.3, 5.7)
        found = [(one["trial"], one["state"], one["dev"], one["dev_by_replicate"]) for one in arm["trials"]]
        assert found == [
            (0, "complete", 35.0, [30.0, 40.0]),
            (1, "pruned", 20.0, [20.0]),
            (2, "failed", None, [50.0]),
        ]
        assert [one["seconds"] for one in arm["trials"]] == [3.0, 1.5, 2.2]  # of four, two and three runs
        assert [one["error"] for one in arm["trials"]] == [None, None, "at 20 labels: a loss is not finite"]


def test_the_table_has_the_values_that_optuna_chose_and_the_pretraining(grid: ResolvedGrid, tmp_path: Path) -> None:
    arms, storage = told(grid, tmp_path, [(30.0, 40.0), (20.0, 10.0), (50.0, 20.0)])
    for arm, own in zip(arms, arms_of(grid, BUDGET.pretrainings), strict=True):
        asked = optuna.load_study(study_name=f"toy: {own.name}", storage=storage).trials
        assert arm["names"] == own.names
        for one, trial in zip(arm["trials"], asked, strict=True):
            assert one["pretraining"] == trial.params.get("pretraining")
            assert one["values"]["learning_rate"] == trial.params["learning_rate"]
            assert set(one["values"]) == set(own.space)
        assert [one["pretraining"] is None for one in arm["trials"]] == [len(arm["pretrainings"]) == 1] * 3
    assert [len(arm["pretrainings"]) for arm in arms] == [1, 3, 1]
    assert arms[1]["pretrainings"][0] == {}


def test_the_same_studies_make_the_same_bytes(grid: ResolvedGrid, tmp_path: Path) -> None:
    storage = InMemoryStorage()
    tuned = tried(grid, storage, [(10.0 + place, 20.0 + 3 * place) for place in range(3)])
    first, second = (
        write_trials(tmp_path / name, DIGEST, grid, BUDGET, tuned, storage) for name in ("one.toml", "other.toml")
    )
    assert first == second
    assert json.loads(json.dumps(first)) == read_arms(tmp_path / "one.toml", DIGEST)
    one, other = (trials_file(tmp_path / name).read_bytes() for name in ("one.toml", "other.toml"))
    assert one == other


def test_the_table_of_other_values_is_none(grid: ResolvedGrid, tmp_path: Path) -> None:
    told(grid, tmp_path, [(30.0, 40.0)])
    assert read_arms(tmp_path / "toy.toml", "1" + DIGEST[1:]) is None


def test_without_a_table_there_are_no_trials(tmp_path: Path) -> None:
    assert read_arms(tmp_path / "toy.toml", DIGEST) is None


def table_of(arms: Sequence[Any]) -> str:
    return json.dumps({"arms_sha256": DIGEST, "arms": arms})


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda arms: "[{", "Expecting property name enclosed in double quotes: line 1 column 3 (char 2)"),
        (lambda arms: "[]", "list indices must be integers or slices, not str"),
        (lambda arms: table_of([{**arms[0], "trials": 3}]), "'int' object is not iterable"),
        (lambda arms: table_of([{"names": {}}]), "arm 1 without best, seconds, pretraining_seconds, importance, "
         "no_importance, pretrainings, trials"),
        (lambda arms: table_of([arms[0], {**arms[1], "trials": [{"trial": 0}]}]), "a trial of arm 2 without state, "
         "dev, dev_by_replicate, values, pretraining, seconds, ended, error"),
        (lambda arms: table_of(arms).replace('"pruned"', '"done"'), "the state 'done' in arm 1"),
        (lambda arms: table_of([arms[0], {**arms[1], "best": 4}]), "no trial 4, the best of arm 2"),
    ],
)  # fmt: skip
def test_a_damaged_table_is_told(tmp_path: Path, spoil: Any, found: str) -> None:
    file = tmp_path / "toy.trials.json"
    file.write_text(spoil(TUNED["trials"]), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_arms(tmp_path / "toy.toml", DIGEST)
    assert str(caught.value) == (
        f"{file}: expected the trials of studies, as `python -m harness tune` writes them, found damage: {found}. Tune "
        "again, which runs nothing twice, or delete the file: only the report and MLflow read it"
    )


# Importance


def trials(count: int, state: TrialState = TrialState.COMPLETE, **weights: float) -> list[FrozenTrial]:
    """Trials whose dev score is a weighted sum of their parameters, each even from 0 to 1."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        values = {name: float(generator.random()) for name in weights}
        score = sum(weights[name] * value for name, value in values.items())
        distributions: dict[str, BaseDistribution] = dict.fromkeys(values, FloatDistribution(0, 1))
        value = score if state == TrialState.COMPLETE else None
        made.append(create_trial(state=state, value=value, params=values, distributions=distributions))
    return made


def test_the_parameter_that_decides_is_the_important_one() -> None:
    shares, reason = importance(trials(40, rate=10.0, size=1.0, idle=0.0), "toy")
    assert shares is not None
    assert reason == ""
    assert next(iter(shares)) == "rate"
    assert shares["rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)


def test_importance_is_the_same_for_the_same_study_and_of_complete_trials_alone() -> None:
    complete = trials(15, rate=2.0, size=1.0)
    first = importance(complete, "toy")
    assert importance([*trials(9, TrialState.PRUNED, rate=2.0, size=1.0), *complete], "toy") == first
    assert importance(complete, "another") != first


def test_there_is_no_importance_of_few_trials_or_of_equal_scores() -> None:
    few = [*trials(FEWEST - 1, rate=1.0), *trials(30, TrialState.FAIL, rate=1.0)]
    assert importance(few, "toy") == (None, "9 trials are complete, and 10 are the fewest that tell")
    assert importance(trials(12, rate=0.0), "toy") == (None, "all 12 complete trials have the same dev score")


# The report


def trial(number: int, dev: float | None, state: str = "complete", **changes: Any) -> dict[str, Any]:
    plain = {
        "trial": number,
        "state": state,
        "dev": dev,
        "dev_by_replicate": [] if dev is None else [dev] if state == "pruned" else [dev - 2, dev + 2],
        "values": {"features": ["lexical"] if number else [], "learning_rate": 0.05 * (number + 1)},
        "pretraining": None,
        "seconds": 12.5,
        "ended": "2026-01-01T00:00:00+00:00",
        "error": None,
    }
    return {**plain, **changes}


def arm(encoder: str, strategy: str, best: int, *made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain = {
        "names": {"corpus": "toy, split paper", "encoder": encoder, "strategy": strategy},
        "best": best,
        "seconds": 1234.5,
        "pretraining_seconds": 0.0,
        "importance": None,
        "no_importance": "3 trials are complete, and 10 are the fewest that tell",
        "pretrainings": [{}],
        "trials": list(made),
    }
    return {**plain, **changes}


TUNED: dict[str, Any] = {
    "grid": "toy",
    "file": "toy.toml",
    "budget": "4 trials an arm",
    "untuned": "toy",
    "otherwise": [],
    "trials": [
        arm(
            "reader", "none", 2, trial(0, 20.0), trial(1, 12.0, "pruned"), trial(2, 30.0), trial(3, 25.0),
            importance={"learning_rate": 0.75, "features": 0.25}, no_importance="",
        ),
        arm(
            "reader", "taught", 3, trial(0, None, "failed", error="at 20 labels: a loss is not finite", pretraining=0),
            trial(1, 40.0, pretraining=1), trial(2, 35.0, pretraining=0), trial(3, 45.0, pretraining=1),
            pretrainings=[{}, {"epochs": 20, "rate": 0.0123456}], pretraining_seconds=77.0,
            importance={"pretraining": 0.5, "features": 0.4, "learning_rate": 0.1}, no_importance="",
        ),
        arm("lexical", "none", 0, trial(0, 10.0, values={"learning_rate": 0.05}), trial(1, 10.0, values={})),
    ],
}  # fmt: skip
ARMS = (
    Made("reader", "none", {50: (20, 22, 24), 200: (30, 31, 32)}),
    Made("reader", "taught", {50: (30, 36, 33), 200: (50, 51, 52)}, text=wiki()),
    Made("lexical", "none", {50: (15, 16, 17), 200: (25, 26, 27)}, vectors=False),
)


def test_the_history_shows_the_best_dev_score_so_far(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, ARMS, tuned=TUNED))[0]["tuning-history"]
    found = panels(figure)
    assert list(found) == ["reader", "lexical"]
    curves = lines(found["reader"])
    assert curves["none"] == ([0, 1, 2, 3], [20, 20, 30, 30])
    assert curves["taught"][0] == [0, 1, 2, 3]
    assert curves["taught"][1] == pytest.approx([math.nan, 40, 40, 45], nan_ok=True)
    assert lines(found["lexical"])["none"] == ([0, 1], [10, 10])
    points: list[Any] = [line.get_data() for line in found["reader"].get_lines() if line.get_alpha()]
    assert [(list(x), list(y)) for x, y in points] == [([0, 2, 3], [20, 30, 25]), ([1, 2, 3], [40, 35, 45])]
    assert figure.said == (
        "The best accuracy (%) on dev of the trials so far, by trial. Best of all: reader, none 30.0 with trial 2; "
        "reader, taught 45.0 with trial 3; lexical, none 10.0 with trial 0."
    )
    assert figure.table is not None
    assert figure.table.lines == [
        ["reader", "none", "20.0", "20.0", "30.0", "30.0"],
        ["reader", "taught", "-", "40.0", "40.0", "45.0"],
        ["lexical", "none", "10.0", "10.0", "-", "-"],
    ]


def test_the_history_is_that_of_numpy() -> None:
    scores = np.random.default_rng(1).random(30).round(3)
    made = arm("reader", "none", 0, *(trial(number, float(score)) for number, score in enumerate(scores)))
    assert best_so_far(made) == np.maximum.accumulate(scores).tolist()


def test_an_arm_looks_as_in_the_learning_curves(tmp_path: Path) -> None:
    found = drawn(make(tmp_path, ARMS, tuned=TUNED))[0]
    (curves,), (history,) = found["learning-curves"], found["tuning-history"]
    for name in ("none", "taught"):
        one, other = (
            next(line for line in panels(figure)["reader"].get_lines() if line.get_label() == name)
            for figure in (curves, history)
        )
        assert to_hex(one.get_color()) == to_hex(other.get_color())
        assert one.get_marker() == other.get_marker()


def test_arms_of_several_texts_are_told_apart(tmp_path: Path) -> None:
    both = []
    for text in ("wiki", "news"):
        made = arm("reader", "taught", 0, trial(0, 20.0))
        both.append({**made, "names": {**made["names"], "text": text}})
    (figure,) = drawn(make(tmp_path, ARMS, tuned={**TUNED, "trials": both}))[0]["tuning-history"]
    assert {"taught, wiki", "taught, news"} <= lines(panels(figure)["reader"]).keys()


def test_the_squares_are_the_shares_of_the_parameters(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, ARMS, tuned=TUNED))[0]["tuning-importance"]
    (squares,) = figure.figure.axes[0].collections
    values = squares.get_array()
    assert values is not None
    shown = np.ma.filled(values, math.nan).reshape(3, 2)
    assert shown == pytest.approx(np.array([[math.nan, 50], [75, 10], [25, 40]]), nan_ok=True)
    assert figure.table is not None
    assert figure.table.header == ["parameter", "reader, none", "reader, taught"]
    assert figure.table.lines == [
        ["pretraining", "-", "50.0"],
        ["learning_rate", "75.0", "10.0"],
        ["features", "25.0", "40.0"],
    ]
    assert figure.notes[-1] == (
        "Not drawn: lexical, none: 3 trials are complete, and 10 are the fewest that tell"
    )  # fmt: skip
    letters = [text.get_text() for text in figure.figure.axes[0].texts]
    assert letters == ["", "50", "75", "10", "25", "40"]


def test_without_any_importance_the_figure_says_why_it_is_not_there(tmp_path: Path) -> None:
    only = {**TUNED, "trials": TUNED["trials"][2:]}
    skipped = drawn(make(tmp_path, ARMS, tuned=only))[1]
    assert why(skipped, "Importance of parameters") == (
        "lexical, none: 3 trials are complete, and 10 are the fewest that tell"
    )


def test_the_page_of_a_tuned_grid_has_the_arms_and_the_trials(tmp_path: Path) -> None:
    page, made = written(make(tmp_path, ARMS, tuned=TUNED), tmp_path)
    tuning = section(page, "tuning")
    assert tuning.all("p")[0].text == "Values: tuned, 4 trials an arm."
    commands = [one.text for one in section(page, "again").all("dt")]
    assert "python -m harness run --grid toy --tuned toy.toml" in commands
    assert "python -m harness plan --grid toy --tuned toy.toml" in commands
    boxes = {box.attributes["aria-labelledby"]: table(box) for box in tuning.all("div", **{"class": "box"})}
    header, *found = boxes["tuned-arms"]
    names = ["encoder", "strategy", "best trial", "dev", "dev of trial 0", "complete", "pruned", "failed", "seconds"]
    assert header == [*names, "pre-training"]
    assert found == [
        ["reader", "none", "2", "30.0", "20.0", "3", "1", "0", "1,234", "0"],
        ["reader", "taught", "3", "45.0", "-", "3", "0", "1", "1,234", "77"],
        ["lexical", "none", "0", "10.0", "10.0", "2", "0", "0", "1,234", "0"],
    ]
    header, *found = boxes["trials"]
    names = ["encoder", "strategy", "trial", "state", "dev", "replicate 0", "replicate 1", "features", "learning_rate"]
    assert header == [*names, "pre-training", "seconds"]
    assert len(found) == 10
    assert found[1] == ["reader", "none", "1", "pruned", "12.0", "12.0", "-", "lexical", "0.1", "-", "12.5"]
    error = "failed at 20 labels: a loss is not finite"
    assert found[4] == ["reader", "taught", "0", error, "-", "-", "-", "none", "0.05", "0", "12.5"]
    assert found[9][7:10] == ["-", "-", "-"]
    assert boxes["pretrainings"] == [
        ["strategy", "pre-training", "epochs", "rate"],
        ["taught", "0", "-", "-"],
        ["taught", "1", "20", "0.01235"],
    ]
    assert [one.text for one in tuning.all("summary")] == ["The numbers", "The numbers", "All trials"]
    assert {"tuning-history-1", "tuning-importance-1"} <= set(made.figures)
    assert (tmp_path / "figures" / "tuning-history-1.png").is_file()
    figures = [one.attributes["aria-label"] for one in section(page, "figures").all("div", role="img")]
    assert not [label for label in figures if label and label.startswith(("History", "Importance"))]
    assert "Tuning" in [one.text for one in page.all("nav")[0].all("a")]


def test_where_the_trials_are_unknown_the_page_says_how_to_have_them(tmp_path: Path) -> None:
    changed = {**TUNED, "trials": None, "otherwise": ["reader, none", "lexical, none"]}
    page, _ = written(make(tmp_path, ARMS, tuned=changed), tmp_path)
    assert [one.text for one in section(page, "tuning").all("p")] == [
        "Values: tuned, 4 trials an arm. Not as they were tuned, by other values, data or settings: reader, none; "
        "lexical, none.",
        "The trials are not here: those of these values were not beside toy.toml when the grid was run. Tune the grid "
        "again, which runs nothing twice, then run it with --tuned",
    ]


def test_a_grid_that_is_not_tuned_has_no_such_section(tmp_path: Path) -> None:
    page, made = written(make(tmp_path, ARMS, tuned=None), tmp_path)
    assert not page.all("section", **{"aria-labelledby": "tuning"})
    assert "Tuning" not in [one.text for one in page.all("nav")[0].all("a")]
    assert not [name for name in made.figures if name.startswith("tuning")]


# From the command line


def test_tune_run_and_report_from_the_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = GRID.replace('{name = "bilstm", hidden = 4}, ', "")
    (tmp_path / "toy.toml").write_text(text, encoding="utf-8")
    here = ["--grid", "toy.toml", "--home", "home", "--workers", "0"]
    tuning = ["--trials", "2", "--tuning-sizes", "20", "--tuning-replicates", "2", "--no-mlflow"]
    assert main(["tune", *here, *tuning]) == 0
    before = (tmp_path / "tuned" / "toy.trials.json").read_bytes()
    assert main(["tune", *here, *tuning]) == 0
    assert (tmp_path / "tuned" / "toy.trials.json").read_bytes() == before
    assert main(["run", *here, "--tuned", "--no-mlflow"]) == 0
    kept = json.loads((tmp_path / "results" / "toy-tuned" / "grid.json").read_text(encoding="utf-8"))
    digest = read_tuned(tmp_path / "tuned" / "toy.toml").arms_sha256
    assert {"arms_sha256": digest, "arms": kept["tuned"]["trials"]} == json.loads(before)
    assert main(["report", "--grid", "toy-tuned", "--home", "nowhere"]) == 0
    capsys.readouterr()
    page = read(tmp_path / "results" / "toy-tuned" / "report.html")
    assert facts(section(page, "run"))["Strategies"] == "none"
    _, line = table(section(page, "tuning").all("div", **{"aria-labelledby": "tuned-arms"})[0])
    (of_arm,) = kept["tuned"]["trials"]
    best = of_arm["trials"][of_arm["best"]]
    assert line[:4] == ["handcrafted", "none", str(of_arm["best"]), f"{best['dev']:.1f}"]
