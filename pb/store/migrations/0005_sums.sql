-- Sums for averages that survive the runs they are made of. Milliseconds; the counts say of how many
-- runs: those with a duration, and first attempts that were planned.
ALTER TABLE job_state ADD COLUMN timed_runs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_state ADD COLUMN duration_ms_sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_state ADD COLUMN late_runs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_state ADD COLUMN lateness_ms_sum INTEGER NOT NULL DEFAULT 0;
