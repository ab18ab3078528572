"""The two pages a person may open: / says what is here, /legal says what it does with what it is told."""

from __future__ import annotations

from html import escape
from typing import Final

from gatechat import __version__
from gatechat.assistant.settings import AssistantSettings

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #172033; --soft: #5b6478; --line: #dfe3ec; --paper: #fbfcfe;
  --mark: #3d4bd8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ecf5; --soft: #9aa4ba; --line: #2b3347; --paper: #11151f; --mark: #93a0ff }
}
body { margin: 0 auto; padding: 3rem 1.25rem; max-width: 42rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, sans-serif }
header { display: flex; gap: 1rem; align-items: center; margin-bottom: 1.5rem }
header img { border-radius: 14px }
h1 { margin: 0; font-size: 1.6rem; letter-spacing: -.01em }
h2 { margin: 2.25rem 0 .5rem; font-size: 1.05rem }
p { margin: .5rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: .5rem 0 }
dd { margin: 0; color: var(--soft) }
a { color: var(--mark) }
code, pre { font: .875rem/1.5 ui-monospace, monospace }
pre { padding: .9rem 1rem; border: 1px solid var(--line); border-radius: 10px; overflow-x: auto }
.soft { color: var(--soft) }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .6rem } }
"""


def home(settings: AssistantSettings) -> str:
    bearer = "" if settings.token is None else ' \\\n  -H "Authorization: Bearer $GATECHAT_TOKEN"'
    call = f"""curl -X PUT {settings.url}/apisix/admin/routes/1{bearer} \\
  -H "Content-Type: application/json" \\
  -d '{{"uri": "/speaker/*",
       "upstream": {{"type": "roundrobin", "nodes": {{"{settings.example_backend}": 1}}}}}}'
curl {settings.gateway_url}/speaker/1/sessions"""
    return _page(
        "gatechat",
        f"""
<p>An API gateway that you run by talking to an assistant. This is the side that assistants talk to; traffic
goes through <a href="{escape(settings.gateway_url)}">{escape(settings.gateway_url)}</a>.</p>
<h2>For assistants</h2>
<dl>
<dt><a href="/.well-known/ai-plugin.json">/.well-known/ai-plugin.json</a></dt><dd>the plugin's manifest</dd>
<dt><a href="/openapi.yaml">/openapi.yaml</a>, <a href="/openapi.json">.json</a></dt><dd>what can be done,
for GPT Actions and other tools</dd>
<dt><code>/apisix/admin/…</code></dt><dd>the gateway's Admin API; {_who(settings)}</dd>
</dl>
<h2>For people</h2>
<dl>
<dt><a href="/healthz">/healthz</a></dt><dd>whether all is well</dd>
<dt><a href="/legal">/legal</a></dt><dd>what happens to what you say here</dd>
</dl>
<h2>Try it</h2>
<p>This puts the Conference API of the demo behind the gateway and asks it for the sessions of its first
speaker.</p>
<pre>{escape(call)}</pre>
""",
    )


def legal(settings: AssistantSettings) -> str:
    contact = escape(settings.contact_email)
    return _page(
        "Legal",
        f"""
<h2>What this does with your data</h2>
<p>Requests under <code>/apisix/admin/</code> are passed to the API gateway that this assistant was set up
for, and its answers are passed back. The assistant itself stores none of them and sends nothing to anyone
else. Its log holds methods, paths, status codes and times; no bodies, queries, keys or tokens.</p>
<p>The assistant or chat program that you use sees what you write to it and what the gateway answers, which
can include keys of consumers. Its own terms apply to that.</p>
<h2>Licence</h2>
<p>gatechat is free software under the <a href="https://www.apache.org/licenses/LICENSE-2.0">Apache License
2.0</a>. It comes without warranty: who runs it answers for what it is told to do.</p>
<h2>Names</h2>
<p>Apache APISIX is a trademark of the Apache Software Foundation, ChatGPT one of OpenAI. gatechat is not
made or endorsed by either.</p>
<h2>Contact</h2>
<p><a href="mailto:{contact}">{contact}</a> answers for this installation.</p>
<p><a href="/">Back</a></p>
""",
    )


def _who(settings: AssistantSettings) -> str:
    return "callers on this machine" if settings.token is None else "callers with the token"


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/logo.png">
<style>{_STYLE}</style>
<header><img src="/logo.png" width="64" height="64" alt=""><div><h1>{title}</h1>
<span class="soft">gatechat {__version__}</span></div></header>
{body}</html>
"""
