import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from sandbox.workspace import (
    Layout,
    WorkspaceError,
    confined,
    environment,
    example,
    prepare,
    synthetic_secret,
    without_secrets,
)


def layout(tmp_path: Path) -> Layout:
    source = tmp_path / "project"
    source.mkdir(parents=True)
    (source / "Pulumi.yaml").write_text("name: tenantry\nruntime: python\n", encoding="utf-8")
    return Layout(source=source, home=tmp_path / "home", stack="prod")


def test_secrets_at_every_depth_are_replaced_by_path() -> None:
    plain, secrets = without_secrets(
        {
            "tenantry:token": {"secure": "AAAB"},
            "tenantry:monitoring": {"webhook": {"secure": "AAAC"}, "days": 0, "on": False, "note": None},
            "tenantry:hooks": [{"secure": "AAAD"}, "plain"],
            "tenantry:odd": {"a.b": {"secure": "AAAE"}},
        }
    )
    assert plain == {
        "tenantry:monitoring": {"webhook": None, "days": 0, "on": False, "note": None},
        "tenantry:hooks": [None, "plain"],
        "tenantry:odd": {"a.b": None},
    }
    assert list(secrets) == [
        "tenantry:token",
        "tenantry:monitoring.webhook",
        "tenantry:hooks[0]",
        'tenantry:odd["a.b"]',
    ]


@pytest.mark.parametrize(
    ("key", "start"),
    [
        ("ACME_DATABASE_URL", "postgresql://app:"),
        ("databaseUrl", "postgresql://app:"),
        ("SENTRY_DSN", "https://"),
        ("partnerDsn", "https://"),
        ("DATABASE_URL_PREFIX", "https://"),
        ("webhook", "https://"),
        ("callbackUrl", "https://"),
        ("email", ""),
        ("token", "sandbox-"),
    ],
)
def test_synthetic_secrets_keep_the_shape_of_what_they_stand_for(key: str, start: str) -> None:
    value = synthetic_secret(key, f"tenantry:{key}")
    assert value.startswith(start)
    assert value == synthetic_secret(key, f"tenantry:{key}")
    assert value != synthetic_secret(key, f"other:{key}")


def test_every_synthetic_database_has_its_own_host_and_its_exports_their_own_login() -> None:
    names = ("ACME_DATABASE_URL", "ACME_BACKUP_DATABASE_URL", "globex.databaseUrl", "databaseUrl", "DATABASE_URL")
    found = [urlsplit(synthetic_secret(name, f"tenantry:secrets.{name}")) for name in names]
    assert [url.hostname for url in found] == [
        "acme.databases.example",
        "acme.databases.example",
        "globex.databases.example",
        "default.databases.example",
        "default.databases.example",
    ]
    assert [url.username for url in found[:3]] == ["app", "exports", "app"]
    assert {url.query for url in found} == {"sslmode=verify-full"}
    assert {url.port for url in found} == {5432}


def test_prepare_leaves_the_stack_file_alone_and_drops_its_encryption(tmp_path: Path) -> None:
    place = layout(tmp_path)
    config = place.source / "Pulumi.prod.yaml"
    text = (
        "secretsprovider: gcpkms://x\nencryptedkey: abc\nconfig:\n  tenantry:token:\n    secure: AAA\n  tenantry:n: 1\n"
    )
    config.write_text(text, encoding="utf-8")
    secrets = prepare(place, config=config, edit=lambda values: values.update({"tenantry:n": 2}))
    assert config.read_text(encoding="utf-8") == text
    assert yaml.safe_load(place.config_file.read_text(encoding="utf-8")) == {"config": {"tenantry:n": 2}}
    assert list(secrets) == ["tenantry:token"]


def test_prepare_names_the_missing_stack_file_and_those_that_exist(tmp_path: Path) -> None:
    place = layout(tmp_path)
    (place.source / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    with pytest.raises(
        WorkspaceError, match=r"stack 'prod': .*Pulumi.prod.yaml does not exist \(there are: Pulumi.dev"
    ):
        prepare(place, config=place.source / "Pulumi.prod.yaml")


def test_an_example_has_a_state_and_a_cloud_of_its_own(tmp_path: Path) -> None:
    stack_files(tmp_path, "S2/Pulumi.prod.yaml", "S2/Pulumi.dev.yaml", "S0/Pulumi.dev.yaml")
    assert example(tmp_path, "S2", "prod") == (
        tmp_path / "examples" / "S2" / "Pulumi.prod.yaml",
        tmp_path / ".sandbox" / "examples" / "S2" / "prod",
    )
    homes = {example(tmp_path, *found)[1] for found in (("S2", "prod"), ("S2", "dev"), ("S0", "dev"))}
    assert len(homes) == 3
    assert tmp_path / ".sandbox" / "dev" not in homes


def stack_files(source: Path, *names: str) -> None:
    for name in names:
        path = source / "examples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("config: {}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "stack", "message"),
    [
        ("S9", "prod", "example 'S9' does not exist (there are: S0, S2)"),
        ("../S2", "prod", "example '../S2' does not exist (there are: S0, S2)"),
        ("notes", "prod", "example 'notes' does not exist (there are: S0, S2)"),
        ("S2", "staging", "example 'S2' has no stack 'staging' (there are: dev, prod)"),
    ],
)
def test_an_unknown_example_is_told_with_those_that_exist(tmp_path: Path, name: str, stack: str, message: str) -> None:
    stack_files(tmp_path, "S2/Pulumi.prod.yaml", "S2/Pulumi.dev.yaml", "S0/Pulumi.dev.yaml", "notes/README.md")
    with pytest.raises(WorkspaceError) as caught:
        example(tmp_path, name, stack)
    assert str(caught.value) == message


def test_without_any_example_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"there are: none, as .*examples has no folder with a stack file"):
        example(tmp_path, "S2", "dev")


def test_no_credential_reaches_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AWS_SECRET_ACCESS_KEY",
        "PULUMI_ACCESS_TOKEN",
        "HTTPS_PROXY",
        "NEW_TOKEN",
    ):
        monkeypatch.setenv(name, "real")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    variables = environment(layout(tmp_path))
    assert "real" not in variables.values()
    assert variables["LC_ALL"] == "C.UTF-8"
    assert variables["HOME"] == variables["PULUMI_HOME"] == str(tmp_path / "home" / "engine")
    assert "PULUMI_SKIP_CHECKPOINTS" not in variables
    assert environment(layout(tmp_path / "b"), fast=True)["PULUMI_SKIP_CHECKPOINTS"] == "true"


def test_confined_gives_the_environment_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "real")
    before = dict(os.environ)

    def fail() -> None:
        assert dict(os.environ) == {"PATH": "/bin"}
        raise RuntimeError

    with pytest.raises(RuntimeError), confined({"PATH": "/bin"}):
        fail()
    assert dict(os.environ) == before
