"""The bundle: the exported networks of both stages and every number that belongs to them, in one folder.

`bundle.json` names the files and holds what the networks were trained and calibrated with, so that no size or
threshold is written down anywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from reader.confidence import Calibration
from reader.geometry import MARGIN
from reader.image import write_atomic
from reader.joint import JointRules
from reader.line_settings import CharacterSettings, LineSettings
from reader.places import Rules
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES

FORMAT_VERSION = 1
FILE_NAME = "bundle.json"
#: Where prepare_model.py writes, and where the committed weights lie.
DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "models"


class BundleError(ValueError):
    """A folder that is no usable bundle. The message is one line and says what came and what was wanted."""


@dataclass(frozen=True)
class Stage1Settings:
    """The network that finds the display.

    Attributes:
        input_size: side of the square input in pixels.
        files: file name in the bundle's folder by runtime, such as {"onnx": "stage1.onnx"}.
        source_sha256: of the .keras file from which the files were exported.
        checks: what comparing each export with its source found, by runtime or kind of file, for the record.
        classes: names in the order of the outputs.
        score_threshold: a place with a lower score is not looked at.
        believed: a display whose best look has a lower score is none.
        illegible_threshold: a display is illegible when the shares of the illegible classes add up to more.
        extra_looks: how often the network looks again at the enlarged, upright surroundings of the display.
        fill: the part of the picture's side that the display takes in these looks.
        candidates: how many places of a photo are looked at again, best first, while none of them convinces.
        sure: a look with at least this score convinces.
        settled: when a look's corners overlap the earlier ones by more than this (IoU), no further look is taken; 1
            for all looks.
        window: side, as part of the photo's longer one, of windows through which a photo is looked at piece by piece
            when the whole shows no display: from far away it is too small there. 1: never.
    """

    input_size: int
    files: Mapping[str, str]
    source_sha256: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = STAGE1_CLASSES
    score_threshold: float = 0.3
    believed: float = 0.0
    illegible_threshold: float = 0.5
    extra_looks: int = 2
    fill: float = 0.62
    candidates: int = 3
    sure: float = 0.8
    settled: float = 1.0
    window: float = 0.45


@dataclass(frozen=True)
class Stage2Settings:
    """The network that reads the rectified display.

    Attributes:
        input_size: height and width of the input in pixels.
        files: file name in the bundle's folder by runtime.
        source_sha256: of the .keras file from which the files were exported.
        checks: what comparing each export with its source found, by runtime or kind of file, for the record.
        classes: names in the order of the outputs.
        score_threshold: a box with a lower score is not looked at.
        margin: room around the display on each side, in heights of the display.
        sure: a reading with a lower confidence is read again from cuts that are moved a little; 0 never does that (it
            gained nothing on held-out photos with the shipped weights, see the model card).
        moves: of those cuts: along the display, across it, and outwards on every side, in heights of the display.
    """

    input_size: tuple[int, int]
    files: Mapping[str, str]
    source_sha256: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = STAGE2_CLASSES
    score_threshold: float = 0.2
    margin: float = MARGIN
    sure: float = 0.0
    moves: tuple[tuple[float, float, float], ...] = (
        (0.0, 0.0, 0.1),
        (0.0, 0.0, -0.07),
        (0.06, 0.05, 0.02),
        (-0.06, -0.05, 0.02),
    )


@dataclass(frozen=True)
class PointSettings:
    """The network that looks at the gaps between digits for the decimal point.

    Attributes:
        input_size: height and width of the input in pixels.
        files: file name in the bundle's folder by runtime.
        source_sha256: of the .keras file from which the files were exported.
        checks: what comparing each export with its source found, by runtime or kind of file, for the record.
        display_size: height and width in pixels of the rectified display that the gaps are cut out of.
    """

    input_size: tuple[int, int]
    files: Mapping[str, str]
    source_sha256: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    display_size: tuple[int, int] = (64, 320)


@dataclass(frozen=True)
class CornersSettings:
    """The network that puts the corners of a display right.

    Attributes:
        input_size: height and width of the input in pixels.
        margin: room around the display in this cut, on each side, in heights of the display.
        files: file name in the bundle's folder by runtime.
        looks: how often, one after the other; 0 leaves the corners as stage 1 found them.
        source_sha256: of the .keras file from which the files were exported.
        checks: what comparing each export with its source found, by runtime or kind of file, for the record.
    """

    input_size: tuple[int, int]
    margin: float
    files: Mapping[str, str]
    looks: int = 2
    source_sha256: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgeSettings:
    """The network that tells displays from what looks like one.

    Attributes:
        input_size: height and width of the input in pixels.
        margin: room around the display in this cut, on each side, in heights of the display.
        files: file name in the bundle's folder by runtime.
        shown: what is a display with less probability is none.
        doubted: but with at least this one it is, if it reads with a confidence of `read`; 1: none is.
        read: see `doubted`.
        source_sha256: of the .keras file from which the files were exported.
        checks: what comparing each export with its source found, by runtime or kind of file, for the record.
    """

    input_size: tuple[int, int]
    margin: float
    files: Mapping[str, str]
    shown: float = 0.3
    doubted: float = 1.0
    read: float = 0.9
    source_sha256: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """Everything that reading needs beside the code.

    Attributes:
        stage1: settings of the first network.
        stage2: settings of the second network.
        rules: thresholds of boxes to reading.
        calibration: scores to probabilities.
        lines: settings of the line readers, by task; the one for "display" reads the meters' displays too.
        joint: how its opinion and stage 2's are weighed.
        point: settings of the network that looks for the decimal point; None for none.
        corners: settings of the network that puts the display's corners right; None for none.
        judge: settings of the network that tells displays from what looks like one; None for none.
        characters: settings of the networks that look at each character of a line by itself, by the line reader's task.
        versions: of the packages that made the files, for the record.
        format_version: of bundle.json.
    """

    stage1: Stage1Settings
    stage2: Stage2Settings
    rules: Rules = field(default_factory=Rules)
    calibration: Calibration = field(default_factory=Calibration)
    lines: Mapping[str, LineSettings] = field(default_factory=dict)
    joint: JointRules = field(default_factory=JointRules)
    point: PointSettings | None = None
    corners: CornersSettings | None = None
    judge: JudgeSettings | None = None
    characters: Mapping[str, CharacterSettings] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise BundleError(f"format_version {self.format_version}; this program reads {FORMAT_VERSION}")
        for name, stage, classes in (
            ("stage1", self.stage1, STAGE1_CLASSES),
            ("stage2", self.stage2, STAGE2_CLASSES),
        ):
            if tuple(stage.classes) != classes:
                raise BundleError(f"{name}.classes are {list(stage.classes)}; wanted {list(classes)}")
        for task in sorted(set(self.characters) & set(self.lines)):
            came, wanted = self.characters[task].alphabet, self.lines[task].alphabet
            if came != wanted:
                raise BundleError(
                    f"characters.{task}.alphabet is {came!r}; that of its line reader, {wanted!r}, wanted"
                )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bundle:
        """The bundle that a JSON object describes.

        Raises:
            BundleError: an unknown or missing key, or a value of the wrong kind; the message names it.
        """
        parts = {
            "stage1": Stage1Settings,
            "stage2": Stage2Settings,
            "rules": Rules,
            "calibration": Calibration,
            "joint": JointRules,
        }
        optional = {"point": PointSettings, "corners": CornersSettings, "judge": JudgeSettings}
        if not isinstance(data, Mapping):
            raise BundleError(f"a bundle is a JSON object, not {type(data).__name__}")
        built = {key: _build(parts[key], value, key) if key in parts else value for key, value in data.items()}
        built |= {key: _build(kind, data[key], key) for key, kind in optional.items() if data.get(key) is not None}
        by_task = {"lines": LineSettings, "characters": CharacterSettings}
        built |= {
            key: {task: _build(kind, value, f"{key}.{task}") for task, value in data[key].items()}
            for key, kind in by_task.items()
            if isinstance(data.get(key), Mapping)
        }
        return _build(cls, built, "bundle")

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object; `from_dict` takes it back."""
        return {"format_version": self.format_version, **asdict(self)}


def load_bundle(folder: str | Path | None = None) -> Bundle:
    """The bundle of a folder, by default the one that is shipped.

    Raises:
        BundleError: no folder, no bundle.json, broken JSON or a wrong key.
    """
    path = Path(folder if folder is not None else DEFAULT_FOLDER) / FILE_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Bundle.from_dict(data)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; deploy/prepare_model.py writes it") from error
    except ValueError as error:  # JSONDecodeError and BundleError are among them
        raise BundleError(f"{path}: {error}") from error


def save_bundle(bundle: Bundle, folder: str | Path) -> None:
    """Write bundle.json into a folder, atomically."""
    text = json.dumps(bundle.to_dict(), indent=2, ensure_ascii=False)
    write_atomic(Path(folder) / FILE_NAME, (text + "\n").encode())


_Settings = TypeVar("_Settings")


def _build(kind: type[_Settings], data: Any, name: str) -> _Settings:
    """A frozen dataclass from a JSON object; lists become tuples."""
    if not isinstance(data, Mapping):
        raise BundleError(f"{name} is a JSON object, not {type(data).__name__}")
    known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise BundleError(f"{name}: unknown key {unknown[0]!r}; known are {known}")
    try:
        return kind(**{key: _frozen(value) for key, value in data.items()})
    except BundleError:
        raise
    except (TypeError, ValueError) as error:
        raise BundleError(f"{name}: {str(error).removeprefix(f'{kind.__name__}.__init__() ')}") from error


def _frozen(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
