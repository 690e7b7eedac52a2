"""Tables of the benchmark page, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from contenders import REFERENCES, label, shown_contenders
from targets import limit_text, number, verdict

Results = dict[str, Any]
MEGABYTE = 1e6


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def targets(documents: dict[str, Results]) -> str:
    """Every target of every part, with its margin."""
    rows = []
    for part, document in documents.items():
        for target in document["targets"]:
            value = "-" if target["value"] is None else f"{number(target['value'])} {target['unit']}".rstrip()
            rows.append([part, target["name"], value, limit_text(target), verdict(target)])
    return table(("part", "target", "measured", "limit", ""), rows)


def engine(results: Results) -> str:
    """Latencies, speed-ups and peaks for every number of threads."""
    blocks = []
    for threads, found in results["threads"].items():
        blocks += [f"### {threads} thread{'s' * (threads != '1')}", _latencies(found), _speed_ups(found)]
        blocks += [_peaks(found), _layers(found)]
    return "\n\n".join([*blocks, _refused(next(iter(results["threads"].values())))]).rstrip()


def _latencies(found: Results) -> str:
    contenders = shown_contenders(found)
    rows = []
    for name, point in found["points"].items():
        cells = [_times(point["contenders"].get(contender)) for contender in contenders]
        rows.append([f"`{name}`", f"{point['macs'] / 1e6:.0f}", *cells])
    head = ("sub-network", "M multiply-adds", *map(label, contenders))
    return "One inference, batch 1: median (p95) [ms].\n\n" + table(head, rows)


def _times(figures: Results | None) -> str:
    if figures is None:
        return "-"
    mark = " *" if figures["mostly_disturbed"] else ""
    return f"{figures['median_ms']:.2f} ({figures['p95_ms']:.2f}){mark}"


def _speed_ups(found: Results) -> str:
    rows = []
    for contender in shown_contenders(found):
        pairs = [found["speed_ups"].get(f"{contender} over {reference}") for reference in REFERENCES]
        if contender not in REFERENCES and any(pairs):
            shares = [p["contenders"][contender]["gemm_share"] for p in found["points"].values()]
            rates = [p["contenders"][contender]["bandwidth_share"] for p in found["points"].values()]
            errors = [p["logit_error"][contender] for p in found["points"].values()]
            cells = [f"{s['value']:.2f} ({s['low']:.2f} to {s['high']:.2f})" if s else "-" for s in pairs]
            extremes = [f"{100 * min(v):.0f} to {100 * max(v):.0f} %" for v in (shares, rates)]
            rows.append([label(contender), *cells, *extremes, f"{max(errors):.1e}"])
    head = ["", *(f"over {label(reference)}" for reference in REFERENCES)]
    head += ["of the GEMM peak", "weights, of the memory bandwidth", "logits, relative error"]
    text = "Speed-up: geometric mean over the sub-networks of the median ratio per round (95 % interval)."
    return f"{text}\n\n{table(head, rows)}"


def _peaks(found: Results) -> str:
    peaks = found["peaks"]
    products = ", ".join(f"{side}³ {value:.0f}" for side, value in peaks["gemm_gflop_per_s"].items())
    streams = ", ".join(f"{name} {value:.0f}" for name, value in peaks["gbyte_per_s"].items())
    size = peaks["array_bytes"] / MEGABYTE
    return (
        f"The machine's own: fp32 matrix products {products} GFLOP/s; memory {streams} GB/s "
        f"(three arrays of {size:.0f} MB)."
    )


def _layers(found: Results) -> str:
    rows = [
        [kind, f"{row['ms']:.2f}", f"{100 * row['share']:.0f} %", f"{row['mega_macs']:.0f}", _rate(row)]
        for kind, row in found["largest_by_layer"].items()
    ]
    name = list(found["points"])[-1]
    text = f"Where the time of `{name}` goes (OpenVINO fp32, its own counters, which add a little)."
    return f"{text}\n\n" + table(("layers", "ms", "share", "M multiply-adds", "GFLOP/s"), rows)


def _rate(row: Results) -> str:
    return "-" if row["gflop_per_s"] is None else f"{row['gflop_per_s']:.0f}"


def _refused(found: Results) -> str:
    """What did not run, by name."""
    reasons = dict(found["not_available"])
    for point in found["points"].values():
        reasons.update(point["refused"])
    return (
        "\n".join(["### Not run", "", *(f"- {name}: {why}" for name, why in reasons.items())])
        if reasons
        else ""
    )


def accuracy(results: Results) -> str:
    """Stated and measured accuracies."""
    stated, again = results["stated"], results["measured"]
    precisions = list(dict.fromkeys(p for row in stated.values() for p in row))
    rows = [[f"`{name}`", *(_percent(row.get(p)) for p in precisions)] for name, row in stated.items()]
    text = "As the family file states, on 12,000 rendered images of test scans [%].\n\n"
    text += table(("sub-network", *precisions), rows)
    rows = []
    for name, row in again.items():
        for precision, loss in row["loss"].items():
            error = f"{loss['points']:+.2f} ± {loss['standard_error']:.2f}"
            values = [f"{row['accuracy'][p]:.2f}" for p in ("fp32", precision)]
            rows.append([f"`{name}`", precision, *values, error])
    head = ("sub-network", "precision", "fp32 %", "this %", "loss, points (± standard error)")
    again_text = f"Again, through the compiled networks, {results['images']:,} images."
    return f"{text}\n\n{again_text}\n\n{table(head, rows)}"


def _percent(value: float | None) -> str:
    return "not offered" if value is None else f"{value:.2f}"


def switch(results: Results) -> str:
    """Decision to ready, first inferences, many switches, ofa."""
    rows = []
    for family, row in results["decision_to_ready"].items():
        parts = {
            "decision to ready": row,
            "the same and the next frame's plan": row["with_next_plan"],
            "a busy wait of 10 µs in its place": row["busy_wait_control"],
        }
        for text, times in parts.items():
            cells = [f"{times[key]:.0f} µs" for key in ("median_us", "p95_us", "p99_us", "max_us")]
            rows.append([f"{text}, {family}", *cells])
    for pace, found in results["first_inference"].items():
        for key, text in (("first", "first inference after a switch"), ("later", "later inferences")):
            row = found[f"{key}_over_steady"]
            cells = [f"{row[k]:.2f}" for k in ("median_ratio", "p95_ratio", "p99_ratio", "max_ratio")]
            rows.append([f"{text} over steady median, {pace}", *cells])
    for name, row in results["ofa"].items():
        cells = [f"{row[key]:.2f} ms" for key in ("median_ms", "p95_ms", "p99_ms", "max_ms")]
        rows.append([f"`ofa` {name}", *cells])
    many = results["many_switches"]
    wrong = many["wrong_subnet"] + many["wrong_result"]
    text = (
        f"{many['switches']:,} random switches on {many['family']} in {many['duration_s']:.0f} s: "
        f"{many['lost']} frames lost, {wrong} results other than the sub-network's own, "
        f"{many['identical_bit_by_bit']:,} identical bit by bit."
    )
    return f"{table(('', 'p50', 'p95', 'p99', 'max'), rows)}\n\n{text}"


def memory(results: Results) -> str:
    """Resident memory by placement."""
    rows = []
    for placement, found in results["placements"].items():
        if "not_run" in found:
            rows.append([label(placement), found["not_run"], "-", "-", "-", "-"])
            continue
        for kind in ("uncached", "filling the cache", "cached"):
            row = found[kind]
            private = row["private_clean_bytes"] + row["private_dirty_bytes"]
            values = (row["rss_bytes"], row["pss_bytes"], private, row["peak_rss_bytes"])
            cells = [f"{value / MEGABYTE:.0f}" for value in (found["weight_bytes"], *values)]
            rows.append([f"{label(placement)}, {kind}", *cells])
    return table(("six sub-networks resident [MB]", "weights", "RSS", "PSS", "private", "peak RSS"), rows)


def startup(results: Results) -> str:
    """Times to warmed and to active."""
    rows = []
    titles = {"bank_warmed": "process start to bank warmed", "node_active": "node start to lifecycle active"}
    for key, title in titles.items():
        for kind, row in results[key].items():
            cells = [f"{row[name]:.2f}" for name in ("median_s", "min_s", "max_s")]
            rows.append([f"{title}, {kind}", *cells, f"{row['n']:.0f}"])
    rss = results["node_memory"]["rss_bytes"] / MEGABYTE
    text = f"Imports take {results['imports_median_s']:.2f} s of it. RSS of the active node: {rss:.0f} MB."
    return f"{table(('seconds', 'median', 'min', 'max', 'starts'), rows)}\n\n{text}"


def frame_path(results: Results) -> str:
    """bgr8 against others, and every encoding."""
    contenders = list(next(iter(results["bgr8"].values())))
    rows = [
        [title, *(f"{row[c]['median_ms']:.3f} ({row[c]['p95_ms']:.3f})" for c in contenders)]
        for title, row in results["bgr8"].items()
    ]
    sizes = list(results["encodings"])
    encodings = [
        [encoding, *(f"{results['encodings'][size][encoding]['median_ms']:.3f}" for size in sizes)]
        for encoding in results["encodings"][sizes[0]]
    ]
    text = f"Median (p95) [ms], one thread; {results['implementation']}.\n\n"
    text += table(("", *contenders), rows)
    return f"{text}\n\nTo 224 pixels by encoding, median [ms].\n\n" + table(("encoding", *sizes), encodings)


def transport(results: Results) -> str:
    """End to end over DDS."""
    rows = []
    for name, row in results.items():
        times, jitter = row["minus_inference"] or {}, row["timer_jitter"] or {}
        cells = [_ms(times, key) for key in ("median_ms", "p95_ms", "p99_ms")]
        counts = [f"{row['frames_sent']:,}", f"{row['lost']:,}"]
        rows.append([name, *counts, *cells, _ms(jitter, "p95_ms")])
    head = ("", "frames", "lost", "p50", "p95", "p99", "50 Hz timer, jitter p95")
    return "Camera process to received result, minus inference [ms].\n\n" + table(head, rows)


def _ms(figures: Results, key: str) -> str:
    return f"{figures[key]:.2f}" if key in figures else "-"


def gpu(results: Results) -> str:
    """Speed-ups and energy on a GPU, or why there are none."""
    if "not_run" in results:
        return f"Not run: {results['not_run']}."
    contenders = list(next(iter(results["points"].values()))["contenders"])
    rows = []
    for name, point in results["points"].items():
        for contender in contenders:
            figures, energy = point["contenders"].get(contender), point["energy"].get(contender, {})
            joule = f"{energy['mj_per_inference']:.1f}" if "mj_per_inference" in energy else "-"
            rows.append([f"`{name}`", label(contender), _times(figures), joule])
    idle_w = results["idle_w"]
    idle = "" if idle_w is None else f" The idle GPU takes {idle_w:.0f} W, which is included."
    text = f"{results['gpu']}.{idle}\n\n"
    return text + table(("sub-network", "", "median (p95) ms", "mJ per inference"), rows)


def decision(results: Results) -> str:
    """The arbiter: times by size, share that is exact."""
    rows = []
    for name, row in results["cases"].items():
        times = row["decision"]
        cells = [f"{times[key]:.2f} ms" for key in ("median_ms", "p95_ms", "p99_ms", "max_ms")]
        rows.append([name, f"{row['combinations']:.1e}", *cells, f"{100 * row['exact_share']:.1f} %"])
    head = ("", "combinations", "p50", "p95", "p99", "max", "proven best")
    text = (
        f"Search by {results['search']}, at most {results['node_budget']:,} partial choices; where these do "
        "not suffice, the result says which term may be improved, and by how much at most."
    )
    return f"{table(head, rows)}\n\n{text}"


SECTIONS = {
    "engine": ("Inference", engine),
    "accuracy": ("Accuracy of reduced precisions", accuracy),
    "switch": ("Switching", switch),
    "memory": ("Memory", memory),
    "startup": ("Start-up", startup),
    "frame_path": ("Frame path", frame_path),
    "transport": ("End to end over DDS", transport),
    "gpu": ("GPU", gpu),
    "decision": ("Decisions", decision),
}
