"""How each encoding of sensor_msgs/Image lies in memory.

Names are those of sensor_msgs/image_encodings.hpp and, for 4:2:0, of the drivers that send it (nv12, nv21).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import cv2


class Kind(IntEnum):
    """How colours lie beside each other; numbers as in src/frame_kernel.cpp."""

    PACKED8 = 0
    PACKED16 = 1
    YUV422 = 2
    YUV420 = 3
    YUV444 = 4
    BAYER8 = 5
    BAYER16 = 6
    OTHER = 7
    """Known to the registered converter only."""


class Layout(NamedTuple):
    """How one encoding lies in memory.

    `channels`: samples of `itemsize` bytes for each pixel of a row. `offset`: of R, G, B in a pixel; of Y, U,
    V in a pair of pixels (4:2:2); 0 and of U, V in their plane (4:2:0, 4:4:4); column and row of the first
    red pixel (Bayer).
    `to_rgb`: OpenCV's conversion of the whole image, None where it already is RGB.
    """

    kind: Kind
    channels: int
    itemsize: int
    offset: tuple[int, int, int]
    to_rgb: int | None = None

    @property
    def paired(self) -> bool:
        """Whether two neighbours in a row share their colour."""
        return self.kind in (Kind.YUV422, Kind.YUV420)

    @property
    def mosaic(self) -> bool:
        """Whether each pixel has one colour only."""
        return self.kind in (Kind.BAYER8, Kind.BAYER16)

    def rows(self, height: int) -> int:
        """Rows of `step` bytes in the data: some layouts keep colour in a plane below the brightness."""
        if self.kind is Kind.YUV420:
            return height * 3 // 2
        return height * 3 if self.kind is Kind.YUV444 else height


_RGB, _BGR, _GREY = (0, 1, 2), (2, 1, 0), (0, 0, 0)
OTHER = Layout(Kind.OTHER, 1, 1, _GREY)


def _packed(names: str, offset: tuple[int, int, int], to_rgb: int | None) -> dict[str, Layout]:
    """Names end with bits per sample and, for OpenCV's own, the number of channels ("16UC3")."""
    layouts = {}
    for name in names.split():
        sixteen = "16" in name
        channels = 4 if "a" in name or name.endswith("C4") else 1 if offset == _GREY else 3
        layouts[name] = Layout(
            Kind.PACKED16 if sixteen else Kind.PACKED8, channels, 2 if sixteen else 1, offset, to_rgb
        )
    return layouts


def _bayer() -> dict[str, Layout]:
    """The four mosaics, named by their first two rows; OpenCV by those of the second and third."""
    mosaics = {
        "rggb": ((0, 0), cv2.COLOR_BayerBG2RGB),
        "grbg": ((1, 0), cv2.COLOR_BayerGB2RGB),
        "gbrg": ((0, 1), cv2.COLOR_BayerGR2RGB),
        "bggr": ((1, 1), cv2.COLOR_BayerRG2RGB),
    }
    layouts = {}
    for pattern, ((column, row), code) in mosaics.items():
        layouts[f"bayer_{pattern}8"] = Layout(Kind.BAYER8, 1, 1, (column, row, 0), code)
        layouts[f"bayer_{pattern}16"] = Layout(Kind.BAYER16, 1, 2, (column, row, 0), code)
    return layouts


_UYVY = Layout(Kind.YUV422, 2, 1, (1, 0, 2), cv2.COLOR_YUV2RGB_UYVY)
_YUYV = Layout(Kind.YUV422, 2, 1, (0, 1, 3), cv2.COLOR_YUV2RGB_YUY2)

LAYOUTS: dict[str, Layout] = {
    **_packed("rgb8 rgb16", _RGB, None),
    **_packed("bgr8 8UC3 bgr16 16UC3", _BGR, cv2.COLOR_BGR2RGB),
    **_packed("rgba8 rgba16", _RGB, cv2.COLOR_RGBA2RGB),
    **_packed("bgra8 8UC4 bgra16 16UC4", _BGR, cv2.COLOR_BGRA2RGB),
    **_packed("mono8 8UC1 mono16 16UC1", _GREY, cv2.COLOR_GRAY2RGB),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": Layout(Kind.YUV420, 1, 1, (0, 0, 1), cv2.COLOR_YUV2RGB_NV12),
    "nv21": Layout(Kind.YUV420, 1, 1, (0, 1, 0), cv2.COLOR_YUV2RGB_NV21),
    "nv24": Layout(Kind.YUV444, 1, 1, (0, 0, 1)),
    **_bayer(),
}
"""OpenCV's own names ("8UC3") say nothing about colour: three and four channels are read as BGR and BGRA."""
