"""Makes tables as the world sends them, with the truth beside them: a seeded generator.

Its words are its own. They were collected from how accounting programs, shops, address books and test
teams head their columns, without looking at the configurations; a configuration's author and this list
both know what anybody in the trade knows, and no more is shared.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

Cells = list[Any]

# field -> how the world calls it. Most are plain, some obscure: those may stay unmapped, not be wrong.
WORLD: dict[str, dict[str, list[str]]] = {
    "remittance-advice": {
        "invoice_number": [
            "Invoice Number",
            "INVOICE NO.",
            "Inv. No",
            "invoice_no",
            "InvoiceNumber",
            "Invoice #",
            "Rechnungsnummer",
            "Rechnungs-Nr.",
            "N° de facture",
            "Nº factura",
            "Bill No",
            "Voucher",
            "Fattura n.",
            "Your Invoice",
            "Numéro facture",
            "Supplier invoice",
        ],
        "invoice_date": [
            "Invoice Date",
            "Inv Date",
            "Date of Invoice",
            "INVOICE_DATE",
            "Rechnungsdatum",
            "Date facture",
            "Fecha factura",
            "Bill Date",
            "Data fattura",
            "Belegdatum",
            "Issued",
            "invoiceDate",
        ],
        "due_date": [
            "Due Date",
            "Date Due",
            "DUE",
            "Payment due date",
            "Fälligkeitsdatum",
            "Fällig am",
            "Échéance",
            "Vencimiento",
            "Scadenza",
            "due_date",
            "Net due",
        ],
        "gross_amount": [
            "Gross Amount",
            "Gross",
            "Invoice Amount",
            "Inv. Amt",
            "Bruttobetrag",
            "Brutto",
            "Montant TTC",
            "Importe bruto",
            "Gross Amt (EUR)",
            "grossAmount",
            "Total incl. VAT",
            "Original amount",
        ],
        "discount": [
            "Discount",
            "Disc.",
            "Discount taken",
            "Cash discount",
            "Skonto",
            "Escompte",
            "Descuento",
            "Rebate",
            "Sconto",
            "DISCOUNT_AMT",
            "Less",
        ],
        "net_amount": [
            "Net Amount",
            "Amount Paid",
            "Paid",
            "Payment Amount",
            "Nettobetrag",
            "Zahlbetrag",
            "Montant payé",
            "Importe pagado",
            "Net Amt",
            "netAmount",
            "Remitted",
            "Settlement",
        ],
        "currency": [
            "Currency",
            "Curr.",
            "CCY",
            "Currency Code",
            "Währung",
            "Devise",
            "Moneda",
            "Valuta",
            "WKZ",
        ],
    },
    "price-list": {
        "sku": [
            "SKU",
            "Item No.",
            "Item Number",
            "Part No",
            "Part-Number",
            "Article No",
            "Artikelnummer",
            "Art.-Nr.",
            "Référence",
            "Código",
            "Product Code",
            "item_code",
            "Mat. no",
            "Ref.",
        ],
        "name": [
            "Description",
            "Product Name",
            "Item Description",
            "Article",
            "Bezeichnung",
            "Artikelbezeichnung",
            "Désignation",
            "Descripción",
            "Desc.",
            "productName",
            "Text",
        ],
        "ean": ["EAN", "EAN Code", "GTIN", "Barcode", "EAN-13", "Code-barres", "Bar code", "UPC"],
        "unit": ["Unit", "UOM", "Unit of Measure", "Einheit", "ME", "Unité", "Unidad", "Packing"],
        "unit_price": [
            "Unit Price",
            "Price",
            "Price/Unit",
            "List Price",
            "Einzelpreis",
            "Preis",
            "Prix unitaire",
            "Precio",
            "Price (EUR)",
            "unit_price",
            "RRP",
            "Listenpreis",
            "Nettopreis",
        ],
        "currency": ["Currency", "Ccy", "Währung", "Devise", "Moneda", "Currency code"],
        "min_quantity": [
            "Min. Qty",
            "MOQ",
            "Minimum order quantity",
            "Mindestmenge",
            "Quantité minimale",
            "Minimum Quantity",
            "Cantidad mínima",
            "Min order",
            "From",
        ],
        "valid_from": [
            "Valid From",
            "Valid-from",
            "Effective Date",
            "Gültig ab",
            "Gültig von",
            "Valable dès",
            "valid_from",
            "Start",
            "Válido desde",
        ],
    },
    "contact-list": {
        "first_name": [
            "First Name",
            "FirstName",
            "Given Name",
            "Forename",
            "Vorname",
            "Prénom",
            "first_name",
            "Nome",
        ],
        "last_name": [
            "Last Name",
            "Surname",
            "LastName",
            "Family Name",
            "Nachname",
            "Familienname",
            "Apellidos",
            "last_name",
            "Cognome",
        ],
        "company": [
            "Company",
            "Organisation",
            "Organization",
            "Company Name",
            "Firma",
            "Unternehmen",
            "Société",
            "Empresa",
            "Account",
        ],
        "email": [
            "Email",
            "E-Mail",
            "Email Address",
            "e_mail",
            "E-Mail-Adresse",
            "Courriel",
            "Correo electrónico",
            "Mail",
        ],
        "phone": [
            "Phone",
            "Telephone",
            "Tel.",
            "Phone Number",
            "Telefon",
            "Téléphone",
            "Teléfono",
            "Phone no.",
            "Landline",
        ],
        "mobile": [
            "Mobile",
            "Cell Phone",
            "Mobile Number",
            "Handy",
            "Mobiltelefon",
            "Móvil",
            "Cell",
            "Natel",
        ],
        "city": ["City", "Town", "Ort", "Stadt", "Ville", "Ciudad", "Locality"],
        "country": ["Country", "Land", "Pays", "País", "Country Name", "Nation"],
    },
    "test-cases": {
        "case_id": [
            "Test Case ID",
            "TC ID",
            "TestCaseID",
            "ID",
            "Case ID",
            "Test ID",
            "Testfall-Nr.",
            "Key",
            "tc_id",
        ],
        "title": [
            "Title",
            "Test Case Name",
            "Summary",
            "Test Title",
            "Titel",
            "Titre",
            "Título",
            "Case name",
            "Scenario",
        ],
        "preconditions": [
            "Preconditions",
            "Pre-Conditions",
            "Precondition",
            "Prerequisites",
            "Vorbedingung",
            "Voraussetzungen",
            "Prérequis",
            "Given",
        ],
        "steps": [
            "Steps",
            "Test Steps",
            "Actions",
            "Step(s)",
            "Schritte",
            "Testschritte",
            "Étapes",
            "Pasos",
            "How to",
        ],
        "expected": [
            "Expected Result",
            "Expected",
            "Expected Results",
            "Expected Outcome",
            "Erwartetes Ergebnis",
            "Résultat attendu",
            "Resultado esperado",
            "expectedResult",
            "Then",
        ],
        "priority": ["Priority", "Prio", "Priorität", "Priorité", "Prioridad", "Importance", "P"],
        "status": ["Status", "State", "Test Status", "Statut", "Estado", "Outcome"],
        "requirement": [
            "Requirement",
            "Req. ID",
            "Requirement ID",
            "User Story",
            "Anforderung",
            "Exigence",
            "Covers",
        ],
    },
}
# Columns that are none of the fields, and look like they could be.
NOISE: dict[str, list[str]] = {
    "remittance-advice": [
        "Supplier",
        "Payment Date",
        "Posting date",
        "Company code",
        "VAT",
        "VAT amount",
        "Order number",
        "Cost centre",
        "Remarks",
        "Payment reference",
        "Bank",
        "Cheque no",
        "Entered by",
        "Kommentar",
        "Buchungsdatum",
        "Zahlungsdatum",
        "Customer number",
        "Balance",
        "Type",
        "Exchange rate",
        "Delivery date",
        "Steuer",
        "Lieferant",
        "Bestellnummer",
        "Period",
        "Tax code",
        "Withheld tax",
    ],
    "price-list": [
        "Weight",
        "Colour",
        "Stock",
        "Category",
        "VAT rate",
        "Discount group",
        "Supplier",
        "Page",
        "Image",
        "Valid to",
        "Gültig bis",
        "Country of origin",
        "Customs tariff number",
        "Old price",
        "Gewicht",
        "Warengruppe",
        "Farbe",
        "Lead time",
        "Notes",
        "Length",
        "Manufacturer",
        "Price group",
    ],
    "contact-list": [
        "Birthday",
        "Fax",
        "Department",
        "Job title",
        "Website",
        "Notes",
        "Street",
        "Postcode",
        "PLZ",
        "Salutation",
        "Anrede",
        "Straße",
        "Customer number",
        "Last contact",
        "Language",
        "VAT number",
        "Assistant",
        "Region",
        "Source",
    ],
    "test-cases": [
        "Author",
        "Created",
        "Component",
        "Build",
        "Environment",
        "Comments",
        "Actual result",
        "Duration",
        "Tester",
        "Defect",
        "Browser",
        "Version",
        "Automated",
        "Kommentar",
        "Bemerkung",
        "Sprint",
        "Labels",
        "Tatsächliches Ergebnis",
    ],
}
PLACEHOLDERS = ["", "Column1", "Unnamed: 3", "-", "Spalte 4", "Field7", "?"]
TITLES = [
    "Confidential",
    "Page 1 of 1",
    "Created by the ERP",
    "Report 2024/07",
    "Acme Holding plc",
    "Stand: heute",
]
NOTES = [
    "* subject to change",
    "Please contact us with questions.",
    "All amounts without guarantee",
    "Vielen Dank",
]
TOTALS = ["Total", "Grand total", "Summe", "TOTAL:", "Sub-total", "Gesamtsumme"]
_WORDS = [
    "ring",
    "valve",
    "cable",
    "lamp",
    "screen",
    "mount",
    "hinge",
    "panel",
    "filter",
    "gasket",
    "pump",
    "motor",
    "sensor",
    "relay",
    "fuse",
    "dial",
]
_NAMES = [
    "Ada",
    "Grace",
    "Alan",
    "Edsger",
    "Barbara",
    "Donald",
    "Niklaus",
    "Frances",
    "Ken",
    "Dennis",
    "Radia",
    "Margaret",
    "Linus",
    "Tim",
    "Vint",
]
_SURNAMES = [
    "Okafor",
    "Lindqvist",
    "Moreau",
    "Tanaka",
    "Novak",
    "Rossi",
    "Petrov",
    "Silva",
    "Kaya",
    "Haddad",
    "Jensen",
    "Walsh",
    "Weber",
    "Dubois",
]
_PLACES = [
    "Lyon",
    "Graz",
    "Porto",
    "Turku",
    "Gent",
    "Cork",
    "Bergen",
    "Brno",
    "Malmö",
    "Split",
    "Basel",
    "Parma",
    "Leeds",
    "Vigo",
]
_COUNTRIES = [
    "France",
    "Austria",
    "Portugal",
    "Finland",
    "Belgium",
    "Ireland",
    "Norway",
    "Croatia",
    "Spain",
    "Italy",
]


@dataclass(kw_only=True)
class Layout:
    """One table: its rows, and for each of its columns what it truly is.

    `truth` is the field's name, or None for what is no field; `named` whether its header says so at
    all; `kinds` of columns that must stay unmapped: noise, placeholder, duplicate.
    """

    configuration: str
    rows: list[Cells]
    truth: list[str | None]
    kinds: list[str]
    first_column: int
    body: int
    variants: tuple[str, ...]


def layouts(count: int, seed: int) -> list[Layout]:
    names = list(WORLD)
    return [
        Layouts(random.Random(f"{seed}-{number}"), names[number % len(names)]).make()
        for number in range(count)
    ]


class Layouts:
    def __init__(self, chance: random.Random, configuration: str) -> None:
        self._chance = chance
        self._name = configuration
        self._order = chance.choice(["dmy", "mdy", "iso"])
        self._comma = chance.random() < 0.4

    def make(self) -> Layout:
        chance = self._chance
        world = WORLD[self._name]
        fields = list(world)
        keep = chance.sample(fields, chance.randint(max(3, len(fields) - 4), len(fields)))
        variants: list[str] = []
        columns: list[tuple[str | None, str, str]] = []
        for field in keep:
            header = chance.choice(world[field])
            kind = "plain"
            roll = chance.random()
            if roll < 0.12 and len(header) > 6:
                header, kind = self._typo(header), "typo"
            elif roll < 0.2:
                header, kind = chance.choice(PLACEHOLDERS), "placeholder"
            elif roll < 0.3:
                header = chance.choice(
                    [header.upper(), header.lower(), f" {header} ", header + ":"]
                )
            columns.append((field, header, kind))
        for header in chance.sample(NOISE[self._name], chance.randint(0, 4)):
            columns.append((None, header, "noise"))
        if chance.random() < 0.12:
            field, header, kind = chance.choice(columns)
            if field and kind == "plain" and header.strip():
                # The same header twice: which of them is it?
                columns = [
                    (None if c[0] == field else c[0], c[1], "duplicate" if c[0] == field else c[2])
                    for c in columns
                ]
                columns.append((None, header, "duplicate"))
                self._doubled = field
                variants.append("duplicate")
        chance.shuffle(columns)
        body = chance.randint(6, 40)
        makers = [self._maker(field, kind) for field, _, kind in columns]
        table = [[make(row) for make in makers] for row in range(body)]
        heads = [header for _, header, _ in columns]
        if chance.random() < 0.06:
            variants.append("headless")
            heads = []
            columns = [(field, "", "placeholder" if field else "noise") for field, _, _ in columns]
        rows = self._around(heads, table, len(columns), variants)
        shift = 0
        if chance.random() < 0.15:
            shift = chance.randint(1, 3)
            rows = [[None] * shift + row for row in rows]
            variants.append("shifted")
        return Layout(
            configuration=self._name,
            rows=rows,
            truth=[field for field, _, _ in columns],
            kinds=[kind for _, _, kind in columns],
            first_column=shift + 1,
            body=body,
            variants=tuple(variants),
        )

    def _around(
        self, heads: Cells, table: list[Cells], width: int, variants: list[str]
    ) -> list[Cells]:
        chance = self._chance
        rows: list[Cells] = []
        if chance.random() < 0.5:
            rows += [[chance.choice(TITLES)] for _ in range(chance.randint(1, 3))]
            variants.append("titles")
            if chance.random() < 0.6:
                rows.append([])
        if heads:
            rows.append(heads)
        rows += table
        if chance.random() < 0.35:
            total: Cells = [None] * width
            total[0] = chance.choice(TOTALS)
            total[-1] = round(chance.uniform(100, 9999), 2)
            rows.append(total)
            variants.append("total")
        if chance.random() < 0.3:
            rows += [[], [chance.choice(NOTES)]]
            variants.append("note")
        return rows

    def _typo(self, header: str) -> str:
        chance = self._chance
        places = [
            i for i in range(1, len(header) - 1) if header[i].isalpha() and header[i + 1].isalpha()
        ]
        if not places:
            return header
        at = chance.choice(places)
        what = chance.choice(["swap", "drop", "double", "other"])
        if what == "swap":
            return header[:at] + header[at + 1] + header[at] + header[at + 2 :]
        if what == "drop":
            return header[:at] + header[at + 1 :]
        if what == "double":
            return header[:at] + header[at] + header[at:]
        return header[:at] + chance.choice(string.ascii_lowercase) + header[at + 1 :]

    def _maker(self, field: str | None, kind: str) -> Callable[[int], Any]:
        chance = self._chance
        if kind == "duplicate":
            field = getattr(self, "_doubled", None) or field
        number = lambda row: self._money(chance.uniform(1, 4000))  # noqa: E731
        day = lambda row: self._date()  # noqa: E731
        words = lambda row: " ".join(chance.sample(_WORDS, chance.randint(1, 4)))  # noqa: E731
        prefix = "".join(chance.sample(string.ascii_uppercase, 2))
        makers: dict[str, Callable[[int], Any]] = {
            "invoice_number": lambda row: f"{prefix}{chance.randint(10000, 99999)}-{row}",
            "invoice_date": day,
            "due_date": day,
            "valid_from": day,
            "gross_amount": number,
            "discount": number,
            "net_amount": number,
            "unit_price": number,
            "currency": lambda row: chance.choice(["EUR", "USD", "GBP", "CHF"]),
            "sku": lambda row: f"{prefix}-{chance.randint(100, 9999)}.{row}",
            "name": words,
            "ean": lambda row: "".join(chance.choice(string.digits) for _ in range(13)),
            "unit": lambda row: chance.choice(["pcs", "kg", "m", "box", "Stk"]),
            "min_quantity": lambda row: chance.choice([1, 5, 10, 25, 100]),
            "first_name": lambda row: chance.choice(_NAMES),
            "last_name": lambda row: chance.choice(_SURNAMES),
            "company": lambda row: (
                f"{chance.choice(_SURNAMES)} {chance.choice(['Ltd', 'GmbH', 'SA'])}"
            ),
            "email": lambda row: f"{chance.choice(_NAMES).lower()}{row}@example.com",
            "phone": lambda row: (
                f"+4{chance.randint(1, 9)} {chance.randint(10, 99)} {chance.randint(100000, 999999)}"
            ),
            "mobile": lambda row: (
                f"+4{chance.randint(1, 9)} 1{chance.randint(50, 79)} {chance.randint(1000000, 9999999)}"
            ),
            "city": lambda row: chance.choice(_PLACES),
            "country": lambda row: chance.choice(_COUNTRIES),
            "case_id": lambda row: f"TC-{row + 1:03}",
            "title": lambda row: f"User can {' '.join(chance.sample(_WORDS, 2))}",
            "preconditions": lambda row: f"The {chance.choice(_WORDS)} is open",
            "steps": lambda row: (
                f"1. Open {chance.choice(_WORDS)}\n2. Press {chance.choice(_WORDS)}"
            ),
            "expected": lambda row: f"A {chance.choice(_WORDS)} is shown",
            "priority": lambda row: chance.choice(["High", "Medium", "Low"]),
            "status": lambda row: chance.choice(["passed", "failed", "open"]),
            "requirement": lambda row: f"REQ-{chance.randint(1, 90)}",
        }
        if field is not None:
            made = makers[field]
            empty = chance.choice([0.0, 0.0, 0.1, 0.3]) if field not in {"email"} else 0.0
            return lambda row: None if chance.random() < empty else made(row)
        return chance.choice(
            [
                number,
                day,
                words,
                lambda row: chance.randint(1, 99),
                lambda row: chance.choice(["A", "B"]),
            ]
        )

    def _date(self) -> Any:
        day = date(2024, 1, 1) + timedelta(days=self._chance.randint(0, 700))
        if self._order == "iso":
            return day
        return day.strftime("%d.%m.%Y" if self._order == "dmy" else "%m/%d/%Y")

    def _money(self, value: float) -> Any:
        if not self._comma:
            return round(value, 2)
        return f"{value:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")
