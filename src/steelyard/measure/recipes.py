"""`Recipe`: one way to run a network fast, and `plan`: those worth trying on a machine, the most promising first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from steelyard.measure.backend import TOLERANCE, backend

BFLOAT16_FROM = 1e-3
"""A tolerance below this leaves bfloat16 untried: 8 bits of mantissa are rarely so exact."""

INT8_FROM = 1e-2
"""A tolerance below this leaves 8 bits untried."""

PART = 2
"""Samples in a part of a batch: two were the fastest on a machine with 1 MB of cache a core; one leaves multipliers idle."""

SUFFIXES = (".onnx", ".xml", ".pt2")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A backend with its options, and what becomes of freed memory.

    Attributes:
        setting: as `Setting.parse` reads it.
        keep_freed: the C library keeps freed memory.
    """

    setting: str
    keep_freed: bool = False

    @property
    def backend(self) -> str:
        """Its name."""
        return self.setting.partition("+")[0]

    @property
    def precision(self) -> str:
        """Of the arithmetic."""
        asked = [option for option in self.setting.split("+") if option in TOLERANCE]
        return asked[0] if asked else "float32"

    @property
    def parts(self) -> bool:
        """Whether a batch is computed in parts."""
        return "parts" in self.setting.split("+")

    def fits(self, suffix: str) -> bool:
        """Whether a file of that kind can hold it."""
        if suffix == ".onnx":
            return self.backend == "onnxruntime" or (
                self.backend == "openvino" and self.precision != "int8"
            )
        if suffix == ".pt2":
            return self.backend == "eager" and self.precision != "int8"
        return suffix == ".xml" and self.backend == "openvino"

    def __str__(self) -> str:
        return f"{self.setting}, memory kept" if self.keep_freed else self.setting


_ORDER = (
    Recipe("openvino+bfloat16+parts"),
    Recipe("openvino+int8+parts"),
    Recipe("openvino+bfloat16"),
    Recipe("openvino+int8+bfloat16+parts"),
    Recipe("openvino+int8"),
    Recipe("openvino+int8+bfloat16"),
    Recipe("openvino+parts"),
    Recipe("openvino"),
    Recipe("onnxruntime"),
    Recipe("eager+folded+channels_last"),
    Recipe("eager+folded+channels_last+bfloat16+cast"),
    Recipe("eager+folded+channels_last", keep_freed=True),
    Recipe("eager+folded+channels_last+bfloat16+cast", keep_freed=True),
    Recipe("onnxruntime+int8"),
    Recipe("eager+int8+channels_last"),
    Recipe("eager+folded"),
    Recipe("compile+folded+channels_last"),
    Recipe("compile+folded+channels_last+bfloat16"),
    Recipe("eager", keep_freed=True),
)
"""By what paid on 14 networks, see the page of the room; one that cannot be tried in time stands further back."""

_SIBLINGS = (
    ("openvino", "openvino+bfloat16", 1.25),
    ("openvino+parts", "openvino+bfloat16+parts", 1.25),
    ("openvino", "openvino+parts", 2.0),
    ("openvino+bfloat16", "openvino+bfloat16+parts", 2.0),
    ("openvino+int8", "openvino+int8+parts", 1.5),
    ("openvino+int8+bfloat16", "openvino+int8", 1.5),
    ("openvino+int8+bfloat16+parts", "openvino+int8+parts", 1.5),
    ("eager+int8+channels_last", "openvino+int8", 1.25),
    ("eager+folded", "eager+folded+channels_last", 1.5),
    ("eager+folded+channels_last+bfloat16+cast", "eager+folded+channels_last", 4.0),
)
KEEP_FREED_GAIN = 2.5
"""Keeping freed memory has not been seen to gain more."""


def limits(recipe: Recipe) -> tuple[tuple[Recipe, float], ...]:
    """Others that it was never seen to be more than so many times as fast as."""
    found = tuple((Recipe(of), most) for name, of, most in _SIBLINGS if Recipe(name) == recipe)
    if recipe.keep_freed:
        return (*found, (Recipe(recipe.setting), KEEP_FREED_GAIN))
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be tried.

    Attributes:
        baseline: what gains refer to.
        recipes: to try, in order.
        left_out: the others, each with the reason.
    """

    baseline: Recipe
    recipes: tuple[Recipe, ...]
    left_out: tuple[tuple[Recipe, str], ...]


def plan(
    *,
    tolerance: float,
    calibrated: bool,
    flags: Collection[str],
    has_module: bool,
    in_child: bool,
    compiled: bool,
    batch: int,
) -> Plan:
    """The recipes that a machine, a network and a tolerance leave.

    Args:
        tolerance: of the outputs, as a share of the largest.
        calibrated: there are inputs to calibrate 8 bits with.
        flags: of the processor, as `steelyard.measure.environment` lists them.
        has_module: the network is a module; False: an ONNX file.
        in_child: the network runs in processes of its own, whose allocator may be told what to do.
        compiled: ``torch.compile`` is wanted.
        batch: samples in an inference.
    """
    chosen: list[Recipe] = []
    left_out: list[tuple[Recipe, str]] = []
    for recipe in _ORDER:
        if (recipe.backend == "compile" and not compiled) or (
            not has_module and (recipe.backend in ("eager", "compile") or recipe.parts)
        ):
            continue
        if recipe.parts and (batch % PART or batch < 2 * PART):
            continue
        reason = _refused(recipe, tolerance, calibrated, flags, in_child)
        if reason:
            left_out.append((recipe, reason))
        else:
            chosen.append(recipe)
    baseline = Recipe("eager" if has_module else "onnxruntime")
    return Plan(baseline, tuple(r for r in chosen if r != baseline), tuple(left_out))


def _refused(
    recipe: Recipe, tolerance: float, calibrated: bool, flags: Collection[str], in_child: bool
) -> str:
    if reason := backend(recipe.backend).missing():
        return reason
    if recipe.precision == "bfloat16":
        if tolerance < BFLOAT16_FROM:
            return f"the tolerance of {tolerance:g} is too small for bfloat16"
        if not {"avx512_bf16", "amx_bf16", "bf16"} & set(flags):
            return "the processor has no bfloat16 arithmetic"
    if recipe.precision == "int8":
        if tolerance < INT8_FROM:
            return f"the tolerance of {tolerance:g} is too small for 8 bits"
        if not calibrated:
            return (
                "8 bits need images to calibrate with (--images), or leave to do so with noise "
                "(--calibrate random)"
            )
        if not {"avx512_vnni", "avx_vnni", "amx_int8", "avx2", "asimddp", "i8mm"} & set(flags):
            return "the processor has no fast arithmetic in 8 bits"
    if recipe.keep_freed and not in_child:
        return "the allocator of this process is left as it is"
    return ""
