"""The gap chart and the style, by artists and numbers."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from qpv_sante import charts, style
from qpv_sante.errors import ComparabilityError, InvalidInputError, SchemaError, UnknownNameError

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def comparison(**changes):
    """Three territories and one without a value; `changes` replace columns."""
    frame = pd.DataFrame(
        {
            "territory": ["Occitanie", "Provence-Alpes-Côte d'Azur", "Île-de-France", "Guyane"],
            "territory_code": ["region:76", "region:93", "region:11", "region:03"],
            "territory_level": "region",
            "indicator": "poverty_rate",
            "year": 2019,
            "geo_vintage": 2015,
            "sex": "_T",
            "age": "_T",
            "reference": "commune",
            "reference_label": "communes qui accueillent les QPV",
            "qpv_value": [50.1, 48.3, 37.2, np.nan],
            "qpv_lower": [48.0, 46.0, 37.1, np.nan],
            "qpv_upper": [53.0, 50.0, 37.3, np.nan],
            "reference_value": [23.7, 21.2, 20.1, np.nan],
            "reference_lower": np.nan,
            "reference_upper": np.nan,
            "difference": [26.4, 27.1, 17.1, np.nan],
            "interval": "secrecy",
            "n_used": [97, 128, 270, 0],
            "n_total": [105, 128, 272, 32],
            "qpv_q1": np.nan,
            "qpv_median": np.nan,
            "qpv_q3": np.nan,
            "unit": "%",
            "flag": ["observed", "unreliable", "observed", "unavailable"],
            "note": "",
            "source": "insee_filosofi_qpv@2019",
            "reference_source": "insee_filosofi_commune@2019",
            "licence": "Licence Ouverte 2.0",
        }
    )
    return frame.assign(**changes)


def medians():
    empty = dict.fromkeys(("qpv_value", "qpv_lower", "qpv_upper", "difference"), np.nan)
    return comparison(
        **empty,
        indicator="median_standard_of_living",
        qpv_q1=[12_700.0, np.nan, 14_900.0, np.nan],
        qpv_median=[13_650.0, 13_500.0, 15_500.0, np.nan],
        qpv_q3=[14_400.0, np.nan, 16_000.0, np.nan],
        reference_value=[20_000.0, 21_000.0, 23_000.0, np.nan],
        flag="not_applicable",
    )


def by_gid(ax, gid):
    found = [artist for artist in ax.get_children() if artist.get_gid() == gid]
    assert found, gid
    return found


def offsets(ax, gid):
    return np.asarray(by_gid(ax, gid)[0].get_offsets())


def segments(ax, gid):
    return np.array(by_gid(ax, gid)[0].get_segments())


def text_of(ax, gid):
    return [artist.get_text() for artist in by_gid(ax, gid)]


def plain(text):
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\n", " ")


def row_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def legend(ax):
    return [plain(text.get_text()) for text in ax.get_legend().get_texts()]


def test_rows_go_from_the_widest_gap_to_the_rows_without_value():
    ax = charts.plot_gap(comparison())
    assert row_names(ax) == ["Provence-Alpes-Côte d'Azur", "Occitanie", "Île-de-France", "Guyane"]
    heights = ax.get_yticks()
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert heights[3] - heights[2] > heights[2] - heights[1]


def test_markers_stand_at_the_values_of_the_frame():
    ax = charts.plot_gap(comparison())
    assert offsets(ax, "reference")[:, 0].tolist() == [21.2, 23.7, 20.1]
    assert offsets(ax, "qpv").tolist() == [[50.1, 1.0], [37.2, 2.0]]
    assert offsets(ax, "qpv_unreliable").tolist() == [[48.3, 0.0]]
    assert segments(ax, "gap")[:, :, 0].tolist() == [[48.3, 21.2], [50.1, 23.7], [37.2, 20.1]]
    assert segments(ax, "qpv_interval")[:, :, 0].tolist() == [[46.0, 50.0], [48.0, 53.0], [37.1, 37.3]]


def test_the_pair_differs_by_shape_and_unreliable_values_are_hollow():
    ax = charts.plot_gap(comparison())
    shapes = [by_gid(ax, gid)[0].get_paths()[0].vertices.shape for gid in ("qpv", "reference")]
    assert shapes[0] != shapes[1]
    assert by_gid(ax, "qpv_unreliable")[0].get_facecolors()[0].tolist() == [1, 1, 1, 1]
    assert "QPV, valeur à interpréter avec prudence" in legend(ax)


def test_texts_in_french():
    ax = charts.plot_gap(comparison())
    assert text_of(ax, "count") == ["128/128 QPV", "97/105 QPV", "270/272 QPV", "0/32 QPV"]
    assert text_of(ax, "gap_text") == ["+27,1", "+26,4", "+17,1", "non disponible"]
    assert plain(text_of(ax, "title")[0]) == "Taux de pauvreté (seuil à 60 % du niveau de vie médian)"
    subtitle = text_of(ax, "subtitle")[0]
    assert "communes qui accueillent les QPV" in subtitle and "zonage 2015" in subtitle and "2019" in subtitle
    assert "Communes qui accueillent les QPV" in legend(ax)
    assert "Bornes tenant compte du secret statistique" in legend(ax)
    notes = plain(text_of(ax, "notes")[0])
    assert "Sources : Insee" in notes and "Licence Ouverte 2.0" in notes and "édition 2019" in notes
    assert [plain(ax.xaxis.get_major_formatter()(value)) for value in (20, 2.5)] == ["20 %", "2,5 %"]


def test_texts_in_english():
    ax = charts.plot_gap(comparison(), lang="en")
    assert text_of(ax, "gap_text")[0] == "+27.1"
    assert text_of(ax, "gap_text")[-1] == "not available"
    assert "Communes that host the QPV" in legend(ax)
    assert ax.get_xlabel() == "Poverty rate (%)"
    assert text_of(ax, "notes")[0].count("Sources: Insee") == 1


def test_medians_are_drawn_as_distributions():
    ax = charts.plot_gap(medians())
    # two gaps of 7 500 euros: in the order of names, accents aside
    assert row_names(ax) == ["Île-de-France", "Provence-Alpes-Côte d'Azur", "Occitanie", "Guyane"]
    assert sorted(map(tuple, segments(ax, "qpv_quartiles")[:, :, 0])) == [(12_700.0, 14_400.0), (14_900.0, 16_000.0)]
    assert sorted(segments(ax, "qpv_median")[:, 0, 0]) == [13_500.0, 13_650.0, 15_500.0]
    assert len(offsets(ax, "qpv")) == 0
    assert any("quartile" in text for text in legend(ax))
    assert plain(text_of(ax, "gap_text")[0]) == "−7 500 €"


def test_order_follows_the_direction_of_the_indicator():
    ax = charts.plot_gap(comparison(indicator="employment_rate", difference=[-10.0, -25.0, -5.0, np.nan]))
    assert row_names(ax)[:3] == ["Provence-Alpes-Côte d'Azur", "Occitanie", "Île-de-France"]


def test_suppressed_rows_give_their_reason_and_keep_their_bounds():
    frame = comparison(flag=["suppressed", "observed", "observed", "unavailable"])
    frame.loc[0, ["qpv_value", "difference"]] = np.nan
    ax = charts.plot_gap(frame)
    assert row_names(ax)[-2:] == ["Guyane", "Occitanie"]
    assert text_of(ax, "gap_text")[-2:] == ["non disponible", "secret statistique"]
    assert [48.0, 53.0] in segments(ax, "qpv_interval")[:, :, 0].tolist()


def test_a_row_without_reference_says_so():
    frame = comparison()
    frame.loc[2, ["reference_value", "difference"]] = np.nan
    ax = charts.plot_gap(frame)
    assert text_of(ax, "gap_text")[2] == "réf. non disponible"
    assert len(offsets(ax, "reference")) == 2
    frame[["reference_value", "difference"]] = np.nan
    assert "n'a de valeur pour aucune ligne" in text_of(charts.plot_gap(frame), "notes")[0]


def test_all_values_missing_is_a_readable_figure():
    nothing = dict.fromkeys(("qpv_value", "qpv_lower", "qpv_upper", "reference_value", "difference"), np.nan)
    ax = charts.plot_gap(comparison(**nothing, flag="suppressed"))
    assert text_of(ax, "nothing") == ["Aucune valeur à représenter"]
    assert set(text_of(ax, "gap_text")) == {"secret statistique"}
    ax.figure.canvas.draw()


def test_one_row_and_a_large_count_do_not_collide():
    frame = comparison(n_used=1348, n_total=1400).head(1)
    ax = charts.plot_gap(frame)
    (count,), (gap,) = by_gid(ax, "count"), by_gid(ax, "gap_text")
    assert not count.get_window_extent().overlaps(gap.get_window_extent())
    assert plain(count.get_text()) == "1 348/1 400 QPV"


def test_everything_fits_in_the_figure_with_long_names():
    long = "Quartier intercommunal de l'Épeule, d'Hautchamps-Longchamp-Lionderie et des Trois-Baudets à Saint-Rémy"
    frame = comparison(territory=["Occitanie", long, long, "Guyane"])
    ax = charts.plot_gap(frame)
    assert "(93)" in row_names(ax)[0].replace("\n", " ")  # the code tells namesakes apart
    for dpi in (72, 100, 200):
        ax.figure.set_dpi(dpi)
        page, drawn = ax.figure.bbox.extents, ax.get_tightbbox().extents
        assert (drawn[:2] >= page[:2]).all() and (drawn[2:] <= page[2:]).all()


def test_subplots_that_are_too_small_are_refused_with_a_size_that_does():
    import matplotlib.pyplot as plt

    size = (3.0, 2.0)
    for _ in range(4):
        figure, ax = plt.subplots(figsize=size)
        try:
            assert charts.plot_gap(comparison(), ax=ax) is ax
            break
        except InvalidInputError as error:
            said = re.search(r"about (\d+) x (\d+)", str(error))
            size = (float(said[1]), float(said[2]))
    assert size > (3.0, 2.0) and figure.get_size_inches().tolist() == list(size)
    page, drawn = figure.bbox.extents, ax.get_tightbbox().extents
    assert (drawn[:2] >= page[:2] - 5).all() and (drawn[2:] <= page[2:] + 5).all()


def test_axes_placed_by_hand_stay_where_they_are():
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(3, 2))
    ax = figure.add_axes((0.3, 0.3, 0.5, 0.5))
    before = ax.get_position().bounds
    assert charts.plot_gap(comparison(), ax=ax) is ax
    assert ax.get_position().bounds == before and figure.get_size_inches().tolist() == [3, 2]


def test_settings_are_left_as_they_were():
    with mpl.rc_context({"font.size": 17, "axes.grid": True}):
        before = dict(mpl.rcParams)
        charts.plot_gap(comparison())
        assert dict(mpl.rcParams) == before


def test_the_figure_keeps_its_font_after_the_style():
    ax = charts.plot_gap(comparison())
    with mpl.rc_context({"font.family": ["serif"]}):
        ax.figure.canvas.draw()
        texts = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), *ax.get_legend().get_texts(), ax.xaxis.label]
        assert {tuple(text.get_fontfamily()) for text in texts} == {(style.FONT,)}


def test_the_frame_is_not_changed():
    frame = comparison()
    copy = frame.copy()
    charts.plot_gap(frame)
    pd.testing.assert_frame_equal(frame, copy)


def test_optional_columns_may_be_absent():
    frame = comparison()[list(charts._REQUIRED)]
    assert len(row_names(charts.plot_gap(frame))) == 4


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"year": [2019, 2021, 2019, 2019]}, ComparabilityError, "one year at a time; got 2: 2019, 2021"),
        ({"reference": ["commune", "epci", "epci", "epci"]}, ComparabilityError, "one reference at a time"),
        ({"indicator": "povrety"}, UnknownNameError, "Did you mean"),
    ],
)
def test_mixed_or_unknown_frames_are_refused(change, error, said):
    with pytest.raises(error, match=said):
        charts.plot_gap(comparison(**change))


def test_errors_say_what_to_do():
    with pytest.raises(SchemaError, match="missing columns: difference, n_used"):
        charts.plot_gap(comparison().drop(columns=["difference", "n_used"]))
    with pytest.raises(SchemaError, match="no row"):
        charts.plot_gap(comparison().head(0))
    many = pd.concat([comparison()] * 75)
    with pytest.raises(ComparabilityError, match=r"at most 40 rows, got 300.*territory=.*by="):
        charts.plot_gap(many)
    with pytest.raises(UnknownNameError, match="'de'"):
        charts.plot_gap(comparison(), lang="de")


def test_forty_rows_are_drawn():
    frame = comparison().head(1).loc[[0] * 40].assign(territory=[f"Commune n° {i}" for i in range(40)])
    assert len(row_names(charts.plot_gap(frame))) == 40


@pytest.mark.parametrize(
    ("value", "decimals", "lang", "text"),
    [
        (1234567.891, 1, "fr", "1\u202f234\u202f567,9"),
        (-0.04, 1, "fr", "0,0"),
        (-12.5, 1, "en", "\u221212.5"),
        (None, 1, "fr", "–"),
        (float("nan"), 0, "en", "–"),
    ],
)
def test_numbers(value, decimals, lang, text):
    assert style.format_number(value, decimals, lang=lang) == text


def test_source_line_groups_editions_of_a_producer():
    line = plain(
        style.source_line(["insee_filosofi_commune@2019", "insee_filosofi_qpv@2019"], outlines=["ign_regions"])
    )
    assert line.count("Insee, DGFiP") == 1 and " et « " in line
    assert line.endswith("Contours : IGN, Insee. Licence Ouverte 2.0.")
