"""The tables of `zoo bench`: models that share a ground, the best first; no wider than 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from zoo.cli.output import print_table, say
from zoo.io.text import number, with_error

if TYPE_CHECKING:
    from zoo.bench.entries import Entry
    from zoo.bench.ranks import Placed, Standing

LEFT_OUT = ("bits_per_dim",)
"""What the tables of a terminal have no room for: neg_elbo in another unit."""
HEADS = {"reconstruction": "recon-\nstruction", "active_units": "active_\nunits"}


def print_results(results: list[Entry]) -> None:
    """What was not measured and why, the tables, and the numbers beside those that were published."""
    from zoo.bench.ranks import RULE, standings

    absent = ((one.model, one.missing or one.error) for one in results if not one.measured)
    for model, why in dict.fromkeys(absent):
        say(f"{model}: not measured. {why}")
    measured = [one for one in results if one.measured]
    if not measured:
        return
    tables = standings(measured)
    for standing in tables:
        _print_standing(standing)
    _print_own(measured)
    _print_published(measured)
    say("Nats per example; ± is one standard error.")
    if any(standing.is_ranked for standing in tables):
        say(textwrap.fill(RULE, 80))


def _print_standing(standing: Standing) -> None:
    names = [name for name in standing.names if name not in LEFT_OUT]
    ranked = standing.is_ranked
    cells = [
        (
            *((str(row.rank or "-"),) if ranked else ()),
            row.entry.model,
            *(_cell(standing, row, name) for name in names),
        )
        for row in standing.rows
    ]
    heads = (HEADS.get(name, name) for name in names)
    say(f"{standing.ground}")
    print_table((*(("rank",) if ranked else ()), "model", *heads), cells)
    if standing.nll_note:
        say(f"{standing.nll_note}\n")


def _cell(standing: Standing, row: Placed, name: str) -> str:
    value, error = row.measured.value_of(name), row.measured.error_of(name)
    if value is None:
        return ""
    text = with_error(value, error) if name == standing.main else number(value, error)
    if name == "nll" and len(standing.nll_examples) > 1:
        text += f" ({row.measured.nll_n_examples:,})"
    return text


def _print_own(measured: list[Entry]) -> None:
    """The numbers that families add, as measured now and, in brackets, as published."""
    for family in dict.fromkeys(one.family for one in measured):
        rows = list({one.model: one for one in measured if one.family == family}.values())
        own = list(dict.fromkeys(n for one in rows if one.measured for n in one.measured.own))
        if own:
            cells = [(one.model, *(_now_and_then(one, name) for name in own)) for one in rows]
            say(f"Numbers of family {family}'s own, in brackets as they were published")
            print_table(("model", *own), cells)


def _now_and_then(one: Entry, name: str) -> str:
    now, then = (side.value_of(name) if side else None for side in (one.measured, one.published))
    return f"{number(now)} ({number(then)})"


def _print_published(measured: list[Entry]) -> None:
    """Each model's first number beside the published one, and whether all others agree."""
    from zoo.evaluation.agreement import differences, without_bound
    from zoo.specs.metrics import METRICS

    lines, apart = [], []
    for one in measured:
        now, then = one.measured, one.published
        if now is None or then is None:
            continue
        said = (one.model, now.protocol)
        main = next((n for n in METRICS if now.value_of(n) is not None and n != "nll"), None)
        if main is None:
            continue
        shown = (number(side.value_of(main), side.error_of(main)) for side in (now, then))
        if now.n_examples != then.n_examples:
            lines.append((*said, main, *shown, "-"))
            continue
        same_bound = (now.nll_samples, now.nll_n_examples) == (
            then.nll_samples,
            then.nll_n_examples,
        )
        pair = (now, then) if same_bound else (without_bound(now), without_bound(then))
        found = differences(*pair)
        apart += [f"{one.model}, {now.protocol}: {text}" for text in found]
        lines.append((*said, main, *shown, "differ" if found else "agree"))
    if not lines:
        return
    heads = ("model", "protocol", "number", "now", "published", "all")
    say("Beside the published numbers")
    print_table(heads, lines)
    for text in apart:
        say(text)
    if any(line[-1] == "-" for line in lines):
        say("Published numbers of other examples than these (-) do not compare.")
