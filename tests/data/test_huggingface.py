"""Data sets of the library ``datasets``, written by it here and read without a network."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from steelyard.data.conformance import DatasetContract
from steelyard.data.dataset import Dataset
from steelyard.data.registry import load_data
from steelyard.errors import BackendError, FileFormatError, MissingExtraError


def test_the_library_is_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        MissingExtraError, match=r"huggingface:a/b needs .*datasets.*\n.*\[huggingf"
    ):
        load_data("huggingface:a/b")


def png(colour: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (colour, 100, 200)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="make verify installs it")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return datasets


def write(datasets: Any, folder: Path, test: str = "test", **features: Any) -> None:
    """Parquet files with images and labels."""
    columns = {
        "img": datasets.Image(),
        "label": datasets.ClassLabel(names=["a", "b", "c"]),
    } | features
    folder.mkdir(parents=True)
    for at, (name, count) in enumerate({"train": 6, test: 3}.items()):
        rows = [{"img": png(100 * at + i), "label": i % 3} for i in range(count)]
        table = datasets.Dataset.from_list(rows, features=datasets.Features(columns))
        table.to_parquet(str(folder / f"{name}.parquet"))


@pytest.mark.slow
class TestParquet(DatasetContract):
    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path, library: Any) -> None:
        write(library, tmp_path / "set")
        self.place = tmp_path / "set"

    def load(self, split: str) -> Dataset:
        return load_data(f"huggingface:{self.place}", split)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_images_and_labels_as_they_were_written(tmp_path, library) -> None:
    write(library, tmp_path / "set", test="validation")
    found = load_data(f"huggingface:{tmp_path / 'set'}")
    assert (len(found), found.classes) == (3, ("a", "b", "c"))
    assert found.image(2)[:, 3, 5].tolist() == [102, 100, 200]
    theirs = library.load_dataset(str(tmp_path / "set"), split="validation")
    for index, row in enumerate(theirs):
        assert found.label(index) == row["label"]
        assert_array_equal(found.image(index).permute(1, 2, 0), row["img"])
    assert [found.label(i) for i in range(3)] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_folder_that_the_library_saved(tmp_path, library) -> None:
    write(library, tmp_path / "set")
    library.load_dataset(str(tmp_path / "set")).save_to_disk(str(tmp_path / "saved"))
    saved = load_data(f"huggingface:{tmp_path / 'saved'}", "train")
    assert [saved.label(i) for i in range(6)] == [0, 1, 2, 0, 1, 2]
    assert saved.image(4)[0, 0, 0] == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_what_is_wrong_is_said(tmp_path, library) -> None:
    with pytest.raises(FileFormatError, match=r"cannot read .*gone"):
        load_data(f"huggingface:{tmp_path / 'gone'}")
    with pytest.raises(BackendError, match="cannot be fetched"):
        load_data("huggingface:nobody/nothing")
    write(library, tmp_path / "odd", test="extra")
    with pytest.raises(FileFormatError, match=r"no split 'test', only train"):
        load_data(f"huggingface:{tmp_path / 'odd'}")
    (tmp_path / "text").mkdir()
    (tmp_path / "text/test.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileFormatError, match=r"has the columns a, b\nexpected: one of images"):
        load_data(f"huggingface:{tmp_path / 'text'}")
