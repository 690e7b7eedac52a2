"""Which back ends there are: made by name, and listed with what is missing where one cannot run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from dynofa_ros.engine.backend import Backend, BackendUnavailable
from dynofa_ros.engine.placement import Placement


def _openvino(element: str, precision: str) -> Backend:
    try:
        from dynofa_ros.engine.openvino_backend import OpenVinoBackend
    except ImportError as error:
        raise BackendUnavailable("back end openvino: install it with: pip install openvino") from error
    return OpenVinoBackend(precision, element)


def _native(element: str, precision: str) -> Backend:
    from dynofa_ros.engine.native_backend import NativeBackend

    return NativeBackend(precision, element)


def _torch(element: str, precision: str) -> Backend:
    from dynofa_ros.engine.torch_backend import TorchBackend

    return TorchBackend(precision, element)


def _onnxruntime(element: str, precision: str) -> Backend:
    from dynofa_ros.engine.onnx_backend import OnnxBackend

    return OnnxBackend(precision, element)


_MAKERS: dict[str, Callable[[str, str], Backend]] = {
    "openvino": _openvino,
    "native": _native,
    "onnxruntime": _onnxruntime,
    "torch": _torch,
}
_CANDIDATES: dict[str, dict[str, tuple[str, ...]]] = {
    "openvino": {
        "cpu": ("fp32", "bf16", "fp16", "int8"),
        "gpu": ("fp32", "fp16", "int8"),
        "npu": ("fp16", "int8"),
    },
    "native": {"cpu": ("fp32",)},
    "onnxruntime": {"cpu": ("fp32",), "gpu": ("fp32", "fp16"), "dla0": ("fp16",), "dla1": ("fp16",)},
    "torch": {"cpu": ("fp32",), "gpu": ("fp32", "fp16", "bf16")},
}


def create_backend(name: str, element: str = "cpu", precision: str = "fp32") -> Backend:
    """The back end called `name` on `element` with `precision`.

    Raises:
        BackendUnavailable: there is none of that name, or this machine lacks something; it says what.
    """
    if name not in _MAKERS:
        raise BackendUnavailable(f"back end {name!r} is not known; there are {', '.join(_MAKERS)}")
    return _MAKERS[name](element, precision)


def available_placements(
    threads: int, backends: Collection[str] | None = None
) -> tuple[list[Placement], dict[str, str]]:
    """Placements that run on this machine, and of the others, by name, why not and what to do.

    `threads` is the number of CPU threads; elements that are no CPU take one. Back ends that are not among
    `backends` (None: all) are not even imported.
    """
    runs, missing = [], {}
    for name, element, precision in _candidates():
        if backends is not None and name not in backends:
            continue
        try:
            create_backend(name, element, precision)
        except BackendUnavailable as error:
            missing[f"{element}/{name}/{precision}"] = str(error)
        else:
            runs.append(Placement(element, name, precision, threads if element == "cpu" else 1))
    return runs, missing


def _candidates() -> Iterator[tuple[str, str, str]]:
    for name, elements in _CANDIDATES.items():
        for element, precisions in elements.items():
            for precision in precisions:
                yield name, element, precision
