"""`get_data`: the files of a data set, downloaded and checked, or an error that says what to do instead."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from steelyard._download import Advice, Progress, download, file_hash, locked
from steelyard.data.registry import data_info, data_root, present
from steelyard.data.source import Download
from steelyard.errors import BackendError, FileFormatError, UsageError

_MOST_BYTES = 1 << 30
"""Of a file in an archive."""

Shown = Callable[[str], AbstractContextManager[Progress | None]]


def get_data(name: str, *, root: Path | None = None, shown: Shown | None = None) -> Path:
    """The folder of a data set, after its files have been downloaded if need be.

    Every file has a pinned SHA-256, and where its publishers state an MD5, that is checked as well. What was cut
    off is continued by the next call; a file that is there under its name is whole.

    Args:
        name: of `list_data`.
        root: as of `load_data`.
        shown: called with what is being fetched, gives the function that is told how far it is.

    Raises:
        UsageError: it cannot be downloaded, or there is no need to.
        UnknownNameError: no data set of that name.
        FileFormatError: a file is not the one that is expected.
        BackendError: no network, the connection was cut again and again, the disk is full.
    """
    info = data_info(name)
    if not info.downloads:
        what = "comes with steelyard" if info.needs == "nothing" else "cannot be downloaded"
        raise UsageError(f"{name} {what}", hint=info.help or f"steelyard data show {name}")
    here = present(info, root)
    if here is not None:
        return here
    folder = data_root(root) / name
    advice = Advice(f"{name}:FOLDER", "set STEELYARD_CACHE to" if root is None else "--root")
    with _explained(folder, advice):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(f".{name}.lock")):
            # another process may have brought it while this one waited
            if present(info, root) is None:
                for file in info.downloads:
                    _fetch(file, folder, advice, shown)
    return folder


def _fetch(file: Download, folder: Path, advice: Advice, shown: Shown | None) -> None:
    progress = shown(f"downloading {file.name}") if shown else contextlib.nullcontext()
    with progress as told:
        path = download(file.url, file.sha256, folder / file.name, advice, progress=told)
    if file.md5 and file_hash(path, "md5") != file.md5:
        path.unlink()
        raise FileFormatError(
            f"{file.url} has another MD5 than its publishers state", expected=file.md5
        )
    if file.members:
        _unpack(path, file.members, folder)
        path.unlink()


def _unpack(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Takes the files out of an archive, each complete or not at all, and nothing else; paths in it do not count."""
    missing = list(members)
    made: list[Path] = []
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for member in packed:
                name = member.name.rpartition("/")[2]
                if not member.isfile() or name not in missing or member.size > _MOST_BYTES:
                    continue
                source = packed.extractfile(member)
                if source is None:
                    continue
                missing.remove(name)
                made.append(folder / f"{name}.part")
                with source, made[-1].open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                    target.flush()
                    os.fsync(target.fileno())
        if missing:
            raise FileFormatError(
                f"{archive} does not hold {', '.join(missing)}", expected=", ".join(members)
            )
        # in the order of the list: the last one shows that all are there
        for name in members:
            (folder / f"{name}.part").replace(folder / name)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{archive} cannot be unpacked: {error}") from error
    finally:
        for part in made:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(folder: Path, advice: Advice) -> Iterator[None]:
    """Errors of the disk in words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise BackendError(
                f"the disk is full: {folder} has no room",
                hint=f"{advice.room} a folder with more room",
            ) from error
        raise BackendError(
            f"{folder} cannot be written: {error.strerror or error}",
            hint=f"{advice.room} a folder that can be written",
        ) from error
