"""The reports in a real browser, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.report.conftest import Reports
from tests.support.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
QUIET = {"Network.requestWillBeSent", "Page.javascriptDialogOpening", "Runtime.exceptionThrown", "Log.entryAdded"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def asked_for(browser: Browser, file: Path) -> list[str]:
    """What the page asked for beside itself, and whatever it had to complain of."""
    told = [event for event in browser.events if event["method"] in QUIET]
    return [
        str(event["params"])
        for event in told
        if event["params"].get("documentURL") != event["params"].get("request", {}).get("url")
    ]


@pytest.mark.parametrize("width", [1280, 420])
def test_it_is_shown_at_two_widths_and_asks_for_nothing(browser: Browser, reports: Reports, width: int) -> None:
    for file in reports.all:
        browser.open(file, width)
        assert asked_for(browser, file) == []
        # The page itself is never moved sideways: what is wide moves within its place.
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("document.scripts.length") == 0
        # The style counts: its digest is the one of the policy.
        assert browser.value("getComputedStyle(document.querySelector('.badge')).borderRadius") == "999px"
        outside = "[...document.querySelectorAll('main p, main li, main h3')].filter(e => e.checkVisibility() && !e.closest('.wide') && e.getBoundingClientRect().right > innerWidth + 1).length"
        assert browser.value(outside) == 0


def test_a_box_leads_to_its_columns_with_the_keyboard(browser: Browser, reports: Reports) -> None:
    browser.open(reports.status, 1280)
    opened = "[...document.querySelectorAll('details.object')].filter(e => e.open).length"
    assert browser.value(opened) == 0
    browser.value("document.querySelector('.brief svg a').focus()")
    browser.press("Enter", 13)
    assert browser.value("location.hash") == "#object-0"
    assert browser.value(opened) == 1
    assert browser.value("document.querySelector('details[open] td code').textContent") == "UInt64"
    hidden = "getComputedStyle(document.querySelector('.full')).display"
    assert browser.value(hidden) == "none"
    browser.value("document.querySelector('#with-columns').focus()")
    browser.press(" ", 32)
    assert browser.value(hidden) == "flex"


def test_letters_have_contrast_in_both_schemes(browser: Browser, reports: Reports) -> None:
    ratio = """(() => {
      const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
      const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c } return getComputedStyle(document.body).backgroundColor };
      const seen = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !(e instanceof SVGElement) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
      return Math.min(...seen.map(e => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x); return (a + .05) / (b + .05) }));
    })()"""
    least: list[float] = []
    for dark in (False, True):
        for file in (reports.plan, reports.history):
            browser.open(file, 1280, dark=dark)
            assert browser.value("matchMedia('(prefers-color-scheme: dark)').matches") is dark
            least.append(browser.value(ratio))
    assert min(least) >= 4.5  # WCAG AA


def test_a_long_name_leaves_room_for_what_stands_beside_it(browser: Browser, reports: Reports) -> None:
    browser.open(reports.plan, 1280)
    inside = "Math.max(...[...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth))"
    assert browser.value(inside) == 0
    least = "Math.min(...[...document.querySelectorAll('#summary tbody th + td')].map(e => e.clientWidth))"
    assert browser.value(least) >= 180


def test_what_is_folded_is_printed(browser: Browser, reports: Reports) -> None:
    """On paper nobody unfolds anything; the columns of every table are not what a plan is printed for. And paper is
    white."""
    shown = "[...document.querySelectorAll('main details:not(.object) pre')].map(e => e.checkVisibility())"
    columns = "[...document.querySelectorAll('.object table')].some(e => e.checkVisibility())"
    browser.open(reports.plan, 800, dark=True)
    statements = browser.value(shown)
    assert len(statements) >= 2
    assert not any(statements)
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.ask("Emulation.setEmulatedMedia", media="print", features=[dark])
    try:
        assert all(browser.value(shown))
        assert browser.value(columns) is False
        assert browser.value("getComputedStyle(document.querySelector('.object > summary'), '::after').content")
        assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.value("document.documentElement.scrollWidth") <= 800
    finally:
        browser.ask("Emulation.setEmulatedMedia", media="")
