"""Rules for certificates: what Zenoh is told, and what devices can and cannot do at a router that has rules."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

import pytest
import zenoh
from hypothesis import given
from hypothesis import strategies as st

from tests.stream.conftest import free_port
from weft.core.errors import DeniedError, PipelineError, UnavailableError, UsageError
from weft.core.frame import Frame
from weft.spec.access import parse_access
from weft.stream import credentials, names, recovery
from weft.stream.access import _WAYS, Access, allows
from weft.stream.base import Group, PublishOptions, SubscribeOptions, Subscription
from weft.stream.identity import Authority, Identity
from weft.stream.joining import Joining
from weft.stream.known_names import known_names, remember
from weft.stream.routing import Router, open_router
from weft.stream.wire import HeaderWriter
from weft.stream.zenoh.link import Link, configuration
from weft.stream.zenoh.session import ZenohStreams

WAIT_S = 10.0
_PAUSE = Event()

RULES = """
rules:
  - {certificate: camera-1, publish: [cam/1*], answer: [focus]}
  - {certificate: viewer, subscribe: [cam/*, labels*], ask: [focus]}
  - {certificate: clerk, subscribe: [labels*]}
  - {certificate: labeller, publish: [labels*], scope: site}
  - {certificate: "*", subscribe: [notice]}
"""


# --- the rules alone -----------------------------------------------------------------------


def access(text: str = RULES) -> Access:
    return Access(parse_access(text), "rules.yaml")


def test_a_device_has_what_all_rules_for_its_name_allow() -> None:
    rules = access("rules:\n- {certificate: cam*, publish: [a]}\n- {certificate: camera-*, publish: [b], scope: site}")
    rights = rules.rights("camera-1")
    assert allows(rights, "publish", "a", "global")
    assert allows(rights, "publish", "b", "site")
    assert not allows(rights, "publish", "b", "global")
    assert not allows(rights, "subscribe", "a")
    assert not any(rules.rights("viewer").values())


def test_a_pattern_is_allowed_where_some_of_it_is_and_wholly_where_all_of_it_is() -> None:
    rights = access().rights("viewer")
    assert allows(rights, "subscribe", "**")
    assert not allows(rights, "subscribe", "**", whole=True)
    assert allows(rights, "subscribe", "cam/1", whole=True)
    assert not allows(rights, "subscribe", "door/*")


def test_names_that_a_star_stands_for_are_the_known_ones() -> None:
    rules = access("rules:\n- {certificate: camera-*, publish: [cam/*]}\n- {certificate: viewer, subscribe: [cam/*]}")
    form = rules.form("site", ["camera-7", "somebody"])
    assert sorted(name for subject in form["subjects"] for name in subject.get("cert_common_names", ())) == [
        "camera-7",
        "somebody",
        "viewer",
    ]
    assert rules.missing("camera-8", ["camera-7"])
    assert not rules.missing("camera-7", ["camera-7"])
    assert not rules.missing("somebody else", ["camera-7"])
    assert not rules.missing("viewer", [])


@given(st.text(max_size=20), st.text("ab*", max_size=12))
def test_stars_in_certificates_mean_any_letters(name: str, written: str) -> None:
    if not written:
        return
    (rule,) = parse_access(f"rules: [{{certificate: '{written}', publish: [a]}}]").rules
    fits = re.fullmatch(re.escape(rule.certificate).replace(r"\*", ".*"), name, re.DOTALL) is not None
    assert any(access(f"rules: [{{certificate: '{written}', publish: [a]}}]").rights(name).values()) == fits


def test_what_is_refused_by_default_is_everything() -> None:
    form = access().form("site")
    assert (form["enabled"], form["default_permission"]) == (True, "deny")
    assert {rule["permission"] for rule in form["rules"]} == {"allow"}


def test_every_place_below_a_stream_is_under_the_rules() -> None:
    known = {value for name, value in vars(names).items() if name[0].isupper() and str(value).startswith("@")}
    ruled = {way.below.split("/")[1] for ways in _WAYS.values() for way in ways if way.below}
    assert ruled == known - {names.GLOBAL}


def test_keys_of_the_rules_are_right_for_zenoh() -> None:
    for rule in access().form("north")["rules"]:
        for key in rule["key_exprs"]:
            zenoh.KeyExpr(key)
            assert key.startswith(("weft/north/", "weft/@all/", "weft/@may/"))


@pytest.mark.parametrize("listen", ["tcp/127.0.0.1:7447", "unixsock-stream//run/weft.sock"])
def test_rules_need_certificates(identity: Identity, listen: str) -> None:
    with pytest.raises(UsageError, match="know devices by their certificates"):
        Link(listen=(listen,), identity=identity, access=access())


# --- a router that has rules ---------------------------------------------------------------


class Ruled:
    """A router with ``RULES``, and devices that join it: the same session for the same name."""

    def __init__(self, stack: ExitStack, authority: Authority, text: str = RULES) -> None:
        self.where = f"quic/localhost:{free_port()}"
        self._stack = stack
        self._authority = authority
        self._made: dict[str, ZenohStreams] = {}
        shown = authority.issue("router", ("localhost",))
        link = Link((), (self.where,), shown, router=True, access=access(text))
        self.router = stack.enter_context(closing(ZenohStreams(link)))

    def __call__(self, name: str) -> ZenohStreams:
        if name not in self._made:
            self._made[name] = self._stack.enter_context(closing(ZenohStreams(self._link(name))))
        return self._made[name]

    def bare(self, name: str) -> zenoh.Session:
        """A session of Zenoh's own, which asks nobody what it may do."""
        return zenoh.open(configuration(self._link(name)))

    def _link(self, name: str) -> Link:
        return Link(connect=(self.where,), identity=self._authority.issue(name))


@pytest.fixture(scope="module")
def join(authority: Authority) -> Iterator[Ruled]:
    with ExitStack() as stack:
        yield Ruled(stack, authority)


def refused(work: Callable[[], object]) -> DeniedError:
    with pytest.raises(DeniedError) as caught:
        work()
    return caught.value


def take(subscription: Subscription, send: Callable[[], object]) -> Frame:
    """What comes once what is sent reaches the subscriber."""
    for _ in range(int(WAIT_S / 0.05)):
        send()
        if (frame := subscription.get(0.05)) is not None:
            return frame
    raise AssertionError("nothing came")


def test_who_may_publish_is_heard_by_who_may_subscribe(join: Ruled) -> None:
    with closing(join("viewer").subscribe(["cam/1"])) as seen, closing(join("camera-1").publish("cam/1")) as sent:
        assert take(seen, lambda: sent.put(Frame(b"picture"))).payload == b"picture"


def test_a_wider_pattern_brings_what_is_allowed_and_nothing_else(join: Ruled) -> None:
    with ExitStack() as stack:
        seen = stack.enter_context(closing(join("clerk").subscribe(["**"])))
        reliable = PublishOptions("reliable", latest=True)
        pictures = stack.enter_context(closing(join("camera-1").publish("cam/1b", reliable)))
        labels = stack.enter_context(closing(join("labeller").publish("labels.b", reliable)))
        all_seen = stack.enter_context(closing(join("viewer").subscribe(["**"])))
        pictures.put(Frame(b"secret"))
        assert take(all_seen, lambda: None).payload == b"secret"
        labels.put(Frame(b"cat"))
        assert take(seen, lambda: None).stream == "labels.b"
        assert seen.get(0.2) is None
        assert [info.name for info in join("clerk").known()] == ["labels.b"]
        assert [info.name for info in join("viewer").known()] == ["cam/1b", "labels.b"]
        assert join("nobody").known() == []
        late = stack.enter_context(closing(join("clerk").subscribe(["**"])))
        assert take(late, lambda: None).payload == b"cat"
        assert late.get(0.2) is None


def test_a_reliable_stream_recovers_under_rules(join: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost on the way is asked for below the stream's key."""
    monkeypatch.setattr(recovery, "SMALL_WINDOW", 16)
    with (
        closing(join("camera-1").publish("cam/1c", PublishOptions("reliable"))) as sent,
        closing(join("viewer").subscribe(["cam/1c"], SubscribeOptions(queue=4))) as seen,
    ):
        take(seen, lambda: sent.put(Frame(b"first")))
        for number in range(600):
            sent.put(Frame(str(number).encode()))
        # Nobody reads until all of them came: there was room for a few.
        wait_for(lambda: any(peer.top == sent.sent - 1 for peer in seen._receiver._peers.values()))
        got = [b""]
        while got[-1] != b"599":
            got.append(take(seen, lambda: None).payload)
        assert [payload for payload in got if payload not in (b"", b"first")] == [str(n).encode() for n in range(600)]
        assert seen.counters["recovered"] > 0
        assert seen.counters["lost"] == 0


def test_a_group_shares_a_stream_under_rules(join: Ruled) -> None:
    group = SubscribeOptions(group=Group("detectors"))
    with (
        closing(join("viewer").subscribe(["cam/1d*"], group)) as member,
        closing(join("camera-1").publish("cam/1d")) as sent,
    ):
        assert take(member, lambda: sent.put(Frame(b"picture"))).payload == b"picture"
    told = refused(lambda: join("viewer").subscribe(["**"], group))
    assert "subscribe: [**]" in told.cure


def test_a_publisher_without_the_right_is_told_and_so_is_the_log(join: Ruled, caplog) -> None:
    told = refused(lambda: join("camera-1").publish("cam/2"))
    assert told.what == "'camera-1' may not publish 'cam/2'"
    assert told.where == "router"
    assert "{certificate: camera-1, publish: [cam/2]}" in told.cure
    wait_for(lambda: "'camera-1' may not publish 'cam/2'" in caplog.text)
    assert "{certificate: camera-1, publish: [cam/2]}" in caplog.text


def wait_for(true: Callable[[], bool]) -> None:
    for _ in range(int(WAIT_S / 0.02)):
        if true():
            return
        _PAUSE.wait(0.02)
    raise AssertionError("it never came true")


def test_every_right_is_its_own(join: Ruled) -> None:
    for work in (
        lambda: join("viewer").publish("cam/1"),
        lambda: join("camera-1").subscribe(["cam/1"]),
        lambda: join("camera-1").ask("focus", Frame(b"")),
        lambda: join("viewer").answer("focus", lambda frame: frame),
        lambda: join("clerk").subscribe(["cam/1"]),
        lambda: join("clerk").subscribe(["labels", "cam/1"]),
        lambda: join("nobody").publish("notice"),
        lambda: join("nobody").ask("focus", Frame(b"")),
        lambda: join("labeller").publish("labels", PublishOptions(scope="global")),
    ):
        refused(work)


def test_everybody_has_what_a_rule_with_a_star_alone_allows(join: Ruled) -> None:
    for name in ("nobody", "clerk", "viewer"):
        join(name).subscribe(["notice"]).close()
    told = refused(lambda: join("nobody").subscribe(["labels"]))
    assert "'nobody' may not subscribe to 'labels'" in str(told)


def test_requests_are_answered_where_both_may(join: Ruled) -> None:
    def work(frame: Frame) -> Frame:
        if frame.payload == b"break":
            raise ValueError("no lens")
        return Frame(b"focused")

    with closing(join("camera-1").answer("focus", work)):
        assert join("viewer").ask("focus", Frame(b"now")).payload == b"focused"
        with pytest.raises(PipelineError, match="no lens"):
            join("viewer").ask("focus", Frame(b"break"))


# --- somebody who is no Weft, and asks nobody ------------------------------------------------


def test_nothing_leaks_to_who_may_not_subscribe(join: Ruled) -> None:
    heard: list[str] = []

    def note(sample: zenoh.Sample) -> None:
        heard.append(str(sample.key_expr))

    def note_reply(reply: zenoh.Reply) -> None:
        if reply.ok is not None:
            note(reply.ok)

    reliable = PublishOptions("reliable", latest=True)
    with (
        join.bare("clerk") as session,
        closing(join("camera-1").publish("cam/1e", reliable)) as pictures,
        closing(join("labeller").publish("labels.e", reliable)) as labels,
        closing(join("viewer").subscribe(["**"])) as seen,
        closing(join("viewer").subscribe(["cam/1e"], SubscribeOptions(group=Group("g")))),
    ):
        patterns = [f"weft/{scope}/**{below}" for scope in ("site", "@all", "*") for below in ("", *BELOW)]
        patterns += ["**", "weft/site/cam/1e", *(f"weft/site/cam/1e{below}" for below in BELOW), "@/**"]
        for key in patterns:
            session.declare_subscriber(key, note)
            session.liveliness().declare_subscriber(key, note, history=True)
        for payload in (b"1", b"2"):
            pictures.put(Frame(payload))
            labels.put(Frame(payload))
        take(seen, lambda: labels.put(Frame(b"3")))
        for key in patterns:
            for asked in (f"{key}?latest", f"{key}?first=0;last=9"):
                session.get(asked, note_reply, target=zenoh.QueryTarget.ALL, timeout=0.5)
            session.liveliness().get(key, note_reply, timeout=0.5)
        wait_for(lambda: any(key.startswith("weft/site/labels.e/@alive/") for key in heard))
        wait_for(lambda: any(key.startswith("weft/site/labels.e/@cache/") for key in heard))
        wait_for(lambda: "weft/site/labels.e" in heard)
        _PAUSE.wait(0.6)  # what does not come cannot be waited for
        own = f"@/{session.zid()}/session/"  # what Zenoh says of this very session
        assert [key for key in heard if not key.startswith((own, "weft/site/labels."))] == []


BELOW = (
    f"/{names.CACHE}/*",
    *(f"/{place}/**" for place in (names.ALIVE, names.STATE, names.GROUP, names.GIVEN, names.TAKEN)),
)


def test_nothing_comes_in_from_who_may_not_publish(join: Ruled) -> None:
    def lie(query: zenoh.Query) -> None:
        lies.append(str(query.key_expr))

    lies: list[str] = []
    with (
        join.bare("clerk") as session,
        closing(join("labeller").publish("labels.f", PublishOptions(latest=True))) as labels,
        closing(join("viewer").subscribe(["labels.f"])) as seen,
        closing(join("camera-1").answer("focus", lambda frame: Frame(b"right"))),
    ):
        session.declare_queryable("weft/site/**", lie)
        session.declare_queryable("weft/site/labels.f/@cache/*", lie)
        session.declare_queryable("weft/site/focus/@ask", lie)
        token = session.liveliness().declare_token(f"weft/site/door/@alive/{'0' * 16}/0")
        for _ in range(3):
            session.put("weft/site/labels.f", b"a lie", attachment=HeaderWriter(1, 0).write(Frame(b"a lie"), 0))
        labels.put(Frame(b"the truth"))
        assert take(seen, lambda: None).payload == b"the truth"
        assert seen.get(0.2) is None
        assert seen.counters["malformed"] == 0
        assert "door" not in [info.name for info in join("viewer").known()]
        with closing(join("viewer").subscribe(["labels.f"])) as late:
            assert take(late, lambda: None).payload == b"the truth"
        assert join("viewer").ask("focus", Frame(b"")).payload == b"right"
        assert lies == []
        token.undeclare()


def test_questions_that_are_none_are_left_alone(join: Ruled) -> None:
    key = names.may_key(str(join.router.session.zid()))
    with join.bare("clerk") as session:
        mine = str(session.zid())
        for payload in (b"", b"x", b"[]", b"{}", b'{"zid": 1}', b"x" * 10_000, b'{"zid": "0"}'):
            assert [reply.ok for reply in session.get(key, payload=payload, timeout=5)] == []
        for more in ('"right": "own", "stream": "a"', '"right": "ask", "stream": "@cache", "scope": null, "whole": 0'):
            payload = f'{{"zid": "{mine}", {more}}}'.encode()
            assert [reply.ok for reply in session.get(key, payload=payload, timeout=5)] == []
        (reply,) = session.get(key, payload=f'{{"zid": "{mine}"}}'.encode(), timeout=5)
        assert reply.ok is not None
        assert json.loads(reply.ok.payload.to_bytes())["name"] == "clerk"


# --- links that come and go ------------------------------------------------------------------


def test_without_rules_everybody_may_do_everything(authority: Authority) -> None:
    with ExitStack() as stack:
        where = f"quic/localhost:{free_port()}"
        stack.enter_context(
            closing(ZenohStreams(Link((), (where,), authority.issue("r", ("localhost",)), router=True)))
        )
        device = stack.enter_context(closing(ZenohStreams(Link((where,), identity=authority.issue("anybody")))))
        device.publish("cam/1").close()
        device.subscribe(["**"]).close()


def test_a_right_that_is_gone_when_the_router_comes_back_is_told(authority: Authority, caplog) -> None:
    with ExitStack() as stack:
        where = f"quic/localhost:{free_port()}"
        shown = authority.issue("router", ("localhost",))
        first = Link((), (where,), shown, router=True, access=access())
        router = ZenohStreams(first)
        device = stack.enter_context(closing(ZenohStreams(Link((where,), identity=authority.issue("camera-1")))))
        device.publish("cam/1")
        device.publish("cam/1").close()
        router.close()
        wait_for(lambda: not device.connected)
        rules = access("rules: [{certificate: viewer, subscribe: ['**']}]")
        wait_for(lambda: opened(stack, replace(first, access=rules)))
        wait_for(lambda: "start the router with this among its rules" in caplog.text)
        told = [
            record for record in caplog.records if record.name == "weft.stream" and "may not" in record.getMessage()
        ]
        assert ["'camera-1' may not publish 'cam/1'" in record.getMessage() for record in told] == [True]


def opened(stack: ExitStack, link: Link) -> bool:
    """Whether it can listen; its port may still be taken by the one before."""
    try:
        stack.enter_context(closing(ZenohStreams(link)))
    except UnavailableError:
        return False
    return True


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_CONFIG", str(tmp_path))
    monkeypatch.delenv("WEFT_CERT", raising=False)
    return tmp_path


GLOB = "rules:\n- {certificate: camera-*, publish: [cam/*]}\n- {certificate: viewer, subscribe: [cam/*]}\n"


def ruled_router(folder: Path, stack: ExitStack) -> Router:
    (folder / "rules.yaml").write_text(GLOB)
    return stack.enter_context(
        closing(open_router(("quic/localhost:0",), (), "site", ("localhost",), access=folder / "rules.yaml"))
    )


def device(router: Router, stack: ExitStack, name: str) -> ZenohStreams:
    link = Link(router.listen, identity=credentials.authority().issue(name))
    return stack.enter_context(closing(ZenohStreams(link)))


def test_a_new_name_that_a_star_fits_is_let_in_at_once_and_known_from_then_on(settings: Path, caplog) -> None:
    caplog.set_level(logging.INFO)
    with ExitStack() as stack:
        router = ruled_router(settings, stack)
        camera = device(router, stack, "camera-9")
        viewer = device(router, stack, "viewer")
        wait_for(lambda: router.renewals == 1 and bool(camera.connected and viewer.connected))
        with closing(viewer.subscribe(["cam/9"])) as seen, closing(camera.publish("cam/9")) as sent:
            assert take(seen, lambda: sent.put(Frame(b"picture"))).payload == b"picture"
        refused(lambda: camera.publish("door"))
        assert router.visitors.there == {"camera-9": 1, "viewer": 1}
        assert router.visitors.came["camera-9"] == 2
        wait_for(lambda: router.refused.get(("camera-9", "publish")) == 1)
    assert "'camera-9'; all links are made anew" in caplog.text
    assert known_names() == {"camera-9"}
    with ExitStack() as stack:
        router = ruled_router(settings, stack)
        device(router, stack, "camera-9").publish("cam/9").close()
        assert router.renewals == 0


def test_who_has_no_rule_is_told_of_where_he_comes(settings: Path, caplog) -> None:
    with ExitStack() as stack:
        router = ruled_router(settings, stack)
        device(router, stack, "stranger")
        wait_for(lambda: "'stranger' may do nothing here: no rule is for it" in caplog.text)
        assert "rules.yaml" in caplog.text
        assert router.renewals == 0


def test_a_process_that_listens_under_rules_says_who_has_to_wait(settings: Path) -> None:
    told: list[str] = []
    (settings / "rules.yaml").write_text(GLOB)
    credentials.authority().issue("here", ("localhost",)).write(settings / "here.pem")
    for known in (False, True):
        where = f"quic/localhost:{free_port()}"
        joining = Joining(listen=(where,), cert=settings / "here.pem", access=settings / "rules.yaml")
        with ExitStack() as stack:
            here = stack.enter_context(closing(joining.open(told.append)))
            camera = stack.enter_context(
                closing(ZenohStreams(Link((where,), identity=credentials.authority().issue("camera-3"))))
            )
            if known:
                with closing(here.subscribe(["cam/*"])) as seen, closing(camera.publish("cam/3")) as sent:
                    assert take(seen, lambda: sent.put(Frame(b"picture"))).payload == b"picture"
            else:
                wait_for(lambda: "'camera-3' is new here, and has its rights when this is started again" in told)
                refused(partial(camera.publish, "cam/3"))


def test_names_that_are_known_are_kept_once(settings: Path) -> None:
    assert known_names() == frozenset()
    remember(["b", "a"])
    remember(["a", "c d"])
    assert known_names() == {"a", "b", "c d"}
    assert (settings / "site" / "names").read_text() == "a\nb\nc d\n"
    assert (settings / "site" / "names").stat().st_mode & 0o077 == 0


def test_names_that_cannot_be_kept_are_told_of(settings: Path, caplog) -> None:
    (settings / "site").write_text("no folder")
    remember(["a"])
    assert "cannot be remembered" in caplog.text
    assert known_names() == frozenset()
