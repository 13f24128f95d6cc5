"""The page of `mlt-s preview --html`, opened in a real Chromium from the file system, with no network."""

import io
import json
import re
import shutil

import numpy as np
import PIL.Image
import pytest
from archives import encoded, label_members, mlt, write_zip

import mlt_s_tools
from mlt_s_tools.choose import Source
from mlt_s_tools.cli import main
from mlt_s_tools.page import LONGEST, read_problems, write_page

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


@pytest.fixture
def visit(browser):
    """Opens a page file; at the end there was no error on the console, and nothing else was asked for."""
    contexts, complaints = [], []

    def note_request(request):
        if not request.url.startswith(("file:", "data:")):
            complaints.append(request.url)

    def visit(path, **options):
        context = browser.new_context(**{**DESKTOP, **options})
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", note_request)
        page.goto(path.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(visit, page_file):
    return visit(page_file)


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
    page.click(f".pair[data-name='{name}'] button")
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
    """Were a name ever let through, the policy of the page would still stop it."""
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
    """What Tab reaches, and whether one sees that it is there."""
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


def swipe(page, start, end):
    """A finger's way over the large picture, by the protocol of the browser's own tools."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start, "y": 300}]})
    for x in np.linspace(start, end, 6):
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": float(x), "y": 302}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_swipe_leafs(visit, page_file):
    page = visit(page_file, **PHONE)
    page.tap(".pair[data-name=img_1] button")
    page.wait_for_selector("#large", state="visible")
    swipe(page, 300, 60)
    page.wait_for_function("document.querySelector('#about .name').textContent === 'img_2'")
    swipe(page, 60, 300)
    page.wait_for_function("document.querySelector('#about .name').textContent === 'img_1'")


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
    assert f"{path} is not what mlt-s check --json writes" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_check_that_found_no_folder_is_said(folder, tmp_path, capsys):
    assert main(["check", str(tmp_path / "nowhere"), "--json", str(tmp_path / "check.json")]) == 2
    capsys.readouterr()
    words = ["--html", str(tmp_path / "page.html"), "--check", str(tmp_path / "check.json")]
    assert main(["preview", str(folder), *words]) == 2
    assert f"check.json is of a check that could not look: There is nothing at {tmp_path}" in capsys.readouterr().err


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
        write_page(path, source.choices, read)
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"] and path.read_text() == "an older one"


def test_it_is_written_pair_by_pair(folder, tmp_path):
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8))
    sizes = []

    def read(choice):
        sizes.append((tmp_path / "page.html.part").stat().st_size)
        return {"image": noise, "label": PIL.Image.new("L", noise.size)}

    write_page(tmp_path / "page.html", Source(folder).choices, read)
    assert all(later - earlier > 100_000 for earlier, later in zip(sizes, sizes[1:]))


def test_a_name_that_is_no_unicode_is_spelled_out(tmp_path):
    choice = Source(mlt(tmp_path, train=1, validation=0)).choices[0]
    odd = choice._replace(pair=choice.pair._replace(image_id="img_\udcff"))
    example = {"image": PIL.Image.new("RGB", (8, 6)), "label": PIL.Image.new("L", (8, 6))}
    write_page(tmp_path / "page.html", [odd], lambda _: example)
    assert '<span class="name">img_\\udcff</span>' in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_pictures_of_any_shape_are_taken(size, tmp_path):
    choice = Source(mlt(tmp_path, train=1, validation=0)).choices[0]
    example = {"image": PIL.Image.new("RGB", size), "label": PIL.Image.new("L", size, 1)}
    assert write_page(tmp_path / "page.html", [choice], lambda _: example) == []


def test_a_page_that_cannot_be_written_is_said(folder, tmp_path, capsys):
    assert main(["preview", str(folder), "--html", str(tmp_path / "missing" / "page.html")]) == 2
    assert "missing" in capsys.readouterr().err
