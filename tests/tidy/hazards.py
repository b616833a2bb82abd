#!/usr/bin/python3
"""
docs/design/hazards.md names files, and after each what is in it: functions and tests. All of them exist.

    tests/tidy/hazards.py [ROOT]      prints what does not; ends with 1 when there is any
"""
import os
import re
import sys

TABLE = "docs/design/hazards.md"
ROWS = {"H": 24, "": 21}  # hazards, rules


def check_cell(root, number, cell):
    """In a cell a name belongs to the file before it."""
    text, path = "", None
    for name in re.findall(r"`([^`]+)`", cell):
        if "/" in name:
            path = name
            if not os.path.isfile(os.path.join(root, path)):
                yield f"{number}: there is no {path}"
                path = None
                continue
            with open(os.path.join(root, path), encoding="utf-8") as f:
                text = f.read()
        elif path and not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            yield f"{number}: {path} has no {name}"


def check(root):
    with open(os.path.join(root, TABLE), encoding="utf-8") as f:
        rows = [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in f if re.match(r"\| H?\d", line)]
    wanted = [f"{letter}{i + 1}" for letter, count in ROWS.items() for i in range(count)]
    if [row[0] for row in rows] != wanted:
        yield f"the rows are not {wanted[0]} to {wanted[-1]}, in order"
    for row in rows:
        if len(row) != 4:
            yield f"{row[0]}: {len(row)} columns"
        for cell in row[2:]:
            yield from check_cell(root, row[0], cell)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    findings = list(check(root))
    for finding in findings:
        print(f"{TABLE}: {finding}")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
