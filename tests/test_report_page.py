"""The page of a grid: what it says, that it can be read by all, that it asks no machine for anything, and its verb."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Printed
from report_grids import Made, corpus, make, to_results, wiki
from scipy import stats

from harness.analysis.summaries import summarise
from harness.cli import main
from harness.report.claim_files import read_claims
from harness.report.page import Written, write_report
from harness.specs import Training

VOID = {"meta", "br", "link", "img", "input", "hr"}
REPEAT = r"python -m harness run --grid made --cell (\S+) --rerun all --results again --device cpu"
ARMS = (
    Made("reader", "none", {50: (20, 22, 24), 200: (30, 31, 32)}),
    Made("reader", "taught", {50: (30, 36, 33), 200: (50, 51, 52)}, text=wiki(), held_out=(9, 5, 6)),
    Made("lexical", "none", {50: (15, 16, 17), 200: (25, "a loss is not finite", None)}, vectors=False),
)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Any] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """The elements below it, in order."""
        return [
            one
            for one in self._below()
            if tag in ("", one.tag) and all(one.attributes.get(name) == value for name, value in attributes.items())
        ]

    def _below(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._below()

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self._told).strip()

    @property
    def _told(self) -> str:
        return "".join(child if isinstance(child, str) else child._told for child in self.children)


class Tree(HTMLParser):
    """A strict reader: every element is closed where it must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("document", {})
        self._open = [self.root]
        self.feed(text)
        self.close()
        assert self._open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, dict(attrs))
        self._open[-1].children.append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def read(page: Path) -> Element:
    return Tree(page.read_text(encoding="utf-8")).root


def written(made: tuple[dict[str, Any], Any], folder: Path) -> tuple[Element, Written]:
    told = write_report(*made, folder / "report.html")
    return read(told.page), told


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Element:
    folder = tmp_path_factory.mktemp("page")
    refused = {
        "corpus": "toy, split paper",
        "encoder": "lexical",
        "strategy": "taught",
        "variant": "",
        "reason": "it has no weights",
    }
    return written(make(folder, ARMS, refusals=[refused]), folder)[0]


def section(page: Element, name: str) -> Element:
    return page.all("section", **{"aria-labelledby": name})[0]


def table(element: Element) -> list[list[str]]:
    return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in element.all("tr")]


def facts(element: Element) -> dict[str, str]:
    pairs = [one for found in element.all("dl") for one in found.all("div")]
    return {pair.all("dt")[0].text: "; ".join(one.text for one in pair.all("dd")) for pair in pairs}


# What it says


def test_it_tells_how_far_the_grid_is(page: Element) -> None:
    assert (
        page.all("header")[0].text
        == "made 16 of 18 runs complete, 1 failed. Made by Reprise from the records of these runs."
    )


def test_it_tells_what_was_run(page: Element) -> None:
    told = facts(section(page, "run"))
    assert told["Encoders"] == "reader, lexical"
    assert told["Strategies"] == "none, taught"
    assert told["Texts"].startswith(
        "Text wiki (random): 10 sentences, 20 mentions of 8 entities; of the target's arguments"
    )
    assert told["Word vectors"] == "toy.txt"
    assert told["Training labels"] == "50, 200"
    assert told["Replicates"] == "3, which move initialisation, order, sample, subset"
    assert told["Labels"] == "800 train, 100 dev (to choose the weights), 200 test"
    assert told["Classes"] == "4; no negative class"
    assert told["Left out"] == "3 an empty argument"
    assert (told["Licence"], told["Source"], told["Citation"]) == ("CC0", "made by hand", "nobody 2020")


def test_the_leaderboard_has_means_deviations_and_intervals(page: Element) -> None:
    header, *lines = table(section(page, "leaderboard").all("table")[0])
    assert header == ["encoder", "strategy", "text", "50 labels", "200 labels"]
    assert lines == [
        ["reader", "none", "", "22.0 ± 2.0 17.0 to 27.0", "31.0 ± 1.0 28.5 to 33.5"],
        ["reader", "taught", "wiki (random)", "33.0 ± 3.0 25.5 to 40.5", "51.0 ± 1.0 48.5 to 53.5"],
        ["lexical", "none", "", "16.0 ± 1.0 13.5 to 18.5", "1/3 (1 failed)"],
    ]


def test_the_best_of_a_column_is_bold_and_cells_are_sorted_by_their_means(page: Element) -> None:
    cells = section(page, "leaderboard").all("table")[0].all("td")
    assert [cell.text[:4] for cell in cells if "best" in (cell.attributes["class"] or "")] == ["33.0", "51.0"]
    assert [float(value) if (value := cell.attributes.get("data-value")) else None for cell in cells] == pytest.approx(
        [22, 31, 33, 51, 16, None]
    )


def test_label_efficiencies_stand_beneath_the_leaderboard(page: Element) -> None:
    (found,) = [one for one in section(page, "leaderboard").all("table") if "Label eff" in one.all("caption")[0].text]
    assert found.all("caption")[0].text.startswith(
        "Label efficiency against the best baseline on dev. How many times as"
    )
    header, line = table(found)
    assert header == ["encoder", "strategy", "text", "50 labels", "200 labels"]
    assert line[:3] == ["reader", "taught", "wiki (random)"] and re.fullmatch(r">1\.0x( \[.*\])?", line[4])
    assert [float(cell.attributes["data-value"] or "") for cell in found.all("td")] == [4.0, 1.0]


def test_the_areas_under_the_learning_curves_of_the_arms_that_have_all_sizes(page: Element) -> None:
    (found,) = [one for one in section(page, "leaderboard").all("table") if "Area under" in one.all("caption")[0].text]
    header, *lines = table(found)
    assert header == ["encoder", "strategy", "text", "area", "deviation", "95 % interval of the mean"]
    assert [line[1] for line in lines] == ["none", "taught"]
    (taught,) = [arm.test for arm in ARMS if arm.strategy == "taught"]
    means = np.mean(list(taught.values()), axis=0)  # one step alone: the mean of its ends
    half = stats.t.ppf(0.975, 2) * means.std(ddof=1) / np.sqrt(3)
    assert lines[1][3:] == [
        f"{means.mean():.1f}", f"{means.std(ddof=1):.1f}", f"{means.mean() - half:.1f} to {means.mean() + half:.1f}"
    ]  # fmt: skip


def test_refused_pairs_have_their_reasons(page: Element) -> None:
    assert table(section(page, "refused"))[1:] == [["toy, split paper", "lexical", "taught", "", "it has no weights"]]


def test_failures_have_their_errors(page: Element) -> None:
    (line,) = table(section(page, "failed"))[1:]
    assert line[:3] == ["DivergedError", "a loss is not finite", "1"]
    assert re.fullmatch(r"toy, split paper: lexical, none, 200 labels, replicate 1 \([0-9a-f]{16}\)", line[3])


def test_many_failures_of_one_kind_are_one_line(tmp_path: Path) -> None:
    arms = [Made("reader", "none", dict.fromkeys((50, 100, 200, 400), ("too large",) * 3))]
    found, _ = written(make(tmp_path, arms), tmp_path)
    (line,) = table(section(found, "failed"))[1:]
    assert line[2] == "12"
    assert line[3].count("replicate") == 10 and line[3].endswith("; and 2 more")


def test_budgets_have_updates_epochs_and_seconds(page: Element) -> None:
    found = section(page, "budgets")
    header, *lines = table(found.all("table")[0])
    assert header == [
        "encoder", "strategy", "text", "runs", "updates", "seconds a run", "seconds of all runs",
        "pre-trainings", "mentions", "epochs", "best epoch", "held-out loss before", "after", "seconds each",
    ]  # fmt: skip
    assert lines[1] == [
        "reader", "taught", "wiki (random)", "6", "500 to 2,000", "36.0", "216",
        "3", "64", "2", "1", "9.00", "6.00", "72.0",
    ]  # fmt: skip
    assert lines[2][3:7] == ["4/6", "500 to 2,000", "36.0", "180"]
    assert lines[0][7:] == ["-"] * 7
    assert found.all("p")[0].text == (
        "The runs that have a record took 0.17 hours, the pre-trainings that they start from 0.06 hours more."
    )


def test_environments_are_counted(page: Element) -> None:
    header, *lines = table(section(page, "environments"))
    assert header == ["device", "processor", "python", "torch", "numpy", "platform", "commit", "runs"]
    assert lines == [["cpu", "toy", "3.11", "", "", "", "c0", "11"], ["cpu", "toy", "3.11", "", "", "", "c1", "6"]]


def test_it_tells_how_to_run_it_again(page: Element) -> None:
    found = section(page, "again")
    assert [one.text for one in found.all("dt")] == [
        "python -m harness records import results/made",
        "python -m harness plan --grid made",
        "python -m harness run --grid made",
        "python -m harness leaderboard --grid made",
        "python -m harness report --grid made",
        "python -m harness compare results/made again/made",
    ]
    assert found.all("pre")[0].text == "# made by hand"


def test_it_tells_how_to_repeat_each_cell(page: Element) -> None:
    header, *lines = table(section(page, "again"))
    assert header == ["encoder", "strategy", "text", "labels", "command"]
    assert [line[:-1] for line in lines[1:4]] == [
        ["reader", "none", "", "200"],
        ["reader", "taught", "wiki (random)", "50"],
        ["reader", "taught", "wiki (random)", "200"],
    ]
    keys = [re.fullmatch(REPEAT, line[-1]) for line in lines]
    assert all(keys)
    assert len({key[1] for key in keys if key}) == len(lines) == 6


def test_figures_have_words_for_those_who_cannot_see_them(page: Element) -> None:
    drawings = section(page, "figures").all("div", role="img")
    labels = [drawing.attributes["aria-label"] or "" for drawing in drawings]
    assert [label.partition(".")[0] for label in labels] == [
        "Learning curves",
        "Label efficiency",
        "F1 by relation",
        "Confusions",
        "Dev scores while fine-tuning, 50 labels",
        "Dev scores while fine-tuning, 200 labels",
        "Held-out losses of pre-training",
    ]
    assert "taught 33.0 at 50, 51.0 at 200" in labels[0]
    assert all(drawing.all("svg", **{"aria-hidden": "true"}) for drawing in drawings)
    assert table(section(page, "figures").all("details")[0])[1][:3] == ["reader", "taught", "none"]


def test_figures_that_are_not_there_have_a_reason(page: Element) -> None:
    assert [one.text for one in section(page, "figures").all("li")] == [
        "Hidden vectors of the dev set, toy, split paper: no run has saved hidden vectors; save_hidden = true in the grid "
        "saves them",
        "Pre-training texts, toy, split paper: no strategy reads more than one text",
    ]


def test_crossed_replicates_have_a_table_of_variances(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (20, 22), 200: (30, 36)}),
        Made("reader", "taught", {50: (30, 32, 31, 35), 200: (40, 44, 40, 44)}, text=wiki(), held_out=(9, 5)),
    )
    found, _ = written(make(tmp_path, arms, crossed=(2, 2)), tmp_path)
    tables = [table(one) for one in section(found, "leaderboard").all("table")]
    header, none, _, taught, _ = next(lines for lines in tables if "samples" in lines[0])
    assert header[:6] == ["encoder", "strategy", "text", "variant", "size", "samples"]
    assert (none[5], taught[5]) == ("1", "2")
    _, none, taught = next(lines for lines in tables if "area" in lines[0])
    half = stats.t.ppf(0.975, 1) * 2  # of 25 and 29, which are independent
    assert none[-3:] == ["27.0", "2.8", f"{27 - half:.1f} to {27 + half:.1f}"]
    summary = summarise([35, 38, 35.5, 39.5], crossed=2)
    assert taught[-3:] == ["37.0", f"{summary.sd:.1f}", f"{summary.low:.1f} to {summary.high:.1f}"]
    assert facts(section(found, "run"))["Replicates"].startswith("Crossed: of an arm that reads a text, the n = 4")


def test_a_notice_stands_above_the_table(tmp_path: Path) -> None:
    found, _ = written(make(tmp_path, ARMS[:1], corpora=[corpus(notice="made up")]), tmp_path)
    for name in ("run", "leaderboard"):
        assert section(found, name).all("p", **{"class": "notice"})[0].text == "Notice: made up"


CLAIMS = (
    'title = "Mine"\n[groups]\nboth = ["none", "lexical/none"]\n[[claims]]\nnumber = 1\nsays = "it helps"\n'
    'note = "Mind the gap."\nencoders = ["reader"]\nparts = [{rule = "beats", first = "taught", second = "none"}]\n'
)


def judged(folder: Path, claims: str, *arms: Made) -> Element:
    """The page of these arms with these claims."""
    file = folder / "mine.toml"
    file.write_text(claims)
    names = {"encoder": ["reader", "lexical"], "strategy": ["none", "taught"]}
    return read(write_report(*make(folder, arms), folder / "report.html", read_claims(str(file), names)).page)


def test_claims_that_can_be_judged_are_there(tmp_path: Path) -> None:
    found = section(judged(tmp_path, CLAIMS, *ARMS[:2]), "claims")
    assert found.all("h2")[0].text == "Claims"
    assert table(found.all("table")[0])[1:] == [["1", "it helps", "supported", "2 of 2 comparisons hold"]]
    comparisons = found.all("table")[1].all("td")
    assert [cell.attributes.get("class") for cell in comparisons][2::3] == [" best"] * 2
    assert [cell.attributes.get("data-value") for cell in comparisons][1::3] == ["50", "200"]
    assert not judged(tmp_path, CLAIMS, *ARMS[:1]).all(id="claims")


def test_what_is_to_be_known_of_claims_stands_beside_them(tmp_path: Path) -> None:
    claims = CLAIMS.replace('second = "none"', 'second = "both"') + (
        '[[claims]]\nnumber = 2\nsays = "it calms"\n'
        'parts = [{rule = "highest_variance", first = "reader/none", second = "lexical/none"}]\n'
    )
    page = judged(tmp_path, claims, *ARMS)
    found = section(page, "claims")
    assert [one.text for one in found.all("h4")] == ["Chosen on dev"]
    notes, chosen = ([item.text for item in one.all("li")] for one in found.all("ul"))
    assert notes == [
        "Claim 1: Mind the gap.",
        "Claim 2: An initialisation of this grid moves the labelled subset and the order of the mentions with the "
        "initial weights.",
        "Not complete: lexical, none: 1/3 (1 failed) at 200 labels",
    ]
    assert chosen == ["both of reader: reader at 50"]


def test_settings_without_a_verdict_are_named(tmp_path: Path) -> None:
    other = replace(ARMS[0], training=Training(features=("lexical",)))
    found = section(judged(tmp_path, CLAIMS, *ARMS[:2], other), "claims")
    assert len(found.all("h3")) == 1
    assert found.all("p")[1].text.startswith("No claim can be judged in: ")


# Who can read it


def test_headings_are_in_order(page: Element) -> None:
    levels = [int(one.tag[1]) for one in page.all() if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_it_has_landmarks_that_are_named(page: Element) -> None:
    assert [len(page.all(tag)) for tag in ("header", "nav", "main")] == [1, 1, 1]
    named = {element.attributes["id"]: element.text for element in page.all("h2")}
    for one in [*page.all("section"), *page.all("nav")]:
        assert named[one.attributes["aria-labelledby"]]
    assert page.all("html")[0].attributes["lang"] == "en"
    assert page.all("title")[0].text == "made: report of Reprise"


def test_links_lead_to_sections(page: Element) -> None:
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = [link.attributes["href"] for link in page.all("a")]
    assert links == [
        "#contents",
        "#run",
        "#leaderboard",
        "#figures",
        "#refused",
        "#failed",
        "#budgets",
        "#environments",
        "#again",
    ]
    assert {link.removeprefix("#") for link in links if link} <= set(ids)


def test_tables_have_captions_and_heads_with_a_scope(page: Element) -> None:
    assert len(page.all("table")) >= 5
    for one in page.all("table"):
        assert one.all("caption")[0].text
        assert {head.attributes["scope"] for head in one.all("thead")[0].all("th")} == {"col"}
        assert {head.attributes["scope"] for head in one.all("tbody")[0].all("th")} == {"row"}
    for box in page.all("div", role="region"):
        assert box.attributes["tabindex"] == "0"
        assert page.all("caption", id=box.attributes["aria-labelledby"] or "")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_letters_can_be_told_from_what_they_stand_on(page: Element, scheme: int) -> None:
    """By WCAG 2, AA: at least 4.5 to 1."""
    colours = [
        dict(re.findall(r"--(\w+): (#\w+);", one)) for one in re.findall(r":root \{(.*?)\}", page.all("style")[0].text)
    ]
    for ink in ("ink", "faint", "link"):
        for ground in ("paper", "tint") if ink != "link" else ("paper",):
            light, dark = sorted((luminance(colours[scheme][name]) for name in (ink, ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {ground}"


# What it asks for: nothing


def test_it_asks_no_machine_for_anything(page: Element) -> None:
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert (policy.attributes["content"] or "").startswith("default-src 'none';")
    assert not [one.tag for one in page.all() if one.tag in ("img", "iframe", "object", "base", "form")]
    assert [link.attributes for link in page.all("link")] == [{"rel": "icon", "href": "data:,"}]
    for one in page.all():
        for name, value in one.attributes.items():
            if name in ("src", "href", "xlink:href", "action", "data"):
                assert (value or "").startswith(("#", "data:,", "data:image/png;base64,")), f"{one.tag} {name}"
    assert not re.findall(r"url\((?!#)", page.all("style")[0].text)


def test_what_looks_like_markup_is_text(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script>'
    arms = [Made(evil, f"{evil}'", {50: (20, 21), 200: (evil, 22)})]
    classes = [f"{evil}(e1,e2)", "b", "c", "d"]
    label = f'{evil}" onload="alert(1)'
    made = make(tmp_path, arms, corpora=[corpus(label, classes=classes, notice=evil, licence=evil)], source=evil)
    found, _ = written(made, tmp_path)
    assert len(found.all("script")) == 1
    assert not [one for one in found.all() if any(name.startswith("on") for name in one.attributes)]
    assert section(found, "leaderboard").all("h3")[0].text == label
    assert evil in [one.text for one in section(found, "figures").all("text")]


# Files


def make_home(folder: Path) -> tuple[Path, Path]:
    """A home with the records of a grid, and results with them."""
    home, results = folder / "home", folder / "results"
    grid, store = make(home, ARMS)
    (results / "made").mkdir(parents=True)
    (results / "made" / "grid.json").write_text(json.dumps(grid))
    to_results(grid, store, results / "made")
    return home, results


def test_the_same_records_give_the_same_bytes_from_a_home_and_from_results(tmp_path: Path, printed: Printed) -> None:
    home, results = make_home(tmp_path)
    words = ["report", "--grid", "made", "--results", str(results)]
    assert main([*words, "--home", str(home), "--out", str(tmp_path / "one" / "page.html")]) == 0
    assert main([*words, "--home", str(tmp_path / "nowhere")]) == 0
    folders = (tmp_path / "one" / "page-figures", results / "made" / "figures")
    one, other = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert one == other
    assert (tmp_path / "one" / "page.html").read_bytes() == (results / "made" / "report.html").read_bytes()
    out, err = printed()
    lacks = f"{tmp_path / 'nowhere'} lacks them, or has worse ones"
    assert err == f"harness: 17 of 18 records are those of {results / 'made'}: {lacks}\n"
    assert out.splitlines()[5:] == [
        "no figure: Hidden vectors of the dev set, toy, split paper: no run has saved hidden vectors; save_hidden = true "
        "in the grid saves them",
        "no figure: Pre-training texts, toy, split paper: no strategy reads more than one text",
        "16 of 18 runs complete, 1 failed",
        f"7 figures, as SVG and PNG: {results / 'made' / 'figures'}",
        f"{(results / 'made' / 'report.html').stat().st_size / 1e6:.1f} MB: {results / 'made' / 'report.html'}",
    ]


def test_a_folder_is_no_page(tmp_path: Path, printed: Printed) -> None:
    make_home(tmp_path)
    words = ["report", "--grid", "made", "--home", str(tmp_path / "home"), "--results", str(tmp_path / "results")]
    assert main([*words, "--out", str(tmp_path)]) == 2
    assert printed()[1].endswith(
        f"harness: {tmp_path} is a folder; expected a file. Name one in it: --out {tmp_path / 'report.html'}\n"
    )
    assert not (tmp_path / "figures").exists()


def test_figures_of_an_earlier_report_go_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    off = Training(features=("lexical",))
    varied = [*ARMS[:1], Made("reader", "none", {50: (20, 22, 24), 200: (30, 31, 32)}, training=off)]
    written(make(tmp_path, varied), tmp_path)
    assert (folder / "learning-curves-2.svg").exists()
    for name in ("mine.svg", "learning-curves-2.txt", "poster-1.png"):
        (folder / name).write_text("mine")
    _, told = written(make(tmp_path, ARMS[:1]), tmp_path)
    expected = {f"{name}.{suffix}" for name in told.figures for suffix in ("svg", "png")}
    assert {file.name for file in folder.iterdir()} == expected | {"mine.svg", "learning-curves-2.txt", "poster-1.png"}
    assert told.figures == ["learning-curves-1", "relations-1", "confusion-1", "dev-curves-1", "dev-curves-2"]


def test_without_records_it_says_what_to_type(tmp_path: Path, printed: Printed) -> None:
    grid, _ = make(tmp_path / "elsewhere", ARMS)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "grid.json").write_text(json.dumps(grid))
    assert main(["report", "--grid", "made", "--home", str(tmp_path / "home"), "--results", str(tmp_path)]) == 2
    assert printed() == (
        "",
        f"harness: no run of grid 'made' has a record in {tmp_path / 'home'} or in {tmp_path / 'made'}; expected some. "
        "Run it: python -m harness run --grid made\n",
    )


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path, printed: Printed) -> None:
    home = tmp_path / "home"
    grid, _ = make(home, ARMS[:1])
    (home / "grids").mkdir()
    (home / "grids" / "made.json").write_text(json.dumps(grid))
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "report.html"
    assert main(["report", "--grid", "made", "--home", str(home), "--out", str(out)]) == 2
    figure = out.parent / "figures" / "learning-curves-1.svg"
    assert printed()[1] == (
        f"harness: can't write {figure}: Not a directory. Free some space, or choose another folder with --home or "
        "--results\n"
    )


def test_a_damaged_record_is_told_and_counts_as_missing(tmp_path: Path, printed: Printed) -> None:
    home = tmp_path / "home"
    grid, store = make(home, ARMS[:1])
    (home / "grids").mkdir()
    (home / "grids" / "made.json").write_text(json.dumps(grid))
    damaged = store.path(grid["cells"][0]["keys"][0])
    damaged.write_text("{}")
    out = tmp_path / "report.html"
    assert main(["report", "--grid", "made", "--home", str(home), "--out", str(out)]) == 0
    told, error = printed()
    assert "5 of 6 runs complete, 0 failed" in told
    assert error == (
        f"harness: the record {damaged} is damaged (expected the record of {damaged.stem}); it counts as missing, and "
        "`run` makes it again\n"
    )
    assert read(out).all("header")[0].text.startswith("made 5 of 6 runs complete, 0 failed.")


def test_a_damaged_line_of_a_results_folder_is_told_and_left_out(tmp_path: Path, printed: Printed) -> None:
    folder = tmp_path / "made"
    grid, store = make(tmp_path / "home", ARMS[:1])
    folder.mkdir()
    (folder / "grid.json").write_text(json.dumps(grid))
    to_results(grid, store, folder)
    text = gzip.decompress((folder / "records.csv.gz").read_bytes()).decode()
    (folder / "records.csv.gz").write_bytes(gzip.compress(text.replace(",complete,", ",lost,", 1).encode()))
    assert main(["report", "--grid", "made", "--home", str(tmp_path / "nowhere"), "--results", str(tmp_path)]) == 0
    out, err = printed()
    assert err.splitlines()[0] == (
        f"harness: {folder / 'records.csv.gz'}, line 2: damaged, and left out: expected the status 'complete' or "
        "'failed', found \"lost\""
    )
    assert "5 of 6 runs complete, 0 failed" in out


def test_it_runs_without_torch() -> None:
    command = [
        sys.executable,
        "-c",
        "import sys, harness.commands.report, harness.report.page; print('torch' in sys.modules)",
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
