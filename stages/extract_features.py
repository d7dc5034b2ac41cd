"""Embed every sampled frame with one encoder, or take the study's ready-made features of it.

python -m stages.extract_features --encoder clip_vit_b32
"""

from pipeline.base.encoder_names import ORACLE
from pipeline.base.params import load_params
from pipeline.base.paths import FEATURES, FRAMES, WEIGHTS
from stages import item_of_stage, run


def main() -> None:
    name = item_of_stage(__doc__, "encoder", meaning="a folder of weights/")
    params = load_params()
    study, out, weights = params.current, FEATURES / name, WEIGHTS / name
    if name == ORACLE:
        from pipeline.features.oracle import write_oracle_features

        totals = write_oracle_features(FRAMES, out)
        print(f"{name}: {totals['frames']} frames, {totals['shown']} of them show one or more of {totals['dim']} entities")
        return
    if name in study.ready_features:
        from pipeline.corpus.coverage import check_losses
        from pipeline.features.ready_made import import_features

        found = import_features(
            name, study.ready_features[name], out, study=params.study, weights=weights, count=study.frames.count
        )
        print(f"{name}: {found['frames']} frames, {found['dim']} values each; {found['padding']} rows of padding")
        if without := found["without"]:
            print(f"{name}: no features of {len(without)} videos, such as {', '.join(without[:3])}")
        for reason in found["lost"].values():
            print(f"warning: {reason}")
        check_losses(
            failed=len(found["lost"]),
            asked=found["asked"],
            limit=study.frames.max_failed_share,
            what=f"ready_features.{name}",
            remedy=f"Mend the files named above, or raise frames.max_failed_share of study {params.study}.",
        )
        return
    from pipeline.features.extraction import extract_features  # PyTorch, which takes seconds to import

    totals = extract_features(FRAMES, out, weights=weights, runtime=params.runtime)
    print(f"{name}: {totals['frames']} frames, {totals['dim']} values each, {totals['precision']}")


if __name__ == "__main__":
    run(main)
