"""The compiled network kernels, src/network/, loaded with ctypes: a whole inference runs without the GIL.

They need a processor with AVX-512; where that or the library is absent, `load` says so by name.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dynofa_ros.compiled import load_library
from dynofa_ros.engine.native_program import STEP_FIELDS, FloatArray, Program

LIBRARY = "_network_kernels"
_STATUS = (
    "done",
    "the processor lacks AVX-512",
    "number of threads",
    "kind",
    "shape",
    "activation",
    "place among the activations",
    "place among the weights",
    "no memory left",
    "place among the activations",
)
Image = npt.NDArray[np.uint8]
_Pointer = ctypes.c_void_p
_Int = ctypes.c_int64


class NativeLibrary:
    """The library's functions. May be called from any thread."""

    def __init__(self, file: Path) -> None:
        """Load the library. OSError or AttributeError where it does not load or is another one."""
        library = ctypes.CDLL(str(file))
        self.create = library.dynofa_network_create
        self.create.argtypes = [_Pointer, _Int, _Pointer, _Int, _Int, ctypes.c_int32, _Pointer, _Pointer]
        self.run = library.dynofa_network_run
        self.run.argtypes = [_Pointer, _Pointer, _Int, _Pointer, _Int, _Pointer]
        self.poke = library.dynofa_network_poke
        self.poke.argtypes = [_Pointer, _Int, _Pointer, _Int]
        self.destroy = library.dynofa_network_destroy
        self.destroy.argtypes = [_Pointer]
        self.destroy.restype = None
        isa = library.dynofa_network_isa
        isa.restype = ctypes.c_char_p
        self.instruction_set = str(isa().decode())
        self.file = file


class NativeProgram:
    """A program made ready to run with a number of threads; keeps its own copy of the weights.

    Several may be used from several threads; those with the same number of threads run one after the other.
    """

    def __init__(self, library: NativeLibrary, program: Program, threads: int) -> None:
        """Check and copy the program.

        Raises:
            RuntimeError: a step does not fit its memory, or the number of threads cannot be had.
            MemoryError: no memory left.
        """
        self._library, self._network = library, 0
        self.n_steps, self._activations = len(program.steps), program.activations
        steps = np.ascontiguousarray(program.steps, np.int64)
        weights = np.ascontiguousarray(program.weights, np.float32)
        if steps.ndim != 2 or steps.shape[1] != len(STEP_FIELDS):
            raise RuntimeError(f"native: steps {steps.shape} must have {len(STEP_FIELDS)} fields")
        made, bad_step = ctypes.c_void_p(), ctypes.c_int64()
        status = library.create(
            steps.ctypes.data,
            len(steps),
            weights.ctypes.data,
            weights.size,
            program.activations,
            threads,
            ctypes.addressof(made),
            ctypes.addressof(bad_step),
        )
        if _STATUS[status] == "no memory left":
            raise MemoryError(f"native: no memory for {weights.nbytes} bytes of weights")
        if status:
            where = f"step {bad_step.value}: " if bad_step.value >= 0 else ""
            raise RuntimeError(f"native: {where}{_STATUS[status]} refused ({threads} threads)")
        self._network = int(made.value or 0)

    def bind(self, image: Image, offset: int, output: FloatArray) -> Callable[[], object]:
        """One inference of what `image` then holds; `output` gets what then lies at `offset`.

        The result may be called again and again, as long as `image`, `output` and this program exist.

        Raises:
            RuntimeError: `output` is larger than the activations from there.
        """
        if offset < 0 or offset + output.size > self._activations:
            raise RuntimeError(f"native: no {output.size} values at {offset} of {self._activations}")
        network, pixels = _Pointer(self._network), _Pointer(image.ctypes.data)
        place, count = _Pointer(output.ctypes.data), _Int(output.size)
        return partial(self._library.run, network, pixels, _Int(offset), place, count, None)

    def step_times(self, image: Image) -> npt.NDArray[np.float64]:
        """Duration of each step of one inference, in order [s]."""
        ends, nothing = np.zeros(self.n_steps, np.float64), np.empty(0, np.float32)
        self._library.run(self._network, image.ctypes.data, 0, nothing.ctypes.data, 0, ends.ctypes.data)
        return np.diff(ends, prepend=0.0)

    def poke(self, offset: int, values: FloatArray) -> None:
        """Write into the activations before a run.

        Raises:
            RuntimeError: they are fewer.
        """
        if self._library.poke(self._network, offset, values.ctypes.data, values.size):
            raise RuntimeError(f"native: no {values.size} values at {offset} of {self._activations}")

    def __del__(self) -> None:
        if self._network:
            self._library.destroy(self._network)


@lru_cache(maxsize=1)
def load() -> tuple[NativeLibrary | None, str]:
    """The library and its instruction set; or None, and why."""
    library, problem = load_library(LIBRARY, "engine", _suitable)
    return library, library.instruction_set if library else problem


def _suitable(file: Path) -> NativeLibrary:
    library = NativeLibrary(file)
    if not library.instruction_set:
        raise OSError("its kernels need a processor with AVX-512 (f, dq, bw, vl)")
    return library
