"""Cases of local response normalisation."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.local_response_norm import LocalResponseNorm

CASES = [
    LayerCase(
        name=f"lrn-{region}-{'mean' if mean else 'sum'}",
        build=lambda region=region, mean=mean: LocalResponseNorm(
            3, 0.3, 0.75, 2.0, region=region, mean=mean
        ),
        inputs=lambda n, h, w: [(n, 5, h, w)],
        output=lambda n, h, w: (n, 5, h, w),
        params=0,
        macs=lambda n, h, w: 0,
    )
    for region in ("across", "within")
    for mean in (True, False)
]
