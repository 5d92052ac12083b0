"""`Trace`: the raw record of one pass that the module engines write and that becomes a `Workload`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from steelyard.capture.builder import Builder
from steelyard.capture.rules import Draft
from steelyard.workload import Role, Workload


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
    """

    def __init__(self, modules: Sequence[tuple[str, str, bool]] = (("", "", False),)) -> None:
        self.values: list[Value] = []
        self.events: list[Event] = []
        self.modules = list(modules)
        self.module = 0

    def value(
        self,
        shape: tuple[int, ...],
        dtype: str,
        role: Role = "activation",
        name: str = "",
        *,
        alias: int = -1,
        root: int = -1,
    ) -> int:
        """Adds a value and returns its index."""
        self.values.append(Value(shape, dtype, role, name, alias, root))
        return len(self.values) - 1

    def event(
        self,
        op: str,
        draft: Draft,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        params: tuple[int, ...] = (),
        *,
        inplace: bool = False,
    ) -> None:
        """Adds an event of the running module."""
        self.events.append(Event(op, draft, inputs, outputs, params, inplace, self.module))

    def to_workload(self, name: str, outputs: Sequence[int]) -> Workload:
        """The workload, with names made from the modules' paths and the operators."""
        builder = Builder(name, "module")
        values, names = self.values, {}
        for index, value in enumerate(values):
            if value.role != "activation" and value.root < 0:
                names[index] = builder.tensor(value.name, value.shape, value.dtype, value.role)
        for op, draft, inputs, outs, params, inplace, module in self.events:
            path, kind, leaf = self.modules[module]
            for index in inputs:
                if index not in names:  # a tensor that the network made without any operator
                    value = values[index]
                    names[index] = builder.tensor("constant", value.shape, value.dtype, "constant")
            aliases = [values[i].alias for i in outs]
            made = builder.layer(
                draft,
                op=op,
                module=path,
                module_type=kind,
                leaf=leaf,
                inputs=[names[i] for i in inputs],
                outputs=[(values[i].shape, values[i].dtype) for i in outs],
                params=[names[i] for i in dict.fromkeys(params)],
                aliases=[names.get(i, "") for i in aliases],
                inplace=inplace,
            )
            names.update(zip(outs, made, strict=True))
        return builder.finish([names[i] for i in outputs if i in names])
