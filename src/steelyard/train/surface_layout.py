"""How loss surfaces are printed: what they are of, and their points."""

from __future__ import annotations

from statistics import median

from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.train.surface import LossSurface

_POINT_COLUMNS = (
    Column("x", "x", "ratio", fine=True),
    Column("loss_nats", "loss", "ratio", "nats", fine=True),
    Column("top1", "top-1", "share", bar=True),
)
_SUMMARY_COLUMNS = (
    Column("region", "within"),
    Column("points", "points", "count", rank=1),
    Column("lowest_nats", "lowest loss", "ratio", "nats", fine=True),
    Column("median_nats", "median", "ratio", "nats", fine=True),
    Column("highest_nats", "highest", "ratio", "nats", fine=True),
    Column("top1", "median top-1", "share", bar=True),
)
_RINGS = 5

KINDS = {
    "line": "along a random direction",
    "plane": "over two random directions",
    "between": "between two networks",
    "way": "over the plane of its training",
}


@document.register
def surface_document(found: LossSurface) -> Document:
    """A line point by point; a plane by rings around the network."""
    table = _line(found) if len(found.y) == 1 else _rings(found)
    return Document(
        f"loss of {found.network} on {found.data}, {found.split}, {KINDS[found.kind]}",
        lead=sentences(found),
        tables=(table,),
        warnings=found.notes,
    )


def sentences(found: LossSurface) -> tuple[str, ...]:
    """What the surface is of, and how it was made."""
    made = found.settings
    how = {
        "between": "0 is the network, 1 the other one; all parameters and statistics go along",
        "way": "principal components of the states of the training, which explain "
        + " and ".join(f"{share:.1%}" for share in found.shares or ()),
    }.get(
        found.kind,
        f"random, seed {made.seed}, normalised by {made.normalise}"
        if made.normalise != "none"
        else f"random, seed {made.seed}, not normalised",
    )
    vectors = "" if made.vectors or found.kind == "between" else "; biases and normalisations stay"
    statistics = (
        "kept from the network"
        if made.statistics == "kept"
        else "recomputed at every point over the same samples"
    )
    if found.kind == "between" and made.statistics == "kept":
        statistics = "interpolated like the weights"
    lines = [
        f"{found.samples:,} samples; data SHA-256 {found.fingerprint[:16]}…; "
        f"weights SHA-256 {found.weights_sha256[:16]}…",
        f"preprocessing: {found.preprocessing}",
        f"directions: {how}{vectors}",
        f"statistics of batch normalisation: {statistics}",
    ]
    return tuple(lines)


def records(found: LossSurface) -> Table:
    """Every point as one flat table."""
    x, *rest = _POINT_COLUMNS
    rows: list[tuple[Cell, ...]] = [
        (at_x, at_y, loss, top1 / 100)
        for at_y, losses, accuracies in zip(found.y, found.loss, found.top1, strict=True)
        for at_x, loss, top1 in zip(found.x, losses, accuracies, strict=True)
    ]
    return Table("", (x, Column("y", "y", "ratio", fine=True), *rest), tuple(rows))


def _line(found: LossSurface) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (x, loss, top1 / 100)
        for x, loss, top1 in zip(found.x, found.loss[0], found.top1[0], strict=True)
    ]
    return Table("", _POINT_COLUMNS, tuple(rows))


def _rings(found: LossSurface) -> Table:
    """Points by the larger of their coordinates: squares around (0, 0)."""
    far = max(abs(x) for x in found.x)
    rows: list[tuple[Cell, ...]] = []
    for ring in range(1, _RINGS + 1):
        reach = far * ring / _RINGS
        inside = [
            (loss, top1)
            for y, losses, accuracies in zip(found.y, found.loss, found.top1, strict=True)
            for x, loss, top1 in zip(found.x, losses, accuracies, strict=True)
            if max(abs(x), abs(y)) <= reach * (1 + 1e-9)
        ]
        losses_ = [loss for loss, _ in inside if loss is not None]
        if not losses_:
            continue
        rows.append(
            (
                f"{reach:.3g}", len(inside), min(losses_), median(losses_), max(losses_),
                median(top1 for _, top1 in inside) / 100,
            )
        )  # fmt: skip
    return Table("Squares around the network", _SUMMARY_COLUMNS, tuple(rows))
