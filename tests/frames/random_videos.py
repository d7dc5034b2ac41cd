"""Random small videos, sampled and decoded frame by frame. `python -m tests.frames.random_videos --videos 5000`

Prints figures and what differs, seed by seed.
"""

import argparse
import sys
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.frames.decoding import SampledVideo, sample_video
from pipeline.frames.opening import VideoError
from tests.frames.random_recipes import Recipe, draw_recipe, make_video
from tests.frames.reference import Reference, decode_sequentially, resized, turned, undetermined


@dataclass
class Figures:
    """Counts over videos; `different` has what went wrong, seed by seed."""

    videos: int = 0
    lost: int = 0
    short_cut: int = 0
    damaged: int = 0
    interlaced: int = 0
    untimed: int = 0
    undetermined: int = 0  # frames of damaged videos that hang on what was in memory before
    beside_damage: int = 0  # frames as before the damage, where decoding in sequence passes it on
    different: list[str] = field(default_factory=list)


def compare_many(folder: Path, *, videos: int, first_seed: int) -> Figures:
    figures = Figures()
    seed = first_seed
    while figures.videos < videos:
        recipe = draw_recipe(seed)
        seed += 1
        path = make_video(recipe, folder)
        if path is None:
            continue
        figures.videos += 1
        try:
            compare(path, recipe, figures)
        except Exception as error:  # noqa: BLE001 - all are told together
            figures.different.append(f"{recipe.seed}: {recipe}: {type(error).__name__} {error}")
        path.unlink()
    return figures


def compare(path: Path, recipe: Recipe, figures: Figures) -> None:
    """The sampler against the reference, for a small and a large number of frames."""
    try:
        reference = decode_sequentially(path)
    except (av.error.FFmpegError, AttributeError):  # it does not open, or has no stream or no decoder
        reference = None
    videos = []
    for count in (3, 20):
        try:
            videos.append(sample_video(path, count=count, short_side=40, threads=1 + count % 3))
        except VideoError as error:
            refused = any(
                words in str(error) for words in ("too large", "times the other", "no frame rate", "not a video: format")
            )
            assert reference is None or not reference.images or refused, error
    if not videos:
        figures.lost += 1
        return
    assert reference is not None and len(videos) == 2, "lost at one number of frames and not at the other"
    few, many = videos
    unknown = undetermined(path, reference) if reference.damaged or not few.short_cut else set()
    for video, count in ((few, 3), (many, 20)):
        compare_frames(path, recipe, video, reference, count=count, unknown=unknown, figures=figures)
    # Damage that only the larger number of frames meets is noted there alone, and may change what comes after it.
    later = {} if few.short_cut != many.short_cut else {frame.frame_index: frame.image for frame in many.frames}
    for frame in few.frames:
        assert np.array_equal(frame.image, later.get(frame.frame_index, frame.image)), "the picture hangs on the number of frames"
    figures.short_cut += few.short_cut and many.short_cut
    figures.damaged += reference.damaged or "incomplete" in many.note
    figures.interlaced += reference.interlaced
    figures.untimed += "timestamps" in many.note


def compare_frames(
    path: Path, recipe: Recipe, video: SampledVideo, reference: Reference, *, count: int, unknown: set[int], figures: Figures
) -> None:
    total = len(reference.images)
    assert video.source_frames == total, f"{video.source_frames} frames of {total}, {video.note}"
    positions = list(range(total)) if total <= count else np.linspace(0, total - 1, count).astype(int).tolist()
    assert [frame.frame_index for frame in video.frames] == positions
    times = [frame.pts_seconds for frame in video.frames]
    assert times == sorted(times), "times fall"
    for frame in video.frames:
        number = frame.frame_index
        place = f"frame {number} of {total}, count {count}, short cut {video.short_cut}, {video.note}"
        assert abs(frame.pts_seconds - reference.seconds[number]) < 1e-9, f"time of {place}"
        if np.array_equal(frame.image, as_stored(reference.images[number], reference)):
            continue
        if reference.damaged and video.short_cut:
            whole = undamaged(recipe, path)
            expected = as_stored(whole.images[whole.pts.index(reference.pts[number])], whole)
            assert np.array_equal(frame.image, expected), f"picture of {place}"
            figures.beside_damage += 1
        else:
            near = {number - 1, number, number + 1} if reference.interlaced else {number}
            assert near & unknown, f"picture of {place}"
            figures.undetermined += 1


def undamaged(recipe: Recipe, path: Path) -> Reference:
    """The same video before it was damaged."""
    with TemporaryDirectory(dir=path.parent) as folder:
        whole = make_video(replace(recipe, damage=""), Path(folder))
        assert whole is not None
        return decode_sequentially(whole)


def as_stored(image: NDArray[np.uint8], reference: Reference) -> NDArray[np.uint8]:
    aspect = reference.aspect if Fraction(1, 5) <= reference.aspect <= 5 else 1
    width, height = float(image.shape[1] * aspect), image.shape[0]
    sides = (height, width) if reference.matrix[0] == 0 else (width, height)
    return resized(turned(image, reference.matrix), *sides, short_side=40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=5000)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        figures = compare_many(Path(folder), videos=arguments.videos, first_seed=arguments.first_seed)
    for line in figures.different:
        print(line)
    print(f"{figures.videos} videos: {figures.short_cut} by the short cut at both numbers of frames, {figures.damaged} damaged, ")
    print(f"{figures.interlaced} interlaced, {figures.untimed} without usable timestamps, {figures.lost} give no frame")
    print(f"frames that damage leaves undetermined: {figures.undetermined}; ", end="")
    print(f"that are right where decoding in sequence passes damage on: {figures.beside_damage}")
    print(f"different from decoding every frame: {len(figures.different)}")
    sys.exit(bool(figures.different))


if __name__ == "__main__":
    main()
