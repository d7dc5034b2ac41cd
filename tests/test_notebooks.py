"""The notebooks run from top to bottom on small data of the pipeline's own layout, and carry no output of some run."""

import io
import os
from pathlib import Path

import nbformat
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nbclient import NotebookClient
from PIL import Image

from pipeline.corpus.table import Video, write_corpus
from tests.report_inputs import SYSTEMS, write_row

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some rows of the table, four videos and the frames of two."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel shows plots itself
    for row in ("bart", "clipsum", "clipsum_swapped"):
        write_row(tmp_path, row, SYSTEMS[row])
    references = ["Fry the onion and serve.", "Boil rice, add salt.", "Cut a tomato.", "Whisk three eggs."]
    videos = [
        Video(
            video_id=f"v{number}", split=split, video_path=f"v{number}.mp4", recipe="soup", duration_seconds=9.0,
            steps=["fry the onion", "serve"], segments=[(0.0, 4.0), (4.0, 9.0)], transcript="fry this and serve",
            transcript_origin="human", summary=text,
        )
        for number, (split, text) in enumerate(zip(("train", "train", "validation", "test"), references, strict=True))
    ]  # fmt: skip
    write_corpus(videos, tmp_path / "data" / "corpus" / "corpus.parquet")
    stream = io.BytesIO()
    Image.fromarray(np.zeros((24, 32, 3), dtype=np.uint8)).save(stream, format="JPEG")
    frames = {"video_id": ["v0"] * 3 + ["v1"] * 2, "frame_index": pa.array([0, 4, 8, 0, 8], pa.int32())}
    frames |= {"pts_seconds": [0.0, 1.0, 2.0, 0.0, 2.0], "image": [stream.getvalue()] * 5}
    (tmp_path / "data" / "frames").mkdir()
    pq.write_table(pa.table(frames), tmp_path / "data" / "frames" / "00000.parquet")
    (tmp_path / "notebooks").mkdir()
    return tmp_path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, project: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(project / "notebooks")}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any(output.output_type == "display_data" for output in outputs), "plots"
    text = "".join(output.get("text", "") for output in outputs)
    assert "clipsum is better on" in text if path.stem.startswith("01") else "fry this and serve" in text


def test_both_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01_results", "02_dataset"]
