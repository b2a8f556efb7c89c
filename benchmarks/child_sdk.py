"""What users would write: the provider's own SDK and a thread pool. Create, then show until a terminal status."""

import argparse
import json
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from huaweicloudsdkcce.v3 import (
    CceClient,
    CreateReleaseReqBody,
    CreateReleaseRequest,
    ShowReleaseRequest,
)
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import (
    ConnectionException,
    RequestTimeoutException,
    SdkException,
    ServiceResponseException,
)
from huaweicloudsdkcore.retry.backoff_strategy import BackoffStrategies

_TRIES = 10
"""The most that the SDK allows."""
_ENDS = {"DEPLOYED", "FAILED", "UNKNOWN", "DELETED"}


def _again(_answer: object, error: SdkException | None) -> bool:
    """The usual condition: throttles, server errors, and connections that broke."""
    if isinstance(error, ServiceResponseException):
        return bool(error.status_code == 429 or error.status_code >= 500)
    return isinstance(error, ConnectionException | RequestTimeoutException)


def _deploy(client: CceClient, pair: dict[str, Any], gap: float, timeout: float) -> str:
    """One deployment; returns its last status, or the code of what ended it."""
    body = CreateReleaseReqBody(
        chart_id=pair["chart_id"],
        name=pair["name"],
        namespace=pair["namespace"],
        version=pair["version"],
        values=pair["values"],
    )
    try:
        create = client.create_release_invoker(CreateReleaseRequest(cluster_id=pair["cluster_id"], body=body))
        create.with_retry(_again, _TRIES, BackoffStrategies.EQUAL_JITTER).invoke()
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            time.sleep(gap)
            request = ShowReleaseRequest(cluster_id=pair["cluster_id"], namespace=pair["namespace"], name=pair["name"])
            show = client.show_release_invoker(request).with_retry(_again, _TRIES, BackoffStrategies.EQUAL_JITTER)
            status = str(show.invoke().status)
            if status in _ENDS:
                return status
    except ServiceResponseException as error:
        return f"HTTP {error.status_code}"
    except SdkException as error:
        return type(error).__name__
    return "timed out"


def main() -> None:
    """Deploy all pairs of a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("project")
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--gap", type=float, required=True)
    parser.add_argument("--timeout", type=float, required=True)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    credentials = BasicCredentials(os.environ["HUAWEICLOUD_SDK_AK"], os.environ["HUAWEICLOUD_SDK_SK"], options.project)
    client = CceClient.new_builder().with_credentials(credentials).with_endpoints([options.url]).build()
    pairs = json.loads(options.pairs.read_text())
    with ThreadPoolExecutor(options.threads) as pool:
        ends = list(pool.map(lambda pair: _deploy(client, pair, options.gap, options.timeout), pairs))
    options.result.write_text(json.dumps({"ends": Counter(ends)}))


if __name__ == "__main__":
    main()
