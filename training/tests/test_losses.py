"""Losses against values worked out by hand, in plain Python, or by the original implementation."""

import math

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import DINOLoss, IBOTPatchLoss, KoLeoLoss

from versamammo.losses.dino import Dino, cross_view_entropy, sinkhorn_knopp
from versamammo.losses.focus import focus_cells, focus_loss
from versamammo.losses.ibot import Ibot
from versamammo.losses.labels import label_loss
from versamammo.losses.relational_distillation import relational_distillation
from versamammo.losses.view_consistency import view_consistency


def softmax(row: list[float]) -> list[float]:
    exps = [math.exp(x) for x in row]
    return [e / sum(exps) for e in exps]


def reference_sinkhorn(logits: torch.Tensor, temperature: float, iterations: int) -> torch.Tensor:
    """DINOv2's dino_clstoken_loss.py, one process."""
    q = torch.exp(logits / temperature).t()
    b, k = q.shape[1], q.shape[0]
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(dim=1, keepdim=True)
        q /= k
        q /= q.sum(dim=0, keepdim=True)
        q /= b
    q *= b
    return q.t()


def test_sinkhorn_by_hand() -> None:
    # exp = [[1, 1], [3, 1]]; columns sum to 4, 2 → [[1/8, 1/4], [3/8, 1/4]]; rows to 1
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    expected = torch.tensor([[1 / 3, 2 / 3], [3 / 5, 2 / 5]])
    torch.testing.assert_close(sinkhorn_knopp(logits, 1.0, iterations=1), expected)


def test_sinkhorn_equals_dinov2() -> None:
    logits = torch.randn(12, 7)
    torch.testing.assert_close(
        sinkhorn_knopp(logits, 0.07, 3), reference_sinkhorn(logits, 0.07, 3), rtol=1e-4, atol=1e-6
    )


def test_sinkhorn_survives_large_logits() -> None:
    # DINOv2's exp(100 / 0.04) overflows; ours subtracts the highest first.
    q = sinkhorn_knopp(torch.tensor([[100.0, 99.9], [99.9, 100.0]]), 0.04, 3)
    assert torch.isfinite(q).all() and q.sum(1).allclose(torch.ones(2))


def test_cross_view_entropy_by_hand() -> None:
    # One image, two global views: pairs (teacher 0, student 1) and (teacher 1, student 0).
    target = torch.tensor([[[0.9, 0.1]], [[0.2, 0.8]]])
    logits = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]])
    s0, s1 = softmax([1, 0]), softmax([0, 2])
    first = -(0.9 * math.log(s1[0]) + 0.1 * math.log(s1[1]))
    second = -(0.2 * math.log(s0[0]) + 0.8 * math.log(s0[1]))
    assert cross_view_entropy(target, logits).item() == pytest.approx((first + second) / 2, rel=1e-5)


def test_cross_view_entropy_counts_local_views() -> None:
    # 2 teacher views × 3 student views, 2 pairs of the same view left out: mean over 4 pairs.
    target = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    logits = torch.tensor([[[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]])
    assert cross_view_entropy(target, logits).item() == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("views", [2, 4])
def test_dino_softmax_is_lightlys(views: int) -> None:
    ours, theirs = Dino(16, "softmax"), DINOLoss(16)
    for _ in range(2):  # the second time with a centre
        teacher, student = torch.randn(2, 5, 16), torch.randn(views, 5, 16)
        expected = theirs(list(teacher), list(student), teacher_temp=0.05)
        torch.testing.assert_close(ours(teacher, student, 0.05), expected)


def test_dino_sinkhorn_uses_both_crops_together() -> None:
    teacher, student = torch.randn(2, 4, 6), torch.randn(3, 4, 6)
    target = reference_sinkhorn(teacher.reshape(8, 6), 0.06, 3).view(2, 4, 6)
    logs = F.log_softmax(student / 0.1, -1)
    pairs = [-(target[t] * logs[s]).sum(-1).mean() for t in range(2) for s in range(3) if s != t]
    torch.testing.assert_close(Dino(6, "sinkhorn_knopp")(teacher, student, 0.06), sum(pairs) / 4, rtol=1e-4, atol=1e-5)


def test_centering_key_matters() -> None:
    teacher, student = torch.randn(2, 4, 6), torch.randn(2, 4, 6)
    assert Dino(6, "softmax")(teacher, student, 0.06) != Dino(6, "sinkhorn_knopp")(teacher, student, 0.06)


def test_ibot_softmax_is_lightlys() -> None:
    mask = torch.zeros(3, 2, 2, dtype=torch.bool)
    mask[0, 0] = mask[2, 1, 1] = True
    teacher, student = torch.randn(3, 8), torch.randn(3, 8)
    expected = IBOTPatchLoss(8)(teacher, student, mask, 0.05)
    torch.testing.assert_close(Ibot(8, "softmax")(teacher, student, mask, 0.05), expected)


def test_ibot_sinkhorn_weighs_images_equally() -> None:
    # Image 0 has two masked patches, image 2 has one, image 1 none: (½·a + ½·b + c) / 3.
    mask = torch.zeros(3, 2, 2, dtype=torch.bool)
    mask[0, 0] = mask[2, 1, 1] = True
    teacher, student = torch.randn(3, 8), torch.randn(3, 8)
    each = -(reference_sinkhorn(teacher, 0.07, 3) * F.log_softmax(student / 0.1, -1)).sum(-1)
    expected = (0.5 * each[0] + 0.5 * each[1] + each[2]) / 3
    torch.testing.assert_close(Ibot(8, "sinkhorn_knopp")(teacher, student, mask, 0.07), expected, rtol=1e-4, atol=1e-5)


def test_koleo_by_hand() -> None:
    # Unit vectors at 0°, 60°, 180°: nearest distances 1, 1, √3 → −(0 + 0 + ln √3) / 3.
    points = torch.tensor([[2.0, 0.0], [0.5, math.sqrt(3) / 2], [-1.0, 0.0]])
    assert KoLeoLoss()(points).item() == pytest.approx(-math.log(math.sqrt(3)) / 3, abs=1e-5)


# Three features whose cosines are: (0,1) = 0, (0,2) = 1/√2, (1,2) = 1/√2.
STUDENT = torch.tensor([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0]])
# And in another width: (0,1) = 1/√2, (0,2) = 0, (1,2) = 1/√2.
TEACHER = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 5.0, 0.0]])
R = 1 / math.sqrt(2)


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_relational_distillation_by_hand() -> None:
    t, s = 0.5, 0.25
    student = [softmax([0, R / s]), softmax([0, R / s]), softmax([R / s, R / s])]
    teacher = [softmax([R / t, 0]), softmax([R / t, R / t]), softmax([0, R / t])]
    expected = sum(kl(p, q) for p, q in zip(teacher, student, strict=True)) / 3
    assert relational_distillation(STUDENT, TEACHER, s, t).item() == pytest.approx(expected, rel=1e-5)


def test_kl_points_from_teacher_to_student() -> None:
    """Defect S2-4: KL(student ‖ teacher) is another number, and torch's own kl_div as published gives it."""
    s, t = 0.25, 0.5
    student = [softmax([0, R / s]), softmax([0, R / s]), softmax([R / s, R / s])]
    teacher = [softmax([R / t, 0]), softmax([R / t, R / t]), softmax([0, R / t])]
    right = sum(kl(p, q) for p, q in zip(teacher, student, strict=True)) / 3
    wrong = sum(kl(q, p) for p, q in zip(teacher, student, strict=True)) / 3
    assert abs(right - wrong) > 1e-2
    assert relational_distillation(STUDENT, TEACHER, s, t).item() == pytest.approx(right, rel=1e-5)
    assert relational_distillation(STUDENT, TEACHER, s, t, kl_reversed=True).item() == pytest.approx(wrong, rel=1e-5)
    published = F.kl_div(torch.tensor(teacher).log(), torch.tensor(student), reduction="batchmean")
    assert published.item() == pytest.approx(wrong, rel=1e-5)


def test_distillation_leaves_the_teacher_alone_and_is_zero_where_they_agree() -> None:
    student, teacher = torch.randn(6, 4, requires_grad=True), torch.randn(6, 3, requires_grad=True)
    relational_distillation(student, teacher, 0.1, 0.1).backward()
    assert teacher.grad is None and student.grad is not None and student.grad.abs().sum() > 0
    assert relational_distillation(teacher, teacher, 0.1, 0.1).item() == pytest.approx(0, abs=1e-6)


def test_view_consistency_by_hand() -> None:
    temperature = 0.5
    low = [softmax([0, R / temperature]), softmax([0, R / temperature]), softmax([R / temperature, R / temperature])]
    high = [softmax([R / temperature, 0]), softmax([R / temperature, R / temperature]), softmax([0, R / temperature])]
    expected = -sum(p * math.log(q) for ps, qs in zip(high, low, strict=True) for p, q in zip(ps, qs, strict=True)) / 3
    high_features = TEACHER[:, :2]  # same cosines
    assert view_consistency(STUDENT, high_features, temperature).item() == pytest.approx(expected, rel=1e-5)


def test_consistency_target_has_no_gradient() -> None:
    """Defect S2-3: the published call takes the low view as the target, keeps its gradient, and is not normalised."""
    low, high = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    view_consistency(low, high).backward()
    assert high.grad is None and low.grad is not None and low.grad.abs().sum() > 0
    low.grad = None
    view_consistency(low, high, swapped=True).backward()
    assert high.grad is not None and low.grad is not None and low.grad.abs().sum() > 0


def test_swapped_consistency_by_hand() -> None:
    # Not normalised, diagonal included: low·lowᵀ = [[1, 0], [0, 4]], high·highᵀ = [[1, 1], [1, 2]].
    low, high = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    p, q = [softmax([1, 0]), softmax([0, 4])], [softmax([1, 1]), softmax([1, 2])]
    expected = -sum(a * math.log(b) for ps, qs in zip(p, q, strict=True) for a, b in zip(ps, qs, strict=True)) / 2
    assert view_consistency(low, high, 1.0, swapped=True).item() == pytest.approx(expected, rel=1e-5)
    assert view_consistency(low * 3, high, 1.0).item() == pytest.approx(view_consistency(low, high, 1.0).item())


def test_label_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [5.0, 5.0], [0.0, 1.0]])
    target, known = torch.tensor([0, -1, 0]), torch.tensor([True, False, True])
    a, b = softmax([2, 0]), softmax([0, 1])
    expected = -(math.log(a[0]) + math.log(b[0])) / 2
    assert label_loss(logits, target, known).item() == pytest.approx(expected, rel=1e-5)
    smooth = -sum(0.9 * math.log(p[0]) + 0.05 * (math.log(p[0]) + math.log(p[1])) for p in (a, b)) / 2
    assert label_loss(logits, target, known, smoothing=0.1).item() == pytest.approx(smooth, rel=1e-5)


def test_missing_labels_mask_the_loss() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    loss = label_loss(logits, torch.full((3,), -1), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None and logits.grad.abs().sum() == 0
    one = label_loss(logits, torch.tensor([-1, 2, -1]), torch.tensor([False, True, False]))
    assert one.item() == pytest.approx(F.cross_entropy(logits[1:2], torch.tensor([2])).item())


def test_multilabel_loss_by_hand() -> None:
    logits, target = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    expected = -(math.log(0.5) + math.log(1 - 1 / (1 + math.exp(-2)))) / 2
    assert label_loss(logits, target, torch.tensor([True]), multilabel=True).item() == pytest.approx(expected, rel=1e-5)


def test_focus_cells_and_loss_by_hand() -> None:
    marked = torch.zeros(2, 4, 4)
    marked[0, :2, :2] = 1  # the whole of the first cell
    marked[0, 2, 2] = 1  # a quarter of the last
    marked[1, 0, 3] = 0.4  # a tenth of one cell only: still its best
    cells = focus_cells(marked, 2, 2)
    assert cells.tolist() == [[[1, 0], [0, 1]], [[0, 1], [0, 0]]]
    assert focus_cells(torch.zeros(1, 4, 4), 2, 2).sum() == 0
    logits = torch.zeros(2, 2, 2)
    # p = 1/2 everywhere: cross-entropy ln 2; Dice 1 − (2·1 + 1) / (2 + 2 + 1) and 1 − (2·½ + 1) / (2 + 1 + 1)
    known = torch.tensor([True, True])
    assert float(focus_loss(logits, marked, known)) == pytest.approx(math.log(2) + (0.4 + 0.5) / 2, abs=1e-6)
    only_first = float(focus_loss(logits, marked, torch.tensor([True, False])))
    assert only_first == pytest.approx(math.log(2) + 0.4, abs=1e-6)
    assert float(focus_loss(logits, marked, torch.tensor([False, False]))) == 0.0
