"""Tensors and arguments of a torch.export graph, from its JSON.

The layout is that of ``torch/_export/serde/schema.py`` (schema version 8; torch 2.13 writes 8.20).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import prod
from typing import NamedTuple

from steelyard.capture.exported_json import MAX_INT, Field
from steelyard.capture.rules import Operand
from steelyard.errors import DataDependentError

SCALAR_TYPES: dict[int, str] = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16",
    28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz", 33: "float8_e8m0fnu", 34: "uint32", 35: "uint64",
}  # fmt: skip
"""dtype of each number of the schema's ``ScalarType``."""

_MEMORY_FORMATS = {
    1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format",
}  # fmt: skip
_STRIDED = 7
_MAX_RANK = 64
_SYMBOL = re.compile(r"Symbol\('([A-Za-z]\w*)'[^()]*\)|([su]\d+)")


class Value(NamedTuple):
    """A tensor while the graph is walked.

    Attributes:
        name: the workload's name of the tensor; for a view of a weight, the weight's.
        operand: what rules see.
        stored: a parameter or buffer (or a view of one), not an activation or constant.
    """

    name: str
    operand: Operand
    stored: bool = False


class Symbols:
    """Sizes that the export left open, with the values that they had in the example."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def size(self, field: Field, *, low: int = 0) -> int:
        """A ``SymInt``: a number, or an expression's value in the example.

        Raises:
            DataDependentError: an expression without an example value.
            FileFormatError: neither, or out of bounds.
        """
        plain = field.value.get("as_int") if isinstance(field.value, dict) else None
        if type(plain) is int and len(field.object()) == 1 and low <= plain <= MAX_INT:
            return plain
        tag, value = field.union()
        if tag == "as_int":
            return value.integer(low)
        if tag != "as_expr":
            raise field.wrong(f"is of kind {tag!r}", expected="as_int or as_expr")
        expression = value.get("expr_str").text()
        hint = value.find("hint")
        if hint is None:
            raise DataDependentError(
                f"{field.place} is {expression[:100]!r}, a size that depends on data, and the file "
                "records no example of it",
                hint="a network whose shapes do not depend on values, or one part of it",
            )
        tag, number = hint.union()
        if tag != "as_int":
            raise hint.wrong(f"is of kind {tag!r}", expected="as_int")
        size = number.integer(low)
        match = _SYMBOL.fullmatch(expression)
        if match:
            self.seen.setdefault(match[1] or match[2], size)
        return size

    def warning(self) -> tuple[str, ...]:
        """One sentence that names the open sizes and the values taken; empty if there are none."""
        if not self.seen:
            return ()
        sizes = ", ".join(f"{name} = {size}" for name, size in sorted(self.seen.items()))
        return (f"sizes that the export left open are counted as in its example: {sizes}",)


def read_tensor(field: Field, symbols: Symbols, *, is_param: bool = False) -> Operand:
    """A ``TensorMeta`` as the operand that rules see."""
    code = field.get("dtype")
    dtype = SCALAR_TYPES.get(code.integer())
    if dtype is None:
        raise code.wrong(f"is {code.value}, a dtype that is not known")
    shape = tuple(symbols.size(size) for size in field.get("sizes").elements())
    if len(shape) > _MAX_RANK:
        raise field.wrong(f"has {len(shape)} dimensions", expected=f"at most {_MAX_RANK}")
    if prod(shape) > MAX_INT:
        raise field.wrong(f"has shape {shape}", expected="at most 2**63 - 1 elements")
    layout = field.find("layout")
    strides: tuple[int, ...] | None = None
    if layout is None or layout.integer() == _STRIDED:
        # no tensor that exists has a negative step
        strides = tuple(symbols.size(step) for step in field.get("strides").elements())
        if len(strides) != len(shape):
            raise field.wrong(f"has {len(shape)} sizes and {len(strides)} strides")
    return Operand(shape, dtype, strides, is_param)


class Scope:
    """The names that are defined in one graph, and the sizes of all its tensors."""

    def __init__(self, graph: Field, symbols: Symbols) -> None:
        self.symbols = symbols
        self._metas = graph.get("tensor_values")
        self._numbers = {
            tag: graph.find(key)
            for tag, key in (("int", "sym_int_values"), ("float", "sym_float_values"))
        }
        self._values: dict[str, Value] = {}

    def operand(self, name: Field, *, is_param: bool = False) -> Operand:
        """Shape and dtype of the tensor of that name, from the graph's table."""
        meta = self._metas.find(name.text())
        if meta is None:
            raise name.wrong(f"names {name.text()!r}, which tensor_values does not hold")
        return read_tensor(meta, self.symbols, is_param=is_param)

    def define(self, name: Field, value: Value) -> None:
        """Binds a name, once."""
        text = name.text()
        if text in self._values:
            raise name.wrong(f"defines {text!r} a second time")
        self._values[text] = value

    def lookup(self, name: Field) -> Value:
        """The value bound to a name."""
        value = self._values.get(name.text())
        if value is None:
            raise name.wrong(f"reads {name.text()!r}, which nothing before it defines")
        return value

    def number(self, name: Field) -> int | float | None:
        """Example value of a symbolic number, None where the file has none."""
        for table in self._numbers.values():
            entry = table.find(name.text()) if table is not None else None
            if entry is None:
                continue
            tag, value = entry.union()
            if tag == "as_expr":
                hint = value.find("hint")
                if hint is None:
                    return None
                _, value = hint.union()
            return value.integer() if isinstance(value.value, int) else value.number()
        return None


class Arguments(NamedTuple):
    """The arguments of one node, as rules see them, and the tensors among them."""

    args: tuple[object, ...]
    kwargs: dict[str, object]
    tensors: list[Value]


def read_argument(field: Field, scope: Scope, tensors: list[Value]) -> object:
    """An ``Argument``; operands stand in place of tensors, which are added to ``tensors``."""
    tag, value = field.union()
    reader = _READERS.get(tag)
    if reader is not None:
        return reader(value)
    if tag == "as_tensor":
        return _tensor(value, scope, tensors)
    if tag == "as_tensors":
        return [_tensor(v, scope, tensors) for v in value.elements()]
    if tag in ("as_optional_tensor", "as_optional_tensors", "as_nested_tensors"):
        return _nested(tag, value, scope, tensors)
    if tag in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return _symbolic(value, scope)
    if tag in ("as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return [_symbolic(v, scope) for v in value.elements()]
    if tag == "as_string_to_argument":
        return {key: read_argument(v, scope, tensors) for key, v in value.items()}
    raise field.wrong(f"is an argument of kind {tag!r}, which is not known")


def _tensor(field: Field, scope: Scope, tensors: list[Value]) -> Operand:
    value = scope.lookup(field.get("name"))
    tensors.append(value)
    return value.operand


def _nested(tag: str, value: Field, scope: Scope, tensors: list[Value]) -> object:
    if tag == "as_nested_tensors":
        return [[_tensor(v, scope, tensors) for v in row.elements()] for row in value.elements()]
    if tag == "as_optional_tensors":
        return [read_argument(v, scope, tensors) for v in value.elements()]
    return read_argument(value, scope, tensors)


def _symbolic(field: Field, scope: Scope) -> object:
    tag, value = field.union()
    if tag == "as_name":
        return scope.number(value)
    reader = _READERS.get(tag)
    if reader is None:
        raise field.wrong(f"is of kind {tag!r}", expected="as_name or a number")
    return reader(value)


def _scalar_type(field: Field) -> object:
    return SCALAR_TYPES.get(field.integer(), "unknown")


def _memory_format(field: Field) -> object:
    return _MEMORY_FORMATS.get(field.integer(), "unknown")


def _complex(field: Field) -> object:
    return complex(field.get("real").number(), field.get("imag").number())


def _list_of(read: Callable[[Field], object]) -> Callable[[Field], object]:
    def reader(field: Field) -> object:
        return [read(element) for element in field.elements()]

    return reader


_READERS: dict[str, Callable[[Field], object]] = {
    "as_none": lambda field: None,
    "as_int": Field.integer,
    "as_ints": _list_of(Field.integer),
    "as_int_lists": _list_of(_list_of(Field.integer)),
    "as_float": Field.number,
    "as_floats": _list_of(Field.number),
    "as_float_lists": _list_of(_list_of(Field.number)),
    "as_string": Field.text,
    "as_strings": _list_of(Field.text),
    "as_bool": Field.boolean,
    "as_bools": _list_of(Field.boolean),
    "as_complex": _complex,
    "as_scalar_type": _scalar_type,
    "as_memory_format": _memory_format,
    "as_layout": Field.integer,
    "as_device": lambda field: field.get("type").text(),
    "as_operator": Field.text,
    "as_custom_obj": lambda field: field.get("class_fqn").text(),
    "as_graph": lambda field: None,
}


def tensor_names(field: Field) -> Iterator[Field | None]:
    """Names of the tensors in an output ``Argument``, None for each result left out."""
    tag, value = field.union()
    if tag == "as_tensor":
        yield value.get("name")
    elif tag == "as_none":
        yield None
    elif tag == "as_optional_tensor":
        yield from tensor_names(value)
    elif tag in ("as_tensors", "as_optional_tensors"):
        for element in value.elements():
            if tag == "as_tensors":
                yield element.get("name")
            else:
                yield from tensor_names(element)
    elif tag == "as_nested_tensors":
        for row in value.elements():
            for element in row.elements():
                yield element.get("name")
