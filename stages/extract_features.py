"""Embed every sampled frame with one encoder, or take the study's ready-made features of it.

python -m stages.extract_features --encoder clip_vit_b32 --tower weights/clip_vit_b32 --out data/features/clip_vit_b32
"""

import argparse
from pathlib import Path

from pipeline.corpus import read_corpus
from pipeline.device import choose_device
from pipeline.encoders import load_encoder
from pipeline.features import extract_features
from pipeline.params import load_params
from pipeline.ready_features import import_features


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
        found = import_features(name, ready, out, video_ids=wanted, max_frames=study.frames.count)
        print(f"{name}: {found['frames']} frames of {ready.path}, {found['dim']} values each; {found['padding']} rows of padding")
        without = found["without"]
        if without:
            print(f"{name}: no features of {len(without)} of {len(wanted)} videos, such as {', '.join(without[:3])}")
        return
    totals = extract_features(
        Path("data/frames"),
        out,
        encoder=load_encoder(weights),
        weights=weights,
        device=choose_device(runtime.device),
        batch_size=runtime.extraction_batch_size,
    )
    print(f"{name}: {totals['frames']} frames, {totals['dim']} values each, {totals['precision']}")


if __name__ == "__main__":
    main()
