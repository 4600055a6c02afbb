"""The README's picture: parts of a run's report, as Chromium shows them.

python docs/report_picture.py runs/demo docs/report.png
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

# Sections of the report that the picture shows; the others are hidden, nothing else is changed.
SHOWN = ("Verdict", "Accuracy", "Corruptions")
_HIDE = """shown => {
  document.querySelectorAll("section").forEach(one => {
    const title = one.querySelector("h2");
    if (title && !shown.includes(title.textContent.trim())) one.style.display = "none";
  });
  document.querySelectorAll("nav, body > details, header details").forEach(one => one.style.display = "none");
}"""


def main(run: Path, out: Path) -> None:
    """run: the run directory. out: the PNG file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1260, "height": 1010})
        page.goto((run / "report.html").resolve().as_uri())
        page.evaluate(_HIDE, list(SHOWN))
        page.screenshot(path=out)
        browser.close()
    with Image.open(out) as picture:
        picture.quantize(256).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
