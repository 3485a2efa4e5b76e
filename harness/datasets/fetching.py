"""Bringing a corpus's files: each is verified by its SHA-256 before it has its name, and appears whole or not at all.

pooch verifies a download and puts it in its place. A download that breaks off leaves `.<name>.part` behind, with which
the next attempt, or the next call, goes on (HTTP range requests, RFC 9110, section 14).
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Mapping
from http.client import IncompleteRead
from lzma import LZMAError
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import pooch
import requests
import urllib3
from tqdm import tqdm

from harness.contracts import CorpusReader
from harness.errors import DataError
from harness.text_files import find, opened

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LARGEST = 2 * 10**9  # bytes to which a member of an archive may unpack
PAUSES = (0.5, 1.0, 2.0)  # seconds before each further attempt
TIMEOUT = (10, 30)  # seconds to wait for a connection, and for further bytes
CHUNK = 1 << 16  # bytes

_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+|\*)")

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, RuntimeError, OSError)
"""What reading a damaged archive raises, or (RuntimeError) one that is encrypted or packed in an unknown way."""


def fetch(
    reader: type[CorpusReader], name: str, folder: Path, told: Callable[[str], None], progress: bool
) -> list[Path]:
    """Bring every file of the reader's downloads into `folder`, the corpus's own, and return them.

    A file that is there with the declared SHA-256, packed or not, is left alone. `told` receives a line for each file
    and for each connection that broke; with `progress`, stderr shows a bar while a download runs.

    Raises DataError where the corpus has no downloads, a file is there with another content (before anything is
    fetched), a download fails or is not what was declared, an archive is damaged or lacks a file, or the folder can't
    be read or written.
    """
    if not reader.files:
        raise DataError(f"corpus '{name}' is generated: it has no files to fetch")
    them = "it" if len(reader.files) == 1 else "them"
    by_hand = f"get {', '.join(reader.files)} from {reader.about.source} and put {them} into {folder}"
    if not reader.downloads:
        raise DataError(f"corpus '{name}' declares no downloads; {by_hand}")
    pooch.get_logger().setLevel(logging.WARNING)  # it would tell of every file at length
    fetcher = _Fetcher(folder, told, progress, by_hand)
    try:
        there = {
            file: path
            for download in reader.downloads
            for file, digest in download.files.items()
            if (path := _there(folder, file, digest, download.url))
        }
        for path in there.values():
            told(f"{path.name} is there already")
        folder.mkdir(parents=True, exist_ok=True)
        for download in reader.downloads:
            lacking = {file: digest for file, digest in download.files.items() if file not in there}
            if lacking:
                fetcher.bring(download.url, lacking, set(download.files))
    except OSError as error:
        raise DataError(
            f"can't read or write {error.filename or folder}: {_cause(error)}. Free some space, or choose another "
            "folder with --to"
        ) from error
    return [there.get(file, folder / file) for download in reader.downloads for file in download.files]


def _there(folder: Path, name: str, digest: str, url: str) -> Path | None:
    """The file `name` of a folder, packed or not; None where there is none, DataError where it has another SHA-256."""
    file = find(folder, name)
    if file is None:
        return None
    hashed = hashlib.sha256()
    with file.open("rb") if file.name == name else opened(file) as stream:
        while chunk := stream.read(CHUNK):
            hashed.update(chunk)
    if hashed.hexdigest() != digest:
        raise DataError(
            f"{file}: expected SHA-256 {digest}, found {hashed.hexdigest()}: it is not the file of {url}. Move it "
            "away, and the same command brings that one"
        )
    return file


class _Fetcher:
    """Brings files into a folder; `by_hand` says how to do without it."""

    def __init__(self, folder: Path, told: Callable[[str], None], progress: bool, by_hand: str) -> None:
        self.folder, self.told, self.progress, self.by_hand = folder, told, progress, by_hand

    def bring(self, url: str, lacking: Mapping[str, str], files: set[str]) -> None:
        """Bring the files `lacking`, given with their SHA-256, from a URL that has `files`."""
        last = unquote(urlsplit(url).path).rpartition("/")[2]
        if files == {last}:
            self._download(url, last, last, lacking[last])
        elif last.endswith(ARCHIVES):
            archive = self.folder / f".{last}"  # not under its name, which an archive of the user's own may have
            try:
                self._download(url, last, archive.name, None)
                self._take_out(archive, url, lacking)
            finally:
                archive.unlink(missing_ok=True)
        else:
            expected = f"{', '.join(sorted(files))} at its end, or an archive ({', '.join(ARCHIVES)})"
            raise DataError(f"{url}: expected a URL with {expected}, found '{last}'; mend the corpus's downloads")

    def _download(self, url: str, name: str, into: str, digest: str | None) -> None:
        """Download to the file `into`, which is verified where its SHA-256 is known."""
        downloader = _Downloader(self.folder / f".{name}.part", self.told, self.progress, self.by_hand)
        known = digest and f"sha256:{digest}"
        try:
            pooch.retrieve(url, known, into, self.folder.resolve(), downloader=downloader)
        except ValueError as error:  # another SHA-256, and pooch has deleted what came
            raise self._wrong(url, str(digest), downloader.digest) from error
        self.told(f"{name}: {(self.folder / into).stat().st_size:,} bytes from {url}")

    def _take_out(self, archive: Path, url: str, lacking: Mapping[str, str]) -> None:
        """Write the files `lacking` out of an archive.

        A member is known by its base name, so that no path in the archive is followed. Of several of one base name
        that with the declared SHA-256 is taken.
        """
        left = dict(lacking)
        found: dict[str, str] = {}
        try:
            for name, size, stream in _members(archive, left):
                if size > LARGEST:
                    raise DataError(
                        f"{url}, member {name}: expected at most {LARGEST:,} bytes, found {size:,}. Nothing of it was "
                        f"unpacked; if that is its size, {self.by_hand}"
                    )
                found[name] = self._unpack(stream, name, left[name])
                if found[name] == left[name]:
                    del left[name]
                    self.told(f"{name}: {size:,} bytes out of {archive.name[1:]}")
                if not left:
                    break
        except _DAMAGE as error:
            if getattr(error, "errno", None):  # the folder's fault: an OSError of damage has no number
                raise
            damage = str(error).partition("\n")[0].rstrip(":")
            raise DataError(
                f"{url}: expected a whole archive, found damage: {damage}. Run the same command again; if it is the "
                f"same once more, {self.by_hand}"
            ) from error
        for name, digest in left.items():
            if name in found:
                raise self._wrong(f"{url}, member {name}", digest, found[name])
            raise DataError(f"{url}: expected a member {name}, found none; {self.by_hand}")

    def _unpack(self, member: IO[bytes], name: str, digest: str) -> str:
        """Write a member of an archive to the file `name`, if it has this SHA-256; return the one that it has."""
        part = self.folder / f".{name}.part"
        try:
            with member, part.open("wb") as file:
                shutil.copyfileobj(member, file)
            found = str(pooch.file_hash(part))
            if found == digest:
                part.replace(self.folder / name)
            return found
        finally:
            part.unlink(missing_ok=True)

    def _wrong(self, what: str, expected: str, found: str) -> DataError:
        return DataError(
            f"{what}: expected SHA-256 {expected}, found {found}; it was not kept. Run the same command again; if it "
            f"is the same once more, {self.by_hand}"
        )


class _BrokenError(Exception):
    """A response that is no good, though the next one may be."""


_BROKEN = (_BrokenError, requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)
"""What may go better in a further attempt."""


class _Downloader:
    """A downloader of pooch that goes on where it, or one before it, stopped.

    What arrived is kept in `part`; beside it stands the validator (ETag or date) of what it is a part of. `digest`
    is the SHA-256 of what was handed to pooch.
    """

    def __init__(self, part: Path, told: Callable[[str], None], progress: bool, by_hand: str) -> None:
        self.part, self.told, self.progress, self.by_hand = part, told, progress, by_hand
        self.validator = part.with_name(f"{part.name}.validator")
        self.size = part.stat().st_size if part.exists() else 0
        self.total: int | None = None
        self.digest = ""

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Download to `output_file`, which is there and empty; DataError where that fails."""
        for pause in (*PAUSES, None):
            try:
                self._go_on(url)
                break
            except (*_BROKEN, requests.RequestException) as error:
                if pause is None or not isinstance(error, _BROKEN):
                    raise self._failed(url, error) from error
                self.told(f"{url}: {self._arrived()}, then: {_cause(error)}; trying again")
                time.sleep(pause)
        self.validator.unlink(missing_ok=True)
        self.digest = str(pooch.file_hash(self.part))  # which pooch takes again, and tells in words only
        self.part.replace(output_file)

    def _go_on(self, url: str) -> None:
        """Ask once for what is still to come and add it to the part; raise one of _BROKEN where that is not all."""
        headers = {"Accept-Encoding": "identity"}  # ranges and lengths are then those of the file
        if self.size:
            headers["Range"] = f"bytes={self.size}-"
            if self.validator.exists():
                headers["If-Range"] = self.validator.read_text(encoding="latin-1")
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            status, sent = response.status_code, response.headers.get("Content-Range", "")
            if status == 200:
                self._begin(response)
            elif status == 206:
                match = _RANGE.fullmatch(sent)
                if match is None or int(match["start"]) != self.size:
                    self._forget()
                    raise _BrokenError("the server sent another range than it was asked for")
                self.total = None if match["total"] == "*" else int(match["total"])
            elif status == 416 and self.size:
                if sent == f"bytes */{self.size}":
                    return  # all of it is here
                self._forget()
                raise _BrokenError("what arrived before is no part of what the server has")
            else:
                raise self._refused(url, f"{status} {response.reason}")
            self._receive(response)

    def _begin(self, response: requests.Response) -> None:
        """Begin anew, and note the validator of what is now to come; If-Range takes no weak ETag."""
        self._forget()
        length = response.headers.get("Content-Length", "")
        self.total = int(length) if length.isdecimal() else None
        etag = response.headers.get("ETag", "")
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        if validator:
            self.validator.write_text(validator, encoding="latin-1")

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)
        self.size = 0

    def _receive(self, response: requests.Response) -> None:
        bar = tqdm(
            desc=self.part.name[1:].removesuffix(".part"), total=self.total, initial=self.size, unit="B",
            unit_scale=True, leave=False, disable=not self.progress,
        )  # fmt: skip
        with bar, self.part.open("ab") as file:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                file.write(chunk)
                self.size += len(chunk)
                bar.update(len(chunk))
        if self.total is not None and self.size < self.total:
            raise _BrokenError("the connection ended")

    def _arrived(self) -> str:
        return f"{self.size:,} of {'an unknown number of' if self.total is None else f'{self.total:,}'} bytes arrived"

    def _failed(self, url: str, error: Exception) -> DataError:
        if not self.size:
            return self._refused(url, _cause(error))
        return DataError(
            f"{url}: {self._arrived()}, then: {_cause(error)}. Run the same command again: it goes on where it "
            f"stopped, if the server can; or {self.by_hand}"
        )

    def _refused(self, url: str, cause: str) -> DataError:
        return DataError(f"can't fetch {url}: {cause}. Run the same command again later; or {self.by_hand}")


def _members(archive: Path, names: Container[str]) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Base name, unpacked size and content of every regular file in an archive that has one of these base names."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if (name := _base(entry.filename)) in names:
                    yield name, entry.file_size, zipped.open(entry)
    else:
        with tarfile.open(archive) as tarred:
            for member in tarred:
                if member.isreg() and (name := _base(member.name)) in names and (content := tarred.extractfile(member)):
                    yield name, member.size, content
            while tarred.fileobj and tarred.fileobj.read(CHUNK):  # up to its checksum: tarfile stops where damage
                pass  # makes a member's head unreadable, and says nothing


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _cause(error: BaseException) -> str:
    """What lies at the bottom of an error of requests or pooch, which wrap it several times."""
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    if isinstance(error, IncompleteRead):
        return "the connection ended"
    return getattr(error, "strerror", None) or str(error).rstrip(".") or type(error).__name__
