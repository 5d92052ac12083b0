"""Zeros counted in a run, against zeros counted by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.hardware.compression import run_length_pairs
from steelyard.measure import measure_sparsity


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
    assert first.input_pairs == run_length_pairs(one.numpy()) / one.numel()
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
