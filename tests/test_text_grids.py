"""Grids with unlabelled text: the runs that they come to, crossed samples, and every mistake in its own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakePlugin

from harness import stages
from harness.contracts import Parse
from harness.datasets.parses import ParseSet
from harness.errors import GridError
from harness.grid import ResolvedGrid, resolve
from harness.specs import RunSpec

CORPUS = """
    from harness.contracts import *

    class Small(CorpusReader):
        about = About()

        def read(self, path):
            parts = ("train", "train", "train", "dev", "test")
            return Corpus(tuple(
                RelationMention(str(at), ("x", f"w{at}", "y"), Span(0, 1), Span(2, 3), "ab"[at % 2], parts[at % 5])
                for at in range(50)
            ))
"""
SENTENCES = 40
TREE = Parse(("NN", "VBD", "NN"), (1, -1, 1), ("nsubj", "root", "obj"))


def write(path: Path, verb: str = "met", count: int = SENTENCES) -> Path:
    """A text of that many sentences on entities X and Y."""
    mentions = [[0, 1, "X"], [2, 3, "Y"]]
    lines = (json.dumps({"tokens": ["x", f"{verb}{at}", "y"], "mentions": mentions}) for at in range(count))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_plugin("corpus", "small", CORPUS)
    (tmp_path / "v.txt").write_text("x 1 0\ny 0 1\n")
    write(tmp_path / "news.jsonl")
    (tmp_path / "t.tsv").write_text("Paris\tParis\n")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def grid(folder: Path) -> Callable[..., ResolvedGrid]:
    """`grid(strategies='"lm"')`: a grid with its axes as TOML values; None leaves one out."""

    def made(**changed: str | None) -> ResolvedGrid:
        axes: dict[str, str | None] = {
            "corpora": '{name = "small", split = "official"}',
            "encoders": '"bilstm"',
            "strategies": '"stepwise"',
            "vectors": '"v.txt"',
            "sizes": "[5]",
            "replicates": "2",
            "texts": NEWS,
        }
        axes |= changed
        text = "\n".join(f"{name} = {value}" for name, value in axes.items() if value is not None)
        return resolve("g", text, folder / "home")

    return made


NEWS = '{name = "linked-jsonl", path = "news.jsonl"}'

Grid = Callable[..., ResolvedGrid]


def only(grid: ResolvedGrid) -> RunSpec:
    """The first replicate of a grid's one cell."""
    assert len(grid.plain["cells"]) == 1
    return next(iter(grid.runs.values()))


TUNED = """
    from dataclasses import dataclass
    from harness.contracts import *
    from harness.parameters import parameter

    class Tuned(TextReader):
        @dataclass(frozen=True)
        class Parameters:
            many: int = parameter(50, "sentences")
            word: str = parameter("x", "the first word")

        about = About()

        def text(self, path, notes):
            for at in range(self.parameters.many):
                mentions = LinkedMention(0, 1, "x"), LinkedMention(1, 2, "y")
                yield LinkedSentence(str(at), (self.parameters.word, "y"), mentions)
"""

# What a grid comes to


def test_a_text_is_resolved(grid: Grid) -> None:
    spec = only(grid())
    assert spec.text is not None
    assert (spec.text.name, spec.text.reader, spec.text.selection) == ("news", "linked-jsonl", "random")
    assert (spec.text.sentences, spec.text.distance) == (SENTENCES // 5, 20)
    assert (spec.text.evaluation_text, spec.text.parses, spec.text.names, spec.text.parameters) == (None,) * 4
    assert spec.text.label == "news (random)"


def test_a_run_with_a_text_survives_a_record(grid: Grid) -> None:
    text = '{name = "linked-jsonl", path = "news.jsonl", selection = "target-pairs", evaluation_text = true, as = "n"}'
    for found in (grid(), grid(texts=text), grid(replicates=None, crossed="{samples = 2, initialisations = 3}")):
        for key, spec in found.runs.items():
            again = RunSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
            assert again == spec
            assert again.key == key
    assert only(grid(texts=text)).text.label == "n (target-pairs, with evaluation text)"  # type: ignore[union-attr]


def test_a_strategy_that_reads_no_text_is_one_run_for_every_text(grid: Grid) -> None:
    alone = grid(strategies='"none"', texts=None)
    both = grid(strategies='["none", "avg-embed"]', texts=f'[{NEWS}, {{name = "target"}}]')
    found = [spec for spec in both.runs.values() if spec.strategy.name == "none"]
    assert {spec.key for spec in found} == set(alone.runs)
    assert {cell["text"] for cell in both.plain["cells"]} == {None, "news (random)", "target (target-train)"}


def test_a_strategy_may_make_do_without_a_text(grid: Grid) -> None:
    assert only(grid(strategies='"avg-embed"', texts=None)).text is None
    assert only(grid(strategies='"avg-embed"')).text is not None


def test_the_learning_rate_of_pre_training_is_the_encoders_own_unless_the_grid_says_so(grid: Grid) -> None:
    found = grid(encoders='["bilstm", "pcnn"]', strategies='["seq-unshared", {name = "lm", learning_rate = 0.3}]')
    rates = {(s.encoder.name, s.strategy.name): s.strategy.parameters["learning_rate"] for s in found.runs.values()}
    assert rates == {("bilstm", "seq-unshared"): 0.1, ("pcnn", "seq-unshared"): 0.05, ("bilstm", "lm"): 0.3}
    given = grid(strategies='{name = "seq-unshared", learning_rate = 0.1}')
    assert set(given.runs) < set(found.runs)


def test_the_targets_own_sentences_need_no_reader(grid: Grid) -> None:
    text = only(grid(texts='"target"')).text
    assert text is not None
    assert (text.name, text.digest, text.selection, text.evaluation_text) == ("target", "", "target-train", False)
    called = only(grid(texts='{name = "target", evaluation_text = true, as = "mine"}')).text
    assert called is not None
    assert called.label == "mine (target-train, with evaluation text)"


def test_texts_that_differ_in_their_options_are_told_apart_by_a_variant(grid: Grid) -> None:
    found = grid(
        texts='{name = "linked-jsonl", path = "news.jsonl", distance = [5, 20], selection = ["random", "whole"]}'
    )
    assert {(cell["text"], cell["variant"]) for cell in found.plain["cells"]} == {
        (f"news ({selection})", f"distance={distance}") for selection in ("random", "whole") for distance in (5, 20)
    }


def test_what_tables_tell_of_texts(grid: Grid, folder: Path) -> None:
    (folder / "news.jsonl").open("a").write('\n{"tokens": ["x"], "mentions": []}')
    target, news = grid(texts=f'[{NEWS}, "target"]').plain["texts"]
    assert news == {
        "label": "news (random)", "name": "news", "selection": "random",
        "counts": {"sentences": 40, "tokens": 120, "mentions": 80, "entities": 2, "parsed": 0},
        "left_out": {"a sentence with fewer than 2 linked mentions": 1}, "remarks": [],
        "shared": {"small, split official": [0, 20]},
    }  # fmt: skip
    assert target == {"label": "target (target-train)", "name": "target", "selection": "target-train"}


def test_a_text_of_a_reader_with_parameters_is_hashed_with_them(grid: Grid, make_plugin: MakePlugin) -> None:
    make_plugin(
        "corpus",
        "tuned",
        TUNED,
    )
    found = grid(texts='{name = "tuned", many = 60}')
    spec = only(found)
    assert spec.text is not None
    assert (spec.text.parameters, spec.text.sentences) == ({"many": 60, "word": "x"}, 12)
    assert found.text_of(spec).spec == spec.text


def test_only_an_encoder_of_paths_sees_the_texts_parses(grid: Grid, folder: Path) -> None:
    for name, heads in (("one", TREE.heads), ("two", (-1, 0, 1))):
        store = ParseSet.create(folder / "home", name, {"name": name}, ())
        words = [("x", f"met{at}", "y") for at in range(SENTENCES)] + [("x", f"w{at}", "y") for at in range(50)]
        store.add(dict.fromkeys(words, Parse(TREE.tags, heads, TREE.labels)))
    asked: dict[str, str | None] = {
        "encoders": '["bilstm", "deptree-lstm"]',
        "corpora": '{name = "small", split = "official", parses = "one"}',
        "replicates": "1",
    }
    texts = [f'{{name = "linked-jsonl", path = "news.jsonl", parses = "{name}"}}' for name in ("one", "two")]
    one, two = ({s.encoder.name: s for s in grid(texts=text, **asked).runs.values()} for text in texts)
    plain = only(grid(replicates="1", corpora=asked["corpora"]))
    assert one["bilstm"].key == two["bilstm"].key == plain.key
    assert one["deptree-lstm"].key != two["deptree-lstm"].key
    found = grid(texts=texts[1], **asked)
    for spec in found.runs.values():
        source = found.text_of(spec).source
        assert source is not None
        assert next(source.sentences()).parse == Parse(TREE.tags, (-1, 0, 1), TREE.labels)


# Crossed


def test_crossed_moves_samples_and_initialisations_apart(grid: Grid) -> None:
    found = grid(replicates=None, crossed="{samples = 3, initialisations = 2}", strategies='["none", "stepwise"]')
    runs = [spec for spec in found.runs.values() if spec.text]
    streams = [tuple(spec.stream(name) for name in ("sample", "initialisation", "subset", "order")) for spec in runs]
    assert streams == [(sample, *[at] * 3) for sample in range(3) for at in range(2)]
    without = [spec for spec in found.runs.values() if not spec.text]
    assert [(spec.stream("sample"), spec.stream("initialisation")) for spec in without] == [(0, 0), (0, 1)]
    assert found.plain["crossed"] == {"samples": 3, "initialisations": 2}
    assert found.plain["replicates"] == 6
    assert [len(cell["keys"]) for cell in found.plain["cells"]] == [2, 6]
    assert len({stages.vectors_key(spec) for spec in runs}) == 3
    assert grid().plain["crossed"] is None


def test_crossed_is_five_of_each_by_default(grid: Grid) -> None:
    assert len(grid(replicates=None, crossed="{}").runs) == 25


def test_replicates_move_the_sample_unless_the_grid_holds_it_still(grid: Grid) -> None:
    assert [spec.stream("sample") for spec in grid().runs.values()] == [0, 1]
    still = grid(vary='["initialisation"]', replicates="9")
    assert {spec.stream("sample") for spec in still.runs.values()} == {0}
    assert len({stages.vectors_key(spec) for spec in still.runs.values()}) == 1


# Mistakes


def mistakes(grid: Grid, **axes: str | None) -> list[str]:
    with pytest.raises(GridError) as error:
        grid(**axes)
    return [mistake.removeprefix("grid 'g', ") for mistake in error.value.mistakes]


TARGET = (
    "texts.target: expected the target's own sentences, selection = 'target-train', without path, sentences, parses and "
    "names"
)
NEEDED = (
    "strategies.stepwise: reads unlabelled text, and none is named; add --text NAME or --text PATH, or in a grid's file "
    "texts = [{name = 'READER', path = 'mytext'}]; see python -m harness data list"
)
PARAMETERS = "as, distance, evaluation_text, names, parses, path, selection, sentences, strict"


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"texts": None}, [NEEDED]),
        ({"texts": "[]"}, [NEEDED]),
        ({"strategies": '"none"'}, ["texts: expected none, for no strategy of the grid reads unlabelled text; leave out --text, or texts in the grid's file"]),
        ({"texts": "3"}, ["texts: expected a name, or a table with a name, found 3"]),
        ({"texts": '{path = "news.jsonl"}'}, ["texts: expected a name, or a table with a name, found {'path': 'news.jsonl'}"]),
        ({"texts": '"small"'}, ["texts: expected a reader of unlabelled text, found 'small', which reads a corpus without linked text"]),
        ({"corpora": '"linked-jsonl"'}, ["corpora: expected a reader of labelled corpora, found 'linked-jsonl', which reads unlabelled text, which stands under texts"]),
        ({"texts": '{name = "target", selection = "random"}'}, [TARGET]),
        ({"texts": '{name = "target", path = "news.jsonl"}'}, [TARGET]),
        ({"texts": '{name = "target", sentences = 5}'}, [TARGET]),
        ({"texts": '{name = "target", parses = "one"}'}, [TARGET]),
        ({"texts": '{name = "target", names = "t.tsv"}'}, [TARGET]),
        ({"texts": '{name = "target", many = 5}'}, [f"texts.target: no parameter 'many'; Known: {PARAMETERS}"]),
        ({"texts": NEWS[:-1] + ', selection = "target-train"}'}, ["texts.linked-jsonl: the selection target-train needs no reader; name = 'target' asks for it"]),
        ({"texts": NEWS[:-1] + ', selection = "whole", sentences = 5}'}, ["texts.linked-jsonl.sentences: expected with selection = 'random' alone, leave it out"]),
        ({"texts": NEWS[:-1] + ", evaluation_text = true}"}, ["texts.linked-jsonl.evaluation_text: expected with selection = 'target-pairs' alone"]),
        ({"texts": NEWS[:-1] + ', selection = "half"}'}, ["texts.linked-jsonl.selection: expected 'random' or 'whole' or 'target-pairs' or 'target-train', found 'half'"]),
        ({"texts": NEWS[:-1] + ', size = 5}'}, [f"texts.linked-jsonl: no parameter 'size'; Known: {PARAMETERS}"]),
        ({"texts": NEWS[:-1] + ', as = " "}'}, ["texts.linked-jsonl.as: expected a name that can be printed, found ' '"]),
        ({"texts": NEWS[:-1] + ', distance = -1}'}, ["texts.linked-jsonl.distance: must be at least 0, found -1"]),
        ({"texts": NEWS[:-1] + ", sentences = 21}"}, ["texts.news: asks for random samples of 21 sentences, 2 of which are to be disjoint, and there are 40; take smaller ones, sentences = N, or fewer replicates, or vary without 'sample'"]),
        ({"texts": NEWS[:-1] + ", sentences = 41}", "vary": '["order"]'}, ["texts.news: asks for random samples of 41 sentences and there are 40; take smaller ones, sentences = N"]),
        ({"replicates": "6"}, ["texts.news: asks for random samples of 8 sentences, 6 of which are to be disjoint, and there are 40; take smaller ones, sentences = N, or fewer replicates, or vary without 'sample'"]),
        ({"crossed": "{}", "vary": '["order"]'}, ["crossed: expected without replicates and vary, for it says itself what is repeated"]),
        ({"crossed": "{}"}, ["crossed: expected without replicates, for it says itself what is repeated"]),
        ({"crossed": "{}", "replicates": None, "texts": None, "strategies": '"none"'}, ["crossed: expected texts, whose samples meet the initialisations"]),
        ({"crossed": "{samples = 1}", "replicates": None}, ["crossed.samples: must be at least 2, found 1"]),
        ({"crossed": "{sample = 2}", "replicates": None}, ["crossed: no parameter 'sample'; did you mean 'samples'? Known: initialisations, samples"]),
        ({"crossed": "2", "replicates": None}, ["crossed: expected a table, found 2"]),
        ({"crossed": "{samples = 6}", "replicates": None, "texts": NEWS[:-1] + ", sentences = 8}"}, ["texts.news: asks for random samples of 8 sentences, 6 of which are to be disjoint, and there are 40; take smaller ones, sentences = N, or fewer replicates, or vary without 'sample'"]),
        ({"text": '"target"'}, ["no key 'text'; did you mean 'texts'? Known: corpora, crossed, encoders, replicates, save_hidden, sizes, strategies, texts, training, vary, vectors"]),
    ],
)  # fmt: skip
def test_each_mistake_is_told_and_no_other(axes: dict[str, str | None], told: list[str], grid: Grid) -> None:
    assert mistakes(grid, **axes) == told


def test_what_is_wrong_with_files_is_a_mistake(grid: Grid, folder: Path) -> None:
    (folder / "bad.jsonl").write_text('{"tokens": ["x"], "mentions": []}')
    (folder / "t.tsv").write_text("Paris\n")
    alone = "expected sentences with at least 2 linked mentions, found none (1 left out: a sentence with fewer than 2 linked mentions)"
    assert mistakes(grid, texts='{name = "linked-jsonl", path = "bad.jsonl"}') == [
        f"texts: text 'linked-jsonl' in {folder}/bad.jsonl: {alone}"
    ]
    assert mistakes(grid, texts=NEWS[:-1] + ', names = "t.tsv"}') == [
        f"texts: {folder}/t.tsv, line 1: expected a name, a tab and an ID, found 'Paris'"
    ]
    absent = Path("none.tsv").absolute()
    assert mistakes(grid, texts=NEWS[:-1] + ', names = "none.tsv"}') == [
        f"texts: there is no none.tsv: looked for {absent}, {folder}/none.tsv, {folder}/home/data/none.tsv"
    ]


def test_two_texts_of_other_content_with_one_name_are_refused(grid: Grid, folder: Path) -> None:
    (folder / "old").mkdir()
    write(folder / "old/news.jsonl", "left")
    both = f'[{NEWS}, {{name = "linked-jsonl", path = "old/news.jsonl"}}]'
    assert mistakes(grid, texts=both) == [
        "texts: two of other content are both called 'news'; call one of them otherwise, as = '...'"
    ]
    assert grid(texts=both.replace('"old/news.jsonl"', '"old/news.jsonl", as = "old"')).runs


def test_an_encoder_of_paths_needs_parses_of_the_text(grid: Grid, folder: Path) -> None:
    store = ParseSet.create(folder / "home", "one", {"name": "one"}, ())
    store.add({("x", f"w{at}", "y"): TREE for at in range(50)})
    corpora = '{name = "small", split = "official", parses = "one"}'
    told = mistakes(grid, encoders='["bilstm", "deptree-lstm"]', corpora=corpora)
    assert told == [
        "encoders.deptree-lstm: needs parses of the text news, and it has none: python -m harness data annotate "
        "news.jsonl --reader linked-jsonl, then parses = 'stanza' in its entry under texts"
    ]
    assert grid(encoders='"deptree-lstm"', corpora=corpora, texts='"target"').runs
    assert grid(encoders='"deptree-lstm"', corpora=corpora, strategies='"avg-embed"').runs


@pytest.mark.parametrize(
    ("entry", "typed"),
    [
        ('"tuned"', "tuned"),
        ('{name = "tuned", as = "mine", many = 50}', "tuned"),
        ('{name = "tuned", many = 60, word = "a b"}', "tuned --parameter many=60 --parameter 'word=a b'"),
    ],
)
def test_the_command_that_makes_parses_names_what_is_not_usual(
    entry: str, typed: str, grid: Grid, folder: Path, make_plugin: MakePlugin
) -> None:
    make_plugin("corpus", "tuned", TUNED)
    ParseSet.create(folder / "home", "one", {"name": "one"}, ()).add({("x", f"w{at}", "y"): TREE for at in range(50)})
    corpora = '{name = "small", split = "official", parses = "one"}'
    (told,) = mistakes(grid, encoders='"deptree-lstm"', corpora=corpora, texts=entry)
    assert f"python -m harness data annotate {typed}, then parses = 'stanza'" in told
