"""Recipes: all settings of a training run, read from YAML and ``key=value``, and its schedules."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from ..limits import PARAMETER_BYTES, LimitError, printable, regular_file
from ..options import nearest as nearest_name
from ..plain_yaml import YamlError, load_yaml, shown
from ..systems.weights import weights_folder
from .strict_mapping import RecipeError, from_mapping, nearest


class Clock:
    """Progress of a run: by steps, or by time if the time limit is reached first."""

    def __init__(self, steps: int, max_minutes: float | None = None) -> None:
        self.steps = steps
        self.max_seconds = None if max_minutes is None else 60 * max_minutes
        self.elapsed_s = 0.0
        self._resumed: float | None = None

    def start(self) -> None:
        """Start the timer, on top of the time used before a resume."""
        self._resumed = time.monotonic() - self.elapsed_s

    def progress(self, step: int) -> float:
        """Completed fraction of the run at ``step``, from 0 to 1."""
        if self._resumed is not None:
            self.elapsed_s = time.monotonic() - self._resumed
        by_time = 0.0 if self.max_seconds is None else self.elapsed_s / self.max_seconds
        return min(1.0, max(step / self.steps, by_time))


@dataclass(frozen=True)
class _Warmup:
    """Base of the schedules.

    Attributes:
        warmup: steps in which the rate rises linearly. warmup_from: share of the rate at step 0.
    """

    warmup: int = 0
    warmup_from: float = 0.01

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ValueError(f"warmup must not be negative, got {self.warmup}")

    def factor(self, step: int, progress: float) -> float:
        """Factor of the learning rate after ``step`` steps, at the ``progress`` of a
        :class:`Clock`."""
        share = min(1.0, step / self.warmup) if self.warmup else 1.0
        return (self.warmup_from * (1 - share) + share) * self.fall(progress)

    def fall(self, progress: float) -> float:
        """The factor after the warm-up."""
        return 1.0


@dataclass(frozen=True)
class Constant(_Warmup):
    """A constant rate."""

    kind: Literal["constant"] = "constant"


@dataclass(frozen=True)
class Cosine(_Warmup):
    """Cosine decay to ``final``."""

    kind: Literal["cosine"] = "cosine"
    final: float = 0.01

    def fall(self, progress: float) -> float:
        half = 0.5 * (1 + math.cos(math.pi * progress))
        return self.final + (1 - self.final) * half


@dataclass(frozen=True)
class Poly(_Warmup):
    """Polynomial decay to 0: (1 - progress) ** ``power``."""

    kind: Literal["poly"] = "poly"
    power: float = 0.9

    def fall(self, progress: float) -> float:
        return (1 - progress) ** self.power


@dataclass(frozen=True)
class Drops(_Warmup):
    """Steps: the rate is multiplied by ``factor_each`` at each fraction ``at`` of the run."""

    kind: Literal["drops"] = "drops"
    at: tuple[float, ...] = ()
    factor_each: float = 0.5

    def fall(self, progress: float) -> float:
        return self.factor_each ** sum(progress >= place for place in self.at)


Schedule = Constant | Cosine | Poly | Drops


DEFAULT_TASK = "panda"
# Names of tasks in recipes written before tasks carried the names of their systems.
_FORMER_TASKS = {
    **{"range": "panda", "student": "panda-student"},
    **{"stereo": "blindspot", "panoptic": "panopticdepth"},
}
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class ModelRecipe:
    """The trained network and its initial weights.

    Attributes:
        name: in the catalogue. checkpoint: weights file to start from; None: random parameters.
    """

    name: str
    checkpoint: str | None = None


@dataclass(frozen=True)
class OptimRecipe:
    """Optimiser, learning rate schedule and weight average.

    Attributes:
        kind: ``adam`` adds the weight decay to the gradient, ``adamw`` decouples it.
        lr: learning rate before the factor of the schedule. betas: decay rates of Adam's averages
            of the gradient and of its square.
        schedule: one of :data:`Schedule`.
        clip: maximum norm of the gradient, or None.
        clip_value: maximum absolute value of the gradient, or None.
        ema: decay of the exponential moving average of the weights that is validated and
            exported, or None. It is smaller in the first steps: (1 + n) / (10 + n).
    """

    kind: Literal["adam", "adamw"] = "adam"
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Schedule = field(default_factory=Constant)
    clip: float | None = None
    clip_value: float | None = None
    ema: float | None = None


@dataclass(frozen=True)
class RunRecipe:
    """Length, validation and saving of a run.

    Attributes:
        steps: optimiser steps; the schedule ends with them.
        max_minutes: time limit, after which the run ends cleanly.
        batch: items per step, over all processes. seed: of weights, order and augmentation.
        accumulate: parts of a batch, processed one by one to save memory.
        workers: threads that each process a share of a part. On a busy CPU this is much faster than
            threads within operations (``OMP_NUM_THREADS=1``).
        loaders: processes that read and augment; 0 does so between the steps.
        val_every: steps between validations. val_frames: number of frames of a validation.
        save_every: steps between saves of the last state. log_every: steps between log entries.
        metric: validation metric that selects the best weights.
        precision: of the computations; ``bf16-mixed`` is automatic mixed precision.
    """

    steps: int
    batch: int = 4
    accumulate: int = 1
    workers: int = 1
    loaders: int = 0
    seed: int = 0
    max_minutes: float | None = None
    val_every: int = 500
    val_frames: int = 64
    save_every: int = 500
    log_every: int = 20
    metric: str = "abs_rel"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    def __post_init__(self) -> None:
        counts = ("steps", "batch", "accumulate", "workers", "val_every", "val_frames")
        for name in (*counts, "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.loaders < 0:
            raise ValueError(f"loaders must not be negative, got {self.loaders}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Common part of the recipes of all tasks, which add data, losses and further settings. The
    ``name`` is saved with the weights; ``task`` is one of :func:`tasks`."""

    name: str
    model: ModelRecipe
    run: RunRecipe
    optim: OptimRecipe = field(default_factory=OptimRecipe)
    task: str = DEFAULT_TASK


def tasks() -> tuple[str, ...]:
    """Names of the training tasks."""
    return tuple(sorted(_task_modules()))


def task_module(name: str) -> ModuleType:
    """Import the module of a task; a RecipeError names the closest one if there is none."""
    modules = _task_modules()
    if not isinstance(name, str) or name not in modules:
        raise RecipeError(f"task: no task {shown(name)}; {nearest(str(name), tasks())}")
    return import_module(modules[name])


def _task_modules() -> dict[str, str]:
    """Full names of the modules of the tasks, by the name of the task."""
    found = {}
    for path in sorted(_FOLDER.glob("*/*task.py")):
        system, module = path.parent.name, path.stem
        stage = module.removesuffix("task").rstrip("_")
        found[f"{system}-{stage}" if stage else system] = f"{__package__}.{system}.{module}"
    return found


def packaged_recipes() -> tuple[str, ...]:
    """Names of the recipes in this package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("recipes/*.yaml")))


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe of any task from a YAML file or one of :func:`packaged_recipes`, with
    ``overrides`` of the form ``dotted.key=value``, the value in YAML.

    Raises RecipeError: no such recipe or task, not YAML, or a bad key or value.
    """
    if name in packaged_recipes():
        content = (_FOLDER / "recipes" / f"{name}.yaml").read_bytes()
    elif Path(name).is_file():
        try:
            regular_file(name, PARAMETER_BYTES)
            content = Path(name).read_bytes()
        except (OSError, LimitError) as error:
            raise RecipeError(f"the recipe {name} cannot be read: {error}") from error
    else:
        known = packaged_recipes()
        if Path(name).suffix or Path(name).parent != Path():
            raise RecipeError(
                f"no recipe {printable(name)}: there is no such file, or it is not a regular one; "
                "name another, or a recipe of the package"
            )
        hint = nearest_name(name, known, f"give a YAML file or one of {', '.join(known)}")
        raise RecipeError(f"no recipe {name!r}: {hint}")
    try:
        mapping = load_yaml(content)
    except YamlError as error:
        raise RecipeError(f"{name} is not YAML{error}: expected a mapping of a recipe") from error
    if not isinstance(mapping, dict):
        raise RecipeError(f"{name}: expected a mapping, got {shown(mapping)}")
    mapping = _overridden(mapping, overrides)
    task = DEFAULT_TASK
    if isinstance(mapping, dict):
        task = mapping.get("task", DEFAULT_TASK)
        if isinstance(task, str) and task in _FORMER_TASKS:
            mapping["task"] = task = _FORMER_TASKS[task]
        for part in ("model", "teacher"):
            _find_fetched(mapping.get(part))
    return from_mapping(task_module(task).RECIPE, mapping)


def _find_fetched(model: Any) -> None:
    """Let the name of a weights file that is not here mean the one that was fetched."""
    name = model.get("checkpoint") if isinstance(model, dict) else None
    if isinstance(name, str) and not Path(name).exists():
        fetched = weights_folder() / name
        if fetched.exists():
            model["checkpoint"] = str(fetched)


def _overridden(mapping: Any, overrides: Sequence[str]) -> Any:
    if overrides and not isinstance(mapping, dict):
        raise RecipeError(f"a recipe must be a mapping, got {shown(mapping)}")
    mapping = copy.deepcopy(mapping)
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise RecipeError(f"override {item!r} is not of the form key=value")
        *parents, last = key.split(".")
        node = mapping
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise RecipeError(f"{key}: {parent!r} is not a mapping that can be overridden")
        try:
            node[last] = load_yaml(value)
        except YamlError as error:
            raise RecipeError(f"override {item!r} has no YAML value: write key=value") from error
    return mapping
