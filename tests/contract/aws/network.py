"""Rows for networks, load balancing, delivery, names and certificates."""

from __future__ import annotations

from collections.abc import Mapping

from tests.contract.aws.tables import Call, Differences
from tests.contract.forms import PROVIDER_ONLY, At, Attribute, Outside

_EC2_TAGS = "^tagSpecifications.[].tags"
_BALANCER_ATTRIBUTES = "ModifyLoadBalancerAttributes:attributes.[].key"
_GROUP_ATTRIBUTES = "ModifyTargetGroupAttributes:attributes.[].key"
_LISTENER_ATTRIBUTES = "ModifyListenerAttributes:attributes.[].key"

# A rule of a security group; the API has ranges and groups as lists beside the ports.
_RULE: Differences = {
    "securityGroupId": At("^groupId"),
    "cidrIpv4": At("ipRanges.[].cidrIp"),
    "referencedSecurityGroupId": At("userIdGroupPairs.[].groupId"),
    "description": At("ipRanges.[].description"),
    "ipProtocol": At("ipProtocol", worded="ipProtocol"),
}

NETWORK: Mapping[str, Call] = {
    "aws:acm/certificate:Certificate": Call("acm", "RequestCertificate"),
    "aws:acm/certificateValidation:CertificateValidation": Call(
        "acm",
        "DescribeCertificate",
        differences={"validationRecordFqdns": Outside("the provider compares them itself while it waits")},
        tags="",
    ),
    "aws:cloudfront/distribution:Distribution": Call(
        "cloudfront",
        "CreateDistribution",
        "distributionConfig",
        {
            "origins[].originId": At("id"),
            "defaultCacheBehavior.allowedMethods": At("allowedMethods.items"),
            "defaultCacheBehavior.cachedMethods": At("allowedMethods.cachedMethods"),
            "restrictions.geoRestriction.locations": At("items"),
        },
        tags="CreateDistributionWithTags:distributionConfigWithTags.tags",
    ),
    "aws:cloudfront/keyGroup:KeyGroup": Call("cloudfront", "CreateKeyGroup", "keyGroupConfig", tags=""),
    "aws:cloudfront/originAccessControl:OriginAccessControl": Call(
        "cloudfront", "CreateOriginAccessControl", "originAccessControlConfig", tags=""
    ),
    "aws:cloudfront/publicKey:PublicKey": Call("cloudfront", "CreatePublicKey", "publicKeyConfig", tags=""),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": Call(
        "cloudfront", "CreateResponseHeadersPolicy", "responseHeadersPolicyConfig", tags=""
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Call(
        "ec2",
        "CreateSecurityGroup",
        differences={
            "ingress": At("RevokeSecurityGroupIngress:ipPermissions"),
            "egress": At("RevokeSecurityGroupEgress:ipPermissions"),
            "revokeRulesOnDelete": PROVIDER_ONLY,
        },
        tags=_EC2_TAGS,
    ),
    "aws:ec2/eip:Eip": Call("ec2", "AllocateAddress", tags=_EC2_TAGS),
    "aws:ec2/flowLog:FlowLog": Call(
        "ec2",
        "CreateFlowLogs",
        differences={"iamRoleArn": At("deliverLogsPermissionArn"), "vpcId": At("resourceIds.[]")},
        tags=_EC2_TAGS,
    ),
    "aws:ec2/internetGateway:InternetGateway": Call(
        "ec2", "CreateInternetGateway", differences={"vpcId": At("AttachInternetGateway:vpcId")}, tags=_EC2_TAGS
    ),
    "aws:ec2/natGateway:NatGateway": Call("ec2", "CreateNatGateway", tags=_EC2_TAGS),
    "aws:ec2/route:Route": Call("ec2", "CreateRoute", tags=""),
    "aws:ec2/routeTable:RouteTable": Call("ec2", "CreateRouteTable", tags=_EC2_TAGS),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Call("ec2", "AssociateRouteTable", tags=""),
    "aws:ec2/securityGroup:SecurityGroup": Call(
        "ec2",
        "CreateSecurityGroup",
        differences={
            "name": At("groupName"),
            "ingress": At("AuthorizeSecurityGroupIngress:ipPermissions"),
            "egress": At("AuthorizeSecurityGroupEgress:ipPermissions"),
            "revokeRulesOnDelete": PROVIDER_ONLY,
        },
        tags=_EC2_TAGS,
    ),
    "aws:ec2/subnet:Subnet": Call(
        "ec2",
        "CreateSubnet",
        differences={
            "assignIpv6AddressOnCreation": At("ModifySubnetAttribute:assignIpv6AddressOnCreation.value"),
            "enableDns64": At("ModifySubnetAttribute:enableDns64.value"),
            "enableResourceNameDnsARecordOnLaunch": At(
                "ModifySubnetAttribute:enableResourceNameDnsARecordOnLaunch.value"
            ),
            "enableResourceNameDnsAaaaRecordOnLaunch": At(
                "ModifySubnetAttribute:enableResourceNameDnsAAAARecordOnLaunch.value"
            ),
            "mapPublicIpOnLaunch": At("ModifySubnetAttribute:mapPublicIpOnLaunch.value"),
        },
        tags=_EC2_TAGS,
    ),
    "aws:ec2/vpc:Vpc": Call(
        "ec2",
        "CreateVpc",
        differences={
            "enableDnsHostnames": At("ModifyVpcAttribute:enableDnsHostnames.value"),
            "enableDnsSupport": At("ModifyVpcAttribute:enableDnsSupport.value"),
        },
        tags=_EC2_TAGS,
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Call(
        "ec2", "CreateVpcEndpoint", differences={"policy": At("policyDocument")}, tags=_EC2_TAGS
    ),
    "aws:lb/listener:Listener": Call(
        "elbv2",
        "CreateListener",
        differences={
            "certificateArn": At("certificates.[].certificateArn"),
            "routingHttpResponseStrictTransportSecurityHeaderValue": Attribute(
                "routing.http.response.strict_transport_security.header_value", _LISTENER_ATTRIBUTES
            ),
            "defaultActions[].redirect": At("redirectConfig"),
            "defaultActions[].fixedResponse": At("fixedResponseConfig"),
        },
    ),
    "aws:lb/listenerCertificate:ListenerCertificate": Call(
        "elbv2",
        "AddListenerCertificates",
        differences={"certificateArn": At("certificates.[].certificateArn")},
        tags="",
    ),
    "aws:lb/listenerRule:ListenerRule": Call(
        "elbv2",
        "CreateRule",
        differences={
            "conditions[].hostHeader": At("hostHeaderConfig"),
            "actions[].forward": At("forwardConfig"),
            "actions[].forward.stickiness": At("targetGroupStickinessConfig"),
            "actions[].forward.stickiness.duration": At("durationSeconds"),
            "actions[].forward.targetGroups[].arn": At("targetGroupArn"),
        },
    ),
    "aws:lb/loadBalancer:LoadBalancer": Call(
        "elbv2",
        "CreateLoadBalancer",
        differences={
            "internal": At("scheme", via={True: "internal", False: "internet-facing"}.__getitem__),
            "loadBalancerType": At("type"),
            "clientKeepAlive": Attribute("client_keep_alive.seconds", _BALANCER_ATTRIBUTES),
            "dnsRecordClientRoutingPolicy": Attribute("dns_record.client_routing_policy", _BALANCER_ATTRIBUTES),
            "desyncMitigationMode": Attribute("routing.http.desync_mitigation_mode", _BALANCER_ATTRIBUTES),
            "dropInvalidHeaderFields": Attribute(
                "routing.http.drop_invalid_header_fields.enabled", _BALANCER_ATTRIBUTES
            ),
            "enableCrossZoneLoadBalancing": Attribute("load_balancing.cross_zone.enabled", _BALANCER_ATTRIBUTES),
            "enableDeletionProtection": Attribute("deletion_protection.enabled", _BALANCER_ATTRIBUTES),
            "enableHttp2": Attribute("routing.http2.enabled", _BALANCER_ATTRIBUTES),
            "enableTlsVersionAndCipherSuiteHeaders": Attribute(
                "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", _BALANCER_ATTRIBUTES
            ),
            "enableWafFailOpen": Attribute("waf.fail_open.enabled", _BALANCER_ATTRIBUTES),
            "enableXffClientPort": Attribute("routing.http.xff_client_port.enabled", _BALANCER_ATTRIBUTES),
            "enableZonalShift": Attribute("zonal_shift.config.enabled", _BALANCER_ATTRIBUTES),
            "idleTimeout": Attribute("idle_timeout.timeout_seconds", _BALANCER_ATTRIBUTES),
            "preserveHostHeader": Attribute("routing.http.preserve_host_header.enabled", _BALANCER_ATTRIBUTES),
            "xffHeaderProcessingMode": Attribute("routing.http.xff_header_processing.mode", _BALANCER_ATTRIBUTES),
        },
    ),
    "aws:lb/targetGroup:TargetGroup": Call(
        "elbv2",
        "CreateTargetGroup",
        differences={
            "healthCheck.enabled": At("^healthCheckEnabled"),
            "healthCheck.path": At("^healthCheckPath"),
            "healthCheck.port": At("^healthCheckPort"),
            "healthCheck.protocol": At("^healthCheckProtocol"),
            "healthCheck.interval": At("^healthCheckIntervalSeconds"),
            "healthCheck.timeout": At("^healthCheckTimeoutSeconds"),
            "healthCheck.healthyThreshold": At("^healthyThresholdCount"),
            "healthCheck.unhealthyThreshold": At("^unhealthyThresholdCount"),
            "healthCheck.matcher": At("^matcher.httpCode"),
            "healthCheck": At(""),
            "deregistrationDelay": Attribute("deregistration_delay.timeout_seconds", _GROUP_ATTRIBUTES),
            "lambdaMultiValueHeadersEnabled": Attribute("lambda.multi_value_headers.enabled", _GROUP_ATTRIBUTES),
            "proxyProtocolV2": Attribute("proxy_protocol_v2.enabled", _GROUP_ATTRIBUTES),
            "slowStart": Attribute("slow_start.duration_seconds", _GROUP_ATTRIBUTES),
        },
    ),
    "aws:route53/healthCheck:HealthCheck": Call(
        "route53",
        "CreateHealthCheck",
        "healthCheckConfig",
        {"fqdn": At("fullyQualifiedDomainName")},
        tags="ChangeTagsForResource:addTags",
    ),
    "aws:route53/record:Record": Call(
        "route53",
        "ChangeResourceRecordSets",
        "changeBatch.changes.[].resourceRecordSet",
        {
            "zoneId": At("^hostedZoneId"),
            "records": At("resourceRecords.[].value", each=True),
            "aliases": At("aliasTarget", each=True),
            "aliases[].name": At("dnsName"),
            "aliases[].zoneId": At("hostedZoneId"),
            "allowOverwrite": PROVIDER_ONLY,
        },
        tags="",
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Call(
        "ec2", "AuthorizeSecurityGroupEgress", "ipPermissions.[]", _RULE, tags=_EC2_TAGS
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Call(
        "ec2", "AuthorizeSecurityGroupIngress", "ipPermissions.[]", _RULE, tags=_EC2_TAGS
    ),
    "aws:wafv2/webAcl:WebAcl": Call("wafv2", "CreateWebACL"),
    "aws:wafv2/webAclAssociation:WebAclAssociation": Call("wafv2", "AssociateWebACL", tags=""),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": Call(
        "wafv2", "PutLoggingConfiguration", "loggingConfiguration", tags=""
    ),
}
