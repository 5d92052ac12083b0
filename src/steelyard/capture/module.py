"""`capture_module`: an `nn.Module` and its inputs -> `Workload`, by the fastest engine that can follow it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import nn

from steelyard.capture.builder import safe_name
from steelyard.capture.engines.dispatched import run_on_meta, run_on_values
from steelyard.capture.engines.network import LazyNetworkError, Network
from steelyard.capture.engines.recorder import dtype_name
from steelyard.capture.engines.shape_tensor import CannotFollowError
from steelyard.capture.engines.shaped import run_on_shapes
from steelyard.capture.rules import RuleTable
from steelyard.errors import (
    ModelError,
    ShapeError,
    SteelyardError,
    UsageError,
)
from steelyard.workload import Workload

Method = Literal["auto", "shapes", "meta", "values"]

_ENGINES = {"shapes": run_on_shapes, "meta": run_on_meta, "values": run_on_values}
_VALUES_LIMIT = 4 * 2**30
_NEEDS_VALUES = re.compile(
    r"meta|\.item\(|storage|data[- ]dependent|not implemented|quantized|_local_scalar|nonzero|same device",
    re.IGNORECASE,
)


def capture_module(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    name: str,
    real: bool,
    training: bool | None,
    method: Method,
    rules: RuleTable,
) -> Workload:
    """Runs the network for analysis and returns what it asked for.

    Args:
        args, kwargs: the call's arguments; tensors that are on the meta device are shapes only.
        real: the tensors' values were given by the user.
        method: an engine, or ``auto``: shapes, then meta, then values.

    Raises:
        ModelError: the network raised; ShapeError where a layer's input does not fit it.
        DataDependentError: the network reads values that were not given.
    """
    model = _unwrapped(model)
    network = Network(name, model, args, kwargs, real, training, rules)
    try:
        return _captured(network, method)
    except LazyNetworkError:
        lazy = replace(network, model=_initialised(model, args, kwargs))
        return _captured(lazy, method)


def _captured(network: Network, method: Method) -> Workload:
    if method != "auto":
        if method not in _ENGINES:
            raise UsageError(f"no method {method!r}", expected="auto, shapes, meta or values")
        try:
            return _ENGINES[method](network)
        except (SteelyardError, LazyNetworkError):
            raise
        except Exception as error:
            raise _explained(network, error) from error
    try:
        return run_on_shapes(network)
    except LazyNetworkError:
        raise
    except Exception:  # noqa: S110 - whatever it was, the plain engine decides whether it is an error
        pass
    try:
        return run_on_meta(network)
    except SteelyardError:
        raise
    except Exception as error:
        if not _worth_running(network, error):
            raise _explained(network, error) from error
    try:
        return run_on_values(network)
    except SteelyardError:
        raise
    except Exception as error:
        raise _explained(network, error) from error


def _worth_running(network: Network, error: Exception) -> bool:
    """Whether real values could help: the error is about their absence, and they fit in memory."""
    tensors = list(tensors_of(network.model))
    if any(t.device.type == "meta" for t in tensors):
        return False
    size = sum(t.numel() * t.element_size() for t in tensors)
    if size > _VALUES_LIMIT and not network.real:
        return False
    return (
        network.real
        or isinstance(error, (NotImplementedError, CannotFollowError))
        or _NEEDS_VALUES.search(str(error)) is not None
    )


def tensors_of(model: nn.Module) -> Iterator[torch.Tensor]:
    """Every parameter and buffer once, outermost first; nothing recursive, as networks nest deeper than Python calls."""
    seen: set[int] = set()
    stack = [model]
    while stack:
        module = stack.pop()
        if id(module) not in seen:
            seen.add(id(module))
            stack.extend(c for c in reversed(module._modules.values()) if c is not None)
            for held in (*module._parameters.values(), *module._buffers.values()):
                if held is not None and id(held) not in seen:
                    seen.add(id(held))
                    yield held


def _unwrapped(model: nn.Module) -> nn.Module:
    """The network inside ``torch.compile`` and data-parallel wrappers."""
    while True:
        inner = model._modules.get("_orig_mod")
        if inner is None and isinstance(
            model, (nn.DataParallel, nn.parallel.DistributedDataParallel)
        ):
            inner = model._modules.get("module")
        if inner is None:
            return model
        model = inner


def _initialised(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> nn.Module:
    """A copy of a network with lazy layers, their sizes settled by one run on zeros."""

    def zeros(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return torch.zeros(value.shape, dtype=value.dtype)
        return value

    from torch.utils import _pytree as pytree

    clone = copy.deepcopy(model)
    state = torch.get_rng_state()
    try:
        with torch.no_grad():
            clone(*pytree.tree_map(zeros, args), **pytree.tree_map(zeros, dict(kwargs)))
    except Exception as error:
        raise ModelError(
            f"{type(model).__name__} has lazy layers and failed in its first run: {error}"
        ) from error
    finally:
        torch.set_rng_state(state)
    return clone


# ---- what went wrong -----------------------------------------------------------------------------

_EXPECTED_INPUT = {
    nn.Conv1d: "(N, {0.in_channels}, L)",
    nn.Conv2d: "(N, {0.in_channels}, H, W)",
    nn.Conv3d: "(N, {0.in_channels}, D, H, W)",
    nn.ConvTranspose2d: "(N, {0.in_channels}, H, W)",
    nn.BatchNorm1d: "(N, {0.num_features}) or (N, {0.num_features}, L)",
    nn.BatchNorm2d: "(N, {0.num_features}, H, W)",
    nn.Linear: "(..., {0.in_features})",
    nn.GroupNorm: "(N, {0.num_channels}, ...)",
}


_DTYPE_MISMATCH = re.compile(
    r"\btype\b.*should be the same|same dtype|expected .*(dtype|type)", re.IGNORECASE
)


def _explained(network: Network, error: Exception) -> SteelyardError:
    """The user's error: which layer, what it was given, what it expects."""
    if isinstance(error, SteelyardError):
        return error
    path, module, shapes = getattr(error, "_steelyard_where", ("", network.model, ""))
    kind = type(module).__name__
    where = f"layer {_short(path)!r} ({kind})" if path else kind
    lines = str(error).strip().split("\n")
    given = f"{where} raised {type(error).__name__}: {safe_name(lines[0]) or 'no message'}"
    if shapes:
        given += f"; it was called with {_short(shapes)}"
    if isinstance(error, CannotFollowError):
        return ModelError(given, hint="method='auto'")
    if isinstance(error, RecursionError):
        return ModelError(given, expected="a network that does not nest as deep as Python's stack")
    parameter = next((p for p in module._parameters.values() if p is not None), None)
    if parameter is not None and _DTYPE_MISMATCH.search(lines[0]):
        name = dtype_name(parameter.dtype)
        return ModelError(given, expected=f"an input of dtype {name}", hint=f"dtype='{name}'")
    for known, pattern in _EXPECTED_INPUT.items():
        if isinstance(module, known):
            return ShapeError(given, expected=f"an input of shape {pattern.format(module)}")
    return ModelError(given, hint="does the network run on this input without steelyard?")


def _short(text: str) -> str:
    """The text without its middle, where it is long."""
    return text if len(text) <= 200 else f"{text[:97]} ... {text[-97:]}"
