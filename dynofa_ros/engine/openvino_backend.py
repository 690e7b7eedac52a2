"""OpenVINO: compiled graphs of sub-networks on the CPU, and on Intel GPUs and NPUs where it finds them."""

from __future__ import annotations

import hashlib
from functools import cache as cached
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from dynofa_ros.engine import openvino_graph
from dynofa_ros.engine.artefacts import Artefact, ArtefactCache, artefact_key
from dynofa_ros.engine.backend import BackendUnavailable, BufferedNetwork, Logits
from dynofa_ros.engine.depthwise_priority import prefer_jit_depthwise
from dynofa_ros.supernet import extraction
from dynofa_ros.supernet.network_source import NetworkSource

_CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8"}
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


class OpenVinoBackend:
    """Compiles for latency: one stream; threads are not pinned, so that several nodes can share the cores."""

    name = "openvino"

    def __init__(self, precision: str = "fp32", element: str = "cpu") -> None:
        """Check the device.

        Raises:
            BackendUnavailable: no such device, or a precision that it does not compute natively.
        """
        self._core, self._device = ov.Core(), element.upper()
        if self._device not in self._core.available_devices:
            found = ", ".join(self._core.available_devices)
            raise BackendUnavailable(
                f"OpenVINO finds no {element}; it finds {found}. Is its driver installed?"
            )
        self._capabilities = self._core.get_property(self._device, "OPTIMIZATION_CAPABILITIES")
        offered = [name for name, needed in _CAPABILITIES.items() if needed in self._capabilities]
        if precision not in offered:
            raise BackendUnavailable(
                f"precision {precision!r}: this {element} offers {', '.join(offered)} with OpenVINO"
            )
        self.precision, self.element = precision, element

    def version(self) -> str:
        """Library and version."""
        return f"openvino {ov.__version__.split('-')[0]}"

    def compile(
        self, source: NetworkSource, threads: int, cache: ArtefactCache | None = None
    ) -> OpenVinoNetwork:
        """Make a sub-network resident. Input mean and scale are part of the graph.

        With `cache` the network's constants are mapped from the artefact, so that they cost memory only
        where the library keeps no copy of its own.

        Raises:
            BackendUnavailable: int8 for a sub-network that was not calibrated.
            ConfigError: the family's files cannot be used.
        """
        config = self._config(threads)
        if cache is None:
            return OpenVinoNetwork(self._build(source, config), source.resolution)
        key = self._key(source, config)
        compiled = self._from_cache(cache, key, config, source.resolution)
        if compiled is None:
            built = self._build(source, config)
            cache.store(key, built.export_model().getvalue())
            compiled = self._from_cache(cache, key, config, source.resolution)
            compiled = compiled or OpenVinoNetwork(built, source.resolution)
        return compiled

    def _config(self, threads: int) -> dict[str, Any]:
        """Properties of the compiled model."""
        rest = next(name for name in ("bf16", "fp16", "fp32") if _CAPABILITIES[name] in self._capabilities)
        hint = _HINTS[rest if self.precision == "int8" else self.precision]
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        if self._device == "CPU":
            config |= {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        return config

    def _key(self, source: NetworkSource, config: dict[str, Any]) -> str:
        """What a compiled blob depends on."""
        device = self._core.get_property(self._device, "FULL_DEVICE_NAME")
        quantization = source.quantization_sha256 if self.precision == "int8" else ""
        content = (source.content_sha256, self.precision, quantization, _code_sha256())
        return artefact_key(*content, ov.__version__, device, sorted(self._capabilities), config)

    def _build(self, source: NetworkSource, config: dict[str, Any]) -> ov.CompiledModel:
        """Extract, make the graph, compile."""
        quantization = None
        if self.precision == "int8":
            quantization = source.quantization()
            if quantization is None:
                raise BackendUnavailable(
                    f"{source.name}: int8 needs a calibration; make one with `dynofa quantize`"
                )
        model = openvino_graph.build_model(source.network(), source.input_spec, quantization)
        if quantization is not None and self._device == "CPU":
            model = prefer_jit_depthwise(self._core, model)
        return self._core.compile_model(model, self._device, config)

    def _from_cache(
        self, cache: ArtefactCache, key: str, config: dict[str, Any], resolution: int
    ) -> OpenVinoNetwork | None:
        """The network stored under `key`; None, and the entry removed, where the library does not take it."""
        artefact = cache.load(key)
        if artefact is None:
            return None
        try:
            blob = ov.Tensor(artefact.data, shared_memory=True)
            compiled = self._core.import_model(blob, self._device, config)
        except RuntimeError as error:
            cache.discard(key, f"OpenVINO does not read it: {error}")
            return None
        return OpenVinoNetwork(compiled, resolution, artefact)


class OpenVinoNetwork(BufferedNetwork):
    """One infer request with its own input memory. OpenVINO releases the GIL while it infers."""

    def __init__(self, compiled: ov.CompiledModel, resolution: int, artefact: Artefact | None = None) -> None:
        super().__init__(resolution)
        self._request = compiled.create_infer_request()
        self._request.set_input_tensor(ov.Tensor(self._input, shared_memory=True))
        self._output: npt.NDArray[np.float32] = self._request.get_output_tensor().data
        self._compiled = compiled
        # Constants of the compiled model lie in the artefact: it must be the last to go.
        self._artefact = artefact
        if artefact is not None:
            self._request.infer()
            artefact.release_pages()

    def infer_input(self) -> Logits:
        """Logits, float32 (n_classes,), of what `input` holds."""
        self._request.infer()
        logits: Logits = self._output[0].copy()
        return logits


@cached
def _code_sha256() -> str:
    """Hash of the code that makes a graph from weights: after a change of it nothing cached is right."""
    files = [module.__file__ for module in (extraction, openvino_graph)]
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files if file)).hexdigest()
