import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.errors import Gen3DError
from serve.replies import choose_form

JSON, GLB, ZIP = "application/json", "model/gltf-binary", "application/zip"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("model/*", GLB),
        (GLB, GLB),
        ("Model/GLTF-Binary", GLB),
        (f"{ZIP}, {GLB};q=0.9", ZIP),
        (f"{GLB};q=0.9 , {ZIP} ; q=0.95", ZIP),
        (f"{GLB}, {JSON}", JSON),
        ("application/json;q=0.1, */*;q=0.5", GLB),
        (f"{JSON};q=0, application/*", ZIP),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        ("application/json;charset=utf-8", JSON),
        (f"{JSON};q=high, {ZIP};q=0.1", ZIP),
        (f"{JSON};q=2, {ZIP};q=0.1", ZIP),
        (f"{JSON};q=nan, {ZIP};q=0.1", ZIP),
    ],
)
def test_the_form_that_is_liked_best(accept: str | None, form: str) -> None:
    assert choose_form(accept) == form


@pytest.mark.parametrize(
    "accept", ["text/html", "*/*;q=0", f"{JSON};q=0", "json", "application", "application/xml", ","]
)
def test_forms_that_cannot_be_had(accept: str) -> None:
    with pytest.raises(Gen3DError, match="application/json, model/gltf-binary, application/zip") as caught:
        choose_form(accept)
    assert caught.value.code == "not_acceptable"


@settings(deadline=None)
@given(
    st.text() | st.lists(st.sampled_from([JSON, GLB, "*/*", ";q=", ",", "0.5", "nan", "-inf", ";", " "])).map("".join)
)
def test_any_header_is_understood_or_refused(accept: str) -> None:
    try:
        chosen: str = choose_form(accept)
    except Gen3DError as error:
        chosen = error.code
    assert chosen in (JSON, GLB, ZIP, "not_acceptable")
