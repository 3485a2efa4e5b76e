"""Digests of the code on which a record depends."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
import torch
from conftest import MakePlugin, forget_plugins
from hypothesis import given
from hypothesis import strategies as st

from harness import provenance
from harness.specs import CorpusSpec, PluginSpec, RunSpec, Training

ROOT = Path(__file__).parent.parent

STRATEGY = """
    from harness.contracts import Strategy

    class Mine(Strategy):
        '''A strategy.'''

        def entity_vectors(self):
            raise NotImplementedError
"""


SPEC = RunSpec(
    CorpusSpec("toy", "0", "official", 0, None), None, None,
    PluginSpec("handcrafted", {}), PluginSpec("none", {}), Training(features=()), 50, 0,
)  # fmt: skip


def digest(folder: Path, source: str) -> str:
    file = folder / "code.py"
    file.write_text(dedent(source), encoding="utf-8")
    return provenance.code_digest(file)


CODE = '''
    """A module."""

    WIDTH = 3


    class Thing:
        """A class."""

        def area(self, height):
            """A method."""
            return WIDTH * height
'''


@pytest.mark.parametrize(
    "same",
    [
        CODE.replace("A module.", "Another word."),
        CODE.replace("A class.", "Another word.").replace("A method.", "More\n            than one line."),
        CODE.replace("WIDTH = 3", "# the width\n    WIDTH = 3  # of all"),
        CODE.replace("    WIDTH = 3", "\n\n    WIDTH   =   (3)"),
    ],
    ids=["the module's docstring", "docstrings within", "comments", "layout"],
)
def test_a_digest_is_blind_to_comments_docstrings_and_layout(same: str, tmp_path: Path) -> None:
    assert digest(tmp_path, same) == digest(tmp_path, CODE)


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace("WIDTH = 3", "WIDTH = 4"),
        CODE.replace("WIDTH * height", "height * WIDTH"),
        CODE.replace("area", "extent"),
        CODE.replace("(self, height)", "(self, height=1)"),
        CODE.replace("return", 'x = "a string that is used"; return'),
    ],
    ids=["a constant", "an order", "a name", "a default", "a string"],
)
def test_a_digest_sees_the_code(other: str, tmp_path: Path) -> None:
    assert digest(tmp_path, other) != digest(tmp_path, CODE)


@pytest.mark.parametrize(
    "same",
    [CODE.replace('            """A method."""\n', ""), CODE.replace("WIDTH = 3", 'WIDTH = 3\n    """The width."""')],
    ids=["one less", "after an assignment"],
)
def test_a_digest_is_blind_to_a_docstring_that_comes_or_goes(same: str, tmp_path: Path) -> None:
    assert digest(tmp_path, same) == digest(tmp_path, CODE)


@given(st.integers(), st.integers())
def test_two_constants_have_two_digests(tmp_path_factory: pytest.TempPathFactory, one: int, two: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert (digest(folder, f"X = {one}") == digest(folder, f"X = {two}")) == (one == two)


def test_digests_of_several_files_depend_on_all_of_them(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("X = 1")
    two.write_text("Y = 2")
    both = provenance.code_digest(one, two)
    assert len(both) == 16
    assert both not in (provenance.code_digest(one), provenance.code_digest(two))
    two.write_text("Y = 3")
    assert provenance.code_digest(one, two) != both


def test_the_digest_of_an_outsiders_plugin_is_of_its_file(make_plugin: MakePlugin) -> None:
    folder = make_plugin("strategy", "mine", STRATEGY)
    assert provenance.plugin_digest("strategy", "mine") == provenance.code_digest(folder / "acme_mine.py")
    own = ROOT / "strategies" / "none.py", ROOT / "strategies" / "_entity_vectors.py"
    assert provenance.plugin_digest("strategy", "none") == provenance.code_digest(*own)


def test_the_siblings_that_a_plugin_imports_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, near, far = (tmp_path / name for name in ("plugin.py", "_near.py", "_far.py"))
    plugin.write_text("from encoders._near import A\n")
    near.write_text("from encoders._far import A\n")
    far.write_text("A = 1\n")
    monkeypatch.setattr(provenance.registry, "source_file", lambda kind, name: plugin)
    before = provenance.plugin_digest("encoder", "plugin")
    assert before == provenance.code_digest(plugin, near, far)
    far.write_text("A = 2\n")
    assert provenance.plugin_digest("encoder", "plugin") == before  # what runs is what was there when it began
    forget_plugins()
    assert provenance.plugin_digest("encoder", "plugin") != before
    (tmp_path / "_stranger.py").write_text("A = 3\n")
    assert provenance.plugin_digest("encoder", "plugin") == provenance.code_digest(plugin, near, far)


@pytest.mark.parametrize(
    "line",
    [
        "from strategies._stepwise import StepwiseStrategy",
        "from strategies import _stepwise",
        "import strategies._stepwise",
    ],
)
def test_what_an_outsiders_plugin_imports_of_ours_counts(line: str, make_plugin: MakePlugin) -> None:
    folder = make_plugin("strategy", "mine", f"{line}\n{dedent(STRATEGY)}")
    ours = [ROOT / "strategies" / f"_{name}.py" for name in ("stepwise", "skipgram", "entity_vectors")]
    assert provenance.plugin_digest("strategy", "mine") == provenance.code_digest(folder / "acme_mine.py", *ours)


def test_a_module_of_ours_is_not_taken_for_a_sibling_of_its_name(make_plugin: MakePlugin) -> None:
    folder = make_plugin("strategy", "mine", f"from strategies._entity_vectors import NameAverage\n{dedent(STRATEGY)}")
    (folder / "_entity_vectors.py").write_text("A = 1\n")
    ours = ROOT / "strategies" / "_entity_vectors.py"
    assert provenance.plugin_digest("strategy", "mine") == provenance.code_digest(folder / "acme_mine.py", ours)


def test_a_plugin_that_is_gone_or_is_no_python_has_a_digest_too(make_plugin: MakePlugin) -> None:
    assert provenance.plugin_digest("encoder", "gone") == "gone"
    folder = make_plugin("strategy", "mine", STRATEGY)
    before = provenance.plugin_digest("strategy", "mine")
    (folder / "acme_mine.py").write_text("class Mine(")
    forget_plugins()
    assert provenance.plugin_digest("strategy", "mine") not in (before, "gone")


def test_a_digest_does_not_depend_on_fields_that_only_some_versions_of_python_have() -> None:
    import ast

    plain, newer = (ast.parse("def f(): return 1") for _ in range(2))
    newer.body[0].type_params = []  # Python 3.12 and later
    assert provenance._shape(plain) == provenance._shape(newer)


# The environment of a record


def test_how_many_were_stacked_is_told_where_they_were() -> None:
    alone = provenance.environment(SPEC, "cpu", "0123456789ab")
    assert "stacked" not in alone
    assert provenance.environment(SPEC, "cpu", "0123456789ab", stacked=1) == alone
    assert provenance.environment(SPEC, "cpu", "0123456789ab", stacked=3) == {**alone, "stacked": 3}


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_device_that_is_not_there_is_told_by_its_name() -> None:
    """In the record of a run that failed for want of it."""
    found = provenance.environment(SPEC, "cuda", "0123456789ab")
    assert found["device"] == "cuda"
    assert found["processor"] == provenance.environment(SPEC, "cpu", "0123456789ab")["processor"]


def test_the_rooms_on_which_scores_depend_are_there() -> None:
    assert {"runner", "training", "stacking"} <= set(provenance.NUMERIC_ROOMS)
    assert all((ROOT / "harness" / f"{room}.py").is_file() for room in provenance.NUMERIC_ROOMS)
