"""The web page in headless Chromium: photos chosen, dropped, pasted and taken; errors; a phone; keyboard.

Needs playwright and a Chromium: `pip install playwright` and `apt-get install chromium` (Debian), or the program
named by CHROMIUM. Where they are missing, the tests are skipped. SCREENSHOTS=folder keeps pictures of the page.
"""

import base64
import csv
import io
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from fake_server import fake_app, fake_reader, meter_png

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("flask_openapi3")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


def serve(app):
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture(scope="module")
def address():
    server, address = serve(fake_app())
    yield address
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address, request):
    context = browser.new_context(permissions=["camera"], **getattr(request, "param", {}))
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    page.goto(address)
    yield page
    faults = [fault for fault in page.faults if "status of 4" not in fault]
    assert not faults, "no script fails and the content policy stops nothing"
    context.close()


def photo(digits="0012345", name="meter.png"):
    return {"name": name, "mimeType": "image/png", "buffer": meter_png(digits)}


def choose(page, *photos):
    page.set_input_files("#files", list(photos))
    page.wait_for_function("count => document.querySelectorAll('.card:not(.waiting)').length >= count", arg=len(photos))


def picture(page, name):
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(os.environ["SCREENSHOTS"]) / f"{name}.png"), full_page=True)


def test_a_chosen_photo(page):
    choose(page, photo())
    card = page.locator(".card")
    assert card.locator(".reading").inner_text() == "0012.345"
    assert card.locator(".fraction").inner_text() == ".345"
    assert "% sure" in card.locator(".note").inner_text() and "analog" in card.locator(".note").inner_text()
    assert card.locator(".digits li").count() == card.locator(".display rect").count() == 7
    assert card.locator(".overlay polygon").count() == 8, "seven digits and the display"
    # The outline lies on the photo where the display is.
    outline = card.locator(".outline").bounding_box()
    shown = card.locator(".photo").bounding_box()
    left, width = (outline["x"] - shown["x"]) / shown["width"], outline["width"] / shown["width"]
    # Its box has the stroke's mitred corners in it, 6 pixels on each side.
    assert abs(left - 70 / 320) < 0.03 and abs(width - 180 / 320) < 0.05
    assert "0012.345" in page.locator("#status").inner_text(), "said to screen readers"
    picture(page, "chosen")


def hand_over(page, event, kind):
    """Dispatch a drop or a paste with one photo in it."""
    script = """([event, kind, data]) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "meter.png", { type: "image/png" }));
        const options = { bubbles: true, cancelable: true };
        options[kind] = transfer;
        const Kind = event === "paste" ? ClipboardEvent : DragEvent;
        document.body.dispatchEvent(new Kind(event, options));
    }"""
    page.evaluate(script, [event, kind, base64.b64encode(meter_png()).decode()])
    page.locator(".card:not(.waiting)").wait_for()
    assert page.locator(".reading").inner_text() == "0012.345"


def test_a_dropped_photo(page):
    hand_over(page, "drop", "dataTransfer")


def test_a_pasted_photo(page):
    hand_over(page, "paste", "clipboardData")


def test_a_photo_from_the_camera(page):
    page.click("#camera")
    page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
    page.click("#shoot")
    page.locator(".card:not(.waiting)").wait_for()
    assert "No display" in page.locator(".reading").inner_text(), "the browser's fake camera shows no meter"
    assert not page.locator("#camera_dialog").is_visible()
    page.click("#camera")
    page.click("#stop")
    page.locator("#camera_dialog").wait_for(state="hidden")
    assert page.locator(".card").count() == 1


def test_errors_are_said(page):
    choose(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no photo"})
    assert "not a picture" in page.locator(".reading").inner_text()
    assert page.locator(".card .buttons").is_hidden() and page.locator("#downloads").is_hidden()
    choose(page, photo("12 4", "unknown.png"))
    page.wait_for_function("() => document.querySelectorAll('.card:not(.waiting)').length == 2")
    assert "x" in page.locator(".card").first.locator(".reading").inner_text()
    picture(page, "errors")


def saved(page, button):
    with page.expect_download() as started:
        button.click()
    return started.value.suggested_filename, Path(started.value.path()).read_text(encoding="utf-8")


def test_several_photos_corrected_and_downloaded(page):
    choose(page, photo(), photo("7777777", "=second.png"))
    assert page.locator(".card .name").all_inner_texts() == ["=second.png", "meter.png"], "the newest first"
    page.locator(".card").last.locator(".correct input").fill("0012,346")
    name, text = saved(page, page.locator("#downloads [data-format=csv]"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name == "readings.csv" and [row["reading"] for row in rows] == ["0012.346", "7777.777"]
    assert (rows[0]["read"], rows[0]["corrected"], rows[1]["image"]) == ("0012.345", "true", "'=second.png")
    name, text = saved(page, page.locator(".card").last.locator("[data-format=json]"))
    (values,) = json.loads(text)
    assert (name, values["text"], values["corrected"]) == ("meter.json", "0012.345", "0012.346")
    assert "display" not in values, "no pictures in the download"
    _, text = saved(page, page.locator("#downloads [data-format=tasks]"))
    first, _ = json.loads(text)
    assert first["data"] == {"image": "meter.png", "reading": "0012.346"}
    (region,) = first["predictions"][0]["result"]
    points = np.array(region["value"]["points"]) * [3.2, 2.0]
    assert np.abs(points - [[70, 80], [250, 84], [250, 120], [70, 116]]).max() < 3
    assert region["value"]["polygonlabels"] == ["Analog"]
    picture(page, "several")
    page.click("#clear")
    assert page.locator(".card").count() == 0


def test_what_is_known_of_the_meter(page):
    page.click("summary")
    page.fill("#decimals", "1")
    page.fill("#previous", "2000,5")
    choose(page, photo())
    assert page.locator(".reading").inner_text() == "001234.5"
    assert "Less than the last reading" in page.locator(".warning").inner_text()


PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("page", [PHONE, {**PHONE, "color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_a_narrow_screen(page, request):
    choose(page, photo())
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, "nothing sticks out sideways"
    for button in page.locator(".card button:visible, #drop button:visible, #drop .button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 40 and box["x"] >= 0 and box["x"] + box["width"] <= 360
    picture(page, f"narrow_{request.node.callspec.id}")


@pytest.mark.parametrize("page", [{"color_scheme": "dark"}], indirect=True)
def test_dark(page):
    choose(page, photo())
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(17, 22, 20)"
    picture(page, "dark")


def test_by_keyboard_alone(page):
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.htmlFor || ''"))
    assert "files" in reached and "camera" in reached
    # That Enter asks for the chooser is seen at the input itself: headless browsers do not always show the dialog.
    page.evaluate("document.getElementById('files').addEventListener('click', () => { window.asked = true; })")
    page.locator("label[for=files]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("window.asked === true")
    page.set_input_files("#files", [photo()])
    page.locator(".card:not(.waiting)").wait_for()
    assert page.locator(".reading").inner_text() == "0012.345"


def test_everything_has_a_name(page):
    choose(page, photo())
    nameless = """() => [...document.querySelectorAll('button, input, img, dialog')].filter((element) =>
        !(element.labels?.length || element.textContent.trim() || element.hasAttribute('alt')
          || element.hasAttribute('aria-labelledby'))).map((element) => element.outerHTML)"""
    assert page.evaluate(nameless) == []
    assert page.get_attribute("html", "lang") == "en"


def test_the_key_is_asked_for(browser):
    server, address = serve(fake_app(fake_reader(), api_key="sesame"))
    page = browser.new_page()
    page.goto(address)
    page.set_input_files("#files", [photo()])
    page.fill("#key", "sesame")
    page.keyboard.press("Enter")
    page.locator(".digits li").first.wait_for()
    assert page.locator(".reading").inner_text() == "0012.345" and page.locator("#key_form").is_hidden()
    page.close()
    server.shutdown()


def test_a_server_that_is_gone_is_said(browser):
    server, address = serve(fake_app())
    page = browser.new_page()
    page.goto(address)
    server.shutdown()
    server.server_close()
    page.set_input_files("#files", [photo()])
    page.locator(".card:not(.waiting)").wait_for()
    assert "cannot be reached" in page.locator(".reading").inner_text()
    page.close()
