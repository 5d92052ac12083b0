"""The shift against a depthwise convolution whose filters hold a single 1, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import chain, product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import steelyard as sy
from steelyard.errors import ShapeError, UsageError
from steelyard.layers import _shift_ops
from steelyard.layers.shift import Move, Shift, grouped_moves, shift

KERNELS = ["compiled", "plain"]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int8, torch.complex64]


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything once with the compiled kernel and once without."""
    if request.param == "plain":
        monkeypatch.setattr(_shift_ops, "_kernel", lambda device: None)
    else:
        pytest.importorskip("numba")
    return str(request.param)


def one_hot(x: Tensor, moves: list[Move] | tuple[Move, ...]) -> Tensor:
    """The same by a depthwise convolution."""
    reach = max(max(abs(dy), abs(dx)) for _, dy, dx in moves)
    side = 2 * reach + 1
    weight = torch.zeros(x.shape[1], 1, side, side, dtype=x.dtype)
    places = chain.from_iterable([(dy, dx)] * n for n, dy, dx in moves)
    for channel, (dy, dx) in enumerate(places):
        weight[channel, 0, reach + dy, reach + dx] = 1
    return F.conv2d(x, weight, padding=reach, groups=x.shape[1])


def by_index(x: Tensor, moves: list[Move]) -> Tensor:
    """The same by the definition, element by element."""
    out = torch.zeros_like(x)
    places = chain.from_iterable([(dy, dx)] * n for n, dy, dx in moves)
    for channel, (dy, dx) in enumerate(places):
        for h, w in product(range(x.shape[2]), range(x.shape[3])):
            if 0 <= h + dy < x.shape[2] and 0 <= w + dx < x.shape[3]:
                out[:, channel, h, w] = x[:, channel, h + dy, w + dx]
    return out


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("channels", "size", "dilation"), [(20, 3, 1), (60, 5, 1), (9, 3, 2)])
def test_forward_backward_and_twice_backward_equal_a_one_hot_convolution(
    kernel: str, channels: int, size: int, dilation: int, layout: torch.memory_format
) -> None:
    layer = Shift(channels, size, dilation)
    data = torch.randn(2, channels, 9, 7).to(memory_format=layout)
    x, y = data.clone().requires_grad_(), data.clone().requires_grad_()
    ours, theirs = layer(x), one_hot(y, layer.moves)
    assert torch.equal(ours, theirs)
    assert ours.is_contiguous(memory_format=layout)
    with torch.no_grad():
        assert torch.equal(layer(x), theirs)
    cotangent = torch.randn_like(ours, requires_grad=True)
    (gx,) = torch.autograd.grad(ours, x, cotangent, create_graph=True)
    (gy,) = torch.autograd.grad(theirs, y, cotangent, create_graph=True)
    assert torch.equal(gx, gy)
    again = torch.randn_like(x)
    (ggx,) = torch.autograd.grad(gx, cotangent, again)
    (ggy,) = torch.autograd.grad(gy, cotangent, again)
    assert torch.equal(ggx, ggy)


def test_gradients_of_first_and_second_order_by_finite_differences(kernel: str) -> None:
    x = torch.randn(1, 10, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Shift(10), x)
    assert torch.autograd.gradgradcheck(Shift(10), x)


@st.composite
def maps_and_moves(draw: st.DrawFn) -> tuple[Tensor, list[Move]]:
    """Any size, data type, layout and displacement, most of them within the map."""
    n, h, w = (draw(st.integers(1, 4)) for _ in range(3))
    reach = st.integers(-5, 5)
    moves = draw(st.lists(st.tuples(st.integers(1, 9), reach, reach), min_size=1, max_size=5))
    channels = sum(move[0] for move in moves)
    x = (torch.randn(n, channels + 1, h, w + 1) * 50).to(draw(st.sampled_from(DTYPES)))
    layout = draw(st.sampled_from(["planes", "pixels", "slice", "transposed"]))
    if layout == "slice":
        return x[:, 1:, :, 1:], moves
    x = x[:, 1:, :, 1:].contiguous()
    if layout == "pixels":
        x = x.to(memory_format=torch.channels_last)
    return (x.transpose(2, 3) if layout == "transposed" else x), moves


def steps(x: Tensor) -> list[tuple[int, int]]:
    """Size and stride of every dimension that has more than one element."""
    return [(n, step) for n, step in zip(x.shape, x.stride(), strict=True) if n > 1]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(maps_and_moves())
def test_any_map_by_the_definition(case: tuple[Tensor, list[Move]]) -> None:
    x, moves = case
    flat = tuple(n for move in moves for n in move)
    expected = by_index(x, moves)
    assert torch.equal(shift(x, moves), expected)
    assert torch.equal(torch.ops.steelyard.shift(x, flat), expected)
    table = _shift_ops._table(flat, x.device)
    assert torch.equal(_shift_ops._gathered(x, table), expected)
    assert torch.equal(_shift_ops._sliced(x, flat), expected)
    meta = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
    fake = torch.ops.steelyard.shift(meta, flat)
    assert steps(fake) == steps(shift(x, moves))


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 33, 41, 23), (1, 2, 300, 257), (70, 500, 2, 3)])
def test_big_maps_on_several_threads(
    count: int, layout: torch.memory_format, shape: tuple[int, ...]
) -> None:
    torch.set_num_threads(count)
    x = torch.randn(shape).to(memory_format=layout)
    moves = grouped_moves(shape[1], 3) if shape[1] > 9 else ((1, 1, -1), (1, 0, 3))
    assert torch.equal(shift(x, moves), one_hot(x, moves))


@pytest.mark.parametrize("far", [3, 4, 10**6, 2**62, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_far_away_is_zero(kernel: str, far: int, layout: torch.memory_format) -> None:
    x = torch.ones(2, 3, 3, 3).to(memory_format=layout)
    assert shift(x, [(1, far, 0), (1, 0, far), (1, 0, 0)]).sum() == 2 * 9


def test_modes_do_not_reach_what_is_kept() -> None:
    _shift_ops._table.cache_clear()
    with torch.device("meta"):
        assert Shift(9)(torch.empty(1, 9, 3, 3)).device.type == "meta"
        out = Shift(9)(torch.ones(1, 9, 3, 3, device="cpu"))
    assert out.device.type == "cpu"
    assert torch.equal(Shift(9)(torch.ones(1, 9, 3, 3)), out)


def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    _shift_ops._kernel.cache_clear()
    monkeypatch.setitem(sys.modules, "steelyard.layers._shift_kernel", None)
    monkeypatch.setitem(sys.modules, "steelyard.layers._shift_triton", None)
    try:
        assert [_shift_ops._kernel(device) for device in ("cpu", "cuda", "mps")] == [None] * 3
        x = torch.randn(1, 9, 4, 4)
        assert torch.equal(Shift(9)(x), one_hot(x, Shift(9).moves))
    finally:
        _shift_ops._kernel.cache_clear()


def test_views_that_negate_or_conjugate() -> None:
    z = torch.randn(1, 9, 4, 4, dtype=torch.complex64).conj()
    assert z.is_conj()
    assert z.imag.is_neg()
    with torch.no_grad():
        assert torch.equal(Shift(9)(z), Shift(9)(z.resolve_conj()))
        assert torch.equal(Shift(9)(z.imag), Shift(9)(z.imag.resolve_neg()))


def test_what_is_no_number_moves_as_well() -> None:
    x = torch.full((1, 9, 3, 3), torch.nan)
    out = Shift(9)(x)
    assert out[0, 0].isnan().sum() == 4
    assert (out[0, 0].nan_to_num() == 0).all()


def test_groups_spread_over_the_window() -> None:
    """Sec. 3.2: C // K^2 channels a position; those left over join the one that does not move."""
    moves = grouped_moves(20, 3)
    assert [n for n, _, _ in moves] == [2, 2, 2, 2, 4, 2, 2, 2, 2]
    assert {(dy, dx) for _, dy, dx in moves} == set(product((-1, 0, 1), repeat=2))
    assert grouped_moves(8, 3) == ((8, 0, 0),)
    assert sum(n for n, _, _ in grouped_moves(256, 5)) == 256
    assert max(dy for _, dy, _ in grouped_moves(25, 5, 3)) == 6


@pytest.mark.parametrize("arguments", [(0, 3, 1), (9, 2, 1), (9, 0, 1), (9, 3, 0)])
def test_windows_without_a_middle(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="an odd kernel_size, all at least 1"):
        Shift(*arguments)


@pytest.mark.parametrize("shape", [(1, 8, 3, 3), (9, 3, 3), (1, 9, 3)])
def test_maps_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"expected: \(N, 9, H, W\)"):
        Shift(9)(torch.zeros(shape))


def test_counted_as_one_read_and_one_write() -> None:
    load = sy.capture(Shift(9), input_shape=(2, 9, 5, 5))
    (layer,) = load.layers
    total = sy.cost(load).total
    assert (layer.op, layer.kind) == ("steelyard.shift", "copy")
    assert (total.macs, total.params, total.ops) == (0, 0, 0)
    assert total.access_bytes == 2 * (2 * 9 * 5 * 5 * 4)


def test_tracing_sees_the_operator() -> None:
    def names(program: Any) -> list[str]:
        return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]

    x = torch.randn(2, 9, 4, 4)
    sizes = {0: torch.export.Dim("n", max=8), 2: torch.export.Dim("h", min=2, max=64)}
    program = torch.export.export(Shift(9), (x,), dynamic_shapes=(sizes,))
    assert names(program) == ["steelyard.shift.default"]
    y = torch.randn(3, 9, 7, 4)
    assert torch.equal(program.module()(y), Shift(9)(y))
    compiled = torch.compile(Shift(9), backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(x), Shift(9)(x))
    torch.library.opcheck(
        torch.ops.steelyard.shift.default, (x.requires_grad_(), [4, 0, 1, 5, -1, 0])
    )


def test_transforms_of_functions() -> None:
    layer, x = Shift(9), torch.randn(4, 9, 5, 5)
    mapped = torch.func.vmap(lambda image: layer(image[None])[0])(x)
    assert torch.equal(mapped, layer(x))
    slope = torch.func.grad(lambda image: layer(image).square().sum())(x)
    assert torch.equal(slope, shift(2 * layer(x), [(n, -dy, -dx) for n, dy, dx in layer.moves]))


def test_threads_at_once() -> None:
    layer, x = Shift(33), torch.randn(4, 33, 40, 40)
    expected = one_hot(x, layer.moves)
    with ThreadPoolExecutor(4) as pool:
        assert all(torch.equal(out, expected) for out in pool.map(layer, [x] * 50))


def test_a_profiler_sees_the_operator() -> None:
    with torch.no_grad(), torch.profiler.profile() as profile:
        Shift(9)(torch.randn(2, 9, 4, 4))
    assert any(event.key == "steelyard::shift" for event in profile.key_averages())


INTERPRETED = """
import torch
from steelyard.layers import _shift_ops, _shift_triton
for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.int8, torch.complex64):
    for shape in ((1, 5, 3, 3), (2, 13, 1, 7), (2, 64, 9, 8)):
        x, table = (torch.randn(shape) * 50).to(dtype), torch.randint(-4, 5, (shape[1], 2))
        for y in (x, x.to(memory_format=torch.channels_last)):
            out = _shift_triton.move(y, table)
            assert torch.equal(out, _shift_ops._gathered(y, table)) and out.stride() == y.stride()
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_triton_kernel_in_its_interpreter() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, check=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_on_cuda(layout: torch.memory_format) -> None:
    x = torch.randn(3, 33, 41, 23).to(memory_format=layout)
    assert torch.equal(Shift(33)(x.cuda()).cpu(), Shift(33)(x))
