"""The whole main job, on real handwritten digits: train, look, publish, serve, ask, replace under load, put back.

Then rollouts, still under load: a good version is promoted by itself, two bad ones go back by themselves. At last a
file for phones and a web page are made of the better version, and held to its answers.

    python -m examples.digits.demo

Exits 1 when a request failed that no faulty version answered, when REST and gRPC answered differently, or when a step
did not happen.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import taxiway
from examples.digits.asking import Asked, Askers, Cases
from examples.digits.commands import ENVIRONMENT, MODEL, ROOT, Unhappy, arrived, lines_of, shown, taxiway_command
from examples.digits.rollouts import Scene, rolled_out
from examples.digits.story import Story, drawn, table
from taxiway import browser

FIRST_PORT = 8500


def main(argv: list[str] | None = None) -> int:
    """Tell the story; 0 when all of it went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "demo", help="emptied and used; default build/demo"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="how long to ask before and after each change")
    arguments = parser.parse_args(argv)
    folder = arguments.folder.absolute()
    story = Story()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        tell(story, folder, arguments.seconds)
    except (Unhappy, taxiway.errors.TaxiwayError) as error:
        story.bad(f"This did not go well: {error}")
        return 1
    return 0


def tell(story: Story, folder: Path, seconds: float) -> None:
    """The story. Raises Unhappy where it goes wrong."""
    cases = trained(story, folder)
    grpc = free_ports()
    urls = (f"http://127.0.0.1:{grpc + 1}", f"grpc://127.0.0.1:{grpc}")
    with served(story, folder, grpc):
        asked_once(story, urls, cases)
        askers = Askers([urls[0], urls[1]] * 2, cases)
        askers.start()
        try:
            moments = changed_under_load(story, askers, cases, folder, urls[0], seconds)
            moments += rolled_out(Scene(story, askers, folder, urls[0], typed_server(urls[0])))
        finally:
            askers.stop()
        reckoned(story, askers.asked(), moments)
    rows = folder / "digits.npz"
    every_digit(rows)
    for_phones(story, folder, rows)
    for_browsers(story, folder, rows)


def every_digit(file: Path) -> None:
    """Write all 1,797 images."""
    from sklearn.datasets import load_digits

    np.savez(file, image=load_digits().images.astype(np.float32))


def for_phones(story: Story, folder: Path, rows: Path) -> None:
    """Make the int8 file of version 2, held to the version's answers to every digit there is."""
    story.step("Make a file for phones, and let it answer every digit like version 2")
    argv = ["edge", "build", f"{MODEL}:2", "--store", shown(folder / "models"), "--variants", "int8"]
    taxiway_command(story, [*argv, "--data", shown(rows)])


def for_browsers(story: Story, folder: Path, rows: Path) -> None:
    """Make the web page of version 2, held to the same answers; told when there cannot be one."""
    story.step("Make a web page to draw digits on, and let it answer every digit like version 2")
    try:
        browser.install()
    except taxiway.errors.TaxiwayError as error:
        story.say(f"No page is made: {error.message}")
        story.say(error.hint or "")
        return
    store = folder / "models"
    taxiway_command(story, ["browser", "build", f"{MODEL}:2", "--store", shown(store), "--data", shown(rows)])
    for page in (store / MODEL / "2" / "artifacts" / "browser").rglob("index.html"):
        story.good(f"the page is {shown(page)}")
        story.say("browsers want it served:")
        story.command(["python", "-m", "http.server", "--directory", shown(page.parent)])


def trained(story: Story, folder: Path) -> Cases:
    """Train two runs; the first is version 1 in the store, the better one waits. What Keras answers for both."""
    story.step("Train on 1,437 real handwritten digits")
    first = run_trained(story, folder / "runs" / "first", ["--epochs", "3"])
    story.step("Publish that run as version 1")
    taxiway_command(story, ["publish", shown(first), MODEL, "--store", shown(folder / "models")])
    story.step("Train a better one: the same job, two processes that train as one")
    options = ["--epochs", "12", "--strategy", "multi-worker", "--workers", "2", "--global-batch", "64"]
    better = run_trained(story, folder / "runs" / "better", [*options, "--param", "rate=0.01"])
    taxiway_command(story, ["runs", "list", "--runs", shown(folder / "runs")])
    file = folder / "cases.npz"
    expected = [str(file), str(first), str(better), "--faulty", str(folder / "faulty")]
    lines_of(story, ["examples.digits.expected", *expected], folder / "expected.log")
    with np.load(file) as kept:
        answers = {1: kept["version_1"], 2: kept["version_2"], 3: kept["version_1"], 4: kept["faulty"]}
        return Cases(kept["images"], kept["labels"], answers)


def run_trained(story: Story, run: Path, options: Sequence[str]) -> Path:
    """Train the job into a run's directory, as one would type it, and say where its report is."""
    argv = ["train", "examples/digits:job", *options, "--run-dir", shown(run)]
    story.command(["taxiway", *argv])
    lines_of(story, ["taxiway", *argv], run.parent.parent / f"{run.name}.log")
    for file in (run / "report.html", run / "curves.svg"):
        if not file.is_file():
            raise Unhappy(f"the run has no {file.name}")
    story.good(f"look at {shown(run / 'report.html')}")
    story.good(f"or only at its picture, {shown(run / 'curves.svg')}")
    return run


@contextmanager
def served(story: Story, folder: Path, grpc: int) -> Iterator[None]:
    """A server over the folder's store until the block ends; REST on the port after gRPC's, admin on the next."""
    story.step("Serve it over REST and gRPC")
    argv = ["serve", shown(folder / "models"), "--state", shown(folder / "state")]
    if grpc != FIRST_PORT:
        argv += ["--grpc-port", str(grpc), "--rest-port", str(grpc + 1)]
    story.command(["taxiway", *argv])
    began = time.perf_counter()
    log = folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "taxiway", *argv], cwd=ROOT, env=ENVIRONMENT, stdout=output, stderr=output
        )
    try:
        wait_for_version_1(f"http://127.0.0.1:{grpc + 1}", server, log)
        story.good(f"version 1 answers, {time.perf_counter() - began:.1f} s after the command was typed")
        yield
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            raise Unhappy(f"the server did not stop; see {log}") from None


def wait_for_version_1(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the model answers; raises Unhappy when the server ends or takes half a minute."""
    deadline = time.perf_counter() + 30
    image = np.zeros((1, 8, 8), np.float32)
    with taxiway.Client(url) as client:
        while time.perf_counter() < deadline and server.poll() is None:
            try:
                client.predict(MODEL, {"image": image})
                return
            except taxiway.errors.TaxiwayError:
                time.sleep(0.02)
    raise Unhappy(f"the server did not come up; see {log}")


def asked_once(story: Story, urls: Sequence[str], cases: Cases) -> None:
    """The same five digits over both protocols; Unhappy when the answers differ."""
    story.step("Ask for five digits it has never seen")
    given = {}
    for url in urls:
        with taxiway.Client(url) as client:
            answer = client.predict(MODEL, {"image": cases.images[:5]})
        given[url] = answer["probabilities"]
        digits = " ".join(str(digit) for digit in given[url].argmax(axis=1))
        story.say(f"{url:<24} version {answer.version}: {digits}")
    sure = given[urls[0]].max(axis=1)
    read = given[urls[0]].argmax(axis=1)
    for line in drawn(cases.images[:5], [f"a {digit} ({part:.0%})" for digit, part in zip(read, sure, strict=True)]):
        story.say(line)
    story.say(f"written were: {' '.join(str(label) for label in cases.labels[:5])}")
    difference = max(float(np.abs(given[url] - cases.answers[1][:5]).max()) for url in urls)
    if difference > 1e-5 or not np.allclose(given[urls[0]], given[urls[1]], atol=1e-6):
        raise Unhappy(f"REST, gRPC and the model itself do not agree: {difference:g}")
    story.good("REST, gRPC and the model in Keras give the same probabilities")


def changed_under_load(
    story: Story, askers: Askers, cases: Cases, folder: Path, url: str, seconds: float
) -> list[tuple[str, float]]:
    """Publish version 2, then roll back, while being asked.

    Returns:
        The phases: what each is called, and the moment it ended.
    """
    story.step("Keep asking from four threads, two over REST and two over gRPC")
    time.sleep(seconds)
    moments = [("before: version 1", time.perf_counter())]

    story.step("Publish the better run while they ask")
    better = folder / "runs" / "better"
    taxiway_command(story, ["publish", shown(better), MODEL, "--store", shown(folder / "models")])
    moments.append(("while version 2 takes over", arrived(story, askers, 2, moments[-1][1])))
    with taxiway.Client(url) as client:
        read = client.predict(MODEL, {"image": cases.images[:5]})["probabilities"].argmax(axis=1)
    story.say(f"the five digits again: it reads {' '.join(map(str, read))}")
    time.sleep(seconds)
    moments.append(("after: version 2", time.perf_counter()))

    story.step("Put version 1 back with one command, still under load")
    taxiway_command(story, ["rollback", MODEL, *typed_server(url)])
    moments.append(("while version 1 comes back", arrived(story, askers, 1, moments[-1][1])))
    time.sleep(seconds)
    moments.append(("after: version 1 again", time.perf_counter()))
    return moments


def reckoned(story: Story, asked: Sequence[Asked], moments: Sequence[tuple[str, float]]) -> None:
    """The table; Unhappy when a request failed."""
    story.step("What the callers saw")
    phases: list[tuple[str, Sequence[Asked]]] = []
    start = 0.0
    for title, end in moments:
        phases.append((title, [one for one in asked if start <= one.answered < end]))
        start = end
    phases.append(("altogether", asked))
    for line in table(phases):
        story.wide(line)
    problems = [one.problem for one in asked if one.problem and not one.faulty]
    if problems:
        raise Unhappy(f"{len(problems)} requests failed, the first with: {problems[0]}")
    faulty = sum(one.faulty for one in asked)
    story.good(f"{len(asked):,} requests: {faulty} met the fault of version 4, none of the others failed, and each was")
    story.good("answered correctly by the version it names")


def typed_server(url: str) -> list[str]:
    """What one types so that a command finds the server."""
    return [] if url.endswith(f":{FIRST_PORT + 1}") else ["--server", url]


def free_ports() -> int:
    """The first of three free ports in a row: those that Taxiway takes by itself, when nothing listens on them."""
    for first in range(FIRST_PORT, FIRST_PORT + 1000, 10):
        try:
            for port in range(first, first + 3):
                with socket.socket() as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise Unhappy("no three free ports in a row")


if __name__ == "__main__":
    sys.exit(main())
