"""The page: complete by itself, harmless whatever a run is called, and the same in a browser."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from written_runs import write_run

import imitax
from imitax import cli
from imitax.errors import CheckpointError, ConfigError
from imitax.report import write

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}"
TRAIN = [
    {
        "kind": "train",
        "step": 100 * i,
        "accuracy": 0.99,
        "saturation": 0.9,
        "q": 2.0 * i,
        "q_max": 3.0 * i,
        EVIL: 1.0 * i,
    }
    for i in range(1, 6)
]


class Page(HTMLParser):
    """Tags with their attributes, text outside of scripts and styles, and whether elements close."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text, self.code = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.code if self.open and self.open[-1] in ("script", "style") else self.text).append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    values = {i: [10.0, 80.0, 90.0 + i] for i in range(4)}
    good = write_run(root / "good", values, algorithm="ibc")
    odd = write_run(root / "odd", {i: [1.0, 2.0, 3.0 + i] for i in range(4)}, algorithm=EVIL, lines=TRAIN, preset=EVIL)
    (good / "video.gif").write_bytes(b"GIF89a" + bytes(60))
    return good, odd


@pytest.fixture(scope="module")
def html(runs, tmp_path_factory):
    return write(list(runs), tmp_path_factory.mktemp("page") / "new" / "report.html").read_text()


def test_the_page_is_whole(html):
    page = Page(html)
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert ids == ["curves", "scores", "comparison", "diagnosis", "training", "data", "video", "settings"]
    assert {attrs["href"][1:] for attrs in page.all("a")} == set(ids)
    text = " ".join("".join(page.text).split())
    for part in (
        "ibc (preset default) was trained on Toy-v0 from 2 of 9 episodes of toy",
        "The run has not finished.",
        "ibc wins: it is better than the other one by the rule.",
        "Problems: progress, discriminator.",
        "The discriminator is saturated",
        "The data were not examined: they were objects in memory.",
    ):
        assert part in text
    charts = page.all("svg")
    assert len(charts) >= 2 + 2 + 3  # two sizes of curves and scores, and training metrics
    assert all(attrs["aria-label"] and attrs["viewbox"] for attrs in charts)
    assert len([t for t in page.all("table") if t.get("class") == "sortable"]) == 5
    values = [float(attrs["data-value"]) for attrs in page.all("td") if "data-value" in attrs]
    assert 93.0 in values


def test_nothing_is_asked_of_any_network(html):
    page = Page(html)
    for _, attrs in page.tags:
        for name in ("src", "href", "action", "srcset", "poster", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(", "".join(page.code) + "".join(v for m in page.all("meta") for v in m.values())
    )
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


def test_names_of_runs_stay_text(html):
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert EVIL in "".join(page.text)
    assert [attrs["src"][:15] for attrs in page.all("img")] == ["data:image/gif;"]


def test_the_same_runs_have_the_same_page(runs, html, tmp_path):
    assert write(list(runs), tmp_path / "again.html").read_text() == html


def test_one_run_has_no_comparison(runs, tmp_path, capsys):
    assert cli.dispatch(["report", str(runs[0]), "--out", str(tmp_path / "one.html"), "--no-data"]) == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'one.html'}\n"
    ids = [attrs["id"] for _, attrs in Page((tmp_path / "one.html").read_text()).tags if "id" in attrs]
    assert ids == ["curves", "scores", "diagnosis", "training", "video", "settings"]


def test_runs_that_have_no_common_scale_are_shown_side_by_side(tmp_path):
    a = write_run(tmp_path / "a", {0: [1.0]}, env="X-v0")
    b = write_run(tmp_path / "b", {0: [0.2]}, env=None)
    text = "".join(Page(write([a, b], tmp_path / "r.html").read_text()).text)
    assert "There is none: runs with an environment have returns" in text


def test_refused(runs, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="is not a run"):
        write([tmp_path], tmp_path / "r.html")
    with pytest.raises(ConfigError, match=r"ends in \.html"):
        cli.dispatch(["report", str(runs[0]), "--out", str(tmp_path / "r.pdf")])
    damaged = write_run(tmp_path / "d", {0: [1.0]}, data="nothing", expert_return=[1])
    with pytest.raises(CheckpointError, match="damaged"):
        write([damaged], tmp_path / "r.html")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ConfigError, match=r"needs Jinja2: pip install 'imitax\[report\]'"):
        write([runs[0]], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


PROBE = """
<script>
const said = [];
const table = document.querySelector("#scores table");
const column = [...table.tHead.rows[0].cells].findIndex(c => c.textContent === "return");
const values = () => [...table.tBodies[0].rows].map(r => Number(r.cells[column].dataset.value));
const button = table.tHead.rows[0].cells[column].querySelector("button");
button.click(); const up = values();
button.click(); const down = values();
said.push(up.every((v, i) => !i || up[i - 1] <= v) && down.every((v, i) => !i || down[i - 1] >= v));
const shown = [...document.querySelectorAll("svg")].filter(s => getComputedStyle(s).display !== "none");
said.push(shown.every(s => s.getBoundingClientRect().width > 100 && s.getBoundingClientRect().height > 30));
said.push(document.documentElement.scrollWidth <= window.innerWidth);
said.push(shown.filter(s => s.classList.contains(window.innerWidth > 700 ? "wide" : "narrow")).length);
said.push(getComputedStyle(document.body).backgroundColor);
document.title = "probe " + JSON.stringify(said);
</script></body>"""


def chromium(page, folder, width, *more):
    call = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--dump-dom"]
    call += [f"--window-size={width},900", "--enable-logging=stderr", *more, page.as_uri()]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium")
@pytest.mark.parametrize("width", [360, 1440])
def test_in_a_browser(html, tmp_path, width):
    page = tmp_path / "page.html"
    page.write_text(html)
    done = chromium(page, tmp_path / "profile", width)
    assert "CONSOLE" not in done.stderr  # neither an error of the script nor anything that the page's policy refused
    assert len(re.findall("<button", done.stdout)) > 10  # the script ran under that policy
    page.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", html).replace("</body>", PROBE))
    backgrounds = set()
    for scheme in (0, 1):  # dark, light
        probed = chromium(page, tmp_path / "profile", width, f"--blink-settings=preferredColorScheme={scheme}").stdout
        sorts, visible, fits, charts, background = re.search(r"probe \[(.*?)\]</title>", probed)[1].split(",", 4)
        assert (sorts, visible, fits, int(charts)) == ("true", "true", "true", 2)
        backgrounds.add(background)
    assert len(backgrounds) == 2


def test_the_public_name():
    assert imitax.report.write is write
