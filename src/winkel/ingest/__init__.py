"""Stage 1: request → log. Is an event acceptable, and how does it become durable?"""
