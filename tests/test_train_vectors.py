"""`python -m harness data train-vectors`: what vectors are trained on, that they are repeatable, where grids find them."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Printed
from gensim.models import Word2Vec

from harness.cli import main
from harness.contracts import Corpus, CorpusReader
from harness.datasets.vectors import RECIPE, load, locate
from harness.vocabulary import Words

ROOT = Path(__file__).parents[1]

SENTENCES = (
    "Ann founded Acme in 1999 .", "Bob , of Oslo , left ACME in the 1990s .", "It rained for 3 days .",
    "Acme sold 1,200 shares at $5.50 .", "The 2nd time , ann was in Oslo .",
)  # fmt: skip
TOKENS = [sentence.split() for sentence in SENTENCES]
TRAINED_ON = [
    "ann founded acme in <year> .", "bob , of oslo , left acme in the <year> .", "it rained for <number> days .",
    "acme sold <number> shares at <number> .", "the <number> time , ann was in oslo .",
]  # fmt: skip


class Wordless(CorpusReader):
    """A corpus without text of its own."""

    def read(self, path: Path | None) -> Corpus:
        return Corpus(())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `mytext`, 100 sentences of which none has two mentions, and no data of anybody else's."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "mytext", 20 * TOKENS)
    return tmp_path


def put(folder: Path, sentences: list[list[str]]) -> None:
    folder.mkdir(exist_ok=True)
    lines = (json.dumps({"tokens": tokens, "mentions": [[0, 1, "X"]]}) + "\n" for tokens in sentences)
    (folder / "sentences.jsonl").write_text("".join(lines))


def train(*arguments: str) -> int:
    return main(["data", "train-vectors", *arguments])


def test_vectors_are_found_by_a_grid_under_the_name_that_is_told(folder: Path, printed: Printed) -> None:
    assert train("mytext", "--size", "20") == 0
    out, err = printed()
    file = ".harness/data/vectors/mytext-20d.bin"
    assert re.fullmatch(
        r"mytext: vectors of 22 words in 20 dimensions, from 780 tokens in 100 sentences, by 5 epochs in \d+ s\n"
        rf'They are in {re.escape(file)}\. A grid uses them so: vectors = "mytext-20d\.bin"\n',
        out,
    )
    assert err == "".join(f"Trained: epoch {epoch} of 5\n" for epoch in range(1, 6))
    source = locate("mytext-20d.bin", Wordless(), Path(".harness"))
    assert source.load().vectors.shape == (22, 20)
    assert os.listdir(folder / ".harness" / "data" / "vectors") == ["mytext-20d.bin"]


def test_words_are_lower_cased_and_numbers_are_the_symbols_by_which_they_are_looked_up(
    folder: Path, printed: Printed
) -> None:
    assert train("mytext", "--size", "10", "--out", "mine.bin") == 0
    assert printed()[0].endswith('They are in mine.bin. A grid uses them so: vectors = "mine.bin"\n')
    vectors = load(folder / "mine.bin")
    words = Words(vectors, "zero")
    for token in {token for tokens in TOKENS for token in tokens}:
        words.row(token)
    assert words.coverage()["unknown"] == 0
    recipe = RECIPE | {"vector_size": 10, "min_count": 5}
    expected = Word2Vec([line.split() for line in 20 * TRAINED_ON], workers=1, **recipe).wv
    assert set(expected.index_to_key) == {word for line in TRAINED_ON for word in line.split()}
    for word in expected.index_to_key:
        np.testing.assert_array_equal(vectors[word], expected[word])


def test_rare_words_and_blanks_get_no_vector(folder: Path) -> None:
    put(folder / "mytext", [*5 * [["New\xa0York", " ", "often"]], *4 * [["rare", "often"]]])
    assert train("mytext", "--size", "5", "--out", "mine.bin") == 0
    vectors = load(folder / "mine.bin")
    assert [word for word in ("new_york", "often", "rare", "_", "new", "york") if word in vectors] == [
        "new_york",
        "often",
    ]
    assert train("mytext", "--size", "5", "--min-count", "1", "--out", "all.bin") == 0
    assert "rare" in load(folder / "all.bin")


def test_training_twice_gives_the_same_bytes_whatever_python_hashes(folder: Path) -> None:
    written = []
    for seed in ("1", "2"):
        file = folder / f"{seed}.bin.gz"
        words = [sys.executable, "-m", "harness", "data", "train-vectors", "mytext", "--size", "8", "--out", str(file)]
        surroundings = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        ran = subprocess.run(words, capture_output=True, text=True, env=surroundings)
        assert ran.returncode == 0, ran.stderr
        written.append(file.read_bytes())
    assert written[0] == written[1]


def test_every_ending_gives_the_same_vectors(folder: Path) -> None:
    found = []
    for name in ("mine.bin", "mine.txt", "packed.bin.gz", "packed.txt.gz"):
        assert train("mytext", "--size", "4", "--epochs", "1", "--out", name) == 0
        found.append(load(folder / name))
    for vectors in found[1:]:
        np.testing.assert_array_equal(vectors.vectors, found[0].vectors)
    assert gzip.decompress((folder / "packed.txt.gz").read_bytes()) == (folder / "mine.txt").read_bytes()
    assert sorted(os.listdir(folder)) == ["mine.bin", "mine.txt", "mytext", "packed.bin.gz", "packed.txt.gz"]


def test_more_workers_are_told_not_to_be_repeatable(folder: Path, printed: Printed) -> None:
    assert train("mytext", "--size", "4", "--workers", "2", "--out", "mine.bin") == 0
    assert re.search(r" by 5 epochs in \d+ s; with 2 workers they are not repeatable\n", printed()[0])


def test_the_coverage_of_a_corpus_is_told_by_rule(
    folder: Path, printed: Printed, make_plugin: Callable[..., Path]
) -> None:
    make_plugin("corpus", "target", """
        from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

        TOKENS = "oslo left ANN in Acme. 2024 xyz xyz ,".split()

        class Target(CorpusReader):
            about = About("accuracy")

            def read(self, path):
                return Corpus(tuple(
                    RelationMention(label, tuple(TOKENS), Span(0, 1), Span(2, 3), label, "train") for label in "ab"
                ))
        """)  # fmt: skip
    assert train("mytext", "--size", "4", "--coverage", "target") == 0
    assert (
        "Tokens of the sentences of target, by the rule that finds their vectors: 44.4% as written, 11.1% lower-cased, "
        "11.1% stripped of punctuation, 11.1% as a number, 22.2% unknown\n"
    ) in printed()[0]


REFUSED = {
    "a file that is there": (
        ["mytext", "--out", "there.bin"],
        "there.bin is there already; move it away, or choose another file with --out",
    ),
    "another ending": (
        ["mytext", "--out", "mine.vec.gz"],
        "--out mine.vec.gz: expected a name that ends in .bin or .txt, or in .bin.gz or .txt.gz",
    ),
    "no word that is frequent enough": (
        ["mytext", "--min-count", "1000", "--out", "mine.bin"],
        "mine.bin: expected words that stand at least 1000 times in text 'linked-jsonl' in mytext, found none",
    ),
    "a corpus without text": (
        ["kbp37"],
        "'kbp37' reads a labelled corpus alone; expected unlabelled text with linked mentions. Which data is text: "
        "python -m harness data list",
    ),
    "the coverage of a text": (
        ["mytext", "--coverage", "linked-jsonl", "--out", "mine.bin"],
        "'linked-jsonl' reads unlabelled text; expected a labelled corpus here. A grid takes text under texts",
    ),
    "a place that can't be written": (
        ["mytext", "--out", "there.bin/mine.bin"],
        "can't write there.bin/mine.bin: File exists; choose another place with --out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_is_told_and_leaves_nothing(folder: Path, printed: Printed, case: str) -> None:
    arguments, told = REFUSED[case]
    (folder / "there.bin").write_text("mine")
    assert train(*arguments) == 2
    assert printed() == ("", f"harness: {told}\n")
    assert sorted(os.listdir(folder)) == ["mytext", "there.bin"]
