"""Embed every sampled frame with one encoder, or take the study's ready-made features of it.

python -m stages.extract_features --encoder clip_vit_b32
"""

from pipeline.base.encoder_names import ORACLE
from pipeline.base.params import Params, load_params
from pipeline.base.paths import DOWNLOADED, FEATURES, FRAMES, WEIGHTS
from pipeline.corpus.coverage import check_losses, require_videos
from pipeline.frames.store import is_kept
from stages import item_of_stage, run


def main() -> None:
    name = item_of_stage(__doc__, "encoder", meaning="a folder of weights/")
    params = load_params()
    study, out, weights = params.current, FEATURES / name, WEIGHTS / name
    if name not in study.ready_features:
        require_videos(DOWNLOADED, what=f"extract_features@{name}", instead=f"ready_features.{name}")
    if name == ORACLE:
        from pipeline.features.oracle import write_oracle_features

        totals = write_oracle_features(FRAMES, out, params=params, weights=WEIGHTS)
        print(f"{name}: {totals['frames']} frames, {totals['shown']} of them show one or more of {totals['dim']} entities")
        return
    if name in study.ready_features:
        from pipeline.features.ready_made import import_features

        found = import_features(
            name, study.ready_features[name], out, study=params.study, weights=weights, count=study.frames.count
        )
        print(f"{name}: {found['frames']} frames, {found['dim']} values each; {found['padding']} rows of padding")
        failed, asked, what = found["failed"], found["asked"], f"ready_features.{name}"
    else:
        failed, asked = embed(name, params)
        what = f"extract_features@{name}"
    remedy = f"Mend the files in {out}/_lost.json, or raise frames.max_failed_share of study {params.study}."
    check_losses(failed=failed, asked=asked, limit=study.frames.max_failed_share, what=what, remedy=remedy)


def embed(name: str, params: Params) -> tuple[int, int]:
    """How many videos were lost, of how many; none of none where stage `sample_frames` has told already."""
    from pipeline.features.extraction import extract_features  # PyTorch, which takes seconds to import
    from pipeline.features.fused import extract_unkept

    kept, out = is_kept(FRAMES), FEATURES / name
    if kept:
        totals = extract_features(FRAMES, out, weights=WEIGHTS / name, runtime=params.runtime)
    else:
        totals = extract_unkept(FRAMES, out, name=name, params=params, weights=WEIGHTS)
    told = "" if kept else f" of {totals['ok']} of {totals['asked']} videos, {totals['failed']} lost"
    print(f"{name}: {totals['frames']} frames{told}, {totals['dim']} values each, {totals['precision']}")
    print(f"the encoder was busy {totals['busy']:.0%} of the time")
    return (0, 0) if kept else (totals["failed"], totals["asked"])


if __name__ == "__main__":
    run(main)
