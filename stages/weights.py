"""Weights of an image encoder or a text model: published ones fetched, mini ones taken from foundation/, random ones written.

python -m stages.weights --name clip_vit_b32
"""

import shutil

from pipeline.base.encoder_names import ORACLE, TEXT_MODELS, check_encoder_name
from pipeline.base.params import load_params
from pipeline.base.paths import WEIGHTS
from pipeline.encoders.encoder import describe_oracle
from stages import item_of_stage, run


def main() -> None:
    name = item_of_stage(__doc__, "name", meaning="bart, t5, or an encoder")
    params = load_params()
    study, out = params.current, WEIGHTS / name
    if name == ORACLE:
        print(f"{out}: {describe_oracle(out)['source']}")
        return
    if name not in TEXT_MODELS:
        check_encoder_name(name, where="--name", scale=study.scale)
    if study.scale == "full":
        from pipeline.encoders.pretrained_weights import fetch_encoder, fetch_text_model

        shutil.rmtree(out, ignore_errors=True)
        result = fetch_text_model(name, out) if name in TEXT_MODELS else fetch_encoder(name, out)
    else:
        from pipeline.encoders.mini_weights import take_mini_model

        result = take_mini_model(name, out)
    facts = (f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in result.items())
    print(f"{out}:", ", ".join(facts))


if __name__ == "__main__":
    run(main)
