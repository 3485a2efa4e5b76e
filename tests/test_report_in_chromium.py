"""The page of a grid in a real browser: sorting by mouse and by keys, narrow screens, print, and a silent network."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_grids import Made, corpus, make, wiki

from harness.report.page import write_report

pytestmark = pytest.mark.slow

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install '.[test]'")

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

ARMS = (
    Made("reader", "none", {50: (20, 22, 24), 200: (30, 31, 32)}),
    Made("reader", "averaged", {50: (10, 11, 12), 200: (40, 41, None)}),
    Made("reader", "taught", {50: (30, 36, 33), 200: (50, 51, 52)}, text=wiki(), held_out=(9, 5, 6)),
    Made("a-reader-with-a-name-that-is-long", "none", {50: (15, 16, 17), 200: (25, "a loss is not finite" * 9, None)}),
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    classes = ["org:something/which_is_long_and_has_no_blank" + end for end in ("(e1,e2)", "(e2,e1)", "a", "b")]
    corpora = [corpus("toy, split paper, " + "without_a_blank_" * 6, classes=classes, source="/" + "folder/" * 20)]
    refusal = {
        "corpus": corpora[0]["label"],
        "encoder": "mean",
        "strategy": "taught",
        "variant": "",
        "reason": "x" * 90,
    }
    made = make(folder, ARMS, corpora=corpora, refusals=[refusal], source="#" * 200)
    return write_report(*made, folder / "report.html").page.as_uri()


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    """A headless Chromium, at 1,200 by 900 pixels."""
    browser, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not browser or not driver:
        pytest.skip("chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "window-size=1200,900"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture
def browser(started: Any, page: str) -> Any:
    """The same with the page freshly opened; what it logged before is gone."""
    started.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    started.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    started.get("about:blank")
    for log in ("performance", "browser"):
        started.get_log(log)
    started.get(page)
    return started


def heads(browser: Any) -> dict[str, Any]:
    """The buttons of the leaderboard by what stands on them."""
    buttons = browser.find_elements(By.CSS_SELECTOR, "[aria-labelledby='leaderboard-1'] thead button")
    return {button.text.split()[0]: button for button in buttons}


def strategies(browser: Any) -> list[str]:
    rows = browser.find_elements(By.CSS_SELECTOR, "[aria-labelledby='leaderboard-1'] tbody tr")
    return [" ".join(name.text for name in row.find_elements(By.TAG_NAME, "th")[:2]) for row in rows]


def sorting(browser: Any) -> list[str | None]:
    return [button.find_element(By.XPATH, "..").get_attribute("aria-sort") for button in heads(browser).values()]


LONG = "a-reader-with-a-name-that-is-long none"


def test_a_click_sorts_numbers_from_the_largest_and_then_from_the_smallest(browser: Any) -> None:
    assert strategies(browser) == ["reader none", "reader averaged", "reader taught", LONG]
    heads(browser)["50"].click()
    assert strategies(browser) == ["reader taught", "reader none", LONG, "reader averaged"]
    assert sorting(browser) == [None, None, None, "descending", None]
    heads(browser)["50"].click()
    assert strategies(browser) == ["reader averaged", LONG, "reader none", "reader taught"]
    assert sorting(browser) == [None, None, None, "ascending", None]


def test_what_has_no_number_stands_last_either_way(browser: Any) -> None:
    heads(browser)["200"].click()
    assert strategies(browser) == ["reader taught", "reader none", "reader averaged", LONG]
    heads(browser)["200"].click()
    assert strategies(browser) == ["reader none", "reader taught", "reader averaged", LONG]


def test_names_are_sorted_from_a(browser: Any) -> None:
    heads(browser)["strategy"].click()
    assert strategies(browser) == ["reader averaged", "reader none", LONG, "reader taught"]
    assert sorting(browser) == [None, "ascending", None, None, None]


def test_keys_reach_a_column_and_sort_by_it(browser: Any) -> None:
    reached = []
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        reached.append(active.text)
        if active.tag_name == "button" and active.text.startswith("50"):
            break
    assert reached[0] == "Skip to the contents"
    assert reached[1:3] == ["What was run", "Leaderboard"]
    active.send_keys(Keys.ENTER)
    assert strategies(browser)[0] == "reader taught"
    active.send_keys(Keys.SPACE)
    assert strategies(browser)[0] == "reader averaged"
    assert browser.switch_to.active_element == active
    said = browser.find_element(By.ID, "sorted").get_attribute("textContent")
    assert said == "Sorted by 50 labels, ascending"


def test_the_page_asks_for_nothing_and_logs_nothing(browser: Any) -> None:
    heads(browser)["50"].click()
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [told["params"]["request"]["url"] for told in messages if told["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [browser.current_url]
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [320, 360, 768, 1200])
def test_nothing_is_wider_than_the_screen(browser: Any, width: int) -> None:
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    widths = "const root = document.documentElement; return [innerWidth, root.scrollWidth - root.clientWidth]"
    assert browser.execute_script(widths) == [width, 0]
    outside = """
        return [...document.querySelectorAll("main *")].filter((one) => !one.closest(".box") &&
            !one.matches(".heard") && one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML)
    """
    assert browser.execute_script(outside) == []


def test_those_who_hear_it_get_names(browser: Any) -> None:
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named: dict[str, list[str]] = {}
    for node in nodes:
        if not node["ignored"]:
            named.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert named["main"] and named["navigation"] == ["Contents"]
    assert len(named["image"]) == 7
    assert named["image"][0].startswith("Learning curves. accuracy (%) by the number of training labels. reader: none")
    assert named["button"][:5] == ["encoder", "strategy", "text", "50 labels", "200 labels"]
    regions = [
        "What was run",
        "Leaderboard",
        "Figures",
        "Refused pairs",
        "Failures",
        "Budgets",
        "Environments",
        "Run it again",
    ]
    assert [name for name in named["region"] if name in regions] == regions
    assert all(named["table"]) and all(named["region"])


def test_it_can_be_printed(browser: Any) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = 'return ["nav", ".screen", ".box"].map((one) => getComputedStyle(document.querySelector(one)).{})'
    assert browser.execute_script(shown.format("display")) == ["none", "none", "block"]
    assert browser.execute_script(shown.format("overflowX"))[2] == "visible"
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF") and 2 <= printed.count(b"/Type /Page\n") <= 20


def test_who_wants_it_dark_has_it_dark(browser: Any) -> None:
    colour = "return getComputedStyle(document.querySelector('{}')).backgroundColor"
    assert browser.execute_script(colour.format("body")) == "rgb(255, 255, 255)"
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert browser.execute_script(colour.format("body")) == "rgb(23, 25, 28)"
    assert browser.execute_script(colour.format(".drawing")) == "rgb(255, 255, 255)"


def test_without_scripts_it_is_all_there(started: Any, page: str) -> None:
    started.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        started.get(page)
        assert len(started.find_elements(By.CSS_SELECTOR, "[aria-labelledby='leaderboard-1'] tbody tr")) == 4
        assert started.find_elements(By.TAG_NAME, "button") == []
    finally:
        started.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_of_a_real_grid(started: Any, tmp_path: Path) -> None:
    from harness.report.restored import RestoredRecords

    folder = Path(__file__).parents[1] / "results" / "pretraining"
    grid = json.loads((folder / "grid.json").read_text())
    told = write_report(grid, RestoredRecords(folder, print), tmp_path / "report.html")
    assert told.size < 2_000_000
    started.get(told.page.as_uri())
    started.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    assert started.execute_script("return document.documentElement.scrollWidth") == 360
