namespace PeftCore.Tests.Ops;

/// <summary>Mutation tests of <see cref="OpTests"/>: if any contribution to an output, a saved value or a gradient has the wrong sign, the
/// comparison with the definition must fail.</summary>
public sealed class MutationTests
{
    private SignFlippingBackend _backend = null!;

    [OneTimeSetUp]
    public void Open() => _backend = new SignFlippingBackend();

    [OneTimeTearDown]
    public void Close() => _backend.Dispose();

    [TearDown]
    public void Everything_was_released() => Assert.That(_backend.Memory.CurrentBytes, Is.Zero);

    [TestCaseSource(typeof(OpCatalog), nameof(OpCatalog.CasesOf), new object[] { Size.Odd })]
    public void Whichever_contribution_has_the_wrong_sign_the_gradient_check_rejects_it(object entry)
    {
        var op = (OpEntry)entry;
        var sample = op.Sample(Size.Odd);
        var truth = new Differences(sample);
        int flipped = 0;
        foreach (int mask in sample.Masks().Where(m => m == sample.Masks().First() || int.IsPow2(m)))
        {
            var run = new OpRun(mask);
            Assert.That(ErrorWith(-1), Is.LessThan(op.Tolerance));
            string[] contributions = [.. _backend.Contributions];
            var unnoticed = contributions.Where((name, i) => ErrorWith(i) < op.Tolerance && !IsUseless(name, OnlyWanted(sample, mask)));
            Assert.That(unnoticed.Skip(op.Unread), Is.Empty, $"{op.Name}: the wrong sign went unnoticed with {run}");
            flipped += contributions.Length;

            double ErrorWith(int contribution)
            {
                _backend.Flip(contribution);
                return truth.ErrorOf(run.On(_backend, sample, truth.Upstream), run);
            }
        }
        TestContext.Out.WriteLine($"{op.Name}: {flipped} wrong signs, all rejected");
        Assert.That(flipped, Is.Positive);
    }

    private static string OnlyWanted(OpSample sample, int mask) => int.IsPow2(mask) ? sample.Inputs[int.TrailingZeroCount(mask)].Name : "";

    /// <summary>Outputs that an op must compute but that the required gradient does not use.</summary>
    private static bool IsUseless(string contribution, string wanted) => (contribution, wanted) switch
    {
        ("GatedGradient dgate", "up") or ("GatedGradient dup", "gate") => true,
        ("LayerNorm mean" or "LayerNorm rstd" or "GroupNorm mean" or "GroupNorm rstd", "bias") => true,
        _ => false,
    };
}
