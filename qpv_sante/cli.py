"""Command line: parses, calls, prints. Every option has the name of the function's argument."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from qpv_sante import errors
from qpv_sante.errors import DownloadError, Fault, OutputError, QpvSanteError, StoreError, UnknownNameError

app = typer.Typer(
    name="qpv-sante",
    help="Indicateurs sociaux et de santé des quartiers prioritaires (QPV), comparés à leur environnement.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


class WrongUse(QpvSanteError):
    """Options that cannot be taken; told in the language of the command line."""


# what the message, in the language of the code, is about; the nearest class first
_KINDS: dict[type[QpvSanteError], str] = {
    errors.AmbiguousTerritoryError: "plusieurs territoires portent ce nom ; donner un code.",
    errors.UnknownNameError: "nom, code ou valeur inconnus.",
    errors.UnavailableLevelError: "chiffre qui n'est pas publié ainsi.",
    errors.ComparabilityError: "chiffres qui ne se comparent pas.",
    errors.DisclosureError: "ce résultat dévoilerait une valeur couverte par le secret statistique.",
    errors.CatalogueError: "description incorrecte dans le catalogue.",
    errors.SchemaError: "fichier ou tableau dont la forme n'est pas celle attendue.",
    errors.InvalidInputError: "nombres dont on ne peut rien calculer.",
    DownloadError: "un fichier n'a pas pu être obtenu.",
    OutputError: "le fichier demandé ne peut pas être écrit.",
    StoreError: "impossible avec ce dossier ou les données qui y sont.",
}


def _told(error: QpvSanteError) -> str:
    """An error as a message: what it is about in French, then what exactly."""
    from qpv_sante.refresh.faults import WORDS, fault_of

    if isinstance(error, WrongUse):
        return f"Erreur : {error}"
    about = next((words for kind, words in _KINDS.items() if isinstance(error, kind)), "")
    if (fault := fault_of(error)) in {Fault.DISK, Fault.RIGHTS} and not isinstance(error, OutputError):
        about = " ".join(WORDS[fault]["fr"])
    return f"Erreur : {about}\n{error}" if about else f"Erreur : {error}"


def _untold(error: OSError) -> str:
    """A fault of the disk or of the output that no part of the package has put in words."""
    return f"Erreur : lecture ou écriture impossible.\n{error}"


def _language(lang: str) -> str:
    if lang not in {"fr", "en"}:
        raise WrongUse(f"--lang {lang} : la langue est fr ou en.")
    return lang


def _on_terminal() -> bool:
    """Whether a progress bar has someone to look at it: none in files, logs and the mails of cron."""
    return sys.stderr.isatty()


Indicator = Annotated[str, typer.Argument(help="Identifiant de l'indicateur, par exemple poverty_rate (voir `list`).")]
Zoning = Annotated[int, typer.Option(help="Zonage des QPV : 2015 ou 2024.")]
Year = Annotated[int, typer.Option(help="Année de référence du chiffre, par exemple 2019.")]
Place = Annotated[
    str | None, typer.Option(help="Nom (Occitanie, Lille) ou code typé (region:76, department:59, commune:59350).")
]
Language = Annotated[str, typer.Option(help="Langue des sorties : fr ou en.", callback=_language)]
# columns shown on a terminal, of a comparison or of a survey's table: the others go to files
_REFERENCE = (
    *("reference_value", "reference_lower", "reference_upper", "reference_coverage"),
    *("difference", "ratio"),
)
# of QPV, and of the larger territories that an indicator is known for
_COMPARED = ("territory", "qpv_value", "qpv_lower", "qpv_upper", *_REFERENCE, "n_used", "n_total", "flag", "note")
_COMPARED_AROUND = ("territory", "territory_level", "value", "lower", "upper", *_REFERENCE, "n", "flag", "note")
TABLE_HELP = "Fichier à écrire : .csv, .parquet ou .json. Sans elle, le tableau s'affiche."


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Dire d'où viennent les données.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", force=True)
    logging.getLogger("urllib3").setLevel(logging.WARNING if verbose else logging.ERROR)  # its retries are not news


@app.command("list")
def list_command(
    theme: Annotated[str | None, typer.Option(help="Thème : income, families, population, employment...")] = None,
    geo_level: Annotated[str | None, typer.Option(help="Niveau : qpv, iris, commune, epci, department...")] = None,
    sources: Annotated[bool, typer.Option("--sources", help="Lister les sources plutôt que les indicateurs.")] = False,
    lang: Language = "fr",
) -> None:
    """Liste les indicateurs (ou les sources) du catalogue."""
    from qpv_sante import listing

    if sources:
        if theme is not None or geo_level is not None:
            raise WrongUse("--sources liste toutes les sources : --theme et --geo-level choisissent des indicateurs.")
        _print(listing.list_sources()[["id", "title", "producer", "vintages", "status"]])
    else:
        table = listing.list_indicators(theme, geo_level, lang=lang)
        _print(table[["id", "label", "unit", "levels", "zonings", "years"]])


@app.command()
def describe(indicator: Indicator, lang: Language = "fr") -> None:
    """Affiche la fiche d'un indicateur : définition, population, niveaux, précautions, sources."""
    from qpv_sante import listing

    typer.echo(str(listing.describe(indicator, lang=lang)))


@app.command()
def build(
    source: Annotated[list[str] | None, typer.Option(help="Ne construire que cette source (répétable).")] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Accepter les fichiers que le producteur a modifiés.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ne rien télécharger : lire data/raw seulement.")] = False,
) -> None:
    """Télécharge, lit, vérifie et enregistre les données des producteurs."""
    from qpv_sante import pipeline

    report = pipeline.build(source, accept_changes=accept_changes, offline=offline, progress=_on_terminal())
    _print(report.frame()[["source", "status", "rows"]])
    typer.echo(f"Données enregistrées dans {report.store}")
    if report.undecided:
        typer.echo(f"\nRuptures à trancher dans le catalogue ({len(report.undecided)}) :", err=True)
        for one in report.undecided:
            typer.echo(f"- {one}", err=True)
    if report.failures:
        number = len(report.failures)
        typer.echo("\nUne source en échec :" if number == 1 else f"\n{number} sources en échec :", err=True)
        for name, problem in report.failures.items():
            kept = " (les derniers chiffres valides sont conservés)" if name in report.kept else ""
            typer.echo(f"- {name}{kept} : {problem}", err=True)
        raise typer.Exit(1)


@app.command()
def refresh(
    source: Annotated[list[str] | None, typer.Option(help="N'actualiser que cette source (répétable).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Comparer sans rien mettre en service.")] = False,
    report: Annotated[
        list[Path] | None, typer.Option(help="Rapport à écrire : .md, .html ou .json (répétable).")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="Gravité à partir de laquelle le code de sortie est 1 : warning, failure ou never.")
    ] = "failure",
    accept: Annotated[
        list[str] | None, typer.Option(help="Accepter la dérive de cette source, après l'avoir examinée (répétable).")
    ] = None,
    keep: Annotated[int, typer.Option(help="Nombre d'états précédents conservés.")] = 2,
    lang: Language = "fr",
) -> None:
    """Actualise les données et dit ce qui a changé.

    Code de sortie : 0 rien de nouveau, 10 des données ont changé, 1 quelque chose a échoué (le reste est en service),
    2 mauvais usage.
    """
    from qpv_sante import refresh as refreshing
    from qpv_sante.refresh.outcome import FAILED
    from qpv_sante.refresh.telling import summary

    _check_refresh(source or (), accept or (), report or (), fail_on, keep)
    try:
        done = refreshing(source, dry_run=dry_run, accept=accept or (), keep=keep, progress=_on_terminal())
    except (StoreError, DownloadError) as error:  # right use, but nothing could be done
        typer.secho(_told(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(FAILED) from error
    code, lines = done.exit_code(fail_on), summary(done, lang)
    for path in report or []:
        try:
            lines.append(f"Écrit : {done.save(path, lang=lang)}")
        except StoreError as error:  # the disk filled up meanwhile: the data are in use, the other reports are written
            typer.secho(_told(error), fg=typer.colors.RED, err=True)
            code = FAILED
    try:
        for line in lines:
            typer.echo(line)
    except OSError as error:  # likewise of the file or the pipe that takes the summary
        typer.secho(_untold(error), fg=typer.colors.RED, err=True)
        code = FAILED
    raise typer.Exit(code)


def _check_refresh(
    sources: Iterable[str], accepted: Iterable[str], reports: Iterable[Path], fail_on: str, keep: int
) -> None:
    """Refuse wrong options before anything is asked of a producer."""
    from qpv_sante import pipeline
    from qpv_sante.catalogue import core_catalogue
    from qpv_sante.errors import nearest
    from qpv_sante.export import check_place
    from qpv_sante.refresh.outcome import FAIL_ON
    from qpv_sante.refresh.telling import SUFFIXES

    known = list(core_catalogue().sources)
    for option, names, valid in (("--source", sources, known), ("--accept", accepted, [*known, pipeline.GEOGRAPHY])):
        for name in names:
            if name not in valid:
                close = " ou ".join(nearest(name, valid))
                hint = f"Vouliez-vous dire {close} ?" if close else "`qpv-sante list --sources` les donne toutes."
                raise WrongUse(f"{option} {name} : source inconnue. {hint}")
    if fail_on not in FAIL_ON:
        raise WrongUse(f"--fail-on {fail_on} : la gravité est {', '.join(FAIL_ON[:-1])} ou {FAIL_ON[-1]}.")
    if keep < 1:
        raise WrongUse(f"--keep {keep} : un état précédent au moins est gardé, un lecteur peut l'avoir ouvert.")
    for path in reports:
        if path.suffix.lower() not in SUFFIXES:
            raise WrongUse(f"--report {path} : le suffixe du rapport est {', '.join(SUFFIXES[:-1])} ou {SUFFIXES[-1]}.")
        try:
            check_place(path)
        except StoreError as error:
            raise WrongUse(f"--report {path} : ce fichier ne pourrait pas être écrit.\n{error}") from error


@app.command()
def rollback(
    undo: Annotated[
        bool, typer.Option("--undo", help="Revenir aux données que le retour en arrière a quittées.")
    ] = False,
) -> None:
    """Remet en service les données d'avant la dernière actualisation."""
    from qpv_sante.builds import rollback as go_back

    left, now = go_back(undo=undo)
    typer.echo(f"En service : {now.path.name}, construit le {now.manifest['created']} (avant : {left.path.name}).")
    if not undo:
        typer.echo(
            "Les actualisations ne reprendront une source que si son producteur publie un autre fichier, ou sur "
            "demande : `qpv-sante rollback --undo`, ou `qpv-sante refresh --source NOM`."
        )


@app.command()
def verify(lang: Language = "fr") -> None:
    """Recalcule les empreintes des fichiers bruts, des données construites et de l'instantané.

    Code de sortie : 0 tout est sain, 1 quelque chose est à réparer. D'où vient un chiffre : voir `provenance`.
    """
    from qpv_sante import verify as check

    found = check(lang=lang, progress=_on_terminal())
    problems = found.problems()
    typer.echo(f"{len(found.frame())} fichiers vérifiés, {len(problems)} à réparer.")
    if found.state:
        typer.echo(found.state)
    if len(problems):
        _print(problems[["place", "name", "status", "advice"]])
    raise typer.Exit(0 if found.sound else 1)


@app.command()
def provenance(
    indicator: Indicator,
    geo_code: Annotated[str, typer.Argument(help="Code du territoire, par exemple QP034003, 34032 ou 76.")],
    year: Annotated[int, typer.Argument(help="Année de référence du chiffre, par exemple 2019.")],
    geo_vintage: Annotated[int | None, typer.Option(help="Zonage, où le code en a plusieurs.")] = None,
    geo_level: Annotated[str | None, typer.Option(help="Niveau, où le code en a plusieurs : qpv, commune...")] = None,
    sex: Annotated[str, typer.Option(help="auto (ensemble, sinon chaque classe), _T, F ou M.")] = "auto",
    age: Annotated[str, typer.Option(help="auto (ensemble, sinon chaque classe), _T ou une classe.")] = "auto",
    category: Annotated[
        str, typer.Option(help="auto (ensemble, sinon chaque catégorie), _T ou une catégorie.")
    ] = "auto",
    file: Annotated[
        Path | None, typer.Option(help="Fichier d'un import, qui n'est pas gardé avec les données.")
    ] = None,
    lang: Language = "fr",
) -> None:
    """Dit de quel fichier, quelle ligne et quelle colonne vient un chiffre, avec empreinte et licence."""
    from qpv_sante import provenance as find

    found = find(
        indicator,
        geo_code,
        year,
        geo_vintage=geo_vintage,
        geo_level=geo_level,
        sex=sex,
        age=age,
        category=category,
        file=file,
        lang=lang,
    )
    typer.echo(str(found))


@app.command()
def compare(
    indicator: Indicator,
    geo_vintage: Zoning,
    year: Year,
    reference: Annotated[
        str, typer.Option(help="Référence : commune, rest_of_commune, epci, urban_unit, region... ou un territoire.")
    ] = "auto",
    by: Annotated[str, typer.Option(help="Lignes : region, department, epci, commune, qpv, ou none.")] = "region",
    territory: Place = None,
    sex: Annotated[str, typer.Option(help="auto (ensemble, sinon chaque classe), _T, F ou M.")] = "auto",
    age: Annotated[str, typer.Option(help="auto (ensemble, sinon chaque classe), _T ou une classe.")] = "auto",
    interval: Annotated[
        str, typer.Option(help="bounds, extremes (QPV sous secret aux extrêmes) ou process (hasard).")
    ] = "auto",
    level: Annotated[float, typer.Option(help="Niveau de confiance de process.")] = 0.95,
    min_coverage: Annotated[
        float | None, typer.Option(help="Part des habitants que la référence doit couvrir (0,9 par défaut).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help=TABLE_HELP)] = None,
    lang: Language = "fr",
) -> None:
    """Compare les QPV à une référence nommée, territoire par territoire."""
    from qpv_sante import comparison, listing
    from qpv_sante.export import TABLE_SUFFIXES, check_suffix, write_table

    if output:  # told before the work, not after
        check_suffix(output, TABLE_SUFFIXES)
    table = comparison.compare(
        indicator,
        geo_vintage=geo_vintage,
        year=year,
        reference=reference,
        by=None if by == "none" else by,
        territory=territory,
        sex=sex,
        age=age,
        interval=interval,
        level=level,
        min_coverage=min_coverage,
        lang=lang,
    )
    if output:
        typer.echo(f"Écrit : {write_table(table, output)}")
    else:
        first = table.iloc[0]
        typer.echo(
            f"{listing.label_of(indicator, lang)} ({first['unit']}), {year}. Référence : "
            f"{first['reference_label']}. Poids : {first['weight'] or 'sans objet'}."
        )
        shown = list(_COMPARED if (table["kind"] == "qpv").all() else _COMPARED_AROUND)
        classes = [name for name in ("sex", "age") if table[name].nunique() > 1]
        _print(table[[*shown[:1], *classes, *shown[1:]]])
    typer.echo(f"\n{listing.cite(table)}")


@app.command("map")
def map_command(
    indicator: Indicator,
    geo_vintage: Zoning,
    year: Year,
    output: Annotated[Path, typer.Option(help="Fichier à écrire : .png, .svg ou .pdf.")],
    territory: Place = None,
    lang: Language = "fr",
) -> None:
    """Dessine la carte d'un indicateur par QPV."""
    from qpv_sante import maps
    from qpv_sante.export import check_suffix
    from qpv_sante.figures import FIGURE_SUFFIXES

    check_suffix(output, FIGURE_SUFFIXES)
    axes = maps.plot_map(indicator, geo_vintage=geo_vintage, year=year, territory=territory, lang=lang)
    typer.echo(f"Écrit : {_save(axes, output)}")


@app.command()
def report(
    output: Annotated[Path, typer.Option(help="Fichier à écrire : .html, ou .pdf (extra pdf).")],
    territory: Place = None,
    geo_vintage: Annotated[
        int | None, typer.Option(help="Zonage, 2015 ou 2024 ; sans lui, celui du code d'un QPV, 2015 pour le reste.")
    ] = None,
    lang: Language = "fr",
) -> None:
    """Écrit le rapport d'un territoire : comparaisons, carte, classement, inégalités, santé, sources."""
    from qpv_sante.report import check_page
    from qpv_sante.report import report as make_report

    check_page(output)
    typer.echo(f"Écrit : {make_report(territory, geo_vintage=geo_vintage, lang=lang).save(output)}")


@app.command()
def profile(
    quarter: Annotated[
        str, typer.Argument(help="Code du QPV (QP031004, QN03112M), ou son nom et sa commune : 'Devèze, Béziers'.")
    ],
    output: Annotated[Path, typer.Option(help="Fichier à écrire : .html, ou .pdf (deux pages A4, extra pdf).")],
    geo_vintage: Annotated[
        int | None, typer.Option(help="Zonage, 2015 ou 2024, pour un nom que les deux portent.")
    ] = None,
    lang: Language = "fr",
) -> None:
    """Écrit la fiche d'un quartier : carte, chiffres et repères, position, santé autour, quartiers semblables."""
    from qpv_sante.report import check_page
    from qpv_sante.report import profile as make_profile

    check_page(output)
    typer.echo(f"Écrit : {make_profile(quarter, geo_vintage=geo_vintage, lang=lang).save(output)}")


@app.command("import")
def import_command(
    path: Annotated[
        Path | None,
        typer.Argument(help="Export Géoclip (CartoSanté, Statistiques locales, portail d'ORS), CSV ou XLSX."),
    ] = None,
    source: Annotated[str | None, typer.Option(help="Nom de la source, en minuscules : cartosante, mon_ors...")] = None,
    metadata: Annotated[Path | None, typer.Option(help="Métadonnées : fichier .toml (voir --template).")] = None,
    template: Annotated[
        Path | None, typer.Option(help="Écrire un tableau d'exemple (.csv) et, à côté, ses métadonnées (.toml).")
    ] = None,
    remove: Annotated[
        str | None, typer.Option(help="Effacer une source importée, ou une édition : mon_ors@2023.")
    ] = None,
) -> None:
    """Importe un fichier téléchargé à la main ou vos propres chiffres ; les efface avec --remove."""
    from qpv_sante import imports
    from qpv_sante.imports.template import write_template

    asked = [name for name, given in (("PATH", path), ("--template", template), ("--remove", remove)) if given]
    if len(asked) != 1:
        raise UnknownNameError(f"import takes one of PATH, --template FILE or --remove NAME; got {asked or 'none'}.")
    if template:
        for written in write_template(template):
            typer.echo(f"Écrit : {written}")
    elif remove:
        for edition in imports.remove_import(remove):
            typer.echo(f"Effacé : {edition}")
    else:
        if source is None:
            raise UnknownNameError("import PATH needs --source NAME, such as --source cartosante.")
        assert path is not None  # noqa: S101 - the one thing that was asked
        typer.echo(str(imports.import_observations(path, source=source, metadata=metadata)))


@app.command()
def snapshot() -> None:
    """Réécrit l'instantané embarqué dans le paquet à partir des données construites."""
    from qpv_sante.snapshot import write_snapshot

    typer.echo(f"Écrit : {write_snapshot()}")


@app.command()
def demo(output: Annotated[Path, typer.Option(help="Dossier à remplir.")] = Path("output")) -> None:
    """Fait le travail principal hors ligne : tableau, graphique, cartes et rapport sur les QPV."""
    from qpv_sante.demo import run

    for path, says in run(output):
        typer.echo(f"{path} : {says}")


def _print(table: object) -> None:
    """A frame as a table that fits the terminal."""
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    assert isinstance(table, pd.DataFrame)  # noqa: S101 - typing only
    # a pipe has no width: long cells must not be cut there
    console = Console() if Console().is_terminal else Console(width=200)
    shown = Table(show_lines=False)
    for name in table.columns:
        numeric = pd.api.types.is_numeric_dtype(table[name])
        shown.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(
            *(
                "–" if pd.isna(cell)
                else f"{100 * cell:.0f} %" if name == "reference_coverage"
                else f"{cell:.1f}" if isinstance(cell, float)
                else str(cell)
                for name, cell in zip(table.columns, row, strict=True)
            )
        )  # fmt: skip
    console.print(shown, markup=False)


def _save(axes: object, path: Path) -> Path:
    from qpv_sante.figures import save_figure

    return save_figure(axes, path)  # type: ignore[arg-type]


def main() -> None:
    """Entry point: an expected error is told in one message, with exit code 2."""
    try:
        app(standalone_mode=True)
    except QpvSanteError as error:
        typer.secho(_told(error), fg=typer.colors.RED, err=True)
        raise SystemExit(2) from None
    except OSError as error:  # standard output on a full disk, a file that became unreadable
        typer.secho(_untold(error), fg=typer.colors.RED, err=True)
        raise SystemExit(2) from None
