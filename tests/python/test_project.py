"""Laws of the repository itself."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = {
    "requirements.lock": ["build"],
    "requirements-dev.lock": ["build", "dev"],
    "benchmarks/requirements.lock": ["build", "bench"],
}
MAKEFILE = (ROOT / "Makefile").read_text()


def git(*arguments):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout


def locked_requirements(lock):
    """Return {name: the text of the requirement with its hashes}."""
    text = (ROOT / lock).read_text()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return {Requirement(line.split(" --hash")[0]).name: line for line in text.splitlines()}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_names_no_host(lock):
    for name, line in locked_requirements(lock).items():
        assert "--hash=sha256:" in line, f"{name} has no hash"
    # behind a mirror the same lock must serve
    assert not re.findall(
        r"\w+://\S*|--(?:extra-)?index-url\b.*|--find-links.*|(?<=\s)/\w\S*",
        (ROOT / lock).read_text(),
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_agrees_with_pyproject(lock):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {
        name: Requirement(line.split(" --hash")[0]).specifier
        for name, line in locked_requirements(lock).items()
    }
    extras = project["optional-dependencies"]
    for text in project["dependencies"] + [text for extra in LOCKS[lock] for text in extras[extra]]:
        wanted = Requirement(text)
        assert wanted.name in locked, f"{wanted.name} is not in {lock}"
        (pin,) = locked[wanted.name]
        assert wanted.specifier.contains(pin.version), f"{text}, but the lock has {pin}"


def test_image_has_the_very_versions_that_are_tested():
    in_image, tested = map(locked_requirements, ("requirements.lock", "requirements-dev.lock"))
    assert in_image.items() <= tested.items() and not {"pytest", "shap"} & in_image.keys()


def test_no_file_names_a_place_of_one_machine():
    machine_path = re.compile(rf"(?<![\w.])/(?:home|root|Users)/\w|{re.escape(str(ROOT))}\b")
    # new files too, before they are added
    listing = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in listing.split("\0"):
        path = ROOT / name
        if name and path.is_file():
            found = machine_path.search(path.read_bytes().decode(errors="ignore"))
            assert not found, f"{name} holds {found.group()}"


@pytest.mark.parametrize(
    "name", [".amazing_pseudonym_key", "profiles.yml", "data/events/x.csv.gz", "target/x"]
)
def test_secrets_and_data_stay_out_of_git_and_of_the_image(name):
    assert git("check-ignore", "--no-index", name).strip() == name
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert name.split("/")[0] in ignored or (name.startswith(".") and ".*" in ignored)


def test_readme_names_targets_that_exist():
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", readme, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert {"build", "test", "lint", "docs"} <= named
    assert named <= explained


def test_every_folder_of_models_has_its_properties_file():
    models = [
        *(ROOT / "models").rglob("*.sql"),
        *(ROOT / "python_models").rglob("*.py"),
    ]
    assert models
    for folder in {model.parent for model in models}:
        expected = folder / f"_{folder.name}__models.yml"
        assert expected.is_file(), f"{expected.relative_to(ROOT)} is missing"


def test_pseudonym_key_is_made_once_privately_and_never_beside_a_warehouse(tmp_path, monkeypatch):
    def make_key():
        command = ["make", "--no-print-directory", ".amazing_pseudonym_key"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    shutil.copy(ROOT / "Makefile", tmp_path)
    monkeypatch.delenv("MAKEFLAGS", raising=False)
    monkeypatch.setenv("AMAZING_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    key = tmp_path / ".amazing_pseudonym_key"

    (tmp_path / "warehouse.duckdb").touch()
    assert make_key().returncode != 0
    assert not key.exists()

    (tmp_path / "warehouse.duckdb").unlink()
    first = make_key()
    secret = key.read_text()
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert key.stat().st_mode & 0o777 == 0o600
    assert secret not in first.stdout + first.stderr

    make_key()
    assert key.read_text() == secret
