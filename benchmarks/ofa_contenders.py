"""The reference: the `ofa` package's own networks in eager torch, with a family's weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dynofa_ros.supernet.family import Family
from dynofa_ros.supernet.ofa_torch import build_supernet, load_tensors_into, set_active

Image = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class OfaNetwork:
    """A torch network of `ofa` with its input ready: the image normalised, as float NCHW."""

    forward: Callable[[torch.Tensor], torch.Tensor]
    x: torch.Tensor

    def __call__(self) -> torch.Tensor:
        """Logits (1, n_classes). Normalising the image is not part of it, to the reference's advantage."""
        with torch.inference_mode():
            return self.forward(self.x)

    def logits(self) -> Logits:
        """Logits, float32 (n_classes,)."""
        result: Logits = self()[0].float().cpu().numpy()
        return result


class OfaSupernet:
    """`OFAMobileNetV3` with the weights of `family`, in evaluation mode."""

    def __init__(self, family: Family, device: str = "cpu") -> None:
        self.family = family
        self.net = build_supernet(family.space)
        load_tensors_into(self.net, family.tensors())
        self.net.eval().to(device)
        self._device = device

    def activate(self, name: str) -> None:
        """Choose member `name` as the active sub-network."""
        set_active(self.net, self.family.member(name).spec)

    def extract(self) -> Any:
        """The active sub-network as a static torch module of its own (`get_active_subnet`)."""
        return self.net.get_active_subnet(preserve_weight=True).eval()

    def dynamic(self, name: str, image: Image) -> OfaNetwork:
        """The elastic layers with `name` active, until another is activated.

        Activating is not part of a call, to the reference's advantage; `bench_switch.py` times it.
        """
        self.activate(name)
        return OfaNetwork(self.net, self._input(image))

    def extracted(self, name: str, image: Image) -> OfaNetwork:
        """Member `name` extracted."""
        self.activate(name)
        return OfaNetwork(self.extract(), self._input(image))

    def channels_last(self, name: str, image: Image) -> OfaNetwork:
        """Member `name` extracted, weights and input in memory format channels_last."""
        self.activate(name)
        net = copy.deepcopy(self.extract()).to(memory_format=torch.channels_last)
        return OfaNetwork(net, self._input(image).to(memory_format=torch.channels_last))

    def _input(self, image: Image) -> torch.Tensor:
        """uint8 (1, r, r, 3) to normalised float32 (1, 3, r, r)."""
        mean, std = (np.array(values, np.float32) * 255.0 for values in self._normalisation())
        x = np.ascontiguousarray(((image.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2))
        return torch.from_numpy(x).to(self._device)

    def _normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return tuple(self.family.input_spec.mean), tuple(self.family.input_spec.std)


def relative_error(logits: Logits, reference: Logits) -> float:
    """Largest difference over the largest magnitude of the reference."""
    return float(np.abs(logits - reference).max() / np.abs(reference).max())
