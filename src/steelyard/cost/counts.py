"""`Cost` and `LayerCost`: the counts of a layer or of any group of layers, and how they are taken.

Definitions, for one layer:

- ``params``: elements of the trained parameters that it reads and no earlier layer has read, so that
  shared weights count once; ``param_bytes`` are their bytes. Buffers are not parameters.
- ``macs``: multiply-accumulates of its loop nests; ``flops = 2 * macs``.
- ``ops``: element operations that are not multiply-accumulates.
- ``activation_bytes``: bytes of its outputs; 0 for kind ``view``, which writes nothing.
- ``access_bytes``: bytes moved if each tensor moves once: every distinct input and every parameter
  and buffer read once, every output written once. 0 for kind ``view``; kind ``create`` only writes;
  kind ``embedding`` reads at most as many bytes of its table as it writes. For a convolution this is
  N C H W + N M P Q + M (C/G) R S elements, plus M for a bias (Ma et al., ShuffleNet V2, 2018, sec. 2).

For kind ``unknown`` the tensors are counted, since their shapes are known; its arithmetic is counted
nowhere and the operator is named in the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from operator import mul

from steelyard._display import Printable
from steelyard.workload import DTYPE_BITS, Layer, Workload


@dataclass(frozen=True, slots=True)
class Cost(Printable):
    """Counts of a layer or of a group of layers; they add.

    Attributes:
        layers: number of executed operators.
        params: trained parameters, each counted once.
        macs: multiply-accumulates.
        ops: other element operations.
        activation_bytes: bytes of all outputs.
        access_bytes: bytes moved if every tensor moves once per layer.
        param_bytes: bytes of ``params``.
    """

    layers: int = 0
    params: int = 0
    macs: int = 0
    ops: int = 0
    activation_bytes: int = 0
    access_bytes: int = 0
    param_bytes: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations of the multiply-accumulates: 2 x macs."""
        return 2 * self.macs

    @property
    def intensity(self) -> float:
        """Multiply-accumulates per byte accessed; 0.0 where nothing is accessed."""
        return self.macs / self.access_bytes if self.access_bytes else 0.0

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(
            self.layers + other.layers,
            self.params + other.params,
            self.macs + other.macs,
            self.ops + other.ops,
            self.activation_bytes + other.activation_bytes,
            self.access_bytes + other.access_bytes,
            self.param_bytes + other.param_bytes,
        )

    def __sub__(self, other: Cost) -> Cost:
        """The difference; its counts may be negative (see `steelyard.cost.compare`)."""
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(
            self.layers - other.layers,
            self.params - other.params,
            self.macs - other.macs,
            self.ops - other.ops,
            self.activation_bytes - other.activation_bytes,
            self.access_bytes - other.access_bytes,
            self.param_bytes - other.param_bytes,
        )

    def to_dict(self) -> dict[str, int | float]:
        """The counts by name, with ``flops`` and ``intensity``."""
        return {
            "layers": self.layers,
            "params": self.params,
            "macs": self.macs,
            "flops": self.flops,
            "ops": self.ops,
            "activation_bytes": self.activation_bytes,
            "access_bytes": self.access_bytes,
            "param_bytes": self.param_bytes,
            "intensity": self.intensity,
        }


@dataclass(frozen=True, slots=True)
class LayerCost(Printable):
    """One row of a cost report.

    Attributes:
        layer: the executed operator.
        shape: shape of its first output, () if it has none.
        cost: its counts (``cost.layers == 1``).
        shared_params: some of its parameters were counted at an earlier layer.
    """

    layer: Layer
    shape: tuple[int, ...]
    cost: Cost
    shared_params: bool = False

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.layer.name

    @property
    def kind(self) -> str:
        """Kind of the layer, a key of `steelyard.workload.KINDS`."""
        return self.layer.kind

    @property
    def op(self) -> str:
        """Operator as its source names it."""
        return self.layer.op

    @property
    def module(self) -> str:
        """Path of the calling module."""
        return self.layer.module

    @property
    def module_type(self) -> str:
        """Class name of the calling module."""
        return self.layer.module_type

    def to_dict(self) -> dict[str, object]:
        """Names, shape and counts as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "op": self.op,
            "module": self.module,
            "module_type": self.module_type,
            "shape": list(self.shape),
            "shared_params": self.shared_params,
            **self.cost.to_dict(),
        }


# (params, macs, ops, activation_bytes, access_bytes, param_bytes, shared) of one layer; a plain tuple
# because totals are taken in a hot loop
Tally = tuple[int, int, int, int, int, int, bool]


def tally(workload: Workload) -> list[Tally]:
    """The counts of every layer, in order (definitions: see the module).

    Raises:
        KeyError: the workload is inconsistent (a tensor or dtype that is not there); workloads from
            capture or from JSON never are.
    """
    shapes, dtypes, parameters = workload.sizes()
    elements = list(map(prod, shapes))
    size = _bytes(elements, dtypes)
    left = set(parameters)  # those that no layer has read yet
    weights = left.copy()
    rows: list[Tally] = []
    for (kind, macs, ops, _), inputs, outputs, layer_params in workload.operators():
        params = param_bytes = read = 0
        shared = False
        if layer_params:
            for key in layer_params if len(layer_params) == 1 else set(layer_params):
                nbytes = size[key]
                read += nbytes
                if key in left:
                    left.remove(key)
                    params += elements[key]
                    param_bytes += nbytes
                elif key in weights:
                    shared = True
        if kind == "view":
            rows.append((params, macs, ops, 0, 0, param_bytes, shared))
            continue
        written = size[outputs[0]] if len(outputs) == 1 else sum([size[key] for key in outputs])
        if kind == "create":
            read = 0
        else:
            if kind == "embedding":
                read = min(read, written)
            if len(inputs) == 1:
                read += size[inputs[0]]
            else:
                for key in set(inputs):
                    read += size[key]
        rows.append((params, macs, ops, written, read + written, param_bytes, shared))
    return rows


def _bytes(elements: list[int], dtypes: Sequence[str]) -> list[int]:
    """Bytes of tensors, each of whole bytes."""
    bits = {dtype: DTYPE_BITS[dtype] for dtype in set(dtypes)}
    if not any(width % 8 for width in bits.values()):  # nearly always, and half the time
        nbytes = {dtype: width // 8 for dtype, width in bits.items()}
        return list(map(mul, elements, map(nbytes.__getitem__, dtypes)))
    return [(n * bits[dtype] + 7) >> 3 for n, dtype in zip(elements, dtypes, strict=True)]


def add_up(rows: list[Tally]) -> Cost:
    """The sum of the rows."""
    if not rows:
        return Cost()
    params, macs, ops, activation, access, param_bytes, _ = zip(*rows, strict=True)
    return Cost(
        len(rows), sum(params), sum(macs), sum(ops), sum(activation), sum(access), sum(param_bytes)
    )
