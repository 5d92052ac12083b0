"""`Builder`: assembles a `Workload` layer by layer, keeping names unique and safe to print."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from steelyard.capture.rules import Draft
from steelyard.workload import Layer, Role, TensorSpec, Workload


class Builder:
    """Collects tensors and layers in order of execution.

    Tensor names are handed out by the methods; front ends keep their own map from their values to them.
    """

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self._layers: list[Layer] = []
        self._tensors: dict[str, TensorSpec] = {}
        self._layer_names: set[str] = set()
        self._uses: dict[str, int] = {}
        self._inputs: list[str] = []
        self.warnings: list[str] = []

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        role: Role = "activation",
        *,
        alias_of: str = "",
    ) -> str:
        """Adds a tensor and returns the (unique) name that it got."""
        name = safe_name(name)
        tensors = self._tensors
        if name in tensors:
            name = self._unique(name, tensors)
        if alias_of:  # an alias always points at the owner of the storage, never at another alias
            alias_of = tensors[alias_of].alias_of or alias_of
        tensors[name] = TensorSpec(name, tuple(shape), dtype, role, alias_of)
        if role == "input":
            self._inputs.append(name)
        return name

    def layer(
        self,
        draft: Draft,
        *,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[tuple[tuple[int, ...], str]],
        module: str = "",
        module_type: str = "",
        leaf: bool = False,
        params: Sequence[str] = (),
        aliases: Sequence[str] | None = None,
        inplace: bool = False,
        name: str = "",
    ) -> list[str]:
        """Adds a layer and its output tensors and returns their names.

        Args:
            outputs: (shape, dtype) of each result.
            leaf: the module has no children, so the layer is named after it.
            aliases: for each result the tensor whose storage it shares ("" for none); by default
                results of a ``view`` and of an in-place layer share the first input's.
            name: overrides the name made from module and operator.
        """
        module = safe_name(module)
        base = op.split(".")[1] if op.count(".") else op
        wanted = name or (module if leaf and module else f"{module}.{base}" if module else base)
        if aliases is None:
            shared = inputs[0] if inputs and (draft.kind == "view" or inplace) else ""
            aliases = [shared] * len(outputs)
        return self.append(
            safe_name(wanted),
            draft,
            op,
            module,
            safe_name(module_type),
            tuple(inputs),
            [(*output, alias) for output, alias in zip(outputs, aliases, strict=True)],
            tuple(params),
            inplace,
        )

    def append(
        self,
        name: str,
        draft: Draft,
        op: str,
        module: str,
        module_type: str,
        inputs: tuple[str, ...],
        outputs: Sequence[tuple[tuple[int, ...], str, str]],
        params: tuple[str, ...],
        inplace: bool,
    ) -> list[str]:
        """`layer` without its conveniences: names are safe already, outputs are (shape, dtype, alias)."""
        taken, tensors = self._layer_names, self._tensors
        if name in taken:
            name = self._unique(name, taken)
        taken.add(name)
        names: list[str] = []
        for shape, dtype, alias in outputs:
            tensor = f"{name}:{len(names)}" if names else name
            if tensor in tensors:
                tensor = self._unique(tensor, tensors)
            if alias:  # an alias always points at the owner of the storage, never at another alias
                alias = tensors[alias].alias_of or alias
            tensors[tensor] = TensorSpec(tensor, tuple(shape), dtype, "activation", alias)
            names.append(tensor)
        self._layers.append(
            Layer(
                name, draft.kind, op, module, module_type, inputs, tuple(names), params,
                draft.nests, draft.ops, inplace,
            )
        )  # fmt: skip
        return names

    def spec(self, name: str) -> TensorSpec:
        """The tensor that was given this name."""
        return self._tensors[name]

    def set_role(self, name: str, role: Role) -> None:
        """Changes a tensor's role (an initializer that turns out to be a buffer, say)."""
        self._tensors[name] = replace(self._tensors[name], role=role)

    def finish(self, outputs: Sequence[str]) -> Workload:
        """The workload; ``outputs`` are the names of the network's results."""
        workload = Workload(
            name=safe_name(self.name),
            layers=tuple(self._layers),
            tensors=tuple(self._tensors.values()),
            inputs=tuple(self._inputs),
            outputs=tuple(dict.fromkeys(outputs)),
            source=self.source,
        )
        return replace(workload, warnings=(*self.warnings, *unknown_warning(workload)))

    def _unique(self, wanted: str, taken: dict[str, TensorSpec] | set[str]) -> str:
        if wanted not in taken:
            return wanted
        count = self._uses.get(wanted, 1)
        while True:
            count += 1
            candidate = f"{wanted}#{count}"
            if candidate not in taken:
                self._uses[wanted] = count
                return candidate


def unknown_warning(workload: Workload) -> tuple[str, ...]:
    """One sentence that names what no rule knew; empty if all was known."""
    missed = workload.coverage.unknown
    if not missed:
        return ()
    names = ", ".join(f"{op} ({count}x)" for op, count in missed)
    return (f"no rule knows {names}; these operators are not counted (register_rule adds one)",)


@lru_cache(maxsize=8192)
def safe_name(name: str) -> str:
    """``name`` with control, format and surrogate characters replaced by U+FFFD, at most 300 characters.

    Names come from files that nobody trusts and end up on terminals.

    >>> safe_name("conv1"), safe_name("a" + chr(27) + "[31mb")
    ('conv1', 'a\ufffd[31mb')
    """
    if name.isascii() and name.isprintable() and len(name) <= 300:
        return name
    clean = "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in name
    )
    return clean if len(clean) <= 300 else clean[:297] + "..."
