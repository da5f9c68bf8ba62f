"""The import rules of the project, proven from the code: one direction, and a core without a framework."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "reader", "archive", "training", "retinanet", "crnn", "points", "corners", "characters", "synthesis",
    "accelerated", "deploy", "benchmarks",
)  # fmt: skip
FRAMEWORKS = {"tensorflow", "keras", "keras_cv", "torch", "jax", "tensorflow_datasets"}

#: What each package may import of the project. Scripts in the root may import everything.
ALLOWED = {
    "reader": {"reader"},
    "archive": {"reader", "archive"},
    "training": {"reader", "training"},
    "retinanet": {"reader", "training", "retinanet"},
    "crnn": {"reader", "training", "crnn"},
    "points": {"reader", "training", "points"},
    "corners": {"reader", "training", "corners"},
    "characters": {"reader", "training", "characters"},
    "synthesis": {"reader", "training", "retinanet", "crnn", "synthesis"},
    "accelerated": {"reader", "training", "retinanet", "crnn", "synthesis", "accelerated"},
}
#: What the core may import from elsewhere. pillow_heif is optional and imported where it is used.
CORE_LIBRARIES = {"numpy", "cv2", "pillow_heif"}
#: What runs exported networks; reader/runtime.py imports the one that a bundle's files need, when it loads them.
RUNTIMES = {"onnxruntime", "tensorflow"}
#: What the server may import from elsewhere.
SERVER_LIBRARIES = {
    "numpy", "flask", "flask_openapi3", "werkzeug", "pydantic", "prometheus_client", "gunicorn", "reader", "serving",
}  # fmt: skip


def imports_of(source):
    """Top-level names of all modules that code imports, wherever the import stands."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package, so that these rules can be read from them"
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            argument = node.args[0]
            assert isinstance(argument, ast.Constant), "a computed import hides from these rules"
            names.add(argument.value.split(".")[0])
    return names


def files_of(package):
    return sorted((ROOT / package).rglob("*.py"))


def test_the_rules_are_read_from_code_as_it_is_written():
    source = "import os.path\nfrom cv2 import x\ndef f():\n    import keras as k\n    importlib.import_module('a.b')"
    assert imports_of(source) == {"os", "cv2", "keras", "a"}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package):
    for path in files_of(package):
        wrong = (imports_of(path.read_text(encoding="utf-8")) & set(PACKAGES)) - ALLOWED[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_core_needs_only_numpy_opencv_and_a_runtime():
    for path in files_of("reader"):
        names = imports_of(path.read_text(encoding="utf-8")) - sys.stdlib_module_names
        wrong = names - CORE_LIBRARIES - RUNTIMES - {"reader"}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_runtimes_are_imported_when_a_network_is_loaded_and_only_there():
    for path in files_of("reader"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        runtimes = imports_of(ast.unparse(tree)) & RUNTIMES
        assert path.name == "runtime.py" or not runtimes, f"{path.name} imports {sorted(runtimes)}"
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom | ast.Try | ast.If | ast.With):
                assert not imports_of(ast.unparse(node)) & RUNTIMES, f"{path.name}, line {node.lineno}: at import"


def test_training_knows_no_architecture():
    for path in files_of("training"):
        assert "keras_cv" not in imports_of(path.read_text(encoding="utf-8")), path


def test_the_networks_of_keras_cv_are_imported_in_one_place():
    places = [path.name for path in files_of("retinanet") if "keras_cv" in imports_of(path.read_text(encoding="utf-8"))]
    assert len(places) <= 1, places


SERVER_FILES = [
    "deploy/serve.py",
    *sorted(f"deploy/serving/{path.name}" for path in (ROOT / "deploy/serving").glob("*.py")),
]


@pytest.mark.parametrize("name", ["recognize.py", *SERVER_FILES])
def test_what_runs_on_exported_models_imports_the_core_only(name):
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not there yet")
    names = imports_of(path.read_text(encoding="utf-8")) - sys.stdlib_module_names
    allowed = {"reader"} if name == "recognize.py" else SERVER_LIBRARIES
    assert names <= allowed, f"{name} imports {sorted(names - allowed)}"


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_core_and_recognize_import_with_every_framework_blocked():
    modules = [f"reader.{path.stem}" for path in files_of("reader") if path.stem != "__init__"]
    blocked = "\n".join(f"sys.modules[{name!r}] = None" for name in sorted(FRAMEWORKS))
    imported = "\n".join(f"import {module}" for module in ["reader", *modules, "recognize"])
    done = run_python(f"import sys\n{blocked}\n{imported}\nfrom reader import MeterReader\nprint(MeterReader.__name__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "MeterReader\n"


def test_reading_with_onnx_needs_no_tensorflow(tmp_path):
    pytest.importorskip("onnx")
    sys.path.insert(0, str(ROOT / "tests"))
    from fake_networks import save_fixed_bundle

    save_fixed_bundle(tmp_path)
    read = (
        "import sys, numpy as np\nfrom reader import MeterReader\n{}"
        f"reader = MeterReader.load({str(tmp_path)!r}, threads=1)\n"
        "print(reader.read(np.zeros((480, 640, 3), np.uint8)).text, sys.modules.get('tensorflow'))"
    )
    for start in ("", "".join(f"sys.modules[{name!r}] = None\n" for name in sorted(FRAMEWORKS))):
        done = run_python(read.format(start))
        assert done.stdout == "0012.345 None\n", done.stderr


def test_recognize_starts_without_heavy_imports():
    done = run_python(
        "import sys, recognize\nprint([name for name in ('numpy', 'cv2', 'onnxruntime') if name in sys.modules])"
    )
    assert done.stdout == "[]\n", "--help and wrong flags answer at once"
