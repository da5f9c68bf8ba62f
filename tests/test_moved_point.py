"""Another number of decimals on the same display: only where colours tell them, and the boxes say what is seen."""

import cv2
import numpy as np
import pytest

from reader.symbols import FLOATP_ID, STAGE2_CLASSES
from training.augment import Stage2Augmentation, stage2_view
from training.datasets import Stage2Sample
from training.display_texts import display_text
from training.moved_point import move_point

BLACK, RED, WHITE, DARK_RED = (25, 25, 30), (200, 30, 40), (240, 238, 230), (150, 20, 30)


def display(digits="47153", decimals=2, ground=(WHITE, WHITE), ink=(BLACK, RED), face=WHITE):
    """Drums of 40 x 24 pixels, in colours (of whole digits, of decimals), on a face with room above and below."""
    image = np.full((64, 30 * len(digits) + 6, 3), face, np.uint8)
    boxes = []
    for place, digit in enumerate(digits):
        kind, left = int(place >= len(digits) - decimals), 6 + 30 * place
        image[12:52, left : left + 24] = ground[kind]
        cv2.putText(image, digit, (left + 3, 44), cv2.FONT_HERSHEY_SIMPLEX, 1, ink[kind], 3)
        boxes.append([left, 12, left + 24, 52])
    labels = [int(digit) for digit in digits]
    if decimals:
        boxes.append([boxes[-decimals][0], 12, boxes[-1][2], 52])
        labels.append(FLOATP_ID)
    return Stage2Sample(image, np.array(boxes, np.float32), np.array(labels), "made")


def red(sample):
    """Which digits look like decimals: has any pixel of theirs the decimals' colour?"""
    at = sample.boxes[sample.labels < FLOATP_ID].round().astype(int)
    parts = [sample.image[y1:y2, x1:x2].astype(int) for x1, y1, x2, y2 in at]
    return [bool((part[..., 0] - part[..., 1] > 90).any()) for part in parts]


def shows(image, box, digit):
    """Whether there is, in any colours, that digit in a box: its outline as `display` draws it."""
    x1, y1, x2, y2 = box.round().astype(int)
    drawn = np.zeros((40, 24, 3), np.uint8)
    cv2.putText(drawn, str(digit), (3, 32), cv2.FONT_HERSHEY_SIMPLEX, 1, WHITE, 3)
    part = cv2.resize(image[y1:y2, x1:x2], (24, 40)).astype(int)
    ink = np.abs(part - part[0, 0]).sum(-1)  # a corner is ground
    return ((ink > 150) == (drawn[..., 0] > 120)).mean() > 0.9


def decimals_of(sample):
    return [char not in "0123456789" for char in display_text(sample.boxes, sample.labels)]


def test_drums_that_are_lighter_or_darker_are_decimals_too():
    sample, lightness = display(ground=(BLACK, WHITE), ink=(WHITE, BLACK)), {}
    for seed in range(40):
        moved = move_point(sample, np.random.default_rng(seed))
        # Above the digit and below it too: nothing is left of the drum that was there.
        grounds = [moved.image[12:52, round(float(box[0])) + 1].mean() > 128 for box in moved.boxes[:5]]
        lightness[sum(decimals_of(moved))] = grounds == decimals_of(moved)
    assert lightness == dict.fromkeys((0, 1, 2, 3), True)


def test_a_sign_of_its_own_for_the_point_stays_where_it_is():
    sample = display()
    labels = np.append(sample.labels, STAGE2_CLASSES.index("point"))
    boxes = np.vstack([sample.boxes, [[92, 46, 95, 52]]])
    sample = Stage2Sample(sample.image, boxes.astype(np.float32), labels, "made")
    assert all(move_point(sample, np.random.default_rng(seed)) is sample for seed in range(10))


@pytest.mark.parametrize(
    ("ground", "ink"), [((WHITE, WHITE), (BLACK, RED)), ((BLACK, DARK_RED), (WHITE, WHITE))], ids=["ink", "drums"]
)
def test_digits_look_as_the_boxes_say(ground, ink):
    sample, seen = display(ground=ground, ink=ink), set()
    before = sample.image.copy()
    for seed in range(40):
        moved = move_point(sample, np.random.default_rng(seed))
        seen.add(sum(decimals_of(moved)))
        assert red(moved) == decimals_of(moved)
        for box, label in zip(moved.boxes, moved.labels, strict=True):
            assert label == FLOATP_ID or shows(moved.image, box, int(label)), "the digit that was copied there"
        assert (moved.labels == FLOATP_ID).sum() == bool(sum(decimals_of(moved)))
    assert seen == {0, 1, 2, 3}
    assert (sample.image == before).all()


@pytest.mark.parametrize(
    "sample",
    [
        display(decimals=0),
        display(decimals=5),
        display(ink=(BLACK, BLACK)),
        Stage2Sample(np.zeros((8, 40, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, int), "empty"),
    ],
    ids=["no decimals", "decimals only", "one colour", "nothing"],
)
def test_others_stay_as_they_are(sample):
    assert all(move_point(sample, np.random.default_rng(seed)) is sample for seed in range(10))


def test_a_frame_around_the_decimals_would_contradict():
    sample = display()
    sample.image[4:10, 94:] = RED
    assert all(move_point(sample, np.random.default_rng(seed)) is sample for seed in range(10))


def test_views_have_it():
    settings = Stage2Augmentation(jitter=0, shift=0, exchange=0, negative=0, loose=0, moved_point=1)
    counts = set()
    for seed in range(30):
        _, boxes, labels = stage2_view(display(), (64, 320), np.random.default_rng(seed), settings)
        counts.add(sum(decimals_of(Stage2Sample(np.zeros((1, 1, 3), np.uint8), boxes, labels, ""))))
    assert counts == {0, 1, 2, 3}


def test_loose_views_lose_a_digit_at_one_end_and_its_box():
    settings = Stage2Augmentation(jitter=0, shift=0, exchange=0, negative=0, moved_point=0, loose=1, loose_by=0.5)
    texts = set()
    for seed in range(60):
        _, boxes, labels = stage2_view(display(decimals=0), (64, 320), np.random.default_rng(seed), settings)
        texts.add(display_text(boxes, labels))
    assert "47153" in texts and texts & {"7153", "153"} and texts & {"4715", "471"}
    assert all(text in "47153" for text in texts)
