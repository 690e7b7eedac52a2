"""Reduced precisions of a family: calibration for int8, and accuracy as the engine computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from dynofa_ros.engine.backend import BackendUnavailable, CompiledNetwork
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.errors import ConfigError

from .family import ACCURACY_TOLERANCE, Family, FamilyMember
from .family_file import REDUCED_PRECISIONS, Accuracy
from .family_writer import file_comment, write_family
from .measure import bootstrap_interval
from .quantization import save_quantizations
from .train_data import ImageArray, ImagePool, resize_area

CALIBRATION_IMAGES = 300
SAME_IMAGES_TOLERANCE = 0.005

Log = Callable[[str], None]
Answers = dict[str, npt.NDArray[np.bool_]]


def calibrate_family(family: Family, images: Sequence[ImageArray] | ImageArray, file: Path) -> Family:
    """Calibrate every member for int8 on square RGB `images`, write `file`; returns the family that uses it.

    Raises BackendUnavailable without nncf.
    """
    from dynofa_ros.engine.quantization_nncf import calibrate

    found = {}
    for name in tqdm(family.names, desc="calibrating", unit="network"):
        side = family.member(name).spec.resolution
        found[name] = calibrate(family.source(name), [resize_area(image, side)[None] for image in images])
    save_quantizations(file, found)
    return family.with_quantization(file)


def measure_family(
    family: Family,
    calibration: ImagePool,
    test: ImagePool,
    precisions: Sequence[str] = REDUCED_PRECISIONS,
    log: Log = lambda _: None,
    threads: int = 2,
) -> Family:
    """Calibrate, measure `precisions` on the images on which fp32 was measured, and write the family file.

    A precision that this machine does not compute is left out, and `log` says so. What is measured is
    written even where it is too bad to be offered (`Family.offers`).

    Raises ConfigError when fp32 has another accuracy on `test` than the family file says.
    """
    backends = _backends(precisions, log)
    if "int8" in backends:
        file = family.file.with_name(f"{family.file.stem}.int8.safetensors")
        try:
            family = calibrate_family(family, calibration.images[:CALIBRATION_IMAGES], file)
        except BackendUnavailable as error:
            log(f"int8 is left out: {error}")
            del backends["int8"]
    members = []
    for member in tqdm(family.members, desc="measuring", unit="network"):
        networks = {
            name: backend.compile(family.source(member.spec.name), threads)
            for name, backend in backends.items()
        }
        members.append(_measured(family, member, _answers(networks, test, member.spec.name), test))
        log(_summary(members[-1]))
    family = replace(family, members=tuple(members))
    write_family(family, family.file, file_comment(family.file))
    return family


def _backends(precisions: Sequence[str], log: Log) -> dict[str, OpenVinoBackend]:
    """fp32 and those of `precisions` that this machine computes."""
    backends = {"fp32": OpenVinoBackend("fp32")}
    for precision in precisions:
        try:
            backends[precision] = OpenVinoBackend(precision)
        except BackendUnavailable as error:
            log(f"{precision} is left out: {error}")
    return backends


def _answers(networks: Mapping[str, CompiledNetwork], test: ImagePool, name: str) -> Answers:
    """Whether each image of `test` is classified rightly, by precision."""
    side = next(iter(networks.values())).resolution
    correct = {precision: np.zeros(len(test.labels), np.bool_) for precision in networks}
    for index, image in enumerate(tqdm(test.images, desc=name, unit="image", leave=False, mininterval=1.0)):
        small = resize_area(image, side)[None]
        for precision, network in networks.items():
            correct[precision][index] = network.infer(small).argmax() == test.labels[index]
    return correct


def _measured(family: Family, member: FamilyMember, answers: Answers, test: ImagePool) -> FamilyMember:
    """`member` with the accuracies of all precisions but fp32, which has to be as it was."""
    fp32, known = float(answers["fp32"].mean()), member.accuracy
    if known is None or abs(fp32 - known.value) > SAME_IMAGES_TOLERANCE:
        message = f"{known and known.value} in the file, {fp32:.4f} here: not the images it was measured on"
        raise ConfigError(family.file, f"{member.spec.name}.accuracy", message)
    return replace(
        member,
        accuracies={
            precision: _accuracy(known, correct, test)
            for precision, correct in answers.items()
            if precision != "fp32"
        },
    )


def _accuracy(fp32: Accuracy, correct: npt.NDArray[np.bool_], test: ImagePool) -> Accuracy:
    low, high = bootstrap_interval(correct, test.scans)
    value = float(correct.mean())
    return replace(fp32, value=value, low=low, high=high, n_images=len(correct), by="dynofa quantize")


def _summary(member: FamilyMember) -> str:
    """One line for people."""
    parts = [f"fp32 {member.accuracy.value:.4f}" if member.accuracy else "fp32 not measured"]
    for precision, accuracy in member.accuracies.items():
        offered = "" if member.loses(precision) <= ACCURACY_TOLERANCE else " (not offered)"
        parts.append(f"{precision} {accuracy.value:.4f}{offered}")
    return f"{member.spec.name}: {', '.join(parts)}"
