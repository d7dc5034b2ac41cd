"""Show runs, curves and artifacts in MLflow, until it is stopped. `python -m stages.ui --port 5000`"""

import argparse
import os
import sys
import webbrowser

from pipeline.base.params import load_params
from pipeline.base.processes import end_with_group
from pipeline.base.tracking_server import HOST, serve
from pipeline.base.tracking_store import open_store, store_address
from pipeline.base.tracking_view import browser_defaults, describe_experiment, first_screen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    port = parser.parse_args().port
    params = load_params()
    primary = params.current.primary.metric
    client, experiment_id = open_store(params.study)
    describe_experiment(client, experiment_id, study=params.study, primary=primary)
    store, artifacts = store_address()
    if store.startswith("http"):
        show(first_screen(store.rstrip("/"), experiment_id))
        return
    end_with_group("What started MLflow's server is gone; the server ends here.")
    try:
        serve(
            store=store,
            artifacts=artifacts,
            port=port,
            script=browser_defaults(experiment_id, primary),
            ready=lambda: show(first_screen(f"http://{HOST}:{port}", experiment_id)),
        )
    except OSError as error:
        sys.exit(f"ui: port {port} cannot be had ({error.strerror}); try `make ui PORT={port + 1}`")
    except KeyboardInterrupt:
        print("MLflow has stopped")


def show(address: str) -> None:
    print(f"MLflow: {address}", flush=True)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)


if __name__ == "__main__":
    main()
