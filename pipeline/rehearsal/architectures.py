"""The published models with random weights, in the layout of their repositories: what stage `weights` fetches at scale full.

Shapes come from the libraries. Only the text models' are typed here, after the published `config.json` of facebook/bart-base and
google-t5/t5-base, since the libraries' defaults are other sizes. As published, BART's file has the names of `BartModel` (no
prefix, no head) and its generation settings stand in `config.json`; T5's has an attention bias that no model asks for; CLIP's
file has both encoders; classifiers have their thousand classes. Tokenizers are of the published kinds and sizes, trained on
drawn recipes and filled up with words that no text has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.base.code import code_digest
from pipeline.base.device import fix_seed
from pipeline.base.encoder_names import ORACLE, TEXT_MODELS
from pipeline.base.files import read_json, write_json
from pipeline.base.resumable import Shard, run_shards
from pipeline.base.scratch import fingerprint
from pipeline.encoders.encoder import EncoderSpec, build_clip
from pipeline.encoders.pretrained_specs import pretrained_spec
from pipeline.encoders.pretrained_weights import TEXT_MODELS as REPOSITORIES
from pipeline.rehearsal.tokenizers import write_bart_tokenizer, write_t5_tokenizer

SEED = 3
BART = {
    "vocab_size": 50265, "d_model": 768, "max_position_embeddings": 1024,
    "encoder_layers": 6, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072,
    "decoder_layers": 6, "decoder_attention_heads": 12, "decoder_ffn_dim": 3072,
    "activation_dropout": 0.1, "attention_dropout": 0.1,
}  # fmt: skip
BART_GENERATION = {
    "early_stopping": True, "forced_bos_token_id": 0, "forced_eos_token_id": 2, "no_repeat_ngram_size": 3, "num_beams": 4,
}  # fmt: skip
T5 = {"vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
T5_UNASKED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"  # of an older version of the library


@dataclass(frozen=True)
class Shapes:
    """What differs from the published configurations of the text models: nothing, or smaller shapes for a test."""

    bart: Mapping[str, int] = field(default_factory=dict)
    t5: Mapping[str, int] = field(default_factory=dict)


def build_models(names: Sequence[str], shapes: Shapes, work: Path) -> Path:
    """A folder for `serve_hub` with the repository of each of `names` (text models and encoders); what is there is kept.

    An encoder of a library other than open_clip and timm is a `ValueError`.
    """
    repositories: dict[str, str] = {}
    for name in names:
        if name in TEXT_MODELS:
            repositories[REPOSITORIES[name][0]] = name
        elif name != ORACLE and (spec := pretrained_spec(name)).seed is None:
            if spec.library not in ("open_clip", "timm"):
                raise ValueError(f"encoder {name!r}: the rehearsal knows open_clip and timm, not {spec.library}")
            repositories[spec.repository] = name
    key = fingerprint(dict(shapes.bart), dict(shapes.t5), SEED, code_digest("pipeline.rehearsal.architectures"))
    folder = work / f"hub-{key}"
    shards = [Shard(repository, [name]) for repository, name in repositories.items()]
    run_shards(partial(_build, shapes=shapes), shards, folder=folder, workers=1, unit="model", title="random weights")
    return folder


def _build(items: Sequence[str], folder: Path, *, shapes: Shapes) -> dict[str, Any]:
    (name,) = items
    folder.mkdir(parents=True)
    fix_seed(SEED)
    if name == "bart":
        _build_bart(folder, BART | dict(shapes.bart))
    elif name == "t5":
        _build_t5(folder, T5 | dict(shapes.t5))
    else:
        _build_encoder(pretrained_spec(name), folder)
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def _build_bart(folder: Path, shape: Mapping[str, Any]) -> None:
    """Without `generation_config.json` and `tokenizer_config.json`: the published repository has neither."""
    from transformers import BartConfig, BartModel

    BartModel(BartConfig(**shape)).save_pretrained(folder)
    write_json(folder / "config.json", read_json(folder / "config.json") | BART_GENERATION)
    write_bart_tokenizer(folder, vocabulary=shape["vocab_size"])


def _build_t5(folder: Path, shape: Mapping[str, int]) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(**shape, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    unasked = torch.randn(config.relative_attention_num_buckets, config.num_heads)
    save_file(weights | {T5_UNASKED: unasked}, folder / "model.safetensors", metadata={"format": "pt"})
    write_t5_tokenizer(folder, embeddings=shape["vocab_size"])


def _build_encoder(spec: EncoderSpec, folder: Path) -> None:
    from safetensors.torch import save_file

    if spec.library == "open_clip":
        module = build_clip(spec)
    else:
        import timm

        module = timm.create_model(spec.architecture, pretrained=False)
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, folder / spec.file)
