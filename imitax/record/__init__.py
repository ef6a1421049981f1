"""What a run reports: metrics as JSON lines, TensorBoard, Weights & Biases, the terminal, and the table of scores."""

from imitax.record.recorder import METRICS, Recorder, seed_folder, truncate_metrics
from imitax.record.scores import choice_table, error_table, score_table
from imitax.record.sinks import Sink, SinkName

__all__ = [
    "METRICS",
    "Recorder",
    "Sink",
    "SinkName",
    "choice_table",
    "error_table",
    "score_table",
    "seed_folder",
    "truncate_metrics",
]
