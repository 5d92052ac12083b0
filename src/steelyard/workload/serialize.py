"""A `Workload` as JSON: the schema ``steelyard.workload/1``, its writer and its strict reader.

::

    {
      "schema": "steelyard.workload/1",
      "name": "resnet18",
      "source": "module",                 // module, pt2, onnx, json ...
      "inputs": ["x"],                    // tensor names; [] may be left out, like every default below
      "outputs": ["fc"],
      "warnings": [],
      "tensors": [
        {"name": "x", "shape": [1, 3, 224, 224], "dtype": "float32", "role": "input", "alias_of": ""}
      ],
      "layers": [
        {
          "name": "conv1", "kind": "conv", "op": "aten.conv2d",
          "module": "conv1", "module_type": "Conv2d",
          "inputs": ["x"], "outputs": ["conv1"], "params": ["conv1.weight"],
          "nests": [
            {"N": 1, "G": 1, "M": 64, "C": 3, "out": [112, 112], "kernel": [7, 7], "input": [224, 224],
             "stride": [2, 2], "dilation": [1, 1], "padding": [[3, 3], [3, 3]], "transposed": false}
          ],
          "ops": 0, "inplace": false
        }
      ]
    }

Required are ``schema``, ``name``, ``layers``, ``tensors``; of a tensor ``name`` and ``shape``; of a layer
``name``, ``kind`` and ``op``; of a nest ``N``, ``G``, ``M`` and ``C``. All else defaults as the attributes
of `TensorSpec`, `Layer`, `LoopNest` and `Workload` do; the writer leaves defaults out.

The reader trusts nothing: unknown or repeated keys, wrong types, sizes below 0 or sums above 2**63 - 1,
names that are repeated, unprintable or refer to nothing, aliases in a circle, and layers that read what
is only written later are `FileFormatError`, with the place (``layers[3].inputs``).
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any, NoReturn

from steelyard.errors import FileFormatError, InputError, UsageError
from steelyard.workload.check import check
from steelyard.workload.layer import Layer
from steelyard.workload.loopnest import LoopNest
from steelyard.workload.tensor import TensorSpec
from steelyard.workload.workload import Workload

SCHEMA = "steelyard.workload/1"


# ---- writing -----------------------------------------------------------------------------------


def to_json(workload: Workload) -> str:
    """The workload as one line of JSON, defaults left out."""
    return json.dumps(to_dict(workload), separators=(",", ":"), allow_nan=False)


def to_dict(workload: Workload) -> dict[str, Any]:
    """The workload as plain data under the schema ``steelyard.workload/1``, defaults left out."""
    data: dict[str, Any] = {"schema": SCHEMA, "name": workload.name, "source": workload.source}
    for key in ("inputs", "outputs", "warnings"):
        if value := getattr(workload, key):
            data[key] = list(value)
    data["tensors"] = [_compact(tensor) for tensor in workload.tensors]
    data["layers"] = [_compact(layer) for layer in workload.layers]
    return data


def _compact(record: TensorSpec | Layer | LoopNest) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.default is MISSING or value != field.default:
            data[field.name] = _plain(value)
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_compact(v) if isinstance(v, LoopNest) else _plain(v) for v in value]
    return value


# ---- reading -----------------------------------------------------------------------------------


def from_json(text: str | bytes) -> Workload:
    """The workload that a JSON text describes; the inverse of `to_json`.

    Raises:
        FileFormatError: not JSON, not a workload, another schema version, or inconsistent.
        UsageError: ``text`` is neither str nor bytes.
    """
    if not isinstance(text, (str, bytes)):
        raise UsageError(f"from_json() was given {type(text).__name__}", expected="str or bytes")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        data = json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"the text is not UTF-8: byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            expected=f"a workload under the schema {SCHEMA!r}",
        ) from None
    except RecursionError:
        raise FileFormatError("the JSON is nested too deeply", expected="4 levels") from None
    except FileFormatError:
        raise
    except ValueError:  # an integer of thousands of digits
        raise FileFormatError(
            "the JSON holds a number that is too long", expected="integers up to 2**63 - 1"
        ) from None
    return from_dict(data)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise FileFormatError(f"the key {_show(twice)} appears twice in one JSON object")
    return data


def _no_constant(name: str) -> NoReturn:
    raise FileFormatError(f"the JSON holds {name}", expected="integers up to 2**63 - 1")


def from_dict(data: object) -> Workload:
    """The workload that plain data describes; the inverse of `to_dict`.

    Raises:
        FileFormatError: not a workload, another schema version, or inconsistent.
    """
    if not isinstance(data, dict) or "schema" not in data:
        raise FileFormatError(
            f"{_show(data)} is not a workload", expected=f'an object with "schema": "{SCHEMA}"'
        )
    if data["schema"] != SCHEMA:
        raise FileFormatError(
            f"schema: {_show(data['schema'])}",
            expected=f'"{SCHEMA}"',
            hint="write the file again with this version of steelyard",
        )
    _keys(
        data,
        "the workload",
        required=("schema", "name", "tensors", "layers"),
        optional=("source", "inputs", "outputs", "warnings"),
    )
    tensors = tuple(
        _tensor(item, f"tensors[{i}]") for i, item in enumerate(_list(data["tensors"], "tensors"))
    )
    layers = tuple(
        _layer(item, f"layers[{i}]") for i, item in enumerate(_list(data["layers"], "layers"))
    )
    workload = Workload(
        name=_text(data["name"], "name"),
        layers=layers,
        tensors=tensors,
        inputs=_texts(data.get("inputs", []), "inputs"),
        outputs=_texts(data.get("outputs", []), "outputs"),
        source=_text(data.get("source", "module"), "source"),
        warnings=_texts(data.get("warnings", []), "warnings"),
    )
    check(workload)
    return workload


_TENSOR_OPTIONAL = ("dtype", "role", "alias_of")
_LAYER_OPTIONAL = (
    "module", "module_type", "inputs", "outputs", "params", "nests", "ops", "inplace",
)  # fmt: skip
_SPATIAL = ("out", "kernel", "input", "stride", "dilation")


def _tensor(data: object, place: str) -> TensorSpec:
    item = _object(data, place, required=("name", "shape"), optional=_TENSOR_OPTIONAL)
    values = {key: _text(item[key], f"{place}.{key}") for key in _TENSOR_OPTIONAL if key in item}
    return TensorSpec(
        _text(item["name"], f"{place}.name"),
        _sizes(item["shape"], f"{place}.shape"),
        **values,  # type: ignore[arg-type]
    )


def _layer(data: object, place: str) -> Layer:
    item = _object(data, place, required=("name", "kind", "op"), optional=_LAYER_OPTIONAL)
    values: dict[str, Any] = {}
    for key, value in item.items():
        where = f"{place}.{key}"
        if key in ("inputs", "outputs", "params"):
            values[key] = _texts(value, where)
        elif key == "nests":
            values[key] = tuple(
                _nest(nest, f"{where}[{i}]") for i, nest in enumerate(_list(value, where))
            )
        elif key == "ops":
            values[key] = _size(value, where)
        elif key == "inplace":
            values[key] = _flag(value, where)
        else:
            values[key] = _text(value, where)
    return Layer(**values)


def _nest(data: object, place: str) -> LoopNest:
    item = _object(
        data, place, required=("N", "G", "M", "C"), optional=(*_SPATIAL, "padding", "transposed")
    )
    values: dict[str, Any] = {}
    for key, value in item.items():
        where = f"{place}.{key}"
        if key in _SPATIAL:
            values[key] = _sizes(value, where)
        elif key == "padding":
            values[key] = tuple(
                _pair(pair, f"{where}[{i}]") for i, pair in enumerate(_list(value, where))
            )
        elif key == "transposed":
            values[key] = _flag(value, where)
        else:
            values[key] = _size(value, where)
    try:
        return LoopNest(**values)
    except InputError as error:
        raise FileFormatError(f"{place}: {error.given}", expected=error.expected) from None


# ---- one value at a time -----------------------------------------------------------------------


def _fail(place: str, value: object, expected: str) -> NoReturn:
    raise FileFormatError(f"{place}: {_show(value)}", expected=expected)


def _show(value: object) -> str:
    """``value`` in an error message: short, printable, and safe however deep it is nested."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)} entries"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _keys(
    data: dict[str, Any], place: str, *, required: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    for key in required:
        if key not in data:
            raise FileFormatError(f"{place} has no key {key!r}")
    for key in data:
        if key not in required and key not in optional:
            raise FileFormatError(
                f"{place} has an unknown key {_show(key)}",
                expected=", ".join((*required, *optional)),
            )


def _object(
    value: object, place: str, *, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        _fail(place, value, "an object")
    _keys(value, place, required=required, optional=optional)
    return value


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, list):
        _fail(place, value, "a list")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        _fail(place, value, "a string")
    return value


def _texts(value: object, place: str) -> tuple[str, ...]:
    return tuple(_text(v, f"{place}[{i}]") for i, v in enumerate(_list(value, place)))


def _flag(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        _fail(place, value, "true or false")
    return value


def _integer(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**63 - 1:
        _fail(place, value, "an integer of at most 64 bits")
    return value


def _size(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 2**63 - 1:
        _fail(place, value, "an integer from 0 to 2**63 - 1")
    return value


def _sizes(value: object, place: str) -> tuple[int, ...]:
    sizes = _list(value, place)
    if len(sizes) > 64:  # numpy's limit on dimensions; torch and onnx networks stay far below
        _fail(place, value, "at most 64 sizes")
    return tuple(_size(v, f"{place}[{i}]") for i, v in enumerate(sizes))


def _pair(value: object, place: str) -> tuple[int, int]:
    pair = _list(value, place)
    if len(pair) != 2:
        _fail(place, value, "two integers, [before, after]")
    return _integer(pair[0], f"{place}[0]"), _integer(pair[1], f"{place}[1]")
