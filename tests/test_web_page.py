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
from fake_lines import fake_line_reader
from fake_server import fake_app, fake_reader, meter_png
from test_ink import canvas

from reader.image import encode_png

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
    lines = {task: fake_line_reader(task, fit="pad") for task in ("handwritten", "price")}
    server, address = serve(fake_app(lines=lines))
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
    page.click("#shoot")
    page.locator(".card:not(.waiting)").wait_for()
    assert "No display" in page.locator(".reading").inner_text(), "the browser's fake camera shows no meter"
    assert not page.locator("#camera_dialog").is_visible()
    page.click("#camera")
    page.click("#stop")
    page.locator("#camera_dialog").wait_for(state="hidden")
    assert page.locator(".card").count() == 1


def test_the_camera_dialog_keeps_its_size(page):
    # The dialog opens before the camera's first frame tells its size: what is to be pressed stays where it is.
    place = "() => JSON.stringify(document.getElementById('stop').getBoundingClientRect())"
    page.evaluate("document.getElementById('camera_dialog').showModal()")
    before = page.evaluate(place)
    page.evaluate("document.getElementById('camera_dialog').close()")
    page.click("#camera")
    page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
    assert page.evaluate(place) == before
    page.click("#stop")
    page.locator("#camera_dialog").wait_for(state="hidden")


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
    assert reached[0] == "tab_meter" and "files" in reached and "camera" in reached
    # That Enter asks for the chooser is seen at the input itself: headless browsers do not always show the dialog.
    page.evaluate("document.getElementById('files').addEventListener('click', () => { window.asked = true; })")
    page.locator("label[for=files]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("window.asked === true")
    page.set_input_files("#files", [photo()])
    page.locator(".card:not(.waiting)").wait_for()
    assert page.locator(".reading").inner_text() == "0012.345"


def show_tab(page, name):
    page.click(f"#tab_{name}")
    assert page.get_attribute(f"#tab_{name}", "aria-selected") == "true"


def stroke(page, points, finger=False):
    """Draw a line through points in shares of the canvas, with the mouse or a finger."""
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    path = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    if finger:
        client = page.context.new_cdp_session(page)
        for number, (x, y) in enumerate(path):
            kind = "touchMove" if number else "touchStart"
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        return
    page.mouse.move(*path[0])
    page.mouse.down()
    for x, y in path[1:]:
        page.mouse.move(x, y, steps=3)
    page.mouse.up()


def ring(x, y, width, height):
    """Points of a 0 around a middle."""
    turns = np.linspace(0, 2 * np.pi, 24)
    return [(x + width / 2 * np.sin(turn), y - height / 2 * np.cos(turn)) for turn in turns]


def draw_ten(page, finger=False):
    """A small 10, left of the middle."""
    stroke(page, [(0.2, 0.3), (0.2, 0.6)], finger)
    stroke(page, ring(0.3, 0.45, 0.1, 0.3), finger)


def test_a_number_drawn_with_the_mouse(page):
    show_tab(page, "handwritten")
    draw_ten(page)
    page.click("#recognise")
    card = page.locator(".card:not(.waiting)")
    card.locator(".digits li").first.wait_for()
    assert card.locator(".reading").inner_text() == "10"
    assert [text.splitlines()[0] for text in card.locator(".digits li").all_inner_texts()] == ["1", "0"]
    assert "% sure" in card.locator(".note").inner_text()
    # Each digit's box lies on the drawing where the digit was drawn.
    shown = card.locator(".photo").bounding_box()
    for box, place in zip(card.locator(".overlay polygon").all(), (0.2, 0.3), strict=True):
        x = box.bounding_box()
        assert abs((x["x"] + x["width"] / 2 - shown["x"]) / shown["width"] - place) < 0.04
    assert (
        card.locator("[data-format=tasks]").is_hidden() and page.locator("#downloads [data-format=tasks]").is_hidden()
    )
    _, text = saved(page, card.locator("[data-format=json]"))
    (values,) = json.loads(text)
    assert (values["task"], values["text"], values["image"]) == ("handwritten", "10", "drawing 1.png")
    picture(page, "drawn")

    page.click("#wipe")
    page.click("#recognise")
    assert "Draw a number first" in page.locator("#status").inner_text() and page.locator(".card").count() == 1
    stroke(page, [(0.7, 0.1), (0.7, 0.9)])
    page.click("#recognise")
    page.wait_for_function("() => document.querySelectorAll('.card:not(.waiting)').length == 2")
    assert page.locator(".card .reading").first.inner_text() == "1", "what was wiped is gone"


@pytest.mark.parametrize("page", [{**PHONE, "color_scheme": "dark"}], indirect=True)
def test_a_number_drawn_with_a_finger(page):
    show_tab(page, "handwritten")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    draw_ten(page, finger=True)
    page.click("#recognise")
    page.locator(".digits li").first.wait_for()
    assert page.locator(".reading").inner_text() == "10"
    assert page.evaluate("scrollY") < 400, "drawing does not scroll the page away"
    for button in page.locator("[role=tab], #pad button").all():
        box = button.bounding_box()
        assert box["height"] >= 40 and box["x"] >= 0 and box["x"] + box["width"] <= 360
    picture(page, "finger")


def test_a_picture_in_a_tab(page):
    show_tab(page, "price")
    assert page.locator("details").is_hidden() and page.locator("#canvas").is_hidden()
    data = encode_png(canvas("1101", at=(14, 10), size=(100, 260))[0])
    page.set_input_files("#files", [{"name": "tag.png", "mimeType": "image/png", "buffer": data}])
    page.locator(".digits li").first.wait_for()
    assert page.locator(".reading").inner_text() == "1101" and page.locator(".kind").inner_text() == "Price"
    page.fill(".correct input", "11,01 €")
    _, text = saved(page, page.locator("#downloads [data-format=csv]"))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["task"], row["reading"], row["read"]) == ("price", "11,01 €", "1101")

    show_tab(page, "plate")
    page.set_input_files("#files", [{"name": "plate.png", "mimeType": "image/png", "buffer": data}])
    page.wait_for_function("() => document.querySelectorAll('.card:not(.waiting)').length == 2")
    assert "no weights" in page.locator(".reading").first.inner_text()

    show_tab(page, "meter")
    choose(page, photo())
    page.wait_for_function("() => document.querySelectorAll('.card:not(.waiting)').length == 3")
    assert page.locator(".reading").first.inner_text() == "0012.345", "one list for all tabs"
    _, text = saved(page, page.locator("#downloads [data-format=tasks]"))
    assert [task["data"]["image"] for task in json.loads(text)] == ["meter.png"], "lines are no meters"


def test_tabs_by_keyboard_and_address(page, address):
    page.locator("#tab_meter").focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.id") == "tab_handwritten" and page.locator("#canvas").is_visible()
    assert page.url.endswith("#handwritten")
    page.keyboard.press("ArrowRight")
    assert page.locator("#add").inner_text() == "Read a meter" and page.locator("#canvas").is_hidden()
    page.goto(f"{address}#captcha")
    page.reload()
    assert page.locator("#add").inner_text() == "Read a captcha"
    assert page.locator("[role=tab][aria-selected=true]").count() == 1
    assert page.get_attribute("#drop", "aria-labelledby") == "tab_captcha"


def test_everything_has_a_name(page):
    choose(page, photo())
    show_tab(page, "handwritten")
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
