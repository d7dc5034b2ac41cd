"""What a stage reads of another's outputs: damaged, it is an error that names the file and the command that makes it anew."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from pipeline.base.params import Frames
from pipeline.corpus.table import Video, read_batches, read_corpus, write_corpus
from pipeline.encoders.encoder import load_encoder, read_parameters, save_encoder
from pipeline.features.frame_inputs import open_features
from pipeline.features.schema import feature_schema
from pipeline.frames.sampling import sample_corpus
from pipeline.frames.store import FrameStore
from pipeline.models.parts.summarizer import load, save
from pipeline.training.batches import load_tokenizer
from tests.drawn_videos import draw_video
from tests.toys import ENCODER, WIDTH, clipsum, encoder, model_settings, text_model


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def nothing_in_it(path: Path) -> None:
    path.write_text("{}")


def a_list(path: Path) -> None:
    path.write_text("[1, 2]")


DAMAGE = [cut, empty, noise, nothing_in_it, a_list]


def make_corpus(folder: Path) -> Callable[[], Any]:
    path = folder / "corpus.parquet"
    texts = [{"transcript": "stir " * number, "transcript_origin": "human"} if number else {} for number in range(300)]
    write_corpus([Video(f"v{number}", "train", "a.mp4", **text) for number, text in enumerate(texts)], path)
    return lambda: (read_corpus(path), list(read_batches(path, ["transcript"])))


def make_features(folder: Path) -> Callable[[], Any]:
    footer = {"encoder": "clip_vit_b32", "frames_per_video": "4"}
    schema = feature_schema(WIDTH, footer)
    columns = [["a"] * 4, list(range(4)), [0.0] * 4, [[float(number)] * WIDTH for number in range(4)]]
    pq.write_table(
        pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema),
        folder / "0.parquet",
    )
    return lambda: open_features(folder)


def make_frames(folder: Path) -> Callable[[], Any]:
    import pandas as pd

    video = str(draw_video(folder.parent / "a.mp4", frames=8))
    corpus = pd.DataFrame({"video_id": ["a"], "split": "train", "video_path": [video], "status": "ok"})
    sample_corpus(
        corpus,
        folder,
        settings=Frames(count=4, short_side=48, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=0.5),
        workers=1,
    )
    return lambda: FrameStore(folder).images("a")


def make_encoder(folder: Path) -> Callable[[], Any]:
    save_encoder(ENCODER, encoder().module, folder, source={})
    return lambda: (read_parameters(folder), load_encoder(folder))


def make_model(folder: Path) -> Callable[[], Any]:
    save(clipsum(folder.parent / "text"), folder)
    return lambda: load(folder)


def make_text_model(folder: Path) -> Callable[[], Any]:
    from pipeline.models.parts.summarizer import create

    text_model(folder)
    return lambda: create("bart", text_folder=folder, settings=model_settings())


def make_tokenizer(folder: Path) -> Callable[[], Any]:
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0}, "a"))).save_pretrained(folder)
    return lambda: load_tokenizer(folder)


STORES = {
    "corpus/corpus.parquet": (make_corpus, "transcribe"),
    "features/clip_vit_b32/0.parquet": (make_features, "extract_features@clip_vit_b32"),
    "frames/summary.json": (make_frames, "sample_frames"),
    "frames/00000.parquet": (make_frames, "sample_frames"),
    "weights/clip_vit_b32/encoder.safetensors": (make_encoder, "weights@clip_vit_b32"),
    "weights/clip_vit_b32/encoder.json": (make_encoder, "weights@clip_vit_b32"),
    "models/clipsum/0/model.safetensors": (make_model, "--glob 'train*@clipsum'"),
    "models/clipsum/0/config.json": (make_model, "--glob 'train*@clipsum'"),
    "weights/bart/model.safetensors": (make_text_model, "weights@bart"),
    "weights/bart/config.json": (make_text_model, "weights@bart"),
    "models/clipsum/tokenizer/tokenizer.json": (make_tokenizer, "--glob 'train*@clipsum'"),
}


@pytest.mark.parametrize("place", STORES)
def test_damage_is_an_error_that_names_the_file_and_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    make, stage = STORES[place]
    path = Path(place)
    path.parent.mkdir(parents=True)
    read = make(path.parent)
    read()
    whole = path.read_bytes()
    named = path if path.suffix in (".parquet", ".json") and "bart" not in place else path.parent
    for damage in DAMAGE:
        path.unlink()
        path.write_bytes(whole)
        damage(path)
        with pytest.raises(ValueError, match=re.escape(str(named.parent if "tokenizer" in place else named))) as told:
            read()
        assert f"run `dvc repro --force {stage}`" in str(told.value), damage.__name__
