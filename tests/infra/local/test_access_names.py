"""Whatever stands in the place of an id, a name or a cursor: the API touches its caller's folders and no others."""

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.shared.job_folder import Job, jobs_prefix, to_label
from tests.infra.local.recorder import Call, RecordedStage
from tests.infra.local.visitors import PHOTO, SignUp, Visitor, raw, sign_up, versions

WAYS = [
    *("..", ".", "", "%2e%2e", "%2e%2e%2f", "..%2f", "%252e%252e%252f", "..%5c", "..\\", "....//", ";/..", "..;"),
    *("%00", "{id}%00", "{id}%00.json", "{id}%0a", "{id}%20", "%20{id}", "{id}.", "{id}/", "{id}//", "{id}%2f"),
    *("{id}/..", "{id}%2f..%2f{id}", "{id}?x", "{id}%3fversions", "{id}%23", "*", "{id}*", "{{id}}", "~", "-"),
    *("%c0%ae%c0%ae%2f", "%ff", "%e2%80%ae", "%ef%bc%8e%ef%bc%8e", "%u002e", "a" * 4000, "0" * 30),
    *("..%2f..%2f{sub}%2fjobs%2f{id}", "../../{sub}/jobs/{id}", "/users/{sub}/jobs/{id}", "{sub}%2fjobs%2f{id}"),
    *("{sub}/jobs/{id}", "http://127.0.0.1/{id}", "file:%2f%2f%2fetc", "${{id}}", "$(id)", "'%20or%201=1", "{id},{id}"),
]


def ask(who: Visitor, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """The answer to a request whose path is sent as it is."""
    head = f"{method} {path} HTTP/1.1\nAuthorization: Bearer {who.token}\nContent-Type: application/json"
    return raw(who.stage.page, head, body)


@pytest.fixture(scope="module")
def ada(done: tuple[Visitor, Job]) -> Visitor:
    """Whose job others are after."""
    return done[0]


def test_no_way_of_writing_an_id_leads_to_anothers_job(done: tuple[Visitor, Job], newcomer: SignUp) -> None:
    owner, job = done
    bob, before = newcomer(), owner.versions()
    for way in WAYS:
        path = f"/api/jobs/{way.format(id=job.id, sub=owner.sub)}".replace(" ", "%20")
        for method, end, body in (("GET", "", b""), ("DELETE", "", b""), ("PUT", "/label", b'{"label": "mine"}')):
            status, said = ask(bob, method, path + end, body)
            listed = method == "GET" and status == 200 and b'"jobs": []' in said
            assert 400 <= status < 500 or listed, (method, path, status, said[:300])
            assert owner.sub.encode() not in said
    assert (owner.versions(), bob.versions()) == (before, set())
    assert ask(owner, "GET", f"/api/jobs/{job.id}")[0] == 200


@pytest.mark.parametrize(
    "name", ["../x.jpg", "..\\x.jpg", "/etc/passwd", "a/b.jpg", "\0.jpg", "x\n.jpg", "", "x" * 256, "\x7f", "\u0085"]
)
def test_a_file_is_not_called(newcomer: SignUp, name: str) -> None:
    bob = newcomer()
    file = {"name": name, "type": "image/jpeg", "bytes": 10}
    refused = bob.ask("POST", "/api/jobs", {"boxes": [[0, 0, 5, 5]], "file": file})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
    assert bob.versions() == set()
    taken = bob.ask("POST", "/api/jobs", {"boxes": [[0, 0, 5, 5]], "file": {**file, "name": "x.jpg"}})
    assert taken.status_code == 201


def test_a_field_that_names_a_user_a_job_or_a_place_is_refused(done: tuple[Visitor, Job], newcomer: SignUp) -> None:
    owner, job = done
    bob = newcomer()
    file = {"name": "x.jpg", "type": "image/jpeg", "bytes": 10}
    asked = {"boxes": [[0, 0, 5, 5]], "file": file}
    place = f"s3://{bob.stage.outputs['BucketName']}/{job.prefix}"
    for name, value in (
        ("sub", owner.sub),
        ("job_id", job.id),
        ("id", job.id),
        ("email", owner.user.email),
        ("image_uri", f"{place}image"),
        ("output_uri", f"{place}output/"),
        ("key", job.key("image")),
    ):
        refused = bob.ask("POST", "/api/jobs", {**asked, name: value})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
        refused = bob.ask("POST", "/api/jobs", {**asked, "file": {**file, name: value}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
    assert bob.versions() == set()
    assert bob.ask("POST", "/api/jobs", asked).status_code == 201


@pytest.fixture(scope="module")
def watched(recorded: RecordedStage) -> tuple[Visitor, Visitor, Job]:
    """Somebody with a job, in a stage that is watched, and somebody else with one."""
    bob, eve = (sign_up(recorded.stage, recorded.http) for _ in range(2))
    eve.create()
    job, _ = bob.create_ended()
    return bob, eve, job


def keys_asked_for(calls: list[Call]) -> set[str]:
    """The keys, and the beginnings of keys, that the Lambda jobs asked S3 for."""
    asked = {resource for call in calls if call.who == "jobs" for _, resource in call.needs()}
    prefixes = {call.query["prefix"] for call in calls if call.who == "jobs" and "prefix" in call.query}
    assert {one for one in asked if not one.startswith("bucket/")} <= {"bucket"}
    return {one.removeprefix("bucket/") for one in asked if one != "bucket"} | prefixes


TEXTS = st.one_of(
    st.text(max_size=90),
    st.text(alphabet="./\\%2eEfF0\0:*?$~ \u2024\uff0e\u202e" + string.hexdigits, max_size=60),
    st.sampled_from([way.format(id="8204571999999-0123456789abcdef", sub="x") for way in WAYS if len(way) < 100]),
)


@settings(deadline=None, max_examples=8)
@given(text=TEXTS)
def test_no_text_makes_the_api_touch_what_is_not_its_callers(
    recorded: RecordedStage, watched: tuple[Visitor, Visitor, Job], text: str
) -> None:
    """As an id, a cursor, a name, a file's name and a box's: by what is stored, and by what is asked of S3."""
    bob, eve, job = watched
    own = jobs_prefix(bob.sub)
    before, begin = versions(recorded.stage), recorded.mark()
    coded = quote(text.encode(errors="surrogatepass"), safe="")
    for method, path in (("GET", f"/{coded}"), ("DELETE", f"/{coded}"), ("GET", f"?cursor={coded}&limit={coded}")):
        status, _ = ask(bob, method, f"/api/jobs{path}")
        assert status in (200, 400, 401, 403, 404, 405, 414, 422), (method, path)
    named = bob.ask("PUT", f"/api/jobs/{job.id}/label", {"label": text})
    assert named.status_code in (200, 422)
    if named.status_code == 200:
        assert bob.read(job)["label"] == to_label(text)
    made = bob.ask(
        "POST",
        "/api/jobs",
        {
            "boxes": [{"x_min": 0, "y_min": 0, "x_max": 5, "y_max": 5, "label": text}],
            "file": {"name": text, "type": "image/jpeg", "bytes": len(PHOTO)},
            "label": text,
        },
    )
    assert made.status_code in (201, 422), made.text
    if made.status_code == 201:
        assert json.loads(made.content)["upload"]["fields"]["key"].startswith(own)
        assert bob.ask("DELETE", f"/api/jobs/{made.json()['id']}").status_code == 204
    changed = {key for key, _ in versions(recorded.stage) ^ before}
    assert bob.ask("GET", "/api/jobs").status_code == 200
    asked = keys_asked_for(recorded.calls(begin))
    assert own in asked
    for key in changed | asked:
        assert key.startswith(own) or (key.startswith("pending/") and key.split("/")[2] == bob.sub), key
    assert eve.read(Job(eve.sub, eve.ask("GET", "/api/jobs").json()["jobs"][0]["id"]))["status"] == "waiting"
