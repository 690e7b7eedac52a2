"""Between messages and the plain objects of the core: same field names, converted field by field."""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image

import dynofa_ros.msg as messages
from dynofa_ros.board import state
from dynofa_ros.engine.compressed import CompressedFrame
from dynofa_ros.engine.image import ImageFrame
from dynofa_ros.manager import decision, operating_point

T = TypeVar("T")

_CORE_OF = {
    "ClockDomain": state.ClockDomain,
    "ClockLimit": decision.ClockLimit,
    "Element": state.Element,
    "OperatingPoint": operating_point.OperatingPoint,
    "PowerRail": state.PowerRail,
    "SubnetAlternative": decision.SubnetAlternative,
    "ThermalZone": state.ThermalZone,
}


def fill(message: T, source: object, **values: Any) -> T:
    """Set every field of `message` that `values` or else `source` has, and return it.

    Sequences of objects become sequences of the field's message type; None becomes NaN in a number field.
    """
    kinds: Mapping[str, str] = message.get_fields_and_field_types()  # type: ignore[attr-defined]
    for name, kind in kinds.items():
        if name in values:
            setattr(message, name, values[name])
        elif hasattr(source, name):
            setattr(message, name, _to_field(kind, getattr(source, name)))
    return message


def _to_field(kind: str, value: Any) -> Any:
    if kind.startswith("sequence<"):
        inner = kind[len("sequence<") : -1]
        return [_to_field(inner, item) for item in value]
    if kind == "dynofa_ros/QosTarget":
        lifetime_s = 0.0 if math.isinf(value.lifetime_s) else value.lifetime_s
        return fill(messages.QosTarget(), value, lifetime_s=lifetime_s)
    if kind.startswith("dynofa_ros/"):
        return fill(getattr(messages, kind.split("/")[1])(), value)
    if kind in ("double", "float"):
        return math.nan if value is None else float(value)
    if kind.startswith(("int", "uint")):
        return int(value)
    if kind == "boolean":
        return bool(value)
    return "" if value is None else value


def build(cls: type[T], message: Any, **values: Any) -> T:
    """An object of the core's dataclass `cls` from the message's fields of the same names; `values` win."""
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.init and field.name not in values and hasattr(message, field.name):
            values[field.name] = _from_field(getattr(message, field.name))
    return cls(**values)


def _from_field(value: Any) -> Any:
    core = _CORE_OF.get(type(value).__name__)
    if core is not None:
        return build(core, value)
    if isinstance(value, (str, int, float)):
        return value
    if hasattr(value, "get_fields_and_field_types"):
        return value
    return tuple(_from_field(item) for item in value)


def image_frame(message: Image) -> ImageFrame:
    """A view of the message's pixels; nothing is copied or checked here."""
    return ImageFrame(
        width=message.width,
        height=message.height,
        encoding=message.encoding,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
        data=np.frombuffer(message.data, np.uint8),
    )


def compressed_frame(message: CompressedImage) -> CompressedFrame:
    """A view of the message's bytes; nothing is copied or checked here."""
    return CompressedFrame(format=message.format, data=np.frombuffer(message.data, np.uint8))


def image_message(pixels: npt.NDArray[np.uint8], encoding: str, header: Any) -> Image:
    """An Image of `pixels`, uint8 (h, w, channels); `array.frombytes` is the fast way into a message."""
    height, width, channels = pixels.shape
    data = array("B")
    data.frombytes(np.ascontiguousarray(pixels).data)
    return Image(
        header=header, height=height, width=width, encoding=encoding, step=width * channels, data=data
    )


def stamp_ns(stamp: Time) -> int:
    """[ns] since the clock's epoch."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def age_ms(stamp: Time, now_ns: int) -> float:
    """[ms] from `stamp` to `now_ns` on the same clock; NaN for a stamp of zero."""
    then_ns = stamp_ns(stamp)
    return math.nan if then_ns == 0 else (now_ns - then_ns) * 1e-6


def key_values(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Diagnostic values as text: numbers to three digits, NaN as "not measured"."""
    return [(name, _text(value)) for name, value in values.items()]


def _text(value: object) -> str:
    if isinstance(value, float):
        return "not measured" if math.isnan(value) else f"{value:.3f}"
    return str(value)
