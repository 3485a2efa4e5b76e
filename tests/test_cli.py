"""The command line from end to end, on a tiny corpus that is published as an outsider would."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import forget_plugins

from harness.cli import main
from harness.records import RecordStore

CORPUS = '''
    """A tiny corpus: who leads what, and where it is."""
    from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

    class Tiny(CorpusReader):
        about = About(
            headline="micro_f1_positive", negative_label="no_relation", licence="CC0", source="made for the tests",
            citation="none", notice="Made for the tests.",
        )

        def read(self, folder):
            verbs = {"leads(e1,e2)": ("leads", "heads", "runs"), "leads(e2,e1)": ("is led by", "is run by"),
                     "in(e1,e2)": ("lies in", "sits in"), "no_relation": ("met", "saw", "and")}
            mentions = []
            for at in range(160):
                label = sorted(verbs)[at % 4]
                verb = verbs[label][at // 4 % len(verbs[label])].split()
                tokens = ("Ann", f"A{at % 7}", *verb, "Acme", f"B{at % 5}", ".")
                second = Span(2 + len(verb), 4 + len(verb))
                part = ("train", "train", "dev", "test")[at // 4 % 4]
                mentions.append(RelationMention(str(at), tokens, Span(0, 2), second, label, part))
            return Corpus(tuple(mentions), {"an empty argument": 3}, ("two sentences were kept",))
'''
GRID = """# A tiny grid
corpora    = ["tiny"]
encoders   = ["mean", {name = "bilstm", hidden = 8}, "handcrafted"]
strategies = ["none", "avg-embed"]
vectors    = "tiny.txt"
sizes      = [8, "full"]
replicates = 2
[training]
min_updates = 20
max_updates = 20
"""
RUNS = 2 * 2 * 5  # replicates x sizes x pairs with a meaning
COLUMNS = (
    "cell,corpus,split,encoder,strategy,text,variant,size,replicates,n,metric,mean,sd,ci_low,ci_high,"
    "linked,often,pretraining_epochs,held_out_before,held_out_after,dev_mean,"
    "standing,efficiency,efficiency_low,efficiency_high,baseline,"
    "efficiency_best,efficiency_best_low,efficiency_best_high,best_baseline"
).split(",")


@pytest.fixture
def here(tmp_path: Path, make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the grid tiny.toml and its vectors, and the corpus `tiny` installed."""
    make_plugin("corpus", "tiny", CORPUS)
    words = "ann acme leads heads runs is led by run lies in sits met saw and a1 a2 a3 b1 b2".split()
    numbers = np.random.default_rng(0).standard_normal((len(words), 6))
    lines = [f"{word} {' '.join(f'{x:.4f}' for x in row)}" for word, row in zip(words, numbers, strict=True)]
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "tiny.txt").write_text(f"{len(words)} 6\n" + "\n".join(lines) + "\n")
    (folder / "tiny.toml").write_text(GRID)
    root = str(Path(__file__).parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.chdir(folder)
    return folder


def harness(*arguments: str) -> int:
    return main(arguments)


def run(*arguments: str, home: str = ".harness") -> int:
    return main(["run", "--grid", "tiny.toml", "--workers", "0", "--no-mlflow", "--home", home, *arguments])


def records_of(home: str | Path = ".harness") -> dict[str, dict[str, Any]]:
    store = RecordStore(Path(home) / "records")
    found = store.read_all(store.keys())
    assert not store.damaged
    return found


def timeless(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {name: record[name] for name in record if name not in ("seconds", "finished")} for key, record in records.items()}  # fmt: skip


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()[1:]]
    return {child for child, parent in pairs if parent == pid}


class TestRun:
    def test_writes_results_then_has_nothing_to_run(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run() == 0
        table = pd.read_csv("results/tiny/leaderboard.csv")
        assert list(table.columns) == COLUMNS
        assert (table.n == 2).all()
        assert (table.replicates == 2).all()
        assert table["mean"].between(0, 100).all()
        assert set(table.metric) == {"micro-F1 without the negative class, directed (%)"}
        out, err = capsys.readouterr()
        assert "| bilstm | avg-embed |" in out
        assert "Made for the tests." in out
        assert "handcrafted lacks what avg-embed needs: word and entity vectors to read" in out
        assert f"[{RUNS}/{RUNS}]" in err

        before = records_of()
        assert len(before) == RUNS
        assert run() == 0
        assert f"Nothing to run: 0 to run, {RUNS} complete, 0 failed" in capsys.readouterr().err
        assert records_of() == before

    def test_two_runs_give_the_same_records_but_for_times_in_one_process_or_in_workers(self, here: Path) -> None:
        assert run() == 0
        assert run("--workers", "2", home="other") == 0
        assert timeless(records_of()) == timeless(records_of("other"))
        first = (here / "results/tiny/predictions.npz").read_bytes()
        assert run("--results", "again", home="other") == 0
        assert (here / "again/tiny/predictions.npz").read_bytes() == first

    def test_a_grid_in_a_file_may_have_a_dot_in_its_name(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (here / "v1.2.toml").write_text(GRID)
        narrowed = ("--encoder", "handcrafted", "--size", "8", "--workers", "0", "--no-mlflow")
        assert harness("run", "--grid", "v1.2.toml", *narrowed) == 0
        capsys.readouterr()
        assert harness("leaderboard", "--grid", "v1.2") == 0
        assert "# Leaderboard: v1.2" in capsys.readouterr().out

    def test_imported_results_count_as_done(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run() == 0
        before = records_of()
        assert harness("records", "import", "results/tiny", "--home", "empty") == 0
        out = capsys.readouterr().out
        assert f"{RUNS} records brought to empty, 0 here already as good or better, 0 damaged" in out
        assert records_of("empty") == before
        assert run(home="empty") == 0
        assert "Nothing to run" in capsys.readouterr().err

    def test_goes_on_after_kill_9_and_leaves_no_worker_behind(self, here: Path) -> None:
        arguments = ("run", "--grid", "tiny.toml", "--workers", "2", "--no-mlflow")
        process = started(*arguments)
        deadline = time.time() + 120
        while not list(Path(".harness").glob("records/??/*.json")) and time.time() < deadline:
            time.sleep(0.05)
        workers = children(process.pid)
        process.kill()
        process.wait()
        done = len(list(Path(".harness").glob("records/??/*.json")))
        assert 0 < done < RUNS
        assert workers
        while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.time() < deadline:
            time.sleep(0.1)
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        kept = records_of()
        assert run() == 0
        assert len(records_of()) == RUNS
        assert {key: records_of()[key] for key in kept} == kept

    def test_ctrl_c_ends_with_130_and_keeps_what_is_done(self, here: Path) -> None:
        (here / "tiny.toml").write_text(GRID.replace("_updates = 20", "_updates = 500"))  # it must not end before
        process = started("run", "--grid", "tiny.toml", "--workers", "1", "--no-mlflow")
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[2/"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "the same command goes on with the rest" in err
        assert "Traceback" not in err
        assert 2 <= len(records_of()) < RUNS
        assert pd.read_csv("results/tiny/leaderboard.csv").n.sum() == len(records_of())

    def test_a_loss_that_is_no_number_is_a_failed_record_not_a_score(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "tiny.toml").write_text(GRID + "learning_rate = 1e38\n")
        assert run("--encoder", "bilstm", "--strategy", "none", "--size", "8", "--replicates", "1") == 1
        (record,) = records_of().values()
        assert record["status"] == "failed"
        assert record["error"]["type"] == "DivergedError"
        assert "Lower training.learning_rate (now 1e+38)" in record["error"]["message"]
        assert "scores" not in record
        out, err = capsys.readouterr()
        assert "0/2 (1 failed)" in out
        assert "1 of 1 runs failed; --rerun failed repeats them" in err

        narrowed = ("--encoder", "bilstm", "--strategy", "none", "--size", "8", "--replicates", "1")
        assert run(*narrowed) == 1
        assert "Nothing to run: 0 to run, 0 complete, 1 failed" in capsys.readouterr().err
        assert run(*narrowed, "--rerun", "failed") == 1
        assert "1 to run, 0 complete, 1 failed" in capsys.readouterr().err

    def test_a_worker_that_dies_fails_its_run_alone(
        self, here: Path, make_plugin: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_plugin(
            "encoder",
            "fatal",
            """
            import os
            from harness.contracts import Encoder

            class Fatal(Encoder):
                size = 1

                def represent(self, batch):
                    os._exit(9)
            """,
        )
        (here / "tiny.toml").write_text(GRID.replace('"mean", ', '"mean", "fatal", '))
        assert run("--workers", "2", "--encoder", "mean", "fatal", "--size", "8", "--replicates", "1") == 1
        by_encoder = {record["spec"]["encoder"]["name"]: record for record in records_of().values()}
        assert by_encoder["mean"]["status"] == "complete"
        assert by_encoder["fatal"]["error"]["message"].startswith("the worker process died in this run")
        assert "Traceback" not in capsys.readouterr().err

    def test_a_record_cut_off_in_the_middle_is_told_and_made_again(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("--encoder", "handcrafted") == 0
        before = timeless(records_of())
        victim = next(Path(".harness").glob("records/??/*.json"))
        victim.write_text(victim.read_text()[:100])
        capsys.readouterr()
        assert run("--encoder", "handcrafted") == 0
        err = capsys.readouterr().err
        assert f"the record {victim} is damaged" in err
        assert "1 to run, 3 complete" in err
        assert timeless(records_of()) == before

    def test_changed_code_makes_records_stale_and_only_rerun_stale_repeats_them(
        self, here: Path, make_plugin: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = """
            from dataclasses import dataclass
            from strategies.avg_embed import AverageEmbedding
            from harness.contracts import EntityVectors, Strategy

            @dataclass(frozen=True)
            class _Doubled(EntityVectors):
                def of_names(self, names, generator):
                    return FACTOR * AverageEmbedding(None).entity_vectors().of_names(names, generator)

            class Doubled(Strategy):
                needs = AverageEmbedding.needs

                def entity_vectors(self):
                    return _Doubled()
            """
        folder = make_plugin("strategy", "doubled", source.replace("FACTOR", "2"))
        (here / "tiny.toml").write_text(GRID.replace('"none", ', '"none", "doubled", '))
        narrowed = ("--encoder", "mean", "--strategy", "doubled", "--size", "8", "--workers", "1")
        assert run(*narrowed) == 0
        file = folder / "acme_doubled.py"
        file.write_text(file.read_text().replace("2 *", "3 *"))
        forget_plugins()
        capsys.readouterr()
        assert run(*narrowed) == 0
        assert "Nothing to run: 0 to run, 2 complete, 0 failed, 2 stale" in capsys.readouterr().err
        assert run(*narrowed, "--rerun", "stale") == 0
        assert "2 to run, 2 complete, 0 failed, 2 stale" in capsys.readouterr().err
        assert run(*narrowed) == 0
        assert "stale" not in capsys.readouterr().err

    def test_flags_alone_make_a_grid(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        made = (
            "--corpus",
            "tiny",
            "--encoder",
            "mean",
            "--strategy",
            "none",
            "--size",
            "8",
            "--vectors",
            "tiny.txt",
            "--replicates",
            "1",
        )
        assert harness("run", *made, "--workers", "0", "--no-mlflow") == 0
        assert "# Leaderboard: adhoc" in capsys.readouterr().out
        assert len(records_of()) == 1


class TestSelection:
    def test_narrows_the_runs_and_keeps_the_grid_whole(self, here: Path) -> None:
        assert run("--encoder", "mean", "--strategy", "avg-embed", "--size", "8", "--replicates", "1") == 0
        assert len(records_of()) == 1
        table = pd.read_csv("results/tiny/leaderboard.csv")
        assert len(table) == RUNS / 2
        assert table.n.sum() == 1
        assert table["mean"].isna().all()

    def test_by_the_beginning_of_a_cell(self, here: Path) -> None:
        assert run("--encoder", "mean", "--size", "8") == 0
        cell = next(iter(records_of().values()))["cell"]
        assert run("--cell", cell[:10], home="other") == 0
        assert {record["cell"] for record in records_of("other").values()} == {cell}

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--encoder", "bilsmt"], "--encoder: no encoder in this grid 'bilsmt'; did you mean 'bilstm'?"),
            (["--corpus", "kbp37"], "--corpus: no corpus in this grid 'kbp37'; Known: tiny"),
            (["--size", "9"], "--size: the grid has no 9; it has 8, "),
            (["--size", "S12"], "--size: expected a count, S1 to S10, or full, found 'S12'"),
            (["--size", "8", "9000"], "--size: asks for 9,000 training mentions, but the split has "),
            (["--replicates", "3"], "--replicates: the grid has 2, found 3"),
            (["--cell", "zz"], "--cell: no cell of this grid has a key that begins with 'zz'"),
            (["--vectors", "x.txt"], "--vectors: the grid 'tiny.toml' names its vectors"),
        ],
    )
    def test_refuses_what_the_grid_has_not(
        self, here: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert harness("plan", "--grid", "tiny.toml", *flags) == 2
        assert message in capsys.readouterr().err

    def test_asks_for_what_is_missing(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert harness("run") == 2
        assert "expected --grid, or what to run by --corpus, --encoder, --strategy" in capsys.readouterr().err


class TestBadInput:
    """Exit code 2, a sentence on stderr, never a traceback."""

    def told(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        assert harness(*arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return err

    def test_unknown_grid(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "no grid 'kpb37'; did you mean 'kbp37'?" in self.told(capsys, "plan", "--grid", "kpb37")
        assert "the grid file none.toml can't be read" in self.told(capsys, "plan", "--grid", "none.toml")

    def test_all_mistakes_of_a_grid_at_once(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (here / "wrong.toml").write_text(
            """
            corpora = ["tiny", {name = "tiny", split = "oficial"}, "kpb37"]
            encoders = [{name = "bilstm", hiden = 3}, {name = "bilstm", hidden = "3"}, {name = "bilstm", hidden = 0}]
            strategies = ["avg_embed", 7]
            vectors = "nowhere.txt"
            sizes = [8, 900, "S11", true]
            replicates = 0
            repliactes = 5
            vary = ["sampel"]
            texts = ["synthetik", {name = "target", selection = "whole"}]
            [training]
            learning_rate = -1.0
            features = ["lexical"]
            """
        )
        err = self.told(capsys, "plan", "--grid", "wrong.toml")
        for message in (
            "corpora.tiny.split: expected 'official' or 'paper' or 'by-pair' or 'by-sentence', found 'oficial'",
            "corpora: no corpus 'kpb37'; did you mean 'kbp37'?",
            "encoders.bilstm: no parameter 'hiden'; did you mean 'hidden'?",
            "encoders.bilstm.hidden: expected a whole number, found '3'",
            "encoders.bilstm.hidden: must be at least 1, found 0",
            "strategies: no strategy 'avg_embed'; did you mean 'avg-embed'?",
            "strategies: expected a name, or a table with a name, found 7",
            "vectors: vectors 'nowhere.txt' are not here",
            "training mentions, but the split has",
            "expected a count, S1 to S10, or full, found 'S11'",
            "expected a count, S1 to S10, or full, found True",
            "replicates: expected a count of at least 1, found 0",
            "no key 'repliactes'; did you mean 'replicates'?",
            "vary: expected a list of some of sample, subset, initialisation, order, found ['sampel']",
            "texts: no corpus 'synthetik'; did you mean 'synthetic'?",
            "texts.target: expected the target's own sentences, selection = 'target-train', without path, sentences, parses",
            "training.learning_rate: must be above 0, found -1.0",
            "training.features: expected true or false or a list within the list, each a string, found 'lexical'",
        ):
            assert message in err
        assert all(line.startswith("harness: grid 'wrong', ") for line in err.splitlines())

    def test_a_file_with_the_name_of_a_grid_that_comes_with_it(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "kbp37.toml").write_text(GRID)
        err = self.told(capsys, "plan", "--grid", "kbp37.toml")
        assert "the grid file kbp37.toml has the name of a grid that comes with the harness; rename it" in err

    def test_a_cell_without_a_grid(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        made = ("--corpus", "tiny", "--encoder", "mean", "--strategy", "none", "--vectors", "tiny.txt")
        assert "--cell: expected --grid beside it" in self.told(capsys, "plan", *made, "--cell", "ab")

    def test_results_that_take_no_files_are_told_before_anything_runs(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "file").write_text("not a folder")
        err = self.told(capsys, "run", "--grid", "tiny.toml", "--results", "file/results")
        assert "choose another folder with --home or --results" in err
        assert records_of() == {}

    def test_a_grid_that_is_no_toml(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (here / "bad.toml").write_text("corpora = [\n")
        assert "grid 'bad' is not TOML: " in self.told(capsys, "run", "--grid", "bad.toml")

    def test_a_corpus_that_is_not_here(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        err = self.told(capsys, "run", "--grid", "kbp37")
        assert "corpus 'kbp37' is not here: expected kbp37/train.txt" in err
        assert "point HARNESS_DATA at the folder that has kbp37/train.txt" in err

    def test_broken_vectors(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = (here / "tiny.txt").read_text().splitlines()
        lines[3] += " 0.5"
        (here / "tiny.txt").write_text("\n".join(lines) + "\n")
        err = self.told(capsys, "run", "--grid", "tiny.toml", "--workers", "0")
        assert "tiny.txt, line 4: expected 6 finite numbers" in err

    def test_a_home_that_takes_no_files(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (here / "file").write_text("not a folder")
        err = self.told(capsys, "run", "--grid", "tiny.toml", "--home", "file/home")
        assert "can't write " in err
        assert "choose another folder with --home or --results" in err

    def test_a_broken_plugin_stops_its_grid_and_no_other(
        self, here: Path, make_plugin: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_plugin("encoder", "broken", "import nothing_of_this_name\n")
        (here / "broken.toml").write_text(GRID.replace('"mean"', '"broken"'))
        err = self.told(capsys, "plan", "--grid", "broken.toml")
        assert "encoders: encoder 'broken' (entry point acme-broken" in err
        assert "ModuleNotFoundError: No module named 'nothing_of_this_name'" in err
        assert run("--encoder", "mean", "--size", "8") == 0

    def test_nothing_was_run_yet(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        err = self.told(capsys, "leaderboard", "--grid", "tiny")
        assert "grid 'tiny' has not been run here" in err
        assert "Run it: python -m harness run --grid tiny" in err

    def test_an_import_of_nothing(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "expected a results folder" in self.told(capsys, "records", "import", "nowhere")

    def test_cuda_that_is_not_there(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("CUDA is here")
        err = self.told(capsys, "run", "--grid", "tiny.toml", "--device", "cuda")
        assert "--device cuda: expected a CUDA device, found none" in err


class TestLooking:
    def test_plan_tells_what_would_run_what_is_done_and_what_is_refused(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert harness("plan", "--grid", "tiny.toml") == 0
        out = capsys.readouterr().out
        assert "Grid tiny: 10 cells, 20 runs" in out
        assert "tiny, split paper, no_relation dropped: " in out
        assert "3 left out: an empty argument" in out
        assert "two sentences were kept" in out
        assert "refused: handcrafted with avg-embed: handcrafted lacks what avg-embed needs" in out
        assert "to run: tiny (paper) bilstm avg-embed, 8 labels, replicate 1" in out
        assert "20 to run, 0 complete, 0 failed. About " in out
        assert "(guessed: prepared data, " in out
        assert run("--size", "8") == 0
        capsys.readouterr()
        assert harness("plan", "--grid", "tiny.toml", "--workers", "2") == 0
        out = capsys.readouterr().out
        assert "10 to run, 10 complete, 0 failed. About " in out
        assert " with 2 at a time; " in out
        assert "(by the records here)" in out

    def test_leaderboard_in_every_format(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("--encoder", "mean") == 0
        capsys.readouterr()
        found = {}
        for name in ("md", "csv", "json", "latex"):
            assert harness("leaderboard", "--grid", "tiny", "--format", name) == 0
            found[name] = capsys.readouterr().out
        assert found["md"] == (here / "results/tiny/leaderboard.md").read_text()
        assert found["csv"] == (here / "results/tiny/leaderboard.csv").read_text()
        assert [row["cell"] for row in json.loads(found["json"])] == list(
            pd.read_csv("results/tiny/leaderboard.csv").cell
        )
        assert r"\toprule" in found["latex"]
        assert harness("leaderboard", "--grid", "tiny", "--metric", "acuracy") == 2
        assert "no metric 'acuracy'; did you mean 'accuracy'?" in capsys.readouterr().err

    def test_records_list_and_show(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("--encoder", "mean", "--strategy", "none", "--size", "8") == 0
        capsys.readouterr()
        assert harness("records", "list", "--grid", "tiny") == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert "complete  tiny mean none  8 labels, replicate 0  accuracy " in lines[0]
        assert harness("records", "show", lines[0][:12]) == 0
        assert json.loads(capsys.readouterr().out)["key"].startswith(lines[0][:12])
        assert harness("records", "show", "zz") == 2
        assert "no record's key begins with 'zz'" in capsys.readouterr().err
        assert harness("records", "show", "") == 2
        assert "2 records' keys begin with ''" in capsys.readouterr().err

    def test_every_field_of_every_record_is_in_the_table(self, here: Path) -> None:
        assert run("--encoder", "mean", "--size", "8") == 0
        with gzip.open("results/tiny/records.csv.gz", "rt") as text:
            table = pd.read_csv(text)
        assert len(table) == len(records_of())
        assert {"key", "spec.corpus.digest", "scores.test.accuracy", "curve.dev", "environment.sources.harness"} <= set(
            table.columns
        )

    def test_list_and_check(
        self, here: Path, make_plugin: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert harness("list", "encoders") == 0
        assert re.search(r"^bilstm +One LSTM", capsys.readouterr().out, re.MULTILINE)
        assert harness("list", "grids", "--check") == 0
        assert re.search(r"^kbp37 +ok: KBP37", capsys.readouterr().out, re.MULTILINE)
        make_plugin("strategy", "broken", "1 / 0\n")
        assert harness("list", "strategies", "--check") == 1
        out = capsys.readouterr().out
        assert "avg-embed      ok: " in out
        assert "broken         broken: strategy 'broken' (entry point acme-broken" in out

    def test_doctor(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert harness("doctor") == 0
        out = capsys.readouterr().out
        assert "torch 2." in out
        assert "device: " in out
        assert "corpus tiny is generated, and needs no files" in out
        assert "corpus kbp37 is not here: expected kbp37/train.txt" in out
        assert "vectors glove-wink-100d.txt.gz: not here" in out
        assert harness("doctor", "--mlflow-uri", "http://user:secret@127.0.0.1:9") == 1
        assert "secret" not in capsys.readouterr().out
        assert harness("doctor", "--home", "tiny.txt/home") == 1

    @pytest.mark.parametrize("verb", ["run", "plan", "list", "leaderboard", "records", "sync", "ui", "doctor"])
    def test_help_has_examples_to_copy(self, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            main([verb, "--help"])
        assert end.value.code == 0
        assert f"python -m harness {verb}" in capsys.readouterr().out.partition("examples:")[2]


class TestMLflow:
    @pytest.fixture
    def tracked(self, here: Path) -> Path:
        assert main(["run", "--grid", "tiny.toml", "--workers", "0", "--encoder", "mean"]) == 0
        return here

    def table(self) -> pd.DataFrame:
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{Path('.harness/mlflow.db').absolute()}")
        found = mlflow.search_runs(experiment_names=["tiny"])
        shown = [name for name in sorted(found.columns) if name.startswith(("params.", "metrics.", "tags.reprise"))]
        return found[shown].sort_values(shown).reset_index(drop=True)

    def test_a_deleted_database_is_rebuilt_by_sync(self, tracked: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = self.table()
        assert len(before) == 4 + 8 + 2 + 1  # cells, runs, arms, results
        assert (before["metrics.n"].dropna() == 2).all()
        (tracked / ".harness/mlflow.db").unlink()
        # In a process of its own, as a person would: MLflow keeps a deleted database open.
        out, err = started("sync", "--grid", "tiny").communicate(timeout=300)
        assert out == "tiny: 8 runs written, 0 removed, 0 unchanged\ntiny: 3 files of results/tiny uploaded\n", err
        capsys.readouterr()
        pd.testing.assert_frame_equal(self.table(), before)
        assert harness("sync", "--grid", "tiny") == 0
        assert "tiny: 0 runs written, 0 removed, 8 unchanged" in capsys.readouterr().out

    def test_a_store_that_is_not_there_delays_nothing_and_is_told(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        nowhere = ("--mlflow-uri", "sqlite:////nowhere/at/all/mlflow.db")
        narrowed = ("--encoder", "mean", "--size", "8", "--workers", "0")
        assert harness("run", "--grid", "tiny.toml", *narrowed, *nowhere) == 0
        assert "MLflow is left out from here on: " in capsys.readouterr().err
        assert len(records_of()) == 4
        assert harness("sync", "--grid", "tiny", *nowhere) == 2
        assert "can't be opened: there is no folder /nowhere/at/all" in capsys.readouterr().err
