"""Commands of the documents that `.ci/run` does not run as they stand there, and why: beginning → reason."""

from __future__ import annotations

from typing import Final

NOT_RUN: Final = {
    "aws ": "needs an AWS account",
    "docker build ": "needs a container engine and an image registry",
    "docker inspect ": "needs a container engine",
    "docker login ": "needs a container engine and a registry that one may write to",
    "docker push ": "needs a registry that one may write to",
    "gcloud ": "needs a Google Cloud project",
    "make preview EXAMPLE=": "tests/engine/product/test_examples.py previews every example",
    "make up EXAMPLE=": "tests/engine/product/test_examples.py brings every example up",
    "pytest tests/components/test_inventory.py --update-golden": "writes golden files; CI compares them",
    "pulumi config set ": "needs a stack on a real backend",
    "pulumi import ": "needs a cloud account",
    "pulumi login ": "needs a state bucket",
    "pulumi policy analyze ": "needs an exported state; `python -m sandbox analyze` runs it on the sandbox's",
    "pulumi preview ": "needs a cloud account; `make preview` runs it on the sandbox",
    "pulumi refresh ": "needs a cloud account; `make refresh` runs it on the sandbox",
    "pulumi stack export ": "needs a stack on a real backend; recovery exports the sandbox's",
    "pulumi stack import ": "needs a stack on a real backend; recovery imports into the sandbox's",
    "pulumi stack init ": "needs a state bucket and a key",
    "pulumi up ": "needs a cloud account; `make up` runs it on the sandbox",
    "python -m policies.catalogue": "writes docs/policies.md; tests/policies compares it with the rules",
    "python -m recovery ": "needs a stack on a real backend; `make recover` runs the same steps on the sandbox",
    "python -m settings check Pulumi.prod.yaml": "`python -m settings check` reads all stack files",
    "python -m settings docs": "writes a page; CI runs it with --check",
    "python -m settings schema": "writes the schema; CI runs it with --check",
    "pre-commit install": "changes the clone's git hooks",
    "uv sync": "`make setup` runs it with --frozen",
}
