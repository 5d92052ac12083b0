"""House rules that can be read off the source: asserts, exceptions, pickles, long files, pinned versions."""

import ast
import builtins
import functools
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PROTOCOL_ERRORS = {"AttributeError", "StopIteration"}
"""What Python's own protocols ask for (``__getattr__``, iterators)."""


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


SUITES = {f"steelyard/{room}/conformance.py" for room in ("data", "design", "measure")}
"""Test suites that users derive from."""


def named(path: Path) -> str:
    return path.relative_to(ROOT / "src").as_posix()


def forbidden(path: Path) -> Iterator[str]:
    """Lines that assert on input, load code from data, or call eval or exec."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Assert) and named(path) not in SUITES:
            yield f"{named(path)}:{node.lineno}: assert"
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            for module in {"pickle", "dill", "cloudpickle", "shelve", "marshal"} & set(modules):
                yield f"{named(path)}:{node.lineno}: {module}"
        if isinstance(node, ast.Name) and node.id in ("eval", "exec"):
            yield f"{named(path)}:{node.lineno}: {node.id}"


def test_no_assert_and_no_pickle() -> None:
    assert len(SOURCES) > 500
    assert [line for path in SOURCES for line in forbidden(path)] == []


def public_raises(node: ast.AST) -> Iterator[ast.Raise]:
    """Raise statements outside private functions, which may raise what their module catches."""
    for child in ast.iter_child_nodes(node):
        private = isinstance(child, ast.FunctionDef) and re.match("_[^_]", child.name)
        if isinstance(child, ast.Raise):
            yield child
        if not private:
            yield from public_raises(child)


def test_what_public_functions_raise_by_name_is_ours() -> None:
    raised = []
    for path in SOURCES:
        for node in public_raises(tree(path)):
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(error, ast.Name) and isinstance(getattr(builtins, error.id, None), type):
                raised.append(f"{named(path)}:{node.lineno}: {error.id}")
    assert [line for line in raised if line.rsplit(" ", 1)[1] not in PROTOCOL_ERRORS] == []


def test_every_file_says_what_a_reader_finds_in_it() -> None:
    first = {
        named(path): (ast.get_docstring(tree(path)) or "").split("\n\n")[0] for path in SOURCES
    }
    assert [name for name, said in first.items() if not said.endswith((".", "::", ":", ")"))] == []


def keyword_catchers() -> Iterator[str]:
    for path in SOURCES:
        for node in tree(path).body:
            if (
                isinstance(node, ast.FunctionDef)
                and not node.name.startswith("_")
                and node.args.kwarg is not None
            ):
                yield f"{named(path)}:{node.name}"


def test_no_public_function_swallows_keywords() -> None:
    # a network's settings are its own keywords; they are checked against its family's dataclass
    assert sorted(keyword_catchers()) == [
        "steelyard/zoo/predict/api.py:predict",
        "steelyard/zoo/registry.py:create",
        "steelyard/zoo/registry.py:default_input_shape",
    ]


def test_tests_mirror_the_rooms() -> None:
    rooms = {path.parent.name for path in (ROOT / "src/steelyard").glob("*/__init__.py")}
    assert rooms <= {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}


NOT_IN_DEV = {"ray", "datasets"}
"""Too large for everyone; `make verify` installs them."""


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in pins}


def test_every_requirement_is_pinned_and_the_pins_are_what_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[<>=\[ ;]", line)[0].lower() for line in wanted} - {"steelyard"}
    pins = constraints()
    assert names <= set(pins)
    for name in names - NOT_IN_DEV:
        assert metadata.version(name).split("+")[0] == pins[name], name


def test_the_project_names_nothing_outside_itself() -> None:
    outside = re.compile(
        r"\.\./shared|/wor[k]/|file://(?!/?[\"'])|https?://(?:[\w.-]*pypi|files\.python)"
    )
    listed = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]
    listed += [ROOT / name for name in ("README.md", "Makefile", "pyproject.toml", ".ci/run")]
    hits = [
        path.relative_to(ROOT).as_posix()
        for path in listed
        if path != Path(__file__) and outside.search(path.read_text("utf-8"))
    ]
    assert hits == []
