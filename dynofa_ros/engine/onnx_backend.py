"""ONNX Runtime: the CPU, and CUDA, TensorRT and DLA where its build and the board have them.

The `onnx` package writes a network once; the cached artefact is read without it. On `gpu` fp32 runs with
the CUDA provider, and fp16 with TensorRT, which also serves the DLAs. Only the CPU part has been run so far:
the providers' options follow ONNX Runtime's documentation. int8 is not offered: OpenVINO's calibration gives
each channel of an activation its own range, which ONNX Runtime's kernels do not take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dynofa_ros.engine.artefacts import ArtefactCache, artefact_key
from dynofa_ros.engine.backend import BackendUnavailable, BufferedNetwork, Logits
from dynofa_ros.engine.onnx_graph import INPUT, IR_VERSION, OPSET, OUTPUT, onnx_model
from dynofa_ros.supernet.network_source import NetworkSource

Provider = tuple[str, dict[str, Any]]

_TENSORRT = "TensorrtExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


class OnnxBackend:
    """Compiles for latency: operators run one after the other; idle threads sleep, others need the cores."""

    name = "onnxruntime"

    def __init__(self, precision: str = "fp32", element: str = "cpu") -> None:
        """Check the library and its providers.

        Raises:
            BackendUnavailable: something is not there; the message says what to install.
        """
        try:
            import onnxruntime
        except ImportError as error:
            package = "onnxruntime" if element == "cpu" else "onnxruntime-gpu"
            message = f"back end onnxruntime: install it with: pip install {package}"
            raise BackendUnavailable(message) from error
        self._library = onnxruntime
        self._provider = _provider(element, precision)
        if self._provider[0] not in onnxruntime.get_available_providers():
            raise BackendUnavailable(
                f"back end onnxruntime: {precision} on {element} needs {self._provider[0]}: install a build "
                "with it (onnxruntime-gpu; on Jetson the wheel of NVIDIA's index for your JetPack)"
            )
        self.precision, self.element = precision, element

    def version(self) -> str:
        """Library and version."""
        return f"onnxruntime {self._library.__version__}"

    def compile(self, source: NetworkSource, threads: int, cache: ArtefactCache | None = None) -> OnnxNetwork:
        """Make a sub-network resident.

        Raises:
            BackendUnavailable: the network is not cached, and onnx is not installed.
            ConfigError: the family's files cannot be used.
            RuntimeError: ONNX Runtime failed.
        """
        key = artefact_key("onnx", IR_VERSION, OPSET, source.content_sha256)
        artefact = cache.load(key) if cache is not None else None
        if artefact is None:
            content = onnx_model(source.network(), source.input_spec)
            if cache is not None:
                cache.store(key, content)
        else:
            content = artefact.data.tobytes()
        options = self._library.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._provider[0] == _TENSORRT and cache is not None:
            self._provider[1] |= {
                "trt_engine_cache_enable": True,
                "trt_engine_cache_path": str(cache.folder / "tensorrt"),
            }
        session = self._library.InferenceSession(content, options, providers=[self._provider])
        return OnnxNetwork(session, source.resolution)


class OnnxNetwork(BufferedNetwork):
    """One session. ONNX Runtime releases the GIL while it infers."""

    def __init__(self, session: Any, resolution: int) -> None:
        super().__init__(resolution)
        self._session = session

    def infer_input(self) -> Logits:
        """Logits, float32 (n_classes,), of what `input` holds."""
        logits: Logits = self._session.run([OUTPUT], {INPUT: self._input})[0][0]
        return logits


def _provider(element: str, precision: str) -> Provider:
    """Execution provider and its options. BackendUnavailable where there is none, or no such DLA."""
    if (element, precision) == ("cpu", "fp32"):
        return _CPU, {}
    if (element, precision) == ("gpu", "fp32"):
        return _CUDA, {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": 0}
    if (element, precision) == ("gpu", "fp16"):
        return _TENSORRT, {"trt_fp16_enable": True}
    if element in dla_elements() and precision == "fp16":
        core = int(element.removeprefix("dla"))
        return _TENSORRT, {"trt_fp16_enable": True, "trt_dla_enable": True, "trt_dla_core": core}
    raise BackendUnavailable(
        f"back end onnxruntime: {precision} on {element} is not offered; it has fp32 on cpu, fp32 and fp16 "
        f"on gpu, and fp16 on the board's DLAs ({', '.join(dla_elements()) or 'none here'})"
    )


def dla_elements(devices: Path = Path("/dev")) -> tuple[str, ...]:
    """The deep-learning accelerators of a Jetson board, by their device files: dla0, dla1."""
    found = {file.name[-1] for file in devices.glob("nvhost-*nvdla[0-9]")}
    return tuple(f"dla{core}" for core in sorted(found))
