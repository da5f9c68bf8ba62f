"""From a photo to its reading: both networks and everything between them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from reader.bundle import DEFAULT_FOLDER, Bundle, BundleError, load_bundle
from reader.confidence import reading_confidence, reading_features
from reader.corners import CornerSharpener, DisplayJudge
from reader.decode import boxes_from_outputs, decode_views
from reader.displays import displays_from_outputs
from reader.gaps import GapView, PointReader
from reader.geometry import (
    box_corners,
    expand,
    height_steps,
    inverse,
    quad_iou,
    rectify,
    second_look,
    warp,
    warp_points,
    windows,
)
from reader.image import ImageError, Source, letterbox
from reader.joint import LineView, evidence, line_steps
from reader.lines import LineReader
from reader.photo import Photo, open_photo
from reader.runtime import Network, load_network
from reader.symbols import STAGE1_CLASSES, UNKNOWN
from reader.types import (
    ILLEGIBLE,
    LOW_CONFIDENCE,
    NO_DISPLAY,
    UNKNOWN_DIGIT,
    Boxes,
    Display,
    PhotoDigit,
    Reading,
    Result,
    UInt8,
)

#: The line reader of this task reads meters' displays.
DISPLAY_TASK = "display"
#: Quarters by which a photo is turned, one after the other, while nothing convinces.
_TURNS = (0, 1, 3)
#: A look at the surroundings is about the same display when its corners overlap the earlier ones by this much.
_SAME_DISPLAY = 0.2
#: A look replaces the earlier corners when its score is at least this part of theirs.
_GOOD_LOOK = 0.6
#: A place that a closer look does not confirm keeps this part of its score.
_UNCONFIRMED = 0.5


@dataclass(frozen=True)
class Found:
    """The display of a photo.

    Attributes:
        display: corners from the last good look, score and class shares from the best one.
        agreement: overlap (IoU) of the corners of the last two looks; 1 with a single look.
    """

    display: Display
    agreement: float


@dataclass(frozen=True)
class ReadDisplay:
    """What one display says.

    Attributes:
        reading: with calibrated confidences.
        to_photo: (3, 3) float64, the homography from pixels of the rectified display to photo pixels.
        features: the numbers behind the reading's confidence, see `reader.confidence.READING_FEATURES`.
    """

    reading: Reading
    to_photo: npt.NDArray[np.float64]
    features: npt.NDArray[np.float64]


class MeterReader:
    """Reads meters on photos.

    `MeterReader.load()` takes the shipped weights; `MeterReader(stage1, stage2, bundle)` takes any networks that obey
    the contract of `reader.runtime.Network`:

    * stage 1: (N, S, S, 3) uint8 -> "corners" (N, K, 4, 2) in input pixels, "probabilities" (N, K, 4);
    * stage 2: (N, h, w, 3) uint8 -> "boxes" (N, K, 4) xyxy in input pixels, "probabilities" (N, K, 15).

    With a `line` reader the display is read as a line too, and both opinions together decide on the digits; `points`
    then looks at the gaps between them for the decimal point. A `sharpener` puts the corners right that stage 1 found,
    and a `judge` refuses what only looks like a display.
    """

    def __init__(
        self,
        stage1: Network,
        stage2: Network,
        bundle: Bundle,
        min_confidence: float | None = None,
        line: LineReader | None = None,
        points: PointReader | None = None,
        sharpener: CornerSharpener | None = None,
        judge: DisplayJudge | None = None,
    ) -> None:
        if min_confidence is None:
            min_confidence = bundle.calibration.threshold
        if not 0 <= min_confidence <= 1:
            raise ValueError(f"min_confidence lies in 0 to 1, not {min_confidence}")
        self.stage1 = stage1
        self.stage2 = stage2
        self.bundle = bundle
        self.min_confidence = min_confidence
        self.line = line
        self.points = points
        self.sharpener = sharpener
        self.judge = judge

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        runtime: str = "auto",
        min_confidence: float | None = None,
        threads: int | None = None,
        use_line: bool = True,
        device: str = "auto",
    ) -> MeterReader:
        """A reader on exported networks.

        Args:
            path: the bundle's folder; None takes deploy/models.
            runtime: one of `reader.runtime.RUNTIMES`, or "auto".
            min_confidence: readings below this confidence are rejected; None takes the bundle's threshold, below which
                a reading is more likely an accident.
            threads: CPU threads for each network; None takes as many as this process may use.
            use_line: read displays as lines too, where the bundle has a line reader for "display".
            device: one of `reader.runtime.DEVICES`.

        Raises:
            BundleError: the folder is no usable bundle, or there is no such runtime or device.
        """
        folder = Path(path) if path is not None else DEFAULT_FOLDER
        bundle = load_bundle(folder)
        stage1 = load_network(folder, bundle.stage1.files, runtime, threads, device)
        stage2 = load_network(folder, bundle.stage2.files, runtime, threads, device)
        line = None
        if use_line and DISPLAY_TASK in bundle.lines:
            settings = bundle.lines[DISPLAY_TASK]
            line = LineReader(load_network(folder, settings.files, runtime, threads, device), settings)
        points = None
        if line is not None and bundle.point is not None:  # weighed beside the line reader's opinion only
            points = PointReader(load_network(folder, bundle.point.files, runtime, threads, device), bundle.point)
        sharpener = None
        if bundle.corners is not None:
            sharpener = CornerSharpener(
                load_network(folder, bundle.corners.files, runtime, threads, device), bundle.corners
            )
        judge = None
        if bundle.judge is not None:
            judge = DisplayJudge(load_network(folder, bundle.judge.files, runtime, threads, device), bundle.judge)
        return cls(stage1, stage2, bundle, min_confidence, line, points, sharpener, judge)

    def with_bundle(self, bundle: Bundle) -> MeterReader:
        """The same networks under other settings; confidences decide as that bundle's calibration has it."""
        return MeterReader(
            self.stage1,
            self.stage2,
            bundle,
            line=self.line,
            points=self.points,
            sharpener=self.sharpener,
            judge=self.judge,
        )

    def read(self, source: Source | Photo, decimals: int | None = None, name: str | None = None) -> Result:
        """The reading of one photo.

        Args:
            source: path, bytes of an encoded picture, or array, see `reader.image.load_image`; or what
                `reader.photo.open_photo` made of it.
            decimals: the number of digits after the decimal point, where the caller knows it.
            name: what the result calls the photo; by default its path.

        Raises:
            ImageError: the source is no readable picture.
        """
        start = perf_counter()
        photo = source if isinstance(source, Photo) else open_photo(source)
        if name is None:
            name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
        times = {"load": perf_counter() - start}
        result = self._read_photo(photo, decimals, times)
        return replace(result, image=name, original_image_shape=photo.shape, times=times, time=perf_counter() - start)

    def read_many(self, sources: Iterable[Source], decimals: int | None = None) -> Iterator[Result]:
        """The readings of many photos, in their order; one that cannot be loaded gives a result with `error` set."""
        for source in sources:
            try:
                yield self.read(source, decimals)
            except ImageError as error:
                name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
                yield Result(name, error=str(error))

    def _read_photo(self, photo: Photo, decimals: int | None, times: dict[str, float]) -> Result:
        start = perf_counter()
        found, places = self._search(photo)
        times["stage1"] = perf_counter() - start
        if found is None:
            return Result("", reason=NO_DISPLAY)
        if self.is_illegible(found.display):
            return replace(self._described(found.display, legible=False), reason=ILLEGIBLE)
        start = perf_counter()
        found, read = self._read_elsewhere(photo, places, *self.read_upright(photo, found, decimals), decimals)
        times["stage2"] = perf_counter() - start
        result = replace(
            self._described(found.display, legible=True),
            confidence=read.reading.confidence,
            digits=photo_digits(read),
        )
        return self._judge(result, read.reading)

    def _described(self, display: Display, legible: bool) -> Result:
        name = self._class_name(display, legible)
        return Result("", counter_class=name, counter_score=display.score, corners=display.corners)

    def _judge(self, result: Result, reading: Reading) -> Result:
        """Success or the reason against it. A rejected reading is moved away from `text`."""
        if not reading.text or UNKNOWN in reading.text:
            return replace(result, text=reading.text, reason=UNKNOWN_DIGIT)
        if reading.confidence < self.min_confidence:
            return replace(result, rejected_text=reading.text, reason=LOW_CONFIDENCE)
        return replace(result, text=reading.text, success=True)

    def find_display(self, photo: UInt8 | Photo) -> Found | None:
        """The best display of a photo (H, W, 3) uint8 RGB, corners in photo pixels; None when there is none.

        The best place of the upright photo is looked at again. When that leaves a doubt, the next best places are
        looked at too, and those of the photo turned by a quarter either way: people turn their phones, and other
        things look like displays from afar. The place that convinces most from close by is the display.
        """
        return self._search(Photo.of(photo))[0]

    def _search(self, photo: Photo) -> tuple[Found | None, Iterator[tuple[Found, float]]]:
        """The display, and the places that were not looked at closely yet."""
        settings = self.bundle.stage1
        places = self.places(photo)
        found = self._convincing(photo, places, settings.believed)
        if found is None:
            places = self._closer_places(photo)
            # Many windows show much that looks a little like a display, and clutter that nobody could read looks like a
            # display that nobody can read. Of 104 displays far away that were read right none scored under 0.85, of 13
            # other things none over 0.8.
            found = self._convincing(photo, places, settings.sure)
            if found is not None and self.is_illegible(found.display):
                found = None
        return found, places

    def _sharpened(self, photo: Photo, found: Found) -> Found | None:
        """The same display with its corners put right; None where there is none. As far as there are networks for it.

        A display that nobody can read is not judged: it is refused anyway.
        """
        display = found.display
        if self.sharpener is not None:
            display = replace(display, corners=self.sharpener(photo, display.corners))
        sharp = replace(found, display=display)
        if self.judge is None or self.is_illegible(display):
            return sharp
        shown = self.judge(photo, display.corners, lambda: self.read_upright(photo, sharp)[1].reading.confidence)
        return sharp if shown else None

    def places(self, photo: Photo) -> Iterator[tuple[Found, float]]:
        """The places that look like a display, each looked at closely when it is asked for, and how it convinced."""
        overview = photo.overview(self.bundle.stage1.input_size)
        for turns in _TURNS:
            for display in self._first_look(*overview, turns)[: self.bundle.stage1.candidates]:
                yield self._confirm(photo, display)

    def _closer_places(self, photo: Photo) -> Iterator[tuple[Found, float]]:
        """The same of the photo seen through windows, all of one direction before the next; best first of each."""
        settings = self.bundle.stage1
        size = settings.input_size
        side = settings.window * max(photo.shape)
        if settings.window >= 1 or side < size:  # the windows would show nothing that the whole does not
            return
        scale = size / side
        views = []
        for left, top in windows(photo.shape[1], photo.shape[0], side):
            to_window = np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1]])
            views.append((photo.warp(to_window, (size, size)), inverse(to_window)))
        for turns in _TURNS:
            seen = [display for view in views for display in self._first_look(*view, turns)]
            kept: list[Display] = []
            for display in sorted(seen, key=lambda each: -each.score):
                if all(quad_iou(display.corners, other.corners) <= _SAME_DISPLAY for other in kept):
                    kept.append(display)
            for display in kept[: settings.candidates]:
                yield self._confirm(photo, display)

    def _convincing(self, photo: Photo, places: Iterator[tuple[Found, float]], believed: float) -> Found | None:
        """The place that convinces most, of all up to the first that leaves no doubt; None where none is believed.

        Its corners are put right. A place that is no display from close by convinces nobody.

        Args:
            photo: the photo of the places.
            places: see `places`.
            believed: a display whose best look has a lower score is none.
        """
        settings = self.bundle.stage1
        best: Found | None = None
        best_score = 0.0
        for found, score in places:
            if score > best_score:
                sharp = found if found.display.score < believed else self._sharpened(photo, found)
                if sharp is not None:
                    best, best_score = sharp, score
            if best is not None and (best_score >= settings.sure or settings.extra_looks == 0):
                break
        return None if best is None or best.display.score < believed else best

    def _read_elsewhere(
        self,
        photo: Photo,
        places: Iterator[tuple[Found, float]],
        found: Found,
        read: ReadDisplay,
        decimals: int | None,
    ) -> tuple[Found, ReadDisplay]:
        """What the display says, or another place that was not looked at yet where what it says makes little sense.

        A label or a dial sometimes convinces more than the display beside it; what is read there tells.
        """
        joint = self.bundle.joint
        if self.line is None or evidence(read.reading) >= joint.elsewhere:
            return found, read
        first = found.display
        for other, _ in places:
            display = other.display
            same = quad_iou(display.corners, first.corners) > _SAME_DISPLAY
            if same or display.score < self.bundle.stage1.believed or self.is_illegible(display):
                continue
            sharp = self._sharpened(photo, other)
            if sharp is None:
                continue
            other, again = self.read_upright(photo, sharp, decimals)
            if evidence(again.reading) > evidence(read.reading) + joint.turned:
                found, read = other, again
            if evidence(read.reading) >= joint.elsewhere:
                break
        return found, read

    def _first_look(self, small: UInt8, to_photo: npt.NDArray[np.float64], turns: int) -> list[Display]:
        """Displays on the small photo turned by so many quarters counter-clockwise; corners in photo pixels."""
        square, placed = letterbox(np.rot90(small, turns), self.bundle.stage1.input_size)
        found = []
        for seen in self._detect(square):
            corners = _turned_back(placed.inverse(seen.corners), turns, *small.shape[:2])
            found.append(replace(seen, corners=warp_points(corners, to_photo).astype(np.float32)))
        return found

    def _confirm(self, photo: Photo, display: Display) -> tuple[Found, float]:
        """The display after looking again, and how much the last look was convinced."""
        agreement, score = 1.0, display.score
        for _ in range(self.bundle.stage1.extra_looks):
            looked = self._look_again(photo, display)
            if looked is None:
                return Found(display, 0.0), _UNCONFIRMED * display.score
            agreement, score = quad_iou(looked.corners, display.corners), looked.score
            surer = max(looked, display, key=lambda each: each.score)
            display = replace(surer, corners=looked.corners)
            if agreement > self.bundle.stage1.settled:
                break
        return Found(display, agreement), score

    def _look_again(self, photo: Photo, display: Display) -> Display | None:
        """The same display seen enlarged and upright, or None when that look did not find it well."""
        settings = self.bundle.stage1
        size = settings.input_size
        to_look = second_look(display.corners, size, settings.fill)
        to_photo = inverse(to_look)
        for seen in self._detect(warp(photo, to_look, (size, size))):
            corners = warp_points(seen.corners, to_photo).astype(np.float32)
            if quad_iou(corners, display.corners) > _SAME_DISPLAY:
                return replace(seen, corners=corners) if seen.score >= _GOOD_LOOK * display.score else None
        return None

    def _detect(self, square: UInt8) -> list[Display]:
        outputs = self.stage1(square[None])  # (1, S, S, 3)
        return displays_from_outputs(
            outputs["corners"][0], outputs["probabilities"][0], self.bundle.stage1.score_threshold
        )

    def read_upright(
        self, photo: UInt8 | Photo, found: Found, decimals: int | None = None
    ) -> tuple[Found, ReadDisplay]:
        """What the display says, and where it is: turned by 180 degrees where its reading makes more sense so.

        A display is read the other way up only when its reading is in doubt and there is a line reader, which was
        shown displays upside down.

        Args:
            photo: see `read_display`.
            found: see `read_display`.
            decimals: see `read_display`.
        """
        photo = Photo.of(photo)
        read = self.read_display(photo, found, decimals)
        joint = self.bundle.joint
        if self.line is None or evidence(read.reading) >= joint.upright:
            return found, read
        display = replace(found.display, corners=np.roll(found.display.corners, 2, axis=0))
        other = replace(found, display=display)
        turned = self.read_display(photo, other, decimals)
        if evidence(turned.reading) > evidence(read.reading) + joint.turned:
            return other, turned
        return found, read

    def read_display(self, photo: UInt8 | Photo, found: Found, decimals: int | None = None) -> ReadDisplay:
        """What the display at known corners says; legible or not.

        Args:
            photo: (H, W, 3) uint8 RGB, or a `Photo` of it.
            found: where the display is, corners in photo pixels.
            decimals: the number of decimals, where the caller knows it.

        Raises:
            ValueError: the corners enclose no area.
        """
        photo = Photo.of(photo)
        display = found.display
        first, picture, to_picture = self._view(photo, display.corners, None)
        gaps = self._gap_view(photo, display, picture) if decimals is None else None
        line = self._line_view(photo, display, to_picture, ())
        views, reading = [first], self._decode([first], picture, display, to_picture, decimals, line, gaps)
        joint = self.bundle.joint
        if line is not None and any(digit.confidence < joint.sure for digit in reading.digits):
            line = self._line_view(photo, display, to_picture, joint.moves)
            reading = self._decode(views, picture, display, to_picture, decimals, line, gaps)
        features, confidence = self._confidence(reading, found)
        if confidence < self.bundle.stage2.sure:
            for moved in self.bundle.stage2.moves:
                with contextlib.suppress(ValueError):  # moved so far that no area is left
                    views.append(self._view(photo, _moved(display.corners, moved), to_picture)[0])
            reading = self._decode(views, picture, display, to_picture, decimals, line, gaps)
            features, confidence = self._confidence(reading, found)
        return ReadDisplay(replace(reading, confidence=confidence), inverse(to_picture), features)

    def _confidence(self, reading: Reading, found: Found) -> tuple[npt.NDArray[np.float64], float]:
        features = reading_features(reading, found.display, found.agreement)
        return features, reading_confidence(reading, features, self.bundle.calibration)

    def _view(
        self, photo: Photo, corners: npt.ArrayLike, base: npt.NDArray[np.float64] | None
    ) -> tuple[Boxes, UInt8, npt.NDArray[np.float64]]:
        """Detections on the display cut out along `corners`, in its own pixels or those of the cut `base`.

        Also returns this cut (h, w, 3), and the homography from the photo to its pixels.
        """
        settings = self.bundle.stage2
        picture, to_picture = rectify(photo, corners, settings.margin, settings.input_size)
        outputs = self.stage2(picture[None])  # (1, h, w, 3)
        boxes = boxes_from_outputs(outputs["boxes"][0], outputs["probabilities"][0], settings.score_threshold)
        if base is None:
            return boxes, picture, to_picture
        quads = warp_points(box_corners(boxes.xyxy), base @ inverse(to_picture))  # (n, 4, 2)
        xyxy = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1).astype(np.float32).reshape(-1, 4)
        return replace(boxes, xyxy=xyxy), picture, to_picture

    def _line_view(
        self,
        photo: Photo,
        display: Display,
        to_picture: npt.NDArray[np.float64],
        moves: tuple[tuple[float, float, float], ...],
    ) -> LineView | None:
        """The display read as a line, also on cuts moved so, in the pixels of stage 2's cut; None without a reader."""
        if self.line is None:
            return None
        places: list[npt.ArrayLike] = [display.corners, *(_moved(display.corners, move) for move in moves)]
        cuts = []
        for corners in places:
            with contextlib.suppress(ValueError):  # moved so far that no area is left
                cuts.append(rectify(photo, corners, self.bundle.stage2.margin, self.line.settings.input_size)[0])
        top, bottom = warp_points(display.corners, to_picture)[[0, 2], 1]
        width = self.bundle.stage2.input_size[1]
        steps = [line_steps(each, self.line.settings.alphabet) for each in self.line.log_probs_of(np.stack(cuts))]
        return LineView(tuple(d for d, _ in steps), 0.0, float(width), float(top), float(bottom), steps[0][1])

    def _gap_view(self, photo: Photo, display: Display, picture: UInt8) -> GapView | None:
        """The display as the point network is to see it, `picture` where that has its size; None without one."""
        if self.points is None:
            return None
        (height, width), size = picture.shape[:2], self.points.settings.display_size
        if size != (height, width):
            picture = rectify(photo, display.corners, self.bundle.stage2.margin, size)[0]
        return GapView(self.points, picture, (size[1] / width, size[0] / height))

    def _decode(
        self,
        views: list[Boxes],
        picture: UInt8,
        display: Display,
        to_picture: npt.NDArray[np.float64],
        decimals: int | None,
        line: LineView | None,
        gaps: GapView | None,
    ) -> Reading:
        # The margin is there for wrong corners: a digit's middle may lie half way into it.
        left, top = warp_points(display.corners, to_picture)[0] / 2
        height, width = self.bundle.stage2.input_size
        return decode_views(
            views,
            (left, top, width - left, height - top),
            rolls=STAGE1_CLASSES[display.class_id].startswith("analog"),
            decimals=decimals,
            calibration=self.bundle.calibration,
            rules=self.bundle.rules,
            line=line,
            joint=self.bundle.joint,
            picture=picture,
            gaps=gaps,
        )

    def is_illegible(self, display: Display) -> bool:
        """Whether the display is refused as illegible."""
        return float(display.class_probabilities[2:].sum()) > self.bundle.stage1.illegible_threshold

    @staticmethod
    def _class_name(display: Display, legible: bool) -> str:
        """The likelier class among the legible or the illegible ones, so that class and decision agree."""
        first = 0 if legible else 2
        return STAGE1_CLASSES[first + int(display.class_probabilities[first : first + 2].argmax())]


def _turned_back(corners: npt.NDArray[np.float64], turns: int, height: int, width: int) -> npt.NDArray[np.float32]:
    """Points on a photo turned by `np.rot90(photo, turns)`, in pixels of the (height, width) photo as it was."""
    x, y = corners[..., 0], corners[..., 1]
    back = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[turns]
    return np.stack(back, axis=-1).astype(np.float32)


def _moved(corners: npt.NDArray[np.float32], move: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Corners moved along and across the display and grown on all sides, each in heights of the display."""
    along, across, growth = move
    quad = np.asarray(expand(corners, growth), np.float64)
    right, down = height_steps(quad)
    return np.asarray(quad + along * right + across * down, np.float64)


def photo_digits(read: ReadDisplay) -> tuple[PhotoDigit, ...]:
    """The places of a reading with their boxes as quadrilaterals on the photo.

    Where the last drum shows two digits, the nearer to half way it stands, the nearer an even chance is its confidence.
    """
    last = len(read.reading.digits) - 1
    least = 1 - read.reading.rolled / 2
    return tuple(
        PhotoDigit(
            digit.text,
            min(digit.confidence, least) if place == last and digit.alternative else digit.confidence,
            warp_points(box_corners(digit.box), read.to_photo).astype(np.float32),
            digit.decimal,
            digit.alternative,
        )
        for place, digit in enumerate(read.reading.digits)
    )


__all__ = ["BundleError", "Found", "ImageError", "MeterReader", "ReadDisplay", "Result", "photo_digits"]
