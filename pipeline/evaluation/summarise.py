"""What one trained seed says about every video of the test split."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.device import choose_device
from pipeline.base.files import write_json_lines
from pipeline.base.params import Params
from pipeline.base.paths import CORPUS
from pipeline.corpus.table import read_corpus
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import load
from pipeline.training.batches import load_tokenizer, read_examples
from pipeline.training.generation import summarise
from pipeline.training.table_row import Row, open_frame_inputs

Change = Callable[[FrameInputs, Sequence[str]], FrameInputs]


def summarise_seed(row: Row, seed: int, path: Path, *, params: Params, change: Change | None) -> dict[str, Any]:
    """Write the summaries to `path` as JSON Lines; returns the seed, the number of videos, and how many texts were cut.

    `change` gives the frames as a control shows them to the videos of the split; None: the videos' own.
    """
    study, device = params.current, choose_device(params.runtime.device)
    tokenizer = load_tokenizer(row.tokenizer)
    examples = read_examples(read_corpus(CORPUS), "test", text=study.text, tokenizer=tokenizer)
    frame_inputs = open_frame_inputs(row)
    if change is not None:
        assert frame_inputs is not None, "a control of a row without frames is refused before"
        frame_inputs = change(frame_inputs, examples.video_ids)
    texts = summarise(
        load(row.folder / str(seed)).to(device),
        examples,
        frame_inputs,
        tokenizer=tokenizer,
        settings=study.generate,
        device=device,
        batch_size=params.runtime.generation_batch_size,
    )
    lines = zip(examples.video_ids, texts, examples.references, strict=True)
    write_json_lines(
        path, ({"video_id": video, "seed": seed, "prediction": text, "reference": reference} for video, text, reference in lines)
    )
    return {"seed": seed, "videos": len(examples), "truncated": examples.truncated}
