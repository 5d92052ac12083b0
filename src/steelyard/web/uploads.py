"""`Uploads`: files that users hand in: streamed to a quota, read in a child process with limits, kept until deleted.

Each has a folder of the store: ``upload.json`` (what it is), the file under a name of ours, ``workload.json`` (what
was read from it). While it arrives the folder has another name; a server that is ended leaves nothing half.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from steelyard.errors import SteelyardError, UsageError
from steelyard.report.escape import printable
from steelyard.report.files import write_file
from steelyard.report.jsontext import dumps
from steelyard.web.disk import clear, remove, room
from steelyard.web.pool import Helper
from steelyard.web.problems import Refused
from steelyard.web.settings import Limits

_KINDS = {".onnx": "onnx", ".pt2": "pt2", ".json": "json"}
_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was handed in.

    Attributes:
        id: its name here.
        name: its name at the user's, made inert.
        kind: ``onnx``, ``pt2`` or ``json`` (a workload).
        bytes: its size.
        sha256: of its content.
        layers: of the network in it.
        created: UTC, ISO 8601.
        note: what was assumed; "" if nothing.
        batch: samples that the network in it takes at once.
    """

    id: str
    name: str
    kind: str
    bytes: int
    sha256: str
    layers: int
    created: str
    note: str = ""
    batch: int = 1


class Uploads:
    """The uploads of one store, for one server.

    Args:
        folder: of the store.
        limits: how many, how large.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._known: dict[str, Upload] = {}
        self._arriving = 0
        self._reading = asyncio.Semaphore(1)

    def open(self) -> None:
        """Looks what is there; what is damaged is left alone and not shown."""
        clear(self._folder)
        for path in sorted(self._folder.glob("*/upload.json")):
            with suppress(OSError, ValueError, TypeError):
                found = Upload(**json.loads(path.read_text("utf-8")))
                if found.id == path.parent.name:
                    self._known[found.id] = found

    def all(self) -> list[Upload]:
        """What there is, the newest first."""
        return sorted(self._known.values(), key=lambda upload: upload.created, reverse=True)

    def file(self, name: str) -> Path:
        """The file of an upload.

        Raises:
            Refused: there is none.
        """
        found = self.find(name)
        return self._folder / found.id / f"network.{found.kind}"

    async def workload(self, name: str, resolution: int | None) -> dict[str, Any]:
        """The network of an upload, as `steelyard.web.answers` takes it.

        Raises:
            Refused: there is none.
        """
        found = self.find(name)
        plain = str(self._folder / found.id / "workload.json")
        if resolution is None:
            return {"file": plain, "plain": plain, "name": found.name}
        return {
            "file": str(self.file(name)), "plain": plain, "name": found.name, "resolution": resolution,
        }  # fmt: skip

    async def add(self, name: str, chunks: AsyncIterator[bytes], length: int | None) -> Upload:
        """Keeps a file and reads the network in it.

        Args:
            name: at the user's; its ending says what it is.
            chunks: the content.
            length: bytes that are announced, if any.

        Raises:
            Refused: too large, too many, or no room.
            UsageError: an ending that is not known.
            SteelyardError: the file holds no network.
        """
        kind = _KINDS.get(Path(name).suffix.lower())
        if kind is None:
            raise UsageError(
                f"a file named {printable(name)[-80:]!r}",
                expected="a name that ends in .onnx, .pt2 or .json",
            )
        self._check(length or 0)
        identifier = secrets.token_hex(8)
        arriving = self._folder / f".new-{identifier}"
        taken = [0]
        try:
            with room("the upload"):
                await asyncio.to_thread(arriving.mkdir, parents=True)
                digest = await self._receive(arriving / f"network.{kind}", chunks, taken)
                label = printable(Path(name.replace("\\", "/")).name)[-120:]
                found = await self._read(arriving / f"network.{kind}", label)
                now = datetime.now(UTC).isoformat(timespec="milliseconds")
                made = Upload(
                    identifier, label, kind, taken[0], digest, found["layers"], now,
                    found["note"], found["batch"],
                )  # fmt: skip
                await asyncio.to_thread(write_file, arriving / "workload.json", found["workload"])
                await asyncio.to_thread(write_file, arriving / "upload.json", dumps(asdict(made)))
                arriving.rename(self._folder / identifier)
        finally:
            self._arriving -= taken[0]
            await asyncio.to_thread(remove, arriving)
        self._known[identifier] = made
        return made

    async def delete(self, name: str) -> Upload:
        """Forgets an upload.

        Raises:
            Refused: there is none.
        """
        found = self.find(name)
        del self._known[name]
        await asyncio.to_thread(remove, self._folder / found.id)
        return found

    def find(self, name: str) -> Upload:
        """The upload of that name.

        Raises:
            Refused: there is none.
        """
        if name not in self._known:
            raise Refused(404, "NotFound", f"there is no upload {name}", hint="GET /api/uploads")
        return self._known[name]

    def _check(self, more: int) -> None:
        """Raises `Refused` if so many more bytes are too many."""
        limits = self._limits
        if more > limits.upload_bytes:
            raise Refused(
                413,
                "TooLarge",
                f"a file of {more} bytes",
                expected=f"at most {limits.upload_bytes}",
            )
        kept = sum(upload.bytes for upload in self._known.values())
        if (
            kept + self._arriving + more > limits.uploads_bytes
            or len(self._known) >= limits.uploads
        ):
            raise Refused(
                413,
                "TooLarge",
                f"{len(self._known)} files of {kept} bytes are kept already",
                expected=f"at most {limits.uploads} of {limits.uploads_bytes} bytes together",
                hint="delete some",
            )

    async def _receive(self, path: Path, chunks: AsyncIterator[bytes], taken: list[int]) -> str:
        digest = hashlib.sha256()
        waiting = bytearray()
        with path.open("xb") as file:
            async for chunk in chunks:
                taken[0] += len(chunk)
                self._arriving += len(chunk)
                self._check_arriving(taken[0])
                waiting += chunk
                if len(waiting) >= _AT_ONCE:
                    await asyncio.to_thread(_store, file, digest, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(_store, file, digest, bytes(waiting))
        return digest.hexdigest()

    def _check_arriving(self, size: int) -> None:
        if size > self._limits.upload_bytes:
            self._check(size)
        self._check(0)

    async def _read(self, path: Path, name: str) -> dict[str, Any]:
        """What is in a file: ``workload`` (as JSON), ``layers``, ``batch``, ``note``; read by a process that does only that."""
        limits = self._limits
        async with self._reading:
            helper = Helper(limits.parse_bytes)
            try:
                answer = await helper.ask(
                    {"do": "parse", "file": str(path), "name": name}, limits.parse_s
                )
            except SteelyardError as error:
                raise _without_path(error, path) from None
            finally:
                await helper.close()
        found: dict[str, Any] = await asyncio.to_thread(json.loads, answer)
        return found


def _store(file: BinaryIO, digest: Any, content: bytes) -> None:
    digest.update(content)
    file.write(content)
    file.flush()


def _without_path(error: SteelyardError, path: Path) -> SteelyardError:
    """The same error, which names no place on this machine and nothing that the workbench does not take."""
    given, expected, hint = (
        text.replace(repr(str(path)), "the file").replace(str(path), "the file").replace(path.name, "the file")
        for text in (error.given, error.expected, error.hint)
    )  # fmt: skip
    hint = hint.partition(", or give package.module:callable")[0]
    if isinstance(error, Refused):
        return Refused(error.status, error.kind, given, expected=expected, hint=hint)
    return type(error)(given, expected=expected, hint=hint)
