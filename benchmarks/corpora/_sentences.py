"""Sentences of running English prose, by rules."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

Characters = tuple[int, int]
"""Characters of a text: the first, and the one after the last."""

LONGEST = 12  # characters of an abbreviation

# A stop with the brackets and quotes that it closes, a blank, and the word that would open a sentence.
_STOP = re.compile(r"[.!?][\"'”’»)\]]*+ (?=[\"'“‘«(\[]*+(\w++\.?))")
_WORD = re.compile(r"[^\s\"'“‘«(\[\-–—/]*+\Z")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])*+")
_ABBREVIATIONS = frozenset(
    "mr mrs ms messrs mme mlle dr drs prof rev fr jr sr st ste mt ft gen maj lt cpt capt cmdr sgt cpl pvt adm gov sen "
    "rep hon supt no nos vol vols pp fig figs ch sec op cf viz eg ie vs ca circa approx fl lit trans ed eds al incl "
    "esp dept univ ave inc ltd co corp bros etc ph.d jan feb apr jun jul aug sep sept oct nov dec".split()
)
# Open sentences, and hardly ever stand with a capital within one.
_OPENINGS = frozenset(
    "the a an this that these those it its he his she her they their we our in on at by for from with after before "
    "during since when while although though however but and as if there then thus some many most other both one "
    "according also another because despite until once today".split()
)


def split(text: str, whole: Sequence[Characters] = ()) -> Iterator[Characters]:
    """The sentences of a paragraph whose blanks are single; none ends within one of the stretches `whole`.

    A sentence ends at a full stop, a question or an exclamation mark before a capital or a digit. After an
    abbreviation or an initial only a word that opens sentences, "The" say, begins another.

    >>> text = "He met Dr. J. Lee in the U.S. The year was 1990."
    >>> [text[start:end] for start, end in split(text)]
    ['He met Dr. J. Lee in the U.S.', 'The year was 1990.']
    """
    starts = [start for start, _ in whole]
    begin = 0
    for stop in _STOP.finditer(text):
        blank = stop.end() - 1
        within = bisect_right(starts, stop.start()) - 1
        if (within < 0 or blank >= whole[within][1]) and _ends(text, begin, stop.start(), stop[1]):
            yield begin, blank
            begin = stop.end()
    if begin < len(text):
        yield begin, len(text)


def _ends(text: str, begin: int, stop: int, following: str) -> bool:
    """Whether the stop ends a sentence that is followed by this word."""
    if not (following[0].isupper() or following[0].isdigit()):
        return False
    found = _WORD.search(text, max(begin, stop - LONGEST), stop)
    word = found[0].lower() if found and text[stop] == "." else ""
    abbreviated = word in _ABBREVIATIONS or _INITIALS.fullmatch(word)
    return not abbreviated or following.lower() in _OPENINGS
