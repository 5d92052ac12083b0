"""Walks an ONNX graph in order, node by node: shapes, folding, roles of stored tensors, layers as `Step`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from steelyard.capture.builder import safe_name
from steelyard.capture.onnx_fold import filling_of, fold
from steelyard.capture.onnx_model import (
    Function,
    Graph,
    Model,
    Node,
    Reference,
    Tensor,
    TypeInfo,
    check_dims,
    dtype_name,
    quoted,
)
from steelyard.capture.onnx_read import contents
from steelyard.capture.onnx_scope import Scope, Step, deeper, join, optional_left_out, ordered
from steelyard.capture.onnx_shapes_made import UPPER_BOUND
from steelyard.capture.onnx_shapes_table import shape_of
from steelyard.capture.onnx_value import (
    Result,
    Site,
    SizeUnknownError,
    Stored,
    Value,
    argument,
    is_shape_operand,
)
from steelyard.capture.onnx_wire import Source
from steelyard.capture.rules import Call, Draft, RuleTable
from steelyard.capture.rules.onnx import role_of
from steelyard.errors import (
    DataDependentError,
    FileFormatError,
    InputError,
    ShapeError,
    SteelyardError,
    TimeLimitError,
    UsageError,
)

MAX_NODES = 300_000
"""Executed nodes, loops unrolled and functions inlined."""

MOVES = frozenset(
    f"onnx.{op}"
    for op in [
        "Identity",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Cast",
        "CastLike",
        "Expand",
        "Slice",
        "Split",
        "Concat",
        "Pad",
        "Tile",
        "DequantizeLinear",
        "QuantizeLinear",
        "BitCast",
    ]
)
"""Done once when a network is loaded if all operands are stored: no layers then."""

MEASURES = frozenset({"onnx.Shape", "onnx.Size"})
"""Fixed by the shape of the operand, whatever is in it."""

SIZED = frozenset({"onnx.Resize", "onnx.Upsample", "onnx.Range", "onnx.Clip"})
"""Their small constants (scales, bounds) say what they do and are no data that they read."""

RANDOM = frozenset(
    f"onnx.{op}"
    for op in [
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Bernoulli",
        "Multinomial",
    ]
)


Control = Callable[["Run", Site, Scope], list[Value]]
"""How an operator that is more, or less, than one layer is executed."""


class Run:
    """One walk over a model; ``steps`` and ``warnings`` are its result."""

    def __init__(
        self,
        model: Model,
        src: Source,
        rules: RuleTable,
        symbols: dict[str, int],
        control: Mapping[str, Control],
    ) -> None:
        self.src = src
        self.rules = rules
        self.symbols = symbols
        self.control = control
        self.functions = model.function_table()
        self.steps: list[Step] = []
        self.stored: list[Stored] = []
        self.warnings: dict[str, None] = {}
        self.times = 1
        self.path = ""
        self.nodes_left = MAX_NODES

    # ---- graphs ------------------------------------------------------------------------

    def graph(self, graph: Graph, scope: Scope) -> list[Value]:
        """Executes a graph whose inputs are in ``scope`` and returns its outputs."""
        for tensor in graph.initializers:
            if tensor.name in scope.values:
                continue  # an input with a default that was given
            scope.values[tensor.name] = self.initializer(tensor)
        for info in (*graph.value_info, *graph.outputs):
            scope.declared[info.name] = info.type
        self.body(graph.nodes, scope)
        outputs = []
        for info in graph.outputs:
            value = scope.find(info.name)
            if value is None:
                raise FileFormatError(f"output {quoted(info.name)} is written by no node")
            outputs.append(value)
        return outputs

    def body(self, nodes: list[Node], scope: Scope) -> None:
        """Executes nodes; sorts them first if they are not in order."""
        written = dict.fromkeys(scope.values)
        for node in ordered(nodes, scope):
            for name in filter(None, node.outputs):
                if name in written:
                    raise FileFormatError(
                        f"{node.label} writes {quoted(name)}, which is already written",
                        expected="one writer for every name",
                    )
                written[name] = None
            self.node(node, scope)

    def initializer(self, tensor: Tensor, *, given: bool = True) -> Value:
        """The value of a tensor in the file; elements are read only where shapes may need them."""
        stored = Stored(tensor.name, tensor.dims, tensor.dtype, given)
        self.stored.append(stored)
        small = prod(tensor.dims) <= (16 if stored.dtype.startswith("float") else 4096)
        data = contents(self.src, tensor) if small else None
        return Value(tensor.dims, stored.dtype, data, (stored,), fixed=True)

    # ---- nodes -------------------------------------------------------------------------

    def node(self, node: Node, scope: Scope) -> None:
        """Executes one node and binds its outputs."""
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise FileFormatError(
                f"the graph unrolls to more than {MAX_NODES} operators", expected="fewer"
            )
        if self.nodes_left % 256 == 0 and time.monotonic() > self.src.deadline:
            raise TimeLimitError(f"{self.src.what} was not captured within the deadline")
        if not node.outputs:
            raise FileFormatError(f"{node.label} has no output")
        self.path = scope.path
        site = self.site(node, scope)
        try:
            outputs = self.execute(site, scope)
        except ShapeError as error:
            raise ShapeError(
                f"{node.label}: {error.given}", expected=error.expected, hint=error.hint
            ) from None
        except SizeUnknownError as error:
            raise DataDependentError(
                f"{node.label}: the size of its result depends on the data ({error})",
                expected="sizes that follow from the input shapes, or declared in value_info",
                hint="simplify the file first (onnxsim), or export with fixed shapes",
            ) from None
        except SteelyardError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise ShapeError(
                f"{node.label}: its operands or attributes do not fit it "
                f"({type(error).__name__}: {safe_name(str(error))})"
            ) from error
        for name, value in zip(node.outputs, outputs, strict=False):
            if name:
                scope.values[name] = value

    def site(self, node: Node, scope: Scope) -> Site:
        """The node with its operands looked up and attribute references resolved."""
        inputs: list[Value | None] = []
        for name in node.inputs:
            value = scope.find(name) if name else None
            if name and value is None:
                raise FileFormatError(f"{node.label} reads {quoted(name)}, which nothing writes")
            inputs.append(value)
        attrs = node.attrs
        if any(isinstance(v, Reference) for v in attrs.values()):
            resolved = {
                key: scope.attrs.get(v.name) if isinstance(v, Reference) else v
                for key, v in attrs.items()
            }
            attrs = {key: v for key, v in resolved.items() if v is not None}
        domain = "" if node.domain == "ai.onnx" else node.domain
        site = Site(node, inputs, attrs, scope.opsets.get(domain, 1), len(node.outputs))
        for i, name in enumerate(node.outputs):
            if name in scope.declared and (found := self.declared(scope.declared[name])):
                site.declared[i] = found
        return site

    def declared(self, info: TypeInfo) -> Result | None:
        """Shape and dtype of a declared tensor whose sizes are all known."""
        if info.kind != "tensor" or info.dims is None:
            return None
        sizes: list[int] = []
        for dim in info.dims:
            size = self.symbols.get(dim) if isinstance(dim, str) else dim
            if size is None:
                return None
            sizes.append(size)
        return check_dims(tuple(sizes), "a declared value"), dtype_name(info.dtype_code, "a value")

    def execute(self, site: Site, scope: Scope) -> list[Value]:
        """The outputs of a node; adds a step if it is a layer."""
        node, op = site.node, site.node.full_op
        function = self.functions.get((node.domain, node.op, node.overload))
        if function is not None and (op.startswith("onnx.") or self.rules.find(op) is None):
            return self.call(function, site, scope)
        if op in self.control:
            return self.control[op](self, site, scope)
        results, sure = self.results(site)
        given = [v for v in site.inputs if v is not None]
        fixed = op in MEASURES or (all(v.fixed for v in given) and op not in RANDOM)
        if fixed and (folded := self.folded(site, results)) is not None:
            return folded
        return self.layer(site, results, fixed=fixed, sure=sure)

    def results(self, site: Site) -> tuple[list[Result], bool]:
        """Shape and dtype of every output, and whether they are certain."""
        op = site.node.full_op
        rule = shape_of(op)
        found: list[Result] | None = None
        try:
            found = rule(site) if rule else None
        except SizeUnknownError:
            if len(site.declared) < site.count:
                raise
        except ShapeError:
            if all(v is None or v.sure for v in site.inputs):
                raise
        if site.node.op in UPPER_BOUND:
            self.warn(
                f"the result of {op} is as large as the data makes it; counted at its largest size"
            )
        sure = True
        results: list[Result] = []
        for i in range(site.count):
            if found is not None and i < len(found):
                shape, dtype = found[i]
                results.append((check_dims(tuple(int(s) for s in shape), site.node.label), dtype))
            elif i in site.declared:
                results.append(site.declared[i])
            else:
                first = next((v for v in site.inputs if v is not None), Value())
                results.append((first.shape, first.dtype))
                sure = False
        if not sure:
            self.warn(f"the shape of the result of {op} is not known; taken to be its input's")
        return results, sure and all(v is None or v.sure for v in site.inputs)

    def folded(self, site: Site, results: list[Result]) -> list[Value] | None:
        """The outputs of a node that computes constants, None if it is a layer."""
        op = site.node.full_op
        given = [v for v in site.inputs if v is not None]
        stored = [s for v in given for s in v.stored]
        if op == "onnx.ConstantOfShape":
            return [self.filled(site, results[0])]
        moves = op in MOVES
        weights = any(s.given and s.shape and s.dtype.startswith(("float", "bf")) for s in stored)
        if weights and not moves:
            return None  # arithmetic on parameters is work that the network does
        data = fold(site, results, None)
        if not (moves and stored):
            made = [
                Stored(n, *r, given=False) for n, r in zip(site.node.outputs, results, strict=False)
            ]
            self.stored.extend(made)
            arrays: list[Any] = list(data) if data is not None else [None] * len(made)
            return [
                Value(s.shape, s.dtype, array, (s,), fixed=True)
                for s, array in zip(made, arrays, strict=False)
            ]
        if op in ("onnx.QuantizeLinear", "onnx.DequantizeLinear"):
            for extra in (s for v in given[1:] for s in v.stored):
                extra.role = extra.role or "buffer"
        joined = op in ("onnx.Concat", "onnx.QuantizeLinear", "onnx.DequantizeLinear")
        kept = tuple(dict.fromkeys(stored)) if joined else given[0].stored  # not the shape operand
        arrays = list(data) if data is not None else [None] * len(results)
        return [
            Value(shape, dtype, array, kept, fixed=True)
            for (shape, dtype), array in zip(results, arrays, strict=False)
        ]

    def filled(self, site: Site, result: Result) -> Value:
        """``ConstantOfShape``: a constant, and its elements where they are few."""
        shape, dtype = result
        tensor = filling_of(site)
        element = contents(self.src, tensor) if tensor else np.zeros(1, np.float32)
        data = fold(site, [result], element) if element is not None and element.size else None
        stored = Stored(site.node.outputs[0], shape, dtype, given=False)
        self.stored.append(stored)
        return Value(shape, dtype, data[0] if data else None, (stored,), fixed=True)

    def layer(self, site: Site, results: list[Result], *, fixed: bool, sure: bool) -> list[Value]:
        """Adds the step of a node that is executed."""
        node = site.node
        outputs = [Value(shape, dtype, fixed=fixed, sure=sure) for shape, dtype in results]
        self.step(site, outputs)
        if node.op == "Dropout" and len(outputs) > 1 and not node.outputs[1]:
            outputs[1].fixed = True
        return outputs

    def step(self, site: Site, outputs: list[Value], draft: Draft | None = None) -> None:
        """Adds a layer with these outputs; the rule table says what it is."""
        node, op = site.node, site.node.full_op
        if draft is None:
            args = tuple(argument(v) for v in site.inputs)
            call = Call(op, args, site.attrs, tuple(v.operand() for v in outputs))
            draft = self.draft(call, sure=all(v is None or v.sure for v in site.inputs))
        step = Step(node, draft, [], [], outputs, self.times, self.path)
        for position, value in enumerate(site.inputs):
            if value is None:
                continue
            for item in value.items if value.items is not None else [value]:
                if item.stored:
                    for stored in item.stored:
                        stored.role = role_of(op, position, stored.given, stored)
                        if stored.role != "constant" or not (op in SIZED or is_shape_operand(item)):
                            step.stored.append(stored)
                elif item.data is None:
                    step.inputs.append(item)
        self.steps.append(step)

    def draft(self, call: Call, *, sure: bool) -> Draft:
        """The rule's answer; ``unknown`` where a shape that was only assumed does not fit.

        Raises:
            ShapeError: the operands do not fit the operator.
        """
        try:
            return self.rules.apply(call)
        except (UsageError, InputError) as error:
            if isinstance(error, UsageError) and self.rules.was_added(call.op):
                raise  # the user's own rule is wrong, not the file
            if not sure:
                self.warn(f"{call.op} follows an operator of unknown shape and is not counted")
                return Draft("unknown")
            raise ShapeError(error.given, expected=error.expected, hint=error.hint) from None

    def call(self, function: Function, site: Site, scope: Scope) -> list[Value]:
        """Inlines a function that the file defines."""
        node = site.node
        path = join(scope.path, node.name or node.op)
        inner = Scope({}, None, {}, function.opsets or scope.opsets, {}, path, deeper(scope.depth))
        inner.attrs = {**function.defaults, **site.attrs}
        for name, value in zip(function.inputs, site.inputs, strict=False):
            if value is not None:
                inner.values[name] = value
        for info in function.value_info:
            inner.declared[info.name] = info.type
        self.body(optional_left_out(function, inner), inner)
        outputs = []
        for name in function.outputs[: site.count]:
            value = inner.find(name)
            if value is None:
                raise FileFormatError(
                    f"output {quoted(name)} of function {quoted(function.name)} is written by no node"
                )
            outputs.append(value)
        return outputs

    def warn(self, text: str) -> None:
        """Adds a warning once."""
        self.warnings[text] = None
