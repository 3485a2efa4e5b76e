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
    RelationMention,
    Span,
)
from harness.contracts.learning import (
    Batch,
    Capability,
    Encoder,
    Prepared,
    Reading,
    SequenceEncoder,
    Strategy,
    UnlabelledTarget,
    lacking,
)

BUILDING_BLOCKS = (
    "harness.contracts", "harness.errors", "harness.parameters", "harness.seeding", "harness.collection",
    "harness.fields", "harness.text_files",
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
    "Fault",
    "LinkedMention",
    "LinkedSentence",
    "Parse",
    "Part",
    "Place",
    "Prepared",
    "Reading",
    "RelationMention",
    "SequenceEncoder",
    "Span",
    "Strategy",
    "UnlabelledTarget",
    "lacking",
]
