"""Small workbooks that the real engine and the interpreter both play.

``case -> (workflows, inputs of main)``. Each tries one rule of Mistral's. All
are played at once, so time-outs are wide enough for a busy machine.
"""

from __future__ import annotations

from typing import Any

Case = tuple[str, dict[str, Any]]

CASES: dict[str, Case] = {
    "linear": (
        """
  main:
    input: [x, y: 2, z: null]
    output: {a: <% $.a %>, x: <% $.x %>, y: <% $.y %>, z: <% $.z %>}
    tasks:
      one:
        action: toy.do
        input: {name: one, answer: {v: <% $.x %>}}
        publish: {a: <% task().result.v %>, y: 5}
        on-success: [two]
      two:
        action: toy.do
        input: {name: "two <% $.a %> <% $.y %>"}
""",
        {"x": [1, {"k": None}]},
    ),
    "published_replaces_whole": (
        """
  main:
    tasks:
      one:
        action: std.noop
        publish: {d: {a: 1, b: 2}, keep: <% execution().id != null %>}
        on-success: [two]
      two:
        action: std.noop
        publish: {d: {a: 3}}
        on-success: [three]
      three: {action: std.noop, publish: {e: <% $.d %>}}
""",
        {},
    ),
    "no_output": (
        """
  main:
    input: [x]
    tasks:
      one: {action: std.noop, publish: {a: <% $.x %>}}
""",
        {"x": 1},
    ),
    "empty_everything": ("\n  main: {tasks: {one: {action: std.noop}}}\n", {}),
    "nulls": (
        """
  main:
    input: [x: null]
    output:
      a: <% $.get(nope) %>
      b: <% $.x = null %>
      c: <% $.n %>
      d: <% $.get(nope, []) %>
    tasks:
      one:
        action: toy.do
        input: {name: one, answer: <% $.x %>}
        publish: {n: <% task().result %>}
        on-success:
          - two: <% $.n %>
          - three: <% $.n = null %>
          - two: <% $.n = word %>
      two: {action: std.noop}
      three: {action: toy.do, input: {name: three}}
""",
        {},
    ),
    "error_unhandled": (
        """
  main:
    output: {a: <% $.a %>}
    tasks:
      zero: {action: std.noop, publish: {a: 1}, on-success: [one]}
      one: {action: toy.do, input: {name: one, error: bad},
            publish: {b: 1}, on-success: [two]}
      two: {action: std.noop}
""",
        {},
    ),
    "error_noop": (
        """
  main:
    output: {a: <% $.get(a) %>}
    tasks:
      one: {action: toy.do, input: {name: one, error: bad},
            publish: {a: 1}, on-error: [noop]}
""",
        {},
    ),
    "error_no_condition_holds": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one, error: {code: x}}
        on-error:
          - two: <% task().result.code = y %>
      two: {action: std.noop}
""",
        {},
    ),
    "error_routes_by_code": (
        """
  main:
    output: {seen: <% $.get(seen) %>}
    tasks:
      one:
        action: toy.do
        input: {name: one, error: {code: x}}
        on-error:
          - two: <% task().result.code = x %>
          - three: <% task().result.code = y %>
      two: {action: std.noop, publish: {seen: two}}
      three: {action: std.noop, publish: {seen: three}}
""",
        {},
    ),
    "error_then_on_complete": (
        """
  main:
    tasks:
      one: {action: toy.do, input: {name: one, error: bad},
            on-complete: [two]}
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
""",
        {},
    ),
    "error_handled_and_on_complete": (
        """
  main:
    tasks:
      one: {action: toy.do, input: {name: one, error: bad},
            on-error: [two], on-complete: [three]}
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
      three: {action: toy.do, input: {name: three}, publish: {b: 1}}
""",
        {},
    ),
    "success_and_on_complete": (
        """
  main:
    tasks:
      one: {action: std.noop, on-success: [two], on-complete: [three]}
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
      three: {action: toy.do, input: {name: three}, publish: {b: 1}}
""",
        {},
    ),
    "two_errors": (
        """
  main:
    tasks:
      one: {action: toy.do, input: {name: one, error: bad}}
      two: {action: toy.do, input: {name: two, error: worse}}
      three: {action: toy.do, input: {name: three}, publish: {c: 1}}
""",
        {},
    ),
    "fail_message": (
        """
  main:
    output: {a: <% $.a %>}
    tasks:
      one:
        action: toy.do
        input: {name: one, error: {code: x}}
        on-error:
          - fail(msg="it was <% task().result.code %>")
""",
        {},
    ),
    "fail_condition": (
        """
  main:
    tasks:
      one:
        action: std.noop
        publish: {a: 1}
        on-success:
          - fail(msg="never this"): <% $.a = 2 %>
          - fail(msg="but this one"): <% $.a = 1 %>
          - two
      two: {action: toy.do, input: {name: two}}
""",
        {},
    ),
    "fail_number": (
        """
  main:
    tasks:
      one:
        action: std.noop
        on-success: ["fail(msg=<% 1 + 1 %>)"]
""",
        {},
    ),
    "fail_bare": (
        """
  main:
    tasks:
      one: {action: std.noop, publish: {a: 1}, on-success: [fail]}
""",
        {},
    ),
    "succeed": (
        """
  main:
    output: {a: <% $.a %>}
    tasks:
      one: {action: std.noop, publish: {a: 1}, on-success: [succeed]}
""",
        {},
    ),
    "retry_works": (
        """
  main:
    input: [d]
    tasks:
      one:
        action: toy.do
        input: {name: one, fail_times: 2, answer: nth}
        retry: {count: 2, delay: <% $.d %>}
        publish: {n: <% task().result %>}
""",
        {"d": 0},
    ),
    "retry_exhausted": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one, fail_times: 9}
        retry: {count: 2, delay: 0}
        on-error:
          - two: <% task().result = 'failure 3' %>
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
""",
        {},
    ),
    "retry_none": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one, fail_times: 1}
        retry: {count: 0, delay: 0}
""",
        {},
    ),
    "retry_delay_not_whole": (
        """
  main:
    input: [d]
    tasks:
      one:
        action: toy.do
        input: {name: one}
        retry: {count: 1, delay: <% $.d %>}
        on-error: [noop]
""",
        {"d": "soon"},
    ),
    "retry_sub_workflow": (
        """
  main:
    tasks:
      one:
        workflow: sub
        retry: {count: 2, delay: 0}
        publish: {n: <% task().result.n %>}
  sub:
    tasks:
      in: {action: toy.do, input: {name: in, fail_times: 1, answer: nth},
           publish: {n: <% task().result %>}}
""",
        {},
    ),
    "timeout_goes_to_on_error": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one, sleep: 6}
        timeout: 3
        on-error: [two]
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
""",
        {},
    ),
    "timeout_then_retry": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one, sleep: 6, answer: nth}
        timeout: 3
        retry: {count: 1, delay: 0}
        publish: {n: <% task().result %>}
""",
        {},
    ),
    "timeout_is_not_armed_again": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one, sleep: 6, sleep_times: 2, fail_times: 1,
                answer: nth}
        timeout: 3
        retry: {count: 3, delay: 0}
        on-error: [noop]
""",
        {},
    ),
    "items_all": (
        """
  main:
    input: [xs]
    tasks:
      one:
        with-items: x in <% $.xs %>
        concurrency: 2
        action: toy.do
        input: {name: one, answer: <% $.x %>}
        publish: {r: <% task().result %>}
""",
        {"xs": [3, 1, None, {"a": 2}, 5]},
    ),
    "items_no_concurrency": (
        """
  main:
    tasks:
      one:
        with-items: x in [1, 2, 3]
        action: toy.do
        input: {name: "one <% $.x %>", answer: <% $.x %>}
        publish: {r: <% task().result.sum() %>}
""",
        {},
    ),
    "items_none": (
        """
  main:
    tasks:
      one:
        with-items: x in <% [] %>
        concurrency: 2
        action: toy.do
        input: {name: one}
        publish: {r: <% task().result %>}
        on-success: [two]
      two: {action: toy.do, input: {name: two}}
""",
        {},
    ),
    "items_null": (
        """
  main:
    input: [xs: null]
    tasks:
      one:
        with-items: x in <% $.xs %>
        action: toy.do
        input: {name: one}
        on-error: [noop]
""",
        {},
    ),
    "items_partial_error": (
        """
  main:
    input: [xs]
    tasks:
      one:
        with-items: x in <% $.xs %>
        concurrency: 1
        action: toy.do
        input: {name: "x<% $.x.n %>", answer: <% $.x.n %>,
                error: <% $.x.get(e) %>}
        publish: {r: 1}
        on-success: [three]
        on-error:
          - two: <% task().result.len() = 3 %>
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
      three: {action: toy.do, input: {name: three}}
""",
        {"xs": [{"n": 1}, {"n": 2, "e": "bad"}, {"n": 3}]},
    ),
    "items_error_noop": (
        """
  main:
    tasks:
      one:
        with-items: x in [0, 1, 2, 3]
        concurrency: 2
        workflow: sub
        input: {x: <% $.x %>}
        keep-result: false
        on-error: [noop]
  sub:
    input: [x]
    tasks:
      in: {action: toy.do, input: {name: "in <% $.x %>",
           fail_times: <% $.x mod 2 %>}}
""",
        {},
    ),
    "items_error_unhandled": (
        """
  main:
    tasks:
      one:
        with-items: x in [0, 1, 2]
        concurrency: 1
        workflow: sub
        input: {x: <% $.x %>}
        on-complete: [two]
      two: {action: toy.do, input: {name: two}}
  sub:
    input: [x]
    tasks:
      in: {action: toy.do, input: {name: "in <% $.x %>",
           fail_times: <% $.x %>}}
""",
        {},
    ),
    "items_forced_failure_inside": (
        """
  main:
    tasks:
      one:
        with-items: x in [0, 1]
        concurrency: 1
        workflow: sub
        input: {x: <% $.x %>}
        on-error: [two]
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
  sub:
    input: [x]
    tasks:
      in: {action: toy.do, input: {name: "in <% $.x %>"},
           publish: {v: <% 1 / $.x %>}, on-error: [noop]}
""",
        {},
    ),
    "items_of_sub_workflows": (
        """
  main:
    tasks:
      one:
        with-items: x in [1, 2]
        concurrency: 2
        workflow: sub
        input: {x: <% $.x %>}
        publish: {r: <% task().result %>}
  sub:
    input: [x]
    output: {double: <% $.x * 2 %>}
    tasks:
      in: {action: std.noop}
""",
        {},
    ),
    "items_variable_over_input": (
        """
  main:
    input: [x]
    output: {r: <% $.r %>, x: <% $.x %>}
    tasks:
      one:
        with-items: x in [1, 2]
        action: toy.do
        input: {name: one, answer: <% $.x %>}
        publish: {r: <% task().result %>}
""",
        {"x": "outer"},
    ),
    "keep_result_false": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one, answer: secret}
        keep-result: false
        publish: {p: <% task().result %>}
        on-success:
          - two: <% $.p = secret %>
      two: {action: toy.do, input: {name: two}}
""",
        {},
    ),
    "sub_output": (
        """
  main:
    tasks:
      one:
        workflow: sub
        input: {x: 4}
        publish: {r: <% task().result %>}
  sub:
    input: [x, y: 3]
    output: {sum: <% $.x + $.y %>}
    tasks:
      in: {action: toy.do, input: {name: in}}
""",
        {},
    ),
    "sub_error_result": (
        """
  main:
    tasks:
      one:
        workflow: sub
        on-error:
          - fail(msg="<% task().result.result %>, <% task().result.v %>")
  sub:
    output: {x: 1}
    tasks:
      in: {action: std.noop, publish: {v: 7}, on-success: [two]}
      two:
        action: toy.do
        input: {name: two, error: bad}
        on-error:
          - fail(msg="the sub failed")
""",
        {},
    ),
    "sub_forced_failure_is_handled": (
        """
  main:
    tasks:
      one: {workflow: sub, on-error: [two]}
      two: {action: toy.do, input: {name: two}, publish: {a: 1}}
  sub:
    tasks:
      in: {action: toy.do, input: {name: in, answer: <% $.nope %>},
           on-error: [noop]}
""",
        {},
    ),
    "loop": (
        """
  main:
    output: {n: <% $.n %>, last: <% $.last %>}
    tasks:
      begin: {action: std.noop, publish: {n: 0}, on-success: [turn]}
      turn:
        action: toy.do
        input: {name: turn, answer: nth}
        publish: {n: <% task().result %>}
        on-success: [look]
      look:
        action: toy.do
        input: {name: "look <% $.n %>"}
        publish: {last: <% $.n %>}
        on-success:
          - turn: <% $.n < 3 %>
          - stop: <% $.n >= 3 %>
      stop: {action: std.noop}
""",
        {},
    ),
    "loop_after_handled_error": (
        """
  main:
    tasks:
      begin: {action: std.noop, on-success: [turn]}
      turn:
        action: toy.do
        input: {name: turn, fail_times: 2, answer: nth}
        publish: {n: <% task().result %>}
        on-error: [again]
      again: {action: toy.do, input: {name: again}, on-success: [turn]}
""",
        {},
    ),
    "parallel_branches": (
        """
  main:
    tasks:
      begin: {action: std.noop, publish: {z: 0}, on-success: [a, b, c]}
      a: {action: toy.do, input: {name: a}, publish: {va: 1},
          on-success: [a2]}
      a2: {action: toy.do, input: {name: a2}, publish: {va2: <% $.va %>}}
      b: {action: toy.do, input: {name: b}, publish: {vb: 2, z: 1}}
      c: {action: toy.do, input: {name: c}, publish: {vc: {d: 3}}}
""",
        {},
    ),
    "parallel_one_fails": (
        """
  main:
    tasks:
      a: {action: toy.do, input: {name: a, error: bad}, on-success: [x]}
      b: {action: toy.do, input: {name: b}, publish: {vb: 2},
          on-success: [c]}
      c: {action: toy.do, input: {name: c}, publish: {vc: 3}}
      x: {action: std.noop}
""",
        {},
    ),
    "bad_expression_in_input": (
        """
  main:
    tasks:
      one: {action: toy.do, input: {name: <% $.nope %>}, on-error: [noop]}
""",
        {},
    ),
    "bad_expression_in_publish": (
        """
  main:
    tasks:
      one: {action: toy.do, input: {name: one}, on-error: [two],
            publish: {a: <% task().result.nope %>}, on-success: [two]}
      two: {action: toy.do, input: {name: two}}
""",
        {},
    ),
    "bad_expression_in_condition": (
        """
  main:
    tasks:
      one:
        action: toy.do
        input: {name: one}
        publish: {a: 1}
        on-success:
          - two: <% $.nope = 1 %>
      two: {action: toy.do, input: {name: two}}
""",
        {},
    ),
    "bad_expression_in_output": (
        """
  main:
    output: {a: <% $.nope %>}
    tasks:
      one: {action: toy.do, input: {name: one}, publish: {b: 1}}
""",
        {},
    ),
    "missing_action": (
        """
  main:
    tasks:
      one: {action: toy.nope, on-error: [two]}
      two: {action: toy.do, input: {name: two}}
""",
        {},
    ),
    "bad_action_input": (
        """
  main:
    tasks:
      one: {action: toy.do, input: {nope: 1}, on-error: [two]}
      two: {action: toy.do, input: {name: two}}
""",
        {},
    ),
    "dynamic_action": (
        """
  main:
    input: [b]
    tasks:
      one:
        action: <% $.b.action %>
        input: {name: <% $.b.id %>, answer: 1}
        publish: {r: <% task().result %>}
        on-success: [two]
      two: {action: <% $.b.get(none) %>, publish: {t: <% task().result %>}}
""",
        {"b": {"action": "toy.do", "id": "one"}},
    ),
    "words_and_lists": (
        """
  main:
    input: [xs]
    tasks:
      one:
        action: std.noop
        publish:
          w: <% $.xs.where($.n > 1).select($.n) %>
          t: "n is <% $.xs[0].n %> and <% $.xs.len() %>"
          m: <% $.xs.n %>
          d: <% {a => $.xs[1].n} %>
          b: <% not ($.xs[0].n = 1 and true) %>
          deep: [<% 1 + 1 %>, {k: <% task().name %>}]
        on-success: [noop]
""",
        {"xs": [{"n": 1}, {"n": 2}, {"n": 3}]},
    ),
}
