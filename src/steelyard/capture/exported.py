"""`capture_exported`: a torch.export archive (.pt2) to a `Workload`, without running code from the file.

``torch.export.load`` unpickles parts of the archive, which runs whatever code they name; here only the
archive's JSON is read: the graph, the sizes of its tensors, its signature and the module stack.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from steelyard.capture.archive import Archive
from steelyard.capture.builder import Builder
from steelyard.capture.exported_graph import GraphReader, Modules
from steelyard.capture.exported_json import Field, parse
from steelyard.capture.exported_values import Scope, Symbols, Value, tensor_names
from steelyard.capture.files import EXPORT_HINT, require_kind
from steelyard.capture.rules import RuleTable, default_rules
from steelyard.errors import FileFormatError, UnknownNameError
from steelyard.workload import Role, Workload

MAX_JSON_BYTES = 128 * 2**20
"""Largest graph description that is read; one of 10,000 operators takes about 20 MB."""

_SCHEMA_MAJOR = 8
_OLD_MEMBER = "serialized_exported_program.json"


def capture_exported(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    model: str | None = None,
    rules: RuleTable | None = None,
) -> Workload:
    """What the network in a torch.export archive asks of a machine.

    Sizes that the export left open (a dynamic batch) are those of its example inputs, with a warning.
    Of ``torch.cond`` the branch with more MACs is counted, with a warning.

    Args:
        path: a file that ``torch.export.save`` wrote, in schema version 8 (torch 2.13 writes 8.20).
        name: name of the workload; by default the file's.
        model: which network, where the archive holds several.
        rules: operators' rules; by default those of `default_rules`.

    Raises:
        FileFormatError: missing, damaged, unsafe, or no torch.export archive.
        UnknownNameError: the archive has no such ``model``.
        DataDependentError: a size depends on data, and the file records no example of it.
    """
    path = Path(path)
    require_kind(path, "pt2")
    with Archive(path) as archive:
        member, prefix, chosen = _find_model(archive, model)
        document = parse(archive.read(member, max_bytes=MAX_JSON_BYTES), _label(path, member))
        tied = _tied_weights(archive, path, prefix, chosen)
    try:
        return _read_program(
            document, tied, Builder(name or path.stem, "pt2"), rules or default_rules()
        )
    except RecursionError:
        raise FileFormatError(f"{document.place} holds graphs nested too deeply") from None


def _label(path: Path, member: str) -> str:
    return f"{str(path)!r}, {member}"


def _find_model(archive: Archive, model: str | None) -> tuple[str, str, str]:
    """(member with the graph, folder of the archive, name of the model)."""
    if _OLD_MEMBER in archive.names:
        return _OLD_MEMBER, "", ""
    found: dict[str, tuple[str, str]] = {}
    for member in archive.names:
        folder, _, rest = member.rpartition("models/")
        if rest.endswith(".json") and "/" not in rest and folder.count("/") <= 1:
            found.setdefault(rest.removesuffix(".json"), (member, folder))
    if not found:
        raise FileFormatError(
            f"{str(archive.path)!r} has no models/*.json, so it holds no graph", hint=EXPORT_HINT
        )
    if model is None:
        model = "model" if "model" in found else next(iter(found)) if len(found) == 1 else ""
    if model not in found:
        raise UnknownNameError(
            "model in this archive", model, found, hint="model=" + " or ".join(map(repr, found))
        )
    return *found[model], model


def _tied_weights(archive: Archive, path: Path, folder: str, model: str) -> dict[str, str]:
    """Name of each parameter -> first name of the same tensor, from the table of stored weights.

    Weights without data (exported on the meta device) all share one empty member; they are not tied.
    """
    member = f"{folder}data/weights/{model}_weights_config.json"
    if member not in archive.names:
        return {}
    table = parse(archive.read(member, max_bytes=MAX_JSON_BYTES), _label(path, member))
    first: dict[str, str] = {}
    tied: dict[str, str] = {}
    for name, entry in table.get("config").items():
        meta, stored = entry.find("tensor_meta"), entry.get("path_name").text()
        if meta is not None and archive.size(f"{folder}data/weights/{stored}"):
            view = [meta.get(key).value for key in ("sizes", "strides", "storage_offset")]
            tied[name] = first.setdefault(f"{stored} {view!r}", name)
    return tied


def _read_program(
    document: Field, tied: dict[str, str], builder: Builder, rules: RuleTable
) -> Workload:
    _check_version(document)
    program = document.get("graph_module")
    graph, signature = program.get("graph"), program.get("signature")
    symbols = Symbols()
    reader = GraphReader(builder, rules, _modules(program, signature), symbols)
    scope = reader.scope(graph)
    _define_inputs(signature, scope, builder, tied)
    for field in graph.get("inputs").elements():
        if field.union()[0] == "as_tensor":
            scope.lookup(field.union()[1].get("name"))  # every input has a role in the signature
    reader.walk(graph, scope)
    outputs = [scope.lookup(name).name for name in _output_names(signature)]
    builder.warnings.extend([*symbols.warning(), *reader.warnings])
    return builder.finish(outputs)


def _check_version(document: Field) -> None:
    version = document.find("schema_version")
    if version is None:
        raise document.wrong("has no schema_version", expected="a graph that torch.export wrote")
    major = version.get("major").integer()
    if major != _SCHEMA_MAJOR:
        raise version.wrong(
            f"is {major}", expected=f"{_SCHEMA_MAJOR}, the major version that torch 2.13 writes",
            hint="export the network again",
        )  # fmt: skip


def _modules(program: Field, signature: Field) -> Modules:
    calls = program.find("module_call_graph")
    paths = [entry.get("fqn").text() for entry in calls.elements()] if calls is not None else []
    weights: list[str] = []
    for spec in signature.get("input_specs").elements():
        tag, value = spec.union()
        if tag in ("parameter", "buffer"):
            weights.append(value.get(f"{tag}_name").text())
    return Modules([path.partition("@")[0] for path in paths], weights)


_STORED: dict[str, tuple[Role, str]] = {
    "parameter": ("parameter", "parameter_name"),
    "buffer": ("buffer", "buffer_name"),
    "tensor_constant": ("constant", "tensor_constant_name"),
}


def _define_inputs(signature: Field, scope: Scope, builder: Builder, tied: dict[str, str]) -> None:
    """Binds the graph's inputs: weights under the names that they have in the network, and inputs."""
    stored: dict[str, Value] = {}
    for spec in signature.get("input_specs").elements():
        tag, value = spec.union()
        if tag == "user_input":
            for name in _tensors(value.get("arg")):
                operand = scope.operand(name)
                given = builder.tensor(name.text(), operand.shape, operand.dtype, "input")
                scope.define(name, Value(given, operand))
        elif tag in _STORED:
            role, key = _STORED[tag]
            name, full = value.get("arg").get("name"), value.get(key).text()
            operand = scope.operand(name, is_param=tag == "parameter")
            same = stored.get(tied.get(full, full))
            if same is None or same.operand.shape != operand.shape:
                given = builder.tensor(full, operand.shape, operand.dtype, role)
                same = stored[tied.get(full, full)] = Value(
                    given, operand, tag != "tensor_constant"
                )
            scope.define(name, same)
        elif tag not in ("custom_obj", "token", "constant_input"):
            raise spec.wrong(f"is of kind {tag!r}, which is not known")


def _tensors(field: Field) -> Iterator[Field]:
    if field.union()[0] in ("as_tensor", "as_tensors"):
        yield from (name for name in tensor_names(field) if name is not None)


def _output_names(signature: Field) -> Iterator[Field]:
    """The network's results; what it writes back to buffers and inputs is left out."""
    for spec in signature.get("output_specs").elements():
        tag, value = spec.union()
        if tag == "user_output":
            yield from _tensors(value.get("arg"))
        elif tag == "loss_output":
            yield value.get("arg").get("name")
