"""`optimize_for_inference`: equal outputs, cheaper workloads, the model untouched."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import steelyard as sy
from steelyard.design.inference import optimize_for_inference
from steelyard.errors import ModelError, UsageError
from steelyard.layers.flgc import FLGConv2d
from steelyard.layers.grouped import to_paths
from steelyard.layers.learned_group_conv import LearnedGroupConv2d
from steelyard.layers.sparse_shift import SparseShift


def live(model: nn.Module) -> nn.Module:
    """Statistics and affine parameters that change something, in eval mode."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is not None and module.running_var is not None:
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2.0)
            if module.affine:
                nn.init.normal_(module.weight, 1.0, 0.3)
                nn.init.normal_(module.bias, 0.0, 0.3)
    return model.eval()


def norms(load: sy.Workload) -> int:
    return sum(layer.op == "aten.batch_norm" for layer in load.layers)


def optimised(model: nn.Module, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
    """The optimised model, its outputs checked in float64, and the normalisations that remain."""
    torch.manual_seed(1)
    live(model.double())
    before = copy.deepcopy(model.state_dict())
    better = optimize_for_inference(model, input_shape=shape)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    x = torch.randn(shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(better(x), model(x), rtol=1e-9, atol=1e-9)
    return better, norms(sy.capture(better, input_shape=shape))


@pytest.mark.parametrize("name", ["resnet20_cifar", "vgg11_bn"])
def test_zoo_networks_lose_all_their_normalisations(name: str) -> None:
    torch.manual_seed(0)
    model = live(sy.create(name, width=0.25, resolution=32))
    better = optimize_for_inference(model)
    load, cheaper = (sy.capture(m, input_shape=(1, 3, 32, 32)) for m in (model, better))
    assert norms(load) > 0
    assert norms(cheaper) == 0
    assert cheaper.macs == load.macs
    assert sy.cost(cheaper).total.access_bytes < sy.cost(load).total.access_bytes
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(better(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cnf_dense_cifar", {"layers": 3, "scales": 3}),
        ("cnf_sparse_cifar", {"layers": 3, "scales": 3}),
        ("darts_v1_imagenet", {"resolution": 64, "layers": 3}),
    ],
)
def test_a_sum_and_a_concatenation_absorb_their_normalisation(
    name: str, settings: dict[str, Any]
) -> None:
    """Joins of a fabric sum their convolutions; a factorised reduction concatenates two."""
    side = settings.get("resolution", 32)
    network = sy.create(name, width=0.25, **settings)
    before = sy.capture(network, input_shape=(2, 3, side, side))
    better, remaining = optimised(network, (2, 3, side, side))
    after = sy.capture(better, input_shape=(2, 3, side, side))
    assert (remaining, after.macs) == (0, before.macs)
    assert after.params < before.params


def test_linear_transposed_and_grouped() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 2, stride=2),
        nn.BatchNorm2d(6, affine=False),
        nn.Flatten(),
        nn.Linear(6 * 64, 5),
        nn.BatchNorm1d(5),
    )
    assert optimised(model, (2, 4, 6, 6))[1] == 0


def test_before_an_unpadded_convolution_but_not_before_a_padded_one() -> None:
    head = [nn.ReLU(), nn.BatchNorm2d(4)]
    assert optimised(nn.Sequential(*head, nn.Conv2d(4, 6, 1)), (2, 4, 6, 6))[1] == 0
    padded = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, padding=1))
    assert optimised(padded, (2, 4, 6, 6))[1] == 1


class Twice(nn.Module):
    """One convolution and one normalisation, both called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(self.bn(self.conv(x)).relu()))
        return out


class ReadByTwo(nn.Module):
    """The convolution's own output is needed beside the normalised one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        out: Tensor = self.bn(y) + y
        return out


class Returned(nn.Module):
    """The convolution's output is an output of the network, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x)
        return y, self.bn(y)


class SharedWeight(nn.Module):
    """Two convolutions with one weight; only one is normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.bn = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.bn(self.a(x)).relu())
        return out


class Functional(nn.Module):
    """Reads the convolution's weight elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.bn(self.conv(x)).relu(), self.conv.weight)


@pytest.mark.parametrize("kind", [Twice, ReadByTwo, SharedWeight, Functional])
def test_what_cannot_be_folded_stays(kind: type[nn.Module]) -> None:
    better, left = optimised(kind(), (2, 4, 5, 5))
    assert left == (2 if kind is Twice else 1), better


def test_outputs_of_the_network_stay_what_they_are() -> None:
    torch.manual_seed(0)
    model = live(Returned())
    better = optimize_for_inference(model, input_shape=(1, 4, 5, 5))
    x = torch.randn(2, 4, 5, 5)
    with torch.no_grad():
        for ours, theirs in zip(better(x), model(x), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_weight_norm_hooks_and_missing_statistics_are_left_alone() -> None:
    normed = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)), nn.BatchNorm2d(4)
    )
    assert optimised(normed, (2, 4, 5, 5))[1] == 1
    hooked = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    hooked[0].register_forward_hook(lambda *_: None)
    assert optimised(hooked, (2, 4, 5, 5))[1] == 1
    untracked = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))
    assert optimised(untracked, (2, 4, 5, 5))[1] == 1


def test_what_acts_in_training_only_goes() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout2d(0.5), nn.Flatten(), nn.Dropout(0.5))
    better, _ = optimised(model, (2, 3, 4, 4))
    assert not any(isinstance(m, (nn.Dropout, nn.Dropout2d)) for m in better.modules())


def test_a_layer_takes_its_own_form_for_inference() -> None:
    class Doubled(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + super().forward(x)

        def for_inference(self) -> nn.Module:
            plain = nn.Conv2d(4, 4, 1, dtype=self.weight.dtype)
            plain.weight.data, plain.bias.data = 2 * self.weight.data, 2 * self.bias.data  # type: ignore[union-attr]
            return plain

    model = nn.Sequential(Doubled(4, 4, 1), nn.BatchNorm2d(4))
    better, left = optimised(model, (2, 4, 5, 5))
    assert left == 0
    assert type(better[0]) is nn.Conv2d  # type: ignore[index]


def test_a_wrong_form_for_inference_is_found() -> None:
    class Liar(nn.Conv2d):
        def for_inference(self) -> nn.Module:
            return nn.Conv2d(4, 4, 1)

    with pytest.raises(ModelError, match="outputs that differ by"):
        optimize_for_inference(nn.Sequential(Liar(4, 4, 1)), input_shape=(1, 4, 5, 5))


def test_a_network_that_gives_no_number_is_named() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).eval()
    nn.init.constant_(model.get_parameter("0.weight"), float("inf"))
    with pytest.raises(ModelError, match="Sequential itself gives NaN or infinity"):
        optimize_for_inference(model, input_shape=(1, 1, 2, 2))
    optimize_for_inference(model, input_shape=(1, 1, 2, 2), check=False)


def test_the_input_must_be_known() -> None:
    with pytest.raises(UsageError, match=r"the input of Conv2d is not known(.|\n)*input_shape="):
        optimize_for_inference(nn.Conv2d(3, 4, 1))
    with pytest.raises(UsageError, match="both given"):
        optimize_for_inference(
            nn.Conv2d(3, 4, 1), input_shape=(1, 3, 4, 4), inputs=torch.zeros(1, 3, 4, 4)
        )


def test_meta_and_half_precision() -> None:
    with torch.device("meta"):
        model: Any = sy.create("resnet20_cifar")
    assert norms(sy.capture(optimize_for_inference(model), input_shape=(1, 3, 32, 32))) == 0
    half = live(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))).bfloat16()
    better = optimize_for_inference(half, input_shape=(1, 4, 5, 5))
    assert better[0].weight.dtype is torch.bfloat16  # type: ignore[index, union-attr]


def test_learnt_groups_displacements_and_paths_take_their_fixed_forms() -> None:
    torch.manual_seed(0)
    learnt = LearnedGroupConv2d(8, 16, groups=4, condensation=4)
    learnt.advance(1.0)
    model = nn.Sequential(
        learnt,
        SparseShift(16),
        FLGConv2d(16, 8, groups=2),
        to_paths(nn.Conv2d(8, 8, 3, groups=4)),
        nn.BatchNorm2d(8),
    )
    better, left = optimised(model, (2, 8, 6, 6))
    assert left == 0
    kinds = [type(m).__name__ for m in better.children()]
    assert kinds == ["CondensedConv2d", "FixedShift", "UnequalGroupConv2d", "Conv2d", "Identity"]
