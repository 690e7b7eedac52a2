"""Native: own kernels for the CPU, fp32, that run a whole sub-network in one call. See src/network/."""

from __future__ import annotations

import hashlib
import struct
from functools import cache as cached
from pathlib import Path

import numpy as np

from dynofa_ros.engine import native_library, native_program
from dynofa_ros.engine.artefacts import ArtefactCache, artefact_key
from dynofa_ros.engine.backend import BackendUnavailable, BufferedNetwork, Logits
from dynofa_ros.engine.native_library import NativeLibrary, NativeProgram
from dynofa_ros.engine.native_program import Program, compile_program
from dynofa_ros.supernet import extraction
from dynofa_ros.supernet.network_source import NetworkSource

VERSION = 1
"""To be raised with each change of src/network/ that changes times or results."""


class NativeBackend:
    """Threads of all networks with the same number of them are shared, as is the memory for activations."""

    name = "native"

    def __init__(self, precision: str = "fp32", element: str = "cpu") -> None:
        """Check library and processor.

        Raises:
            BackendUnavailable: the library was not built, or the processor lacks what it needs.
        """
        if (element, precision) != ("cpu", "fp32"):
            raise BackendUnavailable(
                f"back end native: {precision} on {element} is not offered; it has fp32 on cpu"
            )
        library, text = native_library.load()
        if library is None:
            raise BackendUnavailable(f"back end native: {text}")
        self._library: NativeLibrary = library
        self.precision, self.element = precision, element

    def version(self) -> str:
        """Version of the kernels, and their instruction set."""
        return f"native {VERSION} {self._library.instruction_set}"

    def compile(
        self, source: NetworkSource, threads: int, cache: ArtefactCache | None = None
    ) -> NativeNetwork:
        """Make a sub-network resident. Input mean and scale are part of it.

        Raises:
            ConfigError: the family's files cannot be used.
            RuntimeError, MemoryError: threads or memory cannot be had.
        """
        if cache is None:
            return self._network(compile_program(source.network(), source.input_spec), source, threads)
        key = artefact_key("native", _code_sha256(), source.content_sha256)
        network = self._from_cache(cache, key, source, threads)
        if network is None:
            program = compile_program(source.network(), source.input_spec)
            cache.store(key, program.to_bytes())
            network = self._network(program, source, threads)
        return network

    def _network(self, program: Program, source: NetworkSource, threads: int) -> NativeNetwork:
        return NativeNetwork(NativeProgram(self._library, program, threads), program, source.resolution)

    def _from_cache(
        self, cache: ArtefactCache, key: str, source: NetworkSource, threads: int
    ) -> NativeNetwork | None:
        """The network stored under `key`; None, and the entry removed, where it is none."""
        artefact = cache.load(key)
        if artefact is None:
            return None
        try:
            program = Program.from_bytes(artefact.data)
            return self._network(program, source, threads)
        except (ValueError, struct.error) as error:
            cache.discard(key, f"is no program: {error}")
            return None
        finally:
            artefact.release_pages()


class NativeNetwork(BufferedNetwork):
    """One program with its input and its logits."""

    def __init__(self, native: NativeProgram, program: Program, resolution: int) -> None:
        super().__init__(resolution)
        self._native = native
        self._output: Logits = np.zeros(program.n_outputs, np.float32)
        self._run = native.bind(self._input, program.output, self._output)
        self._run()

    def infer_input(self) -> Logits:
        """Logits, float32 (n_classes,), of what `input` holds."""
        self._run()
        logits: Logits = self._output.copy()
        return logits


@cached
def _code_sha256() -> str:
    """Hash of the code that makes a program from weights: after a change of it nothing cached is right."""
    files = [module.__file__ for module in (extraction, native_program)]
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files if file)).hexdigest()
