"""Hand-made workloads for the tests of the report room; no torch is needed."""

from __future__ import annotations

from math import prod

import pytest

from steelyard.workload import Layer, LoopNest, TensorSpec, Workload


class NetBuilder:
    """Chains layers by hand: each reads what the one before it wrote."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name = name
        self.layers: list[Layer] = []
        self.tensors = [TensorSpec("input", shape, role="input")]
        self.now, self.shape = "input", shape

    def add(self, name, kind, op, out, params=(), nests=(), ops=0, module=None, alias=""):
        specs = [TensorSpec(f"{name}.p{i}", s, role="parameter") for i, s in enumerate(params)]
        self.tensors += [*specs, TensorSpec(f"{name}:out", out, alias_of=alias)]
        self.layers.append(
            Layer(
                name=name,
                kind=kind,
                op=op,
                module=name if module is None else module,
                module_type=kind.title(),
                inputs=(self.now,),
                outputs=(f"{name}:out",),
                params=tuple(spec.name for spec in specs),
                nests=nests,
                ops=ops,
            )
        )
        self.now, self.shape = f"{name}:out", out
        return self

    def conv(self, name, filters, kernel, stride=1, padding=0, groups=1, **more):
        n, c, size, _ = self.shape
        out = (size + 2 * padding - kernel) // stride + 1
        nest = LoopNest(
            N=n, G=groups, M=filters, C=c, out=(out, out), kernel=(kernel, kernel),
            input=(size, size), stride=(stride, stride), dilation=(1, 1),
            padding=((padding, padding),) * 2,
        )  # fmt: skip
        params = ((filters, c // groups, kernel, kernel), (filters,))
        return self.add(
            name, "conv", "aten.conv2d", (n, filters, out, out), params, (nest,), **more
        )

    def linear(self, name, out, **more):
        n, c = self.shape
        nest = LoopNest.linear(n, c, out)
        return self.add(
            name, "linear", "aten.linear", (n, out), ((out, c), (out,)), (nest,), **more
        )

    def relu(self, name, **more):
        return self.add(name, "activation", "aten.relu", self.shape, ops=prod(self.shape), **more)

    def pool(self, name, kernel=3, stride=2, **more):
        n, c, size, _ = self.shape
        out = (size - kernel) // stride + 1
        ops = n * c * out * out * kernel * kernel
        return self.add(name, "pool", "aten.max_pool2d", (n, c, out, out), ops=ops, **more)

    def flatten(self):
        out = (self.shape[0], prod(self.shape[1:]))
        return self.add("flatten", "view", "aten.flatten", out, alias=self.now)

    def done(self, warnings=()):
        return Workload(
            self.name, tuple(self.layers), tuple(self.tensors), ("input",), (self.now,),
            warnings=warnings,
        )  # fmt: skip


@pytest.fixture(scope="session")
def net_builder() -> type[NetBuilder]:
    return NetBuilder


@pytest.fixture(scope="session")
def alexnet() -> Workload:
    """The two-group AlexNet of Krizhevsky et al. (2012): 60,965,224 parameters, 724,406,816 MACs."""
    net = NetBuilder("alexnet", (1, 3, 227, 227))
    net.conv("conv1", 96, 11, 4).relu("relu1").pool("pool1")
    net.conv("conv2", 256, 5, padding=2, groups=2).relu("relu2").pool("pool2")
    net.conv("conv3", 384, 3, padding=1).relu("relu3")
    net.conv("conv4", 384, 3, padding=1, groups=2).relu("relu4")
    net.conv("conv5", 256, 3, padding=1, groups=2).relu("relu5").pool("pool5").flatten()
    return (
        net.linear("fc6", 4096)
        .relu("relu6")
        .linear("fc7", 4096)
        .relu("relu7")
        .linear("fc8", 1000)
        .done()
    )


@pytest.fixture(scope="session")
def deep() -> Workload:
    """Ten blocks of convolution, ReLU and convolution in modules of three levels; 61 layers."""
    net = NetBuilder("deep", (1, 8, 16, 16))
    for stage in range(2):
        for block in range(5):
            where = f"stage{stage}.block{block}"
            net.conv(f"{where}.conv1", 8, 3, padding=1).relu(f"{where}.relu", module=where)
            net.conv(f"{where}.conv2", 8, 1).relu(f"{where}.relu#2", module=where)
            net.conv(f"{where}.path.dw", 8, 3, padding=1, groups=8)
            net.relu(f"{where}.relu#3", module=where)
    return net.pool("pool", 2, 2).done()


HOSTILE = (
    "=HYPERLINK(\"http://evil.example\";\"x\")",
    "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1",
    "[bold red]x[/bold red]", "[/]", "[link=http://evil.example]x[/link]",
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "a\x00b", "a\x08\x08b", "a\nb\r\nc",
    "\u202eabc", "a\u2028b", "\ud800", "\u200bhidden",
    "<script>window.pwned=1</script>", "</script><script>window.pwned=1</script>",
    "<!--", "]]>", '"><img src=x onerror="window.pwned=1">', "' onmouseover='window.pwned=1",
    "</title><svg onload=window.pwned=1>", "&lt;b&gt;", "a|b|c", "`code`", "**bold**", "_i_",
    "[x](javascript:window.pwned=1)", "![x](http://evil.example/x.png)", "http://evil.example",
    "www.evil.example", "x\\", "a\\|b", "# h", "- item", "1. item", "$x^2$", "~~s~~", "a,b;c\"d",
    "{{7*7}}", "${x}", "conv1", "",
)  # fmt: skip


@pytest.fixture(params=HOSTILE, ids=[f"name{i}" for i in range(len(HOSTILE))])
def hostile(request) -> str:
    """A name that tries to act in some place where it is printed."""
    return request.param


@pytest.fixture(scope="session")
def hostile_net() -> Workload:
    """A network whose name, layers, modules and warnings are all hostile."""
    net = NetBuilder("</title><script>window.pwned=1</script>", (1, 4, 8, 8))
    for i, text in enumerate(HOSTILE):
        net.conv(f"{text}{i}", 4, 1, module=f"{text}.{i}")
    return net.done(warnings=HOSTILE)
