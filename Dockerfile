# Easel's server in a container. docs/remote.md says how it is run.
#
#   docker build -t easel .                                    torch as pip finds it, for NVIDIA's cards
#   docker build -t easel --build-arg TORCH_INDEX=URL .        another build, for processors or an older driver; URL is
#                                                              the index that https://pytorch.org/get-started/locally names

ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS build
ARG TORCH_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY constraints.txt ./
# torch by itself and first: it is large, it changes seldom, and all that needs it then finds it there.
RUN python -m venv /opt/easel \
    && /opt/easel/bin/pip install --constraint constraints.txt ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/easel/bin/pip install --constraint constraints.txt ".[postgres]"

FROM python:${PYTHON}-slim-bookworm
# TCMalloc is faster than the C library's allocator; Debian keeps no older version of it to pin.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libtcmalloc-minimal4 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home easel \
    && install --directory --owner=easel --group=easel /models /outputs /config
COPY --from=build /opt/easel /opt/easel
ENV PATH=/opt/easel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LD_PRELOAD=libtcmalloc_minimal.so.4 \
    EASEL_MODELS=/models \
    EASEL_OUTPUTS=/outputs \
    XDG_CONFIG_HOME=/config \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000
WORKDIR /home/easel
VOLUME ["/models", "/outputs", "/config"]
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/v1/healthz', timeout=4)"]
ENTRYPOINT ["easel"]
# Refused in one line as long as nobody is named who may come in: `easel users add`, or EASEL_AUTH.
CMD ["serve", "--listen"]
