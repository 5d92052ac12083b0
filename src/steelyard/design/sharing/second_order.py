"""`architecture_gradient`: the gradient by which DARTS learns what its cells are, to the first and the second order.

DARTS (Liu et al. 2018, arXiv:1806.09055), sec. 2.3, eq. 6 to 8: the architecture a is good if the weights are good after a
step of theirs, w' = w - xi grad_w L_train(w, a):

    grad_a L_val(w', a) - xi grad2_aw L_train(w, a) grad_w' L_val(w', a)

The second term, which has a second derivative, is a difference of two first ones (eq. 8): with w+- = w +- e v and
v = grad_w' L_val(w', a),

    xi (grad_a L_train(w+, a) - grad_a L_train(w-, a)) / 2 e,   e = 0.01 / |v|

To the first order xi is 0: only grad_a L_val(w, a) is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
Loss = Callable[[Weights, Sequence[Tensor]], Tensor]
"""From weights and architecture to the loss of a batch."""

NEAR = 0.01
"""e times the norm of v (the paper's footnote to eq. 8)."""


def first_order(held: Loss, weights: Weights, architecture: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of the held-out loss with the weights as they are, xi = 0."""
    return list(torch.autograd.grad(held(weights, architecture), list(architecture)))


def architecture_gradient(
    train: Loss,
    held: Loss,
    weights: Weights,
    architecture: Sequence[Tensor],
    *,
    ahead: Callable[[Weights], Weights],
    rate: float,
    near: float = NEAR,
) -> list[Tensor]:
    """The gradient of the held-out loss after a step of the weights, its second term by eq. 8 or exactly.

    Where losses have kinks (rectifiers, maxima), the difference may be far from the derivative.

    Args:
        train, held: losses of a batch of each kind.
        weights: w.
        architecture: a, which needs gradients.
        ahead: w' from grad_w L_train(w, a).
        rate: xi, the share of that gradient that is in w - w'.
        near: e times the norm of v; 0: second derivatives instead of the difference.
    """
    names = list(weights)
    here = _leaves(weights)
    slopes = torch.autograd.grad(
        train(here, architecture),
        list(here.values()),
        create_graph=not near,
        materialize_grads=True,
    )
    flat = {name: slope.detach() for name, slope in zip(names, slopes, strict=True)}
    there = _leaves(ahead(flat))
    found = torch.autograd.grad(
        held(there, architecture), [*there.values(), *architecture], materialize_grads=True
    )
    direction, direct = dict(zip(names, found, strict=False)), found[len(names) :]
    if near:
        second = _difference(train, weights, architecture, direction, near)
    else:
        second = torch.autograd.grad(
            slopes, list(architecture), list(direction.values()), materialize_grads=True
        )
    return [one - rate * other for one, other in zip(direct, second, strict=True)]


def _difference(
    train: Loss, weights: Weights, architecture: Sequence[Tensor], v: Weights, near: float
) -> Sequence[Tensor]:
    """grad2_aw L_train(w, a) v by eq. 8."""
    length = float(torch.stack([part.norm() for part in v.values()]).norm())
    if length == 0:
        return [torch.zeros_like(a) for a in architecture]
    e = near / length
    sides = []
    for sign in (e, -e):
        moved = {name: w.detach() + sign * v[name] for name, w in weights.items()}
        loss = train(moved, architecture)
        sides.append(torch.autograd.grad(loss, list(architecture), materialize_grads=True))
    return [(plus - minus) / (2 * e) for plus, minus in zip(*sides, strict=True)]


def _leaves(weights: Weights) -> dict[str, Tensor]:
    return {name: w.detach().requires_grad_() for name, w in weights.items()}
