"""Pins of published weights: the commit of a hub repository and the sha256 of its files, from `pinned.yaml` beside this file.

A file `data/inputs/weights/pinned.yaml` of the same form may hold pins of one's own: its entry of a repository is taken instead.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.base.blocks import Block
from pipeline.base.params import parse_yaml
from pipeline.base.scratch import file_sha256

LOCAL = Path("data/inputs/weights")
PINNED = Path(__file__).with_name("pinned.yaml")
_NAME = "pipeline/base/pinned.yaml"  # what a message calls it


class Pin(Block):
    """The commit of a repository, and the digests of those of its files whose digest is known."""

    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    sha256: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(default_factory=dict)


class Pins(Block):
    repositories: dict[str, Pin]


def pin_of(repository: str) -> Pin | None:
    """The pin of a repository, one's own first; `None` if there is none. A file with a bad entry is a `ValueError`."""
    own = LOCAL / PINNED.name
    pins = parse_yaml(Pins, PINNED).repositories | (parse_yaml(Pins, own).repositories if own.exists() else {})
    return pins.get(repository)


def compare_digests(repository: str, paths: Mapping[str, Path], *, revision: str) -> tuple[dict[str, str], list[str]]:
    """The sha256 of each file, and the names of those that a pin confirms. Of the others it prints the lines that would pin them.

    `revision` is the commit they are of, or "local". Digests that differ from the pinned ones are one `RuntimeError`, which names
    both of every such file.
    """
    pin = pin_of(repository)
    expected = pin.sha256 if pin else {}
    digests = {name: file_sha256(path) for name, path in paths.items()}
    wrong = [name for name, digest in digests.items() if expected.get(name, digest) != digest]
    if wrong:
        listed = "; ".join(f"{paths[name].resolve()} has {digests[name]}, pinned is {expected[name]}" for name in wrong)
        raise RuntimeError(
            f"weights of {repository} are not the pinned ones: sha256 of {listed}. Delete what is named and get it again; if it "
            f"is what you want, change the entry of {repository} in {_NAME}, or give your own in {LOCAL / PINNED.name}"
        )
    confirmed = [name for name in digests if name in expected]
    if len(confirmed) < len(digests):
        print(f"warning: {repository}: {_unpinned(pin, digests)}. If you trust what came, say so in {_NAME}:")
        print(_as_entry(repository, digests | expected, revision), flush=True)
    return digests, confirmed


def _unpinned(pin: Pin | None, digests: Mapping[str, str]) -> str:
    if pin is None:
        return "neither its commit nor a digest is pinned"
    return f"no digest is pinned of {', '.join(name for name in digests if name not in pin.sha256)}"


def _as_entry(repository: str, digests: Mapping[str, str], revision: str) -> str:
    commit = "<the commit these files were taken from>" if revision == "local" else revision
    lines = [f"  {repository}:", f'    revision: "{commit}"', "    sha256:"]
    return "\n".join([*lines, *(f'      {name}: "{digest}"' for name, digest in digests.items())])
