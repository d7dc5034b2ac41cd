"""Random small videos: codec, container, B-frames, groups of pictures, frame rate, pixel aspect, rotation, damage, timestamps.

Each comes from a seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.drawn_videos import MIRRORED, QUARTER_TURN, cut_short, draw_video, set_display_matrix

X264_CONTAINERS = ("mp4", "mkv", "mov", "avi", "ts", "flv", "wmv", "mpg", "3gp")
OTHER_CODECS: dict[str, tuple[tuple[str, ...], tuple[dict[str, str], ...]]] = {
    "mpeg4": (("avi", "mp4", "mkv", "wmv", "ts"), ({}, {"bf": "2"}, {"bf": "3", "g": "10"})),
    "mpeg2video": (("mpg", "ts", "mkv", "avi"), ({}, {"bf": "2"}, {"bf": "2", "flags": "+ildct+ilme"})),
    "libvpx": (("webm", "mkv"), ({"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "8"},)),
    "libvpx-vp9": (("webm", "mkv"), ({"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "8"},)),
    "libx265": (("mp4", "mkv", "ts"), ({"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:keyint=12:pools=1"},)),
    "mjpeg": (("avi", "mov", "mkv"), ({},)),
}
SQUARE = Fraction(1)
PIXEL_ASPECTS = (SQUARE, SQUARE, SQUARE, Fraction(2), Fraction(1, 2), Fraction(64, 45), Fraction(1024, 765))
MATRICES = (*QUARTER_TURN.values(), MIRRORED)


@dataclass(frozen=True)
class Recipe:
    """How one video is drawn, and what is done to it afterwards."""

    codec: str
    suffix: str
    options: dict[str, str]
    frames: int
    rate: int
    durations: tuple[int, ...]
    size: tuple[int, int]
    aspect: Fraction
    matrix: tuple[int, int, int, int]
    remuxed: str = ""
    damage: str = ""
    seed: int = field(default=0, repr=False)


def draw_recipe(seed: int) -> Recipe:
    random = np.random.default_rng(seed)
    choose = lambda values: values[int(random.integers(len(values)))]  # noqa: E731
    if random.random() < 0.7:
        codec, suffix, options = "libx264", choose(X264_CONTAINERS), x264_options(choose)
    else:
        codec = choose(list(OTHER_CODECS))
        suffixes, variants = OTHER_CODECS[codec]
        suffix, options = choose(suffixes), choose(variants)
    return Recipe(
        codec=codec,
        suffix=suffix,
        options=options,
        frames=int(random.integers(1, 50)),
        rate=choose([10, 24, 25, 30, 50]),
        durations=choose([(1,), (1,), (1, 2), (1, 1, 4)]) if suffix in ("mp4", "mkv", "mov") else (1,),
        size=(96, 64) if codec == "libx265" else choose([(64, 48), (48, 64), (80, 32)]),  # smaller than a block, x265 crashes
        aspect=choose(PIXEL_ASPECTS),
        matrix=choose(MATRICES) if suffix in ("mp4", "mov") and random.random() < 0.3 else QUARTER_TURN[0],
        remuxed=choose(list(REMUXES)) if random.random() < 0.35 else "",
        damage=choose(list(DAMAGES)) if random.random() < 0.35 else "",
        seed=seed,
    )


def x264_options(choose: Callable) -> dict[str, str]:
    x264 = {
        "keyint": choose(["1", "5", "12", "30", "250"]),
        "bframes": choose(["0", "1", "2", "3", "4"]),
        "b-pyramid": choose(["none", "strict", "normal"]),
        "ref": choose(["1", "2", "4"]),
        "slices": choose(["1", "1", "3"]),
        "open-gop": choose(["0", "0", "1"]),
        "intra-refresh": choose(["0", "0", "0", "1"]),
        "weightp": choose(["0", "2"]),
        "scenecut": choose(["0", "40"]),
        "cabac": choose(["0", "1"]),
    }
    if x264["intra-refresh"] == "1":
        x264 |= {"open-gop": "0"}
    if choose([False] * 11 + [True]):
        x264 |= {"interlaced": "1"}
    return {"preset": "ultrafast", "tune": choose(["psnr", "zerolatency", "psnr"]), "x264-params": joined(x264)}


def joined(x264: dict[str, str]) -> str:
    return ":".join(f"{name}={value}" for name, value in x264.items())


def make_video(recipe: Recipe, folder: Path) -> Path | None:
    """The video's file; None where its container cannot hold it or nothing of it is left."""
    random = np.random.default_rng([recipe.seed, 1])
    width, height = recipe.size
    path = folder / f"{recipe.seed}.{recipe.suffix}"
    path.unlink(missing_ok=True)
    try:
        draw_video(
            path, frames=recipe.frames, width=width, height=height, rate=recipe.rate, codec=recipe.codec,
            pixel_format="yuvj420p" if recipe.codec == "mjpeg" else "yuv420p", options=recipe.options,
            durations=recipe.durations, aspect=recipe.aspect,
        )  # fmt: skip
        if recipe.remuxed:
            path = remux(path, REMUXES[recipe.remuxed], random)
    except (av.error.FFmpegError, ValueError):
        return None
    if not path.exists():  # not a packet is left
        return None
    if recipe.matrix != QUARTER_TURN[0]:
        set_display_matrix(path, recipe.matrix)
    if recipe.damage:
        DAMAGES[recipe.damage](path, random)
    return path


def remux(path: Path, change: Callable, random: np.random.Generator) -> Path:
    """The same packets with other timestamps, or without some of them."""
    target = path.with_stem(f"{path.stem}_remuxed")
    with av.open(str(path)) as source, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in change(packets, random):
            packet.stream = stream
            copy.mux(packet)
    path.unlink()
    return target


def shown_as_coded(packets: list[av.Packet], random: np.random.Generator) -> list[av.Packet]:
    if any(packet.pts is None for packet in packets):
        raise ValueError("packets without timestamps have no order to lose")
    times = sorted(packet.pts for packet in packets)
    for packet, time in zip(packets, times, strict=True):
        packet.pts = packet.dts = time
    return packets


def later_half_shown_as_coded(packets: list[av.Packet], random: np.random.Generator) -> list[av.Packet]:
    half = len(packets) // 2
    return packets[:half] + shown_as_coded(packets[half:], random)


def two_swapped(packets: list[av.Packet], random: np.random.Generator) -> list[av.Packet]:
    """Two neighbours have each other's timestamp; decoding times are early enough for both."""
    for packet in packets:
        packet.dts = None if packet.dts is None else packet.dts - 4 * packet.duration
    number = int(random.integers(max(1, len(packets) - 1)))
    if len(packets) > number + 1:
        one, other = packets[number : number + 2]
        one.pts, other.pts = other.pts, one.pts
    return packets


def some_left_out(packets: list[av.Packet], random: np.random.Generator) -> list[av.Packet]:
    return [packet for packet in packets if random.random() > 0.1]


def first_left_out(packets: list[av.Packet], random: np.random.Generator) -> list[av.Packet]:
    return packets[int(random.integers(1, 6)) :]


REMUXES = {function.__name__: function for function in (shown_as_coded, later_half_shown_as_coded, two_swapped)}
REMUXES |= {function.__name__: function for function in (some_left_out, first_left_out)}


def overwritten(path: Path, random: np.random.Generator, value: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    start, length = int(random.integers(len(data))), int(random.integers(1, 300))
    values = random.integers(0, 256, length) if value is None else [value] * length
    data[start : start + length] = bytes(int(each) for each in values)[: len(data) - start]
    path.write_bytes(data)


def zeroed(path: Path, random: np.random.Generator) -> None:
    overwritten(path, random, 0)


def one_bit_flipped(path: Path, random: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    path.write_bytes(data)


def cut(path: Path, random: np.random.Generator) -> None:
    cut_short(path, share=float(random.uniform(0.3, 1.0)))


DAMAGES = {function.__name__: function for function in (overwritten, zeroed, one_bit_flipped, cut)}
