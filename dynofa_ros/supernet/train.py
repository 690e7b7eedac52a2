"""Training of the supernet: the largest alone, then sandwiches with distillation in place.

Sandwich rule and in-place distillation after Yu and Huang, "Universally Slimmable Networks" (ICCV
2019): each step trains the largest sub-network on the labels, and the smallest and a random one on
the largest's soft labels too. Resolution grows from phase to phase. All randomness of a step is keyed
by (seed, step), so a run that is stopped and resumed does what an uninterrupted run would have done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional

from dynofa_ros.errors import ConfigError

from .family_file import InputSpec
from .ofa_torch import build_supernet, frozen_running_statistics, initialised, set_active
from .space import OfaMbv3Space
from .subnet_spec import N_BLOCKS, N_STAGES, SubnetSpec, uniform_spec
from .train_data import ImageArray, ImagePool, LabelArray, draw_batch, resize_area

DIGITS_INPUT = InputSpec((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
HOLD = 0.7
CHECKPOINT_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Phase:
    """`steps` steps with the largest sub-network at `resolution`; alone, or with smaller ones.

    `easy` is the share of easy images: on the hard ones alone a deep network does not start to learn.
    """

    steps: int
    resolution: int
    sandwich: bool
    easy: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """What a training run does; equal settings and machine give equal weights."""

    phases: tuple[Phase, ...] = (
        Phase(300, 64, sandwich=False, easy=1.0),
        Phase(250, 64, sandwich=False, easy=0.5),
        Phase(500, 96, sandwich=True),
        Phase(500, 128, sandwich=True),
        Phase(500, 160, sandwich=True),
    )
    width_mult: float = 0.5
    resolutions: tuple[int, ...] = (64, 96, 128, 160)
    batch: int = 64
    pool_size: int = 30_000
    easy_pool_size: int = 8_000
    learning_rate: float = 1e-3
    warmup_steps: int = 50
    weight_decay: float = 0.02
    distillation: float = 0.5
    seed: int = 1

    @property
    def space(self) -> OfaMbv3Space:
        """The supernet's space."""
        return OfaMbv3Space(self.width_mult, 10, self.resolutions)

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> tuple[Phase, bool]:
        """Phase of `step`, and whether `step` is the phase's first."""
        start = 0
        for phase in self.phases:
            if step < start + phase.steps:
                return phase, step == start
            start += phase.steps
        return self.phases[-1], False


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, constant until HOLD of all steps, then a cosine to zero."""
    warm = min(1.0, (step + 1) / config.warmup_steps)
    decay = max(0.0, step / config.steps - HOLD) / (1 - HOLD)
    return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * decay))


def random_spec(space: OfaMbv3Space, rng: np.random.Generator, max_resolution: int) -> SubnetSpec:
    """A sub-network with independent uniform choices, at most `max_resolution`."""
    resolutions = [value for value in space.resolutions if value <= max_resolution]
    return SubnetSpec(
        "random",
        int(rng.choice(resolutions)),
        tuple(int(value) for value in rng.choice(space.depths, N_STAGES)),
        tuple(int(value) for value in rng.choice(space.kernel_sizes, N_BLOCKS)),
        tuple(int(value) for value in rng.choice(space.expand_ratios, N_BLOCKS)),
    )


def to_input(
    images: Sequence[ImageArray] | ImageArray,
    resolution: int,
    device: torch.device,
    input_spec: InputSpec = DIGITS_INPUT,
) -> torch.Tensor:
    """Square uint8 RGB images -> normalised tensor (n, 3, resolution, resolution)."""
    small = np.stack([resize_area(image, resolution) for image in images])
    tensor = torch.from_numpy(small).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (
        torch.tensor(part, device=device).view(1, 3, 1, 1) for part in (input_spec.mean, input_spec.std)
    )
    return ((tensor - mean) / std).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Pools:
    """Training images of both difficulties."""

    standard: ImagePool
    easy: ImagePool

    def draw(
        self, rng: np.random.Generator, batch: int, easy_share: float
    ) -> tuple[list[ImageArray], LabelArray]:
        """Images and labels, `easy_share` of them easy."""
        n_easy = round(easy_share * batch)
        hard_images, hard_labels = draw_batch(self.standard, rng, batch - n_easy)
        easy_images, easy_labels = draw_batch(self.easy, rng, n_easy)
        return hard_images + easy_images, np.concatenate([hard_labels, easy_labels])


class Trainer:
    """The supernet, its optimiser and the step counter; `advance` does one step."""

    def __init__(self, config: TrainConfig, pools: Pools, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.pools, self.device = config, pools, device
        self.step = 0
        self.net = initialised(build_supernet(config.space)).to(device, memory_format=torch.channels_last)
        self.optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.AdamW:
        decayed = [p for p in self.net.parameters() if p.dim() > 1]
        others = [p for p in self.net.parameters() if p.dim() <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)

    def advance(self) -> float:
        """One optimisation step; returns the loss of the largest sub-network."""
        config, rng = self.config, np.random.default_rng([self.config.seed, self.step])
        phase, first = config.phase_at(self.step)
        if first and phase.sandwich and self.step > 0:
            self._sort_channels()
        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        images, labels = self.pools.draw(rng, config.batch, phase.easy)
        self.optimizer.zero_grad(set_to_none=True)
        loss, teacher = self._backward(self._uniform(phase.resolution, largest=True), images, labels, None)
        if phase.sandwich:
            soft = teacher.softmax(dim=1)
            small = self._uniform(random_spec(config.space, rng, phase.resolution).resolution, largest=False)
            self._backward(small, images, labels, soft)
            self._backward(random_spec(config.space, rng, phase.resolution), images, labels, soft)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        return loss

    def _uniform(self, resolution: int, largest: bool) -> SubnetSpec:
        space, pick = self.config.space, -1 if largest else 0
        choices = (space.depths[pick], space.kernel_sizes[pick], space.expand_ratios[pick])
        return uniform_spec("largest" if largest else "smallest", resolution, *choices)

    def _backward(
        self, spec: SubnetSpec, images: list[ImageArray], labels: LabelArray, soft: torch.Tensor | None
    ) -> tuple[float, torch.Tensor]:
        set_active(self.net, spec)
        logits = self.net(to_input(images, spec.resolution, self.device))
        loss = functional.cross_entropy(logits, torch.from_numpy(labels).to(self.device))
        if soft is not None:
            share = self.config.distillation
            loss = (1 - share) * loss + share * functional.cross_entropy(logits, soft)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item(), logits.detach()

    def _sort_channels(self) -> None:
        """Put important middle channels first, as sub-networks keep the first ones."""
        if not self.config.phase_at(self.step - 1)[0].sandwich:
            self.net.re_organize_middle_weights()
            self.net.to(memory_format=torch.channels_last)
            self.optimizer = self._new_optimizer()

    def quick_accuracy(self, pool: ImagePool, spec: SubnetSpec) -> float:
        """Accuracy on a pool with batch statistics: cheap, for watching only."""
        correct = 0
        with torch.no_grad(), frozen_running_statistics(self.net):
            set_active(self.net, spec)
            for start in range(0, len(pool.labels), self.config.batch):
                part = slice(start, start + self.config.batch)
                logits = self.net(to_input(pool.images[part], spec.resolution, self.device))
                correct += int((logits.argmax(1).cpu().numpy() == pool.labels[part]).sum())
        return correct / len(pool.labels)

    def watched_specs(self) -> list[SubnetSpec]:
        """Largest sub-network at its present resolution, and the smallest."""
        resolution = self.config.phase_at(self.step)[0].resolution
        return [self._uniform(resolution, True), self._uniform(self.config.resolutions[0], False)]

    def save(self, path: Path) -> None:
        """Write a checkpoint; an interrupted write leaves the previous one."""
        state = {
            "step": self.step,
            "model": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "config": fixed_settings(self.config),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint; raises ConfigError when it was made with other settings."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name, value in fixed_settings(self.config).items():
            if state["config"].get(name) != value:
                message = f"made with {state['config'].get(name)}, asked for {value}; use another --out"
                raise ConfigError(path, name, message)
        self.net.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])


def fixed_settings(config: TrainConfig) -> dict[str, Any]:
    """Settings that must not change between a checkpoint and its continuation."""
    settings = asdict(config)
    del settings["phases"]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def train(
    trainer: Trainer, directory: Path, save_every: int, on_step: Callable[[Trainer, float], None]
) -> None:
    """Train to the end of the last phase, with a checkpoint every `save_every` steps."""
    path = directory / CHECKPOINT_NAME
    while trainer.step < trainer.config.steps:
        loss = trainer.advance()
        on_step(trainer, loss)
        if trainer.step % save_every == 0 or trainer.step == trainer.config.steps:
            trainer.save(path)
