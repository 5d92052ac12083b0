"""Output shapes of ONNX operators on sequences and signals: recurrent layers, attention, spectra; and losses."""

from __future__ import annotations

from steelyard.capture.onnx_model import dtype_name, short
from steelyard.capture.onnx_value import Result, Shape, Site, SizeUnknownError, axis_of
from steelyard.errors import ShapeError


def recurrent(site: Site) -> list[Result]:
    """``RNN``, ``GRU``, ``LSTM``: all steps, last state, last cell."""
    x, r = site.shape(0, rank=3), site.shape(2, rank=3)
    if site.shape(1, rank=3)[2] != x[2]:
        raise ShapeError(
            f"{x[2]} features meet input weights of shape {short(site.shape(1))}",
            expected="weights (directions, gates x hidden, features)",
        )
    directions, hidden = r[0], r[2]
    if site.int("layout", 0):
        steps: Shape = (x[0], x[1], directions, hidden)
        state: Shape = (x[0], directions, hidden)
    else:
        steps, state = (x[0], directions, x[1], hidden), (directions, x[1], hidden)
    return [(steps, site.dtype()), (state, site.dtype()), (state, site.dtype())]


def attention(site: Site) -> list[Result]:
    """``Attention`` (opset 23): 4-d heads, or 3-d with the heads' number as attribute."""
    q, k, v = (site.shape(i, at_least=3) for i in range(3))
    kind = site.dtype()
    q4, k4, v4 = (split_heads(site, s, n) for s, n in ((q, "q"), (k, "kv"), (v, "kv")))
    past_k, past_v = (site.shape(i, rank=4)[2] if site.has(i) else 0 for i in (4, 5))
    keys: Shape = (*k4[:2], k4[2] + past_k, k4[3])
    values: Shape = (*v4[:2], v4[2] + past_v, v4[3])
    y: Shape = (*q4[:3], v4[3])
    if len(q) == 3:
        y = (q[0], q[1], q4[1] * v4[3])
    scores = (*q4[:3], keys[2])
    return [(y, kind), (keys, site.dtype(1)), (values, site.dtype(2)), (scores, kind)]


def split_heads(site: Site, shape: Shape, which: str) -> Shape:
    """(batch, heads, length, size) of an operand of ``Attention``.

    Raises:
        ShapeError: the heads do not divide the features.
    """
    if len(shape) == 4:
        return shape
    heads = site.int(f"{which}_num_heads", 0)
    if len(shape) != 3 or heads < 1 or shape[2] % heads:
        raise ShapeError(f"{heads} heads in a tensor of shape {short(shape)}")
    return (shape[0], heads, shape[1], shape[2] // heads)


def conv_state(site: Site) -> list[Result]:
    """``CausalConvWithState``: output like the input, and the last k - 1 positions."""
    x, weight = site.shape(0, rank=3), site.shape(1, rank=3)
    return [(x, site.dtype()), ((*x[:2], max(weight[2] - 1, 0)), site.dtype())]


def linear_attention(site: Site) -> list[Result]:
    """``LinearAttention``: (batch, length, heads x value size) and the state."""
    q, k, v = (site.shape(i, rank=3) for i in range(3))
    heads, shared = site.int("q_num_heads", 0), site.int("kv_num_heads", 0)
    if heads < 1 or shared < 1 or k[2] % shared or v[2] % shared:
        raise ShapeError(f"{heads} query and {shared} key heads")
    state = (q[0], shared, k[2] // shared, v[2] // shared)
    return [((q[0], q[1], heads * state[3]), site.dtype()), (state, site.dtype())]


def multi_head_attention(site: Site) -> list[Result]:
    """com.microsoft ``MultiHeadAttention``: (batch, length, features), or packed QKV in 5-d."""
    q = site.shape(0, at_least=3)
    if len(q) == 5:
        return [((q[0], q[1], q[2] * q[4]), site.dtype())]
    features = q[2]
    if site.has(2):
        v = site.shape(2, at_least=3)
        features = v[1] * v[3] if len(v) == 4 else v[2]
    return [((*q[:2], features), site.dtype())]


def packed_attention(site: Site) -> list[Result]:
    """com.microsoft ``Attention``: weights (features, 3 x hidden)."""
    x, weight = site.shape(0, rank=3), site.shape(1, rank=2)
    sizes = site.ints("qkv_hidden_sizes")
    hidden = sizes[2] if sizes and len(sizes) == 3 else weight[1] // 3
    return [((*x[:2], hidden), site.dtype(0 if not site.has(3) else 2))]


def group_query_attention(site: Site) -> list[Result]:
    """com.microsoft ``GroupQueryAttention``: query and updated key and value caches."""
    q = site.shape(0, rank=3)
    heads, shared = site.int("num_heads", 1), site.int("kv_num_heads", 1)
    if heads < 1 or shared < 1:
        raise ShapeError(f"{heads} query and {shared} key heads")
    packed = not site.has(1)
    width = q[2] // (heads + 2 * shared) if packed else q[2] // heads
    past = site.shape(3, rank=4)[2] if site.has(3) else 0
    length = (q if packed else site.shape(1, rank=3))[1]
    cache = (q[0], shared, max(past, length), width)
    return [((*q[:2], heads * width), site.dtype()), (cache, site.dtype()), (cache, site.dtype())]


def dft(site: Site) -> list[Result]:
    """``DFT``: the last dimension becomes (real, imaginary)."""
    shape = list(site.shape(0, at_least=2))
    chosen = site.int_list(2, "axis")
    axis = axis_of(chosen[0] if chosen else (-2 if site.opset >= 20 else 1), len(shape))
    length = site.int_list(1, "")
    shape[axis] = length[0] if length else shape[axis]
    if site.int("onesided", 0):
        if site.int("inverse", 0):
            shape[axis] = shape[axis] if length else 2 * (shape[axis] - 1)
            shape[-1] = 1
            return [(tuple(shape), site.dtype())]
        shape[axis] = shape[axis] // 2 + 1
    shape[-1] = 2
    return [(tuple(shape), site.dtype())]


def stft(site: Site) -> list[Result]:
    """``STFT``: (batch, frames, bins, 2)."""
    signal = site.shape(0, at_least=2)
    step = site.int_list(1, "")
    given = site.int_list(3, "")
    length = given[0] if given else site.shape(2, rank=1)[0]
    if not step or step[0] < 1 or length < 1:
        raise ShapeError(f"frames of {length} in steps of {step}")
    frames = max((signal[1] - length) // step[0] + 1, 0)
    bins = length // 2 + 1 if site.int("onesided", 1) else length
    return [((signal[0], frames, bins, 2), site.dtype())]


def fourier_window(site: Site) -> list[Result]:
    """``HannWindow`` and its kin: ``size`` elements."""
    size = site.int_list(0, "") or [0]
    kind = dtype_name(site.int("output_datatype", 1), "a window")
    return [((size[0],), kind)]


def mel_matrix(site: Site) -> list[Result]:
    """``MelWeightMatrix``: (dft_length // 2 + 1, num_mel_bins)."""
    bins, length = site.int_list(0, ""), site.int_list(1, "")
    if not bins or not length:
        raise ShapeError("num_mel_bins or dft_length is missing")
    kind = dtype_name(site.int("output_datatype", 1), "a matrix")
    return [((length[0] // 2 + 1, bins[0]), kind)]


def multinomial(site: Site) -> list[Result]:
    """``Multinomial``: (batch, sample_size)."""
    kind = dtype_name(site.int("dtype", 6), "samples")
    return [((site.shape(0, rank=2)[0], site.int("sample_size", 1)), kind)]


def loss(site: Site) -> list[Result]:
    """``SoftmaxCrossEntropyLoss``, ``NegativeLogLikelihoodLoss``."""
    whole = site.text("reduction", "mean") == "none"
    return [(site.shape(1) if whole else (), site.dtype()), (site.shape(0), site.dtype())]


def image_decoder(site: Site) -> list[Result]:
    """``ImageDecoder``: as large as the picture."""
    raise SizeUnknownError("an image's size is known when it is decoded")


def classifier(site: Site) -> list[Result]:
    """ai.onnx.ml ``LinearClassifier``: labels and scores."""
    x = site.shape(0, at_least=1)
    labels = site.attrs.get("classlabels_ints") or site.attrs.get("classlabels_strings") or []
    kind = "int64" if site.attrs.get("classlabels_ints") else "string"
    rows = x[0] if len(x) > 1 else 1
    return [((rows,), kind), ((rows, len(labels)), "float32")]


def regressor(site: Site) -> list[Result]:
    """ai.onnx.ml ``LinearRegressor``."""
    x = site.shape(0, at_least=1)
    return [((x[0] if len(x) > 1 else 1, site.int("targets", 1)), "float32")]


def as_float(site: Site) -> list[Result]:
    """A float32 result as large as the input."""
    return [(site.shape(0), "float32")]


def first(site: Site) -> list[Result]:
    """One result like the first input."""
    return [(site.shape(0), site.dtype())]
