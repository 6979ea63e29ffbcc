"""The lint finds each kind of mistake, and the shipped book has none."""

from __future__ import annotations

import pytest
from ha_installer import catalogue
from ha_installer.lint import ActionSpec, installed_actions, lint

ACTIONS = {
    "ha.open": ActionSpec(frozenset(), frozenset({"host"}), 80),
    "ha.step": ActionSpec(frozenset({"batch"}), frozenset(), 100),
    "ha.other_step": ActionSpec(frozenset({"batch", "x"}), frozenset(), 100),
    "ha.endless": ActionSpec(frozenset()),
}

GOOD = """
version: '2.0'
name: b
workflows:
  main:
    input: [host: null, delay: 10]
    output: {next: <% $.get(next) %>}
    tasks:
      open:
        action: ha.open
        input: {host: <% $.host %>}
        timeout: 300
        retry: {count: 2, delay: <% $.delay %>}
        publish: {next: <% task().result.next %>}
        on-success:
          - batches: <% $.next = go %>
        on-error:
          - fail(msg="could not open <% $.host %>")
      batches:
        with-items: batch in <% $.next %>
        concurrency: 2
        workflow: one
        input: {batch: <% $.batch %>, delay: <% $.delay %>}
        on-error: [noop]
  one:
    input: [batch, delay]
    tasks:
      take:
        action: <% $.batch.action %>
        input: {batch: <% $.batch.id %>}
        timeout: 360
        retry: {count: 2, delay: <% $.delay %>}
"""


def _lint(text: str) -> list[str]:
    return lint(text, ACTIONS, ["ha.step"])


def test_good_book_has_no_mistake() -> None:
    assert _lint(GOOD) == []


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("action: ha.open", "action: ha.opne", "no action `ha.opne`"),
        ("{host: <% $.host %>}", "{hots: 1}", "`ha.open` has no input `hots`"),
        (
            "input: {batch: <% $.batch.id %>}\n",
            "\n",
            "one/take: `ha.step` needs the input `batch`",
        ),
        ("workflow: one", "workflow: two", "no workflow `two`"),
        (
            ", delay: <% $.delay %>}\n        on-error: [noop]",
            "}\n        on-error: [noop]",
            "main/batches: `one` needs the input `delay`",
        ),
        (
            "{batch: <% $.batch %>,",
            "{batch: 1, extra: 2,",
            "`one` has no input `extra`",
        ),
        ("<% $.get(next) %>", "<% $.get(next %>", "not a YAQL expression"),
        ("<% $.next = go %>", "<% nope($.next) %>", "the function `nope`"),
        ("<% $.next = go %>", "<% $.nxet = go %>", "reads `nxet`"),
        ("<% $.next = go %>", "<% $.batch = go %>", "reads `batch`"),
        ("<% $.get(next) %>", "<% $.get(nxet) %>", "reads `nxet`"),
        ("open <% $.host %>", "open <% $.hots %>", "reads `hots`"),
        ("<% $.get(next) %>", '"{{ _.next }}"', "Jinja"),
        ("        timeout: 300\n", "", "main/open: it has no timeout"),
        (
            "        retry: {count: 2, delay: <% $.delay %>}\n        publish",
            "        publish",
            "main/open: it has no retry",
        ),
        ("timeout: 300", "timeout: 299", "less than 300 s"),
        ("timeout: 360", "timeout: 359", "less than 360 s"),
        (
            "concurrency: 2",
            "retry: {count: 1, delay: 1}",
            "retry on a with-items task",
        ),
        (
            "    tasks:\n      take:",
            "    task-defaults: {retry: {count: 1}}\n    tasks:\n      take:",
            "task-defaults",
        ),
        ("action: ha.open", "action: ha.endless", "DEADLINE_S"),
        (
            "delay: <% $.delay %>}\n        pub",
            "delay: x}\n        pub",
            "delay must",
        ),
        ("concurrency: 2", "pause-before: true", "`pause-before`"),
        ("on-error: [noop]", "on-error: [nope]", "leads to `nope`"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence(
    right: str, wrong: str, says: str
) -> None:
    assert right in GOOD
    found = _lint(GOOD.replace(right, wrong))
    assert any(says in sentence for sentence in found), found
    assert all(s.endswith(".") and "\n" not in s for s in found)


def test_dynamic_action_must_fit_every_step() -> None:
    found = lint(GOOD, ACTIONS, ["ha.step", "ha.other_step"])
    assert found == ["one/take: `ha.other_step` needs the input `x`."]


@pytest.mark.parametrize("text", ["[", "[]", "name: x", "workflows: 1"])
def test_no_workbook(text: str) -> None:
    assert len(lint(text, ACTIONS, [])) == 1


def test_shipped_books_are_good() -> None:
    installed = installed_actions()
    if not installed:
        pytest.skip("the pack is not installed: no entry points")
    for book in catalogue.books():
        assert lint(book.text, installed) == []


def test_catalogue_knows_the_book() -> None:
    book = catalogue.main_book()
    assert "ha.v1.handle_host_failure" in book.workflows
    assert book.digest == catalogue.digest(book.text.replace("\n", "\r\n"))
