"""What is said when a stage fails: errors that the project raises on purpose, and what a failed experiment leaves behind."""

import os
import subprocess
import traceback
from pathlib import Path

from pipeline.base.files import listed
from pipeline.base.paths import PARAMS, STUDIES
from pipeline.base.scratch import scratch_root

ROOT = Path(__file__).parents[2]


def is_ours(error: Exception) -> bool:
    """Whether `error` comes from a `raise` statement of this project, in this process: then it says what to do."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not any(Path(frames[-1].filename).is_relative_to(ROOT / folder) for folder in ("pipeline", "stages")):
        return False
    from_a_worker = type(error.__cause__).__name__ == "_RemoteTraceback"
    return not from_a_worker and (frames[-1].line or "").startswith("raise ")


def left_changed() -> str:
    """What a user should know when a stage fails under `dvc exp run -S` in the work tree: its values stay where DVC wrote them.

    Empty in any other case.
    """
    if "DVC_EXP_NAME" not in os.environ or Path.cwd().resolve() != scratch_root().parent.resolve():
        return ""
    files = (PARAMS, *listed(STUDIES, "*.yaml"))
    changed = [path for path in files if _git("hash-object", str(path)) != _git("rev-parse", f"HEAD:{path}")]
    if not changed:
        return ""
    for path in changed:
        path.touch()  # DVC may have left an index in which git takes a file of the same size and second for unchanged
    names = " ".join(map(str, changed))
    return f"note: -S has left its values in {names}, and the next command has them, too. `git restore {names}` takes them back."


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=20).stdout
