"""Networks as plain functions on numpy arrays, whatever runtime runs them.

ONNX Runtime and TensorFlow are imported when a network is loaded that needs them, and only then.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reader.bundle import BundleError
from reader.types import UInt8

Outputs = Mapping[str, npt.NDArray[Any]]

#: Where networks run; "auto" is the GPU where the runtime that is installed has one to offer, else the CPU.
DEVICES = ("auto", "cpu", "gpu")
_FLOAT32 = "onnx_float32"
_CUDA = "CUDAExecutionProvider"
_SIGNATURE = "serving_default"


class Network(Protocol):
    """A network: a batch in, named outputs out. Anything callable like this can be given to `MeterReader`."""

    def __call__(self, batch: UInt8) -> Outputs:
        """Outputs by name for (N, H, W, 3) uint8 RGB; every output's first axis is N."""


class OnnxNetwork:
    """A network in an ONNX file, run by ONNX Runtime."""

    def __init__(self, path: str | Path, threads: int | None = None, device: str = "auto") -> None:
        """Loads the file.

        Args:
            path: the .onnx file.
            threads: CPU threads; None takes as many as this process may use.
            device: one of `DEVICES`.

        Raises:
            BundleError: missing or broken file, no single image input, or no GPU where one is asked for.
        """
        import onnxruntime

        path = Path(path)
        if not path.is_file():
            raise BundleError(f"{path}: no such file; deploy/prepare_model.py writes it")
        providers = _onnx_providers(onnxruntime, device)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _own_cpus()
        options.inter_op_num_threads = 1
        # A reading takes several networks in turn. Threads that keep spinning after theirs is done take the cores from
        # the next one: on two cores a reading took two and a half times as long.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # the runtime's own kinds share no base class but this
            raise BundleError(f"{path}: not a model that ONNX Runtime can load ({_first_line(error)})") from error
        if device == "gpu" and _CUDA not in self._session.get_providers():
            raise BundleError("device gpu: ONNX Runtime found no GPU that it can use; device cpu needs none")
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


def _onnx_providers(onnxruntime: Any, device: str) -> list[str]:
    """What ONNX Runtime is to run on, best first."""
    if device == "cpu" or not _has_cuda():
        if device == "gpu":
            raise BundleError(
                "device gpu: the ONNX Runtime that is installed runs on the CPU only; "
                "pip install -r deploy/requirements-onnx-gpu.txt into a new environment, or take device cpu"
            )
        return ["CPUExecutionProvider"]
    # The CUDA libraries that pip installs beside it lie where the system does not look. What it prints about those that
    # are missing comes again, as an error, where it matters.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    return [_CUDA, "CPUExecutionProvider"]


class SavedModelNetwork:
    """A network in a TensorFlow SavedModel, called by its signature serving_default."""

    def __init__(self, path: str | Path, threads: int | None = None, device: str = "auto") -> None:
        """Loads the folder.

        Args:
            path: the SavedModel's folder, in which saved_model.pb lies.
            threads: CPU threads; None takes as many as this process may use. TensorFlow has one number for all
                networks of a process: the first one counts.
            device: one of `DEVICES`.

        Raises:
            BundleError: missing or broken folder, no single image input, or no GPU where one is asked for.
        """
        path = Path(path)
        if not (path / "saved_model.pb").is_file():
            raise BundleError(f"{path}: no SavedModel there; deploy/prepare_model.py writes it")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # it greets everybody on stderr
        try:
            import tensorflow as tf
        except ImportError as error:
            raise BundleError(f"TensorFlow cannot be imported ({_first_line(error)})") from error
        with contextlib.suppress(RuntimeError):  # already at work, with the numbers that it began with
            tf.config.threading.set_intra_op_parallelism_threads(threads or _own_cpus())
            tf.config.threading.set_inter_op_parallelism_threads(1)
        if device == "gpu" and not tf.config.list_physical_devices("GPU"):
            raise BundleError("device gpu: TensorFlow finds no GPU; device cpu needs none")
        self._device: Callable[[], Any] = lambda: tf.device("/CPU:0" if device == "cpu" else None)
        try:
            with self._device():
                self._loaded = tf.saved_model.load(str(path))  # kept: its variables live as long as it does
        except Exception as error:  # the runtime's own kinds share no base class but this
            raise BundleError(f"{path}: not a model that TensorFlow can load ({_first_line(error)})") from error
        signatures = self._loaded.signatures
        if _SIGNATURE not in signatures:
            raise BundleError(f"{path}: signatures {sorted(signatures)}; wanted {_SIGNATURE!r}")
        self._serve = signatures[_SIGNATURE]
        inputs = self._serve.structured_input_signature[1]
        if [spec.dtype for spec in inputs.values()] != [tf.uint8]:
            kinds = [f"{name}: {spec.dtype.name}" for name, spec in inputs.items()]
            raise BundleError(f"{path}: inputs {kinds}; wanted one uint8 picture (N, H, W, 3)")
        (self._input,) = inputs
        self._tensor = tf.constant

    def __call__(self, batch: UInt8) -> Outputs:
        """Outputs by name for (N, H, W, 3) uint8 RGB."""
        with self._device():
            values = self._serve(**{self._input: self._tensor(batch)})
        return {name: value.numpy() for name, value in values.items()}


#: Runtimes by name, in the order in which "auto" tries them: the fastest first ("onnx" is int8 where there is a file in
#: int8, "onnx_float32" never). For each the package that must be installed, the requirements file that has it, and the
#: loader.
RUNTIMES: dict[str, tuple[str, str, type[OnnxNetwork] | type[SavedModelNetwork]]] = {
    "onnx": ("onnxruntime", "requirements.txt", OnnxNetwork),
    _FLOAT32: ("onnxruntime", "requirements.txt", OnnxNetwork),
    "savedmodel": ("tensorflow", "requirements-savedmodel.txt", SavedModelNetwork),
}


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
    if name == "auto":
        for runtime in RUNTIMES:
            if runtime in files and _installed(runtime):
                return runtime
        packages = [package for package, _, _ in RUNTIMES.values()]
        raise BundleError(f"no runtime for the files {dict(files)}; install one of {packages}")
    package, requirements, _ = RUNTIMES[name]
    if name not in files:
        raise BundleError(f"runtime {name}: the models have no such files; deploy/prepare_model.py writes them")
    if not _installed(name):
        raise BundleError(f"runtime {name}: {package} is not installed; pip install -r deploy/{requirements}")
    return name


def load_network(
    folder: str | Path,
    files: Mapping[str, str],
    runtime: str = "auto",
    threads: int | None = None,
    device: str = "auto",
) -> Network:
    """The network of one stage.

    Args:
        folder: the bundle's folder.
        files: file names by runtime, from the bundle.
        runtime: one of `RUNTIMES`, or "auto".
        threads: CPU threads; None takes as many as this process may use.
        device: one of `DEVICES`.

    Raises:
        BundleError: no runtime, no such device, missing or broken file.
    """
    if device not in DEVICES:
        raise BundleError(f"unknown device {device!r}; known are {list(DEVICES)}")
    folder = Path(folder)
    if runtime == "auto":  # an image for one runtime does not carry the files of the others
        files = {name: file for name, file in files.items() if (folder / file).exists()} or files
    runtime = choose_runtime(runtime, files)
    if runtime == "onnx" and _FLOAT32 in files and (device == "gpu" or (device == "auto" and _has_cuda())):
        runtime = _FLOAT32  # 8 bits are for CPUs; a GPU takes longer for them
    return RUNTIMES[runtime][2](folder / files[runtime], threads, device)


def _has_cuda() -> bool:
    """Whether ONNX Runtime can use a GPU, as far as its package tells."""
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def _installed(runtime: str) -> bool:
    return importlib.util.find_spec(RUNTIMES[runtime][0]) is not None


def _own_cpus() -> int:
    """CPUs that this process may use; all of them where the system does not tell (macOS, Windows)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
