"""The page /capture in a browser: from two classes to a label that changes."""

import threading

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow
PHOTOS = 10


@pytest.fixture
def show(camera_server, draw_square):
    """A function that chooses what the camera's video shows: show("red")."""
    shown, ended = ["red"], threading.Event()

    def play():
        rng = np.random.default_rng(0)
        while not ended.wait(0.1):
            label = ("red", "green", "blue").index(shown[0])
            image = cv2.resize(draw_square(rng, label), (96, 96))
            jpeg = cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes()
            camera_server.part = jpeg

    video = threading.Thread(target=play)
    video.start()
    yield lambda name: shown.__setitem__(0, name)
    ended.set()
    video.join()


class Page:
    """The page, as a person uses it."""

    def __init__(self, browser, served, wait_until):
        self.browser, self.served, self.wait_until = browser, served, wait_until
        self.driver = browser.driver

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        script = "return document.querySelector(arguments[0])?.textContent ?? ''"
        return self.driver.execute_script(script, selector)

    def wait_for_text(self, selector, text):
        self.wait_until(lambda: text in self.text(selector))

    def add(self, label):
        self.find("#class-name").send_keys(f"{label}\n")
        self.wait_until(lambda: self.count(label) == 0)

    def count(self, label):
        text = self.text(f"section[aria-label='{label}'] .count")
        return int(text.split()[0]) if text else None

    def actions(self):
        from selenium.webdriver.common.action_chains import ActionChains

        return ActionChains(self.driver)

    def wait_for_frames(self):
        """Waits until what the camera shows now is classified."""
        frames = self.served.state()["source"]["frames"]
        self.wait_until(lambda: self.served.state()["source"]["frames"] > frames + 5)

    def open_photo(self, label):
        """Opens the first photo of a class; returns its name."""
        photo = self.find(f"section[aria-label='{label}'] .photos button")
        name = photo.get_attribute("data-photo")
        self.driver.execute_script("arguments[0].click()", photo)
        self.wait_until(lambda: self.find("#photo").is_displayed())
        return name


@pytest.fixture
def page(browser, serve, camera_server, tmp_path, wait_until):
    flags = (f"--capture={tmp_path}/photos", f"--model={tmp_path}/mine.tflite")
    unsure = f"--keep_uncertain={tmp_path}/unsure"
    served = serve(f"--source={camera_server.url}", *flags, unsure)
    browser.open(f"{served.url}/", width_px=390)
    page = Page(browser, served, wait_until)
    # The live page has a link.
    wait_until(lambda: page.find("#capture-link").is_displayed())
    page.find("#capture-link").click()
    page.wait_for_text("h1", "Capture and teach")
    page.wait_for_text("#label", "No model yet")
    return page


def test_two_classes_are_recorded_and_taught_and_the_label_changes(
    page, show, wait_until, tmp_path
):
    page.wait_for_text("#hint", "First make two classes")
    page.add("red")
    page.add("blue")
    page.wait_for_text("#hint", "“blue”: hold its button")
    assert not page.find("#teach-button").is_enabled()
    # With a thumb or a mouse.
    button = page.find("section[aria-label='red'] .hold")
    page.wait_for_frames()
    page.actions().click_and_hold(button).perform()
    wait_until(lambda: page.count("red") >= PHOTOS)
    assert button.text == "Recording …"
    page.actions().release().perform()
    wait_until(lambda: button.text == "Hold to record")
    # With a key: classes are sorted, so blue is the first.
    show("blue")
    page.wait_for_frames()
    page.actions().key_down("1").perform()
    wait_until(lambda: page.count("blue") >= PHOTOS)
    page.actions().key_up("1").perform()
    page.wait_for_text("section[aria-label='blue'] .message", "recorded.")
    wait_until(lambda: page.find("#teach-button").is_enabled())
    page.driver.execute_script("arguments[0].click()", page.find("#teach-button"))
    wait_until(lambda: page.find("#teaching progress").is_displayed())
    page.wait_for_text("#outcome", "Taught.")
    assert "accuracy" in page.text("#outcome")
    page.wait_for_text("#label", "blue")
    show("red")
    page.wait_for_text("#label", "red")
    assert (tmp_path / "mine.tflite").exists()
    assert page.browser.page_width_px() <= 390
    assert page.browser.complaints() == []
    hosts = {url.split("/")[2] for url in page.browser.requests()}
    assert hosts == {page.served.url[7:]}


def test_photos_are_moved_and_deleted_and_classes_removed(
    page, show, wait_until, tmp_path
):
    page.add("red")
    page.add("blue")
    page.find("#class-name").send_keys("../x\n")
    page.wait_for_text("#problem", "cannot begin with a dot or contain a slash")
    button = page.find("section[aria-label='red'] .hold")
    page.driver.execute_script("arguments[0].focus()", button)
    page.actions().key_down(" ").perform()
    wait_until(lambda: page.count("red") >= 2)
    page.actions().key_up(" ").perform()
    wait_until(lambda: button.text == "Hold to record")
    page.wait_for_frames()
    count = len(list((tmp_path / "photos" / "red").iterdir()))
    wait_until(lambda: page.count("red") == count)
    name = page.open_photo("red")
    page.find("#move-to button").click()
    wait_until(lambda: page.count("blue") == 1)
    assert (tmp_path / "photos" / "blue" / name).exists()
    wait_until(lambda: not page.find("#photo").is_displayed())
    page.open_photo("blue")
    page.find("#delete").click()
    page.wait_for_text("#delete", "Really delete?")
    assert (tmp_path / "photos" / "blue" / name).exists()
    page.find("#delete").click()
    wait_until(lambda: page.count("blue") == 0)
    assert list((tmp_path / "photos" / "blue").iterdir()) == []
    remove = page.find("section[aria-label='blue'] .remove")
    page.driver.execute_script("arguments[0].click()", remove)
    wait_until(lambda: page.count("blue") is None)
    assert page.count("red") == count - 1
    # Only that of the refused name.
    assert all("409" in line for line in page.browser.complaints())


def test_uncertain_frames_are_named_one_after_the_other(
    page, wait_until, tmp_path, jpeg
):
    page.add("cup")
    for number in range(20):
        name = f"20261130-031502-a1b2_00{number:02}.jpg"
        (tmp_path / "unsure" / name).write_bytes(jpeg())
    page.wait_for_text("#uncertain-photos .more", "13 more")
    more = page.find("#uncertain-photos .more")
    page.driver.execute_script("arguments[0].click()", more)
    script = "return document.querySelectorAll('#uncertain-photos img').length"
    wait_until(lambda: page.driver.execute_script(script) == 20)
    photo = page.find("#uncertain-photos button")
    page.driver.execute_script("arguments[0].click()", photo)
    wait_until(lambda: page.find("#photo").is_displayed())
    # The next one is shown at once.
    for shown in (19, 18):
        name = f"00{shown}.jpg"
        wait_until(lambda name=name: name in page.find("#large").get_attribute("src"))
        page.find("#move-to button").click()
    page.wait_for_text("#uncertain-count", "18")
    page.find("#close").click()
    assert len(list((tmp_path / "photos" / "cup").iterdir())) == 2
    assert page.browser.complaints() == []


def test_dialog_of_many_classes_fits_a_phone(page, wait_until, tmp_path, jpeg):
    names = [f"class {number}" for number in range(30)]
    for name in [*names, "x" * 64]:
        (tmp_path / "photos" / name).mkdir()
    (tmp_path / "photos" / "class 0" / "1.jpg").write_bytes(jpeg())
    wait_until(lambda: page.count("class 0") == 1 and page.count("x" * 64) == 0)
    page.open_photo("class 0")
    script = "const d = document.querySelector('#photo'); return "
    measure = page.driver.execute_script
    # Nothing is beside it, and the buttons below need no scrolling.
    assert measure(f"{script} d.scrollWidth <= d.clientWidth")
    page.wait_for_text("#close", "Close")
    wait_until(lambda: measure(f"{script} d.scrollHeight <= d.clientHeight"))
    assert page.browser.page_width_px() <= 390


def test_page_asks_for_the_token(browser, serve, camera_server, tmp_path, wait_until):
    # Not that of another test: cookies are the same for all ports.
    (tmp_path / "token").write_text("fedcba9876543210")
    served = serve(
        f"--source={camera_server.url}",
        *(f"--token_file={tmp_path}/token", f"--capture={tmp_path}/photos"),
    )
    browser.open(f"{served.url}/capture")
    field = browser.driver.find_element("id", "token")
    wait_until(field.is_displayed)
    field.send_keys("fedcba9876543210\n")
    page = Page(browser, served, wait_until)
    wait_until(lambda: page.find("#class-name").is_displayed())
    page.add("cup")
    assert (tmp_path / "photos" / "cup").is_dir()
