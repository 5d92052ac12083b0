"""Why some printed figures of table 2.2 differ from those of the networks that they name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One reason for one or more cells.

    Attributes:
        metrics: rows of the table.
        models: columns, by the zoo's names.
        reason: one or two sentences.
    """

    metrics: tuple[str, ...]
    models: tuple[str, ...]
    reason: str


DIFFERENCES = (
    Difference(
        ("Top-5 error, %",),
        ("overfeat_fast",),
        "OverFeat's paper states 14.18 % for the accurate network; for the fast one 16.39 % at 4 scales (both recalled).",
    ),
    Difference(
        ("Top-5 error (1 crop), %",),
        ("googlenet",),
        "GoogLeNet's paper states 10.07 % for one network and one crop (recalled).",
    ),
    Difference(
        ("Input size",),
        ("lenet5", "lenet5_dense"),
        "MNIST's digits are 28x28; the network of 1998 sees them padded to 32x32, Caffe's as they are.",
    ),
    Difference(
        (
            "CONV # of channels",
            "CONV # of filters",
            "FC filter sizes",
            "FC # of channels",
            "FC # of filters",
        ),
        ("lenet5", "lenet5_dense"),
        "These rows of the LeNet-5 column describe Caffe's LeNet; the column's totals are those of the "
        "network of 1998. No network has both.",
    ),
    Difference(
        ("CONV weights", "CONV MACs", "FC weights", "FC MACs"),
        ("lenet_caffe",),
        "These rows of the LeNet-5 column describe the network of 1998, not Caffe's, whose totals stand in "
        "the table's footnote.",
    ),
    Difference(
        ("CONV weights",),
        ("lenet5",),
        "Printed is the count for a C3 that sees every map of S2; the connection table of 1998 leaves out "
        "36 of 96 connections.",
    ),
    Difference(
        ("CONV MACs", "Total MACs"),
        ("lenet5", "lenet5_dense"),
        "Printed is the paper's number of connections, 340,908, or that without the FC layers: it "
        "includes bias taps and both subsampling layers, which multiply no weights in the sense of a MAC.",
    ),
    Difference(
        ("# of FC layers", "FC weights", "FC MACs", "Total weights"),
        ("lenet5_dense",),
        "The common copies of LeNet-5 have a third, trained FC layer in place of the RBF output with its "
        "fixed codes, and a C3 that sees every map.",
    ),
    Difference(
        ("CONV # of channels",),
        ("alexnet",),
        "Printed is what a filter sees: with two groups the fourth and fifth convolution read 384 "
        "channels, 192 per group, and the largest number that one filter sees is 256.",
    ),
    Difference(
        ("CONV MACs", "Total MACs"),
        ("googlenet",),
        "Printed is the count with pooling that rounds down, hence maps of 55, 27, 13 and 6 "
        "(googlenet:pool_rounding=floor); the network's own maps are 56, 28, 14 and 7.",
    ),
)
