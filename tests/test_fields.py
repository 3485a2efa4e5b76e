"""Typed fields of JSON examples: what each takes, and what is told of one that is missing or of another type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.fields import (
    UnusableError,
    has,
    number,
    optional_identifier,
    optional_text,
    shown,
    text,
    texts,
    whole,
    wholes,
)

Getter = Callable[[Any, str], Any]
STRING, STRINGS, NUMBER, NUMBERS = "a string", "a list of strings", "a whole number", "a list of whole numbers"
SHARE, IDENTIFIER = "a number from 0 to 1", "a string or a whole number"


def share(example: Any, name: str) -> float:
    return number(example, name, 0, 1)


RIGHT: list[tuple[Getter, Any, Any]] = [
    (text, "", ""),
    (text, " ä ", " ä "),
    (optional_text, "x", "x"),
    (optional_text, "", None),
    (optional_text, None, None),
    (optional_identifier, "x", "x"),
    (optional_identifier, "", None),
    (optional_identifier, None, None),
    (optional_identifier, 0, "0"),
    (optional_identifier, -12, "-12"),
    (optional_identifier, 10**40 - 1, 40 * "9"),
    (texts, [], ()),
    (texts, ["a", "", "a"], ("a", "", "a")),
    (share, 0, 0.0),
    (share, 0.8, 0.8),
    (share, 1, 1.0),
    (whole, -3, -3),
    (whole, 10**40, 10**40),
    (wholes, [], ()),
    (wholes, [0, -1], (0, -1)),
    (has, 0, True),
    (has, "", True),
    (has, None, False),
]
WRONG: list[tuple[Getter, str, Any]] = [
    (text, STRING, None),
    (text, STRING, 3),
    (text, STRING, ["a"]),
    (optional_text, STRING, 3),
    (optional_text, STRING, False),
    (optional_identifier, IDENTIFIER, True),
    (optional_identifier, IDENTIFIER, 3.0),
    (optional_identifier, IDENTIFIER, ["x"]),
    (optional_identifier, IDENTIFIER, 10**40),
    (texts, STRINGS, "abc"),
    (texts, STRINGS, ["a", None]),
    (texts, STRINGS, {"a": 1}),
    (share, SHARE, "0.5"),
    (share, SHARE, True),
    (share, SHARE, None),
    (share, SHARE, 1.01),
    (share, SHARE, -1),
    (share, SHARE, 10**400),
    (share, SHARE, float("nan")),
    (whole, NUMBER, "3"),
    (whole, NUMBER, 3.0),
    (whole, NUMBER, True),
    (whole, NUMBER, None),
    (wholes, NUMBERS, [1, True]),
    (wholes, NUMBERS, [1.0]),
    (wholes, NUMBERS, 3),
]


@pytest.mark.parametrize(("get", "value", "expected"), RIGHT)
def test_a_field_of_the_right_type(get: Getter, value: Any, expected: Any) -> None:
    assert get({"x": value}, "x") == expected


@pytest.mark.parametrize("get", [optional_text, optional_identifier, has])
def test_a_field_that_may_be_missing(get: Getter) -> None:
    assert not get({"y": 1}, "x")


@pytest.mark.parametrize(("get", "expected", "value"), WRONG)
def test_a_field_of_the_wrong_type_is_told(get: Getter, expected: str, value: Any) -> None:
    with pytest.raises(UnusableError) as raised:
        get({"x": value}, "x")
    assert raised.value.reason == f"a field 'x' that is not {expected}"
    assert raised.value.found == shown(value)


def test_a_number_that_can_not_be_written_is_no_identifier() -> None:
    with pytest.raises(UnusableError) as raised:
        optional_identifier({"x": 10**5000}, "x")
    told = "a field 'x' that is not a string or a whole number", "a value too large to show"
    assert (raised.value.reason, raised.value.found) == told


@pytest.mark.parametrize("get", [text, texts, share, whole, wholes])
@pytest.mark.parametrize(
    ("example", "found"),
    [
        ({}, "fields none"),
        ({"y": 1, "\n": 2}, "fields 'y', '\\n'"),
        (dict.fromkeys("abcdefghijklm"), "fields 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'"),
        ({100 * "y": 1}, f"fields '{56 * 'y'}..."),
    ],
)
def test_a_missing_field_is_told(get: Getter, example: dict[str, Any], found: str) -> None:
    with pytest.raises(UnusableError) as raised:
        get(example, "x")
    assert (raised.value.reason, raised.value.found) == ("no field 'x'", found)


@pytest.mark.parametrize("get", [text, optional_text, optional_identifier, texts, share, whole, wholes, has])
@pytest.mark.parametrize("example", [None, 3, "x", ["x"], True])
def test_an_example_that_is_no_object_is_told(get: Getter, example: Any) -> None:
    with pytest.raises(UnusableError) as raised:
        get(example, "x")
    assert (raised.value.reason, raised.value.found) == ("no JSON object", repr(example))


def test_equal_texts_share_their_memory() -> None:
    one, two = (texts({"x": ["".join(["to", "ken"])]}, "x") for _ in range(2))
    assert one[0] is two[0]


def test_what_is_shown_is_short() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert shown("x" * 58) == f"'{58 * 'x'}'"
    assert shown("x" * 59) == f"'{56 * 'x'}..."
    assert shown({"a": [1]}) == "{'a': [1]}"
    assert shown(10**5000) == "a value too large to show"
    assert shown(nested) == "a value too large to show"
