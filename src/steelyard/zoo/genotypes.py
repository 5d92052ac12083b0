"""The published cells, by name, as data; and what becomes of the setting ``cell``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from steelyard.errors import UnknownNameError
from steelyard.layers.genotype import CellGraph, Genotype, pairs


def _hidden_states(operations: str, states: tuple[int, ...], used: tuple[int, ...]) -> CellGraph:
    """A cell as Google's repositories list it: their state 0 is the newer input, 1 the older one."""
    swap = {0: 1, 1: 0}
    edges = zip(operations.split(), (swap.get(s, s) for s in states), strict=True)
    concat = sorted(swap.get(s, s) for s, is_used in enumerate(used) if not is_used)
    return pairs(list(edges), concat)


_SKIP, _AVG, _MAX = "skip_connect", "avg_pool_3x3", "max_pool_3x3"
_SEP3, _SEP5, _SEP7 = "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7"
_DIL3, _DIL5 = "dil_conv_3x3", "dil_conv_5x5"
_1X1, _3X3, _1X7 = "conv_1x1", "conv_3x3", "conv_1x7_7x1"

# tensorflow/models research/slim nets/nasnet/nasnet_utils.py
_NASNET_A = Genotype(
    _hidden_states(
        f"{_SEP5} {_SEP3} {_SEP5} {_SEP3} {_AVG} {_SKIP} {_AVG} {_AVG} {_SEP3} {_SKIP}",
        (0, 1, 1, 1, 0, 1, 1, 1, 0, 0),
        (1, 0, 0, 0, 0, 0, 0),
    ),
    _hidden_states(
        f"{_SEP5} {_SEP7} {_MAX} {_SEP7} {_AVG} {_SEP5} {_SKIP} {_AVG} {_SEP3} {_MAX}",
        (0, 1, 0, 1, 0, 1, 3, 2, 2, 0),
        (1, 1, 1, 0, 0, 0, 0),
    ),
)

# tensorflow/models research/slim nets/nasnet/pnasnet.py: one cell, with stride where it reduces
_PNASNET_5_CELL = _hidden_states(
    f"{_SEP5} {_MAX} {_SEP7} {_MAX} {_SEP5} {_SEP3} {_SEP3} {_MAX} {_SEP3} {_SKIP}",
    (1, 1, 0, 0, 0, 0, 4, 0, 1, 0),
    (1, 1, 0, 0, 0, 0, 0),
)
_PNASNET_5 = Genotype(_PNASNET_5_CELL, _PNASNET_5_CELL)

# tensorflow/tpu models/experimental/amoeba_net/model_specs.py
_AMOEBANET_A = Genotype(
    _hidden_states(
        f"{_AVG} {_MAX} {_SEP3} {_SKIP} {_SKIP} {_AVG} {_SEP3} {_SEP5} {_AVG} {_SEP3}",
        (0, 0, 1, 1, 0, 1, 0, 2, 5, 0),
        (1, 0, 1, 0, 0, 1, 0),
    ),
    _hidden_states(
        f"{_SEP3} {_AVG} {_MAX} {_SEP7} {_MAX} {_MAX} {_SEP3} {_1X7} {_AVG} {_SEP7}",
        (1, 0, 0, 2, 1, 0, 4, 0, 1, 0),
        (1, 1, 0, 0, 0, 0, 0),
    ),
)
_AMOEBANET_B = Genotype(
    _hidden_states(
        f"{_1X1} {_MAX} {_SKIP} {_SEP3} {_1X1} {_SEP3} {_1X1} {_SKIP} {_AVG} {_1X1}",
        (1, 1, 1, 0, 1, 0, 2, 2, 1, 5),
        (0, 1, 1, 0, 0, 1, 0),
    ),
    _hidden_states(
        f"max_pool_2x2 {_MAX} {_SKIP} {_3X3} dil_sep_conv_5x5 {_MAX} {_SKIP} {_SEP3} {_AVG} {_1X1}",
        (0, 0, 2, 1, 2, 2, 3, 1, 4, 3),
        (1, 1, 1, 1, 1, 0, 0),
    ),
)
_AMOEBANET_C = Genotype(
    _hidden_states(
        f"{_AVG} {_SEP3} {_SKIP} {_SEP3} {_AVG} {_SEP3} {_SKIP} {_SEP3} {_AVG} {_SEP3}",
        (0, 0, 0, 0, 2, 1, 0, 1, 3, 0),
        (1, 0, 0, 1, 0, 0, 0),
    ),
    _hidden_states(
        f"{_MAX} {_MAX} {_SEP7} {_SEP3} {_SEP7} {_MAX} {_SEP5} {_SEP5} {_MAX} {_SEP3}",
        (0, 0, 2, 0, 0, 1, 4, 4, 1, 1),
        (0, 1, 0, 0, 0, 0, 0),
    ),
)
_AMOEBANET_D = Genotype(
    _hidden_states(
        f"{_1X1} {_MAX} {_SKIP} {_1X7} {_1X1} {_1X7} {_MAX} {_SKIP} {_AVG} {_1X1}",
        (1, 1, 1, 0, 0, 0, 2, 2, 1, 5),
        (0, 1, 1, 0, 0, 1, 0),
    ),
    _hidden_states(
        f"max_pool_2x2 {_MAX} {_SKIP} {_3X3} {_1X7} {_MAX} {_SKIP} max_pool_2x2 {_AVG} {_1X1}",
        (0, 0, 2, 1, 2, 2, 3, 1, 2, 3),
        (1, 1, 1, 1, 0, 0, 0),
    ),
)

# melodyguan/enas scripts/cifar10_micro_final.sh: per step twice (state, operation of 0 to 4)
_ENAS_OPERATIONS = (_SEP3, _SEP5, _AVG, _MAX, _SKIP)


def _enas(arc: str) -> CellGraph:
    numbers = [int(n) for n in arc.split()]
    edges = zip(numbers[::2], numbers[1::2], strict=True)
    return pairs([(_ENAS_OPERATIONS[op], state) for state, op in edges])


_ENAS_MICRO = Genotype(
    _enas("0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1"),
    _enas("1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"),
)

# quark0/darts cnn/genotypes.py
_ALL = (2, 3, 4, 5)
_DARTS_V1 = Genotype(
    pairs([(_SEP3, 1), (_SEP3, 0), (_SKIP, 0), (_SEP3, 1),
           (_SKIP, 0), (_SEP3, 1), (_SEP3, 0), (_SKIP, 2)], _ALL),
    pairs([(_MAX, 0), (_MAX, 1), (_SKIP, 2), (_MAX, 0),
           (_MAX, 0), (_SKIP, 2), (_SKIP, 2), (_AVG, 0)], _ALL),
)  # fmt: skip
_DARTS_V2 = Genotype(
    pairs([(_SEP3, 0), (_SEP3, 1), (_SEP3, 0), (_SEP3, 1),
           (_SEP3, 1), (_SKIP, 0), (_SKIP, 0), (_DIL3, 2)], _ALL),
    pairs([(_MAX, 0), (_MAX, 1), (_SKIP, 2), (_MAX, 1),
           (_MAX, 0), (_SKIP, 2), (_SKIP, 2), (_MAX, 1)], _ALL),
)  # fmt: skip

# chenxin061/pdarts genotypes.py; yuhuixu1993/PC-DARTS genotypes.py
_PDARTS = Genotype(
    pairs([(_SKIP, 0), (_DIL3, 1), (_SKIP, 0), (_SEP3, 1),
           (_SEP3, 1), (_SEP3, 3), (_SEP3, 0), (_DIL5, 4)], _ALL),
    pairs([(_AVG, 0), (_SEP5, 1), (_SEP3, 0), (_DIL5, 2),
           (_MAX, 0), (_DIL3, 1), (_DIL3, 1), (_DIL5, 3)], _ALL),
)  # fmt: skip
_PC_DARTS_CIFAR = Genotype(
    pairs([(_SEP3, 1), (_SKIP, 0), (_SEP3, 0), (_DIL3, 1),
           (_SEP5, 0), (_SEP3, 1), (_AVG, 0), (_DIL3, 1)], _ALL),
    pairs([(_SEP5, 1), (_MAX, 0), (_SEP5, 1), (_SEP5, 2),
           (_SEP3, 0), (_SEP3, 3), (_SEP3, 1), (_SEP3, 2)], _ALL),
)  # fmt: skip
_PC_DARTS_IMAGENET = Genotype(
    pairs([(_SKIP, 1), (_SEP3, 0), (_SEP3, 0), (_SKIP, 1),
           (_SEP3, 1), (_SEP3, 3), (_SEP3, 1), (_DIL5, 4)], _ALL),
    pairs([(_SEP3, 0), (_SKIP, 1), (_DIL5, 2), (_MAX, 1),
           (_SEP3, 2), (_SEP3, 1), (_SEP5, 0), (_SEP3, 3)], _ALL),
)  # fmt: skip

GENOTYPES: Mapping[str, Genotype] = MappingProxyType(
    {
        "nasnet_a": _NASNET_A,
        "pnasnet_5": _PNASNET_5,
        "amoebanet_a": _AMOEBANET_A,
        "amoebanet_b": _AMOEBANET_B,
        "amoebanet_c": _AMOEBANET_C,
        "amoebanet_d": _AMOEBANET_D,
        "enas_micro": _ENAS_MICRO,
        "darts_v1": _DARTS_V1,
        "darts_v2": _DARTS_V2,
        "pdarts": _PDARTS,
        "pc_darts_cifar": _PC_DARTS_CIFAR,
        "pc_darts_imagenet": _PC_DARTS_IMAGENET,
    }
)
"""Every published pair of cells that can be put into any network built from cells."""


def genotype(cell: str | Genotype) -> Genotype:
    """The cells that the setting ``cell`` means: a name of `GENOTYPES`, or cells of the user's own.

    Raises:
        UnknownNameError: no such name.
    """
    if isinstance(cell, Genotype):
        return cell
    try:
        return GENOTYPES[cell]
    except KeyError:
        raise UnknownNameError(
            "pair of cells",
            cell,
            GENOTYPES,
            hint=f"{', '.join(GENOTYPES)}; or a steelyard.layers.genotype.Genotype of your own",
        ) from None
