"""How the report looks: dark text on white, one column of a readable width, printable."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
body { margin: 0; background: #fff; color: #222; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .6rem; font-size: 1.05rem; }
section { margin-top: 2rem; min-width: 0; }
p { margin: .3rem 0; }
.kind { color: #666; }
.status { padding: .1rem .6rem; border-radius: 1rem; border: 1px solid #999; font-weight: 600; }
.status.good { background: #e3f1ea; border-color: #00704a; color: #00532f; }
.status.bad { background: #fbe9e2; border-color: #b34700; color: #8a2f00; }
.status.open { background: #e8f0f8; border-color: #0072b2; color: #004a75; }
.remark { color: #666; font-size: .9rem; }
pre { margin: .2rem 0 .8rem; padding: .6rem .8rem; background: #f5f5f5; border-radius: .3rem; font-size: .85rem;
      white-space: pre-wrap; overflow-wrap: anywhere; }
pre.error { background: #fbe9e2; border-left: 4px solid #b34700; margin-top: .8rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem 1.2rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e6e6; }
tbody th { font-weight: 400; color: #555; white-space: nowrap; }
thead th { font-weight: 600; }
td { overflow-wrap: anywhere; }
.key td, .numbers td { text-align: right; white-space: nowrap; }
.key thead th, .numbers thead th { text-align: right; }
.key tbody { font-size: 1.2rem; }
.key tbody th { font-size: 1rem; vertical-align: middle; }
.facts { width: 100%; }
.facts th { width: 8rem; }
.wide { overflow-x: auto; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); column-gap: 3rem; }
.curves svg { width: 100%; height: auto; }
@media print { pre { border: 1px solid #ccc; } section { break-inside: avoid; } }
"""
