"""Encoders with published weights (scale full): what a name stands for, according to the library that has the weights.

Width, picture size, mean and resizing are read from the library, never typed here. Stage `weights` stores the result next to the
weights, so no other stage asks the library again.
"""

import math
from typing import Any

from pipeline.base.encoder_names import ENCODERS, check_encoder_name
from pipeline.encoders.encoder import EncoderSpec


def pretrained_spec(name: str) -> EncoderSpec:
    """The specification of an encoder at scale full. An architecture that its library does not know is a `ValueError`."""
    check_encoder_name(name, where="encoder")
    library, _, model = ENCODERS.get(name, name).partition(":")
    return {"open_clip": _open_clip, "timm": _timm, "transformers": _transformers}[library](name, model)


def _open_clip(name: str, model: str) -> EncoderSpec:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    architecture, _, tag = model.partition("/")
    weights = get_pretrained_cfg(architecture, tag)
    if not weights:
        tags = ", ".join(list_pretrained_tags_by_model(architecture)) or "none: open_clip has no such model"
        raise ValueError(f"encoder {name!r}: open_clip has no weights {tag!r} of {architecture!r}; it has {tags}")
    if "hf_hub" not in weights:
        raise ValueError(f"encoder {name!r}: open_clip's weights {tag!r} are not on the hub; choose others")
    config = open_clip.get_model_config(architecture)
    if "multimodal_cfg" in config:
        raise ValueError(f"encoder {name!r}: the image encoder of {architecture} (CoCa) gives no single vector; choose another")
    size = config["vision_cfg"]["image_size"]
    repository, _, file = weights["hf_hub"].rpartition("/")
    return EncoderSpec(
        name=name,
        scale="full",
        library="open_clip",
        architecture=architecture,
        arguments={},
        dim=config["embed_dim"],
        image_size=size,
        resize_to=size,
        interpolation=weights["interpolation"],
        mean=tuple(weights["mean"]),
        std=tuple(weights["std"]),
        squash=weights["resize_mode"] == "squash",
        repository=repository,
        file=file or "open_clip_model.safetensors",
        seed=0 if name.startswith("random_") else None,
    )


def _timm(name: str, model: str) -> EncoderSpec:
    import timm

    try:
        weights = timm.get_pretrained_cfg(model)
    except (RuntimeError, ValueError):
        weights = None
    if weights is None or not weights.hf_hub_id:
        near = ", ".join(timm.list_pretrained(f"{model.split('.')[0]}*")[:8]) or "none of that architecture"
        raise ValueError(f"encoder {name!r}: timm has no weights {model!r} on the hub; it has {near}")
    if weights.crop_mode not in ("center", "squash"):
        raise ValueError(f"encoder {name!r}: its pictures are cropped by {weights.crop_mode!r}, which is not supported here")
    # DINOv2 was trained at 518 pixels. At 224, to which its positions are interpolated, it costs a fifth and matches the others.
    # Only encoders of a fixed size are given another one; convolutional ones are used at their own.
    arguments: dict[str, Any] = {"img_size": 224} if weights.fixed_input_size and weights.input_size[1] > 384 else {}
    if "patch16_dinov3" in weights.architecture:
        # Its positions are angles relative to the grid, so 224 pixels need no interpolation. Its authors take the class token;
        # timm's default, the mean of the patches, is another feature (timm says so beside the model).
        arguments = {"img_size": 224, "global_pool": "token"}
    size = arguments.get("img_size", weights.input_size[1])
    encoder = timm.create_model(model, pretrained=False, num_classes=0, **arguments)
    return EncoderSpec(
        name=name,
        scale="full",
        library="timm",
        architecture=model,
        arguments=arguments,
        dim=encoder.num_features,
        image_size=size,
        resize_to=math.floor(size / weights.crop_pct),
        interpolation=weights.interpolation,
        mean=weights.mean,
        std=weights.std,
        squash=weights.crop_mode == "squash",
        repository=weights.hf_hub_id,
        file="model.safetensors",
    )


def _transformers(name: str, model: str) -> EncoderSpec:
    """BLIP's image encoder (Li et al. 2022, arXiv 2201.12086): the pooled state, as the paper's released extractor takes it."""
    from transformers.models.blip import BlipImageProcessor, BlipVisionConfig

    config, processor = BlipVisionConfig(), BlipImageProcessor()
    return EncoderSpec(
        name=name,
        scale="full",
        library="transformers",
        architecture="blip",
        arguments={},
        dim=config.hidden_size,
        image_size=config.image_size,
        resize_to=config.image_size,
        interpolation="bicubic",
        mean=tuple(processor.image_mean),
        std=tuple(processor.image_std),
        squash=True,
        repository=model,
        file="model.safetensors",
    )
