"""Errors as JSON: ``{"error": {kind, message, expected, hint}}`` with the status that fits, never a traceback."""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from steelyard.errors import LimitError, SteelyardError, UnknownNameError
from steelyard.report.jsontext import dumps

_LONGEST = 2000
"""Characters of a sentence: parts of it come from requests."""

_log = logging.getLogger("steelyard.web")


class Refused(SteelyardError):
    """A request that the server does not take on, for a reason of its own.

    Args:
        status: of the response.
        kind: the name of the reason.
        given, expected, hint: as in `SteelyardError`.
    """

    def __init__(
        self, status: int, kind: str, given: str, *, expected: str = "", hint: str = ""
    ) -> None:
        super().__init__(given, expected=expected, hint=hint)
        self.status = status
        self.kind = kind


def status_of(error: SteelyardError) -> int:
    """The status of the response that tells of an error."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, UnknownNameError):
        return 404
    return 409 if isinstance(error, LimitError) else 422


def content(kind: str, message: str, expected: str = "", hint: str = "") -> bytes:
    """An error as JSON."""
    parts = {"kind": kind, "message": message, "expected": expected, "hint": hint}
    return dumps({"error": {key: text[:_LONGEST] for key, text in parts.items()}}).encode()


def reply(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    """A response with an error."""
    return Response(body, status, headers, media_type="application/json")


def install(app: FastAPI) -> None:
    """Has the app tell every error so."""
    app.add_exception_handler(SteelyardError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _mistake)


async def _ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, SteelyardError):  # never: for the type checker
        return await _mistake(request, error)
    kind = error.kind if isinstance(error, Refused) else type(error).__name__
    return reply(status_of(error), content(kind, error.given, error.expected, error.hint))


async def _invalid(request: Request, error: Exception) -> Response:
    found: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    lines = []
    for one in found[:3]:
        where = ".".join(str(part) for part in one.get("loc", ()) if part != "body")
        lines.append(f"{where[:200] or 'the request'}: {one.get('msg', 'is wrong')}")
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return reply(
        422, content("Invalid", "; ".join(lines) + more, hint="/api/openapi.json says what fits")
    )


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _mistake(request, error)
    status, message = error.status_code, str(error.detail)
    headers = dict(error.headers) if error.headers else {}
    methods = _methods(request) if status in (404, 405) else []
    if methods:  # also where the page's files were looked through for a path of the API
        status, message = 405, f"{request.method} of this path"
        headers["Allow"] = ", ".join(methods)
    kind = {404: "NotFound", 405: "MethodNotAllowed", 400: "Invalid"}.get(status, "Refused")
    return reply(status, content(kind, message, ", ".join(methods)), headers)


def _methods(request: Request) -> list[str]:
    """What may be done at a path, by all endpoints together."""
    found: set[str] = set()
    for template, operations in request.app.openapi()["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, request.url.path):
            found |= {method.upper() for method in operations}
    return sorted(found)


async def _mistake(request: Request, error: Exception) -> Response:
    _log.error("a mistake in steelyard", exc_info=error)
    hint = "please report it; the server's terminal shows where it happened"
    return reply(500, content("Mistake", "this is a mistake in steelyard", hint=hint))
