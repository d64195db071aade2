"""The Lightning module: one network, its losses, its optimiser and an average of its weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from ..evaluation.metrics import MetricMean, depth_metrics, metric_names
from ..evaluation.protocols import Alignment, align
from . import losses
from .epnl import epnl
from .frames import Batch
from .recipe import LossRecipe, OptimRecipe, Recipe


class Clock:
    """How far a run is: by steps, or by time where that runs out first."""

    def __init__(self, steps: int, max_minutes: float | None) -> None:
        self.steps = steps
        self.max_seconds = None if max_minutes is None else 60 * max_minutes
        self.elapsed_s = 0.0
        self._resumed: float | None = None

    def start(self) -> None:
        """Let the time run from here, after what earlier parts of the run have used."""
        self._resumed = time.monotonic() - self.elapsed_s

    def progress(self, step: int) -> float:
        """Fraction of the run that is done at ``step``, from 0 to 1."""
        if self._resumed is not None:
            self.elapsed_s = time.monotonic() - self._resumed
        by_time = 0.0 if self.max_seconds is None else self.elapsed_s / self.max_seconds
        return min(1.0, max(step / self.steps, by_time))


class DepthTraining(lightning.LightningModule):
    """Trains a depth network as a recipe says.

    Args:
        recipe: the whole run.
        network: (B, 3, H, W) normalised RGB to (B, 1, H, W) in the unit of the recipe's target.
            Which of its parameters move is decided here.
    """

    def __init__(self, recipe: Recipe, network: nn.Module) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe = recipe
        self.network = network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.clock = Clock(recipe.run.steps, recipe.run.max_minutes)
        self.metrics = MetricMean()

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and exported: the average where there is one."""
        return self.network if self.recipe.optim.ema is None else self.average

    def forward(self, images: Tensor) -> Tensor:
        """What the judged network says of (B, 3, H, W) normalised images."""
        return self.judged(images)

    def training_step(self, batch: Batch, index: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        values = self._backward(batch)
        if self.recipe.optim.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.trained_parameters(), self.recipe.optim.clip)
        lr = learning_rate(self.recipe.optim, self.global_step, self.clock)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        size = len(batch.images)
        self.log("lr", lr, batch_size=size)
        self.log("loss", sum(values.values()), prog_bar=True, batch_size=size)
        for name, value in values.items():
            self.log(f"loss/{name}", value, batch_size=size)

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters that move."""
        return [p for p in self.network.parameters() if p.requires_grad]

    def _backward(self, batch: Batch) -> dict[str, float]:
        shares = batch.split(self.recipe.run.workers)
        if len(shares) == 1:
            total, values = self._loss(batch)
            self.manual_backward(total)
            return values
        parameters = self.trained_parameters()

        def gradients(share: Batch) -> tuple[Sequence[Tensor | None], dict[str, float]]:
            with self.trainer.precision_plugin.forward_context():
                total, values = self._loss(share)
            return torch.autograd.grad(total, parameters, allow_unused=True), values

        with ThreadPoolExecutor(len(shares)) as pool:
            parts = list(pool.map(gradients, shares))
        for parameter, *grads in zip(parameters, *(part[0] for part in parts), strict=True):
            if grads[0] is not None:
                parameter.grad = torch.stack(grads).mean(0)
        return {k: sum(part[1][k] for part in parts) / len(parts) for k in parts[0][1]}

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        pred = self.network(batch.images).float()
        terms = self.recipe.losses
        values = [loss_value(term, batch, pred, self.recipe.run.seed) for term in terms]
        total = torch.stack(values).sum()
        numbers = {t.kind: v.item() for t, v in zip(terms, values, strict=True)}
        if not torch.isfinite(total):
            raise FloatingPointError(
                f"the loss at step {batch.step} is not finite ({numbers}): lower the learning "
                "rate, clip the gradient, or train in 32-true"
            )
        return total, numbers

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optim = self.recipe.optim
        matrices, others = [], []
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                is_matrix = parameter.ndim > 1 and not name.endswith(("pos_embed", "token"))
                (matrices if is_matrix else others).append(parameter)
        groups = [
            {"params": matrices, "weight_decay": optim.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optim.kind]
        return kind([g for g in groups if g["params"]], lr=optim.lr, betas=optim.betas)

    def on_train_start(self) -> None:
        self.clock.start()

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        if self.recipe.optim.ema is not None:
            step = self.global_step
            move_average(self.average, self.network, min(self.recipe.optim.ema, step / (step + 9)))
        if self.clock.progress(self.global_step) >= 1:
            self.trainer.should_stop = True

    def on_validation_epoch_start(self) -> None:
        self.metrics = MetricMean()

    def validation_step(self, batch: Batch, index: int) -> None:
        pred = self(batch.images).float()
        how = Alignment.SCALE_SHIFT if self.recipe.run.align else Alignment.NONE
        pred = align(batch.target, pred, batch.mask, how)
        if batch.mask.any():
            self.metrics.add(depth_metrics(batch.target[batch.mask], pred[batch.mask]))

    def on_validation_epoch_end(self) -> None:
        mean = self.metrics.mean()
        for name, value in zip(metric_names(), astuple(mean), strict=True):
            self.log(f"val/{name}", value, prog_bar=name in ("abs_rel", "a1"))

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["elapsed_s"] = self.clock.elapsed_s

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.clock.elapsed_s = checkpoint["elapsed_s"]

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        return batch.to(device)


def loss_value(term: LossRecipe, batch: Batch, pred: Tensor, seed: int) -> Tensor:
    """One weighted loss; EPNL draws its rectangles from the seed and the step."""
    if term.kind == "epnl":
        rng = np.random.RandomState((seed * 1_000_003 + batch.step) % 2**32)
        return epnl(batch.target, pred, batch.mask, term.weight, rng=rng)
    loss = getattr(losses, term.kind)
    return loss(batch.target, pred, batch.mask, weight=term.weight, **term.options())


def learning_rate(optim: OptimRecipe, step: int, clock: Clock) -> float:
    """Learning rate of a step: linear warm-up, then constant or half a cosine."""
    rise = min(1.0, (step + 1) / optim.warmup) if optim.warmup else 1.0
    if optim.schedule == "constant":
        return optim.lr * rise
    fall = 0.5 * (1 + math.cos(math.pi * clock.progress(step)))
    return optim.lr * rise * (optim.final + (1 - optim.final) * fall)


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the parameters of ``average`` towards those of ``network``."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for old, new in zip(average.buffers(), network.buffers(), strict=True):
        old.copy_(new)
