"""Interface of a system: its models, their options, networks, weights files and estimators.

Each folder beside this module holds one system, whose ``system.py`` defines ``SYSTEM``. Other
packages add theirs through the entry point group ``depth_perception.systems``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .card import ModelCard
from .options import EstimatorOptions

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .estimator import Estimator


@dataclass(frozen=True)
class Model:
    """One model of a system.

    Attributes:
        card: description for users.
        arguments: arguments from which the system builds its network.
        options, network, estimator: where they differ from those of the system, see there.
    """

    card: ModelCard
    arguments: Mapping[str, Any] = field(default_factory=dict)
    options: type[EstimatorOptions] | None = None
    network: str = ""
    estimator: str = ""

    @property
    def name(self) -> str:
        """Name of the model in the catalogue."""
        return self.card.name


class System:
    """Base class of the systems. Its module imports nothing heavy: methods import what they need.

    A subclass sets ``name``, ``title``, ``models`` and ``network``; the rest has defaults.

    Attributes:
        name: of the folder, and of the group of its parameters in the nodes.
        title: what the system is called in texts for users.
        models: its models; the catalogue lists them in this order.
        options: the options that its estimators take.
        network, estimator: ``module.Class``, imported on first use; a leading dot is the folder.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    models: tuple[Model, ...] = ()
    options: ClassVar[type[EstimatorOptions]] = EstimatorOptions
    network: ClassVar[str]
    estimator: ClassVar[str] = "depth_perception.systems.estimator.DenseEstimator"

    def options_class(self, model: Model) -> type[EstimatorOptions]:
        """The options that the estimator of a model takes."""
        return model.options or self.options

    def estimator_class(self, model: Model) -> type[Estimator]:
        """The estimator of a model."""
        return self._imported(model.estimator or self.estimator)

    def build(self, model: Model, **overrides: Any) -> nn.Module:
        """The network of a model with freshly initialised parameters.

        ``overrides`` replace arguments of the model. The network has ``official_names()``, see
        :func:`~depth_perception.systems.names.official_names`.
        """
        network = self._imported(model.network or self.network)
        return network(**{**model.arguments, **overrides})

    def read(self, model: Model, path: Path) -> dict[str, Any]:
        """The entries of a weights file in any of the formats of the system."""
        from .checkpoints import read_checkpoint

        return read_checkpoint(path)

    def build_for(self, model: Model, state: Mapping[str, Any]) -> nn.Module:
        """The network that the entries of a file belong to, built on the meta device."""
        return self.build(model)

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        """Those entries of a file that belong to the network, under its official names."""
        return state

    def load_network(
        self,
        model: Model,
        path: Path,
        device: torch.device | str = "cpu",
        *,
        merge_lora: bool = True,
    ) -> nn.Module:
        """The network with the parameters of a file; see :func:`.loading.load_network`."""
        import torch

        from .checkpoints import load_strictly, without_prefix

        state = self.read(model, path)
        with torch.device("meta"):
            if len({name.partition(".")[0] for name in state}) == 1:
                state = without_prefix(state, self.build(model).official_names().values())
            network = self.build_for(model, state)
        state = self.entries(state, network)
        network.to_empty(device=device)
        if hasattr(network, "restore_constants"):
            network.restore_constants()
        load_strictly(network, state, network.official_names(), f"{path} (for {model.name})")
        if merge_lora:
            if hasattr(network, "merge_lora"):
                network.merge_lora()
            network.requires_grad_(False)
        return network.eval()

    def load(
        self, model: Model, checkpoint: Path, device: torch.device, options: EstimatorOptions
    ) -> Estimator:
        """The estimator of a model with the parameters of a file."""
        network = self.load_network(model, checkpoint, device)
        parts = self.parts(model, device, options)
        made = self.estimator_class(model)
        return made(model.card, network, device=device, options=options, **parts)

    def parts(
        self, model: Model, device: torch.device, options: EstimatorOptions
    ) -> dict[str, Any]:
        """Further arguments of the estimator, such as other models that the options name."""
        return {}

    def _imported(self, path: str) -> Any:
        module, _, name = path.rpartition(".")
        return getattr(import_module(module, type(self).__module__.rpartition(".")[0]), name)
