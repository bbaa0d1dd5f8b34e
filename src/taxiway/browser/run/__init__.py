"""Running an artefact where it will run: in a real browser, and in Node."""
