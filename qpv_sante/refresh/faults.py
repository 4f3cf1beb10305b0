"""What went wrong in words: from an error to its kind, and from a kind to what happened and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from qpv_sante.errors import DownloadError, Fault, QpvSanteError, StoreError

_ERRNO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), Fault.DISK),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), Fault.RIGHTS),
}
# kind -> language -> what happened, what to do
WORDS: dict[Fault, dict[str, tuple[str, str]]] = {
    Fault.GONE: {
        "fr": (
            "L'adresse du fichier n'existe plus.",
            "Chercher le fichier sur la page du producteur et corriger son adresse dans le catalogue.",
        ),
        "en": (
            "The address of the file is gone.",
            "Look for the file on the producer's page and correct its address in the catalogue.",
        ),
    },
    Fault.LINK: {
        "fr": (
            "La page du producteur ne mène plus au fichier.",
            "Y chercher le fichier ; si la page a changé, corriger link_pattern ou landing_page dans le catalogue.",
        ),
        "en": (
            "The producer's page no longer leads to the file.",
            "Look for the file there; if the page changed, correct link_pattern or landing_page in the catalogue.",
        ),
    },
    Fault.REFUSED: {
        "fr": (
            "Le serveur du producteur a refusé de donner le fichier.",
            "Attendre l'actualisation suivante ; si le refus dure, ouvrir la page du producteur.",
        ),
        "en": (
            "The producer's server refused to give the file.",
            "Wait for the next refresh; if it still refuses, open the producer's page.",
        ),
    },
    Fault.SILENT: {
        "fr": (
            "Le producteur n'a pas donné de réponse utilisable.",
            "Attendre l'actualisation suivante ; si cela dure, ouvrir la page du producteur.",
        ),
        "en": (
            "The producer gave no answer that can be used.",
            "Wait for the next refresh; if it goes on, open the producer's page.",
        ),
    },
    Fault.CONNECTION: {
        "fr": (
            "Aucune connexion avec le serveur du producteur.",
            "Vérifier le réseau et, derrière un mandataire, HTTPS_PROXY ; sinon attendre l'actualisation suivante.",
        ),
        "en": (
            "No connection with the producer's server.",
            "Check the network and, behind a proxy, HTTPS_PROXY; otherwise wait for the next refresh.",
        ),
    },
    Fault.CERTIFICATE: {
        "fr": (
            "Le certificat du serveur n'a pas été reconnu : rien ne lui a été demandé.",
            "Si votre institution filtre le réseau, indiquer son certificat dans REQUESTS_CA_BUNDLE ; sinon attendre "
            "que le producteur corrige le sien.",
        ),
        "en": (
            "The server's certificate was not recognised: nothing was asked of it.",
            "If your institution filters the network, name its certificate in REQUESTS_CA_BUNDLE; otherwise wait for "
            "the producer to correct his.",
        ),
    },
    Fault.SLOW: {
        "fr": ("Le serveur du producteur est trop lent : arrêt.", "Attendre l'actualisation suivante."),
        "en": ("The producer's server is too slow: given up.", "Wait for the next refresh."),
    },
    Fault.CUT: {
        "fr": ("Le téléchargement a été coupé avant la fin.", "Relancer, ou attendre l'actualisation suivante."),
        "en": ("The download was cut before its end.", "Run it again, or wait for the next refresh."),
    },
    Fault.HOST: {
        "fr": (
            "Le producteur renvoie vers une adresse que le catalogue n'admet pas.",
            "Si cette adresse est la sienne, ajouter son hôte à allowed_hosts dans le catalogue.",
        ),
        "en": (
            "The producer leads to an address that the catalogue does not admit.",
            "If that address is the producer's, add its host to allowed_hosts in the catalogue.",
        ),
    },
    Fault.SIZE: {
        "fr": (
            "Le fichier est plus gros que ce que le catalogue admet.",
            "L'examiner ; si sa taille est normale, relever max_bytes dans le catalogue.",
        ),
        "en": (
            "The file is larger than what the catalogue admits.",
            "Look at it; if its size is right, raise max_bytes in the catalogue.",
        ),
    },
    Fault.CONTENT: {
        "fr": (
            "Le contenu reçu a été refusé : ce n'est pas le fichier attendu, ou une archive qu'il serait risqué "
            "d'ouvrir.",
            "Ouvrir la page du producteur ; s'il s'agit d'une page de maintenance, attendre l'actualisation suivante.",
        ),
        "en": (
            "What was received is refused: it is not the file expected, or an archive that is not safe to open.",
            "Open the producer's page; if it is a maintenance notice, wait for the next refresh.",
        ),
    },
    Fault.FORM: {
        "fr": (
            "Le fichier n'a plus la forme décrite au catalogue (colonnes, feuilles, lignes, codes ou valeurs).",
            "Comparer le fichier avec le détail ; si le producteur l'a voulu ainsi, décrire la nouvelle forme au "
            "catalogue.",
        ),
        "en": (
            "The file no longer has the form that the catalogue describes (columns, sheets, rows, codes or values).",
            "Compare the file with the detail; if the producer meant it, describe the new form in the catalogue.",
        ),
    },
    Fault.MARKER: {
        "fr": (
            "Une cellule n'est ni un nombre ni une marque de valeur manquante connue.",
            "Lire ce que le producteur entend par cette marque, puis la déclarer au catalogue : secret, non "
            "disponible ou sans objet.",
        ),
        "en": (
            "A cell is neither a number nor a known marker of missing value.",
            "Read what the producer means by it, then declare it in the catalogue: secret, unavailable or not "
            "applicable.",
        ),
    },
    Fault.CHANGED: {
        "fr": (
            "Le fichier du producteur n'est plus celui qui est enregistré.",
            "qpv-sante refresh dit ce qui a bougé ; qpv-sante build --accept-changes le prend tel quel.",
        ),
        "en": (
            "The producer's file is no longer the recorded one.",
            "qpv-sante refresh says what moved; qpv-sante build --accept-changes takes it as it is.",
        ),
    },
    Fault.DRIFT: {
        "fr": (
            "Les nouveaux chiffres s'écartent trop de ceux en usage : ils ont été mis de côté.",
            "Examiner les écarts ; si le producteur l'a voulu ainsi, les accepter avec "
            "qpv-sante refresh --source {source} --accept {source}.",
        ),
        "en": (
            "The new figures are too far from those in use: they were put aside.",
            "Look at what moved; if the producer meant it, accept with "
            "qpv-sante refresh --source {source} --accept {source}.",
        ),
    },
    Fault.OBTAIN: {
        "fr": (
            "Le fichier n'a pas pu être obtenu.",
            "Voir le détail ; relancer, ou attendre l'actualisation suivante.",
        ),
        "en": ("The file could not be obtained.", "See the detail; run it again, or wait for the next refresh."),
    },
    Fault.DISK: {
        "fr": (
            "Le disque est plein.",
            "Libérer de la place, ou choisir un autre dossier avec QPV_SANTE_DATA, puis relancer.",
        ),
        "en": (
            "The disk is full.",
            "Free some space, or choose another folder with QPV_SANTE_DATA, and run it again.",
        ),
    },
    Fault.RIGHTS: {
        "fr": (
            "Le dossier des données ne peut pas être écrit.",
            "Corriger ses droits, ou choisir un autre dossier avec QPV_SANTE_DATA, puis relancer.",
        ),
        "en": (
            "The data folder cannot be written.",
            "Correct its rights, or choose another folder with QPV_SANTE_DATA, and run it again.",
        ),
    },
    Fault.STORE: {
        "fr": (
            "Les données enregistrées ici n'ont pas pu être lues ou écrites.",
            "qpv-sante verify dit ce qui est abîmé ; relancer qpv-sante refresh, qui répare.",
        ),
        "en": (
            "The data stored here could not be read or written.",
            "qpv-sante verify says what is damaged; run qpv-sante refresh again, which repairs.",
        ),
    },
    Fault.WITHDRAWN: {
        "fr": ("Comparée, mais pas mise en service : l'ensemble a été abandonné.", "Voir le haut du rapport."),
        "en": ("Compared, but not put in use: the whole was given up.", "See the top of the report."),
    },
    Fault.ASSEMBLY: {
        "fr": (
            "Les tables d'appartenance, faites de plusieurs sources, n'ont pas pu être refaites.",
            "Regarder quelle source a changé ci-dessous ; revenir en arrière avec qpv-sante rollback si besoin.",
        ),
        "en": (
            "The tables of territories, made of several sources, could not be made again.",
            "Look at which source changed below; go back with qpv-sante rollback if need be.",
        ),
    },
    Fault.UNEXPECTED: {
        "fr": (
            "Une erreur imprévue a arrêté la lecture du fichier.",
            "Voir le détail ; si elle revient à l'actualisation suivante, la signaler avec ce rapport.",
        ),
        "en": (
            "An unforeseen error stopped the reading of the file.",
            "See the detail; if it comes back at the next refresh, report it with this page.",
        ),
    },
}


def fault_of(error: BaseException) -> Fault:
    """Kind of an error, by its class, its error number or that of what caused it; never by its message.

    Examples
    --------
    >>> fault_of(OSError(errno.ENOSPC, "No space left on device")), fault_of(KeyError("x"))
    (<Fault.DISK: 'disk'>, <Fault.UNEXPECTED: 'unexpected'>)
    """
    for one in _chain(error):
        if isinstance(one, QpvSanteError) and one.fault:
            return one.fault
        if known := _ERRNO.get(getattr(one, "errno", None) or 0) or _network(one):
            return known
    classes = {DownloadError: Fault.OBTAIN, StoreError: Fault.STORE}
    return next((fault for kind, fault in classes.items() if isinstance(error, kind)), Fault.UNEXPECTED)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then what caused it."""
    while error is not None:
        yield error
        error = error.__cause__


def _network(error: BaseException) -> Fault | None:
    """Kind of an error of the network's libraries."""
    import requests
    from urllib3 import exceptions

    faults = requests.exceptions
    reason = getattr(error.args[0], "reason", None) if error.args else None  # after the last try of the session
    kinds: dict[type[BaseException], Fault] = {
        faults.SSLError: Fault.CERTIFICATE,
        faults.ReadTimeout: Fault.SLOW,
        faults.ChunkedEncodingError: Fault.CUT,
        faults.ConnectionError: Fault.SLOW if isinstance(reason, exceptions.ReadTimeoutError) else Fault.CONNECTION,
    }
    return next((fault for kind, fault in kinds.items() if isinstance(error, kind)), None)
