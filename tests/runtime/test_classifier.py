"""From text to label against transformers, and every refusal of a model that does not match."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.batching import Cost
from runtime.classifier import Classifier, Prediction
from runtime.errors import DigestError, EngineError, InputError, ManifestError, ModelError, ProbeError
from runtime.manifest import MANIFEST_NAME, digest_files
from runtime.normalize import normalize
from runtime.probes import PROBES_NAME, read_probes
from runtime.tokenizer import Batch

TEXTS = ["房间很干净，服务也好。", "太差了", "ＡＢＣ１２３", "好" * 300, "OK 👍🏽", "还行吧" * 9]


@pytest.fixture(scope="module")
def classifier(tiny_model_dir: Path) -> Classifier:
    return Classifier.load(tiny_model_dir, threads=1)


@pytest.fixture
def model_dir(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def test_logits_equal_transformers_text_by_text(classifier: Classifier, tiny_model_dir: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model_dir).eval()
    limit = classifier.manifest.max_length
    folded = [normalize(text, classifier.manifest.normalizers) for text in TEXTS]
    with torch.no_grad():
        expected = [
            model(**tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")).logits[0].numpy()
            for text in folded
        ]
    np.testing.assert_allclose(classifier.logits(TEXTS), np.stack(expected), atol=2e-5)


def test_order_and_company_do_not_change_an_answer(classifier: Classifier) -> None:
    order = random.Random(4).sample(range(len(TEXTS)), len(TEXTS))
    together = classifier.predict_proba([TEXTS[index] for index in order])
    for row, index in enumerate(order):
        np.testing.assert_allclose(together[row], classifier.predict_proba([TEXTS[index]])[0], atol=1e-5)


def test_a_prediction_agrees_with_the_probabilities(classifier: Classifier) -> None:
    probabilities = classifier.predict_proba(TEXTS)
    found = classifier.predict(TEXTS)
    assert len(found) == len(TEXTS)
    for row, prediction in zip(probabilities, found, strict=True):
        assert isinstance(prediction, Prediction)
        assert prediction.label == classifier.manifest.labels[int(row.argmax())]
        assert prediction.score == prediction.scores[prediction.label] == pytest.approx(float(row.max()))
        assert tuple(prediction.scores) == classifier.manifest.labels
    assert [prediction.truncated for prediction in found] == [False, False, False, True, False, False]


def test_normalizers_of_the_manifest_are_applied(classifier: Classifier) -> None:
    np.testing.assert_array_equal(classifier.logits(["ＡＢＣ１２３"]), classifier.logits(["ABC123"]))
    bare = Classifier(
        classifier.manifest.model_copy(update={"normalizers": ()}), classifier.tokenizer, classifier.backend
    )
    assert not np.array_equal(bare.logits(["ＡＢＣ１２３"]), bare.logits(["ABC123"]))


def test_a_pair_is_not_its_two_texts_joined(classifier: Classifier) -> None:
    [pair, joined, swapped] = classifier.logits([("房间", "服务"), "房间服务", ("服务", "房间")])
    assert not np.allclose(pair, joined)
    assert not np.allclose(pair, swapped)
    np.testing.assert_array_equal(classifier.logits([("Ａ", "１")]), classifier.logits([("A", "1")]))


def test_no_texts_give_no_rows(classifier: Classifier) -> None:
    assert classifier.logits([]).shape == (0, 2)
    assert classifier.predict([]) == []


def test_warm_up_runs_the_longest_input(classifier: Classifier) -> None:
    counting = Counting(classifier.backend.logits)
    Classifier(classifier.manifest, classifier.tokenizer, counting).warm_up()
    assert max(counting.lengths) == classifier.manifest.max_length
    assert min(counting.lengths) == 16


def test_warm_up_replaces_the_guessed_cost_by_a_measured_one(classifier: Classifier) -> None:
    fresh = Classifier(classifier.manifest, classifier.tokenizer, classifier.backend)
    assert fresh.cost == Cost()
    fresh.warm_up()
    assert fresh.cost != Cost()
    assert fresh.cost(100, 50) > 0


def test_encodings_are_predicted_as_their_texts_are(classifier: Classifier) -> None:
    encodings = classifier.encode(TEXTS)
    assert classifier.predict(encodings) == classifier.predict(TEXTS)
    mixed = [encodings[0], *TEXTS[1:3], *encodings[3:]]
    np.testing.assert_allclose(classifier.logits(mixed), classifier.logits(TEXTS), atol=1e-6)


def test_what_computes_is_told(classifier: Classifier) -> None:
    assert classifier.compute.startswith("fp32 on cpu")


def test_what_is_no_text_is_refused(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="text 1"):
        classifier.predict(["好", "\udc00"])


def test_an_engine_with_a_wrong_number_of_rows_is_refused(classifier: Classifier) -> None:
    short = Counting(lambda batch: classifier.backend.logits(batch)[:-1])
    with pytest.raises(EngineError, match="shape"):
        Classifier(classifier.manifest, classifier.tokenizer, short).predict(TEXTS)


def test_a_loaded_model_replays_its_probes(classifier: Classifier, tiny_model_dir: Path) -> None:
    assert classifier.check_probes(read_probes(tiny_model_dir)) < 1e-5


def rewrite(directory: Path, change: Callable[[dict[str, Any]], None], *, digests: bool = True) -> None:
    """Change the manifest as someone with a text editor would, with digests that match again."""
    path = directory / MANIFEST_NAME
    fields = json.loads(path.read_text(encoding="utf-8"))
    if digests:
        fields["files"] = digest_files(directory)
    change(fields)
    path.write_text(json.dumps(fields), encoding="utf-8")


def test_changed_weights_are_refused(model_dir: Path) -> None:
    weights = model_dir / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DigestError, match=r"model\.safetensors"):
        Classifier.load(model_dir)


def test_swapped_labels_are_refused_by_the_config(model_dir: Path) -> None:
    rewrite(model_dir, lambda fields: fields["labels"].reverse())
    with pytest.raises(ManifestError, match="config"):
        Classifier.load(model_dir)


def test_one_label_too_many_is_refused(model_dir: Path) -> None:
    rewrite(model_dir, lambda fields: fields["labels"].append("中性"))
    with pytest.raises(ManifestError, match="label"):
        Classifier.load(model_dir)


def test_a_limit_beyond_the_positions_is_refused(model_dir: Path) -> None:
    rewrite(model_dir, lambda fields: fields.update(max_length=513))
    with pytest.raises(ManifestError, match="513"):
        Classifier.load(model_dir)


def test_other_normalizers_than_recorded_change_the_probes(model_dir: Path) -> None:
    probes = model_dir / PROBES_NAME
    line = json.loads(probes.read_text(encoding="utf-8").splitlines()[0])
    line["text"] = "ＡＢＣ１２３４５６"
    classifier = Classifier.load(model_dir)
    line["logits"] = classifier.logits([line["text"]])[0].tolist()
    probes.write_text(json.dumps(line) + "\n", encoding="utf-8")
    rewrite(model_dir, lambda _fields: None)
    Classifier.load(model_dir)
    rewrite(model_dir, lambda fields: fields.update(normalizers=[]))
    with pytest.raises(ProbeError, match="probe 1"):
        Classifier.load(model_dir)


def test_another_tokenizer_than_recorded_is_refused(model_dir: Path) -> None:
    path = model_dir / "tokenizer.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    vocab = fields["model"]["vocab"]
    for first, second in zip("房服太很", "间务差好", strict=True):
        vocab[first], vocab[second] = vocab[second], vocab[first]
    path.write_text(json.dumps(fields), encoding="utf-8")
    rewrite(model_dir, lambda _fields: None)
    with pytest.raises(ProbeError):
        Classifier.load(model_dir)


def test_a_token_beyond_the_embeddings_is_refused_wherever_it_stands(model_dir: Path) -> None:
    path = model_dir / "tokenizer.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["model"]["vocab"]["房"] = 99_999
    path.write_text(json.dumps(fields), encoding="utf-8")
    rewrite(model_dir, lambda _fields: None)
    with pytest.raises(ManifestError, match="token id 99999 is beyond"):
        Classifier.load(model_dir)


def test_a_model_of_pairs_needs_two_types_of_embedding(model_dir: Path) -> None:
    from safetensors.torch import load_file, save_file

    name = "bert.embeddings.token_type_embeddings.weight"
    weights = load_file(model_dir / "model.safetensors")
    save_file(weights | {name: weights[name][:1].clone()}, model_dir / "model.safetensors")
    rewrite(model_dir, lambda _fields: None)
    Classifier.load(model_dir)
    rewrite(model_dir, lambda fields: fields.update(text_pair=True))
    with pytest.raises(ManifestError, match="PyTorch failed"):
        Classifier.load(model_dir)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", PROBES_NAME, MANIFEST_NAME]
)
def test_a_missing_file_is_named(model_dir: Path, name: str) -> None:
    (model_dir / name).unlink()
    with pytest.raises(ModelError, match=name):
        Classifier.load(model_dir)


def test_a_directory_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="train save"):
        Classifier.load(tmp_path / "nowhere")


class Counting:
    """A backend that records the padded length of every batch."""

    def __init__(self, logits: Callable[[Batch], Any]) -> None:
        self._logits = logits
        self.lengths: list[int] = []

    def logits(self, batch: Batch) -> Any:
        self.lengths.append(batch.input_ids.shape[1])
        return self._logits(batch)
