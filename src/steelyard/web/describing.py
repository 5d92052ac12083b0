"""How endpoints are described in OpenAPI: the JSON that they answer with, and the errors that each may tell."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Problem(BaseModel):
    """What went wrong."""

    kind: str
    message: str
    expected: str
    hint: str


class ErrorBody(BaseModel):
    """An error."""

    error: Problem


_WORDS = {
    400: "The body is no JSON.",
    401: "No token, or a wrong one.",
    403: "The request was made by another site.",
    404: "No such network, device, upload or job.",
    409: "It cannot be done now.",
    413: "Too large.",
    422: "What was asked for is not possible; the message says why.",
    429: "Too much waits already.",
    507: "No room on the disk.",
}

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": words} for status, words in _WORDS.items()
}
"""The errors that any endpoint may tell."""


def answers(schema: str, words: str = "", status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The description of an endpoint that answers with JSON of a versioned schema."""
    content = {
        "type": "object",
        "required": ["schema"],
        "properties": {"schema": {"type": "string", "const": schema}},
    }
    described = {
        "description": words or f"JSON, schema {schema}.",
        "content": {"application/json": {"schema": content}},
    }
    return {status: described, **ERRORS}
