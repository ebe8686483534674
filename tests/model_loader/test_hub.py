"""The hub's address, the token, and what else of the environment says how the hub is reached."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_loader.catalog import CatalogFile, bundle_files
from model_loader.hub import Hub, TryAgain
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from tests.model_loader.conftest import LocalHub

BIG = bundle_files("sam2")[0]


def test_a_token_that_cannot_be_one_is_refused(hub: "LocalHub") -> None:
    with pytest.raises(Gen3DError, match="HF_TOKEN"):
        Hub(hub.address, "hf_\x00ü")


@pytest.mark.parametrize(
    "address",
    ["", "huggingface.co", "ftp://huggingface.co", "http://", "http://[::1", "https://xn--", "http://a..b",
     f"http://{'a' * 64}.co", "http://hub\n"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Gen3DError, match="HF_ENDPOINT"):
        Hub(address, None)


@pytest.mark.parametrize(
    "address",
    ["https://user:secret@huggingface.co", "https://secret@huggingface.co", "https://user:se/cret@huggingface.co",
     "https://huggingface.co?token=secret", "https://huggingface.co/#secret"],
)  # fmt: skip
def test_an_address_with_more_than_an_address_in_it_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(Gen3DError, match="HF_ENDPOINT") as raised:
        Hub(address, None)
    assert raised.value.code == "invalid_setting"
    assert "secret" not in raised.value.message
    assert "cret" not in raised.value.message


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_FILE", "README.md"),
        ("ALL_PROXY", "socks5://user:secret@proxy"),
        ("ALL_PROXY", "foo://user:secret@proxy"),
        ("HTTPS_PROXY", "http://user:secret/@proxy"),
        ("HTTP_PROXY", "http://[::1"),
    ],
)
def test_certificates_or_a_proxy_that_are_none_are_told(
    hub: "LocalHub", monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv(variable, value)
    with pytest.raises(Gen3DError, match="SSL_CERT_FILE, SSL_CERT_DIR or a proxy variable") as raised:
        Hub(hub.address, None)
    assert raised.value.code == "invalid_setting"
    assert "\n" not in raised.value.message
    assert "secret" not in raised.value.message


NOWHERE = ["https://xn--/x", "http://[::1", "http://a..b/x", "ftp://hub/x", ""]


@pytest.mark.parametrize("target", NOWHERE)
def test_a_download_that_is_redirected_to_nowhere_is_tried_again(
    hub: "LocalHub", small_files: tuple[CatalogFile, ...], target: str
) -> None:
    hub.befall(BIG.source, "hub", status=302, headers={"Location": target})
    with Hub(hub.address, "hf_good") as there, pytest.raises(TryAgain), there.download(BIG, 0):
        pass


@pytest.mark.parametrize("target", NOWHERE[:2])
def test_a_description_that_is_redirected_to_nowhere_is_tried_again(
    hub: "LocalHub", small_files: tuple[CatalogFile, ...], target: str
) -> None:
    hub.befall(BIG.source, "hub", status=302, headers={"Location": target})
    with Hub(hub.address, "hf_good") as there, pytest.raises(TryAgain):
        there.describe(BIG)


def test_a_proxy_that_cannot_be_named_is_tried_again(
    hub: "LocalHub", small_files: tuple[CatalogFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://a..b")
    with Hub(hub.address, None) as there, pytest.raises(TryAgain):
        there.describe(small_files[0])
