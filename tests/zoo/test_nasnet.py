"""NASNet, PNASNet, AmoebaNet: the published layouts, counts that others rounded, drop-path, heads, features."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.layers.drop_path import DropPath
from steelyard.zoo.cell_network import CellNetwork, CellOutputs
from steelyard.zoo.registry import create, default_input_shape

ROUNDED = {
    # an independent count, to 100 parameters and 1000 multiply-accumulates
    "amoebanet_a_large": (86736900, 23164765000),
    "amoebanet_a_448": (468151200, 126520758000),
    "amoebanet_a_mobile": (5088200, 555501000),
    "amoebanet_b_mobile": (5258600, 554907000),
    "amoebanet_c_mobile": (6354900, 677652000),
    "amoebanet_b_large": (79008500, 20933928000),
    "amoebanet_b_cifar": (34874500, 5580280000),
    "amoebanet_b_gpipe": (557277900, 298794036000),
    "nasnet_cifar_7_2304": (32591000, 5151251000),
    "enas_micro_cifar": (3894400, 620908000),
}


def on_meta(name: str, **settings: object) -> CellNetwork:
    with torch.device("meta"):
        network = create(name, **settings)
    assert isinstance(network, CellNetwork)
    return network.eval()


@pytest.mark.parametrize("name", ROUNDED)
def test_counts_that_others_rounded(name: str) -> None:
    load = sy.capture(on_meta(name), input_shape=default_input_shape(name))
    params, macs = ROUNDED[name]
    assert abs(load.params - params) <= 50
    assert abs(load.macs - macs) <= 500
    assert load.unused_params == 0


@pytest.mark.parametrize(("filters", "millions"), [(208, 82), (416, 319.0), (544, 542.7)])
def test_torchgpipe_parameters(filters: int, millions: float) -> None:
    """kakaobrain/torchgpipe README: 81.5 M printed as 82 M, 319.0 M, 542.7 M."""
    params = sum(p.numel() for p in on_meta(f"amoebanet_d_18_{filters}").parameters())
    assert params / 1e6 == pytest.approx(millions, rel=0.007 if millions == 82 else 2e-4)


@pytest.mark.parametrize(
    ("name", "final"),
    [("nasnet_mobile", 1056), ("nasnetalarge", 4032), ("nasnet_a_7_1920", 1920),
     ("pnasnet5large", 4320), ("nasnet_cifar", 768), ("nasnet_cifar_7_2304", 2304)],
)  # fmt: skip
def test_names_say_the_final_channels(name: str, final: int) -> None:
    """ "6 @ 4032" (sec. 4): 4032 channels before the classifier."""
    assert on_meta(name).fc.in_features == final


def test_reduction_cells_stand_before_a_third_and_two_thirds() -> None:
    names = list(on_meta("nasnet_mobile").chain.cells)
    assert names == [
        "cell_stem_0", "cell_stem_1", "cell_0", "cell_1", "cell_2", "cell_3",
        "reduction_cell_0", "cell_4", "cell_5", "cell_6", "cell_7",
        "reduction_cell_1", "cell_8", "cell_9", "cell_10", "cell_11",
    ]  # fmt: skip


def test_pnasnet_reduces_by_strides_in_its_cells() -> None:
    """tensorflow/models slim pnasnet.py: reductions at one third and two thirds of the cells, none between."""
    net = on_meta("pnasnet5_mobile")
    names = list(net.chain.cells)
    assert names == ["cell_stem_0", "cell_stem_1", *(f"cell_{i}" for i in range(9))]
    sides: dict[str, int] = {}
    for name, y in net.maps(torch.empty(1, 3, 224, 224, device="meta")):
        sides[name] = y.shape[-1]
    assert [sides[n] for n in names] == [56, 28, 28, 28, 28, 14, 14, 14, 7, 7, 7]


def test_maps_of_the_large_network() -> None:
    """331 pixels: 165, 83, 42, 21, 11 (tensorflow/models slim nasnet_test: 42x42x1008, 21x21x2016, 11x11x4032)."""
    x = torch.empty(1, 3, 331, 331, device="meta")
    maps = on_meta("nasnetalarge").feature_maps(x)
    assert [tuple(m.shape[1:3]) for m in maps] == [
        (96, 165), (168, 83), (1008, 42), (2016, 21), (4032, 11),
    ]  # fmt: skip


def test_skipping_the_reductions_input_changes_who_feeds_whom() -> None:
    """NASNet large: the cell behind a reduction sees the reduction's own older input."""
    net = on_meta("nasnet_cifar", cells=2, filters=8, skip_reduction_input=True)
    maps = dict(net.maps(torch.empty(1, 3, 32, 32, device="meta")))
    seen: dict[str, torch.Tensor] = {}
    for name, cell in net.chain.cells.items():
        cell.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    shapes = {name: tuple(y.shape) for name, y in maps.items()}
    net(torch.empty(1, 3, 32, 32, device="meta"))
    assert tuple(seen["cell_2"].shape) == shapes["cell_0"]
    assert net.chain.cells["cell_2"].get_submodule("previous.path1").in_channels == 48
    assert tuple(seen["cell_3"].shape) == shapes["reduction_cell_0"]


def test_scheduled_drop_path_grows_over_the_cells() -> None:
    net = create("nasnet_cifar", cells=1, filters=8, drop_path=0.4)
    assert isinstance(net, CellNetwork)

    def rates() -> list[float]:
        return [m.rate for m in net.modules() if isinstance(m, DropPath)]

    assert rates() == pytest.approx([0.08, 0.16, 0.24, 0.32, 0.4])
    net.chain.schedule(0.4, progress=0.5)
    assert rates() == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("nasnet_cifar", {"cells": 1, "filters": 8}),
        ("nasnet_mobile", {"cells": 1, "filters": 8, "resolution": 128, "num_classes": 10}),
        ("enas_micro_cifar", {"cells": 3, "filters": 8}),
        ("darts_v2_cifar", {"layers": 4, "filters": 8}),
        ("darts_v2_imagenet", {"layers": 4, "filters": 8, "num_classes": 10}),
    ],
)
def test_auxiliary_heads(name: str, settings: dict[str, object]) -> None:
    net = create(name, aux_head=True, **settings)
    shape = default_input_shape(name, **settings)
    out = net(torch.randn(2, *shape[1:]))
    assert isinstance(out, CellOutputs)
    assert out.logits.shape == out.aux.shape == (2, 10)
    (out.logits.sum() + out.aux.sum()).backward()
    assert all(p.grad is not None for p in net.parameters())
    assert net.eval()(torch.randn(1, *shape[1:])).shape == (1, 10)
    plain = sum(p.numel() for p in on_meta(name, **settings).parameters())
    load = sy.capture(net, input_shape=shape)
    assert load.params == plain


@pytest.mark.parametrize(
    ("name", "side"), [("nasnet_cifar", 8), ("enas_micro_cifar", 16), ("darts_v2_cifar", 16)]
)
def test_an_image_too_small_for_the_auxiliary_head(name: str, side: int) -> None:
    with pytest.raises(UsageError, match=f"resolution={side} gives the auxiliary head a map of 4"):
        create(name, aux_head=True, resolution=side)


def test_odd_filters_where_halves_are_needed() -> None:
    for name in ("darts_v2_cifar", "enas_micro_cifar", "enas_macro_cifar"):
        with pytest.raises(UsageError, match=r"filters=35.*\nexpected: an even number"):
            create(name, filters=35)


@pytest.mark.parametrize("side", [31, 46])
@pytest.mark.parametrize(
    "name", ["nasnet_mobile", "amoebanet_b_mobile", "amoebanet_d_18_208", "darts_v2_imagenet",
             "enas_micro_cifar", "enas_macro_cifar"],
)  # fmt: skip
def test_any_resolution(name: str, side: int) -> None:
    with torch.device("meta"):
        net = create(name, width=0.25)
    assert net(torch.empty(2, 3, side, side + 5, device="meta")).shape[0] == 2


def test_normalisation_as_slim_has_it() -> None:
    for name, eps in (("nasnet_mobile", 1e-3), ("nasnet_cifar", 1e-5)):
        norms = [m for m in on_meta(name).modules() if isinstance(m, nn.BatchNorm2d)]
        assert {m.eps for m in norms} == {eps}


def test_initial_weights_by_the_fan_out() -> None:
    torch.manual_seed(0)
    net = create("nasnet_cifar", cells=1, filters=64)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            fan = module.out_channels // module.groups * module.kernel_size[0] ** 2
            assert module.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.1)
