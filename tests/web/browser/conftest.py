"""A workbench with its own store and a hand-made training run, and pages of it in a headless Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
    None,
)  # fmt: skip

PATIENCE_MS = 120_000
"""How long a page may take; only a page that never gets there waits so long."""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run of three epochs, as `steelyard train` leaves it."""
    folder = tmp_path_factory.mktemp("runs")
    run = folder / "digits"
    run.mkdir()
    recipe = resources.files("steelyard.train").joinpath("recipes", "digits_lenet.toml")
    (run / "recipe.toml").write_bytes(recipe.read_bytes())
    rows = [
        {"kind": "step", "step": s, "at": s / 10, "lr": 0.1, "loss": 2 / (s + 1)} for s in range(30)
    ]
    rows += [
        {"kind": "epoch", "epoch": e, "step": 10 * e, "train_loss": 1 / e, "test_loss": 1.1 / e,
         "train_top1": 80.0 + e, "test_top1": 79.0 + e, "test_top5": 99.0} for e in (1, 2, 3)
    ]  # fmt: skip
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run / "metrics.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def workbench(tmp_path_factory: pytest.TempPathFactory, runs: Path, start_server) -> Iterator[str]:
    """The address of a server, with its token."""
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with start_server(tmp_path_factory.mktemp("store"), "--runs", str(runs)) as server:
        yield f"{server.url}/#token={server.token}"


@pytest.fixture(scope="module")
def chromium(workbench: str) -> Iterator[Browser]:
    # not for the session: while playwright is there, no other test may run an event loop
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


class Desk:
    """One user's browser window, and what went wrong in it.

    Attributes:
        page: playwright's.
        url: of the server.
        token: its token.
        refused: answers of the server that a test expects; their lines on the console are no trouble.
    """

    def __init__(self, context: BrowserContext, workbench: str) -> None:
        self.url, _, self.token = workbench.partition("/#token=")
        self.context, self.page = context, context.new_page()
        self.refused: set[int] = set()
        self._troubles: list[str] = []
        self.watch(self.page)

    def watch(self, page: Page) -> None:
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self._troubles.append(str(error)))
        page.on(
            "console",
            lambda said: (
                self._troubles.append(said.text) if said.type in ("error", "warning") else None
            ),
        )

    def open(self, view: str = "") -> Page:
        """Opens a view, as a link to it does: ``network?n=lenet5``."""
        self.page.goto(f"{self.url}/#token={self.token}&/{view}")
        return self.page

    def troubles(self) -> list[str]:
        expected = [f"status of {status}" for status in self.refused]
        return [t for t in self._troubles if not any(words in t for words in expected)]


@pytest.fixture
def desk_of(chromium: Browser, workbench: str) -> Iterator[Callable[..., Desk]]:
    """Opens windows: of a width, light or dark; each must have had no trouble in the end."""
    opened: list[Desk] = []

    def window(width: int = 1280, height: int = 900, scheme: str = "light") -> Desk:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            accept_downloads=True,
        )
        opened.append(Desk(context, workbench))
        return opened[-1]

    yield window
    for desk in opened:
        desk.context.close()
    assert [trouble for desk in opened for trouble in desk.troubles()] == []


@pytest.fixture
def desk(desk_of: Callable[..., Desk]) -> Desk:
    return desk_of()
