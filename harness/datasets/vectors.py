"""Word vectors: finding a file, checking it, and training vectors on a text. The room that imports gensim."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.artifacts import ArtifactStore
from harness.contracts import CorpusReader, TextNotes, TextReader
from harness.datasets.sources import DATA_VARIABLE, data_folders, file_digest
from harness.errors import DataError
from harness.records import write_atomically
from harness.vocabulary import Words, WordVectors

OWN = "own"
"""The name of vectors trained on the corpus's own unlabelled text."""

RECIPE: dict[str, Any] = {
    "sg": 1, "vector_size": 50, "window": 5, "negative": 10, "epochs": 5, "min_count": 2, "sample": 1e-3, "seed": 1,
}  # fmt: skip
"""Skip-gram of the paper's kind (Li et al. 2016, section 4.1), in a width that suits a small text."""

MADE = "01c9f4c702345615"
"""Names how a corpus's own vectors are made: of the lower-cased words of every sentence, in one thread. It is in their
digest, and so in the keys of runs: whoever makes them otherwise gives this another value.
"""

ENDINGS = {".bin": True, ".txt": False}
"""Of files of vectors that are trained, before .gz where they are packed: whether they are binary."""

SYMBOLS = ("<year>", "<number>")
"""What stands for numbers in a text on which vectors are trained, for `Words` looks them up so."""

_DIGIT = re.compile(r"\d")
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
        return VectorSource(file.name, file_digest(file, home), cache(lambda: load(file)))
    if "." in Path(name).name or "/" in name:
        searched = ", ".join(map(str, data_folders(home)))
        raise DataError(
            f"vectors '{name}' are not here: expected a word2vec or GloVe file of this name in the working folder or "
            f"below one of {searched}. Point {DATA_VARIABLE} at the folder that has it"
        )
    fetched = _from_gensim_data(name)
    return VectorSource(name, file_digest(fetched, home), cache(lambda: load(fetched)))


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
    if not isinstance(reader, TextReader) or reader.files or reader.takes_path:
        raise DataError(
            f"vectors '{OWN}' are trained on the text of a generated corpus, which {type(reader).__name__} is not; "
            "name a vector file instead, or make one: python -m harness data train-vectors TEXT"
        )
    sentences = [list(sentence.tokens) for sentence in reader.text(None, TextNotes())]
    digest = hashlib.sha256(json.dumps([RECIPE, MADE, sentences]).encode()).hexdigest()[:16]
    store = ArtifactStore(home / "artifacts")

    def make(folder: Path) -> None:
        lowered = [[word.lower() for word in words] for words in sentences]
        model = _skip_gram(lowered, RECIPE, f"vectors '{OWN}'", f"the text of {type(reader).__name__}")
        model.wv.save_word2vec_format(str(folder / "vectors.bin"), binary=True)

    def trained() -> WordVectors:
        if not store.has("vectors", digest):
            store.write_folder("vectors", digest, make)
        return load(store.folder("vectors", digest) / "vectors.bin")

    return VectorSource(OWN, digest, trained)


@dataclass(frozen=True)
class Trained:
    """What vectors were trained on: the words that have one, the tokens and sentences of the text."""

    words: int
    tokens: int
    sentences: int


def train(
    text: Iterable[Sequence[str]],
    file: Path,
    recipe: Mapping[str, Any],
    workers: int,
    finished: Callable[[str], None],
    told: str,
) -> Trained:
    """Train vectors on the sentences of a text, and write them as word2vec does.

    Words are lower-cased, numbers become `SYMBOLS`, blanks within a token are written `_`. The text is kept in a file
    beside `file` while it is read over again, and not in memory. With one worker the result is the same every time.
    `finished` is told of every epoch, `told` is what messages call the text.

    Raises DataError where the name of `file` has none of `ENDINGS`, it can't be written, or no word is frequent enough.
    """
    packed = file.suffix == ".gz"
    ending = Path(file.stem).suffix if packed else file.suffix
    if ending not in ENDINGS:
        raise DataError(f"--out {file}: expected a name that ends in .bin or .txt, or in .bin.gz or .txt.gz")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=file.parent) as folder:
            lines = _Lines(Path(folder) / "text")
            lines.write(text)
            model = _skip_gram(lines, recipe, str(file), told, workers, finished)
            plain = Path(folder) / "vectors"
            model.wv.save_word2vec_format(str(plain), binary=ENDINGS[ending])
            write_atomically(file, lambda stream: _copy(plain, stream, packed))
    except OSError as error:
        raise DataError(f"can't write {file}: {error.strerror or error}; choose another place with --out") from error
    return Trained(len(model.wv), lines.tokens, lines.sentences)


class _Lines:
    """Sentences in a file, a line each, that can be read over again; how many there are, and how many tokens."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.tokens = self.sentences = 0

    def write(self, text: Iterable[Sequence[str]]) -> None:
        word = _words()
        with self._file.open("w", encoding="utf-8") as lines:
            for tokens in text:
                words = list(filter(None, map(word, tokens)))
                lines.write(" ".join(words) + "\n")
                self.tokens, self.sentences = self.tokens + len(words), self.sentences + 1

    def __iter__(self) -> Iterator[list[str]]:
        with self._file.open(encoding="utf-8") as lines:
            for line in lines:
                yield line.split()


def _words() -> Callable[[str], str]:
    """The word that stands for a token; empty for blanks alone."""
    from gensim.models import KeyedVectors

    symbols = KeyedVectors(1)
    symbols.add_vectors(list(SYMBOLS), np.ones((len(SYMBOLS), 1), np.float32))
    numbers = Words(symbols, "zero")
    of_row = {numbers.row(symbol): symbol for symbol in SYMBOLS}

    def word(token: str) -> str:
        if _DIGIT.search(token) and (symbol := of_row.get(numbers.row(token))):
            return symbol
        return "_".join(token.lower().split())

    return word


def _skip_gram(
    sentences: Iterable[list[str]],
    recipe: Mapping[str, Any],
    vectors: str,
    text: str,
    workers: int = 1,  # with more they are not repeatable
    finished: Callable[[str], None] = lambda line: None,
) -> Any:
    """A gensim model, trained; DataError, which calls vectors and text so, where no word is frequent enough."""
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        done = 0

        def on_epoch_end(self, model: Any) -> None:
            self.done += 1
            finished(f"Trained: epoch {self.done} of {recipe['epochs']}")

    model = Word2Vec(workers=workers, **recipe)
    model.build_vocab(sentences)
    if not len(model.wv):
        raise DataError(
            f"{vectors}: expected words that stand at least {recipe['min_count']} times in {text}, found none"
        )
    model.train(sentences, total_examples=model.corpus_count, epochs=model.epochs, callbacks=[Epochs()])
    return model


def _copy(plain: Path, stream: IO[bytes], packed: bool) -> None:
    """Copy a file, packed without a name and time: the same vectors are the same bytes."""
    with plain.open("rb") as source:
        if not packed:
            shutil.copyfileobj(source, stream)
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as target:
            shutil.copyfileobj(source, target)
