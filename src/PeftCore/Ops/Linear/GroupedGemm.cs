using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Grouped GEMM: independent sums of matrix products, collected so that a device may compute those of one shape in one launch.
/// Dispose returns the lists to a pool of this thread.</summary>
internal sealed class GroupedGemm : IDisposable
{
    [ThreadStatic]
    private static GroupedGemm? _spare;

    private readonly List<Sum> _sums = [];
    private readonly List<GemmOperands> _terms = [];
    private readonly List<Sum> _later = [];
    private readonly List<GemmOperands> _groupTerms = [];
    private readonly List<Tensor> _results = [];
    private readonly List<Tensor?> _biases = [];
    private readonly List<SkinnyGemm> _thin = [];
    private readonly List<Tensor> _dequantized = [];
    private Backend _backend = null!;

    private GroupedGemm() { }

    private readonly record struct Sum(Tensor Result, Tensor? Bias, bool Accumulate, float Alpha, int First, int Count);

    public static GroupedGemm On(Backend backend)
    {
        var sums = _spare ?? new GroupedGemm();
        _spare = null;
        sums._backend = backend;
        return sums;
    }

    /// <summary>result (+)= α·Σ terms + bias.</summary>
    public void Add(Tensor result, Tensor? bias, bool accumulate, float alpha, params ReadOnlySpan<GemmOperands> terms)
    {
        int first = _terms.Count;
        foreach (var term in terms)
        {
            if (term.IsInt8Product)
            {
                _backend.Int8MatMul(term.A, term.B, result, accumulate);
                accumulate = true;
            }
            else
            {
                _terms.Add(term.Prepared(result.Shape.Rows, _dequantized));
            }
        }
        _sums.Add(new Sum(result, bias, accumulate, alpha, first, _terms.Count - first));
    }

    /// <summary>Adds a product to the last sum.</summary>
    public void AddTerm(GemmOperands term)
    {
        _sums[^1] = _sums[^1] with { Count = _sums[^1].Count + 1 };
        _terms.Add(term);
    }

    /// <summary>Adds products of one tall matrix with skinny ones. All that are added before a run have one form: each with its own tall
    /// matrix and skinny ones on both sides, or all with one tall matrix on the right.</summary>
    public void Add(in SkinnyGemm product) => _thin.Add(product);

    /// <summary>Computes the sums and products added since the last run.</summary>
    public void Run()
    {
        if (_thin.Count > 0 && !_backend.TrySkinnyGemm(CollectionsMarshal.AsSpan(_thin)))
        {
            foreach (var p in _thin)
            {
                if (p.Right is not null)
                {
                    Add(p.RightProduct!, null, false, p.Alpha, new GemmOperands(p.X, false, p.Right, false));
                    Add(p.LeftProduct, null, p.Accumulate, 1, new GemmOperands(p.X, true, p.Left, false));
                }
                else
                {
                    Add(p.LeftProduct, null, p.Accumulate, 1, new GemmOperands(p.Left, true, p.X, false));
                }
            }
        }
        _thin.Clear();
        while (_sums.Count > 0)
        {
            var first = _sums[0];
            if (first.Count == 0) // An INT8 product, which has run.
            {
                if (first.Bias is not null)
                {
                    _backend.AddRow(first.Result, first.Bias);
                }
                _sums.RemoveAt(0);
                continue;
            }
            foreach (var sum in _sums)
            {
                // Two sums into one tensor must not be in one launch.
                if (AreAlike(first, sum) && !IsResult(sum.Result))
                {
                    _groupTerms.AddRange(TermsOf(sum));
                    _results.Add(sum.Result);
                    _biases.Add(sum.Bias);
                }
                else
                {
                    _later.Add(sum);
                }
            }
            if (_results.Count == 1 && first.Count == 1 && first.Bias is null)
            {
                var (a, transposeA, b, transposeB) = _groupTerms[0];
                _backend.MatMul(a, transposeA, b, transposeB, first.Result, first.Alpha, first.Accumulate);
            }
            else
            {
                _backend.MatMulGroup(CollectionsMarshal.AsSpan(_groupTerms), CollectionsMarshal.AsSpan(_results), first.Alpha,
                    first.Accumulate,
                    CollectionsMarshal.AsSpan(_biases));
            }
            _sums.Clear();
            _sums.AddRange(_later);
            _later.Clear();
            _groupTerms.Clear();
            _results.Clear();
            _biases.Clear();
        }
        _terms.Clear();
        FreeDequantized();
    }

    public void Dispose()
    {
        FreeDequantized();
        foreach (var list in (ReadOnlySpan<System.Collections.IList>)[_sums, _terms, _later, _groupTerms, _results, _biases, _thin])
        {
            list.Clear();
        }
        _spare = this;
    }

    private void FreeDequantized()
    {
        _dequantized.ForEach(tensor => tensor.Dispose());
        _dequantized.Clear();
    }

    private bool IsResult(Tensor result)
    {
        foreach (var known in _results)
        {
            if (known.Storage == result.Storage && known.ByteOffset == result.ByteOffset)
            {
                return true;
            }
        }
        return false;
    }

    private bool AreAlike(in Sum a, in Sum b)
    {
        if (a.Accumulate != b.Accumulate || !a.Alpha.Equals(b.Alpha) || a.Result.DType != b.Result.DType
            || a.Result.Shape.Rows != b.Result.Shape.Rows || a.Count != b.Count)
        {
            return false;
        }
        for (int i = 0; i < a.Count; i++)
        {
            GemmOperands x = _terms[a.First + i], y = _terms[b.First + i];
            if (!x.SameLayout(y) || x.Depth != y.Depth)
            {
                return false;
            }
        }
        return true;
    }

    private ReadOnlySpan<GemmOperands> TermsOf(in Sum sum) => CollectionsMarshal.AsSpan(_terms).Slice(sum.First, sum.Count);
}
