"""A process that serves the simulated clouds until its input ends: `python -m bench.clouds CLOUD_FILE`."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from sandbox.cloud import Cloud
from sandbox.providers import serve


def main(path: str) -> None:
    with closing(Cloud.open(Path(path))) as cloud, serve(cloud) as providers:
        print(providers, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
