"""Names of image encoders and text models, as `params.yaml` and the rows of `dvc.yaml` use them, and what they stand for."""

import re

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
