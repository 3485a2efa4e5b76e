"""The parse of a sentence as flat fields of a JSON line: tags, heads, labels."""

from __future__ import annotations

from typing import Any

from harness.contracts import Parse
from harness.fields import UnusableError, has, texts, wholes


def flat_parse(example: Any) -> Parse | None:
    """The parse, without labels "root" and "dep" for them; None where the line has none."""
    if not has(example, "heads"):
        if has(example, "tags") or has(example, "labels"):
            raise UnusableError("tags or labels without heads")
        return None
    heads = wholes(example, "heads")
    labels = texts(example, "labels") if has(example, "labels") else None
    return Parse(texts(example, "tags"), heads, labels or tuple("root" if head < 0 else "dep" for head in heads))
