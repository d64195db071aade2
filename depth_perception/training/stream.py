"""The endless, repeatable stream of training batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset, get_worker_info

from .batch import StepBatch
from .recipe import RunRecipe
from .schedules import Clock
from .strict_mapping import RecipeError


class NoFramesError(ValueError):
    """A data set is empty."""


@dataclass(frozen=True)
class Draw:
    """All that the batch of a step may depend on.

    Attributes:
        step: its number. progress: fraction of the run that is done, from 0 to 1.
        items: the training items of the step, each in 0..len(data).
        generators: on the CPU, one for each item, for whatever is random about it.
    """

    step: int
    progress: float
    items: tuple[int, ...]
    generators: tuple[torch.Generator, ...]


class TrainingData(Protocol):
    """What a task trains on.

    Attributes:
        held_out: batches to judge the network by; empty where nothing is judged.
    """

    held_out: Sequence[StepBatch]

    def __len__(self) -> int:
        """Number of training items."""

    def batch(self, draw: Draw) -> StepBatch:
        """The batch of a step; the same for the same draw."""


class BatchStream(IterableDataset):
    """Training batches from a given step on.

    Every epoch is a permutation of its own, and what is random about an item depends on the seed
    and its place in the run only. So a resumed run sees what an uninterrupted one would have seen,
    and several processes together see what one would.

    Args:
        rank, world: this process takes the items ``rank``, ``rank + world``, ... of each batch.
    """

    def __init__(
        self,
        data: TrainingData,
        run: RunRecipe,
        clock: Clock,
        first_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(data) < 1:
            raise NoFramesError("the data set holds no frames")
        if run.batch % world:
            raise RecipeError(f"run.batch: {run.batch} items do not divide by {world} processes")
        self._data, self._run, self._clock = data, run, clock
        self._first_step, self._rank, self._world = first_step, rank, world

    def __iter__(self) -> Iterator[StepBatch]:
        worker = get_worker_info()  # the loader takes batches from its processes in turns
        start, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        step = self._first_step + start
        while True:
            yield self._data.batch(self.draw(step))
            step += stride

    def draw(self, step: int) -> Draw:
        """What decides the batch of a step."""
        places = range(step * self._run.batch, (step + 1) * self._run.batch)
        places = places[self._rank :: self._world]
        return Draw(
            step,
            self._clock.progress(step),
            _shuffled(places, len(self._data), self._run.seed),
            tuple(seeded(self._run.seed, 1, place) for place in places),
        )


def _shuffled(places: range, count: int, seed: int) -> tuple[int, ...]:
    orders: dict[int, Tensor] = {}
    for epoch in {place // count for place in places}:
        orders[epoch] = torch.randperm(count, generator=seeded(seed, 0, epoch))
    return tuple(int(orders[place // count][place % count]) for place in places)


def seed_of(*numbers: int) -> int:
    """A seed that depends on all of the numbers."""
    seed = 0
    for number in numbers:
        seed = (6_364_136_223_846_793_005 * (seed + number) + 1_442_695_040_888_963_407) % 2**63
    return seed


def seeded(*numbers: int) -> torch.Generator:
    """A generator on the CPU with the seed of the numbers."""
    return torch.Generator().manual_seed(seed_of(*numbers))


class Feed(lightning.LightningDataModule):
    """Gives a trainer its batches, from the step on at which it stands."""

    def __init__(self, data: TrainingData, run: RunRecipe, clock: Clock) -> None:
        super().__init__()
        self._data, self._run, self._clock = data, run, clock

    def train_dataloader(self) -> DataLoader:
        at = self.trainer
        stream = BatchStream(
            self._data, self._run, self._clock, at.global_step, at.global_rank, at.world_size
        )
        return DataLoader(stream, batch_size=None, num_workers=self._run.loaders)

    def val_dataloader(self) -> DataLoader:
        held_out = self._data.held_out
        share = range(self.trainer.global_rank, len(held_out), self.trainer.world_size)
        return DataLoader(Subset(held_out, share), batch_size=None)

    def transfer_batch_to_device(
        self, batch: StepBatch, device: torch.device, dataloader_idx: int
    ) -> StepBatch:
        return batch.to(device)
