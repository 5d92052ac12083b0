"""Contact sheets and counts of classes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from steelyard.data.dataset import ArrayDataset
from steelyard.data.registry import load_data
from steelyard.data.sheet import class_counts, contact_sheet
from steelyard.errors import MissingExtraError

COLOURS = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)


def made(labels: list[int], classes: tuple[str, ...]) -> ArrayDataset:
    """Images of 7 x 7 pixels in the colour of their class."""
    images = COLOURS[torch.tensor(labels)].reshape(-1, 3, 1, 1).expand(-1, -1, 7, 7)
    return ArrayDataset("made", "test", classes, images, torch.tensor(labels), "0" * 64)


def test_counts() -> None:
    assert class_counts(made([0, 2, 2, 0, 2], ("a", "b", "c"))) == (2, 0, 3)


def test_each_row_shows_its_class() -> None:
    content, wrong = contact_sheet(made([0, 1, 1, 2], ("red", "grün", "blue")), each=2)
    assert wrong == ()
    sheet = Image.open(io.BytesIO(content))
    assert sheet.format == "PNG"
    seen = [[sheet.getpixel((150 + 60 * x, 30 + 60 * y)) for x in range(2)] for y in range(3)]
    white, (red, green, blue) = (255, 255, 255), map(tuple, COLOURS.tolist())
    assert seen == [[red, white], [green, green], [blue, white]]


def test_pictures_that_cannot_be_read_are_said(tmp_path: Path, write_pictures) -> None:
    write_pictures(tmp_path, [f"val/{name}/{n}.png" for name in "ab" for n in range(3)])
    (tmp_path / "val/b/1.png").write_bytes(b"x")
    _, wrong = contact_sheet(load_data(f"folder:{tmp_path}"))
    assert len(wrong) == 1
    assert wrong[0].endswith("val/b/1.png is no image that can be read")


def test_without_pillow(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"contact sheets needs .*pillow.*\n.*\[images\]"):
        contact_sheet(made([0], ("a",)))
