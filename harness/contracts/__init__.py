"""The field's vocabulary: what plugins receive, what they return, what they promise.

A plugin imports this module, the building blocks named in `BUILDING_BLOCKS`, and its own siblings whose file names
start with an underscore; nothing else of the harness.
"""

from harness.contracts.corpora import (
    About,
    Corpus,
    CorpusReader,
    Download,
    Fault,
    LinkedMention,
    LinkedSentence,
    Parse,
    Part,
    Place,
    Reader,
    RelationMention,
    Span,
    TextNotes,
    TextReader,
)
from harness.contracts.learning import (
    Batch,
    Capability,
    Encoder,
    EntityVectors,
    Names,
    Objective,
    Reading,
    SequenceEncoder,
    Strategy,
    UnlabelledMentions,
    UnlabelledText,
    lacking,
)

BUILDING_BLOCKS = (
    "harness.contracts", "harness.errors", "harness.parameters", "harness.seeding", "harness.collection",
    "harness.fields", "harness.text_files", "harness.pretraining",
)  # fmt: skip

__all__ = [
    "BUILDING_BLOCKS",
    "About",
    "Batch",
    "Capability",
    "Corpus",
    "CorpusReader",
    "Download",
    "Encoder",
    "EntityVectors",
    "Fault",
    "LinkedMention",
    "LinkedSentence",
    "Names",
    "Objective",
    "Parse",
    "Part",
    "Place",
    "Reader",
    "Reading",
    "RelationMention",
    "SequenceEncoder",
    "Span",
    "Strategy",
    "TextNotes",
    "TextReader",
    "UnlabelledMentions",
    "UnlabelledText",
    "lacking",
]
