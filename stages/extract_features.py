"""Embed every sampled frame with one encoder, or take the study's ready-made features of it.

python -m stages.extract_features --encoder clip_vit_b32 --tower weights/clip_vit_b32 --out data/features/clip_vit_b32
"""

import argparse
from pathlib import Path

from pipeline.atomic import read_json
from pipeline.corpus import read_corpus
from pipeline.device import choose_device
from pipeline.encoders import load_encoder, read_spec
from pipeline.features import extract_features
from pipeline.params import load_params
from pipeline.ready_features import import_features

FRAMES = Path("data/frames")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--tower", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    name, weights, out = arguments.encoder, arguments.tower, arguments.out
    params = load_params()
    runtime, study = params.runtime, params.current
    if name in study.ready_features:
        corpus = read_corpus(Path("data/corpus/corpus.parquet"))
        wanted = list(corpus.loc[corpus["status"] == "ok", "video_id"])
        ready = study.ready_features[name]
        check_place(name, Path(ready.path), study=params.study)
        width = read_spec(weights).dim
        found = import_features(name, ready, out, video_ids=wanted, max_frames=study.frames.count, width=width)
        print(f"{name}: {found['frames']} frames of {ready.path}, {found['dim']} values each; {found['padding']} rows of padding")
        without = found["without"]
        if without:
            print(f"{name}: no features of {len(without)} of {len(wanted)} videos, such as {', '.join(without[:3])}")
        return
    stored, wants = read_json(FRAMES / "summary.json")["short_side"], read_spec(weights).resize_to
    if stored < wants:
        print(f"warning: {name} wants pictures of {wants} pixels, frames are stored with {stored}: raise frames.short_side")
    totals = extract_features(
        FRAMES,
        out,
        encoder=load_encoder(weights),
        weights=weights,
        device=choose_device(runtime.device),
        batch_size=runtime.extraction_batch_size,
    )
    print(f"{name}: {totals['frames']} frames, {totals['dim']} values each, {totals['precision']}")


def check_place(name: str, path: Path, *, study: str) -> None:
    """Refuse features that lie where DVC does not see them change."""
    inputs = Path("data/inputs") / study
    if not path.resolve().is_relative_to(inputs.resolve()):
        raise ValueError(
            f"ready_features.{name}.path: {path} is not in {inputs}, where DVC notices a change; put it there, no link"
        )


if __name__ == "__main__":
    main()
