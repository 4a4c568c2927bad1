"""What stands over the view for a moment: a question, and the page of keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = """\
1 Overview   2 Jobs   3 Runs   4 Services   5 Events

↑ ↓  j k      choose              /      find, Esc: all
PgUp PgDn     by a page           f      which of them
Home End      first, last         o      in which order
Enter         open                Esc    back
l             its whole log, live

On a job      r run   p pause or resume   c cancel
On a run      r run the job again         c cancel
On a service  s start   x stop   r restart   z reset
Each asks before it does anything.

In a log      f follow   w fold long lines   t times
              / find   ← → sideways

? these keys   q quit; what runs goes on"""


class Ask(ModalScreen[bool]):
    """A question; y or Enter is yes, n or Escape is no."""

    DEFAULT_CSS = """
    Ask { align: center middle; background: transparent; }
    Ask > Vertical {
        width: auto; max-width: 90%; height: auto; padding: 0 1;
        border: round ansi_yellow; background: ansi_default;
    }
    Ask Static { width: auto; max-width: 100%; }
    Ask .question { text-style: bold; }
    """
    BINDINGS = [
        ("y,enter", "answer(True)", "Yes"),
        ("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, question: str, text: str, yes: str) -> None:
        super().__init__()
        self._question, self._text, self._yes = question, text, yes

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False, classes="question")
            if self._text:
                yield Static(self._text, markup=False)
            yield Static(f"\ny  {self._yes}     n  leave it", markup=False)

    def action_answer(self, is_yes: bool) -> None:
        self.dismiss(is_yes)


class Keys(ModalScreen[None]):
    """All keys; any of them ends it."""

    DEFAULT_CSS = """
    Keys { align: center middle; background: transparent; }
    Keys > VerticalScroll {
        width: 60; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        border: round ansi_cyan; background: ansi_default;
    }
    """
    BINDINGS = [("escape,q,question_mark,enter", "dismiss", "Close")]

    def __init__(self, *, text: str = KEYS) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Keys"
            yield Static(self._text, markup=False)
