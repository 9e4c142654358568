"""Functions (invokes) of the providers: reads that a program makes while it runs."""

from __future__ import annotations

import base64
import fnmatch
import re
from typing import TYPE_CHECKING, Final

from sandbox.cloud import schema
from sandbox.cloud.checks_gcp import BUCKET_OBJECT, api_enabled, logging_agent, storage_agent
from sandbox.cloud.errors import AwsError, CloudError, NotSimulatedError
from sandbox.cloud.provider import ProviderConfig, project_number
from sandbox.cloud.tables.aws.common import BUCKET as S3_BUCKET
from sandbox.cloud.tables.aws.common import OBJECT as S3_OBJECT
from sandbox.cloud.values import Props

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.cloud.store import CloudObject, Store


def call(token: str, arguments: Props, store: Store, config: ProviderConfig) -> Props:
    """Answer an invoke.

    Raises:
        NotSimulatedError: no such function, no such argument, or no model of it here.
        CloudError: as the API would answer.
    """
    known = schema.function_arguments(token)
    for name in arguments:
        if name not in known:
            raise NotSimulatedError(f"{token}: unknown argument {name!r}; it takes {', '.join(sorted(known))}")
    function = FUNCTIONS.get(token)
    if function is None:
        raise NotSimulatedError(f"the function {token} is not simulated: add it to sandbox/cloud/functions.py")
    return function({name: value for name, value in arguments.items() if value is not None}, store, config)


def _project(arguments: Props, config: ProviderConfig) -> tuple[str, str]:
    project = str(arguments.get("project") or config.project).rsplit("/", 1)[-1]
    if project == config.project and config.project_number:
        return project, config.project_number
    return project, project_number(project)


def _storage_account(arguments: Props, store: Store, config: ProviderConfig) -> Props:
    project, number = _project(arguments, config)
    email = storage_agent(number)
    store.add_agent(email)  # asking for it makes it
    return {
        "id": email,
        "project": project,
        "emailAddress": email,
        "member": f"serviceAccount:{email}",
        "userProject": arguments.get("userProject"),
    }


def _logging_cmek(arguments: Props, store: Store, config: ProviderConfig) -> Props:
    project, number = _project(arguments, config)
    email = logging_agent(number)
    store.add_agent(email)
    return {
        "id": f"projects/{project}/cmekSettings",
        "name": f"projects/{project}/cmekSettings",
        "project": project,
        "kmsKeyName": arguments.get("kmsKeyName") or "",
        "kmsKeyVersionName": "",
        "serviceAccountId": email,
    }


def _get_project(arguments: Props, store: Store, config: ProviderConfig) -> Props:
    project = str(arguments.get("projectId") or config.project)
    if not api_enabled(store, project, "cloudresourcemanager.googleapis.com"):
        raise CloudError(403, "cloudresourcemanager.googleapis.com is disabled", "SERVICE_DISABLED")
    _, number = _project({"project": project}, config)
    return {
        "id": f"projects/{project}",
        "projectId": project,
        "name": project,
        "number": number,
        "autoCreateNetwork": True,
        "billingAccount": "000000-000000-000000",
        "deletionPolicy": "PREVENT",
        "folderId": "",
        "orgId": "100000000000",
        "labels": {},
        "effectiveLabels": {},
        "pulumiLabels": {},
        "tags": {},
    }


def _bucket_objects(arguments: Props, store: Store, config: ProviderConfig) -> Props:
    del config
    bucket = str(arguments["bucket"])
    _need_bucket(store, bucket)
    prefix = str(arguments.get("prefix") or "")
    pattern = arguments.get("matchGlob")
    found = [
        item
        for item in store.objects(BUCKET_OBJECT)
        if item.outputs.get("bucket") == bucket
        and str(item.outputs.get("name")).startswith(prefix)
        and (pattern is None or _glob(str(pattern), str(item.outputs.get("name"))))
    ]
    return {
        "id": f"https://storage.googleapis.com/storage/v1/b/{bucket}/o",
        "bucket": bucket,
        "prefix": arguments.get("prefix"),
        "matchGlob": pattern,
        "bucketObjects": [
            {
                "name": item.outputs["name"],
                "contentType": item.outputs.get("contentType"),
                "mediaLink": item.outputs.get("mediaLink"),
                "selfLink": item.outputs.get("selfLink"),
                "storageClass": item.outputs.get("storageClass"),
                "updated": item.created,
            }
            for item in sorted(found, key=lambda item: str(item.outputs["name"]))
        ],
    }


def _glob(pattern: str, name: str) -> bool:
    """Google's glob: `*` stays within one path segment, `**` does not."""
    parts = re.split(r"(\*\*)", pattern)
    text = "".join(
        ".*"
        if part == "**"
        else fnmatch.translate(part).removeprefix("(?s:").removesuffix(")\\Z").replace(".*", "[^/]*")
        for part in parts
    )
    return re.fullmatch(text, name) is not None


def _need_bucket(store: Store, bucket: str) -> None:
    if not store.exists("gcp:storage/bucket:Bucket", bucket):
        raise CloudError(404, "The specified bucket does not exist.", "notFound")


def _find_object(arguments: Props, store: Store) -> CloudObject:
    bucket, name = str(arguments["bucket"]), str(arguments["name"])
    _need_bucket(store, bucket)
    item = store.get(BUCKET_OBJECT, f"{bucket}-{name}")
    if item is None:
        raise CloudError(404, f"No such object: {bucket}/{name}", "notFound")
    return item


def _object_content(arguments: Props, store: Store, config: ProviderConfig) -> Props:
    del config
    item = _find_object(arguments, store)
    content = str(item.outputs.get("content") or "")
    answer = {name: item.outputs.get(name) for name in _CONTENT_FACTS}
    return {
        **{name: value for name, value in answer.items() if value is not None},
        "id": item.id,
        "content": content,
        "contentBase64": base64.b64encode(content.encode()).decode(),
    }


def _s3_objects(arguments: Props, store: Store, config: ProviderConfig) -> Props:
    bucket, prefix = str(arguments["bucket"]), str(arguments.get("prefix") or "")
    if not store.exists(S3_BUCKET, bucket):
        raise AwsError(404, "The specified bucket does not exist", "NoSuchBucket")
    found = sorted(str(item.outputs["key"]) for item in store.objects(S3_OBJECT) if item.outputs["bucket"] == bucket)
    most = int(arguments.get("maxKeys") or 1000)
    after = str(arguments.get("startAfter") or "")
    return {
        "id": bucket,
        "bucket": bucket,
        "prefix": arguments.get("prefix"),
        "maxKeys": most,
        "startAfter": arguments.get("startAfter"),
        "region": arguments.get("region") or config.region,
        "keys": [key for key in found if key.startswith(prefix) and key > after][:most],
        "commonPrefixes": [],
        "owners": [],
        "requestCharged": "",
    }


_CONTENT_FACTS: Final = (
    "bucket",
    "name",
    "contentType",
    "crc32c",
    "generation",
    "md5hash",
    "md5hexhash",
    "mediaLink",
    "outputName",
    "selfLink",
    "storageClass",
    "deletionPolicy",
)

FUNCTIONS: Final[Mapping[str, Callable[[Props, Store, ProviderConfig], Props]]] = {
    "aws:s3/getObjects:getObjects": _s3_objects,
    "gcp:logging/getProjectCmekSettings:getProjectCmekSettings": _logging_cmek,
    "gcp:organizations/getProject:getProject": _get_project,
    "gcp:storage/getBucketObjectContent:getBucketObjectContent": _object_content,
    "gcp:storage/getBucketObjects:getBucketObjects": _bucket_objects,
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": _storage_account,
}
