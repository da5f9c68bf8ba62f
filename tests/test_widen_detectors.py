"""retinanet/widen.py: a wider detector that answers as the narrow one did, and learns on."""

import dataclasses

import keras
import numpy as np
import pytest
from test_crnn import randomised
from test_model import CONFIGS, answers_of, pictures

from retinanet import widen
from retinanet.model import build
from retinanet.release import load
from training.loop import save_atomic

WIDE = {"channels": (5, 9, 11, 8, 12), "fpn_channels": 10}


def narrow(stage, **changes):
    config = dataclasses.replace(CONFIGS[stage][0], **changes)
    keras.utils.set_random_seed(4)
    network = randomised(build(config))
    for layer in ("classes_out", CONFIGS[stage][1] + "_out"):  # fresh heads hardly say anything
        kernel, bias = network.get_layer(layer).get_weights()
        network.get_layer(layer).set_weights([kernel * 20, bias])
    return network, config


@pytest.mark.parametrize("stage", CONFIGS)
def test_a_wider_detector_answers_the_same(stage):
    network, config = narrow(stage)
    wide = widen.widen(network, config, dataclasses.replace(config, **WIDE))
    images = pictures(config)
    for name, before in answers_of(network, images).items():
        np.testing.assert_allclose(answers_of(wide, images)[name], before, atol=1e-4)
        assert np.ptp(before) > 0.1, "networks that say nothing say the same"
    assert wide.count_params() > network.count_params()


def test_what_is_new_learns():
    # High enough that no row of a kernel lies in the padding only.
    network, config = narrow("stage2", input_size=(64, 96))
    wide = widen.widen(network, config, dataclasses.replace(config, **WIDE))
    wide.compile(keras.optimizers.Adam(1e-2), loss={"classes": "mse", "boxes": "mse"})
    before = {v.path: v.numpy().copy() for v in wide.trainable_variables}
    images = pictures(config)
    rng = np.random.default_rng(5)
    target = {name: rng.normal(size=values.shape) for name, values in answers_of(wide, images).items()}
    wide.fit(images, target, epochs=6, verbose=0)
    for variable in wide.trainable_variables:
        moved = variable.numpy() != before[variable.path]
        assert moved.mean() > 0.9, variable.path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fpn_channels": 4}, "fpn_channels: at least 8 wanted; 4 came"),
        ({"channels": (4, 8, 8, 4, 8)}, "channels: at least"),
        ({"blocks": (1, 2, 1, 1)}, "only channels, fpn_channels can be widened; blocks would change"),
    ],
)
def test_what_is_no_widening_is_refused(changes, message):
    network, config = narrow("stage1")
    with pytest.raises(ValueError, match=message):
        widen.widen(network, config, dataclasses.replace(config, **changes))


def test_a_backbone_that_joins_maps_side_by_side_is_refused():
    config = dataclasses.replace(CONFIGS["stage1"][0], backbone="yolov8")
    with pytest.raises(ValueError, match="only a residual backbone can be widened; 'yolov8' came"):
        widen.widen(keras.Sequential(), config, dataclasses.replace(config, fpn_channels=16))


def test_the_command(tmp_path, capsys):
    network, config = narrow("stage2")
    source, target = tmp_path / "narrow.keras", tmp_path / "wide.keras"
    save_atomic(network, source)
    assert widen.main([str(source), str(target), "--network", '{"fpn_channels": 4}']) == 1
    said = capsys.readouterr().err
    assert "fpn_channels: at least 8 wanted; 4 came" in said and said.count("\n") == 1 and not target.exists()
    assert widen.main([str(source), str(target), "--network", '{"fpn_channels": 12}']) == 0
    assert "channels [4, 8, 8, 8, 8], fpn_channels 12" in capsys.readouterr().out
    wide, loaded = load(target)
    assert loaded == dataclasses.replace(config, fpn_channels=12)
    images = pictures(config)
    np.testing.assert_allclose(answers_of(wide, images)["boxes"], answers_of(network, images)["boxes"], atol=1e-4)
