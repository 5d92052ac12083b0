"""The rule table: which operator is which kind of layer, with which loops and operations.

A rule is a function from a `Call` (operator, operands, attributes, results) to a `Draft` (kind, loop
nests, element operations). All front ends look rules up here, by the operator's name:

- PyTorch's operators as ``aten.conv2d`` or, where one overload differs, ``aten.max.dim`` (tried
  first); other namespaces alike (``torchvision.deform_conv2d``). ``Call.args`` and ``kwargs`` follow
  the operator's schema, with an `Operand` in place of every tensor.
- ONNX's as ``onnx.Conv``; other domains as ``com.microsoft.Gelu``. ``Call.args`` are the node's
  inputs (None where left out), ``Call.kwargs`` its attributes.

Users add their own with `register_rule`.
"""

from steelyard.capture.rules.table import (
    Call,
    Draft,
    Operand,
    Rule,
    RuleTable,
    default_rules,
    register_rule,
)

__all__ = ["Call", "Draft", "Operand", "Rule", "RuleTable", "default_rules", "register_rule"]
