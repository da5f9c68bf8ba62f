"""Training on several machines: which worker this process is, and means over all of them.

`TF_CONFIG` names the workers, as TensorFlow has it; without it a process trains alone and nothing here costs anything.
Every worker holds the whole network and makes its part of each batch. Their gradients are averaged before the optimizer
sees them, so that a step is the same step as one worker's on the whole batch, clipping included, and all copies stay
equal. Batch statistics are those of a worker's own part.

`tf.distribute.MultiWorkerMirroredStrategy` connects the workers and carries the sums (gRPC and CPU rings, NCCL between
GPUs). The network is not made in its scope: `fit` of Keras 3.15 fails there (keras issue 20585).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Marks this module's sums among TensorFlow's own; workers that add up one thing name it by the same number.
_GROUP = 7300
_GRADIENTS, _BEGIN, _VARIABLES, _NUMBERS, _DECISION = range(5)


@dataclass(frozen=True)
class Workers:
    """The processes that train one network together.

    Attributes:
        index: of this one, from 0. The first one validates, saves and logs.
        count: how many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that validates, saves and logs."""
        return self.index == 0

    def average_gradients(self, optimizer: Any) -> None:
        """Makes a Keras optimizer apply the mean of all workers' gradients, before it clips them."""
        if self.count == 1:
            return
        apply = optimizer.apply

        def averaged(grads: Sequence[Any], trainable_variables: Any = None) -> Any:
            return apply(self._mean(grads, _GRADIENTS), trainable_variables)

        # On this object and not in a class of its own, which would have to be known wherever the file is loaded.
        optimizer.apply = averaged

    def begin_alike(self, model: Any, epoch: int) -> int:
        """Gives all workers the first one's weights, optimizer state and epoch; returns the epoch."""
        if self.count == 1:
            return epoch
        model.optimizer.build(model.trainable_variables)
        variables = [*model.weights, *model.optimizer.variables]
        mine = [np.asarray(each.numpy(), np.float64) * self.first for each in variables]
        *values, (epoch_told,) = self._sum([*mine, np.array([float(epoch * self.first)])], _BEGIN)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return int(epoch_told)

    def average(self, variables: Sequence[Any]) -> None:
        """Gives float variables, such as batch statistics, their mean over all workers."""
        floats = [each for each in variables if "float" in str(each.dtype)]
        if self.count == 1 or not floats:
            return
        sums = self._sum([np.asarray(each.numpy(), np.float64) for each in floats], _VARIABLES)
        for variable, total in zip(floats, sums, strict=True):
            variable.assign(total / self.count)

    def means(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The means of numbers that every worker has under the same names."""
        if self.count == 1:
            return dict(numbers)
        names = sorted(numbers)
        (total,) = self._sum([np.array([float(numbers[name]) for name in names])], _NUMBERS)
        return dict(zip(names, (total / self.count).tolist(), strict=True))

    def decided(self, decision: bool) -> bool:
        """What the first worker decided; the others wait for it."""
        if self.count == 1:
            return decision
        (told,) = self._sum([np.array([float(decision and self.first)])], _DECISION)
        return bool(told[0])

    @contextlib.contextmanager
    def watching_others(self) -> Iterator[None]:
        """Turns TensorFlow's error about a worker that is gone into one line.

        Raises:
            ConnectionError: another worker ended or cannot be reached.
        """
        if self.count == 1:
            yield
            return
        import tensorflow as tf

        gone = (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
        )
        try:
            yield
        except gone as error:
            raise ConnectionError(
                f"worker {self.index + 1} of {self.count}: another worker is gone "
                f"({str(error.message).splitlines()[0][:160]}); start all of them again with --resume_training"
            ) from error

    def _mean(self, tensors: Sequence[Any], key: int) -> list[Any]:
        """Inside a graph: means of float32 tensors of known shapes, in one sum."""
        import tensorflow as tf

        present = [each for each in tensors if each is not None]
        flat = tf.concat([tf.reshape(tf.cast(each, tf.float32), [-1]) for each in present], 0)
        parts = tf.split(_reduce(flat, self.count, key) / self.count, [int(np.prod(each.shape)) for each in present])
        made = iter([tf.reshape(part, each.shape) for part, each in zip(parts, present, strict=True)])
        return [None if each is None else next(made) for each in tensors]

    def _sum(self, arrays: Sequence[np.ndarray], key: int) -> list[np.ndarray]:
        """Sums of float64 arrays."""
        flat = np.concatenate([each.reshape(-1) for each in arrays])
        total = _reduce(flat, self.count, key).numpy()
        ends = np.cumsum([each.size for each in arrays])[:-1]
        return [part.reshape(each.shape) for part, each in zip(np.split(total, ends), arrays, strict=True)]


def _reduce(flat: Any, count: int, key: int) -> Any:
    import tensorflow as tf

    return tf.raw_ops.CollectiveReduceV2(
        input=flat,
        group_size=count,
        group_key=_GROUP,
        instance_key=_GROUP + key,
        ordering_token=[],
        merge_op="Add",
        final_op="Id",
    )


_alone = Workers()
_connected: tuple[Workers, Any] = (_alone, None)


def current() -> Workers:
    """The workers that `connect` found."""
    return _connected[0]


def connect() -> Workers:
    """Connects the workers that TF_CONFIG names; waits until all are there. Call it before TensorFlow computes.

    Raises:
        ValueError: a TF_CONFIG that cannot be understood, or another backend than TensorFlow.
    """
    global _connected
    workers = parse(os.environ.get("TF_CONFIG", ""))
    if workers.count == 1 or _connected[0].count > 1:
        return current()
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"TF_CONFIG: several workers want the backend tensorflow; it is {keras.backend.backend()}")
    print(f"worker {workers.index + 1} of {workers.count}: waiting for the others", flush=True)
    _connected = workers, tf.distribute.MultiWorkerMirroredStrategy()
    return workers


def parse(text: str) -> Workers:
    """The workers in the text of TF_CONFIG: {"cluster": {"worker": ["host:port", ...]}, "task": {"type", "index"}}.

    Raises:
        ValueError: something else.
    """
    if not text:
        return _alone
    wanted = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}} wanted'
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        chiefs, others = list(cluster.get("chief", [])), list(cluster.get("worker", []))
        kind, index = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"TF_CONFIG: {wanted} ({type(error).__name__}: {error})") from error
    unknown = sorted(set(cluster) - {"chief", "worker"})
    if unknown or kind not in cluster or not 0 <= index < len(cluster[kind]):
        came = f"task {kind!r} {index}, cluster { ({name: len(cluster[name]) for name in cluster}) }"
        raise ValueError(f"TF_CONFIG: {wanted}; {came} came")
    return Workers(index + (len(chiefs) if kind == "worker" else 0), len(chiefs) + len(others))
