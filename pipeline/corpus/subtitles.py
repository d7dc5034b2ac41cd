"""WebVTT and SubRip subtitles as plain text, in time that grows with their length and no faster.

A line with `-->` begins a cue and ends the one before, and an empty line ends a cue, as in WebVTT's own rules. So a file of which
some lines are broken still gives all that is said in it.
"""

import html
import re
from collections.abc import Iterator

ROLLING_SECONDS = 0.05  # a cue that begins this soon after another one continues it
_ROLLING_LINES = 8  # no caption shows more at a time
_NESTED = 3  # brackets in brackets around a sound
_UNKNOWN = float("nan")  # a time that cannot be read: what has it continues nothing

# Each bracket is looked for up to the next one, so that a line of nothing else is read once and not once for each of them.
_TIME = re.compile(r"(?:([0-9]{1,6}):)?([0-9]{1,2}):([0-9]{2})[.,]([0-9]{1,3})")
_SOUND = re.compile(r"\[[^\[\]]*\]|\([^()]*\)")
_TAG = re.compile(r"<(?=[A-Za-z/0-9.])[^<>]*>|\{\\[^{}]*\}")
_CHARACTER = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

Cue = tuple[float, float, list[str]]  # start and end in seconds, and the cleaned lines


def clean_subtitles(text: str) -> str:
    """What is said, without tags, sounds in brackets, and the repeats of rolling captions.

    Automatic captions roll: each cue repeats the previous line above the new one, with cues of a few milliseconds in between.
    A line is therefore dropped when the previous cue ended with it, no more than `ROLLING_SECONDS` ago. A sentence said twice
    with a pause in between is kept twice.
    """
    kept: list[str] = []
    previous: list[str] = []
    previous_end = -1.0
    for start, end, lines in _cues(text):
        most = min(len(lines), len(previous), _ROLLING_LINES) if start - previous_end <= ROLLING_SECONDS else 0
        overlap = max((length for length in range(1, most + 1) if previous[-length:] == lines[:length]), default=0)
        kept += lines[overlap:]
        previous, previous_end = lines or previous, end
    return " ".join(" ".join(kept).split())


def without_sounds(text: str) -> str:
    """The text without sounds in brackets, as in (laughs)."""
    for _ in range(_NESTED):
        text, found = _SOUND.subn(" ", text)
        if not found:
            break
    return text


def _cues(text: str) -> Iterator[Cue]:
    times: tuple[float, float] | None = None  # None: outside a cue
    said: list[str] = []
    between = True  # the line before was empty, so this one begins a block
    comment = False
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if between:
            comment = line.split(maxsplit=1)[:1] in (["NOTE"], ["STYLE"], ["REGION"])
        begins = "-->" in line and not comment
        if times is not None and (begins or not line):
            if begins and said and said[-1].strip().isdigit():  # the number of the next cue, with no empty line before it
                said.pop()
            yield *times, _clean(said)
            times = None
        if begins:
            times, said = _times(line), []
        elif times is not None:
            said.append(line)
        between = not line
    if times is not None:
        yield *times, _clean(said)


def _times(line: str) -> tuple[float, float]:
    start, _, rest = line.partition("-->")
    return _seconds(start.strip()), _seconds("".join(rest.split(maxsplit=1)[:1]))


def _seconds(time: str) -> float:
    match = _TIME.fullmatch(time)
    if match is None:
        return _UNKNOWN
    hours, minutes, seconds, fraction = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _clean(said: list[str]) -> list[str]:
    """The lines of a cue. A sound or a tag may begin in one line and end in another."""
    plain = _CHARACTER.sub(lambda found: html.unescape(found[0]), _TAG.sub("", "\n".join(said)))
    plain = without_sounds(plain)
    return [cleaned for line in plain.split("\n") if (cleaned := " ".join(line.split()))]
