"""`python -m settings check`: whole files, external secrets by name, and what environments must not share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from settings.__main__ import main
from settings.errors import ConfigError
from settings.stacks import check_separation, load_stack_file
from tests.unit.settings.documents import SERVICE, VERCEL, aws, aws_prod, dev, plan, prod, staging


def write(folder: Path, stack: str, raw: dict[str, Any]) -> Path:
    file = folder / f"Pulumi.{stack}.yaml"
    file.write_text(yaml.safe_dump({"config": {f"tenantry:{key}": value for key, value in raw.items()}}))
    return file


def test_stack_files_of_this_repository_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == (
        "Pulumi.dev.yaml: 3 tenants, 1 pool, 2 instances\n"
        "Pulumi.prod.yaml: 12 tenants, 2 pools, 4 instances\n"
        "Pulumi.staging.yaml: 5 tenants, 2 pools, 3 instances\n"
    )


def test_one_bad_file_fails_the_check_and_the_others_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(tmp_path, "dev", dev({"tenants.0.plan": "gold", "tenants.1.ring": "first"}))
    good = write(tmp_path, "prod", prod({"gcp.project": "ledgerly-prod"}))
    assert main(["check", str(bad), str(good)]) == 1
    printed = capsys.readouterr()
    assert printed.out == "Pulumi.prod.yaml: 3 tenants, 1 pool, 2 instances\n"
    assert printed.err.startswith("Pulumi.dev.yaml: 2 problems in the stack configuration; nothing was changed.\n")


def test_no_file_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("settings.__main__.ROOT", tmp_path)
    monkeypatch.setattr("settings.__main__._GENERATED", {})
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "no stack file found\n"


def test_environments_share_nothing() -> None:
    plans = {"Pulumi.dev.yaml": plan(dev()), "Pulumi.prod.yaml": plan(prod({"gcp.network": "10.64.128.0/17"}))}
    assert [(problem.path, problem.value) for problem in check_separation(plans)] == [
        ("Pulumi.prod.yaml: tenantry:gcp.project", '"ledgerly-dev"'),
        ("Pulumi.prod.yaml: tenantry:gcp.project_number", '"481205517301"'),
        ("Pulumi.prod.yaml: tenantry:gcp.network", '"10.64.128.0/17"'),
    ]


def test_environments_on_aws_share_nothing() -> None:
    other = {"vercel": VERCEL, "services": {"gateway": {**SERVICE, "host": "api.ledgerly.example", "zone": "Z0AB"}}}
    plans = {"Pulumi.dev.yaml": plan(aws(other)), "Pulumi.prod.yaml": plan(aws_prod(other))}
    assert [(problem.path, problem.value) for problem in check_separation(plans)] == [
        ("Pulumi.prod.yaml: tenantry:aws.account_id", '"111122223333"'),
        ("Pulumi.prod.yaml: tenantry:vercel.project", '"team_a1b2c3d4e5/ledgerly-app"'),
        ("Pulumi.prod.yaml: tenantry:aws.network", '"10.96.0.0/16"'),
    ]
    assert check_separation({"Pulumi.dev.yaml": plan(dev()), "Pulumi.prod.yaml": plan(aws_prod())}) == []


def test_environments_that_share_nothing() -> None:
    other = {"gcp.project": "ledgerly-staging", "gcp.project_number": "481205517302", "gcp.network": "10.65.0.0/16"}
    plans = {"Pulumi.dev.yaml": plan(dev()), "Pulumi.staging.yaml": plan(staging(other))}
    assert check_separation(plans) == []


def test_sharing_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path, "dev", dev()), write(tmp_path, "prod", prod())]
    assert main(["check", *map(str, files)]) == 1
    assert (
        "tenantry:gcp.project: is also that of Pulumi.dev.yaml; environments share nothing" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("listed", "values", "paths"),
    [
        (["SENTRY_DSN"], {"SENTRY_DSN": {"secure": "v1:x"}}, []),
        (["SENTRY_DSN"], {}, ["tenantry:external_secrets.SENTRY_DSN"]),
        ([], {"SENTRY_DSN": {"secure": "v1:x"}}, ["tenantry:external_secrets.SENTRY_DSN"]),
        (["SENTRY_DSN"], {"SENTRY_DSN": "hunter2"}, ["tenantry:external_secrets"]),
    ],
)
def test_external_secrets_of_a_file(
    tmp_path: Path, listed: list[str], values: dict[str, Any], paths: list[str]
) -> None:
    file = write(tmp_path, "dev", dev({"secrets.external": listed, "external_secrets": values}))
    if not paths:
        assert len(load_stack_file(file).tenants) == 3
        return
    with pytest.raises(ConfigError) as caught:
        load_stack_file(file)
    assert [problem.path for problem in caught.value.problems] == paths
    assert "hunter2" not in str(caught.value)


def test_external_secrets_are_reported_with_everything_else(tmp_path: Path) -> None:
    file = write(tmp_path, "dev", dev({"secrets.external": ["SENTRY_DSN"], "tenants.0.plan": "gold"}))
    with pytest.raises(ConfigError) as caught:
        load_stack_file(file)
    assert [problem.path for problem in caught.value.problems] == [
        "tenantry:external_secrets.SENTRY_DSN",
        "tenantry:tenants[0].plan",
    ]
