"""Photos made by the synthesis: labels that are true, a mix that holds, the same bytes for the same seed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reader.geometry import box_corners, is_clockwise, is_convex, orientation, rectify
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from synthesis import crops, meter
from synthesis.camera import Shot, edge_homography, look_at, random_shot, take
from synthesis.display import DisplayArt, draw_display
from synthesis.faces import box_face, dome_face, draw_face, round_face
from synthesis.layout import Layout
from synthesis.legibility import READABLE, decimals_show, digit_scores, digits_show
from synthesis.meter import MeterPhoto, make_photo
from synthesis.objects import object_with_numbers
from synthesis.paint import blend, put_text, smooth_noise, text_mask, white_noise
from synthesis.soiling import burn_out, cover


@pytest.fixture(scope="module")
def photos() -> list[MeterPhoto]:
    return [make_photo(np.random.default_rng([77, index]), 480) for index in range(90)]


def test_same_generator_same_bytes() -> None:
    first, second = (make_photo(np.random.default_rng([5, 3]), 320) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.reading == second.reading and first.boxes == second.boxes
    other = make_photo(np.random.default_rng([5, 4]), 320)
    assert other.image.shape != first.image.shape or other.image.tobytes() != first.image.tobytes()


@pytest.mark.parametrize("kind", ["analog", "digital"])
def test_meters_of_one_kind(kind: str) -> None:
    classes = {make_photo(np.random.default_rng([6, i]), 320, kind).counter_class for i in range(24)}
    assert {kind, None} <= classes <= {kind, f"{kind}_illegible", None}


def test_photos_obey_the_contract(photos: list[MeterPhoto]) -> None:
    for photo in photos:
        assert photo.image.dtype == np.uint8 and photo.image.ndim == 3 and photo.image.shape[2] == 3
        assert max(photo.image.shape[:2]) == 480
        if photo.corners is None:
            assert photo.counter_class is None and photo.reading is None and photo.boxes == ()
            continue
        assert photo.corners.shape == (4, 2) and photo.corners.dtype == np.float32
        assert photo.counter_class in STAGE1_CLASSES
        h, w = photo.image.shape[:2]
        assert (photo.corners >= -1).all() and (photo.corners <= (w + 1, h + 1)).all(), (
            "the whole display is in the photo"
        )
        assert is_convex(photo.corners) and is_clockwise(photo.corners), "never mirrored"
        legible = not photo.counter_class.endswith("illegible")
        assert (photo.reading is not None) == legible == bool(photo.boxes)
        if legible:
            assert {box[4] for box in photo.boxes} <= set(STAGE2_CLASSES)
            digits = [box for box in photo.boxes if box[4].isdigit()]
            assert "".join(box[4] for box in sorted(digits)) == photo.reading.replace(".", "")


def test_every_class_occurs(photos: list[MeterPhoto]) -> None:
    found = {photo.counter_class for photo in photos}
    assert found >= {*STAGE1_CLASSES, None} - {"digital_illegible"}  # the rarest: 3 or 4 in a hundred
    legible = sum(photo.reading is not None for photo in photos) / len(photos)
    assert 0.6 < legible < 0.9


def test_scales_and_turns_are_spread(photos: list[MeterPhoto]) -> None:
    corners = [photo.corners for photo in photos if photo.corners is not None]
    widths = [np.linalg.norm(c[1] - c[0]) / 480 for c in corners]
    assert min(widths) < 0.2 and max(widths) > 0.45
    turned = [abs(orientation(c)) > 45 for c in corners]
    assert 0.08 < np.mean(turned) < 0.4, "about a quarter lies on its side or upside down"


def test_illegible_of_both_kinds() -> None:
    for kind in ("analog", "digital"):
        photo = meter._photo_of_meter(np.random.default_rng(9), kind, legible=False, size=400)
        assert photo.counter_class == f"{kind}_illegible" and photo.reading is None and photo.boxes == ()


@pytest.mark.parametrize("maker", [round_face, dome_face, box_face])
@pytest.mark.parametrize("roll", [0, 90, 180, 250])
def test_corners_give_back_the_display(maker, roll: int) -> None:
    """With all effects off the rectified photo is the drawn display: corners are right to a pixel, in every turn."""
    rng = np.random.default_rng([roll, 1])
    art = draw_display(rng, "analog")
    face = maker(rng, art.image, "analog", 300.0)
    pose = look_at(tuple(face.quad.mean(0)), (400.0, 400.0), 0.9, roll, 12, -9, 900)
    photo = cv2.warpPerspective(face.image, edge_homography(pose.homography), (800, 800))
    corners = pose.project(face.quad)
    assert abs((orientation(corners) - roll + 180) % 360 - 180) < 6
    assert digit_scores(photo, corners, art.image, art.digits).min() > 0.8, "the frame may shade an edge"
    # two pixels of a 30 pixel high display are enough to tell right corners from wrong ones
    size = art.image.shape[0] // 2, art.image.shape[1] // 2
    drawn = cv2.resize(art.image, size[::-1], interpolation=cv2.INTER_AREA)
    likeness = [
        np.corrcoef(rectify(photo, corners + shift, 0.0, size)[0].ravel(), drawn.ravel())[0, 1]
        for shift in ((0, 0), (3, 3), (-3, 3))
    ]
    assert likeness[0] > 0.9 and likeness[0] == max(likeness)


def test_layout_never_gives_room_twice() -> None:
    layout = Layout(np.full((100, 100), 255, np.uint8), 5)
    layout.take((0, 0, 100, 50))
    rng = np.random.default_rng(0)
    places = [place for place in (layout.place(rng, 30, 20) for _ in range(50)) if place]
    assert places and all(y > 55 for _, y in places)
    for i, (x1, y1) in enumerate(places):
        assert all(abs(x1 - x2) >= 30 or abs(y1 - y2) >= 20 for x2, y2 in places[:i])
    assert layout.place(rng, 500, 500) is None


def plain_display(
    ground: tuple[int, int, int] = (200, 200, 200), ink: tuple[int, int, int] = (30, 30, 30)
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A display with 2583, its digit boxes, a wall that it hangs on, its corners there."""
    art = np.full((100, 400, 3), ground, np.uint8)
    for i, digit in enumerate("2583"):
        put_text(art, digit, (50 + 100 * i, 50), 60, ink, 0)
    boxes = np.array([[20 + 100 * i, 15, 80 + 100 * i, 85] for i in range(4)], float)
    wall = np.full((300, 600, 3), 120, np.uint8)
    wall[100:200, 100:500] = art
    return art, boxes, wall, np.array([[100, 100], [500, 100], [500, 200], [100, 200]], np.float32)


def labelled(art: np.ndarray, boxes: np.ndarray) -> DisplayArt:
    """A plain display with its labels."""
    named = tuple((*box, digit) for box, digit in zip(boxes.tolist(), "2583", strict=True))
    return DisplayArt(art, named, "2583", "analog")


def photographed(art: np.ndarray, shot: Shot) -> tuple[np.ndarray, np.ndarray]:
    """A photo of a display that hangs in the plain one's place, and its corners there."""
    _, _, wall, corners = plain_display()
    wall[100:200, 100:500] = art
    return take(np.random.default_rng(0), wall, shot), corners


@pytest.mark.parametrize(
    ("shot", "low", "high", "reason"),
    [
        (Shot(), 0.9, 1.01, "a clean photo"),
        (Shot(defocus=20), 0, 0.2, "blurred over more than a stroke"),
        (Shot(defocus=12), 0, READABLE, "so blurred that 5 and 8 look alike"),
        (Shot(defocus=5), READABLE, 1.01, "blurred, and each digit can be told"),
        (Shot(exposure=0.01), 0, 0.2, "dark"),
        (Shot(noise=300), 0, 0.8, "grain stronger than the print"),
    ],
)
def test_legibility_measure(shot: Shot, low: float, high: float, reason: str) -> None:
    art, boxes, scene_, corners = plain_display()
    photo = take(np.random.default_rng(0), scene_, shot)
    scores = digit_scores(photo, corners, art, boxes)
    assert scores.shape == (4,) and low <= scores.min() and scores.max() <= high, reason


@pytest.mark.parametrize(
    ("ground", "ink", "shown", "reason"),
    [
        ((200, 200, 200), (30, 30, 30), True, "black on white"),
        ((30, 30, 30), (200, 200, 200), True, "white on black"),
        ((215, 190, 120), (215, 120, 90), True, "red on yellow, alike in red"),
        ((200, 200, 200), (194, 194, 194), False, "ink that is like its ground"),
    ],
)
def test_drawn_digits_that_show(ground, ink, shown: bool, reason: str) -> None:
    art, boxes, _, _ = plain_display(ground, ink)
    assert digits_show(art, box_corners((0, 0, 400, 100)), labelled(art, boxes)) == shown, reason


def test_one_digit_that_does_not_show_is_enough() -> None:
    art, boxes, wall, corners = plain_display()
    display = labelled(art, boxes)
    assert digits_show(wall, corners, display)
    wall[100:200, 410:490] = 200
    assert not digits_show(wall, corners, display)


def display_with_decimals(ink: tuple[int, int, int], frame: tuple[int, int, int] | None, point: bool) -> DisplayArt:
    """25.83: the last two digits in a colour of their own, in a frame, behind a point, or in nothing of it."""
    art = np.full((100, 400, 3), 200, np.uint8)
    boxes: list[tuple[float, float, float, float, str]] = []
    if frame:
        art[:, 200:] = frame
        art[10:90, 210:290] = art[10:90, 310:390] = 200
    for i, digit in enumerate("2583"):
        put_text(art, digit, (50 + 100 * i, 50), 60, (30, 30, 30) if i < 2 else ink, 0)
        boxes.append((20 + 100 * i, 15, 80 + 100 * i, 85, digit))
    if point:
        art[78:90, 194:206] = 30
        boxes.append((192, 76, 208, 92, "point"))
    return DisplayArt(art, tuple(boxes), "25.83", "analog")


@pytest.mark.parametrize(
    ("ink", "frame", "point", "shot", "shown", "reason"),
    [
        ((130, 25, 25), None, False, Shot(), True, "red digits"),
        ((130, 25, 25), None, False, Shot(saturation=0.0), False, "red digits on a picture without colours"),
        ((130, 25, 25), None, False, Shot(exposure=0.05), False, "red digits in the dark"),
        ((30, 30, 30), (170, 40, 40), False, Shot(), True, "a red frame around black digits"),
        ((30, 30, 30), None, False, Shot(), False, "nothing tells them"),
        ((30, 30, 30), None, True, Shot(saturation=0.0), True, "a point needs no colour"),
        ((30, 30, 30), None, True, Shot(defocus=14), False, "a point lost in the blur"),
        ((30, 30, 30), None, False, Shot(falloff=0.75), False, "light that falls off is no colour"),
    ],
)
def test_decimals_that_show(ink, frame, point: bool, shot: Shot, shown: bool, reason: str) -> None:
    art = display_with_decimals(ink, frame, point)
    photo, corners = photographed(art.image, shot)
    assert decimals_show(photo, corners, art) == shown, reason


@pytest.mark.parametrize(
    ("colour", "blur", "shown", "reason"),
    [
        (30, 0.0, True, "a black point in the gap"),
        (170, 0.0, True, "a pale one"),
        (194, 0.0, False, "one that is like the ground"),
        (170, 9.0, False, "a pale one that the lens spread"),
    ],
)
def test_points_that_show(colour: int, blur: float, shown: bool, reason: str) -> None:
    art = display_with_decimals((30, 30, 30), None, False)
    image = art.image.copy()
    image[78:90, 150:190] = 30  # the foot of the digit before the point
    image[78:90, 194:206] = colour
    drawn = DisplayArt(image, (*art.boxes, (192.0, 76.0, 208.0, 92.0, "point")), "25.83", "analog")
    photo, corners = photographed(image, Shot(defocus=blur))
    assert decimals_show(photo, corners, drawn) == shown, reason


def test_a_display_without_decimals_shows_all_of_them() -> None:
    art, boxes, wall, corners = plain_display()
    assert decimals_show(wall, corners, labelled(art, boxes))


def test_a_photo_whose_decimals_do_not_show_is_taken_again(monkeypatch) -> None:
    shows = iter([False] * 4)  # three settings of the first display, one of the next
    monkeypatch.setattr(meter, "decimals_show", lambda photo, corners, art: next(shows, True))
    photo = meter._photo_of_meter(np.random.default_rng(0), "analog", legible=True, size=320)
    assert photo.reading is not None and list(shows) == []


def test_a_drawn_display_whose_decimals_do_not_show_is_drawn_again(monkeypatch) -> None:
    dull, marked = (display_with_decimals(ink, None, False) for ink in ((30, 30, 30), (200, 40, 40)))
    drawn = iter([dull, dull, marked])
    monkeypatch.setattr(crops, "draw_display", lambda rng, kind: next(drawn))
    made = crops.make_display(np.random.default_rng(0))
    room = (made.image.shape[0] - marked.image.shape[0]) // 2
    assert np.array_equal(made.image[room:-room, room:-room], marked.image) and list(drawn) == []


def test_lcds_cut_out_at_their_digits_keep_every_digit_and_its_place(monkeypatch) -> None:
    monkeypatch.setattr(crops, "_TIGHT", 1.0)
    for seed in range(40):
        made = crops.make_display(np.random.default_rng(seed), "digital")
        height, width = made.image.shape[:2]
        digits = sorted(box for box in made.boxes if box[4].isdigit())
        assert "".join(box[4] for box in digits) == made.reading.replace(".", "")
        assert all(0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height for x1, y1, x2, y2, _ in made.boxes)
        room = min(box[1] for box in digits), height - max(box[3] for box in digits)
        assert max(room) < 0.4 * height, "little else is left above and below"
        assert ("." in made.reading) == any(box[4] == "floatp" for box in made.boxes)


@pytest.mark.parametrize("spoil", [burn_out, cover])
def test_glare_and_covers_hide_most_digits(spoil) -> None:
    for seed in range(12):
        art, boxes, wall, corners = plain_display()
        spoil(wall, np.random.default_rng(seed), corners)
        assert np.median(digit_scores(wall, corners, art, boxes)) < 0.5, seed


def test_gentler_settings_keep_more() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        shot = random_shot(rng, 30.0)
        gentle = shot.gentler()
        assert (
            gentle.noise <= shot.noise and gentle.defocus <= shot.defocus and gentle.exposure >= min(shot.exposure, 1)
        )


def test_blend_cuts_at_the_edges_and_keeps_what_is_not_masked() -> None:
    img = np.full((10, 10, 3), 7, np.uint8)
    blend(img, np.full((4, 4), 255, np.uint8), (200, 100, 50), -2, -2)
    assert (img[:2, :2] == (200, 100, 50)).all() and (img[2:] == 7).all() and (img[:, 2:] == 7).all()
    before = img.copy()
    blend(img, np.full((4, 4), 255, np.uint8), (0, 0, 0), 50, 50)  # outside
    blend(img, np.zeros((4, 4), np.uint8), (0, 0, 0), 2, 2)  # nothing to paint
    assert (img == before).all()
    blend(img, np.full((1, 1), 255, np.uint8), (107, 107, 107), 5, 5, alpha=0.5)
    assert abs(int(img[5, 5, 0]) - 57) <= 1


@pytest.mark.parametrize("text", ["m³", "№ 123", "счётчик", "Qn 1,5", "°C", ".", " "])
def test_all_texts_can_be_set_in_all_fonts(text: str) -> None:
    for font in range(60):
        mask = text_mask(text, font, 12)
        assert mask.dtype == np.uint8 and mask.ndim == 2
        assert mask.any() == bool(text.strip())


def test_noise_windows_of_any_size() -> None:
    rng = np.random.default_rng(0)
    for h, w in ((1, 1), (1024, 1024), (1500, 300), (2500, 2100)):
        assert white_noise(rng, h, w).shape == (h, w)
    assert smooth_noise(rng, 37, 53, 10).shape == (37, 53)


def test_objects_with_numbers_fill_their_masks() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        picture, mask = object_with_numbers(rng, 120)
        assert picture.shape == (120, 120, 3) and mask.shape == (120, 120) and mask.mean() > 20


def test_faces_of_the_smallest_and_largest_displays() -> None:
    rng = np.random.default_rng(2)
    for width in (20.0, 560.0):
        for kind in ("analog", "digital"):
            face = draw_face(rng, draw_display(rng, kind).image, kind, width)
            assert abs(face.quad[1, 0] - face.quad[0, 0] - width) <= 1
            assert face.image.shape[:2] == face.mask.shape == face.glass.shape
