"""read_archive.py on Ray itself: workers and drivers that are killed, tar files, and photos that cannot be read."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from fake_networks import save_fixed_bundle

import read_archive
from archive.cluster import cluster
from reader.image import encode_jpeg, encode_png

ROOT = Path(__file__).resolve().parent.parent
PHOTOS, BROKEN, IN_TAR = 130, 4, 10


@pytest.fixture(scope="module")
def ray_started(tmp_path_factory):
    """Ray, started once for all tests here. The first test takes what Ray needs to start its first workers, too."""
    with cluster(None, 2, tmp_path_factory.mktemp("ray") / "folder"):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """144 photos large enough that a kill comes in time: 130 files, 10 in a tar file, 4 that are no pictures."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "models").mkdir()
    save_fixed_bundle(folder / "models")
    photos = folder / "photos"
    photos.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (1500, 2000, 3), dtype=np.uint8)
    (photos / "m000.jpg").write_bytes(encode_jpeg(noise))
    for number in range(1, PHOTOS):
        os.link(photos / "m000.jpg", photos / f"m{number:03}.jpg")
    for number in range(BROKEN):
        (photos / f"n{number}.jpg").write_bytes(encode_jpeg(noise)[:1000])
    small = encode_png(np.full((40, 50, 3), 9, np.uint8))
    with tarfile.open(photos / "z.tar", "w") as tar:
        for number in range(IN_TAR):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(small)
            tar.addfile(info, io.BytesIO(small))
    return folder


def check(out):
    """Every photo has one row, in order, and the readings are there."""
    rows = pq.read_table(out, columns=["path", "text", "success", "error"]).to_pylist()
    names = [row["path"].rpartition("photos/")[2] for row in rows]
    wanted = [f"m{number:03}.jpg" for number in range(PHOTOS)] + [f"n{number}.jpg" for number in range(BROKEN)]
    assert names == wanted + [f"z.tar/{number}.png" for number in range(IN_TAR)]
    assert [row["text"] for row in rows if row["success"]] == ["0012.345"] * (PHOTOS + IN_TAR)
    assert all("the end of the JPEG file is missing" in row["error"] for row in rows[PHOTOS : PHOTOS + BROKEN])


def wait_for(condition, seconds=600):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


def processes(of, name):
    """Processes below another one whose command line contains a name."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        try:
            if name in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:  # it ended just now
            continue
    return found


def test_a_worker_is_killed(ray_started, folder, tmp_path, capfd):
    out = tmp_path / "a.parquet"
    killed = []

    def kill():
        wait_for(lambda: list((tmp_path / "a.parquet.parts").glob("part-*")))
        worker = processes(os.getpid(), "MapWorker")[0]
        worker.send_signal(signal.SIGKILL)
        killed.append(worker.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    code = read_archive.main([str(folder / "photos"), str(out), "--models", str(folder / "models"), "--workers", "2"])
    thread.join()
    assert code == 1 and killed
    check(out)
    captured = capfd.readouterr()
    assert "144 photos" in captured.out and "Traceback" not in captured.out + captured.err
    assert all("photos" in line for line in captured.err.splitlines() if line.strip()), "progress and nothing else"


def test_the_driver_is_killed(ray_started, folder, tmp_path, capfd):
    out = tmp_path / "a.parquet"
    arguments = [str(folder / "photos"), str(out), "--models", str(folder / "models"), "--workers", "1"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    driver = subprocess.Popen(
        [sys.executable, str(ROOT / "read_archive.py"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
    )  # fmt: skip
    try:
        wait_for(lambda: list((tmp_path / "a.parquet.parts").glob("part-*")) or driver.poll() is not None)
        assert driver.poll() is None, driver.communicate()[0].decode()
        below = psutil.Process(driver.pid).children(recursive=True)
    finally:
        driver.kill()
        driver.wait()
    assert not out.exists() and not psutil.wait_procs(below, timeout=180)[1], "all that it started ends with it"
    finished = len(list((tmp_path / "a.parquet.parts").glob("part-*")))
    assert 1 <= finished < 5
    assert read_archive.main(arguments) == 1
    check(out)
    this_run = 144 - 32 * finished
    assert f"this run: {this_run} photos" in capfd.readouterr().out, "finished parts are not read again"


def test_ray_listens_on_loopback_only(ray_started):
    places = set()
    for process in psutil.Process().children(recursive=True):
        try:
            places |= {c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    assert places and places <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
