"""The API tells the same numbers as the command line, and refuses what is malformed in words."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import steelyard
from steelyard import cli
from steelyard.design.rules import RULES
from steelyard.web.bodies import REWRITES

Client = TestClient
HTML = "<img src=x onerror=alert(1)>"


def ask(client: Client, path: str, **body: Any) -> Any:
    found = client.post(f"/api/{path}", json=body)
    assert found.status_code == 200, found.text
    return found.json()


def printed(capfd: pytest.CaptureFixture[str], *args: str) -> Any:
    assert cli.run([*args, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def test_cost_is_the_command_lines(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    theirs = printed(capfd, "cost", "lenet5:num_classes=12", "--batch", "3", "--dtype", "int8", "--train", "--findings")  # fmt: skip
    what = {"model": "lenet5", "knobs": {"num_classes": 12}, "batch": 3, "bits": 8}
    assert ask(client, "cost", what=what) == theirs


def test_lists_and_comparisons_are_the_command_lines(
    client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    assert client.get("/api/models?pattern=le*").json() == printed(capfd, "models", "le*")
    assert client.get("/api/devices").json() == printed(capfd, "devices")
    assert client.get("/api/devices/eyeriss").json()["device"] == printed(
        capfd, "devices", "eyeriss"
    )
    found = ask(client, "compare", whats=[{"model": "lenet5"}, {"model": "lenet_caffe"}])
    assert found["comparisons"] == [printed(capfd, "compare", "lenet5", "lenet_caffe")]


def test_what_if_is_the_cost_of_the_other_network(client: Client) -> None:
    what = {"model": "alexnet", "knobs": {"width": 0.5}, "batch": 2}
    found = ask(client, "whatif", what=what, device="eyeriss", device_knobs={"x.size": 28})
    for key, load in (
        ("now", steelyard.capture("alexnet:width=0.5", batch=2)),
        ("default", steelyard.capture("alexnet")),
    ):
        report = steelyard.cost(load)
        assert found[key].items() >= report.total.to_dict().items()
        assert found[key]["peak_activation_bytes"] == report.memory.peak_bytes
    device = steelyard.device("eyeriss")
    assert isinstance(device, steelyard.Accelerator)
    bounds = steelyard.bounds(steelyard.capture("alexnet"), device)
    cycles = sum(layer.macs / layer.attainable for layer in bounds.layers)
    assert found["default"]["latency_s"] == pytest.approx(cycles / device.clock_hz)
    assert found["ratio"]["macs"] == found["now"]["macs"] / found["default"]["macs"]


def test_layers_are_exchanged_as_by_the_verb(client: Client) -> None:
    assert tuple(client.get("/api/about").json()["rewrites"]) == REWRITES == tuple(RULES)
    for rule in ("grouped:groups=4", "depthwise_separable"):
        what = {"model": "resnet18", "rewrite": rule, "batch": 2}
        theirs = steelyard.rewrite("resnet18", rule).comparison.b
        found = ask(client, "cost", what=what)
        assert found["total"]["macs"] == 2 * theirs.total.macs
        assert found["total"]["params"] == theirs.total.params
    for rule in ("nothing", "grouped:groups=0", "grouped:of=x", "h_swish"):
        body = {"what": {"model": "resnet18", "rewrite": rule}}
        assert client.post("/api/cost", json=body).status_code in (404, 422)


@pytest.mark.parametrize("name", ["googlenet", "densenet_bc_100_12", "lenet5"])
def test_a_graphs_blocks_add_up_and_it_has_no_cycle(client: Client, name: str) -> None:
    if name not in steelyard.list_models():
        name = steelyard.list_models("densenet*")[0]
    found = ask(client, "graph", what={"model": name}, device="eyeriss")
    nodes = {node["id"]: node for node in found["nodes"]}
    assert len(nodes) == len(found["nodes"])
    parent = {key: node["parent"] for key, node in nodes.items()}
    for key, node in nodes.items():
        inside = [child for child in nodes.values() if child["parent"] == key]
        if node["type"] == "block":
            assert inside
            for count in ("layers", "params", "macs", "access_bytes", "time_s"):
                assert node[count] == pytest.approx(sum(child[count] for child in inside))
    top = [node for node in nodes.values() if node["parent"] is None]
    total = steelyard.cost(steelyard.capture(name)).total
    assert sum(node["macs"] for node in top) == total.macs
    assert sum(node["params"] for node in top) == total.params
    assert nx.is_directed_acyclic_graph(nx.DiGraph([edge[:2] for edge in found["edges"]]))
    assert {end for edge in found["edges"] for end in edge[:2]} <= parent.keys()


MALFORMED: dict[str, bytes] = {
    "no JSON": b"{",
    "nothing": b"",
    "bad UTF-8": b'{"what": {"model": "\xff\xfe"}}',
    "deep": b'{"what":' * 20_000,
    "deep lists": b"[" * 90_000,
    "a huge number": b'{"what": {"model": "resnet50", "batch": ' + b"9" * 50_000 + b"}}",
    "infinity": b'{"what": {"model": "resnet50", "knobs": {"width": Infinity}}}',
    "not a number": b'{"what": {"model": "resnet50", "knobs": {"width": NaN}}}',
    "half a character": b'{"what": {"model": "\\ud800"}}',
    "NUL": b'{"what": {"model": "resnet50\\u0000"}}',
    "too large": b'{"what": "' + b"x" * 200_000 + b'"}',
    "another type": b'{"what": ["resnet50"]}',
    "a number as text": b'{"what": {"model": "resnet50", "batch": "1"}}',
    "true as a number": b'{"what": {"model": "resnet50", "batch": true}}',
    "an unknown field": b'{"what": {"model": "resnet50", "path": "/etc/passwd"}}',
    "both": b'{"what": {"model": "resnet50", "upload": "0123456789abcdef"}}',
    "a batch too large": b'{"what": {"model": "resnet50", "batch": 1e300}}',
    "HTML": f'{{"what": {{"model": "{HTML}"}}}}'.encode(),
    "an upload's path": b'{"what": {"upload": "../../token"}}',
    "code": b'{"what": {"model": "os:getcwd"}}',
}


@pytest.mark.parametrize("why", MALFORMED)
@pytest.mark.parametrize("path", ["cost", "whatif", "jobs"])
def test_what_is_malformed_is_refused_in_words(client: Client, path: str, why: str) -> None:
    found = client.post(
        f"/api/{path}", content=MALFORMED[why], headers={"content-type": "application/json"}
    )
    assert 400 <= found.status_code < 500
    error = found.json()["error"]
    assert error["message"]
    assert "Traceback" not in found.text
    assert ".py" not in found.text
    assert found.headers["content-type"] == "application/json"
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/nothing", "/api/models/nothing", "/api/devices/..%2Fpresets", "/api/uploads/0123456789abcdef", "/api/jobs/0123456789abcdef", "/api/jobs/..%2f..%2ftoken", "/api/runs/0123456789abcdef", "/../token", "/%2e%2e/%2e%2e/token", "/api/zoo?device=/etc/passwd"])  # fmt: skip
def test_what_is_not_there_is_said(client: Client, path: str) -> None:
    found = client.get(path)
    assert found.status_code in (404, 422)
    assert found.json()["error"]["message"]


def test_a_method_that_a_path_does_not_have(client: Client) -> None:
    found = client.request("PATCH", "/api/uploads/0123456789abcdef")
    assert found.status_code == 405
    assert found.headers["allow"] == "DELETE, GET"
    assert client.get("/api/compare").headers["allow"] == "POST"


def test_settings_that_cannot_be_built_are_said(client: Client) -> None:
    what = {"model": "vgg16", "resolution": 1}
    found = client.post("/api/cost", json={"what": what})
    assert found.status_code == 422
    assert "VGG cannot take an input" in found.json()["error"]["message"]


def test_a_report_is_a_file(client: Client) -> None:
    found = client.post("/api/report", json={"whats": [{"model": "lenet5"}], "title": HTML})
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/html")
    assert found.headers["content-disposition"].startswith("attachment")
    assert HTML not in found.text
    assert "lenet5" in found.text


def test_every_endpoint_is_described(client: Client) -> None:
    described = client.get("/api/openapi.json").json()
    for path, operations in described["paths"].items():
        assert path.startswith("/api/")
        for operation in operations.values():
            assert operation["description"].endswith((".", "?"))
            assert {"401", "403", "422"} <= operation["responses"].keys()


def test_the_page_of_the_api_is_current() -> None:
    root = Path(__file__).parents[2] / "docs"
    spec = importlib.util.spec_from_file_location("web_api", root / "web_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "python docs/web_api.py"


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_requests_that_the_description_allows_are_answered(client: Client, data: Any) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_dict(client.app.openapi())  # type: ignore[attr-defined]
    case = data.draw(schema["/api/jobs"]["POST"].as_strategy())
    found = client.post("/api/jobs", json=case.body)
    assert found.status_code in (201, 404, 422, 429)
    for job in client.get("/api/jobs").json()["jobs"]:
        for _ in range(2):  # cancelled, deleted
            client.delete(f"/api/jobs/{job['id']}")
