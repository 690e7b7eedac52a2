"""Family files (`dynofa/family/1`): the sub-networks of one supernet that may run, and what is known of them.

A family file is YAML: the supernet's space, the input normalisation, the labels, the weights with their
SHA-256, and the members by rising multiply-adds, each with its accuracy and where that comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dynofa_ros.errors import ConfigError

from .extraction import FloatArray, StaticNetwork, extract
from .family_file import Accuracy, FamilyFile, InputSpec, MemberEntry, read_family_file
from .network_source import NetworkSource
from .quantization import Quantization, load_quantizations
from .random_weights import random_tensors
from .space import OfaMbv3Space
from .subnet_spec import SubnetSpec
from .weights import check_shapes, load_tensors, sha256_of, subnet_statistics

ACCURACY_TOLERANCE = 0.005
"""A reduced precision is offered for a member whose accuracy it lowers by no more than this."""

__all__ = [
    "ACCURACY_TOLERANCE",
    "Accuracy",
    "Family",
    "FamilyMember",
    "InputSpec",
    "load_family",
    "random_family",
]


@dataclass(frozen=True)
class FamilyMember:
    """One sub-network: its multiply-adds per inference, and its accuracy where it is known.

    `accuracy` belongs to the weights that run, computed with fp32: it is None with random weights.
    `accuracies` holds those of reduced precisions, by precision.
    """

    spec: SubnetSpec
    macs: int
    accuracy: Accuracy | None
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)

    def accuracy_at(self, precision: str) -> Accuracy | None:
        """Accuracy as computed with `precision`; None where it was not measured."""
        return self.accuracy if precision == "fp32" else self.accuracies.get(precision)

    def loses(self, precision: str) -> float:
        """Accuracy lost by computing with `precision` instead of fp32; infinity where not measured."""
        if precision == "fp32":
            return 0.0
        reduced = self.accuracy_at(precision)
        if self.accuracy is None or reduced is None:
            return math.inf
        return self.accuracy.value - reduced.value


@dataclass(frozen=True, eq=False)
class Family:
    """A validated family; `members` by rising `macs`, `labels` by class index."""

    name: str
    space: OfaMbv3Space
    input_spec: InputSpec
    labels: tuple[str, ...]
    weights_file: Path | None
    weights_sha256: str | None
    members: tuple[FamilyMember, ...]
    file: Path
    random_weights: bool = False
    random_seed: int = 0
    quantization_file: Path | None = None
    quantization_sha256: str | None = None
    _tensors: dict[str, FloatArray] = field(default_factory=dict, repr=False)
    _quantizations: dict[str, Quantization] = field(default_factory=dict, repr=False)

    @property
    def has_weights(self) -> bool:
        """Whether `network` can make networks."""
        return self.weights_file is not None or self.random_weights

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members, by rising multiply-adds."""
        return tuple(member.spec.name for member in self.members)

    def member(self, name: str) -> FamilyMember:
        """Member called `name`; raises KeyError listing the names otherwise."""
        for member in self.members:
            if member.spec.name == name:
                return member
        raise KeyError(f"family {self.name} has no sub-network {name!r}; it has {', '.join(self.names)}")

    @property
    def weights_id(self) -> str:
        """What identifies the weights: their SHA-256, or the seed of random ones."""
        return self.weights_sha256 or f"random {self.random_seed}"

    def source(self, name: str) -> NetworkSource:
        """Member `name` as back ends take it; raises KeyError for an unknown name."""
        self.member(name)
        return NetworkSource(self, name)

    def offers(self, name: str, precision: str) -> bool:
        """Whether member `name` may run with `precision`.

        It may where its accuracy was measured and is at most `ACCURACY_TOLERANCE` below that of fp32, and
        always with random weights, whose results mean nothing. int8 needs a calibration besides.
        """
        if precision == "int8" and self.quantization_file is None:
            return False
        return self.random_weights or self.member(name).loses(precision) <= ACCURACY_TOLERANCE

    def quantization(self, name: str) -> Quantization | None:
        """What calibration for int8 found for member `name`; None where it was not calibrated.

        Raises ConfigError when the file is missing, has another SHA-256, or cannot be used.
        """
        if self.quantization_file is None or self.quantization_sha256 is None:
            return None
        if not self._quantizations:
            self._quantizations.update(load_quantizations(self.quantization_file, self.quantization_sha256))
        return self._quantizations.get(name)

    def with_quantization(self, file: Path) -> Family:
        """This family with the calibration in `file`, for random weights; files name their own."""
        return replace(self, quantization_file=file, quantization_sha256=sha256_of(file), _quantizations={})

    def network(self, name: str) -> StaticNetwork:
        """Static network of member `name`, with its own batch-norm statistics where the file has them.

        Raises KeyError for an unknown name and ConfigError when weights are missing or do not fit.
        """
        spec, tensors = self.member(name).spec, self.tensors()
        statistics = subnet_statistics(self.weights_file or self.file, tensors, self.space, spec)
        return extract(self.space, tensors, spec, statistics)

    def tensors(self) -> dict[str, FloatArray]:
        """The supernet's tensors (float32), read and checked once."""
        if not self._tensors and self.random_weights:
            self._tensors.update(random_tensors(self.space, self.random_seed))
        if not self._tensors:
            if self.weights_file is None or self.weights_sha256 is None:
                message = "none are shipped with this family; give it yours with `dynofa import-weights FILE`"
                raise ConfigError(self.file, "weights", f"{message} --family {self.name}")
            self._tensors.update(load_tensors(self.weights_file, self.weights_sha256))
        return self._tensors

    def with_random_weights(self, seed: int = 0) -> Family:
        """This family with untrained weights and therefore without any accuracy."""
        members = tuple(replace(member, accuracy=None, accuracies={}) for member in self.members)
        return replace(
            self,
            members=members,
            random_weights=True,
            random_seed=seed,
            weights_file=None,
            weights_sha256=None,
            quantization_file=None,
            quantization_sha256=None,
            _tensors={},
            _quantizations={},
        )

    def release_tensors(self) -> None:
        """Free the memory of tensors and calibration; they are read, or drawn, again when needed."""
        self._tensors.clear()
        self._quantizations.clear()


def load_family(path: Path) -> Family:
    """Read and validate a family file together with its weights.

    Raises ConfigError naming file, field, the value found and the value expected: unknown schema,
    missing key, sub-network outside the space, wrong multiply-adds, accuracy out of range, weights
    with another SHA-256 or of another shape.
    """
    content = read_family_file(path)
    members = tuple(_member(path, i, entry, content.space) for i, entry in enumerate(content.members))
    _check_members(path, members)
    family = Family(
        name=content.name,
        space=content.space,
        input_spec=content.input_spec,
        labels=content.labels,
        weights_file=content.weights_file,
        weights_sha256=content.weights_sha256,
        members=members,
        file=path,
        quantization_file=content.quantization_file,
        quantization_sha256=content.quantization_sha256,
    )
    if family.has_weights:
        _check_weights(family, content)
    return family


def random_family(space: OfaMbv3Space, specs: Sequence[SubnetSpec], seed: int = 0) -> Family:
    """A family of untrained networks, without accuracies: for trying things out, never for results."""
    members = sorted((FamilyMember(spec, space.macs(spec), None) for spec in specs), key=lambda m: m.macs)
    labels = tuple(str(index) for index in range(space.n_classes))
    spec = InputSpec((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Family("random", space, spec, labels, None, None, tuple(members), Path("random"), True, seed)


def _member(path: Path, index: int, entry: MemberEntry, space: OfaMbv3Space) -> FamilyMember:
    where = f"members[{index}] ({entry.spec.name})"
    try:
        space.validate(entry.spec)
    except ValueError as error:
        raise ConfigError(path, f"{where}.{str(error).partition(':')[0]}", str(error)) from error
    macs = space.macs(entry.spec)
    if entry.macs != macs:
        raise ConfigError(path, f"{where}.macs", f"{entry.macs}, but this sub-network has {macs}")
    return FamilyMember(entry.spec, macs, entry.accuracy, entry.accuracies)


def _check_members(path: Path, members: tuple[FamilyMember, ...]) -> None:
    if not members:
        raise ConfigError(path, "members", "is empty; a family needs at least one sub-network")
    names = [member.spec.name for member in members]
    for index in range(1, len(members)):
        if names[index] in names[:index]:
            raise ConfigError(path, f"members[{index}].name", f"{names[index]!r} is there twice")
        before, here = members[index - 1].macs, members[index].macs
        if here <= before:
            message = f"{here} follows {before}; members are ordered by rising macs"
            raise ConfigError(path, f"members[{index}].macs", message)


def _check_weights(family: Family, content: FamilyFile) -> None:
    file = family.weights_file
    if file is None:
        return
    try:
        tensors = family.tensors()
    except ConfigError as error:
        name = f"weights.{error.field}" if error.field else "weights.file"
        raise ConfigError(family.file, name, str(error)) from error
    check_shapes(file, tensors, family.space)
    for member in family.members:
        subnet_statistics(file, tensors, family.space, member.spec)
    if len(content.labels) != family.space.n_classes:
        message = f"{len(content.labels)} labels for {family.space.n_classes} classes"
        raise ConfigError(family.file, "labels", message)
