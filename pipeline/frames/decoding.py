"""Frame-exact sampling: the frames that decoding the whole video would give, without decoding the whole video.

The reference is a full sequential decode (`pipeline.frames.sequence`): n frames in presentation order, of which `count` evenly
spaced ones are kept.

The short cut first reads all packets, which costs little. It then decodes only from the key frame before a wanted frame to
that frame, and leaves out frames that no other frame refers to. It is taken only where one packet is one frame and a key frame
resets the decoder (H.264 with IDR frames), and where the container's timestamps are complete and give the order that the codec
itself says; anything else is decoded from end to end. Both ways give the same bits of a video that is whole, and some videos are
decoded both ways to see that they do; docs/frames.md says what damage the short cut does not see. Where there are many videos,
each gets one thread: processes over videos use the cores better.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np

from pipeline.frames.opening import Deadline, VideoError, check_file, opened, read_packets
from pipeline.frames.packets import PacketIndex, index_packets
from pipeline.frames.sequence import DecodedFrames, SampledFrame, decode_in_sequence


@dataclass(frozen=True, eq=False)
class SampledVideo:
    """`width` and `height` are the source's as displayed, in square pixels. `note` is empty unless something was amiss."""

    frames: list[SampledFrame]
    source_frames: int
    width: int
    height: int
    note: str
    short_cut: bool


def sample_video(
    path: Path, *, count: int, short_side: int, compared: Callable[[str], int] = lambda kind: 0, threads: int = 1
) -> SampledVideo:
    """Keep `count` evenly spaced frames (or all, if fewer), upright, with the short side resized to `short_side` pixels.

    `compared` is asked, with container and codec (`avi/h264`), how many frames from the start are to be decoded in sequence, too,
    where the short cut is taken. If they differ, the whole video is decoded in sequence, and its note says so. The short cut may
    take several `threads`; the frames are the same.

    Raises `VideoError` with the reason when the file gives no frame, and `MemoryError`. Anything else is unforeseen.
    """
    check_file(path)
    deadline = Deadline(path)
    try:
        index = index_packets(path, deadline)
        video = _decode_wanted(path, index, deadline, count=count, short_side=short_side, threads=threads)
        if video is None:
            return _decode_all(path, index, deadline, count=count, short_side=short_side)
        limit = compared(index.kind)
        if limit and not _same_in_sequence(path, video, deadline, limit=limit, short_side=short_side):
            notes = ["the short cut gives other frames and is not taken"]
            return _decode_all(path, index, deadline, count=count, short_side=short_side, notes=notes)
        return video
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise VideoError(f"FFmpeg fails: {error.strerror}") from error


def sample_positions(total: int, *, count: int) -> list[int]:
    """Evenly spaced positions in `total` frames, including the first and the last; all positions if `total` <= `count`."""
    if total <= count:
        return list(range(total))
    positions: list[int] = np.linspace(0, total - 1, count).astype(int).tolist()
    return positions


def _decode_wanted(
    path: Path, index: PacketIndex, deadline: Deadline, *, count: int, short_side: int, threads: int
) -> SampledVideo | None:
    """Decode only what the wanted frames need. Returns None when anything differs from what the packets promised.

    What lies between two entries is decoded by itself, so threads share it; not where the packets were too many to hold.
    """
    if index.order is None or not index.pts:
        return None
    order = sorted(pts for pts in index.pts if pts is not None)
    wanted = {order[position]: position for position in sample_positions(len(order), count=count)}
    runs: dict[int, int] = {}  # entry packet -> last packet to decode from there
    for number, pts in enumerate(index.pts):
        if pts in wanted:
            runs[index.order.entries[bisect_right(index.order.entries, number) - 1]] = number
    work = partial(_decode_runs, path, index, wanted=wanted, short_side=short_side)
    first, *others = _shares(runs, threads if index.held else 1)
    with ThreadPoolExecutor(max(1, len(others))) as pool:
        later = [pool.submit(work, share) for share in others]
        decoded = work(first, deadline)
        for part in (each.result() for each in later):
            if decoded is None or part is None or not decoded.go_on(part):
                return None
    if decoded is None or [frame.frame_index for frame in decoded.kept] != sorted(wanted.values()):
        return None
    return _sampled(decoded, len(order), notes=index.notes, short_cut=True)


def _shares(runs: Mapping[int, int], threads: int) -> list[dict[int, int]]:
    """The runs in order, cut into at most so many parts of nearly as many packets."""
    total = sum(last - entry + 1 for entry, last in runs.items())
    shares: list[dict[int, int]] = [{} for _ in range(threads)]
    before = 0
    for entry, last in sorted(runs.items()):
        shares[before * threads // total][entry] = last
        before += last - entry + 1
    return [share for share in shares if share]


def _decode_runs(
    path: Path,
    index: PacketIndex,
    runs: Mapping[int, int],
    deadline: Deadline | None = None,
    *,
    wanted: Mapping[int, int],
    short_side: int,
) -> DecodedFrames | None:
    """Decode from each entry to the last packet that is wanted from there; a thread of its own has a deadline of its own."""
    assert index.order is not None
    deadline = deadline or Deadline(path)
    decoded = DecodedFrames(short_side)
    last, end = -1, max(runs.values())
    broken: list[str] = []
    with opened(path) as (container, stream):
        context = stream.codec_context
        for number, packet in enumerate(index.held or read_packets(container, [stream], deadline, broken)):
            last = runs.get(number, last)
            if number > end:
                break
            if number > last:
                continue
            if packet.pts != index.pts[number]:
                return None
            if packet.pts not in wanted and not index.order.referred[number]:
                continue
            deadline.check()
            try:
                frames = context.decode(packet)
                if number == last:
                    frames += context.decode(None)
                    context.flush_buffers()
            except MemoryError:
                raise
            except av.error.FFmpegError:
                return None
            for frame in frames:
                decoded.see(frame, stream)
                # A packet of an interlaced video may be half a frame. Timestamps that fall do not give the order.
                if frame.is_corrupt or frame.interlaced_frame or decoded.untimed:
                    return None
                if frame.pts in wanted:
                    decoded.keep(wanted[frame.pts], frame, stream)
    return None if broken else decoded


def _decode_all(
    path: Path, index: PacketIndex, deadline: Deadline, *, count: int, short_side: int, notes: Sequence[str] = ()
) -> SampledVideo:
    """The reference. One pass if as many frames decode as there are packets, else a second pass with the true number."""
    expected = sample_positions(len(index.pts), count=count)
    decoded = decode_in_sequence(path, expected, deadline, short_side=short_side)
    total = decoded.total
    if total == 0:
        raise VideoError(f"no frame decodes: {decoded.error or 'the video stream is empty'}")
    positions = sample_positions(total, count=count)
    if positions != expected:
        decoded = decode_in_sequence(path, positions, deadline, short_side=short_side)
        assert decoded.total == total, f"{path}: two decodes differ"
    notes = [*notes, *index.notes]
    if decoded.bad_packets:
        notes.append(f"damaged: {decoded.bad_packets} of {len(index.pts)} packets do not decode")
    if total < index.expected:
        notes.append(f"incomplete: {total} of {index.expected} frames decode")
    if decoded.damaged:
        notes.append(f"{decoded.damaged} of {total} frames are damaged")
    if decoded.unlikely:
        notes.append(f"{decoded.unlikely} frames are left out: of another size than the first, too large or too narrow")
    if decoded.untimed:
        notes.append(f"timestamps {decoded.untimed}: frames are counted by the frame rate instead")
    return _sampled(decoded, total, notes=notes, short_cut=False)


def _sampled(decoded: DecodedFrames, total: int, *, notes: Sequence[str], short_cut: bool) -> SampledVideo:
    width, height = decoded.size
    note = "; ".join([*notes, *decoded.changes])
    return SampledVideo(decoded.kept, source_frames=total, width=width, height=height, note=note, short_cut=short_cut)


def _same_in_sequence(path: Path, video: SampledVideo, deadline: Deadline, *, limit: int, short_side: int) -> bool:
    """Whether decoding the first `limit` frames in sequence gives the frames of `video` that are among them."""
    expected = [frame for frame in video.frames if frame.frame_index < limit]
    decoded = decode_in_sequence(path, [frame.frame_index for frame in expected], deadline, short_side=short_side, limit=limit)
    whole = decoded.total == min(limit, video.source_frames) and not decoded.untimed
    return whole and len(decoded.kept) == len(expected) and all(map(_same_frame, expected, decoded.kept))


def _same_frame(one: SampledFrame, other: SampledFrame) -> bool:
    same_place = (one.frame_index, one.pts_seconds) == (other.frame_index, other.pts_seconds)
    return same_place and np.array_equal(one.image, other.image)
