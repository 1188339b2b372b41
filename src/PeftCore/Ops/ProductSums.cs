using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Sums of products that do not depend on each other, gathered so that a device may compute those that are alike at once.</summary>
internal sealed class ProductSums(IBackend backend)
{
    private readonly List<Sum> _sums = [];

    private sealed record Sum(Tensor Result, Tensor? Bias, bool Accumulate, float Alpha, MatMulTerm[] Terms)
    {
        public bool IsAlike(Sum other) => Accumulate == other.Accumulate && Alpha.Equals(other.Alpha) && Result.DType == other.Result.DType &&
            Result.Shape.Rows == other.Result.Shape.Rows && Terms.Length == other.Terms.Length && Terms.Zip(other.Terms).All(pair => AreAlike(pair.First, pair.Second));

        private static bool AreAlike(in MatMulTerm a, in MatMulTerm b) => a.TransposeA == b.TransposeA && a.TransposeB == b.TransposeB && a.Depth == b.Depth;
    }

    /// <summary>result (+)= α·Σ terms + bias.</summary>
    public void Add(Tensor result, Tensor? bias, bool accumulate, float alpha, MatMulTerm[] terms) => _sums.Add(new Sum(result, bias, accumulate, alpha, terms));

    /// <summary>Computes what was added since.</summary>
    public void Run()
    {
        while (_sums.Count > 0)
        {
            // Two sums into one place must not meet in one launch.
            var alike = _sums.Where(_sums[0].IsAlike).DistinctBy(sum => (sum.Result.Storage, sum.Result.ByteOffset)).ToList();
            var first = alike[0];
            if (alike.Count == 1 && first.Terms.Length == 1 && first.Bias is null)
            {
                var (a, transposeA, b, transposeB) = first.Terms[0];
                backend.MatMul(a, transposeA, b, transposeB, first.Result, first.Alpha, first.Accumulate);
            }
            else
            {
                backend.MatMulGroup([.. alike.SelectMany(sum => sum.Terms)], [.. alike.Select(sum => sum.Result)], first.Alpha, first.Accumulate,
                    [.. alike.Select(sum => sum.Bias)]);
            }
            _sums.RemoveAll(alike.Contains);
        }
    }
}
