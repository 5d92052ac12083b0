"""`Guard`: lets a request pass only if it comes from the workbench's own page, and is of a bearable size.

The server listens on this machine alone, but any web page that the user looks at can send requests to it. Refused,
on every method: a ``Host`` that is no name of this machine (a foreign name that resolves to it), an ``Origin`` that is
not the page's own, a ``Sec-Fetch-Site`` that says the request was made by another site (but for a link to the page
itself, which tells nothing), and under ``/api`` whatever lacks the token. There are no cookies, so nothing is sent
along unasked.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steelyard.web.problems import content

TOKEN_HEADER = "X-Steelyard-Token"  # noqa: S105  (its name)

UPLOADS = "/api/uploads"
"""The one path whose bodies are read bit by bit, by itself."""

_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy: only files of this server, no code or style in the page."""

_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }.items()
)


class Guard:
    """ASGI middleware, outermost.

    Args:
        app: what it guards.
        token: asked for under ``/api``.
        body_bytes: of a request that is no upload.
    """

    def __init__(self, app: ASGIApp, *, token: str, body_bytes: int) -> None:
        self._app = app
        self._token = token.encode()
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        guarded = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is None and scope["path"] != UPLOADS:
            body = await self._body(scope, receive)
            if body is None:
                refusal = 413, "TooLarge", f"a request of more than {self._body_bytes} bytes"
            else:
                receive = _again(body, receive)
        if refusal is None:
            await self._app(scope, receive, guarded)
        else:
            status, kind, message = refusal
            await _refuse(guarded, status, kind, message)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = _Headers(scope["headers"])
        host = headers.only("host")
        if host is None or not _HOST.fullmatch(host):
            return 403, "Forbidden", "the request names another machine than this one (Host)"
        origin = headers.only("origin", "")
        if origin != "" and (origin is None or origin.lower() != f"http://{host}".lower()):
            return 403, "Forbidden", "the request was made by a page of another site (Origin)"
        site = headers.only("sec-fetch-site", "none")
        api = scope["path"] == "/api" or scope["path"].startswith("/api/")
        if site not in ("same-origin", "none") and (api or not _is_link(scope, headers)):
            return 403, "Forbidden", "the request was made by another site (Sec-Fetch-Site)"
        if api:
            token = headers.only(TOKEN_HEADER.lower(), "") or ""
            if not hmac.compare_digest(token.encode("latin-1", "replace"), self._token):
                return (
                    401,
                    "Unauthorized",
                    f"the header {TOKEN_HEADER} has no token, or a wrong one",
                )
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None if it is too large."""
        length = _Headers(scope["headers"]).only("content-length", "0") or "0"
        if not length.isdecimal() or len(length) > 18 or int(length) > self._body_bytes:
            return None
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b""  # gone; the app finds out at its next look
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._body_bytes:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)


class _Headers:
    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = list(raw)

    def only(self, name: str, default: str | None = None) -> str | None:
        """The value of a header that comes once; None if it comes several times."""
        found = [value.decode("latin-1") for key, value in self._raw if key == name.encode()]
        if not found:
            return default
        return found[0] if len(found) == 1 else None


def _is_link(scope: Scope, headers: _Headers) -> bool:
    """A link to the page, followed in a window of its own."""
    return (
        scope["method"] == "GET"
        and headers.only("sec-fetch-mode") == "navigate"
        and headers.only("sec-fetch-dest") == "document"
    )


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in _HEADERS}
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in ours]
            message = {**message, "headers": [*kept, *_HEADERS]}
        await send(message)

    return guarded


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands on a body that was read already, then whatever comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


async def _refuse(send: Send, status: int, kind: str, message: str) -> None:
    body = content(kind, message)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
