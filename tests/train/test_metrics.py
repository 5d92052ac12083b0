"""The record of a run: rows in order, cut back exactly, and noticed where it was changed."""

from pathlib import Path

import pytest

from steelyard.errors import FileFormatError
from steelyard.train.metrics import Record, read_rows


def test_rows_behind_a_checkpoint_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    record = Record(path)
    record.add({"kind": "step", "loss": 0.5})
    size, digest = record.flush()
    record.add({"kind": "step", "loss": 0.25})
    record.close()
    path.write_bytes(path.read_bytes() + b'{"kind": "st')
    again = Record(path, size, digest)
    again.add({"kind": "epoch", "loss": 0.125})
    again.close()
    assert read_rows(path) == [{"kind": "step", "loss": 0.5}, {"kind": "epoch", "loss": 0.125}]
    assert read_rows(path, "epoch") == [{"kind": "epoch", "loss": 0.125}]


def test_a_last_line_that_was_not_finished_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n{"b": ')
    assert read_rows(path) == [{"a": 1}]
    path.write_text("[1]\n")
    with pytest.raises(FileFormatError, match="line 1"):
        read_rows(path)
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_rows(tmp_path / "none")


def test_a_record_that_was_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    record = Record(path)
    record.add({"a": 1})
    size, digest = record.flush()
    record.close()
    path.write_text('{"a": 2}\n')
    with pytest.raises(FileFormatError, match="not as it was"):
        Record(path, size, digest)
    path.write_text('{"a"')
    with pytest.raises(FileFormatError, match="not as it was"):
        Record(path, size, digest)
