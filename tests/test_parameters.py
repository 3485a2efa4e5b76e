"""Typed parameters: what a value may stand for, every mistake told at once, the defaults filled in."""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.parameters import coerce, describe, parameter, read


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Parameters of every type that plugins declare."""

    hidden: int = parameter(200, "width of a reading", unit="dimensions", source="here", at_least=1)
    rate: float = parameter(0.05, "learning rate", above=0, at_most=1)
    cell: Literal["torch", "vinyals"] = parameter("torch", "which cell")
    bias: bool = parameter(True, "with biases")
    cap: int | None = parameter(None, "at most so many", at_least=1)
    groups: bool | tuple[str, ...] = parameter(True, "which groups")
    name: str = parameter("x", "a name")


def mistakes_of(values: dict[str, Any]) -> list[str]:
    """What is told of the values; nothing may be made of them."""
    mistakes: list[str] = []
    assert read(Parameters, values, "encoders.toy", mistakes) is None
    return mistakes


# Coercion

HINTS = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "int | None": int | None,
    "float | None": float | None,
    "choice": Literal["torch", "vinyals"],
    "number choice": Literal[1, 2],
    "words": tuple[str, ...],
    "bool or words": bool | tuple[str, ...],
}


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        ("int", 3, 3),
        ("int", -3, -3),
        ("float", 3, 3.0),
        ("float", 0.5, 0.5),
        ("float", -1e-300, -1e-300),
        ("bool", True, True),
        ("str", "", ""),
        ("int | None", 3, 3),
        ("int | None", None, None),
        ("float | None", 3, 3.0),
        ("choice", "vinyals", "vinyals"),
        ("number choice", 2, 2),
        ("words", ["a", "b"], ("a", "b")),
        ("words", ("a",), ("a",)),
        ("words", [], ()),
        ("bool or words", False, False),
        ("bool or words", ["a"], ("a",)),
    ],
)
def test_a_value_serves_as_a_type(hint: str, value: object, expected: object) -> None:
    made = coerce(value, HINTS[hint])
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("hint", "value", "told"),
    [
        ("int", "3", "expected a whole number, found '3'"),
        ("int", 3.0, "expected a whole number, found 3.0"),
        ("int", True, "expected a whole number, found True"),
        ("float", True, "expected a number, found True"),
        ("float", "0.5", "expected a number, found '0.5'"),
        ("float", float("inf"), "expected a number, found inf"),
        ("float", float("-inf"), "expected a number, found -inf"),
        ("float", float("nan"), "expected a number, found nan"),
        ("bool", 1, "expected true or false, found 1"),
        ("bool", "true", "expected true or false, found 'true'"),
        ("str", 3, "expected a string, found 3"),
        ("int | None", "none", "expected a whole number or nothing, found 'none'"),
        ("choice", "Torch", "expected 'torch' or 'vinyals', found 'Torch'"),
        ("choice", ["torch"], "expected 'torch' or 'vinyals', found ['torch']"),
        ("number choice", True, "expected 1 or 2, found True"),
        ("number choice", 2.0, "expected 1 or 2, found 2.0"),
        ("words", "ab", "expected a list within the list, each a string, found 'ab'"),
        ("words", ["a", 1], "expected a string, found 1"),
        ("bool or words", 1, "expected true or false or a list within the list, each a string, found 1"),
        ("bool or words", [1], "expected true or false or a list within the list, each a string, found [1]"),
    ],
)
def test_a_value_of_another_type_is_told_and_never_converted(hint: str, value: object, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        coerce(value, HINTS[hint])


@given(st.integers(-(10**400), 10**400))
def test_a_whole_number_of_any_size_serves_as_a_number_or_is_told(value: int) -> None:
    if abs(value) <= sys.float_info.max:
        assert coerce(value, float) == float(value)
    else:
        with pytest.raises(ValueError, match=r"^expected a number, found"):
            coerce(value, float)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@given(st.sampled_from(sorted(HINTS)), scalars | st.lists(scalars, max_size=2))
def test_what_is_coerced_stays_as_it_is_when_coerced_again(hint: str, value: object) -> None:
    try:
        made = coerce(value, HINTS[hint])
    except ValueError:
        return
    again = coerce(made, HINTS[hint])
    assert again == made
    assert type(again) is type(made)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (str | None, "a string or nothing"),
        (Literal["a", "b"], "'a' or 'b'"),
        (tuple[float, ...], "a list within the list, each a number"),
    ],
)
def test_types_are_described_in_words(hint: object, words: str) -> None:
    assert describe(hint) == words


# Reading


def test_what_is_not_given_has_its_default() -> None:
    assert read(Parameters, {}, "encoders.toy", []) == Parameters()
    assert read(Parameters, {"rate": 1, "groups": ["a"]}, "encoders.toy", []) == Parameters(rate=1.0, groups=("a",))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"hidden": 0}, "encoders.toy.hidden: must be at least 1, found 0"),
        ({"cap": -1}, "encoders.toy.cap: must be at least 1, found -1"),
        ({"rate": 0}, "encoders.toy.rate: must be above 0, found 0.0"),
        ({"rate": -0.5}, "encoders.toy.rate: must be above 0, found -0.5"),
        ({"rate": 1.5}, "encoders.toy.rate: must be at most 1, found 1.5"),
        ({"hidden": "200"}, "encoders.toy.hidden: expected a whole number, found '200'"),
        (
            {"hiden": 200},
            "encoders.toy: no parameter 'hiden'; did you mean 'hidden'? "
            "Known: bias, cap, cell, groups, hidden, name, rate",
        ),
        ({"zzz": 1}, "encoders.toy: no parameter 'zzz'; Known: bias, cap, cell, groups, hidden, name, rate"),
    ],
)
def test_a_mistake_is_told_with_its_key(values: dict[str, Any], told: str) -> None:
    assert mistakes_of(values) == [told]


def test_bounds_hold_at_their_edges() -> None:
    assert read(Parameters, {"hidden": 1, "cap": None, "rate": 1e-9}, "x", []) is not None
    assert read(Parameters, {"rate": 1}, "x", []) is not None


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    told = mistakes_of({"rate": 0, "hiden": 1, "cell": "gru", "bias": False})
    assert [line.partition(":")[0] for line in told] == ["encoders.toy.rate", "encoders.toy", "encoders.toy.cell"]


def test_earlier_mistakes_elsewhere_do_not_count() -> None:
    mistakes = ["corpora: something else"]
    assert read(Parameters, {"hidden": 3}, "encoders.toy", mistakes) == Parameters(hidden=3)
    assert mistakes == ["corpora: something else"]


def test_a_field_carries_what_is_to_be_shown_of_it() -> None:
    fields = {field.name: field for field in dataclasses.fields(Parameters)}
    assert fields["hidden"].default == 200
    assert dict(fields["hidden"].metadata) == {
        "meaning": "width of a reading",
        "unit": "dimensions",
        "source": "here",
        "search": None,
        "at_least": 1,
        "above": None,
        "at_most": None,
    }


def test_a_field_named_like_a_word_of_python_has_its_key_without_the_underscore() -> None:
    @dataclasses.dataclass(frozen=True)
    class Named:
        """One such field."""

        as_: str | None = parameter(None, "what to call it")

    mistakes: list[str] = []
    assert read(Named, {"as": "mine"}, "corpora.x", mistakes) == Named("mine")
    assert read(Named, {"as": 3}, "corpora.x", mistakes) is None
    assert read(Named, {"as_": "mine"}, "corpora.x", mistakes) is None
    assert mistakes == [
        "corpora.x.as: expected a string or nothing, found 3",
        "corpora.x: no parameter 'as_'; did you mean 'as'? Known: as",
    ]
