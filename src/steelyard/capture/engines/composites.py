"""`Composites`: keeps operators whole that PyTorch breaks up on the way to its dispatcher.

An LSTM, attention or a batch normalisation is one layer, as in the graphs of torch.export and ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import CellType, FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from steelyard.capture.engines.recorder import Recorder

COMPOSITES: dict[Callable[..., Any], str] = {
    torch._C._nn.scaled_dot_product_attention: "aten.scaled_dot_product_attention",
    torch._VF.lstm: "aten.lstm",
    torch._VF.gru: "aten.gru",
    torch._VF.rnn_tanh: "aten.rnn_tanh",
    torch._VF.rnn_relu: "aten.rnn_relu",
    torch._VF.lstm_cell: "aten.lstm_cell",
    torch._VF.gru_cell: "aten.gru_cell",
    torch._VF.rnn_tanh_cell: "aten.rnn_tanh_cell",
    torch._VF.rnn_relu_cell: "aten.rnn_relu_cell",
    torch._C._nn.adaptive_avg_pool2d: "aten.adaptive_avg_pool2d",
    torch._C._nn.adaptive_avg_pool3d: "aten.adaptive_avg_pool3d",
    torch.adaptive_avg_pool1d: "aten.adaptive_avg_pool1d",
    torch.conv1d: "aten.conv1d",
    torch.conv2d: "aten.conv2d",
    torch.conv3d: "aten.conv3d",
    torch.conv_transpose1d: "aten.conv_transpose1d",
    torch.conv_transpose2d: "aten.conv_transpose2d",
    torch.conv_transpose3d: "aten.conv_transpose3d",
    torch._C._nn.linear: "aten.linear",
    torch.matmul: "aten.matmul",
    torch.Tensor.matmul: "aten.matmul",
    torch.Tensor.__matmul__: "aten.matmul",
    torch.einsum: "aten.einsum",
    torch.batch_norm: "aten.batch_norm",
    torch.layer_norm: "aten.layer_norm",
    torch.group_norm: "aten.group_norm",
    torch.max_pool1d: "aten.max_pool1d",
    torch.max_pool2d: "aten.max_pool2d",
    torch.max_pool3d: "aten.max_pool3d",
    torch._C._nn.relu6: "aten.relu6",
    torch._C._nn.relu6_: "aten.relu6_",
    torch.bilinear: "aten.bilinear",
    torch.instance_norm: "aten.instance_norm",
    F.local_response_norm: "aten.local_response_norm",
    torch.pixel_shuffle: "aten.pixel_shuffle",
    torch.pixel_unshuffle: "aten.pixel_unshuffle",
    torch.channel_shuffle: "aten.channel_shuffle",
    torch.linalg.multi_dot: "aten.linalg_multi_dot",
}
"""Functions that are one layer although the dispatcher would see several."""


_EXPORTS = frozenset({torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__array__})
"""Ways to read values that the dispatcher does not see."""

_NO_HOOKS = {
    **F.__dict__,
    "has_torch_function": lambda _: False,
    "has_torch_function_unary": lambda _: False,
    "has_torch_function_variadic": lambda *_: False,
}


@cache
def transparent(func: FunctionType) -> FunctionType:
    """A copy of a function of torch.nn.functional that does not hand itself to the mode.

    So the mode, still active, sees the operators that the function calls.
    """
    closure = func.__closure__
    if closure:  # those that choose between two functions by a flag (max_pool2d)
        inner = (cell.cell_contents for cell in closure)
        closure = tuple(CellType(transparent(c) if is_functional(c) else c) for c in inner)
    globals_ = _NO_HOOKS if func.__globals__ is F.__dict__ else func.__globals__
    copy = FunctionType(func.__code__, globals_, func.__name__, func.__defaults__, closure)
    copy.__kwdefaults__ = func.__kwdefaults__
    return copy


def is_functional(func: Any) -> bool:
    """True for what is written in Python in torch.nn.functional."""
    return isinstance(func, FunctionType) and func.__module__ == F.__name__


class Composites(TorchFunctionMode):
    """Records the functions of `COMPOSITES` as one operator each."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        op = COMPOSITES.get(func)
        if self.recorder.paused or torch._C._are_functorch_transforms_active():
            return func(*args, **kwargs)
        if op is None:
            if func in _EXPORTS and isinstance(args[0], torch.Tensor):
                self.recorder.read.add(self.recorder.value_of(args[0]))
            if is_functional(func):
                with self:
                    return transparent(func)(*args, **kwargs)
            return func(*args, **kwargs)
        _refuse_misfits(op, args)
        self.recorder.paused += 1
        try:
            out = func(*args, **kwargs)
        finally:
            self.recorder.paused -= 1
        if func is torch.einsum and len(args) > 1 and isinstance(args[1], torch.Tensor):
            args = (args[0], list(args[1:]))  # einsum(equation, a, b) is einsum(equation, [a, b])
        written = (0,) if op.endswith("_") else ()
        self.recorder.record(op, args, kwargs, out, written=written)
        return out


def _refuse_misfits(op: str, args: tuple[Any, ...]) -> None:
    """Raises what PyTorch raises on a CPU, where it lets the same operands pass on the meta device."""
    if len(args) < 2 or op not in _WITH_WEIGHT:
        return
    x, weight = args[:2]
    if not (isinstance(x, torch.Tensor) and isinstance(weight, torch.Tensor)):
        return
    if x.dtype is not weight.dtype and not torch._C._is_any_autocast_enabled():
        raise RuntimeError(
            f"an input of {x.dtype} meets an operand of {weight.dtype}; they should have the same dtype"
        )
    if "transpose" in op:
        channels = x.shape[1 - weight.ndim] if x.ndim >= weight.ndim - 1 else 0
        if channels != weight.shape[0]:
            raise RuntimeError(
                f"a weight of shape {tuple(weight.shape)} takes {weight.shape[0]} channels, not {channels}"
            )


_WITH_WEIGHT = frozenset(
    "aten.conv1d aten.conv2d aten.conv3d aten.conv_transpose1d aten.conv_transpose2d "
    "aten.conv_transpose3d aten.linear aten.matmul".split()
)
