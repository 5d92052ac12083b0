"""AmoebaNet: NASNet's layout with evolved cells; Real et al. 2018 (arXiv:1802.01548).

Layout, initial weights and what the paper leaves open: tensorflow/tpu models/official/amoeba_net, which
was branched from NASNet's code.
"""

from __future__ import annotations

from steelyard.zoo.nasnet import NASNet


class AmoebaNet(NASNet):
    """Stem, N cells, reduction, N cells, reduction, N cells, ReLU, pooling, classifier.

    (N, 3, H, W) -> (N, classes); in training with an auxiliary head -> `CellOutputs`.
    """
