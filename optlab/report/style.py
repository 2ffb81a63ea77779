"""How a report looks: on a screen, on a phone, and on paper."""

CSS = """
:root { color-scheme: light; --ink: #1B2430; --muted: #5B6672; --line: #DCE2E8; --soft: #F4F6F8; --link: #0072B2 }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans",
  "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem }
h2 { font-size: 1.35rem; margin: 2.75rem 0 .5rem; overflow-wrap: anywhere }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .4rem }
.muted { color: var(--muted); font-size: .92rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid var(--line) }
thead th { color: var(--muted); font-weight: 600; white-space: nowrap }
tbody th { font-weight: 600 }
.number { text-align: right; font-variant-numeric: tabular-nums }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 1rem; margin: 1rem 0 }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem; min-width: 0 }
.headline { font-size: 1.3rem; font-weight: 650 }
.chart { min-width: 0; overflow: hidden }
pre { background: var(--soft); border-radius: .5rem; padding: .8rem 1rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem }
a { color: var(--link) }
summary { cursor: pointer; padding: .3rem 0 }
dt { font-weight: 600; margin-top: .7rem }
dd { margin: 0 }
@media print {
  main { max-width: none; padding: 0 }
  h2, h3 { break-after: avoid }
  .card, .chart, pre, tr { break-inside: avoid }
  .cards { grid-template-columns: repeat(3, 1fr) }
  details > summary { display: none }
  .curve .knobs { display: none }
}
@page { size: A4; margin: 14mm }
"""
