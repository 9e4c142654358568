"""What faces the internet: load balancers, certificates, names, the content network and its firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.tables.aws.common import MANAGED, VPC, groups_used, regional_rule, subnets_used

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Synthesis

BALANCER: Final = "aws:lb/loadBalancer:LoadBalancer"
TARGETS: Final = "aws:lb/targetGroup:TargetGroup"
LISTENER: Final = "aws:lb/listener:Listener"
CERTIFICATE: Final = "aws:acm/certificate:Certificate"
DISTRIBUTION: Final = "aws:cloudfront/distribution:Distribution"
ACCESS_CONTROL: Final = "aws:cloudfront/originAccessControl:OriginAccessControl"
HEADERS_POLICY: Final = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"
WEB_ACL: Final = "aws:wafv2/webAcl:WebAcl"
PUBLIC_KEY: Final = "aws:cloudfront/publicKey:PublicKey"
KEY_GROUP: Final = "aws:cloudfront/keyGroup:KeyGroup"
_CLOUDFRONT_ZONE: Final = "Z2FDTNDATAQYW2"
"""The hosted zone of every distribution, as AWS documents it."""


def _balancer_arn(made: Synthesis) -> str:
    kind = "net" if made.inputs.get("loadBalancerType") == "network" else "app"
    return (
        f"arn:aws:elasticloadbalancing:{made.region}:{made.account}:loadbalancer/{kind}/{made.inputs['name']}"
        f"/{made.hex(16)}"
    )


def _balancer_dns(made: Synthesis) -> str:
    scheme = "internal-" if made.inputs.get("internal") else ""
    return f"{scheme}{made.inputs['name']}-{made.digits('dns', 10**9)}.{made.region}.elb.amazonaws.com"


def _targets_arn(made: Synthesis) -> str:
    where = f"arn:aws:elasticloadbalancing:{made.region}:{made.account}:targetgroup"
    return f"{where}/{made.inputs['name']}/{made.hex(16)}"


def _validation(made: Synthesis) -> list[dict[str, str]]:
    if made.inputs.get("validationMethod") != "DNS":
        return []
    names = [made.inputs.get("domainName"), *(made.inputs.get("subjectAlternativeNames") or [])]
    return [
        {
            "domainName": name,
            "resourceRecordName": f"_{made.hex(32, name)}.{name.removeprefix('*.')}.",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": f"_{made.hex(32, 'value' + name)}.acm-validations.aws.",
        }
        for name in dict.fromkeys(str(name) for name in names if name)
    ]


def _web_acl_arn(made: Synthesis) -> str:
    scope, region = ("global", "us-east-1") if made.inputs["scope"] == "CLOUDFRONT" else ("regional", made.region)
    return f"arn:aws:wafv2:{region}:{made.account}:{scope}/webacl/{made.inputs['name']}/{made.id}"


def _fqdn(made: Synthesis) -> str:
    return str(made.inputs["name"]).rstrip(".")


RULES: Final[Mapping[str, Rule]] = {
    BALANCER: regional_rule(
        "customerOwnedIpv4Pool",
        "internal",
        "loadBalancerType",
        "name",
        "namePrefix",
        check_defaults={
            "clientKeepAlive": 3600,
            "desyncMitigationMode": "defensive",
            "dnsRecordClientRoutingPolicy": "any_availability_zone",
            "dropInvalidHeaderFields": False,
            "enableCrossZoneLoadBalancing": False,
            "enableDeletionProtection": False,
            "enableHttp2": True,
            "enableTlsVersionAndCipherSuiteHeaders": False,
            "enableWafFailOpen": False,
            "enableXffClientPort": False,
            "enableZonalShift": False,
            "idleTimeout": 60,
            "loadBalancerType": "application",
            "preserveHostHeader": False,
            "xffHeaderProcessingMode": "append",
        },
        server_defaults={"internal": False, "ipAddressType": "ipv4", "subnetMappings": []},
        unordered=("securityGroups", "subnetMappings", "subnets"),
        id_from=_balancer_arn,
        unique="{name}",
        exists_code="DuplicateLoadBalancerName",
        computed={
            "arn": "{id}",
            "arnSuffix": lambda made: made.id.partition("loadbalancer/")[2],
            "dnsName": _balancer_dns,
            "securityGroups": lambda _made: [],
            "vpcId": lambda made: f"vpc-{made.hex(17, 'vpc')}",
            "zoneId": lambda made: f"Z{made.hex(13, 'zone').upper()}",
        },
        parents=(groups_used("securityGroups"), subnets_used("subnets")),
    ),
    TARGETS: regional_rule(
        "ipAddressType",
        "name",
        "namePrefix",
        "port",
        "protocol",
        "protocolVersion",
        "targetType",
        "vpcId",
        check_defaults={
            "deregistrationDelay": 300,
            "healthCheck.enabled": True,
            "healthCheck.healthyThreshold": 3,
            "healthCheck.interval": 30,
            "healthCheck.port": "traffic-port",
            "healthCheck.protocol": "HTTP",
            "healthCheck.unhealthyThreshold": 3,
            "lambdaMultiValueHeadersEnabled": False,
            "proxyProtocolV2": False,
            "slowStart": 0,
            "targetType": "instance",
        },
        server_defaults={
            "ipAddressType": "ipv4",
            "loadBalancingAlgorithmType": "round_robin",
            "loadBalancingCrossZoneEnabled": "use_load_balancer_configuration",
            "protocolVersion": "HTTP1",
        },
        id_from=_targets_arn,
        unique="{name}",
        exists_code="DuplicateTargetGroupName",
        computed={
            "arn": "{id}",
            "arnSuffix": lambda made: made.id.rpartition(":")[2],
            "loadBalancerArns": lambda _made: [],
        },
        parents=(Parent(VPC, "{vpcId}", "block"),),
    ),
    LISTENER: regional_rule(
        "loadBalancerArn",
        server_defaults={"protocol": "HTTP", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"},
        id_from=lambda made: (
            f"{str(made.inputs['loadBalancerArn']).replace(':loadbalancer/', ':listener/')}/{made.hex(16)}"
        ),
        unique="{loadBalancerArn} {port}",
        exists_code="DuplicateListener",
        computed={"arn": "{id}"},
        parents=(
            Parent(BALANCER, "{loadBalancerArn}"),
            Parent(TARGETS, "{each}", "block", each="defaultActions.targetGroupArn"),
            Parent(CERTIFICATE, "{certificateArn}", "block", pattern="^arn:aws:acm:"),
        ),
    ),
    "aws:lb/listenerRule:ListenerRule": regional_rule(
        "listenerArn",
        unordered=("conditions",),
        id_from=lambda made: (
            f"{str(made.inputs['listenerArn']).replace(':listener/', ':listener-rule/')}/{made.hex(16)}"
        ),
        unique="{listenerArn} {priority}",
        exists_code="PriorityInUse",
        computed={"arn": "{id}", "priority": lambda _made: 1},
        parents=(Parent(LISTENER, "{listenerArn}"), Parent(TARGETS, "{each}", "block", each="actions.targetGroupArn")),
    ),
    "aws:lb/listenerCertificate:ListenerCertificate": regional_rule(
        "certificateArn",
        "listenerArn",
        on_exists="adopt",
        parents=(
            Parent(LISTENER, "{listenerArn}"),
            Parent(CERTIFICATE, "{certificateArn}", "block", pattern="^arn:aws:acm:"),
        ),
    ),
    # --- certificates and names ------------------------------------------------------------------------------------
    CERTIFICATE: regional_rule(
        "certificateAuthorityArn",
        "domainName",
        "keyAlgorithm",
        "subjectAlternativeNames",
        "validationMethod",
        server_defaults={"keyAlgorithm": "RSA_2048"},
        unordered=("subjectAlternativeNames",),
        id_from=lambda made: f"arn:aws:acm:{made.region}:{made.account}:certificate/{made.uuid()}",
        computed={
            "arn": "{id}",
            "domainValidationOptions": _validation,
            "renewalEligibility": lambda _made: "INELIGIBLE",
            "status": lambda _made: "PENDING_VALIDATION",
            "subjectAlternativeNames": lambda made: [made.inputs.get("domainName")],
            "type": lambda _made: "AMAZON_ISSUED",
        },
        virtual={"privateKey": None, "privateKeyWo": None, "privateKeyWoVersion": None},
        secret_outputs=("privateKey", "privateKeyWo"),
    ),
    # The provider's id is the time of issue, which two certificates may share: here it is the certificate.
    "aws:acm/certificateValidation:CertificateValidation": regional_rule(
        "certificateArn",
        "validationRecordFqdns",
        unordered=("validationRecordFqdns",),
        virtual={"validationRecordFqdns": None},
        on_exists="adopt",
        parents=(Parent(CERTIFICATE, "{certificateArn}"),),
    ),
    "aws:route53/record:Record": Rule(
        immutable=("name", "setIdentifier", "zoneId"),
        unordered=("records",),
        exists_code="InvalidChangeBatch",
        computed={"fqdn": _fqdn},
        virtual={"allowOverwrite": None},
        parents=(Parent("aws:route53/healthCheck:HealthCheck", "{healthCheckId}", "ignore"),),
    ),
    "aws:route53/healthCheck:HealthCheck": Rule(
        immutable=("ipAddress", "measureLatency", "referenceName", "requestInterval", "type"),
        check_defaults={"disabled": False, "measureLatency": False},
        server_defaults={"enableSni": True, "failureThreshold": 3},
        unordered=("childHealthchecks", "regions"),
        id_from=lambda made: made.uuid(),
        computed={"arn": "arn:aws:route53:::healthcheck/{id}"},
        virtual={"referenceName": None},
    ),
    # --- the content network ---------------------------------------------------------------------------------------
    DISTRIBUTION: Rule(
        immutable=("staging",),
        check_defaults={
            "customErrorResponses.errorCachingMinTtl": 300,
            "defaultCacheBehavior.compress": False,
            "httpVersion": "http2",
            "isIpv6Enabled": False,
            "orderedCacheBehaviors.compress": False,
            "origins.connectionAttempts": 3,
            "origins.connectionTimeout": 10,
            "priceClass": "PriceClass_All",
            "retainOnDelete": False,
            "staging": False,
            "waitForDeployment": True,
        },
        unordered=("aliases", "customErrorResponses", "origins"),
        id_from=lambda made: f"E{made.hex(13).upper()}",
        computed={
            "arn": "arn:aws:cloudfront::{account}:distribution/{id}",
            "callerReference": lambda made: f"terraform-{made.hex(26)}",
            "domainName": lambda made: f"d{made.hex(13, 'domain')}.cloudfront.net",
            "etag": lambda made: f"E{made.hex(13, made.now).upper()}",
            "hostedZoneId": lambda _made: _CLOUDFRONT_ZONE,
            "lastModifiedTime": "{now}",
            "status": lambda _made: "Deployed",
        },
        recomputed=("etag", "lastModifiedTime"),
        virtual={"retainOnDelete": False, "waitForDeployment": True},
        parents=(
            Parent(ACCESS_CONTROL, "{each}", "block", each="origins.originAccessControlId"),
            Parent(HEADERS_POLICY, "{each}", "block", each="defaultCacheBehavior.responseHeadersPolicyId"),
            Parent(HEADERS_POLICY, "{each}", "block", each="orderedCacheBehaviors.responseHeadersPolicyId"),
            Parent(CERTIFICATE, "{each}", "block", each="viewerCertificate.acmCertificateArn"),
            Parent(KEY_GROUP, "{each}", "block", each="defaultCacheBehavior.trustedKeyGroups"),
            Parent(WEB_ACL, "{each|last}", "block", each="webAclId", pattern=r"^[0-9a-f-]{36}$"),
        ),
    ),
    ACCESS_CONTROL: Rule(
        check_defaults={"description": MANAGED},
        id_from=lambda made: f"E{made.hex(13).upper()}",
        unique="{name}",
        exists_code="OriginAccessControlAlreadyExists",
        computed={"arn": "arn:aws:cloudfront::{account}:origin-access-control/{id}", "etag": "{uuid}"},
    ),
    HEADERS_POLICY: Rule(
        id_from=lambda made: made.uuid(),
        unique="{name}",
        exists_code="ResponseHeadersPolicyAlreadyExists",
        computed={"arn": "arn:aws:cloudfront::{account}:response-headers-policy/{id}", "etag": "{uuid}"},
    ),
    WEB_ACL: regional_rule(
        "name",
        "namePrefix",
        "scope",
        json_text=("ruleJson",),
        unordered=("customResponseBodies", "rules", "tokenDomains"),
        id_from=lambda made: made.uuid(),
        unique="{scope} {name}",
        exists_code="WAFDuplicateItemException",
        computed={
            "applicationIntegrationUrl": lambda _made: "",
            "arn": _web_acl_arn,
            "capacity": lambda made: 10 * len(made.inputs.get("rules") or []),
            "lockToken": "{uuid}",
        },
    ),
    PUBLIC_KEY: Rule(
        immutable=("encodedKey", "name"),
        id_from=lambda made: f"K{made.hex(13).upper()}",
        unique="{name}",
        exists_code="PublicKeyAlreadyExists",
        computed={
            "callerReference": lambda made: f"terraform-{made.hex(26)}",
            "etag": "{uuid}",
        },
    ),
    KEY_GROUP: Rule(
        unordered=("items",),
        id_from=lambda made: made.uuid(),
        unique="{name}",
        exists_code="KeyGroupAlreadyExists",
        computed={"etag": "{uuid}"},
        parents=(Parent(PUBLIC_KEY, "{each}", "block", each="items"),),
    ),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": regional_rule(
        "logDestinationConfigs",
        "resourceArn",
        unordered=("logDestinationConfigs", "redactedFields"),
        on_exists="adopt",
        parents=(Parent(WEB_ACL, "{resourceArn|last}"),),
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": regional_rule(
        "resourceArn",
        "webAclArn",
        on_exists="adopt",
        parents=(
            Parent(WEB_ACL, "{webAclArn|last}", "block"),
            Parent(BALANCER, "{resourceArn}", pattern=":loadbalancer/"),
        ),
    ),
    # --- access logs of the content network --------------------------------------------------------------------------
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": regional_rule(
        "logType",
        "name",
        "resourceArn",
        regional=True,
        exists_code="ConflictException",
        computed={
            "arn": "arn:aws:logs:{region}:{account}:delivery-source:{name}",
            "service": lambda made: str(made.inputs["resourceArn"]).split(":")[2],
        },
        parents=(Parent(DISTRIBUTION, "{resourceArn|last}", "ignore"),),
    ),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": regional_rule(
        "name",
        regional=True,
        exists_code="ConflictException",
        computed={
            "arn": "arn:aws:logs:{region}:{account}:delivery-destination:{name}",
            "deliveryDestinationType": lambda _made: "CWL",
        },
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": regional_rule(
        "deliveryDestinationArn",
        "deliverySourceName",
        id_from=lambda made: made.hex(16),
        unique="{deliverySourceName} {deliveryDestinationArn}",
        exists_code="ConflictException",
        computed={"arn": "arn:aws:logs:{region}:{account}:delivery:{id}"},
        parents=(
            Parent("aws:cloudwatch/logDeliverySource:LogDeliverySource", "{deliverySourceName}@{region}", "block"),
        ),
    ),
}
