"""Has axe look for what keeps people out of the page as it is shown just now. Knows nothing of what that is."""

from typing import Any, Final, Literal

from infra.page import WEB
from tests.web.person import Person

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_AXE: Final = WEB / "node_modules" / "axe-core" / "axe.min.js"


def check(person: Person) -> None:
    """What axe calls serious or critical, of what it can decide by itself; and that nothing is cut off sideways."""
    page = person.page
    # Injected into the page as developer tools do it: by the page's own policy no script may.
    page.evaluate(_AXE.read_text())
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        said: dict[str, Any] = page.evaluate("() => axe.run(document)")
        assert len(said["passes"]) > 10, "axe has hardly looked."
        faults = [
            f"{scheme}: {fault['id']} ({fault['impact']}): {node['html']} {node['failureSummary']}"
            for fault in said["violations"]
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]
        assert not faults, "\n".join(faults)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= person.device.width, f"The page is {width} pixels wide."
