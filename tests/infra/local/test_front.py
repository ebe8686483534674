"""The page and the API on one origin, as CloudFront has them."""

from collections.abc import Iterator

import httpx
import pytest

from infra.local.stage import Stage
from tests.infra.local.visitors import raw


@pytest.fixture(scope="module")
def page(stage: Stage) -> Iterator[str]:
    """A page, and something beside it that is none of it; what was the page before is so again after the tests."""
    s3, bucket = stage.cloud.client("s3"), stage.outputs["BucketName"]
    versions = {}
    for name, body in {"index.html": b"<title>Gen3D</title>", "a b/ü.js": b"1"}.items():
        key, kind = f"PUBLIC/{name}", "text/html" if name.endswith("html") else "text/javascript"
        put = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, CacheControl="max-age=60")
        versions[key] = put["VersionId"]
    s3.put_object(Bucket=bucket, Key="users/secret", Body=b"secret")
    yield stage.page
    for key, version in versions.items():
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version)


def test_the_root_is_the_page_with_the_templates_headers(page: str, stage: Stage, http: httpx.Client) -> None:
    answer = http.get(f"{page}/")
    assert (answer.status_code, answer.text) == (200, "<title>Gen3D</title>")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Cache-Control"] == "max-age=60"
    assert f"connect-src 'self' blob: {stage.cloud.address};" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Permissions-Policy"].startswith("camera")


def test_s3_stays_on_an_origin_of_its_own(page: str, stage: Stage) -> None:
    assert httpx.URL(page).port != httpx.URL(stage.cloud.address).port


def test_a_file_is_found_by_its_name_in_any_letters(page: str, http: httpx.Client) -> None:
    assert http.get(f"{page}/a%20b/%C3%BC.js").text == "1"
    assert http.get(f"{page}/a b/ü.js").text == "1"


def test_part_of_a_file_and_its_size_can_be_asked_for(page: str, http: httpx.Client) -> None:
    part = http.get(f"{page}/index.html", headers={"Range": "bytes=1-5"})
    assert (part.status_code, part.text) == (206, "title")
    head = http.head(f"{page}/index.html")
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "20", b"")


@pytest.mark.parametrize("path", ["/nothing", "/api", "/PUBLIC/index.html", "/users/secret", "//users/secret"])
def test_what_is_not_the_pages_is_refused(page: str, http: httpx.Client, path: str) -> None:
    answer = http.get(page + path)
    assert answer.status_code == 403
    assert "secret" not in answer.text
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    "path", ["/../users/secret", "/%2e%2e/users/secret", "/a/../../users/secret", "/..%2fusers/secret", "/./index.html"]
)
def test_no_path_leads_out_of_the_page(page: str, path: str) -> None:
    status, body = raw(page, f"GET {path} HTTP/1.1")
    assert (status, b"secret" in body) == (403, False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_page_is_only_read(page: str, http: httpx.Client, method: str) -> None:
    assert http.request(method, f"{page}/index.html", content=b"").status_code == 403
    assert http.get(f"{page}/index.html").status_code == 200


def test_the_api_wants_a_token_and_its_errors_stay_json(page: str, stage: Stage, http: httpx.Client) -> None:
    assert http.get(f"{page}/api/jobs").status_code == 401
    assert http.get(f"{page}/api/jobs", headers={"Authorization": "Bearer x.y.z"}).status_code == 401
    token = stage.token(stage.add_user("ada@example.com"))
    missing = http.get(f"{page}/api/nothing?a=b", headers={"Authorization": f"Bearer {token}"})
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "not_found"


def test_the_apis_query_arrives(page: str, stage: Stage, http: httpx.Client) -> None:
    token = stage.token(stage.add_user("ada@example.com"))
    refused = http.get(f"{page}/api/jobs?limit=999", headers={"Authorization": f"Bearer {token}"})
    assert 400 <= refused.status_code < 500
    assert "limit" in refused.json()["error"]["message"]
