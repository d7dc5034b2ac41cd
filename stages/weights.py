"""Weights of one tower or text model: published ones fetched, or a mini one pretrained; a random tower is written at once.

python -m stages.weights --name clip_vit_b32 --out weights/clip_vit_b32
"""

import argparse
import shutil
from pathlib import Path

from pipeline.encoders import MINI, check_encoder_name
from pipeline.params import load_params
from pipeline.shards import code_digest, discard, fingerprint, scratch_folder


def main() -> None:
    # Here and not above: the processes that draw pictures import this file again, and need no PyTorch.
    from pipeline.device import choose_device
    from pipeline.pretraining import pretrain_encoder
    from pipeline.pretraining_text import pretrain_text_model
    from pipeline.weights import fetch_encoder, fetch_text_model, write_random_encoder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="bart, t5, or an encoder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    arguments = parser.parse_args()
    name, out = arguments.name, arguments.out
    params = load_params()
    study = params.current
    if name not in ("bart", "t5"):
        check_encoder_name(name, where="--name", scale=study.scale)
    shutil.rmtree(out, ignore_errors=True)
    if study.pretrain is None:
        result = fetch_text_model(name, out) if name in ("bart", "t5") else fetch_encoder(name, out)
    elif name in MINI and MINI[name].seed is not None:
        result = write_random_encoder(MINI[name], out)
    else:
        device = choose_device(params.runtime.device)
        code = code_digest("checkpoint", "device", "encoders", "pretraining*", "datasets/kitchen_*")
        with scratch_folder("weights", fingerprint(name, study.pretrain.model_dump(), code)) as work:
            if name in ("bart", "t5"):
                result = pretrain_text_model(name, out, settings=study.pretrain, work=work, device=device)
            else:
                result = pretrain_encoder(
                    name, out, settings=study.pretrain, work=work, device=device, workers=params.runtime.processes
                )
            discard(work)
    print(
        f"{out}:",
        ", ".join(
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in result.items()
            if key != "loss"
        ),
    )


if __name__ == "__main__":
    main()
