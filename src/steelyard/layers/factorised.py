"""A large filter as several small ones: a stack of 3x3, or 1xR and Rx1.

Stacks: Simonyan and Zisserman 2014 (arXiv:1409.1556), sec. 2.3. Asymmetric pairs: Szegedy et al. 2015
(arXiv:1512.00567), sec. 3.2.
"""

from __future__ import annotations

from torch import nn

from steelyard.errors import UsageError


class StackedConv(nn.Sequential):
    """n 3x3 convolutions that see what one of side 2n + 1 sees: (N, C, H, W) -> (N, M, H/stride, W/stride).

    With C channels throughout, 9 n C^2 weights instead of (2n + 1)^2 C^2: 18 to 25, 27 to 49, 36 to 81.

    Args:
        in_channels, out_channels: C and M.
        kernel: side of the filter that is replaced, odd and at least 3.
        stride: of the last convolution, so that the outputs stand where the large filter's would.
        inner: channels between; None: as many as come out.
        relu: a ReLU behind each convolution but the last; without, the stack is one linear map.
        bias: of each convolution.

    Raises:
        UsageError: an even or too small kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        *,
        inner: int | None = None,
        relu: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel < 3 or kernel % 2 == 0:
            raise UsageError(
                f"a filter of side {kernel} is no stack of 3x3", expected="an odd side from 3 on"
            )
        count = kernel // 2
        widths = [in_channels, *[out_channels if inner is None else inner] * (count - 1)]
        for i, width in enumerate(widths):
            last = i == count - 1
            target = out_channels if last else widths[i + 1]
            step = stride if last else 1
            self.append(nn.Conv2d(width, target, 3, step, padding=1, bias=bias))
            if relu and not last:
                self.append(nn.ReLU(inplace=True))


class AsymmetricConv(nn.Sequential):
    """1xR, then Rx1: (N, C, H, W) -> (N, M, H/stride, W/stride).

    With C channels throughout, 2 R C^2 weights instead of R^2 C^2. Each convolution strides along its own
    axis, so that no output of the first is computed in vain.

    Args:
        in_channels, out_channels: C and M.
        kernel: R, odd.
        stride: of both.
        inner: channels between; None: as many as come out.
        relu: a ReLU between.
        bias: of each convolution.

    Raises:
        UsageError: an even kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        *,
        inner: int | None = None,
        relu: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise UsageError(
                f"a filter of side {kernel} cannot be padded evenly", expected="an odd side"
            )
        middle = out_channels if inner is None else inner
        rim = kernel // 2
        self.append(nn.Conv2d(in_channels, middle, (1, kernel), (1, stride), (0, rim), bias=bias))
        if relu:
            self.append(nn.ReLU(inplace=True))
        self.append(nn.Conv2d(middle, out_channels, (kernel, 1), (stride, 1), (rim, 0), bias=bias))
