"""The Lightning module on which the training of every task is based."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple, TypeVar

import lightning
import torch
from torch import Tensor, nn

from ..io.colormaps import render_depth
from ..systems import build_network, card, load_network
from ..systems.card import ModelCard
from .recipe import Clock, Recipe
from .stream import NoFramesError, StepBatch, TrainingData, seed_of
from .strict_mapping import RecipeError, errors_of, nearest

N = TypeVar("N", bound=nn.Module)
Track = Callable[[range, str], Iterable[int]]
"""Wraps the indices of a long loop, with a title, to show its progress."""


def untracked(indices: range, title: str) -> Iterable[int]:
    """The indices, without showing progress."""
    return indices


class LearningFactors(NamedTuple):
    """Factors of the learning rate and of the weight decay of a parameter."""

    rate: float = 1.0
    decay: float = 1.0


class Prepared(NamedTuple):
    """A training and its data, made from a recipe."""

    training: Training
    data: TrainingData


class Training(lightning.LightningModule):
    """Trains a network by a recipe.

    Common to all tasks: gradients (in threads, in parts, over processes), clipping, the learning
    rate schedule, the average of the weights, validation, and saving. A step depends only on its
    batch, its number and the seed, so that a resumed run is bit-identical.

    A task overrides :meth:`losses` and :meth:`evaluate`, and if needed :meth:`learning_factors`,
    :meth:`summary`, :meth:`preview` and :meth:`metadata`.

    Args:
        recipe: the whole run.
        network: is trained and exported; parameters without ``requires_grad`` are frozen.

    Attributes:
        lower, higher: names of the metrics of :meth:`summary`, by which values are better.

    Raises:
        RecipeError: ``run.metric`` is not a metric of this task.
    """

    lower: ClassVar[tuple[str, ...]] = ()
    higher: ClassVar[tuple[str, ...]] = ()
    recipe: Recipe

    def __init__(self, recipe: Recipe, network: nn.Module) -> None:
        super().__init__()
        metric, known = recipe.run.metric, (*self.lower, *self.higher)
        if metric not in known:
            raise RecipeError(f"run.metric: no metric {metric!r}; {nearest(metric, known)}")
        self.automatic_optimization = False
        self.recipe = recipe
        self.network = network
        self.average: nn.Module | None = None
        if recipe.optim.ema is not None:
            self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.clock = Clock(recipe.run.steps, recipe.run.max_minutes)
        self._rows: list[Any] = []

    # Defined by the task

    def losses(self, batch: StepBatch) -> Mapping[str, Tensor]:
        """The weighted terms of the loss by name; their sum is minimised.

        Called in threads and on parts of a batch, so each term is a mean over its images.
        """
        raise NotImplementedError

    def evaluate(self, batch: StepBatch) -> Any | None:
        """Result of :attr:`eval_network` on a validation batch, an argument of :meth:`summary`.

        By default metrics by name; None without ground truth.
        """
        raise NotImplementedError

    def summary(self, rows: Sequence[Any]) -> Mapping[str, float]:
        """The metrics of a validation from the results of its batches, by default their mean."""
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def preview(self, batch: StepBatch) -> Tensor | None:
        """Image for TensorBoard of the first validation batch: (3, H, W) RGB in [0, 1]."""
        return None

    def learning_factors(self, name: str, parameter: nn.Parameter) -> LearningFactors:
        """Factors of a parameter of the network; by default only matrices decay."""
        is_matrix = parameter.ndim > 1 and not name.endswith(("pos_embed", "token"))
        return LearningFactors(decay=float(is_matrix))

    def metadata(self) -> dict[str, str]:
        """Further entries of the header of the weights."""
        return {}

    # Common to all tasks

    @property
    def eval_network(self) -> nn.Module:
        """The network that is validated and exported: the average of the weights if enabled."""
        return self.network if self.average is None else self.average

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters that are not frozen."""
        return [p for p in self.network.parameters() if p.requires_grad]

    def training_step(self, batch: StepBatch, index: int) -> None:
        optim, optimizer, step = self.recipe.optim, self.optimizers(), self.global_step
        torch.manual_seed(seed_of(self.recipe.run.seed, 2, step, self.global_rank))
        optimizer.zero_grad()
        values = self._backward(batch)
        if optim.clip is not None:
            nn.utils.clip_grad_norm_(self.trained_parameters(), optim.clip)
        if optim.clip_value is not None:
            nn.utils.clip_grad_value_(self.trained_parameters(), optim.clip_value)
        lr = optim.lr * optim.schedule.factor(step, self.clock.progress(step))
        for group in optimizer.param_groups:
            group["lr"] = lr * group["rate"]
        optimizer.step()
        if self.average is not None:  # here, as callbacks save before the end of the batch
            done = step + 1
            move_average(self.average, self.network, min(optim.ema, done / (done + 9)))
        shared = {"batch_size": len(batch), "sync_dist": self.trainer.world_size > 1}
        self.log("lr", lr, batch_size=len(batch))
        self.log("loss", sum(values.values()), prog_bar=True, **shared)
        self.log_dict({f"loss/{name}": value for name, value in values.items()}, **shared)

    def _backward(self, batch: StepBatch) -> dict[str, float]:
        """Compute the gradients of a batch, part by part; returns the terms of its loss."""
        values: dict[str, float] = {}
        for part in batch.split(self.recipe.run.accumulate):
            shares = part.split(self.recipe.run.workers)
            weights = [len(share) / len(batch) for share in shares]
            if len(shares) == 1:
                total, found = self._loss(part, weights[0])
                self.manual_backward(total)
                numbers = [found]
            else:
                numbers = self._in_threads(shares, weights)
            for found in numbers:
                values |= {name: values.get(name, 0.0) + value for name, value in found.items()}
        return values

    def _in_threads(
        self, shares: Sequence[StepBatch], weights: Sequence[float]
    ) -> list[dict[str, float]]:
        parameters = self.trained_parameters()

        def gradients(share: StepBatch, weight: float) -> tuple[tuple[Tensor | None, ...], dict]:
            with self.trainer.precision_plugin.forward_context():
                total, values = self._loss(share, weight)
            return torch.autograd.grad(total, parameters, allow_unused=True), values

        with ThreadPoolExecutor(len(shares)) as pool:
            found = list(pool.map(gradients, shares, weights))
        for grads, _ in found:
            for parameter, grad in zip(parameters, grads, strict=True):
                if grad is not None:
                    parameter.grad = grad if parameter.grad is None else parameter.grad + grad
        return [values for _, values in found]

    def _loss(self, share: StepBatch, weight: float) -> tuple[Tensor, dict[str, float]]:
        """The loss of a share of a batch and its terms, multiplied by the weight of the share."""
        terms = self.losses(share)
        values = weight * torch.stack(list(terms.values()))
        total = values.sum()
        numbers = dict(zip(terms, values.tolist(), strict=True))
        if not math.isfinite(sum(numbers.values())):
            raise FloatingPointError(
                f"the loss at step {share.step} is not finite ({numbers}): lower the learning "
                "rate, clip the gradient, or train in 32-true"
            )
        return total, numbers

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optim, found = self.recipe.optim, {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                found.setdefault(self.learning_factors(name, parameter), []).append(parameter)
        groups = [
            {"params": parameters, "rate": rate, "weight_decay": decay * optim.weight_decay}
            for (rate, decay), parameters in found.items()
        ]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optim.kind]
        return kind(groups, lr=optim.lr, betas=optim.betas)

    def on_train_start(self) -> None:
        self.clock.start()

    def on_train_batch_end(self, outputs: object, batch: StepBatch, batch_idx: int) -> None:
        if self.clock.progress(self.global_step) >= 1:
            self.trainer.should_stop = True

    def on_validation_epoch_start(self) -> None:
        self._rows = []

    def validation_step(self, batch: StepBatch, index: int) -> None:
        row = self.evaluate(batch)
        if row is not None:
            self._rows.append(row)
        if index == 0 and self.trainer.is_global_zero and self.logger is not None:
            image = self.preview(batch)
            if image is not None:
                self.logger.experiment.add_image("validation", image, self.global_step)

    def on_validation_epoch_end(self) -> None:
        rows = self._rows
        if self.trainer.world_size > 1:
            shares: list = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(shares, rows)
            rows = [row for share in shares for row in share]
        if not rows:
            raise NoFramesError("no validation frame has ground truth")
        for name, value in self.summary(rows).items():
            self.log(f"val/{name}", value, prog_bar=name == self.recipe.run.metric)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["elapsed_s"] = self.clock.elapsed_s

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.clock.elapsed_s = checkpoint["elapsed_s"]


def shown(depth: Tensor, limits: tuple[float, float], mask: Tensor | None = None) -> Tensor:
    """Depth (H, W) for a preview: (3, H, W) RGB in [0, 1] on the CPU; black outside of the mask."""
    known = None if mask is None else mask.cpu().numpy()
    rgb = render_depth(depth.cpu().numpy(), known, limits=limits)
    return torch.from_numpy(rgb).permute(2, 0, 1) / 255


def known_card(name: str, key: str = "model.name") -> ModelCard:
    """The card of a model that a recipe names under a key. Raises RecipeError: no such model."""
    with errors_of(key, KeyError):
        return card(name)


def seeded_network(recipe: Recipe, kind: type[N]) -> N:
    """The network of a recipe in training mode; random parameters depend on ``run.seed``. Raises
    RecipeError: no such model, or one of another task. CheckpointError: weights do not fit."""
    model = recipe.model
    known_card(model.name)
    with torch.device("meta"):
        if not isinstance(build_network(model.name), kind):
            raise RecipeError(f"model.name: {model.name} is not trained by task {recipe.task}")
    torch.manual_seed(recipe.run.seed)
    network = build_network(model.name)
    if model.checkpoint is not None:
        network = load_network(model.name, model.checkpoint).requires_grad_(True)
    return network.train()


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the parameters of ``average`` towards those of ``network``."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for old, new in zip(average.buffers(), network.buffers(), strict=True):
        old.copy_(new)
