"""Files: where they lie (paths), how they are written (outputs), what is in them (tables, schemas, rdm_store). Imports nothing
of ours."""
