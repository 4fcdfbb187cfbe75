"""Office files are ZIP archives of XML parts: opened within limits, entities off, nothing run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from lxml import etree

from documents.readers.base import PasswordNeeded, StructureBuilder, Unreadable

MAX_PARTS = 20_000
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_PART = 512 * 1024 * 1024
# Office XML packs well, yet not like this; small parts may.
MAX_RATIO = 300
RATIO_FROM = 20 * 1024 * 1024
_OLE = b"\xd0\xcf\x11\xe0"

# lxml has no annotations.
Element = Any


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The package at `path`, its directory checked before a part is unpacked.

    :raises PasswordNeeded: an encrypted Office file.
    :raises Unreadable: damaged, cut off, or an archive bomb.
    """
    with path.open("rb") as file:
        if file.read(4) == _OLE:
            raise PasswordNeeded(
                "encrypted_office",
                "The Office file is encrypted with a password. Tapedeck can not open these: save "
                "it without a password, and upload that as a new version.",
            )
    try:
        with zipfile.ZipFile(path) as package:
            check(package)
            yield package
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise Unreadable(
            "damaged", "The file is damaged or cut off: its archive can not be unpacked."
        ) from error


def check(package: zipfile.ZipFile) -> None:
    """:raises Unreadable: too many parts, too large ones, or packed suspiciously well."""
    parts = package.infolist()
    unpacked = sum(part.file_size for part in parts)
    for part in parts:
        if part.flag_bits & 1:
            raise PasswordNeeded("encrypted", "The archive's parts are encrypted.")
        if part.file_size > RATIO_FROM and part.file_size > MAX_RATIO * max(part.compress_size, 1):
            raise Unreadable(
                "archive_bomb",
                f"{part.filename[:80]} would unpack to {part.file_size / 1e6:,.0f} MB from "
                f"{part.compress_size / 1e6:,.2f} MB: the file is refused as an archive bomb.",
            )
    if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED:
        raise Unreadable(
            "archive_bomb",
            f"The file unpacks to {unpacked / 1e6:,.0f} MB in {len(parts):,} parts; up to "
            f"{MAX_UNPACKED / 1e6:,.0f} MB and {MAX_PARTS:,} parts are read.",
        )
    overlapping = sorted((part.header_offset, part.compress_size) for part in parts)
    for (start, size), (following, _) in pairwise(overlapping):
        if start + size > following:
            raise Unreadable(
                "archive_bomb", "The archive's parts overlap: the file is refused as a bomb."
            )


def part_bytes(package: zipfile.ZipFile, name: str) -> bytes | None:
    """A part unpacked, never beyond the size that the directory said; None: there is none."""
    try:
        info = package.getinfo(name)
    except KeyError:
        return None
    if info.file_size > MAX_PART:
        raise Unreadable(
            "too_large", f"{name} has {info.file_size / 1e6:,.0f} MB, too much to be read."
        )
    with package.open(info) as part:
        # zipfile stops at the declared size and then checks the CRC.
        return part.read(info.file_size + 1)


def part_xml(package: zipfile.ZipFile, name: str) -> Element | None:
    """A part's root element; None: there is none."""
    data = part_bytes(package, name)
    return None if data is None else parse(data, name)


def parse(data: bytes, name: str) -> Element:
    """The root element of XML that declares nothing.

    :raises Unreadable: a document type (which can declare entities), or no well-formed XML.
    """
    refuse_doctype(data, name)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable("damaged", f"{name} is no well-formed XML: {error.msg}.") from error


def refuse_doctype(data: bytes, name: str) -> None:
    """:raises Unreadable: the XML declares a document type; Office files never do."""
    plain = data.replace(b"\0", b"") if b"\0" in data[:200] else data
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise Unreadable(
            "xml_entities",
            f"{name} declares XML entities, which Office files never need and attacks do. "
            "The file is refused.",
        )


def warn_of_macros(package: zipfile.ZipFile, built: StructureBuilder) -> None:
    names = package.namelist()
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        built.warn("macros_ignored", "The file carries macros. They are never run.")
    if any("/embeddings/" in name or "/activeX/" in name for name in names):
        built.warn("objects_ignored", "The file carries embedded objects; they were not opened.")
    if any("/externalLinks/" in name for name in names):
        built.warn("links_ignored", "The file refers to other files; nothing was fetched.")


def core_properties(package: zipfile.ZipFile, built: StructureBuilder) -> None:
    root = part_xml(package, "docProps/core.xml")
    if root is None:
        return
    for child in root:
        if isinstance(child.tag, str):
            built.meta(local(child), child.text)


def relations(package: zipfile.ZipFile, part: str) -> dict[str, str]:
    """Relation id → the part it leads to, of the part's inner relations."""
    folder, _, name = part.rpartition("/")
    root = part_xml(package, f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels")
    found: dict[str, str] = {}
    for each in () if root is None else root:
        if each.get("TargetMode") == "External":
            continue
        target = str(each.get("Target") or "")
        path = target.lstrip("/") if target.startswith("/") else f"{folder}/{target}"
        parts: list[str] = []
        for piece in path.split("/"):
            if piece == "..":
                parts = parts[:-1]
            elif piece not in {"", "."}:
                parts.append(piece)
        found[str(each.get("Id"))] = "/".join(parts)
    return found


def local(element: Element) -> str:
    """The element's name without its namespace: strict and transitional files differ only there."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str | None:
    """An attribute by its local name, in whatever namespace."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if local(child) == name)


def child(element: Element | None, *path: str) -> Element | None:
    """The first descendant along `path`."""
    for name in path:
        if element is None:
            return None
        element = next(children(element, name), None)
    return element
