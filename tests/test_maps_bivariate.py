"""Maps of two indicators: classes, counts in the square, what is set apart."""

from __future__ import annotations

import itertools

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

import qpv_sante as qs
from qpv_sante import style
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import InvalidInputError, UnavailableLevelError, UnknownNameError
from qpv_sante.maps import bivariate, layers
from qpv_sante.territories import Territory

mpl.use("Agg")
BEZIERS = Territory("commune", "34032", "Béziers")
X, Y = catalogue().indicator("poverty_rate"), catalogue().indicator("single_parent_recipient_share")
PAIR = ("poverty_rate", "single_parent_recipient_share")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def quarters(x, y, flags_x=None, flags_y=None, *, size=0.004):
    count = len(x)

    def flags(values):
        return ["observed" if pd.notna(value) else "suppressed" for value in values]

    return gpd.GeoDataFrame(
        {
            "geo_code": [f"QP034{i:03}" for i in range(count)],
            "name": [f"Cité de l'Épine n° {i}" for i in range(count)],
            "value_x": pd.Series(x, dtype="float64"),
            "flag_x": flags_x or flags(x),
            "value_y": pd.Series(y, dtype="float64"),
            "flag_y": flags_y or flags(y),
        },
        geometry=[box(3.2 + 0.01 * i, 43.34, 3.2 + size + 0.01 * i, 43.34 + size) for i in range(count)],
        crs=4326,
    )


def draw(zones, **options):
    options = {"geo_vintage": 2015, "years": (2019, 2020), "place": BEZIERS, **options}
    return bivariate.draw_bivariate_map(zones, X, Y, **options)


def plain(text):
    return " ".join(text.replace("\u202f", " ").replace("\u00a0", " ").split())


def square(ax):
    return next(child for child in ax.child_axes if child.get_gid() == "legend-square")


def counts(ax):
    found = {text.get_gid(): int(text.get_text().replace("\u202f", "")) for text in square(ax).texts}
    rows = 1 + max(int(gid.split("-")[1]) for gid in found)
    columns = 1 + max(int(gid.split("-")[2]) for gid in found)
    return [[found[f"count-{row}-{column}"] for column in range(columns)] for row in range(rows)]


def legend(ax):
    return [plain(text.get_text()) for text in ax.get_legend().get_texts()]


def notes(ax):
    return plain(next(a for a in ax.get_children() if a.get_gid() == "notes").get_text())


NINE = [(10.0 * (1 + i % 3), 5.0 * (1 + i // 3)) for i in range(9)]


def test_each_of_nine_pairs_has_its_cell_and_its_colour():
    x, y = zip(*NINE, strict=True)
    ax = draw(quarters(x, y))
    assert counts(ax) == [[1, 1, 1]] * 3
    drawn = next(a for a in ax.collections if a.get_gid() == "polygons-values")
    expected = [colour for row in bivariate.PALETTE for colour in row]
    from_west = np.argsort([path.vertices[:, 0].min() for path in drawn.get_paths()])
    assert [mpl.colors.to_hex(colour) for colour in drawn.get_facecolors()[from_west]] == expected
    cells = {patch.get_gid(): mpl.colors.to_hex(patch.get_facecolor()) for patch in square(ax).patches}
    assert [cells[f"cell-{row}-{column}"] for row in range(3) for column in range(3)] == expected


def test_thirds_are_those_of_the_universe_and_it_is_stated():
    universe = pd.DataFrame({"value_x": np.arange(1.0, 100), "value_y": np.arange(1.0, 100)})
    ax = draw(quarters([2.0, 40.0, 90.0, 98.0], [90.0, 40.0, 2.0, 3.0]), universe=universe)
    assert counts(ax) == [[0, 0, 2], [0, 1, 0], [1, 0, 0]]
    # linear quantiles of 1..99 at a third and two thirds: 1 + 98/3 and 1 + 196/3
    assert [label.get_text() for label in square(ax).get_xticklabels()] == ["1,0", "33,7", "66,3", "99,0"]
    assert "tiers des 99 QPV de France (zonage 2015) où les deux valeurs sont connues" in notes(ax)
    own = draw(quarters([2.0, 40.0, 98.0], [90.0, 40.0, 2.0]))
    assert counts(own) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert "tiers des 3 QPV de ce territoire" in notes(own)


def test_missing_pairs_are_apart_with_the_stronger_reason():
    zones = quarters(
        [10.0, np.nan, 20.0, np.nan, 30.0],
        [5.0, 6.0, np.nan, np.nan, 7.0],
        ["observed", "suppressed", "observed", "unavailable", "unreliable"],
        ["observed", "observed", "unavailable", "suppressed", "observed"],
    )
    ax = draw(zones)
    assert legend(ax) == [
        "secret statistique, au moins un des deux : 2 QPV",
        "non disponible, au moins un des deux : 1 QPV",
        "valeur à interpréter avec prudence : 1 QPV",
    ]
    assert sum(map(sum, counts(ax))) == 2
    assert "QPV avec les deux valeurs : 2/5." in notes(ax)
    hatched = next(a for a in ax.collections if a.get_gid() == "polygons-suppressed")
    assert hatched.get_hatch() and len(hatched.get_paths()) == 2
    # nothing of a value that has no pair enters the classes
    assert [label.get_text() for label in square(ax).get_xticklabels()] == ["10,0", "10,0", "30,0"]


def test_all_suppressed_and_a_single_quarter():
    ax = draw(quarters([np.nan] * 3, [1.0, np.nan, 2.0]))
    assert legend(ax) == ["secret statistique, au moins un des deux : 3 QPV"]
    assert counts(ax) == [[0]]
    ax = draw(quarters([42.0], [12.0]))
    assert counts(ax) == [[1]] and ax.get_legend() is None
    ax.figure.canvas.draw()


def test_both_axes_are_named_with_unit_and_year():
    ax = draw(quarters([1.0, 2, 3], [1.0, 2, 3]), sources=(["insee_filosofi_qpv@2019"], ["insee_demo_qpv@2022"]))
    assert plain(square(ax).get_xlabel()) == "Taux de pauvreté (%), 2019 →"
    assert plain(square(ax).get_ylabel()) == "Monoparents parmi les allocataires (% des foyers allocataires), 2020 →"
    assert "Les deux années diffèrent." in notes(ax)
    assert "édition 2022" in notes(ax) and "édition 2019" in notes(ax)
    english = draw(quarters([1.0, 2, 3], [1.0, 2, 3]), lang="en", years=(2020, 2020))
    assert "differ" not in notes(english) and "thirds of the 3 QPV" in notes(english)


def test_estimates_are_told():
    ax = draw(quarters([1.0, 2, 3], [1.0, 2, 3], ["estimated", "observed", "observed"]))
    assert "Dont estimation, non mesurée : 1." in notes(ax)


def test_everything_fits_and_nothing_covers_the_map():
    ax = draw(quarters(*zip(*NINE, strict=True), ["unreliable"] * 9))
    page, drawn = ax.figure.bbox.extents, ax.get_tightbbox().extents
    assert (drawn[:2] >= page[:2]).all() and (drawn[2:] <= page[2:]).all()
    around = square(ax).get_tightbbox()
    assert around.x0 >= ax.get_window_extent().x1
    assert not around.overlaps(ax.get_legend().get_window_extent())


def test_axes_of_another_size_are_kept():
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 5))
    assert draw(quarters([1.0, 2, 3], [1.0, 2, 3]), ax=axes[1]) is axes[1]
    assert figure.get_size_inches().tolist() == [11, 5]
    assert counts(axes[1]) == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


# What eyes that lack one kind of cone see (Machado, Oliveira and Fernandes 2009, severity 1), in linear RGB
SIGHTS = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour, sight):
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(sight) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ seen / [0.95047, 1, 1.08883]
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_colours_stay_apart_for_every_kind_of_colour_vision(sight):
    colours = [*(colour for row in bivariate.PALETTE for colour in row), style.UNAVAILABLE_COLOUR]
    seen = {colour: lab(colour, SIGHTS[sight]) for colour in colours}
    closest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(colours, 2))
    assert closest > 15
    lightness = np.array([[lab(colour, SIGHTS["normal"])[0] for colour in row] for row in bivariate.PALETTE])
    assert (np.diff(lightness, axis=0) < 0).all() and (np.diff(lightness, axis=1) < 0).all()


def test_france_occitanie_and_a_city_share_their_classes():
    options = {"geo_vintage": 2015, "year_x": 2019, "year_y": 2020}
    maps = [qs.plot_bivariate_map(*PAIR, territory=place, **options) for place in (None, "Occitanie", "Béziers")]
    ticks = [[label.get_text() for label in square(ax).get_yticklabels()] for ax in maps]
    assert ticks[0] == ticks[1] == ticks[2]
    assert "tiers des 1 321 QPV" in notes(maps[0])
    drawn = [sum(map(sum, counts(ax))) for ax in maps]
    assert drawn[1:] == [101, 3]
    # 104 QPV of 2015 have no outline; those drawn without a pair are in the legend
    left = sum(int(text.split(" : ")[1].split()[0]) for text in legend(maps[0]) if "prudence" not in text)
    assert drawn[0] + left == 1400 - 104
    assert {child.get_gid() for child in maps[0].child_axes} == {"legend-square", "inset-paris"}
    own = qs.plot_bivariate_map(*PAIR, territory="Occitanie", universe="territory", **options)
    cells = np.array(counts(own))
    # thirds of 101 quarters, some of them equal
    assert (np.abs(cells.sum(axis=0) - 101 / 3) <= 3).all() and (np.abs(cells.sum(axis=1) - 101 / 3) <= 3).all()


def test_bad_arguments_are_told():
    with pytest.raises(InvalidInputError, match="No year for year_y"):
        qs.plot_bivariate_map(*PAIR, geo_vintage=2015, year_x=2019)
    with pytest.raises(InvalidInputError, match="poverty_rate twice"):
        qs.plot_bivariate_map("poverty_rate", "poverty_rate", geo_vintage=2015, year=2019)
    with pytest.raises(UnknownNameError, match="country, territory"):
        qs.plot_bivariate_map(*PAIR, geo_vintage=2015, year=2019, universe="region")
    with pytest.raises(UnavailableLevelError, match="no QPV of the 2015 zoning"):
        qs.plot_bivariate_map(*PAIR, geo_vintage=2015, year_x=2019, year_y=2020, territory="Lozère")
    with pytest.raises(UnavailableLevelError, match="2024"):
        qs.plot_bivariate_map(*PAIR, geo_vintage=2024, year=2021)


def test_true_north_leans_with_the_projection():
    assert layers.north_angle(700_000, 6_600_000, 2154) == pytest.approx(0, abs=1e-6)
    # convergence of Lambert-93: sin(46.5°) times the longitude from 3°E, westwards of the top in the east
    from pyproj import Transformer

    x, y = Transformer.from_crs(4326, 2154, always_xy=True).transform(8.0, 48.0)
    assert layers.north_angle(x, y, 2154) == pytest.approx(-0.7256 * 5, abs=0.02)
