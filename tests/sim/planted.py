#!/usr/bin/python3
"""
The simulator's own test: bugs planted into the engine, one at a time, each of which it has to catch within its bound.

A bug is an exact replacement of text in a source file. The sources stay as they are: the changed file is compiled beside the build, with the
build's own command, and linked in front of the build's libraries. A text that is not found exactly once is an error: then the code has moved on,
and the bug has to be planted anew.

    tests/sim/planted.py --build build/release [--only NAME] [--bound N]

The same seeds, and the same crash states, pass without a bug: that is the test sim_seeds_many and its neighbours.
"""
import argparse
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plants import PLANTS  # noqa: E402

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FIRST_SEED = 100000  # as sim_seeds_many
RUN_TIMEOUT_S = 120


def planted_text(edits, path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    for where, old, new in edits:
        if where != path:
            continue
        assert text.count(old) == 1, f"{path} has {text.count(old)} times, not once:\n{old}"
        text = text.replace(old, new)
    return text


def run(command, cwd, timeout=RUN_TIMEOUT_S):
    return subprocess.run(command, cwd=cwd, shell=isinstance(command, str), capture_output=True, text=True, errors="replace", timeout=timeout,
                          check=False)


class Builder:
    def __init__(self, build, ninja):
        self.build = os.path.realpath(build)
        with open(os.path.join(self.build, "compile_commands.json"), encoding="utf-8") as f:
            self.compile = {os.path.relpath(e["file"], ROOT): e for e in json.load(f)}
        said = run([ninja, "-t", "commands", "sim_run"], self.build)
        assert said.returncode == 0, said.stderr
        self.link = said.stdout.strip().splitlines()[-1]
        assert self.link.count(" -o tests/sim_run ") == 1, self.link

    def compile_one(self, folder, path, text):
        source, target = os.path.join(folder, os.path.basename(path)), os.path.join(folder, os.path.basename(path) + ".o")
        with open(source, "w", encoding="utf-8") as f:
            f.write(text)
        entry = self.compile[path]
        words = shlex.split(entry["command"])
        words[words.index("-o") + 1] = target
        words[words.index(entry["file"])] = source
        done = run([*words, "-iquote", os.path.dirname(entry["file"]), "-w"], entry["directory"])
        assert done.returncode == 0, f"{path}: {done.stderr}"
        return target

    def make(self, plant):
        """The simulator with this bug."""
        folder = os.path.join(self.build, "planted", plant["name"])
        os.makedirs(folder, exist_ok=True)
        objects = [self.compile_one(folder, path, planted_text(plant["edits"], path)) for path in sorted({e[0] for e in plant["edits"]})]
        program = os.path.join(folder, "sim_run")
        done = run(self.link.replace(" -o tests/sim_run ", f" -o {shlex.quote(program)} {shlex.join(objects)} "), self.build)
        assert done.returncode == 0, done.stderr
        return program


def failure(program, *words):
    """None, or what the simulator said. A process that doesn't come back has not caught anything."""
    done = run([program, *words], None)
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.splitlines() if "FAILED" in line or "assert" in line.lower()]
    return said[0].strip() if said else f"ended with {done.returncode}: {done.stderr.strip()[-200:]}"


def hunt(program, plant, bound, pool):
    """(what caught it, what was said), or None."""
    if plant["by"] != "seeds":
        said = failure(program, "--" + plant["by"])
        return said and (plant["by"], said)
    for begin in range(0, bound, pool._max_workers):
        seeds = range(FIRST_SEED + begin, FIRST_SEED + min(begin + pool._max_workers, bound))
        for seed, said in zip(seeds, pool.map(lambda s: failure(program, "--seeds", "1", "--first", str(s)), seeds)):
            if said:
                return f"seed {seed - FIRST_SEED + 1}", said
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--ninja", default="ninja")
    parser.add_argument("--only", action="append", help="the plants with this name")
    parser.add_argument("--bound", type=int, help="seeds, instead of each plant's own bound")
    args = parser.parse_args()
    builder = Builder(args.build, args.ninja)
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for plant in PLANTS:
            if args.only and plant["name"] not in args.only:
                continue
            begin = time.monotonic()
            found = hunt(builder.make(plant), plant, args.bound or plant["bound"], pool)
            missed += found is None
            told = "%s: %s" % found if found else "NOT CAUGHT"
            print(f"{plant['name']:<28} {time.monotonic() - begin:5.1f} s  {told}", flush=True)
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
