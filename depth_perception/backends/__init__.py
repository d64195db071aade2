"""The forward pass of a network by another runtime than PyTorch.

A backend replaces only the call of the network; pre- and post-processing remain in the estimators.
"""

# ruff: noqa: F401
from __future__ import annotations

from .engines import BACKENDS, Backend, BackendError, Precision, check_backend
from .forward import GraphForward
from .store import GRAPHS_VARIABLE, graphs_folder
