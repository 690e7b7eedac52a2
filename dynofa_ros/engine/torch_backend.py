"""PyTorch: the reference on the CPU, and CUDA with captured graphs. torch is imported on first use."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynofa_ros.engine.artefacts import ArtefactCache
from dynofa_ros.engine.backend import BackendUnavailable, BufferedNetwork, Logits
from dynofa_ros.supernet.network_source import NetworkSource

WARM_UP_RUNS = 3
_CUDA_TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


class TorchBackend:
    """Eager fp32 on the CPU shows what is right, not what is fast; on a GPU it is meant to be fast."""

    name = "torch"

    def __init__(self, precision: str = "fp32", element: str = "cpu") -> None:
        """Check that torch and the device are there.

        Raises:
            BackendUnavailable: torch is not installed, or lacks the device or precision.
        """
        try:
            import torch
        except ImportError as error:
            raise BackendUnavailable("back end torch: install it with: pip install torch") from error
        if element not in ("cpu", "gpu") or precision not in (("fp32",) if element == "cpu" else _CUDA_TYPES):
            raise BackendUnavailable(
                f"back end torch: {precision} on {element} is not offered; it has fp32 on cpu and "
                f"{', '.join(_CUDA_TYPES)} on gpu"
            )
        if element == "gpu" and not torch.cuda.is_available():
            raise BackendUnavailable(
                "back end torch: finds no GPU; it needs a driver and a CUDA build of torch"
            )
        self.precision, self.element = precision, element
        self._version = torch.__version__

    def version(self) -> str:
        """Library and version."""
        return f"torch {self._version}"

    def compile(
        self, source: NetworkSource, threads: int, cache: ArtefactCache | None = None
    ) -> BufferedNetwork:
        """Make a sub-network resident. torch counts threads by process, and has no artefact to cache."""
        import torch

        if self.element == "gpu":
            return CudaNetwork(source, getattr(torch, _CUDA_TYPES[self.precision]))
        torch.set_num_threads(threads)
        return TorchNetwork(source)


class TorchNetwork(BufferedNetwork):
    """A StaticNetwork evaluated layer by layer."""

    def __init__(self, source: NetworkSource) -> None:
        import torch

        from dynofa_ros.supernet.static_forward import StaticForward

        super().__init__(source.resolution)
        self._forward = StaticForward(source.network(), torch.device("cpu"))
        self._mean = np.array(source.input_spec.mean, np.float32) * 255.0
        self._std = np.array(source.input_spec.std, np.float32) * 255.0

    def infer_input(self) -> Logits:
        """Logits, float32 (n_classes,), of what `input` holds."""
        import torch

        x = (self._input.astype(np.float32) - self._mean) / self._std
        with torch.inference_mode():
            nchw = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
            logits: Logits = self._forward(nchw)[0].numpy().copy()
        return logits


class CudaNetwork(BufferedNetwork):
    """A StaticNetwork captured as one CUDA graph: copy in, normalise, infer, copy out, without launches.

    The image and the logits pass through pinned memory that the graph itself copies. Weights are
    channels_last in `dtype`; the sum of logits is fp32. This class has not been run on a GPU yet.
    """

    def __init__(self, source: NetworkSource, dtype: Any) -> None:
        import torch

        from dynofa_ros.supernet.static_forward import StaticForward

        side, device = source.resolution, torch.device("cuda")
        self._pinned = torch.zeros((1, side, side, 3), dtype=torch.uint8, pin_memory=True)
        super().__init__(side, self._pinned.numpy())
        self._logits = torch.zeros(source.n_classes, pin_memory=True)
        self._image = torch.zeros((1, side, side, 3), dtype=torch.uint8, device=device)
        mean, std = (
            torch.tensor(part, device=device).view(1, 3, 1, 1) * 255
            for part in (source.input_spec.mean, source.input_spec.std)
        )
        self._mean, self._std, self._dtype = mean, std, dtype
        self._forward = StaticForward(source.network(), device, dtype)
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graph = self._capture()

    def _capture(self) -> Any:
        """Run some times on a side stream, as capturing demands, then record."""
        import torch

        with torch.inference_mode():
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UP_RUNS):
                    self._run()
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self._stream):
                self._run()
        return graph

    def _run(self) -> None:
        """What the graph holds."""
        import torch

        self._image.copy_(self._pinned, non_blocking=True)
        x = (self._image.permute(0, 3, 1, 2).float() - self._mean) / self._std
        x = x.to(self._dtype).contiguous(memory_format=torch.channels_last)
        self._logits.copy_(self._forward(x)[0].float(), non_blocking=True)

    def infer_input(self) -> Logits:
        """Logits, float32 (n_classes,), of what `input` holds."""
        import torch

        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._stream.synchronize()
        logits: Logits = self._logits.numpy().copy()
        return logits
