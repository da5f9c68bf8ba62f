"""Networks as plain functions on numpy arrays, whatever runtime runs them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reader.bundle import BundleError
from reader.types import UInt8

Outputs = Mapping[str, npt.NDArray[Any]]


class Network(Protocol):
    """A network: a batch in, named outputs out. Anything callable like this can be given to `MeterReader`."""

    def __call__(self, batch: UInt8) -> Outputs:
        """Outputs by name for (N, H, W, 3) uint8 RGB; every output's first axis is N."""


class OnnxNetwork:
    """A network in an ONNX file, run by ONNX Runtime on the CPU."""

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        """Loads the file.

        Args:
            path: the .onnx file.
            threads: CPU threads; None takes as many as this process may use.

        Raises:
            BundleError: missing or broken file, or no single image input.
        """
        import onnxruntime

        path = Path(path)
        if not path.is_file():
            raise BundleError(f"{path}: no such file; deploy/prepare_model.py writes it")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _own_cpus()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own kinds share no base class but this
            raise BundleError(f"{path}: not a model that ONNX Runtime can load ({_first_line(error)})") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)":
            kinds = [f"{entry.name}: {entry.type}" for entry in inputs]
            raise BundleError(f"{path}: inputs {kinds}; wanted one uint8 picture (N, H, W, 3)")
        self._input = inputs[0].name
        self._outputs = [entry.name for entry in self._session.get_outputs()]

    def __call__(self, batch: UInt8) -> Outputs:
        """Outputs by name for (N, H, W, 3) uint8 RGB."""
        values = self._session.run(self._outputs, {self._input: np.ascontiguousarray(batch)})
        return dict(zip(self._outputs, values, strict=True))


#: Runtimes by name, in the order in which "auto" tries them: the package that must be installed, and the loader.
RUNTIMES: dict[str, tuple[str, type[OnnxNetwork]]] = {"onnx": ("onnxruntime", OnnxNetwork)}


def choose_runtime(name: str, files: Mapping[str, str]) -> str:
    """The runtime to use.

    Args:
        name: one of `RUNTIMES`, or "auto" for the first that is installed and has a file.
        files: file names by runtime.

    Raises:
        BundleError: unknown, not installed, or without a file in the bundle.
    """
    if name != "auto" and name not in RUNTIMES:
        raise BundleError(f"unknown runtime {name!r}; known are {['auto', *RUNTIMES]}")
    wanted = list(RUNTIMES) if name == "auto" else [name]
    for runtime in wanted:
        if runtime in files and importlib.util.find_spec(RUNTIMES[runtime][0]) is not None:
            return runtime
    packages = [RUNTIMES[runtime][0] for runtime in wanted]
    raise BundleError(f"no runtime for the files {dict(files)}; install one of {packages}")


def load_network(
    folder: str | Path, files: Mapping[str, str], runtime: str = "auto", threads: int | None = None
) -> Network:
    """The network of one stage.

    Args:
        folder: the bundle's folder.
        files: file names by runtime, from the bundle.
        runtime: one of `RUNTIMES`, or "auto".
        threads: CPU threads; None takes as many as this process may use.

    Raises:
        BundleError: no runtime, missing or broken file.
    """
    runtime = choose_runtime(runtime, files)
    return RUNTIMES[runtime][1](Path(folder) / files[runtime], threads)


def _own_cpus() -> int:
    """CPUs that this process may use; all of them where the system does not tell (macOS, Windows)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
