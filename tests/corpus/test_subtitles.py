"""Subtitles as plain text: what is said, and nothing else, however the file is written."""

import time

import pytest

from pipeline.corpus.subtitles import clean_subtitles

ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%

<00:00:00.500><c>today</c><00:00:00.900><c> we</c> cook

00:00:02.000 --> 00:00:02.010 align:start position:0%
today we cook


00:00:02.010 --> 00:00:04.000 align:start position:0%
today we cook
salt<00:00:03.000><c> &amp;</c> pepper [Music]

00:00:04.000 --> 00:00:04.010
salt &amp; pepper

"""


def test_rolling_captions_are_said_once() -> None:
    assert clean_subtitles(ROLLING) == "today we cook salt & pepper"


def test_what_is_said_twice_with_a_pause_stays_twice() -> None:
    text = "WEBVTT\n\n1\n00:01.000 --> 00:02.000\nstir it\n\n2\n00:05.000 --> 00:06.000\nstir it\n"
    assert clean_subtitles(text) == "stir it stir it"


def test_notes_styles_and_sounds_are_no_speech() -> None:
    text = (
        "WEBVTT\n\nNOTE 00:00:01.000 --> 00:00:02.000\nnot said\n\nSTYLE\n::cue { color: red }\n\n"
        "00:00:01.000 --> 00:00:02.000\n(applause) <v Ann>add [laughs] oil</v>\n"
    )
    assert clean_subtitles(text) == "add oil"
    assert clean_subtitles(text.replace("\n", "\r\n")) == "add oil"


ONE, TWO = "00:01.000 --> 00:02.000", "00:04.000 --> 00:06.000"
WRITTEN = {
    "a line of one blank, as YouTube's": f"WEBVTT\n\n{ONE}\n \none\n\n{TWO}\n \ntwo\n",
    "no empty line between cues": f"WEBVTT\n\n{ONE}\none\n{TWO}\ntwo\n",
    "nor between numbered ones": f"WEBVTT\n\n1\n{ONE}\none\n2\n{TWO}\ntwo\n",
    "a blank in the line between": f"1\n{ONE}\none\n \n2\n{TWO}\ntwo\n",
    "no line break at the end": f"WEBVTT\n\n{ONE}\none\n\n{TWO}\ntwo",
    "no header": f"{ONE}\none\n\n{TWO}\ntwo\n",
    "SubRip": "1\n00:00:01,000 --> 00:00:02,000\n<i>one</i>\n\n2\n0:00:04,0 --> 0:00:06,00 X1:0\n{\\an8}two\n",
    "a time that cannot be read": f"WEBVTT\n\n{ONE}\none\n\nlater --> {TWO}\ntwo\n",
    "old Macs' lines": f"WEBVTT\r\r{ONE}\rone\r\r{TWO}\rtwo\r",
    "names of cues": f"WEBVTT\n\nfirst cue\n{ONE}\none\n\nsecond cue\n{TWO} align:start\ntwo\n",
    "hundreds of hours": "WEBVTT\n\n100:00:01.000 --> 100:00:02.000\none\n\n999999:00:00.000 --> 999999:00:01.000\ntwo\n",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_nothing_that_is_said_is_lost_and_nothing_else_is_read(text: str) -> None:
    assert clean_subtitles(text) == "one two"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("3 < 4 <b>and [clap] 5 > 4</b>", "3 < 4 and 5 > 4"),
        ("salt &amp; pepper&#44; &eacute; &lt;b&gt;", "salt & pepper, é <b>"),
        ("a [sound (of) water] b (left open", "a b (left open"),
        ("a [sound\nof water] b <c.one\n.two>c", "a b c"),
        ("add {2} cups", "add {2} cups"),
        (f"&#{'9' * 5000}; x &#55296;", f"&#{'9' * 5000}; x \ufffd"),
        ("42", "42"),
    ],
)
def test_a_line_is_cleaned_of_what_is_not_said(line: str, said: str) -> None:
    assert clean_subtitles(f"WEBVTT\n\n{ONE}\n{line}\n") == said


@pytest.mark.parametrize("character", ["<", "[", "(", "{\\", "&", "&#1", "1", " ", "1:"])
def test_time_grows_with_length_and_no_faster(character: str) -> None:
    line, lines = character * (1_000_000 // len(character)), f"{character}\n" * 20_000
    began = time.process_time()
    for text in (line, f"{line} -->", f"{line}:00:00.000 --> {line}", f"{ONE}\n{line}\n", f"{ONE}\n{lines}" * 2 + "end"):
        clean_subtitles(text)
    assert time.process_time() - began < 10, "a line of a megabyte takes a fraction of a second"
