"""Where corpora are looked for, what is checked when one is read, and what its digests see."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from conftest import MakePlugin
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import Corpus, LinkedMention, Parse, RelationMention, Span
from harness.datasets.sources import (
    Request,
    content_digest,
    data_folders,
    describe_left_out,
    find_folder,
    find_path,
    fit_to_run,
    parses_digest,
    read_corpus,
    read_source,
    recognise,
)
from harness.errors import DataError, PluginError
from harness.scoring import METRICS

PARSE = Parse(tags=("NN", "VB", "NN"), heads=(1, -1, 1), labels=("nsubj", "root", "obj"))
MENTION = RelationMention("m1", ("Ann", "runs", "Acme"), Span(0, 1), Span(2, 3), "works-for", "train", parse=PARSE)

TOY = """
from harness.contracts import About, Corpus, CorpusReader, LinkedMention, Parse, RelationMention, Span

class Toy(CorpusReader):
    '''A file's lines as labels, of one sentence.'''
    files = ("labels.txt",)
    takes_path = True
    about = About(headline="accuracy", source="https://example.org/toy")

    def read(self, folder):
        labels = (folder / "labels.txt").read_text().split()
        tokens = ("Ann", "runs", "Acme")
        return Corpus(tuple(
            RelationMention(str(number), tokens, Span(0, 1), Span(2, 3), label, "train")
            for number, label in enumerate(labels)
        ))
"""


def put(folder: Path, text: str, file: str = "toy/labels.txt") -> Path:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text)
    return folder


# Where


def test_folders_are_those_of_the_variable_and_then_the_homes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", "/a:/b/c:")
    assert data_folders(Path("home")) == (Path("/a"), Path("/b/c"), Path("home/data"))
    monkeypatch.setenv("HARNESS_DATA", "~/data")
    assert data_folders(Path("home"))[0] == Path.home() / "data"
    monkeypatch.delenv("HARNESS_DATA")
    assert data_folders(Path("home")) == (Path("home/data"),)


def test_the_first_folder_that_has_all_files_is_read(
    tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("corpus", "toy", TOY)
    home = tmp_path / "home"
    monkeypatch.setenv("HARNESS_DATA", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    for folder in (home / "data", tmp_path / "b", tmp_path / "a"):
        put(folder, f"x y {folder.name}")
        labels = {mention.label for mention in read_corpus("toy", home).corpus.mentions}
        assert labels == {"x", "y", folder.name}


def test_a_whole_folder_is_found_behind_one_that_is_not_whole(
    tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("corpus", "toy", TOY.replace('("labels.txt",)', '("labels.txt", "more.txt")'))
    monkeypatch.setenv("HARNESS_DATA", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    put(tmp_path / "a", "x y")
    with pytest.raises(DataError, match=f"^corpus 'toy' is not whole in {tmp_path / 'a' / 'toy'}: missing more.txt$"):
        read_corpus("toy", tmp_path)
    put(tmp_path / "b", "u v")
    put(tmp_path / "b", "", "toy/more.txt")
    assert read_corpus("toy", tmp_path).corpus.mentions[0].label == "u"


def test_a_corpus_that_is_not_here_is_told(
    tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("corpus", "toy", TOY)
    monkeypatch.setenv("HARNESS_DATA", "/nowhere")
    with pytest.raises(DataError) as raised:
        read_corpus("toy", tmp_path)
    assert str(raised.value) == (
        f"corpus 'toy' is not here: expected toy/labels.txt below one of /nowhere, {tmp_path / 'data'}. "
        "Get it from https://example.org/toy and point HARNESS_DATA at the folder that has toy/labels.txt"
    )


def test_a_corpus_without_files_needs_no_folder(tmp_path: Path) -> None:
    corpus = read_corpus("synthetic", tmp_path)
    assert find_folder(type(corpus.reader), "synthetic", tmp_path) is None
    assert len(corpus.corpus.mentions) == 4000


# What is checked


@pytest.mark.parametrize(
    ("labels", "found"), [("x x x", "3 mentions of 'x'"), ("", "0 mentions of none")], ids=["one class", "empty"]
)
def test_fewer_than_two_classes_are_refused(tmp_path: Path, make_plugin: MakePlugin, labels: str, found: str) -> None:
    make_plugin("corpus", "toy", TOY)
    put(tmp_path / "data", labels)
    with pytest.raises(DataError, match=f"^corpus 'toy': expected mentions of at least two classes, found {found}$"):
        read_corpus("toy", tmp_path)


SPANS = "expected two spans in text order within 3 tokens, found"
MISTAKES = {
    "spans in reverse": ("first=Span(2, 3), second=Span(0, 1)", f"{SPANS} (2, 3) and (0, 1)"),
    "spans that overlap": ("first=Span(0, 2), second=Span(1, 3)", f"{SPANS} (0, 2) and (1, 3)"),
    "an empty span": ("first=Span(0, 0)", f"{SPANS} (0, 0) and (2, 3)"),
    "a negative span": ("first=Span(-1, 1)", f"{SPANS} (-1, 1) and (2, 3)"),
    "a span beyond the end": ("second=Span(2, 4)", f"{SPANS} (0, 1) and (2, 4)"),
    "an empty further mention": (
        "others=(LinkedMention(1, 1, 'Q1'),)",
        "expected further mentions within 3 tokens, found (1, 1) of 'Q1'",
    ),
    "a part of another name": ("part='valid'", "expected the part train, dev, test, found 'valid'"),
    "a parse of another sentence": (
        "parse=Parse(('NN',), (-1, 0), ('root', 'x', 'y'))",
        "expected a parse of 3 tokens, found 1 tags, 2 heads and 3 labels",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mention_that_breaks_its_promise_is_told(tmp_path: Path, make_plugin: MakePlugin, mistake: str) -> None:
    fields, told = MISTAKES[mistake]
    reading = f"""
    def read(self, folder):
        from dataclasses import replace
        one = RelationMention("m1", ("Ann", "runs", "Acme"), Span(0, 1), Span(2, 3), "x", "train")
        return Corpus((one, replace(one, identifier="m2", label="y", {fields})))
    """
    make_plugin("corpus", "toy", TOY[: TOY.index("    def read")] + reading)
    put(tmp_path / "data", "")
    with pytest.raises(DataError) as raised:
        read_corpus("toy", tmp_path)
    assert str(raised.value) == f"corpus 'toy', mention m2: {told}"


@pytest.mark.parametrize(
    ("headline", "nearest"), [("acuracy", "; did you mean 'accuracy'?"), ("f", "")], ids=["a slip", "far off"]
)
def test_an_unknown_headline_metric_is_told(
    tmp_path: Path, make_plugin: MakePlugin, headline: str, nearest: str
) -> None:
    make_plugin("corpus", "toy", TOY.replace('"accuracy"', repr(headline)))
    put(tmp_path / "data", "x y")
    with pytest.raises(DataError) as raised:
        read_corpus("toy", tmp_path)
    known = ", ".join(sorted(METRICS))
    assert (
        str(raised.value)
        == f"corpus 'toy': no headline metric '{headline}'{nearest}{'' if nearest else ';'} Known: {known}"
    )


def test_a_corpus_may_be_read_that_is_not_fit_to_run(tmp_path: Path, make_plugin: MakePlugin) -> None:
    make_plugin("corpus", "toy", TOY)
    put(tmp_path / "data", "x x")
    source = read_source(Request("toy"), tmp_path)
    assert [mention.label for mention in source.corpus.mentions] == ["x", "x"]
    told = "^corpus 'toy': expected mentions of at least two classes, found 2 mentions of 'x'$"
    with pytest.raises(DataError, match=told):
        fit_to_run(source)
    put(tmp_path / "data", "x y")
    fit_to_run(read_source(Request("toy"), tmp_path))


def test_a_file_that_the_reader_cannot_open_is_told(tmp_path: Path, make_plugin: MakePlugin) -> None:
    make_plugin("corpus", "toy", TOY.replace('"labels.txt").read_text', '"other.txt").read_text'))
    put(tmp_path / "data", "x y")
    with pytest.raises(DataError, match=r"^corpus 'toy' can't be read: .*No such file or directory: .*other.txt'$"):
        read_corpus("toy", tmp_path)


def test_an_unknown_corpus_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"no corpus 'kpb37'; did you mean 'kbp37'\? Known: .*kbp37, .*synthetic"):
        read_corpus("kpb37", tmp_path)


# Digests


CHANGES: dict[str, Any] = {
    "identifier": "m2",
    "tokens": ("Ann", "runs", "acme"),
    "first": Span(0, 2),
    "second": Span(1, 3),
    "label": "founded",
    "part": "dev",
    "head": "first",
    "first_entity": "Q1",
    "second_entity": "Q2",
    "others": (LinkedMention(1, 2, "Q3"),),
}


def test_every_field_that_a_run_sees_is_in_the_content_digest() -> None:
    assert CHANGES.keys() | {"parse", "agreement"} == {field.name for field in dataclasses.fields(RelationMention)}
    digests = {content_digest(Corpus((MENTION,)))}
    digests |= {content_digest(Corpus((dataclasses.replace(MENTION, **{k: v}),))) for k, v in CHANGES.items()}
    assert len(digests) == 1 + len(CHANGES)
    bare = dataclasses.replace(MENTION, parse=None, agreement=0.8)
    assert content_digest(Corpus((bare,))) == content_digest(Corpus((MENTION,)))


def test_what_is_told_of_a_corpus_is_not_in_its_digest() -> None:
    told = Corpus((MENTION,), {"an empty argument": 3}, ("a remark",))
    assert content_digest(told) == content_digest(Corpus((MENTION,)))


words = st.text(max_size=3)
mentions = st.lists(
    st.builds(
        RelationMention,
        identifier=words,
        tokens=st.lists(words, max_size=3).map(tuple),
        first=st.builds(Span, st.integers(0, 2), st.integers(0, 2)),
        second=st.just(Span(0, 1)),
        label=words,
        part=st.just("train"),
    ),
    max_size=3,
).map(tuple)


@given(mentions, mentions)
def test_corpora_have_one_digest_just_if_they_are_equal(
    one: tuple[RelationMention, ...], two: tuple[RelationMention, ...]
) -> None:
    assert (content_digest(Corpus(one)) == content_digest(Corpus(two))) == (one == two)


def test_a_parse_has_a_digest_of_its_own() -> None:
    bare = dataclasses.replace(MENTION, parse=None)
    assert parses_digest(Corpus((bare,))) is None
    parsed = [dataclasses.replace(PARSE, **change) for change in (
        {}, {"tags": ("NN", "VB", "NNP")}, {"heads": (1, -1, 0)}, {"labels": ("nsubj", "root", "obl")},
    )]  # fmt: skip
    digests = {parses_digest(Corpus((dataclasses.replace(MENTION, parse=parse),))) for parse in parsed}
    assert len(digests | {None, parses_digest(Corpus((MENTION, bare)))}) == 6


def test_what_was_left_out_is_told_in_one_line() -> None:
    assert describe_left_out({"b": 1, "a": 1200}) == "1,200 left out: a; 1 left out: b"
    assert describe_left_out({}) == ""


# Paths


def test_a_path_is_read_as_written_else_below_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "a"))
    put(tmp_path / "home" / "data", "x", "mine/labels.txt")
    assert find_path("mine", tmp_path / "home") == tmp_path / "home" / "data" / "mine"
    put(tmp_path / "a", "x", "mine/labels.txt")
    assert find_path("mine", tmp_path / "home") == tmp_path / "a" / "mine"
    put(tmp_path / "work", "x", "mine/labels.txt")
    assert find_path("mine", tmp_path / "home") == Path("mine")
    assert find_path(str(tmp_path / "a"), tmp_path / "home") == tmp_path / "a"
    with pytest.raises(DataError) as raised:
        find_path("other", tmp_path / "home")
    places = ", ".join(str(tmp_path / place) for place in ("work/other", "a/other", "home/data/other"))
    assert str(raised.value) == f"there is no other: looked for {places}"
    monkeypatch.setenv("HARNESS_DATA", "a")
    with pytest.raises(DataError) as raised:
        find_path("other", Path("home"))
    places = ", ".join(str(tmp_path / "work" / place) for place in ("other", "a/other", "home/data/other"))
    assert str(raised.value) == f"there is no other: looked for {places}"


def test_a_path_that_can_be_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        find_path(5_000 * "x", tmp_path)
    assert str(raised.value) == f"there is no '{56 * 'x'}... that can be read: File name too long"
    with pytest.raises(DataError) as raised:
        find_path("~no-such-user/x", tmp_path)
    assert str(raised.value) == "there is no '~no-such-user/x' that can be read: Could not determine home directory."
    put(tmp_path, "x", "file")
    with pytest.raises(DataError, match=rf"^there is no {tmp_path}/file/x: looked for {tmp_path}/file/x$"):
        find_path(str(tmp_path / "file" / "x"), tmp_path)


def test_a_data_folder_below_a_home_that_nobody_has_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", "~no-such-user/data")
    assert data_folders(tmp_path) == (Path("~no-such-user/data"), tmp_path / "data")
    put(tmp_path / "data", "x", "mine/labels.txt")
    assert find_path("mine", tmp_path) == tmp_path / "data" / "mine"


def test_a_reader_is_pointed_at_a_path(tmp_path: Path, make_plugin: MakePlugin) -> None:
    make_plugin("corpus", "toy", TOY)
    put(tmp_path, "u v", "mine/labels.txt")
    source = read_corpus(Request("toy", path=str(tmp_path / "mine")), tmp_path)
    assert [mention.label for mention in source.corpus.mentions] == ["u", "v"]
    put(tmp_path, "u", "mine/labels.txt")
    told = f"^corpus 'toy' in {tmp_path}/mine: expected mentions of at least two classes, found 1 mentions of 'u'$"
    with pytest.raises(DataError, match=told):
        read_corpus(Request("toy", path=str(tmp_path / "mine")), tmp_path)


@pytest.mark.parametrize(
    ("files", "reader"),
    [
        (("train.json",), "tacred"),
        (("test.json.gz", "other.txt"), "tacred"),
        (("dev.jsonl",), "jsonl"),
        (("mentions.jsonl", "corpus.json"), "jsonl"),
        (("train.txt", "dev.txt", "test.txt"), "kbp37"),
        (("TRAIN_FILE.TXT",), "semeval2010-task8"),
        (("annotated_sentences.csv.bz2",), "stanfordre"),
        (("val_wiki.json",), "fewrel"),
    ],
)
def test_a_folder_is_recognised_by_its_files(tmp_path: Path, files: tuple[str, ...], reader: str) -> None:
    for file in files:
        put(tmp_path, "", file)
    assert recognise(tmp_path) == reader


@pytest.mark.parametrize(
    ("file", "reader"),
    [
        ("train.json", "tacred"),
        ("test.json.gz", "tacred"),
        ("val_wiki.json", "fewrel"),
        ("dev.jsonl.xz", "jsonl"),
        ("train.txt", "kbp37"),
        ("TRAIN_FILE.TXT", "semeval2010-task8"),
    ],
)
def test_a_file_is_recognised_by_its_name_first(tmp_path: Path, file: str, reader: str) -> None:
    assert recognise(put(tmp_path, "", file) / file) == reader


def test_a_file_that_two_readers_know_by_name_is_told(tmp_path: Path, make_plugin: MakePlugin) -> None:
    make_plugin("corpus", "toy", TOY.replace("labels.txt", "train.json"))
    path = put(tmp_path, "", "train.json") / "train.json"
    with pytest.raises(DataError) as raised:
        recognise(path)
    told = "expected the files of one corpus or format, found what may be tacred or toy. Say which: --reader NAME"
    assert str(raised.value) == f"{path}: {told}"


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("x.csv.gz", "stanfordre"),
        ("x.JSONL", "jsonl"),
        ("x.json", "found what may be fewrel or tacred. Say which: --reader NAME"),
        ("x.zip", "knowledgenet"),
        ("x.pdf", "found the files of none. Say which: --reader NAME"),
        ("x", "found the files of none. Say which: --reader NAME"),
    ],
)
def test_a_file_is_recognised_by_its_ending(tmp_path: Path, file: str, told: str) -> None:
    path = put(tmp_path, "", file) / file
    if " " in told:
        with pytest.raises(DataError) as raised:
            recognise(path)
        assert str(raised.value) == f"{path}: expected the files of one corpus or format, {told}"
    else:
        assert recognise(path) == told


# Promises


def test_roles_are_as_declared(tmp_path: Path, make_plugin: MakePlugin) -> None:
    put(tmp_path / "data", "x y")
    given = TOY.replace('label, "train")', 'label, "train", head="first")')
    make_plugin("corpus", "toy", given)
    told = "^corpus 'toy', mention 0: expected no roles, as declared, found head = 'first'$"
    with pytest.raises(DataError, match=told):
        read_corpus("toy", tmp_path)
    make_plugin("corpus", "toys", TOY.replace('headline="accuracy"', 'headline="accuracy", roles=True'))
    (tmp_path / "data" / "toy").rename(tmp_path / "data" / "toys")
    told = "^corpus 'toys', mention 0: expected its subject, as the corpus declares the roles, found head = None$"
    with pytest.raises(DataError, match=told):
        read_corpus("toys", tmp_path)
