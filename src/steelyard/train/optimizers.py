"""The optimisers: SGD with Nesterov's momentum, AdamW, and RMSprop as TensorFlow and EfficientNet have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from steelyard.train.recipe import OptimizerPart

__all__ = ["RMSpropTF", "build_optimizer"]


class RMSpropTF(Optimizer):
    """RMSprop with epsilon inside the root, mean squares that begin at 1, and rates inside the momentum.

    Tieleman and Hinton 2012, lecture 6.5, as TensorFlow 1 computes it and EfficientNet was trained
    (Tan and Le 2019, arXiv:1905.11946, sec. 5)::

        square   <- alpha square + (1 - alpha) g^2
        momentum <- momentum_rate momentum + lr g / sqrt(square + eps)
        w        <- w - momentum

    Args:
        params: parameters, or groups of them.
        lr, alpha, momentum, eps: as above.
        weight_decay: times the parameter is added to g first.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        alpha: float = 0.9,
        momentum: float = 0.9,
        eps: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "momentum": momentum,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step along the gradients that the parameters hold."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["square_avg"] = torch.ones_like(parameter)
            state["momentum_buffer"] = torch.zeros_like(parameter)
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        square, moved = state["square_avg"], state["momentum_buffer"]
        square.mul_(group["alpha"]).addcmul_(gradient, gradient, value=1 - group["alpha"])
        root = square.add(group["eps"]).sqrt_()
        moved.mul_(group["momentum"]).addcdiv_(gradient, root, value=group["lr"])
        parameter.sub_(moved)


def build_optimizer(part: OptimizerPart, network: nn.Module) -> Optimizer:
    """The optimiser of a recipe for the parameters of a network.

    Parameters of one dimension (biases, weights of normalisations) form a group without weight decay
    if the recipe says so (He et al. 2018, arXiv:1812.01187, sec. 3.1).
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if not part.decay_all:
        vectors = [p for p in parameters if p.ndim <= 1]
        others = [p for p in parameters if p.ndim > 1]
        groups = [{"params": others}, {"params": vectors, "weight_decay": 0.0}]
        groups = [group for group in groups if group["params"]]
    if part.kind == "rmsprop":
        return RMSpropTF(
            groups,
            lr=part.lr,
            alpha=part.alpha,
            momentum=part.momentum,
            eps=part.eps,
            weight_decay=part.weight_decay,
        )
    if part.kind == "adamw":
        return AdamW(
            groups,
            lr=part.lr,
            betas=(part.beta1, part.beta2),
            eps=part.eps,
            weight_decay=part.weight_decay,
            fused=True,
        )
    return SGD(
        groups,
        lr=part.lr,
        momentum=part.momentum,
        nesterov=part.nesterov,
        weight_decay=part.weight_decay,
        fused=True,
    )
