"""The event log: where accepted events are durable before anything else happens to them."""
