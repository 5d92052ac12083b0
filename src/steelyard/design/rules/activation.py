"""`HSwish`: ReLU and ReLU6 become h-swish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from steelyard.design.rules.base import Replacement, Rule
from steelyard.zoo.config import setting


@dataclass(frozen=True, kw_only=True)
class HSwish(Rule):
    """x ReLU6(x + 3) / 6 in place of ReLU6(x) or ReLU(x): no weights, another function.

    Howard et al. 2019 (arXiv:1905.02244), sec. 5.2. They use it in the deeper half of the network only,
    where maps are small: choose with ``only``.
    """

    name: ClassVar[str] = "h_swish"
    otherwise: ClassVar[str] = '"h_swish:of=both" for ReLU, too; only="*", or another rule'
    of: Literal["relu6", "relu", "both"] = setting("relu6", "which activations are replaced")

    def refusal(self, module: nn.Module) -> str | None:
        """As `Rule.refusal`."""
        wanted = {"relu6": (nn.ReLU6,), "relu": (nn.ReLU,), "both": (nn.ReLU6, nn.ReLU)}[self.of]
        return "" if type(module) in wanted else None

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        del keep_weights
        inplace = bool(getattr(module, "inplace", False))
        return Replacement(nn.Hardswish(inplace).train(module.training), "kept")
