"""One whole flow with the client that openapi-python-client generates."""

import sys
from pathlib import Path
from uuid import UUID

import httpx
from tweenfarm_client import AuthenticatedClient
from tweenfarm_client.api.account import get_me
from tweenfarm_client.api.files import presign_upload
from tweenfarm_client.api.jobs import create_job, get_job
from tweenfarm_client.api.pricing import estimate_video
from tweenfarm_client.api.projects import delete_project, get_project, get_share, share_project
from tweenfarm_client.models import (
    DeletedProject,
    EstimateVideo,
    EstimateVideoRequest,
    Job,
    JobRequest,
    Me,
    Presigned,
    PresignRequest,
    Project,
    Share,
    SubmittedJob,
)


def main(url: str, key: str, clip: Path) -> None:
    client = AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)
    me = get_me.sync(client=client)
    assert isinstance(me, Me), me
    upload = presign_upload.sync(client=client, body=PresignRequest(filename="toy.mp4", content_type="video/mp4"))
    assert isinstance(upload, Presigned), upload
    put = httpx.put(upload.upload_url, content=clip.read_bytes(), headers={"Content-Type": "video/mp4"})
    assert put.status_code == 200, put.text
    estimate = estimate_video.sync(client=client, body=EstimateVideoRequest(r2_key=upload.key, target_fps_options=[60, 120]))
    assert isinstance(estimate, EstimateVideo), estimate
    assert estimate.metadata.size_bytes == clip.stat().st_size
    submitted = create_job.sync(client=client, body=JobRequest(r2_key=upload.key, target_fps=60))
    assert isinstance(submitted, SubmittedJob), submitted
    assert submitted.xeconds_charged == estimate.estimates[0].charged_xeconds
    assert submitted.balance_after == me.balance_xeconds - submitted.xeconds_charged
    job = get_job.sync(UUID(str(submitted.job_id)), client=client)
    assert isinstance(job, Job) and job.live_status == "no_workers", job
    project = UUID(str(upload.project_id))
    share = share_project.sync(project, client=client)
    assert isinstance(share, Share) and share.share_token, share
    seen = get_share.sync(share.share_token, client=client)
    assert isinstance(seen, Project) and seen.files[0].key is None, seen
    deleted = delete_project.sync(project, client=client)
    assert isinstance(deleted, DeletedProject) and deleted.deleted, deleted
    after = get_me.sync(client=client)
    assert isinstance(after, Me) and after.balance_xeconds == me.balance_xeconds, after
    assert get_project.sync_detailed(project, client=client).status_code == 404
    print("Python: the flow is as its types say")


main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
