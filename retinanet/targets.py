"""Labels to training targets: which anchors learn which object, and what.

Targets are made in numpy by the threads that feed the network, so that the losses stay plain tensors in, number out.
"""

from __future__ import annotations

import numpy as np

from reader.symbols import FLOATP_ID
from reader.types import Float32
from retinanet.anchors import OrientedAnchors, box_anchors, box_iou, encode_boxes, oriented_anchors
from retinanet.config import Stage1Config, Stage2Config

Targets = dict[str, Float32]


class Stage1Targets:
    """Assigns displays to oriented anchors: near the centre, of about the width, turned about the same way."""

    def __init__(self, config: Stage1Config):
        self.config = config
        self.anchors: OrientedAnchors = oriented_anchors(config)

    def __call__(self, corners: Float32, labels: np.ndarray) -> Targets:
        """Targets of one picture.

        Args:
            corners: (n, 4, 2) in input pixels, clockwise from each display's own top-left.
            labels: (n,) class ids.

        Returns:
            classes: (A, classes + 1), one-hot, and last the weight (0: left out of the loss).
            corners: (A, 9), the eight offsets, and last the weight (0 where there is no display).
        """
        c, anchors = self.config, self.anchors
        count = len(anchors.centers)
        classes = np.zeros((count, len(c.classes) + 1), np.float32)
        classes[:, -1] = 1
        offsets = np.zeros((count, 9), np.float32)
        for quad, label in zip(corners.astype(np.float32), labels, strict=True):
            along = (quad[1] - quad[0] + quad[2] - quad[3]) / 2
            across = (quad[3] - quad[0] + quad[2] - quad[1]) / 2
            width, height = float(np.hypot(*along)), float(np.hypot(*across))
            if min(width, height) < 2:
                continue  # no pixels to learn from
            octaves = np.abs(np.log2(width / anchors.widths))
            # A display beyond the smallest or largest anchors is still learned by the nearest level.
            size_ok = octaves <= max(c.size_tolerance, float(octaves.min()) + 1e-3)
            turn = np.degrees(np.arctan2(along[1], along[0]))
            angle = np.abs((anchors.angles - turn + 180) % 360 - 180)
            distance = np.hypot(*(anchors.centers - quad.mean(0)).T) / anchors.strides
            near = (distance <= c.ignore_radius) & (octaves <= octaves.min() + 1.25) & (angle <= c.angle_tolerance + 20)
            chosen = near & (distance <= c.positive_radius) & size_ok & (angle <= c.angle_tolerance)
            classes[near & (classes[:, :-1].sum(1) == 0), -1] = 0
            classes[chosen] = 0
            classes[chosen, int(label)] = 1
            classes[chosen, -1] = 1
            index = np.flatnonzero(chosen)
            offsets[index, :8] = anchors.encode(quad, index)
            # Errors count relative to the display's own size, not to the anchor's.
            offsets[index, 8] = anchors.widths[index] / np.sqrt(width * height)
        return {"classes": classes, "corners": offsets}


class Stage2Targets:
    """Assigns digits and decimal areas to anchors by intersection over union (RetinaNet's rule)."""

    def __init__(self, config: Stage2Config):
        self.config = config
        self.anchors = box_anchors(config)
        self._smallest = self.anchors[:, 2:].min(axis=0)  # (2,) width, height

    def __call__(self, boxes: Float32, labels: np.ndarray) -> Targets:
        """Targets of one picture.

        Args:
            boxes: (n, 4) xyxy in input pixels.
            labels: (n,) class ids.

        Returns:
            classes: (A, classes + 1), multi-hot (a single decimal digit and its decimal area are one place), and last
                the weight (0: left out of the loss).
            boxes: (A, 5), regression targets, and last the weight (0 for background).
        """
        c, anchors = self.config, self.anchors
        classes = np.zeros((len(anchors), len(c.classes) + 1), np.float32)
        classes[:, -1] = 1
        deltas = np.zeros((len(anchors), 5), np.float32)
        if not len(boxes):
            return {"classes": classes, "boxes": deltas}
        iou = box_iou(self._matched(boxes.astype(np.float32)), anchors)  # (n, A)
        best = iou.argmax(0)
        overlap = iou.max(0)
        positive = overlap >= c.positive_iou
        # Each object has at least its best anchor, also one of an unusual shape.
        own = iou.argmax(1)
        best[own], positive[own] = np.arange(len(boxes)), True
        classes[(overlap >= c.ignore_iou) & ~positive, -1] = 0
        index = np.flatnonzero(positive)
        classes[index, labels[best[index]]] = 1
        for area in np.flatnonzero(labels == FLOATP_ID):
            shared = index[iou[area, index] >= c.positive_iou]
            classes[shared, FLOATP_ID] = 1
        for digit in np.flatnonzero(labels < 10):  # the anchors of a decimal area that is one digit learn the digit too
            shared = index[(iou[digit, index] >= c.positive_iou) & (labels[best[index]] == FLOATP_ID)]
            classes[shared, labels[digit]] = 1
        deltas[index, :4] = encode_boxes(boxes[best[index]].astype(np.float32), anchors[index])
        deltas[index, 4] = 1
        return {"classes": classes, "boxes": deltas}

    def _matched(self, boxes: Float32) -> Float32:
        """Boxes (n, 4) xyxy grown around their middles to the smallest anchor's size.

        A decimal point is a few pixels large: no anchor overlaps it by half, and a single one would learn it while its
        neighbours, which see the same, learn that nothing is there.
        """
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        half = np.maximum(boxes[:, 2:] - boxes[:, :2], self._smallest) / 2
        return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
