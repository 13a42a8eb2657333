"""Fetches llama.cpp's vocabularies with their test vectors, and real chat templates, and prints the folder they are in.

    python3 tools/oracle/vectors.py [--archive FILE] [--source FOLDER]

They are in PyPI's source package of llama-cpp-python, which pip downloads by name, holds to the digest below, and does not build. What
is kept of it (`vendor/llama.cpp/models`: .gguf, .inp, .out, templates/) goes to `$WICK_CACHE`, by default `~/.cache/wick`, once; none
of it is ever committed. --archive takes a package that is already there. --source unpacks llama.cpp's whole source into FOLDER instead,
for bench/, which builds llama-bench from it. Exits with 3 where pip or its registry cannot be reached.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
SOURCE = "vendor/llama.cpp/"
KEPT = f"{SOURCE}models/"
UNREACHABLE = 3
PIP_SECONDS = 240


def fetch(folder: Path) -> Path:
    """The source package, by pip: into `folder`."""
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
    # Asking the package for its metadata needs its build backend, and pip would build that from source too.
    command += ["--only-binary", "scikit-build-core,pathspec,packaging", "--require-hashes", "-r", str(requirement), "-d", str(folder)]
    try:
        done = subprocess.run(command, timeout=PIP_SECONDS, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(unreachable("pip took too long"))
    found = list(folder.glob("*.tar.gz"))
    if done.returncode or not found:
        sys.exit(unreachable((done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]))
    return found[0]


def unreachable(why: str) -> int:
    print(f"cannot fetch {PACKAGE} {VERSION}: {why}", file=sys.stderr)
    return UNREACHABLE


def unpack(archive: Path, to: Path, kept: str) -> None:
    """The files below the folder `kept` of the package."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"{archive}: its SHA-256 is {digest}, not {SHA256}")
    with tarfile.open(archive) as package:
        for member in package:
            inside = member.name.partition("/")[2]
            name = inside.removeprefix(kept)
            if name == inside or not member.isfile() or ".." in name.split("/"):
                continue
            path = to / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with package.extractfile(member) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target)


def models(archive: Path | None = None) -> Path:
    """The cached folder, filled from the package where it is not there yet."""
    cache = Path(os.environ.get("WICK_CACHE") or Path.home() / ".cache/wick")
    return folder_of(cache / f"{PACKAGE}-{VERSION}", KEPT, archive)


def folder_of(folder: Path, kept: str, archive: Path | None) -> Path:
    """`folder`, filled from the package where it is not there yet."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            unpack(archive or fetch(Path(scratch)), Path(scratch) / "kept", kept)
            # Whole or not at all: another run may be at it.
            try:
                (Path(scratch) / "kept").rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--source", type=Path)
    asked = parser.parse_args()
    print(folder_of(asked.source, SOURCE, asked.archive) if asked.source else models(asked.archive))


if __name__ == "__main__":
    main()
