"""In which numbers this machine trains fastest, and what TensorFlow is told about it before it is imported."""

from __future__ import annotations

import os
from pathlib import Path

#: What `--precision` takes.
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
#: Processors with one of these compute in bfloat16; all others imitate it, many times more slowly than float32.
_BFLOAT16 = frozenset({"amx_bf16", "avx512_bf16", "bf16"})


def prepare_tensorflow() -> None:
    """Before the first import of TensorFlow: no greetings, and oneDNN's convolutions on every processor.

    TensorFlow uses oneDNN by itself only on processors with AVX-512 VNNI or newer. On one with AVX2 alone, training
    stage 2 was 1.3 times and the displays' line reader 2.2 times as fast with it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def policy(precision: str, gpus: int = 0, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The Keras dtype policy that a run asks for; "auto" takes bfloat16 where the machine computes in it.

    Args:
        precision: one of `PRECISIONS`.
        gpus: GPUs that will train.
        cpuinfo: where Linux tells what the processor can do; without it float32 is taken.
    """
    if precision != "auto":
        return precision
    if gpus:
        return "mixed_bfloat16"
    try:
        words = set(cpuinfo.read_text().split())
    except OSError:
        words = set()
    return "mixed_bfloat16" if words & _BFLOAT16 else "float32"
