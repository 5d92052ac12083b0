"""The case study on the page of this room: its commands print what stands there. Slow: three networks, two chips, three sizes."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/rooms/metrics.md"
BLOCK = re.compile(r"^```text\n\$ (steelyard [^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_there_is_a_case_study() -> None:
    found = [command for command, _ in BLOCK.findall(PAGE.read_text("utf-8"))]
    assert any(
        "alexnet mobilenet_v2 resnet50 --device eyeriss --device tpu_v1" in one for one in found
    )


@pytest.mark.slow
def test_the_case_study_prints_what_the_page_shows() -> None:
    spec = importlib.util.spec_from_file_location("docs_examples", ROOT / "docs/examples.py")
    assert spec and spec.loader
    examples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(examples)
    for command, shown in BLOCK.findall(PAGE.read_text("utf-8")):
        text, code = examples.run(command)
        assert code == 0, command
        lines = shown.rstrip("\n").split("\n")
        if lines[-1] == "...":
            assert text.split("\n")[: len(lines) - 1] == lines[:-1], command
        else:
            assert text == "\n".join(lines), command
