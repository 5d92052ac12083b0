"""Devices searched with networks: every point as `estimate` has it, the front as enumeration finds it, and mistakes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import steelyard as sy
from steelyard.capture.weightless import weightless
from steelyard.design.conformance import SpaceContract
from steelyard.design.spaces import Codesign, SearchSpace, space_from
from steelyard.errors import InputError, SteelyardError, UsageError
from steelyard.hardware.area import silicon_area
from steelyard.hardware.sweep import variant

NETWORKS: dict[str, Any] = {
    "kind": "mobile", "resolution": 8,
    "settings": {"num_classes": 10, "in_channels": 1, "stem": "cifar", "stem_channels": 8, "head_channels": 16},
    "stage": [{"channels": [8, 16], "expansion": 2, "stride": 2}],
}  # fmt: skip
DEVICE: dict[str, Any] = {
    "name": "shidiannao_like", "x.size": [4, 8], "nbin_bytes": "2KiB..4KiB", "mapping": ["energy", "latency"],
}  # fmt: skip
GOALS = ["energy_mj@device", "latency_ms@device", "area_mm2@device"]


def small(**device: Any) -> Codesign:
    space = space_from({**NETWORKS, "device": {**DEVICE, **device}}, "small")
    assert isinstance(space, Codesign)
    return space


class TestCodesign(SpaceContract):
    def space(self) -> SearchSpace:
        return small()


class TestCoupled(SpaceContract):
    """Networks of which not all values go together."""

    def space(self) -> SearchSpace:
        line = {
            "kind": "regnet",
            "resolution": 32,
            "depth": [12, 13],
            "initial": [24, 32],
            "group_width": [8, 16],
        }
        return space_from({**line, "device": DEVICE}, "line")


def every() -> dict[str, tuple[float, float, float]]:
    """All 16 points, put together by hand from the rooms' own calls."""
    found = {}
    for net, size, room, goal in itertools.product(range(2), range(2), range(2), range(2)):
        with weightless():
            module = small().networks.build((0, 0, net, 0, 0, 0, 0))
        load = sy.capture(module, input_shape=(1, 1, 8, 8))
        chip = variant(
            sy.device("shidiannao_like"),
            {"x.size": (4, 8)[size], "nbin.capacity_bytes": (2048, 4096)[room]},
        )
        one = sy.estimate(load, chip, objective=("energy", "latency")[goal])
        area = silicon_area(chip).mm2
        key = f"0-0-{net}-0-0-0-0-{size}-{room}-{goal}"
        found[key] = (one.energy_pj * 1e-9, one.latency_s * 1e3, area)
    return found


def test_the_front_is_enumerations(tmp_path: Path) -> None:
    truth, space = every(), small()
    assert space.size == len(truth) == 16
    found = sy.search(space, GOALS, trials=50, strategy="random", seed=2)
    assert {t.key: pytest.approx(found.values(t)) for t in found.done} == truth
    front = {
        key
        for key, mine in truth.items()
        if not any(
            all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine
            for other in truth.values()
        )
    }
    assert {trial.key for trial in found.front} == front
    assert 1 < len(front) < 16
    assert "nbin.capacity_bytes" in found.facts["device"]

    # what is written is the device that was found
    file = tmp_path / "chip.yaml"
    file.write_text(found.device(found.best).to_yaml())
    again = sy.device(str(file))
    load = sy.capture(found.network(found.best), input_shape=(1, 1, 8, 8))
    mapping = space.values(space.decode(found.best.key))["device.mapping"]
    told = sy.estimate(load, again, objective=mapping)
    assert told.energy_pj * 1e-9 == pytest.approx(found.best.values["energy_mj@device"])
    assert again.area_mm2 is None
    assert again.sources["levels.nbin.capacity_bytes"] == "searched"


def test_area_is_held_by_every_trial() -> None:
    areas = sorted({silicon_area(small().chip(point)).mm2 for point in small().points()})
    found = sy.search(
        small(), "params", constraints=f"area_mm2@device<={areas[1]}", trials=20, strategy="random"
    )
    assert found.counts()["infeasible"] == 0
    assert {t.values["area_mm2@device"] for t in found.trials} == set(areas[:2])


@pytest.mark.parametrize(
    ("constraint", "says"),
    [
        ("area_mm2@device<=0.1", r"area_mm2@device<=0.1: the least found is 2\.\d+ mm²"),
        ("energy_mj@device<=1e-6", r"likely to hold energy_mj@device<=1e-06: it is 0\.\d+ mJ"),
    ],
)
def test_constraints_that_no_device_holds_are_said_at_once(constraint: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        sy.search(small(mapping="energy"), "params", constraints=constraint)


def test_another_device_is_another_search(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    sy.search(small(), "area_mm2@device", trials=2, store=store)
    with pytest.raises(UsageError, match=r"space.device.x.size: 4, 8 before, 4, 16 now"):
        sy.search(small(**{"x.size": [4, 16]}), "area_mm2@device", trials=3, store=store)
    with pytest.raises(UsageError, match=r"space.device: .*shidiannao_like.* before, .*simba_like"):
        other = {**NETWORKS, "device": {"name": "simba_like", "clock_hz": [1e9, 2e9]}}
        sy.search(space_from(other, "small"), "area_mm2@device", trials=3, store=store)


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ({"x.size": [4, 8]}, "does not say which"),
        ({"name": "eyeriss"}, "varies nothing"),
        ({"name": "h100", "clock_hz": [1e9]}, "is a roofline"),
        ({"name": "nowhere", "clock_hz": [1e9]}, "no device is named"),
        ({"name": "eyeriss", "glb.size": [1]}, "no parameter is named 'glb.size'"),
        ({"name": "eyeriss", "x.size": [0]}, "axis 'x' of size 0"),
        ({"name": "eyeriss", "glb_bytes": "1MiB..1KiB"}, "a range that rises"),
        ({"name": "eyeriss", "dataflow": ["XS"]}, "no dataflow is named"),
        ({"name": "eyeriss", "x.size": [7], "mapping": "speed"}, "mapping = 'speed'"),
        ({"name": "eyeriss", "x.size": [7], "mapping": ["dram", "dram"]}, "all different"),
        ({"name": "eyeriss", "x.size": {"a": 1}}, "in the sweep of x.size"),
        (3, "a table: [device]"),
    ],
)
def test_mistakes_in_the_table(device: object, says: str) -> None:
    with pytest.raises(SteelyardError) as error:
        space_from({**NETWORKS, "device": device}, "wrong")
    assert says in str(error.value)


def test_a_space_without_a_device(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="energy_mj@device: digits_mobile searches no device"
    ) as error:
        sy.search("digits_mobile", "energy_mj@device")
    assert "[device]" in str(error.value)
    found = sy.search("digits_mobile", "macs", trials=1)
    with pytest.raises(UsageError, match="searches no device"):
        found.device(found.best)
