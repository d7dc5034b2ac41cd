"""A copy of the project in which the rehearsal runs, with a study, inputs and a DVC cache of its own.

Nothing of it reaches the project's own data, models or results, and no remote is configured in it.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.base.dataset_params import YouCook2Dataset
from pipeline.base.files import listed, replacing, write_text
from pipeline.base.params import load_params, read_yaml
from pipeline.base.paths import INPUTS, PARAMS, PIPELINE, STUDIES
from pipeline.base.pins import LOCAL, PINNED
from pipeline.base.scratch import file_sha256
from pipeline.corpus.youcook2 import ANNOTATIONS
from pipeline.rehearsal.hub import head_commit

STUDY = "youcook2"
CODE = ("foundation", "pipeline", "stages", "studies")
FILES = (".dvcignore", PARAMS.name, PIPELINE.name)
SEED = 0
# Without git: what is made there is nobody's history. And without a remote that the project may have.
CONFIG = """[core]
    analytics = false
    check_update = false
    no_scm = true
[cache]
    type = "hardlink,copy"
"""


def copy_code(project: Path, copy: Path) -> None:
    """Code, studies and shipped models as they are in `project` now; what has been made in `copy` stays."""
    for name in CODE:
        shutil.rmtree(copy / name, ignore_errors=True)
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(project / name, copy / name)
    write_text(copy / ".dvc" / "config", CONFIG)


def write_pins(copy: Path, hub: Path) -> None:
    """Pins of the random weights in `hub`, in place of the published ones: so commits and digests are compared here, too."""
    repositories = {}
    for folder in listed(hub, "*/*/"):
        repository = folder.relative_to(hub).as_posix()
        digests = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
        repositories[repository] = {"revision": head_commit(repository), "sha256": digests}
    path = copy / LOCAL / PINNED.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        YAML().dump({"repositories": repositories}, stream)


def write_study(copy: Path) -> None:
    """The study as it is, with one seed, one epoch, and the sha256 of the inputs' annotations."""
    annotations = file_sha256(copy / INPUTS / STUDY / ANNOTATIONS)

    def one_of_each(study: Any) -> None:
        study["dataset"]["annotations_sha256"] = annotations
        study["train"]["epochs"] = 1
        study["seeds"] = [SEED]

    def here(dials: Any) -> None:
        dials["study"] = STUDY
        dials["runtime"] |= {"device": "cpu", "cost_repeats": 1}

    _edit(copy / STUDIES / f"{STUDY}.yaml", one_of_each)
    _edit(copy / PARAMS, here)
    dataset = load_params(copy).current.dataset
    if not isinstance(dataset, YouCook2Dataset) or Path(dataset.folder) != INPUTS / STUDY:
        raise ValueError(f"studies/{STUDY}.yaml: dataset: the rehearsal needs YouCook2 in {INPUTS / STUDY}")


def wanted_weights(project: Path) -> list[str]:
    """What stage `weights` makes: text models, and encoders with the one under study in its place."""
    encoder = str(read_yaml(project / PARAMS)["encoder"])
    names = read_yaml(project / PIPELINE)["stages"]["weights"]["foreach"]
    return list(dict.fromkeys(str(name).replace("${encoder}", encoder) for name in names))


def environment(*, hub: str, hub_home: Path) -> Mapping[str, str]:
    """Variables for the commands in the copy: everything that is fetched comes from `hub` and goes to `hub_home`."""
    foreign = ("DVC_", "HF_", "HUGGINGFACE_", "MLFLOW_", "TRANSFORMERS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    ours = {"HF_ENDPOINT": hub, "HF_HOME": str(hub_home.resolve()), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    quiet = {"DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "NO_PROXY": "127.0.0.1"}
    return kept | ours | quiet | {"PATH": path}


def _edit(path: Path, change: Callable[[Any], None]) -> None:
    yaml = YAML()
    content = yaml.load(path)
    change(content)
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
