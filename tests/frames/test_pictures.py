"""Pictures are stored as a viewer sees them: upright, with square pixels, without combs, in the colours of a normal screen."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.frames.decoding import sample_video
from pipeline.frames.opening import VideoError
from tests.drawn_videos import MIRRORED, QUARTER_TURN, draw_video, four_corners, set_display_matrix
from tests.frames.reference import assert_same_as_sequential, decode_sequentially, resized


def corners(image: NDArray[np.uint8]) -> list[str]:
    """The colours top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue", (255, 255, 255): "white"}
    points = [image[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [names[min(names, key=lambda colour: int(np.abs(np.array(colour) - point).sum()))] for point in points]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (QUARTER_TURN[0], ["red", "green", "blue", "white"]),
        (QUARTER_TURN[90], ["blue", "red", "white", "green"]),
        (QUARTER_TURN[180], ["white", "blue", "green", "red"]),
        (QUARTER_TURN[270], ["green", "white", "red", "blue"]),
        (MIRRORED, ["green", "red", "white", "blue"]),
        ((0, 1, 1, 0), ["red", "blue", "green", "white"]),
    ],
)
@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(2)])
def test_pictures_come_out_upright_with_square_pixels(
    tmp_path: Path, matrix: tuple[int, int, int, int], expected: list[str], aspect: Fraction
) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=5, picture=four_corners, aspect=aspect)
    video = sample_video(set_display_matrix(path, matrix), count=2, short_side=32)
    width, height = 96 * int(aspect), 64  # pixels are stretched before the picture is turned
    turned = matrix[0] == 0
    assert (video.width, video.height) == ((height, width) if turned else (width, height))
    assert video.frames[-1].image.shape == ((width // 2, 32, 3) if turned else (32, width // 2, 3))
    assert corners(video.frames[-1].image) == expected


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4"), ("mpg", "mpeg2video"), ("mp4", "libvpx-vp9")]
)
def test_square_pixels_in_one_resize(tmp_path: Path, suffix: str, codec: str) -> None:
    """Whether container or codec says that pixels are not square."""
    aspect = Fraction(4, 3) if codec == "mpeg2video" else Fraction(64, 51)  # MPEG-2 knows four shapes of a picture
    path = draw_video(tmp_path / f"drawn.{suffix}", frames=4, width=96, height=96, codec=codec, options={}, aspect=aspect)
    width = float(96 * aspect)
    video = sample_video(path, count=1, short_side=40)
    assert (video.width, video.height) == (round(width), 96)
    expected = resized(decode_sequentially(path).images[0], width, 96, short_side=40)
    np.testing.assert_array_equal(video.frames[0].image, expected)
    assert video.frames[0].image.shape == (40, round(40 * aspect), 3)


def test_a_pixel_aspect_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=4, aspect=Fraction(40))
    video = sample_video(path, count=2, short_side=32)
    assert (video.width, video.height) == (96, 64)
    assert video.note == "pixels of 40:1 are not believed and taken as square"


@pytest.mark.parametrize(
    ("width", "height", "shape"), [(96, 64, (40, 60, 3)), (64, 98, (61, 40, 3)), (64, 64, (40, 40, 3)), (16, 24, (60, 40, 3))]
)
def test_the_short_side_is_exact(tmp_path: Path, width: int, height: int, shape: tuple[int, int, int]) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=3, width=width, height=height)
    frame = sample_video(path, count=1, short_side=40).frames[0]
    assert frame.image.shape == shape
    original = Image.fromarray(decode_sequentially(path).images[0])
    np.testing.assert_array_equal(frame.image, np.asarray(original.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize(("width", "height"), [(16, 4096), (4096, 16)])
def test_extreme_shapes_are_refused_before_they_fill_the_memory(tmp_path: Path, width: int, height: int) -> None:
    path = draw_video(tmp_path / "drawn.mkv", frames=2, width=width, height=height, codec="mpeg4", options={})
    with pytest.raises(VideoError, match=f"pictures of {width}x{height} pixels: one side is more than 16 times the other"):
        sample_video(path, count=2, short_side=384)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.frames.opening._MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(VideoError, match="pictures of 96x64 pixels are too large"):
        sample_video(draw_video(tmp_path / "drawn.mp4", frames=2), count=2, short_side=32)


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mp4", "libx264", {"x264-params": "interlaced=1"}),
        ("mpg", "mpeg2video", {"flags": "+ildct+ilme", "bf": "2"}),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_interlaced_videos_are_deinterlaced_frame_by_frame(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], count: int
) -> None:
    path = draw_video(tmp_path / f"drawn.{suffix}", frames=40, codec=codec, options=options)
    assert decode_sequentially(path).interlaced
    video = sample_video(path, count=count, short_side=64)
    assert_same_as_sequential(path, video, count=count)
    assert video.note.endswith("interlaced: deinterlaced")


def grey_steps(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Black on the left, white on the right."""
    steps = np.linspace(0, 255, width).astype(np.uint8)
    return np.broadcast_to(steps[None, :, None], (height, width, 3)).copy()


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
def test_hdr_is_tone_mapped_in_both_ways_of_decoding(tmp_path: Path, transfer: str, name: str) -> None:
    params = f"transfer={transfer}:colorprim=bt2020:colormatrix=bt2020nc"
    options = {"x264-params": params, "crf": "5"}
    path = draw_video(tmp_path / "hdr.mp4", frames=9, pixel_format="yuv420p10le", picture=grey_steps, options=options)
    video = sample_video(path, count=3, short_side=64, compared=lambda kind: 9)
    assert video.short_cut, "compared with decoding in sequence, and the same"
    assert video.note == f"HDR ({name}): tone-mapped"
    row = video.frames[-1].image[32].mean(axis=1)
    assert (np.diff(row) >= -2).all() and row[0] < 3 and row[-1] > 220
    half = row[len(row) // 2]  # code 0.5: 92 cd/m2 in PQ, a sixth of the peak in HLG; a normal screen shows it as mid grey
    assert 110 < half < 170
    assert 125 < row[int(0.6 * len(row))] < 215, "highlights have room above diffuse white"


def draw_jpegs_with_exif(path: Path) -> Path:
    """Photos of a camera held sideways as a film, as `ffmpeg -i %d.jpg -c copy` makes it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(5):
            jpeg = io.BytesIO()
            Image.fromarray(four_corners(number, 96, 64)).save(jpeg, "JPEG", exif=exif)
            packet = av.Packet(jpeg.getvalue())
            packet.pts = packet.dts = number
            packet.duration, packet.time_base, packet.stream = 1, Fraction(1, 10), stream
            container.mux(packet)
    return path


def test_side_data_without_a_name_does_not_hide_the_display_matrix(tmp_path: Path) -> None:
    path = draw_jpegs_with_exif(tmp_path / "photos.mov")
    with av.open(str(path)) as container, pytest.raises(ValueError, match="not a valid Type"):
        _ = next(container.decode(video=0)).side_data
    video = sample_video(path, count=2, short_side=32)
    assert (video.width, video.height, video.source_frames) == (64, 96, 5)
    assert corners(video.frames[0].image) == ["blue", "red", "white", "green"]
