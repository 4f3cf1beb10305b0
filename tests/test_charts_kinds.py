"""The other charts: distribution, trend, ranking, inequality, levels, and their alternative texts."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante import charts, style
from qpv_sante.catalogue import catalogue
from qpv_sante.charts import breaks, common, levels_rows, ranking, ranking_rows
from qpv_sante.charts.distribution import quantiles
from qpv_sante.errors import (
    ComparabilityError,
    InvalidInputError,
    SchemaError,
    UnavailableLevelError,
    UnknownNameError,
)
from qpv_sante.inequality import summarize
from qpv_sante.inequality.curves import concentration_points, group_values
from qpv_sante.profiles.values import positions

mpl.use("Agg")

LONG = "Quartier intercommunal de l'Épeule, d'Hautchamps-Longchamp-Lionderie et des Trois-Baudets à Saint-Rémy"


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def plain(text):
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\n", " ")


def by_gid(ax, gid):
    return ax.findobj(lambda one: one.get_gid() == gid)


def texts(ax, gid):
    return [plain(one.get_text()) for one in by_gid(ax, gid)]


def notes(ax):
    return texts(ax, "notes")[0]


def legend(ax):
    return [plain(text.get_text()) for text in ax.get_legend().get_texts()]


def names(ax):
    return [plain(label.get_text()) for label in ax.get_yticklabels()]


def observations(values=None, **changes):
    """Rates of QPV of Béziers, Toulouse and overseas, as the long table has them."""
    codes = ["QP034001", "QP034002", "QP034003", "QP031001", "QP974001", "QP971001"]
    values = [54.9, 62.9, 59.7, 40.0, np.nan, np.nan] if values is None else values
    frame = pd.DataFrame(
        {
            "indicator": "poverty_rate",
            "source": "insee_filosofi_qpv@2019",
            "geo_level": "qpv",
            "geo_code": codes[: len(values)],
            "geo_vintage": 2015,
            "perimeter": "all",
            "sex": "_T",
            "age": "_T",
            "category": "_T",
            "year": 2019,
            "value": values,
            "lower": np.nan,
            "upper": np.nan,
            "interval": "none",
            "flag": ["observed", "unreliable", "observed", "observed", "suppressed", "unavailable"][: len(values)],
        }
    )
    return frame.assign(**changes)


def many(number, **changes):
    """So many QPV, values 1 to `number` over ten."""
    return observations(list(range(6))).head(1).loc[[0] * number].reset_index(drop=True).assign(
        geo_code=[f"QP{i // 1000 + 1:03d}{i % 1000:03d}" for i in range(number)],
        value=np.arange(1, number + 1) / number * 100,
        flag="observed",
        **changes,
    )  # fmt: skip


def comparison(year, value, *, geo_vintage=2015, territory="Occitanie", **changes):
    frame = pd.DataFrame(
        {
            "territory": [territory],
            "territory_code": "region:" + territory,
            "indicator": "poverty_rate",
            "year": year,
            "geo_vintage": geo_vintage,
            "sex": "_T",
            "age": "_T",
            "reference": "commune",
            "reference_label": "communes qui accueillent les QPV",
            "qpv_value": value,
            "qpv_lower": value - 1,
            "qpv_upper": value + 1,
            "reference_value": value - 20,
            "reference_lower": np.nan,
            "reference_upper": np.nan,
            "difference": 20.0,
            "n_used": 97,
            "n_total": 105,
            "interval": "secrecy",
            "flag": "observed",
            "source": f"insee_filosofi_qpv{'' if geo_vintage == 2015 else 2024}@{year}",
            "reference_source": f"insee_filosofi_commune@{year}",
        }
    )
    return frame.assign(**changes)


def years():
    """Four years of one definition, one of another, and one in the new zoning."""
    rows = [(2016, 50.0, 2015), (2017, 49.0, 2015), (2018, 51.0, 2015), (2019, 50.5, 2015), (2021, 52.0, 2015)]
    frames = [comparison(year, value, geo_vintage=zoning) for year, value, zoning in rows]
    return pd.concat([*frames, comparison(2021, 51.5, geo_vintage=2024)], ignore_index=True)


def ranked(number=5, missing=1):
    """A ranking in which the first QPV is far beyond its funnel."""
    n = [1000.0] * number
    value = [60.0, *np.linspace(32, 28, number - 1)]
    position = ["above_99_8", *["within"] * (number - 1)]
    blank = [np.nan] * missing
    frame = pd.DataFrame(
        {
            "rank": [*np.arange(1.0, number + 1), *blank],
            "geo_code": [f"QP034{i + 1:03d}" for i in range(number + missing)],
            "name": "x",
            "value": [*value, *blank],
            "n": [*n, *blank],
            "target": [*[30.0] * number, *blank],
            "funnel_position": [*position, *[None] * missing],
            "flag": [*["observed"] * number, *["suppressed"] * missing],
            "source": "insee_income_benefits_qpv@2022",
        }
    )
    frame.attrs = {"indicator": "c2s_share", "warnings": ["Deux QPV voisins ne diffèrent pas pour autant."]}
    return frame


def groups():
    return pd.DataFrame(
        {
            "group": ["Q1", "Q2", "Q3"],
            "rank": [1.0, 2.0, 3.0],
            "estimate": [40.0, 30.0, 10.0],
            "population": [100.0, 100.0, 200.0],
            "n_used": [10, 12, 9],
            "n_total": [10, 12, 11],
        }
    )


def summary(table=None, **attrs):
    table = groups() if table is None else table
    frame = pd.DataFrame({"value": [30.0, -0.2], "interval": "process"}, index=pd.Index(["d", "rci"], name="measure"))
    frame.attrs = {"groups": table.to_dict("records"), "notes": ["circulaire"], "indicator": "c2s_share", **attrs}
    return frame


def health(levels=("region",), ages=("_T",), **changes):
    rows = [
        {
            "kind": "published",
            "territory": {"region": "Occitanie", "department": "Hérault"}[level],
            "territory_code": {"region": "region:76", "department": "department:34"}[level],
            "territory_level": level,
            "indicator": "depression_prevalence",
            "label": "Épisode dépressif",
            "year": 2024,
            "year_label": "2024",
            "sex": "_T",
            "age": age,
            "value": 17.7,
            "lower": 16.1,
            "upper": 19.4,
            "interval": "sampling",
            "n": 2565.0,
            "reference": "country",
            "reference_label": "France (comprend le territoire)",
            "reference_value": 15.6,
            "reference_lower": 15.1,
            "reference_upper": 16.0,
            "reference_n": 34795.0,
            "difference": 2.1,
            "unit": "% des 18-79 ans",
            "flag": "observed",
            "note": "",
            "reference_note": "",
            "source": "spf_barometer_2024_region@2024",
            "reference_source": "spf_barometer_2024@2024",
            "publication": "",
        }
        for age in ages
        for level in levels
    ]
    survey = {
        **rows[0], "kind": "survey_contrast", "territory": "QPV, France", "territory_code": "country:F",
        "territory_level": "country", "indicator": "health_problem", "label": "Un problème de santé", "value": 45.0,
        "lower": np.nan, "upper": np.nan, "interval": "none", "n": np.nan, "reference": "urban_unit",
        "reference_value": 40.0, "difference": 5.0, "unit": "%", "source": "", "publication": "Avis de 2024",
        "age": "_T",
    }  # fmt: skip
    return pd.DataFrame([*rows, survey]).assign(**changes)


def summary_kwargs():
    return {"geo_vintage": 2015, "year": 2022}


FIGURES = {
    "gap": lambda **k: charts.plot_gap(comparison(2019, 50.0), **k),
    "gap of a region": lambda **k: charts.plot_gap(health(), **k),
    "distribution": lambda **k: charts.plot_distribution(observations(), territory="Béziers", **k),
    "trend": lambda **k: charts.plot_trend(years(), **k),
    "funnel": lambda **k: charts.plot_rank(ranked(), highlight=["QP034001"], **k),
    "caterpillar": lambda **k: charts.plot_rank(ranked(), kind="caterpillar", **k),
    "gradient": lambda **k: charts.plot_inequality(summary(), **summary_kwargs(), **k),
    "concentration": lambda **k: charts.plot_inequality(summary(), kind="concentration", **summary_kwargs(), **k),
    "levels": lambda **k: charts.plot_levels(health(), **k),
}
every_figure = pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)


@every_figure
def test_settings_are_left_as_they_were(draw):
    with mpl.rc_context({"font.size": 17, "axes.grid": True, "axes.spines.top": True}):
        before = dict(mpl.rcParams)
        draw()
        assert dict(mpl.rcParams) == before


@every_figure
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_source_licence_and_unit_are_written(draw, lang):
    ax = draw(lang=lang)
    assert "Licence" in notes(ax) and ("Source" in notes(ax))
    assert texts(ax, "title")[0] and ("20" in texts(ax, "subtitle")[0])
    ax.figure.canvas.draw()
    shown = [plain(label.get_text()) for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    mark = " %" if lang == "fr" else "%"
    assert any(text.endswith(mark) for text in shown)


@every_figure
def test_everything_fits_at_any_resolution(draw):
    ax = draw()
    for dpi in (72, 150):
        ax.figure.set_dpi(dpi)
        page, drawn = ax.figure.bbox.extents, ax.get_tightbbox().extents
        assert (drawn[:2] >= page[:2] - 1).all() and (drawn[2:] <= page[2:] + 1).all()


@every_figure
def test_subplots_are_laid_out_or_refused(draw):
    import matplotlib.pyplot as plt

    ax = plt.subplots(figsize=(3, 2))[1]
    with pytest.raises(InvalidInputError, match="too small for the figure"):
        draw(ax=ax)
    figure, axes = plt.subplots(1, 2, figsize=(16, 9))
    assert draw(ax=axes[0]) is axes[0] and figure.get_size_inches().tolist() == [16, 9]
    drawn, neighbour = axes[0].get_tightbbox().extents, axes[1].get_tightbbox().extents
    assert drawn[0] >= -5 and drawn[1] >= -5 and drawn[3] <= figure.bbox.height + 5
    assert drawn[2] <= neighbour[0]


@every_figure
def test_unknown_language_is_refused(draw):
    with pytest.raises(UnknownNameError, match="'de'"):
        draw(lang="de")


@every_figure
@pytest.mark.parametrize(("lang", "said"), [("fr", "en %"), ("en", "in %")])
def test_alternative_text_says_unit_and_extremes(draw, lang, said):
    text = charts.figure_alt_text(draw(), lang)
    assert said in text and "\n" not in text and "nan" not in text
    assert ("De " in text or "valeur" in text) if lang == "fr" else ("From " in text or "value" in text)


# alternative text


def test_alternative_text_of_a_profile_tells_where_the_quarter_stands():
    frame = positions("QP034003")
    frame = frame[frame["indicator"].isin(["poverty_rate", "c2s_share"])]
    said = plain(charts.figure_alt_text(qs.plot_profile(frame)))
    high = frame["value"] >= frame["qpv_country_q3"]
    assert high.sum() == 1 or high.all()
    listed = ", ".join(catalogue().indicator(name).short["fr"] for name in frame.loc[high, "indicator"])
    assert "Devèze (Béziers), QPV QP034003 (zonage 2015), parmi les QPV de France. 2 éléments dessinés." in said
    assert f"aux valeurs les plus hautes : {listed}." in said


def test_alternative_text_of_a_distribution_by_hand():
    ax = charts.plot_distribution(observations(), territory="Béziers")
    assert plain(charts.figure_alt_text(ax)) == (
        "Histogramme : Taux de pauvreté (seuil à 60 % du niveau de vie médian), en %. Distribution des QPV (zonage "
        "2015), France · 2019. 6 éléments dessinés. De 40,0 % (Cœur De Ville - Vaise, Saint-Vincent) à 62,9 % (Iranget "
        "Grangette). QPV avec une valeur : 4 sur 6. Sans valeur : 1 (secret statistique), 1 (non disponible). "
        "Quartiers marqués : Béziers : de 54,9 % à 62,9 %."
    ).replace("Cœur De Ville - Vaise, Saint-Vincent", common.qpv_labels(["QP031001"], 2015)[0])


def test_alternative_text_of_a_map_and_of_a_figure_of_two():
    import matplotlib.pyplot as plt

    ax = qs.plot_map("poverty_rate", geo_vintage=2015, year=2019, territory="Béziers")
    assert plain(charts.figure_alt_text(ax.figure)) == (
        "Carte : Taux de pauvreté (seuil à 60 % du niveau de vie médian), en %. Quartiers prioritaires (QPV, zonage "
        "2015) · Béziers · 2019. 3 éléments dessinés. De 54,9 % (Centre Ville (Béziers)) à 62,9 % (Iranget Grangette "
        "(Béziers)). QPV avec une valeur : 3 sur 3. Classes : 54,9 % : 1 QPV ; 59,7 % : 1 QPV ; 62,9 % : 1 QPV."
    )
    assert "From 54.9% (Centre Ville (Béziers))" in charts.figure_alt_text(ax, "en")
    two = qs.plot_bivariate_map(
        "poverty_rate", "single_parent_recipient_share", geo_vintage=2015, year_x=2019, year_y=2020, territory="Béziers"
    )
    said = plain(charts.figure_alt_text(two))
    assert said.startswith("Carte de deux indicateurs. Taux de pauvreté et monoparents parmi les allocataires · ")
    corner = next(text for text in two.child_axes[0].texts if text.get_gid() == "count-2-2")
    assert f"Classe la plus haute des deux : {corner.get_text()} QPV." in said
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 6))
    charts.plot_gap(comparison(2019, 50.0), ax=left)
    charts.plot_trend(years(), ax=right)
    both = charts.figure_alt_text(figure)
    assert "Graphique d'écarts" in both and "Courbes par année" in both


def test_alternative_text_of_nothing_is_an_error():
    import matplotlib.pyplot as plt

    with pytest.raises(InvalidInputError, match="nothing of the package"):
        charts.figure_alt_text(plt.figure())
    with pytest.raises(InvalidInputError, match=r"got .figure.png., a str"):
        charts.figure_alt_text("figure.png")


# gap, for health


def test_a_region_is_not_drawn_as_a_qpv():
    ax = charts.plot_gap(health())
    assert not by_gid(ax, "qpv") and len(by_gid(ax, "territory")) == 1
    assert by_gid(ax, "territory")[0].get_offsets()[0].tolist() == [17.7, 0.0]
    assert by_gid(ax, "territory_interval")[0].get_segments()[0][:, 0].tolist() == [16.1, 19.4]
    assert by_gid(ax, "territory")[0].get_facecolors()[0][:3] == pytest.approx(mpl.colors.to_rgb("#4d9221"))
    assert texts(ax, "count") == ["n = 2 565"]
    assert "Ces valeurs ne sont pas celles de QPV" in notes(ax) and "(voir plot_levels) : 1." in notes(ax).replace(
        "\u202f", " "
    ).replace("\u00a0", " ")
    assert "Région" in legend(ax) and not any(text.startswith("QPV") for text in legend(ax))


def test_age_classes_are_blocks_one_under_the_other():
    ax = charts.plot_gap(health(ages=("Y_GE60", "Y5T24", "Y25T59")))
    assert texts(ax, "facet") == ["5 à 24 ans", "25 à 59 ans", "60 ans ou plus"]
    heads = [text.xy[1] for text in ax.texts if text.get_gid() == "facet"]
    points = sorted(one for dots in by_gid(ax, "territory") for one in dots.get_offsets()[:, 1])
    assert len(points) == 3
    assert all(head < point for head, point in zip(heads, points, strict=True))
    assert "ans" not in texts(ax, "subtitle")[0]
    one = charts.plot_gap(health(ages=("Y25T59",)))
    assert texts(one, "facet") == []
    assert "25 à 59 ans" in texts(one, "subtitle")[0]


def test_surveys_alone_point_to_plot_levels():
    with pytest.raises(SchemaError, match="plot_levels"):
        charts.plot_gap(health().tail(1))


# distribution


def test_quantiles_by_hand():
    # positions 1 + 9 q among ten values: 1.9, 3.25, 5.5, 7.75, 9.1
    expected = {"q10": 1.9, "q25": 3.25, "median": 5.5, "q75": 7.75, "q90": 9.1}
    assert quantiles([10, 9, 8, 7, 6, 5, 4, 3, 2, 1, None]).to_dict() == pytest.approx(expected)
    assert quantiles([]).isna().all()


def test_bars_count_every_value_and_quantiles_are_written():
    ax = charts.plot_distribution(many(300))
    assert sum(bar.get_height() for bar in by_gid(ax, "bars")) == 300
    assert len(by_gid(ax, "rug")[0].get_segments()) == 300
    # type 7 of 300 values i/3: 1/3 (1 + 299 q)
    assert texts(ax, "quantile_text") == ["D1 10,3 %", "Q1 25,2 %", "médiane 50,2 %", "Q3 75,1 %", "D9 90,0 %"]
    assert "QPV avec une valeur : 300/300" in notes(ax)


def test_quantile_texts_do_not_touch():
    frame = many(300).assign(value=np.r_[np.full(299, 40.0) + np.arange(299) * 1e-3, 95.0])
    ax = charts.plot_distribution(frame)
    boxes = sorted((one.get_window_extent() for one in by_gid(ax, "quantile_text")), key=lambda box: box.x0)
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_marked_quarters_are_named_and_missing_ones_said():
    ax = charts.plot_distribution(observations(), highlight=["QP034002", "QP974001"])
    assert texts(ax, "marked_name") == ["Iranget Grangette"]
    assert by_gid(ax, "marked")[0].get_facecolors()[0].tolist() == [1, 1, 1, 1]  # unreliable: hollow
    assert len(texts(ax, "marked_missing")) == 1 and texts(ax, "marked_missing")[0].endswith(": secret statistique")
    assert "Sans valeur : 1 (secret statistique), 1 (non disponible)" in notes(ax)


def test_more_marked_than_names_are_ticks():
    frame = many(60)
    ax = charts.plot_distribution(frame, highlight=list(frame["geo_code"][:16]))
    assert len(by_gid(ax, "marked")) == 16 and not texts(ax, "marked_name")
    assert "Plus de 15 quartiers" in notes(ax)


def test_few_values_have_no_quantile_and_all_suppressed_says_so():
    ax = charts.plot_distribution(observations([41.0]))
    assert not by_gid(ax, "quantile") and "Moins de 10 valeurs" in notes(ax)
    assert texts(ax, "marked_name") == ["Centre Ville"]
    nothing = observations(value=np.nan, flag="suppressed")
    ax = charts.plot_distribution(nothing)
    assert texts(ax, "nothing") == ["Aucune valeur à représenter"]
    assert "0/6. Sans valeur : 6 (secret statistique)" in notes(ax)
    assert "Aucune valeur" in charts.figure_alt_text(ax)


def test_an_overseas_territory_and_accents():
    rates = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    ax = charts.plot_distribution(rates, territory="region:04")
    assert "Quartiers marqués : La Réunion" in legend(ax) and len(by_gid(ax, "marked")) == 49
    with pytest.raises(UnavailableLevelError, match="nothing to mark"):
        charts.plot_distribution(rates[rates["geo_code"] == "QP034001"], territory="region:04")


def test_distribution_refuses_what_it_cannot_draw():
    frame = observations()
    with pytest.raises(SchemaError, match="missing columns: value"):
        charts.plot_distribution(frame.drop(columns="value"))
    with pytest.raises(SchemaError, match="no row"):
        charts.plot_distribution(frame.head(0))
    with pytest.raises(ComparabilityError, match=r"one year at a time; got 2.*observations\['year'\]"):
        charts.plot_distribution(frame.assign(year=[2019] * 5 + [2018]))
    with pytest.raises(ComparabilityError, match="geo_level='qpv'"):
        charts.plot_distribution(frame.assign(geo_level="commune"))
    with pytest.raises(ComparabilityError, match="QP034001 has several"):
        charts.plot_distribution(frame.assign(geo_code="QP034001"))
    with pytest.raises(InvalidInputError, match="not both"):
        charts.plot_distribution(frame, territory="Béziers", highlight=["QP034001"])
    with pytest.raises(UnknownNameError, match="'QP999999' is not in the frame"):
        charts.plot_distribution(frame, highlight=["QP999999"])


def test_one_code_to_mark_is_a_list_of_one():
    one, listed = (charts.plot_distribution(observations(), highlight=given) for given in ("QP034001", ["QP034001"]))
    texts = [[text.get_text() for text in axes.texts] for axes in (one, listed)]
    assert texts[0] == texts[1]
    assert texts[0]


def test_names_are_told_apart():
    both = common.qpv_labels(["QP034001", "QP034004"], 2015)
    assert len(set(both)) == 2
    rows = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    assert len(set(common.qpv_labels(rows["geo_code"], 2015))) == len(rows)


@pytest.mark.parametrize("gap", [1.0, 3.5])
def test_spread_keeps_order_distance_and_mean(gap):
    random = np.random.default_rng(0)
    for _ in range(50):
        start = random.uniform(0, 10, 6)
        moved = np.array(common.spread(list(start), gap))
        order = np.argsort(start)
        assert (np.diff(moved[order]) >= gap - 1e-9).all()
        assert moved.mean() == pytest.approx(start.mean())
    assert common.spread([0.0, 100.0], gap) == [0.0, 100.0]


# trend


def test_breaks_by_hand():
    found = breaks.breaks(breaks.trend_rows(years()))
    assert found[["before", "after", "reasons"]].values.tolist() == [
        [2018, 2019, "definition"],
        [2019, 2021, "definition"],
        [2021, 2021, "zoning, source"],
    ]
    assert found["x"].tolist() == pytest.approx([2018.5, (2019 + 2020.8) / 2, 2021.0])


def test_a_change_of_source_is_a_break_and_of_edition_is_not():
    frame = pd.concat([comparison(2016, 50.0), comparison(2017, 51.0), comparison(2018, 52.0, source="other@2018")])
    found = breaks.breaks(breaks.trend_rows(frame))
    assert found[["before", "after", "reasons"]].values.tolist() == [[2017, 2018, "source"]]


def test_lines_join_consecutive_comparable_years_only():
    runs = breaks.segments(breaks.trend_rows(years()))
    of_qpv = [run["year"].tolist() for run in runs if run["side"].iloc[0] == "qpv"]
    assert of_qpv == [[2016, 2017, 2018], [2019], [2021], [2021]]
    # a missing year interrupts, in the table or not
    gap = years().query("year != 2017")
    assert breaks.segments(breaks.trend_rows(gap))[0]["year"].tolist() == [2016]
    frame = years()
    frame.loc[frame["year"] == 2017, ["qpv_value", "flag"]] = [np.nan, "suppressed"]
    assert breaks.segments(breaks.trend_rows(frame))[0]["year"].tolist() == [2016]


def test_trend_draws_points_lines_breaks_and_missing_years():
    frame = years()
    frame.loc[frame["year"] == 2019, ["qpv_value", "flag"]] = [np.nan, "suppressed"]
    ax = charts.plot_trend(frame)
    lines = [line.get_xydata().tolist() for line in by_gid(ax, "line")]
    assert lines == [[[2016, 50.0], [2017, 49.0], [2018, 51.0]], [[2016, 30.0], [2017, 29.0], [2018, 31.0]]]
    assert sum(len(one.get_offsets()) for one in by_gid(ax, "qpv")) == 5
    assert len(by_gid(ax, "break")) == 3 and texts(ax, "break_text")[-1] == "rupture : zonage, source"
    missing = by_gid(ax, "missing-suppressed")[0].get_offsets()
    assert missing[:, 0].tolist() == [2019] and missing[0, 1] < 29
    assert "Sans valeur (secret statistique)" in legend(ax)
    assert "2021 (2024) 97/105" in notes(ax)
    shapes = [len(one.get_paths()[0].vertices) for one in by_gid(ax, "qpv")]
    assert shapes[0] != shapes[1]  # another shape for another zoning


def test_trend_of_one_quarter_and_of_a_country():
    ax = charts.plot_trend(qs.load_observations("poverty_rate", geo_level="qpv", territory="qpv:QP034003"))
    assert texts(ax, "subtitle")[0].startswith("Devèze")
    country = qs.load_observations("depression_prevalence_2005_2021", geo_level="country")
    ax = charts.plot_trend(country)
    assert not by_gid(ax, "line") and not by_gid(ax, "break")  # waves four to seven years apart are not joined
    assert by_gid(ax, "observed")[0].get_facecolors()[0][:3] == pytest.approx(mpl.colors.to_rgb("#4d9221"))


def test_trend_of_several_territories_names_them_apart():
    places = ["Occitanie", "Provence-Alpes-Côte d'Azur", LONG, "Guyane"]
    frame = pd.concat([comparison(y, 50.0 + i / 50, territory=t) for i, t in enumerate(places) for y in (2016, 2017)])
    ax = charts.plot_trend(frame)
    boxes = sorted((one.get_window_extent() for one in by_gid(ax, "series_name")), key=lambda box: box.y0)
    assert len(boxes) == 4 and all(low.y1 <= up.y0 for low, up in pairwise(boxes))
    assert {"Provence-Alpes-Côte d'Azur", "Guyane"} <= set(texts(ax, "series_name"))


def test_trend_of_medians_says_what_is_drawn():
    frame = comparison(2019, 50.0, qpv_value=np.nan, qpv_median=14_000.0, flag="not_applicable")
    frame = frame.assign(indicator="median_standard_of_living", reference_value=20_000.0)
    ax = charts.plot_trend(frame)
    assert by_gid(ax, "qpv")[0].get_offsets()[0].tolist() == [2019, 14_000.0]
    assert any("médiane des quartiers" in text for text in legend(ax)) and not by_gid(ax, "missing-not_applicable")


def test_trend_refuses_what_it_cannot_draw():
    with pytest.raises(SchemaError, match="missing columns"):
        charts.plot_trend(pd.DataFrame({"year": [2019]}))
    with pytest.raises(ComparabilityError, match="one reference at a time"):
        charts.plot_trend(pd.concat([comparison(2018, 5.0), comparison(2019, 5.0, reference="epci")]))
    with pytest.raises(ComparabilityError, match="several for 2019"):
        charts.plot_trend(pd.concat([comparison(2019, 50.0)] * 2))
    crowd = pd.concat([comparison(2019, 50.0, territory=f"Région {i}") for i in range(300)])
    with pytest.raises(ComparabilityError, match=r"at most 6 territories, got 300.*isin"):
        charts.plot_trend(crowd)
    ax = charts.plot_trend(years().assign(qpv_value=np.nan, reference_value=np.nan, flag="suppressed"))
    assert texts(ax, "nothing") == ["Aucune valeur à représenter"]


# ranking


def test_funnel_curve_is_that_of_the_intervals_and_closes_with_size():
    curve = ranking_rows.funnel_curve(30, 400, 40_000)
    exact = qs.intervals.funnel_limits(0.3, [400, 40_000])
    for name in ("lower_95", "upper_99_8"):
        assert curve[name].iloc[[0, -1]].tolist() == pytest.approx((100 * exact[name]).tolist())
    width = curve["upper_95"] - curve["lower_95"]
    assert width.iloc[0] / width.iloc[-1] == pytest.approx(10, rel=0.05)
    assert (curve["upper_99_8"] > curve["upper_95"]).all() and (curve["lower_99_8"] < curve["lower_95"]).all()


def test_ordered_intervals_by_hand():
    known = ranking_rows.ordered_intervals(ranked())
    # Wilson, 600 of 1 000 at 95 %: (0.6 + z²/2n ± z √(0.24/n + z²/4n²)) / (1 + z²/n)
    z2 = 1.959964**2
    centre, half = 0.6 + z2 / 2000, 1.959964 * np.sqrt(0.24 / 1000 + z2 / 4e6)
    expected = [100 * (centre + sign * half) / (1 + z2 / 1000) for sign in (-1, 1)]
    assert known.loc[0, ["lower_95", "upper_95"]].tolist() == pytest.approx(expected, abs=1e-4)
    assert (known["lower_99_8"] < known["lower_95"]).all() and len(known) == 5


def test_funnel_separates_places_by_shape_and_counts_them():
    ax = charts.plot_rank(ranked(), highlight=["QP034001"])
    assert len(by_gid(ax, "beyond_99_8")[0].get_offsets()) == 1 and len(by_gid(ax, "within")[0].get_offsets()) == 4
    assert by_gid(ax, "beyond_99_8")[0].get_offsets()[0].tolist() == [1000, 60]
    assert {"QPV au-delà de 99,8 % : 1", "QPV dans les limites à 95 % : 4"} <= set(legend(ax))
    assert len(by_gid(ax, "limit_95")) == len(by_gid(ax, "limit_99_8")) == 2
    assert texts(ax, "marked_name") == ["Centre Ville"]
    assert "5/6. Sans valeur : 1 (secret statistique)" in notes(ax) and "ne diffèrent pas" in notes(ax)


def test_caterpillar_orders_and_puts_the_missing_last():
    ax = charts.plot_rank(ranked(), kind="caterpillar")
    assert len(names(ax)) == 6 and names(ax)[0] == "Centre Ville"
    assert texts(ax, "reason") == ["secret statistique"]
    assert by_gid(ax, "value")[0].get_offsets()[:, 0].tolist() == [60.0, *np.linspace(32, 28, 4)]
    assert len(by_gid(ax, "interval_95")[0].get_segments()) == 5


def test_caterpillar_of_300_rows_is_without_names_and_says_so():
    ax = charts.plot_rank(ranked(299), kind="caterpillar")
    assert not names(ax) or "Centre Ville" not in names(ax)
    assert "300 quartiers : au-delà de 40" in notes(ax)
    assert "_" not in notes(ax) and "rank(" not in notes(ax)  # words for readers, not for the program
    assert len(by_gid(ax, "value")[0].get_offsets()) == 299


def test_cautions_of_a_ranking_follow_the_language_of_the_figure():
    french = qs.rank("poverty_rate", geo_vintage=2015, year=2019, territory="Hérault")
    said = notes(charts.plot_rank(french, lang="en"))
    assert "Neighbours in a ranking" in said and "ranking them by poverty rate is circular" in said
    factor = style.format_number(french.attrs["dispersion"] ** 0.5, lang="en")
    assert f"depart from the whole {factor} times" in said and "Les QPV" not in said


def test_a_ranking_of_one_quarter_overseas():
    one = qs.rank("c2s_share", geo_vintage=2015, year=2022, territory="region:04").head(1)
    for kind in ranking.KINDS:
        ax = charts.plot_rank(one, kind=kind)
        ax.figure.canvas.draw()
        assert "édition 2022" in texts(ax, "subtitle")[0]
    blank = ranked().tail(1)
    blank.attrs = ranked().attrs
    assert texts(charts.plot_rank(blank), "nothing") == ["Aucune valeur à représenter"]


def test_a_ranking_is_told_by_the_year_and_the_territory_that_it_keeps():
    frame = ranked()
    inferred = texts(charts.plot_rank(frame), "subtitle")[0]
    # six QPV of Hérault, in several of its intercommunalities
    assert "Hérault" in inferred and "Occitanie" not in inferred
    frame.attrs |= {"year": 2019, "territory_name": "Occitanie"}
    kept = texts(charts.plot_rank(frame), "subtitle")[0]
    assert "Occitanie" in kept and "2019" in kept and "Hérault" not in kept


def test_ranking_errors():
    with pytest.raises(UnknownNameError, match="Valid: funnel, caterpillar"):
        charts.plot_rank(ranked(), kind="funel")
    lost = ranked()
    lost.attrs = {}
    with pytest.raises(SchemaError, match="no longer says its indicator"):
        charts.plot_rank(lost)
    with pytest.raises(UnknownNameError, match="QP000000"):
        charts.plot_rank(ranked(), highlight=["QP000000"])
    with pytest.raises(SchemaError, match="missing columns: target"):
        charts.plot_rank(ranked().drop(columns="target"))


# inequality


def test_concentration_points_by_hand():
    points = concentration_points(groups())
    # cases: 40, 30 and 20 of 90
    assert points["population_share"].tolist() == [0, 0.25, 0.5, 1]
    assert points["case_share"].tolist() == pytest.approx([0, 4 / 9, 7 / 9, 1])


def test_area_under_the_curve_is_the_concentration_index():
    random = np.random.default_rng(1)
    for _ in range(20):
        table = pd.DataFrame(
            {
                "group": list("abcdef"),
                "rank": [1, 2, 2, 3, 4, 5],
                "estimate": random.uniform(1, 99, 6),
                "population": random.uniform(10, 1000, 6),
            }
        )
        points = concentration_points(table)
        area = np.trapezoid(points["case_share"], points["population_share"])
        rci = summarize(table["estimate"], table["population"], rank=table["rank"], measures=["rci"])
        assert 1 - 2 * area == pytest.approx(rci.loc["rci", "value"])


def test_group_values_cover_the_population_in_order():
    values = group_values(groups().iloc[::-1], interval="process", level=0.99)
    assert values["group"].tolist() == ["Q1", "Q2", "Q3"]
    assert values["start"].tolist() == [0, 0.25, 0.5] and values["end"].tolist() == [0.25, 0.5, 1]
    narrow = group_values(groups(), interval="process")
    assert (values["lower"] < narrow["lower"]).all() and narrow["lower"].lt(narrow["estimate"]).all()
    assert group_values(groups())["lower"].isna().all()


def test_groups_that_make_no_curve_are_refused():
    unranked = groups().assign(rank=np.nan)
    assert group_values(unranked.iloc[::-1])["group"].tolist() == ["Q1", "Q2", "Q3"]
    with pytest.raises(InvalidInputError, match="ranked groups"):
        concentration_points(unranked)
    with pytest.raises(InvalidInputError, match="zero in every group"):
        concentration_points(groups().assign(estimate=0.0))
    with pytest.raises(InvalidInputError, match="two groups or more; found 1"):
        group_values(groups().head(1))
    with pytest.raises(InvalidInputError, match="'Q1': expected percent"):
        group_values(groups().assign(estimate=[140.0, 1, 1]))
    with pytest.raises(InvalidInputError, match="found nan"):
        group_values(groups().assign(estimate=np.nan))
    with pytest.raises(SchemaError, match="missing: rank"):
        group_values(groups().drop(columns="rank"))


def test_gradient_and_concentration_draw_these_numbers():
    ax = charts.plot_inequality(summary(), **summary_kwargs())
    bars = by_gid(ax, "group")
    assert [bar.get_height() for bar in bars] == [40, 30, 10]
    assert [bar.get_width() for bar in bars] == pytest.approx([0.25, 0.25, 0.5])
    # (40 + 30 + 20) / 4
    assert by_gid(ax, "mean")[0].get_ydata()[0] == pytest.approx(22.5)
    assert len(by_gid(ax, "interval")[0].get_segments()) == 3
    assert "Intervalle à 95 % (fluctuation aléatoire)" in legend(ax)
    assert "31/33" in notes(ax) and "Circulaire" in notes(ax) and "30,0 points" in notes(ax)
    ax = charts.plot_inequality(summary(), kind="concentration", **summary_kwargs())
    assert by_gid(ax, "curve")[0].get_ydata().tolist() == pytest.approx([0, 4 / 9, 7 / 9, 1])
    assert by_gid(ax, "equality")[0].get_ydata().tolist() == [0, 1]
    assert "−0,200" in notes(ax)
    assert plain(charts.figure_alt_text(ax)).endswith(
        "−0,200. QPV avec une valeur : 31/33 dans les groupes. Circulaire."
    )


def test_an_inequality_is_told_by_what_its_summary_keeps():
    kept = charts.plot_inequality(summary(geo_vintage=2015, year=2022, territory_name="Occitanie"))
    assert "Groupes de QPV (zonage 2015), Occitanie" in plain(texts(kept, "subtitle")[0])
    assert "Occitanie" in plain(charts.figure_alt_text(kept))


def test_inequality_without_interval_says_why():
    frame = summary().assign(interval=np.nan)
    frame.attrs = summary().attrs
    ax = charts.plot_inequality(frame, **summary_kwargs())
    assert not by_gid(ax, "interval")[0].get_segments() and "la part du hasard n'est pas dessinée" in notes(ax)


def test_many_groups_with_long_names_fit():
    table = pd.concat([groups()] * 5, ignore_index=True).assign(rank=np.nan)
    table["group"] = [f"{LONG} {i}" for i in range(15)]
    ax = charts.plot_inequality(summary(table), **summary_kwargs())
    page, drawn = ax.figure.bbox.extents, ax.get_tightbbox().extents
    assert (drawn[:2] >= page[:2] - 1).all() and len(texts(ax, "group_name")) == 15


def test_inequality_errors():
    bare = summary()
    bare.attrs = {}
    with pytest.raises(SchemaError, match="attrs"):
        charts.plot_inequality(bare, **summary_kwargs())
    with pytest.raises(SchemaError, match="say geo_vintage and year"):
        charts.plot_inequality(summary())
    with pytest.raises(ComparabilityError, match="of year 2021, not 2022"):
        charts.plot_inequality(summary(year=2021), **summary_kwargs())
    with pytest.raises(UnavailableLevelError, match="not read for"):
        charts.plot_inequality(summary(), geo_vintage=2015, year=1999)
    crowd = pd.concat([groups()] * 100, ignore_index=True)
    with pytest.raises(ComparabilityError, match=r"at most 40 groups, got 300.*poverty_quintile"):
        charts.plot_inequality(summary(crowd), **summary_kwargs())
    with pytest.raises(UnknownNameError, match="Valid: gradient, concentration"):
        charts.plot_inequality(summary(), kind="lorenz", **summary_kwargs())


# levels


def test_levels_go_from_the_country_to_the_words_about_qpv():
    ax = charts.plot_levels(health(("region", "department")))
    assert names(ax) == [
        "France (pays)", "Occitanie (région)", "Hérault (département)", "Un problème de santé (QPV, 2024)", "QPV",
    ]  # fmt: skip
    assert by_gid(ax, "country")[0].get_offsets()[:, 0].tolist() == [15.6]
    assert by_gid(ax, "inside")[0].get_offsets()[:, 0].tolist() == [45.0]
    assert by_gid(ax, "outside")[0].get_offsets()[:, 0].tolist() == [40.0]
    assert texts(ax, "unpublished") == ["Par QPV : non publié. Lu pour : pays (2024), région (2024)."]
    assert texts(ax, "size")[0] == "15,6 % (n = 34 795)" or texts(ax, "size")[0] == "15,6 %  (n = 34 795)"
    assert "Aucune n'est celle d'un QPV" in notes(ax) and "Avis de 2024" in notes(ax)
    # nothing is drawn on the row of the QPV
    bottom = ax.get_yticks()[-1]
    drawn = [y for one in ax.collections if hasattr(one, "get_offsets") for y in np.asarray(one.get_offsets())[:, 1]]
    assert bottom not in drawn


def test_levels_are_given_by_age_class():
    rows = levels_rows.level_rows(health(ages=("Y25T59", "Y5T24", "Y_LT5")))
    assert rows.loc[rows["section"] != "survey", "head"].unique().tolist() == [
        "moins de 5 ans", "5 à 24 ans", "25 à 59 ans",
    ]  # fmt: skip
    assert (rows["y"].diff().dropna() > 0).all()


def test_levels_from_the_indicator_and_from_observations():
    ax = charts.plot_levels("self_perceived_health_good", year=2021, territory="Hérault")
    assert [name for name in names(ax) if "Hérault" in name] == ["Hérault (département)"] * 3
    frame = qs.load_observations("depression_prevalence", geo_level="region", year=2024, territory="region:04")
    ax = charts.plot_levels(frame, lang="en")
    assert names(ax) == ["La Réunion (region)", "QPV"]


def test_levels_without_a_value_give_the_reason():
    frame = health(value=np.nan, lower=np.nan, upper=np.nan, flag="suppressed", reference_value=np.nan)
    ax = charts.plot_levels(frame.head(1).assign(reference_lower=np.nan, reference_upper=np.nan))
    assert texts(ax, "reason") == ["non disponible", "secret statistique"]
    assert texts(ax, "nothing") == ["Aucune valeur à représenter"]


def test_levels_errors():
    with pytest.raises(UnavailableLevelError, match=r"poverty_rate is published by QPV.*plot_gap"):
        charts.plot_levels("poverty_rate", year=2019)
    with pytest.raises(UnavailableLevelError, match="plot_distribution"):
        charts.plot_levels(observations())
    with pytest.raises(InvalidInputError, match="needs its year"):
        charts.plot_levels("depression_prevalence")
    with pytest.raises(InvalidInputError, match="filter the frame"):
        charts.plot_levels(health(), year=2024)
    with pytest.raises(UnavailableLevelError, match="2019"):
        charts.plot_levels("depression_prevalence", year=2019)
    with pytest.raises(SchemaError, match="survey contrasts only"):
        charts.plot_levels(health().tail(1))
    crowd = pd.concat([health().head(1).assign(territory=f"Région {i}") for i in range(300)])
    with pytest.raises(ComparabilityError, match=r"at most 40 rows, got 301.*territory="):
        charts.plot_levels(crowd)
    with pytest.raises(SchemaError, match="missing columns"):
        charts.plot_levels(pd.DataFrame({"value": [1.0]}))


def test_drawing_needs_no_window():
    assert mpl.get_backend().lower() == "agg"
    assert style.description_of(charts.plot_trend(years())).kind == "trend"
