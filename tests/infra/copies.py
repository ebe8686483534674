"""Copies of the checkout, as git would give them out."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def copy_checkout(folder: Path) -> None:
    """Copies all that git has or would take, and no git: as in an archive of the source."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():  # else it is removed, but not committed yet
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def commit_all(folder: Path) -> str:
    """Makes a git repository of a folder, or one more commit in it, with all that is there; the commit."""
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    git = ["git", "-C", str(folder), *author]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "All"], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()
