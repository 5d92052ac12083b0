"""PNASNet: NASNet's layout with one cell, whose stride reduces; Liu et al. 2017 (arXiv:1712.00559).

Layout and initial weights of the authors' code, tensorflow/models research/slim nets/nasnet/pnasnet.py.
"""

from __future__ import annotations

from steelyard.zoo.nasnet import NASNet


class PNASNet(NASNet):
    """Stem, three stacks of N cells, the first of the second and third with stride 2, classifier.

    (N, 3, H, W) -> (N, classes); in training with an auxiliary head -> `CellOutputs`.
    """
