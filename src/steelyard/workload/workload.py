"""`Workload`: what a network asks of any machine: its layers and the data that flows between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from steelyard.errors import InputError, UsageError
from steelyard.workload.layer import Layer
from steelyard.workload.tensor import TensorSpec, dtype_bits, is_floating

GroupKey = Literal["kind", "op", "module", "type", "stage", "layer"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which operators were counted and which were not.

    Attributes:
        known: executed operators that a rule knew.
        unknown: (operator, times executed) for those that none did.
    """

    known: int
    unknown: tuple[tuple[str, int], ...] = ()

    @property
    def fraction(self) -> float:
        """Known share of the executed operators, 1.0 for an empty workload."""
        missed = sum(count for _, count in self.unknown)
        return self.known / (self.known + missed) if self.known + missed else 1.0


Places = tuple[int, ...]
Operator = tuple[tuple[str, int, int, object], Places, Places, Places]
"""What counting needs of a layer, ``((kind, macs, ops, -), inputs, outputs, params)``; tensors by their places."""

Sizes = tuple[Sequence[tuple[int, ...]], Sequence[str], Iterable[int]]
"""``(shapes, dtypes, parameters)``: of every tensor its shape and dtype, and the places of parameters."""


class Record(Protocol):
    """What a workload is made from once somebody looks at its layers (see `Workload.deferred`)."""

    def content(self) -> Workload:
        """The workload."""
        ...

    def sizes(self) -> Sizes:
        """Every tensor."""
        ...

    def operators(self) -> Iterable[Operator]:
        """One for each layer, in order; tensors by their places in `sizes`."""
        ...


_CONTENT = ("layers", "tensors", "inputs", "outputs", "warnings")


@dataclass(frozen=True)
class Workload:
    """Layers in the order of execution and the tensors between them.

    Equality and hash are by content. Nothing here needs the network, its weights or torch.

    Attributes:
        name: what the user calls it.
        layers: executed operators, in order.
        tensors: every tensor that a layer reads or writes, and parameters that none reads.
        inputs: names of the network's input tensors (the sources).
        outputs: names of the network's results (the sinks).
        source: where it came from: ``module``, ``pt2``, ``onnx`` or ``json``.
        warnings: what a user of the numbers must know, one sentence each.
    """

    name: str
    layers: tuple[Layer, ...]
    tensors: tuple[TensorSpec, ...]
    # factories, since a default is an attribute of the class, which would hide what is deferred
    inputs: tuple[str, ...] = field(default_factory=tuple)
    outputs: tuple[str, ...] = field(default_factory=tuple)
    source: str = "module"
    warnings: tuple[str, ...] = field(default_factory=tuple, compare=False)

    # ---- content that is made when it is first looked at -----------------------------------

    @classmethod
    def deferred(cls, name: str, source: str, record: Record) -> Workload:
        """A workload whose layers and tensors are made from ``record`` when they are first asked for.

        Totals are counted from the record itself, since most captures in a search are asked for
        nothing else, and making the layers takes as long as the capture.
        """
        load = object.__new__(cls)
        load.__dict__.update(name=name, source=source, _record=record)
        return load

    if not TYPE_CHECKING:  # else every attribute would be known to the type checker

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there: content, the first time."""
            held = self.__dict__
            record = held.get("_record")
            if record is not None and name in _CONTENT:
                made = record.content()
                held.update({key: getattr(made, key) for key in _CONTENT})
                held.pop("_record", None)
            if name in held:  # also where another thread was quicker
                return held[name]
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}", name=name)

    def __getstate__(self) -> dict[str, Any]:
        return {"layers": self.layers} | vars(self)

    def sizes(self) -> Sizes:
        """Every tensor."""
        record: Record | None = self.__dict__.get("_record")
        if record is not None:
            return record.sizes()
        tensors = self.tensors
        parameters = [i for i, tensor in enumerate(tensors) if tensor.role == "parameter"]
        return [t.shape for t in tensors], [t.dtype for t in tensors], parameters

    def operators(self) -> Iterable[Operator]:
        """One for each layer, in order; tensors by their places in `sizes`."""
        record: Record | None = self.__dict__.get("_record")
        if record is not None:
            return record.operators()
        place = {tensor.name: i for i, tensor in enumerate(self.tensors)}

        def places(names: tuple[str, ...]) -> Places:
            return tuple([place[name] for name in names])

        return [
            (
                (layer.kind, layer.macs, layer.ops, ""),
                places(layer.inputs), places(layer.outputs), places(layer.params),
            )
            for layer in self.layers
        ]  # fmt: skip

    # ---- looking things up -------------------------------------------------------------

    @cached_property
    def _tensor_index(self) -> dict[str, TensorSpec]:
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def _layer_index(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    def tensor(self, name: str) -> TensorSpec:
        """The tensor of that name.

        Raises:
            InputError: there is none.
        """
        try:
            return self._tensor_index[name]
        except KeyError:
            raise InputError(f"workload {self.name!r} has no tensor {name!r}") from None

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises:
            InputError: there is none.
        """
        try:
            return self._layer_index[name]
        except KeyError:
            raise InputError(
                f"workload {self.name!r} has no layer {name!r}",
                hint="[layer.name for layer in workload.layers]",
            ) from None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content (name, source and warnings left out), as hex."""
        parts = (self.layers, self.tensors, self.inputs, self.outputs)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    # ---- totals ------------------------------------------------------------------------

    @cached_property
    def coverage(self) -> Coverage:
        """What was counted and, by name, what was not."""
        missed: dict[str, int] = {}
        for layer in self.layers:
            if layer.kind == "unknown":
                missed[layer.op] = missed.get(layer.op, 0) + 1
        known = len(self.layers) - sum(missed.values())
        return Coverage(known, tuple(sorted(missed.items())))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one pass."""
        return sum(layer.macs for layer in self.layers)

    @cached_property
    def params_used(self) -> frozenset[str]:
        """Names of the parameters (not buffers) that some layer reads."""
        index = self._tensor_index
        return frozenset(
            name
            for layer in self.layers
            for name in layer.params
            if index[name].role == "parameter"
        )

    @property
    def params(self) -> int:
        """Elements of all parameters that some layer reads, each counted once."""
        return sum(self._tensor_index[name].numel for name in self.params_used)

    @property
    def unused_params(self) -> int:
        """Elements of the parameters that no layer of this pass reads (auxiliary heads ...)."""
        total = sum(t.numel for t in self.tensors if t.role == "parameter")
        return total - self.params

    # ---- grouping and selecting --------------------------------------------------------

    def groupby(self, key: GroupKey, *, depth: int | None = None) -> dict[str, tuple[Layer, ...]]:
        """Layers grouped, each exactly once, groups in the order of first appearance.

        Args:
            key: ``kind``; ``op`` (source operator); ``module`` (path cut to ``depth`` components);
                ``type`` (class of the calling module); ``stage`` (size of the feature map, e.g.
                ``56x56``); ``layer`` (each its own).
            depth: for ``module`` only.

        Raises:
            UsageError: unknown key, or a depth below 1 or without ``module``.
        """
        if depth is not None and (key != "module" or depth < 1):
            raise UsageError(
                f"groupby({key!r}, depth={depth}) makes no sense",
                expected="depth >= 1, with key 'module' only",
            )
        namers: dict[str, Callable[[Layer], str]] = {
            "kind": lambda layer: layer.kind,
            "op": lambda layer: layer.op,
            "module": lambda layer: _cut(layer.module, depth),
            "type": lambda layer: layer.module_type,
            "stage": lambda layer: self._stages[layer.name],
            "layer": lambda layer: layer.name,
        }
        if key not in namers:
            raise UsageError(f"cannot group by {key!r}", expected="one of " + ", ".join(namers))
        groups: dict[str, list[Layer]] = {}
        for layer in self.layers:
            groups.setdefault(namers[key](layer), []).append(layer)
        return {name: tuple(layers) for name, layers in groups.items()}

    @cached_property
    def _stages(self) -> dict[str, str]:
        """Stage of each layer: its output map's size; layers without a map stay in the last one."""
        stages: dict[str, str] = {}
        current = "-"
        for layer in self.layers:
            shape = next((self.tensor(name).shape for name in layer.outputs), ())
            if layer.kind == "conv" and layer.nests:
                current = "x".join(map(str, layer.nests[0].out))
            elif layer.kind == "linear":
                current = "1x1" if len(shape) <= 2 else current
            elif len(shape) >= 4:
                current = "x".join(map(str, shape[2:]))
            elif len(shape) == 2:
                current = "1x1"
            stages[layer.name] = current
        return stages

    def select(
        self,
        *,
        kind: str | Iterable[str] | None = None,
        module: str | None = None,
        where: Callable[[Layer], bool] | None = None,
    ) -> Workload:
        """The part of the workload that meets all given conditions.

        Its inputs are the activations that it reads and does not write, its outputs those that it
        writes and does not read.

        Args:
            kind: one kind or several.
            module: a module path; it and everything below it.
            where: any test on a layer.
        """
        kinds = {kind} if isinstance(kind, str) else None if kind is None else set(kind)
        kept = tuple(
            layer
            for layer in self.layers
            if (kinds is None or layer.kind in kinds)
            and (module is None or layer.module == module or layer.module.startswith(module + "."))
            and (where is None or where(layer))
        )
        return self._part(kept)

    def _part(self, layers: tuple[Layer, ...]) -> Workload:
        written = [name for layer in layers for name in layer.outputs]
        read = [name for layer in layers for name in layer.inputs]
        written_set, read_set = set(written), set(read)
        used = written_set | read_set | {name for layer in layers for name in layer.params}
        # storage owners stay, so that aliases can still be followed
        for name in tuple(used):
            while owner := self.tensor(name).alias_of:
                used.add(owner)
                name = owner
        sources = dict.fromkeys(n for n in read if n not in written_set)
        sinks = dict.fromkeys(n for n in written if n not in read_set or n in self.outputs)
        return replace(
            self,
            layers=layers,
            tensors=tuple(t for t in self.tensors if t.name in used),
            inputs=tuple(sources),
            outputs=tuple(sinks),
        )

    # ---- scaling -----------------------------------------------------------------------

    @cached_property
    def batch(self) -> int:
        """Batch size: the first dimension of the first input that has one (1 if none has)."""
        shapes = (self.tensor(name).shape for name in self.inputs)
        return next((shape[0] for shape in shapes if shape), 1)

    def with_batch(self, n: int) -> Workload:
        """The same network on ``n`` samples.

        Every tensor that depends on an input scales by n / batch in its first dimension that the old
        batch divides; parameters, and tensors computed from parameters alone, stay. Sizes are exact;
        for a layout in which the batch is not outermost the *position* of the scaled dimension may
        differ from a fresh capture.

        Raises:
            UsageError: n < 1, or the workload's batch is 0.
            InputError: a layer's loops do not contain the batch as a factor.
        """
        from steelyard.workload.scaling import with_batch

        return with_batch(self, n)

    def with_dtype(self, dtype: str) -> Workload:
        """The same network with every floating-point tensor in ``dtype`` (e.g. ``bfloat16``, ``int8``).

        Raises:
            InputError: unknown dtype.
        """
        dtype_bits(dtype)
        tensors = (replace(t, dtype=dtype) if is_floating(t.dtype) else t for t in self.tensors)
        return replace(self, tensors=tuple(tensors))

    # ---- JSON --------------------------------------------------------------------------

    def to_json(self) -> str:
        """The workload as JSON with a schema version (see `steelyard.workload.serialize`)."""
        from steelyard.workload.serialize import to_json

        return to_json(self)

    @staticmethod
    def from_json(text: str | bytes) -> Workload:
        """The inverse of `to_json`.

        Raises:
            FileFormatError: not JSON, not a workload, another schema version, or inconsistent.
        """
        from steelyard.workload.serialize import from_json

        return from_json(text)

    def __repr__(self) -> str:
        return (
            f"<Workload {self.name!r}: {len(self.layers)} layers, {self.macs} macs, "
            f"{self.params} params, from {self.source}>"
        )


def _cut(path: str, depth: int | None) -> str:
    return path if depth is None else ".".join(path.split(".")[:depth])
