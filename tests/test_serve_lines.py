"""POST /recognize/lines/<task>: every form of input, options, errors, counts and documents."""

import base64
import io
import shutil

import numpy as np
import pytest
from fake_lines import fake_line_reader
from fake_networks import save_fixed_bundle
from fake_server import fake_app
from test_ink import canvas

pytest.importorskip("flask_openapi3")
pytest.importorskip("prometheus_client")

from reader.image import encode_png

DRAWN, ENDS = canvas("1001")
PNG = encode_png(DRAWN)
ADDRESS = "/recognize/lines/handwritten"


def line_app(**settings):
    lines = {"handwritten": fake_line_reader(), "captcha": fake_line_reader("captcha", fit="stretch")}
    return fake_app(lines=lines, **settings)


@pytest.fixture(scope="module")
def client():
    return line_app().test_client()


def data_url(data=PNG):
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"image": data_url()}},
        {"json": {"image": DRAWN[280:400:4, 480:760:4].tolist()}},
        {"data": {"image": (io.BytesIO(PNG), "drawn.png")}},
        {"data": {"image": data_url()}},
        {"data": PNG, "content_type": "image/png"},
        {"data": data_url(), "content_type": "text/plain"},
    ],
    ids=["data URL of a canvas", "nested list", "file", "base64 in a form", "bytes", "base64 as text"],
)
def test_every_form_of_a_picture(client, request_):
    answer = client.post(ADDRESS, **request_)
    assert answer.status_code == 200, answer.text
    values = answer.json
    assert (values["success"], values["text"], values["task"], values["reason"]) == (True, "1001", "handwritten", None)
    assert values["confidence"] > 0.5 and [each["text"] for each in values["characters"]] == list("1001")
    assert np.shape([each["box"] for each in values["characters"]]) == (4, 4, 2)
    assert values["time"] > 0 and {"load", "network", "decode"} <= set(values["times"])


def test_boxes_lie_on_the_whole_canvas(client):
    values = client.post(ADDRESS, json={"image": data_url()}).json
    assert values["original_image_shape"] == list(DRAWN.shape)
    for each, (left, right) in zip(values["characters"], ENDS, strict=True):
        assert abs(np.mean(each["box"], axis=0)[0] - (left + right) / 2) < 30


def test_several_pictures_one_of_them_broken(client):
    answers = client.post(ADDRESS, json={"images": [data_url(), data_url(b"none"), data_url()]}).json
    assert [each["text"] for each in answers] == ["1001", "", "1001"]
    assert "not a picture" in answers[1]["error"] and not answers[1]["success"]


def test_options(client):
    values = client.post(ADDRESS, data=PNG, query_string={"n_best": 3, "beam": 5}).json
    assert len(values["alternatives"]) == 2 and values["alternatives"][0]["text"] != "1001"
    assert client.post(ADDRESS, data=PNG, query_string={"pattern": "[2-9]{4}"}).json["text"] not in ("", "1001")
    refused = client.post(ADDRESS, json={"image": data_url(), "min_confidence": 1}).json
    assert (refused["success"], refused["text"], refused["reason"]) == (False, "", "low_confidence")
    assert refused["rejected_text"] == "1001"


@pytest.mark.parametrize(
    ("path", "request_", "status", "words"),
    [
        ("poem", {"data": PNG}, 404, "'poem' is unknown"),
        ("plate", {"data": PNG}, 404, "'plate' has no weights on this server; lines are read here for: captcha"),
        ("display", {"data": PNG}, 404, "'display' is unknown"),
        ("handwritten", {"data": b"none"}, 400, "not a picture"),
        ("handwritten", {"data": PNG[:300]}, 400, "missing"),
        ("handwritten", {"json": {"image": [[1]]}}, 400, "shape [1, 1]"),
        ("handwritten", {"data": PNG, "query_string": {"n_best": 0}}, 400, "n_best"),
        ("handwritten", {"data": PNG, "query_string": {"beam": 1000}}, 400, "beam"),
        ("handwritten", {"data": PNG, "query_string": {"pattern": "[a"}}, 400, "pattern"),
        ("handwritten", {"data": PNG, "query_string": {"decimals": 3}}, 400, "unknown option 'decimals'"),
        ("handwritten", {"json": {"image": data_url(), "min_confidence": "sure"}}, 400, "min_confidence"),
    ],
)
def test_bad_input_gets_one_clear_line(client, path, request_, status, words):
    answer = client.post(f"/recognize/lines/{path}", **request_)
    assert answer.status_code == status, answer.text
    assert set(answer.json) == {"error", "request_id"} and words in answer.json["error"]
    assert "\n" not in answer.json["error"] and "Traceback" not in answer.text


def test_the_key_is_asked_for():
    client = line_app(api_key="sesame").test_client()
    assert client.post(ADDRESS, data=PNG).status_code == 401
    assert client.post(ADDRESS, data=PNG, headers={"X-API-Key": "sesame"}).status_code == 200


def test_each_task_is_counted():
    client = line_app().test_client()
    client.post(ADDRESS, data=PNG)
    client.post(ADDRESS, data=b"none")
    client.post("/recognize/lines/captcha", data=encode_png(np.full((40, 99, 3), 255, np.uint8)))
    client.post("/recognize/lines/poem", data=PNG)
    text = client.get("/metrics").text
    for count in ('reason="ok",task="handwritten"', 'reason="unreadable",task="handwritten"'):
        assert f"counter_readings_total{{{count}}} 1.0" in text
    assert 'counter_readings_total{reason="no_text",task="captcha"} 1.0' in text and "poem" not in text
    assert 'counter_stage_seconds_count{stage="network",task="handwritten"} 1.0' in text
    assert 'counter_confidence_count{task="handwritten"} 1.0' in text


def test_the_openapi_document(client):
    document = client.get("/openapi/openapi.json").json
    operation = document["paths"]["/recognize/lines/{task}"]["post"]
    assert {"application/json", "multipart/form-data", "image/*", "text/plain"} <= set(
        operation["requestBody"]["content"]
    )
    assert {"200", "400", "401", "404", "413", "503"} <= set(operation["responses"])
    names = {(parameter["in"], parameter["name"]) for parameter in operation["parameters"]}
    assert names == {("path", "task"), *(("query", name) for name in ("n_best", "beam", "pattern", "min_confidence"))}
    answered = client.post(ADDRESS, data=PNG).json
    assert set(answered) == set(document["components"]["schemas"]["LineAnswer"]["properties"])


def test_the_lines_of_a_bundle_are_loaded(tmp_path):
    pytest.importorskip("onnx")
    from fake_networks import save_onnx
    from serving.models import Models
    from serving.settings import Settings

    from reader.bundle import load_bundle, save_bundle

    save_fixed_bundle(tmp_path)
    logits = np.zeros((1, 12, 11))
    logits[0, :, 0], logits[0, 3, 8], logits[0, 3, 0] = 9, 9, 0
    save_onnx(tmp_path / "digits.onnx", {"logits": logits}, (40, 192, 3))
    shutil.copy(tmp_path / "digits.onnx", tmp_path / "display.onnx")
    bundle = load_bundle(tmp_path)
    for task, name in (("handwritten", "digits.onnx"), ("display", "display.onnx")):
        bundle.lines[task] = fake_line_reader(task, files={"onnx": name}, source_sha256="ab" * 32).settings
    save_bundle(bundle, tmp_path)
    models = Models()
    models.start_loading(Settings(models=tmp_path, threads=1)).join(60)
    assert models.failure is None and set(models.lines) == {"handwritten"}, "displays belong to the meter reader"
    assert models.line("handwritten").read(DRAWN).text == "7"
