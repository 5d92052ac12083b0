"""Captures an ONNX file: `capture_onnx` turns it into a `Workload` without loading its weights.

The file is read by our own bounded protobuf reader (`onnx_wire` says why), its shapes follow from the
functions in ``onnx_shapes*`` and shape arithmetic is computed by `onnx_fold`. All of that is Python:
``onnx.load`` and ``onnx.shape_inference`` would put the weights into memory and an untrusted file into
C++, for which a child process would be needed. Neither the ``onnx`` package nor a subprocess takes part,
so a ResNet-50 is captured in some tens of milliseconds.

Weights in other files (external data) are never opened; where such a file exists it must be a regular
file inside the model's folder.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from steelyard.capture.builder import Builder
from steelyard.capture.files import open_regular
from steelyard.capture.onnx_control import CONTROL
from steelyard.capture.onnx_inputs import bind_inputs
from steelyard.capture.onnx_model import (
    NEWEST_OPSET,
    OLDEST_OPSET,
    Graph,
    Model,
    Tensor,
    quoted,
)
from steelyard.capture.onnx_names import Named, Place, places
from steelyard.capture.onnx_read import read_model
from steelyard.capture.onnx_run import Run
from steelyard.capture.onnx_scope import Scope, Step, subgraphs
from steelyard.capture.onnx_value import Stored, Value
from steelyard.capture.onnx_wire import Source
from steelyard.capture.rules import Draft, RuleTable, default_rules
from steelyard.errors import FileFormatError, SteelyardError
from steelyard.workload import Role, Workload


def capture_onnx(
    path: str | os.PathLike[str],
    *,
    input_shapes: Mapping[str, tuple[int, ...]] | Sequence[tuple[int, ...]] | None = None,
    batch: int | None = None,
    name: str | None = None,
    deadline_s: float = 60,
    rules: RuleTable | None = None,
) -> Workload:
    """The workload of an ONNX file.

    Args:
        path: the .onnx file.
        input_shapes: shape of inputs by name, or in the order of the file; needed where the file
            leaves sizes other than the batch open.
        batch: size of an open first dimension; 1, with a warning, where it is not given.
        name: name of the workload; by default the file's name without its ending.
        deadline_s: seconds after which to give up.
        rules: the rule table; by default the one that `register_rule` adds to.

    Raises:
        FileFormatError: missing, damaged, unsafe or no ONNX file.
        ShapeError: shapes that do not fit, or sizes that the file leaves open.
        DataDependentError: a size that only exists at run time.
        TimeLimitError: not done within ``deadline_s``.
        UsageError: an input shape for an input that the network does not have.
    """
    file_path = Path(path)
    deadline = time.monotonic() + deadline_s
    with open_regular(file_path) as file:
        src = Source(file, repr(str(file_path)), deadline)
        try:
            return _capture(src, file_path, input_shapes or {}, batch, name, rules)
        except SteelyardError:
            raise  # TimeLimitError is an OSError too
        except (RecursionError, MemoryError):
            raise FileFormatError(
                f"{src.what} is nested too deeply or too large to be read"
            ) from None
        except OSError as error:
            raise FileFormatError(f"{src.what} cannot be read: {error.strerror}") from None


def _capture(
    src: Source,
    path: Path,
    input_shapes: Mapping[str, tuple[int, ...]] | Sequence[tuple[int, ...]],
    batch: int | None,
    name: str | None,
    rules: RuleTable | None,
) -> Workload:
    model = read_model(src)
    graph = model.graph
    if graph is None:
        raise src.damaged(src.size, "there is no graph in it")
    warnings = check_opsets(model, src.what)
    warnings += check_external(graph, path)
    builder = Builder(name or path.stem, "onnx")
    symbols: dict[str, int] = {}
    scope = Scope(opsets=model.opsets)
    inputs, more = bind_inputs(graph, input_shapes, batch, symbols)
    warnings += more
    for key, value in inputs.items():
        value.tensor = builder.tensor(key, value.shape, value.dtype, "input")
        scope.values[key] = value
    run = Run(model, src, default_rules() if rules is None else rules, symbols, CONTROL)
    outputs = run.graph(graph, scope)
    builder.warnings.extend([*warnings, *run.warnings])
    emit(builder, run.steps, run.stored)
    names = [tensor for value in outputs for tensor in result_names(builder, value)]
    return builder.finish(names)


def check_opsets(model: Model, what: str) -> list[str]:
    """Warnings about the operator sets that a file asks for.

    Raises:
        FileFormatError: none, or one that does not exist yet.
    """
    if not model.opsets:
        if model.ir_version >= 3 or not model.ir_version:
            raise FileFormatError(
                f"{what} is not an ONNX file or is cut: it imports no operator set",
                expected="opset_import, which every model has since IR version 3",
            )
        model.opsets[""] = 1
    version = model.opsets.get("")
    if version is None:
        return []
    if not 1 <= version <= NEWEST_OPSET:
        raise FileFormatError(
            f"{what} uses version {version} of the ONNX operator set",
            expected=f"{OLDEST_OPSET} to {NEWEST_OPSET}",
            hint=f"onnx.version_converter.convert_version(model, {NEWEST_OPSET})",
        )
    if version < OLDEST_OPSET:
        return [f"operator set {version} is read by the rules of version {OLDEST_OPSET}"]
    return []


def check_external(graph: Graph, path: Path) -> list[str]:
    """A warning if external weight files are missing; they are looked at, never opened.

    Raises:
        FileFormatError: a file outside the model's folder, a link, or no regular file.
    """
    absent: dict[str, None] = {}
    checked: set[str] = set()
    for tensor in stored_tensors(graph):
        if not tensor.is_external:
            continue
        location = tensor.external.get("location", "")
        if location in checked:
            continue
        checked.add(location)
        if not _external_exists(location, path.parent, tensor):
            absent[location] = None
    if not absent:
        return []
    listed = ", ".join(quoted(location) for location in list(absent)[:3])
    return [f"external weights are missing ({listed}); only their shapes are used"]


def _external_exists(location: str, folder: Path, tensor: Tensor) -> bool:
    who = f"tensor {quoted(tensor.name)} is stored in {quoted(location)}"
    parts = location.replace("\\", "/").split("/")
    if not location or "\0" in location or ".." in parts or len(location) > 4096:
        raise FileFormatError(who, expected="a file inside the model's folder")
    if parts[0] == "" or Path(location).is_absolute() or ":" in parts[0]:
        raise FileFormatError(
            f"{who}, an absolute path", expected="a path inside the model's folder"
        )
    here = folder
    for depth, part in enumerate(p for p in parts if p not in ("", ".")):
        here = here / part
        try:
            info = here.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise FileFormatError(f"{who}, which cannot be looked at: {error.strerror}") from None
        last = depth == len([p for p in parts if p not in ("", ".")]) - 1
        if stat.S_ISLNK(info.st_mode):
            raise FileFormatError(f"{who}, which is a symbolic link", expected="a regular file")
        if last and not stat.S_ISREG(info.st_mode):
            raise FileFormatError(f"{who}, which is no regular file", expected="a regular file")
        if last and info.st_nlink > 1:
            raise FileFormatError(
                f"{who}, which has other hard links", expected="a file of its own"
            )
    return True


def stored_tensors(graph: Graph) -> list[Tensor]:
    """Every tensor of a graph, of its attributes and of the graphs within it."""
    found: list[Tensor] = []
    pending = [graph]
    while pending:
        here = pending.pop()
        found.extend(here.initializers)
        for node in here.nodes:
            found.extend(value for value in node.attrs.values() if isinstance(value, Tensor))
            pending.extend(subgraphs(node))
    return found


# ---- from steps to layers ------------------------------------------------------------------------


def emit(builder: Builder, steps: list[Step], stored: list[Stored]) -> None:
    """Adds the steps as layers, and the parameters that none of them reads."""
    named = [
        Named(step.node, step.draft.kind, tuple(s.name for s in step.stored if s.given), step.path)
        for step in steps
    ]
    for step, place in zip(steps, places(named), strict=True):
        _emit_step(builder, step, place)
    for item in stored:
        floating = item.dtype.startswith(("float", "bfloat"))
        if (
            not item.tensor
            and item.given
            and item.role in ("", "parameter")
            and item.shape
            and floating
        ):
            item.tensor = builder.tensor(item.name, item.shape, item.dtype, "parameter")


def _emit_step(builder: Builder, step: Step, place: Place) -> None:
    roles: dict[str, Role] = {"parameter": "parameter", "buffer": "buffer"}
    params = []
    for item in dict.fromkeys(step.stored):
        if not item.tensor:
            role = roles.get(item.role, "constant")
            item.tensor = builder.tensor(item.name, item.shape, item.dtype, role)
        params.append(item.tensor)
    draft = step.draft
    if step.times != 1:
        nests = tuple(nest.scaled(rows=(step.times, 1)) for nest in draft.nests)
        draft = Draft(draft.kind, nests, draft.ops * step.times)
    names = builder.layer(
        draft,
        op=step.node.full_op,
        inputs=[v.tensor for v in step.inputs if v.tensor],
        outputs=[(v.shape, v.dtype) for v in step.outputs],
        module=place.module,
        module_type=place.module_type,
        params=params,
        name=place.name,
    )
    for value, tensor in zip(step.outputs, names, strict=True):
        value.tensor = tensor


def result_names(builder: Builder, value: Value) -> list[str]:
    """Tensors of a result of the network; a sequence has several, a constant gets its own."""
    if value.items is not None:
        return [name for item in value.items for name in result_names(builder, item)]
    if not value.tensor:
        stored = next((s.tensor for s in value.stored if s.tensor), "")
        value.tensor = stored or builder.tensor("constant", value.shape, value.dtype, "constant")
    return [value.tensor]
