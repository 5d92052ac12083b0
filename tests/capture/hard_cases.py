"""Small networks that operator counters get wrong, each with its cost worked out by hand.

`CASES` holds them in order. Every ``macs`` and ``params`` is an expression of sizes, written from the
definition of the operation; no figure was taken from a program's output.

What counts (N batch, M output channels, C input channels, G groups, P Q output, R S filter):

- convolution ``N M P Q (C/G) R S``, padding included; transposed convolution ``N C H W (M/G) R S``;
- linear layer ``rows x in x out``; product of matrices (I x K)(K x J), batched or not, ``B I K J``;
  matrix times vector ``I K``; inner product of two vectors of n elements ``n``;
- attention: both products, ``B h L S E`` for the scores and ``B h L S Ev`` for the values, whether or
  not a mask hides some of them; projections are linear layers;
- recurrent layers: per step and direction, one linear layer of the input and one of the state for
  each gate (1 RNN, 3 GRU, 4 LSTM), and the projection of an LSTM that has one;
- bilinear layer x1' W x2 with O outputs: ``rows O (C1 C2 + C2)``, x1 with W and the result with x2;
- complex numbers: one complex multiply-accumulate is one MAC, of a complex type;
- an outer product, ``*`` and sums accumulate no products: 0, like biases, normalisation, activations,
  pooling, interpolation, table look-up and FFT;
- whatever is computed from weights alone in the pass (parametrisations) is executed, so it counts.

``params`` is the number of elements of all distinct parameters that the pass reads.
"""

from __future__ import annotations

import contextlib
import math
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, reduce
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn
from torch.nn.functional import linear as early_linear  # bound before any tool can patch it
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

Built = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class HardCase:
    """One network with its true cost.

    Attributes:
        name: unique.
        build: makes (module, positional arguments, keyword arguments), tensors with real values
            except where the case is about meta tensors.
        macs: multiply-accumulates of one call.
        params: elements of the distinct parameters read, None where weights are packed.
        values: the network reads tensor values, so shapes alone cannot be enough.
        note: what makes it hard.
    """

    name: str
    build: Callable[[], Built] = field(compare=False, repr=False)
    macs: int
    params: int | None
    note: str
    values: bool = False


CASES: list[HardCase] = []


def case(
    note: str, *, macs: int, params: int | None, values: bool = False
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Registers a function that returns (module, args) or (module, args, kwargs)."""

    def add(function: Callable[[], Any]) -> Callable[[], Any]:
        def build() -> Built:
            torch.manual_seed(0)
            module, args, *rest = function()
            if not hasattr(module, "keep_mode"):
                module.eval()
            return module, args, rest[0] if rest else {}

        CASES.append(HardCase(function.__name__, build, macs, params, note, values))
        return function

    return add


class Fn(nn.Module):
    """A network whose forward is a function of itself and its inputs."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / shape[-1])


# ---- the formulas ------------------------------------------------------------------------------


def conv(n: int, m: int, out: tuple[int, ...], c: int, kernel: tuple[int, ...], g: int = 1) -> int:
    """N M P Q (C/G) R S."""
    return n * m * prod(out) * (c // g) * prod(kernel)


def mm(i: int, k: int, j: int, batch: int = 1) -> int:
    """B I K J."""
    return batch * i * k * j


def attention(batch: int, heads: int, queries: int, keys: int, e: int, ev: int) -> int:
    """Scores B h L S E, values B h L S Ev."""
    return batch * heads * queries * keys * (e + ev)


# ---- convolutions ------------------------------------------------------------------------------


@case("groups, stride, dilation", macs=conv(2, 12, (7, 6), 8, (3, 3), g=4), params=12 * 2 * 9 + 12)
def conv_grouped_dilated():
    # rows (17 - 2*(3-1) - 1) // 2 + 1 = 7, columns (15 - 4 - 1) // 2 + 1 = 6
    module = nn.Conv2d(8, 12, 3, stride=2, dilation=2, groups=4)
    return module, (torch.randn(2, 8, 17, 15),)


@case(
    "depthwise with two filters a channel",
    macs=conv(1, 14, (9, 11), 7, (3, 5), g=7),
    params=14 * 15,
)
def conv_depthwise_multiplier():
    return nn.Conv2d(7, 14, (3, 5), padding=(1, 2), groups=7, bias=False), (
        torch.randn(1, 7, 9, 11),
    )


@case("1-d, functional, no module", macs=conv(3, 10, (19,), 6, (4,)), params=10 * 6 * 4)
def conv_1d_functional():
    return Fn(lambda s, x: F.conv1d(x, s.w, padding=1), w=weight(10, 6, 4)), (
        torch.randn(3, 6, 20),
    )


@case("3-d, grouped", macs=conv(1, 6, (4, 5, 6), 4, (3, 1, 3), g=2), params=6 * 2 * 9 + 6)
def conv_3d_grouped():
    return nn.Conv3d(4, 6, (3, 1, 3), padding=(1, 0, 1), groups=2), (torch.randn(1, 4, 4, 5, 6),)


@case("no batch dimension", macs=conv(1, 5, (8, 8), 3, (3, 3)), params=5 * 3 * 9 + 5)
def conv_unbatched():
    return nn.Conv2d(3, 5, 3), (torch.randn(3, 10, 10),)


@case(
    "transposed, grouped, output padding: each input element meets every tap",
    macs=2 * 8 * (5 * 6) * (12 // 2) * 9,  # N C HW (M/G) RS
    params=8 * 6 * 9 + 12,
)
def conv_transposed_grouped():
    module = nn.ConvTranspose2d(8, 12, 3, stride=2, padding=1, output_padding=1, groups=2)
    return module, (torch.randn(2, 8, 5, 6),)


@case(
    "transposed in 1-d and 3-d, functional",
    macs=1 * 4 * 9 * 6 * 5 + 1 * 2 * (3 * 4 * 5) * 3 * 8,  # N C L M R + N C DHW M RST
    params=4 * 6 * 5 + 2 * 3 * 8,
)
def conv_transposed_1d_3d():
    def forward(self, x, y):
        return F.conv_transpose1d(x, self.w1, stride=3), F.conv_transpose3d(y, self.w3, stride=2)

    args = (torch.randn(1, 4, 9), torch.randn(1, 2, 3, 4, 5))
    return Fn(forward, w1=weight(4, 6, 5), w3=weight(2, 3, 2, 2, 2)), args


@case("padding='same' with an even filter", macs=conv(1, 5, (9, 10), 3, (4, 2)), params=5 * 3 * 8)
def conv_padding_same():
    return nn.Conv2d(3, 5, (4, 2), padding="same", bias=False), (torch.randn(1, 3, 9, 10),)


@case("circular padding is a copy, then padding='valid'",
      macs=conv(2, 4, (8, 8), 3, (5, 5)) + conv(2, 6, (6, 6), 4, (3, 3)),
      params=4 * 3 * 25 + 4 + 6 * 4 * 9 + 6)  # fmt: skip
def conv_padding_circular():
    first = nn.Conv2d(3, 4, 5, padding=2, padding_mode="circular")
    return nn.Sequential(first, nn.Conv2d(4, 6, 3, padding="valid")), (torch.randn(2, 3, 8, 8),)


@case("weights standardised on the way", macs=conv(1, 8, (6, 6), 4, (3, 3)), params=8 * 4 * 9 + 8)
def conv_weight_standardised():
    def forward(self, x):
        w = self.conv.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.conv.bias, padding=1)

    return Fn(forward, conv=nn.Conv2d(4, 8, 3)), (torch.randn(1, 4, 6, 6),)


@case(
    "filters made from the input, samples as groups (dynamic convolution)",
    macs=mm(3, 5, 6 * 4 * 9) + conv(1, 3 * 6, (7, 7), 3 * 4, (3, 3), g=3),
    params=5 * 6 * 4 * 9,
)
def conv_dynamic_filters():
    def forward(self, x, code):
        filters = self.make(code).reshape(3 * 6, 4, 3, 3)
        out = F.conv2d(x.reshape(1, 3 * 4, 7, 7), filters, padding=1, groups=3)
        return out.view(3, 6, 7, 7)

    module = Fn(forward, make=nn.Linear(5, 6 * 4 * 9, bias=False))
    return module, (torch.randn(3, 4, 7, 7), torch.randn(3, 5))


@case("unfold and a matrix product instead of a convolution",
      macs=mm(10, 3 * 9, 6 * 7, batch=2), params=10 * 27)  # fmt: skip
def conv_as_unfold():
    def forward(self, x):
        return (self.w @ F.unfold(x, 3)).view(2, 10, 6, 7)

    return Fn(forward, w=weight(10, 27)), (torch.randn(2, 3, 8, 9),)


@case("deformable sampling by grid_sample, then a strided convolution",
      macs=conv(1, 2, (6, 6), 4, (3, 3)) + conv(1, 5, (6, 6), 4, (1, 1)),
      params=2 * 4 * 9 + 2 + 5 * 4)  # fmt: skip
def conv_deformable_gather():
    def forward(self, x):
        offset = self.offset(x).permute(0, 2, 3, 1).tanh() * 0.1
        lines = torch.linspace(-1, 1, 6, device=x.device)
        grid = torch.stack(torch.meshgrid(lines, lines, indexing="xy"), -1)[None]
        return self.mix(F.grid_sample(x, grid + offset, align_corners=False))

    parts = {"offset": nn.Conv2d(4, 2, 3, padding=1), "mix": nn.Conv2d(4, 5, 1, bias=False)}
    return Fn(forward, **parts), (torch.randn(1, 4, 6, 6),)


@case("module not yet built: its channels follow from the first input",
      macs=conv(1, 6, (8, 8), 5, (3, 3)) + mm(1, 6 * 64, 4),
      params=6 * 5 * 9 + 6 + 6 * 64 * 4 + 4)  # fmt: skip
def conv_lazy():
    return nn.Sequential(nn.LazyConv2d(6, 3, padding=1), nn.Flatten(), nn.LazyLinear(4)), (
        torch.randn(1, 5, 8, 8),
    )


@case("channels_last in and out", macs=conv(2, 8, (5, 5), 4, (3, 3)) + mm(2, 8, 3),
      params=8 * 4 * 9 + 8 + 8 * 3 + 3)  # fmt: skip
def conv_channels_last():
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).to(memory_format=torch.channels_last)
    return net, (torch.randn(2, 4, 10, 10).contiguous(memory_format=torch.channels_last),)


@case("sub-pixel up-convolution", macs=conv(1, 12, (5, 5), 4, (3, 3)) + conv(1, 2, (10, 10), 3, (3, 3)),
      params=12 * 4 * 9 + 12 + 2 * 3 * 9 + 2)  # fmt: skip
def conv_pixel_shuffle():
    return nn.Sequential(
        nn.Conv2d(4, 12, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(3, 2, 3, padding=1)
    ), (torch.randn(1, 4, 5, 5),)


@case("time, batch, channel layout: conv_tbc", macs=conv(2, 7, (9,), 5, (3,)), params=3 * 5 * 7 + 7)
def conv_tbc():
    def forward(self, x):
        return torch.conv_tbc(x, self.w, self.b, 1)

    return Fn(forward, w=weight(3, 5, 7), b=weight(7)), (torch.randn(9, 2, 5),)


# ---- matrix products ---------------------------------------------------------------------------


@case("the @ operator from both sides", macs=mm(6, 8, 5) + mm(3, 6, 5), params=8 * 5 + 3 * 6)
def product_at():
    return Fn(lambda s, x: s.left @ (x @ s.w), w=weight(8, 5), left=weight(3, 6)), (
        torch.randn(6, 8),
    )


@case("broadcast batches", macs=mm(5, 6, 7, batch=2 * 3 * 4), params=0)
def product_broadcast():
    args = (torch.randn(2, 1, 4, 5, 6), torch.randn(3, 1, 6, 7))
    return Fn(lambda s, a, b: torch.matmul(a, b)), args


@case(
    "addmm, addmv, addbmm, baddbmm",
    macs=mm(4, 5, 6) + mm(4, 5, 1) + mm(4, 5, 6, batch=3) + mm(4, 5, 6, batch=3),
    params=0,
)
def product_add():
    def forward(self, a, b, v, batch_a, batch_b, bias):
        one = torch.addmm(bias, a, b) + torch.addbmm(bias, batch_a, batch_b)
        return one, torch.addmv(bias[:, 0], a, v), torch.baddbmm(bias[None], batch_a, batch_b)

    shapes = [(4, 5), (5, 6), (5,), (3, 4, 5), (3, 5, 6), (4, 6)]
    return Fn(forward), tuple(torch.randn(s) for s in shapes)


@case("mv, dot, inner and an outer product, which accumulates nothing",
      macs=mm(6, 7, 1) + 7 + mm(3, 7, 6), params=0)  # fmt: skip
def product_vectors():
    def forward(self, a, v, b):
        return a.mv(v), v.dot(v), torch.inner(b, a), torch.outer(v, v)

    return Fn(forward), (torch.randn(6, 7), torch.randn(7), torch.randn(3, 7))


@case("einsum that permutes, broadcasts and sums", macs=mm(5, 7, 6, batch=2 * 3), params=0)
def product_einsum():
    args = (torch.randn(2, 5, 3, 7), torch.randn(2, 3, 6, 7))
    return Fn(lambda s, q, k: torch.einsum("bihd,bhjd->bhij", q, k)), args


@case("einsum of three operands, left to right the cheaper way",
      macs=mm(2, 9, 3) + mm(2, 3, 8), params=9 * 3 + 3 * 8)  # fmt: skip
def product_einsum_three():
    def forward(self, x):
        return torch.einsum("ni,ir,ro->no", x, self.a, self.b)

    return Fn(forward, a=weight(9, 3), b=weight(3, 8)), (torch.randn(2, 9),)


@case("tensordot over two axes", macs=mm(5, 3 * 4, 6), params=0)
def product_tensordot():
    args = (torch.randn(3, 4, 5), torch.randn(4, 3, 6))
    return Fn(lambda s, a, b: torch.tensordot(a, b, dims=([1, 0], [0, 1]))), args


@case(
    "multi_dot: (ab)(c) is not the cheap order, a(bc) is",
    macs=mm(20, 3, 2) + mm(30, 20, 2),
    params=0,
)
def product_multi_dot():
    # (30x20)(20x3)(3x2): (ab)c = 30*20*3 + 30*3*2 = 1980, a(bc) = 20*3*2 + 30*20*2 = 1320
    args = (torch.randn(30, 20), torch.randn(20, 3), torch.randn(3, 2))
    return Fn(lambda s, a, b, c: torch.linalg.multi_dot([a, b, c])), args


@case("third power of a matrix is two products", macs=2 * mm(6, 6, 6, batch=2), params=0)
def product_matrix_power():
    return Fn(lambda s, a: torch.linalg.matrix_power(a, 3)), (torch.randn(2, 6, 6),)


@case("result written with out=", macs=mm(5, 6, 7) + mm(5, 7, 2), params=0)
def product_out_argument():
    def forward(self, a, b, c):
        buffer = a.new_empty(5, 7)
        torch.mm(a, b, out=buffer)
        return buffer @ c

    return Fn(forward), (torch.randn(5, 6), torch.randn(6, 7), torch.randn(7, 2))


@case("bilinear layer", macs=6 * 4 * (5 * 3 + 3), params=4 * 5 * 3 + 4)
def product_bilinear():
    return nn.Bilinear(5, 3, 4), (torch.randn(2, 3, 5), torch.randn(2, 3, 3))


@case("function bound by name before any patch, operator called by torch.ops",
      macs=mm(4, 6, 5) + mm(4, 5, 3), params=5 * 6 + 5 * 3)  # fmt: skip
def product_unpatchable():
    def forward(self, x):
        return torch.ops.aten.mm.default(early_linear(x, self.a), self.b)

    return Fn(forward, a=weight(5, 6), b=weight(5, 3)), (torch.randn(4, 6),)


@case("torch.vmap over samples", macs=3 * (mm(4, 5, 6) + mm(1, 6, 2)), params=5 * 6 + 6 * 2)
def product_vmap():
    def one(self, x):  # (4, 5) -> (2,)
        return (x @ self.a).mean(0) @ self.b

    def forward(self, x):
        return torch.vmap(partial(one, self))(x)

    return Fn(forward, a=weight(5, 6), b=weight(6, 2)), (torch.randn(3, 4, 5),)


# ---- attention ---------------------------------------------------------------------------------


@case(
    "nn.MultiheadAttention: one packed projection of 3E",
    macs=mm(2 * 5, 16, 3 * 16) + attention(2, 4, 5, 5, 4, 4) + mm(2 * 5, 16, 16),
    params=3 * 16 * 16 + 3 * 16 + 16 * 16 + 16,
)
def attention_multihead():
    x = torch.randn(2, 5, 16)
    return nn.MultiheadAttention(16, 4, batch_first=True), (x, x, x)


@case(
    "MultiheadAttention with own key and value widths and a learnt extra key, weights not returned",
    # queries 5, keys 7 + 1 learnt; projections 16x16, 10x16, 6x16 on 5, 7 and 7 rows
    macs=2 * (mm(5, 16, 16) + mm(7, 10, 16) + mm(7, 6, 16))
    + attention(2, 4, 5, 7 + 1, 4, 4)
    + mm(2 * 5, 16, 16),
    params=16 * 16 + 10 * 16 + 6 * 16 + 3 * 16 + 2 * 16 + 16 * 16 + 16,
)
def attention_multihead_kdim():
    module = nn.MultiheadAttention(16, 4, kdim=10, vdim=6, add_bias_kv=True)
    args = (torch.randn(5, 2, 16), torch.randn(7, 2, 10), torch.randn(7, 2, 6))
    return module, args, {"need_weights": False}


@case(
    "scaled_dot_product_attention, causal, no module at all",
    macs=attention(2, 3, 6, 6, 8, 8),
    params=0,
)
def attention_fused():
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    return Fn(forward), tuple(torch.randn(2, 3, 6, 8) for _ in range(3))


@case(
    "grouped queries, a mask, values wider than keys", macs=attention(2, 6, 5, 7, 8, 10), params=0
)
def attention_grouped_query():
    def forward(self, q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)

    args = (torch.randn(2, 6, 5, 8), torch.randn(2, 3, 7, 8), torch.randn(2, 3, 7, 10))
    return Fn(forward), (*args, torch.randn(5, 7))


@case("attention written out with @, masks and softmax",
      macs=mm(2 * 9, 12, 36) + attention(2, 3, 9, 9, 4, 4) + mm(2 * 9, 12, 12),
      params=12 * 36 + 12 * 12)  # fmt: skip
def attention_written_out():
    def forward(self, x):
        b, n, e = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 3, e // 3).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) * (e // 3) ** -0.5
        mask = torch.ones(n, n, dtype=torch.bool, device=x.device).tril()
        scores = torch.where(mask, scores, float("-inf")).softmax(-1)
        return self.out((scores @ v).transpose(1, 2).flatten(2))

    parts = {"qkv": nn.Linear(12, 36, bias=False), "out": nn.Linear(12, 12, bias=False)}
    return Fn(forward, **parts), (torch.randn(2, 9, 12),)


@case(
    "TransformerEncoderLayer: PyTorch takes a fused path in eval mode",
    macs=2
    * (mm(3 * 7, 8, 24) + attention(3, 2, 7, 7, 4, 4) + mm(3 * 7, 8, 8) + 2 * mm(3 * 7, 8, 20)),
    params=2 * (8 * 24 + 24 + 8 * 8 + 8 + 8 * 20 + 20 + 20 * 8 + 8 + 4 * 8),
)
def attention_encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 20, batch_first=True)
    return nn.TransformerEncoder(layer, 2), (torch.randn(3, 7, 8),)


# ---- recurrent layers --------------------------------------------------------------------------


@case(
    "LSTM, two layers, both directions, with projection",
    # hidden 6, projected to 4; the second layer reads both directions, 2*4
    macs=3 * 5 * 2 * (mm(1, 7 + 4, 4 * 6) + mm(1, 6, 4))
    + 3 * 5 * 2 * (mm(1, 8 + 4, 4 * 6) + mm(1, 6, 4)),
    params=2 * (24 * (7 + 4) + 48 + 4 * 6) + 2 * (24 * (8 + 4) + 48 + 4 * 6),
)
def recurrent_lstm():
    module = nn.LSTM(7, 6, num_layers=2, bidirectional=True, proj_size=4, batch_first=True)
    return module, (torch.randn(3, 5, 7),)


@case("GRU and plain RNN in a row",
      macs=4 * 2 * mm(1, 5 + 6, 3 * 6) + 4 * 2 * mm(1, 6 + 3, 3),
      params=18 * 11 + 36 + 3 * 9 + 6)  # fmt: skip
def recurrent_gru_rnn():
    def forward(self, x):
        return self.rnn(self.gru(x)[0])[0]

    return Fn(forward, gru=nn.GRU(5, 6), rnn=nn.RNN(6, 3)), (torch.randn(4, 2, 5),)


@case("cells in a loop over time", macs=5 * 2 * mm(1, 4 + 6, 4 * 6) + 5 * 2 * mm(1, 6 + 3, 3 * 3),
      params=24 * 10 + 48 + 9 * 9 + 18)  # fmt: skip
def recurrent_cells():
    def forward(self, x):
        state, hidden = None, None
        for step in x:
            state = self.lstm(step, state)
            hidden = self.gru(state[0], hidden)
        return hidden

    return Fn(forward, lstm=nn.LSTMCell(4, 6), gru=nn.GRUCell(6, 3)), (torch.randn(5, 2, 4),)


@case("packed sequences of 5, 3 and 2 steps", macs=(5 + 3 + 2) * mm(1, 4 + 6, 3 * 6),
      params=18 * 10 + 36, values=True)  # fmt: skip
def recurrent_packed():
    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths)
        return nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0])[0]

    return Fn(forward, gru=nn.GRU(4, 6)), (torch.randn(5, 3, 4), torch.tensor([5, 3, 2]))


# ---- structure: sharing, inputs, outputs, calls ------------------------------------------------


@case("one convolution called at three sizes", macs=sum(conv(1, 4, (s, s), 4, (3, 3)) for s in (8, 4, 2)),
      params=4 * 4 * 9 + 4)  # fmt: skip
def structure_called_thrice():
    def forward(self, levels):
        return [self.head(level) for level in levels]

    return Fn(forward, head=nn.Conv2d(4, 4, 3, padding=1)), (
        [torch.randn(1, 4, s, s) for s in (8, 4, 2)],
    )


@case("two modules that hold the same convolution", macs=2 * conv(1, 3, (6, 6), 3, (3, 3)),
      params=3 * 3 * 9 + 3)  # fmt: skip
def structure_shared_module():
    shared = nn.Conv2d(3, 3, 3, padding=1)
    net = nn.Sequential(
        nn.Sequential(shared, nn.ReLU()), nn.Sequential(nn.BatchNorm2d(3, affine=False), shared)
    )
    return net, (torch.randn(1, 3, 6, 6),)


@case(
    "tied weights: a table read as embedding and as output matrix",
    macs=mm(2 * 7, 6, 11),
    params=11 * 6,
)
def structure_tied_weights():
    table, out = nn.Embedding(11, 6), nn.Linear(6, 11, bias=False)
    out.weight = table.weight
    return nn.Sequential(table, out), (torch.randint(11, (2, 7)),)


@case("EmbeddingBag sums rows, then the table transposed", macs=mm(3, 5, 9) + mm(3, 9, 2),
      params=9 * 5 + 9 * 2)  # fmt: skip
def structure_embedding_bag():
    def forward(self, words):
        return self.out(F.linear(self.bag(words), self.bag.weight).relu_())

    parts = {"bag": nn.EmbeddingBag(9, 5, mode="sum"), "out": nn.Linear(9, 2, bias=False)}
    return Fn(forward, **parts), (torch.randint(9, (3, 4)),)


@case("dict in, nested dict, list and tuple out", macs=conv(2, 4, (4, 4), 3, (1, 1)) + mm(2, 5, 6),
      params=4 * 3 + 5 * 6)  # fmt: skip
def structure_nested():
    def forward(self, batch):
        image, meta = batch["image"], batch["more"][0]["meta"]
        return {"maps": [self.conv(image), (image,)], "flat": {"logits": self.fc(meta)}, "n": 3}

    parts = {"conv": nn.Conv2d(3, 4, 1, bias=False), "fc": nn.Linear(5, 6, bias=False)}
    batch = {"image": torch.randn(2, 3, 4, 4), "more": [{"meta": torch.randn(2, 5)}]}
    return Fn(forward, **parts), (batch,)


@dataclass
class Prediction:
    logits: Tensor
    box: Tensor | None = None


@case(
    "keyword-only inputs, an input left out, a dataclass returned",
    macs=2 * mm(3, 4, 5),
    params=4 * 5 + 5,
)
def structure_keywords():
    def forward(self, *, x, y=None, scale: float = 2.0):
        total = self.fc(x) * scale
        return Prediction(total if y is None else total + self.fc(y))

    module = Fn(forward, fc=nn.Linear(4, 5))
    return module, (), {"x": torch.randn(3, 4), "y": torch.randn(3, 4)}


@case(
    "optional input is None: its branch is skipped",
    macs=conv(1, 4, (5, 5), 3, (3, 3)),
    params=4 * 27,
)
def structure_optional_none():
    def forward(self, x, *rest, skip=None, **options):
        x = self.conv(x)
        return x if skip is None else x + self.side(skip)

    parts = {"conv": nn.Conv2d(3, 4, 3, bias=False), "side": nn.Linear(5, 5)}
    return (
        Fn(forward, **parts),
        (torch.randn(1, 3, 7, 7), None, "text"),
        {"skip": None, "flag": True},
    )


Pair = namedtuple("Pair", ["left", "right"])


@case(
    "named tuples in and out; isinstance tests on inputs",
    macs=conv(1, 5, (4, 4), 6, (1, 1)),
    params=5 * 6,
)
def structure_dense_list():
    def forward(self, x):
        maps = [x] if isinstance(x, Tensor) else list(x)
        if not all(isinstance(m, torch.Tensor) and m.dim() == 4 for m in maps):
            raise TypeError("wanted feature maps")
        new = self.conv(torch.cat(maps, 1))
        return Pair(new, torch.cat([*maps, new], dim=1))

    args = (Pair(torch.randn(1, 2, 4, 4), torch.randn(1, 4, 4, 4)),)
    return Fn(forward, conv=nn.Conv2d(6, 5, 1, bias=False)), args


@case("ModuleList backwards, ModuleDict by name, a slice of a Sequential, a ParameterList",
      macs=mm(2, 4, 4) * 2 + mm(2, 4, 3) + mm(2, 3, 5) + mm(2, 5, 6),
      params=16 * 2 + 12 + 15 + 30)  # fmt: skip
def structure_containers():
    linear = partial(nn.Linear, bias=False)

    def forward(self, x):
        for layer in reversed(self.blocks):
            x = layer(x)
        x = self.heads["small"](x)
        return self.tail[1:](x) @ self.extra[0]

    return Fn(
        forward,
        blocks=nn.ModuleList([linear(4, 4), linear(4, 4)]),
        heads=nn.ModuleDict({"large": linear(4, 9), "small": linear(4, 3)}),
        tail=nn.Sequential(OrderedDict(unused=linear(9, 9), act=nn.ReLU(), fc=linear(3, 5))),
        extra=nn.ParameterList([torch.randn(5, 6)]),
    ), (torch.randn(2, 4),)


@case("a part called by .forward and by a method of its own", macs=mm(2, 4, 5) + mm(2, 5, 3) + mm(2, 3, 5),
      params=4 * 5 + 5 * 3 + 3 * 5)  # fmt: skip
def structure_other_methods():
    class Coder(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.up = nn.Linear(5, 3, bias=False), nn.Linear(3, 5, bias=False)

        def encode(self, x):
            return self.down.forward(x)

        def decode(self, x):
            return self.up(x)

    def forward(self, x):
        return self.coder.decode(self.coder.encode(self.stem.forward(x)))

    return Fn(forward, stem=nn.Linear(4, 5, bias=False), coder=Coder()), (torch.randn(2, 4),)


@case("hooks that change what a module reads and returns",
      macs=conv(1, 8, (5, 5), 3, (1, 1)) + conv(1, 6, (5, 5), 4, (3, 3)),
      params=8 * 3 + 6 * 4 * 9)  # fmt: skip
def structure_hooks():
    first, second = nn.Conv2d(3, 8, 1, bias=False), nn.Conv2d(4, 6, 3, bias=False)
    first.register_forward_hook(lambda m, args, out: out[:, ::2])
    second.register_forward_pre_hook(lambda m, args: (F.pad(args[0], (1, 1, 1, 1)),))
    return nn.Sequential(first, second), (torch.randn(1, 3, 5, 5),)


@case("functional_call with other weights, twice as wide", macs=mm(3, 4, 10), params=0)
def structure_functional_call():
    inner = nn.Linear(4, 5)

    def forward(self, x, w, b):
        return torch.func.functional_call(inner, {"weight": w, "bias": b}, (x,))

    return Fn(forward), (torch.randn(3, 4), torch.randn(10, 4), torch.randn(10))


# ---- Python between the tensors ----------------------------------------------------------------


@case("a branch on a value", macs=mm(3, 4, 5) + mm(3, 5, 2), params=4 * 5 + 5 * 2, values=True)
def python_branch_on_value():
    def forward(self, x):
        x = self.fc(x)
        return self.yes(x) if x.abs().sum() >= 0 else self.no(x)

    linear = partial(nn.Linear, bias=False)
    return Fn(forward, fc=linear(4, 5), yes=linear(5, 2), no=linear(5, 9)), (torch.randn(3, 4),)


@case("as many layers as an integer input says", macs=4 * mm(2, 6, 6), params=36, values=True)
def python_loop_on_value():
    def forward(self, x, depth):
        for _ in range(int(depth)):
            x = self.fc(x).tanh()
        return x

    return Fn(forward, fc=nn.Linear(6, 6, bias=False)), (torch.randn(2, 6), torch.tensor(4))


@case("rows kept by a mask go through the layer", macs=mm(3, 4, 5), params=20, values=True)
def python_boolean_mask():
    def forward(self, x):
        return self.fc(x[x[:, 0] > 0])

    x = torch.tensor([[1.0], [-1.0], [2.0], [-3.0], [0.5]]).expand(5, 4).clone()
    return Fn(forward, fc=nn.Linear(4, 5, bias=False)), (x,)


@case("sizes, iteration, unpacking, operators from the left, tensors made on the way",
      macs=mm(2 * 3, 4, 5) + mm(3, 5, 2), params=4 * 5 + 5 * 2)  # fmt: skip
def python_shape_arithmetic():
    def forward(self, x):
        n, (c, d) = len(x), x.shape[1:]
        position = torch.arange(c, device=x.device, dtype=x.dtype)[:, None] / max(1, c - 1)
        x = x + 1 / (2.0**position) + torch.zeros_like(x) - x.new_full((d,), 0.5)
        rows = [self.fc(row) for row in x.view(n, -1, x.size(-1))]
        first, *rest = rows
        joined = reduce(torch.add, rest, first).mul(1 / math.sqrt(n)).mT.mT
        return self.w(sum([joined, joined])) * f"{joined.shape[0]}".count("3")

    parts = {"fc": nn.Linear(4, 5, bias=False), "w": nn.Linear(5, 2, bias=False)}
    return Fn(forward, **parts), (torch.randn(2, 3, 4),)


@case("in-place arithmetic, slices assigned to", macs=conv(1, 4, (6, 6), 2, (3, 3)) + conv(1, 2, (6, 6), 4, (1, 1)),
      params=4 * 2 * 9 + 2 * 4)  # fmt: skip
def python_in_place():
    def forward(self, x):
        wide = torch.zeros(x.shape[0], 4, 6, 6, dtype=x.dtype, device=x.device)
        wide[:, ::2] = x
        wide[:, 1::2] += x.clone().mul_(0.5)
        wide.add_(self.a(x)).clamp_(min=0)
        x.copy_(self.b(wide))
        return x.relu_()

    parts = {"a": nn.Conv2d(2, 4, 3, padding=1, bias=False), "b": nn.Conv2d(4, 2, 1, bias=False)}
    return Fn(forward, **parts), (torch.randn(1, 2, 6, 6),)


@case("pyramid: interpolate to the size of another map, where, cat, gating",
      macs=conv(1, 4, (8, 8), 3, (3, 3)) + conv(1, 4, (4, 4), 4, (3, 3)) + conv(1, 4, (1, 1), 4, (1, 1))
      + conv(1, 5, (8, 8), 8, (1, 1)),
      params=4 * 27 + 4 * 36 + 16 + 40)  # fmt: skip
def python_pyramid():
    conv2d = partial(nn.Conv2d, bias=False)

    def forward(self, x):
        high = self.a(x)
        low = self.b(high)
        low = low * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(low, 1)))
        up = F.interpolate(low, size=high.shape[-2:], mode="bilinear", align_corners=False)
        return self.head(torch.cat([torch.where(up > high, up, high), high], dim=1))

    return Fn(forward, a=conv2d(3, 4, 3, padding=1), b=conv2d(4, 4, 3, stride=2, padding=1),
              gate=conv2d(4, 4, 1), head=conv2d(8, 5, 1)), (torch.randn(1, 3, 8, 8),)  # fmt: skip


@case("no_grad, autocast and inference blocks", macs=2 * conv(1, 4, (5, 5), 4, (3, 3)) + mm(1, 4, 3),
      params=4 * 4 * 9 + 4 * 3)  # fmt: skip
def python_contexts():
    def forward(self, x):
        with torch.no_grad():
            x = self.conv(x)
        with torch.autocast("cpu", torch.bfloat16):
            x = self.conv(x)
        with contextlib.suppress(ValueError), torch.enable_grad():
            return self.fc(x.float().mean((-2, -1)))

    parts = {"conv": nn.Conv2d(4, 4, 3, padding=1, bias=False), "fc": nn.Linear(4, 3, bias=False)}
    return Fn(forward, **parts), (torch.randn(1, 4, 5, 5),)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x.mm(w)

    @staticmethod
    def backward(ctx, grad):
        x, w = ctx.saved_tensors
        return grad.mm(w.t()), x.t().mm(grad)


@case("an autograd Function", macs=mm(4, 6, 5), params=30)
def python_autograd_function():
    return Fn(lambda s, x: Scaled.apply(x, s.w), w=weight(6, 5)), (torch.randn(4, 6),)


@case("checkpointed block", macs=2 * conv(2, 3, (6, 6), 3, (3, 3)), params=2 * (81 + 3))
def python_checkpoint():
    block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1))
    return Fn(lambda s, x: checkpoint(s.block, x, use_reentrant=False), block=block), (
        torch.randn(2, 3, 6, 6),
    )


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.w = nn.Parameter(torch.randn(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).relu()
        if x.size(2) > 3:
            x = x.mean(dim=[2, 3])
        return torch.matmul(x, self.w)


@case("a part compiled by torch.jit.script", macs=conv(2, 4, (5, 5), 3, (3, 3)) + mm(2, 4, 2) + mm(2, 2, 3),
      params=4 * 27 + 4 + 8 + 6)  # fmt: skip
def python_scripted():
    return nn.Sequential(torch.jit.script(Scripted()), nn.Linear(2, 3, bias=False)), (
        torch.randn(2, 3, 7, 7),
    )


# ---- weights that are not what they seem -------------------------------------------------------


@case(
    "weight norm: direction and length", macs=conv(1, 4, (6, 6), 3, (3, 3)), params=4 * 27 + 4 + 4
)
def weights_weight_norm():
    return parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1)), (torch.randn(1, 3, 6, 6),)


@case(
    "spectral norm: u'(W v) is executed with every call",
    macs=mm(2, 6, 5) + mm(5, 6, 1) + 5,
    params=30 + 5,
)
def weights_spectral_norm():
    return parametrizations.spectral_norm(nn.Linear(6, 5)), (torch.randn(2, 6),)


class LowRank(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = weight(8, 2), weight(2, 6)

    def forward(self, w: Tensor) -> Tensor:
        return w + self.a @ self.b


@case("low-rank update as a parametrisation: W + A B is computed",
      macs=mm(3, 6, 8) + mm(8, 2, 6), params=48 + 8 + 16 + 12)  # fmt: skip
def weights_low_rank():
    module = nn.Linear(6, 8)
    parametrize.register_parametrization(module, "weight", LowRank())
    return module, (torch.randn(3, 6),)


@case("pruned: zeros are still multiplied", macs=conv(1, 4, (6, 6), 3, (3, 3)), params=4 * 27 + 4)
def weights_pruned():
    return prune.l1_unstructured(nn.Conv2d(3, 4, 3, padding=1), "weight", amount=0.5), (
        torch.randn(1, 3, 6, 6),
    )


# ---- number types, modes and devices -----------------------------------------------------------


@case("dynamically quantised linear layers", macs=mm(3, 12, 20) + mm(3, 20, 5), params=None)
def dtype_dynamic_int8():
    net = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 5)).eval()
    return torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8), (
        torch.randn(3, 12),
    )


@case("statically quantised convolution", macs=conv(2, 8, (9, 9), 6, (3, 3)), params=None)
def dtype_static_int8():
    q = torch.ao.nn.quantized
    first, layer = q.Quantize(0.1, 0, torch.quint8), q.Conv2d(6, 8, 3, padding=1)
    return nn.Sequential(first, layer, q.DeQuantize()), (torch.randn(2, 6, 9, 9),)


@case("int8 matrix product with int32 sums", macs=mm(20, 16, 24), params=0)
def dtype_int8_product():
    args = tuple(torch.randint(-9, 9, s, dtype=torch.int8) for s in ((20, 16), (16, 24)))
    return Fn(lambda s, a, b: torch._int_mm(a, b)), args


@case("fake quantisation for training", macs=conv(1, 4, (6, 6), 3, (3, 3)), params=4 * 27 + 4)
def dtype_fake_quantised():
    def forward(self, x):
        w = torch.fake_quantize_per_tensor_affine(self.conv.weight, 0.1, 0, -128, 127)
        return F.conv2d(x, w, self.conv.bias, padding=1)

    return Fn(forward, conv=nn.Conv2d(3, 4, 3)), (torch.randn(1, 3, 6, 6),)


@case(
    "complex matrix product and convolution",
    macs=mm(4, 5, 6, batch=2) + conv(1, 3, (4, 4), 2, (3, 3)),
    params=54,
)
def dtype_complex():
    def forward(self, a, b, x):
        return torch.matmul(a, b).abs(), F.conv2d(x, self.w)

    shapes = [(2, 4, 5), (2, 5, 6), (1, 2, 6, 6)]
    w = nn.Parameter(torch.randn(3, 2, 3, 3, dtype=torch.complex64))
    return Fn(forward, w=w), tuple(torch.randn(s, dtype=torch.complex64) for s in shapes)


@case("filtering by FFT, then a linear layer", macs=mm(2 * 3 * 8, 8, 4), params=3 * 8 * 5 * 2 + 32)
def dtype_fft():
    def forward(self, x):
        spectrum = torch.fft.rfft2(x, norm="ortho") * torch.view_as_complex(self.filter)
        return self.fc(torch.fft.irfft2(spectrum, s=x.shape[-2:], norm="ortho"))

    return Fn(forward, filter=weight(3, 8, 5, 2), fc=nn.Linear(8, 4, bias=False)), (
        torch.randn(2, 3, 8, 8),
    )


@case(
    "half precision", macs=conv(1, 4, (5, 5), 3, (3, 3)) + mm(1, 4, 2), params=108 + 4 + 8 + 2 + 8
)
def dtype_float16():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*net, nn.Flatten(), nn.Linear(4, 2)).half(), (
        torch.randn(1, 3, 7, 7).half(),
    )


@case(
    "bfloat16 weights and input",
    macs=conv(1, 4, (5, 5), 3, (3, 3)) + mm(25, 4, 6),
    params=108 + 4 + 24 + 6 + 8,
)
def dtype_bfloat16():
    net = [nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Unflatten(1, (4, 1)), nn.Flatten(1, 2)]
    module = Fn(
        lambda s, x: s.fc(s.norm(s.stem(x).transpose(1, 2))),
        stem=nn.Sequential(*net), norm=nn.LayerNorm(4), fc=nn.Linear(4, 6),
    )  # fmt: skip
    return module.bfloat16(), (torch.randn(1, 3, 7, 7, dtype=torch.bfloat16),)


@case(
    "train mode: batch statistics, dropout",
    macs=conv(2, 4, (5, 5), 3, (3, 3)) + mm(2, 4, 3),
    params=108 + 8 + 12,
)
def mode_training():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Dropout2d(0.5), nn.ReLU(),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3, bias=False))  # fmt: skip
    net.train().keep_mode = True
    return net, (torch.randn(2, 3, 7, 7),)


@case(
    "a model on the meta device, too large for memory",
    macs=mm(1, 200_000, 200_000),
    params=200_000**2,
)
def device_meta():
    with torch.device("meta"):
        return nn.Linear(200_000, 200_000, bias=False), (torch.empty(1, 200_000),)
