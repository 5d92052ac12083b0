"""Dataflows by name: WS, OS-A, OS-B, OS-C, IS, NLR and RS as constraints on mappings of any accelerator.

After the taxonomy of Chen et al., "Eyeriss: a spatial architecture for energy-efficient dataflow", ISCA 2016,
sec. IV. Each says which operand stays in the innermost memories while the loops just outside of them run, which
loops are unrolled over the arrays, and which loops run inside a processing element.
"""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.errors import UnknownNameError
from steelyard.hardware.device import OPERANDS, Accelerator, Array, Operand
from steelyard.hardware.mapspace import Constraints, Mapspace
from steelyard.hardware.problem import Problem


@dataclass(frozen=True, slots=True)
class Dataflow:
    """A family of mappings.

    Attributes:
        name, title: what it is called.
        still: the operand that stays in the innermost memories, None for any.
        spatial: loops that may be unrolled.
        inner: loops that may run inside a processing element (at the innermost memory), None for any.
        whole: loops that must lie inside or on the arrays.
        stores: False where the innermost memories keep nothing.
    """

    name: str
    title: str
    still: Operand | None = None
    spatial: tuple[str, ...] = ()
    inner: tuple[str, ...] | None = None
    whole: tuple[str, ...] = ()
    stores: bool = True


DATAFLOWS: dict[str, Dataflow] = {
    flow.name: flow
    for flow in (
        Dataflow(
            "WS",
            "weight stationary: a weight stays and all its uses pass by",
            "W",
            tuple("GMCRS"),
            (),
        ),
        Dataflow(
            "OS-A",
            "output stationary, one channel: a patch of one output map at a time",
            "O",
            tuple("NPQ"),
            (),
        ),
        Dataflow(
            "OS-B", "output stationary, several channels and positions", "O", tuple("NGMPQ"), ()
        ),
        Dataflow("OS-C", "output stationary, one position of many channels", "O", tuple("NGM"), ()),
        Dataflow(
            "IS",
            "input stationary: an input stays and all filters pass by",
            "I",
            tuple("NGCPQ"),
            (),
        ),
        Dataflow(
            "NLR",
            "no local reuse: nothing is kept inside the processing elements",
            None,
            tuple("GMC"),
            (),
            stores=False,
        ),
        Dataflow(
            "RS",
            "row stationary: a row of weights stays while inputs slide past; rows of R and P across the array",
            "W",
            tuple("NGMCPR"),
            tuple("MCS"),
            ("S",),
        ),
    )
}
"""By name."""


def dataflow(name: str) -> Dataflow:
    """The dataflow of that name.

    Raises:
        UnknownNameError: there is none.
    """
    try:
        return DATAFLOWS[name.upper()]
    except KeyError:
        raise UnknownNameError(
            "dataflow", name, DATAFLOWS, hint="one of " + ", ".join(DATAFLOWS)
        ) from None


def constraints(flow: Dataflow | str, device: Accelerator) -> Constraints:
    """What a dataflow asks of the mappings on a device.

    The innermost memories are those below the last array that has a memory inside of it; on a device
    without such memories only the unrolled loops are constrained.

    Raises:
        UnknownNameError: no such dataflow.
    """
    if isinstance(flow, str):
        flow = dataflow(flow)
    axes = [axis.name for array in device.arrays for axis in array.axes]
    spatial = tuple((name, flow.spatial) for name in axes)
    local = _local(device)
    if not local:
        return Constraints(spatial=spatial)
    if not flow.stores:
        return Constraints(
            temporal=tuple((name, ()) for name in local),
            spatial=spatial,
            bypass=tuple((name, OPERANDS) for name in local),
        )
    stages = [m.name for m in Mapspace(Problem((1,) * 8), device).stages()]
    innermost = next((name for name in stages if name in local), local[-1])
    place = stages.index(innermost)
    return Constraints(
        temporal=() if flow.inner is None else tuple((name, flow.inner) for name in local),
        spatial=spatial,
        stationary=((stages[place - 1], flow.still),) if flow.still and place else (),
        whole=((innermost, flow.whole),) if flow.whole else (),
    )


def _local(device: Accelerator) -> list[str]:
    """Names of the memories inside a processing element, outermost first."""
    found: list[str] = []
    for level in reversed(device.levels):
        if not isinstance(level, Array):
            found.insert(0, level.name)
        elif found:
            return found
    return []
