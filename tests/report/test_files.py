from __future__ import annotations

import errno
import os
import stat

import pytest

from steelyard.errors import InputError
from steelyard.report.files import write_file


def test_a_file_is_written_as_it_is(tmp_path):
    path = write_file(tmp_path / "a.txt", "é\r\n\n")
    assert path.read_bytes() == "é\r\n\n".encode()
    assert write_file(tmp_path / "a.txt", b"\x00\xff").read_bytes() == b"\x00\xff"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_the_mode_is_that_of_any_new_file(tmp_path):
    old = os.umask(0o027)
    try:
        path = write_file(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(InputError, match=r"cannot write .*a\.txt: No space left on device"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a.txt", "new")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_explained(tmp_path):
    with pytest.raises(InputError, match="is a directory\nexpected: the name of a file to write"):
        write_file(tmp_path, "x")
    with pytest.raises(InputError, match=r"the folder .*/no does not exist\ntry: mkdir -p .*/no"):
        write_file(tmp_path / "no" / "x", "x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"the folder .*/file does not exist"):
        write_file(tmp_path / "file" / "x", "x")
    with pytest.raises(InputError, match="File name too long"):
        write_file(tmp_path / ("x" * 300), "x")
    with pytest.raises(InputError, match="NUL character"):
        write_file(f"{tmp_path}/a\0b", "x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is not a regular file"):
        write_file(tmp_path / "pipe", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "pipe"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_without_permission_is_explained(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            write_file(tmp_path / "x", "x")
    finally:
        tmp_path.chmod(0o700)


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"
