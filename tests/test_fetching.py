"""Fetching a corpus's files from a server on loopback that breaks off, changes its mind, lies, or is not there."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import re
import resource
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import registry
from harness.contracts import About, Corpus, CorpusReader, Download
from harness.datasets import fetching
from harness.datasets.fetching import ARCHIVES, fetch
from harness.errors import DataError

ROOT = Path(__file__).parents[1]
BODY = random.Random(1).randbytes(100_000)  # several chunks, and nothing that packs well
OTHER = random.Random(2).randbytes(100_000)
SOURCE = "https://example.org/toy"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# A server


@dataclass
class Page:
    """What the server has under a path, and how it misbehaves; `breaks` holds, for each response, the bytes after
    which the connection is closed; None for a whole one."""

    body: bytes = b""
    etag: str | None = '"1"'
    modified: str | None = None
    ranges: bool = True
    breaks: list[int | None] = field(default_factory=list)
    always: int | None = None
    length: int | None = None
    tells_length_of_ranges: bool = True
    told_range: str | None = None
    packs: bool = False
    encoding: str | None = None
    status: int = 200
    location: str | None = None


@dataclass
class Asked:
    """A request as it was received, and the bytes of content that it was answered with."""

    path: str
    range: str | None
    if_range: str | None
    sent: int = 0


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = Asked(self.path.partition("?")[0], self.headers["Range"], self.headers["If-Range"])
        self.server.asked.append(asked)
        self.close_connection = True
        page = self.server.pages.get(asked.path, Page(status=404))
        if page.status != 200:
            self.send_response(page.status)
            if page.location:
                self.send_header("Location", page.location)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            return
        content = self._head(page, asked)
        limit = page.breaks.pop(0) if page.breaks else page.always
        content = content if limit is None else content[:limit]
        asked.sent = len(content)
        self.wfile.write(content)

    def _head(self, page: Page, asked: Asked) -> bytes:
        """Send the head of the answer, and return the content that is to follow."""
        if page.packs and "gzip" in self.headers["Accept-Encoding"]:
            page = replace(page, body=gzip.compress(page.body), encoding="gzip")
        content, size = page.body, len(page.body)
        as_asked = page.ranges and asked.range and asked.if_range in (None, page.etag, page.modified)
        start = int(asked.range.removeprefix("bytes=").removesuffix("-")) if as_asked and asked.range else 0
        if as_asked and start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            content = b""
        elif as_asked:
            self.send_response(206)
            self.send_header("Content-Range", page.told_range or f"bytes {start}-{size - 1}/{size}")
            content = page.body[start:]
        else:
            self.send_response(200)
        if page.etag:
            self.send_header("ETag", page.etag)
        if page.encoding:
            self.send_header("Content-Encoding", page.encoding)
        if page.modified:
            self.send_header("Last-Modified", page.modified)
        if page.tells_length_of_ranges or not as_asked:
            self.send_header("Content-Length", str(page.length or len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        return content

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def _loopback_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The corpus's folder, which is not there yet."""
    return tmp_path / "data" / "toy"


# A corpus


def reader(*given: Download, needed: tuple[str, ...] = ("train.txt",)) -> type[CorpusReader]:
    class Toy(CorpusReader):
        files = needed
        downloads = given
        about = About(headline="accuracy", source=SOURCE)

        def read(self, path: Path | None) -> Corpus:
            return Corpus(())

    return Toy


def one(server: Server, path: str = "/train.txt", content: bytes = BODY) -> type[CorpusReader]:
    """A corpus of one file, train.txt, of this content."""
    return reader(Download(server.url(path), {"train.txt": sha256(content)}))


def bring(corpus: type[CorpusReader], folder: Path) -> tuple[list[Path], list[str]]:
    """The files that were brought, and what was told meanwhile."""
    told: list[str] = []
    return fetch(corpus, "toy", folder, told.append, progress=False), told


def failure(corpus: type[CorpusReader], folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        bring(corpus, folder)
    return str(raised.value)


def contents(folder: Path) -> dict[str, bytes]:
    """All that a folder holds, hidden files too."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def by_hand(folder: Path, files: str = "train.txt", them: str = "it") -> str:
    return f"get {files} from {SOURCE} and put {them} into {folder}"


# Whole downloads


def test_every_file_of_every_download_is_brought(server: Server, folder: Path) -> None:
    server.pages = {"/a/train.txt": Page(BODY), "/b/dev%20set.txt": Page(OTHER), "/c/empty.txt": Page(b"")}
    corpus = reader(
        Download(server.url("/a/train.txt"), {"train.txt": sha256(BODY)}),
        Download(server.url("/b/dev%20set.txt"), {"dev set.txt": sha256(OTHER)}),
        Download(server.url("/c/empty.txt"), {"empty.txt": sha256(b"")}),
    )
    files, told = bring(corpus, folder)
    assert files == [folder / "train.txt", folder / "dev set.txt", folder / "empty.txt"]
    assert contents(folder) == {"train.txt": BODY, "dev set.txt": OTHER, "empty.txt": b""}
    assert told == [
        f"train.txt: 100,000 bytes from {server.url('/a/train.txt')}",
        f"dev set.txt: 100,000 bytes from {server.url('/b/dev%20set.txt')}",
        f"empty.txt: 0 bytes from {server.url('/c/empty.txt')}",
    ]
    assert [asked.range for asked in server.asked] == [None, None, None]


def test_a_file_that_was_brought_can_be_read_by_others(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY)
    (file,), _ = bring(one(server), folder)
    folder.joinpath("mine").write_text("")
    assert file.stat().st_mode == folder.joinpath("mine").stat().st_mode


def test_what_is_there_already_is_left_alone_and_the_rest_is_brought(server: Server, folder: Path) -> None:
    server.pages["/dev.txt"] = Page(OTHER)
    corpus = reader(
        Download(server.url("/train.txt"), {"train.txt": sha256(BODY)}),
        Download(server.url("/dev.txt"), {"dev.txt": sha256(OTHER)}),
    )
    folder.mkdir(parents=True)
    (folder / "train.txt").write_bytes(BODY)
    before = (folder / "train.txt").stat()
    files, told = bring(corpus, folder)
    assert files == [folder / "train.txt", folder / "dev.txt"]
    assert told == ["train.txt is there already", f"dev.txt: 100,000 bytes from {server.url('/dev.txt')}"]
    assert (folder / "train.txt").stat().st_mtime_ns == before.st_mtime_ns
    assert [asked.path for asked in server.asked] == ["/dev.txt"]


def test_fetching_again_asks_for_nothing(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY)
    bring(one(server), folder)
    files, told = bring(one(server), folder)
    assert (files, told) == ([folder / "train.txt"], ["train.txt is there already"])
    assert len(server.asked) == 1


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_file_that_is_there_packed_is_left_alone(
    server: Server, folder: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    folder.mkdir(parents=True)
    (folder / f"train.txt{ending}").write_bytes(pack(BODY))
    files, told = bring(one(server), folder)
    assert (files, told) == ([folder / f"train.txt{ending}"], [f"train.txt{ending} is there already"])
    assert not server.asked


def test_a_download_that_is_itself_packed_is_compared_as_it_is(server: Server, folder: Path) -> None:
    packed = gzip.compress(BODY)
    server.pages["/train.txt.gz"] = Page(packed)
    corpus = reader(Download(server.url("/train.txt.gz"), {"train.txt.gz": sha256(packed)}))
    bring(corpus, folder)
    assert contents(folder) == {"train.txt.gz": packed}
    assert bring(corpus, folder) == ([folder / "train.txt.gz"], ["train.txt.gz is there already"])


@pytest.mark.parametrize("there", ["train.txt", "train.txt.gz"])
def test_a_file_that_is_there_with_another_content_is_told_before_anything_is_fetched(
    server: Server, folder: Path, there: str
) -> None:
    server.pages["/dev.txt"] = Page(OTHER)
    corpus = reader(
        Download(server.url("/dev.txt"), {"dev.txt": sha256(OTHER)}),
        Download(server.url("/train.txt"), {"train.txt": sha256(BODY)}),
    )
    folder.mkdir(parents=True)
    (folder / there).write_bytes(gzip.compress(b"mine") if there.endswith("gz") else b"mine")
    before = contents(folder)
    assert failure(corpus, folder) == (
        f"{folder / there}: expected SHA-256 {sha256(BODY)}, found {sha256(b'mine')}: it is not the file of "
        f"{server.url('/train.txt')}. Move it away, and the same command brings that one"
    )
    assert contents(folder) == before
    assert not server.asked


def test_a_wrong_hash_leaves_nothing(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(OTHER)
    assert failure(one(server), folder) == (
        f"{server.url('/train.txt')}: expected SHA-256 {sha256(BODY)}, found {sha256(OTHER)}; it was not kept. Run the "
        f"same command again; if it is the same once more, {by_hand(folder)}"
    )
    assert contents(folder) == {}


def test_a_redirect_is_followed_and_a_broken_download_goes_on_behind_it(server: Server, folder: Path) -> None:
    server.pages["/old.txt/train.txt"] = Page(status=302, location="/new")
    server.pages["/new"] = Page(BODY, breaks=[30_000])
    bring(one(server, "/old.txt/train.txt"), folder)
    assert contents(folder) == {"train.txt": BODY}
    assert [(asked.path, asked.range) for asked in server.asked if asked.path == "/new"] == [
        ("/new", None),
        ("/new", "bytes=30000-"),
    ]


@pytest.mark.parametrize("breaks", [[], [50_000]])
def test_a_server_that_packs_what_it_sends_is_asked_for_the_file_as_it_is(
    server: Server, folder: Path, breaks: list[int | None]
) -> None:
    server.pages["/train.txt"] = Page(BODY, breaks=breaks, packs=True)
    bring(one(server), folder)
    assert contents(folder) == {"train.txt": BODY}
    assert sum(asked.sent for asked in server.asked) == len(BODY)


def test_a_packed_file_stays_packed_whatever_the_server_calls_it(server: Server, folder: Path) -> None:
    packed = gzip.compress(BODY)
    server.pages["/train.txt.gz"] = Page(packed, encoding="gzip", breaks=[50_000])
    bring(reader(Download(server.url("/train.txt.gz"), {"train.txt.gz": sha256(packed)})), folder)
    assert contents(folder) == {"train.txt.gz": packed}


# Broken downloads


def test_a_broken_download_goes_on_where_it_stopped(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY, breaks=[70_000, 0, 10_000])
    files, told = bring(one(server), folder)
    assert files == [folder / "train.txt"]
    assert contents(folder) == {"train.txt": BODY}
    assert server.asked == [
        Asked("/train.txt", None, None, 70_000),
        Asked("/train.txt", "bytes=70000-", '"1"', 0),
        Asked("/train.txt", "bytes=70000-", '"1"', 10_000),
        Asked("/train.txt", "bytes=80000-", '"1"', 20_000),
    ]
    url = server.url("/train.txt")
    assert told == [
        f"{url}: 70,000 of 100,000 bytes arrived, then: the connection ended; trying again",
        f"{url}: 70,000 of 100,000 bytes arrived, then: the connection ended; trying again",
        f"{url}: 80,000 of 100,000 bytes arrived, then: the connection ended; trying again",
        f"train.txt: 100,000 bytes from {url}",
    ]


def test_a_download_that_breaks_always_is_told_and_the_next_call_goes_on(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = page = Page(BODY, always=15_000)
    assert failure(one(server), folder) == (
        f"{server.url('/train.txt')}: 60,000 of 100,000 bytes arrived, then: the connection ended. Run the same "
        f"command again: it goes on where it stopped, if the server can; or {by_hand(folder)}"
    )
    assert "train.txt" not in contents(folder)
    assert contents(folder)[".train.txt.part"] == BODY[:60_000]
    page.always = None
    server.asked.clear()
    bring(one(server), folder)
    assert server.asked == [Asked("/train.txt", "bytes=60000-", '"1"', 40_000)]
    assert contents(folder) == {"train.txt": BODY}


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY, breaks=[60_000])

    def interrupt(told: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(one(server), "toy", folder, interrupt, progress=False)
    assert "train.txt" not in contents(folder)
    bring(one(server), folder)
    assert [asked.sent for asked in server.asked] == [60_000, 40_000]
    assert contents(folder) == {"train.txt": BODY}


def test_a_body_shorter_than_its_length_is_told(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY[:500], length=1000, ranges=False)
    assert failure(one(server, content=BODY[:500]), folder) == (
        f"{server.url('/train.txt')}: 500 of 1,000 bytes arrived, then: the connection ended. Run the same command "
        f"again: it goes on where it stopped, if the server can; or {by_hand(folder)}"
    )
    assert "train.txt" not in contents(folder)


def test_a_range_that_ends_too_early_shows_without_its_length(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY, breaks=[70_000, 10_000], tells_length_of_ranges=False)
    _, told = bring(one(server), folder)
    assert told[1] == (
        f"{server.url('/train.txt')}: 80,000 of 100,000 bytes arrived, then: the connection ended; trying again"
    )
    assert [asked.sent for asked in server.asked] == [70_000, 10_000, 20_000]
    assert contents(folder) == {"train.txt": BODY}


def test_further_attempts_wait(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSES", (0.2, 0.3))
    server.pages["/train.txt"] = Page(BODY, always=15_000)
    before = time.monotonic()
    assert "45,000 of 100,000 bytes" in failure(one(server), folder)
    assert time.monotonic() - before >= 0.5


def test_a_server_without_ranges_begins_anew(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY, ranges=False, breaks=[70_000])
    bring(one(server), folder)
    assert [(asked.range, asked.sent) for asked in server.asked] == [(None, 70_000), ("bytes=70000-", 100_000)]
    assert contents(folder) == {"train.txt": BODY}


@given(
    breaks=st.lists(st.integers(0, 3000), max_size=3),
    size=st.integers(0, 3000),
    ranges=st.booleans(),
    etag=st.sampled_from([None, '"1"', 'W/"1"']),
    modified=st.sampled_from([None, "Wed, 21 Oct 2015 07:28:00 GMT"]),
)
@settings(max_examples=60)
def test_wherever_it_breaks_the_file_is_whole_and_no_byte_comes_twice(
    breaks: list[int | None], size: int, ranges: bool, etag: str | None, modified: str | None
) -> None:
    with serving() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server.pages["/train.txt"] = Page(BODY[:size], etag, modified, ranges, breaks)
        bring(one(server, content=BODY[:size]), folder)
        assert contents(folder) == {"train.txt": BODY[:size]}
        if ranges:
            assert sum(asked.sent for asked in server.asked) == size


# A server that changed its mind


@pytest.mark.parametrize(
    ("before", "after", "validator"),
    [
        (('"1"', None), ('"2"', None), '"1"'),
        (
            (None, "Wed, 21 Oct 2015 07:28:00 GMT"),
            (None, "Thu, 22 Oct 2015 07:28:00 GMT"),
            "Wed, 21 Oct 2015 07:28:00 GMT",
        ),
        (
            ('W/"1"', "Wed, 21 Oct 2015 07:28:00 GMT"),
            ('W/"2"', "Thu, 22 Oct 2015 07:28:00 GMT"),
            "Wed, 21 Oct 2015 07:28:00 GMT",
        ),
    ],
)
def test_what_changed_in_between_is_begun_anew(
    server: Server,
    folder: Path,
    before: tuple[str | None, str | None],
    after: tuple[str | None, str | None],
    validator: str,
) -> None:
    server.pages["/train.txt"] = Page(OTHER, *before, always=15_000)
    failure(one(server), folder)
    server.asked.clear()
    server.pages["/train.txt"] = Page(BODY, *after, breaks=[5])
    bring(one(server), folder)
    assert contents(folder) == {"train.txt": BODY}
    assert server.asked == [
        Asked("/train.txt", "bytes=60000-", validator, 5),
        Asked("/train.txt", "bytes=5-", after[0] if after[1] is None else after[1], 99_995),
    ]


def test_a_change_that_the_server_does_not_tell_shows_in_the_hash_and_the_next_call_begins_anew(
    server: Server, folder: Path
) -> None:
    server.pages["/train.txt"] = Page(OTHER, etag='W/"1"', always=15_000)
    failure(one(server), folder)
    server.pages["/train.txt"] = Page(BODY, etag=None)
    assert failure(one(server), folder) == (
        f"{server.url('/train.txt')}: expected SHA-256 {sha256(BODY)}, found {sha256(OTHER[:60_000] + BODY[60_000:])}; "
        f"it was not kept. Run the same command again; if it is the same once more, {by_hand(folder)}"
    )
    assert contents(folder) == {}
    bring(one(server), folder)
    assert contents(folder) == {"train.txt": BODY}
    assert [asked.if_range for asked in server.asked] == [None] * 6


def test_a_download_that_lacked_nothing_but_its_name_is_taken_as_it_is(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY)
    folder.mkdir(parents=True)
    (folder / ".train.txt.part").write_bytes(BODY)
    bring(one(server), folder)
    assert server.asked == [Asked("/train.txt", "bytes=100000-", None, 0)]
    assert contents(folder) == {"train.txt": BODY}


def test_more_than_the_server_has_is_begun_anew(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY)
    folder.mkdir(parents=True)
    (folder / ".train.txt.part").write_bytes(BODY + b"more")
    _, told = bring(one(server), folder)
    assert told == [
        f"{server.url('/train.txt')}: 0 of an unknown number of bytes arrived, then: what arrived before is no part of "
        "what the server has; trying again",
        f"train.txt: 100,000 bytes from {server.url('/train.txt')}",
    ]
    assert [(asked.range, asked.sent) for asked in server.asked] == [("bytes=100004-", 0), (None, 100_000)]
    assert contents(folder) == {"train.txt": BODY}


@pytest.mark.parametrize("told_range", ["bytes 0-99999/100000", "bytes 70001-99999/100000", "70000-", "items 7-9/10"])
def test_another_range_than_asked_for_is_not_taken(server: Server, folder: Path, told_range: str) -> None:
    server.pages["/train.txt"] = Page(BODY, breaks=[70_000], told_range=told_range)
    _, told = bring(one(server), folder)
    assert told[1] == (
        f"{server.url('/train.txt')}: 0 of 100,000 bytes arrived, then: the server sent another range than it was "
        "asked for; trying again"
    )
    assert [asked.range for asked in server.asked] == [None, "bytes=70000-", None]
    assert contents(folder) == {"train.txt": BODY}


def test_a_range_of_an_unknown_total_is_taken(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY, breaks=[70_000], told_range="bytes 70000-99999/*")
    bring(one(server), folder)
    assert [asked.sent for asked in server.asked] == [70_000, 30_000]
    assert contents(folder) == {"train.txt": BODY}


# No server, or none that answers


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (204, "204 No Content"),
        (403, "403 Forbidden"),
        (404, "404 Not Found"),
        (416, f"416 {HTTPStatus(416).phrase}"),
        (503, "503 Service Unavailable"),
    ],
)
def test_a_refusal_is_told(server: Server, folder: Path, status: int, cause: str) -> None:
    server.pages["/train.txt"] = Page(status=status)
    assert failure(one(server), folder) == (
        f"can't fetch {server.url('/train.txt')}: {cause}. Run the same command again later; or {by_hand(folder)}"
    )
    assert len(server.asked) == 1
    assert contents(folder) == {}


def test_a_refusal_leaves_what_arrived_before(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY, always=15_000)
    failure(one(server), folder)
    server.pages["/train.txt"] = Page(status=503)
    assert "503 Service Unavailable" in failure(one(server), folder)
    server.pages["/train.txt"] = Page(BODY)
    bring(one(server), folder)
    assert server.asked[-1] == Asked("/train.txt", "bytes=60000-", '"1"', 40_000)


def test_redirects_in_a_circle_are_told(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(status=302, location="/train.txt")
    assert failure(one(server), folder) == (
        f"can't fetch {server.url('/train.txt')}: Exceeded 30 redirects. Run the same command again later; or "
        f"{by_hand(folder)}"
    )


def nobody() -> str:
    """The address of a port at which no one listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/train.txt"


def test_no_server_is_told(folder: Path) -> None:
    url = nobody()
    told: list[str] = []
    with pytest.raises(DataError) as raised:
        fetch(reader(Download(url, {"train.txt": sha256(BODY)})), "toy", folder, told.append, progress=False)
    assert str(raised.value) == (
        f"can't fetch {url}: Connection refused. Run the same command again later; or {by_hand(folder)}"
    )
    again = f"{url}: 0 of an unknown number of bytes arrived, then: Connection refused; trying again"
    assert told == [again] * 3
    assert contents(folder) == {}


def test_a_server_that_went_away_leaves_what_arrived(folder: Path) -> None:
    with serving() as server:
        server.pages["/train.txt"] = Page(BODY, always=15_000)
        corpus = one(server)
        failure(corpus, folder)
    assert failure(corpus, folder) == (
        f"{server.url('/train.txt')}: 60,000 of an unknown number of bytes arrived, then: Connection refused. Run the "
        f"same command again: it goes on where it stopped, if the server can; or {by_hand(folder)}"
    )
    assert contents(folder)[".train.txt.part"] == BODY[:60_000]


def test_a_url_that_is_none_is_told_at_once(folder: Path) -> None:
    corpus = reader(Download("nowhere/train.txt", {"train.txt": sha256(BODY)}))
    told: list[str] = []
    with pytest.raises(DataError) as raised:
        fetch(corpus, "toy", folder, told.append, progress=False)
    assert not told
    assert re.fullmatch(
        r"can't fetch nowhere/train\.txt: Invalid URL 'nowhere/train\.txt': No scheme supplied\..*\. Run the same "
        r"command again later; or " + re.escape(by_hand(folder)),
        str(raised.value),
    )


# Archives


def tar(members: dict[str, bytes], mode: str, *more: tarfile.TarInfo) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode=f"w:{mode}") as archive:
        for entry in more:
            archive.addfile(entry)
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return memory.getvalue()


def zip_(members: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


def pack(members: dict[str, bytes], ending: str) -> bytes:
    modes = {".tgz": "gz"}
    return zip_(members) if ending == ".zip" else tar(members, modes.get(ending, ending.removeprefix(".tar.")))


TWO = {"train.txt": sha256(BODY), "dev.txt": sha256(OTHER)}
MEMBERS = {"release-1.0/README": b"read me", "release-1.0/data/dev.txt": OTHER, "release-1.0/data/train.txt": BODY}


def archived(server: Server, ending: str, packed: bytes) -> type[CorpusReader]:
    """A corpus of train.txt and dev.txt in one archive."""
    server.pages[f"/release{ending}"] = Page(packed)
    return reader(Download(server.url(f"/release{ending}?download=1"), TWO), needed=tuple(TWO))


@pytest.mark.parametrize("ending", ARCHIVES)
def test_members_of_an_archive_are_taken_out(server: Server, folder: Path, ending: str) -> None:
    packed = pack(MEMBERS, ending)
    files, told = bring(archived(server, ending, packed), folder)
    assert files == [folder / "train.txt", folder / "dev.txt"]
    assert contents(folder) == {"train.txt": BODY, "dev.txt": OTHER}
    assert told == [
        f"release{ending}: {len(packed):,} bytes from {server.url(f'/release{ending}?download=1')}",
        f"dev.txt: 100,000 bytes out of release{ending}",
        f"train.txt: 100,000 bytes out of release{ending}",
    ]


def test_only_what_is_lacking_is_taken_out(server: Server, folder: Path) -> None:
    corpus = archived(server, ".zip", pack(MEMBERS, ".zip"))
    folder.mkdir(parents=True)
    (folder / "train.txt").write_bytes(BODY)
    before = (folder / "train.txt").stat()
    _, told = bring(corpus, folder)
    assert told[0] == "train.txt is there already" and told[2:] == ["dev.txt: 100,000 bytes out of release.zip"]
    assert (folder / "train.txt").stat().st_mtime_ns == before.st_mtime_ns
    _, told = bring(corpus, folder)
    assert told == ["train.txt is there already", "dev.txt is there already"]
    assert len(server.asked) == 1


def test_a_broken_download_of_an_archive_goes_on_in_the_next_call(server: Server, folder: Path) -> None:
    corpus = archived(server, ".tar.gz", pack(MEMBERS, ".tar.gz"))
    server.pages["/release.tar.gz"].always = 20_000
    assert "80,000 of " in failure(corpus, folder)
    server.pages["/release.tar.gz"].always = None
    bring(corpus, folder)
    assert server.asked[-1].range == "bytes=80000-"
    assert contents(folder) == {"train.txt": BODY, "dev.txt": OTHER}


def test_damage_behind_what_is_needed_does_no_harm(server: Server, folder: Path) -> None:
    packed = pack({**MEMBERS, "release-1.0/vectors": OTHER + BODY}, ".tar.gz")
    bring(archived(server, ".tar.gz", packed[:-50_000]), folder)
    assert contents(folder) == {"train.txt": BODY, "dev.txt": OTHER}


def test_an_archive_of_the_users_own_is_left_alone(server: Server, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "release.zip").write_bytes(b"mine")
    bring(archived(server, ".zip", pack(MEMBERS, ".zip")), folder)
    assert contents(folder) == {"train.txt": BODY, "dev.txt": OTHER, "release.zip": b"mine"}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_an_archive_that_lacks_a_member_is_told(server: Server, folder: Path, ending: str) -> None:
    corpus = archived(server, ending, pack({"a/train.txt": BODY, "a/dev.txt.old": OTHER}, ending))
    assert failure(corpus, folder) == (
        f"{server.url(f'/release{ending}?download=1')}: expected a member dev.txt, found none; "
        f"{by_hand(folder, 'train.txt, dev.txt', 'them')}"
    )
    assert contents(folder) == {"train.txt": BODY}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_a_member_with_another_hash_is_told_and_not_kept(server: Server, folder: Path, ending: str) -> None:
    corpus = archived(server, ending, pack({"a/train.txt": b"other", "a/dev.txt": OTHER}, ending))
    assert failure(corpus, folder) == (
        f"{server.url(f'/release{ending}?download=1')}, member train.txt: expected SHA-256 {sha256(BODY)}, found "
        f"{sha256(b'other')}; it was not kept. Run the same command again; if it is the same once more, "
        f"{by_hand(folder, 'train.txt, dev.txt', 'them')}"
    )
    assert contents(folder) == {"dev.txt": OTHER}


@pytest.mark.parametrize("order", [1, -1])
def test_of_members_of_one_base_name_that_with_the_right_hash_is_taken(
    server: Server, folder: Path, order: int
) -> None:
    members = {"sample/train.txt": b"other", "full/train.txt": BODY, "dev.txt": OTHER}
    bring(archived(server, ".zip", pack(dict(list(members.items())[::order]), ".zip")), folder)
    assert contents(folder) == {"train.txt": BODY, "dev.txt": OTHER}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_nothing_is_written_outside_the_folder_nor_what_was_not_asked_for(
    server: Server, folder: Path, ending: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    members = {
        "../evil": b"evil",
        f"{outside}/evil": b"evil",
        "evil": b"evil",
        "../../train.txt": BODY,
        "..\\..\\dev.txt": OTHER,
    }
    bring(archived(server, ending, pack(members, ending)), folder)
    assert contents(folder) == {"train.txt": BODY, "dev.txt": OTHER}
    assert sorted(tmp_path.rglob("*")) == sorted([folder.parent, folder, folder / "train.txt", folder / "dev.txt"])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_link_in_an_archive_is_not_followed(server: Server, folder: Path, kind: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(BODY)
    entry = tarfile.TarInfo("train.txt")
    entry.type, entry.linkname = kind, str(tmp_path / "secret")
    corpus = archived(server, ".tar.gz", tar({"dev.txt": OTHER}, "gz", entry))
    assert "expected a member train.txt, found none" in failure(corpus, folder)
    assert contents(folder) == {"dev.txt": OTHER}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_a_member_that_unpacks_to_too_much_is_refused(
    server: Server, folder: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LARGEST", 99_999)
    corpus = archived(server, ending, pack({"more.txt": BODY + OTHER, "train.txt": BODY}, ending))
    assert failure(corpus, folder) == (
        f"{server.url(f'/release{ending}?download=1')}, member train.txt: expected at most 99,999 bytes, found "
        "100,000. Nothing of it was unpacked; if that is its size, "
        f"{by_hand(folder, 'train.txt, dev.txt', 'them')}"
    )
    assert contents(folder) == {}


def encrypted(packed: bytes) -> bytes:
    """A zip whose members are marked as encrypted, in their own headers and in the directory."""
    marked = bytearray(packed)
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for found in re.finditer(re.escape(mark), packed):
            marked[found.start() + flags] |= 1
    return bytes(marked)


def scratched(packed: bytes) -> bytes:
    """The same with a few bytes turned over, within the first member."""
    at = len(packed) // 4
    return packed[:at] + bytes(byte ^ 255 for byte in packed[at : at + 40]) + packed[at + 40 :]


DAMAGED = {
    "a zip cut off": (".zip", pack(MEMBERS, ".zip")[:-1000], "File is not a zip file"),
    "a zip with scratches": (".zip", scratched(pack({"train.txt": BODY}, ".zip")), r"Bad CRC-32 .*|Error -3 .*"),
    "an encrypted zip": (".zip", encrypted(pack(MEMBERS, ".zip")), "File .*dev.txt.* is encrypted.*"),
    "no zip": (".zip", b"<html>sorry</html>", "File is not a zip file"),
    "no tar": (".tar.gz", b"<html>sorry</html>", "file could not be opened successfully"),
    "an empty tar.gz": (".tgz", b"", "empty file|file could not be opened successfully"),
    "a tar.gz cut off": (
        ".tar.gz",
        pack(MEMBERS, ".tar.gz")[:-1000],
        ".*end-of-stream marker.*|unexpected end of data",
    ),
    "a tar.gz with scratches": (".tar.gz", scratched(pack(MEMBERS, ".tar.gz")), "CRC check failed .*|Error -3 .*"),
    "a tar.bz2 with scratches": (
        ".tar.bz2",
        scratched(pack(MEMBERS, ".tar.bz2")),
        "file could not be opened successfully|Invalid data stream",
    ),
    "a tar.xz with scratches": (".tar.xz", scratched(pack(MEMBERS, ".tar.xz")), "Corrupt input data"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_archive_is_told_and_not_kept(server: Server, folder: Path, damage: str) -> None:
    ending, packed, found = DAMAGED[damage]
    assert re.fullmatch(
        re.escape(f"{server.url(f'/release{ending}?download=1')}: expected a whole archive, found damage: ")
        + f"({found})"
        + re.escape(
            ". Run the same command again; if it is the same once more, "
            f"{by_hand(folder, 'train.txt, dev.txt', 'them')}"
        ),
        failure(archived(server, ending, packed), folder),
    )
    assert not {name for name in contents(folder) if name not in TWO}


def test_a_url_that_is_neither_the_file_nor_an_archive_is_told(server: Server, folder: Path) -> None:
    url = server.url("/files/content")
    assert failure(reader(Download(url, TWO)), folder) == (
        f"{url}: expected a URL with dev.txt, train.txt at its end, or an archive (.zip, .tar.gz, .tgz, .tar.bz2, "
        ".tar.xz), found 'content'; mend the corpus's downloads"
    )
    assert not server.asked


# Corpora that can't be fetched


def test_a_corpus_without_downloads_says_where_to_get_it(folder: Path) -> None:
    assert failure(reader(needed=("train.json", "dev.json")), folder) == (
        f"corpus 'toy' declares no downloads; {by_hand(folder, 'train.json, dev.json', 'them')}"
    )
    assert not folder.exists()


def test_a_generated_corpus_has_nothing_to_fetch(folder: Path) -> None:
    assert failure(reader(needed=()), folder) == "corpus 'toy' is generated: it has no files to fetch"


# Folders that can't be written


@pytest.mark.parametrize("below", ["", "toy"])
def test_a_file_in_place_of_a_folder_is_told(server: Server, tmp_path: Path, below: str) -> None:
    (tmp_path / "data").write_text("a file")
    folder = tmp_path / "data" / below
    assert failure(one(server), folder) == (
        f"can't read or write {folder}: {'Not a directory' if below else 'File exists'}. Free some space, or "
        "choose another folder with --to"
    )
    assert not server.asked


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(server: Server, folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o555)
    assert failure(one(server), folder) == (
        f"can't read or write {folder}: Permission denied. Free some space, or choose another folder with --to"
    )
    assert not server.asked


def test_a_folder_in_place_of_a_file_is_told(server: Server, folder: Path) -> None:
    (folder / "train.txt").mkdir(parents=True)
    assert failure(one(server), folder) == (
        f"can't read or write {folder / 'train.txt'}: Is a directory. Free some space, or choose another folder "
        "with --to"
    )


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes meanwhile, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_the_next_call_goes_on(server: Server, folder: Path) -> None:
    server.pages["/train.txt"] = Page(BODY)
    with files_end_at(80_000):
        told = failure(one(server), folder)
    assert told == (
        f"can't read or write {folder}: File too large. Free some space, or choose another folder with --to"
    )
    assert "train.txt" not in contents(folder)
    bring(one(server), folder)
    assert server.asked[-1] == Asked("/train.txt", "bytes=80000-", '"1"', 20_000)
    assert contents(folder) == {"train.txt": BODY}


@pytest.mark.parametrize("ending", ARCHIVES)
def test_a_disk_that_is_full_while_an_archive_is_unpacked_is_told(server: Server, folder: Path, ending: str) -> None:
    zeros = bytes(200_000)
    server.pages[f"/release{ending}"] = Page(pack({"train.txt": zeros}, ending))
    corpus = reader(Download(server.url(f"/release{ending}"), {"train.txt": sha256(zeros)}))
    with files_end_at(80_000):
        told = failure(corpus, folder)
    assert told == (
        f"can't read or write {folder}: File too large. Free some space, or choose another folder with --to"
    )
    assert contents(folder) == {}


# What is shown


SHOWN = """
import sys
from pathlib import Path
from harness.contracts import About, CorpusReader, Download
from harness.datasets.fetching import fetch

class Toy(CorpusReader):
    files = ("train.txt",)
    downloads = tuple(Download(url, {name: digest}) for url, name, digest in zip(*[iter(sys.argv[3:])] * 3))
    about = About(headline="accuracy")

fetch(Toy, "toy", Path(sys.argv[1]), lambda told: None, progress=sys.argv[2] == "progress")
"""


@pytest.mark.parametrize("progress", ["progress", "silence"])
def test_a_bar_is_shown_where_it_is_wanted_and_nothing_else(server: Server, folder: Path, progress: str) -> None:
    server.pages = {"/train.txt": Page(BODY, breaks=[50_000]), "/dev.zip": Page(pack({"dev.txt": OTHER}, ".zip"))}
    given = [server.url("/train.txt"), "train.txt", sha256(BODY), server.url("/dev.zip"), "dev.txt", sha256(OTHER)]
    command = [sys.executable, "-c", SHOWN, str(folder), progress, *given]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert contents(folder) == {"train.txt": BODY, "dev.txt": OTHER}
    if progress == "silence":
        assert ran.stderr == ""
    else:
        bars = [bar.strip() for bar in ran.stderr.splitlines() if bar.strip()]
        assert bars[0].startswith("train.txt:   0%|")
        assert any(bar.startswith("train.txt:  50%|") for bar in bars)
        assert bars[-1].startswith("dev.zip: ")


# The corpora that come with it


PINNED = re.compile(r"https://[^/]+/.*(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f]).*")
RELEASES: frozenset[str] = frozenset()
"""URLs without a commit whose content is fixed by who published them, such as a numbered release."""


def declared() -> dict[str, type[CorpusReader]]:
    """Every corpus that declares downloads."""
    readers = {name: registry.load("corpus", name) for name in registry.origins("corpus")}
    return {name: reader for name, reader in readers.items() if reader.downloads}


def test_every_download_is_pinned_and_gives_what_its_reader_needs() -> None:
    assert "kbp37" in declared()
    for name, corpus in declared().items():
        given: list[str] = []
        for download in corpus.downloads:
            assert PINNED.fullmatch(download.url) or download.url in RELEASES, f"{name}: {download.url} is not pinned"
            assert download.url.startswith("https://")
            assert set(download.files) == {download.url.rpartition("/")[2]} or download.url.endswith(ARCHIVES)
            assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in download.files.values())
            given += download.files
        assert len(set(given)) == len(given)
        assert set(corpus.files) <= set(given), f"{name}: its downloads do not give all that it needs"


def test_files_that_are_here_have_the_declared_hashes() -> None:
    compared = {}
    for name, corpus in declared().items():
        for download in corpus.downloads:
            for file, digest in download.files.items():
                for folder in filter(None, os.environ.get("HARNESS_DATA", "").split(os.pathsep)):
                    path = Path(folder) / name.replace("-", "_") / file
                    if path.is_file():
                        compared[path] = (digest, sha256(path.read_bytes()))
    if not compared:
        pytest.skip("no folder of HARNESS_DATA has a file that a corpus declares")
    assert {path: found for path, (_, found) in compared.items()} == {
        path: digest for path, (digest, _) in compared.items()
    }
