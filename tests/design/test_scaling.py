"""`scale`: EfficientNet's table, the papers' formulas, and targets that are met as brute force says."""

from __future__ import annotations

import contextlib
import itertools
import json
from fractions import Fraction

import pytest

import steelyard as sy
from steelyard.design import Compound, Factors, Fast, scaling_grid
from steelyard.design.latency import clock, energy_device
from steelyard.design.scaling_knobs import factors_of, knobs_of
from steelyard.errors import SteelyardError, UnknownNameError, UsageError
from steelyard.zoo.registry import default_registry

# Tan and Le 2019, table 2: parameters (M), multiply-accumulates (G) of B0 to B7
TABLE_2 = {
    1: (7.8, 0.70), 2: (9.2, 1.0), 3: (12, 1.8), 4: (19, 4.2), 5: (30, 9.9), 6: (43, 19), 7: (66, 37),
}  # fmt: skip


@pytest.mark.parametrize(
    "n", [1, 3, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4, 5, 6, 7))]
)
def test_efficientnet_comes_out_as_published(n: int) -> None:
    found = sy.scale("efficientnet_b0", like=f"efficientnet_b{n}", device="h100")
    row, load = found.proposals[0], sy.capture(f"efficientnet_b{n}")
    assert (row.params, row.macs) == (load.params, load.macs)
    params, macs = TABLE_2[n]
    assert row.params == pytest.approx(params * 1e6, rel=0.03)
    assert row.macs == pytest.approx(macs * 1e9, rel=0.05)


def test_compound_scaling_is_equation_3() -> None:
    """Depth alpha^phi, width beta^phi, resolution gamma^phi; the product is the paper's 1.92."""
    factors = Compound().factors(2)
    assert factors == Factors(1.2 * 1.2, 1.1 * 1.1, 1.15 * 1.15) or (
        factors.depth,
        factors.width,
        factors.resolution,
    ) == pytest.approx((1.44, 1.21, 1.3225))
    assert float(Fraction(6, 5) * Fraction(11, 10) ** 2 * Fraction(23, 20) ** 2) == pytest.approx(
        Compound().growth
    )
    assert factors.macs == pytest.approx(Compound().growth ** 2)


@pytest.mark.parametrize(
    ("alpha", "exponents"),
    # Dollár et al. 2021, table 4: e_d, e_w, e_r of s, sqrt(s), sqrt(s)
    [(1.0, (0, 1, 0)), (1 / 3, (1 / 3, 1 / 3, 1 / 3)), (0.8, (0.1, 0.8, 0.1))],
)
def test_fast_scaling_is_table_4(alpha: float, exponents: tuple[float, float, float]) -> None:
    s = 8.0
    factors = Fast(alpha).factors(3)
    e_d, e_w, e_r = exponents
    wanted = (s**e_d, s ** (e_w / 2), s ** (e_r / 2))
    assert (factors.depth, factors.width, factors.resolution) == pytest.approx(wanted)
    assert factors.macs == pytest.approx(s)


def resnet_cifar_macs(blocks: tuple[int, ...], width: float, side: int, classes: int = 10) -> int:
    """Of a CIFAR ResNet with shortcuts of option A, summed by hand: two 3x3 a block."""
    channels = [round(16 * width), round(32 * width), round(64 * width)]
    total, before = 9 * 3 * channels[0] * side**2, channels[0]
    for stage, (count, c) in enumerate(zip(blocks, channels, strict=True)):
        side = side if stage == 0 else -(-side // 2)
        for _ in range(count):
            total += 9 * c * (before + c) * side**2
            before = c
    return total + before * classes


@pytest.mark.parametrize(("rule", "phi"), [(Compound(), 1), (Compound(), -1), (Fast(), 3)])
def test_captured_macs_are_those_of_the_scaled_settings(rule: Compound | Fast, phi: int) -> None:
    """Depth rounds up, width and resolution to the nearest; growth follows the product."""
    factors = rule.factors(phi)
    row = sy.scale("resnet20_cifar", phi=phi, rule=rule, device="h100").proposals[0]
    blocks = tuple(-(-3 * round(factors.depth * 10**6) // 10**6) for _ in range(3))
    side = round(32 * factors.resolution)
    assert row.macs == resnet_cifar_macs(blocks, factors.width, side)
    assert row.settings["blocks"] == blocks
    assert row.settings["resolution"] == side


def test_the_invariant_holds_where_nothing_is_rounded() -> None:
    """Depth x2, then width x sqrt 2, then resolution x sqrt 2 double the captured MACs of the stages, each."""
    for rule in (Compound(2, 1, 1), Compound(1, 2**0.5, 1), Compound(1, 1, 2**0.5)):
        row = sy.scale("resnet44_cifar", phi=1, rule=rule, device="h100").proposals[0]
        assert row.growth == pytest.approx(2, rel=0.07), rule


def test_macs_target_is_met_as_well_as_any_phi_does() -> None:
    found = sy.scale("resnet20_cifar", macs="4x", device="h100")
    base, row = found.rows
    knobs = knobs_of("resnet20_cifar")
    goal = 4 * base.macs
    others = [
        sy.capture(knobs.source(Compound().factors(phi / 20))).macs for phi in range(36, 46, 3)
    ]
    assert abs(row.macs - goal) <= min(abs(macs - goal) for macs in others)
    again = sy.scale("resnet20_cifar", macs=float(goal), device="h100").proposals[0]
    assert again.macs == row.macs


def test_latency_target_is_the_largest_within() -> None:
    """By the roofline of a device, whose latency grows with phi."""
    base = sy.scale("resnet20_cifar", phi=0, device="jetson_nano").rows[0]
    assert base.latency_s is not None
    limit = 3 * base.latency_s * 1e3
    row = sy.scale("resnet20_cifar", latency_ms=limit, device="jetson_nano").proposals[0]
    assert row.latency_s is not None
    assert row.latency_s * 1e3 <= limit
    load = sy.capture(row.source)
    assert row.latency_s == sy.roofline(load, "jetson_nano").time_s
    larger = knobs_of("resnet20_cifar").source(
        Factors(row.factors.depth * 1.1, row.factors.width * 1.05, row.factors.resolution * 1.05)
    )
    assert sy.roofline(sy.capture(larger), "jetson_nano").time_s * 1e3 > limit


def test_energy_and_latency_on_an_accelerator_are_the_estimates() -> None:
    found = sy.scale("resnet20_cifar:resolution=8", phi=-1, device="eyeriss", energy="eyeriss")
    load = sy.capture(found.proposals[0].source)
    energy = sy.estimate(load, "eyeriss", objective="energy").energy_pj
    assert found.proposals[0].energy_j == pytest.approx(energy * 1e-12)
    latency = sy.estimate(load, "eyeriss", objective="latency").latency_s
    assert found.proposals[0].latency_s == pytest.approx(latency)
    assert "estimated" in found.clock
    assert "energy on eyeriss" in str(found)


@pytest.mark.parametrize(
    ("network", "name", "wanted"),
    [
        ("resnet50", "blocks", (4, 5, 8, 4)),
        ("vgg16", "convolutions", (3, 3, 4, 4, 4)),
        ("mobilenet_v2", "depth", 1.2),
        ("wrn_28_10", "depth", 34),  # n 4 becomes 5
        ("darts_v2_cifar", "layers", 24),
        ("nasnet_cifar", "cells", 8),
        ("xception", "middle", 10),
        ("shufflenet_v2_x1_0", "blocks", (5, 10, 5)),
        ("hrnet_w18", "blocks", 5),
    ],
)
def test_families_get_deeper_in_their_own_way(network: str, name: str, wanted: object) -> None:
    assert knobs_of(network).settings(Factors(depth=1.2))[name] == wanted


def one_of_each_family() -> list[str]:
    """The first network of every family that can be scaled."""
    registry, found = default_registry(), {}
    for name in registry.names():
        family, _ = registry.find(name)
        with contextlib.suppress(UsageError):
            knobs_of(name)
            found.setdefault(family.name, name)
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("network", one_of_each_family())
def test_every_family_grows(network: str) -> None:
    base = sy.capture(network)
    grown = sy.capture(knobs_of(network).source(Compound().factors(1)))
    assert 1.2 < grown.macs / base.macs < 5


def test_factors_are_those_of_the_catalogue() -> None:
    assert factors_of("efficientnet_b3") == Factors(1.4, 1.2, 300 / 224)
    with pytest.raises(UsageError, match="does not say how it was scaled"):
        factors_of("resnet50")


def test_like_counts_from_where_the_network_stands() -> None:
    row = sy.scale("efficientnet_b1", like="efficientnet_b3", device="h100").proposals[0]
    load = sy.capture("efficientnet_b3")
    assert (row.params, row.macs) == (load.params, load.macs)


def test_settings_that_were_given_stay() -> None:
    row = sy.scale("resnet20_cifar:num_classes=7", phi=1, device="h100").proposals[0]
    assert sy.capture(row.source).tensor(sy.capture(row.source).outputs[0]).shape == (1, 7)


# ---- the grid --------------------------------------------------------------------------------------


def test_grid_is_all_that_brute_force_finds() -> None:
    found = scaling_grid("resnet20_cifar:resolution=8", step=0.2, tolerance=0.1)
    tenths = [Fraction(n, 10) for n in range(10, 16)]
    wanted = {
        (float(a), float(b), float(g))
        for a, b, g in itertools.product([Fraction(n, 5) for n in range(5, 12)], tenths, tenths)
        if abs(a * b**2 * g**2 - 2) <= Fraction(1, 10)
    }
    assert {(p.rule.alpha, p.rule.beta, p.rule.gamma) for p in found.points} == wanted
    distances = [abs(p.rule.growth - 2) for p in found.points]
    assert distances == sorted(distances)


def test_grid_ranks_by_score() -> None:
    def score(source: str) -> float:
        given = dict(pair.split("=") for pair in source.partition(":")[2].split(","))
        return -abs(float(given["width"]) - 1.1) - abs(int(given["resolution"]) - round(32 * 1.1))

    found = scaling_grid("resnet20_cifar", step=0.2, score=score)
    best = found.points[0]
    assert (best.rule.beta, best.rule.gamma) == (1.1, 1.1)
    assert json.loads(json.dumps(found.to_dict()))["points"][0]["product"] == best.rule.growth
    assert "alpha" in str(found)


# ---- where latencies come from ---------------------------------------------------------------------


def test_without_a_calibration_this_machine_is_measured(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))
    found = clock()
    assert (found.device, found.means) == ("cpu", "measured")
    assert "measured" in str(found)


# ---- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"network": "alexnet", "phi": 1}, "no setting for its depth"),
        ({"network": "net.json", "phi": 1}, "net.json"),
        ({"network": "os:getcwd", "phi": 1}, "no network of the zoo"),
        ({"network": "resnet20_cifar"}, "nothing to scale to"),
        ({"network": "resnet20_cifar", "phi": 99}, "phi=99"),
        ({"network": "resnet20_cifar", "macs": "x"}, "macs='x'"),
        ({"network": "resnet20_cifar", "macs": "-3x"}, "macs='-3x'"),
        ({"network": "resnet20_cifar", "macs": "10"}, "out of reach: too small"),
        ({"network": "resnet20_cifar", "latency_ms": 0}, "latency_ms=0"),
        ({"network": "resnet20_cifar", "phi": 1, "energy": "h100"}, "does not tell joules"),
        ({"network": "resnet20_cifar", "like": "resnet50"}, "does not say how it was scaled"),
    ],
)
def test_mistakes(given: dict[str, object], says: str) -> None:
    with pytest.raises(SteelyardError) as error:
        sy.scale(device="h100", **given)  # type: ignore[arg-type]
    assert says in str(error.value)


def test_rules_refuse_other_products() -> None:
    with pytest.raises(UsageError, match=r"alpha x beta\^2 x gamma\^2 = 4"):
        Compound(1, 2, 1)
    with pytest.raises(UsageError, match="0 to 1"):
        Fast(1.5)
    with pytest.raises(UsageError, match="step"):
        scaling_grid("resnet20_cifar", step=0)
    with pytest.raises(UnknownNameError, match="no device"):
        energy_device("eyeris")
