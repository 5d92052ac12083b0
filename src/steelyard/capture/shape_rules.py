"""Shape arithmetic for the commonest modules and functions, so that the fast engine need not ask PyTorch.

Each rule answers exactly what the meta engine would (a test compares them on every network), or
NotImplemented, which sends the call the general way. Rules take contiguous tensors only.
"""

from __future__ import annotations

from typing import Any

MODULES: dict[type, Any] = {}
FUNCTIONS: dict[Any, Any] = {}
