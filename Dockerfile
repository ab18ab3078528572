# The assistant as a container: `serve`, with an Admin API that runs elsewhere. compose.yaml puts one beside it.
FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /gatechat
COPY requirements.lock ./
RUN /gatechat/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /gatechat/bin/pip install --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin gatechat \
    && install --directory --owner=10001 --mode=700 /data
COPY --from=build /gatechat /gatechat
COPY container/healthcheck.py /healthcheck.py
ENV PATH=/gatechat/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GATECHAT_DATA_DIR=/data
USER 10001
VOLUME /data
WORKDIR /
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s \
    CMD ["python", "/healthcheck.py", "http://127.0.0.1:5000/healthz"]
ENTRYPOINT ["gatechat"]
CMD ["serve"]
