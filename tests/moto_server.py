"""moto_server whose conditional writes are atomic, as those of S3 and DynamoDB are: of many at once, one succeeds."""

import sys
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main

one_at_a_time = Lock()
answer = DomainDispatcherApplication.__call__


def serve(app: DomainDispatcherApplication, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    on_condition = "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ
    if on_condition or environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB"):
        with one_at_a_time:
            return answer(app, environ, start)
    return answer(app, environ, start)


DomainDispatcherApplication.__call__ = serve  # type: ignore[method-assign]
main(sys.argv[1:])
