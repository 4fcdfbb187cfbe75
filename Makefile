.PHONY: setup check format test lock schema

setup:            ## .venv with everything a developer needs
	.ci/setup requirements-dev.lock

check: setup      ## ruff, mypy, import contracts, migrations, deploy check
	.ci/check

format: setup
	.venv/bin/ruff check -q --fix .
	.venv/bin/ruff format -q .

test:
	./test

lock:             ## write the three locks anew (needs uv)
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header -p 3.11 pyproject.toml -o requirements.lock
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header -p 3.11 pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header -p 3.11 pyproject.toml --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock

schema:           ## docs/openapi.yaml anew, from the views; refuses a view that does not describe itself
	.venv/bin/python manage.py spectacular --file docs/openapi.yaml --validate --fail-on-warn
