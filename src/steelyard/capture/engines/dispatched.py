"""The two slower engines: the network runs on meta tensors, or on real values, and every operator is recorded.

On meta tensors nothing is allocated or computed. On real values (copies of the parameters) networks run
whose control flow depends on what tensors hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from steelyard.capture.engines.composites import Composites
from steelyard.capture.engines.guard import Guard
from steelyard.capture.engines.network import (
    Network,
    add_parameters,
    map_inputs,
    result_tensors,
)
from steelyard.capture.engines.recorder import Recorder, dtype_name
from steelyard.capture.engines.trace import Trace
from steelyard.errors import DataDependentError
from steelyard.workload import Workload

META = torch.device("meta")
_MOVES = (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda)


class OnMeta(TorchFunctionMode):
    """Whatever makes or moves a tensor does so on the meta device.

    Layer normalisation answers contiguous results, as PyTorch does on a CPU; its own formula for meta
    tensors keeps the input's layout (and is a hundred times slower).
    """

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.layer_norm and args[0].shape[-len(args[1]) :] == tuple(args[1]):
            return torch.empty(args[0].shape, dtype=args[0].dtype, device=META)
        args, kwargs = to_meta(func, args, kwargs or {})
        return func(*args, **kwargs)


def to_meta(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """The call's arguments with every device replaced by meta."""
    if func in _MOVES:
        if func is not torch.Tensor.to:
            return (args[0],), {}
        args = tuple(META if _is_device(arg) else arg for arg in args)
    if kwargs.get("device") is not None or func in _device_constructors():
        return args, {**kwargs, "device": META}
    return args, kwargs


def _is_device(arg: Any) -> bool:
    if isinstance(arg, torch.device):
        return True
    return isinstance(arg, str) and arg.split(":")[0] in ("cpu", "cuda", "mps", "xpu")


def meta_like(tensor: torch.Tensor) -> torch.Tensor:
    """A meta tensor of the same shape, strides and dtype."""
    if tensor.layout != torch.strided:
        return tensor.to(META)
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)


def run_on_meta(network: Network) -> Workload:
    """Captures one pass on meta tensors."""
    return _run(network, real=False)


def run_on_values(network: Network) -> Workload:
    """Captures one pass on real values; made-up zeros where the user gave only shapes.

    Raises:
        DataDependentError: the network read a value that came from made-up inputs.
    """
    return _run(network, real=True)


def _run(network: Network, *, real: bool) -> Workload:
    trace = Trace()
    recorder = Recorder(trace, network.rules)
    guard = Guard(network.model, trace, training=network.training)

    def convert(tensor: torch.Tensor, name: str) -> torch.Tensor:
        made = _input(tensor, network) if real else meta_like(tensor)
        value = trace.value(tuple(made.shape), dtype_name(made.dtype), "input", name)
        recorder.bind(made, value)
        return made

    def body() -> Workload:
        _exchange(guard, trace, recorder, real=real)
        args, kwargs = map_inputs(network, convert)
        place = nullcontext() if real else OnMeta()
        try:
            with torch.no_grad(), place, Composites(recorder), recorder:
                result = guard.call(network.model, args, kwargs)
        except Exception as error:
            if real and not network.real and _reads_input(trace, recorder.read):
                raise _data_dependent(network) from error
            raise
        outputs = [recorder.value_of(tensor) for tensor in result_tensors(result)]
        if real and not network.real and _reads_input(trace, recorder.read):
            raise _data_dependent(network)
        return trace.to_workload(network.name, outputs)

    return guard.run(body)


def _exchange(guard: Guard, trace: Trace, recorder: Recorder, *, real: bool) -> None:
    """Puts a copy in the place of every parameter and buffer; the guard puts the originals back."""
    owned = add_parameters(trace, guard)
    places: list[tuple[nn.Module, Any, str, torch.Tensor]] = [
        (module, holder, name, tensor)
        for module in guard.modules
        for holder in (module._parameters, module._buffers)
        for name, tensor in holder.items()
        if tensor is not None
    ]
    own = ((guard.modules[place], name, tensor) for place, name, tensor in guard.snapshot.tensors)
    places += [(module, module.__dict__, name, tensor) for module, name, tensor in own]
    copies: dict[int, torch.Tensor] = {}
    for module, holder, name, tensor in places:
        scripted = isinstance(module, torch.jit.ScriptModule)  # its tensors live in C++ and stay
        copy = copies.get(id(tensor))
        if copy is None:
            copy = copies[id(tensor)] = tensor if scripted else _copy(tensor, real=real)
            recorder.bind(copy, owned[id(tensor)][0])
        if not scripted:
            holder[name] = copy


def _copy(tensor: torch.Tensor, *, real: bool) -> torch.Tensor:
    copy = tensor.detach().clone() if real else meta_like(tensor)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(copy, requires_grad=tensor.requires_grad)
    return copy


def _put(module: nn.Module, name: str, tensor: torch.Tensor) -> None:
    """Puts the copy where the original was; the guard puts the original back."""
    if isinstance(module, torch.jit.ScriptModule):
        return  # its tensors live in C++ and cannot be exchanged
    holders: tuple[dict[str, Any], ...] = (module._parameters, module._buffers, module.__dict__)
    for holder in holders:
        if holder.get(name) is not None:
            holder[name] = tensor
            return


def _input(tensor: torch.Tensor, network: Network) -> torch.Tensor:
    if tensor.device.type != "meta":
        return tensor.detach().clone()
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


def _data_dependent(network: Network) -> DataDependentError:
    return DataDependentError(
        f"{type(network.model).__name__} decides by the values of its tensors",
        expected="example values, since shapes alone do not say which way it goes",
        hint="capture(model, inputs=(example_tensor,))",
    )


def _reads_input(trace: Trace, read: set[int]) -> bool:
    """True if one of the values read depends on an input."""
    depends = {i for i, role in trace.values.roles.items() if role == "input"}
    for event in trace.events:
        if not depends.isdisjoint(event.inputs):
            depends.update(event.outputs)
    return not depends.isdisjoint(read)
