"""Answers: topic router on the sentence, a head in which the question attends to the image, and the gate for neighbours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from versamammo import calibration, distributed
from versamammo.checkpoint import describe, pack, publish, read_file, read_manifest, unpack
from versamammo.config import Answers, Config, Task, head_tasks, section
from versamammo.data import PreparedDataset, task_targets
from versamammo.errors import TrainingError
from versamammo.features import Features, cache_folder, extract
from versamammo.gate import Gate, Sample, combine, fit, vote
from versamammo.graphs import round_weights
from versamammo.heads import TrainedHeads, decoder_maps, hot, label_names, load_heads
from versamammo.models.encoder import MapInfo
from versamammo.progress import Progress
from versamammo.questions import NOT_ANSWERABLE, TOPICS, Question, Topic, questions
from versamammo.store import open_store
from versamammo.text import WIDTH, TextEncoder

#: Neighbours that an answer asks for.
NEIGHBOURS = 20


class AnswerHead(nn.Module):
    """Question tokens attend to the cells of a feature map and to the image's vector; their mean gives every topic's logits.

    Args:
        text: width of a token; channels, height, width: of the map; vector: dimension; answers: logits in all.
    """

    def __init__(
        self, text: int, channels: int, height: int, width: int, vector: int, inner: int, heads: int, answers: int
    ) -> None:
        super().__init__()
        self.heads = heads
        self.normalise = nn.BatchNorm2d(channels, affine=False)
        self.cell, self.whole = nn.Conv2d(channels, inner, 1), nn.Linear(vector, inner)
        self.place = nn.Parameter(torch.randn(1, height * width, inner) * 0.02)
        self.ask = nn.Sequential(nn.Linear(text, inner), nn.LayerNorm(inner))
        self.query, self.key, self.value = (nn.Linear(inner, inner) for _ in range(3))
        self.join = nn.Linear(inner, inner)
        self.after = nn.Sequential(
            nn.LayerNorm(inner), nn.Linear(inner, 2 * inner), nn.GELU(), nn.Linear(2 * inner, inner)
        )
        self.drop = nn.Dropout(0.2)
        self.image = nn.Linear(vector, answers)
        self.out = nn.Linear(inner, answers)

    def forward(self, tokens: Tensor, attention_mask: Tensor, map: Tensor, vector: Tensor) -> Tensor:
        """tokens [n, t, text], attention_mask int64 [n, t], map [n, c, h, w], vector [n, d] → logits [n, answers]."""
        cells = self.cell(self.normalise(map)).flatten(2).transpose(1, 2) + self.place
        scaled = vector * vector.shape[1] ** 0.5  # unit length → unit deviation
        cells = torch.cat([self.whole(scaled)[:, None], cells], 1)
        asked = self.ask(tokens)

        def split(x: Tensor) -> Tensor:
            return x.reshape(x.shape[0], -1, self.heads, x.shape[2] // self.heads).transpose(1, 2)

        query, key, value = split(self.query(asked)), split(self.key(cells)), split(self.value(cells))
        attention = torch.softmax(query @ key.transpose(2, 3) / query.shape[3] ** 0.5, dim=-1)
        seen = (attention @ value).transpose(1, 2).reshape(asked.shape)
        joined = asked + self.drop(self.join(seen))
        joined = joined + self.drop(self.after(joined))
        weight = attention_mask[:, :, None].to(joined.dtype)
        mean = (joined * weight).sum(1) / weight.sum(1)
        return self.out(mean) + self.image(scaled)


@dataclass(frozen=True)
class TopicTask:
    """A trained topic: its task, its labels, where its logits lie."""

    topic: Topic
    task: Task
    labels: list[str]
    offset: int

    @property
    def span(self) -> slice:
        return slice(self.offset, self.offset + len(self.labels))


def topic_tasks(config: Config) -> list[TopicTask]:
    """The trained topics in the order of TOPICS. TrainingError `bad-config` for an unknown topic or task."""
    how = section(config, "answers", Answers)
    known, tasks = {t.name: t for t in TOPICS}, head_tasks(config)
    for topic, task in how.topics.items():
        if topic not in known or known[topic].origin == "header":
            raise TrainingError("bad-config", f"answers.topics: {topic!r} is no topic that is learned.")
        if task not in tasks:
            raise TrainingError("bad-config", f"answers.topics.{topic}: there is no task {task!r}.")
    result, offset = [], 0
    for topic in TOPICS:
        if topic.name in how.topics:
            task = tasks[how.topics[topic.name]]
            result.append(TopicTask(topic, task, label_names(task), offset))
            offset += len(task.values)
    return result


class Phrases:
    """Token features and sentences of many questions, encoded once by the graph that ships, and kept on disk."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder
        digest = hashlib.sha256(encoder.graph + encoder.tokenizer).hexdigest()[:24]
        self.file = cache_folder() / f"phrases-{digest}.pt"
        self._known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        if self.file.exists():
            kept = unpack(self.file.read_bytes())
            self._known = {text: (tokens.numpy(), sentence.numpy()) for text, (tokens, sentence) in kept.items()}

    def keep(self) -> None:
        """Write what is known for the next command."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_suffix(f".{os.getpid()}")
        known = {text: (torch.from_numpy(t), torch.from_numpy(s)) for text, (t, s) in self._known.items()}
        temporary.write_bytes(pack(known))
        os.replace(temporary, self.file)

    def __getitem__(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        if text not in self._known:
            tokens, sentence = self.encoder(text)
            self._known[text] = (tokens.astype(np.float16), sentence)
        return self._known[text]

    def batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Padded tokens [n, t, width] and mask int64 [n, t]."""
        rows = [self[text][0] for text in texts]
        longest = max(len(r) for r in rows)
        tokens = np.zeros((len(rows), longest, rows[0].shape[1]), np.float32)
        mask = np.zeros((len(rows), longest), np.int64)
        for i, row in enumerate(rows):
            tokens[i, : len(row)], mask[i, : len(row)] = row, 1
        return torch.from_numpy(tokens), torch.from_numpy(mask)

    def sentences(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self[text][1] for text in texts])


@dataclass(frozen=True)
class Router:
    """Logits = weight · sentence + bias over the topics, then "not answerable"."""

    names: list[str]
    weight: np.ndarray
    bias: np.ndarray
    temperature: float
    threshold: float
    #: Share of validation questions put to the right topic, or rightly refused.
    validation: dict[str, float]

    def probabilities(self, sentences: np.ndarray) -> np.ndarray:
        return calibration.softmax((sentences @ self.weight.T + self.bias) / self.temperature)

    def topic(self, sentence: np.ndarray) -> str | None:
        """A topic's name, NOT_ANSWERABLE, or None where not understood."""
        p = self.probabilities(sentence[None])[0]
        return self.names[int(p.argmax())] if p.max() >= self.threshold else None


def fit_router(phrases: Phrases) -> Router:
    """Logistic regression on training questions, topics weighed equally; temperature and threshold on validation families."""
    names = [t.name for t in TOPICS] + [NOT_ANSWERABLE]
    asked = {split: list(questions(split)) for split in ("train", "validation")}
    x = {split: phrases.sentences([q.text for q in qs]) for split, qs in asked.items()}
    y = {split: np.array([names.index(q.topic) for q in qs]) for split, qs in asked.items()}
    # plain questions count thrice: leading ones are many and alike
    copies = np.repeat(np.arange(len(y["train"])), [1 if q.led_to else 3 for q in asked["train"]])
    share = np.bincount(y["train"][copies], minlength=len(names))
    model = LogisticRegression(C=30, max_iter=500).fit(
        x["train"][copies], y["train"][copies], sample_weight=1 / share[y["train"][copies]] * share.mean()
    )
    weight, bias = model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
    logits, target = x["validation"] @ weight.T + bias, np.eye(len(names))[y["validation"]]
    temperature = calibration.temperature(logits, target, "softmax")
    p = calibration.softmax(logits / temperature)
    right = p.argmax(1) == y["validation"]
    threshold, _, _ = calibration.abstention(p.max(1), right.astype(float), gain=0.25, least=0.95)
    refuse = y["validation"] == len(names) - 1
    figures = {"topics": float(right[~refuse].mean()), "refusals": float(right[refuse].mean())}
    return Router(names, weight, bias, temperature, threshold, figures)


@dataclass(frozen=True)
class TrainedAnswers:
    router: Router
    head: AnswerHead
    topics: list[TopicTask]
    #: Topic → temperature, prior, abstainBelow, coverage, accuracyAnswered.
    calibrated: dict[str, dict[str, Any]]
    gate: Gate
    floor: float


def run(config: Config, run_uri: str) -> None:
    """Train router, head and gate; publish `answers/manifest.json`."""
    how = section(config, "answers", Answers)
    device = distributed.start(config.runtime)
    store = open_store(run_uri)
    heads = load_heads(config, store)
    sets = {s: PreparedDataset(config.data.sets, (s,), config.input, False) for s in ("train", "validation")}
    names = [m.name for m in decoder_maps(heads.encoder)]
    train, held = (extract(heads.encoder, sets[s], config, device, names) for s in ("train", "validation"))
    vectors, held_vectors = heads.projection(train.pooled), heads.projection(held.pooled)
    topics = topic_tasks(config)
    phrases = Phrases(TextEncoder())
    router = fit_router(phrases)
    print(f"router: on held-out phrasings {router.validation}, threshold {router.threshold:.2f}")
    for topic in topics:
        for question in questions("train"):
            if question.topic == topic.topic.name:
                phrases[question.text]
    phrases.keep()
    head = train_head(train, vectors, topics, phrases, config, how, decoder_maps(heads.encoder), device)
    round_weights(head)
    calibrated = calibrate(head, held, held_vectors, train, topics, phrases, how.map)
    gate, floor, calibrated = fit_gate(head, train, vectors, held, held_vectors, topics, phrases, how.map, calibrated)
    for t in topics:
        print(f"  {t.topic.name}: {calibrated[t.topic.name]}")
    print(f"gate: {gate}, similarity floor {floor:.2f}")
    body = pack({
        "router": {"weight": torch.from_numpy(router.weight), "bias": torch.from_numpy(router.bias)},
        "head": head.state_dict(),
    })  # fmt: skip
    store.put("answers/answers.pt", body)
    manifest = {
        "schema": "versamammo-stage/1",
        "stage": "answers",
        "router": {k: v for k, v in asdict(router).items() if k not in ("weight", "bias")},
        "topics": [t.topic.name for t in topics],
        "calibrated": calibrated,
        "gate": asdict(gate),
        "floor": floor,
        "data": heads.manifest["data"],
        "files": {"answers.pt": describe(body)},
    }
    store.delete("answers/manifest.json")
    publish(store, "answers/manifest.json", manifest)
    distributed.stop()


def new_head(infos: Sequence[MapInfo], dimension: int, config: Config, answers: int) -> AnswerHead:
    """An untrained head that fits the encoder's map, the vector of `dimension` numbers and the question encoder."""
    how = section(config, "answers", Answers)
    info = next((m for m in infos if m.name == how.map), None)
    if info is None:
        raise TrainingError(
            "bad-config", f"answers.map: there is no {how.map} among {', '.join(m.name for m in infos)}."
        )
    height, width = -(-config.input.height // info.stride), -(-config.input.width // info.stride)
    return AnswerHead(WIDTH, info.channels, height, width, dimension, how.width, how.attention_heads, answers)


def train_head(
    train: Features, vectors: np.ndarray, topics: list[TopicTask], phrases: Phrases, config: Config, how: Answers,
    infos: Sequence[MapInfo], device: torch.device,
) -> AnswerHead:  # fmt: skip
    """Each step: images, one question of each of their topics; two phrasings must agree, and a leading one must not lead."""
    torch.manual_seed(config.seed)
    maps = train.maps[how.map]
    head = new_head(infos, vectors.shape[1], config, sum(len(t.labels) for t in topics)).to(device).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=how.steps, pct_start=0.1)
    rng = np.random.default_rng([config.seed, 99])
    pool: dict[str, tuple[list[Question], list[Question]]] = {}
    for t in topics:
        own = [q for q in questions("train") if q.topic == t.topic.name]
        pool[t.topic.name] = ([q for q in own if q.led_to is None], [q for q in own if q.led_to is not None])
    targets = {t.topic.name: tuple(x.numpy() for x in task_targets(train.cases, t.task)) for t in topics}
    rows = {t.topic.name: np.where(targets[t.topic.name][1])[0] for t in topics}
    with Progress("answers", how.steps, 0) as progress:
        for step in range(how.steps):
            total, agreement = torch.zeros((), device=device), torch.zeros((), device=device)
            images, texts, others, of = [], [], [], []
            each = max(2, how.batch // len(topics))
            for t in topics:
                plain, leading = pool[t.topic.name]
                for i in rng.choice(rows[t.topic.name], each):
                    images.append(i)
                    texts.append(plain[rng.integers(len(plain))].text)
                    second = leading if leading and rng.random() < 0.5 else plain
                    others.append(second[rng.integers(len(second))].text)
                    of.append(t)
            map = torch.from_numpy(np.stack([maps[i] for i in images]).astype(np.float32)).to(device)
            vector = torch.from_numpy(vectors[images]).to(device)
            if rng.random() < 0.5:
                vector = F.normalize(vector + 0.3 * torch.randn_like(vector) / vector.shape[1] ** 0.5, dim=1)
            tokens, mask = phrases.batch(texts + others)
            logits = head(tokens.to(device), mask.to(device), torch.cat([map, map]), torch.cat([vector, vector]))
            first, second = logits[: len(images)], logits[len(images) :]
            for t in topics:
                mine = [k for k, o in enumerate(of) if o is t]
                y = torch.from_numpy(targets[t.topic.name][0][[images[k] for k in mine]]).to(device)
                a, b = first[mine][:, t.span], second[mine][:, t.span]
                if t.task.multilabel:
                    part = (F.binary_cross_entropy_with_logits(a, y) + F.binary_cross_entropy_with_logits(b, y)) / 2
                    apart = (torch.sigmoid(a) - torch.sigmoid(b)).square().mean() * 4
                else:
                    part = (
                        F.cross_entropy(a, y, label_smoothing=0.05) + F.cross_entropy(b, y, label_smoothing=0.05)
                    ) / 2
                    p, q = F.log_softmax(a, 1), F.log_softmax(b, 1)
                    apart = ((p.exp() - q.exp()) * (p - q)).sum(1).mean() / 2
                total, agreement = total + part / len(topics), agreement + apart / len(topics)
            loss = total + how.agreement * agreement
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 2.0)
            optimizer.step()
            schedule.step()
            progress.step(step + 1, {"answers": float(total.detach()), "agreement": float(agreement.detach())})
    return head.eval().cpu()


@torch.inference_mode()
def head_logits(
    head: AnswerHead, features: Features, vectors: np.ndarray, rows: Sequence[int], texts: Sequence[str], phrases: Phrases,
    map: str,
) -> np.ndarray:  # fmt: skip
    """Logits [n, answers] of images `rows`, each with its question."""
    out = []
    for start in range(0, len(rows), 64):
        chosen = list(rows[start : start + 64])
        tokens, mask = phrases.batch(texts[start : start + 64])
        cells = torch.from_numpy(np.stack([features.maps[map][i] for i in chosen]).astype(np.float32))
        out.append(head(tokens, mask, cells, torch.from_numpy(vectors[chosen])).numpy())
    return np.concatenate(out) if out else np.empty((0, head.out.out_features), np.float32)


def plain_question(topic: Topic, number: int, split: str) -> str:
    """One of the topic's plain questions of a split, by number."""
    own = [q.text for q in questions(split) if q.topic == topic.name and q.led_to is None]  # type: ignore[arg-type]
    return own[number % len(own)]


def topic_rows(features: Features, t: TopicTask) -> tuple[np.ndarray, np.ndarray]:
    """Images that carry the topic's label, and their answers as [n, labels] of 0 and 1."""
    y, known = (x.numpy() for x in task_targets(features.cases, t.task))
    return np.where(known)[0], hot(y[known], t.task)


def topic_probabilities(
    head: AnswerHead, features: Features, vectors: np.ndarray, rows: Sequence[int], t: TopicTask, phrases: Phrases,
    map: str, temperature: float, split: str,
) -> np.ndarray:  # fmt: skip
    """The head's calibrated probabilities [n, labels], questions of `split` in turn."""
    texts = [plain_question(t.topic, k, split) for k in range(len(rows))]
    logits = head_logits(head, features, vectors, rows, texts, phrases, map)[:, t.span]
    return calibration.probabilities(logits, "sigmoid" if t.task.multilabel else "softmax", temperature)


def calibrate(
    head: AnswerHead,
    held: Features,
    vectors: np.ndarray,
    train: Features,
    topics: list[TopicTask],
    phrases: Phrases,
    map: str,
) -> dict[str, dict[str, Any]]:
    """Temperature per topic on validation images and held-out phrasings; the prior is the training images'."""
    result: dict[str, dict[str, Any]] = {}
    for t in topics:
        rows, truth = topic_rows(held, t)
        _, seen = topic_rows(train, t)
        texts = [plain_question(t.topic, k, "validation") for k in range(len(rows))]
        logits = head_logits(head, held, vectors, list(rows), texts, phrases, map)[:, t.span]
        activation = "sigmoid" if t.task.multilabel else "softmax"
        result[t.topic.name] = {
            "temperature": calibration.temperature(logits, truth, activation),
            "prior": {label: float(share) for label, share in zip(t.labels, seen.mean(0), strict=True)},
        }
    return result


def neighbours(
    queries: np.ndarray, patients: Sequence[str], archive: np.ndarray, archive_patients: Sequence[str], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places [n, count] and similarities of the nearest archive images that are not the query's own patient's."""
    similarity = queries @ archive.T
    own = np.asarray(patients)[:, None] == np.asarray(archive_patients)[None]
    similarity = np.where(own, -2.0, similarity)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(similarity, order, 1)


def voters(
    t: TopicTask, place: np.ndarray, similarity: np.ndarray, says: dict[int, np.ndarray], floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities and labels of those neighbours that carry the topic's label and reach the floor."""
    kept = [(s, says[p]) for p, s in zip(place, similarity, strict=True) if p in says and s >= floor]
    if not kept:
        return np.empty(0), np.empty((0, len(t.labels)))
    return np.array([s for s, _ in kept]), np.stack([x for _, x in kept])


def fit_gate(
    head: AnswerHead, train: Features, vectors: np.ndarray, held: Features, held_vectors: np.ndarray,
    topics: list[TopicTask], phrases: Phrases, map: str, calibrated: dict[str, dict[str, Any]],
) -> tuple[Gate, float, dict[str, dict[str, Any]]]:  # fmt: skip
    """The gate on validation patients with the training patients as archive; then abstention of the combined answer."""
    keys = [f"{c.dataset}/{c.patient}" for c in held.cases]
    archive_keys = [f"{c.dataset}/{c.patient}" for c in train.cases]
    place, similarity = neighbours(held_vectors, keys, vectors, archive_keys, NEIGHBOURS)
    floor = float(np.quantile(similarity[:, 0], 0.02))
    samples: list[Sample] = []
    for t in topics:
        rows, truth = topic_rows(held, t)
        seen, answers = topic_rows(train, t)
        says = {int(i): a for i, a in zip(seen, answers, strict=True)}
        known = calibrated[t.topic.name]
        p = topic_probabilities(
            head, held, held_vectors, list(rows), t, phrases, map, known["temperature"], "validation"
        )
        prior = np.array(list(known["prior"].values()))
        for k, i in enumerate(rows):
            s, x = voters(t, place[i], similarity[i], says, floor)
            samples.append(Sample(t.topic.name, t.task.multilabel, p[k], s, x, prior, truth[k]))
    gate = fit(samples, [t.topic.name for t in topics], NEIGHBOURS)
    result = dict(calibrated)
    for t in topics:
        confidence, right = [], []
        for s in (s for s in samples if s.topic == t.topic.name):
            found = vote(s.similarity, s.says, s.prior, gate.vote_temperature, gate.smoothing, s.multilabel)
            p = combine(s.head, found.shares, gate.weight(s.topic, s.head, found, s.multilabel), s.multilabel)
            if s.multilabel:
                confidence.append(float(np.maximum(p, 1 - p).mean()))
                right.append(float(((p >= 0.5) == (s.truth > 0.5)).mean()))
            else:
                confidence.append(float(p.max()))
                right.append(float(s.truth[p.argmax()]))
        below, coverage, accuracy = calibration.abstention(np.array(confidence), np.array(right))
        result[t.topic.name] = {
            **calibrated[t.topic.name],
            "abstainBelow": below,
            "coverage": coverage,
            "accuracyAnswered": accuracy,
        }
    return gate, floor, result


def load_answers(config: Config, heads: TrainedHeads, run_uri: str) -> TrainedAnswers:
    """What `answers` published."""
    store = open_store(run_uri)
    manifest = read_manifest(store, "answers/manifest.json", "train the answers with `answers` first.")
    state = unpack(read_file(store, "answers", "answers.pt", manifest))
    topics = topic_tasks(config)
    head = new_head(
        decoder_maps(heads.encoder), heads.projection.weight.shape[0], config, sum(len(t.labels) for t in topics)
    )
    head.load_state_dict(state["head"])
    r, g = manifest["router"], manifest["gate"]
    router = Router(
        r["names"],
        state["router"]["weight"].numpy(),
        state["router"]["bias"].numpy(),
        r["temperature"],
        r["threshold"],
        r["validation"],
    )
    w = g["weights"]
    gate = Gate((w[0], w[1], w[2], w[3]), g["bias"], g["neighbours"], g["vote_temperature"], g["smoothing"])
    return TrainedAnswers(
        router, head.eval().requires_grad_(False), topics, manifest["calibrated"], gate, manifest["floor"]
    )
