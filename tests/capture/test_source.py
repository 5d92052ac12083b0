"""The SOURCE grammar: what each form means, and what is said when it means nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from steelyard.capture.source import Source, load_module, parse_source, parse_value
from steelyard.errors import (
    FileFormatError,
    InputError,
    ModelError,
    SteelyardError,
    UnknownNameError,
    UsageError,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


def _error(text: str) -> str:
    with pytest.raises(SteelyardError) as caught:
        source = parse_source(text)
        load_module(source)
    return f"{type(caught.value).__name__}: {caught.value}"


# ---- what each form means ------------------------------------------------------------------------


def test_files_by_extension(folder: Path) -> None:
    for kind in ("onnx", "pt2", "json"):
        (folder / f"net.{kind}").write_text("x")
        (folder / f"NET.{kind.upper()}").write_text("x")
        for text in (
            f"net.{kind}",
            f"./net.{kind}",
            f"NET.{kind.upper()}",
            str(folder / f"net.{kind}"),
        ):
            source = parse_source(text)
            assert source == Source(kind, text, path=Path(text))  # type: ignore[arg-type]
            assert source.notice == ""


def test_a_file_with_a_colon_or_an_equals_sign_is_a_file(folder: Path) -> None:
    (folder / "a:b=1.onnx").write_text("x")
    assert parse_source("a:b=1.onnx").kind == "onnx"


def test_zoo_names_with_and_without_settings() -> None:
    assert parse_source("resnet50") == Source("zoo", "resnet50", name="resnet50")
    source = parse_source(" resnet18:num_classes=10, width=0.5 ")
    assert source.kind == "zoo" and source.name == "resnet18"
    assert source.settings == {"num_classes": 10, "width": 0.5}
    assert {source: 1}[parse_source("resnet18:num_classes=10, width=0.5")] == 1  # hashable


def test_the_equals_sign_tells_settings_from_a_callable() -> None:
    """A name may be both a network and a module; the form decides, not what exists."""
    assert parse_source("resnet18:width=0.5").kind == "zoo"
    source = parse_source("resnet18:width")
    assert (source.kind, source.module, source.attribute) == ("callable", "resnet18", "width")
    nested = parse_source("package.module:Factory.build")
    assert (nested.module, nested.attribute) == ("package.module", "Factory.build")
    assert nested.notice == "package.module:Factory.build imports and runs Python code"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("1_000", 1000), ("0.75", 0.75), ("1e-3", 0.001), ("true", True),
        ("False", False), ("none", None), ("3x4x6x3", (3, 4, 6, 3)), ("3x", (3,)), ("32x4d", "32x4d"),
        ("'12'", "12"), ('"true"', "true"), ("cifar", "cifar"), ("x", "x"), ("3xx4", "3xx4"), ("١٢", "١٢"),
    ],
)  # fmt: skip
def test_values_of_settings(text: str, value: object) -> None:
    found = parse_value(text)
    assert found == value and type(found) is type(value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()))
def test_python_values_survive_being_typed(value: object) -> None:
    assert parse_value(str(value)) == value


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=8))
def test_tuples_survive_being_typed(sizes: list[int]) -> None:
    assert parse_value("x".join(map(str, sizes))) == tuple(sizes)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused_with_words(text: str) -> None:
    try:
        source = parse_source(text)
    except SteelyardError as error:
        assert str(error).strip()
    else:
        assert source.text == text.strip()


# ---- what is said otherwise ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "UsageError: '' names no network\nexpected: a name such as resnet50"),
        ("resnet5O", "UnknownNameError: no network is named 'resnet5O'\nexpected: one of the known names; nearest: resnet50"),
        ("zzzz", "UnknownNameError: no network is named 'zzzz'\ntry: steelyard models"),
        ("my.qqqq", "UnknownNameError: no network is named 'my.qqqq'\ntry: my.qqqq:callable"),
        ("resnet50:", "UsageError: nothing follows the colon in 'resnet50:'\nexpected: name:key=value"),
        ("resnet50:widht=1", "UsageError: resnet50 has no setting 'widht'\nexpected: one of num_classes"),
        ("resnet50:width=", "UsageError: 'width=' in 'resnet50:width=' is no setting\nexpected: key=value"),
        ("resnet50:width=1,,", "UsageError: '' in 'resnet50:width=1,,' is no setting"),
        ("resnet50:=1", "UsageError: '=1' in 'resnet50:=1' is no setting"),
        ("resnet50:width=1,width=2", "UsageError: 'width' is set twice in 'resnet50:width=1,width=2'"),
        ("resnet50:width=wide", "UsageError: resnet50: width='wide' is not possible\nexpected: float"),
        ("resnet50:num_classes=0", "UsageError: resnet50: num_classes=0 is not possible\nexpected: int, at least 1"),
        ("nonet:width=1", "UnknownNameError: no network is named 'nonet'"),
        ("a b:c", "UsageError: 'a b:c' is neither settings of a network nor a callable"),
        ("mod:build()", "UsageError: 'mod:build()' is neither settings of a network nor a callable"),
    ],
)  # fmt: skip
def test_names_and_settings_that_are_wrong(text: str, message: str) -> None:
    assert _error(text).startswith(message)


def test_missing_files_offer_those_that_are_there(folder: Path) -> None:
    assert _error("resnet.onnx") == (
        "FileFormatError: there is no file 'resnet.onnx'\nexpected: an existing file"
    )
    (folder / "resnet18.onnx").write_text("x")
    (folder / "resnet.txt").write_text("x")
    assert _error("resnet.onnx").endswith("; nearest in that folder: resnet18.onnx")
    assert "there is no file 'nowhere/net.pt2'" in _error("nowhere/net.pt2")
    assert _error("resnet18x").endswith("steelyard models")
    (folder / "mynet.onnx").write_text("x")
    assert _error("mynet").endswith("\ntry: mynet.onnx")


def test_files_that_hold_no_network(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, "net.pth")
    message = _error("net.pth")
    assert message.startswith(
        "FileFormatError: 'net.pth' is a PyTorch checkpoint (a pickle in a zip): weights, not a network\n"
        "expected: a file .onnx, .pt2 or .json\ntry: export the network with torch.export.save("
    )
    assert "or give package.module:callable that builds it" in message
    (folder / "net.py").write_text("x = 1")
    assert _error("net.py").endswith("try: net:callable")
    (folder / "notes").write_text("hello")
    assert _error("notes").startswith("FileFormatError: 'notes' is a text file")
    (folder / "net.bin").write_text('{"a": 1}')
    assert _error("net.bin").endswith("try: rename it to net.json")
    (folder / "net.onnx").write_bytes(b"")
    assert _error("net.onnx") == "FileFormatError: 'net.onnx' is empty (0 bytes)"
    assert _error("./").startswith("FileFormatError: '.' is a directory")
    assert _error("gone.pth").startswith("FileFormatError: there is no file 'gone.pth'")


# ---- building ------------------------------------------------------------------------------------

NETS = """
import sys
from torch import nn

print("hello from import")
loaded = nn.Linear(2, 3)
text = "a string"

def build():
    print("hello from build")
    return nn.Linear(4, 5)

class Net(nn.Module):
    @staticmethod
    def small():
        return nn.Linear(1, 1)

def broken():
    raise ValueError("no such luck")

def leaves():
    sys.exit(3)

def nothing():
    return None

def needs(width):
    return nn.Linear(width, 1)
"""


@pytest.fixture
def nets(folder: Path) -> str:
    (folder / "steelyard_test_nets.py").write_text(NETS)
    return "steelyard_test_nets"


def test_callables_classes_and_modules_are_built(
    nets: str, capsys: pytest.CaptureFixture[str]
) -> None:
    built = load_module(parse_source(f"{nets}:build"))
    assert isinstance(built, nn.Linear) and built.in_features == 4
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == "hello from import\nhello from build\n"
    assert type(load_module(parse_source(f"{nets}:Net"))).__name__ == "Net"
    assert isinstance(load_module(parse_source(f"{nets}:Net.small")), nn.Linear)
    loaded = load_module(parse_source(f"{nets}:loaded"))
    assert loaded is sys.modules[nets].loaded


def test_zoo_networks_are_built_with_their_settings() -> None:
    network = load_module(parse_source("lenet5"))
    assert sum(p.numel() for p in network.parameters()) == 60_000  # LeCun et al. 1998, sec. II.B
    with torch.device("meta"):
        resnet = load_module(parse_source("resnet18:num_classes=7"))
    assert resnet(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 7)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("buidl", "UnknownNameError: no attribute of steelyard_test_nets is named 'buidl'\nexpected: one of the known names; nearest: build"),
        ("Net.smal", "UnknownNameError: no attribute of steelyard_test_nets.Net is named 'smal'"),
        ("text", "InputError: steelyard_test_nets:text is of type str\nexpected: a callable that returns an nn.Module"),
        ("nothing", "InputError: steelyard_test_nets:nothing returned NoneType\nexpected: an nn.Module"),
        ("broken", "ModelError: steelyard_test_nets:broken raised ValueError: no such luck"),
        ("leaves", "ModelError: steelyard_test_nets:leaves raised SystemExit: 3"),
        ("needs", "ModelError: steelyard_test_nets:needs raised TypeError: needs() missing 1 required"),
    ],
)  # fmt: skip
def test_callables_that_do_not_work(nets: str, attribute: str, message: str) -> None:
    assert _error(f"{nets}:{attribute}").startswith(message)


def test_the_users_error_is_the_cause(nets: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_module(parse_source(f"{nets}:broken"))
    assert isinstance(caught.value.__cause__, ValueError)


def test_interruptions_are_passed_on(folder: Path) -> None:
    (folder / "steelyard_test_stop.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_module(parse_source("steelyard_test_stop:build"))


def test_modules_that_are_missing_or_broken(folder: Path) -> None:
    (folder / "mynets.py").write_text("def build(): ...")
    assert _error("mynet:build") == (
        "UnknownNameError: no Python module is named 'mynet'\n"
        "expected: one of the known names; nearest: mynets\n"
        "try: run it where python -c 'import mynet' works"
    )
    assert _error("resnet50:width").endswith(
        "try: resnet50:width=VALUE for a setting of that network"
    )
    (folder / "steelyard_test_needy.py").write_text("import steelyard_test_absent")
    assert _error("steelyard_test_needy:build").startswith(
        "ModelError: steelyard_test_needy:build raised ModuleNotFoundError: "
        "No module named 'steelyard_test_absent'"
    )
    (folder / "steelyard_test_typo.py").write_text("def build(:")
    assert _error("steelyard_test_typo:build").startswith(
        "ModelError: steelyard_test_typo:build raised SyntaxError"
    )


def test_a_file_is_not_built(folder: Path) -> None:
    (folder / "net.onnx").write_text("x")
    with pytest.raises(UsageError, match=re.escape("'net.onnx' is a file, not code")):
        load_module(parse_source("net.onnx"))


def test_errors_are_of_the_kinds_that_are_documented() -> None:
    assert issubclass(FileFormatError, InputError) and issubclass(UnknownNameError, InputError)
    with pytest.raises(UsageError):
        parse_source(None)  # type: ignore[arg-type]
