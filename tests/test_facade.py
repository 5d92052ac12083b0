"""The façade: its names import, importing it is quick and light, rooms and verbs live side by side."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
import time

import pytest

import steelyard
from steelyard import errors

HEAVY = ("torch", "numpy", "onnx", "matplotlib", "rich", "click")


def loaded_after(code: str) -> set[str]:
    """Which of the heavy libraries a fresh interpreter has loaded after ``code``."""
    script = f"{code}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


def test_importing_steelyard_loads_nothing_heavy() -> None:
    assert loaded_after("import steelyard") == set()


def test_importing_the_pure_rooms_loads_nothing_heavy() -> None:
    code = "from steelyard.workload import Workload; from steelyard.cost import cost; import steelyard.units"
    assert loaded_after(code) == set()


def test_the_list_of_networks_needs_no_torch() -> None:
    code = "import steelyard; steelyard.list_models(); steelyard.info('resnet50')"
    assert "torch" not in loaded_after(code)


def test_a_cost_prints_without_torch() -> None:
    code = (
        "from steelyard.workload import *; from steelyard.cost import cost;"
        "print(cost(Workload('x', (Layer('a', 'linear', 'aten.linear', nests=(LoopNest.linear(1, 2, 3),)),), ())))"
    )
    assert loaded_after(code) & {"torch", "numpy", "onnx", "matplotlib"} == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_after("import click") == {"click"}


@pytest.mark.slow
def test_importing_steelyard_takes_under_a_tenth_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import steelyard; print(time.perf_counter() - t)"
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(5)
    ]
    assert min(runs) < 0.1


@pytest.mark.slow
def test_help_takes_under_three_tenths_of_a_second() -> None:
    runs = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "steelyard", "--help"], capture_output=True, check=True
        )
        runs.append(time.perf_counter() - start)
    assert min(runs) < 0.3


@pytest.mark.parametrize("name", steelyard.__all__)
def test_every_public_name_is_there_and_is_no_module(name: str) -> None:
    value = getattr(steelyard, name)
    assert not inspect.ismodule(value)
    assert name in dir(steelyard)


def test_a_verb_stays_a_function_after_its_room_is_imported() -> None:
    for room in ("capture", "cost", "report"):
        module = importlib.import_module(f"steelyard.{room}")
        assert inspect.ismodule(module)
        assert inspect.isfunction(getattr(steelyard, room))


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'steelyard' has no attribute 'nonsense'"):
        steelyard.nonsense  # noqa: B018


def modules() -> list[str]:
    found = pkgutil.walk_packages(steelyard.__path__, "steelyard.")
    return [module.name for module in found if not module.name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_every_name_in_all_of_every_module_exists(name: str) -> None:
    if name.endswith("_triton"):
        pytest.importorskip("triton", reason="comes with PyTorch for CUDA only")
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what a reader finds in it"
    missing = [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)]
    assert missing == []


def test_the_tree_drawn_in_errors_is_the_tree() -> None:
    depth_of: dict[str, int] = {}
    parent: dict[str, str] = {}
    codes: dict[str, int] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        word = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        name = word.split()[0] if word.split() else ""
        if not name.endswith("Error"):
            continue
        depth = (len(word) - len(word.lstrip()) - 4) // 4
        above = [*above[:depth], name]
        depth_of[name] = depth
        parent[name] = above[-2] if depth else "Exception"
        if "(exit " in line:
            codes[name] = int(line.split("(exit ")[1].rstrip(")"))
    real = {
        name: cls
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, Exception) and cls.__module__ == errors.__name__
    }
    assert set(parent) == set(real)
    for name, cls in real.items():
        assert parent[name] == cls.__bases__[0].__name__
    for name, code in codes.items():
        assert real[name].exit_code == code
    assert set(codes.values()) == {1, 2, 3, 4}


def test_an_error_says_what_was_given_expected_and_what_to_try() -> None:
    error = errors.InputError("a shape of (1, 3)", expected="four sizes", hint="1x3x224x224")
    assert str(error) == "a shape of (1, 3)\nexpected: four sizes\ntry: 1x3x224x224"
    missing = errors.MissingExtraError("reading .onnx files", extra="onnx", package="onnx")
    assert str(missing) == (
        "reading .onnx files needs the package onnx, which is not installed\n"
        "try: pip install 'steelyard[onnx]'"
    )
