"""Downloads from a server on this machine: whole, cut, resumed, wrong, refused, on a full disk."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steelyard import _download as module
from steelyard._download import Advice, Progress
from steelyard.errors import BackendError, FileFormatError, UsageError

CONTENT = random.Random(0).randbytes(3_000_000)
ADVICE = Advice("weights='file.pth'")


def download(
    url: str, sha256: str, folder: Path, *, progress: Progress | None = None, pause_s: float = 1.0
) -> Path:
    return module.download(
        url, sha256, folder / "net.pth", ADVICE, progress=progress, pause_s=pause_s
    )


def parts(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_a_file_comes_whole_and_is_kept(site, tmp_path) -> None:
    url, sha = site.put("net-1.pth", CONTENT)
    told: list[tuple[int, int | None]] = []
    path = download(url, sha, tmp_path / "a/b", progress=lambda *now: told.append(now))
    assert path.read_bytes() == CONTENT
    assert path == tmp_path / "a/b/net.pth"
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert download(url, sha[:8], tmp_path / "a/b") == path
    assert len(site.asked) == 1
    assert parts(tmp_path / "a/b") == [path.name]


def test_another_file_than_expected_is_refused_and_not_kept(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    wrong = "0" * 64
    with pytest.raises(FileFormatError, match=rf"begins with {sha[:16]}\nexpected: {wrong}"):
        download(url, wrong, tmp_path)
    assert parts(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    path = download(url, sha, tmp_path)
    path.write_bytes(CONTENT[:-1])
    assert download(url, sha, tmp_path).read_bytes() == CONTENT


def test_a_cut_connection_is_continued_where_it_broke(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    site.cuts = [1_000_000, 500_000]
    assert download(url, sha, tmp_path, pause_s=0).read_bytes() == CONTENT
    assert site.asked == ["", "bytes=1000000-", "bytes=1500000-"]


def test_after_too_many_cuts_the_next_call_goes_on(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    site.cuts = [100_000] * 4
    with pytest.raises(BackendError, match=r"cut 4 times; 400,000 bytes are here.*\n.*goes on"):
        download(url, sha, tmp_path, pause_s=0)
    assert download(url, sha, tmp_path, pause_s=0).read_bytes() == CONTENT
    assert site.asked[-1] == "bytes=400000-"


def test_errors_of_the_network_are_not_taken_for_the_disks(site, tmp_path, monkeypatch) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("http.client.HTTPResponse.read", broken)
    url, sha = site.put("net.pth", CONTENT)
    with pytest.raises(
        BackendError, match=r"cut 4 times; 0 bytes are here: .*Network is unreachable"
    ):
        download(url, sha, tmp_path, pause_s=0)


def test_a_server_that_cannot_resume_begins_anew(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    site.ranges, site.cuts = False, [1_000_000]
    assert download(url, sha, tmp_path, pause_s=0).read_bytes() == CONTENT
    assert site.asked == ["", "bytes=1000000-"]


def test_a_part_that_is_already_whole(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    (tmp_path / "net.pth.part").write_bytes(CONTENT)
    assert download(url, sha, tmp_path, pause_s=0).read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    (tmp_path / "net.pth.part").write_bytes(CONTENT + b"more")
    assert download(url, sha, tmp_path, pause_s=0).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500])
def test_what_the_server_answers_is_said(site, tmp_path, status) -> None:
    url, sha = site.put("net.pth", CONTENT)
    site.status = status
    with pytest.raises(BackendError, match=rf"127\.0\.0\.1 answered {status} .* for {url}"):
        download(url, sha, tmp_path, pause_s=0)
    assert len(site.asked) == 1


def test_nobody_there(tmp_path) -> None:
    with pytest.raises(BackendError, match=r"127\.0\.0\.1 cannot be reached: .*refused"):
        download("http://127.0.0.1:9/net.pth", "0" * 64, tmp_path, pause_s=0)


def test_no_such_host(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    with pytest.raises(BackendError, match=r"nowhere\.invalid cannot be reached"):
        download("https://nowhere.invalid/net.pth", "0" * 64, tmp_path, pause_s=0)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a.pth", "file:" + "///etc/passwd", "ftp://a/b", "https://host/", "x"],
)
def test_only_https(url, tmp_path) -> None:
    with pytest.raises(
        UsageError, match=r"no address to download from\nexpected: https://host/file"
    ):
        download(url, "0" * 64, tmp_path)


def test_a_redirect_away_from_https_is_refused(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    site.redirect = "http://example.org/net.pth"
    with pytest.raises(BackendError, match=r"points on to http://example\.org/net\.pth"):
        download(url, sha, tmp_path, pause_s=0)


@pytest.mark.parametrize("sha", ["", "abc", "G" * 64, "0" * 65])
def test_a_hash_is_needed(sha, tmp_path) -> None:
    with pytest.raises(UsageError, match="is no SHA-256"):
        download("https://host/file.pth", sha, tmp_path)


def test_a_full_disk(site, tmp_path) -> None:
    """In a process of its own, whose files the system refuses to let grow beyond a megabyte."""
    url, sha = site.put("net.pth", CONTENT)
    code = (
        "import resource, signal, sys; from pathlib import Path;"
        "from steelyard._download import *;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6));"
        "download(sys.argv[1], sys.argv[2], Path(sys.argv[3]) / 'net.pth', Advice(''), pause_s=0)"
    )
    command = [sys.executable, "-c", code, url, sha, str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "BackendError: the disk is full" in done.stderr
    assert "STEELYARD_CACHE" in done.stderr
    assert parts(tmp_path / "cache") == []


def test_a_disk_without_room_for_the_folder(site, tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    url, sha = site.put("net.pth", CONTENT)
    with pytest.raises(BackendError, match="the disk is full"):
        download(url, sha, tmp_path / "new")


def test_a_folder_that_is_a_file(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    (tmp_path / "cache").write_text("")
    with pytest.raises(BackendError, match=r"cannot be written: .*\n.*STEELYARD_CACHE"):
        download(url, sha, tmp_path / "cache")


def test_files_without_end_are_not_followed(site, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    url, sha = site.put("net.pth", CONTENT)
    with pytest.raises(BackendError, match=r"3,000,000 bytes\nexpected: at most 1,000"):
        download(url, sha, tmp_path, pause_s=0)


def test_an_interrupt_keeps_what_came(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)

    def interrupt(here: int, total: int | None) -> None:
        if here > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(url, sha, tmp_path, progress=interrupt)
    (name,) = parts(tmp_path)
    assert name.endswith(".part")
    assert download(url, sha, tmp_path).read_bytes() == CONTENT
    assert site.asked[1].startswith("bytes=1")


def test_two_processes_at_once_fetch_it_once(site, tmp_path) -> None:
    url, sha = site.put("net.pth", CONTENT)
    code = (
        "import sys; from pathlib import Path; from steelyard._download import *;"
        "print(download(sys.argv[1], sys.argv[2], Path(sys.argv[3]) / 'net.pth', Advice('')))"
    )
    command = [sys.executable, "-c", code, url, sha, str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    paths = {child.communicate(timeout=60)[0].strip() for child in children}
    assert len(paths) == 1
    assert hashlib.sha256(Path(paths.pop()).read_bytes()).hexdigest() == sha
    assert len(site.asked) == 1


def test_pauses_between_tries_grow(site, tmp_path, monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    url, sha = site.put("net.pth", CONTENT)
    site.cuts = [1000, 1000, 1000]
    download(url, sha, tmp_path)
    assert slept == [1.0, 2.0, 4.0]
