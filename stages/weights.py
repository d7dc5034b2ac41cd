"""Weights of one tower or of the text model: published ones fetched, or a mini one pretrained.

python -m stages.weights --name clip_vit_b32
"""

import argparse
import shutil
from pathlib import Path

from pipeline.encoders import check_encoder_name
from pipeline.params import load_params
from pipeline.shards import fingerprint, scratch_folder


def main() -> None:
    # Here and not above: the processes that draw pictures import this file again, and need no PyTorch.
    from pipeline.device import choose_device
    from pipeline.pretraining import pretrain_encoder, pretrain_text_model
    from pipeline.weights import fetch_encoder, fetch_text_model

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="bart, or an encoder")
    name = parser.parse_args().name
    params = load_params()
    study = params.current
    if name != "bart":
        check_encoder_name(name, where="--name")
    out = Path("weights") / name
    shutil.rmtree(out, ignore_errors=True)
    if study.pretrain is None:
        result = fetch_text_model(out) if name == "bart" else fetch_encoder(name, out)
    else:
        device = choose_device(params.runtime.device)
        with scratch_folder("weights", fingerprint(name, study.pretrain.model_dump())) as work:
            if name == "bart":
                result = pretrain_text_model(out, settings=study.pretrain, work=work, device=device)
            else:
                result = pretrain_encoder(
                    name, out, settings=study.pretrain, work=work, device=device, workers=params.runtime.processes
                )
            shutil.rmtree(work)
    print(
        f"weights/{name}:",
        ", ".join(
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in result.items()
            if key != "loss"
        ),
    )


if __name__ == "__main__":
    main()
