"""``steelyard rewrite SOURCE RULE``: a network with layers exchanged by a rule, and what that gains."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb


@click.command("rewrite", cls=Verb)
@click.argument("source")
@click.argument("rule")
@click.option(
    "--only", multiple=True, metavar="PATTERN", help="Shell pattern of module paths; repeatable."
)
@click.option("--input", "shape", metavar="SHAPE", help="Shape of the input, e.g. 1x3x224x224.")
@output_options(*FORMATS)
def command(
    source: str, rule: str, only: tuple[str, ...], shape: str | None, output: Output
) -> None:
    """Exchange layers of a network and print what that changes in cost.

    \b
    SOURCE is a zoo name or package.module:callable. RULE, with options after a colon:
      stack3x3             k x k -> (k-1)/2 of 3x3
      asymmetric           k x k -> k x 1, 1 x k           rank=
      depthwise_separable  k x k -> depthwise, 1x1         multiplier=
      grouped              -> groups and channel shuffle   groups=, pointwise=
      shift                k x k -> shift, 1x1
      bottleneck           k x k -> 1x1, k x k, 1x1        reduction=
      h_swish              ReLU6 -> h-swish                of=
      squeeze_excite       adds squeeze-and-excitation     reduction=, at=

    \b
    steelyard rewrite resnet50 depthwise_separable --only "layer4.*"
    steelyard rewrite vgg16 grouped:groups=8
    """
    import steelyard

    with output.working(f"rewriting {source}"):
        result = steelyard.rewrite(
            source, rule, only=only or "*", input_shape=_shape(shape) if shape else None
        )
    output.show(result)


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.split("x")
    if not all(size.isdecimal() for size in sizes):
        raise click.BadParameter(f"{text!r} is no shape; expected e.g. 1x3x224x224.")
    return tuple(int(size) for size in sizes)
