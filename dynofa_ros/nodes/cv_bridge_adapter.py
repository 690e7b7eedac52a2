"""cv_bridge for encodings that the engine does not know; used where it can be imported, never required."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.image import ImageFrame, use_converter


def install() -> str:
    """Let the engine ask cv_bridge about rarer encodings; what is in force, in words for the log."""
    try:
        from cv_bridge import CvBridge
    except Exception as error:  # noqa: BLE001  built against another numpy, it fails in many ways
        use_converter(None)
        return (
            f"encodings beyond the engine's own are refused: no cv_bridge ({type(error).__name__}: {error})"
        )
    use_converter(BridgeConverter(CvBridge()))
    return "encodings beyond the engine's own go through cv_bridge"


class BridgeConverter:
    """A converter for `use_converter`."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge

    def __call__(self, frame: ImageFrame) -> npt.NDArray[np.uint8] | None:
        """RGB, uint8 (h, w, 3); None for an encoding that cv_bridge does not know either.

        cv_bridge reads an ImageFrame as it reads an Image, field by field, but narrows the image silently
        where a row does not hold its pixels: that is checked here. Anything that it raises refuses the image.
        """
        try:
            dtype, channels = self._bridge.encoding_to_dtype_with_channels(frame.encoding)
        except Exception:  # noqa: BLE001  its own error type lives in its compiled part
            return None
        pixel_bytes = np.dtype(dtype).itemsize * channels
        if frame.step < frame.width * pixel_bytes or frame.step % pixel_bytes:
            raise ValueError(f"step {frame.step} does not hold {frame.width} pixels of {pixel_bytes} bytes")
        return np.ascontiguousarray(self._bridge.imgmsg_to_cv2(frame, desired_encoding="rgb8"))
