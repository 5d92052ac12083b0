"""`run_on_shapes`: one pass of a network on `ShapeTensor`s."""

from __future__ import annotations

from itertools import chain

import torch

from steelyard.capture.engines.guard import Guard
from steelyard.capture.engines.network import (
    Network,
    add_parameters,
    map_inputs,
    result_tensors,
)
from steelyard.capture.engines.recorder import dtype_name
from steelyard.capture.engines.shape_functions import FUNCTIONS
from steelyard.capture.engines.shape_layers import MODULES
from steelyard.capture.engines.shape_tensor import CannotFollowError, ShapeTensor
from steelyard.capture.engines.shapes import ShapeEngine
from steelyard.capture.engines.trace import Trace
from steelyard.workload import Workload


def run_on_shapes(network: Network) -> Workload:
    """Captures one pass on shape tensors.

    Raises:
        CannotFollowError: the network does something that only the slower engines can follow.
    """
    trace = Trace()
    guard = Guard(network.model, trace, training=network.training, intercept=MODULES)

    def body() -> Workload:
        guard.calls.subject = engine = _engine(network, trace, guard)

        def convert(tensor: torch.Tensor, name: str) -> ShapeTensor:
            if tensor.layout != torch.strided:
                raise CannotFollowError("sparse input")
            value = trace.value(tuple(tensor.shape), dtype_name(tensor.dtype), "input", name)
            strides = None if tensor.is_contiguous() else tensor.stride()
            return engine.make(tensor.shape, tensor.dtype, value, strides)

        args, kwargs = map_inputs(network, convert)
        with torch.no_grad(), engine:
            result = guard.call(network.model, args, kwargs)
        if engine.failed:
            raise CannotFollowError(engine.failed)
        outputs = [engine.value_of(tensor) for tensor in result_tensors(result)]
        return trace.to_workload(network.name, outputs)

    return guard.run(body)


def _engine(network: Network, trace: Trace, guard: Guard) -> ShapeEngine:
    """An engine that knows the network's parameters and pretends to be on their device."""
    owned = add_parameters(trace, guard)
    held = chain(guard.snapshot.parameters.values, guard.snapshot.buffers.values)
    device = next((tensor.device for tensor in held if tensor is not None), torch.device("cpu"))
    if device.type == "meta":
        device = torch.device("cpu")
    engine = ShapeEngine(trace, network.rules, device, FUNCTIONS, guard)
    engine.owned = owned
    return engine
