"""What benchmarks/robustness.py does to photos, and its table."""

import json

import numpy as np
import pytest
from fake_networks import photo_of, save_fixed_bundle

from benchmarks import robustness
from reader.image import encode_png

CORNERS = np.array([[170, 200], [470, 210], [468, 270], [168, 260]], float)


@pytest.fixture
def photo():
    return photo_of("0012345", CORNERS)[0]


def test_far_away_the_photo_is_a_part(photo):
    far = robustness.farther(photo, 3)
    assert far.shape == (1440, 1920, 3)
    assert (far[320:800, 426:1066] == photo).all()


@pytest.mark.parametrize("degrees", [25, 90, 180, -45])
def test_turning_keeps_the_whole_photo(photo, degrees):
    made = robustness.turned(photo, degrees)
    red = (np.abs(photo.astype(int) - photo[205, 172]).max(2) < 30).sum()  # a block at a corner
    assert abs((np.abs(made.astype(int) - photo[205, 172]).max(2) < 30).sum() - red) < 0.1 * red + 20
    assert min(made.shape[:2]) >= 480


def test_cropping_leaves_the_display_and_its_surroundings(photo):
    made = robustness.cropped(photo, CORNERS, 0.5)
    assert (made == photo[169:301, 137:501]).all()


@pytest.mark.parametrize("name", robustness.CHANGES)
def test_every_change_is_a_photo(photo, name):
    before = photo.copy()
    made = robustness.CHANGES[name](photo, CORNERS)
    assert made.dtype == np.uint8 and made.ndim == 3 and made.shape[2] == 3 and made.size
    assert (photo == before).all()


@pytest.fixture
def data(tmp_path, photo):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode_png(photo))
    (folder / "broken.png").write_bytes(b"no picture")
    lines = [
        {"image": name, "kind": "full_photo", "split": "test", "reading": "12.345", "corners": CORNERS.tolist()}
        for name in ("a.png", "broken.png")
    ]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "models").mkdir()
    save_fixed_bundle(tmp_path / "models")  # sees 0012.345 everywhere
    return tmp_path


def test_the_table(data, tmp_path, capsys):
    flags = ["--data", str(data), "--sets", "mine", "--models", str(tmp_path / "models")]
    assert robustness.main([*flags, "--changes", "as it is", "upside down"]) == 0
    out, err = capsys.readouterr()
    assert "mine, 1 photos" in out and out.count("\n") == 4 and "| upside down | 100.0 % (0) |" in out
    assert "left out:" in err and "broken.png" in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--split", "none"], "no photos with corners of the split 'none' in mine"), (["--sets", "x"], "x")],
)
def test_faults_are_one_line(data, tmp_path, capsys, flags, said):
    assert robustness.main(["--data", str(data), "--sets", "mine", "--models", str(tmp_path / "models"), *flags]) == 1
    err = capsys.readouterr().err
    assert said in err.splitlines()[-1] and err.splitlines()[-1].startswith("robustness.py:")
