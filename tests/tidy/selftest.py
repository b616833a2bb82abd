#!/usr/bin/python3
"""A lint that never fires is no lint: plants one violation of each rule in a small tree and expects that finding, and no other."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

HEADER = "/* A header. */\n#ifndef DOL_{guard}_H\n#define DOL_{guard}_H\n\n{body}#endif\n"
CLEAN = {
    "README.md": "See [the bench](bench/README.md).\n",
    "bench/README.md": "Bench.\n",
    "tests/README.md": "Tests.\n",
    "engine/base/README.md": "Base.\n",
    "engine/base/low.h": HEADER.format(guard="LOW", body="int low_get(void);\n\n"),
    "engine/base/low.c": '/* Low. Never calls system(). */\n#include "low.h"\n\nint low_get(void)\n{\n    return 1;\n}\n',
    "engine/store/README.md": "Store.\n",
    "engine/store/high.h": HEADER.format(guard="HIGH", body=""),
    "engine/store/high.c": '/* High. */\n#include "high.h"\n\n#include <dolmen/store.h>\n\n#include "low.h"\n',
    "include/dolmen/store.h": "/* A contract. */\n#ifndef DOLMEN_STORE_H\n#define DOLMEN_STORE_H\n#endif\n",
    "tests/lib/poll.py": "import time\n\ntime.sleep(0)\n",
}


def c_file(body):
    return "/* A file. */\n" + body


def function_of(lines):
    return "int f(void)\n{\n" + "    f();\n" * (lines - 1) + "    return 1;\n}\n"


# rule -> files added to the clean tree, each list one case
PLANTED = {
    "include": [
        {"engine/base/bad.c": c_file('#include "high.h"\n')},
        {"engine/base/bad.c": c_file('#include "../base/low.h"\n')},
    ],
    "unique-header": [{"engine/store/low.h": HEADER.format(guard="OTHER", body="")}],
    "contract": [{"engine/base/bad.c": c_file("#include <dolmen/store.h>\n")}],
    "system-header": [
        {"engine/store/bad.c": c_file("#include <lmdb.h>\n")},
        {"engine/store/bad.c": c_file("#include <isa-l/erasure_code.h>\n")},
        {"engine/store/bad.c": c_file("#include <liburing.h>\n")},
        {"engine/store/bad.c": c_file("#include <openssl/evp.h>\n")},
        {"engine/store/bad.c": c_file("#include <errno.h>\n")},
    ],
    "file-size": [{"engine/base/bad.c": c_file("int x;\n" * tidy.FILE_LINES_MAX)}],
    "function-size": [{"engine/base/bad.c": c_file(function_of(tidy.FUNCTION_LINES_MAX + 1))}],
    "banned-call": [
        {"engine/base/bad.c": c_file(f"int x = {call}(y);\n")} for call in ("strcpy", "sprintf", "atoi", "system", "time", "sleep")
    ] + [{"tests/unit/bad.c": c_file("int x = usleep(y);\n")}],
    "unfinished": [{"engine/base/bad.c": c_file("/* TO" + "DO */\n")}, {"bench/note.md": "FIX" + "ME later\n"}],
    "white-space": [
        {"bench/bad.py": "x = 1 \n"},
        {"bench/bad.py": "if True:\n\tx = 1\n"},
        {"bench/bad.py": "x = 1"},
    ],
    "opening": [{"engine/base/bad.c": "int x;\n"}],
    "include-guard": [
        {"engine/base/bad.h": "/* No guard. */\nint x(void);\n"},
        {"engine/base/bad.h": HEADER.format(guard="LOW", body="")},
    ],
    "readme": [{"engine/ec/new.c": c_file("int x;\n")}],
    "syntax": [
        {"bench/bad.json": "{,}\n"},
        {"bench/bad.py": "def f(:\n    pass\n"},
        {"bench/bad.sh": "if true; then\n"},
    ],
    "link": [{"bench/bad.md": "See [this](nowhere.md).\n"}],
    "test-waits": [{"tests/faults/bad.py": "import time\n\ntime.sleep(1)\n"}, {"tests/faults/bad.sh": "sleep 1\n"}],
    "format": [{"engine/base/bad.c": c_file("int  x;\n")}],
}


def findings_in(extra):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**CLEAN, ".clang-format": clang_format(), **extra}.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8", newline="") as f:
                f.write(text)
        return tidy.check(root)


def clang_format():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", ".clang-format"), encoding="utf-8") as f:
        return f.read()


class SelfTest(unittest.TestCase):
    def test_clean_tree_has_no_findings(self):
        self.assertEqual(findings_in({}), [])

    def test_each_planted_violation_is_found_alone(self):
        for rule, cases in PLANTED.items():
            for extra in cases:
                with self.subTest(rule=rule, files=list(extra)):
                    found = findings_in(extra)
                    self.assertEqual({f.rule for f in found}, {rule}, found)
                    self.assertEqual({f.path.rsplit("/", 1)[0] for f in found}, {next(iter(extra)).rsplit("/", 1)[0]})

    def test_every_rule_has_a_case(self):
        self.assertEqual(len(PLANTED), len(tidy.RULES))

    def test_size_limits_are_exact(self):
        self.assertEqual(findings_in({"engine/base/ok.c": c_file("int x;\n" * (tidy.FILE_LINES_MAX - 1))}), [])
        self.assertEqual(findings_in({"engine/base/ok.c": c_file(function_of(tidy.FUNCTION_LINES_MAX))}), [])

    def test_comments_and_strings_are_not_code(self):
        text = c_file('/* strcpy(a, b) */\nconst char *x = "system(1)"; // atoi(x)\n')
        self.assertEqual(findings_in({"engine/base/ok.c": text}), [])


if __name__ == "__main__":
    unittest.main()
