"""Import of a user's own supernet weights from a torch checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from dynofa_ros.errors import ConfigError

from .extraction import FloatArray
from .family import Family, load_family
from .family_writer import write_family
from .ofa_torch import build_supernet, load_tensors_into
from .recalibrate import recalibrate
from .train_data import ImageArray, resize_area
from .weights import check_shapes, named_statistics, save_tensors

COMMENT = """Made by `dynofa import-weights` from {source}.
The accuracies were published by the family's authors for their weights, not measured with these.
{calibration}"""
MAX_CALIBRATION_IMAGES = 2_000
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def import_weights(checkpoint: Path, family: Family, out: Path, calibration_folder: Path | None) -> Family:
    """Convert a torch checkpoint of the family's supernet into safetensors and a family file in `out`.

    The checkpoint is read with `weights_only`, so it cannot run code. With a folder of images, batch-norm
    statistics are measured on them for every member. Raises ConfigError naming the tensor at fault.
    """
    tensors = read_checkpoint(checkpoint, family)
    images = read_images(calibration_folder, family) if calibration_folder is not None else []
    calibration = "Batch norm: statistics of the supernet, not of the single sub-networks."
    if images:
        calibration = f"Batch norm: statistics per sub-network, measured on {len(images)} images."
        tensors |= _statistics(family, tensors, images)
    out.mkdir(parents=True, exist_ok=True)
    weights_file = out / f"{family.name}.safetensors"
    imported = replace(
        family,
        weights_file=weights_file,
        weights_sha256=save_tensors(weights_file, tensors),
        file=out / f"{family.name}.yaml",
        _tensors={},
    )
    comment = COMMENT.format(source=checkpoint.name, calibration=calibration)
    write_family(imported, imported.file, comment)
    return load_family(imported.file)


def read_checkpoint(checkpoint: Path, family: Family) -> dict[str, FloatArray]:
    """Tensors of a checkpoint under the space's names, complete and of the right shapes."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        message = (
            "not a checkpoint that torch reads without running code; save its state_dict of plain tensors"
        )
        raise ConfigError(checkpoint, "", message) from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise ConfigError(checkpoint, "", f"holds a {type(content).__name__}, not named tensors")
    expected = family.space.tensor_shapes()
    tensors = {}
    for name, value in state.items():
        if str(name).endswith("num_batches_tracked"):
            continue
        tensors[_known_name(checkpoint, str(name), expected)] = _array(checkpoint, str(name), value)
    check_shapes(checkpoint, tensors, family.space)
    return tensors


def _known_name(checkpoint: Path, name: str, expected: Mapping[str, Any]) -> str:
    """The space's name of a tensor: checkpoints differ in prefixes and in doubled parts."""
    plain = name.removeprefix("module.").replace(".mobile_inverted_conv.", ".conv.")
    spellings = (
        plain,
        plain.replace(".bn.bn.", ".bn."),
        plain.replace(".bn.", ".bn.bn."),
        plain.replace(".conv.conv.weight", ".conv.weight"),
        plain.removesuffix("conv.weight") + "conv.conv.weight",
        plain.replace(".linear.linear.", ".linear."),
        plain.replace(".linear.", ".linear.linear."),
    )
    for spelling in spellings:
        if spelling in expected:
            return spelling
    raise ConfigError(checkpoint, name, "tensor does not belong to this family's supernet")


def _array(checkpoint: Path, name: str, value: Any) -> FloatArray:
    if not isinstance(value, torch.Tensor):
        raise ConfigError(checkpoint, name, f"is a {type(value).__name__}, not a tensor")
    if not torch.isfinite(value).all():
        raise ConfigError(checkpoint, name, "contains values that are not finite")
    return value.detach().float().numpy()


def read_images(folder: Path, family: Family) -> list[ImageArray]:
    """Central squares of the images in a folder (sub-folders included), RGB, at the largest resolution."""
    if not folder.is_dir():
        raise ConfigError(folder, "", "is not a folder of images")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    side = max(family.space.resolutions)
    images = []
    for file in files[:MAX_CALIBRATION_IMAGES]:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is not None:
            images.append(_square(np.asarray(image, dtype=np.uint8)[:, :, ::-1], side))
    if not images:
        raise ConfigError(folder, "", f"has no readable image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return images


def _square(image: ImageArray, side: int) -> ImageArray:
    height, width = image.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return resize_area(np.ascontiguousarray(image[top : top + short, left : left + short]), side)


def _statistics(
    family: Family, tensors: Mapping[str, FloatArray], images: list[ImageArray]
) -> dict[str, FloatArray]:
    net = build_supernet(family.space)
    load_tensors_into(net, tensors)
    statistics: dict[str, FloatArray] = {}
    for member in family.members:
        stats = recalibrate(net, member.spec, images, torch.device("cpu"), family.input_spec)
        statistics |= named_statistics(member.spec.name, stats)
    return statistics
