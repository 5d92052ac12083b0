"""What is kept on disk: shared by processes, damaged, torn, locked, read-only, without room: never wrong, always said."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from steelyard import _kept as room
from steelyard._kept import Kept
from steelyard.errors import InputError

TEXTS = {f"key{k}": json.dumps({"number": k, "text": "é" * (k % 50)}) for k in range(120)}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def filled(path: Path) -> Path:
    """A file of many pages, made at once."""
    kept = Kept(path, "mappings")
    kept.put("first", "1")
    with closing(sqlite3.connect(path)) as base, base:
        rows = [(key, room._sealed(key, text)) for key, text in TEXTS.items()]
        base.executemany("INSERT INTO mappings VALUES (?, ?)", rows)
    return path


def test_what_is_kept_is_there(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "new" / "folder" / "file", "mappings")
    assert kept.get(["a"]) == {}
    assert not kept.path.parent.exists()  # to look makes nothing
    kept.put("a", "one")
    kept.put("b", "é\x00'")
    kept.put("a", "two")
    assert Kept(kept.path, "mappings").get(["a", "b", "c"]) == {"a": "two", "b": "é\x00'"}
    assert kept.notes == []
    many = {str(k): str(k) for k in range(0, 2000, 500)}
    for key, text in many.items():
        kept.put(key, text)
    assert kept.get([str(k) for k in range(2000)]) == many
    assert kept.all() == dict(sorted({"a": "two", "b": "é\x00'", **many}.items()))
    assert list(kept.all()) == sorted(kept.all())


@pytest.mark.parametrize("seed", [*range(45), 56])
def test_damage_is_never_read_as_truth(tmp_path: Path, seed: int) -> None:
    path = filled(tmp_path / "file")
    rng, raw = random.Random(seed), bytearray(path.read_bytes())
    if seed % 3 == 0:  # torn
        raw = raw[: rng.randrange(len(raw))]
    for _ in range(0 if seed % 3 == 0 else 1 if seed % 3 == 1 else 100):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    path.write_bytes(raw)
    kept = Kept(path, "mappings")
    found = kept.get([*TEXTS])
    assert found.items() <= TEXTS.items()
    kept.put("new", "text")
    assert Kept(path, "mappings").get(["new"]) == {"new": "text"}
    # an empty file is a new one; whole rows may vanish with a damaged count in a page
    assert found == TEXTS or kept.notes or not raw or len(found) < len(TEXTS)
    assert kept.usable


def test_a_changed_digit_is_noticed(tmp_path: Path) -> None:
    path = filled(tmp_path / "file")
    raw = path.read_bytes()
    assert raw.count(b'{"number": 77,') == 1
    path.write_bytes(raw.replace(b'{"number": 77,', b'{"number": 17,'))
    kept = Kept(path, "mappings")
    assert kept.get([*TEXTS]) == {key: text for key, text in TEXTS.items() if key != "key77"}
    assert kept.notes == ["some kept mappings were damaged and are found anew"]


def test_no_database_is_set_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite"
    path.write_bytes(b"this is no database" * 100)
    (tmp_path / "file.sqlite-journal").write_bytes(b"left over")
    kept = Kept(path, "mappings")
    assert kept.get(["a"]) == {}
    kept.put("a", "one")
    assert kept.get(["a"]) == {"a": "one"}
    assert kept.notes == [f"{path} was damaged; it was set aside as file.damaged and begun anew"]
    assert (tmp_path / "file.damaged").read_bytes().startswith(b"this is no database")


def test_another_version_s_table_is_set_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "file")) as base, base:
        base.execute("CREATE TABLE mappings (id INTEGER PRIMARY KEY, blob BLOB, version TEXT)")
    kept = Kept(tmp_path / "file", "mappings")
    kept.put("a", "one")
    assert kept.get(["a"]) == {"a": "one"}
    assert len(kept.notes) == 1 and "set aside" in kept.notes[0]
    # another table beside ours is nobody's business
    with closing(sqlite3.connect(tmp_path / "file")) as base, base:
        base.execute("CREATE TABLE other (x)")
    assert Kept(tmp_path / "file", "mappings").get(["a"]) == {"a": "one"}


def test_a_file_that_the_user_named_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1\n" * 100)
    kept = Kept(tmp_path / "thesis.txt", "points", begin_anew=False)
    with pytest.raises(InputError, match=r"cannot use .*thesis\.txt to keep points"):
        kept.get(["a"])
    with pytest.raises(InputError):
        kept.put("a", "one")
    assert (tmp_path / "thesis.txt").read_text() == "chapter 1\n" * 100


def test_who_never_lets_go_is_waited_for_once(tmp_path: Path, monkeypatch) -> None:
    path = filled(tmp_path / "file")
    monkeypatch.setattr(room, "_WAIT_S", 0.2)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sqlite3,sys\nb=sqlite3.connect(sys.argv[1])\n"
         "b.execute('BEGIN EXCLUSIVE')\nprint(1,flush=True)\nsys.stdin.read()", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        kept = Kept(path, "mappings")
        begun = time.monotonic()
        assert kept.get(["key1"]) == {}
        for key in TEXTS:
            kept.put(key, "")
        assert time.monotonic() - begun < 5
        assert len(kept.notes) == 1
        assert "cannot be used: database is locked; mappings are not kept" in kept.notes[0]
        assert "STEELYARD_CACHE" in kept.notes[0]
    finally:
        holder.communicate(b"")
    assert Kept(path, "mappings").get([*TEXTS]) == TEXTS


@contextmanager
def nobody() -> Iterator[None]:
    """Root may write everywhere, so root becomes someone else for a moment."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_read_only_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    path = filled(tmp_path / "file")
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with nobody():
            kept, new = Kept(path, "mappings"), Kept(tmp_path / "sub" / "file", "mappings")
            assert kept.get([*TEXTS]) == TEXTS  # reading works
            kept.put("a", "one")
            new.put("a", "one")
    finally:
        tmp_path.chmod(0o755)
    assert "readonly database; mappings are not kept" in kept.notes[0]
    assert "Permission denied" in new.notes[0]
    assert kept.get(["a"]) == {} and len(kept.notes) == 1


def test_no_room_on_the_disk(tmp_path: Path) -> None:
    path = filled(tmp_path / "file")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    kept = Kept(path, "mappings")
    try:
        kept.put("large", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(kept.notes) == 1 and "mappings are not kept" in kept.notes[0]
    assert Kept(path, "mappings").get([*TEXTS, "large"]) == TEXTS


NO_LOCKS = """
#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
static int refused(int command) {
    if (command != F_SETLK && command != F_SETLKW && command != F_GETLK) return 0;
    errno = ENOLCK;
    return 1;
}
extern int __fcntl(int, int, ...);
int fcntl64(int file, int command, ...) {
    va_list list; va_start(list, command); void *more = va_arg(list, void *); va_end(list);
    return refused(command) ? -1 : __fcntl(file, command, more);
}
int fcntl(int file, int command, ...) {
    va_list list; va_start(list, command); void *more = va_arg(list, void *); va_end(list);
    return refused(command) ? -1 : __fcntl(file, command, more);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_network_folder_without_locks(tmp_path: Path) -> None:
    (tmp_path / "nolocks.c").write_text(NO_LOCKS)
    library = tmp_path / "nolocks.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "nolocks.c"], check=True)
    code = (
        "import sys; from pathlib import Path; from steelyard import _kept as room\n"
        "room._WAIT_S = 0.2\n"
        "kept = room.Kept(Path(sys.argv[1]), 'mappings')\n"
        "kept.put('a', 'one'); kept.put('b', 'two'); print(kept.get(['a']), kept.notes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "file"],
        env=os.environ | {"LD_PRELOAD": str(library)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("{} [") and done.stdout.count("cannot be used") == 1


WRITER = """
import sys
from pathlib import Path
from steelyard._kept import Kept
kept = Kept(Path(sys.argv[1]), "mappings")
for k in range(int(sys.argv[3])):
    kept.put(f"{sys.argv[2]}-{k}", "text " * 100)
    print(k, flush=True)
print(kept.notes)
"""


def writer(path: Path, name: str, texts: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(texts)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_share_a_file(tmp_path: Path, damaged: bool) -> None:
    path = tmp_path / "file"
    if damaged:
        path.write_bytes(b"this is no database" * 100)
    writers = [writer(path, name, 40) for name in "abc"]
    notes = [process.communicate(timeout=120)[0].splitlines()[-1] for process in writers]
    found = Kept(path, "mappings").get([f"{name}-{k}" for name in "abc" for k in range(40)])
    if damaged:
        assert any("set aside" in note for note in notes)
        assert len(found) >= 40  # one that comes late may set aside what others just began
    else:
        assert notes == ["[]"] * 3
        assert len(found) == 120


@pytest.mark.parametrize("after", [0, 3, 11])
def test_killed_while_it_writes(tmp_path: Path, after: int) -> None:
    path = tmp_path / "file"
    process = writer(path, "a", 100_000)
    assert process.stdout is not None
    for _ in range(after + 1):
        process.stdout.readline()
    time.sleep(random.random() / 50)
    process.send_signal(signal.SIGKILL)
    said = after + 1 + len(process.communicate()[0].splitlines())
    kept = Kept(path, "mappings")
    found = kept.get([f"a-{k}" for k in range(said + 1)])
    assert len(found) in (said, said + 1)
    assert kept.notes == []
