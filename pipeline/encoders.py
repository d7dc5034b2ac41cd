"""Image towers behind one interface: `preprocess` to pixels, `encode` to one vector a frame, `dim`.

A tower is described by a small specification that is stored beside its weights, so a checkpoint is rebuilt without
guessing: which library, which architecture and activation, which pixels it expects. Names stay the same at both scales:
`full` is the published architecture, `mini` a small one of the same family that `pipeline.pretraining` trains.

Shapes: B batch of frames, H and W pixels, D feature width.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.atomic import read_json, replacing, write_json

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image


@dataclass(frozen=True)
class EncoderSpec:
    """Everything that decides what a tower computes from an image, but its weights.

    `arguments` go to the library's own constructor; `repository` and `file` name the published weights (scale full).
    """

    name: str
    scale: Literal["mini", "full"]
    library: Literal["open_clip", "timm"]
    architecture: str
    arguments: dict[str, Any]
    dim: int
    image_size: int
    resize_to: int
    interpolation: Literal["bicubic", "bilinear"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    repository: str = ""
    file: str = ""


_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

ENCODERS: dict[tuple[str, str], EncoderSpec] = {
    (spec.name, spec.scale): spec
    for spec in (
        # OpenAI's weights were trained with the quick approximation of GELU; with the exact one they give other vectors.
        EncoderSpec(
            "clip_vit_b32", "full", "open_clip", "ViT-B-32-quickgelu", {}, 512, 224, 224, "bicubic", _CLIP_MEAN, _CLIP_STD,
            repository="timm/vit_base_patch32_clip_224.openai", file="open_clip_model.safetensors",
        ),
        EncoderSpec(
            "clip_vit_b32", "mini", "open_clip", "mini",
            {
                "embed_dim": 96,
                "quick_gelu": True,
                "vision_cfg": {"layers": 4, "width": 128, "head_width": 32, "patch_size": 16, "image_size": 64},
                "text_cfg": {"context_length": 32, "vocab_size": 256, "width": 96, "heads": 3, "layers": 2},
            },
            96, 64, 64, "bicubic", _CLIP_MEAN, _CLIP_STD,
        ),
        EncoderSpec(
            "resnet152", "full", "timm", "resnet152", {}, 2048, 224, 256, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD,
            repository="timm/resnet152.tv_in1k", file="model.safetensors",
        ),
        # All 152 layers, at an eighth of the width.
        EncoderSpec(
            "resnet152", "mini", "timm", "resnet152",
            {"channels": [8, 16, 32, 64], "stem_width": 8}, 256, 64, 64, "bicubic", _IMAGENET_MEAN, _IMAGENET_STD,
        ),
    )
}  # fmt: skip


def check_encoder_name(name: str, *, where: str) -> None:
    """Raise `ValueError` naming `where` (a key or an option) unless an encoder of this name exists."""
    known = sorted({spec.name for spec in ENCODERS.values()})
    if name not in known:
        raise ValueError(f"{where}: {name!r} is none of {', '.join(known)}")


class Encoder:
    """A tower with its preprocessing. `module` is the trainable `torch.nn.Module`."""

    def __init__(self, spec: EncoderSpec, module: "torch.nn.Module") -> None:
        self.spec = spec
        self.module = module
        self.dim = spec.dim

    def preprocess(self, images: "Sequence[Image]") -> "np.ndarray":
        """Resize the short side and crop the centre: RGB images to uint8 pixels [B, 3, H, W].

        `encode` scales and normalises on the device, so four times fewer bytes travel. An image that already has the
        right short side is not resampled again.
        """
        return preprocess(self.spec, images)

    def encode(self, pixels_B3HW: "torch.Tensor") -> "torch.Tensor":
        """Embed uint8 pixels [B, 3, H, W] as float features [B, D], not normalised in length."""
        features_BD: torch.Tensor = self.module(normalise(self.spec, pixels_B3HW))
        assert features_BD.shape == (len(pixels_B3HW), self.dim), f"{self.spec.name}: {tuple(features_BD.shape)}"
        return features_BD

    def train_last_blocks(self, blocks: int) -> list[str]:
        """Let gradients reach the last `blocks` blocks and what follows them; freeze the rest. Returns the trained names."""
        stages = self._blocks()
        if blocks > len(stages):
            raise ValueError(f"finetune.trainable_blocks: {self.spec.name} has {len(stages)} blocks, not {blocks}")
        trained = stages[len(stages) - blocks :] + self._head()
        names = []
        for name, parameter in self.module.named_parameters():
            parameter.requires_grad = any(name == prefix or name.startswith(f"{prefix}.") for prefix in trained)
            if parameter.requires_grad:
                names.append(name)
        return names

    def _blocks(self) -> list[str]:
        if self.spec.library == "open_clip":
            return [f"transformer.resblocks.{number}" for number in range(len(self.module.transformer.resblocks))]  # type: ignore[union-attr,arg-type]
        return ["layer1", "layer2", "layer3", "layer4"]

    def _head(self) -> list[str]:
        return ["ln_post", "proj"] if self.spec.library == "open_clip" else []


def preprocess(spec: EncoderSpec, images: "Sequence[Image]") -> "np.ndarray":
    """See `Encoder.preprocess`; needs no weights."""
    import numpy as np
    from PIL.Image import Resampling
    from torchvision.transforms.functional import center_crop, resize

    mode = {"bicubic": Resampling.BICUBIC, "bilinear": Resampling.BILINEAR}[spec.interpolation]
    pixels = np.empty((len(images), 3, spec.image_size, spec.image_size), dtype=np.uint8)
    for row, image in enumerate(images):
        fitted = center_crop(resize(image, spec.resize_to, mode), [spec.image_size, spec.image_size])
        pixels[row] = np.asarray(fitted.convert("RGB")).transpose(2, 0, 1)
    return pixels


def normalise(spec: EncoderSpec, pixels_B3HW: "torch.Tensor") -> "torch.Tensor":
    """Scale uint8 pixels to [0, 1], subtract the mean, divide by the deviation of the encoder's training set."""
    import torch

    mean = torch.tensor(spec.mean, device=pixels_B3HW.device).view(3, 1, 1)
    std = torch.tensor(spec.std, device=pixels_B3HW.device).view(3, 1, 1)
    return pixels_B3HW.to(torch.float32).div(255).sub(mean).div(std)


def build_tower(spec: EncoderSpec) -> "torch.nn.Module":
    """The architecture with random weights."""
    if spec.library == "open_clip":
        visual: torch.nn.Module = build_clip(spec).visual  # type: ignore[assignment]
        return visual
    import timm

    module: torch.nn.Module = timm.create_model(spec.architecture, pretrained=False, num_classes=0, **spec.arguments)
    return module


def build_clip(spec: EncoderSpec) -> "torch.nn.Module":
    """Both towers of a CLIP model with random weights; the text tower serves pretraining only."""
    import open_clip

    if spec.scale == "mini":
        mini: torch.nn.Module = open_clip.model.CLIP(**spec.arguments)
        return mini
    model: torch.nn.Module = open_clip.create_model(spec.architecture, pretrained=None)
    return model


def save_encoder(spec: EncoderSpec, state: "dict[str, torch.Tensor]", folder: Path, *, source: str) -> None:
    """Write `tower.safetensors`, then `encoder.json` with the specification and where the weights come from."""
    from safetensors.torch import save_file

    with replacing(folder / "tower.safetensors") as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)
    write_json(folder / "encoder.json", {"spec": asdict(spec), "source": source})


def read_spec(folder: Path) -> EncoderSpec:
    """The specification stored beside a tower's weights."""
    path = folder / "encoder.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run `dvc repro weights@{folder.name}` first")
    raw = read_json(path)["spec"]
    return EncoderSpec(**(raw | {"mean": tuple(raw["mean"]), "std": tuple(raw["std"])}))


def load_encoder(folder: Path) -> Encoder:
    """Rebuild a tower from `weights/<encoder>/`. Missing or unexpected tensors are an error, never random weights."""
    from safetensors.torch import load_file

    spec = read_spec(folder)
    module = build_tower(spec)
    module.load_state_dict(load_file(folder / "tower.safetensors"))
    return Encoder(spec, module.eval())
