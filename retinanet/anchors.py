"""Anchors of both stages and the coding of corners and boxes against them, in numpy. One place, both directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reader.types import Float32
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config

#: Scale of the box regression (dx, dy, dw, dh), as in RetinaNet's reference code.
BOX_VARIANCE = np.array([0.1, 0.1, 0.2, 0.2], np.float32)


@dataclass(frozen=True)
class OrientedAnchors:
    """Stage 1's anchors: display-shaped, at every place of every level, in `orientations` directions.

    Attributes:
        centers: (A, 2) float32, x and y in input pixels.
        widths: (A,) float32, along the reading direction, in input pixels.
        strides: (A,) float32, of the level the anchor is on.
        angles: (A,) float32, reading direction in degrees, clockwise on the picture from "to the right".
        frames: (A, 2, 2) float32, maps offsets in anchor widths, along and across the anchor, to input pixels.
        unit: (4, 2) float32, the anchor's own corners in those units, clockwise from its top-left.
    """

    centers: Float32
    widths: Float32
    strides: Float32
    angles: Float32
    frames: Float32
    unit: Float32

    def encode(self, corners: Float32, index: np.ndarray) -> Float32:
        """Corners (4, 2) in input pixels -> (len(index), 8) offsets against the anchors of `index`."""
        relative = corners[None] - self.centers[index][:, None]  # (n, 4, 2)
        inverse = np.linalg.inv(self.frames[index])  # (n, 2, 2)
        local = np.einsum("nij,ncj->nci", inverse, relative) - self.unit
        return local.reshape(-1, 8).astype(np.float32)

    def decode(self, offsets: Float32) -> Float32:
        """(A, 8) offsets of all anchors -> (A, 4, 2) corners in input pixels."""
        local = offsets.reshape(-1, 4, 2) + self.unit
        return (np.einsum("nij,ncj->nci", self.frames, local) + self.centers[:, None]).astype(np.float32)


def grid(config: NetworkConfig, stride: int) -> Float32:
    """(H*W, 2) centres x, y in input pixels of the places of a level, row by row."""
    height, width = config.input_size
    ys, xs = np.mgrid[0 : height // stride, 0 : width // stride]
    return np.stack([xs.ravel(), ys.ravel()], -1).astype(np.float32) * stride + stride / 2


def oriented_anchors(config: Stage1Config) -> OrientedAnchors:
    """All anchors of stage 1, in the order of the network's outputs: level, row, column, orientation."""
    turns = np.arange(config.orientations) * 360.0 / config.orientations
    centers, widths, strides, angles = [], [], [], []
    for stride in config.strides:
        places = grid(config, stride)
        centers.append(np.repeat(places, len(turns), axis=0))
        widths.append(np.full(len(places) * len(turns), config.anchor_width * stride))
        strides.append(np.full(len(places) * len(turns), stride))
        angles.append(np.tile(turns, len(places)))
    angle, width = np.concatenate(angles), np.concatenate(widths)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    frames = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2) * width[:, None, None]
    x, y = 0.5, config.anchor_aspect / 2
    return OrientedAnchors(
        np.concatenate(centers).astype(np.float32),
        width.astype(np.float32),
        np.concatenate(strides).astype(np.float32),
        angle.astype(np.float32),
        frames.astype(np.float32),
        np.array([[-x, -y], [x, -y], [x, y], [-x, y]], np.float32),
    )


def box_anchors(config: Stage2Config) -> Float32:
    """(A, 4) float32 anchors of stage 2 as centre x, centre y, width, height in input pixels.

    In the order of the network's outputs: level, row, column, anchor.
    """
    levels = []
    for stride, shapes in zip(config.strides, config.anchors, strict=True):
        places = grid(config, stride)
        size = np.tile(np.array(shapes, np.float32), (len(places), 1))
        levels.append(np.concatenate([np.repeat(places, len(shapes), axis=0), size], axis=1))
    return np.concatenate(levels).astype(np.float32)


def encode_boxes(xyxy: Float32, anchors: Float32) -> Float32:
    """Boxes (N, 4) xyxy against as many anchors (N, 4) cxcywh -> (N, 4) regression targets (Girshick 2014, app. C)."""
    center = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    size = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-3)
    delta = np.concatenate([(center - anchors[:, :2]) / anchors[:, 2:], np.log(size / anchors[:, 2:])], axis=1)
    return (delta / BOX_VARIANCE).astype(np.float32)


def decode_boxes(deltas: Float32, anchors: Float32) -> Float32:
    """The inverse of `encode_boxes`: (N, 4) targets -> (N, 4) xyxy in input pixels."""
    delta = deltas * BOX_VARIANCE
    center = delta[:, :2] * anchors[:, 2:] + anchors[:, :2]
    size = np.exp(np.clip(delta[:, 2:], -4, 4)) * anchors[:, 2:]
    return np.concatenate([center - size / 2, center + size / 2], axis=1).astype(np.float32)


def box_iou(xyxy: Float32, anchors: Float32) -> Float32:
    """(N, A) intersection over union of boxes (N, 4) xyxy with anchors (A, 4) cxcywh."""
    low, high = anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2
    inter = np.minimum(xyxy[:, None, 2:], high) - np.maximum(xyxy[:, None, :2], low)
    inter_area = np.clip(inter, 0, None).prod(-1)
    area = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None).prod(-1)
    return (inter_area / np.maximum(area[:, None] + anchors[:, 2:].prod(-1) - inter_area, 1e-9)).astype(np.float32)
