"""A Keras network that JAX trains: AdamW with averaged weights, the learning rate given with each step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras

from training.loop import save_atomic

Array = Any
State = dict[str, Any]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-7
#: Gradients are scaled down to this norm, those of all weights together.
_CLIP = 5.0
_NOT_DECAYED = ("bias", "gamma", "beta")


class Trained:
    """A network, its losses, and how it is trained.

    Args:
        name: of the file that it is saved in.
        network: a Keras model with named outputs, on the JAX backend.
        losses: by output.
        peak: learning rate after the warm-up.
        decay: weight decay, decoupled (Loshchilov and Hutter 2019); not of biases and batch normalisation.
        momentum: of the weights' moving average, which is what is saved.
    """

    def __init__(
        self,
        name: str,
        network: keras.Model,
        losses: Mapping[str, keras.losses.Loss],
        peak: float,
        decay: float = 0.02,
        momentum: float = 0.999,
    ):
        self.name, self.network, self.losses = name, network, dict(losses)
        self.peak, self.momentum = peak, momentum
        self._decays = [
            0.0 if v.path.rsplit("/", 1)[-1] in _NOT_DECAYED else decay for v in network.trainable_variables
        ]

    def start(self) -> State:
        """The state before the first step."""
        weights = [jnp.array(v.value) for v in self.network.trainable_variables]
        return {
            "weights": weights,
            "others": [jnp.array(v.value) for v in self.network.non_trainable_variables],
            "first": [jnp.zeros_like(w) for w in weights],
            "second": [jnp.zeros_like(w) for w in weights],
            "average": [jnp.array(w) for w in weights],
            "steps": jnp.zeros(()),
        }

    def step(self, state: State, images: Array, targets: Mapping[str, Array], rate: Array) -> tuple[State, State]:
        """One step on a batch; the new state, and the losses by output. A step that is not finite changes nothing."""

        def loss_of(weights: list[Array]) -> tuple[Array, tuple[list[Array], State]]:
            outputs, others = self.network.stateless_call(weights, state["others"], images, training=True)
            parts = {name: jnp.mean(loss.call(targets[name], outputs[name])) for name, loss in self.losses.items()}
            return sum(parts.values()), (others, parts)

        (_, (others, parts)), slopes = jax.value_and_grad(loss_of, has_aux=True)(state["weights"])
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(g.astype(jnp.float32))) for g in slopes))
        fine = jnp.isfinite(norm)
        slopes = [jnp.where(fine, g * jnp.minimum(1.0, _CLIP / (norm + 1e-6)), 0.0) for g in slopes]
        steps = state["steps"] + 1
        first = [_BETA1 * m + (1 - _BETA1) * g for m, g in zip(state["first"], slopes, strict=True)]
        second = [_BETA2 * v + (1 - _BETA2) * g * g for v, g in zip(state["second"], slopes, strict=True)]
        one, two = 1 - _BETA1**steps, 1 - _BETA2**steps
        weights = [
            w - rate * ((m / one) / (jnp.sqrt(v / two) + _EPSILON) + decay * w)
            for w, m, v, decay in zip(state["weights"], first, second, self._decays, strict=True)
        ]
        average = [self.momentum * a + (1 - self.momentum) * w for a, w in zip(state["average"], weights, strict=True)]
        kept = [
            jnp.where(fine, new, old) if jnp.issubdtype(new.dtype, jnp.floating) else new
            for new, old in zip(others, state["others"], strict=True)
        ]
        changed = {"weights": weights, "others": kept, "first": first, "second": second}
        return {**changed, "average": average, "steps": steps}, parts

    def save(self, state: State, folder: Path) -> Path:
        """Writes the averaged weights as a .keras file, whole or not at all."""
        for variable, value in zip(self.network.trainable_variables, state["average"], strict=True):
            variable.assign(value)
        for variable, value in zip(self.network.non_trainable_variables, state["others"], strict=True):
            variable.assign(value)
        path = folder / f"{self.name}.keras"
        save_atomic(self.network, path)
        return path
