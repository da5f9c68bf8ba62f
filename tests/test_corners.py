"""corners/ and reader/corners.py: wrong corners are put right, the network learns it, its exports answer the same."""

import json
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, photo_of
from small_sets import short_run, write_stage1

import train_corners
from corners.config import CornersConfig
from corners.fit import evaluate_corners, examples, fit_corners
from corners.lookalikes import lookalikes
from corners.lookalikes import main as find_lookalikes
from corners.losses import UNTOLD, OffsetsLoss
from corners.model import build
from corners.preparation import prepare_corners, prepare_judge
from corners.release import ReleaseError, load
from corners.sheets import write_cuts
from corners.views import corners_view, cropped, moved_corners, surroundings, wrong_views
from reader import MeterReader
from reader.bundle import Bundle, BundleError, CornersSettings, JudgeSettings, Stage1Settings, Stage2Settings
from reader.corners import CornerSharpener, DisplayJudge, moved_by, offsets_of
from reader.geometry import display_homography, is_convex, quad_iou, warp_points
from reader.image import load_image
from reader.pipeline import Found
from reader.runtime import OnnxNetwork
from reader.types import ILLEGIBLE, NO_DISPLAY, UNKNOWN_DIGIT, Display
from training.datasets import Stage1Sample, load_stage1
from training.photometric import distort
from training.run import Weighted
from training.tfds_writer import LINES_NAME, LineSetWriter

SMALL = CornersConfig(input_size=(32, 96), channels=(8, 8, 12, 16, 16), squeezed=8, units=32, dropout=0.0)
TRUE = np.array([[170, 200], [470, 212], [466, 272], [168, 262]], float)
WRONG = TRUE + np.array([[8, -6], [-20, 5], [12, 9], [-10, 0]])
SIZE, MARGIN = (96, 352), 0.5


def around(samples):
    """What `surroundings` gives, together."""
    return list(surroundings(samples))


def plate(seed, label=0):
    """A photo of a bright plate on dark ground, its corners known."""
    rng = np.random.default_rng(seed)
    corners = (TRUE + rng.normal(0, 12, (4, 2))).astype(np.float32)
    photo = np.full((480, 640, 3), rng.integers(20, 90), np.uint8)
    ys, xs = np.mgrid[:480, :640] + 0.5
    inside = np.ones((480, 640), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (bx - ax) * (ys - ay) - (by - ay) * (xs - ax) > 0
    photo[inside] = rng.integers(150, 240, 3)
    return Stage1Sample(photo, corners[None], np.array([label]), f"plate{seed}.jpg")


def test_offsets_lead_from_wrong_corners_to_the_true_ones():
    offsets = offsets_of(TRUE, WRONG, SIZE, MARGIN)
    np.testing.assert_allclose(moved_by(offsets.reshape(8), WRONG, SIZE, MARGIN), TRUE, atol=1e-6)
    np.testing.assert_allclose(offsets_of(TRUE, TRUE, SIZE, MARGIN), np.zeros((4, 2)), atol=1e-9)
    # One is all of the room: a rectangle half a height to the left, at half a height of room.
    box = np.array([[100, 100], [400, 100], [400, 160], [100, 160]], float)
    np.testing.assert_allclose(offsets_of(box - [30, 0], box, SIZE, MARGIN), [[-1, 0]] * 4, atol=1e-9)
    np.testing.assert_allclose(offsets_of(box + np.array([0, 15]), box, SIZE, MARGIN), [[0, 0.5]] * 4, atol=1e-9)
    with pytest.raises(ValueError, match="corners"):
        offsets_of(TRUE, WRONG[[0, 2, 1, 3]], SIZE, MARGIN)


class Knowing:
    """A network that knows the true corners and goes a part of the way to them."""

    def __init__(self, start, part=1.0, truth=TRUE):
        self.at, self.part, self.truth, self.cuts = np.asarray(start, float), part, truth, []

    def __call__(self, batch):
        self.cuts.append(batch)
        offsets = self.part * offsets_of(self.truth, self.at, SIZE, MARGIN)
        self.at = moved_by(offsets, self.at, SIZE, MARGIN)
        return {"offsets": offsets.reshape(1, 8).astype(np.float32)}


def test_a_sharpener_goes_where_the_network_points_as_often_as_asked():
    photo = plate(0).image
    for looks, part, left in ((1, 1.0, 0.0), (1, 0.5, 0.5), (2, 0.5, 0.25), (0, 1.0, 1.0)):
        network = Knowing(WRONG, part)
        sharp = CornerSharpener(network, CornersSettings(SIZE, MARGIN, {}, looks))(photo, WRONG)
        assert len(network.cuts) == looks and all(cut.shape == (1, *SIZE, 3) for cut in network.cuts)
        assert sharp.dtype == np.float32
        was = np.linalg.norm(WRONG - TRUE, axis=1)
        assert np.linalg.norm(sharp - TRUE, axis=1) == pytest.approx(left * was, abs=1.0)


def test_a_sharpener_keeps_corners_that_it_cannot_better():
    settings = CornersSettings(SIZE, MARGIN, {}, 2)
    photo = plate(0).image
    crossed = WRONG[[0, 2, 1, 3]]
    assert (CornerSharpener(Knowing(WRONG), settings)(photo, crossed) == crossed.astype(np.float32)).all()
    away = Knowing(WRONG, truth=TRUE + np.array([0, 58]))  # another thing below it
    assert (CornerSharpener(away, settings)(photo, WRONG) == WRONG.astype(np.float32)).all()
    assert len(away.cuts) == 1
    nowhere = CornerSharpener(lambda batch: {"offsets": np.full((1, 8), np.inf, np.float32)}, settings)
    assert (nowhere(photo, WRONG) == WRONG.astype(np.float32)).all()
    folded = Knowing(WRONG, truth=TRUE[[1, 0, 2, 3]])
    assert (CornerSharpener(folded, settings)(photo, WRONG) == WRONG.astype(np.float32)).all()


def test_the_reader_reads_along_corners_put_right():
    corners = np.array([[170, 200], [470, 200], [470, 260], [170, 260]], float)
    photo, _ = photo_of("0012345", corners)

    class Off(FakeStage1):
        """Misses the last digits."""

        def __call__(self, batch):
            found = super().__call__(batch)
            quads = found["corners"]
            quads[:, :, 1:3] = quads[:, :, [0, 3]] + 0.6 * (quads[:, :, 1:3] - quads[:, :, [0, 3]])
            return found

    settings = replace(bundle(extra_looks=0), corners=CornersSettings(SIZE, 1.0, {}, looks=1))
    alone = MeterReader(Off(), FakeStage2(), settings, 0.0).read(photo)
    assert alone.text not in ("", "0012345")

    def network(batch):  # always: the right side is a height further to the right
        told = np.zeros((1, 4, 2), np.float32)
        told[0, 1:3, 0] = 2.0
        return {"offsets": told.reshape(1, 8)}

    reader = MeterReader(Off(), FakeStage2(), settings, 0.0, sharpener=CornerSharpener(network, settings.corners))
    result = reader.read(photo)
    assert result.text == "0012345", (result, alone.text)
    np.testing.assert_allclose(result.corners, corners, atol=4)
    again = reader.with_bundle(replace(settings, corners=replace(settings.corners, looks=0)))
    assert again.sharpener is reader.sharpener and again.read(photo).text == "0012345"


@pytest.mark.parametrize("amount", [0.02, 0.1, 0.2])
def test_wrong_corners_are_wrong_by_what_was_asked(amount):
    rng = np.random.default_rng(3)
    height = 60
    off = np.array([moved_corners(TRUE, rng, amount) - TRUE for _ in range(400)])
    spread = np.median(np.abs(off)) / height
    assert 0.15 * amount < spread < amount
    assert np.abs(np.median(off, axis=0)).max() < 0.2 * amount * height, "to neither side"


def test_views_show_the_true_corners_and_say_where_they_are():
    sample = around([plate(1)])[0]
    upside_down = 0
    for seed in range(40):
        view = corners_view(sample, SMALL, np.random.default_rng(seed))
        assert view.picture.shape == (32, 96, 3) and np.abs(view.offsets).max() < 1
        truth, known = (quad - quad.min(0) for quad in (view.truth, sample.corners[0]))  # the photo may be cropped
        assert is_convex(view.corners) and quad_iou(truth, known) == pytest.approx(1, abs=1e-3)
        upside_down += np.linalg.norm(truth[0] - known[0]) > 100
        back = moved_by(view.offsets, view.corners, SMALL.input_size, SMALL.margin)
        np.testing.assert_allclose(back, view.truth, atol=1e-6)
    assert 0 < upside_down < 15
    wrong = wrong_views([sample], SMALL)
    assert (wrong[0].picture == wrong_views([sample], SMALL)[0].picture).all(), "the same ones always"
    # Where the plate is in the cut, it is bright.
    homography = display_homography(wrong[0].corners, SMALL.input_size, SMALL.margin)
    x, y = warp_points(wrong[0].truth, homography).mean(0).astype(int)
    assert wrong[0].picture[y, x].min() > 140


def test_some_views_are_of_photos_that_show_hardly_more_than_the_display(monkeypatch):
    monkeypatch.setattr("corners.views.distort", lambda picture, rng: picture)
    monkeypatch.setattr("corners.views.far_away", lambda picture, rng: picture)
    sample = around([plate(1)])[0]
    views = [corners_view(sample, SMALL, np.random.default_rng(seed)) for seed in range(60)]
    empty = [(view.picture == 0).all(axis=2).mean() for view in views]
    assert 1 < sum(share > 0.01 for share in empty) < 20, "nothing is there, as beside a photo of the display alone"
    near = cropped(sample, 0.0)
    wide, high = np.ptp(sample.corners[0], axis=0)
    assert near.image.shape[:2] == pytest.approx((high, wide), abs=2)
    moved = near.corners[0] - sample.corners[0]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], (4, 2)), atol=1e-4)


def test_only_legible_displays_are_learned_from_and_with_little_around_them():
    both = plate(2)
    both = replace(both, corners=np.stack([both.corners[0], both.corners[0]]), labels=np.array([1, 2]))
    kept = around([both, plate(3, label=3)])
    assert [sample.name for sample in kept] == ["plate2.jpg"] and kept[0].labels.tolist() == [1]
    assert kept[0].image.shape[0] < 440
    x, y = kept[0].corners[0].mean(0).astype(int)
    assert kept[0].image[y, x].min() >= 150 and kept[0].image[2, 2].max() < 100


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"input_size": [40, 96]}, "input_size"),
        ({"margin": 0}, "margin"),
        ({"channels": [8]}, "channels"),
        ({"units": 0}, "units"),
        ({"judged": -1}, "judged"),
        ({"dropout": 1.0}, "dropout"),
        ({"colour": 3}, "unknown key 'colour'"),
    ],
)
def test_a_configuration_that_makes_no_network_is_refused(values, told):
    with pytest.raises(ValueError, match=told):
        CornersConfig.from_dict(values)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network that learned on bright plates."""
    folder = tmp_path_factory.mktemp("corners")
    run = short_run("corners", folder, epochs=8)
    seen = around([plate(seed) for seed in range(40)])
    others = around([plate(seed) for seed in range(90, 98)])
    history = fit_corners([Weighted(seen, 1.0)], others, run, SMALL, verbose=0).history
    return folder / "trained.keras", history


def crossed_out(seed):
    """The same plate with a dark cross over it: what is no display."""
    sample = plate(seed)
    photo = sample.image.copy()
    corners = sample.corners[0]
    for one, other in ((0, 2), (1, 3)):
        for part in np.linspace(0, 1, 400):
            x, y = (corners[one] + part * (corners[other] - corners[one])).astype(int)
            photo[y - 7 : y + 8, x - 7 : x + 8] = 20
    return replace(sample, image=photo)


def test_a_display_that_is_none_from_close_by_is_refused_or_another_is_taken():
    corners = np.array([[170, 100], [470, 100], [470, 160], [170, 160]], float)
    photo, _ = photo_of("0012345", corners)

    class Deceived(FakeStage1):
        """Sees a surer display below the one that is there."""

        def __call__(self, batch):
            found = super().__call__(batch)
            found["corners"][:, 0] = found["corners"][:, 1] + [0, 60]
            found["probabilities"][:, 0] = found["probabilities"][:, 1] * 1.05
            return found

    class Judging:
        """Says that a display is there when the cut's middle row has blocks of digits."""

        def __init__(self, no=-2.0):
            self.no = no

        def __call__(self, batch):
            shown = (batch[0, SIZE[0] // 2, :, 0] > 170).mean() > 0.2
            return {"shown": np.float32([[6.0 if shown else self.no]])}

    # A room of 0.2 heights: the cut along the display below shows nothing of the one above.
    settings = bundle(extra_looks=0)
    judge = DisplayJudge(Judging(), JudgeSettings(SIZE, 0.2, {}, shown=0.2))
    assert judge(photo, corners) is True and judge(photo, corners + np.array([0, 90])) is False
    assert judge(photo, corners[[0, 2, 1, 3]]) is False, "corners without an area are no display"
    lenient = DisplayJudge(Judging(-1.0), judge.settings)  # e^-1 / (1 + e^-1) = 0.27
    assert lenient(photo, corners + np.array([0, 90])) is True
    doubting = DisplayJudge(Judging(-2.0), JudgeSettings(SIZE, 0.2, {}, doubted=0.1, read=0.9))  # 0.12
    asked = []
    for sure in (0.89, 0.9):
        assert doubting(photo, corners + np.array([0, 90]), lambda s=sure: asked.append(s) or s) is (sure >= 0.9)
    assert asked == [0.89, 0.9] and doubting(photo, corners, lambda: asked.append(0) or 0.0) and len(asked) == 2
    surely_not = DisplayJudge(Judging(-2.5), doubting.settings)  # 0.08
    assert surely_not(photo, corners + np.array([0, 90]), lambda: 1.0) is False, "whatever it reads"

    def read(stage1, photo, judge=judge):
        return MeterReader(stage1, FakeStage2(), settings, 0.0, judge=judge).with_bundle(settings).read(photo)

    result = read(Deceived(), photo)
    assert result.success and result.text == "0012345"
    np.testing.assert_allclose(result.corners, corners, atol=4)
    assert not read(Deceived(), photo, None).text, "without a judgement the surer one is read"
    refusing = replace(judge.settings, shown=0.999)  # what the display is has a probability of 0.9975
    assert read(FakeStage1(), photo, DisplayJudge(Judging(), refusing)).reason == NO_DISPLAY
    kept = read(FakeStage1(), photo, DisplayJudge(Judging(), replace(refusing, doubted=0.9, read=0.5)))
    assert kept.success and kept.text == result.text and kept.confidence >= 0.5
    unread = DisplayJudge(Judging(), replace(refusing, doubted=0.9, read=1.1))
    assert read(FakeStage1(), photo, unread).reason == NO_DISPLAY
    empty, _ = photo_of("       ", corners)
    refused = read(FakeStage1(), empty)
    assert refused.reason == NO_DISPLAY and not refused.success and refused.corners is None
    assert read(FakeStage1(), empty, lenient).reason == UNKNOWN_DIGIT
    illegible = read(FakeStage1((0.05, 0.02, 0.9, 0.01)), empty)
    assert illegible.reason == ILLEGIBLE, "what nobody could read anyway is not judged"


def test_it_learns_where_the_corners_are(trained):
    path, history = trained
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    network, config = load(path)
    assert config == SMALL and network.name == "corners"
    unseen = wrong_views(around([plate(seed) for seed in range(100, 130)]), config)
    measures = evaluate_corners(network, config, unseen)
    assert measures["iou"] > measures["iou_before"] + 0.015, measures
    assert measures["distance"] < 0.95 * measures["distance_before"], measures
    assert evaluate_corners(network, config, []) == {"score": 0.0}


def test_exports_answer_as_keras_does(trained, tmp_path):
    path, _ = trained

    def make(rng):
        sample = plate(int(rng.integers(1000)))
        return sample.image, sample.corners[0] if rng.random() < 0.7 else None

    settings = prepare_corners(path, ("savedmodel", "onnx", "onnx_int8"), tmp_path, make, looks=2)
    assert settings.files == {"onnx": "corners.onnx", "onnx_float32": "corners.onnx", "savedmodel": "corners/1"}
    assert (settings.input_size, settings.margin, settings.looks) == (SMALL.input_size, SMALL.margin, 2)
    with pytest.raises(ReleaseError, match="does not judge"):
        prepare_judge(path, ("onnx",), tmp_path, make)
    assert set(settings.checks) == {"onnx_float32", "savedmodel"}


def test_it_learns_what_is_no_display(trained, tmp_path):
    judging = replace(SMALL, judged=8)
    run = replace(short_run("corners", tmp_path, epochs=6), output=tmp_path / "judging.keras")
    displays, others = ([make(seed) for seed in range(40)] for make in (plate, crossed_out))
    unseen = [around([make(seed) for seed in range(90, 110)]) for make in (plate, crossed_out)]
    fit_corners(
        [Weighted(around(displays), 1.0)],
        unseen[0],
        run,
        judging,
        initial=trained[0],
        verbose=0,
        lookalikes=[Weighted(around(others), 1.0)],
        unseen_lookalikes=unseen[1],
    )
    network, config = load(run.output)
    assert config == judging
    measures = evaluate_corners(network, config, *(wrong_views(each, config) for each in unseen))
    assert measures["refused"] > 0.9, measures
    assert measures["score"] == pytest.approx(measures["iou"] + 0.1 * measures["refused"])
    assert measures["iou"] > measures["iou_before"], "what it had learned is kept"

    def make(rng):
        sample = plate(int(rng.integers(1000)))
        return sample.image, sample.corners[0]

    known = JudgeSettings((1, 1), 0.0, {}, 0.3, 0.02, 0.8)
    settings = prepare_judge(run.output, ("savedmodel", "onnx", "onnx_int8"), tmp_path, make, known)
    assert settings.files == {"onnx": "judge.onnx", "onnx_float32": "judge.onnx", "savedmodel": "judge/1"}
    assert settings.input_size == SMALL.input_size
    assert (settings.shown, settings.doubted, settings.read) == (0.3, 0.02, 0.8)
    assert set(settings.checks) == {"onnx_float32", "savedmodel"}
    judge = DisplayJudge(OnnxNetwork(tmp_path / "judge.onnx"), settings)
    judged = [judge(sample.image, sample.corners[0]) for each in unseen for sample in each]
    assert np.mean(judged[:20]) > 0.85 and np.mean(judged[20:]) < 0.15
    for wrong, told in ((SMALL, "wants a network that judges"), (replace(judging, units=16), "--initial_weights")):
        with pytest.raises(ValueError, match=told):
            fit_corners(
                [Weighted(around(displays), 1.0)],
                [],
                run,
                wrong,
                initial=trained[0],
                lookalikes=[Weighted(around(others), 1.0)],
            )


def test_views_of_what_is_no_display_ask_for_no_corners():
    make = examples(around([plate(1)]), replace(SMALL, judged=8), around([crossed_out(2)]))
    rng = np.random.default_rng(0)
    shown, other = make(0, rng)[1], make(1, rng)[1]
    assert shown["shown"] == [1] and np.abs(shown["offsets"]).max() < 1
    assert other["shown"] == [0] and (other["offsets"] == UNTOLD).all()
    told = np.stack([shown["offsets"], other["offsets"]])
    loss = OffsetsLoss(reduction=None)(told, np.zeros((2, 8), np.float32))
    np.testing.assert_allclose(np.asarray(loss), [np.abs(shown["offsets"]).mean(), 0], rtol=1e-5)
    assert "shown" not in examples(around([plate(1)]), SMALL)(0, rng)[1]


class Proposing:
    """Proposes fixed places on every photo: the display of `plate`, one beside it, and that one again, a little off."""

    def __init__(self, *shifts):
        self.shifts = shifts
        self.bundle = bundle()
        self.judge = None

    def with_bundle(self, settings):
        assert settings.stage1.score_threshold < self.bundle.stage1.score_threshold, "it proposes more"
        return self

    def places(self, photo):
        for index, shift in enumerate(self.shifts):
            display = Display((TRUE + shift).astype(np.float32), 0, 0.5, np.float32([0.5, 0, 0, 0]))
            yield Found(display, 1.0), 0.5 - 0.1 * index


def test_lookalikes_are_what_is_proposed_beside_the_displays():
    beside = np.array([0, 150])
    reader = Proposing([0, 0], [10, -5], beside, beside + 4, [-20, -150])
    photo = plate(1).image
    found = lookalikes(reader, photo, TRUE[None])
    np.testing.assert_allclose(found, [TRUE + beside, TRUE + np.array([-20, -150])], atol=1e-3)
    assert len(lookalikes(reader, photo, np.zeros((0, 4, 2)))) == 3, "on a photo without a meter all are"
    right = beside[1] + TRUE[:, 1].mean() - 30
    reader.judge = SimpleNamespace(probability=lambda photo, corners: 0.3 if corners[:, 1].mean() > right else 0.1)
    np.testing.assert_allclose(lookalikes(reader, photo, TRUE[None], 0.2), [TRUE + beside], atol=1e-3)
    # Out of the photo (640 wide) a little: moved to its edge; more: left out.
    at_edge = lookalikes(Proposing([185, 150], [400, 150]), photo, TRUE[None])
    assert len(at_edge) == 1 and at_edge[0][:, 0].max() == 640


def test_a_set_of_lookalikes(tmp_path, capsys, monkeypatch):
    photos = [
        (split, f"{split}{seed}.jpg", plate(seed).image, [TRUE], ["analog"])
        for split in ("train", "validation")
        for seed in range(2)
    ]
    write_stage1(tmp_path / "set", photos, size=640)
    monkeypatch.setattr(MeterReader, "load", lambda path: Proposing([0, 0], [0, 150]))
    flags = ["--dataset_path", str(tmp_path / "set"), "--out", str(tmp_path / "others")]
    assert find_lookalikes(flags) == 0
    assert "4 lookalikes, train 2, validation 2" in capsys.readouterr().out
    for split in ("train", "validation"):
        samples = load_stage1([tmp_path / "others"], split)
        assert len(samples) == 2
        wide, high = np.ptp(samples[0].corners[0], axis=0)
        assert wide / high == pytest.approx(np.divide(*np.ptp(TRUE, axis=0)), rel=0.05), "the shape that it had"
        assert samples[0].image.shape[0] < 640
    assert find_lookalikes(flags) == 1 and "--overwrite" in capsys.readouterr().err
    assert find_lookalikes([*flags, "--overwrite", "--hard", "0.1"]) == 1
    assert "--hard wants a bundle with a judge" in capsys.readouterr().err
    monkeypatch.setattr(MeterReader, "load", lambda path: Proposing([0, 0]))
    assert find_lookalikes([*flags, "--overwrite"]) == 1
    assert "looks like a display" in capsys.readouterr().err
    assert len(load_stage1([tmp_path / "others"], "train")) == 2, "what was there is kept"
    with LineSetWriter(tmp_path / "lines" / LINES_NAME / "1.0.0", ["train"]) as writer:
        writer.add("train", plate(1).image, "A123", "plate.png")
        writer.close({"plate.png": "train"})
    assert find_lookalikes(["--lines", str(tmp_path / "lines"), "--out", str(tmp_path / "plates")]) == 0
    assert len(load_stage1([tmp_path / "plates"], "train")) == 1, "of a line nothing is a display"
    assert find_lookalikes(["--out", str(tmp_path / "x")]) == 1 and "--lines wanted" in capsys.readouterr().err
    assert find_lookalikes(["--dataset_path", str(tmp_path / "none"), "--out", str(tmp_path / "x")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_bundle_carries_it():
    settings = CornersSettings(SIZE, MARGIN, {"onnx": "corners.onnx"}, 2)
    judge = JudgeSettings(SIZE, MARGIN, {"onnx": "judge.onnx"}, 0.4)
    carrying = Bundle(Stage1Settings(256, {}), Stage2Settings((64, 320), {}), corners=settings, judge=judge)
    assert Bundle.from_dict(json.loads(json.dumps(carrying.to_dict()))) == carrying
    without = replace(carrying, corners=None, judge=None)
    assert Bundle.from_dict(json.loads(json.dumps(without.to_dict()))) == without
    with pytest.raises(BundleError, match="corners"):
        Bundle.from_dict({**carrying.to_dict(), "corners": {"size": 3}})


def test_files_that_hold_no_corner_network(tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="other")
    other.save(tmp_path / "other.keras")
    for path in (tmp_path / "other.keras", tmp_path / "none.keras"):
        with pytest.raises(ReleaseError, match=path.name):
            load(path)
    build(SMALL).save(tmp_path / "corners.keras")
    assert load(tmp_path / "corners.keras")[1] == SMALL


def test_a_fresh_network_leaves_the_corners_where_they_are():
    picture = distort(np.full((1, *SMALL.input_size, 3), 90, np.uint8)[0], np.random.default_rng(0))
    assert np.abs(build(SMALL).predict_on_batch(picture[None])["offsets"]).max() == 0


def test_a_sheet_of_what_is_trained_on(tmp_path):
    write_cuts(tmp_path / "cuts.png", around([plate(1), plate(2)]), SMALL)
    assert load_image(tmp_path / "cuts.png").std() > 10


def test_with_lookalikes_the_judge_is_trained_and_nothing_else_written_over(tmp_path, monkeypatch, policy):
    photos = [(split, f"{split}.jpg", plate(1).image, [TRUE], ["analog"]) for split in ("train", "validation")]
    write_stage1(tmp_path / "set", photos, size=640)
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr("corners.train.train", lambda args, config, *sets: seen.append((args, config, sets)))
    monkeypatch.setattr("corners.train.finished", lambda args, history: 0)
    flags = ["--dataset_path", "set"]
    assert train_corners.main(flags) == 0 and train_corners.main([*flags, "--lookalikes", "set", "set"]) == 0
    (plain, config, sets), (args, judging, both) = seen
    assert str(plain.output) == "corners/corners.keras" and config.judged == 0 and sets[2:] == ([], [])
    assert str(args.output) == "corners/judge.keras" and judging.judged > 0
    assert (str(args.logs), str(args.checkpoints)) == ("logs/judge", "checkpoints/judge")
    assert [len(one) for one in both[2]] == [1, 1] and len(both[3]) == 2
    train_corners.main([*flags, "--lookalikes", "set", "--output", "mine.keras"])
    assert str(seen[2][0].output) == "mine.keras"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "none"),
        (["--lookalikes", "a", "b", "--mix", "1", "2"], "--mix: 3 numbers wanted, one a set and 2 of --lookalikes"),
        (["--mix", "1", "2"], "--mix"),
        (["--network", "{"], "--network"),
        (["--network", '{"colour": 3}'], "unknown key"),
    ],
)
def test_faults_of_training_are_one_line(flags, told, tmp_path, capsys, policy):
    assert train_corners.main([*flags, "--dataset_path", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("train_corners.py: ") and told in error and len(error.splitlines()) == 1
