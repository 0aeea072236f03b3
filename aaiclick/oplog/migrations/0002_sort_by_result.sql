-- title: operations are sorted by the table they made; args become part of kwargs
-- strategy: rebuild operation_log
--   kwargs = if(hasAll(mapValues(kwargs), args), kwargs,
--            mapConcat(kwargs, mapFromArrays(arrayMap(place -> concat('source_', toString(place - 1)), arrayEnumerate(args)), args)))

-- Releases up to 0.0.9 wrote the tables that an operation read (those of a concat) into args; every later one writes them into kwargs, as
-- source_0, source_1 ..., and looks for them only there: without this, the lineage of old operations would end here. A row whose kwargs
-- name all of its args stays as it is, byte for byte, and args itself stays until it is asked to be dropped.
-- The new sort key, run_id and the TTL that goes follow from the declaration.
