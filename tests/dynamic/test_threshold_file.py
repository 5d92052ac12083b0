"""Files of thresholds: read as written, refused for another network, and damaged in many ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.learnt import fit_learnt
from steelyard.dynamic.policies import Confidence
from steelyard.dynamic.threshold_file import load_thresholds, save_thresholds, thresholds_dict
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import FileFormatError, InputError

Made = Callable[..., ExitOutputs]
PLAIN = Thresholds(Confidence(), (1 / 3, np.inf, -np.inf), (0.9, 1.0, 1.1, 2.0), "ab" * 32, 3e7, "MACs")  # fmt: skip


def test_as_written(tmp_path: Path) -> None:
    save_thresholds(PLAIN, tmp_path / "t.json")
    assert load_thresholds(tmp_path / "t.json", model="ab" * 32) == PLAIN
    data = json.loads((tmp_path / "t.json").read_text())
    assert data["schema"] == "steelyard.thresholds/1"
    assert data["thresholds"] == [1 / 3, "never", "always"]


def test_a_learnt_policy_decides_the_same_when_read_again(made: Made, tmp_path: Path) -> None:
    thresholds = Thresholds(fit_learnt(made()), (0.8, 0.8, 0.8))
    again = load_thresholds(save_thresholds(thresholds, tmp_path / "t.json"), model="any")
    assert (again.decide(made(seed=1)) == thresholds.decide(made(seed=1))).all()


def test_of_another_network(tmp_path: Path) -> None:
    save_thresholds(PLAIN, tmp_path / "t.json")
    with pytest.raises(
        InputError, match=r"solved for another network \(fingerprint abababab"
    ) as said:
        load_thresholds(tmp_path / "t.json", model="cd" * 32)
    assert "validation data" in said.value.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "steelyard.thresholds/2"}, "schema 'steelyard.thresholds/2'"),
        ({"policy": {"name": "luck"}}, "the policy 'luck' is unknown"),
        ({"policy": {"name": ["x"]}}, "is unknown"),
        ({"policy": {"name": "learnt", "weights": [[1.0, 2.0]]}}, "do not fit"),
        ({"policy": {"name": "learnt"}}, "missing or no numbers"),
        ({"thresholds": [0.5, "sometimes", 1]}, "the threshold 'sometimes'"),
        ({"thresholds": [0.5, True, 1]}, "the threshold True"),
        ({"thresholds": 3}, "TypeError"),
        ({"temperatures": [1.0]}, "temperatures"),
        ({"model": None}, "None where text was expected"),
        ({"budget": "much"}, "ValueError"),
    ],
)
def test_damaged(change: dict[str, object], said: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(thresholds_dict(PLAIN) | change))
    with pytest.raises(FileFormatError, match=said):
        load_thresholds(tmp_path / "t.json")


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"{", b"[" * 100_000])
def test_no_thresholds_at_all(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(FileFormatError):
        load_thresholds(tmp_path / "t.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_thresholds(tmp_path / "none.json")
