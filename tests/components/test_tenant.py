"""What a tenant owns: its database, its credential, its place for files, its entry in the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import pytest

from sandbox.cloud.errors import CloudError
from tests.components.program import STACKS, Built, Document, Edit, StackName, build, built, document_of
from tests.components.tokens import (
    BUCKET,
    BUCKET_BINDING,
    DATABASE,
    FOLDER,
    FOLDER_BINDING,
    INSTANCE,
    OBJECT,
    PASSWORD,
    SECRET,
    SECRET_BINDING,
    SECRET_VERSION,
    USER,
)

each_stack = pytest.mark.parametrize("stack", STACKS)
USERS = [
    "serviceAccount:tenantry-gateway@ledgerly-dev.iam.gserviceaccount.com",
    "serviceAccount:tenantry-worker@ledgerly-dev.iam.gserviceaccount.com",
]


def changed(tenant: str, **values: object) -> Edit:
    def edit(document: Document) -> None:
        entry = next(entry for entry in document["tenants"] if entry["id"] == tenant)
        entry.update(values)

    return edit


def credential(run: Built, tenant: str) -> Mapping[str, Any]:
    found = json.loads(run.inputs(SECRET_VERSION, f"{tenant}-credential-version")["secretData"])
    assert isinstance(found, dict)
    return found


class TestDatabase:
    @pytest.mark.parametrize(
        ("stack", "tenant", "database", "instance"),
        [
            ("dev", "acme", "tn_acme", "ledgerly-dev-pool-general-1"),
            ("dev", "cobalt-bank", "tn_cobalt_bank", "ledgerly-dev-t-cobalt-bank-1"),
            ("staging", "elm-street", "tn_elm_street", "ledgerly-staging-pool-personal-1"),
            ("prod", "harbour-9", "tn_harbour_9", "ledgerly-prod-pool-personal-1"),
        ],
    )
    def test_it_is_the_tenants_own_and_stays(self, stack: StackName, tenant: str, database: str, instance: str) -> None:
        item = built(stack).of(DATABASE)[f"{tenant}-database"]
        assert (item.inputs["name"], item.inputs["instance"]) == (database, instance)
        assert (item.protect, item.inputs["deletionPolicy"]) == (True, "ABANDON")

    @each_stack
    def test_no_two_tenants_share_one(self, stack: StackName) -> None:
        places = [(item.inputs["instance"], item.inputs["name"]) for item in built(stack).of(DATABASE).values()]
        assert len(set(places)) == len(places) == len(document_of(stack)["tenants"])

    def test_no_user_of_the_cloud_is_a_tenants(self) -> None:
        """Users made by the API may do everything; tenants' roles are the SQL job's work."""
        assert [name for name in built("prod").of(USER) if "-user-" not in name] == []


class TestCredential:
    @each_stack
    def test_it_holds_the_login_of_its_rotation_and_is_secret(self, stack: StackName) -> None:
        rotation = document_of(stack).get("secrets", {}).get("rotation", 1)
        run = built(stack)
        for entry in document_of(stack)["tenants"]:
            tenant = entry["id"]
            assert credential(run, tenant) == {
                "login": f"tn_{tenant.replace('-', '_')}_{'a' if rotation % 2 else 'b'}",
                "password": run.of(PASSWORD)[f"{tenant}-password"].outputs["result"],
                "rotation": rotation,
            }
            version = run.of(SECRET_VERSION)[f"{tenant}-credential-version"]
            assert version.secret_inputs == {"secretData"}

    def test_its_password_is_long_and_needs_no_escape_in_a_url(self) -> None:
        password = built("dev").of(PASSWORD)["acme-password"]
        assert password.inputs == {"length": 40, "special": False, "keepers": {"rotation": "1"}}
        assert password.outputs["result"].isalnum()
        assert password.secret_outputs == {"result", "bcryptHash"}

    def test_nobody_is_granted_the_credential_itself(self) -> None:
        """Only the SQL job reads it, by its right to tenants' secrets."""
        readers = {item.inputs["secretId"] for item in built("prod").of(SECRET_BINDING).values()}
        assert [name for name in readers if name.endswith("-credential")] == []

    @each_stack
    def test_the_url_has_exactly_two_readers_and_no_version_from_here(self, stack: StackName) -> None:
        run = built(stack)
        project = f"ledgerly-{stack}"
        for entry in document_of(stack)["tenants"]:
            binding = run.inputs(SECRET_BINDING, f"{entry['id']}-database-url-readers")
            assert binding["secretId"] == f"tenant-{entry['id']}-database-url"
            assert binding["role"] == "roles/secretmanager.secretAccessor"
            assert binding["members"] == [member.replace("ledgerly-dev", project) for member in USERS]
        written = {item.inputs["secret"].rpartition("/")[2] for item in run.of(SECRET_VERSION).values()}
        assert [name for name in written if name.endswith("-database-url")] == []

    def test_it_is_kept_in_two_regions_under_keys_of_each(self) -> None:
        keys = "projects/ledgerly-dev/locations/{}/keyRings/tenantry/cryptoKeys/secrets"
        assert built("dev").inputs(SECRET, "acme-credential")["replication"] == {
            "userManaged": {
                "replicas": [
                    {"location": region, "customerManagedEncryption": {"kmsKeyName": keys.format(region)}}
                    for region in ("europe-west1", "europe-west4")
                ]
            }
        }

    def test_a_rotation_makes_a_new_password_for_the_other_login_of_one_tenant(self) -> None:
        before, after = built("dev"), build("dev", changed("acme", extra_rotations=1), previous=built("dev").outputs)
        assert [run.of(PASSWORD)["acme-password"].inputs["keepers"] for run in (before, after)] == [
            {"rotation": "1"},
            {"rotation": "2"},
        ]
        assert [(credential(run, "acme")["login"], credential(run, "acme")["rotation"]) for run in (before, after)] == [
            ("tn_acme_a", 1),
            ("tn_acme_b", 2),
        ]
        assert [run.entry("acme-registry")["active_login"] for run in (before, after)] == ["tn_acme_a", "tn_acme_b"]
        assert after.of(PASSWORD)["birchwood-password"].inputs["keepers"] == {"rotation": "1"}
        touched = {
            item.name for item in after.resources if before.mocks.one(item.type, item.name).inputs != item.inputs
        }
        assert touched == {"acme-password", "acme-credential-version", "acme-registry"}


class TestFiles:
    def test_a_folder_of_the_shared_bucket(self) -> None:
        run = built("dev")
        folder = run.inputs(FOLDER, "acme-files")
        assert (folder["bucket"], folder["name"]) == ("ledgerly-dev-uploads", "acme/")
        binding = run.inputs(FOLDER_BINDING, "acme-files-users")
        assert (binding["bucket"], binding["managedFolder"], binding["role"], binding["members"]) == (
            "ledgerly-dev-uploads",
            "acme/",
            "roles/storage.objectUser",
            USERS,
        )
        assert "acme-uploads" not in run.of(BUCKET)

    def test_a_bucket_of_its_own(self) -> None:
        run = built("dev")
        bucket = run.of(BUCKET)["cobalt-bank-uploads"]
        assert (bucket.inputs["name"], bucket.protect) == ("ledgerly-dev-cobalt-bank-uploads", True)
        binding = run.inputs(BUCKET_BINDING, "cobalt-bank-uploads-users")
        assert (binding["bucket"], binding["role"], binding["members"]) == (
            "ledgerly-dev-cobalt-bank-uploads",
            "roles/storage.objectUser",
            USERS,
        )
        assert "cobalt-bank-files" not in run.of(FOLDER)

    def test_none(self) -> None:
        run = build("dev", changed("acme", files="none"))
        named = {item.name for item in run.resources if item.name.startswith("acme-")}
        assert named & {"acme-files", "acme-files-users", "acme-uploads", "acme-uploads-users"} == set()
        assert run.entry("acme-registry")["files"] == {"mode": "none", "bucket": None, "folder": None}


class TestRegistry:
    def test_an_entry_word_for_word(self) -> None:
        run = built("prod")
        place = run.inputs(OBJECT, "kestrel-pay-registry")
        assert (place["bucket"], place["name"], place["contentType"]) == (
            "ledgerly-prod-registry",
            "tenants/kestrel-pay.json",
            "application/json",
        )
        assert run.entry("kestrel-pay-registry") == {
            "schema_version": 1,
            "id": "kestrel-pay",
            "name": "kestrel-pay",
            "kind": "cloudsql",
            "state": "active",
            "plan": "standard",
            "ring": "all",
            "placement": "shared",
            "pool": "business-1",
            "region": "europe-west1",
            "instance": "pool-business-1",
            "database": "tn_kestrel_pay",
            "owner_role": "tn_kestrel_pay_owner",
            "logins": ["tn_kestrel_pay_a", "tn_kestrel_pay_b"],
            "active_login": "tn_kestrel_pay_a",
            "rotation": 3,
            "credential_secret": "projects/ledgerly-prod/secrets/tenant-kestrel-pay-credential",
            "url_secret": "projects/ledgerly-prod/secrets/tenant-kestrel-pay-database-url",
            "connection_limit": 20,
            "statement_timeout_ms": 60000,
            "recreate_after_loss": False,
            "files": {"mode": "prefix", "bucket": "ledgerly-prod-uploads", "folder": "kestrel-pay/"},
            "isolated": False,
            "status": "status/kestrel-pay.json",
        }

    @each_stack
    def test_nothing_here_calls_a_tenant_isolated_or_holds_a_secret(self, stack: StackName) -> None:
        run = built(stack)
        tenants = [entry["id"] for entry in document_of(stack)["tenants"]]
        assert {run.entry(f"{tenant}-registry")["isolated"] for tenant in tenants} == {False}
        secrets = [item.outputs["result"] for item in run.of(PASSWORD).values()]
        secrets += [str(value) for value in (document_of(stack).get("external_secrets") or {}).values()]
        assert len(secrets) >= 6
        published = json.dumps([dict(item.inputs) for item in run.of(OBJECT).values()]) + json.dumps(run.outputs)
        assert [secret for secret in secrets if secret in published] == []

    @each_stack
    def test_every_entry_names_an_instance_that_has_one(self, stack: StackName) -> None:
        run = built(stack)
        objects = {item.inputs["name"] for item in run.of(OBJECT).values()}
        tenants = [run.entry(f"{entry['id']}-registry") for entry in document_of(stack)["tenants"]]
        assert {f"instances/{entry['instance']}.json" for entry in tenants} <= objects

    def test_the_stack_output_describes_what_must_not_change(self) -> None:
        registry = built("dev").outputs["registry"]
        assert registry["tenants"]["acme"] == {
            "kind": "cloudsql",
            "cloud": "gcp",
            "placement": "shared",
            "pool": "general",
            "region": "europe-west1",
            "instance": "pool-general",
            "database": "tn_acme",
            "state": "active",
            "plan": "standard",
            "ring": "all",
            "rotation": 1,
            "url_secret": "tenant-acme-database-url",
            "files": "prefix",
            "guarded": True,
        }
        assert registry["instances"]["pool-general"] == {
            "name": "ledgerly-dev-pool-general-1",
            "region": "europe-west1",
            "placement": "shared",
            "guarded": True,
        }


class TestLifeCycle:
    def test_a_suspended_tenant_keeps_everything(self) -> None:
        def names(run: Built) -> set[tuple[str, str, bool]]:
            return {(item.type, item.name, item.protect) for item in run.resources}

        suspended = build("dev", changed("acme", state="suspended"))
        assert names(suspended) == names(built("dev"))
        assert suspended.entry("acme-registry")["state"] == "suspended"
        assert built("staging").entry("elm-street-registry")["state"] == "suspended"

    @pytest.mark.parametrize("tenant", ["acme", "cobalt-bank"])
    def test_an_offboarding_tenant_stays_guarded_until_its_export_is_proved(self, tenant: str) -> None:
        run = build("dev", changed(tenant, state="offboarding"), previous=built("dev").outputs)
        assert run.entry(f"{tenant}-registry")["state"] == "offboarding"
        database = run.of(DATABASE)[f"{tenant}-database"]
        assert (database.protect, database.inputs["deletionPolicy"]) == (True, "ABANDON")
        # it was asked for, in the exports bucket, and there is none
        asked = [arguments for token, arguments in run.mocks.invokes if token.endswith(":getBucketObjects")]
        assert asked == [{"bucket": "ledgerly-dev-exports", "prefix": "final/"}]

    def test_a_proved_export_lifts_the_guard_of_that_tenant_alone(self) -> None:
        before = built("dev")
        edit = changed("cobalt-bank", state="offboarding")
        asked = build("dev", edit, previous=before.outputs)
        assert asked.entry("cobalt-bank-registry")["final_export"] == "final/cobalt-bank.json"
        run = build("dev", edit, previous=asked.outputs, final_exports=["cobalt-bank"])
        lifted = {
            (item.type, item.name)
            for item in run.resources
            if before.mocks.one(item.type, item.name).protect and not item.protect
        }
        assert lifted == {
            (BUCKET, "cobalt-bank-uploads"),
            (DATABASE, "cobalt-bank-database"),
            (INSTANCE, "tenant-cobalt-bank-instance"),
            (USER, "tenant-cobalt-bank-user-migrator"),
            (USER, "tenant-cobalt-bank-user-sqljob"),
            (USER, "tenant-cobalt-bank-user-worker"),
        }
        assert run.inputs(DATABASE, "cobalt-bank-database")["deletionPolicy"] == "DELETE"
        assert run.inputs(BUCKET, "cobalt-bank-uploads")["deletionPolicy"] == "DELETE"
        instance = run.inputs(INSTANCE, "tenant-cobalt-bank-instance")
        assert (instance["deletionProtection"], instance["settings"]["deletionProtectionEnabled"]) == (False, False)
        assert run.outputs["registry"]["tenants"]["cobalt-bank"]["guarded"] is False

    def test_a_former_offboardings_marker_lifts_nothing(self) -> None:
        edit = changed("acme", state="offboarding")
        again = build("dev", edit, previous=built("dev").outputs, final_exports=["acme"])
        assert again.entry("acme-registry")["final_export"] == "final/acme.2.json"
        assert all(item.protect for item in again.of(DATABASE).values())
        waiting = build("dev", edit, previous=again.outputs, final_exports=["acme"])
        assert waiting.entry("acme-registry")["final_export"] == "final/acme.2.json"
        assert all(item.protect for item in waiting.of(DATABASE).values())
        lifted = build("dev", edit, previous=again.outputs, final_exports=["acme", "acme.2"])
        assert not lifted.mocks.one(DATABASE, "acme-database").protect

    def test_an_entry_names_a_marker_only_while_the_tenant_leaves(self) -> None:
        run = build("dev", changed("acme", state="offboarding"), previous=built("dev").outputs)
        named = {item.name for item in run.of(OBJECT).values() if '"final_export"' in item.inputs["content"]}
        assert named == {"acme-registry"}

    def test_a_state_that_was_lost_does_not_forget_former_offboardings(self) -> None:
        anew = build("dev", changed("acme", state="offboarding"), final_exports=["acme"])
        assert anew.entry("acme-registry")["final_export"] == "final/acme.2.json"

    def test_a_first_up_that_failed_before_the_exports_bucket_leaves_no_marker(self) -> None:
        edit = changed("acme", state="offboarding")
        run = build("dev", edit, previous=built("dev").outputs, final_exports=None)
        assert run.entry("acme-registry")["final_export"] == "final/acme.json"
        assert all(item.protect for item in run.of(DATABASE).values())

    def test_markers_that_cannot_be_read_stop_the_program(self) -> None:
        error = CloudError(403, "caller does not have storage.objects.list access", "forbidden")
        with (
            patch("components.stack.gcp.storage.get_bucket_objects", side_effect=error),
            pytest.raises(CloudError, match="403"),
        ):
            build("dev", changed("acme", state="offboarding"), previous=built("dev").outputs)

    def test_another_tenants_marker_lifts_nothing(self) -> None:
        edit = changed("acme", state="offboarding")
        asked = build("dev", edit, previous=built("dev").outputs)
        run = build("dev", edit, previous=asked.outputs, final_exports=["birchwood"])
        assert all(item.protect for item in run.of(DATABASE).values())
