from __future__ import annotations

import pulumi
import pytest

from sandbox.mocks import boot


def test_outputs_are_those_of_the_cloud_and_options_are_recorded() -> None:
    import pulumi_gcp as gcp
    import pulumi_random as random

    mocks = boot()
    seen: dict[str, object] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[None]:
        provider = gcp.Provider("gcp", project="fin", default_labels={"env": "dev"})
        opts = pulumi.ResourceOptions(provider=provider, protect=True)
        bucket = gcp.storage.Bucket("b", name="x-b", location="EU", opts=opts)
        password = random.RandomPassword("p", length=20)
        version = gcp.secretmanager.SecretVersion("v", secret="projects/fin/secrets/s", secret_data=password.result)
        facts = (bucket.url, bucket.pulumi_labels, version.version, password.result.is_secret())
        return pulumi.Output.all(*facts).apply(lambda found: seen.update(found=found))

    program()
    assert seen["found"] == ["gs://x-b", {"goog-pulumi-provisioned": "true", "env": "dev"}, "1", True]
    bucket = mocks.one("gcp:storage/bucket:Bucket")
    assert (bucket.protect, bucket.inputs["storageClass"]) == (True, "STANDARD")
    assert mocks.one("gcp:secretmanager/secretVersion:SecretVersion", "v").secret_inputs == {"secretData"}


def test_each_provider_has_its_own_region_and_tags() -> None:
    import pulumi_aws as aws
    import pulumi_gcp as gcp

    mocks = boot()
    seen: dict[str, object] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[None]:
        amazon = aws.Provider(
            "aws", region="eu-central-1", allowed_account_ids=["111122223333"], default_tags={"tags": {"env": "dev"}}
        )
        gcp.Provider("gcp", project="fin", region="europe-west3")
        home = aws.kms.Key("home", opts=pulumi.ResourceOptions(provider=amazon))
        far = aws.kms.Key("far", region="eu-west-1", opts=pulumi.ResourceOptions(provider=amazon))
        role = aws.iam.Role("worker", name="w", assume_role_policy="{}", opts=pulumi.ResourceOptions(provider=amazon))
        facts = (home.arn.apply(lambda arn: arn[:38]), far.region, home.tags_all, role.arn)
        return pulumi.Output.all(*facts).apply(lambda found: seen.update(found=found))

    program()
    assert seen["found"] == [
        "arn:aws:kms:eu-central-1:111122223333:",
        "eu-west-1",
        {"env": "dev"},
        "arn:aws:iam::111122223333:role/w",
    ]
    assert mocks.one("aws:kms/key:Key", "home").inputs["region"] == "eu-central-1"
    assert mocks.one("aws:kms/key:Key", "home").inputs["enableKeyRotation"] is False


def test_an_unknown_property_fails_the_program() -> None:
    import pulumi_gcp as gcp

    boot()

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        gcp.storage.Bucket("b", location="EU", encryption={"kmsKey": "k"})  # type: ignore[call-overload]

    with pytest.raises(ValueError, match=r"b: encryption.kmsKey: unknown property"):
        program()


def test_invokes_are_answered_and_recorded() -> None:
    import pulumi_gcp as gcp

    mocks = boot()
    mocks.stack_outputs = {"organization/tenantry/dev": {"registry": {"a": 1}}}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        assert gcp.organizations.get_project(project_id="fin").project_id == "fin"
        answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": "organization/tenantry/dev"})
        assert answer.value["outputs"] == {"registry": {"a": 1}}

    program()
    assert [token for token, _ in mocks.invokes] == [
        "gcp:organizations/getProject:getProject",
        "pulumi:pulumi:readStackOutputs",
    ]
