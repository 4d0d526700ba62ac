"""Marshmallow schemas of requests and answers, one module per category."""
