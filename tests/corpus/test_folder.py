"""A user's own table: what is read, what is refused, and that a slip is told with file and line."""

import json
from pathlib import Path

import pytest

from pipeline.base.dataset_params import FolderDataset
from pipeline.corpus.folder import read_videos
from pipeline.corpus.table import Video


def write_table(
    folder: Path, text: str, *, name: str = "videos.csv", files: tuple[str, ...] = ("a.mp4", "b.mp4")
) -> FolderDataset:
    (folder / "videos").mkdir(exist_ok=True)
    for file in files:
        (folder / "videos" / file).write_bytes(file.encode())
    (folder / name).write_text(text, encoding="utf-8")
    return FolderDataset(
        name="folder", table=str(folder / name), videos=str(folder / "videos"), entities="", max_failed_share=0.5
    )


def test_csv_with_every_column(tmp_path: Path) -> None:
    text = (
        "\ufeffvideo_id,file,split,recipe,steps,transcript,summary\n"
        'soup,a.mp4,test,Soup,Cut leeks | Boil,"Now, we\ncut the leeks.",Leek soup.\n'
        'pie,b.mp4,train,,"Roll\nBake",,\n'
    )
    soup, pie = read_videos(write_table(tmp_path, text))
    assert soup == Video(
        video_id="soup",
        split="test",
        video_path=(tmp_path / "videos/a.mp4").as_posix(),
        recipe="Soup",
        steps=("Cut leeks", "Boil"),
        transcript="Now, we\ncut the leeks.",
        transcript_origin="human",
        summary="Leek soup.",
    )
    assert (pie.steps, pie.summary, pie.split) == (("Roll", "Bake"), "", "train")


def test_jsonl_says_the_same_as_csv(tmp_path: Path) -> None:
    rows = [
        {"video_id": "soup", "file": "a.mp4", "split": "test", "steps": ["Cut leeks", "Boil"], "summary": "Leek soup."},
        {"video_id": "pie", "file": "b.mp4", "split": "train", "steps": "Roll | Bake", "recipe": None},
    ]
    lines = "\n\n".join(json.dumps(row) for row in rows) + "\n"
    from_jsonl = read_videos(write_table(tmp_path, lines, name="videos.jsonl"))
    csv = "video_id,file,split,steps,summary\nsoup,a.mp4,test,Cut leeks | Boil,Leek soup.\npie,b.mp4,train,Roll | Bake,\n"
    assert from_jsonl == read_videos(write_table(tmp_path, csv))


def test_a_missing_file_is_a_failed_row(tmp_path: Path) -> None:
    (tmp_path / "videos" / "c.mp4").mkdir(parents=True)
    videos = read_videos(write_table(tmp_path, "video_id,file\na,a.mp4\ngone,nowhere.mp4\nfolder,c.mp4\n"))
    assert [(video.status, video.reason) for video in videos] == [
        ("ok", ""),
        ("failed", "file is missing"),
        ("failed", "not a regular file but a folder, a pipe or a device"),
    ]


def test_splits_come_from_the_id_alone(tmp_path: Path) -> None:
    ids = [f"video{number}" for number in range(1000)]
    forward = read_videos(write_table(tmp_path, "video_id,file\n" + "".join(f"{name},{name}.mp4\n" for name in ids)))
    backward = read_videos(
        write_table(tmp_path, "file,video_id,split\n" + "".join(f"{name}.mp4,{name},\n" for name in reversed(ids)))
    )
    splits = {video.video_id: video.split for video in forward}
    assert splits == {video.video_id: video.split for video in backward}
    counts = [list(splits.values()).count(split) for split in ("train", "validation", "test")]
    assert 760 < counts[0] < 840
    assert 70 < counts[1] < 130
    assert 70 < counts[2] < 130
    assert [splits[name] for name in ids[:8]] == [
        "validation",
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "validation",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id,file,sumary\na,a.mp4,x\n", r"videos\.csv: unknown column 'sumary'; expected columns video_id, file"),
        ("video_id,path\na,a.mp4\n", r"unknown column 'path'"),
        ("video_id\na\n", r"column 'file' is missing"),
        ("video_id,file,summary,summary\na,a.mp4,x,y\n", r"videos\.csv: column 'summary' is there twice; keep one"),
        ("", r"column 'video_id', 'file' is missing"),
        ("video_id,file\n", r"has no rows"),
        ("video_id,file\na,a.mp4\n../b,b.mp4\n", r"videos\.csv, line 3: video id '\.\./b' is refused"),
        ("video_id,file\na/b,a.mp4\n", r"line 2: video id 'a/b'"),
        ("video_id,file\n-a,a.mp4\n", r"line 2: video id '-a'"),
        ("video_id,file\na..b,a.mp4\n", r"line 2: video id 'a\.\.b'"),
        ("video_id,file\n,a.mp4\n", r"line 2: video id ''"),
        (
            'video_id,file,summary\na,a.mp4,"two\nlines"\na,b.mp4,\n',
            r"line 4: video id 'a' is already in .*videos\.csv, line 2; ids must be unique",
        ),
        ("video_id,file\na,/etc/passwd\n", r"line 2: file '/etc/passwd' is refused"),
        ("video_id,file\na,x/../../b.mp4\n", r"line 2: file 'x/\.\./\.\./b\.mp4' is refused"),
        ("video_id,file\na,\n", r"line 2: file '' is refused"),
        ("video_id,file,split\na,a.mp4,dev\n", r"line 2: split 'dev' is none of train, validation, test"),
        ("video_id,file,summary\na,a.mp4,Cut, then boil\n", r"line 2: more fields than columns"),
        ('video_id,file\na,a.mp4\nb,"b.mp4\n', r"videos\.csv, line 3: not valid CSV"),
    ],
)
def test_slips_in_csv(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_videos(write_table(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"videos\.jsonl, line 2: not valid JSON"),
        ("[1]", r"line 2: expected an object"),
        ('{"video_id": "b", "file": "b.mp4", "stepps": []}', r"line 2: unknown column 'stepps'"),
        ('{"video_id": "b", "file": "b.mp4", "file": "a.mp4"}', r"line 2: .*the key 'file' is given twice"),
        ('{"video_id": "b"}', r"line 2: column 'file' is missing"),
        ('{"video_id": 7, "file": "b.mp4"}', r"line 2: video_id is not a text: 7"),
        ('{"video_id": "b", "file": "b.mp4", "steps": [1]}', r"line 2: steps is neither"),
        ('{"video_id": "a", "file": "b.mp4"}', r"line 2: video id 'a' is already in"),
    ],
)
def test_slips_in_jsonl(tmp_path: Path, line: str, message: str) -> None:
    text = '{"video_id": "a", "file": "a.mp4"}\n' + line + "\n"
    with pytest.raises(ValueError, match=message):
        read_videos(write_table(tmp_path, text, name="videos.jsonl"))


def test_no_table_says_how_to_make_one(tmp_path: Path) -> None:
    settings = FolderDataset(
        name="folder", table=str(tmp_path / "none.csv"), videos=str(tmp_path), entities="", max_failed_share=0.5
    )
    with pytest.raises(ValueError, match=r"dataset\.table: .*none\.csv is missing.*video_id, file.*transcript"):
        read_videos(settings)


def test_other_kinds_of_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends neither in \.csv nor in \.jsonl"):
        read_videos(write_table(tmp_path, "", name="videos.xlsx"))
    settings = write_table(tmp_path, "", name="latin.csv")
    Path(settings.table).write_bytes("video_id,file,summary\na,a.mp4,crème\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.csv, line 2: not UTF-8"):
        read_videos(settings)
