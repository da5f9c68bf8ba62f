"""crnn/widen.py: a wider network that answers as the narrow one did, and learns on."""

import dataclasses

import keras
import numpy as np
import pytest
from test_crnn import CODE, randomised

from crnn import widen
from crnn.model import build
from crnn.release import load
from training.loop import save_atomic

WIDE = {"channels": (8, 12, 9, 16, 10, 11), "column": 20, "units": 13}


def narrow(**changes):
    config = dataclasses.replace(CODE, **changes)
    keras.utils.set_random_seed(4)
    return randomised(build(config)), config


def pictures():
    return np.random.default_rng(3).integers(0, 256, (3, 16, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "changes", [{}, {"rnn": "gru"}, {"layers": 0}, {"layers": 1}, {"context": 3}, {"layers": 0, "context": 5}]
)
def test_a_wider_network_answers_the_same(changes):
    network, config = narrow(**changes)
    wide = widen.widen(network, config, dataclasses.replace(config, **WIDE))
    answer, before = (n.predict(pictures(), verbose=0)["logits"] for n in (wide, network))
    np.testing.assert_allclose(answer, before, atol=1e-4)
    assert np.ptp(before) > 0.1, "networks that say nothing say the same"
    assert wide.count_params() > network.count_params()


def test_a_finer_network_answers_for_halves_as_before():
    network, config = narrow()
    large = dataclasses.replace(config, **WIDE, fine=5, input_size=(32, 64))
    finer = widen.widen(network, config, large)
    twice = pictures().repeat(2, axis=1).repeat(2, axis=2)
    answer, before = (n.predict(x, verbose=0)["logits"] for n, x in ((finer, twice), (network, pictures())))
    np.testing.assert_allclose(answer, before, atol=1e-4)
    finest = widen.widen(finer, large, dataclasses.replace(large, fine=8))
    np.testing.assert_allclose(finest.predict(twice, verbose=0)["logits"], before, atol=1e-4)


def test_what_is_new_learns():
    """Nobody listens to the new channels at first, but everything in the network gets a gradient soon."""
    network, config = narrow(dropout=0.0)
    wide = widen.widen(network, config, dataclasses.replace(config, **WIDE))
    wide.compile(keras.optimizers.Adam(1e-2), loss={"logits": "mse"})
    before = {v.path: v.numpy().copy() for v in wide.trainable_variables}
    target = {"logits": np.random.default_rng(5).normal(size=(3, 8, 4)).astype(np.float32)}
    wide.fit(pictures(), target, epochs=6, verbose=0)
    for variable in wide.trainable_variables:
        moved = variable.numpy() != before[variable.path]
        assert moved.mean() > 0.9, variable.path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": 4}, "units: at least 8 wanted; 4 came"),
        ({"channels": (8, 8, 4, 8, 8, 8)}, "channels: at least"),
        ({"rnn": "gru", "units": 9}, "only channels, column, units, fine, input_size can be widened; rnn would change"),
        ({"fine": 4, "input_size": (48, 64)}, r"input_size: \(32, 64\) wanted with fine 4; \(48, 64\) came"),
        ({"input_size": (32, 64)}, r"input_size: \(16, 32\) wanted with fine 0; \(32, 64\) came"),
    ],
)
def test_what_is_no_widening_is_refused(changes, message):
    network, config = narrow()
    with pytest.raises(ValueError, match=message):
        widen.widen(network, config, dataclasses.replace(config, **changes))


def test_the_command(tmp_path, capsys):
    network, _ = narrow()
    save_atomic(network, tmp_path / "narrow.keras")
    words = [str(tmp_path / "narrow.keras"), str(tmp_path / "wide.keras"), "--network"]
    assert widen.main([*words, '{"units": 9}']) == 0
    assert "units 9" in capsys.readouterr().out
    wide, config = load(tmp_path / "wide.keras")
    assert (config.units, config.column) == (9, CODE.column)
    answers = [n.predict(pictures(), verbose=0)["logits"] for n in (wide, network)]
    np.testing.assert_allclose(*answers, atol=1e-4)


@pytest.mark.parametrize(
    ("source", "text", "message"),
    [
        ("narrow.keras", '{"units": 3}', "units: at least 8 wanted; 3 came"),
        ("narrow.keras", '{"width": 3}', "unknown keys ['width']"),
        ("narrow.keras", "{units: 9}", "--network: a JSON object or a file with one wanted"),
        ("none.keras", '{"units": 9}', "no such file"),
    ],
)
def test_wrong_flags_are_one_line_and_write_nothing(source, text, message, tmp_path, capsys):
    save_atomic(narrow()[0], tmp_path / "narrow.keras")
    assert widen.main([str(tmp_path / source), str(tmp_path / "wide.keras"), "--network", text]) == 1
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (tmp_path / "wide.keras").exists()
