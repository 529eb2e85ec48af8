"""Before the broker's MQTT listener: nobody is thrown off for one message that is too large."""
