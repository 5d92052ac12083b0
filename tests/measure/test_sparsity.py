"""Zeros counted in a run, against zeros counted by hand."""

from importlib import metadata

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.hardware.compression import mean_run_length_pairs, run_length_pairs
from steelyard.hardware.zero_means import Sparsity
from steelyard.hardware.zeros import with_zeros
from steelyard.measure.sparsity import measure_sparsity


class Net(nn.Module):
    """A stem, one module called twice, a function call, a residual sum and a classifier."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.twice = nn.Conv2d(8, 8, 3, padding=1)
        self.kernel = nn.Parameter(torch.randn(8, 8, 1, 1))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.relu(self.norm(self.conv(x)))
        y = self.relu(self.twice(x))
        y = F.conv2d(self.twice(y), self.kernel) + x
        return self.head(y.mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    model = Net()
    with torch.no_grad():
        model.twice.weight[:, :4] = 0
        model.norm.running_mean.normal_()
    return model.train()


def zeros(tensor):
    return float((tensor == 0).float().mean())


def test_against_the_tensors_themselves(net):
    images = torch.randn(4, 3, 9, 7)
    found = measure_sparsity(net, images)
    net.eval()
    with torch.no_grad():
        one = F.relu(net.norm(net.conv(images)))
        two = F.relu(net.twice(one))
        three = net.twice(two)
    assert [layer.name for layer in found.layers] == ["conv", "twice", "twice#2", "conv2d", "head"]
    assert found.missing == ()
    assert found.images == 4
    stem, first, second, function, _head = found.layers
    assert (stem.input_zeros, stem.weight_zeros) == (0, 0)
    assert stem.output_zeros == pytest.approx(zeros(one))
    assert first.input_zeros == pytest.approx(zeros(one))
    assert first.weight_zeros == second.weight_zeros == 0.5
    assert first.output_zeros == pytest.approx(zeros(two))
    assert second.input_zeros == pytest.approx(zeros(two))
    assert function.input_zeros == pytest.approx(zeros(three))
    pairs = sum(run_length_pairs(image.numpy()) for image in one)
    assert first.input_pairs == pairs / one.numel()
    each = [zeros(image) for image in one]
    assert first.input_spread == pytest.approx(np.std(each))
    assert stem.output_spread == pytest.approx(np.std(each))
    assert found.densities["twice"].W == 0.5


def test_batches_add_up(net):
    images = torch.randn(6, 3, 9, 7)
    whole = measure_sparsity(net, images)
    parts = measure_sparsity(
        net, images.split(2), workload=sy.capture(net, input_shape=(6, 3, 9, 7))
    )
    assert parts.images == whole.images
    for a, b in zip(whole.layers, parts.layers, strict=True):
        assert (a.name, a.input_zeros, a.output_zeros) == (b.name, b.input_zeros, b.output_zeros)


def test_the_network_is_left_as_it_was(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.norm.eval()
    modes = [module.training for module in net.modules()]
    inside = [set(vars(module)) for module in net.modules()]
    measure_sparsity(net, torch.randn(2, 3, 9, 7))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert [set(vars(module)) for module in net.modules()] == inside
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert not torch.nn.modules.module._global_forward_hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_left_as_it_was_after_an_error(net):
    load = sy.capture(net, input_shape=(2, 3, 9, 7))
    with pytest.raises(RuntimeError):
        measure_sparsity(net, torch.randn(2, 4, 9, 7), workload=load)
    assert net.training
    assert not torch.nn.modules.module._global_forward_hooks


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "squeezenet1_1", "mobilenet_v2"])
def test_networks_of_the_zoo_are_measured_wholly(name):
    model = sy.create(name)
    load = sy.capture(name)
    found = measure_sparsity(model, torch.randn(load.tensor(load.inputs[0]).shape), workload=load)
    assert [layer.name for layer in found.layers] == [
        layer.name for layer in load.layers if layer.nests
    ]
    assert found.missing == ()


def test_no_image(net):
    with pytest.raises(UsageError, match="no image"):
        measure_sparsity(net, [])


def test_random_weights_are_told(net):
    assert not measure_sparsity(net, torch.randn(1, 3, 9, 7)).notes
    net.norm.running_mean.zero_()
    (note,) = measure_sparsity(net, torch.randn(1, 3, 9, 7)).notes
    assert "probably random" in note


def test_files_and_tensors_are_not_mixed_up(net, tmp_path):
    with pytest.raises(UsageError, match="files for a module"):
        measure_sparsity(net, [tmp_path / "a.png"])
    with pytest.raises(UsageError, match="tensors for 'alexnet'"):
        measure_sparsity("alexnet", torch.rand(1, 3, 224, 224))


PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg")


@pytest.fixture(scope="module")
def real() -> sy.MeasuredSparsity:
    """MobileNetV2 with torchvision's weights on three photographs."""
    root = metadata.distribution("scikit-image").locate_file("skimage/data")
    return sy.measure_sparsity("mobilenet_v2", [f"{root}/{name}" for name in PHOTOS], quiet=True)


def test_real_weights_on_real_photographs(real):
    """ReLU6 makes zeros, linear bottlenecks do not (Sandler et al., CVPR 2018, section 3.2)."""
    assert (real.images, real.missing, real.notes) == (3, (), ())
    assert real.weights.startswith("torchvision")
    bottlenecks, activated = [], []
    for layer in real.layers[:-1]:
        last = layer.name.endswith((".block.2.0", "1.block.1.0"))
        (bottlenecks if last and layer.name != "features.11.block.1.0" else activated).append(layer)
    assert len(bottlenecks) == 17
    assert max(layer.output_zeros for layer in bottlenecks) < 1e-4
    # Eyeriss' measured ReLU maps lie between 25 and 89 % (JSSC 2017, tables V and VI)
    assert all(0.05 < layer.output_zeros < 0.89 for layer in activated)
    assert 0.25 < np.mean([layer.output_zeros for layer in activated]) < 0.60
    assert all(0 < layer.output_spread < 0.1 for layer in activated)
    # real zeros come in clumps, and a run of 32 takes a pair of its own: a little more than scattered ones
    for layer in real.layers:
        if layer.input_zeros > 0.1:
            scattered = mean_run_length_pairs(10_000, 1 - layer.input_zeros) / 10_000
            assert 0.999 < layer.input_pairs / scattered < 1.1


@pytest.mark.slow
def test_what_real_zeros_spare_on_the_chips(real):
    dense = sy.estimate(sy.capture("mobilenet_v2"), "eyeriss")
    sparse = with_zeros(dense, real.densities)
    assert 0.75 < sparse.energy_pj / dense.energy_pj < 0.97
    assert sparse.dram_accesses < dense.dram_accesses
    assert sparse.cycles <= dense.cycles
    both = with_zeros(dense, real.densities, Sparsity(skip=("I", "W")))
    assert both.cycles < dense.cycles
    assert both.dram_accesses == dense.dram_accesses
