"""What references are made of: communes that merged, arrondissements, and places that a file leaves out."""

import pandas as pd
import pytest
from typer.testing import CliRunner

import qpv_sante as qs
from qpv_sante.cli import app
from qpv_sante.loading import gazetteer
from qpv_sante.reference_units import commune_parts
from qpv_sante.territories import Gazetteer


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """Import rates of communes and of QPV, in a data folder of the test's own."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    made = iter(range(100))

    def bring(level, vintage, rows, kind="rate"):
        number = next(made)
        file = tmp_path / f"file{number}.csv"
        cells = [f"{code};{100 * count / of:.6f};{count};{of}".replace(".", ",") for code, count, of in rows]
        file.write_text("\n".join(["geo_code;value;count;denominator", *cells]), encoding="utf-8")
        measure = {"label": "Essai", "unit": "%", "kind": kind, "definition": "Essai", "higher_is": "worse"}
        measure["rounding"] = 0.05
        metadata = {"title": "Essai", "producer": "Essai", "licence": "Licence Ouverte 2.0", "geo_level": level}
        metadata |= {"geo_vintage": vintage, "year": 2024, "indicator": {"essai": measure}}
        qs.import_observations(file, source=f"essai_{number}", metadata=metadata)

    return bring


def compared(**asked):
    return qs.compare("essai", geo_vintage=2024, year=2024, **asked).iloc[0]


def test_communes_that_merged_since_are_taken_together(brought):
    brought("qpv", 2024, [(code, 40, 100) for code in gazetteer().qpv_in(_place("commune:91228"), 2024)["geo_code"]])
    brought("commune", 2018, [("91228", 15900, 53000), ("91182", 1400, 14000), ("91174", 10000, 50000)])
    row = compared(reference="commune", by="commune", territory="commune:91228")
    assert row["reference_value"] == pytest.approx(100 * 17300 / 67000)
    assert (row["reference_n_used"], row["reference_coverage"]) == (2, 1.0)


def test_communes_that_are_not_in_the_file_count_in_the_coverage(brought):
    brought("qpv", 2024, [(code, 40, 100) for code in gazetteer().qpv_in(_place("department:93"), 2024)["geo_code"]])
    brought("commune", 2024, [("93066", 34182, 113942), ("93001", 30000, 100000)])
    asked = {"reference": "commune", "by": "department", "territory": "department:93"}
    row = compared(**asked)
    # the 33 others weigh what they would at the rate of these two: 1.049 person of the base by inhabitant
    assert row["reference_coverage"] == pytest.approx(0.127, abs=0.0005)
    assert (row["reference_n_used"], row["reference_n_total"]) == (2, 35)
    assert pd.isna(row["reference_value"])
    # two communes that agree on 30 do not say that the 33 others do
    assert row["reference_lower"] < 10 and row["reference_upper"] > 85
    assert "couvre 13 %" in row["note"]
    table = qs.compare("essai", geo_vintage=2024, year=2024, **asked)
    assert "12,7" in str(qs.format_table(table).data["reference_coverage"].iloc[0])
    told = CliRunner().invoke(
        app,
        ["compare", "essai", "--geo-vintage", "2024", "--year", "2024", "--by", "department", "--territory", "93"],
    )
    assert "13 %" in told.output, told.output


def test_a_rest_without_one_of_its_communes_has_no_value(brought):
    lyon = gazetteer().qpv_in(_place("commune:69123"), 2024)["geo_code"]
    brought("qpv", 2024, [(code, 40, 100) for code in lyon])
    brought("commune", 2024, [("69123", 95000, 450000)])
    row = compared(reference="rest_of_commune", by="commune", territory="commune:69123")
    assert pd.isna(row["reference_value"])
    assert "Vénissieux" in row["note"]
    assert "couvre 89 %" in row["note"]


def test_arrondissements_make_up_their_commune(brought):
    lyon = gazetteer().qpv_in(_place("commune:69123"), 2024)["geo_code"]
    brought("qpv", 2024, [(code, 40, 100) for code in lyon])
    nine = [(f"6938{number}", 15000 if number == 9 else 10000, 50000) for number in range(1, 10)]
    brought("commune", 2024, nine)
    row = compared(reference="commune", by="commune", territory="commune:69123")
    assert row["reference_value"] == pytest.approx(100 * 95000 / 450000)
    assert (row["reference_n_used"], row["reference_coverage"]) == (9, 1.0)


def test_an_arrondissement_that_the_file_leaves_out_is_missed(brought):
    lyon = gazetteer().qpv_in(_place("commune:69123"), 2024)["geo_code"]
    brought("qpv", 2024, [(code, 40, 100) for code in lyon])
    brought("commune", 2024, [(f"6938{number}", 10000, 50000) for number in range(1, 8)])
    row = compared(reference="commune", by="commune", territory="commune:69123", min_coverage=0.5)
    assert (row["reference_n_used"], row["reference_n_total"]) == (7, 9)
    assert 0.7 < row["reference_coverage"] < 0.85


def test_a_department_of_the_file_alone_does_not_cover_the_others(brought):
    brought("qpv", 2024, [("QN09301I", 40, 100), ("QN09401M", 40, 100)])
    brought("department", 2024, [("93", 300, 1000)])
    row = compared(reference="department", by=None, min_coverage=0.1)
    assert (row["reference_n_used"], row["reference_n_total"]) == (1, 2)
    assert 0.4 < row["reference_coverage"] < 0.7


def test_the_poverty_of_a_commune_that_merged_is_that_of_both():
    asked = {"geo_vintage": 2015, "year": 2019, "by": "commune", "territory": "commune:69149"}
    whole = qs.compare("poverty_rate", reference="commune", **asked).iloc[0]
    assert whole["reference_value"] == pytest.approx((13.0 * 26043 + 20.0 * 10393) / (26043 + 10393))
    rest = qs.compare("poverty_rate", reference="rest_of_commune", **asked).iloc[0]
    # a QPV lies in La Mulatière too (19.0 of 6,319): the two are taken together, and the weights of their QPV are
    # brought from inhabitants (1,316 and 2,016) to persons of the base (42,755 for 44,223 inhabitants)
    people, base = 37628 + 6595, 26043 + 10393 + 6319
    inside = [(42.0, 1316 * base / people), (41.8, 2016 * base / people)]
    persons = sum(weight for _, weight in inside)
    poor = 13.0 * 26043 + 20.0 * 10393 + 19.0 * 6319 - sum(rate * weight for rate, weight in inside)
    assert rest["reference_value"] == pytest.approx(poor / (base - persons))
    median = qs.compare("median_standard_of_living", reference="commune", **asked).iloc[0]
    assert pd.isna(median["reference_value"])
    assert "ne s'agrègent" in median["note"]


def test_parts_of_a_commune_are_those_of_the_year_of_the_codes():
    communes = pd.DataFrame({"code": ["69149", "91228"], "name": ["", ""], "population": [37628.0, 66177.0]})
    former = pd.DataFrame(
        [
            ("78182", "91228", "1968-01-01", float("nan")),
            ("91182", "91228", "2019-01-01", float("nan")),
            ("91228", "91228", "2019-01-01", float("nan")),
            ("69149", "69149", "2024-01-01", 27113.0),
            ("69152", "69149", "2024-01-01", 10515.0),
        ],
        columns=["old_code", "new_code", "until", "people"],
    ).assign(old_name="")
    places = Gazetteer(pd.DataFrame(), communes, former, pd.DataFrame())

    def parts(vintage, published=frozenset()):
        found = commune_parts(places, vintage, set(published))
        return dict(zip(found["part"], found["people"], strict=True))

    assert parts(2024) == {}
    assert parts(2021) == {"69149": 27113.0, "69152": 10515.0}
    # without a count of each, in equal shares
    assert parts(2018) == {"69149": 27113.0, "69152": 10515.0, "91182": 66177 / 2, "91228": 66177 / 2}
    assert len(parts(2024, {"75104"})) == 20


def _place(key):
    return gazetteer().resolve(key)
