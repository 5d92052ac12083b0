"""One server for the tests of this room, with one process that answers, asked without a network; and real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from steelyard.web.app import create_app
from steelyard.web.settings import Limits, Settings

TOKEN = "t" * 43
BASE = "http://127.0.0.1:8321"

SMALL = Limits(
    body_bytes=100_000, upload_bytes=300_000, uploads_bytes=500_000, uploads=2, queued=2,
    answer_s=600, report_s=600, parse_s=600,
)  # fmt: skip
"""So small that tests reach them; but for time, which slow machines need."""


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def client(store: Path) -> Iterator[TestClient]:
    app = create_app(Settings(store, TOKEN, workers=1, limits=SMALL))
    headers = {"X-Steelyard-Token": TOKEN}
    with TestClient(app, BASE, raise_server_exceptions=False, headers=headers) as made:
        yield made


@dataclass(frozen=True)
class Served:
    """A server of its own process."""

    process: subprocess.Popen[str]
    url: str
    token: str

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait()


@contextmanager
def served(store: Path, *more: str) -> Iterator[Served]:
    line = [sys.executable, "-m", "steelyard", "serve", "--port", "0", "--no-browser", "--json"]
    process = subprocess.Popen(
        [*line, "--store", str(store), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]  # indented JSON
        told = json.loads("".join(lines))
        url, _, token = told["url"].partition("/#token=")
        yield Served(process, url, token)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="session")
def start_server():
    """Starts real servers: ``with start_server(store, "--runs", folder) as server``."""
    return served
