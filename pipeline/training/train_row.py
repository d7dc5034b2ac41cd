"""Training of one row over all seeds.

On a CPU the seeds train side by side, a process and a thread each; on a GPU one after another. Several GPUs may train a seed
together (`pipeline.training.distributed`). Trained seeds are kept in scratch (as hard links, until the row is trained with other
parameters), so that a seed added later trains alone.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from pipeline.base import tracking
from pipeline.base.files import listed, replacing, write_json
from pipeline.base.params import Params, Runtime, Study
from pipeline.base.paths import CORPUS
from pipeline.base.resumable import Shard, Work, all_done, run_shards, start_server
from pipeline.base.scratch import file_sha256, fingerprint, publish, read_kept, scratch_folder, scratch_root
from pipeline.training.table_row import Row, create_system, frozen_parameters, input_digests, open_frame_inputs, write_row

if TYPE_CHECKING:
    from pipeline.training.distributed import Group
    from pipeline.training.loop import Epoch, Task

# What takes seconds to import, once for all processes.
PRELOAD = ("pipeline.training.batches", "pipeline.training.train_row", "pipeline.training.loop", "transformers.generation")
TEXT_LIBRARIES = {"bart": ["transformers.models.bart.modeling_bart"], "t5": ["transformers.models.t5.modeling_t5"]}


@dataclass(frozen=True)
class Plan:
    """What there is to train of a row: a shard a seed, and the key of the scratch folder in which it is kept."""

    row: Row
    params: Params
    settings: dict[str, Any]
    made_from: dict[str, Any]
    key: str
    shards: list[Shard]

    @property
    def stage(self) -> str:
        """The name of the row's scratch."""
        return f"train.{self.row.name}"

    def work(self, folder: Path, *, threads: int) -> Work:
        """What trains a shard in the scratch folder `folder`. On a CPU each process of a seed has so many threads."""
        return partial(train_shard, row=self.row, params=self.params, folder=folder, threads=threads)


def plan_row(row: Row, params: Params) -> Plan:
    """What decides the row, read once: parameters, what it is made from, and code."""
    settings, digests = training_settings(row, params.current.of_row(row.name)), input_digests(row)
    key = fingerprint(write_row(row) | {"title": ""}, settings, digests, params.runtime.device, row.code)
    return Plan(row, params, settings, digests, key, [Shard(name=str(seed), items=[seed]) for seed in params.current.seeds])


def train_row(row: Row, params: Params) -> list[dict[str, Any]]:
    """Train every seed of the study into `models/<row>/<seed>/`, and describe the row in `models/<row>/row.json`.

    Returns for each seed its best epoch, its validation score, the number of epochs and whether it could look.
    """
    plan = plan_row(row, params)
    shown = write_row(row) | plan.settings
    stage = f"{'train_text' if row.sees is None else 'train'}@{row.name}"
    with scratch_folder(plan.stage, plan.key) as folder:
        preload(plan, folder)  # now, so that it imports while this process opens the run
        run = tracking.row_run(study=params.study, row=row.name, stage=stage, fingerprint=plan.key, params=shown)
        with run as row_run:
            row_run.dataset(name=params.study, path=CORPUS, digest=file_sha256(CORPUS), context="training")
            with curves(row_run, folder, params.current.seeds):
                results = train_here(plan, folder)
        _copy_tokenizer(row.text_weights, folder / row.tokenizer.name)
        seconds = [result["seconds"] for result in results]
        optimised, parameters = (results[0][key] for key in ("optimised", "parameters"))
        results = [{key: result[key] for key in ("seed", "best_epoch", "val_score", "epochs", "looks")} for result in results]
        parameters = parameters | {"total": parameters["total"] + frozen_parameters(row)}
        about = {"row": write_row(row), "settings": plan.settings, "optimised": optimised, "parameters": parameters}
        write_json(folder / "row.json", about | {"made_from": plan.made_from, "fingerprint": plan.key, "seeds": results})
        publish(folder, [*(shard.name for shard in plan.shards), row.tokenizer.name, "row.json"], row.folder)
        write_json(training_seconds_file(row.name), {"fingerprint": plan.key, "seconds": seconds})
        for work_folder in listed(folder, "work-*"):
            shutil.rmtree(work_folder)
    return results


def preload(plan: Plan, folder: Path) -> None:
    """Let a server import what the processes of several seeds need, if there is something to train on a CPU."""
    if len(plan.shards) > 1 and plan.params.runtime.device != "cuda" and not all_done(plan.shards, folder):
        start_server([*PRELOAD, f"pipeline.models.{plan.row.model}", *_libraries(plan.row)])


def train_here(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """Train the row's seeds on this machine, in its scratch folder; the summary of each."""
    workers, threads = (1, 1) if all_done(plan.shards, folder) else share_cores(plan.params)
    work, title = plan.work(folder, threads=threads), f"train {plan.row.name}"
    return run_shards(work, plan.shards, folder=folder, workers=workers, unit="seed", title=title, forked=True)


def training_seconds_file(row: str) -> Path:
    """Where the seconds of a row's seeds are kept. They differ from run to run, so no output of a stage holds them."""
    return scratch_root() / "training_seconds" / f"{row}.json"


def training_settings(row: Row, study: Study) -> dict[str, Any]:
    """Every parameter that decides this row's training, flat: `train.epochs`, `model.dropout`, ... `study` has the row's own
    values in it.
    """
    blocks: dict[str, Any] = {"text": study.text, "train": study.train, "generate": study.generate}
    if row.tuning != "none":
        blocks |= {"model": study.model}
    if row.tuning == "finetuned":
        blocks |= {"finetune": study.finetune}
    settings = {f"{block}.{name}": value for block, values in blocks.items() for name, value in values.model_dump().items()}
    settings["primary.metric"] = study.primary.metric
    return settings | ({"model.dropout": study.model.dropout} if row.tuning == "none" else {"frames.count": study.frames.count})


def build_task(row: Row, study: Study, runtime: Runtime, group: "Group | None" = None) -> "Task":
    """Read what the row reads, in one process of `group`, or alone. `study` has the row's own settings in it."""
    from pipeline.base.device import choose_device
    from pipeline.corpus.table import usable_parts
    from pipeline.scoring.entity import known_entities
    from pipeline.training.batches import load_tokenizer, read_examples
    from pipeline.training.distributed import Group
    from pipeline.training.loop import Task

    group = group or Group()
    tokenizer = load_tokenizer(row.text_weights)
    frame_inputs = open_frame_inputs(row)
    splits = {
        split: read_examples(
            usable_parts(CORPUS, split, source=row.source(study)),
            text=study.text,
            tokenizer=tokenizer,
            entities=known_entities(CORPUS, split) if split == "validation" else None,
        )
        for split in ("train", "validation")
    }
    return Task(
        create=lambda: create_system(row, study, frame_inputs),
        train=splits["train"],
        validation=splits["validation"],
        frame_inputs=frame_inputs,
        tokenizer=tokenizer,
        settings=study.train,
        primary=study.primary.metric,
        finetune=study.finetune,
        generate=study.generate,
        device=group.device(choose_device(runtime.device)),
        generation_batch_size=runtime.generation_batch_size,
        group=group,
    )


def train_shard(items: Sequence[Any], path: Path, *, row: Row, params: Params, folder: Path, threads: int) -> dict[str, Any]:
    """Train one seed into `path`, in this process or in `runtime.processes_per_seed` new ones."""
    from pipeline.base.device import choose_device
    from pipeline.training.distributed import Group, launch

    (seed,) = items
    train = partial(_train_as, seed=seed, path=path, row=row, params=params, folder=folder, threads=threads)
    processes = params.runtime.processes_per_seed
    if processes == 1:
        return train(Group())
    device = choose_device(params.runtime.device)
    return launch(train, processes=processes, device=device, title=f"{row.name}, seed {seed}")


def _train_as(group: "Group", *, seed: int, path: Path, row: Row, params: Params, folder: Path, threads: int) -> dict[str, Any]:
    """What one process of `group` does of a seed. The first returns what is to be known of it."""
    import torch

    from pipeline.base.device import choose_device
    from pipeline.training.loop import train_seed

    if choose_device(params.runtime.device).type == "cpu":
        torch.set_num_threads(threads)
    epochs: list[Epoch] = []

    def on_epoch(epoch: "Epoch") -> None:
        epochs.append(epoch)
        write_json(_curve(folder, seed), epochs)

    task = build_task(row, params.current.of_row(row.name), params.runtime, group)
    return train_seed(task, seed, path, work=folder / f"work-{seed}", on_epoch=on_epoch)


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
                epochs = read_kept(_curve(folder, seed)) or []
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


def share_cores(params: Params) -> tuple[int, int]:
    """Seeds at a time on this machine, and threads for each process of a seed."""
    from pipeline.base.device import choose_device

    if choose_device(params.runtime.device).type != "cpu":
        return 1, 1
    each = params.runtime.processes_per_seed
    # Up to two processes a core: with three seeds on two cores none is left to train alone.
    workers = min(max(1, 2 * params.runtime.processes // each), len(params.current.seeds))
    return workers, max(1, params.runtime.processes // (workers * each))


def _libraries(row: Row) -> list[str]:
    """What a library would else import in every process, when a model of its kind is made."""
    from pipeline.encoders.encoder import read_spec

    text = TEXT_LIBRARIES.get(row.text, [])
    return [*text, read_spec(row.encoder_weights).library] if row.tuning == "finetuned" else text


def _copy_tokenizer(weights: Path, out: Path) -> None:
    for path in (path for pattern in ("*.json", "*.txt", "*.model") for path in listed(weights, pattern)):
        if path.name not in ("pretraining.json", "source.json", "generation_config.json"):
            with replacing(out / path.name) as temporary:
                shutil.copyfile(path, temporary)


def _curve(folder: Path, seed: int) -> Path:
    return folder / f"curve-{seed}.json"
