"""Cases of the channel shuffle."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.channel_shuffle import ChannelShuffle

CASES = [
    LayerCase(
        name=f"channel-shuffle-{groups}",
        build=lambda groups=groups: ChannelShuffle(groups),  # type: ignore[misc]
        inputs=lambda n, h, w: [(n, 12, h, w)],
        output=lambda n, h, w: (n, 12, h, w),
        params=0,
        macs=lambda n, h, w: 0,
    )
    for groups in (1, 3)
]
