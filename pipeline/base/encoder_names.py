"""Names of image encoders and text models, as `params.yaml` and the rows of `dvc.yaml` use them, and what they stand for."""

import re
from collections.abc import Sequence

TEXT_MODELS = ("bart", "t5")
# At scale full. Any other `open_clip:<model>/<tag>` or `timm:<name>` does as well.
ENCODERS = {
    "clip_vit_b32": "open_clip:ViT-B-32-quickgelu/openai",  # the paper's; trained with the quick approximation of GELU
    "clip_vit_b16": "open_clip:ViT-B-16-quickgelu/openai",
    "clip_vit_l14": "open_clip:ViT-L-14-quickgelu/openai",
    "siglip_b16": "open_clip:ViT-B-16-SigLIP/webli",
    # Three of one size, 224 pixels: with the language of captions, without, with.
    "siglip2_b16": "open_clip:ViT-B-16-SigLIP2/webli",
    "dinov3_b16": "timm:vit_base_patch16_dinov3.lvd1689m",
    "pe_core_b16": "open_clip:PE-Core-B-16/meta",
    "blip_b16": "transformers:Salesforce/blip-image-captioning-base",
    "dinov2_b14": "timm:vit_base_patch14_dinov2.lvd142m",
    "vit_b32_labels": "timm:vit_base_patch32_224.augreg_in1k",  # CLIP's size, trained on ImageNet's labels
    "resnet50": "timm:resnet50.tv_in1k",
    "resnet152": "timm:resnet152.tv_in1k",  # the paper's
    "random_vit_b32": "open_clip:ViT-B-32-quickgelu/openai",  # the same encoder, never trained
}
# What tables call them.
TITLES = {
    "clip_vit_b32": "CLIP B/32",
    "clip_vit_b16": "CLIP B/16",
    "clip_vit_l14": "CLIP L/14",
    "siglip_b16": "SigLIP B/16",
    "siglip2_b16": "SigLIP 2 B/16",
    "dinov3_b16": "DINOv3 B/16",
    "pe_core_b16": "PE core B/16",
    "blip_b16": "BLIP B/16",
    "dinov2_b14": "DINOv2 B/14",
    "vit_b32_labels": "ViT B/32 on labels",
    "resnet50": "ResNet-50",
    "resnet152": "ResNet-152",
    "random_vit_b32": "random ViT B/32",
}
# Those that exist at scale mini; `pipeline.encoders.encoder` has their architectures.
MINI_ENCODERS = ("clip_vit_b32", "random_vit_b32", "resnet152", "vit_b32_labels")
ORACLE = "oracle"  # no encoder: the truth about every frame, at either scale
_OWN_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*(/[A-Za-z0-9][A-Za-z0-9_.\-]*)?")


def check_encoder_name(name: str, *, where: str, scale: str = "full") -> None:
    """Raise `ValueError` naming `where` (a key or an option) unless an encoder of this name exists at this scale."""
    if name == ORACLE:
        return
    if scale == "mini" and name not in MINI_ENCODERS:
        raise ValueError(f"{where}: {name!r} has no mini version; scale mini has {', '.join(MINI_ENCODERS)}")
    library, colon, model = name.partition(":")
    own = bool(colon) and library in ("open_clip", "timm") and _OWN_MODEL.fullmatch(model)
    if not own and name not in ENCODERS:
        raise ValueError(f"{where}: {name!r} is none of {', '.join(ENCODERS)}, open_clip:<model>/<tag>, timm:<name>")


def check_text_side(name: str, *, where: str, scale: str) -> None:
    """Raise `ValueError` naming `where` unless the encoder was published with a text side beside its image side.

    No mini one has: foundation/ ships image sides alone. Whether open_clip can read a published one is seen when it is opened.
    """
    if scale == "mini":
        raise ValueError(
            f"{where}: clipscore needs an encoder with a text side; at scale mini foundation/ ships image sides alone"
        )
    if name.startswith("random_") or ENCODERS.get(name, name).partition(":")[0] != "open_clip":
        raise ValueError(f"{where}: clipscore needs an encoder with a text side, and {name} has none; clip_vit_b32 has one")


def check_more_encoders(names: Sequence[str], *, encoder: str, where: str, scale: str) -> None:
    """Raise `ValueError` naming `where` unless each of these can have a row of its own beside the row of `encoder`."""
    for name in names:
        if name == ORACLE:
            raise ValueError(f"{where}: {ORACLE!r} is no encoder, and has rows of its own; take it out")
        check_encoder_name(name, where=where, scale=scale)
        if name == encoder:
            raise ValueError(f"{where}: {name!r} is the encoder under study, so its row is `clipsum`; take it out")
        if "/" in name:
            raise ValueError(
                f"{where}: {name!r} has a / in it, and a row's files are called like its encoder; "
                "give it a short name in ENCODERS of pipeline/base/encoder_names.py"
            )
    if len(set(names)) != len(names):
        raise ValueError(f"{where}: {', '.join(sorted({name for name in names if names.count(name) > 1}))} stands there twice")


def encoder_title(name: str) -> str:
    """What tables call an encoder: one without a short name by its whole name."""
    return TITLES.get(name, name)
