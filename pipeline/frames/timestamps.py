"""Seconds at which frames are shown, from what a container says of them, which may be incomplete or in another order."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pipeline.frames.opening import VideoError


def in_seconds(stamps: Sequence[int | None], *, rate: Fraction | None, time_base: Fraction) -> tuple[list[float], str]:
    """Seconds of frames in the order in which they are shown, and what is amiss with the timestamps; seconds never fall.

    Timestamps that are not in this order are put into it: some containers give a frame the time at which it is decoded. A frame
    without one gets its place between its neighbours, or beyond them at the frame rate `rate`. Without any, frames are counted.
    Raises `VideoError` where there is no frame rate for that either.
    """
    known = [number for number, stamp in enumerate(stamps) if stamp is not None]
    if len(known) < len(stamps) and not rate:
        raise VideoError("neither timestamps nor a frame rate")
    if not known:
        assert rate is not None, "checked above"
        return [
            float(number / rate) for number in range(len(stamps))
        ], f"no timestamps: {float(rate):g} frames a second are assumed"
    values = [stamp for stamp in stamps if stamp is not None]
    ordered = sorted(values)
    notes = [] if values == ordered else ["timestamps are not in the order of the frames, and were put into it"]
    seconds = [float(stamp * time_base) for stamp in ordered]
    if len(known) == len(stamps):
        return seconds, "; ".join(notes)
    assert rate is not None, "checked above"
    filled = np.interp(range(len(stamps)), known, seconds)
    step = float(1 / rate)
    for number in range(known[0]):
        filled[number] = seconds[0] - step * (known[0] - number)
    for number in range(known[-1] + 1, len(stamps)):
        filled[number] = seconds[-1] + step * (number - known[-1])
    notes.append(f"{len(stamps) - len(known)} of {len(stamps)} frames have no timestamp, and got one between their neighbours'")
    return filled.tolist(), "; ".join(notes)
