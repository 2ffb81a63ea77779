"""How a report looks: on a screen, on a phone, and on paper."""

CSS = """
:root { color-scheme: light; --ink: #1B2430; --muted: #5B6672; --line: #DCE2E8; --soft: #F4F6F8; --link: #0072B2 }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans",
  "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem }
h2 { font-size: 1.35rem; margin: 2.75rem 0 .5rem; overflow-wrap: anywhere }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .4rem; overflow-wrap: anywhere }
h4 { font-size: .95rem; margin: 1rem 0 .4rem }
.decision { border: 1px solid var(--line); border-left: 5px solid var(--link); border-radius: .6rem; margin: 1.2rem 0;
  padding: .9rem 1.2rem }
.decision h2 { margin: 0; font-size: .92rem; color: var(--muted); font-weight: 600 }
.decision h3 { margin: .8rem 0 .2rem; font-size: .92rem; color: var(--muted) }
.decision .headline { font-size: 1.5rem; margin: .1rem 0 .5rem; overflow-wrap: anywhere }
.decision ul { margin: 0; padding-left: 1.2rem }
.badge { background: #E3F1FA; color: #004F7C; border-radius: .3rem; padding: .05rem .4rem; font-size: .8rem }
.columns { columns: 2 20rem; column-gap: 2rem; margin: .5rem 0 }
.columns dd { break-after: auto }
.columns dt { break-after: avoid }
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
  .strip { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  html { font-size: 12.5px }
  body { font-size: 1rem; line-height: 1.35 }
  main { max-width: none; padding: 0 }
  h1 { font-size: 1.5rem }
  h2 { margin: 1.3rem 0 .3rem; font-size: 1.15rem }
  h3 { margin: .9rem 0 .2rem }
  p, .cards { margin: .35rem 0 }
  h2, h3, dt, .lead { break-after: avoid }
  .card, .chart, .decision, .wide { break-inside: avoid }
  .wide { overflow: visible }
  th, td { padding: .3rem .4rem }
  thead th { white-space: normal }
  .cards { grid-template-columns: repeat(3, 1fr); gap: .6rem }
  .card { padding: .4rem .6rem }
  .headline { font-size: 1.05rem }
  .screen, details, .curve .knobs { display: none }
}
@page { size: A4; margin: 14mm }
"""
