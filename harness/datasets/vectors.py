"""Word vectors: finding a file, checking it, and training a corpus's own vectors. The room that imports gensim."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness import provenance
from harness.artifacts import ArtifactStore
from harness.contracts import CorpusReader
from harness.datasets.sources import DATA_VARIABLE, data_folders
from harness.errors import DataError
from harness.vocabulary import WordVectors

OWN = "own"
"""The name of vectors trained on the corpus's own unlabelled text."""

RECIPE: dict[str, Any] = {
    "sg": 1, "vector_size": 50, "window": 5, "negative": 10, "epochs": 5, "min_count": 2, "sample": 1e-3, "seed": 1,
}  # fmt: skip
"""Skip-gram of the paper's kind (Li et al. 2016, section 4.1), in a width that suits a small text."""

_UNREADABLE = (OSError, EOFError, zlib.error)  # what a file raises that is missing, cut off or damaged, packed or not
_LONGEST_LINE = 1 << 20  # bytes


@dataclass(frozen=True)
class VectorSource:
    """Word vectors that are known to be there: their name, the digest of their content or recipe, how to load them."""

    name: str
    digest: str
    load: Callable[[], WordVectors]


def locate(name: str, reader: CorpusReader, home: Path) -> VectorSource:
    """Find word vectors by a file's name or path, by a name of gensim-data, or `own` for the corpus's own.

    A file is looked for as written, then in each data folder and its `vectors/`.

    Raises DataError where there is none of that name, or the corpus has no text of its own.
    """
    if name == OWN:
        return _own(reader, home)
    file = find_file(name, home)
    if file is not None:
        return VectorSource(file.name, _file_digest(file, home), lambda: load(file))
    if "." in Path(name).name or "/" in name:
        searched = ", ".join(map(str, data_folders(home)))
        raise DataError(
            f"vectors '{name}' are not here: expected a word2vec or GloVe file of this name in the working folder or "
            f"below one of {searched}. Point {DATA_VARIABLE} at the folder that has it"
        )
    fetched = _from_gensim_data(name)
    return VectorSource(name, _file_digest(fetched, home), lambda: load(fetched))


def find_file(name: str, home: Path) -> Path | None:
    """A vector file as written, or in a data folder, or in a data folder's `vectors`; None where it is nowhere."""
    below = (folder / sub / name for folder in data_folders(home) for sub in ("", "vectors"))
    return next((file for file in (Path(name).expanduser(), *below) if file.is_file()), None)


def load(file: Path) -> WordVectors:
    """Read word vectors, word2vec or GloVe, text or binary, plain or .gz, and check them.

    Raises DataError with the file, and the line where there is one, for a file that is empty or damaged, has a line
    of another width, or a value that is not a finite number.
    """
    from gensim.models import KeyedVectors

    header, binary = _kind(file)
    try:
        vectors = KeyedVectors.load_word2vec_format(str(file), binary=binary, no_header=not header)
    except (*_UNREADABLE, ValueError, OverflowError, MemoryError) as error:
        told = str(error) or type(error).__name__
        raise _refusal(file, header, binary, f"expected word vectors, found a fault: {told}") from error
    if not vectors.vectors.size:
        raise DataError(f"{file}: expected word vectors, found none")
    bad = np.flatnonzero(~np.isfinite(vectors.vectors).all(axis=1))
    if len(bad):
        word = vectors.index_to_key[bad[0]]
        raise _refusal(file, header, binary, f"expected finite numbers, found NaN or infinity for the word '{word}'")
    found: WordVectors = vectors
    return found


def _kind(file: Path) -> tuple[bool, bool]:
    """Whether a vector file has a header line, and whether it is binary, from its first two lines."""
    try:
        with _open(file) as stream:
            first, second = stream.readline(), stream.readline(_LONGEST_LINE)
    except _UNREADABLE as error:
        raise DataError(f"{file}: expected word vectors, found a file that can't be read: {error}") from error
    if not first.strip():
        raise DataError(f"{file}: expected word vectors, found an empty file")
    fields = first.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return False, False
    try:
        numbers = [float(number) for number in second.split()[1:]]
    except ValueError:
        return True, True
    # Binary numbers may begin with a line feed, and with a digit before it.
    return True, bool(second) and len(numbers) < min(2, int(fields[1]))


def _refusal(file: Path, header: bool, binary: bool, otherwise: str) -> DataError:
    """The first fault of a text file with its line; `otherwise` where no line shows one."""
    fault = "" if binary else _first_fault(file, header)
    return DataError(f"{file}, {fault}" if fault else f"{file}: {otherwise}")


def _first_fault(file: Path, header: bool) -> str:
    """The first line that is not a word and its numbers, and what is wrong with it; empty where there is none."""
    width = at = 0
    try:
        with _open(file) as stream:
            for at, line in enumerate(stream, 1):
                if header and at == 1:
                    width = int(line.split()[1])
                    continue
                word, *numbers = line.rstrip().decode().split(" ")
                width = width or len(numbers)
                strange = next((repr(number) for number in numbers if not _is_finite(number)), "")
                if strange or len(numbers) != width:
                    found = strange or f"{len(numbers)} numbers"
                    return f"line {at}: expected {width} finite numbers after the word '{word}', found {found}"
    except UnicodeDecodeError as error:
        return f"line {at}: expected UTF-8 text, found {error.reason} at byte {error.start} of the line"
    except _UNREADABLE:
        pass
    return ""


def _is_finite(number: str) -> bool:
    try:
        return bool(np.isfinite(np.float32(number)))
    except ValueError:
        return False


def _open(file: Path) -> IO[bytes]:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _from_gensim_data(name: str) -> Path:
    import gensim.downloader

    try:
        return Path(gensim.downloader.load(name, return_path=True))
    except Exception as error:
        raise DataError(
            f"vectors '{name}' are no file here, and gensim-data could not be asked for them "
            f"({type(error).__name__}: {error}). Expected a vector file, '{OWN}', or a name such as "
            f"glove-wiki-gigaword-100 and a network"
        ) from error


def _own(reader: CorpusReader, home: Path) -> VectorSource:
    text = reader.text()
    if text is None:
        raise DataError(
            f"vectors '{OWN}' are trained on a corpus's own unlabelled text, which {type(reader).__name__} has not; "
            "name a vector file instead"
        )
    sentences = [list(sentence.tokens) for sentence in text]
    code = provenance.code_digest(Path(__file__))  # it lower-cases the words, say
    digest = hashlib.sha256(json.dumps([RECIPE, code, sentences]).encode()).hexdigest()[:16]
    store = ArtifactStore(home / "artifacts")

    def train(folder: Path) -> None:
        from gensim.models import Word2Vec

        lowered = [[word.lower() for word in words] for words in sentences]
        if max(Counter(chain.from_iterable(lowered)).values(), default=0) < RECIPE["min_count"]:
            raise DataError(
                f"vectors '{OWN}': expected words that stand at least {RECIPE['min_count']} times in the text of "
                f"{type(reader).__name__}, found none"
            )
        model = Word2Vec(lowered, workers=1, **RECIPE)  # with more threads than one they are not repeatable
        model.wv.save_word2vec_format(str(folder / "vectors.bin"), binary=True)

    def trained() -> WordVectors:
        if not store.folder("vectors", digest).is_dir():
            store.write_folder("vectors", digest, train)
        return load(store.folder("vectors", digest) / "vectors.bin")

    return VectorSource(OWN, digest, trained)


def _file_digest(file: Path, home: Path) -> str:
    """sha256 of the file, cut to 16 digits; remembered by path, size and time, as vector files are large."""
    from harness.records import write_atomically

    status = file.stat()
    name = f"{file.resolve()} {status.st_size} {status.st_mtime_ns}"
    cache = home / "digests.json"
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    if not isinstance(known, dict):
        known = {}
    if name not in known:
        with file.open("rb") as stream:
            known[name] = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
        text = json.dumps(known, indent=1).encode()
        write_atomically(cache, lambda stream: stream.write(text))
    digest: str = known[name]
    return digest
