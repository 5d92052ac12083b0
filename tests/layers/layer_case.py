"""`LayerCase`: what `test_contract.py` must know of a layer to put it through the same proofs as all others.

The cases of a layer stand in ``cases/<layer>.py`` as ``CASES``, a list; they are found by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LayerCase:
    """One layer with one choice of arguments.

    Attributes:
        name: unique, e.g. ``shift-3x3``.
        build: makes the layer, small (gradcheck runs it in float64); every call the same arguments.
        inputs: shapes of the inputs from (N, H, W); usually ``lambda n, h, w: [(n, 8, h, w)]``.
        output: shape of the output from (N, H, W), by the layer's formula; a list for several outputs.
        params: parameters, counted by hand.
        macs: multiply-accumulates in eval mode from (N, H, W), by hand.
        size: (N, H, W) for gradients and exports.
        sizes: smallest and largest H and W that the property test draws.
        list_input: the layer takes one list of tensors, not several arguments.
        train_differs: training and eval give different outputs from the same weights.
        grad: "" or why `torch.autograd.gradcheck` does not apply (e.g. a straight-through estimator).
        export: "" or why torch.export cannot take it.
        onnx: "" or why ONNX cannot take it.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[int, int, int], list[Shape]]
    output: Callable[[int, int, int], Shape | list[Shape]]
    params: int
    macs: Callable[[int, int, int], int]
    size: Shape = (2, 6, 6)
    sizes: tuple[int, int] = (4, 12)
    list_input: bool = False
    train_differs: bool = False
    grad: str = ""
    export: str = ""
    onnx: str = ""
