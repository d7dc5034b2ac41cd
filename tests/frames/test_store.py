"""A store that is damaged, or whose files do not belong together, says which file and what to run."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.params import Frames
from pipeline.frames.sampling import sample_corpus
from pipeline.frames.store import FrameStore
from tests.drawn_videos import draw_video

SETTINGS = Frames(count=6, short_side=48, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=0.5)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    paths = [str(draw_video(tmp_path / f"{name}.mp4", frames=8)) for name in ("one", "two")] + [str(tmp_path / "gone.mp4")]
    return pd.DataFrame({"video_id": ["one", "two", "gone"], "split": "train", "video_path": paths, "status": "ok"})


def test_a_broken_store_says_which_file_and_which_stage(corpus: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    with pytest.raises(FileNotFoundError, match=r"frames/summary\.json is missing; run `dvc repro sample_frames`"):
        FrameStore(folder)
    sample_corpus(corpus, folder, settings=SETTINGS, workers=1)
    with pytest.raises(ValueError, match="no frames of video 'gone'"):
        FrameStore(folder).images("gone")
    shard = folder / "00000.parquet"
    whole = shard.read_bytes()
    shard.unlink()
    with pytest.raises(ValueError, match=r"other shards than summary\.json says; .* sample_frames"):
        FrameStore(folder)
    shard.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"00000\.parquet: cannot be read .* --force sample_frames"):
        FrameStore(folder).images("one")
    pq.write_table(pa.table({"video_id": ["one"]}), shard)
    with pytest.raises(ValueError, match=r"columns are not those of a frame store"):
        FrameStore(folder).images("one")


def test_a_shard_that_holds_other_videos_is_told(corpus: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    sample_corpus(corpus, folder, settings=SETTINGS, workers=1)
    shard = folder / "00000.parquet"
    first = pq.ParquetFile(shard).read_row_group(0)
    shard.unlink()
    pq.write_table(first, shard)
    store = FrameStore(folder)
    here, gone = store.video_ids
    assert len(store.images(here)) == len(first)
    with pytest.raises(ValueError, match=r"00000\.parquet holds other videos than summary\.json says"):
        store.images(gone)
    other = first.set_column(0, "video_id", [["another"] * len(first)])
    pq.write_table(other, shard)
    with pytest.raises(ValueError, match=rf"row group 0 is not video '{here}', as summary\.json says"):
        store.images(here)


def test_opening_a_store_reads_no_shard(corpus: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "frames"
    sample_corpus(corpus, folder, settings=SETTINGS, workers=1)
    opened = []
    real = pq.ParquetFile
    monkeypatch.setattr(pq, "ParquetFile", lambda path, **options: opened.append(path.name) or real(path, **options))
    store = FrameStore(folder)
    assert not opened, "else ten thousand shards take a quarter of a minute"
    assert len(store.images("one")) == 6
    assert opened == ["00000.parquet"]
