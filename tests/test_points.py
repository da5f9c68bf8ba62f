"""points/ and reader/gaps.py: gaps are cut out alike, the network learns from them, its exports answer the same."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from small_sets import short_run

import train_point
from points import enlarge as enlarging
from points import fit as fitting
from points.config import PointConfig
from points.enlarge import enlarge
from points.fit import GAPS, evaluate_points, fit_point, row_of_gaps
from points.losses import PointLoss
from points.model import build, build_row
from points.preparation import PointWish, prepare_point
from points.release import ReleaseError, load
from points.sheets import write_gaps
from reader.bundle import Bundle, BundleError, PointSettings, Stage1Settings, Stage2Settings
from reader.gaps import GapView, PointReader, gap_cuts
from reader.image import load_image
from reader.symbols import FLOATP_ID
from training.augment import Stage2Augmentation
from training.datasets import Stage2Sample
from training.run import Weighted

SMALL = PointConfig(input_size=(24, 32), channels=(8, 8, 8, 8), units=8, dropout=0.0)
SHIPPED = Path(__file__).parent.parent / "points" / "point.keras"
RED, BLACK, WHITE = (200, 20, 20), (20, 20, 20), (230, 230, 225)


def display(digits, decimals, pitch=30):
    """A white display of black digits, the decimals red; its boxes, left to right."""
    picture = np.full((64, pitch * digits + 20, 3), WHITE, np.uint8)
    boxes = np.array([[14 + pitch * i, 14, 14 + pitch * i + 18, 50] for i in range(digits)], np.float32)
    for place, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        picture[y1:y2, x1:x2] = RED if place >= digits - decimals else BLACK
    return picture, boxes


def sample(digits, decimals):
    picture, boxes = display(digits, decimals)
    labels = [1] * digits
    if decimals:
        boxes = np.vstack([boxes, [*boxes[-decimals, :2], *boxes[-1, 2:]]])
        labels.append(FLOATP_ID)
    return Stage2Sample(picture, boxes.astype(np.float32), np.array(labels), f"{digits}_{decimals}")


def test_cuts_show_the_gap_in_the_middle_and_two_digits_on_either_side():
    picture, boxes = display(6, 2)
    cuts = gap_cuts(picture, boxes, (48, 80))
    assert cuts.shape == (5, 48, 80, 3)
    middle = cuts[:, 24, 40].astype(int)
    assert (middle > 200).all(), "ground between the digits"
    pitch = 80 // 4
    colours = {name: cuts[:, 24, 40 + round(away * pitch)] for name, away in (("before", -0.5), ("behind", 0.5))}
    red = [(cut[0] > 150) and (cut[1] < 90) for cut in colours["behind"]]
    assert red == [False, False, False, True, True]
    assert [(cut[0] > 150) and (cut[1] < 90) for cut in colours["before"]] == [False, False, False, False, True]


def test_cuts_do_not_depend_on_size_and_number_of_the_digits():
    picture, boxes = display(6, 2)
    small = np.ascontiguousarray(picture[::2, ::2])
    near = gap_cuts(small, boxes / 2, (48, 80)).astype(float)
    assert np.abs(near - gap_cuts(picture, boxes, (48, 80))).mean() < 12
    longer, more = display(8, 2)
    ours, others = gap_cuts(picture, boxes, (48, 80))[-3], gap_cuts(longer, more, (48, 80))[-3]
    assert np.abs(ours.astype(float) - others).max() <= 2, "how many digits come before it does not show"


@pytest.mark.parametrize(
    "boxes", [np.zeros((0, 4)), [[5, 5, 9, 30]], [[5, 5, 9, 30]] * 2, [[5, 9, 9, 9], [30, 9, 40, 9]]]
)
def test_what_has_no_gaps_gives_no_cuts(boxes):
    assert gap_cuts(np.zeros((40, 90, 3), np.uint8), boxes, (48, 80)).shape == (0, 48, 80, 3)


def test_the_reader_counts_decimals_from_the_right():
    settings = PointSettings((48, 80), {})
    picture, boxes = display(5, 2)

    def network(batch):  # says how red the digit behind the gap is
        red = batch[:, 24, 50].astype(float)
        left = batch[:, 24, 30].astype(float)
        return {"logits": ((red[:, 0] - red[:, 1]) - (left[:, 0] - left[:, 1]))[:, None] / 10}

    told = PointReader(network, settings).log_probabilities(picture, boxes)
    assert told.shape == (5,) and told.argmax() == 2
    assert np.exp(told).sum() == pytest.approx(1)
    plain, plain_boxes = display(5, 0)
    even = PointReader(network, settings).log_probabilities(plain, plain_boxes)
    np.testing.assert_allclose(even, np.log(np.full(5, 0.2)), atol=0.05)
    assert PointReader(network, settings).log_probabilities(picture, boxes[:1]).tolist() == [0.0]
    assert PointReader(network, settings).log_probabilities(picture, np.zeros((0, 4))).shape == (0,)


def test_a_display_is_looked_at_in_more_pixels_than_it_was_read_in():
    seen = []

    def network(batch):
        seen.append(batch)
        return {"logits": np.zeros((len(batch), 1), np.float32)}

    fine, boxes = display(5, 2)
    reader = PointReader(network, PointSettings((48, 80), {}, display_size=fine.shape[:2]))
    told = GapView(reader, fine, (2.0, 2.0)).log_probabilities(boxes / 2)
    np.testing.assert_allclose(told, np.log(np.full(5, 0.2)), atol=1e-6)
    np.testing.assert_array_equal(seen[0], gap_cuts(fine, boxes, (48, 80)))


def test_the_loss_is_the_cross_entropy_of_the_gaps_that_are_there_and_none():
    logits = np.array([[0.5, 2.0, -1.0], [0.5, 2.0, 9.0], [0.1, 0.2, 0.3]], np.float32)
    truth = np.array([[1, 3], [2, 2], [0, 0]], np.int32)
    losses = np.asarray(PointLoss(reduction=None)(truth, logits))
    by_hand = [
        -np.log(np.exp(2.0) / (1 + np.exp([0.5, 2.0, -1.0]).sum())),
        -np.log(1 / (1 + np.exp([0.5, 2.0]).sum())),  # none, and the third gap is not there
        0.0,  # nothing to tell
    ]
    np.testing.assert_allclose(losses, by_hand, atol=1e-5)


@pytest.mark.parametrize(
    ("digits", "decimals", "wanted"), [(5, 2, (2, 4)), (5, 0, (4, 4)), (1, 0, (0, 0)), (8, 1, (6, 7))]
)
def test_rows_of_gaps_and_which_has_the_point(digits, decimals, wanted):
    picture, boxes = display(digits, decimals)
    gaps, targets = row_of_gaps(picture, boxes, decimals, SMALL)
    assert gaps.shape == (GAPS, 24, 32, 3) and tuple(targets["logits"]) == wanted
    if digits > 1:
        assert gaps.max() > 0 and (gaps[digits - 1] == gaps[0]).all(), "places without a gap show another"


@pytest.mark.parametrize("decimals", [0, 1, 5, 10])
def test_of_long_rows_the_part_with_the_point_is_looked_at(decimals):
    picture, boxes = display(12, decimals)
    gaps, targets = row_of_gaps(picture, boxes, decimals, SMALL)
    point, count = targets["logits"]
    assert count == GAPS and (point < GAPS) == (decimals > 0)
    if decimals:
        whole = gap_cuts(picture, boxes, SMALL.input_size)
        np.testing.assert_array_equal(gaps[point], whole[12 - decimals - 1])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"input_size": [20, 80]}, "input_size"),
        ({"channels": [8]}, "channels"),
        ({"units": 0}, "units"),
        ({"residuals": -1}, "residuals: at least 0 wanted; -1 came"),
        ({"dropout": 1.0}, "dropout"),
        ({"display_size": [8, 320]}, "display_size"),
        ({"colour": 3}, "unknown key 'colour'"),
    ],
)
def test_a_configuration_that_makes_no_network_is_refused(values, told):
    with pytest.raises(ValueError, match=told):
        PointConfig.from_dict(values)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network that learned on displays with red decimals."""
    folder = tmp_path_factory.mktemp("point")
    samples = [sample(n, k) for n in (4, 5, 6, 7) for k in range(4)]
    unseen = [sample(n, k) for n in (3, 8) for k in range(3)]
    before = fitting.AUGMENTATION
    fitting.AUGMENTATION = Stage2Augmentation(jitter=0.02, shift=0.02, exchange=0, negative=0, moved_point=0, loose=0)
    run = short_run("point", folder, epochs=4)
    try:
        history = fit_point([Weighted(samples, 1.0)], unseen, run, SMALL, verbose=0).history
    finally:
        fitting.AUGMENTATION = before
    return folder / "trained.keras", unseen, history


def test_it_learns_where_the_red_digits_begin(trained):
    path, unseen, history = trained
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    network, config = load(path)
    assert config == SMALL and network.name == "point"
    row = build_row(config, GAPS)
    row.set_weights(network.get_weights())
    measures = evaluate_points(row, config, unseen)
    assert measures["right"] >= 0.8, measures
    reader = PointReader(network.predict_on_batch, PointSettings(config.input_size, {}))
    picture, boxes = display(6, 2)
    assert reader.log_probabilities(picture, boxes).argmax() == 2


def test_exports_answer_as_keras_does(trained, tmp_path):
    path, _, _ = trained

    def make(rng):
        return display(int(rng.integers(3, 8)), int(rng.integers(3)))

    settings = prepare_point(PointWish(path, ("savedmodel", "onnx", "onnx_int8")), tmp_path, make)
    assert settings.files == {"onnx": "point.onnx", "onnx_float32": "point.onnx", "savedmodel": "point/1"}
    assert (settings.input_size, settings.display_size) == (SMALL.input_size, SMALL.display_size)
    assert set(settings.checks) == {"onnx_float32", "savedmodel"}
    only = prepare_point(PointWish(path, ("savedmodel",)), tmp_path, make)
    assert only.files == {"savedmodel": "point/1"} and set(only.checks) == {"savedmodel"}


def test_the_bundle_carries_it():
    bundle = Bundle(
        Stage1Settings(256, {}), Stage2Settings((64, 320), {}), point=PointSettings((48, 80), {"onnx": "point.onnx"})
    )
    assert Bundle.from_dict(json.loads(json.dumps(bundle.to_dict()))) == bundle
    older = json.loads(json.dumps(bundle.to_dict()))
    del older["point"]["display_size"]  # of a time when gaps were cut out of stage 2's input
    assert Bundle.from_dict(older).point.display_size == bundle.stage2.input_size
    without = Bundle(Stage1Settings(256, {}), Stage2Settings((64, 320), {}))
    assert Bundle.from_dict(json.loads(json.dumps(without.to_dict()))).point is None
    with pytest.raises(BundleError, match="point"):
        Bundle.from_dict({**bundle.to_dict(), "point": {"size": 3}})


def test_files_that_hold_no_point_network(tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="other")
    other.save(tmp_path / "other.keras")
    for path in (tmp_path / "other.keras", tmp_path / "none.keras"):
        with pytest.raises(ReleaseError, match=path.name):
            load(path)
    build(SMALL).save(tmp_path / "point.keras")
    assert load(tmp_path / "point.keras")[1] == SMALL


def test_a_sheet_of_what_is_trained_on(tmp_path):
    write_gaps(tmp_path / "gaps.png", [sample(6, 2), sample(5, 0)], SMALL)
    usual = load_image(tmp_path / "gaps.png")
    assert usual.shape == (24 * 28, GAPS * 36, 3)
    write_gaps(tmp_path / "weaker.png", [sample(6, 2), sample(5, 0)], SMALL, strength=0.0)
    weaker = load_image(tmp_path / "weaker.png")
    assert weaker.shape == usual.shape and (weaker != usual).any()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "none"),
        (["--mix", "1", "2"], "--mix"),
        (["--network", "{"], "--network"),
        (["--network", "{}x"], "JSON"),
        (["--network", '{"colour": 3}'], "unknown key"),
    ],
)
def test_faults_of_training_are_one_line(flags, told, tmp_path, capsys, policy):
    assert train_point.main([*flags, "--dataset_path", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("train_point.py: ") and told in error and len(error.splitlines()) == 1


def cuts_of(config):
    """Gaps of plain displays, as the network of `config` takes them, and which of them has the point."""
    rows = [(display(6, k), k) for k in range(4)]
    cuts = np.concatenate([gap_cuts(picture, boxes, config.input_size) for (picture, boxes), _ in rows])
    return cuts, np.concatenate([np.arange(5) == (5 - k if k else -1) for _, k in rows])


def test_more_channels_answer_as_before(trained):
    network, config = load(trained[0])
    large = PointConfig.from_dict({**config.to_dict(), "channels": [8, 12, 10, 16], "units": 12})
    wider = enlarge(network, config, large)
    cuts, _ = cuts_of(config)
    before, after = (np.asarray(each(cuts)["logits"]) for each in (network, wider))
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert wider.count_params() > network.count_params()


def test_more_convolutions_answer_as_before_and_learn(trained):
    network, config = load(trained[0])
    once = PointConfig.from_dict({**config.to_dict(), "residuals": 1})
    twice = PointConfig.from_dict({**once.to_dict(), "residuals": 2, "channels": [8, 12, 10, 16]})
    deeper = enlarge(network, config, once)
    cuts, point = cuts_of(config)
    before = np.asarray(network(cuts)["logits"])
    np.testing.assert_allclose(deeper(cuts)["logits"], before, atol=1e-4)
    deeper.compile(keras.optimizers.Adam(1e-2), loss={"logits": "mse"})
    deeper.fit(cuts, {"logits": point[:, None].astype(np.float32)}, epochs=2, verbose=0)
    assert np.abs(deeper.get_layer("residual0_last_bn").gamma.numpy()).min() > 0
    again = enlarge(deeper, once, twice)
    np.testing.assert_allclose(again(cuts)["logits"], deeper(cuts)["logits"], atol=1e-4)


def test_more_pixels_answer_nearly_as_before():
    network, config = load(SHIPPED)
    height, width = config.input_size
    large = PointConfig.from_dict({**config.to_dict(), "input_size": [height + 16, width + 24]})
    sharper = enlarge(network, config, large)
    (cuts, point), (fine, _) = cuts_of(config), cuts_of(large)
    before, after = (np.asarray(n(c)["logits"])[:, 0] for n, c in ((network, cuts), (sharper, fine)))
    assert np.corrcoef(before, after)[0, 1] > 0.7
    assert after[point].min() > after[~point].max(), "red digits behind a gap still speak for a point"


def test_enlarging_on_the_command_line(trained, tmp_path, capsys):
    out = tmp_path / "larger.keras"
    sizes = '{"input_size": [32, 48], "display_size": [96, 480]}'
    assert enlarging.main([str(trained[0]), str(out), "--network", sizes]) == 0
    assert load(out)[1].display_size == (96, 480)
    assert enlarging.main([str(trained[0]), str(tmp_path / "no.keras"), "--network", '{"units": 2}']) == 1
    assert "units: at least 8 wanted; 2 came" in capsys.readouterr().err
    assert not (tmp_path / "no.keras").exists()
