"""Makes stage 2 labels for sets that only have readings: see training/alignment.py for how."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from reader.geometry import MARGIN, box_corners, rectify, warp_points
from reader.image import load_image
from reader.symbols import STAGE2_CLASSES
from reader.types import UInt8
from training.alignment import Aligned, align, divide, drawn, layouts
from training.augment import stretch
from training.jsonl_records import read_boxes, read_corners, read_readings, with_corners, with_reading


class LabelError(ValueError):
    """The set cannot be labelled; one line says why."""


@dataclass(frozen=True)
class _Cut:
    """A display with its margin.

    `inner` is (left, top, width, height) of the display itself in it, `from_photo` the (3, 3) homography to its pixels.
    """

    image: UInt8
    from_photo: np.ndarray
    inner: tuple[float, float, float, float]
    record: dict[str, Any]
    name: str


def label_displays(
    manifest: Path,
    out: Path,
    model: Path | None = None,
    exact: bool = False,
    drums: int | None = None,
    tolerated: int = 1,
    splits: tuple[str, ...] = ("train",),
    kinds: tuple[str, ...] = ("full_photo", "display_crop"),
    corners: Path | None = None,
    boxes: Path | None = None,
    readings: Path | None = None,
) -> dict[str, int]:
    """Labels every display of a JSONL set that has a reading, and corners or is a display already.

    Args:
        manifest: the set's manifest.jsonl.
        out: folder to make: `crops/`, `manifest.jsonl`, `disagreements.jsonl`.
        model: stage 2 weights, or None to divide evenly.
        exact: readings stand on the display as they are.
        drums: of every display; None: 8 with decimals and 5 without (even division), or as many as are found (model).
        tolerated: digits that may disagree.
        splits: splits to take.
        kinds: kinds of records to take. A photo and its crop have one name, so each kind makes a folder of its own;
            a later split by name then keeps both on the same side.
        corners: file with corners of records that have none, see `training.jsonl_records.read_corners`.
        boxes: file with boxes drawn by hand, see `training.jsonl_records.read_boxes`; they win over all others.
        readings: file with corrected readings, see `training.jsonl_records.read_readings`; they win over the set's.

    Returns:
        Counts: labelled, disagreeing, skipped.

    Raises:
        LabelError: the folder exists, or nothing in the set can be labelled.
        DatasetError: the file of corners, of boxes or of readings cannot be understood.
    """
    if out.exists():
        raise LabelError(f"{out} exists; a new folder is wanted")
    noted, hand_drawn, corrected = read_corners(corners), read_boxes(boxes), read_readings(readings)
    lines = [line for line in manifest.read_text().splitlines() if line.strip()]
    records = [with_reading(with_corners(json.loads(line), noted), corrected) for line in lines]
    cuts = list(_cuts(manifest.parent, [r for r in records if _wanted(r, splits, kinds)]))
    if not cuts:
        raise LabelError(f"{manifest}: no record of the splits {splits} has a reading and corners (or is a display)")
    labels = _by_model(cuts, model, exact, tolerated) if model else _evenly(cuts, exact, drums)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "crops").mkdir(parents=True)
    counts: Counter[str] = Counter()
    with (partial / "manifest.jsonl").open("w") as good, (partial / "disagreements.jsonl").open("w") as bad:
        for cut, found in zip(cuts, labels, strict=True):
            by_hand = hand_drawn.get(cut.record["image"])
            label = found if by_hand is None else _by_hand(cut, by_hand)
            if by_hand is not None:
                counts["labelled by hand"] += 1
            if label is None:
                counts["disagreeing"] += 1
                bad.write(json.dumps({"image": cut.record["image"], "reading": cut.record["reading"]}) + "\n")
                continue
            counts["labelled"] += 1
            if label.disagreements:
                counts["labelled with a disagreeing digit"] += 1
            cv2.imwrite(str(partial / "crops" / cut.name), cut.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            good.write(json.dumps(_record(cut, label)) + "\n")
    partial.replace(out)
    return dict(counts)


def _wanted(record: dict[str, Any], splits: tuple[str, ...], kinds: tuple[str, ...]) -> bool:
    return bool(record.get("split") in splits and record.get("kind") in kinds and record.get("reading"))


def _record(cut: _Cut, label: Aligned) -> dict[str, Any]:
    boxes = [
        [*(round(float(v), 1) for v in box), STAGE2_CLASSES[c]]
        for box, c in zip(label.boxes, label.labels, strict=True)
    ]
    return {
        "image": f"crops/{cut.name}",
        "reading": cut.record["reading"],
        "corners": None,
        "boxes": boxes,
        "kind": "display_crop",
        "split": cut.record["split"],
    }


def _by_hand(cut: _Cut, boxes: list[list[Any]]) -> Aligned:
    quads = warp_points(box_corners(np.array([box[:4] for box in boxes], np.float64)), cut.from_photo)  # (n, 4, 2)
    xyxy = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1).astype(np.float32)
    return drawn(xyxy, [int(box[4]) for box in boxes], cut.record["reading"])


def _cuts(folder: Path, records: list[dict[str, Any]]) -> Iterator[_Cut]:
    for record in tqdm(records, desc="cutting displays", unit="photo"):
        photo = load_image(folder / record["image"])
        name = f"{Path(record['image']).stem}.jpg"
        if record.get("corners"):
            image, from_photo = rectify(photo, np.array(record["corners"], np.float32), MARGIN)
            height = image.shape[0] / (1 + 2 * MARGIN)
            room = MARGIN * height
        elif record["kind"] == "display_crop":
            # Cut along the display's edges: the margin that the network is used to is what the edge continues as.
            height = float(photo.shape[0])
            room = round(MARGIN * height)
            image = cv2.copyMakeBorder(photo, room, room, room, room, cv2.BORDER_REPLICATE)
            from_photo = np.array([[1, 0, room], [0, 1, room], [0, 0, 1]], np.float64)
        else:
            continue
        yield _Cut(image, from_photo, (room, room, image.shape[1] - 2 * room, height), record, name)


def _evenly(cuts: list[_Cut], exact: bool, drums: int | None) -> Iterator[Aligned | None]:
    for cut in cuts:
        reading = cut.record["reading"]
        left, top, width, height = cut.inner
        decimals = reading.partition(".")[2].strip("0")
        # Without decimals a short display is one without decimal drums; a long one has lost ".000".
        count = drums or (len(reading.replace(".", "")) if exact else 8 if decimals or width / height > 5.6 else 5)
        wanted = 0 if count == 5 and not exact else 3
        fitting = layouts(reading, count, exact)
        chosen = next((f for f in fitting if exact or f[1] == wanted), None)
        yield None if chosen is None else divide(width, height, left, top, *chosen)


def _by_model(cuts: list[_Cut], path: Path, exact: bool, tolerated: int) -> Iterator[Aligned | None]:
    from retinanet.anchors import box_anchors, decode_boxes
    from retinanet.config import Stage2Config
    from retinanet.fit import digit_detections
    from retinanet.release import load

    network, config = load(path)
    if not isinstance(config, Stage2Config):
        raise LabelError(f"{path}: holds {network.name}; a stage 2 network was wanted")
    anchors, (height, width) = box_anchors(config), config.input_size
    for start in tqdm(range(0, len(cuts), 64), desc="reading displays", unit="batch"):
        part = cuts[start : start + 64]
        views = np.stack([stretch(c.image, config.input_size) for c in part])
        raw = network.predict_on_batch(views)
        for cut, logits, deltas in zip(part, raw["classes"], raw["boxes"], strict=True):
            boxes, probabilities = digit_detections(np.asarray(logits), decode_boxes(np.asarray(deltas), anchors))
            h, w = cut.image.shape[:2]
            scaled = boxes * np.array([w / width, h / height, w / width, h / height], np.float32)
            yield align(scaled, probabilities, cut.record["reading"], exact, tolerated)
