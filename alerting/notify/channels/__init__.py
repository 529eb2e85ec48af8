"""Ways out of the house: webhook, e-mail, MQTT, robot, SMS and CAP feed, and the workers that empty the outbox.

Not here: what is told and to whom (`alerting.notify.notices`, `alerting.policy.dispatch`), what CAP says
(`alerting.cap`).
"""
