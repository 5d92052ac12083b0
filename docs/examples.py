"""Runs the examples in README.md and docs/: each ``$ steelyard`` line must print what stands below it.

``python docs/examples.py`` writes the true output into the pages; the tests call `differences`. An
example is a fenced block of the language ``console``. Several ``$`` lines may share a block, and
``$ echo $?`` shows the exit code of the line before it. What goes to stderr is not shown without
``2>&1``. A block whose output ends in a line ``...`` shows the beginning only.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

from steelyard import cli

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
_SEVERAL_LINES = 2


def pages() -> list[Path]:
    """README.md and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def run(command: str) -> tuple[str, int]:
    """Standard output and exit code of a line ``steelyard ...``, on a terminal of 100 columns.

    It runs in a folder of its own, in which the onnx package's networks lie (``light_*.onnx``).
    """
    both = command.endswith(" 2>&1")
    words = shlex.split(command.removesuffix(" 2>&1"))
    if words[0] != "steelyard":
        raise ValueError(f"an example runs something else than steelyard: {command}")
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.StringIO()
    terminal = {"COLUMNS": "100", "NO_COLOR": "1"}
    with (
        mock.patch.dict(os.environ, terminal),
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stderr(err),
        contextlib.redirect_stdout(out),
    ):
        if ".onnx" in command:
            for file in onnx_data().glob("*.onnx"):
                shutil.copy(file, folder)
        code = cli.run(words[1:])
        out.flush()
    text = out.buffer.getvalue().decode("utf-8").replace("\r\n", "\n")  # type: ignore[attr-defined]
    return (text + (err.getvalue() if both else "")).rstrip("\n"), code


def onnx_data() -> Path:
    """The folder of real networks that the onnx package carries."""
    import onnx

    return Path(onnx.__file__).parent / "backend/test/data/light"


def refreshed(text: str) -> str:
    """A page with the true output in every example."""
    return _BLOCK.sub(lambda match: _refreshed_block(match[1]), text)


def differences() -> dict[str, tuple[str, str]]:
    """Pages that do not show what the commands print: name -> (page, page as it should be)."""
    found = {}
    for path in pages():
        text = path.read_text("utf-8")
        if "```console\n" in text and (true := refreshed(text)) != text:
            found[str(path.relative_to(ROOT))] = (text, true)
    return found


def _refreshed_block(block: str) -> str:
    pieces = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    lines: list[str] = []
    code = 0
    for command, shown in zip(pieces[::2], pieces[1::2], strict=True):
        lines.append(f"$ {command}")
        if command == "echo $?":
            lines.append(str(code))
            continue
        text, code = run(command)
        kept = shown.rstrip("\n").split("\n")
        if kept[-1] == "..." and text:
            count = max(len(kept) - 1, _SEVERAL_LINES)
            text = "\n".join([*text.split("\n")[:count], "..."])
        lines += [text] if text else []
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes the true output into every page that shows another."""
    for name, (_, true) in differences().items():
        (ROOT / name).write_text(true, "utf-8")
        print(f"refreshed {name}")


if __name__ == "__main__":
    sys.exit(main())
