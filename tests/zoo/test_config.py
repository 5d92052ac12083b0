"""Settings: what is accepted, what type the network sees, how they are described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, Setting, describe, make, scaled, setting


@dataclass(frozen=True, kw_only=True)
class Config(ImageConfig):
    blocks: tuple[int, ...] = setting((1, 2), "blocks", low=1)
    mode: Literal["a", "b"] = setting("a", "mode")
    only: Literal["x"] = setting("x", "only")
    ratio: float | None = setting(None, "ratio", low=0)


def test_a_choice_that_reads_as_a_tuple_or_a_number_is_that_choice() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Choices(ImageConfig):
        stride_at: Literal["1x1", "3x3"] = setting("3x3", "where")
        groups: Literal["1", "2"] = setting("1", "how many")

    config = make("net", Choices, {}, {"stride_at": (1, 1), "groups": 2})
    assert (config.stride_at, config.groups) == ("1x1", "2")
    with pytest.raises(UsageError, match=r"stride_at=\(2, 2\) is not possible"):
        make("net", Choices, {}, {"stride_at": (2, 2)})


def test_values_become_the_hinted_type() -> None:
    config = make("net", Config, {}, {"width": 2, "blocks": [3, 4], "ratio": 1})
    assert (config.width, type(config.width)) == (2.0, float)
    assert config.blocks == (3, 4)
    assert (config.ratio, type(config.ratio)) == (1.0, float)


def test_given_values_beat_defaults_of_the_model() -> None:
    assert make("net", Config, {"num_classes": 10}, {}).num_classes == 10
    assert make("net", Config, {"num_classes": 10}, {"num_classes": 11}).num_classes == 11


@pytest.mark.parametrize("value", [True, "a", b"b", 1.5, None, [], {}, (), object])
def test_nothing_but_integers_is_an_integer(value: object) -> None:
    with pytest.raises(UsageError, match=r"num_classes=.* is not possible"):
        make("net", Config, {}, {"num_classes": value})


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()))
def test_any_value_is_taken_as_it_should_be_or_refused(value: object) -> None:
    for name in ("num_classes", "width", "blocks", "mode", "ratio"):
        try:
            config = make("net", Config, {}, {name: value})
        except UsageError as error:
            assert f"net: {name}=" in str(error)
        else:
            assert getattr(config, name) == value


def test_described_in_words() -> None:
    known = {s.name: s for s in describe(Config, {"mode": "b"})}
    assert known["mode"] == Setting("mode", "'a' or 'b'", "b", "mode")
    assert known["only"].type == "'x'"
    assert known["ratio"].type == "float or None"
    assert known["blocks"].type.startswith("one or more int")
    assert known["num_classes"].default == 1000


@given(st.integers(1, 4096), st.floats(0.01, 8), st.sampled_from([1, 2, 8, 32]))
def test_scaled_is_a_near_positive_multiple(channels: int, width: float, divisor: int) -> None:
    result = scaled(channels, width, divisor)
    assert result >= divisor
    assert result % divisor == 0
    assert abs(result - channels * width) <= max(divisor, divisor / 2)
    assert scaled(channels, 1.0) == channels
