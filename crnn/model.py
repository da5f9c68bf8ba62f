"""The line reader's network (CRNN; Shi, Bai and Yao 2017): convolutions, bidirectional recurrence, logits for CTC."""

from __future__ import annotations

import itertools
from typing import Any

import keras
from keras import layers

from crnn.config import LineConfig
from training.convolution import convolved
from training.normalization import Normalization255

#: After which convolution the map shrinks, and by how much along (height, width).
_POOLS = {0: (2, 2), 1: (2, 2), 3: (2, 1)}


def build(config: LineConfig) -> keras.Model:
    """The network: uint8 (B, H, W, 3) -> {"logits": (B, T, classes)} float32, class 0 the blank; T = `config.steps`."""
    image = keras.Input((*config.input_size, 3), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    if config.fine:
        coarse = layers.AveragePooling2D(2, name="coarse")(x)
        x = layers.Concatenate(name="coarse_and_fine")([coarse, convolved(x, config.fine, "fine", kernel=5, stride=2)])
    # H and W are those of `config.map_size` from here on.
    for index, filters in enumerate(config.channels):
        x = convolved(x, filters, f"block{index}")
        if index in _POOLS:
            x = layers.MaxPooling2D(_POOLS[index], name=f"block{index}_pool")(x)
    # (B, H / 8, W / 4, C): what is left of the height becomes part of each column, where it stands is kept.
    x = layers.Permute((2, 1, 3), name="columns")(x)  # (B, T, H / 8, C)
    x = layers.Reshape((config.steps, config.map_size[0] // 8 * config.channels[-1]), name="flat_columns")(x)
    x = layers.Dense(config.column, activation="relu", name="column")(x)  # (B, T, column)
    seen = x
    if config.context:
        seen = layers.Concatenate(name="seen_with_context")([seen, _along(seen, config)])  # (B, T, 2 * column)
    kind = {"lstm": layers.LSTM, "gru": layers.GRU}[config.rnn]
    for index in range(config.layers):
        x = layers.Dropout(config.dropout, name=f"dropout{index}")(x)
        # In float32: 64 steps of rounding to 8 bits of mantissa add up, and nothing is gained in time.
        cell = kind(config.units, return_sequences=True, dtype="float32", name=f"{config.rnn}{index}")
        x = layers.Bidirectional(cell, dtype="float32", name=f"both_ways{index}")(x)  # (B, T, 2 * units)
    # What each column shows goes to the classes directly too: without that, training stands still for thousands of
    # batches before the recurrent layers pass anything on.
    if config.layers:
        seen = layers.Activation("linear", dtype="float32", name="seen")(seen)
        x = layers.Concatenate(name="seen_and_read")([seen, x])
    else:
        x = seen
    x = layers.Dropout(config.dropout, name="dropout_last")(x)
    x = layers.Dense(len(config.alphabet) + 1, dtype="float32", name="logits")(x)  # (B, T, classes)
    return keras.Model(image, {"logits": x}, name="line")


def _along(x: Any, config: LineConfig) -> Any:
    """Columns (B, T, C) -> (B, T, C), each with what stands beside it."""
    x = layers.Reshape((1, config.steps, config.column), name="context_row")(x)
    x = convolved(x, config.column, "context", (1, config.context))
    return layers.Reshape((config.steps, config.column), name="context")(x)


def heard(config: LineConfig) -> dict[str, slice]:
    """The rows of the classes' kernel that listen to each part of a network; only the parts that it has, in order."""
    sizes = {
        "column": config.column,
        "context": config.column if config.context else 0,
        "read": 2 * config.units if config.layers else 0,
    }
    ends = itertools.accumulate(sizes.values())
    return {part: slice(end - size, end) for (part, size), end in zip(sizes.items(), ends, strict=True) if size}
