"""The authors' counts of condensed networks, the form for training, and the way from one to the other."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.layers.condensation import CondensationSchedule, condense
from steelyard.zoo.registry import create, default_input_shape, list_models

SMALL = {"blocks": (2, 2, 2), "growth": (8, 8, 16)}


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def authors_count(network: nn.Module, shape: tuple[int, ...]) -> int:
    """MACs + ReLU elements + pool taps + the classifier's biases, with hooks: their ``utils.py``."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            total += output.numel() * module.weight[0].numel()
        if isinstance(module, nn.Linear):
            total += output.numel()
        if isinstance(module, (nn.ReLU, nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
            total += inputs[0].numel()

    for module in network.modules():
        module.register_forward_hook(count)
    network(torch.empty(shape, device="meta"))
    return total


@pytest.mark.parametrize(
    ("name", "million"),
    [
        ("condensenet74_c4_g4", 529.33),
        ("condensenet74_c8_g8", 274.23),
        ("condensenet50_cifar", 28.64),
        ("condensenet74_cifar", 51.89),
        ("condensenet86_cifar", 65.81),
        slow("condensenet98_cifar", 81.26),
        slow("condensenet110_cifar", 98.2),
        slow("condensenet122_cifar", 116.74),
        slow("condensenet182_cifar", 512.66),
    ],
)
def test_the_authors_counts_in_the_authors_way(name: str, million: float) -> None:
    """The README's, with two more digits where the authors' counter was run."""
    digits = len(str(million).partition(".")[2])
    count = authors_count(on_meta(name), default_input_shape(name))
    assert round(count / 1e6, digits) == million


@pytest.mark.parametrize(
    ("name", "params"),
    [("condensenet50_cifar", 216_506), ("condensenet74_cifar", 405_466),
     ("condensenet98_cifar", 648_442), ("condensenet122_cifar", 945_434),
     ("condensenet182_cifar", 4_221_946)],
)  # fmt: skip
def test_the_authors_parameters_hold_the_whole_classifier(name: str, params: int) -> None:
    """What their counter prints before conversion: 1/C of the learned convolutions, all of the classifier."""
    network = on_meta(name, linear_condensation=1)
    assert sum(p.numel() for p in network.parameters()) == params


@pytest.mark.parametrize("name", list_models("condensenet*"))
def test_depth_is_the_number_in_the_name(name: str) -> None:
    """Convolutions and the classifier."""
    depth = int("".join(c for c in name.split("_")[0] if c.isdigit()))
    weighted = [m for m in on_meta(name).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == depth


def test_maps_of_table_1() -> None:
    """112, 56, 28, 14, 7; and what goes into the classifier."""
    backbone = create("condensenet74_c4_g4", features_only=True)
    maps = backbone.eval()(torch.randn(1, 3, 64, 64))
    assert [m.shape[-1] for m in maps] == [32, 16, 8, 4, 2]
    channels = [16 + 4 * 8, 48 + 6 * 16, 144 + 8 * 32, 400 + 10 * 64, 1040 + 8 * 128]
    assert [m.shape[1] for m in maps] == channels


@pytest.mark.parametrize("groups", [{}, {"groups": 8}, {"groups": 2, "condensation": 4}])
def test_training_form_condenses_to_the_condensed_form(groups: dict[str, int]) -> None:
    torch.manual_seed(0)
    settings = {**SMALL, **groups}
    network = create("condensenet50_cifar", condensed=False, **settings).double()
    image = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    network(image)  # running statistics that change something
    CondensationSchedule(network).update(1.0)
    converted = condense(network)
    trained = [copy.deepcopy(m)(image) for m in (network, converted)]
    torch.testing.assert_close(*trained)
    torch.testing.assert_close(converted.eval()(image), network.eval()(image))
    built = create("condensenet50_cifar", **settings).double().eval()
    shapes = {k: v.shape for k, v in built.state_dict().items()}
    assert {k: v.shape for k, v in converted.state_dict().items()} == shapes
    built.load_state_dict(converted.state_dict())
    torch.testing.assert_close(built(image), network(image))
    loads = [capture(m.float(), input_shape=(1, 3, 16, 16)) for m in (converted, built, network)]
    assert loads[0].macs == loads[1].macs < loads[2].macs
    assert loads[0].params == loads[1].params < loads[2].params


def test_the_training_form_learns_everything() -> None:
    torch.manual_seed(0)
    network = create("condensenet50_cifar", condensed=False, drop_rate=0.1, **SMALL)
    schedule = CondensationSchedule(network)
    assert len(schedule.layers) == 2 + 2 + 2 + 1
    schedule.update(30, 120)
    out = network(torch.randn(2, 3, 32, 32))
    (out.square().sum() + schedule.penalty()).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


def test_authors_converted_weights_would_load() -> None:
    """Names in the released file of the converted 74-layer network."""
    state = on_meta("condensenet74_c4_g4").state_dict()
    layer = "features.denseblock_1.denselayer_1"
    shapes = {
        "features.init_conv.weight": (16, 3, 3, 3),
        f"{layer}.conv_1.index": (16,),
        f"{layer}.conv_1.norm.running_var": (16,),
        f"{layer}.conv_1.conv.weight": (32, 4, 1, 1),
        f"{layer}.conv_2.norm.weight": (32,),
        f"{layer}.conv_2.conv.weight": (8, 8, 3, 3),
        "features.norm_last.bias": (2064,),
        "classifier.index": (1032,),
        "classifier.linear.weight": (1000, 1032),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


def test_impossible_settings_say_what_to_type() -> None:
    with pytest.raises(UsageError, match=r"growth=\(8, 16, 32\)"):
        on_meta("condensenet50_cifar", growth=(8, 16))
    with pytest.raises(UsageError, match="multiples of 3"):
        on_meta("condensenet50_cifar", groups=3)
    with pytest.raises(UsageError, match="1 to 8 blocks"):
        on_meta("condensenet50_cifar", blocks=(1,) * 9, growth=(8,) * 9)


@pytest.mark.slow
@pytest.mark.parametrize("condensed", [True, False])
def test_width_keeps_the_channels_divisible(condensed: bool) -> None:
    for width in (0.3, 0.75, 1.3):
        network = on_meta("condensenet50_cifar", width=width, groups=8, condensed=condensed)
        assert network(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 10)
