"""The page of `mlt-s preview --html`, opened in a real Chromium from the file system, with no network."""

import base64
import io
import json
import re
import shutil

import numpy as np
import PIL.Image
import pytest
from archives import add_words, encoded, label_members, mlt, words_file, words_line, write_pairs, write_zip

import mlt_s_tools
from mlt_s_tools.cli import main
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.looking.page import LONGEST, WORD_COLORS, read_problems, write_page

pytestmark = pytest.mark.once

FLAGS = "--no-sandbox --headless=new --disable-gpu --disable-background-networking --disable-component-update"
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
HOSTILE = "<script>document.title='gone'<\" onerror=document.title='gone' x='&lt;"

# split, name -> (width, height), share of text, share of uncertain; the rest of a label map is background
PAIRS = {
    ("train", "img_1"): ((200, 150), 0.5, 0.25),
    ("train", "img_2"): ((200, 150), 0.0, 0.0),
    ("train", "img_10"): ((90, 160), 0.1, 0.6),
    ("train", HOSTILE): ((40, 40), 0.2, 0.1),
    ("validation", "img_2"): ((1600, 800), 0.3, 0.05),
}
HOSTILE_WORD = "</title><script>document.title='gone'</script>\" onerror=document.title='gone' x='&lt;###"

# Name of a training image -> its words: corners, script, transcription
WORDS = {
    "img_1": [
        ([(20, 100), (80, 90), (80, 130), (20, 140)], "Arabic", "صيدلية"),
        ([(110, 20), (190, 20), (190, 50), (110, 50)], "Latin", HOSTILE_WORD),
        ([(110, 90), (150, 90), (150, 120), (110, 120)], "None", "###"),
        ([(0, 0), (60, 0), (60, 20), (0, 20)], "Latin", "long" * 300),
    ],
    "img_2": [([(5.4, 5.6), (50, 5), (50, 30), (5, 30)], "Klingon", "Cafe\u0301")],
    "img_10": [],
}
BY_NAME = ["train img_1", "train img_2", "validation img_2", "train img_10"]


def label_of(size, text, uncertain):
    """Text on the left, background, uncertain on the right."""
    label = np.zeros((size[1], size[0]), np.uint8)
    label[:, : round(text * size[0])] = 1
    label[:, size[0] - round(uncertain * size[0]) :] = 255
    return encoded(PIL.Image.fromarray(label), "PNG")


def archives_of(folder, pairs):
    images = {key: encoded(PIL.Image.new("RGB", size, (100, 100, 100)), "PNG") for key, (size, _, _) in pairs.items()}
    labels = {key: label_of(*about) for key, about in pairs.items()}
    for split, archive in (("train", "ch8_training_images_1.zip"), ("validation", "ch8_validation_images.zip")):
        write_zip(folder / archive, {f"{name}.png": image for (of, name), image in images.items() if of == split})
    maps = [{name: label for (of, name), label in labels.items() if of == split} for split in ("train", "validation")]
    write_zip(folder / "MLT_S_labels.zip", label_members(*maps))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return archives_of(tmp_path_factory.mktemp("mlt"), PAIRS)


@pytest.fixture(scope="module")
def page_file(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "a page's name.html"
    assert main(["preview", str(folder), "--html", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def words_file_of_page(tmp_path_factory):
    """A page of the same pairs, with words."""
    folder = archives_of(tmp_path_factory.mktemp("mlt_with_words"), PAIRS)
    files = {f"gt_{name}.txt": words_file(*(words_line(*word) for word in words)) for name, words in WORDS.items()}
    write_zip(folder / "ch8_training_localization_transcription_gt_v2.zip", files)
    path = folder / "page.html"
    assert main(["preview", str(folder), "--html", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("The page is tested in Chromium, and there is none. On Debian: apt-get install -y chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*FLAGS.split(), "--disable-sync", "--no-first-run"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tabs(browser):
    """A tab for each kind of screen, opened when it is first asked for, and what went wrong in any of them."""
    opened, complaints = {}, []

    def note_request(request):
        if not request.url.startswith(("file:", "data:", "about:")):
            complaints.append(request.url)

    def tab(**options):
        if str(options) not in opened:
            context = browser.new_context(**options)
            context.set_offline(True)
            page = opened[str(options)] = context.new_page()
            page.set_default_timeout(10_000)
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", note_request)
        return opened[str(options)]

    return tab, complaints


@pytest.fixture
def visit(tabs):
    """Opens a page file; at the end there was no error on the console, and nothing else was asked for."""
    tab, complaints = tabs

    def visit(path, **options):
        page = tab(**{**DESKTOP, **options})
        page.goto("about:blank")  # nothing is left of the page before
        page.mouse.move(0, 0)
        page.goto(path.as_uri())
        return page

    yield visit
    found = [complaints.pop(0) for _ in complaints[:]]
    assert found == []


@pytest.fixture
def page(visit, page_file):
    return visit(page_file)


@pytest.fixture
def words_page(visit, words_file_of_page):
    return visit(words_file_of_page)


def shown(page):
    """Split and name of the pairs that are seen in the grid, in order, without the hostile one."""
    cards = page.eval_on_selector_all(
        ".pair", "cards => cards.filter(card => card.offsetWidth).map(card => [card.dataset.split, card.dataset.name])"
    )
    return [f"{split} {name}" for split, name in cards if name != HOSTILE]


def focused(page):
    return page.evaluate("(document.activeElement.closest('.pair') || {dataset: {}}).dataset.name")


def at_large(page):
    """Split and name in the large view; None in the grid."""
    if not page.is_visible("#large"):
        return None
    return page.inner_text("#about .title").split(" · ")[0]


def enlarge(page, name="img_1"):
    page.click(f".pair[data-name='{name}'] .name")
    page.wait_for_selector("#large", state="visible")


def pixels(page):
    return np.asarray(PIL.Image.open(io.BytesIO(page.screenshot())).convert("RGB"))


def color_at(page, across, down=0.5):
    """The colour in the large picture, at these shares of its width and height."""
    page.wait_for_function("[...document.querySelectorAll('#large img')].every(picture => picture.complete)")
    box = page.locator("#large .picture").bounding_box()
    at = box["y"] + down * box["height"], box["x"] + across * box["width"]
    return pixels(page)[round(at[0]), round(at[1])].astype(int).tolist()


def is_near(color, wanted, by=4):
    return all(abs(one - other) <= by for one, other in zip(color, wanted))


# --- What is there -------------------------------------------------------------------------------------------------


def test_it_shows_every_pair_with_both_pictures(page):
    assert shown(page) == BY_NAME
    assert page.inner_text("#count") == "5"
    for picture in page.query_selector_all(".pair img"):
        picture.evaluate("picture => picture.decode()")
        assert picture.evaluate("picture => picture.naturalWidth") > 0


def test_it_says_sizes_and_shares(page):
    enlarge(page)
    assert page.inner_text("#about .title") == "img_1 train · 200 × 150 · 2 of 5"
    assert page.inner_text("#about .facts").split("\n") == ["50.0% text", "25.0% uncertain"]


def test_pictures_are_no_larger_than_needed(page):
    sizes = page.eval_on_selector_all(
        ".image", "all => all.map(picture => [picture.naturalWidth, picture.naturalHeight])"
    )
    assert [LONGEST, LONGEST // 2] in sizes and [200, 150] in sizes


def test_a_hostile_name_is_text(page, page_file):
    assert page.title() == "MLT_S, 5 pairs"
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert page.evaluate("document.querySelectorAll('[onerror]').length") == 0
    assert HOSTILE in page.eval_on_selector_all(".pair .name", "all => all.map(name => name.textContent)")
    assert "<script>document" not in page_file.read_text(encoding="utf-8")


def test_no_script_runs_but_its_own(browser, page_file, tmp_path):
    """Even if a name were not escaped, the page's content security policy would stop it."""
    let_through = "<main><script>document.title = 'gone'</script><img src=x onerror=\"document.title = 'gone'\">"
    text = page_file.read_text(encoding="utf-8").replace("<main>", let_through)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() == "MLT_S, 5 pairs" and shown(page) == BY_NAME
    page.close()


def test_it_follows_the_system_to_dark_and_light(visit, page_file):
    for scheme, bright in (("light", True), ("dark", False)):
        corner = pixels(visit(page_file, color_scheme=scheme))[-4:, :4]
        assert (corner.mean() > 128) == bright


# --- The overlay ---------------------------------------------------------------------------------------------------


def test_the_label_map_has_the_published_colours(page):
    enlarge(page)
    page.keyboard.press("2")
    assert color_at(page, 0.25) == [255, 0, 0]
    assert color_at(page, 0.62) == [0, 0, 0]
    assert color_at(page, 0.9) == [255, 222, 0]


def test_the_slider_changes_how_strong_the_overlay_is(page):
    enlarge(page)
    for percent, text in ((0, [100, 100, 100]), (50, [178, 50, 50]), (100, [255, 0, 0])):
        page.fill("#strength", str(percent))
        assert (
            float(page.locator("#large .label").evaluate("label => getComputedStyle(label).opacity")) == percent / 100
        )
        assert is_near(color_at(page, 0.25), text)
        assert is_near(color_at(page, 0.62), [100, 100, 100])


def test_keys_switch_between_image_label_map_and_overlay(page):
    enlarge(page)
    page.fill("#strength", "100")
    page.keyboard.press("Tab")
    for key, text, background in (
        ("1", [100, 100, 100], [100, 100, 100]),
        ("2", [255, 0, 0], [0, 0, 0]),
        ("3", [255, 0, 0], [100, 100, 100]),
    ):
        page.keyboard.press(key)
        assert is_near(color_at(page, 0.25), text) and is_near(color_at(page, 0.62), background)
        assert page.get_by_role("radio", checked=True).count() == 1


def test_the_view_can_be_clicked(page):
    page.click("input[value=label]")
    assert page.locator("body").get_attribute("data-view") == "label"


def test_keys_change_the_strength(page):
    page.keyboard.press("-")
    page.keyboard.press("-")
    page.keyboard.press("+")
    assert page.input_value("#strength") == "60"


def test_thin_strokes_stay_visible(visit, tmp_path):
    label = np.zeros((1200, 1600), np.uint8)
    label[:, 801] = 1
    image = encoded(PIL.Image.new("RGB", (1600, 1200)), "PNG")
    write_zip(tmp_path / "ch8_training_images_1.zip", {"img_1.png": image})
    write_zip(tmp_path / "MLT_S_labels.zip", label_members({"img_1": encoded(PIL.Image.fromarray(label), "PNG")}, {}))
    assert main(["preview", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    page = visit(tmp_path / "page.html")
    enlarge(page)
    page.keyboard.press("2")
    color_at(page, 0.5)  # waits for the pictures
    assert pixels(page)[300:500, 400:900, 0].max(axis=1).min() >= 100


# --- Leafing -------------------------------------------------------------------------------------------------------


def test_arrow_keys_lead_through_the_grid_and_enter_to_the_large_view(page):
    page.fill("#name", "img_")
    page.keyboard.press("Enter")
    seen = [focused(page)]
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", "ArrowLeft"):
        page.keyboard.press(key)
        seen.append(focused(page))
    assert seen == ["img_1", "img_2", "img_2", "img_2", "img_10", "img_1", "img_1"]
    page.keyboard.press("Enter")
    assert at_large(page) == "img_1 train"


def test_up_and_down_go_by_rows(visit, tmp_path):
    mlt(tmp_path, train=9, validation=0)
    assert main(["preview", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    page = visit(tmp_path / "page.html")
    page.focus(".pair button")
    for key, name in (("ArrowDown", "img_5"), ("ArrowDown", "img_9"), ("ArrowUp", "img_5"), ("ArrowUp", "img_1")):
        page.keyboard.press(key)
        assert focused(page) == name


def test_what_has_the_focus_is_not_under_the_bar(visit, tmp_path):
    mlt(tmp_path, train=40, validation=0)
    assert main(["preview", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    page = visit(tmp_path / "page.html", viewport={"width": 900, "height": 600})
    page.focus(".pair button")
    for key in ["End"] + 8 * ["ArrowUp"]:
        page.keyboard.press(key)
        card, bar = page.locator(":focus").bounding_box(), page.locator("header").bounding_box()
        assert bar["height"] - 1 <= card["y"] and card["y"] + card["height"] <= 601


def test_arrow_keys_lead_through_the_large_view_and_escape_back(page):
    page.select_option("#split", "train")
    page.fill("#name", "img_")
    enlarge(page)
    for key, name in (("ArrowRight", "img_2"), ("ArrowRight", "img_10"), ("ArrowRight", "img_10"), ("Home", "img_1")):
        page.keyboard.press(key)
        assert at_large(page) == f"{name} train"
    page.keyboard.press("End")
    page.keyboard.press("Escape")
    page.wait_for_selector("#large", state="hidden")
    assert focused(page) == "img_10"


def test_buttons_lead_through_the_large_view(page):
    enlarge(page)
    page.click("#next")
    assert at_large(page) == "img_2 train"
    page.click("#previous")
    assert at_large(page) == "img_1 train"
    page.click("#back")
    page.wait_for_selector("#large", state="hidden")


def test_the_browsers_back_leads_to_the_grid(page):
    enlarge(page)
    page.keyboard.press("ArrowRight")
    page.go_back()
    page.wait_for_selector("#large", state="hidden")
    assert shown(page) == BY_NAME


def test_a_reload_keeps_the_pair(page):
    enlarge(page)
    page.reload()
    assert at_large(page) == "img_1 train"
    page.keyboard.press("Escape")
    page.wait_for_selector("#large", state="hidden")


# --- Sort and filter -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order, names",
    [
        ("name", BY_NAME),
        ("text", ["train img_1", "validation img_2", "train img_10", "train img_2"]),
        ("text-up", ["train img_2", "train img_10", "validation img_2", "train img_1"]),
        ("uncertain", ["train img_10", "train img_1", "validation img_2", "train img_2"]),
        ("uncertain-up", ["train img_2", "validation img_2", "train img_1", "train img_10"]),
    ],
)
def test_it_sorts(page, order, names):
    page.select_option("#sort", order)
    assert shown(page) == names


def test_it_filters_by_split_and_name(page):
    page.select_option("#split", "train")
    assert shown(page) == ["train img_1", "train img_2", "train img_10"]
    page.fill("#name", "IMG_1")
    assert shown(page) == ["train img_1", "train img_10"]
    assert page.inner_text("#count") == "2 of 5"
    page.fill("#name", "nothing")
    assert shown(page) == [] and page.is_visible("#none")


def test_the_large_view_follows_sort_and_filter(page):
    page.select_option("#split", "train")
    page.select_option("#sort", "uncertain")
    enlarge(page, "img_10")
    page.keyboard.press("ArrowRight")
    assert at_large(page) == "img_1 train"


def test_without_problems_there_is_no_such_order(page):
    assert page.query_selector("#sort option[value=problems]") is None


# --- By keyboard and by finger -------------------------------------------------------------------------------------


def tab_stops(page):
    """The elements that Tab reaches, and whether their focus is visible."""
    stops = []
    for _ in range(20):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
                const it = document.activeElement;
                const drawn = it.type === "radio" ? it.nextElementSibling : it;
                const name = it.id || it.name || (it.closest(".pair") ? "pair" : it.localName);
                return [name, getComputedStyle(drawn).outlineStyle];
            }"""
        )
        if stop[0] == "body" or stop in stops:
            break
        stops.append(stop)
    return stops


def test_tab_reaches_everything_and_shows_where_it_is(page):
    assert tab_stops(page) == [
        [name, "solid"] for name in ("name", "split", "sort", "view", "strength", "help", "pair")
    ]


def test_tab_reaches_everything_in_the_large_view(page):
    page.keyboard.press("/")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector("#large", state="visible")
    names = {name for name, outline in tab_stops(page) if outline == "solid"}
    page.keyboard.press("Shift+Tab")
    assert {"previous", "next"} <= names
    page.evaluate("document.activeElement.blur()")
    page.focus("#back")
    assert {"view", "strength", "help"} <= {name for name, outline in tab_stops(page) if outline == "solid"}


def test_controls_keep_their_own_keys(page):
    page.focus("#strength")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#strength") == "75"
    page.focus("#name")
    page.keyboard.type("1-/?")
    assert page.input_value("#name") == "1-/?"
    assert page.locator("body").get_attribute("data-view") == "overlay"


def test_it_tells_its_keys(page):
    page.keyboard.press("?")
    told = " ".join(page.locator("#keys kbd").all_inner_texts())
    assert told == "← → ↑ ↓ Home End Enter Esc 1 2 3 − + / ?"
    page.keyboard.press("Escape")
    assert not page.is_visible("#keys")


def test_every_control_has_a_name(page):
    enlarge(page)
    page.keyboard.press("Escape")
    for control in page.query_selector_all("input, select, button"):
        assert control.evaluate("it => it.ariaLabel || (it.labels[0] || it).textContent").strip()


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_the_screen(visit, page_file, width):
    page = visit(page_file, **{**PHONE, "viewport": {"width": width, "height": 740}})
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.tap(".pair[data-name=img_10] button") if at_large(page) is None else None


def test_on_a_phone_the_picture_is_the_point(visit, page_file):
    page = visit(page_file, **PHONE)
    page.tap(".pair[data-name=img_10] button")
    page.wait_for_selector("#large", state="visible")
    stage = page.locator("#large .stage").bounding_box()
    assert stage["width"] == 360 and stage["height"] > 0.75 * 740
    assert page.evaluate("document.documentElement.scrollHeight") <= 740
    for name in ("#back", "#next", "#previous"):
        box = page.locator(name).bounding_box()
        assert box["height"] >= 44 and box["y"] >= 0 and box["y"] + box["height"] <= 740


def swipe(page, start, end, height=300):
    """Swipes over the large picture, by the DevTools protocol."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start, "y": height}]})
    for x in np.linspace(start, end, 6):
        session.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": float(x), "y": height + 2}]}
        )
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_swipe_leafs(visit, page_file):
    page = visit(page_file, **PHONE)
    page.tap(".pair[data-name=img_1] button")
    page.wait_for_selector("#large", state="visible")
    swipe(page, 300, 60)
    page.wait_for_function("document.querySelector('#about .name').textContent === 'img_2'")
    swipe(page, 60, 300)
    page.wait_for_function("document.querySelector('#about .name').textContent === 'img_1'")


# --- Words ---------------------------------------------------------------------------------------------------------


def told(page):
    """What the tooltip says: transcription and script; None where there is none."""
    if not page.is_visible("#tip"):
        return None
    return page.inner_text("#reading"), page.inner_text("#script")


def outline_at(page, x, y):
    """The colour of the large picture that is nearest to a word's, around a pixel of img_1, which is 200 x 150."""
    color_at(page, 0.5)  # waits for the pictures
    box = page.locator("#large .picture").bounding_box()
    down, across = (round(box["y"] + (y + 0.5) / 150 * box["height"]), round(box["x"] + (x + 0.5) / 200 * box["width"]))
    around = pixels(page)[down - 2 : down + 3, across - 2 : across + 3].reshape(-1, 3).astype(int)
    return min(
        around.tolist(), key=lambda color: min(np.abs(np.subtract(color, one)).max() for one in WORD_COLORS.values())
    )


def test_words_are_polygons_in_pixels_of_the_stored_image(words_page):
    words = words_page.eval_on_selector_all(
        ".pair[data-name=img_2] polygon",
        """all => all.map(word => {
            const { x, y, width, height } = word.closest("svg").viewBox.baseVal;
            const { script, transcription } = word.dataset;
            return [word.getAttribute("points"), script, transcription, [x, y, width, height]];
        })""",
    )
    assert words == [["5,6 50,5 50,30 5,30", "unknown", "Cafe\u0301", [-0.5, -0.5, 200, 150]]]


def test_words_are_outlined_where_they_are(words_page):
    enlarge(words_page)
    words_page.keyboard.press("1")
    for x, y in [(150, 20), (190, 35), (20, 120), (50, 95)]:
        assert is_near(outline_at(words_page, x, y), WORD_COLORS["word"], 12)
    corners = [outline_at(words_page, x, y) for x, y in [(110, 90), (150, 90), (150, 120), (110, 120)]]
    assert any(is_near(corner, WORD_COLORS["unreadable"], 12) for corner in corners)  # the line is dashed
    assert is_near(color_at(words_page, 0.75, 0.4), [100, 100, 100])


def test_words_are_told_on_hovering_in_the_grid_and_at_large(words_page):
    words_page.hover(".pair[data-name=img_1] polygon >> nth=0")
    assert told(words_page) == ("صيدلية", "Script: Arabic")
    words_page.hover("h1")
    assert told(words_page) is None
    enlarge(words_page)
    for number, wanted in enumerate([("صيدلية", "Script: Arabic"), (HOSTILE_WORD, "Script: Latin")]):
        words_page.hover(f"#large polygon >> nth={number}")
        assert told(words_page) == wanted
    words_page.keyboard.press("ArrowRight")
    assert told(words_page) is None


def test_an_unreadable_word_is_told_as_such(words_page):
    enlarge(words_page)
    words_page.hover("#large polygon >> nth=2")
    assert told(words_page) == ("unreadable", "Script: None")


def test_a_script_that_reads_from_the_right_does(words_page):
    enlarge(words_page)
    for number, direction, language in ((0, "rtl", "ar"), (1, "ltr", "")):
        words_page.hover(f"#large polygon >> nth={number}")
        found = words_page.eval_on_selector("#reading", "it => [getComputedStyle(it).direction, it.lang]")
        assert found == [direction, language]


@pytest.mark.parametrize("width", [320, 1280])
def test_a_long_word_stays_on_the_screen(visit, words_file_of_page, width):
    page = visit(words_file_of_page, viewport={"width": width, "height": 700})
    enlarge(page)
    for number in range(4):
        page.hover(f"#large polygon >> nth={number}")
        tip = page.locator("#tip").bounding_box()
        assert tip["x"] >= 0 and tip["x"] + tip["width"] <= width
        assert tip["y"] >= 0 and tip["y"] + tip["height"] <= 700 and tip["height"] < 300


def test_tab_leads_through_the_words_of_the_large_view(words_page):
    enlarge(words_page)
    seen = []
    for _ in range(5):
        words_page.keyboard.press("Tab")
        seen.append((told(words_page) or ("",))[0])
    assert seen == ["صيدلية", HOSTILE_WORD, "unreadable", "long" * 300, ""]
    names = words_page.eval_on_selector_all("#large polygon", "all => all.map(word => word.ariaLabel)")
    assert names[0] == "صيدلية. Script: Arabic" and names[2] == "unreadable. Script: None"


def test_words_of_the_grid_are_no_stops_for_tab(words_page):
    assert [name for name, _ in tab_stops(words_page)] == [
        *("name", "split", "sort", "view", "strength", "words", "help", "pair")
    ]


def test_a_tap_on_a_word_shows_its_transcription_and_a_tap_elsewhere_hides_it(visit, words_file_of_page):
    page = visit(words_file_of_page, **PHONE)
    page.tap(".pair[data-name=img_1] polygon >> nth=0")
    page.wait_for_selector("#large", state="visible")
    assert told(page) is None
    page.tap("#large polygon >> nth=0")
    assert told(page) == ("صيدلية", "Script: Arabic")
    page.tap("#about")
    assert told(page) is None


def test_a_finger_that_goes_down_to_scroll_tells_nothing(visit, words_file_of_page):
    page = visit(words_file_of_page, **PHONE)
    box = page.locator(".pair[data-name=img_1] polygon >> nth=0").bounding_box()
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [middle]})
    assert told(page) is None
    session.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})


def test_a_swipe_over_a_word_leafs(visit, words_file_of_page):
    page = visit(words_file_of_page, **PHONE)
    page.tap(".pair[data-name=img_1] .name")
    page.wait_for_selector("#large", state="visible")
    box = page.locator("#large polygon >> nth=0").bounding_box()
    swipe(page, box["x"] + box["width"] / 2 + 60, box["x"], box["y"] + box["height"] / 2)
    page.wait_for_function("document.querySelector('#about .name').textContent === 'img_2'")
    assert told(page) is None


def test_words_can_be_switched_off_and_on(words_page):
    enlarge(words_page)
    for switch in (lambda: words_page.keyboard.press("w"), lambda: words_page.click("#words")):
        for is_on in (False, True):
            switch()
            assert words_page.is_checked("#words") == is_on
            assert words_page.is_visible("#large .words") == is_on
    words_page.keyboard.press("1")  # the box has the focus, and keeps no key but its own
    assert words_page.locator("body").get_attribute("data-view") == "image"


def test_a_hostile_transcription_is_text(words_page, words_file_of_page):
    enlarge(words_page)
    words_page.hover("#large polygon >> nth=1")
    assert words_page.title() == "MLT_S, 5 pairs"
    assert words_page.evaluate("document.querySelectorAll('script').length") == 1
    assert words_page.evaluate("document.querySelectorAll('[onerror]').length") == 0
    assert "<script>document" not in words_file_of_page.read_text(encoding="utf-8")


def test_it_counts_words(words_page):
    facts = {
        name: words_page.inner_text(f".pair[data-split=train][data-name={name}] .facts").split("\n")[2:]
        for name in ("img_1", "img_2", "img_10")
    }
    assert facts == {"img_1": ["4 words", "1 unreadable"], "img_2": ["1 word"], "img_10": ["0 words"]}
    assert "word" not in words_page.inner_text(".pair[data-split=validation] .facts")


@pytest.mark.parametrize("word, found", [("دلي", ["img_1"]), ("CAFÉ", ["img_2"]), ("img_10", ["img_10"])])
def test_it_finds_the_images_of_a_word(words_page, word, found):
    assert words_page.get_by_label("Name or word").get_attribute("id") == "name"
    words_page.fill("#name", word)
    assert shown(words_page) == [f"train {name}" for name in found]
    sought = words_page.eval_on_selector_all(".sought", "all => all.map(word => word.dataset.transcription)")
    assert len(sought) == (word != "img_10")


def test_it_finds_the_images_of_a_script(words_page):
    words_page.fill("#name", "arabic")
    assert shown(words_page) == ["train img_1"]
    assert words_page.eval_on_selector_all(".sought", "all => all.map(word => word.dataset.script)") == ["Arabic"]


def test_without_ground_truth_there_is_nothing_of_words(page):
    page.keyboard.press("w")
    page.keyboard.press("?")
    assert "word" not in page.inner_text("body").lower()
    assert page.query_selector("#words") is None and page.query_selector(".words") is None


@pytest.mark.parametrize("width", [320, 360, 768])
def test_with_words_too_nothing_is_wider_than_the_screen(visit, words_file_of_page, width):
    page = visit(words_file_of_page, **{**PHONE, "viewport": {"width": width, "height": 740}})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.tap(".pair[data-name=img_1] .name")
    page.wait_for_selector("#large", state="visible")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#strength").bounding_box()["width"] >= 60
    assert page.locator("#large .stage").bounding_box()["height"] > 0.6 * 740


def test_ground_truth_that_cannot_be_read_is_a_problem_of_its_pair(visit, tmp_path, capsys):
    add_words(mlt(tmp_path, train=2, validation=2), [], [1, 2])
    write_zip(tmp_path / "ch8_training_localization_transcription_gt_v2.zip", {"gt_img_2.txt": b"1,2,<b>"})
    assert main(["preview", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    assert "mlt-s: " in capsys.readouterr().err
    page = visit(tmp_path / "page.html")
    assert shown(page)[0] == "train img_2" and page.query_selector(".unread") is None
    enlarge(page, "img_2")
    problem = page.inner_text("#about .problems")
    assert "gt_img_2.txt, line 1, is not a valid ground-truth line" in problem and "'1,2,<b>'" in problem
    assert page.locator("#large :is(.image, .label)").count() == 2 and page.locator("#large polygon").count() == 0


# --- What a check found, and what cannot be read -------------------------------------------------------------------


def report_of(tmp_path, problems=(), notes=(), pixels=None):
    path = tmp_path / "check.json"
    path.write_text(json.dumps({"problems": list(problems), "notes": list(notes), "pixels": pixels}), encoding="utf-8")
    return path


def found(split, image_id, text):
    return {"kind": "size", "split": split, "image_id": image_id, "text": text}


def test_it_sorts_by_what_a_check_found(visit, folder, tmp_path):
    outside = [
        {"split": "train", "image_id": "img_2", "share": 0.4},
        {"split": "train", "image_id": "img_1", "share": 0.01},
    ]
    report = report_of(
        tmp_path,
        [found("validation", "img_2", "<b>odd</b>"), found(None, None, "an archive is missing")],
        [found("validation", "img_2", "and more"), found("train", "img_10", "EXIF")],
        {"outside": outside},
    )
    path = tmp_path / "page.html"
    assert main(["preview", str(folder), "--html", str(path), "--check", str(report)]) == 0
    page = visit(path)
    assert shown(page) == ["validation img_2", "train img_10", "train img_2", "train img_1"]
    page.focus(".pair button")
    page.keyboard.press("Enter")
    assert page.locator("#about .problems li").all_inner_texts() == ["<b>odd</b>", "and more"]


@pytest.mark.parametrize(
    "problems, said",
    [
        ([], "The check found no problem in any pair."),
        ([found(None, None, "an archive is missing")], "The check found no problem in any pair."),
        ([found("train", "<b>{{pairs}}", "odd")], "in 1 pair not shown here, such as train <b>{{pairs}}."),
        ([found("train", "img_2", "odd")], None),
    ],
    ids=["none", "of the whole set", "of another pair", "of a pair that is shown"],
)
def test_it_says_where_a_check_found_nothing_of_its_pairs(visit, folder, tmp_path, problems, said):
    report, path = report_of(tmp_path, problems), tmp_path / "page.html"
    assert main(["preview", str(folder), "--html", str(path), "--check", str(report)]) == 0
    page = visit(path)
    assert len(shown(page)) == 4
    assert page.locator("#checked").count() == (said is not None)
    assert said is None or said in page.inner_text("#checked")


def test_without_a_check_it_says_nothing_of_one(visit, folder, tmp_path):
    assert main(["preview", str(folder), "--html", str(tmp_path / "page.html")]) == 0
    assert visit(tmp_path / "page.html").locator("#checked").count() == 0


def test_an_overlay_that_the_picture_would_hide_is_outlined(visit, tmp_path):
    """In the overlay alone, and only of the pair that needs it."""
    red, label = PIL.Image.new("RGB", (60, 40), (190, 25, 30)), PIL.Image.new("L", (60, 40))
    label.paste(1, (20, 10, 40, 30))
    blue = PIL.Image.new("RGB", (60, 40), (40, 60, 120))
    images = {"red.png": red, "blue.png": blue}
    pairs = {name: (encoded(image, "PNG"), encoded(label, "PNG")) for name, image in images.items()}
    assert main(["preview", str(write_pairs(tmp_path / "mlt", pairs)), "--html", str(tmp_path / "page.html")]) == 0
    page = visit(tmp_path / "page.html")
    assert page.locator(".outline").count() == page.locator("[data-name=red] .outline").count() == 1
    for key, visible in ("1", "hidden"), ("2", "hidden"), ("3", "visible"):
        page.keyboard.press(key)
        assert page.evaluate("getComputedStyle(document.querySelector('.outline')).visibility") == visible
    layer = page.get_attribute(".outline", "src").split(",")[1]
    drawn = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(layer))).convert("RGBA"))
    assert drawn[9, 25:35, 3].min() > 150 and (drawn[9, 25:35, :3] == 255).all() and not drawn[20, 30, 3]


def test_it_reads_what_a_check_writes(folder, tmp_path):
    turned = dict(PAIRS)
    turned["train", "img_1"] = ((150, 149), 0.5, 0.25)
    archives_of(tmp_path / "mlt", turned)
    shutil.copy(folder / "ch8_training_images_1.zip", tmp_path / "mlt")
    main(["check", str(tmp_path / "mlt"), "--pixels", "--jobs", "1", "--json", str(tmp_path / "check.json")])
    assert ("train", "img_1") in read_problems(tmp_path / "check.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"problems": 1, "notes": 2}'])
def test_what_is_no_report_is_refused(folder, tmp_path, text, capsys):
    path = tmp_path / "check.json"
    path.write_text(text)
    assert main(["preview", str(folder), "--html", str(tmp_path / "page.html"), "--check", str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said and "mlt-s check --json" in said
    assert not (tmp_path / "page.html").exists()


def test_a_check_that_found_no_folder_is_said(folder, tmp_path, capsys):
    assert main(["check", str(tmp_path / "nowhere"), "--json", str(tmp_path / "check.json")]) == 2
    capsys.readouterr()
    words = ["--html", str(tmp_path / "page.html"), "--check", str(tmp_path / "check.json")]
    assert main(["preview", str(folder), *words]) == 2
    said = capsys.readouterr().err
    assert "check.json is from a check" in said and f"There is nothing at {tmp_path}" in said


def test_a_pair_that_cannot_be_read_stands_there_with_the_reason(visit, tmp_path, capsys):
    mlt(tmp_path, train=3, validation=0)
    write_zip(tmp_path / "ch8_training_images_2.zip", {"img_3.jpg": b"no picture"})
    assert main(["preview", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    assert "member img_3.jpg is not an image" in capsys.readouterr().err
    page = visit(tmp_path / "page.html")
    assert shown(page) == ["train img_3", "train img_1", "train img_2"]
    enlarge(page, "img_3")
    assert "member img_3.jpg is not an image" in page.inner_text("#about .problems")


# --- Writing it ----------------------------------------------------------------------------------------------------


def no_words(choice):
    return None


def test_it_refers_to_nothing_outside(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(", re.sub(r'"data:image/[^"]*"', "", text).split("<script>", 1)[0]
    )
    assert set(re.findall(r'\b(?:src|href)="(.{11})', text)) == {"data:image/"}


def test_a_pair_takes_less_than_60_kilobytes(tmp_path):
    path = tmp_path / "page.html"
    assert main(["preview", str(mlt_s_tools.SAMPLE), "--html", str(path)]) == 0
    assert path.stat().st_size < 60_000 * len(Source(mlt_s_tools.SAMPLE).choices)


def test_a_page_is_whole_or_not_there(folder, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("an older one")
    source = Source(folder)

    def read(choice):
        if choice == source.choices[2]:
            raise KeyboardInterrupt
        return source.read(choice)

    with pytest.raises(KeyboardInterrupt):
        write_page(path, source.choices, read, source.read_words)
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"] and path.read_text() == "an older one"


def test_it_is_written_pair_by_pair(folder, tmp_path):
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8))
    sizes = []

    def read(choice):
        (part,) = tmp_path.glob("*.part")
        sizes.append(part.stat().st_size)
        return {"image": noise, "label": PIL.Image.new("L", noise.size)}

    write_page(tmp_path / "page.html", Source(folder).choices, read, no_words)
    assert all(later - earlier > 100_000 for earlier, later in zip(sizes, sizes[1:]))


def test_a_name_that_is_no_unicode_is_spelled_out(tmp_path):
    choice = Source(mlt(tmp_path, train=1, validation=0)).choices[0]
    odd = choice._replace(pair=choice.pair._replace(image_id="img_\udcff"))
    example = {"image": PIL.Image.new("RGB", (8, 6)), "label": PIL.Image.new("L", (8, 6))}
    write_page(tmp_path / "page.html", [odd], lambda _: example, no_words)
    assert '<span class="name">img_\\udcff</span>' in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_pictures_of_any_shape_are_taken(size, tmp_path):
    choice = Source(mlt(tmp_path, train=1, validation=0)).choices[0]
    example = {"image": PIL.Image.new("RGB", size), "label": PIL.Image.new("L", size, 1)}
    assert write_page(tmp_path / "page.html", [choice], lambda _: example, no_words) == []


def test_a_page_that_cannot_be_written_is_said(folder, tmp_path, capsys):
    assert main(["preview", str(folder), "--html", str(tmp_path / "missing" / "page.html")]) == 2
    assert "missing" in capsys.readouterr().err
