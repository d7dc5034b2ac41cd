"""Published weights (scale full): from the hub through its own client or from a local folder, pinned by revision and sha256.

Text models lie in `weights/bart/` and `weights/t5/` in the library's own layout, towers in `weights/<encoder>/` as
`pipeline.encoders` writes them. Each library loads its own files, so interpolated positions and renamed tensors are its
business.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pipeline.atomic import replacing, write_json
from pipeline.device import fix_seed
from pipeline.encoders import EncoderSpec, build_tower, save_encoder
from pipeline.published import published_spec
from pipeline.shards import file_sha256

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
    """Fetch a published tower into `out`. Raises `RuntimeError` that names repository, file and the ways to supply it."""
    spec = published_spec(name)
    if spec.seed is not None:
        return write_random_encoder(spec, out)
    path = fetch_file(
        spec.repository,
        spec.file,
        otherwise="open_clip_pytorch_model.bin" if spec.library == "open_clip" else "pytorch_model.bin",
    )
    source = {"source": f"{spec.repository}/{path.name}", "revision": revision_of(path), "sha256": file_sha256(path)}
    save_encoder(spec, load_published(spec, path).state_dict(), out, source=source)
    return source


def write_random_encoder(spec: EncoderSpec, out: Path) -> dict[str, str]:
    """Write the tower of a specification with a seed, as it is built from that seed, into `out`."""
    assert spec.seed is not None, f"{spec.name} has no seed"
    fix_seed(spec.seed)
    shape = "clip_vit_b32 at scale mini" if spec.scale == "mini" else spec.architecture
    source = {"source": f"random weights, seed {spec.seed}: the architecture of {shape}, never trained"}
    save_encoder(spec, build_tower(spec).state_dict(), out, source=source)
    return source


def load_published(spec: EncoderSpec, path: Path) -> "nn.Module":
    """The image tower of `spec` with the weights of the published file; tensors that do not fit are a `RuntimeError`."""
    if spec.library == "open_clip":
        import open_clip

        clip = open_clip.create_model(spec.architecture, pretrained=str(path), precision="fp32", weights_only=True)
        visual: nn.Module = clip.visual
        return visual
    if spec.library == "timm":
        import timm

        # With its own number of classes timm insists on every tensor; the classifier goes afterwards.
        tower: Any = timm.create_model(
            spec.architecture, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, **spec.arguments
        )
        tower.reset_classifier(0)
        return cast("nn.Module", tower)
    from transformers.modeling_utils import load_state_dict

    prefix = "vision_model."
    state = {key.removeprefix(prefix): tensor for key, tensor in load_state_dict(str(path)).items() if key.startswith(prefix)}
    blip = build_tower(spec)
    blip.load_state_dict(state)
    return blip


def fetch_text_model(text: Literal["bart", "t5"], out: Path) -> dict[str, Any]:
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
    """A file of a hub repository: from `data/inputs/weights/<repository>/` if it lies there, else through the hub client.

    Older repositories keep their weights under the name `otherwise` only, which is tried when the hub has no `file`.
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
