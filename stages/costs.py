"""Time and memory of one summary, for every evaluated row, measured in this one process.

python -m stages.costs            rows of predictions/, to metrics/costs.json
python -m stages.costs --table    those and the rows of table/predictions/, to table/metrics/costs.json
"""

import argparse
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.atomic import read_json, write_json
from pipeline.batches import load_tokenizer, read_examples
from pipeline.corpus import read_corpus
from pipeline.costs import measure
from pipeline.device import choose_device
from pipeline.encoders import load_encoder
from pipeline.models.summarizer import load
from pipeline.params import load_params
from pipeline.rows import CORPUS, open_visual, read_row

REPEATS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true")
    folders = [Path(), Path("table")] if parser.parse_args().table else [Path()]
    device = choose_device(load_params().runtime.device)
    trained = [folder / "models" / path.stem for folder in folders for path in sorted((folder / "predictions").glob("*.jsonl"))]
    trained = [folder for folder in trained if (folder / "seeds" / "row.json").exists()]  # not controls and floors
    for folder in trained:  # once without counting: in their first run libraries load code and set up buffers
        measure_row(folder / "seeds", device, repeats=1)
    rows: dict[str, Any] = {}
    for folder in tqdm(trained, unit="row", desc="measure costs", disable=None):
        rows[folder.name] = measure_row(folder / "seeds", device, repeats=REPEATS)
        print(f"{folder.name}: {rows[folder.name]}", flush=True)
    write_json(
        folders[-1] / "metrics" / "costs.json",
        {
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "rows": rows,
        },
    )


def measure_row(seeds_folder: Path, device: torch.device, *, repeats: int) -> dict[str, Any]:
    """Costs of the row's first seed, and the mean seconds of training a seed as its history tells."""
    study, row = load_params().current, read_row(seeds_folder)
    seeds = [result["seed"] for result in read_json(seeds_folder / "row.json")["seeds"]]
    examples = read_examples(read_corpus(CORPUS), "test", text=study.text, tokenizer=load_tokenizer(row.text_model))
    cost = measure(
        lambda: load(seeds_folder / str(seeds[0])),
        None if row.tuning == "none" else lambda: load_encoder(row.weights),
        examples,
        open_visual(row),
        settings=study.generate,
        device=device,
        repeats=repeats,
    )
    histories = [read_json(seeds_folder / str(seed) / "history.json") for seed in seeds]
    seconds = statistics.mean(sum(epoch["seconds"] for epoch in history) for history in histories)
    return asdict(cost) | {"training_seconds": round(seconds, 1)}


if __name__ == "__main__":
    main()
