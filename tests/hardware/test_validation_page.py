"""The documentation's page of validation is what the models say today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "hardware_validation.py"


@pytest.mark.slow
def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("docs_hardware_validation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    current = module.PAGE.read_text(encoding="utf-8") == module.page()
    assert current, "run python docs/hardware_validation.py"
