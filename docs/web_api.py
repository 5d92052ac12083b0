"""Writes reference/web-api.md: the endpoints of the workbench and what they take, from its own OpenAPI description.

``python docs/web_api.py`` after a change of the API; the tests say when it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steelyard.web.app import create_app
from steelyard.web.settings import Settings

PAGE = Path(__file__).parent / "reference" / "web-api.md"

_HEAD = """\
# The workbench's API

Written by `python docs/web_api.py` from the description that a running server has at `/api/openapi.json`.

`steelyard serve` prints an address with a token; every request needs it in the header `X-Steelyard-Token`. Bodies are
JSON of exactly these fields and types, answers the same JSON as the command line's `--json`. An error has a status
from 400 and is `{"error": {"kind", "message", "expected", "hint"}}`: 401 no token, 403 made by another site, 404 no
such thing, 405 not done to this path, 413 too large, 422 not possible, 429 too much waits already, 507 no room on the
disk.

```sh
curl -s http://127.0.0.1:8321/api/cost -H "X-Steelyard-Token: $TOKEN" \\
  -H "Content-Type: application/json" -d '{"what": {"model": "resnet50", "knobs": {"width": 0.5}}}'
```
"""


def page() -> str:
    """The page's text."""
    described = create_app(Settings(Path("store"), "token")).openapi()
    parts = [_HEAD]
    tags: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            row = f"| `{method.upper()} {path}` | {_body(operation)} | {_answer(operation)} | {_words(operation)} |"
            tags.setdefault(operation["tags"][0], []).append(row)
    for tag, rows in tags.items():
        heading = tag[0].upper() + tag[1:]
        parts.append(
            f"## {heading}\n\n| request | body | answer | |\n|---|---|---|---|\n" + "\n".join(rows)
        )
    parts.append("## Bodies\n")
    for name, schema in sorted(described["components"]["schemas"].items()):
        if name in ("ErrorBody", "Problem", "HTTPValidationError", "ValidationError"):
            continue
        rows = [
            f"| `{key}` | {_kind(field)} | {'yes' if key in schema.get('required', ()) else ''} | {field.get('description', '')} |"
            for key, field in schema["properties"].items()
        ]
        words = schema.get("description", "")
        parts.append(
            f"### {name}\n\n{words}\n\n| field | type | needed | |\n|---|---|---|---|\n"
            + "\n".join(rows)
        )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _words(operation: dict[str, Any]) -> str:
    return " ".join(operation["description"].split())


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/octet-stream" in content:
        return "the file"
    return _kind(content["application/json"]["schema"]) if content else ""


def _answer(operation: dict[str, Any]) -> str:
    found = next(
        answer for status, answer in operation["responses"].items() if status.startswith("2")
    )
    content = found["content"]
    if "text/html" in content:
        return "HTML"
    return f"`{content['application/json']['schema']['properties']['schema']['const']}`"


def _kind(schema: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(option) for option in schema[several]))
    if "const" in schema:
        return f"`{schema['const']!r}`"
    if "enum" in schema:
        return ", ".join(f"`{option!r}`" for option in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" + _bounds(schema, "minItems", "maxItems")
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"{{name: {_kind(inner)}}}" if isinstance(inner, dict) else "object"
    return str(schema.get("type", "anything")) + _bounds(schema, "minimum", "maximum")


def _bounds(schema: dict[str, Any], low: str, high: str) -> str:
    least, most = schema.get(low), schema.get(high)
    if most is None:
        return "" if least is None else f", at least {least:g}"
    return f", {least or 0:g} to {most:g}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
