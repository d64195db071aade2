"""Flags of the options that systems add to those of all estimators, made from these options."""

from __future__ import annotations

import logging
from dataclasses import Field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import tyro

from ...options import Option, option_of
from ...systems import EstimatorOptions, models, options_of, systems
from .scale_options import OptionError, ScaleArguments

_COMMON = frozenset(item.name for item in fields(EstimatorOptions))
# Names of the other flags of the command, which options of other packages must not repeat.
TAKEN = frozenset(item.name for item in fields(ScaleArguments)) | {
    *("input", "model", "checkpoint", "device", "out", "panels", "resize", "fov", "focal"),
    *("ignore_exif", "network", "no_smooth_scale", "metres", "pred_only", "grayscale", "palette"),
    *("limits", "raw", "save_cloud", "cloud_frame", "allow_bent_cloud", "max_range"),
    *("edge_filter", "outlier_filter", "recursive", "topic", "info_topic", "to_bag", "overwrite"),
}

_log = logging.getLogger(__name__)


def _names_of(model: str) -> frozenset[str]:
    return frozenset(entry.name for entry in fields(options_of(model)))


def _flags() -> list[tuple[str, Any, Any]]:
    """(name, annotated type, default) of the flags, each said once for all systems that have it."""
    found: dict[str, tuple[Field[Any], Option, list[Any], list[str]]] = {}
    for system in systems().values():
        for kind in dict.fromkeys(system.options_class(model) for model in system.models):
            for item in fields(kind):
                said = option_of(item)
                if said is None or said.library_only or item.name in _COMMON:
                    continue
                if item.name in TAKEN:
                    _log.warning("--%s is a flag already: %s has none", item.name, system.title)
                    continue
                *_, defaults, titles = found.setdefault(item.name, (item, said, [], []))
                defaults.append(item.default)
                if system.title not in titles:
                    titles.append(system.title)
    flags = []
    for name, (item, said, defaults, titles) in found.items():
        default = defaults[0]
        is_one = default is not None and len(set(defaults)) == 1
        facts = f" Default: {default}." if is_one else ""
        text = tyro.conf.arg(help=f"{', '.join(titles)}: {said.text}{facts}", help_behavior_hint="")
        flags.append((name, Annotated[_type(item, said, default), text], None))
    return flags


def _type(item: Field[Any], said: Option, default: Any) -> Any:
    if said.choices:
        return Optional[Literal[said.choices]]  # noqa: UP045 (made at run time)
    pattern = said.unset if default is None else default
    if isinstance(pattern, bool):
        return Optional[Literal[not pattern]]  # noqa: UP045
    kind = Path if "Path" in str(item.type) else type(pattern)
    return Optional[kind]  # noqa: UP045


class NetworkOptions(make_dataclass("Flags", _flags(), frozen=True)):
    """Options of single systems; unset ones are the defaults of the model."""

    def given(self) -> dict[str, Any]:
        """The options that were set, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def check(self, model: str) -> None:
        """Reject what the model does not have.

        Raises:
            OptionError: says which models have it.
        """
        for name in [name for name in self.given() if name not in _names_of(model)]:
            able = ", ".join(card.name for card in models() if name in _names_of(card.name))
            flag = name.replace("_", "-")
            raise OptionError(f"--{flag} is no option of {model}; it is one of {able}")
