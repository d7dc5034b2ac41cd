"""Which frames a system attended to while it named an entity.

A trained row reads its own summary of every test video again, word for word (teacher forcing). For the tokens of each entity in
it, two attentions are multiplied:

    weight of frame m = mean over the entity's tokens of  sum over t of  c_t f_tm

    c_t   the decoder's cross-attention to place t of the text when it predicts the token: last layer, mean over heads
    f_tm  the attention of text place t over frames, in fusion

Both sum to one, and so do the weights of a video's frames.

What this is not: an explanation. Fusion stands before later encoder layers, which mix places of the text; residual connections
pass both attentions by; and a frame may be attended to and leave nothing behind. It says where a path of attention leads, and
`shown` lets a reader see whether that is a frame that shows the entity.

Only systems with one fusion over frames in the text encoder, and the text alone as the decoder's memory, have such a path. For
others, and where nobody knows the entities, no video is listed.

Shapes: B batch, T text tokens, S places of the memory, L target tokens, M frames.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.code import code_digest
from pipeline.base.encoder_names import ORACLE
from pipeline.base.files import listed, write_json, write_text
from pipeline.base.params import Params
from pipeline.base.paths import CORPUS, FEATURES, METRICS, predictions_file
from pipeline.base.resumable import kept_file
from pipeline.base.scratch import file_sha256, fingerprint, keep_only, scratch_folder
from pipeline.evaluation.mentions import mentions
from pipeline.features.schema import read_features, read_footer
from pipeline.training.table_row import Row, checkpoint_digest, seen_digests

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.models.parts.summarizer import Batch, Summarizer

_DIGITS = 4


def write_attended(row: Row, seed: int, params: Params) -> Path:
    """Write `metrics/<row>_attended.json`: for every test video the `seconds` of its frames, and for every entity that the seed's
    summary names their `weights`, and the places of those that have it `shown` (null where nobody knows).

    The row's summaries must be there.
    """
    study, truth = params.current, FEATURES / ORACLE
    key = fingerprint(
        checkpoint_digest(row, [seed]),
        [file_sha256(path) for path in (CORPUS, predictions_file(row.name))],
        [seen_digests(row.sees), seen_digests(str(truth))],
        [study.text.model_dump(), row.reads, params.runtime.device],
        code_digest("pipeline.evaluation.attended", f"pipeline.models.{row.model}"),
    )
    out = METRICS / f"{row.name}_attended.json"
    with scratch_folder(f"attended.{row.name}", key) as scratch:
        kept = kept_file(scratch, out.name, partial(_write, row=row, seed=seed, params=params, truth=truth))
        write_text(out, kept.read_text(encoding="utf-8"))
        keep_only(scratch)
    return out


def _write(path: Path, *, row: Row, seed: int, params: Params, truth: Path) -> None:
    assert row.sees is not None, "a control of a row without frames is refused before"
    seconds, shown = _seconds(Path(row.sees)), _shown(truth)
    videos = {}
    for video, named in _weights(row, seed, params):
        times = seconds[video]
        known = all(place in shown for place in times)
        videos[video] = {
            "seconds": [round(time, 3) for time in times.values()],
            "named": {
                name: {
                    "weights": weights,
                    "shown": [n for n, place in enumerate(times) if name in shown[place]] if known else None,
                }
                for name, weights in named.items()
            },
        }
    digest = file_sha256(predictions_file(row.name))
    write_json(path, {"of": row.name, "seed": seed, "predictions": digest, "videos": dict(sorted(videos.items()))})


def _weights(row: Row, seed: int, params: Params) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """The test videos with the weights of their frames, by entity."""
    from dataclasses import replace

    import numpy as np
    import torch

    from pipeline.base.device import choose_device
    from pipeline.corpus.table import usable_parts
    from pipeline.models.parts.summarizer import load
    from pipeline.models.parts.vision import VisionSummarizer
    from pipeline.scoring.entity import known_entities
    from pipeline.scoring.predictions import read_predictions
    from pipeline.training.batches import load_tokenizer, read_examples
    from pipeline.training.table_row import open_frame_inputs

    study, device = params.current, choose_device(params.runtime.device)
    tokenizer = load_tokenizer(row.tokenizer)
    parts, known = usable_parts(CORPUS, "test", source=row.source(study)), known_entities(CORPUS, "test")
    examples = read_examples(parts, text=study.text, tokenizer=tokenizer)
    system, frame_inputs = load(row.folder / str(seed)).to(device), open_frame_inputs(row)
    if known is None or frame_inputs is None or not has_path(system):
        return
    assert isinstance(system, VisionSummarizer)
    frame_inputs = system.embedded(frame_inputs, examples.video_ids)
    summaries = read_predictions(predictions_file(row.name))
    said = dict(zip(summaries.videos, summaries.predictions[summaries.seeds.index(seed)], strict=True))
    texts = [said[video] for video in examples.video_ids]
    tokens = tokenizer(texts, return_offsets_mapping=True)
    spoken = replace(examples, targets=[np.array(ids, dtype=np.int32) for ids in tokens["input_ids"]])
    for rows in examples.by_length(params.runtime.generation_batch_size):
        with torch.inference_mode():
            _, weights_BLM = attention_of_tokens(system, spoken.batch(rows, frame_inputs).to(device))
        assert weights_BLM is not None
        for place, weights_LM in zip(rows, weights_BLM.cpu(), strict=True):
            video = examples.video_ids[place]
            if length := frame_inputs.lengths.get(video, 0):
                offsets = tokens["offset_mapping"][place]
                yield video, _by_entity(texts[place], offsets, weights_LM[:, :length], known.names)


def has_path(system: "Summarizer") -> bool:
    """Whether attention leads from a word to frames in the way that is described above."""
    from pipeline.models.parts.fusion import CrossModalFusion

    one = sum(isinstance(module, CrossModalFusion) for module in system.modules()) == 1
    return one and system.settings.fusion == "attention" and system.settings.pooling == "none"


def attention_of_tokens(system: "Summarizer", batch: "Batch") -> "tuple[Tensor, Tensor | None]":
    """For each label of the batch, c [B, L, S] over the places of the memory, and weights [B, L, M] over frames.

    There are no weights of a system without the path. Those of a video with a frame sum to one.
    """
    from transformers.modeling_outputs import BaseModelOutput

    from pipeline.models.parts.fusion import CrossModalFusion

    system.text.set_attn_implementation("eager")  # the only one that gives its weights
    seen: dict[str, Tensor] = {}
    if has_path(system):
        (fusion,) = (module for module in system.modules() if isinstance(module, CrossModalFusion))

        def watched(text: "Tensor", frames: "Tensor", mask: "Tensor") -> "Tensor":
            seen["f_BTM"] = CrossModalFusion.attention(fusion, text, frames, mask)
            return seen["f_BTM"]

        object.__setattr__(fusion, "attention", watched)
        try:
            memory = system.encode(batch)
        finally:
            object.__delattr__(fusion, "attention")
    else:
        memory = system.encode(batch)
    output = system.text(
        attention_mask=memory.mask_BS,
        encoder_outputs=BaseModelOutput(last_hidden_state=memory.states_BSH),
        labels=batch.labels_BL,
        output_attentions=True,
    )
    c_BLS = output.cross_attentions[-1].float().mean(dim=1)
    return c_BLS, c_BLS @ seen["f_BTM"].float() if seen else None


def _by_entity(
    text: str, offsets: Sequence[tuple[int, int]], weights_LM: "Tensor", names: frozenset[str]
) -> dict[str, list[float]]:
    """The mean over the tokens of each entity that the text names, wherever it does."""
    places: dict[str, list[int]] = {}
    for mention in mentions(text, names):
        inside = [place for place, (start, end) in enumerate(offsets) if start < mention.end and end > mention.start]
        places.setdefault(mention.name, []).extend(inside)
    return {name: [round(value, _DIGITS) for value in weights_LM[tokens].mean(dim=0).tolist()] for name, tokens in places.items()}


def _seconds(folder: Path) -> dict[str, dict[tuple[str, int], float]]:
    """The time of every frame of a video in `folder`, by video and number of the frame, in the order of the video."""
    table = read_features(folder, ("video_id", "frame_index", "pts_seconds"))
    found: dict[str, dict[tuple[str, int], float]] = {}
    for video, index, time in zip(*(column.to_pylist() for column in table.columns), strict=True):
        found.setdefault(video, {})[video, index] = time
    return found


def _shown(truth: Path) -> Mapping[tuple[str, int], frozenset[str]]:
    """What each frame shows, from the features that cannot err; none where there are none."""
    import numpy as np

    files = listed(truth, "*.parquet")
    if not files:
        return {}
    names = [name for name in read_footer(files[0])["entities"].split(", ") if name]  # the same in all of them
    table = read_features(truth, ("video_id", "frame_index", "embedding"))
    values: Any = table.column("embedding").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    keys = zip(table.column("video_id").to_pylist(), table.column("frame_index").to_pylist(), strict=True)
    return {
        key: frozenset(names[place] for place in np.flatnonzero(vector))
        for key, vector in zip(keys, values.reshape(len(table), -1), strict=True)
    }
