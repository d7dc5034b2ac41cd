"""One thin file for each DVC stage: parse, load typed parameters, call `pipeline`, write outputs.

Each runs without DVC and without MLflow. `experiments`, `foundation`, `overview`, `summaries`, `ui` and `verify` are no stages of
`dvc.yaml`; you run them.
"""

import argparse
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from pipeline.base.files import listed
from pipeline.base.paths import PARAMS, STUDIES
from pipeline.base.processes import end_with_dvc
from pipeline.base.scratch import scratch_root


def run(main: Callable[[], None]) -> None:
    """Run a stage; when DVC, which started it, is gone, the stage ends too.

    An error that this project raises on purpose says what is wrong and what to do, in one line. Any other has its traceback.
    """
    end_with_dvc()
    try:
        main()
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            raise
        if left := _left_changed():
            print(left, file=sys.stderr)
        if not (isinstance(error, Exception) and _is_ours(error)):
            raise
        sys.exit(f"error: {error}")


def _left_changed() -> str:
    """What a user should know after `dvc exp run -S` in the work tree: it leaves its values where it wrote them."""
    if "DVC_EXP_NAME" not in os.environ or Path.cwd().resolve() != scratch_root().parent.resolve():
        return ""
    changed = [
        path
        for path in (PARAMS, *listed(STUDIES, "*.yaml"))
        if _git("hash-object", str(path)) != _git("rev-parse", f"HEAD:{path}")
    ]
    if not changed:
        return ""
    for path in changed:
        path.touch()  # DVC may have left an index in which git takes a file of the same size and second for unchanged
    names = " ".join(map(str, changed))
    return f"note: -S has left its values in {names}, and the next command has them, too. `git restore {names}` takes them back."


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=20).stdout


def _is_ours(error: Exception) -> bool:
    """Whether `error` comes from a `raise` statement of this project, in this process."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not Path(frames[-1].filename).is_relative_to(Path(__file__).parents[1]):
        return False
    from_a_worker = type(error.__cause__).__name__ == "_RemoteTraceback"
    return not from_a_worker and (frames[-1].line or "").startswith("raise ")


def item_of_stage(description: str | None, name: str, *, meaning: str) -> str:
    """The one thing a stage works on: the option `--<name>`, or what DVC calls the running stage (`weights@resnet152`).

    So no value of a parameter is ever part of a shell command.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(f"--{name}", default=running_item(), help=meaning)
    item = str(getattr(parser.parse_args(), name))
    if not item:
        parser.error(f"--{name} is missing")
    return item


def running_item() -> str:
    """What DVC calls the thing that the running stage works on; empty outside DVC, or if the stage has one thing to do."""
    return os.environ.get("DVC_STAGE", "").partition("@")[2]
