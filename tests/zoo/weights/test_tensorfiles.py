"""Files of tensors: both formats, wrappings, damage, and code that must not run."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from steelyard.errors import FileFormatError
from steelyard.zoo.weights.tensorfiles import read_tensors

TENSORS = {
    "a": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "b.c": torch.tensor(7),
    "half": torch.tensor([1.5, -2.0]).half(),
    "bf": torch.tensor([0.5]).bfloat16(),
    "empty": torch.zeros(0, 3),
}
NAMES = {torch.float32: "F32", torch.int64: "I64", torch.float16: "F16", torch.bfloat16: "BF16"}


def safetensors(tensors: dict[str, Tensor], **changes: object) -> bytes:
    """The format as its specification states it, written down independently."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, value in tensors.items():
        raw = (
            bytes(value.contiguous().flatten().view(torch.uint8).tolist()) if value.numel() else b""
        )
        header[name] = {
            "dtype": NAMES[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    header |= changes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a
    )


def test_safetensors(tmp_path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(TENSORS))
    assert same(read_tensors(path), TENSORS)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saves(tmp_path, suffix, zipped) -> None:
    path = tmp_path / f"a{suffix}"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(path), TENSORS)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_a_checkpoint_around_the_tensors(tmp_path, key) -> None:
    path = tmp_path / "a.pt"
    torch.save({"epoch": 3, key: {f"module.{k}": v for k, v in TENSORS.items()}}, path)
    assert same(read_tensors(path), TENSORS)


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.path),)


def test_code_in_a_pickle_does_not_run(tmp_path) -> None:
    """The same file makes a folder when it is loaded without care."""
    trap, path = tmp_path / "trap", tmp_path / "evil.pth"
    for protocol in (2, 4):
        path.write_bytes(pickle.dumps({"a": _Evil(trap)}, protocol=protocol))
        with pytest.raises(FileFormatError, match=r"(?s)evil\.pth is damaged.*expected:"):
            read_tensors(path)
    torch.save({"a": _Evil(trap)}, path)
    with pytest.raises(
        FileFormatError, match=r"holds more than tensors and would run code.*\n.*\ntry: "
    ):
        read_tensors(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists()


def test_a_whole_network_in_a_pickle_is_refused(tmp_path) -> None:
    path = tmp_path / "net.pt"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(FileFormatError, match="holds more than tensors"):
        read_tensors(path)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"a": 1},
        {1: torch.zeros(1)},
        torch.zeros(2),
        {"a": torch.zeros(2, device="meta")},
        {"a": torch.eye(2).to_sparse()},
    ],
    ids=str,
)
def test_other_things_than_tensors_by_name(tmp_path, content) -> None:
    path = tmp_path / "a.pt"
    torch.save(content, path)
    with pytest.raises(FileFormatError, match="something else than tensors by name"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("name", "says"),
    [("a.bin", r"no file of weights that can be read\nexpected: .safetensors, .pt, .pth"),
     ("a.pt", "does not exist"), ("folder.pt", "is no regular file")],
)  # fmt: skip
def test_no_such_file(tmp_path, name, says) -> None:
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(FileFormatError, match=says):
        read_tensors(tmp_path / name)


def test_files_that_may_not_be_read(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(TENSORS))

    def refused(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(FileFormatError, match="cannot be read: Permission denied"):
        read_tensors(path)


@pytest.mark.parametrize(
    "change",
    [
        {"a": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 24]}},
        {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [4, 28]}},
        {"a": {"dtype": "F99", "shape": [2, 3], "data_offsets": [0, 24]}},
        {"a": {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]}},
        {"a": {"dtype": "F32", "shape": "23", "data_offsets": [0, 24]}},
        {"a": {"dtype": "F32", "data_offsets": [0, 24]}},
        {"a": [], "b.c": 1},
        {"more": {"dtype": "F32", "shape": [9], "data_offsets": [43, 79]}},
    ],
    ids=str,
)
def test_headers_that_lie(tmp_path, change) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(TENSORS, **change))
    with pytest.raises(FileFormatError, match="is damaged"):
        read_tensors(path)


@pytest.mark.parametrize("kind", ["safetensors", "pt", "legacy.pt"])
def test_every_cut_is_noticed(tmp_path, kind) -> None:
    whole, cut = tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"
    if kind == "safetensors":
        whole.write_bytes(safetensors(TENSORS))
    else:
        torch.save(TENSORS, whole, _use_new_zipfile_serialization=kind == "pt")
    content = whole.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 60)):
        cut.write_bytes(content[:length])
        with pytest.raises(FileFormatError):
            read_tensors(cut)


@given(st.binary(max_size=200))
def test_noise_is_never_more_than_an_error(tmp_path_factory, noise) -> None:
    folder = tmp_path_factory.mktemp("noise")
    for name in ("a.safetensors", "a.pt"):
        (folder / name).write_bytes(noise)
        with pytest.raises(FileFormatError):
            read_tensors(folder / name)
