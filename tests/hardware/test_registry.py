"""Devices by name and by path."""

import pytest

import steelyard as sy
from steelyard.errors import FileFormatError, UnknownNameError
from steelyard.hardware.registry import PRESETS


def test_every_preset_is_listed_and_loads() -> None:
    names = sy.list_devices()
    assert names == sorted({file.stem for file in PRESETS.glob("*.yaml")} | {"cpu"})
    for name in names:
        if name != "cpu":
            assert sy.device(name).name == name


def test_patterns() -> None:
    assert sy.list_devices("eyeriss*") == ["eyeriss", "eyeriss_isca16", "eyeriss_v2"]
    assert sy.list_devices("none*") == []


def test_a_path_is_read(tmp_path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(sy.device("eyeriss").to_yaml().replace('name: "eyeriss"', "name: mine"))
    assert sy.device(mine).name == sy.device(str(mine)).name == "mine"
    mine.write_text(sy.device("eyeriss").to_yaml().replace("size: 14", "size: 28"))
    assert sy.device(mine).pes == 336
    assert sy.device("eyeriss").pes == 168


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no device is named 'eyeris'") as error:
        sy.device("eyeris")
    assert error.value.nearest[0] == "eyeriss"
    with pytest.raises(UnknownNameError, match="steelyard devices"):
        sy.device("")


@pytest.mark.parametrize("name", ["../eyeriss", "presets/eyeriss", "eyeriss.yaml", "a.YML"])
def test_what_looks_like_a_path_is_one(name) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        sy.device(name)


def test_devices_print_and_have_a_digest() -> None:
    text = str(sy.device("eyeriss"))
    assert "168 multiply-accumulate units at 200 MHz" in text
    assert "JSSC 2017" in text
    assert "989 TMAC/s" in str(sy.device("h100"))
    assert sy.device("eyeriss").to_dict()["levels"]["spad"]["capacity_bytes"]["W"] == 448
