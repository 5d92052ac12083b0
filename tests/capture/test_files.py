"""Foreign files: what is refused, and how a file is told from what its name says."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from steelyard.capture.files import open_regular, read_regular, require_kind, sniff
from steelyard.errors import FileFormatError


def _message(call: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(FileFormatError) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    return str(caught.value)


def test_missing_and_empty_files_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "net.onnx"
    assert _message(sniff, missing) == f"there is no file '{missing}'"
    missing.write_bytes(b"")
    assert _message(sniff, missing) == f"'{missing}' is empty (0 bytes)"


def test_directories_fifos_devices_and_sockets_are_refused_at_once(tmp_path: Path) -> None:
    assert _message(sniff, tmp_path) == f"'{tmp_path}' is a directory\nexpected: a regular file"
    fifo = tmp_path / "net.pt2"
    os.mkfifo(fifo)
    started = time.monotonic()
    assert "is a FIFO (named pipe)\nexpected: a regular file" in _message(sniff, fifo)
    assert time.monotonic() - started < 1
    assert "is a character device" in _message(sniff, "/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "is a socket" in _message(sniff, tmp_path / "s")


def test_links_are_followed_and_loops_and_nul_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "a.json")
    assert sniff(tmp_path / "link") == "json"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read" in _message(sniff, tmp_path / "loop")
    assert "cannot be read" in _message(sniff, "a\x00b")


def test_unreadable_files_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"abc")

    def refuse(*args: object, **kwargs: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert _message(sniff, path) == f"'{path}' cannot be read: Permission denied"


def test_size_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1, 2]")
    assert read_regular(path, max_bytes=6) == b"[1, 2]"
    assert (
        _message(read_regular, path, max_bytes=5)
        == f"'{path}' has 6 bytes\nexpected: at most 5 bytes"
    )
    with open_regular(path) as file:
        assert file.read() == b"[1, 2]"


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _saved(value: object, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def _safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


_FILES = [
    ("checkpoint", _saved({"weight": torch.zeros(2)})),
    ("pickle", _saved({"weight": torch.zeros(2)}, legacy=True)),
    ("pickle", pickle.dumps([1, 2])),
    ("npz", _npz()),
    ("safetensors", _safetensors()),
    ("pt2", _zip(**{"net/models/model.json": b"{}", "net/archive_format": b"pt2"})),
    ("pt2", _zip(**{"serialized_exported_program.json": b"{}", "version": b"8.8"})),
    (
        "compiled",
        _zip(**{"net/data/aotinductor/model/a.so": b"x", "net/archive_format": b"pt2"}),
    ),
    ("zip", _zip(**{"a.txt": b"hello"})),
    ("zip", b"PK\x03\x04 and then nothing"),
    ("json", b' \n {"schema": 1}'),
    ("json", b"[]"),
    ("text", b"[build-system]\nrequires = []\n"),
    ("gzip", b"\x1f\x8b\x08\x00"),
    ("hdf5", b"\x89HDF\r\n\x1a\n"),
    ("tflite", b"\x1c\x00\x00\x00TFL3"),
    ("unknown", b"\xff\xfe\xfd\x00\x01"),
    ("unknown", b"\x00" * 100),
]


@pytest.mark.parametrize(
    ("kind", "data"), _FILES, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(_FILES)]
)
def test_sniff_tells_files_by_content(tmp_path: Path, kind: str, data: bytes) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(data)
    assert sniff(path) == kind


def test_torchscript_is_told_from_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    assert sniff(path) == "torchscript"


def test_every_onnx_network_of_the_onnx_package_is_told() -> None:
    onnx = pytest.importorskip("onnx")
    paths = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))
    assert len(paths) >= 9
    assert {sniff(path) for path in paths} == {"onnx"}


def test_what_a_file_is_instead_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(_saved({"weight": torch.zeros(2)}))
    message = _message(require_kind, path, "onnx")
    assert message.startswith(
        f"'{path}' is a PyTorch checkpoint (a pickle in a zip): weights, not a network\n"
        "expected: an ONNX model\ntry: export the network with torch.export.save("
    )
    path.write_bytes(_zip(**{"net/models/model.json": b"{}"}))
    assert _message(require_kind, path, "onnx").endswith("try: name it 'net.pt2'")
    require_kind(path, "pt2")
