"""The other counters that steelyard is compared with, each behind the same two functions.

A `Peer` runs a counter on (model, args, kwargs) the way its own documentation says (`run`, what the
speed benchmark times) and reads from the result the multiply-accumulates of convolutions, linear layers
and matrix products (`macs`, not timed): what a counter lists apart, such as batch normalisation, is left
out there. ptflops mixes biases, normalisation and activations into its one total; it is marked
``has_surplus`` and judged by an interval.

What a counter cannot be handed directly (keyword arguments, several inputs) is bound in a wrapper
module first, as its user would do.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import io
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import nn

Result = Any


@dataclass(frozen=True)
class Peer:
    """One counter.

    Attributes:
        name: as printed.
        package: distribution whose version is printed.
        run: counts; returns the counter's own result.
        macs: the result as multiply-accumulates.
        has_surplus: the number includes operations that are no multiply-accumulates.
        note: its convention, in words.
        prepare: called before each timed run, outside the timing.
    """

    name: str
    package: str
    run: Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], Result]
    macs: Callable[[Result], int]
    has_surplus: bool
    note: str
    prepare: Callable[[], None] = lambda: None

    def count(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """Multiply-accumulates of one call of the model."""
        return self.macs(self.run(model, args, kwargs))

    @property
    def version(self) -> str:
        """Installed version."""
        return importlib.metadata.version(self.package)


class Bound(nn.Module):
    """A model with its arguments already given."""

    def __init__(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.held = (args, kwargs)
        self.train(model.training)

    def forward(self, unused: Any = None) -> Any:
        args, kwargs = self.held
        return self.model(*args, **kwargs)


def positional(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[nn.Module, tuple[Any, ...]]:
    """(model, args) for counters that take positional arguments only."""
    if not kwargs:
        return model, args
    return Bound(model, args, kwargs), (torch.zeros(1),)


# ---- steelyard ---------------------------------------------------------------------------------


def run_steelyard(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    import steelyard as sy

    return sy.cost(sy.capture(model, inputs=args, kwargs=kwargs)).total.macs


def run_steelyard_on_shape(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result:
    import steelyard as sy

    return sy.cost(sy.capture(model, input_shape=tuple(args[0].shape), kwargs=kwargs)).total.macs


def run_steelyard_rows(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    import steelyard as sy

    report = sy.cost(sy.capture(model, input_shape=tuple(args[0].shape), kwargs=kwargs))
    return sum(row.cost.macs for row in report.rows)


def forget() -> None:
    """Empties everything that steelyard remembers from one call to the next.

    That is the rule table's memory of operators and every cache of a function that holds more than one
    answer (those of one answer are tables that are read once, like an import).
    """
    from steelyard.capture.rules import default_rules

    default_rules().memory.clear()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "steelyard":
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and value.cache_info().maxsize != 1:
                    value.cache_clear()


# ---- fvcore ------------------------------------------------------------------------------------

FVCORE_PRODUCTS = ("conv", "linear", "matmul", "addmm", "bmm", "baddbmm", "mv", "einsum")


def run_fvcore(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    from fvcore.nn import FlopCountAnalysis

    model, args = positional(model, args, kwargs)
    analysis = FlopCountAnalysis(model, args)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings(
        "none"
    )
    analysis.total()
    return analysis


def macs_fvcore(analysis: Result) -> int:
    counts = analysis.by_operator()
    return int(sum(counts[name] for name in FVCORE_PRODUCTS if name in counts))


# ---- torchinfo ---------------------------------------------------------------------------------

NOT_PRODUCTS = ("Norm", "PReLU", "Embedding")


def run_torchinfo(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    import torchinfo

    return torchinfo.summary(model, input_data=list(args), verbose=0, **kwargs)


def macs_torchinfo(statistics: Result) -> int:
    """Its multiply-adds less those of biases and of normalisation, both by its own formula."""
    total = 0
    for info in statistics.summary_list:
        if not info.is_leaf_layer or any(word in info.class_name for word in NOT_PRODUCTS):
            continue
        total += info.macs
        for name, parameter in info.module.named_parameters():
            if "bias" not in name:
                continue
            size = info.output_size
            if name != "bias":
                times = math.prod(size[:2])
            elif "Conv" in info.class_name:
                times = math.prod(size[:1] + size[2:])
            else:
                times = size[0]
            total -= times * parameter.numel()
    return total


# ---- ptflops -----------------------------------------------------------------------------------


def _ptflops() -> Any:
    """ptflops; its bundled tools import torchvision."""
    importlib.import_module("torchvision_stub")
    return importlib.import_module("ptflops")


def run_ptflops(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    """Inputs are bound, because it divides by the batch size of positional inputs, though not all parts."""
    get_model_complexity_info = _ptflops().get_model_complexity_info
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        macs, _ = get_model_complexity_info(
            Bound(model, args, kwargs),
            (1,),
            input_constructor=lambda _: {"unused": None},
            as_strings=False,
            print_per_layer_stat=False,
        )
    if macs is None:
        lines = [line for line in printed.getvalue().splitlines() if line.startswith("<class")]
        raise RuntimeError(lines[0] if lines else "ptflops gave up")
    return macs


# ---- thop --------------------------------------------------------------------------------------


def _count_nothing(module: nn.Module, inputs: Any, output: Any) -> None:
    return None


@cache
def _thop_zeros() -> dict[type[nn.Module], Any]:
    """Its own extension point, used to leave out what is not a product."""
    from thop.profile import register_hooks

    products = ("Conv", "Linear", "RNN", "GRU", "LSTM")
    return {
        kind: _count_nothing
        for kind in register_hooks
        if not any(word in kind.__name__ for word in products)
    }


def run_thop(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    import thop

    model, args = positional(model, args, kwargs)
    return thop.profile(model, args, custom_ops=_thop_zeros(), verbose=False)[0]


# ---- calflops ----------------------------------------------------------------------------------


class _Unused(ModuleType):
    """Answers every attribute with a function that returns False."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: False


@cache
def _calflops() -> Any:
    """calflops, with empty modules in place of the two large packages that only its Hugging Face
    entry points use (transformers, accelerate), where those are not installed."""
    absent = [root for root in ("transformers", "accelerate") if not importlib.util.find_spec(root)]
    for name in ("transformers", "accelerate", "accelerate.utils"):
        if name.split(".")[0] in absent:
            module = _Unused(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            module.__path__ = []
            sys.modules[name] = module
    calflops = importlib.import_module("calflops")
    for name in [n for n, m in sys.modules.items() if isinstance(m, _Unused)]:
        del sys.modules[name]
    return calflops


def run_calflops(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    # it takes either args or kwargs and moves tensors to the device by looking one level deep
    if args and kwargs:
        model, args = positional(model, args, kwargs)
        kwargs = {}
    with contextlib.redirect_stdout(io.StringIO()):
        _, macs, _ = _calflops().calculate_flops(
            model,
            args=list(args),
            kwargs=dict(kwargs),
            print_results=False,
            print_detailed=False,
            output_as_string=False,
        )
    return macs


# ---- torch.utils.flop_counter ------------------------------------------------------------------


def run_flop_counter(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*args, **kwargs)
    return counter.get_total_flops()


def run_flop_counter_fake(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result:
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._pytree import tree_map_only
    from torch.utils.flop_counter import FlopCounterMode

    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        args, kwargs = tree_map_only(torch.Tensor, mode.from_tensor, (args, kwargs))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(*args, **kwargs)
    return counter.get_total_flops()


def run_flop_counter_meta(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result:
    from torch.utils._pytree import tree_map_only
    from torch.utils.flop_counter import FlopCounterMode

    def move(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to("meta")

    args, kwargs = tree_map_only(torch.Tensor, move, (args, kwargs))
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    state = {name: move(tensor) for name, tensor in state.items()}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        torch.func.functional_call(model, state, args, kwargs)
    return counter.get_total_flops()


def half(flops: Result) -> int:
    return int(flops) // 2


def whole(macs: Result) -> int:
    return int(macs)


STEELYARD = Peer("steelyard", "steelyard", run_steelyard, whole, False, "given the inputs")
STEELYARD_ON_SHAPE = Peer(
    "steelyard", "steelyard", run_steelyard_on_shape, whole, False,
    "given the input's shape; all that it remembers of earlier calls is emptied first", forget,
)  # fmt: skip
STEELYARD_ROWS = Peer(
    "steelyard-rows", "steelyard", run_steelyard_rows, whole, False,
    "the same, and a row made for every layer, with its name, tensors and loops", forget,
)  # fmt: skip
STEELYARD_AGAIN = Peer(
    "steelyard-again", "steelyard", run_steelyard_on_shape, whole, False,
    "the same, remembering operators (never networks) of earlier calls",
)  # fmt: skip

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("fvcore", "fvcore", run_fvcore, macs_fvcore, False,
             "its 'flops' are MACs; norms, pooling and resizing left out"),
        Peer("torchinfo", "torchinfo", run_torchinfo, macs_torchinfo, False,
             "mult-adds of leaf modules; biases and norms taken out"),
        Peer("ptflops", "ptflops", run_ptflops, whole, True,
             "default (pytorch) backend; total includes biases, norms and activations"),
        Peer("thop", "thop", run_thop, whole, False, "norms, activations and pooling turned off"),
        Peer("calflops", "calflops", run_calflops, whole, False, "its MACs"),
        Peer("FlopCounter", "torch", run_flop_counter, half, False,
             "torch.utils.flop_counter on real tensors; flops / 2"),
        Peer("FlopCounter-fake", "torch", run_flop_counter_fake, half, False,
             "the same under FakeTensorMode"),
        Peer("FlopCounter-meta", "torch", run_flop_counter_meta, half, False,
             "the same on meta tensors"),
    )
}  # fmt: skip
"""The counters compared with, by name."""


def available(names: list[str] | None = None) -> tuple[list[Peer], dict[str, str]]:
    """(peers that can be imported, reason for each that cannot)."""
    importers: dict[str, Callable[[], Any]] = {
        "fvcore": lambda: importlib.import_module("fvcore.nn"),
        "torchinfo": lambda: importlib.import_module("torchinfo"),
        "ptflops": _ptflops,
        "thop": lambda: importlib.import_module("thop"),
        "calflops": _calflops,
    }
    usable, missing = [], {}
    for name in names or list(PEERS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importers.get(name, lambda: None)()
            usable.append(PEERS[name])
        except Exception as error:
            missing[name] = f"{type(error).__name__}: {error}"
    return usable, missing
