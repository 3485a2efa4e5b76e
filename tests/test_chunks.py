"""Base phrase chunks: the grammar rule by rule, a sentence by hand, and what holds for any tags."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chunks import Chunk, chunks


def bracketed(tagged: str) -> str:
    """The words of `word/TAG` in brackets with their chunk's label, a star after the head word."""
    words, tags = zip(*(token.rsplit("/", 1) for token in tagged.split()), strict=True)
    starts = {chunk.start: f"[{chunk.label} " for chunk in chunks(tags)}
    ends = {chunk.end - 1 for chunk in chunks(tags)}
    heads = {chunk.head for chunk in chunks(tags)}
    told = (
        f"{starts.get(at, '')}{word}{'*' * (at in heads)}{']' * (at in ends)}" for at, word in enumerate(words)
    )  # fmt: skip
    return " ".join(told)


def test_a_sentence() -> None:
    tags = "RB DT NNP IN NNP VBD NNP NNP VBN IN DT RB JJ NNP NNP IN NNP .".split()
    # Then | the University | of | Oslo | bought | Acme Inc | owned | by | the very rich Ann Lee | on | Monday | .
    assert chunks(tags) == [
        Chunk("NP", 1, 3, 2),
        Chunk("PP", 3, 4, 3),
        Chunk("NP", 4, 5, 4),
        Chunk("VP", 5, 6, 5),
        Chunk("NP", 6, 8, 7),
        Chunk("VP", 8, 9, 8),
        Chunk("PP", 9, 10, 9),
        Chunk("NP", 10, 15, 14),
        Chunk("PP", 15, 16, 15),
        Chunk("NP", 16, 17, 16),
    ]


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        # noun phrases
        ("the/DT new/JJ chief/NN engineer/NN", "[NP the new chief engineer*]"),
        ("all/PDT her/PRP$ five/CD old/JJ dogs/NNS", "[NP all her five old dogs*]"),
        ("the/DT recently/RB founded/VBN firm/NN", "[NP the recently founded firm*]"),
        ("the/DT rising/VBG prices/NNS", "[NP the rising prices*]"),
        ("rising/VBG prices/NNS", "[VP rising*] [NP prices*]"),  # a participle needs a determiner
        ("very/RB large/JJ firms/NNS", "[NP very large firms*]"),
        ("March/NNP 3/CD 2005/CD", "[NP March* 3 2005]"),
        ("Windows/NNP 95/CD users/NNS", "[NP Windows 95 users*]"),
        ("the/DT man/NN happy/JJ people/NNS saw/VBD", "[NP the man*] [NP happy people*] [VP saw*]"),
        ("whose/WP$ firm/NN", "[NP whose firm*]"),
        ("which/WDT is/VBZ", "[NP which*] [VP is*]"),
        ("all/PDT the/DT very/RB best/JJS", "[NP all the very best*]"),
        ("the/DT very/RB", "[NP the*] very"),
        ("the/DT killed/VBN", "[NP the*] [VP killed*]"),
        ("a/DT 5/CD $/$", "[NP a 5 $*]"),
        ("$/$ 5/CD million/CD", "[NP $ 5 million*]"),
        ("#/# 3/CD", "[NP # 3*]"),
        ("he/PRP who/WP there/EX", "[NP he*] [NP who*] [NP there*]"),
        ("acme.com/ADD fin/FW", "[NP acme.com fin*]"),
        ("this/DT the/DT dog/NN", "[NP this*] [NP the dog*]"),
        # possession
        ("Acme/NNP 's/POS new/JJ boss/NN", "[NP Acme*] [NP 's new boss*]"),
        ("Acme/NNP 's/POS", "[NP Acme*] 's"),
        # verb phrases
        ("has/VBZ not/RB yet/RB been/VBN named/VBN", "[VP has not yet been named*]"),
        ("wants/VBZ to/TO quickly/RB buy/VB it/PRP", "[VP wants to quickly buy*] [NP it*]"),
        ("to/TO be/VB sold/VBN", "[VP to be sold*]"),
        ("will/MD", "[VP will*]"),
        ("quickly/RB ran/VBD up/RP", "quickly [VP ran*] up"),
        ("ran/VBD quickly/RB", "[VP ran*] quickly"),
        ("runs/VBZ Acme/NNP", "[VP runs*] [NP Acme*]"),
        ("is/VBP rich/JJ", "[VP is*] rich"),
        # prepositions
        ("out/IN of/IN the/DT firm/NN", "[PP out*] [PP of*] [NP the firm*]"),
        ("heir/NN to/TO Acme/NNP", "[NP heir*] [PP to*] [NP Acme*]"),
        ("to/TO quickly/RB", "[PP to*] quickly"),
        # outside
        ("such/PDT and/CC ,/, rich/JJR soonest/RBS when/WRB oh/UH -/HYPH", "such and , rich soonest when oh -"),
        ("Ann/NNP -/HYPH Lee/NNP", "[NP Ann*] - [NP Lee*]"),
        ("trade/NN and/CC industry/NN", "[NP trade*] and [NP industry*]"),
        ("odd/XX nouns/nn", "odd nouns"),
    ],
)
def test_the_grammar(tagged: str, expected: str) -> None:
    assert bracketed(tagged) == expected


def test_no_tags_no_chunks() -> None:
    assert chunks([]) == []


TAGS = "DT PDT PRP$ WDT POS JJ JJS CD $ NN NNPS FW PRP RB VBD VBN VBG MD TO IN CC . -LRB-".split()
VERB = re.compile("VB[DNGZP]?|MD")


@given(st.lists(st.sampled_from(TAGS), max_size=20))
def test_chunks_stand_in_order_hold_their_heads_and_leave_out_no_noun_verb_or_preposition(tags: list[str]) -> None:
    found = chunks(tags)
    edges = [edge for chunk in found for edge in (chunk.start, chunk.end)]
    assert edges == sorted(edges)
    within = {at for chunk in found for at in range(chunk.start, chunk.end)}
    assert len(within) == sum(chunk.end - chunk.start for chunk in found)
    assert within <= set(range(len(tags)))
    for chunk in found:
        inside = range(chunk.start, chunk.end)
        nouns = [at for at in inside if tags[at] in ("NN", "NNPS", "FW")]
        match chunk.label:
            case "NP":
                assert chunk.head == (nouns[-1] if nouns else inside[-1])
            case "VP":
                assert chunk.head == max(at for at in inside if VERB.fullmatch(tags[at]))
                assert not nouns
            case "PP":
                assert [tags[at] for at in inside] in (["IN"], ["TO"])
                assert chunk.head == chunk.start
    outside = {tags[at] for at in set(range(len(tags))) - within}
    assert outside <= {"PDT", "POS", "JJ", "JJS", "RB", "CC", ".", "-LRB-"}


@given(st.lists(st.sampled_from(TAGS), max_size=12), st.lists(st.sampled_from(TAGS), max_size=12))
def test_what_stands_after_a_full_stop_changes_nothing_before(tags: list[str], others: list[str]) -> None:
    after = len(tags) + 1
    moved = [Chunk(c.label, c.start + after, c.end + after, c.head + after) for c in chunks(others)]
    assert chunks([*tags, ".", *others]) == chunks(tags) + moved
