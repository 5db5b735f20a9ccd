"""A conduit opens no file and imports nothing once it is locked: all that the catalogue will ask of it is read before."""

import subprocess
import sys

SCRIPT = """
import sys
from blubees.connectors import catalogue, twins
from blubees.main.conduit import read_ahead
from blubees.steps.book import load_book

read_ahead()
opened = []
sys.addaudithook(lambda event, given: event in {"open", "import"} and opened.append(str(given[0])))
hooks = 0
for name in catalogue.list_catalogue():
    hooks += len(catalogue.list_hooks(name))
    if catalogue.load_twin(name) is not None:
        for action, facts in catalogue.load_connector(name).actions.items():
            if not facts.request.hook and (facts.pages is None or not facts.pages.hook):
                twins._compile(name, action)
load_book()
print(hooks, opened)
"""


def test_what_twins_and_their_files_are_for_needs_no_file_after_the_lock() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120)
    hooks, opened = done.stdout.split(maxsplit=1)
    assert int(hooks) > 4
    assert opened.strip() == "[]"
