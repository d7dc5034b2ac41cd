"""Seconds of an epoch when one process trains a seed, and when two do: `python -m benchmarks.processes`

The rows `clipsum` and `clipsum_finetuned`, on the videos, features and frames that lie here. Each process has one thread, or a
GPU. They take turns, so that a slow moment of the machine meets both. An epoch is training and validation.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from pipeline.base.files import read_json
from pipeline.base.params import Params, load_params
from pipeline.training.table_row import declared_row
from pipeline.training.train_row import train_shard

SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", nargs="+", default=["clipsum", "clipsum_finetuned"])
    arguments = parser.parse_args()
    params = load_params()
    for name in arguments.rows:
        epochs: dict[int, list[float]] = {number: [] for number in arguments.processes}
        for _ in range(arguments.rounds):
            for number in arguments.processes:
                seconds, rest = _train(name, number, params)
                epochs[number] += seconds
                print(f"{name}, {number} processes: epochs of {seconds} s, {rest:.1f} s beside them", flush=True)
        print(f"{name}: medians of " + ", ".join(f"{statistics.median(epochs[number]):.1f} s ({number})" for number in epochs))


def _train(name: str, processes: int, params: Params) -> tuple[list[float], float]:
    """Train a seed; the seconds of each epoch, and those of all else."""
    params = replace(params, runtime=params.runtime.model_copy(update={"processes_per_seed": processes}))
    row = declared_row(name, encoder=params.encoder)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train_shard([SEED], Path(folder) / "out", row=row, params=params, folder=Path(folder), threads=1)
        whole = time.perf_counter() - start
        seconds = [round(epoch["seconds"], 1) for epoch in read_json(Path(folder) / f"curve-{SEED}.json")]
    return seconds, whole - sum(seconds)


if __name__ == "__main__":
    main()
