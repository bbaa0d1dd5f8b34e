"""Models become pages, and the pages are asked in a real browser: one session for all of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from taxiway.artifacts import Rows, Source, Workshop, rows_of, signature_of
from taxiway.browser import npm
from taxiway.browser.build import Built, Wish, build_of, contract_of
from taxiway.browser.run.asking import Asked, Runtime
from taxiway.browser.run.chromium import Backend, Chromium, find_chromium
from taxiway.browser.run.node import Node, find_node
from taxiway.browser.tried import Runtimes
from taxiway.errors import FailedPrecondition, Unimplemented

pytest.importorskip("tensorflow")
pytest.importorskip("keras")

from examples.edge.models import EXAMPLES, HELD_BACK, digits, held_back, trained, write
from tests.journeys.pages import save

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]

NAMES = list(EXAMPLES)
# For what a page does at once, on a machine with too much else to do.
PATIENCE_MS = 120_000
Tools: TypeAlias = "tuple[Workshop, npm.Packages, Runtimes]"
# The plain JavaScript backends take seconds for a MobileNet.
SMALL = [name for name in NAMES if name != "mobilenet"]


@pytest.fixture(scope="module")
def packages() -> npm.Packages:
    try:
        find_chromium(), find_node()
        return npm.find()
    except FailedPrecondition as error:
        pytest.skip(f"{error.message} {error.hint}")


@pytest.fixture(scope="module")
def browser(packages: npm.Packages) -> Iterator[Chromium]:
    with Chromium(packages) as running:
        yield running


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as shared:
        yield shared


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A model, made when it is first asked for. The one that a page draws for has learnt its digits."""
    folder = tmp_path_factory.mktemp("saved")

    @cache
    def model(name: str) -> Path:
        return write(name, folder, trained(name)) if name == "mlp" else save(name, folder)

    return model


@pytest.fixture(scope="module")
def page(
    saved: Callable[[str], Path], workshop: Workshop, browser: Chromium, packages: npm.Packages,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Built]:  # fmt: skip
    """A model's page, made when it is first asked for, and what asking it found."""
    folder = tmp_path_factory.mktemp("pages")
    wasm = Backend(browser, "wasm")

    @cache
    def build(name: str) -> Built:
        signature = "ids" if name == "text" else "serving_default"
        others: list[Runtime] = [Backend(browser, "cpu"), Node(packages)] if name in SMALL else []
        where = Runtimes([wasm, *others])
        wish = Wish(signature, contract_of(None, "float32"), out=folder / name)
        return made(saved(name), name, wish, (workshop, packages, where))

    return build


def made(saved_model: Path, name: str, wish: Wish, tools: Tools) -> Built:
    """A page of 320 rows' standing."""
    workshop, packages, where = tools
    source = Source(saved_model, name, None, None, str(saved_model), saved_model.parent / "artifacts")
    inputs, labels = held_back(name, wish.signature)
    data = {key: one[:320] for key, one in inputs.items()}
    asked = signature_of(source, wish.signature, "TensorFlow.js")
    rows = rows_of(data, labels[:320], (wish.signature, asked), saved_model)
    return build_of(workshop, source, wish, packages, rows=rows, where=where)


@pytest.fixture(scope="module")
def wasm(workshop: Workshop, packages: npm.Packages, browser: Chromium) -> Tools:
    return workshop, packages, Runtimes([Backend(browser, "wasm")])


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_a_model_answers_as_tensorflow_does(page: Callable[[str], Built], name: str) -> None:
    (one,) = page(name).report.variants
    assert one.kept, one.reason
    assert one.agreement is not None and one.agreement.agreeing == 320
    allowed = max(1e-5, 8 * page(name).report.noise_floor)
    assert one.agreement.largest_difference <= allowed
    wanted = {"wasm", "cpu", "node"} if name in SMALL else {"wasm"}
    assert {key for key, found in one.notes["backends"].items() if found["difference"] <= allowed} == wanted


def test_webgl_and_webgpu_in_software_answer_as_wasm_does(page: Callable[[str], Built], browser: Chromium) -> None:
    """The page's own answers on wasm are held to TensorFlow's."""
    asked = Asked({"image": held_back("mlp")[0]["image"][:32]}, 32)
    answered = {one: Backend(browser, one).ask(Path(page("mlp").place), asked) for one in ("wasm", "webgl", "webgpu")}
    held = answered.pop("wasm").outputs["probabilities"]
    for name, one in answered.items():
        assert np.abs(one.outputs["probabilities"] - held).max() <= 1e-5 and one.leaked == 0, name


@pytest.mark.parametrize(("weights", "share"), [("float16", 0.52), ("uint16", 0.52), ("uint8", 0.27)])
def test_weights_of_fewer_bits_are_smaller_and_agree(
    saved: Callable[[str], Path], page: Callable[[str], Built], wasm: Tools, tmp_path: Path, weights: str, share: float
) -> None:
    wish = Wish("serving_default", contract_of(None, weights), weights, out=tmp_path / "page")  # type: ignore[arg-type]
    (one,) = made(saved("mlp"), "mlp", wish, wasm).report.variants
    (whole,) = page("mlp").report.variants
    assert one.kept, one.reason
    assert (one.size_bytes or 0) < share * (whole.size_bytes or 0) + 8000


def test_a_page_whose_answers_are_wrong_is_not_written(
    saved: Callable[[str], Path], workshop: Workshop, browser: Chromium, packages: npm.Packages, tmp_path: Path
) -> None:
    class Wrong(Backend):
        def ask(self, folder: Path, asked: Any) -> Any:
            (shard,) = folder.glob("*.bin")
            data, at = bytearray(shard.read_bytes()), 0
            for one in json.loads((folder / "model.json").read_text())["weightsManifest"][0]["weights"]:
                size = 4 * int(np.prod(one["shape"]))
                if one["dtype"] == "float32":
                    data[at : at + size] = np.frombuffer(data[at : at + size], np.float32)[::-1].tobytes()
                at += size
            shard.write_bytes(data)
            return super().ask(folder, asked)

    tools = (workshop, packages, Runtimes([Wrong(browser, "wasm")]))
    wish = Wish("serving_default", contract_of(None, "float32"), out=tmp_path / "page")
    built = made(saved("mlp"), "mlp", wish, tools)
    (one,) = built.report.variants
    assert not one.kept and "is asked for" in one.reason
    assert built.place == "" and not (tmp_path / "page").exists()


def test_a_truncated_shard_is_said_by_the_loader(
    page: Callable[[str], Built], browser: Chromium, packages: npm.Packages, tmp_path: Path
) -> None:
    folder = tmp_path / "page"
    shutil.copytree(page("mlp").place, folder)
    (shard,) = folder.glob("*.bin")
    shard.write_bytes(shard.read_bytes()[:-4])
    rows = Rows(held_back("mlp")[0], None, "rows")
    for runtime in (Backend(browser, "wasm"), Node(packages)):
        with pytest.raises(FailedPrecondition, match="bytes of weights, and .* are needed"):
            runtime.ask(folder, Asked(rows.inputs, 32))


def test_texts_are_refused_with_the_signature_that_would_do(saved: Callable[[str], Path]) -> None:
    source = Source(saved("text"), "text", None, None, "text", saved("text"))
    with pytest.raises((FailedPrecondition, Unimplemented), match="is text, and TensorFlow.js") as caught:
        signature_of(source, "serving_default", "TensorFlow.js")
    assert caught.value.hint == "--signature ids"


def test_a_model_of_several_rows_at_a_time_gets_a_form_with_as_many(
    workshop: Workshop, packages: npm.Packages, browser: Chromium, tmp_path: Path
) -> None:
    import tensorflow as tf

    module = tf.Module()
    spec = tf.TensorSpec([3, 4], tf.float32, "x")
    serve = tf.function(lambda x: {"scores": tf.nn.softmax(4.0 * x)}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "three"), {"serving_default": serve})
    rows = np.random.default_rng(1).random((300, 4)).astype(np.float32)
    source = Source(tmp_path / "three", "three", None, None, "three", tmp_path)
    wish = Wish("serving_default", contract_of("agreement>=0.98", "float32"), out=tmp_path / "page")
    where = Runtimes([Backend(browser, "wasm")])
    built = build_of(workshop, source, wish, packages, rows=Rows({"x": rows}, None, "rows"), where=where)
    assert built.place, built.report.variants[0].reason
    assert built.report.measured.startswith("one request of 3 rows, in headless Chromium on wasm")

    async def shown() -> tuple[str, str]:
        page = await browser.context().new_page()
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(f"{browser.web.url}/{browser.served(tmp_path / 'page')}/index.html")
        await page.wait_for_function("document.body.dataset.top !== undefined || !error.hidden")
        texts = [await page.inner_text(one) for one in ("#numbers", "#error")]
        await page.close()
        return texts[0], texts[1]

    numbers, error = browser.do(shown(), 240)
    assert error == "" and numbers.splitlines()[1].startswith(f"row 2: {rows[1].argmax()} "), (numbers, error)
    assert len(numbers.splitlines()) == 3


def test_a_digit_that_is_drawn_on_the_page_is_read_right_also_without_a_network(
    page: Callable[[str], Built], browser: Chromium, tmp_path: Path
) -> None:
    images, labels = digits()
    drawn = {digit: images[:HELD_BACK][labels[:HELD_BACK] == digit][0] for digit in range(6)}
    read, asked, problems = browser.do(visit(browser, Path(page("mlp").place), drawn, tmp_path), 480)
    assert problems == []
    assert sum(read[digit] == str(digit) for digit in drawn) >= 5, read
    assert read["offline"] == read[0] == "0", read
    assert all(url.startswith(browser.web.url) for url in asked)  # nothing comes from elsewhere
    assert (tmp_path / "digit.png").stat().st_size > 10_000


async def visit(
    browser: Chromium, folder: Path, drawn: dict[int, Any], shots: Path
) -> tuple[Any, list[str], list[str]]:
    """Draw each digit on the page with a mouse, then the 0 once more without a network."""
    page = await browser.context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    key = browser.served(folder)
    await page.goto(f"{browser.web.url}/{key}/index.html")
    await page.wait_for_function("document.body.dataset.ready === 'yes'")
    read: dict[Any, Any] = {}
    for digit, image in drawn.items():
        read[digit] = await draw(page, image)
        if digit == 0:
            await page.screenshot(path=shots / "digit.png")
    await page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    await page.wait_for_function("navigator.serviceWorker.controller !== null")
    del browser.web.folders[key]
    await page.goto(f"{browser.web.url}/{key}/")
    await page.wait_for_function("document.body.dataset.ready === 'yes'")
    read["offline"] = await draw(page, drawn[0])
    await page.close()
    return read, asked, problems


async def draw(page: Any, image: Any) -> str:
    """Trace the dark pixels with the mouse, along rows and columns; what the page reads."""
    await page.click("#clear")
    await page.wait_for_function("document.body.dataset.top === undefined")
    box = await page.locator("#canvas").bounding_box()
    step = box["width"] / 10

    async def stroke(start: tuple[int, int], end: tuple[int, int]) -> None:
        for act, (row, column) in ((page.mouse.down, start), (page.mouse.up, end)):
            await page.mouse.move(box["x"] + (column + 1.5) * step, box["y"] + (row + 1.5) * step)
            await act()

    dark = image > 7
    for number in range(8):
        for first, last in runs(dark[number]):
            await stroke((number, first), (number, last))
        for first, last in runs(dark[:, number]):
            if last > first:
                await stroke((first, number), (last, number))
    await page.wait_for_function("document.body.dataset.top !== undefined")
    await page.wait_for_function("document.body.dataset.busy === undefined")
    return str(await page.evaluate("document.body.dataset.top"))


def runs(line: Any) -> list[tuple[int, int]]:
    """Where dark pixels follow each other: the first and the last of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(int), [0]])))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]


def test_the_command_builds_and_verifies_a_page(
    saved: Callable[[str], Path],
    packages: npm.Packages,
    workshop: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from taxiway.cli.main import main

    # TensorFlow starts once for this file.
    for module in ("build", "verify"):
        monkeypatch.setattr(sys.modules[f"taxiway.browser.{module}"], "Workshop", lambda: nullcontext(workshop))
    out = tmp_path / "page"
    rows = ["--data", str(saved("mlp").with_suffix(".npz"))]
    assert main(["browser", "build", str(saved("mlp")), *rows, "--out", str(out), "--backends", "wasm"]) == 0
    assert "float32 written: 897 of 897 rows agree" in capsys.readouterr().out
    assert main(["browser", "verify", str(out), "--backends", "node", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["place"] == str(out) and list(document["variants"][0]["notes"]["backends"]) == ["node"]
    assert document == {**json.loads((out / "report.json").read_text()), "place": str(out), "not_verified": None}
    assert document["measured"].startswith("one row, in Node ")
    # Without a browser and without Node it is written, and said to be unverified, where no page is that was tried.
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["browser", "build", str(saved("mlp")), *rows, "--out", str(out)]) == 1
    assert "has a page that was tried, and this one could not be" in capsys.readouterr().err
    assert main(["browser", "build", str(saved("mlp")), *rows, "--out", str(tmp_path / "other")]) == 0
    said = capsys.readouterr()
    assert "not verified" in said.out and "Not verified on wasm, cpu: There is no Chromium." in said.err
    assert "node: There is no Node" in said.err
    assert main(["browser", "build", str(saved("mlp")), "--no-verify", "--out", str(out)]) == 0
    assert "It takes the place of a page that was tried: 897 of 897 rows agree" in capsys.readouterr().err
    os.truncate(next(out.glob("*.bin")), 100)
    assert main(["browser", "verify", str(out)]) == 1
    assert "100 bytes, and model.json needs" in capsys.readouterr().err
