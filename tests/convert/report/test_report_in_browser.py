"""The page in a real browser: silent, alone and no wider than the window."""

import pytest

from corallite.convert.report.page import render

pytestmark = pytest.mark.slow


def assert_well(browser, path, *, width_px, is_dark):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.open(path.as_uri(), width_px=width_px, is_dark=is_dark)
    run = browser.driver.execute_script
    WebDriverWait(browser.driver, 60).until(
        lambda _: run("return document.readyState") == "complete"
    )
    assert run("return [...document.images].every(x => x.naturalWidth > 0)")
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    assert browser.page_width_px() <= width_px


@pytest.mark.parametrize(
    "names",
    [("<script>", "größe_猫", "x" * 200), [f"class {i}" for i in range(100)]],
    ids=["strange names", "100 classes"],
)
def test_a_page_opens_from_disk_at_any_width(browser, make_facts, tmp_path, names):
    path = tmp_path / "report.html"
    path.write_text(render(make_facts(names)), encoding="utf-8")
    assert_well(browser, path, width_px=1200, is_dark=False)
    assert_well(browser, path, width_px=390, is_dark=True)


def test_light_and_dark_are_read_from_the_system(browser, make_facts, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render(make_facts()), encoding="utf-8")
    colours = {}
    for is_dark in (False, True):
        browser.open(path.as_uri(), is_dark=is_dark)
        colours[is_dark] = browser.driver.execute_script(
            "const t = document.querySelector('.chart text');"
            "return [getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(t).fill]"
        )
    assert colours[False][0] == "rgb(255, 255, 255)"
    assert colours[True][0] == "rgb(20, 23, 27)"
    assert colours[False][1] != colours[True][1]
