"""`Trace`: the raw record of one pass that the module engines write and that becomes a `Workload`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from steelyard.capture.builder import Builder, safe_name
from steelyard.capture.engines.names import Names
from steelyard.capture.rules import Draft
from steelyard.workload import LoopNest, Role, Workload
from steelyard.workload.workload import Operator, Sizes

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


class Values:
    """The tensors of a pass, in columns, since there are thousands; one `Value` by its index.

    Attributes:
        shapes, dtypes: of every value.
        roles, names, aliases, roots: of those where they are not the default of `Value`.
        parameters, held: the first so many are parameters, those up to ``held`` are buffers; they are in
            none of the dictionaries, since they have no other names than `Trace.names` gives them.
    """

    __slots__ = (
        "aliases", "dtypes", "held", "names", "parameters", "roles", "roots", "shapes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: list[str] = []
        self.roles: dict[int, Role] = {}
        self.names: dict[int, str] = {}
        self.aliases: dict[int, int] = {}
        self.roots: dict[int, int] = {}
        self.parameters = self.held = 0

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> Value:
        return Value(
            self.shapes[index], self.dtypes[index], self.role(index),
            self.names.get(index, ""), self.aliases.get(index, -1), self.roots.get(index, -1),
        )  # fmt: skip

    def role(self, index: int) -> Role:
        """What the value is to the network."""
        if index < self.held:
            return "parameter" if index < self.parameters else "buffer"
        return self.roles.get(index, "activation")

    def add(self, value: Value) -> int:
        """Adds a value and returns its index."""
        shape, dtype, role, name, alias, root = value
        index = len(self.shapes)
        self.shapes.append(shape)
        self.dtypes.append(dtype)
        if role != "activation":
            self.roles[index] = role
        if name:
            self.names[index] = name
        if alias >= 0:
            self.aliases[index] = alias
        if root >= 0:
            self.roots[index] = root
        return index

    def copy(self) -> Values:
        """The values that there are now."""
        made = Values()
        made.shapes, made.dtypes = self.shapes.copy(), self.dtypes.copy()
        made.roles, made.names = self.roles.copy(), self.names.copy()
        made.aliases, made.roots = self.aliases.copy(), self.roots.copy()
        made.parameters, made.held = self.parameters, self.held
        return made


class Later(tuple[Any, ...]):
    """``(make, *args)``: loop nests that ``make(*args)`` answers when somebody looks at them."""

    __slots__ = ()


Counted = tuple[str, int, int, tuple[LoopNest, ...] | Later]
"""What totals need of an executed operator: its kind, MACs and other operations; and its loop nests."""


def counted(draft: Draft) -> Counted:
    """A draft, counted."""
    kind, nests, ops = draft
    macs = sum([nest.macs for nest in nests]) if nests else 0
    return (kind, macs, ops, nests)


class Event(NamedTuple):
    """An executed operator; operands and results are indices into `Trace.values`."""

    op: str
    counted: Counted
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: tuple[int, ...]
    inplace: bool
    module: int


class Trace:
    """Values and events in order of execution, and the modules that called them.

    Attributes:
        log: the fields of every `Event`, one event after the other: a tuple for each would be one
            object more for Python's garbage collector to look at.
        names: of the modules, and of the values that are parameters and buffers.
        classes: of every module.
        module: index of the module that is running.
        name: what to call the workload.
        results: the values that the network returned.
    """

    def __init__(self) -> None:
        self.values = Values()
        self.log: list[Any] = []
        self.names = Names()
        self.classes: Sequence[type] = (object,)
        self.module = 0
        self.name = ""
        self.results: tuple[int, ...] = ()

    @property
    def events(self) -> list[Event]:
        """What is in the log."""
        return list(map(Event._make, self._logged()))

    def _logged(self) -> Iterator[tuple[Any, ...]]:
        return zip(*[iter(self.log)] * len(Event._fields), strict=True)

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
        return self.values.add(new(Value, (shape, dtype, role, name, alias, root)))

    def event(
        self,
        op: str,
        counted: Counted,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        params: tuple[int, ...] = (),
        inplace: bool = False,
    ) -> None:
        """Adds an event of the running module."""
        self.log += (op, counted, inputs, outputs, params, inplace, self.module)

    def to_workload(self, name: str, results: Sequence[int]) -> Workload:
        """The workload; its layers and tensors are made when somebody looks at them."""
        record = Trace()  # what is still to come, when things are put back, is not meant
        record.names, record.classes = self.names, self.classes
        record.values, record.log = self.values.copy(), self.log.copy()
        record.name, record.results = safe_name(name), tuple(results)
        return Workload.deferred(record.name, "module", record)

    def sizes(self) -> Sizes:
        """Every value, as counting needs it."""
        values = self.values
        views = [i for i, role in values.roles.items() if role == "parameter"]
        return values.shapes, values.dtypes, [*range(values.parameters), *views]

    def operators(self) -> list[Operator]:
        """The events as counting needs them."""
        log, width = self.log, len(Event._fields)
        return list(zip(*[log[at::width] for at in range(1, 5)], strict=True))

    def content(self) -> Workload:
        """The workload, with names made from the modules' paths and the operators."""
        builder = Builder(self.name, "module")
        values = self.values
        names: dict[int, str] = {}
        shapes, dtypes, aliases = values.shapes, values.dtypes, values.aliases
        found = self.names.paths()
        given = self.names.of_tensors(found)
        for index in (*given, *values.roles):
            if index not in values.roots:
                name = given.get(index) or values.names.get(index, "")
                names[index] = builder.tensor(
                    name, shapes[index], dtypes[index], values.role(index)
                )
        paths = {place: safe_name(path) for place, path in found.items()}
        classes = [safe_name(kind.__name__) for kind in self.classes]
        named = names.__getitem__
        later = _Nests()
        for op, (kind, _, ops, nests), inputs, outs, params, inplace, module in self._logged():
            path, leaf = paths[module], not self.names.children.sizes[module]
            try:
                read = tuple(map(named, inputs))
            except KeyError:  # a tensor that the network made without any operator
                self._add_constants(builder, names, inputs)
                read = tuple(map(named, inputs))
            made = builder.append(
                path if leaf and path else _functional(path, op),
                Draft(kind, later[nests] if isinstance(nests, Later) else nests, ops),
                op,
                path,
                classes[module],
                read,
                [(shapes[i], dtypes[i], names.get(aliases.get(i, -1), "")) for i in outs],
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


class _Nests(dict[Later, tuple[LoopNest, ...]]):
    """What was to be made later, each made once."""

    def __missing__(self, later: Later) -> tuple[LoopNest, ...]:
        make, *args = later
        nests: tuple[LoopNest, ...] = make(*args)
        self[later] = nests
        return nests


@lru_cache(maxsize=4096)
def _functional(path: str, op: str) -> str:
    """Name of a layer that a function made: its module's path and the operator."""
    base = op.split(".")[1]
    return f"{path}.{base}" if path else base
