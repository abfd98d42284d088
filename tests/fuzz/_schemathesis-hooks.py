"""What schemathesis is told about this API: real files, ids that exist, and a new Idempotency-Key for each request.

Read by `npm run fuzz -- api`, which sets VERSAMAMMO_FUZZ to a JSON file with what it has stored.
"""

import json
import os
import random
import uuid
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from schemathesis.transport import SerializationContext

KNOWN = json.loads(Path(os.environ["VERSAMAMMO_FUZZ"]).read_text())
FILES = [Path(name).read_bytes() for name in KNOWN["files"]]
DICOM = [data for data in FILES if data[128:132] == b"DICM"]
BOUNDARY = "a-boundary-of-ours"
chance = random.Random(KNOWN["seed"])

# Files that decode, and bytes that do not: those are refused with 415 or 422.
schemathesis.openapi.format("binary", st.one_of(st.sampled_from(FILES), st.binary(max_size=2000)))
schemathesis.openapi.media_type("application/dicom", st.one_of(st.sampled_from(DICOM), st.binary(max_size=2000)))


def related(parts: list[bytes]) -> bytes:
    """A multipart/related body."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


instances = st.lists(st.one_of(st.sampled_from(DICOM), st.binary(max_size=500)), min_size=1, max_size=3)
schemathesis.openapi.media_type("multipart/related", st.one_of(instances.map(related), st.binary(max_size=500)))


@schemathesis.serializer("multipart/related")
def serialize_related(ctx: SerializationContext, value: object) -> dict:
    """The media type of the document, with the boundary that a request needs."""
    data = value if isinstance(value, bytes) else str(value).encode()
    return {"data": data, "headers": {"Content-Type": f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'}}


# Whose ids an operation takes. Never the key that the run itself uses.
IDS = {
    "/v1/images/{id}": "images",
    "/v1/images/{id}/preview": "images",
    "/v1/images/{id}/explanation": "images",
    "/v1/images/{id}/release": "images",
    "/v1/exams/{key}": "exams",
    "/v1/patients/{key}": "patients",
    "/v1/jobs/{id}": "jobs",
    "/v1/jobs/{id}/cancel": "jobs",
}


@schemathesis.hook
def map_case(context, case):
    """Every second request is about something that exists."""
    kind = IDS.get(case.operation.path)
    valid = case.meta is None or case.meta.generation.mode.is_positive
    if kind is not None and valid and chance.random() < 0.5 and case.path_parameters:
        for name in case.path_parameters:
            case.path_parameters[name] = chance.choice(KNOWN[kind])
    if case.query and "neighbour" in case.query and valid and chance.random() < 0.5:
        case.query["neighbour"] = chance.choice(KNOWN["images"])
    if isinstance(case.body, dict) and "image" in case.body and valid and chance.random() < 0.5:
        case.body["image"] = chance.choice(KNOWN["images"])
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    """The same key with another body is refused, rightly; that is another test's subject."""
    key = (case.headers or {}).get("idempotency-key")
    if isinstance(key, str) and key and all("!" <= letter <= "~" for letter in key) and len(key) <= 128:
        case.headers["idempotency-key"] = f"{key[:80]}-{uuid.uuid4()}"
    if case.operation.path == "/v1/keys/{id}" and case.path_parameters.get("id") in KNOWN["ownKeys"]:
        case.path_parameters["id"] = "000000000000"
