using PeftCore.Extensions.AI.Embeddings;

namespace PeftCore.Extensions.AI.Tests.Embeddings;

/// <summary>Poolings of four tokens with two columns, computed by hand.</summary>
public sealed class TokenPoolingTests
{
    private static readonly float[] Hidden = [1, -8, 3, 2, 5, -2, 7, 4]; // (4, 2)

    [TestCase("Cls", 0, 1, -8)]
    [TestCase("Cls", 1, 3, 2)]
    [TestCase("LastToken", 0, 7, 4)]
    [TestCase("Max", 0, 7, 4)]
    [TestCase("Max", 3, 7, 4)]
    [TestCase("Mean", 0, 4, -1)]
    [TestCase("Mean", 2, 6, 1)]
    [TestCase("MeanSqrtLength", 0, 8, -2)]
    [TestCase("WeightedMean", 0, 5, 0.6)] // (1·1 + 2·3 + 3·5 + 4·7) / 10
    [TestCase("WeightedMean", 3, 7, 4)]
    public void The_vector_is_that_of_the_definition(string kind, int first, double x, double y) =>
        Assert.That(TokenPooling.Pool(Enum.Parse<PoolingKind>(kind), Hidden, columns: 2, first), Is.EqualTo(new[] { (float)x, (float)y })
            .Within(1e-6f));
}
