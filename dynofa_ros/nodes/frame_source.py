"""Where a camera node's frames come from: rendered digits, an image folder or a video file. No ROS here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from dynofa_ros.datasets.digits import SPLITS, scene
from dynofa_ros.errors import ConfigError

Frame = tuple[npt.NDArray[np.uint8], str]
"""RGB pixels, uint8 (h, w, 3), and the class name ("" where it is not known)."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp")
SOURCES = ("digits", "folder", "video")


class FrameSource(Protocol):
    """An endless or ending sequence of frames, all of one size."""

    def frames(self) -> Iterator[Frame]:
        """The frames from the first; ends after the last one unless it loops."""


class DigitsSource:
    """Rendered signs with handwritten digits; the same for the same split, seed and size."""

    def __init__(self, split: str, seed: int, size: tuple[int, int], prerender: int) -> None:
        if split not in SPLITS:
            raise ConfigError("camera", "split", f"{split!r} is not one of {', '.join(SPLITS)}")
        self._split, self._seed, self._size = split, seed, size
        self._ahead = [self._render(index) for index in range(prerender)]

    def _render(self, index: int) -> Frame:
        rgb, label, _scan = scene(self._split, self._seed, index, *self._size)
        return rgb, str(label)

    def frames(self) -> Iterator[Frame]:
        """Endless; those rendered ahead come again and again, if there are any."""
        index = 0
        while True:
            yield self._ahead[index % len(self._ahead)] if self._ahead else self._render(index)
            index += 1


class FolderSource:
    """Images of a folder by name; in sub-folders, the sub-folder's name is the class."""

    def __init__(self, folder: Path, size: tuple[int, int], loop: bool) -> None:
        if not folder.is_dir():
            raise ConfigError("camera", "path", f"{folder} is not a folder")
        self._files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
        if not self._files:
            raise ConfigError("camera", "path", f"{folder} holds no images ({', '.join(SUFFIXES)})")
        self._folder, self._size, self._loop = folder, size, loop

    def frames(self) -> Iterator[Frame]:
        """One frame per readable image."""
        readable = True
        while readable:
            readable = False
            for file in self._files:
                image = cv2.imread(str(file), cv2.IMREAD_COLOR)
                if image is not None:
                    readable = True
                    yield _fit(image, self._size), file.parent.name if file.parent != self._folder else ""
            readable = readable and self._loop


class VideoSource:
    """Frames of a video file."""

    def __init__(self, file: Path, size: tuple[int, int], loop: bool) -> None:
        capture = cv2.VideoCapture(str(file))
        opened, _image = capture.read()
        capture.release()
        if not opened:
            raise ConfigError("camera", "path", f"{file} is not a video that can be read")
        self._file, self._size, self._loop = file, size, loop

    def frames(self) -> Iterator[Frame]:
        """One frame per video frame; after the last one from the start again, if it loops."""
        while True:
            capture = cv2.VideoCapture(str(self._file))
            while True:
                there, image = capture.read()
                if not there:
                    break
                yield _fit(image, self._size), ""
            capture.release()
            if not self._loop:
                return


def _fit(bgr: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """RGB at `size` (width, height); 0 x 0 keeps the image's own."""
    if size != (0, 0) and bgr.shape[1::-1] != size:
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def open_source(
    kind: str, path: str, *, size: tuple[int, int], split: str, seed: int, loop: bool, prerender: int
) -> FrameSource:
    """The source named `kind`.

    Raises:
        ConfigError: it cannot be read; names the parameter and its value.
    """
    if kind == "digits":
        if min(size) < 32:
            raise ConfigError("camera", "width, height", f"{size[0]}x{size[1]}: digits need at least 32x32")
        return DigitsSource(split, seed, size, prerender)
    if not path:
        raise ConfigError("camera", "path", f"source {kind} needs a path")
    file = Path(path).expanduser()
    return FolderSource(file, size, loop) if kind == "folder" else VideoSource(file, size, loop)
