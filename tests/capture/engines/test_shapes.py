"""The fast engine sees what the plain one sees, on random layers, functions and layouts, and on the zoo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import steelyard as sy
from representatives import each_network
from steelyard.capture.engines.shape_functions import FUNCTIONS
from steelyard.capture.engines.shape_layers import MODULES
from steelyard.capture.rules import RuleTable, default_rules
from steelyard.capture.rules.aten import ATEN_RULES
from steelyard.errors import ModelError, SteelyardError
from steelyard.zoo.registry import create, default_input_shape

FEW = settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return create(name).eval()


@pytest.mark.parametrize("name", each_network())
def test_both_engines_agree_on_every_zoo_network(name: str) -> None:
    model, (_, *sizes) = on_meta(name), default_input_shape(name)
    for batch in (1, 2):
        shape = (batch, *sizes)
        shapes, meta = (sy.capture(model, input_shape=shape, method=m) for m in ("shapes", "meta"))
        assert shapes.layers == meta.layers
        assert shapes.tensors == meta.tensors


@pytest.mark.parametrize("side", [97, 161])
@pytest.mark.parametrize("name", ["googlenet", "resnet18", "resnet50", "resnet20_cifar"])
def test_both_engines_agree_at_odd_resolutions(name: str, side: int) -> None:
    model = on_meta(name)
    shape = (3, 3, side, side + 2)
    shapes, meta = (sy.capture(model, input_shape=shape, method=m) for m in ("shapes", "meta"))
    assert shapes.digest == meta.digest


# ---- random calls --------------------------------------------------------------------------------


class Laid(nn.Module):
    """Gives its input another layout in memory before it goes on."""

    def __init__(self, layout: str, body: Callable[..., Any]) -> None:
        super().__init__()
        self.layout, self.body = layout, body

    def forward(self, x: Tensor) -> Any:
        if self.layout == "transposed" and x.ndim > 1:
            x = x.transpose(-1, -2).contiguous().transpose(-1, -2)
        elif self.layout == "sliced":
            x = F.pad(x, (1, 1))[..., 1:-1]
        elif self.layout == "channels_last" and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        elif self.layout == "expanded" and x.ndim > 1:
            x = x[:1].expand(x.shape)
        return self.body(x)


def outcome(model: nn.Module, x: Tensor, method: Any) -> Any:
    try:
        return sy.capture(model, inputs=x, training=None, method=method)
    except SteelyardError:
        return None


def assert_engines_agree(body: Callable[..., Any], x: Tensor, layout: str = "plain") -> None:
    """The same layers and tensors from all engines, and results as PyTorch's own on real tensors.

    What PyTorch itself refuses is left out: without values some of it passes (an in-place operator on
    an expanded tensor, the same axis twice).
    """
    model = Laid(layout, body).eval()
    fast, plain, real = (outcome(model, x, m) for m in ("auto", "meta", "values"))
    if real is None:
        return
    assert fast is not None
    assert plain is not None
    assert fast.layers == plain.layers
    assert fast.tensors == plain.tensors
    expected = model(x.clone())
    results = expected if isinstance(expected, (tuple, list)) else [expected]
    shapes = {(tuple(t.shape), str(t.dtype).removeprefix("torch.")) for t in results}
    assert {(fast.tensor(n).shape, fast.tensor(n).dtype) for n in fast.outputs} == shapes
    assert fast.macs == real.macs


LAYOUTS = st.sampled_from(["plain", "transposed", "sliced", "channels_last", "expanded"])
SIDES = st.integers(1, 9)
DTYPES = st.sampled_from([torch.float32, torch.float32, torch.float64, torch.bfloat16])


@st.composite
def windows(draw: st.DrawFn, rank: int) -> dict[str, Any]:
    def sizes(high: int, low: int = 1) -> Any:
        return draw(st.one_of(st.integers(low, high), st.tuples(*[st.integers(low, high)] * rank)))

    return {"kernel_size": sizes(4), "stride": sizes(3), "padding": sizes(2, 0)}


@st.composite
def modules(draw: st.DrawFn, kind: type[nn.Module]) -> tuple[nn.Module, tuple[int, ...]]:
    """A module of the class with random settings, and the shape of an input that may fit it."""
    channels, batch = draw(st.integers(1, 6)), draw(st.integers(0, 3))
    rank = next((r for r in (1, 2, 3) if f"{r}d" in kind.__name__), 2)
    shape: tuple[int, ...] = (batch, channels, *draw(st.tuples(*[SIDES] * rank)))
    name = kind.__name__
    if name.startswith("Conv"):
        groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
        made = kind(
            channels, groups * draw(st.integers(1, 3)), groups=groups, bias=draw(st.booleans()),
            dilation=draw(st.integers(1, 2)),
            padding_mode=draw(st.sampled_from(["zeros", "zeros", "circular"])), **draw(windows(rank)),
        )  # fmt: skip
    elif name == "Linear":
        made = nn.Linear(shape[-1], draw(st.integers(1, 5)), bias=draw(st.booleans()))
    elif name.startswith("BatchNorm"):
        made = kind(channels, affine=draw(st.booleans()), track_running_stats=draw(st.booleans()))
    elif name == "GroupNorm":
        made = nn.GroupNorm(
            draw(st.sampled_from([1, channels])), channels, affine=draw(st.booleans())
        )
    elif name == "LayerNorm":
        made = nn.LayerNorm(
            shape[-draw(st.integers(1, 2)) :], elementwise_affine=draw(st.booleans())
        )
    elif name in ("MaxPool2d", "AvgPool2d"):
        made = kind(**draw(windows(2)), ceil_mode=draw(st.booleans()))
    elif name == "AdaptiveAvgPool2d":
        size = st.one_of(st.none(), st.integers(1, 5))
        made = nn.AdaptiveAvgPool2d(draw(st.one_of(st.integers(1, 5), st.tuples(size, size))))
    elif name == "Flatten":
        made = nn.Flatten(draw(st.integers(-3, 2)), draw(st.integers(-3, 3)))
    elif name in ("ReLU", "ReLU6", "Hardtanh", "SiLU", "Hardswish", "Hardsigmoid", "LeakyReLU", "Mish",
                  "Dropout", "Dropout2d"):  # fmt: skip
        made = kind(inplace=draw(st.booleans()))
    else:
        made = kind()
    drop = draw(st.integers(0, 4))
    return made, shape[1:] if drop == 4 else shape


@pytest.mark.parametrize("kind", MODULES, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore")
def test_modules(kind: type[nn.Module]) -> None:
    @FEW
    @given(modules(kind), DTYPES, LAYOUTS)
    def check(made: tuple[nn.Module, tuple[int, ...]], dtype: torch.dtype, layout: str) -> None:
        module, shape = made
        assert_engines_agree(module.to(dtype), torch.ones(shape, dtype=dtype), layout)

    check()


# ---- functions -----------------------------------------------------------------------------------

NUMBERS = st.sampled_from([2, 0.5, -1, True])
AXES = st.integers(-4, 3)


PART = st.one_of(
    AXES,
    st.sampled_from([slice(None), slice(1, None), slice(-2, None), slice(0, -1), slice(0, 100),
                     slice(None, None, 2), slice(1, 1), slice(-9, 2), slice(0, 2, 1), None, ...]),
)  # fmt: skip
PARTS = st.lists(PART, min_size=1, max_size=4).map(tuple)


def filled(func: Any, x: Tensor, places: Any, number: Any) -> Tensor:
    """A copy of ``x`` with a part of it set to a number, which is then read."""
    made = x * 2
    func(made, places, number)
    return made + 1


def calls(func: Any) -> st.SearchStrategy[Callable[[Tensor], Any]]:
    """Random calls of a function on one tensor."""
    name = func.__name__
    inplace = {"relu", "silu"}
    if name.strip("_") in ("add", "iadd", "mul", "imul", "sub", "isub", "div", "truediv", "radd", "rmul",
                           "rsub", "idiv", "itruediv", "rtruediv", "multiply", "subtract"):  # fmt: skip
        other: st.SearchStrategy[Any] = st.one_of(
            NUMBERS.map(lambda n: lambda x: n),
            st.sampled_from(
                [lambda x: x, lambda x: x * 2, lambda x: x[:1], lambda x: x.sum((0,), keepdim=True),
                 lambda x: x.mean(-1, keepdim=True), lambda x: x.sum(), lambda x: x.double()]
            ),
        )  # fmt: skip
        return other.map(lambda make: lambda x: func(x, make(x)))
    if name in ("cat", "concat"):
        others: list[Callable[[Tensor], Tensor]] = [
            lambda x: x, lambda x: x.contiguous(), lambda x: x * 2, lambda x: x[:, :1],
        ]  # fmt: skip
        tensors = st.lists(st.sampled_from(others), min_size=1, max_size=3)
        return st.tuples(AXES, tensors).map(
            lambda a: lambda x: func([make(x) for make in a[1]], a[0])
        )
    if name in ("max_pool2d", "avg_pool2d", "boolean_dispatch", "fn"):
        return st.tuples(windows(2), st.booleans()).map(
            lambda a: lambda x: func(x, **a[0], ceil_mode=a[1])
        )
    if name == "adaptive_avg_pool2d":
        return st.integers(1, 4).map(lambda n: lambda x: func(x, n))
    if name == "softmax":
        return AXES.map(lambda axis: lambda x: func(x, dim=axis))
    if name == "mean":
        axes = st.one_of(AXES, st.lists(AXES, min_size=1, max_size=2))
        return st.tuples(axes, st.booleans()).map(lambda a: lambda x: func(x, a[0], keepdim=a[1]))
    if name in ("flatten", "transpose"):
        return st.tuples(AXES, AXES).map(lambda a: lambda x: func(x, *a))
    if name == "permute":
        return st.permutations(range(4)).map(lambda p: lambda x: func(x, tuple(p)))
    if name in ("unsqueeze", "squeeze", "unbind"):
        return AXES.map(lambda axis: lambda x: func(x, axis))
    if name == "unflatten":
        sizes = st.lists(st.sampled_from([-1, 1, 2, 3]), min_size=1, max_size=3).map(tuple)
        return st.tuples(AXES, sizes).map(lambda a: lambda x: func(x, *a))
    if name == "layer_norm":
        return st.integers(1, 4).map(lambda n: lambda x: func(x, x.shape[-n:]))
    if name == "interpolate":
        sizes = st.one_of(st.integers(1, 9), st.tuples(st.integers(1, 9), st.integers(1, 9)))
        modes = st.sampled_from(["nearest", "bilinear", "bicubic", "area"])
        return st.tuples(st.booleans(), sizes, modes).map(
            lambda a: (
                lambda x: (
                    func(x, a[1], mode=a[2])
                    if a[0]
                    else func(
                        x, scale_factor=float(a[1]) / 3 if type(a[1]) is int else a[1], mode=a[2]
                    )
                )
            )
        )
    if name == "new_zeros":
        sizes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
        return st.tuples(sizes, st.booleans()).map(
            lambda a: lambda x: func(x, a[0]) if a[1] else func(x, *a[0])
        )
    if name == "scaled_dot_product_attention":
        return st.tuples(st.sampled_from([{}, {"is_causal": True}]), st.integers(0, 2)).map(
            lambda a: (
                lambda x: (
                    func(
                        *[y.transpose(1, 2) if a[1] else y * 2 for y in (x, x + 1)],
                        x.mul(2) if a[1] == 0 else x.transpose(1, 2),
                        **a[0],
                    )
                    .permute(0, 2, 1, 3)
                    .reshape(-1)
                )
            )
        )
    if name in ("chunk", "split"):
        return st.tuples(st.integers(1, 4), AXES, st.booleans()).map(
            lambda a: lambda x: func(x, a[0], dim=a[1]) if a[2] else func(x, *a[:2])
        )
    if name == "select":
        return st.tuples(AXES, AXES).map(lambda a: lambda x: func(x, *a))
    if name == "__getitem__":
        return st.one_of(PART, PARTS).map(lambda places: lambda x: func(x, places))
    if name == "__setitem__":
        return st.tuples(PARTS, NUMBERS).map(lambda a: lambda x: filled(func, x, *a))
    if name in ("eq", "ne", "__eq__", "__ne__"):
        return NUMBERS.map(lambda n: lambda x: func(x, n))
    if name == "masked_fill":
        return st.booleans().map(lambda some: lambda x: func(x, x[:1] > 0 if some else x > 0, -1.5))
    if name == "pad":
        pads = st.lists(st.integers(-1, 2), min_size=2, max_size=8).map(lambda p: p[: len(p) & ~1])
        values = st.sampled_from([{}, {"value": 3}, {"mode": "constant"}, {"mode": "reflect"}])
        return st.tuples(pads, values).map(lambda a: lambda x: func(x, a[0], **a[1]))
    if name == "conv2d":
        return st.tuples(st.integers(1, 2), st.integers(0, 2)).map(
            lambda a: lambda x: func(x, torch.ones(2, x.shape[1], 1, 2, dtype=x.dtype), None, *a)
        )
    if name == "_assert":
        return st.booleans().map(lambda b: lambda x: (func(x.shape[0] > 0 or b, "empty"), x * 2)[1])
    if name == "expand":
        return st.integers(-1, 3).map(lambda n: lambda x: func(x[:, :1], -1, n, -1, -1))
    if name in ("view", "reshape"):
        shapes: list[Callable[[Tensor], tuple[int, ...]]] = [
            lambda x: (-1,), lambda x: tuple(x.shape), lambda x: (x.shape[0], -1),
            lambda x: (1, *x.shape), lambda x: (*x.shape[:2], -1), lambda x: (7, -1),
        ]  # fmt: skip
        return st.sampled_from(shapes).map(lambda make: lambda x: func(x, make(x)))
    if name == "roll":
        return st.tuples(st.integers(-3, 3), AXES).map(lambda a: lambda x: func(x, a[0], a[1]))
    if name in ("matmul", "__matmul__"):
        return st.sampled_from(
            [
                lambda x: func(x, x.transpose(-1, -2).contiguous()),
                lambda x: func(x, x),
                lambda x: func(x.transpose(-1, -2), x),
                lambda x: func(x, x.transpose(-1, -2)),
            ]
        )
    if name == "linear":
        return st.just(lambda x: func(x, torch.ones(3, x.shape[-1], dtype=x.dtype)))
    if name == "local_response_norm":
        return st.tuples(st.integers(0, 6), st.integers(0, 2)).map(
            lambda a: lambda x: func(x[0] if a[1] == 0 else x, a[0], alpha=1e-3, k=a[1])
        )
    if name == "dropout":
        return st.booleans().map(lambda t: lambda x: func(x, 0.5, t))
    if name in inplace and func in (F.relu, F.silu):
        return st.booleans().map(lambda flag: lambda x: func(x, inplace=flag))
    return st.just(lambda x: func(x))


def label(func: Any) -> str:
    place = getattr(func, "__objclass__", None) or getattr(func, "__module__", None) or "torch"
    return f"{getattr(place, '__name__', place)}.{func.__name__}-{list(FUNCTIONS).index(func)}"


@pytest.mark.parametrize("func", FUNCTIONS, ids=label)
@pytest.mark.filterwarnings("ignore")
def test_functions(func: Any) -> None:
    @FEW
    @given(calls(func), st.tuples(*[st.integers(1, 5)] * 4), DTYPES, LAYOUTS)
    def check(
        call: Callable[[Tensor], Any], shape: tuple[int, ...], dtype: torch.dtype, layout: str
    ) -> None:
        assert_engines_agree(call, torch.ones(shape, dtype=dtype), layout)

    check()


class Scaled(nn.Module):
    """Arithmetic with a parameter, whose result's layout the last step shows: a view, or a copy."""

    def __init__(self, sizes: tuple[int, ...], swapped: bool, permutation: list[int]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(sizes))
        self.swapped, self.permutation = swapped, permutation

    def forward(self, x: Tensor) -> Tensor:
        x = self.scale * x if self.swapped else x - self.scale
        x = (x * 2 + x) / 0.5
        x += x.permute(0, 1, 2, 3)
        return x.permute(self.permutation).reshape(-1)


@settings(FEW, max_examples=100)
@given(
    st.sampled_from([(), (1,), (5,), (2, 1, 1), (2, 4, 5), (3, 2, 4, 5), (1, 1, 4, 1), (6, 1)]),
    st.booleans(),
    st.permutations(range(4)),
    LAYOUTS,
)
def test_arithmetic_keeps_layouts_as_pytorch_does(
    sizes: tuple[int, ...], swapped: bool, permutation: list[int], layout: str
) -> None:
    for shape in ((3, 2, 4, 5), (1, 2, 4, 5), (3, 2, 1, 5)):
        assert_engines_agree(Scaled(sizes, swapped, permutation), torch.ones(shape), layout)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("settings", [(), (2,), ((1, 2), (1, 0)), (1, "same"), (1, 1, 2, 2)])
def test_convolution_as_a_function(settings: tuple[Any, ...], bias: bool) -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            groups = settings[3] if len(settings) > 3 else 1
            self.weight = nn.Parameter(torch.ones(6, 4 // groups, 3, 3))
            self.bias = nn.Parameter(torch.ones(6)) if bias else None

        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(x, self.weight, self.bias, *settings)

    assert_engines_agree(Functional(), torch.ones(2, 4, 9, 8))


# ---- how cost scales -----------------------------------------------------------------------------


@st.composite
def fully_convolutional(draw: st.DrawFn) -> nn.Module:
    """Convolutions of odd filters, padded to keep the map or to halve it."""
    layers: list[nn.Module] = []
    channels = 2
    for _ in range(draw(st.integers(1, 4))):
        kernel, dilation = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 2))
        groups = draw(st.sampled_from([1, 2]))
        wider = 2 * draw(st.integers(1, 4))
        layers += [
            nn.Conv2d(
                channels, wider, kernel, draw(st.sampled_from([1, 2])), dilation * (kernel // 2),
                dilation, groups, draw(st.booleans()),
            ),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
        ]  # fmt: skip
        channels = wider
    return nn.Sequential(*layers)


@FEW
@given(fully_convolutional(), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_cost_is_proportional_to_batch_height_and_width(
    model: nn.Module, batch: int, high: int, wide: int
) -> None:
    base = sy.capture(model, input_shape=(1, 2, 16, 16))  # four halvings leave whole maps
    load = sy.capture(model, input_shape=(batch, 2, 16 * high, 16 * wide))
    assert load.macs == base.macs * batch * high * wide
    assert sum(x.ops for x in load.layers) == sum(x.ops for x in base.layers) * batch * high * wide
    assert load.params == base.params
    assert (
        load.layers
        == sy.capture(model, input_shape=(1, 2, 16 * high, 16 * wide)).with_batch(batch).layers
    )


@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
def test_every_small_pooling_window(kind: type[nn.Module]) -> None:
    """Also those whose last window, with ceil_mode, would begin in the padding."""
    for kernel, stride, padding in [
        (1, 3, 0),
        (2, 3, 0),
        (2, 3, 1),
        (3, 2, 1),
        (2, 2, 1),
        (3, 4, 1),
    ]:
        for ceil_mode in (False, True):
            module = kind(kernel, stride, padding, ceil_mode=ceil_mode)
            for side in range(3, 9):
                x = torch.ones(1, 1, side, side + 1)
                load = sy.capture(module, input_shape=tuple(x.shape), method="shapes")
                assert load.tensor(load.outputs[0]).shape == tuple(module(x).shape)


def test_an_axis_named_twice_is_refused_as_pytorch_refuses_it() -> None:
    class Twice(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean([0, 0])

    with pytest.raises(RuntimeError, match="multiple times"):
        Twice()(torch.ones(2, 3))
    # PyTorch's words for it differ between real and meta tensors
    with pytest.raises(ModelError, match="Twice raised RuntimeError: duplicate value"):
        sy.capture(Twice(), input_shape=(2, 3))


# ---- rules of others -----------------------------------------------------------------------------


def test_a_table_with_a_rule_of_its_own_is_asked() -> None:
    """Formulas of the fast engine stand for steelyard's own rules only."""

    def twice(call: sy.Call) -> sy.Draft:
        return sy.Draft("activation", ops=2 * call.out_elements + 1)

    ops = {"aten.conv2d": twice, "aten.relu": twice, "aten.slice": twice}
    tables = [RuleTable({**ATEN_RULES, **ops}), default_rules().with_rules(ops)]
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Sliced()).eval()
    for table in tables:
        load = sy.capture(net, input_shape=(1, 3, 6, 6), rules=table, method="shapes")
        counts = {layer.op: (layer.kind, layer.ops, layer.macs) for layer in load.layers}
        assert counts["aten.conv2d"] == counts["aten.relu"] == ("activation", 2 * 64 + 1, 0)
        assert counts["aten.slice"] == ("activation", 2 * 48 + 1, 0)


class Sliced(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 1:]


def test_totals_before_and_after_the_layers_are_made() -> None:
    """Counts of the record and of the layers that are made from it come by different ways."""
    for name in ("resnet18", "shufflenet_v2", "se_shufflenet_v2"):
        load = sy.capture(on_meta(name), input_shape=default_input_shape(name))
        total = sy.cost(load).total
        assert sum(layer.macs for layer in load.layers) == total.macs > 0
        assert sum(layer.ops for layer in load.layers) == total.ops > 0
        assert sy.cost(load).total == total


# ---- what stock modules hand on to one another in a Sequential -------------------------------------


class Doubled(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(super().forward(x))


class Named(nn.Sequential):
    """As torchvision's blocks are: only another constructor."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Conv2d(width, width, 1), nn.ReLU(inplace=True))
        self.width = width


class Both(nn.Module):
    """The result, and the input as it is afterwards."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(x), x + 1


class Seen(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * x.mean()


def test_sequentials_of_all_kinds() -> None:
    for inner in (
        nn.Sequential(nn.ReLU(inplace=True), nn.Identity(), nn.BatchNorm2d(4)),
        nn.Sequential(Named(4), Doubled(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()), nn.Flatten(2)),
        nn.Sequential(Named(4), nn.Sequential(Sliced(), nn.Sigmoid()), nn.Dropout()),
        nn.Sequential(Seen(4, 4, 1), nn.Tanh()),
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)), nn.ReLU()),
        nn.Sequential(),
    ):
        net = nn.Sequential(nn.Conv2d(4, 4, 1), inner, nn.Softmax(1))
        assert_engines_agree(net, torch.ones(2, 4, 5, 5))
        assert_engines_agree(Both(inner), torch.ones(2, 4, 5, 5))


def test_hooks_on_a_part_of_a_sequential_are_called() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.ReLU())
    seen: list[tuple[int, ...]] = []
    net[1].register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))
    load = sy.capture(net, input_shape=(2, 3, 5, 5), method="shapes")
    assert seen == [(2, 4, 5, 5)]
    assert [layer.module for layer in load.layers] == ["0", "1", "2"]
