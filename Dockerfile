# The session server. Build arguments choose what is in it:
#
#   docker build -t trunkline .                               embedded services, no key needed
#   docker build -t trunkline --build-arg EXTRAS=openai .     a server for assistants on OpenAI
#
# Run it with tokens, or it listens on its own loopback only and nobody reaches it:
#
#   docker run -p 8765:8765 -e TRUNKLINE_TOKENS=... -e OPENAI_API_KEY=... trunkline

FROM python:3.12-slim-bookworm AS build
ARG EXTRAS=embedded,openai
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY scripts/install-into scripts/web scripts/node.txt scripts/
COPY web web
COPY proxy proxy
COPY agents agents
COPY app app
RUN scripts/web && scripts/install-into /opt/trunkline "$EXTRAS"

FROM python:3.12-slim-bookworm
LABEL org.opencontainers.image.title="Trunkline" \
      org.opencontainers.image.description="Voice assistants behind a URL." \
      org.opencontainers.image.licenses="BSD-2-Clause"
RUN useradd --system --create-home --home-dir /var/lib/trunkline --uid 10001 trunkline
COPY --from=build /opt/trunkline /opt/trunkline
ENV PATH=/opt/trunkline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRUNKLINE_PORT=8765
USER 10001
WORKDIR /var/lib/trunkline
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"TRUNKLINE_PORT\"]}/livez', timeout=2)"]
CMD ["trunkline", "serve"]
