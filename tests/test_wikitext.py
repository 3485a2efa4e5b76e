"""MediaWiki's markup: what stands in the text, which titles its links lead to, where sentences end, and in what time."""

from __future__ import annotations

import re
import time
from collections import Counter
from itertools import islice

import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora._dumps import Dump
from benchmarks.corpora._sentences import split
from benchmarks.corpora._titles import Kind, Namespaces, canonical
from benchmarks.corpora._wikitext import HOLE, left_over, paragraphs, redirect

GENSIM = "wiki_gensim_sample/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
MARKUP = (
    "[[ ]] {{ }} {{{ }}} {| |} | [[File:a.jpg|thumb| [[Image: [[Category:b]] [[:fr:c| [[a|b]]s <!-- --> <ref> </ref> <ref "
    "<ref/> <math> </math> <nowiki> </nowiki> <table> </table> <br> < > ' '' ''' ( ) , [http://a [http://a\tb] __NOTOC__ "
    "& &amp; &lt; &#91; = == * : ; # . ? . A"
).split(" ")


def shown(wikitext: str) -> list[str]:
    """The paragraphs with their links as [anchor>title]."""
    found = []
    for text, links in paragraphs(wikitext, Namespaces()):
        pieces, last = [], 0
        for start, end, title in links:
            pieces += [text[last:start], f"[{text[start:end]}>{title}]"]
            last = end
        found.append("".join((*pieces, text[last:])))
    return found


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("a [[Dog]] b", "a [Dog>Dog] b"),
        ("a [[dog]]s b", "a [dogs>Dog] b"),
        ("a [[dog]]S b", "a [dog>Dog]S b"),
        ("a [[Dog|cat]]s b", "a [cats>Dog] b"),
        ("a [[Dog# Head|cat]] b", "a [cat>Dog] b"),
        ("a [[hot_dog#Head]] b", "a [hot dog>Hot dog] b"),
        ("a [[#Head]] b [[#Head|here]] c", "a b here c"),
        ("a [[Paris (Texas)|]] b [[Paris, Texas|]] c", "a [Paris>Paris (Texas)] b [Paris>Paris, Texas] c"),
        ("a [[ Dog |\n cat ]] b", "a [cat>Dog] b"),
        ("a [[Dog|''big'' '''dog''']] b", "a [big dog>Dog] b"),
        ("a [[Caf&eacute;]] [[caf%C3%A9]] b", "a [Café>Café] [caf%C3%A9>Café] b"),
        ("a [[Dog|{{big}}cat]] b", "a [cat>Dog] b"),
        ("a [[{{PAGENAME}}|cat]] [[a<b]] c", "a cat a<b c"),
        ("a [[2001: A Space Odyssey]] [[CSI: Miami]]", "a [2001: A Space Odyssey>2001: A Space Odyssey] [CSI: Miami>CSI: Miami]"),
        ("a [[:dog]] b [[:Category:Dogs]] c [[:fr:Chien|chien]] d", "a [dog>Dog] b Category:Dogs c chien d"),
        ("a [[Category:Dogs]][[de:Hund]][[zh-min-nan:Káu]] b", "a b"),
        ("a [[wikt:dog|dog]] [[User:Ann|Ann]] [[w:Help:|]] b", "a dog Ann b"),
        ("[[File:a.jpg|thumb|A [[dog]] and [[Image:b.png|x]] a [[cat]]]]The [[end]]", "The [end>End]"),
        ("[[File:a.jpg|thumb|one\ntwo [[dog]]]]The end", "The end"),
        ("a [[b|c [[dog]] d]] e", "a [[b|c [dog>Dog] d]] e"),
        ("a [[dog b [[cat]] c", "a [[dog b [cat>Cat] c"),
        ("a dog]] b [[cat]] c", "a dog]] b [cat>Cat] c"),
    ],
)  # fmt: skip
def test_a_link_becomes_its_anchor(wikitext: str, expected: str) -> None:
    assert shown(wikitext) == [expected]


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("a<!-- [[b]] \n\n -->c", ["ac"]),
        ("a<!-- b", ["a"]),
        ("a<ref name=x>{{cite|b}} [[c]]</ref> d<ref name=x /> e", ["a d e"]),
        ("a <ref>b", ["a b"]),
        ("a {{b|{{c|[[d]]}}|e=\n\nf}} g", ["a g"]),
        ("a {{b [[c]]", ["a {{b [c>C]"]),
        ("a }} b", ["a }} b"]),
        ("{{a|[[b}} c [[d]]", ["c [d>D]"]),
        ("a\n{| class=x\n| b\n|-\n{|\n| c\n|}\n|}\nd", ["a", "d"]),
        ("a\n{|\n| {{b|}}\n|}\nc", ["a", "c"]),
        ("a\n<table><tr><td>b <table>c</table></td></tr></table>\nd", ["a", "d"]),
        ("a <math>x^2</math> b", [f"a {HOLE} b"]),
        ("a <gallery>b.jpg|[[c]]</gallery>d", ["a d"]),
        ("a <nowiki>''b'' {{</nowiki> c", ["a b {{ c"]),
        ("a <b>b</b> <span style='x'>c</span><br />d", ["a b c d"]),
        ("H<sub>2</sub>O 10<sup>9</sup> 20<sup>th</sup>", ["H2O 10^9 20th"]),
        ("p < 0.05 and q > 1", ["p < 0.05 and q > 1"]),
        ("''a'' '''b''' '''''c''''' l'd", ["a b c l'd"]),
        ("a [http://x.org b c] [//x.org] [mailto:a@b d]", ["a b c d"]),
        ("a &ndash; b&nbsp;&amp;lt; c", ["a – b &lt; c"]),
        ("a (; {{b}}) c (Greek, {{d}}) e ( , f)", ["a c (Greek) e (f)"]),
        ("== a ==\nb\n* c\n# d\n: e\n; f\n----\n|g\n!h\n __NOTOC__i", ["b", "i"]),
        ("a<p>b</p>c", ["a", "b", "c"]),
        ("", []),
    ],
)
def test_what_is_no_prose_is_taken_out(wikitext: str, expected: list[str]) -> None:
    assert shown(wikitext) == expected


def test_namespaces_are_those_of_the_wiki() -> None:
    german = Namespaces()
    german.add("Datei", 6)
    german.add("", 0)
    assert german.kind("Datei:a.jpg") is german.kind("file:a.jpg") is Kind.HIDDEN
    assert Namespaces().kind("Datei:a.jpg") is Kind.ARTICLE
    assert (
        german.of("Datei:a.jpg") == 6 and german.of("datei : a") == 6 and german.of(":a") == 0 and german.of("a") == 0
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("albert_ Einstein ", "Albert Einstein"), ("éa#b", "Éa"), ("ßa", "ßa"), ("#a", ""), ("a|b", ""), ("&lt;a", ""),
        ("a" * 256, ""), (": dog", "Dog"), ("100%", "100%"),
    ],
)  # fmt: skip
def test_a_title_has_one_canonical_form(target: str, expected: str) -> None:
    assert canonical(target) == expected


@given(st.text().filter(lambda text: not set(text) & set("&%:")))
def test_a_canonical_title_is_its_own(target: str) -> None:
    assert canonical(canonical(target)) == canonical(target)


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("#REDIRECT [[Big dog]]", "Big dog"), ("  # redirect: [[big_dog#x|y]] {{R}}", "Big dog"), ("#REDIRECT", ""),
        ("See #REDIRECT [[a]]", ""),
    ],
)  # fmt: skip
def test_an_old_redirect_is_known_by_its_text(wikitext: str, expected: str) -> None:
    assert redirect(wikitext) == expected


@pytest.mark.parametrize(
    "text",
    [
        "It is so.|Is it?|Yes!|It was 1990.|5 came.",
        'He said "no."|She left (at noon).|They stayed.',
        "Dr. A. B. Lee met Mr. U. Ng of Acme Inc. Ltd. in St. Paul.|He won.",
        "He lives in the U.S.|The U.S. Army is there.",
        "It has no. 5, vol. 3, pp. 4 and fig. 2, i.e. Roman works, etc. among them.",
        "It cost 3.5 dollars. more. or less.",
        "They won 16-7.|Ironically, it ended.",
    ],
)  # fmt: skip
def test_sentences_end_at_full_stops_but_not_after_abbreviations(text: str) -> None:
    whole = text.replace("|", " ")
    assert [whole[start:end] for start, end in split(whole)] == text.split("|")


def test_no_sentence_ends_within_a_mention() -> None:
    text = "He likes Who? What? Where? Today he left. It rained."
    assert [text[start:end] for start, end in split(text, [(9, 26)])] == [
        "He likes Who? What? Where?", "Today he left.", "It rained."]  # fmt: skip


@given(st.text("aB1. ?!\"')(", max_size=60))
def test_sentences_are_the_whole_text(text: str) -> None:
    single = " ".join(text.split())
    assert " ".join(single[start:end] for start, end in split(single)) == single


@pytest.mark.parametrize("text", ["a [[b", "a ]] b", "a {b", "a | b", "see http://x", "a <foo b"])
def test_left_over_markup_is_known(text: str) -> None:
    assert left_over(text) and not left_over("It is < 5 [sic] & more: a/b.")


@given(
    st.lists(st.one_of(st.sampled_from(MARKUP), st.sampled_from(["\n", "\n\n", " ", "word"]), st.text()), max_size=40)
)
def test_no_markup_breaks_it_and_links_are_apart(pieces: list[str]) -> None:
    for text, links in paragraphs("".join(pieces), Namespaces()):
        edges = [0, *(edge for link in links for edge in link[:2]), len(text)]
        assert edges == sorted(edges) and "\n" not in text
        assert all(text[start:end].strip() and canonical(title) for start, end, title in links)


UNITS = [*MARKUP, "\n{|\n", "\n|}", "{{[[", "[[{{", "( ,", "1<sup>", "A.B. C ", ".) ", "[[a]] ", "a"]


@pytest.mark.parametrize(("unit", "size"), [*((unit, 300_000) for unit in UNITS), ("[[", 1_000_000), ("{{", 1_000_000)])
def test_a_page_takes_linear_time_whatever_stands_there(unit: str, size: int) -> None:
    start = time.process_time()
    for text, links in paragraphs(unit * (size // len(unit)), Namespaces()):
        assert sum(1 for _ in split(text, [link[:2] for link in links])) > 0
    assert time.process_time() - start < 20  # linear: about a second for a megabyte; quadratic: minutes


@pytest.mark.parametrize(("opening", "closing"), [("[[a|", "]]"), ("[[File:a|", "]]"), ("{{", "}}"), ("\n{|", "\n|}")])
def test_nesting_of_any_depth_takes_linear_time(opening: str, closing: str) -> None:
    wikitext = opening * 100_000 + " b " + closing * 100_000
    start = time.process_time()
    list(paragraphs(wikitext, Namespaces()))
    assert time.process_time() - start < 20


def test_links_are_those_that_another_parser_finds(find_data: FindData) -> None:
    parser = pytest.importorskip("mwparserfromhell")
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    dump = Dump(find_data(GENSIM) / GENSIM)
    for page in islice(dump.pages(), 20):
        prose = re.sub(r"(?m)^[*#:;=|!].*$", "", page.text)
        ours.update(title for _, links in paragraphs(prose, dump.namespaces) for _, _, title in links)
        tree = parser.parse(prose, skip_style_tags=True)
        for node in [*tree.filter_templates(recursive=False), *tree.filter_tags(recursive=False)]:
            if getattr(node, "tag", "ref") in ("ref", "table", "gallery"):
                tree.remove(node)
        titles = (str(link.title) for link in tree.filter_wikilinks(recursive=False))
        theirs.update(canonical(title) for title in titles if dump.namespaces.kind(title) is Kind.ARTICLE)
    assert sum(ours.values()) > 900
    assert ours - theirs == Counter()
    assert sum((theirs - ours).values()) < 0.01 * sum(theirs.values())  # within tables of HTML, and sections of a page
