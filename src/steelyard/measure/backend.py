"""What a backend is: the protocol that ours and a user's follow, and the table of those that there are.

A backend takes a `Program` (a network and the inputs that it is to run on) and a `Setting`, and answers
with a `Runner` that performs one inference at each call. The contract, which
`steelyard.measure.conformance.BackendContract` proves for any backend:

- ``missing()`` answers quickly, imports nothing heavy and never raises.
- ``load`` either returns a runner or raises `BackendError` or `UsageError`; the program is left as it was.
- A runner's ``run()`` returns when the outputs are computed (an asynchronous device is synchronised).
- ``outputs()`` are those of the last run, on the CPU, in float32 if they are floating-point, in the order of
  the program's reference; they are copies.
- ``ran`` says what really computed: if a runtime fell back to another provider, that one.
- ``close()`` gives back what was taken; a second call does nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from steelyard.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.generic]

TOLERANCE: Mapping[str, float] = {"float32": 1e-4, "bfloat16": 5e-2, "float16": 1e-2, "int8": 2e-1}
"""By precision: how far outputs may lie from the float32 reference, as a share of its largest magnitude."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a network is to be run.

    Attributes:
        backend: name of the backend.
        options: what is asked of it besides, e.g. ``("channels_last", "bfloat16")``.
    """

    backend: str
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Setting:
        """A setting from its name and options, joined by ``+``.

        >>> Setting.parse("eager+channels_last")
        Setting(backend='eager', options=('channels_last',))

        Raises:
            UnknownNameError: no such backend, or it knows no such option.
            UsageError: an option twice, or options that exclude each other.
        """
        name, *options = (part.strip() for part in text.split("+"))
        known = backend(name).options
        for option in options:
            if option not in known:
                raise UnknownNameError(f"option of {name}", option, known)
        if len(set(options)) < len(options):
            raise UsageError(f"{text!r} names an option twice", expected="each once")
        setting = cls(name, tuple(options))
        setting.precision  # noqa: B018  (two precisions exclude each other)
        return setting

    @property
    def precision(self) -> str:
        """Of the arithmetic that was asked for: float32 unless an option says otherwise.

        With 8 bits, bfloat16 is what the operators that are not quantised compute in.

        Raises:
            UsageError: two precisions at once.
        """
        asked = [option for option in self.options if option in TOLERANCE]
        if self.backend == "openvino" and sorted(asked) == ["bfloat16", "int8"]:
            return "int8"
        if len(asked) > 1:
            raise UsageError(f"{self} asks for {' and '.join(asked)}", expected="one precision")
        return asked[0] if asked else "float32"

    def __str__(self) -> str:
        return "+".join((self.backend, *self.options))


@dataclass(slots=True)
class Program:
    """A network, ready to be handed to backends.

    Attributes:
        name: as the user calls it.
        model: in eval mode; None for an ONNX file.
        inputs: example inputs, on the CPU.
        folder: where backends may write files; removed afterwards.
        onnx_path: the ONNX file, once there is one.
        input_names: of the ONNX file's inputs, in order; () until known.
        calibration: further inputs, like ``inputs``, for quantisation; () means the inputs themselves.
    """

    name: str
    model: nn.Module | None
    inputs: tuple[Tensor, ...]
    folder: Path
    onnx_path: Path | None = None
    input_names: tuple[str, ...] = ()
    calibration: tuple[tuple[Tensor, ...], ...] = field(default=())


@runtime_checkable
class Runner(Protocol):
    """A network loaded into a backend."""

    @property
    def ran(self) -> str:
        """What computes, with version and provider or device."""

    def run(self) -> None:
        """One inference on the program's inputs, complete when it returns."""

    def outputs(self) -> Sequence[Array]:
        """Of the last run."""

    def close(self) -> None:
        """Gives back what was taken."""


@runtime_checkable
class Backend(Protocol):
    """A way to run networks."""

    @property
    def name(self) -> str:
        """As users type it."""

    @property
    def title(self) -> str:
        """What it is, in one sentence."""

    @property
    def options(self) -> Mapping[str, str]:
        """What may be asked of it, each with its meaning."""

    def missing(self) -> str:
        """Why it cannot run here, with what to install; "" if it can."""

    def load(self, program: Program, setting: Setting) -> Runner:
        """Prepares a network.

        Raises:
            UsageError: the backend cannot do what is asked for this network.
            BackendError: it failed.
        """


_OURS = {
    "eager": "steelyard.measure.backends.eager:EAGER",
    "compile": "steelyard.measure.backends.compiled:COMPILE",
    "onnxruntime": "steelyard.measure.backends.onnx_runtime:ONNX_RUNTIME",
    "openvino": "steelyard.measure.backends.open_vino:OPENVINO",
}
_REGISTERED: dict[str, Backend] = {}


def list_backends() -> tuple[str, ...]:
    """Names of the backends that there are, usable here or not."""
    return (*_OURS, *_REGISTERED)


def backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name not in _OURS:
        raise UnknownNameError("backend", name, list_backends())
    module, _, attribute = _OURS[name].partition(":")
    found: Backend = getattr(importlib.import_module(module), attribute)
    return found


def register_backend(new: Backend) -> None:
    """Makes a backend of one's own available under its name, in this process.

    Raises:
        UsageError: the name is taken, or could not be typed.
    """
    if new.name in list_backends():
        raise UsageError(f"there is a backend {new.name!r}", expected="another name")
    if not new.name.isidentifier():
        raise UsageError(f"{new.name!r} is no name of a backend", expected="letters, digits and _")
    _REGISTERED[new.name] = new
