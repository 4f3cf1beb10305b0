"""Maps by their legends, classes and drawn counts."""

from __future__ import annotations

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

import qpv_sante as qs
from qpv_sante import maps, store
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import ComparabilityError, SchemaError, UnavailableLevelError, UnknownNameError
from qpv_sante.maps import layers as _map_layers
from qpv_sante.territories import Territory

mpl.use("Agg")
BEZIERS = Territory("commune", "34032", "Béziers")
RATE = catalogue().indicator("poverty_rate")


def has_data():
    try:
        store.find_store("observations/insee_filosofi_qpv2024")
    except OSError:
        return False
    return True


needs_data = pytest.mark.skipif(not has_data(), reason="neither a built store nor the embedded snapshot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def quarters(values, flags=None, *, department="34", size=0.004):
    """QPV in a row near Béziers, one of each value."""
    return gpd.GeoDataFrame(
        {
            "geo_code": [f"QP{department:0>3}{i:03}" for i in range(len(values))],
            "name": [f"Cité de l'Épine n° {i}" for i in range(len(values))],
            "value": pd.Series(values, dtype="float64"),
            "flag": flags or ["observed" if pd.notna(value) else "suppressed" for value in values],
        },
        geometry=[box(3.2 + 0.01 * i, 43.34, 3.2 + size + 0.01 * i, 43.34 + size) for i in range(len(values))],
        crs=4326,
    )


def draw(zones, **options):
    options = {"geo_vintage": 2015, "year": 2019, "place": BEZIERS, "sources": ["insee_filosofi_qpv@2019"], **options}
    return maps.draw_map(zones, RATE, **options)


def plain(text):
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\n", " ")


def legend(ax):
    return [plain(text.get_text()) for text in ax.get_legend().get_texts()]


def by_gid(ax, gid):
    return [artist for artist in ax.get_children() if artist.get_gid() == gid]


def text_of(ax, gid):
    return plain(by_gid(ax, gid)[0].get_text())


def drawn_symbols(ax):
    return {
        artist.get_gid().removeprefix("symbols-"): len(artist.get_offsets())
        for artist in ax.collections
        if (artist.get_gid() or "").startswith("symbols-")
    }


def counted(ax):
    return sum(
        int(text.split(" : ")[-1].removesuffix(" QPV").replace(" ", ""))
        for text in legend(ax)
        if "prudence" not in text
    )


MIXED = [30.0, 35.0, 40.0, 45.0, 50.0, 55.0, np.nan, np.nan]
MIXED_FLAGS = [*["observed"] * 5, "unreliable", "suppressed", "unavailable"]


def test_quantiles_are_those_of_mapclassify():
    import mapclassify

    values = np.random.default_rng(7).normal(45, 10, 500).round(1)
    expected = mapclassify.Quantiles(values, k=5).bins
    assert maps.class_breaks(values)[1:] == pytest.approx(expected, abs=0.051)
    assert maps.class_breaks(values)[0] == values.min()


def test_natural_breaks_and_few_values():
    values = [1.0, 1.1, 1.2, 5.0, 5.1, 9.0, 9.1, 9.2]
    assert maps.class_breaks(values, k=3, scheme="natural_breaks") == [1.0, 1.2, 5.1, 9.2]
    assert maps.class_breaks([7.0] * 50) == [7.0, 7.0]
    assert maps.class_breaks([np.nan, 3.0, 1.0]) == [1.0, 1.0, 3.0]
    assert maps.class_breaks([np.nan]) == []
    with pytest.raises(UnknownNameError, match="quantiles, natural_breaks"):
        maps.class_breaks(values, scheme="jenks")


def test_every_value_has_one_class_and_limits_are_included_above():
    values = pd.Series([10.0, 20.0, 20.04, 20.06, 30.0, np.nan])
    assert maps.classify(values, [10.0, 20.0, 30.0]).tolist() == [0, 0, 0, 1, 1, -1]
    with pytest.raises(ComparabilityError, match="from 10 to 30, outside the breaks"):
        maps.classify(values, [15.0, 20.0, 30.0])
    with pytest.raises(ComparabilityError, match="increasing"):
        maps.classify(values, [10.0, 30.0, 20.0])


def test_legend_counts_what_is_drawn():
    ax = draw(quarters(MIXED, MIXED_FLAGS))
    assert legend(ax) == [
        "30,0 à 35,0 % : 2 QPV",
        "35,1 à 40,0 % : 1 QPV",
        "40,1 à 45,0 % : 1 QPV",
        "45,1 à 50,0 % : 1 QPV",
        "50,1 à 55,0 % : 1 QPV",
        "secret statistique : 1 QPV",
        "non disponible : 1 QPV",
        "valeur à interpréter avec prudence : 1 QPV",
    ]
    assert counted(ax) == 8
    assert "QPV avec une valeur : 6/8." in text_of(ax, "notes")
    assert len(by_gid(ax, "unreliable")[0].get_offsets()) == 1


def test_suppressed_is_hatched_and_unavailable_grey_on_map_and_legend():
    ax = draw(quarters(MIXED, MIXED_FLAGS))
    hidden, absent = by_gid(ax, "polygons-suppressed")[0], by_gid(ax, "polygons-unavailable")[0]
    assert hidden.get_hatch() and hidden.get_facecolors()[0].tolist() == [1, 1, 1, 1]
    assert not absent.get_hatch()
    grey = mpl.colors.to_rgba(_map_layers.MISSING_LOOKS["unavailable"][0])
    assert tuple(absent.get_facecolors()[0]) == pytest.approx(grey)
    handles = dict(zip(legend(ax), ax.get_legend().legend_handles, strict=True))
    assert handles["secret statistique : 1 QPV"].get_hatch()


def test_colours_follow_the_classes():
    zones = quarters([30.0, 50.0, 31.0, 60.0])
    ax = draw(zones, breaks=[30.0, 40.0, 60.0])
    colours = [mpl.colors.to_hex(colour) for colour in by_gid(ax, "polygons-values")[0].get_facecolors()]
    handles = [mpl.colors.to_hex(handle.get_facecolor()) for handle in ax.get_legend().legend_handles]
    assert sorted(colours) == sorted([handles[0], handles[1], handles[0], handles[1]])
    assert [sum(mpl.colors.to_rgb(colour)) for colour in handles] == sorted(
        (sum(mpl.colors.to_rgb(colour)) for colour in handles), reverse=True
    )  # dark is worse
    better = catalogue().indicator("employment_rate")
    other = maps.draw_map(zones, better, geo_vintage=2015, year=2019, place=BEZIERS, breaks=[30.0, 40.0, 60.0])
    flipped = [mpl.colors.to_hex(handle.get_facecolor()) for handle in other.get_legend().legend_handles]
    assert flipped == handles[::-1]


def test_shared_breaks_give_the_same_classes_to_two_maps():
    first, second = quarters([30.0, 40.0, 50.0]), quarters([35.0, 70.0])
    shared = maps.class_breaks(pd.concat([first["value"], second["value"]]), k=2)
    texts = [[text.split(" : ")[0] for text in legend(draw(zones, breaks=shared))] for zones in (first, second)]
    assert texts[0] == texts[1]
    with pytest.raises(ComparabilityError, match="outside the breaks"):
        draw(second, breaks=[30.0, 50.0])


def test_all_suppressed_and_single_qpv():
    ax = draw(quarters([np.nan] * 3))
    assert legend(ax) == ["secret statistique : 3 QPV"]
    assert "QPV avec une valeur : 0/3." in text_of(ax, "notes")
    ax = draw(quarters([42.0]), place=Territory("qpv", "QP034001", "Centre Ville"))
    assert legend(ax) == ["42,0 % : 1 QPV"]
    ax.figure.canvas.draw()


def test_names_are_written_once_and_do_not_overlap():
    ax = draw(quarters([30.0, 35.0, 40.0, 45.0]))
    names = by_gid(ax, "name")
    assert [plain(name.get_text()) for name in names] == [f"Cité de l'Épine n° {i}" for i in range(4)]
    boxes = [name.get_window_extent() for name in names]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert not by_gid(draw(quarters([float(i) for i in range(20)])), "name")


def test_small_polygons_get_a_symbol_and_large_ones_do_not():
    assert drawn_symbols(draw(quarters([30.0, 40.0]))) == {}
    assert drawn_symbols(draw(quarters([30.0, 40.0, 50.0], size=0.0001))) == {"values": 3}


def test_outlines_that_are_missing_are_told():
    zones = quarters([30.0, 40.0, np.nan])
    zones.loc[[1, 2], "geometry"] = None
    ax = draw(zones)
    assert "QPV sans contour lu, non dessinés : 2, dont 1 avec une valeur." in text_of(ax, "notes")
    assert counted(ax) == 1
    with pytest.raises(SchemaError, match="no QPV with an outline"):
        draw(zones.assign(geometry=None).set_geometry("geometry", crs=4326))
    with pytest.raises(SchemaError, match="missing columns: flag"):
        draw(quarters([30.0]).drop(columns="flag"))


def test_national_map_has_insets_in_their_own_projection():
    departments = gpd.GeoDataFrame(
        {"geo_code": ["75", "34"], "name": ["Paris", "Hérault"]},
        geometry=[box(2.2, 48.8, 2.4, 48.9), box(-1.0, 43.0, 6.0, 48.0)],
        crs=4326,
    )
    island = quarters([50.0, np.nan], department="974").set_geometry(
        [box(55.40, -21.27, 55.41, -21.26), box(55.50, -21.0, 55.51, -20.99)], crs=4326
    )
    zones = pd.concat([quarters([30.0, 40.0, 60.0]), island], ignore_index=True)
    ax = draw(zones, place=None, background={"department": departments})
    insets = {inset.get_gid(): inset for inset in ax.child_axes}
    assert set(insets) == {"inset-paris", "inset-974"}
    assert drawn_symbols(ax) == {"values": 3}
    assert drawn_symbols(insets["inset-974"]) == {"values": 1, "suppressed": 1}
    assert 300_000 < np.mean(insets["inset-974"].get_xlim()) < 400_000  # UTM 40S
    assert counted(ax) == 5
    assert "sans trait de côte" in text_of(ax, "notes")


def test_the_legend_is_outside_and_everything_fits():
    ax = draw(quarters(MIXED, MIXED_FLAGS), lang="en")
    for dpi in (72, 100, 200):
        ax.figure.set_dpi(dpi)
        assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
        page, drawn = ax.figure.bbox.extents, ax.get_tightbbox().extents
        assert (drawn[:2] >= page[:2]).all() and (drawn[2:] <= page[2:]).all()
    assert legend(ax)[0] == "30.0 to 35.0%: 2 QPV"
    assert "suppressed (secrecy): 1 QPV" in legend(ax)
    assert "Source: Insee" in text_of(ax, "notes") and "Outlines: ANCT" in text_of(ax, "notes")
    assert text_of(ax, "subtitle") == "Priority neighbourhoods (QPV, 2015 zoning) · Béziers · 2019"


def test_settings_and_frames_are_left_as_they_were():
    zones = quarters(MIXED, MIXED_FLAGS)
    copy = zones.copy()
    with mpl.rc_context({"hatch.linewidth": 3.0, "font.size": 17}):
        before = dict(mpl.rcParams)
        draw(zones)
        assert dict(mpl.rcParams) == before
    pd.testing.assert_frame_equal(zones, copy)


def test_axes_of_another_size():
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 5))
    assert draw(quarters(MIXED, MIXED_FLAGS), ax=axes[1]) is axes[1]
    assert not axes[1].axison and axes[0].axison
    assert figure.get_size_inches().tolist() == [11, 5]


@needs_data
def test_national_map_draws_every_outline_once():
    ax = maps.plot_map("poverty_rate", geo_vintage=2015, year=2019)
    assert counted(ax) == 1296 == sum(drawn_symbols(ax).values())
    assert "non dessinés : 104" in text_of(ax, "notes")
    assert "1 348/1 400" in text_of(ax, "notes")
    ax = maps.plot_map("poverty_rate", geo_vintage=2024, year=2021)
    overseas = [inset for inset in ax.child_axes if inset.get_gid() != "inset-paris"]
    assert len(overseas) == 6  # of the QPV of Mayotte of 2026 no outline is read
    symbols = sum(drawn_symbols(ax).values()) + sum(sum(drawn_symbols(inset).values()) for inset in overseas)
    assert counted(ax) == 1564 == symbols
    assert "1 299/1 584" in text_of(ax, "notes")


@needs_data
def test_region_and_city():
    ax = maps.plot_map("poverty_rate", geo_vintage=2015, year=2019, territory="Occitanie")
    assert counted(ax) == 105
    named = {text.get_text() for text in by_gid(ax, "department_name")}
    assert {"Haute-Garonne", "Hérault", "Lozère"} <= named
    assert any(type(artist).__name__ == "ScaleBar" for artist in ax.get_children())
    ax = maps.plot_map("poverty_rate", geo_vintage=2015, year=2019, territory="Béziers")
    assert [plain(name.get_text()) for name in by_gid(ax, "name")] == ["Centre Ville", "Iranget Grangette", "Devèze"]


@needs_data
def test_a_territory_that_the_source_does_not_cover_is_unavailable_qpv_by_qpv():
    ax = maps.plot_map("poverty_rate", geo_vintage=2024, year=2021, territory="region:04")
    assert legend(ax) == ["non disponible : 57 QPV"]
    assert "Contours de département non lus" in text_of(ax, "notes")


@needs_data
def test_errors_of_territories():
    with pytest.raises(UnavailableLevelError, match=r"Lozère.*no QPV of the 2015 zoning.*other zoning: 1"):
        maps.plot_map("poverty_rate", geo_vintage=2015, year=2019, territory="Lozère")
    with pytest.raises(UnavailableLevelError, match="No outline of qpv 2015 in Guadeloupe"):
        maps.plot_map("poverty_rate", geo_vintage=2015, year=2019, territory="Guadeloupe")
    with pytest.raises(UnavailableLevelError, match="not read"):
        maps.plot_map("poverty_rate", geo_vintage=2024, year=2019)
    with pytest.raises(UnknownNameError, match="lang"):
        maps.plot_map("poverty_rate", geo_vintage=2024, year=2021, lang="es")


# ---- estimates


def words_of(axes):
    texts = [text.get_text() for text in axes.figure.findobj(mpl.text.Text)]
    return " ".join(" ".join(texts).split())


@pytest.mark.parametrize(
    ("lang", "title", "legend", "count"),
    [
        ("fr", "estimation, non mesurée", "estimé, non mesuré", "QPV estimés : 5/5"),
        ("en", "estimate, not measured", "estimated, not measured", "QPV estimated: 5/5"),
    ],
)
def test_a_map_of_estimates_says_so(lang, title, legend, count):
    zones = quarters([1.0, 2, 3, 4, 5], ["estimated"] * 5)
    sources = ["insee_filosofi_qpv@2019, spf_barometer_2024@2024"]
    axes = draw(zones, lang=lang, sources=sources)
    said = words_of(axes)
    assert said.count(title) >= 1
    assert legend in " ".join(axes.get_legend().get_title().get_text().split())
    assert count in said
    assert "Santé publique France" in said
    assert "@2024" not in said


def test_a_map_of_both_counts_the_estimates():
    said = words_of(draw(quarters([1.0, 2, 3], ["estimated", "observed", "observed"])))
    assert "QPV avec une valeur : 3/3, dont estimés, non mesurés : 1" in said
    assert "en partie estimation" in said
    assert "dont estimé, non mesuré : 1 QPV" in said
    assert "estim" not in words_of(draw(quarters([1.0, 2, 3]))).lower()


def test_several_predictor_sets_are_not_drawn_over_each_other():
    zones = pd.concat([quarters([1.0, 2.0])] * 2, ignore_index=True)
    with pytest.raises(SchemaError, match="one predictor set"):
        draw(zones)


@needs_data
def test_a_city_stands_on_its_communes_and_says_so():
    ax = maps.plot_map("poverty_rate", geo_vintage=2024, year=2021, territory="Lille")
    assert by_gid(ax, "communes") and by_gid(ax, "focus-border") and not by_gid(ax, "departments")
    assert "Fond : communes de 2018, contours simplifiés." in text_of(ax, "notes")
    named = {text.get_text() for text in by_gid(ax, "commune_name")}
    assert {"Lille", "La Madeleine", "Lambersart"} <= named
    assert not by_gid(ax, "north")
    lille = qs.load_zones("commune", vintage=2018, territory="Lille").to_crs(2154).total_bounds
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    assert west <= lille[0] and south <= lille[1] and east >= lille[2] and north >= lille[3]
    # names of communes cover neither quarters nor the names of quarters
    boxes = [text.get_window_extent() for text in by_gid(ax, "commune_name")]
    others = [text.get_window_extent() for text in by_gid(ax, "name")]
    assert not any(box.overlaps(other) for box in boxes for other in others)


@needs_data
def test_elsewhere_departments_are_drawn_and_said():
    ax = maps.plot_map("poverty_rate", geo_vintage=2024, year=2021, territory="Marseille", lang="en")
    assert not by_gid(ax, "communes") and by_gid(ax, "departments")
    assert "Background: departments and regions" in text_of(ax, "notes")
    ax = maps.plot_map("poverty_rate", geo_vintage=2024, year=2021, territory="Saint-Martin")
    assert by_gid(ax, "frame") and "seuls les QPV sont situés" in text_of(ax, "notes")


@needs_data
def test_places_without_outline_of_their_own_show_the_communes_around():
    ax = maps.plot_map("poverty_rate", geo_vintage=2024, year=2021, territory="Métropole Européenne de Lille")
    assert by_gid(ax, "communes") and not by_gid(ax, "focus-border")
    assert len(by_gid(ax, "commune_name")) > 10


@needs_data
def test_a_city_whose_store_has_no_communes_falls_back_on_departments(monkeypatch):
    from qpv_sante import loading
    from qpv_sante.errors import StoreError

    real = loading.load_zones

    def without(level="qpv", **options):
        if level == "commune":
            raise StoreError("no such table")
        return real(level, **options)

    monkeypatch.setattr(loading, "load_zones", without)
    ax = maps.plot_map("poverty_rate", geo_vintage=2024, year=2021, territory="Lille")
    assert by_gid(ax, "departments") and "Fond : départements" in text_of(ax, "notes")


def test_land_whose_communes_are_unknown_is_not_left_white():
    land = gpd.GeoDataFrame({"geo_code": ["34"]}, geometry=[box(0, 0, 40_000, 40_000)], crs=2154)
    known = gpd.GeoDataFrame({"geo_code": ["a"]}, geometry=[box(0, 0, 20_000, 40_000)], crs=2154)
    (left,) = _map_layers._beyond(land, known, (5_000, 5_000, 30_000, 30_000))
    assert left.area == pytest.approx(box(20_000, 2_900, 32_100, 32_100).area, rel=0.001)
    slivers = known.set_geometry([box(0, 0, 39_000, 40_000)], crs=2154)
    assert _map_layers._beyond(land, slivers, (5_000, 5_000, 45_000, 30_000)).iloc[0].is_empty


def test_a_name_that_would_cover_another_is_left_out():
    import matplotlib.pyplot as plt

    crowd = quarters([float(i) for i in range(12)]).assign(name=[f"Quartier au nom bien long, {i}" for i in range(12)])
    crowd = crowd.set_geometry([box(3.2 + 0.001 * i, 43.34, 3.2005 + 0.001 * i, 43.3405) for i in range(12)], crs=4326)
    ax = plt.figure(figsize=(3, 3)).add_axes((0.1, 0.1, 0.8, 0.8))
    names = by_gid(draw(crowd, ax=ax), "name")
    assert 0 < len(names) < 12
    boxes = [name.get_window_extent() for name in names]
    for place, one in enumerate(boxes):
        assert not any(one.shrunk(0.98, 0.98).overlaps(other) for other in boxes[place + 1 :])


def test_communes_that_are_named_together_frame_their_map():
    from qpv_sante.loading import gazetteer
    from qpv_sante.maps import gather

    corridor = gather.focus(gazetteer().resolve("corridor-minier-valenciennois"))
    assert sorted(corridor["geo_code"]) == ["59153", "59207", "59484", "59616"]
    assert gather.focus(gazetteer().resolve("lille-poles-ressources")) is None, "made of quarters"
    assert gather.focus(gazetteer().resolve("bron")) is None, "no outline of that commune"
