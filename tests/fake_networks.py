"""Meters made of coloured blocks, and networks that see exactly those: the whole way is tested without training.

A display has a block of one colour on each of its corners, which says which corner it is, and one block for each
digit, whose blue channel says which digit it is.
"""

import cv2
import numpy as np

from reader.bundle import Bundle, Stage1Settings, Stage2Settings, save_bundle
from reader.line_settings import LineSettings
from reader.lines import LineReader
from reader.symbols import STAGE2_CLASSES

CORNER_COLOURS = np.array([[0, 255, 0], [0, 255, 255], [255, 255, 0], [130, 255, 130]], np.uint8)
BACKGROUND = 60
SIZE = 256


def bundle(**stage1):
    return Bundle(
        Stage1Settings(SIZE, {"onnx": "stage1.onnx"}, **stage1), Stage2Settings((64, 320), {"onnx": "stage2.onnx"})
    )


def flat_display(digits, width=480, height=96):
    """A display seen straight, (height, width, 3), and the boxes of its digits (N, 4); corners are the picture's."""
    picture = np.full((height, width, 3), 90, np.uint8)
    step = width / (len(digits) + 1)
    boxes = []
    for index, digit in enumerate(digits):
        left = round(step * (index + 1) - step * 0.3)
        boxes.append((left, 24, round(left + 0.6 * step), height - 24))
        if digit != " ":
            picture[24 : height - 24, left : boxes[-1][2]] = (255, 0, 30 + 20 * int(digit))
    return picture, np.array(boxes, float)


def photo_of(digits, corners, size=(480, 640)):
    """A photo (H, W, 3) uint8 of a display with its corners at given places, and its digits' corners (N, 4, 2)."""
    display, boxes = flat_display(digits)
    height, width = display.shape[:2]
    corners = np.asarray(corners, np.float32)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    homography = cv2.getPerspectiveTransform(source, corners)
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    photo = np.full((*size, 3), BACKGROUND, np.uint8)
    cv_homography = np.linalg.inv(shift) @ homography @ shift
    cv2.warpPerspective(display, cv_homography, size[::-1], photo, cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
    radius = max(4, round(np.linalg.norm(corners[1] - corners[0]) / 24))
    for corner, colour in zip(corners, CORNER_COLOURS, strict=True):
        x, y = np.round(corner).astype(int)
        photo[max(0, y - radius) : y + radius, max(0, x - radius) : x + radius] = colour
    quads = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    return photo, cv2.perspectiveTransform(quads.reshape(1, -1, 2), homography).reshape(-1, 4, 2)


class FakeStage1:
    """Finds the four corner blocks. `scores` are the class scores of each call in turn, the last one repeated."""

    def __init__(self, *scores):
        self.scores = scores or ((0.9, 0.02, 0.01, 0.01),)
        self.batches = []

    def __call__(self, batch):
        assert batch.shape == (1, SIZE, SIZE, 3) and batch.dtype == np.uint8
        scores = self.scores[min(len(self.batches), len(self.scores) - 1)]
        self.batches.append(batch.copy())
        corners = np.zeros((1, 3, 4, 2), np.float32)
        probabilities = np.full((1, 3, 4), 0.001, np.float32)
        image = batch[0].astype(int)
        found = []
        for colour in CORNER_COLOURS.astype(int):
            ys, xs = np.nonzero(np.abs(image - colour).max(axis=2) < 40)
            if len(xs):
                found.append((xs.mean() + 0.5, ys.mean() + 0.5))
        if len(found) == 4:
            corners[0, 1] = found
            probabilities[0, 1] = scores
        return {"corners": corners, "probabilities": probabilities}


class FakeStage2:
    """Finds the digits' blocks. `decimals` says how many of them the decimal area covers."""

    def __init__(self, score=0.95, decimals=0):
        self.score = score
        self.decimals = decimals
        self.batches = []

    def __call__(self, batch):
        assert batch.shape == (1, 64, 320, 3) and batch.dtype == np.uint8
        self.batches.append(batch.copy())
        line = batch[0, 32].astype(int)  # (320, 3)
        inside = (line[:, 0] > 170) & (line[:, 1] < 60)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], inside, [0]])))
        rows = []
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            digit = round((line[(left + right) // 2, 2] - 30) / 20)
            rows.append(((left, 16, right, 48), STAGE2_CLASSES[digit], self.score))
        if self.decimals:
            rows.append(((rows[-self.decimals][0][0] - 2, 12, rows[-1][0][2] + 2, 52), "floatp", 0.97))
        boxes = np.zeros((1, len(rows) + 1, 4), np.float32)  # one anchor that sees nothing, as most do
        probabilities = np.full((1, len(rows) + 1, 15), 0.002, np.float32)
        for index, (box, name, score) in enumerate(rows):
            boxes[0, index] = box
            probabilities[0, index, STAGE2_CLASSES.index(name)] = score
        return {"boxes": boxes, "probabilities": probabilities}


class FakeLine:
    """Reads the digits' blocks as a line, a step for 4 columns; `sure` is the logit of what it sees."""

    def __init__(self, sure=8.0):
        self.sure = sure

    def __call__(self, batch):
        assert batch.shape == (1, 48, 256, 3) and batch.dtype == np.uint8
        line = batch[0, 24, 2::4].astype(int)  # (64, 3)
        inside = (line[:, 0] > 170) & (line[:, 1] < 60)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], inside, [0]])))
        classes = np.zeros(64, int)
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            classes[left:right] = round((line[(left + right) // 2, 2] - 30) / 20) + 1
        return {"logits": self.sure * np.eye(11, dtype=np.float32)[None, classes]}


def fake_line(sure=8.0):
    """The line reader of displays."""
    return LineReader(FakeLine(sure), LineSettings("display", "0123456789", (48, 256), max_length=10))


def save_onnx(path, outputs, input_shape):
    """An ONNX file that answers the same to every picture; outputs are arrays by name, first axis 1."""
    from onnx import TensorProto, helper, numpy_helper, save

    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["floats"], ["darkest"], keepdims=0),
        helper.make_node("Sub", ["darkest", "darkest"], ["nothing"]),
    ]
    tensors, values = [], []
    for name, value in outputs.items():
        tensors.append(numpy_helper.from_array(value.astype(np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Add", ["nothing", f"{name}_value"], [name]))
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *input_shape])
    graph = helper.make_graph(nodes, "fixed", [images], values, tensors)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def save_fixed_bundle(folder):
    """A bundle whose networks see 0012.345 in the middle of every picture; needs the package onnx."""
    stage1 = {
        "corners": np.array([[[[48, 100], [208, 100], [208, 140], [48, 140]]]]),
        "probabilities": np.array([[[0.9, 0.02, 0.02, 0.02]]]),
    }
    boxes = [(20 + 40 * i, 16, 48 + 40 * i, 48) for i in range(7)] + [(176, 10, 300, 54)]
    probabilities = np.full((1, 8, 15), 0.002)
    for index, name in enumerate([*"0012345", "floatp"]):
        probabilities[0, index, STAGE2_CLASSES.index(name)] = 0.99
    save_onnx(folder / "stage1.onnx", stage1, (SIZE, SIZE, 3))
    save_onnx(folder / "stage2.onnx", {"boxes": np.array([boxes]), "probabilities": probabilities}, (64, 320, 3))
    save_bundle(bundle(extra_looks=0), folder)
