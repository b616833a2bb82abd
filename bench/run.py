#!/usr/bin/python3
"""
Throughput, latency and cost of one build beside what the machine gives: starts appliances of its own, runs dolmen-bench and dolmen-ceilings in
turns, five rounds, and prints the medians as Markdown; everything goes to bench.json beside the build folder.

    bench/run.py --build build/release [--against OTHER-BUILD] [--write-readme]

README.md says how to read it. Each round has fresh pools. With --against, the server of another build gets the same loads from the same
generator, load by load in turns, and ratios are shown.
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "tests", "lib"))
import figures  # noqa: E402
from appliance import ROOT, Appliance, dicom_files  # noqa: E402

GET_FROM_CACHE_MIB = 64  # of objects that are read again and again
IDLE_CONNECTIONS = 1000
MARKS = ("<!-- measured: begin, by bench/run.py --write-readme -->", "<!-- measured: end -->")


class Load:
    """A row of the table. `reads`: the name of the put load whose objects it gets; `objects`: of those, at most."""

    def __init__(self, name, verb, clients, parts, arguments, reads=None, objects=0, phase="warm"):
        self.name, self.verb, self.clients, self.parts, self.arguments = name, verb, clients, parts, arguments
        self.reads, self.objects, self.phase = reads, objects, phase


def small_objects(mib, size):
    return max(1, mib * figures.MIB // size)


def loads_of(with_dicom):
    def put(name, clients, size, parts=figures.PUT_PARTS):
        return Load(name, "put", clients, parts, ["--size", size])

    loads = [
        put("PUT 70 KiB, 32 clients", 32, "70k"),
        put("PUT 70 KiB, 1 client", 1, "70k"),
        Load("GET 70 KiB, 32 clients", "get", 32, figures.GET_PARTS, ["--size", "70k"], "PUT 70 KiB, 32 clients",
             small_objects(GET_FROM_CACHE_MIB, 70 * figures.KIB)),
        Load("GET 70 KiB, 1 client", "get", 1, figures.GET_PARTS, ["--size", "70k"], "PUT 70 KiB, 32 clients",
             small_objects(GET_FROM_CACHE_MIB, 70 * figures.KIB)),
        put("PUT 512 KiB, 16 clients", 16, "512k"),
        Load("GET 512 KiB, 16 clients", "get", 16, figures.GET_PARTS, ["--size", "512k"], "PUT 512 KiB, 16 clients",
             small_objects(GET_FROM_CACHE_MIB, 512 * figures.KIB)),
    ]
    if with_dicom:
        folder, _ = dicom_files()
        files = ["--files", folder, "--unique"]
        loads += [Load("PUT CT and MR files, 16 clients", "put", 16, figures.PUT_PIXELS, files),
                  Load("GET CT and MR files, 16 clients", "get", 16, figures.GET_PIXELS, [*files, "--in-order"], "PUT CT and MR files, 16 clients")]
    return loads + [
        put("PUT 8 MiB, 4 clients", 4, "8m"),
        Load("GET 8 MiB from cache, 4 clients", "get", 4, figures.GET_PARTS, ["--size", "8m"], "PUT 8 MiB, 4 clients",
             small_objects(GET_FROM_CACHE_MIB, 8 * figures.MIB)),
        Load("GET 8 MiB from drives, 4 clients", "get", 4, figures.GET_PARTS, ["--size", "8m", "--in-order"], "PUT 8 MiB, 4 clients",
             phase="cold"),
        Load("GET 70 KiB from drives, 32 clients", "get", 32, figures.GET_PARTS, ["--size", "70k"], "PUT 70 KiB, 32 clients", phase="cold"),
        Load(f"HEAD with {IDLE_CONNECTIONS} idle connections, 8 clients", "head", 8, figures.NO_PARTS, ["--size", "70k", "--idle", IDLE_CONNECTIONS],
             "PUT 70 KiB, 32 clients"),
    ]


class BenchAppliance(Appliance):
    """In a folder of one's choice, with or without its read cache."""

    def __init__(self, build, folder, **how):
        super().__init__(build, **how)
        if folder:
            # with what lies there already, such as a certificate
            old, self.work = self.work, tempfile.mkdtemp(prefix="bench-", dir=folder)
            shutil.copytree(old, self.work, dirs_exist_ok=True)
            shutil.rmtree(old)
            self.arguments = [a.replace(old, self.work) for a in self.arguments]
            self.folder, self.log_path = os.path.join(self.work, "dev"), os.path.join(self.work, "server.log")
        shown = subprocess.run([self.program, "--help"], capture_output=True, text=True, timeout=10, check=False)
        self.has_cache = "--cache-size" in shown.stdout + shown.stderr

    def restart_without_cache(self):
        self.stop()
        if self.has_cache:
            self.arguments += ["--cache-size", "0"]
        self.start()

    def memory(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            values = dict(line.split(":", 1) for line in f if ":" in line)
        return {"rss_mib": int(values["VmRSS"].split()[0]) / 1024, "most_mib": int(values["VmHWM"].split()[0]) / 1024}


class Side:
    """One server under test through all rounds: its samples of every load."""

    def __init__(self, name, build):
        self.name, self.build = name, build
        self.appliance = None
        self.samples = {}   # load -> a dict for each round
        self.memory = {}    # moment -> the same
        self.errors = {}    # load -> errors, when there were any
        self.objects = {}   # put load -> how many objects this round's run has left

    def note_memory(self, when):
        self.memory.setdefault(when, []).append(self.appliance.memory())


def run_load(side, load, arguments, seed):
    """One load on one server: a dict of numbers."""
    a = side.appliance
    report_path = os.path.join(a.work, "load.json")
    put_name = load.reads or load.name
    command = [os.path.join(arguments.build, "bin", "dolmen-bench"), "--endpoint", a.endpoint, "--credentials", a.credentials_path,
               "--json", report_path, "--mode", load.verb, "--workers", load.clients, "--seconds", arguments.seconds,
               "--warm-up", arguments.warm_up, "--seed", seed, "--prefix", f"{abs(hash_of(put_name))}/", "--server-pid", a.process.pid,
               *load.arguments]
    if load.reads:
        there = side.objects[load.reads]
        command += ["--objects", min(there, load.objects) if load.objects else there]
    before = a.metrics()
    busy_before, begin = busy_seconds(), time.monotonic()
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True, check=False, timeout=arguments.seconds + arguments.warm_up + 120)
    elapsed, busy = time.monotonic() - begin, busy_seconds() - busy_before
    assert done.returncode == 0, f"{load.name}: dolmen-bench ended with {done.returncode}: {done.stderr[-2000:]}"
    after = a.metrics()
    with open(report_path, encoding="utf-8") as f:
        report = json.load(f)
    if report["errors"]:
        side.errors[load.name] = report["errors"]
    if load.verb == "put":
        side.objects[load.name] = report["objects"]
    return numbers_of(load, report, {name: after[name] - before.get(name, 0.0) for name in after}, busy / elapsed / os.cpu_count())


def hash_of(text):
    value = 0
    for byte in text.encode():
        value = (value * 131 + byte) % 1000003
    return value


def busy_seconds():
    """CPU time that the whole machine has spent on anything (proc(5): /proc/stat; idle and iowait are the 4th and 5th)."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(x) for x in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def numbers_of(load, report, counted, busy_share):
    r = report[load.verb]
    operations, seconds, cores = max(r["operations"], 1), report["seconds"], os.cpu_count()
    client_s = report["client_user_s"] + report["client_system_s"]
    sample = {
        "ops": r["operations_per_second"], "mib": r["mib_per_second"], "p50_ms": r["p50_ms"], "p99_ms": r["p99_ms"],
        "bytes_per_operation": r["bytes"] / operations,
        "server_us": report["server_cpu_s"] / operations * 1e6, "client_us": client_s / operations * 1e6,
        "server_cpu_share": report["server_cpu_s"] / seconds / cores, "client_cpu_share": client_s / seconds / cores,
    }
    puts = counted.get("dolmen_store_puts_total", 0)
    if load.verb == "put" and puts > 0:
        sample["rows_per_put"] = counted["dolmen_store_rows_total"] / puts
        sample["written_per_byte"] = counted["dolmen_store_drive_bytes_written_total"] / max(counted["dolmen_store_bytes_in_total"], 1)
        sample["rows_per_second"] = sample["rows_per_put"] * sample["ops"]
        sample["drive_bytes_per_second"] = counted["dolmen_store_drive_bytes_written_total"] / puts * sample["ops"]
    hits, misses = counted.get("dolmen_cache_hits_total", 0), counted.get("dolmen_cache_misses_total", 0)
    if load.verb == "get":
        # without a cache every byte comes from the drives
        missed = misses / (hits + misses) if hits + misses > 0 else 1.0
        sample["cache_hit_share"] = 1.0 - missed
        sample["drive_read_bytes_per_second"] = r["bytes"] / seconds * missed
    sample["others_share"] = max(0.0, busy_share - sample["server_cpu_share"] - sample["client_cpu_share"])
    return sample


def run_ceilings(arguments, folder):
    path = os.path.join(folder, "ceilings.json")
    subprocess.run([os.path.join(arguments.build, "bin", "dolmen-ceilings"), "--seconds", "0.1", "--ec", arguments.ec, "--dir", folder, "--json", path],
                   check=True, timeout=300)
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def one_round(number, sides, loads, arguments):
    """All loads once on fresh pools, servers in turns; the ceilings of this moment."""
    seed = number + 1
    for side in sides:
        side.appliance = BenchAppliance(side.build, arguments.folder, drives=arguments.drives, ec=arguments.ec, drive_size=arguments.drive_size,
                                        tls=arguments.tls)
        side.appliance.start()
        side.note_memory("started")
    for phase in ("warm", "cold"):
        if phase == "cold":
            for side in sides:
                side.note_memory("after the loads")
                side.appliance.restart_without_cache()
        for load in (x for x in loads if x.phase == phase):
            for side in sides if number % 2 == 0 else reversed(sides):
                sample = run_load(side, load, arguments, seed)
                side.samples.setdefault(load.name, []).append(sample)
                print(f"round {number + 1} {side.name:5} {load.name:44} {sample['ops']:9.1f}/s p50 {sample['p50_ms']:8.2f} ms "
                      f"p99 {sample['p99_ms']:8.2f} ms  server {sample['server_us']:8.1f} µs/op  client {sample['client_us']:7.1f}",
                      file=sys.stderr, flush=True)
    ceilings = run_ceilings(arguments, sides[0].appliance.work)
    for side in sides:
        side.appliance.__exit__(None, None, None)
    return ceilings


def merge_ceilings(rounds):
    return {name: figures.medians([r[name] for r in rounds]) for name in rounds[0]}


def ratios(this, other, loads):
    """Medians of the rounds' ratios: the two sides of a round were measured seconds apart."""
    found = {}
    for load in loads:
        pairs = list(zip(this.samples[load.name], other.samples[load.name]))
        found[load.name] = {short: figures.median([a[name] / b[name] for a, b in pairs if b[name] > 0])
                            for short, name in (("ops", "ops"), ("cpu", "server_us"), ("p50", "p50_ms"), ("p99", "p99_ms"))}
    return found


def machine_of(arguments):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    k, _, m = arguments.ec.partition("+")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "width": int(k) + int(m), "tls": arguments.tls}


def commit_of():
    found = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%h %cs"], capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, text=True, check=False)
    return (found.stdout.strip() or "unknown") + (" and changes" if changed.stdout.strip() else "")


def noise_of(results):
    noisy = [r["others_share"] for r in results.values() if r["others_share"] >= figures.NOISY]
    if not noisy:
        return []
    return [f"**The machine was not quiet**: in {len(noisy)} of {len(results)} loads other programs took up to {max(noisy) * 100:.0f} % of the CPU."]


def text_of(arguments, machine, side, loads, results, ceilings, compared):
    what = f"{machine['cores']} cores ({machine['cpu']}), Linux {machine['kernel']}, {arguments.drives} drives as files on one file system, {arguments.ec}"
    parts = [
        f"Commit {commit_of()}; {what}{', TLS' if arguments.tls else ''}; medians of {arguments.rounds} rounds of {arguments.seconds} s a load; "
        "the load generator shares the cores.",
        *noise_of(results),
        figures.loads_table(loads, results),
        "What bounds each:\n\n" + figures.bounds_list(loads, results),
        figures.ceilings_table(ceilings),
        figures.memory_table({when: figures.medians(samples) for when, samples in side.memory.items()}),
    ]
    if compared:
        parts.append(figures.ratios_table(compared))
    if side.errors:
        parts.append("Errors: " + json.dumps(side.errors))
    return "\n\n".join(parts) + "\n"


def write_readme(text):
    path = os.path.join(HERE, "README.md")
    with open(path, encoding="utf-8") as f:
        readme = f.read()
    before, begin, rest = readme.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    assert begin and end, f"{path} has lost its marks"
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{after}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="whose server, generator and ceilings are run")
    parser.add_argument("--against", help="another build, whose server gets the same loads")
    parser.add_argument("--folder", help="where the pools and files lie while it runs (default: in the build folder)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="measured time of a load in each round")
    parser.add_argument("--warm-up", type=int, default=1, help="seconds before it")
    parser.add_argument("--drives", type=int, default=6)
    parser.add_argument("--drive-size", default="8G", help="sparse; a round has to fit: about 8 s of writing for each put load")
    parser.add_argument("--ec", default="4+2")
    parser.add_argument("--only", default="", help="loads whose name holds this text, and the puts they read from")
    parser.add_argument("--tls", action="store_true", help="the loads go over TLS")
    parser.add_argument("--write-readme", action="store_true", help="the tables go into README.md, too")
    return parser.parse_args()


def chosen(loads, text):
    wanted = {x.name for x in loads if text.lower() in x.name.lower()}
    wanted |= {x.reads for x in loads if x.name in wanted and x.reads}
    return [x for x in loads if x.name in wanted]


def main():
    arguments = parse_arguments()
    arguments.build = os.path.realpath(arguments.build)
    machine = machine_of(arguments)
    folder, _ = dicom_files()
    loads = chosen(loads_of(with_dicom=not folder.startswith(os.path.join(ROOT, "tests"))), arguments.only)
    sides = [Side("this", arguments.build)] + ([Side("other", os.path.realpath(arguments.against))] if arguments.against else [])
    ceilings = merge_ceilings([one_round(number, sides, loads, arguments) for number in range(arguments.rounds)])
    results = {load.name: figures.judge(load, figures.medians(sides[0].samples[load.name]), ceilings, machine) for load in loads}
    compared = ratios(sides[0], sides[1], loads) if len(sides) == 2 else {}
    text = text_of(arguments, machine, sides[0], loads, results, ceilings, compared)
    print(text)
    if arguments.write_readme:
        write_readme(text)
    path = os.path.join(os.path.dirname(arguments.build), "bench.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"machine": machine, "commit": commit_of(), "results": results, "ceilings": ceilings, "ratios": compared,
                   "samples": {side.name: side.samples for side in sides}, "errors": {side.name: side.errors for side in sides}}, f, indent=2)
    print(f"all figures: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
