"""VideoXum in its published layout: three lists of videos, sentences with the part that each is about."""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.base.dataset_params import VideoXumDataset
from pipeline.corpus.table import Video, write_corpus
from pipeline.corpus.videoxum import FILES, read_videos
from tests.drawn_videos import draw_video

COMMIT = "c9f0497a3e53b6c776db8f1efcd975242ccad364"


def entry(video_id: str, *sentences: str, **changes: Any) -> dict[str, Any]:
    stamps = [[5.0 * place, 5.0 * place + 6.0] for place in range(len(sentences))]
    return {
        "video_id": video_id, "duration": 82.73, "sampled_frames": 83, "timestamps": stamps, "tsum": list(sentences),
        "vsum": [[[7.01, 12.37]] * 10] * len(sentences), "vsum_onehot": [[0, 1, 1]] * 10, **changes,
    }  # fmt: skip


SPLITS: dict[str, list[Any]] = {
    "train": [entry("v_aaaaaaaaaaa", " A woman  dances.", "She ends on the floor"), entry("v_-bbbbbbbbbb", "A man rows.")],
    "validation": [entry("v_ccccccccccc", "A dog runs.")],
    "test": [entry("v_ddddddddddd", "A girl sings.")],
}


def put(folder: Path, splits: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, content in splits.items():
        (folder / FILES[split]).write_text(json.dumps(content))
    return folder


def dataset(folder: Path, **changes: object) -> VideoXumDataset:
    values: dict[str, object] = {
        "name": "videoxum", "folder": str(folder), "repository": "jylins/videoxum", "revision": COMMIT,
        "sha256": dict.fromkeys(FILES.values(), ""), "videos": None, "subtitles": False, "transcripts": ["files", "subtitles"],
        "transcripts_by": "human", "entities": "", "max_failed_share": 0.5,
    }  # fmt: skip
    return VideoXumDataset.model_validate(values | changes)


def rows(settings: VideoXumDataset) -> dict[str, Video]:
    videos = read_videos(settings)
    write_corpus(videos, Path(settings.folder) / "corpus.parquet")  # it refuses what no table may have
    return {video.video_id: video for video in videos}


def test_sentences_are_joined_to_the_reference_and_keep_their_parts(tmp_path: Path) -> None:
    put(tmp_path, SPLITS)
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "v_aaaaaaaaaaa.txt").write_text("look at me\n")
    (tmp_path / "transcripts" / "-bbbbbbbbbb.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nrow row\n")
    found = rows(dataset(tmp_path))
    assert {key: video.split for key, video in found.items()} == {
        "v_aaaaaaaaaaa": "train", "v_-bbbbbbbbbb": "train", "v_ccccccccccc": "validation", "v_ddddddddddd": "test",
    }  # fmt: skip
    dance = found["v_aaaaaaaaaaa"]
    assert dance.summary == "A woman dances. She ends on the floor."
    assert (dance.steps, dance.segments) == (("A woman dances.", "She ends on the floor"), ((0.0, 6.0), (5.0, 11.0)))
    assert (dance.duration_seconds, dance.transcript, dance.transcript_origin) == (82.73, "look at me", "human")
    row = found["v_-bbbbbbbbbb"]
    assert (row.transcript, row.transcript_origin, row.status) == ("row row", "subtitles", "ok")
    assert found["v_ccccccccccc"].transcript == found["v_ccccccccccc"].transcript_origin == ""


class Hub(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        split = next((split for split, name in FILES.items() if self.path.endswith(f"/{name}")), None)
        content = json.dumps(SPLITS[split]).encode() if split else b""
        self.send_response(200 if split else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Hub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()


@pytest.mark.usefixtures("hub")
def test_files_come_from_the_hub_at_the_commit_and_with_the_sha256_of_the_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = read_videos(dataset(put(tmp_path / "local", SPLITS)))
    sha256 = {FILES[split]: hashlib.sha256(json.dumps(content).encode()).hexdigest() for split, content in SPLITS.items()}
    capsys.readouterr()
    assert read_videos(dataset(tmp_path / "fetched", sha256=sha256)) == expected
    assert capsys.readouterr().out.count("warning") == 0
    assert Hub.asked == [f"/datasets/jylins/videoxum/resolve/{COMMIT}/{name}" for name in FILES.values()]
    read_videos(dataset(tmp_path / "unpinned", sha256=sha256 | {"val_videoxum.json": ""}))
    told = capsys.readouterr().out
    assert "dataset.sha256.val_videoxum.json is empty" in told and sha256["val_videoxum.json"] in told
    with pytest.raises(RuntimeError, match=r"test_videoxum\.json: sha256 is .*, expected 0000.*of the hub's dataset"):
        read_videos(dataset(tmp_path / "other", sha256=sha256 | {"test_videoxum.json": "0" * 64}))
    with pytest.raises(ValueError, match=r"dataset\.sha256: test_videoxum\.json is missing"):
        read_videos(dataset(tmp_path / "fetched", sha256=dict.fromkeys(list(FILES.values())[:2], "")))


HOSTILE: list[tuple[Any, str]] = [
    (["v_eeeeeeeeeee"], "train_videoxum.json[4]: expected an object"),
    (entry("../../etc/passwd", "x."), "video id '../../etc/passwd' is refused"),
    (entry("", "x."), "video id '' is refused"),
    (entry("v_eeeeeeeeeee", "x.") | {"video_id": 7}, "video_id: expected str, got 7"),
    (entry("v_fffffffffff", "x.", duration=float("nan")), "duration: expected seconds, got nan"),
    (entry("v_ggggggggggg", "x.", duration="long"), "duration: expected seconds, got 'long'"),
    (entry("v_hhhhhhhhhhh", "x.", timestamps=[]), "1 sentences in tsum, 0 parts in timestamps"),
    (entry("v_iiiiiiiiiii", "x.", timestamps=[[9.0, 3.0]]), "timestamps[0]: ends at 3.0 s, before it starts"),
    (entry("v_jjjjjjjjjjj", "x.", timestamps=[[1.0]]), "timestamps[0]: expected [start, end]"),
    (entry("v_kkkkkkkkkkk", "x.", tsum=[["x.", "y."]]), "tsum[0]: expected a text"),  # ten texts a part, as one might think
    (entry("v_lllllllllll", " ", "\n"), "tsum: no sentence"),
    (entry("v_mmmmmmmmmmm", "x\udc00."), "tsum[0]: has half a character"),
    ({"video_id": "v_nnnnnnnnnnn"}, "the key 'tsum' is missing"),
]


def test_entries_that_cannot_be_used_are_lost_rows(tmp_path: Path) -> None:
    entries = [*SPLITS["train"], None, 5, *(content for content, _ in HOSTILE)]
    videos = read_videos(dataset(put(tmp_path, SPLITS | {"train": entries})))
    write_corpus(videos, tmp_path / "corpus.parquet")
    lost = [video.reason for video in videos if video.status == "failed"]
    assert len(videos) == len(entries) + 2 and len(lost) == len(HOSTILE) + 2
    for content, reason in HOSTILE:
        assert any(reason in told for told in lost), (content, reason, lost)


def test_a_video_in_two_splits_stays_in_the_one_that_is_held_out(tmp_path: Path) -> None:
    again = {"train": [*SPLITS["train"], entry("v_ddddddddddd", "Sung."), entry("v_aaaaaaaaaaa", "Danced.")]}
    found = rows(dataset(put(tmp_path, SPLITS | again)))
    assert (found["v_ddddddddddd"].split, found["v_ddddddddddd"].summary) == ("test", "A girl sings.")
    assert found["v_ddddddddddd.2"].reason == "train_videoxum.json[2]: the video of test_videoxum.json[0] again"
    assert found["v_ddddddddddd.2"].split == "train"
    assert found["v_aaaaaaaaaaa"].summary.startswith("A woman") and found["v_aaaaaaaaaaa.2"].status == "failed"


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "expected a list of videos, found dict"), ("[", "not valid JSON"), ("\udcff", "not UTF-8")],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    put(tmp_path, SPLITS)
    (tmp_path / FILES["validation"]).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=rf"val_videoxum\.json.*{message}"):
        read_videos(dataset(tmp_path))


def sources(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "folder": str(folder / "videos"), "archive_url": "", "archive_sha256": "", "archive_max_gb": 0.01, "hub": None,
        "youtube": False, "max_height": 360, "max_seconds": 60.0, "rate_seconds": 0.0, "retries": 1, "workers": 1, "cookies": "",
    } | changes  # fmt: skip


def test_videos_go_by_either_name(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    draw_video(tmp_path / "videos" / "v_aaaaaaaaaaa.mp4", frames=12)
    draw_video(tmp_path / "videos" / "-bbbbbbbbbb.mp4", frames=12)
    found = rows(dataset(put(tmp_path, SPLITS), videos=sources(tmp_path)))
    assert {key: Path(video.video_path).name for key, video in found.items() if video.status == "ok"} == {
        "v_aaaaaaaaaaa": "v_aaaaaaaaaaa.mp4", "v_-bbbbbbbbbb": "-bbbbbbbbbb.mp4",
    }  # fmt: skip
    assert found["v_ccccccccccc"].reason == "not in dataset.videos.folder"


def test_an_archive_has_videos_by_either_name(tmp_path: Path) -> None:
    """ActivityNet's own have `v_<id>.mp4`. The archive lies there already, so nothing is fetched."""
    put(tmp_path, SPLITS)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("v_aaaaaaaaaaa.mp4", "-bbbbbbbbbb.webm", "v_ccccccccccc.mp4", "v_zzzzzzzzzzz.mp4"):
            archive.writestr(f"v1-2/{name}", name)
    settings = dataset(tmp_path, videos=sources(tmp_path, archive_url="http://127.0.0.1:9/all.zip"))
    found = rows(settings)
    assert {key: Path(video.video_path).name for key, video in found.items() if video.status == "ok"} == {
        "v_aaaaaaaaaaa": "v_aaaaaaaaaaa.mp4", "v_-bbbbbbbbbb": "-bbbbbbbbbb.webm", "v_ccccccccccc": "v_ccccccccccc.mp4",
    }  # fmt: skip
    assert found["v_ddddddddddd"].reason == "not in the archive"
    (tmp_path / "all.zip").unlink()
    assert rows(settings) == found, "what it lacks is known"


def test_what_an_archive_lacks_is_known_from_an_older_note_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which had no reasons in it."""
    put(tmp_path, {"train": [], "validation": [], "test": SPLITS["test"]})
    (tmp_path / "videos").mkdir()
    address = "http://127.0.0.1:9/all.zip"
    note = {"archive": address, "lacking": ["ddddddddddd", "v_ddddddddddd"]}
    (tmp_path / "videos" / ".archive.json").write_text(json.dumps(note))
    found = rows(dataset(tmp_path, videos=sources(tmp_path, archive_url=address)))
    assert found["v_ddddddddddd"].reason == "not in the archive"
    assert "Is the disk all right" not in capsys.readouterr().out


def test_a_transcript_by_either_name_is_there_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, SPLITS)
    asked: list[str] = []

    def fetch(video_ids: Any, into: Path, *, settings: object) -> dict[str, str]:
        asked.extend(video_ids)
        (into / "aaaaaaaaaaa.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nfrom YouTube\n")
        return dict.fromkeys(video_ids, "none")

    monkeypatch.setattr("pipeline.corpus.sources.fetch_subtitles", fetch)
    for folder in ("transcripts", "videos"):
        (tmp_path / folder).mkdir()
    for name in ("v_aaaaaaaaaaa", "v_-bbbbbbbbbb", "v_ccccccccccc", "v_ddddddddddd"):
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(b"film")
    (tmp_path / "transcripts" / "v_aaaaaaaaaaa.txt").write_text("my own")
    (tmp_path / "videos" / "v_-bbbbbbbbbb.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nrow row\n")
    found = rows(dataset(tmp_path, videos=sources(tmp_path, youtube=True), subtitles=True))
    assert asked == ["ccccccccccc", "ddddddddddd"]
    texts = [(found[key].transcript, found[key].transcript_origin) for key in ("v_aaaaaaaaaaa", "v_-bbbbbbbbbb")]
    assert texts == [("my own", "human"), ("row row", "subtitles")]


def test_with_and_without_its_prefix_it_is_one_video(tmp_path: Path) -> None:
    twice = {"train": [entry("ddddddddddd", "Sung."), entry("v_v_abcdefghi", "Rowed."), entry("v_abcdefghi", "Rowed again.")]}
    twice["train"].append(entry("ccccccccccc", "x.", tsum=[]))
    found = rows(dataset(put(tmp_path, SPLITS | twice)))
    assert {key: (video.split, video.status) for key, video in found.items()} == {
        "v_ddddddddddd": ("test", "ok"), "v_ddddddddddd.2": ("train", "failed"), "v_v_abcdefghi": ("train", "ok"),
        "v_v_abcdefghi.2": ("train", "failed"), "v_ccccccccccc": ("validation", "ok"), "v_ccccccccccc.2": ("train", "failed"),
    }  # fmt: skip
