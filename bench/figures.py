"""
From measurements to a table: medians, what the parts of an operation cost by themselves, what bounds a load.

A ceiling is a rate (10^9 bytes a second) that a part reaches alone on one core. The parts of an operation, each at its ceiling, add up to the CPU
time that an operation cannot do without; the rest of what the server uses is its own and the kernel's work.
"""
import re
import statistics

KIB, MIB = 1024, 1024 * 1024
CHUNK_BYTES = MIB

# part, how many times the operation's bytes go through it
PUT_PARTS = [("tcp-receive", 1.0), ("md5", 1.0), ("sha256", 1.0), ("crc64nvme", 1.0), ("zstd-encode-random", 1.0), ("aes-256-gcm", 1.0),
             ("parity", 1.0), ("crc32c", 1.5), ("memcpy", 1.0)]
PUT_PIXELS = [("planes-encode-pixels" if part == "zstd-encode-random" else part, times) for part, times in PUT_PARTS]
GET_PARTS = [("tcp-send", 1.0), ("aes-256-gcm", 1.0), ("memcpy", 1.0)]
GET_PIXELS = [*GET_PARTS, ("planes-decode-pixels", 1.0)]
GET_CACHED_PARTS = [("tcp-send", 1.0)]
NO_PARTS = []

BUSY = 0.85  # of all cores, or of the disk: it is what bounds
NOISY = 0.1  # of all cores, used by other programs: the figures are not those of a quiet machine


def median(values):
    return statistics.median(values) if values else 0.0


def medians(samples):
    """Dicts of numbers -> a dict of their medians; a name that some lack counts where it is."""
    names = {name for sample in samples for name in sample}
    return {name: median([s[name] for s in samples if name in s]) for name in names}


def ceiling_of(ceilings, part, size):
    """GB/s of a part on operations of that size: measured on 70 KiB and on the largest chunk."""
    return ceilings[f"{part} {'70k' if size < 256 * KIB else '1m'}"]["gb_per_second"]


def parts_us(ceilings, parts, size):
    """Microseconds of CPU of each part of one operation."""
    found = {}
    for part, times in parts:
        found[part] = found.get(part, 0.0) + times * size / ceiling_of(ceilings, part, size) / 1e3
    return found


def interpolate(points, x):
    """Of sorted (x, y): linear between, flat outside."""
    below = [p for p in points if p[0] <= x]
    above = [p for p in points if p[0] >= x]
    if not below:
        return above[0][1]
    if not above:
        return below[-1][1]
    (x0, y0), (x1, y1) = below[-1], above[0]
    return y0 if x0 == x1 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def row_seconds(ceilings, unit_bytes, rows_at_once):
    """What a row of such units takes on this disk when `rows_at_once` are always under way, seen from all of them together."""
    points = []
    for name, ceiling in ceilings.items():
        found = re.fullmatch(rf"disk-rows (\d+) x{rows_at_once}", name)
        if found:
            points.append((int(found.group(1)), 1.0 / ceiling["operations_per_second"]))
    return interpolate(sorted(points), unit_bytes)


def disk_share(ceilings, sample, width, loops):
    """The part of the time that the disk needs for what was asked of it, at its ceiling."""
    share = 0.0
    if sample.get("rows_per_second", 0) > 0:
        unit = sample["drive_bytes_per_second"] / sample["rows_per_second"] / width
        share += sample["rows_per_second"] * row_seconds(ceilings, unit, min(loops, 2))
    if sample.get("drive_read_bytes_per_second", 0) > 0:
        best = max(c["gb_per_second"] for name, c in ceilings.items() if name.startswith("disk-read"))
        share += sample["drive_read_bytes_per_second"] / (best * 1e9)
    return share


def parts_of(load, sample):
    """A get's parts are those of reading from drives; what comes from the read cache is only sent."""
    return GET_CACHED_PARTS if load.verb == "get" and sample["cache_hit_share"] >= 0.5 else load.parts


def judge(load, sample, ceilings, machine):
    """Adds to a load's medians what its parts cost, its shares of CPU and disk, and a sentence on what bounds it."""
    tls = [("aes-256-gcm", 1.0)] if machine["tls"] and load.parts else []
    parts = parts_us(ceilings, parts_of(load, sample) + tls, sample["bytes_per_operation"])
    sample["parts_us"] = sum(parts.values())
    sample["cpu_share"] = sample["server_cpu_share"] + sample["client_cpu_share"]
    sample["disk_share"] = disk_share(ceilings, sample, machine["width"], machine["cores"])
    cpu, disk, others = sample["cpu_share"], sample["disk_share"], sample["others_share"]
    if cpu + others >= BUSY and cpu >= disk:
        verdict = "CPU"
    elif disk >= BUSY:
        verdict = "disk"
    else:
        verdict = "waiting, neither CPU nor disk is full"
    said = [f"CPU {cpu * 100:.0f} % (client {sample['client_cpu_share'] * 100:.0f} %)", f"disk {disk * 100:.0f} %"]
    if others >= NOISY:
        said.append(f"other programs {others * 100:.0f} % of CPU")
    if parts and sample["server_us"] > 0:
        named = ", ".join(f"{part} {parts[part] / sample['server_us'] * 100:.0f} %" for part in sorted(parts, key=parts.get, reverse=True)[:3])
        said.append(f"of the server's CPU {sample['parts_us'] / sample['server_us'] * 100:.0f} % are its parts ({named})")
    if sample.get("rows_per_second", 0) > 0:
        unit = sample["drive_bytes_per_second"] / sample["rows_per_second"] / machine["width"]
        said.append(f"a row of its size takes {row_seconds(ceilings, unit, 1) * 1e3:.2f} ms alone")
    sample["bound"] = f"{verdict}: " + "; ".join(said)
    return sample


# ---- text ----


def number(value):
    if value == 0:
        return "0"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def loads_table(loads, results):
    head = ["load", "ops/s", "MiB/s", "p50 ms", "p99 ms", "server CPU µs/op", "its parts µs/op", "client CPU µs/op", "rows/put", "written/byte"]
    rows = []
    for load in loads:
        r = results.get(load.name)
        if r is None:
            continue
        is_put = load.verb == "put"
        rows.append([load.name, number(r["ops"]), number(r["mib"]), number(r["p50_ms"]), number(r["p99_ms"]), number(r["server_us"]),
                     number(r["parts_us"]) if load.parts else "-", number(r["client_us"]),
                     number(r.get("rows_per_put", 0)) if is_put else "-", number(r.get("written_per_byte", 0)) if is_put else "-"])
    return table(head, rows)


def bounds_list(loads, results):
    return "\n".join(f"- {load.name}: {results[load.name]['bound']}" for load in loads if load.name in results)


def ceilings_table(ceilings):
    parts = {}
    for name, ceiling in ceilings.items():
        part, _, size = name.partition(" ")
        if not part.startswith("disk"):
            parts.setdefault(part, {})[size] = number(ceiling["gb_per_second"])
    computing = table(["one core, GB/s", "70 KiB", "1 MiB"], [[part, sizes.get("70k", "-"), sizes.get("1m", "-")] for part, sizes in parts.items()])
    disk = [[name.replace("disk-", ""), number(c["gb_per_second"]), number(c["operations_per_second"])]
            for name, c in ceilings.items() if name.startswith("disk")]
    return computing + "\n\n" + table(["disk: what, bytes each, how many at once", "GB/s", "a second"], disk)


def memory_table(memory):
    return table(["server's memory, MiB", "resident", "most so far"], [[when, number(m["rss_mib"]), number(m["most_mib"])] for when, m in memory.items()])


def ratios_table(ratios):
    """name -> {"ops": A/B of rates, "cpu": A/B of CPU time an operation, "p50": ..., "p99": ...}"""
    return table(["this / other", "ops/s", "server CPU/op", "p50", "p99"],
                 [[name, *(f"{r[x]:.2f}" for x in ("ops", "cpu", "p50", "p99"))] for name, r in ratios.items()])
