"""Directions in the space of a network's weights: random and normalised by filter, between two networks, principal ones.

Li, Xu, Taylor, Studer, Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018 (arXiv:1712.09913),
sections 4 and 7. Directions are float64, so that normalised ones have the norms of the weights to the last digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from steelyard.errors import InputError, UsageError

__all__ = [
    "NORMALISATIONS",
    "Direction",
    "Normalisation",
    "Plane",
    "difference",
    "principal_plane",
    "random_direction",
    "weights_of",
]

Normalisation = Literal["filter", "layer", "none"]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)

Direction = Mapping[str, Tensor]
"""A float64 tensor for each parameter (and, between two networks, each floating-point buffer) by name."""


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane that holds most of the way of a training.

    Attributes:
        first, second: at right angles, and as long as the largest coordinate of the way.
        shares: of the variance of the way that each explains, fractions of 1.
        places: coordinates of each state, seen from the last, the largest of them 1.
    """

    first: Direction
    second: Direction
    shares: tuple[float, float]
    places: tuple[tuple[float, float], ...]


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """The parameters by name, float64 copies."""
    return {
        name: p.detach().to("cpu", torch.float64, copy=True)
        for name, p in network.named_parameters()
    }


def random_direction(
    weights: Mapping[str, Tensor],
    seed: int,
    *,
    normalise: Normalisation = "filter",
    vectors: bool = False,
) -> dict[str, Tensor]:
    """A Gaussian direction, scaled so that weights of any size are moved alike.

    A filter is what makes one output: a slice of the first dimension, also of a linear layer. With ``filter``
    each has the norm of the network's own filter; with ``layer`` each parameter as a whole has.

    Args:
        weights: the parameters.
        seed: of the direction.
        normalise: by what.
        vectors: also biases and normalisations, whose every number is then a filter; 0 otherwise, as in the paper.

    Raises:
        UsageError: another normalisation.
    """
    if normalise not in NORMALISATIONS:
        raise UsageError(f"normalise={normalise!r}", expected=", ".join(NORMALISATIONS))
    generator = torch.Generator().manual_seed(seed)
    out = {}
    for name, weight in weights.items():
        drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        if weight.dim() <= 1 and not vectors:
            out[name] = torch.zeros_like(drawn)
        elif normalise == "none":
            out[name] = drawn
        else:
            filters = weight.shape[0] if normalise == "filter" and weight.dim() else 1
            own, other = weight.double().reshape(filters, -1), drawn.reshape(filters, -1)
            out[name] = (other * (_norm(own) / _norm(other))).view(weight.shape)
    return out


def difference(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The direction from ``a`` to ``b``: what is floating-point in both, statistics of normalisations included.

    Raises:
        InputError: they are not of the same network.
    """
    odd = sorted(a.keys() ^ b.keys())
    odd = odd or [name for name in a if a[name].shape != b[name].shape]
    if odd:
        raise InputError(
            f"the two are not of one network: {odd[0]!r} is in one of them only, or of another shape",
            expected="weights of the same network",
        )
    return {name: b[name].double() - a[name].double() for name in a if a[name].is_floating_point()}


def principal_plane(states: Sequence[Mapping[str, Tensor]], *, vectors: bool = False) -> Plane:
    """The two principal components of the way that weights went, seen from the last state (section 7.2).

    Args:
        states: weights in the order of the training, three or more.
        vectors: also biases and normalisations.

    Raises:
        InputError: too few states, of different networks, or that all lie on one line.
    """
    if len(states) < 3:
        raise InputError(
            f"{len(states)} states of a training",
            expected="three or more",
            hint="steelyard train --keep-every N keeps those of every N-th epoch",
        )
    last = states[-1]
    names = [
        name
        for name, tensor in last.items()
        if tensor.is_floating_point() and (vectors or tensor.dim() > 1)
    ]
    ways = [difference(last, state) for state in states[:-1]]
    rows = torch.stack([torch.cat([way[name].reshape(-1) for name in names]) for way in ways])
    # of few rows and many columns: the eigenvectors of the small product
    values, vectors_ = torch.linalg.eigh(rows @ rows.T)
    (second, first), (low, high) = vectors_.T[-2:], values[-2:].clamp_min(0).tolist()
    if low <= 1e-12 * high:
        raise InputError(
            "the states of the training lie on one line", expected="states that go another way, too"
        )
    axes = [(vector @ rows) / value**0.5 for vector, value in ((first, high), (second, low))]
    places = [(float(row @ axes[0]), float(row @ axes[1])) for row in rows]
    reach = max(abs(number) for place in places for number in place)
    total = float(values.clamp_min(0).sum())
    return Plane(
        _unflat(axes[0] * reach, last, names),
        _unflat(axes[1] * reach, last, names),
        (high / total, low / total),
        (*((x / reach, y / reach) for x, y in places), (0.0, 0.0)),
    )


def _norm(rows: Tensor) -> Tensor:
    """Of each row: (rows, 1)."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return norms


def _unflat(flat: Tensor, like: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    sizes = [like[name].numel() for name in names]
    pieces = dict(zip(names, torch.split(flat, sizes), strict=True))
    return {
        name: pieces[name].view(tensor.shape)
        if name in pieces
        else torch.zeros(tensor.shape, dtype=torch.float64)
        for name, tensor in like.items()
        if tensor.is_floating_point()
    }
