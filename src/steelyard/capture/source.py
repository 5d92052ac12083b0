"""The SOURCE grammar: what a user may name a network by, in every verb and function.

=================================  ==========================================================
``resnet50``                       a network of the zoo
``mobilenet_v2:width=0.75,k=v``    the same with settings
``net.onnx`` ``net.pt2``           a file of ONNX or torch.export
``net.json``                       a workload that steelyard wrote
``package.module:callable``        Python code: imported and **run**, it returns an ``nn.Module``
=================================  ==========================================================

What ends in one of the three extensions is a file. Of the rest, ``=`` after the colon tells settings
from a callable. Values of settings are integers, floats, ``true``, ``false``, ``none``, integers joined
by ``x`` (``3x4x6x3`` is a tuple, ``3x`` one of length 1), or else text; quotes make anything text.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steelyard.capture.files import EXPORT_HINT, KIND_WORDS, open_regular, sniff
from steelyard.errors import (
    FileFormatError,
    InputError,
    ModelError,
    SteelyardError,
    UnknownNameError,
    UsageError,
    nearest,
)

if TYPE_CHECKING:
    from torch import nn

SourceKind = Literal["zoo", "onnx", "pt2", "json", "callable"]
ConfigValue = int | float | bool | None | str | tuple[int, ...]

_EXTENSIONS: dict[str, SourceKind] = {".onnx": "onnx", ".pt2": "pt2", ".json": "json"}
# files that people hand in by mistake
_OTHER = """
.pt .pth .ckpt .bin .pkl .pickle .safetensors .h5 .hdf5 .keras .tflite .pb .zip .npz .tar .gz
.mlmodel .engine .trt .prototxt .caffemodel .py .yaml .yml .txt .csv
"""
_OTHER_EXTENSIONS = frozenset(_OTHER.split())
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_TUPLE = re.compile(r"-?\d+x|-?\d+(x-?\d+)+")


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed SOURCE.

    Attributes:
        kind: what it names.
        text: as the user typed it.
        path: the file, for ``onnx``, ``pt2`` and ``json``.
        name: the network's name, for ``zoo``.
        config: its settings (name, value), for ``zoo``.
        module: the module to import, for ``callable``.
        attribute: the callable in it, dots allowed.
    """

    kind: SourceKind
    text: str
    path: Path | None = None
    name: str = ""
    config: tuple[tuple[str, ConfigValue], ...] = ()
    module: str = ""
    attribute: str = ""

    @property
    def settings(self) -> dict[str, ConfigValue]:
        """The settings as keywords."""
        return dict(self.config)

    @property
    def notice(self) -> str:
        """What a user should be told before it is used; "" for sources that run no foreign code."""
        return f"{self.text} imports and runs Python code" if self.kind == "callable" else ""


def parse_source(text: str) -> Source:
    """What ``text`` names. Files must exist and zoo names be known; callables are looked up later.

    >>> parse_source("tests.nets:build").attribute
    'build'

    Raises:
        UsageError: the text follows no form of the grammar, or a setting is wrong.
        UnknownNameError: no network of that name; the nearest are offered.
        FileFormatError: no such file, or one of a kind that holds no network.
    """
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{text!r} names no network", expected=_GRAMMAR)
    text = text.strip()
    suffix = Path(text).suffix.lower()
    if suffix in _EXTENSIONS:
        return Source(_EXTENSIONS[suffix], text, path=_existing_file(text))
    if suffix in _OTHER_EXTENSIONS or "/" in text or os.sep in text:
        raise _no_source_file(text)
    head, colon, rest = text.partition(":")
    if not colon:
        return _zoo(text, head, "")
    if not rest:
        raise UsageError(
            f"nothing follows the colon in {text!r}", expected="name:key=value or module:callable"
        )
    if "=" in rest:
        return _zoo(text, head, rest)
    if not _DOTTED.fullmatch(head) or not _DOTTED.fullmatch(rest):
        raise UsageError(
            f"{text!r} is neither settings of a network nor a callable",
            expected="name:key=value,key=value or package.module:callable",
        )
    return Source("callable", text, module=head, attribute=rest)


_GRAMMAR = (
    "a name such as resnet50 or mobilenet_v2:width=0.75, a file (.onnx, .pt2, .json), "
    "or package.module:callable"
)


# ---- files ---------------------------------------------------------------------------------------


def _existing_file(text: str) -> Path:
    path = Path(text)
    if not _exists(path):
        raise _missing(path)
    with open_regular(path):
        return path


def _exists(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return path.exists() or path.is_symlink()
    return False


def _missing(path: Path) -> FileFormatError:
    known: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        known = [entry.name for entry in path.parent.iterdir() if entry.suffix in _EXTENSIONS]
    close = [str(path.parent / name) for name in nearest(path.name, known)]
    expected = "an existing file" + (
        f"; nearest in that folder: {', '.join(close)}" if close else ""
    )
    return FileFormatError(f"there is no file {str(path)!r}", expected=expected)


def _no_source_file(text: str) -> FileFormatError:
    """The error for a path whose extension is none of the three."""
    path = Path(text)
    if not _exists(path):
        return _missing(path)
    try:
        found = sniff(path)
    except FileFormatError as error:
        return error
    hint = EXPORT_HINT
    if found in ("onnx", "pt2", "json"):
        hint = f"rename it to {path.stem}.{found}"
    elif path.suffix == ".py":
        hint = f"{path.stem}:callable"
    return FileFormatError(
        f"{text!r} is {KIND_WORDS[found]}", expected="a file .onnx, .pt2 or .json", hint=hint
    )


# ---- the zoo -------------------------------------------------------------------------------------


def _zoo(text: str, name: str, settings: str) -> Source:
    from steelyard.zoo.registry import default_input_shape, list_models

    known = list_models()
    if name not in known:
        if not settings and Path(name).is_file():
            raise _no_source_file(name)
        raise UnknownNameError("network", name, known, hint=_zoo_hint(name))
    config = _parse_settings(text, settings) if settings else ()
    default_input_shape(name, **dict(config))  # refuses settings that are unknown or impossible
    return Source("zoo", text, name=name, config=config)


def _zoo_hint(name: str) -> str:
    from steelyard.zoo.registry import default_registry

    files = [name + extension for extension in _EXTENSIONS if _exists(Path(name + extension))]
    if files:
        return " or ".join(files)
    if here := default_registry().called_here(name):
        return here
    return f"{name}:callable" if "." in name else "steelyard models"


def _parse_settings(text: str, settings: str) -> tuple[tuple[str, ConfigValue], ...]:
    config: dict[str, ConfigValue] = {}
    for item in settings.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise UsageError(
                f"{item!r} in {text!r} is no setting",
                expected="key=value, several joined by commas",
            )
        if key in config:
            raise UsageError(f"{key!r} is set twice in {text!r}", expected="each key once")
        config[key] = parse_value(value)
    return tuple(config.items())


def parse_value(text: str) -> ConfigValue:
    """The value of a setting.

    >>> parse_value("0.75"), parse_value("3x4x6x3"), parse_value("true"), parse_value("32x4d")
    (0.75, (3, 4, 6, 3), True, '32x4d')
    """
    words: dict[str, ConfigValue] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if len(text) <= 100 and text.isascii():
        if _TUPLE.fullmatch(text):
            return tuple(int(size) for size in text.split("x") if size)
        for convert in (int, float):
            with contextlib.suppress(ValueError):
                return convert(text)
    return text


# ---- building ------------------------------------------------------------------------------------


def load_module(source: Source) -> nn.Module:
    """Builds the network that a ``zoo`` or ``callable`` source names.

    A callable is imported and run, with the current folder importable as under ``python -m``; what it
    prints goes to standard error. It may be a function without arguments, a class, or a module object.

    Raises:
        UsageError: the source is a file, or a setting is wrong.
        UnknownNameError: no such network, Python module or attribute.
        ModelError: the user's code raised.
        InputError: it returned something that is no ``nn.Module``.
    """
    if source.kind == "zoo":
        from steelyard.zoo.registry import create

        settings: dict[str, Any] = dict(source.settings)
        return create(source.name, **settings)
    if source.kind != "callable":
        raise UsageError(
            f"{source.text!r} is a file, not code", expected="a zoo name or package.module:callable"
        )
    with _user_code(source):
        found = _find_attribute(source)
        return _as_module(source, found)


@contextlib.contextmanager
def _user_code(source: Source) -> Iterator[None]:
    """Current folder importable, prints on standard error, exceptions turned into ModelError."""
    folder = str(Path.cwd())
    added = folder not in sys.path
    if added:
        sys.path.insert(0, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except SteelyardError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"{source.text} raised {type(error).__name__}: {error}",
            expected="code that imports, and a callable that runs without arguments",
        ) from error
    finally:
        if added:
            with contextlib.suppress(ValueError):
                sys.path.remove(folder)


def _find_attribute(source: Source) -> Any:
    importlib.invalidate_caches()
    try:
        found: Any = importlib.import_module(source.module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if source.module != missing and not source.module.startswith(missing + "."):
            raise  # the module is there, and imports something that is not
        raise UnknownNameError(
            "Python module", missing, _importable_here(), hint=_module_hint(source)
        ) from None
    path = source.module
    for part in source.attribute.split("."):
        if not hasattr(found, part):
            known = [name for name in dir(found) if not name.startswith("_")]
            raise UnknownNameError(f"attribute of {path}", part, known)
        found = getattr(found, part)
        path = f"{path}.{part}"
    return found


def _importable_here() -> list[str]:
    with contextlib.suppress(OSError):
        return [
            entry.stem
            for entry in Path.cwd().iterdir()
            if entry.suffix == ".py" or (entry.is_dir() and entry.name.isidentifier())
        ]
    return []


def _module_hint(source: Source) -> str:
    from steelyard.zoo.registry import list_models

    if source.module in list_models():
        return f"{source.module}:{source.attribute}=VALUE for a setting of that network"
    return f"run it where python -c 'import {source.module}' works"


def _as_module(source: Source, found: Any) -> nn.Module:
    from torch import nn

    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise InputError(
            f"{source.text} is of type {type(found).__name__}",
            expected="a callable that returns an nn.Module, or an nn.Module",
        )
    network = found()
    if not isinstance(network, nn.Module):
        raise InputError(
            f"{source.text} returned {type(network).__name__}", expected="an nn.Module"
        )
    return network
