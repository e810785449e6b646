"""Reports in a real browser: no request, no error, searchable, foldable, readable at every width, light and dark."""

import shutil

import pytest

from flotilla.report.html import html
from tests.report_samples import pages

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

WIDTHS = {"phone": 390, "desktop": 1280}


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page; assert at the end that it loaded nothing and had no errors."""
    requests, troubles = [], []

    def opened(name, width=1280, scheme="light"):
        file = tmp_path / f"{name}.html"
        file.write_text(html(pages()[name]))
        page = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme).new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield opened
    assert all(url.startswith("file://") and url.endswith(".html") for url in requests)
    assert troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["fleet", "plan", "drift"])
def test_pages_fit_the_width_and_all_texts_have_enough_contrast(opened, name, width, scheme):
    page = opened(name, WIDTHS[width], scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    faint = page.evaluate(CONTRASTS)
    assert [entry for entry in faint if entry["ratio"] < 4.5] == []
    assert len(faint) > 10
    assert page.title() != "pwned"


def test_search_shows_matching_items_and_their_number(opened):
    page = opened("fleet")
    total = page.locator(".item").count()
    page.get_by_role("searchbox", name="Search").fill("member001 unhealthy")
    assert page.locator(".item:visible").count() == 1
    assert page.locator("#found").inner_text() == f"1 of {total}"
    page.get_by_role("searchbox").fill("")
    assert page.locator(".item:visible").count() == total


def test_differences_open_and_close_by_mouse_and_keyboard(opened):
    page = opened("plan")
    assert page.locator("ins:visible").count() == 0
    page.get_by_role("button", name="Open all").click()
    assert page.locator("ins:visible").count() == 3
    page.get_by_role("button", name="Close all").click()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("ins:visible").count() == 3


def test_a_screen_reader_gets_headings_landmarks_and_a_description_of_the_picture(opened):
    page = opened("fleet")
    reported = page.locator("body").aria_snapshot()
    for wanted in ("banner", "main", 'heading "Clusters (3)"', "search", 'img "Fleet of'):
        assert wanted in reported, reported
    assert "member001 (0/2 bad)" in page.locator("svg desc").text_content()


def test_a_name_with_a_script_is_not_executed(opened):
    page = opened("fleet")
    assert page.title().startswith("Fleet of dev <script>")
    assert page.evaluate("document.scripts.length") == 1


# The contrast (WCAG 2) of every text with its background.
CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const unseen = ["script", "style", "title", "desc"].includes(element.tagName.toLowerCase());
    if (unseen || !walker.currentNode.textContent.trim()) continue;
    const style = getComputedStyle(element);
    const ink = light(parse(element.closest("svg") ? style.fill : style.color));
    const paper = light(behind(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    found.push({ text: walker.currentNode.textContent.trim().slice(0, 40), ratio: Math.round(ratio * 100) / 100 });
  }
  return found;
}"""
