"""Word vectors: every format gives the same, every fault is told with its line, a corpus's own are repeatable."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.contracts import Corpus, CorpusReader, LinkedSentence, TextNotes, TextReader
from harness.datasets.vectors import load, locate
from harness.errors import DataError

Rows = dict[str, npt.NDArray[np.float32]]

ROWS = {
    "the": np.array([0.25, -1.5, 3], np.float32),
    "café": np.array([1e-7, 2, 0.1], np.float32),
    "3": np.array([0, 0, -0.0], np.float32),
}


class Wordless(CorpusReader):
    """A corpus without text of its own."""

    def read(self, folder: Path | None) -> Corpus:
        return Corpus(())


class Tiny(Wordless, TextReader):
    """A corpus with a little text."""

    words = "Ann founded Acme in 1999 . Bob works for Acme .".split()

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        for number in range(20):
            yield LinkedSentence(str(number), tuple(self.words[number % 3 :]), ())


def as_text(rows: Rows, *, header: bool = True) -> bytes:
    lines = [f"{len(rows)} {len(next(iter(rows.values())))}"] if header else []
    lines += [f"{word} {' '.join(map(str, row))}" for word, row in rows.items()]
    return "\n".join([*lines, ""]).encode()


def as_binary(rows: Rows) -> bytes:
    header = f"{len(rows)} {len(next(iter(rows.values())))}\n".encode()
    return header + b"".join(word.encode() + b" " + row.astype("<f4").tobytes() + b"\n" for word, row in rows.items())


def put(folder: Path, data: bytes, name: str = "vectors.txt") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def rows_of(file: Path) -> dict[str, list[float]]:
    vectors = load(file)
    assert vectors.vectors.dtype == np.float32
    return {word: vectors[word].tolist() for word in ROWS if word in vectors}


# Formats

FORMATS = {
    "word2vec.txt": as_text(ROWS),
    "word2vec.bin": as_binary(ROWS),
    "word2vec.txt.gz": gzip.compress(as_text(ROWS)),
    "word2vec.bin.gz": gzip.compress(as_binary(ROWS)),
    "glove.txt": as_text(ROWS, header=False),
    "glove.txt.gz": gzip.compress(as_text(ROWS, header=False)),
    "windows.txt": as_text(ROWS).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_vectors(tmp_path: Path, name: str) -> None:
    assert rows_of(put(tmp_path, FORMATS[name], name)) == {word: row.tolist() for word, row in ROWS.items()}


@given(arrays(np.float32, (2, 3), elements=st.floats(-8, 8, width=32, allow_subnormal=False)))
def test_binary_vectors_are_read_whatever_their_bytes(
    tmp_path_factory: pytest.TempPathFactory, numbers: npt.NDArray[np.float32]
) -> None:
    file = put(tmp_path_factory.mktemp("binary"), as_binary(dict(zip("ab", numbers, strict=True))))
    np.testing.assert_array_equal(load(file).vectors, numbers)


@pytest.mark.parametrize("start", [b"\n\0\x80\x3f", b"7\n\x80\x3f", b" 7\n\x3f"])
def test_binary_vectors_may_begin_with_a_line_feed(tmp_path: Path, start: bytes) -> None:
    rows = {"a": np.frombuffer(start * 3, "<f4"), "b": np.ones(3, np.float32)}
    np.testing.assert_array_equal(load(put(tmp_path, as_binary(rows))).vectors, list(rows.values()))


@pytest.mark.parametrize("offset", range(12))
def test_lines_of_any_length_are_known_as_text(tmp_path: Path, offset: int) -> None:
    row = np.linspace(-0.9, -0.1, 900, dtype=np.float32)
    assert len(load(put(tmp_path, as_text({(1 + offset) * "w": row}))).vectors[0]) == 900


# Faults

FAULTS = {
    "empty": (b"", ": expected word vectors, found an empty file"),
    "blank": (b"\n\n", ": expected word vectors, found an empty file"),
    "a header alone": (b"0 3\n", ": expected word vectors, found none"),
    "words alone": (b"the\n", ": expected word vectors, found none"),
    "too few numbers": (
        b"3 3\nthe 1 2 3\na 1 2 3\nof 4 5\n",
        ", line 4: expected 3 finite numbers after the word 'of', found 2 numbers",
    ),
    "too many numbers": (
        b"2 3\nthe 1 2 3 4\nof 4 5 6\n",
        ", line 2: expected 3 finite numbers after the word 'the', found 4 numbers",
    ),
    "too few numbers without a header": (
        b"the 1 2 3\nof 4 5\n",
        ", line 2: expected 3 finite numbers after the word 'of', found 2 numbers",
    ),
    "no number": (b"the 1 2 3\nof 4 x 6\n", ", line 2: expected 3 finite numbers after the word 'of', found 'x'"),
    "prose": (b"some words\nand more words\n", ", line 1: expected 1 finite numbers after the word 'some', found 'words'"),
    "NaN": (b"2 2\nthe 1 2\nof 4 nan\n", ", line 3: expected 2 finite numbers after the word 'of', found 'nan'"),
    "infinity": (b"the 1 2\nof -inf 1\n", ", line 2: expected 2 finite numbers after the word 'of', found '-inf'"),
    "NaN behind a double": (
        b"the 1 2\nthe 3 4\nof nan 1\n",
        ", line 3: expected 2 finite numbers after the word 'of', found 'nan'",
    ),
    "no UTF-8": (b"the 1 2\ncaf\xe9 1 2\n", ", line 2: expected UTF-8 text, found invalid continuation byte at byte 3 of the line"),
    "cut off": (
        b"3 2\nthe 1 2\nof 4 5\n",
        ": expected word vectors, found a fault: unexpected end of input; is count incorrect or file otherwise damaged?",
    ),
    "a header beyond all memory": (
        b"99999999999999 2\nthe 1 2\n",
        ": expected word vectors, found a fault: ",
    ),
    "NaN in binary": (
        as_binary({"the": np.array([1, 2], np.float32), "of": np.array([np.nan, 2], np.float32)}),
        ": expected finite numbers, found NaN or infinity for the word 'of'",
    ),
    "binary cut off": (as_binary(ROWS)[:-6], ": expected word vectors, found a fault: unexpected end of input"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_file_and_line(tmp_path: Path, fault: str) -> None:
    data, told = FAULTS[fault]
    file = put(tmp_path, data)
    with pytest.raises(DataError) as raised:
        load(file)
    assert str(raised.value).startswith(f"{file}{told}")


MANY = as_text({f"w{number}": np.full(50, number, np.float32) for number in range(500)})
DAMAGED = {
    "no gzip at all": (b"the 1 2\n", "found a file that can't be read: Not a gzipped file"),
    "a short one cut off": (gzip.compress(as_text(ROWS))[:-12], "found a fault: Compressed file ended"),
    "a long one cut off": (gzip.compress(MANY)[: -len(gzip.compress(MANY)) // 2], "found a fault: Compressed file ended"),
    "overwritten": (gzip.compress(MANY)[:40] + 400 * b"\xff", "found a file that can't be read: Error -3 while"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_gzip_file_is_told(tmp_path: Path, damage: str) -> None:
    data, told = DAMAGED[damage]
    file = put(tmp_path, data, "vectors.txt.gz")
    with pytest.raises(DataError) as raised:
        load(file)
    assert str(raised.value).startswith(f"{file}: expected word vectors, {told}")


# Where


def test_a_file_is_found_as_written_and_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HARNESS_DATA", f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")
    monkeypatch.chdir(tmp_path)
    places = [home / "data", tmp_path / "b/vectors", tmp_path / "b", tmp_path / "a/vectors", tmp_path / "a", tmp_path]
    for number, folder in enumerate(places):
        put(folder, as_text({"the": np.array([number, 1], np.float32)}))
        source = locate("vectors.txt", Wordless(), home)
        assert source.name == "vectors.txt"
        assert source.load()["the"][0] == number
    written = locate(str(tmp_path / "b" / "vectors.txt"), Wordless(), home)
    assert (written.name, written.load()["the"][0]) == ("vectors.txt", 2)


@pytest.mark.parametrize("name", ["nothing-100d.txt.gz", "folder/nothing"])
def test_a_file_that_is_not_here_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HARNESS_DATA", "/nowhere")
    with pytest.raises(DataError) as raised:
        locate(name, Wordless(), tmp_path)
    assert str(raised.value) == (
        f"vectors '{name}' are not here: expected a word2vec or GloVe file of this name in the working folder or below "
        f"one of /nowhere, {tmp_path / 'data'}. Point HARNESS_DATA at the folder that has it"
    )


def test_a_name_that_neither_a_file_nor_gensim_data_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        locate("no-such-vectors-anywhere", Wordless(), tmp_path)
    told = str(raised.value)
    assert told.startswith(
        "vectors 'no-such-vectors-anywhere' are no file here, and gensim-data could not be asked for them ("
    )
    assert told.endswith("Expected a vector file, 'own', or a name such as glove-wiki-gigaword-100 and a network")


# Digests


def test_the_digest_is_of_the_content_and_is_remembered(tmp_path: Path) -> None:
    file = put(tmp_path, as_text(ROWS))
    copy = put(tmp_path, as_text(ROWS), "copy.txt")
    home = tmp_path / "home"
    first = locate(str(file), Wordless(), home)
    assert len(first.digest) == 16
    assert locate(str(copy), Wordless(), home).digest == first.digest
    remembered = (home / "digests.json").read_bytes()
    assert locate(str(file), Wordless(), home).digest == first.digest
    assert (home / "digests.json").read_bytes() == remembered


def test_a_file_that_changes_gets_another_digest(tmp_path: Path) -> None:
    file = put(tmp_path, as_text(ROWS))
    digests = [locate(str(file), Wordless(), tmp_path).digest]
    status = file.stat()
    file.write_bytes(as_text(ROWS).replace(b"-1.5", b"-1.6"))  # of the same size
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    digests.append(locate(str(file), Wordless(), tmp_path).digest)
    file.write_bytes(as_text(ROWS) + b"\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # of the same time
    digests.append(locate(str(file), Wordless(), tmp_path).digest)
    assert len(set(digests)) == 3


@pytest.mark.parametrize("damage", [b'{"half a', b"[]", b"\xff"])
def test_a_damaged_memory_of_digests_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    file = put(tmp_path, as_text(ROWS))
    digest = locate(str(file), Wordless(), tmp_path).digest
    (tmp_path / "digests.json").write_bytes(damage)
    assert locate(str(file), Wordless(), tmp_path).digest == digest


# A corpus's own


def test_a_corpus_without_text_has_no_vectors_of_its_own(tmp_path: Path) -> None:
    class Filed(Tiny):
        files = ("text.txt",)

    for reader in (Wordless(), Filed()):
        with pytest.raises(DataError) as raised:
            locate("own", reader, tmp_path)
        assert str(raised.value) == (
            f"vectors 'own' are trained on the text of a generated corpus, which {type(reader).__name__} is not; name a "
            "vector file instead, or make one: python -m harness data train-vectors TEXT"
        )


def test_the_digest_of_own_vectors_names_the_text_and_how_they_are_made(tmp_path: Path) -> None:
    # It is in the keys of runs: it may change on purpose alone, when vectors.MADE does.
    assert locate("own", Tiny(), tmp_path).digest == "18acfcb944160043"


def test_own_vectors_are_repeatable_and_made_once(tmp_path: Path) -> None:
    source = locate("own", Tiny(), tmp_path / "one")
    assert source.name == "own"
    vectors = source.load()
    assert vectors.vectors.shape[1] == 50
    assert "acme" in vectors
    assert "Acme" not in vectors
    (made,) = (tmp_path / "one" / "artifacts" / "vectors").iterdir()
    written = (made / "vectors.bin").stat().st_mtime_ns
    again = locate("own", Tiny(), tmp_path / "one")
    np.testing.assert_array_equal(again.load().vectors, vectors.vectors)
    assert (made / "vectors.bin").stat().st_mtime_ns == written
    elsewhere = locate("own", Tiny(), tmp_path / "two")
    assert elsewhere.digest == source.digest
    np.testing.assert_array_equal(elsewhere.load().vectors, vectors.vectors)


def test_own_vectors_of_another_text_have_another_digest(tmp_path: Path) -> None:
    class Other(Tiny):
        words = (*Tiny.words[:-1], "!")

    assert locate("own", Other(), tmp_path).digest != locate("own", Tiny(), tmp_path).digest


def test_a_text_without_repeated_words_is_told(tmp_path: Path) -> None:
    class Short(Wordless, TextReader):
        def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
            yield LinkedSentence("1", ("every", "word", "once"), ())

    source = locate("own", Short(), tmp_path)
    with pytest.raises(
        DataError, match=r"^vectors 'own': expected words that stand at least 2 times in the text of Short"
    ):
        source.load()
    assert not list((tmp_path / "artifacts" / "vectors").iterdir())


def test_a_published_file_is_read(find_data: FindData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = find_data("vectors/glove-6b-50d.txt.gz") / "vectors" / "glove-6b-50d.txt.gz"
    with gzip.open(file) as lines:
        next(lines)
        start = [next(lines) for _ in range(1000)]
    cut = put(tmp_path, gzip.compress(b"".join(start)), "glove.txt.gz")
    vectors = load(cut)
    assert vectors.vectors.shape == (1000, 50)
    np.testing.assert_allclose(vectors["the"][:2], [0.418, 0.24968], rtol=1e-6)
