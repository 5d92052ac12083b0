"""Every hard case is counted right, and the two engines that compute nothing see the same operators."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import steelyard as sy

sys.path.insert(0, str(Path(__file__).parent))
from hard_cases import CASES, HardCase

# what only real values, or only the plain engine, can follow; all others run on shapes alone
NOT_ON_SHAPES = {case.name for case in CASES if case.values} | {
    "python_in_place",  # a known constant is overwritten by an unknown tensor
    "product_vmap",  # torch.func hides the batch from functions
    "recurrent_packed",  # packing reads the lengths
    "dtype_dynamic_int8",  # quantised kernels exist for real tensors only
    "dtype_static_int8",
    "dtype_fake_quantised",
}


def capture(case: HardCase, method: str = "auto") -> sy.Workload:
    module, args, kwargs = case.build()
    return sy.capture(module, inputs=args, kwargs=kwargs, training=None, method=method)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_costs_what_the_formula_says(case: HardCase) -> None:
    workload = capture(case)
    assert workload.macs == case.macs
    if case.params is not None:
        assert workload.params == case.params
    assert workload.coverage.unknown == ()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name not in NOT_ON_SHAPES], ids=lambda case: case.name
)
def test_shapes_and_meta_engines_agree(case: HardCase) -> None:
    shapes, meta = capture(case, "shapes"), capture(case, "meta")
    assert shapes.layers == meta.layers
    assert shapes.tensors == meta.tensors
    assert shapes.digest == meta.digest


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 46
