"""The reader of TACRED's format: what it keeps, what it leaves out and counts, what it says of files of another kind."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora.tacred import Tacred
from harness.contracts import Corpus, Fault, Parse, Place, RelationMention, Span
from harness.datasets.sources import Request, read_corpus
from harness.errors import DataError

EXAMPLE: dict[str, Any] = {
    "id": "e1",
    "docid": "AFP_1",
    "token": ["Acme", "'s", "head", "is", "Ann", "Lee", "."],
    "relation": "org:top_members",
    "subj_start": 0,
    "subj_end": 0,
    "subj_type": "ORGANIZATION",
    "obj_start": 4,
    "obj_end": 5,
    "obj_type": "PERSON",
}
PARSED: dict[str, Any] = {
    "stanford_pos": ["NNP", "POS", "NN", "VBZ", "NNP", "NNP", "."],
    "stanford_head": [3, 1, 6, 6, 6, 0, 6],
    "stanford_deprel": ["nmod:poss", "case", "nsubj", "cop", "compound", "ROOT", "punct"],
}
HEADS = (2, 0, 5, 5, 5, -1, 5)


def example(**changes: Any) -> dict[str, Any]:
    """An example; a field changed to `...` is left out."""
    return {name: value for name, value in {**EXAMPLE, **changes}.items() if value is not ...}


def put(folder: Path, *examples: Any, name: str = "train.json") -> Path:
    """A file that has an example a line, from line 1."""
    (folder / name).write_text("[" + ",\n".join(map(json.dumps, examples)) + "]", encoding="utf-8")
    return folder / name


def read(path: Path) -> Corpus:
    return Tacred().read(path)


def test_an_example_becomes_a_mention(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE)
    (mention,) = read(tmp_path).mentions
    assert mention == RelationMention(
        identifier="e1",
        tokens=("Acme", "'s", "head", "is", "Ann", "Lee", "."),
        first=Span(0, 1),
        second=Span(4, 6),
        label="org:top_members",
        part="train",
        head="first",
    )
    assert mention.tokens[slice(*mention.second)] == ("Ann", "Lee"), "the ends of TACRED are inclusive"


def test_the_subject_may_stand_second(tmp_path: Path) -> None:
    put(tmp_path, example(subj_start=4, subj_end=5, obj_start=0, obj_end=0))
    (mention,) = read(tmp_path).mentions
    assert (mention.first, mention.second, mention.head) == (Span(0, 1), Span(4, 6), "second")


def test_both_directions_of_a_pair_are_kept(tmp_path: Path) -> None:
    back = example(id="e2", relation="per:title", subj_start=4, subj_end=5, obj_start=0, obj_end=0)
    put(tmp_path, EXAMPLE, back)
    corpus = read(tmp_path)
    assert [(mention.label, mention.head) for mention in corpus.mentions] == [
        ("org:top_members", "first"),
        ("per:title", "second"),
    ]
    assert corpus.left_out == {}


def test_spans_may_be_adjacent_and_at_both_ends(tmp_path: Path) -> None:
    put(tmp_path, example(token=["a", "b"], subj_start=1, subj_end=1, obj_start=0, obj_end=0))
    (mention,) = read(tmp_path).mentions
    assert (mention.first, mention.second) == (Span(0, 1), Span(1, 2))


# Files


def test_parts_are_files_and_may_be_packed(tmp_path: Path) -> None:
    put(tmp_path, example(id="a"))
    put(tmp_path, example(id="b", token=[*EXAMPLE["token"], "!"]), name="test.json")
    dev = put(tmp_path, example(id="c", token=[*EXAMPLE["token"], "?"]), name="dev.json")
    (tmp_path / "dev.json.gz").write_bytes(gzip.compress(dev.read_bytes()))
    dev.unlink()
    assert [(m.identifier, m.part) for m in read(tmp_path).mentions] == [("a", "train"), ("c", "dev"), ("b", "test")]


def test_dev_and_test_may_be_missing(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE)
    put(tmp_path, example(id="t", relation="no_relation", token=[*EXAMPLE["token"], "!"]), name="test.json")
    source = read_corpus(Request("tacred", path=str(tmp_path)), tmp_path)
    assert [mention.part for mention in source.corpus.mentions] == ["train", "test"]
    (tmp_path / "test.json").unlink()
    assert [mention.part for mention in read(tmp_path).mentions] == ["train"]


@pytest.mark.parametrize(
    ("name", "part"), [("mine.json", "train"), ("train.json", "train"), ("dev.json", "dev"), ("test.json.gz", "test")]
)
def test_a_path_may_name_one_file(tmp_path: Path, name: str, part: str) -> None:
    file = put(tmp_path, EXAMPLE, example(id=None, relation="no_relation", obj_end=4), name=name)
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(file.read_bytes()))
    source = read_corpus(Request("tacred", path=str(file)), tmp_path)
    assert [(m.identifier, m.part) for m in source.corpus.mentions] == [("e1", part), (f"{part}-2", part)]


def test_its_own_folder_lies_below_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    (tmp_path / "tacred").mkdir()
    with pytest.raises(DataError) as raised:
        read_corpus("tacred", tmp_path / "home")
    assert str(raised.value) == (
        f"corpus 'tacred' is not here: expected tacred/train.json below one of {tmp_path}, {tmp_path / 'home/data'}. "
        "Get it from your own; TACRED itself is at https://catalog.ldc.upenn.edu/LDC2018T24 and point HARNESS_DATA at the folder that has "
        "tacred/train.json"
    )
    put(tmp_path / "tacred", EXAMPLE, example(id="e2", relation="no_relation", obj_end=4))
    source = read_corpus("tacred", tmp_path / "home")
    assert [mention.identifier for mention in source.corpus.mentions] == ["e1", "e2"]
    assert (source.about.headline, source.about.negative_label, source.about.roles) == (
        "micro_f1_positive",
        "no_relation",
        True,
    )


def test_a_folder_without_files_and_a_path_that_is_nowhere_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read_corpus(Request("tacred", path=str(tmp_path)), tmp_path)
    assert str(raised.value) == f"{tmp_path}: expected train.json, dev.json, test.json, or some of them, found none"
    with pytest.raises(DataError) as raised:
        read_corpus(Request("tacred", path="my/data"), tmp_path)
    looked = re.fullmatch(r"there is no my/data: looked for (.+)", str(raised.value))
    assert looked
    places = [Path(place) for place in looked[1].split(", ")]
    assert (places[0], places[-1]) == (Path.cwd() / "my" / "data", tmp_path / "data" / "my" / "data")


FILES = {
    "an object": ('{"a": 1}', ", line 1: expected a JSON list that opens with [, found '{\"a\": 1}'; one object a line is JSON lines, not a list"),
    "JSON lines": ('{}\n{}', ", line 1: expected a JSON list that opens with [, found '{}\\n{}'; one object a line is JSON lines, not a list"),
    "cut": ('[{},\n{"id": "x', ", line 2: expected example 2 as JSON, found a fault: Unterminated string starting at: '{\"id\": \"x'"),
    "nothing": ("", ": expected examples, found an empty file"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_list_is_told(tmp_path: Path, case: str) -> None:
    text, told = FILES[case]
    put(tmp_path, EXAMPLE)
    (tmp_path / "dev.json").write_text(text)
    with pytest.raises(DataError) as raised:
        read(tmp_path)
    assert str(raised.value) == f"{tmp_path / 'dev.json'}{told}"


def test_a_folder_in_place_of_a_part_is_told(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE)
    (tmp_path / "dev.json").mkdir()
    with pytest.raises(DataError, match=r"dev\.json: expected a file, found a folder$"):
        read(tmp_path)


def test_files_that_are_not_read_are_remarked(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE)
    (tmp_path / "README.md").write_text("")
    assert read(tmp_path).remarks == ()
    put(tmp_path, EXAMPLE, name="valid.json")
    put(tmp_path, EXAMPLE, name="Test.JSON.gz")
    told = (
        "files that are not read, for their names are none of train.json, dev.json, test.json: Test.JSON.gz, valid.json"
    )
    assert read(tmp_path).remarks == (told,)
    assert read(tmp_path / "train.json").remarks == (), "who names a file wants no other"


# Parses


def parse_of(folder: Path, **fields: Any) -> tuple[Parse | None, tuple[str, ...]]:
    """The parse of an example with these fields, and what is remarked."""
    put(folder, example(**fields))
    corpus = read(folder)
    assert corpus.left_out == {}
    return corpus.mentions[0].parse, corpus.remarks


def test_a_parse_is_read_and_counted_from_0(tmp_path: Path) -> None:
    parse, remarks = parse_of(tmp_path, **PARSED)
    assert parse == Parse(tuple(PARSED["stanford_pos"]), HEADS, tuple(PARSED["stanford_deprel"]))
    assert remarks == ()


def test_heads_may_be_written_as_strings(tmp_path: Path) -> None:
    parse, _ = parse_of(tmp_path, **PARSED | {"stanford_head": [str(head) for head in PARSED["stanford_head"]]})
    assert parse is not None
    assert parse.heads == HEADS


@pytest.mark.parametrize("labels", [..., None])
def test_dependency_labels_are_optional(tmp_path: Path, labels: Any) -> None:
    parse, remarks = parse_of(tmp_path, **PARSED | {"stanford_deprel": labels})
    assert parse == Parse(tuple(PARSED["stanford_pos"]), HEADS, ("dep", "dep", "dep", "dep", "dep", "root", "dep"))
    assert remarks == ()


@pytest.mark.parametrize("nothing", [..., None])
def test_an_example_may_have_no_parse(tmp_path: Path, nothing: Any) -> None:
    assert parse_of(tmp_path, **dict.fromkeys(PARSED, nothing)) == (None, ())


@pytest.mark.parametrize("missing", ["stanford_pos", "stanford_head"])
@pytest.mark.parametrize("nothing", [..., None])
def test_half_a_parse_is_remarked(tmp_path: Path, missing: str, nothing: Any) -> None:
    parse, remarks = parse_of(tmp_path, **PARSED | {missing: nothing})
    assert parse is None
    told = "tags without heads, or heads without tags"
    assert remarks == (
        f"a parse that is not used, for it has {told}: 1 (the first: {tmp_path / 'train.json'}, line 1, example 1)",
    )


BROKEN: dict[str, dict[str, Any]] = {
    "it is not as long as its sentence": {"stanford_pos": ["NN"]},
    "it has a head outside the sentence": {"stanford_head": [3, 1, 6, 6, 6, 0, 8]},
    "it has a cycle": {"stanford_head": [1, 1, 6, 6, 6, 0, 6]},
    "it has an empty tag or label": {"stanford_deprel": ["", "case", "nsubj", "cop", "compound", "ROOT", "punct"]},
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_parse_that_cant_be_used_is_remarked(tmp_path: Path, fault: str) -> None:
    parse, remarks = parse_of(tmp_path, **PARSED | BROKEN[fault])
    assert parse is None
    place = f"{tmp_path / 'train.json'}, line 1, example 1"
    assert remarks == (f"a parse that is not used, for {fault}: 1 (the first: {place})",)


A_LIST = "that is not a list of"
WRONG_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "tags in one string": ({"stanford_pos": "NN"}, f"a field 'stanford_pos' {A_LIST} strings"),
    "heads that are words": ({"stanford_head": ["3", "x"]}, f"a field 'stanford_head' {A_LIST} whole numbers"),
    "heads of both kinds": ({"stanford_head": ["3", 1]}, f"a field 'stanford_head' {A_LIST} whole numbers"),
    "a head without end": ({"stanford_head": [4301 * "9"]}, f"a field 'stanford_head' {A_LIST} whole numbers"),
    "a head with a sign": ({"stanford_head": ["-1"]}, f"a field 'stanford_head' {A_LIST} whole numbers"),
    "heads in one string": ({"stanford_head": "3"}, f"a field 'stanford_head' {A_LIST} whole numbers"),
    "dependency labels that are none": ({"stanford_deprel": [None]}, f"a field 'stanford_deprel' {A_LIST} strings"),
    "dependency labels in a mapping": ({"stanford_deprel": {"1": "x"}}, f"a field 'stanford_deprel' {A_LIST} strings"),
}


@pytest.mark.parametrize("case", WRONG_FIELDS)
def test_a_wrong_field_of_the_parse_costs_the_parse_and_not_the_example(tmp_path: Path, case: str) -> None:
    fields, fault = WRONG_FIELDS[case]
    parse, remarks = parse_of(tmp_path, **PARSED | fields)
    assert parse is None
    place = f"{tmp_path / 'train.json'}, line 1, example 1"
    assert remarks == (f"a parse that is not used, for it has {fault}: 1 (the first: {place})",)


def test_a_parse_of_an_example_that_is_left_out_is_not_remarked(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE, example(relation="", stanford_pos="NN"), example(id="e2", stanford_head="3"))
    corpus = read(tmp_path)
    assert corpus.mentions == (read(put(tmp_path, EXAMPLE)).mentions[0],)
    assert sum(corpus.left_out.values()) == 2
    assert corpus.remarks == ()


def test_a_parse_may_have_no_entries(tmp_path: Path) -> None:
    parse, remarks = parse_of(tmp_path, stanford_pos=[], stanford_head=[], stanford_deprel=[])
    assert parse is None
    assert remarks[0].startswith("a parse that is not used, for it is not as long as its sentence: 1 ")


# The negative class


def test_the_negative_class_is_a_parameter(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE, example(id="e2", relation="none", obj_end=4))
    path = str(tmp_path)
    for value, negative in (("none", "none"), ("", None)):
        source = read_corpus(Request("tacred", (("negative_label", value),), path), tmp_path)
        assert source.about.negative_label == negative
    with pytest.raises(DataError) as raised:
        read_corpus(Request("tacred", path=path), tmp_path)
    assert str(raised.value) == (
        f"corpus 'tacred' in {tmp_path}: expected the negative class 'no_relation' among the labels, found "
        "'org:top_members', 'none' and so on. Name the negative class of this corpus, negative_label = '...', or '' "
        "where there is none (on the command line: --parameter negative_label=...)"
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("negative_label", 3, "corpus 'tacred'.negative_label: expected a string, found 3"),
        (
            "negative",
            "none",
            "corpus 'tacred': no parameter 'negative'; did you mean 'negative_label'? Known: negative_label",
        ),
    ],
)
def test_a_wrong_parameter_is_told(tmp_path: Path, name: str, value: Any, told: str) -> None:
    put(tmp_path, EXAMPLE)
    with pytest.raises(DataError) as raised:
        read_corpus(Request("tacred", ((name, value),), str(tmp_path)), tmp_path)
    assert str(raised.value) == told


def test_one_class_is_refused(tmp_path: Path) -> None:
    put(tmp_path, EXAMPLE, example(id="e2", relation="per:title", token=[]))
    with pytest.raises(DataError) as raised:
        read_corpus(Request("tacred", path=str(tmp_path)), tmp_path)
    assert str(raised.value) == (
        f"corpus 'tacred' in {tmp_path}: expected mentions of at least two classes, found 1 mentions of "
        f"'org:top_members' (1 left out: a span outside the sentence). The first: {tmp_path}/train.json, line 2, example 2: "
        "a span outside the sentence: subj_start 0, subj_end 0, of 0 tokens counted from 0"
    )


# Identifiers


@pytest.mark.parametrize("missing", [..., None, ""])
def test_an_example_without_an_identifier_has_its_number(tmp_path: Path, missing: Any) -> None:
    put(tmp_path, EXAMPLE, example(id=missing, obj_end=4))
    put(tmp_path, example(id=missing, obj_start=5), name="test.json")
    assert [mention.identifier for mention in read(tmp_path).mentions] == ["e1", "train-2", "test-1"]


def test_an_identifier_may_be_a_number(tmp_path: Path) -> None:
    put(tmp_path, example(id=0), example(id=17, obj_end=4), example(id="17", obj_start=5))
    assert [mention.identifier for mention in read(tmp_path).mentions] == ["0", "17", "train/17"]


def test_an_identifier_that_stands_in_another_file_is_made_another_one(tmp_path: Path) -> None:
    train = put(tmp_path, example(id="x"), EXAMPLE)
    test = put(tmp_path, example(id="y", obj_start=5), example(id="x", obj_end=4), name="test.json")
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["x", "y", "test/x"]
    assert corpus.faults == (
        Fault(
            Place(train, 2, 2),
            "the same sentence and arguments again, with the same label",
            "'org:top_members'; 'x' in train has 'org:top_members'",
        ),
    )
    made = "an identifier that is another example's, and was made another one"
    assert corpus.remarks[0] == f"{made}: 1 (the first: {test}, line 2, example 2)"


def test_of_doubles_the_one_in_the_part_scored_last_stays(tmp_path: Path) -> None:
    train = put(tmp_path, EXAMPLE)
    put(tmp_path, example(id="e2", relation="no_relation"), name="test.json")
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["e2"]
    reason = "the same sentence and arguments again, with another label"
    assert corpus.faults == (Fault(Place(train, 1, 1), reason, "'org:top_members'; 'e2' in test has 'no_relation'"),)


# What can't be used

OUTSIDE, REVERSED, EMPTY, OVERLAP = (
    "a span outside the sentence", "a reversed span", "an empty argument", "spans that overlap",
)  # fmt: skip
OF_7 = "of 7 tokens counted from 0"
NINES = "9" * 4300
FAULTS: dict[str, tuple[Any, str, str]] = {
    "after the sentence": (example(obj_end=7), OUTSIDE, f"obj_start 4, obj_end 7, {OF_7}"),
    "wholly after the sentence": (example(obj_start=7, obj_end=7), OUTSIDE, f"obj_start 7, obj_end 7, {OF_7}"),
    "before the sentence": (example(subj_start=-1), OUTSIDE, f"subj_start -1, subj_end 0, {OF_7}"),
    "an end that is counted from behind": (example(obj_end=-1), REVERSED, "obj_start 4, obj_end -1"),
    "far outside": (example(obj_end=int(NINES)), OUTSIDE, f"obj_start 4, obj_end {57 * '9'}..., {OF_7}"),
    "reversed": (example(obj_start=5, obj_end=2), REVERSED, "obj_start 5, obj_end 2"),
    "reversed by one": (example(obj_start=5, obj_end=4), REVERSED, "obj_start 5, obj_end 4"),
    "blank": (example(token=["Acme", "'s", "head", "is", "", " ", "."]), EMPTY, "(4, 6) of 7 tokens"),
    "overlapping": (example(obj_start=0), OVERLAP, "(0, 1) and (0, 6)"),
    "overlapping by one": (example(subj_end=4), OVERLAP, "(0, 5) and (4, 6)"),
    "the same": (example(obj_start=0, obj_end=0), OVERLAP, "(0, 1) and (0, 1)"),
    "no tokens": (example(token=[]), OUTSIDE, "subj_start 0, subj_end 0, of 0 tokens counted from 0"),
    "an empty token": (example(token=["Acme", "", "", "", "Ann", "Lee"]), "an empty token", "token 1 of 6"),
    "an empty label": (example(relation=""), "an empty label", ""),
    "half a pair of surrogates": (example(relation="\ud83d"), "half a pair of surrogates, which is no text", r"'\ud83d'"),
    "null": (None, "no JSON object", "None"),
    "a list": ([EXAMPLE["token"]], "no JSON object", "[['Acme', \"'s\", 'head', 'is', 'Ann', 'Lee', '.']]"),
    "tokens in one string": (example(token="Acme 's head"), "a field 'token' that is not a list of strings", "\"Acme 's head\""),
    "a token that is a number": (example(token=[1]), "a field 'token' that is not a list of strings", "[1]"),
    "a place as a string": (example(subj_start="0"), "a field 'subj_start' that is not a whole number", "'0'"),
    "a place with a point": (example(obj_end=5.0), "a field 'obj_end' that is not a whole number", "5.0"),
    "a place that is true": (example(obj_start=True), "a field 'obj_start' that is not a whole number", "True"),
    "a place that is null": (example(subj_end=None), "a field 'subj_end' that is not a whole number", "None"),
    "a label that is a number": (example(relation=3), "a field 'relation' that is not a string", "3"),
    "an identifier with a point": (example(id=3.5), "a field 'id' that is not a string or a whole number", "3.5"),
}  # fmt: skip
FIELDS = ["token", "subj_start", "subj_end", "obj_start", "obj_end", "relation"]


@pytest.mark.parametrize("case", FAULTS)
def test_an_example_that_cant_be_used_is_left_out_with_its_place(tmp_path: Path, case: str) -> None:
    bad, reason, found = FAULTS[case]
    file = put(tmp_path, example(id="good", token=[*EXAMPLE["token"], "!"]), bad)
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["good"]
    assert corpus.faults == (Fault(Place(file, 2, 2), reason, found),)
    assert corpus.left_out == {reason: 1}
    assert corpus.remarks == ()


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_told(tmp_path: Path, field: str) -> None:
    put(tmp_path, example(**{field: ...}))
    corpus = read(tmp_path)
    known = ", ".join(repr(name) for name in EXAMPLE if name != field)
    assert corpus.left_out == {f"no field '{field}'": 1}
    assert corpus.faults[0].found == f"fields {known}"


def test_strictly_the_first_faults_are_an_error(tmp_path: Path) -> None:
    good = [example(id="a"), example(id="b", relation="no_relation", obj_end=4)]
    file = put(tmp_path, *good, *[example(id=f"bad-{number}", subj_start=-1) for number in range(7)])
    strict = Request("tacred", path=str(file), strict=True)
    with pytest.raises(DataError) as raised:
        read_corpus(strict, tmp_path)
    faults = "".join(
        f"\n  {file}, line {line}, example {line}: a span outside the sentence: subj_start -1, subj_end 0, {OF_7}"
        for line in range(3, 8)
    )
    assert str(raised.value) == (
        f"corpus 'tacred' in {file}: strictly, expected no example that can't be used, found 7:{faults}\n  and 2 more"
    )
    put(tmp_path, *good)
    assert len(read_corpus(strict, tmp_path).corpus.mentions) == 2


VALUES: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.floats()
    | st.text(max_size=3)
    | st.lists(st.integers(-1, 9) | st.sampled_from(["a", "", " "]), max_size=8)
)


CHANGES = st.dictionaries(st.sampled_from([*EXAMPLE, *PARSED]), VALUES)


@given(st.lists(VALUES | CHANGES.map(lambda changes: EXAMPLE | PARSED | changes), max_size=6))
def test_every_example_is_kept_or_counted(tmp_path_factory: pytest.TempPathFactory, examples: list[Any]) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-tacred"
    folder.mkdir(exist_ok=True)
    put(folder, *examples)
    corpus = read(folder)
    assert len(corpus.mentions) + sum(corpus.left_out.values()) == len(examples)
    assert len({fault.place for fault in corpus.faults}) == len(corpus.faults) == sum(corpus.left_out.values())
    for mention in corpus.mentions:
        assert 0 <= mention.first.start < mention.first.end <= mention.second.start < mention.second.end
        assert mention.second.end <= len(mention.tokens)
        assert mention.head in ("first", "second")
