"""Data sets by name: the grammar, where their files are looked for, and one's own."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import steelyard as sy
from steelyard.data import registry
from steelyard.data.dataset import ArrayDataset
from steelyard.errors import FileFormatError, SteelyardError, UnknownNameError, UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))


@pytest.mark.parametrize(
    ("source", "split", "error", "says"),
    [
        ("mnits", "test", UnknownNameError, r"no data set is named 'mnits'\n.*nearest: mnist"),
        ("digits", "val", UsageError, r"'val' is no split\nexpected: train or test"),
        ("digits:", "test", UsageError, r"nothing follows the colon"),
        ("digits:here", "test", UsageError, r"takes no path"),
        ("folder", "test", UsageError, r"folder alone names no data set\nexpected: folder:PATH"),
        ("huggingface", "test", UsageError, r"expected: huggingface:NAME"),
        ("mnist", "test", FileFormatError, r"mnist is not here; .*data/mnist\ntry: steelyard data get mnist"),
        ("imagenet", "test", FileFormatError, r"is not here.*\ntry: imagenet:PATH; .*image-net"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded(source, split, error, says) -> None:
    with pytest.raises(error, match=says):
        sy.load_data(source, split)


def test_files_are_found_in_the_root_in_the_cache_and_by_their_path(
    tmp_path, cache, write_mnist, known
) -> None:
    own = sy.DataSource(
        "own",
        "noise",
        "steelyard.data.mnist:read_mnist",
        classes=("a", "b", "c"),
        counts=MappingProxyType({"train": 12, "test": 6}),
        shape=(1, 5, 4),
        files=("t10k-labels-idx1-ubyte",),
        elsewhere=(str(tmp_path / "system"),),
    )
    sy.register_data(own)
    assert "own" in sy.list_data()
    with pytest.raises(FileFormatError, match=r"looked in .*cache/data/own, .*system"):
        sy.load_data("own")
    for folder, source, root in (
        (tmp_path / "anywhere", f"own:{tmp_path / 'anywhere'}", None),
        (tmp_path / "system", "own", None),
        (cache / "data/own", "own", None),
        (tmp_path / "root/own", "own", tmp_path / "root"),
    ):
        write_mnist(folder)
        assert len(sy.load_data(source, root=root)) == 6
        assert registry.present(own, root) in (folder, None)


def test_a_reader_of_ones_own_gets_the_place_and_the_split(known) -> None:
    def read(source: sy.DataSource, place: str, split: str) -> ArrayDataset:
        images, labels = torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.tensor([0, 1])
        return ArrayDataset(f"{source.name}_{place}", split, ("x", "y"), images, labels, "0" * 64)

    sy.register_data(sy.DataSource("made", "zeros", read, needs="place"))
    assert sy.load_data("made:a:b", "train").name == "made_a:b"
    with pytest.raises(UsageError, match="there is a data set 'made'"):
        sy.register_data(sy.DataSource("made", "zeros", read))


def test_the_home_folder_and_paths_as_text(tmp_path, monkeypatch, write_pictures) -> None:
    write_pictures(tmp_path / "home/pets", ["val/cat/1.png"])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert len(sy.load_data("folder:~/pets")) == 1
    with pytest.raises(FileFormatError, match=r"looked in .*/nowhere/mnist"):
        sy.load_data("mnist", root=str(tmp_path / "nowhere"))


def test_no_text() -> None:
    with pytest.raises(UsageError, match="None names no data set"):
        sy.load_data(None)  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(["folder", "imagenet", "cifar10", "mnist", "digits", "nope", ""]),
    place=st.text() | st.just("a" * 5000) | st.sampled_from([".", "/dev/null", "/dev", "\0"]),
    split=st.sampled_from(["train", "test", "all"]),
)
def test_whatever_is_typed_is_a_data_set_or_an_error_of_ours(name, place, split) -> None:
    with pytest.raises(SteelyardError):
        sy.load_data(f"{name}:{place}", split)


@pytest.mark.parametrize("name", ["", "Mnist", "my-set", "9lives", "a:b"])
def test_names_that_could_not_be_typed(name) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a data set"):
        sy.DataSource(name, "", "m:f")


def test_statistics_must_fit() -> None:
    with pytest.raises(UsageError, match="one of each for every channel"):
        sy.DataSource("a", "", "m:f", mean=(0.5,), std=())
    with pytest.raises(UsageError, match="above 0"):
        sy.DataSource("a", "", "m:f", mean=(0.5,), std=(0.0,))


def test_what_is_known_is_complete() -> None:
    for name in sy.list_data():
        info = registry.data_info(name)
        assert info.reader()
        assert len(info.mean) in (0, info.shape[0] if info.shape else 3)
        for file in info.downloads:
            assert file.url.startswith("https://")
            assert len(file.sha256) == 64
            assert len(file.md5) in (0, 32)
            assert file.size > 1000
        if info.downloads:
            brought = [m for file in info.downloads for m in file.members or (file.name,)]
            assert brought[-1] == info.files[0]
            assert info.classes and info.counts and info.licence and info.published
