"""ObjectStore: bytes under keys, in a folder or an S3 bucket and prefix, with the rules of packages/platform.

A put is atomic: readers see the old object or the new one, also after a kill at any byte. `put_absent` writes only if
the key does not exist (`If-None-Match: *`): it is how manifests are published, last.
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from versamammo.errors import TrainingError

_PART = re.compile(r"[\x21-\x7e][\x20-\x7e]*")


class AlreadyExists(Exception):
    """`put_absent` found an object under the key."""


class ObjectStore(Protocol):
    uri: str

    def put(self, key: str, body: bytes) -> None: ...

    def put_absent(self, key: str, body: bytes) -> None:
        """Write if the key is absent, else raise AlreadyExists."""

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is none."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with `prefix`, ascending."""

    def delete(self, key: str) -> None:
        """Removing what is not there succeeds."""


def open_store(uri: str) -> ObjectStore:
    """A folder path, or `s3://bucket/prefix`. Credentials, region and `AWS_ENDPOINT_URL` come from the environment."""
    if uri.startswith("s3://"):
        bucket, _, prefix = uri[5:].partition("/")
        if not bucket:
            raise TrainingError("bad-store", f"{uri} names no bucket: use s3://bucket/prefix.")
        return S3Store(bucket, prefix.strip("/"))
    return FolderStore(Path(uri))


def checked_key(key: str) -> str:
    """The key itself, or TrainingError `bad-key` where it is none."""
    parts = key.split("/")
    if len(key) > 900 or any(part in ("", ".", "..") or not _PART.fullmatch(part) for part in parts):
        raise TrainingError("bad-key", f"{key!r} is not a key: use printable ASCII parts joined by '/'.")
    return key


class FolderStore:
    """Objects are files; a temporary file beside the folder's root is renamed or linked into place."""

    TEMPORARY = ".incoming"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = f"file:{root}"

    def put(self, key: str, body: bytes) -> None:
        temporary = self._write_temporary(body)
        target = self._target(key)
        try:
            os.replace(temporary, target)
            _sync_folder(target.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _storage_error(self.uri, error) from error

    def put_absent(self, key: str, body: bytes) -> None:
        temporary = self._write_temporary(body)
        target = self._target(key)
        try:
            os.link(temporary, target)
            _sync_folder(target.parent)
        except FileExistsError:
            raise AlreadyExists(key) from None
        except OSError as error:
            raise _storage_error(self.uri, error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def get(self, key: str) -> bytes | None:
        try:
            return (self.root / checked_key(key)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _storage_error(self.uri, error) from error

    def list(self, prefix: str = "") -> Iterator[str]:
        if not self.root.is_dir():
            return
        keys = (
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if path.is_file() and self.TEMPORARY not in path.relative_to(self.root).parts
        )
        yield from sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        path = self.root / checked_key(key)
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self.root or any(parent.iterdir() if parent.is_dir() else ()):
                break
            try:
                parent.rmdir()
            except OSError:
                break

    def _target(self, key: str) -> Path:
        target = self.root / checked_key(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _storage_error(self.uri, error) from error
        return target

    def _write_temporary(self, body: bytes) -> Path:
        path = self.root / self.TEMPORARY / uuid.uuid4().hex
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _storage_error(self.uri, error) from error
        return path


class S3Store:
    """Objects under a prefix of a bucket, by boto3 (standard retries)."""

    def __init__(self, bucket: str, prefix: str) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise TrainingError("no-boto3", "An s3:// run needs boto3: pip install boto3, or use a folder.") from error
        self.bucket, self.prefix = bucket, prefix
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")
        config = Config(retries={"mode": "standard", "max_attempts": 6}, connect_timeout=10, read_timeout=120)
        self.client: Any = boto3.client("s3", region_name=os.environ.get("AWS_REGION", "us-east-1"), config=config)

    def put(self, key: str, body: bytes) -> None:
        self._call("put_object", Key=self._full(key), Body=body)

    def put_absent(self, key: str, body: bytes) -> None:
        try:
            self._call("put_object", Key=self._full(key), Body=body, IfNoneMatch="*")
        except _ClientStatus as error:
            if error.status in (409, 412):
                raise AlreadyExists(key) from None
            raise error.plain() from error

    def get(self, key: str) -> bytes | None:
        try:
            return self._call("get_object", Key=self._full(key))["Body"].read()
        except _ClientStatus as error:
            if error.status == 404:
                return None
            raise error.plain() from error

    def list(self, prefix: str = "") -> Iterator[str]:
        root = f"{self.prefix}/" if self.prefix else ""
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=root + prefix, **token)
            yield from (item["Key"][len(root) :] for item in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        self._call("delete_object", Key=self._full(key))

    def _full(self, key: str) -> str:
        return f"{self.prefix}/{checked_key(key)}" if self.prefix else checked_key(key)

    def _call(self, name: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client, name)(Bucket=self.bucket, **arguments)
        except ClientError as error:
            raise _ClientStatus(self.uri, error) from error
        except BotoCoreError as error:
            raise TrainingError(
                "store-unreachable",
                f"{self.uri} cannot be reached ({type(error).__name__}): check the network, the credentials and "
                "AWS_ENDPOINT_URL, then start the same command again; it resumes at its last checkpoint.",
            ) from error


class _ClientStatus(TrainingError):
    """An answer of S3 that is no success."""

    def __init__(self, uri: str, error: Any) -> None:
        self.status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = error.response.get("Error", {}).get("Code", "unknown")
        super().__init__("store-refused", f"{uri} refused the request ({code}): check the bucket and its permissions.")

    def plain(self) -> TrainingError:
        return TrainingError(self.code, str(self))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _storage_error(uri: str, error: OSError) -> TrainingError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TrainingError(
            "disk-full", f"{uri} has no space left: free some and start again; the last checkpoint is whole."
        )
    return TrainingError(
        "store-failed", f"{uri} cannot be used ({error.strerror}): check the path and its permissions."
    )
