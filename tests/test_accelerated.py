"""Runs tests/accelerated_checks.py in a process of its own: JAX's threads do not survive the forks of other tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKS = Path(__file__).resolve().parent / "accelerated_checks.py"


def test_views_and_targets_of_the_accelerator():
    # Compiled in a third of the time; what is computed once need not be fast.
    environment = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", str(CHECKS)]
    done = subprocess.run(
        command, cwd=CHECKS.parent.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout, done.stdout[-400:]
