"""The encoder that cannot err: what a frame shows follows from the annotated step that it falls into."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import CORPUS, DOWNLOADED, FEATURES, FRAMES, WEIGHTS
from pipeline.corpus.table import Video, write_corpus
from pipeline.evaluation.probe import probe_encoders
from pipeline.features.frame_inputs import open_features
from pipeline.features.oracle import write_oracle_features
from pipeline.features.schema import feature_schema, read_footer
from pipeline.frames.store import SCHEMA, SUMMARY

ROOT = Path(__file__).parents[2]


def write_frames(times: dict[str, list[float]]) -> None:
    rows = [(video, number, seconds, b"x") for video, found in times.items() for number, seconds in enumerate(found)]
    columns = [pa.array(values) for values in zip(*rows, strict=True)]
    FRAMES.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table([column.cast(field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA), FRAMES / "0.parquet"
    )
    write_json(
        FRAMES / SUMMARY, {"keep": True, "count": max(map(len, times.values())), "short_side": 64, "videos": [], "sha256": {}}
    )


def oracle() -> dict[str, Any]:
    return write_oracle_features(FRAMES, FEATURES / "oracle", params=load_params(ROOT), weights=WEIGHTS)


def video(name: str, split: str, *steps: str, entities: tuple[str, ...] = ("egg", "fish", "leek")) -> Video:
    segments = tuple((2.0 * number, 2.0 * number + 2) for number in range(len(steps)))
    return Video(
        name, split, "", steps=steps, segments=segments, entities=entities, summary="s", transcript="t", transcript_origin="human"
    )


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_a_frame_shows_what_its_step_names() -> None:
    write_corpus(
        [video("a", "train", "fry the egg", "cut leeks and fish", "serve"), video("b", "test", "boil the fish")], DOWNLOADED
    )
    write_frames({"a": [0.0, 1.9, 2.0, 4.5, 6.0, 9.0], "b": [2.0]})
    totals = oracle()
    assert totals == {"frames": 7, "shown": 4, "dim": 3}
    inputs = open_features(FEATURES / "oracle")
    frames, mask = inputs.gather(["a", "b"])
    assert inputs.width == 8, "filled up, so that attention heads divide it"
    egg, fish, leek, nothing = [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]
    both = [a + b for a, b in zip(fish, leek, strict=True)]
    assert frames[0, :, :3].tolist() == [egg, egg, both, nothing, nothing, nothing]
    assert frames[1, 0, :3].tolist() == fish, "the end of the last step belongs to it"
    assert mask[1].tolist() == [True] + [False] * 5 and not frames[..., 3:].any()
    footer = read_footer(FEATURES / "oracle" / "0.parquet")
    assert footer["encoder"] == "oracle" and footer["entities"] == "egg, fish, leek"


def test_without_entities_it_knows_nothing_and_says_so() -> None:
    write_corpus([video("a", "train", "fry the egg", entities=())], DOWNLOADED)
    write_frames({"a": [0.0]})
    assert oracle() == {"frames": 1, "shown": 0, "dim": 0}
    assert not open_features(FEATURES / "oracle").values.any()


def write_features(name: str, values: np.ndarray, times: dict[str, list[float]]) -> None:
    rows = [(video, number, seconds) for video, found in times.items() for number, seconds in enumerate(found)]
    schema = feature_schema(values.shape[1], {"encoder": name})
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float16).reshape(-1)), values.shape[1])
    columns = [pa.array(column).cast(field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=False)]
    (FEATURES / name).mkdir(parents=True)
    pq.write_table(pa.table([*columns, vectors], schema=schema), FEATURES / name / "0.parquet")


def test_a_probe_tells_features_that_know_from_features_that_do_not() -> None:
    foods = ("egg", "fish", "leek")
    videos = [
        video(f"v{n:02d}", "train" if n < 20 else "test", f"fry the {foods[n % 3]}", "serve", entities=foods) for n in range(40)
    ]
    write_corpus(videos, DOWNLOADED)
    write_corpus(videos, CORPUS)
    times = {each.video_id: [0.0, 1.0, 3.0] for each in videos}
    write_frames(times)
    oracle()
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(120, 6))
    known = noise.copy()
    for row in range(120):
        known[row, (row // 3) % 3] += 9
    write_features("good", known, times)
    write_features("blind", noise, times)
    found = probe_encoders({name: FEATURES / name for name in ("good", "blind")}, truth=FEATURES / "oracle")
    assert (found["train_frames"], found["test_frames"]) == (40, 40), "the last step shows nothing, so its frames do not count"
    assert found["accuracy"]["good"] > 95 > 60 > found["accuracy"]["blind"]


def test_a_probe_without_entities_has_no_figure() -> None:
    for path in (DOWNLOADED, CORPUS):
        write_corpus([video("a", "train", "fry the egg", entities=())], path)
    write_frames({"a": [0.0]})
    oracle()
    assert probe_encoders({}, truth=FEATURES / "oracle") == {"train_frames": 0, "test_frames": 0, "accuracy": {}}
