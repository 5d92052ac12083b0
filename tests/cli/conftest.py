"""Runs command lines in this process: `run_cli` gives exit code, stdout and stderr apart."""

import io
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from steelyard import cli


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*args: object) -> Outcome:
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
        err = io.StringIO()
        with redirect_stderr(err), redirect_stdout(out):
            code = cli.run([os.fspath(a) if isinstance(a, os.PathLike) else str(a) for a in args])
        out.flush()
        data = out.buffer.getvalue()  # type: ignore[attr-defined]
        return Outcome(code, data.decode("utf-8"), err.getvalue())

    return run
