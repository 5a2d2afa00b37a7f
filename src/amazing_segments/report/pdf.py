"""The report as PDF, printed by a Chromium that is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_SECONDS = 120


def print_pdf(page: Path, pdf: Path) -> None:
    """Print an HTML page, A4 as its style says.

    Args:
        page: The HTML file.
        pdf: Where the PDF goes; one that is there is replaced.

    Raises:
        OSError: No Chromium is installed, or it could not print.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise OSError(f"a PDF needs Chromium, and none of {', '.join(BROWSERS)} is installed")
    pdf.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf.resolve()}",
            page.resolve().as_uri(),
        ]
        if os.geteuid() == 0:
            # Chromium has no sandbox for root, and the page is our own, without scripts
            command.insert(1, "--no-sandbox")
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{browser} took more than {TIMEOUT_SECONDS} s") from error
    if not pdf.exists():
        raise OSError(f"{browser} could not print {page}: {done.stderr.strip()[-300:]}")
