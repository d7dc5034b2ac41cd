"""Wherever shards are worked on, what comes out is the same, byte by byte; what goes wrong is said in the same words."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.base.engines.engine import WorkerDiedError, choose_engine
from pipeline.base.params import Frames
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.base.scratch import scratch_folder
from pipeline.encoders.encoder import save_encoder
from pipeline.features.extraction import extract_features
from pipeline.frames.sampling import sample_corpus
from pipeline.speech.transcribe import hear_videos
from tests import toys
from tests.base.engines import work
from tests.drawn_videos import draw_video
from tests.speech.spoken import NO_MODEL, NO_SPEAKER, SENTENCES, SETTINGS, put_model, spoken

PACKAGES = {"ray": "ray", "slurm": "submitit"}
ELSEWHERE = [
    pytest.param(
        engine, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed (extra {engine})")
    )
    for engine, package in PACKAGES.items()
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield tmp_path


def run(
    what: Callable[..., Any], engine: str, *, items: int = 10, **changes: Any
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Summaries and files of shards of two items each."""
    shards = split_into_shards(list(range(items)), size=2, suffix=".txt")
    chosen = choose_engine(work.runtime(engine, **changes))
    with scratch_folder("s", f"{engine}{what.__name__}") as folder:
        summaries = run_shards(what, shards, folder=folder, workers=2, unit="item", title="work", engine=chosen)
        return summaries, {path.name: timeless(path) for path in folder.iterdir() if path.suffix in (".txt", ".json")}


def timeless(path: Path) -> bytes:
    """A file, or a mark without the seconds that its shard took, which no two runs share."""
    if path.suffix != ".json":
        return path.read_bytes()
    return json.dumps(
        {key: value for key, value in json.loads(path.read_bytes()).items() if key in ("summary", "files")}
    ).encode()


@pytest.mark.parametrize("engine", ELSEWHERE)
def test_shards_marks_and_summaries_are_those_of_local_processes(engine: str, project: Path) -> None:
    assert run(work.write, engine) == run(work.write, "local")
    assert run(work.write, engine)[0] == [{"items": 2, "folder": str(project)}] * 5, "nothing is worked on again"


@pytest.mark.parametrize("engine", ["local", *ELSEWHERE])
def test_an_error_of_the_work_is_raised_as_it_is_and_what_is_done_stays(engine: str) -> None:
    with pytest.raises(ValueError, match=r"^item 4 is refused; mend it$"):
        run(work.refuse, engine)
    done = [path for path in Path(".scratch/s").rglob("*.txt") if not path.name.startswith(".")]
    assert "00002.txt" not in [path.name for path in done]


@pytest.mark.parametrize("engine", ["local", *ELSEWHERE])
def test_a_worker_that_dies_is_told_with_what_it_worked_on(engine: str) -> None:
    with pytest.raises(
        WorkerDiedError, match=r"^work: .* while it worked on one of .*0000.*lower runtime\.workers.*goes on from there"
    ):
        run(work.die, engine)


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    told = {
        "127.0.0.1:1": "no Ray cluster answers at 127.0.0.1:1",
        "ray://x:1": "is no host:port",
        "here": "no Ray cluster answers",
    }
    for address, words in told.items():
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(RuntimeError, match=f"^RAY_ADDRESS: .*{re.escape(words)}"):
            run(work.write, "ray")


def test_an_engine_that_is_not_installed_says_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for engine, package in PACKAGES.items():
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(RuntimeError, match=rf"runtime\.engine: {engine}: .* cannot be imported .*the extra {engine}"):
            run(work.write, engine)


def seen(engine: str, project: Path) -> dict[str, bytes]:
    """Frames and features of the videos of the project, as bytes."""
    chosen, settings = (
        work.runtime(engine, extraction_batch_size=4),
        Frames(count=5, short_side=24, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=1.0),
    )
    paths = sorted(project.glob("*.mp4"))
    corpus = pd.DataFrame([[path.stem, path.name, "ok"] for path in paths], columns=["video_id", "video_path", "status"])
    out = project / f"seen-{engine}"
    sample_corpus(corpus, out / "frames", settings=settings, workers=2, engine=choose_engine(chosen))
    extract_features(out / "frames", out / "features", weights=project / "weights", runtime=chosen)
    return contents(out)


def heard(engine: str, project: Path) -> dict[str, bytes]:
    """Transcripts."""
    videos = [(path.stem, path.name) for path in sorted(project.glob("*.mp4"))]
    out, chosen = project / f"heard-{engine}", choose_engine(work.runtime(engine))
    hear_videos(videos, out, settings=SETTINGS, device="cpu", workers=2, engine=chosen)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def everywhere(make: Callable[[str, Path], dict[str, bytes]], project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What `make` gives, the same under every engine that is installed."""
    found = {}
    for engine in ("local", *(engine for engine, package in PACKAGES.items() if find_spec(package))):
        monkeypatch.setenv("DVC_ROOT", str(project / f"scratch-{engine}"))
        found[engine] = make(engine, project)
    assert all(files == found["local"] for files in found.values())
    return found["local"]


def test_frames_and_features_are_the_same_bytes_everywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_encoder(toys.ENCODER, toys.encoder().module, project / "weights", source={"source": "test"})
    for number in range(20):
        draw_video(project / f"v{number:02d}.mp4", frames=30)
    assert len(everywhere(seen, project, monkeypatch)) == 2 + 1 + 2 + 1  # shards and a summary, shards and digests


@NO_MODEL
@NO_SPEAKER
def test_transcripts_are_the_same_bytes_everywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_model(project)
    for number in range(9):
        draw_video(project / f"v{number:02d}.mp4", frames=30, samples=spoken(SENTENCES[number % 3], project))
    assert len(everywhere(heard, project, monkeypatch)) >= 2
