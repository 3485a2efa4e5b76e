"""The results that come with the harness in MLflow's own pages, as a real browser shows them; docs/mlflow.md is true.

With HARNESS_SCREENSHOTS=docs/images the pictures of docs/mlflow.md are taken anew:
HARNESS_SCREENSHOTS=docs/images python -m pytest -m slow tests/test_mlflow_in_chromium.py
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image
from test_docs import commands, surroundings, typed
from test_tracking import fetch, free_port

pytestmark = pytest.mark.slow

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install '.[test]'")

from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

ROOT = Path(__file__).parents[1]
GRID = "pretraining"
MEAN, SD = "mean_test_micro_f1_positive", "sd_test_micro_f1_positive"
CURVE = "mean_by_labels_test_micro_f1_positive"
SCREENSHOTS = os.environ.get("HARNESS_SCREENSHOTS")


class Site:
    """What the commands of docs/mlflow.md lead to: the address, what `ui` says when it starts, the results folder."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(ROOT / "results" / GRID, folder / "results" / GRID)
        self.results = folder / "results" / GRID
        *before, ui = commands("mlflow")
        for command in before:
            typed(command, folder)
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.server = subprocess.Popen(
            f"{ui} --port {port}", shell=True, cwd=folder, env=surroundings(folder), text=True,
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.server.stdout is not None
        self.said = [self.server.stdout.readline().strip() for _ in range(2)]
        fetch(self.address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("mlflow"))
    yield made
    os.killpg(made.server.pid, signal.SIGKILL)
    made.server.communicate()


class Browser:
    """A headless Chromium that shows pages of the site."""

    def __init__(self, driver: Any, site: Site) -> None:
        self.driver, self.site = driver, site

    def open(self, page: str) -> None:
        self.driver.get("about:blank")  # or a new fragment would not load anew
        self.driver.get(page if "//" in page else f"{self.site.address}/{page}")

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """What a condition gives as soon as it gives something."""
        waiting = WebDriverWait(self.driver, 60, 0.2, ignored_exceptions=[StaleElementReferenceException])
        return waiting.until(lambda driver: condition(), f"waited for {what}")

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def link(self, words: str) -> str:
        """Where the link of these words leads."""
        (found, *_) = self.wait(lambda: self.driver.find_elements(By.LINK_TEXT, words), f"a link: {words}")
        return str(found.get_attribute("href"))

    def column(self, name: str) -> list[str]:
        """What a column of the table of runs shows, from above, as far as rows are on the screen."""
        script = """
            const cells = [...document.querySelectorAll(".ag-row")].flatMap((row) =>
                [...row.querySelectorAll(`[col-id="${arguments[0]}"]`)].map((cell) => [+row.ariaRowIndex ||
                    +row.getAttribute("row-index"), cell.innerText.trim().split("\\n").at(-1)]));
            return cells.sort((one, other) => one[0] - other[0]).map((cell) => cell[1]);
        """
        return list(self.driver.execute_script(script, name))

    def numbers(self, metric: str) -> list[float]:
        return [float(text) for text in self.column(f"metrics.`{metric}`") if text]

    def lines(self) -> list[int]:
        """How many lines each chart has."""
        return [
            len(chart.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace")) for chart in self.all(".js-plotly-plot")
        ]

    def says(self, words: str) -> bool:
        return words in self.driver.find_element(By.TAG_NAME, "body").text

    def picture(self, name: str) -> None:
        """A screenshot for docs/mlflow.md, where they are asked for."""
        if SCREENSHOTS:
            shot = Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")
            (ROOT / SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            shot.quantize(256).save(ROOT / SCREENSHOTS / f"mlflow-{name}.png", optimize=True)


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    found, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not found or not driver:
        pytest.skip("chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "window-size=1280,1000"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield made
    made.quit()


@pytest.fixture
def browser(started: Any, site: Site) -> Iterator[Browser]:
    """MLflow's page as one finds it who has closed its assistant; whatever it asks for is the site's own."""
    started.get(f"{site.address}/#/")
    for name, value in (("fab.autoOpenedOnFirstLoad_v1", "true"), ("panelOpen_v1", "false")):
        started.execute_script("localStorage.setItem(`mlflow.assistant.${arguments[0]}`, arguments[1])", name, value)
    yield Browser(started, site)
    messages = [json.loads(entry["message"])["message"] for entry in started.get_log("performance")]
    asked = [told["params"]["request"]["url"] for told in messages if told["method"] == "Network.requestWillBeSent"]
    own = (f"{site.address}/", f"blob:{site.address}/", "data:", "about:")
    assert asked
    assert [url for url in asked if not url.startswith(own)] == []


@pytest.fixture
def rows(site: Site) -> list[dict[str, str]]:
    """The leaderboard as the harness writes it, the best mean first."""
    with (site.results / "leaderboard.csv").open(encoding="utf-8") as file:
        return sorted(csv.DictReader(file), key=lambda row: -float(row["mean"]))


def experiment(site: Site) -> str:
    """The page of all runs of the experiment."""
    return site.said[1].partition(": ")[2].partition("?")[0] + "?workflowType=machine_learning"


def test_ui_says_where_the_leaderboard_is_and_it_shows_means_and_deviations_sorted(
    browser: Browser, site: Site, rows: list[dict[str, str]]
) -> None:
    assert site.said[0] == f"MLflow opens at {site.address} in some seconds; Ctrl-C ends it"
    browser.open(site.said[1].removeprefix(f"{GRID}: "))
    browser.wait(lambda: len(browser.numbers(MEAN)) > 5, "the leaderboard")
    browser.picture("leaderboard")
    means = browser.numbers(MEAN)
    assert means == pytest.approx([float(row["mean"]) for row in rows[: len(means)]], abs=1e-4)
    assert browser.numbers("n")[:5] == [3] * 5
    best = [(row["encoder"], row["strategy"], row["size"]) for row in rows[2:10]]  # of two there, the means are equal
    columns = [browser.column(f"params.`{name}`") for name in ("encoder", "strategy", "size")]
    assert list(zip(*columns, strict=True))[2:10] == best
    assert browser.says(f"{len(rows)} matching runs")

    browser.wait(lambda: browser.all(f"[data-testid='sort-header-{SD}']"), "the deviations")[0].click()
    by_deviation = sorted((float(row["sd"]) for row in rows), reverse=True)
    browser.wait(lambda: browser.numbers(SD)[:1] == pytest.approx(by_deviation[:1], abs=1e-4), "the largest deviation")
    found = browser.numbers(SD)
    assert len(found) > 5
    assert found == pytest.approx(by_deviation[: len(found)], abs=1e-4)


def test_replicates_stand_beneath_their_cell(browser: Browser, site: Site) -> None:
    wanted = "params.encoder = 'bilstm' and params.strategy = 'seq-shared' and params.size = '200'"
    browser.open(f"{experiment(site)}&{urlencode({'searchFilter': wanted})}")
    name = "attributes.`Run Name`"
    (cell,) = browser.wait(lambda: browser.column(name), "the cell")
    assert cell.startswith("bilstm · seq-shared · enwik8 (random) · n=200 · kbp37")
    browser.wait(lambda: browser.all(".ag-row button[class*='icon-only']"), "what unfolds it")[0].click()
    browser.wait(lambda: len(browser.column(name)) == 4, "its replicates")
    browser.picture("replicates")
    assert browser.column(name)[0] == cell
    assert sorted(browser.column(name)[1:]) == [f"replicate {number} · {cell}" for number in range(3)]


def test_the_view_of_replicates_keeps_those_of_a_cell_together(browser: Browser, site: Site) -> None:
    browser.open(experiment(site))
    browser.open(browser.link("Replicates"))
    browser.wait(lambda: len(browser.column("params.`replicate`")) > 8, "replicates")
    shown = browser.column("params.`replicate`")
    groups = [sorted(shown[start : start + 4]) for start in range(0, len(shown) - 3, 4)]
    assert groups == [["-", "0", "1", "2"]] * len(groups)


def test_learning_curves_of_all_arms_are_drawn(browser: Browser, site: Site) -> None:
    browser.open(experiment(site))
    browser.open(browser.link("Learning curves"))
    browser.wait(lambda: browser.lines() and min(browser.lines()) >= 17, "the curves of 17 arms")
    browser.picture("curves")
    assert len(browser.lines()) == 2, "a chart of means, one of deviations"
    assert browser.says("17 matching runs")
    titles = browser.driver.find_element(By.TAG_NAME, "body").text
    assert CURVE in titles
    assert CURVE.replace("mean", "sd") in titles


def test_two_strategies_are_compared_in_charts(browser: Browser, site: Site) -> None:
    wanted = "params.level = 'arm' and params.encoder = 'bilstm'"
    browser.open(f"{experiment(site)}&{urlencode({'searchFilter': wanted})}")
    name = "attributes.`Run Name`"
    browser.wait(lambda: len(browser.column(name)) == 5, "five arms")
    arms = [arm.partition(" · ")[2].partition(" · ")[0] for arm in browser.column(name)]
    boxes = [box for box in browser.all(".ag-row input[aria-label^='Press Space']") if box.rect["width"]]
    for strategy in ("none", "seq-shared"):
        boxes[arms.index(strategy)].click()
    button = browser.wait(lambda: browser.all("[data-testid=runs-compare-button]"), "a button that compares")[0]
    browser.wait(button.is_enabled, "two that are chosen")
    button.click()

    drawn = browser.wait(lambda: browser.all(".js-plotly-plot svg text"), "a chart")
    assert {"strategy", "none", "seq-shared"} <= {text.get_attribute("textContent") for text in drawn}
    browser.picture("comparison")
    curve = browser.link(CURVE)
    browser.open(curve)
    browser.wait(lambda: browser.lines() and min(browser.lines()) >= 2, "two learning curves")
    browser.picture("two-curves")
    for strategy in ("none", "seq-shared · enwik8 (random)"):
        assert browser.says(f"bilstm · {strategy} · kbp37, split paper"), "the legend"


def test_the_figures_and_tables_of_the_results_are_shown(
    browser: Browser, site: Site, rows: list[dict[str, str]]
) -> None:
    browser.open(experiment(site))
    browser.open(browser.link("Figures and tables"))
    results = browser.link(f"results of {GRID}")
    browser.open(f"{results}/artifacts/leaderboard.md")
    browser.wait(lambda: [head for head in browser.all("h1") if head.text == f"Leaderboard: {GRID}"], "the leaderboard")
    best = rows[0]
    assert browser.says(f"{float(best['mean']):.1f} ± {float(best['sd']):.1f}")
    for name in ("report.html", "leaderboard.csv", "grid.json", "figures", "SHA256SUMS"):
        assert browser.says(name)
    browser.open(f"{results}/artifacts/figures/learning-curves-1.png")
    script = "return [...document.images].some((image) => image.complete && image.naturalWidth > 500)"
    browser.wait(lambda: browser.driver.execute_script(script), "a figure")
    browser.picture("figure")

    browser.open(f"{results}/artifacts/report.html")
    frame = browser.wait(lambda: browser.all("iframe"), "the page of the grid")[0]
    browser.driver.switch_to.frame(frame)
    browser.wait(lambda: browser.says("runs complete, 0 failed"), "what it says")
    assert browser.driver.find_element(By.TAG_NAME, "h1").text == GRID
    assert browser.all("svg"), "its figures"
    browser.driver.switch_to.default_content()
