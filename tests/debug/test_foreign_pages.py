"""A page of another site, in a real browser that holds a session, tries what such pages try.

It reads nothing and changes nothing, of the gateway and of the dashboard.
"""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debug.chromium import Browser, chromium
from tests.debug.scene import Dashboard, Scene, a_busy_scene, dashboard_of
from tests.gateway.serving import FakeScheduler, Gateway, a_job
from tests.kit import eventually

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed"),
    pytest.mark.xdist_group("chromium"),
]

ATTEMPTS = """(async (url) => {
  const refused = (error) => 'refused';
  const fetched = (path, options) => fetch(url + path, options).then(() => 'read', refused);
  const loaded = (tag, attribute, path) => new Promise((done) => {
    const element = document.createElement(tag);
    element.onload = () => done('read');
    element.onerror = () => done('refused');
    element[attribute] = url + path;
    document.body.append(element);
  });
  const streamed = new Promise((done) => {
    const source = new EventSource(url + '/events', { withCredentials: true });
    source.onopen = () => { source.close(); done('read'); };
    source.onerror = () => { source.close(); done('refused'); };
  });
  const socket = (path) => new Promise((done) => {
    const talk = new WebSocket(url.replace('http', 'ws') + path);
    talk.onopen = () => { talk.close(); done('read'); };
    talk.onerror = () => done('refused');
  });
  const framed = (path) => new Promise((done) => {
    const frame = document.createElement('iframe');
    frame.onload = () => {
      let inside = 'refused';
      try { inside = frame.contentDocument?.querySelector('#nav') ? 'read' : 'refused'; } catch {}
      done(inside);
    };
    frame.src = url + path;
    document.body.append(frame);
  });
  const posted = (path, fields) => new Promise((done) => {
    const frame = Object.assign(document.createElement('iframe'), { name: 'f' + Math.random() });
    frame.onload = () => frame.dataset.sent && done('refused');
    document.body.append(frame);
    const form = Object.assign(document.createElement('form'),
      { method: 'POST', action: url + path, target: frame.name, enctype: 'text/plain' });
    for (const [name, value] of Object.entries(fields)) {
      form.append(Object.assign(document.createElement('input'), { name, value }));
    }
    document.body.append(form);
    frame.dataset.sent = '1';
    form.submit();
    setTimeout(() => done('refused'), 500);
  });
  const call = '{"method":"job.pause","params":{"name":"backup-home"}}';
  const kept = { credentials: 'include' };
  const simple = { ...kept, method: 'POST', mode: 'no-cors', body: call };
  const json = { 'content-type': 'application/json', 'x-pb-page': '1' };
  return {
    state: await fetched('/state', kept),
    opaque: await fetched('/state', { ...kept, mode: 'no-cors' }),
    pause: await fetched('/api/v1/jobs/a/pause', { ...simple, body: 'x=1' }),
    simple: await fetched('/call', simple),
    marked: await fetched('/call', { ...kept, method: 'POST', headers: json, body: call }),
    beacon: navigator.sendBeacon(url + '/call', call) && 'refused',
    form: await posted('/call', { [call.slice(0, -1) + ',"x":"']: '"}' }),
    script: await loaded('script', 'src', '/app.js'),
    image: await loaded('img', 'src', '/icon.svg'),
    frame: await framed('/'),
    socket: await socket('/call'),
    stream: await streamed,
  };
})"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[int]:
    """The port of somebody else's web site on this machine."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<!doctype html><title>evil</title><body></body>")
    serve = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture
def scene() -> Scene:
    return a_busy_scene()


@pytest.fixture
def dashboard(scene: Scene, tmp_path: Path) -> Iterator[Dashboard]:
    with dashboard_of(scene, tmp_path) as running:
        yield running


@pytest.mark.parametrize("site", ["127.0.0.1", "localhost"])
def test_a_foreign_page_reads_nothing_and_changes_nothing(
    dashboard: Dashboard, scene: Scene, foreign: int, site: str, tmp_path: Path
) -> None:
    scheduler = FakeScheduler(a_job("a"))
    with Gateway(scheduler.connect) as gateway, Browser(tmp_path / "profile") as page:
        page.enter(dashboard.link)
        page.open(f"http://{site}:{foreign}/")
        eventually(lambda: page.ask("document.title") == "evil")
        for url in (dashboard.url, gateway.url):
            outcome = page.ask(f"{ATTEMPTS}({url!r})")

            assert set(outcome.values()) == {"refused"}, outcome

        with dashboard.client() as client:  # and it is let in all the same
            pause = {"method": "job.pause", "params": {"name": "backup-home"}}
            assert client.post("/call", json=pause, headers={"x-pb-page": "1"}).is_success
    assert scheduler.calls == []
    assert len(scene.calls) == 1


def test_a_rebound_name_reads_nothing_and_changes_nothing(
    dashboard: Dashboard, scene: Scene, tmp_path: Path
) -> None:
    """A name of the attacker's that answers with 127.0.0.1 is no name of ours."""
    evil = f"http://evil.example:{dashboard.port}"
    with Browser(tmp_path / "profile", "--host-resolver-rules=MAP evil.example 127.0.0.1") as page:
        page.enter(dashboard.link)
        page.open(f"{evil}/")
        eventually(lambda: "does not answer to that host name" in page.text("body"))
        answers = page.ask(
            "Promise.all([fetch('/state'), fetch('/events'), fetch('/call', {method: 'POST',"
            " headers: {'content-type': 'application/json', 'x-pb-page': '1'}, body: '{}'})])"
            ".then((found) => found.map((one) => one.status))"
        )

    assert answers == [421, 421, 421]
    assert scene.calls == []
