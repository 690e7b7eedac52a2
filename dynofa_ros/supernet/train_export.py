"""From a trained supernet to a family: search, calibration, measurement on test images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from dynofa_ros.datasets import digits

from .extraction import FloatArray, extract
from .family import Family, FamilyMember
from .family_file import REDUCED_PRECISIONS, Accuracy
from .family_writer import write_family
from .measure import bootstrap_interval, correct_answers
from .measure_precisions import measure_family
from .ofa_torch import build_supernet, load_tensors_into, to_tensors
from .recalibrate import recalibrate
from .search import Candidate, budgets, pareto_front, search_budget, spread
from .space import OfaMbv3Space
from .subnet_spec import SubnetSpec, uniform_spec
from .train import DIGITS_INPUT
from .train_data import ImagePool
from .weights import compact, named_statistics, save_tensors

COMMENT = """Handwritten digits as signs: sub-networks of one supernet, trained by `dynofa train`.
The front was chosen on validation scans; each accuracy was then measured with the weights of this
family on rendered images of test scans, with a 95 % interval bootstrapped over scans.
Digits: UCI "Optical Recognition of Handwritten Digits" (Alpaydin, Kaynak, 1998), CC BY 4.0."""
MIN_COST_RATIO = 1.2


@dataclass(frozen=True)
class ExportConfig:
    """Effort of search, calibration and measurement."""

    n_budgets: int = 15
    n_random: int = 4
    n_mutations: int = 6
    finalists: int = 2
    search_calibration: int = 256
    search_images: int = 1_200
    final_calibration: int = 1_024
    final_images: int = 4_000
    test_images: int = 12_000
    precisions: tuple[str, ...] = REDUCED_PRECISIONS
    seed: int = 1


@dataclass(frozen=True)
class ExportImages:
    """Images of the three splits at the camera's resolution."""

    calibration: ImagePool
    validation: ImagePool
    test: ImagePool


class Exporter:
    """Searches and measures sub-networks with the weights as they will be shipped (float16 kernels)."""

    def __init__(
        self,
        space: OfaMbv3Space,
        tensors: dict[str, FloatArray],
        images: ExportImages,
        config: ExportConfig,
        device: torch.device,
    ) -> None:
        self.space, self.images, self.config, self.device = space, images, config, device
        self.shipped = compact(tensors)
        self.tensors = {name: tensor.astype(np.float32) for name, tensor in self.shipped.items()}
        self.net = build_supernet(space).to(device, memory_format=torch.channels_last)
        load_tensors_into(self.net, self.tensors)

    def accuracy(self, spec: SubnetSpec, calibration: int, n_images: int) -> float:
        """Validation accuracy of a sub-network with its own batch-norm statistics."""
        statistics = recalibrate(self.net, spec, self.images.calibration.images[:calibration], self.device)
        network = extract(self.space, self.tensors, spec, statistics)
        pool = _first(self.images.validation, n_images)
        return float(correct_answers(network, pool, self.device).mean())

    def search(self, log: Callable[[str], None]) -> list[Candidate]:
        """The front on validation images, from the smallest to the largest sub-network."""
        space, config = self.space, self.config
        ends = [
            uniform_spec("", side[0], side[1], side[2], side[3])
            for side in (
                (space.resolutions[i], space.depths[i], space.kernel_sizes[i], space.expand_ratios[i])
                for i in (0, -1)
            )
        ]
        finalists = list(ends)
        rng = np.random.default_rng([config.seed, 7])
        parents: list[SubnetSpec] = []
        for budget in tqdm(budgets(space, ends[0], ends[1], config.n_budgets)[1:-1], desc="searching"):
            found = search_budget(
                space, budget, self._quick_accuracy, rng, config.n_random, config.n_mutations, parents
            )
            finalists += [candidate.spec for candidate in found[: config.finalists]]
            parents = [candidate.spec for candidate in found[:2]]
            log(f"{budget / 1e6:.1f} M: " + ", ".join(f"{c.accuracy:.4f}" for c in found))
        return spread(pareto_front(self._finals(finalists, log)), MIN_COST_RATIO)

    def _quick_accuracy(self, spec: SubnetSpec) -> float:
        return self.accuracy(spec, self.config.search_calibration, self.config.search_images)

    def _finals(self, specs: list[SubnetSpec], log: Callable[[str], None]) -> list[Candidate]:
        candidates = []
        for spec in tqdm(specs, desc="comparing finalists"):
            value = self.accuracy(spec, self.config.final_calibration, self.config.final_images)
            candidates.append(Candidate(spec, self.space.macs(spec), value))
            log(f"finalist {candidates[-1].macs / 1e6:.1f} M r{spec.resolution}: {value:.4f}")
        return candidates

    def export(self, front: list[Candidate], out: Path, name: str, log: Callable[[str], None]) -> Family:
        """Measure the front on test images and write the family into folder `out`, reduced precisions too.

        A sub-network that a cheaper one equals on test images is left out.
        """
        tensors: dict[str, np.ndarray] = dict(self.shipped)
        members: list[FamilyMember] = []
        for candidate in tqdm(front, desc="measuring"):
            spec = replace(candidate.spec, name=member_name(candidate))
            calibration = self.images.calibration.images[: self.config.final_calibration]
            statistics = recalibrate(self.net, spec, calibration, self.device)
            network = extract(self.space, self.tensors, spec, statistics)
            accuracy = self._measured(correct_answers(network, self.images.test, self.device))
            log(f"{spec.name}: validation {candidate.accuracy:.4f} {json.dumps(asdict(accuracy))}")
            if not members or accuracy.value > _value(members[-1]):
                members.append(FamilyMember(spec, candidate.macs, accuracy))
                tensors.update(named_statistics(spec.name, statistics))
        weights_file = out / f"{name}.safetensors"
        family = Family(
            name=name,
            space=self.space,
            input_spec=DIGITS_INPUT,
            labels=digits.LABELS,
            weights_file=weights_file,
            weights_sha256=save_tensors(weights_file, tensors),
            members=tuple(members),
            file=out / f"{name}.yaml",
        )
        write_family(family, family.file, COMMENT)
        return measure_family(family, self.images.calibration, self.images.test, self.config.precisions, log)

    def _measured(self, correct: np.ndarray) -> Accuracy:
        low, high = bootstrap_interval(correct, self.images.test.scans)
        return Accuracy(
            value=float(correct.mean()),
            low=low,
            high=high,
            source="measured",
            dataset=f"digits test split, rendered, {len(np.unique(self.images.test.scans))} scans",
            n_images=len(correct),
            by="dynofa train",
        )


def member_name(candidate: Candidate) -> str:
    """Name that sorts by cost and tells it: m012_r096 has 12 million multiply-adds at 96 pixels."""
    return f"m{round(candidate.macs / 1e6):03d}_r{candidate.spec.resolution:03d}"


def supernet_tensors(checkpoint: Path, space: OfaMbv3Space) -> dict[str, FloatArray]:
    """Tensors of a training checkpoint."""
    net = build_supernet(space)
    net.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["model"])
    return to_tensors(net)


def _value(member: FamilyMember) -> float:
    return member.accuracy.value if member.accuracy is not None else 0.0


def _first(pool: ImagePool, count: int) -> ImagePool:
    return ImagePool(pool.images[:count], pool.labels[:count], pool.scans[:count])
