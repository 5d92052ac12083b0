"""Every backend passes the public contract, in each of its precisions and layouts that this machine has."""

import pytest

from steelyard.measure.backend import backend
from steelyard.measure.conformance import BackendContract


class TestEager(BackendContract):
    backend = backend("eager")


class TestChannelsLast(BackendContract):
    backend = backend("eager")
    options = ("channels_last",)


class TestBfloat16(BackendContract):
    backend = backend("eager")
    options = ("bfloat16", "channels_last")


class TestFolded(BackendContract):
    backend = backend("eager")
    options = ("folded",)


@pytest.mark.slow
class TestCompile(BackendContract):
    backend = backend("compile")


class TestOnnxRuntime(BackendContract):
    backend = backend("onnxruntime")


@pytest.mark.slow
class TestOnnxRuntimeInt8(BackendContract):
    backend = backend("onnxruntime")
    options = ("int8",)


class TestOpenVino(BackendContract):
    backend = backend("openvino")


@pytest.mark.slow
class TestOpenVinoInt8(BackendContract):
    backend = backend("openvino")
    options = ("int8",)


@pytest.mark.slow
class TestOpenVinoMixed(BackendContract):
    backend = backend("openvino")
    options = ("int8", "bfloat16")


class TestOpenVinoParts(BackendContract):
    backend = backend("openvino")
    options = ("parts",)
    batch = 6


class TestCast(BackendContract):
    backend = backend("eager")
    options = ("folded", "channels_last", "bfloat16", "cast")


class TestEagerInt8(BackendContract):
    backend = backend("eager")
    options = ("int8", "channels_last")
