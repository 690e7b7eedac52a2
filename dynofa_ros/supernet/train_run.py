"""A whole training run in a folder: rendering, training with a progress bar, checkpoints, log."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from dynofa_ros.errors import ConfigError

from .family import Family
from .train import CHECKPOINT_NAME, Pools, TrainConfig, Trainer, train
from .train_data import ImagePool, load_pool
from .train_export import ExportConfig, Exporter, ExportImages, supernet_tensors

EASY_SIDE = 96
CAMERA_SIDE = 240
WATCH_EVERY = 50
WATCH_IMAGES = 1024
VALIDATION_SEED = 2
TEST_SEED = 3
CALIBRATION_SEED = 4


def train_family(out: Path, device: str, resume: bool, seed: int, threads: int, save_every: int) -> Family:
    """Train in folder `out`, then search, measure and write the family there."""
    trainer = run_training(out, device, resume, seed, threads, save_every)
    return export_family(trainer.config, out, choose_device(device), threads)


def export_family(
    config: TrainConfig, out: Path, device: torch.device, threads: int, export: ExportConfig | None = None
) -> Family:
    """Family of the sub-networks worth having, from the finished checkpoint in folder `out`."""
    export = export or ExportConfig(seed=config.seed)
    torch.set_num_threads(threads)
    folder, side = out / "images", CAMERA_SIDE
    images = ExportImages(
        load_pool(folder, "train", CALIBRATION_SEED, export.final_calibration, side, threads),
        load_pool(folder, "validation", VALIDATION_SEED, export.final_images, side, threads),
        load_pool(folder, "test", TEST_SEED, export.test_images, side, threads),
    )
    tensors = supernet_tensors(out / CHECKPOINT_NAME, config.space)
    exporter = Exporter(config.space, tensors, images, export, device)
    with (out / "export.log").open("a", encoding="utf-8") as log:

        def note(text: str) -> None:
            tqdm.write(text)
            log.write(text + "\n")
            log.flush()

        return exporter.export(exporter.search(note), out, "digits", note)


def choose_device(name: str) -> torch.device:
    """The named device; "auto" takes the GPU where torch has one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def run_training(out: Path, device: str, resume: bool, seed: int, threads: int, save_every: int) -> Trainer:
    """Train the supernet in folder `out`; returns the trainer at the end of its schedule."""
    config = TrainConfig(seed=seed)
    checkpoint = out / CHECKPOINT_NAME
    if checkpoint.exists() and not resume:
        raise ConfigError(
            checkpoint, "", "exists already; pass --resume to continue, or choose another --out"
        )
    torch.set_num_threads(threads)
    side = max(config.resolutions)
    images = out / "images"
    pools = Pools(
        load_pool(images, "train", seed, config.pool_size, side, threads),
        load_pool(images, "train", seed, config.easy_pool_size, EASY_SIDE, threads, "easy"),
    )
    watch = load_pool(images, "validation", VALIDATION_SEED, WATCH_IMAGES, side, threads)
    trainer = Trainer(config, pools, choose_device(device))
    if checkpoint.exists():
        trainer.load(checkpoint)
    with tqdm(total=config.steps, initial=trainer.step, desc="training", unit="step") as progress:
        observer = _Observer(out / "log.jsonl", watch, progress)
        train(trainer, out, save_every, observer)
    return trainer


class _Observer:
    """Moves the progress bar, and measures and logs the accuracy now and then."""

    def __init__(self, log: Path, watch: ImagePool, progress: tqdm[Any]) -> None:
        self._log, self._watch, self._progress = log, watch, progress
        self._loss: float | None = None

    def __call__(self, trainer: Trainer, loss: float) -> None:
        self._loss = loss if self._loss is None else 0.95 * self._loss + 0.05 * loss
        self._progress.update(1)
        self._progress.set_postfix(loss=f"{self._loss:.3f}", refresh=False)
        if trainer.step % WATCH_EVERY == 0:
            self._report(trainer)

    def _report(self, trainer: Trainer) -> None:
        largest, smallest = trainer.watched_specs()
        record = {
            "step": trainer.step,
            "time_s": round(time.time(), 1),
            "loss": self._loss,
            "resolution": largest.resolution,
            "largest": trainer.quick_accuracy(self._watch, largest),
            "smallest": trainer.quick_accuracy(self._watch, smallest),
        }
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        self._progress.write(f"step {trainer.step}: {record}")
