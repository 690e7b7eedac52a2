"""Looks of the report: one style sheet for light and dark, and the colours of the sub-networks."""

from __future__ import annotations

from collections.abc import Sequence

SUBNET_COLOURS = (
    "#3f72d8",
    "#2496b8",
    "#21a088",
    "#4fae5f",
    "#93b23a",
    "#cfa22a",
    "#e38331",
    "#dc5546",
    "#c4437f",
    "#8f55c6",
)
DOMAIN_COLOURS = ("#3f72d8", "#e38331", "#21a088", "#c4437f", "#93b23a", "#8f55c6")


def subnet_colours(subnets: Sequence[str]) -> dict[str, str]:
    """Return a colour per sub-network: cool for the smallest, warm for the largest."""
    last = max(len(subnets) - 1, 1)
    scale = len(SUBNET_COLOURS) - 1
    return {name: SUBNET_COLOURS[round(index * scale / last)] for index, name in enumerate(subnets)}


STYLE = """
:root { color-scheme: light dark; --bg:#fbfbfc; --card:#ffffff; --ink:#1c2330; --soft:#5c6675; --line:#dfe3ea;
  --grid:#e9ecf1; --event:#8b93a3; --target:#1c2330; --good:#18794e; --good-bg:#e3f4ea; --bad:#c0392b;
  --bad-bg:#fbe7e4; --note-bg:#eef3fc; --area:rgba(63,114,216,.07); }
@media (prefers-color-scheme: dark) { :root { --bg:#12151b; --card:#191e27; --ink:#e6e9ef; --soft:#9aa4b5;
  --line:#2c3340; --grid:#242a35; --event:#707a8c; --target:#f2f4f8; --good:#5fd39a; --good-bg:#15352a;
  --bad:#ff8273; --bad-bg:#40211e; --note-bg:#1b2638; --area:rgba(120,160,255,.09); } }
* { box-sizing: border-box; }
body { margin:0; background:var(--bg); color:var(--ink);
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif; }
main { max-width:1400px; margin:0 auto; padding:28px 24px 60px; }
h1 { font-size:26px; margin:0 0 4px; letter-spacing:-.01em; }
h2 { font-size:19px; margin:38px 0 10px; }
h3 { font-size:14.5px; margin:0; }
p { margin:6px 0; max-width:95ch; } .soft { color:var(--soft); }
.note { background:var(--note-bg); border-radius:8px; padding:9px 14px; margin:14px 0; }
.chips { display:flex; flex-wrap:wrap; gap:8px; margin:14px 0; padding:0; list-style:none; }
.chip { border-radius:16px; padding:4px 13px; font-size:13.5px; background:var(--good-bg);
  color:var(--good); }
.chip.bad { background:var(--bad-bg); color:var(--bad); }
.columns { display:grid; gap:0 22px; grid-template-columns:repeat(auto-fit,minmax(min(520px,100%),1fr)); }
.card { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:12px 14px 8px;
  margin-bottom:16px; min-width:0; overflow-x:auto; }
.card header { display:flex; justify-content:space-between; gap:12px; align-items:baseline; }
.badge { font-size:11.5px; white-space:nowrap; color:var(--soft); border:1px solid var(--line);
  border-radius:10px; padding:0 8px; }
svg { width:100%; height:auto; display:block; margin-top:4px; }
svg text { font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif; fill:var(--soft); }
svg text.end { text-anchor:end; } svg text.mid { text-anchor:middle; }
svg text.event-label { font-size:10.5px; fill:var(--ink); }
svg path { fill:none; } .grid { stroke:var(--grid); } .axis { stroke:var(--soft); stroke-width:1; }
.event { stroke:var(--event); stroke-width:1; stroke-dasharray:3 3; }
.target { stroke:var(--target); stroke-width:2; } .target-area { fill:var(--area); stroke:none; }
.series { stroke-width:2; stroke-linejoin:round; }
.limit { stroke-width:1.4; stroke-dasharray:5 3; opacity:.75; }
.met { stroke:none; opacity:.9; } .missed { stroke:var(--bad); stroke-width:1.1; }
.cross { stroke:var(--bad); stroke-width:1.8; }
.legend { display:flex; flex-wrap:wrap; gap:3px 16px; font-size:13px; color:var(--soft); margin:4px 0 14px; }
.legend span { white-space:nowrap; }
.legend svg { display:inline-block; width:22px; height:12px; margin:0 5px -1px 0; }
table { border-collapse:collapse; width:100%; font-size:14px; font-variant-numeric:tabular-nums; }
th,td { text-align:left; padding:5px 12px 5px 0; border-bottom:1px solid var(--line);
  vertical-align:top; }
th { color:var(--soft); font-weight:600; font-size:13px; } td.n,th.n { text-align:right; }
tbody tr:last-child td { border-bottom:none; } .good { color:var(--good); }
td.short { white-space:nowrap; } .wrong { color:var(--bad); }
.scroll { max-height:460px; overflow:auto; }
.scroll thead th { position:sticky; top:0; background:var(--card); }
details > summary { cursor:pointer; padding:4px 0; } code { font-size:13px; }
footer { margin-top:36px; color:var(--soft); font-size:13px; }
@media print { body { background:#fff; } .card { break-inside:avoid; } .scroll { max-height:none; } }
"""
