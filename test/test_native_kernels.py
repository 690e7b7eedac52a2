"""Each step of the native back end against numpy, over shapes that fill no tile evenly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dynofa_ros.engine import native_library
from dynofa_ros.engine.native_library import NativeLibrary, NativeProgram
from dynofa_ros.engine.native_program import (
    STEP_FIELDS,
    Program,
    ProgramBuilder,
    Tensor,
    pack_tensor,
    unpack_tensor,
)
from dynofa_ros.supernet.extraction import StaticConv, StaticSE

THREADS = (1, 2, 3)
OFFSETS = ("input", "output", "residual", "sums_in", "sums_out", "weight", "bias", "weight2", "bias2")
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def library() -> NativeLibrary:
    loaded, text = native_library.load()
    if loaded is None:
        pytest.skip(f"native: {text}")
    return loaded


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def conv(out: int, per_group: int, kernel: int, stride: int, groups: int, activation: str) -> StaticConv:
    weight = noise(out, per_group, kernel, kernel) / np.float32(np.sqrt(per_group * kernel * kernel))
    return StaticConv(weight, noise(out, seed=1), stride, kernel // 2, groups, activation)


def activated(x: np.ndarray, activation: str) -> np.ndarray:
    if activation == "relu":
        return np.maximum(x, 0)
    return x * np.clip(x + 3, 0, 6) / 6 if activation == "h_swish" else x


def convolved(x: np.ndarray, layer: StaticConv) -> np.ndarray:
    """(channels, side, side) in double precision, tap by tap."""
    kernel, stride, pad = layer.weight.shape[2], layer.stride, layer.padding
    side = (x.shape[1] + 2 * pad - kernel) // stride + 1
    x = np.pad(x.astype(np.float64), ((0, 0), (pad, pad), (pad, pad)))
    y = np.zeros((layer.weight.shape[0], side, side))
    for dy in range(kernel):
        for dx in range(kernel):
            part = x[:, dy : dy + stride * side : stride, dx : dx + stride * side : stride]
            tap = layer.weight[:, :, dy, dx].astype(np.float64)
            y += _tap(tap, part, layer.groups)
    return activated(y + layer.bias[:, None, None], layer.activation)


def _tap(tap: np.ndarray, part: np.ndarray, groups: int) -> np.ndarray:
    if groups == 1:
        return np.einsum("oc,chw->ohw", tap, part)
    return tap[:, 0, None, None] * part


class Bench:
    """A builder with an input tensor, and the run of what was built with it."""

    def __init__(self, library: NativeLibrary, x: np.ndarray) -> None:
        self.library, self.x, self.builder = library, x, ProgramBuilder()
        self.input = self.builder.tensor(0, x.shape[0], x.shape[1])

    def tensor(self, result: Tensor, threads: int) -> np.ndarray:
        """What the steps leave in `result`."""
        blocks = -(-result.channels // 16)
        shape = (blocks, result.side, result.side, 16)
        program = self.builder.program(0, 1)
        start = int(program.steps[-1][STEP_FIELDS.index("output")])
        return unpack_tensor(self.run(program, start, shape, threads), result.channels)

    def vector(self, place: int, n: int, threads: int) -> np.ndarray:
        """What the steps leave in a vector."""
        program = self.builder.program(place, n)
        return self.run(program, program.output, (n,), threads)

    def run(self, program: Program, start: int, shape: tuple[int, ...], threads: int) -> np.ndarray:
        native = NativeProgram(self.library, program, threads)
        output = np.full(shape, np.nan, np.float32)
        native.poke(0, np.ascontiguousarray(pack_tensor(self.x)))
        native.bind(np.zeros(1, np.uint8), start, output)()
        return output


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("activation", ["none", "relu", "h_swish"])
@pytest.mark.parametrize(
    ("channels", "out", "side"),
    [
        (1, 1, 1),
        (3, 5, 2),
        (16, 16, 7),
        (24, 40, 13),
        (40, 136, 11),
        (17, 33, 29),
        (136, 72, 14),
        (8, 200, 5),
    ],
)
def test_pointwise(library, channels, out, side, activation, threads):
    x, layer = noise(channels, side, side), conv(out, channels, 1, 1, 1, activation)
    bench = Bench(library, x)
    assert_close(bench.tensor(bench.builder.pointwise(bench.input, layer), threads), convolved(x, layer))


@pytest.mark.parametrize("threads", THREADS)
def test_pointwise_adds_the_shortcut_after_the_activation(library, threads):
    x, layer = noise(24, 9, 9), conv(24, 24, 1, 1, 1, "relu")
    bench = Bench(library, x)
    y = bench.builder.pointwise(bench.input, layer, residual=bench.input)
    assert_close(bench.tensor(y, threads), convolved(x, layer) + x)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("side", [1, 6, 13, 28, 41, 57])
@pytest.mark.parametrize(("kernel", "stride"), [(k, s) for k in (3, 5, 7) for s in (1, 2)])
def test_expansion_and_depthwise(library, kernel, stride, side, threads):
    x = noise(24, side, side)
    expand = conv(88, 24, 1, 1, 1, "relu")
    depthwise = conv(88, 1, kernel, stride, 88, "h_swish")
    bench = Bench(library, x)
    y = bench.builder.front(bench.input, expand, depthwise, sums=False)
    assert_close(bench.tensor(y, threads), convolved(convolved(x, expand), depthwise))


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(("channels", "side"), [(1, 3), (16, 8), (40, 15), (24, 50)])
def test_depthwise_without_expansion(library, channels, side, threads):
    x, depthwise = noise(channels, side, side), conv(channels, 1, 3, 1, channels, "relu")
    bench = Bench(library, x)
    y = bench.builder.front(bench.input, None, depthwise, sums=False)
    assert_close(bench.tensor(y, threads), convolved(x, depthwise))


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(("channels", "side", "mid"), [(24, 7, 8), (40, 45, 3), (136, 14, 56), (200, 3, 17)])
def test_squeeze_and_excitation(library, channels, side, mid, threads):
    x, depthwise = noise(channels, side, side), conv(channels, 1, 3, 1, channels, "h_swish")
    layer = StaticSE(
        noise(mid, channels, 1, 1), noise(mid), noise(channels, mid, 1, 1), noise(channels, seed=2)
    )
    bench = Bench(library, x)
    y = bench.builder.front(bench.input, None, depthwise, sums=True)
    bench.builder.squeeze_excite(y, layer)
    expected = convolved(x, depthwise)
    reduced = layer.reduce_weight[:, :, 0, 0] @ expected.mean((1, 2)) + layer.reduce_bias
    gate = layer.expand_weight[:, :, 0, 0] @ np.maximum(reduced, 0) + layer.expand_bias
    expected *= (np.clip(gate + 3, 0, 6) / 6)[:, None, None]
    assert_close(bench.tensor(y, threads), expected)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(("channels", "out", "side"), [(8, 3, 1), (40, 100, 7), (72, 1001, 4)])
def test_mean_and_matrix(library, channels, out, side, threads):
    x, layer = noise(channels, side, side), conv(channels, channels, 1, 1, 1, "h_swish")
    weight, bias = noise(out, channels), noise(out)
    bench = Bench(library, x)
    y = bench.builder.pointwise(bench.input, layer, sums=True)
    place = bench.builder.dense(y.sums, side, weight, bias, "none")
    expected = weight @ convolved(x, layer).mean((1, 2)) + bias
    assert_close(bench.vector(place, out, threads), expected)


def small_program() -> Program:
    builder = ProgramBuilder()
    x = builder.tensor(0, 24, 9)
    y = builder.front(x, conv(40, 24, 1, 1, 1, "relu"), conv(40, 1, 5, 2, 40, "relu"), sums=True)
    builder.squeeze_excite(y, StaticSE(noise(8, 40), noise(8), noise(40, 8), noise(40)))
    z = builder.pointwise(y, conv(24, 40, 1, 1, 1, "none"), sums=True)
    return builder.program(builder.dense(z.sums, z.side, noise(4, 24), noise(4), "none"), 4)


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("kind", "activation", "activation2") for value in (-1, 9)),
        *((name, value) for name in ("in_channels", "out_channels") for value in (0, -8, 1 << 40, 1 << 15)),
        *((name, value) for name in ("in_side", "out_side") for value in (0, -3, 1 << 12, 1 << 40)),
        ("kernel", 4),
        ("kernel", 9),
        ("stride", 0),
        ("stride", 3),
        *((name, value) for name in OFFSETS for value in (-2, 8, 1 << 22, 1 << 62, -(1 << 62))),
    ],
)
def test_a_step_that_does_not_fit_is_refused_or_not_read(library, step, field, value):
    program = small_program()
    steps = program.steps.copy()
    steps[step, STEP_FIELDS.index(field)] = value
    try:
        native = NativeProgram(library, dataclasses.replace(program, steps=steps), 1)
    except RuntimeError as error:
        assert f"step {step}" in str(error)
    else:
        output = np.zeros(4, np.float32)
        native.bind(np.zeros(1, np.uint8), program.output, output)()


def test_an_output_beyond_the_activations_is_refused(library):
    program = small_program()
    native = NativeProgram(library, program, 1)
    with pytest.raises(RuntimeError, match="no 4 values"):
        native.bind(np.zeros(1, np.uint8), program.activations - 3, np.zeros(4, np.float32))
    with pytest.raises(RuntimeError, match="no 4 values"):
        native.poke(-1, np.zeros(4, np.float32))


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_a_number_of_threads_that_cannot_be_had_is_refused(library, threads):
    with pytest.raises(RuntimeError, match="number of threads"):
        NativeProgram(library, small_program(), threads)
