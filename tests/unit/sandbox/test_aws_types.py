"""Every simulated AWS type is made once, on top of what it needs, and deleted again in the opposite order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.cloud.tables import RULES
from tests.unit.sandbox.account import (
    ALIAS,
    ATTACHMENT,
    BACKUP_REGION,
    BUCKET,
    CERTIFICATE,
    DISTRIBUTION,
    INGRESS,
    INSTANCE,
    KEY,
    OBJECT,
    OBJECT_LOCK,
    PARAMETERS,
    POLICY,
    REGION,
    REPLICATION,
    ROLE,
    SECRET,
    SUBNET_GROUP,
    TRUST,
    VAULT,
    VAULT_LOCK,
    VERSION,
    VERSIONING,
    Amazon,
    instance,
)

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

SERVICES = json.dumps({"Principal": {"Service": [f"logs.{REGION}.amazonaws.com", "cloudtrail.amazonaws.com"]}})
VISIBILITY = {"cloudwatchMetricsEnabled": True, "metricName": "w", "sampledRequestsEnabled": True}
EDGE = {"region": "us-east-1"}


@dataclass
class Made:
    """What later families need of earlier ones."""

    amazon: Amazon
    ids: dict[str, str] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)
    subnets: list[str] = field(default_factory=list)

    def make(self, label: str, token: str, /, **inputs: Value) -> str:
        self.ids[label], state = self.amazon.make(token, label, **inputs)
        self.arns[label] = str(state.get("arn"))
        return self.ids[label]


def network(made: Made) -> None:
    vpc, made.subnets, group = made.amazon.network()
    made.ids.update(vpc=vpc, group=group)
    made.make("gateway", "aws:ec2/internetGateway:InternetGateway", vpcId=vpc)
    address = made.make("address", "aws:ec2/eip:Eip", domain="vpc")
    nat = made.make("nat", "aws:ec2/natGateway:NatGateway", subnetId=made.subnets[0], allocationId=address)
    table = made.make("table", "aws:ec2/routeTable:RouteTable", vpcId=vpc)
    made.make("route", "aws:ec2/route:Route", routeTableId=table, destinationCidrBlock="0.0.0.0/0", natGatewayId=nat)
    made.make(
        "association",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        routeTableId=table,
        subnetId=made.subnets[0],
    )
    made.make("default", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", vpcId=vpc)
    made.make(
        "endpoint",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        vpcId=vpc,
        serviceName=f"com.amazonaws.{REGION}.s3",
        routeTableIds=[table],
    )
    opening = {"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.0.0.0/16"}
    made.make("in", INGRESS, **opening)
    made.make("out", "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", **opening)


def identity(made: Made) -> None:
    key = made.make("key", KEY, enableKeyRotation=True, policy=SERVICES)
    made.make("far-key", KEY, region=BACKUP_REGION)
    made.make("alias", ALIAS, name="alias/data", targetKeyId=key)
    role = made.make("role", ROLE, name="worker", assumeRolePolicy=TRUST)
    made.make("role-policy", "aws:iam/rolePolicy:RolePolicy", name="p", role=role, policy=TRUST)
    made.make("attachment", ATTACHMENT, role=role, policyArn=made.make("policy", POLICY, name="read", policy=TRUST))
    issuer = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    made.make("issuer", issuer, url="https://oidc.example.com/acme", clientIdLists=["x"])
    secret = made.make("secret", SECRET, name="tenant-a-credential", kmsKeyId=made.arns["key"])
    made.make("version", VERSION, secretId=secret, secretString="x")
    made.make("secret-policy", "aws:secretsmanager/secretPolicy:SecretPolicy", secretArn=secret, policy=TRUST)


def storage(made: Made) -> None:
    bucket = {"bucket": made.make("bucket", BUCKET, bucket="fin-dev-exports")}
    made.amazon.bucket("fin-dev-exports-replica", versioned=True, region=BACKUP_REGION)
    made.make("versioning", VERSIONING, **bucket, versioningConfiguration={"status": "Enabled"})
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": made.arns["key"]}
    encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    made.make("encryption", encryption, **bucket, rules=[{"applyServerSideEncryptionByDefault": default}])
    made.make("blocks", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", **bucket)
    lifecycle = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    made.make("lifecycle", lifecycle, **bucket, rules=[{"id": "x", "status": "Enabled"}])
    made.make("lock", OBJECT_LOCK, **bucket)
    replica = {"status": "Enabled", "destination": {"bucket": "arn:aws:s3:::fin-dev-exports-replica"}}
    made.make("replication", REPLICATION, **bucket, role=made.arns["role"], rules=[replica])
    ownership = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    made.make("ownership", ownership, **bucket, rule={"objectOwnership": "BucketOwnerEnforced"})
    made.make("bucket-policy", "aws:s3/bucketPolicy:BucketPolicy", **bucket, policy=SERVICES)
    made.make("logging", "aws:s3/bucketLogging:BucketLogging", **bucket, targetBucket="x", targetPrefix="log/")
    made.make("object", OBJECT, **bucket, key="tenants/a.json", content="{}")
    made.make("account", "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock")


def database(made: Made) -> None:
    facts = {
        "dbSubnetGroupName": made.make("subnet-group", SUBNET_GROUP, name="db", subnetIds=made.subnets),
        "parameterGroupName": made.make("parameters", PARAMETERS, name="pg17", family="postgres17"),
        "vpcSecurityGroupIds": [made.ids["group"]],
        "storageEncrypted": True,
        "kmsKeyId": made.arns["key"],
        "backupRetentionPeriod": 7,
    }
    made.make("instance", INSTANCE, **instance(**facts))
    made.make(
        "replicated",
        "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
        sourceDbInstanceArn=made.arns["instance"],
        kmsKeyId=made.arns["far-key"],
        region=BACKUP_REGION,
    )


def backups(made: Made) -> None:
    vault = {"backupVaultName": made.make("vault", VAULT, name="main", kmsKeyArn=made.arns["key"])}
    topic = made.make("topic", "aws:sns/topic:Topic", name="alarms")
    made.make("vault-lock", VAULT_LOCK, **vault, minRetentionDays=7)
    made.make("vault-policy", "aws:backup/vaultPolicy:VaultPolicy", **vault, policy=TRUST)
    notifications = "aws:backup/vaultNotifications:VaultNotifications"
    made.make("told", notifications, **vault, backupVaultEvents=["BACKUP_JOB_FAILED"], snsTopicArn=topic)
    rule = {"ruleName": "daily", "targetVaultName": "main"}
    plan = made.make("plan", "aws:backup/plan:Plan", name="daily", rules=[rule])
    role = {"iamRoleArn": made.arns["role"]}
    made.make("selection", "aws:backup/selection:Selection", name="all", planId=plan, **role)
    points = {"algorithm": "LATEST_WITHIN_WINDOW", "includeVaults": ["*"], "recoveryPointTypes": ["SNAPSHOT"]}
    drill = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
    made.make("drill", drill, name="drill", scheduleExpression="cron(0 5 ? * 1 *)", recoveryPointSelection=points)
    restore = {"restoreTestingPlanName": "drill", "protectedResourceType": "RDS"}
    made.make("drilled", "aws:backup/restoreTestingSelection:RestoreTestingSelection", name="rds", **restore, **role)


def observability(made: Made) -> None:
    logs = made.make("logs", "aws:cloudwatch/logGroup:LogGroup", name="/jobs", kmsKeyId=made.arns["key"])
    metric = {"name": "errors", "namespace": "jobs", "value": "1"}
    errors = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
    made.make("errors", errors, name="errors", logGroupName=logs, pattern="x", metricTransformation=metric)
    alarm = "aws:cloudwatch/metricAlarm:MetricAlarm"
    made.make("alarm", alarm, name="cpu", comparisonOperator="GreaterThanThreshold", evaluationPeriods=1)
    made.make("any-alarm", "aws:cloudwatch/compositeAlarm:CompositeAlarm", alarmName="any", alarmRule="ALARM(cpu)")
    log_policy = {"policyName": "events", "policyDocument": TRUST}
    made.make("log-policy", "aws:cloudwatch/logResourcePolicy:LogResourcePolicy", **log_policy)
    made.make("board", "aws:cloudwatch/dashboard:Dashboard", dashboardName="d", dashboardBody="{}")
    rule = made.make("rule", "aws:cloudwatch/eventRule:EventRule", name="root", eventPattern="{}")
    made.make("target", "aws:cloudwatch/eventTarget:EventTarget", rule=rule, arn=made.ids["topic"])
    made.make("topic-policy", "aws:sns/topicPolicy:TopicPolicy", arn=made.ids["topic"], policy=TRUST)
    made.make("events", "aws:rds/eventSubscription:EventSubscription", name="rds", snsTopic=made.ids["topic"])
    mail = {"protocol": "email", "endpoint": "a@example.com"}
    made.make("mail", "aws:sns/topicSubscription:TopicSubscription", topic=made.ids["topic"], **mail)
    slack = {"configurationName": "c", "slackChannelId": "C", "slackTeamId": "T", "iamRoleArn": made.arns["role"]}
    made.make("slack", "aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration", **slack)
    limit = {"budgetType": "COST", "timeUnit": "MONTHLY", "limitAmount": "10", "limitUnit": "USD"}
    made.make("budget", "aws:budgets/budget:Budget", name="month", **limit)
    made.make(
        "trail",
        "aws:cloudtrail/trail:Trail",
        name="audit",
        s3BucketName="fin-dev-exports",
        cloudWatchLogsGroupArn=f"{made.arns['logs']}:*",
        cloudWatchLogsRoleArn=made.arns["role"],
        kmsKeyId=made.arns["key"],
    )
    flows = {"trafficType": "ALL", "logDestination": made.arns["logs"], "iamRoleArn": made.arns["role"]}
    made.make("flows", "aws:ec2/flowLog:FlowLog", vpcId=made.ids["vpc"], **flows)


def compute(made: Made) -> None:
    cluster = made.make("cluster", "aws:ecs/cluster:Cluster", name="jobs")
    providers = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
    made.make("providers", providers, clusterName="jobs", capacityProviders=["FARGATE"])
    role = made.arns["role"]
    task = {"family": "sql", "containerDefinitions": "[]", "executionRoleArn": role, "taskRoleArn": role}
    definition = made.make("task", "aws:ecs/taskDefinition:TaskDefinition", **task)
    target = {"port": 443, "protocol": "HTTPS", "vpcId": made.ids["vpc"], "targetType": "ip"}
    targets = made.make("targets", "aws:lb/targetGroup:TargetGroup", name="gw", **target)
    made.make(
        "service",
        "aws:ecs/service:Service",
        name="gw",
        cluster=cluster,
        taskDefinition=definition,
        networkConfiguration={"subnets": made.subnets, "securityGroups": [made.ids["group"]]},
        loadBalancers=[{"targetGroupArn": targets, "containerName": "gw", "containerPort": 443}],
    )
    scaled = {
        "resourceId": "service/jobs/gw",
        "scalableDimension": "ecs:service:DesiredCount",
        "serviceNamespace": "ecs",
    }
    made.make("scaled", "aws:appautoscaling/target:Target", **scaled, minCapacity=1, maxCapacity=2)
    made.make("scaling", "aws:appautoscaling/policy:Policy", name="cpu", **scaled)
    group = made.make("schedules", "aws:scheduler/scheduleGroup:ScheduleGroup", name="tenantry")
    made.make(
        "schedule",
        "aws:scheduler/schedule:Schedule",
        name="export",
        groupName=group,
        scheduleExpression="rate(1 day)",
        flexibleTimeWindow={"mode": "OFF"},
        target={"arn": cluster, "roleArn": role},
    )
    made.make("queue", "aws:sqs/queue:Queue", name="dead")


def edge(made: Made) -> None:
    facts = {"domainName": "app.example.com", "validationMethod": "DNS"}
    validation = "aws:acm/certificateValidation:CertificateValidation"
    for label, where in (("near", EDGE), ("here", {})):
        made.make(f"{label}-valid", validation, certificateArn=made.make(label, CERTIFICATE, **facts, **where), **where)
    balancer = made.make(
        "balancer",
        "aws:lb/loadBalancer:LoadBalancer",
        name="gw",
        subnets=made.subnets,
        securityGroups=[made.ids["group"]],
    )
    forward = [{"type": "forward", "targetGroupArn": made.ids["targets"]}]
    listener = {"port": 443, "protocol": "HTTPS", "certificateArn": made.ids["here"], "defaultActions": forward}
    heard = made.make("listener", "aws:lb/listener:Listener", loadBalancerArn=balancer, **listener)
    path = [{"pathPattern": {"values": ["/x"]}}]
    made.make(
        "path", "aws:lb/listenerRule:ListenerRule", listenerArn=heard, priority=1, actions=forward, conditions=path
    )
    health = made.make("health", "aws:route53/healthCheck:HealthCheck", type="HTTPS", fqdn="app.example.com")
    record = {"name": "app.example.com", "type": "A", "zoneId": "Z1", "healthCheckId": health}
    made.make("record", "aws:route53/record:Record", **record)
    signing = {"originAccessControlOriginType": "s3", "signingBehavior": "always", "signingProtocol": "sigv4"}
    access = made.make("access", "aws:cloudfront/originAccessControl:OriginAccessControl", name="o", **signing)
    headers = made.make("headers", "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy", name="h")
    firewall = {"name": "w", "defaultAction": {"allow": {}}, "visibilityConfig": VISIBILITY}
    made.make("edge-firewall", "aws:wafv2/webAcl:WebAcl", **firewall, scope="CLOUDFRONT", **EDGE)
    made.make("firewall", "aws:wafv2/webAcl:WebAcl", **firewall, scope="REGIONAL")
    guarded = {"webAclArn": made.arns["firewall"], "resourceArn": balancer}
    made.make("guarded", "aws:wafv2/webAclAssociation:WebAclAssociation", **guarded)
    shown = "aws:lb/listenerCertificate:ListenerCertificate"
    made.make("shown", shown, listenerArn=heard, certificateArn=made.ids["here"])
    logging = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
    made.make("logging", logging, resourceArn=made.arns["firewall"], logDestinationConfigs=["arn:aws:logs:a:b:c"])
    key = made.make("public-key", "aws:cloudfront/publicKey:PublicKey", name="k", encodedKey="pem")
    signers = made.make("signers", "aws:cloudfront/keyGroup:KeyGroup", name="g", items=[key])
    methods = {"allowedMethods": ["GET"], "cachedMethods": ["GET"], "viewerProtocolPolicy": "redirect-to-https"}
    made.make(
        "distribution",
        DISTRIBUTION,
        enabled=True,
        origins=[{"originId": "s3", "domainName": "x", "originAccessControlId": access}],
        restrictions={"geoRestriction": {"restrictionType": "none"}},
        viewerCertificate={"acmCertificateArn": made.ids["near"]},
        webAclId=made.arns["edge-firewall"],
        defaultCacheBehavior={
            **methods,
            "targetOriginId": "s3",
            "responseHeadersPolicyId": headers,
            "trustedKeyGroups": [signers],
        },
    )
    source, destination = (f"aws:cloudwatch/logDelivery{kind}:LogDelivery{kind}" for kind in ("Source", "Destination"))
    sent = {"logType": "ACCESS_LOGS", "resourceArn": made.arns["distribution"]}
    made.make("log-source", source, name="d", **sent, **EDGE)
    made.make("log-destination", destination, name="d", **EDGE)
    arn = made.arns["log-destination"]
    delivery = {"deliverySourceName": "d", "deliveryDestinationArn": arn}
    made.make("log-delivery", "aws:cloudwatch/logDelivery:LogDelivery", **delivery, **EDGE)


def test_every_type_is_made_the_same_way_twice_and_deleted() -> None:
    histories = []
    for _ in range(2):
        made = Made(Amazon())
        for family in (network, identity, storage, database, backups, observability, compute, edge):
            family(made)
        cloud = made.amazon.cloud
        objects = cloud.objects()
        histories.append([(item.type, item.id, item.outputs.get("arn")) for item in objects])
        for item in reversed(objects):
            state = {**item.outputs, "skipFinalSnapshot": True}
            assert made.amazon.read(item.type, item.id, state)[0] == item.id
            made.amazon.drop(item.type, item.id, state)
        assert cloud.objects() == []
        cloud.close()
    assert histories[0] == histories[1]
    assert {token for token, _, _ in histories[0]} == {token for token in RULES if token.startswith("aws:")}
