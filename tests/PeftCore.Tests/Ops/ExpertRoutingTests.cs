using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

public sealed class ExpertRoutingTests
{
    private CpuBackend _backend = null!;

    [OneTimeSetUp]
    public void Open() => _backend = new CpuBackend(2, poison: true);

    [OneTimeTearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void Of_equal_scores_the_first_experts_are_chosen() =>
        Assert.That(Chosen([1, 3, 3, 2, 3], 1, 2, null, ExpertGroups.All), Is.EqualTo(new[] { 1, 2 }));

    [Test]
    public void A_bias_changes_the_choice() =>
        Assert.That(Chosen([0.1f, 0.9f, 0.5f, 0.4f], 1, 2, [1, 0, 0, 0.2f], ExpertGroups.All), Is.EqualTo(new[] { 0, 1 }));

    [Test]
    public void Experts_come_from_the_groups_with_the_largest_two_scores() =>
        Assert.That(Chosen([0.9f, 0.1f, 0.6f, 0.5f], 1, 2, null, new ExpertGroups(2, 1)), Is.EqualTo(new[] { 2, 3 }));

    [Test]
    public void A_score_outside_the_kept_groups_counts_as_zero() =>
        Assert.That(Chosen([-0.9f, -0.8f, 0.6f, -0.5f], 1, 2, null, new ExpertGroups(2, 1)), Is.EqualTo(new[] { 2, 0 }));

    [Test]
    public void Pairs_are_sorted_by_expert_and_stay_in_order_within_one()
    {
        using var scope = new TensorScope();
        var routing = ExpertRouting.Of(_backend.From([2, 0, 0, 3, 2, 0], [3, 2]), 4);
        Assert.Multiple(() =>
        {
            Assert.That(routing.Order.ToArray<int>(), Is.EqualTo(new[] { 1, 2, 5, 0, 4, 3 }));
            Assert.That(routing.Position.ToArray<int>(), Is.EqualTo(new[] { 3, 0, 1, 5, 4, 2 }));
            Assert.That(routing.Experts.ToArray<int>(), Is.EqualTo(new[] { 0, 0, 0, 2, 2, 3 }));
            Assert.That(routing.Offsets.ToArray<int>(), Is.EqualTo(new[] { 0, 3, 3, 5, 6 }));
        });
    }

    [Test]
    public void Groups_that_do_not_divide_the_experts_are_refused() =>
        Assert.That(() => Chosen([1, 2, 3], 1, 1, null, new ExpertGroups(2, 1)), Throws.TypeOf<ShapeException>()
            .With.Message.Contains("groups"));

    private int[] Chosen(float[] scores, int rows, int k, float[]? bias, ExpertGroups groups)
    {
        using var scope = new TensorScope();
        var biasTensor = bias is null ? null : _backend.From(bias, [bias.Length]);
        return ExpertRouting.TopK(_backend.From(scores, [rows, scores.Length / rows]), k, biasTensor, groups).Chosen.ToArray<int>();
    }
}
