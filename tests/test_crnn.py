"""crnn/: configuration, network, loss, labels, training by its script, and the exports."""

import itertools
import json
import math
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

import make_dataset
import train_lines
from crnn.config import TASKS, LineConfig, task_config
from crnn.fit import check_lines, decode, encode, evaluate_lines, step_labels, take_over
from crnn.losses import NOT_KNOWN, CtcLoss
from crnn.model import build
from crnn.onnx_graph import to_onnx
from crnn.release import ReleaseError, load, release
from crnn.train import balanced
from reader.line_settings import ALPHABETS
from reader.runtime import OnnxNetwork
from training.display_texts import display_text
from training.export import largest_difference, save_savedmodel, savedmodel_network
from training.line_augment import AUGMENTATIONS, augmentation_of, line_view
from training.line_sets import LineSample

TINY = {"channels": [8, 8, 8, 8, 8, 8], "column": 16, "units": 8}
CODE = task_config("code", {**TINY, "alphabet": "abc", "input_size": (16, 32), "max_length": 4})
FINE = {"fine": 6, "input_size": [32, 64]}


def randomised(network, seed=0):
    """A network whose normalisations and biases do something: fresh ones hide what an export forgets."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        if weight.path.rsplit("/", 1)[-1] in ("moving_mean", "moving_variance", "beta", "bias"):
            weight.assign(np.abs(rng.normal(size=weight.shape)) * 0.3 + 0.2)
    return network


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_network_of_its_shape(task):
    config = task_config(task)
    assert config.alphabet == ALPHABETS[task]
    # Room for a line of equal characters, which need a blank between each two.
    assert config.steps >= 2 * config.max_length - 1
    assert LineConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("changes", [{}, {"rnn": "gru"}, {"layers": 0}, {"layers": 1}, {"context": 3}, {"fit": "pad"}])
def test_the_network_gives_raw_logits_a_step_every_four_pixels(changes):
    network = build(task_config("code", {**CODE.to_dict(), **changes}))
    assert network.input_shape == (None, 16, 32, 3)
    logits = network.predict(np.zeros((2, 16, 32, 3), np.uint8), verbose=0)["logits"]
    assert logits.shape == (2, 8, 4) and logits.dtype == np.float32
    assert not np.allclose(logits.sum(-1), 1), "logits, not probabilities"


def test_a_fine_network_sees_twice_the_pixels():
    config = task_config("code", {**CODE.to_dict(), **FINE})
    assert (config.map_size, config.steps) == (CODE.input_size, CODE.steps)
    network = build(config)
    plain = np.full((1, 32, 64, 3), 128, np.uint8)
    rows = np.arange(32) % 2
    striped = plain + (rows[:, None, None] * 80 - 40).astype(np.uint8)  # of the same mean wherever four pixels are one
    logits = network.predict(np.concatenate([plain, striped]), verbose=0)["logits"]
    assert logits.shape == (2, 8, 4)
    assert np.abs(logits[0] - logits[1]).max() > 0.01


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fine": -1}, "fine: at least 0 wanted"),
        ({"fine": 6, "input_size": (24, 64)}, "a height in steps of 16, a width in steps of 8"),
        ({"alphabet": "aa"}, "alphabet"),
        ({"rnn": "transformer"}, "rnn"),
        ({"fit": "crop"}, "fit"),
        ({"input_size": (30, 32)}, "steps of 8"),
        ({"channels": [8]}, "channels"),
        ({"max_length": 9}, "at most 8"),
        ({"units": 0}, "units"),
        ({"context": 2}, "context: 0 or an odd number wanted; 2 came"),
        ({"dropout": 1.0}, "dropout"),
        ({"colour": "red"}, "unknown keys"),
    ],
)
def test_a_configuration_that_makes_no_network_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        task_config("code", {**CODE.to_dict(), **changes})
    with pytest.raises(ValueError, match="unknown"):
        task_config("poems")


def by_hand(logits, labels):
    """The CTC loss by its definition: all alignments of the labels summed up."""
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        collapsed = [c for i, c in enumerate(path) if c and (i == 0 or c != path[i - 1])]
        if collapsed == labels:
            total += math.prod(p[t, c] for t, c in enumerate(path))
    return -math.log(total)


@pytest.mark.parametrize("labels", [[1], [1, 2], [1, 1], [2, 1, 2]])
def test_the_loss_is_that_of_all_alignments_per_character(labels):
    logits = np.random.default_rng(len(labels)).normal(size=(1, 5, 3)).astype(np.float32)
    target = np.zeros((1, 4 + 5), np.int32)
    target[0, : len(labels)] = labels
    target[0, 4:] = NOT_KNOWN
    loss = float(CtcLoss(reduction=None)(target, logits)[0])
    assert loss == pytest.approx(by_hand(logits[0].astype(float), labels) / len(labels), rel=1e-4)


def test_known_steps_add_their_cross_entropy():
    logits = np.random.default_rng(3).normal(size=(1, 5, 3)).astype(np.float32)
    target = np.full((1, 4 + 5), NOT_KNOWN, np.int32)
    target[0, :4] = [1, 2, 0, 0]
    before = float(CtcLoss()(target, logits))
    target[0, 4:] = [0, 1, NOT_KNOWN, 2, NOT_KNOWN]
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)
    added = -np.mean(np.log([p[0, 0], p[1, 1], p[3, 2]]))
    assert float(CtcLoss()(target, logits)) == pytest.approx(before + added, rel=1e-4)


def test_labels_and_their_way_back():
    target = encode("cab", CODE)
    assert target.tolist() == [3, 1, 2, 0] + [NOT_KNOWN] * 8
    logits = np.full((8, 4), -5.0)
    for step, label in enumerate([0, 3, 3, 0, 1, 0, 2, 2]):
        logits[step, label] = 5
    assert decode(logits, "abc") == "cab"
    logits[:, 0] = 9
    assert decode(logits, "abc") == ""


def test_steps_of_a_display_say_where_its_digits_stand():
    config = task_config("display")  # 64 steps of 4 pixels
    boxes = np.array([[100, 0, 140, 48], [20, 0, 60, 48], [96, 0, 150, 48]], np.float32)
    labels = np.array([7, 0, 14])  # the last is the decimal area
    assert display_text(boxes, labels) == "0⁷"
    steps = step_labels(boxes, labels, config)
    assert steps[10] == 1 and steps[30] == 18 and steps[0] == 0  # middles at x = 40 and 120
    assert NOT_KNOWN in steps[5:9] and set(steps.tolist()) == {0, 1, 18, NOT_KNOWN}
    assert step_labels(boxes[:2], labels[:2], config)[30] == 8, "without the area it is no decimal"
    plain = replace(config, alphabet="0123456789")
    assert display_text(boxes, labels, plain.alphabet) == "07"
    assert step_labels(boxes, labels, plain)[30] == 8, "nor where the network does not tell them"


@pytest.mark.parametrize(
    ("areas", "text"),
    [
        ([], "123"),
        ([[58, 0, 100, 9]], "12³"),
        ([[58, 0, 100, 9], [30, 0, 100, 9]], "1²³"),  # the largest counts
        ([[0, 0, 100, 9]], "123"),  # nothing before the point
        ([[300, 0, 340, 9]], "123"),  # no digit in it
    ],
)
def test_a_display_s_text_has_the_point_before_the_decimal_area(areas, text):
    digits = [[60, 0, 80, 9], [10, 0, 30, 9], [35, 0, 55, 9]]
    labels = np.array([3, 1, 2, *(14 for _ in areas)])
    assert display_text(np.array(digits + areas, np.float32), labels) == text


def test_weights_are_taken_over_by_the_characters_of_the_classes():
    old, new = replace(CODE, alphabet="ba"), replace(CODE, alphabet="abc")
    source, network = build(old), build(new)
    fresh = network.get_layer("logits").get_weights()[0][:, 3].copy()
    take_over(network, new, source, old)
    kernel, was = network.get_layer("logits").get_weights()[0], source.get_layer("logits").get_weights()[0]
    np.testing.assert_array_equal(kernel[:, [0, 1, 2]], was[:, [0, 2, 1]])
    np.testing.assert_array_equal(kernel[:, 3], fresh)
    image = np.random.default_rng(0).integers(0, 255, (1, *CODE.input_size, 3), np.uint8)
    one, other = (net.predict(image, verbose=0)["logits"] for net in (network, source))
    np.testing.assert_allclose(one[..., [0, 2, 1]], other, atol=1e-5)


def test_decimals_begin_as_the_digits_that_they_look_like():
    old, new = replace(CODE, alphabet="21"), replace(CODE, alphabet="12¹²")
    source, network = build(old), build(new)
    take_over(network, new, source, old)
    kernel, was = network.get_layer("logits").get_weights()[0], source.get_layer("logits").get_weights()[0]
    np.testing.assert_array_equal(kernel, was[:, [0, 2, 1, 2, 1]])


@pytest.mark.parametrize(
    ("fewer", "more"),
    [({"layers": 0}, {}), ({}, {"context": 3}), ({"layers": 0}, {"context": 5}), ({"layers": 0, "context": 3}, {})],
)
def test_parts_of_a_network_come_later_and_begin_unheard(fewer, more):
    small = replace(CODE, **fewer)
    large = replace(CODE, **{**fewer, "layers": 2, **more})
    source, network = randomised(build(small)), build(large)
    take_over(network, large, source, small)
    views = np.random.default_rng(1).integers(0, 256, (2, 16, 32, 3), np.uint8)
    wanted = source.predict(views, verbose=0)["logits"]
    np.testing.assert_allclose(network.predict(views, verbose=0)["logits"], wanted, atol=1e-5)
    # And back: what is not wanted is left out.
    again = build(small)
    take_over(again, small, network, large)
    np.testing.assert_allclose(again.predict(views, verbose=0)["logits"], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "told"), [("abd", "characters"), ("abcab", "max_length"), ("aaaa", None), ("abc", None)]
)
def test_lines_that_the_network_cannot_have_are_named(text, told):
    sample = LineSample(np.zeros((16, 32, 3), np.uint8), text, "one.png")
    if told is None:
        check_lines([sample], CODE)
    else:
        with pytest.raises(ValueError, match=rf"one\.png: .*{told}"):
            check_lines([sample], CODE)


@pytest.mark.parametrize("task", ["plate", "handwritten"])
def test_views_differ_and_show_the_line(task):
    image = np.full((24, 94, 3), 255, np.uint8)
    image[6:18, 20:74] = 0
    config, settings = task_config(task), AUGMENTATIONS[task]
    views = [line_view(image, config.input_size, config.fit, np.random.default_rng(i), settings) for i in range(6)]
    assert all(view.shape == (*config.input_size, 3) and view.dtype == np.uint8 for view in views)
    assert len({view.tobytes() for view in views}) == 6
    assert all(int(view.max()) - int(view.min()) > 60 for view in views), "the line went missing"
    same = line_view(image, config.input_size, config.fit, np.random.default_rng(0), settings)
    np.testing.assert_array_equal(same, views[0])


def test_a_view_without_changes_is_what_the_reader_prepares():
    from reader.line_image import prepare

    image = np.random.default_rng(0).integers(0, 256, (32, 128, 3), np.uint8)
    view = line_view(image, (32, 128), "stretch", np.random.default_rng(0), augmentation_of("handwritten", 0))
    np.testing.assert_array_equal(view, prepare(image, (32, 128), "stretch"))


def test_weaker_augmentation_changes_a_line_less():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (40, 192, 3), np.uint8), (0, 0), 4)

    def change(strength):
        settings = augmentation_of("handwritten", strength)
        views = [line_view(image, (40, 192), "pad", np.random.default_rng(i), settings) for i in range(20)]
        return np.mean([np.abs(view.astype(int) - image).mean() for view in views])

    assert change(0) < 0.5 * change(0.4) < 0.5 * change(1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rnn": "gru"},
        {"layers": 0},
        {"context": 3},
        {"layers": 0, "context": 5},
        {**FINE, "channels": [9, 8, 8, 8, 8, 8]},
    ],
)
def test_exports_answer_as_keras_does(changes, tmp_path):
    config = task_config("code", {**CODE.to_dict(), **changes})
    network = randomised(build(config))
    batch = np.random.default_rng(0).integers(0, 256, (3, *config.input_size, 3), np.uint8)
    truth = network.predict(batch, verbose=0)
    (tmp_path / "code.onnx").write_bytes(to_onnx(network).SerializeToString())
    assert largest_difference(truth, OnnxNetwork(tmp_path / "code.onnx", 1)(batch)) < 1e-4
    if not changes:
        save_savedmodel(network, tmp_path / "1")
        assert largest_difference(truth, savedmodel_network(tmp_path / "1")(batch)) < 1e-4


def test_a_released_network_is_the_same_in_float32(tmp_path):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        network = randomised(build(CODE))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    network.save(tmp_path / "trained.keras")
    assert release(tmp_path / "trained.keras", tmp_path / "code.keras") == CODE
    again, config = load(tmp_path / "code.keras")
    assert config == CODE
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    (tmp_path / "broken.keras").write_bytes(b"PK")
    with pytest.raises(ReleaseError, match="broken"):
        load(tmp_path / "broken.keras")


def bars(text):
    """A line that anything can learn: a, b, c are bars of three heights."""
    image = np.full((16, 32, 3), 230, np.uint8)
    for place, character in enumerate(text):
        image[16 - 5 * (1 + "abc".index(character)) :, 2 + 8 * place : 6 + 8 * place] = 20
    return image


def bar_set(folder, count=240):
    """A set of such lines on disk."""
    import cv2

    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows = ["img_name,text"]
    for number in range(count):
        text = "".join(rng.choice(list("abc"), int(rng.integers(2, 5))))
        cv2.imwrite(str(folder / "images" / f"{number}.png"), bars(text))
        rows.append(f"{number}.png,{text}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


def test_from_pictures_to_a_reader_that_reads(tmp_path, policy):
    labels = bar_set(tmp_path / "bars")
    network = json.dumps({**TINY, "alphabet": "abc", "input_size": [16, 32], "max_length": 4, "dropout": 0.0})
    asked = ["lines", "--source", labels, "--task", "captcha", "--alphabet", "abc", "--lengths", 2, 4,
             "--group_by", "picture", "--skip_faulty", "--out", tmp_path / "set"]  # fmt: skip
    assert make_dataset.main([str(each) for each in asked]) == 0
    flags = ["--task", "code", "--dataset_path", tmp_path / "set", "--network", network, "--output",
             tmp_path / "code.keras", "--logs", tmp_path / "logs", "--checkpoints", tmp_path / "ck", "--quiet",
             "--steps_per_epoch", 50, "--batch_size", 16, "--learning_rate", "1e-2", "--warmup_steps", 10,
             "--ema", "0.9", "--precision", "float32"]  # fmt: skip
    flags = [str(each) for each in flags]
    assert train_lines.main([*flags, "--epochs", "1"]) == 0
    assert train_lines.main([*flags, "--epochs", "5", "--resume_training"]) == 0
    state = json.loads((tmp_path / "ck/latest.json").read_text())
    assert state["epoch"] == 5
    trained, config = load(tmp_path / "code.keras")
    unseen = ["abc", "cab", "bb", "caca", "acb", "cc", "baab", "bca"]
    samples = [LineSample(bars(text), text, text) for text in unseen]
    measures = evaluate_lines(trained, config, samples)
    assert measures["lines"] >= 0.75, measures


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--task", "poems"], "task 'poems' is unknown"),
        (["--task", "plate"], "none"),
        (["--task", "plate", "--mix", "1", "2"], "--mix"),
        (["--task", "plate", "--network", "{"], "--network"),
        (["--task", "plate", "--network", '{"unit": 3}'], "unknown keys"),
    ],
)
def test_faults_of_training_are_one_line(flags, told, tmp_path, capsys):
    assert train_lines.main([*flags, "--dataset_path", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("train_lines.py: ") and told in error and len(error.splitlines()) == 1


def test_rare_first_characters_are_drawn_more_often():
    def lines(*texts):
        return [LineSample(np.zeros((8, 16, 3), np.uint8), text, "") for text in texts]

    sets = [lines(*["皖A1"] * 9, "京B2", ""), lines("京C3", "京D4")]
    for balance, wanted in ((0.0, [9 / 11, 1 / 11, 1 / 11]), (0.5, [3 / 5, 1 / 5, 1 / 5]), (1.0, [1 / 3] * 3)):
        parts, weights = balanced(sets, [2.0, 1.0], balance)
        assert [len(part) for part in parts] == [9, 1, 1, 2]
        assert weights == pytest.approx([*(2 * share for share in wanted), 1.0])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--task", "plate", "--augmentation", "-1"], "--augmentation: a number from 0 to 2 wanted, -1.0 came"),
        (["--task", "plate", "--augmentation", "nan"], "a number from 0 to 2 wanted, nan came"),
        (["--task", "plate", "--balance", "1.5"], "a number from 0 to 1 wanted, 1.5 came"),
        (["--task", "plate", "--balance", "nan"], "a number from 0 to 1 wanted, nan came"),
        (["--task", "display", "--balance", "0.5"], "displays are not balanced"),
    ],
)
def test_flags_that_cannot_be_had(flags, message, tmp_path, capsys):
    assert train_lines.main([*flags, "--dataset_path", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
