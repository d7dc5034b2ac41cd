"""Embed every sampled frame with one encoder.

python -m stages.extract_features --encoder clip_vit_b32
"""

import argparse
from pathlib import Path

from pipeline.device import choose_device
from pipeline.encoders import load_encoder
from pipeline.features import extract_features
from pipeline.params import load_params


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", required=True)
    name = parser.parse_args().encoder
    runtime = load_params().runtime
    weights = Path("weights") / name
    totals = extract_features(
        Path("data/frames"),
        Path("data/features") / name,
        encoder=load_encoder(weights),
        weights=weights,
        device=choose_device(runtime.device),
        batch_size=runtime.extraction_batch_size,
    )
    print(f"{name}: {totals['frames']} frames, {totals['dim']} values each, {totals['precision']}")


if __name__ == "__main__":
    main()
