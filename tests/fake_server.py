"""The server's code on the path, and an application whose networks see painted blocks."""

import sys
from pathlib import Path

from fake_networks import FakeStage1, FakeStage2, bundle, photo_of

from reader import MeterReader
from reader.image import encode_png

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "deploy"))

CORNERS = [[70, 80], [250, 84], [250, 120], [70, 116]]


def fake_reader(stage1=None, stage2=None, **options):
    return MeterReader(stage1 or FakeStage1(), stage2 or FakeStage2(decimals=3), bundle(**options))


def meter(digits="0012345", size=(200, 320), corners=CORNERS):
    """A small photo (H, W, 3); small, because nested lists of it are sent."""
    return photo_of(digits, corners, size)[0]


def meter_png(digits="0012345"):
    return encode_png(meter(digits))


def fake_app(reader=None, lines=None, **settings):
    from serving.application import create_app
    from serving.settings import Settings

    return create_app(Settings(**settings), reader or fake_reader(), lines=lines)
