"""Writing family files, one member per paragraph, so that they are pleasant to read and to compare."""

from __future__ import annotations

import json
import math
from pathlib import Path

from .family import Family, FamilyMember
from .family_file import SCHEMA, SPACE_TYPE, Accuracy

MANY_LABELS = 32


def write_family(family: Family, path: Path, comment: str, labels_file: str = "") -> None:
    """Write `family` so that `load_family` reads it back.

    Weights and calibration are named relative to the file's folder. `comment` becomes the head of the file,
    line by line; `labels_file` replaces a long list of labels.
    """
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += [f"schema: {SCHEMA}", f"name: {family.name}", *_space_lines(family)]
    lines += [f"input: {{mean: {list(family.input_spec.mean)}, std: {list(family.input_spec.std)}}}"]
    lines += [f"labels: {labels_file or json.dumps(list(family.labels), ensure_ascii=False)}"]
    if family.weights_file is None:
        lines.append("weights: null")
    else:
        lines += ["weights:", f"  file: {family.weights_file.name}", f"  sha256: {family.weights_sha256}"]
    if family.quantization_file is not None:
        file, sha256 = family.quantization_file.name, family.quantization_sha256
        lines += ["quantization:", f"  file: {file}", f"  sha256: {sha256}"]
    lines.append("members:")
    for member in family.members:
        lines += _member_lines(member)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)


def _space_lines(family: Family) -> list[str]:
    space = family.space
    return [
        "space:",
        f"  type: {SPACE_TYPE}",
        f"  width_mult: {space.width_mult}",
        f"  n_classes: {space.n_classes}",
        f"  resolutions: {list(space.resolutions)}",
        f"  depths: {list(space.depths)}",
        f"  kernel_sizes: {list(space.kernel_sizes)}",
        f"  expand_ratios: {list(space.expand_ratios)}",
    ]


def file_comment(path: Path) -> str:
    """The comment at the head of a family file, without its number signs."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].removeprefix(" "))
    return "\n".join(lines)


def _member_lines(member: FamilyMember) -> list[str]:
    spec = member.spec
    lines = [
        f"  - name: {spec.name}",
        f"    resolution: {spec.resolution}",
        f"    depth: {list(spec.depth)}",
        f"    kernel_size: {list(spec.kernel_size)}",
        f"    expand_ratio: {list(spec.expand_ratio)}",
        f"    macs: {member.macs}",
        f"    accuracy: {_accuracy_text(member.accuracy)}",
    ]
    if member.accuracies:
        lines.append("    accuracies:")
        lines += [f"      {name}: {_accuracy_text(value)}" for name, value in member.accuracies.items()]
    return lines


def _accuracy_text(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return "null"
    interval = [None if math.isnan(bound) else round(bound, 5) for bound in (accuracy.low, accuracy.high)]
    entries = {
        "value": round(accuracy.value, 5),
        "low": interval[0],
        "high": interval[1],
        "source": accuracy.source,
        "n_images": accuracy.n_images,
        "dataset": accuracy.dataset,
        "by": accuracy.by,
    }
    text = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items())
    return f"{{{text}}}"
