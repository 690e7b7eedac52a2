"""One sub-network of a once-for-all supernet, by its architecture choices."""

from __future__ import annotations

from dataclasses import dataclass

N_STAGES = 5
BLOCKS_PER_STAGE = 4
N_BLOCKS = N_STAGES * BLOCKS_PER_STAGE


@dataclass(frozen=True)
class SubnetSpec:
    """Architecture of one sub-network of the OFA MobileNetV3 space.

    `resolution` is the input side in pixels; `depth` holds the number of blocks of each of the 5
    stages; `kernel_size` and `expand_ratio` hold one value for each of the 20 blocks (stage by
    stage, 4 per stage). Values of blocks beyond a stage's depth exist but have no effect.
    """

    name: str
    resolution: int
    depth: tuple[int, ...]
    kernel_size: tuple[int, ...]
    expand_ratio: tuple[int, ...]

    def active_blocks(self) -> list[int]:
        """Indices 0..19 of the blocks that run."""
        return [stage * BLOCKS_PER_STAGE + i for stage, depth in enumerate(self.depth) for i in range(depth)]

    def architecture(self) -> tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """What distinguishes this sub-network from others: inactive blocks are left out."""
        active = self.active_blocks()
        return (
            self.resolution,
            self.depth,
            tuple(self.kernel_size[i] for i in active),
            tuple(self.expand_ratio[i] for i in active),
        )


def uniform_spec(
    name: str, resolution: int, depth: int = 4, kernel_size: int = 7, expand_ratio: int = 6
) -> SubnetSpec:
    """A sub-network with the same choice in every stage and block."""
    return SubnetSpec(
        name, resolution, (depth,) * N_STAGES, (kernel_size,) * N_BLOCKS, (expand_ratio,) * N_BLOCKS
    )
