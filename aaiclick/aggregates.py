"""Aggregates that keep themselves up to date: see ``Aggregate`` and ``rollup``."""

from aaiclick.specs.aggregates import Aggregate, AggregateView, GroupKey, Measure, rollup

__all__ = ["Aggregate", "AggregateView", "GroupKey", "Measure", "rollup"]
