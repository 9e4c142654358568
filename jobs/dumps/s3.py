"""The exports bucket in S3: multipart uploads with a checksum per part, encrypted with a key of KMS."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from botocore.exceptions import ClientError

from jobs.dumps.store import MEBIBYTE, Read, Stored
from jobs.sql import aws
from jobs.sql.aws import code_of, explained
from jobs.sql.errors import JobError

_PIECE: Final = MEBIBYTE
_PARTS: Final = 10_000  # S3's limit
_FIRST_PART: Final = 16 * MEBIBYTE
_PARTS_OF_A_SIZE: Final = 1_000
_EXISTS: Final = {"PreconditionFailed", "ConditionalRequestConflict"}
_KMS: Final = {"aws:kms", "aws:kms:dsse"}


def part_size(number: int) -> int:
    """Bytes of the part with that number, from 1: small dumps take little memory, and 10,000 parts hold 859 GiB.

    One part is in memory at a time: 16 MiB until 15.6 GiB have been sent, never more than 160 MiB.
    """
    return _FIRST_PART * (1 + (number - 1) // _PARTS_OF_A_SIZE)


class S3Dumps(aws.BucketObjects):
    """The bucket.

    `key` names the KMS key. Without it the bucket's default decides, which has to be one: an object that S3 reports to
    be encrypted with anything else is refused.
    """

    def __init__(self, s3: Any, bucket: str, *, key: str | None) -> None:  # noqa: ANN401 - see `aws.client`
        super().__init__(s3, bucket)
        self._encryption = {} if key is None else {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}

    def uri(self, name: str) -> str:
        return f"s3://{self._bucket}/{name}"

    def create(self, name: str, content: bytes) -> bool:
        with explained(f"write {self.uri(name)}"):
            try:
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=name,
                    Body=content,
                    ContentType="application/json",
                    ChecksumAlgorithm="SHA256",
                    IfNoneMatch="*",
                    **self._encryption,
                )
            except ClientError as error:
                if code_of(error) in _EXISTS:
                    return False
                raise
        return True

    def upload(self, name: str, source: Read) -> Stored:
        target = {"Bucket": self._bucket, "Key": name}
        with explained(f"start the upload of {self.uri(name)}"):
            started = self._s3.create_multipart_upload(**target, ChecksumAlgorithm="SHA256", **self._encryption)
        target["UploadId"] = started["UploadId"]
        try:
            parts, stored, digests = self._send(target, source)
        except BaseException:
            self._abort(target)
            raise
        try:
            with explained(f"complete the upload of {self.uri(name)}"):
                self._s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            self._abort(target)
            raise
        return self._confirmed(name, stored, digests)

    def _send(self, target: dict[str, str], source: Read) -> tuple[list[dict[str, Any]], Stored, list[bytes]]:
        whole, size = hashlib.sha256(), 0
        parts: list[dict[str, Any]] = []
        digests: list[bytes] = []
        while True:
            number = len(parts) + 1
            part = source(part_size(number))
            if not part and parts:
                break
            if number > _PARTS:
                raise JobError(f"{self.uri(target['Key'])}: more than {size} bytes do not fit into {_PARTS} parts")
            digest = hashlib.sha256(part).digest()
            checksum = base64.b64encode(digest).decode()
            with explained(f"upload part {number} of {self.uri(target['Key'])}"):
                answer = self._s3.upload_part(**target, PartNumber=number, Body=part, ChecksumSHA256=checksum)
            parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})
            digests.append(digest)
            whole.update(part)
            size += len(part)
        return parts, Stored(size=size, sha256=whole.hexdigest(), generation=""), digests

    def _confirmed(self, name: str, sent: Stored, digests: list[bytes]) -> Stored:
        """Compare the object with what was sent: its length, and the checksum that S3 has made of its parts'."""
        with explained(f"look at {self.uri(name)}"):
            found = self._s3.head_object(Bucket=self._bucket, Key=name, ChecksumMode="ENABLED")
        if found["ContentLength"] != sent.size:
            raise JobError(f"{self.uri(name)}: holds {found['ContentLength']} bytes of the {sent.size} that were sent")
        expected = f"{base64.b64encode(hashlib.sha256(b''.join(digests)).digest()).decode()}-{len(digests)}"
        if found.get("ChecksumSHA256") != expected:
            raise JobError(f"{self.uri(name)}: has checksum {found.get('ChecksumSHA256')} instead of {expected}")
        if found.get("ServerSideEncryption") not in _KMS:
            raise JobError(
                f"{self.uri(name)}: is encrypted with {found.get('ServerSideEncryption')}, not with a key of KMS; "
                "set TENANTRY_EXPORTS_KEY or the bucket's default encryption"
            )
        return Stored(size=sent.size, sha256=sent.sha256, generation=str(found.get("VersionId", "")))

    def _abort(self, target: dict[str, str]) -> None:
        # what fails here is swept up by the bucket's life cycle rule, and must not hide why the upload failed
        with suppress(Exception):
            self._s3.abort_multipart_upload(**target)

    @contextmanager
    def stream(self, name: str) -> Iterator[Iterator[bytes]]:
        with explained(f"read {self.uri(name)}"):
            body = self._s3.get_object(Bucket=self._bucket, Key=name)["Body"]
        try:
            yield self._pieces(name, body)
        finally:
            body.close()

    def _pieces(self, name: str, body: Any) -> Iterator[bytes]:  # noqa: ANN401 - see `aws.client`
        with explained(f"read {self.uri(name)}"):
            yield from body.iter_chunks(_PIECE)
