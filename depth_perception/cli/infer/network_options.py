"""Flags of the options that systems add to those of all estimators, made from these options."""

from __future__ import annotations

from dataclasses import fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import tyro

from ...options import Option, option_of
from ...systems import EstimatorOptions, models, options_of, systems
from .scale_options import OptionError

_COMMON = frozenset(item.name for item in fields(EstimatorOptions))


def _given(self: Any) -> dict[str, Any]:
    """The options that were set, by name."""
    values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
    return {name: value for name, value in values.items() if value is not None}


def _check(self: Any, model: str) -> None:
    """Reject what the model does not have.

    Raises:
        OptionError: says which models have it.
    """
    for name in _given(self):
        if name in _names_of(model):
            continue
        able = [card.name for card in models() if name in _names_of(card.name)]
        raise OptionError(
            f"--{name.replace('_', '-')} is no option of {model}; it is one of {', '.join(able)}"
        )


def _names_of(model: str) -> frozenset[str]:
    return frozenset(entry.name for entry in fields(options_of(model)))


def _flags() -> list[tuple[str, Any, Any]]:
    """(name, annotated type, default) of the flags, each said once for all systems that have it."""
    found: dict[str, tuple[Option, Any, list[str]]] = {}
    for system in systems().values():
        for kind in dict.fromkeys(system.options_class(model) for model in system.models):
            for item in fields(kind):
                said = option_of(item)
                if said is None or said.library_only or item.name in _COMMON:
                    continue
                _, _, titles = found.setdefault(item.name, (said, item.default, []))
                if system.title not in titles:
                    titles.append(system.title)
    return [
        (name, Annotated[_type(said, default), tyro.conf.arg(help=_help(said, default, of))], None)
        for name, (said, default, of) in found.items()
    ]


def _type(said: Option, default: Any) -> Any:
    if said.choices:
        return Optional[Literal[said.choices]]  # noqa: UP045 (made at run time)
    pattern = said.unset if default is None else default
    if isinstance(pattern, bool):
        return Optional[Literal[not pattern]]  # noqa: UP045
    kind = Path if pattern == "" else type(pattern)
    return Optional[kind]  # noqa: UP045


def _help(said: Option, default: Any, titles: list[str]) -> str:
    facts = "" if default is None else f" (default {default})"
    return f"{', '.join(titles)}: {said.text}{facts}"


NetworkOptions = make_dataclass(
    "NetworkOptions",
    _flags(),
    frozen=True,
    namespace={
        "given": _given,
        "check": _check,
        "__doc__": "Options of single systems; unset ones are the defaults of the model.",
    },
)
