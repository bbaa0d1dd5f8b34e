# An image that takes the place of tensorflow/serving: same ports, variables, mount and entry point.
#
#   docker build --target tensorflow -t taxiway .              SavedModels (the default target)
#   docker build --target litert -t taxiway:litert .           model.tflite only; a tenth of the size
#   docker run -p 8500:8500 -p 8501:8501 -v "$PWD/my_model:/models/my_model" -e MODEL_NAME=my_model taxiway

FROM rust:1.95-slim-bookworm AS wheel
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/maturin \
    && /opt/maturin/bin/pip install --no-cache-dir "maturin>=1.9,<2"
WORKDIR /src
COPY Cargo.toml Cargo.lock pyproject.toml README.md LICENSE ./
COPY crates crates
COPY proto proto
COPY src src
RUN /opt/maturin/bin/maturin build --release --locked --out /wheels

FROM python:3.12-slim-bookworm AS base
ENV MODEL_NAME=model \
    MODEL_BASE_PATH=/models \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin taxiway \
    && mkdir /models \
    && ln -s /usr/local/bin/taxiway-model-server /usr/bin/tensorflow_model_server
COPY docker/entrypoint.sh /usr/bin/tf_serving_entrypoint.sh
COPY docker/healthcheck.py /usr/lib/taxiway/healthcheck.py
# gRPC, REST
EXPOSE 8500 8501
# Models may take minutes to load before the ports open.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
    CMD ["python", "/usr/lib/taxiway/healthcheck.py"]
ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]

FROM base AS litert
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[litert]"
USER 10001

FROM base AS tensorflow
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[tensorflow,litert]"
USER 10001
