"""The web application: Vercel, content delivery, public names, and the way from Vercel to private databases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from settings.containers import check_containers
from settings.errors import Findings, Subject, listed
from settings.models import DeliverySettings, Settings, VercelSettings
from settings.plan import ExternalPlan, TenantPlan
from settings.types import CLOUD_TITLES, Cloud

GATEWAY = "gateway"
"""Name of the service through which Vercel reaches private databases."""
_LONGEST_SUBJECT = 127  # bytes of google.subject (iam.workloadIdentityPools.providers, attributeMapping)
_SUBJECT = "owner:{team}:project:{project}:environment:production"  # `sub` of a production deployment's token


def check_web(
    settings: Settings,
    home: Cloud | None,
    tenants: Sequence[TenantPlan],
    guests: Mapping[str, ExternalPlan],
    findings: Findings,
) -> None:
    """Add everything that is wrong with the application's parts."""
    application = {*settings.secrets.generated, *settings.secrets.external}
    check_containers(settings, home, application, findings)
    _check_hosts(settings, findings)
    if settings.vercel is not None:
        urls = {guest.dsn for guest in guests.values()}
        _check_subject(settings.vercel, settings, findings)
        _check_protection(settings.vercel, settings, findings)
        _check_redirects(settings.vercel, findings)
        _check_variables(settings.vercel, application, urls, findings)
        _check_log_drain(settings.vercel, settings.secrets.external, findings)
        _check_gateway(settings, home, tenants, findings)
    if settings.delivery is not None and home is not None:
        _check_delivery(settings.delivery, home, findings)


def _hosts(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.vercel is not None:
        for position, domain in enumerate(settings.vercel.domains):
            yield f"tenantry:vercel.domains[{position}].name", domain.name
    for name, service in sorted(settings.services.items()):
        if service.host is not None:
            yield f"tenantry:services.{name}.host", service.host
    if settings.delivery is not None:
        yield "tenantry:delivery.host", settings.delivery.host


def _check_hosts(settings: Settings, findings: Findings) -> None:
    first: dict[str, str] = {}
    for path, host in _hosts(settings):
        if first.setdefault(host, path) != path:
            findings.add(
                path,
                f"is also {first[host]}; a domain leads to one place",
                fix="choose another domain for one of the two",
                value=host,
            )


def _check_subject(vercel: VercelSettings, settings: Settings, findings: Findings) -> None:
    """Google Cloud takes no longer subject: the exchange of every token would fail, long after an `up` that did not."""
    subject = _SUBJECT.format(team=vercel.team, project=vercel.project)
    if settings.gcp is not None and len(subject) > _LONGEST_SUBJECT:
        findings.add(
            "tenantry:vercel.project",
            f"makes a subject of {len(subject)} characters with the team's slug, and Google Cloud trusts one of at "
            f"most {_LONGEST_SUBJECT}",
            fix=f"choose a name of at most {len(vercel.project) - len(subject) + _LONGEST_SUBJECT} characters",
            value=vercel.project,
        )


def _check_protection(vercel: VercelSettings, settings: Settings, findings: Findings) -> None:
    environment = settings.environment.name
    if vercel.protection == "none" and environment != "dev":
        findings.add(
            "tenantry:vercel.protection",
            f"leaves every deployment of {environment} open to anybody who has its address (R7.1)",
            fix="set protection to standard, or to all",
            value=vercel.protection,
        )


def _check_redirects(vercel: VercelSettings, findings: Findings) -> None:
    redirects = {domain.name: domain.redirect for domain in vercel.domains}
    for position, domain in enumerate(vercel.domains):
        target = domain.redirect
        if target is None:
            continue
        if target == domain.name or target not in redirects:
            others = [name for name, onward in redirects.items() if name != domain.name and onward is None]
            message, fix = "is not another domain of the project", f"use one of {listed(others)}, or add it to domains"
        elif redirects[target] is not None:
            message, fix = "redirects itself", "redirect to a domain that is served"
        else:
            continue
        findings.add(f"tenantry:vercel.domains[{position}].redirect", message, fix=fix, value=target)


def _check_variables(
    vercel: VercelSettings, application: Collection[str], urls: Collection[str], findings: Findings
) -> None:
    known = {*application, *urls}
    chosen = vercel.secrets
    if chosen is None:
        chosen = {"production": {name: name for name in application}}
    used: dict[str, str] = {}
    for target, by_variable in chosen.items():
        path = f"tenantry:vercel.secrets.{target}"
        if target == "development":
            findings.add(
                path,
                "values of the target development can be read by everybody in the team (R5.2)",
                fix="remove it; developers keep values of their own in .env.local",
            )
            continue
        for variable, secret in by_variable.items():
            if secret not in known:
                findings.add(
                    f"{path}.{variable}",
                    "names no secret",
                    fix=f"use one of {listed(known)}, or add it under tenantry:secrets",
                    value=secret,
                )
            elif used.setdefault(secret, target) != target:
                findings.add(
                    f"{path}.{variable}",
                    f"is a secret of target {used[secret]} too, and no secret serves two targets (R5.2)",
                    fix="list a secret of its own under tenantry:secrets for one of the two",
                    value=secret,
                )
    for target, plain in vercel.variables.items():
        for name in sorted(plain.keys() & chosen.get(target, {}).keys()):
            findings.add(
                f"tenantry:vercel.variables.{target}.{name}",
                "is a secret variable of the same target too",
                fix="remove the plain variable, or the secret one from vercel.secrets",
            )


def without_urls_of_inactive_guests(vercel: VercelSettings, tenants: Iterable[TenantPlan]) -> VercelSettings:
    """The project's settings, less the variables of guests that are suspended or leave: the next deployment has none.

    A deployment that runs keeps its variables (docs/web-application.md).
    """
    if vercel.secrets is None:  # the application's own alone
        return vercel
    closed = [tenant.external for tenant in tenants if tenant.as_guest is not None and tenant.state != "active"]
    withheld = {name for guest in closed for name in (guest.dsn, guest.backup_dsn)}
    chosen = {
        target: {variable: secret for variable, secret in by_variable.items() if secret not in withheld}
        for target, by_variable in vercel.secrets.items()
    }
    return vercel.model_copy(update={"secrets": chosen})


def _check_log_drain(vercel: VercelSettings, external: Collection[str], findings: Findings) -> None:
    drain = vercel.log_drain
    if drain is not None and drain.secret is not None and drain.secret not in external:
        findings.add(
            "tenantry:vercel.log_drain.secret",
            "is not in secrets.external",
            fix="add the name there, for the receiver of the logs has to know the value too",
            value=drain.secret,
        )


def _check_gateway(settings: Settings, home: Cloud | None, tenants: Iterable[TenantPlan], findings: Findings) -> None:
    """A Vercel function runs outside every private network, and no database is ever made public for it."""
    private = [tenant for tenant in tenants if tenant.on_sql is not None]
    gateway = settings.services.get(GATEWAY)
    why = "a function on Vercel cannot reach a private database, and none is ever made public for it"
    for tenant in private:
        subject = Subject("tenant", tenant.id)
        if gateway is None:
            findings.add(
                f"tenantry:services.{GATEWAY}",
                f"is missing: {why}",
                fix="add a service named gateway with a host: it is inside the network, and answers for the databases",
                subject=subject,
            )
        elif gateway.host is None:
            findings.add(
                f"tenantry:services.{GATEWAY}.host",
                f"is missing: {why}",
                fix="give the gateway a public host name",
                subject=subject,
            )
        elif home is not None and tenant.cloud != home:
            findings.add(
                "tenantry:environment.home",
                f"{why}; the database is on {CLOUD_TITLES[tenant.cloud]}, and the gateway on the home cloud",
                fix=f"set home to {tenant.cloud}, or place the tenant on {CLOUD_TITLES[home]}",
                value=home,
                subject=subject,
            )


def _check_delivery(delivery: DeliverySettings, home: Cloud, findings: Findings) -> None:
    path = "tenantry:delivery"
    if home == "gcp":
        for field in ("certificate", "signing_key", "waf", "zone"):
            if not getattr(delivery, field):
                continue
            findings.add(
                f"{path}.{field}",
                "is a setting of AWS, and files are delivered from the home cloud, Google Cloud",
                fix=f"remove {field}",
            )
        if delivery.bucket == "uploads":
            findings.add(
                f"{path}.bucket",
                "uploads are private, and Cloud CDN would need a signing key that is readable in the state",
                fix="deliver assets; the application signs addresses of Cloud Storage for uploads itself",
                value=delivery.bucket,
            )
        return
    if delivery.certificate is None and delivery.zone is None:
        findings.add(
            f"{path}.certificate",
            "is missing, and so is zone: CloudFront needs a certificate for the host",
            fix="set certificate to an issued one in us-east-1, or zone to the host's Route 53 zone",
        )
    if delivery.certificate is not None and delivery.zone is not None:
        findings.add(
            f"{path}.zone",
            "would bring a certificate of its own, and certificate names another",
            fix="remove one of the two",
            value=delivery.zone,
        )
    if delivery.bucket == "uploads" and delivery.signing_key is None:
        findings.add(
            f"{path}.signing_key",
            "is missing: uploads are private, and CloudFront opens them to signed addresses only",
            fix="set the public half of the key with which the application signs",
        )
    if delivery.bucket == "assets" and delivery.signing_key is not None:
        findings.add(
            f"{path}.signing_key",
            "signs addresses of uploads, and assets are public",
            fix="remove signing_key, or set bucket to uploads",
        )
