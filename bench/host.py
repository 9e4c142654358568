"""A process that serves one program to the engine, and says at its end how much memory and processor time it needed.

Usage: python -m bench.host KIND RECORDING

KIND is `program`, or `record` (it also writes the recording); `flat`, `components` and `hooks` replay the recording,
without the project's layers or with one of them; `record-flat` writes down beside it what `flat` registers.

Nothing but the program runs in it: the engine and the simulated clouds are processes of their own. It prints the port
that it listens on, and at the end of its input a JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from pulumi.automation._server import LanguageServer  # the public API runs the engine in this process's threads, too
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2_grpc

from bench.memory import own_peak
from bench.recording import Program, flat_recording, recorded
from sandbox import workspace
from sandbox.engine import ROOT


def program(kind: str, recording: Path) -> Program:
    """The program of a kind; each kind imports only what it needs itself, since memory is measured."""
    root = workspace.program(ROOT)
    if kind == "program":
        return root
    from bench import flat  # noqa: PLC0415

    if kind == "record":
        return recorded(root, recording)
    if kind == "record-flat":
        return recorded(flat.program(recording), flat_recording(recording))
    return flat.program(recording, components=kind == "components", hooks=kind == "hooks")


def main(kind: str, recording: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    servicer = LanguageServer(program(kind, Path(recording)))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    print(json.dumps({"peak_mib": own_peak(), "cpu_seconds": time.process_time()}), flush=True)
    server.stop(grace=None).wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
