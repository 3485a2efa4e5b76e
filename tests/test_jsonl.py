"""JSON lines: the schema and the reader agree, every corpus comes back the same, faults are told."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora.jsonl import JsonLines
from harness import registry
from harness.contracts import About, Corpus, LinkedMention, Parse, RelationMention, Span
from harness.datasets.sources import Request, read_corpus
from harness.errors import DataError

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "benchmarks" / "corpora" / "mention.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
LINE: dict[str, Any] = {
    "id": "m1",
    "tokens": ["Ann", "Lee", "runs", "Acme", "in", "Oslo", "."],
    "first": [0, 2],
    "second": [5, 6],
    "label": "lives_in",
    "part": "dev",
    "head": "first",
    "first_entity": "Q1",
    "second_entity": "Q2",
    "others": [[3, 4, "Q3"]],
    "agreement": 0.8,
    "tags": ["NNP", "NNP", "VBZ", "NNP", "IN", "NNP", "."],
    "heads": [1, 2, -1, 2, 5, 2, 2],
    "labels": ["compound", "nsubj", "root", "obj", "case", "obl", "punct"],
}
MENTION = RelationMention(
    identifier="m1",
    tokens=("Ann", "Lee", "runs", "Acme", "in", "Oslo", "."),
    first=Span(0, 2),
    second=Span(5, 6),
    label="lives_in",
    part="dev",
    head="first",
    first_entity="Q1",
    second_entity="Q2",
    others=(LinkedMention(3, 4, "Q3"),),
    parse=Parse(tuple(LINE["tags"]), tuple(LINE["heads"]), tuple(LINE["labels"])),
    agreement=0.8,
)
BARE = {name: LINE[name] for name in ("tokens", "first", "second", "label")}


def write(folder: Path, *lines: Any, name: str = "mentions.jsonl") -> Path:
    (folder / name).write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return folder


def test_a_line_with_everything(tmp_path: Path) -> None:
    VALIDATOR.validate(LINE)
    assert JsonLines().read(write(tmp_path, LINE)).mentions == (MENTION,)


def test_a_line_with_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    VALIDATOR.validate(BARE)
    (mention,) = JsonLines().read(write(tmp_path, BARE)).mentions
    assert mention == RelationMention("train-1", MENTION.tokens, Span(0, 2), Span(5, 6), "lives_in", "train")
    nulls = {name: None for name in LINE if name not in BARE}
    VALIDATOR.validate(BARE | nulls)
    assert JsonLines().read(write(tmp_path, BARE | nulls)).mentions == (mention,)


def test_the_part_is_the_lines_own_else_the_files(tmp_path: Path) -> None:
    write(tmp_path, BARE, name="test.jsonl")
    write(tmp_path, BARE | {"tokens": [*MENTION.tokens, "!"], "part": "dev"}, name="train.jsonl")
    assert [(m.identifier, m.part) for m in JsonLines().read(tmp_path).mentions] == [
        ("dev-1", "dev"),
        ("test-1", "test"),
    ]
    assert [m.part for m in JsonLines().read(write(tmp_path, BARE, name="mine.jsonl") / "mine.jsonl").mentions] == [
        "train"
    ]


def test_without_dependency_labels_they_are_root_and_dep(tmp_path: Path) -> None:
    line = {name: value for name, value in LINE.items() if name != "labels"}
    VALIDATOR.validate(line)
    (mention,) = JsonLines().read(write(tmp_path, line)).mentions
    assert mention.parse is not None
    assert mention.parse.labels == ("dep", "dep", "root", "dep", "dep", "dep", "dep")


def test_a_parse_that_cannot_be_used_is_told_and_the_mention_kept(tmp_path: Path) -> None:
    corpus = JsonLines().read(write(tmp_path, LINE | {"heads": [1, 0, -1, 2, 5, 2, 2]}))
    assert corpus.mentions == (dataclasses.replace(MENTION, parse=None),)
    told = f"a parse that is not used, for it has a cycle: 1 (the first: {tmp_path}/mentions.jsonl, line 1)"
    assert corpus.remarks == (told,)


WRONG_PARSES: dict[str, tuple[dict[str, Any], str, bool]] = {
    # change, what the parse has, whether the schema tells it too
    "tags without heads": ({"heads": None, "labels": None}, "tags or labels without heads", False),
    "labels without heads": ({"heads": None, "tags": None}, "tags or labels without heads", False),
    "heads that are words": ({"heads": ["root"] * 7}, "a field 'heads' that is not a list of whole numbers", True),
    "heads without tags": ({"tags": None}, "a field 'tags' that is not a list of strings", True),
    "tags in one string": ({"tags": "NNP"}, "a field 'tags' that is not a list of strings", True),
    "labels that are numbers": ({"labels": [1] * 7}, "a field 'labels' that is not a list of strings", True),
}


@pytest.mark.parametrize("wrong", WRONG_PARSES)
def test_a_wrong_field_of_the_parse_costs_the_parse_and_not_the_mention(tmp_path: Path, wrong: str) -> None:
    change, fault, told_by_schema = WRONG_PARSES[wrong]
    corpus = JsonLines().read(write(tmp_path, LINE | change))
    assert corpus.mentions == (dataclasses.replace(MENTION, parse=None),)
    told = f"a parse that is not used, for it has {fault}: 1 (the first: {tmp_path}/mentions.jsonl, line 1)"
    assert corpus.remarks == (told,)
    assert corpus.left_out == {}
    if told_by_schema:
        assert not VALIDATOR.is_valid(LINE | change)


def test_a_parse_of_a_line_that_is_left_out_is_not_remarked(tmp_path: Path) -> None:
    corpus = JsonLines().read(write(tmp_path, LINE, LINE | {"heads": "x"}, LINE | {"label": "", "tags": "x"}))
    assert corpus.mentions == (MENTION,)
    assert sum(corpus.left_out.values()) == 2
    assert corpus.remarks == ()


# Files and identifiers


def test_an_identifier_is_the_lines_own_else_the_part_and_a_number(tmp_path: Path) -> None:
    lines = [BARE | {"tokens": [*MENTION.tokens, str(at)]} for at in range(7)]
    lines[1] |= {"part": "test"}
    lines[2] |= {"id": 7}
    lines[3] |= {"label": ""}
    lines[5] |= {"part": "test", "id": "train-1"}
    corpus = JsonLines().read(write(tmp_path, *lines))
    names = ["train-1", "test-1", "7", "train-4", "test/train-1", "train-5"]
    assert [mention.identifier for mention in corpus.mentions] == names
    assert VALIDATOR.is_valid(lines[2])


def test_the_files_name_and_blank_lines_change_no_digest(tmp_path: Path) -> None:
    lines = [json.dumps(BARE | {"tokens": [*MENTION.tokens, str(at)], "label": "ab"[at % 2]}) for at in range(6)]
    contents = {"mine.jsonl": "\n".join(lines), "train.jsonl": "\n\n \n".join(["", *lines, ""])}
    digests = set()
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        digests.add(read_corpus(Request("jsonl", path=str(tmp_path / name)), tmp_path).digest)
    assert len(digests) == 1
    (tmp_path / "mine.jsonl").write_text("\n".join(lines[::-1]))
    assert read_corpus(Request("jsonl", path=str(tmp_path / "mine.jsonl")), tmp_path).digest not in digests


def test_files_that_are_not_read_are_remarked(tmp_path: Path) -> None:
    write(tmp_path, BARE, name="train.jsonl")
    (tmp_path / "corpus.json").write_text("{}")
    assert JsonLines().read(tmp_path).remarks == ()
    write(tmp_path, BARE, name="valid.jsonl")
    names = "mentions.jsonl, train.jsonl, dev.jsonl, test.jsonl"
    told = f"files that are not read, for their names are none of {names}: valid.jsonl"
    assert JsonLines().read(tmp_path).remarks == (told,)
    assert JsonLines().read(tmp_path / "valid.jsonl").remarks == ()


def test_all_lines_in_one_file_beside_parts_of_their_own_are_refused(tmp_path: Path) -> None:
    for name in ("mentions.jsonl", "test.jsonl", "train.jsonl"):
        write(tmp_path, BARE, name=name)
    with pytest.raises(DataError) as raised:
        JsonLines().read(tmp_path)
    told = "expected mentions.jsonl or the parts in files of their own, found it and train.jsonl, test.jsonl"
    assert str(raised.value) == f"{tmp_path}: {told}"
    assert len(JsonLines().read(tmp_path / "mentions.jsonl").mentions) == 1


@pytest.mark.parametrize(("bare", "more"), [(1, ""), (2, " and in 1 more"), (1_500, " and in 1,499 more")])
def test_a_subject_in_some_lines_alone_is_refused(tmp_path: Path, bare: int, more: str) -> None:
    some = [BARE | {"tokens": [*MENTION.tokens, str(at)]} for at in range(bare)]
    write(tmp_path, BARE | {"head": "second"}, *some)
    with pytest.raises(DataError) as raised:
        JsonLines().read(tmp_path)
    told = f"{tmp_path}/mentions.jsonl, line 2: expected 'head' in every line or in none, found none here{more}"
    assert str(raised.value) == told


# What can't be used

WRONG: dict[str, tuple[dict[str, Any], str, bool]] = {
    # change, reason, whether the schema tells it too
    "no tokens": ({"tokens": None}, "a field 'tokens' that is not a list of strings", True),
    "tokens in one string": ({"tokens": "Ann runs"}, "a field 'tokens' that is not a list of strings", True),
    "an empty token": ({"tokens": ["Ann", "Lee", "", "Acme", "in", "Oslo", "."]}, "an empty token", True),
    "a span of one": ({"first": [0]}, "a field 'first' that is not [start, end]", True),
    "a span of three": ({"second": [5, 6, 7]}, "a field 'second' that is not [start, end]", True),
    "a span of words": ({"second": ["5", "6"]}, "a field 'second' that is not a list of whole numbers", True),
    "a negative span": ({"first": [-1, 2]}, "a span outside the sentence", True),
    "a span beyond the end": ({"second": [5, 8]}, "a span outside the sentence", False),
    "an empty span": ({"first": [0, 0]}, "an empty argument", True),
    "a reversed span": ({"second": [6, 5]}, "a reversed span", False),
    "spans that overlap": ({"second": [1, 6]}, "spans that overlap", False),
    "spans in reverse": ({"first": [5, 6], "second": [0, 2]}, "spans that are not in text order", False),
    "a label of blanks": ({"label": " "}, "an empty label", True),
    "a label that is a number": ({"label": 3}, "a field 'label' that is not a string", True),
    "another part": ({"part": "validation"}, "an unknown part", True),
    "another head": ({"head": "subject"}, "a field 'head' that is neither first nor second", True),
    "an entity that is a number": ({"first_entity": 42}, "a field 'first_entity' that is not a string", True),
    "others without entity": (
        {"others": [[3, 4]]},
        "a field 'others' that is not a list of [start, end, entity]",
        True,
    ),
    "others in a mapping": ({"others": {"3": 4}}, "a field 'others' that is not a list of [start, end, entity]", True),
    "an agreement in percent": ({"agreement": 80}, "a field 'agreement' that is not a number from 0 to 1", True),
    "an agreement in words": ({"agreement": "all"}, "a field 'agreement' that is not a number from 0 to 1", True),
    "an identifier with a point": ({"id": 0.5}, "a field 'id' that is not a string or a whole number", True),
    "a label of two lines": ({"label": "a\nb"}, "a label with a line's end or another control character", False),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_line_that_cannot_be_used_is_left_out_with_its_place(tmp_path: Path, wrong: str) -> None:
    change, reason, told_by_schema = WRONG[wrong]
    corpus = JsonLines().read(write(tmp_path, BARE | {"head": "first"}, LINE | change))
    assert corpus.left_out == {reason: 1}
    (fault,) = corpus.faults
    assert str(fault.place) == f"{tmp_path}/mentions.jsonl, line 2"
    assert len(corpus.mentions) == 1
    assert VALIDATOR.is_valid(LINE | change) != told_by_schema


@pytest.mark.parametrize("field", list(BARE))
def test_a_field_that_is_needed_is_missed(tmp_path: Path, field: str) -> None:
    line = {name: value for name, value in BARE.items() if name != field}
    assert JsonLines().read(write(tmp_path, line)).left_out == {f"no field '{field}'": 1}
    assert not VALIDATOR.is_valid(line)


def test_a_line_that_is_no_json_is_an_error_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, BARE)
    with (tmp_path / "mentions.jsonl").open("a") as file:
        file.write('{"tokens": ["Ann", ')
    told = "mentions.jsonl, line 2: expected one JSON object a line, found a fault: Expecting value: "
    with pytest.raises(DataError, match=re.escape(told)):
        JsonLines().read(tmp_path)


def test_a_folder_without_lines_is_an_error(tmp_path: Path) -> None:
    told = f"{tmp_path}: expected mentions.jsonl, train.jsonl, dev.jsonl, test.jsonl, or some of them, found none"
    with pytest.raises(DataError, match=f"^{re.escape(told)}$"):
        JsonLines().read(tmp_path)


# What the lines can't say


def test_declarations_stand_beside_the_lines(tmp_path: Path) -> None:
    declared = {"negative_label": "none", "headline": "accuracy", "notice": "A toy.", "left_out": {"too long": 3}}
    (tmp_path / "corpus.json").write_text(json.dumps(declared))
    corpus = JsonLines().read(write(tmp_path, LINE, LINE | {"id": "m2", "second": [9, 10]}))
    assert corpus.about == About(headline="accuracy", negative_label="none", roles=True, notice="A toy.")
    assert corpus.left_out == {"too long": 3, "a span outside the sentence": 1}
    assert len(corpus.faults) == 1


def test_without_declarations_there_is_no_negative_class(tmp_path: Path) -> None:
    assert JsonLines().read(write(tmp_path, BARE)).about == About(headline="micro_f1_positive")
    assert JsonLines().read(write(tmp_path, LINE)).about == About(headline="micro_f1_positive", roles=True)


def test_parameters_stand_above_what_is_declared(tmp_path: Path) -> None:
    (tmp_path / "corpus.json").write_text('{"negative_label": "none", "headline": "accuracy", "notice": "A toy."}')
    write(tmp_path, BARE, BARE | {"label": "other", "first": [0, 1]})
    for parameters, declared in (
        ({}, ("none", "accuracy")),
        ({"negative_label": "other"}, ("other", "accuracy")),
        ({"negative_label": ""}, (None, "accuracy")),
        ({"headline": "macro_f1"}, ("none", "macro_f1")),
    ):
        about = JsonLines(JsonLines.Parameters(**parameters)).read(tmp_path).about
        assert about is not None
        assert (about.negative_label, about.headline, about.notice) == (*declared, "A toy.")


def test_an_unknown_headline_is_told(tmp_path: Path) -> None:
    write(tmp_path, BARE, BARE | {"label": "other", "first": [0, 1]})
    with pytest.raises(DataError) as raised:
        read_corpus(Request("jsonl", (("headline", "acuracy"),), str(tmp_path)), tmp_path)
    told = "no headline metric 'acuracy'; did you mean 'accuracy'? Known: "
    assert str(raised.value).startswith(f"corpus 'jsonl' in {tmp_path}: {told}")


@pytest.mark.parametrize(("lines", "declared", "found"), [(BARE, True, "have no"), (LINE, False, "have")])
def test_roles_that_the_lines_contradict_are_told(
    tmp_path: Path, lines: dict[str, Any], declared: bool, found: str
) -> None:
    (tmp_path / "corpus.json").write_text(json.dumps({"roles": declared}))
    with pytest.raises(DataError) as raised:
        JsonLines().read(write(tmp_path, lines))
    told = f"expected what the lines say, found {declared}: they {found} 'head'"
    assert str(raised.value) == f"{tmp_path}/corpus.json, 'roles': {told}"
    (tmp_path / "corpus.json").write_text(json.dumps({"roles": not declared}))
    assert JsonLines().read(tmp_path).about == About("micro_f1_positive", roles=not declared)


@pytest.mark.parametrize("declared", [True, False])
def test_lines_that_cannot_be_used_contradict_no_roles(tmp_path: Path, declared: bool) -> None:
    (tmp_path / "corpus.json").write_text(json.dumps({"roles": declared}))
    corpus = JsonLines().read(write(tmp_path, LINE | {"label": ""}))
    assert corpus.left_out == {"an empty label": 1}
    assert corpus.about == About("micro_f1_positive", roles=declared)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("[]", ": expected a JSON object, found []"),
        ('{"negativ_label": "x"}', ": no field 'negativ_label'; did you mean 'negative_label'? Known: citation, "),
        ('{"headline": 3}', ", 'headline': expected a string, found 3"),
        ('{"remarks": "none"}', ", 'remarks': expected a list within the list, each a string, found 'none'"),
        ('{"left_out": {"x": 0}}', ", 'left_out': expected a count above 0 for each reason, found {'x': 0}"),
        ('{"left_out": ', ", line 1: expected JSON, found a fault: Expecting value"),
        ('{"left_out": {"x": 1000000000000}}', ", 'left_out': expected a count above 0 for each reason, found {'x': "),
        ('{"left_out": [3]}', ", 'left_out': expected a count above 0 for each reason, found [3]"),
        ('{"remarks": ["\\ud83d"]}', ": expected text, found half a pair of surrogates, '\\ud83d'"),
        ('{"left_out": {"\\udc00": 1}}', ": expected text, found half a pair of surrogates, '\\udc00'"),
        ('{"oddities": [1]}', ", 'oddities': expected a string, found 1"),
    ],
)
def test_declarations_that_are_wrong_are_told(tmp_path: Path, declared: str, told: str) -> None:
    (tmp_path / "corpus.json").write_text(declared)
    with pytest.raises(DataError) as raised:
        JsonLines().read(write(tmp_path, BARE))
    assert str(raised.value).startswith(f"{tmp_path}/corpus.json{told}")


# There and back

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6).filter(str.strip)
labels = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6
).filter(str.strip)
tokens = st.lists(names, min_size=2, max_size=9).map(tuple)


@st.composite
def mentions(draw: st.DrawFn, roles: bool) -> RelationMention:
    words = draw(tokens)
    cuts = sorted(draw(st.lists(st.integers(0, len(words)), min_size=4, max_size=4)))
    first, second = Span(cuts[0], max(cuts[1], cuts[0] + 1)), Span(cuts[2], max(cuts[3], cuts[2] + 1))
    if not first.end <= second.start < second.end <= len(words):
        first, second = Span(0, 1), Span(1, 2)
    size = len(words)
    heads = tuple(draw(st.integers(-1, at - 1)) for at in range(size))  # each hangs from one before it
    column = st.lists(names, min_size=size, max_size=size).map(tuple)
    parse = Parse(draw(column), heads, draw(column)) if draw(st.booleans()) else None
    others = tuple(LinkedMention(at, at + 1, "Q") for at in range(first.end, second.start) if draw(st.booleans()))
    return RelationMention(
        identifier="",
        tokens=words,
        first=first,
        second=second,
        label=draw(labels),
        part=draw(st.sampled_from(["train", "dev", "test"])),
        head=draw(st.sampled_from(["first", "second"])) if roles else None,
        first_entity=draw(st.none() | names),
        second_entity=draw(st.none() | names),
        others=others,
        parse=parse,
        agreement=draw(st.none() | st.floats(0, 1)),
    )


@given(st.data())
def test_any_corpus_comes_back_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    roles = data.draw(st.booleans())
    drawn = data.draw(st.lists(mentions(roles), min_size=1, max_size=5, unique_by=lambda m: m.tokens))
    numbered = tuple(dataclasses.replace(mention, identifier=f"m{at}") for at, mention in enumerate(drawn))
    about = About("accuracy", data.draw(st.none() | names), roles, notice=data.draw(st.just("") | names))
    corpus = Corpus(numbered, data.draw(st.dictionaries(names, st.integers(1, 9), max_size=2)), ("a remark",))
    folder = tmp_path_factory.mktemp("corpus")
    JsonLines().write(corpus, about, folder)
    again = JsonLines().read(folder)
    assert again.mentions == corpus.mentions
    assert again.about == about
    assert again.left_out == corpus.left_out
    assert again.remarks[0] == "a remark"
    assert all(remark.startswith("labels that differ in case or blanks alone, ") for remark in again.remarks[1:])
    for line in (folder / "mentions.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n"):
        VALIDATOR.validate(json.loads(line))


@pytest.mark.parametrize("name", sorted(registry.origins("corpus")))
def test_every_corpus_of_ours_comes_back_the_same(name: str, tmp_path: Path) -> None:
    try:
        source = read_corpus(name, tmp_path)
    except DataError as error:
        pytest.skip(str(error))
    JsonLines().write(source.corpus, source.about, tmp_path)
    again = JsonLines().read(tmp_path)
    assert again.mentions == source.corpus.mentions
    assert again.about == source.about
    assert again.left_out == source.corpus.left_out
    assert again.remarks == source.corpus.remarks
    with (tmp_path / "mentions.jsonl").open(encoding="utf-8") as lines:
        for line in list(lines)[::50]:
            VALIDATOR.validate(json.loads(line))
