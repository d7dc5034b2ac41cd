"""A local page to drop a video into, until it is stopped; no stage of `dvc.yaml`.

python -m stages.app [--row clipsum] [--study kitchen] [--port 5000] [--listen]
"""

import argparse
import errno
import sys
from dataclasses import replace

from pipeline.base.params import load_params, load_study
from pipeline.base.processes import end_with_group
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.app", description=__doc__)
    parser.add_argument("--row", default="clipsum", help="the trained row that is picked first; default: clipsum")
    parser.add_argument("--study", help="the study that rows were trained under; default: that of params.yaml")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--listen", action="store_true", help="hear what is said in a video that has no text")
    arguments = parser.parse_args()
    params = load_params()
    if arguments.study is not None:
        params = replace(params, study=arguments.study, current=load_study(arguments.study))
    end_with_group("What started the page is gone; it ends here.")

    from pipeline.inference.app import serve_app

    try:
        serve_app(arguments.row, params, port=arguments.port, listen=arguments.listen)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        sys.exit(f"app: port {arguments.port} cannot be had ({error.strerror}); try another with PORT={arguments.port + 1}")
    except KeyboardInterrupt:
        print("the page has stopped")


if __name__ == "__main__":
    run(main)
