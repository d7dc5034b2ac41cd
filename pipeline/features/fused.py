"""Features of frames that are not kept: videos are decoded and embedded in one pass, by several encoders at once.

A pass lies in scratch, in a folder keyed by what is decoded and how. It embeds with every encoder that the table asks for, whose
weights are there and whose vectors are not; stage `extract_features` of each of them publishes its own. Another encoder, or other
weights of one, later take a pass of their own.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL

from pipeline.base.code import code_digest
from pipeline.base.device import device_of_tasks
from pipeline.base.encoder_names import ORACLE
from pipeline.base.engines.engine import choose_engine
from pipeline.base.files import listed, temporary_beside, write_json
from pipeline.base.params import read_yaml
from pipeline.base.paths import PIPELINE
from pipeline.base.resumable import Shard, all_done, discard_shard, run_shards, shard_digests, split_into_shards
from pipeline.base.scratch import (
    file_sha256,
    fingerprint,
    keep_only,
    link_files,
    link_or_copy,
    read_kept,
    scratch_folder,
    scratch_root,
)
from pipeline.encoders.encoder import read_spec
from pipeline.features.ahead import busy_share
from pipeline.features.extraction import decoding_threads, feature_footer, warn_of_small_frames
from pipeline.features.fused_shard import TIMES, Embedder, embed_shard
from pipeline.features.schema import DIGESTS
from pipeline.frames.at_work import naming_videos
from pipeline.frames.sampling import decoder, identities
from pipeline.frames.unkept import Unkept, read_unkept

if TYPE_CHECKING:
    from pipeline.base.params import Params

LOST = "_lost.json"  # beside the vectors: which videos gave no frames, and why
_STAGE = "fused_features"


@dataclass(frozen=True)
class Pass:
    """A finished pass: in `folder`, a folder of vectors and times for each of `shards`, and what was made of each."""

    folder: Path
    shards: Sequence[Shard]
    counts: Sequence[Mapping[str, Any]]
    per_video: int

    @property
    def names(self) -> list[str]:
        """What the shards are called where they are published."""
        return [f"{number:05d}.parquet" for number in range(len(self.shards))]

    def times(self) -> dict[str, Path]:
        """The files of frame times, by the names of shards."""
        return {name: self.folder / shard.name / TIMES for name, shard in zip(self.names, self.shards, strict=True)}

    def videos(self) -> dict[str, Any]:
        """What became of the videos."""
        rows = [video for count in self.counts for video in count["videos"]]
        lost = [{"video_id": row["video_id"], "reason": row["reason"]} for row in rows if row["status"] == "failed"]
        notes = [{"video_id": row["video_id"], "note": row["note"]} for row in rows if row["note"]]
        return {"asked": len(rows), "ok": len(rows) - len(lost), "failed": len(lost), "lost": lost, "notes": notes}


def extract_unkept(frames: Path, out: Path, *, name: str, params: "Params", weights: Path) -> dict[str, Any]:
    """The features of encoder `name` in `out`, as `extract_features` would write them; returns totals and lost videos.

    `frames` is the folder of stage `sample_frames`, `weights` that of all encoders. A pass that has the vectors is used, else one
    is made, or taken up where it was killed. How many videos may be lost is for the caller to say.
    """
    with finished_pass(frames, name=name, params=params, weights=weights) as (found, embedder):
        assert embedder, "an encoder was asked for"
        staged = temporary_beside(found.folder / embedder.digest)
        staged.mkdir()
        for shard, published in zip(found.shards, found.names, strict=True):
            link_or_copy(found.folder / shard.name / embedder.file, staged / published)
        digests = shard_digests(found.shards, found.folder, embedder.file).values()
        write_json(staged / DIGESTS, dict(zip(found.names, digests, strict=True)))
        write_json(staged / LOST, found.videos())
        link_files(staged, [*found.names, DIGESTS, LOST], out)
        shutil.rmtree(staged)
        totals = {"frames": sum(count["frames"] for count in found.counts), "dim": embedder.spec.dim}
        return embedder.footer | totals | {"busy": busy_share(found.counts)} | found.videos()


@contextmanager
def finished_pass(frames: Path, *, name: str, params: "Params", weights: Path) -> Iterator[tuple[Pass, Embedder | None]]:
    """A pass that has the vectors of `name` (of `ORACLE`: any pass, for its times), held while the block works with it.

    Passes of other frames are removed when the block has ended well, as `keep_only` does.
    """
    unkept = read_unkept(frames)
    device = device_of_tasks(params.runtime)
    names = asked_encoders(params)
    wanted = [each for each in dict.fromkeys([name, *names]) if each != ORACLE]
    present, absent = _embedders(wanted, name=name, params=params, weights=weights, per_video=unkept.count, device=device)
    own = next((each for each in present if each.name == name), None)
    base = fingerprint(
        unkept.count, unkept.short_side, unkept.videos_per_shard, decoder(), PIL.__version__,
        code_digest("pipeline.features.fused"), identities(unkept.videos), params.runtime.extraction_batch_size,
    )  # fmt: skip
    with scratch_folder(_STAGE, base) as folder:
        chosen = _choose(folder, present, own, unkept)
        if chosen is None:
            chosen = _begin(folder, present, own, absent, unkept)
        key, digests = chosen
        shards = _shards(key, unkept)
        embedders = [each for each in present if each.digest in digests]
        for each in embedders:
            warn_of_small_frames(each.spec, unkept.short_side)
        threads = decoding_threads(params.runtime, device)
        work = partial(
            embed_shard, embedders=embedders, count=unkept.count, short_side=unkept.short_side, device=device,
            batch_size=params.runtime.extraction_batch_size, threads=threads,
        )  # fmt: skip
        with naming_videos(folder, doing="decoded"):
            counts = run_shards(
                work, shards, folder=folder, workers=1, unit="video", engine=choose_engine(params.runtime),
                title=f"decode and embed ({len(embedders)} encoders)", gpus=1 if device == "cuda" else 0, cores=threads,
            )  # fmt: skip
        yield Pass(folder, shards, counts, unkept.count), own
        (folder / _published(name)).touch()
        _clear_up(folder, [*names, ORACLE], kept={each.digest for each in present}, unkept=unkept)


def asked_encoders(params: "Params", pipeline: Path = PIPELINE) -> list[str]:
    """The encoders whose frames are to be embedded, by `pipeline` and `more_encoders`; not those with ready-made features."""
    listed_names = read_yaml(pipeline)["stages"]["extract_features"]["foreach"]
    names = [params.encoder if name == "${encoder}" else name for name in listed_names]
    left_out = {ORACLE, *params.current.ready_features}
    return [name for name in dict.fromkeys([*names, *params.more_encoders]) if name not in left_out]


def _embedders(
    wanted: Sequence[str], *, name: str, params: "Params", weights: Path, per_video: int, device: str
) -> tuple[list[Embedder], list[str]]:
    """Those whose weights are there, at the scale of the study, and the names of the others. `name` itself must be there."""
    present, absent = [], []
    for each in wanted:
        folder = weights / each
        there = (folder / "encoder.json").exists() and (folder / "encoder.safetensors").exists()
        if each != name and not (there and read_spec(folder).scale == params.current.scale):
            absent.append(each)
            continue
        spec, sha256 = read_spec(folder), file_sha256(folder / "encoder.safetensors")
        footer = feature_footer(spec, sha256, device=device, per_video=per_video)
        present.append(Embedder(each, folder, spec, footer, fingerprint(asdict(spec), footer)))
    return present, absent


def _shards(key: str, unkept: Unkept) -> list[Shard]:
    shards = split_into_shards(unkept.videos, size=unkept.videos_per_shard, suffix="")
    return [Shard(f"{key}-{shard.name}", shard.items) for shard in shards]


def _choose(folder: Path, present: Sequence[Embedder], own: Embedder | None, unkept: Unkept) -> tuple[str, set[str]] | None:
    """Name of a pass with the vectors of `own`, and its encoders by digest: a finished one, or one that can be taken up."""
    unfinished = None
    for key, digests in _passes(folder).items():
        done, shards = _done(key, folder, unkept)
        # A damaged shard may have been made again when these weights were not there.
        if own is None or (own.digest in digests and all((folder / shard.name / own.file).exists() for shard in done)):
            if done == shards:
                return key, digests
            if digests <= {each.digest for each in present}:
                unfinished = key, digests
    return unfinished


def _done(key: str, folder: Path, unkept: Unkept) -> tuple[list[Shard], list[Shard]]:
    """The finished shards of a pass, and all."""
    shards = _shards(key, unkept)
    return [shard for shard in shards if all_done([shard], folder)], shards


def _begin(
    folder: Path, present: Sequence[Embedder], own: Embedder | None, absent: Sequence[str], unkept: Unkept
) -> tuple[str, set[str]]:
    """A new pass, for `own` and every encoder whose vectors no finished pass has."""
    begun = _passes(folder)
    had = {digest for key, digests in begun.items() if all_done(_shards(key, unkept), folder) for digest in digests}
    chosen = {each.name: each.digest for each in present if each == own or each.digest not in had}
    for name in absent:
        print(
            f"weights/{name} is not there yet: its features need a pass of their own; "
            "`dvc repro --glob 'weights*'` first makes one pass of all",
            flush=True,
        )
    key = fingerprint(chosen, sorted(begun))
    write_json(folder / f"pass-{key}.json", {"base": folder.name, "encoders": chosen})
    return key, set(chosen.values())


def _passes(folder: Path) -> dict[str, set[str]]:
    """Every pass that was begun in the folder, by name, with the digests of its encoders."""
    found = {}
    for path in listed(folder, "pass-*.json"):
        about = read_kept(path, {"base": str, "encoders": dict})
        if about is not None:
            found[path.stem.removeprefix("pass-")] = set(about["encoders"].values())
    return found


def _published(name: str) -> str:
    return f"{fingerprint(name)}.published"


def _clear_up(folder: Path, names: Sequence[str], *, kept: set[str], unkept: Unkept) -> None:
    """Remove passes of other frames, and those that have none of the vectors to be `kept`. An experiment in a copy of the project
    removes its own work in the end, and not before all that its table asks for is published.
    """
    in_project = Path.cwd().resolve() == scratch_root().parent.resolve()
    for key in [key for key, digests in _passes(folder).items() if in_project and not digests & kept]:
        (folder / f"pass-{key}.json").unlink()
        for shard in _shards(key, unkept):
            discard_shard(shard, folder)
    if in_project or all((folder / _published(name)).exists() for name in names):
        keep_only(folder)
