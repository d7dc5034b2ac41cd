"""What every system of the table shares: a text model, a loss, generation, and a checkpoint that rebuilds itself.

A system is a module `pipeline/models/<model>.py` with a class `Model`, a subclass of `Summarizer`; its name in `dvc.yaml`
is all that is needed to find it. A subclass says how a batch becomes the memory that the decoder attends to. Modules that it
puts inside the text model are always called `fusion`: that name tells them from pretrained ones.

Shapes: B batch, T source tokens, S places of the memory, L target tokens, M frames, D feature width, H text width.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM, GenerationConfig, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput

from pipeline.base.files import read_json, readable, replacing, write_json
from pipeline.base.params import Generate, Model
from pipeline.encoders.encoder import Encoder, build_module, rebuilt

IGNORED = -100  # label of padding, which cross-entropy leaves out
_DROPOUT = {"bart": "dropout", "t5": "dropout_rate"}  # its name in a text model's configuration


@dataclass(frozen=True)
class Batch:
    """Padded tensors of B videos. `frames` holds features [B, M, D], or uint8 pixels [B, M, 3, height, width] for fine-tuning."""

    tokens_BT: Tensor
    token_mask_BT: Tensor
    labels_BL: Tensor | None = None
    frames: Tensor | None = None
    frame_mask_BM: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if value is not None})


@dataclass(frozen=True)
class Memory:
    """What the decoder attends to: states [B, S, H], and a mask [B, S] of 1 and 0. Longer than the text if frames are in it."""

    states_BSH: Tensor
    mask_BS: Tensor


@dataclass(frozen=True)
class Architecture:
    """All that is needed to rebuild a system without its weights; stored as `config.json` next to them.

    `text` is the text model's configuration as the library writes it, `model_type` included.
    """

    model: str
    text: dict[str, Any]
    settings: dict[str, Any]
    feature_width: int | None
    max_frames: int | None
    image_encoder: dict[str, Any] | None
    trainable_blocks: int
    lora_rank: int


class Summarizer(nn.Module):
    """Base of all systems, and a text-only one itself. `self.text` is the pretrained sequence-to-sequence model.

    `text_type` is the only kind of text model that a system works with.
    """

    text_type: ClassVar[Literal["bart", "t5"]] = "bart"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        if architecture.text["model_type"] != self.text_type:
            raise ValueError(
                f"dvc.yaml: model {architecture.model!r} needs `text: {self.text_type}`, not {architecture.text['model_type']!r}"
            )
        self.architecture = architecture
        self.config = AutoConfig.for_model(**architecture.text)
        self.text = AutoModelForSeq2SeqLM.from_config(self.config)
        self.settings = Model(**architecture.settings)
        self.image_encoder: Encoder | None = None

    def adapt(self) -> None:
        """Say what of the image encoder is trained: its last blocks, or adapters in them. Once pretrained weights are in it."""
        if self.image_encoder is not None:
            blocks, rank = self.architecture.trainable_blocks, self.architecture.lora_rank
            if rank:
                self.image_encoder.adapt_last_blocks(blocks, rank)
            else:
                self.image_encoder.train_last_blocks(blocks)

    def encode(self, batch: Batch) -> Memory:
        """The memory that the decoder attends to: here only the text."""
        return self.encode_text(batch)

    def encode_text(self, batch: Batch, **seen: Any) -> Memory:
        """The text encoder's states; `seen` is passed to each of its layers."""
        encoder = self.text.get_encoder()
        states_BTH = encoder(batch.tokens_BT, attention_mask=batch.token_mask_BT, **seen).last_hidden_state
        return Memory(states_BTH, batch.token_mask_BT)

    def forward(self, batch: Batch) -> Tensor:
        """Mean cross-entropy over target tokens, teacher forcing (a scalar)."""
        memory = self.encode(batch)
        output = self.text(
            attention_mask=memory.mask_BS,
            encoder_outputs=BaseModelOutput(last_hidden_state=memory.states_BSH),
            labels=batch.labels_BL,
        )
        loss: Tensor = output.loss
        return loss

    @torch.no_grad()
    def generate(self, batch: Batch, settings: Generate) -> Tensor:
        """Token ids [B, <= max_tokens], by beam search with the key/value cache. The encoder runs once."""
        memory = self.encode(batch)
        ids: Tensor = self.text.generate(
            attention_mask=memory.mask_BS,
            encoder_outputs=BaseModelOutput(last_hidden_state=memory.states_BSH),
            num_beams=settings.beams,
            max_length=settings.max_tokens,
            no_repeat_ngram_size=settings.no_repeat_ngram,
            early_stopping=settings.beams > 1,
            do_sample=False,
            use_cache=True,
        )
        return ids

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter, by its name, in exactly one of `pretrained` (text model), `new` and `image_encoder`."""
        groups: dict[str, list[nn.Parameter]] = {"pretrained": [], "new": [], "image_encoder": []}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                groups[group_of(name)].append(parameter)
        return groups

    def trained_parts(self) -> dict[str, Any]:
        """What is trained: the number of `parameters` of each optimiser group, and the image encoder's trained `blocks`."""
        counts = {
            group: {"parameters": sum(parameter.numel() for parameter in parameters)}
            for group, parameters in self.parameter_groups().items()
        }
        blocks = self.image_encoder.trained_blocks() if self.image_encoder is not None else []
        return counts | {"image_encoder": counts["image_encoder"] | {"blocks": blocks}}


def group_of(name: str) -> str:
    """The optimiser group of a parameter, by its name alone: `fusion` marks what a system put inside the text model."""
    if name.startswith("image_module."):
        return "image_encoder"
    return "pretrained" if name.startswith("text.") and ".fusion." not in name else "new"


def create(
    model: str,
    *,
    text_folder: Path,
    settings: Model,
    feature_width: int | None = None,
    max_frames: int | None = None,
    image_encoder: Encoder | None = None,
    trainable_blocks: int = 0,
    lora_rank: int = 0,
) -> Summarizer:
    """A system ready to train: pretrained text model, random new layers, and a pretrained image encoder to fine-tune, if any.

    `feature_width` and `max_frames` are for systems that look at frames. The last `trainable_blocks` blocks of `image_encoder`
    are trained, or adapters of rank `lora_rank` in them. The text model's published generation settings are kept.
    Raises `ValueError` when the model is unknown, or not made for the kind of text model in `text_folder`.
    """
    with readable(text_folder, stage=f"weights@{text_folder.name}"):
        text = AutoModelForSeq2SeqLM.from_pretrained(text_folder, local_files_only=True)
    if text.config.model_type not in _DROPOUT:
        raise ValueError(f"{text_folder}: a text model of type {text.config.model_type!r}; known types are {', '.join(_DROPOUT)}")
    architecture = Architecture(
        model=model,
        text=text.config.to_diff_dict() | {_DROPOUT[text.config.model_type]: settings.dropout},
        settings=settings.model_dump(),
        feature_width=feature_width,
        max_frames=max_frames,
        image_encoder=None if image_encoder is None else asdict(image_encoder.spec),
        trainable_blocks=trainable_blocks,
        lora_rank=lora_rank,
    )
    system = build(architecture)
    missing, unexpected = system.text.load_state_dict(text.state_dict(), strict=False)
    assert not unexpected and all(".fusion." in name for name in missing), (missing, unexpected)
    if image_encoder is not None:
        system.get_submodule("image_module").load_state_dict(image_encoder.module.state_dict())
    system.adapt()
    # A text model that is built from its configuration alone has lost them, BART's forced first token among them.
    system.text.generation_config = text.generation_config
    return system


def build(architecture: Architecture) -> Summarizer:
    """The system with random weights, before `adapt`. An unknown model name is a `ValueError`."""
    try:
        module = import_module(f"pipeline.models.{architecture.model}")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"model {architecture.model!r} of dvc.yaml: there is no pipeline/models/{architecture.model}.py"
        ) from error
    system: Summarizer = module.Model(architecture)
    return system


def save(system: Summarizer, folder: Path) -> None:
    """Write `model.safetensors`, `generation_config.json`, then `config.json`."""
    state = {name: tensor.contiguous() for name, tensor in system.state_dict().items() if name not in _tied(system)}
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.safetensors") as temporary:
        save_file(state, temporary)
    system.text.generation_config.save_pretrained(folder)
    write_json(folder / "config.json", asdict(system.architecture))


def load(folder: Path) -> Summarizer:
    """Rebuild a system from nothing but its checkpoint."""
    config, weights, generation = (folder / name for name in ("config.json", "model.safetensors", "generation_config.json"))
    stage = f"--glob 'train*@{folder.parent.name}'"
    with readable(config, stage=stage):
        system = build(Architecture(**read_json(config, {"model": str, "text": dict, "settings": dict})))
    system.adapt()
    with readable(weights, stage=stage):
        missing, unexpected = system.load_state_dict(load_file(weights), strict=False)
    if unexpected or set(missing) != _tied(system):
        raise ValueError(f"{folder}: checkpoint and architecture differ (missing {missing}, unexpected {unexpected})")
    system.text.tie_weights()
    with readable(generation, stage=stage):
        system.text.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return system.eval()


def image_encoder_of(architecture: Architecture) -> Encoder | None:
    """The image encoder inside a fine-tuned system, with random weights."""
    if architecture.image_encoder is None:
        return None
    spec = rebuilt(architecture.image_encoder)
    return Encoder(spec, build_module(spec, weights_follow=True))


def decode(tokenizer: PreTrainedTokenizerBase, ids: Tensor) -> list[str]:
    """Token ids to plain text, one string per row."""
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def _tied(system: Summarizer) -> set[str]:
    """Names that share storage with the token embedding; safetensors keeps one copy, under the name `shared`."""
    embedding = system.text.get_input_embeddings().weight
    state = system.state_dict(keep_vars=True)
    return {name for name, tensor in state.items() if tensor is embedding and not name.endswith(".shared.weight")}
