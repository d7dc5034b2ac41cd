"""The project with a few rows, a tiny encoder and short summaries: a rehearsal of it takes a minute or two."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.rehearsal.architectures import Shapes
from pipeline.rehearsal.scratch_project import CODE, FILES
from pipeline.rehearsal.videos import Handful
from tests.parameters import ROOT, edit

ENCODER = "timm:test_vit.r160_in1k"  # 0.4 million parameters, on the hub like every encoder of timm
TEXT_ROWS, ROWS = ("t5",), ("clipsum",)
HANDFUL = Handful(train=4, validation=2, test=2, lengths=(2, 3), size=(96, 72), fps=10)
SHAPES = Shapes(
    bart={
        "vocab_size": 1200, "d_model": 32, "max_position_embeddings": 256, "decoder_layers": 2,
        "encoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_attention_heads": 4, "decoder_ffn_dim": 64,
    },
    t5={"vocab_size": 1200, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
)  # fmt: skip
WITHOUT = ("control", "probe")  # they need more rows and encoders


def small_project(folder: Path) -> Path:
    """What a rehearsal copies of a project, with all of it made small."""
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    edit(ROOT / "params.yaml", folder / "params.yaml", lambda dials: dials.update(encoder=ENCODER))
    edit(ROOT / "dvc.yaml", folder / "dvc.yaml", lambda pipeline: leave_out(pipeline["stages"], TEXT_ROWS, ROWS))
    edit(ROOT / "studies" / "youcook2.yaml", folder / "studies" / "youcook2.yaml", make_small)
    return folder


def leave_out(stages: Any, text_rows: Sequence[str], rows: Sequence[str]) -> None:
    """Keep these rows, whose encoder is the one under study, and what they need."""
    for name in WITHOUT:
        del stages[name]
    for stage, kept in (("train_text", text_rows), ("train", rows)):
        for row in [row for row in stages[stage]["foreach"] if row not in kept]:
            del stages[stage]["foreach"][row]
    stages["weights"]["foreach"] = ["bart", "t5", "${encoder}"]
    stages["extract_features"]["foreach"] = ["${encoder}"]


def make_small(study: Any) -> None:
    study["frames"].update(count=4, short_side=64)
    study["generate"].update(beams=2, max_tokens=8)
    study["train"].update(batch_size=4)
    study["text"].update(max_source_tokens=128, max_target_tokens=64)
    study["bootstrap_resamples"] = 100
