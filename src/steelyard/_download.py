"""`download`: a file with a known hash, over https, resumed where it was cut, complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from steelyard.errors import BackendError, FileFormatError, UsageError

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes of the whole file, None if unknown."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TIMEOUT_S = 30.0
TRIES = 4
MAX_BYTES = 8 * 1024**3
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Advice:
    """What a user is told to do where a download fails.

    Attributes:
        by_hand: how to use a file had from elsewhere.
        room: how to choose another folder; "a folder with more room" follows.
    """

    by_hand: str
    room: str = "set STEELYARD_CACHE to"


def download(
    url: str,
    sha256: str,
    target: Path,
    advice: Advice,
    *,
    progress: Progress | None = None,
    pause_s: float = 1.0,
) -> Path:
    """The file behind ``url``, from ``target`` if it is there already.

    It is written beside its final name, flushed to disk, checked and renamed. What was cut off stays there
    and is continued, a few times at once and by the next call.

    Args:
        url: https; http from this machine only.
        sha256: the file's hash or its first 8 or more hexadecimal digits.
        target: where it goes; its folder is made if need be.
        advice: for errors.
        progress: told about every piece.
        pause_s: before the second try; twice as long before each further one.

    Raises:
        UsageError: an address or hash of another kind.
        FileFormatError: the file has another hash.
        BackendError: no network, no such file there, the connection cut again and again, the disk full.
    """
    _check(url, sha256)
    with _explained(url, target, advice):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        with locked(target.with_name(f".{target.name}.lock")):
            if target.is_file() and file_hash(target).startswith(sha256):
                return target
            _fetch(url, part, progress, pause_s)
            found = file_hash(part)
            if not found.startswith(sha256):
                part.unlink()
                raise FileFormatError(
                    f"{url} is not the file that is expected: its SHA-256 begins with {found[:16]}",
                    expected=sha256,
                    hint="a second time; if it fails again, the file was changed or is not to be trusted",
                )
            part.replace(target)
    return target


@contextlib.contextmanager
def progress_line(what: str, *, quiet: bool) -> Iterator[Progress | None]:
    """Shows how much is here, on one line of the terminal that is written over itself; None without a terminal."""

    def show(here: int, total: int | None) -> None:
        of = f" of {total / 1e6:,.0f} MB ({here / total:.0%})" if total else " MB"
        sys.stderr.write(f"\r{what}: {here / 1e6:,.0f}{of}\x1b[K")
        sys.stderr.flush()

    if quiet or not sys.stderr.isatty():
        yield None
        return
    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file, hexadecimal."""
    with path.open("rb") as file:
        made = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
        return made.hexdigest()


def _check(url: str, sha256: str) -> None:
    parts = urlsplit(url)
    if not _allowed(url) or not Path(parts.path).name:
        raise UsageError(f"{url!r} is no address to download from", expected="https://host/file")
    if not re.fullmatch(r"[0-9a-f]{8,64}", sha256):
        raise UsageError(
            f"{sha256!r} is no SHA-256", expected="8 to 64 hexadecimal digits, lower case"
        )


def _allowed(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not _allowed(newurl):
            fp.close()
            raise urllib.error.URLError(f"it points on to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Cut(Exception):
    """The connection ended before the file did."""


def _fetch(url: str, part: Path, progress: Progress | None, pause_s: float) -> None:
    """Brings ``part`` up to the whole file, in several goes if need be."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(pause_s * 2 ** (attempt - 1))
        try:
            return _continue(url, part, progress)
        except (_Cut, ConnectionError, http.client.HTTPException) as error:
            cause: Exception = error
        except urllib.error.URLError as error:
            # an answer of the server, or a name that does not resolve, will be the same next time
            if not isinstance(error.reason, (TimeoutError, ConnectionResetError)):
                raise
            cause = error
    have = part.stat().st_size if part.exists() else 0
    raise BackendError(
        f"the connection to {urlsplit(url).hostname} was cut {TRIES} times; {have:,} bytes are here: {cause}",
        hint="the same again: it goes on where it stopped",
    )


def _continue(url: str, part: Path, progress: Progress | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "steelyard"})  # noqa: S310 - https, see _allowed
    if have:
        request.add_header("Range", f"bytes={have}-")
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        response = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            # all of it is here already, or it has become shorter: the hash decides
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
            raise _Cut("the server no longer knows the rest") from error
        raise
    with response:
        if response.status != 206:
            have = 0
        _copy(response, part, have, progress)


def _copy(
    response: http.client.HTTPResponse, part: Path, have: int, progress: Progress | None
) -> None:
    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isdecimal() else None
    if total is not None and total > MAX_BYTES:
        raise BackendError(f"the file has {total:,} bytes", expected=f"at most {MAX_BYTES:,}")
    with part.open("r+b" if have else "wb") as file:
        file.seek(have)
        file.truncate()
        while chunk := _read(response):
            file.write(chunk)
            have += len(chunk)
            if have > MAX_BYTES:
                raise BackendError(f"the file does not end after {MAX_BYTES:,} bytes")
            if progress is not None:
                progress(have, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and have < total:
        raise _Cut(f"{have:,} of {total:,} bytes came")


def _read(response: http.client.HTTPResponse) -> bytes:
    """The next piece; apart, so that errors of the network are not taken for errors of the disk."""
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(str(error) or type(error).__name__) from error


@contextlib.contextmanager
def _explained(url: str, target: Path, advice: Advice) -> Iterator[None]:
    """Errors of the network and of the disk in words."""
    host = urlsplit(url).hostname
    try:
        yield
    except urllib.error.HTTPError as error:
        raise BackendError(
            f"{host} answered {error.code} {error.reason} for {url}",
            hint=f"{advice.by_hand} if you have the file from elsewhere",
        ) from error
    except urllib.error.URLError as error:
        raise BackendError(
            f"{host} cannot be reached: {error.reason}",
            hint=f"download {url} by other means, and {advice.by_hand}",
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            # half a file on a full disk is in everybody's way
            target.with_name(f"{target.name}.part").unlink(missing_ok=True)
            raise BackendError(
                f"the disk is full: {target.parent} has no room for {target.name}",
                hint=f"{advice.room} a folder with more room",
            ) from error
        raise BackendError(
            f"{target} cannot be written: {error.strerror or error}",
            hint=f"{advice.room} a folder that can be written",
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time writes a file; without `fcntl` (Windows) that is the user's affair."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
