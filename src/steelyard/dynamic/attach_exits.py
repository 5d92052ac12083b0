"""`attach_exits`: classifiers in the middle of any network, which then runs stage by stage; `lazy_exits` for one that has them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from steelyard.dynamic.cutting import Stage, cut
from steelyard.dynamic.early_exit import State, paused
from steelyard.dynamic.tracing import Trace, trace
from steelyard.errors import ShapeError, UnknownNameError, UsageError
from steelyard.layers.exit_classifier import ConvExit, LinearExit

__all__ = ["AttachedExits", "CutNetwork", "LazyExits", "attach_exits", "lazy_exits"]

MakeClassifier = Callable[[int, int], nn.Module]
"""(channels, classes) -> a module (N, channels, H, W) -> (N, classes)."""

CONV_EXIT_CHANNELS = 128
"""Of the two convolutions of MSDNet's classifiers on CIFAR; Huang et al. 2017 (arXiv:1703.09844), appendix A."""

_FORMS = {2: "(N, C)", 3: "(N, tokens, C)", 4: "(N, C, H, W)"}


class CutNetwork(nn.Module):
    """A network that runs in stages, cut along its data flow; an `EarlyExit`.

    A stage runs what its exit needs and no stage before has run, on the network's own modules. What later
    stages need is the state. Hooks of modules that hold others do not run.

    Attributes:
        network: the network itself.
        exits: number of classifiers.
        input_shape: (1, C, H, W) that it was cut for, or None.
    """

    input_shape: tuple[int, ...] | None = None

    def __init__(self, network: nn.Module, exits: int) -> None:
        super().__init__()
        self.network = network
        self.exits = exits
        self._stages: dict[bool, tuple[Stage, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # stages are code that was made; a copy makes its own
        return {**self.__dict__, "_stages": {}}

    @abstractmethod
    def _marks(self, traced: Trace) -> list[fx.Node]:
        """The value that each exit is made of, earliest first."""

    @abstractmethod
    def _logits(self, stage: int, value: Tensor) -> Tensor:
        """(N, classes) from the value at a mark."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages for the mode (training or evaluation) that the network is in."""
        mode = self.network.training
        if mode not in self._stages:
            traced = trace(self.network)
            self._stages[mode] = cut(self.network, traced.graph, self._marks(traced))
        return self._stages[mode]

    def begin(self, images: Tensor) -> list[State]:
        """(N, C, H, W) -> the images alone."""
        return [images]

    def advance(self, stage: int, state: Sequence[State]) -> tuple[Tensor, list[State]]:
        """The stage of that number -> logits (N, classes), and what later stages read."""
        value, later = self.stages[stage].run(self.network, *state)
        return self._logits(stage, value), list(later)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) -> (N, classes) of every exit, earliest first."""
        state, logits = self.begin(images), []
        for stage in range(self.exits):
            out, state = self.advance(stage, state)
            logits.append(out)
        return tuple(logits)

    def _rehearsed(self, input_shape: Sequence[int]) -> list[Tensor]:
        """The values at the marks for two blank images; every stage is run once.

        Raises:
            UsageError: something is handed from stage to stage that is not one row for each image.
            ShapeError: the network cannot take such images.
        """
        probe = next(self.network.parameters(), torch.empty(0))
        blank = torch.zeros(2, *input_shape[1:], dtype=probe.dtype, device=probe.device)
        state, values = self.begin(blank), []
        with paused(self):
            for number, stage in enumerate(self.stages):
                try:
                    value, later = stage.run(self.network, *state)
                except (RuntimeError, ValueError, IndexError, TypeError) as error:  # torch's own
                    said = str(error).strip().split("\n")[0]
                    raise ShapeError(
                        f"{type(self.network).__name__} cannot run up to exit {number + 1} on images of shape "
                        f"{tuple(input_shape)}: {said}",
                        hint="another input_shape",
                    ) from error
                for one in (value, *later):
                    _check_rows(one, number + 1)
                state = list(later)
                values.append(value)
        return values


class AttachedExits(CutNetwork):
    """A network with classifiers attached; made by `attach_exits`.

    Attributes:
        at: paths of the modules that the classifiers read, in the order in which they run.
        classifiers: one for each of ``at``; the network's own head is the last exit.
    """

    def __init__(self, network: nn.Module, at: Sequence[str]) -> None:
        super().__init__(network, len(at) + 1)
        traced = trace(network)
        places = {path: traced.node_of(network, path) for path in at}
        order = {node: i for i, node in enumerate(traced.graph.nodes)}
        self.at = tuple(sorted(at, key=lambda path: order[places[path]]))
        self.classifiers = nn.ModuleList()
        head = _main(traced.result)
        for i, path in enumerate(self.at):
            same = [other for other in self.at[:i] if places[other] is places[path]]
            if same or places[path] is head:
                whose = (
                    f"those of {same[0]}"
                    if same
                    else "the network's own, and the last exit already"
                )
                raise UsageError(
                    f"the outputs of {path} are {whose}", expected="another module in at="
                )

    def _marks(self, traced: Trace) -> list[fx.Node]:
        inner = [traced.node_of(self.network, path) for path in self.at]
        return [*inner, _main(traced.result)]

    def _logits(self, stage: int, value: Tensor) -> Tensor:
        if stage == self.exits - 1:
            return value
        out: Tensor = self.classifiers[stage](value)
        return out


class LazyExits(CutNetwork):
    """A network that returns several outputs, each computed with nothing that only later ones need."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network, len(_several(trace(network).result)))

    def _marks(self, traced: Trace) -> list[fx.Node]:
        return _several(traced.result)

    def _logits(self, stage: int, value: Tensor) -> Tensor:
        return value


def attach_exits(
    network: nn.Module,
    at: Sequence[str],
    *,
    classifier: Literal["linear", "conv"] | MakeClassifier = "linear",
    input_shape: Sequence[int] | None = None,
) -> AttachedExits:
    """Attaches a classifier behind each of some modules; the network's own head is the last exit.

    The weights are the network's own, not a copy; the classifiers are new and have to be trained::

        network = steelyard.create("resnet20_cifar")
        early = steelyard.attach_exits(network, at=["layer1", "layer2"])
        logits = early(images)  # of three exits

    Args:
        network: a network whose forward does the same for every image.
        at: paths of modules, as of ``named_modules``; each returns one tensor (N, C, H, W), (N, C) or, of a
            transformer, (N, tokens, C). The exits are in the order in which the network reaches them.
        classifier: ``linear``: the mean over all places and a linear layer; ``conv``: MSDNet's, with two 3x3
            convolutions of 128 channels and stride 2 before; or a function that makes one.
        input_shape: (N, C, H, W) of images; None: that which `steelyard.create` made the network for.

    Raises:
        UnknownNameError: no module at a path; the nearest are offered.
        UsageError: no cut at a module: it is not called, or several times, or stands inside one that cannot be
            followed, or has the outputs of another exit; no input shape is known.
        DataDependentError: the network's forward hangs on values or shapes.
        ShapeError: the network cannot take such images; the outputs of a module or of the network are of another
            form.
    """
    _check_paths(network, at)
    shape = input_shape or getattr(network, "input_shape", None)
    if shape is None or len(shape) < 2:
        raise UsageError(
            f"the size of the images of {type(network).__name__} is not known",
            hint="input_shape=(1, 3, 224, 224)",
        )
    early = AttachedExits(network, at)
    early.input_shape = (1, *shape[1:])
    values = early._rehearsed(early.input_shape)
    if values[-1].dim() != 2:
        raise ShapeError(
            f"the network returns {tuple(values[-1].shape)}", expected="logits (N, classes)"
        )
    make = classifier if callable(classifier) else _classifiers(classifier)
    for path, value in zip(early.at, values[:-1], strict=True):
        forms = (4,) if classifier == "conv" else (2, 3, 4)
        if value.dim() not in forms:
            raise ShapeError(
                f"{path} returns {tuple(value.shape)}",
                expected=" or ".join(_FORMS[dims] for dims in forms),
            )
        made = make(value.shape[-1 if value.dim() == 3 else 1], values[-1].shape[1])
        early.classifiers.append(made.to(value.device, value.dtype).train(network.training))
    return early


def lazy_exits(network: nn.Module, *, input_shape: Sequence[int] | None = None) -> LazyExits:
    """Runs a network that has several outputs in stages, one for each output.

    What an output does not need waits until one does: the lazy evaluation of Huang et al. 2017
    (arXiv:1703.09844), sec. 4.2, by which an MSDNet's first exits skip fine maps that no coarse one needs yet.

    Args:
        network: returns a tuple or list of logits, earliest exit first.
        input_shape: as of `attach_exits`.

    Raises:
        UsageError: one output only, or no cut is possible.
        DataDependentError: the network's forward hangs on values or shapes.
    """
    early = LazyExits(network)
    shape = input_shape or getattr(network, "input_shape", None)
    if shape is not None:
        early.input_shape = (1, *shape[1:])
        early._rehearsed(early.input_shape)
    return early


def _check_rows(value: Any, number: int) -> None:
    """Refuses what cannot be handed from stage to stage; ``value`` is of two images."""
    if isinstance(value, (tuple, list)):
        for part in value:
            _check_rows(part, number)
    elif not isinstance(value, Tensor) or value.shape[:1] != (2,):
        tensor = isinstance(value, Tensor)
        found = f"a tensor {tuple(value.shape)}" if tensor else f"a {type(value).__name__}"
        raise UsageError(
            f"the cut behind exit {number} goes through {found}, of two images",
            expected="tensors with a row for each image",
            hint="another module in at=",
        )


def _check_paths(network: nn.Module, at: Sequence[str]) -> None:
    if isinstance(at, str) or not at:
        raise UsageError(
            f"at={at!r}", expected="one path of a module or more", hint='at=["layer1"]'
        )
    known = [name for name, _ in network.named_modules() if name]
    for path in at:
        if path not in known:
            some = ", ".join(name for name, _ in network.named_children())
            raise UnknownNameError("module", path, known, hint=f"one of {some}, or one inside them")
    if len(set(at)) != len(at):
        raise UsageError(f"at={list(at)!r}", expected="every path once")


def _classifiers(kind: str) -> MakeClassifier:
    if kind == "linear":
        return LinearExit
    if kind == "conv":
        return lambda channels, classes: ConvExit(channels, CONV_EXIT_CHANNELS, classes)
    raise UsageError(f"classifier={kind!r}", expected="linear, conv, or a function")


def _main(result: Any) -> fx.Node:
    """The logits: a tensor, the first of a named tuple or mapping (auxiliary ones), the last of a tuple or list."""
    if isinstance(result, Mapping):
        result = next(iter(result.values()))
    elif isinstance(result, (tuple, list)) and result:
        result = result[0] if hasattr(result, "_fields") else result[-1]
    if isinstance(result, fx.Node):
        return result
    raise UsageError(
        f"the network returns a {type(result).__name__}", expected="logits, or a tuple of logits"
    )


def _several(result: Any) -> list[fx.Node]:
    if isinstance(result, (tuple, list)) and len(result) > 1 and len({*result}) == len(result):
        marks = [node for node in result if isinstance(node, fx.Node)]
        if len(marks) == len(result):
            return marks
    raise UsageError(
        "the network does not return several outputs",
        expected="a tuple or list of logits",
        hint="steelyard.attach_exits(network, at=[...])",
    )
