"""The colour of a system: the same in every figure, table and list, by what the system sees.

Colours are from the palette of M. Okabe and K. Ito, "Color Universal Design", 2008, told apart by readers with any colour vision.
A figure is drawn in the colours of light paper. Where the page shows it, each of them becomes a variable of the page's style,
which has a value for dark paper, too.
"""

import re
from typing import Literal

from pipeline.report.families import REFERENCE
from pipeline.report.results import Row

Role = Literal["reference", "sighted", "text", "truth", "chat", "external", "control"]

VERMILION, BLUE, BLACK, GREEN, PURPLE, OCHRE, GREY = "#d55e00", "#0072b2", "#444444", "#00805d", "#a3508b", "#8a6d00", "#8c8c8c"
OF_ROLE: dict[Role, str] = {
    "reference": VERMILION,
    "sighted": BLUE,
    "text": BLACK,
    "truth": GREEN,
    "chat": OCHRE,
    "external": PURPLE,
    "control": GREY,
}
INK, SOFT, AXIS, BAND, PAPER = "#222222", "#555555", "#999999", "#dddddd", "#ffffff"
OF_SEEDS = ("#0173b3", "#b87a00", "#009e73", "#cc79a7", "#56b4e9", "#d65f01", "#000001")
_VARIABLES = {
    **{colour: f"--{role}" for role, colour in OF_ROLE.items()},
    **{colour: f"--seed-{place}" for place, colour in enumerate(OF_SEEDS)},
    INK: "--ink",
    SOFT: "--soft",
    AXIS: "--axis",
    BAND: "--band",
    PAPER: "--card",
}


def role_of(row: Row) -> Role:
    """What a row is, for its colour: ClipSum (fine-tuned or not), another that sees, text alone, the truth; a chat model; others'
    outputs; or a control.
    """
    if row.is_control:
        return "control"
    if row.record.kind == "chat" or row.record.kind == "external":
        return row.record.kind
    if row.is_calibration:
        return "truth"
    if row.record.encoder is None:
        return "text"
    return "reference" if row.name in (REFERENCE, f"{REFERENCE}_finetuned") else "sighted"


def colour_of(row: Row) -> str:
    return OF_ROLE[role_of(row)]


def with_variables(svg: str) -> str:
    """A figure in the page's own colours. One that has no variable is a `ValueError`: on dark paper it might not be seen."""
    unknown = {colour.lower() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", svg)} - _VARIABLES.keys()
    if unknown:
        raise ValueError(f"figure: {', '.join(sorted(unknown))} is no colour of pipeline/report/palette.py")
    return re.sub(r"#[0-9a-fA-F]{6}\b", lambda found: f"var({_VARIABLES[found[0].lower()]})", svg)
