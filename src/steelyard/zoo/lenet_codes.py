"""The +1/-1 code of each class for LeNet-5's RBF output: 7x12 drawings of the digits.

LeCun et al. 1998, sec. II-B and fig. 3, draw every character on a 7x12 bitmap and use its pixels
as the target of F6. The figure exists as an image only; the drawings below are ours, in its style.
"""

from __future__ import annotations

import random

CODE_SIZE = 84
"""Pixels of a 7x12 bitmap = units of F6."""

_DIGITS = """
.#####. ..##... .#####. ####### #...... ####### .####.. ####### .#####. .#####.
##...## ...#... #.....# .....#. #...... #...... ##..... ......# #.....# #.....#
#.....# ..##... ......# ....#.. #...#.. #...... #...... ......# #.....# #.....#
#.....# ...#... ......# ...##.. #...#.. #...... #...... .....#. #.....# #.....#
#.....# ...#... .....## .....#. #...#.. #.###.. #.###.. .....#. .#####. ##...##
#.....# ...#... ....##. ......# #...#.. ##...#. ##...#. ....#.. #.....# .####.#
#.....# ...#... ..##... ......# ####### ......# #.....# ...##.. #.....# ......#
#.....# ...#... .##.... ......# ....#.. ......# #.....# ...#... #.....# ......#
#.....# ...#... ##..... ......# ....#.. ......# #.....# ..##... #.....# ......#
##...## ...#... #...... #.....# ....#.. #.....# ##...## ..#.... ##...## .....##
.#####. .#####. ####### .#####. ....#.. .#####. .#####. ..#.... .#####. ..####.
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def class_codes(num_classes: int) -> tuple[tuple[int, ...], ...]:
    """A code of 84 for each class: the ten digits, then codes drawn at random (always the same ones).

    The paper, sec. II-B, names random codes as the alternative to drawings.
    """
    lines = [line.split() for line in _DIGITS.split("\n") if line]
    digits = [
        tuple(1 if pixel == "#" else -1 for line in lines for pixel in line[digit])
        for digit in range(10)
    ]
    draw = random.Random(1998)  # noqa: S311 - codes, not secrets
    more = (tuple(draw.choice((-1, 1)) for _ in range(CODE_SIZE)) for _ in range(num_classes - 10))
    return (*digits[:num_classes], *more)
