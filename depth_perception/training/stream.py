"""Batches, and the endless, reproducible stream of them that a run trains on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol, TypeVar

import lightning
import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset, get_worker_info

from ..data.frames import Reader
from .recipe import Clock, RunRecipe
from .strict_mapping import RecipeError

B = TypeVar("B", bound="StepBatch")
F = TypeVar("F")


class NoFramesError(ValueError):
    """A data set is empty."""


@dataclass(frozen=True)
class StepBatch:
    """Base of the batches of all tasks; ``step`` is the training step, 0 in validation.

    A subclass adds tensors whose first axis is the image, and tuples with one entry per image.
    """

    step: int = field(default=0, kw_only=True)

    def __len__(self) -> int:
        """Number of images."""
        return len(next(iter(self._parts().values())))

    def to(self: B, device: torch.device) -> B:
        """The batch on another device."""
        parts = self._parts().items()
        return replace(self, **{k: move_data_to_device(v, device) for k, v in parts})

    def split(self: B, count: int) -> tuple[B, ...]:
        """At most ``count`` batches of nearly the same size, in order."""
        bounds = torch.arange(len(self)).tensor_split(min(count, len(self)))
        cuts = [slice(int(b[0]), int(b[-1]) + 1) for b in bounds]
        parts = self._parts()
        return tuple(replace(self, **{k: v[cut] for k, v in parts.items()}) for cut in cuts)

    def _parts(self) -> dict[str, Tensor | tuple]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v for k, v in values.items() if isinstance(v, (Tensor, tuple))}


@dataclass(frozen=True)
class Draw:
    """Everything that the batch of a step may depend on.

    Attributes:
        step: its number. progress: completed fraction of the run, from 0 to 1.
        items: the training items of the step, each in 0..len(data).
        generators: on the CPU, one for each item, for its random numbers.
    """

    step: int
    progress: float
    items: tuple[int, ...]
    generators: tuple[torch.Generator, ...]


class TrainingData(Protocol):
    """The data of a task. ``held_out``: validation batches; empty without validation.

    To create one raises NoFramesError for an empty data set, and OSError or ValueError for data
    that are missing or have another layout.
    """

    held_out: Sequence[StepBatch]

    def __len__(self) -> int:
        """Number of training items."""

    def batch(self, draw: Draw) -> StepBatch:
        """The batch of a step; the same for the same draw."""


class HeldOut(Sequence[B]):
    """Validation batches of one frame each, spread evenly over a data set.

    Args:
        frames: the data set; None skips validation.
        count: at most so many of its frames are used.
        read: makes a batch from a frame and the index of the batch.
    """

    def __init__(
        self, frames: Reader[F] | Sequence[F] | None, count: int, read: Callable[[F, int], B]
    ) -> None:
        total = 0 if frames is None else len(frames)
        count = min(count, total)
        self._places = [place * total // count for place in range(count)]
        self._frames, self._read = frames, read

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> B:
        return self._read(self._frames[self._places[index]], index)


class BatchStream(IterableDataset):
    """Training batches from a given step on; the items ``rank``, ``rank + world``, ... of each.

    Every epoch has its own permutation, and the random numbers of an item depend only on the
    seed and the position of the item in the run. So a resumed run sees the same batches as an
    uninterrupted one, and several processes together see the same batches as one.
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
        worker = get_worker_info()  # the loader reads from its processes in turn
        start, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        step = self._first_step + start
        while True:
            yield self._data.batch(self.draw(step))
            step += stride

    def draw(self, step: int) -> Draw:
        """The draw of a step."""
        places = range(step * self._run.batch, (step + 1) * self._run.batch)
        places = places[self._rank :: self._world]
        count = len(self._data)
        epochs = {place // count for place in places}
        orders = {e: torch.randperm(count, generator=seeded(self._run.seed, 0, e)) for e in epochs}
        items = tuple(int(orders[place // count][place % count]) for place in places)
        generators = tuple(seeded(self._run.seed, 1, place) for place in places)
        return Draw(step, self._clock.progress(step), items, generators)


def seed_of(*numbers: int) -> int:
    """A seed that depends on all of the numbers."""
    seed = 0
    for number in numbers:
        seed = (6_364_136_223_846_793_005 * (seed + number) + 1_442_695_040_888_963_407) % 2**63
    return seed


def seeded(*numbers: int) -> torch.Generator:
    """A generator on the CPU, seeded by the numbers."""
    return torch.Generator().manual_seed(seed_of(*numbers))


class BatchModule(lightning.LightningDataModule):
    """Loaders of the batches for a trainer, from its current step on."""

    def __init__(self, data: TrainingData, run: RunRecipe, clock: Clock) -> None:
        super().__init__()
        self._data, self._run, self._clock = data, run, clock

    def train_dataloader(self) -> DataLoader:
        at = self.trainer
        place = (at.global_step, at.global_rank, at.world_size)
        stream = BatchStream(self._data, self._run, self._clock, *place)
        return DataLoader(stream, batch_size=None, num_workers=self._run.loaders)

    def val_dataloader(self) -> DataLoader:
        held_out = self._data.held_out
        share = range(self.trainer.global_rank, len(held_out), self.trainer.world_size)
        return DataLoader(Subset(held_out, share), batch_size=None)
