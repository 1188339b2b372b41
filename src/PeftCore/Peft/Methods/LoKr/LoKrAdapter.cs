using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.LoKr;

/// <summary>LoKr (Yeh et al. 2023, LyCORIS) on one linear layer: ΔW = s·W₁⊗W₂ with W₁ (a, c), W₂ (b, d), out = a·b, in = c·d. Each factor
/// is one matrix, or a product of rank r where that is smaller. The Kronecker product is never formed.</summary>
internal sealed class LoKrAdapter : DeltaAdapter
{
    private readonly float _scale;
    private readonly LycorisDropout _dropout;
    private readonly Factor _first;
    private readonly Factor _second;

    public LoKrAdapter(AttachContext context, LoKrConfig config, string path, Linear layer, ulong site) : base(layer)
    {
        (int r, _scale) = config.On(path);
        _dropout = new LycorisDropout(layer, (float)config.RankDropout, (float)config.ModuleDropout, site, config.RankDropoutScale);
        var (c, d) = Split(layer.Inputs, config.DecomposeFactor);
        var (a, b) = Split(layer.Outputs, config.DecomposeFactor);
        bool firstWhole = !(config.DecomposeBoth && r < Math.Max(a, c) / 2.0), secondWhole = r >= Math.Max(b, d) / 2.0;
        _first = new Factor(context, "lokr_w1", a, c, firstWhole ? null : r, 4 * site, zero: config.Init == LoKrInit.Default,
            zeroLast: false);
        _second = new Factor(context, "lokr_w2", b, d, secondWhole ? null : r, 4 * site + 2, zero: config.Init == LoKrInit.Lycoris,
            zeroLast: true);
    }

    public override IEnumerable<AdapterParameter> Parameters => [.. _first.Parameters, .. _second.Parameters];

    /// <summary>Splits a dimension into two factors, the smaller first: <paramref name="factor"/> and its cofactor if it is a divisor;
    /// otherwise the pair with the smallest sum whose smaller factor is at most <paramref name="factor"/> (−1: no limit).</summary>
    internal static (int Small, int Large) Split(int dimension, int factor)
    {
        if (factor > 0 && dimension % factor == 0)
        {
            return (factor, dimension / factor);
        }
        int most = factor == -1 ? dimension : factor, m = 1, n = dimension, length = m + n;
        while (m < n)
        {
            int next = m + 1;
            while (dimension % next != 0)
            {
                next++;
            }
            if (next + dimension / next > length || next > most)
            {
                break;
            }
            (m, n) = (next, dimension / next);
        }
        return m > n ? (n, m) : (m, n);
    }

    protected override Tensor Delta(Tensor x, Tensor weight)
    {
        var y = x.KroneckerLinear(_first.Value, _second.Value, _scale);
        return _dropout.Factors() is { } factors ? y.MultiplyRow(y.Backend.From(factors, [factors.Length])) : y;
    }

    /// <summary>W₁ or W₂: one matrix, or a product of rank r.</summary>
    private sealed class Factor
    {
        private readonly string _name;
        private readonly Parameter _a;
        private readonly Parameter? _b;

        public Factor(AttachContext context, string name, int rows, int columns, int? rank, ulong stream, bool zero, bool zeroLast)
        {
            _name = name;
            _a = context.NewParameter(rank is { } r ? [rows, r] : [rows, columns]);
            _b = rank is { } inner ? context.NewParameter([inner, columns]) : null;
            _ = zero && (!zeroLast || _b is null) ? _a.Zero() : _a.Kaiming(context.Seed, stream);
            _ = zero && zeroLast ? _b?.Zero() : _b?.Kaiming(context.Seed, stream + 1);
        }

        public Tensor Value => _b is null ? _a.Value : _a.Value.MatMul(_b.Value);

        public IEnumerable<AdapterParameter> Parameters => _b is null
            ? [new("", _name + ".{0}", _name, _a)]
            : [new("", _name + "_a.{0}", _name + "_a", _a), new("", _name + "_b.{0}", _name + "_b", _b)];
    }
}
