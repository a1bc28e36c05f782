"""Sending what webhooks are to be told, in threads of its own, beside the requests that the hub answers.

One thread looks for what is new, writes the messages down and hands out those that are due; a few others send them. A
failure of any kind, also of the database, costs no more than time: what was not reported as sent is due again.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from queue import SimpleQueue

from enfold.hub.records import webhooks
from enfold.hub.records.happenings import anything_new
from enfold.hub.records.schema import Webhook, WebhookDelivery
from enfold.hub.server.outside import NotAllowed, destination, post
from enfold.hub.server.state import HubState
from enfold.hub.server.webhook_messages import body_of, queue_messages, signed_headers

__all__ = ["Deliveries"]

_SENDERS = 4
_CLEAN_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class Deliveries:
    """The threads. They are daemons: a message in flight when the hub stops is sent again when it starts.

    Args:
        state: the hub.
        every: seconds between two looks for what is new.
    """

    def __init__(self, state: HubState, *, every: float = 1.0) -> None:
        self._state = state
        self._every = every
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._messages: SimpleQueue[tuple[WebhookDelivery, Webhook] | None] = SimpleQueue()
        self._free = threading.Semaphore(_SENDERS)
        self._look = threading.Thread(target=self._look_for_messages, name="webhooks", daemon=True)
        self._senders = [
            threading.Thread(target=self._send_messages, name=f"webhook-{number}", daemon=True)
            for number in range(_SENDERS)
        ]
        self._cleaned = 0.0

    def start(self) -> None:
        """Begin."""
        for thread in (self._look, *self._senders):
            thread.start()

    def stop(self) -> None:
        """Take on nothing more; what is being sent is not waited for."""
        self._stopped.set()
        self._wake.set()
        for _ in self._senders:
            self._messages.put(None)
        self._look.join(timeout=5)

    def _look_for_messages(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(self._every)
            self._wake.clear()
            if self._stopped.is_set():
                return
            try:
                self._pass()
            except Exception:
                _log.exception("looking for what webhooks are to be told failed; it is tried again")
                self._stopped.wait(5)

    def _pass(self) -> None:
        records = self._state.records
        with records.read() as session:
            new = bool(webhooks.enabled(session)) and anything_new(session)
        if new:
            with records.write() as session:
                queue_messages(session, self._base())
        self._hand_out()
        if time.monotonic() - self._cleaned > _CLEAN_SECONDS:
            self._cleaned = time.monotonic()
            with records.write() as session:
                webhooks.remove_old(session)

    def _hand_out(self) -> None:
        """Give the senders as many messages as there are free ones."""
        free = 0
        while self._free.acquire(blocking=False):
            free += 1
        handed = 0
        try:
            with self._state.records.read() as session:
                any_due = free and webhooks.is_due(session)
            if any_due:
                with self._state.records.write() as session:
                    claimed = webhooks.claim(session, free)
                for each in claimed:
                    self._messages.put(each)
                    handed += 1
        finally:
            if free > handed:
                self._free.release(free - handed)

    def _send_messages(self) -> None:
        while (given := self._messages.get()) is not None:
            try:
                self._send(*given)
            except Exception:
                if not self._stopped.is_set():
                    _log.exception("sending to webhook %s failed; it is tried again", given[1].uid)
            finally:
                self._free.release()
                self._wake.set()  # there may be more that is due

    def _send(self, delivery: WebhookDelivery, webhook: Webhook) -> None:
        answer: int | None = None
        fault, lasting = "", False
        body = body_of(delivery.body)
        try:
            to = destination(webhook.url, self._state.settings.webhook_networks)
            answer = post(to, body, signed_headers(webhook, delivery.id, body, int(time.time())))
            if not 200 <= answer < 300:
                fault = f"it answered {answer}" + ("; redirects are not followed" if 300 <= answer < 400 else "")
        except NotAllowed as error:
            fault, lasting = str(error), True
        except (OSError, http.client.HTTPException) as error:
            fault = str(error) or type(error).__name__
        if self._stopped.is_set() and fault:
            return
        with self._state.records.write() as session:
            if not fault:
                webhooks.finish(session, delivery.id, "delivered", answer)
                return
            again = not lasting and webhooks.put_off(session, delivery.id, delivery.attempts, answer)
            if lasting:
                webhooks.finish(session, delivery.id, "failed", answer)
        what = "is tried again later" if again else "is given up"
        _log.warning("message %d to webhook %s %s: %s", delivery.id, webhook.uid, what, fault)

    def _base(self) -> str:
        settings = self._state.settings
        scheme = "http" if settings.tls_certificate is None else "https"
        return settings.public_url or f"{scheme}://{settings.host}:{settings.port}"
