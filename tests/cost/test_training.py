"""Saved activations against what torch's autograd really keeps, and the rest of training memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn import functional as F
from workload_strategies import Net, workloads

from steelyard.cost.training import OPTIMIZERS, saved_activations, training_memory
from steelyard.errors import InputError, UnknownNameError
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload


def really_saved(net: nn.Module, *images: torch.Tensor) -> int:
    """Bytes of the distinct storages that autograd keeps, parameters and buffers left out."""
    own = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}
    kept: list[torch.Tensor] = []  # holds on to them, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = net(*images)
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    assert result.requires_grad
    return sum(size for address, size in storages.items() if address not in own)


OPS = {
    nn.Conv1d: ("conv", "aten.conv1d"), nn.Conv2d: ("conv", "aten.conv2d"),
    nn.Conv3d: ("conv", "aten.conv3d"), nn.ConvTranspose2d: ("conv", "aten.conv_transpose2d"),
    nn.Linear: ("linear", "aten.linear"), nn.BatchNorm2d: ("norm", "aten.batch_norm"),
    nn.LayerNorm: ("norm", "aten.layer_norm"), nn.InstanceNorm2d: ("norm", "aten.instance_norm"),
    nn.ReLU: ("activation", "aten.relu"), nn.ReLU6: ("activation", "aten.hardtanh"),
    nn.Sigmoid: ("activation", "aten.sigmoid"), nn.Tanh: ("activation", "aten.tanh"),
    nn.LeakyReLU: ("activation", "aten.leaky_relu"), nn.ELU: ("activation", "aten.elu"),
    nn.SiLU: ("activation", "aten.silu"), nn.GELU: ("activation", "aten.gelu"),
    nn.Hardswish: ("activation", "aten.hardswish"), nn.Hardsigmoid: ("activation", "aten.hardsigmoid"),
    nn.Softplus: ("activation", "aten.softplus"), nn.Mish: ("activation", "aten.mish"),
    nn.CELU: ("activation", "aten.celu"), nn.SELU: ("activation", "aten.selu"),
    nn.PReLU: ("activation", "aten.prelu"), nn.Softmax: ("softmax", "aten.softmax"),
    nn.LogSoftmax: ("softmax", "aten.log_softmax"),
    nn.MaxPool2d: ("pool", "aten.max_pool2d"), nn.AvgPool2d: ("pool", "aten.avg_pool2d"),
    nn.AdaptiveAvgPool2d: ("pool", "aten.adaptive_avg_pool2d"),
    nn.AdaptiveMaxPool2d: ("pool", "aten.adaptive_max_pool2d"),
    nn.UpsamplingNearest2d: ("resize", "aten.upsample_nearest2d"),
    nn.UpsamplingBilinear2d: ("resize", "aten.upsample_bilinear2d"),
    nn.Flatten: ("view", "aten.flatten"), nn.ZeroPad2d: ("copy", "aten.pad"),
    nn.PixelShuffle: ("copy", "aten.pixel_shuffle"),
}  # fmt: skip


def mirror(net: nn.Sequential, image: torch.Tensor) -> Workload:
    """The workload of a chain of modules, from their types, parameters and result shapes."""
    load = Net()
    value = load.tensor("x", tuple(image.shape), "input")
    with torch.no_grad():
        for i, module in enumerate(net):
            image = module(image)
            kind, op = OPS[type(module)]
            inplace = getattr(module, "inplace", False)
            roles = [("parameter", module.named_parameters()), ("buffer", module.named_buffers())]
            params = []
            for role, items in roles:
                for name, t in items:
                    params.append(load.tensor(f"{i}.{name}", tuple(t.shape), role))
                    dtype = str(t.dtype).removeprefix("torch.")
                    load.tensors[params[-1]] = replace(load.tensors[params[-1]], dtype=dtype)
            value = load.add(
                kind, op + "_" * inplace, [value], tuple(image.shape),
                params=params, view=kind == "view", inplace=inplace,
            )  # fmt: skip
    return load.finish()


def conv(**options: int) -> nn.Conv2d:
    return nn.Conv2d(3, 6, 3, padding=1, **options)


CHAINS = {
    "conv": [conv()],
    "conv-conv": [conv(), nn.Conv2d(6, 4, 1)],
    "conv-bn-relu": [conv(), nn.BatchNorm2d(6), nn.ReLU()],
    "conv-bn-relu_": [conv(), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 1)],
    "conv-relu-maxpool": [conv(), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 1)],
    "conv-relu_-avgpool": [conv(), nn.ReLU(inplace=True), nn.AvgPool2d(2)],
    "relu-first": [nn.ReLU(), nn.MaxPool2d(2), conv(), nn.ReLU()],
    "head": [conv(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.Softmax(1)],
    "adaptive": [conv(), nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(2)],
    "two linears": [nn.Flatten(), nn.Linear(3 * 64, 8), nn.ReLU(), nn.Linear(8, 4), nn.LogSoftmax(1)],
    "relu6": [conv(), nn.ReLU6(), nn.Conv2d(6, 4, 1)],
    "relu6_": [conv(), nn.BatchNorm2d(6), nn.ReLU6(inplace=True), nn.Conv2d(6, 4, 1)],
    "sigmoid-tanh": [conv(), nn.Sigmoid(), nn.Tanh()],
    "silu": [conv(), nn.BatchNorm2d(6), nn.SiLU(), nn.Conv2d(6, 4, 1)],
    "silu_": [conv(), nn.BatchNorm2d(6), nn.SiLU(inplace=True), nn.Conv2d(6, 4, 1)],
    "hardswish": [conv(), nn.Hardswish(), nn.Hardsigmoid()],
    "hardswish_": [conv(), nn.BatchNorm2d(6), nn.Hardswish(inplace=True), nn.Conv2d(6, 4, 1)],
    "leaky": [conv(), nn.LeakyReLU(0.1), nn.LeakyReLU(0.1, inplace=True), nn.Conv2d(6, 4, 1)],
    "celu-selu": [conv(), nn.CELU(inplace=True), nn.SELU(inplace=True), nn.SELU(), nn.Conv2d(6, 4, 1)],
    "hardsigmoid_": [conv(), nn.BatchNorm2d(6), nn.Hardsigmoid(inplace=True), nn.Conv2d(6, 4, 1)],
    "elu": [conv(), nn.ELU(), nn.ELU(inplace=True), nn.Conv2d(6, 4, 1)],
    "gelu-mish-softplus": [conv(), nn.GELU(), nn.Mish(), nn.Softplus()],
    "prelu": [conv(), nn.PReLU(6)],
    "groups": [nn.Conv2d(3, 3, 3, groups=3), nn.Conv2d(3, 8, 1), nn.ReLU()],
    "transposed": [nn.ConvTranspose2d(3, 5, 2, stride=2), nn.ReLU()],
    "layer norm": [nn.Flatten(2), nn.Linear(64, 10), nn.LayerNorm(10), nn.Linear(10, 3)],
    "instance norm": [conv(), nn.InstanceNorm2d(6), nn.ReLU()],
    "resize": [conv(), nn.UpsamplingNearest2d(scale_factor=2), nn.UpsamplingBilinear2d(scale_factor=2)],
    "copies": [nn.ZeroPad2d(1), nn.Conv2d(3, 4, 1), nn.ZeroPad2d(1), nn.PixelShuffle(2), nn.ReLU()],
    "lenet": [
        nn.Conv2d(3, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 12), nn.Tanh(),
        nn.Linear(12, 10),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_saved_activations_are_those_of_autograd(name):
    torch.manual_seed(0)
    net, image = nn.Sequential(*CHAINS[name]).train(), torch.randn(2, 3, 8, 8)
    load = mirror(net, image)
    assert sum(part.nbytes for part in saved_activations(load)) == really_saved(net, image)


class Residual(nn.Module):
    """conv-bn-relu_-conv-bn, squeeze and excitation, shortcut, relu_."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.squeeze = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y = y * torch.sigmoid(self.squeeze(F.adaptive_avg_pool2d(y, 1)))
        return F.relu(torch.cat([y + x, 2 * x], 1), inplace=True)


def test_a_residual_block_with_a_gate():
    load = Net()
    x = load.tensor("x", (2, 4, 6, 6), "input")
    y = load.relu(load.norm(load.conv(x, 4, 3, pad=1, bias=True)), inplace=True)
    y = load.norm(load.conv(y, 4, 3, pad=1, bias=True))
    s = load.add("pool", "aten.adaptive_avg_pool2d", [y], (2, 4, 1, 1))
    s = load.add("activation", "aten.sigmoid", [load.conv(s, 4, bias=True)], (2, 4, 1, 1))
    y = load.binary("add", load.binary("mul", y, s), x)
    twice = load.add("elementwise", "aten.mul", [x], (2, 4, 6, 6))
    load.relu(load.cat([y, twice]), inplace=True)
    saved = sum(part.nbytes for part in saved_activations(load.finish()))
    assert saved == really_saved(Residual(), torch.randn(2, 4, 6, 6))


class Products(nn.Module):
    """Attention by hand: projections, product of activations, softmax, product, division."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k = self.q(x), self.k(x)
        return torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)), -1), x) / torch.exp(k)


def test_products_keep_what_the_other_factor_needs():
    load, shape = Net(), (2, 5, 8)
    x = load.tensor("x", shape, "input")

    def linear(name: str) -> str:
        params = [load.param(f"{name}.weight", 8, 8), load.param(f"{name}.bias", 8)]
        nest = LoopNest.linear(10, 8, 8)
        return load.add("linear", "aten.linear", [x], shape, params=params, nests=[nest])

    q, k = linear("q"), linear("k")
    turned = load.add("view", "aten.transpose", [k], (2, 8, 5), view=True)
    a = load.add("matmul", "aten.bmm", [q, turned], (2, 5, 5))
    a = load.add("softmax", "aten.softmax", [a], (2, 5, 5))
    y = load.add("matmul", "aten.bmm", [a, x], shape)
    e = load.add("elementwise", "aten.exp", [k], shape)
    load.add("elementwise", "aten.div", [y, e], shape)
    saved = saved_activations(load.finish())
    assert sum(part.nbytes for part in saved) == really_saved(Products(), torch.randn(*shape))


def test_embedding_keeps_its_indices():
    net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3))
    load = Workload(
        "words",
        (
            Layer("e", "embedding", "aten.embedding", inputs=("i",), outputs=("e",), params=("t",)),
            Layer("f", "linear", "aten.linear", inputs=("e",), outputs=("f",), params=("w", "b")),
        ),
        (
            TensorSpec("i", (2, 7), "int64", "input"),
            TensorSpec("t", (9, 4), role="parameter"),
            TensorSpec("w", (3, 4), role="parameter"),
            TensorSpec("b", (3,), role="parameter"),
            TensorSpec("e", (2, 7, 4)),
            TensorSpec("f", (2, 7, 3)),
        ),
        ("i",),
        ("f",),
    )
    saved = sum(part.nbytes for part in saved_activations(load))
    assert saved == really_saved(net, torch.zeros(2, 7, dtype=torch.int64))


def test_dropout_keeps_a_mask_of_bytes():
    net = Net()
    net.tensor("x", (1, 4, 6, 6), "input")
    net.add("activation", "aten.dropout", [net.conv("x", 4)], (1, 4, 6, 6))
    parts = saved_activations(net.finish())
    assert [(part.what, part.nbytes) for part in parts] == [("x", 576), ("mask", 144)]


@pytest.mark.parametrize("name", ["conv", "conv-bn-relu", "lenet"])
@pytest.mark.parametrize(
    ("optimizer", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p)),
        ("momentum", lambda p: torch.optim.SGD(p, momentum=0.9)),
        ("nesterov", lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True)),
        ("adagrad", torch.optim.Adagrad),
        ("rmsprop", torch.optim.RMSprop),
        ("adadelta", torch.optim.Adadelta),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("adamax", torch.optim.Adamax),
        ("nadam", torch.optim.NAdam),
        ("radam", torch.optim.RAdam),
        ("amsgrad", lambda p: torch.optim.Adam(p, amsgrad=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "torch",
)
def test_optimiser_state_and_gradients_are_those_of_torch(name, optimizer, make):
    net, image = nn.Sequential(*CHAINS[name]).train(), torch.randn(2, 3, 8, 8)
    stepper = make(net.parameters())
    net(image).sum().backward()
    stepper.step()
    state = sum(
        t.nbytes
        for p in net.parameters()
        for t in stepper.state[p].values()
        if isinstance(t, torch.Tensor) and t.dim() > 0  # step counters left out
    )
    result = training_memory(mirror(net, image), optimizer)
    assert result.optimizer_bytes == state
    assert result.gradient_bytes == sum(p.grad.nbytes for p in net.parameters())
    assert result.parameter_bytes == sum(p.nbytes for p in net.parameters())
    assert result.buffer_bytes == sum(b.nbytes for b in net.buffers())


@given(workloads())
@settings(deadline=None)
def test_the_parts_add_up(load):
    result = training_memory(load, "adam")
    assert result.saved_bytes == sum(part.nbytes for part in result.saved)
    assert sum(result.saved_by_kind().values()) == result.saved_bytes
    data = result.to_dict()
    assert data["total_bytes"] == sum(
        data[key]
        for key in (
            "parameter_bytes", "buffer_bytes", "gradient_bytes", "optimizer_bytes", "saved_bytes",
        )
    )  # fmt: skip
    if "int8" not in {t.dtype for t in load.tensors}:
        assert result.gradient_bytes == result.optimizer_bytes // 2


def test_state_in_another_dtype():
    net = Net(dtype="bfloat16")
    net.tensor("x", (1, 4, 6, 6), "input")
    net.conv("x", 4)
    result = training_memory(net.finish(), "adam", state_dtype="float32")
    assert (result.parameter_bytes, result.optimizer_bytes) == (32, 2 * 16 * 4)
    with pytest.raises(InputError, match="no dtype is named 'float33'"):
        training_memory(net.finish(), "adam", state_dtype="float33")


def test_weights_that_no_layer_reads_are_held_but_not_trained():
    net = Net()
    net.tensor("x", (1, 4, 6, 6), "input")
    net.conv("x", 4)
    net.param("unused", 100)
    result = training_memory(net.finish(), "momentum")
    assert result.parameter_bytes == 4 * (16 + 100)
    assert result.gradient_bytes == result.optimizer_bytes == 4 * 16


def test_an_unknown_optimizer():
    net = Net()
    net.tensor("x", (1, 4, 6, 6), "input")
    with pytest.raises(UnknownNameError) as caught:
        training_memory(net.finish(), "adamq")
    assert "no optimizer is named 'adamq'" in str(caught.value)
    assert "adam" in caught.value.nearest and "try: one of sgd" in str(caught.value)
    assert set(OPTIMIZERS) >= {"sgd", "momentum", "adam"}


def test_dropout_written_out_keeps_its_factor():
    """On a CPU dropout multiplies by a factor made from nothing: it is kept, what it scales is not."""
    load = Net()
    load.tensor("x", (2, 3, 8, 8), "input")
    value = load.norm(load.conv("x", 6, 3, pad=1, bias=True))
    noise = load.add("create", "aten.empty_like", [value], load.shape(value))
    noise = load.add("elementwise", "aten.bernoulli_", [noise], load.shape(value), inplace=True)
    load.conv(load.binary("mul", value, noise), 4, bias=True)
    net = nn.Sequential(conv(), nn.BatchNorm2d(6), nn.Dropout(0.5), nn.Conv2d(6, 4, 1))
    saved = sum(part.nbytes for part in saved_activations(load.finish()))
    assert saved == really_saved(net, torch.randn(2, 3, 8, 8))


def test_layers_whose_rule_is_a_guess_are_named():
    net = Net()
    net.tensor("x", (1, 4, 6, 6), "input")
    net.add("unknown", "mylib.mystery", ["x"], (1, 4, 6, 6))  # before any parameter: keeps nothing
    net.add("unknown", "mylib.mystery", [net.conv("l0", 4)], (1, 4, 6, 6))
    result = training_memory(net.finish())
    assert result.assumed == ("l2",)
    assert result.to_dict()["assumed"] == ["l2"]
