"""`gcloud` and `aws` for the runbooks' tests: what a command would do, done to the test's servers, folders and buckets.

Run as `python fake_clouds.py gcloud|aws ARGUMENTS...`, with a file of settings in FAKE_CLOUDS. A command that nobody
thought of fails, so that no page has one that was not tried.
"""

# ruff: noqa: C901, PLR0911, PLR0912, T201 - one branch for each command; printing is what they do

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]

SETTINGS: dict[str, Any] = json.loads(Path(os.environ["FAKE_CLOUDS"]).read_text(encoding="utf-8"))


def run_job(arguments: list[str], **variables: str) -> int:
    """The job's container: the same program with the job's own environment."""
    environment = {**os.environ, **SETTINGS["variables"], **{key: value for key, value in variables.items() if value}}
    return subprocess.run([sys.executable, *arguments], env=environment, cwd=SETTINGS["root"], check=False).returncode


def option(words: list[str], name: str) -> str:
    for at, word in enumerate(words):
        if word == name:
            return words[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise SystemExit(f"no {name} in {words}")


def folder_of(url: str) -> Path:
    bucket, _, name = url.removeprefix("gs://").partition("/")
    return Path(SETTINGS["buckets"][bucket]) / name


def gcloud(words: list[str]) -> int:
    match words:
        case ["config", "set", *_]:
            return 0
        case ["run", "jobs", "execute", "tenantry-sql", *_]:
            arguments = option(words, "--args")
            for bucket, folder in SETTINGS["buckets"].items():
                arguments = arguments.replace(f"gs://{bucket}/", f"file://{folder}/")
            ca = option(words, "--update-env-vars").removeprefix("^@^SERVER_CA_PEM=")
            return run_job(arguments.split(","), SERVER_CA_PEM=ca)
        case ["storage", "cat", url]:
            sys.stdout.write(folder_of(url).read_text(encoding="utf-8"))
            return 0
        case ["storage", "ls", *_, url]:
            for path in sorted(folder_of(url).iterdir()):
                size = f"{path.stat().st_size}  2026-11-22T02:00:00Z  " if "-l" in words else ""
                print(f"{size}{url}{path.name}{'/' if path.is_dir() else ''}")
            return 0
        case ["storage", "buckets", "add-iam-policy-binding", *_]:
            return 0
        case ["run", "jobs", "describe", *_]:
            print("sqljob@x.iam.gserviceaccount.com")
            return 0
        case ["workflows", "run", "tenantry-export", *_]:
            return 0  # the test has exported
        case ["sql", "instances", "clone", _, clone, *_]:
            print(f"Created [{clone}]")
            return 0
        case ["sql", "instances", "describe", _, form]:
            print(SETTINGS["clone"]["ca"] if "serverCaCert" in form else SETTINGS["clone"]["host"])
            return 0
        case ["sql", "instances", "patch" | "delete", *_]:
            return 0
        case _:
            raise SystemExit(f"gcloud: nobody thought of {words}")


def show(words: list[str], answer: object) -> int:
    found = jmespath.search(option(words, "--query"), answer)
    print("\t".join(map(str, found)) if isinstance(found, list) else found)
    return 0


def aws(words: list[str]) -> int:
    done = Path(SETTINGS["task"])
    match words:
        case ["scheduler", "get-schedule", *_]:
            network = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "DISABLED"}
            target = {"EcsParameters": {"NetworkConfiguration": {"AwsvpcConfiguration": network}}}
            return show(words, {"Target": target})
        case ["ecs", "run-task", *_]:
            assert option(words, "--network-configuration") == (
                "awsvpcConfiguration={subnets=[subnet-1,subnet-2],securityGroups=[sg-1],assignPublicIp=DISABLED}"
            )
            ((container),) = json.loads(option(words, "--overrides"))["containerOverrides"]
            assert container["name"] == "sql"
            environment = os.dup(1)
            os.dup2(2, 1)  # the task's lines go to its log, not to whoever starts it
            code = run_job(container["command"])
            os.dup2(environment, 1)
            done.write_text(str(code), encoding="ascii")
            return show(words, {"tasks": [{"taskArn": "arn:aws:ecs:task/1"}]})
        case ["ecs", "wait", "tasks-stopped", *_]:
            return 0
        case ["ecs", "describe-tasks", *_]:
            return show(words, {"tasks": [{"containers": [{"exitCode": int(done.read_text(encoding="ascii"))}]}]})
        case ["rds", "describe-db-instances", *_]:
            return show(words, {"DBInstances": [SETTINGS["instances"][option(words, "--db-instance-identifier")]]})
        case ["rds", "restore-db-instance-to-point-in-time", *_]:
            assert "--manage-master-user-password" in words
            assert option(words, "--master-user-secret-kms-key-id") == "key-1"
            print('"DBInstanceStatus": "creating"')
            return 0
        case ["rds", "wait", "db-instance-available", *_]:
            return 0
        case ["s3", "ls", url]:
            bucket, _, prefix = url.removeprefix("s3://").partition("/")
            s3 = boto3.client("s3", region_name="eu-central-1")
            for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
                print(item["Key"])
            return 0
        case ["s3", "cp", url, "-"]:
            bucket, _, name = url.removeprefix("s3://").partition("/")
            s3 = boto3.client("s3", region_name="eu-central-1")
            print(s3.get_object(Bucket=bucket, Key=name)["Body"].read().decode())
            return 0
        case _:
            raise SystemExit(f"aws: nobody thought of {words}")


if __name__ == "__main__":
    sys.exit({"gcloud": gcloud, "aws": aws}[sys.argv[1]](sys.argv[2:]))
