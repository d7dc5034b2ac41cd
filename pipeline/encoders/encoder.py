"""Image encoders behind one interface: `preprocess` to pixels, `encode` to one vector per frame, `dim`.

An encoder is described by a small specification that is stored next to its weights, so a checkpoint is rebuilt without
guessing: which library, which architecture and activation, which pixels it expects. Names stay the same at both scales: `full` is
a published encoder (`pipeline.encoders.pretrained_specs` asks the library about it), `mini` a small one of the same family that
`pipeline.foundation` has trained. At either scale, a specification with a seed means an encoder that was never trained.

Shapes: B batch of frames, H and W pixels, D feature width.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.base.files import read_json, readable, replacing, write_json

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image


@dataclass(frozen=True)
class EncoderSpec:
    """Everything except the weights that decides what an encoder computes from an image.

    `arguments` go to the library's own constructor. `repository` and `file` name the published weights (scale full); a `seed`
    replaces them with random ones. `squash` resizes both sides to the same length; otherwise the short side becomes `resize_to`
    and the centre is cut out.
    """

    name: str
    scale: Literal["mini", "full"]
    library: Literal["open_clip", "timm", "transformers"]
    architecture: str
    arguments: dict[str, Any]
    dim: int
    image_size: int
    resize_to: int
    interpolation: Literal["bicubic", "bilinear"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    squash: bool = False
    repository: str = ""
    file: str = ""
    seed: int | None = None


_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_MINI_CLIP = EncoderSpec(
    "clip_vit_b32", "mini", "open_clip", "mini",
    {
        "embed_dim": 96,
        "quick_gelu": True,
        "vision_cfg": {"layers": 4, "width": 128, "head_width": 32, "patch_size": 16, "image_size": 64},
        "text_cfg": {"context_length": 20, "vocab_size": 256, "width": 96, "heads": 3, "layers": 2},
    },
    96, 64, 64, "bicubic", _CLIP_MEAN, _CLIP_STD,
)  # fmt: skip
MINI = {
    spec.name: spec
    for spec in (
        _MINI_CLIP,
        replace(_MINI_CLIP, name="vit_b32_labels"),  # the same encoder, trained on labels
        replace(_MINI_CLIP, name="random_vit_b32", seed=0),  # the same encoder, never trained
        # All 152 layers, at an eighth of the width.
        EncoderSpec(
            "resnet152", "mini", "timm", "resnet152",
            {"channels": [8, 16, 32, 64], "stem_width": 8}, 256, 64, 64, "bicubic", _IMAGENET_MEAN, _IMAGENET_STD,
        ),
    )
}  # fmt: skip


class Encoder:
    """An encoder with its preprocessing. `module` is the trainable `torch.nn.Module`."""

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
        """Let gradients reach the last `blocks` blocks and what follows them; freeze the rest. Returns the names trained."""
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

    def adapt_last_blocks(self, blocks: int, rank: int) -> None:
        """Freeze the encoder and give every linear, convolutional and attention map of its last `blocks` blocks a trainable
        low-rank adapter: LoRA, Hu et al. 2021 (arXiv 2106.09685), by the library `peft`. Before training it changes nothing.
        """
        from peft import LoraConfig, inject_adapter_in_model
        from torch import nn

        self.train_last_blocks(blocks)
        inside = tuple(f"{name}." for name in self.trained_blocks() if name in self._blocks())
        self.module.requires_grad_(False)
        names = [
            name
            for name, module in self.module.named_modules()
            # The output map of an attention module is adapted with it.
            if isinstance(module, nn.Linear | nn.Conv2d | nn.MultiheadAttention) and not name.endswith(".out_proj")
            if name.startswith(inside)
        ]
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), self.module)

    def trained_blocks(self) -> list[str]:
        """Names of the blocks and of the parts after them that have a trainable parameter, first to last."""
        trained = [name for name, parameter in self.module.named_parameters() if parameter.requires_grad]
        parts = [*self._blocks(), *self._head()]
        return [part for part in parts if any(name == part or name.startswith(f"{part}.") for name in trained)]

    def _blocks(self) -> list[str]:
        """Names of the blocks, first to last, wherever the library keeps them."""
        modules = dict(self.module.named_modules())
        for path in ("transformer.resblocks", "trunk.blocks", "blocks", "encoder.layers"):
            if path in modules:
                return [f"{path}.{number}" for number, _ in modules[path].named_children()]
        layers = [name for name in modules if re.fullmatch(r"(layer|stages\.)\d+", name)]
        if not layers:
            raise ValueError(f"encoder {self.spec.name}: its blocks are not known, so it cannot be fine-tuned")
        return layers

    def _head(self) -> list[str]:
        """Names of what follows the last block."""
        own = ["ln_post", "proj", "norm", "fc_norm", "attn_pool", "head", "post_layernorm"]
        return [*own, *(f"trunk.{name}" for name in own)]


def preprocess(spec: EncoderSpec, images: "Sequence[Image]") -> "np.ndarray":
    """See `Encoder.preprocess`; needs no weights."""
    import numpy as np
    from PIL.Image import Resampling
    from torchvision.transforms.functional import center_crop, resize

    mode = {"bicubic": Resampling.BICUBIC, "bilinear": Resampling.BILINEAR}[spec.interpolation]
    pixels = np.empty((len(images), 3, spec.image_size, spec.image_size), dtype=np.uint8)
    for row, image in enumerate(images):
        side = spec.image_size
        fitted = (
            resize(image, [side, side], mode) if spec.squash else center_crop(resize(image, spec.resize_to, mode), [side, side])
        )
        pixels[row] = np.asarray(fitted.convert("RGB")).transpose(2, 0, 1)
    return pixels


def normalise(spec: EncoderSpec, pixels_B3HW: "torch.Tensor") -> "torch.Tensor":
    """Scale uint8 pixels to [0, 1], then standardise them by the mean and deviation of the encoder's training set."""
    import torch

    mean = torch.tensor(spec.mean, device=pixels_B3HW.device).view(3, 1, 1)
    std = torch.tensor(spec.std, device=pixels_B3HW.device).view(3, 1, 1)
    return pixels_B3HW.to(torch.float32).div(255).sub(mean).div(std)


def build_module(spec: EncoderSpec, *, weights_follow: bool = False) -> "torch.nn.Module":
    """The architecture with random weights. `weights_follow`: the caller loads others into it, so nothing warns of these."""
    import torch

    if spec.library == "open_clip":
        with _no_warning_of_random_weights() if weights_follow else nullcontext():
            visual: torch.nn.Module = build_clip(spec).visual  # type: ignore[assignment]
        return visual
    if spec.library == "transformers":
        return _blip()
    import timm

    module: torch.nn.Module = timm.create_model(spec.architecture, pretrained=False, num_classes=0, **spec.arguments)
    return module.to(memory_format=torch.channels_last)  # makes convolutions a quarter faster


@contextmanager
def _no_warning_of_random_weights() -> Iterator[None]:
    """Let open_clip build a model without saying that it has no pretrained weights. It logs to the root logger."""

    def other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("No pretrained weights loaded")

    root = logging.getLogger()
    root.addFilter(other)
    try:
        yield
    finally:
        root.removeFilter(other)


def _blip() -> "torch.nn.Module":
    from transformers.models.blip import BlipVisionConfig, BlipVisionModel

    class PooledEncoder(BlipVisionModel):  # type: ignore[misc]
        def forward(self, pixels_B3HW: "torch.Tensor") -> "torch.Tensor":
            pooled_BD: torch.Tensor = super().forward(pixel_values=pixels_B3HW).pooler_output
            return pooled_BD

    return PooledEncoder(BlipVisionConfig())


def build_clip(spec: EncoderSpec) -> "torch.nn.Module":
    """Both encoders of a CLIP model with random weights; the text encoder is used only in pretraining."""
    import open_clip

    if spec.scale == "mini":
        mini: torch.nn.Module = open_clip.model.CLIP(**spec.arguments)
        return mini
    model: torch.nn.Module = open_clip.create_model(spec.architecture, pretrained=None)
    return model


def save_encoder(spec: EncoderSpec, module: "torch.nn.Module", folder: Path, *, source: Mapping[str, str]) -> None:
    """Write `encoder.safetensors`, then `encoder.json` with specification, number of parameters, and source of the weights."""
    from safetensors.torch import save_file

    with replacing(folder / "encoder.safetensors") as temporary:
        save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, temporary)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    write_json(folder / "encoder.json", {"spec": asdict(spec), "parameters": parameters, "source": dict(source)})


def describe_oracle(out: Path) -> dict[str, str]:
    """Write `encoder.json` of the encoder that cannot err, in place of weights: `pipeline.features.oracle` knows what it says."""
    source = {"source": "the entities that the annotated steps name; no weights"}
    write_json(out / "encoder.json", {"parameters": 0, "source": source})
    return source


def read_spec(folder: Path) -> EncoderSpec:
    """The specification stored next to an encoder's weights."""
    path = folder / "encoder.json"
    with _readable(path):
        return rebuilt(read_json(path, {"spec": dict})["spec"])


def read_parameters(folder: Path) -> int:
    """The number of the encoder's parameters."""
    path = folder / "encoder.json"
    with _readable(path):
        return int(read_json(path, {"parameters": int})["parameters"])


def _readable(path: Path) -> AbstractContextManager[None]:
    return readable(path, stage=f"weights@{path.parent.name}")


def rebuilt(raw: Mapping[str, Any]) -> EncoderSpec:
    """A specification rebuilt from its JSON form."""
    values: dict[str, Any] = {key: tuple(value) if key in ("mean", "std") else value for key, value in raw.items()}
    return EncoderSpec(**values)


def load_encoder(folder: Path) -> Encoder:
    """Rebuild an encoder from `weights/<encoder>/`. Missing or unexpected tensors are errors; none is left random."""
    from safetensors.torch import load_file

    spec = read_spec(folder)
    module = build_module(spec, weights_follow=True)
    weights = folder / "encoder.safetensors"
    with _readable(weights):
        module.load_state_dict(load_file(weights))
    return Encoder(spec, module.eval())
