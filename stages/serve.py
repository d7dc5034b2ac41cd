"""Serve the best seed of a row on this machine, from MLflow's registry, until it is stopped; no stage of `dvc.yaml`.

python -m stages.serve [--row clipsum] [--study kitchen] [--port 5000] [--videos FOLDER]

POST http://127.0.0.1:5000/invocations {"dataframe_records": [{"video": "path.mp4", "text": "what is said"}]}; instead of `video`,
`video_base64` takes the file's own bytes.
"""

import argparse
import errno
import sys
from pathlib import Path

from pipeline.base.params import load_params, load_study
from pipeline.base.processes import end_with_group
from pipeline.base.row_names import declared_names
from pipeline.base.tracking_models import ALIAS, best_of
from pipeline.base.tracking_store import open_store, store_address
from pipeline.inference.card import registered_name
from pipeline.inference.serving import serve
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.serve", description=__doc__)
    parser.add_argument("--row", default="clipsum", help="a trained row; default: clipsum")
    parser.add_argument("--study", help="the study that it was trained under; default: that of params.yaml")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--videos", type=Path, default=Path(), help="paths in requests are relative to it; default: this folder")
    arguments = parser.parse_args()
    params = load_params()
    study = arguments.study or params.study
    load_study(study)
    if arguments.row not in (known := declared_names(more=params.more_encoders)):
        sys.exit(f"serve: --row: {arguments.row!r} is none of {', '.join(known)}")
    if not 0 < arguments.port < 1 << 16:
        sys.exit(f"serve: --port: {arguments.port} is no port; ports are 1 to {(1 << 16) - 1}")
    if not arguments.videos.is_dir():
        sys.exit(f"serve: --videos: {arguments.videos} is no folder")
    client, _ = open_store(study)
    name = registered_name(study, arguments.row)
    if best_of(client, name) is None:
        again = f"dvc repro --force --single-item --glob 'evaluate*@{arguments.row}'"
        sys.exit(f"serve: no model {name} is registered; once the row is trained, `{again}` does that")
    import mlflow

    mlflow.set_tracking_uri(store_address()[0])  # of this process, which does nothing else
    end_with_group("What started the server is gone; the server ends here.")
    try:
        serve(f"models:/{name}@{ALIAS}", port=arguments.port, folder=arguments.videos)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        sys.exit(f"serve: port {arguments.port} cannot be had ({error.strerror}); try another with PORT={arguments.port + 1}")


if __name__ == "__main__":
    run(main)
