-- title: pages per day
-- strategy: derived

-- Derived from the declarations, not to be repeated here:
--   pages_daily: table is new
--   pages_daily_mv: view is new
--   pages_per_day: view is new
