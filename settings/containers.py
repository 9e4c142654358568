"""Services, tasks and queues: what the home cloud refuses, and what they name that does not exist."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from settings import cron
from settings.errors import Findings, Subject, listed, repeated
from settings.models import QueueSettings, ServiceSettings, Settings, TaskSettings
from settings.types import CLOUD_TITLES, Cloud

# Memory in MB by processors, and its step: Cloud Run memory limits; Fargate task sizes.
_MEMORY: Final[dict[Cloud, dict[int, tuple[int, int]]]] = {
    "gcp": {1: (512, 4096), 2: (512, 8192), 4: (2048, 16384)},
    "aws": {1: (2048, 8192), 2: (4096, 16384), 4: (8192, 16384)},
}
_MEMORY_STEP: Final[dict[Cloud, int]] = {"gcp": 512, "aws": 1024}


def check_containers(settings: Settings, home: Cloud | None, secrets: Collection[str], findings: Findings) -> None:
    """Add everything that is wrong with services, tasks and queues; `secrets` are the application's by name."""
    for name, service in settings.services.items():
        path, subject = f"tenantry:services.{name}", Subject("service", name)
        _check_container(path, service, subject, home, secrets, findings)
        _check_instances(path, service, subject, home, findings)
        _check_certificate(path, service, subject, settings, home, findings)
        if service.canary is not None and service.canary.image == service.image:
            findings.add(
                f"{path}.canary.image",
                "is the service's own image, so there is nothing to try",
                fix="set the image of the new revision, or remove the canary",
                subject=subject,
            )
        _check_canary_name(name, service, settings, home, findings)
    if settings.delivery is not None and settings.delivery.bucket in settings.services:
        findings.add(
            f"tenantry:services.{settings.delivery.bucket}",
            "is the name under which the load balancer routes tenantry:delivery",
            fix="choose another name for the service",
            subject=Subject("service", settings.delivery.bucket),
        )
    for name, task in settings.tasks.items():
        path, subject = f"tenantry:tasks.{name}", Subject("task", name)
        _check_container(path, task, subject, home, secrets, findings)
        check_schedule(f"{path}.schedule", task.schedule, () if home is None else (home,), findings)
        if name in settings.services:
            findings.add(
                path, "is the name of a service too", fix="choose another name for one of the two", subject=subject
            )
    for name, queue in settings.queues.items():
        if name.endswith("-dead") and name.removesuffix("-dead") in settings.queues:
            findings.add(
                f"tenantry:queues.{name}",
                f"is the name of the dead letters of queue {name.removesuffix('-dead')!r}",
                fix="choose another name",
                subject=Subject("queue", name),
            )
        _check_queue(f"tenantry:queues.{name}", queue, settings.services, Subject("queue", name), home, findings)


def _check_canary_name(
    name: str, service: ServiceSettings, settings: Settings, home: Cloud | None, findings: Findings
) -> None:
    """On AWS a canary is a service beside its own; on Google Cloud a revision, which needs no name."""
    canary = f"{name}-canary"
    for section, taken in (("services", settings.services), ("tasks", settings.tasks)):
        if home == "aws" and service.canary is not None and canary in taken:
            findings.add(
                f"tenantry:{section}.{canary}",
                f"is the name of the canary of service {name!r}",
                fix="choose another name",
                subject=Subject(section.removesuffix("s"), canary),
            )


def check_schedule(path: str, schedule: str, clouds: Collection[Cloud], findings: Findings) -> None:
    """Add a schedule that never runs, or that a cloud of the stack cannot express."""
    parsed = cron.parse(schedule)
    if parsed.longest_gap_days() is None:
        findings.add(path, "never runs", fix="name a day that comes", value=schedule)
    elif "aws" in clouds and parsed.restricts_both_days:
        findings.add(
            path,
            "restricts the day of month and the day of week, and a schedule of AWS takes one of the two",
            fix="set one of them to *",
            value=schedule,
        )


def _check_container(  # noqa: PLR0917
    path: str,
    container: ServiceSettings | TaskSettings,
    subject: Subject,
    home: Cloud | None,
    secrets: Collection[str],
    findings: Findings,
) -> None:
    chosen = container.secrets or ()
    for position, name in enumerate(chosen):
        if name not in secrets:
            findings.add(
                f"{path}.secrets[{position}]",
                "names no application secret",
                fix=f"use one of {listed(secrets)}, or add it under tenantry:secrets",
                value=name,
                subject=subject,
            )
    for position in repeated(chosen):
        findings.add(
            f"{path}.secrets[{position}]",
            "is in the list already",
            fix="remove one of the two",
            value=chosen[position],
            subject=subject,
        )
    for name in sorted(container.variables.keys() & set(secrets if container.secrets is None else chosen)):
        findings.add(
            f"{path}.variables.{name}",
            "is a secret of the same name too",
            fix="remove the plain variable, or leave the secret out of secrets",
            subject=subject,
        )
    if home is not None:
        _check_memory(path, container, subject, home, findings)


def _check_memory(
    path: str, container: ServiceSettings | TaskSettings, subject: Subject, home: Cloud, findings: Findings
) -> None:
    (least, most), step = _MEMORY[home][container.cpu], _MEMORY_STEP[home]
    if not least <= container.memory_mb <= most or container.memory_mb % step:
        unwritten = "" if "memory_mb" in container.model_fields_set else f"; {container.memory_mb} is the default"
        findings.add(
            f"{path}.memory_mb",
            f"on {CLOUD_TITLES[home]} a container with cpu {container.cpu} has {least} to {most} MB "
            f"in steps of {step}{unwritten}",
            fix="change memory_mb or cpu",
            value=None if unwritten else container.memory_mb,
            subject=subject,
        )


def _check_instances(
    path: str, service: ServiceSettings, subject: Subject, home: Cloud | None, findings: Findings
) -> None:
    if service.min_instances > service.max_instances:
        findings.add(
            f"{path}.min_instances",
            f"is above max_instances ({service.max_instances})",
            fix="lower min_instances, or raise max_instances",
            value=service.min_instances,
            subject=subject,
        )
    if home == "aws" and service.min_instances == 0:
        findings.add(
            f"{path}.min_instances",
            "is 0, and a service on AWS does not start by itself when a request comes",
            fix="set min_instances to at least 1",
            value=0,
            subject=subject,
        )


def _check_certificate(  # noqa: PLR0917
    path: str,
    service: ServiceSettings,
    subject: Subject,
    settings: Settings,
    home: Cloud | None,
    findings: Findings,
) -> None:
    """On AWS a public host needs a certificate, given or made; Google makes its own."""
    written = [field for field in ("certificate", "zone") if getattr(service, field) is not None]
    if home == "gcp" or service.host is None:
        reason = (
            "is a setting of AWS, and services run on the home cloud, Google Cloud"
            if home == "gcp"
            else "is of no use without a host"
        )
        for field in written:
            findings.add(f"{path}.{field}", reason, fix=f"remove {field}", subject=subject)
    elif home == "aws" and not written:
        findings.add(
            f"{path}.certificate",
            "is missing, and so is zone: the load balancer needs a certificate for the host",
            fix="set certificate to an issued one in the home region, or zone to the host's Route 53 zone",
            subject=subject,
        )
    elif home == "aws" and len(written) > 1:
        findings.add(
            f"{path}.zone",
            "would bring a certificate of its own, and certificate names another",
            fix="remove one of the two",
            value=service.zone,
            subject=subject,
        )
    elif home == "aws" and service.certificate is not None and settings.aws is not None:
        region = service.certificate.split(":")[3]
        if region != settings.aws.region:
            findings.add(
                f"{path}.certificate",
                f"is of another region than the load balancer, which is in {settings.aws.region}",
                fix=f"use a certificate of {settings.aws.region}, or set zone",
                value=service.certificate,
                subject=subject,
            )


def _check_queue(  # noqa: PLR0917
    path: str,
    queue: QueueSettings,
    services: Mapping[str, ServiceSettings],
    subject: Subject,
    home: Cloud | None,
    findings: Findings,
) -> None:
    if queue.service not in services:
        findings.add(
            f"{path}.service",
            "names no service",
            fix=f"use one of {listed(services)}, or add it under tenantry:services",
            value=queue.service,
            subject=subject,
        )
    service = services.get(queue.service)
    if home == "gcp" and service is not None and service.host is not None and not queue.path.strip("/"):
        findings.add(
            f"{path}.path",
            f"is the first page of {service.host}, and the load balancer refuses a queue's path from outside",
            fix="push to a path that nobody else asks for, such as /internal/messages",
            value=queue.path,
            subject=subject,
        )
    if home == "aws" and "path" in queue.model_fields_set:
        findings.add(
            f"{path}.path",
            "messages are pushed to a path on Google Cloud only; on AWS the service polls",
            fix="remove path",
            value=queue.path,
            subject=subject,
        )
