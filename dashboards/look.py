"""How things look: colour tokens, shapes, style sheet and small pieces of HTML. Every value is escaped here.

A risk colour never stands alone: each has its own shape, so that the page reads in black and white as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

INK, MUTED, PANEL, LINE, BACKGROUND = "#e4ebf3", "#9db0c6", "#16202e", "#263548", "#0d141e"
WORSE, BETTER = "#ffb3a0", "#8fd3c8"  # of a number that moved, no colour of a risk
# On the panel colour each has a contrast of at least 5.5 : 1.
RISK: Mapping[str | None, str] = {
    "red": "#ff7070",
    "orange": "#ffa04d",
    "yellow": "#f7d54a",
    "blue": "#62b0ff",
    None: "#93a5bb",
}
# Names that ECharts knows; the style sheet draws the same figures in text.
SYMBOL: Mapping[str | None, str] = {
    "red": "triangle",
    "orange": "diamond",
    "yellow": "rect",
    "blue": "circle",
    None: "circle",
}
# Freshness and verdicts are no risk: they have colours and signs of their own.
STATE: Mapping[str, tuple[str, str]] = {
    "fresh": ("#6fcf97", "●"),
    "quiet": ("#6fcf97", "◌"),
    "not_heard_yet": ("#9db0c6", "…"),
    "late": ("#f2c66d", "◐"),
    "silent": ("#ff8f8f", "○"),
    "refused": ("#ff8f8f", "✕"),
    "passed": ("#6fcf97", "✓"),
    "failed": ("#ff8f8f", "✕"),
    "raised": ("#f2c66d", "!"),
    # How a device stands.
    "online": ("#6fcf97", "●"),
    "faulty": ("#f2c66d", "!"),
    "connected": ("#6fcf97", "●"),
    "heard": ("#6fcf97", "◒"),
    "unknown": ("#f2c66d", "?"),
    "banned": ("#ff8f8f", "✕"),
    # How an alert stands.
    "pending": ("#9db0c6", "…"),
    "open": ("#ff8f8f", "●"),
    "acknowledged": ("#f2c66d", "◐"),
    "dispatched": ("#7fd3e0", "➤"),
    "unanswered": ("#ff8f8f", "✆"),
    "resolved": ("#6fcf97", "✓"),
    "suppressed": ("#9db0c6", "∥"),
    "closed": ("#9db0c6", "■"),
    "archived": ("#9db0c6", "□"),
    "withdrawn": ("#9db0c6", "–"),
}
# Lines of domains avoid the four risk colours and differ in dash as well.
DOMAIN_LINE: Mapping[str, tuple[str, str]] = {
    "all": ("#f2f6fa", "solid"),
    "lifeline": ("#53d0c1", "solid"),
    "public_safety": ("#b69cf5", "dashed"),
    "work_safety": ("#ec8fc0", "dotted"),
    "natural_hazard": ("#a8d672", "dashed"),
}
FONT = "'Noto Sans CJK SC','Source Han Sans SC','PingFang SC','Microsoft YaHei','WenQuanYi Micro Hei',sans-serif"

STYLE = f"""<style>
.stMainBlockContainer {{ padding: 3.4rem 1.4rem 2rem; max-width: 1680px; }}
[data-testid="stVerticalBlock"] {{ gap: .7rem; }}
.cr {{ color: {INK}; font-variant-numeric: tabular-nums; }}
.cr h1 {{ font-size: 1.45rem; font-weight: 650; margin: 0; padding: 0; letter-spacing: .01em; }}
.cr h2 {{ font-size: 1rem; font-weight: 650; margin: .3rem 0 .1rem; padding: 0; }}
.cr h2 small {{ color: {MUTED}; font-weight: 400; font-size: .8rem; margin-left: .5rem; }}
.cr .meta {{ color: {MUTED}; font-size: .82rem; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem;
  margin-top: .15rem; }}
.cr .fig {{ display: inline-block; width: .78em; height: .78em; margin-right: .4em; background: currentColor; }}
.cr .fig.red {{ clip-path: polygon(50% 0, 100% 100%, 0 100%); }}
.cr .fig.orange {{ clip-path: polygon(50% 0, 100% 50%, 50% 100%, 0 50%); width: .9em; height: .9em; }}
.cr .fig.blue {{ border-radius: 50%; }}
.cr .fig.none {{ border-radius: 50%; background: none; border: .14em solid currentColor; }}
.cr .banner {{ border: 1px solid; border-left-width: 5px; border-radius: 4px; padding: .5rem .8rem; font-size: .9rem; }}
.cr .banner.bad {{ border-color: #ff8f8f; background: #2b1a20; }}
.cr .banner.warn {{ border-color: #f2c66d; background: #272216; }}
.cr .cards {{ display: grid; grid-template-columns: 1.5fr repeat(4, 1fr); gap: .7rem; }}
.cr .tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(6.5rem, 1fr)); gap: .6rem; }}
.cr .card, .cr .tile {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: 5px; padding: .65rem .85rem; }}
.cr .card {{ border-top: 4px solid var(--risk); }}
.cr .card .head {{ display: flex; justify-content: space-between; font-size: .88rem; color: {MUTED}; gap: .5rem; }}
.cr .card .value {{ font-size: 2.1rem; font-weight: 680; line-height: 1.15; color: var(--risk); }}
.cr .card.lead .value {{ font-size: 3.1rem; }}
.cr .card .grade {{ font-size: .88rem; color: var(--risk); font-weight: 600; }}
.cr .card .moves {{ font-size: .8rem; color: {MUTED}; display: flex; flex-wrap: wrap; gap: 0 .9rem;
  margin-top: .25rem; }}
.cr .card .moves b {{ color: {INK}; font-weight: 600; }}
.cr .badge {{ border: 1px solid {LINE}; border-radius: 3px; padding: 0 .4em; white-space: nowrap; color: {INK}; }}
.cr .badge.low {{ border-color: #f2c66d; color: #f2c66d; }}
.cr .tile .n {{ font-size: 1.6rem; font-weight: 650; line-height: 1.2; }}
.cr .tile .label {{ color: {MUTED}; font-size: .8rem; }}
.cr .scroll {{ overflow-x: auto; border: 1px solid {LINE}; border-radius: 5px; background: {PANEL}; }}
.cr table {{ border-collapse: collapse; width: 100%; font-size: .86rem; }}
.cr th {{ text-align: left; color: {MUTED}; font-weight: 500; padding: .4rem .65rem; border-bottom: 1px solid {LINE};
  white-space: nowrap; background: #1a2636; }}
.cr td {{ padding: .34rem .65rem; border-bottom: 1px solid #1f2c3d; vertical-align: top; }}
.cr tr:last-child td {{ border-bottom: 0; }}
.cr td.n, .cr th.n {{ text-align: right; white-space: nowrap; }}
.cr td.keep {{ white-space: nowrap; }}
.cr .scroll td.wide {{ min-width: 13rem; }} .cr .scroll td.some {{ min-width: 7.5rem; }}
.cr td small {{ color: {MUTED}; display: block; }}
.cr .bar {{ height: .5rem; border-radius: 1px; background: currentColor; min-width: 2px; }}
.cr .track {{ width: 100%; min-width: 3rem; background: #22303f; border-radius: 1px; }}
.cr .metered {{ display: flex; align-items: center; gap: .6rem; min-width: 7rem; }}
.cr .metered span {{ white-space: nowrap; min-width: 2.6rem; text-align: right; }}
.cr .facts {{ display: grid; grid-template-columns: auto 1fr; gap: .25rem .9rem; font-size: .88rem; background: {PANEL};
  border: 1px solid {LINE}; border-radius: 5px; padding: .7rem .9rem; }}
.cr .facts dt {{ color: {MUTED}; white-space: nowrap; }} .cr .facts dd {{ margin: 0; overflow-wrap: anywhere; }}
.cr .facts dd small, .cr .history small {{ color: {MUTED}; display: block; }}
.cr .stack {{ display: grid; gap: .6rem; }}
.cr .quiet, .cr.quiet {{ color: {MUTED}; font-size: .84rem; }}
.cr .legend {{ display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .82rem; color: {MUTED}; }}
.cr details {{ margin-top: .4rem; font-size: .88rem; }} .cr summary {{ cursor: pointer; margin-bottom: .3rem; }}
.cr .marks {{ display: flex; flex-wrap: wrap; gap: .2rem .35rem; margin-top: .15rem; }}
.cr .badge.exercise {{ border-style: dashed; border-color: #7fd3e0; color: #7fd3e0; font-weight: 600; }}
.cr .badge.flag {{ border-color: #b69cf5; color: #cbb8fa; }}
.cr .badge, .cr .marks {{ font-size: .76rem; }}
.cr .clock {{ white-space: nowrap; }}
.cr .clock.overdue {{ color: #ff8f8f; font-weight: 650; }}
.cr.alert-facts {{ scroll-margin-top: 4rem; }}
.cr .board tbody tr {{ cursor: pointer; border-left: 4px solid var(--risk); }}
.cr .board tbody tr:hover {{ background: #1c2939; }}
.cr .board tbody tr.chosen {{ background: #22344a; outline: 1px solid #4fb3c8; outline-offset: -1px; }}
.cr .board td {{ overflow-wrap: anywhere; }} .cr .board td.keep {{ overflow-wrap: normal; }}
.cr .board .scroll {{ overflow-x: visible; }}
.cr .board button.pick, .cr .live-client button {{ background: none; border: 0; padding: 0; color: {INK}; font: inherit;
  font-weight: 600; text-align: left; cursor: pointer; overflow-wrap: anywhere; }}
.cr .board button.pick:focus-visible {{ outline: 2px solid #4fb3c8; }}
.cr .live-client {{ display: grid; gap: .35rem; }}
.cr .live-client button {{ justify-self: start; border: 1px solid {LINE}; border-radius: 4px; padding: .2rem .6rem;
  font-weight: 400; font-size: .84rem; background: {PANEL}; }}
.cr.strip {{ margin-top: .7rem; border: 1px solid {LINE}; border-radius: 5px; background: {PANEL}; font-size: .88rem; }}
.cr.strip .state {{ display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; padding: .3rem .8rem; color: {MUTED}; }}
.cr.strip .state a {{ margin-left: auto; }} .cr.strip b.bad, .cr.strip b.overdue {{ color: #ff8f8f; }}
.cr.strip a.one {{ display: flex; flex-wrap: wrap; gap: .1rem .7rem; padding: .28rem .8rem; color: {INK};
  border-top: 1px solid {LINE}; text-decoration: none; overflow-wrap: anywhere; }}
.cr.strip a.one:hover {{ background: #1c2939; }} .cr.strip a.one:focus-visible {{ outline: 2px solid #4fb3c8; }}
.cr.strip a.one small {{ margin-left: auto; color: {MUTED}; }}
.cr .said {{ border: 1px solid {LINE}; border-left: 4px solid #6fcf97; border-radius: 4px; padding: .4rem .7rem;
  font-size: .88rem; }}
.cr .said.no {{ border-left-color: #ff8f8f; }}
.cr .history {{ list-style: none; margin: 0; padding: 0; font-size: .85rem; }}
.cr .history li {{ border-left: 2px solid {LINE}; padding: .1rem 0 .45rem .75rem; margin-left: .3rem; }}
.cr .history .when {{ color: {MUTED}; }} .cr .history q {{ display: block; color: {INK}; quotes: "“" "”"; }}
.cr td a {{ color: {INK}; text-decoration: underline; text-decoration-color: #4fb3c8; text-underline-offset: 3px; }}
.cr code {{ background: #22303f; padding: .1em .4em; border-radius: 3px; }}
@media (max-width: 1100px) {{ .cr .cards {{ grid-template-columns: repeat(2, 1fr); }}
  .cr .card.lead {{ grid-column: 1 / -1; }} .cr .tiles {{ grid-template-columns: repeat(4, 1fr); }} }}
@media (max-width: 640px) {{ .stMainBlockContainer {{ padding: 3.4rem .7rem 2rem; }}
  .cr .tiles {{ grid-template-columns: repeat(2, 1fr); }} .cr .card .value {{ font-size: 1.7rem; }}
  .cr .card, .cr .tile {{ padding: .5rem .6rem; }} .cr td, .cr th {{ padding: .3rem .45rem; }}
  .cr .board thead {{ display: none; }}
  .cr .board tbody tr {{ display: grid; grid-template-columns: 1fr 1fr; padding: .35rem 0;
    border-bottom: 1px solid {LINE}; }}
  .cr .board td {{ border: 0; padding: .12rem .6rem; }}
  .cr .board .scroll td.wide {{ grid-column: 1 / -1; min-width: 0; }}
  .cr .board td.n {{ text-align: left; }}
  [data-testid="stColumn"]:has(.st-key-alert_chosen_box) {{ order: -1; }} }}
.st-key-login_box button p {{ white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
.cr .door {{ display: block; width: 100%; box-sizing: border-box; padding: .45rem .75rem; text-align: center;
  font: inherit; color: {INK}; background: {PANEL}; border: 1px solid {LINE}; border-radius: 4px; cursor: pointer;
  text-decoration: none; }}
.cr .door:hover, .cr .door:focus-visible {{ border-color: #4fb3c8; color: #7fd3e0; }}
@media print {{ html, body, .stApp, [data-testid="stMain"], [data-testid="stAppViewContainer"] {{
    background: #fff !important; height: auto !important; overflow: visible !important; position: static !important; }}
  [data-testid="stHeader"], [data-testid="stToolbar"], .st-key-login_box, .st-key-switch_language, .live-client
    {{ display: none !important; }}
  .cr, .cr *:not(.fig):not(.bar):not(.value):not(.grade) {{ color: #111 !important; }}
  .cr .card, .cr .tile, .cr .scroll, .cr .facts, .cr.strip, .cr .banner, .cr th {{ background: #fff !important; }}
  .cr .scroll {{ overflow: visible; }} .cr table, .cr .card, .cr .facts {{ break-inside: avoid; }}
  .fig, .bar {{ print-color-adjust: exact; }} canvas {{ max-width: 100% !important; height: auto !important; }} }}
</style>"""
# The page on which people log in stands alone, without Streamlit's own styles.
LOGIN_STYLE = f"""<style>
body {{ background: {BACKGROUND}; font-family: {FONT}; }}
main.cr {{ display: grid; gap: 1rem; max-width: 22rem; margin: 14vh auto; padding: 0 1rem; }}
main form {{ display: grid; gap: .8rem; }} main label {{ color: {MUTED}; font-size: .9rem; }}
main input, main button {{ display: block; width: 100%; box-sizing: border-box; margin-top: .25rem;
  padding: .55rem .7rem; font: inherit; color: {INK}; background: {PANEL}; border: 1px solid {LINE};
  border-radius: 5px; }}
main button {{ cursor: pointer; border-color: #4fb3c8; }} main a {{ color: {MUTED}; font-size: .85rem; }}
</style>"""


def label(text: str) -> str:
    """A text of the data as it is in a label, where Streamlit reads Markdown."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", _one_line(text))


def code(text: str) -> str:
    """An identifier of the data as it is where Streamlit reads Markdown and also makes links of what looks like one."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {_one_line(text)} {fence}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def figure(colour: str | None) -> str:
    """The shape of a risk colour, drawn in the colour of its text."""
    shape = colour or "none"
    return f'<span class="fig {shape}" aria-hidden="true"></span>'


def risk_mark(colour: str | None, text: str) -> str:
    """Shape and word of a risk colour."""
    return f'<span style="color:{RISK[colour]};white-space:nowrap">{figure(colour)}{escape(text)}</span>'


def state_mark(state: str, text: str) -> str:
    """Sign and word of a freshness or a verdict."""
    colour, sign = STATE[state]
    return f'<span style="color:{colour};white-space:nowrap">{sign} {escape(text)}</span>'


def banner(kind: str, text: str) -> str:
    """A message over the full width; `kind` is bad or warn."""
    return f'<div class="banner {kind}" role="alert">{escape(text)}</div>'


def table(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> str:
    """A table of ready-made cells under (title, class) heads; class `n` is for numbers, `keep` for no line break."""
    top = "".join(f'<th scope="col" class="{kind}">{escape(title)}</th>' for title, kind in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{cell}</td>' for (_, kind), cell in zip(heads, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def board(heads: Sequence[tuple[str, str]], rows: Sequence[tuple[str, str, bool, Sequence[str]]]) -> str:
    """A table whose rows can be chosen: (what a click picks, risk colour, whether it is chosen, ready-made cells)."""
    top = "".join(f'<th scope="col" class="{kind}">{escape(title)}</th>' for title, kind in heads)
    body = "".join(
        f'<tr data-pick="{escape(pick)}" class="{"chosen" if is_chosen else ""}" style="--risk:{RISK[colour]}">'
        + "".join(f'<td class="{kind}">{cell}</td>' for (_, kind), cell in zip(heads, cells, strict=True))
        + "</tr>"
        for pick, colour, is_chosen, cells in rows
    )
    return (
        f'<div class="board"><div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
        "</div></div>"
    )


def badge(kind: str, text: str) -> str:
    """A small mark; `kind` is low (doubt), exercise, flag or nothing."""
    return f'<span class="badge {kind}">{escape(text)}</span>'


def tiles(pairs: Sequence[tuple[str, str]]) -> str:
    """Figures over their labels; both ready-made."""
    inside = "".join(
        f'<div class="tile"><div class="n">{value}</div><div class="label">{label}</div></div>'
        for value, label in pairs
    )
    return f'<div class="tiles">{inside}</div>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of names and ready-made values."""
    inside = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in pairs)
    return f'<dl class="facts">{inside}</dl>'


def metered(text: str, share: float, colour: str) -> str:
    """A number beside its bar."""
    return f'<div class="metered">{bar(share, colour)}<span>{text}</span></div>'


def bar(share: float, colour: str) -> str:
    """A bar of 0 to 1 on its track."""
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<div class="track"><div class="bar" style="width:{width:.1f}%;color:{colour}"></div></div>'
