"""Ways out of the house: webhook, e-mail, MQTT, robot, SMS and CAP feed, and the workers that empty the outbox."""
