-- What the tokens of web hooks are made of, for jobs that have none of their own.
INSERT INTO meta (key, value) VALUES ('hook_key', lower(hex(randomblob(32))));
