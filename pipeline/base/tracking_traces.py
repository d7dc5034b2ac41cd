"""A call of a chat model as a trace in MLflow: hashes, tokens and seconds of it, never what was sent.

MLflow's own functions for traces write to where its global state points, so a trace is put together here for the run's store.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.tracking import Run


@dataclass(frozen=True)
class Traced:
    """`started` and `ended` are in nanoseconds since 1970. `problem` says why there is no answer; empty if there is one."""

    name: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    tokens_in: int
    tokens_out: int
    started: int
    ended: int
    problem: str = ""


def trace(run: Run, call: Traced) -> None:
    """Add the call to the run's traces, or to nothing if tracking has failed."""
    run.tracker.attempt(lambda client: _log(client, run, call))


def _log(client: Any, run: Run, call: Traced) -> None:
    from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState
    from mlflow.tracing.client import TracingClient
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    number, experiment = secrets.randbits(127) | 1, run.tracker.experiment_id
    trace_id = f"tr-{number:032x}"
    usage = {"input_tokens": call.tokens_in, "output_tokens": call.tokens_out, "total_tokens": call.tokens_in + call.tokens_out}
    info = TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=call.started // 10**6,
        state=TraceState.ERROR if call.problem else TraceState.OK,
        execution_duration=(call.ended - call.started) // 10**6,
        request_preview=json.dumps(call.inputs),
        response_preview=call.problem or json.dumps(call.outputs),
        trace_metadata={
            "mlflow.sourceRun": str(run.run_id),
            "mlflow.trace.tokenUsage": json.dumps(usage),
            "mlflow.trace_schema.version": "3",
        },
        tags={"mlflow.traceName": call.name},
    )
    attributes = {
        "mlflow.traceRequestId": trace_id,
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.spanInputs": call.inputs,
        "mlflow.spanOutputs": call.outputs,
        "mlflow.chat.tokenUsage": usage,
    }
    span = ReadableSpan(
        name=call.name,
        context=SpanContext(number, secrets.randbits(63) | 1, is_remote=False, trace_flags=TraceFlags(1)),
        start_time=call.started,
        end_time=call.ended,
        attributes={key: json.dumps(value) for key, value in attributes.items()},
        status=Status(StatusCode.ERROR, call.problem) if call.problem else Status(StatusCode.OK),
        resource=Resource.get_empty(),
    )
    tracing = TracingClient(client.tracking_uri)
    tracing.start_trace(info)
    tracing.log_spans(experiment, [Span(span)])
