"""`run_on_shapes`: one pass of a network on `ShapeTensor`s."""

from __future__ import annotations

import torch

from steelyard.capture.engines.guard import Guard
from steelyard.capture.engines.network import (
    Network,
    Pass,
    add_parameters,
    map_inputs,
    result_tensors,
)
from steelyard.capture.engines.recorder import dtype_name
from steelyard.capture.engines.shape_functions import FUNCTIONS
from steelyard.capture.engines.shape_layers import MODULES
from steelyard.capture.engines.shape_tensor import CannotFollowError, Owned, ShapeTensor
from steelyard.capture.engines.shapes import ShapeEngine
from steelyard.capture.engines.trace import Trace


def run_on_shapes(network: Network) -> Pass:
    """Records one pass on shape tensors.

    Raises:
        CannotFollowError: the network does something that only the slower engines can follow.
    """
    trace = Trace()
    engine: ShapeEngine

    def convert(tensor: torch.Tensor, name: str) -> ShapeTensor:
        if tensor.layout != torch.strided:
            raise CannotFollowError("sparse input")
        value = trace.value(tuple(tensor.shape), dtype_name(tensor.dtype), "input", name)
        strides = None if tensor.is_contiguous() else tensor.stride()
        return engine.make(tensor.shape, tensor.dtype, value, strides)

    intercept = {
        kind: (lambda module, args, rule=rule: rule(engine, module, args))
        for kind, rule in MODULES.items()
    }
    with Guard(network.model, trace, training=network.training, intercept=intercept) as guard:
        device = torch.device("cpu")
        owned: dict[int, Owned] = {}
        for _, _, tensor, value in add_parameters(trace, guard):
            if id(tensor) not in owned:
                contiguous = tensor.layout == torch.strided and tensor.is_contiguous()
                owned[id(tensor)] = Owned(value, tensor.shape, tensor.dtype, contiguous, tensor)
                device = tensor.device
        if device.type == "meta":
            device = torch.device("cpu")
        engine = ShapeEngine(trace, network.rules, device, FUNCTIONS)
        engine.owned = owned
        args, kwargs = map_inputs(network, convert)
        with torch.no_grad(), engine:
            result = network.model(*args, **kwargs)
        if engine.failed:
            raise CannotFollowError(engine.failed)
        outputs = [engine.value_of(tensor) for tensor in result_tensors(result)]
    return Pass(trace, outputs)
