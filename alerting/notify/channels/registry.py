"""From a row of channels.csv and the home's environment to a channel that can send, or the reason why it cannot."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from alerting.cap.publish import Outlet
from alerting.notify.channels.cap import CapFeed
from alerting.notify.channels.channel_config import ChannelConfig, ChannelRow
from alerting.notify.channels.email import Email, Post
from alerting.notify.channels.form import Channel, NotSetUp
from alerting.notify.channels.mqtt import Mqtt, MqttConnection
from alerting.notify.channels.retry_policy import RetryPolicy
from alerting.notify.channels.robot import Robot
from alerting.notify.channels.sms import Sms
from alerting.notify.channels.webhook import Webhook
from core.runtime.notice_lock import is_dry_run
from core.settings import Home


def open_channel(
    row: ChannelRow, channel_config: ChannelConfig, engine: sa.Engine, home: Home, retry_policy: RetryPolicy
) -> Channel:
    """The channel of a row. Raises NotSetUp, which names the variable and never its value."""
    address, secret = _values(row, home.environment)
    timeout_s, width = retry_policy.timeout.total_seconds(), retry_policy.width
    try:
        match row.kind:
            case "webhook":
                return Webhook(_web(address), secret, timeout_s)
            case "robot":
                return Robot(_web(address), row.languages, timeout_s)
            case "sms":
                return Sms(row, _web(address), secret, channel_config.directory, timeout_s)
            case "email":
                return Email(Post.of(address), row.languages, channel_config.directory, width, timeout_s)
            case "mqtt":
                return Mqtt(MqttConnection.of(address), width, timeout_s)
            case "cap":
                outlet = Outlet(row.channel_id, row.is_public, address)
                return CapFeed(engine, home, channel_config.cap, outlet, f"{row.name_zh} / {row.name_en}")
    except NotSetUp as error:
        raise NotSetUp(f"{row.address_env}: {error}") from error


def is_dry(row: ChannelRow, home: Home) -> bool:
    """Whether a channel only writes down what it would have sent."""
    return row.dry_run or is_dry_run(home)


def _values(row: ChannelRow, environment: Mapping[str, str]) -> tuple[str, str]:
    missing = [name for name in (row.address_env, row.secret_env) if name and not environment.get(name)]
    if missing:
        raise NotSetUp(f"{' and '.join(missing)} not set; give it in the environment or in secrets.env, then restart")
    return environment[row.address_env], environment.get(row.secret_env, "") if row.secret_env else ""


def _web(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise NotSetUp("the address must begin with http:// or https://")
    return address
