"""Faults of servers and of files against what becomes of them: held, told, or lost.

A miniature of the producers answers on this machine. One source is broken in turn by each fault, another one has a new
figure; a refresh follows. *Held*: the figures in use and the raw file are as before, the other source is in use, and
the report says what went wrong and of what kind it is (or the fault is none, or a figure, which is then told as one).
*Told*: held, but of no kind that is known, or with the whole of its host. *Lost*: anything else: another figure without
a word, a run that ends in an error, no report.

    python benchmarks/faults.py [number] [seed]
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import producers as miniature
from pytest_httpserver import HTTPServer
from refreshing import BEFORE, EDITION, ONE, OTHER, OTHER_CHANGE, OTHER_EDITION, Folder, outcome, refresh
from werkzeug import Response

from conftest import Producers
from qpv_sante import pipeline, sessions, transfer
from qpv_sante.readers import apart
from qpv_sante.refresh import before

OUTLINES, LAYER = "anct_qpv2024", "anct_qpv2024@2026-01"
WORKBOOK, SHEET = "insee_census2010_qpv", "insee_census2010_qpv@2010"
FAULTY = ((ONE, EDITION), (OUTLINES, LAYER), (WORKBOOK, SHEET))
Fault = tuple[str, Callable[[Producers, str], None]]


def server_faults(random_: random.Random) -> Iterator[Fault]:
    """What a server may answer, without end."""
    headers = ("Content-Length", "Retry-After", "ETag", "Last-Modified", "Location", "Content-Type", "Content-Encoding")
    odd = ("\u00b2", "9" * 4000, "-1", "1e9", "0x10", "", " ", "NaN", "\u0661", "Mon, 99 Foo 2026 99:99:99 GMT", "gzip")
    places = (
        *(
            "http://127.0.0.1:1/x",
            "http://localhost/x",
            "http://10.0.0.1/x",
            "http://169.254.169.254/",
            "file:///etc/x",
        ),
        *(
            "//evil.example/x",
            "https://www.insee.fr@evil.example/x",
            "https://www.insee.fr:444/x",
            "ftp://www.insee.fr/",
        ),
        *(
            "https://www.insee.fr.evil.example/",
            "http://www.insee.fr/x",
            "https://\u0456nsee.fr/",
            "/..//..//x",
            "?",
            "#",
        ),
        *("https://www.insee.fr%5c@evil.example/", "https://[::1]/", "http://[", "https://xn--nsee-tza.fr/"),
    )
    while True:
        kind = random_.choice(("status", "header", "redirect", "cut", "length", "packed", "page", "drip"))
        if kind == "status":
            status = random_.choice((*range(201, 207), 300, 304, *range(400, 418), 451, *range(500, 511), 599))
            yield f"status {status}", answering(lambda status=status: Response("", status))
        elif kind == "header":
            name, said = random_.choice(headers), random_.choice(odd)
            yield f"header {name}: {said[:12]}", with_header(name, said, random_.choice((200, 302, 429, 503)))
        elif kind == "redirect":
            place = random_.choice(places)
            yield f"redirect to {place}", with_header("Location", place, random_.choice((301, 302, 303, 307, 308)))
        elif kind == "cut":
            share = random_.random()
            yield "cut body", lambda producers, key, share=share: cut(producers, key, share)
        elif kind == "length":
            more = random_.choice((-5, 1, 1000, 10**12))
            yield f"length off by {more}", lambda producers, key, more=more: length_off(producers, key, more)
        elif kind == "packed":
            size = random_.choice((1000, 100_000_000))
            yield f"packed, {size} bytes", packed(gzip.compress(bytes(size)))
        elif kind == "page":
            text = random_.choice(("<html>Maintenance</html>", "<!DOCTYPE html>", "{}", "[]", "null", "<?xml ?>", "\0"))
            yield f"another content {text[:9]!r}", answering(lambda text=text: Response(text))
        else:
            yield "drip", answering(lambda: Response(slowly()))


def slowly() -> Iterator[bytes]:
    """A byte now and then."""
    for _ in range(200):
        yield b"x"
        time.sleep(0.02)


def answering(make: Callable[[], Response]) -> Callable[[Producers, str], None]:
    return lambda producers, key: producers.replace(key, make)


def with_header(name: str, said: str, status: int) -> Callable[[Producers, str], None]:
    def apply(producers: Producers, key: str) -> None:
        content = miniature.contents()[key]

        def respond() -> Response:
            response = Response(content if status == 200 else b"", status)
            response.automatically_set_content_length = False
            if status == 302 and name != "Location":
                response.headers["Location"] = "https://www.insee.fr/elsewhere"
            response.headers._list.append((name, said.encode().decode("latin-1")))  # type: ignore[attr-defined]
            return response

        producers.replace(key, respond)

    return apply


def packed(body: bytes) -> Callable[[Producers, str], None]:
    return answering(lambda: Response(body, headers={"Content-Encoding": "gzip"}))


def cut(producers: Producers, key: str, share: float) -> None:
    content = miniature.contents()[key]
    length_of(producers, key, content[: int(len(content) * share)], len(content))


def length_off(producers: Producers, key: str, more: int) -> None:
    content = miniature.contents()[key]
    length_of(producers, key, content, len(content) + more)


def length_of(producers: Producers, key: str, content: bytes, length: int) -> None:
    def respond() -> Response:
        response = Response(content)
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(length)
        return response

    producers.replace(key, respond)


def file_faults(random_: random.Random) -> Iterator[Fault]:
    """Files with flipped, cut, repeated or foreign bytes, outside or inside their archive, without end."""
    while True:
        where, how = (
            random_.choice(("file", "member")),
            random_.choice(("flip", "cut", "insert", "repeat", "zero", "noise")),
        )
        seed = random_.randrange(1 << 30)
        yield (
            f"{how} in the {where}",
            lambda producers, key, *got, a=where, b=how, c=seed: damage(producers, key, a, b, c),
        )


def damage(producers: Producers, key: str, where: str, how: str, seed: int) -> None:
    random_, content = random.Random(seed), miniature.contents()[key]  # noqa: S311 - repeatable damage
    if where == "member" and content.startswith(b"PK"):
        members = miniature.members_of(content)
        name = random_.choice(sorted(members))
        producers.replace(key, miniature.archive({**members, name: damaged(members[name], how, random_)}))
    else:
        producers.replace(key, damaged(content, how, random_))


def damaged(content: bytes, how: str, random_: random.Random) -> bytes:
    data, at = bytearray(content), random_.randrange(max(1, len(content)))
    if how == "flip":
        for _ in range(random_.choice((1, 3, 50))):
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    elif how == "cut":
        del data[at:]
    elif how == "insert":
        data[at:at] = random_.choice((b"\0" * 9, b'"', b";;;", b"\n", b"\xff\xfe", b"1e999", b"=cmd()", b"]]>"))
    elif how == "repeat":
        data += data[at:]
    elif how == "zero":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    else:
        data = bytearray(random_.randbytes(len(data)))
    return bytes(data)


def outcome_of(folder: Folder, source: str, key: str, figures: Any) -> str:
    """What became of the refresh of a source that is broken, and of the one beside it."""
    raw = folder.raw(key).read_bytes()
    try:
        report = refresh(source, OTHER)
        text = report.save(folder.root.parent / "report.json").read_text(encoding="utf-8")
    except Exception as error:  # an error out of `refresh` is what is looked for
        return f"lost: {type(error).__name__}: {error}"
    one, other = outcome(report, source), outcome(report, OTHER)
    if other.status == "failed" and "none of its files is asked for any more" in other.problem:
        # both are of one host, which asked to be left alone, or took all its time: the report says so
        return (
            "told: the host of both is not asked any more" if tables_of(folder, source) == figures else "lost: figures"
        )
    if other.status != "changed" or folder.pair()[1] == BEFORE[1]:
        return "lost: the other source did not go on"
    if source not in text or folder.current.problems():
        return "lost: no report, or a damaged store"
    now = tables_of(folder, source)
    if one.status == "failed":
        if now != figures or folder.raw(key).read_bytes() != raw:
            return "lost: figures or raw file replaced by a failure"
        return "held" if one.faults and "unexpected" not in one.faults else f"told: {one.problem[:120]!r}"
    if now == figures or one.changes or one.reasons:
        # a damage may be a figure: then it is told as one
        return "held" if now == figures or one.changes else "lost: figures changed without a word"
    return "lost: figures changed without a word"


def tables_of(folder: Folder, source: str) -> dict[str, str]:
    files = folder.current.manifest["files"]
    return {name: files[f"{name}.parquet"]["sha256"] for name in folder.current.manifest["sources"][source]["tables"]}


def run(number: int = 300, seed: int = 1) -> list[tuple[str, str, str]]:
    """Apply so many faults.

    Parameters
    ----------
    number : int
        Of faults, of servers and of files in turn.
    seed : int
        Of the random choices.

    Returns
    -------
    list of tuple of str
        Source, fault, and outcome.
    """
    random_, answers, found = random.Random(seed), Producers(), []  # noqa: S311 - likewise
    generators = server_faults(random_), file_faults(random_)
    with HTTPServer() as server, tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ):
        import re

        server.expect_request(re.compile(".*")).respond_with_handler(answers)
        os.environ["QPV_SANTE_MIRROR"] = server.url_for("").rstrip("/")
        built, data = Path(place) / "built", Path(place) / "data"
        with (
            mock.patch.object(before, "embedded", lambda: None),
            mock.patch.multiple(sessions, BACKOFF=0.001, HOST_SECONDS=5.0),
            mock.patch.multiple(transfer, ANSWER_SECONDS=2.0, TIMEOUT=(1.0, 0.5), SPEED_WINDOW=0.2),
            mock.patch.object(sessions, "time", mock.Mock(sleep=lambda seconds: None)),
            mock.patch("pooch.core.time.sleep", lambda seconds: None),
        ):
            pipeline.build([*(source for source, _ in FAULTY), OTHER], root=built)
            os.environ["QPV_SANTE_DATA"] = str(data)
            for index in range(number):
                shutil.rmtree(data, ignore_errors=True)
                shutil.copytree(built, data)
                answers.reset()
                source, key = FAULTY[index % len(FAULTY)]
                name, apply = next(generators[index % 2])
                answers.edit(OTHER_EDITION, OTHER_CHANGE)
                apply(answers, key)
                folder = Folder(data)
                found.append((source, name, outcome_of(folder, source, key, tables_of(folder, source))))
    if apart._child:
        apart._child.end()
    return found


def main() -> None:
    """Print how many were held, told and lost, and which were not held."""
    number, seed = (int(given or usual) for given, usual in zip((*sys.argv[1:], "", "")[:2], (300, 1), strict=True))
    found = run(number, seed)
    print(Counter(what.partition(":")[0] for _, _, what in found))
    for source, name, what in found:
        if what != "held":
            print(f"{source}, {name}: {what}")


if __name__ == "__main__":
    main()
