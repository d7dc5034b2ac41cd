"""Published weights (scale full): from the hub or from a local folder, pinned by commit and sha256.

Text models are in `weights/bart/` and `weights/t5/` in the library's own layout, encoders in `weights/<encoder>/` as
`pipeline.encoders.encoder` writes them. Each library loads its own files and so takes care of interpolated positions and renamed
tensors.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipeline.base.device import fix_seed
from pipeline.base.files import replacing, write_json
from pipeline.base.hub import fetch_files, revision_of
from pipeline.base.pins import compare_digests
from pipeline.encoders.encoder import EncoderSpec, build_module, save_encoder
from pipeline.encoders.pretrained_specs import pretrained_spec

if TYPE_CHECKING:
    from torch import nn

_SHARED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
TEXT_MODELS = {
    "bart": ("facebook/bart-base", (*_SHARED, "vocab.json", "merges.txt")),
    "t5": ("google-t5/t5-base", (*_SHARED, "spiece.model")),
}
# Not every commit of a repository has them; the libraries derive them from the others.
_OPTIONAL = ("generation_config.json", "tokenizer_config.json", "spiece.model")


def fetch_encoder(name: str, out: Path) -> dict[str, str]:
    """Fetch a published encoder into `out`. Raises `RuntimeError` naming repository, file and the ways to supply it."""
    spec = pretrained_spec(name)
    if spec.seed is not None:
        return write_random_encoder(spec, out)
    # Older repositories keep their weights under this name only.
    older = "open_clip_pytorch_model.bin" if spec.library == "open_clip" else "pytorch_model.bin"
    paths = fetch_files(spec.repository, [(spec.file, older)])
    ((file, path),) = paths.items()
    digests, confirmed = compare_digests(spec.repository, paths, revision=revision_of(path))
    source = {"source": f"{spec.repository}/{file}", "revision": revision_of(path), "sha256": digests[file]}
    source["as_pinned"] = "yes" if confirmed else "no digest is pinned"
    save_encoder(spec, load_pretrained(spec, path), out, source=source)
    return source


def write_random_encoder(spec: EncoderSpec, out: Path) -> dict[str, str]:
    """Build the encoder of a specification with a seed, its weights drawn from that seed, and write it to `out`."""
    assert spec.seed is not None, f"{spec.name} has no seed"
    fix_seed(spec.seed)
    shape = "clip_vit_b32 at scale mini" if spec.scale == "mini" else spec.architecture
    source = {"source": f"random weights, seed {spec.seed}: the architecture of {shape}, never trained"}
    save_encoder(spec, build_module(spec), out, source=source)
    return source


def load_pretrained(spec: EncoderSpec, path: Path) -> "nn.Module":
    """The image encoder of `spec` with the weights of the published file; tensors that do not fit are a `RuntimeError`."""
    if spec.library == "open_clip":
        import open_clip

        clip = open_clip.create_model(spec.architecture, pretrained=str(path), precision="fp32", weights_only=True)
        visual: nn.Module = clip.visual
        return visual
    if spec.library == "timm":
        import timm

        # With the original number of classes, timm insists on every tensor; the classifier is removed afterwards.
        encoder: Any = timm.create_model(
            spec.architecture, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, **spec.arguments
        )
        encoder.reset_classifier(0)
        return cast("nn.Module", encoder)
    from transformers.modeling_utils import load_state_dict

    prefix = "vision_model."
    state = {key.removeprefix(prefix): tensor for key, tensor in load_state_dict(str(path)).items() if key.startswith(prefix)}
    blip = build_module(spec)
    blip.load_state_dict(state)
    return blip


def fetch_text_model(text: str, out: Path) -> dict[str, Any]:
    """Fetch BART-base or T5-base with its vocabulary, see that both can be read, and make `out` a folder of them.

    Raises `RuntimeError`: one that names every file that cannot be had, one for digests, one for files that cannot be read.
    """
    repository, files = TEXT_MODELS[text]
    required = [(name,) for name in files if name not in _OPTIONAL]
    paths = fetch_files(repository, required, optional=[name for name in files if name in _OPTIONAL])
    revision = revision_of(paths["config.json"])
    digests, confirmed = compare_digests(repository, paths, revision=revision)
    source = {"repository": repository, "revision": revision, "sha256": digests, "as_pinned": confirmed}
    with replacing(out) as temporary:
        temporary.mkdir()
        for name, path in paths.items():
            shutil.copyfile(path, temporary / name)
        _read_text_model(text, temporary, taken_from=paths["config.json"].parent)
        write_json(temporary / "source.json", source)
    return source


def _read_text_model(text: str, folder: Path, *, taken_from: Path) -> None:
    """Load configuration and tokenizer as training will: what is wrong with them is a `RuntimeError` now, not hours later."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        names = ", ".join(sorted(path.name for path in folder.iterdir() if path.suffix != ".safetensors"))
        raise RuntimeError(
            f"weights of {text}: transformers cannot read configuration and tokenizer from {taken_from} ({names}): {error}"
        ) from error
    if config.model_type != text:
        raise RuntimeError(
            f"{taken_from / 'config.json'}: model_type is {config.model_type!r}, not {text!r}; another model lies there"
        )
    if len(tokenizer) > config.vocab_size:
        raise RuntimeError(
            f"{taken_from}: tokenizer.json has {len(tokenizer)} tokens, the model of config.json {config.vocab_size}; they do "
            f"not belong together"
        )
