"""Native libraries: real ones, and copies in which the name of what they need is changed."""

import shutil
import sys
from pathlib import Path

import pydantic_core
import pytest

from selftest.libraries import _loaded, check_libraries, shared_objects
from selftest.report import CheckFailedError, CheckSkippedError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no ldd")

WORKING = next(Path(pydantic_core.__file__).parent.glob("*.so"))
NEEDED = b"\0libc.so.6\0"
assert NEEDED in WORKING.read_bytes()


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's folder for packages, with one extension module."""
    monkeypatch.setattr("selftest.libraries.sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("selftest.libraries.importlib.util.find_spec", lambda name: None)  # no torch
    (tmp_path / "package").mkdir()
    shutil.copy(WORKING, tmp_path / "package" / "works.so")
    return tmp_path


def renamed(needed: bytes) -> bytes:
    """The extension module, as if it needed another library in place of libc."""
    return WORKING.read_bytes().replace(NEEDED, b"\0" + needed.ljust(len(NEEDED) - 2, b"\0") + b"\0")


def test_a_library_that_is_not_there_is_found_to_be_missing(packages: Path) -> None:
    (packages / "package" / "broken.so.1").write_bytes(renamed(b"libq.so.6"))
    with pytest.raises(CheckFailedError, match=r"^package/broken\.so\.1 needs libq\.so\.6: not found; install"):
        check_libraries()


def test_where_nothing_is_missing_the_libraries_are_counted(packages: Path) -> None:
    assert check_libraries() == "1 shared objects find what they need"


def test_a_library_that_is_in_the_process_already_is_not_missing(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages / "package" / "later.so").write_bytes(renamed(b"libq.so.6"))
    monkeypatch.setattr("selftest.libraries._loaded", lambda: {"libq.so.6"})
    assert check_libraries() == "2 shared objects find what they need"


def test_the_libraries_of_an_imported_package_count_as_loaded() -> None:
    assert WORKING.name in _loaded()


def test_a_version_that_the_system_lacks_is_found_to_be_missing(packages: Path) -> None:
    # libm is there, but has not the versions that are asked of libc.
    (packages / "package" / "newer.so").write_bytes(renamed(b"libm.so.6"))
    with pytest.raises(CheckFailedError, match=r"newer\.so needs libm\.so\.6 with GLIBC_"):
        check_libraries()


def test_only_shared_objects_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not one")
    (tmp_path / "named.so.py").write_text("not one")
    shutil.copy(WORKING, tmp_path / "real.so.1.2")
    (tmp_path / "link.so").symlink_to(tmp_path / "real.so.1.2")
    (tmp_path / "out.so").symlink_to(WORKING)
    assert [file.name for file in shared_objects(tmp_path)] == ["real.so.1.2"]


def test_what_comes_with_the_driver_is_left_to_it(packages: Path) -> None:
    content = WORKING.read_bytes().replace(b"\0libgcc_s.so.1\0", b"\0libcuda.so.1\0\0")
    assert b"libcuda.so.1" in content
    (packages / "package" / "cuda.so").write_bytes(content)
    assert check_libraries().startswith("2 shared objects find what they need")


def test_without_ldd_the_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CheckSkippedError, match="no ldd"):
        check_libraries()
