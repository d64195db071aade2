"""What all benches that compare variants share: the set-up, the measuring, the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch

from .machine import bench_device, hardware, load_note, measure_ceiling, torch_threads
from .measure import Variant, measure, measure_once, memory_means
from .options import Repeated
from .result import Difference, Result, Stage


class Comparison:
    """A bench in progress, on a device whose best rates are known."""

    def __init__(self, options: Repeated, device: torch.device, python_memory: bool) -> None:
        self.options, self.device = options, device
        self.dtype: torch.dtype = getattr(torch, options.precision)
        self.ceiling = measure_ceiling(device, options.precision)
        self._notes, self._python_memory = load_note(), python_memory

    def stage(
        self,
        work: str,
        variants: Sequence[Variant],
        differences: Callable[[], Sequence[Difference]] = tuple,
        moved_bytes: int = 0,
        *,
        once: bool = False,
    ) -> Stage:
        """Measure variants, ``once`` by :func:`measure_once`, then compare their results."""
        if once:
            found = measure_once(variants, self.device, python_memory=self._python_memory)
        else:
            counts = {"repeats": self.options.repeats, "warm_up": self.options.warm_up}
            found = measure(variants, self.device, python_memory=self._python_memory, **counts)
        return Stage(work, found, tuple(differences()), moved_bytes)

    def asked(self, *names: str) -> dict[str, Any]:
        """Options by name, for settings."""
        return {name: getattr(self.options, name) for name in names}

    def result(
        self, bench: str, stages: Sequence[Stage], settings: Mapping[str, Any], *notes: str
    ) -> Result:
        """What was found. The name of its file holds what of the settings is not the default."""
        machine, memory = hardware(self.device), memory_means(self.device, self._python_memory)
        words = [bench, *(str(settings[key]) for key in ("model", "input") if key in settings)]
        if settings.get("precision", "float32") != "float32":
            words.append(settings["precision"])
        if settings.get("backends", ["torch"]) != ["torch"]:
            words += settings["backends"]
        notes = (*self._notes, *notes)
        told = [
            f"{key} {' '.join(value) if isinstance(value, list) else value}"
            for key, value in settings.items()
        ]
        return Result(
            "-".join(words).replace(":", "-"),
            machine,
            Stage.HEADER,
            tuple(row for stage in stages for row in stage.rows(self.ceiling)),
            (str(machine), str(self.ceiling), ", ".join(told), f"memory: {memory}", *notes),
            {
                "bench": bench,
                "hardware": asdict(machine),
                "ceiling": asdict(self.ceiling),
                "memory": memory,
                "settings": dict(settings),
                "stages": [stage.figures(self.ceiling) for stage in stages],
                "notes": list(notes),
            },
            tuple(stages),
            text_columns=2,
        )


@contextmanager
def comparison(options: Repeated, *, python_memory: bool = False) -> Iterator[Comparison]:
    """Check the options, set device and threads, and measure what the machine can do at best.

    Raises:
        KeyError, ValueError: the device or another option is wrong.
    """
    options.check()
    device = bench_device(options.device)
    with torch_threads(options.threads), torch.inference_mode():
        yield Comparison(options, device, python_memory)
