"""What a client understands of a reply: the model's answer, as a transport over HTTP would return it."""

from typing import Any

from batch_deployer.model.api import Answer, Body, ChartState, ClusterState, ReleaseState, Sent, normalise_status
from batch_deployer.simulator.service.bodies import ChartBody, ClusterBody, ClusterListBody, ReleaseBody
from batch_deployer.simulator.service.responses import SimResponse


def answer_of(reply: SimResponse, *, credential: int) -> Answer:
    """The answer; a connection that was cut is an answer too, with `Sent.MAYBE`."""
    if not reply.status:
        return Answer(sent=Sent.MAYBE, message="the connection was reset", credential=credential)
    problem = reply.problem
    if problem is None:
        return Answer(status=reply.status, body=_body(reply.body), request_id=reply.request_id, credential=credential)
    return Answer(
        status=reply.status,
        code=problem.code,
        other_code=problem.other_code,
        message=problem.message,
        request_id=reply.request_id,
        retry_after=reply.retry_after,
        credential=credential,
        shape=problem.shape,
    )


def _body(body: Any) -> Body:
    match body:
        case ReleaseBody():
            return _release(body)
        case ChartBody():
            return _chart(body)
        case ClusterBody():
            return _cluster(body)
        case ClusterListBody():
            return [_cluster(item) for item in body.items]
        case [ChartBody(), *_]:
            return [_chart(item) for item in body]
        case list():
            return [_release(item) for item in body]
        case dict():
            return dict(body)
        case _:
            return None


def _release(body: ReleaseBody) -> ReleaseState:
    return ReleaseState(
        name=body.name,
        namespace=body.namespace,
        cluster_id=body.cluster_id,
        chart_name=body.chart_name,
        chart_version=body.chart_version,
        revision=body.version,
        status=normalise_status(body.status),
        status_description=body.status_description,
        created_at=body.create_at,
        updated_at=body.update_at,
        values_json=body.values,
    )


def _chart(body: ChartBody) -> ChartState:
    return ChartState(
        id=body.id,
        name=body.name,
        version=body.version,
        public=body.public,
        description=body.description,
        updated_at=body.update_at,
    )


def _cluster(body: ClusterBody) -> ClusterState:
    return ClusterState(
        id=body.metadata["uid"],
        name=body.metadata["name"],
        alias=body.metadata["alias"],
        phase=body.status["phase"],
        reason=body.status.get("reason", ""),
        version=body.spec["version"],
        flavor=body.spec["flavor"],
        vpc=body.spec["hostNetwork"]["vpc"],
        tags={tag["key"]: tag["value"] for tag in body.spec["clusterTags"]},
    )
