"""`trace`: a network's forward as a graph of modules and functions, with what each module returned."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError

from steelyard.errors import DataDependentError, UsageError

__all__ = ["Trace", "trace"]


@dataclass(frozen=True, slots=True)
class Trace:
    """One call of a network, nothing computed.

    Attributes:
        graph: its operations in order; the last is the output.
        outputs: what each module returned, call by call, by its first path.
        opaque: modules that stay whole, because what happens inside hangs on values or shapes.
    """

    graph: fx.Graph
    outputs: dict[str, list[Any]]
    opaque: frozenset[str]

    @property
    def result(self) -> Any:
        """What the network returns: a node, or nodes in a tuple, list or mapping."""
        result = next(iter(reversed(self.graph.nodes))).args[0]
        # making a named tuple is an operation of the graph
        if isinstance(result, fx.Node) and hasattr(result.target, "_fields"):
            made: Any = result.target
            return made(*result.args)
        return result

    def node_of(self, network: nn.Module, path: str) -> fx.Node:
        """The one tensor that the module at a path of the network returns.

        Raises:
            UsageError: there is none, or the module is called several times.
        """
        module = network.get_submodule(path)
        inside = [name for name in self.opaque if path.startswith(f"{name}.")]
        if inside:
            raise UsageError(
                f"{path} stands inside {inside[0]}, whose forward hangs on values or shapes and stays whole",
                expected=f"{inside[0]}, or a module outside of it",
            )
        # a module may have several names; the first is the one that is recorded
        first = next(name for name, other in network.named_modules() if other is module)
        calls = self.outputs.get(first, [])
        if len(calls) != 1:
            times = f"called {len(calls)} times" if calls else "not called"
            parts = [name for name in self.outputs if name.startswith(f"{first}.")]
            raise UsageError(
                f"{path} is {times} when the network runs",
                expected="a module that is called once",
                hint=f"the last one inside it, {parts[-1]}" if parts and not calls else "",
            )
        out = calls[0]
        if not isinstance(out, fx.Proxy):
            raise UsageError(
                f"{path} returns a {type(out).__name__}",
                expected="a module that returns one tensor",
            )
        return out.node


def trace(network: nn.Module) -> Trace:
    """Follows one call of a network, in the mode that it is in; the network is left as it was.

    A module whose forward cannot be followed stays one operation.

    Raises:
        DataDependentError: the network's own forward hangs on values or shapes.
    """
    tracer = _Tracer()
    try:
        graph = tracer.trace(network)
    # whatever the network's code raises when it is given no tensor
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        raise DataDependentError(
            f"the forward of {type(network).__name__} cannot be followed: {first}",
            expected="the same operations in the same order for every image",
            hint="give it the methods begin and advance of steelyard.dynamic.early_exit.EarlyExit",
        ) from error
    return Trace(graph, tracer.outputs, frozenset(tracer.opaque))


class _Tracer(fx.Tracer):
    """Records what modules return; a module that cannot be followed becomes one operation."""

    def __init__(self) -> None:
        super().__init__()
        self.opaque: set[str] = set()
        self.outputs: dict[str, list[Any]] = {}

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        # the images alone; a mask or a flag that need not be given keeps its default, which code may ask for
        return root_fn, [self.root, self.create_proxy("placeholder", "images", (), {})]

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        path, stack = self.path_of_module(m), copy(self.module_stack)
        last, known = len(self.graph.nodes), {name: len(o) for name, o in self.outputs.items()}
        try:
            out = super().call_module(m, forward, args, kwargs)
        # whatever its code raises when it is given no tensor
        except Exception:
            self._forget(last, known)
            self.module_stack = stack
            self.opaque.add(path)
            out = self.create_proxy("call_module", path, args, kwargs)
        self.outputs.setdefault(path, []).append(out)
        return out

    def _forget(self, last: int, known: dict[str, int]) -> None:
        """Takes back what was recorded behind the first ``last`` operations."""
        for node in reversed(list(self.graph.nodes)[last:]):
            # parameters that were looked up may be used again, and cost nothing
            if node.op != "get_attr":
                self.graph.erase_node(node)
        self.outputs = {name: self.outputs[name][:count] for name, count in known.items()}

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, Tensor) and not isinstance(a, nn.Parameter):
            known = any(a is buffer for buffer in self.root.buffers())
            if not known and a not in self.tensor_attrs:
                # torch.fx would store it in the network
                raise TraceError("a tensor is made in forward")
        return super().create_arg(a)
