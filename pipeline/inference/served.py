"""An exported row as a model of MLflow. MLflow keeps a copy of this file and runs it to have the model: nothing is pickled.

A request is a table with the columns of `pipeline.inference.asked`; the answer has an object for each of its rows.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.pyfunc import PythonModel

from pipeline.inference.exported_names import EXPORT

FOLDER_VARIABLE = "SUMMARISER_VIDEOS"  # the folder whose videos may be named; if it is not set, where the server was started
SECONDS_VARIABLE = "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"  # MLflow answers 504 after so long
_SECONDS = 60.0


class Summariser(PythonModel):  # type: ignore[misc]
    """One request at a time is worked on, and the others wait for their turn, no longer than a request may take."""

    def load_context(self, context: Any) -> None:
        """Load the row; what takes seconds to import comes in here, not when the model is saved."""
        from pipeline.inference.exported import load_export, params_of

        self.trained = load_export(Path(context.artifacts[EXPORT]))
        self.params = params_of(self.trained)
        self.turn = Lock()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """A summary for each row of a data frame. A row that cannot be summarised fails the request, with its reason."""
        from pipeline.inference.asked import AskedError, read_asked

        try:
            asked = read_asked(model_input.to_dict("records"), Path(os.environ.get(FOLDER_VARIABLE, ".")))
            if not self.turn.acquire(timeout=float(os.environ.get(SECONDS_VARIABLE, _SECONDS))):
                raise MlflowException("others are being served; try again", error_code=TEMPORARILY_UNAVAILABLE)
            try:
                return [self._answer(each, f"record {number}") for number, each in enumerate(asked)]
            finally:
                self.turn.release()
        except AskedError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error

    def _answer(self, asked: Any, where: str) -> dict[str, Any]:
        from pipeline.base.scratch import file_identity
        from pipeline.inference.asked import AskedError
        from pipeline.inference.files import CHANGED
        from pipeline.inference.summarise import summarise_video

        with TemporaryDirectory(prefix="served-") as folder:
            path = asked.path
            if path is None:
                path = Path(folder) / "video"
                path.write_bytes(asked.content)
            before = file_identity(path)
            found = summarise_video(self.trained, path, asked.source, self.params)
            changed = file_identity(path) != before
        if found.reason:
            raise AskedError(f"{where}: {found.reason}")
        if changed:
            raise AskedError(f"{where}: {CHANGED}")
        return {
            "summary": found.text,
            "frames": found.frames,
            "note": found.note,
            "caution": self.trained.caution,
            "row": self.trained.row.name,
            "seed": self.trained.seed,
            "study": self.trained.study_name,
            "seconds": found.parts,
        }


set_model(Summariser())
