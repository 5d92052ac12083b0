"""`mount_page`: the page's own files, and the report's style, which the page shares, at ``/report.css``."""

from __future__ import annotations

import mimetypes
from importlib import resources
from pathlib import Path

from fastapi import FastAPI, Response
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).with_name("static")
"""The page."""

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Not left to the system, whose list may say something else, which browsers then refuse."""


def mount_page(app: FastAPI) -> None:
    """Serves the page at ``/``; what is under ``/api`` must be there already."""
    for ending, kind in _TYPES.items():
        mimetypes.add_type(kind, ending)
    style = resources.files("steelyard.report").joinpath("assets", "report.css")

    @app.get("/report.css", include_in_schema=False)
    def report_css() -> Response:
        return Response(style.read_bytes(), media_type="text/css")

    app.mount("/", StaticFiles(directory=STATIC, html=True))
