"""A tiny valid corpus or text in each reader's format, and how many examples files of a format hold.

They are counted independently of the readers.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

Files = dict[str, bytes]
"""The content of a folder's files by their names; a name that ends in / is a folder in place of a file."""

Count = Callable[[Files], int]
"""How many examples there are in files that could be read."""


def gzipped(content: bytes) -> bytes:
    """The content packed, the same at every time of the day."""
    return gzip.compress(content, mtime=0)


def zipped(name: str, content: bytes) -> bytes:
    """A zip file with one file in it."""
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(name), content)
        return stream.getvalue()


def _dumped(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode()


def _json_lines(*values: Any) -> bytes:
    return b"".join(_dumped(value) + b"\n" for value in values)


KBP37 = b"""1\t" <e1> Ann Lee </e1> is the <e2> chief engineer </e2> of Acme "
per:title(e1,e2)


2\t" <e1> Acme </e1> <e2> Ann </e2> "
no_relation


"""

SEMEVAL = b"""1\t"The <e1>child</e1> was wrapped in the <e2>cradle</e2>'s blanket (by means of a "cord")."
Entity-Destination(e1,e2)
Comment: (a) is satisfied

2\t"The student <e1>association</e1> <e2>is</e2> the voice."
Other
Comment:

"""

TACRED = [
    {
        "id": "a", "token": ["Acme", "'s", "head", "is", "Ann", "Lee", "."], "relation": "org:top_members",
        "subj_start": 0, "subj_end": 0, "obj_start": 4, "obj_end": 5,
        "stanford_pos": ["NNP", "POS", "NN", "VBZ", "NNP", "NNP", "."], "stanford_head": [3, 1, 6, 6, 6, 0, 6],
        "stanford_deprel": ["nmod:poss", "case", "nsubj", "cop", "compound", "ROOT", "punct"],
    },
    {
        "token": ["Ann", "é", "Zoë"], "relation": "no_relation", "subj_start": 2, "subj_end": 2, "obj_start": 0,
        "obj_end": 0, "stanford_pos": ["NN", "NN", "NN"], "stanford_head": ["2", "0", "2"],
    },
]  # fmt: skip

MENTIONS = [
    {
        "id": "a", "tokens": ["Ann", "runs", "the", "firm", "Acme"], "first": [0, 1], "second": [4, 5], "label": "runs",
        "part": "dev", "head": "second", "first_entity": "Q1", "second_entity": "Q2", "others": [[3, 4, "Q3"]],
        "agreement": 0.8, "tags": ["NN", "VB", "DT", "NN", "NN"], "heads": [1, -1, 3, 1, 3],
        "labels": ["nsubj", "root", "det", "obj", "appos"],
    },
    {"tokens": ["Zoë", "and", "Ann"], "first": [0, 1], "second": [1, 3], "label": "none", "head": "first"},
]  # fmt: skip
DECLARED = {
    "headline": "accuracy", "negative_label": "none", "licence": "MIT", "oddities": ["one"],
    "left_out": {"an empty argument": 2}, "remarks": ["converted"],
}  # fmt: skip

FEWREL = {
    "P177": [
        {
            "tokens": ["The", "Wye", "is", "crossed", "by", "Wilton", "Bridge", "."],
            "h": ["wilton bridge", "Q8023362", [[5, 6]]],
            "t": ["wye", "Q19695", [[1]]],
        },
        {"tokens": ["Ann", "on", "Ann"], "h": ["ann", "Q1", [[0], [2]]], "t": ["on", "Q2", [[1]]]},
    ],
    "P26": [{"tokens": ["Zoë", "wed", "Ann"], "h": ["zoë", "Q3", [[0]]], "t": ["ann", "Q1", [[2]]]}],
}
NAMES = {"P177": ["crosses", "obstacle which this bridge crosses"]}

COLUMNS = (
    "key,relation,confidence,jsDistance,sentence,entity,entityCharOffsetBegin,entityCharOffsetEnd,"
    "slotValue,slotValueCharOffsetBegin,slotValueCharOffsetEnd"
)


def _annotated(key: str, relation: str, confidence: str, sentence: str, *arguments: str) -> str:
    """A row of StanfordRE: each argument is told with its characters in the sentence."""
    offsets = [(sentence.index(argument), sentence.index(argument) + len(argument)) for argument in arguments]
    told = [str(field) for argument, edges in zip(arguments, offsets, strict=True) for field in (argument, *edges)]
    return ",".join(f'"{field}"' for field in (key, relation, confidence, "0.8898", sentence, *told))


STANFORDRE = "\n".join([
    COLUMNS,
    _annotated("1e:0-2:3-4", "per:title", "1.0000", "Ann Lee &#44; chief engineer of Acme", "Ann Lee", " chief"),
    _annotated("1e:6-7:0-1", "no_relation", "0.8333", "Acme's &amp;quot; head &amp;quot; is Zoë", " Zoë", "Acme"),
    _annotated("1e:0-1:2-3", "no_relation", "0.5", "Ann met Zoë", "Ann", "Zoë"),
]).encode()  # fmt: skip

SUBJECT, OBJECT = '<span id="subject">', '<span id="object">'
LINK = '<a href="http://www.wikidata.org/entity/Q1" target="_blank">'


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f'<td style="text-align: right">{cell}</td>' for cell in cells) + "</tr>\n"


KNOWLEDGENET = (
    "<HTML><BODY><table><thead><tr><th> Fold </th></tr></thead>\n<tbody>\n"
    + _row("1", "7", "10", "24", "10", "13", "20", "24", "EMPLOYEE_OF",
           f"<p> {SUBJECT}{LINK}Ann</a></span> heads {OBJECT}Acme</span></p>")
    + _row("1", "7", "10", "24", "-", "-", "-", "-", "CEO", "<p> Ann heads Acme</p>")
    + _row("2", "8", "0", "11", "8", "11", "0", "3", "SPOUSE",
           f"<p> {OBJECT}Zoë</span> met {SUBJECT}{LINK}Ann</a></span></p>")
    + "</tbody></table></BODY></HTML>\n"
).encode()  # fmt: skip

LINKED = [
    {
        "id": "a-1", "page": 12, "tokens": ["Ann", "Lee", "runs", "Acme"], "mentions": [[0, 2, "Ann Lee"], [3, 4, "Acme"]],
        "tags": ["NNP", "NNP", "VBZ", "NNP"], "heads": [1, 2, -1, 2], "labels": ["compound", "nsubj", "root", "obj"],
    },
    {"tokens": ["Zoë", "met", "Ann", "."], "mentions": [[0, 1, "Q3"], [2, 3, "Ann Lee"]]},
    {"id": 7, "tokens": ["Nobody", "came"], "mentions": [], "tags": ["NN", "VBD"], "heads": [1, -1]},
]  # fmt: skip
NOTES = {"left_out": {"a sentence that is too long": 2}, "remarks": ["converted"]}


def _named(name: str, kind: str, sentence: int, start: int, end: int) -> dict[str, Any]:
    """A mention of DocRED."""
    return {"name": name, "type": kind, "sent_id": sentence, "pos": [start, end], "index": "0_0"}


DOCRED = [
    {
        "title": "Ann Lee",
        "sents": [["Ann", "Lee", "(", "1972", ")", "runs", "two", "firms", "."], ["Lee", "left", "the", "U.S.", "."]],
        "vertexSet": [
            [_named("Ann Lee", "PER", 0, 0, 2), _named("Lee", "PER", 1, 0, 1)],
            [_named("1972", "TIME", 0, 3, 4)],
            [_named("two", "NUM", 0, 6, 7)],
            [_named("the U.S.", "LOC", 1, 2, 4)],
        ],
        "labels": [{"h": 0, "t": 3, "r": "P27", "evidence": [1]}],
    },
    {
        "title": "Zoë",
        "sents": [["Zoë", "met", "Ann", "Lee", "in", "Łódź"]],
        "vertexSet": [
            [_named("Zoë", "PER", 0, 0, 1)], [_named("Ann Lee", "PER", 0, 2, 4)], [_named("Łódź", "LOC", 0, 5, 6)],
        ],
    },
]  # fmt: skip

WIKIPEDIA = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="en">
  <siteinfo>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">File</namespace>
      <namespace key="14" case="first-letter">Category</namespace>
    </namespaces>
  </siteinfo>
  <page>
    <title>Ann Lee</title>
    <ns>0</ns>
    <id>7</id>
    <revision>
      <id>70</id>
      <text xml:space="preserve">{{Infobox|name=[[Ann Lee]]|born={{date|1972}}}}
[[File:Ann.jpg|thumb|Ann in [[Oslo]]]]
'''Ann Lee''' founded [[Acme Corporation|Acme]] in [[Oslo]] with [[Zoë Ø|Zoë]].&lt;ref name="a"&gt;[http://x.org A]&lt;/ref&gt; She met [[Bo]]
and [[Cy Dee|Cy]]s [[dog]] in [[May 1|1 May]].

== Life ==
* [[Oslo]]
{| class="t"
| [[Oslo]] || &amp;nbsp;
|}
In [[USA]] the &lt;math&gt;x^2&lt;/math&gt; of [[Acme Corporation]] was &lt;!-- no --&gt; her own.
[[Category:People]]</text>
    </revision>
  </page>
  <page>
    <title>USA</title>
    <ns>0</ns>
    <id>8</id>
    <redirect title="United States" />
    <revision><text>#REDIRECT [[United States]]</text></revision>
  </page>
  <page>
    <title>Talk:USA</title>
    <ns>1</ns>
    <id>9</id>
    <revision><text>[[Ann Lee]] lives in [[Oslo]].</text></revision>
  </page>
</mediawiki>
""".encode()

OLD_WIKIPEDIA = b"""<mediawiki><page><title>Acme</title><id>1</id><revision><id>2</id><text>#redirect [[Acme_corporation]]
</text></revision></page><page><title>Bo</title><revision><text>Bo left [[Acme]] in [[Oslo|the capital Oslo]] for [[Rome]].
Then [[Ann Lee|Ann]] saw [[Bo]] near [[:Category:Hills]] of [[Rome]].</text></revision></page></mediawiki>
"""

SEEDS: dict[str, tuple[Files, ...]] = {
    "kbp37": (
        {
            "train.txt": KBP37,
            "dev.txt": KBP37.replace(b"Acme", b"Adobe").replace(b"1\t", b"3\t").replace(b"2\t", b"4\t"),
            "test.txt.gz": gzipped(b'9\t" <e1> Zo\xc3\xab </e1> met <e2> Ann </e2> "\r\nper:spouse(e2,e1)\r\n\r\n\r\n'),
        },
    ),
    "semeval2010-task8": (
        {
            "TRAIN_FILE.TXT": SEMEVAL.replace(b"\n", b"\r\n"),
            "TEST_FILE_FULL.TXT": b'7\t"<e1>Zo\xc3\xab</e1>\'s <e2>firm</e2>"\nProduct-Producer(e2,e1)\n\n',
        },
    ),
    "tacred": (
        {"train.json": _dumped(TACRED, 1), "test.json": _dumped([{**TACRED[0], "id": "b", "obj_end": 4}])},
        {"train.json.gz": gzipped(_dumped(TACRED)), "dev.json": b"[]"},
    ),
    "jsonl": (
        {"mentions.jsonl": _json_lines(*MENTIONS), "corpus.json": _dumped(DECLARED, 1)},
        {"train.jsonl": _json_lines(MENTIONS[0]), "dev.jsonl": _json_lines({**MENTIONS[1], "head": "second"}) + b"\n"},
    ),
    "fewrel": (
        {"val_wiki.json": _dumped(FEWREL), "pid2name.json": _dumped(NAMES)},
        {"val_wiki.json": _dumped(FEWREL, 1)},
    ),
    "stanfordre": ({"annotated_sentences.csv": STANFORDRE},),
    "knowledgenet": ({"human_readable-v10-notest.zip": zipped("page.html", KNOWLEDGENET)},),
    "linked-jsonl": (
        {
            "sentences.jsonl": _json_lines(*LINKED),
            "names.tsv": "A. Lee\tAnn Lee\nZoë \\\\ \\t Ø\tQ3\n".encode(),
            "notes.json": _dumped(NOTES, 1),
        },
        {"sentences.jsonl.gz": gzipped(_json_lines(*LINKED[:2]) + b"\n")},
    ),
    "docred": (
        {"dev_revised.json": _dumped(DOCRED), "test_revised.json": _dumped(DOCRED[1:], 1)},
        {"train_distant.json.gz": gzipped(_dumped(DOCRED, 1))},
    ),
    "wikipedia-links": (
        {"pages-articles.xml": WIKIPEDIA},
        {"pages-articles.xml.gz": gzipped(OLD_WIKIPEDIA)},
    ),
}


# Counting, in other ways than the readers do

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress,
}  # fmt: skip


def _texts(files: Files, *names: str) -> Iterator[str]:
    for name in names:
        for ending, unpack in UNPACK.items():
            if f"{name}{ending}" in files:
                yield unpack(files[f"{name}{ending}"]).decode("utf-8-sig")


def _filled(text: str) -> int:
    """How many lines are not blank."""
    return sum(bool(line.strip()) for line in text.split("\n"))


def _in_json_lines(files: Files) -> int:
    declared: list[dict[str, int]] = [json.loads(text).get("left_out", {}) for text in _texts(files, "corpus.json")]
    lines = _texts(files, "mentions.jsonl", "train.jsonl", "dev.jsonl", "test.jsonl")
    return sum(map(_filled, lines)) + sum(sum(reasons.values()) for reasons in declared)


def _in_fewrel(files: Files) -> int:
    """The examples of all relations, of one that stands there twice too."""
    pairs = (json.loads(text, object_pairs_hook=lambda pairs: pairs) for text in _texts(files, "val_wiki.json"))
    return sum(len(examples) for relations in pairs for _, examples in relations)


def _in_linked_lines(files: Files) -> int:
    """The sentences, those that were left out before, and the lines of names that can't be used."""
    told: list[dict[str, int]] = [json.loads(text).get("left_out", {}) for text in _texts(files, "notes.json")]
    entities: dict[str, str] = {}
    unusable = 0
    for line in (line.rstrip("\r") for text in _texts(files, "names.tsv") for line in text.split("\n")):
        name, _, entity = line.partition("\t")
        if line.strip():
            good = _is_filled(name) and _is_filled(entity) and "\t" not in entity
            unusable += not good or entities.setdefault(name, entity) != entity
    return sum(map(_filled, _texts(files, "sentences.jsonl"))) + sum(sum(one.values()) for one in told) + unusable


def _is_filled(field: str) -> bool:
    """Whether a field of names has more than blanks, escaped ones too."""
    return bool(re.sub(r"(\\\\)|\\[tnr]", r"\1", field).strip())


COUNTS: dict[str, Count] = {
    "kbp37": lambda files: sum(_filled(text) // 2 for text in _texts(files, "train.txt", "dev.txt", "test.txt")),
    "tacred": lambda files: sum(len(json.loads(text)) for text in _texts(files, "train.json", "dev.json", "test.json")),
    "jsonl": _in_json_lines,
    "fewrel": _in_fewrel,
    "linked-jsonl": _in_linked_lines,
    "stanfordre": lambda files: sum(_filled(text) - 1 for text in _texts(files, "annotated_sentences.csv")),
}
