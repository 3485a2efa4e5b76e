"""Files of claims: those that come with the harness, what a file of a lab may say, and every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from harness import registry
from harness.axes import TextOptions
from harness.errors import GridError
from harness.report.claim_files import claim_names, read_claims
from harness.report.claim_vocabulary import MEASURES, RULES, SELECTIONS, Choice, Claims

KNOWN = {"encoder": ["bilstm", "pcnn", "handcrafted"], "strategy": ["none", "avg", "seq", "shared"]}
HEAD = 'title = "Us"\n[groups]\nbest = ["seq", "handcrafted/none"]\n'
CLAIM = '[[claims]]\nnumber = 1\nsays = "it is so"\nencoders = ["bilstm"]\n'


def read(tmp_path: Path, text: str) -> Claims:
    file = tmp_path / "ours.toml"
    file.write_text(text, encoding="utf-8")
    return read_claims(str(file), KNOWN)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(GridError) as caught:
        read(tmp_path, text)
    return [mistake.removeprefix("claims 'ours', ") for mistake in caught.value.mistakes]


def part(tmp_path: Path, text: str) -> list[str]:
    """The mistakes of a claim with this part."""
    found = mistakes(tmp_path, f"{HEAD}{CLAIM}parts = [{{{text}}}]\n")
    return [mistake.removeprefix("claim 1, part 1") for mistake in found]


@pytest.mark.parametrize("name", claim_names())
def test_the_claims_that_come_with_it_name_plugins_that_are_there(name: str) -> None:
    known = {kind: registry.origins(kind) for kind in ("encoder", "strategy")}
    found = read_claims(name, known)
    assert found.title and found.claims
    assert [claim.number for claim in found.claims] == sorted(claim.number for claim in found.claims)


def test_the_papers_claims_are_eleven_and_use_every_rule() -> None:
    known = {kind: registry.origins(kind) for kind in ("encoder", "strategy")}
    found = read_claims("paper", known)
    assert [claim.number for claim in found.claims] == list(range(11))
    assert {part.rule for claim in found.claims for part in claim.parts} == set(RULES)
    assert {part.by for claim in found.claims for part in claim.parts} == {None, *MEASURES}
    assert not [claim.number for claim in found.claims if claim.not_measured]


def test_the_selections_are_those_of_a_grid() -> None:
    assert get_args(get_type_hints(TextOptions)["selection"]) == SELECTIONS


def test_sides_are_strategies_groups_and_gains_of_encoders_and_texts(tmp_path: Path) -> None:
    text = 'text = "random"\n' + HEAD + CLAIM + (
        "parts = [{rule = 'beats', first = 'pcnn/best over avg', second = ['best on whole over none', 'shared'], "
        "sizes = [50, 'S9'], encoders = ['bilstm', 'pcnn']}, "
        "{rule = 'about', within = 1.5, first = 'seq at S7', second = 'pcnn/avg at full'}]\n"
    )  # fmt: skip
    first, second = read(tmp_path, text).claims[0].parts
    assert first.first.choices == (
        Choice("pcnn/best", (("pcnn", "seq"), ("handcrafted", "none")), "random"),
        Choice("avg", (("pcnn", "avg"),), "random"),
    )
    one, other = first.seconds
    assert one is not None and other is not None
    assert one.choices == (
        Choice("best on whole", ((None, "seq"), ("handcrafted", "none")), "whole"),
        Choice("none", ((None, "none"),), "random"),
    )
    assert (first.sizes, first.encoders) == (("50", "S9"), ("bilstm", "pcnn"))
    assert first.words(one, "pcnn") == "pcnn: pcnn/best over avg beats best on whole over none"
    assert (second.encoders, second.bounds, second.first.first.size) == (("bilstm",), {"within": 1.5}, "S7")


def test_a_part_whose_sides_all_have_an_encoder_is_judged_once(tmp_path: Path) -> None:
    claims = read(tmp_path, f"{HEAD}{CLAIM}parts = [{{rule = 'beats', first = 'pcnn/seq', second = 'bilstm/seq'}}]")
    assert claims.claims[0].parts[0].encoders == (None,)


GOOD = "rule = 'beats', first = 'seq', second = 'avg'"
SIDE = "expected '[ENCODER/]NAME [on SELECTION] [at SIZE]', or two of them as 'NAME over NAME', found "
SIZES = (
    "expected 'every', 'every but full', 'on average', 'S3 to S7', 'above 1000', 'up to S7', a size, or a list of sizes, "
    "found "
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("first = 'seq'", f": no rule 'None'; Known: {', '.join(sorted(RULES))}"),
        ("rule = 'beat'", f": no rule 'beat'; did you mean 'beats'? Known: {', '.join(sorted(RULES))}"),
        (f"{GOOD}, within = 2", " (beats): no key 'within'; Known: by, encoders, first, rule, second, sizes"),
        ("rule = 'about', first = 'seq', second = 'avg', by = 'knn after'", " (about): no key 'by'; Known: encoders, first, rule, second, sizes, within"),
        (f"{GOOD}, by = ['knn before', 'knn']", f": by: no measure 'knn'; Known: {', '.join(sorted(MEASURES))}"),
        (f"{GOOD}, by = []", f": by: no measure '[]'; Known: {', '.join(sorted(MEASURES))}"),
        ("rule = 'narrows', first = 'seq', second = 'avg', above = 5", " (narrows): no key 'second'; Known: above, encoders, first, rule"),
        ("rule = 'beats', second = 'avg'", f": first: {SIDE}None"),
        ("rule = 'beats', first = 'seq'", f": second: {SIDE}None"),
        ("rule = 'beats', first = 'seq', second = []", f": second: {SIDE}[]"),
        ("rule = 'beats', first = 3, second = 'avg'", f": first: {SIDE}3"),
        ("rule = 'beats', first = 'seq  avg', second = 'avg'", f": first: {SIDE}'seq  avg'"),
        ("rule = 'beats', first = 'seq at S11', second = 'avg'", f": first: {SIDE}'seq at S11'"),
        ("rule = 'beats', first = 'sec', second = 'avg'", ": first: no strategy or group 'sec'; did you mean 'seq'? Known: avg, best, none, seq, shared"),
        ("rule = 'beats', first = 'seq', second = ['avg', 'av']", ": second: no strategy or group 'av'; did you mean 'avg'? Known: avg, best, none, seq, shared"),
        ("rule = 'beats', first = 'bilsm/seq', second = 'avg'", ": first: no encoder 'bilsm'; did you mean 'bilstm'? Known: bilstm, handcrafted, pcnn"),
        ("rule = 'beats', first = 'seq over sec', second = 'avg'", ": first: no strategy or group 'sec'; did you mean 'seq'? Known: avg, best, none, seq, shared"),
        ("rule = 'beats', first = 'seq on all', second = 'avg'", ": first: no selection 'all'; Known: random, target-pairs, target-train, whole"),
        ("rule = 'varies_little', first = 'seq over avg', second = 'avg'", ": first: expected scores with this rule, found a gain, 'seq over avg'"),
        (f"{GOOD}, sizes = 'S7 to S3'", f": sizes: {SIZES}'S7 to S3'"),
        (f"{GOOD}, sizes = 'all'", f": sizes: {SIZES}'all'"),
        (f"{GOOD}, sizes = true", f": sizes: {SIZES}True"),
        (f"{GOOD}, sizes = 0", f": sizes: {SIZES}0"),
        (f"{GOOD}, sizes = []", f": sizes: {SIZES}[]"),
        (f"{GOOD}, sizes = [50, 'on average']", f": sizes: {SIZES}'on average'"),
        ("rule = 'highest_variance', first = 'seq', second = 'avg', sizes = 'on average'", ": sizes: expected sizes with this rule, found 'on average'"),
        ("rule = 'beats', first = 'seq at S7', second = 'avg'", ": expected 'at SIZE' on both sides or on none, without 'over' and sizes"),
        ("rule = 'beats', first = 'seq at S7', second = 'avg at S9', sizes = 50", ": expected 'at SIZE' on both sides or on none, without 'over' and sizes"),
        ("rule = 'beats', first = 'seq at S7 over avg', second = 'avg at S9'", ": expected 'at SIZE' on both sides or on none, without 'over' and sizes"),
        ("rule = 'efficiency_at_least', times = 2, first = 'seq at S7', second = 'avg at S9'", ": expected sizes with this rule, found 'at S7'"),
        ("rule = 'at_most', first = 'seq', second = 'avg'", ": points: expected a number above 0, found None"),
        ("rule = 'about', within = -1, first = 'seq', second = 'avg'", ": within: expected a number above 0, found -1"),
        ("rule = 'about', within = true, first = 'seq', second = 'avg'", ": within: expected a number above 0, found True"),
        ("rule = 'about', within = inf, first = 'seq', second = 'avg'", ": within: expected a number above 0, found inf"),
        ("rule = 'narrows', first = 'seq', above = 'much'", ": above: expected a count, S1 to S10, or full, found 'much'"),
        ("rule = 'narrows', first = 'seq'", ": above: expected a count, S1 to S10, or full, found None"),
        (f"{GOOD}, encoders = []", ": encoders: expected a list of names, found []"),
        (f"{GOOD}, encoders = 'pcnn'", ": encoders: expected a list of names, found 'pcnn'"),
        (f"{GOOD}, encoders = ['pccn']", ": encoders: no encoder 'pccn'; did you mean 'pcnn'? Known: bilstm, handcrafted, pcnn"),
    ],
)  # fmt: skip
def test_every_mistake_of_a_part_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert part(tmp_path, text) == [told]


def claim(text: str) -> str:
    return f'title = "Us"\n[[claims]]\n{text}\n'


PARTS = f"parts = [{{{GOOD}}}]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["title: expected some words, found None", "claims: expected a list of tables, found None"]),
        ('title = "Us"\nclaims = [1]\n', ["claims: expected a list of tables, found [1]"]),
        ('title = " "\nclaim = 1\nclaims = []\n', ["no key 'claim'; did you mean 'claims'? Known: claims, groups, text, title", "title: expected some words, found ' '", "claims: expected a list of tables, found []"]),
        ('title = "Us"\ntext = "all"\n' + claim(f'number = 1\nsays = "x"\nencoders = ["pcnn"]\n{PARTS}').partition("\n")[2], ["text: no selection 'all'; Known: random, target-pairs, target-train, whole"]),
        ('title = "Us"\ngroups = 1\nclaims = []', ["groups: expected a table, found 1", "claims: expected a list of tables, found []"]),
        ('title = "Us"\ngroups.seq = ["avg"]\ngroups.a = 1\ngroups.b = ["sec"]\ngroups.c = ["x/seq"]\nclaims = []', [
            "groups.seq: expected a name without blanks and strokes that no strategy has",
            "groups.a: expected a list of strategies, or ENCODER/STRATEGY, found 1",
            "groups.b: no strategy 'sec'; did you mean 'seq'? Known: avg, none, seq, shared",
            "groups.c: no encoder 'x'; Known: bilstm, handcrafted, pcnn",
            "claims: expected a list of tables, found []",
        ]),
        (claim(f'says = "x"\nencoders = ["pcnn"]\n{PARTS}'), ["claim at place 1: number: expected a count, found None"]),
        (claim(f'number = true\nsays = "x"\nencoders = ["pcnn"]\n{PARTS}'), ["claim at place 1: number: expected a count, found True"]),
        (claim(f'number = 3\nencoders = ["pcnn"]\n{PARTS}'), ["claim 3: says: expected some words, found None"]),
        (claim(f'number = 3\nsays = "x"\nnote = 1\nencoders = ["pcnn"]\n{PARTS}'), ["claim 3: note: expected some words, found 1"]),
        (claim('number = 3\nsays = "x"'), ["claim 3: expected parts, or not_measured with the reason, and not both"]),
        (claim(f'number = 3\nsays = "x"\nnot_measured = "y"\nencoders = ["pcnn"]\n{PARTS}'), ["claim 3: expected parts, or not_measured with the reason, and not both"]),
        (claim('number = 3\nsays = "x"\nparts = []'), ["claim 3: parts: expected a list of tables, found []"]),
        (claim('number = 3\nsays = "x"\nnot_measured = ""'), ["claim 3: not_measured: expected some words, found ''"]),
        (claim(f'number = 3\nsays = "x"\nencoder = ["pcnn"]\n{PARTS}'), ["claim 3: no key 'encoder'; did you mean 'encoders'? Known: encoders, not_measured, note, number, parts, says", "claim 3, part 1: expected encoders, of this part or of its claim, or ENCODER/NAME"]),
        (claim('number = 3\nsays = "x"\nnot_measured = "y"\n[[claims]]\nnumber = 3\nsays = "z"\nnot_measured = "y"'), ["claim 3: two have this number"]),
    ],
)  # fmt: skip
def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path, text: str, told: list[str]) -> None:
    assert mistakes(tmp_path, text) == told


def test_blanks_and_ends_of_lines_in_words_are_one_blank(tmp_path: Path) -> None:
    text = HEAD.replace('"Us"', '"""\n Us\n\tand them\n"""') + CLAIM.replace('"it is so"', '"it\\nis   so"')
    found = read(tmp_path, f'{text}note = "so\\r\\nso"\nparts = [{{{GOOD}}}]\n')
    assert (found.title, found.claims[0].says, found.claims[0].note) == ("Us and them", "it is so", "so so")


def test_a_file_that_is_not_there_or_no_toml_is_told(tmp_path: Path) -> None:
    missing, broken, binary = tmp_path / "no.toml", tmp_path / "broken.toml", tmp_path / "binary.toml"
    broken.write_text("title = ")
    binary.write_bytes(b"\xff")
    for file, told in (
        (missing, f"the claims {missing} can't be read: [Errno 2] No such file or directory: '{missing}'"),
        (broken, f"the claims {broken} are not TOML: Invalid value (at end of document)"),
        (binary, f"the claims {binary} can't be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ):  # fmt: skip
        with pytest.raises(GridError) as caught:
            read_claims(str(file), KNOWN)
        assert caught.value.mistakes == (told,)
