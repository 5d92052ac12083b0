"""For all tests: the interrupt arrives, also in processes that they start; a web server on this machine."""

from __future__ import annotations

import hashlib
import re
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests of several rooms share


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive() -> None:
    """A shell that runs the tests in the background has them ignore it, and their child processes as well."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Site:
    """A server that can cut connections, answer with errors and resume: what it offers and what it was asked.

    Attributes:
        files: bytes by path.
        cuts: after how many bytes each answer in turn ends; none left: whole answers.
        status: an answer with this status instead of a file.
        redirect: an answer that points there.
        ranges: whether the server can begin in the middle.
        asked: the Range headers that came, "" for none.
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    status: int = 0
    redirect: str = ""
    ranges: bool = True
    asked: list[str] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> tuple[str, str]:
        """Offers a file; its address and hash."""
        self.files[f"/{name}"] = content
        return f"{self.base}/{name}", hashlib.sha256(content).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site()
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            made.asked.append(asked)
            if made.redirect:
                self.send_response(302)
                self.send_header("Location", made.redirect)
                self.end_headers()
                return
            content = made.files.get(self.path)
            if made.status or content is None:
                self.send_error(made.status or 404)
                return
            begin = re.fullmatch(r"bytes=(\d+)-", asked)
            start = int(begin.group(1)) if begin and made.ranges else 0
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            part = content[start:]
            if made.cuts:
                part = part[: made.cuts.pop(0)]
            self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing: clients that hang up are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    made.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
