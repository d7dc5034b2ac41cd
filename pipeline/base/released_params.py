"""A file of `studies/released/` as a frozen, typed block: others' outputs and what is compared.

Such a study is no value of the dial `study`, which needs a corpus; `python -m stages.released <name>` reads it.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.base.blocks import Block, Positive
from pipeline.base.dataset_params import External, InputPath, OneLine, RowName
from pipeline.base.files import listed
from pipeline.base.params import Primary, parse_yaml
from pipeline.base.paths import STUDIES

RELEASED = STUDIES / "released"


class Released(Block):
    """A table of outputs that others have released: no corpus, and nothing is trained.

    Files lie in the study's folder of `data/inputs/`; those that do not are fetched from `url`. All have the `sha256` given,
    and a text a line, in one order. `compared` are pairs of rows, the first minus the second, in families that are corrected
    together.
    """

    title: OneLine
    terms: OneLine
    url: Annotated[str, Field(pattern=r"^https?://\S+/$")]
    max_bytes: Positive
    sha256: dict[InputPath, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    references: InputPath
    primary: Primary
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    external: Annotated[dict[RowName, External], Field(min_length=1)]
    compared: dict[OneLine, list[Annotated[list[str], Field(min_length=2, max_length=2)]]]

    @model_validator(mode="after")
    def _check(self) -> "Released":
        for name, entry in self.external.items():
            if entry.file not in self.sha256:
                raise ValueError(f"external.{name}: file: {entry.file!r} has no sha256; add it there")
        if self.references not in self.sha256:
            raise ValueError(f"references: {self.references!r} has no sha256; add it there")
        every = [tuple(pair) for pairs in self.compared.values() for pair in pairs]
        if twice := [pair for pair in dict.fromkeys(every) if every.count(pair) > 1]:
            raise ValueError(f"compared: {twice[0][0]} minus {twice[0][1]} stands there twice; a comparison has one family")
        for family, pairs in self.compared.items():
            for pair in pairs:
                if unknown := [name for name in pair if name not in self.external]:
                    raise ValueError(f"compared.{family}: {', '.join(unknown)}: no entry of external")
        return self


def load_released(name: str, folder: Path = Path()) -> Released:
    """Parse and check `studies/released/<name>.yaml`. An unknown one is a `ValueError` that lists those there are."""
    known = [path.stem for path in listed(folder / RELEASED, "*.yaml")]
    if name not in known:
        raise ValueError(
            f"{name!r} is none of {', '.join(known) or 'nothing'}; a table of others' outputs is a file {RELEASED}/<name>.yaml"
        )
    return parse_yaml(Released, folder / RELEASED / f"{name}.yaml")
