"""What the guard lets pass: by method and header, without the rest of the server."""

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient

from steelyard.web.guard import Guard

TOKEN = "secret-token"
PAGE = "http://127.0.0.1:8321"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = (await receive())["body"]
    headers = [(b"cache-control", b"public"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"passed %d" % len(body)})


@pytest.fixture
def guarded() -> TestClient:
    return TestClient(Guard(echo, token=TOKEN, body_bytes=1000), PAGE)


def headers(**more: str) -> dict[str, str]:
    return {"X-Steelyard-Token": TOKEN} | {k.replace("_", "-"): v for k, v in more.items()}


@pytest.mark.parametrize("method", METHODS)
def test_the_page_itself_passes_on_every_method(guarded: TestClient, method: str) -> None:
    ours = headers(origin=PAGE, sec_fetch_site="same-origin")
    assert guarded.request(method, "/api/cost", headers=ours).status_code == 200


FOREIGN = {
    "no token": ({"X-Steelyard-Token": ""}, 401),
    "a wrong token": ({"X-Steelyard-Token": TOKEN + "x"}, 401),
    "a token that is no ASCII": ({"X-Steelyard-Token": "tök€n".encode()}, 401),
    "a name that resolves to this machine": ({"host": "evil.example:8321"}, 403),
    "a name that begins as ours": ({"host": "127.0.0.1.evil.example"}, 403),
    "a user in the host": ({"host": "127.0.0.1@evil.example"}, 403),
    "no host": ({"host": ""}, 403),
    "another site": ({"origin": "https://evil.example"}, 403),
    "another port of this machine": ({"origin": "http://127.0.0.1:9999"}, 403),
    "the same under https": ({"origin": "https://127.0.0.1:8321"}, 403),
    "a page without origin": ({"origin": "null"}, 403),
    "made by another site": ({"sec-fetch-site": "cross-site"}, 403),
    "made by another port": ({"sec-fetch-site": "same-site"}, 403),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("why", FOREIGN)
def test_others_are_refused_on_every_method(guarded: TestClient, method: str, why: str) -> None:
    wrong, status = FOREIGN[why]
    found = guarded.request(method, "/api/cost", headers={**headers(), **wrong})  # type: ignore[dict-item]
    assert found.status_code == status
    assert method == "HEAD" or found.json()["error"]["message"]


def test_a_header_that_comes_twice_is_refused(guarded: TestClient) -> None:
    twice = [("X-Steelyard-Token", TOKEN), ("Origin", PAGE), ("Origin", "https://evil.example")]
    assert guarded.get("/api/cost", headers=twice).status_code == 403


def test_a_link_elsewhere_opens_the_page_and_reads_no_answer(guarded: TestClient) -> None:
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert guarded.get("/", headers=link).status_code == 200
    assert guarded.get("/api/cost", headers=headers() | link).status_code == 403
    assert guarded.post("/", headers=link).status_code == 403
    frame = link | {"sec-fetch-dest": "iframe"}
    assert guarded.get("/", headers=frame).status_code == 403


def test_what_leaves_is_not_stored_framed_sniffed_or_run(guarded: TestClient) -> None:
    for path in ("/", "/api/cost"):  # also where it is refused
        found = guarded.get(path)
        assert found.headers["cache-control"] == "no-store"
        assert found.headers["x-content-type-options"] == "nosniff"
        policy = found.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert not any(name.startswith("access-control") for name in found.headers)


def test_a_body_is_bounded_whether_or_not_its_length_is_announced(guarded: TestClient) -> None:
    assert guarded.post("/api/cost", headers=headers(), content=b"x" * 1000).text == "passed 1000"
    assert guarded.post("/api/cost", headers=headers(), content=b"x" * 1001).status_code == 413
    parts = (b"x" * 100 for _ in range(50))
    assert guarded.post("/api/cost", headers=headers(), content=parts).status_code == 413
    lies = headers(content_length="-5")
    assert guarded.post("/api/cost", headers=lies, content=b"x").status_code == 413


def test_there_are_no_web_sockets() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    guard = Guard(echo, token=TOKEN, body_bytes=1000)
    scope = {"type": "websocket", "path": "/api/cost", "headers": []}
    asyncio.run(guard(scope, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]
