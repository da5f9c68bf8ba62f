"""Makes the README's pictures of the web page, with the shipped weights: a wide light screen and a dark phone.

Needs playwright and a Chromium, as tests/test_web_page.py does.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "deploy"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import Browser, sync_playwright
from serving.application import create_app
from werkzeug.serving import make_server

from reader import MeterReader
from reader.image import write_atomic

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "resources" / "samples"
WIDE = {"viewport": {"width": 1000, "height": 800}, "color_scheme": "light"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1.5,
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
#: Bytes of a picture in the repository.
MOST = 200_000


@contextmanager
def served() -> Iterator[str]:
    """The address of a server in this process."""
    server = make_server("127.0.0.1", 0, create_app(reader=MeterReader.load()), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def picture(browser: Browser, address: str, screen: dict[str, object], sample: str) -> bytes:
    """A PNG of the page on a screen, after a sample photo has been read."""
    page = browser.new_context(**screen).new_page()
    page.goto(address)
    page.set_input_files("#files", SAMPLES / sample)
    page.locator(".digits li").first.wait_for(timeout=60_000)
    page.evaluate("scrollTo(0, 0)")
    data = page.screenshot(full_page=True)
    page.context.close()
    return small(data)


def small(data: bytes) -> bytes:
    """The same picture, with as few levels of brightness as it takes to stay under `MOST` bytes."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    for step in (1, 4, 8, 12, 16):
        levels = np.uint8(np.clip((image.astype(int) + step // 2) // step * step, 0, 255))
        done, buffer = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if done and len(buffer) <= MOST:
            return buffer.tobytes()
    raise SystemExit(f"the picture of the page takes {len(data)} bytes; at most {MOST} are wanted")


def main() -> int:
    """Writes resources/page_light.png and resources/page_phone.png."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        print("make_page_pictures.py: no Chromium here: apt-get install chromium", file=sys.stderr)
        return 1
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with served() as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, screen, sample in (
            ("page_light", WIDE, "water_red_decimals.jpg"),
            ("page_phone", PHONE, "lcd_amber.jpg"),
        ):
            write_atomic(ROOT / "resources" / f"{name}.png", picture(browser, address, screen, sample))
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
