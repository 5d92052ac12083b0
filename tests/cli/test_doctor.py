"""``steelyard doctor``: versions as installed, and the install line of what is missing."""

import json
import os
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import steelyard.diagnosis


def test_versions_are_those_installed(run_cli) -> None:
    data = json.loads(run_cli("doctor", "--json").out)
    assert data["schema"] == "steelyard.doctor/1"
    for library in data["libraries"]:
        try:
            installed = metadata.version(library["name"])
        except metadata.PackageNotFoundError:
            installed = None
        assert library["version"] == installed
        assert (library["install"] is None) == (installed is not None)
    assert data["facts"]["CPUs usable"] == str(len(os.sched_getaffinity(0)))


def test_the_libraries_are_those_that_pyproject_asks_for(run_cli) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    users = [needs for extra, needs in extras.items() if extra not in ("test", "lint", "docs", "dev")]  # fmt: skip
    asked = {re.split(r"[<>=\[]", text)[0] for needs in (project["dependencies"], *users) for text in needs}  # fmt: skip
    listed = json.loads(run_cli("doctor", "--json").out)["libraries"]
    assert sorted(library["name"] for library in listed) == sorted(asked)
    # what one types is never cut
    table = run_cli("doctor").out
    assert all(library["name"] in table and (library["version"] or "") in table for library in listed)  # fmt: skip


def test_what_is_missing_comes_with_its_install_line(
    run_cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in ("onnx", "rich"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(steelyard.diagnosis.metadata, "version", version)
    libraries = {
        row["name"]: row for row in json.loads(run_cli("doctor", "--json").out)["libraries"]
    }
    assert libraries["onnx"]["version"] is None
    assert libraries["onnx"]["install"] == "pip install 'steelyard[onnx]'"
    assert libraries["rich"]["install"] == "pip install rich"
    out = run_cli("doctor").out
    assert "missing" in out
    assert "pip install 'steelyard[onnx]'" in out
