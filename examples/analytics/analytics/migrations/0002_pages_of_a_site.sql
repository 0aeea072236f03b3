-- title: pages of a site
-- strategy: derived

-- Derived from the declarations, not to be repeated here:
--   hits: column host is missing
--   hits: column path is missing
--   hits: sort key at -> (host, path, at)
