"""The size of a feature map behind a convolution or pooling."""

from __future__ import annotations


def out_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, *, ceil: bool = False
) -> int:
    """``floor((size + 2 padding - kernel) / stride) + 1``; with ``ceil`` as Caffe's pooling rounds.

    Rounded up, a last window that would start outside the map and its leading padding is dropped, as
    Caffe and PyTorch do. The result is below 1 where the kernel does not fit.

    >>> out_size(227, 11, 4), out_size(112, 3, 2), out_size(112, 3, 2, ceil=True)
    (55, 55, 56)
    """
    span = size + 2 * padding - kernel
    steps = -(-span // stride) if ceil else span // stride
    if ceil and steps * stride >= size + padding:
        steps -= 1
    return steps + 1
