"""The page in a browser, opened from the disk and from its server: moved, drawn on, given bad files."""

from __future__ import annotations

import shutil
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib

import pytest

import zoo
from zoo.data import load_examples
from zoo.page.serve import served
from zoo.page.write import write_page

pytest.importorskip("onnxruntime")
webdriver = pytest.importorskip("selenium.webdriver")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (BROWSER and DRIVER):
    pytest.skip("no chromium and chromedriver here", allow_module_level=True)
PATIENCE = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    images = load_examples("digits", "test")
    target = tmp_path_factory.mktemp("page")
    return write_page(zoo.load("vae-digits-8"), images, "test", target).parent


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1200,1000"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(PATIENCE)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, folder):
    opened(browser, f"file://{folder}/index.html")
    yield browser
    assert not browser.get_log("browser")


def opened(browser, address: str) -> None:
    browser.get(address)
    until(browser, "return !!globalThis.zooView")


def until(browser, script: str):
    """What a script returns, once that is true."""
    for _ in range(10 * PATIENCE):
        if found := browser.execute_script(script):
            return found
        time.sleep(0.1)
    raise AssertionError(script + ": " + browser.execute_script("return document.body.innerText"))


def pixels(browser, name: str) -> str:
    return browser.execute_script(f"return document.getElementById('{name}').toDataURL()")


def changed(browser, name: str, before: str) -> str:
    return until(
        browser,
        f"const now = document.getElementById('{name}').toDataURL(); return now !== '{before}' && now",
    )


def set_slider(browser, selector: str, value: str) -> None:
    browser.execute_script(
        "const slider = document.querySelector(arguments[0]); slider.value = arguments[1];"
        "slider.dispatchEvent(new Event('input', {bubbles: true}))",
        selector,
        value,
    )


def given(browser, path) -> str:
    """What the page says to a file."""
    browser.find_element("id", "file").send_keys(str(path))
    return until(browser, "return document.getElementById('refusal').textContent")


def test_a_slider_moves_the_image(page):
    before = pixels(page, "image")
    set_slider(page, "#sliders input", "2.5")
    changed(page, "image", before)


def test_its_numbers_are_the_models(page, folder):
    """A decoded image, pixel by pixel, beside what the model gives in Python."""
    import torch

    page.execute_script("zooView.map.pick(5)")
    until(page, "return !document.getElementById('original-figure').hidden")
    script = (
        "const done = arguments[0]; zooView.model.decode(zooView.code).then((v) => done([...v]))"
    )
    found = torch.tensor(page.execute_async_script(script))
    model = zoo.load("vae-digits-8")
    x = load_examples("digits", "test").first(6)[5:].float() / 255
    expected = model.reconstruct(x).flatten()
    assert (found - expected).abs().max() < 1e-5


def test_a_point_of_the_map_shows_its_image_and_elbo(page):
    page.find_element("id", "map").click()
    shown = until(page, "return document.getElementById('numbers').innerText")
    assert "ELBO" in shown
    before = page.find_element("id", "original-name").text
    page.find_element("id", "map").send_keys("\ue014")  # the right arrow
    until(page, f"return document.getElementById('original-name').textContent !== '{before}'")


def test_a_path_leads_from_one_image_to_another(page):
    for number, end in ((0, "a"), (9, "b")):
        page.execute_script(f"zooView.map.pick({number})")
        page.find_element("id", f"path-{end}").click()
    until(page, "return document.getElementById('path').width > 8")
    before = pixels(page, "image")
    set_slider(page, "#path-place", "0.5")
    changed(page, "image", before)


def test_samples_follow_the_temperature(page):
    before = pixels(page, "samples")
    set_slider(page, "#temperature", "0")
    cold = changed(page, "samples", before)
    page.find_element("id", "again").click()
    time.sleep(0.5)
    assert pixels(page, "samples") == cold  # at 0 there is one code only


def test_a_drawing_is_encoded(page):
    actions = webdriver.ActionChains(page)
    actions.move_to_element(page.find_element("id", "pad")).click_and_hold()
    actions.move_by_offset(40, 60).release().perform()
    until(page, "return document.getElementById('original-name').textContent === 'your drawing'")


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("thesis.txt", b"no picture", "is not a PNG, JPEG, GIF, WebP or BMP image"),
        (
            "bomb.png",
            png(60_000, 60_000, zlib.compress(bytes(1000))),
            "at most 40 million are read",
        ),
        ("torn.png", png(8, 8, b"no pixels"), "may be damaged"),
        ("large.png", bytes(21_000_000), "at most 20 are read"),
    ],
)
def test_a_bad_file_is_refused_and_the_page_goes_on(page, tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    assert said in given(page, tmp_path / name)
    before = pixels(page, "image")
    set_slider(page, "#sliders input", "-2.5")
    changed(page, "image", before)


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_is_cut_off(page, width):
    page.set_window_size(width, 900)
    wide = page.execute_script("return document.documentElement.scrollWidth - innerWidth")
    page.set_window_size(1200, 1000)
    assert wide <= 0


def test_every_control_has_a_name(page):
    controls = page.find_elements("css selector", "button:not([hidden]), input, canvas")
    names = [one.accessible_name for one in controls if one.is_displayed()]
    assert all(names), names
    assert {"z 0", "Temperature", "Choose a file", "Map of codes"} <= set(names)


def test_a_server_gives_it_to_this_machine_alone(browser, folder):
    with served(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        opened(browser, address)
        for header in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(urllib.request.Request(address, headers=header))
        server.shutdown()
