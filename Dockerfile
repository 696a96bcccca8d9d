# The base image is pinned by tag: Python's minor version and Debian's release, so that a rebuild brings their security fixes.
# For a build that is the same bit for bit, pass a digest: docker build --build-arg PYTHON_IMAGE=python@sha256:... .
ARG PYTHON_IMAGE=python:3.13-slim-trixie


# --- builder: a virtual environment from hash-locked wheels, then the project itself without asking the network
FROM ${PYTHON_IMAGE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1

WORKDIR /src

# First what changes rarely, so that a change of the code does not download anything again. Wheels only: nothing is compiled, and
# no package's own build script runs.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /build \
    && /build/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/build.txt \
    && python -m venv --without-pip /opt/worker \
    && /build/bin/python -m pip --python /opt/worker/bin/python install \
        --require-hashes --only-binary :all: -r requirements/runtime.txt

COPY pyproject.toml LICENSE README.md ./
COPY worker/ worker/
RUN /build/bin/python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . \
    && /build/bin/python -m pip --python /opt/worker/bin/python install --no-index --no-deps /dist/*.whl \
    && /opt/worker/bin/python -m compileall -q /opt/worker/lib


# --- final: no pip in the environment, no compiler, nothing that the worker may write to but /app/var
FROM ${PYTHON_IMAGE} AS final

LABEL org.opencontainers.image.title="email-security-worker" \
      org.opencontainers.image.description="Unattended automation worker for Cloudflare Email Security" \
      org.opencontainers.image.licenses="Apache-2.0"

# A numeric user, so that `runAsNonRoot` can be checked without reading /etc/passwd.
RUN install -d -o root -g root -m 0755 /app \
    && install -d -o 10001 -g 10001 -m 0700 /app/var

COPY --from=builder /opt/worker /opt/worker
COPY rules/ /app/rules/

# WORKER_HTTP_BIND: outside a container the default is loopback. Inside one, loopback would hide the probes from the
# orchestrator and /metrics from Prometheus; the container's network is the border here, and nothing is published unless the
# one who runs it says so. The endpoints carry no mail data. An empty value switches them off.
ENV PATH="/opt/worker/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WORKER_HTTP_BIND=0.0.0.0:8080

# Relative defaults start here: WORKER_RULES_DIR=rules (mount your own over /app/rules, read-only) and
# WORKER_DATABASE_URL=sqlite:///var/worker.db (the ledger: keep this volume, and keep it on a local disk).
WORKDIR /app
VOLUME ["/app/var"]
EXPOSE 8080
USER 10001:10001

# SIGTERM drains: give the container longer to stop than WORKER_DRAIN_TIMEOUT (20 s).
STOPSIGNAL SIGTERM

# Asks where the worker listens, without a proxy from the environment; on Linux 0.0.0.0 and :: reach loopback. Healthy where
# HTTP is switched off.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; host, _, port = os.environ.get('WORKER_HTTP_BIND', '').rpartition(':'); port or sys.exit(0); c = http.client.HTTPConnection(host.strip('[]') or '127.0.0.1', int(port), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["worker"]
CMD ["run"]
