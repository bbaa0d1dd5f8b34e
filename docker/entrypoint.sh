#!/bin/sh
# The command line of TensorFlow Serving's own image: the model is named by the environment, further flags are added.
# exec: the server takes this process's place, so that it gets SIGTERM itself and can drain.
exec taxiway-model-server --port=8500 --rest_api_port=8501 \
    --model_name="${MODEL_NAME:-model}" \
    --model_base_path="${MODEL_BASE_PATH:-/models}/${MODEL_NAME:-model}" \
    "$@"
