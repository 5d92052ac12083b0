"""Uploads: read without running them, bounded, kept whole or not at all."""

import errno
import json
import os
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from starlette.testclient import TestClient

import steelyard
from steelyard import cli
from steelyard.web import uploads as room
from web.conftest import SMALL

Client = TestClient


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    helper = pytest.importorskip("onnx.helper")
    import onnx

    image = helper.make_tensor_value_info("image", 1, ["N", 3, "H", "W"])
    result = helper.make_tensor_value_info("result", 1, None)
    weight = helper.make_tensor("w", 1, [8, 3, 3, 3], [0.0] * 216)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["result"]),
    ]
    graph = helper.make_graph(nodes, "net", [image], [result], [weight])
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.fixture
def workload_file() -> bytes:
    return steelyard.capture("lenet5").to_json().encode()


@pytest.fixture(autouse=True)
def _none_left(client: Client) -> Iterator[None]:
    yield
    for upload in client.get("/api/uploads").json()["uploads"]:
        assert client.delete(f"/api/uploads/{upload['id']}").status_code == 200


def add(client: Client, name: str, content: Any) -> Any:
    return client.post("/api/uploads", params={"name": name}, content=content)


def test_an_onnx_file_costs_what_the_command_line_says(
    client: Client, onnx_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = add(client, "net.onnx", onnx_file.read_bytes())
    assert made.status_code == 201
    upload = made.json()
    assert (upload["kind"], upload["layers"], upload["bytes"]) == ("onnx", 2, onnx_file.stat().st_size)  # fmt: skip
    assert client.get(f"/api/uploads/{upload['id']}").json() == upload
    assert "224 x 224 unless another is asked for" in upload["note"]
    for more, args in (
        ({"resolution": 32, "batch": 2}, ["--input", "2x3x32x32"]),
        ({"resolution": 8}, ["--input", "1x3x8x8"]),
    ):
        what = {"upload": upload["id"], **more}
        found = client.post("/api/cost", json={"what": what})
        assert cli.run(["cost", str(onnx_file), *args, "--json"]) == 0
        theirs = json.loads(capfd.readouterr().out)
        assert found.json()["total"] == theirs["total"]
        assert found.json()["rows"] == theirs["rows"]
    # 8 filters of 3 x 3 x 3 at each of 8 x 8 places
    whatif = client.post("/api/whatif", json={"what": {"upload": upload["id"], "resolution": 8}})
    assert whatif.json()["now"]["macs"] == 8 * 27 * 64


def bomb() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/models/model.json", b"[" * 10**7)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("net.onnx", b"\xff" * 1000),
        ("net.onnx", b"\x80\x04\x95csystem\nls\n"),
        ("net.pt2", b"PK\x03\x04garbage"),
        ("net.json", b'{"schema": "steelyard.workload/1"}'),
        ("net.py", b"import os"),
        ("/etc/passwd", b"x"),
        ("net", b"x"),
    ],
)
def test_what_holds_no_network_is_refused_and_gone(
    client: Client, store: Path, name: str, content: bytes
) -> None:
    found = add(client, name, content)
    assert found.status_code == 422
    error = found.json()["error"]
    assert error["message"]
    assert str(store) not in found.text
    assert client.get("/api/uploads").json()["uploads"] == []
    assert list((store / "uploads").iterdir()) == []


def test_a_file_that_unpacks_to_very_much_is_refused(client: Client, store: Path) -> None:
    assert add(client, "net.pt2", bomb()).status_code == 422
    assert list((store / "uploads").iterdir()) == []


def test_names_are_words_not_places(client: Client, store: Path, workload_file: bytes) -> None:
    name = "../../<script>alert(1)\x1b[31m\u202e.json"
    made = add(client, name, workload_file).json()
    assert made["name"] == "<script>alert(1)\ufffd[31m\ufffd.json"
    assert {path.name for path in (store / "uploads").iterdir()} == {made["id"]}
    told = client.post("/api/graph", json={"what": {"upload": made["id"]}})
    assert told.headers["content-type"] == "application/json"
    assert told.json()["workload"] == made["name"]


def test_quotas_hold_for_one_and_for_all(client: Client, workload_file: bytes) -> None:
    def parts(count: int) -> Iterator[bytes]:
        yield from (b"x" * 50_000 for _ in range(count))

    assert add(client, "net.onnx", b"x" * (SMALL.upload_bytes + 1)).status_code == 413
    assert add(client, "net.onnx", parts(7)).status_code == 413  # no length is announced
    for _ in range(SMALL.uploads):
        assert add(client, "net.json", workload_file).status_code == 201
    assert add(client, "net.json", workload_file).status_code == 413


def test_a_full_disk_is_said_and_nothing_is_half_there(
    client: Client, store: Path, workload_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = add(client, "first.json", workload_file).json()

    def full(file: BinaryIO, digest: Any, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(room, "_store", full)
    found = add(client, "second.json", workload_file)
    assert found.status_code == 507
    assert "no room on the disk" in found.json()["error"]["message"]
    monkeypatch.undo()
    assert [u["id"] for u in client.get("/api/uploads").json()["uploads"]] == [kept["id"]]
    assert {path.name for path in (store / "uploads").iterdir()} == {kept["id"]}
    assert add(client, "second.json", workload_file).status_code == 201


def test_what_is_kept_is_there_for_the_next_server(
    client: Client, store: Path, workload_file: bytes
) -> None:
    made = add(client, "net.json", workload_file).json()
    (store / "uploads" / ".new-0123").mkdir()  # of a server that was killed
    (store / "uploads" / "damaged").mkdir()
    (store / "uploads" / "damaged" / "upload.json").write_text("{")
    again = room.Uploads(store / "uploads", SMALL)
    again.open()
    assert [upload.id for upload in again.all()] == [made["id"]]
    assert not (store / "uploads" / ".new-0123").exists()
    assert (store / "uploads" / "damaged").exists()  # not ours to delete
    (store / "uploads" / "damaged" / "upload.json").unlink()
    (store / "uploads" / "damaged").rmdir()
