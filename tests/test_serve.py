"""The server: every form of input, every way to be refused, and what it tells about itself."""

import base64
import http.client
import io
import json
import logging
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import pytest
from fake_networks import save_fixed_bundle
from fake_server import ROOT, fake_app, fake_reader, meter, meter_png

pytest.importorskip("flask_openapi3")
pytest.importorskip("prometheus_client")

from reader.image import encode_jpeg, load_image

PNG = meter_png()
READING = "0012.345"


@pytest.fixture(scope="module")
def client():
    return fake_app(label_studio_url="").test_client()


def as_file(data=PNG, name="meter.png"):
    return io.BytesIO(data), name


def base64_of(data=PNG):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"json": {"image": meter().tolist()}}, "the nested list of existing clients"),
        ({"json": {"image": meter().astype(float).tolist()}}, "the same as floats, from a float array"),
        ({"json": {"image": base64_of()}}, "base64 in JSON"),
        ({"json": {"image": f"data:image/png;base64,{base64_of()}"}}, "a data URL, as a canvas makes it"),
        ({"data": {"image": as_file()}}, "a form with a file"),
        ({"data": {"image": base64_of()}}, "a form with base64"),
        ({"data": PNG, "content_type": "image/png"}, "raw bytes"),
        ({"data": PNG, "content_type": "application/octet-stream"}, "raw bytes without a format"),
        ({"data": PNG}, "raw bytes without a type"),
        ({"data": PNG, "content_type": "application/x-www-form-urlencoded"}, "as curl --data-binary sends it"),
        ({"data": base64_of(), "content_type": "text/plain"}, "base64 as text"),
        ({"data": base64_of().rstrip("="), "content_type": "text/plain"}, "base64 without its padding"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_form_of_a_photo_gives_the_same_reading(client, request_, why):
    answer = client.post("/recognize", **request_)
    assert answer.status_code == 200, answer.text
    values = answer.json
    assert (values["success"], values["text"], values["reason"]) == (True, READING, None), why
    assert values["original_image_shape"] == [200, 320, 3]
    assert values["counter_class"] == "analog" and values["counter_score"] == 0.9
    assert values["time"] > 0 and 0 < values["confidence"] < 1
    assert np.shape(values["corners"]) == (4, 2) and len(values["digits"]) == 7
    assert "annotated" not in values and "display" not in values and values["plausible"] is None


def png_header(width, height):
    """A PNG whose header promises that many pixels; 50 kB of zeros inside."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(50_000_000))) + chunk(b"IEND", b"")


JSON = {"content_type": "application/json"}


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"data": b"hello", "content_type": "image/png"}, 400, "not a picture"),
        ({"data": PNG[: len(PNG) // 2], "content_type": "image/png"}, 400, "end of the PNG file is missing"),
        ({"data": b"", "content_type": "image/png"}, 400, "empty"),
        ({"data": b"x" * 2_000_001, "content_type": "image/png"}, 413, "at most"),
        ({"data": png_header(20000, 20000), "content_type": "image/png"}, 413, "20000 x 20000"),
        ({"data": png_header(0, 10), "content_type": "image/png"}, 400, "no size"),
        ({"data": "{", **JSON}, 400, "not JSON (line 1, column 2)"),
        ({"data": b"\xff\xfe", **JSON}, 400, "not JSON"),
        ({"data": "[" * 100_000, **JSON}, 400, "not JSON"),
        ({"data": "", **JSON}, 400, "not JSON"),
        ({"json": [1]}, 400, "JSON body is a list"),
        ({"json": {}}, 400, "neither"),
        ({"json": {"image": base64_of(), "images": []}}, 400, "both"),
        ({"json": {"images": []}}, 400, "'images' is empty"),
        ({"json": {"images": {}}}, 400, "'images' is an object"),
        ({"json": {"images": [base64_of()] * 4}}, 413, "4 pictures; at most 3"),
        ({"json": {"image": None}}, 400, "'image' is null"),
        ({"json": {"image": 5}}, 400, "'image' is a number"),
        ({"json": {"image": ""}}, 400, "the picture is empty"),
        ({"json": {"image": "§§§"}}, 400, "not base64"),
        ({"json": {"image": "data:image/png,abc"}}, 400, "data URL"),
        ({"json": {"image": []}}, 400, "shape [0]"),
        ({"json": {"image": [[]]}}, 400, "shape [1, 0]"),
        ({"json": {"image": [[[]]]}}, 400, "shape [1, 1, 0]"),
        ({"json": {"image": [[1, 2], [3, 4]]}}, 400, "shape [2, 2]"),
        ({"json": {"image": [[[1, 2]]]}}, 400, "shape [1, 1, 2]"),
        ({"json": {"image": [[[[1, 2, 3]]]]}}, 400, "shape [1, 1, 1, 3]"),
        ({"json": {"image": [[[1, 2, 3]], [[1, 2, 3], [1, 2, 3]]]}}, 400, "ragged"),
        ({"json": {"image": [[[1, 2, 3]], [[1, 2]]]}}, 400, "ragged"),
        ({"json": {"image": [[[1, 2, 256]]]}}, 400, "from 1 to 256"),
        ({"json": {"image": [[[1, -2, 3]]]}}, 400, "from -2 to 3"),
        ({"json": {"image": [[[0.5, 1, 1]]]}}, 400, "fractions"),
        ({"json": {"image": [[["a", "b", "c"]]]}}, 400, "other things than numbers"),
        ({"json": {"image": [[[None, 1, 2]]]}}, 400, "other things than numbers"),
        ({"json": {"image": [[[10**400, 1, 2]]]}}, 400, "wanted H x W x 3"),
        ({"data": '{"image": [[[NaN, 1, 2]]]}', **JSON}, 400, "from nan"),
        ({"data": {"photo": as_file()}}, 400, "'photo'"),
        ({"data": {"decimals": "3"}}, 400, "'image' is missing"),
        ({"data": b"a=1", "content_type": "application/x-yaml"}, 415, "application/x-yaml"),
        ({"data": PNG, "query_string": {"decimal": 3}}, 400, "unknown option 'decimal'"),
        ({"json": {"image": base64_of(), "anotate": True}}, 400, "unknown option 'anotate'"),
        ({"data": PNG, "query_string": {"decimals": "many"}}, 400, "decimals"),
        ({"data": PNG, "query_string": {"decimals": -1}}, 400, "decimals"),
        ({"data": PNG, "query_string": {"previous": "abc"}}, 400, "'abc'"),
        ({"data": PNG, "query_string": {"previous": "1", "max_increase": "-1"}}, 400, "max_increase is a number of 0"),
        ({"data": PNG, "query_string": {"max_increase": "3"}}, 400, "max_increase needs previous"),
        ({"json": {"image": base64_of(), "previous": [1]}}, 400, "[1]"),
        ({"json": {"image": base64_of(), "annotate": "perhaps"}}, 400, "annotate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_gets_one_clear_line(request_, status, words):
    answer = limited_client().post("/recognize", headers={"X-Request-ID": "r-7"}, **request_)
    assert answer.status_code == status, answer.text
    assert set(answer.json) == {"error", "request_id"}
    assert words in answer.json["error"] and "\n" not in answer.json["error"] and "Traceback" not in answer.text
    assert answer.json["request_id"] == answer.headers["X-Request-ID"] == "r-7"


_CLIENTS = {}


def limited_client():
    if not _CLIENTS:
        _CLIENTS["limited"] = fake_app(max_body=2_000_000, max_images=3, max_pixels=4_000_000).test_client()
    return _CLIENTS["limited"]


def test_a_picture_of_too_many_pixels_costs_no_memory(tmp_path):
    """20000 x 20000 pixels would be 1.2 GB; the process stays within a few MiB of what it was."""
    (tmp_path / "large.png").write_bytes(png_header(20000, 20000))
    code = f"""
import resource, sys
sys.path[:0] = {[str(ROOT / "tests"), str(ROOT)]}
from fake_server import fake_app, meter_png
client = fake_app().test_client()
client.post("/recognize", data=meter_png())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = open({str(tmp_path / "large.png")!r}, "rb").read()
statuses = [client.post("/recognize", data=data).status_code for _ in range(5)]
print(statuses, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    statuses, kib = done.stdout.rsplit(" ", 1)
    assert statuses == "[413, 413, 413, 413, 413]" and int(kib) < 8 * 1024


def test_options_come_from_query_form_and_json(client):
    for request_ in (
        {"data": PNG, "query_string": {"decimals": 1}},
        {"data": {"image": as_file(), "decimals": "1"}},
        {"json": {"image": base64_of(), "decimals": 1}},
    ):
        assert client.post("/recognize", **request_).json["text"] == "001234.5"


@pytest.mark.parametrize(
    ("options", "plausible", "reason"),
    [
        ({"previous": "12.3"}, True, None),
        ({"previous": 12.3, "max_increase": 1}, True, None),
        ({"previous": "13"}, False, "decreased"),
        ({"previous": "2", "max_increase": "10"}, False, "too_large_increase"),
    ],
)
def test_an_implausible_reading_is_marked_and_stays(client, options, plausible, reason):
    values = client.post("/recognize", json={"image": base64_of(), **options}).json
    assert (values["plausible"], values["reason"]) == (plausible, reason)
    assert (values["success"], values["text"]) == (True, READING)


def test_plausibility_is_not_asked_of_no_reading(client):
    data = encode_jpeg(np.full((60, 80, 3), 77, np.uint8))
    values = client.post("/recognize", data=data, query_string={"previous": 5}).json
    assert (values["success"], values["reason"], values["plausible"]) == (False, "no_display", None)


def test_several_photos_are_answered_in_order(client):
    files = [as_file(), as_file(b"nothing", "broken.jpg"), as_file(meter_png("7777"), "other.png")]
    first, second, third = client.post("/recognize", data={"image": files}).json
    assert (first["text"], first["image"], first["error"]) == (READING, "meter.png", None)
    assert second["success"] is False and "not a picture" in second["error"] and second["image"] == "broken.jpg"
    assert (third["text"], third["image"]) == ("7.777", "other.png")
    listed = client.post("/recognize", json={"images": [base64_of()]}).json
    assert [each["text"] for each in listed] == [READING], "a list stays a list, even of one"


def test_pictures_on_request(client):
    values = client.post("/recognize", data=PNG, query_string={"annotate": 1, "display": "true"}).json
    head, data = values["annotated"].split(",")
    assert head == "data:image/jpeg;base64" and load_image(base64.b64decode(data)).shape == (200, 320, 3)
    display = values["display"]
    picture = load_image(base64.b64decode(display["image"].split(",")[1]))
    assert picture.shape == (display["height"], display["width"], 3)
    boxes = np.array(display["boxes"])
    assert boxes.shape == (7, 4) and (np.diff(boxes[:, 0]) > 0).all() and (boxes >= 0).all()
    # In the middle of every box lies the red block of a digit.
    for x, y, width, height in boxes / 100:
        pixel = picture[round((y + height / 2) * picture.shape[0]), round((x + width / 2) * picture.shape[1])]
        assert pixel[0] > 200 and pixel[1] < 60


def test_a_failure_of_the_pipeline_is_logged_and_named(caplog):
    def wrong(batch):
        raise RuntimeError("a secret of the inside")

    with caplog.at_level(logging.ERROR, "counter_recognition"):
        answer = fake_app(fake_reader(stage1=wrong)).test_client().post("/recognize", data=PNG)
    assert answer.status_code == 500 and "secret" not in answer.text and "Traceback" not in answer.text
    assert answer.json["request_id"] in answer.json["error"]
    record = next(record for record in caplog.records if record.levelname == "ERROR")
    assert record.request_id == answer.json["request_id"] and "secret" in str(record.exc_info[1])


def test_logs_are_json_without_pictures(client, caplog):
    from serving.logs import JsonFormatter

    with caplog.at_level(logging.INFO, "counter_recognition"):
        client.post("/recognize", json={"image": base64_of()})
    line = JsonFormatter().format(caplog.records[-1])
    values = json.loads(line)
    assert (values["path"], values["status"], values["photos"]) == ("/recognize", 200, 1)
    assert base64_of()[:40] not in line and len(line) < 500


def test_health_waits_for_the_models(tmp_path):
    from serving.application import create_app
    from serving.settings import Settings

    failed = threading.Event()
    client = create_app(Settings(models=tmp_path), on_failure=failed.set).test_client()
    assert failed.wait(10)
    answer = client.get("/health")
    assert answer.status_code == 503 and answer.json["status"] == "DOWN" and "bundle.json" in answer.json["reason"]
    answer = client.post("/recognize", data=PNG)
    assert answer.status_code == 503 and answer.headers["Retry-After"]


def test_state(client):
    assert client.get("/health").json == {"status": "UP", "model_class": "MeterReader"}
    assert set(client.get("/version").json) == {"version", "packages", "model"}
    client.post("/recognize", data=PNG)
    text = client.get("/metrics").text
    for name in ("counter_requests_total", "counter_stage_seconds_bucket", "counter_confidence_bucket"):
        assert name in text
    assert re.search(r'counter_readings_total\{reason="ok",task="meter"\} [1-9]', text)
    assert 'stage="stage2"' in text and "counter_requests_in_flight 1.0" in text


def test_the_openapi_document_describes_every_form(client):
    document = client.get("/openapi/openapi.json").json
    operation = document["paths"]["/recognize"]["post"]
    assert {"application/json", "multipart/form-data", "image/*", "text/plain"} <= set(
        operation["requestBody"]["content"]
    )
    assert {"200", "400", "401", "413", "415", "500", "503"} <= set(operation["responses"])
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert names == {"annotate", "display", "decimals", "previous", "max_increase"}
    answered = client.post("/recognize", data=PNG, query_string={"annotate": 1, "display": 1}).json
    assert set(answered) == set(document["components"]["schemas"]["ReadingAnswer"]["properties"])
    assert client.get("/openapi/swagger").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "wrong"}, 401),
        ({"X-API-Key": "sésame"}, 200),
        ({"Authorization": "Bearer sésame"}, 200),
        ({"Authorization": "Basic " + base64.b64encode("label:sésame".encode()).decode()}, 200),
        ({"Authorization": "Nonsense"}, 401),
    ],
)
def test_api_key(headers, status):
    headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    client = fake_app(api_key="sésame".encode().decode("latin-1") if "Basic" not in str(headers) else "sésame")
    answer = client.test_client().post("/recognize", data=PNG, headers=headers)
    assert answer.status_code == status, answer.text
    assert client.test_client().get("/health").status_code == 200
    assert client.test_client().get("/metrics").status_code == 401


def test_no_cors_unless_asked_for(client):
    origin = {"Origin": "https://meters.example"}
    assert "Access-Control-Allow-Origin" not in client.post("/recognize", data=PNG, headers=origin).headers
    asked = fake_app(cors_origins=("https://meters.example",), api_key="k").test_client()
    answer = asked.options("/recognize", headers=origin)
    assert answer.status_code == 204 and answer.headers["Access-Control-Allow-Origin"] == "https://meters.example"
    other = asked.options("/recognize", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_pages_have_safe_headers(client):
    headers = client.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"] and "unsafe" not in str(headers)
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"


def test_a_full_queue_is_refused_at_once():
    release, entered = threading.Event(), threading.Event()
    inner = fake_reader().stage1

    def slow(batch):
        entered.set()
        assert release.wait(20)
        return inner(batch)

    app = fake_app(fake_reader(stage1=slow), at_once=1, max_waiting=1)
    answers = []

    def post():
        answers.append(app.test_client().post("/recognize", data=PNG))

    threads = [threading.Thread(target=post) for _ in range(2)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    wait_for(lambda: app.extensions["gate"].waiting == 1)
    refused = app.test_client().post("/recognize", data=PNG)
    release.set()
    for thread in threads:
        thread.join(20)
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "1"
    assert [answer.status_code for answer in answers] == [200, 200], "the others are answered"


def test_a_turn_that_does_not_come_in_time():
    from serving.errors import RequestError
    from serving.gate import Gate

    gate = Gate(1, 1, 0.05)
    with gate.place(), gate.slot() as turn, gate.place():
        with pytest.raises(RequestError) as refused, gate.slot():
            pass
        assert refused.value.status == 503 and refused.value.retry_after
        assert (gate.reading, gate.waiting) == (1, 1)
        time.sleep(0.11)
        assert gate.stuck(), "a photo that takes twice the time limit"
        assert not turn.next_photo(), "no time for another one"
        assert not gate.stuck(), "the photo before it has ended"
    assert (gate.reading, gate.waiting) == (0, 0) and not gate.stuck()
    patient = Gate(1, 1, 60)
    with patient.place(), patient.slot() as turn:
        assert turn.waited < 1 and turn.next_photo() and not patient.stuck()


def test_many_photos_in_one_request_end_in_time():
    inner = fake_reader().stage1

    def slow(batch):
        time.sleep(0.05)
        return inner(batch)

    client = fake_app(fake_reader(stage1=slow), timeout=0.3).test_client()
    answers = client.post("/recognize", json={"images": [base64_of()] * 8}).json
    assert len(answers) == 8 and answers[0]["text"] == READING
    assert "0.3 seconds are over" in answers[-1]["error"] and not answers[-1]["success"]


class Broken(io.RawIOBase):
    """A body that ends with an error, as a client makes it that goes away, sleeps or sends nonsense."""

    def __init__(self, error):
        self.error = error

    def readable(self):
        return True

    def readinto(self, buffer):
        raise self.error


def bodies_that_do_not_come():
    from gunicorn.http.errors import InvalidChunkSize

    return [
        (TimeoutError(), "100", 408, "did not arrive within 30 seconds"),
        (TimeoutError(), None, 408, "did not arrive within 30 seconds"),
        (ConnectionResetError(), "100", 400, "ended before all of its body had come"),
        (InvalidChunkSize(b"zz"), None, 400, "chunks of the request's body are broken"),
    ]


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x", "application/json"])
@pytest.mark.parametrize(("error", "length", "status", "words"), bodies_that_do_not_come())
def test_a_body_that_does_not_come(client, kind, error, length, status, words):
    environ = {"wsgi.input_terminated": True, "CONTENT_TYPE": kind}
    environ |= {"wsgi.input": io.BufferedReader(Broken(error)), "CONTENT_LENGTH": length or ""}
    answer = client.post("/recognize", environ_overrides=environ)
    assert answer.status_code == status, answer.text
    assert words in answer.json["error"] and answer.json["request_id"]


@pytest.mark.parametrize("kind", ["image/png", "application/json", "text/plain"])
def test_a_client_that_hangs_up(client, kind):
    environ = {"wsgi.input_terminated": True, "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(PNG))}
    answer = client.post("/recognize", environ_overrides={**environ, "wsgi.input": io.BytesIO(PNG[:50])})
    assert answer.status_code == 400 and "ended before all of its body had come" in answer.json["error"]


def test_a_body_in_chunks_is_bounded_too():
    client = limited_client()
    for kind in ("image/png", "multipart/form-data; boundary=x"):
        environ = {"wsgi.input_terminated": True, "CONTENT_TYPE": kind}
        answer = client.post("/recognize", input_stream=io.BytesIO(bytes(3_000_000)), environ_overrides=environ)
        assert answer.status_code == 413 and "at most" in answer.json["error"]


def test_invented_methods_make_no_new_counts(client):
    client.open("/recognize", method="FROB")
    text = client.get("/metrics").text
    assert "FROB" not in text and 'method="other"' in text


def timed_pair():
    from serving.connections import TimedSocket

    client, server = socket.socketpair()
    return client, TimedSocket(fileno=server.detach())


def test_a_head_that_trickles_in_is_answered_and_ends():
    client, server = timed_pair()
    with client, server:
        server.begin(0.2, head=True)
        start = time.monotonic()
        client.sendall(b"GET ")
        assert server.recv(100) == b"GET "
        time.sleep(0.1)
        client.sendall(b"/")
        assert server.recv(100) == b"/"
        assert server.recv(100) == b"", "the end, for the one who reads"
        assert 0.15 < time.monotonic() - start < 2, "a byte now and then does not move the deadline"
        answer = client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 408 ") and json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def test_a_body_that_trickles_in_is_an_error():
    client, server = timed_pair()
    with client, server:
        server.begin(0.1, head=False)
        client.sendall(b"x")
        assert server.recv(100) == b"x"
        with pytest.raises(TimeoutError):
            server.recv(100)
        client.sendall(b"late")
        with pytest.raises(TimeoutError):
            server.recv(100)
        server.begin(0.1, head=True)
        assert server.recv(100) == b"late", "a new request, a new deadline"
        with pytest.raises(TimeoutError):
            server.sendall(bytes(10_000_000))  # nobody takes the answer


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "99999"], "65535"),
        (["--workers", "0"], "from 1 to 256"),
        (["--min_confidence", "2"], "0 to 1"),
        (["--models", "/nowhere"], "bundle.json"),
    ],
)
def test_wrong_flags_and_missing_models_get_one_line(arguments, words):
    done = subprocess.run(
        [sys.executable, "serve.py", *arguments], cwd=ROOT / "deploy", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and words in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("workers", "cpus", "threads"), [(1, 1, 1), (2, 2, 2), (4, 4, 2), (8, 8, 2), (8, 32, 4), (1, 4, 4), (64, 2, 2)]
)
def test_threads_of_a_process(workers, cpus, threads):
    from serve import _threads

    assert _threads(workers, cpus) == threads


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("200000 100000", 2), ("50000 100000", 1), ("max 100000", 6), ("", 6), (None, 6), ("9900000 100000", 6)],
)
def test_a_containers_limit_counts(tmp_path, monkeypatch, limit, expected):
    import serve

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit)
    assert serve._cpus(tmp_path / "cpu.max") == expected
    monkeypatch.setattr(serve, "_cpus", lambda: expected)
    processes = [serve._workers(*each) for each in (("onnx", "auto"), ("savedmodel", "auto"), ("onnx", "gpu"))]
    assert processes == [expected, 1, 1]
    settings = serve.settings_from(serve.parse_arguments([]), processes[0])
    assert settings.threads == min(2, expected)


def fetch(url, data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, {}


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.2)
    raise AssertionError("did not come in time")


@pytest.fixture
def production(tmp_path):
    """A running server whose networks see 0012.345 in every picture: its port, its log, the process."""
    pytest.importorskip("gunicorn")
    pytest.importorskip("onnx")
    save_fixed_bundle(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "serve.py", "--host", "127.0.0.1", "--port", str(port), "--models", str(tmp_path)]
    log = tmp_path / "log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [*command, "--workers", "2", "--threads", "1", "--timeout", "6"], cwd=ROOT / "deploy", stderr=file
        )
    try:
        wait_for(lambda: len(re.findall("models loaded", log.read_text())) == 2)
        yield port, log, server
    finally:
        server.terminate()
        assert server.wait(60) == 0
    for line in log.read_text().splitlines():
        assert json.loads(line)["level"], "every line of the log is JSON"


def begin_request(port, data=PNG, sent=100):
    """A connection with a request of which so many bytes of the body are under way."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = f"POST /recognize HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data[:sent])
    return connection


def answer_of(connection):
    """Status and JSON of the answer."""
    text = b""
    while b"\r\n\r\n" not in text or len(text.partition(b"\r\n\r\n")[2]) < length_of(text):
        more = connection.recv(65536)
        assert more, f"the connection ended after {text!r}"
        text += more
    connection.close()
    return int(text.split()[1]), json.loads(text.partition(b"\r\n\r\n")[2])


def length_of(text):
    return int(re.search(rb"Content-Length: (\d+)", text).group(1))


def workers_of(server):
    return Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()


def test_the_production_server(production):
    """Reads, refuses slow senders, replaces a worker that dies, counts over all of them, ends what it began."""
    port, log, server = production
    address = f"http://127.0.0.1:{port}"
    assert fetch(f"{address}/recognize", PNG)[1]["text"] == READING

    status, values = answer_of(begin_request(port))
    assert status == 408 and "within 6 seconds" in values["error"] and values["request_id"]

    # Readings of both workers, and of one that is gone, are counted together; its requests are in flight no more.
    for _ in range(9):
        fetch(f"{address}/recognize", PNG)
    first, _ = workers_of(server)
    os.kill(int(first), signal.SIGKILL)
    wait_for(lambda: len(workers_of(server)) == 2 and first not in workers_of(server))
    wait_for(lambda: len(re.findall("models loaded", log.read_text())) == 3)
    for _ in range(5):
        assert fetch(f"{address}/recognize", PNG)[1]["text"] == READING
    with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
        counts = answer.read().decode()
    assert re.search(r'counter_readings_total\{reason="ok",task="meter"\} 15\.0', counts), counts
    assert "counter_requests_in_flight 1.0" in counts

    connection = begin_request(port)
    wait_for(lambda: busy(address) > 1)
    server.terminate()
    wait_for(lambda: "signal: term" in log.read_text())
    connection.sendall(PNG[100:])
    assert answer_of(connection)[1]["text"] == READING, "what is in flight is finished"
    assert server.wait(60) == 0
    assert fetch(f"{address}/health")[0] == 0, "and nothing new is taken"


def test_a_connection_outlives_what_is_refused(production):
    """Errors that come before a body was looked at do not end the connection unannounced, nor hide behind the body."""
    port, _, _ = production
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(3):
        connection.request("POST", "/nowhere", bytes(3_000_000))
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (404, "keep-alive"), answer.read()
        assert "request_id" in json.loads(answer.read())
    connection.request("POST", "/recognize", PNG, {"Content-Type": "image/png"})
    assert json.loads(connection.getresponse().read())["text"] == READING
    connection.close()

    for length in ("Content-Length: 1000000000", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
            raw.sendall(f"POST /nowhere HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n".encode())
            head = raw.recv(65536)
        assert head.startswith(b"HTTP/1.1 404") and b"Connection: close" in head


def busy(address):
    with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
        return float(re.search(r"counter_requests_in_flight ([0-9.]+)", answer.read().decode()).group(1))
