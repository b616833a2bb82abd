"""
The Prometheus text format 0.0.4, strictly: parse() takes it apart, check() also judges what `promtool check metrics` judges.

https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/practices/naming/
"""
import collections
import math
import re

Family = collections.namedtuple("Family", "type help samples")  # samples: {(name, ((label, value), ...)): float}
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(\{{.*\}})? ([^ ]+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)')
UNITS = ("_total", "_bytes", "_seconds", "_info")


def labels_of(text):
    labels, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"malformed labels: {text[at:]!r}"
        labels.append((match[1], re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])))
        at = match.end()
    names = [name for name, _ in labels]
    assert len(set(names)) == len(names), f"a label twice: {text}"
    return tuple(sorted(labels))


def family_of(name, kinds):
    """Which family a sample belongs to: histograms have three sorts of samples."""
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and kinds.get(name[:-len(suffix)]) == "histogram":
            return name[:-len(suffix)]
    return name


def parse(text):
    """{family: Family}; AssertionError with what is malformed."""
    assert text.endswith("\n"), "the last line has no end"
    families, kinds, helps, current = {}, {}, {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current, helps_text = line[7:].split(" ", 1)
            assert current not in helps, f"{current}: HELP twice"
            helps[current] = helps_text
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == current and name not in kinds, f"{name}: TYPE where it does not belong"
            assert kind in ("counter", "gauge", "histogram"), line
            kinds[name] = kind
            families[name] = Family(kind, helps[name], {})
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"neither sample nor comment: {line!r}"
            family = family_of(match[1], kinds)
            assert family == current, f"{match[1]}: outside its family"
            key = match[1], labels_of(match[2][1:-1] if match[2] else "")
            assert key not in families[family].samples, f"twice: {line}"
            families[family].samples[key] = float(match[3].replace("+Inf", "inf"))
    return families


def check_histogram(name, family):
    """Buckets are cumulative, end in +Inf, and that one is the count; each has a sum."""
    series = collections.defaultdict(list)
    for (sample, labels), value in family.samples.items():
        if sample == f"{name}_bucket":
            bound = float(dict(labels)["le"].replace("+Inf", "inf"))
            series[tuple(item for item in labels if item[0] != "le")].append((bound, value))
    for labels, buckets in series.items():
        assert [b for b, _ in buckets] == sorted(b for b, _ in buckets), f"{name}{labels}: buckets out of order"
        counts = [value for _, value in buckets]
        assert counts == sorted(counts), f"{name}{labels}: not cumulative: {counts}"
        assert math.isinf(buckets[-1][0]), f"{name}{labels}: no +Inf bucket"
        assert counts[-1] == family.samples[f"{name}_count", labels], f"{name}{labels}: +Inf is not the count"
        total = family.samples[f"{name}_sum", labels]
        assert total >= 0 and (total > 0 or counts[-1] == 0), f"{name}{labels}: sum {total}"
    extra = {key[0] for key in family.samples} - {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    assert not extra, f"{name}: {extra}"


def check(text):
    """The families of a well-formed and well-named exposition."""
    families = parse(text)
    for name, family in families.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), f"{name}: not snake case"
        assert family.help and not family.help.startswith(" "), f"{name}: no help"
        if family.type == "counter":
            assert name.endswith("_total"), f"{name}: a counter's name ends in _total"
            assert all(v >= 0 and v == int(v) for v in family.samples.values()), f"{name}: {family.samples}"
        elif family.type == "gauge":
            assert not name.endswith("_total"), f"{name}: a gauge's name does not end in _total"
        else:
            check_histogram(name, family)
        for unit in ("milliseconds", "_ms", "kilobytes", "_kb", "_mb"):
            assert not name.removesuffix("_total").endswith(unit), f"{name}: base units are seconds and bytes"
    return families


def check_monotone(before, after):
    """Of two scrapes of one process: no counter went back, none is gone."""
    for name, family in before.items():
        if family.type == "gauge":
            continue
        for key, value in family.samples.items():
            if not key[0].endswith("_sum"):
                assert after[name].samples[key] >= value, f"{key}: {value} became {after[name].samples[key]}"


def value(families, name, **labels):
    return families[name].samples[name, tuple(sorted(labels.items()))]
