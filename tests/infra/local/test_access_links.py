"""A link reads the one file that it was made for, for as long as it says."""

import httpx
import pytest

from infra.local.stage import Stage
from lambdas.shared.job_folder import Job
from tests.infra.local.visitors import PHOTO, SignUp, Visitor, jobs_store, wait_until


@pytest.fixture
def link(done: tuple[Visitor, Job]) -> httpx.URL:
    """To a photo; that it works is seen at the end of each test, too."""
    owner, job = done
    return httpx.URL(owner.read(job)["image_url"])


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"])
def test_a_link_to_read_does_nothing_else(http: httpx.Client, link: httpx.URL, method: str) -> None:
    assert http.request(method, link, content=b"other").status_code in (400, 403, 405)
    assert http.get(link).content == PHOTO


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Expires", "604800"),
        ("X-Amz-Date", "20301231T000000Z"),
        ("X-Amz-Signature", "0" * 64),
        ("X-Amz-Security-Token", "another"),
        ("X-Amz-SignedHeaders", ""),
        ("versionId", "null"),
        ("response-content-type", "text/html"),
        ("response-content-disposition", "attachment"),
        ("acl", ""),
        ("tagging", ""),
        ("attributes", ""),
        ("torrent", ""),
    ],
)
def test_a_link_is_refused_with_another(http: httpx.Client, link: httpx.URL, name: str, value: str) -> None:
    assert http.get(link.copy_set_param(name, value)).status_code in (400, 403)
    assert http.get(link).content == PHOTO


def test_a_link_is_refused_with_anothers_key(stage: Stage, http: httpx.Client, link: httpx.URL) -> None:
    others = "/".join([stage.container.id, *link.params["X-Amz-Credential"].split("/")[1:]])
    assert http.get(link.copy_set_param("X-Amz-Credential", others)).status_code in (400, 403)
    assert http.get(link).content == PHOTO


@pytest.mark.parametrize("query", ["", "list-type=2", "versions", "list-type=2&prefix=users/", "uploads", "policy"])
def test_a_link_lists_nothing(stage: Stage, http: httpx.Client, link: httpx.URL, query: str) -> None:
    bucket = link.copy_with(path=f"/{stage.outputs['BucketName']}")
    more = bucket.copy_with(query=link.query + (f"&{query}".encode() if query else b""))
    assert http.get(more).status_code == 403
    assert http.get(link.copy_with(path="/")).status_code == 403
    assert http.get(link).content == PHOTO


@pytest.mark.parametrize("missing", ["X-Amz-Signature", "X-Amz-Credential", "X-Amz-Expires", "X-Amz-Security-Token"])
def test_a_link_is_refused_without_a_part_of_it(http: httpx.Client, link: httpx.URL, missing: str) -> None:
    assert http.get(link.copy_remove_param(missing)).status_code in (400, 403)
    assert http.get(link).content == PHOTO


def test_a_link_ends(stage: Stage, http: httpx.Client, done: tuple[Visitor, Job]) -> None:
    """Made by the same code, and signed by the same role; how long the ends are apart is all the difference."""
    job = done[1]
    store = jobs_store(stage)
    short, long = (store.presigned_get(job.key("image"), seconds) for seconds in (1, 600))
    wait_until(lambda: http.get(short).status_code == 403)
    assert b"SignatureDoesNotMatch" not in http.get(short).content
    assert http.get(long).content == PHOTO


def test_the_apis_links_end_within_a_quarter_of_an_hour(done: tuple[Visitor, Job]) -> None:
    owner, job = done
    told = owner.read(job)
    files = [*told["files"], *(file for each in told["objects"] for file in each["files"])]
    assert len(files) > 1
    for address in (told["image_url"], *(file["url"] for file in files)):
        assert 0 < int(httpx.URL(address).params["X-Amz-Expires"]) <= 900
        assert address.startswith(owner.stage.cloud.address)


def test_a_deleted_jobs_links_read_nothing(newcomer: SignUp, http: httpx.Client) -> None:
    """Not for the rest of the quarter of an hour either: nothing is there."""
    ada = newcomer()
    job = ada.submit()
    told = ada.wait(job)
    links = [told["image_url"], *(file["url"] for file in told["objects"][0]["files"])]
    assert {http.get(each).status_code for each in links} == {200}
    assert ada.ask("DELETE", f"/api/jobs/{job.id}").status_code == 204
    assert {http.get(each).status_code for each in links} == {404}
