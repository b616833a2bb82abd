#!/usr/bin/python3
"""Checks what compilers don't: who may include whom, sizes, banned calls, form. Every finding names a file and line, and what to do.

    tests/tidy/tidy.py [ROOT]      prints findings; ends with 1 when there are any
    tests/tidy/selftest.py         plants one violation of each rule and expects it to be found

A rule is a generator over a Tree that yields Finding; RULES lists them all.
"""
import collections
import json
import os
import re
import subprocess
import sys

Finding = collections.namedtuple("Finding", "path line rule message")

FILE_LINES_MAX = 900
FUNCTION_LINES_MAX = 110

# Folder -> folders whose private headers it may include: the dependency graph of the design.
MAY_INCLUDE = {
    "engine/base": [],
    "engine/runtime": ["engine/base"],
    "engine/format": ["engine/base"],
    "engine/drive": ["engine/base", "engine/runtime", "engine/format"],
    "engine/ec": ["engine/base"],
    "engine/chunk": ["engine/base", "engine/runtime", "engine/format"],
    "engine/dicom": ["engine/base"],
    "engine/index": ["engine/base", "engine/runtime", "engine/format"],
    "engine/slab": ["engine/base", "engine/runtime", "engine/format", "engine/drive", "engine/ec", "engine/chunk",
                    "engine/index"],
    "engine/cache": ["engine/base"],
    "engine/store": ["engine/base", "engine/runtime", "engine/format", "engine/drive", "engine/ec", "engine/chunk",
                     "engine/dicom", "engine/index", "engine/slab", "engine/cache"],
    "gateway/wire": ["engine/base"],
    "gateway/iam": ["engine/base", "gateway/wire"],
    "gateway/s3": ["engine/base", "gateway/wire", "gateway/iam"],
    "gateway/admin": ["engine/base", "engine/runtime", "engine/drive", "gateway/wire", "gateway/iam", "gateway/s3", "gateway/server"],
    "gateway/server": ["engine/base", "engine/runtime", "engine/drive", "engine/store", "gateway/wire", "gateway/iam",
                       "gateway/s3", "gateway/admin"],
    "bench": ["engine/base", "engine/chunk", "engine/ec"],
}

# Contracts (include/dolmen) that only some folders may see; the others are for all. gateway/wire parses bytes: it knows errors and types.
# engine/slab implements pool_create(), which the store's contract declares.
STORE_USERS = ["engine/slab", "engine/store", "gateway/s3", "gateway/iam", "gateway/admin", "gateway/server"]
ENGINE_USERS = ["engine/runtime", "engine/drive", "engine/chunk", "engine/index", "engine/slab", "engine/cache", "engine/store"]
GATEWAY_USERS = ["gateway/s3", "gateway/iam", "gateway/admin", "gateway/server"]
CONTRACT_USERS = {
    "store.h": STORE_USERS,
    "runtime.h": ENGINE_USERS + GATEWAY_USERS,
    "drive.h": ENGINE_USERS + ["engine/format", "gateway/server"],
    "net.h": ["engine/runtime", "gateway/server", "gateway/admin"],
}

# System header (pattern) -> the only folders that may know the library behind it.
SYSTEM_HEADER_USERS = [
    (r"lmdb\.h", ["engine/index"]),
    (r"isa-l/erasure_code\.h|erasure_code\.h", ["engine/ec"]),
    (r"isa-l/crc(64)?\.h|isa-l\.h", ["engine/base"]),
    (r"liburing\.h", ["engine/runtime"]),
    (r"openssl/.*", ["engine/base", "engine/chunk", "gateway/wire", "gateway/server", "bench"]),
    (r"zstd\.h", ["engine/chunk"]),
    (r"llhttp\.h", ["gateway/wire"]),
    (r"expat\.h", ["gateway/wire"]),
    (r"jansson\.h", ["gateway/admin", "gateway/iam", "gateway/server"]),
    (r"systemd/.*", ["gateway/server"]),
    (r"ini\.h", ["gateway/server", "fsck"]),
    (r"blkid\.h", ["engine/drive"]),
    (r"errno\.h", ["engine/base", "engine/runtime", "engine/drive", "engine/chunk", "engine/index", "gateway/iam",
                   "gateway/server", "gateway/admin", "bench"]),
    (r"cmocka\.h", []),
]

EVERYWHERE = ""
BANNED_CALLS = [
    # call, where (path prefix), except there, what to do instead
    ("strcpy", EVERYWHERE, [], "copy with a length: memcpy after a check, or snprintf"),
    ("strcat", EVERYWHERE, [], "build with snprintf"),
    ("strncpy", EVERYWHERE, [], "it doesn't terminate: memcpy after a check, or snprintf"),
    ("sprintf", EVERYWHERE, [], "snprintf"),
    ("vsprintf", EVERYWHERE, [], "vsnprintf"),
    ("gets", EVERYWHERE, [], "fgets or getline"),
    ("atoi", EVERYWHERE, [], "it hides errors: strtoul with its end checked"),
    ("atol", EVERYWHERE, [], "it hides errors: strtoul with its end checked"),
    ("strtok", EVERYWHERE, [], "it keeps hidden state: strtok_r, or walk the bytes"),
    ("alloca", EVERYWHERE, [], "fiber stacks are small: use an arena"),
    ("system", EVERYWHERE, [], "posix_spawn"),
    ("signal", EVERYWHERE, [], "sigaction"),
    ("rand", EVERYWHERE, [], "random_fill()"),
    ("random", EVERYWHERE, [], "random_fill()"),
    ("time", "engine/", ["engine/runtime/"], "the runtime's clocks, so that the simulator decides the time"),
    ("clock_gettime", "engine/", ["engine/runtime/", "engine/base/log.c"], "the runtime's clocks"),
    ("gettimeofday", EVERYWHERE, ["engine/runtime/"], "the runtime's clocks"),
    ("getrandom", "engine/", ["engine/runtime/", "engine/base/"], "random_fill()"),
    ("RAND_bytes", "engine/", ["engine/runtime/", "engine/base/"], "random_fill(), so that the simulator decides"),
    ("malloc", "engine/format/", [], "format is pure: the caller gives the buffer"),
    ("calloc", "engine/format/", [], "format is pure: the caller gives the buffer"),
    ("sleep", EVERYWHERE, ["bench/"], "wait for the event itself, with a deadline"),
    ("usleep", EVERYWHERE, ["bench/"], "wait for the event itself, with a deadline"),
    ("nanosleep", "tests/", [], "wait for the event itself, with a deadline"),
]

SKIPPED_FOLDERS = {".git", "build", "__pycache__", "corpus"}
TEXT_SUFFIXES = (".c", ".h", ".S", ".md", ".txt", ".cmake", ".json", ".py", ".sh", ".yml", ".service", ".conf")
TEXT_NAMES = {".clang-format", ".clang-tidy", ".gitignore", "run"}


class Tree:
    """The text files under root, read once; paths are relative and use slashes."""

    def __init__(self, root):
        self.root = root
        self.texts = {}
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
            for name in sorted(names):
                if name.endswith(TEXT_SUFFIXES) or name in TEXT_NAMES:
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8", errors="replace", newline="") as f:
                        self.texts[os.path.relpath(path, root)] = f.read()
        self.code = {p: blank_out(t) for p, t in self.texts.items() if p.endswith((".c", ".h"))}

    def c_files(self, *prefixes):
        return [p for p in self.code if p.startswith(prefixes or "")]


COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank_out(text):
    """C without comments and literals; line numbers stay. Include lines keep their names."""

    def blank(match):
        line_start = text.rfind("\n", 0, match.start()) + 1
        if text[line_start:match.start()].lstrip().startswith("#include"):
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())

    return COMMENT_OR_STRING.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def library_of(path):
    """engine/base/log.c -> engine/base; bench/x.c -> bench; tests/... -> tests."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] in ("engine", "gateway", "include") else parts[0]


def rule_include_direction(tree):
    owner = {}
    for path in tree.c_files():
        if path.endswith(".h") and not path.startswith("include/"):
            owner.setdefault(os.path.basename(path), path)
    for path in tree.c_files("engine/", "gateway/", "bench/"):
        me = library_of(path)
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)"', tree.code[path], re.MULTILINE):
            name = match.group(1)
            line = line_of(tree.code[path], match.start())
            if "/" in name:
                yield Finding(path, line, "include", f'"{name}": include by file name; the link line of CMake gives the folder')
                continue
            if name not in owner:
                continue
            other = library_of(owner[name])
            if other != me and other not in MAY_INCLUDE.get(me, []):
                yield Finding(path, line, "include", f"{me} may not know {other} ({name}): move the code, or go through a contract")


def rule_unique_headers(tree):
    seen = {}
    for path in tree.c_files("engine/", "gateway/", "bench/"):
        name = os.path.basename(path)
        if name.endswith(".h"):
            if name in seen:
                yield Finding(path, 1, "unique-header", f"{seen[name]} has the same name: rename one, includes go by name alone")
            seen.setdefault(name, path)


def rule_contracts(tree):
    for path in tree.c_files("engine/", "gateway/", "bench/"):
        me = library_of(path)
        for match in re.finditer(r"^[ \t]*#[ \t]*include[ \t]+<dolmen/([^>\n]+)>", tree.code[path], re.MULTILINE):
            users = CONTRACT_USERS.get(match.group(1))
            if users is not None and me not in users:
                yield Finding(path, line_of(tree.code[path], match.start()), "contract",
                              f"{me} may not know <dolmen/{match.group(1)}>; only {', '.join(users)} may")


def rule_system_headers(tree):
    for path in tree.c_files("engine/", "gateway/", "bench/", "include/"):
        me = library_of(path)
        for match in re.finditer(r"^[ \t]*#[ \t]*include[ \t]+<([^>\n]+)>", tree.code[path], re.MULTILINE):
            for pattern, users in SYSTEM_HEADER_USERS:
                if re.fullmatch(pattern, match.group(1)) and me not in users:
                    yield Finding(path, line_of(tree.code[path], match.start()), "system-header",
                                  f"<{match.group(1)}> is for {', '.join(users) or 'tests'} only: go through its interface")


def rule_file_size(tree):
    for path in tree.c_files():
        lines = tree.texts[path].count("\n")
        if lines > FILE_LINES_MAX:
            yield Finding(path, FILE_LINES_MAX, "file-size", f"{lines} lines, at most {FILE_LINES_MAX}: split it by responsibility")


def rule_function_size(tree):
    """By the brace style: a body opens and closes with a brace in column 0."""
    for path in tree.c_files():
        begin = None
        for number, line in enumerate(tree.code[path].split("\n"), 1):
            if line.rstrip() == "{":
                begin = number
            elif line.rstrip() == "}" and begin is not None:
                if number - begin - 1 > FUNCTION_LINES_MAX:
                    yield Finding(path, begin, "function-size",
                                  f"{number - begin - 1} lines, at most {FUNCTION_LINES_MAX}: name its steps and make them functions")
                begin = None


def rule_banned_calls(tree):
    for path in tree.c_files():
        for call, where, exceptions, instead in BANNED_CALLS:
            if not path.startswith(where) or path.startswith(tuple(exceptions) or ("\0",)):
                continue
            for match in re.finditer(rf"(?<![\w.>]){call}[ \t]*\(", tree.code[path]):
                yield Finding(path, line_of(tree.code[path], match.start()), "banned-call", f"{call}(): {instead}")


def rule_unfinished(tree):
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
    for path, text in tree.texts.items():
        for match in words.finditer(text):
            yield Finding(path, line_of(text, match.start()), "unfinished", f"{match.group()}: do it, or write the limit into the docs")


def rule_white_space(tree):
    for path, text in tree.texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip() and not (path.endswith(".md") and line.endswith("  ") and line.strip()):
                yield Finding(path, number, "white-space", "white space at the end of the line: remove it")
            if "\t" in line and path.endswith((".c", ".h", ".py", ".cmake")):
                yield Finding(path, number, "white-space", "a tab: use spaces")
        if text and not text.endswith("\n"):
            yield Finding(path, text.count("\n") + 1, "white-space", "no newline at the end of the file: add it")


def rule_opening(tree):
    for path in tree.c_files():
        if not tree.texts[path].startswith("/*"):
            yield Finding(path, 1, "opening", "open with a comment: what the file does, its invariants, who owns what")


def rule_include_guard(tree):
    seen = {}
    for path in tree.c_files():
        if not path.endswith(".h"):
            continue
        match = re.search(r"^#ifndef (\w+_H)\n#define (\w+)\n", tree.code[path], re.MULTILINE)
        if not match or match.group(1) != match.group(2):
            yield Finding(path, 1, "include-guard", "no include guard: #ifndef DOL_NAME_H, #define DOL_NAME_H, #endif")
        elif match.group(1) in seen:
            yield Finding(path, 1, "include-guard", f"{match.group(1)} also guards {seen[match.group(1)]}: name it by its file")
        else:
            seen[match.group(1)] = path


def rule_readme(tree):
    folders = {"tests", "bench"} | {library_of(p) for p in tree.c_files("engine/", "gateway/")}
    for folder in sorted(folders):
        if f"{folder}/README.md" not in tree.texts:
            yield Finding(f"{folder}/README.md", 1, "readme", "missing: tell how the files of this folder relate")


def rule_syntax(tree):
    for path, text in tree.texts.items():
        if path.endswith(".json"):
            try:
                json.loads(text)
            except ValueError as e:
                yield Finding(path, getattr(e, "lineno", 1), "syntax", f"not JSON: {e}")
        elif path.endswith(".py"):
            try:
                compile(text, path, "exec")
            except SyntaxError as e:
                yield Finding(path, e.lineno or 1, "syntax", f"not Python: {e.msg}")
        elif path.endswith(".sh") or text.startswith("#!/bin/bash"):
            done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=10, check=False)
            if done.returncode != 0:
                line = re.search(r"line (\d+)", done.stderr)
                yield Finding(path, int(line.group(1)) if line else 1, "syntax", f"not bash: {done.stderr.strip()}")


def rule_links(tree):
    """Relative links of Markdown files lead to something."""
    for path, text in tree.texts.items():
        if not path.endswith(".md"):
            continue
        for match in re.finditer(r"\]\(([^)\s#]+)(#[^)]*)?\)", text):
            target = match.group(1)
            if "://" in target or target.startswith("mailto:"):
                continue
            if not os.path.exists(os.path.join(tree.root, os.path.dirname(path), target)):
                yield Finding(path, line_of(text, match.start()), "link", f"{target} does not exist: correct or remove the link")


def rule_test_waits(tree):
    """A test that sleeps is slow when it passes and wrong when it fails; polling with a deadline lives in tests/lib."""
    for path, text in tree.texts.items():
        if not path.startswith("tests/") or path.startswith(("tests/lib/", "tests/tidy/")):
            continue
        if path.endswith(".py"):
            pattern = r"\btime\.sleep\("
        elif path.endswith(".sh"):
            pattern = r"^[ \t]*sleep[ \t]"
        else:
            continue
        for match in re.finditer(pattern, text, re.MULTILINE):
            yield Finding(path, line_of(text, match.start()), "test-waits", "no sleep in tests: wait_until() of tests/lib/appliance.py")


def rule_format(tree):
    files = tree.c_files()
    for first in range(0, len(files), 40):
        batch = files[first:first + 40]
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", *batch], cwd=tree.root, capture_output=True, text=True,
                              timeout=120, check=False)
        seen = set()
        for match in re.finditer(r"^(\S+?):(\d+):\d+: error:", done.stderr, re.MULTILINE):
            path = match.group(1)
            if path not in seen:
                yield Finding(path, int(match.group(2)), "format", "not as .clang-format wants it: run tools/format.sh")
            seen.add(path)
        if done.returncode != 0 and not seen:
            yield Finding(batch[0], 1, "format", f"clang-format failed: {done.stderr.strip()[:300]}")


RULES = [
    rule_include_direction, rule_unique_headers, rule_contracts, rule_system_headers, rule_file_size, rule_function_size,
    rule_banned_calls, rule_unfinished, rule_white_space, rule_opening, rule_include_guard, rule_readme, rule_syntax, rule_links,
    rule_test_waits, rule_format,
]


def check(root):
    tree = Tree(root)
    return [finding for rule in RULES for finding in rule(tree)]


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    findings = check(os.path.realpath(root))
    for f in findings:
        print(f"{f.path}:{f.line}: {f.rule}: {f.message}")
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
