"""One way of reading in a process of its own, on CPUs of its own, that measures what it is asked to.

`benchmarks/speed.py` starts one for each runtime and number of CPUs, and asks them in turn: one line of JSON in, one
line of JSON out. The engine "rapidocr" may run in another Python, which has it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:  # what an engine imports counts in its start
    from reader.bundle import Bundle
    from reader.lines import LineReader
    from reader.pipeline import MeterReader
    from reader.runtime import Network

#: Engines that read meters and lines.
RUNTIMES = ("onnx int8", "onnx float32", "savedmodel", "keras")
ENGINES = (*RUNTIMES, "rapidocr", "floor")
#: The parts of a reading's time, in their order.
STEPS = ("decode", "stage 1", "rectify", "stage 2", "line", "reading")
Answer = dict[str, Any]


class MissingError(ValueError):
    """What an engine needs is not there; the message is one line."""


def file_of(engine: str, files: Mapping[str, str]) -> str | None:
    """The file of a bundle's network that an engine runs, of its files by runtime; None where it has none.

    Where one network has no int8 file since that would not be faster or as good, "onnx int8" runs the one it has.
    """
    if engine == "savedmodel":
        return files.get("savedmodel")
    if engine == "onnx float32" and "onnx_int8" not in files:
        return files.get("onnx_float32", files.get("onnx"))
    return files.get("onnx_float32" if engine == "onnx float32" else "onnx")


def available(engine: str, networks: Sequence[Mapping[str, str]]) -> bool:
    """Whether an engine can run networks with these files; "onnx int8" wants at least one in int8."""
    quantized = any("onnx_int8" in files for files in networks)
    there = all(file_of(engine, files) is not None for files in networks)
    return engine == "keras" or (there and (quantized or engine != "onnx int8"))


def network_of(engine: str, folder: Path, files: Mapping[str, str]) -> Network:
    """A bundle's network as an engine runs it.

    Raises:
        MissingError: no such file in the bundle.
    """
    name = file_of(engine, files)
    if name is None:
        raise MissingError(f"{folder}: no {engine} among {dict(files)}; deploy/prepare_model.py --formats writes it")
    from reader.runtime import load_network

    runtime = "savedmodel" if engine == "savedmodel" else "onnx"
    return load_network(folder, {runtime: name}, runtime, device="cpu")


def meter_reader(engine: str, folder: Path, keras_files: dict[str, Path]) -> MeterReader:
    """The meter reader of an engine, with what the bundle has to read displays as lines and to look at the gaps."""
    from reader.bundle import load_bundle
    from reader.corners import CornerSharpener, DisplayJudge
    from reader.gaps import PointReader
    from reader.pipeline import DISPLAY_TASK, MeterReader

    bundle = load_bundle(folder)
    if engine == "keras":
        from crnn.runtime import KerasLines
        from retinanet.runtime import keras_reader

        reader = keras_reader(keras_files["stage1"], keras_files["stage2"], bundle)
        if DISPLAY_TASK in bundle.lines and DISPLAY_TASK in keras_files:
            reader.line = line_reader(engine, folder, bundle, DISPLAY_TASK, keras_files)
        if reader.line is not None and bundle.point is not None and "point" in keras_files:
            from points.release import load

            reader.points = PointReader(KerasLines(load(keras_files["point"])[0]), bundle.point)
        from corners.preparation import judging
        from corners.release import load as load_corners

        if bundle.corners is not None and "corners" in keras_files:
            reader.sharpener = CornerSharpener(KerasLines(load_corners(keras_files["corners"])[0]), bundle.corners)
        if bundle.judge is not None and "judge" in keras_files:
            reader.judge = DisplayJudge(KerasLines(judging(load_corners(keras_files["judge"])[0])), bundle.judge)
        return reader
    stage1, stage2 = (network_of(engine, folder, stage.files) for stage in (bundle.stage1, bundle.stage2))
    line: LineReader | None = None
    if DISPLAY_TASK in bundle.lines:
        line = line_reader(engine, folder, bundle, DISPLAY_TASK, keras_files)
    points = None
    if line is not None and bundle.point is not None:
        points = PointReader(network_of(engine, folder, bundle.point.files), bundle.point)
    sharpener = None
    if bundle.corners is not None:
        sharpener = CornerSharpener(network_of(engine, folder, bundle.corners.files), bundle.corners)
    judge = None
    if bundle.judge is not None:
        judge = DisplayJudge(network_of(engine, folder, bundle.judge.files), bundle.judge)
    return MeterReader(stage1, stage2, bundle, line=line, points=points, sharpener=sharpener, judge=judge)


def line_reader(engine: str, folder: Path, bundle: Bundle, task: str, keras_files: dict[str, Path]) -> LineReader:
    """The line reader of a task as an engine runs it."""
    from reader.characters import CharacterLook
    from reader.lines import LineReader

    settings, second = bundle.lines[task], bundle.characters.get(task)
    if engine != "keras":
        look = second and CharacterLook(network_of(engine, folder, second.files), second)
        return LineReader(network_of(engine, folder, settings.files), settings, look)
    if task not in keras_files:
        raise MissingError(f"no {task}.keras was given")
    from crnn.runtime import KerasLines
    from crnn.runtime import line_reader as on_keras

    look = None
    if second is not None and f"{task}_characters" in keras_files:
        from characters.release import load

        look = CharacterLook(KerasLines(load(keras_files[f"{task}_characters"])[0]), second)
    return LineReader(on_keras(keras_files[task], task).network, settings, look)


class Timed:
    """Notes what a reader's networks and its photo take: (what, seconds) in the order in which it happened."""

    def __init__(self, reader: MeterReader) -> None:
        from reader.lines import LineReader

        self.reader = reader
        self.events: list[tuple[str, float]] = []
        reader.stage1, reader.stage2 = self._noted("stage 1", reader.stage1), self._noted("stage 2", reader.stage2)
        if reader.line is not None:
            reader.line = LineReader(self._noted("line", reader.line.network), reader.line.settings)

    def _noted(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            start, decoded = perf_counter(), self._sum("decode", self.events)
            answer = call(*given)
            # A photo is decoded when it is drawn from; that is not drawing.
            within = self._sum("decode", self.events) - decoded
            self.events.append((what, perf_counter() - start - within))
            return answer

        return timed

    @staticmethod
    def _sum(what: str, events: list[tuple[str, float]]) -> float:
        return sum(seconds for name, seconds in events if name == what)

    def read(self, data: bytes) -> Answer:
        """Seconds of one reading, whole and by `STEPS`, and what it said."""
        from reader.photo import open_photo

        self.events.clear()
        start = perf_counter()
        photo = self._noted("decode", open_photo)(data)
        photo.level, photo.warp = self._noted("decode", photo.level), self._noted("draw", photo.warp)
        result = self.reader.read(photo)
        whole = perf_counter() - start
        looks = [i for i, (name, _) in enumerate(self.events) if name == "stage 1"]
        first, second = self.events[1 : looks[-1] + 1], self.events[looks[-1] + 1 :]  # event 0 opens the photo
        steps = {
            "decode": self._sum("decode", self.events),
            "stage 1": result.times["stage1"] - self._sum("decode", first),
            "rectify": self._sum("draw", second),
            "stage 2": self._sum("stage 2", second),
            "line": self._sum("line", second),
        }
        steps["reading"] = whole - sum(steps.values())  # what is left: boxes and logits to text and confidence
        return {"seconds": whole, "steps": steps, "text": result.text, "looks": len(looks)}


class Readings:
    """An engine that reads meters and lines."""

    def __init__(self, engine: str, folder: Path, keras_files: dict[str, Path]) -> None:
        self.engine, self.folder, self.keras_files = engine, folder, keras_files
        self.reader = meter_reader(engine, folder, keras_files)
        self.networks = {"stage1": self.reader.stage1, "stage2": self.reader.stage2}
        if self.reader.line is not None:
            self.networks["display"] = self.reader.line.network
        self.timed = Timed(self.reader)
        self.lines: dict[str, LineReader] = {}

    def read(self, photo: str) -> Answer:
        """One photo."""
        return self.timed.read(Path(photo).read_bytes())

    def network(self, name: str, batch: int, calls: int) -> Answer:
        """A network alone: the shortest of some calls on noise, in seconds."""
        import numpy as np

        bundle = self.reader.bundle
        sizes = {"stage1": (bundle.stage1.input_size,) * 2, "stage2": bundle.stage2.input_size}
        sizes |= {task: settings.input_size for task, settings in bundle.lines.items()}
        pictures = np.random.default_rng(0).integers(0, 256, (batch, *sizes[name], 3), np.uint8)
        return {"seconds": shortest(lambda: self.networks[name](pictures), calls)}

    def line(self, task: str, pictures: str, batch: int, calls: int) -> Answer:
        """From pictures of lines (an .npz of arrays) to texts, the network on `batch` of them at once."""
        import numpy as np

        from reader.ctc import log_softmax
        from reader.line_image import prepare

        if task not in self.lines:
            self.lines[task] = line_reader(self.engine, self.folder, self.reader.bundle, task, self.keras_files)
        reader = self.lines[task]
        settings = reader.settings
        with np.load(pictures) as stored:
            images = [stored[name] for name in stored.files]

        def whole() -> None:
            for at in range(0, len(images), batch):
                inputs = [prepare(image, settings.input_size, settings.fit) for image in images[at : at + batch]]
                for logits in reader.network(np.stack(inputs))["logits"]:
                    reader.decode(log_softmax(logits, settings.temperature))

        return {"lines": len(images), "seconds": shortest(whole, calls)}

    def many(self, photos: list[str], count: int) -> Answer:
        """Many readings: the memory of this process in MiB after each hundredth part of them."""
        data = [Path(photo).read_bytes() for photo in photos]
        course, start = [], perf_counter()
        for number in range(count):
            # Not timed: photos whose methods are noted hold themselves, and lie about until the next collection.
            self.reader.read(data[number % len(data)])
            self.timed.events.clear()
            if (number + 1) % max(1, count // 100) == 0:
                course.append(resident())
        return {"readings": count, "seconds": perf_counter() - start, "memory": course}


class GeneralOcr:
    """A general OCR engine, the whole way from bytes to all the text that it finds."""

    def __init__(self, cpus: int) -> None:
        try:
            from rapidocr_onnxruntime import RapidOCR
        except ImportError as error:
            raise MissingError("rapidocr-onnxruntime is not installed (benchmarks/requirements-ocr.txt)") from error
        self._engine = RapidOCR(intra_op_num_threads=cpus, inter_op_num_threads=1)

    def read(self, photo: str) -> Answer:
        """One photo."""
        data = Path(photo).read_bytes()
        start = perf_counter()
        found, _ = self._engine(data)
        return {"seconds": perf_counter() - start, "text": " ".join(text for _, text, *_ in found or [])}


class Floor:
    """What no reader can do without: the JPEG decoded; and how fast this machine multiplies matrices."""

    def read(self, photo: str) -> Answer:
        """One photo decoded at its full size."""
        import cv2
        import numpy as np

        data = np.fromfile(photo, np.uint8)
        start = perf_counter()
        cv2.imdecode(data, cv2.IMREAD_COLOR)
        return {"seconds": perf_counter() - start}

    def multiply(self, size: int = 1024) -> Answer:
        """Multiply-adds a second of a float32 matrix product, the best of several."""
        import numpy as np

        left, right = np.random.default_rng(0).random((2, size, size), np.float32)
        return {"rate": size**3 / shortest(lambda: left @ right, 8)}


def shortest(call: Callable[[], object], calls: int) -> float:
    """Seconds of the shortest of some calls, after one that is not counted."""
    call()
    times = []
    for _ in range(calls):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def resident() -> float:
    """MiB of memory that this process holds now. Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory() -> Answer:
    """MiB at the most and now."""
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "now": resident()}


def main(arguments: list[str] | None = None) -> int:
    """Starts, reads a first photo, says so, then answers until its input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--cpus", type=int, nargs="+", required=True, help="those that the process may use")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--keras", type=Path, nargs="*", default=[], help=".keras files, named as their networks")
    parser.add_argument("--first", required=True, metavar="PHOTO")
    flags = parser.parse_args(arguments)
    os.sched_setaffinity(0, flags.cpus)  # before anything counts CPUs
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    try:
        engine = _engine(flags)
        first = engine.read(flags.first)
    except (MissingError, OSError, ValueError) as error:
        print(json.dumps({"error": f"{flags.engine}: {error}".splitlines()[0]}), file=answers, flush=True)
        return 1
    print(json.dumps({**first, **memory()}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        what = asked.pop("do")
        try:
            answer = memory() if what == "memory" else getattr(engine, what)(**asked)
        except (MissingError, ValueError) as error:
            answer = {"error": str(error).splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


def _engine(flags: argparse.Namespace) -> Readings | GeneralOcr | Floor:
    if flags.engine == "rapidocr":
        return GeneralOcr(len(flags.cpus))
    if flags.engine == "floor":
        return Floor()
    return Readings(flags.engine, flags.models, {path.stem: path for path in flags.keras})


if __name__ == "__main__":
    sys.exit(main())
