"""training/precision.py: bfloat16 only where the machine computes in it."""

import os

import pytest

from training.flags import training_parser
from training.precision import PRECISIONS, policy, prepare_tensorflow

AVX2 = "processor : 0\nflags\t\t: fpu sse2 avx avx2 fma\n"
AMX = "processor : 0\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile\n"
ZEN4 = "processor : 0\nflags\t\t: fpu avx512f avx512_bf16\n"
ARM = "processor : 0\nFeatures\t: fp asimd bf16 sve\n"


@pytest.mark.parametrize(
    ("precision", "processor", "gpus", "expected", "why"),
    [
        ("auto", AMX, 0, "mixed_bfloat16", "tiles of bfloat16"),
        ("auto", ZEN4, 0, "mixed_bfloat16", "vectors of bfloat16"),
        ("auto", ARM, 0, "mixed_bfloat16", "as ARM calls it"),
        ("auto", AVX2, 0, "float32", "it would imitate bfloat16, many times more slowly"),
        ("auto", AVX2.replace("fma", "nobf16x"), 0, "float32", "whole words count"),
        ("auto", AVX2, 1, "mixed_bfloat16", "the GPU trains"),
        ("auto", None, 0, "float32", "nobody tells"),
        ("float32", AMX, 1, "float32", "what is asked for is taken"),
        ("mixed_bfloat16", AVX2, 0, "mixed_bfloat16", "also where it is slow"),
    ],
)
def test_policy(precision, processor, gpus, expected, why, tmp_path):
    told = tmp_path / "cpuinfo"
    if processor is not None:
        told.write_text(processor)
    assert policy(precision, gpus, told) == expected, why


def test_the_scripts_take_what_the_machine_can():
    parser = training_parser("stage2", "", "")
    assert parser.parse_args(["--dataset_path", "a"]).precision == "auto"
    for precision in PRECISIONS:
        assert parser.parse_args(["--dataset_path", "a", "--precision", precision]).precision == precision
    with pytest.raises(SystemExit):
        parser.parse_args(["--dataset_path", "a", "--precision", "float8"])


def test_what_somebody_set_stays(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    prepare_tensorflow()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0" and os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
