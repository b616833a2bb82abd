#!/usr/bin/python3
"""Makes the DICOM files of this folder: our own, tiny, the same bytes on every run.

    tests/data/make.py [FOLDER]     writes the files (default: this folder)

Written by hand from PS3.5 and PS3.10, without a DICOM library, so that nobody else's reading of the standard hides in them.
The pixels are smooth with some noise, as images are: they compress, and no two slices are alike.
"""
import os
import random
import struct
import sys

ROOT_UID = "1.2.826.0.1.3680043.10.999"  # example root, no real study
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
LONG_VRS = {"OB", "OW", "SQ", "UN", "UT"}  # 12-byte headers: PS3.5 7.1.2


def element(group, number, vr, value, explicit=True):
    """One data element; the value is padded to even length (PS3.5 6.2)."""
    if isinstance(value, str):
        value = value.encode("ascii")
        if len(value) % 2:
            value += b"\0" if vr == "UI" else b" "
    tag = struct.pack("<HH", group, number)
    if not explicit:
        return tag + struct.pack("<I", len(value)) + value
    if vr in LONG_VRS:
        return tag + vr.encode() + b"\0\0" + struct.pack("<I", len(value)) + value
    return tag + vr.encode() + struct.pack("<H", len(value)) + value


def short(value):
    return struct.pack("<H", value)


def file_meta(syntax, instance):
    """Preamble, DICM and group 0002, always explicit little endian (PS3.10 7.1)."""
    body = element(2, 1, "OB", b"\0\1")
    body += element(2, 2, "UI", MR_IMAGE) + element(2, 3, "UI", instance)
    body += element(2, 0x10, "UI", syntax) + element(2, 0x12, "UI", ROOT_UID + ".1")
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(body))) + body


def header(patient, study, series, number, instance, rows, columns, explicit):
    def e(*args):
        return element(*args, explicit)

    return (e(8, 0x16, "UI", MR_IMAGE) + e(8, 0x18, "UI", instance) + e(8, 0x20, "DA", "20260102")
            + e(8, 0x60, "CS", "MR") + e(8, 0x70, "LO", "DOLMEN TESTS") + e(0x10, 0x10, "PN", patient)
            + e(0x10, 0x20, "LO", "PHANTOM1") + e(0x20, 0xD, "UI", study) + e(0x20, 0xE, "UI", series)
            + e(0x20, 0x13, "IS", str(number)) + e(0x28, 2, "US", short(1)) + e(0x28, 4, "CS", "MONOCHROME2")
            + e(0x28, 0x10, "US", short(rows)) + e(0x28, 0x11, "US", short(columns))
            + e(0x28, 0x100, "US", short(16)) + e(0x28, 0x101, "US", short(12))
            + e(0x28, 0x102, "US", short(11)) + e(0x28, 0x103, "US", short(0)))


def pixels(rows, columns, number):
    chance = random.Random(number)
    values = []
    for y in range(rows):
        for x in range(columns):
            distance = (x - columns // 2) ** 2 + (y - rows // 2) ** 2
            level = max(0, 1800 - distance * (2 + number)) if distance < 900 else 12
            values.append(min(4095, level + chance.randrange(16)))
    return struct.pack(f"<{len(values)}H", *values)


def slice_file(number, explicit=True, patient="Phantom^One"):
    rows = columns = 64
    study, series = ROOT_UID + ".2", ROOT_UID + ".2.1"
    instance = f"{series}.{number}"
    return (file_meta(EXPLICIT if explicit else IMPLICIT, instance)
            + header(patient, study, series, number, instance, rows, columns, explicit)
            + element(0x7FE0, 0x10, "OW", pixels(rows, columns, number), explicit))


def encapsulated_file():
    """Undefined length, an empty offset table, two fragments, a delimiter (PS3.5 A.4). The fragments only look like JPEG."""
    series = ROOT_UID + ".2.2"
    chance = random.Random(99)

    def item(data):
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data

    fragments = [b"\xff\xd8\xff\xc3" + chance.randbytes(3000), chance.randbytes(1498) + b"\xff\xd9"]
    body = element(0x7FE0, 0x10, "OB", b"")[:-4] + b"\xff\xff\xff\xff" + item(b"")
    body += b"".join(item(f) for f in fragments) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return (file_meta(JPEG_LOSSLESS, series + ".1")
            + header("Phantom^One", ROOT_UID + ".2", series, 1, series + ".1", 64, 64, True) + body)


def all_files():
    files = {f"mr-explicit-{n}.dcm": slice_file(n) for n in (1, 2, 3, 4)}
    files["mr-explicit-1-header-corrected.dcm"] = slice_file(1, patient="Phantom^One^Corrected")
    files["mr-implicit-5.dcm"] = slice_file(5, explicit=False)
    files["mr-encapsulated.dcm"] = encapsulated_file()
    files["mr-truncated.dcm"] = slice_file(6)[:-1001]
    return files


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for name, data in all_files().items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(data)


if __name__ == "__main__":
    main()
