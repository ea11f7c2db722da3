"""The page at /docs in a real Chromium, at real servers.

`MODELMOOR_SCREENSHOT=docs/try-a-prediction.png` writes the picture of the docs anew.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from unit.serving.process import Started, by_hand, started

pytestmark = pytest.mark.slow
expect.set_options(timeout=30_000)  # milliseconds; a machine that runs other tests beside this one takes its time
ROOT = Path(__file__).parents[4]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    found = subprocess.run([ROOT / "tools" / "chromium.sh"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"no Chromium can be installed here: {found.stderr.strip().splitlines()[-1]}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.stdout.strip(), args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page, what its console said, and where it sent requests."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def predict(self) -> None:
        """Press the button and wait for the answer."""
        self.page.get_by_role("button", name="Predict").click()
        expect(self.page.get_by_role("status")).to_contain_text("Answered in")

    def values(self, output: str) -> dict[str, str]:
        """The shown values of one output, by place or label."""
        title = self.page.get_by_role("heading", level=3).filter(has_text=output)
        rows = title.locator("xpath=following-sibling::*[1]").locator("tr").all()
        return {row.locator("th").inner_text(): row.locator("td").first.inner_text() for row in rows}

    def value(self, output: str) -> str:
        """The one shown value of an output."""
        title = self.page.get_by_role("heading", level=3).filter(has_text=output)
        return title.locator("xpath=following-sibling::*[1]").inner_text()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """An empty page. At the end nothing must have been complained about, and no other server asked."""
    page = browser.new_page(viewport={"width": 1100, "height": 760})
    opened = Opened(page)
    page.on("console", lambda message: opened.said.append(message.text))
    page.on("pageerror", lambda error: opened.said.append(error.message))
    page.on("request", lambda request: opened.asked.append(request.url))
    yield opened
    origin = "/".join(page.url.split("/")[:3])
    page.close()
    assert all(url.startswith(f"{origin}/") for url in opened.asked)
    # a refused prediction is told by the browser, too; a breach of the policy or an exception would be another line
    assert [line for line in opened.said if "the server responded with a status of 400" not in line] == []


def _open(opened: Opened, server: Started, model: str) -> Page:
    opened.page.goto(f"http://127.0.0.1:{server.port}/docs?model={model}")
    expect(opened.page.locator("main")).to_be_visible()
    expect(opened.page.locator("#about")).to_contain_text(model)
    return opened.page


def test_table(opened: Opened, doors: Started, models: Path) -> None:
    """A table's columns are fields by their names; an empty one is a missing value."""
    page = _open(opened, doors, "people")
    model = joblib.load(models / "people.joblib")
    page.get_by_label("predict_proba").check()
    for age, city in (("41", "Rome"), ("", "Paris")):
        page.get_by_label("age").fill(age)
        page.get_by_label("city").fill(city)
        opened.predict()
        row = pd.DataFrame({"age": [float(age or "nan")], "city": [city]})

        assert opened.value("predict ·") == str(model.predict(row)[0])
        shown = opened.values("predict_proba")
        assert {label: float(share) for label, share in shown.items()} == pytest.approx(
            dict(zip(["0", "1"], model.predict_proba(row)[0], strict=True)), rel=1e-12
        )


def test_matrix(opened: Opened, doors: Started, models: Path) -> None:
    """A short row of numbers is a grid of fields; scores stand by their labels."""
    page = _open(opened, doors, "iris")
    numbers = [5.1, 3.5, 1.4, 0.2]
    for index, number in enumerate(numbers):
        page.get_by_label(str(index), exact=True).fill(str(number))
    page.get_by_label("predict_proba").check()
    page.get_by_label("decision_function").uncheck()
    opened.predict()
    model = joblib.load(models / "iris.joblib")

    assert opened.value("predict ·") == model.predict([numbers])[0]
    shown = {label: float(share) for label, share in opened.values("predict_proba").items()}
    assert shown == pytest.approx(dict(zip(model.classes_, model.predict_proba([numbers])[0], strict=True)), rel=1e-12)


def test_picture_of_the_docs(opened: Opened, tmp_path: Path) -> None:
    """What the docs show: a classifier of flowers, trained on a table."""
    flowers = load_iris(as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(flowers.data, flowers.target_names[flowers.target])
    joblib.dump(model, tmp_path / "iris.joblib")
    row = dict(zip(flowers.data, (5.9, 3.0, 4.9, 1.7), strict=True))
    with started(by_hand(tmp_path, "iris")) as server:
        server.event("Ready")
        page = _open(opened, server, "iris")
        for name, value in row.items():
            page.get_by_label(name).fill(str(value))
        page.get_by_label("predict_proba").check()
        page.get_by_label("decision_function").uncheck()
        opened.predict()
        picture = Path(os.environ.get("MODELMOOR_SCREENSHOT") or tmp_path / "page.png")
        page.set_viewport_size({"width": 960, "height": 500})
        page.screenshot(path=picture, full_page=True)

        assert opened.value("predict ·") == model.predict(pd.DataFrame([row]))[0]
        shown = {label: float(share) for label, share in opened.values("predict_proba").items()}
        expected = dict(zip(model.classes_, model.predict_proba(pd.DataFrame([row]))[0], strict=True))
        assert shown == pytest.approx(expected, rel=1e-12)
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_text(opened: Opened, doors: Started) -> None:
    """A text model takes what is written, quotes and all."""
    page = _open(opened, doors, "text")
    for text, label in (("good day", "1"), ('a "bad"\nnight \\', "0")):
        page.get_by_label("text").or_(page.get_by_label("input")).first.fill(text)
        opened.predict()

        assert opened.value("predict ·") == label


def test_tensors(opened: Opened, tensorflow: Started) -> None:
    """Nested lists are written as JSON; a whole number of 64 bits loses no digit on its way there and back."""
    page = _open(opened, tensorflow, "picture")
    page.get_by_label("pixels").fill("[[1, 2, 3], [4, 5, 6], [7, 8, 9.5]]")
    page.get_by_label("n", exact=True).fill("9007199254740993")
    opened.predict()

    assert opened.value("light") == "45.5"
    assert opened.value("next") == "9007199254740994"


def test_what_is_wrong_is_told_at_its_field(opened: Opened, doors: Started) -> None:
    """What is no number is told beside its field, which gets the focus; nothing is sent."""
    page = _open(opened, doors, "sum")
    wrong = page.get_by_label("1", exact=True)
    wrong.fill("many")
    before = len(opened.asked)
    page.get_by_role("button", name="Predict").click()

    expect(wrong).to_be_focused()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("This is not a number.")).to_be_visible()
    assert len(opened.asked) == before


def test_what_the_server_refuses_is_told(opened: Opened, doors: Started) -> None:
    """The server's own sentence is shown, and announced; the next prediction clears it."""
    page = _open(opened, doors, "sum")
    page.get_by_label("0", exact=True).fill("")
    page.get_by_role("button", name="Predict").click()

    expect(page.get_by_role("alert")).to_contain_text("input 'input', row 0: this model takes no missing")
    page.get_by_label("0", exact=True).fill("1")
    opened.predict()
    expect(page.get_by_role("alert")).to_be_empty()


def test_below_a_path(opened: Opened, doors: Started) -> None:
    """Behind a gateway that puts a path in front, everything is found and asked below that path."""
    origin = f"http://127.0.0.1:{doors.port}"
    opened.page.route(f"{origin}/gate/**", lambda route: route.continue_(url=route.request.url.replace("/gate/", "/")))
    opened.page.goto(f"{origin}/gate/docs?model=sum")
    opened.predict()

    assert all(url.startswith(f"{origin}/gate/") for url in opened.asked)


def test_by_hand_and_by_keyboard(opened: Opened, doors: Started, models: Path) -> None:
    """The whole request can be written by hand, and everything be done without a mouse."""
    page = _open(opened, doors, "sum")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Body of the request, JSON")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(
        '{"inputs": [{"name": "x", "shape": [2, 3], "datatype": "INT64", "data": [1,0,0, 0,1,1]}]}'
    )
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Answered in")

    shown = [float(value) for value in opened.values("predict ·").values()]
    rows = [[1, 0, 0], [0, 1, 1]]
    assert shown == pytest.approx(joblib.load(models / "sum.joblib").predict(rows).tolist(), rel=1e-12)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("model", ["iris", "people", "text"])
def test_accessible(browser: Browser, doors: Started, model: str, scheme: str) -> None:
    """axe finds nothing to say against the page, in either colour scheme, with an answer on it."""
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    opened = Opened(page)
    _open(opened, doors, model)
    opened.predict()
    for summary in page.locator("summary").all():
        summary.click()
    found = Axe().run(page)
    page.close()

    assert found.violations_count == 0, found.generate_report()


def test_policy(doors: Started) -> None:
    """The page's own files are all that it may load and run, and nobody may frame it."""
    for path in ("/docs", "/docs/page.js", "/docs/page.css"):
        status, headers, body = doors.exchange("GET", path)

        assert status == 200
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; "
        )
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert b"http://" not in body
        assert b"https://" not in body
