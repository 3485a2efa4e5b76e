"""What a grid comes to: runs, cells, variants, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import GridError
from harness.grid import ResolvedGrid, resolve
from harness.specs import RunSpec

CORPUS = '''
    """Sixty mentions of two relations, published in three parts."""
    from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

    class Small(CorpusReader):
        about = About(headline="micro_f1_positive", NEGATIVE)

        def read(self, folder):
            labels = ("a(e1,e2)", "a(e2,e1)", "no_relation")
            parts = ("train", "train", "train", "dev", "test")
            return Corpus(tuple(
                RelationMention(str(at), ("x", f"w{at}", "y"), Span(0, 1), Span(2, 3), labels[at % 3], parts[at % 5])
                for at in range(90)
            ))
'''
BASE = """
corpora = ["small"]
encoders = ["handcrafted"]
strategies = ["none"]
sizes = [5]
replicates = 2
"""


@pytest.fixture
def grid(tmp_path: Path, make_plugin: Callable[..., Path]) -> Callable[..., ResolvedGrid]:
    make_plugin("corpus", "small", CORPUS.replace("NEGATIVE", 'negative_label = "no_relation"'))
    (tmp_path / "v.txt").write_text("x 1 0\ny 0 1\n")

    def made(text: str = "", **axes: str) -> ResolvedGrid:
        lines = [line for line in BASE.strip().splitlines() if line.split(" = ")[0] not in axes]
        axis_lines = [f"{name} = {value}" for name, value in axes.items()]
        return resolve("g", "\n".join([*lines, *axis_lines, text]), tmp_path)

    return made


def vectors(tmp_path: Path) -> str:
    return f'"{tmp_path / "v.txt"}"'


def test_sizes_that_come_to_one_count_are_one_run(grid: Callable[..., ResolvedGrid]) -> None:
    found = grid(sizes='["full", "S10", 42, 5]')
    assert sorted({spec.size for spec in found.runs.values()}) == [5, 42]
    assert len(found.runs) == 4
    assert [len(cell["keys"]) for cell in found.plain["cells"]] == [2, 2]


def test_cells_are_runs_that_differ_in_nothing_but_the_replicate(grid: Callable[..., ResolvedGrid]) -> None:
    found = grid(sizes="[5, 10]")
    for cell in found.plain["cells"]:
        specs = [found.runs[key] for key in cell["keys"]]
        assert [spec.replicate for spec in specs] == [0, 1]
        assert {spec.cell for spec in specs} == {cell["cell"]}
        assert RunSpec.from_dict(cell["spec"] | {"replicate": 1}) == specs[1]


def test_splits_and_the_negative_class(grid: Callable[..., ResolvedGrid]) -> None:
    found = grid(corpora='["small", {name = "small", split = "official", negative = "keep"}]')
    paper, official = found.plain["corpora"]
    assert paper["counts"] == {"train": 42, "dev": 6, "test": 12}
    assert official["counts"] == {"train": 54, "dev": 18, "test": 18}
    assert (paper["negative"], official["negative"]) == (None, "no_relation")
    assert paper["classes"] == ["a(e1,e2)", "a(e2,e1)"]
    assert paper["label"] == "small, split paper, no_relation dropped"
    assert official["label"] == "small, split official, no_relation kept"


def test_variants_name_what_varies_and_nothing_else(grid: Callable[..., ResolvedGrid], tmp_path: Path) -> None:
    found = grid(
        "[training]\nfeatures = [true, false]\nstandardise = false\n",
        encoders='["handcrafted", "mean", {name = "bilstm", cell = ["torch", "vinyals"], hidden = 4}]',
        vectors=vectors(tmp_path),
    )
    variants = {(cell["encoder"], cell["variant"]) for cell in found.plain["cells"]}
    assert variants == {
        ("handcrafted", "features=on"),
        ("mean", "features=on"),
        ("mean", "features=off"),
        *(("bilstm", f"features={on}, cell={cell}") for cell in ("torch", "vinyals") for on in ("on", "off")),
    }
    assert {cell["variant"] for cell in grid().plain["cells"]} == {""}


def test_two_samples_of_one_corpus_are_told_apart(grid: Callable[..., ResolvedGrid]) -> None:
    found = grid(corpora='[{name = "small", sample = [30, 40]}]')
    assert {cell["variant"] for cell in found.plain["cells"]} == {"sample=30", "sample=40"}


def test_fields_that_a_plugin_does_not_use_are_null(grid: Callable[..., ResolvedGrid], tmp_path: Path) -> None:
    with_vectors, without = grid(vectors=vectors(tmp_path)), grid()
    assert set(with_vectors.runs) == set(without.runs)
    (spec,) = {spec.vectors for spec in without.runs.values()}
    assert spec is None


def test_defaults_are_filled_in_and_lists_of_groups_are_put_in_order(
    grid: Callable[..., ResolvedGrid], tmp_path: Path
) -> None:
    found = grid(encoders='["mean", "bilstm"]', vectors=vectors(tmp_path))
    by_name = {spec.encoder.name: spec for spec in found.runs.values()}
    assert by_name["mean"].training.standardise is True
    assert by_name["bilstm"].training.standardise is False
    assert by_name["bilstm"].encoder.parameters == {"hidden": 200, "cell": "torch"}
    swapped = grid('[training]\nfeatures = [["collocations", "lexical"]]\n')
    assert {spec.training.features for spec in swapped.runs.values()} == {("lexical", "collocations")}
    assert set(swapped.runs) == set(grid().runs)


def test_every_pair_without_a_meaning_is_refused_with_its_reason(
    grid: Callable[..., ResolvedGrid], tmp_path: Path
) -> None:
    found = grid(
        "[training]\nfeatures = [true, false]\n",
        encoders='["handcrafted", "mean"]',
        strategies='["none", "avg-embed"]',
        vectors=vectors(tmp_path),
    )
    reasons = {(r["encoder"], r["strategy"], r["variant"]): r["reason"] for r in found.plain["refusals"]}
    lacks = "handcrafted lacks what avg-embed needs: word and entity vectors to read"
    off = "handcrafted has nothing but the features, and they are off"
    assert reasons == {
        ("handcrafted", "none", "features=off"): off,
        ("handcrafted", "avg-embed", ""): lacks,
        ("handcrafted", "avg-embed", "features=off"): f"{lacks}; {off}",
    }


def test_what_a_pair_lacks_is_told_in_one_sentence(grid: Callable[..., ResolvedGrid], tmp_path: Path) -> None:
    text = 'texts = [{name = "synthetic"}]\n'
    found = grid(text, encoders='["mean", "bilstm"]', strategies='["seq-shared"]', vectors=vectors(tmp_path))
    (refusal,) = found.plain["refusals"]
    assert refusal["reason"] == (
        "mean lacks what seq-shared needs: weights that pre-training can move; an encoder of readings: encode(reading) "
        "-> (B, H); an LSTM to share: unroll(inputs, start) -> (B, T, H)"
    )


def test_a_grid_holds_chosen_streams_still(grid: Callable[..., ResolvedGrid]) -> None:
    found = grid(vary='["initialisation"]')
    second = next(spec for spec in found.runs.values() if spec.replicate == 1)
    assert (second.stream("initialisation"), second.stream("subset"), second.stream("order")) == (1, 0, 0)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"sizes": "[43]"}, "sizes, with small, split paper, no_relation dropped: asks for 43 training mentions, but the split has 42"),
        ({"corpora": '[{name = "small", sample = 61}]'}, "corpora.small.sample: asks for 61 mentions, but there are 60"),
        ({"corpora": '[{name = "small", sample = 2}]'}, "corpora.small.split: the paper split has no mentions in dev, test"),
        ({"encoders": '["mean"]'}, "vectors: expected a vector file, a gensim-data name or 'own', found nothing"),
        ({"encoders": '["mean"]', "vectors": '"own"'}, "vectors 'own' are trained on the text of a generated corpus, which Small is not; name a vector file instead, or make one: python -m harness data train-vectors TEXT"),
        ({"encoders": "[]"}, "encoders: expected at least one name, found nothing"),
        ({"training": "3"}, "training: expected a table, found 3"),
        ({"encoders": '[{name = "bilstm", cell = []}]'}, "encoders.bilstm.cell: expected at least one value, found []"),
        ({"sizes": "[]"}, "sizes: expected a list such as [50, 'S9', 'full'], found []"),
    ],
)  # fmt: skip
def test_mistakes(grid: Callable[..., ResolvedGrid], axes: dict[str, str], message: str) -> None:
    with pytest.raises(GridError) as error:
        grid(**axes)
    assert message in str(error.value)


def test_two_vector_files_of_one_name_are_refused(grid: Callable[..., ResolvedGrid], tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "v.txt").write_text(f"x 1 0\ny 0 {len(folder)}\n{folder} 2 2\n")
    both = f'["{tmp_path}/one/v.txt", "{tmp_path}/two/v.txt"]'
    with pytest.raises(GridError, match=r"two files of other content are both called 'v\.txt'; rename one"):
        grid(encoders='["mean"]', vectors=both)


def test_one_corpus_asked_for_twice_is_one(grid: Callable[..., ResolvedGrid]) -> None:
    found = grid(corpora='["small", {name = "small", split = "paper"}]')
    assert len(found.plain["corpora"]) == 1


def test_one_class_is_left_once_the_negative_one_is_dropped(tmp_path: Path, make_plugin: Callable[..., Path]) -> None:
    source = (
        CORPUS.replace("NEGATIVE", 'negative_label = "no_relation"').replace('"a(e2,e1)", ', "").replace("% 3", "% 2")
    )
    make_plugin("corpus", "small", source)
    with pytest.raises(GridError, match=r"corpora\.small\.negative: dropping 'no_relation' leaves one class only"):
        resolve("g", BASE, tmp_path)
