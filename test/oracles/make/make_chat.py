"""Makes chat.json: conversations as transformers renders them, by templates of the kinds that Llama's kin have."""

import argparse
import datetime
import json
from pathlib import Path

from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import render_jinja_template

NOW = datetime.datetime(2026, 3, 5, 14, 7, 9)

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

CHATML = """{% for message in messages %}
{% if loop.first and message['role'] != 'system' %}
{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
{% endif %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

BRACKETS = """{%- if messages[0].role == 'system' -%}
  {%- set system = messages[0].content | trim -%}
  {%- set turns = messages[1:] -%}
{%- else -%}
  {%- set system = none -%}
  {%- set turns = messages -%}
{%- endif -%}
{{- bos_token -}}
{%- for turn in turns -%}
  {%- if (turn.role == 'user') != (loop.index0 % 2 == 0) -%}
    {{- raise_exception('Roles must alternate: user, assistant, user, ...') -}}
  {%- endif -%}
  {%- if turn.role == 'user' -%}
    {{- '[INST] ' -}}
    {%- if loop.first and system is not none -%}{{- '<<SYS>>\\n' ~ system ~ '\\n<</SYS>>\\n\\n' -}}{%- endif -%}
    {{- turn.content.strip() ~ ' [/INST]' -}}
  {%- else -%}
    {{- ' ' ~ turn.content.strip() ~ ' ' ~ eos_token -}}
  {%- endif -%}
{%- endfor -%}"""

HEADERS = """{{- bos_token }}
{%- macro header(role) %}{{ '<|start_header_id|>' ~ role ~ '<|end_header_id|>\\n\\n' }}{% endmacro %}
{%- if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}
{{- header('system') ~ 'Cutting Knowledge: a while ago\\nToday: ' ~ date_string ~ '\\n\\n' }}
{%- set ns = namespace(first=true, count=0) %}
{%- for message in messages %}
  {%- set ns.count = ns.count + (message.role | length) %}
  {%- if message.role == 'system' and ns.first %}
    {{- message.content | trim }}
  {%- else %}
    {{- '<|eot_id|>' ~ header(message['role']) ~ (message['content'] | trim) }}
  {%- endif %}
  {%- set ns.first = false %}
{%- endfor %}
{{- '<|eot_id|>' ~ (header('assistant') if add_generation_prompt else '') ~ ns.count }}"""

THINKING = """{%- for message in messages %}
  {%- set content = message.content %}
  {%- if message.role == 'assistant' and '</think>' in content %}
    {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
  {%- endif %}
  {{- '<|im_start|>' ~ message.role ~ '\\n' ~ content ~ '<|im_end|>\\n' }}
{%- endfor %}
{%- if tools %}{{ tools | tojson }}{{ '\\n' }}{% endif %}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\\n' }}
  {%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}"""

DATES = "{{ strftime_now('%Y-%m-%d %H:%M:%S|%a %A %b %B %d %j %I %p %y %w %u %e %F %T %D %R %c %x %X|%-d %-m %-H|%%') }}"

HELLO = [{"role": "user", "content": "Hello"}]
LONG = [
    {"role": "system", "content": "  Be brief.\n"},
    {"role": "user", "content": " What is 2 < 3?\n\n"},
    {"role": "assistant", "content": "<think>\nEasy: [true].\n</think>\n\nTrue. "},
    {"role": "user", "content": "Ünd 日本 🙂 {{ 7 * 7 }} {% if %}"},
]

CASES = [
    (name, template, messages, variables)
    for name, template in [("chatml", CHATML), ("brackets", BRACKETS), ("headers", HEADERS), ("thinking", THINKING)]
    for messages in [HELLO, LONG]
    for variables in [{"add_generation_prompt": True}, {"add_generation_prompt": False}]
] + [
    ("headers with a date", HEADERS, HELLO, {"add_generation_prompt": True, "date_string": "26 Jul 2024"}),
    (
        "thinking with tools",
        THINKING,
        LONG,
        {
            "add_generation_prompt": True,
            "enable_thinking": False,
            "tools": [{"type": "function", "function": {"name": "add", "description": 'Adds "two" numbers: é'}}],
        },
    ),
    ("dates", DATES, HELLO, {"add_generation_prompt": True}),
]


class Now(datetime.datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def main():
    """Reads the command line and renders every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="file to write")
    output = parser.parse_args().output
    chat_template_utils.datetime = Now
    rows = []
    for name, template, messages, variables in CASES:
        arguments = {**TOKENS, **variables, "tools": None}
        rendered, _ = render_jinja_template(
            conversations=[messages], chat_template=template, **{**arguments, "tools": variables.get("tools")}
        )
        rows.append(
            {
                "name": name,
                "template": template,
                "tokens": TOKENS,
                "now": NOW.isoformat(),
                "messages": messages,
                "variables": variables,
                "rendered": rendered[0],
            }
        )
    text = json.dumps(rows, ensure_ascii=True, indent=1) + "\n"
    output.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
