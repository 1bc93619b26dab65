"""The live page in a browser: what it shows, and that it reconnects."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def text_of(browser, name):
    return browser.driver.execute_script(
        "return document.getElementById(arguments[0]).textContent", name
    )


def picture_width_px(browser):
    return browser.driver.execute_script(
        "return document.getElementById('picture').naturalWidth"
    )


def pixels_of_picture(browser):
    """Returns the picture as displayed, RGBA [height][width]."""
    values = browser.driver.execute_script(
        """
        const picture = document.getElementById("picture");
        const canvas = document.createElement("canvas");
        canvas.width = picture.naturalWidth;
        canvas.height = picture.naturalHeight;
        const context = canvas.getContext("2d");
        context.drawImage(picture, 0, 0);
        return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
        """
    )
    return np.array(values, np.uint8).reshape(48, 64, 4)


def points_of(browser, name):
    """Returns the points of a line of the graph."""
    line = browser.driver.find_element("id", name)
    points = (line.get_attribute("points") or "").split()
    return [tuple(map(float, point.split(","))) for point in points]


@pytest.mark.parametrize("is_dark", [False, True])
def test_page_shows_picture_labels_and_states(
    browser, serve, camera_server, wait_until, is_dark
):
    served = serve(f"--source={camera_server.url}", "--stale_after=1")
    # A phone's width.
    browser.open(f"{served.url}/", width_px=390, is_dark=is_dark)
    wait_until(lambda: text_of(browser, "source-state") == "live")
    wait_until(lambda: picture_width_px(browser) == 64)
    rows = browser.driver.find_elements("css selector", "#labels li")
    assert [row.text.split()[0] for row in rows] == ["red", "blue", "green"] or (
        [row.text.split()[0] for row in rows] == ["red", "green", "blue"]
    )
    assert text_of(browser, "device") == "cpu"
    # On a busy machine a live camera may be stale for a moment.
    wait_until(lambda: text_of(browser, "latency").endswith(" ms"))
    wait_until(lambda: text_of(browser, "banner") == "")
    pixels = pixels_of_picture(browser)
    assert pixels[5, 32, 0] > 200  # The camera's red; the band at the bottom
    assert pixels[47, 0, 0] < 120  # is darker, with white letters.
    assert (pixels[30:, :, :3].min(axis=-1) > 150).any()
    assert not (pixels[:20, :, :3].min(axis=-1) > 150).any()
    for name in ("latency-line", "age-line"):
        wait_until(lambda name=name: len(points_of(browser, name)) >= 3)
        points = points_of(browser, name)
        assert points == sorted(points)  # From left to right, within the graph.
        assert all(0 <= x <= 300 and 0 <= y <= 100 for x, y in points)
    assert text_of(browser, "graph-top").startswith("top line ")
    assert browser.page_width_px() <= 390
    assert browser.complaints() == []
    assert {url.split("/")[2] for url in browser.requests()} == {served.url[7:]}
    camera_server.kill()
    wait_until(lambda: "camera is lost" in text_of(browser, "banner"))
    camera_server.start()
    wait_until(lambda: text_of(browser, "banner") == "")


def test_page_asks_for_the_token_once(
    browser, serve, camera_server, tmp_path, wait_until
):
    path = tmp_path / "token"
    path.write_text("0123456789abcdef")
    served = serve(f"--source={camera_server.url}", f"--token_file={path}")
    browser.open(f"{served.url}/")
    field = browser.driver.find_element("id", "token")
    wait_until(field.is_displayed)
    field.send_keys("wrong\n")
    wait_until(lambda: "token is wrong" in text_of(browser, "sign-in-error"))
    field.clear()
    field.send_keys("0123456789abcdef\n")
    wait_until(lambda: picture_width_px(browser) == 64)
    browser.driver.refresh()
    wait_until(lambda: text_of(browser, "source-state") == "live")
    served.process.kill()
    wait_until(lambda: "does not respond" in text_of(browser, "banner"))
