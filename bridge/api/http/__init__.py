"""The machinery of REST: operations, requests, responses, authorization, idempotency, pages and problems."""
