"""Extraction measured: rows a second against pandas, peak memory, and the quality of the mapping.

    python -m bench.extraction speed [--rows 200000]     beside pandas reading the same workbook
    python -m bench.extraction memory [--csv-rows 1000000] [--xlsx-rows 200000]
    python -m bench.extraction mapping [--layouts 400] [--seed 1]

Each measurement runs in a process of its own; its memory is what the kernel says at its end.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import xlsxwriter

HEADERS = [
    "Invoice No",
    "Invoice Date",
    "Due Date",
    "Gross Amount",
    "Discount",
    "Net Amount",
    "Currency",
    "Remark",
    "Cost centre",
    "Entered by",
]
LIMIT_MB = 500
AIM = 3.0


def rows(count: int, seed: int = 7) -> Any:
    """`count` rows of a remittance advice, as the payer's program writes them."""
    chance = random.Random(seed)
    for number in range(count):
        gross = chance.randint(100, 900_000) / 100
        discount = round(gross * 0.02, 2)
        yield [
            f"INV-{number:07}",
            f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}",
            f"2025-{number % 12 + 1:02}-{number % 28 + 1:02}",
            gross,
            discount,
            round(gross - discount, 2),
            chance.choice(["EUR", "USD", "GBP"]),
            chance.choice(["", "", "see note", "part delivery of the order"]),
            f"CC{number % 40:03}",
            chance.choice(["ada", "grace", "alan"]),
        ]


def write_csv(path: Path, count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADERS)
        writer.writerows(rows(count))


def write_xlsx(path: Path, count: int) -> None:
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = book.add_worksheet("Payments")
    sheet.write_row(0, 0, HEADERS)
    for number, row in enumerate(rows(count), 1):
        sheet.write_row(number, 0, row)
    book.close()


def extract(path: Path, folder: Path) -> dict[str, Any]:
    """One whole extraction in this process: find, map, transform, validate, write all files."""
    from documents.configurations.checking import definition_of
    from documents.configurations.services import EXAMPLES
    from documents.extraction.delimited import Delimited
    from documents.extraction.engine import Mode, Run
    from documents.extraction.workbooks import Workbook

    definition = definition_of((EXAMPLES / "remittance-advice.yaml").read_text())
    began = time.perf_counter()
    run = Run(definition=definition, version=1, folder=folder, mode=Mode())
    opens = Delimited if path.suffix == ".csv" else Workbook
    run.document(key="1", name=path.name, sha256="", opened=lambda: opens(path, name=path.name))
    report = run.finish()
    return {
        "seconds": time.perf_counter() - began,
        "rows": report["counts"]["rows"],
        "evaluation": report["evaluation"],
        "mapped": report["counts"]["columnsMapped"],
    }


def pandas_read(path: Path, engine: str) -> dict[str, Any]:
    import pandas

    began = time.perf_counter()
    frame = pandas.read_excel(path, engine=engine)
    return {"seconds": time.perf_counter() - began, "rows": len(frame)}


def one(what: str, path: Path) -> None:
    """In the measured process: do it, and print what it took."""
    if what == "extract":
        import django

        django.setup()
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            done = extract(path, Path(folder))
    else:
        done = pandas_read(path, what)
    done["peakMb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(done))


def measured(what: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.extraction", "one", what, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def speed(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "payments.xlsx"
        write_xlsx(path, count)
        ours = measured("extract", path)
        print(f"{count:,} rows × {len(HEADERS)} columns, {path.stat().st_size / 1e6:.1f} MB")
        for engine in ("openpyxl", "calamine"):
            theirs = measured(engine, path)
            print(
                f"pandas.read_excel({engine}): {theirs['seconds']:.1f} s, {theirs['peakMb']:.0f} MB; "
                f"ours takes {ours['seconds'] / theirs['seconds']:.2f} times that"
            )
        print(
            f"extraction with all files: {ours['seconds']:.1f} s, "
            f"{ours['rows'] / ours['seconds']:,.0f} rows/s, {ours['peakMb']:.0f} MB"
        )
        print(f"aim: under {AIM} times pandas' read (its default engine is openpyxl)")


def memory(csv_rows: int, xlsx_rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name, count, write in (
            ("payments.csv", csv_rows, write_csv),
            ("payments.xlsx", xlsx_rows, write_xlsx),
        ):
            path = Path(folder) / name
            write(path, count)
            done = measured("extract", path)
            held = "held" if done["peakMb"] <= LIMIT_MB else "BROKEN"
            print(
                f"{name}: {done['rows']:,} rows in {done['seconds']:.1f} s "
                f"({done['rows'] / done['seconds']:,.0f}/s), peak {done['peakMb']:.0f} MB "
                f"(limit {LIMIT_MB}: {held}), {done['evaluation']}, {done['mapped']} columns mapped"
            )
            path.unlink()


def mapping(count: int, seed: int) -> None:
    import django

    django.setup()
    from tests.documents.held_out_words import HELD_OUT
    from tests.documents.layouts import layouts

    _curve("the ready-made configurations", layouts(count, seed), seed)
    _curve("held out: nothing was tuned on these", layouts(count, seed, HELD_OUT), seed)


def _curve(title: str, made: Any, seed: int) -> None:
    from tests.documents.scoring import scored

    columns = sum(len(layout.truth) for layout in made)
    print(f"{title}: {len(made)} layouts, {columns} columns, seed {seed}")
    print("threshold  precision  recall  recall of named  mapped  wrong")
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        score = scored(made, threshold=threshold)
        print(
            f"{threshold:9.2f}  {score.precision:9.4f}  {score.recall:6.4f}  {score.recall_of_named:15.4f}"
            f"  {score.right + score.wrong:6}  {score.wrong:5}"
        )
    score = scored(made)
    print("as configured: why columns stayed unmapped (what they are, the reason given):")
    for (kind, reason), times in sorted(score.reasons.items()):
        print(f"  {kind:12} {reason:32} {times}")
    print(f"  with a wrong reason: {len(score.wrong_reasons)}")
    for mistake in [*score.mistakes[:20], *score.wrong_reasons[:20]]:
        print(f"  mistake: {mistake}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("speed")
    part.add_argument("--rows", type=int, default=200_000)
    part = parts.add_parser("memory")
    part.add_argument("--csv-rows", type=int, default=1_000_000)
    part.add_argument("--xlsx-rows", type=int, default=200_000)
    part = parts.add_parser("mapping")
    part.add_argument("--layouts", type=int, default=400)
    part.add_argument("--seed", type=int, default=1)
    part = parts.add_parser("one")
    part.add_argument("what", choices=["extract", "openpyxl", "calamine"])
    part.add_argument("path", type=Path)
    given = parser.parse_args()
    if given.part == "speed":
        speed(given.rows)
    elif given.part == "memory":
        memory(given.csv_rows, given.xlsx_rows)
    elif given.part == "mapping":
        mapping(given.layouts, given.seed)
    else:
        one(given.what, given.path)


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
    main()
