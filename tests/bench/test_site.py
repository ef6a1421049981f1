"""The last steps of `make docs`: formulas are found, links are followed. Typesetting itself needs the extra `docs`."""

import importlib
import sys
import types

import pytest


@pytest.fixture
def site(monkeypatch):
    """The module, with a converter that marks what it was given."""
    converter = types.ModuleType("latex2mathml.converter")
    converter.convert = lambda tex, display: f"<math display='{display}'><mi>{tex}</mi></math>"
    monkeypatch.setitem(sys.modules, "latex2mathml", types.ModuleType("latex2mathml"))
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", converter)
    monkeypatch.delitem(sys.modules, "bench.site", raising=False)
    yield importlib.import_module("bench.site")
    sys.modules.pop("bench.site", None)


def test_marked_formulas_are_converted(site):
    inline, display = '<span class="arithmatex">\\(a &lt; b\\)</span>', '<div class="arithmatex">\\[\nc\n\\]</div>'
    page = f"<p>{inline}</p>{display}<code>\\(d\\)</code>"
    assert site.typeset(page) == (
        "<p><math display='inline'><mi>a < b</mi></math></p>"
        "<div class=\"math\"><math display='block'><mi>c</mi></math></div><code>\\(d\\)</code>",
        2,
    )


def test_an_unknown_command_is_an_error(site):
    with pytest.raises(ValueError, match="nosuch is not understood"):
        site.mathml(r"\nosuch", display=False)


def test_links_and_pictures_that_do_not_exist_are_errors(site, tmp_path):
    (tmp_path / "here.html").touch()
    page = '<a href="here.html#x">a</a> <a href="https://example.org">b</a> <a href="#c">c</a> <img src="no.png?v=1">'
    formula = '<span class="arithmatex">\\(x\\)</span>'
    (tmp_path / "page.html").write_text(page + formula)
    assert site.missing(tmp_path, tmp_path / "page.html", page) == ["no.png"]
    with pytest.raises(SystemExit, match=r"page\.html: no\.png does not exist"):
        site.main(tmp_path)
    (tmp_path / "no.png").touch()
    with pytest.raises(SystemExit, match="no formula"):
        site.main(tmp_path)  # the first call has typeset it
    (tmp_path / "page.html").write_text(page + formula)
    site.main(tmp_path)
    assert "<math" in (tmp_path / "page.html").read_text()
