"""Published weights (scale full): from the hub through its own client or from a local folder, pinned by revision and sha256.

Text models are in `weights/bart/` and `weights/t5/` in the library's own layout, encoders in `weights/<encoder>/` as
`pipeline.encoders.encoder` writes them. Each library loads its own files and so takes care of interpolated positions and renamed
tensors.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipeline.base.device import fix_seed
from pipeline.base.files import replacing, write_json
from pipeline.base.scratch import file_sha256
from pipeline.encoders.encoder import EncoderSpec, build_module, save_encoder
from pipeline.encoders.pretrained_specs import pretrained_spec

if TYPE_CHECKING:
    from torch import nn

LOCAL = Path("data/inputs/weights")
_SHARED = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
TEXT_MODELS = {
    "bart": ("facebook/bart-base", (*_SHARED, "vocab.json", "merges.txt")),
    "t5": ("google-t5/t5-base", (*_SHARED, "spiece.model")),
}
_OPTIONAL = ("generation_config.json", "tokenizer.json", "tokenizer_config.json")


def fetch_encoder(name: str, out: Path) -> dict[str, str]:
    """Fetch a published encoder into `out`. Raises `RuntimeError` naming repository, file and the ways to supply it."""
    spec = pretrained_spec(name)
    if spec.seed is not None:
        return write_random_encoder(spec, out)
    path = fetch_file(
        spec.repository,
        spec.file,
        otherwise="open_clip_pytorch_model.bin" if spec.library == "open_clip" else "pytorch_model.bin",
    )
    source = {"source": f"{spec.repository}/{path.name}", "revision": revision_of(path), "sha256": file_sha256(path)}
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
    """Fetch BART-base or T5-base with its vocabulary into `out`, file by file. Raises `RuntimeError` like `fetch_encoder`."""
    repository, files = TEXT_MODELS[text]
    digests, revision = {}, ""
    for name in files:
        try:
            path = fetch_file(repository, name)
        except RuntimeError:
            if name in _OPTIONAL:
                continue  # older copies of the repository lack them; the library derives them from the others
            raise
        with replacing(out / name) as temporary:
            shutil.copyfile(path, temporary)
        digests[name] = file_sha256(path)
        revision = revision_of(path)
    source = {"repository": repository, "revision": revision, "sha256": digests}
    write_json(out / "source.json", source)
    return source


def fetch_file(repository: str, file: str, *, otherwise: str = "") -> Path:
    """A file of a hub repository: from `data/inputs/weights/<repository>/` if it is there, else through the hub client.

    Older repositories keep their weights only under the name `otherwise`, which is tried when the hub has no `file`.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    local = LOCAL / repository
    for name in filter(None, (file, otherwise)):
        if (local / name).exists():
            return local / name
    try:
        return Path(hf_hub_download(repository, file))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        missing = isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)
        if otherwise and missing:
            return fetch_file(repository, otherwise)
        raise RuntimeError(
            f"weights {repository}/{file} cannot be fetched ({type(error).__name__}). Either connect to the hub (HF_ENDPOINT and "
            f"HF_HOME are honoured), or put the file at {local / file}"
        ) from error


def revision_of(path: Path) -> str:
    """The commit a file of the hub client's cache belongs to; "local" for a file from the local folder."""
    return path.parent.name if path.parent.parent.name == "snapshots" else "local"
