"""Train one row of the table over all seeds.

python -m stages.train --row clipsum --model clipsum --text weights/bart --encoder clip_vit_b32 --tuning frozen \
    --reads data/features/clip_vit_b32 --tower weights/clip_vit_b32 --out models/clipsum

On a CPU the seeds train side by side, a process and a thread each; on a GPU one after another. Trained seeds are kept in
scratch (as hard links, until the row is trained with other parameters), so that a seed added later trains alone.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from pipeline import tracking
from pipeline.atomic import read_json, write_json
from pipeline.corpus import read_corpus
from pipeline.device import choose_device
from pipeline.encoders import read_spec
from pipeline.params import Params, load_params
from pipeline.rows import CORPUS, Row, create_system, input_digests, open_visual, training_code, write_row
from pipeline.shards import Shard, file_sha256, fingerprint, publish, run_shards, scratch_folder, start_server

if TYPE_CHECKING:
    from pipeline.training import Epoch, Task

PRELOAD = ("pipeline.batches", "pipeline.rows", "pipeline.training", "rouge_score.rouge_scorer")  # what takes seconds to import


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("row", "model", "text", "encoder", "tuning", "reads", "tower"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params = load_params()
    row = Row(
        name=arguments.row, model=arguments.model, text=arguments.text, encoder=arguments.encoder, tuning=arguments.tuning,
        reads=arguments.reads, tower=arguments.tower,
    )  # fmt: skip
    if len(params.current.seeds) > 1 and params.runtime.device != "cuda":
        start_server([*PRELOAD, read_spec(row.weights).library] if row.tuning == "finetuned" else PRELOAD)
    protocol = row_protocol(row, params)
    key = fingerprint(write_row(row), protocol, input_digests(row), params.runtime.device, training_code(row.model))
    seeds = params.current.seeds
    on_cpu = choose_device(params.runtime.device).type == "cpu"
    # Up to two seeds a core: with three seeds on two cores none is left to train alone.
    workers = min(2 * params.runtime.processes, len(seeds)) if on_cpu else 1
    with scratch_folder(f"train.{row.name}", key) as folder:
        run = tracking.row_run(
            study=params.study, row=row.name, stage=f"train@{row.name}", fingerprint=key,
            params=write_row(row) | protocol, record=folder / "mlflow_run.json",
        )  # fmt: skip
        with run as row_run:
            row_run.dataset(name=params.study, path=CORPUS, digest=file_sha256(CORPUS), context="training")
            shards = [Shard(name=str(seed), items=[seed]) for seed in seeds]
            with curves(row_run, folder, seeds):
                threads = max(1, params.runtime.processes // workers)
                work = partial(train_shard, row=row, folder=folder, threads=threads)
                results = run_shards(
                    work, shards, folder=folder, workers=workers, unit="seed", title=f"train {row.name}", forked=True
                )
            summary = {"row": write_row(row), "protocol": protocol, "optimised": results[0]["optimised"], "fingerprint": key}
            write_json(folder / "row.json", summary | {"seeds": results})
            row_run.save_record(arguments.out / "mlflow_run.json")
            publish(folder, [*(shard.name for shard in shards), "row.json"], arguments.out / "seeds", keep=True)
            for work_folder in folder.glob("work-*"):
                shutil.rmtree(work_folder)
    for result in results:
        print(
            f"{row.name}, seed {result['seed']}: best of {result['epochs']} epochs is {result['best_epoch']}, "
            f"validation ROUGE-2 {result['val_rouge2']:.2f}"
        )


@contextmanager
def curves(row_run: tracking.RowRun, folder: Path, seeds: Sequence[int]) -> Iterator[None]:
    """While the block runs, log the epochs that training processes write to `folder`: they never wait for a store.

    If the block fails, the seeds' runs end as its own does.
    """
    done = Event()
    open_runs = ExitStack()

    def log() -> None:
        runs: dict[int, tracking.Run] = {}
        logged = dict.fromkeys(seeds, 0)
        last_look = False
        while not last_look:
            last_look = done.wait(timeout=1.0)
            for seed in seeds:
                epochs = read_json(_curve(folder, seed)) if _curve(folder, seed).exists() else []
                if epochs and seed not in runs:
                    runs[seed] = open_runs.enter_context(row_run.seed_run(seed))
                for epoch in epochs[logged[seed] :]:
                    runs[seed].epoch(int(epoch["epoch"]), epoch)
                logged[seed] = len(epochs)

    listener = Thread(target=log)
    listener.start()
    with open_runs:
        try:
            yield
        finally:
            done.set()
            listener.join()


def train_shard(items: Sequence[Any], path: Path, *, row: Row, folder: Path, threads: int) -> dict[str, Any]:
    """Train one seed into `path`; runs in a process of its own on a CPU."""
    import torch

    from pipeline.training import train_seed

    (seed,) = items
    params = load_params()
    if choose_device(params.runtime.device).type == "cpu":
        torch.set_num_threads(threads)
    epochs: list[Epoch] = []

    def on_epoch(epoch: "Epoch") -> None:
        epochs.append(epoch)
        write_json(_curve(folder, seed), epochs)

    return train_seed(build_task(row, params), seed, path, work=folder / f"work-{seed}", on_epoch=on_epoch)


def _curve(folder: Path, seed: int) -> Path:
    return folder / f"curve-{seed}.json"


def row_protocol(row: Row, params: Params) -> dict[str, Any]:
    """Every parameter that decides this row's training, flat."""
    study = params.current
    blocks: dict[str, Any] = {"text": study.text, "train": study.train, "generate": study.generate}
    shared = {"model.dropout": study.model.dropout}
    if row.tuning != "none":
        blocks |= {"model": study.model}
    if row.tuning == "finetuned":
        blocks |= {"finetune": study.finetune}
    protocol = {f"{block}.{name}": value for block, settings in blocks.items() for name, value in settings.model_dump().items()}
    return protocol | (shared if row.tuning == "none" else {"frames.count": study.frames.count})


def build_task(row: Row, params: Params) -> "Task":
    """Read what the row reads."""
    from pipeline.batches import load_tokenizer, read_examples
    from pipeline.training import Task

    study = params.current
    corpus = read_corpus(CORPUS)
    tokenizer = load_tokenizer(row.text_model)
    visual = open_visual(row)
    splits = {split: read_examples(corpus, split, text=study.text, tokenizer=tokenizer) for split in ("train", "validation")}
    return Task(
        create=lambda: create_system(row, study, visual),
        train=splits["train"],
        validation=splits["validation"],
        visual=visual,
        tokenizer=tokenizer,
        settings=study.train,
        finetune=study.finetune,
        generate=study.generate,
        device=choose_device(params.runtime.device),
        generation_batch_size=params.runtime.generation_batch_size,
    )


if __name__ == "__main__":
    main()
