"""One thin file for each DVC stage: parse, load typed parameters, call `pipeline`, write outputs.

Each runs without DVC and without MLflow. `app`, `compare`, `experiments`, `export`, `foundation`, `judge`, `judgements`,
`overview`, `released`, `rows`, `serve`, `summaries`, `summarise`, `ui` and `verify` are no stages of `dvc.yaml`; you run them.
"""

import argparse
import os
import sys
from collections.abc import Callable

from pipeline.base.failures import is_ours, left_changed
from pipeline.base.processes import end_with_dvc


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
        if left := left_changed():
            print(left, file=sys.stderr)
        if not (isinstance(error, Exception) and is_ours(error)):
            raise
        sys.exit(f"error: {error}")


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
