"""What a corpus or a text holds and what is wrong with it: counts, labels, lengths, links, leakage between parts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from harness.collection import PARTS
from harness.contracts import About, Fault, LinkedSentence, RelationMention, TextNotes
from harness.datasets.linking import OFTEN
from harness.datasets.sources import SourceCorpus
from harness.datasets.splits import TIES
from harness.fields import shown
from harness.readings import pairs, reading

Report = Mapping[str, Any]

LONGEST = 60
"""Characters of a label that are shown whole."""

SHARED: dict[str, Callable[[RelationMention], Hashable]] = {
    "the same sentence": TIES["by-sentence"],
    "the same pair": TIES["by-pair"],
}
"""How a mention of one part may give away one of another."""


def check(source: SourceCorpus) -> Report:
    """Measure a corpus; all values are plain and in the order in which they are told."""
    corpus, about = source.corpus, source.about
    mentions = corpus.mentions
    by_part = {part: [mention for mention in mentions if mention.part == part] for part in PARTS}
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mention in mentions:
        labels[mention.label][mention.part] += 1
    linked = sum((m.first_entity is not None) + (m.second_entity is not None) for m in mentions)
    return {
        "corpus": source.name,
        "digest": source.digest,
        "headline": about.headline,
        "negative_label": about.negative_label,
        "roles": about.roles,
        "licence": about.licence,
        "source": about.source,
        "citation": about.citation,
        "oddities": list(about.oddities),
        "mentions": {part: len(own) for part, own in by_part.items()},
        "labels": {
            label: {part: counts[part] for part in PARTS}
            for label, counts in sorted(labels.items(), key=lambda item: (-item[1].total(), item[0]))
        },
        "not_in_train": sorted(label for label, counts in labels.items() if not counts["train"]),
        "tokens": _quantiles([len(mention.tokens) for mention in mentions]),
        "reading": _quantiles([sum(1 for _ in reading(mention)) for mention in mentions]),
        "arguments_linked": linked / (2 * (len(mentions) or 1)),
        "parsed": sum(mention.parse is not None for mention in mentions) / (len(mentions) or 1),
        "agreement_known": sum(mention.agreement is not None for mention in mentions) / (len(mentions) or 1),
        "leakage": {
            how: {
                f"{one} and {other}": _shared(by_part[one], by_part[other], tie)
                for one, other in combinations(PARTS, 2)
                if by_part[one] and by_part[other]
            }
            for how, tie in SHARED.items()
        },
        "left_out": dict(corpus.left_out),
        "faults": _faults(corpus.faults),
        "remarks": list(corpus.remarks),
    }


def check_text(name: str, about: About, sentences: Iterable[LinkedSentence], notes: TextNotes, distance: int) -> Report:
    """Measure a text, a sentence at a time; pairs are counted that have at most `distance` tokens between them."""
    count: Counter[str] = Counter()
    entities: Counter[str] = Counter()
    longest = 0
    for sentence in sentences:
        count["sentences"] += 1
        count["tokens"] += len(sentence.tokens)
        count["with pairs"] += len(sentence.mentions) > 1
        count["pairs"] += sum(1 for _ in pairs(sentence, distance))
        count["parsed"] += sentence.parse is not None
        longest = max(longest, len(sentence.tokens))
        entities.update(mention.entity for mention in sentence.mentions)
    return {
        "text": name,
        "licence": about.licence,
        "source": about.source,
        "citation": about.citation,
        "oddities": list(about.oddities),
        "sentences": count["sentences"],
        "tokens": count["tokens"],
        "longest_sentence": longest,
        "mentions": entities.total(),
        "entities": len(entities),
        "sentences_with_pairs": count["with pairs"],
        "distance": distance,
        "pairs": count["pairs"],
        "often": OFTEN,
        "entities_often": sum(often >= OFTEN for often in entities.values()),
        "names": len(notes.names),
        "parsed": count["parsed"] / (count["sentences"] or 1),
        "left_out": dict(notes.left_out),
        "faults": _faults(notes.faults),
        "remarks": list(notes.remarks),
    }


def _faults(faults: Iterable[Fault]) -> list[dict[str, str]]:
    return [{"reason": fault.reason, "place": str(fault.place), "found": fault.found} for fault in faults]


def _quantiles(lengths: Sequence[int]) -> dict[str, int]:
    low, median, high, most = np.quantile(lengths or [0], [0, 0.5, 0.95, 1], method="nearest").tolist()
    return {"least": int(low), "median": int(median), "95 %": int(high), "most": int(most)}


def _shared(
    one: Sequence[RelationMention], other: Sequence[RelationMention], tie: Callable[[RelationMention], Hashable]
) -> dict[str, float]:
    """How many mentions of the other part share something with this part, and which share of it they are."""
    known = {tie(mention) for mention in one}
    count = sum(tie(mention) in known for mention in other)
    return {"mentions": count, "share": count / len(other)}


def told(report: Report, places: int | None) -> str:
    """The report in words; of each kind of fault the first `places`, None for all."""
    counts, leakage = report["mentions"], report["leakage"]
    names = {label: shown(label).strip("'\"") if len(label) > LONGEST else label for label in report["labels"]}
    widest = max(map(len, names.values()), default=0)
    lines = [
        f"{report['corpus']}: {sum(counts.values()):,} mentions of {len(report['labels'])} classes, "
        + ", ".join(f"{count:,} {part}" for part, count in counts.items()),
        f"  headline metric {report['headline']}; negative class {report['negative_label'] or 'none'}; "
        + ("subject and object given" if report["roles"] else "no roles given, the direction is in the label"),
        f"  licence: {report['licence']}; source: {report['source']}; citation: {report['citation']}",
        *(f"  known: {oddity}" for oddity in report["oddities"]),
        f"  tokens a sentence: {_words(report['tokens'])}; tokens a reading: {_words(report['reading'])}",
        f"  arguments linked: {report['arguments_linked']:.1%}; sentences parsed: {report['parsed']:.1%}; "
        f"agreement known: {report['agreement_known']:.1%}",
        "Labels (train, dev, test):",
        *(
            f"  {names[label]:{widest}} " + " ".join(f"{count:7,}" for count in by_part.values())
            for label, by_part in report["labels"].items()
        ),
    ]
    if report["not_in_train"] and counts["train"]:
        strange = ", ".join(names[label] for label in report["not_in_train"])
        lines.append(f"Labels that no training mention has; in the official split they count as wrong: {strange}")
    lines += [
        f"{how} in {parts}: {found['mentions']:,} mentions, {found['share']:.1%} of the latter".capitalize()
        for how, pairs in leakage.items()
        for parts, found in pairs.items()
    ]
    return "\n".join([*lines, *report["remarks"], *_left_out(report, places)])


def told_text(report: Report, places: int | None) -> str:
    """The report of a text in words; of each kind of fault the first `places`, None for all."""
    lines = [
        f"{report['text']}: {report['sentences']:,} sentences, {report['tokens']:,} tokens, {report['mentions']:,} "
        f"mentions of {report['entities']:,} entities",
        f"  licence: {report['licence']}; source: {report['source']}; citation: {report['citation']}",
        *(f"  known: {oddity}" for oddity in report["oddities"]),
        f"  tokens a sentence: {report['tokens'] / (report['sentences'] or 1):.1f} on average, "
        f"{report['longest_sentence']:,} at most; sentences parsed: {report['parsed']:.1%}",
        f"  sentences with at least two mentions: {report['sentences_with_pairs']:,}; pairs of mentions with at most "
        f"{report['distance']} tokens between them: {report['pairs']:,}",
        f"  entities mentioned at least {report['often']} times: {report['entities_often']:,}; further names of "
        f"entities: {report['names']:,}",
    ]
    return "\n".join([*lines, *report["remarks"], *_left_out(report, places)])


def _left_out(report: Report, places: int | None) -> Iterator[str]:
    """What is left out, by reason, with the first places of each; of a fault of a text not all places are kept."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for fault in report["faults"]:
        found = f": {fault['found']}" if fault["found"] else ""
        by_reason[fault["reason"]].append(f"{fault['place']}{found}")
    yield "Left out: nothing" if not report["left_out"] else "Left out:"
    for reason, count in sorted(report["left_out"].items(), key=lambda item: -item[1]):
        yield f"  {count:,}: {reason}"
        kept = by_reason[reason]
        first = kept[:places]
        yield from (f"    {place}" for place in first)
        if kept and (more := count - len(first)):
            shows = "--all shows them" if len(kept) == count else f"--all shows the first {len(kept):,}"
            yield f"    and {more:,} more; {shows if len(first) < len(kept) else 'their places are not kept'}"


def _words(quantiles: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in quantiles.items())
