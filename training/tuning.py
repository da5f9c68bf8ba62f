"""Trying hyperparameters: a grid of trials, each in a process of its own, and what came of them. Knows no architecture.

A trial's process gives all its memory back, and when it is killed, the others go on. A folder of trials holds
tuning.json (what all trials share) and a folder for each trial: TensorBoard logs, trial.json (how it ended) and
output.txt (what it printed).
"""

from __future__ import annotations

import itertools
import json
import math
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from reader.image import write_atomic
from training.hparams_log import Value, write_experiment, write_trial

#: How a trial ends. A trial that died says nothing about its hyperparameters, so resuming tries it again.
DONE, DIVERGED, DIED = "done", "diverged", "died"
#: Exit status of a trial's process whose input is at fault: the other trials would fail alike.
INPUT_FAULT = 65

_SHORT = {"learning_rate": "lr", "batch_size": "batch", "optimizer": "", "weight_decay": "decay"}


class TuningError(ValueError):
    """Why tuning cannot begin or go on, in one line."""


@dataclass(frozen=True)
class Trial:
    """One point of the grid: hyperparameters by name."""

    params: Mapping[str, Value]

    @property
    def name(self) -> str:
        """Short, fit for a folder, the same in every run."""
        parts = [
            f"{_SHORT.get(key, key)}{value:g}" if not isinstance(value, str) else f"{_SHORT.get(key, key)}{value}"
            for key, value in self.params.items()
        ]
        return "_".join(parts)


@dataclass(frozen=True)
class Record:
    """How a trial ended; its trial.json.

    Attributes:
        name: of the trial.
        params: hyperparameters by name.
        status: DONE, DIVERGED or DIED.
        epochs: the curves by name, one value an epoch.
        seconds: that it took.
        reason: why it died, one line.
    """

    name: str
    params: Mapping[str, Value]
    status: str
    epochs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""

    def last(self, curve: str) -> float:
        """The value after the last epoch; NaN where there is none."""
        values = self.epochs.get(curve) or [math.nan]
        return float(values[-1])

    @property
    def objective(self) -> float:
        """What is minimised: the validation loss, without validation pictures the loss; infinite for no result."""
        value = self.last("val_loss") if "val_loss" in self.epochs else self.last("loss")
        return value if self.status == DONE and math.isfinite(value) else math.inf


def grid(values: Mapping[str, Sequence[Value]]) -> list[Trial]:
    """Every combination of the values, the last name's changing fastest; doubles are left out."""
    unique = [list(dict.fromkeys(tried)) for tried in values.values()]
    return [Trial(dict(zip(values, chosen, strict=True))) for chosen in itertools.product(*unique)]


def run_trial(trial: Trial, folder: Path, train: Callable[[], Mapping[str, Sequence[float]]]) -> Record:
    """Runs one trial in this process and records how it ended.

    Args:
        trial: what to try.
        folder: of all trials.
        train: trains and returns the curves by name.
    """
    write_trial(folder / trial.name, trial.name, trial.params, None)
    started = time.perf_counter()
    curves = {key: [float(value) for value in values] for key, values in train().items()}
    losses = [curves.get("loss", [math.nan])[-1], *curves.get("val_loss", [0.0])[-1:]]
    status = DONE if all(map(math.isfinite, losses)) else DIVERGED
    record = Record(trial.name, trial.params, status, curves, time.perf_counter() - started)
    _save(record, folder)
    return record


def run_trials(
    trials: Sequence[Trial],
    folder: Path,
    shared: Mapping[str, Any],
    command: Callable[[Trial], Sequence[str]],
    resume: bool = False,
    overwrite: bool = False,
) -> list[Record]:
    """Runs every trial in a process of its own, one after another; one that dies does not stop the others.

    Args:
        trials: what to try.
        folder: gets a folder for each trial.
        shared: what all trials have in common; resumed trials must have been made with the same.
        command: the command line of a trial's process, which must call `run_trial`.
        resume: keep the trials that ended (done or diverged), run only the others.
        overwrite: remove the trials that are there.

    Returns:
        The records in the order of the trials.

    Raises:
        TuningError: trials are there and it is not told what to do with them, they were made with other settings, or
            the input is at fault.
    """
    kept = _open(folder, shared, resume, overwrite)
    names = list(trials[0].params)
    write_experiment(folder, {key: list(dict.fromkeys(trial.params[key] for trial in trials)) for key in names})
    records = []
    with tqdm(total=len(trials), unit="trial") as bar:
        for trial in trials:
            bar.set_description(trial.name)
            before = kept.get(trial.name)
            record = before if before and before.status != DIED else _in_process(trial, folder, command(trial))
            records.append(record)
            bar.write(_line(record) + ("  (kept)" if record is before else ""))
            bar.update()
    return records


def read_records(folder: Path) -> dict[str, Record]:
    """The records of a folder of trials by name; unreadable ones are as if they were not there."""
    found = {}
    for path in sorted(folder.glob("*/trial.json")):
        try:
            record = Record(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        found[record.name] = record
    return found


def best(records: Sequence[Record]) -> Record | None:
    """The record with the lowest objective, or None where no trial came to an end."""
    ended = [record for record in records if math.isfinite(record.objective)]
    return min(ended, key=lambda record: record.objective) if ended else None


def table(records: Sequence[Record]) -> str:
    """The trials as lines of text, the best one marked."""
    chosen = best(records)
    names = list(records[0].params) if records else []
    rows = [[*names, "loss", "validation loss", "status", "seconds", ""]]
    for record in records:
        cells = [f"{value:g}" if not isinstance(value, str) else value for value in record.params.values()]
        losses = [f"{record.last(curve):.4g}" if curve in record.epochs else "-" for curve in ("loss", "val_loss")]
        status = record.status + (f": {record.reason}" if record.reason else "")
        rows.append([*cells, *losses, status, f"{record.seconds:.0f}", "<- best" if record is chosen else ""])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _open(folder: Path, shared: Mapping[str, Any], resume: bool, overwrite: bool) -> dict[str, Record]:
    """Makes the folder ready; the records that are there."""
    note = folder / "tuning.json"
    shared = json.loads(json.dumps(shared, default=str))
    if note.exists() and overwrite:
        shutil.rmtree(folder)
    if note.exists() and not resume:
        raise TuningError(f"{folder} holds trials already; --resume runs what is missing, --overwrite begins anew")
    if note.exists():
        try:
            before = json.loads(note.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TuningError(f"{note} is broken ({error}); --overwrite begins anew") from error
        for key in sorted(set(before) | set(shared)):
            if before.get(key) != shared.get(key):
                raise TuningError(
                    f"{folder}: the trials there were made with {key} {before.get(key)}, not {shared.get(key)}; "
                    "they could not be compared; --overwrite begins anew"
                )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(note, json.dumps(shared, indent=1).encode())
    return read_records(folder)


def _in_process(trial: Trial, folder: Path, command: Sequence[str]) -> Record:
    """Runs a trial's process and waits for it."""
    own = folder / trial.name
    if own.exists():
        shutil.rmtree(own)  # what a killed run left would be a second curve
    own.mkdir(parents=True)
    started = time.perf_counter()
    output = own / "output.txt"
    with output.open("wb") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if status == INPUT_FAULT:
        shutil.rmtree(own)
        raise TuningError(lines[-1] if lines else "the input cannot be used")
    record = read_records(folder).get(trial.name)
    if status or record is None:
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        reason = f"{how}, see {output}" if status or not lines else lines[-1]
        record = Record(trial.name, trial.params, DIED, {}, time.perf_counter() - started, reason)
        _save(record, folder)
    return record


def _save(record: Record, folder: Path) -> None:
    own = folder / record.name
    write_trial(own, record.name, record.params, record.status == DONE)
    # JSON knows no NaN; Python writes and reads it, other programs would not.
    write_atomic(own / "trial.json", json.dumps(asdict(record), indent=1).encode())


def _line(record: Record) -> str:
    told = f"loss {record.last('loss'):.4g}  validation loss {record.last('val_loss'):.4g}  " if record.epochs else ""
    return f"{record.name}  {told}{record.status}{': ' + record.reason if record.reason else ''}"
