"""`Network` and `Backbone`: what every network of the zoo is, and the same without its classifier."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from steelyard.errors import ShapeError, UsageError

_GROWTH = 2**8 * 3**2
"""An image that is wider by so many pixels has maps that are wider by so many over their stride."""


class Network(nn.Module):
    """A classifier: a trunk, which is a chain of modules from image to last feature map, and a head.

    A family whose maps form a chain defines `trunk` and `classify` and gets `forward` and
    `feature_maps` from here. A family with parallel branches overrides the latter two.

    Attributes:
        input_shape: (N, C, H, W) that `create` made it for, with N = 1; None if built by hand.
        one_size: whether its linear layers fit the map of that one size of image.
    """

    input_shape: tuple[int, int, int, int] | None = None
    one_size = False

    def trunk(self) -> Iterable[nn.Module]:
        """The chain of modules from the image (N, C, H, W) to the last feature map, in order.

        Fine-grained enough that each map before a change of resolution is some module's output.

        Raises:
            UsageError: a network with parallel branches, which has none.
        """
        raise UsageError(
            f"{type(self).__name__} has no chain of modules: its branches are parallel"
        )

    def classify(self, x: Tensor) -> Tensor:
        """Last feature map (N, C, P, Q) -> (N, classes).

        Raises:
            UsageError: a network that has no such head.
        """
        raise UsageError(f"{type(self).__name__} has no head behind a last feature map")

    def forward(self, x: Tensor) -> Any:
        """(N, C, H, W) -> (N, classes).

        Raises:
            ShapeError: images that are too small, have other channels, or are not of the one size.
        """
        y = x
        try:
            for module in self.trunk():
                y = module(y)
            return self.classify(y)
        except RuntimeError as error:
            # subclasses say something else: out of memory, not implemented
            if self.input_shape is None or type(error) is not RuntimeError:
                raise
            if x.shape[1:] == self.input_shape[1:] and not _is_too_small(error):
                raise
            raise _misfit(self, self.input_shape, tuple(x.shape), error) from error

    def children_before(self, module: nn.Module) -> list[nn.Module]:
        """The children that were added before one of them, in order."""
        children = list(self.children())
        return children[: children.index(module)]

    def children_from(self, module: nn.Module) -> list[nn.Module]:
        """One of the children and those that were added after it, in order."""
        children = list(self.children())
        return children[children.index(module) :]

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The last map of every resolution, largest first: (N, C, H, W) -> (N, C_i, H_i, W_i), ..."""
        maps: list[Tensor] = []
        for i, module in enumerate(self.trunk()):
            y = module(x)
            if i and shrinks(x, y):
                maps.append(x)
            x = y
        return (*maps, x)


class Backbone(nn.Module):
    """A network without its classifier: (N, C, H, W) -> the last map of every resolution, largest first.

    Attributes:
        network: the network; modules that only the classifier needs are removed.
        channels: channels of each map.
        strides: by how many pixels a pixel of each map moves over the image; the sides of the maps are
            the image's divided by them, but for rims that unpadded convolutions take off.
        input_shape: (N, C, H, W) that `create` made it for, with N = 1.

    Args:
        network: as `create` builds it.
        probe: the same network on the meta device; it is run on that shape and on a larger one.
        input_shape: (N, C, H, W) that the network was made for.
    """

    input_shape: tuple[int, int, int, int] | None = None

    def __init__(
        self, network: Network, probe: Network, input_shape: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        called: set[str] = set()
        for name, module in probe.named_modules():
            module.register_forward_pre_hook(lambda *_, name=name: called.add(name))
        with torch.no_grad():
            maps = probe.eval().feature_maps(torch.empty(input_shape, device="meta"))
            wider = (*input_shape[:-1], input_shape[-1] + _GROWTH)
            wider_maps = probe.feature_maps(torch.empty(wider, device="meta"))
        self.channels = tuple(m.shape[1] for m in maps)
        pairs = zip(maps, wider_maps, strict=True)
        self.strides = tuple(_GROWTH // (w.shape[-1] - m.shape[-1]) for m, w in pairs)
        self.network = network
        _prune(network, called)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) -> (N, channels[i], ~H/strides[i], ~W/strides[i]) for every i."""
        return self.network.feature_maps(x)


def _is_too_small(error: RuntimeError) -> bool:
    """Whether a window found no place on its map, in PyTorch's words."""
    return any(words in str(error) for words in ("too small", "can't be greater than actual input"))


def _misfit(
    network: Network, made_for: tuple[int, ...], given: tuple[int, ...], error: RuntimeError
) -> ShapeError:
    """What to say of images that a network cannot take."""
    _, channels, height, width = made_for
    expected = f"(N, {channels}, {height}, {width}), which it was made for"
    hint = ""
    if len(given) == 4 and given[1] != channels:
        hint = f"create(..., in_channels={given[1]}), or NETWORK:in_channels={given[1]}"
    elif network.one_size and len(given) == 4:
        expected += "; its linear layers fit no other size"
        square = given[2] == given[3]
        resolution = f"create(..., resolution={given[2]})"
        hint = resolution if square else "square images; resolution=... sets their size"
    elif given[1:] == made_for[1:]:
        expected, hint = "a pixel in every map", "create(..., resolution=...) with a larger one"
    elif len(given) == 4:
        expected += ", or any size that leaves a pixel in every map"
    first = str(error).strip().split("\n")[0]
    return ShapeError(
        f"{type(network).__name__} cannot take an input of shape {given}: {first}",
        expected=expected,
        hint=hint,
    )


def shrinks(before: Tensor, after: Tensor) -> bool:
    """Whether a module divides the resolution; an unpadded convolution takes off a rim only."""
    return 3 * after.shape[-1] < 2 * before.shape[-1]


def _prune(network: nn.Module, called: set[str]) -> None:
    """Removes the modules with parameters that did not run, unless a module around them did."""
    settled = set(called)
    for name, module in list(network.named_modules()):
        parents = [name[:i] for i, letter in enumerate(name) if letter == "."]
        ran = any(other == name or other.startswith(f"{name}.") for other in called)
        if name and not ran and not settled.intersection(parents) and _holds_weights(module):
            owner, _, child = name.rpartition(".")
            del network.get_submodule(owner)._modules[child]
            settled.add(name)  # what stands below it is gone with it


def _holds_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None
