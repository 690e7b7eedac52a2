"""What people see in rviz: the image with its result written on it, and the same as a text marker."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from dynofa_ros.engine.compressed import decode_compressed
from dynofa_ros.engine.image import to_rgb
from dynofa_ros.nodes.conversions import compressed_frame, image_frame

if TYPE_CHECKING:
    from dynofa_ros.engine.pipeline import FrameResult

_MET = (60, 220, 60)
_MISSED = (255, 90, 90)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def lines(result: FrameResult) -> list[str]:
    """The result in at most three short lines."""
    best = result.results[0] if result.results else None
    said = f"{best.label} {best.score:.2f}" if best else "no result"
    target = "" if math.isnan(result.target_latency_ms) else f" of {result.target_latency_ms:.1f}"
    text = [said, f"{result.subnet}  {result.latency_ms:.1f}{target} ms"]
    return [*text, f"emulated clocks x{result.stretch:.2f}"] if result.emulated_clocks else text


def draw(rgb: npt.NDArray[np.uint8], result: FrameResult) -> npt.NDArray[np.uint8]:
    """A copy of `rgb`, uint8 (h, w, 3), with the result written on a dark box in the upper left corner."""
    canvas = rgb.copy()
    height = max(12, canvas.shape[0] // 20)
    text = lines(result)
    sizes = [cv2.getTextSize(line, _FONT, height / 24.0, 1)[0][0] for line in text]
    box = canvas[: int((len(text) + 0.5) * height * 1.2), : max(sizes) + height]
    box[:] = box // 4
    colour = _MET if result.deadline_met else _MISSED
    for row, line in enumerate(text, start=1):
        place = (height // 2, int(row * height * 1.2))
        cv2.putText(canvas, line, place, _FONT, height / 24.0, colour, 1, cv2.LINE_AA)
    return canvas


def pixels_of(message: Image | CompressedImage) -> npt.NDArray[np.uint8]:
    """The image as RGB, uint8 (h, w, 3).

    Raises:
        InvalidImage: it cannot be interpreted.
    """
    if isinstance(message, CompressedImage):
        bgr = decode_compressed(compressed_frame(message))
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    return to_rgb(image_frame(message))


def markers(result: FrameResult, header: Any) -> MarkerArray:
    """The result as text half a metre in front of the camera's frame."""
    marker = Marker(header=header, ns=result.application, type=Marker.TEXT_VIEW_FACING, action=Marker.ADD)
    marker.text = "\n".join(lines(result))
    marker.pose.position.z = 0.5
    marker.pose.orientation.w = 1.0
    marker.scale.z = 0.1
    red, green, blue = _MET if result.deadline_met else _MISSED
    marker.color.r, marker.color.g, marker.color.b = red / 255.0, green / 255.0, blue / 255.0
    marker.color.a = 1.0
    marker.lifetime.sec = 1
    return MarkerArray(markers=[marker])
