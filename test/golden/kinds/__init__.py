"""Kinds of reference cases: for each system one module with a function for each kind."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from golden.cases import Case, Comparison

Run = Callable[[Case], Iterator[Comparison]]
Rule = Callable[[Case], bool]


# Further modules with kinds of a system's cases.
_MODULES = {"ppd": ("moge", "ppvd"), "panopticdepth": ("panoptic_scores",)}


class Kind(NamedTuple):
    """One kind of case.

    Attributes:
        name: of the kind, for messages.
        run: computes what the original did, and yields one comparison for each array.
        belongs: says whether a case is of this kind.
        slow: says whether a case takes long.
    """

    name: str
    run: Run
    belongs: Rule
    slow: Rule


class Kinds:
    """The kinds of cases of one system, in the order in which they are tried."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = []

    def add(
        self, name: str, belongs: Rule, slow: Rule = lambda case: False
    ) -> Callable[[Run], Run]:
        """Decorator of the function that runs the cases for which ``belongs`` is true."""

        def register(run: Run) -> Run:
            self.kinds.append(Kind(name, run, belongs, slow))
            return run

        return register


def has(*arrays: str) -> Rule:
    """True for cases with all of these arrays."""
    return lambda case: all(array in case for array in arrays)


def kind_of(case: Case) -> Kind | None:
    """The kind of a case, None where no function knows it."""
    if not (Path(__file__).parent / f"{case.system}.py").exists():
        return None
    modules = [importlib.import_module(f"golden.kinds.{n}") for n in _MODULES.get(case.system, ())]
    modules.append(importlib.import_module(f"golden.kinds.{case.system}"))
    kinds: Kinds = modules[-1].KINDS
    return next((kind for kind in kinds.kinds if kind.belongs(case)), None)
