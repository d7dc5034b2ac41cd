"""Train one row of the table over all seeds.

python -m stages.train --row clipsum --model clipsum --encoder clip_vit_b32 --tuning frozen
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import tracking
from pipeline.atomic import write_json
from pipeline.batches import load_tokenizer, read_examples
from pipeline.corpus import read_corpus
from pipeline.device import choose_device
from pipeline.params import Params, load_params
from pipeline.rows import CORPUS, TEXT_MODEL, Row, create_system, input_digests, open_visual, write_row
from pipeline.shards import Shard, file_sha256, fingerprint, publish, run_shards, scratch_folder
from pipeline.training import Task, train_seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("row", "model", "encoder", "tuning"):
        parser.add_argument(f"--{option}", required=True)
    arguments = parser.parse_args()
    params = load_params()
    row = Row(name=arguments.row, model=arguments.model, encoder=arguments.encoder, tuning=arguments.tuning)
    protocol = row_protocol(row, params)
    key = fingerprint(write_row(row), protocol, input_digests(row), params.runtime.device)
    task = build_task(row, params)
    out = Path("models") / row.name
    with scratch_folder(f"train.{row.name}", key) as folder:
        run = tracking.row_run(
            study=params.study, row=row.name, stage=f"train@{row.name}", fingerprint=key,
            params=write_row(row) | protocol, record=folder / "mlflow_run.json",
        )  # fmt: skip
        with run as row_run:
            row_run.dataset(name=params.study, path=CORPUS, digest=file_sha256(CORPUS), context="training")

            def train(items: Sequence[Any], path: Path) -> dict[str, Any]:
                (seed,) = items
                with row_run.seed_run(seed) as seed_run:
                    return train_seed(
                        task,
                        seed,
                        path,
                        work=folder / f"work-{seed}",
                        on_epoch=lambda epoch: seed_run.epoch(int(epoch["epoch"]), epoch),
                    )

            shards = [Shard(name=str(seed), items=[seed]) for seed in params.current.seeds]
            results = run_shards(train, shards, folder=folder, workers=1, unit="seed", title=f"train {row.name}")
            write_json(folder / "row.json", {"row": write_row(row), "protocol": protocol, "seeds": results, "fingerprint": key})
            row_run.save_record(out / "mlflow_run.json")
            publish(folder, [*(shard.name for shard in shards), "row.json"], out / "seeds")
    for result in results:
        print(
            f"{row.name}, seed {result['seed']}: best of {result['epochs']} epochs is {result['best_epoch']}, validation ROUGE-2 {result['val_rouge2']:.2f}"
        )


def row_protocol(row: Row, params: Params) -> dict[str, Any]:
    """Every parameter that decides this row's training, flat."""
    study = params.current
    blocks = {"text": study.text, "train": study.train, "generate": study.generate}
    if row.tuning != "none":
        blocks |= {"model": study.model}
    if row.tuning == "finetuned":
        blocks |= {"finetune": study.finetune}
    return {f"{block}.{name}": value for block, settings in blocks.items() for name, value in settings.model_dump().items()}


def build_task(row: Row, params: Params) -> Task:
    """Read what the row reads."""
    study = params.current
    corpus = read_corpus(CORPUS)
    tokenizer = load_tokenizer(TEXT_MODEL)
    visual = open_visual(row)
    splits = {split: read_examples(corpus, split, text=study.text, tokenizer=tokenizer) for split in ("train", "validation")}
    for split, examples in splits.items():
        print(
            f"{split}: {len(examples)} videos; truncated: {examples.truncated['sources']} sources, {examples.truncated['targets']} targets"
        )
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
