"""Which runtime and which device a network gets, and that a SavedModel answers as the ONNX file does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_networks import SIZE, bundle, save_fixed_bundle

import recognize
from reader import MeterReader, runtime
from reader.bundle import BundleError, save_bundle
from reader.runtime import OnnxNetwork, SavedModelNetwork, choose_runtime, load_network

ROOT = Path(__file__).resolve().parent.parent
BOTH = {"onnx": "a.onnx", "savedmodel": "a/1"}
SAVED = {"savedmodel": "a/1"}


@pytest.mark.parametrize(
    ("name", "files", "installed", "chosen", "reason"),
    [
        ("auto", BOTH, {"onnxruntime", "tensorflow"}, "onnx", "the faster one"),
        ("auto", {"other": "b", **BOTH}, {"tensorflow"}, "savedmodel", "what is installed"),
        ("auto", SAVED, {"onnxruntime", "tensorflow"}, "savedmodel", "what has a file"),
        ("savedmodel", BOTH, {"onnxruntime", "tensorflow"}, "savedmodel", "what is asked for"),
        ("onnx", BOTH, {"onnxruntime"}, "onnx", "what is asked for"),
        ("auto", SAVED, {"onnxruntime"}, "no runtime for the files.*onnxruntime.*tensorflow", "nothing fits"),
        ("savedmodel", BOTH, {"onnxruntime"}, "tensorflow is not installed; pip install -r deploy/req", "what to do"),
        ("savedmodel", {"onnx": "a"}, {"tensorflow"}, "no such files; deploy/prepare_model.py writes them", "likewise"),
        ("tpu", BOTH, {"onnxruntime"}, "unknown runtime 'tpu'", "a name that nobody knows"),
    ],
)
def test_choose_runtime(monkeypatch, name, files, installed, chosen, reason):
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda package: package if package in installed else None)
    if chosen in runtime.RUNTIMES:
        assert choose_runtime(name, files) == chosen, reason
        return
    with pytest.raises(BundleError, match=chosen) as raised:
        choose_runtime(name, files)
    assert "\n" not in str(raised.value)


class Session:
    """An ONNX Runtime session that got what it was given, but no GPU where there is none."""

    def __init__(self, path, options, providers):
        self.providers = [each for each in providers if self.gpu or not each.startswith("CUDA")]

    def get_providers(self):
        return self.providers

    def get_inputs(self):
        return [type("Input", (), {"name": "image", "type": "tensor(uint8)"})]

    def get_outputs(self):
        return []


@pytest.mark.parametrize(
    ("device", "offered", "gpu", "answer"),
    [
        ("auto", False, False, ["CPUExecutionProvider"]),
        ("cpu", True, True, ["CPUExecutionProvider"]),
        ("auto", True, True, ["CUDAExecutionProvider", "CPUExecutionProvider"]),
        ("gpu", True, True, ["CUDAExecutionProvider", "CPUExecutionProvider"]),
        ("auto", True, False, ["CPUExecutionProvider"]),  # the GPU image on a machine without one
        ("gpu", True, False, "found no GPU"),
        ("gpu", False, False, "runs on the CPU only; pip install -r deploy/requirements-onnx-gpu.txt"),
    ],
)
def test_onnx_runs_on_the_device_that_is_wanted(monkeypatch, tmp_path, capsys, device, offered, gpu, answer):
    import onnxruntime

    providers = ["CUDAExecutionProvider"] * offered + ["CPUExecutionProvider"]
    loaded = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "InferenceSession", type("Fake", (Session,), {"gpu": gpu}))
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: loaded.append(print("missing libraries")))
    path = tmp_path / "stage1.onnx"
    path.touch()
    if isinstance(answer, str):
        with pytest.raises(BundleError, match=answer):
            OnnxNetwork(path, 1, device)
    else:
        assert OnnxNetwork(path, 1, device)._session.get_providers() == answer
        assert len(loaded) == (device != "cpu" and offered), "CUDA's libraries are found before they are needed"
    assert capsys.readouterr().out == ""


def test_auto_takes_the_files_that_are_there(tmp_path, monkeypatch):
    taken = []
    for name in runtime.RUNTIMES:
        package, requirements, _ = runtime.RUNTIMES[name]
        loader = lambda path, threads, device, name=name: taken.append((name, path.name, threads, device))  # noqa: E731
        monkeypatch.setitem(runtime.RUNTIMES, name, (package, requirements, loader))
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda package: package)
    (tmp_path / "a" / "1").mkdir(parents=True)
    load_network(tmp_path, BOTH, threads=3, device="cpu")
    (tmp_path / "a.onnx").touch()
    load_network(tmp_path, BOTH)
    assert taken == [("savedmodel", "1", 3, "cpu"), ("onnx", "a.onnx", None, "auto")]
    with pytest.raises(BundleError, match="unknown device 'npu'"):
        load_network(tmp_path, BOTH, device="npu")


@pytest.mark.parametrize(
    ("name", "device", "cuda", "file"),
    [
        ("auto", "cpu", True, "a_int8.onnx"),
        ("auto", "auto", False, "a_int8.onnx"),
        ("auto", "auto", True, "a.onnx"),  # 8 bits are for CPUs
        ("onnx", "gpu", True, "a.onnx"),
        ("onnx_float32", "cpu", False, "a.onnx"),
    ],
)
def test_int8_is_for_cpus(tmp_path, monkeypatch, name, device, cuda, file):
    import onnxruntime

    files = {"onnx": "a_int8.onnx", "onnx_float32": "a.onnx", "onnx_int8": "a_int8.onnx"}
    for each in files.values():
        (tmp_path / each).touch()
    taken = []
    for kind in ("onnx", "onnx_float32"):
        loader = lambda path, threads, device: taken.append(path.name)  # noqa: E731
        monkeypatch.setitem(runtime.RUNTIMES, kind, ("onnxruntime", "requirements.txt", loader))
    providers = ["CUDAExecutionProvider"] * cuda + ["CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    load_network(tmp_path, files, name, device=device)
    assert taken == [file]


def save_savedmodel(folder, outputs, size, kind="uint8", signature="serving_default"):
    """A SavedModel that answers the same to every picture; outputs are arrays by name, first axis 1."""
    tf = pytest.importorskip("tensorflow")

    class Fixed(tf.Module):
        def __init__(self):
            super().__init__()
            self.values = {name: tf.Variable(value.astype(np.float32)) for name, value in outputs.items()}

        @tf.function(input_signature=[tf.TensorSpec([None, *size, 3], kind, name="image")])
        def serve(self, image):
            count = tf.shape(image)[0]
            return {name: tf.repeat(value, count, axis=0) for name, value in self.values.items()}

    module = Fixed()
    tf.saved_model.save(module, str(folder), signatures={signature: module.serve})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A bundle of SavedModels and ONNX files that see 0012.345 in the middle of every picture."""
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("models")
    save_fixed_bundle(folder)
    files = {}
    for stage, size in (("stage1", (SIZE, SIZE)), ("stage2", (64, 320))):
        outputs = OnnxNetwork(folder / f"{stage}.onnx", 1)(np.zeros((1, *size, 3), np.uint8))
        save_savedmodel(folder / stage / "1", outputs, size)
        files[stage] = {"onnx": f"{stage}.onnx", "savedmodel": f"{stage}/1"}
    from dataclasses import replace

    both = bundle(extra_looks=0)
    stages = {stage: replace(getattr(both, stage), files=files[stage]) for stage in files}
    save_bundle(replace(both, **stages), folder)
    return folder


@pytest.mark.parametrize("count", [1, 3])
def test_a_savedmodel_takes_any_number_of_pictures(models, count):
    batch = np.zeros((count, SIZE, SIZE, 3), np.uint8)[:, ::-1]  # not contiguous, as pictures may come
    outputs = SavedModelNetwork(models / "stage1" / "1", threads=1, device="cpu")(batch)
    assert {name: value.shape for name, value in outputs.items()} == {
        "corners": (count, 1, 4, 2),
        "probabilities": (count, 1, 4),
    }
    assert all(isinstance(value, np.ndarray) for value in outputs.values())


def test_savedmodel_and_onnx_read_the_same(models):
    photo = np.zeros((480, 640, 3), np.uint8)
    answers = [MeterReader.load(models, name, threads=1).read(photo) for name in ("savedmodel", "onnx")]
    assert [answer.text for answer in answers] == ["0012.345"] * 2
    np.testing.assert_allclose(answers[0].corners, answers[1].corners, atol=1e-4)
    assert answers[0].confidence == pytest.approx(answers[1].confidence, abs=1e-6)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"kind": "float32"}, "inputs .*image: float32.*wanted one uint8 picture"),
        ({"signature": "predict"}, r"signatures \['predict'\]; wanted 'serving_default'"),
        (None, "not a model that TensorFlow can load"),
        ("missing", "no SavedModel there; deploy/prepare_model.py writes it"),
    ],
)
def test_what_is_no_usable_savedmodel_is_refused_in_one_line(tmp_path, spoil, words):
    pytest.importorskip("tensorflow")
    if isinstance(spoil, dict):
        save_savedmodel(tmp_path, {"corners": np.zeros((1, 2))}, (8, 8), **spoil)
    elif spoil is None:
        (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(BundleError, match=words) as raised:
        SavedModelNetwork(tmp_path, threads=1)
    assert "\n" not in str(raised.value)


def test_a_gpu_that_tensorflow_does_not_find(models, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    with pytest.raises(BundleError, match="TensorFlow finds no GPU"):
        SavedModelNetwork(models / "stage1" / "1", device="gpu")


@pytest.mark.parametrize(
    ("blocked", "words"),
    [
        ("import sys; sys.modules['tensorflow'] = None", "runtime savedmodel: tensorflow is not installed"),
        # A package that is there but broken, as after half an update.
        ("import sys; sys.path.insert(0, sys.argv[1])", "TensorFlow cannot be imported (half an update)"),
    ],
)
def test_without_tensorflow_recognize_says_so_in_one_line(models, tmp_path, blocked, words):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('half an update')")
    code = f"{blocked}\nimport recognize\nraise SystemExit(recognize.main(sys.argv[2:]))"
    command = [sys.executable, "-c", code, str(tmp_path), "x.jpg", "--models", str(models), "--runtime", "savedmodel"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"recognize.py: {words}") and done.stderr.count("\n") == 1


def test_recognize_on_a_gpu_that_is_not_there(models, capsys, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert recognize.main(["x.jpg", "--models", str(models), "--device", "gpu"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("recognize.py: device gpu: ") and error.count("\n") == 1


def test_the_server_says_in_one_line_that_a_runtime_has_no_files(tmp_path, capsys):
    pytest.importorskip("onnx")
    from deploy import serve

    save_fixed_bundle(tmp_path)
    assert serve.main(["--models", str(tmp_path), "--runtime", "savedmodel", "--port", "0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("serve.py: runtime savedmodel: the models have no such files") and error.count("\n") == 1


def test_the_servers_flags_reach_the_models(models):
    from deploy import serve

    flags = serve.parse_arguments(["--models", str(models), "--runtime", "savedmodel", "--device", "cpu"])
    settings = serve.settings_from(flags, workers=1)
    from serving.models import Models

    loading = Models()
    loading.start_loading(settings).join()
    reader = loading.get()
    assert isinstance(reader.stage1, SavedModelNetwork) and isinstance(reader.stage2, SavedModelNetwork)
    assert loading.failure is None and settings.device == "cpu"


def test_a_server_without_the_gpu_it_was_told_to_use_says_so_without_a_trace(models, monkeypatch, caplog):
    import onnxruntime

    from deploy import serve

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    flags = serve.parse_arguments(["--models", str(models), "--device", "gpu"])
    settings = serve.settings_from(flags, workers=1)
    from serving.models import Models

    ended = []
    loading = Models()
    loading.start_loading(settings, on_failure=lambda: ended.append(True)).join()
    assert ended == [True] and "device gpu: the ONNX Runtime that is installed" in loading.failure
    assert [record.exc_info for record in caplog.records if record.levelname == "CRITICAL"] in ([False], [None])
