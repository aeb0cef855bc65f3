"""Gives Schemathesis things that are really there: an upload, its project, a job and a share.

Half of the generated ids and keys become theirs, so that requests come past "not found". Only valid values are
replaced: what was made wrong on purpose stays wrong. Payment events are signed, unless the signature was left out.
"""

import hashlib
import hmac
import os
import re
import time
import uuid

import schemathesis
from requests.auth import AuthBase

THERE = {name: os.environ[f"THERE_{name.upper()}"] for name in ("key", "project", "file", "job", "token", "video", "link")}
KEY = re.compile(r"uploads/(free|paid)/[0-9a-f-]{36}/[A-Za-z0-9_-]+/input/[A-Za-z0-9._-]+")


def chosen(text):
    """The same half of all texts in every run."""
    return sum(text.encode()) % 2 == 0


def is_uuid(text):
    try:
        return str(uuid.UUID(text)) == text
    except (ValueError, TypeError, AttributeError):
        return False


@schemathesis.hook
def map_body(context, body):
    key = body.get("r2_key") if isinstance(body, dict) else None
    if isinstance(key, str) and KEY.fullmatch(key) and chosen(key + str(body)):
        return {**body, "r2_key": THERE["key"]}
    for params in ("topazVideoParams", "frameInterpolateParams"):
        inner = body.get(params) if isinstance(body, dict) else None
        video = inner.get("video") if isinstance(inner, dict) else None
        # A URL elsewhere would be fetched: the one of the upload that is there stands for all that are valid.
        if isinstance(video, str) and video.startswith(("http://", "https://")):
            return {**body, params: {**inner, "video": THERE["video"]}}
    return body


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    # What is deleted or shared no more would be missing for the others.
    if context.operation.method.lower() == "delete" or not path_parameters:
        return path_parameters
    replaced = dict(path_parameters)
    for name, value in path_parameters.items():
        valid = is_uuid(value) or re.fullmatch({"token": "[0-9a-f]{40}", "link": "[0-9a-f]{72}"}.get(name, "$^"), str(value))
        if name in THERE and name != "key" and valid and chosen(str(value)):
            replaced[name] = THERE[name]
    return replaced


class Signed(AuthBase):
    """Signs the bytes that are sent, in place of a signature that was made up."""

    def __call__(self, request):
        if "Tweenfarm-Signature" in request.headers and isinstance(request.body, bytes):
            with open(os.environ["TWEENFARMD__PAYMENTS__SECRET_FILE"], "rb") as file:
                secret = file.read().strip()
            at = str(int(time.time()))
            signature = hmac.new(secret, at.encode() + b"." + request.body, hashlib.sha256).hexdigest()
            request.headers["Tweenfarm-Signature"] = f"t={at},v1={signature}"
        return request


schemathesis.auth.set_from_requests(Signed()).apply_to(path="/internal/payments")
