"""Tables that the engine was never looked at with: other trades, other words, other languages.

The configurations are written as their author would, from what the field is called where they work;
the headers were listed apart from them, from what exports of such programs look like. A figure that
is bad here is not to be mended by changing either list.
"""

from __future__ import annotations

import random
from datetime import timedelta

from tests.documents.layout_words import NAMES, PLACES, SURNAMES, WORDS
from tests.documents.layouts import Layouts, Makers, Words

CONFIGURATIONS = """\
tapedeck: 1
name: bank-statement
fields:
  - {name: booked_on, label: Booking date, type: date, required: true, synonyms: [posting date, date, buchungstag, buchungsdatum, date comptable]}
  - {name: value_date, label: Value date, type: date, synonyms: [wertstellung, valuta, valutadatum, date de valeur]}
  - {name: payee, label: Counterparty, synonyms: [payee, beneficiary, payer, name, empfänger, auftraggeber, bénéficiaire]}
  - {name: purpose, label: Purpose, synonyms: [details, narrative, payment details, verwendungszweck, libellé, concepto]}
  - {name: iban, label: IBAN, synonyms: [account, account number, konto, kontonummer, compte], patterns: ['[A-Z]{2}\\d{2}[A-Z0-9]{11,30}'], validators: [iban]}
  - {name: amount, label: Amount, type: decimal, required: true, synonyms: [betrag, umsatz, montant, importe]}
  - {name: balance, label: Balance, type: decimal, synonyms: [saldo, kontostand, solde]}
---
tapedeck: 1
name: time-sheet
fields:
  - {name: worked_on, label: Day, type: date, required: true, synonyms: [date, working day, datum, tag, jour]}
  - {name: employee, label: Employee, required: true, synonyms: [employee name, staff member, worker, mitarbeiter, salarié, empleado]}
  - {name: project, label: Project, synonyms: [project name, projekt, projet, proyecto]}
  - {name: activity, label: Activity, synonyms: [task, work done, tätigkeit, activité, actividad]}
  - {name: started, label: Start, type: time, synonyms: [start time, begin, from, beginn, début, inicio]}
  - {name: ended, label: End, type: time, synonyms: [end time, finish, until, ende, fin]}
  - {name: hours, label: Hours, type: decimal, required: true, synonyms: [hours worked, duration, stunden, dauer, heures, horas]}
  - {name: billable, label: Billable, type: boolean, synonyms: [chargeable, abrechenbar, facturable]}
---
tapedeck: 1
name: stock-count
fields:
  - {name: article, label: Article, required: true, synonyms: [article number, material, material number, artikel, artikelnummer, article code]}
  - {name: text, label: Article text, synonyms: [description, artikeltext, bezeichnung, désignation]}
  - {name: place, label: Storage location, synonyms: [location, bin, warehouse, lagerort, lagerplatz, emplacement]}
  - {name: batch, label: Batch, synonyms: [batch number, lot, lot number, charge, chargennummer, lote]}
  - {name: counted, label: Counted quantity, type: decimal, required: true, synonyms: [quantity counted, count, zählmenge, gezählt, quantité comptée]}
  - {name: booked, label: Book quantity, type: decimal, synonyms: [quantity on hand, stock, buchbestand, bestand, stock théorique]}
  - {name: counted_by, label: Counted by, synonyms: [counter, zähler, gezählt von, compté par]}
---
tapedeck: 1
name: staff-list
fields:
  - {name: staff_number, label: Staff number, required: true, synonyms: [employee number, employee id, personnel number, personalnummer, matricule]}
  - {name: full_name, label: Full name, required: true, synonyms: [name, employee name, nom complet, nombre completo]}
  - {name: joined, label: Entry date, type: date, synonyms: [joined on, hire date, start date, eintrittsdatum, eintritt, date d'entrée]}
  - {name: left, label: Leaving date, type: date, synonyms: [exit date, end date, austrittsdatum, austritt, date de sortie]}
  - {name: department, label: Department, synonyms: [unit, team, abteilung, service, departamento]}
  - {name: role, label: Job title, synonyms: [position, role, function, stelle, poste, puesto]}
  - {name: site, label: Site, synonyms: [office, work location, standort, lieu de travail]}
  - {name: mail, label: Work e-mail, type: email, synonyms: [email, e-mail, mail]}
"""

WORLD = {
    "bank-statement": {
        "booked_on": ["Booking Date", "Posted", "Posting Dt", "Buchungstag", "Bookdate", "Data księgowania", "Boekdatum", "Date opération", "Transaction date", "BOOKING_DATE"],
        "value_date": ["Value Date", "Val. date", "Wertstellung", "Valuta", "Date valeur", "Fecha valor", "Data waluty", "valueDate", "Rentedatum"],
        "payee": ["Counterparty", "Counterparty name", "Payee", "Beneficiary", "Empfänger/Zahlungspflichtiger", "Begünstigter", "Tegenpartij", "Kontrahent", "Name", "Merchant"],
        "purpose": ["Purpose", "Payment purpose", "Narrative", "Details", "Verwendungszweck", "Libellé", "Omschrijving", "Tytuł", "Remittance information", "Reference text"],
        "iban": ["IBAN", "Account", "Account IBAN", "Counterparty account", "Kontonummer", "Rekening", "Compte", "Nr rachunku", "iban"],
        "amount": ["Amount", "Amt", "Betrag", "Amount (EUR)", "Montant", "Importe", "Bedrag", "Kwota", "Transaction amount", "Umsatz"],
        "balance": ["Balance", "Running balance", "Saldo", "Kontostand", "Solde", "Saldo po", "Balance after", "BALANCE"],
    },
    "time-sheet": {
        "worked_on": ["Day", "Date", "Work date", "Datum", "Jour", "Fecha", "Dzień", "WORK_DATE", "Dag"],
        "employee": ["Employee", "Employee Name", "Worker", "Who", "Mitarbeiter", "Mitarbeitende", "Salarié", "Medewerker", "Pracownik", "Resource"],
        "project": ["Project", "Project name", "Projekt", "Projet", "Client project", "Proyecto", "projectName", "Job"],
        "activity": ["Activity", "Task", "Work performed", "Tätigkeit", "Activité", "Activiteit", "Czynność", "What", "Actividad"],
        "started": ["Start", "Start time", "Begin", "Beginn", "Von", "Début", "Starttijd", "Clock in", "Od"],
        "ended": ["End", "End time", "Ende", "Bis", "Fin", "Eindtijd", "Clock out", "Do", "Finish"],
        "hours": ["Hours", "Hours worked", "Hrs", "Std.", "Stunden", "Heures", "Uren", "Godziny", "Duration", "Time spent"],
        "billable": ["Billable", "Billable?", "Chargeable", "Abrechenbar", "Facturable", "Declarabel", "Bill"],
    },
    "stock-count": {
        "article": ["Article", "Article No.", "Material", "Material no.", "Artikel", "Artikel-Nr.", "Référence article", "Artikelcode", "Indeks", "ITEM"],
        "text": ["Description", "Article text", "Artikeltext", "Bezeichnung", "Désignation", "Omschrijving", "Nazwa", "Short text", "Material description"],
        "place": ["Storage location", "Location", "Bin", "Bin code", "Lagerort", "Lagerplatz", "Emplacement", "Magazijn", "SLoc", "Whse"],
        "batch": ["Batch", "Batch no.", "Lot", "Lot #", "Charge", "Charge Nr", "Lote", "Partij", "Partia", "Serial/Lot"],
        "counted": ["Counted quantity", "Counted qty", "Qty counted", "Count", "Zählmenge", "Gezählte Menge", "Quantité comptée", "Geteld", "Ilość policzona", "Physical"],
        "booked": ["Book quantity", "Book qty", "Stock", "On hand", "Buchbestand", "Sollbestand", "Stock théorique", "Voorraad", "Stan", "System qty"],
        "counted_by": ["Counted by", "Counter", "Gezählt von", "Zähler", "Compté par", "Geteld door", "Liczył", "countedBy"],
    },
    "staff-list": {
        "staff_number": ["Staff number", "Staff no", "Employee No.", "Emp ID", "Personalnummer", "Pers.-Nr.", "Matricule", "Personeelsnummer", "Nr ewidencyjny", "EMPLOYEE_ID"],
        "full_name": ["Full name", "Name", "Employee name", "Name, Vorname", "Nom complet", "Naam", "Imię i nazwisko", "fullName", "Nombre completo"],
        "joined": ["Entry date", "Hire date", "Joined", "Date of joining", "Eintrittsdatum", "Eintritt", "Date d'entrée", "In dienst", "Data zatrudnienia", "hired_on"],
        "left": ["Leaving date", "Exit date", "Austrittsdatum", "Date de sortie", "Uit dienst", "Data odejścia", "Termination date", "Left on"],
        "department": ["Department", "Dept.", "Abteilung", "Service", "Afdeling", "Dział", "Org unit", "Departamento", "Team"],
        "role": ["Job title", "Position", "Role", "Function", "Stelle", "Poste", "Functie", "Stanowisko", "Puesto", "JOB_TITLE"],
        "site": ["Site", "Office", "Standort", "Work location", "Lieu de travail", "Vestiging", "Lokalizacja", "Base"],
        "mail": ["Work e-mail", "E-mail", "Email", "Mail", "Mailadres", "Adres e-mail", "Courriel", "WORK_EMAIL"],
    },
}  # fmt: skip
NOISE = {
    "bank-statement": ["Category", "Cleared", "Cheque number", "Bank code", "BIC", "Mandate reference", "Fee", "Exchange rate", "Original currency", "Statement number", "Kategorie", "Gebühr", "Gläubiger-ID", "Type", "Tags"],
    "time-sheet": ["Break", "Pause", "Approved by", "Rate", "Cost", "Comment", "Ticket", "Invoice", "Overtime", "Client", "Genehmigt", "Kommentar", "Week", "Mileage", "Location"],
    "stock-count": ["Difference", "Differenz", "Unit", "Price", "Value", "Expiry date", "Counted on", "Zähldatum", "Supplier", "Recount", "Remark", "Shelf life", "Weight", "Status", "ABC class"],
    "staff-list": ["Birthday", "Salary", "Cost centre", "Manager", "Phone", "Contract type", "Hours per week", "Gehalt", "Vorgesetzter", "Kostenstelle", "Nationality", "Badge", "Holiday entitlement", "Grade", "Gender"],
}  # fmt: skip


def makers(make: Layouts) -> Makers:
    chance = make.chance
    letters = "".join(chance.sample("ABCDEFGHKLMNPRSTUVWXYZ", 3))
    start = chance.randint(10_000, 80_000)

    def clock(first: int, last: int) -> str:
        return str(timedelta(minutes=chance.randrange(first, last, 15)))[:-3]

    return {
        "booked_on": lambda row: make.date(),
        "value_date": lambda row: make.date(),
        "payee": lambda row: f"{chance.choice(SURNAMES)} {chance.choice(['BV', 'GmbH', 'Sp. z o.o.', 'Ltd'])}",
        "purpose": lambda row: f"{' '.join(chance.sample(WORDS, 2))} {chance.randint(100, 9_999)}",
        "iban": lambda row: iban(chance),
        "amount": lambda row: make.money(chance.uniform(-4_000, 4_000)),
        "balance": lambda row: make.money(chance.uniform(0, 90_000)),
        "worked_on": lambda row: make.date(),
        "employee": lambda row: f"{chance.choice(NAMES)} {chance.choice(SURNAMES)}",
        "project": lambda row: f"{chance.choice(WORDS).title()} {chance.choice(['relaunch', 'audit', 'move'])}",
        "activity": lambda row: chance.choice(["review", "meeting", "coding", "travel", "support call"]),
        "started": lambda row: clock(360, 660),
        "ended": lambda row: clock(720, 1_200),
        "hours": lambda row: make.money(chance.choice([0.5, 1, 1.25, 2, 3.75, 8])),
        "billable": lambda row: chance.choice(["yes", "no"]),
        "article": lambda row: f"{letters}{chance.randint(1_000, 9_999)}{row}",
        "text": lambda row: " ".join(chance.sample(WORDS, chance.randint(2, 3))),
        "place": lambda row: f"{chance.choice('ABCD')}-{chance.randint(1, 40):02}-{chance.randint(1, 6)}",
        "batch": lambda row: f"L{chance.randint(20_000, 29_999)}",
        "counted": lambda row: chance.randint(0, 500),
        "booked": lambda row: chance.randint(0, 500),
        "counted_by": lambda row: chance.choice(NAMES),
        "staff_number": lambda row: start + row,
        "full_name": lambda row: f"{chance.choice(SURNAMES)}, {chance.choice(NAMES)}",
        "joined": lambda row: make.date(),
        "left": lambda row: make.date(),
        "department": lambda row: chance.choice(["Sales", "IT", "Finance", "Warehouse"]),
        "role": lambda row: chance.choice(["Clerk", "Head of unit", "Engineer", "Buyer"]),
        "site": lambda row: chance.choice(PLACES),
        "mail": lambda row: f"{chance.choice(NAMES)}.{chance.choice(SURNAMES)}{row}@example.org".lower(),
    }  # fmt: skip


def iban(chance: random.Random) -> str:
    """A German one with right check digits (ISO 13616)."""
    body = "".join(chance.choice("0123456789") for _ in range(18))
    check = 98 - int(f"{body}131400") % 97
    return f"DE{check:02}{body}"


HELD_OUT = Words(world=WORLD, noise=NOISE, makers=makers)
