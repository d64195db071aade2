"""Facts on the processor from Linux, and the precisions it supports by native instructions."""

from __future__ import annotations

import logging
import os
from pathlib import Path

FILE = Path("/proc/cpuinfo")

# Flags of x86 and of ARM, one of which is enough.
_FLAGS = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
    "float16": {"avx512_fp16", "amx_fp16", "asimdhp"},
}
# Values of the variables by which PyTorch and oneDNN are held to older instructions.
_OLDER_ATEN = {"default", "avx2"}
_OLDER_ONEDNN = {
    "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI",
}  # fmt: skip

_log = logging.getLogger(__name__)


def cpu_facts(name: str) -> tuple[str, ...]:
    """The different values of a line of ``/proc/cpuinfo``, in order; nothing on other systems."""
    if not FILE.is_file():
        return ()
    lines = FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines)
    return tuple(dict.fromkeys(value.strip() for key, _, value in pairs if key.strip() == name))


def has_instructions_for(precision: str) -> bool:
    """Whether the CPU computes in this precision without emulation.

    False where ``ATEN_CPU_CAPABILITY`` or ``ONEDNN_MAX_CPU_ISA`` excludes the instructions, and
    on systems without ``/proc/cpuinfo``, unless the precision is float32.
    """
    if precision not in _FLAGS:
        return True
    most = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    older_onednn = _OLDER_ONEDNN | ({"AVX512_CORE_BF16"} if precision == "float16" else set())
    if os.environ.get("ATEN_CPU_CAPABILITY", "").lower() in _OLDER_ATEN:
        return False
    if most.upper() in older_onednn:
        return False
    flags = {flag for name in ("flags", "Features") for line in cpu_facts(name)
             for flag in line.split()}  # fmt: skip
    return not flags.isdisjoint(_FLAGS[precision])


def warn_if_slow(precision: str, device_type: str) -> None:
    """Log a warning where half precision on this CPU costs time instead of saving it."""
    if device_type == "cpu" and not has_instructions_for(precision):
        _log.warning(
            "precision %s: this CPU has no instructions for it; large matrix products may take "
            "50 times as long as in float32",
            precision,
        )
