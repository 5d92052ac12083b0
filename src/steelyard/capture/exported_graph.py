"""`GraphReader`: walks a torch.export graph node by node and gives its operators to a `Builder`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from steelyard.capture.builder import Builder, safe_name
from steelyard.capture.exported_json import Field
from steelyard.capture.exported_values import (
    Arguments,
    Scope,
    Symbols,
    Value,
    read_argument,
    tensor_names,
)
from steelyard.capture.layout import settle
from steelyard.capture.rules import Call, Draft, Operand, RuleTable
from steelyard.errors import SteelyardError


def _aten(names: str) -> frozenset[str]:
    return frozenset(f"aten.{name}" for name in names.split())


# they check or read sizes and compute nothing
_CHECKS = _aten(
    "_assert_async _assert_scalar _assert_tensor_metadata sym_size sym_numel sym_stride "
    "sym_storage_offset sym_constrain_range sym_constrain_range_for_size _functional_assert_async "
    "_functional_assert_scalar _functional_sym_constrain_range"
)
# the result is the operand, looked at in the same way
_SAME = _aten("detach detach_ alias lift lift_fresh resolve_conj resolve_neg requires_grad_")
_POSITIONAL = 1
_MAX_DEPTH = 50


class Modules:
    """The modules of the network: which have children, and what each is called.

    Args:
        paths: paths of all modules that were called.
        parameters: names of all parameters and buffers.
    """

    def __init__(self, paths: Sequence[str], parameters: Sequence[str]) -> None:
        owners = {name.rpartition(".")[0] for name in parameters}
        everything = owners.union(paths) - {""}
        self._parents = {parent for path in everything for parent in _ancestors(path)}

    def is_leaf(self, path: str) -> bool:
        """No module is below it."""
        return bool(path) and path not in self._parents


def _ancestors(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:i]) for i in range(1, min(len(parts), 100))]


class GraphReader:
    """Reads graphs into one builder.

    Args:
        builder: receives layers and tensors.
        rules: operators' rules.
        modules: names and leaves of the module tree.
        symbols: collects the sizes that the export left open.
    """

    def __init__(
        self, builder: Builder, rules: RuleTable, modules: Modules, symbols: Symbols
    ) -> None:
        self.builder = builder
        self.rules = rules
        self.modules = modules
        self.symbols = symbols
        self.warnings: dict[str, None] = {}
        self.macs = 0
        self.ops = 0
        self.weighed: dict[int, tuple[int, int]] = {}
        self.depth = 0

    def scope(self, graph: Field) -> Scope:
        """An empty scope for ``graph``."""
        return Scope(graph, self.symbols)

    def walk(self, graph: Field, scope: Scope, *, module: str = "", times: int = 1) -> None:
        """Reads all nodes of ``graph``; its inputs are bound in ``scope`` already.

        Args:
            graph: a schema ``Graph``.
            scope: names defined so far; gains every node's results.
            module: calling module of nodes that name none.
            times: how often the graph runs; its operators count that many times.
        """
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise graph.root.wrong(f"holds graphs nested more than {_MAX_DEPTH} deep")
        for node in graph.get("nodes").elements():
            self._node(node, scope, module, times)
        self.depth -= 1

    def _node(self, node: Field, scope: Scope, module: str, times: int) -> None:
        from steelyard.capture.exported_nested import read_nested

        target = node.get("target").text()
        caller = _calling_module(node)
        path = caller[0] if caller else module
        call_target = _operator_name(target)
        base = ".".join(call_target.split(".")[:2])
        nested = call_target.startswith("higher_order.") and base not in self.rules
        if nested and read_nested(self, node, scope, base, path, times):
            return
        names = [name for field in node.get("outputs").elements() for name in tensor_names(field)]
        if base in _CHECKS:
            return
        if not names and (base in self.rules or not target.startswith("torch.ops.")):
            return  # arithmetic on sizes, or a value that is read
        arguments = read_arguments(node, scope)
        stored = list(dict.fromkeys(value.name for value in arguments.tensors if value.stored))
        if caller is None:  # inner graphs do not say which module their nodes belong to
            caller = (_owner(stored) or module, "")
        results = [(name, scope.operand(name)) for name in names if name is not None]
        if base in _SAME and len(results) == len(arguments.tensors) == 1:
            scope.define(results[0][0], arguments.tensors[0])
            return
        self._emit(node, call_target, arguments, results, scope, caller, times)

    def _emit(
        self,
        node: Field,
        op: str,
        arguments: Arguments,
        results: Sequence[tuple[Field, Operand]],
        scope: Scope,
        caller: tuple[str, str],
        times: int,
    ) -> None:
        """Adds one layer and binds its results."""
        call = Call(op, arguments.args, arguments.kwargs, tuple(o for _, o in results))
        draft = self._draft(node, call)
        tensors = arguments.tensors
        if draft.kind == "view" and tensors and all(value.stored for value in tensors):
            for name, operand in results:  # a view of a parameter is that parameter
                is_param = tensors[0].operand.is_param
                scope.define(name, tensors[0]._replace(operand=operand._replace(is_param=is_param)))
            return
        base = op.split(".")[1]
        inplace = base.endswith("_") and not base.endswith("__")
        sources = _sources(draft, call, tensors, len(results), inplace=inplace)
        draft = _repeated(draft, times)
        self.macs += sum(nest.macs for nest in draft.nests)
        self.ops += draft.ops
        outputs = self.builder.layer(
            draft,
            op=".".join(op.split(".")[:2]),
            inputs=[value.name for value in tensors if not value.stored],
            outputs=[(operand.shape, operand.dtype) for _, operand in results],
            module=caller[0],
            module_type=caller[1],
            leaf=self.modules.is_leaf(caller[0]),
            params=list(dict.fromkeys(value.name for value in tensors if value.stored)),
            aliases=[source.name if source else "" for source in sources],
            inplace=inplace,
        )
        for (name, operand), output, source in zip(results, outputs, sources, strict=True):
            if source is not None and source.stored:  # a buffer that was updated in place
                scope.define(name, source._replace(operand=operand))
            else:
                scope.define(name, Value(output, operand))

    def _draft(self, node: Field, call: Call) -> Draft:
        """The rule's draft; what a rule cannot make sense of is left unknown, with a warning."""
        try:
            return settle(call, self.rules.apply(call))
        except (
            SteelyardError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError,
        ) as error:  # fmt: skip
            reason = error.given if isinstance(error, SteelyardError) else str(error)
            self.warnings[f"{node.place} ({call.op}) does not fit its rule: {reason}"] = None
            return Draft("unknown")

    def stack(self, op: str, name: Field, piece: Value, scope: Scope, *, module: str) -> None:
        """Binds ``name`` to the pieces that a loop made, written one beside the other."""
        operand = scope.operand(name)
        (output,) = self.builder.layer(
            Draft("copy"),
            op=op,
            inputs=[] if piece.stored else [piece.name],
            outputs=[(operand.shape, operand.dtype)],
            module=module,
            params=[piece.name] if piece.stored else [],
        )
        scope.define(name, Value(output, operand))


def _sources(
    draft: Draft, call: Call, tensors: list[Value], count: int, *, inplace: bool
) -> list[Value | None]:
    """For each result the value whose storage it shares."""
    if not tensors or not (inplace or draft.kind == "view"):
        return [None] * count
    first = call.args[0] if call.args else None
    if isinstance(first, list) and len(first) == count and len(tensors) >= count:
        return list(tensors[:count])  # one view of each operand, as broadcast_tensors
    return [tensors[0]] * count


def _owner(stored: Sequence[str]) -> str:
    """The module that holds all of these weights, "" where there is none or several."""
    owners = {name.rpartition(".")[0] for name in stored}
    return owners.pop() if len(owners) == 1 else ""


def _repeated(draft: Draft, times: int) -> Draft:
    if times == 1:
        return draft
    nests = tuple(nest.scaled(rows=(times, 1)) for nest in draft.nests)
    return Draft(draft.kind, nests, draft.ops * times)


def read_arguments(node: Field, scope: Scope) -> Arguments:
    """The arguments of a node: positional ones in order, the others by name.

    Files write arguments in the order of the operator's schema. Where they do not tell which are
    positional (older files of schema 8), all are given both ways.
    """
    tensors: list[Value] = []
    args: list[object] = []
    kwargs: dict[str, object] = {}
    untold = False
    for i, field in enumerate(node.get("inputs").elements()):
        kind = field.find("kind")
        positional = kind is not None and kind.integer() == _POSITIONAL
        untold = untold or (i == 0 and not positional)
        value = read_argument(field.get("arg"), scope, tensors)
        if untold or (positional and not kwargs):
            args.append(value)
        if untold or not positional:
            kwargs[field.get("name").text()] = value
    return Arguments(tuple(args), kwargs, tensors)


_TARGET = re.compile(r"torch\.ops\.([A-Za-z_]\w*)\.([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?")


def _operator_name(target: str) -> str:
    """``torch.ops.aten.max.dim`` -> ``aten.max.dim``; the overload ``default`` is left out.

    >>> _operator_name("torch.ops.aten.conv2d.default"), _operator_name("_operator.add")
    ('aten.conv2d', '_operator.add')
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        plain = re.fullmatch(r"\w{1,100}(\.\w{1,100}){1,9}", target)
        return target if plain else "custom." + safe_name(target.replace(".", "_"))
    parts = [part for part in match.groups() if part is not None]
    return ".".join(parts[:2] if parts[2:] == ["default"] else parts)


_PREFIX = re.compile(r"(L__self__|L\['self'\])(\.|___|$)")
_INDEX = re.compile(r"\[['\"]?([^\]'\"]*)['\"]?\]")


def _calling_module(node: Field) -> tuple[str, str] | None:
    """Path and class of the innermost module on the node's stack; None where it has no stack."""
    stack = node.get("metadata").find("nn_module_stack")
    if stack is None or not stack.text():
        return None
    last = stack.text().rpartition(";")[2].split(",", 2)
    if len(last) != 3:
        return None
    path = _INDEX.sub(r".\1", _PREFIX.sub("", last[1]))
    return path.strip("."), last[2].rpartition(".")[2]
