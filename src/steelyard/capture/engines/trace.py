"""`Trace`: the raw record of one pass that the module engines write and that becomes a `Workload`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from steelyard.capture.builder import Builder, safe_name
from steelyard.capture.rules import Draft
from steelyard.workload import Role, Workload
from steelyard.workload.workload import Operator

new = tuple.__new__
"""Makes a named tuple from a tuple in half the time that its class takes; there are thousands."""


class Value(NamedTuple):
    """A tensor of the pass; known by its index in `Trace.values`.

    Attributes:
        alias: index of the value whose storage this one shares, -1 for none.
        root: for a view of a parameter (or buffer) the index of that parameter, else -1.
    """

    shape: tuple[int, ...]
    dtype: str
    role: Role = "activation"
    name: str = ""
    alias: int = -1
    root: int = -1


class Event(NamedTuple):
    """An executed operator; operands and results are indices into `Trace.values`."""

    op: str
    draft: Draft
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: tuple[int, ...]
    inplace: bool
    module: int


class Trace:
    """Values and events in order of execution, and the modules that called them.

    Attributes:
        modules: (path, class name, has no children) of every module.
        module: index of the module that is running.
        name: what to call the workload.
        results: the values that the network returned.
    """

    def __init__(self, modules: Sequence[tuple[str, str, bool]] = (("", "", False),)) -> None:
        self.values: list[Value] = []
        self.events: list[Event] = []
        self.modules = list(modules)
        self.module = 0
        self.name = ""
        self.results: tuple[int, ...] = ()

    def value(
        self,
        shape: tuple[int, ...],
        dtype: str,
        role: Role = "activation",
        name: str = "",
        alias: int = -1,
        root: int = -1,
    ) -> int:
        """Adds a value and returns its index."""
        self.values.append(new(Value, (shape, dtype, role, name, alias, root)))
        return len(self.values) - 1

    def event(
        self,
        op: str,
        draft: Draft,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        params: tuple[int, ...] = (),
        inplace: bool = False,
    ) -> None:
        """Adds an event of the running module."""
        self.events.append(new(Event, (op, draft, inputs, outputs, params, inplace, self.module)))

    def to_workload(self, name: str, results: Sequence[int]) -> Workload:
        """The workload; its layers and tensors are made when somebody looks at them."""
        record = Trace(
            self.modules
        )  # what is still to come, when things are put back, is not meant
        record.values, record.events = self.values.copy(), self.events.copy()
        record.name, record.results = safe_name(name), tuple(results)
        return Workload.deferred(record.name, "module", record)

    def sizes(self) -> Iterable[tuple[int, Any]]:
        """Every value by its index."""
        return enumerate(self.values)

    def operators(self) -> list[Operator]:
        """The events as counting needs them."""
        return [(event[1], event[2], event[3], event[4]) for event in self.events]

    def content(self) -> Workload:
        """The workload, with names made from the modules' paths and the operators."""
        builder = Builder(self.name, "module")
        values = self.values
        names: dict[int, str] = {}
        for index, (shape, dtype, role, given, _, root) in enumerate(values):
            if role != "activation" and root < 0:
                names[index] = builder.tensor(given, shape, dtype, role)
        modules = [(safe_name(path), safe_name(kind), leaf) for path, kind, leaf in self.modules]
        named = names.__getitem__
        for op, draft, inputs, outs, params, inplace, module in self.events:
            path, kind, leaf = modules[module]
            try:
                read = tuple(map(named, inputs))
            except KeyError:  # a tensor that the network made without any operator
                self._add_constants(builder, names, inputs)
                read = tuple(map(named, inputs))
            made = builder.append(
                path if leaf and path else _functional(path, op),
                draft,
                op,
                path,
                kind,
                read,
                [(values[i].shape, values[i].dtype, names.get(values[i].alias, "")) for i in outs],
                tuple(map(named, dict.fromkeys(params))) if params else (),
                inplace,
            )
            names.update(zip(outs, made, strict=True))
        return builder.finish([names[i] for i in self.results if i in names])

    def _add_constants(
        self, builder: Builder, names: dict[int, str], inputs: tuple[int, ...]
    ) -> None:
        for index in inputs:
            if index not in names:
                value = self.values[index]
                names[index] = builder.tensor("constant", value.shape, value.dtype, "constant")


@lru_cache(maxsize=4096)
def _functional(path: str, op: str) -> str:
    """Name of a layer that a function made: its module's path and the operator."""
    base = op.split(".")[1]
    return f"{path}.{base}" if path else base
