"""Folders of pictures: their layouts, what is wrong with them, and pictures of every kind and damage."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from steelyard.data.conformance import DatasetContract
from steelyard.data.dataset import Dataset
from steelyard.data.folder import FolderDataset
from steelyard.data.registry import load_data
from steelyard.errors import FileFormatError

Write = Callable[[Path, list[str]], None]
TWO = [f"{split}/{name}/{n}.png" for split in ("train", "val") for name in "ab" for n in range(3)]


def read(root: Path, split: str = "test", kind: str = "folder") -> FolderDataset:
    found = load_data(f"{kind}:{root}", split)
    assert isinstance(found, FolderDataset)
    return found


class TestFolder(DatasetContract):
    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path, write_pictures: Write) -> None:
        write_pictures(tmp_path, TWO)
        self.root = tmp_path

    def load(self, split: str) -> Dataset:
        return read(self.root, split)


@pytest.mark.parametrize("name", ["val", "test", "valid", "validation"])
def test_a_folder_for_each_split(tmp_path, write_pictures, name) -> None:
    write_pictures(tmp_path, [line.replace("val/", f"{name}/") for line in TWO])
    train, test = read(tmp_path, "train"), read(tmp_path)
    assert train.classes == test.classes == ("a", "b")
    assert [train.path(i).name for i in range(6)] == ["0.png", "1.png", "2.png"] * 2
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    # the colour says which file it is: the first six were written for training
    assert test.image(4)[:, 0, 0].tolist() == [10, 100, 200]
    assert test.image(4).shape == (3, 4, 6)


def test_a_flat_folder_is_divided_always_the_same_way(tmp_path, write_pictures) -> None:
    names = [f"{name}/{n}.png" for name in "abc" for n in range(10)]
    write_pictures(tmp_path, names)
    train, test = read(tmp_path, "train"), read(tmp_path)
    assert numpy.bincount(train.labels).tolist() == [8, 8, 8]
    assert numpy.bincount(test.labels).tolist() == [2, 2, 2]
    shown = [str(d.path(i).relative_to(tmp_path)) for d in (train, test) for i in range(len(d))]
    assert sorted(shown) == sorted(names)
    assert read(tmp_path).files.tolist() == test.files.tolist()
    assert read(tmp_path).fingerprint == test.fingerprint != train.fingerprint


def test_the_folder_of_one_split_is_all_of_it(tmp_path, write_pictures) -> None:
    write_pictures(tmp_path, TWO)
    assert len(read(tmp_path / "val")) == 6
    with pytest.raises(FileFormatError, match=r"is called val, and its split 'train' is asked for"):
        read(tmp_path / "val", "train")


def test_pictures_below_the_class_folder_other_files_and_hidden_ones(
    tmp_path, write_pictures
) -> None:
    write_pictures(
        tmp_path, [*TWO, "val/a/more/deep/9.PNG".replace(".PNG", ".png"), "val/a/.x.png"]
    )
    (tmp_path / "val/a/notes.txt").write_text("no picture")
    found = read(tmp_path)
    assert numpy.bincount(found.labels).tolist() == [4, 3]
    assert found.path(3).name == "9.png"


@pytest.mark.parametrize("place", [".", "./", "../val", "/val/../val/"])
def test_the_same_folder_by_any_path(tmp_path, write_pictures, monkeypatch, place) -> None:
    write_pictures(tmp_path, TWO)
    monkeypatch.chdir(tmp_path / "val")
    absolute = read(tmp_path / "val")
    found = load_data(f"folder:{tmp_path}{place}" if place.startswith("/") else f"folder:{place}")
    assert isinstance(found, FolderDataset)
    assert found.files.tolist() == absolute.files.tolist()
    assert found.fingerprint == absolute.fingerprint
    assert torch.equal(found.image(5), absolute.image(5))


def test_the_fingerprint_changes_with_the_files(tmp_path, write_pictures) -> None:
    write_pictures(tmp_path, TWO)
    before = read(tmp_path).fingerprint
    assert read(tmp_path).fingerprint == before
    (tmp_path / "val/a/0.png").rename(tmp_path / "val/a/7.png")
    assert read(tmp_path).fingerprint != before


@pytest.mark.parametrize(
    ("make", "says"),
    [
        ([], r"has no class folders\nexpected: .*/CLASS/\*\.jpg"),
        (["1.png"], r"has no class folders, but pictures\n.*\ntry: move each picture"),
        (["a/1.png", "b/no.txt"], r"class folder .*b holds no pictures\n.*\n.*fill it or remove"),
        (
            ["train/a/1.png", "train/b/1.png", "val/a/1.png"],
            r"has 2 classes in train and 1 in val; only in train: b\nexpected: the same",
        ),
        (
            [*(f"train/{c}/1.png" for c in "abcde"), "val/x/1.png"],
            r"only in train: a, b, c and 2 more; only in val: x",
        ),
        (["train/a/1.png"], r"has no folder for the split 'test', only train\nexpected: val or"),
    ],
)  # fmt: skip
def test_layouts_that_are_wrong(tmp_path, write_pictures, make, says) -> None:
    write_pictures(tmp_path, [name for name in make if name.endswith("png")])
    for name in make:
        if name.endswith("txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("")
    with pytest.raises(FileFormatError, match=says):
        read(tmp_path)


def test_no_folder(tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"gone does not exist\nexpected: a folder with a fo"):
        read(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileFormatError, match="file is no folder"):
        read(tmp_path / "file")


def test_links_that_lead_back_are_refused(tmp_path, write_pictures) -> None:
    write_pictures(tmp_path, TWO)
    (tmp_path / "val/a/loop").symlink_to(tmp_path / "val")
    with pytest.raises(FileFormatError, match=r"val/a/loop is a link to a folder in which it lies"):
        read(tmp_path)
    (tmp_path / "val/a/loop").unlink()
    (tmp_path / "val/a/self").symlink_to("self")
    assert len(read(tmp_path)) == 6


def test_links_to_other_folders_and_files_are_followed(tmp_path, write_pictures) -> None:
    write_pictures(tmp_path, TWO)
    write_pictures(tmp_path / "elsewhere", ["1.png", "more/2.png"])
    (tmp_path / "val/a/more").symlink_to(tmp_path / "elsewhere/more")
    (tmp_path / "val/b/1x.png").symlink_to(tmp_path / "elsewhere/1.png")
    assert numpy.bincount(read(tmp_path).labels).tolist() == [4, 4]


def test_a_folder_that_may_not_be_read(tmp_path, write_pictures, monkeypatch) -> None:
    write_pictures(tmp_path, TWO)
    real = os.scandir

    def refused(path: os.PathLike[str]) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(FileFormatError, match=r"folder .*val/b cannot be read: Permission denied"):
        read(tmp_path)


def test_pictures_that_cannot_be_read_are_named_when_they_are_asked_for(
    tmp_path, write_pictures
) -> None:
    write_pictures(tmp_path, TWO)
    whole = (tmp_path / "val/a/1.png").read_bytes()
    (tmp_path / "val/a/1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "val/b/0.png").write_bytes(b"")
    (tmp_path / "val/b/1.png").unlink()
    (tmp_path / "val/b/1.png").symlink_to("nowhere.png")
    found = read(tmp_path)
    assert found.image(0).shape == (3, 4, 6)
    for index, says in (
        (1, r"val/a/1\.png is (damaged or cut off|no image)"),
        (3, r"val/b/0\.png is no image"),
        (4, r"val/b/1\.png does not exist"),
    ):
        with pytest.raises(FileFormatError, match=says):
            found.image(index)


def test_pictures_of_every_kind_become_rgb_bytes(tmp_path) -> None:
    folder = tmp_path / "val/a"
    folder.mkdir(parents=True)
    deep = Image.fromarray(numpy.full((5, 7), 128 * 257, numpy.uint16))
    for name, image in {
        "0.png": Image.new("RGB", (7, 5), (10, 20, 30)),
        "1.jpg": Image.new("CMYK", (7, 5), (0, 0, 0, 255)),
        "2.png": deep,
        "3.png": Image.new("RGBA", (7, 5), (10, 20, 30, 0)),
        "4.gif": Image.new("RGB", (7, 5), (0, 0, 255)).quantize(4),
        "5.png": Image.new("L", (7, 5), 77),
    }.items():
        image.save(folder / name)
    found = read(tmp_path)
    colours = [found.image(index)[:, 2, 3].tolist() for index in range(6)]
    assert colours[0] == [10, 20, 30]
    assert max(colours[1]) < 8
    assert colours[2:] == [[128] * 3, [255] * 3, [0, 0, 255], [77] * 3]
    assert all(found.image(i).dtype is torch.uint8 for i in range(6))


def wnids(count: int) -> list[str]:
    return [f"n{10_000_000 + at}" for at in range(count)]


def test_imagenet_has_a_thousand_classes(tmp_path) -> None:
    for wnid in wnids(1000):
        (tmp_path / "val" / wnid).mkdir(parents=True)
        (tmp_path / "val" / wnid / "1.JPEG").write_bytes(b"")
    found = read(tmp_path, kind="imagenet")
    assert (len(found), found.classes[999], found.label(999)) == (1000, "n10000999", 999)
    assert len(read(tmp_path / "val", kind="imagenet")) == 1000
    (tmp_path / "val/n10000000").rename(tmp_path / "val/tench")
    with pytest.raises(
        FileFormatError,
        match=r"1,000 class folders, among them tench\nexpected: 1,000, named n01440764.*\ntry: folder:",
    ):
        read(tmp_path, kind="imagenet")


def test_a_part_of_imagenet_is_not_called_imagenet(tmp_path) -> None:
    for wnid in wnids(10):
        (tmp_path / "val" / wnid).mkdir(parents=True)
        (tmp_path / "val" / wnid / "1.JPEG").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"has 10 class folders\nexpected: 1,000"):
        read(tmp_path, kind="imagenet")
    assert len(read(tmp_path)) == 10
