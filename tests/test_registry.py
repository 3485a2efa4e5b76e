"""Names to classes: what is unknown, taken twice or broken is told with its file, and disturbs no sibling."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from harness import registry
from harness.contracts import Encoder, Reader, Strategy
from harness.errors import PluginError

ROOT = Path(__file__).parents[1]
BASES = {"encoder": Encoder, "strategy": Strategy, "corpus": Reader}
MakePlugin = Callable[[str, str, str], Path]
DropIn = Callable[[str, str, str], Path]

STRATEGY = """
    from harness.contracts import Strategy

    class Mine(Strategy):
        '''A strategy.'''

        def entity_vectors(self):
            raise NotImplementedError
"""


@pytest.fixture
def drop_in(tmp_path: Path) -> Iterator[DropIn]:
    """`drop_in(kind, stem, source)` puts a file where the plugins of a kind are, as far as imports can tell."""
    added: list[tuple[list[str], str, str]] = []

    def put(kind: str, stem: str, source: str) -> Path:
        package = registry.KINDS[kind].package
        module = importlib.import_module(package)
        file = tmp_path / package / f"{stem}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(source), encoding="utf-8")
        if str(file.parent) not in module.__path__:
            module.__path__.append(str(file.parent))
        added.append((module.__path__, str(file.parent), f"{package}.{stem}"))
        importlib.invalidate_caches()
        registry.origins.cache_clear()
        return file

    yield put
    for path, folder, name in added:
        if folder in path:
            path.remove(folder)
        sys.modules.pop(name, None)
    registry.origins.cache_clear()


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_name_loads_a_class_of_its_kind(kind: str) -> None:
    names = list(registry.origins(kind))
    assert names == sorted(names)
    assert all(issubclass(registry.load(kind, name), BASES[kind]) for name in names)


def test_a_files_stem_is_its_name_and_underscores_are_hyphens(drop_in: DropIn) -> None:
    drop_in("strategy", "of_my_own", STRATEGY)
    drop_in("strategy", "_private", "raise ImportError('nobody asks for a private file')")
    assert "of-my-own" in registry.origins("strategy")
    assert not any("private" in name for name in registry.origins("strategy"))
    assert registry.load("strategy", "of-my-own").__name__ == "Mine"


def test_a_file_may_import_other_plugins_classes_and_bases(drop_in: DropIn) -> None:
    source = dedent(STRATEGY) + "from strategies.none import NoPretraining\nclass _Private(Mine): ...\n"
    drop_in("strategy", "mine", source)
    assert registry.load("strategy", "mine").__name__ == "Mine"


def test_a_class_with_a_second_name_is_one_class(drop_in: DropIn) -> None:
    drop_in("strategy", "mine", dedent(STRATEGY) + "Alias = Mine\n")
    assert registry.load("strategy", "mine").__name__ == "Mine"


def test_an_entry_point_is_a_plugin(make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "mine", STRATEGY)
    assert registry.load("strategy", "mine").__module__ == "acme_mine"
    (origin,) = registry.origins("strategy")["mine"]
    assert origin.summary() == "entry point acme-mine (acme_mine:Mine)"


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        (
            "encoder",
            "bilsmt",
            r"^no encoder 'bilsmt'; did you mean 'bilstm'\? Known: bilstm, deptree-lstm, handcrafted",
        ),
        ("strategy", "avg_embed", r"^no strategy 'avg_embed'; did you mean 'avg-embed'\? Known: avg-embed, "),
        ("corpus", "kbp73", r"^no corpus 'kbp73'; did you mean 'kbp37'\? Known: docred, .*kbp37, "),
        ("encoder", "xyzzy", r"^no encoder 'xyzzy'; Known: bilstm, "),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(kind: str, name: str, told: str) -> None:
    with pytest.raises(PluginError, match=told):
        registry.load(kind, name)


# Taken twice


def test_a_name_of_a_file_and_an_entry_point_names_both(make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "none", STRATEGY)
    told = (
        rf"^strategy 'none' is defined twice: {ROOT}/strategies/none\.py and "
        r"entry point acme-none \(acme_none:Mine\); rename one of them$"
    )
    with pytest.raises(PluginError, match=told):
        registry.load("strategy", "none")
    assert registry.load("strategy", "avg-embed").__name__ == "AverageEmbedding"


def test_a_name_of_two_entry_points_names_both(make_plugin: Callable[..., Path]) -> None:
    for distribution in ("acme-re", "bolt-re"):
        make_plugin("strategy", "mine", STRATEGY, distribution=distribution)
    told = r"entry point (acme|bolt)-re \(\1_re:Mine\) and entry point (acme|bolt)-re \(\2_re:Mine\); rename one"
    with pytest.raises(PluginError, match=told):
        registry.load("strategy", "mine")


def test_a_name_taken_twice_is_listed_with_both_origins(make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "none", STRATEGY)
    listed = harness("list", "strategies")
    assert "none           defined twice: " in listed.stdout
    assert "acme-none" in listed.stdout
    assert "avg-embed      Entity vectors as the average" in listed.stdout
    assert listed.returncode == 0


# Broken

BROKEN = {
    "import error": ("import no_such_module_anywhere", r"ModuleNotFoundError: No module named 'no_such_module"),
    "syntax error": ("class Mine(:\n    pass", r"SyntaxError: invalid syntax \(mine\.py, line 1\)"),
    "an error of its own": ("raise ValueError('out of luck')", r"ValueError: out of luck"),
    "no public class": ("X = 1", r"expected one public subclass of harness\.contracts\.Strategy, found none$"),
    "a private class": (STRATEGY.replace("Mine", "_Mine"), r"expected one public subclass .*, found none"),
    "two classes": (dedent(STRATEGY) + "class Other(Mine):\n    pass", r"expected one public .*, found Mine, Other"),
    "a method left out": (STRATEGY.replace("entity_vectors", "_vectors"), r"expected Mine to define entity_vectors$"),
    "wrong base": ("class Mine:\n    pass", r"expected one public subclass .*, found none"),
}


@pytest.mark.parametrize(("source", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_names_itself_and_its_cause(source: str, told: str, drop_in: DropIn) -> None:
    file = drop_in("strategy", "mine", source)
    with pytest.raises(PluginError, match=rf"^strategy 'mine' \({file}\) is broken: {told}"):
        registry.load("strategy", "mine")
    assert registry.load("strategy", "none").__name__ == "NoPretraining"
    assert "mine" in registry.origins("strategy")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (BROKEN["import error"][0], r"ModuleNotFoundError: No module named 'no_such_module"),
        (BROKEN["syntax error"][0], r"SyntaxError: invalid syntax \(acme_mine\.py, line 1\)"),
        (BROKEN["no public class"][0], r"AttributeError: .*'acme_mine' has no attribute 'Plugin'"),
        (BROKEN["wrong base"][0], r"expected a subclass of harness\.contracts\.Strategy, found <class 'acme_mine\.Mine'>"),
        (BROKEN["a method left out"][0], r"expected Mine to define entity_vectors$"),
        ("Mine = 3\nclass Mine2:\n    pass", r"expected a subclass of harness\.contracts\.Strategy, found <class"),
    ],
)  # fmt: skip
def test_a_broken_entry_point_names_itself_and_its_cause(source: str, told: str, make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "mine", source)
    with pytest.raises(PluginError, match=rf"^strategy 'mine' \(entry point acme-mine \(acme_mine:\w+\)\) is .*{told}"):
        registry.load("strategy", "mine")
    assert registry.load("strategy", "none").__name__ == "NoPretraining"


def test_a_broken_plugin_is_listed_and_checked_among_its_siblings(make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "mine", BROKEN["import error"][0])
    listed = harness("list", "strategies")
    assert listed.returncode == 0
    assert "mine           entry point acme-mine (acme_mine:Plugin)" in listed.stdout
    checked = harness("list", "strategies", "--check")
    assert checked.returncode == 1
    assert "mine           broken: strategy 'mine' (entry point acme-mine" in checked.stdout
    assert "none           ok: No pre-training" in checked.stdout


def test_a_file_that_is_no_python_has_a_line_all_the_same(drop_in: DropIn) -> None:
    drop_in("strategy", "mine", BROKEN["syntax error"][0])
    (origin,) = registry.origins("strategy")["mine"]
    assert origin.summary().startswith("broken: invalid syntax")


# Listing


@pytest.mark.parametrize("kind", registry.KINDS)
def test_listing_imports_no_plugin_and_no_torch(kind: str) -> None:
    listing = f"import sys, json; from harness import registry; names = list(registry.origins({kind!r}))"
    summary = f"lines = [o.summary() for found in registry.origins({kind!r}).values() for o in found]"
    told = "print(json.dumps([names, lines, sorted(sys.modules)]))"
    run = subprocess.run(
        [sys.executable, "-c", f"{listing}; {summary}; {told}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names, lines, modules = json.loads(run.stdout)
    assert names == list(registry.origins(kind))
    assert all(lines)
    package = registry.KINDS[kind].package
    assert not [module for module in modules if module.startswith(f"{package}.") or module in ("torch", "numpy")]


def harness(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
