"""A callable that runs a backend in place of the network."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import __version__
from .capture import Capture, fingerprint, input_range, trial_images
from .engines import Backend, BackendError, Precision, Run, check_backend, engine, engine_version
from .fidelity import TOLERANCE, Fidelity, check, compare
from .store import about, discard, filling, private_folder
from .structure import Layout, flatten, names, rebuild

_OPEN_GRAPHS = 4
_UNREADABLE = (KeyError, AttributeError, TypeError, RuntimeError, OSError)

_log = logging.getLogger(__name__)


class GraphForward:
    """Has the inputs and outputs of the network; runs an exported graph for each image size.

    A new size takes as long as its export: seconds to a minute. Graphs are kept on disk,
    see :func:`~depth_perception.backends.graphs_folder`, and the last few in memory. Each is
    compared with the network when it is made, on the same made-up images. Graphs that are damaged,
    or that others could have written, are made again.

    Args:
        network: float32, in evaluation mode; it is kept for further exports.
        backend: not ``torch``.
        device: device of the network and of the results.
        precision: of the whole graph.
        tolerance: largest relative difference to the network in float32, see
            :func:`~depth_perception.backends.fidelity.check`.

    Raises:
        BackendError: the backend is missing or cannot do this, or the network is not feed-forward.
    """

    def __init__(
        self,
        network: nn.Module,
        backend: Backend,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
        tolerance: float = TOLERANCE,
    ) -> None:
        self.device = torch.device(device)
        check_backend(backend, self.device, precision)
        input_range(network)
        self.network = network
        self.backend: Backend = backend
        self.precision: Precision = precision
        self.tolerance = tolerance
        self._graphs: OrderedDict[tuple, tuple[Layout, Run]] = OrderedDict()
        self._lock = threading.Lock()  # a graph has one set of buffers

    def __call__(self, images: Tensor, **arguments: Any) -> Any:
        """``network(images, **arguments)``; BackendError if the graph fails or differs."""
        with self._lock:
            layout, run = self._graph(tuple(images.shape), arguments)
            found = self._found(run, images)
        return rebuild(layout, found, getattr(self.network, "output_types", ()))

    def differences(self, shape: tuple[int, ...], **arguments: Any) -> tuple[Fidelity, ...]:
        """The differences found when the graph for this shape was made; makes it if needed."""
        with self._lock:
            self._graph(tuple(shape), arguments)
            entry = about(self._folder(tuple(shape), arguments))
        return tuple(Fidelity(**values) for values in (entry or {}).get("fidelity", ()))

    def _found(self, run: Run, images: Tensor) -> list[Tensor]:
        images = images.detach().to(self.device, torch.float32).contiguous()
        return [tensor.to(self.device) for tensor in run(images)]

    def _graph(self, shape: tuple[int, ...], arguments: dict[str, Any]) -> tuple[Layout, Run]:
        key = (shape, tuple(sorted(arguments.items())))
        if key not in self._graphs:
            self._graphs[key] = self._opened(shape, arguments)
            while len(self._graphs) > _OPEN_GRAPHS:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(key)
        return self._graphs[key]

    def _opened(self, shape: tuple[int, ...], arguments: dict[str, Any]) -> tuple[Layout, Run]:
        folder = self._folder(shape, arguments)
        entry = about(folder)
        if entry is not None:
            try:
                return self._checked(folder, entry)
            except _UNREADABLE as error:  # whole, but not what this runtime can read
                _log.warning("the graph %s cannot be opened and is made again: %s", folder, error)
                discard(folder)
        self._export(folder, shape, arguments)
        try:
            return self._checked(folder, about(folder) or {})
        except _UNREADABLE as error:
            raise BackendError(
                f"the {self.backend} graph in {folder}, just made, cannot be opened ({error})"
            ) from error

    def _checked(self, folder: Path, entry: dict[str, Any]) -> tuple[Layout, Run]:
        check([Fidelity(**it) for it in entry.get("fidelity", ())], self.precision, self.tolerance)
        return entry["layout"], self._open(folder)

    def _open(self, folder: Path) -> Run:
        return engine(self.backend).open_graph(folder, self.backend, self.device, self.precision)

    def _export(self, folder: Path, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
        size = " x ".join(map(str, shape))
        _log.info("making the %s graph of images %s", self.backend, size)
        images = trial_images(self.network, shape)
        capture = Capture(self.network, arguments).eval()
        text: dict[str, Any] = {"backend": self.backend, "shape": list(shape)}
        with torch.inference_mode(False), torch.no_grad(), filling(folder, text) as partial:
            # this run also fills what networks keep, which would else keep what exports trace
            given = images.to(self.device)
            result = self.network(given, **arguments)
            layout, expected = flatten(result)
            try:
                engine(self.backend).export(capture, given, partial, self.precision)
                found = self._found(self._open(partial), images)
            except BackendError:
                raise
            except Exception as error:
                raise BackendError(
                    f"{type(self.network).__name__} at {size} cannot be exported to "
                    f"{self.backend}: {type(error).__name__}: {error}"
                ) from error
            fidelity = [compare(*one) for one in zip(names(result), expected, found, strict=True)]
            for entry in fidelity:
                _log.info("%s %s: %s", self.backend, self.precision, entry)
            check(fidelity, self.precision, self.tolerance)
            text |= {"layout": layout, "fidelity": [asdict(entry) for entry in fidelity]}

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.network)

    def _folder(self, shape: tuple[int, ...], arguments: dict[str, Any]) -> Path:
        version = engine_version(self.backend, self.device)
        parts = (self._fingerprint, version, __version__, self.device.type, self.precision)
        parts += (shape, sorted(arguments.items()))
        key = hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
        size = "x".join(map(str, shape[2:]))
        name = f"{type(self.network).__name__.lower()}-{size}-{self.backend}-{key}"
        return private_folder() / name
