"""Networks with attached exits equal the network they are made of, and compute nothing twice."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.dynamic.attach_exits import attach_exits, lazy_exits
from steelyard.dynamic.early_exit import EarlyExit, leaves, rows, run_stages
from steelyard.dynamic.tracing import trace
from steelyard.errors import DataDependentError, ShapeError, UnknownNameError, UsageError
from steelyard.zoo.registry import create

NETWORKS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("resnet20_cifar", {"width": 0.25}, ["layer1.0", "layer1", "layer2.1.conv1"]),
    ("densenet40_k12_bc_cifar", {"width": 0.34}, ["features.denseblock1", "features.transition2"]),
    ("mobilenet_v2", {"width": 0.25, "resolution": 64}, ["features.3", "features.10.block.0"]),
    ("vgg11", {"width": 0.0625, "resolution": 32}, ["features.0", "features.5"]),
    ("googlenet", {"width": 0.125, "resolution": 96}, ["inception3a", "inception4a.branch1"]),
    ("googlenet", {"width": 0.125, "aux_heads": True}, ["inception3b", "inception4d"]),
    (
        "efficientnet_b0",
        {"width": 0.25, "resolution": 64},
        ["features.3.0", "features.5.0.block.0"],
    ),
    ("shufflenet_v2", {"width": 0.25, "resolution": 64}, ["stage2.1", "stage3.2.branch2.0"]),
]


def made(name: str, settings: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    network = create(name, **settings).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # as after training; all alike would hide a mistake
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr,operator]
    return network


def images_for(network: Any, count: int = 2) -> Tensor:
    return torch.randn(count, *network.input_shape[1:])


@pytest.mark.parametrize(("name", "settings", "at"), NETWORKS)
def test_stages_compute_what_the_network_computes(
    name: str, settings: dict[str, Any], at: list[str]
) -> None:
    """The last exit is the network's output, bit for bit; the others read what hooks of it see."""
    network = made(name, settings)
    images, seen = images_for(network), {}
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for path in at:
        network.get_submodule(path).register_forward_hook(
            lambda _, __, out, path=path: seen.update({path: out.clone()})
        )
    with torch.no_grad():
        whole = network(images)
        wanted = dict(seen)
        early = attach_exits(network, at)
        assert isinstance(early, EarlyExit)
        staged = run_stages(early, images)
    assert early.at == tuple(at)
    assert len(staged) == early.exits == len(at) + 1
    assert torch.equal(staged[-1], whole)
    for path, head, logits in zip(at, early.classifiers, staged, strict=False):
        assert torch.equal(logits, head(wanted[path]))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(key.startswith("_tensor_constant") for key in vars(network))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    "condensenet50_cifar darts_v1_imagenet dcn_resnet50 drn_a_18 enas_macro_cifar fe_net_x0_625 "
    "fractalnet20_cifar hrnet_w18_small inception_v3 nasnet_mobile pvanet randwire_small ranet3_lg_cifar "
    "seresnet18 shiftnet_c shufflenet_v2_large squeezenet1_0 xception".split(),
)
def test_networks_of_all_forms_at_modules_in_the_middle(name: str) -> None:
    """At a third and two thirds of all modules that return one map, wherever that is."""
    network = made(name, {} if name == "ranet3_lg_cifar" else {"width": 0.25})
    called: dict[str, int] = {}
    for path, module in network.named_modules():
        module.register_forward_hook(
            lambda _, __, out, path=path: called.update(
                {
                    path: called.get(path, 0)
                    + (1 if isinstance(out, Tensor) and out.dim() == 4 else 9)
                }
            )
        )
    images = images_for(network, 1)
    with torch.no_grad():
        whole = network(images)
        once = [path for path, count in called.items() if count == 1]
        # what stands inside a module that stays whole is no place for an exit
        opaque = trace(network).opaque
        free = [path for path in once if not any(path.startswith(f"{one}.") for one in opaque)]
        early = attach_exits(network, [free[len(free) // 3], free[2 * len(free) // 3]])
        staged = run_stages(early, images)
    assert torch.equal(staged[-1], whole if isinstance(whole, Tensor) else whole[-1])


@pytest.mark.parametrize(("name", "settings", "at"), NETWORKS[:5])
def test_every_layer_runs_once_and_not_before_it_is_needed(
    name: str, settings: dict[str, Any], at: list[str]
) -> None:
    network = made(name, settings)
    early = attach_exits(network, at)
    ran: list[str] = []
    for path, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda *_, path=path: ran.append(path))
    images = images_for(network)
    network(images)
    alone, ran[:] = list(ran), []
    state, counts = early.begin(images), []
    for stage in range(early.exits):
        kept = [leaf.clone() for leaf in state]
        _, later = early.advance(stage, state)
        assert all(torch.equal(a, b) for a, b in zip(kept, state, strict=True)), "state changed"
        state = later
        counts.append(len(ran))
    assert sorted(ran) == sorted(alone)
    assert list(leaves(state)) == []
    assert counts == sorted(set(counts))


def test_a_branch_waits_until_it_is_needed() -> None:
    """An exit on one branch of an inception module leaves the others for later."""
    network = made("googlenet", {"width": 0.125, "resolution": 96})
    early = attach_exits(network, ["inception4a.branch1"])
    ran: list[str] = []
    for path, module in network.named_modules():
        module.register_forward_hook(lambda *_, path=path: ran.append(path))
    early.advance(0, early.begin(images_for(network)))
    assert not any(path.startswith("inception4a.branch") and "branch1" not in path for path in ran)


def test_rows_dropped_on_the_way_change_nothing_for_the_rest() -> None:
    network = made("resnet20_cifar", {"width": 0.25}).double()
    early = attach_exits(network, ["layer1", "layer2"])
    images = images_for(network, 5).double()
    _, state = early.advance(0, early.begin(images))
    kept = torch.tensor([True, False, True, True, False])
    logits, state = early.advance(1, rows(state, kept))
    assert all(len(leaf) == 3 for leaf in leaves(state))
    torch.testing.assert_close(logits, early(images)[1][kept])


def test_weights_are_shared_and_learn_in_training_mode() -> None:
    network = made("vgg11", {"width": 0.0625, "resolution": 32, "num_classes": 5}).train()
    early = attach_exits(network, ["features.5", "features.2"], classifier="conv")
    assert early.at == ("features.2", "features.5")
    outputs = early(images_for(network, 4))
    assert [tuple(out.shape) for out in outputs] == [(4, 5)] * 3
    sum(out.logsumexp(1).sum() for out in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in early.parameters())


def test_training_mode_and_evaluation_mode_differ_where_the_network_does() -> None:
    network = made("googlenet", {"width": 0.125, "aux_heads": True})
    early = attach_exits(network, ["inception3b"])
    images = images_for(network)
    with torch.no_grad():
        before = early(images)[-1]
        early.train()
        assert not torch.equal(early(images)[-1], before)
        assert torch.equal(early.eval()(images)[-1], before)
        assert torch.equal(network(images), before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda early: pickle.loads(pickle.dumps(early))])
def test_a_copy_runs_on_its_own_weights(copied: Any) -> None:
    early = attach_exits(made("resnet20_cifar", {"width": 0.25}), ["layer1"])
    images = torch.randn(1, 3, 32, 32)
    other = copied(early)
    before = early(images)
    nn.init.zeros_(other.network.fc.weight)
    assert torch.equal(early(images)[1], before[1])
    assert torch.equal(other(images)[1][0], other.network.fc.bias)


def test_classifiers_of_ones_own() -> None:
    network = made("resnet20_cifar", {"width": 0.25})
    early = attach_exits(
        network,
        ["layer3"],
        classifier=lambda c, k: nn.Sequential(nn.Flatten(), nn.Linear(c * 64, k)),
    )
    assert early(torch.randn(2, 3, 32, 32))[0].shape == (2, 10)


class Odd(nn.Module):
    """In-place changes that others see, a layer that is called twice, one that is not called."""

    input_shape = (1, 4, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.side, self.never = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        kept = x.view(x.shape)
        self.relu(kept)  # x is another one now
        y = self.side(x)
        x.mul_(2)
        z = self.twice(self.twice(x)) + y
        return self.head(F.relu(z, inplace=True).mean((2, 3)))


def test_changes_in_place_keep_their_order() -> None:
    torch.manual_seed(0)
    network, images = Odd().eval(), torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        early = attach_exits(network, ["side"])
        assert torch.equal(early(images)[-1], network(images))


@pytest.mark.parametrize(
    ("path", "words"),
    [("twice", "called 2 times"), ("never", "not called"), ("head", "the last exit already")],
)
def test_modules_where_there_is_no_cut(path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        attach_exits(Odd(), [path])


def test_a_container_that_is_not_called_as_a_whole() -> None:
    network = made("shufflenet_v2", {"width": 0.25, "resolution": 64})
    with pytest.raises(
        UsageError, match=r"stage2 is not called[^$]*the last one inside it, stage2\.3"
    ):
        attach_exits(network, ["stage2"])


def test_paths_that_do_not_exist() -> None:
    network = made("resnet20_cifar", {"width": 0.25})
    with pytest.raises(UnknownNameError, match=r"no module is named 'layer5'[^$]*nearest: layer"):
        attach_exits(network, ["layer5"])
    with pytest.raises(UsageError, match="one path of a module or more"):
        attach_exits(network, [])
    with pytest.raises(UsageError, match="every path once"):
        attach_exits(network, ["layer1", "layer1"])
    with pytest.raises(UsageError, match=r"the outputs of layer1 are those of layer1\.2"):
        attach_exits(network, ["layer1.2", "layer1"])


class Choosing(nn.Module):
    """Decides by values."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x) if bool(x.sum() > 0) else x
        return out


def test_a_network_that_decides_by_values() -> None:
    with pytest.raises(DataDependentError, match=r"forward of Choosing cannot be followed"):
        attach_exits(Choosing(), ["inner"], input_shape=(1, 4))
    inside = nn.Sequential(nn.Linear(4, 4), Choosing(), nn.Linear(4, 2))
    with pytest.raises(
        UsageError, match=r"1\.inner stands inside 1, whose forward hangs on values"
    ):
        attach_exits(inside, ["1.inner"], input_shape=(1, 4))
    # the module as a whole is no obstacle
    early = attach_exits(inside, ["0", "1"], input_shape=(1, 4)).eval()
    x = torch.randn(3, 4)
    assert torch.equal(early(x)[-1], inside(x))


class Tokens(nn.Module):
    """A vision transformer's form: tokens, and arguments that need not be given."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, double: bool = False) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        if mask is not None:
            tokens = tokens * mask
        tokens = self.second(F.gelu(self.first(tokens)))
        out: Tensor = self.head((2 * tokens if double else tokens).mean(1))
        return out


def test_tokens_and_arguments_that_need_not_be_given() -> None:
    network, images = Tokens().eval(), torch.randn(3, 3, 8, 8)
    early = attach_exits(network, ["first", "second"], input_shape=(1, 3, 8, 8)).eval()
    logits = early(images)
    assert torch.equal(logits[-1], network(images))
    tokens = network.first(network.patches(images).flatten(2).transpose(1, 2))
    by_hand = tokens.mean(1) @ early.classifiers[0].linear.weight.T  # type: ignore[union-attr,operator]
    assert torch.allclose(logits[0], by_hand + early.classifiers[0].linear.bias)  # type: ignore[union-attr,operator]
    with pytest.raises(ShapeError, match=r"first returns \(2, 4, 8\)") as said:
        attach_exits(network, ["first"], classifier="conv", input_shape=(1, 3, 8, 8))
    assert said.value.expected == "(N, C, H, W)"


class KeepsTheBatch(nn.Module):
    """Hands the number of images past the cut."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 1), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        count = x.size(0)
        out: Tensor = self.second(self.first(x.view(count, 1, 2, 2)).view(count, -1))
        return out


def test_a_cut_through_a_number_is_refused() -> None:
    with pytest.raises(UsageError, match="exit 1 goes through a int, of two images"):
        attach_exits(KeepsTheBatch(), ["first"], input_shape=(1, 1, 2, 2))


def test_shapes() -> None:
    with pytest.raises(UsageError, match="the size of the images of Sequential is not known"):
        attach_exits(nn.Sequential(nn.Linear(2, 2)), ["0"])
    with pytest.raises(ShapeError, match=r"the network returns \(2, 2, 4, 4\)"):
        attach_exits(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU()), ["0"], input_shape=(1, 1, 4, 4))
    network = made("resnet20_cifar", {"width": 0.25})
    for shape in ((1, 4, 32, 32), (1, 3)):
        with pytest.raises(ShapeError, match=r"ResNet cannot run up to exit 1 on images of shape"):
            attach_exits(network, ["layer1"], input_shape=shape)


@pytest.mark.parametrize("name", ["msdnet5_budgeted_cifar", "msdnet7_anytime_cifar"])
def test_lazy_exits_of_msdnet(name: str) -> None:
    """Sec. 4.2: only maps on the way to the next classifier are made; the sum is all of them."""
    network = made(name, {"channels": 4, "growth": 2, "classifier_channels": 8})
    early, images = lazy_exits(network), torch.randn(1, 3, 32, 32)
    assert all(
        torch.equal(a, b) for a, b in zip(run_stages(early, images), network(images), strict=True)
    )
    ran: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, *_: ran.append(module))
    network.advance(0, network.begin(images))
    eager, ran[:] = len(ran), []
    early.advance(0, early.begin(images))
    # the finest new maps of the last layer, and those of the middle scale, are read by no classifier
    assert len(ran) < eager


def test_one_output_is_not_several() -> None:
    with pytest.raises(UsageError, match="attach_exits"):
        lazy_exits(made("resnet20_cifar", {"width": 0.25}))
