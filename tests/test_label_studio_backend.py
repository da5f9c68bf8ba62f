"""Requests as Label Studio sends them to a machine-learning backend."""

import http.server
import threading

import numpy as np
import pytest
from fake_server import ROOT, fake_app, meter_png

pytest.importorskip("flask_openapi3")

CONFIGS = {name: (ROOT / "deploy/label_studio" / f"{name}.xml").read_text() for name in ("stage1", "stage2")}
SETUP = {"project": "1.1700471111", "hostname": "http://labels.example", "access_token": "t", "extra_params": {}}


@pytest.fixture(scope="module")
def studio():
    """A Label Studio that gives out one photo to those who know its token, and redirects elsewhere on one path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                return
            known = self.headers.get("Authorization") == "Token secret"
            self.send_response(200 if known and self.path == "/data/upload/1/abc-meter%201.png" else 404)
            self.end_headers()
            self.wfile.write(meter_png())

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def client(studio):
    return fake_app(label_studio_url=studio, label_studio_key="secret").test_client()


def predict(client, config, *images):
    tasks = [{"id": number, "data": {"image": image}} for number, image in enumerate(images)]
    body = {"tasks": tasks, "project": "1.17", "label_config": config, "params": {"context": None}}
    return client.post("/predict", json=body)


def test_setup_health_webhook(client):
    assert client.get("/health").json["status"] == "UP"
    answer = client.post("/setup", json={**SETUP, "schema": CONFIGS["stage1"]})
    assert answer.status_code == 200 and answer.json["model_version"]
    assert client.post("/setup", json={**SETUP, "schema": "<View/>"}).status_code == 400
    assert client.post("/webhook", json={"action": "ANNOTATION_CREATED", "task": {}}).status_code == 201
    assert client.get("/versions").json["versions"] == [answer.json["model_version"]]


def test_displays_on_photos(client):
    answer = predict(client, CONFIGS["stage1"], "/data/upload/1/abc-meter 1.png")
    (prediction,) = answer.json["results"]
    (region,) = prediction["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == ("label", "image", "polygonlabels")
    assert (region["original_width"], region["original_height"], region["image_rotation"]) == (320, 200, 0)
    assert region["value"]["polygonlabels"] == ["Analog"] and region["value"]["closed"] is True
    points = np.array(region["value"]["points"]) * [3.2, 2.0]
    assert np.abs(points - [[70, 80], [250, 84], [250, 120], [70, 116]]).max() < 3
    assert prediction["score"] == 0.9 and prediction["model_version"] == answer.json["model_version"]


def test_digits_on_displays(client):
    answer = predict(client, CONFIGS["stage2"], "/data/upload/1/abc-meter 1.png")
    (prediction,) = answer.json["results"]
    labels = [region["value"]["rectanglelabels"][0] for region in prediction["result"]]
    assert labels == [*"0012345", "FLOATP"]
    for region in prediction["result"]:
        value = region["value"]
        assert value["width"] > 0 and value["x"] >= 0 and value["x"] + value["width"] <= 100 and value["rotation"] == 0
    assert 0 < prediction["score"] < 1


def test_the_predictions_are_what_the_importer_takes(client, export):
    """A prediction that an annotator accepts as it is becomes a labelled photo of a training set."""
    from training.labelstudio import read_export

    results = predict(client, CONFIGS["stage1"], "/data/upload/1/abc-meter 1.png").json["results"][0]["result"]
    task = {
        "id": 1,
        "data": {"image": "/data/upload/1/abc-meter.png"},
        "annotations": [{"id": 1, "result": results, "was_cancelled": False}],
        "file_upload": "abc-meter.png",
    }
    labels, images = export([task], {"meter.png": np.zeros((200, 320, 3), np.uint8)})
    read, faults = read_export(labels, images, 1)
    assert len(read) == 1 and not faults


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/data/upload/1/gone.png", "answers 404"),
        ("/redirect", "answers 302"),
        ("http://169.254.169.254/latest", "not at the Label Studio"),
        ("file:///etc/passwd", "not at the Label Studio"),
        ("data:image/png;base64,AAAA", "not a picture"),
        (None, "data.image"),
    ],
)
def test_a_photo_that_cannot_be_had_is_named(client, source, words):
    (prediction,) = predict(client, CONFIGS["stage1"], source).json["results"]
    assert prediction["result"] == [] and words in prediction["error"]


@pytest.mark.parametrize("config", ["", "<View", "<View><Text name='a' value='$b'/></View>", "<!DOCTYPE a><View/>"])
def test_wrong_configurations(client, config):
    answer = predict(client, config, "/a.png")
    assert answer.status_code == 400 and answer.json["error"]
