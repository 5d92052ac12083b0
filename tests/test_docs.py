"""README and documentation: every example runs and prints what stands below it."""

import doctest
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def examples() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_examples", ROOT / "docs/examples.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python_pages() -> list[Path]:
    return [
        path
        for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
        if "```python\n" in path.read_text("utf-8")
    ]


def test_console_examples_print_what_the_pages_show(examples: ModuleType) -> None:
    for name, (shown, true) in examples.differences().items():
        assert shown == true, f"{name} is out of date: python docs/examples.py"


def test_refreshing_notices_a_wrong_number_and_a_wrong_exit_code(examples: ModuleType) -> None:
    page = "```console\n$ steelyard explain nonsense\nwrong\n$ echo $?\n0\n```\n"
    assert (
        examples.refreshed(page) == "```console\n$ steelyard explain nonsense\n$ echo $?\n3\n```\n"
    )


@pytest.mark.parametrize("path", python_pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_python_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"^```python\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    scope: dict[str, object] = {}
    for number, block in enumerate(blocks):
        name = f"{path.name}[{number}]"
        if ">>>" not in block:
            exec(compile(block, name, "exec"), scope)
            continue
        test = doctest.DocTestParser().get_doctest(block, scope, name, str(path), 0)
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
        lines: list[str] = []
        runner.run(test, out=lines.append, clear_globs=False)
        scope = test.globs
        assert runner.failures == 0, "".join(lines)


def test_the_readme_shows_the_two_commands_first() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    fence = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert fence is not None
    assert [line.split("#")[0].strip() for line in fence[1].splitlines()] == [
        "make demo",
        "make test",
    ]


def test_there_is_a_page_for_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "src/steelyard").glob("*/__init__.py")}
    assert rooms == {path.stem for path in (ROOT / "docs/rooms").glob("*.md")}


def test_the_examples_module_is_run_from_this_checkout(examples: ModuleType) -> None:
    assert examples.ROOT == ROOT
    assert Path(sys.modules["steelyard"].__file__ or "").is_relative_to(ROOT / "src")


def documented_keys(heading: str) -> set[str]:
    """The keys in the table below a heading of the page about schemas."""
    text = (ROOT / "docs/reference/schemas.md").read_text("utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return {
        key
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for key in re.findall(r"`(\w+)`", row)
    }


def test_the_page_about_schemas_lists_the_keys_that_are_there() -> None:
    import steelyard as sy

    load = sy.capture("lenet_caffe")
    cost = set(sy.cost(load).to_dict()) - {"schema"}
    assert documented_keys("steelyard.cost/1") == cost | {"training_memory", "findings"}
    comparison = set(sy.compare(load, load).to_dict()) - {"schema"}
    assert documented_keys("steelyard.comparison/1") == comparison
