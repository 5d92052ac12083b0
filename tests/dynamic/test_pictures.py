"""Pictures: which images are the easiest and the hardest, and files that open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steelyard.dynamic.curves import anytime_curve, budgeted_curve
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.pictures import (
    Static,
    easiest_and_hardest,
    save_accuracy,
    save_examples,
    save_exits,
)
from steelyard.dynamic.policies import Confidence
from steelyard.errors import ShapeError, UsageError

Made = Callable[..., ExitOutputs]
COSTS = np.array([1e6, 2e6, 4e6, 8e6])


def test_easiest_and_hardest() -> None:
    exits = np.array([0, 0, 2, 1, 2, 0])
    scores = np.array([0.9, 0.95, 0.6, 0.8, 0.5, 0.99])
    chosen = np.array([True] * 5 + [False])
    easy, hard = easiest_and_hardest(exits, scores, chosen, 2)
    assert (easy.tolist(), hard.tolist()) == ([1, 0], [4, 2])
    easy, hard = easiest_and_hardest(exits, scores, chosen, 9)
    assert sorted([*easy, *hard]) == [0, 1, 2, 3, 4]
    easy, hard = easiest_and_hardest(exits, scores, np.zeros(6, dtype=bool), 3)
    assert len(easy) == len(hard) == 0


def test_files(made: Made, tmp_path: Path) -> None:
    outputs = made(samples=60)
    curves = [anytime_curve(outputs, COSTS), budgeted_curve(Confidence(), outputs, outputs, COSTS, budgets=3)]  # fmt: skip
    static = Static("a $static$ network", 3e6, 0.7)
    save_accuracy(curves, tmp_path / "a.svg", statics=[static], title="Accuracy")
    text = (tmp_path / "a.svg").read_text()
    assert "a $static$ network" in text
    assert "mean cost of an image (MACs)" in text
    exits, labels = np.arange(60) % 4, outputs.labels
    names = [f"class {i}" for i in range(5)]
    save_exits(exits, labels, names, tmp_path / "e.svg", number=4, title="Exits")
    assert "class 4" in (tmp_path / "e.svg").read_text()
    images = np.zeros((60, 4, 4), dtype=np.uint8)
    save_examples(images, labels, exits, np.ones(60), labels, names, tmp_path / "x.png", each=2)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot save a chart"):
        save_accuracy([], tmp_path / "a.txt")
    some = np.zeros(2, dtype=np.int64)
    with pytest.raises(ShapeError, match="lengths"):
        save_examples(np.zeros((3, 4, 4), np.uint8), some, some, some.astype(float), some, ["a"], tmp_path / "x.png")  # fmt: skip
