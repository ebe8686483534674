"""The page and the API on one origin, as CloudFront has them."""

import socket

import httpx
import pytest

from infra.local.stage import Stage


@pytest.fixture(scope="module")
def page(stage: Stage) -> str:
    """A page, and something beside it that is none of it."""
    s3, bucket = stage.cloud.client("s3"), stage.outputs["BucketName"]
    for key, body in {"index.html": b"<title>Gen3D</title>", "a b/ü.js": b"1"}.items():
        kind = "text/html" if key.endswith("html") else "text/javascript"
        s3.put_object(Bucket=bucket, Key=f"PUBLIC/{key}", Body=body, ContentType=kind, CacheControl="max-age=60")
    s3.put_object(Bucket=bucket, Key="users/secret", Body=b"secret")
    return stage.page


def raw(page: str, request: str) -> bytes:
    """What is answered to a request that clients would tidy up."""
    host, port = page.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{request}\r\nHost: page\r\nConnection: close\r\n\r\n".encode())
        parts = iter(lambda: connection.recv(65536), b"")
        return b"".join(parts)


def test_the_root_is_the_page_with_the_templates_headers(page: str, stage: Stage) -> None:
    answer = httpx.get(f"{page}/")
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


def test_a_file_is_found_by_its_name_in_any_letters(page: str) -> None:
    assert httpx.get(f"{page}/a%20b/%C3%BC.js").text == "1"
    assert httpx.get(f"{page}/a b/ü.js").text == "1"


def test_part_of_a_file_and_its_size_can_be_asked_for(page: str) -> None:
    part = httpx.get(f"{page}/index.html", headers={"Range": "bytes=1-5"})
    assert (part.status_code, part.text) == (206, "title")
    head = httpx.head(f"{page}/index.html")
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "20", b"")


@pytest.mark.parametrize("path", ["/nothing", "/api", "/PUBLIC/index.html", "/users/secret", "//users/secret"])
def test_what_is_not_the_pages_is_refused(page: str, path: str) -> None:
    answer = httpx.get(page + path)
    assert answer.status_code == 403
    assert "secret" not in answer.text
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    "path", ["/../users/secret", "/%2e%2e/users/secret", "/a/../../users/secret", "/..%2fusers/secret", "/./index.html"]
)
def test_no_path_leads_out_of_the_page(page: str, path: str) -> None:
    answer = raw(page, f"GET {path} HTTP/1.1")
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"\r\n\r\nsecret" not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_page_is_only_read(page: str, method: str) -> None:
    assert httpx.request(method, f"{page}/index.html", content=b"").status_code == 403
    assert httpx.get(f"{page}/index.html").status_code == 200


def test_the_api_wants_a_token_and_its_errors_stay_json(page: str, stage: Stage) -> None:
    assert httpx.get(f"{page}/api/jobs").status_code == 401
    assert httpx.get(f"{page}/api/jobs", headers={"Authorization": "Bearer x.y.z"}).status_code == 401
    token = stage.token(stage.add_user("ada@example.com"))
    missing = httpx.get(f"{page}/api/nothing?a=b", headers={"Authorization": f"Bearer {token}"})
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "not_found"


def test_the_apis_query_arrives(page: str, stage: Stage) -> None:
    token = stage.token(stage.add_user("ada@example.com"))
    refused = httpx.get(f"{page}/api/jobs?limit=999", headers={"Authorization": f"Bearer {token}"})
    assert 400 <= refused.status_code < 500
    assert "limit" in refused.json()["error"]["message"]
