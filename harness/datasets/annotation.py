"""Parsing sentences with Stanza (Qi et al. 2020); the tokens stay the corpus's. Only here is stanza imported."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.collection import tree_fault
from harness.contracts import Parse
from harness.datasets.parses import ParseSet, Tokens
from harness.errors import DataError, HarnessError, WorkerDied
from harness.fields import shown

MODELS_VARIABLE = "HARNESS_STANZA_DIR"

CHUNK = 250
"""Sentences that are parsed in one call and written at once: what a kill may cost each worker."""

LONGEST_TOKEN = 100
"""Characters of a token that Stanza is shown: a longer one slows all of its batch."""

OPTIONS: Mapping[str, Any] = {
    "processors": "tokenize,pos,lemma,depparse",  # the parser asks for lemmas
    "tokenize_pretokenized": True,
    "pos_batch_size": 200,
    "depparse_batch_size": 3000,
    "depparse_resolve_head_constraints": False,  # a quarter to a half of the time, under 1 % of the words
}


class Annotator:
    """A Stanza pipeline for English.

    `folder` is that of the models; `maker` says of a parse set which models and options made it, and `files` are the
    models' own.
    """

    def __init__(self, folder: Path | None) -> None:
        """Load the models of a folder; those that Stanza downloads by itself where it is None.

        Raises DataError for a folder that is none of models, HarnessError where the download fails.
        """
        import stanza

        self._pipeline = _load(folder)
        self.folder = Path(self._pipeline.dir)
        models = {
            name: Path(path)
            for name, path in sorted(self._pipeline.config.items())
            if name.endswith("_path") and not name.startswith("tokenize")
        }
        self.files = tuple(dict.fromkeys(f"{path.parent.name}/{path.name}" for path in models.values()))
        self.maker = {"name": "stanza", "version": stanza.__version__, "models": _digest(models), **OPTIONS}

    def parse(self, sentences: Sequence[Tokens]) -> list[Parse | str]:
        """The parse of each sentence, or what is wrong with it, in words."""
        usable = [tokens for tokens in sentences if tokens]
        parsed = iter(self._pipeline([[_shown_to_stanza(token) for token in tokens] for tokens in usable]).sentences)
        return [_parse(next(parsed), len(tokens)) if tokens else "it has no tokens" for tokens in sentences]


@dataclass(frozen=True)
class Annotated:
    """What an annotation came to: sentences parsed now and before, seconds, and what could not be parsed."""

    parsed: int
    before: int
    seconds: float
    failed: tuple[str, ...]

    @property
    def pace(self) -> float:
        """Sentences a second."""
        return self.parsed / self.seconds if self.seconds else 0.0


def models_folder(asked: Path | None) -> Path | None:
    """The folder of Stanza's models: as asked for, else HARNESS_STANZA_DIR, else None: Stanza's own."""
    named = os.environ.get(MODELS_VARIABLE)
    return asked or (Path(named).expanduser() if named else None)


def annotate(
    sentences: Mapping[Tokens, str],
    parse_set: ParseSet,
    annotator: Annotator,
    pool: Executor | None,
    finished: Callable[[int, int], None],
) -> Annotated:
    """Parse those of the sentences (by tokens; the values are their identifiers) that the set lacks.

    Chunks are parsed by the processes of the pool, or here where it is None or there is one chunk, and written here.
    `finished` is told how many sentences are done and how many there are. Whatever ends this, Ctrl-C included, what is
    written stays. A sentence that can't be parsed is told in `failed`.
    """
    start = time.perf_counter()
    missing = parse_set.missing(sentences)
    failed: list[str] = []
    done = 0
    finished(done, len(missing))
    for chunk, parsed in _parsed(_chunks(missing), annotator, pool):
        good = {tokens: parse for tokens, parse in zip(chunk, parsed, strict=True) if isinstance(parse, Parse)}
        failed += [
            f"{sentences[tokens]}: Stanza can't parse the sentence, for {fault}: {shown(' '.join(tokens))}"
            for tokens, fault in zip(chunk, parsed, strict=True)
            if isinstance(fault, str)
        ]
        parse_set.add(good)
        done += len(chunk)
        finished(done, len(missing))
    before = len(sentences) - len(missing)
    return Annotated(len(missing) - len(failed), before, time.perf_counter() - start, tuple(failed))


def _parsed(
    chunks: list[list[Tokens]], annotator: Annotator, pool: Executor | None
) -> Iterable[tuple[list[Tokens], list[Parse | str]]]:
    """The chunks with their parses, in the order in which they are finished."""
    if pool is None or len(chunks) == 1:  # a process takes longer to start than one chunk to be parsed
        yield from ((chunk, annotator.parse(chunk)) for chunk in chunks)
        return
    running = {pool.submit(_parse_in_worker, annotator.folder, chunk): chunk for chunk in chunks}
    try:
        for future in as_completed(running):
            yield running.pop(future), future.result()
    except WorkerDied as error:
        raise HarnessError(
            "a process that parses sentences died; expected it to live. Is there enough memory? What is parsed is "
            "kept, and the same command goes on; fewer --workers need less"
        ) from error


def _chunks(sentences: Iterable[Tokens]) -> list[list[Tokens]]:
    """Sentences of like lengths together, the chunks in random order, so that the time left can be told."""
    in_order = sorted(sentences, key=len)
    chunks = [in_order[at : at + CHUNK] for at in range(0, len(in_order), CHUNK)]
    random.Random(0).shuffle(chunks)
    return chunks


def _parse_in_worker(folder: Path, sentences: list[Tokens]) -> list[Parse | str]:
    return _worker_annotator(folder).parse(sentences)


@cache
def _worker_annotator(folder: Path) -> Annotator:
    return Annotator(folder)


def _shown_to_stanza(token: str) -> str:
    """What stands for a token: Stanza stops at an empty one, and has never seen blanks or a token without an end."""
    return "_".join(token.split())[:LONGEST_TOKEN] or "_"


def _parse(sentence: Any, size: int) -> Parse | str:
    """The parse of Stanza's sentence of `size` tokens, or what is wrong with it."""
    words = sentence.words
    if len(words) != size:
        return f"it gives {len(words)} words for {size} tokens"
    tags, labels = (tuple(getattr(word, name) or "" for word in words) for name in ("xpos", "deprel"))
    parse = Parse(tags, tuple(word.head - 1 for word in words), labels)
    fault = tree_fault(parse, size)
    return f"of its parse: {fault}" if fault else parse


def _load(folder: Path | None) -> Any:
    """A pipeline; raises DataError or HarnessError."""
    import stanza

    options: dict[str, Any] = {**OPTIONS, "lang": "en", "use_gpu": False, "verbose": False}
    if folder is None:
        try:
            return stanza.Pipeline(**options)
        except Exception as error:  # of Stanza, of the hub, of the network: there is no end of kinds
            raise HarnessError(
                f"Stanza's English models are not here, and can't be downloaded: {type(error).__name__}: "
                f"{_first_line(error)}. Where there is no network, name a folder of models: --stanza-dir DIR or "
                f"{MODELS_VARIABLE}"
            ) from error
    expected = "expected a folder of Stanza's models, resources.json with en/pos, en/lemma and en/depparse, as "
    expected += "stanza.download('en', FOLDER) makes it; name one: --stanza-dir FOLDER"
    if not (folder / "resources.json").is_file():
        found = "a folder without resources.json" if folder.is_dir() else "no folder"
        raise DataError(f"{folder}: found {found}; {expected}")
    try:
        return stanza.Pipeline(dir=str(folder.absolute()), download_method=None, **options)
    except Exception as error:  # a damaged file is told by whatever stumbles over it
        raise DataError(
            f"{folder}: found models that can't be loaded: {type(error).__name__}: {_first_line(error)}; {expected}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no word").splitlines()[0].rstrip(".")


def _digest(models: Mapping[str, Path]) -> str:
    """sha256 over the models' roles and bytes; cut to 16 digits. Where they lie doesn't matter."""
    digest = hashlib.sha256()
    for name, path in models.items():
        with path.open("rb") as stream:
            digest.update(f"{name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
