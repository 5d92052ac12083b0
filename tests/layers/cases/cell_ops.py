"""Cases of `steelyard.layers.cell_ops`: every operation, with and without stride, in three styles."""

from layer_case import LayerCase

from steelyard.layers.cell_ops import OpStyle, cell_op

SAME = OpStyle("same", "conv")
ZEROS = OpStyle("same_zeros", "conv")
DARTS = OpStyle("symmetric", "factorized", 1e-5)
ENAS = OpStyle("same", "factorized_linear", 1e-5)
C, M = 4, 8


def case(
    name: str,
    style: OpStyle,
    stride: int,
    params: int,
    *,
    inner: int = 0,
    outer: int = 0,
    between: int = 0,
    widths: tuple[int, int] = (C, M),
    train_differs: bool = True,
) -> LayerCase:
    """One operation; MACs: ``inner`` per input pixel, ``outer`` per output pixel, ``between`` of a map that
    is halved in width only."""
    c, m = widths

    def out(n: int) -> int:
        return -(-n // stride)

    return LayerCase(
        name=f"cell-op-{name}-{style.padding}-{style.identity}-{stride}-{c}-{m}",
        build=lambda: cell_op(name, c, m, stride, style),
        inputs=lambda n, h, w: [(n, c, h, w)],
        output=lambda n, h, w: (n, m, out(h), out(w)),
        params=params,
        macs=lambda n, h, w: n * (inner * h * w + outer * out(h) * out(w) + between * h * out(w)),
        size=(2, 5, 6),
        sizes=(3, 12),
        train_differs=train_differs,
    )


def separable(kernel: int, times: int) -> tuple[int, int]:
    """MACs per output pixel and parameters."""
    macs = kernel**2 * C + C * M
    if times == 2:
        macs += kernel**2 * M + M * M
    return macs, macs + 2 * M * times


CASES = [
    case("skip_connect", SAME, 1, 0, widths=(C, C), train_differs=False),
    case("skip_connect", SAME, 1, C * M + 2 * M, outer=C * M),
    *(case("skip_connect", s, 2, C * M + 2 * M, outer=C * M) for s in (SAME, DARTS, ENAS)),
    case("none", SAME, 2, 0, widths=(C, C), train_differs=False),
    case("none", SAME, 1, C * M + 2 * M, outer=C * M),
    *(
        case(f"{kind}_pool_3x3", style, stride, 0, widths=(C, C), train_differs=False)
        for kind in ("avg", "max")
        for style, stride in ((SAME, 1), (SAME, 2), (ZEROS, 2), (DARTS, 2))
        if (kind, style) != ("max", ZEROS)
    ),
    case("max_pool_2x2", SAME, 2, 0, widths=(C, C), train_differs=False),
    case("max_pool_2x2", DARTS, 1, 0, widths=(C, C), train_differs=False),
    case("max_pool_5x5", SAME, 2, 0, widths=(C, C), train_differs=False),
    case("max_pool_7x7", SAME, 1, 0, widths=(C, C), train_differs=False),
    case("max_pool_3x3", SAME, 2, C * M + 2 * M, outer=C * M),
    case("conv_1x1", SAME, 1, C * M + 2 * M, outer=C * M),
    case("conv_1x1", DARTS, 2, C * M + 2 * M, outer=C * M),
    *(
        case(f"sep_conv_{k}x{k}", style, stride, separable(k, 2)[1], outer=separable(k, 2)[0])
        for k, style, stride in ((3, SAME, 1), (3, SAME, 2), (5, DARTS, 2), (7, SAME, 2))
    ),
    case("dil_conv_3x3", DARTS, 2, separable(3, 1)[1], outer=separable(3, 1)[0]),
    case("dil_conv_5x5", SAME, 2, separable(5, 1)[1], outer=separable(5, 1)[0]),
    case("dil_sep_conv_3x3", SAME, 1, separable(3, 2)[1], outer=separable(3, 2)[0]),
    case("dil_sep_conv_5x5", SAME, 2, separable(5, 2)[1], outer=separable(5, 2)[0]),
    # a quarter of 8 channels: 2
    case(
        "conv_3x3",
        SAME,
        2,
        C * 2 + 9 * 2 * 2 + 2 * M + 2 * (2 + 2 + M),
        inner=C * 2,
        outer=9 * 2 * 2 + 2 * M,
    ),
    *(
        case(
            "conv_1x7_7x1",
            style,
            2,
            C * 2 + 2 * 7 * 2 * 2 + 2 * M + 2 * (2 + 2 + 2 + M),
            inner=C * 2,
            between=7 * 2 * 2,
            outer=7 * 2 * 2 + 2 * M,
        )
        for style in (SAME, DARTS)
    ),
    # three eighths: 3
    case(
        "conv_1x3_3x1",
        SAME,
        1,
        C * 3 + 2 * 3 * 3 * 3 + 3 * M + 2 * (3 + 3 + 3 + M),
        outer=C * 3 + 2 * 3 * 3 * 3 + 3 * M,
    ),
    # a quarter of 3 channels is none: no 1x1
    case("conv_3x3", SAME, 2, 9 * 2 * 3 + 2 * 3, outer=9 * 2 * 3, widths=(2, 3)),
]
