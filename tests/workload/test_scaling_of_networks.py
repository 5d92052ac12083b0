"""`with_batch` on real networks: the same workload as capturing at that batch size."""

from __future__ import annotations

import pytest

import steelyard as sy

QUICK = ["googlenet", "lenet5", "resnet18", "resnet20_cifar"]


def check(name: str) -> None:
    shape = sy.info(name).input_shape
    net = sy.create(name)
    one = sy.capture(net, input_shape=(1, *shape[1:]))
    six = sy.capture(net, input_shape=(6, *shape[1:]))
    assert one.with_batch(6) == six
    assert six.with_batch(1) == one
    assert sy.Workload.from_json(six.to_json()) == six


@pytest.mark.parametrize("name", QUICK)
def test_scaled_as_captured(name):
    check(name)


@pytest.mark.slow
def test_every_network_scales_as_captured():
    for name in sy.list_models():
        check(name)
