"""Downloads of data sets from a server on this machine: files, archives, and what goes wrong with them."""

from __future__ import annotations

import errno
import hashlib
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from steelyard.data import registry
from steelyard.data.catalog import CIFAR10, FASHION_MNIST
from steelyard.data.fetch import get_data
from steelyard.data.registry import load_data
from steelyard.data.source import DataSource, Download
from steelyard.errors import BackendError, FileFormatError, UsageError

NAMES = (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin")


@pytest.fixture
def serve(site, monkeypatch, tmp_path):  # type: ignore[no-untyped-def]
    """Puts files on the server as the downloads of a data set."""
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path / "cache"))

    def put(source: DataSource, files: dict[str, bytes], **changes: object) -> DataSource:
        downloads = []
        for name, content in files.items():
            url, sha256 = site.put(name, content)
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            members = NAMES if name.endswith(".gz") and "tar" in name else ()
            downloads.append(Download(url, sha256, len(content), md5, members))
        made = replace(source, downloads=tuple(downloads), elsewhere=(), **changes)
        monkeypatch.setattr(registry, "_KNOWN", {**registry._KNOWN, source.name: made})
        return made

    return put


def archive(names: tuple[str, ...] = NAMES, **strange: bytes) -> bytes:
    """As CIFAR-10's: a folder with the batches, here of 10 records each."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for at, name in enumerate(names):
            content = b"".join(bytes([i]) + bytes([at]) * 3072 for i in range(10))
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
        for kind, content in strange.items():
            member = tarfile.TarInfo("../../escaped.bin")
            if kind == "link":
                member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


SMALL_CIFAR = MappingProxyType({"train": 50, "test": 10})


def test_an_archive_is_unpacked_and_read(serve, tmp_path) -> None:
    serve(CIFAR10, {"cifar-10-binary.tar.gz": archive()}, counts=SMALL_CIFAR)
    folder = get_data("cifar10")
    assert folder == tmp_path / "cache/data/cifar10"
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {*NAMES}
    assert load_data("cifar10", "train").image(20)[0, 0, 0] == 2
    assert len(load_data("cifar10")) == 10


def test_what_is_there_is_not_fetched_again(serve, site, tmp_path) -> None:
    serve(CIFAR10, {"cifar-10-binary.tar.gz": archive()}, counts=SMALL_CIFAR)
    first = get_data("cifar10", root=tmp_path / "disk")
    assert first == tmp_path / "disk/cifar10"
    assert get_data("cifar10", root=tmp_path / "disk") == first
    assert len(site.asked) == 1


def test_paths_and_links_in_an_archive_lead_nowhere(serve, tmp_path) -> None:
    serve(CIFAR10, {"c.tar.gz": archive(escaped=b"x" * 100)}, counts=SMALL_CIFAR)
    get_data("cifar10")
    assert not list(tmp_path.rglob("escaped*"))


def test_a_link_in_place_of_a_file(serve, tmp_path) -> None:
    serve(CIFAR10, {"c.tar.gz": archive(NAMES[:-1], link=b"")}, counts=SMALL_CIFAR)
    with pytest.raises(FileFormatError, match=r"does not hold test_batch\.bin"):
        get_data("cifar10")
    assert not list(tmp_path.rglob("*.bin*"))


def test_an_archive_that_is_none(serve) -> None:
    serve(CIFAR10, {"c.tar.gz": b"no archive at all"}, counts=SMALL_CIFAR)
    with pytest.raises(FileFormatError, match=r"c\.tar\.gz cannot be unpacked"):
        get_data("cifar10")


def test_several_files(serve, site, tmp_path, write_mnist) -> None:
    write_mnist(tmp_path / "published", packed=True)
    order = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = {f"{n}-ubyte.gz": (tmp_path / f"published/{n}-ubyte.gz").read_bytes() for n in order}
    small = MappingProxyType({"train": 12, "test": 6})
    serve(FASHION_MNIST, files, counts=small, shape=(1, 5, 4), classes=("a", "b", "c"))
    told: list[str] = []

    def shown(what: str):  # type: ignore[no-untyped-def]
        told.append(what)
        return __import__("contextlib").nullcontext(None)

    site.cuts = [30]
    get_data("fashion_mnist", shown=shown)
    assert len(load_data("fashion_mnist", "train")) == 12
    assert told[0] == "downloading train-images-idx3-ubyte.gz"
    assert site.asked[:2] == ["", "bytes=30-"]


def test_half_of_the_files_is_not_taken_for_all(serve, site, tmp_path, write_mnist) -> None:
    write_mnist(tmp_path / "published", packed=True)
    content = (tmp_path / "published/train-images-idx3-ubyte.gz").read_bytes()
    made = serve(FASHION_MNIST, {"train-images-idx3-ubyte.gz": content, "t10k-labels.gz": b"x"})
    del site.files["/t10k-labels.gz"]
    with pytest.raises(BackendError, match=r"answered 404 .*\ntry: fashion_mnist:FOLDER if you"):
        get_data("fashion_mnist")
    assert registry.present(made) is None


def test_another_md5_than_published(serve, monkeypatch) -> None:
    made = serve(FASHION_MNIST, {"a.gz": b"content"})
    wrong = replace(made, downloads=(replace(made.downloads[0], md5="0" * 32),))
    monkeypatch.setattr(registry, "_KNOWN", {"fashion_mnist": wrong})
    with pytest.raises(
        FileFormatError, match=r"another MD5 than its publishers state\nexpected: 0+"
    ):
        get_data("fashion_mnist")


def test_a_disk_that_is_full_while_unpacking(serve, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    serve(CIFAR10, {"c.tar.gz": archive()}, counts=SMALL_CIFAR)
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(
        BackendError, match=r"disk is full: .*cifar10 has no room\ntry: set STEELYARD_CACHE"
    ):
        get_data("cifar10")
    with pytest.raises(BackendError, match=r"try: --root a folder with more room"):
        get_data("cifar10", root=tmp_path)
    assert not list(tmp_path.rglob("*.bin*"))


def test_two_at_once_fetch_it_once(serve, site) -> None:
    serve(CIFAR10, {"c.tar.gz": archive()}, counts=SMALL_CIFAR)
    with ThreadPoolExecutor(2) as both:
        folders = set(both.map(lambda _: get_data("cifar10"), range(2)))
    assert len(folders) == len(site.asked) == 1
    assert len(load_data("cifar10")) == 10


def test_a_folder_that_cannot_be_written(serve, tmp_path) -> None:
    serve(CIFAR10, {"c.tar.gz": archive()}, counts=SMALL_CIFAR)
    (tmp_path / "disk").write_text("")
    with pytest.raises(
        BackendError, match=r"disk/cifar10 cannot be written: .*\ntry: --root a folder"
    ):
        get_data("cifar10", root=tmp_path / "disk")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("digits", r"digits comes with steelyard\ntry: steelyard data show digits"),
        ("imagenet", r"imagenet cannot be downloaded\ntry: imagenet:PATH"),
        ("folder", r"folder cannot be downloaded\ntry: folder:PATH"),
    ],
)
def test_what_cannot_be_downloaded(name, says) -> None:
    with pytest.raises(UsageError, match=says):
        get_data(name)


def test_the_system_s_files_are_used(fashion: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))
    assert get_data("fashion_mnist") == fashion
