"""Hand-made workloads for the tests of the report room; no torch is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path

import pytest

from steelyard.workload import Layer, LoopNest, TensorSpec, Workload


class NetBuilder:
    """Chains layers by hand: each reads what the one before it wrote."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name = name
        self.layers: list[Layer] = []
        self.tensors = [TensorSpec("input", shape, role="input")]
        self.now, self.shape = "input", shape

    def add(self, name, kind, op, out, params=(), nests=(), ops=0, module=None, alias=""):
        specs = [TensorSpec(f"{name}.p{i}", s, role="parameter") for i, s in enumerate(params)]
        self.tensors += [*specs, TensorSpec(f"{name}:out", out, alias_of=alias)]
        self.layers.append(
            Layer(
                name=name,
                kind=kind,
                op=op,
                module=name if module is None else module,
                module_type=kind.title(),
                inputs=(self.now,),
                outputs=(f"{name}:out",),
                params=tuple(spec.name for spec in specs),
                nests=nests,
                ops=ops,
            )
        )
        self.now, self.shape = f"{name}:out", out
        return self

    def conv(self, name, filters, kernel, stride=1, padding=0, groups=1, **more):
        n, c, size, _ = self.shape
        out = (size + 2 * padding - kernel) // stride + 1
        nest = LoopNest(
            N=n, G=groups, M=filters, C=c, out=(out, out), kernel=(kernel, kernel),
            input=(size, size), stride=(stride, stride), dilation=(1, 1),
            padding=((padding, padding),) * 2,
        )  # fmt: skip
        params = ((filters, c // groups, kernel, kernel), (filters,))
        return self.add(
            name, "conv", "aten.conv2d", (n, filters, out, out), params, (nest,), **more
        )

    def linear(self, name, out, **more):
        n, c = self.shape
        nest = LoopNest.linear(n, c, out)
        return self.add(
            name, "linear", "aten.linear", (n, out), ((out, c), (out,)), (nest,), **more
        )

    def relu(self, name, **more):
        return self.add(name, "activation", "aten.relu", self.shape, ops=prod(self.shape), **more)

    def pool(self, name, kernel=3, stride=2, **more):
        n, c, size, _ = self.shape
        out = (size - kernel) // stride + 1
        ops = n * c * out * out * kernel * kernel
        return self.add(name, "pool", "aten.max_pool2d", (n, c, out, out), ops=ops, **more)

    def flatten(self):
        out = (self.shape[0], prod(self.shape[1:]))
        return self.add("flatten", "view", "aten.flatten", out, alias=self.now)

    def done(self, warnings=()):
        return Workload(
            self.name, tuple(self.layers), tuple(self.tensors), ("input",), (self.now,),
            warnings=warnings,
        )  # fmt: skip


@pytest.fixture(scope="session")
def net_builder() -> type[NetBuilder]:
    return NetBuilder


@pytest.fixture(scope="session")
def alexnet() -> Workload:
    """The two-group AlexNet of Krizhevsky et al. (2012): 60,965,224 parameters, 724,406,816 MACs."""
    net = NetBuilder("alexnet", (1, 3, 227, 227))
    net.conv("conv1", 96, 11, 4).relu("relu1").pool("pool1")
    net.conv("conv2", 256, 5, padding=2, groups=2).relu("relu2").pool("pool2")
    net.conv("conv3", 384, 3, padding=1).relu("relu3")
    net.conv("conv4", 384, 3, padding=1, groups=2).relu("relu4")
    net.conv("conv5", 256, 3, padding=1, groups=2).relu("relu5").pool("pool5").flatten()
    return (
        net.linear("fc6", 4096)
        .relu("relu6")
        .linear("fc7", 4096)
        .relu("relu7")
        .linear("fc8", 1000)
        .done()
    )


@pytest.fixture(scope="session")
def deep() -> Workload:
    """Ten blocks of convolution, ReLU and convolution in modules of three levels; 61 layers."""
    net = NetBuilder("deep", (1, 8, 16, 16))
    for stage in range(2):
        for block in range(5):
            where = f"stage{stage}.block{block}"
            net.conv(f"{where}.conv1", 8, 3, padding=1).relu(f"{where}.relu", module=where)
            net.conv(f"{where}.conv2", 8, 1).relu(f"{where}.relu#2", module=where)
            net.conv(f"{where}.path.dw", 8, 3, padding=1, groups=8)
            net.relu(f"{where}.relu#3", module=where)
    return net.pool("pool", 2, 2).done()


HOSTILE = (
    "=HYPERLINK(\"http://evil.example\";\"x\")",
    "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1",
    "[bold red]x[/bold red]", "[/]", "[link=http://evil.example]x[/link]",
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "a\x00b", "a\x08\x08b", "a\nb\r\nc",
    "\u202eabc", "a\u2028b", "\ud800", "\u200bhidden",
    "<script>window.pwned=1</script>", "</script><script>window.pwned=1</script>",
    "<!--", "]]>", '"><img src=x onerror="window.pwned=1">', "' onmouseover='window.pwned=1",
    "</title><svg onload=window.pwned=1>", "&lt;b&gt;", "a|b|c", "`code`", "**bold**", "_i_",
    "[x](javascript:window.pwned=1)", "![x](http://evil.example/x.png)", "http://evil.example",
    "www.evil.example", "x\\", "a\\|b", "# h", "- item", "1. item", "$x^2$", "~~s~~", "a,b;c\"d",
    "{{7*7}}", "${x}", "conv1", "",
)  # fmt: skip


@pytest.fixture(params=HOSTILE, ids=[f"name{i}" for i in range(len(HOSTILE))])
def hostile(request) -> str:
    """A name that tries to act in some place where it is printed."""
    return request.param


@pytest.fixture(scope="session")
def hostile_net() -> Workload:
    """A network whose name, layers, modules and warnings are all hostile."""
    net = NetBuilder("</title><script>window.pwned=1</script>", (1, 4, 8, 8))
    for i, text in enumerate(HOSTILE):
        net.conv(f"{text}{i}", 4, 1, module=f"{text}.{i}")
    return net.done(warnings=HOSTILE)


CHIP = """
schema: steelyard.device/1
kind: accelerator
name: chip
title: a small chip
clock_hz: 100 MHz
mac_pj: 1
bits: {I: 8, W: 8, O: 16}
levels:
  dram: {read_pj: 200, write_pj: 200, read_bandwidth: 4, write_bandwidth: 4}
  buffer: {capacity_bytes: 16 KiB, read_pj: 6, write_pj: 6, double_buffered: [I, W]}
  pes:
    axes:
      x: {size: 8, links: {W: {kind: multicast, pj: 2}}, dims: [M, C]}
  spad: {capacity_bytes: 64, read_pj: 1, write_pj: 1}
"""


@pytest.fixture(scope="session")
def chip(tmp_path_factory):
    """Eight units, a buffer and a memory that takes one of our two data types twice as long."""
    from steelyard.hardware.device import Device

    path = tmp_path_factory.mktemp("chip") / "chip.yaml"
    path.write_text(CHIP, encoding="utf-8")
    return Device.from_yaml(path)


@pytest.fixture(scope="session")
def small(net_builder) -> Workload:
    """Two convolutions, one of them depthwise, pooling and a fully connected layer."""
    net = net_builder("small", (1, 3, 16, 16))
    net.conv("conv1", 8, 3, padding=1).relu("relu1").pool("pool1", 2)
    net.conv("conv2", 8, 3, padding=1, groups=8).relu("relu2").flatten()
    return net.linear("fc", 10).done()


@pytest.fixture(scope="session")
def placed(small, chip):
    """`small` on `chip`."""
    from steelyard.hardware.estimate import estimate
    from steelyard.report.placed import place

    return place(small, chip, estimate(small, chip, cache=False))


@pytest.fixture(scope="session")
def ceilings(small):
    """`small` on a device of which only the ceilings are known."""
    from steelyard.report.placed import place_on

    return place_on(small, ["h100"])[0]


# ---- a browser -----------------------------------------------------------------------------

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
    None,
)  # fmt: skip

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]


class Browser:
    """A headless Chromium, driven over a pipe in its DevTools protocol."""

    def __init__(self, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        command = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._count = b"", 0
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank", session=None)["targetId"]
        self._session = self.call(
            "Target.attachToTarget", targetId=target, flatten=True, session=None
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, *, session: str | None = "", **params: object) -> dict:
        self._count += 1
        message: dict[str, object] = {"id": self._count, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session or self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict:
        while b"\0" not in self._buffer:
            chunk = os.read(self._in, 1 << 16)
            assert chunk, "the browser ended"
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def run(self, expression: str) -> object:
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, path: Path) -> None:
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + 30
        while time.monotonic() < end:
            ready = self.run(
                "document.readyState === 'complete' && document.documentElement.dataset.ready === '1'"
            )
            if ready:
                return
            time.sleep(0.05)
        raise AssertionError(f"the page's script did not finish: {self.troubles()}")

    def screen(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def troubles(self) -> list[str]:
        """Errors and warnings on the console, exceptions, violations of the policy."""
        self.run("1")  # whatever was sent before the answer has arrived
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(params["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(str(params["args"]))
        return found

    def requests(self) -> list[str]:
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()
