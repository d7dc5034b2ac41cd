"""Published weights (scale full): fetched through the hub's own client, or taken from a local folder, and pinned by sha256.

Text models lie in `weights/bart/` in the library's own layout, towers in `weights/<encoder>/` as `pipeline.encoders` writes
them.
"""

import shutil
from pathlib import Path
from typing import Any

from pipeline.atomic import replacing, write_json
from pipeline.encoders import ENCODERS, build_clip, build_tower, save_encoder
from pipeline.shards import file_sha256

LOCAL = Path("data/inputs/weights")
TEXT_MODEL = "facebook/bart-base"
_TEXT_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
)
_OPTIONAL = ("generation_config.json", "tokenizer.json", "tokenizer_config.json")


def fetch_encoder(name: str, out: Path) -> dict[str, Any]:
    """Fetch a published tower into `out`. Raises `RuntimeError` that names repository, file and the ways to supply it."""
    from safetensors.torch import load_file

    spec = ENCODERS[name, "full"]
    path = fetch_file(spec.repository, spec.file)
    state = load_file(path)
    if spec.library == "open_clip":
        clip = build_clip(spec)
        clip.load_state_dict(state)
        tower = clip.visual.state_dict()  # type: ignore[union-attr,operator]
    else:
        module = build_tower(spec)
        expected = module.state_dict().keys()
        module.load_state_dict({key: tensor for key, tensor in state.items() if key in expected})
        tower = module.state_dict()
    source = f"{spec.repository}/{spec.file} sha256:{file_sha256(path)}"
    save_encoder(spec, tower, out, source=source)
    return {"source": source}


def fetch_text_model(out: Path) -> dict[str, Any]:
    """Fetch BART-base with its vocabulary into `out`, file by file."""
    digests = {}
    for name in _TEXT_FILES:
        try:
            path = fetch_file(TEXT_MODEL, name)
        except RuntimeError:
            if name in _OPTIONAL:
                continue  # older copies of the repository lack them; the library derives them from the others
            raise
        with replacing(out / name) as temporary:
            shutil.copyfile(path, temporary)
        digests[name] = file_sha256(path)
    write_json(out / "source.json", {"repository": TEXT_MODEL, "sha256": digests})
    return {"source": TEXT_MODEL, "sha256": digests}


def fetch_file(repository: str, file: str) -> Path:
    """A file of a hub repository: from `data/inputs/weights/<repository>/` if it lies there, else through the hub client."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    local = LOCAL / repository / file
    if local.exists():
        return local
    try:
        return Path(hf_hub_download(repository, file))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise RuntimeError(
            f"weights {repository}/{file} cannot be fetched ({type(error).__name__}). Either connect to the hub (HF_ENDPOINT and "
            f"HF_HOME are honoured), or put the file at {local}"
        ) from error
