"""The page about plug-ins shows the example as it is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_shows_the_files_own_lines():
    page = (ROOT / "docs" / "write-your-own-algorithm.md").read_text()
    shown = re.search(r"<!-- include:begin.*?-->\n```py\n(.*?)```\n<!-- include:end -->", page, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() in (ROOT / "examples" / "plugin" / "imitax_td3_bc.py").read_text()
