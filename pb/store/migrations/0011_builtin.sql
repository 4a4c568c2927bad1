-- The few jobs that pb itself has are left out of most lists and sums.
CREATE INDEX job_builtin ON job (name) WHERE source = 'builtin';
