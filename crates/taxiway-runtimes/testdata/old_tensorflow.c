/* What stands for an old TensorFlow: all that is asked of it is its version. */

const char* TF_Version(void) { return "2.9.1"; }
