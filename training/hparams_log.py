"""Event files for TensorBoard's HParams plugin, written without TensorFlow: tuning's own process stays small."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = float | int | str

#: Name in the curves, folder beside the trial's, and how the plugin's table calls it.
METRICS = (("epoch_loss", "train", "loss"), ("epoch_loss", "validation", "validation loss"))
_SUFFIX = ".hparams"


def write_experiment(folder: Path, values: Mapping[str, Sequence[Value]]) -> None:
    """Says which hyperparameters with which values are tried, and what is measured; replaces what was said before."""
    from tensorboard.plugins.hparams import summary_v2

    for old in folder.glob(f"events.*{_SUFFIX}"):
        old.unlink()
    hparams = [summary_v2.HParam(name, summary_v2.Discrete(_one_kind(tried))) for name, tried in values.items()]
    metrics = [summary_v2.Metric(tag, group=group, display_name=shown) for tag, group, shown in METRICS]
    _write(folder, "experiment", [summary_v2.hparams_config_pb(hparams, metrics)])


def write_trial(folder: Path, name: str, params: Mapping[str, Value], succeeded: bool | None) -> None:
    """Says what a trial tries and how it ended; replaces what was said before.

    Args:
        folder: the trial's.
        name: of the trial.
        params: hyperparameters by name.
        succeeded: None while it runs.
    """
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2

    for old in folder.glob(f"events.*{_SUFFIX}"):
        old.unlink()
    summaries = [summary_v2.hparams_pb(dict(params), trial_id=name)]
    if succeeded is not None:
        status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
        end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
        data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
        summary = summary_pb2.Summary()
        summary.value.add(
            tag=metadata.SESSION_END_INFO_TAG,
            metadata=metadata.create_summary_metadata(data),
            tensor=metadata.NULL_TENSOR,
        )
        summaries.append(summary)
    _write(folder, "trial", summaries)


def _one_kind(values: Sequence[Value]) -> list[Value]:
    """The plugin wants values of one type; whole numbers among others become such."""
    return [float(value) for value in values] if any(isinstance(value, float) for value in values) else list(values)


def _write(folder: Path, name: str, summaries: Sequence[object]) -> None:
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    path = folder / f"events.out.tfevents.{int(now)}.{name}{_SUFFIX}"
    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(event_pb2.Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for summary in summaries:
            writer.write(event_pb2.Event(wall_time=now, step=0, summary=summary).SerializeToString())
