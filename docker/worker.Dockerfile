# The GPU worker: embeds images from the queue. Build from the repository's root:
#   docker build --platform linux/amd64 -f docker/worker.Dockerfile -t versamammo-worker .
# Every RUN line is a script of this folder; tests/infra runs those that need neither GPU nor root.

FROM node:24.11.1-bookworm-slim AS node

FROM node AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages ./packages
COPY functions ./functions
COPY docker ./docker
# `--build-arg PROVIDER=skip` makes an image for machines without a GPU.
ARG PROVIDER=cuda12
RUN docker/install-modules.sh $PROVIDER
RUN docker/prune-modules.sh node_modules linux x64

# onnxruntime's CUDA provider is built for CUDA 12 and cuDNN 9.
FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04
WORKDIR /app
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=modules /app ./
COPY models/tiny ./models/tiny
RUN docker/create-user.sh versamammo 10001
USER versamammo
# Loads the model's runtime and embeds a phantom on the CPU: a broken image is not pushed.
RUN docker/check-worker.sh
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    NODE_OPTIONS=--max-semi-space-size=8 \
    XDG_CACHE_HOME=/tmp
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "functions/src/worker.ts"]
