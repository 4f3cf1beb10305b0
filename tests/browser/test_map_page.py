"""The interactive map, followed by mouse and by keyboard."""

import re

import pytest
from matplotlib.image import imread
from watching import drawn_twice, faults, until

import qpv_sante as qs
from qpv_sante import style

pytestmark = pytest.mark.usefixtures("quiet")
ASKED = {"geo_vintage": 2024, "year": 2021}


@pytest.fixture(scope="module")
def rates():
    return qs.load_observations("poverty_rate", geo_level="qpv", territory="Occitanie", **ASKED).set_index("geo_code")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    made = qs.explore_map("poverty_rate", territory="Occitanie", **ASKED)
    return made.save(tmp_path_factory.mktemp("map") / "map.html").as_uri()


@pytest.fixture
def page(open_page, address):
    opened = open_page(address)
    opened.wait_for_selector("body[data-ready=true]")
    return opened


def _shown(page):
    return page.locator("#qpv-list li:not([hidden]) button.qpv-item")


def _codes(page):
    return page.evaluate(
        "[...document.querySelectorAll('#qpv-list li:not([hidden]) .qpv-item')].map((i) => i.dataset.code)"
    )


def _plain(text):
    return re.sub(r"\s+", " ", text).strip()


def _zoomed_on(page, code):
    """Near a quarter, chosen no more: what is then said comes from the mouse alone."""
    page.locator(f"button.qpv-item[data-code={code}]").click()
    page.locator("#qpv-search").fill("x")
    page.locator("#qpv-search").fill("")
    page.locator("#qpv-tooltip").wait_for(state="hidden")
    box = page.locator("#qpv-map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _drawn(page, path):
    """Colours of the pixels of the map."""
    page.locator("#qpv-map").screenshot(path=path)
    return (imread(path)[:, :, :3] * 255).round().astype(int).reshape(-1, 3)


def _still(page, path):
    """Colours of the pixels of the map once two pictures in a row are the same: nothing moves any more."""
    drawn_twice(page)
    pictures = [_drawn(page, path)]

    def same():
        pictures.append(_drawn(page, path))
        return (pictures[-1] == pictures[-2]).all()

    until(page, same)
    return pictures[-1]


def _differing(one, other):
    """Share of the pixels that clearly have another colour."""
    return (abs(one - other).max(axis=1) > 60).mean()


def test_the_list_holds_every_quarter_with_its_value(page, rates):
    assert set(_codes(page)) == set(rates.index)
    said = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll(".qpv-item")].map(
          (item) => [item.dataset.code, item.querySelector(".value").textContent]))"""
    )
    for code, row in rates.iterrows():
        if row["flag"] == "suppressed":
            assert not re.search(r"\d", said[code])
        else:
            assert _plain(said[code]) == _plain(style.format_number(row["value"], 1, lang="fr", symbol="%"))
    assert str(len(rates)) in page.locator("#qpv-count").inner_text()


def test_the_drawing_has_colours(page, pictures):
    """Quarters and outlines are painted: pixels of the map are not one colour."""
    drawn = _drawn(page, pictures / "map_drawn.png")
    saturated = drawn[(drawn.max(axis=1) - drawn.min(axis=1)) > 60]
    assert len(saturated) > 500
    assert len({tuple(colour) for colour in saturated}) > 4


def test_the_tooltip_of_the_mouse_says_what_was_published(page, rates, pictures):
    code = rates.index[rates["flag"] == "observed"][0]
    x, y = _zoomed_on(page, code)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    tooltip = page.locator("#qpv-tooltip")
    tooltip.wait_for(state="visible")
    assert tooltip.get_attribute("data-code") == code
    value = style.format_number(rates.loc[code, "value"], 1, lang="fr", symbol="%")
    assert _plain(value) in _plain(tooltip.inner_text())
    assert "Source" in tooltip.inner_text()
    page.screenshot(path=pictures / "map_tooltip.png")
    assert faults(page) == []
    inside, around = tooltip.bounding_box(), page.locator("#qpv-map").bounding_box()
    assert inside["x"] >= around["x"]
    assert inside["x"] + inside["width"] <= around["x"] + around["width"] + 1
    page.mouse.move(5, 5)
    tooltip.wait_for(state="hidden")


def test_a_suppressed_quarter_says_why_and_holds_no_number(page, rates):
    code = rates.index[rates["flag"] == "suppressed"][0]
    page.locator(f"button.qpv-item[data-code={code}]").click()
    text = page.locator("#qpv-tooltip").inner_text()
    assert "secret" in text.lower()
    assert "%" not in text


def test_search_without_accents_by_commune(page, pictures):
    expected = set(
        qs.load_observations("poverty_rate", geo_level="qpv", territory="Béziers", **ASKED)["geo_code"].astype(str)
    )
    assert len(expected) > 1
    page.locator("#qpv-search").fill("beziers")
    assert set(_codes(page)) == expected
    assert page.locator("#qpv-count").inner_text().startswith(f"{len(expected)} ")
    page.screenshot(path=pictures / "map_search.png")
    assert faults(page) == []
    page.locator("#qpv-search").fill("nulle part")
    assert _shown(page).count() == 0
    assert page.locator("#qpv-count").inner_text() == "Aucun quartier de ce nom"
    page.locator("#qpv-search").fill("")
    assert _shown(page).count() > len(expected)


def test_the_keyboard_does_all_that_the_mouse_does(page, pictures):
    page.locator("#qpv-search").focus()
    page.keyboard.type("Béziers")
    among = _codes(page)
    page.keyboard.press("Tab")  # the list is one stop
    current = page.locator("button.qpv-item.current")
    assert current.get_attribute("data-code") == among[0]
    for key, expected in (("ArrowDown", 1), ("End", -1), ("ArrowUp", -2), ("Home", 0)):
        page.keyboard.press(key)
        assert current.get_attribute("data-code") == among[expected]
        assert page.locator("#qpv-map").get_attribute("data-highlighted") == among[expected]
        assert page.locator("#qpv-tooltip").get_attribute("data-code") == among[expected]
        assert page.evaluate("document.activeElement.dataset.code") == among[expected]
    page.keyboard.press("Enter")
    drawn_twice(page)
    page.screenshot(path=pictures / "map_near.png")
    assert faults(page) == []
    page.keyboard.press("Escape")
    assert current.count() == 0
    assert page.locator("#qpv-tooltip").is_hidden()
    page.keyboard.press("Tab")  # out of the list in one step, not one for each quarter
    assert page.evaluate("document.activeElement.classList.contains('qpv-item')") is False


def test_a_hidden_class_is_neither_drawn_nor_said(page, rates):
    code = rates.index[rates["flag"] == "observed"][0]
    x, y = _zoomed_on(page, code)
    page.mouse.move(x, y)
    page.locator("#qpv-tooltip").wait_for(state="visible")
    page.mouse.move(5, 5)
    for box in page.locator("input.qpv-layer[data-layer^=class-]").all():
        box.uncheck()
    page.mouse.move(x + 1, y)
    page.mouse.move(x, y)
    drawn_twice(page)
    assert page.locator("#qpv-tooltip").is_hidden()


def test_zoom_and_back(page, tmp_path):
    """The drawing changes when one comes near, and is the same again after `home`."""

    def seen(name):
        page.mouse.move(5, 5)
        page.evaluate("document.activeElement.blur()")  # the buttons lie on the drawing
        return _still(page, tmp_path / f"{name}.png")

    first = seen("first")
    page.locator("#qpv-zoom-in").click()
    assert _differing(seen("near"), first) > 0.02
    page.locator("#qpv-home").click()
    assert _differing(seen("home"), first) < 0.0005  # the smoothing of lines is not repeated to the pixel


def test_the_legend_counts_what_is_drawn(page, rates):
    labels = page.locator("#qpv-layers label:has(.drawn)")
    numbers = [int(re.sub(r"\D", "", text)) for text in page.locator("#qpv-layers .drawn").all_inner_texts()]
    assert labels.count() == len(numbers)
    kinds = [box.get_attribute("data-layer") for box in page.locator("#qpv-layers label:has(.drawn) input").all()]
    total = sum(number for kind, number in zip(kinds, numbers, strict=True) if kind != "unreliable")
    assert 0 < total <= len(rates)


def test_another_indicator_changes_what_is_drawn_and_said(open_page, tmp_path, pictures):
    asked = {"poverty_rate": 2019, "c2s_share": 2022}
    made = qs.explore_map(list(asked), geo_vintage=2015, year=asked, territory="Occitanie", practices=True)
    page = open_page(made.save(tmp_path / "two.html").as_uri())
    page.wait_for_selector("body[data-ready=true]")
    shares = qs.load_observations("c2s_share", geo_level="qpv", geo_vintage=2015, year=2022, territory="Occitanie")
    shares = shares.set_index("geo_code")["value"]
    code = shares.dropna().index[0]
    page.mouse.move(5, 5)
    before = _drawn(page, tmp_path / "before.png")
    page.locator("#qpv-view").focus()
    page.keyboard.press("ArrowDown")  # by keyboard alone
    until(page, lambda: "2022" in page.locator("#qpv-subtitle").inner_text())
    assert "2022" in page.locator("#qpv-subtitle").inner_text()
    assert _differing(_still(page, tmp_path / "after.png"), before) > 0.0005
    said = page.locator(f"button.qpv-item[data-code={code}] .value").inner_text()
    assert _plain(said) == _plain(style.format_number(shares[code], 1, lang="fr", symbol="%"))
    page.locator(f"button.qpv-item[data-code={code}]").click()
    assert _plain(said) in _plain(page.locator("#qpv-tooltip").inner_text())
    assert page.locator(".qpv-legend:visible").count() == 1
    page.locator("input[data-layer=quarters]").uncheck()
    page.locator("#qpv-home").click()
    saturated = _still(page, tmp_path / "none.png")
    page.screenshot(path=pictures / "map_two_indicators.png")
    assert ((saturated.max(axis=1) - saturated.min(axis=1)) > 60).mean() < 0.01
    assert faults(page) == []
