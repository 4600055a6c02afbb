"""Reports in a browser, as people open them: on a desk and a phone, in light and dark, by mouse and by keyboard."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import bench, make_folders, make_model
from onnx import numpy_helper
from PIL import Image
from timed_runs import make_shown

from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report.html import render_report

pytest.importorskip("torch")  # the gradients of attacks
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None and "CI" not in os.environ:
    pytest.skip("no Chromium: run make browser", allow_module_level=True)
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

# Names of classes that want to be more than text. No name of a folder holds a slash.
NAMES = (
    '<script>alert("x")<',
    '"><img src=x onerror=alert(1)>',
    "red\x1b[31m\u202egnp.exe",
    "two\nlines $\\frac{$ {{7*7}}",
)
SUITES = ("quick", "pipeline", "attack")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Suite -> report of a run of it."""
    root = tmp_path_factory.mktemp("reports")
    data, calib = make_folders(root / "data", images=6), make_folders(root / "calib", images=4, seed=1)
    model = make_undecided(root / 'm<b>"&.onnx', data)
    for folder in (data, calib):
        for place, name in zip(sorted(folder.iterdir()), NAMES, strict=True):
            place.rename(folder / name)
    found = {}
    for suite in SUITES:
        words = ["--advisory", "--model", model, "--size", 16, "--data", data, "--calib", calib, "--suite", suite]
        limit = ["--limit", 4, "--queries", 5] if suite == "attack" else []
        done = bench([*words, *limit, "--out", root / suite])
        assert done.returncode == 0, done.stderr
        found[suite] = root / suite / "report.html"
    found["timed"] = root / "timed.html"
    shown = make_shown()
    found["timed"].write_text(render_report(shown.summary, shown), encoding="utf-8")
    return found


def make_undecided(path: Path, data: Path) -> Path:
    """A small classifier whose classes are equally likely on these images, so that corruptions and roundings matter."""
    make_model(path)
    model = onnx.load(path)
    found = [np.asarray(Image.open(file).convert("RGB").resize((16, 16))) for file in sorted(data.rglob("*.jpg"))]
    pixels = np.stack(found).transpose(0, 3, 1, 2).astype(np.float32) / 255
    (logits,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": pixels})
    weight, bias = (next(one for one in model.graph.initializer if one.name == name) for name in ("w3", "b3"))
    spread = logits.std(axis=0)
    centred = (numpy_helper.to_array(bias) - logits.mean(axis=0)) / spread
    scaled = numpy_helper.to_array(weight) / spread[:, None]
    bias.CopyFrom(numpy_helper.from_array(centred.astype(np.float32), "b3"))
    weight.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), "w3"))
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as played:
        started = played.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@dataclasses.dataclass
class Opened:
    """A page, what it asked for, and what it said."""

    page: Page
    asked: list[str] = dataclasses.field(default_factory=list)
    said: list[str] = dataclasses.field(default_factory=list)


@pytest.fixture
def look(browser: Browser) -> Iterator[Any]:
    contexts = []

    def opened(report: Path, **options: Any) -> Opened:
        context = browser.new_context(**{"viewport": DESK, **options})
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.on("console", lambda message: found.said.append(message.text))
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.on("dialog", lambda dialog: (found.said.append(dialog.message), dialog.dismiss()))
        found.page.goto(report.as_uri())
        return found

    yield opened
    for context in contexts:
        context.close()


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")


# Colours go with the scheme, the layout with the size: two of the four pairs see every rule of both.
@pytest.mark.parametrize(("size", "scheme"), [(DESK, "dark"), (PHONE, "light")], ids=["desk", "phone"])
@pytest.mark.parametrize("suite", [*SUITES, "timed"])
def test_a_page_is_quiet_alone_and_accessible(reports, look, suite, size, scheme):
    found = look(reports[suite], viewport=size, color_scheme=scheme)
    open_all(found.page)
    wide = found.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page scrolls sideways"
    # The rows of a table are alike; axe looks at the colours of each for long.
    found.page.evaluate(
        "document.querySelectorAll('tbody').forEach(one => [...one.rows].slice(10).forEach(row => row.remove()))"
    )
    found.page.evaluate(AXE)
    violations = found.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
    serious = {
        one["id"]: [node["html"][:200] for node in one["nodes"][:3]]
        for one in violations
        if one["impact"] in ("serious", "critical")
    }
    assert serious == {}
    assert found.said == []
    loaded = [url for url in found.asked if not url.startswith("data:image/")]
    assert loaded == [reports[suite].as_uri()], "the page alone, and pictures that lie in it"


@pytest.mark.parametrize("suite", [*SUITES, "timed"])
def test_no_column_is_empty_and_every_table_can_be_read_aloud(reports, look, suite):
    page = look(reports[suite]).page
    wrong = page.evaluate(
        """[...document.querySelectorAll('table')].filter(table => {
            const rows = [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent.trim()));
            const empty = rows[0].some((_, column) => column && rows.every(row => ['', '-'].includes(row[column])));
            const scoped = [...table.querySelectorAll('th')].every(head => head.scope);
            return empty || !scoped || !table.caption.textContent.trim();
        }).map(table => table.caption.textContent)"""
    )
    assert wrong == []
    assert page.locator("table").count() > 8
    drawings = page.locator("svg[role=img]")
    assert drawings.count() >= 2
    assert all(
        drawings.nth(place).evaluate(
            "one => one.querySelector('title').textContent && one.querySelector('desc').textContent"
        )
        for place in range(drawings.count())
    )


def test_contents_lead_to_every_section(reports, look):
    page = look(reports["quick"]).page
    titles = page.locator("main > section > h2").all_inner_texts()
    links = page.locator("nav a")
    assert links.all_inner_texts() == titles
    assert titles[0] == "Verdict"
    assert {"What was asked", "Accuracy", "Differences at a glance", "Corruptions", "What changed"} <= set(titles)
    assert {"Accuracy by class", "Precision by layer", "Latency", "Checks"} <= set(titles)
    for name in links.evaluate_all("links => links.map(link => link.hash.slice(1))"):
        assert page.locator(f"section[id='{name}']").count() == 1


def table_of(page: Page, caption: str):
    return page.locator("table", has=page.locator("caption", has_text=caption)).first


def column(table, index: int) -> list[str]:
    return table.evaluate(
        """(table, index) => [...table.tBodies[0].rows].filter(row => !row.hidden)
            .map(row => row.cells[index].textContent)""",
        index,
    )


def test_rows_are_sorted_by_mouse_and_by_keyboard(reports, look):
    page = look(reports["quick"]).page
    open_all(page)
    table = table_of(page, "Every condition and target")
    before = column(table, 2)
    shares = [float(text.split()[0]) for text in before]
    head = table.locator("thead th", has_text="top-1 [95 %]")
    head.locator("button").click()
    assert [float(text.split()[0]) for text in column(table, 2)] == sorted(shares)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert [float(text.split()[0]) for text in column(table, 2)] == sorted(shares, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    names = table.locator("thead th", has_text="condition")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert column(table, 0) == sorted(column(table, 0), key=str.casefold)
    assert names.get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None
    assert page.locator("[role=status]").last.inner_text() == "Sorted by condition, ascending"


def test_what_is_unknown_is_last_both_ways(reports, look):
    page = look(reports["quick"]).page
    open_all(page)
    table = table_of(page, "Every condition and target")
    button = table.locator("thead th", has_text="points [95 %]").locator("button")
    for _ in range(2):
        button.click()
        found = column(table, 3)
        assert found[-1] == "-" != found[0]


def test_rows_are_filtered_by_keyboard(reports, look):
    page = look(reports["quick"]).page
    page.locator("summary", has_text="Every condition and target").focus()
    page.keyboard.press("Enter")
    table = table_of(page, "Every condition and target")
    rows = len(column(table, 0))
    page.keyboard.press("Tab")
    page.keyboard.type("NOISE int8")
    left = list(zip(column(table, 0), column(table, 1), strict=True))
    noises = [f"corruption/{name}_noise@3" for name in ("gaussian", "shot", "impulse")]
    assert left == [(title_of(name), "onnxruntime/int8@cpu") for name in noises]
    box = page.locator(".filter", has=page.locator("input:focus"))
    assert box.locator("[role=status]").inner_text() == f"3 of {rows} rows"
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    assert len(column(table, 0)) == rows


def test_without_its_script_everything_is_there(reports, look):
    page, quiet = look(reports["quick"]).page, look(reports["quick"], java_script_enabled=False).page
    assert quiet.locator("tbody tr").count() == page.locator("tbody tr").count() > 40
    assert quiet.locator("button, input").count() == 0
    quiet.locator("summary", has_text="Every condition and target").click()
    assert quiet.locator("code", has_text="corruption/fog@3").first.is_visible()


def test_hostile_names_stay_text(reports, look):
    for suite in SUITES:
        found = look(reports[suite])
        page = found.page
        open_all(page)
        assert found.said == []
        assert page.locator("h1").inner_text() == 'm<b>"&'
        assert page.locator("script").count() == 1
        sources = page.locator("img").evaluate_all("images => images.map(image => image.getAttribute('src'))")
        assert all(source.startswith("data:image/") for source in sources)
        text = page.evaluate("document.body.textContent")
        assert "\u202e" not in text
        assert "\x1b" not in text
    text = look(reports["quick"]).page.evaluate("document.body.textContent")
    for shown in (NAMES[0], NAMES[1], r"red\x1b[31m\u202egnp.exe", "$\\frac{$ {{7*7}}"):
        assert shown in text


def test_every_text_of_a_summary_may_be_hostile(look, tmp_path):
    evil = "".join(NAMES) + "</script></style></title></svg>--><!--style-->' onclick='x"
    shown = make_shown(evil, name=evil, corruptions=(evil,))
    summary = shown.summary
    summary["reference"] = evil
    ids = {}
    for number, target in enumerate(summary["targets"]):
        ids[target["id"]] = evil if number == 0 else f"{number}{evil}"
        target["id"] = ids[target["id"]]
    summary["findings"] = [
        {
            "cause": evil,
            "target": evil,
            "says": evil,
            "remedy": evil,
            "command": evil,
            "likelihood": 1.0,
            "evidence": {},
        }
    ]
    report = tmp_path / "report.html"
    timing = {**shown.timing, "targets": {ids[name]: one for name, one in shown.timing["targets"].items()}}
    tracks = {key: {ids[name]: one for name, one in found.items()} for key, found in shown.tracks.items()}
    beside = dataclasses.replace(shown, timing=timing, tracks=tracks)
    report.write_text(render_report(summary, beside), encoding="utf-8")
    found = look(report)
    open_all(found.page)
    assert found.said == []
    assert found.page.locator("script").count() == found.page.locator("style").count() == 1
    assert found.page.locator("img").count() == 0
    assert found.page.locator("pre code").inner_text().startswith(NAMES[0])
    assert found.page.evaluate("getComputedStyle(document.querySelector('.verdict')).borderTopWidth") == "2px"


def test_the_policy_lets_no_other_script_and_no_request_in(reports, look):
    found = look(reports["quick"])
    found.page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.taken = 1';
            const image = document.createElement('img');
            image.src = 'https://example.org/x.png';
            document.body.append(script, image);
        }"""
    )
    found.page.wait_for_timeout(100)
    assert found.page.evaluate("window.taken") is None
    assert len([text for text in found.said if "Content Security Policy" in text]) == 2


def test_one_drawing_serves_light_and_dark(reports, look):
    colours = []
    for scheme in ("light", "dark"):
        page = look(reports["quick"], color_scheme=scheme).page
        colours.append(page.locator("svg[role=img] text").first.evaluate("text => getComputedStyle(text).fill"))
    assert colours[0] != colours[1]


def test_pictures_of_flips_are_there_again_when_the_run_is_read_again(reports, look):
    report = reports["quick"]
    flips = json.loads((report.parent / "flips.json").read_text())["pictures"]
    assert 0 < len(flips) <= 12
    page = look(report).page
    cards = page.locator(".card")
    assert cards.count() == len(flips)
    assert all(
        cards.nth(0).locator("img").evaluate_all("images => images.map(one => one.complete && one.naturalWidth > 0)")
    )
    before = report.read_bytes()
    report.unlink()
    done = bench(["report", report.parent])
    assert done.returncode in (0, 1), done.stderr
    assert report.read_bytes() == before
