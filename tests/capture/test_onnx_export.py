"""Networks exported by both exporters of PyTorch: counts by hand, modules and names as in the module."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from steelyard.capture.onnx import capture_onnx
from steelyard.workload import Workload

Export = Callable[..., Workload]


@pytest.fixture(params=[False, True], ids=["torchscript", "dynamo"])
def export(request: pytest.FixtureRequest, tmp_path: Path) -> Export:
    """Exports a module by one of the exporters and captures the file."""
    if request.param:
        pytest.importorskip("onnxscript")

    def run(module: nn.Module, *args: torch.Tensor, **options: Any) -> Workload:
        torch.manual_seed(0)
        for parameter in module.parameters():  # equal weights are stored once
            nn.init.normal_(parameter)
        path = tmp_path / "net.onnx"
        logging.disable(logging.WARNING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(module.eval(), args, path, dynamo=request.param, verbose=False, **options)  # fmt: skip
        finally:
            logging.disable(logging.NOTSET)
        return capture_onnx(path)

    return run


class SqueezeExcite(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.pool, self.act = nn.AdaptiveAvgPool2d(1), nn.ReLU()
        self.down, self.up = nn.Conv2d(c, c // 4, 1), nn.Conv2d(c // 4, c, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.up(self.act(self.down(self.pool(x)))))


class Block(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.conv2, self.relu = nn.Conv2d(c, c, 3, padding=1, groups=c), nn.ReLU()
        self.se = SqueezeExcite(c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.se(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class Net(nn.Module):
    """Stem, residual blocks with squeeze-and-excitation, channel shuffle, up-convolution, concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 7, 2, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        )  # fmt: skip
        self.layer1 = nn.Sequential(Block(16), Block(16))
        self.up, self.fc = nn.ConvTranspose2d(16, 8, 2, 2), nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer1(self.stem(x))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = self.up(x)
        x = F.interpolate(torch.cat([x, x], 1), scale_factor=2.0, mode="bilinear")
        return self.fc(x.mean((2, 3)))


def test_convolutional_network(export: Export) -> None:
    load = export(Net(), torch.zeros(2, 3, 64, 64))
    by_module = {layer.module: layer.macs for layer in load.layers if layer.macs}
    n, area = 2, 17 * 17  # 64 / 2 = 32, pooled with ceil: the window at 32 still begins in the map
    block = {
        "conv1": n * 16 * 16 * 9 * area,
        "conv2": n * 16 * 9 * area,
        "se.down": n * 16 * 4,
        "se.up": n * 4 * 16,
    }
    wanted = {"stem.0": n * 16 * 3 * 49 * 1024}
    wanted |= {f"layer1.{i}.{name}": macs for i in (0, 1) for name, macs in block.items()}
    wanted |= {"up": n * 16 * 8 * 4 * area, "fc": n * 160}
    assert by_module == wanted
    assert {layer.name for layer in load.layers if layer.macs} == set(wanted)
    assert load.coverage.fraction == 1.0
    assert load.warnings == ()
    # all three batch norms are folded: scale and shift of 16 channels go, and the two convolutions
    # that had no bias get one
    assert load.params == sum(p.numel() for p in Net().parameters()) - 3 * 32 + 2 * 16
    kinds = Counter(layer.kind for layer in load.layers)
    assert (kinds["conv"], kinds["linear"], kinds["resize"], kinds["unknown"]) == (10, 1, 1, 0)


def test_a_module_called_twice_keeps_its_name(export: Export) -> None:
    load = export(Net(), torch.zeros(1, 3, 64, 64))
    names = [layer.name for layer in load.layers if layer.module == "layer1.0.relu"]
    assert names == ["layer1.0.relu", "layer1.0.relu#2"]


class Tokens(nn.Module):
    """Embedding, attention twice (fused and as a module), layer norm, LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.position = nn.Embedding(100, 32), nn.Parameter(torch.zeros(1, 8, 32))
        self.qkv = nn.Linear(32, 96)
        self.encoder = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.lstm = nn.LSTM(32, 20, 2, bidirectional=True, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens) + self.position
        q, k, v = self.qkv(x).view(x.shape[0], 8, 3, 4, 8).permute(2, 0, 3, 1, 4)
        x = x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        return self.lstm(self.encoder(x))[0]


def test_transformer_and_lstm(export: Export) -> None:
    load = export(Tokens(), torch.zeros(2, 8, dtype=torch.int64))
    n, t, d = 2, 8, 32
    scores = 2 * n * 4 * t * t * 8  # Q K^T and A V, 4 heads of 8
    layer = n * t * d * (3 * d) + scores + n * t * d * d + 2 * n * t * d * 64
    lstm = 2 * n * t * 80 * (32 + 20) + 2 * n * t * 80 * (40 + 20)
    assert load.macs == n * t * d * 96 + scores + layer + lstm
    # an ONNX LSTM takes both biases of PyTorch's side by side; all parameters are there
    assert load.params == sum(p.numel() for p in Tokens().parameters())
    assert load.coverage.fraction == 1.0
    kinds = Counter(layer.kind for layer in load.layers)
    assert (kinds["embedding"], kinds["recurrent"], kinds["matmul"]) == (1, 2, 4)


def test_an_exported_dynamic_batch(
    export: Export, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if "dynamo" in request.node.name:
        load = export(
            Net(), torch.zeros(2, 3, 64, 64), dynamic_shapes=({0: torch.export.Dim("n")},)
        )
    else:
        load = export(Net(), torch.zeros(2, 3, 64, 64), input_names=["x"], dynamic_axes={"x": {0: "n"}})  # fmt: skip
    assert load.warnings == ("the file leaves the batch size open; it is taken to be 1",)
    three = capture_onnx(tmp_path / "net.onnx", batch=3)
    assert three.macs == 3 * load.macs
    # the view of the channel shuffle reads its sizes from the input's shape: all folded away
    assert not {layer.op for layer in load.layers} & {"onnx.Shape", "onnx.Gather", "onnx.Unsqueeze"}


def test_other_ranks_and_normalisations(export: Export) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(3, 8, 5, dilation=2), nn.GroupNorm(2, 8)
            self.c, self.d = nn.Conv3d(1, 2, 3, padding=1), nn.Conv2d(8, 8, 3, padding="same", dilation=2)  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.gelu(self.b(self.a(x)))
            y = self.c(x[:, None, :, :, None])
            z = self.d(x[..., None])
            z = torch.einsum("nchw,ncvw->nhv", z, z)
            return F.pad(y.flatten(1), (1, 1)).sum() + F.softmax(z, -1)

    load = export(Odd(), torch.zeros(1, 3, 20))
    convs = [layer.macs for layer in load.layers if layer.kind == "conv"]
    assert convs == [8 * 3 * 5 * 12, 2 * 27 * 8 * 12, 64 * 9 * 12]
    assert sum(layer.macs for layer in load.layers if layer.kind == "matmul") == 12 * 12 * 8
    assert load.coverage.fraction == 1.0
