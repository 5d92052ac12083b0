"""Files of tensors, read by the safetensors library's rules and by our own reader."""

import hashlib
import json
import struct
from pathlib import Path

import torch

from steelyard.train.tensors import hash_file, write_tensors
from steelyard.zoo.weights.tensorfiles import read_tensors

TENSORS = {
    "a": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "scalar": torch.tensor(3.5, dtype=torch.float64),
    "empty": torch.empty(0, 4),
    "whole": torch.arange(-2, 3, dtype=torch.int64),
    "half": torch.randn(3, dtype=torch.bfloat16),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "yes": torch.tensor([True, False]),
    "strided": torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last),
}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    digest, size = write_tensors(path, TENSORS)
    again = read_tensors(path)
    assert list(again) == list(TENSORS)
    assert all(torch.equal(again[k], v) and again[k].dtype == v.dtype for k, v in TENSORS.items())
    content = path.read_bytes()
    assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content)) == hash_file(path)


def test_the_layout_is_the_formats(tmp_path: Path) -> None:
    # huggingface.co/docs/safetensors: length of the header, header, tensors without holes
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"t": torch.tensor([1.0, 2.0])})
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    assert header == {"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    assert content[8 + length :] == struct.pack("<2f", 1.0, 2.0)
