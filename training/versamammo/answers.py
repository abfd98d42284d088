"""Answers: topic router on the sentence, a head in which the question attends to the image, and the gate for neighbours.

The caller's words choose the topic and nothing else: the head is then asked the topic's own question, in training, here and
where the bundle is served. So a leading question leads nowhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from versamammo import calibration, distributed
from versamammo.checkpoint import describe, pack, publish, read_file, read_manifest, unpack
from versamammo.config import Answers, Config, Task, head_tasks, section
from versamammo.data import PreparedDataset, published, task_targets
from versamammo.errors import TrainingError
from versamammo.features import Features, cache_folder, extract
from versamammo.gate import Gain, Gate, Sample, answer, fit
from versamammo.graphs import round_weights
from versamammo.heads import TrainedHeads, decoder_maps, hot, label_names, load_heads
from versamammo.models.encoder import MapInfo
from versamammo.progress import Progress
from versamammo.questions import NOT_ANSWERABLE, TOPICS, Topic, questions
from versamammo.store import open_store
from versamammo.text import WIDTH, TextEncoder

ROUTER_ARRAYS = ("inner", "inner_bias", "outer", "outer_bias")
#: Neighbours that an answer asks for.
NEIGHBOURS = 20


class AnswerHead(nn.Module):
    """The linear heads' logits, plus what question tokens find when they attend to the cells of a feature map and to the vector.

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
        self.image = nn.Linear(vector, answers).requires_grad_(False)
        self.out = nn.Linear(inner, answers)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

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
        return self.out(mean) + self.image(vector)


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

    @property
    def activation(self) -> str:
        return "sigmoid" if self.task.multilabel else "softmax"


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
    """Logits over the topics, then "not answerable": outer · relu(inner · sentence + inner_bias) + outer_bias."""

    names: list[str]
    inner: np.ndarray
    inner_bias: np.ndarray
    outer: np.ndarray
    outer_bias: np.ndarray
    temperature: float
    threshold: float
    #: Shares of validation questions: put to the right topic, rightly refused.
    validation: dict[str, float]

    def logits(self, sentences: np.ndarray) -> np.ndarray:
        return np.maximum(sentences @ self.inner.T + self.inner_bias, 0) @ self.outer.T + self.outer_bias

    def probabilities(self, sentences: np.ndarray) -> np.ndarray:
        return calibration.softmax(self.logits(sentences) / self.temperature)

    def topic(self, sentence: np.ndarray) -> str | None:
        """A topic's name, NOT_ANSWERABLE, or None where not understood."""
        p = self.probabilities(sentence[None])[0]
        return self.names[int(p.argmax())] if p.max() >= self.threshold else None


def fit_router(phrases: Phrases, seed: int) -> Router:
    """Several small networks on training questions, joined into one; temperature and threshold on validation families."""
    names = [t.name for t in TOPICS] + [NOT_ANSWERABLE]
    asked = {split: list(questions(split)) for split in ("train", "validation")}
    x = {split: phrases.sentences([q.text for q in qs]) for split, qs in asked.items()}
    y = {split: np.array([names.index(q.topic) for q in qs]) for split, qs in asked.items()}
    # plain questions count thrice: leading ones are many and alike; topics alike, what cannot be answered as four of them
    weight = np.array([1.0 if q.led_to else 3.0 for q in asked["train"]])
    weight /= np.bincount(y["train"], weight)[y["train"]]
    weight[y["train"] == len(names) - 1] *= 4
    nets = [_router_network(x["train"], y["train"], weight / weight.sum(), len(names), seed + i) for i in range(3)]
    router = Router(
        names,
        np.concatenate([n[0].weight.numpy() for n in nets]),
        np.concatenate([n[0].bias.numpy() for n in nets]),
        np.concatenate([n[2].weight.numpy() for n in nets], 1) / len(nets),
        np.mean([n[2].bias.numpy() for n in nets], 0),
        1.0, 0.0, {},
    )  # fmt: skip
    logits, truth = router.logits(x["validation"]), y["validation"]
    temperature = calibration.temperature(logits, np.eye(len(names))[truth], "softmax")
    p = calibration.softmax(logits / temperature)
    refuse = truth == len(names) - 1
    plain = np.array([q.topic != NOT_ANSWERABLE and q.led_to is None for q in asked["validation"]])

    def figures(threshold: float) -> dict[str, float]:
        refused = (p.argmax(1) == len(names) - 1) | (p.max(1) < threshold)
        right = np.where(refuse, refused, ~refused & (p.argmax(1) == truth))
        return {"topics": float(right[plain].mean()), "refusals": float(right[refuse].mean())}

    threshold = max(np.linspace(0.2, 0.8, 13), key=lambda t: sum(figures(float(t)).values()))
    return replace(router, temperature=temperature, threshold=float(threshold), validation=figures(float(threshold)))


def _router_network(x: np.ndarray, y: np.ndarray, weight: np.ndarray, topics: int, seed: int) -> nn.Sequential:
    """One hidden layer, trained on sentences with a little noise; the sentences' scale is folded into the first layer."""
    torch.manual_seed(seed)
    rng, scale, steps = np.random.default_rng(seed), x.shape[1] ** 0.5, 800
    net = nn.Sequential(nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Linear(128, topics))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    sentences, target = torch.from_numpy(x) * scale, torch.from_numpy(y)
    for _ in range(steps):
        rows = rng.choice(len(y), 256, p=weight)
        noisy = sentences[rows] + 0.6 * torch.randn(256, x.shape[1])
        hidden = F.dropout(net[1](net[0](noisy)), 0.3)
        loss = F.cross_entropy(net[2](hidden), target[rows], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        net[0].weight *= scale
    return net.eval().requires_grad_(False)


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
    router = fit_router(phrases, config.seed)
    print(f"router: on held-out phrasings {router.validation}, threshold {router.threshold:.2f}")
    asked = phrases.batch([t.topic.question for t in topics])
    phrases.keep()
    head = new_head(decoder_maps(heads.encoder), heads, topics, config)
    sides = Side(train, vectors), Side(held, held_vectors)
    train_head(head, *sides, topics, asked, config, how, device)
    round_weights(head)
    shown = published(train.cases, config.export.reference if config.export else [])
    gate, floor, calibrated, gains = fit_gate(head, *sides, shown, topics, asked, how.map)
    for t in topics:
        print(f"  {t.topic.name}: {calibrated[t.topic.name]}, neighbours: {gains[t.topic.name]}")
    print(f"gate: {gate}, similarity floor {floor:.2f}")
    body = pack({
        "router": {name: torch.from_numpy(getattr(router, name)) for name in ROUTER_ARRAYS},
        "head": head.state_dict(),
    })  # fmt: skip
    store.put("answers/answers.pt", body)
    manifest = {
        "schema": "versamammo-stage/1",
        "stage": "answers",
        "router": {k: v for k, v in asdict(router).items() if k not in ROUTER_ARRAYS},
        "topics": [t.topic.name for t in topics],
        "calibrated": calibrated,
        "gate": asdict(gate),
        "gains": {name: asdict(gain) for name, gain in gains.items()},
        "floor": floor,
        "data": heads.manifest["data"],
        "files": {"answers.pt": describe(body)},
    }
    store.delete("answers/manifest.json")
    publish(store, "answers/manifest.json", manifest)
    distributed.stop()


@dataclass(frozen=True)
class Side:
    """Images of some patients: features and exported vectors."""

    features: Features
    vectors: np.ndarray


def new_head(infos: Sequence[MapInfo], heads: TrainedHeads, topics: list[TopicTask], config: Config) -> AnswerHead:
    """A head that says what the linear heads say: one that fits the encoder's map, the vector and the question encoder."""
    how = section(config, "answers", Answers)
    info = next((m for m in infos if m.name == how.map), None)
    if info is None:
        raise TrainingError(
            "bad-config", f"answers.map: there is no {how.map} among {', '.join(m.name for m in infos)}."
        )
    height, width = -(-config.input.height // info.stride), -(-config.input.width // info.stride)
    torch.manual_seed(config.seed)
    head = AnswerHead(
        WIDTH, info.channels, height, width, heads.projection.weight.shape[0], how.width, how.attention_heads,
        sum(len(t.labels) for t in topics),
    )  # fmt: skip
    known = {c.name: c for c in heads.classifiers}
    head.image.weight.zero_()
    head.image.bias.zero_()
    for t in topics:
        c = known.get(how.topics[t.topic.name])
        if c is not None:
            head.image.weight[t.span] = torch.from_numpy(c.weight / c.temperature)
            head.image.bias[t.span] = torch.from_numpy(c.bias / c.temperature)
    return head


#: Validation loss is looked at this often, as a share of the steps.
LOOKS = 10


def train_head(
    head: AnswerHead, train: Side, held: Side, topics: list[TopicTask], asked: tuple[Tensor, Tensor], config: Config,
    how: Answers, device: torch.device,
) -> None:  # fmt: skip
    """Trains the attention on training images; keeps, of each topic, what it adds where validation patients gain, else nothing.

    asked: tokens [topics, t, text] and mask of each topic's own question.
    """
    head.to(device).train()
    parameters = [p for p in head.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=how.steps, pct_start=0.15)
    rng = np.random.default_rng([config.seed, 99])
    targets = [tuple(x.numpy() for x in task_targets(train.features.cases, t.task)) for t in topics]
    rows = [np.where(known)[0] for _, known in targets]
    maps, each = train.features.maps[how.map], max(2, how.batch // len(topics))
    best = (float("inf"), {k: v.clone() for k, v in head.state_dict().items()})
    with Progress("answers", how.steps, 0) as progress:
        for step in range(how.steps):
            images = np.concatenate([rng.choice(r, each) for r in rows])
            of = torch.arange(len(topics)).repeat_interleave(each)
            map = torch.from_numpy(np.stack([maps[i] for i in images]).astype(np.float32)).to(device)
            vector = torch.from_numpy(train.vectors[images]).to(device)
            logits = head(asked[0][of].to(device), asked[1][of].to(device), map, vector)
            parts = []
            for k, t in enumerate(topics):
                mine = slice(k * each, (k + 1) * each)
                parts.append(_topic_loss(logits[mine, t.span], targets[k][0][images[mine]], t))
            loss = torch.stack(parts).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 2.0)
            optimizer.step()
            schedule.step()
            if (step + 1) % max(1, how.steps // LOOKS) == 0:
                judged = float(np.mean(list(validation_losses(head, held, topics, asked, how.map).values())))
                if judged < best[0]:
                    best = (judged, {k: v.clone() for k, v in head.state_dict().items()})
                head.train()
            progress.step(step + 1, {"answers": float(loss.detach())})
    head.load_state_dict(best[1])
    head.eval().cpu().requires_grad_(False)
    weight, bias = head.out.weight.clone(), head.out.bias.clone()
    losses = {}
    for share in (0.0, 0.5, 1.0):
        head.out.weight.copy_(weight * share)
        head.out.bias.copy_(bias * share)
        losses[share] = validation_losses(head, held, topics, asked, how.map)
    for t in topics:
        share = min(losses, key=lambda s: losses[s][t.topic.name])
        head.out.weight[t.span], head.out.bias[t.span] = weight[t.span] * share, bias[t.span] * share
        print(
            f"  {t.topic.name}: attention counts {share:g}, validation loss {losses[share][t.topic.name]:.3f}, without {losses[0.0][t.topic.name]:.3f}"
        )


def _topic_loss(logits: Tensor, target: np.ndarray, t: TopicTask) -> Tensor:
    y = torch.from_numpy(target).to(logits.device)
    if t.task.multilabel:
        return F.binary_cross_entropy_with_logits(logits, y)
    return F.cross_entropy(logits, y, label_smoothing=0.05)


@torch.inference_mode()
def head_logits(
    head: AnswerHead, side: Side, rows: Sequence[int] | np.ndarray, question: tuple[Tensor, Tensor], map: str
) -> np.ndarray:
    """Logits [n, answers] of images `rows`, all asked one question (tokens [1, t, text], mask [1, t])."""
    device = head.out.weight.device
    out = [np.empty((0, head.out.out_features), np.float32)]
    for start in range(0, len(rows), 64):
        chosen = list(rows[start : start + 64])
        cells = torch.from_numpy(np.stack([side.features.maps[map][i] for i in chosen]).astype(np.float32))
        tokens, mask = (x.expand(len(chosen), *x.shape[1:]).to(device) for x in question)
        out.append(
            head(tokens, mask, cells.to(device), torch.from_numpy(side.vectors[chosen]).to(device)).cpu().numpy()
        )
    return np.concatenate(out)


def topic_logits(
    head: AnswerHead, side: Side, topics: list[TopicTask], asked: tuple[Tensor, Tensor], map: str
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Per topic: images that carry its label, their logits [n, labels], their answers as [n, labels] of 0 and 1."""
    found = {}
    for k, t in enumerate(topics):
        rows, truth = topic_rows(side.features, t)
        question = asked[0][k : k + 1], asked[1][k : k + 1]
        found[t.topic.name] = rows, head_logits(head, side, rows, question, map)[:, t.span], truth
    return found


def validation_losses(
    head: AnswerHead, held: Side, topics: list[TopicTask], asked: tuple[Tensor, Tensor], map: str
) -> dict[str, float]:
    """Per topic: the negative log likelihood of validation images, in nats."""
    head.eval()
    said = topic_logits(head, held, topics, asked, map)
    result = {}
    for t in topics:
        _, logits, truth = said[t.topic.name]
        p = calibration.probabilities(logits, t.activation, 1.0)
        result[t.topic.name] = calibration.negative_log_likelihood(p, truth, t.activation) if len(truth) else 0.0
    return result


def topic_rows(features: Features, t: TopicTask) -> tuple[np.ndarray, np.ndarray]:
    """Images that carry the topic's label, and their answers as [n, labels] of 0 and 1."""
    y, known = (x.numpy() for x in task_targets(features.cases, t.task))
    return np.where(known)[0], hot(y[known], t.task)


def neighbours(
    queries: np.ndarray,
    patients: Sequence[str],
    archive: np.ndarray,
    archive_patients: Sequence[str],
    count: int,
    among: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Places [n, count] and similarities of the nearest archive images (`among` these alone) that are not the query's own patient's."""
    rows = np.arange(len(archive)) if among is None else np.asarray(among, int)
    similarity = queries @ archive[rows].T
    own = np.asarray(patients)[:, None] == np.asarray(archive_patients)[rows][None]
    similarity = np.where(own, -2.0, similarity)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return rows[order], np.take_along_axis(similarity, order, 1)


def voters(
    t: TopicTask, place: np.ndarray, similarity: np.ndarray, says: dict[int, np.ndarray], floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities and labels of those neighbours that carry the topic's label and reach the floor."""
    kept = [(s, says[p]) for p, s in zip(place, similarity, strict=True) if p in says and s >= floor]
    if not kept:
        return np.empty(0), np.empty((0, len(t.labels)))
    return np.array([s for s, _ in kept]), np.stack([x for _, x in kept])


def fit_gate(
    head: AnswerHead,
    train: Side,
    held: Side,
    shown: Sequence[int],
    topics: list[TopicTask],
    asked: tuple[Tensor, Tensor],
    map: str,
) -> tuple[Gate, float, dict[str, dict[str, Any]], dict[str, Gain]]:
    """Temperature per topic, then the gate, on validation patients; then abstention of the answer with the whole archive.

    Neighbours come from either archive that an answer may meet: all training patients, as where people have indexed
    images like their own, and `shown` alone, the training images that the bundle carries. Fitted on the first only, the
    gate trusts the strangers of the second too much.
    """
    keys = [f"{c.dataset}/{c.patient}" for c in held.features.cases]
    archive_keys = [f"{c.dataset}/{c.patient}" for c in train.features.cases]
    found = [
        neighbours(held.vectors, keys, train.vectors, archive_keys, NEIGHBOURS, rows)
        for rows in (range(len(archive_keys)), shown)
        if len(rows)
    ]
    floor = float(np.quantile(found[0][1][:, 0], 0.02))
    said = topic_logits(head, held, topics, asked, map)
    samples: list[list[Sample]] = [[] for _ in found]
    calibrated: dict[str, dict[str, Any]] = {}
    for t in topics:
        rows, logits, truth = said[t.topic.name]
        seen, answers = topic_rows(train.features, t)
        says = {int(i): a for i, a in zip(seen, answers, strict=True)}
        temperature = calibration.temperature(logits, truth, t.activation)
        prior = answers.mean(0)
        calibrated[t.topic.name] = {
            "temperature": temperature,
            "prior": {label: float(share) for label, share in zip(t.labels, prior, strict=True)},
        }
        p = calibration.probabilities(logits, t.activation, temperature)
        for group, (place, similarity) in zip(samples, found, strict=True):
            for k, i in enumerate(rows):
                s, x = voters(t, place[i], similarity[i], says, floor)
                group.append(Sample(t.topic.name, keys[i], t.task.multilabel, p[k], s, x, prior, truth[k]))
    gate, gains = fit([s for group in samples for s in group], [t.topic.name for t in topics], NEIGHBOURS)
    for t in topics:
        own = [s for s in samples[0] if s.topic == t.topic.name]
        both = np.stack([answer(gate, s)[0] for s in own])
        truth = np.stack([s.truth for s in own])
        if t.task.multilabel:
            confidence, right = np.maximum(both, 1 - both).mean(1), ((both >= 0.5) == (truth > 0.5)).mean(1)
        else:
            confidence, right = both.max(1), truth[np.arange(len(both)), both.argmax(1)]
        below, coverage, accuracy = calibration.abstention(confidence, right)
        calibrated[t.topic.name] |= {"abstainBelow": below, "coverage": coverage, "accuracyAnswered": accuracy}
    return gate, floor, calibrated, gains


def load_answers(config: Config, heads: TrainedHeads, run_uri: str) -> TrainedAnswers:
    """What `answers` published."""
    store = open_store(run_uri)
    manifest = read_manifest(store, "answers/manifest.json", "train the answers with `answers` first.")
    state = unpack(read_file(store, "answers", "answers.pt", manifest))
    topics = topic_tasks(config)
    head = new_head(decoder_maps(heads.encoder), heads, topics, config)
    head.load_state_dict(state["head"])
    r, g = manifest["router"], manifest["gate"]
    router = Router(**r, **{name: state["router"][name].numpy() for name in ROUTER_ARRAYS})
    w = g["weights"]
    gate = Gate((w[0], w[1], w[2], w[3]), g["bias"], g["neighbours"], g["vote_temperature"], g["smoothing"])
    return TrainedAnswers(
        router, head.eval().requires_grad_(False), topics, manifest["calibrated"], gate, manifest["floor"]
    )
