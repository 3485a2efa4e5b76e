"""Links from a target's entities to a text's, by hand: IDs, names, a table either way, and the shares that are linked."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts import LinkedMention, RelationMention, Span
from harness.datasets.linking import OFTEN, Linker, links, read_table, shares
from harness.errors import DataError

NAMES = {"paris": "Paris", "united states": "United States", "usa": "United States", "q90": "Q90"}
"""Names of a text whose entities are Paris, United States and Q90."""


def mention(text: str, first: str | None = None, second: str | None = None, others: str = "") -> RelationMention:
    """Of the first and the last word; `others` is the entity of the second word."""
    tokens = tuple(text.split())
    last = len(tokens) - 1
    further = (LinkedMention(1, 2, others),) if others else ()
    spans = Span(0, 1), Span(last, last + 1)
    return RelationMention(text, tokens, *spans, "x", "train", None, first, second, further)


@pytest.mark.parametrize(
    ("entity", "name", "found"),
    [
        ("Paris", "whatever", "Paris"),
        ("/m/05qtj", "Paris", "Paris"),
        ("/m/05qtj", "PARIS", "Paris"),
        ("/m/05qtj", " united   STATES ", "United States"),
        ("usa", "usa", "United States"),
        ("Q90", "paris", "Q90"),
        ("/m/05qtj", "London", None),
    ],
    ids=["its ID", "its name", "case", "blanks", "a further name", "the ID before the name", "nothing"],
)
def test_an_entity_is_found_by_its_id_else_by_its_name(entity: str, name: str, found: str | None) -> None:
    assert Linker(NAMES).link(entity, name) == found


def test_a_table_leads_from_the_targets_id_by_a_name_to_the_text() -> None:
    table = [("Paris", "/m/05qtj"), ("Paris, France", "/m/05qtj"), ("London", "/m/04jpl"), ("USA", "/m/05qtj")]
    linker = Linker(NAMES, table)
    assert linker.link("/m/05qtj", "City of Light") == "Paris"  # the first row that leads anywhere
    assert linker.link("/m/04jpl", "London") is None
    assert linker.link("/m/05qtj", "USA") == "Paris"  # by its ID, though the text has the name


def test_a_table_leads_from_the_targets_name_by_an_id_to_the_text() -> None:
    linker = Linker(NAMES, [("City of Light", "Q90"), ("city of LIGHT", "Paris"), ("London", "Q84"), ("USA", "Q90")])
    assert linker.link("x", "City of light") == "Q90"
    assert linker.link("x", "London") is None
    assert linker.link("x", "usa") == "United States"  # the text's own names come first


def test_an_entity_is_looked_for_by_its_most_frequent_name() -> None:
    mentions = [
        mention("Paris is in France", "/m/1", "/m/2"),
        mention("Lutetia is in France", "/m/1", "/m/2"),
        mention("Paris likes Lutetia", "/m/1", "/m/1"),
        mention("PARIS knows USA", "/m/1"),
    ]
    assert links(mentions, Linker(NAMES)) == {"/m/1": "Paris", "usa": "United States"}
    more = mention("Lutetia is Lutetia", "/m/1", "/m/1")
    assert "/m/1" not in links([*mentions, more], Linker(NAMES))


def test_third_mentions_are_linked_too() -> None:
    assert links([mention("Ada Paris Bob", others="/m/1")], Linker(NAMES)) == {"/m/1": "Paris"}


def test_shares_by_hand() -> None:
    mentions = [mention("a b c"), mention("a b d"), mention("e b f"), mention("a b a")]  # a four times, c d e f once
    count = {"A": OFTEN, "C": OFTEN - 1, "D": 0}
    found = shares(mentions, {"a": "A", "c": "C", "d": "D", "z": "A"}, count)
    assert found == {"linked": 5 / 8, "often": 4 / 8}
    assert shares([], {}, {}) == {"linked": 0, "often": 0}


# The table


def test_a_table_is_names_and_ids(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text("# Wikidata\nParis\tQ90\n\n City of Light \t Q90\r\n#also\tthis\n", encoding="utf-8")
    assert read_table(file) == [("Paris", "Q90"), ("City of Light", "Q90")]


@pytest.mark.parametrize("bad", ["Paris Q90", "Paris\tQ90\tcity", "Paris\t", "\tQ90"])
def test_a_row_that_is_none_is_told_with_its_line(bad: str, tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text(f"# names\nLondon\tQ84\n{bad}\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_table(file)
    assert str(error.value) == f"{file}, line 3: expected a name, a tab and an ID, found {bad.strip()!r}"


def test_a_table_of_comments_alone_is_told(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text("# nothing yet\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_table(file)
    assert str(error.value) == f"{file}: expected names and IDs, found no line of them"
