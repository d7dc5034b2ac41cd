"""CLIPScore on a mini CLIP: the cosine by hand, frames pooled at unit length, and encoders that have no text side."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.encoders.encoder import MINI, EncoderSpec, save_encoder
from pipeline.evaluation.clipscore import PROMPT, ClipScorer, open_clipscore
from pipeline.features.frame_inputs import FrameInputs
from pipeline.features.schema import feature_schema
from pipeline.scoring.statistics import Floats

CPU = torch.device("cpu")
DIM = 8
FULL = EncoderSpec(
    "clip_vit_b32", "full", "open_clip", "toy-clip", {}, DIM, 32, 32, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5),
    repository="toys/clip", file="open_clip_model.safetensors",
)  # fmt: skip


def frames(**videos: list[list[float]]) -> FrameInputs:
    values = np.array([row for rows in videos.values() for row in rows], dtype=np.float16)
    lengths = {video: len(rows) for video, rows in videos.items()}
    starts = dict(zip(lengths, np.cumsum([0, *lengths.values()])[:-1].tolist(), strict=True))
    return FrameInputs(values, starts, lengths, max(lengths.values()), {})


def embed(texts: list[str]) -> Floats:
    """Texts point where their last word says, at any length."""
    directions = {"right": [5.0, 0.0], "up": [0.0, 0.1], "left": [-1.0, 0.0]}
    return np.array([directions.get((text.split() or [""])[-1], [0.0, 0.0]) for text in texts])


def scorer(**videos: list[list[float]]) -> ClipScorer:
    return ClipScorer(frames(**videos), embed, encoder="toy", digest="abc")  # type: ignore[arg-type]


def test_a_value_by_hand() -> None:
    """Two frames, one ten times as long as the other, count alike: their mean points between them."""
    between = scorer(a=[[10.0, 0.0], [0.0, 1.0]], b=[[1.0, 0.0]])
    assert between.score(["right", "up", "right", "left"], ["a", "a", "b", "b"]) == pytest.approx(
        [250 * 0.5**0.5, 250 * 0.5**0.5, 250, 0]
    )
    assert between.score(["", "  "], ["a", "b"]) == [0, 0], "an empty summary says nothing of the frames"


def test_texts_begin_as_in_the_source() -> None:
    seen: list[str] = []

    def note(texts: Any) -> Floats:
        seen.extend(texts)
        return np.ones((len(texts), 2))

    found = ClipScorer(frames(a=[[1.0, 1.0]]), note, encoder="toy", digest="abc")
    assert found.score(["an egg"], ["a"]) == pytest.approx([250])
    assert seen == ["A photo depicts an egg"] and PROMPT.strip() in found.signature
    assert found.has("a") and not found.has("b")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny CLIP as open_clip knows others: its published file, the folder of its image side, and features of two videos."""
    import open_clip
    from safetensors.torch import save_file

    from pipeline.base.scratch import file_sha256

    monkeypatch.chdir(tmp_path)
    config = {
        "embed_dim": DIM,
        "vision_cfg": {"layers": 1, "width": 16, "head_width": 8, "patch_size": 16, "image_size": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
    }
    (tmp_path / "toy-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "toy-clip.json")
    torch.manual_seed(0)
    model = open_clip.create_model("toy-clip", pretrained=None)
    path = tmp_path / "data" / "inputs" / "weights" / FULL.repository / FULL.file
    path.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    save_encoder(FULL, model.visual, tmp_path / "weights", source={"sha256": file_sha256(path)})
    footer = {"encoder": "toy", "frames_per_video": "1"}
    text = model.encode_text(open_clip.get_tokenizer("toy-clip")([PROMPT + "an egg"])).detach().numpy().astype(np.float16)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate([text[0], -text[0]])), DIM)
    columns = [pa.array(["a", "b"]), pa.array([0, 0], pa.int32()), pa.array([0.0, 0.0]), vectors]
    (tmp_path / "features").mkdir()
    pq.write_table(pa.Table.from_arrays(columns, schema=feature_schema(DIM, footer)), tmp_path / "features" / "0.parquet")
    return tmp_path


def test_the_text_side_is_that_of_the_published_file(project: Path) -> None:
    found = open_clipscore(project / "weights", project / "features", CPU)
    assert found.score(["an egg", "an egg"], ["a", "b"]) == pytest.approx([250, 0], abs=0.1)
    assert found.score(["a tomato"], ["a"])[0] < 249.9
    assert "toys/clip (toy-clip)" in found.signature
    assert len(found.score(["word " * 200], ["a"])) == 1, "a long summary is cut"


def test_another_file_than_that_of_the_image_side_is_refused(project: Path) -> None:
    about = json.loads((project / "weights" / "encoder.json").read_text())
    about["source"]["sha256"] = "0" * 64
    (project / "weights" / "encoder.json").write_text(json.dumps(about))
    with pytest.raises(RuntimeError, match=r"the image side came from 0{64}; run `dvc repro -f weights@clip_vit_b32`"):
        open_clipscore(project / "weights", project / "features", CPU)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (MINI["clip_vit_b32"], "at scale mini foundation/ ships image sides alone"),
        (replace(FULL, name="resnet152"), "and resnet152 has none; clip_vit_b32 has one"),
        (replace(FULL, name="random_vit_b32"), "and random_vit_b32 has none"),
        (replace(FULL, architecture="ViT-B-16-SigLIP"), "needs a tokenizer that open_clip does not bring along"),
    ],
)
def test_an_encoder_without_a_text_side_is_refused_and_no_figure_made_up(project: Path, spec: EncoderSpec, message: str) -> None:
    save_encoder(spec, torch.nn.Linear(1, 1), project / "other", source={"sha256": ""})
    with pytest.raises(ValueError, match=f"extra_metrics: clipscore .*{message}"):
        open_clipscore(project / "other", project / "features", CPU)
