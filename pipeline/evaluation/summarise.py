"""What one trained seed says about every video of the test split."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline.base.device import choose_device, mixed_precision
from pipeline.base.files import write_json_lines
from pipeline.base.params import Params
from pipeline.base.paths import CORPUS
from pipeline.corpus.table import usable_parts
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import load
from pipeline.models.parts.vision import VisionSummarizer
from pipeline.scoring.entity import known_entities
from pipeline.training.batches import load_tokenizer, read_examples
from pipeline.training.generation import summarise
from pipeline.training.table_row import Row, open_frame_inputs


class Change(Protocol):
    """What a control does to the frames of the videos of a split."""

    def __call__(
        self, frames: FrameInputs, video_ids: Sequence[str], *, entities: Mapping[str, Collection[str]], draw: int
    ) -> FrameInputs: ...


def summarise_seed(row: Row, seed: int, path: Path, *, params: Params, change: Change | None, draws: int = 1) -> dict[str, Any]:
    """Write the summaries to `path` as JSON Lines; returns the seed, the number of videos, and how many texts were cut.

    `change` gives the frames as a control shows them to the videos of the split (None: the videos' own), with their entities
    and the number of the draw. Each of the `draws` is a summary more, told by `draw` if there are several.
    """
    study, device = params.current, choose_device(params.runtime.device)
    tokenizer = load_tokenizer(row.tokenizer)
    examples = read_examples(usable_parts(CORPUS, "test", source=row.source(study)), text=study.text, tokenizer=tokenizer)
    system, frame_inputs = load(row.folder / str(seed)).to(device), open_frame_inputs(row)
    if isinstance(system, VisionSummarizer) and frame_inputs is not None:
        with mixed_precision(device):
            frame_inputs = system.embedded(frame_inputs, examples.video_ids)
    known = known_entities(CORPUS, "test")
    lines: list[dict[str, Any]] = []
    for draw in range(draws):
        shown = frame_inputs
        if change is not None:
            assert frame_inputs is not None, "a control of a row without frames is refused before"
            shown = change(frame_inputs, examples.video_ids, entities=known.of if known is not None else {}, draw=draw)
        texts = summarise(
            system,
            examples,
            shown,
            tokenizer=tokenizer,
            settings=study.generate,
            device=device,
            batch_size=params.runtime.generation_batch_size,
        )
        told = {"draw": draw} if draws > 1 else {}
        lines += (
            {"video_id": video, "seed": seed} | told | {"prediction": text, "reference": reference}
            for video, text, reference in zip(examples.video_ids, texts, examples.references, strict=True)
        )
    write_json_lines(path, lines)
    return {"seed": seed, "videos": len(examples), "truncated": examples.truncated}
