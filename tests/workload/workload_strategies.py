"""Hypothesis strategies for workloads: small random networks with consistent shapes and data flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from hypothesis import strategies as st

from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

KINDS = (
    "conv", "norm", "relu", "relu_", "add", "mul", "cat", "pool", "flatten", "linear", "matmul",
    "zeros", "mystery",
)  # fmt: skip


@dataclass
class Net:
    """Writes a workload by hand, one layer at a time; `value` is the name that the last one made."""

    dtype: str = "float32"
    tensors: dict[str, TensorSpec] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    module: str = ""

    def tensor(self, name: str, shape: tuple[int, ...], role: str = "activation", alias: str = ""):
        owner = self.tensors[alias].alias_of or alias if alias else ""
        self.tensors[name] = TensorSpec(name, shape, self.dtype, role, owner)
        if role == "input":
            self.inputs.append(name)
        return name

    def param(self, name: str, *shape: int, role: str = "parameter") -> str:
        return name if name in self.tensors else self.tensor(name, shape, role)

    def add(
        self, kind, op, inputs, shape, *, params=(), nests=(), ops=0, view=False, inplace=False
    ):
        name = f"l{len(self.layers)}"
        alias = inputs[0] if view or inplace else ""
        self.tensor(name, shape, alias=alias)
        self.layers.append(
            Layer(
                name=name, kind=kind, op=op, module=self.module, module_type=kind.title(),
                inputs=tuple(inputs), outputs=(name,), params=tuple(params), nests=tuple(nests),
                ops=ops, inplace=inplace,
            )
        )  # fmt: skip
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    # one method an operator; images are (N, C, H, W)
    def conv(self, x, m, k=1, *, stride=1, pad=0, groups=1, weight="", bias=False):
        n, c, h, w = self.shape(x)
        p, q = ((s + 2 * pad - k) // stride + 1 for s in (h, w))
        params = [self.param(weight or f"w{len(self.layers)}", m, c // groups, k, k)]
        if bias:
            params.append(self.param(f"b{len(self.layers)}", m))
        nest = LoopNest(
            N=n, G=groups, M=m, C=c, out=(p, q), kernel=(k, k), input=(h, w),
            stride=(stride, stride), dilation=(1, 1), padding=((pad, pad),) * 2,
        )  # fmt: skip
        return self.add("conv", "aten.conv2d", [x], (n, m, p, q), params=params, nests=[nest])

    def norm(self, x):
        i, c = len(self.layers), self.shape(x)[1]
        params = [self.param(f"g{i}", c), self.param(f"h{i}", c)]
        params += [self.param(f"{s}{i}", c, role="buffer") for s in ("mean", "var")]
        shape = self.shape(x)
        return self.add("norm", "aten.batch_norm", [x], shape, params=params, ops=2 * prod(shape))

    def relu(self, x, *, inplace=False):
        op = "aten.relu_" if inplace else "aten.relu"
        shape = self.shape(x)
        return self.add("activation", op, [x], shape, ops=prod(shape), inplace=inplace)

    def binary(self, op, x, y):
        shape = self.shape(x)
        return self.add("elementwise", f"aten.{op}", [x, y], shape, ops=prod(shape))

    def cat(self, parts):
        n, _, *rest = self.shape(parts[0])
        c = sum(self.shape(p)[1] for p in parts)
        return self.add("copy", "aten.cat", parts, (n, c, *rest))

    def pool(self, x):
        n, c, h, w = self.shape(x)
        shape = (n, c, h // 2, w // 2)
        return self.add("pool", "aten.max_pool2d", [x], shape, ops=4 * prod(shape))

    def flatten(self, x):
        n, *rest = self.shape(x)
        return self.add("view", "aten.flatten", [x], (n, prod(rest)), view=True)

    def linear(self, x, m):
        n, c = self.shape(x)
        weight = self.param(f"w{len(self.layers)}", m, c)
        return self.add(
            "linear", "aten.linear", [x], (n, m), params=[weight],
            nests=[LoopNest.linear(n, c, m)],
        )  # fmt: skip

    def matmul(self, x, y):
        """(N, C, H, W) @ (N, C, H, W)^T -> (N, C, H, H)."""
        n, c, h, w = self.shape(x)
        turned = self.add("view", "aten.transpose", [y], (n, c, w, h), view=True)
        nest = LoopNest.matmul(n * c, h, w, h)
        return self.add("matmul", "aten.matmul", [x, turned], (n, c, h, h), nests=[nest])

    def finish(self, outputs=None, name="net") -> Workload:
        read = {n for layer in self.layers for n in layer.inputs}
        made = [n for layer in self.layers for n in layer.outputs]
        outputs = outputs or [n for n in made if n not in read] or self.inputs
        return Workload(
            name,
            tuple(self.layers),
            tuple(self.tensors.values()),
            tuple(self.inputs),
            tuple(outputs),
        )


@st.composite
def workloads(draw, *, max_layers: int = 9, dtypes=("float32", "bfloat16", "int8"), kinds=KINDS):
    """A random network of up to ``max_layers`` operators on one or two images."""
    net = Net(dtype=draw(st.sampled_from(dtypes)))
    batch = draw(st.integers(1, 4))
    size = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    for i in range(draw(st.integers(1, 2))):
        net.tensor(f"x{i}", (batch, draw(st.sampled_from([1, 2, 4])), *size), "input")
    values = list(net.inputs)
    modules = st.sampled_from(["", "a", "a.b", "a.b.c", "d", "d.e"])
    for _ in range(draw(st.integers(0, max_layers))):
        net.module = draw(modules)
        made = draw(one_operator(net, values, kinds))
        if made:
            values.append(made)
    return net.finish()


@st.composite
def one_operator(draw, net: Net, values: list[str], kinds=KINDS):
    """Adds an operator on some of ``values``; None where it does not fit."""
    kind = draw(st.sampled_from(kinds))
    x = draw(st.sampled_from(values))
    shape = net.shape(x)
    image = len(shape) == 4
    if kind == "conv" and image:
        groups = draw(st.sampled_from([g for g in (1, 2, 4) if shape[1] % g == 0]))
        kernel = draw(st.integers(1, 3))
        if min(shape[2:]) < kernel:
            return None
        shared = [
            t.name
            for t in net.tensors.values()
            if t.role == "parameter" and t.shape[1:] == (shape[1] // groups, kernel, kernel)
            and t.shape[0] % groups == 0
        ]  # fmt: skip
        if shared and draw(st.booleans()):
            weight = draw(st.sampled_from(shared))
            return net.conv(x, net.shape(weight)[0], kernel, groups=groups, weight=weight)
        m = groups * draw(st.integers(1, 3))
        stride, pad = draw(st.integers(1, 2)), draw(st.integers(0, 1))
        return net.conv(
            x, m, kernel, stride=stride, pad=pad, groups=groups, bias=draw(st.booleans())
        )
    if kind == "norm" and image:
        return net.norm(x)
    if kind in ("relu", "relu_"):
        return net.relu(x, inplace=kind == "relu_")
    if kind in ("add", "mul"):
        return net.binary(
            kind, x, draw(st.sampled_from([v for v in values if net.shape(v) == shape]))
        )
    if kind == "cat" and image:
        fits = [v for v in values if len(net.shape(v)) == 4 and net.shape(v)[2:] == shape[2:]]
        return net.cat([x, draw(st.sampled_from(fits))])
    if kind == "pool" and image and min(shape[2:]) >= 2:
        return net.pool(x)
    if kind == "flatten" and image:
        return net.flatten(x)
    if kind == "linear" and len(shape) == 2:
        return net.linear(x, draw(st.integers(1, 5)))
    if kind == "matmul" and image:
        return net.matmul(x, draw(st.sampled_from([v for v in values if net.shape(v) == shape])))
    if kind == "zeros":
        return net.add("create", "aten.zeros", [], shape)
    if kind == "mystery":
        return net.add("unknown", "mylib.mystery", [x], shape)
    return None
