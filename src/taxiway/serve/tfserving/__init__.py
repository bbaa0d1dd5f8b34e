"""TensorFlow Serving's command line, config files and reload call, in front of Taxiway's own control plane.

    argv → flags → options → control plane          flags, syntax, options
    text-format files → messages → frozen values     files, platform, model_config
    reload request, changed config file → desired    reload, poll

Names, numbers and texts are TensorFlow Serving's; docs/guides/coming-from-tensorflow-serving.md lists what differs.
"""
