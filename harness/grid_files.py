"""The grids that come with the harness, and grids in files. Free of torch: `list grids` reads them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from harness.errors import GridError, unknown


def grid_names() -> dict[str, str]:
    """The grids that come with the harness, each with its description."""
    folder = resources.files("benchmarks") / "grids"
    files = {file.name.removesuffix(".toml"): file for file in folder.iterdir() if file.name.endswith(".toml")}
    return {name: _description(file.read_text(encoding="utf-8")) for name, file in sorted(files.items())}


def read_grid(name: str) -> tuple[str, str]:
    """Name and TOML text of a grid: one that comes with the harness, or a file.

    Raises GridError where there is neither.
    """
    path = Path(name)
    if path.suffix == ".toml" or "/" in name:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise GridError([f"the grid file {path} can't be read: {error}"]) from error
        if path.stem in grid_names() and text != _text(path.stem):
            raise GridError(
                [f"the grid file {path} has the name of a grid that comes with the harness; rename it, or its results "
                 f"would take the place of those of '{path.stem}'"]
            )  # fmt: skip
        return path.stem, text
    if name not in grid_names():
        raise GridError([unknown("grid", name, grid_names()) + "; or name a file that ends in .toml"])
    return name, _text(name)


def _text(name: str) -> str:
    return (resources.files("benchmarks") / "grids" / f"{name}.toml").read_text(encoding="utf-8")


def _description(text: str) -> str:
    """The first comment line of a grid file."""
    first = text.partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
