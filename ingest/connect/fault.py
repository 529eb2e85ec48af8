"""What a connector says when a department cannot be read, and how patiently it tries before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay
from tenacity.wait import wait_exponential, wait_random

from core.settings import Home, SettingsError

# How a pull fails at the department: no connection, our account or token refused, an answer that is not what was
# agreed, files that are there and cannot be opened.
Trouble = Literal["unreachable", "refused", "wrong_answer", "unreadable"]
TROUBLES: tuple[Trouble, ...] = get_args(Trouble)


class ConnectError(RuntimeError):
    """A department that cannot be read: names the feed, what was asked, what was found and what to do next.

    `trouble` says which kind it is; only a connection that fails is unreachable.
    """

    def __init__(
        self, feed: str, what: str, found: str, expected: str, next_step: str, trouble: Trouble = "unreachable"
    ) -> None:
        super().__init__(f"{feed}: {what}: {found}; expected {expected}; {next_step}")
        self.trouble: Trouble = trouble
        self.feed = feed
        self.what = what
        self.found = found
        self.expected = expected
        self.next_step = next_step


class TransientError(RuntimeError):
    """Worth another try; `wait_s` is how long the department asked to be left alone, None when it did not say."""

    def __init__(self, found: str, wait_s: float | None = None, trouble: Trouble = "unreachable") -> None:
        super().__init__(found)
        self.wait_s = wait_s
        self.trouble: Trouble = trouble


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """How long one request may take with all its retries, and the waits between them, in seconds."""

    deadline_s: float
    first_wait_s: float
    longest_wait_s: float
    answer_s: float
    is_once: bool = False  # no retries: another feed has just spent them on the same host

    @property
    def patience(self) -> str:
        """In words, what a department is given."""
        if self.is_once:
            return "an answer at once, for no other feed of this run had one from this host"
        return f"an answer within {self.deadline_s:g} s"


def request_policy_of(home: Home) -> RequestPolicy:
    """The policy that a home's environment asks for. Raises SettingsError for text that is no number."""
    return RequestPolicy(
        deadline_s=_seconds(home, "CITYRISK_CONNECT_DEADLINE_S", 60.0),
        first_wait_s=_seconds(home, "CITYRISK_CONNECT_FIRST_WAIT_S", 0.5),
        longest_wait_s=_seconds(home, "CITYRISK_CONNECT_LONGEST_WAIT_S", 30.0),
        answer_s=_seconds(home, "CITYRISK_CONNECT_ANSWER_S", 30.0),
    )


def retrying(
    request_policy: RequestPolicy,
    passes: Callable[[BaseException], bool],
    is_once: Callable[[], bool] | None = None,
) -> Retrying:
    """Exponential waits with jitter, or as long as the department asked; gives up before the deadline would pass.

    `passes` says of an error whether it may be over soon; any other is raised at once. `is_once` says after a try that
    failed whether it was the only one, where that may change on the way; without it the policy says so.
    """
    backoff = wait_exponential(multiplier=request_policy.first_wait_s, max=request_policy.longest_wait_s)
    jitter = wait_random(0, request_policy.first_wait_s)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, TransientError) else None
        return backoff(state) + jitter(state) if asked is None else asked

    patiently = stop_before_delay(request_policy.deadline_s)

    def stop(state: RetryCallState) -> bool:
        return (request_policy.is_once if is_once is None else is_once()) or patiently(state)

    return Retrying(
        retry=retry_if_exception(passes),
        wait=wait,
        stop=stop,
        sleep=lambda seconds: time.sleep(seconds),
        reraise=True,
    )


def _seconds(home: Home, name: str, default: float) -> float:
    text = home.environment.get(name)
    try:
        return float(text) if text else default
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}, expected seconds as a number") from error
