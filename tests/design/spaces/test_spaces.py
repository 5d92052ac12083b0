"""Search spaces: the contract for each kind, sizes and networks as the papers have them, and TOML files."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from math import comb
from random import Random
from typing import Any

import pytest

import steelyard as sy
from steelyard.capture.weightless import weightless
from steelyard.design.conformance import SpaceContract
from steelyard.design.spaces import (
    Choice,
    DartsSpace,
    Generator,
    MobileSpace,
    MobileStage,
    NasnetSpace,
    Point,
    RegnetSpace,
    SearchSpace,
    ShuffleSpace,
    ShuffleStage,
    WiringSpace,
    list_kinds,
    list_spaces,
    load_space,
    register_space,
    space_from,
)
from steelyard.errors import FileFormatError, UnknownNameError, UsageError
from steelyard.layers.genotype import OPERATIONS

SMALL = {"num_classes": 10, "stem": "cifar"}


class TestMobile(SpaceContract):
    def space(self) -> SearchSpace:
        stages = (
            MobileStage(channels=(16,), expansion=(1.0,)),
            MobileStage(channels=(24, 32), repeats=(1, 2), kernel=(3, 5), expansion=(3.0, 6.0), stride=2),
            MobileStage(channels=(40, 56), repeats=(1, 3), se=(0.0, 0.25), stride=2),
        )  # fmt: skip
        return MobileSpace("small", stages, resolution=(32, 33), width=(0.75, 1.0), settings=SMALL)


class TestEfficient(SpaceContract):
    """Nested stages, squeeze-and-excitation, swish, stochastic depth, TensorFlow's padding."""

    def space(self) -> SearchSpace:
        stages = (
            MobileStage(channels=(16, 24), se=(0.25,), stride=2),
            MobileStage(channels=(24, 48), repeats=(2, 3), kernel=(5,), se=(0.25, 0.5), stride=2),
        )
        return MobileSpace(
            "efficient", stages, "tf_efficientnet_b3", (64, 97), (1.0, 1.1), {"num_classes": 10}
        )


class TestMobileV3(SpaceContract):
    """A head of its own, and squeeze-and-excitation of another kind."""

    def space(self) -> SearchSpace:
        stages = (
            MobileStage(channels=(16, 24), expansion=(1.0, 4.0), se=(0.0, 0.25)),
            MobileStage(channels=(40,), repeats=(1, 2), kernel=(3, 5), stride=2),
        )
        return MobileSpace("third", stages, "mobilenet_v3_large", (64,), (0.5, 1.0))


class TestShuffle(SpaceContract):
    def space(self) -> SearchSpace:
        stages = (
            ShuffleStage(channels=(20, 32, 48), repeats=(2, 3)),
            ShuffleStage(channels=(32, 64), repeats=(1, 4)),
        )
        return ShuffleSpace(
            "shuffled", stages, resolution=(64, 75), se_reduction=(0, 2), residual=(False, True)
        )


class TestShuffleOfEqualHalves(SpaceContract):
    def space(self) -> SearchSpace:
        stages = (ShuffleStage(channels=(20, 32), repeats=(1, 2)),) * 2
        return ShuffleSpace(
            "halves", stages, resolution=(64,), settings={"split": "equal", "first_stride": 1}
        )


class TestDarts(SpaceContract):
    def space(self) -> SearchSpace:
        return DartsSpace(
            "cells", "darts_v2_cifar", 1, ("skip_connect", "sep_conv_3x3"), (3, 5), (4, 8)
        )


class TestNasnet(SpaceContract):
    def space(self) -> SearchSpace:
        return NasnetSpace("cells", "nasnet_cifar", 2, ("skip_connect", "conv_1x1"), (1,), (4, 8))


class TestWiring(SpaceContract):
    def space(self) -> SearchSpace:
        kinds = (Generator(), Generator(generator="er", p=0.6), Generator(generator="ba", m=2))
        return WiringSpace("wired", kinds, seeds=3, nodes=(5, 8), filters=(8,), resolution=(64,))


class TestRegnet(SpaceContract):
    def space(self) -> SearchSpace:
        return RegnetSpace(
            "line", (4, 8, 13), (8.0, 24.0), (8.0, 36.0), (2.0, 2.5), (8, 16), (64, 70), stages=3
        )


# ---- what the papers say ---------------------------------------------------------------------------


def test_darts_has_as_many_cells_as_the_paper_says() -> None:
    """Liu et al. 2018, appendix A.3: the product of (k + 1) k / 2 x 7^2 for k = 1 to 4 is about 10^9 a cell."""
    product = 1
    for k in range(1, 5):
        product *= (k + 1) * k // 2 * 7**2
    assert 1e9 < product < 1.1e9
    assert space_from({"kind": "darts"}, "paper").size == product**2


def test_darts_space_holds_the_published_cells() -> None:
    space = space_from({"kind": "darts"}, "paper")
    assert isinstance(space, DartsSpace)
    random = Random(0)
    point = space.sample(random)
    name, settings = space.zoo(point)
    with weightless():
        ours = sy.create(name, **settings)
    assert sy.capture(ours, input_shape=(1, 3, 32, 32)).params > 0
    from steelyard.zoo.genotypes import GENOTYPES

    # put the cells of DARTS (second order) in, edge by edge; a step's edges may be written in any order
    wanted = GENOTYPES["darts_v2"]
    indices = [0, 0]
    for graph in (wanted.normal, wanted.reduction):
        for step in graph.steps:
            (first, a), (second, b) = sorted(step, key=lambda edge: edge[1])
            for value in ((a, b), first, second):
                choice = space.choices[len(indices)]
                indices.append(choice.values.index(value))
    with weightless():
        built = space.build(tuple(indices))
        published = sy.create("darts_v2_cifar")
    loads = [sy.capture(net, input_shape=(1, 3, 32, 32)) for net in (built, published)]
    assert loads[0].macs == loads[1].macs
    assert loads[0].params == loads[1].params


def test_nasnet_counts_unordered_pairs() -> None:
    """13 operations on k + 2 states: n edges give n (n + 1) / 2 pairs that may be of two equal ones."""
    space = space_from({"kind": "nasnet"}, "paper")
    edges = [13 * (k + 2) for k in range(5)]
    product = 1
    for n in edges:
        product *= comb(n + 1, 2)
    assert space.size == product**2


def test_a_nasnet_mutant_differs_in_one_operation_or_one_state() -> None:
    space = space_from({"kind": "nasnet", "steps": 3}, "paper")
    random = Random(1)
    for _ in range(100):
        one = space.sample(random)
        other = space.mutate(one, random)
        (place,) = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        before, after = (space.choices[place].values[p[place]] for p in (one, other))
        kept = [edge for edge in before if edge in after]
        assert kept
        old = next((e for e in before if e not in after), before[0])
        new = next((e for e in after if e not in before), after[0])
        assert (old[0] == new[0]) != (old[1] == new[1]) or old == new


@pytest.mark.parametrize(
    ("given", "line", "params", "macs"),
    # Radosavovic et al. 2020: the line's numbers as in the authors' release, widths and depths of figure 16, parameters
    # and multiply-accumulates of table 8
    [
        ((13, 24, 36.44, 2.49, 8), ((24, 1), (56, 1), (152, 4), (368, 7)), 2.7e6, 0.2e9),
        ((22, 24, 24.48, 2.54, 16), ((32, 1), (64, 2), (160, 7), (384, 12)), 5.2e6, 0.4e9),
    ],
)
def test_regnets_are_the_papers(
    given: tuple[float, ...],
    line: tuple[tuple[int, int], ...],
    params: float,
    macs: float,
) -> None:
    names = ("depth", "initial", "slope", "quantisation", "group_width")
    space = space_from({"kind": "regnet", **dict(zip(names, given, strict=True))}, "regnetx")
    assert isinstance(space, RegnetSpace)
    point = next(space.points())
    assert space.line(point) == line
    with weightless():
        network = space.build(point)
    load = sy.capture(network, input_shape=(1, 3, 224, 224))
    assert load.params == pytest.approx(params, rel=0.02)
    assert load.macs == pytest.approx(macs, rel=0.05)


# ---- networks --------------------------------------------------------------------------------------


def mobile_macs(values: Mapping[str, Any], strides: tuple[int, ...], classes: int) -> int:
    """MobileNetV2 with the CIFAR stem, summed by hand: the first stride of 2 is taken off."""

    def channels(c: float) -> int:
        nearest = max(8, int(c + 4) // 8 * 8)
        return nearest if nearest >= 0.9 * c else nearest + 8

    width, side = values["width"], values["resolution"]
    before = channels(32 * width)
    total = 27 * before * side**2
    taken = False
    for i, stride in enumerate(strides, 1):
        out = channels(values[f"stage{i}.channels"] * width)
        for n in range(values[f"stage{i}.repeats"]):
            here = stride if n == 0 else 1
            if here == 2 and not taken:
                here, taken = 1, True
            expansion = values[f"stage{i}.expansion"]
            hidden = before if expansion == 1 else channels(before * expansion)
            total += before * hidden * side**2 if hidden != before else 0
            side = (side + here - 1) // here
            total += hidden * values[f"stage{i}.kernel"] ** 2 * side**2
            if values[f"stage{i}.se"]:
                squeezed = max(1, round(before * values[f"stage{i}.se"]))
                total += 2 * hidden * squeezed
            total += hidden * out * side**2
            before = out
    head = 1280 if width <= 1 else channels(1280 * width)
    return total + before * head * side**2 + head * classes


def test_captured_macs_of_the_mobile_space_are_the_formulas() -> None:
    space = TestMobile().space()
    random = Random(3)
    for _ in range(8):
        point = space.sample(random)
        with weightless():
            network = space.build(point)
        load = sy.capture(network, input_shape=space.input_shape(point))
        assert load.macs == mobile_macs(space.values(point), (1, 2, 2), 10)


def test_mobilenet_v2_is_a_point_of_its_space() -> None:
    """Table 2 of the paper, written as a space of one network."""
    rows = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    stage = [{"expansion": t, "channels": c, "repeats": n, "stride": s} for t, c, n, s in rows]
    space = space_from({"kind": "mobile", "stage": stage}, "v2")
    assert space.size == 1
    point = space.sample(Random(0))
    with weightless():
        load = sy.capture(space.build(point), input_shape=(1, 3, 224, 224))
    published = sy.capture("mobilenet_v2")
    assert (load.params, load.macs) == (published.params, published.macs)


def test_sizes_are_products() -> None:
    assert TestMobile().space().size == 2 * 2 * (2 * 2 * 2 * 2) * (2 * 2 * 2)
    shuffle = TestShuffle().space()
    # 24 < a < b: (32, 64), (48, 64); the first stage's 20 is not above the stem's 24
    assert shuffle.size == 2 * 2 * 2 * 2 * 2 * 2


# ---- files -----------------------------------------------------------------------------------------

FILE = """
kind = "mobile"
name = "tiny"
resolution = [24, 32]
[settings]
num_classes = 10
stem = "cifar"
[[stage]]
channels = [16, 24]
kernel = [3, 5]
[[stage]]
channels = 32
repeats = [1, 2]
expansion = [3, 6.0]
stride = 2
"""


def test_file(tmp_path: Any) -> None:
    path = tmp_path / "space.toml"
    path.write_text(FILE)
    space = load_space(path)
    assert (space.name, space.kind, space.size) == ("tiny", "mobile", 2 * 2 * 2 * 2 * 2)
    assert space.describe()["stage2.expansion"] == "3.0, 6.0"
    assert space.describe()["stage2.stride"] == "2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no kind"),
        ('kind = "mobil"', "nearest: mobile"),
        ('kind = "mobile"', "no stages"),
        ('kind = "mobile"\nresolutoin = 3\n[[stage]]', "try: resolution="),
        ('kind = "mobile"\n[[stage]]\nkernal = [3]', "try: kernel="),
        ('kind = "mobile"\n[[stage]]\nkernel = [4]', "odd"),
        ('kind = "mobile"\n[[stage]]\nkernel = [3, 3]', "all different"),
        ('kind = "mobile"\n[[stage]]\nkernel = ["a"]', "not possible"),
        ('kind = "mobile"\nnetwork = "resnet50"\n[[stage]]', "no stages of inverted residuals"),
        ('kind = "mobile"\nnetwork = "mobilenet_v9"\n[[stage]]', "no network is named"),
        ('kind = "mobile"\n[settings]\nwidth = 2.0\n[[stage]]', "not searched"),
        ('kind = "mobile"\n[settings]\nclasses = 2\n[[stage]]', "no setting 'classes'"),
        ('kind = "mobile"\nstage = 3', "no stages"),
        ('kind = "darts"\noperations = ["sep_conv_9x9"]', "no operation of a cell is named"),
        ('kind = "darts"\nnetwork = "resnet50"', "no such cells"),
        ('kind = "shuffle"\n[[stage]]\nchannels = [3]', "even"),
        ('kind = "wiring"\nnetwork = "resnet50"', "not wired at random"),
        ('kind = "wiring"\n[[generator]]\ngenerator = "xx"', "'ws', 'er' or 'ba'"),
        ("kind = ", "is no TOML"),
    ],
)  # fmt: skip
def test_mistakes_in_files(tmp_path: Any, text: str, says: str) -> None:
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises((UsageError, UnknownNameError, FileFormatError)) as error:
        load_space(path)
    assert says in str(error.value)


@pytest.mark.parametrize("name", list_spaces())
def test_spaces_that_come_with_steelyard(name: str) -> None:
    space = load_space(name)
    assert space.name == name
    point = space.sample(Random(0))
    with weightless():
        net = space.build(point)
    assert sy.capture(net, input_shape=space.input_shape(point)).macs > 0


def test_unknown_space() -> None:
    with pytest.raises(UnknownNameError, match="nearest: digits_mobile"):
        load_space("digit_mobile")


def test_missing_file(tmp_path: Any) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_space(tmp_path / "none.toml")


def test_a_space_that_allows_nothing_says_so() -> None:
    space = RegnetSpace("none", stages=8)
    assert space.size == 0
    with pytest.raises(UsageError, match="none was allowed"):
        space.sample(Random(0))


def test_users_bring_their_own() -> None:
    class Mine(SearchSpace):
        kind = "mine_of_test"
        name = "mine"
        choices = (Choice("blocks", (1, 2)), Choice("width", (0.5, 1.0)))  # type: ignore[assignment]

        def zoo(self, point: Point) -> tuple[str, dict[str, object]]:
            values = self.values(self.check(point))
            return "resnet20_cifar", {**values, "blocks": (values["blocks"],) * 3}

        def input_shape(self, point: Point) -> tuple[int, int, int, int]:
            return (1, 3, 32, 32)

    register_space("mine_of_test", lambda name, given: Mine())
    assert "mine_of_test" in list_kinds()
    space = space_from({"kind": "mine_of_test"}, "x")
    assert [space.encode(p) for p in space.points()] == ["0-0", "0-1", "1-0", "1-1"]
    with weightless():
        assert sy.capture(space.build((1, 1)), input_shape=(1, 3, 32, 32)).macs > 0
    with pytest.raises(UsageError, match="registered already"):
        register_space("mine_of_test", lambda name, given: Mine())


def test_operations_are_the_zoos() -> None:
    from steelyard.design.spaces.cells import DARTS_OPERATIONS, NASNET_OPERATIONS

    assert len(set(DARTS_OPERATIONS)) == 7
    assert len(set(NASNET_OPERATIONS)) == 13
    assert set(itertools.chain(DARTS_OPERATIONS, NASNET_OPERATIONS)) <= set(OPERATIONS)
