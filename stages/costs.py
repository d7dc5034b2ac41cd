"""Time and memory of one summary, for every evaluated row, measured in this one process.

python -m stages.costs            rows of predictions/, to metrics/costs.json
python -m stages.costs --table    those and the rows of table/predictions/, to table/metrics/costs.json
"""

import argparse
import statistics
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from pipeline.atomic import read_json, write_json
from pipeline.batches import load_tokenizer, read_examples
from pipeline.corpus import read_corpus
from pipeline.costs import Round, cost_of, measure
from pipeline.device import choose_device
from pipeline.encoders import load_encoder
from pipeline.models.summarizer import load
from pipeline.params import load_params
from pipeline.rows import CORPUS, open_visual, read_row

ROUNDS, REPEATS = 3, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true")
    folders = [Path(), Path("table")] if parser.parse_args().table else [Path()]
    device = choose_device(load_params().runtime.device)
    trained = [folder / "models" / path.stem for folder in folders for path in sorted((folder / "predictions").glob("*.jsonl"))]
    trained = [folder for folder in trained if (folder / "seeds" / "row.json").exists()]  # not controls and floors
    for folder in trained:  # once without counting: in their first run libraries load code and set up buffers
        measure_row(folder / "seeds", device, repeats=1)
    rounds: dict[str, list[Round]] = {folder.name: [] for folder in trained}
    with tqdm(total=ROUNDS * len(trained), unit="row", desc="measure costs", disable=None) as bar:
        for folder in ROUNDS * trained:
            rounds[folder.name].append(measure_row(folder / "seeds", device, repeats=REPEATS))
            bar.update()
    rows = {
        folder.name: asdict(cost_of(rounds[folder.name])) | {"training_seconds": training_seconds(folder / "seeds")}
        for folder in trained
    }
    for name, cost in rows.items():
        print(f"{name}: {cost}", flush=True)
    write_json(
        folders[-1] / "metrics" / "costs.json",
        {
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "rows": rows,
        },
    )


def measure_row(seeds_folder: Path, device: torch.device, *, repeats: int) -> Round:
    """One round of the row's first seed."""
    study, row = load_params().current, read_row(seeds_folder)
    first = _seeds(seeds_folder)[0]
    examples = read_examples(read_corpus(CORPUS), "test", text=study.text, tokenizer=load_tokenizer(row.text_model))
    return measure(
        lambda: load(seeds_folder / str(first)),
        None if row.tuning == "none" else lambda: load_encoder(row.weights),
        examples,
        open_visual(row),
        settings=study.generate,
        device=device,
        repeats=repeats,
    )


def training_seconds(seeds_folder: Path) -> float:
    """Mean seconds of training a seed, as its history tells."""
    histories = [read_json(seeds_folder / str(seed) / "history.json") for seed in _seeds(seeds_folder)]
    return round(statistics.fmean(sum(epoch["seconds"] for epoch in history) for history in histories), 1)


def _seeds(seeds_folder: Path) -> list[int]:
    return [result["seed"] for result in read_json(seeds_folder / "row.json")["seeds"]]


if __name__ == "__main__":
    main()
